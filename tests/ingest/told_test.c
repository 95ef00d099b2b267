/* Webhooks of a platform that has a session, and the calls' side of that session: the handshake,
 * the verification token, messages until they are durable, live calls. */
#include "tests/ingest/gateway.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

#define SOURCE "33333333-3333-7333-8333-000000000001"
#define DIRECTORY                                                                               \
	"{'version':1,'tokens':[],'projects':[{'id':'22222222-2222-7222-8222-222222222222',"    \
	"'org_id':'11111111-1111-7111-8111-111111111111','name':'p','language':'en','settings'" \
	":{},'instruction_version':null,'instruction_number':0,'instruction_text':'','tools':[" \
	"]}],'sources':[{'id':'" SOURCE "','org_id':'11111111-1111-7111-8111-111111111111',"    \
	"'project_id':'22222222-2222-7222-8222-222222222222','dialect':'ringcentral','name':"   \
	"'main','auth':[],'connect':{'client_id':'c','client_secret':{'file':'s'},'jwt':{"      \
	"'file':'s'},'events':'webhook','verification':{'file':'v'}}},"                         \
	"{'id':'33333333-3333-7333-8333-000000000002','org_id':"                                \
	"'11111111-1111-7111-8111-111111111111','project_id':"                                  \
	"'22222222-2222-7222-8222-222222222222','dialect':'vapi','name':'main','auth':[{"       \
	"'type':'open'}]}]}"
#define EVENT(call, more)                                                                         \
	"{\"uuid\":\"u-" call "\",\"event\":\"/restapi/v1.0/account/10/telephony/sessions\","     \
	"\"timestamp\":\"2026-01-02T03:04:05.100Z\",\"subscriptionId\":\"s\",\"ownerId\":"        \
	"\"20\"," more                                                                            \
	"\"body\":{\"sequence\":2,\"sessionId\":\"77\",\"telephonySessionId\":\"" call "\","      \
	"\"eventTime\":\"2026-01-02T03:04:05.001Z\",\"origin\":{\"type\":\"Call\"},\"parties\":[" \
	"{\"accountId\":\"10\",\"id\":\"p-" call "-1\",\"direction\":\"Inbound\",\"to\":{"        \
	"\"phoneNumber\":\"+15550001\"},\"from\":{\"phoneNumber\":\"+15550002\"},\"status\":{"    \
	"\"code\":\"Proceeding\",\"rcc\":false}}]}}"

static struct gateway g;

static int setup(void **state)
{
	(void)state;
	gateway_init(&g);
	gateway_write(&g, "s", "secret");
	gateway_write(&g, "v", "verify-me");
	gateway_start(&g, 2, DIRECTORY);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gateway_hold_disk(false);
	gateway_stop(&g);
	gateway_fini(&g);
	return 0;
}

static int post(const char *path, const char *headers, const char *body, struct reply *out)
{
	struct buf request AUTO_BUF = { 0 };

	buf_printf(&request, "POST %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", path,
		   headers, strlen(body), body);
	int fd = client_ask(g.rig.port, buf_z(&request), out);
	close(fd);
	return out->status;
}

static int post_status(const char *headers, const char *body)
{
	struct reply r = { 0 };
	int status = post("/in/ringcentral/main", headers, body, &r);

	reply_free(&r);
	return status;
}

/* --- webhooks --- */

