/* How the pure core meets the world. Live shards, the projector, replay and the simulator each
 * implement it.
 *
 * Everything is called from inside session_apply(), on the caller's thread. Spans are valid during
 * the call only. */
#ifndef CALLMEND_CALL_HOST_H
#define CALLMEND_CALL_HOST_H

#include "callmend/command.h"
#include "callmend/dialect.h"
#include "callmend/event.h"
#include "callmend/settings.h"

/* X(name, "name", documentation) */
#define EFFECTS(X)                                                                \
	X(CONTROL, "control", "send `command` to the provider's `control_url`")   \
	X(SOCKET, "socket", "send `command` over the socket of the call's audio") \
	X(RECORDER, "recorder", "have our recorder carry out `command`")          \
	X(TOOL, "tool", "run the HTTP tool `tool` with `arguments`")              \
	X(UPSTREAM_TOOLS, "upstream-tools",                                       \
	  "forward the webhook of this record upstream and bring its answer")     \
	X(RECONCILE, "reconcile", "ask the provider how the call stands")

enum effect_kind {
#define X(name, text, doc) EFFECT_##name,
	EFFECTS(X)
#undef X
		EFFECT_KINDS
};
const char *effect_name(enum effect_kind);

struct effect {
	enum effect_kind kind;
	struct uuid id; /* version 5 of call id and sequence: also the Idempotency-Key */
	const struct command *command;	/* CONTROL, SOCKET, RECORDER */
	struct command_where where;	/* CONTROL; api_base is the source's, not said here */
	const struct tool_rule *tool;	/* TOOL */
	struct span tool_call_id, name; /* TOOL */
	struct json arguments;		/* TOOL, an object */
	int64_t timeout_ms;
};

/* What came of an effect: the body of an OUTCOME record, as JSON
 * {"effect","end","status","body","error","duration_us","rewritten"}. */
/* X(name, "name", documentation) */
#define OUTCOME_ENDS(X)                                                                          \
	X(ANSWERED, "answered", "status and body are there")                                     \
	X(DONE, "done",                                                                          \
	  "carried out, and nobody answers that: written to the call's own socket; done by our " \
	  "recorder")                                                                            \
	X(NOT_SENT, "not_sent", "surely never delivered")                                        \
	X(UNKNOWN, "unknown", "may have been delivered; no answer")

enum outcome_end {
#define X(name, text, doc) OUTCOME_##name,
	OUTCOME_ENDS(X)
#undef X
};
struct outcome {
	struct uuid effect;
	enum outcome_end end;
	int status;
	struct span body;  /* text, at most OUTCOME_BODY_LIMIT bytes */
	struct span error; /* one line, when not answered */
	bool timed_out;
	int64_t duration_us;
	struct json
		rewritten; /* TOOL: a mapping changed an argument: {mapping_id, argument, from,
			      to}; kept as it is; dropped beyond OUTCOME_REWRITTEN_LIMIT bytes */
};
enum {
	OUTCOME_REWRITTEN_LIMIT = 4096,
	OUTCOME_BODY_LIMIT = 16 * 1024 * 1024
}; /* the provider's account of a whole call; tools are held to less */
MUST int outcome_read(struct json object, struct arena *, struct outcome *out, struct fault *f);
void outcome_write(const struct outcome *, struct buf *out);

struct call_host {
	void *self;
	/* An event, complete. */
	void (*publish)(void *self, const struct event *);
	/* Please do this: after its INTENT record is durable. Replaying hosts remember or ignore
	 * it. */
	void (*effect)(void *self, const struct effect *);
	/* The answer to the webhook journaled as record `number`: body for the provider. */
	void (*answer)(void *self, uint64_t number, struct span body);
	/* A command changed (also at `requested`): for API callers who wait. */
	void (*command_changed)(void *self, const struct uuid *command, enum command_state,
				struct span json);
};

/* A host that takes events and does nothing: for everybody who is not live. */
struct call_host host_for_events(void *self, void (*publish)(void *self, const struct event *));

#endif
