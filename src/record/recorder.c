/* Nobody wakes the disk thread for a block: it looks every LOOK_MS while files are open, so that a
 * shard spends no system call on it. The inbox is a stack that is taken whole and turned around:
 * what one shard has put in comes out in its order. */
#include "record/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"

enum {
	BLOCK_BYTES = 8192,
	BLOCK_LEAST = 4, /* in the pool */
	LOOK_MS = 100,
	SAME_NAME_MAX = 8, /* legs that began in the same millisecond */
	FOLDER_MAX = 4000,
	PATH_BYTES = FOLDER_MAX + 96,
	FILE_BYTES = PATH_BYTES + 48,
};

struct task {
	struct task *next;
	void (*run)(struct recorder *, struct task *);
};

struct block {
	struct task task;
	struct recording *recording;
	uint32_t n;
	int64_t at; /* in the data of the file */
	uint8_t bytes[BLOCK_BYTES - 40];
};
_Static_assert(sizeof(struct block) == BLOCK_BYTES, "pages are not split");

/* What a frame needs stands in the first cache line. */
struct recording {
	struct recorder *recorder;
	/* Its shard's. */
	struct block *block; /* being filled */
	int64_t end;	     /* where the next byte is expected */
	unsigned each;	     /* bytes of a sample */
	uint8_t silence;
	bool paused;
	_Atomic(const char *) failed; /* set by the disk thread */
	int64_t closed_start_us;
	struct task opening, closing;
	/* The disk thread's, from open on. */
	struct recorder_leg leg;
	int64_t began_ms; /* as its file is called */
	int fd;
	int64_t written; /* bytes of data */
};

enum {
	CACHE_LINE = 64,
	ALLOCATED = (sizeof(struct recording) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE,
};

struct recorder {
	struct recorder_config config;
	char folder[FOLDER_MAX + 1];
	struct block *blocks;
	size_t blocks_n;
	_Atomic uint64_t pool;	 /* turn << 32 | number of the first free block, from 1 */
	_Atomic uint32_t *below; /* by block, while it is free: the number of the next */
	_Atomic(struct task *) inbox;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t kick;
	bool stop;	  /* under the lock */
	atomic_uint open; /* opened and not closed by the disk thread */
	bool low;	  /* too little space is left; looked at once a round */
};

/* --- the pool --- */

/* The turn keeps a block that was taken and given back meanwhile from looking untouched. */
static struct block *pool_take(struct recorder *r)
{
	uint64_t top = atomic_load_explicit(&r->pool, memory_order_acquire);

	for (;;) {
		uint32_t number = (uint32_t)top;

		if (!number)
			return NULL;
		uint64_t next = ((top >> 32) + 1) << 32 |
				atomic_load_explicit(&r->below[number - 1], memory_order_relaxed);
		if (atomic_compare_exchange_weak_explicit(
			    &r->pool, &top, next, memory_order_acquire, memory_order_acquire))
			return &r->blocks[number - 1];
	}
}

static void pool_give(struct recorder *r, struct block *b)
{
	uint32_t number = (uint32_t)(b - r->blocks) + 1;
	uint64_t top = atomic_load_explicit(&r->pool, memory_order_relaxed), next;

	do {
		atomic_store_explicit(&r->below[number - 1], (uint32_t)top, memory_order_relaxed);
		next = ((top >> 32) + 1) << 32 | number;
	} while (!atomic_compare_exchange_weak_explicit(&r->pool, &top, next, memory_order_release,
							memory_order_relaxed));
}

/* Which blocks are free is not kept in them: their pages are touched when they are used first. */
static int pool_new(struct recorder *r, struct fault *f)
{
	r->blocks_n = r->config.memory_bytes / BLOCK_BYTES;
	if (r->blocks_n < BLOCK_LEAST)
		r->blocks_n = BLOCK_LEAST;
	void *p = mmap(NULL, r->blocks_n * BLOCK_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return fault(f, E_NOMEM, "%zu bytes for recordings", r->config.memory_bytes);
	r->blocks = p;
	r->below = calloc(r->blocks_n, sizeof(*r->below));
	CHECK(r->below);
	for (size_t i = r->blocks_n; i > 0; i--)
		pool_give(r, &r->blocks[i - 1]);
	return 0;
}

/* --- the inbox --- */

static void post(struct recorder *r, struct task *t)
{
	t->next = atomic_load_explicit(&r->inbox, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&r->inbox, &t->next, t, memory_order_release,
						      memory_order_relaxed))
		;
}

static struct task *take_inbox(struct recorder *r)
{
	struct task *t = atomic_exchange_explicit(&r->inbox, NULL, memory_order_acquire);
	struct task *first = NULL;

