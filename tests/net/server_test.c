/* Plain HTTP of src/net/http.h with real sockets, curl and node. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/metrics.h"
#include "net/internal.h"
#include "rig.h"

enum { LIMIT = 10 << 20, BIG = 5 << 20 };

static struct rig rig;
static struct exchange *held[16]; /* touched by shard 0 only */
static atomic_int held_n;
static char big[BIG];

static void hello(struct exchange *x)
{
	exchange_answer(x, 200, "text/plain", SPAN("hello"));
}

static void send_big(struct exchange *x)
{
	exchange_answer(x, 200, "application/octet-stream", (struct span){ big, BIG });
}

static void echo(struct exchange *x)
{
	struct buf b AUTO_BUF = { 0 };
	size_t n;
	size_t announced = exchange_body(x).n;
	char *body = exchange_take_body(x, &n);

	assert_int_equal(announced, n);
	assert_int_equal(0, exchange_body(x).n);
	buf_printf(&b, "%s %zu ", http_method_name(exchange_method(x)), n);
	if (n < 1000)
		buf_add(&b, (struct span){ body, n });
	free(body);
	exchange_answer_header(x, "X-Two", SPAN("a\r\nb: c"));
	exchange_answer(x, 201, "text/plain", buf_span(&b));
}

static void inspect(struct exchange *x)
{
	static const char *const headers[] = { "authorization", "x-call-id", "webhook-id",
					       "x-vapi-secret", "x-custom",  "X-Not-Named",
					       "content-type" };
	struct buf b AUTO_BUF = { 0 };
	struct span name, value;

	buf_printf(&b, "path=%.*s\nx=%.*s\n", SPAN_ARG(exchange_path(x)),
		   SPAN_ARG(exchange_param(x, "x")));
	for (size_t at = 0; exchange_query_next(x, &at, &name, &value);)
		buf_printf(&b, "%.*s=[%.*s]\n", SPAN_ARG(name), SPAN_ARG(value));
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		if (exchange_header(x, headers[i], &value))
			buf_printf(&b, "%s: [%.*s]\n", headers[i], SPAN_ARG(value));
	assert_ptr_equal(&rig, http_server_user(exchange_server(x)));
	assert_false(exchange_query(x, "no such", &value));
	assert_string_equal("info", exchange_route(x)->info);
	exchange_answer(x, 200, "text/plain", buf_span(&b));
}

static void hold(struct exchange *x)
{
	held[atomic_load(&held_n)] = x;
	atomic_fetch_add(&held_n, 1);
}

static const struct http_route routes[] = {
	{ HTTP_GET, "/hello", 0, hello, NULL, NULL },
	{ HTTP_GET, "/big", 0, send_big, NULL, NULL },
	{ HTTP_POST, "/echo/{x}", LIMIT, echo, NULL, NULL },
	{ HTTP_PUT, "/echo/{x}", 1000, echo, NULL, NULL },
	{ HTTP_PATCH, "/echo/{x}", 1000, echo, NULL, NULL },
	{ HTTP_DELETE, "/echo/{x}", 1000, echo, NULL, NULL },
	{ HTTP_GET, "/inspect/{x}", 0, inspect, NULL, "info" },
	{ HTTP_POST, "/hold", 4 << 20, hold, NULL, NULL },
	{ HTTP_GET, "/hold", 0, hold, NULL, NULL },
};
static const char *const captures[] = { "X-Custom", "accept" };

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)('a' + i % 26);
	rig.captures = captures;
	rig.captures_n = 2;
	rig_start(&rig, 1, routes, sizeof(routes) / sizeof(routes[0]));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static void answer_held(struct shard *s, void *arg)
{
	(void)s;
	for (int i = 0; i < atomic_load(&held_n); i++) {
		exchange_answer(held[i], *(int *)arg, "text/plain", exchange_body(held[i]));
	}
	atomic_store(&held_n, 0);
}

static void answer_all(int status)
{
	rig_on_shard(&rig, 0, answer_held, &status);
}

static void ask_once(const char *request, struct reply *r)
{
	close(client_ask(rig.port, request, r));
}

