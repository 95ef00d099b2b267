/* assistant-request (vapi.md 1.5): a complete assistant whose system message is replaced by the
 * project's instructions, or an assistant id with variable values. The server's own members of a
 * fetched assistant (id, orgId, createdAt ...) are left out, because Vapi refuses them in an inline
 * assistant. What is known of the caller is the variable callmend_context: in a text of ours or of
 * the assistant that does not name it, a section that does is added; of an assistant by id only the
 * variable is given, because its text is the provider's. */
#include "dialect/vapi_parts.h"

#include <string.h>

static const char variable[] = "callmend_context";
static const char section[] = "# What is known about this caller\n{{callmend_context}}";

static const char *const server_members[] = {
	"id", "orgId", "createdAt", "updatedAt", "latestVersion", "isServerUrlSecretSet", NULL,
};

static void put_system_message(struct json_out *o, struct span instructions)
{
	json_begin(o, NULL);
	json_put_z(o, "role", "system");
	json_put_text(o, "content", instructions);
	json_end(o);
}

/* The first system message is replaced, others of that role go: they would contradict it. */
static void put_messages(struct json_out *o, struct json messages, struct span instructions)
{
	struct json_iter it = json_iter(messages);
	struct span key;
	struct json message;

	json_begin_array(o, "messages");
	put_system_message(o, instructions);
	while (json_next(&it, &key, &message)) {
		if (!json_is_text(json_get(message, "role"), "system"))
			json_put_raw(o, NULL, message.raw);
	}
	json_end_array(o);
}

static void put_model(struct json_out *o, struct json model, struct span instructions)
{
	struct json_iter it = json_iter(model);
	struct span key;
	struct json value;

	json_begin(o, "model");
	while (json_next(&it, &key, &value)) {
		if (!span_is(key, "messages") && !span_is(key, "systemPrompt"))
			json_put_member(o, key, value.raw);
	}
	put_messages(o, json_get(model, "messages"), instructions);
	json_end(o);
}

/* Of the assistant itself. */
static struct span own_text(struct json model, struct arena *arena)
{
	struct json_iter it = json_iter(json_get(model, "messages"));
	struct span key;
	struct json message;

	while (json_next(&it, &key, &message)) {
		if (json_is_text(json_get(message, "role"), "system"))
			return json_text(json_get(message, "content"), arena);
	}
	return json_text(json_get(model, "systemPrompt"), arena);
}

/* The system message to serve; empty: the assistant's own stays as it is. */
static void system_text(const struct assistant_choice *c, struct buf *out)
{
	struct arena arena = { 0 };
	struct json model = json_get(c->assistant, "model");
	struct span text = c->instructions.n ? c->instructions : own_text(model, &arena);
	bool named = text.n && memmem(text.p, text.n, variable, sizeof(variable) - 1);
	bool add = c->inject && c->context.n && !named;

	if (add || c->instructions.n)
		buf_add(out, text);
	if (add)
		buf_printf(out, "%s%s", text.n ? "\n\n" : "", section);
	arena_fini(&arena);
}

static void put_assistant(struct json_out *o, const struct assistant_choice *c)
{
	struct json_iter it = json_iter(c->assistant);
	struct buf text AUTO_BUF = { 0 };
	struct span key;
	struct json value;

	system_text(c, &text);
	if (c->written)
		*c->written = c->instructions.n && json_has(json_get(c->assistant, "model"));
	json_begin(o, "assistant");
	while (json_next(&it, &key, &value)) {
		if (span_in(key, server_members))
			continue;
		if (span_is(key, "model") && text.n)
			put_model(o, value, buf_span(&text));
		else
			json_put_member(o, key, value.raw);
	}
	json_end(o);
}

static void put_context(struct json_out *o, const struct assistant_choice *c)
{
	if (c->inject)
		json_put_text(o, variable, c->context);
}

static void put_variables(struct json_out *o, const struct assistant_choice *c)
{
	struct json_iter it = json_iter(c->variable_values);
	struct span key;
	struct json value;

	json_begin(o, "variableValues");
	while (json_next(&it, &key, &value)) {
		bool ours = (span_is(key, "instructions") && c->instructions.n) ||
			    (span_is(key, variable) && c->inject);
		if (!ours)
			json_put_member(o, key, value.raw);
	}
	if (c->instructions.n)
		json_put_text(o, "instructions", c->instructions);
	put_context(o, c);
	json_end(o);
}

static void put_by_id(struct json_out *o, const struct assistant_choice *c)
{
	json_put_text(o, "assistantId", c->id);
	json_begin(o, "assistantOverrides");
	put_variables(o, c);
	json_end(o);
}

static void put_whole(struct json_out *o, const struct assistant_choice *c)
{
	put_assistant(o, c);
	if (!c->inject)
		return;
	json_begin(o, "assistantOverrides");
	json_begin(o, "variableValues");
	put_context(o, c);
	json_end(o);
	json_end(o);
}

int vapi_answer_assistant(const struct assistant_choice *c, struct buf *out, struct fault *f)
{
	struct json_out o = { .b = out };

	if (c->written)
		*c->written = false;
	if (c->assistant.kind == JSON_NONE && !c->id.n)
		return fault(f, E_INVALID,
			     "neither an assistant nor an assistant id is configured");
	if (c->assistant.kind != JSON_NONE && c->assistant.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "the configured assistant is no JSON object");
	json_begin(&o, NULL);
	if (c->assistant.kind == JSON_OBJECT)
		put_whole(&o, c);
	else
		put_by_id(&o, c);
	json_end(&o);
	return 0;
}

int vapi_fetch_assistant(struct span api_base, struct span id, struct arena *a,
			 struct provider_request *out)
{
	if (!id.n)
		return E_INVALID;
	*out = (struct provider_request){
		.method = SPAN("GET"),
		.url = span_of(
			arena_printf(a, "%.*s/assistant/%.*s", SPAN_ARG(api_base), SPAN_ARG(id))),
		.needs_private_key = true,
	};
	return 0;
}
