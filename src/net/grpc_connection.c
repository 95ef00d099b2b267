/* A socket, TLS if there is any, and the HTTP/2 session on it.
 *
 * Happy path: bytes come, nghttp2 calls the streams, what it has to say goes out in the same turn.
 * The session ends when both sides want no more of it (GOAWAY of either, no streams left): then
 * what comes is dropped until the client closes, so that a reset does not eat our last words.
 *
 * Failure modes: a client that does not speak TLS or HTTP/2 (closed), that takes nothing, does not
 * end its handshake or its headers, answers no PING (closed by the sweeper), that floods
 * (ENHANCE_YOUR_CALM), or that is gone (its streams are closed). A half-closed one can still be
 * told the answers of requests that were complete. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/container.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/grpc_internal.h"

enum {
	OUT_BYTES = 64 * 1024, /* waiting for the socket: no more is made, and nothing is read */
	CONNECTION_WINDOWS = 8,
	HANDSHAKE_MS = 10000, /* TLS and the client's SETTINGS */
	HEADERS_MS = 15000,
	STUCK_MS = 30000, /* without taking anything */
	PING_MS = 20000,  /* of silence, while there are streams; as long again for the answer */
	LINGER_MS = 2000,
	REST_READS = 64,
	WASTE_FRAMES = 1000, /* at once, and one for each stream it may have */
	WASTE_PER_S = 33,
};

/* --- ending --- */

static void on_closed(uv_handle_t *h)
{
	struct grpc_connection *c = h->data;
	struct grpc_server *s = c->server;

	grpc_secure_free(c->secure);
	buf_free(&c->out);
	buf_free(&c->headers);
	free(c);
	grpc_server_handle_closed(s);
}

void grpc_connection_end(struct grpc_connection *c, const char *why)
{
	struct grpc_stream *s, *next;

	if (c->state == GRPC_CLOSED)
		return;
	CHECK(!c->in_session);
	log_debug("grpc", "%s: %s", c->peer, why);
	c->state = GRPC_CLOSED;
	DL_FOREACH_SAFE(c->streams, s, next)
	{
		grpc_stream_gone(s, "lost", why);
	}
	nghttp2_session_del(c->session);
	c->session = NULL;
	DL_DELETE(c->server->connections, c);
	if (c->is_dirty)
		LL_DELETE2(c->server->dirty, c, dirty_next);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	close(c->fd);
	atomic_fetch_sub(&c->server->count, 1);
	metric_add(METRIC_GRPC_CONNECTIONS, -1);
}

static size_t waiting(const struct grpc_connection *c)
{
	return c->out.n - c->out_at;
}

/* It takes too little: what it says is not read until it does. */
static bool is_held(const struct grpc_connection *c)
{
	return waiting(c) >= OUT_BYTES;
}

/* False: the connection is gone. */
static bool send_out(struct grpc_connection *c)
{
	while (waiting(c)) {
		ssize_t n =
			send(c->fd, c->out.p + c->out_at, waiting(c), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0) {
			grpc_connection_end(c, "connection lost");
			return false;
		}
		c->out_at += (size_t)n;
		c->moved_ms = grpc_server_now_ms(c->server);
	}
	c->moved_ms = grpc_server_now_ms(c->server);
	buf_clear(&c->out);
	c->out_at = 0;
	return true;
}

static void linger(struct grpc_connection *c)
{
	if (c->secure)
		grpc_secure_end(c->secure);
	if (!send_out(c))
		return;
	if (c->eof) {
		grpc_connection_end(c, "connection ended");
		return;
	}
	shutdown(c->fd, SHUT_WR);
	c->state = GRPC_LINGERING;
	c->since_ms = grpc_server_now_ms(c->server);
}

/* --- out --- */

/* What nghttp2 has to say. E_FULL: there may be more. */
static int collect_into(struct grpc_connection *c, struct buf *to)
{
	const uint8_t *p;
	ssize_t n = 1;

	c->in_session = true;
	while (to->n < OUT_BYTES && (n = nghttp2_session_mem_send(c->session, &p)) > 0)
		buf_add(to, (struct span){ (const char *)p, (size_t)n });
	c->in_session = false;
	return n > 0 ? E_FULL : n < 0 ? E_CORRUPT : 0;
}

