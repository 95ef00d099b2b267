/* Our reader against jansson over generated texts: tricky pieces in random nesting, then the same
 * with single bits and bytes changed. The seed is fixed: a failure comes back. */
#include <stdlib.h>

#include "base/json.h"
#include "tests/fuzz/json_oracle.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/random.h"

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t pick(uint32_t below)
{
	return (uint32_t)(random_next(&random_state) >> 32) % below;
}

static const char *const pieces[] = {
	"a",
	"\\n",
	"\\\"",
	"\\\\",
	"\\u00e9",
	"\\u0000",
	"\\ud800",
	"\\ud83d\\ude00",
	"\\udc00",
	"\xc3\xa9",
	"\xe2\x82\xac",
	"\xf0\x9f\x98\x80",
	"}",
	"]",
	"{",
	"[",
	",",
	":",
	"/",
	"\\/",
	"0123456789abcdef",
	"\x7f",
	"                 ",
	"\\\\\\\\\\\\\\\\",
};
static const char *const scalars[] = {
	"0",
	"-0",
	"1",
	"-12.5e3",
	"1e308",
	"1e309",
	"0.1",
	"1E-400",
	"9223372036854775807",
	"9223372036854775808",
	"123456789012345678901234567890",
	"true",
	"false",
	"null",
	"3.0",
	"1.2e3",
};
static const char *const blanks[] = { "", "", "", " ", "\n", "\t", "\r\n", "                    " };
#define PICK(table) table[pick(sizeof(table) / sizeof(table[0]))]

static void add_string(struct buf *b)
{
	buf_addc(b, '"');
	for (uint32_t n = pick(8); n > 0; n--)
		buf_addz(b, PICK(pieces));
	buf_addc(b, '"');
}

static void add_value(struct buf *b, int depth);

static void add_container(struct buf *b, int depth, char open, char close)
{
	buf_addc(b, open);
	for (uint32_t n = pick(5), i = 0; i < n; i++) {
		buf_addz(b, i ? "," : "");
		buf_addz(b, PICK(blanks));
		if (open == '{') {
			add_string(b);
			buf_addz(b, PICK(blanks));
			buf_addc(b, ':');
		}
		add_value(b, depth + 1);
	}
	buf_addz(b, PICK(blanks));
	buf_addc(b, close);
}

static void add_value(struct buf *b, int depth)
{
	uint32_t kind = pick(depth > 6 ? 2 : 5);
	buf_addz(b, PICK(blanks));
	if (kind == 0)
		buf_addz(b, PICK(scalars));
	else if (kind == 1)
		add_string(b);
	else if (kind == 2)
		add_container(b, depth, '[', ']');
	else
		add_container(b, depth, '{', '}');
	buf_addz(b, PICK(blanks));
}

static void whole_documents_agree(void **state)
{
	(void)state;
	for (int i = 0; i < 4000; i++) {
		struct buf b AUTO_BUF = { 0 };
		add_value(&b, 0);
		assert_true(json_oracle_agrees(buf_span(&b)));
	}
}

static void damaged_documents_agree(void **state)
{
	(void)state;
	static const char odd[] = "\"\\{}[],:0e.-+ \n\0\x80\xc3\xed\xf4u";
	int accepted = 0, refused = 0;
	for (int i = 0; i < 12000; i++) {
		struct buf b AUTO_BUF = { 0 };
		add_value(&b, 0);
		for (uint32_t n = 1 + pick(2); n > 0; n--) {
			size_t at = pick((uint32_t)b.n);
			if (pick(2))
				b.p[at] = (char)(b.p[at] ^ 1 << pick(8));
			else
				b.p[at] = odd[pick(sizeof(odd) - 1)];
		}
		*(json_oracle_agrees(buf_span(&b)) ? &accepted : &refused) += 1;
	}
	/* Both sides were seen, or the test proves nothing. */
	assert_true(accepted > 500 && refused > 500);
}

/* Prefixes of containers and strings are never whole (of numbers they may be). */
static void prefixes_are_refused(void **state)
{
	(void)state;
	for (int i = 0; i < 60; i++) {
		struct buf b AUTO_BUF = { 0 };
		add_container(&b, 0, '{', '}');
		for (size_t n = 0; n < b.n; n++)
			assert_false(json_oracle_agrees((struct span){ b.p, n }));
	}
}

/* The readers never judge, but even an unchecked text must not lead them out of its bounds (ASan
 * sees to that). */
static void walk(struct json v, struct arena *a, int depth)
{
	struct json_iter it = json_iter(v);
	struct span key;
	struct json member;
	json_text(v, a);
	while (depth < 8 && json_next(&it, &key, &member))
		walk(member, a, depth + 1);
}

static void unchecked_texts_stay_in_bounds(void **state)
{
	(void)state;
	struct arena a = { 0 };
	for (int i = 0; i < 4000; i++) {
		struct buf b AUTO_BUF = { 0 };
		add_value(&b, 0);
		size_t n = pick((uint32_t)b.n) + 1;
		char *exact = malloc(n);
		memcpy(exact, b.p, n);
		exact[pick((uint32_t)n)] = (char)pick(256);
		walk(json_of((struct span){ exact, n }), &a, 0);
		json_get(json_of((struct span){ exact, n }), "a");
		arena_reset(&a);
		free(exact);
	}
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_documents_agree),
		cmocka_unit_test(damaged_documents_agree),
		cmocka_unit_test(prefixes_are_refused),
		cmocka_unit_test(unchecked_texts_stay_in_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
