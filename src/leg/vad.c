#include "leg/vad.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "codecs/halve.h"
#include "leg/vad_network.h"

struct detector {
	struct vad_features features;
	_Alignas(32) float memory[VAD_UNITS_MAX];
	struct halve halve;
	bool halves;
};
static_assert(sizeof(struct detector) <= VAD_STATE_BYTES, "VAD_STATE_BYTES is too small");

/* A longer gap may have another sound on either side. */
enum { MEMORY_GAP_MS = 200 };

#ifdef VAD_CHOOSES
void vad_features_wide(struct vad_features *, const int16_t *, float *);
float vad_network_wide(const struct vad_net *, float *, const float *);

static float odds(struct detector *d, const int16_t *samples, bool wide)
{
	_Alignas(32) float in[VAD_IN];
	(wide ? vad_features_wide : vad_features)(&d->features, samples, in);
	return (wide ? vad_network_wide : vad_network)(&vad_standard, d->memory, in);
}

static bool is_wide(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
static float odds(struct detector *d, const int16_t *samples, bool wide)
{
	_Alignas(32) float in[VAD_IN];
	(void)wide;
	vad_features(&d->features, samples, in);
	return vad_network(&vad_standard, d->memory, in);
}

static bool is_wide(void)
{
	return false;
}
#endif

void vad_init(struct vad *v, uint32_t rate_hz)
{
	struct detector *d = (struct detector *)v->state;
	memset(v, 0, sizeof(*v));
	d->halves = rate_hz == 16000;
}

float vad_frame(struct vad *v, const int16_t *samples)
{
	struct detector *d = (struct detector *)v->state;
	int16_t half[VAD_FRAME_8K];
	if (d->halves) {
		halve_run(&d->halve, samples, VAD_FRAME_16K, half);
		samples = half;
	}
	return 1 / (1 + expf(-odds(d, samples, is_wide())));
}

void vad_gap(struct vad *v, int64_t gap_ms)
{
	struct detector *d = (struct detector *)v->state;
	vad_features_gap(&d->features);
	memset(&d->halve, 0, sizeof(d->halve));
	if (gap_ms >= MEMORY_GAP_MS)
		memset(d->memory, 0, sizeof(d->memory));
}
