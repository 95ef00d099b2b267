/* The projector: follows the journal with sessions of its own and writes what they say to
 * PostgreSQL.
 *
 * Happy path: read durable records, apply them, collect rows; every BATCH_ROWS rows or BATCH_MS,
 * rows and position go in one transaction; then the journal may let go of what nobody needs any
 * more. A call's own row is written with its events - but one that only hears sound has a few of
 * them a second, whose counts can wait: its row is written every CALL_ROW_MS. After a crash it is
 * behind until the call's next event; its end is never waited with.
 *
 * Failure modes: PostgreSQL away - the batch is kept and tried again, reading pauses, the journal
 * holds; refused rows - quarantine, in the same transaction (store_write); a record that cannot be
 * applied or is poisoned - quarantine, raw; another projector of the same journal - stop for good
 * and say so. At start what is not released is applied again, and nothing at or below the stored
 * position gives rows: exactly once rests on that position. A database that has stored less than
 * was released (another one, or restored from a backup) gets everything that is retained.
 *
 * The release position says from where on anybody has to read: all below it is stored, and no call
 * that begins below it can get another record. That is so when the call has expired by the stamp of
 * a record read (p->now_us), and by SLACK_US more, because lanes stamp one after another and not in
 * the order of the journal; a later message of the same call then begins with a BIND of its own,
 * above. Where the wall clock was set back, stamps of the past run ahead of it, and the lanes'
 * clock counts. Lanes rely on it too, when they start (ingest.c), whatever the database holds. */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ingest/lane.h"
#include "ingest/rows.h"

enum {
	BATCH_ROWS = 500,
	BATCH_MS = 20,
	CALL_ROW_MS = 2000,
	RETRY_MIN_MS = 100,
	RETRY_MAX_MS = 2000,
	PARTITION_MS = 3600 * 1000,
	PARTITION_RETRY_MS = 10 * 1000,
	FORGET_MS = 1000,
	FAR_BEHIND = 2000, /* records */
	IDLE_MS = 200,
	PROJECTOR_NICE = 5
};

/* A call is forgotten so much later than it expires. */
#define SLACK_US (INT64_C(60) * SECOND_US)

struct pcall {
	struct uuid id;
	UT_hash_handle hh;
	struct session *session;
	bool dirty;	/* its row is not what it is */
	bool at_once;	/* and does not wait */
	int64_t row_ms; /* when it was written */
	bool listed;
	struct pcall *next_listed;
	uint64_t record; /* last one that gave rows */
};

struct projector {
	struct projector_config cfg;
	struct journal *journal;
	struct uuid journal_id;
	pthread_t thread;
	struct store_writer *writer;
	struct journal_reader *reader;
	struct pcall *calls;
	struct pcall *listed; /* those whose row is to be written */
	struct pcall *applying;
	uint64_t record; /* being applied */
	struct rows rows;
	uint64_t stored, read_to;
	int64_t batch_since_ms, partitions_ms, forgot_ms, now_us;
	atomic_uint_fast64_t position;
	atomic_bool connected, stopping;
	int64_t stop_by_ms;
};

static int64_t now_ms(void)
{
	return clock_monotonic_us() / 1000;
}

/* What is heard several times in a second of talk. */
static bool is_of_sound(enum event_type type)
{
	return type == EVENT_SPEECH_STARTED || type == EVENT_SPEECH_STOPPED ||
	       type == EVENT_AUDIO_LEVEL || type == EVENT_AUDIO_QUALITY || type == EVENT_RESPONSE ||
	       type == EVENT_BARGE_IN || type == EVENT_DEAD_AIR;
}

static void touch(struct projector *p, struct pcall *c, enum event_type type)
{
	c->dirty = true;
	c->at_once |= !is_of_sound(type);
	c->record = p->record;
	if (c->listed)
		return;
	c->listed = true;
	c->next_listed = p->listed;
	p->listed = c;
}

static void on_event(void *self, const struct event *e)
{
	struct projector *p = self;

	if (p->record <= p->stored)
		return;
	touch(p, p->applying, e->type);
	rows_event(&p->rows, e, p->applying->session, p->record);
}

static struct pcall *call_of(struct projector *p, const struct uuid *id)
{
	struct pcall *c;

	HASH_FIND(hh, p->calls, id, sizeof(*id), c);
	if (!c) {
		c = calloc(1, sizeof(*c));
		CHECK(c);
		c->id = *id;
		HASH_ADD(hh, p->calls, id, sizeof(c->id), c);
	}
	return c;
}

static void quarantine(struct projector *p, const struct record *r, const char *why)
{
	if (r->number <= p->stored)
		return;
	log_warn("quarantine", "record %" PRIu64 ": %s", r->number, why);
	metric_add(METRIC_QUARANTINED, 1);
	rows_quarantine(&p->rows, &p->journal_id, r, why);
}

