/* HTTP and WebSocket server of a shard, over libwebsockets on the shard's own libuv loop (facts in
 * docs/architecture.md).
 *
 * Everything here belongs to one shard's thread. The composition gives one const table of routes; a
 * route's handler gets an `exchange` when the whole body is there, and answers it once, now or
 * later. A client that goes away does not free an exchange: the answer is then dropped silently.
 *
 * Answered by net itself, as application/problem+json: 400 (framing), 404, 405 with Allow, 408
 * (slow body), 411, 413, 426, 501; OPTIONS with 204 and Allow; HEAD from GET routes. libwebsockets
 * itself answers 403 to request lines it cannot read, and closes without an answer when headers
 * pass 16 KiB. A request with a body that is pipelined behind an unanswered one is not taken: its
 * connection is closed. */
#ifndef CALLMEND_NET_HTTP_H
#define CALLMEND_NET_HTTP_H

#include <stdint.h>

#include "base/buf.h"
#include "callmend/fault.h"
#include "callmend/span.h"
#include "rt/shard.h"

enum http_method {
	HTTP_GET,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_HEAD,
	HTTP_OPTIONS
};
const char *http_method_name(enum http_method);

enum { HTTP_MAX_PARAMS = 4, HTTP_MAX_HEADERS = 64 };

struct exchange; /* one request and its answer */
struct ws;	 /* one WebSocket connection */

/* A message that several sockets of this process may send: reference counted (atomic), immutable
 * after creation. */
struct message;
struct message *message_new(struct span text);	       /* one reference; copies */
struct message *message_new_binary(struct span bytes); /* as well, of the other kind */
struct message *message_ref(struct message *);
void message_unref(struct message *);
struct span message_text(const struct message *);

enum { WS_KEPT_BYTES = 32 * 1024 };
struct ws_handlers {
	/* Refuse with an HTTP status >= 400 (the answer has a problem body and what
	 * exchange_answer_header added), or 0 to accept. Headers, query and params of `x` are
	 * readable here and are gone afterwards (copy what you need; ws_set_user). Do not answer
	 * `x`. */
	int (*accept)(struct exchange *x, struct ws *ws);
	void (*open)(struct ws *);
	/* A whole text or binary message, bounded by route.body_limit and ws_limit (else closed
	 * 1009, as soon as the first bytes of a frame that announces more are there); text is valid
	 * UTF-8 (else closed 1007). A kind without handler closes with 1003. Valid during the call.
	 * One that came in one piece is handed on where it was received; one in several is put
	 * together in memory that the connection keeps (up to WS_KEPT_BYTES): receiving allocates
	 * nothing once that has grown. */
	void (*text)(struct ws *, struct span);
	void (*binary)(struct ws *, struct span);
	/* The send queue has become empty. */
	void (*drained)(struct ws *);
	/* Last call, for each accepted ws, even if it never came to `open`; ws is invalid
	 * afterwards. `code`: the other side's, or that of ws_close, 1005 for a close without a
	 * code, 1006 when the connection just ended. */
	void (*closed)(struct ws *, int code);
	/* Bytes at the front of the socket's user that every message needs. They are fetched while
	 * the message of the socket before is being handled: that of the last time. */
	size_t user_front;
	size_t queue_bytes; /* bound of what waits in each socket; 0: the server's */
	/* Of the memory for messages in several pieces, reserved when the socket opens: smaller
	 * ones never allocate, wherever they are cut. */
	size_t pieces_bytes;
};

struct http_route {
	enum http_method method;
	const char *pattern; /* "/in/{dialect}/{source}", "{}" parts are params; "{rest*}" as last
				part takes all that follows */
	size_t body_limit;   /* bytes; a larger body is answered 413 */
	void (*handle)(struct exchange *);
	const struct ws_handlers
		*ws;	  /* instead of handle: the route is a WebSocket upgrade (method GET) */
	const void *info; /* the route's owner's own table entry */
};

struct http_server_config {
	const struct http_route *routes;
	size_t routes_n;
	void *user;		  /* http_server_user */
	size_t ws_queue_bytes;	  /* per socket: bound for ws_send, where its handlers have none */
	unsigned max_connections; /* of this shard */
};

struct http_server;
/* In a shard's start hook / stop hook. Creates the lws context of this shard; E_UNAVAILABLE when
 * its libuv plugin is missing. `routes` and what they point at must outlive the server. Freeing
 * closes all connections and is done when the loop has drained; exchanges still open belong to
 * their handlers, who answer them as ever (exchange_server and exchange_header are not valid any
 * more). */
MUST int http_server_new(struct http_server **out, struct shard *,
			 const struct http_server_config *, struct fault *f);
void http_server_free(struct http_server *);
void *http_server_user(const struct http_server *);
unsigned http_server_connections(const struct http_server *); /* any thread */
/* Draining: answers carry "Connection: close", idle keep-alive connections are closed. */
void http_server_drain(struct http_server *);

/* What an acceptor deals to. */
struct acceptor_kind {
	unsigned (*connections)(const void *server); /* any thread */
	bool (*reserve)(void *server);		     /* any thread: a place; false: all are taken */
	void (*adopt)(void *server, int fd); /* on its shard: the socket for a reserved place */
	struct span refusal; /* for a client when all places of all servers are taken */
};
extern const struct acceptor_kind acceptor_http; /* http_servers; the refusal is a 503 */

