/* Happy path: a query waits in one bounded queue, a query thread takes it, runs it on its own
 * connection and mails the answer to the shard that asked.
 *
 * Failure modes.
 *  - Queue full: store_query answers E_FULL at once.
 *  - PostgreSQL away: one thread tries to connect, with back-off; every other query is answered
 * E_UNAVAILABLE without trying, so nothing piles up.
 *  - Connection lost during a query: a query that only reads is asked once more on a fresh
 * connection; one that changes something may have been carried out, so its asker is told
 * E_UNAVAILABLE.
 *  - PostgreSQL refuses a query that is none of the asker's fault (a right, a table is missing): it
 * is answered E_UNAVAILABLE and told as trouble.
 *  - Server silent: statement_timeout there, pg_wait's deadline here.
 *  - store_free: what still waits is answered E_UNAVAILABLE. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/schema.h"
#include "store/store_internal.h"

struct store_job {
	struct mail mail; /* first: mail and job are converted into each other */
	struct store_job *next;
	struct shard *here;
	const struct sql_file *query;
	store_done_fn *done;
	void *user;
	size_t params_n;
	char *params[PG_MAX_PARAMS];
	int code;
	struct fault fault;
	struct buf json;
};

static void job_free(struct store_job *job)
{
	if (!job)
		return;
	for (size_t i = 0; i < job->params_n; i++)
		free(job->params[i]);
	buf_free(&job->json);
	free(job);
}

/* On the asking shard. */
static void on_answer(struct mail *mail, struct shard *here)
{
	(void)here;
	struct store_job *job = (struct store_job *)mail;
	struct store_answer answer = { .code = job->code };
	if (job->code == 0)
		answer.json = buf_span(&job->json);
	else
		answer.detail = span_of(job->fault.text);
	job->done(job->user, &answer);
	job_free(job);
}

static const char *result_label(int code)
{
	return code == 0 || code == E_NOT_FOUND ? "ok"
	       : code == E_UNAVAILABLE		? "unavailable"
						: "refused";
}

static void job_answer(struct store_job *job)
{
	metric_add_label(METRIC_STORE_QUERIES, result_label(job->code), 1);
	job->mail.run = on_answer;
	shard_post_sure(job->here, &job->mail);
}

/* --- running one query --- */

/* May this thread try to connect now? Known to be away: only one at a time, and not before the time
 * is up. */
static bool may_connect(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	bool ok = !s->away || (!s->trying && clock_monotonic_us() >= s->retry_at_us);
	if (ok && s->away)
		s->trying = true;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static void note_connect(struct store *s, int rc)
{
	pthread_mutex_lock(&s->lock);
	s->trying = false;
	s->away = rc != 0;
	if (s->away)
		s->retry_at_us = clock_monotonic_us() + backoff_next_ms(&s->pause) * MS_US;
	else
		backoff_reset(&s->pause);
	pthread_mutex_unlock(&s->lock);
}

/* Nearly every filter of a query may be absent ("$7 is null or ..."): only a plan made for the
 * values that are there can use the index of the one that is. */
static int open_for_queries(struct store *s, struct pg *pg, struct fault *f)
{
	PGresult *result = NULL;
	TRY(schema_open(pg, s->url, f));
	TRY(pg_exec(pg, "set plan_cache_mode = force_custom_plan", &result, f));
	PQclear(result);
	return 0;
}

static int ensure_connected(struct store *s, struct pg *pg, struct fault *f)
{
	if (pg_alive(pg))
		return 0;
	if (!may_connect(s)) {
		pg->state[0] = 0; /* of another time */
		return fault(f, E_UNAVAILABLE, "PostgreSQL is away");
	}
	int rc = open_for_queries(s, pg, f);
	note_connect(s, rc);
	return rc;
}

static int run_once(struct store *s, struct pg *pg, struct store_job *job)
{
	TRY(ensure_connected(s, pg, &job->fault));
	buf_clear(&job->json);
	return pg_ask(pg, job->query, (const char *const *)job->params, job->params_n, &job->json,
		      &job->fault);
}

static bool is_away(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	bool away = s->away;
	pthread_mutex_unlock(&s->lock);
	return away;
}

/* Worth a second try: lost at once, by a connection gone stale, and not after a long silence. */
static bool was_stale(struct store *s, const struct pg *pg, const struct store_job *job,
		      int64_t since_us)
{
	return job->code == E_UNAVAILABLE && !pg->conn && !is_away(s) &&
	       clock_monotonic_us() - since_us < PG_ANSWER_MS * MS_US / 2;
}

static void job_run(struct store *s, struct pg *pg, struct store_job *job)
{
	int64_t since_us = clock_monotonic_us();
	job->code = run_once(s, pg, job);
	if (sql_is_read(job->query) && was_stale(s, pg, job, since_us))
		job->code = run_once(s, pg, job);
	if (job->code == E_UNAVAILABLE)
		trouble_report(&s->troubles, STORE_PART_QUERIES, job->query->name, pg->state,
			       job->fault.text, clock_now_us());
	else
		trouble_clear(&s->troubles, STORE_PART_QUERIES, job->query->name);
	job_answer(job);
}

/* --- threads --- */

static struct store_job *take_job(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->first && !atomic_load(&s->stopping))
		pthread_cond_wait(&s->more, &s->lock);
	struct store_job *job = atomic_load(&s->stopping) ? NULL : s->first;
	if (job) {
		s->first = job->next;
		if (!s->first)
			s->last = &s->first;
		s->waiting--;
	}
	pthread_mutex_unlock(&s->lock);
	return job;
}

