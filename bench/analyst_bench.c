/* Calls analysed a second, without a model: analysts (threads with a connection each) over a
 * private PostgreSQL that was filled with finished calls.
 *
 * analyst_bench FILL.sql CALLS TURNS ANALYSTS [BATCH]     prints one JSON object
 *
 * CPU seconds are counted for the analysts (this process) and for PostgreSQL (its processes)
 * separately, memory likewise. */
#include <dirent.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analysis/analyse.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

enum { ANALYSTS_MAX = 16, SQL_MAX = 1 << 20 };

static void need(int rc, const struct fault *f)
{
	if (rc == 0)
		return;
	fprintf(stderr, "%s\n", f->text);
	exit(1);
}

/* --- the processes of PostgreSQL --- */

struct used {
	double cpu_s;
	long rss_kb; /* the largest process */
};

static bool stat_of(pid_t pid, pid_t *parent, double *cpu_s)
{
	char path[64], line[1024];
	unsigned long user, system;
	long user_children, system_children;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "r");
	if (!file)
		return false;
	size_t n = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[n] = '\0';
	const char *rest = strrchr(line, ')');
	int read = rest ? sscanf(rest + 2,
				 "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld",
				 parent, &user, &system, &user_children, &system_children)
			: 0;
	*cpu_s = (double)(user + system + (unsigned long)(user_children + system_children)) /
		 (double)sysconf(_SC_CLK_TCK);
	return read == 5;
}

static long rss_kb(pid_t pid, const char *member)
{
	char path[64], line[256];
	long kb = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, member, strlen(member)) == 0)
			kb = atol(line + strlen(member) + 1);
	if (file)
		fclose(file);
	return kb;
}

/* The postmaster and its children; those that have ended are in its own figures. */
static struct used postgres_used(pid_t postmaster)
{
	struct used out = { 0 };
	DIR *dir = opendir("/proc");
	CHECK(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		pid_t pid = atoi(e->d_name), parent;
		double cpu_s;
		if (pid <= 0 || !stat_of(pid, &parent, &cpu_s) ||
		    (pid != postmaster && parent != postmaster))
			continue;
		out.cpu_s += cpu_s;
		long kb = rss_kb(pid, "VmRSS:");
		out.rss_kb = kb > out.rss_kb ? kb : out.rss_kb;
	}
	closedir(dir);
	return out;
}

static double own_cpu_s(void)
{
	struct rusage r;
	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* --- filling --- */

/* :calls and :turns become numbers. */
static void substitute(struct span text, const char *name, int value, struct buf *out)
{
	size_t n = strlen(name);
	while (text.n) {
		const char *p = memmem(text.p, text.n, name, n);
		size_t before = p ? (size_t)(p - text.p) : text.n;
		buf_add(out, (struct span){ text.p, before });
		if (p)
			buf_printf(out, "%d", value);
		text = span_from(text, before + (p ? n : 0));
	}
}

static void fill(const char *url, const char *file, int calls, int turns)
{
	struct buf text AUTO_BUF = { 0 }, half AUTO_BUF = { 0 }, sql AUTO_BUF = { 0 };
	struct fault f = { 0 };
	need(file_read(file, SQL_MAX, &text, &f), &f);
	substitute(buf_span(&text), ":calls", calls, &half);
	substitute(buf_span(&half), ":turns", turns, &sql);
	PGconn *conn = PQconnectdb(url);
	PGresult *result = PQexec(conn, buf_z(&sql));
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		fprintf(stderr, "%s: %s", file, PQerrorMessage(conn));
		exit(1);
	}
	PQclear(result);
	result = PQexec(conn, "checkpoint");
	PQclear(result);
	PQfinish(conn);
}

/* --- analysing --- */

struct analyst {
	pthread_t thread;
	const char *url;
	unsigned batch, done;
	char owner[32];
};

static void *work(void *user)
{
	struct analyst *a = user;
	struct store_link *link = NULL;
	struct fault f = { 0 };
	unsigned done = 1;
	need(store_link_new(&link, a->url, &f), &f);
	struct job_context job = { .db = link, .owner = a->owner, .lease_ms = 60000 };
	while (done) {
		need(analyse_batch(&job, a->batch, &done, &f), &f);
		a->done += done;
	}
	store_link_free(link);
	return NULL;
}

static unsigned run(const char *url, unsigned analysts, unsigned batch)
{
	struct analyst all[ANALYSTS_MAX] = { 0 };
	unsigned done = 0;
	for (unsigned i = 0; i < analysts; i++) {
		all[i] = (struct analyst){ .url = url, .batch = batch };
		snprintf(all[i].owner, sizeof(all[i].owner), "bench %u", i);
		CHECK(pthread_create(&all[i].thread, NULL, work, &all[i]) == 0);
	}
	for (unsigned i = 0; i < analysts; i++) {
		pthread_join(all[i].thread, NULL);
		done += all[i].done;
	}
	return done;
}

