/* Commands to a call, the same for REST and the live WebSocket: building, sending, judging the
 * answer. */
#ifndef CALLMEND_API_COMMANDS_H
#define CALLMEND_API_COMMANDS_H

#include "api/auth.h"
#include "api/params.h"
#include "callmend/live.h"

/* What was asked, as checked texts; NULL: absent. */
struct command_ask {
	const char *verb, *text, *role, *target, *trigger_response, *interrupt, *end_after,
		*destination, *reason, *key;
};

/* The body rows of a command in its general form, for both doors: $n is not used. */
#define COMMAND_VERB_PARAM                                                                       \
	{                                                                                        \
		.name = "verb", .in = PARAM_IN_BODY, .type = PARAM_ENUM, .need = PARAM_REQUIRED, \
		.values = commands_verbs, .doc = "what to do"                                    \
	}
#define COMMAND_BODY_PARAMS                                                                      \
	{ .name = "text",                                                                        \
	  .in = PARAM_IN_BODY,                                                                   \
	  .type = PARAM_TEXT,                                                                    \
	  .min = 1,                                                                              \
	  .max = COMMAND_TEXT_LIMIT,                                                             \
	  .doc = "say, send-text: the words; add-message: the entry; transfer: spoken first, "   \
		 "optional" },                                                                   \
		{ .name = "role",                                                                \
		  .in = PARAM_IN_BODY,                                                           \
		  .type = PARAM_ENUM,                                                            \
		  .values = commands_roles,                                                      \
		  .doc = "add-message: the entry's role, system unless given" },                 \
		{ .name = "target",                                                              \
		  .in = PARAM_IN_BODY,                                                           \
		  .type = PARAM_ENUM,                                                            \
		  .values = commands_targets,                                                    \
		  .doc = "mute, unmute, hold, unhold, transfer: who; the assistant (our side) "  \
			 "unless given" },                                                       \
		{ .name = "trigger_response",                                                    \
		  .in = PARAM_IN_BODY,                                                           \
		  .type = PARAM_BOOL,                                                            \
		  .doc = "add-message: let the assistant answer at once; true unless given" },   \
		{ .name = "interrupt",                                                           \
		  .in = PARAM_IN_BODY,                                                           \
		  .type = PARAM_BOOL,                                                            \
		  .doc = "say: cut the assistant short" },                                       \
		{ .name = "end_after",                                                           \
		  .in = PARAM_IN_BODY,                                                           \
		  .type = PARAM_BOOL,                                                            \
		  .doc = "say: end the call when spoken" },                                      \
		{ .name = "destination",                                                         \
		  .in = PARAM_IN_BODY,                                                           \
		  .type = PARAM_OBJECT,                                                          \
		  .max = 4096,                                                                   \
		  .doc = "transfer, monitor, coach, barge: {type: number, number}, {type: sip, " \
			 "sipUri}, {type: extension, extension or id}, {type: voicemail, "       \
			 "queue or device, id}; which of them, the provider's page says" },      \
		COMMAND_REASON_PARAM
#define COMMAND_REASON_PARAM                                                         \
	{                                                                            \
		.name = "reason", .in = PARAM_IN_BODY, .type = PARAM_TEXT, .min = 1, \
		.max = COMMAND_REASON_LIMIT, .doc = "why, for the record"            \
	}

extern const char *const commands_verbs[], *const commands_roles[], *const commands_targets[];

/* Refuses with PROBLEM_INVALID_BODY what the verb lacks. The command's spans live in the arena. */
MUST bool commands_build(const struct command_ask *, const struct caller *, struct arena *,
			 struct command *out, struct problem *);
struct request;
/* The request's Idempotency-Key; *key stays when there is none. */
MUST bool commands_read_key(struct request *, const char **key, struct problem *);
/* 200 (final or accepted) or 202 (still requested); 0: refused, the problem says how. */
int commands_judge(const struct live_command_answer *, struct problem *);

#endif
