/* What a listener hears of a call whose legs come over several sockets: pieces of equal time, one
 * from each line, become one. Pure; one thread at a time.
 *
 * With one line every piece goes on at once. With several it waits until all lines have come as
 * far, JOIN_WAIT_MS at most: a line that stands still, or is behind, holds nobody up. What comes of
 * it afterwards is joined with what is next, later than it was spoken; pieces that would then be
 * ahead of everybody else are left out.
 *
 * Of pieces of one time that have the same sides of the talk, those of the lowest rank are heard.
 */
#ifndef CALLMEND_MEDIA_JOIN_H
#define CALLMEND_MEDIA_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "callmend/listen.h"

enum {
	JOIN_SAMPLES = LISTEN_FRAME_MS * LISTEN_RATE_HZ / 1000,
	JOIN_WAIT_MS = 80,
	JOIN_PARTS_MAX = 8, /* lines that are waited for; others are only added */
	JOIN_PIECES = 1024, /* more than LISTEN_BACK_MAX_MS of them */
};

/* Allocated with malloc, perhaps as the first member of more; given to join_put, taken by
 * join_next. */
struct join_piece {
	int64_t at;	 /* its first sample, in samples since 1970; whole pieces */
	uint32_t number; /* as it is taken: one more than the one before, unless dropped */
	unsigned part;	 /* the line's, made up by the caller */
	bool dropped;	 /* others before it were left out, on the line's side */
	uint8_t sides;	 /* JOIN_CUSTOMER, JOIN_ASSISTANT: who is heard in it */
	uint8_t rank;	 /* as in media_dialect */
	struct join_piece *others; /* of the same time; the join's */
	int16_t samples[JOIN_SAMPLES];
};

enum { JOIN_CUSTOMER = 1, JOIN_ASSISTANT = 2 };

struct join {
	bool begun;
	int64_t next_at, newest_at, taken_at;
	uint32_t number;
	struct join_part {
		bool here;
		unsigned part;
		int64_t last_at;
	} parts[JOIN_PARTS_MAX];
	struct join_piece *pieces[JOIN_PIECES];
};

/* A line begins, or is over. */
void join_begin(struct join *, unsigned part);
void join_end(struct join *, unsigned part);
/* False: left out, the piece stays the caller's. Pieces of a part come in order. */
bool join_put(struct join *, struct join_piece *);
/* The next one, the caller's from now on; NULL: not yet. Before the first call nothing is late:
 * lines that are asked for what was before may answer in any order. */
struct join_piece *join_next(struct join *);
void join_fini(struct join *);

#endif
