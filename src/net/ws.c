/* A WebSocket after its upgrade.
 *
 * Sending: one message of the queue per WRITEABLE callback; lws withholds the callback while the
 * socket is full, so the queue is the backpressure and its bound the answer to a slow reader.
 * Receiving: pieces are put together up to the route's limit, in memory that is kept for the next
 * message; a message in one piece is handed on without a copy. Closing: what is queued, then the
 * close frame, then at most CLOSE_SECONDS for the other side's. */
#include <stdlib.h>

#include "base/metrics.h"
#include "base/utf8.h"
#include "net/internal.h"

enum {
	REASON_MAX = 120,
	CODE_ABNORMAL = 1006,
	CODE_NO_STATUS = 1005,
	FRAME_CLOSE = 0x88,
	CLOSE_SECONDS = 5, /* for the other side's close frame */
};

/* Memory that a message will touch. It may be gone: it is only fetched. */
struct ws_memory {
	const char *wsi, *connection, *ws, *user;
};

struct ws {
	struct connection *connection;
	const struct ws_handlers *handlers;
	size_t limit; /* of a message */
	void *user;
	bool open;
	bool closing;	 /* ws_close was called */
	bool close_sent; /* a close frame has gone out, or the other side's came */
	bool failed;	 /* we close it for what came */
	int close_code;	 /* for `closed` */
	size_t gathered; /* gather.c */
	struct buf received;
	struct ws_memory after; /* who received after us the last time */
	struct message **queue; /* ring */
	size_t head, count, cap;
	size_t queued_bytes;
	size_t reason_n;
	char reason[REASON_MAX];
};

void ws_set_user(struct ws *ws, void *user)
{
	ws->user = user;
}

void *ws_user(const struct ws *ws)
{
	return ws->user;
}

void ws_limit(struct ws *ws, size_t bytes)
{
	ws->limit = bytes < ws->limit ? bytes : ws->limit;
}

bool ws_failed(const struct ws *ws)
{
	return ws->failed;
}

struct http_server *ws_server(const struct ws *ws)
{
	return ws->connection->server;
}

size_t ws_queued_bytes(const struct ws *ws)
{
	return ws->queued_bytes;
}

/* --- the queue --- */

static void queue_grow(struct ws *ws)
{
	size_t cap = ws->cap ? ws->cap * 2 : 8;
	struct message **bigger = malloc(cap * sizeof(struct message *));

	CHECK(bigger);
	for (size_t i = 0; i < ws->count; i++)
		bigger[i] = ws->queue[(ws->head + i) & (ws->cap - 1)];
	free(ws->queue);
	ws->queue = bigger;
	ws->cap = cap;
	ws->head = 0;
}

static void queue_put(struct ws *ws, struct message *m)
{
	if (ws->count == ws->cap)
		queue_grow(ws);
	ws->queue[(ws->head + ws->count++) & (ws->cap - 1)] = m;
	ws->queued_bytes += message_frame(m).n;
}

static struct message *queue_take(struct ws *ws)
{
	struct message *m = ws->queue[ws->head];

	ws->head = (ws->head + 1) & (ws->cap - 1);
	ws->count--;
	ws->queued_bytes -= message_frame(m).n;
	return m;
}

void ws_drop_queue(struct ws *ws)
{
	while (ws->count)
		message_unref(queue_take(ws));
}

static size_t queue_bound(const struct ws *ws)
{
	size_t own = ws->handlers->queue_bytes;

	return own ? own : ws_server(ws)->config.ws_queue_bytes;
}

int ws_send_all(struct ws *ws, struct message *const *m, size_t n)
{
	size_t bytes = ws->queued_bytes;

	if (ws->closing || !ws->connection->wsi)
		return E_CLOSED;
	for (size_t i = 0; i < n; i++)
		bytes += message_frame(m[i]).n;
	if (bytes > queue_bound(ws))
		return E_FULL;
	for (size_t i = 0; i < n; i++)
		queue_put(ws, message_ref(m[i]));
	if (ws->open && n)
		lws_callback_on_writable(ws->connection->wsi);
	return 0;
}

int ws_send(struct ws *ws, struct message *m)
{
	return ws_send_all(ws, &m, 1);
}

void ws_gather(struct ws *ws, unsigned messages)
{
	if (ws->connection->wsi)
		gather_set(&ws_server(ws)->gather, &ws->gathered,
			   lws_get_socket_fd(ws->connection->wsi), messages);
}

/* --- closing --- */

