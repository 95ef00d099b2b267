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
	uint64_t released; /* reading may begin at this number; 1: at the beginning */
	int64_t latest_us; /* the latest time of the records that were checked */
};
void recover_fini(struct recover *);

/* Reads only: names of the segments and the key. E_NOT_FOUND: no journal here. */
MUST int recover_look(const char *dir, struct recover *out, struct fault *f);
/* For the folder's owner: creates what is missing; in the segment that holds the release position
 * and in all behind it checks every record, copies damage aside, cuts tails, syncs. Older segments
 * are only looked at: whoever reads them finds their damage. */
MUST int recover_run(const char *dir, struct recover *out, struct fault *f);
/* Every whole record from number `from` on, after either of the above; segments that hold only
 * older ones are not read. Stops at the first answer that is not zero and returns it. */
MUST int recover_each(const char *dir, const struct recover *, uint64_t from,
		      int (*each)(void *user, const struct record *), void *user, struct fault *f);
/* Copies the bytes [from, to) of the segment `first`, open as `fd`, to damaged/, logs and counts
 * them; once per range, also over restarts. */
MUST int recover_put_aside(const char *dir, uint64_t first, int fd, uint64_t from, uint64_t to,
			   struct fault *f);

#endif
