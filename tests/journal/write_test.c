/* Appending, committing, reading behind, running out of room, failing. The disk calls go through
 * wrappers that can hold, count and refuse them. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "journal_kit.h"

/* --- the disk --- */

static struct {
	atomic_bool hold_sync, fail_sync, fail_write, short_write, no_space;
	atomic_uint syncs, held;
} disk;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
ssize_t __real_pwritev(int fd, const struct iovec *iov, int n, off_t at);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t at);
int __real_fallocate(int fd, int mode, off_t at, off_t n);
int __wrap_fallocate(int fd, int mode, off_t at, off_t n);

int __wrap_fdatasync(int fd)
{
	atomic_fetch_add(&disk.syncs, 1);
	atomic_fetch_add(&disk.held, 1);
	while (atomic_load(&disk.hold_sync))
		sched_yield();
	atomic_fetch_sub(&disk.held, 1);
	if (atomic_load(&disk.fail_sync)) {
		errno = EIO;
		return -1;
	}
	return __real_fdatasync(fd);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	if (atomic_load(&disk.fail_write)) {
		errno = ENOSPC;
		return -1;
	}
	if (atomic_load(&disk.short_write) && iov[0].iov_len > 1)
		return pwrite(fd, iov[0].iov_base, iov[0].iov_len / 2, at);
	return __real_pwritev(fd, iov, n, at);
}

int __wrap_fallocate(int fd, int mode, off_t at, off_t n)
{
	if (atomic_load(&disk.no_space)) {
		errno = ENOSPC;
		return -1;
	}
	return __real_fallocate(fd, mode, at, n);
}

static bool sync_is_held(void *unused)
{
	(void)unused;
	return atomic_load(&disk.held) > 0;
}

/* Every test begins with a folder, a configuration and a sound disk. */
struct stage {
	char *dir;
	struct journal_config config;
	atomic_uint_fast64_t durable;
	atomic_uint failures;
	atomic_bool out_of_order;
};

static void on_durable(void *user, uint64_t number)
{
	struct stage *s = user;
	if (number <= atomic_exchange(&s->durable, number))
		atomic_store(&s->out_of_order, true);
}

static void on_failed(void *user, const struct fault *f)
{
	struct stage *s = user;
	if (f->code && f->text[0])
		atomic_fetch_add(&s->failures, 1);
}

static int stage_set(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	s->dir = kit_folder();
	s->config = kit_config(s->dir);
	s->config.on_durable = on_durable;
	s->config.on_failed = on_failed;
	s->config.user = s;
	atomic_store(&disk.hold_sync, false);
	atomic_store(&disk.fail_sync, false);
	atomic_store(&disk.fail_write, false);
	atomic_store(&disk.short_write, false);
	atomic_store(&disk.no_space, false);
	*state = s;
	return 0;
}

static int stage_clear(void **state)
{
	struct stage *s = *state;
	atomic_store(&disk.hold_sync, false); /* of a test that failed while it held */
	kit_remove(s->dir);
	free(s);
	return 0;
}

static bool has_failed(void *user)
{
	return journal_failed(user);
}

static void check_all(const char *dir, uint64_t last)
{
	struct kit_found found = kit_scan(dir);
	assert_int_equal(found.n, last);
	for (uint64_t i = 1; i <= last; i++)
		assert_int_equal(found.numbers[i - 1], i);
	kit_found_free(&found);
}

/* --- order and durability --- */

enum { THREADS = 4, EACH = 400 };

struct appender {
	pthread_t thread;
	struct journal *j;
	uint8_t who;
	uint64_t numbers[EACH];
	bool ordered;
};

static void *append_many(void *arg)
{
	struct appender *a = arg;
	char body[9000];
	memset(body, 'a' + a->who, sizeof(body));
	a->ordered = true;
	for (uint32_t i = 0; i < EACH; i++) {
		struct record r = { .at_us = i, .kind = RECORD_WEBHOOK };
		r.call.b[0] = a->who;
		/* Every eighth is large: it goes another way through the queue. */
		r.body = (struct span){ body, i % 8 ? i % 500 : 5000 + i };
		if (journal_append(a->j, &r))
			a->ordered = false;
		a->numbers[i] = r.number;
		if (i && r.number <= a->numbers[i - 1])
			a->ordered = false;
	}
	return NULL;
}

