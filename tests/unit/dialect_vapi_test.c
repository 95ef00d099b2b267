/* Vapi beside what golden bodies show: duplicate keys, commands, answers, and that docs/vapi.md
 * tells the truth. */
#include "base/file.h"
#include "dialect/vapi.h"
#include "dialect/vapi_parts.h"
#include "tests/unit/cmocka_all.h"

static struct arena arena;

static int clean(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static struct inputs inputs_of(const char *body)
{
	struct inputs inputs = { 0 };
	struct envelope e;
	assert_int_equal(vapi_dialect.classify(span_of(body), &arena, &e, NULL), 0);
	assert_int_equal(vapi_dialect.read(span_of(body), &arena, &inputs, NULL), 0);
	return inputs;
}

/* The key of the message's only input beside CALL. */
static uint64_t key_of(const char *members)
{
	const char *body = arena_printf(&arena, "{\"message\":{%s}}", members);
	struct inputs inputs = inputs_of(body);
	assert_int_equal(inputs.n, 2);
	return inputs.items[1].key;
}

/* --- duplicates (issue: never by text alone) --- */
struct pair {
	const char *what, *one, *other;
};

#define TRANSCRIPT(t, role, kind, text)                                \
	"\"type\":\"transcript\",\"timestamp\":" t ",\"role\":\"" role \
	"\",\"transcriptType\":\"" kind "\",\"transcript\":\"" text "\""
#define TOOL(t, id, name, args)                                                       \
	"\"type\":\"tool-calls\",\"timestamp\":" t ",\"toolCallList\":[{\"id\":\"" id \
	"\",\"name\":\"" name "\",\"arguments\":" args "}]"
#define REPORT(more) \
	"\"type\":\"end-of-call-report\",\"timestamp\":1760000000000,\"endedReason\":\"x\"" more
#define ENTRY(time, more)                                                                       \
	"\"type\":\"conversation-update\",\"timestamp\":1760000009000,\"messages\":[{\"role\":" \
	"\"user\",\"message\":"                                                                 \
	"\"yes\",\"time\":" time more "}]"

static const struct pair same[] = {
	{ "retried transcript", TRANSCRIPT("1760000000000", "user", "final", "yes"),
	  TRANSCRIPT("1760000000000", "user", "final", "yes") },
	{ "filtered name of the same transcript",
	  TRANSCRIPT("1760000000000", "user", "final", "yes"),
	  "\"type\":\"transcript[transcriptType=\\\"final\\\"]\",\"timestamp\":1760000000000,"
	  "\"role\":\"user\","
	  "\"transcript\":\"yes\"" },
	{ "time in another spelling", TRANSCRIPT("1760000000000", "user", "final", "yes"),
	  TRANSCRIPT("\"2025-10-09T08:53:20.000Z\"", "user", "final", "yes") },
	{ "bot is assistant", TRANSCRIPT("1760000000000", "bot", "final", "yes"),
	  TRANSCRIPT("1760000000000", "assistant", "final", "yes") },
	{ "arguments in another spelling",
	  TOOL("1760000000000", "c1", "f", "{\"a\":1,\"b\":[\"x\",2]}"),
	  TOOL("1760000000000", "c1", "f",
	       "\"{ \\\"b\\\": [ \\\"\\\\u0078\\\", 2 ], \\\"a\\\": 1 }\"") },
	{ "report with other presigned urls", REPORT(",\"artifact\":{\"presignedMonoUrl\":\"a\"}"),
	  REPORT(",\"artifact\":{\"presignedMonoUrl\":\"b\"}") },
	{ "report retried later", REPORT(""),
	  "\"type\":\"end-of-call-report\",\"timestamp\":1760000009999,"
	  "\"endedReason\":\"x\"" },
	{ "entry whose end became known", ENTRY("1760000000000.25", ""),
	  ENTRY("1760000000000.25",
		",\"endTime\":1760000000900,\"duration\":900,\"secondsFromStart\":1") },
	{ "unknown type with a fresh call",
	  "\"type\":\"n\",\"timestamp\":1760000000000,\"x\":1,\"call\":{\"id\":\"c\"}",
	  "\"type\":\"n\",\"timestamp\":1760000000000,\"x\":1,\"call\":{\"id\":\"c\",\"updatedAt\":"
	  "\"later\"}" },
};

static const struct pair different[] = {
	{ "two genuine yes", TRANSCRIPT("1760000000000", "user", "final", "yes"),
	  TRANSCRIPT("1760000002000", "user", "final", "yes") },
	{ "two speakers", TRANSCRIPT("1760000000000", "user", "final", "yes"),
	  TRANSCRIPT("1760000000000", "assistant", "final", "yes") },
	{ "partial and final", TRANSCRIPT("1760000000000", "user", "partial", "yes"),
	  TRANSCRIPT("1760000000000", "user", "final", "yes") },
	{ "two texts", TRANSCRIPT("1760000000000", "user", "final", "yes"),
	  TRANSCRIPT("1760000000000", "user", "final", "no") },
	{ "Vapi's ids repeat", TOOL("1760000000000", "c1", "f", "{\"a\":1}"),
	  TOOL("1760000007000", "c1", "f", "{\"a\":1}") },
	{ "other arguments", TOOL("1760000000000", "c1", "f", "{\"a\":1}"),
	  TOOL("1760000000000", "c1", "f", "{\"a\":2}") },
	{ "members and elements are not the same",
	  TOOL("1760000000000", "c1", "f", "{\"a\":[1,2]}"),
	  TOOL("1760000000000", "c1", "f", "{\"a\":[2,1]}") },
	{ "a number is no text", TOOL("1760000000000", "c1", "f", "{\"a\":1}"),
	  TOOL("1760000000000", "c1", "f", "{\"a\":\"1\"}") },
	{ "other tool", TOOL("1760000000000", "c1", "f", "{}"),
	  TOOL("1760000000000", "c1", "g", "{}") },
	{ "a report that knows more", REPORT(""), REPORT(",\"analysis\":{\"summary\":\"s\"}") },
	{ "two entries with the same words", ENTRY("1760000000000", ""),
	  ENTRY("1760000004000", "") },
	{ "started and stopped",
	  "\"type\":\"speech-update\",\"timestamp\":1760000000000,\"role\":\"user\",\"status\":"
	  "\"started\"",
	  "\"type\":\"speech-update\",\"timestamp\":1760000000000,\"role\":\"user\",\"status\":"
	  "\"stopped\"" },
	{ "two artifacts uploaded at once",
	  "\"type\":\"call.artifact.upload\",\"timestamp\":1760000000000,\"artifacts\":[{\"type\":"
	  "\"log\"}]",
	  "\"type\":\"call.artifact.upload\",\"timestamp\":1760000000000,\"artifacts\":[{\"type\":"
	  "\"pcap\"}]" },
};

static void test_retries_have_equal_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		uint64_t key = key_of(same[i].one);
		if (key == 0 || key != key_of(same[i].other))
			fail_msg("%s: keys should be equal", same[i].what);
	}
}

