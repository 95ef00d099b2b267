/* One party of a call, merged from what was said of it.
 *
 * Words come in any order, repeatedly, and some never. Of events the one with the greatest sequence
 * is kept, of snapshots the latest, and the least or greatest of some times; how the party stands
 * is computed from these. Nothing of that depends on the order of the words, so the same words give
 * the same party. Pure; texts are clipped to PARTY_BYTES. */
#ifndef CALLMEND_CALL_PARTY_H
#define CALLMEND_CALL_PARTY_H

#include "call/kept.h"
#include "callmend/input.h"

enum { PARTY_BYTES = 96 };

/* How a party stands by one kind of witness: events, or snapshots. */
struct party_word {
	bool known, muted, muted_known, recording_on;
	int64_t sequence, at_us;
	enum party_state state;
	struct kept code, reason, moved_to;
};
/* X(member of struct call_party): what outlasts a state. Of the events that say it the one with the
 * greatest sequence holds, of snapshots the latest; between both the event, unless it is older. */
#define PARTY_TEXTS(X) \
	X(number)      \
	X(name)        \
	X(extension)   \
	X(recording)   \
	X(ends_as)     \
	X(peer_number) X(peer_name)
enum party_text {
#define X(member) PARTY_TEXT_##member,
	PARTY_TEXTS(X)
#undef X
		PARTY_TEXT_COUNT
};
struct party_said {
	struct kept text;
	int64_t sequence, at_us; /* of the word that said it */
};
struct party {
	struct kept id;
	enum party_side side; /* the strongest that was said */
	bool outbound, peer_inside, was_inside;
	struct party_word event, snapshot;
	struct party_said texts[PARTY_TEXT_COUNT][2]; /* event, snapshot */
	int64_t first;				      /* the least sequence */
	int64_t talked_us[2]; /* earliest event, snapshot that has it talk; 0: none */
	int64_t gone_us;      /* of the earliest snapshot in which it was gone; 0: none */
	int64_t seen_us;      /* arrival of the first word */
};
/* 0: none so far. */
static inline void party_least(int64_t *known, int64_t us)
{
	if (!*known || us < *known)
		*known = us;
}
/* Takes a word over; true when it is the latest of its kind. */
bool party_merge(struct party *, const struct call_party *word, int64_t at_us);
/* By which word it stands: between an event and a snapshot the event when it says the same (and
 * knows since when and why), is later, or has it gone: nobody comes back. About the same moment
 * nobody knows which was first; then, too, who is gone by the snapshot is gone. */
const struct party_word *party_standing(const struct party *);
/* What else is said of it: as long as it is there, by whoever spoke last. */
const struct party_word *party_described(const struct party *);
bool party_is_gone(const struct party *);
bool party_is_muted(const struct party *);
/* Since when it stands so. A snapshot does not know; the first that saw the party gone is nearest.
 */
int64_t party_since(const struct party *);
int64_t party_talked_us(const struct party *); /* when it began to talk; 0: never */
bool party_talks(enum party_state);	       /* or would, if it were not held */
struct span party_text(const struct party *, enum party_text);
/* Any order will do where times are equal, if it is always the same. */
bool party_gone_before(const struct party *, const struct party *);
int party_id_order(const struct party *, const struct party *);
size_t party_bytes(const struct party *); /* heap held */
void party_free(struct party *);

#endif
