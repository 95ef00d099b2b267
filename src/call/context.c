/* What is known about the caller: open issues, problem orders (A8). Ingest looks it up, or somebody
 * posts it; it comes as a CONTEXT record, is published, kept for the snapshot, and, when the call
 * already runs and the project wants it, told to the assistant's model by a command of our own.
 * The same item is told once in a call, however it came. */
#include "base/crypto.h"
#include "call/parts.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const members[] = { "id", "kind", "title", "text" };

static uint64_t key_of(struct json item)
{
	struct buf b AUTO_BUF = { 0 };
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		buf_add(&b, json_get(item, members[i]).raw);
		buf_addc(&b, '\n');
	}
	return hash64(buf_span(&b));
}

static bool known(const struct context_state *c, uint64_t key)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->items[i].key == key)
			return true;
	return false;
}

static void drop_oldest(struct session *s)
{
	struct context_state *c = &s->context;
	kept_free(&c->items[0].json);
	c->n--;
	memmove(c->items, c->items + 1, c->n * sizeof(*c->items));
	session_flag(s, FLAG_CONTEXT_FULL);
}

static void write_item(struct json item, struct arena *a, struct buf *out)
{
	struct json_out o = { .b = out };
	json_begin(&o, NULL);
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		size_t limit = i == 3 ? CONTEXT_ITEM_BYTES / 2 : CONTEXT_ITEM_BYTES / 8;
		pipeline_put_text(&o, members[i],
				  kept_clip(json_text(json_get(item, members[i]), a), limit));
	}
	json_end(&o);
}

static void keep(struct session *s, struct json item, uint64_t key)
{
	struct context_state *c = &s->context;
	struct buf b AUTO_BUF = { 0 };
	if (c->n == CONTEXT_ITEMS)
		drop_oldest(s);
	c->items = realloc(c->items, (c->n + 1) * sizeof(*c->items));
	CHECK(c->items);
	struct context_item *kept = &c->items[c->n++];
	*kept = (struct context_item){ .key = key };
	write_item(item, &s->scratch, &b);
	kept_set(&kept->json, buf_span(&b));
}

/* "- open order, #17: the parcel is lost" */
static void tell(struct session *s, struct json item, struct buf *text)
{
	struct span kind = json_text(json_get(item, "kind"), &s->scratch);
	struct span title = json_text(json_get(item, "title"), &s->scratch);
	struct span said = json_text(json_get(item, "text"), &s->scratch);
	buf_addz(text, "\n- ");
	buf_add(text, kind);
	buf_addz(text, kind.n && title.n ? ", " : "");
	buf_add(text, title);
	buf_addz(text, (kind.n || title.n) && said.n ? ": " : "");
	buf_add(text, said);
}

static void inject(struct session *s, struct span text)
{
	char name[48];
	struct command c = { .verb = COMMAND_ADD_MESSAGE,
			     .role = SPAN("system"),
			     .text = kept_clip(text, COMMAND_TEXT_LIMIT),
			     .reason = SPAN("what is known about the caller") };
	if (s->status.ended || s->settings.imported || !s->settings.context_inject)
		return;
	snprintf(name, sizeof(name), "context:%llu", (unsigned long long)s->now.record);
	intervene_command(s, &c, name, SPAN("rule:context"));
}

static void publish(struct session *s, struct json context)
{
	struct draft d;
	static const char *const parts[] = { "how", "items", "lookup", "error" };
	draft_begin(s, &d, EVENT_CONTEXT, 0);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		pipeline_put_json(&d.o, parts[i], json_get(context, parts[i]));
	draft_emit(s, &d);
}

void context_record(struct session *s, struct json context)
{
	struct json_iter it = json_iter(json_get(context, "items"));
	struct buf text AUTO_BUF = { 0 };
	struct span key;
	struct json item;
	bool fresh = false;
	s->context.had_items |= json_get(context, "items_asked").kind == JSON_TRUE;
	s->context.had_lookup |= json_has(json_get(context, "lookup"));
	publish(s, context);
	buf_addz(&text, "What is known about this caller:");
	while (json_next(&it, &key, &item)) {
		uint64_t hash = key_of(item);
		if (item.kind != JSON_OBJECT || known(&s->context, hash))
			continue;
		keep(s, item, hash);
		tell(s, item, &text);
		fresh = true;
	}
	if (fresh && json_is_text(json_get(context, "how"), "running"))
		inject(s, buf_span(&text));
}

void context_put(const struct session *s, struct json_out *o)
{
	json_begin_array(o, "context");
	for (uint32_t i = 0; i < s->context.n; i++)
		json_put_raw(o, NULL, kept_span(&s->context.items[i].json));
	json_end_array(o);
}

void session_context_asked(const struct session *s, bool *items, bool *lookup)
{
	*items = s->context.had_items;
	*lookup = s->context.had_lookup;
}

static size_t bytes(const struct session *s)
{
	size_t n = s->context.n * sizeof(*s->context.items);
	for (uint32_t i = 0; i < s->context.n; i++)
		n += s->context.items[i].json.n;
	return n;
}

static void fini(struct session *s)
{
	for (uint32_t i = 0; i < s->context.n; i++)
		kept_free(&s->context.items[i].json);
	free(s->context.items);
}

const struct stage context_stage = {
	.name = "context",
	.bytes = bytes,
	.fini = fini,
};
