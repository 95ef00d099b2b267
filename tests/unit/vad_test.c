/* The speech detector on sounds made here: a voice of formants, noises, tones. What it is worth on
 * recordings is told by `./dev bench speech`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "leg/vad.h"
#include "leg/vad_network.h"
#include "leg/vad_spectrum.h"

enum { RATE = 8000, SECOND = 50 /* frames */, FRAME = VAD_FRAME_8K };

static uint64_t random_state;

static double normal(void)
{
	double sum = -6;
	for (int i = 0; i < 12; i++) {
		random_state = random_state * 6364136223846793005U + 1442695040888963407U;
		sum += (double)(random_state >> 11) / 9007199254740992.0;
	}
	return sum;
}

/* --- sounds: value of sample i, about 1 at its loudest --- */

static double quiet(size_t i)
{
	(void)i;
	return 0;
}

static double white(size_t i)
{
	(void)i;
	return normal() * 0.3;
}

static double hum(size_t i)
{
	double sum = 0, t = (double)i / RATE;
	for (int k = 1; k < 12; k++)
		sum += sin(2 * M_PI * 50 * k * t) / k;
	return sum * 0.4;
}

static double dial_tone(size_t i)
{
	return 0.5 * sin(2 * M_PI * 425 * (double)i / RATE);
}

static double ringing(size_t i)
{
	double t = (double)i / RATE;
	return fmod(t, 5) < 1 ? 0.4 * (sin(2 * M_PI * 440 * t) + sin(2 * M_PI * 480 * t))
			      : 0.001 * normal();
}

static double keys(size_t i)
{
	static const double low[4] = { 697, 770, 852, 941 }, high[4] = { 1209, 1336, 1477, 1633 };
	size_t key = i / 1600;
	double t = (double)i / RATE;
	if (i % 1600 > 800)
		return 0.001 * normal();
	return 0.4 * (sin(2 * M_PI * low[key % 4] * t) + sin(2 * M_PI * high[key / 4 % 4] * t));
}

/* Pulses of a moving pitch through three resonances that change with every syllable. */
struct voice {
	double phase, y[3][2];
};

static double voiced(struct voice *v, size_t i)
{
	static const double formants[5][3] = { { 730, 1090, 2440 },
					       { 270, 2290, 3010 },
					       { 530, 1840, 2480 },
					       { 300, 870, 2240 },
					       { 570, 840, 2410 } };
	double t = (double)i / RATE, at = fmod(t, 0.2), sum = 0;
	const double *f = formants[(size_t)(t / 0.2) % 5];
	v->phase += (115 + 20 * sin(4 * t) + 8 * sin(13 * t)) / RATE;
	double pulse = v->phase >= 1 ? 1 : 0;
	v->phase -= floor(v->phase);
	pulse *= at < 0.03 ? 0.1 : sin(M_PI * (at - 0.02) / 0.19);
	for (int k = 0; k < 3; k++) {
		double r = exp(-M_PI * (60 + 40 * k) / RATE);
		double y = pulse + 2 * r * cos(2 * M_PI * f[k] / RATE) * v->y[k][0] -
			   r * r * v->y[k][1];
		v->y[k][1] = v->y[k][0];
		v->y[k][0] = y;
		sum += y / (k + 1);
	}
	return sum * 0.2;
}

/* From `from` to `to` a voice speaks, over white noise `below_db` weaker than it. */
static int16_t *spoken(size_t frames, double from_s, double to_s, double below_db)
{
	int16_t *x = malloc(frames * FRAME * sizeof(*x));
	struct voice v = { 0 };
	random_state = 7;
	for (size_t i = 0; i < frames * FRAME; i++) {
		double t = (double)i / RATE, s = 0.3 * pow(10, -below_db / 20) * normal();
		if (t >= from_s && t < to_s)
			s += voiced(&v, i);
		x[i] = (int16_t)(fmax(fmin(s, 2), -2) * 8000);
	}
	return x;
}

/* Scores of frames; the caller frees them. */
static float *scores(const int16_t *x, size_t frames)
{
	struct vad v;
	float *s = malloc(frames * sizeof(*s));
	vad_init(&v, RATE);
	for (size_t k = 0; k < frames; k++)
		s[k] = vad_frame(&v, x + k * FRAME);
	return s;
}