	while (t) {
		struct task *next = t->next;

		t->next = first;
		first = t;
		t = next;
	}
	return first;
}

/* --- disk thread: failing --- */

static void fail(struct recording *rec, const char *label, const char *why)
{
	char call[UUID_TEXT + 1];

	if (atomic_load_explicit(&rec->failed, memory_order_relaxed))
		return;
	uuid_format(&rec->leg.call, call);
	log_warn("recorder", "call %s, leg %u: the recording ends: %s", call, rec->leg.note.leg,
		 why);
	metric_add_label(METRIC_RECORDINGS_FAILED, label, 1);
	atomic_store_explicit(&rec->failed, why, memory_order_release);
}

static const struct {
	int error;
	const char *label, *why;
} io_errors[] = {
	{ ENOSPC, "disk_full", "the disk is full" },
	{ EDQUOT, "disk_full", "the disk quota is used up" },
	{ EFBIG, "too_large", "the file is larger than may be" },
	{ EROFS, "io", "the file system is read-only" },
	{ EACCES, "io", "its folder may not be written to" },
	{ EMFILE, "io", "the process has no file descriptor left (ulimit -n)" },
	{ EIO, "io", "the disk fails" },
};

static void fail_errno(struct recording *rec, int error)
{
	for (size_t i = 0; i < sizeof(io_errors) / sizeof(io_errors[0]); i++) {
		if (io_errors[i].error == error) {
			fail(rec, io_errors[i].label, io_errors[i].why);
			return;
		}
	}
	log_warn("recorder", "error %d: %s", error, strerror(error));
	fail(rec, "io", "its file cannot be written");
}

/* --- disk thread: files --- */

static bool write_all(struct recorder *r, struct recording *rec, const void *bytes, size_t n,
		      int64_t at)
{
	for (size_t done = 0; done < n;) {
		ssize_t w = r->config.write(rec->fd, (const uint8_t *)bytes + done, n - done,
					    (off_t)(at + (int64_t)done));

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			fail_errno(rec, w < 0 ? errno : ENOSPC);
			return false;
		}
		done += (size_t)w;
	}
	return true;
}

static bool write_head(struct recorder *r, struct recording *rec, uint64_t bytes)
{
	uint8_t head[WAV_HEAD_BYTES];

	wav_head(&rec->leg.shape, &rec->leg.note, bytes, head);
	return write_all(r, rec, head, sizeof(head), 0);
}

/* Silence that is zero bytes may stay a hole. */
static bool fill_gap(struct recorder *r, struct recording *rec, int64_t upto)
{
	uint8_t quiet[4096];

	memset(quiet, rec->silence, sizeof(quiet));
	while (rec->silence && rec->written < upto) {
		int64_t left = upto - rec->written;
		size_t n = left < (int64_t)sizeof(quiet) ? (size_t)left : sizeof(quiet);

		if (!write_all(r, rec, quiet, n, WAV_HEAD_BYTES + rec->written))
			return false;
		rec->written += (int64_t)n;
	}
	return true;
}

