/* The engine of an analyst's lane on a real PostgreSQL (F3): claims, failures, lost leases, what
 * kills its holder, two at once, stopping, PostgreSQL away. */
#include "tests/store/store_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "node/worker.h"

static struct config config;
static atomic_bool stop_flag;
static struct worker *worker;

/* --- handlers --- */

enum { SEEN_MAX = 400 };
static pthread_mutex_t seen_lock = PTHREAD_MUTEX_INITIALIZER;
static char seen[SEEN_MAX][64]; /* keys in the order they were taken */
static unsigned seen_n;

static void see(const struct job *job)
{
	pthread_mutex_lock(&seen_lock);
	CHECK(seen_n < SEEN_MAX);
	snprintf(seen[seen_n++], sizeof(seen[0]), "%s", job->key.p);
	pthread_mutex_unlock(&seen_lock);
}

static int end_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	char wanted[24];
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { job->kind.p, job->key.p, ctx->owner, wanted };
	snprintf(wanted, sizeof(wanted), "%lld", (long long)job->wanted);
	return store_link_query(ctx->db, "job_done", params, 4, &out, f);
}

static int does_it(struct job_context *ctx, const struct job *job, struct fault *f)
{
	see(job);
	return end_job(ctx, job, f);
}

static int fails(struct job_context *ctx, const struct job *job, struct fault *f)
{
	(void)ctx;
	see(job);
	return fault(f, E_IO, "the moon was not full");
}

static int cannot(struct job_context *ctx, const struct job *job, struct fault *f)
{
	(void)ctx;
	see(job);
	return fault(f, E_INVALID, "nonsense");
}

static int is_robbed(struct job_context *ctx, const struct job *job, struct fault *f)
{
	see(job);
	sql("update jobs set owner = 'robber' where key = '%s'", job->key.p);
	return end_job(ctx, job, f);
}

static int is_there_already(struct job_context *ctx, const struct job *job, struct fault *f)
{
	(void)ctx;
	see(job);
	return fault(f, E_CONFLICT, "duplicate key value violates unique constraint");
}

static int is_asked_again(struct job_context *ctx, const struct job *job, struct fault *f)
{
	see(job);
	if (seen_n == 1)
		sql("select callmend_job('detect', '%s', '" DEFAULT_ORG
		    "', '{\"again\": true}', 0)",
		    job->key.p);
	else
		assert_true(json_true(json_get(job->payload, "again")));
	return end_job(ctx, job, f);
}

static int is_stopped(struct job_context *ctx, const struct job *job, struct fault *f)
{
	see(job);
	atomic_store(&stop_flag, true);
	assert_true(ctx->stopping(ctx->user));
	return fault(f, E_UNAVAILABLE, "told to stop");
}

static int holds_on(struct job_context *ctx, const struct job *job, struct fault *f)
{
	see(job);
	sql("update jobs set lease_until = now() + interval '1 millisecond'");
	TRY(job_prolong(ctx, job, f));
	assert_string_equal(sql("select lease_until > now() + interval '50 s' from jobs"), "t");
	sql("update jobs set owner = 'robber'");
	assert_int_equal(job_prolong(ctx, job, f), E_LOST);
	sql("update jobs set owner = '%s'", ctx->owner);
	return end_job(ctx, job, f);
}

static job_fn *handler;

static int whatever(struct job_context *ctx, const struct job *job, struct fault *f)
{
	return handler(ctx, job, f);
}

static const struct work works[] = { { "detect", .handler = whatever } };

/* --- the rig --- */

static struct worker *new_worker(const char *owner)
{
	struct worker *w = NULL;
	struct worker_config wc = {
		.name = "test",
		.url = fixture_url(),
		.owner = owner,
		.config = &config,
		.works = works,
		.works_n = 1,
		.stop = &stop_flag,
	};
	assert_ok(worker_new(&w, &wc, &oops));
	return w;
}

static int rig_begin(void **state)
{
	(void)state;
	sql("delete from jobs");
	sql("delete from webhook_deliveries");
	sql("delete from notifications");
	seen_n = 0;
	atomic_store(&stop_flag, false);
	worker = new_worker("me");
	return 0;
}

static int rig_end(void **state)
{
	(void)state;
	worker_free(worker);
	worker = NULL;
	return 0;
}

