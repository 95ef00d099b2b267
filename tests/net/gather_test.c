/* Sockets that are read when a beat of their stream is there (src/net/gather.c): real ones, and the
 * kernel's own opinion of whether they are readable. */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/internal.h"

enum { MESSAGE = 400, DEADLINE_S = 20, PAIRS = 3 };

static uv_loop_t loop;
static struct gather all;
static size_t place[PAIRS];
static int ours[PAIRS], theirs[PAIRS];

static void connect_pair(int *a, int *b)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	int door = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(0, bind(door, (struct sockaddr *)&at, n));
	assert_int_equal(0, listen(door, 1));
	assert_int_equal(0, getsockname(door, (struct sockaddr *)&at, &n));
	*b = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(0, connect(*b, (struct sockaddr *)&at, n));
	*a = accept(door, NULL, NULL);
	assert_true(*a >= 0);
	close(door);
}

static int setup(void **state)
{
	(void)state;
	uv_loop_init(&loop);
	all = (struct gather){ 0 };
	gather_init(&all, &loop);
	for (int i = 0; i < PAIRS; i++) {
		connect_pair(&ours[i], &theirs[i]);
		place[i] = 0;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < PAIRS; i++) {
		close(ours[i]);
		close(theirs[i]);
	}
	gather_close(&all);
	uv_run(&loop, UV_RUN_DEFAULT);
	gather_fini(&all);
	assert_int_equal(0, uv_loop_close(&loop));
	return 0;
}

static void send_bytes(int i, size_t n)
{
	char bytes[8 * MESSAGE] = { 0 };

	assert_int_equal(n, send(theirs[i], bytes, n, 0));
}

