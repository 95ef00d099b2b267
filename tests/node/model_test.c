/* The model of `callmend watch`, fed with messages as recorded from WS /api/v1/live (A2, A3, A6).
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "node/watch_model.h"

#define A "3f2a91c8-0000-5000-8000-000000000001"
#define B "9c11aa00-0000-5000-8000-000000000002"
#define D "9c11aa00-0000-5000-8000-000000000004"
#define NOW INT64_C(1800000000000000)

static struct watch_model model;
static unsigned heard;

static void hear(void *user, const struct watch_call *c, struct json event)
{
	(void)user;
	(void)c;
	(void)event;
	heard++;
}

static void apply_at(const char *message, int64_t now_us)
{
	struct fault f = { 0 };

	if (json_check(span_of(message), &f))
		fail_msg("%s in %s", f.text, message);
	watch_model_apply(&model, json_of(span_of(message)), now_us, hear, NULL);
}

static void apply(const char *message)
{
	apply_at(message, NOW);
}

static void event(const char *call, const char *rest)
{
	char message[2000];

	snprintf(message, sizeof(message),
		 "{\"type\":\"event\",\"owner\":0,\"event\":{\"seq\":5,\"call_id\":\"%s\",\"at\":"
		 "\"2026-11-21T05:00:30.000000Z\","
		 "\"offset_ms\":30000,%s}}",
		 call, rest);
	apply(message);
}

static void hello(void)
{
	apply("{\"type\":\"hello\",\"version\":1,\"server\":\"callmend "
	      "0.1.0\",\"epoch\":\"0123456789abcdef\",\"owners\":2,"
	      "\"role\":\"supervisor\"}");
}

static void snapshot(unsigned owner, const char *calls, const char *more)
{
	char message[4000];

	snprintf(message, sizeof(message),
		 "{\"type\":\"snapshot\",\"owner\":%u,\"epoch\":\"e\",\"last_seq\":4,\"calls\":[%s]"
		 ",\"more\":%s}",
		 owner, calls, more);
	apply(message);
}

#define CALL_A                                                                                    \
	"{\"id\":\"" A "\",\"status\":\"in-progress\",\"live\":true,\"started_at\":\"2026-11-"    \
	"21T05:00:00.000000Z\","                                                                  \
	"\"customer\":{\"number\":\"+14155550123\",\"name\":null},\"assistant\":{\"id\":\"a\","   \
	"\"name\":\"Anna\"},"                                                                     \
	"\"speaking\":\"ai\",\"sentiment\":{\"user\":\"negative\"},\"counts\":{\"tool_calls\":2," \
	"\"tool_errors\":1,"                                                                      \
	"\"interventions\":1},\"turns\":[{\"speaker\":\"ai\",\"text\":\"Hello\",\"offset_ms\":"   \
	"1000,\"turn\":0,\"open\":false},"                                                        \
	"{\"speaker\":\"user\",\"text\":\"Hi\",\"offset_ms\":3000,\"turn\":1,\"open\":true}],"    \
	"\"partial\":{\"ai\":\"I w\","                                                            \
	"\"user\":null},\"tools\":[{\"tool_id\":\"t\",\"name\":\"find\",\"arguments\":{\"q\":1}," \
	"\"running\":false,"                                                                      \
	"\"success\":true,\"result\":\"ok\",\"started_at\":\"2026-11-21T05:00:02.000000Z\","      \
	"\"duration_ms\":40}],"                                                                   \
	"\"commands\":[],\"signals\":[{\"signal\":\"frustration\",\"state\":\"raised\"}]}"
#define CALL_B "{\"id\":\"" B "\",\"live\":true,\"status\":\"ringing\"}"

static struct watch_call *a(void)
{
	struct watch_call *c = watch_model_find(&model, A);

	assert_non_null(c);
	return c;
}

static int set_up(void **state)
{
	(void)state;
	model = (struct watch_model){ 0 };
	heard = 0;
	watch_model_restart(&model);
	hello();
	snapshot(0, CALL_A, "false");
	snapshot(1, CALL_B, "false");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	watch_model_fini(&model);
	return 0;
}

static void test_snapshot(void **state)
{
	const struct watch_call *c = a();

	(void)state;
	assert_true(watch_model_complete(&model));
	assert_int_equal(watch_model_live(&model), 2);
	assert_string_equal(c->customer, "+14155550123");
	assert_string_equal(c->assistant, "Anna");
	assert_string_equal(c->mood, "negative");
	assert_int_equal(c->speaking, SPEAKER_AI);
	assert_string_equal(c->partial[SPEAKER_AI], "I w");
	assert_int_equal(c->lines_n, 3);
	assert_string_equal(c->lines[1].text, "find {\"q\":1} ✓ 40 ms: ok");
	assert_int_equal(watch_call_attention(c), 4 + 1 + 1);
	assert_int_equal(watch_call_attention(watch_model_find(&model, B)), 0);
}

static const char *last_line(void)
{
	return a()->lines[a()->lines_n - 1].text;
}

static void test_speech(void **state)
{
	(void)state;
	event(A, "\"type\":\"transcript.partial\",\"speaker\":\"user\",\"text\":\"can\"");
	assert_string_equal(a()->partial[SPEAKER_USER], "can");
	event(A, "\"type\":\"transcript.final\",\"speaker\":\"user\",\"text\":\"Can you\"");
	assert_null(a()->partial[SPEAKER_USER]);
	assert_string_equal(last_line(), "Hi Can you");
	event(A, "\"type\":\"transcript.final\",\"speaker\":\"ai\",\"text\":\"Yes\"");
	event(A, "\"type\":\"turn\",\"speaker\":\"user\",\"text\":\"Hi. Can "
		 "you?\",\"data\":{\"turn\":1,\"revision\":0}");
	assert_string_equal(last_line(), "Yes");
	assert_int_equal(a()->lines_n, 4);
	assert_string_equal(a()->lines[2].text, "Hi. Can you?");
	event(A, "\"type\":\"turn\",\"speaker\":\"user\",\"text\":\"Hi! Can "
		 "you?\",\"data\":{\"turn\":1,\"revision\":1}");
	assert_string_equal(a()->lines[2].text, "Hi! Can you?");
	event(A, "\"type\":\"transcript.final\",\"speaker\":\"user\",\"text\":\"Thanks\"");
	assert_string_equal(last_line(), "Thanks");
	assert_int_equal(a()->lines_n, 5);
	event(A, "\"type\":\"speech.stopped\",\"speaker\":\"user\"");
	assert_int_equal(a()->speaking, SPEAKER_AI);
	event(A, "\"type\":\"speech.stopped\",\"speaker\":\"ai\"");
	assert_int_equal(a()->speaking, SPEAKER_NONE);
}

static void test_tools_and_commands(void **state)
{
	(void)state;
	event(A, "\"type\":\"tool.requested\",\"data\":{\"tool_id\":\"u\",\"name\":\"book\","
		 "\"arguments\":{}}");
	assert_string_equal(last_line(), "book {} …");
	event(A, "\"type\":\"tool.finished\",\"data\":{\"tool_id\":\"u\",\"name\":\"book\","
		 "\"arguments\":{},\"success\":false,"
		 "\"error\":\"HTTP 500\",\"duration_ms\":12}");
	assert_string_equal(last_line(), "book {} ✗ 12 ms: HTTP 500");
	assert_int_equal(a()->tools, 3);
	assert_int_equal(a()->tool_errors, 2);
	event(A, "\"type\":\"command\",\"data\":{\"command_id\":\"c\",\"verb\":\"mute\",\"state\":"
		 "\"requested\",\"actor\":\"cli\"}");
	assert_false(a()->assistant_muted);
	event(A, "\"type\":\"command\",\"data\":{\"command_id\":\"c\",\"verb\":\"mute\",\"state\":"
		 "\"accepted\",\"latency_ms\":30,"
		 "\"accepted_at\":\"x\",\"actor\":\"cli\"}");
	assert_true(a()->assistant_muted);
	assert_string_equal(last_line(), "mute · accepted 30 ms · cli");
	assert_int_equal(a()->interventions, 2);
	unsigned lines = a()->lines_n;
	event(A, "\"type\":\"command\",\"data\":{\"command_id\":\"d\",\"verb\":\"unmute\","
		 "\"state\":\"rejected\",\"error\":\"no\","
		 "\"actor\":\"cli\"}");
	assert_true(a()->assistant_muted);
	assert_int_equal(a()->lines[lines].state, WATCH_LINE_BAD);
}

static void test_signals(void **state)
{
	(void)state;
	event(A, "\"type\":\"signal\",\"data\":{\"signal\":\"repetition\",\"state\":\"raised\","
		 "\"score\":100}");
	event(A, "\"type\":\"signal\",\"data\":{\"signal\":\"repetition\",\"state\":\"raised\","
		 "\"score\":100}");
	assert_int_equal(a()->signals_n, 2);
	event(A, "\"type\":\"signal\",\"data\":{\"signal\":\"frustration\",\"state\":\"cleared\"}");
	assert_int_equal(a()->signals_n, 1);
	assert_string_equal(a()->signals[0], "repetition");
	event(A, "\"type\":\"sentiment\",\"speaker\":\"ai\",\"data\":{\"sentiment\":\"positive\"}");
	assert_string_equal(a()->mood, "negative");
	event(A, "\"type\":\"sentiment\",\"speaker\":\"user\",\"data\":{\"sentiment\":"
		 "\"frustrated\"}");
	assert_string_equal(a()->mood, "frustrated");
}

static const char *mark(const struct watch_checklist *l, unsigned i)
{
	static struct buf b;

	buf_clear(&b);
	watch_checklist_text(&l->fields[i], &b);
	return buf_z(&b);
}

/* A8: what the project wants to know, from the snapshot and as it becomes known. */
static void test_checklist(void **state)
{
	(void)state;
	snapshot(0,
		 "{\"id\":\"" A
		 "\",\"live\":true,\"facts\":[{\"field\":\"guests\",\"label\":\"number "
		 "of people\",\"required\":true,\"state\":\"never_asked\",\"value\":null},"
		 "{\"field\":\"phone\",\"label\":\"phone\",\"state\":\"captured\",\"value\":"
		 "\"555\"}],"
		 "\"context\":[{\"id\":\"1\",\"kind\":\"order\",\"title\":\"#17\",\"text\":"
		 "\"lost\"}]}",
		 "false");
	const struct watch_checklist *l = &a()->checklist;
	assert_int_equal(l->fields_n, 2);
	assert_string_equal(mark(l, 0), "· number of people");
	assert_string_equal(mark(l, 1), "✓ phone: 555");
	assert_string_equal(l->context[0].text, "order, #17: lost");
	event(A, "\"type\":\"fact\",\"data\":{\"field\":\"guests\",\"label\":\"number of people\","
		 "\"state\":\"asked_not_captured\",\"value\":null}");
	assert_string_equal(mark(l, 0), "? number of people: asked");
	event(A, "\"type\":\"fact\",\"data\":{\"field\":\"guests\",\"label\":\"number of people\","
		 "\"state\":\"captured\",\"value\":\"7\"}");
	assert_string_equal(mark(l, 0), "✓ number of people: 7");
	event(A, "\"type\":\"fact\",\"data\":{\"field\":\"phone\",\"label\":\"phone\","
		 "\"state\":\"refused\"}");
	assert_string_equal(mark(l, 1), "✗ phone: refused");
	event(A, "\"type\":\"context\",\"data\":{\"items\":[{\"id\":\"1\",\"text\":\"found\"},"
		 "{\"id\":\"2\",\"title\":\"Refund\"},7]}");
	assert_int_equal(l->context_n, 2);
	assert_string_equal(l->context[0].text, "found");
	assert_string_equal(l->context[1].text, "Refund");
	for (unsigned i = 0; i < 60; i++) {
		char fact[200];
		snprintf(fact, sizeof(fact),
			 "\"type\":\"fact\",\"data\":{\"field\":\"f%u\",\"state\":\"captured\"}",
			 i);
		event(A, fact);
	}
	assert_int_equal(l->fields_n, CHECKLIST_FIELDS_MAX);
}