static void test_genuine_repetitions_have_different_keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(different) / sizeof(*different); i++)
		if (key_of(different[i].one) == key_of(different[i].other))
			fail_msg("%s: keys should differ", different[i].what);
}

static void test_without_time_nothing_is_a_duplicate(void **state)
{
	const char *const bodies[] = {
		"\"type\":\"transcript\",\"role\":\"user\",\"transcriptType\":\"final\","
		"\"transcript\":\"yes\"",
		"\"type\":\"hang\"",
		"\"type\":\"status-update\",\"status\":\"ended\"",
		"\"type\":\"tool-calls\",\"toolCallList\":[{\"id\":\"c\",\"name\":\"f\"}]",
		"\"type\":\"something-new\"",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		assert_int_equal(key_of(bodies[i]), 0);
}

/* --- mask --- */
static struct span masked(const char *body)
{
	struct buf out AUTO_BUF = { 0 };
	vapi_dialect.mask(span_of(body), NULL, &out);
	return arena_copy(&arena, buf_span(&out));
}

/* Names at every place of a 64 byte block, and over its edges. */
static void test_secrets_are_found_at_every_offset(void **state)
{
	(void)state;
	for (int pad = 0; pad < 200; pad++) {
		struct span got = masked(arena_printf(
			&arena, "{\"a\":\"%*s\",\"apiKey\":\"s3cr\\\"3t\",\"b\":1}", pad, ""));
		struct span want = span_of(arena_printf(
			&arena, "{\"a\":\"%*s\",\"apiKey\":\"***\",\"b\":1}", pad, ""));
		if (!span_eq(got, want))
			fail_msg("pad %d: %.*s", pad, SPAN_ARG(got));
	}
}

static void test_talk_about_secrets_stays(void **state)
{
	static const char *const bodies[] = {
		"{\"message\":\"\\\"secret\\\": \\\"abc\\\"\"}",
		"{\"secret\":7,\"token\":null,\"password\":[\"a\"]}",
		"[\"secret\",\"abc\"]",
		"{\"x\":\"secret\",\"y\":\"abc\"}",
		"{\"secretary\":\"Ann\",\"my_secret\":\"kept\"}",
		"{\"arguments\":{\"apiKey\":\"kept\"},\"structuredData\":{\"token\":\"kept\"}}",
		"{\"parameters\":{\"properties\":{\"token\":\"kept\"}}}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++)
		if (!span_is(masked(bodies[i]), bodies[i]))
			fail_msg("%s became %.*s", bodies[i], SPAN_ARG(masked(bodies[i])));
}

static void test_masking_twice_changes_nothing(void **state)
{
	struct span once = masked("{\"secret\":\"a\",\"headers\":{\"x\":\"b\"},\"credentials\":[{"
				  "\"provider\":\"p\",\"k\":\"c\"}]}");
	(void)state;
	assert_true(span_is(once, "{\"secret\":\"***\",\"headers\":{\"x\":\"***\"},\"credentials\":"
				  "[{\"provider\":\"p\",\"k\":\"***\"}]}"));
	const char *z = arena_printf(&arena, "%.*s", SPAN_ARG(once));
	assert_true(span_eq(masked(z), once));
}

/* --- commands (A6) --- */
#define URL "https://monitor.example.com/c/control"
static const struct command_where nowhere, at_url = { .control_url = { URL, sizeof(URL) - 1 } };

static void expect_command(const struct command *c, const char *body)
{
	struct provider_request r;
	assert_int_equal(vapi_dialect.command(c, &at_url, &arena, &r, NULL), 0);
	assert_null(vapi_dialect.cannot(c->verb, NULL));
	assert_true(span_is(r.method, "POST"));
	assert_true(span_is(r.url, URL));
	assert_true(r.needs_control_key);
	assert_false(r.needs_private_key);
	if (!span_is(r.body, body))
		fail_msg("got %.*s, want %s", SPAN_ARG(r.body), body);
}

static void test_command_bodies(void **state)
{
	struct span text = SPAN("Say \"hi\"\n");
	struct span number = SPAN("{\"type\":\"number\",\"number\":\"+15550100009\"}");
	(void)state;
	expect_command(&(struct command){ .verb = COMMAND_SAY, .text = text },
		       "{\"type\":\"say\",\"content\":\"Say "
		       "\\\"hi\\\"\\n\",\"interruptAssistantEnabled\":false,"
		       "\"endCallAfterSpoken\":false}");
	expect_command(
		&(struct command){
			.verb = COMMAND_SAY, .text = text, .interrupt = true, .end_after = true },
		"{\"type\":\"say\",\"content\":\"Say "
		"\\\"hi\\\"\\n\",\"interruptAssistantEnabled\":true,"
		"\"endCallAfterSpoken\":true}");
	expect_command(&(struct command){ .verb = COMMAND_ADD_MESSAGE,
					  .text = text,
					  .trigger_response = true },
		       "{\"type\":\"add-message\",\"message\":{\"role\":\"system\",\"content\":"
		       "\"Say \\\"hi\\\"\\n\"},"
		       "\"triggerResponseEnabled\":true}");
	expect_command(&(struct command){ .verb = COMMAND_ADD_MESSAGE,
					  .text = text,
					  .role = SPAN("user") },
		       "{\"type\":\"add-message\",\"message\":{\"role\":\"user\",\"content\":\"Say "
		       "\\\"hi\\\"\\n\"},"
		       "\"triggerResponseEnabled\":false}");
	expect_command(&(struct command){ .verb = COMMAND_MUTE },
		       "{\"type\":\"control\",\"control\":\"mute-assistant\"}");
	expect_command(&(struct command){ .verb = COMMAND_MUTE, .target = TARGET_CUSTOMER },
		       "{\"type\":\"control\",\"control\":\"mute-customer\"}");
	expect_command(&(struct command){ .verb = COMMAND_UNMUTE },
		       "{\"type\":\"control\",\"control\":\"unmute-assistant\"}");
	expect_command(&(struct command){ .verb = COMMAND_UNMUTE, .target = TARGET_CUSTOMER },
		       "{\"type\":\"control\",\"control\":\"unmute-customer\"}");
	expect_command(&(struct command){ .verb = COMMAND_END }, "{\"type\":\"end-call\"}");
	expect_command(&(struct command){ .verb = COMMAND_TRANSFER,
					  .destination = { JSON_OBJECT, number } },
		       "{\"type\":\"transfer\",\"destination\":{\"type\":\"number\",\"number\":\"+"
		       "15550100009\"}}");
	expect_command(&(struct command){ .verb = COMMAND_TRANSFER,
					  .destination = { JSON_OBJECT, number },
					  .text = SPAN("One moment.") },
		       "{\"type\":\"transfer\",\"destination\":{\"type\":\"number\",\"number\":\"+"
		       "15550100009\"},"
		       "\"content\":\"One moment.\"}");
}

static void test_refused_commands(void **state)
{
	struct provider_request r;
	struct fault f = { 0 };
	struct command say = { .verb = COMMAND_SAY, .text = SPAN("x") };
	(void)state;
	assert_int_equal(vapi_dialect.command(&say, &nowhere, &arena, &r, &f), E_INVALID);
	assert_non_null(strstr(f.text, "control URL"));
	assert_int_equal(
		vapi_dialect.command(
			&say, &(struct command_where){ .control_url = SPAN("file:///etc/passwd") },
			&arena, &r, &f),
		E_INVALID);
	assert_int_equal(vapi_dialect.command(&(struct command){ .verb = COMMAND_TRANSFER },
					      &at_url, &arena, &r, &f),
			 E_INVALID);
	assert_non_null(strstr(f.text, "destination"));
}

/* --- answers (B1) --- */
static void test_tool_answer_is_one_line_in_order(void **state)
{
	struct tool_answer answers[] = {
		{ SPAN("call_2"), SPAN("f"), SPAN("two\nlines\r\nhere"), false },
		{ SPAN("call_1"), SPAN("g"), SPAN("broken"), true },
	};
	struct buf out AUTO_BUF = { 0 };
	(void)state;
	vapi_dialect.tool_answer(SPAN("tool-calls"), answers, 2, &out);
	assert_string_equal(buf_z(&out),
			    "{\"results\":[{\"toolCallId\":\"call_2\",\"name\":\"f\",\"result\":"
			    "\"two lines  here\"},"
			    "{\"toolCallId\":\"call_1\",\"name\":\"g\",\"error\":\"broken\"}]}");
	buf_clear(&out);
	vapi_dialect.tool_answer(SPAN("function-call"), answers, 1, &out);
	assert_string_equal(buf_z(&out), "{\"result\":\"two lines  here\"}");
}

struct upstream {
	const char *body;
	size_t n;
	const char *id, *name, *result;
	bool failed;
};

static const struct upstream upstreams[] = {
	{ "{\"results\":[{\"toolCallId\":\"a\",\"name\":\"f\",\"result\":\"ok\"}]}", 1, "a", "f",
	  "ok", false },
	{ "{\"results\":[{\"toolCallId\":\"a\",\"result\":{\"n\":1}}]}", 1, "a", "", "{\"n\":1}",
	  false },
	{ "{\"results\":[{\"toolCallId\":\"a\",\"result\":7},{}]}", 2, "a", "", "7", false },
	{ "{\"results\":[{\"toolCallId\":\"a\",\"error\":\"no\"}]}", 1, "a", "", "no", true },
	{ "{\"results\":[{\"toolCallId\":\"a\",\"message\":{\"content\":\"said\"}}]}", 1, "a", "",
	  "said", false },
	{ "{\"error\":\"all broken\"}", 1, "", "", "all broken", true },
	{ "{\"results\":[],\"error\":\"all broken\"}", 1, "", "", "all broken", true },
	{ "{\"result\":\"legacy\",\"forwardToClientEnabled\":false}", 1, "", "", "legacy", false },
	{ "{\"result\":[1]}", 1, "", "", "[1]", false },
};

static void test_upstream_answers_are_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(upstreams) / sizeof(*upstreams); i++) {
		const struct upstream *u = &upstreams[i];
		struct tool_answer *got;
		size_t n;
		if (!vapi_dialect.read_tool_answer(span_of(u->body), &arena, &got, &n) || n != u->n)
			fail_msg("%s", u->body);
		assert_true(span_is(got[0].id, u->id));
		assert_true(span_is(got[0].name, u->name));
		assert_true(span_is(got[0].result, u->result));
		assert_int_equal(got[0].failed, u->failed);
	}
}