static void *query_thread(void *arg)
{
	struct store *s = arg;
	struct pg pg = { .stop = &s->stopping };
	struct store_job *job;
	log_thread("store");
	while ((job = take_job(s)))
		job_run(s, &pg, job);
	pg_close(&pg);
	return NULL;
}

static int start_threads(struct store *s, unsigned n, struct fault *f)
{
	for (; s->threads_n < n; s->threads_n++)
		if (pthread_create(&s->threads[s->threads_n], NULL, query_thread, s))
			return fault(f, E_NOMEM, "store thread");
	if (pthread_create(&s->directory, NULL, store_directory_run, s))
		return fault(f, E_NOMEM, "directory thread");
	s->directory_started = true;
	return 0;
}

DEFINE_SCOPED(store)

static unsigned within(unsigned value, unsigned dflt, unsigned most)
{
	return value == 0 ? dflt : value > most ? most : value;
}

int store_new(struct store **out, const struct store_config *config, struct fault *f)
{
	scoped(store) *s = calloc(1, sizeof(*s));
	if (!s)
		return fault(f, E_NOMEM, "store");
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	trouble_init(&s->troubles);
	s->last = &s->first;
	s->pause = STORE_PAUSES;
	s->url = strdup(config->url);
	s->state_dir = strdup(config->state_dir ? config->state_dir : "");
	s->secrets_dir = strdup(config->secrets_dir ? config->secrets_dir : "");
	CHECK(s->url && s->state_dir && s->secrets_dir);
	s->max_waiting = config->max_waiting ? config->max_waiting : STORE_WAITING;
	s->on_directory = config->on_directory;
	s->on_notification = config->on_notification;
	s->user = config->user;
	TRY(start_threads(s, within(config->connections, STORE_CONNECTIONS, STORE_CONNECTIONS_MAX),
			  f));
	*out = take(s);
	return 0;
}

static void answer_waiting(struct store *s)
{
	for (struct store_job *job = s->first, *next; job; job = next) {
		next = job->next;
		job->code = fault(&job->fault, E_UNAVAILABLE, "shutting down");
		job_answer(job);
	}
}

void store_close(struct store *s)
{
	if (!s || s->closed)
		return;
	pthread_mutex_lock(&s->lock);
	atomic_store(&s->stopping, true);
	pthread_cond_broadcast(&s->more);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < s->threads_n; i++)
		pthread_join(s->threads[i], NULL);
	if (s->directory_started)
		pthread_join(s->directory, NULL);
	answer_waiting(s);
	s->closed = true;
}

void store_free(struct store *s)
{
	if (!s)
		return;
	store_close(s);
	pthread_cond_destroy(&s->more);
	pthread_mutex_destroy(&s->lock);
	trouble_fini(&s->troubles);
	free(s->url);
	free(s->state_dir);
	free(s->secrets_dir);
	free(s);
}

bool store_connected(const struct store *s)
{
	return atomic_load_explicit(&s->connected, memory_order_relaxed);
}

size_t store_troubles(struct store *s, struct store_trouble out[STORE_PART_COUNT])
{
	return trouble_list(&s->troubles, clock_now_us(), out);
}

/* --- asking --- */

static struct store_job *job_new(struct shard *here, const struct sql_file *query,
				 const char *const *params, size_t n, store_done_fn *done,
				 void *user)
{
	struct store_job *job = calloc(1, sizeof(*job));
	if (!job)
		return NULL;
	job->here = here;
	job->query = query;
	job->done = done;
	job->user = user;
	job->params_n = n;
	for (size_t i = 0; i < n; i++) {
		job->params[i] = params[i] ? strdup(params[i]) : NULL;
		CHECK(job->params[i] || !params[i]);
	}
	return job;
}

int store_query(struct store *s, struct shard *here, const char *name, const char *const *params,
		size_t n, store_done_fn *done, void *user)
{
	const struct sql_file *query = sql_find(name);
	CHECK(query && n <= PG_MAX_PARAMS);
	struct store_job *job = job_new(here, query, params, n, done, user);
	if (!job)
		return E_NOMEM;
	pthread_mutex_lock(&s->lock);
	bool full = s->waiting >= s->max_waiting || atomic_load(&s->stopping);
	if (!full) {
		*s->last = job;
		s->last = &job->next;
		s->waiting++;
		pthread_cond_signal(&s->more);
	}
	pthread_mutex_unlock(&s->lock);
	if (!full)
		return 0;
	metric_add_label(METRIC_STORE_QUERIES, "full", 1);
	job_free(job);
	return E_FULL;
}

int store_query_once(const char *url, const char *name, const char *const *params, size_t n,
		     struct buf *out, struct fault *f)
{
	const struct sql_file *query = sql_find(name);
	CHECK(query && n <= PG_MAX_PARAMS);
	struct pg pg = { 0 };
	TRY(schema_open(&pg, url, f));
	int rc = pg_ask(&pg, query, params, n, out, f);
	pg_close(&pg);
	return rc;
}
