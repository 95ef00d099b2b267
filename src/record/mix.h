/* The WAV files of a call's legs, put together on one clock: left the customer, right the
 * assistant; a leg that is nobody's alone is on both sides. Where several have a side, those of the
 * lowest rank are heard. One thread; blocks on the disk. */
#ifndef CALLMEND_RECORD_MIX_H
#define CALLMEND_RECORD_MIX_H

#include "record/wav.h"

struct mix;
enum { MIX_PARTS_MAX = 64, MIX_RATE_MAX = 48000 };

/* At least one part, each of one channel and with a note; their files stay open and the caller's.
 * The rate is the highest of theirs. */
MUST int mix_new(struct mix **out, const struct wav *parts, size_t n, struct fault *f);
void mix_free(struct mix *);
DEFINE_SCOPED(mix)

uint32_t mix_rate_hz(const struct mix *);
int64_t mix_start_us(const struct mix *); /* wall clock of its first sample */
/* The next frames, left and right interleaved; fewer than asked for only at the end. */
MUST int mix_read(struct mix *, int16_t *stereo, size_t frames, size_t *got, struct fault *f);

#endif