static void test_what_is_no_upstream_answer(void **state)
{
	static const char *const bodies[] = { "",
					      "oops",
					      "{}",
					      "[]",
					      "\"text\"",
					      "{\"results\":[]}",
					      "{\"results\":{}}",
					      "{\"result\":null}",
					      "{\"results\":[{\"toolCallId\":\"a\"}" };
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
		struct tool_answer *got;
		size_t n;
		if (vapi_dialect.read_tool_answer(span_of(bodies[i]), &arena, &got, &n))
			fail_msg("%s", bodies[i]);
		assert_int_equal(n, 0);
	}
}

static void expect_default(const char *type, const char *body, const char *want,
			   const char *content_type)
{
	struct buf out AUTO_BUF = { 0 };
	const char *got_type = NULL;
	vapi_dialect.default_answer(span_of(type), span_of(body), &out, &got_type);
	assert_string_equal(buf_z(&out), want);
	assert_string_equal(got_type, content_type);
}

static void test_default_answers(void **state)
{
	const char *json = "application/json";
	(void)state;
	expect_default("call.endpointing.request", "{}", "{\"timeoutSeconds\":0.5}", json);
	expect_default("knowledge-base-request", "{}", "{\"documents\":[]}", json);
	expect_default("campaign.predial", "{}", "{\"eligible\":false}", json);
	expect_default("voice-request", "{}", "", "application/octet-stream");
	expect_default("status-update", "{}", "{}", json);
	expect_default("tool-calls",
		       "{\"message\":{\"toolCallList\":[{\"id\":\"a\",\"name\":\"f\"},{\"id\":"
		       "\"b\",\"name\":\"g\"}]}}",
		       "{\"results\":[{\"toolCallId\":\"a\",\"name\":\"f\",\"error\":\"This is not "
		       "available right now.\"},"
		       "{\"toolCallId\":\"b\",\"name\":\"g\",\"error\":\"This is not available "
		       "right now.\"}]}",
		       json);
	expect_default("tool-calls", "broken", "{\"results\":[]}", json);
	expect_default("function-call", "{\"message\":{\"functionCall\":{}}}",
		       "{\"result\":\"This is not available right now.\"}", json);
}

