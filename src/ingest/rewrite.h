/* Where a tool's arguments can be changed before the request: the place for reviewed search
 * mappings (B3). */
#ifndef CALLMEND_INGEST_REWRITE_H
#define CALLMEND_INGEST_REWRITE_H

#include "base/arena.h"
#include "base/buf.h"
#include "callmend/directory.h"

/* Each rewriter may replace the arguments (a JSON object) for this tool; they run in the order of
 * the table in rewrite.c. The result lives in the arena or is `arguments` itself. */
struct span rewrite_arguments(const struct dir_tool *, struct span arguments, struct arena *);

/* Percent-encodes for a query string. */
void rewrite_percent(struct buf *out, struct span text);

#endif
