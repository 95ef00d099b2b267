/* G.711 against the tables of the Recommendation, written out here as its segments of equal steps,
 * and beside spandsp. */
#include <stdint.h>

#include <spandsp/telephony.h>

#include <spandsp/bit_operations.h>
#include <spandsp/g711.h>

#include "tests/unit/codec_signal.h"

/* Decision values x[0..128] and what is decoded between them, at the scale of 16-bit samples. */
struct law {
	int x[129], y[128];
};

struct segment {
	int steps, step;
};

/* Columns 3 and 7 of table 1a: 4096 is full scale, 8 of ours make one of its units. */
static void alaw_table(struct law *t)
{
	static const struct segment s[] = { { 32, 2 },	{ 16, 4 },  { 16, 8 },	{ 16, 16 },
					    { 16, 32 }, { 16, 64 }, { 16, 128 } };
	int n = 0, x = 0;
	for (size_t i = 0; i < sizeof(s) / sizeof(s[0]); i++)
		for (int k = 0; k < s[i].steps; k++, x += s[i].step) {
			t->x[n] = 8 * x;
			t->y[n++] = 8 * x + 4 * s[i].step;
		}
	t->x[n] = 8 * x;
	assert_int_equal(n, 128);
	assert_int_equal(x, 4096);
}

/* Table 2a: 8159 is the end, 4 of ours make one; the first step is a half one and decodes to 0. */
static void ulaw_table(struct law *t)
{
	static const struct segment s[] = { { 1, 1 },	{ 15, 2 },   { 16, 4 },
					    { 16, 8 },	{ 16, 16 },  { 16, 32 },
					    { 16, 64 }, { 16, 128 }, { 16, 256 } };
	int n = 0, x = 0;
	for (size_t i = 0; i < sizeof(s) / sizeof(s[0]); i++)
		for (int k = 0; k < s[i].steps; k++, x += s[i].step) {
			t->x[n] = 4 * x;
			t->y[n++] = 4 * x + 2 * s[i].step;
		}
	t->x[n] = 4 * x;
	t->y[0] = 0;
	assert_int_equal(n, 128);
	assert_int_equal(x, 8159);
}

/* The interval of a sample. On a decision value a positive one counts above, a negative one below:
 * the choice of the ITU's reference. */
static int interval(const struct law *t, int sample)
{
	int n = 127;
	while (n && (sample >= 0 ? sample < t->x[n] : -sample <= t->x[n]))
		n--;
	return n;
}

static uint8_t ulaw_character(int n, bool positive)
{
	return (uint8_t)((positive ? 255 : 127) - n);
}

static uint8_t alaw_character(int n, bool positive)
{
	return (uint8_t)((n + (positive ? 128 : 0)) ^ 0x55);
}

static void ulaw_decodes(void **state)
{
	(void)state;
	struct law t;
	ulaw_table(&t);
	for (int n = 0; n < 128; n++) {
		assert_int_equal(g711_ulaw_table[ulaw_character(n, true)], t.y[n]);
		assert_int_equal(g711_ulaw_table[ulaw_character(n, false)], -t.y[n]);
	}
	assert_int_equal(t.y[127], 4 * 8031);
}

static void alaw_decodes(void **state)
{
	(void)state;
	struct law t;
	alaw_table(&t);
	for (int n = 0; n < 128; n++) {
		assert_int_equal(g711_alaw_table[alaw_character(n, true)], t.y[n]);
		assert_int_equal(g711_alaw_table[alaw_character(n, false)], -t.y[n]);
	}
	assert_int_equal(t.y[127], 8 * 4032);
}

static void ulaw_encodes(void **state)
{
	(void)state;
	struct law t;
	ulaw_table(&t);
	for (int s = INT16_MIN; s <= INT16_MAX; s++)
		assert_int_equal(g711_ulaw_of((int16_t)s), ulaw_character(interval(&t, s), s >= 0));
}

static void alaw_encodes(void **state)
{
	(void)state;
	struct law t;
	alaw_table(&t);
	for (int s = INT16_MIN; s <= INT16_MAX; s++)
		assert_int_equal(g711_alaw_of((int16_t)s), alaw_character(interval(&t, s), s >= 0));
}

/* The loops of the codec, in pieces of every length that could meet a wide instruction's end. */
static void loops_agree(const struct codec *c, const int16_t table[256], uint8_t (*of)(int16_t))
{
	uint8_t codes[256], back[256];
	int16_t out[256];
	for (int i = 0; i < 256; i++)
		codes[i] = (uint8_t)(i * 167);
	for (size_t n = 0; n <= 256; n++) {
		size_t used, got, made;
		struct span in = { (char *)codes + (256 - n), n };
		assert_int_equal(c->decode(NULL, in, out, n, &used, &got, NULL), 0);
		assert_true(used == n && got == n);
		assert_int_equal(c->encode(NULL, out, n, back, n, &made, NULL), 0);
		assert_int_equal(made, n);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(out[i], table[codes[256 - n + i]]);
			assert_int_equal(back[i], of(out[i]));
		}
	}
}

