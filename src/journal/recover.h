/* Finding out, after whatever happened, what a journal's folder holds; and making it fit to be
 * built upon. */
#ifndef CALLMEND_JOURNAL_RECOVER_H
#define CALLMEND_JOURNAL_RECOVER_H

#include <stdint.h>

#include "callmend/fault.h"
#include "journal/segment.h"

struct recover_segment {
	uint64_t first; /* number in its name */
	uint64_t bytes;
	int64_t written_us;
};

/* Zeroed is valid. */
struct recover {
	struct segment_key key;
	struct recover_segment *segments; /* oldest first */
	size_t n;
	uint64_t last; /* the largest number of a whole record; 0: none */
	uint64_t used; /* numbers go on after this one: `last`, or more where damage may have held
			  some */
};
void recover_fini(struct recover *);

/* Reads only: names of the segments and the key. E_NOT_FOUND: no journal here. */
MUST int recover_look(const char *dir, struct recover *out, struct fault *f);
/* For the folder's owner: creates what is missing, checks every record, copies damage aside, cuts
 * tails, syncs. */
MUST int recover_run(const char *dir, struct recover *out, struct fault *f);
/* Every whole record, after either of the above. Stops at the first answer that is not zero and
 * returns it. */
MUST int recover_each(const char *dir, const struct recover *,
		      int (*each)(void *user, const struct record *), void *user, struct fault *f);

#endif
