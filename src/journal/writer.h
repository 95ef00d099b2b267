/* From a record in memory to a durable one: the queue that appenders fill and the one thread that
 * empties it. */
#ifndef CALLMEND_JOURNAL_WRITER_H
#define CALLMEND_JOURNAL_WRITER_H

#include <stdint.h>

#include "callmend/fault.h"
#include "callmend/record.h"
#include "journal/shelf.h"

struct writer_config {
	struct shelf *shelf; /* outlives the writer */
	uint64_t salt;
	uint64_t memory_bytes;
	uint64_t last;	       /* numbers go on after this one */
	uint64_t durable;      /* the last record on disk */
	bool commit_on_demand; /* journal.h */
	/* On the writer's thread. */
	void (*on_durable)(void *user, uint64_t number);
	void (*on_failed)(void *user, const struct fault *);
	void *user;
};

struct writer;
struct writer *writer_new(const struct writer_config *);
MUST int writer_start(struct writer *, struct fault *f);
/* Writes what waits, ends the thread, seals the segment. */
void writer_free(struct writer *);

/* Any thread, also before writer_start(). E_FULL, E_IO, E_TOO_LARGE. All or none; one group is
 * never parted over two segments. */
MUST int writer_append(struct writer *, struct record *r, size_t n);
void writer_commit(struct writer *);
uint64_t writer_last(const struct writer *);
uint64_t writer_durable(const struct writer *);
bool writer_failed(const struct writer *);
/* Waits until `number` is durable, at most this long; says whether it is. */
bool writer_wait(struct writer *, uint64_t number, int wait_ms);

#endif
