/* The gateway where time passes between its parts: disks that stall, clocks that go back, peers
 * that hang, stops at the wrong moment (issue "Foundation", done when 3 and 7). */
#include "tests/ingest/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/container.h"
#include "ingest/lane.h"
#include "ingest/poison.h"
#include "journal/journal.h"

#define ORG "'11111111-1111-7111-8111-111111111111'"
#define PROJECT "'22222222-2222-7222-8222-222222222222'"
#define SOURCE(n) "'33333333-3333-7333-8333-" n "'"
#define MAIN SOURCE("000000000001")
#define OPEN_SOURCE(id, name)                                                                  \
	"'id':" id ",'org_id':" ORG ",'project_id':" PROJECT ",'dialect':'vapi','name':'" name \
	"','auth':[{'type':'open'}]"
#define TOOL(n, name, more)                                                              \
	"{'id':'44444444-4444-7444-8444-00000000000" n "','name':'" name "','url':'%P" n \
	"','method':'POST','headers':[],'timeout_ms':5000,'success':{}," more "}"
#define DIRECTORY(tools, sources)                                                                  \
	"{'version':1,'tokens':[],'projects':[{'id':" PROJECT ",'org_id':" ORG                     \
	",'name':'p','language':'en','settings':{},'instruction_version':'55555555-5555-7555-8555" \
	"-555555555555','instruction_number':3,'instruction_text':'Be brief.','tools':[" tools     \
	"]}],'sources':[" sources "]}"
#define ONE_TOOL TOOL("0", "find_table", "'fallback':'Sorry, later.'")
#define SIMPLE DIRECTORY(ONE_TOOL, "{" OPEN_SOURCE(MAIN, "main") "}")

#define MESSAGE(type, call, more)                                                   \
	"{'message':{'type':'" type "','call':{'id':'" call "','orgId':'o','type':" \
	"'inboundPhoneCall'}," more "}}"
#define STATUS(call, status) MESSAGE("status-update", call, "'status':'" status "'")
#define TOOL_CALL(call, id, name)                                                             \
	MESSAGE("tool-calls", call,                                                           \
		"'timestamp':1760000000000,'toolCallList':[{'id':'" id "','type':'function'," \
		"'function':{'name':'" name "','arguments':{'n':2}}}]")
#define QUESTION(type, call) MESSAGE(type, call, "'timestamp':1760000000000")

static const struct uuid ORG_ID = { { 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x71, 0x11, 0x81, 0x11,
				      0x11, 0x11, 0x11, 0x11, 0x11, 0x11 } };
static const struct uuid SOURCE_ID = { { 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x73, 0x33, 0x83, 0x33,
					 0, 0, 0, 0, 0, 1 } };

static struct gateway g;

static int setup(void **state)
{
	(void)state;
	gateway_init(&g);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gateway_hold_disk(false);
	gateway_freeze(false);
	if (g.in)
		gateway_stop(&g);
	gateway_fini(&g);
	return 0;
}

static void read_answer(int fd, struct reply *r)
{
	client_reply(fd, REPLY_FULL, r);
	close(fd);
}

static void wait_requests(struct gateway_peer *p, int least)
{
	rig_wait(&p->requests, least);
}

/* --- the disk --- */

static void answers_wait_for_the_disk(void **state)
{
	struct reply status = { 0 }, tool = { 0 };

	(void)state;
	g.peers[0] = (struct gateway_peer){ .status = 200, .body = "{'result':'a table'}" };
	gateway_start(&g, 1, SIMPLE);
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "in-progress"), NULL), 200);
	gateway_hold_disk(true);
	int one = gateway_send(&g, "main", STATUS("c2", "ringing"));
	int two = gateway_send(&g, "main", TOOL_CALL("c1", "t1", "find_table"));
	gateway_wait_records(&g, 6); /* BIND, status; BIND, status; tool call, INTENT */
	gateway_turns(&g);
	assert_false(gateway_readable(one));
	/* Not even the answer that is overdue, and nothing was begun. */
	gateway_shift_monotonic(30 * SECOND_US);
	gateway_turns(&g);
	assert_false(gateway_readable(one));
	assert_false(gateway_readable(two));
	assert_int_equal(atomic_load(&g.peers[0].requests), 0);
	gateway_hold_disk(false);
	read_answer(one, &status);
	read_answer(two, &tool);
	assert_int_equal(status.status, 200);
	assert_int_equal(tool.status, 200);
	assert_true(reply_has(&tool, "results"));
	reply_free(&status);
	reply_free(&tool);
}

static void *release_after(void *arg)
{
	gateway_wait_records(&g, *(const uint64_t *)arg);
	gateway_hold_disk(false);
	return NULL;
}

