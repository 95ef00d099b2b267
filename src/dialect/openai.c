/* Happy path: CALL, every message as HISTORY, tool calls and their results beside them, REPORT.
 *
 * Tool calls and results are paired by their order, not only by id: the ids of models come again
 * for other calls. A result belongs to the oldest call still without one that has its id, else its
 * name, else to the oldest. The second call of an id is known as "id#2".
 *
 * Failure modes: no list of messages - refused; a message that is no object or has no role - left
 * out; arguments that are no JSON - kept as text ("$text"); a result without a call - stands alone;
 * no times - estimated: speech at CHARS_PER_SECOND, one after the other. */
#include "dialect/openai.h"

#include "base/clock.h"
#include "dialect/vapi_parts.h"

enum { CHARS_PER_SECOND = 15, PAUSE_MS = 300 };

struct pending {
	struct span given, id, name; /* as in the list, as told on */
	bool answered;
};

struct reading {
	struct json record;
	struct arena *arena;
	struct inputs *out;
	struct pending *calls;
	size_t calls_n;
	int64_t started_us, clock_us; /* the time of the next message without one of its own */
	size_t index;
};

/* --- parts of a record --- */

/* Of a call that is known by its sound alone. */
static bool is_wordless(struct json record)
{
	return record.kind == JSON_OBJECT && json_is_text(json_get(record, "kind"), "recording");
}

static bool is_list(struct json v)
{
	struct json_iter it = json_iter(v);
	struct span key;
	struct json first;
	if (v.kind != JSON_ARRAY || !json_next(&it, &key, &first))
		return false;
	return json_get(first, "role").kind == JSON_STRING;
}

struct json openai_messages(struct json record)
{
	static const char *const names[] = { "messages", "traj", "conversation" };
	if (is_list(record))
		return record;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct json v = json_get(record, names[i]);
		if (is_list(v))
			return v;
	}
	return (struct json){ 0 };
}

static int64_t time_of(struct json record, const char *const *names, size_t n, struct arena *arena)
{
	int64_t us = 0;
	for (size_t i = 0; i < n && us == 0; i++)
		us = vapi_time(json_path(record, names[i]), arena);
	return us;
}

void openai_times(struct json record, struct arena *arena, int64_t *started_us, int64_t *ended_us)
{
	static const char *const starts[] = { "started_at",	    "startedAt", "created_at",
					      "createdAt",	    "created",	 "timestamp",
					      "metadata.started_at" };
	static const char *const ends[] = { "ended_at", "endedAt", "metadata.ended_at" };
	*started_us = time_of(record, starts, sizeof(starts) / sizeof(*starts), arena);
	*ended_us = time_of(record, ends, sizeof(ends) / sizeof(*ends), arena);
}

/* --- one message --- */

/* Content may be a list of parts: [{"type": "text", "text": ".."}]. */
static struct span text_of(struct json content, struct arena *arena)
{
	struct buf text AUTO_BUF = { 0 };
	struct json_iter it = json_iter(content);
	struct span key;
	struct json part;
	if (content.kind == JSON_OBJECT)
		return content.raw;
	if (content.kind != JSON_ARRAY)
		return vapi_text(content, arena);
	while (json_next(&it, &key, &part)) {
		if (text.n)
			buf_addc(&text, ' ');
		buf_add(&text, json_text(json_get(part, "text"), arena));
	}
	return arena_copy(arena, buf_span(&text));
}

/* Its own time, else where the last one ended. */
static int64_t begin_of(const struct reading *r, struct json message)
{
	static const char *const names[] = { "time", "timestamp", "created_at" };
	int64_t us = time_of(message, names, sizeof(names) / sizeof(*names), r->arena);
	double seconds;
	if (us)
		return us;
	if (json_f64(json_get(message, "secondsFromStart"), &seconds) && seconds >= 0 &&
	    seconds < 1e6)
		return r->started_us + (int64_t)(seconds * (double)SECOND_US);
	return r->clock_us;
}

static int64_t lasts_us(struct span text)
{
	return (int64_t)text.n * SECOND_US / CHARS_PER_SECOND;
}

/* --- pairing --- */