/* A9: what the core proposes and does by itself. */
static void test_rules(void **state)
{
	(void)state;
	unsigned before = watch_call_attention(a());
	event(A, "\"type\":\"escalation.proposed\",\"data\":{\"rule\":\"escalate_on_frustration\","
		 "\"action\":\"propose\",\"signal\":\"frustration\",\"score\":75}");
	assert_true(a()->escalated);
	assert_true(watch_call_attention(a()) > before);
	assert_string_equal(a()->lines[a()->lines_n - 1].text,
			    "escalation proposed: frustration 75");
	event(A, "\"type\":\"command\",\"data\":{\"command_id\":\"c9\",\"verb\":\"add-message\","
		 "\"state\":\"requested\",\"text\":\"Slowly.\",\"actor\":\"rule:clarify_caller_"
		 "confused\"}");
	assert_int_equal(a()->lines[a()->lines_n - 1].kind, WATCH_LINE_RULE);
	assert_non_null(strstr(a()->lines[a()->lines_n - 1].text, "rule:clarify_caller_confused"));
}

static void test_end(void **state)
{
	(void)state;
	event(A, "\"type\":\"call.ended\",\"data\":{\"reason\":\"customer-ended-call\",\"duration_"
		 "ms\":31000}");
	event(A, "\"type\":\"call.ended\",\"data\":{\"reason\":\"other\",\"duration_ms\":32000,"
		 "\"revision\":true}");
	assert_int_equal(model.ended, 1);
	assert_int_equal(watch_call_duration_ms(a(), NOW + 99 * SECOND_US), 32000);
	assert_int_equal(watch_model_live(&model), 1);
	watch_model_tick(&model, NOW + WATCH_ENDED_MS * MS_US);
	assert_non_null(watch_model_find(&model, A));
	watch_model_tick(&model, NOW + WATCH_ENDED_MS * MS_US + 1);
	assert_null(watch_model_find(&model, A));
	unsigned before = heard;
	event(A, "\"type\":\"call.report\",\"data\":{}");
	assert_int_equal(heard, before + 1);
	assert_null(watch_model_find(&model, A));
}