/* What had an intent and was never begun is not_sent at the next start, not unknown. */
static void a_stop_settles_what_has_not_begun(void **state)
{
	struct buf events AUTO_BUF = { 0 };
	const uint64_t with_outcome = 5; /* BIND, status, tool call, INTENT, OUTCOME */
	pthread_t releaser;

	(void)state;
	gateway_start(&g, 1, SIMPLE);
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "in-progress"), NULL), 200);
	gateway_hold_disk(true);
	int fd = gateway_send(&g, "main", TOOL_CALL("c1", "t1", "find_table"));
	gateway_wait_records(&g, with_outcome - 1);
	assert_int_equal(pthread_create(&releaser, NULL, release_after, (void *)&with_outcome), 0);
	gateway_stop(&g);
	pthread_join(releaser, NULL);
	close(fd);
	assert_int_equal(atomic_load(&g.peers[0].requests), 0);
	gateway_start(&g, 2, SIMPLE);
	gateway_stop(&g);
	gateway_events(&g, &events);
	assert_int_equal(gateway_count(&events, "'type':'tool.finished'", NULL), 1);
	assert_int_equal(gateway_count(&events, "'type':'tool.finished'", "'unknown':false",
				       "'fallback':true", "the core is stopping", NULL),
			 1);
}

static void *send_command(void *arg)
{
	assert_int_equal(gateway_command(&g, &ORG_ID, "c1", "say", arg), 0);
	return NULL;
}

static void a_command_not_begun_at_a_stop_is_rejected(void **state)
{
	struct buf events AUTO_BUF = { 0 }, answer AUTO_BUF = { 0 };
	const uint64_t with_outcome = 5; /* BIND, status, COMMAND, INTENT, OUTCOME */
	pthread_t releaser, supervisor;

	(void)state;
	gateway_start(&g, 1, SIMPLE);
	assert_int_equal(
		gateway_post(&g, "main",
			     "{'message':{'type':'status-update','status':'in-progress','call':"
			     "{'id':'c1','monitor':{'controlUrl':'%P3'}}}}",
			     NULL),
		200);
	gateway_hold_disk(true);
	assert_int_equal(pthread_create(&supervisor, NULL, send_command, &answer), 0);
	gateway_wait_records(&g, with_outcome - 1);
	assert_int_equal(pthread_create(&releaser, NULL, release_after, (void *)&with_outcome), 0);
	gateway_stop(&g);
	pthread_join(releaser, NULL);
	pthread_join(supervisor, NULL);
	assert_int_equal(atomic_load(&g.peers[3].requests), 0);
	assert_non_null(strstr(buf_z(&answer), "\"rejected\""));
	gateway_start(&g, 1, SIMPLE);
	gateway_stop(&g);
	gateway_events(&g, &events);
	assert_int_equal(gateway_count(&events, "'type':'command'", "'state':'rejected'",
				       "the core is stopping", NULL),
			 1);
	assert_int_equal(gateway_count(&events, "'state':'unknown'", NULL), 0);
}

/* An earlier command gives up while the record of the next one is applied: its timer fires first.
 * The answer is the asked one's all the same. */
static void a_command_is_answered_as_itself_when_another_gives_up_under_it(void **state)
{
	struct buf json AUTO_BUF = { 0 };

	(void)state;
	g.peers[3] = (struct gateway_peer){ .status = 200, .body = "{}" };
	gateway_start(&g, 1, SIMPLE);
	assert_int_equal(
		gateway_post(&g, "main",
			     "{'message':{'type':'status-update','status':'in-progress','call':"
			     "{'id':'c1','monitor':{'controlUrl':'%P3'}}}}",
			     NULL),
		200);
	assert_int_equal(gateway_command(&g, &ORG_ID, "c1", "end", &json), 0);
	assert_non_null(strstr(buf_z(&json), "\"accepted\""));
	gateway_freeze(true);
	gateway_shift_wall(INT64_C(20) * SECOND_US);
	buf_clear(&json);
	assert_int_equal(gateway_command(&g, &ORG_ID, "c1", "say", &json), 0);
	gateway_freeze(false);
	gateway_shift_wall(-INT64_C(20) * SECOND_US);
	assert_non_null(strstr(buf_z(&json), "\"verb\":\"say\""));
	gateway_stop(&g);
	buf_clear(&json);
	gateway_events(&g, &json);
	assert_int_equal(gateway_count(&json, "'type':'command'", "'verb':'end'",
				       "'state':'timed_out'", NULL),
			 1);
}

/* --- what is left to others --- */

