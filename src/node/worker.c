/* Happy path: claim, do, the handler's own statement stores the result and ends the job; when there
 * is nothing, sleep until a notice or until the next job is due.
 *
 * Failure modes.
 *  - A job fails: given back with the reason, later and later, dead after WORKER_ATTEMPTS; one that
 * can never succeed is dead at once.
 *  - Its lease was lost (we were too slow, or stopped for long): nothing was stored, it is
 * another's now and is dropped.
 *  - PostgreSQL away: nothing can be given back; we wait with back-off and the leases run out.
 *  - We are killed: the same, for others.
 *  - We have to stop: the job in hand is finished, or given back untouched when its handler gave
 * up. */
#include "node/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"

enum {
	LOOK_MS = 200, /* for *stop */
	IDLE_MOST_MS = 2000,
	AWAY_LEAST_MS = 200,
	AWAY_MOST_MS = 2000,
	SCHEDULE_MS = 60 * 1000,
	STALE_MS = 60 * 1000,
	REPORT_MS = 60 * 1000,
	STALE_MOST = 500,
};

struct tally {
	unsigned done, failed, dead, lost;
};

struct worker {
	struct worker_config config;
	struct store_link *link;
	struct job_context ctx;
	struct buf kinds; /* of all works, as an array of PostgreSQL */
	int64_t schedule_at_us, stale_at_us, report_at_us;
	struct tally tally;
	int64_t quiet_until_us; /* 0: it has been there */
	bool away_told, tidied;
};

static bool stopping(const struct worker *w)
{
	return atomic_load_explicit(w->config.stop, memory_order_relaxed);
}

static bool is_stopping(void *user)
{
	return stopping(user);
}

/* --- the end of one job --- */

static int64_t lease_of(const struct worker *w, const struct work *work)
{
	return w->config.config->analyst_lease_ms * (work->leases ? work->leases : 1);
}

static int give_back(struct worker *w, const struct job *job, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { job->kind.p, job->key.p, w->config.owner };
	return store_link_query(w->link, "job_return", params, 3, &out, f);
}

static int give_up(struct worker *w, const struct job *job, const struct fault *why, bool for_good,
		   struct fault *f)
{
	char most[24];
	struct buf out AUTO_BUF = { 0 }, text AUTO_BUF = { 0 };

	buf_add_utf8(&text, span_of(why->text)); /* it may quote others, and be cut */
	const char *params[] = { job->kind.p, job->key.p, w->config.owner, buf_z(&text), most };
	snprintf(most, sizeof(most), "%d", for_good ? 1 : WORKER_ATTEMPTS);
	int rc = store_link_query(w->link, "job_fail", params, 5, &out, f);
	if (rc == E_NOT_FOUND) {
		w->tally.lost++;
		return 0;
	}
	TRY(rc);
	bool dead = json_is_text(json_of(buf_span(&out)), "dead");
	w->tally.failed++;
	w->tally.dead += dead;
	log_warn(w->config.name, "%s %s: %s%s", job->kind.p, job->key.p, why->text,
		 dead ? "; given up" : "");
	return 0;
}

static int settle(struct worker *w, const struct job *job, int rc, const struct fault *why,
		  struct fault *f)
{
	if (rc == 0) {
		w->tally.done++;
		return 0;
	}
	if (rc == E_LOST) {
		w->tally.lost++;
		log_info(w->config.name, "%s %s: %s", job->kind.p, job->key.p, why->text);
		return 0;
	}
	if (stopping(w) && rc == E_UNAVAILABLE)
		return give_back(w, job, f);
	return give_up(w, job, why, rc == E_INVALID, f);
}

/* --- one kind --- */

static int claim_one(struct worker *w, const struct work *work, struct buf *out, struct fault *f)
{
	char kinds[64], lease_ms[24];
	const char *params[] = { kinds, w->config.owner, "1", lease_ms };

	snprintf(kinds, sizeof(kinds), "{%s}", work->kind);
	snprintf(lease_ms, sizeof(lease_ms), "%lld", (long long)lease_of(w, work));
	return store_link_query(w->link, "job_claim", params, 4, out, f);
}

static int do_job(struct worker *w, const struct work *work, struct json claimed, struct arena *a,
		  struct fault *f)
{
	struct job job;
	struct fault why = { 0 };

	TRY(job_read(claimed, a, &job, f));
	int rc = work->handler(&w->ctx, &job, &why);
	return settle(w, &job, rc, &why, f);
}

static int do_one(struct worker *w, const struct work *work, unsigned *done, struct fault *f)
{
	struct buf jobs AUTO_BUF = { 0 };
	struct arena a = { 0 };
	struct span key;
	struct json claimed;

	TRY(claim_one(w, work, &jobs, f));
	struct json_iter it = json_iter(json_of(buf_span(&jobs)));
	if (!json_next(&it, &key, &claimed))
		return 0;
	++*done;
	int rc = do_job(w, work, claimed, &a, f);
	arena_fini(&a);
	return rc;
}

static int do_batch(struct worker *w, const struct work *work, unsigned *done, struct fault *f)
{
	unsigned n = 0;
	int rc = work->batch(&w->ctx, WORKER_BATCH, &n, f);

	*done += n;
	w->tally.done += n;
	return rc;
}

static int schedule(struct worker *w, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	int64_t now_us = clock_monotonic_us();

	if (!w->config.schedules || now_us < w->schedule_at_us)
		return 0;
	TRY(store_link_query(w->link, "job_schedule", NULL, 0, &out, f));
	w->schedule_at_us = now_us + SCHEDULE_MS * MS_US;
	return 0;
}

