/* A network that makes one number of a frame's features and its own memory: a dense layer, a gated
 * recurrent layer, a weighted sum. tools/vad/train.c makes the weights. */
#ifndef CALLMEND_LEG_VAD_NETWORK_H
#define CALLMEND_LEG_VAD_NETWORK_H

#include "leg/vad.h"
#include "leg/vad_features.h"

enum {
	VAD_DENSE_MAX = 64,
	VAD_UNITS_MAX = 128,
	/* Whole numbers that stand for 1: of weights, of features, and between the layers. */
	VAD_WEIGHT_ONE = 4096,
	VAD_FEATURE_ONE = 2048,
	VAD_BETWEEN_ONE = 4096,
};

/* Weights stand in pairs of inputs: [inputs / 2][outputs][2]. The outputs of `gates` and `memory`
 * are three times the units: how much stays, how much of the memory is looked at, what is new. All
 * aligned to 64 bytes. */
struct vad_net {
	int dense_n, units; /* multiples of 32 and of 64 */
	const int16_t *dense, *gates, *memory;
	const float *dense_bias, *gates_bias, *memory_bias, *out;
	float out_bias;
};
extern const struct vad_net vad_standard;

/* The logarithm of the odds that the frame is speech, of n detectors at once. `memory[i]` has
 * `units` numbers, zero at the beginning, aligned to 32 bytes. No two are the same. */
void vad_network(const struct vad_net *, unsigned n, float *const *memory,
		 const struct vad_seen *in, float *odds);

#endif