/* Whatever Vapi reads has an answer of its own, and the spoken ones are errors that a caller can
 * hear. */
static void test_every_question_has_a_default(void **state)
{
	(void)state;
	for (size_t i = 0; vapi_type_at(i); i++) {
		const struct vapi_type *type = vapi_type_at(i);
		struct buf out AUTO_BUF = { 0 };
		const char *content_type;
		vapi_dialect.default_answer(span_of(type->name), SPAN("{}"), &out, &content_type);
		assert_int_equal(type->answer == ANSWER_NONE, span_is(buf_span(&out), "{}"));
		if (strcmp(content_type, "application/json") == 0)
			assert_int_equal(json_check(buf_span(&out), NULL), 0);
	}
}

/* --- reconcile --- */
static void test_reconcile_request(void **state)
{
	struct provider_request r;
	(void)state;
	assert_int_equal(
		vapi_dialect.reconcile(SPAN("https://api.vapi.ai/"), SPAN("0199-ab_C"), &arena, &r),
		0);
	assert_true(span_is(r.method, "GET"));
	assert_true(span_is(r.url, "https://api.vapi.ai/call/0199-ab_C"));
	assert_true(r.needs_private_key);
	assert_int_equal(
		vapi_dialect.reconcile(SPAN("http://x"), SPAN("../key?a=b#c%"), &arena, &r), 0);
	assert_true(span_is(r.url, "http://x/call/%2E%2E%2Fkey%3Fa%3Db%23c%25"));
	assert_int_equal(vapi_dialect.reconcile(SPAN("http://x"), (struct span){ 0 }, &arena, &r),
			 E_INVALID);
	assert_int_equal(vapi_dialect.reconcile((struct span){ 0 }, SPAN("c"), &arena, &r),
			 E_INVALID);
}

