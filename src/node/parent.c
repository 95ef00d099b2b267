/* Happy path: bind, start PostgreSQL, migrate, start the core, wait for a signal; then the core
 * drains, then PostgreSQL stops.
 *
 * Failure modes: the core dies - started again after a growing pause, while the socket stays bound
 * and connections queue; the private PostgreSQL dies - started again (the core does not mind
 * meanwhile); we die - the kernel closes the core's lifeline and it stops; a leftover PostgreSQL is
 * adopted or stopped at the next start. */
#include "node/parent.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "callmend/store.h"
#include "net/http.h"
#include "node/database.h"
#include "node/pidfile.h"
#include "rt/child.h"

enum {
	PAUSE_MIN_MS = 100,
	PAUSE_MAX_MS = 2000,
	STEADY_MS = 10000,
	LOOK_MS = 500,
	MIGRATE_PAUSE_MS = 1000,
	BIND_WAIT_MS = 10000,
	BIND_PAUSE_MS = 100,
};

struct parent {
	const struct config *config;
	const char *config_file;
	uv_loop_t loop;
	uv_signal_t term, intr;
	uv_timer_t restart, look, migrate;
	int listen_fd;
	unsigned port;
	struct cluster *cluster;
	struct buf database;
	struct child *core;
	int64_t core_since_ms;
	uint64_t pause_ms;
	bool stopping;
	int status;
};

static int64_t now_ms(void)
{
	return clock_monotonic_us() / 1000;
}

/* --- the core --- */

static int core_start(struct parent *p, struct fault *f);

static void on_restart(uv_timer_t *t)
{
	struct parent *p = t->data;
	struct fault f;

	if (core_start(p, &f)) {
		log_error("parent", "cannot start the core: %s", f.text);
		uv_timer_start(&p->restart, on_restart, PAUSE_MAX_MS, 0);
	}
}

static void on_core_exit(void *user, struct child *child, int status, int signal_number)
{
	struct parent *p = user;

	child_free(child);
	p->core = NULL;
	if (p->stopping) {
		p->status = status || signal_number ? 1 : 0;
		uv_stop(&p->loop);
		return;
	}
	if (now_ms() - p->core_since_ms > STEADY_MS)
		p->pause_ms = PAUSE_MIN_MS;
	log_warn("parent", "the core ended (status %d, signal %d), starting it again in %llu ms",
		 status, signal_number, (unsigned long long)p->pause_ms);
	uv_timer_start(&p->restart, on_restart, p->pause_ms, 0);
	p->pause_ms = p->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : p->pause_ms * 2;
}

static int core_start(struct parent *p, struct fault *f)
{
	char exe[4096], database[4200];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	const char *argv[] = { "callmend", "core", p->config_file ? "--config" : NULL,
			       p->config_file, NULL };
	const char *env[] = { "CALLMEND_INHERITED_SOCKET=1", database, NULL };
	struct child_spec spec = {
		.path = exe, .argv = argv, .env = env, .pass_fds = &p->listen_fd, .pass_fds_n = 1
	};

	if (n <= 0)
		return fault(f, E_IO, "cannot find our own program");
	exe[n] = 0;
	snprintf(database, sizeof(database), "CALLMEND_DATABASE_URL=%s", buf_z(&p->database));
	TRY(child_start(&p->core, &p->loop, &spec, on_core_exit, p, f));
	p->core_since_ms = now_ms();
	return 0;
}

/* --- PostgreSQL --- */

static int cluster_begin(struct parent *p, struct fault *f)
{
	TRY(cluster_start(&p->cluster, p->config->state_dir, f));
	pidfile_write(p->config->state_dir, "postgres", cluster_pid(p->cluster));
	return 0;
}

static void on_look(uv_timer_t *t)
{
	struct parent *p = t->data;
	struct fault f;

	if (p->stopping || !database_is_private(p->config) ||
	    (p->cluster && cluster_alive(p->cluster)))
		return;
	log_warn("parent", "the private PostgreSQL has ended, starting it again");
	cluster_stop(p->cluster);
	p->cluster = NULL;
	if (cluster_begin(p, &f))
		log_error("parent", "PostgreSQL: %s", f.text);
}

