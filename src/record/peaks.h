/* What a player draws: the lowest and the highest sample of each stretch of a recording.
 *
 * {"version": 1, "ms": 100, "left": [min, max, min, max ...], "right": [...]}: `ms` is the length
 * of a stretch, values are 0..255 with 128 for silence (the 8 most significant bits of a sample,
 * plus 128). A stretch is 100 ms, doubled until there are no more than PEAKS_MAX. */
#ifndef CALLMEND_RECORD_PEAKS_H
#define CALLMEND_RECORD_PEAKS_H

#include <stdint.h>

#include "base/buf.h"

enum { PEAKS_MS = 100, PEAKS_MAX = 18000 };

struct peak {
	uint8_t low, high;
};
/* Zeroed but for the rate, which is a multiple of 1000 / PEAKS_MS. */
struct peaks {
	uint32_t rate_hz;
	unsigned ms;	   /* 0: PEAKS_MS */
	size_t n, in_last; /* stretches; frames in the last one */
	struct peak stretch[2][PEAKS_MAX + 1];
};

void peaks_add(struct peaks *, const int16_t *stereo, size_t frames);
void peaks_write(const struct peaks *, struct buf *out);

#endif
