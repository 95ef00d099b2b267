/* The running conversation that nearly every message carries: entries of messages[] (Vapi's form)
 * or, only where no such array has any, of the OpenAI-formatted arrays.
 *
 * The same entry comes again and again, in two arrays of one body, and with endTime, duration and
 * secondsFromStart filled in or changed later. Its key is made of what stays: role, time, text (or
 * tool calls, or result). OpenAI-formatted entries have no time; there the place in the array
 * stands for it. */
#include <stdlib.h>

#include "dialect/scan.h"
#include "dialect/vapi_parts.h"

/* clang-format off */
#define ENTRY_MEMBERS(X) \
	X(role) X(message) X(content) X(time) X(endTime) X(toolCalls) X(tool_calls) \
	X(toolCallId) X(tool_call_id) X(name) X(result)
/* clang-format on */
#define X(name) E_##name,
enum { ENTRY_MEMBERS(X) E_COUNT };
#undef X
#define X(name) #name,
static const char *const entry_names[] = { ENTRY_MEMBERS(X) };
#undef X

struct reading {
	const struct vapi_view *v;
	struct inputs *out;
	bool from_report;
	struct seen keys; /* of this body: its arrays repeat each other */
};

struct entry {
	struct json raw, e[E_COUNT];
	const char *name;
	struct span text;
	int64_t at_us, end_us;
	uint64_t place; /* time, or index where there is none */
};

/* What a role means. Unknown ones keep their name. */
struct role {
	const char *role, *name;
	enum speaker speaker;
	void (*read)(struct reading *, struct entry *, enum speaker);
};

static struct input *add(struct reading *r, const struct entry *e, enum input_type type)
{
	struct input *in = inputs_add(r->out, r->v->arena, type);
	in->from_report = r->from_report;
	in->at_us = e->at_us;
	return in;
}

/* NULL when this body had it already. */
static struct input *add_entry(struct reading *r, const struct entry *e, uint64_t key)
{
	key = key_end(key_number(key, (int64_t)e->place));
	if (!seen_add(&r->keys, key))
		return NULL;
	struct input *in = add(r, e, INPUT_HISTORY);
	in->end_us = e->end_us;
	in->name = span_of(e->name);
	in->data = e->raw;
	in->key = key;
	return in;
}

static uint64_t entry_key(const struct entry *e)
{
	return key_text(key_start("history"), span_of(e->name));
}

static void read_text(struct reading *r, struct entry *e, enum speaker speaker)
{
	struct input *in = add_entry(r, e, key_text(entry_key(e), e->text));
	if (!in)
		return;
	in->speaker = speaker;
	in->text = e->text;
}

static void add_tool_call(struct reading *r, const struct entry *e,
			  const struct vapi_tool_call *call)
{
	struct input *in = add(r, e, INPUT_TOOL_CALL);
	in->id = call->id;
	in->name = call->name;
	in->data = call->arguments;
	in->key = key_end(key_number(key_number(call->key, 1), (int64_t)e->place));
}

/* The entry, then each of its calls. */
static void read_tool_calls(struct reading *r, struct entry *e, enum speaker speaker)
{
	struct json list = vapi_either(e->e[E_toolCalls], e->e[E_tool_calls]);
	size_t n = json_count(list), i = 0;
	struct vapi_tool_call *calls = arena_alloc(r->v->arena, (n + 1) * sizeof(*calls));
	struct json_iter it = json_iter(list);
	struct span name;
	struct json item;
	uint64_t key = entry_key(e);
	(void)speaker;
	for (; json_next(&it, &name, &item); i++) {
		vapi_tool_call(item, r->v->arena, &calls[i]);
		key = key_number(key, (int64_t)calls[i].key);
	}
	struct input *in = add_entry(r, e, key);
	if (!in)
		return;
	in->id = calls[0].id;
	in->speaker = SPEAKER_AI;
	for (i = 0; i < n; i++)
		add_tool_call(r, e, &calls[i]);
}

static void read_tool_result(struct reading *r, struct entry *e, enum speaker speaker)
{
	struct span id = VAPI_FIRST_TEXT(r->v->arena, e->e[E_toolCallId], e->e[E_tool_call_id]);
	struct span name = vapi_text(e->e[E_name], r->v->arena);
	struct json result = e->e[E_result];
	struct span text = e->text;
	if (json_has(result))
		text = result.kind == JSON_STRING ? json_text(result, r->v->arena) : result.raw;
	struct input *in = add_entry(r, e, key_text(key_text(entry_key(e), id), text));
	(void)speaker;
	if (!in)
		return;
	uint64_t key = in->key;
	in->id = id;
	in->text = text;
	in = add(r, e, INPUT_TOOL_RESULT);
	in->id = id;
	in->name = name;
	in->text = text;
	in->key = key_end(key_number(key_start("tool-result"), (int64_t)key));
}

static const struct role roles[] = {
	{ "system", "system", SPEAKER_NONE, read_text },
	{ "developer", "system", SPEAKER_NONE, read_text },
	{ "user", "user", SPEAKER_USER, read_text },
	{ "bot", "assistant", SPEAKER_AI, read_text },
	{ "assistant", "assistant", SPEAKER_AI, read_text },
	{ "tool_calls", "tool-calls", SPEAKER_AI, read_tool_calls },
	{ "tool_call_result", "tool-result", SPEAKER_NONE, read_tool_result },
	{ "tool", "tool-result", SPEAKER_NONE, read_tool_result },
	{ "function", "tool-result", SPEAKER_NONE, read_tool_result },
};