static bool may_grow(struct recorder *r, struct recording *rec, int64_t upto)
{
	if ((uint64_t)upto + WAV_HEAD_BYTES > r->config.file_bytes_max)
		fail(rec, "too_large", "it has reached recording.max_bytes");
	else if (r->low)
		fail(rec, "low_space", "less than recording.min_free_bytes are left on the disk");
	return !atomic_load_explicit(&rec->failed, memory_order_relaxed);
}

static void run_data(struct recorder *r, struct task *t)
{
	struct block *b = CONTAINER_OF(t, struct block, task);
	struct recording *rec = b->recording;

	if (may_grow(r, rec, b->at + b->n) && fill_gap(r, rec, b->at) &&
	    write_all(r, rec, b->bytes, b->n, WAV_HEAD_BYTES + b->at)) {
		rec->written = b->at + b->n;
		metric_add(METRIC_RECORDING_BYTES, b->n);
	}
	pool_give(r, b);
}

static int make_folder(const struct recorder *r, const struct recorder_leg *leg,
		       char out[PATH_BYTES])
{
	char day[CLOCK_ISO + 1], call[UUID_TEXT + 1];

	clock_format(leg->note.start_us, day);
	uuid_format(&leg->call, call);
	snprintf(out, PATH_BYTES, "%s/%.10s", r->folder, day);
	if (mkdir(out, 0700) && errno != EEXIST)
		return errno;
	snprintf(out, PATH_BYTES, "%s/%.10s/%s", r->folder, day, call);
	return mkdir(out, 0700) && errno != EEXIST ? errno : 0;
}

static void name_file(const char *folder, int64_t began_ms, unsigned leg, char out[FILE_BYTES])
{
	snprintf(out, FILE_BYTES, "%s/%lld-%u.wav", folder, (long long)began_ms, leg);
}

static int make_file(struct recorder *r, struct recording *rec)
{
	char folder[PATH_BYTES], path[FILE_BYTES];
	int error = make_folder(r, &rec->leg, folder);

	for (unsigned i = 0; i < SAME_NAME_MAX && !error; i++) {
		rec->began_ms = rec->leg.note.start_us / MS_US + i;
		name_file(folder, rec->began_ms, rec->leg.note.leg, path);
		rec->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (rec->fd >= 0)
			return flock(rec->fd, LOCK_EX | LOCK_NB) ? errno : 0;
		error = errno == EEXIST ? 0 : errno;
	}
	return error ? error : EEXIST;
}

static void run_open(struct recorder *r, struct task *t)
{
	struct recording *rec = CONTAINER_OF(t, struct recording, opening);

	metric_add(METRIC_RECORDINGS_OPEN, 1);
	if (!may_grow(r, rec, 0))
		return;
	int error = make_file(r, rec);
	if (error)
		fail_errno(rec, error);
	else
		write_head(r, rec, WAV_UNKNOWN);
}

static int move_file(struct recorder *r, struct recording *rec, const struct uuid *call)
{
	char from_folder[PATH_BYTES], to_folder[PATH_BYTES], from[FILE_BYTES], to[FILE_BYTES];
	int64_t began_ms = rec->leg.note.start_us / MS_US;
	int error = make_folder(r, &rec->leg, from_folder);

	rec->leg.call = *call;
	error = error ? error : make_folder(r, &rec->leg, to_folder);
	name_file(from_folder, rec->began_ms, rec->leg.note.leg, from);
	for (unsigned i = 0; i < SAME_NAME_MAX && !error; i++) {
		name_file(to_folder, began_ms + i, rec->leg.note.leg, to);
		if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
			rec->began_ms = began_ms + i;
			rmdir(from_folder);
			return 0;
		}
		error = errno == EEXIST ? 0 : errno;
	}
	return error ? error : EEXIST;
}

struct move {
	struct task task;
	struct recording *recording;
	struct uuid call;
};

static void run_move(struct recorder *r, struct task *t)
{
	struct move *m = CONTAINER_OF(t, struct move, task);
	int error = m->recording->fd < 0 ? 0 : move_file(r, m->recording, &m->call);

	if (error)
		fail_errno(m->recording, error);
	free(m);
}

