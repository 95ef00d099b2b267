/* RingCentral RingEX: calls by telephony sessions and call control, texts by the message store,
 * RingSense. Live audio comes from elsewhere (ringcx). docs/ringcentral.md says what becomes of
 * what. */
#ifndef CALLMEND_DIALECT_RINGCENTRAL_H
#define CALLMEND_DIALECT_RINGCENTRAL_H

#include "callmend/dialect.h"

extern const struct dialect ringcentral_dialect;

#endif
