/* docs/healing.md says what the tables in the code say. */
#include "../unit/cmocka_all.h"

#include <stdio.h>

#include "base/file.h"
#include "healing/gate.h"
#include "healing/impact.h"
#include "healing/issues.h"
#include "healing/practices.h"

static struct buf docs;

static int read_docs(void **state)
{
	(void)state;
	return file_read(ROOT "/docs/healing.md", 1 << 20, &docs, NULL);
}

static int free_docs(void **state)
{
	(void)state;
	buf_free(&docs);
	return 0;
}

static void has_row(const char *row)
{
	if (!strstr(buf_z(&docs), row))
		fail_msg("docs/healing.md has not: %s", row);
}

#define NAME_ROW(name, doc)                                                 \
	do {                                                                \
		snprintf(row, sizeof(row), "\n| `%s` | %s |\n", name, doc); \
		has_row(row);                                               \
	} while (0);

static void every_threshold_is_documented(void **state)
{
	(void)state;
	char row[600];
#define X(name, standard, least, most, doc)                                                        \
	snprintf(row, sizeof(row), "\n| `%s` | %g | %g to %g | %s |\n", #name, (double)(standard), \
		 (double)(least), (double)(most), doc);                                            \
	has_row(row);
	THRESHOLDS(X)
#undef X
}

static void every_cause_is_documented(void **state)
{
	(void)state;
	char row[600];
#define X(id, name, limit, doc)                                                    \
	snprintf(row, sizeof(row), "\n| `%s` | `%s` | %s |\n", name, #limit, doc); \
	has_row(row);
	CAUSES(X)
#undef X
}

static void every_verdict_and_state_is_documented(void **state)
{
	(void)state;
	char row[600];
#define X(id, name, doc) NAME_ROW(name, doc)
	VERDICTS(X)
	ISSUE_STATES(X)
	IMPACT_STATES(X)
#undef X
}

/* --- practices: the table against itself --- */

static struct sections one(char *text, struct section *room)
{
	*room = (struct section){ SPAN(""), span_of(text) };
	return (struct sections){ room, 1 };
}

/* What is proposed is recognised once it is in force; else it would be proposed for ever. */
static void every_practice_recognises_its_own_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < practices_n; i++) {
		struct section room;
		struct sections en = one((char *)practices[i].text_en, &room);
		assert_true(practices_present(&practices[i], &en));
		struct sections es = one((char *)practices[i].text_es, &room);
		assert_true(practices_present(&practices[i], &es));
	}
}

static void bare_instructions_miss_every_practice(void **state)
{
	(void)state;
	struct section room;
	struct sections s = one((char *)"You work for a restaurant. Take bookings.", &room);
	for (size_t i = 0; i < practices_n; i++)
		assert_false(practices_present(&practices[i], &s));
	assert_ptr_equal(practices_missing(&s, false, NULL, NULL), &practices[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_threshold_is_documented),
		cmocka_unit_test(every_cause_is_documented),
		cmocka_unit_test(every_verdict_and_state_is_documented),
		cmocka_unit_test(every_practice_recognises_its_own_line),
		cmocka_unit_test(bare_instructions_miss_every_practice),
	};
	return cmocka_run_group_tests(tests, read_docs, free_docs);
}
