/* A2, A3, B1, I2: rows and position in one transaction, exactly once, whatever happens in between.
 */
#include "store_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "callmend/record.h"

#define CALL "10000000-0000-5000-8000-000000000001"
#define CONVERSATION "20000000-0000-5000-8000-000000000001"
#define PROJECT "30000000-0000-7000-8000-000000000001"
#define TOOL "40000000-0000-5000-8000-000000000001"
#define COMMAND "50000000-0000-7000-8000-000000000001"
#define AT "2026-11-21T04:53:00.123456Z"

static struct store_writer *writer;
static struct uuid journal;
static char journal_text[UUID_TEXT + 1];
static char today[11];

/* A journal of its own for each test: positions start at 0. */
static int set_up(void **state)
{
	(void)state;
	journal = uuid_v7();
	uuid_format(&journal, journal_text);
	snprintf(today, sizeof(today), "%s", sql("select (now() at time zone 'UTC')::date"));
	sql("truncate calls, call_events, conversations, messages, tool_calls, interventions, "
	    "quarantine");
	return store_writer_new(&writer, fixture_url(), &journal, &oops);
}

static int tear_down(void **state)
{
	(void)state;
	store_writer_free(writer);
	return 0;
}

/* The text of a row's seq must outlive the row: a ring is enough for the biggest batch here. */
static const char *number_text(uint64_t n)
{
	static char texts[2048][24];
	static unsigned next;
	char *text = texts[next++ % 2048];
	snprintf(text, sizeof(texts[0]), "%llu", (unsigned long long)n);
	return text;
}

static struct store_row event_on(const char *day, uint64_t record, const char *text)
{
	return (struct store_row){
		STORE_ROW_EVENT,
		record,
		{ CALL, number_text(seq_of(record, 0)), day, CONVERSATION, "transcript.final",
		  "user", text, "true", AT, "1500", "{\"a\": 1}", DEFAULT_ORG, AT },
	};
}

static struct store_row event(uint64_t record, const char *text)
{
	return event_on(today, record, text);
}

static const char *position(void)
{
	return sql(
		"select coalesce((select position from journal_positions where journal = '%s'), 0)",
		journal_text);
}

static void rows_and_position_together(void **state)
{
	(void)state;
	uint64_t at = 99;
	size_t refused = 99;
	assert_ok(store_writer_position(writer, &at, &oops));
	assert_int_equal(at, 0);
	struct store_row rows[] = { event(1, "hello"), event(2, "w\xc3\xb6rld") };
	assert_ok(store_write(writer, rows, 2, 0, 2, &refused, &oops));
	assert_int_equal(refused, 0);
	assert_ok(store_writer_position(writer, &at, &oops));
	assert_int_equal(at, 2);
	assert_string_equal(sql("select string_agg(text, ' ' order by seq) from call_events"),
			    "hello w\xc3\xb6rld");
	assert_string_equal(sql("select call_id || ' ' || conversation_id || ' ' || type || ' ' || "
				"speaker || ' ' || is_final"
				" || ' ' || callmend_time(at) || ' ' || offset_ms || ' ' || data "
				"from call_events limit 1"),
			    CALL " " CONVERSATION " transcript.final user true " AT
				 " 1500 {\"a\": 1}");
	assert_ok(store_write(writer, NULL, 0, 2, 7, NULL, &oops));
	assert_string_equal(position(), "7");
}

static void unknown_speaker_text_and_offset_are_null(void **state)
{
	(void)state;
	struct store_row row = event(1, "");
	row.params[5] = "";
	row.params[9] = "-1";
	row.params[3] = NULL;
	assert_ok(store_write(writer, &row, 1, 0, 1, NULL, &oops));
	assert_string_equal(sql("select speaker is null and text is null and offset_ms is null and "
				"conversation_id is null"
				" from call_events"),
			    "t");
}

static void position_of_another_is_a_conflict(void **state)
{
	(void)state;
	struct store_row row = event(6, "x");
	assert_ok(store_write(writer, NULL, 0, 0, 5, NULL, &oops));
	assert_int_equal(store_write(writer, &row, 1, 4, 6, NULL, &oops), E_CONFLICT);
	assert_int_equal(store_write(writer, &row, 1, 0, 6, NULL, &oops), E_CONFLICT);
	assert_string_equal(position(), "5");
	assert_string_equal(sql("select count(*) from call_events"), "0");
	/* And the writer is still good. */
	assert_ok(store_write(writer, &row, 1, 5, 6, NULL, &oops));
}

/* --- refused rows --- */

static void refused_rows_go_to_quarantine(void **state)
{
	(void)state;
	enum { ROWS = 40 };
	struct store_row rows[ROWS];
	size_t refused = 0;
	int64_t counted = metric_value(METRIC_PROJECTOR_REFUSED),
		written = metric_value(METRIC_PROJECTOR_ROWS);
	for (unsigned i = 0; i < ROWS; i++)
		rows[i] = event(i + 1, "fine");
	rows[0].params[10] = "{\"a\":\"\\u0000\"}"; /* 22P05: jsonb holds no NUL */
	rows[7].params[6] = "bad \xff utf-8";	    /* 22021 */
	rows[8].params[5] = "robot";		    /* 23514: check */
	rows[20] = rows[19];			    /* 23505: the same event twice */
	rows[20].record = 21;
	rows[30].params[2] = "1999-12-31";	     /* 23514: no partition, and too old for one */
	rows[31].params[9] = "99999999999999999999"; /* 22003 */
	rows[39].params[0] = "no uuid"; /* 22P02, and the id in quarantine must be null */
	rows[39].params[12] = "no time";
	assert_ok(store_write(writer, rows, ROWS, 0, ROWS, &refused, &oops));
	assert_int_equal(refused, 7);
	assert_int_equal(metric_value(METRIC_PROJECTOR_REFUSED) - counted, 7);
	assert_int_equal(metric_value(METRIC_PROJECTOR_ROWS) - written, ROWS - 7);
	assert_string_equal(sql("select count(*) from call_events"), "33");
	assert_string_equal(sql("select string_agg(record::text, ',' order by record) from "
				"quarantine where journal = '%s'",
				journal_text),
			    "1,8,9,21,31,32,40");
	assert_string_equal(position(), "40");
	assert_string_equal(sql("select bool_and(kind = 'row_event' and reason <> '' and"
				" convert_from(body, 'UTF8')::json->>4 = 'transcript.final')"
				" from quarantine"),
			    "t");
	assert_string_equal(sql("select call_id::text || ' ' || callmend_time(arrived_at) from "
				"quarantine where record = 9"),
			    CALL " " AT);
	assert_string_equal(sql("select call_id is null from quarantine where record = 40"), "t");
}