static void forget_sent(struct grpc_connection *c)
{
	if (!c->out_at)
		return;
	c->out.n -= c->out_at;
	memmove(c->out.p, c->out.p + c->out_at, c->out.n);
	c->out_at = 0;
}

/* Through TLS as one piece: one record of it. */
static int collect(struct grpc_connection *c)
{
	struct buf *gather = &c->server->gather;

	forget_sent(c);
	if (!c->secure)
		return collect_into(c, &c->out);
	buf_clear(gather);
	int rc = collect_into(c, gather);
	if (gather->n && grpc_secure_write(c->secure, buf_span(gather)))
		return E_CORRUPT;
	return rc;
}

/* Also while something waits: what nghttp2 keeps has no bound, and reading stops only by what
 * waits. False: the connection is gone. */
static bool speak(struct grpc_connection *c)
{
	int rc = E_FULL;

	while (rc == E_FULL && !is_held(c)) {
		rc = collect(c);
		if (rc == E_CORRUPT) {
			grpc_connection_end(c, "the session is broken");
			return false;
		}
		if (!send_out(c))
			return false;
	}
	return true;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct grpc_connection *c)
{
	bool reads = !c->eof && !is_held(c);
	int events = (reads ? UV_READABLE : 0) | (waiting(c) ? UV_WRITABLE : 0);

	if (events == c->watched)
		return;
	c->watched = events;
	if (events)
		uv_poll_start(&c->poll, events, on_poll);
	else
		uv_poll_stop(&c->poll);
}

static bool is_over(const struct grpc_connection *c)
{
	if (waiting(c))
		return false;
	if (!c->session || (c->eof && !c->streams))
		return c->eof;
	return !nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session);
}

static void calm_down(struct grpc_connection *c)
{
	c->deaf = true;
	if (nghttp2_session_terminate_session(c->session, NGHTTP2_ENHANCE_YOUR_CALM))
		grpc_connection_end(c, "connection lost");
}

void grpc_connection_flush(struct grpc_connection *c)
{
	if (c->state == GRPC_SERVING && c->calm && !c->deaf)
		calm_down(c);
	if (c->state == GRPC_CLOSED || !send_out(c))
		return;
	if (c->state == GRPC_SERVING && c->session && !speak(c))
		return;
	if (c->state == GRPC_SERVING && is_over(c))
		linger(c);
	if (c->state != GRPC_CLOSED)
		watch(c);
}

void grpc_connection_dirty(struct grpc_connection *c)
{
	struct grpc_server *s = c->server;

	if (c->is_dirty || c->in_session)
		return; /* who called nghttp2 flushes */
	c->is_dirty = true;
	LL_PREPEND2(s->dirty, c, dirty_next);
	grpc_server_wake(s);
}

/* --- in --- */

void grpc_connection_wasted(struct grpc_connection *c)
{
	const int64_t most = WASTE_FRAMES + (int64_t)c->server->config.max_streams;
	int64_t now_ms = grpc_server_now_ms(c->server);
	int64_t back = (now_ms - c->waste_at_ms) * WASTE_PER_S / 1000;

	if (back > 0) {
		c->waste_left = c->waste_left + back > most ? most : c->waste_left + back;
		c->waste_at_ms = now_ms;
	}
	if (c->waste_left-- <= 0)
		c->calm = true;
}

static int begin_session(struct grpc_connection *c)
{
	struct grpc_server *s = c->server;
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, s->config.max_streams },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)s->config.window_bytes },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADERS_BYTES },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};
	int32_t window = (int32_t)s->config.window_bytes * CONNECTION_WINDOWS;

	CHECK(nghttp2_session_server_new3(&c->session, s->callbacks, c, s->option, &s->mem) == 0);
	if (nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
				    sizeof(settings) / sizeof(settings[0])))
		return E_CORRUPT;
	return nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, window)
		       ? E_CORRUPT
		       : 0;
}

static const char *fatal(struct grpc_connection *c, ssize_t rc)
{
	bool flood = rc == NGHTTP2_ERR_FLOODED || rc == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;

	if (rc >= 0)
		return NULL;
	if (!flood)
		return rc == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? "no HTTP/2" : nghttp2_strerror((int)rc);
	c->calm = true;
	return NULL;
}

