/* What the files of this folder share. Nobody outside includes it. */
#ifndef CODECS_CODECS_H
#define CODECS_CODECS_H

#include "callmend/codec.h"

extern const struct codec codec_pcmu, codec_pcma, codec_g722, codec_l16, codec_l16be, codec_opus;

/* For init(): E_INVALID unless the rate is 0 or this one. */
MUST int codecs_only_rate(const struct codec *, uint32_t rate_hz, struct fault *f);
/* For encode(): E_FULL when `bytes` do not fit. */
MUST int codecs_room(const struct codec *, size_t bytes, size_t cap, struct fault *f);

#endif
