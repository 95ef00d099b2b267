#include "healing/apply_assistant.h"

#include "base/crypto.h"

bool apply_assistant_same(struct span a, struct span b)
{
	return span_eq(span_trim(a), span_trim(b));
}

bool apply_assistant_known(struct span text, struct json known)
{
	struct json_iter it = json_iter(known);
	struct span key;
	struct json v;
	uint8_t hash[32];
	struct buf hex AUTO_BUF = { 0 };

	text = span_trim(text);
	if (!text.n)
		return true;
	crypto_sha256(text, hash);
	crypto_hex((struct span){ (const char *)hash, sizeof(hash) }, &hex);
	while (json_next(&it, &key, &v))
		if (json_is_text(v, buf_z(&hex)))
			return true;
	return false;
}

/* As Liquid writes it: {{name}}, {{- name -}}, {{ name | filter }}. */
bool apply_assistant_by_variable(struct span text)
{
	const struct span name = SPAN("instructions");
	const char *open;

	while (text.n && (open = memmem(text.p, text.n, "{{", 2))) {
		text = span_from(text, (size_t)(open - text.p) + 2);
		struct span inner =
			span_trim(text.n && text.p[0] == '-' ? span_from(text, 1) : text);
		bool named = inner.n > name.n && memcmp(inner.p, name.p, name.n) == 0;

		if (named && strchr(" \t\r\n|-}", inner.p[name.n]))
			return true;
	}
	return false;
}

/* --- reading --- */

static bool is_system(struct json message)
{
	return json_is_text(json_get(message, "role"), "system");
}

static struct json system_message(struct json model)
{
	struct json messages = json_get(model, "messages"), message;
	struct json_iter it = json_iter(messages);
	struct span key;

	while (messages.kind == JSON_ARRAY && json_next(&it, &key, &message))
		if (is_system(message))
			return message;
	return (struct json){ 0 };
}

int apply_assistant_read(struct json assistant, struct arena *a, struct apply_assistant *out,
			 struct fault *f)
{
	struct json model = json_get(assistant, "model"), message = system_message(model);
	struct json content = json_get(message, "content");

	if (model.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "the provider's assistant has no model");
	if (message.kind == JSON_NONE)
		content = json_get(model, "systemPrompt");
	if (json_has(content) && content.kind != JSON_STRING)
		return fault(f, E_INVALID,
			     "the system message of the provider's assistant is no "
			     "text");
	*out = (struct apply_assistant){ .model = model, .text = json_text(content, a) };
	return 0;
}

/* --- writing --- */

static void put_message(struct json_out *o, struct json message, struct span text)
{
	struct json_iter it = json_iter(message);
	struct span key;
	struct json v;

	json_begin(o, NULL);
	while (json_next(&it, &key, &v))
		if (!span_is(key, "content"))
			json_put_member(o, key, v.raw);
	json_put_text(o, "content", text);
	json_end(o);
}

static void put_messages(struct json_out *o, struct json model, struct span text)
{
	struct json messages = json_get(model, "messages"), message;
	struct json_iter it = json_iter(messages);
	struct span key;
	bool done = system_message(model).kind == JSON_NONE;

	json_begin_array(o, "messages");
	if (done)
		put_message(o, json_of(SPAN("{\"role\":\"system\"}")), text);
	while (messages.kind == JSON_ARRAY && json_next(&it, &key, &message)) {
		if (!done && is_system(message)) {
			put_message(o, message, text);
			done = true;
			continue;
		}
		json_put_raw(o, NULL, message.raw);
	}
	json_end_array(o);
}

/* systemPrompt is an older name for the system message: beside one it would be a second prompt. */
void apply_assistant_write(const struct apply_assistant *as, struct span text, struct buf *out)
{
	struct json_out o = { .b = out };
	struct json_iter it = json_iter(as->model);
	struct span key;
	struct json v;

	json_begin(&o, NULL);
	json_begin(&o, "model");
	while (json_next(&it, &key, &v))
		if (!span_is(key, "messages") && !span_is(key, "systemPrompt"))
			json_put_member(&o, key, v.raw);
	put_messages(&o, as->model, text);
	json_end(&o);
	json_end(&o);
}