/* --- assistant-request --- */
static void test_assistant_answers(void **state)
{
	struct span values = SPAN("{\"caf\\u00e9 \\\"x\\\"\":1}");
	struct span config =
		SPAN("{\"id\":\"a\",\"name\":\"Ann\",\"model\":{\"provider\":\"p\",\"messages\":"
		     "[{\"role\":\"system\",\"content\":\"old\"},{\"role\":\"user\",\"content\":"
		     "\"hi\"}]}}");
	struct assistant_choice by_id = { .id = SPAN("as-1"),
					  .variable_values = { JSON_OBJECT, values } };
	struct assistant_choice whole = { .assistant = { JSON_OBJECT, config },
					  .instructions = SPAN("new") };
	struct buf out AUTO_BUF = { 0 };
	(void)state;
	assert_int_equal(vapi_dialect.answer_assistant(&by_id, &out, NULL), 0);
	assert_string_equal(buf_z(&out),
			    "{\"assistantId\":\"as-1\",\"assistantOverrides\":{\"variableValues\":"
			    "{\"caf\303\251 \\\"x\\\"\":1}}}");
	buf_clear(&out);
	assert_int_equal(vapi_dialect.answer_assistant(&whole, &out, NULL), 0);
	assert_string_equal(
		buf_z(&out),
		"{\"assistant\":{\"name\":\"Ann\",\"model\":{\"provider\":\"p\",\"messages\":"
		"[{\"role\":\"system\",\"content\":\"new\"},{\"role\":\"user\",\"content\":\"hi\"}]"
		"}}}");
	assert_int_equal(vapi_dialect.answer_assistant(&(struct assistant_choice){ 0 }, &out, NULL),
			 E_INVALID);
}

