/* Plain HTTP on one socket.
 *
 * Happy path: on_request (headers are there) -> on_body ... -> body_complete -> the route's handler
 * -> connection_answer -> on_writeable until all is sent -> lws takes the next request.
 *
 * Failure modes: a refusal known from the headers (404, 405, 413 ...) of a request with a small
 * body waits for it, so that the connection can be used again; with a large or endless one it is
 * answered at once and the rest of the body is read and dropped for a while, because a socket
 * closed with unread bytes is reset, and a reset can overtake the answer. A client that leaves
 * makes the exchange an orphan; its answer is dropped. A request with a body that was sent before
 * the answer to the one in front of it is not taken and its connection closed (RFC 9112 9.3.2 lets
 * us; clients send it again): lws 4.1 reads such a body from the wrong place, or loops for ever.
 * Reading pauses while a handler owes an answer: libwebsockets does not consume input then and
 * would be called for it in every loop turn. It cannot be paused while an answer is written, so a
 * client that sends more, or half closes, and does not read a large answer keeps the loop busy
 * until the write deadline ends it. */
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "net/internal.h"

enum {
	PIECE_BYTES = 64 * 1024,
	SMALL_BODY_BYTES = 256 * 1024, /* a refusal waits for such a body */
	DROPPED_BODY_BYTES = 64 << 20, /* read after an early refusal */
	BODY_SECONDS = 60, /* for a whole body, plus one for each SLOW_BYTES announced */
	SLOW_BYTES = 32 * 1024,
	LINGER_SECONDS = 15,
	WRITE_SECONDS = 10, /* for one piece of an answer */
};

struct connection *connection_new(struct http_server *s, struct lws *wsi)
{
	struct connection *c = calloc(1, sizeof(*c));

	CHECK(c);
	c->server = s;
	c->wsi = wsi;
	c->file = -1;
	DL_APPEND(s->connections, c);
	metric_add(METRIC_CONNECTIONS, 1);
	return c;
}

static void drop_answer(struct connection *c)
{
	free(take(c->answer));
	c->answer_n = c->answer_at = 0;
	if (c->file >= 0)
		close(c->file);
	c->file = -1;
	c->file_left = 0;
}

/* Whoever handles the exchange keeps it; one that no handler has seen yet is ours. */
static void part_from_exchange(struct connection *c)
{
	struct exchange *x = take(c->exchange);

	if (!x)
		return;
	x->connection = NULL;
	if (c->state == CONNECTION_RECEIVING)
		exchange_free(x);
}

int connection_on_closed(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	(void)wsi, (void)in, (void)n;
	part_from_exchange(c);
	c->wsi = NULL;
	return 0;
}

int connection_on_destroy(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	struct http_server *s = c->server;

	if (c->ws)
		ws_on_closed(c, wsi, in, n);
	connection_on_closed(c, wsi, in, n);
	lws_set_opaque_user_data(wsi, NULL);
	drop_answer(c);
	DL_DELETE(s->connections, c);
	free(c);
	metric_add(METRIC_CONNECTIONS, -1);
	http_server_release(s);
	return 0;
}

static void resume_reading(struct connection *c)
{
	if (!c->rx_paused)
		return;
	c->rx_paused = false;
	lws_rx_flow_control(c->wsi, 1);
}

/* Without being told first that the socket is writable, which takes a turn of the loop and several
 * epoll_ctl. Not under a callback for this connection: what ends it is left to lws' next one. */
static void write_at_once(struct connection *c)
{
	if (!connection_on_writeable(c, c->wsi, NULL, 0))
		return;
	c->state = CONNECTION_ANSWERING;
	c->after = HTTP_CLOSES;
	lws_callback_on_writable(c->wsi);
}

void connection_append_file(struct connection *c, int fd, uint64_t from, uint64_t n)
{
	CHECK(c->file < 0);
	posix_fadvise(fd, (off_t)from, (off_t)n, POSIX_FADV_SEQUENTIAL);
	c->file = fd;
	c->file_at = from;
	c->file_left = n;
}

