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
	DETECT_SLOT_US = 250 * 1000,
	DETECT_SLOTS = DETECT_MOST_US / DETECT_SLOT_US,
};

struct detected {
	uint32_t rate_hz;
	unsigned channels;
	bool sure; /* bytes a second are near those of the format: no hiccup was measured */
};

/* `counted_bytes` came within `elapsed_us`, and are told by their beginning, `bytes`; `rate_hz` and
 * `channels` are what is known already, 0: not. */
struct detected detect_format(struct span bytes, size_t counted_bytes, int64_t elapsed_us,
			      uint32_t rate_hz, unsigned channels);

struct detect {
	int64_t first_us, base_us;    /* of the first message; of the last that is not counted */
	size_t n, base_n;	      /* bytes of all; of those up to that one */
	uint32_t slots[DETECT_SLOTS]; /* bytes, by when they came */
	uint32_t rate_hz;
	unsigned channels;
	struct span encoding; /* static */
	char bytes[DETECT_BYTES_MAX];
};

/* So many bytes came in one message. What comes in the first slot is not counted: a sender may
 * begin with what it has kept. */
void detect_count(struct detect *, size_t n, int64_t now_us);
/* Neither came much less nor much more in any of the other slots: nobody hiccups. */
bool detect_is_steady(const struct detect *, int64_t now_us);
#endif
