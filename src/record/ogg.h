/* Stereo Ogg Opus (RFC 7845) by libopusenc. One thread. */
#ifndef CALLMEND_RECORD_OGG_H
#define CALLMEND_RECORD_OGG_H

#include <stdint.h>

#include "callmend/fault.h"

struct ogg;
/* To the file's end, which stays the caller's. The sound comes at this rate (8000 to 192000). */
MUST int ogg_new(struct ogg **out, int fd, uint32_t rate_hz, struct fault *f);
void ogg_free(struct ogg *);
DEFINE_SCOPED(ogg)

/* Both E_IO: what the disk says (full ...). */
MUST int ogg_write(struct ogg *, const int16_t *stereo, size_t frames, struct fault *f);
MUST int ogg_finish(struct ogg *, struct fault *f);

#endif
