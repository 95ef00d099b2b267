/* What clients must not do to a gRPC server, and what it costs them. */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "grpc_kit.h"

enum { STREAMS = 100, ALLOWED = 1000 + STREAMS, FLOOD = 5000 };

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig = (struct rig){ .grpc = { .max_streams = STREAMS } };
	kit_start(&rig, 1);
	return 0;
}

static int setup_impatient(void **state)
{
	(void)state;
	rig = (struct rig){ .grpc = { .max_streams = STREAMS, .idle_ms = 100 } };
	kit_start(&rig, 1);
	return 0;
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
static void request(struct grpc_client *c, int32_t id, const char *path, unsigned flags)
{
	struct buf b = { 0 };

	c->by_hand = true;
	put_literal(&b, ":method", "POST");
	put_literal(&b, ":scheme", "http");
	put_literal(&b, ":path", path);
	put_literal(&b, ":authority", "localhost");
	put_literal(&b, "content-type", "application/grpc");
	if (flags & NGHTTP2_FLAG_END_STREAM)
		put_literal(&b, "content-length", "7"); /* which is not true */
	client_frame(c, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, id, b.p, b.n);
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

static void headers_without_an_end(void **state)
{
	(void)state;
	struct grpc_client *c = greeted();
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	client_bytes(c, "\0\x30\0\1\4\0\0\0\1\0\1a\x7f\x91\x4d", 15); /* of 12 KiB */
	do { /* one by one, never long silent */
		client_bytes(c, "v", 1);
	} while (poll(&p, 1, 5) == 0 || client_turn(c));
	grpc_client_free(c);
	kit_wait_connections(&rig, 0);
	assert_string_equal("", kit_seen());
}

/* Asks and asks, and never reads an answer: what waits for it is bounded, then it is closed. */
static void a_client_that_takes_nothing(void **state)
{
	(void)state;
	struct grpc_client *c = greeted();

	for (int32_t id = 1; !c->deaf; id += 2)
		request(c, id, "/nowhere", 0);
	grpc_client_free(c);
	kit_wait_connections(&rig, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
		IMPATIENT(headers_without_an_end),
		IMPATIENT(a_client_that_takes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