void ws_close(struct ws *ws, int code, const char *reason)
{
	if (ws->closing)
		return;
	ws->closing = true;
	ws_gather(ws, 0);
	ws->close_code = code;
	ws->reason_n = reason ? strlen(reason) : 0;
	if (ws->reason_n > REASON_MAX)
		ws->reason_n = REASON_MAX;
	if (ws->reason_n)
		memcpy(ws->reason, reason, ws->reason_n);
	if (!ws->open || !ws->connection->wsi)
		return;
	/* A peer that takes no more bytes would never let the close frame out. */
	lws_set_timeout(ws->connection->wsi, PENDING_TIMEOUT_CLOSE_SEND, CLOSE_SECONDS);
	lws_callback_on_writable(ws->connection->wsi);
}

/* Not lws_close_reason(): Debian's lws closes twice when a WRITEABLE callback asks for it ("uv
 * repeat test" of debug builds), and the second time kills the connection before the frame is out.
 */
static int send_close(struct ws *ws, struct lws *wsi)
{
	unsigned char frame[4 + REASON_MAX] = { FRAME_CLOSE, (unsigned char)(2 + ws->reason_n),
						(unsigned char)(ws->close_code >> 8),
						(unsigned char)ws->close_code };

	memcpy(frame + 4, ws->reason, ws->reason_n);
	ws->close_sent = true;
	lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_ACK, CLOSE_SECONDS);
	return lws_write(wsi, frame, 4 + ws->reason_n, LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

/* What the client sends from now on is read and dropped until it has seen why. */
static int fail(struct ws *ws, struct lws *wsi, int code, const char *reason)
{
	ws_drop_queue(ws);
	ws->failed = !ws->closing;
	ws_close(ws, code, reason);
	return send_close(ws, wsi);
}

/* lws answers a close frame, but must not when it is the answer to ours. */
int ws_on_peer_close(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	const unsigned char *code = in;

	(void)wsi;
	if (!c->ws)
		return 0;
	if (c->ws->close_sent)
		return -1;
	if (!c->ws->closing)
		c->ws->close_code = n >= 2 ? code[0] << 8 | code[1] : CODE_NO_STATUS;
	c->ws->closing = c->ws->close_sent = true;
	return 0;
}

static void ws_free(struct ws *ws)
{
	struct http_server *s = ws_server(ws);

	if (s->received == ws)
		s->received = NULL;
	if (ws->gathered)
		gather_forget(&s->gather, &ws->gathered);
	ws_drop_queue(ws);
	free(ws->queue);
	buf_free(&ws->received);
	free(ws);
}

int ws_on_closed(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	struct ws *ws = c->ws;

	connection_on_closed(c, wsi, in, n);
	if (!ws)
		return 0;
	ws->open = false;
	if (ws->handlers->closed)
		ws->handlers->closed(ws, ws->close_code ? ws->close_code : CODE_ABNORMAL);
	c->ws = NULL;
	ws_free(ws);
	return 0;
}

/* --- the handshake --- */

/* The role is already WebSocket's, but the answer is still plain bytes; lws closes when we return
 * nonzero. */
static int refuse(struct exchange *x, struct lws *wsi, int status)
{
	struct buf body AUTO_BUF = { 0 };
	size_t n;

	x->after = HTTP_CLOSES;
	http_put_problem(&body, status, NULL);
	char *answer = exchange_render(x, status, "application/problem+json", buf_span(&body), &n);
	lws_write(wsi, (unsigned char *)answer, n, LWS_WRITE_HTTP_HEADERS);
	free(answer);
	return -1;
}

int ws_on_handshake(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	struct exchange *x = request_capture(c);
	struct ws *ws = calloc(1, sizeof(*ws));
	int status;

	(void)in, (void)n;
	CHECK(ws);
	router_find(c->server->router, x->method, x->path, &x->match);
	CHECK(x->match.route && x->match.route->ws); /* connection_on_upgrade saw to it */
	ws->connection = c;
	ws->handlers = x->match.route->ws;
	ws->limit = x->match.route->body_limit;
	c->state = CONNECTION_UPGRADED;
	status = ws->handlers->accept ? ws->handlers->accept(x, ws) : 0;
	int rc = status ? refuse(x, wsi, status) : 0;
	metric_add_label(METRIC_HTTP_REQUESTS, http_class(status ? status : 101), 1);
	exchange_free(x);
	if (rc)
		ws_free(ws);
	else
		c->ws = ws;
	return rc;
}

int ws_on_established(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	struct ws *ws = c->ws;

	(void)in, (void)n;
	if (!ws)
		return -1;
	ws->open = true;
	buf_reserve(&ws->received, ws->handlers->pieces_bytes);
	if (ws->handlers->open)
		ws->handlers->open(ws);
	if (ws->count || ws->closing)
		lws_callback_on_writable(wsi);
	return 0;
}

/* --- messages --- */

static bool is_utf8(struct span s)
{
	for (const char *p = s.p, *end = s.p + s.n; p < end;) {
		uint64_t eight;
		if (end - p >= 8 && (memcpy(&eight, p, 8), !(eight & 0x8080808080808080))) {
			p += 8;
			continue;
		}
		int step = utf8_step(p, end);
		if (step < 0)
			return false;
		p += step;
	}
	return true;
}

static int deliver(struct ws *ws, struct lws *wsi, struct span message)
{
	bool binary = lws_frame_is_binary(wsi) != 0;
	void (*handler)(struct ws *, struct span) =
		binary ? ws->handlers->binary : ws->handlers->text;

	if (!binary && !is_utf8(message))
		return fail(ws, wsi, LWS_CLOSE_STATUS_INVALID_PAYLOAD, "text is not UTF-8");
	if (ws->gathered)
		gather_received(&ws_server(ws)->gather, ws->gathered, message.n);
	if (!handler)
		return fail(ws, wsi, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE,
			    binary ? "binary is not taken here" : "text is not taken here");
	handler(ws, message);
	return 0;
}

static void fetch(const char *at, size_t n)
{
	enum { LINE = 64 };

	for (size_t i = 0; i < n; i += LINE)
		__builtin_prefetch(at + i);
}

/* Of a thousand sockets each finds its memory cold. Where they speak at a steady pace, as live
 * audio does, they do so in the same order again and again: who came next the last time is
 * expected. */
static void expect_next(struct ws *ws, struct lws *wsi)
{
	enum { WSI_FRONT = 512 };
	struct http_server *s = ws_server(ws);
	const struct ws_memory here = { (const char *)wsi, (const char *)ws->connection,
					(const char *)ws, ws->user };

	if (s->received)
		s->received->after = here;
	s->received = ws;
	if (!ws->after.ws)
		return;
	fetch(ws->after.wsi, WSI_FRONT);
	fetch(ws->after.connection, sizeof(*ws->connection));
	fetch(ws->after.ws, sizeof(*ws) - REASON_MAX);
	fetch(ws->after.user, ws->handlers->user_front);
}

int ws_on_receive(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	struct ws *ws = c->ws;

	if (!ws || ws->closing)
		return 0;
	expect_next(ws, wsi);
	if (lws_is_first_fragment(wsi))
		buf_clear(&ws->received);
	/* What a frame announces counts before it is there. */
	size_t announced = lws_remaining_packet_payload(wsi);
	if (announced > ws->limit || ws->received.n + n + announced > ws->limit)
		return fail(ws, wsi, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "message too large");
	bool last = lws_is_final_fragment(wsi) != 0;
	if (last && ws->received.n == 0)
		return deliver(ws, wsi, (struct span){ in, n });
	buf_add(&ws->received, (struct span){ in, n });
	if (!last)
		return 0;
	int rc = deliver(ws, wsi, buf_span(&ws->received));
	if (ws->received.cap > WS_KEPT_BYTES)
		buf_free(&ws->received);
	buf_clear(&ws->received);
	return rc;
}

static int send_one(struct ws *ws, struct lws *wsi)
{
	struct message *m = queue_take(ws);
	struct span frame = message_frame(m);
	/* As raw bytes: the frame has its header already. */
	int rc = lws_write(wsi, (unsigned char *)frame.p, frame.n, LWS_WRITE_HTTP_HEADERS);

	message_unref(m);
	return rc < 0 ? -1 : 0;
}

int ws_on_writeable(struct connection *c, struct lws *wsi, void *in, size_t n)
{
	struct ws *ws = c->ws;

	(void)in, (void)n;
	if (!ws || ws->close_sent)
		return 0;
	if (ws->count == 0)
		return ws->closing ? send_close(ws, wsi) : 0;
	if (send_one(ws, wsi))
		return -1;
	if (ws->count || ws->closing)
		lws_callback_on_writable(wsi);
	else if (ws->handlers->drained)
		ws->handlers->drained(ws);
	return 0;
}