static void the_handshake_is_answered(void **state)
{
	struct reply r = { 0 };
	char header[800];

	(void)state;
	assert_int_equal(post("/in/ringcentral/main", "Validation-Token: abc-123\r\n", "", &r),
			 200);
	assert_true(reply_has(&r, "alidation-")); /* its name, in whatever case */
	assert_non_null(strstr(buf_z(&r.head), "abc-123"));
	assert_non_null(strstr(buf_z(&r.head), "application/json"));
	assert_int_equal(r.body.n, 0);
	assert_true(r.head.n <= 1024);
	reply_free(&r);
	/* Whoever they say they are; but only for sources that exist, and dialects that do so. */
	assert_int_equal(post_status("Validation-Token: x\r\nVerification-Token: wrong\r\n", ""),
			 200);
	assert_int_equal(post("/in/ringcentral/other", "Validation-Token: x\r\n", "", &r), 404);
	reply_free(&r);
	assert_int_equal(post("/in/vapi/main", "Validation-Token: x\r\n", "", &r), 400);
	assert_null(strstr(buf_z(&r.head), "alidation-"));
	reply_free(&r);
	snprintf(header, sizeof(header), "Validation-Token: %0600d\r\n", 1);
	assert_int_equal(post_status(header, ""), 400);
	assert_int_equal(post_status("", ""), 401);
}

/* Echoed whenever it is there; what came with it is taken as ever. */
static void a_message_may_be_a_handshake_too(void **state)
{
	static const char *const headers = "Validation-Token: abc-123\r\n"
					   "Verification-Token: verify-me\r\n";
	static const char *const bodies[] = { EVENT("s-1", ""), "{}", "{\"a\":1}", "<html>" };
	static const int statuses[] = { 200, 200, 400, 400 };
	struct buf events AUTO_BUF = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct reply r = { 0 };
		assert_int_equal(post("/in/ringcentral/main", headers, bodies[i], &r), statuses[i]);
		assert_non_null(strstr(buf_z(&r.head), "abc-123"));
		reply_free(&r);
	}
	gateway_events(&g, &events);
	assert_int_equal(gateway_count(&events, "'type':'call.started'", NULL), 1);
	assert_int_equal(post_status("Validation-Token: x\r\n", "{\"a\":1}"), 401);
}

static void deliveries_bring_the_token(void **state)
{
	const char *body = EVENT("s-1", "");

	(void)state;
	assert_int_equal(post_status("Verification-Token: verify-me\r\n", body), 200);
	assert_int_equal(post_status("verification-token: verify-me\r\n", body), 200);
	assert_int_equal(post_status("validation-token: verify-me\r\n", body), 200);
	assert_int_equal(post_status("Verification-Token: verify-m\r\n", body), 401);
	assert_int_equal(post_status("Validation-Token: x\r\n", body), 401);
	assert_int_equal(post_status("", body), 401);
}

/* --- a session --- */

struct telling {
	struct connect_message m;
	struct mail start;
	struct shard *here;
	atomic_int done;
	bool elsewhere;
};

static void on_done(struct connect_message *m)
{
	struct telling *t = (struct telling *)m;

	t->elsewhere = !shard_here(t->here);
	atomic_store(&t->done, 1);
}

static void run_tell(struct shard *here, void *arg)
{
	struct telling *t = arg;
	struct connect_calls calls = ingest_connect_calls(g.in);

	t->here = here;
	calls.message(calls.user, here, &t->m);
}

static void begin_as(struct telling *t, const struct connect_message *as, const char *source,
		     struct span json)
{
	memset(t, 0, sizeof(*t));
	t->m = *as;
	assert_int_equal(uuid_parse(&t->m.source, span_of(source)), 0);
	t->m.json = json;
	t->m.done = on_done;
	rig_on_shard(&g.rig, 0, run_tell, t);
}

static void begin(struct telling *t, const char *source, struct span json)
{
	begin_as(t, &(struct connect_message){ 0 }, source, json);
}

static int tell(const char *source, const char *json)
{
	struct telling t;

	begin(&t, source, span_of(json));
	rig_wait(&t.done, 1);
	assert_false(t.elsewhere);
	return t.m.code;
}

