/* WebSockets of src/net/http.h: raw frames, and the `ws` package of node as an independent client.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/metrics.h"
#include "rig.h"

enum { LIMIT = 100000, QUEUE = 256 * 1024, OWN_QUEUE = 1000 };

enum { TEXT = 0x81, BINARY = 0x82, CLOSE = 0x88, PING = 0x89, PONG = 0x8a };

static struct rig rig;
static atomic_int opened, closed_n, drained_n, refused;
static atomic_int close_code;
static struct ws *last; /* shard 0 only */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char subprotocols[100]; /* under lock: what the last accepted client offered */

static void note_subprotocols(struct span offered)
{
	pthread_mutex_lock(&lock);
	snprintf(subprotocols, sizeof(subprotocols), "%.*s", SPAN_ARG(offered));
	pthread_mutex_unlock(&lock);
}

static void expect_subprotocols(const char *expected)
{
	char seen[sizeof(subprotocols)];

	pthread_mutex_lock(&lock);
	memcpy(seen, subprotocols, sizeof(seen));
	pthread_mutex_unlock(&lock);
	assert_string_equal(expected, seen);
}

static int on_accept(struct exchange *x, struct ws *ws)
{
	struct span v;

	if (exchange_query(x, "status", &v)) {
		exchange_answer_header(x, "WWW-Authenticate", SPAN("Bearer"));
		atomic_fetch_add(&refused, 1);
		return atoi(v.p);
	}
	note_subprotocols(exchange_header(x, "sec-websocket-protocol", &v) ? v : SPAN(""));
	assert_true(span_is(exchange_param(x, "name"), "room"));
	ws_set_user(ws, &rig);
	return 0;
}

static void on_open(struct ws *ws)
{
	assert_ptr_equal(&rig, ws_user(ws));
	assert_ptr_equal(rig.servers[0], ws_server(ws));
	last = ws;
	atomic_fetch_add(&opened, 1);
}

static void send_text(struct ws *ws, struct span text)
{
	struct message *m = message_new(text);

	assert_int_equal(0, ws_send(ws, m));
	message_unref(m);
}

static void on_text(struct ws *ws, struct span text)
{
	if (span_is(text, "two at a time"))
		ws_gather(ws, 2);
	if (span_is(text, "close me")) {
		send_text(ws, SPAN("before the end"));
		ws_close(ws, 4001, "as you wish");
		assert_int_equal(E_CLOSED, ws_send(ws, NULL));
	} else {
		send_text(ws, text);
	}
}

static void on_binary(struct ws *ws, struct span bytes)
{
	char text[64];

	snprintf(text, sizeof(text), "%zu bytes", bytes.n);
	send_text(ws, span_of(text));
}

static void on_drained(struct ws *ws)
{
	assert_int_equal(0, ws_queued_bytes(ws));
	atomic_fetch_add(&drained_n, 1);
}

static void on_closed(struct ws *ws, int code)
{
	assert_ptr_equal(&rig, ws_user(ws));
	if (last == ws)
		last = NULL;
	atomic_store(&close_code, code);
	atomic_fetch_add(&closed_n, 1);
}

static const struct ws_handlers handlers = {
	.accept = on_accept,
	.open = on_open,
	.text = on_text,
	.binary = on_binary,
	.drained = on_drained,
	.closed = on_closed,
};
static const struct ws_handlers text_only = {
	.accept = on_accept,
	.open = on_open,
	.text = on_text,
	.closed = on_closed,
	.queue_bytes = OWN_QUEUE,
};

static void hello(struct exchange *x)
{
	exchange_answer(x, 200, "text/plain", SPAN("hello"));
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/live/{name}", LIMIT, NULL, &handlers, NULL },
	{ HTTP_GET, "/text/{name}", LIMIT, NULL, &text_only, NULL },
	{ HTTP_GET, "/hello", 0, hello, NULL, NULL },
};

