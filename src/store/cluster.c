/* Happy path: initdb once into a folder that gets its final name only when it is complete; postgres
 * on a unix socket; wait until it answers; make the database.
 *
 * The start is a chain of steps, each a function that goes as far as it can without waiting:
 *
 *   look_for_server ─► adopt ──────────────────────────────────────────────────────┐
 *          │             │ no answer                                               ▼
 *          └─────────► stop_leftovers ─► clear ─► init ─► finish_init ─► serve ─► await_server
 *                                          └─ there are data ───────────►│          │
 *                          running ◄─ await_created ◄─ await_known ◄─ ask_database ◄┘
 *
 * Failure modes.
 *  - No PostgreSQL installed, or another major version than the data was made with: the fault names
 * the package.
 *  - Killed during initdb: the unfinished folder is thrown away the next time.
 *  - A postmaster of this folder is still running (its parent was killed): it is taken over when it
 * answers, else stopped.
 *  - The postmaster was killed: server processes it left behind hold the shared memory; they are
 * found by their working folder, the data folder, and stopped. A postmaster.pid that names no
 * postmaster of ours is removed.
 *  - Run as root: PostgreSQL refuses root, so it runs as an unprivileged user. Where that user
 * cannot reach the state folder (below /root, say), data live in /var/lib/callmend-XXXXXX and
 * <state>/postgres links there.
 *  - Socket path too long for sockaddr_un: the socket is in a private folder below /tmp instead.
 *  - A program of PostgreSQL fails: the fault quotes the last complaint in its log. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "callmend/store.h"

enum {
	START_MS = 60000,
	CONNECT_MS = 3000,
	STOP_MS = 20000,
	LEFTOVER_MS = 2000,
	ADOPT_MS = 10000,
	SOCKET_DIR_MAX = 90
};

enum { LOG_LIMIT = 16 * 1024 * 1024, COMPLAINT_LIMIT = 8 * 1024, COMPLAINT_MAX = 110 };

enum { WAIT = 1 }; /* of a step: nothing to do now, ask again */
typedef int step_fn(struct cluster *, struct fault *);

#define PORT "5432" /* part of the socket's name only; nothing listens on TCP */
#define OWNER "callmend"
#define FALLBACK "/var/lib/callmend-XXXXXX"

struct cluster {
	pid_t pid;
	bool ours; /* our child: to be reaped by waitpid */
	uid_t uid; /* runs as; 0: as ourselves */
	gid_t gid;
	char user[64]; /* the name of uid, for people */
	struct buf home, data, socket_dir, log, bin, admin, url;
	/* while starting */
	step_fn *step;	  /* NULL: it runs */
	int64_t until_us; /* of this step */
	pid_t helper;	  /* rm or initdb */
	unsigned strikes; /* against leftovers */
	PGconn *conn;
	PostgresPollingStatusType polling;
	int64_t connect_until_us;
	off_t log_from; /* what the program started last has written */
};

/* PostgreSQL's own words for a fast, then for an immediate shutdown. */
static const struct {
	int signal, ms;
} strikes[] = { { SIGINT, STOP_MS }, { SIGQUIT, LEFTOVER_MS }, { SIGKILL, LEFTOVER_MS } };
enum { STRIKES = sizeof(strikes) / sizeof(strikes[0]) };

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static const char *in(struct buf *out, const struct buf *dir, const char *name)
{
	buf_clear(out);
	buf_add(out, buf_span(dir));
	buf_addz(out, "/");
	buf_addz(out, name);
	return buf_z(out);
}

static int64_t after_ms(int ms)
{
	return clock_monotonic_us() + ms * MS_US;
}

static bool late(const struct cluster *c)
{
	return clock_monotonic_us() > c->until_us;
}

static int go_on(struct cluster *c, step_fn *step, int ms)
{
	c->step = step;
	c->until_us = after_ms(ms);
	return 0;
}

static void disconnect(struct cluster *c)
{
	if (c->conn)
		PQfinish(c->conn);
	c->conn = NULL;
}

static void cluster_free(struct cluster *c)
{
	if (!c)
		return;
	disconnect(c);
	struct buf *all[] = { &c->home, &c->data,  &c->socket_dir, &c->log,
			      &c->bin,	&c->admin, &c->url };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		buf_free(all[i]);
	free(c);
}
DEFINE_SCOPED(cluster)

/* --- other programs --- */