void connection_answer(struct connection *c, char *answer, size_t n, enum http_after after)
{
	bool waited = c->rx_paused; /* the handler has returned without an answer */

	c->exchange = NULL;
	if (!c->wsi) {
		free(answer);
		drop_answer(c);
		return;
	}
	CHECK(!c->answer);
	c->answer = answer;
	c->answer_n = n;
	c->answer_at = 0;
	c->after = after;
	c->state = CONNECTION_ANSWERING;
	resume_reading(c);
	lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0); /* what lws gives a body to arrive */
	c->deadline_us = clock_monotonic_us() + WRITE_SECONDS * SECOND_US;
	if (waited && after == HTTP_KEEPS)
		write_at_once(c);
	else
		lws_callback_on_writable(c->wsi);
}

/* Not with lws_set_timeout: its list is sorted and searched from the front, which costs more than a
 * request. */
bool connection_is_stuck(const struct connection *c, int64_t now_us)
{
	if (!c->wsi || now_us <= c->deadline_us)
		return false;
	if (c->state == CONNECTION_IDLE) /* lws has an eye on the first request, and on headers */
		return c->served && !request_has_table(c->wsi);
	return c->state == CONNECTION_ANSWERING || c->state == CONNECTION_LINGERING;
}

static int next_request(struct connection *c)
{
	c->state = CONNECTION_IDLE;
	c->frame = (struct body_frame){ 0 };
	c->chunks = (struct chunks){ 0 };
	c->body_read = false;
	c->dropped = 0;
	c->served++;
	if (lws_http_transaction_completed(c->wsi))
		return -1;
	c->pipelined = request_has_table(c->wsi);
	if (!c->pipelined)
		lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
	c->deadline_us = clock_monotonic_us() + IDLE_SECONDS * SECOND_US;
	return 0;
}

static int answer_sent(struct connection *c)
{
	drop_answer(c);
	if (!c->body_read) {
		c->state = CONNECTION_LINGERING;
		c->deadline_us = clock_monotonic_us() + LINGER_SECONDS * SECOND_US;
		return 0;
	}
	return c->after == HTTP_CLOSES ? -1 : next_request(c);
}

/* The next piece of the file becomes the answer. Shorter than it was said to be: nothing can be put
 * right any more. */
static bool read_on(struct connection *c)
{
	size_t want = c->file_left < PIECE_BYTES ? (size_t)c->file_left : PIECE_BYTES;
	char *piece = realloc(c->answer, PIECE_BYTES);

	CHECK(piece);
	c->answer = piece;
	ssize_t got = pread(c->file, piece, want, (off_t)c->file_at);
	if (got <= 0)
		return false;
	c->file_at += (uint64_t)got;
	c->file_left -= (uint64_t)got;
	c->answer_n = (size_t)got;
	c->answer_at = 0;
	return true;
}

int connection_on_writeable(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	(void)in, (void)n;
	if (c->state != CONNECTION_ANSWERING)
		return 0;
	if (c->answer_at == c->answer_n && c->file_left && !lws_partial_buffered(wsi) &&
	    !read_on(c))
		return -1;
	size_t left = c->answer_n - c->answer_at;
	size_t piece = left < PIECE_BYTES ? left : PIECE_BYTES;
	if (piece) {
		/* What the socket does not take of a piece is copied by lws, and we are not called
		 * until it has gone. */
		if (lws_write(wsi, (unsigned char *)c->answer + c->answer_at, piece,
			      LWS_WRITE_HTTP_HEADERS) < 0)
			return -1;
		c->answer_at += piece;
		c->deadline_us = clock_monotonic_us() + WRITE_SECONDS * SECOND_US;
	}
	if (c->answer_at == c->answer_n && !c->file_left && !lws_partial_buffered(wsi))
		return answer_sent(c);
	lws_callback_on_writable(wsi);
	return 0;
}

/* --- the body --- */

/* The rest of the body is not wanted: answer now, end the connection afterwards. */
static void refuse_at_once(struct connection *c, int status, const char *detail)
{
	c->exchange->after = HTTP_CLOSES;
	exchange_refuse(c->exchange, status, detail);
}

static void hand_over(struct connection *c)
{
	struct exchange *x = c->exchange;

	c->state = CONNECTION_HANDLING;
	lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
	x->received_us = clock_monotonic_us();
	x->match.route->handle(x);
	/* Pausing with read-ahead in lws makes it ask for POLLOUT, which it then does not serve: a
	 * busy loop. */
	if (c->state != CONNECTION_HANDLING || c->pipelined)
		return;
	c->rx_paused = true;
	lws_rx_flow_control(c->wsi, 0);
}

