/* <state_dir>/run/<role>.pid: for people, scripts and tests; nothing here relies on them.
 * <role>.lock, which the kernel lets go with its process, keeps a second one away. */
#ifndef CALLMEND_NODE_PIDFILE_H
#define CALLMEND_NODE_PIDFILE_H

#include <sys/types.h>

#include "callmend/fault.h"

void pidfile_write(const char *state_dir, const char *role, pid_t pid);
void pidfile_remove(const char *state_dir, const char *role);
/* For good, until `*fd` is closed or the process ends, however. E_CONFLICT when another process has
 * it, named by its pid file; E_IO. */
MUST int pidfile_lock(const char *state_dir, const char *role, int *fd, struct fault *f);

#endif
