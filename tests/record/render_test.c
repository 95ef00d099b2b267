/* Legs on one clock become a stereo recording and its peaks. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "callmend/codec.h"
#include "record/mix.h"
#include "record/peaks.h"
#include "record/render.h"
#include "record/sound_file.h"
#include "tests/record/folder.h"
#include "tests/unit/cmocka_all.h"

#define START_US INT64_C(1790000000000000)

static struct fault oops;

#define assert_ok(expr)                            \
	do {                                       \
		if (expr)                          \
			fail_msg("%s", oops.text); \
	} while (0)

/* A leg with a tone from one second on, for two. */
static struct wav tone_leg(enum speaker speaker, struct wav_shape shape, int64_t late_ms)
{
	struct wav_note note = { START_US + late_ms * MS_US, 0, speaker, 0 };
	uint8_t head[WAV_HEAD_BYTES];
	char path[] = "/tmp/callmend-leg-XXXXXX";
	int fd = mkstemp(path);
	struct wav w;

	assert_true(fd >= 0);
	unlink(path);
	wav_head(&shape, &note, WAV_UNKNOWN, head);
	assert_int_equal(write(fd, head, sizeof(head)), sizeof(head));
	for (uint32_t i = 0; i < 4 * shape.rate_hz; i++) {
		bool on = i >= shape.rate_hz && i < 3 * shape.rate_hz;
		int16_t v = on ? (int16_t)(12000 * sin(2 * M_PI * 500 * i / shape.rate_hz)) : 0;
		uint8_t u = g711_ulaw_of(v);

		if (shape.coding == WAV_ULAW)
			assert_int_equal(write(fd, &u, 1), 1);
		else
			assert_int_equal(write(fd, &v, 2), 2);
	}
	assert_ok(wav_open(&w, fd, &oops));
	return w;
}

static const struct wav_shape ulaw8 = { WAV_ULAW, 1, 8, 8000 }, pcm16 = { WAV_PCM, 1, 16, 16000 };

static int read_mix(void *user, int16_t *stereo, size_t frames, size_t *got, struct fault *f)
{
	return mix_read(user, stereo, frames, got, f);
}

/* Of one side between two times. */
static double loudness(const int16_t *stereo, uint32_t rate, unsigned side, double from, double to)
{
	double sum = 0;
	size_t a = (size_t)(from * rate), b = (size_t)(to * rate);

	for (size_t i = a; i < b; i++)
		sum += (double)stereo[2 * i + side] * stereo[2 * i + side];
	return sqrt(sum / (double)(b - a));
}

static void legs_are_placed_on_one_clock(void **state)
{
	(void)state;
	static int16_t all[2 * 16000 * 20];
	struct wav legs[] = { tone_leg(SPEAKER_AI, pcm16, 4500), tone_leg(SPEAKER_USER, ulaw8, 0),
			      tone_leg(SPEAKER_NONE, ulaw8, 12000) };
	scoped(mix) *m = NULL;
	size_t n;

	assert_ok(mix_new(&m, legs, 3, &oops));
	assert_int_equal(mix_rate_hz(m), 16000);
	assert_int_equal(mix_start_us(m), START_US);
	assert_ok(mix_read(m, all, sizeof(all) / 4, &n, &oops));
	/* The last one begins at 12 s and has 4 s, less what the resampler keeps. */
	assert_in_range(n, 16000 * 16 - 100, 16000 * 16 + 100);
	/* left: the customer from 1 to 3 s; right: the assistant from 5.5 to 7.5 s; both: 13 to 15
	 * s */
	static const double heard[][3] = {
		{ 1.1, 2.9, 0 }, { 5.6, 7.4, 1 }, { 13.1, 14.9, 0 }, { 13.1, 14.9, 1 }
	};
	static const double quiet[][3] = {
		{ 0, 0.9, 0 }, { 3.1, 12.9, 0 }, { 0, 5.4, 1 }, { 7.6, 12.9, 1 }
	};
	for (size_t i = 0; i < 4; i++) {
		assert_in_range(
			(int)loudness(all, 16000, (unsigned)heard[i][2], heard[i][0], heard[i][1]),
			8000, 9000);
		assert_in_range(
			(int)loudness(all, 16000, (unsigned)quiet[i][2], quiet[i][0], quiet[i][1]),
			0, 20);
	}
	for (size_t i = 0; i < 3; i++)
		close(legs[i].fd);
}

