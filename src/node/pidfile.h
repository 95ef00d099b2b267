/* <state_dir>/run/<role>.pid: for people, scripts and tests; nothing here relies on them. */
#ifndef CALLMEND_NODE_PIDFILE_H
#define CALLMEND_NODE_PIDFILE_H

#include <sys/types.h>

void pidfile_write(const char *state_dir, const char *role, pid_t pid);
void pidfile_remove(const char *state_dir, const char *role);

#endif
