/* Private to src/ingest: an effect under way, and mail to a lane. */
#ifndef CALLMEND_INGEST_TASKS_H
#define CALLMEND_INGEST_TASKS_H

#include "ingest/lane.h"

struct lane_mail {
	struct mail mail;
	struct lane *lane;
	void *arg;
};

/* Copied from the session's `struct effect`; lives until its OUTCOME is journaled. */
struct effect_task {
	struct effect_task *next;
	struct waiter waiter;
	struct lane *lane;
	struct uuid call, org;
	struct arena arena;
	enum effect_kind kind;
	struct uuid id;
	struct command_where where;	/* CONTROL; spans in the arena */
	struct buf command;		/* CONTROL, SOCKET, RECORDER: command JSON */
	struct command parsed;		/* spans in `command` and the arena */
	struct errand errand;		/* SOCKET, RECORDER */
	struct connect_request request; /* CONTROL, RECONCILE: by the source's session */
	struct span other_body;		/* of it, if the first is a bad request; in the arena */
	struct uuid tool;		/* TOOL: definition */
	struct span tool_name;
	struct span arguments;
	struct json rewritten; /* TOOL: what a mapping made of them */
	int64_t timeout_ms;
	struct span provider_call_id;
	struct uuid source;
	struct span dialect;
	struct delivery *delivery; /* UPSTREAM_TOOLS: the webhook, when it is still there */
	int64_t started_us;	   /* monotonic */
};

#endif
