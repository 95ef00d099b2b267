/* The protocol of calls that are known by their live audio only. */
#ifndef CALLMEND_DIALECT_AUDIO_H
#define CALLMEND_DIALECT_AUDIO_H

#include "callmend/dialect.h"

extern const struct dialect audio_dialect;

#endif