static void loops(void **state)
{
	(void)state;
	loops_agree(codec_find(SPAN("pcmu")), g711_ulaw_table, g711_ulaw_of);
	loops_agree(codec_find(SPAN("pcma")), g711_alaw_table, g711_alaw_of);
}

/* All samples through the wide loops. */
static void every_sample(void **state)
{
	(void)state;
	static int16_t in[65536];
	static uint8_t u[65536], a[65536];
	size_t made;
	for (int i = 0; i < 65536; i++)
		in[i] = (int16_t)(i - 32768);
	assert_int_equal(codec_find(SPAN("pcmu"))->encode(NULL, in, 65536, u, 65536, &made, NULL),
			 0);
	assert_int_equal(codec_find(SPAN("pcma"))->encode(NULL, in, 65536, a, 65536, &made, NULL),
			 0);
	for (int i = 0; i < 65536; i++) {
		assert_int_equal(u[i], g711_ulaw_of(in[i]));
		assert_int_equal(a[i], g711_alaw_of(in[i]));
	}
}

/* Decoded and encoded again, every code is itself; but µ-law's second zero becomes the first. */
static void codes_come_back(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		assert_int_equal(g711_ulaw_of(g711_ulaw_table[c]), c == 0x7f ? 0xff : c);
		assert_int_equal(g711_alaw_of(g711_alaw_table[c]), c);
	}
}

static bool on_decision_value(const struct law *t, int sample)
{
	bool found = false;
	for (int n = 0; n <= 128; n++)
		found |= abs(sample) == t->x[n];
	return found;
}

/* spandsp decodes the same; its encoder counts a negative sample on a decision value as above it,
 * and cuts the low bits of negative A-law samples otherwise: neighbours, equally near. */
static void beside_spandsp(void **state)
{
	(void)state;
	struct law u, a;
	ulaw_table(&u);
	alaw_table(&a);
	int u_differ = 0, a_differ = 0;
	for (int c = 0; c < 256; c++) {
		assert_int_equal(ulaw_to_linear((uint8_t)c), g711_ulaw_table[c]);
		assert_int_equal(alaw_to_linear((uint8_t)c), g711_alaw_table[c]);
	}
	for (int s = INT16_MIN; s <= INT16_MAX; s++) {
		bool u_same = linear_to_ulaw(s) == g711_ulaw_of((int16_t)s);
		bool a_same = linear_to_alaw(s) == g711_alaw_of((int16_t)s);
		u_differ += !u_same;
		a_differ += !a_same;
		assert_true(u_same || (s < 0 && on_decision_value(&u, s)));
		assert_true(a_same || (s < 0 && on_decision_value(&a, s)));
	}
	print_message("spandsp encodes otherwise: u-law %d, A-law %d of 65536\n", u_differ,
		      a_differ);
}

static void bounds(void **state)
{
	(void)state;
	const struct codec *c = codec_find(SPAN("pcmu"));
	int16_t samples[4] = { 0, 100, -100, 32000 };
	uint8_t out[4] = { 0 };
	size_t n, used;
	struct fault f;
	assert_int_equal(c->encode(NULL, samples, 4, out, 3, &n, &f), E_FULL);
	assert_int_equal(n, 0);
	assert_string_equal(f.text, "pcmu: a frame needs room for 4 bytes, not 3");
	assert_int_equal(c->decode(NULL, SPAN("\xff\xff\xff"), samples, 2, &used, &n, &f), 0);
	assert_true(used == 2 && n == 2 && samples[3] == 32000);
	struct codec_params p = { .rate_hz = 16000 };
	assert_int_equal(c->init(NULL, &p, &f), E_INVALID);
	assert_string_equal(f.text, "pcmu runs at 8000 Hz, not 16000");
	assert_int_equal(g711_ulaw_table[c->silence], 0);
	assert_int_equal(g711_alaw_table[codec_find(SPAN("pcma"))->silence], 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ulaw_decodes),	   cmocka_unit_test(alaw_decodes),
		cmocka_unit_test(ulaw_encodes),	   cmocka_unit_test(alaw_encodes),
		cmocka_unit_test(loops),	   cmocka_unit_test(every_sample),
		cmocka_unit_test(codes_come_back), cmocka_unit_test(beside_spandsp),
		cmocka_unit_test(bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
