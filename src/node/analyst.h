/* The analyst role (`callmend analyst`): does the work that finished calls leave behind -
 * understand them, look for what goes wrong, propose, apply, deliver. Touches no running call. Any
 * number of analysts may run, on any machines that reach the database; jobs are claimed with a
 * lease (callmend/job.h, docs/operations.md). */
#ifndef CALLMEND_NODE_ANALYST_H
#define CALLMEND_NODE_ANALYST_H

#include "base/config.h"

/* Until SIGTERM or SIGINT, or until the parent that started it is gone. Exit status. */
int analyst_main(const struct config *);
/* Does what is due, also what comes of it at once, and ends. */
int analyst_once(const struct config *);

#endif
