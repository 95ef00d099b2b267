/* G.722 at 64 kbit/s by spandsp: a byte is two samples at 16 kHz.
 *
 * spandsp allocates only when it is given no memory; the size of its states stands in the private
 * headers of its -dev package, which are installed for this use. A lost frame is concealed in the
 * samples; the decoder's predictors stay as they were, and find back within some milliseconds. */
#include <stdint.h>

#include <spandsp/telephony.h>

#include <spandsp/g722.h>
#include <spandsp/private/g722.h>

#include "codecs/codecs.h"
#include "codecs/conceal.h"

enum {
	RATE_HZ = 16000,
	RTP_RATE_HZ = 8000, /* how RTP must call it: RFC 3551, 4.5.2 */
	BITS_PER_S = 64000,
	BYTES_AT_ONCE = 1 << 20, /* spandsp counts in int */
};

struct decoder {
	g722_decode_state_t g722;
	_Alignas(CODEC_STATE_ALIGN) unsigned char conceal[];
};

static struct conceal *conceal_of(void *state)
{
	return (struct conceal *)((struct decoder *)state)->conceal;
}

static size_t state_size(const struct codec_params *p)
{
	return p->way == CODEC_DECODE ? sizeof(struct decoder) + conceal_size(RATE_HZ)
				      : sizeof(g722_encode_state_t);
}

static int init(void *state, const struct codec_params *p, struct fault *f)
{
	if (p->rate_hz != RTP_RATE_HZ)
		TRY(codecs_only_rate(&codec_g722, p->rate_hz, f));
	if (state && p->way == CODEC_DECODE) {
		CHECK(g722_decode_init(&((struct decoder *)state)->g722, BITS_PER_S, 0) != NULL);
		conceal_init(conceal_of(state), RATE_HZ);
	} else if (state) {
		CHECK(g722_encode_init(state, BITS_PER_S, 0) == state);
	}
	return 0;
}

static uint32_t out_rate(const struct codec_params *p)
{
	(void)p;
	return RATE_HZ;
}

static int decode(void *state, struct span in, int16_t *out, size_t cap, size_t *used, size_t *n,
		  struct fault *f)
{
	(void)f;
	struct decoder *d = state;
	*used = in.n < cap / 2 ? in.n : cap / 2;
	*used = *used < BYTES_AT_ONCE ? *used : BYTES_AT_ONCE;
	*n = (size_t)g722_decode(&d->g722, out, (const uint8_t *)in.p, (int)*used);
	conceal_heard(conceal_of(state), out, *n);
	return 0;
}

static void conceal(void *state, int16_t *out, size_t want)
{
	conceal_fill(conceal_of(state), out, want);
}

static int encode(void *state, const int16_t *in, size_t n, uint8_t *out, size_t cap, size_t *out_n,
		  struct fault *f)
{
	*out_n = 0;
	if (n % 2 || n > 2 * (size_t)BYTES_AT_ONCE)
		return fault(f, E_INVALID, "g722 encodes an even number of samples, not %zu", n);
	TRY(codecs_room(&codec_g722, n / 2, cap, f));
	*out_n = (size_t)g722_encode(state, out, in, (int)n);
	return 0;
}

static const char *const aliases[] = { "g.722", "g722_64", "audio/g722", "audio/x-g722", NULL };

const struct codec codec_g722 = {
	.name = "g722",
	.aliases = aliases,
	.rate_hz = RATE_HZ,
	.silence = 0xfd,
	.state_size = state_size,
	.init = init,
	.out_rate = out_rate,
	.decode = decode,
	.conceal = conceal,
	.encode = encode,
};
