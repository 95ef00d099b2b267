/* Child processes of the parent role: the same binary in another role, postgres, demo tools.
 *
 * A child gets one end of a pipe as descriptor `CHILD_LIFELINE_FD`; the kernel closes the parent's
 * end when the parent dies, however it dies, and child_watch_lifeline() in the child turns that
 * into a call. All on the loop's thread. */
#ifndef CALLMEND_RT_CHILD_H
#define CALLMEND_RT_CHILD_H

#include <sys/types.h>
#include <uv.h>

#include "callmend/fault.h"

enum { CHILD_LIFELINE_FD = 3 };

struct child_spec {
	const char *path;
	const char *const *argv; /* argv[0] first, NULL last */
	const char *const *env;	 /* added to ours: "A=b", NULL last; NULL: none */
	const char *cwd;	 /* NULL: ours */
	const int *pass_fds;	 /* become descriptors 4, 5, ... of the child */
	size_t pass_fds_n;
	const char *log_path; /* stdout and stderr appended there; NULL: ours */
	uid_t uid;	      /* 0: keep ours */
	gid_t gid;
};

struct child;
/* `on_exit` runs on the loop's thread, once; status as of waitpid. The child object stays until
 * child_free. */
MUST int child_start(struct child **out, uv_loop_t *loop, const struct child_spec *,
		     void (*on_exit)(void *user, struct child *, int exit_status, int signal),
		     void *user, struct fault *f);
pid_t child_pid(const struct child *);
int child_kill(struct child *, int signal); /* E_NOT_FOUND: it has exited */
/* Of a child that has exited, or to forget it (its lifeline is cut then). The memory goes in the
 * loop's next turn. */
void child_free(struct child *);

/* In the child: calls back on the loop's thread when the parent is gone. */
/* E_INVALID: descriptor 3 is no pipe, so nobody started us this way. Keeps no loop alive. */
MUST int child_watch_lifeline(uv_loop_t *loop, void (*on_parent_gone)(void *), void *user,
			      struct fault *f);

#endif
