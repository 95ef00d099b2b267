/* src/net/ws_client.h against our own server, both on one shard. */
#include <stdio.h>
#include <stdlib.h>

#include "net/ws_client.h"
#include "rig.h"

enum { LIMIT = 50000 };

static struct rig rig;
static struct ws_dialer *dialer, *second; /* somebody else's on this loop: the same */

/* --- the server --- */

static int on_accept(struct exchange *x, struct ws *ws)
{
	struct span v;

	(void)ws;
	if (exchange_query(x, "status", &v))
		return atoi(v.p);
	if (!exchange_query(x, "headers", &v))
		return 0;
	if (!exchange_header(x, "authorization", &v) || !span_is(v, "Bearer key"))
		return 401;
	return exchange_header(x, "x-first", &v) && span_is(v, "1") &&
			       exchange_header(x, "x-second", &v) && span_is(v, "two words")
		       ? 0
		       : 400;
}

static void echo(struct ws *ws, struct message *m)
{
	assert_int_equal(0, ws_send(ws, m));
	message_unref(m);
}

static void on_text(struct ws *ws, struct span text)
{
	char copy[16];

	snprintf(copy, sizeof(copy), "%.*s", (int)(text.n < 15 ? text.n : 15), text.p);
	if (strncmp(copy, "leave ", 6) == 0) {
		ws_close(ws, atoi(copy + 6), "go");
	} else {
		echo(ws, message_new(text));
	}
}

static void on_binary(struct ws *ws, struct span bytes)
{
	echo(ws, message_new_binary(bytes));
}

static const struct ws_handlers handlers = { .accept = on_accept,
					     .text = on_text,
					     .binary = on_binary };
static const struct http_route routes[] = {
	{ .method = HTTP_GET, .pattern = "/echo", .body_limit = 100000, .ws = &handlers },
};

static void start_dialer(struct rig *r, struct shard *s)
{
	static const char *const names[] = { "x-first", "x-second" };
	struct fault f;

	http_server_capture(r->servers[0], names, 2);
	assert_int_equal(0, ws_dialer_new(&dialer, shard_loop(s), NULL, &f));
	assert_int_equal(0, ws_dialer_new(&second, shard_loop(s), NULL, &f));
}

static void stop_dialer(struct rig *r, struct shard *s)
{
	(void)r, (void)s;
	ws_dialer_free(dialer);
	ws_dialer_free(second);
}