static const struct role *role_of(struct span role)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (span_is(role, roles[i].role))
			return &roles[i];
	return NULL;
}

/* OpenAI content may be a list of parts: [{"type":"text","text":"..."}]. */
static struct span parts_text(struct json parts, struct arena *arena)
{
	struct buf text AUTO_BUF = { 0 };
	struct json_iter it = json_iter(parts);
	struct span key;
	struct json part;
	while (json_next(&it, &key, &part)) {
		if (text.n)
			buf_addc(&text, ' ');
		buf_add(&text, json_text(json_get(part, "text"), arena));
	}
	return arena_copy(arena, buf_span(&text));
}

static struct span entry_text(const struct entry *e, struct arena *arena)
{
	struct json content = vapi_either(e->e[E_message], e->e[E_content]);
	return content.kind == JSON_ARRAY ? parts_text(content, arena) : vapi_text(content, arena);
}

/* OpenAI form: words and tool calls in one entry; they become two, as in Vapi's form. */
static void read_entry(struct reading *r, struct entry *e)
{
	struct span role = json_text(e->e[E_role], r->v->arena);
	const struct role *known = role_of(role);
	bool calls = json_has(vapi_either(e->e[E_toolCalls], e->e[E_tool_calls]));
	e->text = entry_text(e, r->v->arena);
	if (role.n == 0 && e->text.n == 0)
		return;
	e->name = known ? known->name : arena_printf(r->v->arena, "%.*s", SPAN_ARG(role));
	if (!known)
		read_text(r, e, SPEAKER_NONE);
	else if (!calls || known->read == read_tool_calls || e->text.n)
		known->read(r, e, known->speaker);
	if (known && calls && known->read != read_tool_calls) {
		e->name = "tool-calls";
		read_tool_calls(r, e, SPEAKER_AI);
	}
}

/* The entry that begins at p; gives what is behind it. */
static const char *read_element(struct reading *r, const char *p, const char *end, size_t index)
{
	struct entry e = { 0 };
	const char *behind = scan_pick(p, end, entry_names, E_COUNT, e.e);
	e.raw = (struct json){ JSON_OBJECT, { p, (size_t)(behind - p) } };
	e.at_us = vapi_time(e.e[E_time], r->v->arena);
	e.end_us = vapi_time(e.e[E_endTime], r->v->arena);
	e.place = e.at_us ? (uint64_t)e.at_us : index;
	read_entry(r, &e);
	return behind;
}

/* A marker stands for several entries, which keep their places. */
static const char *skip_element(const char *p, const char *end, size_t *count)
{
	struct json v = scan_at(p, end);
	(void)vapi_is_marker(v, count);
	return v.raw.p + v.raw.n;
}

static void read_array(struct reading *r, struct json array)
{
	struct span key;
	size_t index = 0;
	if (array.kind != JSON_ARRAY)
		return;
	struct scan s = scan_open(array.raw.p, array.raw.p + array.raw.n);
	while (scan_next(&s, &key)) {
		size_t count = 1;
		if (*s.p == '{' && !vapi_is_marker_at(s.p, s.end))
			s.p = read_element(r, s.p, s.end, index);
		else
			s.p = skip_element(s.p, s.end, &count);
		index += count;
	}
}

struct placed {
	struct input in;
	size_t at;
};

static int by_time(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	if (x->in.at_us != y->in.at_us)
		return x->in.at_us < y->in.at_us ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static bool needs_sorting(const struct input *in, size_t n)
{
	bool disorder = false;
	for (size_t i = 0; i < n; i++) {
		if (in[i].at_us == 0)
			return false; /* no times: the array's order is all there is */
		disorder |= i > 0 && in[i].at_us < in[i - 1].at_us;
	}
	return disorder;
}

/* secondsFromStart starts anew after a transfer, so order is by time; calls of one entry stay
 * together. */
static void sort_by_time(struct input *in, size_t n, struct arena *arena)
{
	if (!needs_sorting(in, n))
		return;
	struct placed *all = arena_alloc(arena, n * sizeof(*all));
	for (size_t i = 0; i < n; i++)
		all[i] = (struct placed){ in[i], i };
	qsort(all, n, sizeof(*all), by_time);
	for (size_t i = 0; i < n; i++)
		in[i] = all[i].in;
}

void vapi_history(const struct vapi_view *v, enum vapi_source source, struct inputs *out)
{
	struct reading r = { v, out, source == VAPI_FROM_REPORT, { .limit = UINT32_MAX } };
	const struct json timed[] = { v->artifact[A_messages], v->m[M_messages] };
	const struct json untimed[] = { v->m[M_messagesOpenAIFormatted], v->m[M_conversation],
					v->artifact[A_messagesOpenAIFormatted] };
	size_t before = out->n;
	bool found = false;
	for (size_t i = 0; i < sizeof(timed) / sizeof(*timed); i++) {
		found |= vapi_has_elements(timed[i]);
		read_array(&r, timed[i]);
	}
	for (size_t i = 0; i < sizeof(untimed) / sizeof(*untimed) && !found; i++) {
		found = vapi_has_elements(untimed[i]);
		read_array(&r, untimed[i]);
	}
	if (out->n > before)
		sort_by_time(out->items + before, out->n - before, v->arena);
	seen_fini(&r.keys);
}
