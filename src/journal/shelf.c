/* The shelf of segments.
 *
 * Happy path. The helper thread keeps one preallocated spare. When the appenders have filled a
 * segment they promise themselves the next one (which is where the disk cap is judged), and the
 * writer begins it: header, rename to its name, fsync of the folder. The sealed one is cut to size
 * by the helper.
 *
 * Room. counted = files on the shelf + promised large segments + segment_bytes * max(promised,
 * spare), because a promise is usually kept with the spare.
 *
 * Failure modes.
 *  - The spare can't be made (disk full): promises are refused; the helper tries again every
 * second. A promise given just before is kept as soon as there is room: nothing was written and
 * lost, so the writer waits and the journal has not failed.
 *  - Cutting or deleting fails: logged; it costs room, not records; the next start cuts again what
 * it reads.
 *  - The release position can't be written: logged and tried again; the next start reads more.
 */
#include "journal/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "journal/released.h"

enum { RETRY_S = 1 };

#define KEEP_EVERY_US (10 * SECOND_US) /* the release position */

#define SPARE_NAME "spare.tmp" /* made by the helper */
#define BEGUN_NAME "begun.tmp" /* the writer's, until it has its number for a name */

/* One aligned word of every segment stays free, so that a file which was never cut is always longer
 * than its records and recovery knows it (recover.c). */
#define RESERVED_BYTES ((uint64_t)SEGMENT_HEADER + SEGMENT_ALIGN)

struct shelved {
	uint64_t first, bytes;
	int64_t written_us;
	int cut_fd; /* sealed and to be cut to cut_bytes; -1: nothing to do */
	uint64_t cut_bytes;
};

enum spare_state { SPARE_NONE, SPARE_MAKING, SPARE_READY, SPARE_FAILED };

struct shelf {
	struct shelf_config config;
	char *dir;
	pthread_mutex_t lock;
	pthread_cond_t work;  /* for the helper */
	pthread_cond_t spare; /* its state has changed */
	pthread_t helper;
	bool running, stopping, wait_no_more;

	struct shelved *segments; /* oldest first */
	size_t n, cap;
	uint64_t files_bytes; /* of `segments` and of those being deleted */
	uint64_t promised_large_bytes;
	unsigned promised;
	enum spare_state spare_state;
	int spare_fd;
	uint64_t release_below;
	uint64_t kept_below; /* as it is on disk */
	int64_t keep_at_us;  /* monotonic: not written again before */
};

static void path_of(const struct shelf *s, const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", s->dir, name);
}

static void segment_path(const struct shelf *s, uint64_t first, char out[PATH_MAX])
{
	char name[SEGMENT_NAME + 1];
	segment_name(first, name);
	path_of(s, name, out);
}

/* --- room; all under the lock --- */

static bool spare_counts(const struct shelf *s)
{
	return s->spare_state == SPARE_MAKING || s->spare_state == SPARE_READY;
}

static uint64_t counted(const struct shelf *s, unsigned promised, unsigned spares)
{
	return s->files_bytes + s->promised_large_bytes +
	       s->config.segment_bytes * (promised > spares ? promised : spares);
}

static void report_bytes(const struct shelf *s)
{
	uint64_t spare = spare_counts(s) ? s->config.segment_bytes : 0;
	metric_set(METRIC_JOURNAL_DISK_BYTES, (int64_t)(s->files_bytes + spare));
}

static void put_last(struct shelf *s, struct shelved one)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->segments = realloc(s->segments, s->cap * sizeof(*s->segments));
		CHECK(s->segments);
	}
	s->segments[s->n++] = one;
}

/* --- the helper's work --- */

static bool wants_spare(const struct shelf *s)
{
	return !spare_counts(s) && counted(s, s->promised, 1) <= s->config.cap_bytes;
}

/* Called with the lock, which is let go meanwhile. */
static void make_spare(struct shelf *s)
{
	char path[PATH_MAX];
	struct fault f = { 0 };
	int fd = -1;
	bool failed_before = s->spare_state == SPARE_FAILED;

	path_of(s, SPARE_NAME, path);
	s->spare_state = SPARE_MAKING;
	pthread_mutex_unlock(&s->lock);
	int rc = segment_create(&fd, path, s->config.segment_bytes, &f);
	pthread_mutex_lock(&s->lock);
	if (rc && !failed_before)
		log_error("journal", "no next segment can be prepared: %s", f.text);
	s->spare_state = rc ? SPARE_FAILED : SPARE_READY;
	s->spare_fd = fd;
	report_bytes(s);
	pthread_cond_broadcast(&s->spare);
}