struct blank {
	struct task task;
	struct recording *recording;
	int64_t from; /* byte of the data */
};

/* What the file does not have is silence: what comes next fills it up. */
static void run_blank(struct recorder *r, struct task *t)
{
	struct blank *b = CONTAINER_OF(t, struct blank, task);
	struct recording *rec = b->recording;

	(void)r;
	if (rec->fd >= 0 && b->from < rec->written) {
		if (ftruncate(rec->fd, WAV_HEAD_BYTES + b->from))
			fail_errno(rec, errno);
		else
			rec->written = b->from;
	}
	free(b);
}

/* A head that cannot be written any more stays as it is: readers go by the length of the file. */
static void run_close(struct recorder *r, struct task *t)
{
	struct recording *rec = CONTAINER_OF(t, struct recording, closing);

	rec->leg.note.start_us = rec->closed_start_us;
	if (rec->fd >= 0) {
		write_head(r, rec, (uint64_t)rec->written);
		close(rec->fd);
	}
	metric_add(METRIC_RECORDINGS_OPEN, -1);
	atomic_fetch_sub(&r->open, 1);
	free(rec);
}

/* --- disk thread: turns --- */

static void look_at_disk(struct recorder *r)
{
	struct statvfs st;

	r->low = statvfs(r->folder, &st) == 0 &&
		 (uint64_t)st.f_bavail * st.f_frsize < r->config.free_bytes_min;
}

static void work(struct recorder *r)
{
	struct task *t = take_inbox(r);

	if (t)
		look_at_disk(r);
	while (t) {
		struct task *next = t->next;

		t->run(r, t);
		t = next;
	}
}

static void wait_until_look(struct recorder *r)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&r->kick, &r->lock, &until);
}