static void put(const char *key)
{
	sql("select callmend_job('detect', '%s', '" DEFAULT_ORG "', null, 0)", key);
}

static unsigned run_once(job_fn *with)
{
	unsigned done = 99;
	handler = with;
	assert_ok(worker_round(worker, &done, &oops));
	return done;
}

static const char *job_is(const char *column)
{
	return sql("select %s from jobs", column);
}

/* --- one job --- */

static void done_once(void **state)
{
	(void)state;
	put("a");
	assert_int_equal(run_once(does_it), 1);
	assert_string_equal(seen[0], "a");
	assert_string_equal(job_is("count(*)"), "0");
	assert_int_equal(run_once(does_it), 0);
	assert_int_equal(seen_n, 1);
}

/* Without work a lane sleeps: "none" is not "now". */
static void nothing_to_do_is_not_due_now(void **state)
{
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { "{analyse,detect,deliver}" };

	(void)state;
	sql("delete from jobs");
	assert_int_equal(store_query_once(fixture_url(), "job_next", params, 1, &out, &oops),
			 E_NOT_FOUND);
}

static void not_before_its_time(void **state)
{
	(void)state;
	sql("select callmend_job('detect', 'later', '" DEFAULT_ORG "', null, 3600000)");
	assert_int_equal(run_once(does_it), 0);
	put("later"); /* the earlier wish wins */
	assert_int_equal(run_once(does_it), 1);
}

static void a_failure_is_given_back_and_dead_in_the_end(void **state)
{
	(void)state;
	put("a");
	for (int i = 1; i <= WORKER_ATTEMPTS; i++) {
		assert_int_equal(run_once(fails), 1);
		assert_string_equal(job_is("error"), "the moon was not full");
		assert_string_equal(job_is("run_at > now() + interval '5 s'"), "t");
		assert_int_equal(run_once(fails), 0);
		assert_string_equal(job_is("state"), i < WORKER_ATTEMPTS ? "queued" : "dead");
		sql("update jobs set run_at = now()");
	}
	assert_int_equal(run_once(fails), 0);
	assert_int_equal(seen_n, WORKER_ATTEMPTS);
	assert_string_equal(sql("select type from notifications"), "analysis_dead");
	assert_string_equal(sql("select message ~ 'the moon was not full' from notifications"),
			    "t");
	/* Asked for anew it lives again. */
	put("a");
	assert_string_equal(job_is("state || attempts"), "queued0");
	assert_int_equal(run_once(does_it), 1);
}

/* Else what is asked for often would be tried without end and without pause. */
static void a_failed_job_waits_however_often_it_is_asked_for(void **state)
{
	(void)state;
	put("a");
	assert_int_equal(run_once(fails), 1);
	put("a");
	assert_string_equal(job_is("concat_ws(' ', state, attempts, wanted, error, run_at > now() "
				   "+ interval '5 s')"),
			    "queued 1 2 the moon was not full t");
	assert_int_equal(run_once(fails), 0);
}

static const char *asked(const char *kind, const char *first, const char *second)
{
	sql("delete from jobs");
	sql("select callmend_job('%s', 'k', '" DEFAULT_ORG "', '%s', 0)", kind, first);
	sql("select callmend_job('%s', 'k', '" DEFAULT_ORG "', '%s', 0)", kind, second);
	return job_is("payload");
}

static void what_waits_keeps_what_it_was_asked_for_with(void **state)
{
	(void)state;
	assert_string_equal(asked("apply", "{\"force\": true}", "{}"), "{\"force\": true}");
	assert_string_equal(asked("apply", "{\"force\": true}", "{\"force\": false}"),
			    "{\"force\": true}");
	assert_string_equal(asked("apply", "{}", "{\"force\": true}"), "{\"force\": true}");
	assert_string_equal(asked("pull", "{\"since\": 1}", "{\"since\": 2}"), "{\"since\": 1}");
}

static void what_can_never_succeed_is_dead_at_once(void **state)
{
	(void)state;
	put("a");
	assert_int_equal(run_once(cannot), 1);
	assert_string_equal(job_is("state || attempts || error"), "dead1nonsense");
}

