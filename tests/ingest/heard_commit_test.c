/* Records that nobody waits for - what was heard, time that passes - share a sync: they are durable
 * within HEARD_COMMIT_MS by themselves, and delay nobody who waits for another. The clock stands
 * still but where the test says so. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "callmend/hear.h"
#include "callmend/heard.h"
#include "ingest/lane.h"
#include "journal/journal.h"
#include "tests/ingest/gateway.h"

static const char directory[] =
	"{'version':1,'tokens':[],'projects':[{'id':'22222222-2222-7222-8222-222222222222',"
	"'org_id':'11111111-1111-7111-8111-111111111111','name':'p','language':'en','settings':{},"
	"'tools':[]}],'sources':[{'id':'33333333-3333-7333-8333-000000000001',"
	"'org_id':'11111111-1111-7111-8111-111111111111',"
	"'project_id':'22222222-2222-7222-8222-222222222222','dialect':'vapi','name':'main',"
	"'auth':[{'type':'open'}]}]}";
static const struct uuid SOURCE_ID = { { 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x73, 0x33, 0x83, 0x33,
					 0, 0, 0, 0, 0, 1 } };
static const char running[] =
	"{'message':{'type':'status-update','status':'in-progress','call':{'id':'c1','orgId':'o',"
	"'type':'inboundPhoneCall'}}}";
static const char words[] =
	"{'message':{'type':'transcript','role':'user','transcriptType':'final','transcript':"
	"'Hello, it is me.','call':{'id':'c1','orgId':'o','type':'inboundPhoneCall'}}}";

static struct gateway g;

static void pass(int64_t us)
{
	gateway_shift_wall(us);
	gateway_shift_monotonic(us);
	gateway_turns(&g);
}

static uint64_t last(void)
{
	return journal_last(ingest_journal(g.in));
}

static uint64_t durable(void)
{
	return journal_durable(ingest_journal(g.in));
}

static void wait_durable(uint64_t number)
{
	for (int i = 0; durable() < number; i++) {
		if (i > RIG_WAIT_MS)
			fail_msg("record %llu is not durable, %llu is", (unsigned long long)number,
				 (unsigned long long)durable());
		usleep(1000);
	}
}

static int setup(void **state)
{
	(void)state;
	gateway_init(&g);
	gateway_start(&g, 1, directory);
	gateway_freeze(true);
	assert_int_equal(gateway_post(&g, "main", running, NULL), 200);
	assert_int_equal(last(), 2); /* BIND, status */
	assert_int_equal(durable(), 2);
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

/* --- what is heard --- */

static void told(struct hear_post *p)
{
	assert_int_equal(p->code, 0);
}

static void tell(struct shard *s, void *arg)
{
	static struct hear_post post;
	static struct buf body;
	const struct heard h = {
		.kind = HEARD_LEVEL, .value = -220, .ms = HEARD_LEVEL_MS, .at_us = clock_now_us()
	};

	(void)arg;
	buf_clear(&body);
	heard_write(SPAN("MZ1"), &h, 1, &body);
	post = (struct hear_post){ .call = uuid_v5(&SOURCE_ID, SPAN("c1")),
				   .body = buf_span(&body),
				   .told = told };
	hear_tell(ingest_hear(g.in), s, &post);
}

static void hear(void)
{
	rig_on_shard(&g.rig, 0, tell, NULL);
	gateway_turns(&g);
}

/* --- the cases --- */

static void what_is_heard_becomes_durable_by_itself(void **state)
{
	(void)state;
	hear();
	pass((HEARD_COMMIT_MS - 1) * MS_US);
	hear(); /* it does not begin anew for this one */
	assert_int_equal(last(), 4);
	assert_int_equal(durable(), 2);
	pass(1 * MS_US);
	wait_durable(4);
	hear(); /* and the next has a time of its own */
	assert_int_equal(durable(), 4);
	pass(HEARD_COMMIT_MS * MS_US);
	wait_durable(5);
}

static void who_waits_is_not_delayed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t before = last();

		hear();
		assert_int_equal(durable(), before);
		/* Time stands still, and yet this is answered: with all that stands before it. */
		assert_int_equal(gateway_post(&g, "main", words, NULL), 200);
		assert_true(last() > before + 1);
		assert_int_equal(durable(), last());
	}
}

static void passing_time_becomes_durable_by_itself(void **state)
{
	(void)state;
	assert_int_equal(gateway_post(&g, "main", words, NULL), 200);
	uint64_t before = last();

	pass(5 * SECOND_US); /* the turn is over */
	gateway_wait_records(&g, before + 1);
	gateway_turns(&g);
	assert_int_equal(durable(), before);
	pass(HEARD_COMMIT_MS * MS_US);
	wait_durable(before + 1);
}

/* Nobody waits: neither does the stop forget it. */
static void a_stop_makes_it_durable(void **state)
{
	(void)state;
	hear();
	assert_int_equal(durable(), 2);
	gateway_freeze(false);
	gateway_stop(&g);
	gateway_start(&g, 1, directory);
	assert_true(durable() >= 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_is_heard_becomes_durable_by_itself),
		CASE(who_waits_is_not_delayed),
		CASE(passing_time_becomes_durable_by_itself),
		CASE(a_stop_makes_it_durable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