/* false: told to stop, and nothing is left to do. */
static bool wait_for_work(struct recorder *r)
{
	pthread_mutex_lock(&r->lock);
	bool open = atomic_load(&r->open) != 0;
	bool go_on = open || !r->stop;

	if (open)
		wait_until_look(r);
	else if (go_on)
		pthread_cond_wait(&r->kick, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return go_on;
}

static void *disk_main(void *arg)
{
	struct recorder *r = arg;

	log_thread("recorder");
	do {
		work(r);
	} while (wait_for_work(r));
	return NULL;
}

/* --- on the shard --- */

static struct block *new_block(struct recording *rec, int64_t at)
{
	struct block *b = pool_take(rec->recorder);

	if (!b)
		return NULL;
	b->task.run = run_data;
	b->recording = rec;
	b->at = at;
	b->n = 0;
	return rec->block = b;
}

static void send_block(struct recording *rec)
{
	struct block *b = take(rec->block);

	if (b)
		post(rec->recorder, &b->task);
}

/* A block with room for what belongs at `at`; a gap that fits into it becomes silence there. */
static struct block *block_for(struct recording *rec, int64_t at)
{
	struct block *b = rec->block;

	if (b && at - b->at < (int64_t)sizeof(b->bytes)) {
		size_t upto = (size_t)(at - b->at);

		memset(b->bytes + b->n, rec->silence, upto - b->n);
		b->n = (uint32_t)upto;
		return b;
	}
	send_block(rec);
	return new_block(rec, at);
}

static int put(struct recording *rec, int64_t at, struct span bytes)
{
	while (bytes.n) {
		struct block *b = block_for(rec, at);

		if (!b) {
			metric_add(METRIC_RECORDING_DROPPED, 1);
			return E_FULL;
		}
		size_t room = sizeof(b->bytes) - b->n;
		size_t n = bytes.n < room ? bytes.n : room;

		memcpy(b->bytes + b->n, bytes.p, n);
		b->n += (uint32_t)n;
		at += (int64_t)n;
		bytes = span_from(bytes, n);
	}
	return 0;
}

int recorder_write(struct recording *rec, int64_t position, struct span bytes)
{
	int64_t at = position * rec->each, end = at + (int64_t)bytes.n;

	if (atomic_load_explicit(&rec->failed, memory_order_relaxed))
		return E_CLOSED;
	if (end <= rec->end)
		return 0;
	if (at < rec->end) {
		bytes = span_from(bytes, (size_t)(rec->end - at));
		at = rec->end;
	}
	rec->end = end;
	return rec->paused ? 0 : put(rec, at, bytes);
}

void recorder_pause(struct recording *rec, bool paused)
{
	rec->paused = paused;
}

const char *recorder_failed(const struct recording *rec)
{
	return atomic_load_explicit(&rec->failed, memory_order_acquire);
}

int64_t recorder_ms(const struct recording *rec)
{
	return rec->end / rec->each * 1000 / rec->leg.shape.rate_hz;
}

static void kick(struct recorder *r)
{
	pthread_mutex_lock(&r->lock);
	pthread_cond_signal(&r->kick);
	pthread_mutex_unlock(&r->lock);
}

static uint8_t silence_of(enum wav_coding coding)
{
	return coding == WAV_ULAW ? 0xff : coding == WAV_ALAW ? 0xd5 : 0;
}

struct recording *recorder_open(struct recorder *r, const struct recorder_leg *leg)
{
	struct recording *rec = aligned_alloc(CACHE_LINE, ALLOCATED);

	CHECK(rec && leg->shape.channels == 1 &&
	      (leg->shape.coding != WAV_PCM || leg->shape.bits == 16));
	memset(rec, 0, sizeof(*rec));
	rec->recorder = r;
	rec->leg = *leg;
	rec->each = wav_frame_bytes(&leg->shape);
	rec->silence = silence_of(leg->shape.coding);
	rec->fd = -1;
	rec->opening.run = run_open;
	rec->closing.run = run_close;
	atomic_fetch_add(&r->open, 1);
	post(r, &rec->opening);
	kick(r);
	return rec;
}

void recorder_move(struct recording *rec, const struct uuid *call)
{
	struct move *m = malloc(sizeof(*m));

	CHECK(m);
	*m = (struct move){ .task.run = run_move, .recording = rec, .call = *call };
	post(rec->recorder, &m->task);
}

void recorder_blank(struct recording *rec, int64_t position)
{
	struct blank *b = malloc(sizeof(*b));

	CHECK(b);
	*b = (struct blank){ .task.run = run_blank,
			     .recording = rec,
			     .from = position > 0 ? position * rec->each : 0 };
	send_block(rec);
	post(rec->recorder, &b->task);
}

void recorder_close(struct recording *rec, int64_t start_us)
{
	send_block(rec);
	rec->closed_start_us = start_us;
	post(rec->recorder, &rec->closing);
}

/* --- life --- */

static int start_thread(struct recorder *r, struct fault *f)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&r->thread, NULL, disk_main, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc ? fault(f, E_UNAVAILABLE, "thread of the recorder: %s", strerror(rc)) : 0;
}

static void release(struct recorder *r)
{
	if (r->blocks)
		munmap(r->blocks, r->blocks_n * BLOCK_BYTES);
	free((void *)r->below);
	pthread_cond_destroy(&r->kick);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int recorder_new(struct recorder **out, const struct recorder_config *config, struct fault *f)
{
	struct recorder *r = calloc(1, sizeof(*r));
	pthread_condattr_t monotonic;

	CHECK(r);
	r->config = *config;
	if (!r->config.write)
		r->config.write = pwrite;
	snprintf(r->folder, sizeof(r->folder), "%s", config->folder);
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->kick, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int rc = file_make_dir(config->folder, 0700, f);
	if (!rc)
		rc = pool_new(r, f);
	if (!rc)
		rc = start_thread(r, f);
	if (rc)
		release(r);
	else
		*out = r;
	return rc;
}

void recorder_free(struct recorder *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->kick);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	release(r);
}
