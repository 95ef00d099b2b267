#include "base/clock.h"
#include "dialect/scan.h"
#include "dialect/vapi_parts.h"

#define X(name) #name,
static const char *const message_names[] = { VAPI_MESSAGE_MEMBERS(X) };
static const char *const call_names[] = { VAPI_CALL_MEMBERS(X) };
static const char *const artifact_names[] = { VAPI_ARTIFACT_MEMBERS(X) };
#undef X

static void pick(struct json object, const char *const *names, size_t n, struct json *out)
{
	memset(out, 0, n * sizeof(*out));
	if (object.kind == JSON_OBJECT)
		scan_pick(object.raw.p, object.raw.p + object.raw.n, names, n, out);
}

const char *vapi_find_message(struct span body)
{
	struct json top = json_of(body);
	struct span key;
	bool flat = false;
	if (top.kind != JSON_OBJECT)
		return NULL;
	struct scan s = scan_open(top.raw.p, body.p + body.n);
	while (scan_next(&s, &key)) {
		if (span_is(key, "message") && *s.p == '{')
			return s.p;
		flat |= span_is(key, "type") && *s.p == '"';
		s.p = scan_value(s.p, s.end);
	}
	return flat || vapi_deduce_type(top).n ? top.raw.p : NULL;
}

bool vapi_is_beside(struct span body)
{
	return span_starts(body, SPAN(VAPI_BESIDE));
}

struct json vapi_message(struct span body)
{
	const char *p = vapi_find_message(body);
	return p ? scan_at(p, body.p + body.n) : (struct json){ 0 };
}

struct span vapi_message_type(struct span body, struct arena *arena)
{
	struct json message = vapi_message(body);
	struct span type = json_text(json_get(message, "type"), arena);
	return type.n ? type : vapi_deduce_type(message);
}

struct span vapi_deduce_type(struct json message)
{
	static const char *const names[] = { "toolCallList", "toolCalls", "toolWithToolCallList",
					     "functionCall" };
	enum { FUNCTION_CALL = 3, COUNT };
	struct json found[COUNT];
	pick(message, names, COUNT, found);
	for (int i = 0; i < FUNCTION_CALL; i++)
		if (found[i].kind == JSON_ARRAY)
			return SPAN("tool-calls");
	if (found[FUNCTION_CALL].kind == JSON_OBJECT)
		return SPAN("function-call");
	return (struct span){ 0 };
}

void vapi_view_message(struct vapi_view *v, struct json message, struct arena *arena)
{
	v->message = message;
	v->arena = arena;
	pick(message, message_names, M_COUNT, v->m);
	pick(v->m[M_call], call_names, C_COUNT, v->call);
	pick(v->m[M_artifact], artifact_names, A_COUNT, v->artifact);
	v->type = json_text(v->m[M_type], arena);
	if (v->type.n == 0)
		v->type = vapi_deduce_type(message);
	v->at_us = vapi_time(v->m[M_timestamp], arena);
}

void vapi_view_call(struct vapi_view *v, struct json call, struct arena *arena)
{
	vapi_view_message(v, call, arena);
	v->m[M_call] = call;
	pick(call, call_names, C_COUNT, v->call);
}

struct span vapi_text(struct json v, struct arena *arena)
{
	if (v.kind == JSON_NUMBER)
		return v.raw;
	return json_text(v, arena);
}

struct span vapi_first_text(const struct json *values, size_t n, struct arena *arena)
{
	struct span text = { 0 };
	for (size_t i = 0; i < n && text.n == 0; i++)
		text = vapi_text(values[i], arena);
	return text;
}

struct json vapi_either(struct json a, struct json b)
{
	return json_has(a) ? a : b;
}

int64_t vapi_time(struct json v, struct arena *arena)
{
	int64_t us = 0;
	double number;
	if (v.kind == JSON_STRING && clock_parse(json_text(v, arena), &us))
		return us;
	if (json_f64(v, &number) && number > 0 && clock_from_number(number, &us))
		return us;
	return 0;
}

enum speaker vapi_speaker(struct json role)
{
	if (json_is_text(role, "user") || json_is_text(role, "customer"))
		return SPEAKER_USER;
	if (json_is_text(role, "assistant") || json_is_text(role, "bot"))
		return SPEAKER_AI;
	return SPEAKER_NONE;
}

bool vapi_is_marker_at(const char *p, const char *end)
{
	return span_starts((struct span){ p, (size_t)(end - p) }, SPAN("{\"$seen\":{"));
}

bool vapi_is_marker(struct json v, size_t *count)
{
	int64_t n = 1;
	*count = 1;
	if (v.kind != JSON_OBJECT || !vapi_is_marker_at(v.raw.p, v.raw.p + v.raw.n))
		return false;
	if (json_i64(json_path(v, "$seen.count"), &n) && n > 0 && n < INT32_MAX)
		*count = (size_t)n;
	return true;
}

bool vapi_has_elements(struct json v)
{
	struct span key;
	struct json first;
	struct json_iter it = json_iter(v);
	return v.kind == JSON_ARRAY && json_next(&it, &key, &first);
}
