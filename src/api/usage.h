/* When a token was last used, told to PostgreSQL at most once a minute each; nobody waits for it.
 */
#ifndef CALLMEND_API_USAGE_H
#define CALLMEND_API_USAGE_H

#include "api/internal.h"

void usage_note(struct api *, const struct caller *, int64_t now_us); /* monotonic */

#endif
