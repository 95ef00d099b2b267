/* What applies to one call for its whole life: the body of its BIND record.
 *
 * Made by ingest from the source's and project's rows when the first message of a call arrives;
 * later changes of the rows reach later calls only. Small (1-2 KB): tool URLs and headers,
 * instructions and secrets are not in here. */
#ifndef CALLMEND_SETTINGS_H
#define CALLMEND_SETTINGS_H

#include <stdint.h>

#include "base/json.h"
#include "callmend/fault.h"
#include "callmend/uuid.h"

/* Thresholds, each with its default, documented here and nowhere else (docs/signals.md is tested
 * against it). X(name, default, "documentation") */
#define SETTINGS_NUMBERS(X)                                                                       \
	X(party_settle_ms, 2000,                                                                  \
	  "a call whose parties have all left ends after so long without a word of another")      \
	X(party_handover_ms, 10000,                                                               \
	  "a call whose last party was handed over waits so long for the next")                   \
	X(text_close_ms, 3600000, "a text conversation without a message for so long is over")    \
	X(idle_close_ms, 600000,                                                                  \
	  "a call without news for so long is reconciled, or closed as lost")                     \
	X(linger_ms, 600000, "an ended call is kept in memory so long for late messages")         \
	X(say_effect_ms, 15000, "how long to wait for the words of a say")                        \
	X(add_message_effect_ms, 30000, "how long to wait for an added message in the history")   \
	X(mute_effect_ms, 5000, "how long to wait for running assistant speech to stop")          \
	X(unmute_effect_ms, 30000, "how long to wait for the next assistant speech")              \
	X(end_effect_ms, 15000, "how long to wait for status ended")                              \
	X(transfer_effect_ms, 30000, "how long to wait for the transfer")                         \
	X(hold_effect_ms, 10000,                                                                  \
	  "how long to wait for a party to be held or taken back, or its recording to be paused " \
	  "or go on")                                                                             \
	X(monitor_effect_ms, 30000, "how long to wait for a supervisor's party")                  \
	X(text_effect_ms, 600000, "how long to wait for a text to be delivered")                  \
	X(turn_gap_ms, 1500, "finals of one speaker closer than this are one turn")               \
	X(silence_ms, 8000, "nobody speaking for so long is reported as silence")                 \
	X(frustration_score, 60, "0-100: a frustration signal is given at this score")            \
	X(confusion_score, 60, "0-100: likewise for confusion of caller and assistant")           \
	X(loop_similarity, 80,                                                                    \
	  "0-100: two turns of a speaker at least so similar are a repetition")                   \
	X(loop_count, 3, "so many similar turns of one speaker are a loop")                       \
	X(unanswered_ms, 20000, "a question of the caller without an answering turn for so long") \
	X(dead_air_ms, 4000, "nobody heard to speak for so long is dead air")                     \
	X(barge_in_ms, 300, "the caller heard over the assistant for so long interrupts it")      \
	X(yield_ms, 3000, "an assistant that stops within this time has given way")               \
	X(one_way_ms, 10000, "a leg digitally silent for so long brings nothing")

/* The limits of what a call's settings may hold: what the API accepts, what the directory hands on
 * and what settings_read takes. A BIND record beyond them would be unreadable. */
#define SETTINGS_NUMBER_MAX INT64_C(31536000000) /* a year in ms: far from any overflow */
enum { SETTINGS_TOOLS_MAX = 256 };		 /* of one project */

struct tool_rule {
	struct uuid id; /* tool definition */
	struct span name;
	int64_t timeout_ms; /* <= 15000 (B1) */
	struct span fallback;
	/* Success: status in [status_min, status_max], then json_path present and truthy (when
	 * given), then pattern found in the body (when given, PCRE2), then NOT empty: empty_path
	 * names an array, string or object of the answer that counts as "found nothing" when empty,
	 * empty_pattern a PCRE2 pattern of such answers. */
	int64_t status_min, status_max; /* 200..299 */
	struct span json_path, pattern, empty_path, empty_pattern;
	/* What of the answer goes to the provider: dotted path, or empty: the whole body. */
	struct span result_path;
};

struct settings {
	struct uuid org, source, project;
	struct span dialect; /* "vapi" */
	struct span source_name, project_name;
	struct span language;	 /* "en", "es", or "auto" */
	struct uuid instruction; /* current version, for the record */
	bool upstream;		 /* tool calls go there first */
	bool reconcile;		 /* the source has a private key, or a session of its own */
	bool no_session;	 /* it has none, and dialect.by_session */
#define X(name, dflt, doc) int64_t name;
	SETTINGS_NUMBERS(X)
#undef X
	const struct tool_rule *tools;
	size_t tools_n; /* <= SETTINGS_TOOLS_MAX */
	/* As they stand in the project's row. What cannot be read of them is left out (flag
	 * settings_in_part_unreadable): a call is never refused because of them. */
	struct json fields;  /* array, callmend/fields.h; absent: none */
	struct json rules;   /* object, settings_rules_check(); absent: none */
	bool context_inject; /* what is known of the caller is told to a running call */
	bool imported;	     /* a call of the past: nothing is done to it */
};

/* Members that are absent get their default. Spans live in `json` and the arena. */
MUST int settings_read(struct json object, struct arena *, struct settings *out, struct fault *f);
void settings_write(const struct settings *, struct buf *out);
void settings_defaults(struct settings *out);
/* Sets one of SETTINGS_NUMBERS. False, and nothing is changed, when there is none of this name or
 * the value is not in 0..SETTINGS_NUMBER_MAX. */
MUST bool settings_set_number(struct settings *, const char *name, int64_t value);

/* What the call core does by itself (A9; projects.rules): X(ID, "name", cause). Each is off unless
 * `enabled` is true, and works at most once per call and cause.
 *   {"escalate_on_frustration": {"enabled": true,
 *                                "action": "propose" (default) or "transfer",
 *                                "destination": as of command transfer; needed by it,
 *                                "message": said before the transfer, optional},
 *    "clarify_caller_confused": {"enabled": true, "text": what the assistant's model is told},
 *    "clarify_assistant_confused": {"enabled": true, "text": likewise}} */
#define SETTINGS_RULES(X)                                                       \
	X(ESCALATE_ON_FRUSTRATION, "escalate_on_frustration", "frustration")    \
	X(CLARIFY_CALLER_CONFUSED, "clarify_caller_confused", "confusion_user") \
	X(CLARIFY_ASSISTANT_CONFUSED, "clarify_assistant_confused", "confusion_assistant")
enum settings_rule {
#define X(id, name, cause) SETTINGS_RULE_##id,
	SETTINGS_RULES(X)
#undef X
		SETTINGS_RULE_COUNT
};
const char *settings_rule_name(enum settings_rule);
enum { SETTINGS_RULES_JSON_MAX = 8 * 1024 };
/* Can `rules` be used as it is? E_INVALID; the fault names the member: "rules.x.action: ...".
 * Unknown members are refused too. */
MUST int settings_rules_check(struct json rules, struct fault *f);

#endif
