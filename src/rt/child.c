/* Child processes.
 *
 * Happy path. The parent keeps the writing end of a pipe that nobody ever writes to; the child
 * holds the reading end as CHILD_LIFELINE_FD. However the parent dies, the kernel closes its end
 * and the child reads end-of-file.
 *
 * Failure modes.
 *  - The program can't be run: child_start() fails, on_exit is not called, nothing is left over.
 *  - Every descriptor of ours is close-on-exec, so a second child never keeps the first one's
 * lifeline open.
 *  - A process that was started by hand has something else as descriptor 3: child_watch_lifeline()
 * refuses what is no pipe. */
#include "rt/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "callmend/span.h"

extern char **environ;

struct child {
	uv_process_t process;
	int lifeline; /* the parent's end; -1: let go */
	void (*on_exit)(void *user, struct child *, int exit_status, int signal);
	void *user;
};

static void lifeline_cut(struct child *c)
{
	if (c->lifeline >= 0)
		close(c->lifeline);
	c->lifeline = -1;
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
	struct child *c = process->data;
	lifeline_cut(c);
	if (c->on_exit)
		c->on_exit(c->user, c, (int)status, signal);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* --- environment --- */

static size_t count(const char *const *list)
{
	size_t n = 0;
	while (list && list[n])
		n++;
	return n;
}

static bool replaced(const char *entry, const char *const *added)
{
	size_t name = strcspn(entry, "=");
	for (; added && *added; added++) {
		if (strncmp(*added, entry, name) == 0 && (*added)[name] == '=')
			return true;
	}
	return false;
}

/* The array is the caller's; the strings stay where they are. */
static char **environment_with(const char *const *added)
{
	const char *const *ours = (const char *const *)environ;
	char **all = calloc(count(ours) + count(added) + 1, sizeof(*all));
	CHECK(all);
	size_t n = 0;
	for (; ours && *ours; ours++) {
		if (!replaced(*ours, added))
			all[n++] = (char *)*ours;
	}
	for (; added && *added; added++)
		all[n++] = (char *)*added;
	return all;
}

/* --- start --- */

/* The descriptors that only the start needs. */
struct child_fds {
	int lifeline[2];
	int log;
	char **env;
	uv_stdio_container_t *stdio;
};

static void child_fds_fini(struct child_fds *d)
{
	for (int i = 0; i < 2; i++) {
		if (d->lifeline[i] >= 0)
			close(d->lifeline[i]);
	}
	if (d->log >= 0)
		close(d->log);
	free(d->env);
	free(d->stdio);
}

static int child_fds_open(struct child_fds *d, const struct child_spec *spec, struct fault *f)
{
	if (pipe2(d->lifeline, O_CLOEXEC) < 0)
		return fault(f, E_IO, "lifeline: %s", strerror(errno));
	if (!spec->log_path)
		return 0;
	d->log = open(spec->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (d->log < 0)
		return fault(f, E_IO, "%s: %s", spec->log_path, strerror(errno));
	return 0;
}

static uv_stdio_container_t hand_down(int fd)
{
	return (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = fd };
}

static void child_fds_list(struct child_fds *d, const struct child_spec *spec)
{
	d->stdio = calloc(CHILD_LIFELINE_FD + 1 + spec->pass_fds_n, sizeof(*d->stdio));
	CHECK(d->stdio);
	d->stdio[0].flags = UV_IGNORE;
	d->stdio[1] = hand_down(d->log >= 0 ? d->log : STDOUT_FILENO);
	d->stdio[2] = hand_down(d->log >= 0 ? d->log : STDERR_FILENO);
	d->stdio[CHILD_LIFELINE_FD] = hand_down(d->lifeline[0]);
	for (size_t i = 0; i < spec->pass_fds_n; i++)
		d->stdio[CHILD_LIFELINE_FD + 1 + i] = hand_down(spec->pass_fds[i]);
}

static uv_process_options_t options_of(const struct child_spec *spec, const struct child_fds *d)
{
	uv_process_options_t o = {
		.exit_cb = on_process_exit,
		.file = spec->path,
		.args = (char **)spec->argv,
		.env = d->env,
		.cwd = spec->cwd,
		.stdio_count = CHILD_LIFELINE_FD + 1 + (int)spec->pass_fds_n,
		.stdio = d->stdio,
		.uid = spec->uid,
		.gid = spec->gid,
	};
	if (spec->uid)
		o.flags |= UV_PROCESS_SETUID;
	if (spec->gid)
		o.flags |= UV_PROCESS_SETGID;
	return o;
}

int child_start(struct child **out, uv_loop_t *loop, const struct child_spec *spec,
		void (*on_exit)(void *user, struct child *, int exit_status, int signal),
		void *user, struct fault *f)
{
	__attribute__((cleanup(child_fds_fini))) struct child_fds d = { .lifeline = { -1, -1 },
									.log = -1 };
	TRY(child_fds_open(&d, spec, f));
	d.env = environment_with(spec->env);
	child_fds_list(&d, spec);

	struct child *c = calloc(1, sizeof(*c));
	CHECK(c);
	c->on_exit = on_exit;
	c->user = user;
	c->lifeline = -1;
	uv_process_options_t o = options_of(spec, &d);
	int rc = uv_spawn(loop, &c->process, &o);
	c->process.data = c;
	if (rc) {
		child_free(c);
		return fault(f, E_IO, "start %s: %s", spec->path, uv_strerror(rc));
	}
	c->lifeline = d.lifeline[1];
	d.lifeline[1] = -1;
	*out = c;
	return 0;
}

pid_t child_pid(const struct child *c)
{
	return c->process.pid;
}

int child_kill(struct child *c, int signal)
{
	int rc = uv_process_kill(&c->process, signal);
	if (rc == UV_ESRCH)
		return E_NOT_FOUND;
	return rc ? E_IO : 0;
}

void child_free(struct child *c)
{
	if (!c)
		return;
	lifeline_cut(c);
	uv_close((uv_handle_t *)&c->process, on_closed);
}

/* --- in the child --- */

/* One descriptor, hence one per process; not on the heap, so that whoever closes the loop's handles
 * need not know it. */
static struct lifeline {
	uv_pipe_t pipe;
	void (*on_parent_gone)(void *);
	void *user;
	char scrap[16];
} lifeline;

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	(void)suggested;
	struct lifeline *l = handle->data;
	*out = uv_buf_init(l->scrap, sizeof(l->scrap));
}

static void on_lifeline(uv_stream_t *stream, ssize_t n, const uv_buf_t *scrap)
{
	(void)scrap;
	struct lifeline *l = stream->data;
	if (n >= 0)
		return;
	void (*gone)(void *) = l->on_parent_gone;
	void *user = l->user;
	uv_close((uv_handle_t *)stream, NULL);
	gone(user);
}

static int lifeline_check(struct fault *f)
{
	struct stat st;
	if (fstat(CHILD_LIFELINE_FD, &st) < 0 || !S_ISFIFO(st.st_mode))
		return fault(f, E_INVALID, "descriptor %d is no lifeline: not started by a parent",
			     CHILD_LIFELINE_FD);
	return 0;
}

int child_watch_lifeline(uv_loop_t *loop, void (*on_parent_gone)(void *), void *user,
			 struct fault *f)
{
	TRY(lifeline_check(f));
	fcntl(CHILD_LIFELINE_FD, F_SETFD, FD_CLOEXEC);
	struct lifeline *l = &lifeline;
	l->on_parent_gone = on_parent_gone;
	l->user = user;
	uv_pipe_init(loop, &l->pipe, 0);
	l->pipe.data = l;
	int rc = uv_pipe_open(&l->pipe, CHILD_LIFELINE_FD);
	if (!rc)
		rc = uv_read_start((uv_stream_t *)&l->pipe, on_alloc, on_lifeline);
	if (rc) {
		uv_close((uv_handle_t *)&l->pipe, NULL);
		return fault(f, E_IO, "lifeline: %s", uv_strerror(rc));
	}
	uv_unref((uv_handle_t *)&l->pipe); /* watching alone keeps no loop alive */
	return 0;
}
