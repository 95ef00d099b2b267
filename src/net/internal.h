/* What the files of src/net share. Everything belongs to one shard's thread unless a comment says
 * otherwise.
 *
 *   acceptor ──fd──► http_server (one lws context, one vhost)
 *                      └─ connection (one per socket; the opaque pointer of its lws wsi)
 *                           ├─ exchange   while a request is read or handled; belongs to the
 * handler until it is answered ├─ answer     bytes on their way out └─ ws         after an upgrade
 *
 * A connection dies in LWS_CALLBACK_WSI_DESTROY, the last callback that mentions it, one loop turn
 * or more after it was closed. An exchange outlives its connection (`connection` is NULL then)
 * until it is answered. */
#ifndef CALLMEND_NET_INTERNAL_H
#define CALLMEND_NET_INTERNAL_H

#include <libwebsockets.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "net/body.h"
#include "net/http.h"
#include "net/router.h"

enum { SUBPROTOCOL_MAX = 64 };
enum { IDLE_SECONDS = 75 }; /* a kept connection, between requests */

struct capture {
	const char *name; /* "content-type" */
	const char *key;  /* "content-type:" */
	int token;	  /* enum lws_token_indexes, -1: a header lws does not know */
};

/* Sockets of steady streams (ws_gather). `place`: where its owner keeps 1 + its index, 0: none. */
struct gathered {
	size_t *place;
	int fd, low_water;	  /* bytes */
	unsigned messages;	  /* of a beat of the stream */
	unsigned received, again; /* beats: of the last message; not before */
};
struct gather {
	struct gathered *of;
	size_t n, cap;
	unsigned beat, beats; /* now; that are read together */
	uv_timer_t timer;     /* runs while there is one */
};

struct http_server {
	struct shard *shard;
	struct http_server_config config;
	struct router *router;
	struct lws_context *context; /* lws sets it to NULL when the last of it is gone */
	struct lws_vhost *vhost;
	struct lws_protocols protocols[3];
	char subprotocol[SUBPROTOCOL_MAX]; /* name of protocols[1]: what the client being upgraded
					      offers */
	struct arena names;
	struct capture captures[HTTP_MAX_HEADERS];
	size_t captures_n;
	struct connection *connections;
	struct ws *received; /* the last that did */
	struct gather gather;
	atomic_uint count; /* open or dealt to us; any thread */
	bool draining;
	uv_timer_t sweeper; /* ends stuck connections */
	uv_prepare_t reaper;
};

enum connection_state {
	CONNECTION_IDLE,      /* between requests, headers included */
	CONNECTION_RECEIVING, /* the body is being read */
	CONNECTION_HANDLING,  /* the handler owes an answer */
	CONNECTION_ANSWERING, /* the answer is being written */
	CONNECTION_LINGERING, /* answered before the body was read: read on, so that the client can
				 read the answer */
	CONNECTION_UPGRADED,
};

enum http_after { HTTP_KEEPS, HTTP_CLOSES };

struct connection {
	struct http_server *server;
	struct lws *wsi; /* NULL once it is closed */
	struct connection *next, *prev;
	enum connection_state state;
	struct exchange *exchange; /* while RECEIVING or HANDLING */
	struct ws *ws;
	struct body_frame frame;
	struct chunks chunks;
	bool body_read; /* all of it has arrived */
	bool rx_paused;
	bool pipelined;	     /* the next request's first bytes came with the one before */
	uint64_t dropped;    /* bytes of body read and thrown away */
	int64_t deadline_us; /* for the body, or the next piece of the answer */
	char *answer;
	size_t answer_n, answer_at;
	int file; /* what follows the answer; -1: none */
	uint64_t file_at, file_left;
	enum http_after after;
	unsigned served;
};

struct exchange {
	struct connection *connection; /* NULL: the client has left */
	struct http_server *server;
	struct shard *shard;
	struct arena arena;
	enum http_method method;
	struct span path;
	struct route_match match;
	struct span *query; /* "name=value", decoded */
	size_t query_n;
	struct span header[HTTP_MAX_HEADERS]; /* by capture; p NULL: absent */
	struct buf body;
	int64_t received_us;
	struct buf answer_headers;
	int refusal; /* status to answer when the body has been read and dropped */
	const char *detail;
	enum http_after after;
};

