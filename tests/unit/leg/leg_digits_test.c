/* Digits: as tones, as messages, as both, and not in speech. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/unit/leg/kit.h"

static const char keys[] = "123A456B789C*0#D";

static void feed(struct kit *k, const struct sound *s, const char *codec)
{
	struct span bytes = sound_bytes(s, codec);
	size_t frame = bytes.n * s->rate_hz / 50 / s->n;
	for (size_t at = 0; at + frame <= bytes.n; at += frame)
		kit_frame(k, (struct span){ bytes.p + at, frame }, -1, -1,
			  KIT_START_US + (int64_t)(at / frame + 1) * 20000);
	free((char *)bytes.p);
}

/* Hears one sound; gives the digits as text. */
static void hear(struct kit *k, const struct sound *s, const char *codec, char *out)
{
	struct leg_config c = kit_config(codec, s->rate_hz);
	const struct heard *h;
	kit_init(k, &c);
	feed(k, s, codec);
	kit_finish(k, KIT_START_US);
	for (size_t i = 0; (h = kit_fact(k, HEARD_DTMF, i)); i++) {
		assert_int_equal(h->text.n, 1);
		assert_true(span_is(h->name, "inband"));
		*out++ = h->text.p[0];
	}
	*out = 0;
}

static void every_digit_of_every_length(void **state)
{
	static const struct {
		const char *codec;
		uint32_t rate_hz;
	} legs[] = { { "pcmu", 8000 }, { "pcma", 8000 }, { "l16", 16000 } };
	char got[KIT_FACTS];
	(void)state;
	for (size_t leg = 0; leg < 3; leg++)
		for (int key = 0; key < 16; key++)
			for (int shift = 0; shift < 20; shift += 3) {
				/* 45 ms is what receivers must take at least (Q.24: 40 and more) */
				double from = 300 + shift, ms = key % 2 ? 45 : 120;
				struct sound s = sound_new(legs[leg].rate_hz, 800);
				struct kit k;
				sound_digit(&s, keys[key], 4000, from, from + ms);
				hear(&k, &s, legs[leg].codec, got);
				if (got[0] != keys[key] || got[1])
					fail_msg("%s: %c at %d: \"%s\"", legs[leg].codec, keys[key],
						 shift, got);
				const struct heard *h = kit_fact(&k, HEARD_DTMF, 0);
				double off = (double)(h->at_us - KIT_START_US) / 1000 - from;
				if (fabs(off) > 20)
					fail_msg("%s %c at %d: %f ms off", legs[leg].codec,
						 keys[key], shift, off);
				assert_true(fabs((double)h->ms - ms) <= 40);
				sound_free(&s);
				kit_fini(&k);
			}
}

static void a_number_is_dialled(void **state)
{
	struct sound s = sound_new(8000, 4000);
	struct kit k;
	char got[KIT_FACTS];
	(void)state;
	for (int i = 0; i < 12; i++) /* 50 ms on, 50 ms off, the same digit often */
		sound_digit(&s, "155588007733"[i], 3000, 500 + i * 100, 550 + i * 100);
	sound_digit(&s, '#', 3000, 3000, 3800); /* held */
	hear(&k, &s, "pcmu", got);
	assert_string_equal(got, "155588007733#");
	sound_free(&s);
	kit_fini(&k);
}

/* Levels 6 dB apart, frequencies 1.5 % off, noise 18 dB below. */
static void poor_tones_are_heard(void **state)
{
	struct sound s = sound_new(8000, 3000);
	struct kit k;
	uint64_t seed = 9;
	char got[KIT_FACTS];
	(void)state;
	sound_sine(&s, 770, 2000, 300, 400);
	sound_sine(&s, 1336, 4000, 300, 400);
	sound_sine(&s, 852, 4000, 800, 900);
	sound_sine(&s, 1477, 2000, 800, 900);
	sound_sine(&s, 941 * 1.015, 3000, 1300, 1400);
	sound_sine(&s, 1633 * 0.985, 3000, 1300, 1400);
	sound_digit(&s, '1', 3000, 1800, 1900);
	for (size_t i = 0; i < s.n; i++)
		s.samples[i] = (int16_t)(s.samples[i] + (int)kit_pick(&seed, 1200) - 600);
	hear(&k, &s, "pcmu", got);
	assert_string_equal(got, "59D1");
	sound_free(&s);
	kit_fini(&k);
}

