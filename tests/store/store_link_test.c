/* The link of processes that may wait (F3): questions, refusals, reconnection, notices. */
#include "store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

#define NOBODY "99999999-0000-7000-8000-000000000009"

static struct store_link *link_;
static struct buf out;

static int link_open(void **state)
{
	(void)state;
	return store_link_new(&link_, fixture_url(), &oops);
}

static int link_end(void **state)
{
	(void)state;
	store_link_free(link_);
	link_ = NULL;
	buf_free(&out);
	return 0;
}

static int whoami(void)
{
	return store_link_query(link_, "directory_version", NULL, 0, &out, &oops);
}

static void cut_connections(void)
{
	sql("select pg_terminate_backend(pid) from pg_stat_activity "
	    "where application_name = 'callmend' and pid <> pg_backend_pid()");
	assert_true(sql_becomes_true("select count(*) = 0 from pg_stat_activity "
				     "where application_name = 'callmend'"));
}

static int put_job(const char *kind, const char *key)
{
	sql("delete from jobs");
	sql("select callmend_job('%s', '%s', '" DEFAULT_ORG "', null, 0)", kind, key);
	return 0;
}

static int claim(const char *kinds, const char *owner, const char *most)
{
	const char *params[] = { kinds, owner, most, "60000" };
	return store_link_query(link_, "job_claim", params, 4, &out, &oops);
}

/* --- questions --- */

static void one_value_and_the_buffer_is_emptied_first(void **state)
{
	(void)state;
	buf_addz(&out, "left over");
	assert_ok(whoami());
	assert_int_equal(out.p[0], '{');
	size_t n = out.n;
	assert_ok(whoami());
	assert_int_equal(out.n, n);
}

static void no_row_is_not_found(void **state)
{
	(void)state;
	const char *params[] = { DEFAULT_ORG, NOBODY };
	assert_int_equal(store_link_query(link_, "api_projects_get", params, 2, &out, &oops),
			 E_NOT_FOUND);
	assert_int_equal(out.n, 0);
}

static void refused_input_keeps_the_connection(void **state)
{
	(void)state;
	assert_ok(whoami());
	const char *before = sql("select max(backend_start) from pg_stat_activity "
				 "where application_name = 'callmend'");
	assert_int_equal(claim("{detect}", "me", "so many"), E_INVALID);
	assert_non_null(strstr(oops.text, "so many"));
	assert_ok(whoami());
	assert_string_equal(before, sql("select max(backend_start) from pg_stat_activity "
					"where application_name = 'callmend'"));
}

/* What a handler's result statement meets when its lease was taken over. */
static void a_lost_lease_has_a_code_of_its_own(void **state)
{
	(void)state;
	put_job("detect", NOBODY);
	assert_ok(claim("{detect}", "me", "1"));
	const char *mine[] = { "detect", NOBODY, "me", "1" };
	const char *theirs[] = { "detect", NOBODY, "somebody", "1" };
	assert_int_equal(store_link_query(link_, "job_done", theirs, 4, &out, &oops), E_LOST);
	assert_non_null(strstr(oops.text, "not held by somebody"));
	assert_ok(store_link_query(link_, "job_done", mine, 4, &out, &oops));
	assert_string_equal(sql("select count(*) from jobs"), "0");
	assert_int_equal(store_link_query(link_, "job_done", mine, 4, &out, &oops), E_LOST);
}

/* --- away and back --- */

static void a_stale_connection_is_renewed_before_asking(void **state)
{
	(void)state;
	assert_ok(whoami());
	cut_connections();
	put_job("detect", NOBODY);
	/* No read: it would not be asked twice, so it must have been sent once. */
	assert_ok(claim("{detect}", "me", "1"));
	assert_string_equal(sql("select attempts from jobs"), "1");
}

