/* Shards: threads that share nothing but their mailboxes.
 *
 * Happy path. shards_start() makes every loop and mailbox first, so that any shard may be written
 * to from the start, then starts the threads one after another. A mailbox is a stack that senders
 * push onto with one compare-and-swap; who finds it empty wakes the loop. The loop takes the whole
 * stack at once, turns it over, and runs a bounded piece of it per turn.
 *
 *     sender ─ push ─► incoming (newest first) ─ take all, turn over ─► ready (oldest first) ─
 * MAILS_PER_TURN ─► run
 *
 * Stopping. Every mail is run exactly once, also when it waits at the time of the stop or is sent
 * by a stop hook:
 *  1. a shard that sees `stopping` runs what waits, calls its stop hook and drains its loop: it is
 * quiet;
 *  2. quiet shards go on running mail until all shards are quiet, because the others may still
 * write to them;
 *  3. when the threads have ended, shards_stop() runs what a foreign thread may have sent in the
 * last moment.
 *
 * Failure modes. A mailbox at its limit refuses shard_post() (E_FULL, counted). A failing start
 * hook stops the shards already started and is what shards_start() returns. A stop hook that leaves
 * a handle open keeps its shard, and shards_stop(), waiting. */
#include "rt/shard.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

enum {
	MAILS_PER_TURN = 256, /* then sockets get their turn */
	LAG_PERIOD_MS = 100,
};

struct mailbox {
	_Atomic(struct mail *) incoming; /* newest first */
	struct mail *ready;		 /* the shard's own: oldest first */
	atomic_uint waiting;		 /* in both */
};

struct shard {
	struct shards *group;
	unsigned index;
	struct mailbox box;
	uv_loop_t loop;
	uv_async_t wake;
	uv_timer_t lag;
	int64_t lag_due_us;
	pthread_t thread;
	bool running; /* the thread is to be joined */
};

struct shards {
	struct shard_hooks hooks;
	unsigned n, mailbox_limit;
	atomic_bool stopping;
	atomic_uint quiet; /* shards that have run their stop hook and drained */
	unsigned to_quiet; /* shards that were started, set before `stopping` */
	pthread_mutex_t lock;
	pthread_cond_t started;
	bool start_done; /* of the one that is starting */
	int start_rc;
	struct fault start_fault;
	struct shard shards[];
};

static _Thread_local struct shard *here;

/* --- mailbox --- */

static void mailbox_push(struct shard *to, struct mail *m)
{
	struct mail *head = atomic_load_explicit(&to->box.incoming, memory_order_relaxed);
	do
		m->next = head;
	while (!atomic_compare_exchange_weak_explicit(&to->box.incoming, &head, m,
						      memory_order_release, memory_order_relaxed));
	if (!head)
		uv_async_send(&to->wake);
}

/* Only the shard takes, so a mail can't come back between the load and the exchange of a sender. */
static void mailbox_take(struct mailbox *box)
{
	struct mail *m = atomic_exchange_explicit(&box->incoming, NULL, memory_order_acquire);
	while (m) {
		struct mail *next = m->next;
		m->next = box->ready;
		box->ready = m;
		m = next;
	}
}

static bool mailbox_run_one(struct shard *s)
{
	if (!s->box.ready)
		mailbox_take(&s->box);
	struct mail *m = s->box.ready;
	if (!m)
		return false;
	s->box.ready = m->next;
	atomic_fetch_sub_explicit(&s->box.waiting, 1, memory_order_relaxed);
	m->run(m, s);
	return true;
}

/* What waits now and what that leads to; a mail that sends itself again and again would keep the
 * shard here, so the number is bounded by what can be waiting at all. */
static void mailbox_run_waiting(struct shard *s)
{
	unsigned n = shard_waiting(s);
	while (n-- > 0 && mailbox_run_one(s))
		;
}

static void on_wake(uv_async_t *handle)
{
	struct shard *s = handle->data;
	for (int i = 0; i < MAILS_PER_TURN; i++) {
		if (!mailbox_run_one(s))
			break;
	}
	/* Who found `incoming` empty has woken us, perhaps for this very turn, which may have had
	 * enough to do with what was ready before. */
	if (s->box.ready || atomic_load_explicit(&s->box.incoming, memory_order_relaxed))
		uv_async_send(&s->wake);
	if (atomic_load(&s->group->stopping))
		uv_stop(&s->loop);
}