static size_t times_used(const struct reading *r, struct span given)
{
	size_t n = 0;
	for (size_t i = 0; i < r->calls_n; i++)
		n += span_eq(r->calls[i].given, given);
	return n;
}

static struct span own_id(struct reading *r, struct span given)
{
	size_t before = times_used(r, given);
	if (given.n && !before)
		return given;
	return span_of(arena_printf(r->arena, "%.*s#%zu", SPAN_ARG(given.n ? given : SPAN("call")),
				    before + 1));
}

static struct pending *unanswered(struct reading *r, struct span id, struct span name)
{
	struct pending *by_name = NULL, *oldest = NULL;
	for (size_t i = 0; i < r->calls_n; i++) {
		struct pending *c = &r->calls[i];
		if (c->answered)
			continue;
		if (id.n && span_eq(c->given, id))
			return c;
		if (!by_name && name.n && span_eq(c->name, name))
			by_name = c;
		oldest = oldest ? oldest : c;
	}
	return by_name ? by_name : oldest;
}

/* --- inputs --- */

static struct input *add(struct reading *r, enum input_type type, int64_t at_us, uint64_t family)
{
	struct input *in = inputs_add(r->out, r->arena, type);
	in->from_report = true;
	in->at_us = at_us;
	in->key = key_end(key_number(family, (int64_t)r->index));
	return in;
}

static void add_history(struct reading *r, struct json raw, const char *name, enum speaker speaker,
			struct span text, struct span id, int64_t at_us, int64_t end_us)
{
	uint64_t key = key_text(key_text(key_start("message"), span_of(name)), text);
	struct input *in = add(r, INPUT_HISTORY, at_us, key);
	in->end_us = end_us;
	in->name = span_of(name);
	in->speaker = speaker;
	in->text = text;
	in->id = id;
	in->data = raw;
}

static struct pending *add_call(struct reading *r, struct json item, int64_t at_us)
{
	struct vapi_tool_call call;
	struct pending *p = &r->calls[r->calls_n];
	vapi_tool_call(item, r->arena, &call);
	*p = (struct pending){ call.id, own_id(r, call.id), call.name, false };
	struct input *in = add(r, INPUT_TOOL_CALL, at_us,
			       key_number(key_start("tool-call"), (int64_t)r->calls_n));
	in->id = p->id;
	in->name = p->name;
	in->data = call.arguments;
	r->calls_n++;
	return p;
}

static void read_calls(struct reading *r, struct json message, struct json list, int64_t at_us)
{
	struct json_iter it = json_iter(list);
	struct span key, first = { 0 };
	struct json item;
	size_t n = 0, at = r->out->n;
	add_history(r, message, "tool-calls", SPEAKER_AI, (struct span){ 0 }, first, at_us, at_us);
	for (; json_next(&it, &key, &item); n++) {
		struct span id = add_call(r, item, at_us)->id;
		first = n ? first : id;
	}
	r->out->items[at].id = first;
}

static void read_function_call(struct reading *r, struct json message, struct json call,
			       int64_t at_us)
{
	add_history(r, message, "tool-calls", SPEAKER_AI, (struct span){ 0 }, (struct span){ 0 },
		    at_us, at_us);
	r->out->items[r->out->n - 1].id = add_call(r, call, at_us)->id;
}

static void read_result(struct reading *r, struct json message, struct span text, int64_t at_us)
{
	struct span id = vapi_text(json_get(message, "tool_call_id"), r->arena);
	struct span name = vapi_text(json_get(message, "name"), r->arena);
	struct pending *call = unanswered(r, id, name);
	if (call) {
		call->answered = true;
		id = call->id;
		name = call->name;
	}
	add_history(r, message, "tool-result", SPEAKER_NONE, text, id, at_us, at_us);
	struct input *in = add(r, INPUT_TOOL_RESULT, at_us, key_start("tool-result"));
	in->id = id;
	in->name = name;
	in->text = text;
}

static const struct role {
	const char *role, *name;
	enum speaker speaker;
} roles[] = {
	{ "system", "system", SPEAKER_NONE },	  { "developer", "system", SPEAKER_NONE },
	{ "user", "user", SPEAKER_USER },	  { "customer", "user", SPEAKER_USER },
	{ "assistant", "assistant", SPEAKER_AI }, { "bot", "assistant", SPEAKER_AI },
	{ "ai", "assistant", SPEAKER_AI },	  { "tool", NULL, SPEAKER_NONE },
	{ "function", NULL, SPEAKER_NONE },
};