/* Does at once, or keeps, what it is asked. */
static struct {
	enum outcome_end end;
	bool keep;
	struct errand *kept;
	atomic_int effects, paused, resumed; /* the last two: of standing ones */
	_Atomic uint64_t durable;	     /* record, when it was asked */
	enum command_verb verb;
} carrier;

static void carried_out(struct mail *m, struct shard *here)
{
	struct errand *e = CONTAINER_OF(m, struct errand, mail);

	(void)here;
	e->done(e);
}

static void carry_out(struct errand *e)
{
	e->mail.run = carried_out;
	shard_post_sure(e->home, &e->mail);
}

static void on_errand(void *user, struct errand *e)
{
	struct gateway *gateway = user;

	assert_true(shard_here(e->home));
	assert_true(uuid_eq(&e->org, &ORG_ID) || e->standing);
	if (e->standing) {
		atomic_fetch_add(e->command->verb == COMMAND_RECORD_PAUSE ? &carrier.paused
									  : &carrier.resumed,
				 1);
		carry_out(e);
		return;
	}
	e->end = carrier.end;
	fault(&e->why, E_CLOSED, "nobody is there");
	carrier.verb = e->command->verb;
	atomic_store(&carrier.durable, journal_durable(ingest_journal(gateway->in)));
	if (carrier.keep)
		carrier.kept = e;
	else
		carry_out(e);
	atomic_fetch_add(&carrier.effects, 1);
}

static void with_carrier(enum outcome_end end)
{
	memset(&carrier, 0, sizeof(carrier));
	carrier.end = end;
	g.carrier = on_errand;
	g.carrier_user = &g;
}

#define SOCKET_CALL(id)                                                                    \
	"{'message':{'type':'status-update','status':'in-progress','call':{'id':'" id "'," \
	"'type':'vapi.websocketCall'}}}"

static void commands_go_over_the_socket_of_the_audio(void **state)
{
	static const struct {
		const char *verb;
		enum outcome_end end;
		const char *state, *error;
	} cases[] = {
		{ "say", OUTCOME_DONE, "\"accepted\"", "\"error\":null" },
		{ "end", OUTCOME_NOT_SENT, "\"rejected\"", "not delivered: nobody is there" },
		{ "mute", OUTCOME_UNKNOWN, "\"unknown\"", "no answer: nobody is there" },
	};
	struct buf json AUTO_BUF = { 0 };

	(void)state;
	with_carrier(OUTCOME_DONE);
	gateway_start(&g, 2, SIMPLE);
	assert_int_equal(gateway_post(&g, "main", SOCKET_CALL("c1"), NULL), 200);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t before = journal_last(ingest_journal(g.in));

		carrier.end = cases[i].end;
		assert_int_equal(gateway_command(&g, &ORG_ID, "c1", cases[i].verb, &json), 0);
		assert_non_null(strstr(buf_z(&json), cases[i].state));
		assert_non_null(strstr(buf_z(&json), cases[i].error));
		/* COMMAND and INTENT are on the disk before anybody is asked. */
		assert_true(atomic_load(&carrier.durable) >= before + 2);
		assert_string_equal(command_verb_name(carrier.verb), cases[i].verb);
	}
	assert_int_equal(atomic_load(&carrier.effects), 3);
}

static void nobody_carries_it_out(void **state)
{
	struct buf json AUTO_BUF = { 0 };

	(void)state;
	g.carrier = NULL;
	gateway_start(&g, 1, SIMPLE);
	assert_int_equal(gateway_post(&g, "main", SOCKET_CALL("c1"), NULL), 200);
	assert_int_equal(gateway_command(&g, &ORG_ID, "c1", "say", &json), 0);
	assert_non_null(strstr(buf_z(&json), "\"rejected\""));
	assert_non_null(strstr(buf_z(&json), "nobody on this node can do that"));
}

static void too_late(void)
{
	carry_out(carrier.kept);
}

/* A stop does not wait for it; the next start says that nobody knows. */
static void an_errand_under_way_at_a_stop_is_unknown(void **state)
{
	struct buf answer AUTO_BUF = { 0 }, events AUTO_BUF = { 0 };
	pthread_t supervisor;

	(void)state;
	with_carrier(OUTCOME_DONE);
	carrier.keep = true;
	gateway_start(&g, 1, SIMPLE);
	assert_int_equal(gateway_post(&g, "main", SOCKET_CALL("c1"), NULL), 200);
	assert_int_equal(pthread_create(&supervisor, NULL, send_command, &answer), 0);
	rig_wait(&carrier.effects, 1);
	g.on_stopped = too_late;
	gateway_stop(&g);
	pthread_join(supervisor, NULL);
	g.on_stopped = NULL;
	gateway_start(&g, 1, SIMPLE);
	gateway_stop(&g);
	gateway_events(&g, &events);
	assert_int_equal(gateway_count(&events, "'type':'command'", "'state':'unknown'", NULL), 1);
	assert_int_equal(gateway_count(&events, "'type':'command'", "'state':'accepted'", NULL), 0);
}

