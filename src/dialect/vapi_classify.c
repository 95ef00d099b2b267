/* Happy path: {"message": {"timestamp", "type", ..., "call": {"id"}}}, found in bytes that nobody
 * has checked yet: whoever keeps the body checks what is kept. Failure: no JSON; no object; neither
 * `message` nor a type; the fault tells the sender what was found instead. */
#include "dialect/scan.h"
#include "dialect/vapi_parts.h"

static const char *kind_name(enum json_kind kind)
{
	static const char *const names[] = {
		[JSON_NONE] = "nothing",   [JSON_NULL] = "null",	[JSON_FALSE] = "a boolean",
		[JSON_TRUE] = "a boolean", [JSON_NUMBER] = "a number",	[JSON_STRING] = "a string",
		[JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object",
	};
	return names[kind];
}

/* Why there is no message. */
static int refuse_body(struct span body, struct fault *f)
{
	TRY(json_check(body, f));
	struct json top = json_of(body), message = json_get(top, "message");
	if (top.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "a Vapi message is a JSON object, found %s",
			     kind_name(top.kind));
	if (message.kind != JSON_NONE)
		return fault(f, E_INVALID, "member \"message\" must be an object, found %s",
			     kind_name(message.kind));
	return fault(f, E_INVALID, "found neither a member \"message\" nor a message type");
}

static int refuse_type(struct span body, struct json type, struct fault *f)
{
	TRY(json_check(body, f));
	return fault(f, E_INVALID, "member \"message.type\" must be a text, found %s",
		     type.kind == JSON_STRING ? "an empty one" : kind_name(type.kind));
}

/* What the envelope is made of. */
enum { TYPE, TIMESTAMP, CALL_ID, COUNT };
struct found {
	struct json m[COUNT];
	bool call; /* passed */
	struct json id;
};

static bool is_complete(const struct found *o)
{
	return o->m[TYPE].raw.n > 2 && o->m[TIMESTAMP].kind != JSON_NONE && o->id.raw.n > 2;
}

static void look_into_call(struct found *o, const char *p, const char *end)
{
	static const char *const id[] = { "id" };
	struct scan s = scan_open(p, end);
	struct span name;
	o->call = true;
	while (*p == '{' && o->id.kind == JSON_NONE && scan_next(&s, &name)) {
		struct json v = scan_at(s.p, end);
		if (scan_index(name, id, 1) == 0)
			o->id = v;
		s.p = v.raw.p + v.raw.n;
	}
}

/* Stops as soon as nothing is missing: what stands behind the call's id is not even looked at. */
static void find(struct found *o, const char *message, const char *end)
{
	static const char *const names[COUNT] = { "type", "timestamp", "callId" };
	static const char *const call[] = { "call" };
	struct scan s = scan_open(message, end);
	struct span name;
	while (!is_complete(o) && scan_next(&s, &name)) {
		size_t i = scan_index(name, names, COUNT);
		if (!o->call && scan_index(name, call, 1) == 0)
			look_into_call(o, s.p, end);
		if (is_complete(o))
			return;
		struct json v = scan_at(s.p, end);
		if (i < COUNT && o->m[i].kind == JSON_NONE)
			o->m[i] = v;
		s.p = v.raw.p + v.raw.n;
	}
}

int vapi_classify(struct span body, struct arena *arena, struct envelope *out, struct fault *f)
{
	struct found o = { 0 };
	*out = (struct envelope){ 0 };
	const char *message = vapi_find_message(body);
	if (!message)
		return refuse_body(body, f);
	find(&o, message, body.p + body.n);
	out->type = json_text(o.m[TYPE], arena);
	if (out->type.n == 0)
		out->type = vapi_message_type(body, arena);
	if (out->type.n == 0)
		return refuse_type(body, o.m[TYPE], f);
	out->call_id = VAPI_FIRST_TEXT(arena, o.id, o.m[CALL_ID]);
	out->at_us = vapi_time(o.m[TIMESTAMP], arena);
	const struct vapi_type *type = vapi_type_of(out->type);
	out->beside = vapi_is_beside(body);
	out->answer = out->beside ? ANSWER_NONE : type->answer;
	out->keep_whole = type->whole;
	return 0;
}
