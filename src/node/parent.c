/* Happy path: lock the state folder, bind the port, start the core, which serves from its local
 * files; beside it start PostgreSQL, and when that runs, `callmend migrate --wait`. Wait for a
 * signal; then the core drains, then PostgreSQL stops. Nothing here waits outside the loop until
 * the core has ended.
 *
 * Failure modes: the core dies - started again after a growing pause, while the socket stays bound
 * and connections queue; the private PostgreSQL dies or does not start - tried again and again (the
 * core does not mind meanwhile), but a node that never had a database has nothing to serve from and
 * ends with status 1; so it ends when the database belongs to another Callmend; we die - the kernel
 * closes the core's lifeline and it stops; a leftover PostgreSQL is adopted or stopped at the next
 * start; a second `up` on the same folder - refused before it touches anything. */
#include "node/parent.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "callmend/store.h"
#include "net/client.h"
#include "net/grpc.h"
#include "net/http.h"
#include "node/analysts.h"
#include "node/database.h"
#include "node/hangup.h"
#include "node/pidfile.h"
#include "rt/child.h"

enum {
	PAUSE_MIN_MS = 100,
	PAUSE_MAX_MS = 2000,
	STEADY_MS = 10000,
	LOOK_MS = 500,
	POSTGRES_PAUSE_MIN_MS = 1000,
	POSTGRES_PAUSE_MAX_MS = 30000,
	BIND_WAIT_MS = 10000,
	BIND_PAUSE_MS = 100,
};

struct parent {
	const struct config *config;
	const char *config_file;
	uv_loop_t loop;
	uv_signal_t term, intr, hup;
	uv_timer_t bind, restart, postgres, migrate_again;
	int64_t bind_until_ms;
	bool said_waiting;
	int lock_fd;
	int listen_fds[2]; /* of HTTP, of gRPC if it is wanted */
	unsigned port, grpc_port;
	struct cluster *cluster; /* NULL: the database is somebody else's */
	pid_t postgres_pid;	 /* as in its pid file */
	bool postgres_runs;
	struct backoff postgres_pause;
	struct buf database;
	struct child *core, *migrate;
	bool migrated;
	struct analysts *analysts;
	int64_t core_since_ms;
	struct backoff pause;
	bool stopping;
	int stop_signal; /* sent to the core last */
	int status;
};

static int64_t now_ms(void)
{
	return clock_monotonic_us() / 1000;
}

/* When stopping: PostgreSQL goes last. */
static void stop_if_all_gone(void *user)
{
	struct parent *p = user;

	if (!p->core && analysts_gone(p->analysts))
		uv_stop(&p->loop);
}

/* --- stopping --- */

static void stop_core(struct parent *p, int signal_number)
{
	p->stopping = true;
	p->stop_signal = signal_number;
	uv_timer_stop(&p->restart);
	analysts_stop(p->analysts, signal_number);
	if (p->core)
		child_kill(p->core, signal_number);
	else
		stop_if_all_gone(p);
}

static void on_signal(uv_signal_t *s, int number)
{
	struct parent *p = s->data;

	log_info("parent", "%s, stopping", number == SIGTERM ? "SIGTERM" : "SIGINT");
	stop_core(p, number);
}

/* Shells and the kernel both tell of a terminal that is closed: the second time says nothing new.
 */
static void on_hangup(uv_signal_t *s, int number)
{
	struct parent *p = s->data;

	(void)number;
	if (p->stopping)
		return;
	log_info("parent", "SIGHUP, stopping");
	stop_core(p, SIGTERM);
}

static void give_up(struct parent *p)
{
	p->status = 1;
	stop_core(p, SIGINT);
}

/* The same program in another role. */
static int start_role(struct parent *p, struct child **out, const char *const *words,
		      const struct child_spec *more,
		      void (*on_exit)(void *user, struct child *, int exit_status, int signal),
		      struct fault *f)
{
	char exe[PATH_MAX];
	const char *argv[6] = { "callmend" };
	struct buf database AUTO_BUF = { 0 };
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	size_t argc = 1;

	if (n <= 0)
		return fault(f, E_IO, "cannot find our own program");
	exe[n] = 0;
	while (*words)
		argv[argc++] = *words++;
	if (p->config_file) {
		argv[argc++] = "--config";
		argv[argc++] = p->config_file;
	}
	buf_printf(&database, "CALLMEND_DATABASE_URL=%s", buf_z(&p->database));
	const char *env[] = { buf_z(&database), "CALLMEND_INHERITED_SOCKET=1", NULL };
	struct child_spec spec = *more;
	spec.path = exe;
	spec.argv = argv;
	spec.env = env;
	return child_start(out, &p->loop, &spec, on_exit, p, f);
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
		/* A core that was still starting has no handler yet: the signal itself ends it. */
		if (status || (signal_number && signal_number != p->stop_signal))
			p->status = 1;
		stop_if_all_gone(p);
		return;
	}
	if (now_ms() - p->core_since_ms > STEADY_MS)
		backoff_reset(&p->pause);
	int64_t pause_ms = backoff_next_ms(&p->pause);
	log_warn("parent", "the core ended (status %d, signal %d), starting it again in %lld ms",
		 status, signal_number, (long long)pause_ms);
	uv_timer_start(&p->restart, on_restart, (uint64_t)pause_ms, 0);
}

