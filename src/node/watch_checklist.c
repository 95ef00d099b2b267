#include "node/watch_checklist.h"

#include <stdio.h>
#include <stdlib.h>

#include "node/text.h"

/* As much as fits, whole characters, harmless. */
static void copy_span(char *out, size_t size, struct span text)
{
	struct buf b AUTO_BUF = { 0 };

	text_clip(&b, text, size / 4);
	snprintf(out, size, "%s", buf_z(&b));
}

static void copy_text(char *out, size_t size, struct json v)
{
	struct arena a = { 0 };

	copy_span(out, size, v.kind == JSON_STRING ? json_text(v, &a) : (struct span){ 0 });
	arena_fini(&a);
}

static const struct {
	const char *state, *sign, *said;
} marks[] = {
	[CHECKLIST_MISSING] = { "never_asked", "·", "" },
	[CHECKLIST_ASKED] = { "asked_not_captured", "?", "asked" },
	[CHECKLIST_REFUSED] = { "refused", "✗", "refused" },
	[CHECKLIST_CAPTURED] = { "captured", "✓", "" },
};

static enum checklist_mark mark_of(struct json state)
{
	unsigned i = CHECKLIST_CAPTURED;

	while (i > CHECKLIST_MISSING && !json_is_text(state, marks[i].state))
		i--;
	return (enum checklist_mark)i;
}

void watch_checklist_fini(struct watch_checklist *l)
{
	free(l->fields);
	free(l->context);
	*l = (struct watch_checklist){ 0 };
}

static struct checklist_field *field_named(struct watch_checklist *l, const char *name)
{
	for (unsigned i = 0; i < l->fields_n; i++) {
		if (strcmp(l->fields[i].field, name) == 0)
			return &l->fields[i];
	}
	if (l->fields_n == CHECKLIST_FIELDS_MAX)
		return NULL;
	l->fields = realloc(l->fields, (l->fields_n + 1) * sizeof(*l->fields));
	CHECK(l->fields);
	return &l->fields[l->fields_n++];
}

void watch_checklist_fact(struct watch_checklist *l, struct json fact)
{
	struct checklist_field f = { .mark = mark_of(json_get(fact, "state")),
				     .required = json_true(json_get(fact, "required")) };

	copy_text(f.field, sizeof(f.field), json_get(fact, "field"));
	copy_text(f.label, sizeof(f.label), json_get(fact, "label"));
	copy_text(f.value, sizeof(f.value), json_get(fact, "value"));
	struct checklist_field *place = f.field[0] ? field_named(l, f.field) : NULL;
	if (place)
		*place = f;
}

static struct checklist_context *context_place(struct watch_checklist *l, const char *id)
{
	for (unsigned i = 0; *id && i < l->context_n; i++) {
		if (strcmp(l->context[i].id, id) == 0)
			return &l->context[i];
	}
	if (l->context_n == CHECKLIST_CONTEXT_MAX) {
		l->context_n--;
		memmove(l->context, l->context + 1, l->context_n * sizeof(*l->context));
	}
	l->context = realloc(l->context, (l->context_n + 1) * sizeof(*l->context));
	CHECK(l->context);
	return &l->context[l->context_n++];
}

/* "problem order, #17: The parcel is lost" */
static void add_item(struct watch_checklist *l, struct json item)
{
	struct arena a = { 0 };
	struct buf b AUTO_BUF = { 0 };
	struct checklist_context c = { 0 };

	if (item.kind != JSON_OBJECT)
		return;
	struct span kind = json_text(json_get(item, "kind"), &a);
	struct span title = json_text(json_get(item, "title"), &a);
	struct span text = json_text(json_get(item, "text"), &a);
	buf_add(&b, kind);
	buf_addz(&b, kind.n && title.n ? ", " : "");
	buf_add(&b, title);
	buf_addz(&b, b.n && text.n ? ": " : "");
	buf_add(&b, text);
	copy_text(c.id, sizeof(c.id), json_get(item, "id"));
	copy_span(c.text, sizeof(c.text), buf_span(&b));
	*context_place(l, c.id) = c;
	arena_fini(&a);
}

static void add_items(struct watch_checklist *l, struct json items)
{
	struct json_iter it = json_iter(items);
	struct span key;
	struct json item;

	while (json_next(&it, &key, &item))
		add_item(l, item);
}

void watch_checklist_known(struct watch_checklist *l, struct json context)
{
	add_items(l, json_get(context, "items"));
}

void watch_checklist_snapshot(struct watch_checklist *l, struct json snapshot)
{
	struct json_iter it = json_iter(json_get(snapshot, "facts"));
	struct span key;
	struct json fact;

	l->fields_n = l->context_n = 0;
	while (json_next(&it, &key, &fact))
		watch_checklist_fact(l, fact);
	add_items(l, json_get(snapshot, "context"));
}

void watch_checklist_text(const struct checklist_field *f, struct buf *out)
{
	const char *label = f->label[0] ? f->label : f->field;
	const char *said = f->mark == CHECKLIST_CAPTURED ? f->value : marks[f->mark].said;

	buf_printf(out, "%s %s%s%s", marks[f->mark].sign, label, *said ? ": " : "", said);
}
