/* What the ringcentral_*.c files share. Shapes: docs/ringcentral.md. Sources of the formats:
 * developers.ringcentral.com (notifications, call control, SMS, RingSense), the SDKs' definitions,
 * and captured streams of telephony session events. */
#ifndef CALLMEND_DIALECT_RINGCENTRAL_PARTS_H
#define CALLMEND_DIALECT_RINGCENTRAL_PARTS_H

#include "callmend/dialect.h"
#include "dialect/key.h"

/* A notification {uuid, event, timestamp, subscriptionId, ownerId, body}, or what our own session
 * with the platform asked for: {"callmend": "resync", "source_event", "date", "id", "found",
 * "known", "body"} (rc_put_asked), or the beginning of a conversation by text: {"callmend":
 * "begin", "source_event", "body"} (rc_begin_text). */
struct rc_view {
	struct json top, body;
	struct span event; /* path, without its query */
	struct span uuid, call_id;
	struct span account; /* ours, as the path names it; empty: not said */
	const struct rc_type *type;
	bool asked, found; /* ours, not a notification; the platform knows what was asked for */
	bool known;	   /* a text that was told before */
	int64_t at_us;	   /* of the notification, or Date of the answer */
	struct arena *arena;
};

/* --- ringcentral_classify.c --- */
struct rc_type {
	const char *name; /* last part of the path: "telephony/sessions" */
	/* Where a body of this type names its call; empty: nowhere. */
	struct span (*call_id)(const struct rc_view *);
	/* Adds the inputs behind CALL; false: not in a shape we know, keep it raw. */
	bool (*read)(const struct rc_view *, struct inputs *out);
	void (*facts)(const struct rc_view *, struct call_facts *out);
};
/* The i-th known type, NULL behind the last; docs/ringcentral.md is tested against it. */
const struct rc_type *rc_type_at(size_t i);
/* Of a checked body; false: it is no notification. */
bool rc_view(struct span body, struct arena *, struct rc_view *out);
MUST int rc_classify(struct span body, struct arena *, struct envelope *out, struct fault *f);
void rc_mask(struct span body, const struct envelope *, struct buf *out);
/* The i-th member name whose texts are masked, NULL behind the last. */
const char *rc_mask_name(size_t i);
void rc_reduce(struct span body, const struct envelope *, const struct repeats *, struct buf *out,
	       struct repeats_news *news);

/* --- ringcentral_values.c: lenient reading --- */
/* Text of a string, digits of a number; empty for the rest. */
struct span rc_text(struct json, struct arena *);
/* Of the member at a dotted path. */
struct span rc_text_at(struct json object, const char *path, struct arena *);
/* ISO 8601, also with a zone like +0000; 0 when it is none. */
int64_t rc_time(struct json, struct arena *);
/* Equal but for the case of ASCII letters. */
bool rc_same(struct span a, const char *b);
struct span rc_lower(struct span, struct arena *);

/* --- ringcentral_session.c --- */
bool rc_read_session(const struct rc_view *, struct inputs *out);
void rc_session_facts(const struct rc_view *, struct call_facts *out);
struct span rc_session_id(const struct rc_view *);

/* --- ringcentral_text.c --- */
bool rc_read_text(const struct rc_view *, struct inputs *out);
void rc_text_facts(const struct rc_view *, struct call_facts *out);
struct span rc_conversation_id(const struct rc_view *); /* the platform's thread */
struct span rc_text_call(const struct rc_view *);	/* what its call is known by */
/* One message of the message store: HISTORY, unless it was told before, and DELIVERY when it is one
 * of ours. */
bool rc_read_message(struct json message, bool known, struct arena *, struct inputs *out);
void rc_begin_text(struct span ours, struct span theirs, struct arena *, struct span *call_id,
		   struct buf *out);
bool rc_read_begin(const struct rc_view *, struct inputs *out);

/* --- ringcentral_read.c --- */
MUST int rc_read(struct span reduced, struct arena *, struct inputs *out, struct fault *f);
MUST int rc_read_call(struct span body, struct arena *, struct inputs *out, struct fault *f);
void rc_put_asked(const struct asked_answer *, struct buf *out);
bool rc_read_presence(const struct rc_view *, struct inputs *out);
void rc_presence_facts(const struct rc_view *, struct call_facts *out);
struct span rc_presence_call(const struct rc_view *);
bool rc_read_insights(const struct rc_view *, struct inputs *out);
void rc_insights_facts(const struct rc_view *, struct call_facts *out);
struct span rc_insights_call(const struct rc_view *);

/* --- ringcentral_log.c --- */
struct span rc_log_call(const struct rc_view *);
bool rc_log_inputs(const struct rc_view *, struct inputs *out);
void rc_log_facts(const struct rc_view *, struct call_facts *out);

/* --- ringcentral_command.c --- */
const char *rc_cannot(enum command_verb, const struct command_where *);
MUST int rc_command(const struct command *, const struct command_where *, struct arena *,
		    struct provider_request *out, struct fault *f);
bool rc_is_so(enum command_verb, int status);
MUST int rc_read_answer(const struct command *, struct span body, struct arena *,
			struct inputs *out, struct fault *f);
struct span rc_explain(struct span body, struct arena *);
MUST int rc_reconcile(struct span api_base, struct span call_id, struct arena *,
		      struct provider_request *out);

#endif