static bool is_readable(int i, int timeout_ms)
{
	struct pollfd p = { .fd = ours[i], .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static int low_water(int i)
{
	int bytes = 0;
	socklen_t n = sizeof(bytes);

	assert_int_equal(0, getsockopt(ours[i], SOL_SOCKET, SO_RCVLOWAT, &bytes, &n));
	return bytes;
}

/* All that is there, told as messages of this size. */
static void receive(int i, size_t size)
{
	char bytes[16 * MESSAGE];
	ssize_t n = recv(ours[i], bytes, sizeof(bytes), MSG_DONTWAIT);

	assert_true(n > 0);
	for (; n > 0; n -= (ssize_t)size)
		gather_received(&all, place[i], size);
}

/* A stream of two legs whose first message has been received. */
static void begin(int i)
{
	gather_set(&all, &place[i], ours[i], 2);
	send_bytes(i, MESSAGE);
	assert_true(is_readable(i, DEADLINE_S * 1000));
	receive(i, MESSAGE);
}

static void a_beat_wakes_when_it_is_whole(void **state)
{
	(void)state;
	begin(0);
	for (int beats = 0; beats < 3; beats++) {
		send_bytes(0, MESSAGE - 3); /* a digit or two less */
		assert_false(is_readable(0, 0));
		send_bytes(0, MESSAGE + 3);
		assert_true(is_readable(0, DEADLINE_S * 1000));
		receive(0, MESSAGE);
	}
}

static void what_comes_alone_is_read_all_the_same(void **state)
{
	int64_t until_us = clock_monotonic_us() + DEADLINE_S * SECOND_US;

	(void)state;
	begin(0);
	send_bytes(0, 20); /* a stop, a pong */
	assert_false(is_readable(0, 0));
	while (!is_readable(0, 0) && clock_monotonic_us() < until_us)
		uv_run(&loop, UV_RUN_ONCE);
	assert_true(is_readable(0, 0));
}

static void a_stream_that_pauses_is_read_at_once_for_a_while(void **state)
{
	(void)state;
	begin(0);
	while (low_water(0) > 1)
		uv_run(&loop, UV_RUN_ONCE);
	send_bytes(0, MESSAGE);
	assert_true(is_readable(0, DEADLINE_S * 1000));
	receive(0, MESSAGE);
	assert_int_equal(1, low_water(0));
	all.beat += 1000;
	send_bytes(0, MESSAGE);
	assert_true(is_readable(0, DEADLINE_S * 1000));
	receive(0, MESSAGE);
	assert_true(low_water(0) > MESSAGE);
}

static void larger_messages_raise_the_mark(void **state)
{
	(void)state;
	begin(0);
	send_bytes(0, 4 * (size_t)MESSAGE);
	assert_true(is_readable(0, DEADLINE_S * 1000));
	receive(0, 4 * (size_t)MESSAGE);
	send_bytes(0, 4 * (size_t)MESSAGE);
	assert_false(is_readable(0, 0));
	send_bytes(0, 4 * (size_t)MESSAGE);
	assert_true(is_readable(0, DEADLINE_S * 1000));
}

static void the_end_is_seen_below_the_mark(void **state)
{
	(void)state;
	begin(0);
	send_bytes(0, 5);
	assert_false(is_readable(0, 0));
	assert_int_equal(0, shutdown(theirs[0], SHUT_WR));
	assert_true(is_readable(0, DEADLINE_S * 1000));
}

static void one_message_a_beat_is_read_at_once(void **state)
{
	(void)state;
	gather_set(&all, &place[0], ours[0], 1);
	send_bytes(0, MESSAGE);
	assert_true(is_readable(0, DEADLINE_S * 1000));
	receive(0, MESSAGE);
	assert_int_equal(1, low_water(0));
}

static void who_is_no_stream_any_more_is_read_at_once(void **state)
{
	(void)state;
	begin(0);
	assert_true(low_water(0) > 1);
	gather_set(&all, &place[0], ours[0], 0);
	assert_int_equal(0, place[0]);
	assert_int_equal(1, low_water(0));
}

/* Hundreds of others, which say nothing. */
static void with_many_two_beats_are_one(void **state)
{
	enum { OTHERS = 500 };
	size_t others[OTHERS] = { 0 };

	(void)state;
	gather_set(&all, &place[0], ours[0], 1);
	for (int i = 0; i < OTHERS; i++)
		gather_set(&all, &others[i], -1, 1);
	while (all.beats == 1)
		uv_run(&loop, UV_RUN_ONCE);
	send_bytes(0, MESSAGE);
	assert_true(is_readable(0, DEADLINE_S * 1000));
	receive(0, MESSAGE);
	send_bytes(0, MESSAGE);
	assert_false(is_readable(0, 0));
	send_bytes(0, MESSAGE);
	assert_true(is_readable(0, DEADLINE_S * 1000));
	for (int i = 0; i < OTHERS; i++)
		gather_forget(&all, &others[i]);
	while (all.beats == 2)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(1, low_water(0));
}

static void who_goes_leaves_the_others_theirs(void **state)
{
	(void)state;
	for (int i = 0; i < PAIRS; i++)
		begin(i);
	gather_forget(&all, &place[0]);
	assert_int_equal(0, place[0]);
	for (int i = 1; i < PAIRS; i++) {
		assert_int_equal(ours[i], all.of[place[i] - 1].fd);
		send_bytes(i, MESSAGE);
		assert_false(is_readable(i, 0));
	}
	gather_forget(&all, &place[2]);
	gather_forget(&all, &place[1]);
	assert_int_equal(0, all.n);
	assert_false(uv_is_active((uv_handle_t *)&all.timer));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_beat_wakes_when_it_is_whole),
		T(what_comes_alone_is_read_all_the_same),
		T(a_stream_that_pauses_is_read_at_once_for_a_while),
		T(larger_messages_raise_the_mark),
		T(the_end_is_seen_below_the_mark),
		T(one_message_a_beat_is_read_at_once),
		T(who_is_no_stream_any_more_is_read_at_once),
		T(with_many_two_beats_are_one),
		T(who_goes_leaves_the_others_theirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
