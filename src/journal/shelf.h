/* The segments of an open journal on disk: which there are, how much room they take, the next one
 * prepared before it is needed, old ones deleted. A small thread does what takes long: preparing,
 * cutting, deleting, keeping the release position. Any thread may call. */
#ifndef CALLMEND_JOURNAL_SHELF_H
#define CALLMEND_JOURNAL_SHELF_H

#include <stdint.h>

#include "callmend/fault.h"
#include "journal/segment.h"

struct shelf_config {
	const char *dir; /* copied */
	struct segment_key key;
	uint64_t segment_bytes;
	uint64_t cap_bytes;
	int64_t retention_us;
	uint64_t released; /* the release position on disk */
};

struct shelf;
struct shelf *shelf_new(const struct shelf_config *);
/* Puts a recovered segment last; before shelf_start(). */
void shelf_add(struct shelf *, uint64_t first_number, uint64_t bytes, int64_t written_us);
MUST int shelf_start(struct shelf *, struct fault *f);
/* Ends the thread, cuts what is to be cut, deletes the unused spare. */
void shelf_free(struct shelf *);

/* Promises room for one more segment with `need` bytes of records; `room` is what it will hold.
 * E_FULL: the disk cap would be passed, or the disk itself is full. Each promise is kept by one
 * shelf_begin(), in order. */
MUST int shelf_promise(struct shelf *, uint64_t need, uint64_t *room);
/* The promised segment, named and lasting; the caller writes it from SEGMENT_HEADER on. Waits while
 * the disk is full. */
MUST int shelf_begin(struct shelf *, uint64_t first_number, uint64_t room, int *fd,
		     struct fault *f);
/* From now on shelf_begin() fails on a full disk instead of waiting. */
void shelf_wait_no_more(struct shelf *);
/* The last segment begun is complete, durable and `bytes` long; takes the descriptor. */
void shelf_seal(struct shelf *, int fd, uint64_t bytes);
/* Segments with nothing at or above `number` go once their retention is over; the newest one always
 * stays. The number itself goes to disk now and then, and at the end. */
void shelf_release(struct shelf *, uint64_t number);

/* Opens for reading the segment that holds `number`, or the oldest one above. E_NOT_FOUND: there
 * are no segments. */
MUST int shelf_open(struct shelf *, uint64_t number, int *fd, uint64_t *first_number,
		    struct fault *f);
/* The first number of the segment after the one that begins with `first_number`; 0: that is the
 * newest. */
uint64_t shelf_after(struct shelf *, uint64_t first_number);

#endif
