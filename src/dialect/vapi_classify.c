/* Happy path: a proved JSON text with {"message": {"type", "call": {"id"}, "timestamp"}}.
 * Failure: no JSON; no object; neither `message` nor a type; the fault tells the sender what was
 * found instead. */
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
static int refuse(struct json top, struct fault *f)
{
	struct json message = json_get(top, "message");
	if (top.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "a Vapi message is a JSON object, found %s",
			     kind_name(top.kind));
	if (message.kind != JSON_NONE)
		return fault(f, E_INVALID, "member \"message\" must be an object, found %s",
			     kind_name(message.kind));
	return fault(f, E_INVALID, "found neither a member \"message\" nor a message type");
}

int vapi_classify(struct span body, struct arena *arena, struct envelope *out, struct fault *f)
{
	enum { TYPE, CALL, CALL_ID, TIMESTAMP, COUNT };
	static const char *const names[COUNT] = { "type", "call", "callId", "timestamp" };
	struct json found[COUNT] = { 0 };
	*out = (struct envelope){ 0 };
	TRY(json_check(body, f));
	const char *message = vapi_find_message(body);
	if (!message)
		return refuse(json_of(body), f);
	scan_pick(message, body.p + body.n, names, COUNT, found);
	out->type = json_text(found[TYPE], arena);
	if (out->type.n == 0)
		out->type = vapi_message_type(body, arena);
	if (out->type.n == 0)
		return fault(f, E_INVALID, "member \"message.type\" must be a text, found %s",
			     found[TYPE].kind == JSON_STRING ? "an empty one"
							     : kind_name(found[TYPE].kind));
	out->call_id = VAPI_FIRST_TEXT(arena, json_get(found[CALL], "id"), found[CALL_ID]);
	out->at_us = vapi_time(found[TIMESTAMP], arena);
	const struct vapi_type *type = vapi_type_of(out->type);
	out->answer = type->answer;
	out->keep_whole = type->whole;
	return 0;
}
