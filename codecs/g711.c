/* G.711, both laws: ITU-T Recommendation G.711 (11/88), tables 1 and 2; for inputs that lie exactly
 * on a decision value, where the Recommendation leaves the choice open, the ITU's own reference
 * (G.191 Software Tool Library, g711) is followed.
 *
 * An 8-bit code is a small floating-point number: sign, three bits of exponent, four of mantissa.
 * So the processor's floats do the work, exactly, without a table and several samples at once: the
 * bits of a float from 19 up are exponent and four bits of mantissa, and bit 18 is half a step. */
#include "base/wide.h"
#include "codecs/codecs.h"
#include "codecs/conceal.h"

enum {
	RATE_HZ = 8000,
	ULAW_BIAS = 132, /* makes a power of two of every segment's beginning */
	CODE_SHIFT = 19,
	HALF_STEP = 1 << 18,
	EXPONENT_7 = 134 << 23, /* the float 2^7: where segment 0 of both laws begins */
	ALAW_LINEAR = 256,	/* below, A-law has no exponent */
	ALAW_TOGGLE = 0x55,
};

static inline float float_of_bits(uint32_t bits)
{
	float f;
	memcpy(&f, &bits, sizeof(f));
	return f;
}

static inline uint32_t bits_of_float(float f)
{
	uint32_t bits;
	memcpy(&bits, &f, sizeof(bits));
	return bits;
}

/* Without a branch, which would keep the compiler from taking several samples at once. */
static inline uint32_t either(bool first, uint32_t a, uint32_t b)
{
	uint32_t mask = 0u - (uint32_t)first;
	return (a & mask) | (b & ~mask);
}

/* The middle of a step, from seven bits of exponent and mantissa. */
static inline int32_t magnitude_of(uint32_t code)
{
	return (int32_t)float_of_bits((code << CODE_SHIFT) + (EXPONENT_7 | HALF_STEP));
}

static inline uint32_t code_of(int32_t magnitude)
{
	return (bits_of_float((float)magnitude) - EXPONENT_7) >> CODE_SHIFT;
}

static inline int16_t ulaw_sample(uint8_t code)
{
	uint32_t u = (uint8_t)~code;
	int32_t sign = -(int32_t)(u >> 7);
	return (int16_t)(((magnitude_of(u & 0x7f) - ULAW_BIAS) ^ sign) - sign);
}

static inline uint8_t ulaw_code(int16_t sample)
{
	int32_t sign = sample >> 15;
	int32_t m = (sample ^ sign) + ULAW_BIAS;
	return (uint8_t) ~(code_of(m > INT16_MAX ? INT16_MAX : m) | ((uint32_t)sign & 0x80));
}

static inline int16_t alaw_sample(uint8_t code)
{
	uint32_t c = code ^ ALAW_TOGGLE, low = c & 0x7f;
	int32_t sign = (int32_t)(c >> 7) - 1;
	int32_t m = (int32_t)either(low < 16, (low << 4) + 8, (uint32_t)magnitude_of(low));
	return (int16_t)((m ^ sign) - sign);
}

static inline uint8_t alaw_code(int16_t sample)
{
	int32_t sign = sample >> 15;
	int32_t m = sample ^ sign;
	uint32_t low = either(m < ALAW_LINEAR, (uint32_t)m >> 4, code_of(m));
	return (uint8_t)((low | (~(uint32_t)sign & 0x80)) ^ ALAW_TOGGLE);
}

uint8_t g711_ulaw_of(int16_t sample)
{
	return ulaw_code(sample);
}

uint8_t g711_alaw_of(int16_t sample)
{
	return alaw_code(sample);
}

/* The same in integers, for the compiler to fill the tables with. */
#define SIGNED(negative, magnitude) (int16_t)((negative) ? -(magnitude) : (magnitude))
#define ULAW_MAGNITUDE(u) (((((u)&15) * 8 + ULAW_BIAS) << (((u) >> 4) & 7)) - ULAW_BIAS)
#define ULAW(c) SIGNED(!((c)&0x80), ULAW_MAGNITUDE(0xff ^ (c)))
#define ALAW_MAGNITUDE(a)                                                        \
	(((a)&0x70) ? (((a)&15) * 16 + 264) << ((((a) >> 4) & 7) - !!((a)&0x70)) \
		    : ((a)&15) * 16 + 8)
#define ALAW(c) SIGNED(!((c)&0x80), ALAW_MAGNITUDE((c) ^ ALAW_TOGGLE))
#define FOUR(law, c) law(c), law((c) + 1), law((c) + 2), law((c) + 3)
#define ROW(law, c) FOUR(law, c), FOUR(law, (c) + 4), FOUR(law, (c) + 8), FOUR(law, (c) + 12)
#define ROWS(law, c) ROW(law, c), ROW(law, (c) + 16), ROW(law, (c) + 32), ROW(law, (c) + 48)
#define ALL(law)                                                            \
	{                                                                   \
		ROWS(law, 0), ROWS(law, 64), ROWS(law, 128), ROWS(law, 192) \
	}