/* 50 ms of a digit, 50 ms without, at -30 dBFS, noise 15 dB below: whatever the frames cut. */
static void fast_faint_and_noisy_digits_are_heard(void **state)
{
	uint64_t seed = 5;
	char got[KIT_FACTS];
	(void)state;
	for (int round = 0; round < 40; round++) {
		struct sound s = sound_new(8000, 2400);
		struct kit k;
		for (int key = 0; key < 16; key++)
			sound_digit(&s, keys[key], 1036, 300 + key * 100 + round * 0.5,
				    350 + key * 100 + round * 0.5);
		for (size_t i = 0; i < s.n; i++)
			s.samples[i] = (int16_t)(s.samples[i] + (int)kit_pick(&seed, 639) - 319);
		hear(&k, &s, round % 2 ? "pcmu" : "pcma", got);
		assert_string_equal(got, keys);
		sound_free(&s);
		kit_fini(&k);
	}
}

/* Each is nearly a digit. */
static void nearly_a_digit_is_none(void **state)
{
	struct sound s = sound_new(8000, 8000);
	struct kit k;
	char got[KIT_FACTS];
	(void)state;
	for (int i = 0; i < 20; i++)
		sound_digit(&s, keys[i % 16], 4000, 200 + i * 101.3, 230 + i * 101.3); /* short */
	sound_sine(&s, 770 * 1.03, 4000, 2500, 2800);				       /* off */
	sound_sine(&s, 1336, 4000, 2500, 2800);
	sound_sine(&s, 770, 4000, 3000, 3300);
	sound_sine(&s, 1336 * 0.97, 4000, 3000, 3300);
	sound_sine(&s, 852, 2000, 3500, 3800); /* the higher one much stronger */
	sound_sine(&s, 1477, 4800, 3500, 3800);
	sound_digit(&s, '6', 4000, 4000, 4300); /* with something beside it */
	sound_sine(&s, 2100, 2400, 4000, 4300);
	hear(&k, &s, "pcmu", got);
	assert_string_equal(got, "");
	sound_free(&s);
	kit_fini(&k);
}

static void what_is_no_digit_is_none(void **state)
{
	struct sound s = sound_new(8000, 60000);
	struct kit k;
	char got[KIT_FACTS];
	(void)state;
	sound_voice(&s, 0, 20000);
	sound_sine(&s, 425, 6000, 21000, 25000); /* tones of exchanges */
	sound_sine(&s, 350, 4000, 26000, 29000);
	sound_sine(&s, 440, 4000, 26000, 29000);
	sound_sine(&s, 697, 6000, 30000, 31000); /* one of the two */
	sound_sine(&s, 1209, 6000, 32000, 33000);
	sound_sine(&s, 770 * 1.04, 4000, 34000, 35000); /* too far off */
	sound_sine(&s, 1477, 4000, 34000, 35000);
	sound_digit(&s, '5', 150, 36000, 37000);  /* too faint */
	sound_digit(&s, '5', 4000, 38000, 38015); /* too short */
	for (int hz = 200; hz < 3000; hz += 7)	  /* whistles */
		sound_sine(&s, hz, 4000, 40000 + hz * 5, 40000 + hz * 5 + 35);
	hear(&k, &s, "pcmu", got);
	assert_string_equal(got, "");
	sound_free(&s);
	kit_fini(&k);
}

static double square(double x)
{
	return x * x;
}

