/* The calls a check looks at: what heal_detect_load.sql gives, read once. Texts are those of the
 * loaded JSON or of the arena. Pure. */
#ifndef CALLMEND_HEALING_WINDOW_H
#define CALLMEND_HEALING_WINDOW_H

#include "base/arena.h"
#include "healing/thresholds.h"

struct window_call {
	struct span id, at; /* start of the call */
	unsigned caller;    /* index of the caller, 0 .. callers - 1 */
	int64_t ms;	    /* length; 0: unknown */
	bool eligible, succeeded, failed, frustrated;
	struct span cause; /* cause_class */
	struct json point, fields, unanswered, signals, tool_failures, tools;
	struct json last; /* the caller's last words */
};

struct window_field {
	struct span name, label;
};

struct window {
	struct arena *arena;
	struct json doc; /* all that was loaded */
	struct span project, org, language;
	struct json sections; /* of the version in force; absent: no instructions */
	struct span version;  /* its id; empty: none */
	int64_t version_number;
	struct thresholds limits;
	struct window_field *fields; /* those required now */
	size_t fields_n;
	struct window_call *calls; /* the newest first */
	size_t calls_n;
	unsigned callers;
	size_t eligible_n;
	int64_t seen, seen_outcomes; /* calls, and outcomes, of this version altogether */
};

/* E_INVALID: not of that form. */
MUST int window_read(struct json loaded, struct arena *a, struct window *out, struct fault *f);

#endif
