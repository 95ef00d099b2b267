/* A finished call's sound against tools/stt-sim: cut into pieces or sent as one, what is asked for,
 * what comes back and whose it is; work that is called off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stt/whole.h"

#include <math.h>

#include "tests/stt/server.h"

#define START_US INT64_C(1700000000000000)
enum { RATE_MAX = 48000, WORD_MS = 160, LEVEL = 8000 };

/* --- the sound --- */

/* Each line a word, as tools/stt-sim/ear.mjs has them. */
struct line {
	int64_t at_ms;
	unsigned word, voice;
};

struct sound {
	uint32_t rate_hz;
	int64_t length_ms;
	const struct line *lines;
	size_t lines_n;
	/* Instead of lines: a word so often, four of one voice and four of another; 0: none. */
	int64_t each_ms;
	/* How far it is read; how often somebody asked whether to go on, and after how often not.
	 */
	int64_t at;
	unsigned alive, alive_max;
};

static struct line line_at(const struct sound *s, int64_t ms)
{
	struct line none = { .at_ms = -WORD_MS };

	if (s->each_ms)
		return (struct line){ ms - ms % s->each_ms, 3,
				      (unsigned)(ms / s->each_ms / 4 % 2) };
	for (size_t i = 0; i < s->lines_n; i++)
		if (s->lines[i].at_ms <= ms)
			none = s->lines[i];
	return none;
}

static int16_t sample(const struct sound *s, int64_t at)
{
	struct line l = line_at(s, at * 1000 / s->rate_hz);
	double t = 2 * M_PI * (double)at / s->rate_hz;

	if (at * 1000 / s->rate_hz >= l.at_ms + WORD_MS)
		return 0;
	double over = l.voice ? sin(t * (2100 + 300 * l.voice)) / 2 : 0;
	return (int16_t)lround(LEVEL * (sin(t * (400 + 100 * l.word)) + over));
}

static int read_sound(void *user, int16_t *samples, size_t frames, size_t *got, struct fault *f)
{
	struct sound *s = user;
	int64_t left = s->length_ms * s->rate_hz / 1000 - s->at;

	(void)f;
	*got = (int64_t)frames < left ? frames : (size_t)left;
	for (size_t i = 0; i < *got; i++)
		samples[i] = sample(s, s->at++);
	return 0;
}

static int alive(void *user, struct fault *f)
{
	struct sound *s = user;

	s->alive++;
	return s->alive_max && s->alive > s->alive_max ? fault(f, E_UNAVAILABLE, "called off") : 0;
}

static struct stt_whole_words words;
static struct fault oops;

static int transcribe(const char *provider, struct sound *s, enum speaker first_voice)
{
	const struct stt_whole w = { .provider = stt_provider_find(span_of(provider)),
				     .setup = { .url = span_of(server_url) },
				     .channels = 1,
				     .speakers = { SPEAKER_NONE },
				     .first_voice = first_voice,
				     .narrow = s->rate_hz == RATE_MAX,
				     .rate_hz = s->rate_hz,
				     .start_us = START_US,
				     .read = read_sound,
				     .alive = alive,
				     .user = s };

	stt_whole_words_free(&words);
	return stt_whole(&w, &words, &oops);
}

static void expect(size_t which, enum speaker speaker, int64_t at_ms, const char *text)
{
	const struct heard *h = &words.facts[which];
	int64_t off_ms = (h->at_us - START_US) / 1000 - at_ms;

	assert_true(which < words.n);
	assert_int_equal(speaker, h->speaker);
	assert_true(span_is(h->text, text));
	assert_in_range(off_ms + 50, 0, 100);
}

static const struct line dialog[] = {
	{ 1000, 0, 1 }, { 30000, 1, 0 }, { 130000, 2, 1 }, { 250000, 3, 0 }
};
#define DIALOG(rate)                                                                  \
	{                                                                             \
		.rate_hz = (rate), .length_ms = 260000, .lines = dialog, .lines_n = 4 \
	}

static void expect_dialog(enum speaker first, enum speaker second)
{
	assert_int_equal(4, words.n);
	expect(0, first, 1000, "alpha");
	expect(1, second, 30000, "bravo");
	expect(2, first, 130000, "charlie");
	expect(3, second, 250000, "delta");
}

/* --- tests --- */

static void test_pieces(void **state)
{
	struct sound s = DIALOG(8000);

	(void)state;
	server_start("good");
	assert_int_equal(0, transcribe("deepgram-http", &s, SPEAKER_NONE));
	expect_dialog(SPEAKER_NONE, SPEAKER_NONE);
	assert_int_equal(3, words.requests); /* of two minutes at most */
	assert_int_equal(0, words.voices);
	assert_string_equal("", words.unnamed);
	assert_int_equal(3, times_in(server_state(), "\"diarize\":false"));
}