static int core_start(struct parent *p, struct fault *f)
{
	static const char *const words[] = { "core", NULL };
	struct child_spec spec = { .pass_fds = p->listen_fds,
				   .pass_fds_n = p->listen_fds[1] < 0 ? 1 : 2 };

	TRY(start_role(p, &p->core, words, &spec, on_core_exit, f));
	p->core_since_ms = now_ms();
	return 0;
}

/* --- the schema --- */

static void start_migrate(struct parent *p);

static void on_migrate_again(uv_timer_t *t)
{
	start_migrate(t->data);
}

/* Status 1: refused, whatever was tried; it has said why. Anything else is an accident. */
static void on_migrate_exit(void *user, struct child *child, int status, int signal_number)
{
	struct parent *p = user;

	child_free(child);
	p->migrate = NULL;
	p->migrated = status == 0 && signal_number == 0;
	if (p->migrated || p->stopping)
		return;
	if (status == 1) {
		log_error("parent", "without its schema the database is of no use: stopping");
		give_up(p);
		return;
	}
	log_warn("parent", "`migrate` ended early (status %d, signal %d), starting it again",
		 status, signal_number);
	uv_timer_start(&p->migrate_again, on_migrate_again, PAUSE_MAX_MS, 0);
}

static void start_migrate(struct parent *p)
{
	static const char *const words[] = { "migrate", "--wait", NULL };
	struct child_spec spec = { 0 };
	struct fault f = { 0 };

	if (p->migrate || p->migrated)
		return;
	if (start_role(p, &p->migrate, words, &spec, on_migrate_exit, &f)) {
		log_error("parent", "cannot start `migrate`: %s", f.text);
		uv_timer_start(&p->migrate_again, on_migrate_again, PAUSE_MAX_MS, 0);
	}
}

/* --- PostgreSQL --- */

static void note_pid(struct parent *p)
{
	pid_t pid = cluster_pid(p->cluster);

	if (pid > 0 && pid != p->postgres_pid) {
		p->postgres_pid = pid;
		pidfile_write(p->config->state_dir, "postgres", pid);
	}
}

static void note_running(struct parent *p, bool runs)
{
	if (p->postgres_runs && !runs)
		log_warn("parent", "the private PostgreSQL has ended, starting it again");
	if (!p->postgres_runs && runs) {
		log_info("parent", "the private PostgreSQL is up");
		backoff_reset(&p->postgres_pause);
		start_migrate(p);
	}
	p->postgres_runs = runs;
}

/* Sources, projects and tokens of earlier times: with them a core serves without PostgreSQL. */
static bool has_directory(const struct parent *p)
{
	struct buf path AUTO_BUF = { 0 };

	buf_printf(&path, "%s/directory.json", p->config->state_dir);
	return access(buf_z(&path), R_OK) == 0;
}

enum { NEVER = 0 };

/* How long to leave it alone now. */
static uint64_t postgres_failed(struct parent *p, const struct fault *f)
{
	p->postgres_runs = false;
	if (!has_directory(p)) {
		log_error("parent", "cannot start: private PostgreSQL: %s", f->text);
		give_up(p);
		return NEVER;
	}
	uint64_t pause = (uint64_t)backoff_next_ms(&p->postgres_pause);
	log_error("parent",
		  "private PostgreSQL: %s. Trying again in %llu s; calls go on meanwhile, the "
		  "journal keeps what is to be stored",
		  f->text, (unsigned long long)pause / 1000);
	return pause;
}

static void on_postgres(uv_timer_t *t)
{
	struct parent *p = t->data;
	struct fault f = { 0 };
	bool runs = false;
	int rc = cluster_step(p->cluster, &runs, &f);
	uint64_t again = runs ? LOOK_MS : CLUSTER_STEP_MS;

	note_pid(p);
	if (rc)
		again = postgres_failed(p, &f);
	else
		note_running(p, runs);
	if (again != NEVER)
		uv_timer_start(t, on_postgres, again, 0);
}

/* --- starting --- */

static int find_database(struct parent *p, struct fault *f)
{
	if (!database_is_private(p->config))
		return database_url(p->config, &p->database, f);
	TRY(cluster_new(&p->cluster, p->config->state_dir, f));
	buf_addz(&p->database, cluster_url(p->cluster));
	return 0;
}

