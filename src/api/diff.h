/* What has changed between two texts, line by line, in the unified format that people and tools
 * know. Pure. */
#ifndef CALLMEND_API_DIFF_H
#define CALLMEND_API_DIFF_H

#include "base/buf.h"

/* Appends hunks with three lines of context; nothing when the texts are equal. Lines are what lies
 * between newlines, so that a newline at the end shows as one more, empty line. The smallest
 * difference as long as the changed parts have at most DIFF_CELLS pairs of lines; beyond that the
 * changed part is shown as removed and added whole. */
enum { DIFF_CONTEXT = 3, DIFF_CELLS = 1000 * 1000 };
void diff_unified(struct span before, struct span after, struct buf *out);

#endif