static void expect_assistant(const struct assistant_choice *choice, const char *expected)
{
	struct buf out AUTO_BUF = { 0 };
	assert_int_equal(vapi_dialect.answer_assistant(choice, &out, NULL), 0);
	assert_string_equal(buf_z(&out), expected);
}

/* A8: the variable always, the section only when something is known and no text names it. */
static void test_context_of_assistant_answers(void **state)
{
#define OWN(text) "{\"model\":{\"messages\":[{\"role\":\"system\",\"content\":\"" text "\"}]}}"
#define SERVED(text, value)                                                         \
	"{\"assistant\":" OWN(text) ",\"assistantOverrides\":{\"variableValues\":{" \
				    "\"callmend_context\":\"" value "\"}}}"
#define ADDED "\\n\\n# What is known about this caller\\n{{callmend_context}}"
	struct assistant_choice c = { .assistant = { JSON_OBJECT, SPAN(OWN("own")) },
				      .inject = true,
				      .context = SPAN("- \"x\"") };
	(void)state;
	expect_assistant(&c, SERVED("own" ADDED, "- \\\"x\\\""));
	c.instructions = SPAN("new");
	expect_assistant(&c, SERVED("new" ADDED, "- \\\"x\\\""));
	c.instructions = SPAN("{{ callmend_context }}!");
	expect_assistant(&c, SERVED("{{ callmend_context }}!", "- \\\"x\\\""));
	c.instructions = (struct span){ 0 };
	c.context = (struct span){ 0 };
	expect_assistant(&c, SERVED("own", ""));
	c.context = SPAN("known");
	c.assistant = (struct json){ JSON_OBJECT, SPAN("{\"name\":\"no model\"}") };
	expect_assistant(&c, "{\"assistant\":{\"name\":\"no model\"},\"assistantOverrides\":{"
			     "\"variableValues\":{\"callmend_context\":\"known\"}}}");
	c.assistant = (struct json){ 0 };
	c.id = SPAN("as-1");
	c.variable_values =
		(struct json){ JSON_OBJECT, SPAN("{\"callmend_context\":\"forged\",\"a\":1}") };
	expect_assistant(&c,
			 "{\"assistantId\":\"as-1\",\"assistantOverrides\":{\"variableValues\":{"
			 "\"a\":1,\"callmend_context\":\"known\"}}}");
	c.inject = false;
	expect_assistant(&c,
			 "{\"assistantId\":\"as-1\",\"assistantOverrides\":{\"variableValues\":{"
			 "\"callmend_context\":\"forged\",\"a\":1}}}");
#undef OWN
#undef SERVED
#undef ADDED
}

