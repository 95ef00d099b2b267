#include "codecs/resample.h"

#include <stdbool.h>
#include <stdlib.h>

#include <speex/speex_resampler.h>

/* Of 0..10: 3 is "VoIP" in speexdsp's own words, and stops what would fold back by about 60 dB. */
enum { QUALITY = 3, PIECE = 1 << 16, HALF_HZ = 8000, FULL_HZ = 16000 };

struct resample {
	uint32_t from_hz, to_hz;
	SpeexResamplerState *speex;
};

uint32_t resample_target_hz(uint32_t rate_hz)
{
	return rate_hz < FULL_HZ ? HALF_HZ : FULL_HZ;
}

static bool possible(uint32_t rate_hz)
{
	return rate_hz >= RESAMPLE_MIN_HZ && rate_hz <= RESAMPLE_MAX_HZ;
}

int resample_new(struct resample **out, uint32_t from_hz, uint32_t to_hz, struct fault *f)
{
	*out = NULL;
	if (!possible(from_hz) || !possible(to_hz))
		return fault(f, E_INVALID, "resampling works from %d to %d Hz, not %u to %u",
			     RESAMPLE_MIN_HZ, RESAMPLE_MAX_HZ, from_hz, to_hz);
	scoped(resample) *r = calloc(1, sizeof(*r));
	if (!r)
		return fault(f, E_NOMEM, "no memory for a resampler");
	*r = (struct resample){ .from_hz = from_hz, .to_hz = to_hz };
	r->speex = speex_resampler_init(1, from_hz, to_hz, QUALITY, NULL);
	if (!r->speex)
		return fault(f, E_NOMEM, "no memory for resampling %u to %u Hz", from_hz, to_hz);
	*out = take(r);
	return 0;
}

void resample_free(struct resample *r)
{
	if (r && r->speex)
		speex_resampler_destroy(r->speex);
	free(r);
}

size_t resample_max(const struct resample *r, size_t n)
{
	return n * r->to_hz / r->from_hz + 2;
}

/* speexdsp takes pieces of its own size. */
size_t resample_run(struct resample *r, const int16_t *in, size_t n, int16_t *out)
{
	size_t room = resample_max(r, n), made = 0;
	while (n) {
		uint32_t took = (uint32_t)(n < PIECE ? n : PIECE);
		uint32_t gave = (uint32_t)(room - made);
		speex_resampler_process_int(r->speex, 0, in, &took, out + made, &gave);
		CHECK(took || gave);
		in += took;
		n -= took;
		made += gave;
	}
	return made;
}
