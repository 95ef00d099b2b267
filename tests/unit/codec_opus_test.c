/* Opus: round trips at every rate, what other encoders send, damage, losses. Its encoder keeps what
 * is heard, not the wave: few dB of likeness are what is to be expected of a good one, and none of
 * one that plays another frame. */
#include <opus.h>

#include "tests/unit/codec_signal.h"

enum { SECOND = 48000 };
static int16_t in[SECOND], out[SECOND];

static const struct codec *opus(void)
{
	return codec_find(SPAN("opus"));
}

static void round_trips(void **state)
{
	(void)state;
	static const uint32_t rates[] = { 8000, 12000, 16000, 24000, 48000 };
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct codec_params p = { .rate_hz = 48000, .out_rate_hz = rates[i] };
		size_t n = rates[i];
		assert_int_equal(opus()->out_rate(&p), rates[i]);
		signal_voice(in, n, rates[i], 150, 9000);
		signal_round_trip(opus(), p, in, n, n / 50, out);
		double snr = signal_snr(in, out, n, n / 60);
		print_message("%u Hz: %.1f dB\n", rates[i], snr);
		assert_true(snr > 4.5);
	}
	assert_int_equal(opus()->out_rate(&(struct codec_params){ .rate_hz = 48000 }), 16000);
}

/* A browser's: 48 kHz, two channels, music; every frame size, to the rate of a leg. */
static void foreign_packets(void **state)
{
	(void)state;
	static const int frames[] = { 120, 240, 480, 960, 1920, 2880, 3840, 4800, 5760 };
	static int16_t stereo[2 * 5760];
	struct codec_params p = { .out_rate_hz = 16000 };
	void *dec = signal_state(opus(), &p);
	OpusEncoder *e = opus_encoder_create(48000, 2, OPUS_APPLICATION_AUDIO, NULL);
	signal_tone(stereo, 2 * 5760, 96000, 440, 9000);
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		uint8_t bytes[8000];
		size_t used, n;
		int32_t made = opus_encode(e, stereo, frames[i], bytes, sizeof(bytes));
		assert_true(made > 0);
		assert_int_equal(opus()->decode(dec, (struct span){ (char *)bytes, (size_t)made },
						out, CODEC_SAMPLES_MAX, &used, &n, NULL),
				 0);
		assert_true(used == (size_t)made && n == (size_t)frames[i] / 3);
	}
	assert_true(signal_power(out, 5760 / 3) > 1e6);
	opus_encoder_destroy(e);
	free(dec);
}

static size_t one_packet(uint8_t bytes[CODEC_PACKET_MAX])
{
	struct codec_params p = { .way = CODEC_ENCODE };
	void *enc = signal_state(opus(), &p);
	size_t n;
	signal_voice(in, 640, 16000, 150, 9000);
	assert_int_equal(opus()->encode(enc, in, 320, bytes, CODEC_PACKET_MAX, &n, NULL), 0);
	assert_int_equal(opus()->encode(enc, in + 320, 320, bytes, CODEC_PACKET_MAX, &n, NULL), 0);
	free(enc);
	return n;
}

/* Whatever came, the next good packet is decoded. */
static void assert_alive(void *dec)
{
	uint8_t good[CODEC_PACKET_MAX];
	size_t good_n = one_packet(good), used, n;
	assert_int_equal(opus()->decode(dec, (struct span){ (char *)good, good_n }, out,
					CODEC_SAMPLES_MAX, &used, &n, NULL),
			 0);
	assert_int_equal(n, 320);
}

static int offered(void *dec, struct span packet)
{
	size_t used = 0, n = 0;
	/* Memory of exactly this size, so that sanitizers see what reads beyond. */
	char *exact = malloc(packet.n ? packet.n : 1);
	memcpy(exact, packet.p, packet.n);
	int rc = opus()->decode(dec, (struct span){ exact, packet.n }, out, CODEC_SAMPLES_MAX,
				&used, &n, NULL);
	free(exact);
	assert_true(rc == 0 || rc == E_INVALID);
	assert_int_equal(used, packet.n);
	assert_true(rc == 0 ? n <= 1920 : n == 0);
	return rc;
}

static void damaged(void **state)
{
	(void)state;
	struct codec_params p = { 0 };
	void *dec = signal_state(opus(), &p);
	/* Impossible by RFC 6716, 3.4: frames of unequal size, none at all, beyond 120 ms, a length
	 * beyond the packet, more than 1275 bytes in one frame. */
	static char long_frame[1400] = { '\x08' };
	assert_int_equal(offered(dec, SPAN("\x09\x01\x02\x03")), E_INVALID);
	assert_int_equal(offered(dec, SPAN("\x0b")), E_INVALID);
	assert_int_equal(offered(dec, SPAN("\x0b\x00")), E_INVALID);
	assert_int_equal(offered(dec, SPAN("\x0b\x3f\x01")), E_INVALID);
	assert_int_equal(offered(dec, SPAN("\x0a\x20\x01")), E_INVALID);
	assert_int_equal(offered(dec, (struct span){ long_frame, sizeof(long_frame) }), E_INVALID);
	assert_alive(dec);
	signal_border(opus(), &p, dec);
	free(dec);
}

