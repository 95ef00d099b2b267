/* Vapi (vapi.ai): webhooks in, control URL out. Behaviour is documented in docs/vapi.md. */
#ifndef CALLMEND_DIALECT_VAPI_H
#define CALLMEND_DIALECT_VAPI_H

#include "callmend/dialect.h"

extern const struct dialect vapi_dialect;

#endif