/* Random voices that hold two or three resonances still for 200 ms, which is harder than speech. */
static void speech_dials_nothing(void **state)
{
	uint64_t seed = 11;
	size_t digits = 0;
	char got[KIT_FACTS];
	(void)state;
	for (int voice = 0; voice < 60; voice++) {
		struct sound s = sound_new(8000, 15000);
		struct kit k;
		double f0 = 80 + kit_pick(&seed, 160), a = 0;
		double f1 = 300 + kit_pick(&seed, 600), f2 = 1000 + kit_pick(&seed, 1200);
		for (size_t i = 0; i < s.n; i++) {
			double t = (double)i / 8000, v = 0;
			a += 2 * M_PI * (f0 + 15 * sin(2 * M_PI * 5 * t)) / 8000;
			/* sin(h a) out of the two before it */
			double sine = sin(a), before = 0, twice = 2 * cos(a), next;
			for (int h = 1; h * f0 < 3600; h++) {
				v += sine * (1 / (1 + square((h * f0 - f1) / 150)) +
					     0.7 / (1 + square((h * f0 - f2) / 200)) +
					     0.3 / (1 + square((h * f0 - 2600) / 300)));
				next = twice * sine - before;
				before = sine;
				sine = next;
			}
			v += ((double)kit_pick(&seed, 2001) - 1000) / 1000 * 0.2;
			s.samples[i] = (int16_t)(s.samples[i] +
						 v * 5000 * (0.6 + 0.4 * sin(2 * M_PI * 3 * t)));
			if (i % 1600 == 0)
				f1 = 300 + kit_pick(&seed, 600), f2 = 1000 + kit_pick(&seed, 1200);
		}
		hear(&k, &s, "pcmu", got);
		digits += strlen(got);
		sound_free(&s);
		kit_fini(&k);
	}
	assert_int_equal(digits, 0);
}

static void both_ways_are_one_digit(void **state)
{
	struct sound s = sound_new(8000, 4000);
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	const struct heard *h;
	char got[16] = "";
	(void)state;
	sound_digit(&s, '1', 4000, 500, 600);
	sound_digit(&s, '1', 4000, 700, 800);
	sound_digit(&s, '2', 4000, 3000, 3100);
	kit_init(&k, &c);
	kit_digit(&k, "1", KIT_START_US + 650 * MS_US); /* before its tone is heard to the end */
	feed(&k, &s, "pcmu");
	kit_digit(&k, "1", KIT_START_US + 900 * MS_US);
	kit_digit(&k, "2", KIT_START_US + 3200 * MS_US);
	kit_digit(&k, "2", KIT_START_US + 3900 * MS_US); /* pressed again, no tone came through */
	kit_digit(&k, "flash", KIT_START_US);
	kit_digit(&k, "", KIT_START_US);
	kit_digit(&k, "a", KIT_START_US + 3900 * MS_US);
	for (size_t i = 0; (h = kit_fact(&k, HEARD_DTMF, i)); i++)
		got[i] = h->text.p[0];
	assert_string_equal(got, "1122A");
	assert_true(span_is(kit_fact(&k, HEARD_DTMF, 0)->name, "signalled"));
	assert_int_equal(kit_fact(&k, HEARD_DTMF, 0)->ms, 100);
	assert_true(span_is(kit_fact(&k, HEARD_DTMF, 1)->name, "inband"));
	sound_free(&s);
	kit_fini(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_digit_of_every_length),
		cmocka_unit_test(a_number_is_dialled),
		cmocka_unit_test(poor_tones_are_heard),
		cmocka_unit_test(fast_faint_and_noisy_digits_are_heard),
		cmocka_unit_test(nearly_a_digit_is_none),
		cmocka_unit_test(what_is_no_digit_is_none),
		cmocka_unit_test(speech_dials_nothing),
		cmocka_unit_test(both_ways_are_one_digit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