/* Padding makes a packet as long as one likes (RFC 6716, 3.2.5), but not for us. */
static void padded(void **state)
{
	(void)state;
	enum { LENGTHS = 241, PADDING = 240 * 254 + 254, BODY = 100 };
	static char packet[2 + LENGTHS + PADDING + BODY] = { 0x0b, 0x41 };
	struct codec_params p = { 0 };
	void *dec = signal_state(opus(), &p);
	memset(packet + 2, 0xff, LENGTHS - 1);
	packet[1 + LENGTHS] = (char)254;
	assert_int_equal(offered(dec, (struct span){ packet, sizeof(packet) }), E_INVALID);
	packet[1 + LENGTHS] = 0;
	packet[2] = 0;
	assert_int_equal(offered(dec, (struct span){ packet, 3 + BODY }), 0);
	free(dec);
}

static void truncated(void **state)
{
	(void)state;
	struct codec_params p = { 0 };
	void *dec = signal_state(opus(), &p);
	uint8_t good[CODEC_PACKET_MAX];
	size_t n = one_packet(good);
	for (size_t cut = 0; cut < n; cut++)
		(void)!offered(dec, (struct span){ (char *)good, cut });
	assert_alive(dec);
	free(dec);
}

static void garbage(void **state)
{
	(void)state;
	struct codec_params p = { 0 };
	void *dec = signal_state(opus(), &p);
	char bytes[1500];
	uint32_t seed = 11;
	size_t refused = 0;
	for (int i = 0; i < 2000; i++) {
		size_t n = signal_noise(&seed) % (i % 10 ? 80 : sizeof(bytes));
		for (size_t k = 0; k < n; k++)
			bytes[k] = (char)signal_noise(&seed);
		refused += offered(dec, (struct span){ bytes, n }) != 0;
	}
	print_message("%zu of 2000 refused\n", refused);
	assert_true(refused > 100);
	assert_alive(dec);
	signal_border(opus(), &p, dec);
	free(dec);
}

static void refusals(void **state)
{
	(void)state;
	struct fault f;
	struct codec_params p = { .out_rate_hz = 44100 }, e = { .way = CODEC_ENCODE }, d = { 0 };
	assert_int_equal(opus()->init(NULL, &p, &f), E_INVALID);
	assert_string_equal(f.text,
			    "opus runs at 8000, 12000, 16000, 24000 or 48000 Hz, not 44100");
	void *enc = signal_state(opus(), &e), *dec = signal_state(opus(), &d);
	uint8_t bytes[CODEC_PACKET_MAX];
	size_t n, used;
	assert_int_equal(opus()->encode(enc, in, 321, bytes, sizeof(bytes), &n, &f), E_INVALID);
	assert_int_equal(opus()->encode(enc, in, 320, bytes, sizeof(bytes) - 1, &n, &f), E_FULL);
	n = one_packet(bytes);
	struct span packet = { (char *)bytes, n };
	assert_int_equal(opus()->decode(dec, packet, out, 319, &used, &n, &f), E_FULL);
	assert_int_equal(n, 0);
	assert_int_equal(opus()->decode(dec, packet, out, 0, &used, &n, &f), E_FULL);
	free(enc);
	free(dec);
}

/* A second with every fifth frame lost, in pieces of any size: never silent, never longer. */
static void losses(void **state)
{
	(void)state;
	struct codec_params e = { .way = CODEC_ENCODE }, d = { 0 };
	void *enc = signal_state(opus(), &e), *dec = signal_state(opus(), &d);
	signal_voice(in, 16000, 16000, 150, 9000);
	for (size_t at = 0; at < 16000; at += 320) {
		uint8_t bytes[CODEC_PACKET_MAX];
		size_t made, used, n;
		assert_int_equal(
			opus()->encode(enc, in + at, 320, bytes, sizeof(bytes), &made, NULL), 0);
		if (at / 320 % 5 == 4) {
			memset(out + at, 0x7f, 321 * sizeof(*out));
			opus()->conceal(dec, out + at, 199);
			opus()->conceal(dec, out + at + 199, 121);
			assert_int_equal(out[at + 320], 0x7f7f);
			for (size_t i = 0; i < 320; i++)
				assert_int_not_equal(out[at + i], 0x7f7f);
			assert_true(signal_power(out + at, 320) > 1e6);
		} else {
			assert_int_equal(opus()->decode(dec, (struct span){ (char *)bytes, made },
							out + at, 320, &used, &n, NULL),
					 0);
		}
	}
	opus()->conceal(dec, out, 16000);
	/* libopus fades over a second and more. */
	assert_true(signal_power(out + 14400, 1600) < signal_power(out, 1600) / 30);
	signal_border(opus(), &d, dec);
	free(enc);
	free(dec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trips), cmocka_unit_test(foreign_packets),
		cmocka_unit_test(damaged),     cmocka_unit_test(padded),
		cmocka_unit_test(truncated),   cmocka_unit_test(garbage),
		cmocka_unit_test(refusals),    cmocka_unit_test(losses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
