/* What the HTTP status of a provider's answer means, the same for all that are paid by the request:
 * language models and speech-to-text. RFC 9110, section 15, as OpenAI's and Deepgram's APIs use it.
 */
#ifndef CALLMEND_NET_PROVIDER_STATUS_H
#define CALLMEND_NET_PROVIDER_STATUS_H

#include <stdbool.h>

#include "callmend/fault.h"

/* 0: 2xx. Else the fault says "the key was refused (401)", and the code whose fault it is:
 *   E_DENIED       key, account, model or address: whatever is asked
 *   E_INVALID      this request; E_TOO_LARGE: it is too long
 *   E_FULL         too many of them: after a pause (Retry-After)
 *   E_TIMEOUT, E_UNAVAILABLE   the server's: later */
MUST int provider_status(int status, struct fault *f);
/* Would the same request end the same way? */
bool provider_status_lasts(int code);

#endif
