/* The JSON forms of settings, commands, outcomes and events; names of every enum. */
#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"

static struct json parse(struct arena *a, const char *text)
{
	char *json = sim_json(text);
	struct span copy = arena_copy(a, span_of(json));
	free(json);
	assert_int_equal(json_check(copy, NULL), 0);
	return json_of(copy);
}

static void settings_defaults_apply(void **state)
{
	struct arena a = { 0 };
	struct settings s;
	(void)state;
	assert_int_equal(settings_read(parse(&a, "{'dialect':'vapi'}"), &a, &s, NULL), 0);
#define X(name, dflt, doc) assert_int_equal(s.name, dflt);
	SETTINGS_NUMBERS(X)
#undef X
	assert_true(span_is(s.language, "auto"));
	assert_false(s.upstream || s.reconcile);
	assert_int_equal(s.tools_n, 0);
	arena_fini(&a);
}

static void settings_round_trip(void **state)
{
	struct arena a = { 0 };
	struct settings s;
	struct buf one AUTO_BUF = { 0 }, two AUTO_BUF = { 0 };
	(void)state;
	assert_int_equal(settings_read(parse(&a, "{'dialect':'vapi','source':'11111111-1111-4111-"
						 "8111-111111111111','language':'es',"
						 "'upstream':true,'say_effect_ms':1,'tools':[{'"
						 "name':'f','pattern':'a+','empty_path':'x.y',"
						 "'timeout_ms':15000,'status_max':204,'fallback':'"
						 "Un momento, señor'}]}"),
				       &a, &s, NULL),
			 0);
	assert_int_equal(s.tools[0].status_max, 204);
	assert_int_equal(s.tools[0].status_min, 200);
	settings_write(&s, &one);
	assert_int_equal(json_check(buf_span(&one), NULL), 0);
	assert_int_equal(settings_read(json_of(buf_span(&one)), &a, &s, NULL), 0);
	settings_write(&s, &two);
	assert_true(span_eq(buf_span(&one), buf_span(&two)));
	assert_int_equal(s.say_effect_ms, 1);
	arena_fini(&a);
}

static void settings_of_the_loop_round_trip(void **state)
{
	struct arena a = { 0 };
	struct settings s, again;
	struct buf b AUTO_BUF = { 0 };
	(void)state;
	assert_int_equal(
		settings_read(parse(&a, "{'dialect':'vapi','fields':[{'name':'a'}],'rules':{"
					"'escalate_on_frustration':{'enabled':true}},"
					"'context_inject':true,'imported':true}"),
			      &a, &s, NULL),
		0);
	settings_write(&s, &b);
	assert_int_equal(json_check(buf_span(&b), NULL), 0);
	assert_int_equal(settings_read(json_of(buf_span(&b)), &a, &again, NULL), 0);
	assert_true(again.context_inject && again.imported);
	assert_true(span_eq(again.fields.raw, s.fields.raw));
	assert_true(span_eq(again.rules.raw, s.rules.raw));
	assert_int_equal(settings_read(parse(&a, "{'dialect':'vapi','fields':null}"), &a, &s, NULL),
			 0);
	assert_false(json_has(s.fields) || json_has(s.rules) || s.context_inject || s.imported);
	buf_clear(&b);
	settings_write(&s, &b);
	assert_null(strstr(buf_z(&b), "fields"));
	assert_int_equal(settings_read(parse(&a, "{'dialect':'vapi','imported':7}"), &a, &s, NULL),
			 E_INVALID);
	arena_fini(&a);
}

static void outcomes_keep_what_was_rewritten(void **state)
{
	struct arena a = { 0 };
	struct outcome o;
	struct buf b AUTO_BUF = { 0 };
	(void)state;
	static const char effect[] =
		"'effect':'11111111-1111-4111-8111-111111111111','end':'answered'";
	buf_printf(&b, "{%s,'rewritten':{'from':'a','to':'b'}}", effect);
	assert_int_equal(outcome_read(parse(&a, buf_z(&b)), &a, &o, NULL), 0);
	assert_int_equal(o.rewritten.kind, JSON_OBJECT);
	buf_clear(&b);
	outcome_write(&o, &b);
	assert_non_null(strstr(buf_z(&b), "\"rewritten\":{\"from\":\"a\",\"to\":\"b\"}"));
	/* a note that is too long costs the note, not the answer */
	buf_clear(&b);
	buf_printf(&b, "{%s,'rewritten':{'from':'%*s'}}", effect, OUTCOME_REWRITTEN_LIMIT, "x");
	assert_int_equal(outcome_read(parse(&a, buf_z(&b)), &a, &o, NULL), 0);
	assert_false(json_has(o.rewritten));
	buf_clear(&b);
	outcome_write(&o, &b);
	assert_null(strstr(buf_z(&b), "rewritten"));
	arena_fini(&a);
}

