/* The way of a media frame - socket, JSON, base64 or protobuf, leg with detector and ring, facts -
 * allocates nothing once it has warmed up. */
#include <stdlib.h>
#include <unistd.h>

#include "base/metrics.h"
#include "fake_hear.h"
#include "tests/net/allocations.h"

enum { WARM = 1500, FRAMES = 1500 }; /* 30 s: every kind of fact, and the ring is full */

static struct lines lines;

static void pause_counting(void)
{
	allocations_watch(false);
}

static void go_on_counting(void)
{
	allocations_watch(true);
}

static void watch(struct shard *s, void *on)
{
	(void)s;
	lines.hear.on_tell = on ? pause_counting : NULL;
	lines.hear.after_tell = on ? go_on_counting : NULL;
	allocations_watch(on != NULL);
}

static void wait_audio(int64_t least)
{
	for (int i = 0; metric_value(METRIC_MEDIA_MESSAGES) < least; i++) {
		if (i > 3 * RIG_WAIT_MS)
			fail_msg("the frames do not arrive");
		usleep(1000);
	}
}

static void count(int fd, void (*send)(int fd, unsigned first, unsigned n))
{
	int64_t before = metric_value(METRIC_MEDIA_MESSAGES);

	send(fd, 0, WARM);
	wait_audio(before + WARM);
	rig_on_shard(&lines.rig, 0, watch, &lines);
	allocations_seen();
	int bodies = atomic_load(&lines.hear.bodies);
	send(fd, WARM, FRAMES);
	wait_audio(before + WARM + FRAMES);
	rig_on_shard(&lines.rig, 0, watch, NULL);
	assert_int_equal(0, allocations_seen());
	assert_true(atomic_load(&lines.hear.bodies) > bodies + 4); /* and facts were told */
}

static void json_frames_allocate_nothing(void **state)
{
	(void)state;
	int status, fd = lines_open(&lines, "/in/twilio/phone", &status);

	assert_int_equal(101, status);
	lines_twilio_start(fd, "CA1");
	count(fd, lines_twilio_audio);
	close(fd);
}

static void send_stereo(int fd, unsigned first, unsigned n)
{
	static char bytes[640 * 2 + 2];

	for (unsigned i = first; i < first + n; i++) {
		for (size_t k = 0; k < 640; k++) {
			int16_t v = (int16_t)((i / 50 % 2 ? 0 : 8000) * (k % 40 < 20 ? 1 : -1));
			memcpy(bytes + 2 * k, &v, 2);
		}
		/* cut anywhere */
		wsc_send(fd, 0x82, bytes, i % 2 ? 1279 : 1281);
	}
}

static void odd_stereo_frames_allocate_nothing(void **state)
{
	(void)state;
	int status, fd = lines_open(&lines, "/in/vapi/main/transcriber", &status);

	assert_int_equal(101, status);
	lines_text(fd, "{'type':'start','encoding':'linear16','container':'raw','sampleRate':16000,"
		       "'channels':2}");
	count(fd, send_stereo);
	close(fd);
}

/* 100 ms of two participants a time. */
static void grpc_frames_allocate_nothing(void **state)
{
	(void)state;
	enum { LONG = 300 };
	struct grpc_client *c = grpc_client_new(lines.rig.grpc_port, IN_CLEAR);
	struct call *k = lines_stream(c, LINES_KEY);
	int64_t before = metric_value(METRIC_MEDIA_MESSAGES);

	client_wait_settings(c);
	lines_init(c, k, "s1", "d1", "");
	lines_join(c, k, "g1", 1, "p1", 3);
	lines_join(c, k, "g2", 2, "p2", 3);
	for (unsigned part = 0; part < 2; part++) {
		if (part) {
			rig_on_shard(&lines.rig, 0, watch, &lines);
			allocations_seen();
		}
		for (unsigned i = part * LONG; i < (part + 1) * LONG; i++) {
			lines_media(c, k, "g1", i, 1);
			lines_media(c, k, "g2", i, 1);
			if (i % 30 == 29) /* windows are opened again */
				wait_audio(before + 2 + 2 * (int64_t)(i + 1));
		}
		wait_audio(before + 2 + (part + 1) * 2 * LONG);
	}
	rig_on_shard(&lines.rig, 0, watch, NULL);
	assert_int_equal(0, allocations_seen());
	call_end(c, k);
	call_wait(c, k);
	grpc_client_free(c);
}

static int setup(void **state)
{
	(void)state;
	atomic_store(&lines.hear.way, HEAR_CALL_ID);
	lines_start(&lines);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lines_stop(&lines);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_frames_allocate_nothing),
		cmocka_unit_test(odd_stereo_frames_allocate_nothing),
		cmocka_unit_test(grpc_frames_allocate_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
