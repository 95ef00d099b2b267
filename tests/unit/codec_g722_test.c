/* G.722: round trip, memory, and the same bytes as spandsp with memory of its own. */
#include <stdint.h>

#include <spandsp/telephony.h>

#include <spandsp/g722.h>

#include "tests/unit/codec_signal.h"

enum { N = 16000, FRAME = 320 };
static int16_t in[N], out[N];

static const struct codec *g722(void)
{
	return codec_find(SPAN("g722"));
}

static void round_trip(void **state)
{
	(void)state;
	signal_voice(in, N, 16000, 140, 9000);
	signal_round_trip(g722(), (struct codec_params){ 0 }, in, N, FRAME, out);
	double voice = signal_snr(in, out, N, 60);
	signal_tone(in, N, 16000, 5200, 6000);
	signal_round_trip(g722(), (struct codec_params){ .rate_hz = 8000 }, in, N, FRAME, out);
	double high = signal_snr(in, out, N, 60);
	print_message("voice %.1f dB, 5.2 kHz %.1f dB\n", voice, high);
	assert_true(voice > 20);
	assert_true(high > 10);
}

/* What fills a piece up that is sent: quiet at once, and from 20 ms behind a voice on. */
static void what_fills_up_is_quiet(void **state)
{
	(void)state;
	struct codec_params e = { .way = CODEC_ENCODE }, d = { .way = CODEC_DECODE };
	void *enc = signal_state(g722(), &e), *dec = signal_state(g722(), &d);
	static uint8_t voice[N / 2];
	char fill[320];
	size_t made, used, n;
	memset(fill, g722()->silence, sizeof(fill));
	struct span quiet = { fill, sizeof(fill) };
	assert_int_equal(g722()->decode(dec, quiet, out, N, &used, &n, NULL), 0);
	assert_true(signal_power(out, n) < 1);
	signal_voice(in, N, 16000, 200, 12000);
	assert_int_equal(g722()->encode(enc, in, N, voice, sizeof(voice), &made, NULL), 0);
	struct span said = { (char *)voice, 400 * 8 };
	for (; said.n; said = span_from(said, used))
		assert_int_equal(g722()->decode(dec, said, out, N, &used, &n, NULL), 0);
	assert_int_equal(g722()->decode(dec, quiet, out, N, &used, &n, NULL), 0);
	assert_true(signal_power(out + 320, 320) < 100 * 100);
	free(enc);
	free(dec);
}

static void same_as_spandsp(void **state)
{
	(void)state;
	struct codec_params p = { .way = CODEC_ENCODE };
	void *enc = signal_state(g722(), &p);
	static uint8_t ours[N / 2], theirs[N / 2];
	size_t made;
	signal_voice(in, N, 16000, 200, 12000);
	assert_int_equal(g722()->encode(enc, in, N, ours, sizeof(ours), &made, NULL), 0);
	assert_int_equal(made, N / 2);
	g722_encode_state_t *e = g722_encode_init(NULL, 64000, 0);
	assert_int_equal(g722_encode(e, theirs, in, N), N / 2);
	assert_memory_equal(ours, theirs, N / 2);
	g722_encode_free(e);
	free(enc);
}

/* Cut anywhere, a stream decodes to the same. */
static void pieces(void **state)
{
	(void)state;
	struct codec_params p = { 0 };
	void *whole = signal_state(g722(), &p), *cut = signal_state(g722(), &p);
	uint8_t bytes[1000];
	int16_t a[2000], b[2000];
	size_t used, n, at = 0, done = 0;
	uint32_t seed = 7;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)signal_noise(&seed);
	assert_int_equal(g722()->decode(whole, (struct span){ (char *)bytes, 1000 }, a, 2000, &used,
					&n, NULL),
			 0);
	assert_true(used == 1000 && n == 2000);
	while (at < 1000) {
		struct span rest = { (char *)bytes + at, 1000 - at };
		size_t room = 1 + signal_noise(&seed) % 70;
		assert_int_equal(g722()->decode(cut, rest, b + done, room, &used, &n, NULL), 0);
		assert_true(n == 2 * used && n <= room);
		at += used;
		done += n;
	}
	assert_memory_equal(a, b, sizeof(a));
	signal_border(g722(), &p, cut);
	free(whole);
	free(cut);
}

static void refusals(void **state)
{
	(void)state;
	struct fault f;
	struct codec_params p = { .rate_hz = 48000 }, e = { .way = CODEC_ENCODE };
	assert_int_equal(g722()->init(NULL, &p, &f), E_INVALID);
	assert_string_equal(f.text, "g722 runs at 16000 Hz, not 48000");
	void *enc = signal_state(g722(), &e);
	uint8_t bytes[8];
	size_t n;
	assert_int_equal(g722()->encode(enc, in, 7, bytes, 8, &n, &f), E_INVALID);
	assert_int_equal(g722()->encode(enc, in, 18, bytes, 8, &n, &f), E_FULL);
	assert_int_equal(n, 0);
	free(enc);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(round_trip),
					    cmocka_unit_test(what_fills_up_is_quiet),
					    cmocka_unit_test(same_as_spandsp),
					    cmocka_unit_test(pieces), cmocka_unit_test(refusals) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
