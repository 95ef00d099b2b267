/* The queue and the commit thread.
 *
 *     append ─► tail chunk (small records)   ┐
 *     append ─► a chunk of its own (large)   ┴─► queue ═ taken whole ═► pwritev ─► fdatasync ─►
 * durable, on_durable
 *
 * Happy path. An appender copies a small record into the queue's last chunk under the lock; a large
 * one it copies and sums up outside the lock, into a chunk of its own that is then only linked and
 * stamped. The appender also decides where segments end, because it is the appender who must be
 * told when the disk is full: a chunk may say "begin a segment first". The writer takes the whole
 * queue, writes it, calls fdatasync once per segment touched, and publishes the number. While it is
 * at it the next commit gathers; there is no timer.
 *
 * Failure modes.
 *  - No room in memory or on disk: refused before anything is taken.
 *  - Write or sync fails, or a segment can't be begun for another reason than a full disk: `failed`
 * is set for good and the queue is dropped. The file may hold more than was called durable, never
 * less. Nothing is tried again: after a failed fdatasync the kernel forgets which pages were not
 * written (recover.c writes them anew). */
#include "journal/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

enum {
	CHUNK = 64 << 10,
	SMALL = 4 << 10, /* copied under the lock up to here */
	CHUNKS_KEPT = 16,
	IOVS = 256,
};

struct chunk {
	struct chunk *next;
	size_t used, cap;
	uint64_t first, last; /* numbers in here */
	uint64_t begin_room; /* begin a segment with this room first; 0: go on in the present one */
	char bytes[];
};

struct queue {
	struct chunk *head, *tail;
};

struct writer {
	struct writer_config config;
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread;
	bool running, stopping;

	/* Under the lock. */
	struct queue queue;
	struct chunk *spare_chunks;
	unsigned spare_chunks_n;
	uint64_t room; /* left in the last promised segment */
	bool due;      /* what is queued may be written now */

	atomic_uint_fast64_t last, durable, memory;
	atomic_bool failed;

	/* For those who wait for `durable`. */
	pthread_mutex_t durable_lock;
	pthread_cond_t durable_moved;

	/* The writer thread's own. */
	int fd; /* the present segment; -1: none yet */
	uint64_t offset;
	struct iovec iov[IOVS];
};

/* --- chunks --- */

static struct chunk *chunk_new(size_t cap)
{
	struct chunk *c = malloc(sizeof(*c) + cap);
	CHECK(c);
	*c = (struct chunk){ .cap = cap };
	return c;
}

/* Under the lock. */
static struct chunk *chunk_get(struct writer *w)
{
	struct chunk *c = w->spare_chunks;
	if (!c)
		return chunk_new(CHUNK);
	w->spare_chunks = c->next;
	w->spare_chunks_n--;
	*c = (struct chunk){ .cap = CHUNK };
	return c;
}

static void chunks_free(struct chunk *c)
{
	while (c) {
		struct chunk *next = c->next;
		free(c);
		c = next;
	}
}

static void chunks_put_back(struct writer *w, struct chunk *c)
{
	pthread_mutex_lock(&w->lock);
	while (c && w->spare_chunks_n < CHUNKS_KEPT) {
		struct chunk *next = c->next;
		if (c->cap == CHUNK) {
			c->next = w->spare_chunks;
			w->spare_chunks = c;
			w->spare_chunks_n++;
		} else {
			free(c);
		}
		c = next;
	}
	pthread_mutex_unlock(&w->lock);
	chunks_free(c);
}

/* --- append --- */

static int total_bytes(const struct record *r, size_t n, uint64_t *total)
{
	*total = 0;
	for (size_t i = 0; i < n; i++) {
		if (r[i].body.n > SEGMENT_BODY_MAX)
			return E_TOO_LARGE;
		*total += segment_record_bytes(r[i].body.n);
	}
	return 0;
}

static void put_records(char *at, const struct record *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		segment_put(at, &r[i]);
		at += segment_record_bytes(r[i].body.n);
	}
}

/* A chunk of one's own has some room behind it, so that small records after it need no whole chunk.
 */
static struct chunk *chunk_with(const struct record *r, size_t n, uint64_t total)
{
	struct chunk *c = chunk_new((size_t)total + SMALL + (size_t)total / 4);
	put_records(c->bytes, r, n);
	return c;
}

/* Room in memory and on disk, or nothing. `begin_room` is 0 when the present segment has room. */
static int admit(struct writer *w, uint64_t total, uint64_t *begin_room)
{
	*begin_room = 0;
	if (atomic_load(&w->failed))
		return E_IO;
	if (atomic_load(&w->memory) + total > w->config.memory_bytes)
		return E_FULL;
	if (total <= w->room)
		return 0;
	TRY(shelf_promise(w->config.shelf, total, begin_room));
	w->room = *begin_room;
	return 0;
}

