#include "node/analysts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "node/pidfile.h"
#include "rt/child.h"

enum { PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 2000, STEADY_MS = 10000 };

struct place {
	struct analysts *all;
	unsigned number; /* from 1 */
	struct child *child;
	uv_timer_t restart;
	int64_t since_us;
	struct backoff pause;
};

struct analysts {
	uv_loop_t *loop;
	const struct config *config;
	const char *config_file, *database_url;
	void (*gone)(void *user);
	void *user;
	bool stopping;
	unsigned n;
	struct place places[];
};

static const char *role_of(const struct place *p, char out[32])
{
	snprintf(out, 32, "analyst-%u", p->number);
	return out;
}

bool analysts_gone(const struct analysts *all)
{
	for (unsigned i = 0; all && i < all->n; i++)
		if (all->places[i].child)
			return false;
	return true;
}

static void start(struct place *p);

static void on_restart(uv_timer_t *t)
{
	start(CONTAINER_OF(t, struct place, restart));
}

/* Returns in how many milliseconds. */
static int64_t start_later(struct place *p)
{
	int64_t pause_ms = backoff_next_ms(&p->pause);

	uv_timer_start(&p->restart, on_restart, (uint64_t)pause_ms, 0);
	return pause_ms;
}

static void on_exit_of(void *user, struct child *child, int status, int signal_number)
{
	struct place *p = user;
	struct analysts *all = p->all;
	char role[32];

	child_free(child);
	p->child = NULL;
	pidfile_remove(all->config->state_dir, role_of(p, role));
	if (all->stopping) {
		if (analysts_gone(all))
			all->gone(all->user);
		return;
	}
	if (clock_monotonic_us() - p->since_us > STEADY_MS * MS_US)
		backoff_reset(&p->pause);
	int64_t pause_ms = start_later(p);
	log_warn("parent", "%s ended (status %d, signal %d), starting it again in %lld ms", role,
		 status, signal_number, (long long)pause_ms);
}

static int try_start(struct place *p, struct fault *f)
{
	const struct analysts *all = p->all;
	char exe[4096], number[64];
	size_t n = sizeof(exe);
	struct buf database AUTO_BUF = { 0 };
	const char *argv[] = { "callmend", "analyst", all->config_file ? "--config" : NULL,
			       all->config_file, NULL };

	if (uv_exepath(exe, &n))
		return fault(f, E_IO, "cannot find our own program");
	snprintf(number, sizeof(number), "CALLMEND_ANALYST_NUMBER=%u", p->number);
	buf_printf(&database, "CALLMEND_DATABASE_URL=%s", all->database_url);
	const char *env[] = { number, buf_z(&database), NULL };
	struct child_spec spec = { .path = exe, .argv = argv, .env = env };
	return child_start(&p->child, all->loop, &spec, on_exit_of, p, f);
}

static void start(struct place *p)
{
	struct fault f = { 0 };
	char role[32];

	if (try_start(p, &f)) {
		log_error("parent", "cannot start %s: %s", role_of(p, role), f.text);
		start_later(p);
		return;
	}
	p->since_us = clock_monotonic_us();
	pidfile_write(p->all->config->state_dir, role_of(p, role), child_pid(p->child));
}

struct analysts *analysts_new(uv_loop_t *loop, const struct config *config, const char *config_file,
			      const char *database_url, void (*gone)(void *user), void *user)
{
	unsigned n = (unsigned)config->analyst_processes;
	struct analysts *all = calloc(1, sizeof(*all) + n * sizeof(struct place));

	CHECK(all);
	all->loop = loop;
	all->config = config;
	all->config_file = config_file;
	all->database_url = database_url;
	all->gone = gone;
	all->user = user;
	all->n = n;
	for (unsigned i = 0; i < n; i++) {
		all->places[i].all = all;
		all->places[i].number = i + 1;
		all->places[i].pause =
			(struct backoff){ .least_ms = PAUSE_MIN_MS, .most_ms = PAUSE_MAX_MS };
		uv_timer_init(loop, &all->places[i].restart);
		start(&all->places[i]);
	}
	return all;
}

void analysts_stop(struct analysts *all, int signal_number)
{
	if (!all)
		return;
	all->stopping = true;
	for (unsigned i = 0; i < all->n; i++) {
		uv_timer_stop(&all->places[i].restart);
		if (all->places[i].child)
			child_kill(all->places[i].child, signal_number);
	}
}

void analysts_free(struct analysts *all)
{
	free(all);
}
