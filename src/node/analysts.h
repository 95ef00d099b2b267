/* The analyst processes of a parent: so many as analyst.processes says, each started again after a
 * growing pause when it dies. Pids are in <state_dir>/run/analyst-<n>.pid. On the loop's thread. */
#ifndef CALLMEND_NODE_ANALYSTS_H
#define CALLMEND_NODE_ANALYSTS_H

#include <uv.h>

#include "base/config.h"

struct analysts;
/* Starts them; `gone` is called once after analysts_stop(), when the last one has ended. Keeps the
 * pointers. */
struct analysts *analysts_new(uv_loop_t *, const struct config *, const char *config_file,
			      const char *database_url, void (*gone)(void *user), void *user);
/* Passes the signal on; from now on none is started again. */
void analysts_stop(struct analysts *, int signal_number);
bool analysts_gone(const struct analysts *); /* none is running; also of NULL */
/* After the loop has closed its handles. */
void analysts_free(struct analysts *);

#endif