struct replayed {
	struct appender *appenders;
	uint32_t next[THREADS];
	uint64_t last;
};

static int compare_with_appender(void *user, const struct record *r)
{
	struct replayed *p = user;
	uint8_t who = r->call.b[0];
	assert_true(who < THREADS);
	uint32_t i = p->next[who]++;
	assert_int_equal(r->number, ++p->last);
	assert_int_equal(r->number, p->appenders[who].numbers[i]);
	assert_int_equal(r->at_us, i);
	assert_int_equal(r->body.n, i % 8 ? i % 500 : 5000 + i);
	for (size_t k = 0; k < r->body.n; k++)
		assert_int_equal(r->body.p[k], 'a' + who);
	return 0;
}

static void four_threads(void **state)
{
	struct stage *s = *state;
	struct appender appenders[THREADS] = { 0 };
	struct fault f = { 0 };
	struct journal *j = kit_start(&s->config);
	for (uint8_t i = 0; i < THREADS; i++) {
		appenders[i].j = j;
		appenders[i].who = i;
		pthread_create(&appenders[i].thread, NULL, append_many, &appenders[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(appenders[i].thread, NULL);
		assert_true(appenders[i].ordered);
	}
	assert_int_equal(journal_last(j), THREADS * EACH);
	kit_wait_durable(j, THREADS * EACH);
	journal_free(j);
	assert_false(atomic_load(&s->out_of_order));
	assert_int_equal(atomic_load(&s->durable), THREADS * EACH);
	assert_true(kit_count(s->dir, ".", ".seg") > 3); /* it went over several segments */
	struct replayed p = { .appenders = appenders };
	assert_int_equal(journal_scan(s->dir, compare_with_appender, &p, &f), 0);
	assert_int_equal(p.last, THREADS * EACH);
}

static void group_commit(void **state)
{
	struct stage *s = *state;
	struct journal *j = kit_start(&s->config);
	atomic_store(&disk.hold_sync, true);
	assert_int_equal(kit_append(j, 10), 0);
	kit_wait(sync_is_held, NULL, "the first sync");
	unsigned before = atomic_load(&disk.syncs);
	for (int i = 0; i < 200; i++)
		assert_int_equal(kit_append(j, 100), 0);
	assert_int_equal(journal_durable(j), 0);
	assert_int_equal(atomic_load(&disk.syncs), before);
	atomic_store(&disk.hold_sync, false);
	kit_wait_durable(j, 201);
	assert_int_equal(atomic_load(&disk.syncs), before + 1);
	journal_free(j);
	check_all(s->dir, 201);
}

static void groups_stay_together(void **state)
{
	struct stage *s = *state;
	struct record r[3];
	struct buf bodies[3] = { { 0 } };
	struct journal *j = kit_start(&s->config);
	for (uint64_t round = 0; round < 40; round++) {
		for (uint64_t i = 0; i < 3; i++)
			r[i] = kit_record(round * 3 + i + 1, 1500 * i, &bodies[i]);
		assert_int_equal(journal_append_all(j, r, 3), 0);
		for (uint64_t i = 0; i < 3; i++)
			assert_int_equal(r[i].number, round * 3 + i + 1);
	}
	assert_int_equal(journal_append_all(j, r, 0), 0);
	journal_free(j);
	check_all(s->dir, 120);
	assert_true(kit_count(s->dir, ".", ".seg") >= 2);
	for (int i = 0; i < 3; i++)
		buf_free(&bodies[i]);
	/* A segment begins with the first of a group. */
	for (uint64_t n = 2; n <= 120; n++) {
		char name[SEGMENT_NAME + 1];
		segment_name(n, name);
		if (kit_exists(s->dir, name))
			assert_int_equal(n % 3, 1);
	}
}

static void append_before_start(void **state)
{
	struct stage *s = *state;
	struct fault f = { 0 };
	struct journal *j = kit_open(&s->config);
	assert_int_equal(kit_append(j, 10), 0);
	assert_int_equal(journal_durable(j), 0);
	assert_int_equal(journal_start(j, &f), 0);
	kit_wait_durable(j, 1);
	journal_free(j);
	j = kit_open(&s->config);
	assert_int_equal(kit_append(j, 10), 0);
	journal_free(j); /* never started: written all the same */
	check_all(s->dir, 2);
}

static void short_writes_go_on(void **state)
{
	struct stage *s = *state;
	struct journal *j = kit_start(&s->config);
	atomic_store(&disk.short_write, true);
	for (int i = 0; i < 50; i++)
		assert_int_equal(kit_append(j, (size_t)i * 300), 0);
	kit_wait_durable(j, 50);
	journal_free(j);
	check_all(s->dir, 50);
}

/* --- readers --- */

struct follower {
	pthread_t thread;
	struct journal *j;
	uint64_t upto, seen;
	bool wrong;
};

static void *follow(void *arg)
{
	struct follower *w = arg;
	struct journal_reader *r;
	struct record out;
	struct fault f = { 0 };
	if (journal_reader_new(&r, w->j, 1, &f))
		return NULL;
	while (w->seen < w->upto && !w->wrong) {
		int rc = journal_read(r, 1000, &out, &f);
		if (rc == E_NOT_FOUND)
			continue;
		w->wrong = rc || out.number != w->seen + 1 || !kit_intact(&out) ||
			   out.number > journal_durable(w->j);
		w->seen = out.number;
	}
	journal_reader_free(r);
	return NULL;
}

static void reader_follows(void **state)
{
	struct stage *s = *state;
	struct journal *j = kit_start(&s->config);
	struct follower w[2] = { { .j = j, .upto = 2000 }, { .j = j, .upto = 2000 } };
	for (int i = 0; i < 2; i++)
		pthread_create(&w[i].thread, NULL, follow, &w[i]);
	for (uint64_t i = 1; i <= 2000; i++)
		assert_int_equal(kit_append(j, i % 100 ? i % 400 : 20000), 0);
	for (int i = 0; i < 2; i++) {
		pthread_join(w[i].thread, NULL);
		assert_false(w[i].wrong);
		assert_int_equal(w[i].seen, 2000);
	}
	assert_true(kit_count(s->dir, ".", ".seg") > 5);
	journal_free(j);
}

static void reader_sees_only_durable(void **state)
{
	struct stage *s = *state;
	struct fault f = { 0 };
	struct record out;
	struct journal_reader *r;
	struct journal *j = kit_start(&s->config);
	assert_int_equal(journal_reader_new(&r, j, 0, &f), 0);
	assert_int_equal(journal_read(r, 0, &out, &f), E_NOT_FOUND);
	atomic_store(&disk.hold_sync, true);
	assert_int_equal(kit_append(j, 30), 0);
	kit_wait(sync_is_held, NULL, "a sync");
	/* It is in the file by now, but not durable. */
	assert_int_equal(journal_read(r, 20, &out, &f), E_NOT_FOUND);
	atomic_store(&disk.hold_sync, false);
	assert_int_equal(journal_read(r, KIT_PATIENCE_MS, &out, &f), 0);
	assert_int_equal(out.number, 1);
	journal_reader_free(r);
	journal_free(j);
	/* From the middle, over a restart. */
	j = kit_start(&s->config);
	for (int i = 0; i < 3; i++)
		assert_int_equal(kit_append(j, 30), 0);
	kit_wait_durable(j, 4);
	assert_int_equal(journal_reader_new(&r, j, 3, &f), 0);
	assert_int_equal(journal_read(r, 0, &out, &f), 0);
	assert_int_equal(out.number, 3);
	journal_reader_free(r);
	journal_free(j);
}

/* --- room --- */

static void memory_bound(void **state)
{
	struct stage *s = *state;
	s->config.memory_bytes = 10 * 1024;
	int64_t refused = metric_value(METRIC_JOURNAL_FULL);
	struct journal *j = kit_start(&s->config);
	atomic_store(&disk.hold_sync, true);
	int rc = 0;
	uint64_t taken = 0;
	while ((rc = kit_append(j, 1000 - SEGMENT_RECORD_HEADER)) == 0)
		taken++;
	assert_int_equal(rc, E_FULL);
	assert_int_equal(taken, 10); /* of 1000 bytes each, those being written included */
	assert_int_equal(journal_last(j), taken);
	struct record both[2] = { { .kind = RECORD_TICK }, { .kind = RECORD_TICK } };
	char big[5000] = { 0 };
	both[1].body = (struct span){ big, sizeof(big) };
	assert_int_equal(journal_append_all(j, both, 2), E_FULL);
	assert_int_equal(journal_last(j), taken); /* none of them */
	assert_int_equal(metric_value(METRIC_JOURNAL_FULL), refused + 3);
	atomic_store(&disk.hold_sync, false);
	kit_wait_durable(j, taken);
	assert_int_equal(kit_append(j, 900), 0);
	journal_free(j);
	check_all(s->dir, taken + 1);
}

static bool fits_again(void *user)
{
	return kit_append(user, 6000) == 0;
}

static uint64_t disk_bytes(void)
{
	return (uint64_t)metric_value(METRIC_JOURNAL_DISK_BYTES);
}

static void disk_cap(void **state)
{
	struct stage *s = *state;
	s->config.disk_cap_bytes = 4 * KIT_SEGMENT;
	struct journal *j = kit_start(&s->config);
	int rc = 0;
	while ((rc = kit_append(j, 6000)) == 0)
		assert_true(disk_bytes() <= s->config.disk_cap_bytes);
	assert_int_equal(rc, E_FULL);
	uint64_t last = journal_last(j);
	assert_true(last >= 36); /* four segments of ten, perhaps the last not yet cut */
	kit_wait_durable(j, last);
	assert_true(disk_bytes() <= s->config.disk_cap_bytes);
	assert_false(journal_failed(j));
	journal_release(j, last + 1); /* everything: all but the newest may go */
	kit_wait(fits_again, j, "room after the release");
	kit_wait_durable(j, last + 1);
	journal_free(j);
	struct kit_found found = kit_scan(s->dir);
	assert_true(kit_has(&found, last + 1));
	assert_false(kit_has(&found, 1));
	kit_found_free(&found);
}

static void larger_than_a_segment(void **state)
{
	struct stage *s = *state;
	struct journal *j = kit_start(&s->config);
	assert_int_equal(kit_append(j, 100), 0);
	assert_int_equal(kit_append(j, 10 << 20), 0);
	assert_int_equal(kit_append(j, 100), 0);
	/* Exactly what a segment can hold, and one byte more. */
	size_t most = KIT_SEGMENT - SEGMENT_HEADER - SEGMENT_ALIGN - SEGMENT_RECORD_HEADER;
	assert_int_equal(kit_append(j, most), 0);
	assert_int_equal(kit_append(j, most + 1), 0);
	assert_int_equal(kit_append(j, 0), 0);
	kit_wait_durable(j, 6);
	struct follower w = { .j = j, .upto = 6 };
	follow(&w);
	assert_false(w.wrong);
	journal_free(j);
	check_all(s->dir, 6);
	j = kit_open(&s->config);
	assert_int_equal(journal_last(j), 6);
	journal_free(j);
}

static void too_large(void **state)
{
	struct stage *s = *state;
	struct journal *j = kit_start(&s->config);
	struct record r = { .kind = RECORD_TICK, .body = { "", SEGMENT_BODY_MAX + 1u } };
	assert_int_equal(journal_append(j, &r), E_TOO_LARGE);
	assert_int_equal(journal_last(j), 0);
	journal_free(j);
}

/* A full disk is noticed while the next segment is prepared: refused, not failed; what was taken
 * before is written when there is room. */
static void full_disk_refuses(void **state)
{
	struct stage *s = *state;
	struct journal *j = kit_start(&s->config);
	assert_int_equal(kit_append(j, 100), 0);
	kit_wait_durable(j, 1);
	atomic_store(&disk.no_space, true);
	int rc = 0;
	while ((rc = kit_append(j, 6000)) == 0)
		;
	assert_int_equal(rc, E_FULL);
	assert_false(journal_failed(j));
	atomic_store(&disk.no_space, false);
	kit_wait(fits_again, j, "room on the disk");
	uint64_t last = journal_last(j);
	kit_wait_durable(j, last);
	journal_free(j);
	check_all(s->dir, last);
}

static void full_disk_before_the_start(struct stage *s, struct journal **out)
{
	struct fault f = { 0 };
	struct journal *j = kit_open(&s->config);
	assert_int_equal(kit_append(j, 100), 0);
	assert_int_equal(kit_append(j, 200000), 0);
	atomic_store(&disk.no_space, true);
	assert_int_equal(journal_start(j, &f), 0);
	assert_int_equal(kit_append(j, 100), E_FULL);
	assert_int_equal(journal_durable(j), 0);
	assert_false(journal_failed(j));
	*out = j;
}

static void full_disk_waits(void **state)
{
	struct stage *s = *state;
	struct journal *j;
	full_disk_before_the_start(s, &j);
	atomic_store(&disk.no_space, false);
	kit_wait_durable(j, 2);
	journal_free(j);
	check_all(s->dir, 2);
}

static void full_disk_at_the_end(void **state)
{
	struct stage *s = *state;
	struct journal *j;
	full_disk_before_the_start(s, &j);
	journal_free(j); /* comes back, although nothing could be written */
	assert_int_equal(atomic_load(&s->durable), 0);
	assert_int_equal(atomic_load(&s->failures), 1);
}

/* --- failures --- */

static void check_failed_for_good(struct stage *s, struct journal *j, uint64_t durable)
{
	kit_wait(has_failed, j, "the journal to fail");
	atomic_store(&disk.fail_sync, false);
	atomic_store(&disk.fail_write, false);
	assert_int_equal(kit_append(j, 10), E_IO);
	assert_int_equal(kit_append(j, 10000), E_IO);
	assert_int_equal(journal_durable(j), durable);
	struct journal_reader *r;
	struct record out;
	struct fault f = { 0 };
	assert_int_equal(journal_reader_new(&r, j, durable + 1, &f), 0);
	assert_int_equal(journal_read(r, 5, &out, &f), E_NOT_FOUND);
	journal_reader_free(r);
	journal_free(j);
	assert_int_equal(atomic_load(&s->failures), 1);
	assert_int_equal(atomic_load(&s->durable), durable);
	j = kit_open(&s->config);
	struct kit_found found = kit_replay(j);
	for (uint64_t i = 1; i <= durable; i++)
		assert_true(kit_has(&found, i));
	kit_found_free(&found);
	assert_int_equal(journal_start(j, &f), 0);
	assert_int_equal(kit_append(j, 10), 0);
	kit_wait_durable(j, journal_last(j));
	journal_free(j);
}

static void failing_sync(void **state)
{
	struct stage *s = *state;
	struct journal *j = kit_start(&s->config);
	for (int i = 0; i < 5; i++)
		assert_int_equal(kit_append(j, 100), 0);
	kit_wait_durable(j, 5);
	atomic_store(&disk.hold_sync, true);
	assert_int_equal(kit_append(j, 100), 0);
	kit_wait(sync_is_held, NULL, "a sync");
	assert_int_equal(kit_append(j, 100), 0); /* waits in the queue */
	atomic_store(&disk.fail_sync, true);
	atomic_store(&disk.hold_sync, false);
	check_failed_for_good(s, j, 5);
}

static void failing_write(void **state)
{
	struct stage *s = *state;
	struct journal *j = kit_start(&s->config);
	for (int i = 0; i < 5; i++)
		assert_int_equal(kit_append(j, 100), 0);
	kit_wait_durable(j, 5);
	atomic_store(&disk.fail_write, true);
	assert_int_equal(kit_append(j, 100), 0);
	check_failed_for_good(s, j, 5);
}

static void failing_sync_at_a_segments_end(void **state)
{
	struct stage *s = *state;
	struct journal *j = kit_start(&s->config);
	assert_int_equal(kit_append(j, 100), 0);
	kit_wait_durable(j, 1);
	atomic_store(&disk.hold_sync, true);
	for (int i = 0; i < 30; i++)
		assert_int_equal(kit_append(j, 6000), 0); /* three segments */
	atomic_store(&disk.fail_sync, true);
	atomic_store(&disk.hold_sync, false);
	check_failed_for_good(s, j, 1);
}

/* --- release --- */

struct files {
	const char *dir;
	unsigned want;
};

static bool has_files(void *user)
{
	struct files *x = user;
	return kit_count(x->dir, ".", ".seg") == x->want;
}

static void release(void **state)
{
	struct stage *s = *state;
	struct journal *j;
	for (int i = 0; i < 5; i++) { /* five segments: numbers 1-2, 3-4, ... 9-10 */
		j = kit_start(&s->config);
		assert_int_equal(kit_append(j, 10), 0);
		assert_int_equal(kit_append(j, 10), 0);
		journal_free(j);
	}
	struct files files = { s->dir, 5 };
	assert_true(has_files(&files));

	s->config.retention_ms = 3600 * 1000; /* all are younger */
	j = kit_start(&s->config);
	uint64_t before = disk_bytes();
	journal_release(j, 100);
	journal_free(j);
	assert_true(has_files(&files));

	s->config.retention_ms = 0;
	j = kit_start(&s->config);
	journal_release(j, 6); /* 5 is in the third segment with 6: two may go */
	files.want = 3;
	kit_wait(has_files, &files, "two segments to go");
	assert_false(kit_exists(s->dir, "0000000000000003.seg"));
	assert_true(kit_exists(s->dir, "0000000000000005.seg"));
	journal_release(j, 2); /* never backwards */
	journal_release(j, 1000);
	files.want = 1;
	kit_wait(has_files, &files, "all but the newest to go");
	assert_true(kit_exists(s->dir, "0000000000000009.seg"));
	assert_true(disk_bytes() < before + KIT_SEGMENT);
	/* A reader that wants what is gone gets what there is. */
	struct journal_reader *r;
	struct record out;
	struct fault f = { 0 };
	assert_int_equal(journal_reader_new(&r, j, 1, &f), 0);
	assert_int_equal(journal_read(r, 0, &out, &f), 0);
	assert_int_equal(out.number, 9);
	journal_reader_free(r);
	assert_int_equal(journal_last(j), 10);
	journal_free(j);
	j = kit_open(&s->config);
	assert_int_equal(journal_last(j), 10);
	journal_free(j);
}

/* A reader in the middle of a segment finishes it although it is released meanwhile. */
static void release_under_a_reader(void **state)
{
	struct stage *s = *state;
	struct fault f = { 0 };
	struct record out;
	struct journal_reader *r;
	struct journal *j = kit_start(&s->config);
	for (int i = 0; i < 30; i++)
		assert_int_equal(kit_append(j, 6000), 0);
	kit_wait_durable(j, 30);
	assert_int_equal(journal_reader_new(&r, j, 1, &f), 0);
	assert_int_equal(journal_read(r, 0, &out, &f), 0);
	journal_release(j, 31);
	struct files files = { s->dir, 1 };
	kit_wait(has_files, &files, "the old segments to go");
	uint64_t seen = out.number;
	while (journal_read(r, 0, &out, &f) == 0) {
		assert_true(out.number > seen);
		assert_true(kit_intact(&out));
		seen = out.number;
	}
	assert_int_equal(seen, 30);
	journal_reader_free(r);
	journal_free(j);
}

/* Retention counts from the last write to a segment, over restarts. */
static void retention(void **state)
{
	struct stage *s = *state;
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct journal *j;
	for (int i = 0; i < 3; i++) {
		j = kit_start(&s->config);
		assert_int_equal(kit_append(j, 10), 0);
		journal_free(j);
	}
	char *first = kit_path(s->dir, "0000000000000001.seg");
	/* As a crash leaves it: not cut. What recovery does to it is no last write. */
	assert_int_equal(truncate(first, KIT_SEGMENT), 0);
	assert_int_equal(utimensat(AT_FDCWD, first, old, 0), 0);
	free(first);
	journal_free(kit_open(&s->config));
	s->config.retention_ms = 3600 * 1000;
	j = kit_start(&s->config);
	journal_release(j, 100);
	struct files files = { s->dir, 2 };
	kit_wait(has_files, &files, "the old one to go");
	assert_true(kit_exists(s->dir, "0000000000000002.seg"));
	journal_free(j);
	assert_true(has_files(&files));
}

static void overwrite(const char *dir, const char *name, size_t at, size_t n)
{
	struct buf zeros AUTO_BUF = { 0 };
	char *path = kit_path(dir, name);
	int fd = open(path, O_WRONLY);
	while (zeros.n < n)
		buf_addc(&zeros, 0);
	assert_int_equal(pwrite(fd, zeros.p, n, (off_t)at), n);
	close(fd);
	free(path);
}

/* Somebody writes over the file under a running journal. */
static void damage_under_a_reader(void **state)
{
	struct stage *s = *state;
	struct fault f = { 0 };
	struct record out;
	struct journal_reader *r;
	struct journal *j = kit_start(&s->config);
	size_t step = segment_record_bytes(100);
	for (int i = 0; i < 6; i++)
		assert_int_equal(kit_append(j, 100), 0);
	kit_wait_durable(j, 6);
	/* 2 and 3, with whole ones behind them; then 5 and 6, with nothing behind them. */
	overwrite(s->dir, "0000000000000001.seg", SEGMENT_HEADER + step, 2 * step);
	overwrite(s->dir, "0000000000000001.seg", SEGMENT_HEADER + 4 * step, 2 * step);
	assert_int_equal(journal_reader_new(&r, j, 1, &f), 0);
	assert_int_equal(journal_read(r, 0, &out, &f), 0);
	assert_int_equal(out.number, 1);
	assert_int_equal(journal_read(r, 0, &out, &f), 0);
	assert_int_equal(out.number, 4);
	assert_int_equal(journal_read(r, 0, &out, &f), E_CORRUPT);
	assert_non_null(strstr(f.text, "5 to 6"));
	assert_int_equal(journal_read(r, 0, &out, &f), E_NOT_FOUND);
	assert_int_equal(kit_append(j, 100), 0);
	assert_int_equal(journal_read(r, KIT_PATIENCE_MS, &out, &f), 0);
	assert_int_equal(out.number, 7);
	journal_reader_free(r);
	journal_free(j);
}

/* Started on a full disk: everything is refused until there is room. */
static void full_disk_at_the_start(void **state)
{
	struct stage *s = *state;
	atomic_store(&disk.no_space, true);
	struct journal *j = kit_start(&s->config);
	assert_int_equal(kit_append(j, 100), E_FULL);
	assert_false(journal_failed(j));
	atomic_store(&disk.no_space, false);
	kit_wait(fits_again, j, "room on the disk");
	journal_free(j);
	check_all(s->dir, 1);
}

static void scan_beside_a_writer(void **state)
{
	struct stage *s = *state;
	struct journal *j = kit_start(&s->config);
	for (uint64_t i = 1; i <= 50; i++)
		assert_int_equal(kit_append(j, i * 50), 0);
	kit_wait_durable(j, 50);
	check_all(s->dir, 50);
	assert_int_equal(kit_append(j, 10), 0);
	journal_free(j);
	check_all(s->dir, 51);
}

static void counts(void **state)
{
	struct stage *s = *state;
	int64_t records = metric_value(METRIC_JOURNAL_RECORDS);
	int64_t bytes = metric_value(METRIC_JOURNAL_BYTES);
	struct journal *j = kit_start(&s->config);
	assert_int_equal(kit_append(j, 9), 0);
	assert_int_equal(kit_append(j, 8000), 0);
	assert_int_equal(metric_value(METRIC_JOURNAL_RECORDS), records + 2);
	assert_int_equal(metric_value(METRIC_JOURNAL_BYTES), bytes + 64 + 16 + 64 + 8000);
	kit_wait_durable(j, 2);
	assert_true(metric_value(METRIC_JOURNAL_DISK_BYTES) >= KIT_SEGMENT);
	journal_free(j);
}

static void kinds_have_names(void **state)
{
	(void)state;
	assert_string_equal(record_kind_name(RECORD_WEBHOOK), "webhook");
	assert_string_equal(record_kind_name(RECORD_BIND), "bind");
	assert_null(record_kind_name((enum record_kind)0));
	assert_null(record_kind_name((enum record_kind)200));
#define X(name, number, doc) assert_int_equal(strcasecmp(record_kind_name(number), #name), 0);
	RECORD_KINDS(X)
#undef X
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_set, stage_clear)

int main(void)
{
	log_init(LOG_ERROR + 1, LOG_TEXT);
	const struct CMUnitTest tests[] = {
		STAGED(four_threads),
		STAGED(group_commit),
		STAGED(groups_stay_together),
		STAGED(append_before_start),
		STAGED(short_writes_go_on),
		STAGED(reader_follows),
		STAGED(reader_sees_only_durable),
		STAGED(memory_bound),
		STAGED(disk_cap),
		STAGED(larger_than_a_segment),
		STAGED(too_large),
		STAGED(full_disk_refuses),
		STAGED(full_disk_waits),
		STAGED(full_disk_at_the_end),
		STAGED(failing_sync),
		STAGED(failing_write),
		STAGED(failing_sync_at_a_segments_end),
		STAGED(release),
		STAGED(release_under_a_reader),
		STAGED(retention),
		STAGED(damage_under_a_reader),
		STAGED(full_disk_at_the_start),
		STAGED(scan_beside_a_writer),
		STAGED(counts),
		STAGED(kinds_have_names),
	};
	return cmocka_run_group_tests_name("journal writing", tests, NULL, NULL);
}