static void answer_options(struct exchange *x)
{
	struct buf methods AUTO_BUF = { 0 };

	http_put_methods(&methods, x->match.allow);
	exchange_answer_header(x, "Allow", buf_span(&methods));
	exchange_answer(x, 204, NULL, (struct span){ 0 });
}

/* Nonzero closes the connection. */
static int body_complete(struct connection *c)
{
	struct exchange *x = c->exchange;

	c->body_read = true;
	if (c->state == CONNECTION_LINGERING)
		return -1;
	if (c->state != CONNECTION_RECEIVING)
		return 0;
	if (x->refusal == 204)
		answer_options(x);
	else if (x->refusal)
		exchange_refuse(x, x->refusal, x->detail);
	else
		hand_over(c);
	return 0;
}

static void check_size(struct connection *c)
{
	struct exchange *x = c->exchange;

	if (x->body.n > x->match.route->body_limit)
		refuse_at_once(c, 413, "the body is larger than this path takes");
}

static enum chunks_end decode(struct connection *c, struct span in, struct buf *out)
{
	if (c->frame.kind == BODY_CHUNKED)
		return chunks_feed(&c->chunks, in, out);
	if (out)
		buf_add(out, in);
	return CHUNKS_MORE;
}

static bool wanted(const struct connection *c)
{
	return c->state == CONNECTION_RECEIVING && !c->exchange->refusal;
}

int connection_on_body(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	struct span bytes = { in, n };

	(void)wsi;
	if (c->body_read || n == 0)
		return 0;
	bool late = clock_monotonic_us() > c->deadline_us;
	struct buf *out = wanted(c) && !late ? &c->exchange->body : NULL;
	enum chunks_end end = decode(c, bytes, out);
	if (!out)
		c->dropped += n;
	if (late && c->state != CONNECTION_RECEIVING)
		return -1;
	if (late)
		refuse_at_once(c, 408, "the body came too slowly");
	else if (end == CHUNKS_BAD && c->state == CONNECTION_RECEIVING)
		refuse_at_once(c, 400, "the chunked body is malformed");
	else if (out)
		check_size(c);
	if (end == CHUNKS_BAD || c->dropped > DROPPED_BODY_BYTES)
		c->body_read = true; /* read no further; after an answer the connection is closed */
	if (c->body_read && c->state == CONNECTION_LINGERING)
		return -1;
	return end == CHUNKS_END ? body_complete(c) : 0;
}

/* Repeated by lws when more input arrives before the answer. */
int connection_on_body_end(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	(void)wsi, (void)in, (void)n;
	return c->body_read ? 0 : body_complete(c);
}

/* --- the headers --- */

static void refusal(struct exchange *x, int status, const char *detail)
{
	if (x->refusal)
		return;
	x->refusal = status;
	x->detail = detail;
}

static void judge_ws_route(struct exchange *x, struct lws *wsi)
{
	const char *fault = "this path speaks WebSocket";

	if (lws_hdr_total_length(wsi, WSI_TOKEN_KEY) > 0 && request_ws_fault(wsi))
		fault = request_ws_fault(wsi);
	exchange_answer_header(x, "Upgrade", SPAN("websocket"));
	exchange_answer_header(x, "Sec-WebSocket-Version", SPAN("13"));
	refusal(x, 426, fault);
}

static void judge_route(struct exchange *x, struct lws *wsi)
{
	struct buf methods AUTO_BUF = { 0 };

	if (x->refusal)
		return;
	router_find(x->server->router, x->method, x->path, &x->match);
	if (x->match.route && x->match.route->ws)
		judge_ws_route(x, wsi);
	if (x->match.route)
		return;
	if (!x->match.allow) {
		refusal(x, 404, "no such path");
	} else if (x->method == HTTP_OPTIONS) {
		refusal(x, 204, NULL);
	} else {
		http_put_methods(&methods, x->match.allow);
		exchange_answer_header(x, "Allow", buf_span(&methods));
		refusal(x, 405, "this path has other methods");
	}
}

