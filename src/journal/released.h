/* The release position on disk: from which number on the journal was needed when it was last
 * written, so that a start need not read what is older. <dir>/released, one line:
 * "<number, 16 hex digits> <XXH3 of it, of the journal's id and salt, 16 hex digits>". */
#ifndef CALLMEND_JOURNAL_RELEASED_H
#define CALLMEND_JOURNAL_RELEASED_H

#include <stdint.h>

#include "callmend/fault.h"
#include "journal/segment.h"

/* E_NOT_FOUND: never written. E_CORRUPT: damaged, or another journal's. */
MUST int released_read(const char *dir, const struct segment_key *, uint64_t *number,
		       struct fault *f);
/* Replaces it atomically; lasts when this returns 0. */
MUST int released_write(const char *dir, const struct segment_key *, uint64_t number,
			struct fault *f);
/* Takes it away; lasts when this returns 0. */
MUST int released_remove(const char *dir, struct fault *f);

#endif