static struct shelved *to_cut(struct shelf *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->segments[i].cut_fd >= 0)
			return &s->segments[i];
	}
	return NULL;
}

static struct shelved *find(struct shelf *s, uint64_t first)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->segments[i].first == first)
			return &s->segments[i];
	}
	return NULL;
}

static void cut(const struct shelved *one)
{
	if (ftruncate(one->cut_fd, (off_t)one->cut_bytes) < 0)
		log_warn("journal", "segment %016" PRIx64 " not cut to size: %s", one->first,
			 strerror(errno));
	close(one->cut_fd);
}

static void cut_one(struct shelf *s)
{
	struct shelved one = *to_cut(s);
	pthread_mutex_unlock(&s->lock);
	cut(&one);
	pthread_mutex_lock(&s->lock);
	struct shelved *now = find(s, one.first);
	s->files_bytes -= now->bytes - one.cut_bytes;
	now->bytes = one.cut_bytes;
	now->cut_fd = -1;
	report_bytes(s);
}

static bool may_go(const struct shelf *s)
{
	return s->n >= 2 && s->segments[0].cut_fd < 0 && s->segments[1].first <= s->release_below &&
	       clock_now_us() - s->segments[0].written_us >= s->config.retention_us;
}

static void delete_oldest(struct shelf *s)
{
	struct shelved one = s->segments[0];
	char path[PATH_MAX];
	s->n--;
	memmove(s->segments, s->segments + 1, s->n * sizeof(*s->segments));
	pthread_mutex_unlock(&s->lock);
	segment_path(s, one.first, path);
	int rc = unlink(path);
	if (rc < 0)
		log_warn("journal", "delete %s: %s", path, strerror(errno));
	pthread_mutex_lock(&s->lock);
	s->files_bytes -= rc < 0 ? 0 : one.bytes;
	report_bytes(s);
}

static bool to_keep(const struct shelf *s)
{
	return s->release_below > s->kept_below;
}

/* The first at once, then one in KEEP_EVERY_US: two syncs that the writer hardly meets. Called with
 * the lock, which is let go meanwhile. */
static void keep_released(struct shelf *s)
{
	struct fault f = { 0 };
	uint64_t number = s->release_below;
	pthread_mutex_unlock(&s->lock);
	int rc = released_write(s->dir, &s->config.key, number, &f);
	if (rc)
		log_warn("journal", "release position not kept: %s", f.text);
	pthread_mutex_lock(&s->lock);
	s->keep_at_us = clock_monotonic_us() + KEEP_EVERY_US;
	if (!rc)
		s->kept_below = number;
}

static void wait_a_while(struct shelf *s, pthread_cond_t *on)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RETRY_S;
	pthread_cond_timedwait(on, &s->lock, &until);
}

static void wait_for_work(struct shelf *s)
{
	if (s->spare_state != SPARE_FAILED && !to_keep(s)) {
		pthread_cond_wait(&s->work, &s->lock);
		return;
	}
	wait_a_while(s, &s->work);
	if (s->spare_state == SPARE_FAILED && !s->stopping)
		make_spare(s);
}

static void *helper_main(void *arg)
{
	struct shelf *s = arg;
	log_thread("shelf");
	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		if (s->spare_state == SPARE_NONE && wants_spare(s))
			make_spare(s);
		else if (to_cut(s))
			cut_one(s);
		else if (may_go(s))
			delete_oldest(s);
		else if (to_keep(s) && clock_monotonic_us() >= s->keep_at_us)
			keep_released(s);
		else
			wait_for_work(s);
	}
	while (to_cut(s))
		cut_one(s);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- life --- */

struct shelf *shelf_new(const struct shelf_config *config)
{
	struct shelf *s = calloc(1, sizeof(*s));
	CHECK(s);
	s->config = *config;
	s->dir = strdup(config->dir);
	CHECK(s->dir);
	s->config.dir = s->dir;
	s->spare_fd = -1;
	s->kept_below = config->released;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, &monotonic);
	pthread_cond_init(&s->spare, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return s;
}