/* --- monitor URLs --- */
static void test_capabilities_stay_in_facts(void **state)
{
	struct inputs inputs = inputs_of(
		"{\"message\":{\"type\":\"new\",\"call\":{\"id\":\"c\",\"monitor\":{"
		"\"controlUrl\":\"https://m/control\",\"listenUrl\":\"wss://m/listen\"}}}}");
	(void)state;
	assert_true(span_is(inputs.items[0].facts->control_url, "https://m/control"));
	assert_true(span_is(inputs.items[0].facts->listen_url, "wss://m/listen"));
	assert_int_equal(inputs.items[1].type, INPUT_RAW);
	struct span data = inputs.items[1].data.raw;
	assert_null(memmem(data.p, data.n, "//m/", 4));
	assert_non_null(memmem(data.p, data.n, "\"controlUrl\":\"***\"", 18));
}

/* --- documentation --- */
static void expect_in(const struct buf *docs, struct span name)
{
	const char *quoted = arena_printf(&arena, "`%.*s`", SPAN_ARG(name));
	if (!memmem(docs->p, docs->n, quoted, strlen(quoted)))
		fail_msg("docs/vapi.md does not tell about %s", quoted);
}

static void test_docs_list_types_and_secrets(void **state)
{
	struct buf docs AUTO_BUF = { 0 };
	(void)state;
	assert_int_equal(file_read(DOCS_DIR "/vapi.md", 1 << 20, &docs, NULL), 0);
	for (size_t i = 0; vapi_type_at(i); i++)
		expect_in(&docs, span_of(vapi_type_at(i)->name));
	for (size_t i = 0; vapi_mask_name(i).n; i++)
		expect_in(&docs, vapi_mask_name(i));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, clean)
	const struct CMUnitTest tests[] = {
		TEST(test_retries_have_equal_keys),
		TEST(test_genuine_repetitions_have_different_keys),
		TEST(test_without_time_nothing_is_a_duplicate),
		TEST(test_secrets_are_found_at_every_offset),
		TEST(test_talk_about_secrets_stays),
		TEST(test_masking_twice_changes_nothing),
		TEST(test_command_bodies),
		TEST(test_refused_commands),
		TEST(test_tool_answer_is_one_line_in_order),
		TEST(test_upstream_answers_are_split),
		TEST(test_what_is_no_upstream_answer),
		TEST(test_default_answers),
		TEST(test_every_question_has_a_default),
		TEST(test_reconcile_request),
		TEST(test_assistant_answers),
		TEST(test_context_of_assistant_answers),
		TEST(test_capabilities_stay_in_facts),
		TEST(test_docs_list_types_and_secrets),
	};
	return cmocka_run_group_tests_name("dialect_vapi", tests, NULL, NULL);
}
