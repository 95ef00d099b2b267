/* SIGHUP: the terminal was closed, or somebody wants it to look so. Everything is read anew when it
 * changes, so that there is nothing to reload: it means SIGTERM. */
#ifndef CALLMEND_NODE_HANGUP_H
#define CALLMEND_NODE_HANGUP_H

#include <uv.h>

/* Inits `s` and, unless we were started with SIGHUP ignored (nohup), has it call `on_hangup`.
 * `s->data` is the caller's. */
void hangup_watch(uv_loop_t *, uv_signal_t *s, uv_signal_cb on_hangup);
/* Of a child of `callmend up`: the terminal tells the whole group, and the parent passes on what is
 * meant. */
void hangup_leave_to_parent(void);

#endif