/* The recorder hears of a pause when it was carried out, when the node starts, and when it has no
 * object any more. */
static void the_recorder_knows_what_is_paused(void **state)
{
	struct buf json AUTO_BUF = { 0 };

	(void)state;
	with_carrier(OUTCOME_NOT_SENT);
	gateway_start(&g, 2, SIMPLE);
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "in-progress"), NULL), 200);
	assert_int_equal(gateway_command(&g, &ORG_ID, "c1", "record-pause", &json), 0);
	assert_non_null(strstr(buf_z(&json), "\"rejected\""));
	assert_non_null(strstr(buf_z(&json), "\"error\":\"nobody is there\""));
	assert_int_equal(atomic_load(&carrier.paused), 0);
	carrier.end = OUTCOME_DONE;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(gateway_command(&g, &ORG_ID, "c1", "record-pause", &json), 0);
		assert_non_null(strstr(buf_z(&json), "\"effect_seen\""));
	}
	assert_int_equal(atomic_load(&carrier.paused), 1);
	gateway_stop(&g);
	gateway_start(&g, 1, SIMPLE);
	assert_int_equal(atomic_load(&carrier.paused), 2);
	assert_int_equal(gateway_command(&g, &ORG_ID, "c1", "record-resume", &json), 0);
	assert_int_equal(atomic_load(&carrier.resumed), 1);
	assert_int_equal(gateway_command(&g, &ORG_ID, "c1", "record-pause", &json), 0);
	assert_int_equal(atomic_load(&carrier.paused), 3);
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "ended"), NULL), 200);
	assert_int_equal(atomic_load(&carrier.resumed), 2);
	gateway_stop(&g);
	gateway_start(&g, 1, SIMPLE);
	assert_int_equal(atomic_load(&carrier.paused), 3);
}

/* --- clocks --- */

struct stamps {
	struct uuid call;
	int64_t last_us;
	unsigned n;
};

static int check_stamp(void *user, const struct record *r)
{
	struct stamps *s = user;

	if (!uuid_eq(&r->call, &s->call))
		return 0;
	assert_true(r->at_us >= s->last_us);
	s->last_us = r->at_us;
	s->n++;
	return 0;
}

static void stamps_never_decrease(void **state)
{
	struct stamps s = { .call = uuid_v5(&SOURCE_ID, SPAN("c1")) };
	struct journal *journal;
	char dir[80];
	struct fault f;

	(void)state;
	gateway_start(&g, 1, SIMPLE);
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "ringing"), NULL), 200);
	gateway_shift_wall(-INT64_C(1800) * SECOND_US); /* as by a time server */
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "in-progress"), NULL), 200);
	gateway_shift_wall(-INT64_C(86400) * SECOND_US); /* as by hand: new calls go with it */
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "forwarding"), NULL), 200);
	assert_int_equal(gateway_post(&g, "main", STATUS("c2", "in-progress"), NULL), 200);
	gateway_stop(&g);
	gateway_start(&g, 1, SIMPLE); /* and the past is read again behind the clock */
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "ended"), NULL), 200);
	gateway_stop(&g);
	gateway_shift_wall(INT64_C(88200) * SECOND_US);
	snprintf(dir, sizeof(dir), "%s/journal", g.dir);
	assert_int_equal(journal_open(&journal,
				      &(struct journal_config){ .dir = dir,
								.segment_bytes = 4 << 20,
								.memory_bytes = 1 << 20,
								.disk_cap_bytes = 1 << 30 },
				      &f),
			 0);
	assert_int_equal(journal_replay(journal, check_stamp, &s, &f), 0);
	journal_free(journal);
	assert_int_equal(s.n, 5); /* BIND and four */
}

/* --- poison --- */

/* A timer of a call stopped the core twice: the call goes on without timers, and its TICK is
 * written once, not for ever. */
