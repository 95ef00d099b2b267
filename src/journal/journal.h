/* The durable log: what was answered 200 is in here first.
 *
 * Happy path. Shards append records (numbered in one order, copied into memory); the writer thread
 * takes everything that gathered while the last sync ran, writes it to the current segment and
 * calls fdatasync once; then it tells the shards up to which number everything is durable. Readers
 * (projector, replay) follow behind the durable number.
 *
 * Failure modes.
 *  - Memory limit or disk cap reached: journal_append answers E_FULL; nothing is half taken. Space
 * comes back when the writer catches up, or journal_release lets segments go.
 *  - A write or sync fails: the journal is failed for good. on_failed is called once, appends
 * answer E_IO, nothing that was waiting is ever called durable. The parent restarts the core, which
 * recovers from what is on disk.
 *  - Power or process dies: at open the tail after the last whole record is cut; a damaged record
 * in the middle is copied aside to damaged/, logged, counted and skipped up to the next whole
 * record. Numbers go on after the largest seen. Only what is not released is checked at open;
 * damage in older segments is found, copied aside and counted when a reader comes upon it.
 *
 * On disk: <dir>/<16 hex digits of first number>.seg, preallocated, header {magic, version, journal
 * id, first number}; records {magic, length, kind, number, at_us, call, XXH3 of all that and the
 * body}, 8-byte aligned. <dir>/journal.id names the journal. Files are mode 0600. A restart always
 * begins a new segment. <dir>/released holds the release position (released.h). */
#ifndef CALLMEND_JOURNAL_H
#define CALLMEND_JOURNAL_H

#include "callmend/fault.h"
#include "callmend/record.h"

struct journal_config {
	const char *dir;
	uint64_t segment_bytes;
	uint64_t memory_bytes;	 /* not yet durable */
	uint64_t disk_cap_bytes; /* all segments */
	int64_t retention_ms;	 /* a segment is kept at least this long after its last write */
	/* Appends do not wake the writer: journal_commit() does, at the end of the appender's turn,
	 * so that all that a turn brings is one commit and one wake-up. */
	bool commit_on_demand;
	/* On the writer's thread; must not block (post mail). */
	void (*on_durable)(void *user, uint64_t number);
	void (*on_failed)(void *user, const struct fault *);
	void *user;
};

struct journal;

/* Opens or creates, recovers, and locks the folder against a second process (E_CONFLICT). */
MUST int journal_open(struct journal **out, const struct journal_config *, struct fault *f);
/* Between open and start: every whole record on disk in order. Stops at the first non-zero answer
 * of `each` and returns it. */
MUST int journal_replay(struct journal *, int (*each)(void *user, const struct record *),
			void *user, struct fault *f);
/* As journal_replay(), for records from number `from` on: segments that hold only older ones are
 * not read. */
MUST int journal_replay_from(struct journal *, uint64_t from,
			     int (*each)(void *user, const struct record *), void *user,
			     struct fault *f);
/* Starts the writer thread. */
MUST int journal_start(struct journal *, struct fault *f);
/* Makes everything durable, stops the writer, cuts the segment to size. */
void journal_free(struct journal *);

/* Any thread, also between open and start. Copies the body, gives the record its number
 * (r->number). Order of numbers = order on disk. E_FULL, E_IO; E_TOO_LARGE for a body above 64 MiB.
 */
MUST int journal_append(struct journal *, struct record *r);
/* Several records with consecutive numbers, all or none. */
MUST int journal_append_all(struct journal *, struct record *r, size_t n);

/* With commit_on_demand: begin writing what has been appended. Cheap when there is nothing. Any
 * thread. */
void journal_commit(struct journal *);

uint64_t journal_durable(const struct journal *); /* largest durable number; any thread */
uint64_t journal_last(const struct journal *);	  /* largest number given; any thread */
struct uuid journal_id(const struct journal *);
bool journal_failed(const struct journal *);

/* Everything below `number` is no longer needed by anybody: whole segments below it go once their
 * retention is over. Kept on disk too, at most once in ten seconds and at the end, never going
 * back. Any thread. */
void journal_release(struct journal *, uint64_t number);
/* The release position an earlier run left, as found at open: reading may begin there. 1: at the
 * beginning (none left, or it could not be believed). It says nothing of this run: no segment goes
 * until journal_release() is called. Any thread. */
uint64_t journal_released(const struct journal *);
/* The latest time of the records that open has checked: those not released, and in any case the
 * newest. 0: there are none. Any thread. */
int64_t journal_latest_us(const struct journal *);

/* A reader has its own descriptors and may live on any one thread. */
struct journal_reader;
MUST int journal_reader_new(struct journal_reader **out, struct journal *, uint64_t from_number,
			    struct fault *f);
/* The next durable record; its body is valid until the next call. E_NOT_FOUND: nothing yet (after
 * waiting up to wait_ms for something to become durable). E_CORRUPT: durable records can't be read
 * back; the next call goes on behind them. Records lost to damage are missing numbers. */
MUST int journal_read(struct journal_reader *, int wait_ms, struct record *out, struct fault *f);
void journal_reader_free(struct journal_reader *);

/* Offline, read only, without lock: for `callmend replay` and tests. */
MUST int journal_scan(const char *dir, int (*each)(void *user, const struct record *), void *user,
		      struct fault *f);

#endif
