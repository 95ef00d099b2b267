/* A call that is told of by webhook and over the socket of its audio: everything once, whichever
 * way tells it first, or alone. */
#include <stdlib.h>

#include "call/session.h"
#include "tests/sim/sim.h"

#define TOOLS "'tools':[{'name':'book'}]"
#define BOOK "'t':'tool-call','id':'call_1','name':'book','data':{'seats':2}"

enum way { SOCKET, WEBHOOK };

static void begin(struct sim *sim, const char *settings)
{
	sim_init(sim, settings);
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1','kind':'socket'}},"
			 "{'t':'status','name':'queued'}");
}

/* One thing by one way: over the socket it has no time, and so no key. */
static void tell(struct sim *sim, enum way way, const char *members)
{
	sim_pass(sim, 100);
	sim->key++;
	if (way == SOCKET)
		sim_webhookf(sim, "{%s,'beside':true}", members);
	else
		sim_webhookf(sim, "{%s,'at':%d,'key':%d}", members, sim->key, sim->key);
}

static void has(const struct sim *sim, size_t n, const char *type)
{
	if (sim_count(sim, type, NULL) != n)
		fail_msg("%zu of %s, not %zu:\n%.*s", sim_count(sim, type, NULL), type, n,
			 (int)sim->events.n, sim->events.p);
}

static const struct {
	const char *members, *event;
} things[] = {
	{ "'t':'status','name':'in-progress'", "call.status" },
	{ "'t':'transcript','s':'user','final':true,'text':'book me a table'", "transcript.final" },
	{ "'t':'transcript','s':'user','text':'book me'", "transcript.partial" },
	{ "'t':'speech','s':'user','name':'started'", "speech.started" },
	{ "'t':'interrupted','id':'turn-1'", "interruption" },
	{ "'t':'hang'", "'hang'" },
	{ "'t':'model-output','text':'Of'", "model.output" },
	{ "'t':'voice-input','text':'Of course.'", "voice.input" },
	{ "'t':'language','name':'es'", "'language'" },
	{ "'t':'transfer','data':{'destination':{'number':'+1'}}", "'transfer'" },
};

static void everything_once(void **state)
{
	static const enum way orders[][4] = { { SOCKET, WEBHOOK, SOCKET, WEBHOOK },
					      { WEBHOOK, SOCKET, WEBHOOK, SOCKET },
					      { SOCKET, SOCKET, WEBHOOK, WEBHOOK },
					      { WEBHOOK, WEBHOOK, SOCKET, SOCKET },
					      { SOCKET, WEBHOOK, WEBHOOK, SOCKET } };
	(void)state;
	for (size_t o = 0; o < sizeof(orders) / sizeof(*orders); o++) {
		struct sim sim;
		begin(&sim, "");
		size_t before = sim_count(&sim, "call.status", NULL);
		for (size_t i = 0; i < sizeof(things) / sizeof(*things); i++) {
			for (size_t k = 0; k < 4; k++) /* it happens twice, each told twice */
				tell(&sim, orders[o][k], things[i].members);
			has(&sim, i ? 2 : before + 2, things[i].event);
		}
		sim_check_replay(&sim);
		sim_fini(&sim);
	}
}

static void by_one_way_alone(void **state)
{
	(void)state;
	for (int way = SOCKET; way <= WEBHOOK; way++) {
		struct sim sim;
		begin(&sim, "");
		for (size_t i = 1; i < sizeof(things) / sizeof(*things); i++) {
			for (size_t k = 0; k < 3; k++)
				tell(&sim, (enum way)way, things[i].members);
			has(&sim, 3, things[i].event);
		}
		sim_check_replay(&sim);
		sim_fini(&sim);
	}
}

/* What was said long ago is not what the other way tells now. */
static void a_way_that_has_ended_swallows_nothing(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	tell(&sim, SOCKET, things[1].members);
	sim_pass(&sim, 31000);
	tell(&sim, WEBHOOK, things[1].members);
	has(&sim, 2, "transcript.final");
	sim_fini(&sim);
}

