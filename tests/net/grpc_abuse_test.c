/* What clients must not do to a gRPC server, and what it costs them. */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/metrics.h"
#include "grpc_kit.h"

enum { STREAMS = 100, MANY_STREAMS = 2000, ALLOWED = 1000 + STREAMS, FLOOD = 5000 };

static struct rig rig;

static int start(struct grpc_config config)
{
	rig = (struct rig){ .grpc = config };
	kit_start(&rig, 1);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return start((struct grpc_config){ .max_streams = STREAMS });
}

static int setup_impatient(void **state)
{
	(void)state;
	return start((struct grpc_config){ .max_streams = STREAMS, .idle_ms = 100 });
}

/* So that everything that is read at once is answered. */
static int setup_broad(void **state)
{
	(void)state;
	return start((struct grpc_config){ .max_streams = MANY_STREAMS });
}

static int setup_broad_stuck(void **state)
{
	(void)state;
	return start((struct grpc_config){ .max_streams = MANY_STREAMS, .stuck_ms = 100 });
}

static int teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static struct grpc_client *greeted(void)
{
	struct grpc_client *c = grpc_client_new(rig.grpc_port, IN_CLEAR);

	client_wait_settings(c);
	return c;
}

static void put_literal(struct buf *b, const char *name, const char *value)
{
	buf_addc(b, 0);
	buf_addc(b, (char)strlen(name));
	buf_addz(b, name);
	buf_addc(b, (char)strlen(value));
	buf_addz(b, value);
}

/* nghttp2 would keep to what the server allows. */
static void put_request(struct buf *out, int32_t id, const char *path, unsigned flags)
{
	struct buf b = { 0 };

	put_literal(&b, ":method", "POST");
	put_literal(&b, ":scheme", "http");
	put_literal(&b, ":path", path);
	put_literal(&b, ":authority", "localhost");
	put_literal(&b, "content-type", "application/grpc");
	if (flags & NGHTTP2_FLAG_END_STREAM)
		put_literal(&b, "content-length", "7"); /* which is not true */
	put_frame(out, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, id, b.p, b.n);
	buf_free(&b);
}

static void request(struct grpc_client *c, int32_t id, const char *path, unsigned flags)
{
	struct buf b = { 0 };

	c->by_hand = true;
	put_request(&b, id, path, flags);
	client_bytes(c, b.p, b.n);
	buf_free(&b);
}

/* The server closes, having said this; another client does not notice. */
static void assert_ended(struct grpc_client *c, uint32_t code)
{
	client_wait_end(c);
	assert_true(c->goaway);
	assert_false(c->cut || c->deaf); /* it read on, so that we could */
	assert_int_equal(code, c->goaway_code);
	grpc_client_free(c);
	kit_wait_connections(&rig, 0);
	c = grpc_client_new(rig.grpc_port, IN_CLEAR);
	struct call *k = call_new(c, STREAM_PATH, NULL);
	call_end(c, k);
	call_wait(c, k);
	assert_int_equal(GRPC_OK, k->status);
	grpc_client_free(c);
}

static void rapid_resets(void **state)
{
	(void)state;
	static const char cancel[] = { 0, 0, 0, NGHTTP2_CANCEL };
	struct grpc_client *c = greeted();
	int32_t id = 1;

	for (int i = 0; i < FLOOD; i++, id += 2) {
		request(c, id, STREAM_PATH, 0);
		client_frame(c, NGHTTP2_RST_STREAM, 0, id, cancel, 4);
	}
	client_wait_end(c);
	rig_wait(&kit_closed, ALLOWED);
	/* What stood in one read is still looked at. */
	assert_in_range(atomic_load(&kit_opened), ALLOWED, ALLOWED + 1000);
	kit_forget();
	assert_ended(c, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* As many as a client may cancel when all its calls end at once. */
static void resets_of_all_its_streams_are_fine(void **state)
{
	(void)state;
	struct grpc_client *c = greeted();
	struct call *k[STREAMS];

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < STREAMS; i++)
			k[i] = call_new(c, STREAM_PATH, NULL);
		for (int i = 0; i < STREAMS; i++)
			call_reset(c, k[i], NGHTTP2_CANCEL);
	}
	k[0] = call_new(c, STREAM_PATH, NULL);
	call_end(c, k[0]);
	call_wait(c, k[0]);
	assert_int_equal(GRPC_OK, k[0]->status);
	grpc_client_free(c);
}

