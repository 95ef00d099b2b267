/* RingCX (RingCentral's contact centre): calls are known by their live audio, and steered by the
 * REST interface of active calls. Behaviour is documented in docs/ringcx.md. */
#ifndef CALLMEND_DIALECT_RINGCX_H
#define CALLMEND_DIALECT_RINGCX_H

#include "callmend/dialect.h"

extern const struct dialect ringcx_dialect;

#endif