/* --- what is not speech --- */

static void is_not_speech(double (*sound)(size_t), const char *name, double level)
{
	struct vad v;
	struct vad_gate gate = { 0 };
	random_state = 3;
	vad_init(&v, RATE);
	for (size_t k = 0; k < 20 * SECOND; k++) {
		int16_t x[FRAME];
		unsigned ago;
		for (size_t i = 0; i < FRAME; i++)
			x[i] = (int16_t)(level * sound(k * FRAME + i));
		enum vad_change change =
			vad_gate_frame(&gate, &vad_rule_default, vad_frame(&v, x), &ago);
		if (k >= 4 * SECOND && (change == VAD_STARTED || gate.speaking))
			fail_msg("%s at %g is taken for speech after %zu ms", name, level,
				 k * VAD_FRAME_MS);
	}
}

static void test_no_speech(void **state)
{
	static const struct {
		const char *name;
		double (*sound)(size_t);
	} sounds[] = {
		{ "silence", quiet },	      { "white noise", white }, { "hum", hum },
		{ "a dial tone", dial_tone }, { "ringing", ringing },	{ "keys", keys },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(sounds) / sizeof(*sounds); i++)
		for (int loud = 0; loud < 2; loud++) {
			double level = loud ? 15000 : 300;
			is_not_speech(sounds[i].sound, sounds[i].name, level);
		}
}

/* --- what is --- */

static void test_speech_is_timed(void **state)
{
	(void)state;
	for (int below_db = 10; below_db <= 40; below_db += 15) {
		size_t frames = 10 * SECOND;
		int16_t *x = spoken(frames, 4, 6, below_db);
		float *s = scores(x, frames);
		struct vad_gate gate = { 0 };
		int64_t started = -1, stopped = -1;
		for (size_t k = 2 * SECOND; k < frames; k++) {
			unsigned ago;
			int64_t now = (int64_t)(k + 1) * VAD_FRAME_MS;
			enum vad_change change =
				vad_gate_frame(&gate, &vad_rule_default, s[k], &ago);
			started = change == VAD_STARTED && started < 0 ? now - ago : started;
			stopped = change == VAD_STOPPED ? now - ago : stopped;
		}
		assert_in_range(started, 3900, 4150);
		assert_in_range(stopped, 5900, 6400);
		free(x);
		free(s);
	}
}

static void test_loudness_is_no_matter(void **state)
{
	size_t frames = 8 * SECOND;
	int16_t *loud = spoken(frames, 3, 5, 20), *soft = malloc(frames * FRAME * sizeof(*soft));
	(void)state;
	for (size_t i = 0; i < frames * FRAME; i++)
		soft[i] = (int16_t)lround(loud[i] / 8.0);
	float *a = scores(loud, frames), *b = scores(soft, frames);
	double off = 0;
	for (size_t k = SECOND; k < frames; k++)
		off += fabs((double)(a[k] - b[k]));
	assert_true(off / (double)(frames - SECOND) < 0.02);
	free(loud);
	free(soft);
	free(a);
	free(b);
}

static void test_same_frames_same_scores(void **state)
{
	size_t frames = 4 * SECOND;
	int16_t *x = spoken(frames, 1, 3, 15);
	float *a = scores(x, frames);
	struct vad first, second;
	(void)state;
	vad_init(&first, RATE);
	for (size_t k = 0; k < frames; k++) {
		second = first; /* may be moved */
		float s = vad_frame(&second, x + k * FRAME);
		first = second;
		assert_memory_equal(&s, &a[k], sizeof(s));
		assert_true(s >= 0 && s <= 1);
	}
	free(x);
	free(a);
}

static void test_16_khz(void **state)
{
	size_t frames = 6 * SECOND;
	int16_t *x = spoken(frames, 2, 4, 20), wide[VAD_FRAME_16K];
	float *a = scores(x, frames);
	struct vad v;
	size_t differ = 0;
	(void)state;
	vad_init(&v, 16000);
	for (size_t k = 0; k + 1 < frames; k++) {
		for (size_t i = 0; i < FRAME; i++) {
			wide[2 * i] = x[k * FRAME + i];
			wide[2 * i + 1] = (int16_t)((x[k * FRAME + i] + x[k * FRAME + i + 1]) / 2);
		}
		differ += (vad_frame(&v, wide) >= 0.5F) != (a[k] >= 0.5F);
	}
	assert_true(differ < frames / 20);
	free(x);
	free(a);
}