static void people_are_told_of_the_dead_once_an_hour(void **state)
{
	(void)state;
	put("not a project a");
	put("not a project b");
	assert_int_equal(run_once(cannot), 1);
	assert_int_equal(run_once(cannot), 1);
	assert_string_equal(job_is("count(*)"), "2");
	assert_string_equal(sql("select count(*) from notifications"), "1");
	sql("update notifications set created_at = now() - interval '61 minutes'");
	put("not a project c");
	assert_int_equal(run_once(cannot), 1);
	assert_string_equal(sql("select count(*) from notifications"), "2");
}

static int quotes_half_a_letter(struct job_context *ctx, const struct job *job, struct fault *f)
{
	(void)ctx;
	see(job);
	return fault(f, E_INVALID, "they said \"\xff caf\xc3");
}

static void any_reason_can_be_stored(void **state)
{
	(void)state;
	put("a");
	assert_int_equal(run_once(quotes_half_a_letter), 1);
	assert_string_equal(job_is("error"), "they said \"\xef\xbf\xbd caf\xef\xbf\xbd");
}

/* --- deliveries --- */

static const char *first_endpoint = "60000000-0000-7000-8000-000000000001",
		  *second_endpoint = "60000000-0000-7000-8000-000000000002";

static void add_endpoints(void)
{
	sql("insert into webhook_endpoints (id, org_id, url, secret) select e::uuid, '" DEFAULT_ORG
	    "', 'http://127.0.0.1/', '{}' from unnest('{%s,%s}'::text[]) e",
	    first_endpoint, second_endpoint);
	sql("select callmend_notify('" DEFAULT_ORG "', null, 'x', 'x', 'x', 'low', null, null)");
	sql("select callmend_notify('" DEFAULT_ORG "', null, 'x', 'y', 'y', 'low', null, null)");
}

static void remove_endpoints(void)
{
	sql("delete from jobs");
	sql("delete from webhook_deliveries");
	sql("delete from webhook_endpoints");
}

static const char *next_delivery(void)
{
	return sql("select coalesce((select d.endpoint_id::text from "
		   "callmend_job_claim('{deliver}', 'lane', 1, 60000) j join webhook_deliveries d "
		   "on d.id::text = j.key), '-')");
}

/* A receiver that hangs holds up one lane; the others neither take its deliveries nor spin. */
static void never_two_deliveries_to_one_endpoint(void **state)
{
	(void)state;
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { "{deliver}" };
	add_endpoints();
	sql("update jobs set run_at = now() - interval '1 s' where key in (select id::text from "
	    "webhook_deliveries where endpoint_id = '%s')",
	    first_endpoint);
	assert_string_equal(next_delivery(), first_endpoint);
	assert_string_equal(next_delivery(), second_endpoint);
	assert_string_equal(next_delivery(), "-");
	assert_ok(store_query_once(fixture_url(), "job_next", params, 1, &out, &oops));
	assert_true(atoi(buf_z(&out)) > 30000);
	sql("delete from jobs where state = 'running' and key in (select id::text from "
	    "webhook_deliveries where endpoint_id = '%s')",
	    first_endpoint);
	assert_string_equal(next_delivery(), first_endpoint);
	remove_endpoints();
}

static void a_delivery_is_dead_with_its_job(void **state)
{
	(void)state;
	add_endpoints();
	sql("delete from jobs where key <> (select min(key) from jobs)");
	next_delivery();
	sql("select callmend_job_failed(kind, key, 'lane', 'no way', 1) from jobs");
	assert_string_equal(sql("select concat_ws(' ', d.state, d.last_error, d.next_at) from "
				"webhook_deliveries d join jobs j on j.key = d.id::text where "
				"j.state = 'dead'"),
			    "dead no way");
	assert_string_equal(sql("select count(*) from notifications where type = 'analysis_dead' "
				"and metadata->>'kind' = 'deliver'"),
			    "1");
	remove_endpoints();
}

static void asked_for_again_while_it_runs_it_runs_again(void **state)
{
	(void)state;
	put("a");
	assert_int_equal(run_once(is_asked_again), 1);
	assert_string_equal(job_is("state || attempts"), "queued0");
	assert_int_equal(run_once(is_asked_again), 1);
	assert_int_equal(seen_n, 2);
	assert_string_equal(job_is("count(*)"), "0");
}

