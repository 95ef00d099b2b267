/* Segments: format, creation, reading.
 *
 * Happy path. A segment is one preallocated file: fallocate makes fdatasync cheap, because the
 * file's size does not change (0.65-0.75 of the time of a growing file on ext4; filling it with
 * zeros on top gained nothing measurable and writes everything twice). Records are appended with
 * pwritev; reading walks from record to record in a window.
 *
 * Failure modes when reading.
 *  - What stands where a record should begin is none (zeros, flipped bits, half a record): every
 * following 8-aligned place is tried for a whole record with a larger number. Found: the bytes
 * before it are damage. Not found: the rest is the end.
 *  - A damaged segment header costs no record: the salt is in journal.id too and the first number
 * in the name.
 *  - A rest is called torn when it can be explained by a write that did not finish: its last bytes
 * that are not zero lie before the place where the record would end. A flipped bit in the very last
 * record is therefore called damage.
 *  - The file can't be read: E_IO; the caller stops rather than taking a bad cable for missing
 * data. */
#include "journal/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little endian");

#define SEGMENT_MAGIC UINT64_C(0x3130676f4c646d43) /* "CmdLog01" */

enum {
	SEGMENT_VERSION = 1,
	RECORD_MAGIC = 0x5265436d, /* "mCeR" */
	RECORD_CLOSE = 0x656e6f44, /* "Done": a header's last bytes are never zero */
	WINDOW = 32 << 10,	   /* a reader at the end reads this much anew per commit */
};

struct segment_header {
	uint64_t sum; /* of all that follows, with the salt in this place */
	uint64_t magic;
	uint32_t version, header_bytes;
	struct uuid id;
	uint64_t salt;
	uint64_t first_number;
	uint64_t zero;
};
_Static_assert(sizeof(struct segment_header) == SEGMENT_HEADER, "segment header");

struct record_header {
	uint64_t sum; /* of all that follows, with the salt in this place */
	uint32_t magic, length;
	uint64_t body_sum;
	uint64_t number;
	int64_t at_us;
	struct uuid call;
	uint32_t kind, close;
};
_Static_assert(sizeof(struct record_header) == SEGMENT_RECORD_HEADER, "record header");

/* --- records in memory --- */

static uint64_t header_sum(struct record_header h, uint64_t salt)
{
	h.sum = salt;
	return hash64((struct span){ (const char *)&h, sizeof(h) });
}

void segment_put(char *at, const struct record *r)
{
	struct record_header h = {
		.magic = RECORD_MAGIC,
		.length = (uint32_t)r->body.n,
		.body_sum = hash64(r->body),
		.at_us = r->at_us,
		.call = r->call,
		.kind = (uint32_t)r->kind,
		.close = RECORD_CLOSE,
	};
	size_t end = sizeof(h) + r->body.n;
	memcpy(at, &h, sizeof(h));
	if (r->body.n)
		memcpy(at + sizeof(h), r->body.p, r->body.n);
	memset(at + end, 0, (size_t)segment_record_bytes(r->body.n) - end);
}

void segment_stamp(char *at, uint64_t number, uint64_t salt)
{
	struct record_header h;
	memcpy(&h, at, sizeof(h));
	h.number = number;
	h.sum = header_sum(h, salt);
	memcpy(at, &h, sizeof(h));
}

/* --- files --- */

void segment_name(uint64_t first_number, char out[SEGMENT_NAME + 1])
{
	snprintf(out, SEGMENT_NAME + 1, "%016" PRIx64 ".seg", first_number);
}

bool segment_name_read(const char *name, uint64_t *first_number)
{
	char again[SEGMENT_NAME + 1];
	if (strlen(name) != SEGMENT_NAME)
		return false;
	*first_number = strtoull(name, NULL, 16);
	segment_name(*first_number, again);
	return *first_number > 0 && strcmp(name, again) == 0;
}

static int allocate(int fd, uint64_t bytes)
{
	int rc;
	do
		rc = fallocate(fd, 0, 0, (off_t)bytes);
	while (rc < 0 && errno == EINTR);
	if (rc < 0 && errno == EOPNOTSUPP) /* the size alone: slower syncs, same meaning */
		rc = ftruncate(fd, (off_t)bytes);
	return rc;
}

static int no_file(int code, const char *path, uint64_t bytes, struct fault *f)
{
	bool full = code == ENOSPC || code == EDQUOT;
	return fault(f, full ? E_FULL : E_IO, "reserve %" PRIu64 " bytes for %s: %s", bytes, path,
		     strerror(code));
}