static void queue_add(struct queue *q, struct chunk *c)
{
	if (q->tail)
		q->tail->next = c;
	else
		q->head = c;
	q->tail = c;
}

/* Where the records' bytes stand in the queue; `own` is linked, or they are copied. */
static char *place(struct writer *w, struct chunk *own, const struct record *r, size_t n,
		   uint64_t total, uint64_t begin_room)
{
	struct chunk *c = w->queue.tail;
	if (own || !c || begin_room || c->cap - c->used < total) {
		c = own ? own : chunk_get(w);
		c->begin_room = begin_room;
		c->first = atomic_load(&w->last) + 1;
		queue_add(&w->queue, c);
	}
	char *at = c->bytes + c->used;
	c->used += (size_t)total;
	if (!own)
		put_records(at, r, n);
	return at;
}

static void number(struct writer *w, char *at, struct record *r, size_t n)
{
	uint64_t last = atomic_load(&w->last);
	for (size_t i = 0; i < n; i++) {
		r[i].number = ++last;
		segment_stamp(at, last, w->config.salt);
		at += segment_record_bytes(r[i].body.n);
	}
	w->queue.tail->last = last;
	atomic_store(&w->last, last);
}

static void make_due(struct writer *w)
{
	if (w->due || !w->queue.head)
		return;
	w->due = true;
	pthread_cond_signal(&w->work);
}

void writer_commit(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	make_due(w);
	pthread_mutex_unlock(&w->lock);
}

static int append_locked(struct writer *w, struct chunk *own, struct record *r, size_t n,
			 uint64_t total)
{
	uint64_t begin_room;
	TRY(admit(w, total, &begin_room));
	char *at = place(w, own, r, n, total, begin_room);
	number(w, at, r, n);
	w->room -= total;
	atomic_fetch_add(&w->memory, total);
	/* More than one chunk is worth a commit of its own. */
	if (!w->config.commit_on_demand || w->queue.head != w->queue.tail)
		make_due(w);
	return 0;
}

static void count_append(int rc, size_t n, uint64_t total)
{
	if (rc == E_FULL)
		metric_add(METRIC_JOURNAL_FULL, (int64_t)n);
	if (rc)
		return;
	metric_add(METRIC_JOURNAL_RECORDS, (int64_t)n);
	metric_add(METRIC_JOURNAL_BYTES, (int64_t)total);
}

int writer_append(struct writer *w, struct record *r, size_t n)
{
	uint64_t total;
	if (n == 0)
		return 0;
	TRY(total_bytes(r, n, &total));
	/* A large one that can't be taken anyway is not copied first. */
	if (atomic_load(&w->failed))
		return E_IO;
	if (atomic_load(&w->memory) + total > w->config.memory_bytes) {
		count_append(E_FULL, n, total);
		return E_FULL;
	}
	struct chunk *own = total > SMALL ? chunk_with(r, n, total) : NULL;
	pthread_mutex_lock(&w->lock);
	int rc = append_locked(w, own, r, n, total);
	pthread_mutex_unlock(&w->lock);
	count_append(rc, n, total);
	if (rc)
		free(own);
	return rc;
}

/* --- commit --- */

static void publish(struct writer *w, uint64_t number, uint64_t bytes)
{
	atomic_fetch_sub(&w->memory, bytes);
	pthread_mutex_lock(&w->durable_lock);
	atomic_store(&w->durable, number);
	pthread_cond_broadcast(&w->durable_moved);
	pthread_mutex_unlock(&w->durable_lock);
	if (w->config.on_durable)
		w->config.on_durable(w->config.user, number);
}

static int sync_segment(struct writer *w, struct fault *f)
{
	int64_t start = clock_monotonic_us();
	if (fdatasync(w->fd) < 0)
		return fault(f, E_IO, "sync of the journal: %s", strerror(errno));
	metric_observe_us(METRIC_JOURNAL_SYNC_SECONDS, clock_monotonic_us() - start);
	return 0;
}

/* The segment before is durable already: every commit ends with a sync. */
static int begin_segment(struct writer *w, const struct chunk *c, struct fault *f)
{
	if (w->fd >= 0)
		shelf_seal(w->config.shelf, w->fd, w->offset);
	w->fd = -1;
	TRY(shelf_begin(w->config.shelf, c->first, c->begin_room, &w->fd, f));
	w->offset = SEGMENT_HEADER;
	return 0;
}

/* Writes a piece of the run that begins at `c`, at most IOVS chunks; returns what is left of the
 * queue in `rest`. */
static int write_some(struct writer *w, struct chunk *c, struct chunk **rest, uint64_t *bytes,
		      struct fault *f)
{
	size_t n = 0;
	uint64_t sum = 0;
	do {
		w->iov[n++] = (struct iovec){ c->bytes, c->used };
		sum += c->used;
		c = c->next;
	} while (c && !c->begin_room && n < IOVS);
	TRY(segment_write(w->fd, w->offset, w->iov, n, f));
	w->offset += sum;
	*bytes += sum;
	*rest = c;
	return 0;
}