static void a_poisoned_timer_is_left_alone(void **state)
{
	struct record tick = { .kind = RECORD_TICK, .call = uuid_v5(&SOURCE_ID, SPAN("c1")) };
	struct buf events AUTO_BUF = { 0 };
	char line[64];
	uint64_t last;

	(void)state;
	snprintf(line, sizeof(line), "%llx 2\n", (unsigned long long)poison_key(&tick));
	gateway_write(&g, "poison.list", line);
	gateway_start(&g, 1, SIMPLE);
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "in-progress"), NULL), 200);
	gateway_shift_wall(INT64_C(1200) * SECOND_US);
	gateway_shift_monotonic(INT64_C(1200) * SECOND_US);
	gateway_wait_records(&g, 3); /* BIND, status, TICK */
	gateway_turns(&g);
	last = journal_last(ingest_journal(g.in));
	assert_int_equal(last, 3);
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "forwarding"), NULL), 200);
	gateway_turns(&g);
	assert_int_equal(journal_last(ingest_journal(g.in)), 4);
	gateway_stop(&g);
	gateway_start(&g, 1, SIMPLE); /* nor after a restart */
	gateway_turns(&g);
	assert_int_equal(journal_last(ingest_journal(g.in)), 4);
	gateway_stop(&g);
	gateway_shift_wall(-INT64_C(1200) * SECOND_US);
	gateway_events(&g, &events);
	assert_int_equal(gateway_count(&events, "'type':'call.status'", "'forwarding'", NULL), 1);
}

/* --- commands --- */

enum { SOURCES = 70 };

static void put_sources(struct buf *out)
{
	buf_addz(out, "{'version':1,'tokens':[],'projects':[],'sources':[");
	for (unsigned i = 0; i < SOURCES; i++)
		buf_printf(out,
			   "%s{'id':'33333333-3333-7333-8333-%012u','org_id':" ORG
			   ",'project_id':" PROJECT
			   ",'dialect':'vapi','name':'s%u','auth':[{'type':'open'}]}",
			   i ? "," : "", i + 1, i);
	buf_addz(out, "]}");
}

static void post_status(unsigned source, const char *call, const char *status)
{
	char body[256], name[16];

	snprintf(name, sizeof(name), "s%u", source);
	snprintf(body, sizeof(body),
		 "{'message':{'type':'status-update','status':'%s','endedReason':'x','call':"
		 "{'id':'%s'}}}",
		 status, call);
	assert_int_equal(gateway_post(&g, name, body, NULL), 200);
}

/* Without a control URL a command that finds its call is rejected, with that reason. */
static bool reaches_a_call(const char *call)
{
	struct buf json AUTO_BUF = { 0 };
	int code = gateway_command(&g, &ORG_ID, call, "say", &json);

	assert_true(code == 0 || code == E_NOT_FOUND);
	return code == 0 && strstr(buf_z(&json), "control URL");
}

static void a_call_is_found_by_the_providers_id_whatever_its_source(void **state)
{
	struct buf document AUTO_BUF = { 0 };
	struct uuid stranger = { { 9 } }, ours;
	char call[UUID_TEXT + 1];

	(void)state;
	put_sources(&document);
	gateway_start(&g, 2, buf_z(&document));
	for (unsigned i = 0; i < SOURCES; i++) {
		snprintf(call, sizeof(call), "call-%u", i);
		post_status(i, call, "in-progress");
	}
	for (unsigned i = 0; i < SOURCES; i++) {
		snprintf(call, sizeof(call), "call-%u", i);
		assert_true(reaches_a_call(call));
	}
	assert_false(reaches_a_call("call-70"));
	assert_false(reaches_a_call(""));
	assert_int_equal(gateway_command(&g, &stranger, "call-69", "say", NULL), E_NOT_FOUND);
	ours = uuid_v5(&SOURCE_ID, SPAN("call-0"));
	uuid_format(&ours, call);
	assert_true(reaches_a_call(call));
	assert_int_equal(gateway_command(&g, &stranger, call, "say", NULL), E_DENIED);
	gateway_stop(&g);
	gateway_start(&g, 1, buf_z(&document)); /* found again by who reads the journal */
	assert_true(reaches_a_call("call-69"));
}

static void pass_time(int64_t us)
{
	gateway_shift_wall(us);
	gateway_shift_monotonic(us);
	gateway_turns(&g);
}

static void of_two_calls_of_one_id_the_live_one_is_meant(void **state)
{
	struct buf document AUTO_BUF = { 0 }, json AUTO_BUF = { 0 };

	(void)state;
	put_sources(&document);
	gateway_start(&g, 1, buf_z(&document));
	post_status(3, "twin", "in-progress");
	post_status(66, "twin", "in-progress");
	post_status(3, "twin", "ended");
	assert_true(reaches_a_call("twin"));
	/* The other is forgotten, and this one still has the name. */
	pass_time(INT64_C(300) * SECOND_US);
	post_status(66, "twin", "forwarding");
	pass_time(INT64_C(301) * SECOND_US);
	assert_true(reaches_a_call("twin"));
	assert_int_equal(ingest_live_calls(g.in), 1);
	post_status(66, "twin", "ended");
	assert_int_equal(gateway_command(&g, &ORG_ID, "twin", "say", &json), 0);
	assert_non_null(strstr(buf_z(&json), "call has ended"));
	gateway_stop(&g);
	gateway_shift_wall(-INT64_C(601) * SECOND_US);
}