static void test_voices(void **state)
{
	struct sound s = DIALOG(8000), wide = DIALOG(RATE_MAX);

	(void)state;
	server_start("good");
	assert_int_equal(0, transcribe("deepgram-http", &s, SPEAKER_AI));
	expect_dialog(SPEAKER_AI, SPEAKER_USER);
	assert_int_equal(1, words.requests);
	assert_int_equal(2, words.voices);
	assert_string_equal("", words.unnamed);
	assert_int_equal(1, times_in(server_state(), "{\"rate\":8000,\"diarize\":true}"));
	assert_int_equal(0, transcribe("openai-http", &wide, SPEAKER_USER));
	expect_dialog(SPEAKER_USER, SPEAKER_AI);
	assert_int_equal(1, words.requests);
	assert_int_equal(1, times_in(server_state(), "{\"rate\":8000,\"model\":\"gpt-4o-transcribe-"
						     "diarize\",\"format\":\"diarized_json\"}"));
}

static void test_one_voice_is_nobodys(void **state)
{
	static const struct line alone[] = { { 1000, 0, 1 }, { 3000, 1, 1 } };
	struct sound s = { .rate_hz = 8000, .length_ms = 5000, .lines = alone, .lines_n = 2 };

	(void)state;
	server_start("good");
	assert_int_equal(0, transcribe("openai-http", &s, SPEAKER_AI));
	assert_int_equal(2, words.n);
	expect(0, SPEAKER_NONE, 1000, "alpha");
	assert_int_equal(0, words.voices);
	assert_string_equal("only one voice was told apart", words.unnamed);
}

/* As long as OpenAI takes at once, and a second more. */
static void test_longer_than_is_taken_at_once(void **state)
{
	static const struct line far[] = { { 1000, 0, 1 }, { 5000, 1, 0 }, { 1390000, 2, 1 } };
	struct sound fits = { .rate_hz = 8000, .length_ms = 1400000, .lines = far, .lines_n = 3 };
	struct sound longer = fits;

	(void)state;
	server_start("good");
	assert_int_equal(0, transcribe("openai-http", &fits, SPEAKER_AI));
	assert_int_equal(1, words.requests);
	assert_int_equal(2, words.voices);
	expect(2, SPEAKER_AI, 1390000, "charlie");
	longer.length_ms += 1000;
	assert_int_equal(0, transcribe("openai-http", &longer, SPEAKER_AI));
	assert_int_equal(2, words.requests); /* pieces that are not silent */
	assert_int_equal(3, words.n);
	expect(2, SPEAKER_NONE, 1390000, "charlie");
	assert_int_equal(0, words.voices);
	assert_string_equal(
		"longer than what OpenAI transcription takes at once to tell voices apart",
		words.unnamed);
	assert_int_equal(
		2, times_in(server_state(),
			    "{\"rate\":8000,\"model\":\"whisper-1\",\"format\":\"verbose_json\"}"));
}

/* Wide-band sound is as many bytes in half the time. */
static void test_more_bytes_than_are_taken_at_once(void **state)
{
	struct sound s = { .rate_hz = 16000, .length_ms = 800000, .lines = dialog, .lines_n = 4 };

	(void)state;
	server_start("good");
	assert_int_equal(0, transcribe("openai-http", &s, SPEAKER_AI));
	assert_int_equal(0, words.voices);
	expect_dialog(SPEAKER_NONE, SPEAKER_NONE);
}

/* An hour in which somebody speaks all the time: more texts, and a longer answer, than of a piece.
 */
static void test_an_hour_is_taken_at_once(void **state)
{
	struct sound s = { .rate_hz = 8000, .length_ms = 3600000, .each_ms = 250 };

	(void)state;
	server_start("good");
	assert_int_equal(0, transcribe("deepgram-http", &s, SPEAKER_USER));
	assert_int_equal(1, words.requests);
	assert_int_equal(3600, words.n);
	assert_int_equal(2, words.voices);
	expect(3599, SPEAKER_AI, 3599000, "delta delta delta delta");
}

/* The server takes it and says nothing: whoever has the work done may call it off. */
static void test_called_off(void **state)
{
	struct sound s = DIALOG(8000);

	(void)state;
	s.alive_max = 3;
	server_start("mute");
	assert_int_equal(E_UNAVAILABLE, transcribe("deepgram-http", &s, SPEAKER_AI));
	assert_non_null(strstr(oops.text, "called off"));
	assert_int_equal(4, s.alive);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_voices),
		cmocka_unit_test(test_one_voice_is_nobodys),
		cmocka_unit_test(test_longer_than_is_taken_at_once),
		cmocka_unit_test(test_more_bytes_than_are_taken_at_once),
		cmocka_unit_test(test_an_hour_is_taken_at_once),
		cmocka_unit_test(test_called_off),
	};
	int rc = cmocka_run_group_tests(tests, NULL, server_end);

	stt_whole_words_free(&words);
	return rc;
}
