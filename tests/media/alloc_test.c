/* The way of a media frame - socket, JSON, base64, leg with detector and ring, facts - allocates
 * nothing once it has warmed up. */
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
	while (metric_value(METRIC_MEDIA_MESSAGES) < least)
		usleep(1000);
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
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
