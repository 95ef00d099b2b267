/* docs/understanding.md shows the program's tables: signs, points of failure, troubles of tools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "analysis/understand_parts.h"
#include "base/file.h"

enum { DOC_MAX = 1 << 20 };

static struct buf doc;

static int read_doc(void **state)
{
	struct fault f = { 0 };
	(void)state;
	if (file_read(DOCS "/understanding.md", DOC_MAX, &doc, &f) == 0)
		return 0;
	print_error("%s\n", f.text);
	return -1;
}

static int forget(void **state)
{
	(void)state;
	buf_free(&doc);
	return 0;
}

static void need_row(const char *row)
{
	if (!memmem(doc.p, doc.n, row, strlen(row)))
		fail_msg("docs/understanding.md lacks the line\n%s", row);
}

static void need(const char *a, const char *b, const char *c)
{
	char row[600];
	snprintf(row, sizeof(row), "\n| %s | %s | %s |\n", a, b, c);
	need_row(row);
}

static void signs_are_shown(void **state)
{
	(void)state;
#define X(id, category, tag, speaker, doc) \
	if (category[0])                   \
		need(category, tag, doc);
	SIGNS(X)
#undef X
}

static void points_are_shown(void **state)
{
	(void)state;
#define X(rule, key, title, doc) need("`" key "`", title, doc);
	FAILURE_POINTS(X)
#undef X
}

static void troubles_are_shown(void **state)
{
	(void)state;
#define X(id, name, doc)                            \
	if (TOOL_TROUBLE_##id != TOOL_TROUBLE_NONE) \
		need_row("\n| `" name "` | " doc " |\n");
	TOOL_TROUBLES(X)
#undef X
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_are_shown),
		cmocka_unit_test(points_are_shown),
		cmocka_unit_test(troubles_are_shown),
	};
	return cmocka_run_group_tests(tests, read_doc, forget);
}
