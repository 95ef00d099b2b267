/* gRPC as decent clients speak it, and what they get for mistakes. In the clear and over TLS, where
 * that can make a difference. */
#include <linux/sockios.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/metrics.h"
#include "grpc_kit.h"

static struct rig rig;
static struct rig_files {
	char dir[64], certificate[128], key[128];
} files;

static const struct {
	enum client_way way;
	const char *name;
} ways[] = { { IN_CLEAR, "h2c" }, { IN_TLS, "TLS" } };
enum { WAYS = 2 };

static void begin(enum client_way way)
{
	rig.grpc.certificate = way == IN_TLS ? files.certificate : NULL;
	rig.grpc.key = way == IN_TLS ? files.key : "";
	kit_start(&rig, 1);
}

static void end(void)
{
	rig_stop(&rig);
	rig = (struct rig){ 0 };
}

static struct grpc_client *client(enum client_way way)
{
	return grpc_client_new(rig.grpc_port, way);
}

/* --- messages --- */

/* Where the cuts are says nothing: the same messages in DATA frames of every size. */
static void messages_come_whole_whatever_the_frames(void **state)
{
	(void)state;
	for (int w = 0; w < WAYS; w++) {
		struct buf b = { 0 };
		begin(ways[w].way);
		put_grpc_message(&b, 0, "one", 3);
		put_grpc_message(&b, 0, "", 0);
		put_grpc_message(&b, 0, "three is longer", 15);
		for (size_t piece = 1; piece <= b.n; piece++) {
			kit_forget();
			struct grpc_client *c = client(ways[w].way);
			struct call *k = call_new(c, STREAM_PATH, NULL);
			for (size_t at = 0; at < b.n; at += piece)
				call_piece(c, k, b.p + at, b.n - at < piece ? b.n - at : piece);
			call_end(c, k);
			call_wait(c, k);
			assert_int_equal(200, k->http_status);
			assert_int_equal(GRPC_OK, k->status);
			assert_int_equal(5, k->body.n);
			assert_memory_equal("\0\0\0\0\0", k->body.p, 5);
			kit_wait_seen("open 127.0.0.1|message one|message|message three is longer|"
				      "end|closed finished|");
			grpc_client_free(c);
		}
		end();
		buf_free(&b);
	}
}

static void large_messages_get_through_a_small_window(void **state)
{
	(void)state;
	for (int w = 0; w < WAYS; w++) {
		enum { N = 2 * 1024 * 1024 + 17, PIECE = 100000 };
		struct buf b = { 0 };
		char *text = malloc(N), expected[160];
		unsigned sum = 0;
		rig.grpc.window_bytes = 20000;
		begin(ways[w].way);
		for (int i = 0; i < N; i++) {
			text[i] = (char)(i * 7 + i / 1000);
			sum = sum * 31 + (unsigned char)text[i];
		}
		put_grpc_message(&b, 0, text, N);
		put_grpc_message(&b, 0, "after", 5);
		struct grpc_client *c = client(ways[w].way);
		struct call *k = call_new(c, STREAM_PATH, NULL);
		for (size_t at = 0; at < b.n; at += PIECE)
			call_piece(c, k, b.p + at, b.n - at < PIECE ? b.n - at : PIECE);
		call_end(c, k);
		call_wait(c, k);
		assert_int_equal(GRPC_OK, k->status);
		assert_in_range(c->window_updates, N / 20000, 4 * N / 20000);
		snprintf(expected, sizeof(expected),
			 "open 127.0.0.1|message %d bytes %u|message after|end|closed finished|", N,
			 sum);
		kit_wait_seen(expected);
		grpc_client_free(c);
		end();
		buf_free(&b);
		free(text);
	}
}