const int16_t g711_ulaw_table[256] = ALL(ULAW);
const int16_t g711_alaw_table[256] = ALL(ALAW);

WIDE static void expand_ulaw(const uint8_t *restrict in, size_t n, int16_t *restrict out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = ulaw_sample(in[i]);
}

WIDE static void expand_alaw(const uint8_t *restrict in, size_t n, int16_t *restrict out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = alaw_sample(in[i]);
}

WIDE static void compress_ulaw(const int16_t *restrict in, size_t n, uint8_t *restrict out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = ulaw_code(in[i]);
}

WIDE static void compress_alaw(const int16_t *restrict in, size_t n, uint8_t *restrict out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = alaw_code(in[i]);
}

static size_t state_size(const struct codec_params *p)
{
	return p->way == CODEC_DECODE ? conceal_size(RATE_HZ) : 0;
}

static int init_law(const struct codec *c, void *state, const struct codec_params *p,
		    struct fault *f)
{
	TRY(codecs_only_rate(c, p->rate_hz, f));
	if (state && p->way == CODEC_DECODE)
		conceal_init(state, RATE_HZ);
	return 0;
}

static int init_ulaw(void *state, const struct codec_params *p, struct fault *f)
{
	return init_law(&codec_pcmu, state, p, f);
}

static int init_alaw(void *state, const struct codec_params *p, struct fault *f)
{
	return init_law(&codec_pcma, state, p, f);
}

static uint32_t out_rate(const struct codec_params *p)
{
	(void)p;
	return RATE_HZ;
}

static int decode_ulaw(void *state, struct span in, int16_t *out, size_t cap, size_t *used,
		       size_t *n, struct fault *f)
{
	(void)f;
	*used = *n = in.n < cap ? in.n : cap;
	expand_ulaw((const uint8_t *)in.p, *n, out);
	if (state)
		conceal_heard(state, out, *n);
	return 0;
}

static int decode_alaw(void *state, struct span in, int16_t *out, size_t cap, size_t *used,
		       size_t *n, struct fault *f)
{
	(void)f;
	*used = *n = in.n < cap ? in.n : cap;
	expand_alaw((const uint8_t *)in.p, *n, out);
	if (state)
		conceal_heard(state, out, *n);
	return 0;
}

static void conceal(void *state, int16_t *out, size_t want)
{
	conceal_fill(state, out, want);
}

static int encode_ulaw(void *state, const int16_t *in, size_t n, uint8_t *out, size_t cap,
		       size_t *out_n, struct fault *f)
{
	(void)state;
	*out_n = 0;
	TRY(codecs_room(&codec_pcmu, n, cap, f));
	compress_ulaw(in, n, out);
	*out_n = n;
	return 0;
}

static int encode_alaw(void *state, const int16_t *in, size_t n, uint8_t *out, size_t cap,
		       size_t *out_n, struct fault *f)
{
	(void)state;
	*out_n = 0;
	TRY(codecs_room(&codec_pcma, n, cap, f));
	compress_alaw(in, n, out);
	*out_n = n;
	return 0;
}

static const char *const ulaw_aliases[] = {
	"ulaw",	       "mulaw",	      "mu-law",	       "u-law",	       "x-mulaw",      "pcm_mulaw",
	"g711_ulaw",   "g711u",	      "g711ulaw",      "g.711u",       "audio/pcmu",   "audio/ulaw",
	"audio/mulaw", "audio/basic", "audio/x-mulaw", "audio/x-ulaw", "mulaw_format", NULL,
};
static const char *const alaw_aliases[] = {
	"alaw",	  "a-law",	"x-alaw",     "pcm_alaw",     "g711_alaw",   "g711a", "g711alaw",
	"g.711a", "audio/pcma", "audio/alaw", "audio/x-alaw", "alaw_format", NULL,
};

const struct codec codec_pcmu = {
	.name = "pcmu",
	.aliases = ulaw_aliases,
	.rate_hz = RATE_HZ,
	.wav_format = 7,
	.bits_per_sample = 8,
	.silence = 0xff,
	.state_size = state_size,
	.init = init_ulaw,
	.out_rate = out_rate,
	.decode = decode_ulaw,
	.conceal = conceal,
	.encode = encode_ulaw,
};

const struct codec codec_pcma = {
	.name = "pcma",
	.aliases = alaw_aliases,
	.rate_hz = RATE_HZ,
	.wav_format = 6,
	.bits_per_sample = 8,
	.silence = 0xd5,
	.state_size = state_size,
	.init = init_alaw,
	.out_rate = out_rate,
	.decode = decode_alaw,
	.conceal = conceal,
	.encode = encode_alaw,
};