static void resets_it_makes_us_send(void **state)
{
	(void)state;
	struct grpc_client *c = greeted();

	for (int32_t i = 0; i < FLOOD && !c->ended; i++) {
		request(c, 2 * i + 1, STREAM_PATH, NGHTTP2_FLAG_END_STREAM);
		if (i % (STREAMS / 2) == 0) /* never more at a time than it may have */
			client_turn(c);
	}
	assert_ended(c, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void floods_of_frames_that_move_nothing(void **state)
{
	(void)state;
	static const struct {
		unsigned type;
		int32_t id;
		size_t n;
	} kinds[] = { { NGHTTP2_PING, 0, 8 },
		      { NGHTTP2_SETTINGS, 0, 0 },
		      { NGHTTP2_DATA, 1, 0 },
		      { NGHTTP2_PRIORITY, 1, 5 } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct grpc_client *c = greeted();
		request(c, 1, STREAM_PATH, 0);
		for (int k = 0; k < FLOOD; k++)
			client_frame(c, kinds[i].type, 0, kinds[i].id, "\0\0\0\0\0\0\0\1",
				     kinds[i].n);
		assert_ended(c, NGHTTP2_ENHANCE_YOUR_CALM);
	}
}

static void continuations_without_an_end(void **state)
{
	(void)state;
	struct grpc_client *c = greeted();

	client_frame(c, NGHTTP2_HEADERS, 0, 1, "", 0);
	for (int i = 0; i < 1000; i++)
		client_frame(c, NGHTTP2_CONTINUATION, 0, 1, "\0\1a\1b", 5);
	assert_ended(c, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* 16 KB on the wire, 40 MB of headers: one large header, then its index again and again. */
static void headers_that_unfold(void **state)
{
	(void)state;
	struct grpc_client *c = greeted();
	struct buf b = { 0 };

	buf_add(&b, (struct span){ "\x40\1x\x7f\xa1\x1e", 6 }); /* a value of 127 + 3873 bytes */
	for (int i = 0; i < 4000; i++)
		buf_addc(&b, 'v');
	for (int i = 0; i < 10000; i++)
		buf_addc(&b, '\xbe');
	client_frame(c, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, b.p, b.n);
	buf_free(&b);
	assert_ended(c, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void broken_frames(void **state)
{
	(void)state;
	struct grpc_client *c = greeted();

	client_frame(c, NGHTTP2_PING, 0, 0, "short", 5);
	assert_ended(c, NGHTTP2_FRAME_SIZE_ERROR);
	c = greeted();
	client_frame(c, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, "\xff\xff\xff\xff\xff\xff",
		     6);
	assert_ended(c, NGHTTP2_COMPRESSION_ERROR);
	c = greeted();
	client_frame(c, NGHTTP2_DATA, 0, 77, "of no stream", 12);
	assert_ended(c, NGHTTP2_PROTOCOL_ERROR);
}

static void more_than_the_window_allows(void **state)
{
	(void)state;
	enum { PIECE = 16384 };
	static const char zeroes[PIECE]; /* of the largest message: never whole */
	struct grpc_client *c = greeted();

	request(c, 1, STREAM_PATH, 0);
	client_frame(c, NGHTTP2_DATA, 0, 1, "\0\0\x2f\0\0", 5);
	for (int i = 0; i < 1000; i++) /* windows are given back: this is more than one message */
		client_frame(c, NGHTTP2_DATA, 0, 1, zeroes, PIECE);
	kit_wait_connections(&rig, 1);
	grpc_client_free(c);
	rig_wait(&kit_closed, 1);
}

static void no_http2(void **state)
{
	(void)state;
	int fd = client_connect(rig.grpc_port);
	char c;

	client_sendz(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	while (recv(fd, &c, 1, 0) > 0) /* our SETTINGS, at most */
		;
	close(fd);
	kit_wait_connections(&rig, 0);
}

static void nothing_at_all(void **state)
{
	(void)state;
	int fd = client_connect(rig.grpc_port);
	char c;

	while (recv(fd, &c, 1, 0) > 0)
		;
	close(fd);
	kit_wait_connections(&rig, 0);
}

/* We have ended it, it has read so, and leaves its side open. */
static void no_end(void **state)
{
	(void)state;
	struct grpc_client *c = greeted();

	client_wait_end(c); /* idle */
	assert_int_equal(NGHTTP2_NO_ERROR, c->goaway_code);
	kit_wait_connections(&rig, 0);
	grpc_client_free(c);
}

static void headers_without_an_end(void **state)
{
	(void)state;
	enum { BEGUN = 6, FRAME = 0x3000 };
	struct grpc_client *c = greeted();
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	int sent = BEGUN;

	client_bytes(c, "\0\x30\0\1\4\0\0\0\1\0\1a\x7f\x91\x4d", 9 + BEGUN);
	do { /* one by one, never long silent */
		client_bytes(c, "v", 1);
		assert_in_range(++sent, BEGUN, FRAME - 1);
	} while (poll(&p, 1, 5) == 0 || client_turn(c));
	grpc_client_free(c);
	kit_wait_connections(&rig, 0);
	assert_string_equal("", kit_seen());
}

/* It reads nothing, the server's SETTINGS neither: how many streams it may have holds only when it
 * has said that it knows. */
static struct grpc_client *taking_nothing(void)
{
	struct grpc_client *c = grpc_client_new(rig.grpc_port, IN_CLEAR);

	setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
	client_flush(c);
	return c;
}

/* A request whose answer is longer, and like no other. */
static void put_ask(struct buf *b, int32_t id)
{
	char path[100];

	memset(path, '%', sizeof(path));
	path[0] = '/';
	snprintf(path + sizeof(path) - 12, 12, "%d", id);
	put_request(b, id, path, 0);
}

/* As much as can be sent now, from where it was. */
static size_t send_on(int fd, struct span all, size_t at)
{
	ssize_t n;

	while (at < all.n &&
	       (n = send(fd, all.p + at, all.n - at, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0)
		at += (size_t)n;
	return at;
}

/* Rounds of the server's loop: in each it reads from everybody whom it reads. */
static void rounds(struct grpc_client *c, int n)
{
	while (n--) {
		struct call *k = call_new(c, STREAM_PATH, NULL);
		call_end(c, k);
		call_wait(c, k);
	}
}

/* Answers that it does not take must not pile up: what it asks waits unread. */
static void is_not_read_while_it_takes_nothing(void **state)
{
	(void)state;
	enum { ASKS = 100000, ROUNDS = 3, ROUNDS_BYTES = ROUNDS * 4096 };
	struct grpc_client *c = taking_nothing(), *other = greeted();
	struct buf asks = { 0 };
	size_t at = 0;
	int64_t before;

	for (int32_t i = 0; i < ASKS; i++)
		put_ask(&asks, 2 * i + 1);
	do {
		at = send_on(c->fd, buf_span(&asks), at);
		before = metric_value(METRIC_GRPC_BYTES);
		rounds(other, ROUNDS);
	} while (metric_value(METRIC_GRPC_BYTES) - before > ROUNDS_BYTES);
	assert_in_range(at, 1, asks.n - 1);
	kit_wait_connections(&rig, 2); /* it was not closed for it */
	buf_free(&asks);
	grpc_client_free(c);
	grpc_client_free(other);
}

/* No other limit is as short. */
static void is_closed_when_it_takes_nothing(void **state)
{
	(void)state;
	struct grpc_client *c = taking_nothing();
	struct buf ask = { 0 };

	request(c, 1, STREAM_PATH, 0);
	for (int32_t id = 3; !c->deaf; id += 2) {
		buf_clear(&ask);
		put_ask(&ask, id);
		client_bytes(c, ask.p, ask.n);
	}
	buf_free(&ask);
	grpc_client_free(c);
	kit_wait_seen("open 127.0.0.1|closed it takes nothing|");
	kit_wait_connections(&rig, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BROAD(name) cmocka_unit_test_setup_teardown(name, setup_broad, teardown)
#define STUCK(name) cmocka_unit_test_setup_teardown(name, setup_broad_stuck, teardown)
#define IMPATIENT(name) cmocka_unit_test_setup_teardown(name, setup_impatient, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rapid_resets),
		TEST(resets_of_all_its_streams_are_fine),
		TEST(resets_it_makes_us_send),
		TEST(floods_of_frames_that_move_nothing),
		TEST(continuations_without_an_end),
		TEST(headers_that_unfold),
		TEST(broken_frames),
		TEST(more_than_the_window_allows),
		TEST(no_http2),
		IMPATIENT(nothing_at_all),
		IMPATIENT(no_end),
		IMPATIENT(headers_without_an_end),
		BROAD(is_not_read_while_it_takes_nothing),
		STUCK(is_closed_when_it_takes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