/* In the child, before exec. A session of its own: the terminal's Ctrl-C is not for the server. */
static void child_setup(const struct cluster *c, const char *log)
{
	setsid();
	int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int in_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (out < 0 || in_fd < 0 || dup2(in_fd, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(126);
	/* Nothing else is inherited: not our journal, not our listening sockets. */
	close_range(3, ~0U, 0);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (c->uid && (setgroups(0, NULL) || setgid(c->gid) || setuid(c->uid)))
		_exit(126);
	umask(0077);
}

static int spawn(struct cluster *c, const char *const *argv, pid_t *out, struct fault *f)
{
	struct stat st;
	c->log_from = stat(buf_z(&c->log), &st) == 0 ? st.st_size : 0;
	pid_t pid = fork();
	if (pid < 0)
		return fault(f, E_IO, "fork: %s", strerror(errno));
	*out = pid;
	if (pid > 0)
		return 0;
	child_setup(c, c->log.p);
	/* Our own environment may hold secrets, and PG* variables that are not meant for this
	 * server. */
	char *const env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL };
	if (chdir("/") == 0)
		execve(argv[0], (char *const *)(uintptr_t)argv, env);
	_exit(127);
}

/* The end of what the last program has logged. */
static void read_log(const struct cluster *c, struct buf *out)
{
	char text[COMPLAINT_LIMIT];
	int fd = open(c->log.p, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t from = size - COMPLAINT_LIMIT > c->log_from ? size - COMPLAINT_LIMIT : c->log_from;
	ssize_t n = fd < 0 ? 0 : pread(fd, text, sizeof(text), from);
	if (fd >= 0)
		close(fd);
	if (n > 0)
		buf_add(out, (struct span){ text, (size_t)n });
}

/* Where the last line begins. */
static const char *last_line(struct buf *log)
{
	while (log->n && log->p[log->n - 1] == '\n')
		log->n--;
	const char *end = memrchr(buf_z(log), '\n', log->n);
	return end ? end + 1 : log->p;
}

/* The last words that tell a reason, else the last line; appended in brackets. */
static void add_complaint(const struct cluster *c, struct buf *out)
{
	static const char *const words[] = { "FATAL:", "PANIC:", "error:", "ERROR:" };
	struct buf log AUTO_BUF = { 0 };
	const char *found = NULL;
	read_log(c, &log);
	const char *otherwise = last_line(&log);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (const char *p = log.p; (p = strstr(p, words[i])); p++)
			found = p > found ? p : found;
	found = found ? found : otherwise;
	size_t n = strcspn(found, "\n");
	if (n)
		buf_printf(out, " (%.*s)", (int)(n < COMPLAINT_MAX ? n : COMPLAINT_MAX), found);
}

static int failed(const struct cluster *c, const char *what, struct fault *f)
{
	struct buf why AUTO_BUF = { 0 };
	add_complaint(c, &why);
	return fault(f, E_IO, "%s%s; its messages are in %s", what, buf_z(&why), c->log.p);
}

/* WAIT while it runs. */
static int await_helper(struct cluster *c, const char *name, struct fault *f)
{
	char what[96];
	int status = 0;
	pid_t got = waitpid(c->helper, &status, WNOHANG);
	if (got == 0)
		return WAIT;
	c->helper = 0;
	if (got > 0 && status == 0)
		return 0;
	if (WIFSIGNALED(status))
		snprintf(what, sizeof(what), "%s was ended by signal %d", name, WTERMSIG(status));
	else
		snprintf(what, sizeof(what), "%s failed with status %d", name, WEXITSTATUS(status));
	return failed(c, what, f);
}

/* --- where PostgreSQL is installed --- */

static bool has_programs(const char *bin)
{
	struct buf path AUTO_BUF = { 0 };
	buf_printf(&path, "%s/initdb", bin);
	if (access(buf_z(&path), X_OK))
		return false;
	buf_clear(&path);
	buf_printf(&path, "%s/postgres", bin);
	return access(buf_z(&path), X_OK) == 0;
}

/* "/usr/lib/postgresql/15/bin" -> 15; 0 when the path does not say. */
static int version_in(const char *bin)
{
	const char *digits = strpbrk(bin, "0123456789");
	return digits ? atoi(digits) : 0;
}

static void find_packaged(int wanted, struct buf *bin)
{
	glob_t found = { 0 };
	int best = 0;
	if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &found) == 0 ||
	    glob("/usr/pgsql-*/bin", 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++) {
			int version = version_in(found.gl_pathv[i]);
			if (version > best && (!wanted || version == wanted) &&
			    has_programs(found.gl_pathv[i])) {
				best = version;
				buf_clear(bin);
				buf_addz(bin, found.gl_pathv[i]);
			}
		}
	globfree(&found);
}

/* Wherever it was installed by hand; tells its version as "PostgreSQL 15.4 ...". */
static void find_configured(int wanted, struct buf *bin)
{
	char line[PATH_MAX] = "", version[128] = "";
	FILE *p = popen("pg_config --bindir 2>/dev/null; pg_config --version 2>/dev/null", "r");
	if (!p)
		return;
	bool ok = fgets(line, sizeof(line), p) && fgets(version, sizeof(version), p);
	pclose(p);
	line[strcspn(line, "\n")] = 0;
	if (ok && (!wanted || version_in(version) == wanted) && has_programs(line))
		buf_addz(bin, line);
}

/* 0: no data yet. */
static int data_version(struct cluster *c)
{
	struct buf path AUTO_BUF = { 0 }, text AUTO_BUF = { 0 };
	if (file_read(in(&path, &c->data, "PG_VERSION"), 64, &text, NULL))
		return 0;
	return atoi(buf_z(&text));
}

static int find_programs(struct cluster *c, struct fault *f)
{
	int wanted = data_version(c);
	find_packaged(wanted, &c->bin);
	if (!c->bin.n)
		find_configured(wanted, &c->bin);
	if (c->bin.n)
		return 0;
	if (wanted)
		return fault(f, E_NOT_FOUND,
			     "the data in %s were made by PostgreSQL %d, which is not installed: "
			     "install the package "
			     "postgresql-%d",
			     buf_z(&c->data), wanted, wanted);
	return fault(f, E_NOT_FOUND,
		     "PostgreSQL's server programs (initdb, postgres) are not installed: install "
		     "the package "
		     "postgresql (Debian, Ubuntu) or postgresql-server (Fedora), or configure a "
		     "database URL");
}

/* --- folders --- */

static void find_user(struct cluster *c)
{
	if (geteuid() != 0)
		return;
	struct passwd *user = getpwnam("postgres");
	if (!user)
		user = getpwnam("nobody");
	if (user) {
		c->uid = user->pw_uid;
		c->gid = user->pw_gid;
		snprintf(c->user, sizeof(c->user), "%s", user->pw_name);
	}
}

static int check_user(const struct cluster *c, struct fault *f)
{
	return geteuid() != 0 || c->uid
		       ? 0
		       : fault(f, E_DENIED,
			       "PostgreSQL refuses to run as root, and there is neither a user "
			       "`postgres` nor `nobody` to run it as: run callmend as an ordinary "
			       "user, or configure database.url");
}

/* Can the server's user get into this folder? Only trying as that user tells (modes, ACLs, mounts).
 */
static bool reachable(const struct cluster *c, const char *dir)
{
	if (!c->uid)
		return true;
	pid_t pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) || setgid(c->gid) || setuid(c->uid))
			_exit(1);
		_exit(access(dir, X_OK) == 0 ? 0 : 1);
	}
	int status = -1;
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0;
}

