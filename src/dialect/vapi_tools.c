/* Tool calls come in three shapes, arguments as object or as text of one; all become the same
 * input. */
#include "dialect/vapi_parts.h"

/* Members are summed, so that their order does not matter. */
uint64_t vapi_value_key(struct json v, struct arena *arena)
{
	struct json_iter it = json_iter(v);
	struct span name;
	struct json item;
	uint64_t key = key_number(0, v.kind);
	if (v.kind == JSON_STRING)
		return key_text(key, json_text(v, arena));
	if (v.kind != JSON_ARRAY && v.kind != JSON_OBJECT)
		return key_text(key, v.raw);
	while (json_next(&it, &name, &item)) {
		int64_t part = (int64_t)vapi_value_key(item, arena);
		if (v.kind == JSON_ARRAY)
			key = key_number(key, part);
		else
			key += key_number(key_text(1, name), part);
	}
	return key;
}

static struct json object_of(const char *member, struct json value, struct arena *arena)
{
	struct buf text AUTO_BUF = { 0 };
	struct json_out o = { .b = &text };
	json_begin(&o, NULL);
	if (value.kind != JSON_NONE)
		json_put_raw(&o, member, value.raw);
	json_end(&o);
	return (struct json){ JSON_OBJECT, arena_copy(arena, buf_span(&text)) };
}

/* Always an object: what else a model wrote stands under "$value" (JSON) or "$text" (no JSON at
 * all). */
static struct json arguments_of(struct json given, struct arena *arena)
{
	if (given.kind == JSON_OBJECT)
		return given;
	if (!json_has(given))
		return object_of("", (struct json){ 0 }, arena);
	if (given.kind != JSON_STRING)
		return object_of("$value", given, arena);
	struct span text = json_text(given, arena);
	if (text.n == 0)
		return object_of("", (struct json){ 0 }, arena);
	if (json_check(text, NULL) != 0)
		return object_of("$text", given, arena);
	struct json inner = json_of(text);
	if (inner.kind == JSON_STRING)
		return object_of("$value", inner, arena);
	return arguments_of(inner, arena);
}

static struct json first_of(const struct json *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (json_has(values[i]))
			return values[i];
	return (struct json){ 0 };
}

void vapi_tool_call(struct json item, struct arena *arena, struct vapi_tool_call *out)
{
	struct json inner = json_get(item, "toolCall"); /* of toolWithToolCallList */
	struct json call = inner.kind == JSON_OBJECT ? inner : item;
	struct json function = json_get(call, "function");
	struct json given = first_of(
		(struct json[]){ json_get(function, "arguments"), json_get(function, "parameters"),
				 json_get(call, "arguments"), json_get(call, "parameters") },
		4);
	out->id = VAPI_FIRST_TEXT(arena, json_get(call, "id"), json_get(call, "toolCallId"));
	out->name = VAPI_FIRST_TEXT(arena, json_get(function, "name"), json_get(call, "name"),
				    json_path(item, "function.name"), json_get(item, "name"));
	out->arguments = arguments_of(given, arena);
	out->key = key_start("tool-call");
	out->key = key_text(key_text(out->key, out->id), out->name);
	out->key = key_number(out->key, (int64_t)vapi_value_key(out->arguments, arena));
}

struct json vapi_tool_calls(const struct vapi_view *v)
{
	const int members[] = { M_toolCallList, M_toolCalls, M_toolWithToolCallList };
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (vapi_has_elements(v->m[members[i]]))
			return v->m[members[i]];
	return (struct json){ 0 };
}

static void add_call(const struct vapi_view *v, struct json item, struct inputs *out)
{
	struct vapi_tool_call call;
	vapi_tool_call(item, v->arena, &call);
	struct input *in = inputs_add(out, v->arena, INPUT_TOOL_CALL);
	in->answer_here = true;
	in->at_us = v->at_us;
	in->id = call.id;
	in->name = call.name;
	in->data = call.arguments;
	in->key = v->at_us ? key_end(key_number(call.key, v->at_us)) : 0;
}

bool vapi_read_tool_calls(const struct vapi_view *v, struct inputs *out)
{
	struct json_iter it = json_iter(vapi_tool_calls(v));
	struct span key;
	struct json item;
	size_t before = out->n;
	while (json_next(&it, &key, &item))
		if (item.kind == JSON_OBJECT)
			add_call(v, item, out);
	return out->n > before;
}

bool vapi_read_function_call(const struct vapi_view *v, struct inputs *out)
{
	if (v->m[M_functionCall].kind != JSON_OBJECT)
		return false;
	add_call(v, v->m[M_functionCall], out);
	return true;
}

/* Websocket form only:
 * {"type":"tool-calls-result","toolCallResult":{"toolCallId","name","result"}}. */
bool vapi_read_tool_result(const struct vapi_view *v, struct inputs *out)
{
	struct json result = vapi_either(v->m[M_toolCallResult], v->message);
	struct span id = vapi_text(json_get(result, "toolCallId"), v->arena);
	struct json value = vapi_either(json_get(result, "result"), json_get(result, "error"));
	if (id.n == 0)
		return false;
	struct input *in = inputs_add(out, v->arena, INPUT_TOOL_RESULT);
	in->at_us = v->at_us;
	in->id = id;
	in->name = vapi_text(json_get(result, "name"), v->arena);
	in->text = value.kind == JSON_STRING ? json_text(value, v->arena) : value.raw;
	uint64_t k = key_text(key_text(key_text(key_start("tool-result"), id), in->name), in->text);
	in->key = v->at_us ? key_end(key_number(k, v->at_us)) : 0;
	return true;
}
