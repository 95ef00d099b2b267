/* Recovery.
 *
 * Happy path. Segments from the one that holds the release position on are walked from header to
 * last whole record; what is behind that is cut away, and the file is synced. Numbers go on after
 * the largest one seen. Older segments have been walked, or sealed whole, in an earlier run, and
 * nobody will read them but a replay, or a projector of another database: a start costs what is
 * still needed, not what is retained. Where the walked ones hold no record at all, the one before
 * them is walked too, because the last number has to be known.
 *
 * Failure modes.
 *  - Torn tail: cut. It was never called durable, so nobody misses it.
 *  - Damage, in the middle or as a tail that no unfinished write explains: copied to
 * <dir>/damaged/<segment>-<offset>.bin before anything else, logged, counted. In the middle it
 * stays where it is and every reader steps over it. A damaged tail is cut too, and as many numbers
 * are left out as records could have stood there: a number is never given twice.
 *  - The process before died with writes that were not synced, perhaps because the disk refused a
 * sync: the file was not cut then. Its bytes are written once more, because the kernel may hold
 * them as clean without having them on disk.
 *  - The release position is missing, unreadable or above what the journal holds: everything is
 * walked. One that is too high is taken away at once: the numbers below it will be given to new
 * records.
 *  - Damage in a segment that is not walked: found, copied aside and counted by the reader that
 * comes upon it.
 *  - journal.id missing or damaged: every segment header has the same contents. A segment of
 * another journal: refused.
 *  - Unreadable file, full disk: the start fails with that reason. */
#include "journal/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "journal/released.h"

enum {
	ID_TEXT = UUID_TEXT + 1 + 16 + 1 + 16 + 1, /* "<uuid> <salt> <sum>\n" */
	ID_SUMMED = UUID_TEXT + 1 + 16,
	COPY = 1 << 20,
};

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define AUTO_CLOSE __attribute__((cleanup(close_fd)))

static void cursor_end(struct segment_cursor *c)
{
	segment_cursor_fini(c);
}
#define AUTO_CURSOR __attribute__((cleanup(cursor_end)))

void recover_fini(struct recover *r)
{
	free(r->segments);
	*r = (struct recover){ 0 };
}

static int open_segment(const char *dir, uint64_t first, int flags, int *fd, struct fault *f)
{
	char name[SEGMENT_NAME + 1], path[PATH_MAX];
	segment_name(first, name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	*fd = open(path, flags | O_CLOEXEC);
	return *fd < 0 ? fault(f, E_IO, "open %s: %s", path, strerror(errno)) : 0;
}

/* --- names --- */

static int by_first(const void *a, const void *b)
{
	const struct recover_segment *x = a, *y = b;
	return x->first < y->first ? -1 : x->first > y->first;
}

static void found_segment(struct recover *r, uint64_t first)
{
	r->segments = realloc(r->segments, (r->n + 1) * sizeof(*r->segments));
	CHECK(r->segments);
	r->segments[r->n++] = (struct recover_segment){ .first = first };
}

static int list(const char *dir, struct recover *r, struct fault *f)
{
	uint64_t first;
	DIR *d = opendir(dir);
	if (!d)
		return fault(f, errno == ENOENT ? E_NOT_FOUND : E_IO, "%s: %s", dir,
			     strerror(errno));
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (segment_name_read(e->d_name, &first))
			found_segment(r, first);
	}
	closedir(d);
	if (r->n)
		qsort(r->segments, r->n, sizeof(*r->segments), by_first);
	return 0;
}

/* --- the key --- */

static void id_format(const struct segment_key *key, char out[ID_TEXT + 1])
{
	uuid_format(&key->id, out);
	snprintf(out + UUID_TEXT, ID_TEXT + 1 - UUID_TEXT, " %016" PRIx64, key->salt);
	uint64_t sum = hash64((struct span){ out, ID_SUMMED });
	snprintf(out + ID_SUMMED, ID_TEXT + 1 - ID_SUMMED, " %016" PRIx64 "\n", sum);
}

