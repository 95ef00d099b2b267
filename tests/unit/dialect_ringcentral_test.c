/* RingCentral beside what golden bodies show: requests of commands, refusals, keys, and that
 * docs/ringcentral.md tells the truth. */
#include "base/file.h"
#include "dialect/ringcentral.h"
#include "dialect/ringcentral_parts.h"
#include "tests/unit/cmocka_all.h"

static struct arena arena;

static int clean(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

/* ' for " */
static struct span json(const char *text)
{
	char *copy = arena_printf(&arena, "%s", text);
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return span_of(copy);
}

static const struct call_party agent = {
	.id = { "p-1/2", 5 }, .side = PARTY_INSIDE, .state = PARTY_TALKING, .extension = { "22", 2 }
};
static const struct command_where call = { .api_base = { "https://x.example/", 18 },
					   .provider_call_id = { "s-1", 3 },
					   .party = &agent,
					   .recording = { "r-9", 3 },
					   .kind = { "inbound", 7 } };
static const struct command_where texts = { .provider_call_id = { "77", 2 },
					    .kind = { "sms", 3 },
					    .customer_number = { "+15550199", 9 },
					    .phone_number = { "+15550001", 9 } };
#define SESSION "https://x.example/restapi/v1.0/account/~/telephony/sessions/s-1"
#define PARTY SESSION "/parties/p-1%2F2"

/* --- requests --- */

struct request {
	const char *command, *method, *url, *body;
	enum api_group group;
	const struct command_where *where;
};

static const struct request requests[] = {
	{ "'verb':'mute'", "PATCH", PARTY, "{'muted':true}", API_GROUP_LIGHT, &call },
	{ "'verb':'unmute'", "PATCH", PARTY, "{'muted':false}", API_GROUP_LIGHT, &call },
	{ "'verb':'hold'", "POST", PARTY "/hold", "", API_GROUP_LIGHT, &call },
	{ "'verb':'unhold'", "POST", PARTY "/unhold", "", API_GROUP_LIGHT, &call },
	{ "'verb':'end'", "DELETE", SESSION, "", API_GROUP_LIGHT, &call },
	{ "'verb':'transfer','destination':{'type':'number','number':'+15550300'}", "POST",
	  PARTY "/transfer", "{'phoneNumber':'+15550300'}", API_GROUP_LIGHT, &call },
	{ "'verb':'transfer','destination':{'type':'extension','extension':'101'}", "POST",
	  PARTY "/transfer", "{'extensionNumber':'101'}", API_GROUP_LIGHT, &call },
	{ "'verb':'transfer','destination':{'type':'extension','id':'23'}", "POST",
	  PARTY "/transfer", "{'extensionId':'23'}", API_GROUP_LIGHT, &call },
	{ "'verb':'transfer','destination':{'type':'voicemail','id':'23'}", "POST",
	  PARTY "/transfer", "{'voicemail':'23'}", API_GROUP_LIGHT, &call },
	{ "'verb':'monitor','destination':{'type':'device','id':'d9'}", "POST",
	  SESSION "/supervise",
	  "{'mode':'Listen','supervisorDeviceId':'d9','agentExtensionId':'22'}", API_GROUP_LIGHT,
	  &call },
	{ "'verb':'record-pause'", "PATCH", PARTY "/recordings/r-9", "{'active':false}",
	  API_GROUP_LIGHT, &call },
	{ "'verb':'record-resume'", "PATCH", PARTY "/recordings/r-9", "{'active':true}",
	  API_GROUP_LIGHT, &call },
	{ "'verb':'send-text','text':'Yes.'", "POST", "/restapi/v1.0/account/~/extension/~/sms",
	  "{'from':{'phoneNumber':'+15550001'},'to':[{'phoneNumber':'+15550199'}],'text':'Yes.'}",
	  API_GROUP_MEDIUM, &texts },
};

static struct command command_of(const char *members)
{
	struct command c;
	struct fault f = { 0 };
	const char *text =
		arena_printf(&arena, "{'id':'0190f3a1-0000-7000-8000-000000000001',%s}", members);
	if (command_read(json_of(json(text)), &arena, &c, &f))
		fail_msg("%s: %s", members, f.text);
	return c;
}

static void test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		const struct request *want = &requests[i];
		struct command c = command_of(want->command);
		struct provider_request got;
		struct fault f = { 0 };
		assert_null(ringcentral_dialect.cannot(c.verb, NULL));
		assert_null(ringcentral_dialect.cannot(c.verb, want->where));
		if (ringcentral_dialect.command(&c, want->where, &arena, &got, &f))
			fail_msg("%s: %s", want->command, f.text);
		if (!span_is(got.method, want->method) || !span_is(got.url, want->url) ||
		    !span_eq(got.body, json(want->body)))
			fail_msg("%s: %.*s %.*s %.*s", want->command, SPAN_ARG(got.method),
				 SPAN_ARG(got.url), SPAN_ARG(got.body));
		assert_true(got.needs_session && !got.needs_private_key && !got.needs_control_key);
		assert_int_equal(got.group, want->group);
	}
}