/* After a loss or "resync": what no snapshot mentions any more is gone, but only when all owners
 * have spoken. */
static void test_resync(void **state)
{
	(void)state;
	apply("{\"type\":\"resync\",\"reason\":\"slow\"}");
	snapshot(0, CALL_B, "true");
	snapshot(0, "", "false");
	assert_non_null(watch_model_find(&model, A));
	assert_false(watch_model_complete(&model));
	snapshot(1, "", "false");
	assert_null(watch_model_find(&model, A));
	assert_non_null(watch_model_find(&model, B));
	assert_true(watch_model_complete(&model));
}

/* Live audio: from the snapshot, from events, and pushed. */
static void test_levels(void **state)
{
	(void)state;
	assert_false(a()->levels[SPEAKER_USER].known);
	snapshot(0,
		 "{\"id\":\"" A "\",\"live\":true,\"audio\":{\"legs\":[{\"leg\":0,\"speaker\":"
		 "\"user\",\"level_db\":-30.5,\"speaking\":true}]}}",
		 "false");
	assert_true(a()->levels[SPEAKER_USER].known && a()->levels[SPEAKER_USER].speaking);
	assert_true(a()->levels[SPEAKER_USER].level_db == -30.5);
	assert_false(a()->levels[SPEAKER_AI].known);
	apply("{\"type\":\"levels\",\"call\":\"" A "\",\"at\":\"x\",\"legs\":[{\"leg\":0,"
	      "\"speaker\":\"user\",\"level\":-60,\"peak\":-50,\"speaking\":false},{\"leg\":1,"
	      "\"speaker\":\"ai\",\"level\":-12.5,\"peak\":-3,\"speaking\":true}]}");
	assert_false(a()->levels[SPEAKER_USER].speaking);
	assert_true(a()->levels[SPEAKER_AI].speaking);
	assert_true(a()->levels[SPEAKER_AI].level_db == -12.5);
	event(A, "\"type\":\"audio.level\",\"speaker\":\"user\",\"data\":{\"level_db\":-20}");
	assert_true(a()->levels[SPEAKER_USER].level_db == -20);
	event(A, "\"type\":\"audio.detached\",\"speaker\":\"user\",\"data\":{}");
	assert_false(a()->levels[SPEAKER_USER].known);
	apply("{\"type\":\"levels\",\"call\":\"unknown\",\"legs\":[{\"level\":1}]}");
	apply("{\"type\":\"levels\",\"call\":\"" A "\",\"legs\":[1,{\"level\":\"loud\"}]}");
}