/* The state folder is ours: others may pass through it, not look around. */
static void let_through(const char *state_dir)
{
	struct stat st;
	if (stat(state_dir, &st) == 0 && st.st_uid == 0)
		chmod(state_dir, (st.st_mode & 07777) | S_IXOTH);
}

static int make_link(const char *link, struct fault *f)
{
	char elsewhere[] = FALLBACK;
	if (!mkdtemp(elsewhere) || symlink(elsewhere, link))
		return fault(f, E_IO, "%s: %s", elsewhere, strerror(errno));
	log_info("postgres", "the server's user cannot reach %s: its data are in %s", link,
		 elsewhere);
	return 0;
}

/* <state>/postgres, really: what it links to if it is a link. */
static int make_home(struct cluster *c, const char *state_dir, struct fault *f)
{
	struct buf link AUTO_BUF = { 0 };
	TRY(file_make_dir(state_dir, 0700, f));
	char *real = realpath(state_dir, NULL);
	if (!real)
		return fault(f, E_IO, "%s: %s", state_dir, strerror(errno));
	buf_printf(&link, "%s/postgres", real);
	if (c->uid)
		let_through(real);
	int rc = 0;
	if (!exists(buf_z(&link)))
		rc = reachable(c, real) ? file_make_dir(buf_z(&link), 0700, f)
					: make_link(buf_z(&link), f);
	free(real);
	if (rc)
		return rc;
	char *home = realpath(buf_z(&link), NULL);
	if (!home)
		return fault(f, E_IO, "%s: %s", buf_z(&link), strerror(errno));
	buf_addz(&c->home, home);
	free(home);
	if (c->uid && chown(buf_z(&c->home), c->uid, c->gid))
		return fault(f, E_IO, "chown %s: %s", buf_z(&c->home), strerror(errno));
	return 0;
}