/* ------------------------------------------------------------------------------------------------------
 */

static void a_get_is_answered(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int64_t before = metric_value(METRIC_HTTP_REQUESTS);

	ask_once("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &r);
	assert_int_equal(200, r.status);
	assert_string_equal("hello", buf_z(&r.body));
	assert_true(reply_has(&r, "\r\ncontent-type: text/plain\r\n"));
	assert_true(reply_has(&r, "\r\nconnection: keep-alive\r\n"));
	assert_int_equal(before + 1, metric_value(METRIC_HTTP_REQUESTS));
	reply_free(&r);
}

static void methods_with_bodies(void **state)
{
	(void)state;
	static const char *const methods[] = { "POST", "PUT", "PATCH", "DELETE" };
	struct reply r = { 0 };
	char text[300], expected[100];

	for (size_t i = 0; i < 4; i++) {
		int fd = client_connect(rig.port);
		for (int round = 0; round < 3; round++) {
			snprintf(text, sizeof(text),
				 "%s /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
				 "%s /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
				 methods[i], methods[i]);
			client_sendz(fd, text);
			client_reply(fd, REPLY_FULL, &r);
			assert_int_equal(201, r.status);
			snprintf(expected, sizeof(expected), "%s 4 body", methods[i]);
			assert_string_equal(expected, buf_z(&r.body));
			assert_true(reply_has(&r, "\r\nX-Two: a  b: c\r\n"));
			client_reply(fd, REPLY_FULL, &r);
			snprintf(expected, sizeof(expected), "%s 0 ", methods[i]);
			assert_string_equal(expected, buf_z(&r.body));
		}
		close(fd);
	}
	reply_free(&r);
}

/* A POST without any length has an empty body (RFC 9112 6.3); libwebsockets would wait for one. */
static void a_missing_body_is_empty(void **state)
{
	(void)state;
	struct reply r = { 0 };

	for (int i = 0; i < 2; i++) {
		int fd = client_ask(rig.port,
				    i ? "PATCH /echo/a HTTP/1.1\r\nHost: x\r\n\r\n"
				      : "POST /echo/a HTTP/1.1\r\nHost: x\r\n\r\n",
				    &r);
		assert_int_equal(201, r.status);
		assert_true(reply_has(&r, " 0 "));
		assert_true(reply_has(&r, "connection: close"));
		assert_true(client_closed(fd));
		close(fd);
	}
	ask_once("DELETE /echo/a HTTP/1.1\r\nHost: x\r\n\r\n", &r);
	assert_string_equal("DELETE 0 ", buf_z(&r.body));
	assert_true(reply_has(&r, "connection: keep-alive"));
	reply_free(&r);
}

static void head_has_no_body(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int fd = client_ask(rig.port, "HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n", &r);

	assert_int_equal(200, r.status);
	assert_true(reply_has(&r, "content-length: 5"));
	assert_int_equal(0, r.rest.n);
	client_sendz(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	client_reply(fd, REPLY_FULL, &r);
	assert_string_equal("hello", buf_z(&r.body));
	close(fd);
	reply_free(&r);
}

static void many_requests_on_one_connection(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int fd = client_connect(rig.port);

	for (int i = 0; i < 300; i++) {
		client_sendz(
			fd,
			i % 2 ? "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
			      : "POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
		client_reply(fd, REPLY_FULL, &r);
		assert_int_equal(i % 2 ? 200 : 201, r.status);
	}
	close(fd);
	reply_free(&r);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf all = { 0 };
	int fd = client_connect(rig.port);

	buf_addz(&all, "POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nfirst");
	for (int i = 0; i < 50; i++)
		buf_addz(&all, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
			       "POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
	client_send(fd, all.p, all.n);
	client_reply(fd, REPLY_FULL, &r);
	assert_string_equal("POST 5 first", buf_z(&r.body));
	for (int i = 0; i < 50; i++) {
		client_reply(fd, REPLY_FULL, &r);
		assert_string_equal("hello", buf_z(&r.body));
		client_reply(fd, REPLY_FULL, &r);
		assert_string_equal("POST 0 ", buf_z(&r.body));
	}
	close(fd);
	buf_free(&all);
	reply_free(&r);
}

/* libwebsockets 4.1.6 would take the wrong bytes for the body, or loop for ever. */
static void pipelined_bodies_are_not_taken(void **state)
{
	(void)state;
	static const char *const second[] = {
		"POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nsecond",
		"PUT /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 600\r\n\r\nsecond",
		"POST /echo/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
		"chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"POST /echo/a HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nsecond",
	};
	struct reply r = { 0 };
	char text[400];

	for (size_t i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
		snprintf(text, sizeof(text),
			 "POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nfirst%s",
			 second[i]);
		int fd = client_ask(rig.port, text, &r);
		assert_string_equal("POST 5 first", buf_z(&r.body));
		assert_int_equal(0, r.rest.n);
		assert_true(client_closed(fd));
		close(fd);
		ask_once("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &r);
		assert_string_equal("hello", buf_z(&r.body));
		reply_free(&r);
	}
}

static void http_1_0(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int fd = client_ask(rig.port, "GET /hello HTTP/1.0\r\n\r\n", &r);

	assert_string_equal("hello", buf_z(&r.body));
	assert_true(reply_has(&r, "connection: close"));
	assert_true(client_closed(fd));
	close(fd);
	fd = client_ask(rig.port, "GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &r);
	assert_true(reply_has(&r, "connection: keep-alive"));
	client_sendz(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	client_reply(fd, REPLY_FULL, &r);
	assert_true(reply_has(&r, "connection: close"));
	assert_true(client_closed(fd));
	close(fd);
	reply_free(&r);
}

static void paths_queries_and_headers(void **state)
{
	(void)state;
	struct reply r = { 0 };

	ask_once("GET /inspect/%2B49%2030?a=1&b=x%26y%3D%20z+q&empty=&bare&c=a=b HTTP/1.1\r\nHost: "
		 "x\r\n"
		 "AUTHORIZATION:   Bearer t \r\nX-Call-ID: c1\r\nWebhook-Id:w\r\nX-Vapi-Secret: "
		 "s\r\n"
		 "x-custom: mine\r\nX-Not-Named: no\r\n\r\n",
		 &r);
	assert_int_equal(200, r.status);
	assert_string_equal(
		"path=/inspect/+49 30\nx=+49 30\na=[1]\nb=[x&y= z q]\nempty=[]\n"
		"bare=[]\nc=[a=b]\nauthorization: [Bearer t]\nx-call-id: [c1]\nwebhook-id: [w]\n"
		"x-vapi-secret: [s]\nx-custom: [mine]\n",
		buf_z(&r.body));
	ask_once("GET /inspect/../inspect/./q/ HTTP/1.1\r\nHost: x\r\n\r\n", &r);
	assert_int_equal(404, r.status);
	ask_once("GET //inspect//q HTTP/1.1\r\nHost: x\r\n\r\n", &r);
	assert_true(reply_has(&r, "x=q\n"));
	ask_once("GET /inspect/a;b HTTP/1.1\r\nHost: x\r\n\r\n", &r);
	assert_int_equal(400, r.status);
	reply_free(&r);
}

static void assert_problem(struct reply *r, int status, const char *title)
{
	char expected[100];

	assert_int_equal(status, r->status);
	assert_true(reply_has(r, "content-type: application/problem+json\r\n"));
	snprintf(expected, sizeof(expected),
		 "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d", title, status);
	assert_memory_equal(expected, r->body.p, strlen(expected));
}

static void unknown_paths_and_methods(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int fd = client_ask(rig.port, "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", &r);

	assert_problem(&r, 404, "Not Found");
	client_sendz(fd, "POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	client_reply(fd, REPLY_FULL, &r);
	assert_problem(&r, 404, "Not Found");
	client_sendz(fd, "PUT /hello HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	client_reply(fd, REPLY_FULL, &r);
	assert_problem(&r, 405, "Method Not Allowed");
	assert_true(reply_has(&r, "\r\nAllow: GET, HEAD, OPTIONS\r\n"));
	client_sendz(fd, "GET /echo/1 HTTP/1.1\r\nHost: x\r\n\r\n");
	client_reply(fd, REPLY_FULL, &r);
	assert_true(reply_has(&r, "\r\nAllow: POST, PUT, PATCH, DELETE, OPTIONS\r\n"));
	client_sendz(fd, "OPTIONS /echo/1 HTTP/1.1\r\nHost: x\r\n\r\n");
	client_reply(fd, REPLY_FULL, &r);
	assert_int_equal(204, r.status);
	assert_false(reply_has(&r, "content-length"));
	assert_true(reply_has(&r, "\r\nAllow: POST, PUT, PATCH, DELETE, OPTIONS\r\n"));
	client_sendz(
		fd,
		"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"); /* the connection survived them all */
	client_reply(fd, REPLY_FULL, &r);
	assert_string_equal("hello", buf_z(&r.body));
	close(fd);
	reply_free(&r);
}

static void big_answers_arrive_whole(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int fd = client_connect(rig.port);

	for (int i = 0; i < 3; i++) {
		client_sendz(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
		client_reply(fd, REPLY_FULL, &r);
		assert_int_equal(BIG, r.body.n);
		assert_memory_equal(big, r.body.p, BIG);
	}
	close(fd);
	reply_free(&r);
}

static void chunked_bodies(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int fd = client_connect(rig.port);

	client_sendz(
		fd,
		"POST /echo/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
	client_sendz(fd, "lo\r\n1\r\n!\r\n0\r\n");
	client_sendz(fd, "\r\n");
	client_reply(fd, REPLY_FULL, &r);
	assert_string_equal("POST 6 hello!", buf_z(&r.body));
	assert_true(client_closed(fd));
	close(fd);
	fd = client_ask(
		rig.port,
		"POST /echo/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", &r);
	assert_problem(&r, 400, "Bad Request");
	close(fd);
	reply_free(&r);
}

static void a_chunked_body_is_capped_while_it_is_read(void **state)
{
	(void)state;
	struct reply r = { 0 };
	struct buf chunk = { 0 };
	int fd = client_connect(rig.port);

	client_sendz(fd, "PUT /echo/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 100; i++)
		buf_addz(&chunk, "5\r\nhello\r\n");
	for (int i = 0; i < 20; i++)
		client_send(fd, chunk.p, chunk.n);
	client_reply(fd, REPLY_FULL, &r);
	assert_problem(&r, 413, "Content Too Large");
	assert_true(reply_has(&r, "connection: close"));
	client_sendz(fd, "0\r\n\r\n");
	assert_true(client_closed(fd));
	close(fd);
	buf_free(&chunk);
	reply_free(&r);
}

static void bad_lengths_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"Content-Length: -5\r\n",
		"Content-Length: 5, 5\r\n",
		"Content-Length: 5\r\nContent-Length: 6\r\n",
		"Content-Length: 99999999999999999999999999999999999999999\r\n",
		"Content-Length: five\r\n",
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
	};
	struct reply r = { 0 };
	char text[300];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "POST /echo/a HTTP/1.1\r\nHost: x\r\n%s\r\nhello",
			 bad[i]);
		ask_once(text, &r);
		assert_problem(&r, 400, "Bad Request");
		assert_true(reply_has(&r, "connection: close"));
	}
	ask_once("GET /hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		 &r);
	assert_problem(&r, 411, "Length Required");
	reply_free(&r);
}

static void expect_continue(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int fd = client_ask(rig.port,
			    "POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
			    "Expect: 100-continue\r\n\r\n",
			    &r);

	assert_int_equal(100, r.status);
	client_sendz(fd, "hello");
	client_reply(fd, REPLY_FULL, &r);
	assert_string_equal("POST 5 hello", buf_z(&r.body));
	close(fd);
	fd = client_ask(rig.port,
			"POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
			"Expect: 100-continue\r\n\r\n",
			&r);
	assert_problem(&r, 404, "Not Found");
	close(fd);
	reply_free(&r);
}

/* --- large bodies, with the clients people use
 * ---------------------------------------------------------- */

static void body_file(char path[], size_t n)
{
	int fd = mkstemp(path);
	char block[4096];

	assert_true(fd >= 0);
	memset(block, 'x', sizeof(block));
	for (size_t at = 0; at < n; at += sizeof(block))
		assert_int_equal(sizeof(block), write(fd, block, sizeof(block)));
	close(fd);
}

static void curl_posts_10_mb(void **state)
{
	(void)state;
	char path[] = "/tmp/net-test-XXXXXX";
	struct buf out = { 0 };

	body_file(path, LIMIT);
	assert_int_equal(0, shell(&out,
				  "curl -sS --max-time 60 --data-binary @%s -w ' %%{http_code}' "
				  "http://127.0.0.1:%u/echo/a 2>&1",
				  path, rig.port));
	assert_string_equal("POST 10485760  201", buf_z(&out));
	assert_int_equal(
		0, shell(&out,
			 "curl -sS --max-time 60 -H 'Transfer-Encoding: chunked' --data-binary @%s "
			 "-w ' %%{http_code}' http://127.0.0.1:%u/echo/a 2>&1",
			 path, rig.port));
	assert_string_equal("POST 10485760  201", buf_z(&out));
	unlink(path);
	buf_free(&out);
}

static void curl_can_read_a_413(void **state)
{
	(void)state;
	char path[] = "/tmp/net-test-XXXXXX";
	struct buf out = { 0 };

	body_file(path, 11 << 20);
	for (int i = 0; i < 3; i++) {
		static const char *const options[] = { "", "-H 'Expect:'",
						       "-H 'Transfer-Encoding: chunked'" };
		int rc = shell(&out,
			       "curl -sS --max-time 60 %s --data-binary @%s -w ' %%{http_code}' "
			       "http://127.0.0.1:%u/echo/a 2>&1",
			       options[i], path, rig.port);
		if (rc || !strstr(buf_z(&out), "\"status\":413") || !strstr(buf_z(&out), " 413"))
			fail_msg("curl %s: %d: %s", options[i], rc, buf_z(&out));
	}
	unlink(path);
	buf_free(&out);
}

static void node_fetch_can_read_a_413(void **state)
{
	(void)state;
	struct buf out = { 0 };
	int rc = shell(&out,
		       "node -e '(async () => { for (let i = 0; i < 5; i++) {"
		       "const r = await fetch(\"http://127.0.0.1:%u/echo/a\", {method: \"POST\","
		       " body: Buffer.alloc(11 << 20, 120)}); const j = await r.json();"
		       "console.log(r.status, j.status); } const ok = await fetch("
		       "\"http://127.0.0.1:%u/echo/a\", {method: \"POST\", body: \"hi\"});"
		       "console.log(ok.status, await ok.text()); })()' 2>&1",
		       rig.port, rig.port);

	if (rc || strcmp(buf_z(&out),
			 "413 413\n413 413\n413 413\n413 413\n413 413\n201 POST 2 hi\n") != 0)
		fail_msg("node: %d: %s", rc, buf_z(&out));
	buf_free(&out);
}

/* --- answers that come later
 * ---------------------------------------------------------------------------- */

static void later_answers(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int a = client_connect(rig.port), b = client_connect(rig.port);

	for (int i = 0; i < 3; i++) {
		client_sendz(a, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
				"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
		rig_wait(&held_n, 1);
		client_sendz(b, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: "
				"x\r\n\r\n");
		rig_wait(&held_n, 2);
		answer_all(202);
		client_reply(a, REPLY_FULL, &r);
		assert_int_equal(202, r.status);
		assert_string_equal("abc", buf_z(&r.body));
		client_reply(a, REPLY_FULL, &r);
		assert_string_equal("hello", buf_z(&r.body));
		reply_free(&r);
		client_reply(b, REPLY_FULL, &r);
		assert_int_equal(202, r.status);
		client_reply(b, REPLY_FULL, &r);
		assert_string_equal("hello", buf_z(&r.body));
		reply_free(&r);
	}
	close(a);
	close(b);
}

/* Nothing else was sent meanwhile, so they are written at once; what does not fit later. */
static void later_answers_one_after_another(void **state)
{
	(void)state;
	static char text[3 << 20];
	const size_t sizes[] = { 3, sizeof(text), 3 };
	struct reply r = { 0 };
	char head[128];
	int fd = client_connect(rig.port);

	memset(text, 'x', sizeof(text));
	for (size_t i = 0; i < 3; i++) {
		snprintf(head, sizeof(head),
			 "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", sizes[i]);
		client_sendz(fd, head);
		client_send(fd, text, sizes[i]);
		rig_wait(&held_n, 1);
		answer_all(202);
		client_reply(fd, REPLY_FULL, &r);
		assert_int_equal(202, r.status);
		assert_int_equal(sizes[i], r.body.n);
	}
	client_sendz(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	client_reply(fd, REPLY_FULL, &r);
	assert_string_equal("hello", buf_z(&r.body));
	reply_free(&r);
	close(fd);
}

/* As far as the kernel knows. POLLRDHUP tells of a FIN behind bytes that were not read yet, too. */
static bool has_left(const struct connection *c)
{
	if (!c || !c->wsi)
		return true;
	struct pollfd p = { .fd = lws_get_socket_fd(c->wsi), .events = POLLRDHUP };
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static void check_gone(struct shard *s, void *arg)
{
	(void)s;
	for (int i = 0; i < atomic_load(&held_n); i++)
		*(int *)arg += has_left(held[i]->connection);
}

static int gone_count(void)
{
	int n = 0;

	rig_on_shard(&rig, 0, check_gone, &n);
	return n;
}

static void clients_that_leave_before_the_answer(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int fds[3];

	for (int i = 0; i < 3; i++) {
		fds[i] = client_connect(rig.port);
		client_sendz(fds[i],
			     i ? "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
			       : "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
		rig_wait(&held_n, i + 1);
	}
	assert_int_equal(0, gone_count());
	close(fds[0]);
	setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
	close(fds[1]); /* a reset */
	while (gone_count() < 2)
		usleep(1000);
	assert_int_equal(2, gone_count());
	answer_all(200);
	client_reply(fds[2], REPLY_FULL, &r);
	assert_string_equal("abc", buf_z(&r.body));
	close(fds[2]);
	rig_wait_connections(&rig, 0);
	reply_free(&r);
}

static void clients_that_leave_in_mid_body(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		int fd = client_connect(rig.port);
		client_sendz(
			fd,
			i % 2 ? "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\nabc"
			      : "POST /hold HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
				"chunked\r\n\r\n5\r\nab");
		close(fd);
	}
	rig_wait_connections(&rig, 0);
	assert_int_equal(0, atomic_load(&held_n));
}

static void clients_that_do_not_read(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		int fd = client_connect(rig.port);
		client_sendz(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
		char c;
		assert_int_equal(1, recv(fd, &c, 1, 0));
		close(fd);
	}
	rig_wait_connections(&rig, 0);
}

/* --- abuse
 * ---------------------------------------------------------------------------------------------- */

static void still_works(void)
{
	struct reply r = { 0 };

	ask_once("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &r);
	assert_string_equal("hello", buf_z(&r.body));
	reply_free(&r);
}

static void until_closed(int fd)
{
	char sink[4096];

	shutdown(fd, SHUT_WR);
	while (recv(fd, sink, sizeof(sink), 0) > 0)
		continue;
	close(fd);
}

static void garbage_is_survived(void **state)
{
	(void)state;
	static const char *const garbage[] = {
		"\x16\x03\x01\x02\x01\x01\xfc\x03\x03 not tls here",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET\r\n\r\n",
		"GET /hello\r\n\r\n",
		"\r\n\r\n\r\n",
		"GET /%00 HTTP/1.1\r\n\r\n",
		"GET /%zz HTTP/1.1\r\n\r\n",
		"GET /hello HTTP/1.1\r\nGET /hello HTTP/1.1\r\n\r\n",
		"POST GET / HTTP/1.1\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
		"BREW /coffee HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /hello HTTP/1.1\r\n: empty\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: x\r\nUpgrade: \r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: x\r\nUpgrade: tls/1.0\r\n\r\nGET /hello "
		"HTTP/1.1\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\nUpgrade: "
		"irc\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\nUpgrade: "
		"irc\r\n\r\nGET / HTTP/1.1\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		int fd = client_connect(rig.port);
		client_sendz(fd, garbage[i]);
		until_closed(fd);
		still_works();
	}
	rig_wait_connections(&rig, 0);
}

/* NN-2025-0102: libwebsockets frees the headers and reads them again. The address sanitiser
 * watches. */
static void an_odd_upgrade_on_a_kept_connection(void **state)
{
	(void)state;
	struct reply r = { 0 };

	for (int i = 0; i < 20; i++) {
		int fd = client_ask(rig.port, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &r);
		client_sendz(fd, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: "
				 "Upgrade\r\nUpgrade: irc/6.9\r\n\r\n");
		client_reply(fd, REPLY_FULL, &r);
		assert_int_equal(403, r.status);
		assert_true(client_closed(fd));
		close(fd);
		reply_free(&r);
	}
	still_works();
}

/* Java's HttpClient asks for h2c by default; a server may go on in HTTP/1.1 (RFC 9110 7.8). */
static void an_h2c_upgrade_is_ignored(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int fd = client_ask(
		rig.port,
		"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
		"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
		&r);

	assert_int_equal(200, r.status);
	assert_string_equal("hello", buf_z(&r.body));
	client_sendz(fd, "POST /echo/a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, "
			 "HTTP2-Settings\r\nUpgrade: h2c\r\n"
			 "HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 2\r\n\r\nhi");
	client_reply(fd, REPLY_FULL, &r);
	assert_string_equal("POST 2 hi", buf_z(&r.body));
	close(fd);
	reply_free(&r);
}

static void huge_headers_are_survived(void **state)
{
	(void)state;
	struct buf b = { 0 };

	for (int kind = 0; kind < 3; kind++) {
		buf_clear(&b);
		buf_addz(&b, kind == 1 ? "GET /hello?a=" : "GET /hello HTTP/1.1\r\nX-Big: ");
		for (int i = 0; i < 20000; i++)
			buf_addz(&b, kind == 2 ? "a: b\r\n" : kind == 1 ? "&x=y" : "aaaa");
		buf_addz(&b, " HTTP/1.1\r\n\r\n");
		int fd = client_connect(rig.port);
		send(fd, b.p, b.n, MSG_NOSIGNAL);
		until_closed(fd);
		still_works();
	}
	buf_free(&b);
	rig_wait_connections(&rig, 0);
}

/* Slow loris: the time for the headers does not start again with every byte. */
static void slow_headers_are_cut_off(void **state)
{
	(void)state;
	int idle = client_connect(rig.port), slow = client_connect(rig.port);
	struct reply r = { 0 };
	char sink[1000];
	/* refused at once, but the announced body never comes */
	int owing = client_ask(
		rig.port, "POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n",
		&r);
	assert_problem(&r, 413, "Content Too Large");

	client_sendz(slow, "GET /hello HTTP/1.1\r\nX-Slow: ");
	while (send(slow, "x", 1, MSG_NOSIGNAL) == 1 &&
	       recv(slow, sink, sizeof(sink), MSG_DONTWAIT) != 0)
		usleep(100000);
	assert_true(client_closed(idle));
	assert_true(client_closed(owing));
	close(idle);
	close(slow);
	close(owing);
	reply_free(&r);
	rig_wait_connections(&rig, 0);
}

static void random_bytes_are_survived(void **state)
{
	(void)state;
	static const char *const starts[] = {
		"", "GET ", "GET / HTTP/1.1\r\n",
		"POST /echo/a HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
		"POST /echo/a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
	};
	unsigned seed = 7;
	char noise[500];

	for (int i = 0; i < 300; i++) {
		for (size_t k = 0; k < sizeof(noise); k++)
			noise[k] = (char)(rand_r(&seed) >> 3);
		int fd = client_connect(rig.port);
		client_sendz(fd, starts[i % 5]);
		send(fd, noise, (size_t)(rand_r(&seed) % 500), MSG_NOSIGNAL);
		until_closed(fd);
	}
	still_works();
	rig_wait_connections(&rig, 0);
}

/* --- the end
 * -------------------------------------------------------------------------------------------- */

static void drain(struct shard *s, void *arg)
{
	(void)s;
	http_server_drain(arg);
}

static void draining_closes_idle_connections_and_announces_it(void **state)
{
	(void)state;
	struct rig own = { .captures = captures, .captures_n = 1 };
	struct reply r = { 0 };
	rig_start(&own, 1, routes, sizeof(routes) / sizeof(routes[0]));
	int idle = client_ask(own.port, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", &r);
	int fresh = client_connect(own.port);

	rig_wait_connections(&own, 2);
	rig_on_shard(&own, 0, drain, own.servers[0]);
	assert_true(client_closed(idle));
	client_sendz(fresh, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
	client_reply(fresh, REPLY_FULL, &r);
	assert_true(reply_has(&r, "connection: close"));
	assert_true(client_closed(fresh));
	close(idle);
	close(fresh);
	reply_free(&r);
	rig_wait_connections(&own, 0);
	rig_stop(&own);
}

static void answer_orphans(struct rig *r, struct shard *s)
{
	(void)r;
	http_server_free(r->servers[0]);
	r->servers[0] = NULL;
	answer_held(s, &(int){ 200 });
}

static void stopping_with_open_connections(void **state)
{
	(void)state;
	struct rig own = { .captures = captures, .captures_n = 1, .on_stop = answer_orphans };
	struct reply r = { 0 };
	rig_start(&own, 1, routes, sizeof(routes) / sizeof(routes[0]));
	int fds[60];

	for (int i = 0; i < 60; i++) {
		fds[i] = client_connect(own.port);
		if (i % 3 == 0) {
			client_sendz(fds[i], "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
			client_reply(fds[i], REPLY_FULL, &r);
		} else if (i % 3 == 1) {
			client_sendz(fds[i],
				     "POST /echo/a HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
		}
	}
	client_sendz(fds[2], "POST /hold HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
	/* The held exchange's owner answers it after its server is gone. */
	rig_wait_connections(&own, 60);
	rig_wait(&held_n, 1);
	rig_stop(&own);
	for (int i = 0; i < 60; i++)
		close(fds[i]);
	reply_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_get_is_answered),
		cmocka_unit_test(methods_with_bodies),
		cmocka_unit_test(a_missing_body_is_empty),
		cmocka_unit_test(head_has_no_body),
		cmocka_unit_test(many_requests_on_one_connection),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(pipelined_bodies_are_not_taken),
		cmocka_unit_test(http_1_0),
		cmocka_unit_test(paths_queries_and_headers),
		cmocka_unit_test(unknown_paths_and_methods),
		cmocka_unit_test(big_answers_arrive_whole),
		cmocka_unit_test(chunked_bodies),
		cmocka_unit_test(a_chunked_body_is_capped_while_it_is_read),
		cmocka_unit_test(bad_lengths_are_refused),
		cmocka_unit_test(expect_continue),
		cmocka_unit_test(curl_posts_10_mb),
		cmocka_unit_test(curl_can_read_a_413),
		cmocka_unit_test(node_fetch_can_read_a_413),
		cmocka_unit_test(later_answers),
		cmocka_unit_test(later_answers_one_after_another),
		cmocka_unit_test(clients_that_leave_before_the_answer),
		cmocka_unit_test(clients_that_leave_in_mid_body),
		cmocka_unit_test(clients_that_do_not_read),
		cmocka_unit_test(garbage_is_survived),
		cmocka_unit_test(an_odd_upgrade_on_a_kept_connection),
		cmocka_unit_test(an_h2c_upgrade_is_ignored),
		cmocka_unit_test(huge_headers_are_survived),
		cmocka_unit_test(slow_headers_are_cut_off),
		cmocka_unit_test(random_bytes_are_survived),
		cmocka_unit_test(draining_closes_idle_connections_and_announces_it),
		cmocka_unit_test(stopping_with_open_connections),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
