/* 16-bit samples in both orders, cut anywhere. */
#include "tests/unit/codec_signal.h"

static void orders(void **state)
{
	(void)state;
	const struct codec *little = codec_find(SPAN("l16")), *big = codec_find(SPAN("l16be"));
	struct span in = SPAN("\x01\x02\xff\x7f\x00\x80");
	int16_t out[3];
	uint8_t back[6];
	size_t used, n;
	assert_int_equal(little->decode(NULL, in, out, 3, &used, &n, NULL), 0);
	assert_true(used == 6 && n == 3 && out[0] == 0x201 && out[1] == 32767 && out[2] == -32768);
	assert_int_equal(little->encode(NULL, out, 3, back, 6, &n, NULL), 0);
	assert_memory_equal(back, in.p, 6);
	assert_int_equal(big->decode(NULL, in, out, 3, &used, &n, NULL), 0);
	assert_true(used == 6 && n == 3 && out[0] == 0x102 && out[1] == -129 && out[2] == 128);
	assert_int_equal(big->encode(NULL, out, 3, back, 6, &n, NULL), 0);
	assert_memory_equal(back, in.p, 6);
}

/* What a caller does with frames that end within a sample: what is unused goes before the next. */
static void carried(const struct codec *c)
{
	char bytes[2001], carry[2002];
	int16_t whole[1000], cut[1000];
	size_t used, n, done = 0, kept = 0;
	uint32_t seed = 3;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)signal_noise(&seed);
	assert_int_equal(
		c->decode(NULL, (struct span){ bytes, 2001 }, whole, 1000, &used, &n, NULL), 0);
	assert_true(used == 2000 && n == 1000);
	for (size_t at = 0; at < 2000;) {
		size_t piece = signal_noise(&seed) % 90;
		piece = piece < 2000 - at ? piece : 2000 - at;
		memcpy(carry + kept, bytes + at, piece);
		at += piece;
		assert_int_equal(c->decode(NULL, (struct span){ carry, kept + piece }, cut + done,
					   1000 - done, &used, &n, NULL),
				 0);
		assert_true(used == 2 * n && used / 2 == (kept + piece) / 2);
		kept = kept + piece - used;
		memmove(carry, carry + used, kept);
		done += n;
	}
	assert_int_equal(done, 1000);
	assert_memory_equal(whole, cut, sizeof(whole));
}

static void odd_splits(void **state)
{
	(void)state;
	carried(codec_find(SPAN("l16")));
	carried(codec_find(SPAN("l16be")));
}

static void nothing(void **state)
{
	(void)state;
	int16_t out[1];
	size_t used = 9, n = 9;
	for (const struct codec *const *c = codecs; *c; c++) {
		struct codec_params p = { .rate_hz = (*c)->rate_hz ? (*c)->rate_hz : 16000 };
		void *s = signal_state(*c, &p);
		assert_int_equal((*c)->decode(s, (struct span){ 0 }, out, 1, &used, &n, NULL), 0);
		assert_true(used == 0 && n == 0);
		free(s);
	}
}

static void rates(void **state)
{
	(void)state;
	static const uint32_t all[] = { 8000,  11025, 12000, 16000, 22050, 24000,
					32000, 44100, 48000, 64000, 96000, 192000 };
	const struct codec *c = codec_find(SPAN("l16"));
	struct fault f;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct codec_params p = { .rate_hz = all[i] };
		assert_int_equal(c->init(NULL, &p, NULL), 0);
		assert_int_equal(c->out_rate(&p), all[i]);
		assert_true(c->state_size(&p) < 24 * 1024);
	}
	struct codec_params none = { 0 };
	assert_int_equal(c->init(NULL, &none, &f), E_INVALID);
	assert_string_equal(f.text, "l16 runs at 8000 to 192000 Hz, not 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(orders), cmocka_unit_test(odd_splits),
					    cmocka_unit_test(nothing), cmocka_unit_test(rates) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
