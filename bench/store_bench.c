/* Event rows a second into a private PostgreSQL: batches through store_write beside one commit per
 * row.
 *
 * store_bench [rows]      (default 20000; prints the median of three rounds and the ratio to one
 * row per commit) */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "callmend/record.h"
#include "callmend/store.h"

enum { ROUNDS = 3, BATCH_MAX = 500, TEXTS = 24 };

#define CALL "10000000-0000-5000-8000-000000000001"
#define ORG "00000000-0000-7000-8000-000000000001"
#define BODY                                                                                   \
	"{\"turn\": 12, \"revision\": 1, \"words\": 23, \"started_at\": "                      \
	"\"2026-11-21T04:53:00.123456Z\", "                                                    \
	"\"ended_at\": \"2026-11-21T04:53:04.123456Z\", \"note\": \"a body of about the size " \
	"that events have when they "                                                          \
	"are stored: some three hundred bytes of JSON, of which most is names and numbers\"}"

static struct store_writer *writer;
static char now[CLOCK_ISO + 1], day[11];
static uint64_t position;

static void need(int rc, const struct fault *f)
{
	if (rc == 0)
		return;
	fprintf(stderr, "%s\n", f->text);
	exit(1);
}

static void write_batch(unsigned n)
{
	static char seqs[BATCH_MAX][TEXTS];
	struct store_row rows[BATCH_MAX];
	struct fault f = { 0 };
	for (unsigned i = 0; i < n; i++) {
		uint64_t record = position + i + 1;
		snprintf(seqs[i], TEXTS, "%llu", (unsigned long long)seq_of(record, 0));
		rows[i] = (struct store_row){ STORE_ROW_EVENT,
					      record,
					      { CALL, seqs[i], day, NULL, "turn", "user",
						"some words that were said", "true", now, "1500",
						BODY, ORG, now } };
	}
	size_t refused = 0;
	need(store_write(writer, rows, n, position, position + n, &refused, &f), &f);
	CHECK(refused == 0);
	position += n;
}

static double rows_per_second(unsigned rows, unsigned batch)
{
	int64_t start = clock_monotonic_us();
	for (unsigned done = 0; done < rows; done += batch)
		write_batch(batch);
	return rows * 1e6 / (double)(clock_monotonic_us() - start);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void run(unsigned rows)
{
	/* One row per commit is slow: fewer of them say as much. */
	static const unsigned batches[] = { 1, 100, 500 };
	double rates[3][ROUNDS];
	/* Interleaved, so that whatever else the machine does meets all of them. */
	for (int round = 0; round < ROUNDS; round++)
		for (size_t b = 0; b < 3; b++)
			rates[b][round] =
				rows_per_second(batches[b] == 1 ? rows / 10 : rows, batches[b]);
	for (size_t b = 0; b < 3; b++)
		qsort(rates[b], ROUNDS, sizeof(double), by_value);
	printf("%-16s %10s %8s\n", "rows a commit", "rows/s", "ratio");
	for (size_t b = 0; b < 3; b++)
		printf("%-16u %10.0f %7.1fx\n", batches[b], rates[b][ROUNDS / 2],
		       rates[b][ROUNDS / 2] / rates[0][ROUNDS / 2]);
}

int main(int argc, char **argv)
{
	unsigned rows = argc > 1 ? (unsigned)atoi(argv[1]) : 20000;
	char dir[] = "/tmp/callmend-bench-XXXXXX", command[64];
	struct cluster *cluster;
	struct fault f = { 0 };
	struct uuid journal = uuid_v7();
	log_init(LOG_WARN, LOG_TEXT);
	rows -= rows % BATCH_MAX;
	clock_format(clock_now_us(), now);
	snprintf(day, sizeof(day), "%.10s", now);
	if (!rows || !mkdtemp(dir))
		return 1;
	need(cluster_start(&cluster, dir, &f), &f);
	need(store_migrate(cluster_url(cluster), NULL, &f), &f);
	need(store_writer_new(&writer, cluster_url(cluster), &journal, &f), &f);
	write_batch(BATCH_MAX);
	run(rows);
	store_writer_free(writer);
	cluster_stop(cluster);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}
