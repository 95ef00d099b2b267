/* What recording costs: nanoseconds of the calling thread for each 20 ms frame of a leg given to
 *the recorder, and processor time of the disk thread for the same frame, which writes real files.
 *
 *	record_bench [legs [seconds]]
 *
 * Frames of all legs come in turn, as on a shard; so fast that the disk may not follow: then the
 * bench waits, which is not counted. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "bench/measure.h"
#include "record/recorder.h"

enum { FRAMES_PER_S = 50, FRAME_MAX = 640 };

static const struct {
	const char *name;
	struct wav_shape shape;
} kinds[] = {
	{ "mu-law, 8 kHz", { WAV_ULAW, 1, 8, 8000 } },
	{ "PCM, 8 kHz", { WAV_PCM, 1, 16, 8000 } },
	{ "PCM, 16 kHz", { WAV_PCM, 1, 16, 16000 } },
};

static void let_the_disk_follow(int64_t bytes_given, size_t ahead_max)
{
	while (bytes_given - metric_value(METRIC_RECORDING_BYTES) > (int64_t)ahead_max)
		usleep(1000);
}

static void run(const char *folder, size_t kind, size_t legs, size_t seconds)
{
	const struct wav_shape *shape = &kinds[kind].shape;
	const size_t memory = (size_t)64 << 20, n = shape->rate_hz / FRAMES_PER_S;
	const struct recorder_config rc = { .folder = folder,
					    .memory_bytes = memory,
					    .file_bytes_max = (uint64_t)1 << 40 };
	struct recording **all = calloc(legs, sizeof(struct recording *));
	char frame[FRAME_MAX] = { 0 };
	struct span bytes = { frame, n * wav_frame_bytes(shape) };
	struct fault f = { 0 };
	struct recorder *r;
	int64_t spent_ns = 0, dropped = 0, given = metric_value(METRIC_RECORDING_BYTES);

	CHECK(all && recorder_new(&r, &rc, &f) == 0);
	for (size_t i = 0; i < legs; i++) {
		const struct recorder_leg leg = { .call = uuid_v7(),
						  .note = { clock_now_us(), 0, SPEAKER_USER },
						  .shape = *shape };
		all[i] = recorder_open(r, &leg);
	}
	int64_t process_ns = cpu_ns_of(CLOCK_PROCESS_CPUTIME_ID), mine_ns = cpu_ns();
	for (size_t k = 0; k < seconds * FRAMES_PER_S; k++) {
		int64_t began_ns = cpu_ns();
		for (size_t i = 0; i < legs; i++)
			dropped += recorder_write(all[i], (int64_t)(k * n), bytes) != 0;
		spent_ns += cpu_ns() - began_ns;
		given += (int64_t)(legs * bytes.n);
		let_the_disk_follow(given, legs * 8192 + memory / 4);
	}
	for (size_t i = 0; i < legs; i++)
		recorder_close(all[i], clock_now_us());
	recorder_free(r);
	process_ns = cpu_ns_of(CLOCK_PROCESS_CPUTIME_ID) - process_ns;
	mine_ns = cpu_ns() - mine_ns;
	double frames = (double)(legs * seconds * FRAMES_PER_S);
	printf("%-14s %6zu legs  shard %6.1f ns/frame  disk thread %6.1f ns/frame  dropped %lld\n",
	       kinds[kind].name, legs, (double)spent_ns / frames,
	       (double)(process_ns - mine_ns) / frames, (long long)dropped);
	free(all);
}

int main(int argc, char **argv)
{
	size_t legs = argc > 1 ? strtoul(argv[1], NULL, 10) : 2000;
	size_t seconds = argc > 2 ? strtoul(argv[2], NULL, 10) : 20;
	char folder[] = "/tmp/callmend-record-XXXXXX", command[100];
	struct rlimit files = { legs + 100, legs + 100 };

	CHECK(legs && seconds && mkdtemp(folder));
	setrlimit(RLIMIT_NOFILE, &files);
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++)
		run(folder, kind, legs, seconds);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}