/* NULL, or why the connection cannot go on. */
static const char *take_plain(struct grpc_connection *c, struct span bytes)
{
	if (c->deaf || c->calm || bytes.n == 0)
		return NULL;
	metric_add(METRIC_GRPC_BYTES, (int64_t)bytes.n);
	c->in_session = true;
	ssize_t rc = nghttp2_session_mem_recv(c->session, (const uint8_t *)bytes.p, bytes.n);
	c->in_session = false;
	return fatal(c, rc);
}

static const char *handshaken(struct grpc_connection *c)
{
	if (c->session || !grpc_secure_ready(c->secure))
		return NULL;
	if (!grpc_secure_is_h2(c->secure))
		return "TLS without HTTP/2 (ALPN)";
	if (c->server->draining)
		return "this server is stopping";
	return begin_session(c) ? "no session" : NULL;
}

/* As many records as are there, in one piece: fewer messages are cut. */
static ssize_t decrypt(struct grpc_connection *c, struct span *out, struct fault *f)
{
	ssize_t n = 0;

	*out = (struct span){ c->server->plain, 0 };
	while (out->n < GRPC_READ_BYTES &&
	       (n = grpc_secure_read(c->secure, c->server->plain + out->n, GRPC_READ_BYTES - out->n,
				     f)) > 0)
		out->n += (size_t)n;
	return n;
}

static const char *take_secure(struct grpc_connection *c, struct span bytes)
{
	struct fault f = { 0 };
	const char *wrong = NULL;
	ssize_t more = 1;

	grpc_secure_feed(c->secure, bytes);
	while (more > 0 && !wrong) {
		struct span plain;
		more = decrypt(c, &plain, &f);
		wrong = handshaken(c);
		if (!wrong && c->session)
			wrong = take_plain(c, plain);
	}
	if (more == E_CLOSED)
		c->eof = true;
	if (more == E_CORRUPT)
		log_debug("grpc", "%s: %s", c->peer, f.text);
	return more == E_CORRUPT ? "TLS failed" : wrong;
}

/* Requests that were not complete never will be. */
static void on_eof(struct grpc_connection *c)
{
	struct grpc_stream *s, *next;

	c->eof = true;
	DL_FOREACH_SAFE(c->streams, s, next)
	{
		if (!s->ended && !s->finished)
			nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, s->id,
						  NGHTTP2_CANCEL);
	}
}

static void take_wire(struct grpc_connection *c, struct span bytes)
{
	c->heard_ms = grpc_server_now_ms(c->server);
	c->pinged = false;
	if (c->state != GRPC_SERVING)
		return;
	const char *wrong = c->secure ? take_secure(c, bytes) : take_plain(c, bytes);
	if (!wrong)
		return;
	(void)send_out(c); /* an alert of TLS, at most */
	grpc_connection_end(c, wrong);
}

static void on_readable(struct grpc_connection *c)
{
	ssize_t n = recv(c->fd, c->server->wire, GRPC_READ_BYTES, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0 || (n == 0 && c->state == GRPC_LINGERING)) {
		grpc_connection_end(c, n ? "connection lost" : "connection ended");
		return;
	}
	if (n > 0)
		take_wire(c, (struct span){ c->server->wire, (size_t)n });
	if (c->state == GRPC_SERVING && (n == 0 || c->eof))
		on_eof(c);
}

/* The other side has reset the connection; what it said before is still there. */
static void read_rest(struct grpc_connection *c)
{
	for (int i = 0; i < REST_READS && c->state == GRPC_SERVING && !c->eof; i++)
		on_readable(c);
	if (c->state != GRPC_CLOSED)
		grpc_connection_end(c, "connection lost");
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct grpc_connection *c = CONTAINER_OF(poll, struct grpc_connection, poll);

	if (status < 0) {
		read_rest(c);
		return;
	}
	if (events & UV_READABLE)
		on_readable(c);
	if (c->state != GRPC_CLOSED)
		grpc_connection_flush(c);
}

/* --- life --- */