static int setup(void **state)
{
	(void)state;
	rig.config.ws_queue_bytes = QUEUE;
	rig_start(&rig, 1, routes, sizeof(routes) / sizeof(routes[0]));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static int join(struct reply *r)
{
	int fd = client_connect(rig.port);
	int before = atomic_load(&opened);

	wsc_open(fd, "/live/room", "", r);
	assert_int_equal(101, r->status);
	rig_wait(&opened, before + 1);
	return fd;
}

static void leave(int fd, struct reply *r, struct buf *b)
{
	close(fd);
	rig_wait(&closed_n, atomic_load(&opened));
	reply_free(r);
	buf_free(b);
	rig_wait_connections(&rig, 0);
}

static void expect(int fd, struct reply *r, struct buf *b, const char *text)
{
	assert_int_equal(TEXT, wsc_read(fd, r, b));
	assert_string_equal(text, buf_z(b));
}

static void expect_close(int fd, struct reply *r, struct buf *b, int code, const char *reason)
{
	assert_int_equal(CLOSE, wsc_read(fd, r, b));
	assert_true(b->n >= 2);
	assert_int_equal(code, (unsigned char)b->p[0] << 8 | (unsigned char)b->p[1]);
	if (reason)
		assert_string_equal(reason, buf_z(b) + 2);
}

/* ------------------------------------------------------------------------------------------------------
 */

static void messages_of_all_sizes(void **state)
{
	(void)state;
	static const size_t sizes[] = {
		0, 1, 125, 126, 127, 8191, 8192, 8193, 65535, 65536, LIMIT
	};
	struct reply r = { 0 };
	struct buf b = { 0 };
	char *text = malloc(LIMIT);
	int fd = join(&r);

	memset(text, 'a', LIMIT);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		wsc_send(fd, TEXT, text, sizes[i]);
		assert_int_equal(TEXT, wsc_read(fd, &r, &b));
		assert_int_equal(sizes[i], b.n);
		if (b.n)
			assert_memory_equal(text, b.p, b.n);
		wsc_send(fd, BINARY, text, sizes[i]);
		assert_int_equal(TEXT, wsc_read(fd, &r, &b));
		assert_int_equal(sizes[i], atoi(buf_z(&b)));
	}
	free(text);
	assert_true(atomic_load(&drained_n) >= 1);
	leave(fd, &r, &b);
	assert_int_equal(1006, atomic_load(&close_code));
}

static void fragments_are_put_together(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf b = { 0 };
	int fd = join(&r);

	/* the euro sign is cut in the middle, and a ping comes between */
	wsc_send(fd, 0x01, "price \xe2", 7);
	wsc_send(fd, PING, "p", 1);
	wsc_send(fd, 0x00, "\x82", 1);
	wsc_send(fd, 0x80, "\xac!", 2);
	assert_int_equal(PONG, wsc_read(fd, &r, &b));
	assert_string_equal("p", buf_z(&b));
	expect(fd, &r, &b, "price \xe2\x82\xac!");
	leave(fd, &r, &b);
}

static void messages_above_the_limit_close_1009(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf b = { 0 };
	char *text = calloc(1, LIMIT + 1);

	for (int fragmented = 0; fragmented < 2; fragmented++) {
		int fd = join(&r);
		if (fragmented)
			wsc_send(fd, 0x02, text, LIMIT);
		wsc_send(fd, fragmented ? 0x80 : BINARY, text, fragmented ? 1 : LIMIT + 1);
		expect_close(fd, &r, &b, 1009, NULL);
		leave(fd, &r, &b);
		assert_int_equal(1009, atomic_load(&close_code));
	}
	free(text);
}

/* Its first bytes are enough: nobody waits for a gigabyte. */
static void a_declared_gigabyte_closes_1009(void **state)
{
	(void)state;
	static const char head[] = "\x82\xff\0\0\0\0\x40\0\0\0mask0123456789";
	struct reply r = { 0 };
	struct buf b = { 0 };
	int fd = join(&r);

	client_send(fd, head, sizeof(head) - 1);
	expect_close(fd, &r, &b, 1009, "message too large");
	leave(fd, &r, &b);
	assert_int_equal(1009, atomic_load(&close_code));
}