/* A short private folder when the proper place has too long a name for a socket. Its name follows
 * from the data folder, so a leftover server's socket is found again; whoever else has made it
 * first is refused. */
static int short_socket_dir(struct cluster *c, struct fault *f)
{
	struct stat st;
	buf_clear(&c->socket_dir);
	buf_printf(&c->socket_dir, "/tmp/callmend-%016llx",
		   (unsigned long long)hash64(buf_span(&c->data)));
	const char *dir = buf_z(&c->socket_dir);
	uid_t owner = c->uid ? c->uid : geteuid();
	if (mkdir(dir, 0700) == 0 && c->uid && chown(dir, c->uid, c->gid))
		return fault(f, E_IO, "chown %s: %s", dir, strerror(errno));
	if (lstat(dir, &st) || !S_ISDIR(st.st_mode) || st.st_uid != owner || (st.st_mode & 077))
		return fault(f, E_DENIED, "%s: not a private folder of the server's user", dir);
	return 0;
}

static int make_socket_dir(struct cluster *c, struct fault *f)
{
	const char *dir = in(&c->socket_dir, &c->home, "run");
	if (c->socket_dir.n > SOCKET_DIR_MAX)
		return short_socket_dir(c, f);
	TRY(file_make_dir(dir, 0700, f));
	if (c->uid && chown(dir, c->uid, c->gid))
		return fault(f, E_IO, "chown %s: %s", dir, strerror(errno));
	return 0;
}

static int make_folders(struct cluster *c, const char *state_dir, struct fault *f)
{
	TRY(make_home(c, state_dir, f));
	in(&c->data, &c->home, "data");
	in(&c->log, &c->home, "server.log");
	return make_socket_dir(c, f);
}

/* --- leftovers --- */

/* Every process of PostgreSQL has the data folder as its working folder, and nothing else has. */
static bool works_here(const struct cluster *c, pid_t pid)
{
	char link[64], cwd[PATH_MAX];
	snprintf(link, sizeof(link), "/proc/%d/cwd", (int)pid);
	ssize_t n = readlink(link, cwd, sizeof(cwd));
	return n > 0 && span_eq((struct span){ cwd, (size_t)n }, buf_span(&c->data));
}

static bool is_postgres(pid_t pid)
{
	char path[64], name[32] = "";
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool ok = fgets(name, sizeof(name), file) != NULL;
	fclose(file);
	return ok && strncmp(name, "postgres", 8) == 0;
}

/* How many there are; each gets the signal (0: none). */
static unsigned signal_leftovers(const struct cluster *c, int signal)
{
	unsigned n = 0;
	DIR *proc = opendir("/proc");
	for (struct dirent *e; proc && (e = readdir(proc));) {
		pid_t pid = atoi(e->d_name);
		if (pid <= 0 || !works_here(c, pid) || !is_postgres(pid))
			continue;
		n++;
		if (signal)
			kill(pid, signal);
	}
	if (proc)
		closedir(proc);
	return n;
}

/* The number in postmaster.pid, 0 when that file names no postmaster of this folder. */
static pid_t running_postmaster(struct cluster *c)
{
	struct buf path AUTO_BUF = { 0 }, text AUTO_BUF = { 0 };
	if (file_read(in(&path, &c->data, "postmaster.pid"), 4096, &text, NULL))
		return 0;
	pid_t pid = atoi(buf_z(&text));
	return pid > 0 && works_here(c, pid) && is_postgres(pid) ? pid : 0;
}

/* Only called when no process works in the data folder: what these files name is somebody else by
 * now. */
