/* The journal beside the disk it stands on: how long from append to durable, and how many records a
 * second, with a plain pwrite + fdatasync into a preallocated file as the measure. Both sides take
 * turns, so that the ratio holds on a busy machine. Argument: a folder on the disk in question
 * (default /tmp).
 *
 *   alone   one record at a time; the journal adds a hop to its writer thread
 *   burst   64 records at a time: what group commit is for
 *   flood   as many as it takes, until the last one is durable */
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "journal/journal.h"

enum { ROUNDS = 5, ALONE = 200, BURSTS = 60, BURST = 64, FLOOD_BYTES = 24 << 20, PLAIN = 64 << 20 };

struct bench {
	const char *dir;
	struct journal *j;
	size_t body;
	char *bytes;
	atomic_int_fast64_t durable_at; /* when journal_durable() last moved */
	int plain_fd;
	off_t plain_at;
};

struct samples {
	double us[ROUNDS * ALONE];
	size_t n;
};

static void on_durable(void *user, uint64_t number)
{
	(void)number;
	struct bench *b = user;
	atomic_store(&b->durable_at, clock_monotonic_us());
}

static uint64_t append(struct bench *b)
{
	struct record r = { .kind = RECORD_WEBHOOK, .body = { b->bytes, b->body } };
	while (journal_append(b->j, &r) == E_FULL)
		sched_yield();
	return r.number;
}

static void wait_durable(struct bench *b, uint64_t number)
{
	while (journal_durable(b->j) < number)
		usleep(20); /* not spinning: the writer may need this core */
}

/* Microseconds until n records appended at once are durable. */
static double journal_once(struct bench *b, int n)
{
	uint64_t last = 0;
	int64_t start = clock_monotonic_us();
	atomic_store(&b->durable_at, 0);
	for (int i = 0; i < n; i++)
		last = append(b);
	wait_durable(b, last);
	while (atomic_load(&b->durable_at) == 0)
		sched_yield();
	return (double)(atomic_load(&b->durable_at) - start);
}

static double plain_once(struct bench *b, int n)
{
	int64_t start = clock_monotonic_us();
	for (int i = 0; i < n; i++) {
		if (b->plain_at + (off_t)b->body > PLAIN)
			b->plain_at = 0;
		if (pwrite(b->plain_fd, b->bytes, b->body, b->plain_at) != (ssize_t)b->body)
			abort();
		b->plain_at += (off_t)b->body;
		if (fdatasync(b->plain_fd) < 0)
			abort();
	}
	return (double)(clock_monotonic_us() - start);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double percentile(struct samples *s, size_t p)
{
	qsort(s->us, s->n, sizeof(*s->us), by_size);
	return s->us[s->n * p / 100];
}

static void report(const char *what, size_t body, struct samples *ours, struct samples *plain)
{
	printf("%-6s %6zu B  journal p50 %7.0f p99 %7.0f us   plain p50 %7.0f p99 %7.0f us   "
	       "ratio %.2f / %.2f\n",
	       what, body, percentile(ours, 50), percentile(ours, 99), percentile(plain, 50),
	       percentile(plain, 99), percentile(ours, 50) / percentile(plain, 50),
	       percentile(ours, 99) / percentile(plain, 99));
}

static void latency(struct bench *b, const char *what, int times, int at_once)
{
	static struct samples ours, plain;
	ours.n = plain.n = 0;
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < times; i++)
			ours.us[ours.n++] = journal_once(b, at_once);
		for (int i = 0; i < times; i++)
			plain.us[plain.n++] = plain_once(b, at_once);
	}
	report(what, b->body, &ours, &plain);
}

static void flood(struct bench *b)
{
	int n = (int)(FLOOD_BYTES / (b->body + 64));
	double plain_us = plain_once(b, ALONE) / ALONE;
	double us = journal_once(b, n) / n;
	printf("flood  %6zu B  journal %9.0f records/s   plain %9.0f records/s   ratio %.1f\n",
	       b->body, 1e6 / us, 1e6 / plain_us, plain_us / us);
}

static int measure(struct bench *b, size_t body)
{
	struct fault f = { 0 };
	struct journal_config config = { .dir = b->dir,
					 .segment_bytes = 64 << 20,
					 .memory_bytes = 16 << 20,
					 .disk_cap_bytes = UINT64_C(8) << 30,
					 .on_durable = on_durable,
					 .user = b };
	b->body = body;
	b->bytes = malloc(body);
	CHECK(b->bytes);
	memset(b->bytes, 'x', body);
	if (journal_open(&b->j, &config, &f) || journal_start(b->j, &f)) {
		fprintf(stderr, "journal_bench: %s\n", f.text);
		return 1;
	}
	journal_once(b, 1); /* the first segment */
	latency(b, "alone", ALONE, 1);
	latency(b, "burst", BURSTS, BURST);
	flood(b);
	journal_free(b->j);
	free(b->bytes);
	return 0;
}

static int plain_open(struct bench *b)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/plain", b->dir);
	b->plain_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return b->plain_fd < 0 || fallocate(b->plain_fd, 0, 0, PLAIN) < 0 || fsync(b->plain_fd) < 0;
}

static void clean_up(const char *dir)
{
	char command[PATH_MAX + 16];
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		fprintf(stderr, "journal_bench: %s is left over\n", dir);
}

int main(int argc, char **argv)
{
	char dir[PATH_MAX];
	struct bench b = { .dir = dir };
	log_init(LOG_ERROR, LOG_TEXT);
	snprintf(dir, sizeof(dir), "%s/callmend-journal-bench-XXXXXX", argc > 1 ? argv[1] : "/tmp");
	if (!mkdtemp(dir) || plain_open(&b)) {
		perror(dir);
		return 1;
	}
	int rc = measure(&b, 300);
	rc = rc ? rc : measure(&b, 30000);
	close(b.plain_fd);
	clean_up(dir);
	return rc;
}