static void project(struct projector *p, const struct record *r)
{
	const struct call_host host = host_for_events(p, on_event);
	struct poison *poison = p->cfg.ingest->poison;
	struct fault f = { 0 };

	p->record = r->number;
	p->read_to = r->number;
	if (r->number <= p->stored)
		metric_add_label(METRIC_REAPPLIED, "projector", 1);
	if (r->at_us > p->now_us)
		p->now_us = r->at_us;
	if (uuid_is_nil(&r->call)) {
		quarantine(p, r, "input that could not be read, or belongs to no call");
		return;
	}
	p->applying = call_of(p, &r->call);
	if (p->applying->dirty && p->applying->session &&
	    (r->kind == RECORD_BIND || session_expired(p->applying->session, r->at_us))) {
		rows_call(&p->rows, p->applying->session, p->applying->record); /* its last word */
		p->applying->dirty = false;
	}
	if (poison_skip_record(poison, r))
		quarantine(p, r, "applying it stopped the core twice");
	if (step(&p->applying->session, r, &host, poison, POISON_SLOT_PROJECTOR, &f))
		quarantine(p, r, f.text);
}

/* --- storing --- */

/* Waits a little; false when it is time to stop. */
static bool pause_ms(struct projector *p, int64_t ms)
{
	while (ms > 0) {
		if (atomic_load(&p->stopping) && now_ms() >= p->stop_by_ms)
			return false;
		int64_t part = ms < 20 ? ms : 20;
		usleep((useconds_t)part * 1000);
		ms -= part;
	}
	return true;
}

/* Looks at every call, so not after every batch; but once at the end, so that the next start reads
 * little. Only when all that was applied is stored: a call whose last records are not must not be
 * forgotten, however long ago they are. A database may be ahead of a journal that has lost its
 * newest records: what has not been read is not released. */
static void forget_expired(struct projector *p)
{
	struct pcall *c, *next;
	uint64_t needed = (p->read_to < p->stored ? p->read_to : p->stored) + 1;
	int64_t now = ingest_now(p->cfg.ingest);
	int64_t surely = (p->now_us < now ? p->now_us : now) - SLACK_US;
	bool soon = now_ms() - p->forgot_ms < FORGET_MS && !atomic_load(&p->stopping);

	if (p->read_to > p->stored || soon)
		return;
	p->forgot_ms = now_ms();
	HASH_ITER (hh, p->calls, c, next) {
		if (!c->listed && (!c->session || session_expired(c->session, surely))) {
			HASH_DEL(p->calls, c);
			session_free(c->session);
			free(c);
		} else if (c->session && session_first_record(c->session) < needed) {
			needed = session_first_record(c->session);
		}
	}
	journal_release(p->journal, needed);
}

/* Those that are due; the others stay. */
static void add_call_rows(struct projector *p)
{
	struct pcall *c, *next, *stay = NULL;
	bool all = atomic_load(&p->stopping);
	int64_t now = now_ms();

	for (c = p->listed; c; c = next) {
		bool writes = c->dirty && c->session;
		next = c->next_listed;
		if (writes && !all && !c->at_once && now - c->row_ms < CALL_ROW_MS) {
			c->next_listed = stay;
			stay = c;
			continue;
		}
		if (writes)
			rows_call(&p->rows, c->session, c->record);
		c->row_ms = now;
		c->dirty = c->at_once = c->listed = false;
	}
	p->listed = stay;
}

static void log_change(struct projector *p, bool connected, const struct fault *f)
{
	if (atomic_exchange(&p->connected, connected) == connected)
		return;
	if (connected)
		log_info("projector", "PostgreSQL is there; %" PRIu64 " records to store",
			 journal_durable(p->journal) - p->stored);
	else /* at a start it may still be made, or its schema: the store tells when it lasts */
		log_line(p->reader ? LOG_WARN : LOG_INFO, "projector",
			 "PostgreSQL does not take it, the journal holds everything meanwhile: %s",
			 f->text);
}

/* Until it is stored; false: stopping, or another projector has taken over. */
static bool store(struct projector *p)
{
	struct backoff pause = { .least_ms = RETRY_MIN_MS, .most_ms = RETRY_MAX_MS };
	size_t refused = 0;
	struct fault f = { 0 };
	int rc;

	while ((rc = store_write(p->writer, p->rows.items, p->rows.n, p->stored, p->read_to,
				 &refused, &f)) != 0) {
		if (rc == E_CONFLICT) {
			log_error("projector", "%s: another process stores this journal; stopping",
				  f.text);
			atomic_store(&p->connected, false);
			return false;
		}
		log_change(p, false, &f);
		if (!pause_ms(p, backoff_next_ms(&pause)))
			return false;
	}
	log_change(p, true, &f);
	p->stored = p->read_to;
	atomic_store(&p->position, p->stored);
	metric_set(METRIC_PROJECTOR_LAG, (int64_t)(journal_durable(p->journal) - p->stored));
	rows_reset(&p->rows);
	p->batch_since_ms = 0;
	return true;
}

static bool flush(struct projector *p)
{
	add_call_rows(p);
	return (p->read_to <= p->stored && !p->rows.n) || store(p);
}

