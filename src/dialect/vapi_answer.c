/* What Vapi reads of our answers. Safe defaults and why they are safe: docs/vapi.md. */
#include "dialect/scan.h"
#include "dialect/vapi_parts.h"

/* Vapi's parser of tool results stumbles over line ends. */
static struct span one_line(struct span text, struct arena *arena)
{
	char *line = arena_alloc(arena, text.n + 1);
	for (size_t i = 0; i < text.n; i++)
		line[i] = text.p[i] == '\n' || text.p[i] == '\r' ? ' ' : text.p[i];
	return (struct span){ line, text.n };
}

static void put_result(struct json_out *o, const struct tool_answer *answer, struct arena *arena)
{
	json_begin(o, NULL);
	json_put_text(o, "toolCallId", answer->id);
	if (answer->name.n)
		json_put_text(o, "name", answer->name);
	json_put_text(o, answer->failed ? "error" : "result", one_line(answer->result, arena));
	json_end(o);
}

/* The old form knows one call and no errors: the model is told either way. */
static void put_function_result(struct json_out *o, const struct tool_answer *answers, size_t n,
				struct arena *arena)
{
	json_put_text(o, "result", n ? one_line(answers[0].result, arena) : SPAN(""));
}

void vapi_tool_answer(struct span type, const struct tool_answer *answers, size_t n,
		      struct buf *out)
{
	struct json_out o = { .b = out };
	struct arena arena = { 0 };
	json_begin(&o, NULL);
	if (span_is(type, "function-call")) {
		put_function_result(&o, answers, n, &arena);
	} else {
		json_begin_array(&o, "results");
		for (size_t i = 0; i < n; i++)
			put_result(&o, &answers[i], &arena);
		json_end_array(&o);
	}
	json_end(&o);
	arena_fini(&arena);
}

static struct span value_text(struct json v, struct arena *arena)
{
	if (v.kind == JSON_STRING)
		return json_text(v, arena);
	return json_has(v) ? v.raw : (struct span){ 0 };
}

/* {"toolCallId","name"?,"result"|"error"} or only a message to speak. */
static struct tool_answer read_result(struct json item, struct arena *arena)
{
	struct json error = json_get(item, "error"), result = json_get(item, "result");
	struct tool_answer answer = {
		.id = VAPI_FIRST_TEXT(arena, json_get(item, "toolCallId"), json_get(item, "id")),
		.name = vapi_text(json_get(item, "name"), arena),
		.failed = json_has(error) && !json_has(result),
	};
	struct json said =
		vapi_either(result, vapi_either(error, json_path(item, "message.content")));
	answer.result = value_text(said, arena);
	return answer;
}

static void read_results(struct json list, struct arena *arena, struct tool_answer **out, size_t *n)
{
	struct json_iter it = json_iter(list);
	struct span key;
	struct json item;
	*out = arena_alloc(arena, (json_count(list) + 1) * sizeof(**out));
	*n = 0;
	while (json_next(&it, &key, &item))
		if (item.kind == JSON_OBJECT)
			(*out)[(*n)++] = read_result(item, arena);
}

/* The function-call form and a failure of the whole answer: for every call that was asked, so
 * without an id. */
static bool read_single(struct json top, struct arena *arena, struct tool_answer **out, size_t *n)
{
	if (!json_has(json_get(top, "result")) && !json_has(json_get(top, "error")))
		return false;
	*out = arena_alloc(arena, sizeof(**out));
	**out = read_result(top, arena);
	*n = 1;
	return true;
}

bool vapi_read_tool_answer(struct span body, struct arena *arena, struct tool_answer **out,
			   size_t *n)
{
	*out = NULL;
	*n = 0;
	if (json_check(body, NULL) != 0)
		return false;
	struct json top = json_of(body), results = json_get(top, "results");
	if (results.kind != JSON_ARRAY)
		return read_single(top, arena, out, n);
	read_results(results, arena, out, n);
	return *n > 0 || read_single(top, arena, out, n);
}

#define UNABLE "This is not available right now."

/* The same error for every call that was asked. */
static void put_failed_tools(struct span type, struct span body, struct buf *out)
{
	struct arena arena = { 0 };
	struct vapi_view v = { 0 };
	bool readable = json_check(body, NULL) == 0;
	struct json message = readable ? vapi_message(body) : (struct json){ 0 };
	vapi_view_message(&v, message, &arena);
	struct json list = vapi_tool_calls(&v), item;
	struct json_iter it = json_iter(list);
	struct span key;
	struct tool_answer *answers =
		arena_alloc(&arena, (json_count(list) + 1) * sizeof(*answers));
	size_t n = 0;
	while (json_next(&it, &key, &item)) {
		struct vapi_tool_call call;
		vapi_tool_call(item, &arena, &call);
		answers[n++] = (struct tool_answer){ call.id, call.name, SPAN(UNABLE), true };
	}
	if (span_is(type, "function-call"))
		answers[n++] = (struct tool_answer){ .result = SPAN(UNABLE), .failed = true };
	vapi_tool_answer(type, answers, n, out);
	arena_fini(&arena);
}

static const struct fallback {
	const char *type, *answer, *content_type;
} fallbacks[] = {
	{ "assistant-request",
	  "{\"error\":\"We are sorry, we cannot take your call right now. Please try again "
	  "later.\"}",
	  NULL },
	{ "transfer-destination-request", "{\"error\":\"No transfer destination is available.\"}",
	  NULL },
	{ "handoff-destination-request", "{\"error\":\"No handoff destination is available.\"}",
	  NULL },
	{ "knowledge-base-request", "{\"documents\":[]}", NULL },
	{ "voice-request", "", "application/octet-stream" },
	{ "call.endpointing.request", "{\"timeoutSeconds\":0.5}", NULL },
	{ "campaign.predial", "{\"eligible\":false}", NULL },
};

void vapi_default_answer(struct span type, struct span body, struct buf *out,
			 const char **content_type)
{
	*content_type = "application/json";
	if (vapi_type_of(type)->answer == ANSWER_TOOLS) {
		put_failed_tools(type, body, out);
		return;
	}
	for (size_t i = 0; i < sizeof(fallbacks) / sizeof(*fallbacks); i++) {
		if (!span_is(type, fallbacks[i].type))
			continue;
		buf_addz(out, fallbacks[i].answer);
		if (fallbacks[i].content_type)
			*content_type = fallbacks[i].content_type;
		return;
	}
	buf_addz(out, "{}");
}
