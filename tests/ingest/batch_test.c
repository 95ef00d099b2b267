/* D9: batches of finished calls against a real PostgreSQL, and cutting files into records. */
#include "tests/store/store_fixture.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "ingest/batch.h"
#include "ingest/cutter.h"
#include "ingest/poison.h"
#include "tests/ingest/pieces.h"

#define ORG DEFAULT_ORG
#define PROJECT "00000000-0000-7000-8000-0000000000a1"
#define SOURCE "00000000-0000-7000-8000-0000000000b1"

static const struct directory *directory;

static int start(void **state)
{
	struct buf document AUTO_BUF = { 0 };
	struct directory *made = NULL;
	if (fixture_start_migrated(state))
		return -1;
	sql("insert into projects (id, org_id, name) values ('%s', '%s', 'p')", PROJECT, ORG);
	sql("insert into sources (id, org_id, project_id, dialect, name) values ('%s', '%s', '%s', "
	    "'vapi', 's')",
	    SOURCE, ORG, PROJECT);
	if (store_query_once(fixture_url(), "directory", NULL, 0, &document, &oops) ||
	    directory_new(&made, buf_span(&document), "", &oops))
		return -1;
	directory = made;
	return 0;
}

static int stop(void **state)
{
	directory_unref(directory);
	return fixture_stop(state);
}

struct told {
	unsigned n;
	uint64_t last_record;
	char last[256];
};

static void on_mistake(void *user, uint64_t record, size_t line, struct span id, const char *error)
{
	struct told *told = user;
	(void)line;
	(void)id;
	told->n++;
	told->last_record = record;
	snprintf(told->last, sizeof(told->last), "%s", error);
}

static struct batch_config config_of(unsigned import, struct told *told)
{
	struct batch_config bc = { .url = fixture_url(),
				   .name = "test",
				   .directory = directory,
				   .source = &directory->sources[0],
				   .patience_ms = 200,
				   .mistake = on_mistake,
				   .user = told };
	bc.id.b[0] = (uint8_t)import;
	bc.id.b[15] = 1;
	return bc;
}

static void write_call(struct buf *out, const char *kind, unsigned i)
{
	int64_t at = INT64_C(1767225600000) + (int64_t)i * 60000;
	buf_clear(out);
	buf_printf(out,
		   "{\"id\":\"%s-%u\",\"orgId\":\"o\",\"status\":\"ended\",\"startedAt\":%" PRId64
		   ",\"endedAt\":%" PRId64
		   ",\"endedReason\":\"customer-ended-call\",\"artifact\":{\"messages\":["
		   "{\"role\":\"bot\",\"message\":\"Hello\",\"time\":%" PRId64
		   "},{\"role\":\"user\",\"message\":\"Number %u\",\"time\":%" PRId64 "}]}}",
		   kind, i, at, at + 9000, at + 1000, i, at + 3000);
}

static int add(struct batch *b, struct span text, size_t line)
{
	const struct batch_record r = { .text = text, .line = line, .fallback_us = SECOND_US };
	return batch_add(b, &r, &oops);
}

static void add_calls(struct batch *b, const char *kind, unsigned from, unsigned to)
{
	struct buf text AUTO_BUF = { 0 };
	for (unsigned i = from; i < to; i++) {
		write_call(&text, kind, i);
		assert_ok(add(b, buf_span(&text), i + 1));
	}
}

static long count(const char *query)
{
	return strtol(sql("%s", query), NULL, 10);
}