static void test_other_form_of_a_mute(void **state)
{
	struct command mute = command_of("'verb':'mute'"), hold = command_of("'verb':'hold'");
	struct provider_request got;
	struct fault f = { 0 };
	(void)state;
	assert_int_equal(ringcentral_dialect.command(&mute, &call, &arena, &got, &f), 0);
	assert_true(span_eq(got.other_body, json("{'party':{'muted':true}}")));
	assert_int_equal(ringcentral_dialect.command(&hold, &call, &arena, &got, &f), 0);
	assert_int_equal(got.other_body.n, 0);
}

static void test_reconcile(void **state)
{
	struct provider_request got;
	(void)state;
	assert_int_equal(ringcentral_dialect.reconcile(call.api_base, SPAN("s-1"), &arena, &got),
			 0);
	assert_true(span_is(got.method, "GET") && span_is(got.url, SESSION) && got.needs_session);
	assert_int_equal(got.group, API_GROUP_LIGHT);
	assert_int_equal(
		ringcentral_dialect.reconcile((struct span){ 0 }, SPAN("s-1"), &arena, &got), 0);
	assert_true(span_is(got.url, "/restapi/v1.0/account/~/telephony/sessions/s-1"));
	assert_int_equal(
		ringcentral_dialect.reconcile(call.api_base, (struct span){ 0 }, &arena, &got),
		E_INVALID);
}

/* --- refusals --- */

static void expect_refusal(enum command_verb verb, const struct command_where *where,
			   const char *part)
{
	const char *why = ringcentral_dialect.cannot(verb, where);
	if (!why || !strstr(why, part))
		fail_msg("%s: %s", command_verb_name(verb), why ? why : "not refused");
}

static void test_refusals(void **state)
{
	struct command_where nobody = call, unknown = call, numberless = texts, unrecorded = call,
			     customers = call;
	const struct call_party customer = { .id = SPAN("p-1") };
	customers.party = &customer;
	unrecorded.recording = (struct span){ 0 };
	nobody.party = NULL;
	unknown.provider_call_id = (struct span){ 0 };
	numberless.phone_number = (struct span){ 0 };
	(void)state;
	expect_refusal(COMMAND_SAY, NULL, "no way to speak");
	expect_refusal(COMMAND_ADD_MESSAGE, &call, "no way to speak");
	expect_refusal(COMMAND_COACH, NULL, "only listen");
	expect_refusal(COMMAND_BARGE, &call, "only listen");
	expect_refusal(COMMAND_SEND_TEXT, &call, "conversation by text only");
	expect_refusal(COMMAND_HOLD, &texts, "only send-text");
	expect_refusal(COMMAND_END, &texts, "only send-text");
	expect_refusal(COMMAND_SEND_TEXT, &numberless, "numbers");
	expect_refusal(COMMAND_HOLD, &nobody, "nobody");
	expect_refusal(COMMAND_TRANSFER, &nobody, "nobody");
	expect_refusal(COMMAND_RECORD_PAUSE, &unrecorded, "does not record");
	expect_refusal(COMMAND_RECORD_RESUME, &nobody, "does not record");
	assert_null(ringcentral_dialect.cannot(COMMAND_END, &nobody));
	expect_refusal(COMMAND_END, &unknown, "not known");
	expect_refusal(COMMAND_MONITOR, &customers, "one of our extensions");
	assert_null(ringcentral_dialect.cannot(COMMAND_HOLD, &customers));
}