int segment_create(int *fd, const char *path, uint64_t bytes, struct fault *f)
{
	int new = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (new < 0)
		return no_file(errno, path, bytes, f);
	if (allocate(new, bytes) < 0) {
		int code = errno;
		close(new);
		unlink(path);
		return no_file(code, path, bytes, f);
	}
	*fd = new;
	return 0;
}

int segment_begin(int fd, const struct segment_key *key, uint64_t first_number, struct fault *f)
{
	struct segment_header h = {
		.sum = key->salt,
		.magic = SEGMENT_MAGIC,
		.version = SEGMENT_VERSION,
		.header_bytes = SEGMENT_HEADER,
		.id = key->id,
		.salt = key->salt,
		.first_number = first_number,
	};
	h.sum = hash64((struct span){ (const char *)&h, sizeof(h) });
	struct iovec iov = { &h, sizeof(h) };
	return segment_write(fd, 0, &iov, 1, f);
}

/* Drops the first `n` bytes of the list. */
static void iov_skip(struct iovec **iov, size_t *count, size_t n)
{
	while (*count && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		++*iov;
		--*count;
	}
	if (n && *count) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
	}
}

int segment_write(int fd, uint64_t offset, struct iovec *iov, size_t n, struct fault *f)
{
	while (n) {
		ssize_t done = pwritev(fd, iov, n < IOV_MAX ? (int)n : IOV_MAX, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return fault(f, E_IO, "write at %" PRIu64 ": %s", offset,
				     done < 0 ? strerror(errno) : "nothing written");
		offset += (uint64_t)done;
		iov_skip(&iov, &n, (size_t)done);
	}
	return 0;
}

int segment_read_key(int fd, struct segment_key *key, struct fault *f)
{
	struct segment_header h = { 0 }, none = { 0 };
	ssize_t n = pread(fd, &h, sizeof(h), 0);
	if (n < 0)
		return fault(f, E_IO, "read: %s", strerror(errno));
	if (memcmp(&h, &none, sizeof(h)) == 0)
		return fault(f, E_NOT_FOUND, "no header");
	uint64_t sum = h.sum;
	h.sum = h.salt;
	if (hash64((struct span){ (const char *)&h, sizeof(h) }) != sum || h.magic != SEGMENT_MAGIC)
		return fault(f, E_CORRUPT, "damaged header");
	if (h.version != SEGMENT_VERSION || h.header_bytes != SEGMENT_HEADER)
		return fault(f, E_INVALID, "format version %u, this program reads version %d",
			     h.version, SEGMENT_VERSION);
	*key = (struct segment_key){ .id = h.id, .salt = h.salt };
	return 0;
}

int segment_sync_dir(const char *dir, struct fault *f)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fault(f, E_IO, "open %s: %s", dir, strerror(errno));
	int rc = fsync(fd) < 0 ? fault(f, E_IO, "sync %s: %s", dir, strerror(errno)) : 0;
	close(fd);
	return rc;
}

/* --- reading --- */

void segment_cursor_init(struct segment_cursor *c, int fd, uint64_t salt, uint64_t after)
{
	*c = (struct segment_cursor){
		.fd = fd, .salt = salt, .after = after, .position = SEGMENT_HEADER
	};
}

void segment_cursor_fini(struct segment_cursor *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->window);
	*c = (struct segment_cursor){ .fd = -1 };
}

static int window_fill(struct segment_cursor *c, size_t want, struct fault *f)
{
	while (c->window_n < want) {
		ssize_t n = pread(c->fd, c->window + c->window_n, want - c->window_n,
				  (off_t)(c->window_at + c->window_n));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault(f, E_IO, "read at %" PRIu64 ": %s", c->window_at + c->window_n,
				     strerror(errno));
		if (n == 0)
			break;
		c->window_n += (size_t)n;
	}
	return 0;
}

/* The bytes from `at` on, at least `need` of them unless the file ends before. */
static int window_at(struct segment_cursor *c, uint64_t at, size_t need, struct span *out,
		     struct fault *f)
{
	if (at < c->window_at || at + need > c->window_at + c->window_n) {
		size_t want = need > WINDOW ? need : WINDOW;
		if (want > c->window_cap) {
			free(c->window);
			c->window_cap = 0;
			c->window = malloc(want);
			if (!c->window)
				return fault(f, E_NOMEM, "%zu bytes to read a segment", want);
			c->window_cap = want;
		}
		c->window_at = at;
		c->window_n = 0;
		TRY(window_fill(c, want, f));
	}
	*out = span_from((struct span){ c->window, c->window_n }, at - c->window_at);
	return 0;
}

static bool header_whole(const struct segment_cursor *c, struct span s, struct record_header *h)
{
	if (s.n < sizeof(*h))
		return false;
	memcpy(h, s.p, sizeof(*h));
	return h->magic == RECORD_MAGIC && h->close == RECORD_CLOSE &&
	       h->length <= SEGMENT_BODY_MAX && h->number > c->after &&
	       header_sum(*h, c->salt) == h->sum;
}

