/* A8: what is known about the caller enters the call. */
#include <stdio.h>
#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"

static int context(struct sim *sim, const char *json)
{
	char *text = sim_json(json);
	int rc = sim_apply(sim, RECORD_CONTEXT, span_of(text));
	free(text);
	return rc;
}

#define ORDER "{'id':'o1','kind':'problem order','title':'#17','text':'The parcel is lost.'}"
#define ISSUE "{'id':'i1','kind':'open issue','title':'Refund','text':'Waiting for approval.'}"

static void told_to_a_running_call(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, "'context_inject':true");
	assert_int_equal(context(&sim, "{'how':'running','items':[" ORDER
				       "],'lookup':'https://crm.example'}"),
			 0);
	assert_int_equal(
		sim_count(&sim, "'type':'context'", "'how':'running'", "'items':[" ORDER "]", NULL),
		1);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 1);
	assert_int_equal(sim_count(&sim, "'type':'command'", "'verb':'add-message'",
				   "'actor':'rule:context'", "'role':'system'",
				   "What is known about this caller:\\n- problem order, #17: The "
				   "parcel is lost.",
				   "'state':'requested'", NULL),
			 1);
	sim_intent(&sim, 0);
	sim_answered(&sim, 0, 200, "");
	assert_int_equal(sim_count(&sim, "'type':'command'", "'state':'accepted'", NULL), 1);
	assert_true(sim_shows(&sim, "'context':[" ORDER "]"));
	bool items, lookup;
	session_context_asked(sim.s, &items, &lookup);
	assert_false(items);
	assert_true(lookup);
	/* the same again, and one more: only what is new is told */
	assert_int_equal(context(&sim, "{'how':'running','items':[" ORDER "," ISSUE "]}"), 0);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 2);
	assert_int_equal(sim_count(&sim, "'state':'requested'", "Refund", NULL), 1);
	assert_int_equal(sim_count(&sim, "'state':'requested'", "parcel", NULL), 1);
	assert_int_equal(context(&sim, "{'how':'running','items':[" ISSUE "],'items_asked':true}"),
			 0);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 2);
	session_context_asked(sim.s, &items, &lookup);
	assert_true(items && lookup);
	assert_int_equal(sim_count(&sim, "items_asked", NULL), 0); /* for the session only */
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* assistant-request has told it; a text that changed is told anew. */
static void not_told_twice(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, "'context_inject':true");
	assert_int_equal(context(&sim, "{'how':'assistant-request','items':[" ORDER "]}"), 0);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 0);
	assert_true(sim_shows(&sim, "'context':[" ORDER "]"));
	assert_int_equal(context(&sim, "{'how':'running','items':[" ORDER "]}"), 0);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 0);
	assert_int_equal(context(&sim, "{'how':'running','items':[{'id':'o1','kind':'problem "
				       "order','title':'#17','text':'Found.'}]}"),
			 0);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void only_when_wanted_and_possible(void **state)
{
	static const char *const settings[] = { "", "'context_inject':false",
						"'context_inject':true,'imported':true" };
	struct sim sim;
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		sim_begin(&sim, settings[i]);
		assert_int_equal(context(&sim, "{'how':'running','items':[" ORDER "]}"), 0);
		assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 0);
		assert_int_equal(sim_count(&sim, "'type':'context'", NULL), 1);
		sim_fini(&sim);
	}
	sim_begin(&sim, "'context_inject':true");
	sim_webhook(&sim, "{'t':'status','name':'ended','key':2}");
	assert_int_equal(context(&sim, "{'how':'running','items':[" ORDER "]}"), 0);
	assert_int_equal(sim_count(&sim, "'type':'command'", NULL), 0);
	sim_fini(&sim);
}

static void failed_lookups_are_shown(void **state)
{
	struct sim sim;
	(void)state;
	sim_begin(&sim, "'context_inject':true");
	assert_int_equal(context(&sim, "{'how':'running','items':[],'lookup':'https://"
				       "crm.example','error':'timed out'}"),
			 0);
	assert_int_equal(sim_count(&sim, "'type':'context'", "'error':'timed out'", NULL), 1);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 0);
	assert_int_equal(context(&sim, "{'how':'running'}"), 0);
	assert_int_equal(sim_count(&sim, "'type':'context'", "'items':null", NULL), 1);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void unreadable_records_change_nothing(void **state)
{
	static const char *const bad[] = { "", "[]", "{'items':{}}", "{'items':7}", "{" };
	struct sim sim;
	(void)state;
	sim_begin(&sim, "'context_inject':true");
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(context(&sim, bad[i]), E_INVALID);
	assert_int_equal(sim_count(&sim, "'type':'context'", NULL), 0);
	assert_int_equal(context(&sim, "{'how':'running','items':[7,'x',null]}"), 0);
	assert_int_equal(sim_effects(&sim, EFFECT_CONTROL), 0);
	sim_fini(&sim);
}

static void kept_in_bounds(void **state)
{
	struct sim sim;
	struct buf b AUTO_BUF = { 0 };
	(void)state;
	sim_begin(&sim, "'context_inject':true");
	for (int i = 0; i < 40; i++) {
		buf_clear(&b);
		buf_printf(
			&b,
			"{'how':'running','items':[{'id':'o%d','kind':'order','title':'t','text':'",
			i);
		for (int k = 0; k < 2000; k++)
			buf_addz(&b, "long ");
		buf_addz(&b, "'}]}");
		assert_int_equal(context(&sim, buf_z(&b)), 0);
	}
	assert_true(sim_shows(&sim, "older_context_dropped"));
	assert_int_equal(sim.s->context.n, CONTEXT_ITEMS);
	for (uint32_t i = 0; i < CONTEXT_ITEMS; i++)
		assert_true(sim.s->context.items[i].json.n <= CONTEXT_ITEM_BYTES);
	assert_true(sim_shows(&sim, "'id':'o39'"));
	assert_false(sim_shows(&sim, "'id':'o3',"));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told_to_a_running_call),
		cmocka_unit_test(not_told_twice),
		cmocka_unit_test(only_when_wanted_and_possible),
		cmocka_unit_test(failed_lookups_are_shown),
		cmocka_unit_test(unreadable_records_change_nothing),
		cmocka_unit_test(kept_in_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