static void test_gap_keeps_the_noise(void **state)
{
	struct vad v;
	struct vad_gate gate = { 0 };
	(void)state;
	random_state = 5;
	vad_init(&v, RATE);
	for (size_t k = 0; k < 12 * SECOND; k++) {
		int16_t x[FRAME];
		unsigned ago;
		if (k > 4 * SECOND && k % SECOND == 0)
			vad_gap(&v, k % 100 ? 60 : 1500);
		for (size_t i = 0; i < FRAME; i++)
			x[i] = (int16_t)(3000 * white(i));
		if (vad_gate_frame(&gate, &vad_rule_default, vad_frame(&v, x), &ago) ==
			    VAD_STARTED &&
		    k > 4 * SECOND)
			fail_msg("speech %zu frames after a gap", k % SECOND);
	}
}

/* --- the gate --- */

static void test_gate(void **state)
{
	static const struct vad_rule rule = { .on = 0.6F, .off = 0.3F, .on_ms = 50, .off_ms = 100 };
	static const struct {
		float score;
		enum vad_change change;
		unsigned ago;
	} steps[] = {
		{ 0.7F, VAD_SAME, 0 },	   { 0.1F, VAD_SAME, 0 }, /* too short */
		{ 0.5F, VAD_SAME, 0 },	   { 0.6F, VAD_SAME, 0 },
		{ 0.4F, VAD_SAME, 0 }, /* between: goes on counting */
		{ 0.9F, VAD_STARTED, 60 }, { 0.9F, VAD_SAME, 0 },
		{ 0.2F, VAD_SAME, 0 },	   { 0.7F, VAD_SAME, 0 }, /* too short, too */
		{ 0.4F, VAD_SAME, 0 },	   { 0.2F, VAD_SAME, 0 },
		{ 0.2F, VAD_SAME, 0 },	   { 0.4F, VAD_SAME, 0 },
		{ 0.2F, VAD_SAME, 0 },	   { 0.1F, VAD_STOPPED, 100 },
		{ 0.7F, VAD_SAME, 0 },
	};
	struct vad_gate g = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		unsigned ago = 0;
		assert_int_equal(vad_gate_frame(&g, &rule, steps[i].score, &ago), steps[i].change);
		assert_int_equal(ago, steps[i].ago ? steps[i].ago + VAD_BEHIND_MS : 0);
	}
}

static void test_gate_without_times(void **state)
{
	static const struct vad_rule rule = { .on = 0.5F, .off = 0.5F };
	struct vad_gate g = { 0 };
	unsigned ago = 0;
	(void)state;
	assert_int_equal(vad_gate_frame(&g, &rule, 0.5F, &ago), VAD_STARTED);
	assert_int_equal(ago, VAD_FRAME_MS + VAD_BEHIND_MS);
	assert_int_equal(vad_gate_frame(&g, &rule, 0.4F, &ago), VAD_STOPPED);
	assert_int_equal(ago, VAD_FRAME_MS + VAD_BEHIND_MS);
}

/* --- inner loops --- */

static void test_spectrum(void **state)
{
	int16_t x[VAD_WINDOW];
	_Alignas(32) float power[VAD_BINS];
	(void)state;
	random_state = 9;
	for (size_t i = 0; i < VAD_WINDOW; i++)
		x[i] = (int16_t)(normal() * 3000);
	vad_spectrum(x, power);
	for (int k = 0; k < VAD_BINS; k++) {
		double re = 0, im = 0;
		for (int i = 0; i < VAD_WINDOW; i++) {
			double w = 0.5 - 0.5 * cos(2 * M_PI * (i + 0.5) / VAD_WINDOW);
			re += w * x[i] * cos(2 * M_PI * k * i / VAD_WINDOW);
			im += w * x[i] * sin(2 * M_PI * k * i / VAD_WINDOW);
		}
		double expected = re * re + im * im;
		assert_true(fabs(expected - (double)power[k]) < 1e-5 * expected + 1e4);
	}
}