static void text_that_is_not_utf8_closes_1007(void **state)
{
	(void)state;
	static const char *const bad[] = { "\xff", "abc\xc3", "\xed\xa0\x80", "\xc0\xaf",
					   "12345678\xf5" };
	struct reply r = { 0 };
	struct buf b = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = join(&r);
		wsc_send(fd, TEXT, bad[i], strlen(bad[i]));
		expect_close(fd, &r, &b, 1007, NULL);
		leave(fd, &r, &b);
	}
	int fd = client_connect(rig.port);
	wsc_open(fd, "/text/room", "", &r);
	assert_int_equal(101, r.status);
	wsc_send(fd, BINARY, "x", 1);
	expect_close(fd, &r, &b, 1003, NULL);
	leave(fd, &r, &b);
}

static void what_is_queued_goes_before_the_close(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf b = { 0 };
	int fd = join(&r);

	wsc_send(fd, TEXT, "close me", 8);
	expect(fd, &r, &b, "before the end");
	expect_close(fd, &r, &b, 4001, "as you wish");
	wsc_send(fd, CLOSE, "\x0f\xa1", 2);
	assert_true(client_closed(fd));
	leave(fd, &r, &b);
	assert_int_equal(4001, atomic_load(&close_code));
}

static void the_clients_close_is_answered_and_reported(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf b = { 0 };
	int fd = join(&r);

	wsc_send(fd, CLOSE,
		 "\x0f\xa0"
		 "bye",
		 5);
	expect_close(fd, &r, &b, 4000, "bye");
	assert_true(client_closed(fd));
	leave(fd, &r, &b);
	assert_int_equal(4000, atomic_load(&close_code));
	fd = join(&r);
	wsc_send(fd, CLOSE, "", 0);
	assert_int_equal(CLOSE, wsc_read(fd, &r, &b));
	leave(fd, &r, &b);
	assert_int_equal(1005, atomic_load(&close_code));
}

/* Whatever comes, alone or not, of any kind: all of it is there in the end. */
static void a_gathered_stream_loses_nothing(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf b = { 0 };
	int fd = join(&r);

	wsc_send(fd, TEXT, "two at a time", 13);
	expect(fd, &r, &b, "two at a time");
	for (int i = 0; i < 20; i++) {
		wsc_send(fd, TEXT, "left", 4);
		wsc_send(fd, TEXT, "right", 5);
		expect(fd, &r, &b, "left");
		expect(fd, &r, &b, "right");
	}
	wsc_send(fd, TEXT, "x", 1);
	expect(fd, &r, &b, "x");
	wsc_send(fd, PING, "p", 1);
	assert_int_equal(PONG, wsc_read(fd, &r, &b));
	wsc_send(fd, TEXT, "close me", 8);
	expect(fd, &r, &b, "before the end");
	expect_close(fd, &r, &b, 4001, "as you wish");
	wsc_send(fd, CLOSE, "\x0f\xa1", 2);
	assert_true(client_closed(fd));
	leave(fd, &r, &b);
	assert_int_equal(4001, atomic_load(&close_code));
}

/* --- the send queue
 * -------------------------------------------------------------------------------------- */

static void fill(struct shard *s, void *arg)
{
	char text[10000];
	int *sent = arg;

	(void)s;
	memset(text, 'q', sizeof(text));
	struct message *m = message_new((struct span){ text, sizeof(text) });
	assert_int_equal(sizeof(text), message_text(m).n);
	while (ws_send(last, m) == 0)
		(*sent)++;
	assert_int_equal(E_FULL, ws_send(last, m));
	assert_true(ws_queued_bytes(last) <= QUEUE);
	message_unref(m);
}

static void send_two(struct shard *s, void *arg)
{
	char text[600] = { 0 };
	struct message *large = message_new((struct span){ text, sizeof(text) });
	struct message *small = message_new((struct span){ text, 300 });
	struct message *const both[] = { small, large }, *const twice[] = { small, small };

	(void)s, (void)arg;
	assert_int_equal(0, ws_send_all(last, both, 2));
	assert_int_equal(E_FULL, ws_send_all(last, twice, 2));
	assert_int_equal(300 + 600 + 2 * 4, ws_queued_bytes(last));
	message_unref(small);
	message_unref(large);
}

/* And the bound is that of the route. */
static void several_go_together_or_not_at_all(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf b = { 0 };
	int fd = client_connect(rig.port), before = atomic_load(&opened);

	wsc_open(fd, "/text/room", "", &r);
	rig_wait(&opened, before + 1);
	rig_on_shard(&rig, 0, send_two, NULL);
	leave(fd, &r, &b);
}

