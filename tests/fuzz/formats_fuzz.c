/* Records of every format that files are imported from: Vapi's exports, OpenAI's lists of messages,
 * call logs, transcripts as plain text. The first byte: 0 to 127, JSON, which the format that
 * claims it reads; else text, with labels of its own (bit 0). Refusing says why; what is read is a
 * body that its dialect takes, for the same call, or refuses with a reason. */
#include <stdlib.h>

#include "callmend/format.h"
#include "tests/fuzz/fuzz.h"

#define FALLBACK_US INT64_C(1700000000000000)

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_call(const struct format *format, const struct format_call *call, struct arena *a)
{
	const struct dialect *d = dialect_find(span_of(format->dialect));
	struct envelope e;
	struct inputs inputs = { 0 };
	struct fault f = { 0 };
	must(d && json_check(call->body, NULL) == 0);
	if (d->classify(call->body, a, &e, &f)) {
		must(f.text[0]);
		return;
	}
	must(!call->id.n || !e.call_id.n || span_eq(call->id, e.call_id));
	if (d->read(call->body, a, &inputs, &f))
		must(f.text[0]);
}

static void try_record(const struct format *format, const struct format_record *r)
{
	struct arena a = { 0 };
	struct format_call call = { 0 };
	struct fault f = { 0 };
	int rc = format ? format->read(r, &a, &call, &f) : 0;
	must(rc == 0 || ((rc == E_INVALID || rc == E_CONFLICT) && f.text[0]));
	if (format && rc == 0)
		check_call(format, &call, &a);
	arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!n)
		return 0;
	/* A copy of its exact size, so that a read behind the end is noticed. */
	char *copy = malloc(n);
	memcpy(copy, data + 1, n - 1);
	struct format_record r = { .text = { copy, n - 1 }, .fallback_us = FALLBACK_US };
	if (data[0] > 127 && data[0] & 1) {
		r.ai_labels = SPAN("Bot, Maschine");
		r.user_labels = SPAN("Guest");
	}
	if (data[0] > 127)
		try_record(format_find(SPAN("transcript")), &r);
	else if (json_check(r.text, NULL) == 0)
		try_record(format_of(json_of(r.text)), &r);
	free(copy);
	return 0;
}
