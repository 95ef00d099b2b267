/* Readers behind the writer.
 *
 * Happy path. A reader wants one number after the other and looks only for numbers that are
 * durable, so what it looks for is in the file. It goes on to the next segment when the present one
 * has nothing more and a next one exists.
 *
 * Failure modes.
 *  - Damage: stepped over. Recovery has put it aside already, unless it is in a segment that was
 * released, or is younger than the start: then it is done here, and not being able to (full disk)
 * stops no reader. Numbers are missing then.
 *  - A durable record is not there although nothing comes behind it (the file was changed under
 * us): E_CORRUPT once, and the reader goes on behind what is durable now.
 *  - The segment of the wanted number is gone (released): the reader goes on with the oldest one
 * there is. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "journal/parts.h"
#include "journal/recover.h"

struct journal_reader {
	struct journal_parts of;
	uint64_t next; /* the number wanted */
	struct segment_cursor cursor;
	uint64_t segment; /* first number of the segment that is open; 0: none */
};

int journal_reader_new(struct journal_reader **out, struct journal *j, uint64_t from_number,
		       struct fault *f)
{
	struct journal_reader *r = calloc(1, sizeof(*r));
	if (!r)
		return fault(f, E_NOMEM, "journal reader");
	r->of = journal_parts(j);
	r->next = from_number ? from_number : 1;
	r->cursor.fd = -1;
	*out = r;
	return 0;
}

void journal_reader_free(struct journal_reader *r)
{
	if (!r)
		return;
	segment_cursor_fini(&r->cursor);
	free(r);
}

static int open_segment(struct journal_reader *r, uint64_t number, struct fault *f)
{
	int fd;
	segment_cursor_fini(&r->cursor);
	r->segment = 0;
	TRY(shelf_open(r->of.shelf, number, &fd, &r->segment, f));
	segment_cursor_init(&r->cursor, fd, r->of.salt, r->segment - 1);
	return 0;
}

static void put_aside(const struct journal_reader *r, const struct segment_item *item)
{
	struct fault f = { 0 };
	if (recover_put_aside(r->of.dir, r->segment, r->cursor.fd, item->from, item->to, &f))
		log_error("journal",
			  "segment %016" PRIx64 ": damaged bytes %" PRIu64 " to %" PRIu64
			  " skipped, not copied: %s",
			  r->segment, item->from, item->to, f.text);
}

/* There is nothing at the cursor. A segment that has a successor is complete: what is left of it is
 * damage and perhaps records behind it. */
static int look_further(struct journal_reader *r, uint64_t durable, struct segment_item *item,
			struct fault *f)
{
	uint64_t after = shelf_after(r->of.shelf, r->segment);
	TRY(segment_next(&r->cursor, item, f));
	if (item->found == SEGMENT_DAMAGE || (after && item->to > item->from && !item->torn))
		put_aside(r, item);
	if (item->found != SEGMENT_END)
		return 0;
	if (after)
		return open_segment(r, after, f);
	uint64_t missing = r->next;
	r->next = durable + 1;
	return fault(f, E_CORRUPT, "durable records %" PRIu64 " to %" PRIu64 " can't be read back",
		     missing, durable);
}

/* The first record from `next` on, which is not above `durable`. */
static int find(struct journal_reader *r, uint64_t durable, struct record *out, struct fault *f)
{
	struct segment_item item;
	if (!r->segment)
		TRY(open_segment(r, r->next, f));
	do {
		TRY(segment_peek(&r->cursor, &item, f));
		if (item.found == SEGMENT_END)
			TRY(look_further(r, durable, &item, f));
	} while (item.found != SEGMENT_RECORD || item.record.number < r->next);
	if (item.record.number > durable) { /* what was durable before it is lost: live damage */
		r->next = item.record.number;
		r->segment = 0;
		return fault(f, E_NOT_FOUND, "nothing durable yet");
	}
	r->next = item.record.number + 1;
	*out = item.record;
	return 0;
}

int journal_read(struct journal_reader *r, int wait_ms, struct record *out, struct fault *f)
{
	if (!writer_wait(r->of.writer, r->next, wait_ms))
		return fault(f, E_NOT_FOUND, "nothing durable yet");
	return find(r, writer_durable(r->of.writer), out, f);
}