#ifdef VAD_CHOOSES
void vad_features_avx2(struct vad_features *, const int16_t *, float *);
void vad_network_avx2(const struct vad_net *, unsigned, float *const *, const struct vad_seen *,
		      float *);
void vad_network_vnni(const struct vad_net *, unsigned, float *const *, const struct vad_seen *,
		      float *);

struct way {
	void (*features)(struct vad_features *, const int16_t *, float *);
	void (*network)(const struct vad_net *, unsigned, float *const *, const struct vad_seen *,
			float *);
	bool here;
};

static void same_as_plain(const struct way *w, const int16_t *x, size_t frames)
{
	struct vad_features f[2] = { 0 };
	_Alignas(32) float memory[2][VAD_UNITS_MAX] = { 0 };
	for (size_t k = 0; k < frames; k++) {
		struct vad_seen in[2];
		float plain, odds, *both[] = { memory[0], memory[1] };
		vad_features(&f[0], x + k * FRAME, in[0].numbers);
		w->features(&f[1], x + k * FRAME, in[1].numbers);
		for (int i = 0; i < VAD_IN; i++)
			if (i != 2 * VAD_BANDS + 4 &&
			    i != 2 * VAD_BANDS + 11) /* two lags may be equal */
				assert_true(fabsf(in[0].numbers[i] - in[1].numbers[i]) < 0.001F);
		vad_network(&vad_standard, 1, both, in, &plain);
		w->network(&vad_standard, 1, both + 1, in, &odds);
		assert_true(fabsf(plain - odds) < 0.02F);
	}
}

/* All ways to compile them give the same, but for the last digits. */
static void test_every_way_to_compile(void **state)
{
	const struct way ways[] = {
		{ vad_features_avx2, vad_network_avx2,
		  __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") },
		{ vad_features_avx2, vad_network_vnni,
		  __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl") },
	};
	size_t frames = 4 * SECOND;
	int16_t *x = spoken(frames, 1, 3, 15);
	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (ways[i].here)
			same_as_plain(&ways[i], x, frames);
	free(x);
}
#endif

/* A score does not depend on how many are made together. */
static void test_together_as_one_by_one(void **state)
{
	static struct vad alone[VAD_TOGETHER_MAX], many[VAD_TOGETHER_MAX];
	static struct vad_seen seen[VAD_TOGETHER_MAX];
	size_t frames = 6 * SECOND;
	int16_t *x = spoken(frames, 1, 4, 12);
	struct vad *of[VAD_TOGETHER_MAX];
	float scores_of[VAD_TOGETHER_MAX];
	(void)state;
	for (unsigned i = 0; i < VAD_TOGETHER_MAX; i++) {
		vad_init(&alone[i], RATE);
		vad_init(&many[i], RATE);
		of[i] = &many[i];
	}
	for (size_t k = 0; k < frames; k++) {
		unsigned n = (unsigned)k % VAD_TOGETHER_MAX + 1;
		for (unsigned i = 0; i < n; i++) /* each its own frames */
			vad_look(of[i], x + (k * 7 + i * 31) % frames * FRAME, &seen[i]);
		vad_scores(n, of, seen, scores_of);
		for (unsigned i = 0; i < n; i++) {
			float s = vad_frame(&alone[i], x + (k * 7 + i * 31) % frames * FRAME);
			assert_memory_equal(&s, &scores_of[i], sizeof(s));
		}
	}
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_speech),
		cmocka_unit_test(test_speech_is_timed),
		cmocka_unit_test(test_loudness_is_no_matter),
		cmocka_unit_test(test_same_frames_same_scores),
		cmocka_unit_test(test_16_khz),
		cmocka_unit_test(test_gap_keeps_the_noise),
		cmocka_unit_test(test_gate),
		cmocka_unit_test(test_gate_without_times),
		cmocka_unit_test(test_spectrum),
#ifdef VAD_CHOOSES
		cmocka_unit_test(test_every_way_to_compile),
#endif
		cmocka_unit_test(test_together_as_one_by_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
