/* What a restart reads again. A journal of hours, written with stamps of its own, goes through
 * ingest and projector in several lives; after each the tables must hold exactly the events that a
 * replay of everything retained gives, whatever was released and whichever database was there. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "call/session.h"
#include "ingest/lane.h"
#include "tests/store/store_fixture.h"

enum { CALLS = 300, PER_CALL = 4, MINUTE_S = 60, PATIENCE_S = 60 };

#define MINUTE_US (MINUTE_S * SECOND_US)

struct stage {
	char dir[96], journal[128];
	int64_t begin_us; /* of the first call; one a minute from then on */
};

/* --- writing what lanes would have written --- */

static struct uuid call_id(unsigned n)
{
	return (struct uuid){ { 0xca, (uint8_t)(n >> 8), (uint8_t)n, 0, 0, 0, 0x50, 0, 0x80 } };
}

static void append(struct journal *j, unsigned call, enum record_kind kind, int64_t at_us,
		   struct span body)
{
	struct record r = { .kind = kind, .at_us = at_us, .body = body };
	if (call)
		r.call = call_id(call);
	int rc;
	while ((rc = journal_append(j, &r)) == E_FULL)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	assert_int_equal(rc, 0);
}

static void bind_call(struct journal *j, unsigned call, int64_t at_us)
{
	struct buf body AUTO_BUF = { 0 };
	struct settings s;
	settings_defaults(&s);
	s.org = (struct uuid){ { [6] = 0x70, [8] = 0x80, [15] = 1 } };
	s.source = (struct uuid){ { 5 } };
	s.dialect = SPAN("vapi");
	settings_write(&s, &body);
	append(j, call, RECORD_BIND, at_us, buf_span(&body));
}

static void webhook(struct journal *j, unsigned call, int64_t at_us, const char *members)
{
	struct buf body AUTO_BUF = { 0 };
	buf_printf(&body,
		   "{\"message\":{\"timestamp\":%lld,\"call\":{\"id\":\"call-%u\",\"orgId\":\"o\","
		   "\"type\":\"inboundPhoneCall\"},%s}}",
		   (long long)(at_us / 1000), call, members);
	append(j, call, RECORD_WEBHOOK, at_us, buf_span(&body));
}

#define RUNS "\"type\":\"status-update\",\"status\":\"in-progress\""
#define SAYS                                                                      \
	"\"type\":\"transcript\",\"transcriptType\":\"final\",\"role\":\"user\"," \
	"\"transcript\":\"a table for two please\""
#define ENDS \
	"\"type\":\"status-update\",\"status\":\"ended\",\"endedReason\":\"customer-ended-call\""
#define REPORTS                                                                                \
	"\"type\":\"end-of-call-report\",\"endedReason\":\"customer-ended-call\",\"summary\":" \
	"\"late\""

static void begin_call(struct journal *j, unsigned call, int64_t at_us)
{
	bind_call(j, call, at_us);
	webhook(j, call, at_us, RUNS);
	webhook(j, call, at_us + SECOND_US, SAYS);
}

/* A call that is heard of again when all have forgotten it. */
static void late(struct journal *j, unsigned call, int64_t at_us)
{
	bind_call(j, call, at_us);
	webhook(j, call, at_us, REPORTS);
}

static void finished_calls(struct stage *s, struct journal *j, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		int64_t at = s->begin_us + i * MINUTE_US;
		begin_call(j, i, at);
		webhook(j, i, at + 20 * SECOND_US, ENDS);
	}
}

/* --- a life --- */

struct life {
	struct ingest *in;
	struct projector *p;
	uint64_t calls_again, projector_again; /* records, in this life */
};

static uint64_t again(const char *by)
{
	struct buf text AUTO_BUF = { 0 };
	char line[96];
	metrics_write(&text);
	snprintf(line, sizeof(line), "callmend_reapplied_records_total{by=\"%s\"} ", by);
	const char *at = strstr(buf_z(&text), line);
	return at ? strtoull(at + strlen(line), NULL, 10) : 0;
}