static void all_rows_refused(void **state)
{
	(void)state;
	struct store_row rows[9];
	size_t refused = 0;
	for (unsigned i = 0; i < 9; i++) {
		rows[i] = event(i + 1, "x");
		rows[i].params[10] = "no json";
	}
	assert_ok(store_write(writer, rows, 9, 0, 9, &refused, &oops));
	assert_int_equal(refused, 9);
	assert_string_equal(position(), "9");
	assert_string_equal(sql("select count(*) from quarantine"), "9");
}

static void quarantine_rows_of_the_projector(void **state)
{
	(void)state;
	struct store_row row = { STORE_ROW_QUARANTINE,
				 4,
				 { journal_text, "4", NULL, "refused", "not JSON", "00ff7b", AT } };
	struct store_row with_prefix = { STORE_ROW_QUARANTINE,
					 5,
					 { journal_text, "5", CALL, "refused", "not JSON",
					   "\\x6869", AT } };
	struct store_row rows[] = { row, with_prefix };
	assert_ok(store_write(writer, rows, 2, 0, 5, NULL, &oops));
	assert_string_equal(sql("select encode(body, 'hex') || kind || reason from quarantine "
				"where record = 4"),
			    "00ff7brefusednot JSON");
	assert_string_equal(sql("select convert_from(body, 'UTF8') || call_id from quarantine "
				"where record = 5"),
			    "hi" CALL);
}

/* --- lost connections --- */

static void write_until_stored(const struct store_row *rows, size_t n, uint64_t from, uint64_t upto)
{
	int64_t until = clock_monotonic_us() + 20 * SECOND_US;
	int rc;
	while ((rc = store_write(writer, rows, n, from, upto, NULL, &oops)) == E_UNAVAILABLE) {
		if (clock_monotonic_us() > until)
			fail_msg("still not stored: %s", oops.text);
		nanosleep(&(struct timespec){ .tv_nsec = 10 * 1000000 }, NULL);
	}
	if (rc)
		fail_msg("%d %s", rc, oops.text);
}

static void connection_ended_between_batches(void **state)
{
	(void)state;
	struct store_row rows[] = { event(1, "one"), event(2, "two") };
	assert_ok(store_write(writer, rows, 1, 0, 1, NULL, &oops));
	sql("select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid <> "
	    "pg_backend_pid()"
	    " and datname = current_database() and backend_type = 'client backend'");
	/* It was seen to be closed before anything was sent: no failure at all. */
	assert_ok(store_write(writer, rows + 1, 1, 1, 2, NULL, &oops));
	assert_string_equal(sql("select count(*) from call_events"), "2");
}

/* Ends the writer's server process while it writes events, once per batch that got through. */
static atomic_bool enough;
static atomic_uint ended, through;
static void *terminator(void *arg)
{
	(void)arg;
	unsigned seen = 0;
	while (!atomic_load(&enough)) {
		if (atomic_load(&through) == seen) {
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
			continue;
		}
		const char *n = sql("select count(pg_terminate_backend(pid)) from pg_stat_activity "
				    "where pid <> pg_backend_pid()"
				    " and query like '-- write: an event%%' and state <> 'idle'");
		if (atoi(n) > 0) {
			seen = atomic_load(&through);
			atomic_fetch_add(&ended, 1);
		}
	}
	return NULL;
}

static void connection_ended_during_batches(void **state)
{
	(void)state;
	enum { BATCHES_MOST = 3000, ROWS = 20, WANTED = 5 };
	pthread_t thread;
	uint64_t done = 0;
	char expected[64];
	atomic_store(&enough, false);
	sql("create or replace function slow() returns trigger language plpgsql as"
	    " $$ begin perform pg_sleep(0.001); return new; end $$");
	sql("create trigger slow before insert on call_events for each row execute function "
	    "slow()");
	assert_int_equal(pthread_create(&thread, NULL, terminator, NULL), 0);
	for (; done < BATCHES_MOST && atomic_load(&ended) < WANTED; done++) {
		struct store_row rows[ROWS];
		for (uint64_t i = 0; i < ROWS; i++)
			rows[i] = event(done * ROWS + i + 1, "x");
		write_until_stored(rows, ROWS, done * ROWS, (done + 1) * ROWS);
		atomic_fetch_add(&through, 1);
	}
	atomic_store(&enough, true);
	pthread_join(thread, NULL);
	sql("drop trigger slow on call_events");
	assert_true(atomic_load(&ended) >= WANTED);
	snprintf(expected, sizeof(expected), "%u %u", (unsigned)done * ROWS, (unsigned)done * ROWS);
	assert_string_equal(sql("select count(*) || ' ' || count(distinct seq) from call_events"),
			    expected);
	assert_string_equal(position(), number_text(done * ROWS));
	assert_string_equal(sql("select count(*) from quarantine"), "0");
}

/* Stands between writer and server: passes everything on until the commit has gone to the server,
 * waits until it is done there, and then hangs up without having passed the answer back. Further
 * connections are cut likewise when `cuts` says at what. */
