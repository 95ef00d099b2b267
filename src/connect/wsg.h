/* Frames of RingCentral's WebSocket gateway: JSON arrays [meta] or [meta, body]. Pure.
 *
 * Sources: RingCentral developer guide, "WebSocket notifications" (subscribing, receiving,
 * heart-beats, session recovery); the reply with a multipart body, which is no JSON, as its own
 * JavaScript library reads it. */
#ifndef CALLMEND_CONNECT_WSG_H
#define CALLMEND_CONNECT_WSG_H

#include "base/buf.h"
#include "base/json.h"

/* X(NAME, "type") */
#define WSG_TYPES(X)                          \
	X(DETAILS, "ConnectionDetails")       \
	X(REPLY, "ClientRequest")             \
	X(NOTIFICATION, "ServerNotification") \
	X(HEARTBEAT, "Heartbeat")             \
	X(ERROR, "Error")
enum wsg_type {
	WSG_OTHER,
#define X(name, text) WSG_##name,
	WSG_TYPES(X)
#undef X
};

struct wsg_frame {
	enum wsg_type type;
	struct span id;	     /* messageId */
	int64_t status;	     /* 0: none */
	struct span wsc;     /* token; empty: none */
	int64_t sequence;    /* of wsc */
	struct json headers; /* object of texts */
	struct json body;    /* JSON_NONE: none, or no JSON */
	struct span raw;     /* all of it */
	struct span parts;   /* a multipart body as it came, from its first boundary on */
};
/* Spans live in the text or the arena. E_INVALID: no frame. */
MUST int wsg_read(struct span text, struct arena *, struct wsg_frame *out, struct fault *f);

/* For the log, whatever it is: its first bytes, with *** for texts whose names speak of secrets
 * (tokens, and the tags of a SIP dialogue). UTF-8. */
enum { WSG_SHOWN_BYTES = 300 };
void wsg_show(struct span text, struct buf *out);

/* Body of ConnectionDetails; seconds, and how many messages it keeps for a recovery,
 * 1..WSG_SECONDS_MAX: what is not gets its default. */
enum wsg_recovery { WSG_FRESH, WSG_RECOVERED, WSG_NOT_RECOVERED };
struct wsg_details {
	enum wsg_recovery recovery;
	int64_t recovery_s, idle_s, absolute_s, max_requests, kept;
};
enum {
	WSG_RECOVERY_S = 180,
	WSG_IDLE_S = 1800,
	WSG_ABSOLUTE_S = 86400,
	WSG_REQUESTS = 10,
	WSG_KEPT = 100,
	WSG_SECONDS_MAX = 31536000
};
void wsg_details_read(struct json body, struct wsg_details *out);

void wsg_put_request(struct buf *out, struct span id, const char *method, const char *path,
		     struct span body);
void wsg_put_heartbeat(struct buf *out, struct span id);

#endif