/* 1 when a whole record stands at `at`, 0 when not. */
static int try_record(struct segment_cursor *c, uint64_t at, struct record *out, struct fault *f)
{
	struct span s = { 0 };
	struct record_header h;
	TRY(window_at(c, at, SEGMENT_RECORD_HEADER, &s, f));
	if (!header_whole(c, s, &h))
		return 0;
	TRY(window_at(c, at, SEGMENT_RECORD_HEADER + h.length, &s, f));
	if (s.n < SEGMENT_RECORD_HEADER + (size_t)h.length)
		return 0;
	struct span body = { s.p + SEGMENT_RECORD_HEADER, h.length };
	if (hash64(body) != h.body_sum)
		return 0;
	*out = (struct record){ .number = h.number,
				.at_us = h.at_us,
				.call = h.call,
				.kind = (enum record_kind)h.kind,
				.body = body };
	return 1;
}

static void found_record(struct segment_cursor *c, const struct record *r, struct segment_item *out)
{
	*out = (struct segment_item){ .found = SEGMENT_RECORD, .record = *r };
	c->after = r->number;
	c->position += segment_record_bytes(r->body.n);
}

/* Finds the first whole record at or after the cursor: 1 and its place in `at`. 0: there is none,
 * and `last` is where the last eight bytes end that are not all zero. */
static int search(struct segment_cursor *c, uint64_t *at, struct record *r, uint64_t *last,
		  struct fault *f)
{
	*last = c->position;
	for (*at = c->position;; *at += SEGMENT_ALIGN) {
		struct span s;
		TRY(window_at(c, *at, SEGMENT_RECORD_HEADER, &s, f));
		if (s.n == 0)
			return 0;
		struct {
			uint64_t sum;
			uint32_t magic;
		} start = { 0 };
		memcpy(&start, s.p, s.n < sizeof(start) ? s.n : sizeof(start));
		if (start.magic == RECORD_MAGIC) {
			int whole = try_record(c, *at, r, f);
			if (whole)
				return whole;
		}
		if (start.sum)
			*last = *at + SEGMENT_ALIGN;
	}
}

/* How far the record at the cursor would reach, as far as its header can be believed. */
static int expected_end(struct segment_cursor *c, uint64_t *end, struct fault *f)
{
	struct span s;
	struct record_header h;
	TRY(window_at(c, c->position, SEGMENT_RECORD_HEADER, &s, f));
	*end = c->position + SEGMENT_RECORD_HEADER;
	if (header_whole(c, s, &h))
		*end += h.length;
	return 0;
}

static int last_byte(struct segment_cursor *c, uint64_t *last, struct fault *f)
{
	struct span s;
	TRY(window_at(c, *last - SEGMENT_ALIGN, SEGMENT_ALIGN, &s, f));
	size_t n = s.n < SEGMENT_ALIGN ? s.n : SEGMENT_ALIGN;
	while (n && s.p[n - 1] == 0)
		n--;
	*last = *last - SEGMENT_ALIGN + n;
	return 0;
}

static int found_end(struct segment_cursor *c, uint64_t last, struct segment_item *out,
		     struct fault *f)
{
	uint64_t end;
	*out = (struct segment_item){ .found = SEGMENT_END,
				      .from = c->position,
				      .to = c->position };
	if (last <= c->position)
		return 0;
	TRY(last_byte(c, &last, f));
	TRY(expected_end(c, &end, f));
	out->to = last;
	out->torn = last < end;
	return 0;
}

int segment_next(struct segment_cursor *c, struct segment_item *out, struct fault *f)
{
	struct record r = { 0 };
	uint64_t at, last;
	int whole = search(c, &at, &r, &last, f);
	if (whole < 0)
		return whole;
	if (!whole)
		return found_end(c, last, out, f);
	if (at == c->position) {
		found_record(c, &r, out);
		return 0;
	}
	*out = (struct segment_item){ .found = SEGMENT_DAMAGE, .from = c->position, .to = at };
	c->position = at;
	return 0;
}

int segment_peek(struct segment_cursor *c, struct segment_item *out, struct fault *f)
{
	struct record r = { 0 };
	int whole = try_record(c, c->position, &r, f);
	if (whole == 0) { /* the window may be older than what was written since */
		c->window_n = 0;
		whole = try_record(c, c->position, &r, f);
	}
	if (whole < 0)
		return whole;
	if (whole)
		found_record(c, &r, out);
	else
		*out = (struct segment_item){ .found = SEGMENT_END,
					      .from = c->position,
					      .to = c->position };
	return 0;
}
