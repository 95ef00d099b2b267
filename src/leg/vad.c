#include "leg/vad.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "callmend/fault.h"
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

/* The inner loops, as they were compiled. */
struct loops {
	void (*features)(struct vad_features *, const int16_t *samples, float *out);
	void (*network)(const struct vad_net *, unsigned n, float *const *memory,
			const struct vad_seen *, float *odds);
};
static const struct loops plain = { vad_features, vad_network };

#ifdef VAD_CHOOSES
void vad_features_avx2(struct vad_features *, const int16_t *, float *);
void vad_network_avx2(const struct vad_net *, unsigned, float *const *, const struct vad_seen *,
		      float *);
void vad_network_vnni(const struct vad_net *, unsigned, float *const *, const struct vad_seen *,
		      float *);
static const struct loops avx2 = { vad_features_avx2, vad_network_avx2 };
static const struct loops vnni = { vad_features_avx2, vad_network_vnni };

static const struct loops *loops(void)
{
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
		return &plain;
	if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512cd") &&
	    __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq"))
		return &vnni;
	return &avx2;
}
#else
static const struct loops *loops(void)
{
	return &plain;
}
#endif

void vad_init(struct vad *v, uint32_t rate_hz)
{
	struct detector *d = (struct detector *)v->state;
	memset(v, 0, sizeof(*v));
	d->halves = rate_hz == 16000;
}

void vad_look(struct vad *v, const int16_t *samples, struct vad_seen *out)
{
	struct detector *d = (struct detector *)v->state;
	int16_t half[VAD_FRAME_8K];
	if (d->halves) {
		halve_run(&d->halve, samples, VAD_FRAME_16K, half);
		samples = half;
	}
	loops()->features(&d->features, samples, out->numbers);
}

void vad_scores(unsigned n, struct vad *const *of, const struct vad_seen *seen, float *scores)
{
	float *memory[VAD_TOGETHER_MAX] = { 0 };
	CHECK(n <= VAD_TOGETHER_MAX);
	for (unsigned i = 0; i < n; i++)
		memory[i] = ((struct detector *)of[i]->state)->memory;
	loops()->network(&vad_standard, n, memory, seen, scores);
	for (unsigned i = 0; i < n; i++)
		scores[i] = 1 / (1 + expf(-scores[i]));
}

float vad_frame(struct vad *v, const int16_t *samples)
{
	struct vad_seen seen;
	float score;
	vad_look(v, samples, &seen);
	vad_scores(1, &v, &seen, &score);
	return score;
}

void vad_gap(struct vad *v, int64_t gap_ms)
{
	struct detector *d = (struct detector *)v->state;
	vad_features_gap(&d->features);
	memset(&d->halve, 0, sizeof(d->halve));
	if (gap_ms >= MEMORY_GAP_MS)
		memset(d->memory, 0, sizeof(d->memory));
}