enum { TAP_CUTS = 2 };
struct tap {
	struct span cuts[TAP_CUTS]; /* one for each connection; empty: no more of them */
	int listening;
	char dir[80];
	pthread_t thread;
};

static int connect_server(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s/postgres/run/.s.PGSQL.5432", fixture.dir);
	CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	return fd;
}

static bool pass(int from, int to, struct span until)
{
	char bytes[65536];
	ssize_t n = read(from, bytes, sizeof(bytes));
	if (n <= 0)
		return false;
	CHECK(write(to, bytes, (size_t)n) == n);
	return !until.n || !memmem(bytes, (size_t)n, until.p, until.n);
}

static void tap_connection(struct tap *tap, struct span cut)
{
	int client = accept(tap->listening, NULL, NULL), server = connect_server();
	bool open = true;
	while (open) {
		struct pollfd p[] = { { .fd = client, .events = POLLIN },
				      { .fd = server, .events = POLLIN } };
		poll(p, 2, -1);
		if (p[0].revents)
			open = pass(client, server, cut);
		if (open && p[1].revents)
			open = pass(server, client, (struct span){ 0 });
	}
	sql_becomes_true("select max(position) = 77 from journal_positions");
	close(client);
	close(server);
}

static void *tap_run(void *arg)
{
	struct tap *tap = arg;
	for (size_t i = 0; i < TAP_CUTS && tap->cuts[i].n; i++)
		tap_connection(tap, tap->cuts[i]);
	return NULL;
}

static const char *tap_start(struct tap *tap)
{
	static char url[200];
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	snprintf(tap->dir, sizeof(tap->dir), "%s/tap", fixture.dir);
	mkdir(tap->dir, 0700);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/.s.PGSQL.5432", tap->dir);
	unlink(at.sun_path);
	tap->listening = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(bind(tap->listening, (struct sockaddr *)&at, sizeof(at)) == 0 &&
	      listen(tap->listening, 1) == 0);
	CHECK(pthread_create(&tap->thread, NULL, tap_run, tap) == 0);
	snprintf(url, sizeof(url), "host=%s port=5432 user=callmend dbname=callmend", tap->dir);
	return url;
}

/* What the listening socket goes to next time: the server itself. */
static void tap_stop(struct tap *tap)
{
	char to[150], from[150];
	pthread_join(tap->thread, NULL);
	close(tap->listening);
	snprintf(from, sizeof(from), "%s/.s.PGSQL.5432", tap->dir);
	snprintf(to, sizeof(to), "%s/postgres/run/.s.PGSQL.5432", fixture.dir);
	unlink(from);
	CHECK(symlink(to, from) == 0);
}

static void commit_whose_answer_was_lost(void **state)
{
	(void)state;
	struct tap tap = { .cuts = { SPAN("\0commit\0") } };
	struct store_row row = event(77, "once");
	sql("truncate journal_positions");
	store_writer_free(writer);
	assert_ok(store_writer_new(&writer, tap_start(&tap), &journal, &oops));
	assert_int_equal(store_write(writer, &row, 1, 0, 77, NULL, &oops), E_UNAVAILABLE);
	tap_stop(&tap);
	assert_string_equal(sql("select count(*) from call_events"), "1");
	/* The retry finds it done. */
	assert_ok(store_write(writer, &row, 1, 0, 77, NULL, &oops));
	assert_string_equal(sql("select count(*) from call_events"), "1");
	/* But only for the batch that was in doubt. */
	assert_int_equal(store_write(writer, &row, 1, 0, 77, NULL, &oops), E_CONFLICT);
}

/* As above, and then the connection is lost again while the retry asks for the position: the doubt
 * stays, and nobody may conclude from it that another projector is at work. */
static struct store_row commit_in_doubt_twice(void)
{
	struct tap tap = { .cuts = { SPAN("\0commit\0"),
				     SPAN("select coalesce((select position") } };
	struct store_row row = event(77, "once");
	sql("truncate journal_positions");
	store_writer_free(writer);
	assert_ok(store_writer_new(&writer, tap_start(&tap), &journal, &oops));
	assert_int_equal(store_write(writer, &row, 1, 0, 77, NULL, &oops), E_UNAVAILABLE);
	assert_string_equal(position(), "77");
	assert_int_equal(store_write(writer, &row, 1, 0, 77, NULL, &oops), E_UNAVAILABLE);
	assert_non_null(strstr(oops.text, "PostgreSQL"));
	tap_stop(&tap);
	return row;
}

static void position_that_cannot_be_read_is_no_conflict(void **state)
{
	(void)state;
	struct store_row row = commit_in_doubt_twice();
	assert_ok(store_write(writer, &row, 1, 0, 77, NULL, &oops));
	assert_string_equal(sql("select count(*) from call_events"), "1");
	assert_int_equal(store_write(writer, &row, 1, 0, 77, NULL, &oops), E_CONFLICT);
}

static void position_that_was_read_and_differs_is_a_conflict(void **state)
{
	(void)state;
	struct store_row row = commit_in_doubt_twice();
	sql("update journal_positions set position = 78");
	assert_int_equal(store_write(writer, &row, 1, 0, 77, NULL, &oops), E_CONFLICT);
}

static void batch_that_was_cut_off_is_written_by_the_retry(void **state)
{
	(void)state;
	struct store_row row = event(1, "once");
	sql("create or replace function cut() returns trigger language plpgsql as"
	    " $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$");
	sql("create trigger cut before insert on call_events for each row execute function cut()");
	assert_int_equal(store_write(writer, &row, 1, 0, 1, NULL, &oops), E_UNAVAILABLE);
	assert_string_equal(position(), "0");
	sql("drop trigger cut on call_events");
	assert_ok(store_write(writer, &row, 1, 0, 1, NULL, &oops));
	assert_string_equal(sql("select count(*) from call_events"), "1");
}