/* Two ways that each tell something else: nothing pairs, and the oldest are given up. */
static void bounded(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	size_t before = session_bytes(sim.s);
	for (int i = 0; i < 1500; i++)
		sim_webhookf(&sim, "{'t':'model-output','text':'%d','beside':true}", i);
	has(&sim, 1500, "model.output");
	assert_true(session_bytes(sim.s) < before + 16 * 1024);
	sim_webhook(&sim, "{'t':'model-output','text':'1499','at':1,'key':1}");
	has(&sim, 1500, "model.output");
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* The end is known from both: what the second knows better revises the first. */
static void the_end(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "");
	tell(&sim, SOCKET, things[0].members);
	tell(&sim, SOCKET, "'t':'status','name':'ended'");
	tell(&sim, WEBHOOK, "'t':'status','name':'ended','reason':'customer-ended-call'");
	tell(&sim, SOCKET, "'t':'status','name':'ended','reason':'customer-ended-call'");
	has(&sim, 2, "call.ended");
	assert_true(sim_shows(&sim, "customer-ended-call"));
	sim_fini(&sim);
}

/* --- tools --- */

static void check_tool(struct sim *sim, size_t effects, const char *by)
{
	assert_int_equal(sim_effects(sim, EFFECT_TOOL), effects);
	has(sim, 1, "tool.requested");
	has(sim, 1, "tool.finished");
	assert_int_equal(sim_count(sim, "tool.finished", by, NULL), 1);
	assert_true(sim_shows(sim, "'tool_calls':1"));
	sim_check_replay(sim);
}

static void tell_history(struct sim *sim)
{
	sim_webhook(sim, "{" BOOK ",'at':90,'key':9001},{'t':'tool-result','id':'call_1','name':"
			 "'book','text':'booked','at':95,'key':9002}");
}

static void tell_result(struct sim *sim)
{
	tell(sim, SOCKET, "'t':'tool-result','id':'call_1','name':'book','text':'booked'");
}

/* Asked for by both ways, in either order; then it stands in the history, and its result comes over
 * the socket, too. */
static void a_tool_runs_once(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct sim sim;
		enum way first = i & 1 ? SOCKET : WEBHOOK;
		begin(&sim, TOOLS);
		tell(&sim, first, first == SOCKET ? BOOK : BOOK ",'here':true");
		tell(&sim, first == SOCKET ? WEBHOOK : SOCKET,
		     first == SOCKET ? BOOK ",'here':true" : BOOK);
		assert_int_equal(sim.answers.n, 0);
		sim_answered(&sim, 0, 200, "booked");
		assert_int_equal(sim_answer_count(&sim, "'id':'call_1','result':'booked'"), 1);
		if (i & 2)
			tell_result(&sim);
		tell_history(&sim);
		if (!(i & 2))
			tell_result(&sim);
		check_tool(&sim, 1, "'by':'callmend'");
		sim_fini(&sim);
	}
}

/* Nothing is answered over the socket, so nothing that only it asks for is run: somebody else does,
 * or the platform itself. */
static void asked_for_over_the_socket_only(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct sim sim;
		begin(&sim, TOOLS);
		if (i == 1)
			tell_history(&sim);
		tell(&sim, SOCKET, BOOK);
		tell_result(&sim);
		if (i == 2)
			tell_history(&sim);
		check_tool(&sim, 0, "'by':'elsewhere'");
		assert_int_equal(sim.answers.n, 0);
		sim_fini(&sim);
	}
}

static void the_upstream_is_asked_once(void **state)
{
	struct sim sim;
	(void)state;
	begin(&sim, "'upstream':true," TOOLS);
	tell(&sim, SOCKET, BOOK);
	tell(&sim, WEBHOOK, BOOK ",'here':true");
	tell(&sim, SOCKET, "'t':'hang'");
	assert_int_equal(sim_effects(&sim, EFFECT_UPSTREAM_TOOLS), 1);
	sim_answered(&sim, 0, 200, "{'results':[{'id':'call_1','result':'booked'}]}");
	assert_int_equal(sim_answer_count(&sim, "'id':'call_1','result':'booked'"), 1);
	check_tool(&sim, 0, "'by':'upstream'");
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_once),
		cmocka_unit_test(by_one_way_alone),
		cmocka_unit_test(a_way_that_has_ended_swallows_nothing),
		cmocka_unit_test(bounded),
		cmocka_unit_test(the_end),
		cmocka_unit_test(a_tool_runs_once),
		cmocka_unit_test(asked_for_over_the_socket_only),
		cmocka_unit_test(the_upstream_is_asked_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