/* --- leases --- */

static void a_lost_lease_is_dropped_silently(void **state)
{
	(void)state;
	put("a");
	assert_int_equal(run_once(is_robbed), 1);
	assert_string_equal(job_is("owner || state || coalesce(error, '-')"), "robberrunning-");
}

/* A result that contradicts what is there is a mistake with a name, no lost lease. */
static void a_refused_result_is_a_failure(void **state)
{
	(void)state;
	put("a");
	assert_int_equal(run_once(is_there_already), 1);
	assert_string_equal(job_is("concat_ws(' ', state, owner, error)"),
			    "queued duplicate key value violates unique constraint");
}

static void a_dead_holder_is_followed(void **state)
{
	(void)state;
	put("a");
	sql("select callmend_job_claim('{detect}', 'the dead', 1, 60000)");
	assert_int_equal(run_once(does_it), 0);
	sql("update jobs set lease_until = now() - interval '1 ms'");
	assert_int_equal(run_once(does_it), 1);
	assert_string_equal(job_is("count(*)"), "0");
}

static void a_long_job_prolongs_its_lease(void **state)
{
	(void)state;
	put("a");
	assert_int_equal(run_once(holds_on), 1);
	assert_string_equal(job_is("count(*)"), "0");
}

static const char *claimed(unsigned most)
{
	return sql("select coalesce(string_agg(key, ' ' order by key), '') from "
		   "callmend_job_claim('{detect}', 'batch', %u, 60000)",
		   most);
}

/* What was taken three times without an end is taken alone: then only the guilty one goes on
 * killing. */
static void what_kills_its_holder_takes_nobody_with_it(void **state)
{
	(void)state;
	put("guilty");
	put("innocent");
	for (int i = 0; i < 3; i++) {
		assert_string_equal(claimed(50), "guilty innocent");
		sql("update jobs set lease_until = now() - interval '1 ms'");
	}
	put("fresh");
	sql("update jobs set run_at = now() - interval '1 s' where key = 'guilty'");
	assert_string_equal(claimed(50), "guilty");
	assert_string_equal(claimed(50), "innocent");
	assert_string_equal(claimed(50), "fresh");
	assert_string_equal(claimed(50), "");
	sql("delete from jobs where key <> 'guilty'");
	for (int i = 4; i < 10; i++) {
		sql("update jobs set lease_until = now() - interval '1 ms'");
		assert_string_equal(claimed(1), "guilty");
	}
	assert_string_equal(sql("select count(*) from notifications"), "0");
	sql("update jobs set lease_until = now() - interval '1 ms'");
	assert_string_equal(claimed(1), "");
	assert_string_equal(job_is("state || attempts"), "dead10");
	assert_string_equal(job_is("error ~ 'batch.*ended before it was done'"), "t");
	assert_string_equal(sql("select count(*) from notifications"), "1");
}

/* --- two at once --- */