static void server_killed_during_batches(void **state)
{
	(void)state;
	enum { BATCHES = 30, ROWS = 50, KILLS = 3 };
	struct store_row rows[ROWS];
	for (uint64_t b = 0; b < BATCHES; b++) {
		for (uint64_t i = 0; i < ROWS; i++)
			rows[i] = event(b * ROWS + i + 1, "x");
		if (b % (BATCHES / KILLS) == 5) {
			kill(cluster_pid(fixture.cluster), SIGKILL);
			while (cluster_alive(fixture.cluster))
				nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
			/* Its processes may live a moment longer: either it is stored or we are
			 * told to come again. */
			int rc = store_write(writer, rows, ROWS, b * ROWS, (b + 1) * ROWS, NULL,
					     &oops);
			assert_true(rc == 0 || rc == E_UNAVAILABLE);
			cluster_stop(fixture.cluster);
			assert_ok(cluster_start(&fixture.cluster, fixture.dir, &oops));
			if (rc == 0)
				continue;
		}
		write_until_stored(rows, ROWS, b * ROWS, (b + 1) * ROWS);
	}
	assert_string_equal(sql("select count(*) || ' ' || count(distinct seq) from call_events"),
			    "1500 1500");
	assert_string_equal(position(), "1500");
}

static void unreachable_means_come_again(void **state)
{
	(void)state;
	struct store_writer *w;
	struct store_row row = event(1, "x");
	uint64_t at;
	assert_ok(store_writer_new(&w, "host=/nowhere dbname=x", &journal, &oops));
	assert_int_equal(store_writer_position(w, &at, &oops), E_UNAVAILABLE);
	assert_int_equal(store_write(w, &row, 1, 0, 1, NULL, &oops), E_UNAVAILABLE);
	assert_true(oops.text[0]);
	assert_int_equal(store_writer_partitions(w, 30, &oops), E_UNAVAILABLE);
	store_writer_free(w);
	store_writer_free(NULL);
}

/* A statement that does not fit the schema is nobody's input: nothing may end in quarantine for it.
 */
static void a_schema_that_does_not_fit_refuses_no_rows(void **state)
{
	(void)state;
	struct store_row row = event(1, "x");
	sql("alter table call_events rename column text to said");
	assert_int_equal(store_write(writer, &row, 1, 0, 1, NULL, &oops), E_UNAVAILABLE);
	assert_non_null(strstr(oops.text, "row_event"));
	sql("alter table call_events rename column said to text");
	assert_string_equal(sql("select count(*) from quarantine"), "0");
	assert_ok(store_write(writer, &row, 1, 0, 1, NULL, &oops));
}

/* --- partitions --- */

static const char *partitions(void)
{
	return sql("select string_agg((to_date(right(c.relname, 8), 'YYYYMMDD') - (now() at time "
		   "zone 'UTC')::date)::text, ' '"
		   " order by c.relname) from pg_inherits join pg_class c on c.oid = inhrelid"
		   " where inhparent = 'call_events'::regclass");
}

static void partitions_come_and_go(void **state)
{
	(void)state;
	assert_ok(store_writer_partitions(writer, 30, &oops));
	assert_non_null(strstr(partitions(), "-1 0 1 2"));
	/* The journal may be behind for longer than that: what is kept at all finds its partition.
	 */
	struct store_row old =
		event_on(sql("select (now() at time zone 'UTC')::date - 30"), 1, "late");
	struct store_row older =
		event_on(sql("select (now() at time zone 'UTC')::date - 31"), 2, "too late");
	struct store_row future =
		event_on(sql("select (now() at time zone 'UTC')::date + 3"), 3, "too early");
	struct store_row rows[] = { old, older, future };
	size_t refused = 0;
	assert_ok(store_write(writer, rows, 3, 0, 3, &refused, &oops));
	assert_int_equal(refused, 2);
	assert_string_equal(partitions(), "-30 -1 0 1 2");
	/* A2: dropped with their day. */
	assert_ok(store_writer_partitions(writer, 29, &oops));
	assert_string_equal(partitions(), "-1 0 1 2");
	assert_string_equal(sql("select count(*) from call_events"), "0");
	assert_ok(store_writer_partitions(writer, 29, &oops));
	assert_string_equal(partitions(), "-1 0 1 2");
}

/* --- kinds of rows --- */

#define SUMMARY                                                                                 \
	"{\"id\":\"" CALL "\",\"provider_call_id\":\"p-1\",\"conversation_id\":\"" CONVERSATION \
	"\",\"source_id\":\"" PROJECT "\",\"project_id\":\"" PROJECT                            \
	"\",\"org_id\":\"" DEFAULT_ORG "\",\"kind\":\"inboundPhoneCall\","
#define KNOWN                                                                                     \
	"\"status\":\"ended\",\"live\":false,\"started_at\":\"2026-11-21T04:00:00.000000Z\","     \
	"\"ended_at\":"                                                                           \
	"\"2026-11-21T04:05:00.000000Z\",\"duration_ms\":300000,\"ended_reason\":\"customer-"     \
	"ended-call\","                                                                           \
	"\"ended_class\":\"customer\",\"customer\":{\"number\":\"+15550001\",\"name\":\"Ann\"},"  \
	"\"assistant\":{\"id\":\"a\",\"name\":\"Bo\",\"version\":null},\"phone_number\":\"+"      \
	"1555\",\"transcript_live\":true,"                                                        \
	"\"sentiment\":{\"ai\":\"neutral\",\"user\":\"frustrated\",\"call\":\"negative\"},"       \
	"\"counts\":{\"events\":50,"                                                              \
	"\"turns\":8,\"messages\":9,\"tool_calls\":2,\"tool_errors\":1,\"interruptions\":3,"      \
	"\"hangs\":0,"                                                                            \
	"\"interventions\":1,\"duplicates\":4},\"outcome\":\"booked\",\"cost\":0.25,\"summary\":" \
	"\"Fine.\","                                                                              \
	"\"instruction_version\":null,\"flags\":[\"f\"],"