int shard_post(struct shard *to, struct mail *m)
{
	unsigned before = atomic_fetch_add_explicit(&to->box.waiting, 1, memory_order_relaxed);
	if (before >= to->group->mailbox_limit) {
		atomic_fetch_sub_explicit(&to->box.waiting, 1, memory_order_relaxed);
		metric_add(METRIC_MAILBOX_FULL, 1);
		return E_FULL;
	}
	mailbox_push(to, m);
	return 0;
}

void shard_post_sure(struct shard *to, struct mail *m)
{
	atomic_fetch_add_explicit(&to->box.waiting, 1, memory_order_relaxed);
	mailbox_push(to, m);
}

unsigned shard_waiting(const struct shard *s)
{
	return atomic_load_explicit(&s->box.waiting, memory_order_relaxed);
}

/* --- the thread --- */

static void on_lag(uv_timer_t *timer)
{
	struct shard *s = timer->data;
	int64_t now = clock_monotonic_us();
	int64_t late = now - s->lag_due_us;
	metric_observe_us(METRIC_LOOP_LAG_SECONDS, late > 0 ? late : 0);
	s->lag_due_us = now + LAG_PERIOD_MS * MS_US;
}

static void lag_watch(struct shard *s)
{
	uv_update_time(&s->loop);
	s->lag_due_us = clock_monotonic_us() + LAG_PERIOD_MS * MS_US;
	CHECK(uv_timer_start(&s->lag, on_lag, LAG_PERIOD_MS, LAG_PERIOD_MS) == 0);
	uv_unref((uv_handle_t *)&s->lag);
}

static void report_start(struct shards *g, int rc, const struct fault *f)
{
	pthread_mutex_lock(&g->lock);
	g->start_rc = rc;
	g->start_fault = *f;
	g->start_done = true;
	pthread_cond_signal(&g->started);
	pthread_mutex_unlock(&g->lock);
}

static void wake_all(struct shards *g)
{
	for (unsigned i = 0; i < g->n; i++)
		uv_async_send(&g->shards[i].wake);
}

static bool all_quiet(struct shards *g)
{
	return atomic_load(&g->quiet) == g->to_quiet;
}

static void serve(struct shard *s)
{
	while (!atomic_load(&s->group->stopping))
		uv_run(&s->loop, UV_RUN_DEFAULT);
}

/* The loop without the wake handle ends when the last handle of the hooks is closed. */
static void drain(struct shard *s)
{
	uv_unref((uv_handle_t *)&s->wake);
	while (uv_run(&s->loop, UV_RUN_DEFAULT) != 0 || shard_waiting(s) > 0)
		mailbox_run_waiting(s);
	uv_ref((uv_handle_t *)&s->wake);
}

static void wind_up(struct shard *s)
{
	struct shards *g = s->group;
	mailbox_run_waiting(s);
	if (g->hooks.stop)
		g->hooks.stop(s, g->hooks.user);
	drain(s);
	atomic_fetch_add(&g->quiet, 1);
	if (all_quiet(g))
		wake_all(g);
	while (!all_quiet(g))
		uv_run(&s->loop, UV_RUN_ONCE);
	drain(s);
}

static void *shard_main(void *arg)
{
	struct shard *s = arg;
	struct shards *g = s->group;
	struct fault f = { 0 };
	char name[32];

	here = s;
	snprintf(name, sizeof(name), "shard %u", s->index);
	log_thread(name);
	lag_watch(s);
	int rc = g->hooks.start ? g->hooks.start(s, g->hooks.user, &f) : 0;
	report_start(g, rc, &f);
	if (rc) {
		drain(s); /* what the failed hook has closed again */
	} else {
		serve(s);
		wind_up(s);
	}
	here = NULL;
	return NULL;
}

/* --- the group --- */

