/* 16 kHz to 8 kHz (or any rate to its half): a half-band filter of 31 taps, whole numbers. Passes
 * up to 3.4 kHz within 0.1 dB, stops from 4.6 kHz on by 39 dB; delays by 15 samples of 16 kHz. For
 * what is listened to, not for recordings.
 *
 * State is the caller's; all zero is the beginning. Any thread, one at a time. */
#ifndef CODECS_HALVE_H
#define CODECS_HALVE_H

#include <stddef.h>
#include <stdint.h>

enum { HALVE_TAPS = 31 };

struct halve {
	int16_t past[HALVE_TAPS];
	uint16_t odd; /* 1: the last of `past` waits for its second, else it does not count */
};

/* Gives the samples written to `out` (may be `in`): n / 2, one more when an odd one was left over.
 */
size_t halve_run(struct halve *, const int16_t *in, size_t n, int16_t *out);

#endif