static void write_summary(uint64_t record, const char *summary)
{
	struct store_row row = { STORE_ROW_CALL, record, { summary } };
	uint64_t from = 0;
	size_t refused = 1;
	assert_ok(store_writer_position(writer, &from, &oops));
	assert_ok(store_write(writer, &row, 1, from, from + 1, &refused, &oops));
	if (refused)
		fail_msg("refused: %s",
			 sql("select reason from quarantine order by id desc limit 1"));
}

static const char *call_json(const char *path)
{
	return sql("select callmend_call(c) #>> '{%s}' from calls c where id = '" CALL "'", path);
}

static void call_rows_hold_what_a3_asks_for(void **state)
{
	(void)state;
	write_summary(1, SUMMARY KNOWN "\"last_seq\":1000}");
	static const char *const expected[][2] = {
		{ "status", "ended" },
		{ "transcript_live", "true" },
		{ "counts,tool_calls", "2" },
		{ "counts,tool_errors", "1" },
		{ "sentiment,user", "frustrated" },
		{ "counts,interventions", "1" },
		{ "duration_ms", "300000" },
		{ "outcome", "booked" },
		{ "customer,number", "+15550001" },
		{ "cost", "0.25" },
		{ "provider_call_id", "p-1" },
		{ "flags", "[\"f\"]" },
		{ "started_at", "2026-11-21T04:00:00.000000Z" },
	};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_string_equal(call_json(expected[i][0]), expected[i][1]);
	assert_string_equal(
		sql("select customer_number || ' ' || callmend_time(last_at) from conversations"),
		"+15550001 2026-11-21T04:05:00.000000Z");
}

static void call_rows_never_go_back(void **state)
{
	(void)state;
	write_summary(1, SUMMARY KNOWN "\"last_seq\":1000}");
	write_summary(
		2, SUMMARY
		"\"status\":\"ringing\",\"live\":true,\"counts\":{\"events\":1},\"last_seq\":999}");
	assert_string_equal(call_json("status"), "ended");
	assert_string_equal(call_json("last_seq"), "1000");
	/* The same again changes nothing. */
	write_summary(3, SUMMARY KNOWN "\"last_seq\":1000}");
	assert_string_equal(sql("select count(*) from calls"), "1");
}

/* A late message after the session was forgotten: a new session that knows next to nothing. */
static void a_late_message_does_not_forget(void **state)
{
	(void)state;
	write_summary(1, SUMMARY KNOWN "\"last_seq\":1000}");
	write_summary(2,
		      SUMMARY "\"status\":\"in-progress\",\"live\":true,\"started_at\":\"2026-11-"
			      "21T06:00:00.000000Z\","
			      "\"ended_at\":null,\"duration_ms\":null,\"ended_reason\":null,"
			      "\"customer\":{\"number\":null,\"name\":null},"
			      "\"assistant\":null,\"sentiment\":{\"ai\":null,\"user\":\"neutral\","
			      "\"call\":null},\"counts\":{\"events\":2},\"outcome\":null,"
			      "\"cost\":0.5,\"summary\":\"\",\"flags\":[\"g\"],\"last_seq\":2000}");
	static const char *const expected[][2] = {
		{ "status", "ended" },
		{ "live", "false" },
		{ "summary", "Fine." },
		{ "outcome", "booked" },
		{ "customer,name", "Ann" },
		{ "counts,events", "50" },
		{ "duration_ms", "300000" },
		{ "ended_class", "customer" },
		{ "sentiment,user", "frustrated" },
		{ "transcript_live", "true" },
		{ "cost", "0.5" },
		{ "flags", "[\"f\", \"g\"]" },
		{ "last_seq", "2000" },
		{ "started_at", "2026-11-21T04:00:00.000000Z" },
	};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_string_equal(call_json(expected[i][0]), expected[i][1]);
}

#define LATE(class, reason)                                                                 \
	SUMMARY "\"status\":\"ended\",\"live\":false,\"started_at\":\"2026-11-21T04:20:00." \
		"000000Z\","                                                                \
		"\"ended_at\":\"2026-11-21T04:30:00.000000Z\",\"duration_ms\":600000,"      \
		"\"ended_class\":\"" class "\",\"ended_reason\":\"" reason                  \
					   "\",\"counts\":{\"events\":4},"

/* A new session that can only say that nobody knows of the call any more. */
static void what_was_told_of_the_end_is_not_lost(void **state)
{
	(void)state;
	write_summary(1, SUMMARY KNOWN "\"last_seq\":1000}");
	write_summary(2, LATE("lost", "not-found") "\"last_seq\":2000}");
	assert_string_equal(call_json("ended_reason"), "customer-ended-call");
	assert_string_equal(call_json("ended_class"), "customer");
	assert_string_equal(call_json("ended_at"), "2026-11-21T04:05:00.000000Z");
	assert_string_equal(call_json("duration_ms"), "300000");
	assert_string_equal(call_json("last_seq"), "2000");
}

static void an_end_that_is_told_late_counts(void **state)
{
	(void)state;
	write_summary(1, SUMMARY KNOWN "\"last_seq\":1000}");
	sql("update calls set ended_class = 'lost', ended_reason = 'lost'");
	write_summary(2, LATE("lost", "not-found") "\"last_seq\":2000}");
	assert_string_equal(call_json("ended_reason"), "not-found");
	write_summary(3, LATE("assistant", "agent-hung-up") "\"last_seq\":3000}");
	assert_string_equal(call_json("ended_reason"), "agent-hung-up");
	assert_string_equal(call_json("ended_at"), "2026-11-21T04:30:00.000000Z");
}

/* The same session that hears more, on the other hand, is believed: a lost call that comes back is
 * live again. */