static int setup(void **state)
{
	(void)state;
	rig.config.ws_queue_bytes = 1 << 20;
	rig.on_start = start_dialer;
	rig.on_stop = stop_dialer;
	rig_start(&rig, 1, routes, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

/* --- a client --- */

struct caller {
	struct ws_client *ws;
	struct ws_connect connect;
	char url[128];
	atomic_int opened, texts, binaries, closed;
	size_t bytes;
	int status, code;
	char why[200], last[200];
	bool free_on_text;
	int leave;	 /* the code that the server is to close with */
	atomic_int sent; /* messages that were written, in their order */
};

static void caller_open(void *user)
{
	atomic_fetch_add(&((struct caller *)user)->opened, 1);
}

static void caller_text(void *user, struct span text)
{
	struct caller *c = user;

	snprintf(c->last, sizeof(c->last), "%.*s", (int)(text.n < 190 ? text.n : 190), text.p);
	if (c->free_on_text) {
		ws_client_free(c->ws);
		c->ws = NULL;
	}
	atomic_fetch_add(&c->texts, 1);
}

static void caller_binary(void *user, struct span bytes)
{
	struct caller *c = user;

	c->bytes += bytes.n;
	atomic_fetch_add(&c->binaries, 1);
}

static void caller_closed(void *user, int status, const char *why)
{
	struct caller *c = user;

	c->status = status;
	c->code = ws_client_close_code(c->ws);
	snprintf(c->why, sizeof(c->why), "%s", why);
	atomic_fetch_add(&c->closed, 1);
}

static void caller_sent(void *user, uint64_t number, bool whole)
{
	struct caller *c = user;

	assert_true(whole);
	assert_int_equal(atomic_fetch_add(&c->sent, 1) + 1, number);
}

static const struct ws_client_handlers caller_handlers = { caller_open, caller_text, caller_binary,
							   caller_closed, caller_sent };

static void dial(struct shard *s, void *arg)
{
	struct caller *c = arg;
	struct fault f;

	(void)s;
	if (!c->ws)
		ws_client_of(&c->ws, dialer, LIMIT, &caller_handlers, c);
	c->connect.url = c->url;
	assert_int_equal(0, ws_client_dial(c->ws, &c->connect, &f));
	assert_int_equal(E_CONFLICT, ws_client_dial(c->ws, &c->connect, &f));
}

static void hang_up(struct shard *s, void *arg)
{
	struct caller *c = arg;

	(void)s;
	ws_client_free(c->ws);
	c->ws = NULL;
}

static void call(struct caller *c, const char *query)
{
	snprintf(c->url, sizeof(c->url), "ws://127.0.0.1:%u/echo%s", rig.port, query);
	rig_on_shard(&rig, 0, dial, c);
}

static void send_leave(struct shard *s, void *arg)
{
	struct caller *c = arg;
	char text[16];

	(void)s;
	snprintf(text, sizeof(text), "leave %d", c->leave);
	assert_int_equal(0, ws_client_send(c->ws, span_of(text)));
}

static void send_sizes(struct shard *s, void *arg)
{
	static const size_t sizes[] = { 0, 1, 160, 125, 126, 2048, 2049, 40000 };
	static char bytes[LIMIT];
	struct caller *c = arg;

	(void)s;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_int_equal(0, ws_client_send_binary(c->ws, (struct span){ bytes, sizes[i] }));
	assert_int_equal(44509, ws_client_queued_bytes(c->ws));
	assert_int_equal(0, ws_client_send(c->ws, SPAN("text between")));
	assert_int_equal(ws_client_last(c->ws), atomic_load(&c->sent) + 9);
}

/* ------------------------------------------------------------------------------------------ */

static void messages_go_both_ways(void **state)
{
	(void)state;
	struct caller a = { 0 }, b = { 0 };

	call(&a, "");
	call(&b, "");
	rig_wait(&a.opened, 1);
	rig_wait(&b.opened, 1);
	for (int round = 1; round < 4; round++) {
		rig_on_shard(&rig, 0, send_sizes, &a);
		rig_wait(&a.binaries, 8 * round);
		rig_wait(&a.texts, round);
	}
	assert_int_equal(3 * 44509, a.bytes);
	assert_string_equal("text between", a.last);
	assert_int_equal(27, atomic_load(&a.sent));
	assert_int_equal(0, b.bytes);
	rig_on_shard(&rig, 0, hang_up, &a);
	rig_on_shard(&rig, 0, hang_up, &b);
	rig_wait_connections(&rig, 0);
	assert_int_equal(0, atomic_load(&a.closed));
}

static void headers_are_sent(void **state)
{
	(void)state;
	struct caller c = { .connect = { .token = "key",
					 .headers = { { "x-first", "1" },
						      { "x-second", "two words" } } } };

	call(&c, "?headers=1");
	rig_wait(&c.opened, 1);
	rig_on_shard(&rig, 0, hang_up, &c);
}

static void dial_badly(struct shard *s, void *arg)
{
	struct caller *c = arg;
	struct fault f;

	(void)s;
	ws_client_of(&c->ws, dialer, LIMIT, &caller_handlers, c);
	struct ws_connect split = { .url = "ws://127.0.0.1/",
				    .headers = { { "x-a", "1\r\nx-b: 2" } } };
	assert_int_equal(E_INVALID, ws_client_dial(c->ws, &split, &f));
	struct ws_connect no_url = { .url = "ftp://127.0.0.1/" };
	assert_int_equal(E_INVALID, ws_client_dial(c->ws, &no_url, &f));
	assert_int_equal(E_CLOSED, ws_client_send_binary(c->ws, SPAN("x")));
	ws_client_free(c->ws);
}

static void what_is_no_request_is_refused_here(void **state)
{
	(void)state;
	struct caller c = { 0 };

	rig_on_shard(&rig, 0, dial_badly, &c);
}

static void refusals_tell_their_status(void **state)
{
	(void)state;
	struct caller c = { 0 };

	call(&c, "?status=403");
	rig_wait(&c.closed, 1);
	assert_int_equal(403, c.status);
	call(&c, "?status=503");
	rig_wait(&c.closed, 2);
	assert_int_equal(503, c.status);
	call(&c, ""); /* and again, the same client */
	rig_wait(&c.opened, 1);
	rig_on_shard(&rig, 0, hang_up, &c);
}

static void a_close_tells_its_code(void **state)
{
	/* libwebsockets makes 1002 of 1012: one cannot be told from the other. */
	static const struct {
		int sent, code;
		const char *why;
	} cases[] = {
		{ 4002, 4002, "closed by the other side (4002): go" },
		{ 1011, 1011, "closed by the other side (1011): go" },
		{ 1012, WS_CLIENT_CLOSE_ODD,
		  "closed by the other side (1002, or one of 1012 to 1015): go" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct caller c = { .leave = cases[i].sent };

		call(&c, "");
		rig_wait(&c.opened, 1);
		rig_on_shard(&rig, 0, send_leave, &c);
		rig_wait(&c.closed, 1);
		assert_int_equal(0, c.status);
		assert_int_equal(cases[i].code, c.code);
		assert_string_equal(cases[i].why, c.why);
		rig_on_shard(&rig, 0, hang_up, &c);
	}
}

static void nobody_there(void **state)
{
	(void)state;
	struct caller c = { .url = "ws://127.0.0.1:1/", .connect.timeout_ms = 3000 };

	rig_on_shard(&rig, 0, dial, &c);
	rig_wait(&c.closed, 1);
	assert_int_equal(0, c.status);
	rig_on_shard(&rig, 0, hang_up, &c);
}

static void freed_in_its_own_callback(void **state)
{
	(void)state;
	struct caller c = { .free_on_text = true };

	call(&c, "");
	rig_wait(&c.opened, 1);
	rig_on_shard(&rig, 0, send_sizes, &c);
	rig_wait(&c.texts, 1);
	rig_wait_connections(&rig, 0);
	assert_int_equal(0, atomic_load(&c.closed));
}

static void freed_while_connecting(void **state)
{
	(void)state;
	struct caller c[8] = { 0 };

	for (int i = 0; i < 8; i++) {
		call(&c[i], "");
		rig_on_shard(&rig, 0, hang_up, &c[i]);
	}
	rig_wait_connections(&rig, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_go_both_ways),
		cmocka_unit_test(headers_are_sent),
		cmocka_unit_test(what_is_no_request_is_refused_here),
		cmocka_unit_test(refusals_tell_their_status),
		cmocka_unit_test(a_close_tells_its_code),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(freed_in_its_own_callback),
		cmocka_unit_test(freed_while_connecting),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
