/* How long a core's start takes beside a big journal: opening it (recovery) and the whole of
 * ingest_new (recovery, and calls brought back), once with nothing released and once with all but
 * the last quarter of an hour. Files are in memory.
 *
 *	start_bench [MiB retained, default 1024] [folder, default /tmp] */
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "bench/measure.h"
#include "call/session.h"
#include "callmend/settings.h"
#include "ingest/ingest.h"

enum { FINALS = 40, FINAL_BYTES = 1500, PER_CALL = 1 + FINALS + 1, LINGERING = 15 };

struct bench {
	char dir[PATH_MAX - 32], journal[PATH_MAX];
	struct buf settings;
	struct fault f;
};

static struct journal_config config_of(const struct bench *b)
{
	return (struct journal_config){ .dir = b->journal,
					.segment_bytes = 64 << 20,
					.memory_bytes = 64 << 20,
					.disk_cap_bytes = UINT64_C(1) << 40,
					.retention_ms = INT64_C(24) * 3600 * 1000 };
}

static struct journal *begin(struct bench *b)
{
	struct journal_config config = config_of(b);
	struct journal *j;
	must(journal_open(&j, &config, &b->f), &b->f);
	must(journal_start(j, &b->f), &b->f);
	return j;
}

static void append(struct journal *j, struct record r)
{
	while (journal_append(j, &r) == E_FULL)
		sched_yield();
}

static void make_settings(struct bench *b)
{
	struct settings s;
	settings_defaults(&s);
	s.source.b[0] = 5;
	s.dialect = SPAN("vapi");
	settings_write(&s, &b->settings);
}

/* A call of a minute: its settings, FINALS sentences, its end. */
static void add_call(struct bench *b, struct journal *j, uint32_t n, int64_t at_us)
{
	struct record r = { .kind = RECORD_BIND,
			    .at_us = at_us,
			    .call = { { 0xca, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } },
			    .body = buf_span(&b->settings) };
	struct buf body AUTO_BUF = { 0 };
	append(j, r);
	r.kind = RECORD_WEBHOOK;
	for (int i = 0; i <= FINALS; i++) {
		buf_clear(&body);
		buf_printf(&body, "{\"message\":{\"call\":{\"id\":\"%u\"},", (unsigned)n);
		if (i < FINALS)
			buf_printf(&body,
				   "\"type\":\"transcript\",\"transcriptType\":\"final\","
				   "\"role\":\"user\",\"transcript\":\"%0*d\"}}",
				   FINAL_BYTES, i);
		else
			buf_addz(&body, "\"type\":\"status-update\",\"status\":\"ended\"}}");
		r.at_us += SECOND_US;
		r.body = buf_span(&body);
		append(j, r);
	}
}

static void fill(struct bench *b, uint64_t mib)
{
	struct journal *j = begin(b);
	uint32_t calls = (uint32_t)((mib << 20) / (PER_CALL * (FINAL_BYTES + 160))) + LINGERING;
	int64_t from = clock_now_us() - calls * 60 * SECOND_US;
	for (uint32_t i = 0; i < calls; i++)
		add_call(b, j, i, from + i * 60 * SECOND_US);
	journal_free(j);
}

static void start_once(struct bench *b, const char *what)
{
	struct ingest_config config = { .lanes = 1,
					.journal = config_of(b),
					.state_dir = b->dir,
					.max_calls = 1,
					.max_effects = 1 };
	struct journal *j;
	struct ingest *in;
	int64_t before = metric_value(METRIC_REAPPLIED), bytes, times[4];
	times[0] = clock_monotonic_us();
	must(journal_open(&j, &config.journal, &b->f), &b->f);
	times[1] = clock_monotonic_us();
	bytes = metric_value(METRIC_JOURNAL_DISK_BYTES);
	journal_free(j);
	times[2] = clock_monotonic_us();
	must(ingest_new(&in, &config, &b->f), &b->f);
	times[3] = clock_monotonic_us();
	printf("%-16s %6.0f MiB retained   open %8.1f ms   start %9.1f ms   %9lld records "
	       "applied\n",
	       what, (double)bytes / (1 << 20), (double)(times[1] - times[0]) / 1e3,
	       (double)(times[3] - times[2]) / 1e3,
	       (long long)(metric_value(METRIC_REAPPLIED) - before));
	ingest_free(in);
}

static void release(struct bench *b)
{
	struct journal *j = begin(b);
	journal_release(j, journal_last(j) + 1 - LINGERING * PER_CALL);
	journal_free(j);
}

static void clean_up(const char *dir)
{
	char command[PATH_MAX + 16];
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		fprintf(stderr, "start_bench: %s is left over\n", dir);
}

int main(int argc, char **argv)
{
	struct bench b = { 0 };
	uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 1024;
	log_init(LOG_ERROR, LOG_TEXT);
	snprintf(b.dir, sizeof(b.dir), "%s/callmend-start-bench-XXXXXX",
		 argc > 2 ? argv[2] : "/tmp");
	if (!mkdtemp(b.dir)) {
		perror(b.dir);
		return 1;
	}
	snprintf(b.journal, sizeof(b.journal), "%s/journal", b.dir);
	must(file_make_dir(b.journal, 0700, &b.f), &b.f);
	make_settings(&b);
	fill(&b, mib);
	start_once(&b, "nothing released");
	release(&b);
	start_once(&b, "released");
	buf_free(&b.settings);
	clean_up(b.dir);
	return 0;
}