static void many_streams_of_a_connection_go_on_side_by_side(void **state)
{
	(void)state;
	enum { STREAMS = 200, ROUNDS = 10 };
	for (int w = 0; w < WAYS; w++) {
		struct call *k[STREAMS];
		begin(ways[w].way);
		struct grpc_client *c = client(ways[w].way);
		client_wait_settings(c);
		assert_int_equal(300, c->max_streams);
		int64_t ok = metric_value(METRIC_GRPC_STREAMS);
		for (int i = 0; i < STREAMS; i++)
			k[i] = call_new(c, STREAM_PATH, NULL);
		for (int round = 0; round < ROUNDS; round++)
			for (int i = 0; i < STREAMS; i++)
				call_message(c, k[i], "sound");
		rig_wait(&kit_messages, STREAMS * ROUNDS);
		assert_int_equal(0, atomic_load(&kit_closed));
		for (int i = 0; i < STREAMS; i++)
			call_end(c, k[i]);
		for (int i = 0; i < STREAMS; i++) {
			call_wait(c, k[i]);
			assert_int_equal(GRPC_OK, k[i]->status);
		}
		rig_wait(&kit_closed, STREAMS);
		assert_int_equal(ok + STREAMS, metric_value(METRIC_GRPC_STREAMS));
		grpc_client_free(c);
		end();
	}
}

/* --- refusals --- */

struct refusal {
	int http_status, status;
	const char *message;
};

static void assert_refused(struct grpc_client *c, struct call *k, struct refusal r)
{
	call_wait(c, k);
	assert_int_equal(r.http_status, k->http_status);
	assert_int_equal(r.status, k->status);
	assert_string_equal(r.message, k->message);
	assert_string_equal("identity", k->accepts);
	assert_int_equal(0, k->body.n);
	assert_int_equal(NGHTTP2_NO_ERROR, k->code);
}

static void what_is_no_call_of_ours_is_refused(void **state)
{
	(void)state;
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR);

	assert_refused(c, call_new(c, "/test.v1.Test/Other", NULL),
		       (struct refusal){ 200, GRPC_UNIMPLEMENTED,
					 "no such method: POST /test.v1.Test/Other" });
	assert_refused(
		c, call_new(c, STREAM_PATH, ":method", "GET", NULL),
		(struct refusal){ 200, GRPC_UNIMPLEMENTED, "no such method: GET " STREAM_PATH });
	static const char *const types[] = { "application/json", "application/grpc-web", NULL };
	for (int i = 0; i < 3; i++)
		assert_refused(c, call_new(c, STREAM_PATH, "content-type", types[i], NULL, NULL),
			       (struct refusal){ 415, GRPC_INVALID_ARGUMENT,
						 "content-type is not application/grpc" });
	assert_refused(
		c, call_new(c, STREAM_PATH, "x-do", "refuse", NULL),
		(struct refusal){ 200, GRPC_UNAUTHENTICATED, "who are you: 100%25 %C3%A9?" });
	assert_string_equal("", kit_seen()); /* nobody is told of a stream that was not opened */
	grpc_client_free(c);
	end();
}

static void what_gateways_change_is_let_pass(void **state)
{
	(void)state;
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR);
	struct call *k[] = {
		call_new(c, STREAM_PATH, "te", NULL, NULL),
		call_new(c, STREAM_PATH, "content-type", "application/grpc+proto", NULL),
		call_new(c, STREAM_PATH, "content-type", "application/grpc; charset=x", NULL),
		call_new(c, STREAM_PATH, "grpc-encoding", "gzip", "grpc-timeout", "1n", NULL),
	};

	for (int i = 0; i < 4; i++) {
		call_message(c, k[i], "hello");
		call_end(c, k[i]);
		call_wait(c, k[i]);
		assert_int_equal(GRPC_OK, k[i]->status);
	}
	client_frame(c, 0xb8, 0xff, 0, "what nobody knows", 17);
	client_frame(c, 0xb9, 0, k[3]->id, "", 0);
	struct call *after = call_new(c, STREAM_PATH, NULL);
	call_end(c, after);
	call_wait(c, after);
	assert_int_equal(GRPC_OK, after->status);
	grpc_client_free(c);
	end();
}

static void send_one(struct call **out, struct grpc_client *c, int compressed, size_t announced,
		     size_t n)
{
	static const char zeroes[100];
	struct buf b = { 0 };
	uint8_t *at;

	put_grpc_message(&b, compressed, zeroes, n);
	at = (uint8_t *)b.p;
	at[1] = (uint8_t)(announced >> 24);
	at[2] = (uint8_t)(announced >> 16);
	at[3] = (uint8_t)(announced >> 8);
	at[4] = (uint8_t)announced;
	*out = call_new(c, STREAM_PATH, NULL);
	call_message(c, *out, "good");
	call_piece(c, *out, b.p, b.n);
	buf_free(&b);
}

