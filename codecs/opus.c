/* Opus by libopus, RFC 6716; bare packets as in RTP (RFC 7587), one a frame. Decoded at the rate
 * the leg runs at, which is cheaper than 48 kHz, and to one channel whatever the sender made.
 *
 * libopus works in memory of ours: opus_*_get_size() bytes behind our own few. */
#include <opus.h>

#include "codecs/codecs.h"

enum {
	RATE_HZ = 16000,
	/* 120 ms in frames of 2.5 ms: no packet is larger (RFC 6716, 3.4). */
	PACKET_BYTES_MAX = 48 * CODEC_PACKET_MAX,
	/* Half the work of the default 9 for voice that a telephone will carry anyhow. */
	COMPLEXITY = 5,
};

struct opus {
	uint32_t rate_hz;
	_Alignas(CODEC_STATE_ALIGN) unsigned char state[];
};

static OpusDecoder *decoder_of(void *state)
{
	return (OpusDecoder *)((struct opus *)state)->state;
}

static OpusEncoder *encoder_of(void *state)
{
	return (OpusEncoder *)((struct opus *)state)->state;
}

static uint32_t out_rate(const struct codec_params *p)
{
	return p->out_rate_hz ? p->out_rate_hz : RATE_HZ;
}

static size_t state_size(const struct codec_params *p)
{
	int size = p->way == CODEC_DECODE ? opus_decoder_get_size(1) : opus_encoder_get_size(1);
	return sizeof(struct opus) + (size_t)size;
}

static bool possible(uint32_t rate_hz)
{
	static const uint32_t rates[] = { 8000, 12000, 16000, 24000, 48000 };
	bool found = false;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		found |= rates[i] == rate_hz;
	return found;
}

static void init_encoder(OpusEncoder *e, int32_t rate_hz)
{
	CHECK(opus_encoder_init(e, rate_hz, 1, OPUS_APPLICATION_VOIP) == OPUS_OK);
	CHECK(opus_encoder_ctl(e, OPUS_SET_COMPLEXITY(COMPLEXITY)) == OPUS_OK);
}

static int init(void *state, const struct codec_params *p, struct fault *f)
{
	uint32_t rate_hz = out_rate(p);
	if (!possible(rate_hz))
		return fault(f, E_INVALID,
			     "opus runs at 8000, 12000, 16000, 24000 or 48000 Hz, not %u", rate_hz);
	if (state)
		((struct opus *)state)->rate_hz = rate_hz;
	if (state && p->way == CODEC_DECODE)
		CHECK(opus_decoder_init(decoder_of(state), (int32_t)rate_hz, 1) == OPUS_OK);
	else if (state)
		init_encoder(encoder_of(state), (int32_t)rate_hz);
	return 0;
}

/* For opus_decode(), where no bytes mean a lost frame, there are some. */
static int decode_packet(void *state, struct span in, int16_t *out, size_t cap)
{
	int room = (int)(cap < CODEC_SAMPLES_MAX ? cap : CODEC_SAMPLES_MAX);
	if (in.n > PACKET_BYTES_MAX)
		return OPUS_INVALID_PACKET;
	return opus_decode(decoder_of(state), (const uint8_t *)in.p, (int32_t)in.n, out, room, 0);
}

static int decode(void *state, struct span in, int16_t *out, size_t cap, size_t *used, size_t *n,
		  struct fault *f)
{
	*used = in.n;
	*n = 0;
	if (in.n == 0)
		return 0;
	int made = cap ? decode_packet(state, in, out, cap) : OPUS_BUFFER_TOO_SMALL;
	if (made == OPUS_BUFFER_TOO_SMALL)
		return fault(f, E_FULL, "opus: a packet of more than %zu samples", cap);
	if (made < 0)
		return fault(f, E_INVALID, "opus: a packet of %zu bytes: %s", in.n,
			     opus_strerror(made));
	*n = (size_t)made;
	return 0;
}

/* libopus conceals multiples of 2.5 ms, and silently less than asked for is not among its answers.
 */
static void conceal(void *state, int16_t *out, size_t want)
{
	uint32_t step = ((struct opus *)state)->rate_hz / 400, at_once = step * 8;
	while (want >= step) {
		size_t n = want < at_once ? want - want % step : at_once;
		CHECK(opus_decode(decoder_of(state), NULL, 0, out, (int)n, 0) == (int)n);
		out += n;
		want -= n;
	}
	int16_t last[CODEC_SAMPLES_MAX / 48];
	if (want) {
		CHECK(opus_decode(decoder_of(state), NULL, 0, last, (int)step, 0) == (int)step);
		memcpy(out, last, want * sizeof(*out));
	}
}

static bool frame_possible(uint32_t rate_hz, size_t n)
{
	static const uint8_t steps[] = { 1, 2, 4, 8, 16, 24 };
	bool found = false;
	for (size_t i = 0; i < sizeof(steps); i++)
		found |= n == steps[i] * rate_hz / 400;
	return found;
}

static int encode(void *state, const int16_t *in, size_t n, uint8_t *out, size_t cap, size_t *out_n,
		  struct fault *f)
{
	*out_n = 0;
	if (!frame_possible(((struct opus *)state)->rate_hz, n))
		return fault(f, E_INVALID,
			     "opus encodes frames of 2.5, 5, 10, 20, 40 or 60 ms, not %zu samples",
			     n);
	TRY(codecs_room(&codec_opus, CODEC_PACKET_MAX, cap, f));
	int made = opus_encode(encoder_of(state), in, (int)n, out, CODEC_PACKET_MAX);
	if (made < 0)
		return fault(f, E_INVALID, "opus: %s", opus_strerror(made));
	*out_n = (size_t)made;
	return 0;
}

static const char *const aliases[] = { "audio/opus", "audio/x-opus", NULL };

const struct codec codec_opus = {
	.name = "opus",
	.aliases = aliases,
	.state_size = state_size,
	.init = init,
	.out_rate = out_rate,
	.decode = decode,
	.conceal = conceal,
	.encode = encode,
};