static const char *party(unsigned i)
{
	static struct buf b;

	buf_clear(&b);
	watch_party_text(&a()->parties.items[i], &b);
	return buf_z(&b);
}

/* A call of several parties: from the snapshot, and as they come and go. */
static void test_parties(void **state)
{
	(void)state;
	snapshot(0,
		 "{\"id\":\"" A "\",\"live\":true,\"parties\":[{\"party_id\":\"p-1\",\"side\":"
		 "\"outside\",\"state\":\"talking\",\"number\":\"+1555\",\"name\":null}]}",
		 "false");
	assert_string_equal(party(0), "+1555 (outside) talks");
	assert_string_equal(watch_call_our_side(a()), "us");
	event(A, "\"type\":\"party\",\"data\":{\"party_id\":\"p-2\",\"side\":\"inside\",\"state\":"
		 "\"ringing\",\"name\":\"Ann Lee\",\"muted\":false}");
	assert_string_equal(last_line(), "Ann Lee (inside) rings");
	event(A, "\"type\":\"party\",\"data\":{\"party_id\":\"p-2\",\"side\":\"inside\",\"state\":"
		 "\"held\",\"name\":\"Ann Lee\",\"muted\":true}");
	assert_string_equal(party(1), "Ann Lee (inside) is on hold, muted");
	assert_true(watch_parties_hold(&a()->parties));
	/* Late news changes nothing, nor does what is known. */
	unsigned lines = a()->lines_n;
	event(A, "\"type\":\"party\",\"data\":{\"party_id\":\"p-2\",\"side\":\"inside\",\"state\":"
		 "\"talking\",\"name\":\"Ann Lee\",\"late\":true}");
	event(A, "\"type\":\"party\",\"data\":{\"party_id\":\"p-2\",\"side\":\"inside\",\"state\":"
		 "\"held\",\"name\":\"Ann Lee\",\"muted\":true}");
	assert_int_equal(a()->lines_n, lines);
	event(A, "\"type\":\"party\",\"data\":{\"party_id\":\"p-2\",\"side\":\"inside\",\"state\":"
		 "\"moved\",\"name\":\"Ann Lee\",\"reason\":\"BlindTransfer\"}");
	assert_string_equal(last_line(), "Ann Lee (inside) was handed on: BlindTransfer");
	assert_false(watch_parties_hold(&a()->parties));
	/* Never more than there is room for: who is gone makes room first. */
	for (unsigned i = 0; i < 2 * WATCH_PARTIES_MAX; i++) {
		char more[160];
		snprintf(
			more, sizeof(more),
			"\"type\":\"party\",\"data\":{\"party_id\":\"q-%u\",\"state\":\"talking\"}",
			i);
		event(A, more);
	}
	assert_int_equal(a()->parties.n, WATCH_PARTIES_MAX);
	assert_string_equal(a()->parties.items[1].id, "q-0");
}