static void messages_that_are_not_read_end_the_stream(void **state)
{
	(void)state;
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR);
	struct call *k;

	send_one(&k, c, 1, 20, 20);
	assert_refused(c, k,
		       (struct refusal){ 200, GRPC_UNIMPLEMENTED,
					 "compressed messages are not read here: send them as "
					 "identity" });
	send_one(&k, c, 7, 20, 20);
	assert_refused(c, k,
		       (struct refusal){ 200, GRPC_INTERNAL,
					 "a message begins with 0x07: neither 0 nor 1" });
	send_one(&k, c, 0, KIT_MESSAGE_MAX + 1, 20); /* before it has come */
	assert_refused(c, k,
		       (struct refusal){ 200, GRPC_RESOURCE_EXHAUSTED,
					 "a message of 3145729 bytes: at most 3145728 are taken" });
	send_one(&k, c, 0, 30, 20);
	call_end(c, k);
	assert_refused(c, k,
		       (struct refusal){ 200, GRPC_INTERNAL,
					 "the stream ended in the middle of a message" });
	kit_wait_seen(
		"open 127.0.0.1|message good|closed compressed messages are not read here: "
		"send them as identity|"
		"open 127.0.0.1|message good|closed a message begins with 0x07: neither 0 nor "
		"1|"
		"open 127.0.0.1|message good|closed a message of 3145729 bytes: at most "
		"3145728 are taken|"
		"open 127.0.0.1|message good|closed the stream ended in the middle of a "
		"message|");
	grpc_client_free(c);
	end();
}

static void headers_are_bounded(void **state)
{
	(void)state;
	static char long_one[GRPC_HEADERS_BYTES];
	memset(long_one, 'h', sizeof(long_one) - 1);
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR);

	assert_refused(c, call_new(c, STREAM_PATH, "x-long", long_one, NULL),
		       (struct refusal){ 200, GRPC_RESOURCE_EXHAUSTED,
					 "headers of more than 16384 bytes" });
	long_one[GRPC_HEADERS_BYTES / 2] = 0;
	struct call *k = call_new(c, STREAM_PATH, "x-long", long_one, NULL);
	call_end(c, k);
	call_wait(c, k);
	assert_int_equal(GRPC_OK, k->status);
	grpc_client_free(c);
	end();
}

static void more_streams_than_announced_are_refused(void **state)
{
	(void)state;
	rig.grpc.max_streams = 3;
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR);
	struct call *k[4];

	for (int i = 0; i < 4; i++) /* before it could know */
		k[i] = call_new(c, STREAM_PATH, NULL);
	call_wait(c, k[3]);
	assert_int_equal(NGHTTP2_REFUSED_STREAM, k[3]->code);
	assert_int_equal(3, c->max_streams);
	for (int i = 0; i < 3; i++) {
		call_end(c, k[i]);
		call_wait(c, k[i]);
		assert_int_equal(GRPC_OK, k[i]->status);
	}
	grpc_client_free(c);
	end();
}

/* --- ends --- */

static void an_answer_before_the_end_stops_the_client(void **state)
{
	(void)state;
	for (int w = 0; w < WAYS; w++) {
		begin(ways[w].way);
		struct grpc_client *c = client(ways[w].way);
		struct call *k = call_new(c, STREAM_PATH, "x-do", "early", NULL);
		struct call *other = call_new(c, STREAM_PATH, NULL);
		struct buf b = { 0 };
		put_grpc_message(&b, 0, "a", 1);
		put_grpc_message(&b, 0, "b", 1); /* in the same frame: not handed on any more */
		call_piece(c, k, b.p, b.n);
		assert_refused(c, k, (struct refusal){ 200, GRPC_FAILED_PRECONDITION, "enough" });
		kit_wait_seen("open 127.0.0.1|open 127.0.0.1|message a|closed finished|");
		call_message(c, other, "c");
		call_end(c, other);
		call_wait(c, other);
		assert_int_equal(GRPC_OK, other->status);
		grpc_client_free(c);
		end();
		buf_free(&b);
	}
}