static bool id_parse(struct span text, struct segment_key *key)
{
	char again[ID_TEXT + 1], salt[16 + 1] = "";
	if (text.n != ID_TEXT || uuid_parse(&key->id, (struct span){ text.p, UUID_TEXT }))
		return false;
	memcpy(salt, text.p + UUID_TEXT + 1, 16);
	key->salt = strtoull(salt, NULL, 16);
	id_format(key, again);
	return memcmp(again, text.p, ID_TEXT) == 0;
}

static void id_path(const char *dir, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/journal.id", dir);
}

/* E_NOT_FOUND, E_CORRUPT. */
static int id_read(const char *dir, struct segment_key *key, struct fault *f)
{
	char path[PATH_MAX];
	struct buf text AUTO_BUF = { 0 };
	id_path(dir, path);
	int rc = file_read(path, 4096, &text, f);
	if (rc == E_TOO_LARGE || (!rc && !id_parse(buf_span(&text), key)))
		return fault(f, E_CORRUPT, "%s is damaged", path);
	return rc;
}

static int id_write(const char *dir, const struct segment_key *key, struct fault *f)
{
	char path[PATH_MAX], text[ID_TEXT + 1];
	id_path(dir, path);
	id_format(key, text);
	return file_replace(path, 0600, (struct span){ text, ID_TEXT }, f);
}

/* The key in the first segment that still knows it. E_NOT_FOUND: no segment has anything in it. */
static int key_from_segments(const char *dir, const struct recover *r, struct segment_key *key,
			     struct fault *f)
{
	int answer = fault(f, E_NOT_FOUND, "no journal in %s", dir);
	for (size_t i = 0; i < r->n; i++) {
		int fd AUTO_CLOSE = -1;
		TRY(open_segment(dir, r->segments[i].first, O_RDONLY, &fd, f));
		int rc = segment_read_key(fd, key, f);
		if (rc == 0 || rc == E_IO || rc == E_INVALID)
			return rc;
		if (rc == E_CORRUPT)
			answer = rc;
	}
	return answer == E_CORRUPT
		       ? fault(f, E_CORRUPT, "journal.id and all segment headers are damaged")
		       : fault(f, answer, "no journal in %s", dir);
}

static int look(const char *dir, struct recover *r, struct fault *f)
{
	TRY(list(dir, r, f));
	int rc = id_read(dir, &r->key, f);
	if (rc == E_NOT_FOUND || rc == E_CORRUPT)
		return key_from_segments(dir, r, &r->key, f);
	return rc;
}

int recover_look(const char *dir, struct recover *out, struct fault *f)
{
	struct recover r = { 0 };
	int rc = look(dir, &r, f);
	if (rc) {
		recover_fini(&r);
		return rc;
	}
	*out = r;
	return 0;
}

/* --- damage --- */

static int read_range(int fd, uint64_t from, uint64_t to, struct buf *out, struct fault *f)
{
	buf_clear(out);
	buf_reserve(out, (size_t)(to - from));
	while (from < to) {
		ssize_t n = pread(fd, out->p + out->n, (size_t)(to - from), (off_t)from);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault(f, E_IO, "read at %" PRIu64 ": %s", from, strerror(errno));
		if (n == 0)
			break;
		out->n += (size_t)n;
		from += (uint64_t)n;
	}
	return 0;
}

int recover_put_aside(const char *dir, uint64_t first, int fd, uint64_t from, uint64_t to,
		      struct fault *f)
{
	char folder[PATH_MAX], path[PATH_MAX + 64];
	struct buf bytes AUTO_BUF = { 0 };
	struct stat st;