static void remove_stale(struct cluster *c)
{
	struct buf path AUTO_BUF = { 0 };
	unlink(in(&path, &c->data, "postmaster.pid"));
	unlink(in(&path, &c->socket_dir, ".s.PGSQL." PORT ".lock"));
	unlink(in(&path, &c->socket_dir, ".s.PGSQL." PORT));
}

/* PostgreSQL only ever appends to it. */
static void rotate_log(struct cluster *c)
{
	struct buf old AUTO_BUF = { 0 };
	struct stat st;
	if (stat(buf_z(&c->log), &st) || st.st_size < LOG_LIMIT)
		return;
	rename(buf_z(&c->log), in(&old, &c->home, "server.log.1"));
}

/* --- data --- */

static step_fn finish_init, serve;

static int init(struct cluster *c, struct fault *f)
{
	struct buf fresh AUTO_BUF = { 0 }, initdb AUTO_BUF = { 0 };
	int rc = await_helper(c, "rm", f);
	if (rc)
		return rc;
	in(&fresh, &c->home, "data.new");
	in(&initdb, &c->bin, "initdb");
	log_info("postgres", "making a database in %s (once)%s%s", buf_z(&c->home),
		 *c->user ? ", as user " : "", c->user);
	/* trust: whoever gets through the socket's folder (mode 0700) is the server's user or root
	 * anyway. */
	const char *const argv[] = { buf_z(&initdb),
				     "-D",
				     buf_z(&fresh),
				     "-U",
				     OWNER,
				     "--auth=trust",
				     "--encoding=UTF8",
				     "--locale=C.UTF-8",
				     "--no-instructions",
				     NULL };
	TRY(spawn(c, argv, &c->helper, f));
	return go_on(c, finish_init, 0);
}

/* initdb takes as long as the disk needs. */
static int finish_init(struct cluster *c, struct fault *f)
{
	struct buf fresh AUTO_BUF = { 0 };
	int rc = await_helper(c, "initdb", f);
	if (rc)
		return rc;
	if (rename(in(&fresh, &c->home, "data.new"), buf_z(&c->data)))
		return fault(f, E_IO, "%s: %s", buf_z(&c->data), strerror(errno));
	return go_on(c, serve, 0);
}

/* What an earlier initdb has not finished. */
static int clear(struct cluster *c, struct fault *f)
{
	struct buf fresh AUTO_BUF = { 0 };
	if (exists(buf_z(&c->data)))
		return go_on(c, serve, 0);
	const char *const argv[] = { "/bin/rm", "-rf", in(&fresh, &c->home, "data.new"), NULL };
	TRY(spawn(c, argv, &c->helper, f));
	return go_on(c, init, 0);
}

/* --- connecting --- */

static void conninfo(struct cluster *c, const char *database, struct buf *out)
{
	buf_addz(out, "host='");
	for (const char *p = buf_z(&c->socket_dir); *p; p++) {
		if (*p == '\'' || *p == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *p);
	}
	buf_printf(out, "' port=" PORT " user=" OWNER " dbname=%s", database);
}

static bool socket_ready(const struct cluster *c)
{
	struct pollfd p = { .fd = PQsocket(c->conn),
			    .events = c->polling == PGRES_POLLING_READING ? POLLIN : POLLOUT };
	return poll(&p, 1, 0) != 0;
}

/* A server that recovers after a crash says so, for as long as it takes. */
static void note_refusal(struct cluster *c)
{
	if (strstr(PQerrorMessage(c->conn), "the database system is"))
		c->until_us = after_ms(START_MS);
	disconnect(c);
}

/* One look at the attempt under way, or a new attempt. */
static bool connected(struct cluster *c)
{
	if (!c->conn) {
		c->conn = PQconnectStart(c->admin.p);
		CHECK(c->conn);
		c->polling = PGRES_POLLING_WRITING;
		c->connect_until_us = after_ms(CONNECT_MS);
	}
	if (PQstatus(c->conn) != CONNECTION_BAD && !socket_ready(c)) {
		if (clock_monotonic_us() > c->connect_until_us)
			disconnect(c);
		return false;
	}
	c->polling = PQconnectPoll(c->conn);
	if (c->polling == PGRES_POLLING_FAILED)
		note_refusal(c);
	return c->conn && c->polling == PGRES_POLLING_OK;
}

