/* A WebSocket client on somebody's libuv loop: one connection at a time, opened again as often as
 * its owner likes. Everything happens on the loop's thread; nothing blocks, names are resolved off
 * the loop. */
#ifndef CALLMEND_NET_WS_CLIENT_H
#define CALLMEND_NET_WS_CLIENT_H

#include <uv.h>

#include "callmend/fault.h"
#include "callmend/span.h"

struct ws_client;

struct ws_client_handlers {
	void (*open)(void *user);
	void (*text)(void *user, struct span); /* a whole message, valid during the call */
	/* The connection is gone, or none came about; ws_client_connect may be called again, also
	 * from here. `status` is the HTTP status of a refusal (401, 503), 0 when there was none;
	 * `why` is one line for people. */
	void (*closed)(void *user, int status, const char *why);
};

/* E_UNAVAILABLE: libwebsockets does not start (the fault says why). `loop` must outlive
 * ws_client_free by a run until nothing is left to do. */
MUST int ws_client_new(struct ws_client **out, uv_loop_t *loop, size_t message_limit,
		       const struct ws_client_handlers *, void *user, struct fault *f);
/* Drops the connection; no handler is called any more. Memory is given back while the loop runs on.
 */
void ws_client_free(struct ws_client *);

/* `url`: http, https, ws or wss; `token` (NULL: none) becomes "Authorization: Bearer". Copies both.
 * E_INVALID: not such a URL; E_CONFLICT: there is a connection. After 0, `closed` is called once,
 * later. */
MUST int ws_client_connect(struct ws_client *, const char *url, const char *token, struct fault *f);
/* Queues a text message; copies. E_CLOSED when not open, E_FULL above the bound. */
MUST int ws_client_send(struct ws_client *, struct span text);
/* Ends the connection, if there is one; `closed` follows. */
void ws_client_disconnect(struct ws_client *);

#endif