static void what_a_session_tells_is_durable(void **state)
{
	struct buf events AUTO_BUF = { 0 };
	struct telling t;

	(void)state;
	gateway_hold_disk(true);
	begin(&t, SOURCE, span_of(EVENT("s-1", "")));
	gateway_turns(&g);
	assert_int_equal(atomic_load(&t.done), 0);
	gateway_hold_disk(false);
	rig_wait(&t.done, 1);
	assert_int_equal(t.m.code, 0);
	assert_int_equal(tell(SOURCE, "{\"uuid\":"), E_INVALID);
	assert_int_equal(tell("33333333-3333-7333-8333-000000000009", EVENT("s-2", "")), E_CLOSED);
	gateway_stop(&g);
	gateway_events(&g, &events);
	assert_int_equal(gateway_count(&events, "'type':'call.started'", NULL), 1);
	gateway_start(&g, 2, DIRECTORY);
}

/* Who tells one message after the other need not wait for the disk. */
static void taken_before_it_is_durable(void **state)
{
	struct connect_message early = { .when_taken = true };
	struct telling t;

	(void)state;
	gateway_hold_disk(true);
	begin_as(&t, &early, SOURCE, span_of(EVENT("s-1", "")));
	rig_wait(&t.done, 1);
	assert_int_equal(t.m.code, 0);
	gateway_hold_disk(false);
}

static void a_full_journal_is_said(void **state)
{
	enum { BIG = 9 << 20, MANY = 9 };
	static struct telling t[MANY];
	struct buf big AUTO_BUF = { 0 };
	int taken = 0, full = 0;

	(void)state;
	buf_addz(&big, "{\"event\":\"/restapi/v1.0/account/10/telephony/sessions\",\"pad\":\"");
	for (int i = 0; i < BIG; i++)
		buf_addc(&big, 'x');
	buf_addz(&big,
		 "\",\"body\":{\"sequence\":2,\"telephonySessionId\":\"s-1\",\"parties\":[]}}");
	gateway_hold_disk(true);
	for (int i = 0; i < MANY; i++)
		begin(&t[i], SOURCE, buf_span(&big));
	for (int64_t until = clock_monotonic_us() + 60 * SECOND_US; !full;) {
		full = 0;
		for (int i = 0; i < MANY; i++)
			full += atomic_load(&t[i].done) && t[i].m.code == E_FULL;
		assert_true(clock_monotonic_us() < until);
		gateway_turns(&g);
	}
	gateway_hold_disk(false);
	full = 0;
	for (int i = 0; i < MANY; i++) {
		rig_wait(&t[i].done, 1);
		taken += t[i].m.code == 0;
		full += t[i].m.code == E_FULL;
	}
	assert_true(taken > 0 && full > 0);
	assert_int_equal(taken + full, MANY);
}

/* --- live calls --- */

static atomic_int refused_n;

static void note_refused(struct connect *none, const struct uuid *source)
{
	char text[UUID_TEXT + 1];

	assert_null(none);
	uuid_format(source, text);
	assert_string_equal(text, SOURCE);
	atomic_fetch_add(&refused_n, 1);
}

static void the_session_is_told_of_what_is_refused(void **state)
{
	static const char *const token = "Verification-Token: verify-me\r\n";

	(void)state;
	gateway_stop(&g);
	g.connect_refused = note_refused;
	g.max_calls = 1;
	gateway_start(&g, 2, DIRECTORY);
	assert_int_equal(post_status(token, EVENT("s-1", "")), 200);
	assert_int_equal(atomic_load(&refused_n), 0);
	assert_int_equal(post_status(token, EVENT("s-2", "")), 503);
	assert_int_equal(atomic_load(&refused_n), 1);
	assert_int_equal(post_status("", EVENT("s-3", "")), 401);
	assert_int_equal(tell(SOURCE, EVENT("s-4", "")), E_FULL); /* it tells that again itself */
	assert_int_equal(atomic_load(&refused_n), 1);
}

struct asking {
	struct connect_live live;
	atomic_int done;
};

static void on_live(struct connect_live *l)
{
	atomic_store(&((struct asking *)l)->done, 1);
}

