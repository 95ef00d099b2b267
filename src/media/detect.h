/* In which format is this 16-bit PCM that nobody has announced? Rate and channels from the bytes of
 * a second or two and from how alike neighbours are. Pure; the formulas are in docs/media.md. */
#ifndef CALLMEND_MEDIA_DETECT_H
#define CALLMEND_MEDIA_DETECT_H

#include <stdbool.h>
#include <stdint.h>

#include "callmend/span.h"

enum {
	DETECT_US = 1500 * 1000,      /* of wall clock between the first and the last message */
	DETECT_MOST_US = 4000 * 1000, /* while what came fits no format well */
	DETECT_BYTES_MAX = 512 * 1024,
};

struct detected {
	uint32_t rate_hz;
	unsigned channels;
	bool sure; /* bytes a second are near those of the format: no hiccup was measured */
};

/* `bytes` came in after the first message within `elapsed_us` (the first message itself begins the
 * clock and is not among them); `rate_hz` and `channels` are what is known already, 0: not. */
struct detected detect_format(struct span bytes, size_t counted_bytes, int64_t elapsed_us,
			      uint32_t rate_hz, unsigned channels);

struct detect {
	int64_t first_us;
	size_t first_n, n; /* bytes of the first message; of all */
	uint32_t rate_hz;
	unsigned channels;
	struct span encoding; /* static */
	char bytes[DETECT_BYTES_MAX];
};
#endif
