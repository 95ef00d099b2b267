/* Where a tool's arguments are changed before the request: reviewed search mappings (B3). */
#ifndef CALLMEND_INGEST_REWRITE_H
#define CALLMEND_INGEST_REWRITE_H

#include "base/arena.h"
#include "base/buf.h"
#include "callmend/directory.h"

struct rewrite {
	const struct dir_tool *tool;
	const struct dir_project *project; /* of the tool; NULL: unknown, no mappings */
	struct arena *arena;
	struct json rewritten; /* out: what a mapping did, {mapping_id, argument, from, to} */
};
/* Each rewriter may replace the arguments (a JSON object) for this tool; they run in the order of
 * the table in rewrite.c. The result lives in the arena or is `arguments` itself. */
struct span rewrite_arguments(struct rewrite *, struct span arguments);

#endif