static void *work_off(void *owner)
{
	struct worker *w = new_worker(owner);
	for (unsigned done = 1; done;) {
		struct fault why = { 0 };
		CHECK(worker_round(w, &done, &why) == 0);
	}
	worker_free(w);
	return NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void two_never_take_the_same(void **state)
{
	(void)state;
	pthread_t threads[3];
	char owners[3][8] = { "one", "two", "three" };
	sql("select count(callmend_job('detect', 'k' || i, '" DEFAULT_ORG
	    "', null, 0) is null) from generate_series(1, 300) i");
	handler = does_it;
	for (size_t i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, work_off, owners[i]);
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(seen_n, 300);
	qsort(seen, seen_n, sizeof(seen[0]), by_text);
	for (unsigned i = 1; i < seen_n; i++)
		assert_string_not_equal(seen[i - 1], seen[i]);
	assert_string_equal(job_is("count(*)"), "0");
}

/* --- nothing to do --- */

static unsigned stale_left, stale_calls;

static int find_stale(struct job_context *ctx, unsigned most, unsigned *asked, struct fault *f)
{
	(void)ctx;
	(void)f;
	stale_calls++;
	*asked = stale_left < most ? stale_left : most;
	stale_left -= *asked;
	return 0;
}

/* Only when nothing is due; at once again while there is more, then a minute later. */
static void what_is_stale_is_looked_for_when_idle(void **state)
{
	(void)state;
	unsigned done = 0;
	struct worker_config wc = {
		.name = "test",
		.url = fixture_url(),
		.owner = "idler",
		.config = &config,
		.works = works,
		.works_n = 1,
		.stale = find_stale,
		.stop = &stop_flag,
	};
	struct worker *w = NULL;
	assert_ok(worker_new(&w, &wc, &oops));
	handler = does_it;
	stale_left = 700;
	put("first");
	assert_ok(worker_round(w, &done, &oops));
	assert_int_equal(stale_calls, 0);
	assert_ok(worker_round(w, &done, &oops));
	assert_int_equal(done, 500);
	assert_ok(worker_round(w, &done, &oops));
	assert_int_equal(done, 200);
	assert_ok(worker_round(w, &done, &oops));
	assert_int_equal(done, 0);
	assert_int_equal(stale_calls, 2);
	worker_free(w);
}

static int does_two(struct job_context *ctx, unsigned most, unsigned *done, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	struct arena a = { 0 };
	struct span key;
	struct json v;
	const char *params[] = { "{detect}", ctx->owner, "2", "60000" };
	assert_true(most >= 2);
	TRY(store_link_query(ctx->db, "job_claim", params, 4, &out, f));
	struct json_iter it = json_iter(json_of(buf_span(&out)));
	while (json_next(&it, &key, &v)) {
		struct job job;
		assert_ok(job_read(v, &a, &job, &oops));
		see(&job);
		assert_ok(end_job(ctx, &job, &oops));
		++*done;
	}
	arena_fini(&a);
	return 0;
}

static void batches_are_counted(void **state)
{
	(void)state;
	static const struct work batches[] = { { "detect", .batch = does_two } };
	unsigned done = 0;
	struct worker_config wc = {
		.name = "test",
		.url = fixture_url(),
		.owner = "batcher",
		.config = &config,
		.works = batches,
		.works_n = 1,
		.stop = &stop_flag,
	};
	struct worker *w = NULL;
	assert_ok(worker_new(&w, &wc, &oops));
	put("a");
	put("b");
	put("c");
	assert_ok(worker_round(w, &done, &oops));
	assert_int_equal(done, 2);
	assert_ok(worker_round(w, &done, &oops));
	assert_int_equal(done, 1);
	assert_ok(worker_round(w, &done, &oops));
	assert_int_equal(done, 0);
	worker_free(w);
}

static void what_is_no_job_is_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"kind\":\"a\",\"key\":\"b\",\"org_id\":\"no id\",\"payload\":{},\"wanted\":1,"
		"\"attempts\":1}",
		"{\"kind\":\"a\",\"key\":7,\"org_id\":\"" DEFAULT_ORG
		"\",\"payload\":{},\"wanted\":1,\"attempts\":1}",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct arena a = { 0 };
		struct job job;
		assert_int_equal(job_read(json_of(span_of(bad[i])), &a, &job, &oops), E_INVALID);
		arena_fini(&a);
	}
}

/* --- stopping, and PostgreSQL away --- */

static void told_to_stop_it_gives_back_untouched(void **state)
{
	(void)state;
	put("a");
	assert_int_equal(run_once(is_stopped), 1);
	assert_string_equal(job_is("state || attempts || coalesce(error, '-')"), "queued0-");
}

static void *run_worker(void *w)
{
	worker_run(w);
	return NULL;
}

/* It hears of a job, waits for PostgreSQL while it is away, goes on when it is back, and ends. */
static void it_runs_until_it_is_told_to_stop(void **state)
{
	(void)state;
	pthread_t thread;
	handler = does_it;
	put("before");
	pthread_create(&thread, NULL, run_worker, worker);
	assert_true(sql_becomes_true("select count(*) = 0 from jobs"));
	put("while idle");
	sql("select callmend_job('detect', 'soon', '" DEFAULT_ORG "', null, 50)");
	assert_true(sql_becomes_true("select count(*) = 0 from jobs"));
	cluster_stop(fixture.cluster);
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	put("after");
	assert_true(sql_becomes_true("select count(*) = 0 from jobs"));
	atomic_store(&stop_flag, true);
	pthread_join(thread, NULL);
	assert_int_equal(seen_n, 4);
}