/* As much at a time as is soon done, and on as long as there is more. */
static int ask_for_stale(struct worker *w, unsigned *asked, struct fault *f)
{
	int64_t now_us = clock_monotonic_us();

	if (!w->config.stale || now_us < w->stale_at_us)
		return 0;
	TRY(w->config.stale(&w->ctx, STALE_MOST, asked, f));
	if (*asked < STALE_MOST)
		w->stale_at_us = now_us + STALE_MS * MS_US;
	return 0;
}

static int tidy(struct worker *w, struct fault *f)
{
	if (w->tidied || !w->config.tidy)
		return 0;
	TRY(w->config.tidy(&w->ctx, f));
	w->tidied = true;
	return 0;
}

int worker_round(struct worker *w, unsigned *done, struct fault *f)
{
	*done = 0;
	TRY(schedule(w, f));
	for (size_t i = 0; i < w->config.works_n && !stopping(w); i++) {
		const struct work *work = &w->config.works[i];

		w->ctx.lease_ms = lease_of(w, work);
		TRY((work->batch ? do_batch : do_one)(w, work, done, f));
	}
	if (*done || stopping(w))
		return 0;
	TRY(tidy(w, f));
	return ask_for_stale(w, done, f);
}

/* --- between rounds --- */

static void report(struct worker *w)
{
	const struct tally *t = &w->tally;
	int64_t now_us = clock_monotonic_us();

	if (now_us < w->report_at_us)
		return;
	if (t->done || t->failed || t->lost)
		log_info(w->config.name, "%u jobs done, %u failed (%u given up), %u lost to others",
			 t->done, t->failed, t->dead, t->lost);
	w->tally = (struct tally){ 0 };
	w->report_at_us = now_us + REPORT_MS * MS_US;
}

static int next_due_ms(struct worker *w, int64_t *out, struct fault *f)
{
	struct buf json AUTO_BUF = { 0 };
	const char *params[] = { buf_z(&w->kinds) };
	int rc = store_link_query(w->link, "job_next", params, 1, &json, f);

	*out = IDLE_MOST_MS;
	if (rc == E_NOT_FOUND)
		return 0;
	TRY(rc);
	int64_t ms = 0;
	if (json_i64(json_of(buf_span(&json)), &ms) && ms < IDLE_MOST_MS)
		*out = ms;
	return 0;
}

/* Jobs that are put with a delay give no notice, hence no long sleep. */
static int idle(struct worker *w, struct fault *f)
{
	int64_t due_ms = 0;

	TRY(next_due_ms(w, &due_ms, f));
	int64_t until_us = clock_monotonic_us() + due_ms * MS_US, left_us;
	while (!stopping(w) && (left_us = until_us - clock_monotonic_us()) > 0) {
		int64_t look_us = left_us < LOOK_MS * MS_US ? left_us : LOOK_MS * MS_US;
		int rc = store_link_wait(w->link, look_us / MS_US + 1, f);
		if (rc != E_TIMEOUT)
			return rc;
	}
	return 0;
}

/* At a start it may still be made, or its schema, which may take long. */
static void tell_away(struct worker *w, const struct fault *why)
{
	bool quiet = clock_monotonic_us() < w->quiet_until_us || store_link_migrating(w->link);

	if (w->away_told || quiet)
		return;
	w->away_told = true;
	log_warn(w->config.name, "waiting: %s", why->text);
}

static void wait_away(struct worker *w, struct backoff *pause, const struct fault *why)
{
	tell_away(w, why);
	int64_t until_us = clock_monotonic_us() + backoff_next_ms(pause) * MS_US;
	while (!stopping(w) && clock_monotonic_us() < until_us)
		nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000000 }, NULL);
}

static int turn(struct worker *w, struct fault *f)
{
	unsigned done = 0;

	TRY(worker_round(w, &done, f));
	if (w->away_told)
		log_info(w->config.name, "working again");
	w->away_told = false;
	w->quiet_until_us = 0;
	report(w);
	return done ? 0 : idle(w, f);
}

void worker_run(struct worker *w)
{
	struct backoff pause = { .least_ms = AWAY_LEAST_MS, .most_ms = AWAY_MOST_MS };

	while (!stopping(w)) {
		struct fault why = { 0 };

		if (turn(w, &why))
			wait_away(w, &pause, &why);
		else
			backoff_reset(&pause);
	}
}

/* --- life --- */

static void write_kinds(struct worker *w)
{
	for (size_t i = 0; i < w->config.works_n; i++)
		buf_printf(&w->kinds, "%s%s", i ? "," : "{", w->config.works[i].kind);
	buf_addc(&w->kinds, '}');
}

int worker_new(struct worker **out, const struct worker_config *config, struct fault *f)
{
	struct worker *w = calloc(1, sizeof(*w));

	CHECK(w && config->works_n);
	w->config = *config;
	int rc = store_link_new(&w->link, config->url, f);
	if (rc) {
		free(w);
		return rc;
	}
	/* When PostgreSQL is away it is listened to from the first connection on. */
	(void)!store_link_listen(w->link, "callmend_job", f);
	w->quiet_until_us = clock_monotonic_us() + STORE_MADE_MS * MS_US;
	w->ctx = (struct job_context){
		.db = w->link,
		.owner = w->config.owner,
		.config = config->config,
		.lease_ms = config->config->analyst_lease_ms,
		.stopping = is_stopping,
		.user = w,
	};
	write_kinds(w);
	w->report_at_us = clock_monotonic_us() + REPORT_MS * MS_US;
	*out = w;
	return 0;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	store_link_free(w->link);
	buf_free(&w->kinds);
	free(w);
}
