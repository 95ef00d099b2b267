/* Signatures of outbound webhooks, as Standard Webhooks 1.0 says
 * (https://www.standardwebhooks.com): HMAC-SHA256 over "<id>.<timestamp>.<body>". Pure. */
#ifndef CALLMEND_NOTIFY_SIGN_H
#define CALLMEND_NOTIFY_SIGN_H

#include <stdint.h>

#include "base/buf.h"
#include "callmend/fault.h"

enum { SIGN_KEY_LEAST = 24, SIGN_KEY_MOST = 64 }; /* bytes */

/* "whsec_<base64>" → the key's bytes, appended. E_INVALID; the fault never quotes the secret. */
MUST int sign_key(struct span secret, struct buf *key, struct fault *f);
/* Appends "v1,<base64>"; a space before it when there is something already (two secrets). */
void sign_add(struct span key, struct span id, int64_t timestamp_s, struct span body,
	      struct buf *out);

#endif