/* The acceptor: watches listening sockets on a loop of its own thread and deals each accepted
 * socket to the server with the fewest. `servers` has one of that kind per shard, in their order.
 */
struct acceptor;
MUST int acceptor_new(struct acceptor **out, uv_loop_t *loop, const int *listen_fds, size_t n,
		      const struct acceptor_kind *kind, void *const *servers, struct shards *shards,
		      struct fault *f);
/* Both on the acceptor's own thread, and before the shards are stopped. */
void acceptor_stop(struct acceptor *); /* stops accepting, leaves the listening sockets open */
void acceptor_free(struct acceptor *); /* done when its loop has closed the handles */
/* For the parent: binds and listens (SO_REUSEADDR, CLOEXEC off so that it is inherited). `port` 0:
 * any; the bound one in *port. */
MUST int net_listen(const char *host, unsigned *port, int *fd, struct fault *f);

/* --- the request; spans are valid until the exchange is answered --- */
enum http_method exchange_method(const struct exchange *);
struct span exchange_path(const struct exchange *);
/* Percent-decoded; empty when absent. An encoded slash (%2F) counts as a slash, so only "{rest*}"
 * can hold one; "+" in a path means a space to libwebsockets, clients have to write %2B. */
struct span exchange_param(const struct exchange *, const char *name);
bool exchange_query(const struct exchange *, const char *name,
		    struct span *out); /* percent-decoded; false when absent */
/* In order; *at = 0 first. Without "=" the value is empty and begins where the name ends. */
bool exchange_query_next(const struct exchange *, size_t *at, struct span *name,
			 struct span *value);
struct span exchange_body(const struct exchange *);
/* The body's bytes as malloc'ed memory of the caller from now on; may be NULL when *n is 0. */
char *exchange_take_body(struct exchange *, size_t *n);
/* A captured request header by its name, without white space around it; false when absent or not
 * captured. Valid as long as the exchange (and its server). Captured are authorization,
 * content-type, idempotency-key, user-agent, accept, accept-encoding, last-event-id,
 * x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-call-id, x-vapi-secret, x-vapi-signature,
 * x-signature, x-timestamp, webhook-id, webhook-timestamp, webhook-signature, svix-id,
 * validation-token, verification-token, host, origin, cookie, if-match, if-none-match,
 * if-modified-since, range, if-range, sec-websocket-protocol (the names a client offers; the first
 * one is accepted) and what http_server_capture names. */
bool exchange_header(const struct exchange *, const char *name, struct span *out);
/* In the start hook, after http_server_new: further header names to capture for every request; at
 * most HTTP_MAX_HEADERS in all. */
void http_server_capture_span(struct http_server *,
			      struct span name); /* one; empty, known or too many: ignored */
void http_server_capture(struct http_server *, const char *const *names, size_t n);
const struct http_route *exchange_route(const struct exchange *);
struct shard *exchange_shard(const struct exchange *);
struct http_server *exchange_server(const struct exchange *);
int64_t exchange_received_us(
	const struct exchange *); /* monotonic, when the last byte of the body was read */

/* An RFC 9457 problem: {"type":"about:blank","title","status","detail"}; content type
 * application/problem+json. */
void http_put_problem(struct buf *out, int status, const char *detail);

/* --- the answer; once, on the shard's thread; the exchange is invalid afterwards --- */
void exchange_answer_header(struct exchange *, const char *name,
			    struct span value); /* before answering; copies */
void exchange_answer(struct exchange *, int status, const char *content_type,
		     struct span body); /* copies */
/* The same with `n` bytes of an open file from `from` on, piece by piece as the client takes them:
 * a file of any size costs the memory of a piece. The file is closed afterwards, in any case. Reads
 * block the shard as long as the disk takes for a piece that is not cached. When the file ends
 * before, so does the connection. */
void exchange_answer_file(struct exchange *, int status, const char *content_type, int fd,
			  uint64_t from, uint64_t n);

/* --- WebSockets --- */
void ws_set_user(struct ws *, void *);
void *ws_user(const struct ws *);
struct http_server *ws_server(const struct ws *);
/* Queues a message (takes its own reference). E_FULL when the queue's bytes would pass the
 * bound, E_CLOSED after ws_close or when the client has left: nothing is queued then. May be called
 * from `accept` on. */
MUST int ws_send(struct ws *, struct message *);
/* Likewise n of them, one after the other: all or none. */
MUST int ws_send_all(struct ws *, struct message *const *, size_t n);
size_t ws_queued_bytes(const struct ws *);
/* A steady stream with so many messages in a beat of 20 ms: those of a beat - of two beats, when
 * the server has hundreds of such streams - are read together, once as many bytes are there as so
 * many of the size of the last have; what is there is read when they do not come within another
 * beat or two. Costs the first of them the time until the last, 40 ms at most; saves a wake-up and
 * a read for each but one. 0, and until it is called: each at once. From `accept` on. */
void ws_gather(struct ws *, unsigned messages);
/* Messages are bounded by so much, where that is less than the route's. From `accept` on. */
void ws_limit(struct ws *, size_t bytes);
/* In `closed`: that we have closed it for what came is the reason, and `code` says what for. */
bool ws_failed(const struct ws *);
/* Drops everything that has not begun to be sent. */
void ws_drop_queue(struct ws *);
/* Sends what is queued, then a close frame (1000, 1008, 1009, 1011, 1012, 4xxx). */
void ws_close(struct ws *, int code, const char *reason);

#endif