static void queued(struct shard *s, void *arg)
{
	(void)s;
	*(size_t *)arg = ws_queued_bytes(last);
}

static void drop(struct shard *s, void *arg)
{
	(void)s, (void)arg;
	ws_drop_queue(last);
	assert_int_equal(0, ws_queued_bytes(last));
	send_text(last, SPAN("fresh"));
}

static void a_slow_reader_fills_its_queue(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf b = { 0 };
	int fd = join(&r);
	int sent = 0, last_sent = -1, got = 0;

	/* until the kernel's buffers are full as well and nothing moves any more */
	for (int quiet = 0; quiet < 100 || sent * 10000 <= QUEUE;
	     quiet = sent == last_sent ? quiet + 1 : 0) {
		last_sent = sent;
		rig_on_shard(&rig, 0, fill, &sent);
		usleep(1000);
	}
	size_t n = 0;
	rig_on_shard(&rig, 0, queued, &n);
	assert_true(n > QUEUE - 20000);
	int drained_before = atomic_load(&drained_n);
	rig_on_shard(&rig, 0, drop, NULL);
	for (;;) {
		assert_int_equal(TEXT, wsc_read(fd, &r, &b));
		if (span_is(buf_span(&b), "fresh"))
			break;
		assert_int_equal(10000, b.n);
		got++;
	}
	assert_true(got < sent && sent - got <= QUEUE / 10000);
	rig_wait(&drained_n, drained_before + 1);
	leave(fd, &r, &b);
}

static void a_slow_reader_leaves(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf b = { 0 };
	int fd = join(&r), sent = 0;

	for (int i = 0; i < 100; i++)
		rig_on_shard(&rig, 0, fill, &sent);
	leave(fd, &r, &b);
}

/* --- the handshake
 * --------------------------------------------------------------------------------------- */

static void refusals_are_http_answers(void **state)
{
	(void)state;
	static const int statuses[] = { 401, 403, 404, 503 };
	struct reply r = { 0 };
	char path[50], title[50];
	int opened_before = atomic_load(&opened), closed_before = atomic_load(&closed_n);

	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/live/room?status=%d", statuses[i]);
		snprintf(title, sizeof(title), "\"status\":%d", statuses[i]);
		int fd = client_connect(rig.port);
		wsc_open(fd, path, "", &r);
		assert_int_equal(statuses[i], r.status);
		assert_true(reply_has(&r, "application/problem+json"));
		assert_true(reply_has(&r, "www-authenticate: Bearer"));
		assert_true(reply_has(&r, title));
		assert_true(client_closed(fd));
		close(fd);
		reply_free(&r);
	}
	rig_wait_connections(&rig, 0);
	assert_int_equal(opened_before, atomic_load(&opened));
	assert_int_equal(closed_before, atomic_load(&closed_n));
}

static void subprotocols_offered(void **state)
{
	(void)state;
	static const char *const offers[][2] = {
		{ "callmend, bearer.abc-DEF_123.x", "callmend" },
		{ "audio.jambonz.org", "audio.jambonz.org" },
		{ "http", "http" },
		{ "graphql-ws,graphql-transport-ws", "graphql-ws" },
	};
	struct reply r = { 0 };
	struct buf b = { 0 };
	char header[200], answer[200];

	for (size_t i = 0; i < 4; i++) {
		snprintf(header, sizeof(header), "Sec-WebSocket-Protocol: %s\r\n", offers[i][0]);
		snprintf(answer, sizeof(answer), "\r\nsec-websocket-protocol: %s\r\n",
			 offers[i][1]);
		int fd = client_connect(rig.port);
		wsc_open(fd, "/live/room", header, &r);
		assert_int_equal(101, r.status);
		assert_true(reply_has(&r, answer));
		expect_subprotocols(offers[i][0]);
		wsc_send(fd, TEXT, "hi", 2);
		expect(fd, &r, &b, "hi");
		leave(fd, &r, &b);
	}
	int fd = join(&r);
	assert_false(reply_has(&r, "sec-websocket-protocol"));
	expect_subprotocols("");
	leave(fd, &r, &b);
}