	snprintf(folder, sizeof(folder), "%s/damaged", dir);
	snprintf(path, sizeof(path), "%s/%016" PRIx64 "-%" PRIu64 ".bin", folder, first, from);
	if (stat(path, &st) == 0 && st.st_size == (off_t)(to - from))
		return 0; /* an earlier start has done it */
	TRY(file_make_dir(folder, 0700, f));
	TRY(read_range(fd, from, to, &bytes, f));
	TRY(file_replace(path, 0600, buf_span(&bytes), f));
	TRY(segment_sync_dir(dir, f));
	log_error("journal",
		  "segment %016" PRIx64 ": %" PRIu64 " damaged bytes at %" PRIu64
		  " copied to %s and skipped",
		  first, to - from, from, path);
	metric_add(METRIC_JOURNAL_DAMAGED, (int64_t)(to - from));
	return 0;
}

/* --- one segment --- */

/* What the walk over a segment has found out. */
struct walk {
	const char *dir;
	uint64_t first;
	uint64_t last; /* number of the last whole record so far, over all segments */
	uint64_t skip; /* numbers that may have been in a damaged tail */
	int64_t latest_us;
	uint64_t end; /* of the last whole record: the file is cut here */
	bool header_damaged;
};

static int check_key(struct walk *w, int fd, const struct segment_key *key, struct fault *f)
{
	struct segment_key own;
	int rc = segment_read_key(fd, &own, f);
	w->header_damaged = rc == E_CORRUPT;
	if (rc == E_CORRUPT || rc == E_NOT_FOUND) /* not found: begun and never written to */
		return 0;
	if (rc)
		return rc;
	if (!uuid_eq(&own.id, &key->id) || own.salt != key->salt)
		return fault(f, E_CORRUPT, "it belongs to another journal");
	return 0;
}

static int walk_end(struct walk *w, struct segment_cursor *c, const struct segment_item *end,
		    struct fault *f)
{
	w->end = end->from;
	if (end->to == end->from)
		return 0;
	if (end->torn) {
		log_info("journal",
			 "segment %016" PRIx64 ": unfinished write of %" PRIu64 " bytes at %" PRIu64
			 " cut",
			 w->first, end->to - end->from, end->from);
		return 0;
	}
	w->skip = (end->to - end->from + SEGMENT_RECORD_HEADER - 1) / SEGMENT_RECORD_HEADER;
	return recover_put_aside(w->dir, w->first, c->fd, end->from, end->to, f);
}

static void found_record(struct walk *w, const struct record *r)
{
	w->last = r->number;
	if (r->at_us > w->latest_us)
		w->latest_us = r->at_us;
}

static int walk_records(struct walk *w, struct segment_cursor *c, struct fault *f)
{
	struct segment_item item;
	for (;;) {
		TRY(segment_next(c, &item, f));
		if (item.found == SEGMENT_END)
			return walk_end(w, c, &item, f);
		if (item.found == SEGMENT_DAMAGE)
			TRY(recover_put_aside(w->dir, w->first, c->fd, item.from, item.to, f));
		else
			found_record(w, &item.record);
	}
}

/* Without anything behind it, it is the torn first write to a new segment. */
static int judge_header(const struct walk *w, int fd, struct fault *f)
{
	if (!w->header_damaged || (w->end == SEGMENT_HEADER && w->skip == 0))
		return 0;
	return recover_put_aside(w->dir, w->first, fd, 0, SEGMENT_HEADER, f);
}

/* The same bytes once more, so that the sync that follows really writes them. */
static int write_again(int fd, uint64_t end, struct fault *f)
{
	struct buf bytes AUTO_BUF = { 0 };
	for (uint64_t at = 0; at < end; at += bytes.n) {
		uint64_t to = end - at > COPY ? at + COPY : end;
		TRY(read_range(fd, at, to, &bytes, f));
		if (bytes.n == 0)
			return fault(f, E_IO, "the file became shorter");
		struct iovec iov = { bytes.p, bytes.n };
		TRY(segment_write(fd, at, &iov, 1, f));
	}
	return 0;
}