/* --- draining --- */

static void a_draining_node_takes_commands(void **state)
{
	(void)state;
	gateway_start(&g, 1, SIMPLE);
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "in-progress"), NULL), 200);
	ingest_drain(g.in);
	assert_true(ingest_draining(g.in));
	assert_true(reaches_a_call("c1"));
	assert_int_equal(gateway_post(&g, "main", STATUS("c2", "in-progress"), NULL), 200);
}

static void a_drain_has_nothing_to_wait_for_when_no_call_is_heard_of(void **state)
{
	(void)state;
	gateway_start(&g, 2, SIMPLE);
	assert_true(ingest_quiet(g.in, 60000));
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "in-progress"), NULL), 200);
	assert_int_equal(gateway_post(&g, "main", STATUS("c2", "in-progress"), NULL), 200);
	assert_false(ingest_quiet(g.in, 60000));
	gateway_shift_monotonic(INT64_C(61) * SECOND_US);
	assert_true(ingest_quiet(g.in, 60000));
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "forwarding"), NULL), 200);
	assert_false(ingest_quiet(g.in, 60000));
	assert_int_equal(gateway_post(&g, "main", STATUS("c1", "ended"), NULL), 200);
	assert_int_equal(ingest_live_calls(g.in), 1);
	assert_int_equal(gateway_post(&g, "main", STATUS("c2", "ended"), NULL), 200);
	assert_true(ingest_quiet(g.in, 60000));
	/* Words about a call that is over keep nobody waiting. */
	assert_int_equal(gateway_post(&g, "main", STATUS("c2", "ended"), NULL), 200);
	assert_true(ingest_quiet(g.in, 60000));
}

/* --- tools are counted --- */

/* Counters are of the process: what earlier tests have counted is left out. */
static const char *const results[] = { "success", "failed", "fallback", "duplicate", "unknown" };
enum { RESULTS = sizeof(results) / sizeof(results[0]) };
static long before[RESULTS];

static long total(const char *result)
{
	char name[80];

	snprintf(name, sizeof(name), "callmend_tool_calls_total{result='%s'}", result);
	return gateway_metric(name);
}

static void assert_counted(const long expected[RESULTS])
{
	for (size_t i = 0; i < RESULTS; i++) {
		long counted = total(results[i]) - before[i];

		if (counted != expected[i])
			fail_msg("%s: %ld, expected %ld", results[i], counted, expected[i]);
	}
}