static void note_peer(struct grpc_connection *c)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at = { 0 };
	socklen_t n = sizeof(at);
	static const char mapped[] = "::ffff:"; /* IPv4 on a socket of IPv6 */

	if (getpeername(c->fd, &at.any, &n))
		return;
	const void *address = at.any.sa_family == AF_INET6 ? (const void *)&at.v6.sin6_addr
							   : (const void *)&at.v4.sin_addr;
	inet_ntop(at.any.sa_family, address, c->peer, sizeof(c->peer));
	if (strncmp(c->peer, mapped, sizeof(mapped) - 1) == 0)
		memmove(c->peer, c->peer + sizeof(mapped) - 1,
			strlen(c->peer + sizeof(mapped) - 1) + 1);
}

void grpc_connection_new(struct grpc_server *s, int fd)
{
	struct grpc_connection *c = calloc(1, sizeof(*c));

	CHECK(c);
	c->server = s;
	c->fd = fd;
	c->since_ms = c->heard_ms = c->moved_ms = c->waste_at_ms = grpc_server_now_ms(s);
	c->waste_left = WASTE_FRAMES + (int64_t)s->config.max_streams;
	c->poll.data = c;
	note_peer(c);
	DL_APPEND(s->connections, c);
	metric_add(METRIC_GRPC_CONNECTIONS, 1);
	CHECK(uv_poll_init(shard_loop(s->shard), &c->poll, fd) == 0);
	s->handles++;
	if (s->tls)
		c->secure = grpc_secure_new(s->tls, &c->out);
	else if (begin_session(c))
		grpc_connection_end(c, "no session");
	if (c->state == GRPC_SERVING)
		grpc_connection_flush(c);
}

void grpc_connection_drain(struct grpc_connection *c)
{
	if (c->state != GRPC_SERVING || !c->session)
		return;
	nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
			      nghttp2_session_get_last_proc_stream_id(c->session), NGHTTP2_NO_ERROR,
			      NULL, 0);
	grpc_connection_dirty(c);
}

void grpc_connection_stop(struct grpc_connection *c)
{
	static const char why[] = "this server is stopping";
	struct grpc_stream *s;

	grpc_connection_drain(c);
	DL_FOREACH(c->streams, s)
	{
		grpc_stream_turn_away(s, why);
	}
	grpc_connection_flush(c);
	grpc_connection_end(c, why);
}

/* --- the sweeper --- */

/* Nothing may take longer than a connection may be idle. */
static int64_t at_most(const struct grpc_connection *c, int64_t ms)
{
	return c->server->config.idle_ms < ms ? c->server->config.idle_ms : ms;
}

static int64_t stuck_ms(const struct grpc_connection *c)
{
	return c->server->config.stuck_ms ? c->server->config.stuck_ms : STUCK_MS;
}

static const char *overdue(const struct grpc_connection *c, int64_t now_ms)
{
	if (c->state == GRPC_LINGERING)
		return now_ms - c->since_ms > at_most(c, LINGER_MS) ? "it does not close" : NULL;
	if (!c->greeted && now_ms - c->since_ms > at_most(c, HANDSHAKE_MS))
		return "no handshake";
	if (waiting(c) && now_ms - c->moved_ms > at_most(c, stuck_ms(c)))
		return "it takes nothing";
	if (is_held(c)) /* what it is late with may be there */
		return NULL;
	if (c->headers_since_ms && now_ms - c->headers_since_ms > at_most(c, HEADERS_MS))
		return "headers without an end";
	if (c->streams && now_ms - c->heard_ms > 2 * at_most(c, PING_MS))
		return "no answer to PING";
	return NULL;
}

static void speak_up(struct grpc_connection *c, int64_t quiet_ms)
{
	if (!c->streams && quiet_ms > c->server->config.idle_ms) {
		c->deaf = true;
		nghttp2_session_terminate_session(c->session, NGHTTP2_NO_ERROR);
	} else if (c->streams && !c->pinged && quiet_ms > at_most(c, PING_MS)) {
		c->pinged = true;
		nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
	} else {
		return;
	}
	grpc_connection_flush(c);
}

void grpc_connection_sweep(struct grpc_connection *c, int64_t now_ms)
{
	const char *why = overdue(c, now_ms);

	if (why)
		grpc_connection_end(c, why);
	else if (c->state == GRPC_SERVING && c->session && !c->deaf)
		speak_up(c, now_ms - c->heard_ms);
}
