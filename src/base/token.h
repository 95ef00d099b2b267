/* A new API token: its text, shown once, and what is stored of it. */
#ifndef CALLMEND_BASE_TOKEN_H
#define CALLMEND_BASE_TOKEN_H

#include "base/buf.h"

/* "cm_" and 32 random bytes in base64url; the SHA-256 of the text in hex. */
void token_make(struct buf *text, struct buf *hash_hex);

#endif