void shelf_add(struct shelf *s, uint64_t first_number, uint64_t bytes, int64_t written_us)
{
	put_last(s, (struct shelved){ .first = first_number,
				      .bytes = bytes,
				      .written_us = written_us,
				      .cut_fd = -1 });
	s->files_bytes += bytes;
	report_bytes(s);
}

int shelf_start(struct shelf *s, struct fault *f)
{
	/* The first one at once: on a disk that is full already, records are refused, not taken and
	 * then lost. */
	pthread_mutex_lock(&s->lock);
	if (wants_spare(s))
		make_spare(s);
	pthread_mutex_unlock(&s->lock);
	int rc = pthread_create(&s->helper, NULL, helper_main, s);
	if (rc)
		return fault(f, E_UNAVAILABLE, "journal helper thread: %s", strerror(rc));
	s->running = true;
	return 0;
}

static void drop_spare(struct shelf *s)
{
	char path[PATH_MAX];
	if (s->spare_fd < 0)
		return;
	path_of(s, SPARE_NAME, path);
	close(s->spare_fd);
	unlink(path);
}

void shelf_free(struct shelf *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	if (s->running)
		pthread_join(s->helper, NULL);
	pthread_mutex_lock(&s->lock);
	while (to_cut(s)) /* where no helper ran */
		cut_one(s);
	if (to_keep(s))
		keep_released(s);
	pthread_mutex_unlock(&s->lock);
	drop_spare(s);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->spare);
	pthread_mutex_destroy(&s->lock);
	free(s->segments);
	free(s->dir);
	free(s);
}

/* --- the next segment --- */

static uint64_t bytes_for(const struct shelf *s, uint64_t need)
{
	uint64_t own = need + RESERVED_BYTES;
	return own > s->config.segment_bytes ? own : s->config.segment_bytes;
}

static bool promise(struct shelf *s, uint64_t bytes)
{
	bool large = bytes > s->config.segment_bytes;
	unsigned promised = s->promised + (large ? 0 : 1);
	uint64_t total = counted(s, promised, spare_counts(s) ? 1 : 0) + (large ? bytes : 0);
	if (s->spare_state == SPARE_FAILED || total > s->config.cap_bytes)
		return false;
	s->promised = promised;
	s->promised_large_bytes += large ? bytes : 0;
	return true;
}

int shelf_promise(struct shelf *s, uint64_t need, uint64_t *room)
{
	uint64_t bytes = bytes_for(s, need);
	pthread_mutex_lock(&s->lock);
	bool granted = promise(s, bytes);
	pthread_mutex_unlock(&s->lock);
	*room = bytes - RESERVED_BYTES;
	return granted ? 0 : E_FULL;
}

/* Moves the spare out of the helper's way; *fd stays -1 when there is none. Called with the lock.
 */
static int take_spare(struct shelf *s, int *fd, struct fault *f)
{
	char from[PATH_MAX], to[PATH_MAX];
	while (s->spare_state == SPARE_MAKING)
		pthread_cond_wait(&s->spare, &s->lock);
	if (s->spare_state != SPARE_READY)
		return 0;
	path_of(s, SPARE_NAME, from);
	path_of(s, BEGUN_NAME, to);
	if (rename(from, to) < 0)
		return fault(f, E_IO, "rename %s to %s: %s", from, to, strerror(errno));
	*fd = s->spare_fd;
	s->spare_fd = -1;
	s->spare_state = SPARE_NONE;
	return 0;
}

/* From here on the file counts as one on the shelf, so that the helper's next spare comes on top of
 * it. With the lock. */
static void keep_promise(struct shelf *s, uint64_t bytes)
{
	if (bytes > s->config.segment_bytes)
		s->promised_large_bytes -= bytes;
	else
		s->promised--;
	s->files_bytes += bytes;
	report_bytes(s);
	pthread_cond_signal(&s->work);
}

/* One try: the spare, or a new file. With the lock, which is let go meanwhile. */
static int try_begun_file(struct shelf *s, uint64_t bytes, int *fd, struct fault *f)
{
	char path[PATH_MAX];
	if (bytes == s->config.segment_bytes)
		TRY(take_spare(s, fd, f));
	if (*fd >= 0)
		return 0;
	path_of(s, BEGUN_NAME, path);
	pthread_mutex_unlock(&s->lock);
	int rc = segment_create(fd, path, bytes, f);
	pthread_mutex_lock(&s->lock);
	return rc;
}

