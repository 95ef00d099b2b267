/* Happy path: a thread for each lane, so that slow receivers and models keep nobody from
 * understanding calls; the main thread waits for signals.
 *
 * Failure modes: SIGTERM - each lane finishes the job in hand, and whoever is not done after
 * analyst.drain_limit_ms is left to his lease; a second signal - the same at once; the parent is
 * gone - as SIGTERM; PostgreSQL away - the lanes wait (node/worker.c). */
#include "node/analyst.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "analysis/analyse.h"
#include "base/crypto.h"
#include "base/log.h"
#include "healing/apply.h"
#include "healing/detect.h"
#include "healing/suggest.h"
#include "node/database.h"
#include "node/followup.h"
#include "node/hangup.h"
#include "node/orphans.h"
#include "node/pull.h"
#include "node/recordings.h"
#include "node/transcribe.h"
#include "node/worker.h"
#include "notify/deliver.h"
#include "rt/child.h"

/* --- the work --- */

/* Lane by lane, the most urgent first. */
static const struct work calls_works[] = {
	{ "analyse", .batch = analyse_batch },
	{ "detect", .handler = detect_job, .leases = 2 },
	{ "reanalyse", .handler = reanalyse_job },
};
static const struct work changes_works[] = {
	{ "apply", .handler = apply_job, .leases = 2 }, /* must not wait for a model */
};
static const struct work suggestions_works[] = {
	{ "suggest", .handler = suggest_job, .leases = 5 }, /* a model may be asked */
};
static const struct work deliveries_works[] = {
	{ "deliver", .handler = deliver_job },
};

static const struct work pulls_works[] = {
	{ "pull", .handler = pull_job, .leases = 10 }, /* the provider may have it wait */
	{ "missed", .handler = missed_job, .leases = 10 },
	{ "followup", .handler = followup_job, .leases = 10 },
};
static const struct work recordings_works[] = {
	{ "recording", .handler = recordings_job, .leases = 5 }, /* and longer, bit by bit */
};
static const struct work transcripts_works[] = {
	{ "transcribe", .handler = transcribe_job, .leases = 5 }, /* longer, request by request */
};

struct lane_kind {
	const char *name;
	const struct work *works;
	size_t n;
	bool schedules;
	stale_fn *stale;
	tidy_fn *tidy;
};
#define WORKS(table) .works = (table), .n = sizeof(table) / sizeof((table)[0])
static const struct lane_kind lane_kinds[] = {
	{ "calls", WORKS(calls_works), .schedules = true, .stale = analyse_stale },
	{ "changes", WORKS(changes_works) },
	{ "suggestions", WORKS(suggestions_works) },
	{ "deliveries", WORKS(deliveries_works) },
	{ "deliveries-2", WORKS(deliveries_works) }, /* a receiver that hangs holds up one */
	{ "pulls", WORKS(pulls_works) },
	{ "pulls-2", WORKS(pulls_works) }, /* a platform whose budget is used up holds up one */
	{ "recordings", WORKS(recordings_works), .stale = recordings_look, .tidy = orphans_delete },
	{ "transcripts", WORKS(transcripts_works) },
};
enum { LANES = sizeof(lane_kinds) / sizeof(lane_kinds[0]) };

/* --- lanes --- */

struct analyst;

struct lane {
	struct analyst *analyst;
	const struct lane_kind *kind;
	struct buf owner;
	struct worker *worker;
	pthread_t thread;
	bool started;
};

struct analyst {
	const struct config *config;
	struct buf database;
	struct lane lanes[LANES];
	atomic_bool stop;
	atomic_uint running;
	uv_loop_t loop;
	uv_signal_t term, intr, hup;
	uv_timer_t limit;
	uv_async_t ended;
};

/* Says who it is, and is nobody else's: not that of an analyst before us with the same pid either.
 */
static void write_owner(struct lane *lane)
{
	char host[65] = "";
	uint64_t once = 0;

	if (gethostname(host, sizeof(host) - 1))
		snprintf(host, sizeof(host), "unknown");
	crypto_random(&once, sizeof(once));
	buf_printf(&lane->owner, "%s:%d:%s:%016llx", host, (int)getpid(), lane->kind->name,
		   (unsigned long long)once);
}

static int lane_open(struct analyst *a, const struct lane_kind *kind, struct lane *lane,
		     struct fault *f)
{
	lane->analyst = a;
	lane->kind = kind;
	write_owner(lane);
	struct worker_config wc = {
		.name = kind->name,
		.url = buf_z(&a->database),
		.owner = buf_z(&lane->owner),
		.config = a->config,
		.works = kind->works,
		.works_n = kind->n,
		.schedules = kind->schedules,
		.stale = kind->stale,
		.tidy = kind->tidy,
		.stop = &a->stop,
	};
	return worker_new(&lane->worker, &wc, f);
}

static int lanes_open(struct analyst *a, struct fault *f)
{
	TRY(database_url(a->config, &a->database, f));
	for (size_t i = 0; i < LANES; i++)
		TRY(lane_open(a, &lane_kinds[i], &a->lanes[i], f));
	return 0;
}

static void lanes_close(struct analyst *a)
{
	for (size_t i = 0; i < LANES; i++) {
		worker_free(a->lanes[i].worker);
		buf_free(&a->lanes[i].owner);
	}
	buf_free(&a->database);
}