static int settle(int fd, const struct stat *st, uint64_t end, struct fault *f)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };
	if ((uint64_t)st->st_size > end) {
		TRY(write_again(fd, end, f));
		if (ftruncate(fd, (off_t)end) < 0)
			return fault(f, E_IO, "cut: %s", strerror(errno));
		(void)futimens(fd, times); /* retention counts from the last record */
	}
	return fsync(fd) < 0 ? fault(f, E_IO, "sync: %s", strerror(errno)) : 0;
}

static int64_t written_us(const struct stat *st)
{
	return st->st_mtim.tv_sec * SECOND_US + st->st_mtim.tv_nsec / 1000;
}

static int recover_segment(struct walk *w, const struct segment_key *key, struct recover_segment *s,
			   struct fault *f)
{
	struct stat st;
	int fd;
	w->first = s->first;
	w->skip = 0;
	TRY(open_segment(w->dir, s->first, O_RDWR, &fd, f));
	struct segment_cursor c AUTO_CURSOR;
	segment_cursor_init(&c, fd, key->salt, w->last > s->first - 1 ? w->last : s->first - 1);
	if (fstat(fd, &st) < 0)
		return fault(f, E_IO, "stat: %s", strerror(errno));
	TRY(check_key(w, fd, key, f));
	TRY(walk_records(w, &c, f));
	TRY(judge_header(w, fd, f));
	if (w->end > (uint64_t)st.st_size)
		w->end = (uint64_t)st.st_size;
	TRY(settle(fd, &st, w->end, f));
	s->bytes = w->end;
	s->written_us = written_us(&st);
	return 0;
}

/* A segment that nobody needs any more: that it is ours, and what it takes. One that a crash kept
 * from being cut stays as long as it is. */
static int look_at_segment(struct walk *w, const struct segment_key *key, struct recover_segment *s,
			   struct fault *f)
{
	struct stat st;
	int fd AUTO_CLOSE = -1;
	w->first = s->first;
	TRY(open_segment(w->dir, s->first, O_RDONLY, &fd, f));
	if (fstat(fd, &st) < 0)
		return fault(f, E_IO, "stat: %s", strerror(errno));
	TRY(check_key(w, fd, key, f));
	s->bytes = (uint64_t)st.st_size;
	s->written_us = written_us(&st);
	if (!w->header_damaged || s->bytes <= SEGMENT_HEADER)
		return 0;
	return recover_put_aside(w->dir, w->first, fd, 0, SEGMENT_HEADER, f);
}

/* --- the whole folder --- */

static int remove_unfinished(const char *dir, struct fault *f)
{
	DIR *d = opendir(dir);
	if (!d)
		return fault(f, E_IO, "%s: %s", dir, strerror(errno));
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (strstr(e->d_name, ".tmp")) /* the shelf's, or file_replace's */
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	closedir(d);
	return 0;
}

/* journal.id decides; else what the segments say; else this is a new journal. */
static int own_key(const char *dir, struct recover *r, struct fault *f)
{
	int rc = id_read(dir, &r->key, f);
	if (rc != E_NOT_FOUND && rc != E_CORRUPT)
		return rc;
	rc = key_from_segments(dir, r, &r->key, f);
	if (rc == 0) {
		log_warn("journal", "journal.id written again from a segment's header");
	} else if (rc == E_NOT_FOUND) {
		r->key.id = uuid_v7();
		crypto_random(&r->key.salt, sizeof(r->key.salt));
	} else {
		return rc;
	}
	return id_write(dir, &r->key, f);
}

/* The segment that holds `number`, or the oldest one above. */
static size_t holding(const struct recover *r, uint64_t number)
{
	size_t i = 0;
	while (i + 1 < r->n && r->segments[i + 1].first <= number)
		i++;
	return i;
}