/* Where nobody tells of parties, who sends audio is in the call. */
static void test_heard_parties(void **state)
{
	(void)state;
	snapshot(
		0,
		"{\"id\":\"" A "\",\"live\":true,\"audio\":{\"recording\":{\"state\":\"paused\"},"
		"\"legs\":[{\"stream\":\"s\",\"leg\":0,\"speaker\":\"user\",\"party\":\"+1555\","
		"\"who\":\"Customer\",\"attached\":true,\"held\":true},{\"stream\":\"s\",\"leg\":1,"
		"\"speaker\":\"ai\",\"who\":null,\"party\":null,\"attached\":true}]}}",
		"false");
	assert_int_equal(a()->parties.n, 1);
	assert_string_equal(party(0), "Customer (outside) is on hold");
	assert_true(a()->recording_paused);
	event(A,
	      "\"type\":\"audio.held\",\"speaker\":\"user\",\"data\":{\"stream\":\"s\",\"leg\":0,"
	      "\"held\":false}");
	assert_string_equal(last_line(), "the caller is taken back");
	assert_false(watch_parties_hold(&a()->parties));
	event(A,
	      "\"type\":\"audio.attached\",\"speaker\":\"ai\",\"data\":{\"stream\":\"s\",\"leg\":2,"
	      "\"who\":\"Ann Lee\"}");
	event(A, "\"type\":\"audio.detached\",\"speaker\":\"ai\",\"data\":{\"stream\":\"s\","
		 "\"leg\":2}");
	assert_string_equal(party(1), "Ann Lee (inside) has left");
	/* Her leg is given to somebody else. */
	event(A,
	      "\"type\":\"audio.attached\",\"speaker\":\"ai\",\"data\":{\"stream\":\"s\",\"leg\":2,"
	      "\"who\":\"Bob Stone\"}");
	assert_string_equal(party(1), "Ann Lee (inside) has left");
	assert_string_equal(party(2), "Bob Stone (inside) talks");
	event(A, "\"type\":\"recording\",\"data\":{\"state\":\"resumed\"}");
	assert_false(a()->recording_paused);
	/* Told of by the platform as well, they are the same people. */
	event(A, "\"type\":\"party\",\"data\":{\"party_id\":\"p-1\",\"state\":\"talking\"}");
	assert_false(watch_party_counts(&a()->parties, &a()->parties.items[2]));
	assert_true(watch_party_counts(&a()->parties, &a()->parties.items[3]));
}

