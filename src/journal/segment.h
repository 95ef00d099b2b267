/* One file of the journal: its format, how it comes into being, and how it is read back, damaged or
 * not.
 *
 *   <16 hex digits of the first number>.seg
 *   +--------------------+----------------------------+------+----------------------------+-----
 * ... ----+ | segment header, 64 | record header, 64 | body   | pad  | record header, 64 | body   |
 * zeros        |
 *   +--------------------+----------------------------+------+----------------------------+-----
 * ... ----+ 8-aligned                           8-aligned                     preallocated
 *
 * All numbers are little endian. Each header carries an XXH3 over itself, computed with the
 * journal's salt in the place of the sum; a record header carries the XXH3 of its body too. The
 * salt is a secret of the journal: a message whose text looks like a record is never taken for one,
 * not even when the search for the next whole record after damage runs over it. */
#ifndef CALLMEND_JOURNAL_SEGMENT_H
#define CALLMEND_JOURNAL_SEGMENT_H

#include <stdint.h>
#include <sys/uio.h>

#include "callmend/fault.h"
#include "callmend/record.h"

enum {
	SEGMENT_HEADER = 64,
	SEGMENT_RECORD_HEADER = 64,
	SEGMENT_ALIGN = 8,
	SEGMENT_BODY_MAX = 64 << 20,
	SEGMENT_NAME = 16 + 4, /* "0000000000000001.seg" */
};

/* What names a journal, in every segment and in journal.id. */
struct segment_key {
	struct uuid id;
	uint64_t salt;
};

/* --- writing a record to memory ------------------------------------------------------------------
 */

/* Bytes a record with this body takes in a segment. */
static inline uint64_t segment_record_bytes(size_t body)
{
	return (SEGMENT_RECORD_HEADER + (uint64_t)body + SEGMENT_ALIGN - 1) &
	       ~(uint64_t)(SEGMENT_ALIGN - 1);
}
/* Writes segment_record_bytes(r->body.n) bytes at `at`: everything but the number, which
 * segment_stamp() adds. The long step and the short one are apart so that the long one can be done
 * outside a lock. */
void segment_put(char *at, const struct record *r);
void segment_stamp(char *at, uint64_t number, uint64_t salt);

/* --- files ---------------------------------------------------------------------------------------
 */

void segment_name(uint64_t first_number, char out[SEGMENT_NAME + 1]);
bool segment_name_read(const char *name, uint64_t *first_number);
/* A new preallocated file at `path`, mode 0600. E_FULL: the disk is. */
MUST int segment_create(int *fd, const char *path, uint64_t bytes, struct fault *f);
/* Writes the segment header. */
MUST int segment_begin(int fd, const struct segment_key *, uint64_t first_number, struct fault *f);
/* Writes all of iov (which is used up) at `offset`. */
MUST int segment_write(int fd, uint64_t offset, struct iovec *iov, size_t n, struct fault *f);
/* The key in a segment's header; E_CORRUPT when the header is damaged, E_NOT_FOUND when it was
 * never written. */
MUST int segment_read_key(int fd, struct segment_key *, struct fault *f);
/* fsync of a folder, so that names in it last. */
MUST int segment_sync_dir(const char *dir, struct fault *f);

/* --- reading -------------------------------------------------------------------------------------
 */

/* Walks a segment's records; owns the descriptor and one growing buffer. Zeroed is not valid: fd 0
 * is one. */
struct segment_cursor {
	int fd;
	uint64_t salt;
	uint64_t after;	   /* records have numbers above this; moves with each record */
	uint64_t position; /* of what comes next */
	char *window;
	uint64_t window_at;
	size_t window_n, window_cap;
};

enum segment_found {
	SEGMENT_RECORD, /* a whole record */
	SEGMENT_DAMAGE, /* bytes that are no record, with a whole one behind them */
	SEGMENT_END,	/* no whole record comes any more */
};
struct segment_item {
	enum segment_found found;
	struct record record; /* RECORD: its body is valid until the next call */
	/* DAMAGE: the bytes. END: from where the rest begins to its last byte that is not zero;
	 * empty for a clean end. */
	uint64_t from, to;
	/* END: the rest is the beginning of a record whose end was never written: a torn write, not
	 * damage. */
	bool torn;
};

/* Takes `fd` in any case. `after`: the largest number known from earlier segments. */
void segment_cursor_init(struct segment_cursor *, int fd, uint64_t salt, uint64_t after);
void segment_cursor_fini(struct segment_cursor *);
/* After SEGMENT_END the cursor stays where it is. E_IO, E_NOMEM. */
MUST int segment_next(struct segment_cursor *, struct segment_item *, struct fault *f);
/* As segment_next(), for a segment that is being written: looks at the next place only, SEGMENT_END
 * when there is no whole record (yet). */
MUST int segment_peek(struct segment_cursor *, struct segment_item *, struct fault *f);

#endif