static void test_once_whatever_happens(void **state)
{
	struct told told = { 0 };
	struct batch_config bc = config_of(1, &told);
	struct batch_counts n;
	struct batch *b = NULL;
	(void)state;
	/* Given up three times, each time after some groups were stored and others only added. */
	for (unsigned part = 1; part <= 3; part++) {
		assert_ok(batch_open(&b, &bc, &oops));
		add_calls(b, "once", 0, part * 100);
		batch_counts(b, &n);
		assert_true(n.imported < part * 100);
		batch_free(b);
	}
	assert_string_equal(sql("select state from imports where name = 'test'"), "running");
	assert_ok(batch_open(&b, &bc, &oops));
	add_calls(b, "once", 0, 400);
	assert_ok(batch_finish(b, &oops));
	batch_counts(b, &n);
	assert_int_equal(n.records, 400);
	assert_int_equal(n.imported, 400);
	assert_int_equal(n.duplicates, 0);
	assert_true(n.before >= 256 && n.before < 300);
	assert_true(n.messages == (400 - n.before) * 2);
	batch_free(b);
	assert_int_equal(count("select count(*) from calls where provider_call_id like 'once-%'"),
			 400);
	assert_int_equal(count("select count(*) from messages m join calls c on c.id = m.call_id "
			       "where c.provider_call_id like 'once-%'"),
			 800);
	assert_string_equal(sql("select state || ' ' || imported from imports"), "done 400");
	assert_int_equal(count("select count(*) from quarantine"), 0);
	assert_int_equal(count("select count(*) from jobs where kind = 'analyse'"), 400);
}

static void test_duplicates(void **state)
{
	struct told told = { 0 };
	struct batch_config bc = config_of(2, &told);
	struct batch_counts n;
	struct batch *b = NULL;
	(void)state;
	assert_ok(batch_open(&b, &bc, &oops));
	add_calls(b, "twice", 0, 10);
	add_calls(b, "twice", 5, 15);	 /* in the same group */
	add_calls(b, "twice", 100, 200); /* fills it */
	add_calls(b, "twice", 0, 20);	 /* in an earlier one */
	assert_ok(batch_finish(b, &oops));
	batch_counts(b, &n);
	assert_int_equal(n.records, 140);
	assert_int_equal(n.imported, 120);
	assert_int_equal(n.duplicates, 20);
	batch_free(b);
	/* The other import's calls stay its own. */
	bc = config_of(3, &told);
	assert_ok(batch_open(&b, &bc, &oops));
	add_calls(b, "twice", 0, 30);
	assert_ok(batch_finish(b, &oops));
	batch_counts(b, &n);
	assert_int_equal(n.imported, 10);
	assert_int_equal(n.duplicates, 20);
	batch_free(b);
	assert_int_equal(told.n, 0);
}

static void test_bad_records(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{ "{", "the text ends" },
		{ "null", "no format" },
		{ "[]", "no format" },
		{ "{\"orgId\":\"o\",\"status\":\"ended\"}", "no id" },
		{ "{\"message\":{\"type\":\"hang\"}}", "belongs to no call" },
		{ "{\"message\":{\"type\":17,\"call\":{\"id\":\"x\"}}}", "type" },
		{ "{\"id\":\"x\",\"messages\":[{\"content\":\"nobody\"}]}", "no format" },
		{ "{\"id\":\"\xff\",\"orgId\":\"o\"}", "byte" },
	};
	struct told told = { 0 };
	struct batch_config bc = config_of(4, &told);
	struct batch_counts n;
	struct batch *b = NULL;
	(void)state;
	assert_ok(batch_open(&b, &bc, &oops));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_ok(add(b, span_of(bad[i].text), i + 1));
		assert_ok(batch_flush(b, &oops));
		assert_int_equal(told.n, i + 1);
		assert_int_equal(told.last_record, i + 1);
		if (!strstr(told.last, bad[i].error))
			fail_msg("%s: %s", bad[i].text, told.last);
	}
	for (unsigned i = 0; i < 200; i++)
		assert_ok(add(b, SPAN("{}"), 100 + i));
	const struct batch_record broken = { .broken = "too large", .line = 9 };
	assert_ok(batch_add(b, &broken, &oops));
	add_calls(b, "good", 0, 3);
	assert_ok(add(b, SPAN("{\"id\":\"r\",\"orgId\":\"o\",\"status\":\"ringing\"}"), 1));
	assert_ok(batch_finish(b, &oops));
	batch_counts(b, &n);
	batch_free(b);
	assert_int_equal(told.n, 209);
	assert_string_equal(told.last, "too large");
	assert_int_equal(n.bad, 209);
	assert_int_equal(n.imported, 3);
	assert_int_equal(n.skipped, 1);
	assert_string_equal(sql("select jsonb_array_length(mistakes) || ' ' || bad from imports "
				"where bad > 0"),
			    "100 209");
	assert_string_equal(sql("select mistakes->1->>'line' from imports where bad > 0"), "2");
}

