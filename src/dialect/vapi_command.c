/* Commands: one JSON object each, as a POST to the call's own control URL or as text over the
 * WebSocket transport. */
#include "dialect/vapi_audio.h"
#include "dialect/vapi_parts.h"

static void put_say(struct json_out *o, const struct command *c)
{
	json_put_z(o, "type", "say");
	json_put_text(o, "content", c->text);
	json_put_bool(o, "interruptAssistantEnabled", c->interrupt);
	json_put_bool(o, "endCallAfterSpoken", c->end_after);
}

static void put_add_message(struct json_out *o, const struct command *c)
{
	json_put_z(o, "type", "add-message");
	json_begin(o, "message");
	json_put_text(o, "role", c->role.n ? c->role : SPAN("system"));
	json_put_text(o, "content", c->text);
	json_end(o);
	json_put_bool(o, "triggerResponseEnabled", c->trigger_response);
}

static void put_control(struct json_out *o, const char *assistant, const char *customer,
			enum command_target target)
{
	json_put_z(o, "type", "control");
	json_put_z(o, "control", target == TARGET_CUSTOMER ? customer : assistant);
}

static void put_mute(struct json_out *o, const struct command *c)
{
	put_control(o, "mute-assistant", "mute-customer", c->target);
}

static void put_unmute(struct json_out *o, const struct command *c)
{
	put_control(o, "unmute-assistant", "unmute-customer", c->target);
}

static void put_end(struct json_out *o, const struct command *c)
{
	(void)c;
	json_put_z(o, "type", "end-call");
}

static void put_transfer(struct json_out *o, const struct command *c)
{
	json_put_z(o, "type", "transfer");
	json_put_raw(o, "destination", c->destination.raw);
	if (c->text.n)
		json_put_text(o, "content", c->text);
}

static void (*const writers[COMMAND_COUNT])(struct json_out *, const struct command *) = {
	[COMMAND_SAY] = put_say,   [COMMAND_ADD_MESSAGE] = put_add_message,
	[COMMAND_MUTE] = put_mute, [COMMAND_UNMUTE] = put_unmute,
	[COMMAND_END] = put_end,   [COMMAND_TRANSFER] = put_transfer,
};

static bool is_http(struct span url)
{
	return span_starts(url, SPAN("https://")) || span_starts(url, SPAN("http://"));
}

int vapi_command_put(const struct command *c, struct buf *out, struct fault *f)
{
	struct json_out o = { .b = out };
	CHECK((unsigned)c->verb < COMMAND_COUNT);
	const char *why = vapi_cannot(c->verb, NULL);
	if (why)
		return fault(f, E_INVALID, "%s", why);
	if (c->verb == COMMAND_TRANSFER && c->destination.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "transfer needs a destination object");
	json_begin(&o, NULL);
	writers[c->verb](&o, c);
	json_end(&o);
	return 0;
}

const char *vapi_cannot(enum command_verb verb, const struct command_where *where)
{
	if (!writers[verb])
		return "Vapi has no such command";
	if (!where || (!where->control_url.n && span_is(where->kind, VAPI_SOCKET_KIND)))
		return NULL;
	if (!where->control_url.n)
		return "Vapi has not told a control URL for this call";
	return is_http(where->control_url) ? NULL : "the call's control URL is no http address";
}

int vapi_command(const struct command *c, const struct command_where *where, struct arena *arena,
		 struct provider_request *out, struct fault *f)
{
	struct buf body AUTO_BUF = { 0 };
	const char *why = vapi_cannot(c->verb, where);
	if (why)
		return fault(f, E_INVALID, "%s", why);
	if (!where->control_url.n)
		return fault(f, E_INVALID, "this call is commanded over its socket");
	TRY(vapi_command_put(c, &body, f));
	*out = (struct provider_request){ .method = SPAN("POST"),
					  .url = arena_copy(arena, where->control_url),
					  .body = arena_copy(arena, buf_span(&body)),
					  .needs_control_key = true };
	return 0;
}
