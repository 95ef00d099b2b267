/* Which PostgreSQL: the configured one, or the private cluster of the state folder (whose address
 * the parent hands to the core as the environment variable CALLMEND_DATABASE_URL, like any operator
 * could). */
#ifndef CALLMEND_NODE_DATABASE_H
#define CALLMEND_NODE_DATABASE_H

#include "base/buf.h"
#include "base/config.h"

/* The configured URL, or that of the private cluster of this state folder, which must be running
 * for it to be of use. */
MUST int database_url(const struct config *, struct buf *out, struct fault *f);
static inline bool database_is_private(const struct config *c)
{
	return c->database_url.place == SECRET_ABSENT;
}

#endif
