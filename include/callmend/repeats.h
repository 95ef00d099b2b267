/* What a call has sent before and the journal holds: dialect->reduce leaves it out of the bodies
 * that repeat it.
 *
 * Live only, beside the session and never part of it: each part noted here was checked, masked and
 * journaled earlier in this call with these very bytes. To forget it costs journal bytes and
 * nothing else; after a restart it is empty. Hashes are seeded by the owner of the set, so that a
 * marker in the journal tells nothing about a secret in the part it stands for, and nobody can make
 * up bytes that pass for others. Not thread safe. */
#ifndef CALLMEND_REPEATS_H
#define CALLMEND_REPEATS_H

#include "callmend/seen.h"
#include "callmend/span.h"

enum { REPEAT_PLACES = 64, REPEAT_KEYS = 2048 };

struct repeat_member {
	uint32_t at, n; /* bytes of the part; n 0: absent */
};

/* A value, or the first elements of an array with what stands between them. */
struct repeat {
	uint64_t hash;
	uint32_t bytes;		       /* 0: none */
	uint32_t count;		       /* elements; 0: a value */
	struct repeat_member id, name; /* of an object that stays readable by them */
};

struct repeats {
	uint64_t seed;
	struct seen keys;    /* oldest are forgotten first */
	struct repeat *last; /* heap, REPEAT_PLACES: what stood last at a place of the dialect's
				choice; NULL: nothing yet */
};

/* What one body brought; noted while it is reduced, learned once it is in the journal. */
struct repeat_note {
	uint64_t key; /* for `keys`; 0: none */
	size_t place; /* of `last`; REPEAT_PLACES: none */
	struct repeat part;
};
struct repeats_news {
	struct repeat_note *items; /* heap */
	size_t n, cap;
};

void repeats_init(struct repeats *, uint64_t seed);
void repeats_note(struct repeats_news *, const struct repeat_note *);
/* Moves the news into the set. */
void repeats_learn(struct repeats *, struct repeats_news *);
void repeats_forget(struct repeats *);	       /* everything but the seed */
void repeats_fini(struct repeats *);	       /* tolerates zeroed */
void repeats_news_fini(struct repeats_news *); /* tolerates zeroed */

#endif