static void ask(const char *request, int status, const char *text)
{
	struct reply r = { 0 };
	int fd = client_ask(rig.port, request, &r);

	if (r.status != status || !reply_has(&r, text))
		fail_msg("%d %s: %s", r.status, buf_z(&r.body), request);
	close(fd);
	reply_free(&r);
}

#define WS(path, rest)                                                                           \
	"GET " path " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n" rest \
	"\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"

static void bad_handshakes_get_an_answer(void **state)
{
	(void)state;
	int before = atomic_load(&opened);

	ask("GET /live/room HTTP/1.1\r\nHost: x\r\n\r\n", 426, "Upgrade: websocket");
	ask(WS("/live/room", KEY "Sec-WebSocket-Version: 8\r\n"), 426, "must be 13");
	ask(WS("/live/room", KEY), 426, "sec-websocket-version: 13");
	ask(WS("/live/room", V13), 426, "WebSocket");
	ask(WS("/live/room", V13 "Sec-WebSocket-Key: short\r\n"), 426, "16 bytes");
	ask(WS("/live/room", V13 KEY "Sec-WebSocket-Protocol: a/b\r\n"), 426,
	    "Sec-WebSocket-Protocol");
	ask(WS("/live/room", V13 KEY "Sec-WebSocket-Protocol: 123\r\n"), 426,
	    "Sec-WebSocket-Protocol");
	ask(WS("/nope", V13 KEY), 404, "no such path");
	ask(WS("/hello", V13 KEY), 200, "hello");
	ask("POST /live/room HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: "
	    "websocket\r\n" KEY V13 "Content-Length: 0\r\n\r\n",
	    405, "Allow: GET");
	ask("GET /live/room HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUpgrade: websocket\r\n" KEY
		    V13 "\r\n",
	    426, "Connection: Upgrade");
	ask("GET /live/room HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" KEY V13
	    "\r\n",
	    426, "Host");
	assert_int_equal(before, atomic_load(&opened));
	rig_wait_connections(&rig, 0);
}

/* An accepted ws that never opens is closed all the same: nothing leaks (I: accept then gone). */
static void an_upgrade_after_a_request(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf b = { 0 };
	int fd = client_ask(rig.port, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &r);

	wsc_open(fd, "/live/room", "", &r);
	assert_int_equal(101, r.status);
	wsc_send(fd, TEXT, "hi", 2);
	expect(fd, &r, &b, "hi");
	leave(fd, &r, &b);
}

static void frames_right_behind_the_handshake(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf b = { 0 };
	int fd = client_connect(rig.port);
	static const char request[] = WS("/live/room", KEY V13) "\x81\x82\x00\x00\x00\x00hi";

	client_send(fd, request, sizeof(request) - 1);
	client_reply(fd, REPLY_FULL, &r);
	assert_int_equal(101, r.status);
	expect(fd, &r, &b, "hi");
	leave(fd, &r, &b);
}

/* --- abuse
 * ------------------------------------------------------------------------------------------------
 */