static void add_message(struct batch *b, const char *call, const char *type, unsigned second,
			const char *more)
{
	struct buf text AUTO_BUF = { 0 };
	buf_printf(
		&text,
		"{\"message\":{\"type\":\"%s\",\"timestamp\":\"2026-03-01T10:00:%02uZ\",\"call\":{"
		"\"id\":\"%s\"}%s}}",
		type, second, call, more);
	assert_ok(add(b, buf_span(&text), second));
}

/* --- records that bring the process down --- */

static int read_or_die(const struct format_record *r, struct arena *a, struct format_call *out,
		       struct fault *f)
{
	if (memmem(r->text.p, r->text.n, "\"deadly-70\"", 11))
		abort();
	return format_find(SPAN("vapi"))->read(r, a, out, f);
}

static void die_of_it(void *user, uint64_t record, size_t line, struct span id, const char *error)
{
	on_mistake(user, record, line, id, error);
	if (!strstr(error, "stopped the import twice"))
		abort(); /* while the record is being applied */
}

static void import_deadly(const struct batch_config *bc, struct batch_counts *n)
{
	struct batch *b = NULL;
	assert_ok(batch_open(&b, bc, &oops));
	add_calls(b, "deadly", 0, 100);
	assert_ok(add(b, SPAN("{\"orgId\":\"o\",\"status\":\"ended\"}"), 101));
	add_calls(b, "deadly", 101, 150);
	assert_ok(batch_finish(b, &oops));
	batch_counts(b, n);
	batch_free(b);
}