/* WAIT, or the last result of what was sent. */
static int await_result(struct cluster *c, PGresult **out, struct fault *f)
{
	PGresult *last = NULL, *next;
	bool there = PQconsumeInput(c->conn);
	if (there && PQisBusy(c->conn))
		return late(c) ? failed(c, "the server does not answer a query", f) : WAIT;
	while (there && (next = PQgetResult(c->conn))) {
		PQclear(last);
		last = next;
	}
	ExecStatusType status = PQresultStatus(last);
	*out = last;
	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		return 0;
	struct span line = { PQerrorMessage(c->conn), strcspn(PQerrorMessage(c->conn), "\n") };
	return fault(f, E_IO, "the server refuses to make the database: %.*s", SPAN_ARG(line));
}

/* --- our database in it --- */

static int finish_start(struct cluster *c)
{
	disconnect(c);
	return go_on(c, NULL, 0);
}

static int await_created(struct cluster *c, struct fault *f)
{
	PGresult *result = NULL;
	int rc = await_result(c, &result, f);
	PQclear(result);
	return rc ? rc : finish_start(c);
}

static int await_known(struct cluster *c, struct fault *f)
{
	PGresult *result = NULL;
	int rc = await_result(c, &result, f);
	bool known = rc == 0 && PQntuples(result) == 1;
	PQclear(result);
	if (rc)
		return rc;
	if (known)
		return finish_start(c);
	PQsendQuery(c->conn, "create database " OWNER); /* where it fails there is no result */
	return go_on(c, await_created, START_MS);
}

static int ask_database(struct cluster *c, struct fault *f)
{
	(void)f;
	PQsendQuery(c->conn, "select 1 from pg_database where datname = '" OWNER "'");
	return go_on(c, await_known, START_MS);
}

/* --- starting --- */

static int await_server(struct cluster *c, struct fault *f)
{
	if (connected(c))
		return go_on(c, ask_database, 0);
	if (!cluster_alive(c))
		return failed(c, "the server stopped at once", f);
	return late(c) ? failed(c, "the server does not answer", f) : WAIT;
}

static int serve(struct cluster *c, struct fault *f)
{
	struct buf postgres AUTO_BUF = { 0 }, sockets AUTO_BUF = { 0 };
	in(&postgres, &c->bin, "postgres");
	buf_printf(&sockets, "unix_socket_directories=%s", buf_z(&c->socket_dir));
	/* Only what must be so; everything else can be set in postgresql.conf there. */
	const char *const argv[] = { buf_z(&postgres),
				     "-D",
				     buf_z(&c->data),
				     "-c",
				     "listen_addresses=",
				     "-c",
				     buf_z(&sockets),
				     "-c",
				     ("port=" PORT),
				     "-c",
				     "unix_socket_permissions=0700",
				     "-c",
				     "shared_buffers=64MB",
				     "-c",
				     "max_connections=60",
				     "-c",
				     "fsync=on",
				     "-c",
				     "logging_collector=off",
				     "-c",
				     "log_destination=stderr",
				     "-c",
				     "log_line_prefix=%m [%p] ",
				     NULL };
	TRY(spawn(c, argv, &c->pid, f));
	c->ours = true;
	return go_on(c, await_server, START_MS);
}

/* A postmaster gets the chance of a proper (fast) shutdown; processes without one can only end at
 * once, and the data are recovered at the next start as after any crash. */
static int stop_leftovers(struct cluster *c, struct fault *f)
{
	bool reaped = !cluster_alive(c);
	if (reaped && signal_leftovers(c, 0) == 0) {
		remove_stale(c);
		rotate_log(c);
		return go_on(c, clear, 0);
	}
	if (!late(c))
		return WAIT;
	if (c->strikes == STRIKES)
		return fault(f, E_CONFLICT, "processes of an earlier server in %s do not stop",
			     c->data.p);
	log_warn("postgres", "stopping processes that an earlier server left in %s", c->data.p);
	signal_leftovers(c, strikes[c->strikes].signal);
	c->until_us = after_ms(strikes[c->strikes].ms);
	c->strikes++;
	return WAIT;
}

/* A server that another Callmend, now dead, has started for this folder. */
static int adopt(struct cluster *c, struct fault *f)
{
	(void)f;
	if (connected(c)) {
		log_info("postgres", "taking over the server that is running already (pid %d)",
			 (int)c->pid);
		return go_on(c, ask_database, 0);
	}
	if (cluster_alive(c) && !late(c))
		return WAIT;
	log_warn("postgres", "the server that an earlier callmend left does not answer");
	disconnect(c);
	return go_on(c, stop_leftovers, -1);
}