/* What people are offered, and nothing else. */
static void test_transfers(void **state)
{
	static const char *const types[] = { "number", "sip", "extension", "voicemail", "device" };
	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct command c = command_of(arena_printf(&arena,
							   "'verb':'transfer','destination':{'type'"
							   ":'%s','number':'+15550300','sipUri':"
							   "'sip:x','extension':'101','id':'23'}",
							   types[i]));
		struct provider_request got;
		bool offered = false;
		for (const char *const *t = ringcentral_dialect.transfers; *t; t++)
			offered |= strcmp(*t, types[i]) == 0;
		assert_int_equal(ringcentral_dialect.command(&c, &call, &arena, &got, NULL) == 0,
				 offered);
	}
}

static void expect_fault(const char *command, const struct command_where *where, const char *part)
{
	struct command c = command_of(command);
	struct provider_request got;
	struct fault f = { 0 };
	assert_int_equal(ringcentral_dialect.command(&c, where, &arena, &got, &f), E_INVALID);
	if (!strstr(f.text, part))
		fail_msg("%s: %s", command, f.text);
}

static void test_what_a_request_cannot_say(void **state)
{
	char text[3100] = "'verb':'send-text','text':'";
	(void)state;
	expect_fault("'verb':'transfer','destination':{'type':'sip','sipUri':'sip:x'}", &call,
		     "destination");
	expect_fault("'verb':'monitor','destination':{'type':'number','number':'+1'}", &call,
		     "device");
	expect_fault("'verb':'say','text':'hello'", &call, "no way to speak");
	/* 501 characters of two units each */
	for (int i = 0; i < 501; i++)
		strcat(text, "😀");
	strcat(text, "'");
	expect_fault(text, &texts, "1002");
	text[strlen(text) - 5] = 0; /* 500: enough, and no more */
	strcat(text, "'");
	struct command c = command_of(text);
	struct provider_request got;
	assert_int_equal(ringcentral_dialect.command(&c, &texts, &arena, &got, NULL), 0);
}