static void run_ask(struct shard *here, void *arg)
{
	struct connect_calls calls = ingest_connect_calls(g.in);

	calls.live(calls.user, here, arg);
}

struct missing {
	struct connect_missed missed;
	atomic_int done;
	bool asking, within;
};

static void on_missed(struct connect_missed *m)
{
	struct missing *k = (struct missing *)m;

	k->within = k->asking;
	atomic_store(&k->done, 1);
}

static void run_miss(struct shard *here, void *arg)
{
	struct connect_calls calls = ingest_connect_calls(g.in);
	struct missing *k = arg;

	k->asking = true;
	calls.missed(calls.user, here, &k->missed);
	k->asking = false;
}

/* Without PostgreSQL. */
static void missed_calls_are_to_be_asked_for_again(void **state)
{
	struct missing k = { .missed.done = on_missed };

	(void)state;
	rig_on_shard(&g.rig, 0, run_miss, &k);
	rig_wait(&k.done, 1);
	assert_int_equal(k.missed.code, E_UNAVAILABLE);
	assert_false(k.within);
}

struct texts_asked {
	struct connect_texts texts;
	atomic_int done;
};

static void on_texts(struct connect_texts *t)
{
	struct texts_asked *k = (struct texts_asked *)t;

	assert_int_equal(t->stored.n, 0);
	atomic_store(&k->done, 1);
}

static void run_texts(struct shard *here, void *arg)
{
	struct connect_calls calls = ingest_connect_calls(g.in);
	struct texts_asked *k = arg;

	calls.texts(calls.user, here, &k->texts);
}

/* Likewise. */
static void nobody_can_say_which_texts_are_stored(void **state)
{
	struct texts_asked k = { .texts = { .messages = SPAN("[]"), .done = on_texts } };

	(void)state;
	for (int i = 0; i < 2; i++) { /* of a source that is gone, and of one that is there */
		atomic_store(&k.done, 0);
		rig_on_shard(&g.rig, 0, run_texts, &k);
		rig_wait(&k.done, 1);
		assert_int_equal(uuid_parse(&k.texts.source, SPAN(SOURCE)), 0);
	}
}

static void live_calls_are_found(void **state)
{
	struct asking a = { .live.done = on_live };

	(void)state;
	assert_int_equal(tell(SOURCE, EVENT("s-1", "")), 0);
	assert_int_equal(tell(SOURCE, EVENT("s-2", "")), 0);
	assert_int_equal(tell(SOURCE, EVENT("s-3", "")), 0);
	assert_int_equal(uuid_parse(&a.live.source, SPAN(SOURCE)), 0);
	rig_on_shard(&g.rig, 1, run_ask, &a);
	rig_wait(&a.done, 1);
	buf_z(&a.live.ids);
	assert_int_equal(a.live.ids.n, 12);
	assert_non_null(strstr(a.live.ids.p, "s-1\n"));
	assert_non_null(strstr(a.live.ids.p, "s-2\n"));
	assert_non_null(strstr(a.live.ids.p, "s-3\n"));
	buf_free(&a.live.ids);
	/* Not those of another source. */
	a = (struct asking){ .live.done = on_live };
	a.live.source.b[0] = 9;
	rig_on_shard(&g.rig, 0, run_ask, &a);
	rig_wait(&a.done, 1);
	assert_int_equal(a.live.ids.n, 0);
}

/* --- texts to somebody --- */

static atomic_int sent;
static atomic_bool silent; /* no answer comes */

static void send_request(struct connect *c, struct shard *here, struct connect_request *r)
{
	(void)c, (void)here;
	atomic_fetch_add(&sent, 1);
	r->response = (struct client_response){
		.end = atomic_load(&silent) ? CLIENT_UNKNOWN : CLIENT_ANSWERED,
		.status = 200,
		.body = SPAN("{\"id\":9,\"from\":{\"phoneNumber\":\"+15550001\"},\"to\":[{"
			     "\"phoneNumber\":\"+15550002\"}],\"direction\":\"Outbound\","
			     "\"subject\":\"Hello\",\"messageStatus\":\"Queued\","
			     "\"conversation\":{\"id\":\"77\"}}"),
	};
	r->done(r);
}