/* Whose call it is; texts; what the provider cannot do, as long as that is known. */
static void test_platforms(void **state)
{
	(void)state;
	snapshot(0,
		 "{\"id\":\"" A "\",\"live\":true,\"source\":\"main\",\"dialect\":\"ringcentral\","
		 "\"kind\":\"sms\",\"can\":{"
		 "\"say\":\"no voice\",\"mute\":\"a text\",\"send-text\":true}}",
		 "false");
	assert_string_equal(a()->source, "main");
	assert_string_equal(a()->dialect, "ringcentral");
	assert_true(a()->is_text);
	assert_string_equal(a()->cannot[COMMAND_SAY], "no voice");
	assert_string_equal(a()->cannot[COMMAND_MUTE], "a text");
	assert_null(a()->cannot[COMMAND_SEND_TEXT]);
	assert_null(a()->cannot[COMMAND_END]);
	event(A, "\"type\":\"text.delivery\",\"data\":{\"message_id\":\"7\",\"state\":\"queued\","
		 "\"error\":null}");
	unsigned lines = a()->lines_n;
	event(A, "\"type\":\"text.delivery\",\"data\":{\"message_id\":\"7\",\"state\":\"failed\","
		 "\"error\":\"SMS-CAR-411\"}");
	assert_int_equal(a()->lines_n, lines);
	assert_string_equal(last_line(), "the text is failed: SMS-CAR-411");
	event(A, "\"type\":\"insight\",\"data\":{\"kind\":\"summary\",\"insight\":{\"value\":\"A "
		 "table "
		 "was moved.\"}}");
	assert_string_equal(last_line(), "insight summary: A table was moved.");
	event(A, "\"type\":\"call.status\",\"data\":{\"status\":\"in-progress\"}");
	assert_null(a()->cannot[COMMAND_MUTE]);
	assert_string_equal(a()->cannot[COMMAND_SAY], "no voice");
	event(A, "\"type\":\"command\",\"data\":{\"command_id\":\"c\",\"verb\":\"record-pause\","
		 "\"state\":\"effect_seen\",\"accepted_at\":\"x\"}");
	assert_true(a()->recording_paused);
	event(B, "\"type\":\"call.started\",\"data\":{\"source\":\"new\",\"dialect\":\"vapi\"}");
	assert_string_equal(watch_model_find(&model, B)->source, "new");
	assert_string_equal(watch_model_find(&model, B)->dialect, "vapi");
	size_t n;
	free(watch_model_list(&model, WATCH_BY_AGE, "ringcent", &n));
	assert_int_equal(n, 1);
}

static void test_list(void **state)
{
	size_t n;
	const struct watch_call **list = watch_model_list(&model, WATCH_BY_ATTENTION, "", &n);

	(void)state;
	assert_int_equal(n, 2);
	assert_string_equal(list[0]->id, A);
	free(list);
	list = watch_model_list(&model, WATCH_BY_CUSTOMER, "", &n);
	assert_string_equal(list[0]->id, B);
	free(list);
	list = watch_model_list(&model, WATCH_BY_AGE, "RING", &n);
	assert_int_equal(n, 1);
	free(list);
	list = watch_model_list(&model, WATCH_BY_AGE, "frustration", &n);
	assert_int_equal(n, 1);
	assert_string_equal(list[0]->id, A);
	free(list);
	list = watch_model_list(&model, WATCH_BY_AGE, "nobody", &n);
	assert_int_equal(n, 0);
	free(list);
}