/* --- for good --- */

static void *lane_run(void *arg)
{
	struct lane *lane = arg;
	struct analyst *a = lane->analyst;

	log_thread(lane->kind->name);
	worker_run(lane->worker);
	if (atomic_fetch_sub(&a->running, 1) == 1)
		uv_async_send(&a->ended);
	return NULL;
}

static int lanes_start(struct analyst *a, struct fault *f)
{
	for (size_t i = 0; i < LANES; i++) {
		struct lane *lane = &a->lanes[i];

		atomic_fetch_add(&a->running, 1);
		if (pthread_create(&lane->thread, NULL, lane_run, lane)) {
			atomic_fetch_sub(&a->running, 1);
			return fault(f, E_NOMEM, "thread of lane %s", lane->kind->name);
		}
		lane->started = true;
	}
	return 0;
}

static void lanes_join(struct analyst *a)
{
	atomic_store(&a->stop, true);
	for (size_t i = 0; i < LANES; i++)
		if (a->lanes[i].started)
			pthread_join(a->lanes[i].thread, NULL);
}

/* Threads that still work cannot be joined, and nothing here has to be put in order: what they hold
 * is theirs until the lease is over. */
static void leave_at_once(const char *why)
{
	log_warn("analyst", "%s: leaving the job in hand to its lease", why);
	_exit(1);
}

static void on_limit(uv_timer_t *t)
{
	(void)t;
	leave_at_once("not done within analyst.drain_limit_ms");
}

static void stop(struct analyst *a)
{
	if (atomic_exchange(&a->stop, true))
		leave_at_once("told to stop again");
	uv_timer_start(&a->limit, on_limit, (uint64_t)a->config->analyst_drain_limit_ms, 0);
}

static void on_signal(uv_signal_t *s, int number)
{
	(void)number;
	stop(s->data);
}

static void on_hangup(uv_signal_t *s, int number)
{
	struct analyst *a = s->data;

	(void)number;
	if (!atomic_load(&a->stop))
		stop(a);
}

static void on_parent_gone(void *user)
{
	struct analyst *a = user;

	log_warn("analyst", "the parent is gone, stopping");
	if (!atomic_load(&a->stop))
		stop(a);
}

static void on_ended(uv_async_t *async)
{
	uv_stop(async->loop);
}

static void loop_open(struct analyst *a)
{
	uv_loop_init(&a->loop);
	uv_signal_init(&a->loop, &a->term);
	uv_signal_init(&a->loop, &a->intr);
	uv_timer_init(&a->loop, &a->limit);
	uv_async_init(&a->loop, &a->ended, on_ended);
	a->term.data = a->intr.data = a->hup.data = a->limit.data = a;
	uv_signal_start(&a->term, on_signal, SIGTERM);
	uv_signal_start(&a->intr, on_signal, SIGINT);
	if (getenv("CALLMEND_ANALYST_NUMBER"))
		hangup_leave_to_parent();
	else
		hangup_watch(&a->loop, &a->hup, on_hangup);
	signal(SIGPIPE, SIG_IGN);
}

static void close_handle(uv_handle_t *h, void *unused)
{
	(void)unused;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void loop_close(struct analyst *a)
{
	uv_walk(&a->loop, close_handle, NULL);
	uv_run(&a->loop, UV_RUN_DEFAULT);
	uv_loop_close(&a->loop);
}

static int begin(struct analyst *a, struct fault *f)
{
	if (getenv("CALLMEND_ANALYST_NUMBER"))
		TRY(child_watch_lifeline(&a->loop, on_parent_gone, a, f));
	TRY(lanes_open(a, f));
	TRY(lanes_start(a, f));
	return 0;
}

int analyst_main(const struct config *config)
{
	struct analyst a = { .config = config };
	struct fault f = { 0 };
	int status = 0;

	log_thread("analyst");
	loop_open(&a);
	if (begin(&a, &f)) {
		log_error("analyst", "cannot start: %s", f.text);
		status = 1;
	} else {
		log_info("analyst", "ready");
		uv_run(&a.loop, UV_RUN_DEFAULT);
		log_info("analyst", "stopping");
	}
	lanes_join(&a);
	loop_close(&a);
	lanes_close(&a);
	return status;
}

/* --- once --- */

/* What one lane does may be work for another. */
static int drain(struct analyst *a, unsigned *total, struct fault *f)
{
	for (unsigned done = 1; done;) {
		done = 0;
		for (size_t i = 0; i < LANES; i++) {
			unsigned n = 0;

			TRY(worker_round(a->lanes[i].worker, &n, f));
			done += n;
		}
		*total += done;
	}
	return 0;
}

int analyst_once(const struct config *config)
{
	struct analyst a = { .config = config };
	struct fault f = { 0 };
	unsigned total = 0;
	int rc;

	log_thread("analyst");
	signal(SIGPIPE, SIG_IGN);
	rc = lanes_open(&a, &f);
	if (!rc)
		rc = drain(&a, &total, &f);
	lanes_close(&a);
	if (rc)
		log_error("analyst", "%s", f.text);
	else
		printf("%u jobs\n", total);
	return rc ? 1 : 0;
}