static void judge_size(struct exchange *x, const struct body_frame *frame)
{
	if (!x->refusal && frame->kind == BODY_SIZED && frame->length > x->match.route->body_limit)
		refusal(x, 413, "the body is larger than this path takes");
}

static bool waits_for_body(const struct connection *c, bool expects_continue)
{
	return c->frame.kind == BODY_SIZED && c->frame.length <= SMALL_BODY_BYTES &&
	       !expects_continue && c->exchange->refusal != 413;
}

static int write_continue(struct lws *wsi)
{
	unsigned char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	return lws_write(wsi, text, sizeof(text) - 1, LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

static void start_deadline(struct connection *c)
{
	int64_t seconds = BODY_SECONDS + (int64_t)(c->frame.length / SLOW_BYTES);

	c->deadline_us = clock_monotonic_us() + seconds * SECOND_US;
}

int connection_on_request(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	struct exchange *x = request_capture(c);

	(void)in, (void)n;
	c->exchange = x;
	c->state = CONNECTION_RECEIVING;
	c->frame = request_frame(wsi, x->method);
	if (c->pipelined && (c->frame.kind != BODY_NONE || c->frame.opaque))
		return -1;
	if (c->frame.opaque)
		x->after = HTTP_CLOSES;
	if (c->frame.refusal)
		refusal(x, c->frame.refusal, c->frame.detail);
	judge_route(x, wsi);
	judge_size(x, &c->frame);
	bool expects_continue = request_expects_continue(wsi);
	if (c->frame.kind == BODY_NONE && !c->frame.refusal)
		return body_complete(c);
	start_deadline(c);
	if (x->refusal && !waits_for_body(c, expects_continue)) {
		/* Where a malformed body ends nobody knows. */
		c->body_read = c->frame.refusal != 0;
		refuse_at_once(c, x->refusal, x->detail);
		return 0;
	}
	if (!x->refusal && c->frame.kind == BODY_SIZED)
		buf_reserve(&x->body, (size_t)c->frame.length);
	return expects_continue ? write_continue(wsi) : 0;
}

/* --- Upgrade: --- */

static bool is_ws_route(struct connection *c, struct lws *wsi)
{
	struct arena a = { 0 };
	struct span path;
	enum http_method method = HTTP_GET;
	int token = -1;
	struct route_match m = { 0 };

	if (request_method(wsi, &method, &token) && request_path(wsi, token, &a, &path))
		router_find(c->server->router, method, path, &m);
	arena_fini(&a);
	return m.route && m.route->ws;
}

static void take_subprotocol(struct http_server *s, struct lws *wsi)
{
	char offered[127] = "";

	s->subprotocol[0] = '\0';
	if (lws_hdr_copy(wsi, offered, sizeof(offered), WSI_TOKEN_PROTOCOL) <= 0)
		return;
	size_t n = strcspn(offered, ", ");
	CHECK(n < sizeof(s->subprotocol));
	memcpy(s->subprotocol, offered, n);
	s->subprotocol[n] = '\0';
}

/* LWS_CALLBACK_HTTP_CONFIRM_UPGRADE. After an unknown Upgrade on a kept connection lws has answered
 * 403 and freed what `in` points at (the flaw NN-2025-0102) and reads it itself when we return 0.
 * So `in` is touched only after the header table has confirmed one of the two words lws knows, and
 * everything else is closed here.
 *
 * A server may ignore an Upgrade it does not like (RFC 9110 7.8): spoiling the word in lws' own
 * header table makes it serve the request as plain HTTP. That keeps out HTTP/2 over plain TCP and
 * gives failed handshakes a proper answer. */
int connection_on_upgrade(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	char word[16] = "";

	(void)n;
	if (lws_hdr_copy(wsi, word, sizeof(word), WSI_TOKEN_UPGRADE) <= 0)
		return -1;
	bool websocket = strcasecmp(word, "websocket") == 0;
	if (!websocket && strcasecmp(word, "h2c") != 0)
		return -1;
	if (websocket && is_ws_route(c, wsi) && !request_ws_fault(wsi))
		take_subprotocol(c->server, wsi);
	else
		*(char *)in = '-';
	return 0;
}