static const struct role *role_of(struct span name)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (span_is(name, roles[i].role))
			return &roles[i];
	return NULL;
}

static void read_words(struct reading *r, struct json message, struct span role, struct span text,
		       int64_t at_us)
{
	const struct role *known = role_of(role);
	enum speaker speaker = known ? known->speaker : SPEAKER_NONE;
	const char *name = known ? known->name : arena_printf(r->arena, "%.*s", SPAN_ARG(role));
	int64_t end_us = at_us + (speaker == SPEAKER_NONE ? 0 : lasts_us(text));
	add_history(r, message, name, speaker, text, (struct span){ 0 }, at_us, end_us);
	r->clock_us = end_us + (speaker == SPEAKER_NONE ? 0 : PAUSE_MS * MS_US);
}

static void read_message(struct reading *r, struct json message)
{
	struct span role = json_text(json_get(message, "role"), r->arena);
	struct json calls = json_get(message, "tool_calls"),
		    call = json_get(message, "function_call");
	struct span text = text_of(json_get(message, "content"), r->arena);
	const struct role *known = role_of(role);
	int64_t at_us = begin_of(r, message);
	if (!role.n)
		return;
	r->clock_us = at_us;
	if (known && !known->name) {
		read_result(r, message, text, at_us);
		return;
	}
	bool asks = vapi_has_elements(calls) || call.kind == JSON_OBJECT;
	if (text.n || !asks)
		read_words(r, message, role, text, at_us);
	if (vapi_has_elements(calls))
		read_calls(r, message, calls, r->clock_us);
	else if (call.kind == JSON_OBJECT)
		read_function_call(r, message, call, r->clock_us);
}

static size_t count_calls(struct json list)
{
	struct json_iter it = json_iter(list);
	struct span key;
	struct json message;
	size_t n = 0;
	while (json_next(&it, &key, &message))
		n += json_count(json_get(message, "tool_calls")) + 1;
	return n;
}

/* Nobody is taken to speak on when the next one has begun: an estimated end gives way. */
static void clip_ends(struct inputs *all)
{
	struct input *last = NULL;
	for (size_t i = 0; i < all->n; i++) {
		struct input *in = &all->items[i];
		if (in->type != INPUT_HISTORY)
			continue;
		if (last && last->end_us > in->at_us)
			last->end_us = in->at_us > last->at_us ? in->at_us : last->at_us;
		last = in;
	}
}

static void read_messages(struct reading *r, struct json list)
{
	struct json_iter it = json_iter(list);
	struct span key;
	struct json message;
	r->calls = arena_alloc(r->arena, count_calls(list) * sizeof(*r->calls));
	for (; json_next(&it, &key, &message); r->index++)
		if (message.kind == JSON_OBJECT)
			read_message(r, message);
	clip_ends(r->out);
}

/* --- the call --- */