/* Both are on a line of a higher rank, the customer from 1.5 s on also on one of his own. */
static void a_leg_of_higher_rank_is_heard_where_no_other_is(void **state)
{
	(void)state;
	static int16_t all[2 * 8000 * 10];
	struct wav legs[] = { tone_leg(SPEAKER_USER, ulaw8, 0), tone_leg(SPEAKER_AI, ulaw8, 0),
			      tone_leg(SPEAKER_USER, ulaw8, 1500) };
	scoped(mix) *m = NULL;
	size_t n;

	legs[0].note.rank = legs[1].note.rank = 2;
	assert_ok(mix_new(&m, legs, 3, &oops));
	assert_ok(mix_read(m, all, 8000 * 10, &n, &oops));
	assert_int_equal(n, 8000 * 55 / 10);
	/* The customer: of the first line until 1.5 s; then of the other, quiet until 2.5 s. */
	assert_in_range((int)loudness(all, 8000, 0, 1.05, 1.45), 8000, 9000);
	assert_in_range((int)loudness(all, 8000, 0, 1.55, 2.45), 0, 20);
	assert_in_range((int)loudness(all, 8000, 0, 2.55, 4.45), 8000, 9000);
	assert_in_range((int)loudness(all, 8000, 1, 1.05, 2.95), 8000, 9000);
	for (size_t i = 0; i < 3; i++)
		close(legs[i].fd);
}

static void sums_do_not_turn_over(void **state)
{
	(void)state;
	static int16_t all[2 * 8000 * 5];
	struct wav legs[] = { tone_leg(SPEAKER_USER, ulaw8, 0), tone_leg(SPEAKER_USER, ulaw8, 0),
			      tone_leg(SPEAKER_USER, ulaw8, 0), tone_leg(SPEAKER_USER, ulaw8, 0) };
	scoped(mix) *m = NULL;
	size_t n;

	assert_ok(mix_new(&m, legs, 4, &oops));
	assert_ok(mix_read(m, all, 8000 * 5, &n, &oops));
	assert_int_equal(n, 8000 * 4);
	int16_t before = 0;
	for (size_t i = 0; i < n; i++) {
		assert_in_range(abs(all[2 * i] - before), 0, 30000);
		before = all[2 * i];
	}
	for (size_t i = 0; i < 4; i++)
		close(legs[i].fd);
}

static double of_peaks(struct json list, size_t at)
{
	struct json_iter it = json_iter(list);
	struct span key;
	struct json v;
	double d = -1;

	for (size_t i = 0; i <= at; i++)
		assert_true(json_next(&it, &key, &v));
	assert_true(json_f64(v, &d));
	return d;
}