static struct life life_begin(struct stage *s, const char *url, unsigned lanes)
{
	struct ingest_config ic = {
		.lanes = lanes,
		.journal = { .dir = s->journal,
			     .segment_bytes = 64 << 10,
			     .memory_bytes = 16 << 20,
			     .disk_cap_bytes = 1 << 30,
			     .retention_ms = 3600 * 1000 },
		.state_dir = s->dir,
		.max_calls = 1000,
		.max_effects = 8,
	};
	struct life l = { .calls_again = again("calls"), .projector_again = again("projector") };
	assert_ok(ingest_new(&l.in, &ic, &oops));
	l.calls_again = again("calls") - l.calls_again;
	struct projector_config pc = { .ingest = l.in, .url = url, .keep_days = 30 };
	assert_ok(projector_start(&l.p, &pc, &oops));
	return l;
}

/* Until all is stored; ends as a core does. */
static void life_end(struct life *l)
{
	struct journal *j = ingest_journal(l->in);
	int64_t until = clock_monotonic_us() + PATIENCE_S * SECOND_US;
	journal_commit(j);
	while (projector_position(l->p) < journal_last(j)) {
		if (clock_monotonic_us() > until)
			fail_msg("stored up to %llu of %llu",
				 (unsigned long long)projector_position(l->p),
				 (unsigned long long)journal_last(j));
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	projector_stop(l->p, 1000);
	ingest_free(l->in);
	l->projector_again = again("projector") - l->projector_again;
}

/* --- what must be stored --- */

struct sums {
	uint64_t n, sum, bits;
};

static void add_event(void *user, struct span json)
{
	struct sums *s = user;
	int64_t seq;
	assert_true(json_i64(json_get(json_of(json), "seq"), &seq));
	s->n++;
	s->sum += (uint64_t)seq;
	s->bits ^= (uint64_t)seq;
}

static const char *value(const char *url, const char *query)
{
	static char kept[4][512];
	static unsigned next;
	char *out = kept[next++ % 4];
	PGconn *conn = PQconnectdb(url);
	PGresult *result = PQexec(conn, query);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", query, PQerrorMessage(conn));
	snprintf(out, sizeof(kept[0]), "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
	PQfinish(conn);
	return out;
}

static void check_stored(struct stage *s, const char *url, const char *quarantined)
{
	struct sums want = { 0 };
	char text[128];
	assert_ok(replay_journal(s->journal, NULL, add_event, &want, &oops));
	snprintf(text, sizeof(text), "%llu %llu %llu", (unsigned long long)want.n,
		 (unsigned long long)want.sum, (unsigned long long)want.bits);
	assert_string_equal(value(url, "select count(*) || ' ' || sum(seq) || ' ' || bit_xor(seq) "
				       "from call_events"),
			    text);
	assert_string_equal(value(url, "select count(*) from quarantine"), quarantined);
}

static const char *calls_of(const char *url)
{
	return value(url, "select md5(string_agg((to_jsonb(c) - 'created_at' - 'updated_at')::text,"
			  " ',' order by id)) from calls c");
}

/* --- the lives --- */

static void restarts(void **state)
{
	struct stage *s = *state;
	struct fault f = { 0 };
	const char *main_url = fixture_url();
	char older[300], empty[300];

	/* First: half of the calls, an input of no call, a record of a call nobody knows. */
	struct life l = life_begin(s, main_url, 1);
	struct journal *j = ingest_journal(l.in);
	assert_int_equal(l.calls_again, 0);
	finished_calls(s, j, 1, CALLS / 2);
	append(j, 0, RECORD_REFUSED, s->begin_us + CALLS / 2 * MINUTE_US, SPAN("{}\nnonsense"));
	append(j, 999, RECORD_TICK, s->begin_us + CALLS / 2 * MINUTE_US, (struct span){ 0 });
	life_end(&l);
	check_stored(s, main_url, "2");
	assert_int_equal(l.projector_again, 0);
	/* A backup of the database. */
	sql("create database older template %s", value(main_url, "select current_database()"));
	snprintf(older, sizeof(older), "%s", main_url);
	snprintf(strstr(older, " dbname="), 100, " dbname=older");

	/* Second: what lingers is read again, the long finished is not. */
	l = life_begin(s, main_url, 1);
	j = ingest_journal(l.in);
	uint64_t lingering = UINT64_C(13) * PER_CALL; /* ten minutes, and the slack */
	assert_in_range(l.calls_again, 1, lingering);
	assert_true(HASH_COUNT(l.in->restored) == 0); /* by the wall clock, half a day later */
	finished_calls(s, j, CALLS / 2, CALLS);
	late(j, 1, s->begin_us + (CALLS + 12) * MINUTE_US);
	begin_call(j, 500, s->begin_us + (CALLS + 40) * MINUTE_US);
	life_end(&l);
	assert_in_range(l.projector_again, 1, lingering);
	check_stored(s, main_url, "2");

	/* Third, with more shards: one call runs, and it is all that is read again. A late message
	 * of one whose records are below; one of a time before (the clock was set back). */
	l = life_begin(s, main_url, 3);
	j = ingest_journal(l.in);
	uint64_t released = journal_released(j);
	assert_int_equal(released, journal_last(j) - 2);
	assert_int_equal(l.calls_again, 3);
	assert_int_equal(HASH_COUNT(l.in->restored), 1);
	struct uuid running = call_id(500);
	struct call_entry *c;
	HASH_FIND(hh, l.in->restored, &running, sizeof(running), c);
	assert_non_null(c);
	assert_int_equal(session_first_record(c->session), released);
	late(j, 2, s->begin_us + (CALLS + 41) * MINUTE_US);
	late(j, CALLS - 1, s->begin_us + (CALLS + 2) * MINUTE_US);
	webhook(j, 500, s->begin_us + (CALLS + 42) * MINUTE_US, ENDS);
	life_end(&l);
	assert_int_equal(l.projector_again, 3);
	check_stored(s, main_url, "2");
	const char *calls = calls_of(main_url);

	/* The backup is restored: everything retained is read, nothing is missing or there twice.
	 * The lanes need no more than before. */
	uint64_t position =
		strtoull(value(older, "select position from journal_positions"), NULL, 10);
	assert_true(position + 1 < released);
	l = life_begin(s, older, 1);
	assert_in_range(l.calls_again, 0, 8);
	life_end(&l);
	assert_int_equal(l.projector_again, position);
	check_stored(s, older, "2");
	assert_string_equal(calls_of(older), calls);

	/* A new database. */
	snprintf(empty, sizeof(empty), "%s", fresh_database("empty"));
	assert_ok(store_migrate(empty, NULL, &f));
	l = life_begin(s, empty, 1);
	life_end(&l);
	assert_int_equal(l.projector_again, 0);
	check_stored(s, empty, "2");
	assert_string_equal(calls_of(empty), calls);

	/* And back to the first one, which needs nothing again but the latest calls. */
	l = life_begin(s, main_url, 2);
	begin_call(ingest_journal(l.in), 501, clock_now_us());
	life_end(&l);
	assert_in_range(l.projector_again, 1, 8);
	check_stored(s, main_url, "2");
}

static int stage_set(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	CHECK(s);
	snprintf(s->dir, sizeof(s->dir), "%s/state", fixture.dir);
	snprintf(s->journal, sizeof(s->journal), "%s/journal", s->dir);
	s->begin_us = clock_now_us() - 12 * 60 * MINUTE_US;
	*state = s;
	return file_make_dir(s->journal, 0700, &oops);
}

static int stage_clear(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(restarts, stage_set, stage_clear),
	};
	return cmocka_run_group_tests_name("restart", tests, fixture_start_migrated, fixture_stop);
}
