/* Unified diffs: small ones as people know them, random ones proven by patching. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/diff.h"

#include <stdio.h>
#include <stdlib.h>

static void expect(const char *before, const char *after, const char *diff)
{
	struct buf out AUTO_BUF = { 0 };
	diff_unified(span_of(before), span_of(after), &out);
	assert_string_equal(buf_z(&out), diff);
}

static void small_ones(void **state)
{
	(void)state;
	expect("", "", "");
	expect("a\nb", "a\nb", "");
	expect("", "a\nb", "@@ -0,0 +1,2 @@\n+a\n+b\n");
	expect("a", "", "@@ -1,1 +0,0 @@\n-a\n");
	expect("a\nb\nc", "a\nx\nc", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
	expect("a", "a\n", "@@ -1,1 +1,2 @@\n a\n+\n");
	expect("1\n2\n3\n4\n5\n6", "1\n2\n3\n4\n5\n6\n7", "@@ -4,3 +4,4 @@\n 4\n 5\n 6\n+7\n");
	/* what is far apart is apart */
	expect("a\n1\n2\n3\n4\n5\n6\n7\nb", "A\n1\n2\n3\n4\n5\n6\n7\nB",
	       "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
	/* what is near is together */
	expect("a\n1\n2\n3\n4\n5\n6\nb", "A\n1\n2\n3\n4\n5\n6\nB",
	       "@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
}

/* --- by patching --- */

struct patching {
	const struct span *lines; /* before */
	size_t n, at;
	struct buf *out;
	size_t written;
};

static void put(struct patching *p, struct span line)
{
	if (p->written++)
		buf_addc(p->out, '\n');
	buf_add(p->out, line);
}

static void copy_to(struct patching *p, size_t upto)
{
	assert_true(upto <= p->n && p->at <= upto);
	while (p->at < upto)
		put(p, p->lines[p->at++]);
}

static void patch_line(struct patching *p, struct span line)
{
	size_t from, lines;
	struct span rest = span_from(line, 1);
	if (line.p[0] == '@') {
		assert_int_equal(sscanf(line.p, "@@ -%zu,%zu", &from, &lines), 2);
		copy_to(p, lines ? from - 1 : from);
		return;
	}
	if (line.p[0] != '+')
		assert_true(p->at < p->n && span_eq(p->lines[p->at], rest));
	if (line.p[0] == '+')
		put(p, rest);
	else if (line.p[0] == '-')
		p->at++;
	else
		put(p, p->lines[p->at++]);
}

static void patch(struct span before, struct span diff, struct buf *out)
{
	struct span lines[400], rest = before;
	struct patching p = { .lines = lines, .out = out };
	for (bool more = before.n > 0; more; p.n++) {
		more = memchr(rest.p, '\n', rest.n);
		lines[p.n] = span_line(&rest);
	}
	while (diff.n)
		patch_line(&p, span_line(&diff));
	copy_to(&p, p.n);
}

/* Few different lines: many ways to be alike. */
static void write_random(struct buf *out, unsigned *seed)
{
	buf_clear(out);
	for (int n = rand_r(seed) % 60; n > 0; n--)
		buf_printf(out, "%c%s", 'a' + rand_r(seed) % 5, n > 1 ? "\n" : "");
}

static void random_ones_patch(void **state)
{
	struct buf before AUTO_BUF = { 0 }, after AUTO_BUF = { 0 };
	unsigned seed = 7;
	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct buf diff AUTO_BUF = { 0 }, made AUTO_BUF = { 0 };
		write_random(&before, &seed);
		write_random(&after, &seed);
		diff_unified(buf_span(&before), buf_span(&after), &diff);
		buf_z(&diff); /* for sscanf */
		patch(buf_span(&before), buf_span(&diff), &made);
		if (!span_eq(buf_span(&made), buf_span(&after)))
			fail_msg("%d: %s\n--\n%s\n--\n%s", i, buf_z(&before), buf_z(&after),
				 buf_z(&diff));
	}
}

/* Beyond the bound it is not the smallest, but a difference all the same. */
static void huge_ones_end(void **state)
{
	struct buf before AUTO_BUF = { 0 }, after AUTO_BUF = { 0 }, diff AUTO_BUF = { 0 };
	(void)state;
	for (int i = 0; i < 20000; i++) {
		buf_printf(&before, "%d\n", i);
		buf_printf(&after, "%d\n", -i - 1);
	}
	diff_unified(buf_span(&before), buf_span(&after), &diff);
	assert_non_null(strstr(buf_z(&diff), "@@ -1,20001 +1,20001 @@\n-0\n-1\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_ones),
		cmocka_unit_test(random_ones_patch),
		cmocka_unit_test(huge_ones_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