static void keep_partitions(struct projector *p)
{
	struct fault f;

	if (p->partitions_ms && now_ms() - p->partitions_ms < PARTITION_MS)
		return;
	bool failed = store_writer_partitions(p->writer, p->cfg.keep_days, &f);
	if (failed)
		log_debug("projector", "partitions: %s", f.text); /* the store tells it */
	p->partitions_ms = now_ms() - (failed ? PARTITION_MS - PARTITION_RETRY_MS : 0);
}

static bool find_position(struct projector *p)
{
	struct fault f = { 0 };

	while (store_writer_position(p->writer, &p->stored, &f)) {
		log_change(p, false, &f);
		if (!pause_ms(p, RETRY_MIN_MS * 2))
			return false;
	}
	log_change(p, true, &f);
	atomic_store(&p->position, p->stored);
	keep_partitions(p);
	return true;
}

static uint64_t first_wanted(const struct projector *p)
{
	uint64_t from = journal_released(p->journal);

	if (p->stored + 1 < from) {
		log_warn("projector",
			 "this database has stored up to record %" PRIu64
			 ", the journal was released up to %" PRIu64
			 ": another database, or an older state of it; everything retained is read",
			 p->stored, from - 1);
		return 1;
	}
	journal_release(p->journal, from);
	log_info("projector", "stored up to record %" PRIu64 ", reading from %" PRIu64, p->stored,
		 from);
	return from;
}

static bool batch_full(const struct projector *p)
{
	return p->rows.n >= BATCH_ROWS ||
	       (p->batch_since_ms && now_ms() - p->batch_since_ms >= BATCH_MS);
}

/* The kernel may let a thread that woke up wait for a whole tick behind this one. Who is far behind
 * takes the share that is his. */
static void live_calls_first(const struct projector *p)
{
	if (journal_durable(p->journal) - p->read_to < FAR_BEHIND)
		sched_yield();
}

/* One turn: a record, or the end of what is durable. False: stop. While a batch gathers it sleeps
 * instead of waking up for every commit: on a busy core that would cost more than the rows. */
static bool turn(struct projector *p)
{
	struct record r;
	struct fault f = { 0 };

	if (atomic_load(&p->stopping) && now_ms() >= p->stop_by_ms)
		return false;
	bool gathering = p->batch_since_ms != 0;
	int rc = journal_read(p->reader, gathering ? 0 : IDLE_MS, &r, &f);

	if (rc == E_NOT_FOUND && gathering && !batch_full(p))
		return pause_ms(p, p->batch_since_ms + BATCH_MS - now_ms());

	if (rc == 0) {
		project(p, &r);
		if (p->read_to > p->stored && !p->batch_since_ms)
			p->batch_since_ms = now_ms();
		live_calls_first(p);
		if (!batch_full(p))
			return true;
		if (!flush(p))
			return false;
		forget_expired(p);
		return true;
	}
	if (rc != E_NOT_FOUND) {
		log_error("projector", "reading the journal: %s", f.text);
		return pause_ms(p, RETRY_MAX_MS);
	}
	bool last = atomic_load(&p->stopping); /* of what was there before: all of it is written */
	if (!flush(p))
		return false;
	forget_expired(p);
	keep_partitions(p);
	return !last;
}

static void *run(void *arg)
{
	struct projector *p = arg;
	struct fault f;

	log_thread("projector");
	/* Live calls first: a batch of rows must not make a webhook wait on a busy core. A quarter
	 * of a core is left in any case, twice what it needs at saturation. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), PROJECTOR_NICE);
	if (!find_position(p))
		return NULL;
	if (journal_reader_new(&p->reader, p->journal, first_wanted(p), &f)) {
		log_error("projector", "%s", f.text);
		return NULL;
	}
	while (turn(p))
		;
	forget_expired(p);
	return NULL;
}

int projector_start(struct projector **out, const struct projector_config *cfg, struct fault *f)
{
	struct projector *p = calloc(1, sizeof(*p));

	CHECK(p);
	p->cfg = *cfg;
	p->journal = ingest_journal(cfg->ingest);
	p->journal_id = journal_id(p->journal);
	int rc = store_writer_new(&p->writer, cfg->url, &p->journal_id, f);
	if (rc) {
		free(p);
		return rc;
	}
	store_writer_report(p->writer, cfg->store);
	atomic_store(&p->connected, true); /* until it turns out otherwise */
	CHECK(pthread_create(&p->thread, NULL, run, p) == 0);
	*out = p;
	return 0;
}

void projector_stop(struct projector *p, int64_t wait_ms)
{
	struct pcall *c, *next;

	if (!p)
		return;
	p->stop_by_ms = now_ms() + wait_ms;
	atomic_store(&p->stopping, true);
	pthread_join(p->thread, NULL);
	HASH_ITER (hh, p->calls, c, next) {
		HASH_DEL(p->calls, c);
		session_free(c->session);
		free(c);
	}
	journal_reader_free(p->reader);
	store_writer_free(p->writer);
	rows_fini(&p->rows);
	free(p);
}

uint64_t projector_position(const struct projector *p)
{
	return atomic_load(&p->position);
}

bool projector_connected(const struct projector *p)
{
	return atomic_load(&p->connected);
}
