/* Any JSON as a finished call: it is understood, or refused with E_INVALID and words; never a
 * crash. What comes out is JSON, and the same bytes the second time. */
#include <stdlib.h>

#include "analysis/understand.h"
#include "tests/fuzz/fuzz.h"

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check(struct span text)
{
	struct buf first AUTO_BUF = { 0 }, second AUTO_BUF = { 0 };
	struct fault f = { 0 };
	int rc = understand(json_of(text), &first, &f);
	must(rc == understand(json_of(text), &second, NULL));
	if (rc) {
		must(rc == E_INVALID && f.text[0]);
		return;
	}
	must(json_check(buf_span(&first), NULL) == 0);
	must(span_eq(buf_span(&first), buf_span(&second)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* A copy of its exact size, so that a read behind the end is noticed. */
	char *copy = malloc(n ? n : 1);
	struct span text = { memcpy(copy, n ? (const void *)data : "", n), n };
	if (json_check(text, NULL) == 0)
		check(text);
	free(copy);
	return 0;
}