static int shard_init(struct shard *s, struct shards *g, unsigned index, struct fault *f)
{
	s->group = g;
	s->index = index;
	int rc = uv_loop_init(&s->loop);
	if (rc)
		return fault(f, E_IO, "event loop of shard %u: %s", index, uv_strerror(rc));
	rc = uv_async_init(&s->loop, &s->wake, on_wake);
	if (rc) {
		uv_loop_close(&s->loop);
		return fault(f, E_IO, "wake-up of shard %u: %s", index, uv_strerror(rc));
	}
	s->wake.data = s;
	uv_timer_init(&s->loop, &s->lag);
	s->lag.data = s;
	return 0;
}

/* On the stopping thread, alone with the shard. */
static void shard_fini(struct shard *s)
{
	here = s;
	while (mailbox_run_one(s))
		;
	uv_close((uv_handle_t *)&s->wake, NULL);
	uv_close((uv_handle_t *)&s->lag, NULL);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	here = NULL;
	int rc = uv_loop_close(&s->loop);
	if (rc)
		log_error("shard", "loop of shard %u still has handles: %s", s->index,
			  uv_strerror(rc));
}

/* Signals belong to the main thread; what a fault in our own code raises stays with the thread. */
static int thread_start(struct shard *s, struct fault *f)
{
	sigset_t block, before;
	sigfillset(&block);
	sigdelset(&block, SIGSEGV);
	sigdelset(&block, SIGBUS);
	sigdelset(&block, SIGFPE);
	sigdelset(&block, SIGILL);
	sigdelset(&block, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &block, &before);
	int rc = pthread_create(&s->thread, NULL, shard_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return fault(f, E_UNAVAILABLE, "thread of shard %u: %s", s->index, strerror(rc));
	s->running = true;
	return 0;
}

static int shard_start(struct shard *s, struct fault *f)
{
	struct shards *g = s->group;
	g->start_done = false;
	TRY(thread_start(s, f));
	pthread_mutex_lock(&g->lock);
	while (!g->start_done)
		pthread_cond_wait(&g->started, &g->lock);
	int rc = g->start_rc;
	if (rc && f)
		*f = g->start_fault;
	pthread_mutex_unlock(&g->lock);
	if (!rc)
		g->to_quiet++;
	return rc;
}

static struct shards *shards_new(unsigned n, unsigned mailbox_limit,
				 const struct shard_hooks *hooks)
{
	struct shards *g = calloc(1, sizeof(*g) + n * sizeof(struct shard));
	CHECK(g);
	g->hooks = *hooks;
	g->mailbox_limit = mailbox_limit;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->started, NULL);
	return g;
}

int shards_start(struct shards **out, unsigned n, unsigned mailbox_limit,
		 const struct shard_hooks *hooks, struct fault *f)
{
	struct shards *g = shards_new(n, mailbox_limit, hooks);
	int rc = 0;
	for (; !rc && g->n < n; g->n += rc ? 0 : 1)
		rc = shard_init(&g->shards[g->n], g, g->n, f);
	for (unsigned i = 0; !rc && i < n; i++)
		rc = shard_start(&g->shards[i], f);
	if (rc) {
		shards_stop(g);
		return rc;
	}
	*out = g;
	return 0;
}

void shards_stop(struct shards *g)
{
	if (!g)
		return;
	atomic_store(&g->stopping, true);
	wake_all(g);
	for (unsigned i = 0; i < g->n; i++) {
		if (g->shards[i].running)
			pthread_join(g->shards[i].thread, NULL);
	}
	for (unsigned i = 0; i < g->n; i++)
		shard_fini(&g->shards[i]);
	pthread_cond_destroy(&g->started);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

unsigned shards_count(const struct shards *g)
{
	return g->n;
}

struct shard *shards_at(struct shards *g, unsigned index)
{
	CHECK(index < g->n);
	return &g->shards[index];
}

uv_loop_t *shard_loop(struct shard *s)
{
	return &s->loop;
}

unsigned shard_index(const struct shard *s)
{
	return s->index;
}

struct shards *shard_group(struct shard *s)
{
	return s->group;
}

bool shard_here(const struct shard *s)
{
	return here == s;
}