/* http.c */
const char *http_phrase(int status);
const char *http_class(int status); /* "2xx" */
void http_put_methods(struct buf *out, unsigned methods);
void http_put_head(struct buf *out, int status, const char *content_type, size_t length,
		   struct span more, enum http_after after);

/* message.c */
struct span message_frame(const struct message *m); /* the whole frame, ready to be sent */

/* request.c: reads what lws holds, while it holds it */
struct exchange *request_capture(struct connection *c);
bool request_method(struct lws *wsi, enum http_method *method, int *token);
struct span request_header(struct lws *wsi, struct arena *a,
			   const struct capture *capture); /* p NULL: absent */
struct capture request_header_named(const char *name, struct arena *a);
enum http_after request_after(struct lws *wsi);
struct body_frame request_frame(struct lws *wsi, enum http_method method);
bool request_expects_continue(struct lws *wsi);
/* Whether lws holds a header table for this connection: after a completed request exactly when it
 * has read on into the next. */
bool request_has_table(struct lws *wsi);
/* NULL when it is a proper WebSocket handshake, else what is wrong with it. */
const char *request_ws_fault(struct lws *wsi);
bool request_path(struct lws *wsi, int token, struct arena *a, struct span *path);

/* exchange.c */
void exchange_free(struct exchange *x);
/* Problem body made by net itself. The exchange is gone afterwards. */
void exchange_refuse(struct exchange *x, int status, const char *detail);
/* The whole answer as bytes in one malloc'ed piece. */
char *exchange_render(struct exchange *x, int status, const char *content_type, struct span body,
		      size_t *n);

/* connection.c: the callbacks of plain HTTP. Nonzero closes the connection. */
struct connection *connection_new(struct http_server *s, struct lws *wsi);
void connection_answer(struct connection *c, char *answer, size_t n, enum http_after after);
/* Before connection_answer: `n` bytes of this file come after it; the connection's to close. */
void connection_append_file(struct connection *c, int fd, uint64_t from, uint64_t n);
/* An answer that the client does not take, a body that does not end after a refusal, or a kept
 * connection without a request for long. */
bool connection_is_stuck(const struct connection *c, int64_t now_us);
int connection_on_upgrade(struct connection *c, struct lws *wsi, void *in, size_t n);
int connection_on_request(struct connection *c, struct lws *wsi, void *in, size_t n);
int connection_on_body(struct connection *c, struct lws *wsi, void *in, size_t n);
int connection_on_body_end(struct connection *c, struct lws *wsi, void *in, size_t n);
int connection_on_writeable(struct connection *c, struct lws *wsi, void *in, size_t n);
int connection_on_closed(struct connection *c, struct lws *wsi, void *in, size_t n);
int connection_on_destroy(struct connection *c, struct lws *wsi, void *in, size_t n);

/* ws.c: the callbacks after an upgrade. Nonzero closes the connection. */
int ws_on_handshake(struct connection *c, struct lws *wsi, void *in, size_t n);
int ws_on_established(struct connection *c, struct lws *wsi, void *in, size_t n);
int ws_on_receive(struct connection *c, struct lws *wsi, void *in, size_t n);
int ws_on_writeable(struct connection *c, struct lws *wsi, void *in, size_t n);
int ws_on_peer_close(struct connection *c, struct lws *wsi, void *in, size_t n);
int ws_on_closed(struct connection *c, struct lws *wsi, void *in, size_t n);

/* gather.c */
enum { GATHERED_MAX = 64 * 1024 }; /* bytes of a message; larger ones are read at once */
void gather_init(struct gather *all, uv_loop_t *loop);
void gather_close(struct gather *all); /* its handle */
void gather_fini(struct gather *all);  /* its memory */
void gather_set(struct gather *all, size_t *place, int fd, unsigned messages);
void gather_forget(struct gather *all, size_t *place); /* its socket is gone */
void gather_received(struct gather *all, size_t place, size_t bytes);

/* server.c: for the acceptor. Any thread: takes a place for a connection, false when all are taken.
 */
bool http_server_reserve(struct http_server *s);
void http_server_release(struct http_server *s);
/* This shard's thread: a connection whose place was reserved. */
void http_server_adopt_reserved(struct http_server *s, int fd);

#endif