static void settings_numbers_are_set_by_name(void **state)
{
	struct settings s, before;
	(void)state;
	settings_defaults(&s);
#define X(name, dflt, doc)                                                     \
	assert_true(settings_set_number(&s, #name, 0));                        \
	assert_int_equal(s.name, 0);                                           \
	assert_true(settings_set_number(&s, #name, SETTINGS_NUMBER_MAX));      \
	assert_int_equal(s.name, SETTINGS_NUMBER_MAX);                         \
	assert_false(settings_set_number(&s, #name, SETTINGS_NUMBER_MAX + 1)); \
	assert_false(settings_set_number(&s, #name, -1));                      \
	assert_int_equal(s.name, SETTINGS_NUMBER_MAX);
	SETTINGS_NUMBERS(X)
#undef X
	before = s;
	assert_false(settings_set_number(&s, "silence", 1));
	assert_false(settings_set_number(&s, "silence_ms2", 1));
	assert_false(settings_set_number(&s, "tools_n", 1));
	assert_false(settings_set_number(&s, "", 1));
	assert_memory_equal(&s, &before, sizeof(s));
}

/* Whatever may be set is also read back from the BIND record. */
static void settings_at_their_limits_round_trip(void **state)
{
	static struct tool_rule rules[SETTINGS_TOOLS_MAX + 1];
	struct arena a = { 0 };
	struct settings s, back;
	struct fault f = { 0 };
	struct buf bind AUTO_BUF = { 0 };
	(void)state;
	settings_defaults(&s);
	s.dialect = SPAN("vapi");
	for (size_t i = 0; i < SETTINGS_TOOLS_MAX + 1; i++)
		rules[i] = (struct tool_rule){ .name = SPAN("t"), .timeout_ms = 15000 };
	s.tools = rules;
	s.tools_n = SETTINGS_TOOLS_MAX;
#define X(name, dflt, doc) assert_true(settings_set_number(&s, #name, SETTINGS_NUMBER_MAX));
	SETTINGS_NUMBERS(X)
#undef X
	settings_write(&s, &bind);
	assert_int_equal(settings_read(json_of(buf_span(&bind)), &a, &back, &f), 0);
	assert_int_equal(back.tools_n, SETTINGS_TOOLS_MAX);
	assert_int_equal(back.silence_ms, SETTINGS_NUMBER_MAX);
	s.tools_n++;
	buf_clear(&bind);
	settings_write(&s, &bind);
	assert_int_equal(settings_read(json_of(buf_span(&bind)), &a, &back, &f), E_INVALID);
	assert_non_null(strstr(f.text, "tools: at most 256"));
	arena_fini(&a);
}

static void settings_refused(void **state)
{
	static const struct {
		const char *json, *says;
	} rows[] = {
		{ "[]", "object" },
		{ "{}", "dialect" },
		{ "{'dialect':3}", "dialect" },
		{ "{'dialect':'vapi','source':'x'}", "source" },
		{ "{'dialect':'vapi','idle_close_ms':-1}", "idle_close_ms" },
		{ "{'dialect':'vapi','idle_close_ms':'soon'}", "idle_close_ms" },
		{ "{'dialect':'vapi','idle_close_ms':9223372036854775807}", "idle_close_ms" },
		{ "{'dialect':'vapi','idle_close_ms':31536000001}", "idle_close_ms" },
		{ "{'dialect':'vapi','tools':[{}]}", "tools[0]" },
		{ "{'dialect':'vapi','tools':[{'name':'a'},{'name':'b','timeout_ms':15001}]}",
		  "tools[1]: timeout_ms" },
		{ "{'dialect':'vapi','upstream':'perhaps'}", "upstream" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct arena a = { 0 };
		struct fault f = { 0 };
		struct settings s = { .idle_close_ms = 77 };
		assert_int_equal(settings_read(parse(&a, rows[i].json), &a, &s, &f), E_INVALID);
		if (!strstr(f.text, rows[i].says))
			fail_msg("%s: %s", rows[i].json, f.text);
		assert_int_equal(s.idle_close_ms, 77); /* untouched */
		arena_fini(&a);
	}
}

#define ID "'id':'01900000-0000-7000-8000-000000000001'"

static void commands_round_trip(void **state)
{
	static const char *const rows[] = {
		"{" ID ",'verb':'say','text':'Hi "
		"there','interrupt':true,'end_after':true,'actor':'cli','reason':'test','key':'k'}",
		"{" ID
		",'verb':'add-message','text':'VIP','role':'assistant','trigger_response':false}",
		"{" ID ",'verb':'mute','target':'customer'}",
		"{" ID ",'verb':'unmute'}",
		"{" ID ",'verb':'end'}",
		"{" ID ",'verb':'transfer','text':'Hold "
		"on','destination':{'type':'number','number':'+15550100'}}",
		"{" ID ",'verb':'transfer','destination':{'type':'sip','sipUri':'sip:x@y'}}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct arena a = { 0 };
		struct fault f = { 0 };
		struct command c;
		struct buf one AUTO_BUF = { 0 }, two AUTO_BUF = { 0 };
		if (command_read(parse(&a, rows[i]), &a, &c, &f))
			fail_msg("%s: %s", rows[i], f.text);
		assert_true(c.trigger_response == (c.verb != COMMAND_ADD_MESSAGE));
		command_write(&c, &one);
		assert_int_equal(command_read(json_of(buf_span(&one)), &a, &c, NULL), 0);
		command_write(&c, &two);
		assert_true(span_eq(buf_span(&one), buf_span(&two)));
		arena_fini(&a);
	}
}

static void commands_refused(void **state)
{
	static const struct {
		const char *json, *says;
	} rows[] = {
		{ "3", "object" },
		{ "{'verb':'end'}", "id" },
		{ "{'id':'nope','verb':'end'}", "id" },
		{ "{" ID "}", "verb" },
		{ "{" ID ",'verb':'explode'}", "verb" },
		{ "{" ID ",'verb':'say'}", "text" },
		{ "{" ID ",'verb':'say','text':''}", "text" },
		{ "{" ID ",'verb':'say','text':5}", "text" },
		{ "{" ID ",'verb':'add-message','text':'x','role':'king'}", "role" },
		{ "{" ID ",'verb':'add-message','text':'x','trigger_response':'maybe'}",
		  "trigger_response" },
		{ "{" ID ",'verb':'mute','target':'everyone'}", "target" },
		{ "{" ID ",'verb':'transfer'}", "destination" },
		{ "{" ID ",'verb':'transfer','destination':{'type':'number'}}", "destination" },
		{ "{" ID ",'verb':'transfer','destination':'+1555'}", "destination" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct arena a = { 0 };
		struct fault f = { 0 };
		struct command c;
		assert_int_equal(command_read(parse(&a, rows[i].json), &a, &c, &f), E_INVALID);
		if (!strstr(f.text, rows[i].says))
			fail_msg("%s: %s", rows[i].json, f.text);
		arena_fini(&a);
	}
}

static int read_with(const char *member, size_t n, struct fault *f)
{
	struct arena a = { 0 };
	struct buf b AUTO_BUF = { 0 };
	struct command c;
	buf_printf(&b, "{" ID ",'verb':'say','text':'x','%s':'", member);
	if (strcmp(member, "text") == 0) {
		buf_clear(&b);
		buf_addz(&b, "{" ID ",'verb':'say','text':'");
	}
	for (size_t i = 0; i < n; i++)
		buf_addc(&b, 'x');
	buf_addz(&b, "'}");
	int rc = command_read(parse(&a, buf_z(&b)), &a, &c, f);
	arena_fini(&a);
	return rc;
}

static void command_limits(void **state)
{
	static const struct {
		const char *member;
		size_t limit;
	} rows[] = {
		{ "text", COMMAND_TEXT_LIMIT },
		{ "key", COMMAND_KEY_LIMIT },
		{ "reason", COMMAND_REASON_LIMIT },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fault f = { 0 };
		assert_int_equal(read_with(rows[i].member, rows[i].limit, &f), 0);
		assert_int_equal(read_with(rows[i].member, rows[i].limit + 1, &f), E_INVALID);
		assert_non_null(strstr(f.text, rows[i].member));
	}
}

static void outcomes(void **state)
{
	struct arena a = { 0 };
	struct fault f = { 0 };
	struct buf b AUTO_BUF = { 0 };
	struct outcome got, o = { .effect = { { 9 } },
				  .end = OUTCOME_UNKNOWN,
				  .status = 0,
				  .body = SPAN("a \"b\" \xC3\xA9"),
				  .error = SPAN("reset"),
				  .timed_out = true,
				  .duration_us = 5 };
	(void)state;
	outcome_write(&o, &b);
	assert_int_equal(outcome_read(json_of(buf_span(&b)), &a, &got, &f), 0);
	assert_true(uuid_eq(&got.effect, &o.effect) && got.end == o.end && got.timed_out &&
		    got.duration_us == 5);
	assert_true(span_eq(got.body, o.body) && span_eq(got.error, o.error));
	static const char *const bad[] = {
		"[]", "{'end':'answered'}",
		"{'effect':'09000000-0000-0000-0000-000000000000','end':'perhaps'}",
		"{'effect':'09000000-0000-0000-0000-000000000000','end':'answered','status':1000}",
		"{'effect':'09000000-0000-0000-0000-000000000000','end':'answered','status':-1}"
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(outcome_read(parse(&a, bad[i]), &a, &got, &f), E_INVALID);
	arena_fini(&a);
}

static void events_are_written(void **state)
{
	struct buf b AUTO_BUF = { 0 };
	struct event e = { .type = EVENT_TRANSCRIPT_FINAL,
			   .speaker = SPEAKER_USER,
			   .is_final = true,
			   .seq = 65537,
			   .call = { { 1 } },
			   .at_us = SIM_START_US,
			   .offset_ms = -1,
			   .text = SPAN("say \"hi\"\n"),
			   .data = SPAN("{}") };
	(void)state;
	event_write(&e, &b);
	assert_string_equal(buf_z(&b), "{\"seq\":65537,\"type\":\"transcript.final\",\"call_id\":"
				       "\"01000000-0000-0000-0000-000000000000\","
				       "\"at\":\"2026-09-21T14:13:20.000000Z\",\"offset_ms\":null,"
				       "\"speaker\":\"user\",\"text\":\"say \\\"hi\\\"\\n\","
				       "\"is_final\":true,\"data\":{}}");
}

static void names(void **state)
{
	enum event_type type;
	enum command_verb verb;
	(void)state;
	for (unsigned i = 0; i < EVENT_COUNT; i++) {
		assert_true(event_from(span_of(event_name((enum event_type)i)), &type));
		assert_int_equal(type, i);
		assert_true(strlen(event_doc((enum event_type)i)) > 0);
	}
	assert_null(event_name(EVENT_COUNT));
	assert_false(event_from(SPAN("call.exploded"), &type));
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		assert_true(
			command_verb_from(span_of(command_verb_name((enum command_verb)i)), &verb));
		assert_int_equal(verb, i);
	}
	assert_false(command_verb_from(SPAN(""), &verb));
	assert_string_equal(command_state_name(COMMAND_STATE_EFFECT_SEEN), "effect_seen");
	assert_true(command_state_final(COMMAND_STATE_UNKNOWN));
	assert_false(command_state_final(COMMAND_STATE_ACCEPTED));
#define X(name, number, doc) assert_non_null(record_kind_name((enum record_kind)(number)));
	RECORD_KINDS(X)
#undef X
	assert_string_equal(record_kind_name(RECORD_OUTCOME), "outcome");
	assert_null(record_kind_name((enum record_kind)0));
	assert_null(record_kind_name((enum record_kind)12));
	assert_string_equal(effect_name(EFFECT_UPSTREAM_TOOLS), "upstream-tools");
	assert_true(EVENT_COUNT <= 64); /* stage.wants has a bit for each */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_defaults_apply),
		cmocka_unit_test(settings_round_trip),
		cmocka_unit_test(settings_of_the_loop_round_trip),
		cmocka_unit_test(outcomes_keep_what_was_rewritten),
		cmocka_unit_test(settings_numbers_are_set_by_name),
		cmocka_unit_test(settings_at_their_limits_round_trip),
		cmocka_unit_test(settings_refused),
		cmocka_unit_test(commands_round_trip),
		cmocka_unit_test(commands_refused),
		cmocka_unit_test(command_limits),
		cmocka_unit_test(outcomes),
		cmocka_unit_test(events_are_written),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