static long stored(const char *url)
{
	PGconn *conn = PQconnectdb(url);
	PGresult *result = PQexec(conn, "select count(*) from call_analyses");
	CHECK(PQresultStatus(result) == PGRES_TUPLES_OK);
	long n = atol(PQgetvalue(result, 0, 0));
	PQclear(result);
	PQfinish(conn);
	return n;
}

static void measure(struct cluster *cluster, int calls, int turns, unsigned analysts,
		    unsigned batch)
{
	struct buf out AUTO_BUF = { 0 };
	struct json_out o = { .b = &out };
	long before_kb = rss_kb(getpid(), "VmRSS:");
	double cpu_s = own_cpu_s(), postgres_s = postgres_used(cluster_pid(cluster)).cpu_s;
	int64_t from_us = clock_monotonic_us();
	unsigned done = run(cluster_url(cluster), analysts, batch);
	double wall_s = (double)(clock_monotonic_us() - from_us) / 1e6;
	struct used postgres = postgres_used(cluster_pid(cluster));
	CHECK((int)done == calls && stored(cluster_url(cluster)) == calls);
	json_begin(&o, NULL);
	json_put_i64(&o, "calls", calls);
	json_put_i64(&o, "turns", turns);
	json_put_i64(&o, "analysts", analysts);
	json_put_i64(&o, "batch", batch);
	json_put_f64(&o, "wall_s", wall_s);
	json_put_f64(&o, "analyst_cpu_s", own_cpu_s() - cpu_s);
	json_put_f64(&o, "postgres_cpu_s", postgres.cpu_s - postgres_s);
	json_put_i64(&o, "analyst_before_kb", before_kb);
	json_put_i64(&o, "analyst_peak_kb", rss_kb(getpid(), "VmHWM:"));
	json_put_i64(&o, "postgres_backend_kb", postgres.rss_kb);
	json_end(&o);
	puts(buf_z(&out));
}

/* --- a cluster for it, which goes with us however we end --- */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

static void watch_signals(void (*handler)(int))
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction act = { .sa_handler = handler };
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &act, NULL);
}

static bool start(struct cluster *cluster)
{
	struct fault f = { 0 };
	bool running = false;
	int rc = 0;
	while (!rc && !running && !interrupted) {
		rc = cluster_step(cluster, &running, &f);
		usleep(CLUSTER_STEP_MS * 1000);
	}
	if (rc)
		fprintf(stderr, "%s\n", f.text);
	return running;
}

/* In a process of its own: whatever ends it, the cluster is stopped by who started it. */
static int measure_apart(struct cluster *cluster, const char *file, int calls, int turns,
			 unsigned analysts, unsigned batch)
{
	struct fault f = { 0 };
	int status = 0;
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		watch_signals(SIG_DFL);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		need(store_migrate(cluster_url(cluster), NULL, &f), &f);
		fill(cluster_url(cluster), file, calls, turns);
		measure(cluster, calls, turns, analysts, batch);
		exit(0);
	}
	while (!interrupted && waitpid(child, &status, WNOHANG) == 0)
		usleep(CLUSTER_STEP_MS * 1000);
	if (interrupted) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/callmend-bench-XXXXXX", command[64];
	struct cluster *cluster = NULL;
	struct fault f = { 0 };
	int calls = argc > 4 ? atoi(argv[2]) : 0, turns = argc > 4 ? atoi(argv[3]) : 0;
	unsigned analysts = argc > 4 ? (unsigned)atoi(argv[4]) : 0;
	unsigned batch = argc > 5 ? (unsigned)atoi(argv[5]) : ANALYSE_BATCH;
	int status = 1;
	log_init(LOG_WARN, LOG_TEXT);
	if (calls < 1 || turns < 1 || analysts < 1 || analysts > ANALYSTS_MAX || !batch ||
	    !mkdtemp(dir)) {
		fprintf(stderr, "usage: analyst_bench FILL.sql CALLS TURNS ANALYSTS [BATCH]\n");
		return 2;
	}
	watch_signals(on_signal);
	need(cluster_new(&cluster, dir, &f), &f);
	if (start(cluster))
		status = measure_apart(cluster, argv[1], calls, turns, analysts, batch);
	cluster_stop(cluster);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command))
		status = 1;
	return interrupted ? 128 + interrupted : status;
}
