/* Recordings on a disk: what was written where, and what goes wrong. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "record/recorder.h"
#include "tests/record/folder.h"
#include "tests/unit/cmocka_all.h"

#define START_US INT64_C(1790000000123000) /* 2026-09-21T14:13:20.123Z */

static struct fault oops;

/* Each test has a call of its own, hence a folder of its own. */
static struct uuid call;
static const char *path_of(unsigned leg)
{
	static char path[300];
	char id[UUID_TEXT + 1];

	uuid_format(&call, id);
	snprintf(path, sizeof(path), "%s/2026-09-21/%s/%lld-%u.wav", folder, id,
		 (long long)(START_US / MS_US), leg);
	return path;
}

static struct recorder *recorder_with(struct recorder_config config)
{
	struct recorder *r;

	config.folder = folder;
	config.memory_bytes = config.memory_bytes ? config.memory_bytes : 1 << 20;
	config.file_bytes_max = config.file_bytes_max ? config.file_bytes_max : 1 << 30;
	call = uuid_v7();
	assert_int_equal(recorder_new(&r, &config, &oops), 0);
	return r;
}

static struct recording *leg_open(struct recorder *r, unsigned leg, enum wav_coding coding)
{
	const struct recorder_leg about = {
		.call = call,
		.note = { START_US, leg, leg ? SPEAKER_AI : SPEAKER_USER },
		.shape = { coding, 1, coding == WAV_PCM ? 16 : 8, 8000 },
	};
	return recorder_open(r, &about);
}

static void frame_of(uint8_t out[160], unsigned number)
{
	for (unsigned i = 0; i < 160; i++)
		out[i] = (uint8_t)(number * 7 + i);
}

static int write_frame(struct recording *rec, int64_t position, unsigned number)
{
	uint8_t bytes[160];

	frame_of(bytes, number);
	return recorder_write(rec, position, (struct span){ (char *)bytes, sizeof(bytes) });
}

static struct wav opened(unsigned leg)
{
	struct wav w;
	int fd = open(path_of(leg), O_RDONLY);

	assert_true(fd >= 0);
	if (wav_open(&w, fd, &oops))
		fail_msg("%s", oops.text);
	return w;
}

static void data_of(const struct wav *w, uint64_t at, uint8_t *out, size_t n)
{
	assert_int_equal(pread(w->fd, out, n, (off_t)(w->data_at + at)), n);
}

static void assert_frame(const struct wav *w, uint64_t at, unsigned number)
{
	uint8_t want[160], is[160];

	frame_of(want, number);
	data_of(w, at, is, sizeof(is));
	assert_memory_equal(is, want, sizeof(is));
}