static void the_same_session_is_believed(void **state)
{
	(void)state;
	write_summary(1, SUMMARY KNOWN "\"last_seq\":1000}");
	write_summary(2, SUMMARY "\"status\":\"in-progress\",\"live\":true,\"started_at\":\"2026-"
				 "11-21T04:00:01.000000Z\","
				 "\"ended_at\":null,\"counts\":{\"events\":51},\"last_seq\":2000}");
	assert_string_equal(call_json("live"), "true");
	assert_string_equal(sql("select ended_at is null and ended_reason is null and ended_class "
				"is null from calls"),
			    "t");
	assert_string_equal(call_json("started_at"), "2026-11-21T04:00:01.000000Z");
}

/* It stands where the first word of it stood, however often it is written. */
static void a_call_that_nobody_answers_has_a_place_in_time(void **state)
{
	(void)state;
#define UNANSWERED SUMMARY "\"started_at\":null,\"first_at\":\"2026-11-21T04:00:00.000000Z\","
	write_summary(1,
		      UNANSWERED "\"status\":\"ringing\",\"live\":true,\"counts\":{\"events\":2},"
				 "\"last_seq\":1000}");
	write_summary(2,
		      UNANSWERED "\"status\":\"ended\",\"live\":false,\"counts\":{\"events\":4},"
				 "\"ended_at\":\"2026-11-21T04:00:20.000000Z\",\"last_seq\":2000}");
#undef UNANSWERED
	assert_string_equal(call_json("started_at"), "2026-11-21T04:00:00.000000Z");
	assert_string_equal(sql("select callmend_time(started_at) from conversations"),
			    "2026-11-21T04:00:00.000000Z");
}

/* Whatever session has written them. */
static void texts_are_known_by_their_id(void **state)
{
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { "[{\"call\":\"" CALL "\",\"id\":\"1\"},{\"call\":\"" CALL
				 "\",\"id\":\"2\"},{\"call\":\"" CALL
				 "\",\"id\":\"3\"},{\"call\":\"" PROJECT "\",\"id\":\"4\"}]",
				 today };
	(void)state;
	sql("insert into call_events (call_id, seq, day, org_id, type, at, data, arrived_at) "
	    "select '" CALL "', n, '%s', '" DEFAULT_ORG "', type, now(), data::jsonb, now() from "
	    "(values (1, 'message', '{\"message_id\": \"1\"}'), "
	    "(2, 'text.delivery', '{\"message_id\": \"1\", \"state\": \"sent\"}'), "
	    "(3, 'text.delivery', '{\"message_id\": \"1\", \"state\": \"delivered\"}'), "
	    "(4, 'message', '{\"message_id\": \"2\"}'), "
	    "(5, 'text.delivery', '{\"message_id\": \"3\", \"state\": \"sent\"}'), "
	    "(6, 'message', '{\"message_id\": \"4\"}')) e(n, type, data)",
	    today);
	assert_ok(store_query_once(fixture_url(), "texts_stored", params, 2, &out, &oops));
	assert_string_equal(buf_z(&out), "{ \"1\" : [\"delivered\", \"sent\"], \"2\" : [] }");
}

/* The platform's clock is an hour behind: what ours times has its place in the call all the same.
 */
static void sound_is_placed_by_our_own_clock(void **state)
{
	(void)state;
	write_summary(1, SUMMARY KNOWN
		      "\"began_at\":\"2026-11-21T05:00:00.000000Z\",\"last_seq\":1000}");
	sql("select callmend_recording_put('" CALL "', '{\"id\": \"" TOOL
	    "\", \"state\": \"ready\", "
	    "\"started_at\": \"2026-11-21T05:00:02Z\"}', null)");
	assert_string_equal(sql("select callmend_recording(r)->>'offset_ms' from recordings r"),
			    "2000");
	sql("update recordings set platform_id = 'r-1', started_at = '2026-11-21T04:00:03Z'");
	assert_string_equal(sql("select callmend_recording(r)->>'offset_ms' from recordings r"),
			    "3000");
	sql("select callmend_words_put('" CALL "', '[{\"seq\": 65536, \"type\": \"turn\", \"at\": "
	    "\"2026-11-21T05:00:04Z\", \"text\": \"Hello.\", \"data\": {}}]', '{}')");
	assert_string_equal(sql("select offset_ms from call_events where text = 'Hello.'"), "4000");
	/* A session that was begun anew by a late message knows less. */
	write_summary(2,
		      SUMMARY "\"status\":\"ended\",\"began_at\":\"2026-11-21T07:00:00.000000Z\","
			      "\"counts\":{\"events\":2},\"last_seq\":2000}");
	assert_string_equal(sql("select callmend_time(began_at) from calls"),
			    "2026-11-21T05:00:00.000000Z");
	sql("truncate recordings");
}

static void write_one(enum store_row_kind kind, uint64_t record, const char *const *params,
		      size_t n)
{
	struct store_row row = { kind, record, { 0 } };
	size_t refused = 1;
	uint64_t from = 0;
	for (size_t i = 0; i < n; i++)
		row.params[i] = params[i];
	assert_ok(store_writer_position(writer, &from, &oops));
	assert_ok(store_write(writer, &row, 1, from, from + 1, &refused, &oops));
	if (refused)
		fail_msg("refused: %s",
			 sql("select reason from quarantine order by id desc limit 1"));
}