struct texting {
	struct live_text text;
	struct command command;
	struct uuid org, call;
	int code;
	char json[1000];
	atomic_int done;
	struct shard *here;
	struct texting *then; /* sent as soon as this one is answered */
};

static void run_text(struct shard *here, void *arg);

static void on_sent(void *user, const struct live_command_answer *a)
{
	struct texting *t = user;

	t->code = a->code;
	t->call = a->call;
	snprintf(t->json, sizeof(t->json), "%.*s", SPAN_ARG(a->json));
	if (t->then)
		run_text(t->here, t->then);
	atomic_store(&t->done, 1);
}

static void run_text(struct shard *here, void *arg)
{
	struct texting *t = arg;
	t->here = here;
	int rc = live_text(ingest_live(g.in), here, &t->org, &t->text, &t->command, 5000, on_sent,
			   t);

	if (rc == 0)
		return;
	t->code = rc;
	atomic_store(&t->done, 1);
}

static void prepare_text(struct texting *t, const char *to, const char *words, const char *key)
{
	*t = (struct texting){ .text = { .ours = SPAN("+15550001"), .theirs = span_of(to) },
			       .command = { .id = uuid_v7(),
					    .verb = COMMAND_SEND_TEXT,
					    .text = span_of(words),
					    .actor = SPAN("test"),
					    .key = span_of(key) } };
	assert_int_equal(uuid_parse(&t->text.source, SPAN(SOURCE)), 0);
	assert_int_equal(uuid_parse(&t->org, SPAN("11111111-1111-7111-8111-111111111111")), 0);
}

static void begin_text(struct texting *t, const char *to, const char *words, const char *key)
{
	prepare_text(t, to, words, key);
	rig_on_shard(&g.rig, 1, run_text, t);
}

static struct texting text(const char *to, const char *words, const char *key)
{
	struct texting t;

	begin_text(&t, to, words, key);
	rig_wait(&t.done, 1);
	return t;
}

static void start_texting(void)
{
	gateway_stop(&g);
	atomic_store(&sent, 0);
	atomic_store(&silent, false);
	g.connect_send = send_request;
	gateway_start(&g, 2, DIRECTORY);
}

static void a_text_goes_when_its_intent_is_durable(void **state)
{
	struct texting t, again;

	(void)state;
	start_texting();
	gateway_hold_disk(true);
	begin_text(&t, "+15550002", "Hello", "k");
	gateway_turns(&g);
	assert_int_equal(atomic_load(&sent), 0);
	gateway_hold_disk(false);
	rig_wait(&t.done, 1);
	assert_int_equal(t.code, 0);
	assert_non_null(strstr(t.json, "\"state\":\"accepted\""));
	assert_int_equal(atomic_load(&sent), 1);
	/* The same once more, something else with its key, and the same after a restart. */
	again = text("+15550002", "Hello", "k");
	assert_true(again.code == 0 && uuid_eq(&again.call, &t.call));
	assert_int_equal(text("+15550002", "Goodbye", "k").code, E_CONFLICT);
	assert_int_equal(text("+15550003", "Hello", "k").code, E_CONFLICT);
	gateway_stop(&g);
	gateway_start(&g, 2, DIRECTORY);
	again = text("+15550002", "Hello", "k");
	assert_true(again.code == 0 && uuid_eq(&again.call, &t.call));
	assert_int_equal(text("+15550003", "Hello", "k").code, E_CONFLICT);
	assert_int_equal(atomic_load(&sent), 1);
	/* Another one goes the same way, in the same conversation. */
	again = text("+15550002", "Hello", "");
	assert_true(again.code == 0 && uuid_eq(&again.call, &t.call));
	assert_int_equal(atomic_load(&sent), 2);
}

