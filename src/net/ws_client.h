/* WebSocket clients on somebody's libuv loop. A client has one connection at a time, opened again
 * as often as its owner likes. Everything happens on the loop's thread; nothing blocks, names are
 * resolved off the loop.
 *
 * A dialer is what clients of one loop share (an lws context: tens of KB and, because of OpenSSL's
 * globals, to be created while no other thread creates one: in a start hook). */
#ifndef CALLMEND_NET_WS_CLIENT_H
#define CALLMEND_NET_WS_CLIENT_H

#include <uv.h>

#include "callmend/fault.h"
#include "callmend/span.h"

struct ws_dialer;
struct ws_client;

/* The dialer of this loop, made when there is none with this CA file: each call is to be paired
 * with ws_dialer_free. `ca_file`: certificates (PEM) trusted besides the system's; NULL or "":
 * none. E_UNAVAILABLE: libwebsockets does not start (the fault says why). `loop` must outlive
 * ws_dialer_free by a run until nothing is left to do. */
MUST int ws_dialer_new(struct ws_dialer **out, uv_loop_t *loop, const char *ca_file,
		       struct fault *f);
/* After ws_client_free of all its clients; goes when they are gone. */
void ws_dialer_free(struct ws_dialer *);

struct ws_client_handlers {
	void (*open)(void *user);
	/* A whole message, valid during the call; of a kind without handler: dropped. As with the
	 * server (net/http.h), receiving allocates nothing once the largest message has been here.
	 */
	void (*text)(void *user, struct span);
	void (*binary)(void *user, struct span);
	/* The connection is gone, or none came about; ws_client_connect may be called again, also
	 * from here. `status` is the HTTP status of a refusal (401, 503), 0 when there was none;
	 * `why` is one line for people, with the code of a close. */
	void (*closed)(void *user, int status, const char *why);
	/* The message of this number (ws_client_last) has been written to the connection; not
	 * `whole`: writing failed, perhaps in the middle of it, and the connection ends. Of what
	 * waits when a connection ends nothing is said: it was never written. NULL: no matter. */
	void (*sent)(void *user, uint64_t number, bool whole);
};

void ws_client_of(struct ws_client **out, struct ws_dialer *, size_t message_limit,
		  const struct ws_client_handlers *, void *user);
/* One with a dialer of its own; as ws_dialer_new. */
MUST int ws_client_new(struct ws_client **out, uv_loop_t *loop, size_t message_limit,
		       const struct ws_client_handlers *, void *user, struct fault *f);
/* Drops the connection; no handler is called any more. Memory is given back while the loop runs on.
 */
void ws_client_free(struct ws_client *);

enum { WS_CLIENT_HEADERS_MAX = 4, WS_CLIENT_CONNECT_MS = 8000 };
struct ws_client_header {
	const char *name; /* NULL: none */
	const char *value;
};
struct ws_connect {
	const char *url;   /* http, https, ws or wss */
	const char *token; /* NULL or "": none; becomes "Authorization: Bearer" */
	struct ws_client_header headers[WS_CLIENT_HEADERS_MAX];
	int64_t timeout_ms; /* for each address; 0: WS_CLIENT_CONNECT_MS */
};
/* Copies. E_INVALID: not such a URL, or a header that is none; E_CONFLICT: there is a connection.
 * After 0, `closed` is called once, later. */
MUST int ws_client_dial(struct ws_client *, const struct ws_connect *, struct fault *f);
MUST int ws_client_connect(struct ws_client *, const char *url, const char *token, struct fault *f);

/* Queues a message; copies. E_CLOSED when not open, E_FULL above the bound (messages, bytes). */
MUST int ws_client_send(struct ws_client *, struct span text);
MUST int ws_client_send_binary(struct ws_client *, struct span bytes);
/* The number of the message that was queued last: 1, 2, 3 ... over the client's life. */
uint64_t ws_client_last(const struct ws_client *);
size_t ws_client_queued_bytes(const struct ws_client *);
/* In `closed` and after: the code that the other side closed with, 0: none. libwebsockets 4.1.6
 * takes 1012 (restart), 1013 (overloaded) and up to 1015 for errors and says WS_CLIENT_CLOSE_ODD
 * instead. */
enum { WS_CLIENT_CLOSE_ODD = 1002 };
int ws_client_close_code(const struct ws_client *);
/* Who closes with this code is overloaded, or starts again: it is not to be tried at once. */
static inline bool ws_client_is_busy(int close_code)
{
	return close_code == WS_CLIENT_CLOSE_ODD || (close_code >= 1012 && close_code <= 1015);
}
/* Ends the connection, if there is one; `closed` follows. */
void ws_client_disconnect(struct ws_client *);

#endif
