/* 16-bit linear samples. Every WebSocket dialect sends them little-endian, whatever it calls them;
 * "L16" of RFC 3551, 4.5.11 is big-endian, and so is what a dialect passes on from RTP unchanged
 * ("l16be"). */
#include "base/wide.h"
#include "codecs/codecs.h"
#include "codecs/conceal.h"

enum { RATE_MIN_HZ = 8000, RATE_MAX_HZ = 192000 };

static size_t state_size(const struct codec_params *p)
{
	return p->way == CODEC_DECODE ? conceal_size(p->rate_hz) : 0;
}

static int init(void *state, const struct codec_params *p, struct fault *f)
{
	if (p->rate_hz < RATE_MIN_HZ || p->rate_hz > RATE_MAX_HZ)
		return fault(f, E_INVALID, "l16 runs at %d to %d Hz, not %u", RATE_MIN_HZ,
			     RATE_MAX_HZ, p->rate_hz);
	if (state && p->way == CODEC_DECODE)
		conceal_init(state, p->rate_hz);
	return 0;
}

static uint32_t out_rate(const struct codec_params *p)
{
	return p->rate_hz;
}

/* Copies samples; the bytes of each change places if `swap`. */
static inline void move(const char *restrict in, size_t n, char *restrict out, bool swap)
{
	for (size_t i = 0; i < n; i++) {
		uint16_t sample;
		memcpy(&sample, in + i * 2, 2);
		sample = swap ? __builtin_bswap16(sample) : sample;
		memcpy(out + i * 2, &sample, 2);
	}
}

static void copy(const char *in, size_t n, char *out)
{
	if (n)
		memcpy(out, in, n * 2);
}

WIDE static void swap_copy(const char *in, size_t n, char *out)
{
	move(in, n, out, true);
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LITTLE copy
#define BIG swap_copy
#else
#define LITTLE swap_copy
#define BIG copy
#endif

typedef void mover(const char *in, size_t n, char *out);

static int decode(mover *bring, void *state, struct span in, int16_t *out, size_t cap, size_t *used,
		  size_t *n)
{
	*n = in.n / 2 < cap ? in.n / 2 : cap;
	*used = *n * 2;
	bring(in.p, *n, (char *)out);
	if (state)
		conceal_heard(state, out, *n);
	return 0;
}

static int decode_little(void *state, struct span in, int16_t *out, size_t cap, size_t *used,
			 size_t *n, struct fault *f)
{
	(void)f;
	return decode(LITTLE, state, in, out, cap, used, n);
}

static int decode_big(void *state, struct span in, int16_t *out, size_t cap, size_t *used,
		      size_t *n, struct fault *f)
{
	(void)f;
	return decode(BIG, state, in, out, cap, used, n);
}

static void conceal(void *state, int16_t *out, size_t want)
{
	conceal_fill(state, out, want);
}

static int encode_little(void *state, const int16_t *in, size_t n, uint8_t *out, size_t cap,
			 size_t *out_n, struct fault *f)
{
	(void)state;
	*out_n = 0;
	TRY(codecs_room(&codec_l16, n * 2, cap, f));
	LITTLE((const char *)in, n, (char *)out);
	*out_n = n * 2;
	return 0;
}

static int encode_big(void *state, const int16_t *in, size_t n, uint8_t *out, size_t cap,
		      size_t *out_n, struct fault *f)
{
	(void)state;
	*out_n = 0;
	TRY(codecs_room(&codec_l16be, n * 2, cap, f));
	BIG((const char *)in, n, (char *)out);
	*out_n = n * 2;
	return 0;
}

static const char *const little_aliases[] = {
	"l16le",     "linear16",    "pcm",	   "pcm16",	    "pcm_s16le", "s16le",
	"lpcm",	     "lpcm16",	    "raw/lpcm16",  "raw/lpcm16_24", "audio/l16", "audio/x-l16",
	"audio/pcm", "audio/x-pcm", "audio/x-raw", "audio/raw",	    "slin",	 "slin12",
	"slin16",    "slin24",	    "slin32",	   "slin44",	    "slin48",	 "slin96",
	"slin192",   NULL,
};
static const char *const big_aliases[] = { "pcm_s16be", "s16be", "linear16be", NULL };

const struct codec codec_l16 = {
	.name = "l16",
	.aliases = little_aliases,
	.wav_format = 1,
	.bits_per_sample = 16,
	.state_size = state_size,
	.init = init,
	.out_rate = out_rate,
	.decode = decode_little,
	.conceal = conceal,
	.encode = encode_little,
};

const struct codec codec_l16be = {
	.name = "l16be",
	.aliases = big_aliases,
	.bits_per_sample = 16,
	.state_size = state_size,
	.init = init,
	.out_rate = out_rate,
	.decode = decode_big,
	.conceal = conceal,
	.encode = encode_big,
};