static void tool_rows_hold_what_b1_asks_for(void **state)
{
	(void)state;
	const char *requested[] = { DEFAULT_ORG, PROJECT, CALL, "10",
				    "{\"type\":\"tool.requested\",\"at\":\"2026-11-21T04:00:10."
				    "000000Z\",\"data\":{\"tool_id\":\"" TOOL
				    "\",\"tool_call_id\":\"tc\",\"name\":\"search\",\"arguments\":{"
				    "\"q\":1},\"by\":\"callmend\"}}" };
	const char *finished[] = {
		DEFAULT_ORG, PROJECT, CALL, "20",
		"{\"type\":\"tool.finished\",\"at\":\"2026-11-21T04:00:11.000000Z\",\"data\":{"
		"\"tool_id\":\"" TOOL "\",\"tool_call_id\":\"tc\",\"name\":\"search\",\"success\":"
		"false,\"result\":\"none\",\"error\":"
		"\"found "
		"nothing\",\"started_at\":\"2026-11-21T04:00:10.500000Z\",\"duration_ms\":420,"
		"\"fallback\":true,\"unknown\":false}}"
	};
	write_one(STORE_ROW_TOOL, 1, requested, 5);
	assert_string_equal(sql("select success is null and finished_seq is null from tool_calls"),
			    "t");
	sql("update tool_calls set user_feedback = 'helpful'");
	write_one(STORE_ROW_TOOL, 2, finished, 5);
	write_one(STORE_ROW_TOOL, 3, requested, 5);
	write_one(STORE_ROW_TOOL, 4, finished, 5);
	assert_string_equal(
		sql("select tool || tool_call_id || arguments || run_by || success || result || "
		    "error || duration_ms"
		    " || fallback || unknown || user_feedback || callmend_time(started_at) || "
		    "callmend_time(requested_at)"
		    " from tool_calls"),
		"searchtc{\"q\": 1}callmendfalse\"none\"found nothing420truefalsehelpful"
		"2026-11-21T04:00:10.500000Z2026-11-21T04:00:10.000000Z");
}

#define MAPPING "60000000-0000-7000-8000-000000000001"

/* What a mapping did is kept with the tool call, and counted for the mapping once, however often it
 * is told (B3). */
static void rewritten_searches_are_counted_once(void **state)
{
	(void)state;
	static const char *const ends[] = { "true", "true", "false" };
	sql("insert into projects (id, org_id, name) values ('" PROJECT "', '" DEFAULT_ORG
	    "', 'mapped') on conflict do nothing;"
	    "insert into search_term_mappings (id, org_id, project_id, search_term, mapped_terms, "
	    "source, created_by) values ('" MAPPING "', '" DEFAULT_ORG "', '" PROJECT
	    "', 'ramen', '[\"soup\"]', 'manual', 'x')");
	for (unsigned i = 0; i < 3; i++) {
		char requested[600], finished[900];
		const char *asked[] = { DEFAULT_ORG, PROJECT, CALL, "10", requested };
		const char *done[] = { DEFAULT_ORG, PROJECT, CALL, "20", finished };
		snprintf(requested, sizeof(requested),
			 "{\"type\":\"tool.requested\",\"at\":\"" AT
			 "\",\"data\":{\"tool_id\":\"40000000-0000-5000-8000-0000000000%u0\","
			 "\"name\":\"search\",\"arguments\":{\"f\":{\"q\":\"Ramen\"},\"n\":1}}}",
			 i);
		snprintf(finished, sizeof(finished),
			 "{\"type\":\"tool.finished\",\"at\":\"" AT
			 "\",\"data\":{\"tool_id\":\"40000000-0000-5000-8000-0000000000%u0\","
			 "\"success\":%s,\"rewritten\":{\"mapping_id\":\"" MAPPING
			 "\",\"argument\":\"f.q\",\"from\":\"Ramen\",\"to\":\"soup\"}}}",
			 i, ends[i]);
		write_one(STORE_ROW_TOOL, i * 4 + 1, asked, 5);
		write_one(STORE_ROW_TOOL, i * 4 + 2, done, 5);
		write_one(STORE_ROW_TOOL, i * 4 + 3, done, 5);
		write_one(STORE_ROW_TOOL, i * 4 + 4, asked, 5);
	}
	assert_string_equal(
		sql("select times_used || ' ' || times_successful || ' ' || confidence from "
		    "search_term_mappings where id = '" MAPPING "'"),
		"3 2 0.6000");
	assert_string_equal(
		sql("select count(*) || min(arguments::text) || min(arguments_before::text) from "
		    "tool_calls where mapping_id = '" MAPPING "'"),
		"3{\"f\": {\"q\": \"soup\"}, \"n\": 1}{\"f\": {\"q\": \"Ramen\"}, \"n\": 1}");
	sql("delete from search_term_mappings where id = '" MAPPING "'");
}

static void fact(uint64_t record, const char *at, const char *state, const char *value,
		 const char *number)
{
	char e[600];
	const char *params[] = { DEFAULT_ORG, PROJECT, CALL, "7", e, number };
	snprintf(e, sizeof(e),
		 "{\"type\":\"fact\",\"at\":\"%s\",\"data\":{\"field\":\"who\",\"label\":\"name\","
		 "\"state\":\"%s\",\"value\":\"%s\",\"confidence\":80}}",
		 at, state, value);
	write_one(STORE_ROW_FACT, record, params, 6);
}

/* A8: at once, the latest of each field, and taken back when the call takes it back. */
static void facts_reach_the_contact(void **state)
{
	(void)state;
	sql("truncate contacts; insert into projects (id, org_id, name) values ('" PROJECT
	    "', '" DEFAULT_ORG "', 'mapped') on conflict do nothing; update projects set fields = "
	    "'[{\"name\":\"who\",\"type\":\"name\"}]' where id = '" PROJECT "'");
	fact(1, "2026-11-21T04:00:02.000000Z", "captured", "Ann", "+1");
	fact(2, "2026-11-21T04:00:01.000000Z", "captured", "An", "+1");
	assert_string_equal(sql("select name || (fields->'who'->>'value') || calls from contacts"),
			    "AnnAnn0");
	fact(3, "2026-11-21T04:00:03.000000Z", "asked_not_captured", "", "+1");
	assert_string_equal(sql("select fields from contacts"), "{}");
	fact(4, "2026-11-21T04:00:04.000000Z", "captured", "Ben", NULL);
	assert_string_equal(sql("select count(*) from contacts"), "1");
	write_summary(5, SUMMARY KNOWN "\"last_seq\":1000}");
	write_summary(6, SUMMARY KNOWN "\"last_seq\":1001}");
	assert_string_equal(sql("select calls || name from contacts where number = '+15550001'"),
			    "1Ann");
}