/* An empty file of this size under BEGUN_NAME. */
static int begun_file(struct shelf *s, uint64_t bytes, int *fd, struct fault *f)
{
	*fd = -1;
	pthread_mutex_lock(&s->lock);
	int rc = try_begun_file(s, bytes, fd, f);
	if (rc == E_FULL)
		log_error("journal", "records wait for room: %s", f->text);
	while (rc == E_FULL && !s->wait_no_more) {
		wait_a_while(s, &s->spare);
		rc = try_begun_file(s, bytes, fd, f);
	}
	keep_promise(s, bytes);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int name_segment(struct shelf *s, int fd, uint64_t first_number, struct fault *f)
{
	char from[PATH_MAX], to[PATH_MAX];
	path_of(s, BEGUN_NAME, from);
	segment_path(s, first_number, to);
	TRY(segment_begin(fd, &s->config.key, first_number, f));
	if (rename(from, to) < 0)
		return fault(f, E_IO, "rename %s to %s: %s", from, to, strerror(errno));
	return segment_sync_dir(s->dir, f);
}

static void put_on_shelf(struct shelf *s, uint64_t first_number, uint64_t bytes)
{
	/* An empty segment of an earlier start has the same name and has just been replaced. */
	if (s->n && s->segments[s->n - 1].first == first_number)
		s->files_bytes -= s->segments[--s->n].bytes;
	put_last(s, (struct shelved){ .first = first_number,
				      .bytes = bytes,
				      .written_us = INT64_MAX, /* until it is sealed */
				      .cut_fd = -1 });
	report_bytes(s);
}

int shelf_begin(struct shelf *s, uint64_t first_number, uint64_t room, int *fd, struct fault *f)
{
	uint64_t bytes = room + RESERVED_BYTES;
	int new;
	TRY(begun_file(s, bytes, &new, f));
	int rc = name_segment(s, new, first_number, f);
	if (rc) {
		close(new);
		return rc;
	}
	pthread_mutex_lock(&s->lock);
	put_on_shelf(s, first_number, bytes);
	pthread_mutex_unlock(&s->lock);
	*fd = new;
	return 0;
}

void shelf_wait_no_more(struct shelf *s)
{
	pthread_mutex_lock(&s->lock);
	s->wait_no_more = true;
	pthread_cond_broadcast(&s->spare);
	pthread_mutex_unlock(&s->lock);
}

void shelf_seal(struct shelf *s, int fd, uint64_t bytes)
{
	pthread_mutex_lock(&s->lock);
	struct shelved *newest = &s->segments[s->n - 1];
	newest->cut_fd = fd;
	newest->cut_bytes = bytes;
	newest->written_us = clock_now_us();
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}

void shelf_release(struct shelf *s, uint64_t number)
{
	pthread_mutex_lock(&s->lock);
	if (number > s->release_below)
		s->release_below = number;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
}

/* --- readers --- */

static const struct shelved *holding(const struct shelf *s, uint64_t number)
{
	const struct shelved *best = s->n ? &s->segments[0] : NULL;
	for (size_t i = 0; i < s->n && s->segments[i].first <= number; i++)
		best = &s->segments[i];
	return best;
}

static int open_segment(struct shelf *s, uint64_t number, int *fd, uint64_t *first_number,
			struct fault *f)
{
	char path[PATH_MAX];
	const struct shelved *one = holding(s, number);
	if (!one)
		return fault(f, E_NOT_FOUND, "no segments");
	segment_path(s, one->first, path);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0)
		return fault(f, E_IO, "open %s: %s", path, strerror(errno));
	*first_number = one->first;
	return 0;
}

int shelf_open(struct shelf *s, uint64_t number, int *fd, uint64_t *first_number, struct fault *f)
{
	pthread_mutex_lock(&s->lock);
	int rc = open_segment(s, number, fd, first_number, f);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

uint64_t shelf_after(struct shelf *s, uint64_t first_number)
{
	uint64_t next = 0;
	pthread_mutex_lock(&s->lock);
	for (size_t i = s->n; i > 0 && s->segments[i - 1].first > first_number; i--)
		next = s->segments[i - 1].first;
	pthread_mutex_unlock(&s->lock);
	return next;
}
