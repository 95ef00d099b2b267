/* Who is in a call, and how they stand: the part of watch_model for calls of several parties. They
 * are told by events `party`; where there are none (RingCX), by the legs of live audio. Pure. */
#ifndef CALLMEND_NODE_WATCH_PARTIES_H
#define CALLMEND_NODE_WATCH_PARTIES_H

#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"

enum {
	WATCH_PARTIES_MAX = 32,
	WATCH_PARTY_ID_MAX = 192, /* bytes; longer ids are cut */
	WATCH_PARTY_TEXT_MAX = 96,
};

enum watch_stand {
	WATCH_RINGING,
	WATCH_TALKING,
	WATCH_HELD,
	WATCH_PARKED,
	WATCH_LEFT,
	WATCH_MOVED,
};

/* Zeroed is empty. */
struct watch_parties {
	struct watch_party {
		char id[WATCH_PARTY_ID_MAX];
		char name[WATCH_PARTY_TEXT_MAX]; /* else the number */
		char side[WATCH_PARTY_TEXT_MAX]; /* outside inside system supervisor */
		enum watch_stand stand;
		bool muted;
		bool by_audio;
	} * items;  /* heap, in the order of their coming */
	unsigned n; /* when full, the first that is gone makes room, else the newest is not held */
	bool told;  /* by events `party`: the legs of audio are the same people */
};

void watch_parties_fini(struct watch_parties *);
/* "parties" and "audio.legs" of a snapshot: all there is. */
void watch_parties_snapshot(struct watch_parties *, struct json snapshot);
/* Data of one event `party`. True: it says something new, which is no late news. */
bool watch_parties_party(struct watch_parties *, struct json party);
/* Of events audio.attached, audio.held, audio.detached. */
void watch_parties_attached(struct watch_parties *, struct json event);
void watch_parties_held(struct watch_parties *, struct json event);
void watch_parties_detached(struct watch_parties *, struct json event);

/* Somebody of them is held or parked. */
bool watch_parties_hold(const struct watch_parties *);
/* Our side is on hold: what `unhold` takes back. Where only audio tells, whoever is on hold. */
bool watch_parties_our_hold(const struct watch_parties *);
bool watch_party_is_gone(const struct watch_party *);
/* Is this party on the list that is shown? */
bool watch_party_counts(const struct watch_parties *, const struct watch_party *);
/* "Ann Lee (inside) is on hold, muted" */
void watch_party_text(const struct watch_party *, struct buf *out);
/* Likewise, of the data of one event `party`, with the platform's reason. */
void watch_party_news(struct json party, struct buf *out);

#endif