static void away_is_told(void **state)
{
	(void)state;
	unsigned done = 0;
	put("a");
	cluster_stop(fixture.cluster);
	int rc = worker_round(worker, &done, &oops);
	assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
	assert_int_equal(rc, E_UNAVAILABLE);
	assert_int_equal(run_once(does_it), 1);
}

/* --- what jobs tell and ask for --- */

static void only_jobs_due_at_once_wake_those_who_wait(void **state)
{
	(void)state;
	struct store_link *link = NULL;
	assert_ok(store_link_new(&link, fixture_url(), &oops));
	assert_ok(store_link_listen(link, "callmend_job", &oops));
	assert_ok(store_link_wait(link, 0, &oops)); /* new connection */
	sql("select callmend_job('detect', 'later', '" DEFAULT_ORG "', null, 1000)");
	assert_int_equal(store_link_wait(link, 50, &oops), E_TIMEOUT);
	put("now");
	assert_ok(store_link_wait(link, 10000, &oops));
	store_link_free(link);
}

static void schedule(void)
{
	struct buf out AUTO_BUF = { 0 };
	assert_ok(store_query_once(fixture_url(), "job_schedule", NULL, 0, &out, &oops));
}

static void projects_are_checked_hourly(void **state)
{
	(void)state;
	const char *id = sql("insert into projects (org_id, name) values ('" DEFAULT_ORG
			     "', 'hourly') returning id");
	sql("insert into projects (org_id, name, archived_at) values ('" DEFAULT_ORG
	    "', 'put away', now())");
	schedule();
	schedule();
	assert_string_equal(job_is("kind || key || wanted"), sql("select 'detect%s1'", id));
	sql("delete from jobs");
	sql("insert into detections (project_id, org_id, checked_at, calls, doc) values ('%s', "
	    "'" DEFAULT_ORG "', now() - interval '59 minutes', 0, '{}')",
	    id);
	schedule();
	assert_string_equal(job_is("count(*)"), "0");
	sql("update detections set checked_at = now() - interval '61 minutes'");
	schedule();
	assert_string_equal(job_is("count(*)"), "1");
	sql("update jobs set state = 'dead'");
	schedule();
	assert_string_equal(job_is("state"), "dead");
	sql("update jobs set updated_at = now() - interval '61 minutes'");
	schedule();
	assert_string_equal(job_is("state || attempts"), "queued0");
	sql("delete from detections");
	sql("delete from projects");
}

int main(void)
{
#define rigged(fn) cmocka_unit_test_setup_teardown(fn, rig_begin, rig_end)
	const struct CMUnitTest tests[] = {
		rigged(done_once),
		rigged(nothing_to_do_is_not_due_now),
		rigged(not_before_its_time),
		rigged(a_failure_is_given_back_and_dead_in_the_end),
		rigged(a_failed_job_waits_however_often_it_is_asked_for),
		rigged(what_waits_keeps_what_it_was_asked_for_with),
		rigged(what_can_never_succeed_is_dead_at_once),
		rigged(any_reason_can_be_stored),
		rigged(never_two_deliveries_to_one_endpoint),
		rigged(a_delivery_is_dead_with_its_job),
		rigged(people_are_told_of_the_dead_once_an_hour),
		rigged(asked_for_again_while_it_runs_it_runs_again),
		rigged(a_lost_lease_is_dropped_silently),
		rigged(a_refused_result_is_a_failure),
		rigged(a_dead_holder_is_followed),
		rigged(a_long_job_prolongs_its_lease),
		rigged(what_kills_its_holder_takes_nobody_with_it),
		rigged(two_never_take_the_same),
		rigged(what_is_stale_is_looked_for_when_idle),
		rigged(batches_are_counted),
		rigged(what_is_no_job_is_refused),
		rigged(told_to_stop_it_gives_back_untouched),
		rigged(it_runs_until_it_is_told_to_stop),
		rigged(away_is_told),
		rigged(only_jobs_due_at_once_wake_those_who_wait),
		rigged(projects_are_checked_hourly),
	};
	if (config_load(&config, NULL, NULL, &oops))
		return 1;
	int rc = cmocka_run_group_tests(tests, fixture_start_migrated, fixture_stop);
	config_fini(&config);
	return rc;
}