static void dies_of(const struct batch_config *bc)
{
	struct batch_counts n;
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		import_deadly(bc, &n);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_a_record_that_stops_it_twice_is_skipped(void **state)
{
	struct told told = { 0 };
	char dir[] = "/tmp/callmend-batch-XXXXXX", own[64];
	struct format deadly = *format_find(SPAN("vapi"));
	struct batch_config bc = config_of(18, &told);
	struct batch_counts n;
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(own, sizeof(own), "%s/a", dir);
	deadly.read = read_or_die;
	bc.format = &deadly;
	bc.mistake = die_of_it;
	bc.poison_dir = own;
	for (unsigned crash = 0; crash < 4; crash++) /* twice for each of them */
		dies_of(&bc);
	for (unsigned again = 0; again < 2; again++) {
		import_deadly(&bc, &n);
		assert_int_equal(n.records, 150);
		assert_int_equal(n.imported, 148);
		assert_int_equal(n.bad, 2);
	}
	assert_string_equal(
		sql("select string_agg((m->>'record') || ' ' || (m->>'line'), ', ' order by "
		    "(m->>'record')::int) from imports i, jsonb_array_elements(i.mistakes) m where "
		    "m->>'error' like '%%stopped the import twice%%'"),
		"71 71, 101 101");
	assert_int_equal(count("select count(*) from calls where provider_call_id like "
			       "'deadly-%'"),
			 148);
	assert_string_equal(told.last, "reading or applying it stopped the import twice: skipped");
	char command[128];
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	assert_int_equal(system(command), 0);
}

/* Its key stands in the list as two crashes would have left it. */
static void test_a_call_whose_closing_stops_it_twice_stays_open(void **state)
{
	struct told told = { 0 };
	char dir[] = "/tmp/callmend-batch-XXXXXX", list[64];
	struct batch_config bc = config_of(20, &told);
	struct batch *b = NULL;
	struct record tick = { .kind = RECORD_TICK,
			       .call = uuid_v5(&directory->sources[0].id, SPAN("left-1")) };
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(list, sizeof(list), "%s/poison.list", dir);
	FILE *f = fopen(list, "w");
	assert_non_null(f);
	fprintf(f, "%" PRIx64 " 2\n", poison_key(&tick));
	assert_int_equal(fclose(f), 0);
	bc.poison_dir = dir;
	assert_ok(batch_open(&b, &bc, &oops));
	add_message(b, "left-1", "status-update", 1, ",\"status\":\"in-progress\"");
	add_message(b, "left-2", "status-update", 2, ",\"status\":\"in-progress\"");
	assert_ok(batch_finish(b, &oops));
	batch_free(b);
	assert_string_equal(sql("select string_agg(status || ' ' || live, ', ' order by "
				"provider_call_id) from calls where provider_call_id like "
				"'left-%%'"),
			    "in-progress true, ended false");
	assert_int_equal(unlink(list), 0);
	snprintf(list, sizeof(list), "%s/applying.map", dir);
	assert_int_equal(unlink(list), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void test_nothing_is_kept_of_an_import_without_crashes(void **state)
{
	struct told told = { 0 };
	char dir[] = "/tmp/callmend-batch-XXXXXX", own[64];
	struct batch_config bc = config_of(19, &told);
	struct batch *b = NULL;
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(own, sizeof(own), "%s/imports", dir);
	bc.poison_dir = own;
	assert_ok(batch_open(&b, &bc, &oops));
	add_calls(b, "calm", 0, 3);
	assert_int_equal(access(own, F_OK), 0);
	assert_ok(batch_finish(b, &oops));
	batch_free(b);
	assert_int_equal(rmdir(dir), 0);
}

/* What stays when two processes run the same import: one of them. */
static void test_two_at_once(void **state)
{
	struct told told = { 0 };
	struct batch_config bc = config_of(5, &told);
	struct batch *one = NULL, *two = NULL;
	struct buf text AUTO_BUF = { 0 };
	(void)state;
	assert_ok(batch_open(&one, &bc, &oops));
	assert_ok(batch_open(&two, &bc, &oops));
	write_call(&text, "both", 1);
	assert_ok(add(one, buf_span(&text), 1));
	assert_ok(batch_flush(one, &oops));
	assert_ok(add(two, buf_span(&text), 1));
	assert_int_equal(batch_flush(two, &oops), E_CONFLICT);
	/* Neither keeps others from their turn. */
	assert_string_equal(sql("select count(*) from pg_locks where locktype = 'advisory'"), "0");
	batch_free(two);
	assert_ok(batch_finish(one, &oops));
	batch_free(one);
	assert_int_equal(count("select count(*) from calls where provider_call_id = 'both-1'"), 1);
}

struct importer {
	struct batch_config bc;
	unsigned from, to;
	struct batch_counts n;
	int rc;
	struct fault why;
};

static int import_all(struct importer *im)
{
	struct buf text AUTO_BUF = { 0 };
	scoped(batch) *b = NULL;
	TRY(batch_open(&b, &im->bc, &im->why));
	for (unsigned i = im->from; i < im->to; i++) {
		write_call(&text, "overlap", i);
		const struct batch_record r = { .text = buf_span(&text), .line = i + 1 };
		TRY(batch_add(b, &r, &im->why));
	}
	TRY(batch_finish(b, &im->why));
	batch_counts(b, &im->n);
	return 0;
}

static void *import_in_thread(void *arg)
{
	struct importer *im = arg;
	im->rc = import_all(im);
	return NULL;
}

/* Two imports with the same calls in other places: both would look before either has stored. */
static void test_what_overlaps_comes_in_once(void **state)
{
	struct told told = { 0 };
	struct importer both[2] = { { .bc = config_of(30, &told), .from = 0, .to = 5 },
				    { .bc = config_of(31, &told), .from = 2, .to = 7 } };
	pthread_t threads[2];
	(void)state;
	struct held_lock *held = sql_lock("call_events");
	for (int i = 0; i < 2; i++) {
		both[i].bc.patience_ms = 20000;
		pthread_create(&threads[i], NULL, import_in_thread, &both[i]);
	}
	bool wait = sql_becomes_true("select count(*) >= 2 from pg_locks where not granted");
	sql_unlock(held);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_true(wait);
	for (int i = 0; i < 2; i++)
		if (both[i].rc)
			fail_msg("%d %s", both[i].rc, both[i].why.text);
	assert_string_equal(
		sql("select string_agg(distinct n::text, ' ') from (select count(*) as n "
		    "from call_events e join calls c on c.id = e.call_id where e.type = "
		    "'turn' and c.provider_call_id like 'overlap-%%' group by c.id) x"),
		"2");
	assert_int_equal(both[0].n.imported + both[1].n.imported, 7);
	assert_int_equal(both[0].n.duplicates + both[1].n.duplicates, 3);
}

/* Messages of two calls in turn: one ends with its report, the other never does. */
static void add_messages(struct batch *b, unsigned upto)
{
	static const struct {
		const char *call, *type, *more;
	} all[] = {
		{ "slow-1", "status-update", ",\"status\":\"in-progress\"" },
		{ "slow-2", "status-update", ",\"status\":\"in-progress\"" },
		{ "slow-1", "tool-calls",
		  ",\"toolCallList\":[{\"id\":\"t\",\"function\":{\"name\":\"f\",\"arguments\":{}}}"
		  "]" },
		{ "slow-2", "transcript",
		  ",\"role\":\"user\",\"transcriptType\":\"final\",\"transcript\":\"Hello\"" },
		{ "slow-1", "end-of-call-report",
		  ",\"endedReason\":\"customer-ended-call\",\"artifact\":{\"messages\":["
		  "{\"role\":\"tool_calls\",\"time\":1772359202000,\"toolCalls\":[{\"id\":\"t\","
		  "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
		  "{\"role\":\"tool_call_result\",\"time\":1772359203000,\"toolCallId\":\"t\","
		  "\"name\":\"f\",\"result\":\"done\"}]}" },
		{ "slow-1", "status-update", ",\"status\":\"ended\"" },
	};
	for (unsigned i = 0; i < upto && i < sizeof(all) / sizeof(*all); i++)
		add_message(b, all[i].call, all[i].type, i, all[i].more);
}

static void test_messages_one_by_one(void **state)
{
	struct told told = { 0 };
	struct batch_config bc = config_of(6, &told);
	struct batch_counts n;
	struct batch *b = NULL;
	(void)state;
	for (unsigned upto = 1; upto < 6; upto++) { /* killed after each of them */
		assert_ok(batch_open(&b, &bc, &oops));
		add_messages(b, upto);
		assert_ok(batch_flush(b, &oops));
		batch_free(b);
	}
	for (int again = 0; again < 2; again++) {
		assert_ok(batch_open(&b, &bc, &oops));
		add_messages(b, 6);
		assert_ok(batch_finish(b, &oops));
		batch_counts(b, &n);
		batch_free(b);
		assert_int_equal(n.imported, 2);
		assert_int_equal(n.bad, 0);
		assert_int_equal(n.duplicates, 1); /* what came after the report */
		assert_string_equal(
			sql("select string_agg(ended_reason || ' ' || live || ' ' || "
			    "event_count, ', ' order by provider_call_id) from calls "
			    "where provider_call_id like 'slow-%%'"),
			sql("select 'customer-ended-call false ' || (select count(*) "
			    "from call_events e join calls c on c.id = e.call_id where "
			    "c.provider_call_id = 'slow-1') || ', lost false ' || "
			    "(select count(*) from call_events e join calls c on c.id = "
			    "e.call_id where c.provider_call_id = 'slow-2')"));
	}
	/* The webhook and the history tell of one tool call; nobody ran it here. */
	assert_string_equal(
		sql("select string_agg(run_by || ' ' || (result #>> '{}'), ', ') from tool_calls "
		    "where tool = 'f'"),
		"elsewhere done");
	assert_int_equal(count("select count(*) from call_events where type = 'tool.requested' and "
			       "data->>'name' = 'f'"),
			 1);
	assert_int_equal(told.n, 0);
}

/* Instructions are those of the call's time; older calls get the first. */
static void test_instructions_of_the_time(void **state)
{
	struct told told = { 0 };
	struct batch_config bc = config_of(7, &told);
	struct batch *b = NULL;
	(void)state;
	sql("insert into instructions (id, org_id, project_id) values ('%s', '%s', '%s')",
	    "00000000-0000-7000-8000-0000000000c0", ORG, PROJECT);
	for (int i = 1; i <= 2; i++)
		sql("insert into instruction_versions (id, org_id, project_id, instruction_id, "
		    "number, sections, text, author, created_at) values "
		    "('00000000-0000-7000-8000-0000000000c%d', '%s', '%s', "
		    "'00000000-0000-7000-8000-0000000000c0', %d, '[]', 'v%d', 'me', "
		    "timestamptz '2026-01-01T00:00:00Z' + %d * interval '10 minutes')",
		    i, ORG, PROJECT, i, i, i);
	assert_ok(batch_open(&b, &bc, &oops));
	add_calls(b, "told", 0, 30);
	assert_ok(batch_finish(b, &oops));
	batch_free(b);
	assert_string_equal(
		sql("select string_agg(v || ' ' || n, ', ' order by v) from (select "
		    "right(instruction_version::text, 2) v, count(*) n from calls where "
		    "provider_call_id like 'told-%%' group by 1) x"),
		"c1 20, c2 10");
}

static void test_refusals(void **state)
{
	struct told told = { 0 };
	struct batch_config bc = config_of(8, &told);
	struct batch *b = NULL;
	(void)state;
	bc.url = "host=/nonexistent";
	assert_int_equal(batch_open(&b, &bc, &oops), E_UNAVAILABLE);
	assert_null(b);
	sql("update sources set archived_at = now()");
	bc = config_of(8, &told);
	assert_int_equal(batch_open(&b, &bc, &oops), E_NOT_FOUND);
	sql("update sources set archived_at = null");
	bc.format = format_find(SPAN("transcript"));
	assert_ok(batch_open(&b, &bc, &oops));
	assert_ok(add(b, SPAN("{\"id\":\"x\",\"orgId\":\"o\"}"), 1));
	assert_ok(batch_finish(b, &oops));
	batch_free(b);
	assert_string_equal(told.last, "this is no transcript");
}

static void test_dry_run(void **state)
{
	struct told told = { 0 };
	struct batch_config bc = config_of(9, &told);
	struct batch_counts n;
	struct batch *b = NULL;
	(void)state;
	bc.url = NULL;
	assert_ok(batch_open(&b, &bc, &oops));
	add_calls(b, "dry", 0, 100);
	add_calls(b, "dry", 0, 100);
	assert_ok(batch_finish(b, &oops));
	batch_counts(b, &n);
	batch_free(b);
	assert_int_equal(n.imported, 100);
	assert_int_equal(n.duplicates, 100);
	assert_int_equal(count("select count(*) from calls where provider_call_id like 'dry-%'"),
			 0);
	assert_int_equal(count("select count(*) from imports where id = "
			       "'09000000-0000-0000-0000-000000000001'"),
			 0);
}

/* --- cutting --- */

/* The records, one after the other, as "line:text|". */
static void cut(const char *text, size_t limit, enum cutter_kind kind, struct buf *out)
{
	struct pieces pieces = { span_of(text), 3 };
	const struct cutter_config cc = {
		.kind = kind, .limit = limit, .read = pieces_read, .user = &pieces
	};
	struct cutter *c = cutter_new(&cc);
	struct cut one;
	int rc;
	buf_clear(out);
	while ((rc = cutter_next(c, &one, &oops)) != E_NOT_FOUND) {
		if (rc == E_INVALID) {
			buf_addz(out, "invalid|");
			break;
		}
		if (rc == E_TOO_LARGE)
			buf_printf(out, "%zu:too large|", one.line);
		else
			buf_printf(out, "%zu:%.*s|", one.line, SPAN_ARG(one.text));
	}
	cutter_free(c);
}

static void test_cutting(void **state)
{
	static const struct {
		const char *text, *want;
		enum cutter_kind kind;
		size_t limit;
	} all[] = {
		{ "", "", CUTTER_AUTO, 0 },
		{ " \n ", "", CUTTER_AUTO, 0 },
		{ "[]", "", CUTTER_AUTO, 0 },
		{ "[{\"a\":1},{\"a\":[{}]}]\n", "1:{\"a\":1}|1:{\"a\":[{}]}|", CUTTER_AUTO, 0 },
		{ "[\n{\"a\":\"]}\\\"\"}\n,\n{\"a\":2}\n]", "2:{\"a\":\"]}\\\"\"}|4:{\"a\":2}|",
		  CUTTER_AUTO, 0 },
		{ "{\"a\":1}\n{\"b\":\n{\"c\":3}\n\n", "1:{\"a\":1}|2:{\"b\":|3:{\"c\":3}|",
		  CUTTER_AUTO, 0 },
		{ "{\"a\":\n{\"b\":2}", "1:{\"a\":|2:{\"b\":2}|", CUTTER_AUTO, 0 },
		{ "{\n \"a\": 1\n}\n{\n \"a\": 2\n}", "1:{\n \"a\": 1\n}|4:{\n \"a\": 2\n}|",
		  CUTTER_AUTO, 0 },
		{ "[{\"a\":1},{\"a\":[2},{\"a\":3}]", "1:{\"a\":1}|1:{\"a\":[2}|1:{\"a\":3}|",
		  CUTTER_AUTO, 0 },
		{ "[{\"a\":1},{\"a\":2", "1:{\"a\":1}|1:{\"a\":2|", CUTTER_AUTO, 0 },
		{ "[{\"a\":1}]x", "1:{\"a\":1}|1:x|", CUTTER_AUTO, 0 },
		{ "[{\"role\":\"user\"},{\"role\":\"x\"}]",
		  "1:[{\"role\":\"user\"},{\"role\":\"x\"}]|", CUTTER_AUTO, 0 },
		{ "{\"a\":123456}\n{\"a\":1}", "1:too large|2:{\"a\":1}|", CUTTER_AUTO, 9 },
		{ "[{\"a\":\"1234567890\"},{\"a\":1}]", "1:too large|1:{\"a\":1}|", CUTTER_AUTO,
		  9 },
		{ "AI: hi\n--\nUser: x\n----- \n\nAI: y", "1:AI: hi\n--\nUser: x|6:AI: y|",
		  CUTTER_AUTO, 0 },
		{ "[00:01] AI: x", "1:[00:01] AI: x|", CUTTER_AUTO, 0 },
		{ "{\"a\":1}", "1:{\"a\":1}|", CUTTER_TEXT, 0 },
		{ "AI: x", "invalid|", CUTTER_JSON, 0 },
	};
	struct buf got AUTO_BUF = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		cut(all[i].text, all[i].limit, all[i].kind, &got);
		if (!span_is(buf_span(&got), all[i].want))
			fail_msg("%s\nwant %s\ngot  %s", all[i].text, all[i].want, buf_z(&got));
	}
}

/* A figure, no judgement. */
static void test_speed(void **state)
{
	enum { CALLS = 2000 };
	struct told told = { 0 };
	struct batch_config bc = config_of(10, &told);
	struct batch *b = NULL;
	(void)state;
	int64_t began = clock_monotonic_us();
	assert_ok(batch_open(&b, &bc, &oops));
	add_calls(b, "fast", 0, CALLS);
	assert_ok(batch_finish(b, &oops));
	batch_free(b);
	double seconds = (double)(clock_monotonic_us() - began) / (double)SECOND_US;
	print_message("%d calls imported in %.1f s: %.0f a second\n", CALLS, seconds,
		      CALLS / seconds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cutting),
		cmocka_unit_test(test_once_whatever_happens),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_bad_records),
		cmocka_unit_test(test_a_record_that_stops_it_twice_is_skipped),
		cmocka_unit_test(test_a_call_whose_closing_stops_it_twice_stays_open),
		cmocka_unit_test(test_nothing_is_kept_of_an_import_without_crashes),
		cmocka_unit_test(test_two_at_once),
		cmocka_unit_test(test_what_overlaps_comes_in_once),
		cmocka_unit_test(test_messages_one_by_one),
		cmocka_unit_test(test_instructions_of_the_time),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_dry_run),
		cmocka_unit_test(test_speed),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
