/* Lost frames do not click, fade within 60 ms, and go over into what comes back. */
#include "tests/unit/codec_signal.h"

enum { MS_MAX = 400 };
static int16_t in[48 * MS_MAX], out[48 * MS_MAX];

struct loss {
	const struct codec *codec;
	uint32_t rate_hz;
	unsigned from_ms, to_ms; /* is lost; whole frames of 20 ms */
};

/* Sends `in` frame by frame; what is lost is asked for in two pieces. */
static void play(const struct loss *l)
{
	struct codec_params d = { .rate_hz = l->rate_hz }, e = d;
	e.way = CODEC_ENCODE;
	void *enc = signal_state(l->codec, &e), *dec = signal_state(l->codec, &d);
	size_t frame = l->rate_hz / 50, used, made, n;
	for (unsigned ms = 0; ms < MS_MAX; ms += 20) {
		uint8_t bytes[4 * 960];
		size_t at = ms * l->rate_hz / 1000;
		assert_int_equal(
			l->codec->encode(enc, in + at, frame, bytes, sizeof(bytes), &made, NULL),
			0);
		if (ms >= l->from_ms && ms < l->to_ms) {
			l->codec->conceal(dec, out + at, 33);
			l->codec->conceal(dec, out + at + 33, frame - 33);
			continue;
		}
		assert_int_equal(l->codec->decode(dec, (struct span){ (char *)bytes, made },
						  out + at, frame, &used, &n, NULL),
				 0);
		assert_int_equal(n, frame);
	}
	signal_border(l->codec, &d, dec);
	free(enc);
	free(dec);
}

static size_t at_ms(const struct loss *l, unsigned ms)
{
	return (size_t)ms * l->rate_hz / 1000;
}

static const struct {
	const char *codec;
	uint32_t rate_hz;
	double slack; /* how much larger than the sound's own steps may one be? */
} cases[] = {
	{ "pcmu", 8000, 1.25 }, { "pcma", 8000, 1.25 }, { "l16", 8000, 1.2 },
	{ "l16", 12000, 1.2 },	{ "l16", 16000, 1.2 },	{ "l16be", 24000, 1.2 },
	{ "l16", 44100, 1.2 },	{ "l16", 48000, 1.2 },	{ "g722", 16000, 1.5 },
};

typedef void check(const struct loss *, double slack);

static void each_case(unsigned to_ms, double pitch_hz, check *c)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loss l = { codec_find(span_of(cases[i].codec)), cases[i].rate_hz, 200,
				  to_ms };
		if (pitch_hz > 0)
			signal_voice(in, at_ms(&l, MS_MAX), l.rate_hz, pitch_hz, 9000);
		else
			signal_tone(in, at_ms(&l, MS_MAX), l.rate_hz, -pitch_hz, 9000);
		play(&l);
		c(&l, cases[i].slack);
	}
}

static void no_click(const struct loss *l, double slack)
{
	/* Not the start: a decoder's filters set in there. */
	size_t from = at_ms(l, 100), n = at_ms(l, MS_MAX) - from;
	int own = signal_step(in + from, n), heard = signal_step(out + from, n);
	if (heard > own * slack)
		fail_msg("%s at %u: a step of %d where the sound has %d", l->codec->name,
			 l->rate_hz, heard, own);
}

static void one_frame(const struct loss *l, double slack)
{
	no_click(l, slack);
	/* As strong as before for 10 ms, and the same wave, more or less. */
	size_t from = at_ms(l, 200), n = at_ms(l, 10);
	double before = signal_power(out + from - 2 * n, 2 * n), now = signal_power(out + from, n);
	assert_true(now > before * 0.7 && now < before * 1.4);
}

static void long_loss(const struct loss *l, double slack)
{
	no_click(l, slack);
	double full = signal_power(out + at_ms(l, 200), at_ms(l, 10));
	double late = signal_power(out + at_ms(l, 240), at_ms(l, 10));
	assert_true(late < full / 3);
	for (size_t i = at_ms(l, 260); i < at_ms(l, 320); i++)
		assert_int_equal(out[i], 0);
	/* After the return all is as it was sent; G.722's predictors take their time. */
	double back = signal_power(out + at_ms(l, 360), at_ms(l, 40));
	double sent = signal_power(in + at_ms(l, 360), at_ms(l, 40));
	assert_true(back > sent * 0.8 && back < sent * 1.2);
}

static void frame_lost(void **state)
{
	(void)state;
	each_case(220, 140, one_frame);
	each_case(220, 101, one_frame);
	each_case(220, 233, one_frame);
	each_case(220, -1000, no_click);
	each_case(220, -70, no_click);
}

static void much_lost(void **state)
{
	(void)state;
	each_case(320, 140, long_loss);
	each_case(320, -440, no_click);
}

/* The pitch that comes back is the right one: with a period that fits, nothing is missed. */
static void right_pitch(void **state)
{
	(void)state;
	struct loss l = { codec_find(SPAN("l16")), 8000, 200, 220 };
	signal_voice(in, at_ms(&l, MS_MAX), 8000, 125, 9000);
	play(&l);
	assert_true(signal_snr(in + 1600, out + 1600, 80, 0) > 30);
}

/* Lost before anything came: silence. Noise stays within its bounds. */
static void odd_beginnings(void **state)
{
	(void)state;
	const struct codec *c = codec_find(SPAN("pcmu"));
	struct codec_params p = { 0 };
	void *s = signal_state(c, &p);
	uint32_t seed = 1;
	c->conceal(s, out, 800);
	assert_true(signal_power(out, 800) <= 0);
	for (int i = 0; i < 500; i++) {
		uint8_t bytes[200];
		size_t used, n;
		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)signal_noise(&seed);
		assert_int_equal(
			c->decode(s, (struct span){ (char *)bytes, signal_noise(&seed) % 200 }, out,
				  200, &used, &n, NULL),
			0);
		if (i % 3 == 0)
			c->conceal(s, out, signal_noise(&seed) % 700);
	}
	signal_border(c, &p, s);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(frame_lost),
					    cmocka_unit_test(much_lost),
					    cmocka_unit_test(right_pitch),
					    cmocka_unit_test(odd_beginnings) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