static int look_for_server(struct cluster *c, struct fault *f)
{
	(void)f;
	pid_t pid = running_postmaster(c);
	c->ours = c->ours && pid == c->pid;
	c->pid = pid;
	c->strikes = pid ? 0 : 1;
	return pid ? go_on(c, adopt, ADOPT_MS) : go_on(c, stop_leftovers, -1);
}

/* --- the contract --- */

int cluster_new(struct cluster **out, const char *state_dir, struct fault *f)
{
	scoped(cluster) *c = calloc(1, sizeof(*c));
	CHECK(c);
	find_user(c);
	TRY(check_user(c, f));
	TRY(make_folders(c, state_dir, f));
	TRY(find_programs(c, f));
	conninfo(c, "postgres", &c->admin);
	conninfo(c, OWNER, &c->url);
	/* From here on read as plain strings. */
	struct buf *all[] = { &c->data, &c->log, &c->admin, &c->url };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		buf_z(all[i]);
	c->step = look_for_server;
	*out = take(c);
	return 0;
}

/* initdb and rm are thrown away with all they have started: their work is begun anew. */
static void stop_helper(struct cluster *c)
{
	if (c->helper <= 0)
		return;
	kill(-c->helper, SIGKILL);
	kill(c->helper, SIGKILL); /* before it has a group of its own */
	while (waitpid(c->helper, NULL, 0) < 0 && errno == EINTR)
		;
	c->helper = 0;
}

static void begin_anew(struct cluster *c)
{
	stop_helper(c);
	disconnect(c);
	c->step = look_for_server;
}

int cluster_step(struct cluster *c, bool *running, struct fault *f)
{
	int rc = 0;
	if (!c->step && !cluster_alive(c))
		begin_anew(c);
	while (rc == 0 && c->step)
		rc = c->step(c, f);
	*running = !c->step;
	if (rc < 0)
		begin_anew(c);
	return rc == WAIT ? 0 : rc;
}

int cluster_start(struct cluster **out, const char *state_dir, struct fault *f)
{
	struct cluster *c = NULL;
	bool running = false;
	TRY(cluster_new(&c, state_dir, f));
	int rc = cluster_step(c, &running, f);
	while (rc == 0 && !running) {
		sleep_ms(CLUSTER_STEP_MS);
		rc = cluster_step(c, &running, f);
	}
	if (rc) {
		cluster_stop(c);
		return rc;
	}
	*out = c;
	return 0;
}

int cluster_find_url(const char *state_dir, struct buf *out, struct fault *f)
{
	scoped(cluster) *c = calloc(1, sizeof(*c));
	struct buf data AUTO_BUF = { 0 };
	if (!c)
		return fault(f, E_NOMEM, "cluster");
	buf_printf(&data, "%s/postgres/data", state_dir);
	if (!exists(buf_z(&data)))
		return fault(f, E_NOT_FOUND,
			     "there is no private PostgreSQL in %s yet (callmend up makes it)",
			     state_dir);
	find_user(c);
	TRY(make_folders(c, state_dir, f));
	conninfo(c, OWNER, out);
	return 0;
}

const char *cluster_url(const struct cluster *c)
{
	return c->url.p;
}

pid_t cluster_pid(const struct cluster *c)
{
	return c->pid;
}

bool cluster_alive(struct cluster *c)
{
	if (c->pid <= 0)
		return false;
	bool gone = c->ours ? waitpid(c->pid, NULL, WNOHANG) != 0 : !works_here(c, c->pid);
	if (gone)
		c->pid = 0;
	return !gone;
}

static bool stops_within(struct cluster *c, int ms)
{
	int64_t until = clock_monotonic_us() + ms * MS_US;
	while (cluster_alive(c)) {
		if (clock_monotonic_us() > until)
			return false;
		sleep_ms(10);
	}
	return true;
}

void cluster_stop(struct cluster *c)
{
	if (c) {
		stop_helper(c);
		disconnect(c);
	}
	for (size_t i = 0; c && i < STRIKES && cluster_alive(c); i++) {
		kill(c->pid, strikes[i].signal);
		kill(c->pid, SIGCONT); /* one that is stopped would not hear it */
		if (stops_within(c, strikes[i].ms))
			break;
	}
	cluster_free(c);
}