static void broken_frames_are_survived(void **state)
{
	(void)state;
	static const struct span frames[] = {
		{ "\x83\x80\0\0\0\0", 6 }, /* opcode 3 */
		{ "\x09\x80\0\0\0\0", 6 }, /* fragmented ping */
		{ "\xc1\x80\0\0\0\0", 6 }, /* reserved bit */
		{ "\x80\x80\0\0\0\0", 6 }, /* continuation of nothing */
		{ "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14 }, /* 2^64 bytes */
		{ "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0xxxxxxxx", 22 },
		{ "\x89\xfe\x01\x00\0\0\0\0", 8 }, /* long ping */
		{ "\x88\x81\0\0\0\0x", 7 },	   /* close of one byte */
		{ "\x81\x02hi", 4 },		   /* not masked */
		{ "GET / HTTP/1.1\r\n\r\n", 18 },
	};
	struct reply r = { 0 };
	struct buf b = { 0 };
	unsigned seed = 3;
	char sink[4096];

	for (int i = 0; i < 200; i++) {
		int fd = join(&r);
		if (i < 10)
			client_send(fd, frames[i].p, frames[i].n);
		for (size_t k = 0; i >= 10 && k < sizeof(sink); k++)
			sink[k] = (char)(rand_r(&seed) >> 4);
		if (i >= 10)
			send(fd, sink, (size_t)(rand_r(&seed) % 4096), MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		while (recv(fd, sink, sizeof(sink), 0) > 0)
			continue;
		leave(fd, &r, &b);
	}
	int fd = join(&r);
	wsc_send(fd, TEXT, "alive", 5);
	expect(fd, &r, &b, "alive");
	leave(fd, &r, &b);
}

static void nodes_ws_agrees(void **state)
{
	(void)state;
	struct buf out = { 0 };
	int before = atomic_load(&closed_n);
	int rc = shell(
		&out,
		"NODE_PATH=/usr/share/nodejs node -e 'const W = require(\"ws\");"
		"const w = new W(\"ws://127.0.0.1:%u/live/room\", [\"callmend\", \"bearer.tok\"]);"
		"w.on(\"open\", () => { console.log(w.protocol, w.extensions === \"\"); "
		"w.send(\"x\".repeat(90000)); });"
		"w.on(\"message\", (m, bin) => { console.log(m.length, bin); if (m.length > 100) "
		"w.send(\"close me\"); });"
		"w.on(\"close\", (c, r) => { console.log(c, r.toString());"
		"const q = new W(\"ws://127.0.0.1:%u/live/room?status=401\");"
		"q.on(\"unexpected-response\", (_, res) => { console.log(res.statusCode); "
		"res.on(\"data\", (d) => console.log(d.toString()));"
		"res.on(\"end\", () => process.exit(0)); }); });' 2>&1",
		rig.port, rig.port);

	if (rc ||
	    strcmp(buf_z(&out),
		   "callmend true\n90000 false\n14 false\n4001 as you wish\n401\n"
		   "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401}\n") != 0)
		fail_msg("node: %d: %s", rc, buf_z(&out));
	rig_wait(&closed_n, before + 1);
	buf_free(&out);
}

static void stopping_closes_sockets_with_full_queues(void **state)
{
	(void)state;
	struct rig own = { 0 };
	struct reply r = { 0 };
	int before = atomic_load(&closed_n), opened_before = atomic_load(&opened), sent = 0;
	struct rig kept = rig;

	rig_start(&own, 1, routes, sizeof(routes) / sizeof(routes[0]));
	rig.servers[0] = own.servers[0]; /* what on_open compares with */
	int a = client_connect(own.port), b = client_connect(own.port);
	wsc_open(a, "/live/room", "", &r);
	wsc_open(b, "/live/room", "", &r);
	rig_wait(&opened, opened_before + 2);
	for (int i = 0; i < 50; i++)
		rig_on_shard(&own, 0, fill, &sent);
	rig_stop(&own);
	rig.servers[0] = kept.servers[0];
	assert_int_equal(before + 2, atomic_load(&closed_n));
	close(a);
	close(b);
	reply_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_all_sizes),
		cmocka_unit_test(fragments_are_put_together),
		cmocka_unit_test(messages_above_the_limit_close_1009),
		cmocka_unit_test(a_declared_gigabyte_closes_1009),
		cmocka_unit_test(text_that_is_not_utf8_closes_1007),
		cmocka_unit_test(what_is_queued_goes_before_the_close),
		cmocka_unit_test(a_gathered_stream_loses_nothing),
		cmocka_unit_test(the_clients_close_is_answered_and_reported),
		cmocka_unit_test(several_go_together_or_not_at_all),
		cmocka_unit_test(a_slow_reader_fills_its_queue),
		cmocka_unit_test(a_slow_reader_leaves),
		cmocka_unit_test(refusals_are_http_answers),
		cmocka_unit_test(subprotocols_offered),
		cmocka_unit_test(bad_handshakes_get_an_answer),
		cmocka_unit_test(an_upgrade_after_a_request),
		cmocka_unit_test(frames_right_behind_the_handshake),
		cmocka_unit_test(broken_frames_are_survived),
		cmocka_unit_test(nodes_ws_agrees),
		cmocka_unit_test(stopping_closes_sockets_with_full_queues),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