static void tool_calls_are_counted_by_their_result(void **state)
{
	static const char document[] = DIRECTORY(
		TOOL("0", "works", "'fallback':'f'") "," TOOL("1", "breaks", "'fallback':'f'"),
		"{" OPEN_SOURCE(MAIN, "main") "}");

	(void)state;
	g.peers[0] = (struct gateway_peer){ .status = 200, .body = "{'result':'done'}" };
	g.peers[1] = (struct gateway_peer){ .status = 500 };
	gateway_start(&g, 1, document);
	for (size_t i = 0; i < RESULTS; i++)
		before[i] = total(results[i]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(gateway_post(&g, "main", TOOL_CALL("c1", "t1", "works"), NULL),
				 200);
	assert_int_equal(gateway_post(&g, "main", TOOL_CALL("c1", "t2", "breaks"), NULL), 200);
	assert_int_equal(gateway_post(&g, "main", TOOL_CALL("c1", "t3", "nobody"), NULL), 200);
	assert_counted((const long[RESULTS]){ 1, 1, 1, 2, 0 });
	g.peers[0].status = 0; /* hangs: at the stop nobody knows */
	int fd = gateway_send(&g, "main", TOOL_CALL("c1", "t4", "works"));
	wait_requests(&g.peers[0], 2);
	gateway_stop(&g);
	close(fd);
	assert_counted((const long[RESULTS]){ 1, 1, 1, 2, 1 });
	gateway_start(&g, 1, document); /* reading it all again counts nothing */
	assert_counted((const long[RESULTS]){ 1, 1, 1, 2, 1 });
}

/* --- upstreams --- */

#define TWO_UPSTREAMS                                                                            \
	DIRECTORY(ONE_TOOL,                                                                      \
		  "{" OPEN_SOURCE(                                                               \
			  SOURCE("000000000001"),                                                \
			  "slow") ",'upstream_url':"                                             \
				  "'%P1','upstream_timeout_ms':15000,'answers':"                 \
				  "{'transfer-destination-request':{'error':'ours'}}},"          \
				  "{" OPEN_SOURCE(                                               \
					  SOURCE("000000000002"),                                \
					  "quick") ",'upstream_url':'%P2',"                      \
						   "'upstream_timeout_ms':15000},{" OPEN_SOURCE( \
							   SOURCE("000000000003"), "none") "}")

/* Many at once: it has to be full before the first of them have hung for long enough. */
static void fill_the_way_up(void)
{
	enum { AT_ONCE = 64, LIMIT = 2000 };
	unsigned sent = 0;
	char body[256];

	while (gateway_metric("callmend_upstream_forwards_total{result='dropped'}") < 3) {
		int fds[AT_ONCE];

		assert_true(sent < LIMIT); /* the way is bounded */
		for (unsigned i = 0; i < AT_ONCE; i++) {
			snprintf(body, sizeof(body),
				 "{'message':{'type':'hang','timestamp':%u,'call':{'id':'c1'}}}",
				 ++sent);
			fds[i] = gateway_send(&g, "slow", body);
		}
		for (unsigned i = 0; i < AT_ONCE; i++)
			assert_int_equal(gateway_answer(fds[i], NULL), 200);
	}
}

static void one_hanging_upstream_holds_up_no_other(void **state)
{
	struct buf answer AUTO_BUF = { 0 };

	(void)state;
	g.peers[0] = (struct gateway_peer){ .status = 200, .body = "{'result':'a table'}" };
	g.peers[2] = (struct gateway_peer){ .status = 200, .body = "{'destination':'theirs'}" };
	gateway_start(&g, 1, TWO_UPSTREAMS);
	fill_the_way_up();
	/* Full: who reads the answer gets ours at once. */
	assert_int_equal(
		gateway_post(&g, "slow", QUESTION("transfer-destination-request", "c1"), &answer),
		200);
	assert_non_null(strstr(buf_z(&answer), "ours"));
	assert_int_equal(gateway_post(&g, "slow", TOOL_CALL("c1", "t1", "find_table"), &answer),
			 200);
	assert_non_null(strstr(buf_z(&answer), "a table"));
	/* And nobody else notices. */
	assert_int_equal(
		gateway_post(&g, "quick", QUESTION("transfer-destination-request", "c2"), &answer),
		200);
	assert_non_null(strstr(buf_z(&answer), "theirs"));
	assert_int_equal(gateway_post(&g, "quick", STATUS("c2", "in-progress"), NULL), 200);
	wait_requests(&g.peers[2], 2);
	assert_int_equal(gateway_post(&g, "none", TOOL_CALL("c3", "t1", "find_table"), &answer),
			 200);
	assert_non_null(strstr(buf_z(&answer), "a table"));
	assert_true(reaches_a_call("c2"));
}

/* --- assistant-request: one budget --- */

#define ASSISTANT "{'name':'Ava','model':{'messages':[{'role':'system','content':'old'}]}}"
/* What the socket of a call's audio has told is nothing that the provider would have sent there. */
static void what_the_socket_tells_goes_to_no_upstream(void **state)
{
	static const char *const beside[] = {
		"{'$over':'socket','message':{'callId':'c1','type':'transcript','role':'user',"
		"'transcript':'hello'}}",
		"{'$over':'socket','message':{'callId':'c1','type':'tool-calls','toolCallList':["
		"{'id':'a','name':'find_table'}]}}",
	};
	struct buf answer AUTO_BUF = { 0 };

	(void)state;
	g.peers[2] = (struct gateway_peer){ .status = 200, .body = "{}" };
	gateway_start(&g, 1, TWO_UPSTREAMS);
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		assert_int_equal(gateway_post(&g, "quick", beside[i], &answer), 200);
		assert_string_equal(buf_z(&answer), "{}");
	}
	assert_int_equal(gateway_post(&g, "quick", STATUS("c1", "in-progress"), NULL), 200);
	rig_wait(&g.peers[2].requests, 1);
	gateway_turns(&g);
	assert_int_equal(atomic_load(&g.peers[2].requests), 1);
}

#define ASSISTANTS                                                                                 \
	DIRECTORY("", "{" OPEN_SOURCE(                                                             \
			      SOURCE("000000000001"),                                              \
			      "inline") ",'upstream_url':'%P1',"                                   \
					"'upstream_timeout_ms':60000,'assistant_mode':'inline','"  \
					"assistant':" ASSISTANT "},{" OPEN_SOURCE(                 \
						SOURCE("000000000002"),                            \
						"fetch") ",'upstream_url':'%P1',"                  \
							 "'upstream_timeout_ms':60000,'assistant_" \
							 "mode':'fetch','assistant_id':'as-1',"    \
							 "'api_base':'%P2','private_key':{'file':" \
							 "'key'},'failure':{'error':'sorry'}}")