static void on_migrate(uv_timer_t *t)
{
	struct parent *p = t->data;
	unsigned applied = 0;
	struct fault f;
	int rc = store_migrate(buf_z(&p->database), &applied, &f);

	if (rc == E_UNAVAILABLE)
		return;
	uv_timer_stop(t);
	if (rc)
		log_error("parent", "database schema: %s", f.text);
}

static int prepare_database(struct parent *p, struct fault *f)
{
	unsigned applied = 0;

	if (database_is_private(p->config)) {
		TRY(cluster_begin(p, f));
		buf_addz(&p->database, cluster_url(p->cluster));
	} else {
		TRY(database_url(p->config, &p->database, f));
	}
	int rc = store_migrate(buf_z(&p->database), &applied, f);
	if (rc == E_UNAVAILABLE) {
		/* The core starts from its local files; the schema follows when the database is
		 * back. */
		log_warn("parent", "PostgreSQL is away: %s", f->text);
		uv_timer_start(&p->migrate, on_migrate, MIGRATE_PAUSE_MS, MIGRATE_PAUSE_MS);
		return 0;
	}
	if (!rc && applied)
		log_info("parent", "database schema: %u migration%s applied", applied,
			 applied == 1 ? "" : "s");
	return rc;
}

/* --- life --- */

static void stop_core(struct parent *p, int signal_number)
{
	p->stopping = true;
	uv_timer_stop(&p->restart);
	if (p->core)
		child_kill(p->core, signal_number);
	else
		uv_stop(&p->loop);
}

static void on_signal(uv_signal_t *s, int number)
{
	stop_core(s->data, number);
}

/* A core whose parent was killed keeps the port until it has noticed: that is worth a moment. */
static int bind_port(struct parent *p, struct fault *f)
{
	int64_t until = now_ms() + BIND_WAIT_MS;
	bool waiting = false;
	int rc;

	while ((rc = net_listen(p->config->listen_host, &p->port, &p->listen_fd, f)) == E_IO &&
	       now_ms() < until) {
		if (!waiting)
			log_info("parent", "%s; trying for %d s", f->text, BIND_WAIT_MS / 1000);
		waiting = true;
		usleep(BIND_PAUSE_MS * 1000);
	}
	return rc;
}

static int begin(struct parent *p, struct fault *f)
{
	const struct config *c = p->config;

	p->port = (unsigned)c->listen_port;
	TRY(file_make_dir(c->state_dir, 0711, f));
	TRY(bind_port(p, f));
	log_info("parent", "listening on %s:%u", c->listen_host, p->port);
	TRY(prepare_database(p, f));
	TRY(core_start(p, f));
	pidfile_write(c->state_dir, "parent", getpid());
	uv_timer_start(&p->look, on_look, LOOK_MS, LOOK_MS);
	return 0;
}

static void close_handle(uv_handle_t *h, void *unused)
{
	(void)unused;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void end(struct parent *p)
{
	cluster_stop(p->cluster);
	pidfile_remove(p->config->state_dir, "postgres");
	pidfile_remove(p->config->state_dir, "parent");
	if (p->listen_fd >= 0)
		close(p->listen_fd);
	uv_walk(&p->loop, close_handle, NULL);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	uv_loop_close(&p->loop);
	buf_free(&p->database);
}

int parent_main(const struct config *config, const char *config_file)
{
	struct parent p = { .config = config,
			    .config_file = config_file,
			    .listen_fd = -1,
			    .pause_ms = PAUSE_MIN_MS };
	struct fault f = { 0 };

	log_thread("parent");
	uv_loop_init(&p.loop);
	uv_signal_init(&p.loop, &p.term);
	uv_signal_init(&p.loop, &p.intr);
	uv_timer_init(&p.loop, &p.restart);
	uv_timer_init(&p.loop, &p.look);
	uv_timer_init(&p.loop, &p.migrate);
	p.term.data = p.intr.data = p.restart.data = p.look.data = p.migrate.data = &p;
	uv_signal_start(&p.term, on_signal, SIGTERM);
	uv_signal_start(&p.intr, on_signal, SIGINT);
	if (begin(&p, &f)) {
		log_error("parent", "cannot start: %s", f.text);
		p.status = 1;
	} else {
		uv_run(&p.loop, UV_RUN_DEFAULT);
	}
	end(&p);
	return p.status;
}