static void assert_silence(const struct wav *w, uint64_t at, size_t n, uint8_t silence)
{
	uint8_t *is = malloc(n);

	data_of(w, at, is, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(is[i], silence);
	free(is);
}

static void wait_until(bool (*is_so)(void *), void *about)
{
	int64_t until = clock_monotonic_us() + 10 * SECOND_US;

	while (!is_so(about)) {
		assert_true(clock_monotonic_us() < until);
		usleep(2000);
	}
}

static bool has_failed(void *about)
{
	return recorder_failed(about) != NULL;
}

/* --- as it should be --- */

static void frames_in_order(void **state)
{
	(void)state;
	struct recorder *r = recorder_with((struct recorder_config){ 0 });
	struct recording *rec = leg_open(r, 1, WAV_ULAW);
	struct stat st;

	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(write_frame(rec, i * 160, i), 0);
	assert_int_equal(recorder_ms(rec), 4000);
	assert_null(recorder_failed(rec));
	recorder_close(rec, START_US - 20000);
	recorder_free(r);

	struct wav w = opened(1);
	assert_int_equal(w.frames, 200 * 160);
	assert_false(w.ends_early);
	assert_int_equal(w.note.speaker, SPEAKER_AI);
	assert_int_equal(w.note.start_us, START_US - 20000);
	for (unsigned i = 0; i < 200; i++)
		assert_frame(&w, i * 160, i);
	assert_int_equal(fstat(w.fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	close(w.fd);
	char parent[400];
	snprintf(parent, sizeof(parent), "%s/..", path_of(1));
	*strrchr(parent, '/') = '\0';
	*strrchr(parent, '/') = '\0';
	assert_int_equal(stat(parent, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

/* What lies between is silence of the leg's own kind, small gaps and large ones; what comes twice
 * or overlaps is kept as it came first. */
static void gaps_and_overlaps(void **state)
{
	(void)state;
	static const struct {
		enum wav_coding coding;
		uint8_t silence;
		unsigned each;
	} kinds[] = { { WAV_ULAW, 0xff, 1 }, { WAV_ALAW, 0xd5, 1 }, { WAV_PCM, 0, 2 } };

	for (size_t k = 0; k < 3; k++) {
		struct recorder *r = recorder_with((struct recorder_config){ 0 });
		struct recording *rec = leg_open(r, 0, kinds[k].coding);
		unsigned each = kinds[k].each, step = 160 / each;

		assert_int_equal(write_frame(rec, 0, 1), 0);
		assert_int_equal(write_frame(rec, 3 * step, 2), 0);
		assert_int_equal(write_frame(rec, 100000, 3), 0);
		assert_int_equal(write_frame(rec, 100000, 9), 0);
		assert_int_equal(write_frame(rec, 100000 + step / 2, 3), 0);
		assert_int_equal(write_frame(rec, -step, 9), 0);
		recorder_close(rec, START_US);
		recorder_free(r);
		struct wav w = opened(0);
		assert_int_equal(w.frames, 100000 + step + step / 2);
		assert_frame(&w, 0, 1);
		assert_silence(&w, 160, 320, kinds[k].silence);
		assert_frame(&w, 480, 2);
		assert_silence(&w, 640, 100000 * each - 640, kinds[k].silence);
		assert_frame(&w, 100000 * each, 3);
		close(w.fd);
	}
}

static void what_was_written_is_taken_back(void **state)
{
	(void)state;
	struct recorder *r = recorder_with((struct recorder_config){ 0 });
	struct recording *rec = leg_open(r, 0, WAV_ULAW), *all = leg_open(r, 1, WAV_PCM);

	for (unsigned i = 0; i < 300; i++) {
		assert_int_equal(write_frame(rec, i * 160, i), 0);
		assert_int_equal(write_frame(all, i * 80, i), 0);
		if (i == 199) {
			recorder_blank(rec, 100 * 160);
			recorder_blank(all, -5);
		}
	}
	assert_int_equal(recorder_ms(rec), 6000);
	recorder_blank(rec, 301 * 160);
	recorder_close(rec, START_US);
	recorder_close(all, START_US);
	recorder_free(r);
	struct wav w = opened(0), v = opened(1);
	assert_int_equal(w.frames, 300 * 160);
	assert_frame(&w, 99 * 160, 99);
	assert_silence(&w, 100 * 160, 100 * 160, 0xff);
	assert_frame(&w, 200 * 160, 200);
	assert_silence(&v, 0, 200 * 160, 0);
	assert_frame(&v, 200 * 160, 200);
	assert_frame(&v, 299 * 160, 299);
	close(w.fd);
	close(v.fd);
}

static void paused_is_silence_of_the_same_length(void **state)
{
	(void)state;
	struct recorder *r = recorder_with((struct recorder_config){ 0 });
	struct recording *rec = leg_open(r, 0, WAV_ULAW);

	for (unsigned i = 0; i < 300; i++) {
		recorder_pause(rec, i >= 100 && i < 200);
		assert_int_equal(write_frame(rec, i * 160, i), 0);
	}
	recorder_close(rec, START_US);
	recorder_free(r);
	struct wav w = opened(0);
	assert_int_equal(w.frames, 300 * 160);
	assert_frame(&w, 99 * 160, 99);
	assert_silence(&w, 100 * 160, 100 * 160, 0xff);
	assert_frame(&w, 200 * 160, 200);
	close(w.fd);
}

struct writer {
	struct recorder *r;
	unsigned leg;
};

static void *write_many(void *arg)
{
	struct writer *w = arg;
	struct recording *rec = leg_open(w->r, w->leg, WAV_ULAW);

	for (unsigned i = 0; i < 5000; i++) {
		while (write_frame(rec, i * 160, i + w->leg) == E_FULL)
			usleep(1000);
	}
	recorder_close(rec, START_US);
	return NULL;
}

static void several_threads(void **state)
{
	(void)state;
	struct recorder *r = recorder_with((struct recorder_config){ .memory_bytes = 8 << 20 });
	struct writer writers[4];
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++) {
		writers[i] = (struct writer){ r, i };
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	recorder_free(r);
	for (unsigned leg = 0; leg < 4; leg++) {
		struct wav w = opened(leg);

		assert_int_equal(w.frames, 5000 * 160);
		for (unsigned i = 4800; i < 5000; i++)
			assert_frame(&w, i * 160, i + leg);
		close(w.fd);
	}
	assert_int_equal(metric_value(METRIC_RECORDINGS_OPEN), 0);
}

static void a_file_is_locked_while_it_is_written(void **state)
{
	(void)state;
	struct recorder *r = recorder_with((struct recorder_config){ 0 });
	struct recording *rec = leg_open(r, 0, WAV_ULAW);
	int64_t until = clock_monotonic_us() + 10 * SECOND_US;
	int fd;

	while ((fd = open(path_of(0), O_RDONLY)) < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0) {
		assert_true(clock_monotonic_us() < until);
		close(fd);
		usleep(1000);
	}
	recorder_close(rec, START_US);
	recorder_free(r);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
}

/* The call is often known only after its audio has begun. */
static void a_recording_moves_to_its_call(void **state)
{
	(void)state;
	struct recorder *r = recorder_with((struct recorder_config){ 0 });
	struct recording *there = leg_open(r, 0, WAV_ULAW), *rec;
	struct uuid known = call, unknown = uuid_v7();
	char folder_before[300];

	assert_int_equal(write_frame(there, 0, 1), 0);
	call = unknown;
	rec = leg_open(r, 0, WAV_ULAW);
	snprintf(folder_before, sizeof(folder_before), "%s", path_of(0));
	*strrchr(folder_before, '/') = '\0';
	assert_int_equal(write_frame(rec, 0, 2), 0);
	recorder_move(rec, &known);
	assert_int_equal(write_frame(rec, 160, 3), 0);
	recorder_close(rec, START_US);
	recorder_close(there, START_US);
	recorder_free(r);
	assert_int_equal(access(folder_before, F_OK), -1);
	call = known;
	struct wav w = opened(0);
	assert_int_equal(w.frames, 160);
	assert_frame(&w, 0, 1);
	close(w.fd);
	/* Another of the same name is not replaced. */
	char path[300];
	snprintf(path, sizeof(path), "%s", path_of(0));
	snprintf(strrchr(path, '/'), 40, "/%lld-0.wav", (long long)(START_US / MS_US + 1));
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(wav_open(&w, fd, &oops), 0);
	assert_int_equal(w.frames, 320);
	assert_frame(&w, 160, 3);
	close(fd);
}

/* --- what goes wrong --- */

static atomic_int budget; /* bytes the disk still takes */
static ssize_t write_until_full(int fd, const void *bytes, size_t n, off_t at)
{
	int left = atomic_load(&budget);

	if (left <= 0) {
		errno = ENOSPC;
		return -1;
	}
	n = n < (size_t)left ? n : (size_t)left;
	atomic_fetch_sub(&budget, (int)n);
	return pwrite(fd, bytes, n, at);
}

static int fill(struct recording *rec)
{
	int64_t until = clock_monotonic_us() + 10 * SECOND_US;
	int rc = 0;

	for (unsigned i = 0; rc != E_CLOSED; i++) {
		rc = write_frame(rec, i * 160, i);
		if (clock_monotonic_us() > until)
			break;
		usleep(100);
	}
	return rc;
}

static void a_full_disk_stops_this_recording_and_not_the_next(void **state)
{
	(void)state;
	atomic_store(&budget, 20000);
	int64_t failed = metric_value(METRIC_RECORDINGS_FAILED);
	struct recorder *r = recorder_with((struct recorder_config){ .write = write_until_full });
	struct recording *rec = leg_open(r, 0, WAV_ULAW);

	assert_int_equal(fill(rec), E_CLOSED);
	assert_string_equal(recorder_failed(rec), "the disk is full");
	assert_int_equal(metric_value(METRIC_RECORDINGS_FAILED), failed + 1);
	struct recording *next = leg_open(r, 1, WAV_ULAW);
	wait_until(has_failed, next);
	recorder_close(next, START_US);
	atomic_store(&budget, 1 << 30);
	struct recording *later = leg_open(r, 2, WAV_ULAW);
	assert_int_equal(write_frame(later, 0, 1), 0);
	recorder_close(later, START_US);
	recorder_close(rec, START_US);
	recorder_free(r);
	/* What there was is a recording. */
	struct wav w = opened(0);
	assert_in_range(w.frames, 8000, 20000);
	assert_frame(&w, 0, 0);
	close(w.fd);
	w = opened(2);
	assert_int_equal(w.frames, 160);
	close(w.fd);
	assert_int_equal(metric_value(METRIC_RECORDINGS_OPEN), 0);
}

static ssize_t write_for_limit(int fd, const void *bytes, size_t n, off_t at)
{
	return pwrite(fd, bytes, n, at);
}

/* The kernel's own limit, in a process of its own. */
static void file_size_limit(void **state)
{
	(void)state;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit limit = { 30000, 30000 };

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		struct recorder *r =
			recorder_with((struct recorder_config){ .write = write_for_limit });
		struct recording *rec = leg_open(r, 0, WAV_ULAW);
		bool right = fill(rec) == E_CLOSED &&
			     strcmp(recorder_failed(rec), "the file is larger than may be") == 0;
		recorder_close(rec, START_US);
		recorder_free(r);
		_exit(right ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void caps(void **state)
{
	(void)state;
	struct recorder *r = recorder_with((struct recorder_config){ .file_bytes_max = 20000 });
	struct recording *rec = leg_open(r, 0, WAV_ULAW);

	assert_int_equal(fill(rec), E_CLOSED);
	assert_non_null(strstr(recorder_failed(rec), "recording.max_bytes"));
	recorder_close(rec, START_US);
	/* A clock that jumps does not fill the disk with silence. */
	rec = leg_open(r, 1, WAV_ULAW);
	assert_int_equal(write_frame(rec, INT64_C(1) << 40, 1), 0);
	recorder_close(rec, START_US);
	recorder_free(r);
	struct wav w = opened(1);
	assert_int_equal(w.frames, 0);
	close(w.fd);

	r = recorder_with((struct recorder_config){ .free_bytes_min = UINT64_MAX });
	rec = leg_open(r, 0, WAV_ULAW);
	wait_until(has_failed, rec);
	assert_non_null(strstr(recorder_failed(rec), "recording.min_free_bytes"));
	recorder_close(rec, START_US);
	recorder_free(r);
	assert_int_equal(access(path_of(0), F_OK), -1);
}

static atomic_bool disk_hangs;
static ssize_t write_when_it_may(int fd, const void *bytes, size_t n, off_t at)
{
	while (atomic_load(&disk_hangs))
		usleep(1000);
	return pwrite(fd, bytes, n, at);
}

static void without_a_free_block_frames_are_left_out(void **state)
{
	(void)state;
	int64_t dropped = metric_value(METRIC_RECORDING_DROPPED);
	struct recorder *r = recorder_with((struct recorder_config){
		.memory_bytes = 1, .write = write_when_it_may }); /* four blocks */
	struct recording *rec;
	unsigned first = 0, last = 0;

	atomic_store(&disk_hangs, true);
	rec = leg_open(r, 0, WAV_ULAW);
	for (unsigned i = 0; i < 400; i++) {
		if (write_frame(rec, i * 160, i) != E_FULL)
			continue;
		first = first ? first : i;
		last = i;
	}
	assert_in_range(first, 150, 250);
	assert_int_equal(last, 399);
	assert_true(metric_value(METRIC_RECORDING_DROPPED) > dropped);
	atomic_store(&disk_hangs, false);
	unsigned again = 500;
	for (int64_t until = clock_monotonic_us() + 10 * SECOND_US;; again++) {
		if (write_frame(rec, again * 160, again) == 0)
			break;
		assert_true(clock_monotonic_us() < until);
		usleep(1000);
	}
	recorder_close(rec, START_US);
	recorder_free(r);
	struct wav w = opened(0);
	/* Nothing moved: the time line holds. A frame that was refused is not written later. */
	assert_frame(&w, (first - 1) * 160, first - 1);
	assert_silence(&w, (first + 1) * 160, (again - first - 1) * 160, 0xff);
	assert_frame(&w, again * 160, again);
	close(w.fd);
}

/* Killed in mid-call: no close, no end of the process in order. */
static void what_a_killed_process_leaves_can_be_read(void **state)
{
	(void)state;
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	call = uuid_v7();
	struct uuid it = call;
	pid_t pid = fork();
	if (pid == 0) {
		struct recorder *r = recorder_with((struct recorder_config){ 0 });

		call = it;
		struct recording *rec = leg_open(r, 0, WAV_ULAW);
		for (unsigned i = 0; i < 120; i++)
			CHECK(write_frame(rec, i * 160, i) == 0);
		CHECK(write(ready[1], "x", 1) == 1);
		pause();
	}
	char x;
	assert_int_equal(read(ready[0], &x, 1), 1);
	struct stat st = { 0 };
	int64_t until = clock_monotonic_us() + 10 * SECOND_US;
	while (stat(path_of(0), &st) || st.st_size < 16000) {
		assert_true(clock_monotonic_us() < until);
		usleep(1000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);

	struct wav w = opened(0);
	assert_int_equal(flock(w.fd, LOCK_EX | LOCK_NB), 0);
	assert_true(w.has_note);
	assert_in_range(w.frames, 16000, 120 * 160);
	for (unsigned i = 0; i < 100; i++)
		assert_frame(&w, i * 160, i);
	close(w.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_in_order),
		cmocka_unit_test(gaps_and_overlaps),
		cmocka_unit_test(what_was_written_is_taken_back),
		cmocka_unit_test(paused_is_silence_of_the_same_length),
		cmocka_unit_test(several_threads),
		cmocka_unit_test(a_recording_moves_to_its_call),
		cmocka_unit_test(a_file_is_locked_while_it_is_written),
		cmocka_unit_test(a_full_disk_stops_this_recording_and_not_the_next),
		cmocka_unit_test(file_size_limit),
		cmocka_unit_test(caps),
		cmocka_unit_test(without_a_free_block_frames_are_left_out),
		cmocka_unit_test(what_a_killed_process_leaves_can_be_read),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