static void ours_is_served_when_the_upstream_fails(void **state)
{
	struct buf answer AUTO_BUF = { 0 }, events AUTO_BUF = { 0 };

	(void)state;
	gateway_write(&g, "key", "k");
	g.peers[1] = (struct gateway_peer){ .status = 500 };
	g.peers[2] = (struct gateway_peer){ .status = 200, .body = ASSISTANT };
	gateway_start(&g, 1, ASSISTANTS);
	assert_int_equal(gateway_post(&g, "inline", QUESTION("assistant-request", "c1"), &answer),
			 200);
	assert_non_null(strstr(buf_z(&answer), "Be brief."));
	assert_int_equal(gateway_post(&g, "fetch", QUESTION("assistant-request", "c2"), &answer),
			 200);
	assert_non_null(strstr(buf_z(&answer), "Be brief."));
	assert_int_equal(atomic_load(&g.peers[1].requests), 2);
	g.peers[1] = (struct gateway_peer){ .status = 200, .body = "{'assistantId':'theirs'}" };
	assert_int_equal(gateway_post(&g, "inline", QUESTION("assistant-request", "c3"), &answer),
			 200);
	assert_non_null(strstr(buf_z(&answer), "theirs"));
	gateway_stop(&g);
	gateway_events(&g, &events);
	/* The version is known of what we served, and of nothing else. */
	assert_int_equal(gateway_count(&events, "'type':'instructions.served'",
				       "'instruction_version':'55555555-5555-7555-8555-"
				       "555555555555'",
				       NULL),
			 2);
	assert_int_equal(gateway_count(&events, "'type':'instructions.served'", NULL), 2);
	/* Its first word says how it stands. */
	assert_int_equal(gateway_count(&events, "'type':'call.status'", "'ringing'", NULL), 3);
}

static void upstream_and_fetch_share_the_providers_patience(void **state)
{
	struct buf events AUTO_BUF = { 0 };
	struct reply one = { 0 }, two = { 0 };

	(void)state;
	gateway_write(&g, "key", "k");
	gateway_start(&g, 1, ASSISTANTS); /* upstream and API hang */
	gateway_freeze(true);		  /* only the test lets time pass */
	int inl = gateway_send(&g, "inline", QUESTION("assistant-request", "c1"));
	int fetched = gateway_send(&g, "fetch", QUESTION("assistant-request", "c2"));
	wait_requests(&g.peers[1], 2);
	wait_requests(&g.peers[2], 1);
	gateway_shift_monotonic(4900 * MS_US);
	gateway_turns(&g);
	assert_false(gateway_readable(inl));
	/* The upstream's own limit is not waited for. */
	gateway_shift_monotonic(200 * MS_US);
	gateway_turns(&g);
	read_answer(inl, &one);
	assert_int_equal(one.status, 200);
	assert_true(reply_has(&one, "Be brief."));
	/* Nothing is fetched within 7 s: the failure answer, before 7.5 s. */
	gateway_shift_monotonic(1500 * MS_US);
	gateway_turns(&g);
	assert_false(gateway_readable(fetched));
	gateway_shift_monotonic(600 * MS_US);
	gateway_turns(&g);
	read_answer(fetched, &two);
	assert_int_equal(two.status, 200);
	assert_true(reply_has(&two, "sorry"));
	gateway_freeze(false);
	gateway_stop(&g);
	gateway_events(&g, &events);
	assert_int_equal(gateway_count(&events, "'type':'instructions.served'", NULL), 1);
	reply_free(&one);
	reply_free(&two);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_wait_for_the_disk),
		TEST(a_stop_settles_what_has_not_begun),
		TEST(a_command_not_begun_at_a_stop_is_rejected),
		TEST(a_command_is_answered_as_itself_when_another_gives_up_under_it),
		TEST(commands_go_over_the_socket_of_the_audio),
		TEST(nobody_carries_it_out),
		TEST(an_errand_under_way_at_a_stop_is_unknown),
		TEST(the_recorder_knows_what_is_paused),
		TEST(stamps_never_decrease),
		TEST(a_poisoned_timer_is_left_alone),
		TEST(a_call_is_found_by_the_providers_id_whatever_its_source),
		TEST(of_two_calls_of_one_id_the_live_one_is_meant),
		TEST(a_draining_node_takes_commands),
		TEST(a_drain_has_nothing_to_wait_for_when_no_call_is_heard_of),
		TEST(tool_calls_are_counted_by_their_result),
		TEST(one_hanging_upstream_holds_up_no_other),
		TEST(what_the_socket_tells_goes_to_no_upstream),
		TEST(ours_is_served_when_the_upstream_fails),
		TEST(upstream_and_fetch_share_the_providers_patience),
	};
	return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
