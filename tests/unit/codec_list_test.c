/* Names as the dialects announce them, and channels taken apart. */
#include "tests/unit/codec_signal.h"

static const struct {
	const char *announced, *codec;
	uint32_t rate_hz;
} names[] = {
	{ "audio/x-mulaw", "pcmu", 0 },		     /* Twilio, SignalWire */
	{ "audio/x-mulaw;rate=8000", "pcmu", 8000 }, /* Plivo */
	{ "PCMU", "pcmu", 0 },			     /* Telnyx, AudioHook */
	{ "mulaw", "pcmu", 0 },			     /* Deepgram */
	{ "MULAW_FORMAT", "pcmu", 0 },		     /* Webex */
	{ "ulaw", "pcmu", 0 },			     /* Asterisk */
	{ "g711_ulaw", "pcmu", 0 },		     /* OpenAI */
	{ "audio/pcmu", "pcmu", 0 },
	{ "PCMA", "pcma", 0 },
	{ "alaw", "pcma", 0 },
	{ "g711_alaw", "pcma", 0 },
	{ "audio/pcma", "pcma", 0 },
	{ "G722", "g722", 0 },
	{ "OPUS", "opus", 0 },
	{ "audio/opus", "opus", 0 },
	{ "L16", "l16", 0 },
	{ "audio/x-L16", "l16", 0 },		    /* SignalWire */
	{ "audio/x-l16;rate=16000", "l16", 16000 }, /* Plivo */
	{ "audio/l16; rate=24000 ", "l16", 24000 }, /* Vonage */
	{ "audio/l16;channels=1;rate=8000", "l16", 8000 },
	{ "audio/x-raw", "l16", 0 },	/* Exotel */
	{ "raw/lpcm16", "l16", 16000 }, /* AudioCodes */
	{ "raw/lpcm16_24", "l16", 24000 },
	{ "PCM", "l16", 0 }, /* Azure */
	{ "pcm16", "l16", 0 },
	{ "linear16", "l16", 0 },
	{ "pcm_s16le", "l16", 0 },
	{ "slin", "l16", 8000 }, /* Asterisk */
	{ "slin16", "l16", 16000 },
	{ "slin44", "l16", 44100 },
	{ "slin192", "l16", 192000 },
	{ "pcm_s16be", "l16be", 0 },
	{ " pcmu ", "pcmu", 0 },
};

static void found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct codec *c = codec_find(span_of(names[i].announced));
		assert_non_null(c);
		assert_string_equal(c->name, names[i].codec);
		assert_int_equal(codec_rate_named(span_of(names[i].announced)), names[i].rate_hz);
	}
}

static void not_found(void **state)
{
	(void)state;
	static const char *const unknown[] = {
		"",
		";",
		"amr-wb",
		"pcmuu",
		"slin17",
		"audio/",
		"audio/mpeg",
		"g729",
		"a name that is much longer than any codec's name ever was, so it is none",
	};
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_null(codec_find(span_of(unknown[i])));
	assert_null(codec_find((struct span){ 0 }));
	assert_null(codec_find((struct span){ "pcmu\0x", 6 }));
	assert_int_equal(codec_rate_named(SPAN("audio/l16;rate=")), 0);
	assert_int_equal(codec_rate_named(SPAN("rate=16000")), 0);
	assert_int_equal(codec_rate_named((struct span){ 0 }), 0);
}

/* No name means two codecs, all can be found in capitals, each codec is whole. */
static void whole(void **state)
{
	(void)state;
	for (const struct codec *const *c = codecs; *c; c++) {
		assert_ptr_equal(codec_find(span_of((*c)->name)), *c);
		assert_true((*c)->init && (*c)->state_size && (*c)->decode && (*c)->conceal);
		for (const char *const *a = (*c)->aliases; *a; a++) {
			assert_ptr_equal(codec_find(span_of(*a)), *c);
			for (const char *p = *a; *p; p++)
				assert_true(*p < 'A' || *p > 'Z');
		}
	}
}

static void deinterleaved(void **state)
{
	(void)state;
	char in[1024], out[1024 + 1];
	uint32_t seed = 5;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)signal_noise(&seed);
	for (unsigned channels = 1; channels <= 6; channels++)
		for (unsigned bytes = 1; bytes <= 2; bytes++)
			for (size_t n = 0; n < 300; n++) {
				unsigned channel = (unsigned)n % channels;
				size_t want = n / (channels * bytes) * bytes;
				out[want] = 77;
				assert_int_equal(codecs_deinterleave((struct span){ in, n },
								     channels, channel, bytes, out),
						 want);
				for (size_t i = 0; i < want; i++)
					assert_int_equal(
						out[i],
						in[(i / bytes * channels + channel) * bytes +
						   i % bytes]);
				assert_int_equal(out[want], 77);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(found), cmocka_unit_test(not_found),
					    cmocka_unit_test(whole),
					    cmocka_unit_test(deinterleaved) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