static void an_answer_may_come_later(void **state)
{
	(void)state;
	for (int w = 0; w < WAYS; w++) {
		begin(ways[w].way);
		struct grpc_client *c = client(ways[w].way);
		struct call *k = call_new(c, STREAM_PATH, "x-do", "later", NULL);
		call_end(c, k);
		kit_wait_seen("open 127.0.0.1|end|");
		kit_finish(&rig, GRPC_UNAVAILABLE, "line\nbreak");
		assert_refused(c, k, (struct refusal){ 200, GRPC_UNAVAILABLE, "line%0Abreak" });
		kit_wait_seen("open 127.0.0.1|end|closed finished|");
		grpc_client_free(c);
		end();
	}
}

static void a_reset_stream_is_told(void **state)
{
	(void)state;
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR);
	struct call *k = call_new(c, STREAM_PATH, NULL), *other;
	static const char part[] = "\0\0\0\0\7cut";

	call_message(c, k, "a");
	call_piece(c, k, part, sizeof(part) - 1);
	call_reset(c, k, NGHTTP2_CANCEL);
	kit_wait_seen("open 127.0.0.1|message a|closed reset by the client (CANCEL)|");
	other = call_new(c, STREAM_PATH, NULL);
	call_end(c, other);
	call_wait(c, other);
	assert_int_equal(GRPC_OK, other->status);
	grpc_client_free(c);
	end();
}

static void a_lost_connection_is_told_to_its_streams(void **state)
{
	(void)state;
	for (int w = 0; w < WAYS; w++) {
		begin(ways[w].way);
		struct grpc_client *c = client(ways[w].way);
		struct call *k = call_new(c, STREAM_PATH, NULL);
		call_message(c, k, "a");
		rig_wait(&kit_messages, 1);
		grpc_client_free(c);
		kit_wait_seen("open 127.0.0.1|message a|closed connection lost|");
		kit_wait_connections(&rig, 0);
		end();
	}
}

struct last_words {
	struct grpc_client *client;
	struct buf messages;
};

static bool all_is_delivered(int fd)
{
	int unacknowledged = 1;

	assert_int_equal(0, ioctl(fd, SIOCOUTQ, &unacknowledged));
	return unacknowledged == 0;
}

/* While the shard does this it reads nothing: both are there when it looks again. */
static void speak_and_reset(struct shard *s, void *arg)
{
	const struct linger now = { .l_onoff = 1 };
	struct last_words *w = arg;
	int fd = w->client->fd;

	(void)s;
	call_piece(w->client, call_new(w->client, STREAM_PATH, NULL), w->messages.p, w->messages.n);
	while (!all_is_delivered(fd))
		sched_yield();
	assert_int_equal(0, setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	grpc_client_free(w->client);
}

static void what_came_before_a_reset_is_still_read(void **state)
{
	(void)state;
	enum { MESSAGES = 50 };
	begin(IN_CLEAR);
	struct last_words w = { .client = client(IN_CLEAR) };

	client_wait_settings(w.client);
	for (int i = 0; i < MESSAGES; i++)
		put_grpc_message(&w.messages, 0, "a", 1);
	rig_on_shard(&rig, 0, speak_and_reset, &w);
	buf_free(&w.messages);
	rig_wait(&kit_closed, 1);
	assert_int_equal(MESSAGES, atomic_load(&kit_messages));
	end();
}

static void a_half_closed_client_gets_its_answers(void **state)
{
	(void)state;
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR);
	struct call *whole = call_new(c, STREAM_PATH, "x-do", "later", NULL), *cut;

	call_end(c, whole);
	rig_wait(&kit_opened, 1);
	cut = call_new(c, STREAM_PATH, NULL);
	call_message(c, cut, "a");
	kit_wait_seen("open 127.0.0.1|end|open 127.0.0.1|message a|");
	shutdown(c->fd, SHUT_WR);
	kit_wait_seen("open 127.0.0.1|end|open 127.0.0.1|message a|closed connection lost|");
	assert_false(whole->closed);
	end(); /* which ends the other */
	assert_string_equal("open 127.0.0.1|end|open 127.0.0.1|message a|closed connection lost|"
			    "closed this server is stopping|",
			    kit_seen());
	grpc_client_free(c);
}