static void run_three(struct shard *here, void *arg)
{
	for (int i = 0; i < 3; i++)
		run_text(here, &((struct texting *)arg)[i]);
}

/* In one turn: none has reached a call when the next one comes. */
static void a_key_counts_from_the_first_moment(void **state)
{
	struct texting t[3];

	(void)state;
	start_texting();
	prepare_text(&t[0], "+15550002", "Hello", "k");
	prepare_text(&t[1], "+15550003", "Hello", "k");
	prepare_text(&t[2], "+15550002", "Hello", "k");
	rig_on_shard(&g.rig, 0, run_three, t);
	for (int i = 0; i < 3; i++)
		rig_wait(&t[i].done, 1);
	assert_int_equal(t[0].code, 0);
	assert_int_equal(t[1].code, E_CONFLICT);
	assert_int_equal(t[2].code, 0);
	assert_int_equal(atomic_load(&sent), 1);
}

/* Who has been told of a conflict may ask at once what became of the text. */
static void a_conflict_is_over_when_it_is_told(void **state)
{
	struct texting clash, again;

	(void)state;
	start_texting();
	assert_int_equal(text("+15550002", "Hello", "k").code, 0);
	prepare_text(&again, "+15550002", "Hello", "k");
	prepare_text(&clash, "+15550002", "Goodbye", "k");
	clash.then = &again;
	rig_on_shard(&g.rig, 1, run_text, &clash);
	rig_wait(&again.done, 1);
	assert_int_equal(clash.code, E_CONFLICT);
	assert_int_equal(again.code, 0);
	assert_int_equal(atomic_load(&sent), 1);
}

static void a_text_whose_answer_is_lost_is_never_sent_again(void **state)
{
	struct texting t;

	(void)state;
	start_texting();
	atomic_store(&silent, true);
	t = text("+15550002", "Hello", "k");
	assert_non_null(strstr(t.json, "\"state\":\"unknown\""));
	gateway_stop(&g);
	gateway_start(&g, 2, DIRECTORY);
	t = text("+15550002", "Hello", "k");
	assert_non_null(strstr(t.json, "\"state\":\"unknown\""));
	assert_int_equal(atomic_load(&sent), 1);
}

static void a_text_needs_a_provider_that_begins_them(void **state)
{
	struct texting t;

	(void)state;
	begin_text(&t, "+15550002", "Hello", "");
	rig_wait(&t.done, 1);
	assert_int_equal(t.code, 0);
	assert_non_null(strstr(t.json, "\"state\":\"rejected\"")); /* no sessions here */
	t = (struct texting){ .org = t.org, .command = t.command };
	assert_int_equal(uuid_parse(&t.text.source, SPAN("33333333-3333-7333-8333-000000000002")),
			 0);
	rig_on_shard(&g.rig, 0, run_text, &t);
	assert_int_equal(t.code, E_INVALID);
	t.text.source.b[0] = 9;
	rig_on_shard(&g.rig, 0, run_text, &t);
	assert_int_equal(t.code, E_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_handshake_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_may_be_a_handshake_too, setup, teardown),
		cmocka_unit_test_setup_teardown(the_session_is_told_of_what_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(deliveries_bring_the_token, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_session_tells_is_durable, setup, teardown),
		cmocka_unit_test_setup_teardown(taken_before_it_is_durable, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_journal_is_said, setup, teardown),
		cmocka_unit_test_setup_teardown(missed_calls_are_to_be_asked_for_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nobody_can_say_which_texts_are_stored, setup,
						teardown),
		cmocka_unit_test_setup_teardown(live_calls_are_found, setup, teardown),
		cmocka_unit_test_setup_teardown(a_text_goes_when_its_intent_is_durable, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_key_counts_from_the_first_moment, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_conflict_is_over_when_it_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_text_whose_answer_is_lost_is_never_sent_again,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_text_needs_a_provider_that_begins_them, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