static void test_errors_in_one_line(void **state)
{
	static const struct {
		const char *body, *line;
	} cases[] = {
		{ "{'errorCode':'InsufficientPermissions','message':'x','errors':[{'errorCode':"
		  "'CMN-401','message':'Needs [CallControl]'}]}",
		  "Needs [CallControl] (CMN-401)" },
		{ "{'errors':[{'errorCode':'CMN-102'}],'message':'not found','errorCode':'CMN-1'}",
		  "not found (CMN-1)" },
		{ "{'errorCode':'TAS-102','message':'Not found'}", "Not found (TAS-102)" },
		{ "{'error':'invalid_grant','error_description':'No.'}", "No." },
		{ "{'errorCode':'x','generalMessage':'Sorry'}", "Sorry (x)" },
		{ "{'errorCode':'CMN-301'}", "CMN-301" },
		{ "{'other':1}", "" },
		{ "[]", "" },
		{ "<html>", "" },
		{ "", "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct span got = ringcentral_dialect.explain(json(cases[i].body), &arena);
		if (!span_is(got, cases[i].line))
			fail_msg("%s: %.*s", cases[i].body, SPAN_ARG(got));
	}
}

/* --- keys --- */

static uint64_t key_of(const char *uuid, const char *event, int sequence, const char *code)
{
	struct inputs inputs = { 0 };
	struct envelope e;
	struct span body = json(arena_printf(
		&arena,
		"{'uuid':'%s','event':'%s','body':{'sequence':%d,'telephonySessionId':'s','parties'"
		":[{'id':'p','status':{'code':'%s'}}]}}",
		uuid, event, sequence, code));
	assert_int_equal(ringcentral_dialect.classify(body, &arena, &e, NULL), 0);
	assert_true(e.keep_whole);
	assert_int_equal(ringcentral_dialect.read(body, &arena, &inputs, NULL), 0);
	assert_int_equal(inputs.n, 2);
	return inputs.items[1].key;
}

static void test_the_same_event_has_the_same_key(void **state)
{
	static const char account[] = "/restapi/v1.0/account/1/telephony/sessions",
			  extension[] = "/restapi/v1.0/account/1/extension/2/telephony/sessions";
	(void)state;
	uint64_t key = key_of("1", account, 4, "Hold");
	assert_true(key && key == key_of("2", extension, 4, "hold"));
	assert_true(key != key_of("1", account, 5, "Hold"));
	assert_true(key != key_of("1", account, 4, "Answered"));
	assert_true(key_of("1", account, 0, "Hold") == key_of("1", account, 0, "Hold"));
	assert_true(key_of("1", account, 0, "Hold") != key_of("2", account, 0, "Hold"));
}

/* --- answers --- */

static void test_the_answer_to_a_text(void **state)
{
	struct command send = { .verb = COMMAND_SEND_TEXT }, hold = { .verb = COMMAND_HOLD };
	struct inputs inputs = { 0 };
	struct span body = json("{'id':9,'direction':'Outbound','subject':'Yes.','messageStatus':"
				"'Queued','creationTime':'2026-01-02T03:04:05Z'}");
	(void)state;
	assert_int_equal(ringcentral_dialect.read_answer(&send, body, &arena, &inputs, NULL), 0);
	assert_int_equal(inputs.n, 3);
	assert_int_equal(inputs.items[0].type, INPUT_HISTORY);
	assert_int_equal(inputs.items[1].type, INPUT_DELIVERY);
	assert_int_equal(inputs.items[2].type, INPUT_CALL);
	assert_true(span_is(inputs.items[1].name, "queued") && span_is(inputs.items[1].id, "9"));
	assert_int_equal(ringcentral_dialect.read_answer(&hold, body, &arena, &inputs, NULL), 0);
	assert_int_equal(inputs.n, 3);
	assert_int_equal(ringcentral_dialect.read_answer(&send, SPAN("{}"), &arena, &inputs, NULL),
			 E_INVALID);
}

static void test_the_answer_gets_its_time(void **state)
{
	struct buf dated AUTO_BUF = { 0 }, undated AUTO_BUF = { 0 };
	struct inputs inputs = { 0 };
	struct span body = json("{'id':'s-1','parties':[{'id':'p-1','direction':'Inbound',"
				"'status':{'code':'Answered'}}]}");
	(void)state;
	struct asked_answer asked = { ASKED_CALL, SPAN("s-1"), INT64_C(1767323045000000), body };
	ringcentral_dialect.put_asked(&asked, &dated);
	assert_int_equal(ringcentral_dialect.read_call(buf_span(&dated), &arena, &inputs, NULL), 0);
	assert_int_equal(inputs.n, 3);
	assert_int_equal(inputs.items[1].type, INPUT_PARTY);
	assert_int_equal(inputs.items[2].type, INPUT_PARTIES);
	assert_true(inputs.items[1].at_us == INT64_C(1767323045000000));
	assert_true(inputs.items[2].at_us == INT64_C(1767323045000000));
	asked.provider_us = 0;
	ringcentral_dialect.put_asked(&asked, &undated);
	inputs = (struct inputs){ 0 };
	assert_int_equal(ringcentral_dialect.read_call(buf_span(&undated), &arena, &inputs, NULL),
			 0);
	assert_int_equal(inputs.n, 3);
	assert_int_equal(inputs.items[1].at_us, 0);
	assert_int_equal(inputs.items[2].at_us, 0);
}

static struct span call_of(struct span body)
{
	struct envelope e;
	assert_int_equal(ringcentral_dialect.classify(body, &arena, &e, NULL), 0);
	return e.call_id;
}

/* Whoever begins: the beginning, what we have sent and what comes back are one call. */
static void test_texts_of_two_are_one_call(void **state)
{
	struct buf first AUTO_BUF = { 0 }, asked AUTO_BUF = { 0 };
	struct span sent = json("{'id':'9','to':[{'phoneNumber':'+15550199'}],'from':{"
				"'phoneNumber':'+15550001'},'direction':'Outbound','conversation':"
				"{'id':'77'}}"),
		    name;
	const struct asked_answer answer = { .what = ASKED_TEXT, .body = sent };
	(void)state;
	ringcentral_dialect.begin_text(SPAN("+15550001"), SPAN("+15550199"), &arena, &name, &first);
	assert_true(span_eq(call_of(buf_span(&first)), name));
	ringcentral_dialect.put_asked(&answer, &asked);
	assert_true(span_eq(call_of(buf_span(&asked)), name));
#define TEXT_IN(to, more)                                                                    \
	json("{'event':'/restapi/v1.0/account/1/extension/2/message-store/instant','body':{" \
	     "'id':'1','to':[" to "],'from':{'phoneNumber':'+15550199'},'direction':"        \
	     "'Inbound'" more "}}")
	assert_true(span_eq(call_of(TEXT_IN("{'phoneNumber':'+15550001'}", "")), name));
	/* Of three it is the platform's thread; likewise without numbers. */
	assert_true(span_is(call_of(TEXT_IN("{'phoneNumber':'+15550001'},{'phoneNumber':'+1'}",
					    ",'conversation':{'id':'78'}")),
			    "78"));
	assert_true(span_is(
		call_of(TEXT_IN("{'extensionNumber':'101'}", ",'conversation':{'id':'79'}")),
		"79"));
}

/* --- documentation --- */

static void expect_in(const struct buf *docs, const char *name)
{
	const char *quoted = arena_printf(&arena, "`%s`", name);
	if (!memmem(docs->p, docs->n, quoted, strlen(quoted)))
		fail_msg("docs/ringcentral.md does not tell about %s", quoted);
}

static void test_docs_are_complete(void **state)
{
	struct buf docs AUTO_BUF = { 0 };
	(void)state;
	assert_int_equal(file_read(DOCS_DIR "/ringcentral.md", 1 << 20, &docs, NULL), 0);
	for (size_t i = 0; rc_type_at(i); i++)
		expect_in(&docs, rc_type_at(i)->name);
	for (size_t i = 0; rc_mask_name(i); i++)
		expect_in(&docs, rc_mask_name(i));
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		expect_in(&docs, command_verb_name((enum command_verb)i));
	for (unsigned i = 0; i <= PARTY_SUPERVISOR; i++)
		expect_in(&docs, party_side_name((enum party_side)i));
	for (unsigned i = 0; i <= PARTY_LEFT; i++)
		expect_in(&docs, party_state_name((enum party_state)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_requests, clean),
		cmocka_unit_test_teardown(test_other_form_of_a_mute, clean),
		cmocka_unit_test_teardown(test_reconcile, clean),
		cmocka_unit_test_teardown(test_the_answer_gets_its_time, clean),
		cmocka_unit_test_teardown(test_refusals, clean),
		cmocka_unit_test_teardown(test_transfers, clean),
		cmocka_unit_test_teardown(test_what_a_request_cannot_say, clean),
		cmocka_unit_test_teardown(test_errors_in_one_line, clean),
		cmocka_unit_test_teardown(test_the_same_event_has_the_same_key, clean),
		cmocka_unit_test_teardown(test_the_answer_to_a_text, clean),
		cmocka_unit_test_teardown(test_texts_of_two_are_one_call, clean),
		cmocka_unit_test_teardown(test_docs_are_complete, clean),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