static void half_closed_then_answered(void **state)
{
	(void)state;
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR);
	struct call *k = call_new(c, STREAM_PATH, "x-do", "later", NULL);

	call_end(c, k);
	kit_wait_seen("open 127.0.0.1|end|");
	shutdown(c->fd, SHUT_WR);
	kit_finish(&rig, GRPC_OK, NULL);
	call_wait(c, k);
	assert_int_equal(GRPC_OK, k->status);
	client_wait_end(c);
	kit_wait_connections(&rig, 0);
	grpc_client_free(c);
	end();
}

static void a_client_that_says_goaway_finishes_its_streams(void **state)
{
	(void)state;
	for (int w = 0; w < WAYS; w++) {
		begin(ways[w].way);
		struct grpc_client *c = client(ways[w].way);
		struct call *k = call_new(c, STREAM_PATH, NULL);
		call_message(c, k, "a");
		nghttp2_submit_goaway(c->session, 0, 0, NGHTTP2_NO_ERROR, NULL, 0);
		call_message(c, k, "b");
		rig_wait(&kit_messages, 2);
		call_end(c, k);
		call_wait(c, k);
		assert_int_equal(GRPC_OK, k->status);
		client_wait_end(c);
		grpc_client_free(c);
		kit_wait_connections(&rig, 0);
		end();
	}
}

static void drain(struct shard *s, void *server)
{
	(void)s;
	grpc_server_drain(server);
}

static void a_draining_server_finishes_its_streams_and_takes_no_more(void **state)
{
	(void)state;
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR), *idle = client(IN_CLEAR);
	struct call *k = call_new(c, STREAM_PATH, NULL);

	client_wait_settings(idle);
	call_message(c, k, "a");
	rig_wait(&kit_messages, 1);
	rig_on_shard(&rig, 0, drain, rig.grpc_servers[0]);
	client_wait_end(idle);
	assert_true(idle->goaway);
	assert_int_equal(NGHTTP2_NO_ERROR, idle->goaway_code);
	while (!c->goaway)
		assert_true(client_turn(c));
	call_message(c, k, "b");
	call_end(c, k);
	call_wait(c, k);
	assert_int_equal(GRPC_OK, k->status);
	client_wait_end(c);
	grpc_client_free(idle);
	grpc_client_free(c);
	kit_wait_connections(&rig, 0);
	int fd = client_connect(rig.grpc_port);
	assert_true(client_closed(fd));
	close(fd);
	end();
}

static void a_server_that_stops_says_goodbye(void **state)
{
	(void)state;
	for (int w = 0; w < WAYS; w++) {
		begin(ways[w].way);
		struct grpc_client *c = client(ways[w].way);
		struct call *k = call_new(c, STREAM_PATH, NULL);
		call_message(c, k, "a");
		rig_wait(&kit_messages, 1);
		end();
		assert_string_equal("open 127.0.0.1|message a|closed this server is stopping|",
				    kit_seen());
		client_wait_end(c);
		assert_true(c->goaway);
		assert_int_equal(GRPC_UNAVAILABLE, k->status);
		assert_string_equal("this server is stopping", k->message);
		grpc_client_free(c);
	}
}

/* --- keeping quiet --- */

static void a_connection_without_streams_is_closed_after_a_while(void **state)
{
	(void)state;
	rig.grpc.idle_ms = 50;
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR);

	client_wait_settings(c);
	client_wait_end(c);
	assert_true(c->goaway);
	assert_int_equal(NGHTTP2_NO_ERROR, c->goaway_code);
	grpc_client_free(c);
	end();
}