static int start_all(struct parent *p, struct fault *f)
{
	const struct config *c = p->config;

	log_info("parent", "listening on %s:%u", c->listen_host, p->port);
	if (p->grpc_port)
		log_info("parent", "listening on %s:%u for gRPC%s", c->grpc_listen_host,
			 p->grpc_port,
			 *c->grpc_certificate_file ? "" : ", without TLS: a proxy adds it");
	TRY(find_database(p, f));
	pidfile_write(c->state_dir, "parent", getpid());
	TRY(core_start(p, f));
	p->analysts =
		analysts_new(&p->loop, c, p->config_file, buf_z(&p->database), stop_if_all_gone, p);
	if (p->cluster)
		uv_timer_start(&p->postgres, on_postgres, 0, 0);
	else
		start_migrate(p);
	return 0;
}

static int take_place(struct parent *p, struct fault *f)
{
	if (p->lock_fd < 0)
		TRY(pidfile_lock(p->config->state_dir, "parent", &p->lock_fd, f));
	if (p->listen_fds[0] < 0)
		TRY(net_listen(p->config->listen_host, &p->port, &p->listen_fds[0], f));
	return p->grpc_port ? net_listen(p->config->grpc_listen_host, &p->grpc_port,
					 &p->listen_fds[1], f)
			    : 0;
}

/* A predecessor that is still stopping, or a core whose parent was killed, keeps its place until it
 * has noticed: that is worth a moment. */
static void on_bind(uv_timer_t *t)
{
	struct parent *p = t->data;
	struct fault f = { 0 };
	int rc = take_place(p, &f);

	if ((rc == E_IO || rc == E_CONFLICT) && now_ms() < p->bind_until_ms) {
		if (!p->said_waiting)
			log_info("parent", "%s; trying for %d s", f.text, BIND_WAIT_MS / 1000);
		p->said_waiting = true;
		uv_timer_start(t, on_bind, BIND_PAUSE_MS, 0);
		return;
	}
	if (rc == 0)
		rc = start_all(p, &f);
	if (rc) {
		log_error("parent", "cannot start: %s", f.text);
		give_up(p);
	}
}

static int begin(struct parent *p, struct fault *f)
{
	p->port = (unsigned)p->config->listen_port;
	p->grpc_port = (unsigned)p->config->grpc_listen_port;
	if (http_client_check_ca(p->config->tls_ca_file, f))
		return fault_wrap(f, "tls.ca_file");
	if (grpc_check_certificate(p->config->grpc_certificate_file, p->config->grpc_key_file, f))
		return fault_wrap(f, "grpc.certificate_file");
	TRY(file_make_dir(p->config->state_dir, 0711, f));
	p->bind_until_ms = now_ms() + BIND_WAIT_MS;
	uv_timer_start(&p->bind, on_bind, 0, 0);
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
	if (p->migrate) {
		child_kill(p->migrate, SIGKILL); /* PostgreSQL undoes what it has begun */
		child_free(p->migrate);
	}
	cluster_stop(p->cluster);
	if (p->lock_fd >= 0) { /* they are ours */
		pidfile_remove(p->config->state_dir, "postgres");
		pidfile_remove(p->config->state_dir, "parent");
		close(p->lock_fd);
	}
	for (size_t i = 0; i < 2; i++)
		if (p->listen_fds[i] >= 0)
			close(p->listen_fds[i]);
	uv_walk(&p->loop, close_handle, NULL);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	uv_loop_close(&p->loop);
	analysts_free(p->analysts);
	buf_free(&p->database);
}

int parent_main(const struct config *config, const char *config_file)
{
	struct parent p = { .config = config,
			    .config_file = config_file,
			    .lock_fd = -1,
			    .listen_fds = { -1, -1 },
			    .postgres_pause = { .least_ms = POSTGRES_PAUSE_MIN_MS,
						.most_ms = POSTGRES_PAUSE_MAX_MS },
			    .pause = { .least_ms = PAUSE_MIN_MS, .most_ms = PAUSE_MAX_MS } };
	struct fault f = { 0 };
	uv_timer_t *timers[] = { &p.bind, &p.restart, &p.postgres, &p.migrate_again };

	log_thread("parent");
	uv_loop_init(&p.loop);
	uv_signal_init(&p.loop, &p.term);
	uv_signal_init(&p.loop, &p.intr);
	p.term.data = p.intr.data = p.hup.data = &p;
	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
		uv_timer_init(&p.loop, timers[i]);
		timers[i]->data = &p;
	}
	uv_signal_start(&p.term, on_signal, SIGTERM);
	uv_signal_start(&p.intr, on_signal, SIGINT);
	hangup_watch(&p.loop, &p.hup, on_hangup);
	if (begin(&p, &f)) {
		log_error("parent", "cannot start: %s", f.text);
		p.status = 1;
	} else {
		uv_run(&p.loop, UV_RUN_DEFAULT);
	}
	end(&p);
	return p.status;
}
