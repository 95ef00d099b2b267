/* Receiving WebSocket messages allocates nothing once the connection is warm: what live audio
 * stands on. */
#include <stdlib.h>
#include <unistd.h>

#include "allocations.h"
#include "rig.h"

enum { WARM = 20, FRAMES = 400, PIECES = 700 };

static struct rig rig;
static atomic_int frames;
static atomic_long bytes;

static void on_message(struct ws *ws, struct span message)
{
	(void)ws;
	atomic_fetch_add(&bytes, (long)message.n);
	atomic_fetch_add(&frames, 1);
}

static const struct ws_handlers handlers = { .text = on_message, .binary = on_message };
static const struct http_route routes[] = {
	{ .method = HTTP_GET, .pattern = "/media", .body_limit = 100000, .ws = &handlers },
};

static int setup(void **state)
{
	(void)state;
	rig.config.ws_queue_bytes = 65536;
	rig_start(&rig, 1, routes, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	return 0;
}

static void watch(struct shard *s, void *on)
{
	(void)s;
	allocations_watch(on != NULL);
}

/* A frame of µ-law, one of JSON, one in two fragments. */
static void send_group(int fd)
{
	static const char zeroes[PIECES];
	static char text[300];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = 'a';
	wsc_send(fd, 0x82, zeroes, 160);
	wsc_send(fd, 0x81, text, sizeof(text));
	wsc_send(fd, 0x02, zeroes, PIECES);
	wsc_send(fd, 0x80, zeroes, PIECES);
}

static void receiving_allocates_nothing(void **state)
{
	(void)state;
	struct reply r = { 0 };
	int fd = client_connect(rig.port);

	wsc_open(fd, "/media", "", &r);
	assert_int_equal(101, r.status);
	for (int i = 0; i < WARM; i++)
		send_group(fd);
	rig_wait(&frames, 3 * WARM);
	rig_on_shard(&rig, 0, watch, &rig);
	allocations_seen();
	for (int i = 0; i < FRAMES; i++)
		send_group(fd);
	rig_wait(&frames, 3 * (WARM + FRAMES));
	long n = allocations_seen();
	rig_on_shard(&rig, 0, watch, NULL);
	assert_int_equal((160 + 300 + 2 * PIECES) * (WARM + FRAMES), atomic_load(&bytes));
	assert_int_equal(0, n);
	close(fd);
	reply_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(receiving_allocates_nothing) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