static uint64_t last_before(const struct chunk *from, const struct chunk *to)
{
	while (from->next != to)
		from = from->next;
	return from->last;
}

/* One segment's share of the queue, made durable. */
static int commit_run(struct writer *w, struct chunk *from, struct chunk **rest, struct fault *f)
{
	uint64_t bytes = 0;
	struct chunk *c = from;
	if (from->begin_room)
		TRY(begin_segment(w, from, f));
	do
		TRY(write_some(w, c, &c, &bytes, f));
	while (c && !c->begin_room);
	TRY(sync_segment(w, f));
	publish(w, last_before(from, c), bytes);
	*rest = c;
	return 0;
}

static int commit(struct writer *w, struct chunk *all, struct fault *f)
{
	while (all)
		TRY(commit_run(w, all, &all, f));
	return 0;
}

static void fail(struct writer *w, const struct fault *f)
{
	pthread_mutex_lock(&w->lock);
	atomic_store(&w->failed, true);
	struct chunk *dropped = w->queue.head;
	w->queue = (struct queue){ 0 };
	pthread_mutex_unlock(&w->lock);
	chunks_free(dropped);
	log_error("journal", "failed for good: %s", f->text);
	pthread_mutex_lock(&w->durable_lock);
	pthread_cond_broadcast(&w->durable_moved);
	pthread_mutex_unlock(&w->durable_lock);
	if (w->config.on_failed)
		w->config.on_failed(w->config.user, f);
}

/* Waits for work; NULL: there is none and will be none. */
static struct chunk *take_queue(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	while (!w->due && !w->stopping)
		pthread_cond_wait(&w->work, &w->lock);
	struct chunk *all = w->queue.head;
	w->queue = (struct queue){ 0 };
	w->due = false;
	pthread_mutex_unlock(&w->lock);
	return all;
}

static void write_until_stopped(struct writer *w)
{
	struct fault f = { 0 };
	struct chunk *all;
	while (!atomic_load(&w->failed) && (all = take_queue(w))) {
		if (commit(w, all, &f))
			fail(w, &f);
		chunks_put_back(w, all);
	}
}

static void *writer_main(void *arg)
{
	log_thread("journal");
	write_until_stopped(arg);
	return NULL;
}

/* --- life --- */

struct writer *writer_new(const struct writer_config *config)
{
	struct writer *w = calloc(1, sizeof(*w));
	CHECK(w);
	w->config = *config;
	w->fd = -1;
	atomic_init(&w->last, config->last);
	atomic_init(&w->durable, config->durable);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_mutex_init(&w->durable_lock, NULL);
	pthread_cond_init(&w->durable_moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return w;
}

int writer_start(struct writer *w, struct fault *f)
{
	int rc = pthread_create(&w->thread, NULL, writer_main, w);
	if (rc)
		return fault(f, E_UNAVAILABLE, "journal thread: %s", strerror(rc));
	w->running = true;
	return 0;
}

static void stop(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
	shelf_wait_no_more(w->config.shelf);
	if (w->running)
		pthread_join(w->thread, NULL);
	else
		write_until_stopped(w); /* what was appended before a start that never came */
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	stop(w);
	if (w->fd >= 0 && !atomic_load(&w->failed))
		shelf_seal(w->config.shelf, w->fd, w->offset);
	else if (w->fd >= 0)
		close(w->fd); /* as it is: recovery judges it */
	chunks_free(w->queue.head);
	chunks_free(w->spare_chunks);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->durable_moved);
	pthread_mutex_destroy(&w->durable_lock);
	free(w);
}

uint64_t writer_last(const struct writer *w)
{
	return atomic_load(&w->last);
}

uint64_t writer_durable(const struct writer *w)
{
	return atomic_load(&w->durable);
}

bool writer_failed(const struct writer *w)
{
	return atomic_load(&w->failed);
}

static struct timespec deadline(int wait_ms)
{
	int64_t at_us = clock_monotonic_us() + wait_ms * MS_US;
	return (struct timespec){ .tv_sec = at_us / SECOND_US,
				  .tv_nsec = (at_us % SECOND_US) * 1000 };
}

bool writer_wait(struct writer *w, uint64_t number, int wait_ms)
{
	if (writer_durable(w) >= number || wait_ms <= 0)
		return writer_durable(w) >= number;
	struct timespec until = deadline(wait_ms);
	int rc = 0;
	pthread_mutex_lock(&w->durable_lock);
	while (writer_durable(w) < number && !writer_failed(w) && rc == 0)
		rc = pthread_cond_timedwait(&w->durable_moved, &w->durable_lock, &until);
	pthread_mutex_unlock(&w->durable_lock);
	return writer_durable(w) >= number;
}