static struct span member(const struct reading *r, const char *const *names, size_t n)
{
	struct span text = { 0 };
	for (size_t i = 0; i < n && !text.n; i++)
		text = vapi_text(json_path(r->record, names[i]), r->arena);
	return text;
}
#define MEMBER(r, ...)                                  \
	member(r, (const char *const[]){ __VA_ARGS__ }, \
	       sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void add_facts(struct reading *r)
{
	struct call_facts *facts = arena_alloc(r->arena, sizeof(*facts));
	struct input *in = inputs_add(r->out, r->arena, INPUT_CALL);
	facts->provider_call_id = MEMBER(r, "id", "call_id", "conversation_id");
	facts->kind = MEMBER(r, "kind");
	if (!facts->kind.n)
		facts->kind = SPAN("messages");
	facts->customer_number =
		MEMBER(r, "customer.number", "number", "phone", "metadata.customer_number",
		       "metadata.number", "metadata.phone");
	facts->customer_name = MEMBER(r, "customer.name", "metadata.customer_name");
	facts->assistant_name = MEMBER(r, "assistant.name", "assistant", "metadata.assistant");
	facts->session_id = MEMBER(r, "session_id", "metadata.session_id");
	facts->created_us = facts->started_us = r->started_us;
	in->facts = facts;
	in->at_us = r->started_us;
}

/* How good it was, in words or as a share of 1. */
static struct span evaluation(struct reading *r)
{
	struct json given = json_get(r->record, "reward");
	double share;
	if (given.kind == JSON_TRUE || given.kind == JSON_FALSE)
		return given.raw;
	if (!json_f64(given, &share))
		return MEMBER(r, "outcome", "success_evaluation");
	if (share <= 0)
		return SPAN("false");
	if (share >= 1)
		return SPAN("true");
	return span_of(arena_printf(r->arena, "%.0f%%", share * 100));
}

static void add_report(struct reading *r, int64_t ended_us)
{
	struct call_report *report = arena_alloc(r->arena, sizeof(*report));
	struct json data = json_get(r->record, "structured_data");
	struct json success = json_get(r->record, "success");
	report->ended_reason = MEMBER(r, "ended_reason", "endedReason");
	report->started_us = r->started_us;
	report->ended_us = ended_us;
	report->summary = MEMBER(r, "summary");
	report->success_evaluation = evaluation(r);
	if (!report->success_evaluation.n &&
	    (success.kind == JSON_TRUE || success.kind == JSON_FALSE))
		report->success_evaluation = success.raw;
	report->structured_data = json_has(data) ? data : json_get(r->record, "metadata");
	struct input *in = inputs_add(r->out, r->arena, INPUT_REPORT);
	in->report = report;
	in->reason = report->ended_reason;
	in->at_us = ended_us;
	in->key = key_end(key_start("report"));
}

static int read_body(struct span body, struct arena *arena, struct inputs *out, struct fault *f)
{
	struct reading r = { .record = json_of(body), .arena = arena, .out = out };
	struct json list = openai_messages(r.record);
	int64_t ended_us;
	if (list.kind == JSON_NONE && !is_wordless(r.record))
		return fault(f, E_INVALID, "no list of messages with roles");
	openai_times(r.record, arena, &r.started_us, &ended_us);
	r.clock_us = r.started_us;
	add_facts(&r);
	read_messages(&r, list);
	add_report(&r, ended_us > r.started_us ? ended_us : r.clock_us);
	return 0;
}

int64_t openai_end(struct json record, int64_t started_us, struct arena *arena)
{
	struct inputs inputs = { 0 };
	struct reading r = { .record = record,
			     .arena = arena,
			     .out = &inputs,
			     .started_us = started_us,
			     .clock_us = started_us };
	read_messages(&r, openai_messages(record));
	return r.clock_us;
}

/* --- the dialect --- */

static int classify(struct span body, struct arena *arena, struct envelope *out, struct fault *f)
{
	TRY(json_check(body, f));
	struct reading r = { .record = json_of(body), .arena = arena };
	int64_t ended_us = 0;
	*out = (struct envelope){ .type = SPAN("messages"), .keep_whole = true };
	if (r.record.kind != JSON_OBJECT ||
	    (openai_messages(r.record).kind == JSON_NONE && !is_wordless(r.record)))
		return fault(f, E_INVALID, "expected {\"id\", \"messages\": [{\"role\", ..}]}");
	out->call_id = MEMBER(&r, "id", "call_id", "conversation_id");
	if (!out->call_id.n)
		return fault(f, E_INVALID, "the list has no id");
	openai_times(r.record, arena, &out->at_us, &ended_us);
	out->at_us = ended_us ? ended_us : out->at_us;
	return 0;
}

static void keep(struct span body, const struct envelope *e, struct buf *out)
{
	(void)e;
	buf_add(out, body);
}

static void reduce(struct span body, const struct envelope *e, const struct repeats *known,
		   struct buf *out, struct repeats_news *news)
{
	(void)known;
	(void)news;
	keep(body, e, out);
}

const struct dialect openai_dialect = {
	.name = "openai",
	.title = "Message lists in OpenAI's form",
	.classify = classify,
	.mask = keep,
	.reduce = reduce,
	.read = read_body,
};