static void test_bounds(void **state)
{
	(void)state;
	for (int i = 0; i < WATCH_LINES_MAX * 2; i++)
		event(A, "\"type\":\"interruption\",\"data\":{}");
	assert_true(a()->lines_n <= WATCH_LINES_MAX);
	for (int i = 0; i < WATCH_SIGNALS_MAX * 2; i++) {
		char signal[120];
		snprintf(signal, sizeof(signal),
			 "\"type\":\"signal\",\"data\":{\"signal\":\"s%d\",\"state\":\"raised\"}",
			 i);
		event(A, signal);
	}
	assert_int_equal(a()->signals_n, WATCH_SIGNALS_MAX);
}

static void test_nonsense(void **state)
{
	static const char *const messages[] = {
		"{}",
		"[]",
		"1",
		"{\"type\":\"event\"}",
		"{\"type\":\"event\",\"event\":7}",
		"{\"type\":\"events\",\"events\":{}}",
		"{\"type\":\"snapshot\",\"owner\":-1,\"calls\":[{},1,{\"live\":true}]}",
		"{\"type\":\"snapshot\",\"owner\":999}",
		"{\"type\":\"hello\",\"owners\":99999}",
		"{\"type\":\"event\",\"event\":{\"call_id\":\"x\",\"type\":\"turn\"}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		apply(messages[i]);
	event(A, "\"type\":\"transcript.final\",\"speaker\":\"user\"");
	event(A, "\"type\":\"turn\",\"text\":\"nobody's\"");
	event(A, "\"type\":\"command\",\"data\":{\"state\":\"no such\"}");
	assert_int_equal(watch_model_live(&model), 2);
}

/* The platform's clock is an hour behind ours, as at NOW. */
#define HOUR_AGO "2027-01-15T07:00:00.000000Z"
#define LATER "2027-01-15T07:00:20.000000Z"

static void told_after(const char *type, const char *at, int offset_ms, const char *data)
{
	char message[600];

	snprintf(message, sizeof(message),
		 "{\"type\":\"event\",\"event\":{\"seq\":5,\"call_id\":\"" D
		 "\",\"type\":\"%s\",\"at\":\"%s\",\"offset_ms\":%d,\"data\":%s}}",
		 type, at, offset_ms, data);
	apply(message);
}

static void told(const char *type, const char *at, const char *data)
{
	told_after(type, at, 0, data);
}

static void test_time_is_of_our_clock(void **state)
{
	(void)state;
	told("call.started", HOUR_AGO, "{}");
	const struct watch_call *c = watch_model_find(&model, D);
	assert_non_null(c);
	assert_int_equal(watch_call_duration_ms(c, NOW + 5 * SECOND_US), 5000);
	/* Answered: it counts from then on. */
	told("call.status", LATER, "{\"status\":\"in-progress\"}");
	assert_int_equal(watch_call_duration_ms(c, NOW + 25 * SECOND_US), 5000);
	/* What is told by our clock says nothing of the start by the platform's. */
	told("command", HOUR_AGO, "{}");
	told_after("audio.level", "2027-01-15T08:00:01.000000Z", 1000, "{}");
	assert_int_equal(watch_call_duration_ms(c, NOW + 25 * SECOND_US), 5000);
	watch_model_restart(&model);
	hello();
	snapshot(0,
		 "{\"id\":\"" D "\",\"live\":true,\"started_at\":\"" HOUR_AGO
		 "\",\"began_at\":\"2027-01-15T07:59:58.000000Z\"}",
		 "false");
	assert_int_equal(watch_call_duration_ms(c, NOW + 5 * SECOND_US), 7000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_snapshot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_checklist, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rules, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_speech, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tools_and_commands, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_signals, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_resync, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_levels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_parties, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_heard_parties, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_platforms, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_time_is_of_our_clock, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nonsense, set_up, tear_down),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