static void reports_and_imports_stay_with_the_call(void **state)
{
	(void)state;
	struct store_row rows[] = {
		{ STORE_ROW_CALL,
		  1,
		  { SUMMARY KNOWN "\"last_seq\":1000}",
		    "{\"reason\":\"x\",\"success_evaluation\":\"true\",\"structured_data\":{\"a\":"
		    "1}}" } },
		{ STORE_ROW_CALL, 2, { SUMMARY "\"flags\":[\"imported\"],\"last_seq\":1001}" } },
	};
	uint64_t from = 0;
	size_t refused = 1;
	assert_ok(store_writer_position(writer, &from, &oops));
	assert_ok(store_write(writer, rows, 2, from, from + 1, &refused, &oops));
	assert_int_equal(refused, 0);
	assert_string_equal(sql("select report from calls"),
			    "{\"structured_data\": {\"a\": 1}, \"structured_outputs\": null, "
			    "\"success_evaluation\": \"true\"}");
	assert_string_equal(sql("select imported from calls"), "t");
}

/* Nothing is refused when nobody waits for it. */
static void served_rows_are_taken(void **state)
{
	(void)state;
	const char *params[] = { PROJECT, PROJECT,
				 "{\"type\":\"instructions.served\",\"at\":\"" AT
				 "\",\"data\":{\"instruction_version\":\"" TOOL
				 "\",\"how\":\"id\"}}" };
	write_one(STORE_ROW_SERVED, 1, params, 3);
	params[2] = "{\"type\":\"instructions.served\",\"at\":\"" AT "\",\"data\":{}}";
	write_one(STORE_ROW_SERVED, 2, params, 3);
}

static void command_rows_follow_the_state(void **state)
{
	(void)state;
	static const char form[] =
		"{\"type\":\"command\",\"at\":\"2026-11-21T04:00:00.000000Z\",\"data\":{\"command_"
		"id\":\"" COMMAND "\",\"verb\":\"say\",\"target\":\"assistant\",\"state\":\"%s\","
		"\"text\":\"hi\",\"actor\":\"cli\","
		"\"reason\":\"why\",\"requested_at\":\"2026-11-21T04:00:00.000000Z\",%s\"error\":"
		"null}}";
	static const struct {
		const char *seq, *state, *more, *then;
	} steps[] = {
		{ "10", "requested", "", "requested" },
		{ "30", "effect_seen",
		  "\"effect_at\":\"2026-11-21T04:00:02.000000Z\",\"evidence\":[{\"seq\":29}],",
		  "effect_seen" },
		{ "20", "accepted", "\"latency_ms\":80,", "effect_seen" },
	};
	for (size_t i = 0; i < 3; i++) {
		char json[1000];
		snprintf(json, sizeof(json), form, steps[i].state, steps[i].more);
		const char *params[] = { DEFAULT_ORG, CALL, steps[i].seq, json };
		write_one(STORE_ROW_COMMAND, i + 1, params, 4);
		assert_string_equal(sql("select state from interventions"), steps[i].then);
	}
	assert_string_equal(sql("select verb || target || text || actor || reason || evidence from "
				"interventions"),
			    "sayassistanthicliwhy[{\"seq\": 29}]");
}

static void message_rows(void **state)
{
	(void)state;
	const char *params[] = { DEFAULT_ORG, CONVERSATION, CALL, "10",
				 "{\"type\":\"message\",\"at\":\"2026-11-21T04:00:00.000000Z\","
				 "\"speaker\":\"user\",\"text\":\"yes\","
				 "\"data\":{\"role\":\"user\",\"index\":3}}" };
	write_one(STORE_ROW_MESSAGE, 1, params, 5);
	write_one(STORE_ROW_MESSAGE, 2, params, 5);
	assert_string_equal(
		sql("select count(*) || min(role || speaker || text || position) from messages"),
		"1useruseryes3");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(rows_and_position_together),
		T(unknown_speaker_text_and_offset_are_null),
		T(position_of_another_is_a_conflict),
		T(refused_rows_go_to_quarantine),
		T(all_rows_refused),
		T(quarantine_rows_of_the_projector),
		T(partitions_come_and_go),
		T(call_rows_hold_what_a3_asks_for),
		T(call_rows_never_go_back),
		T(a_late_message_does_not_forget),
		T(what_was_told_of_the_end_is_not_lost),
		T(an_end_that_is_told_late_counts),
		T(the_same_session_is_believed),
		T(a_call_that_nobody_answers_has_a_place_in_time),
		T(texts_are_known_by_their_id),
		T(sound_is_placed_by_our_own_clock),
		T(tool_rows_hold_what_b1_asks_for),
		T(rewritten_searches_are_counted_once),
		T(facts_reach_the_contact),
		T(reports_and_imports_stay_with_the_call),
		T(served_rows_are_taken),
		T(command_rows_follow_the_state),
		T(message_rows),
		T(unreachable_means_come_again),
		T(a_schema_that_does_not_fit_refuses_no_rows),
		T(connection_ended_between_batches),
		T(commit_whose_answer_was_lost),
		T(position_that_cannot_be_read_is_no_conflict),
		T(position_that_was_read_and_differs_is_a_conflict),
		T(batch_that_was_cut_off_is_written_by_the_retry),
		T(connection_ended_during_batches),
		T(server_killed_during_batches),
	};
	return cmocka_run_group_tests_name("store_writer", tests, fixture_start_migrated,
					   fixture_stop);
}
