#include "healing/model_answer.h"

#include <stdio.h>

#include "call/words.h"
#include "healing/sections.h"
#include "healing/suggest.h"

#define CHANGE(F, T)                             \
	F(T, TEXT, section, "section", REQUIRED) \
	F(T, TEXT, add, "add", REQUIRED)         \
	F(T, TEXT, reason, "reason", REQUIRED)
JSON_STRUCT(model_change, CHANGE)
JSON_FIELDS(model_change, CHANGE)

/* --- a line --- */

static bool has_control(struct span line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7F)
			return true;
	return false;
}

/* What an assistant on the telephone has to take away, a person decides. */
static const char *const destroying[] = {
	"delete", "deletes", "deleting", "erase",    "erasing",	   "wipe", "forget everything",
	"borra",  "borrar",  "elimina",	 "eliminar", "olvida todo"
};

static bool destroys(struct span line)
{
	struct plain plain;
	char wanted[40];

	words_plain(line, &plain);
	for (size_t i = 0; i < sizeof(destroying) / sizeof(destroying[0]); i++) {
		int n = snprintf(wanted, sizeof(wanted), " %s ", destroying[i]);
		if (memmem(plain.text, plain.n, wanted, (size_t)n))
			return true;
	}
	return false;
}

static int check_line(struct span line, struct fault *f)
{
	if (destroys(line))
		return fault(f, E_INVALID, "add: something is to be deleted");
	if (line.p[0] == '#')
		return fault(f, E_INVALID, "add: a heading");
	if (has_control(line))
		return fault(f, E_INVALID, "add: a control character");
	if (memmem(line.p, line.n, "{{", 2) || memmem(line.p, line.n, "{%", 2))
		return fault(f, E_INVALID, "add: a template variable");
	return 0;
}

/* --- a change --- */

static int add_lines(struct span text, struct span add, struct arena *a, struct span *out,
		     struct fault *f)
{
	unsigned n = 0;

	*out = text;
	while (add.n) {
		struct span line = span_trim(span_line(&add));

		if (!line.n)
			continue;
		TRY(check_line(line, f));
		if (++n > MODEL_LINES_MAX)
			return fault(f, E_INVALID, "add: more than %d lines", MODEL_LINES_MAX);
		*out = sections_append(*out, line, a);
	}
	return n ? 0 : fault(f, E_INVALID, "add: nothing");
}

static int check_members(struct json v, struct fault *f)
{
	struct json_iter it = json_iter(v);
	struct span key;
	struct json member;

	if (v.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "expected object");
	while (json_next(&it, &key, &member))
		if (!span_is(key, "section") && !span_is(key, "add") && !span_is(key, "reason"))
			return fault(f, E_INVALID, "unknown member");
	return 0;
}

static int put_change(struct json v, const struct sections *sections, struct arena *a,
		      struct json_out *o, struct fault *f)
{
	struct model_change c = { 0 };
	struct span suggested;

	TRY(check_members(v, f));
	TRY(JSON_READ(model_change, v, a, &c, f));
	const struct section *present = sections_find(sections, c.section);
	if (has_control(c.section) || (!present && !span_trim(c.section).n))
		return fault(f, E_INVALID, "section: not the name of one");
	TRY(add_lines(present ? present->text : SPAN(""), c.add, a, &suggested, f));
	json_begin(o, NULL);
	json_put_text(o, "section", c.section);
	json_put_text(o, "current", present ? present->text : SPAN(""));
	json_put_text(o, "suggested", suggested);
	json_put_text(o, "reason", span_trim(c.reason));
	json_end(o);
	return 0;
}

static int put_changes(struct json list, const struct sections *sections, struct arena *a,
		       struct json_out *o, struct fault *f)
{
	struct json_iter it = json_iter(list);
	struct span key;
	struct json v;

	json_begin_array(o, NULL);
	for (size_t i = 0; json_next(&it, &key, &v); i++)
		if (put_change(v, sections, a, o, f))
			return fault_wrap(f, "changes[%zu]", i);
	json_end_array(o);
	return 0;
}

int model_answer_changes(struct json answer, struct json sections, struct buf *changes,
			 struct fault *f)
{
	struct json list = json_get(answer, "changes");
	struct json_out o = { .b = changes };
	struct arena a = { 0 };
	size_t n = json_count(list);

	if (answer.kind != JSON_OBJECT || json_count(answer) != 1 || list.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "expected one member, \"changes\", an array");
	if (n < 1 || n > SUGGEST_CHANGES_MAX)
		return fault(f, E_INVALID, "changes: 1 to %d", SUGGEST_CHANGES_MAX);
	struct sections present = sections_read(sections, &a);
	int rc = put_changes(list, &present, &a, &o, f);
	arena_fini(&a);
	return rc;
}