static void a_quiet_stream_is_kept_as_long_as_pings_are_answered(void **state)
{
	(void)state;
	rig.grpc.idle_ms = 50;
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR);
	struct call *k = call_new(c, STREAM_PATH, NULL);

	rig_wait(&kit_opened, 1);
	for (int pings = 0; pings < 5; pings++) /* far beyond the limit */
		assert_true(client_turn(c));
	assert_int_equal(0, atomic_load(&kit_closed));
	c->answers_pings = false;
	client_wait_end(c);
	kit_wait_seen("open 127.0.0.1|closed no answer to PING|");
	assert_false(k->closed);
	grpc_client_free(c);
	end();
}

static void pings_are_answered(void **state)
{
	(void)state;
	begin(IN_CLEAR);
	struct grpc_client *c = client(IN_CLEAR);

	nghttp2_submit_ping(c->session, 0, (const uint8_t *)"12345678");
	while (!c->pongs)
		assert_true(client_turn(c));
	grpc_client_free(c);
	end();
}

/* --- acceptor --- */

static void connections_are_dealt_to_the_least_loaded_and_bounded(void **state)
{
	(void)state;
	enum { N = 6 };
	struct grpc_client *c[N];
	int64_t gauge = metric_value(METRIC_GRPC_CONNECTIONS);

	rig.grpc.max_connections = N / 2;
	kit_start(&rig, 2);
	for (int i = 0; i < N; i++)
		c[i] = client(IN_CLEAR);
	kit_wait_connections(&rig, N);
	assert_int_equal(N / 2, grpc_server_connections(rig.grpc_servers[0]));
	int fd = client_connect(rig.grpc_port);
	assert_true(client_closed(fd));
	close(fd);
	for (int i = 0; i < N; i++) {
		struct call *k = call_new(c[i], STREAM_PATH, NULL);
		call_end(c[i], k);
		call_wait(c[i], k);
		assert_int_equal(GRPC_OK, k->status);
	}
	assert_int_equal(gauge + N, metric_value(METRIC_GRPC_CONNECTIONS));
	for (int i = 0; i < N; i++)
		grpc_client_free(c[i]);
	kit_wait_connections(&rig, 0);
	assert_int_equal(gauge, metric_value(METRIC_GRPC_CONNECTIONS));
	end();
}

static int setup(void **state)
{
	(void)state;
	strcpy(files.dir, "/tmp/callmend-grpc-XXXXXX");
	assert_non_null(mkdtemp(files.dir));
	make_certificate(files.dir, "server");
	snprintf(files.certificate, sizeof(files.certificate), "%s/server.pem", files.dir);
	snprintf(files.key, sizeof(files.key), "%s/server.key", files.dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(files.certificate);
	unlink(files.key);
	rmdir(files.dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_whole_whatever_the_frames),
		cmocka_unit_test(large_messages_get_through_a_small_window),
		cmocka_unit_test(many_streams_of_a_connection_go_on_side_by_side),
		cmocka_unit_test(what_is_no_call_of_ours_is_refused),
		cmocka_unit_test(what_gateways_change_is_let_pass),
		cmocka_unit_test(messages_that_are_not_read_end_the_stream),
		cmocka_unit_test(headers_are_bounded),
		cmocka_unit_test(more_streams_than_announced_are_refused),
		cmocka_unit_test(an_answer_before_the_end_stops_the_client),
		cmocka_unit_test(an_answer_may_come_later),
		cmocka_unit_test(a_reset_stream_is_told),
		cmocka_unit_test(a_lost_connection_is_told_to_its_streams),
		cmocka_unit_test(what_came_before_a_reset_is_still_read),
		cmocka_unit_test(a_half_closed_client_gets_its_answers),
		cmocka_unit_test(half_closed_then_answered),
		cmocka_unit_test(a_client_that_says_goaway_finishes_its_streams),
		cmocka_unit_test(a_draining_server_finishes_its_streams_and_takes_no_more),
		cmocka_unit_test(a_server_that_stops_says_goodbye),
		cmocka_unit_test(a_connection_without_streams_is_closed_after_a_while),
		cmocka_unit_test(a_quiet_stream_is_kept_as_long_as_pings_are_answered),
		cmocka_unit_test(pings_are_answered),
		cmocka_unit_test(connections_are_dealt_to_the_least_loaded_and_bounded),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
