/* From any rate to that of a leg, by speexdsp. Only for rates that are neither 8 nor 16 kHz: those
 * are what legs run at.
 *
 * A resampler is made at the start of a leg, which allocates (speexdsp has no other way), and
 * allocates nothing afterwards. One thread at a time. */
#ifndef CODECS_RESAMPLE_H
#define CODECS_RESAMPLE_H

#include <stdint.h>

#include "callmend/fault.h"

enum { RESAMPLE_MIN_HZ = 4000, RESAMPLE_MAX_HZ = 192000 };

/* The rate a leg runs at when its sound comes with this one: 16000 from there on, else 8000. */
uint32_t resample_target_hz(uint32_t rate_hz);

struct resample;
/* E_INVALID: a rate outside the bounds. E_NOMEM. */
MUST int resample_new(struct resample **, uint32_t from_hz, uint32_t to_hz, struct fault *f);
void resample_free(struct resample *);
DEFINE_SCOPED(resample)

/* Samples that n samples make at most. */
size_t resample_max(const struct resample *, size_t n);
/* Takes all n samples; `out` has room for resample_max(). Gives how many came out: on the average
 * n * to / from, with a delay of about 2 ms at 16 kHz. */
size_t resample_run(struct resample *, const int16_t *in, size_t n, int16_t *out);

#endif