/* Walks the segments from `tail` on, looks at those before. */
static int walk(const char *dir, struct recover *r, size_t tail, struct fault *f)
{
	struct walk w = { .dir = dir };
	r->used = 0;
	for (size_t i = 0; i < r->n; i++) {
		struct recover_segment *s = &r->segments[i];
		w.skip = 0;
		if (i < tail ? look_at_segment(&w, &r->key, s, f)
			     : recover_segment(&w, &r->key, s, f))
			return fault_wrap(f, "segment %016" PRIx64, s->first);
		uint64_t seen = w.last > s->first - 1 ? w.last : s->first - 1;
		if (seen + w.skip > r->used)
			r->used = seen + w.skip;
	}
	r->last = w.last;
	r->latest_us = w.latest_us;
	return 0;
}

static int walk_tail(const char *dir, struct recover *r, struct fault *f)
{
	size_t tail = holding(r, r->released);
	do
		TRY(walk(dir, r, tail, f));
	while (r->last == 0 && tail-- > 0);
	return 0;
}

static void find_released(const char *dir, struct recover *r)
{
	struct fault f = { 0 };
	int rc = released_read(dir, &r->key, &r->released, &f);
	if (rc == 0)
		return;
	r->released = 1;
	if (rc != E_NOT_FOUND)
		log_warn("journal", "%s: everything retained is read again", f.text);
}

/* Records were lost below it, or another folder's segments are here. */
static int from_the_beginning(const char *dir, struct recover *r, struct fault *f)
{
	log_warn("journal",
		 "%s: released below %" PRIu64 ", but the last record may be %" PRIu64
		 ": everything retained is read again",
		 dir, r->released, r->used);
	TRY(released_remove(dir, f));
	r->released = 1;
	return walk_tail(dir, r, f);
}

static int run(const char *dir, struct recover *r, struct fault *f)
{
	TRY(remove_unfinished(dir, f));
	TRY(list(dir, r, f));
	TRY(own_key(dir, r, f));
	find_released(dir, r);
	TRY(walk_tail(dir, r, f));
	if (r->released > r->used + 1)
		TRY(from_the_beginning(dir, r, f));
	return segment_sync_dir(dir, f); /* a name may be younger than its last sync */
}

int recover_run(const char *dir, struct recover *out, struct fault *f)
{
	struct recover r = { 0 };
	int rc = run(dir, &r, f);
	if (rc) {
		recover_fini(&r);
		return rc;
	}
	*out = r;
	return 0;
}

struct wanted {
	uint64_t from, segment;
	int (*each)(void *user, const struct record *);
	void *user;
};

static int each_of_segment(struct segment_cursor *c, const struct wanted *w, struct fault *f)
{
	struct segment_item item;
	for (;;) {
		TRY(segment_next(c, &item, f));
		if (item.found == SEGMENT_END)
			return 0;
		if (item.found == SEGMENT_DAMAGE)
			log_warn("journal",
				 "segment %016" PRIx64 ": %" PRIu64 " damaged bytes at %" PRIu64
				 " skipped",
				 w->segment, item.to - item.from, item.from);
		else if (item.record.number >= w->from)
			TRY(w->each(w->user, &item.record));
	}
}

int recover_each(const char *dir, const struct recover *r, uint64_t from,
		 int (*each)(void *user, const struct record *), void *user, struct fault *f)
{
	struct wanted w = { .from = from, .each = each, .user = user };
	uint64_t after = 0;
	for (size_t i = holding(r, from); i < r->n; i++) {
		int fd;
		w.segment = r->segments[i].first;
		if (after < w.segment - 1)
			after = w.segment - 1;
		TRY(open_segment(dir, w.segment, O_RDONLY, &fd, f));
		struct segment_cursor c AUTO_CURSOR;
		segment_cursor_init(&c, fd, r->key.salt, after);
		TRY(each_of_segment(&c, &w, f));
		after = c.after;
	}
	return 0;
}
