/* What the speech detector sees of a frame: VAD_IN numbers, none of which knows how loud the line
 * is. Formulas: docs/sound.md, "Speech". Shared by the detector and by tools/vad/train.c, which
 * makes the network's weights from them. */
#ifndef CALLMEND_LEG_VAD_FEATURES_H
#define CALLMEND_LEG_VAD_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "leg/vad.h"
#include "leg/vad_fast.h"

enum {
	VAD_BANDS = 24,
	VAD_LAGS = 40,	 /* pitch periods looked at, in samples of 2 kHz */
	VAD_LAG_MIN = 5, /* 400 Hz; the longest: 45 Hz */
	VAD_LOW_HISTORY = 48,
	VAD_OVERLAP = 96, /* samples of the frames before that a frame's spectrum takes in */
	VAD_IN = 2 * VAD_BANDS + 12,
};
_Static_assert(VAD_IN <= (int)VAD_SEEN, "struct vad_seen holds them");

/* All zero is the beginning of a call. */
struct vad_features {
	_Alignas(32) float floor[VAD_BANDS]; /* noise: log2 of band energy */
	float lowest[VAD_BANDS];	     /* of the block of frames that runs */
	float last[VAD_BANDS];
	float correlation[VAD_LAGS], energy[VAD_LAGS], own; /* of the last frame */
	float low[VAD_LOW_HISTORY];			    /* the end of the last frame at 2 kHz */
	float peak, last_mean, last_voiced, last_lag;
	uint32_t frames, block;
	int16_t overlap[VAD_OVERLAP];
};

/* One frame of 160 samples at 8 kHz. `out` is aligned to 32 bytes. */
void vad_features(struct vad_features *, const int16_t *samples, float out[VAD_IN]);
/* A hole in the audio: what was learned of the line stays, what was just heard goes. */
void vad_features_gap(struct vad_features *);

#endif
