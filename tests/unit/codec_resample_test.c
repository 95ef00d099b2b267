/* Rates into the rates of legs: what is in the band stays, what would fold back goes. */
#include "codecs/halve.h"
#include "codecs/resample.h"
#include "tests/unit/codec_signal.h"

enum { SECOND_MAX = 192000 };
static int16_t in[SECOND_MAX], out[SECOND_MAX];

static double db(const int16_t *x, size_t n, double peak)
{
	return 10 * log10((signal_power(x, n) + 1e-9) / (peak * peak / 2));
}

static double halved_db(double hz)
{
	struct halve h = { 0 };
	signal_tone(in, 16000, 16000, hz, 10000);
	assert_int_equal(halve_run(&h, in, 16000, out), 8000);
	return db(out + 100, 7900, 10000);
}

static void halve_response(void **state)
{
	(void)state;
	for (int hz = 100; hz <= 3400; hz += 150)
		assert_true(fabs(halved_db(hz)) < 0.15);
	for (int hz = 4600; hz <= 7900; hz += 150)
		assert_true(halved_db(hz) < -38);
}

static void halve_delay(void **state)
{
	(void)state;
	struct halve h = { 0 };
	memset(in, 0, 2 * 200);
	in[101] = 16384;
	assert_int_equal(halve_run(&h, in, 200, out), 100);
	/* The middle tap, a half: (101 + 15) / 2. */
	for (int i = 0; i < 100; i++)
		assert_int_equal(out[i], i == 58 ? 8192 : 0);
}

/* All taps together are one, exactly, and full scale does not turn over. */
static void halve_constant(void **state)
{
	(void)state;
	static const int16_t levels[] = { 0, 1, -1, 20000, 32767, -32768 };
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		struct halve h = { 0 };
		for (int k = 0; k < 100; k++)
			in[k] = levels[i];
		assert_int_equal(halve_run(&h, in, 100, out), 50);
		for (int k = 15; k < 50; k++)
			assert_int_equal(out[k], levels[i]);
	}
}

static void halve_pieces(void **state)
{
	(void)state;
	static int16_t cut[8000];
	struct halve a = { 0 }, b = { 0 };
	uint32_t seed = 9;
	for (size_t i = 0; i < 16000; i++)
		in[i] = (int16_t)(signal_noise(&seed) & 1 ? 32767 : -32768);
	assert_int_equal(halve_run(&a, in, 16000, out), 8000);
	size_t done = 0;
	for (size_t at = 0; at < 16000;) {
		size_t n = signal_noise(&seed) % 41;
		n = n < 16000 - at ? n : 16000 - at;
		done += halve_run(&b, in + at, n, cut + done);
		at += n;
		assert_int_equal(done, at / 2);
	}
	assert_memory_equal(cut, out, sizeof(cut));
	assert_int_equal(halve_run(&(struct halve){ 0 }, in, 16000, in), 8000);
	assert_memory_equal(in, out, 8000 * 2);
}

static double resampled_db(uint32_t from, uint32_t to, double hz)
{
	scoped(resample) *r = NULL;
	assert_int_equal(resample_new(&r, from, to, NULL), 0);
	signal_tone(in, from, from, hz, 10000);
	size_t frame = from / 50, made = 0;
	for (size_t at = 0; at + frame <= from; at += frame) {
		size_t n = resample_run(r, in + at, frame, out + made);
		assert_true(n <= resample_max(r, frame));
		made += n;
	}
	assert_true(made + to / 100 > to / 50 * (from / frame) && made <= to);
	return db(out + to / 10, made - to / 10, 10000);
}

static void resample_response(void **state)
{
	(void)state;
	static const uint32_t rates[] = { 11025, 12000, 22050, 24000, 32000,
					  44100, 48000, 96000, 192000 };
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint32_t to = resample_target_hz(rates[i]);
		assert_int_equal(to, rates[i] < 16000 ? 8000 : 16000);
		assert_true(fabs(resampled_db(rates[i], to, 1000)) < 0.5);
		assert_true(fabs(resampled_db(rates[i], to, 0.36 * to)) < 1.5);
		if (rates[i] / 2 > to * 7 / 10)
			assert_true(resampled_db(rates[i], to, to * 0.65) < -40);
	}
}

/* One sample at a time makes what one piece makes. */
static void resample_pieces(void **state)
{
	(void)state;
	static int16_t cut[4000];
	scoped(resample) *a = NULL;
	scoped(resample) *b = NULL;
	assert_int_equal(resample_new(&a, 24000, 16000, NULL), 0);
	assert_int_equal(resample_new(&b, 24000, 16000, NULL), 0);
	signal_voice(in, 4800, 24000, 150, 9000);
	size_t n = resample_run(a, in, 4800, out), made = 0;
	for (size_t i = 0; i < 4800; i++)
		made += resample_run(b, in + i, 1, cut + made);
	assert_int_equal(made, n);
	assert_memory_equal(cut, out, n * 2);
	assert_int_equal(resample_run(a, in, 0, out), 0);
}

static void resample_bounds(void **state)
{
	(void)state;
	struct resample *r;
	struct fault f;
	assert_int_equal(resample_new(&r, 3999, 8000, &f), E_INVALID);
	assert_string_equal(f.text, "resampling works from 4000 to 192000 Hz, not 3999 to 8000");
	assert_int_equal(resample_new(&r, 48000, 200000, &f), E_INVALID);
	assert_null(r);
	resample_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(halve_response),    cmocka_unit_test(halve_delay),
		cmocka_unit_test(halve_pieces),	     cmocka_unit_test(halve_constant),
		cmocka_unit_test(resample_response), cmocka_unit_test(resample_pieces),
		cmocka_unit_test(resample_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