static const char *in_folder(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* Encoded, and read again: each on its side, at its time; and the waveform shows it. */
static void there_and_back(void **state)
{
	(void)state;
	static int16_t all[2 * 48000 * 20];
	struct wav legs[] = { tone_leg(SPEAKER_USER, ulaw8, 0), tone_leg(SPEAKER_AI, ulaw8, 4000) };
	scoped(mix) *m = NULL;
	struct render_result r = { 0 };
	struct stat st;
	size_t n;

	assert_ok(mix_new(&m, legs, 2, &oops));
	const struct render_source source = { mix_rate_hz(m), read_mix, NULL, m };
	assert_ok(render_ogg(&source, in_folder("a.ogg"), &r, &oops));
	assert_int_equal(r.duration_ms, 8000);
	assert_int_equal(stat(in_folder("a.ogg"), &st), 0);
	assert_int_equal(st.st_size, r.bytes);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_in_range(r.bytes, 4000, 80000);

	scoped(sound_file) *s = NULL;
	assert_ok(sound_file_open(&s, in_folder("a.ogg"), &oops));
	assert_string_equal(sound_file_format(s), "ogg");
	assert_int_equal(sound_file_channels(s), 2);
	assert_ok(sound_file_read(s, all, 48000 * 20, &n, &oops));
	assert_in_range(n, 48000 * 8 - 48, 48000 * 8 + 48);
	assert_in_range((int)loudness(all, 48000, 0, 1.1, 2.9), 7500, 9500);
	assert_in_range((int)loudness(all, 48000, 1, 5.1, 6.9), 7500, 9500);
	/* Hardly anything of one side is heard on the other. */
	assert_in_range((int)loudness(all, 48000, 1, 1.1, 2.9), 0, 120);
	assert_in_range((int)loudness(all, 48000, 0, 5.1, 6.9), 0, 120);

	struct json peaks = json_of(buf_span(&r.peaks));
	struct json left = json_get(peaks, "left"), right = json_get(peaks, "right");
	int64_t ms = 0;
	assert_int_equal(json_check(buf_span(&r.peaks), &oops), 0);
	assert_true(json_i64(json_get(peaks, "ms"), &ms));
	assert_int_equal(ms, 100);
	assert_int_equal(json_count(left), 2 * 80);
	assert_int_equal(json_count(right), 2 * 80);
	assert_int_equal((int)of_peaks(left, 0), 128);
	assert_int_equal((int)of_peaks(left, 1), 128);
	assert_in_range((int)of_peaks(left, 2 * 20), 78, 84); /* -12000 / 256 + 128 = 81 */
	assert_in_range((int)of_peaks(left, 2 * 20 + 1), 172, 177);
	assert_int_equal((int)of_peaks(left, 2 * 60), 128);
	assert_in_range((int)of_peaks(right, 2 * 60), 78, 84);
	buf_free(&r.peaks);
	close(legs[0].fd);
	close(legs[1].fd);
}

static void long_recordings_have_coarser_peaks(void **state)
{
	(void)state;
	struct peaks *p = calloc(1, sizeof(*p));
	struct buf text AUTO_BUF = { 0 };
	int16_t second[2 * 8000] = { 0 };
	int64_t ms = 0;

	assert_non_null(p);
	p->rate_hz = 8000;
	for (size_t i = 0; i < 3600; i++) {
		second[0] = i == 3000 ? 32767 : 0;
		second[1] = i == 100 ? -32768 : 0;
		peaks_add(p, second, 8000);
	}
	peaks_write(p, &text);
	struct json doc = json_of(buf_span(&text));
	assert_true(json_i64(json_get(doc, "ms"), &ms));
	assert_int_equal(ms, 200);
	assert_int_equal(json_count(json_get(doc, "left")), 2 * 18000);
	assert_int_equal((int)of_peaks(json_get(doc, "left"), 2 * 15000 + 1), 255);
	assert_int_equal((int)of_peaks(json_get(doc, "right"), 2 * 500), 0);
	assert_int_equal((int)of_peaks(json_get(doc, "right"), 2 * 501), 128);
	free(p);
}

/* --- what goes wrong --- */

static int endless(void *user, int16_t *stereo, size_t frames, size_t *got, struct fault *f)
{
	unsigned *seed = user;

	(void)f;
	for (size_t i = 0; i < 2 * frames; i++)
		stereo[i] = (int16_t)rand_r(seed);
	*got = frames;
	return 0;
}

static int enough(void *user, struct fault *f)
{
	(void)user;
	return fault(f, E_CONFLICT, "enough");
}

static void a_full_disk_leaves_nothing(void **state)
{
	(void)state;
	pid_t pid = fork();

	if (pid == 0) {
		struct rlimit limit = { 20000, 20000 };
		unsigned seed = 1;
		struct render_source source = { 16000, endless, NULL, &seed };
		struct render_result r = { 0 };

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(render_ogg(&source, in_folder("full.ogg"), &r, &oops) == E_IO &&
				      strstr(oops.text, "File too large")
			      ? 0
			      : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	char command[200];
	snprintf(command, sizeof(command), "test -z \"$(ls %s | grep full)\"", folder);
	assert_int_equal(system(command), 0);
}

static void work_can_be_given_up(void **state)
{
	(void)state;
	unsigned seed = 1;
	struct render_source source = { 8000, endless, enough, &seed };
	struct render_result r = { 0 };

	assert_int_equal(render_ogg(&source, in_folder("up.ogg"), &r, &oops), E_CONFLICT);
	assert_int_equal(access(in_folder("up.ogg"), F_OK), -1);
	buf_free(&r.peaks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(legs_are_placed_on_one_clock),
		cmocka_unit_test(a_leg_of_higher_rank_is_heard_where_no_other_is),
		cmocka_unit_test(sums_do_not_turn_over),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(long_recordings_have_coarser_peaks),
		cmocka_unit_test(a_full_disk_leaves_nothing),
		cmocka_unit_test(work_can_be_given_up),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
