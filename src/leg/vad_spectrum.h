/* The power spectrum of 256 samples: a real transform as a complex one of half the length, 16 x 8.
 */
#ifndef CALLMEND_LEG_VAD_SPECTRUM_H
#define CALLMEND_LEG_VAD_SPECTRUM_H

#include <stdint.h>

#include "leg/vad_fast.h"

enum { VAD_WINDOW = 256, VAD_BINS = 120 };

/* Power of bins 0..119 (31.25 Hz apart) under a Hann window. Both aligned to 32 bytes. */
void vad_spectrum(const int16_t samples[VAD_WINDOW], float power[VAD_BINS]);

#endif