static void away_is_unavailable_and_back_is_found_again(void **state)
{
	(void)state;
	store_link_free(link_);
	char *url = strdup(fixture_url());
	assert_ok(store_link_new(&link_, "host=/nowhere dbname=callmend", &oops));
	assert_int_equal(whoami(), E_UNAVAILABLE);
	assert_int_equal(store_link_wait(link_, 10, &oops), E_UNAVAILABLE);
	store_link_free(link_);
	assert_ok(store_link_new(&link_, url, &oops));
	assert_ok(whoami());
	cluster_stop(fixture.cluster);
	assert_int_equal(whoami(), E_UNAVAILABLE);
	assert_int_equal(whoami(), E_UNAVAILABLE);
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	assert_string_equal(url, fixture_url());
	assert_ok(whoami());
	free(url);
}

/* --- notices --- */

static void drain_first_notice(void)
{
	/* The connection is new: something may have been missed. */
	assert_ok(store_link_wait(link_, 0, &oops));
	assert_int_equal(store_link_wait(link_, 0, &oops), E_TIMEOUT);
}

static void a_notice_ends_the_wait(void **state)
{
	(void)state;
	assert_ok(store_link_listen(link_, "callmend_test", &oops));
	drain_first_notice();
	assert_int_equal(store_link_wait(link_, 30, &oops), E_TIMEOUT);
	sql("notify callmend_other");
	assert_int_equal(store_link_wait(link_, 30, &oops), E_TIMEOUT);
	sql("notify callmend_test");
	assert_ok(store_link_wait(link_, 10000, &oops));
	assert_int_equal(store_link_wait(link_, 0, &oops), E_TIMEOUT);
}

/* It came in while a question was under way: libpq has it already, the socket is silent. */
static void a_notice_that_came_with_an_answer_is_not_lost(void **state)
{
	(void)state;
	assert_ok(store_link_listen(link_, "callmend_test", &oops));
	drain_first_notice();
	sql("notify callmend_test");
	assert_ok(whoami());
	assert_ok(store_link_wait(link_, 10000, &oops));
}

static void listening_survives_a_reconnection(void **state)
{
	(void)state;
	assert_ok(store_link_listen(link_, "callmend_test", &oops));
	drain_first_notice();
	cut_connections();
	/* Either it is seen before waiting, or while waiting. */
	int rc = store_link_wait(link_, 10000, &oops);
	if (rc == E_UNAVAILABLE)
		rc = store_link_wait(link_, 10000, &oops);
	assert_int_equal(rc, 0);
	assert_int_equal(store_link_wait(link_, 0, &oops), E_TIMEOUT);
	sql("notify callmend_test");
	assert_ok(store_link_wait(link_, 10000, &oops));
}

static void on_signal(int number)
{
	(void)number;
}

static void *interrupt(void *waiter)
{
	for (int i = 0; i < 200; i++) {
		if (pthread_kill(*(pthread_t *)waiter, SIGUSR1))
			break;
		usleep(10000);
	}
	return NULL;
}

static void a_signal_ends_the_wait(void **state)
{
	(void)state;
	pthread_t self = pthread_self(), thread;
	struct sigaction action = { .sa_handler = on_signal };
	sigaction(SIGUSR1, &action, NULL);
	assert_ok(store_link_listen(link_, "callmend_test", &oops));
	drain_first_notice();
	int64_t since = clock_monotonic_us();
	pthread_create(&thread, NULL, interrupt, &self);
	assert_int_equal(store_link_wait(link_, 600000, &oops), E_TIMEOUT);
	assert_true(clock_monotonic_us() - since < 300 * SECOND_US);
	pthread_join(thread, NULL);
}

int main(void)
{
#define linked(fn) cmocka_unit_test_setup_teardown(fn, link_open, link_end)
	const struct CMUnitTest tests[] = {
		linked(one_value_and_the_buffer_is_emptied_first),
		linked(no_row_is_not_found),
		linked(refused_input_keeps_the_connection),
		linked(a_lost_lease_has_a_code_of_its_own),
		linked(a_stale_connection_is_renewed_before_asking),
		linked(away_is_unavailable_and_back_is_found_again),
		linked(a_notice_ends_the_wait),
		linked(a_notice_that_came_with_an_answer_is_not_lost),
		linked(listening_survives_a_reconnection),
		linked(a_signal_ends_the_wait),
	};
	return cmocka_run_group_tests(tests, fixture_start_migrated, fixture_stop);
}
