/* A core's ingest from start to stop.
 *
 * Happy path: open the journal, read again into sessions what is not released (the projector says
 * when: projector.c), give each lane its calls as its shard starts, settle what a crash left open
 * (effects, and audio whose sockets are gone), run; at the stop every lane lets its waiters go,
 * closes its calls (the journal has them) and stays as an empty shell for mail that is still under
 * way. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/metrics.h"
#include "callmend/heard.h"
#include "ingest/lane.h"
#include "ingest/tasks.h"

enum { SWEEP_MS = 1000, LOOKUPS_IN_FLIGHT = 32, LOOKUPS_WAITING = 128 };
#define CLOCK_BACK_US (INT64_C(3600) * SECOND_US)

static void on_journal_failed(void *user, const struct fault *f)
{
	struct ingest *in = user;

	log_error("journal", "failed for good: %s", f->text);
	atomic_store(&in->failed, true);
	if (in->on_failed)
		in->on_failed(in->user);
}

struct restore {
	struct ingest *in;
	uint64_t applied;
};

int64_t ingest_now(struct ingest *in)
{
	int64_t now = clock_now_us(), last = atomic_load(&in->clock_us);

	while (now > last || last - now > CLOCK_BACK_US) {
		if (atomic_compare_exchange_weak(&in->clock_us, &last, now))
			return now;
	}
	return last;
}

static void nothing_published(void *self, const struct event *e)
{
	(void)self;
	(void)e;
}

static int restore_record(void *user, const struct record *r)
{
	const struct call_host silent = host_for_events(NULL, nothing_published);
	struct restore *re = user;
	struct call_entry *c;
	struct fault f;

	if (uuid_is_nil(&r->call))
		return 0;
	HASH_FIND(hh, re->in->restored, &r->call, sizeof(r->call), c);
	if (!c) {
		c = calloc(1, sizeof(*c));
		CHECK(c);
		c->id = r->call;
		HASH_ADD(hh, re->in->restored, id, sizeof(c->id), c);
	}
	c->last_at_us = r->at_us;
	if (step(&c->session, r, &silent, re->in->poison, POISON_SLOT_REPLAY, &f))
		log_debug("replay", "%s", f.text);
	re->applied++;
	return 0;
}

static void forget_expired(struct ingest *in)
{
	struct call_entry *c, *next;
	int64_t now = ingest_now(in);

	HASH_ITER (hh, in->restored, c, next) {
		if (c->session && !session_expired(c->session, now))
			continue;
		HASH_DEL(in->restored, c);
		session_free(c->session);
		free(c);
	}
}

/* Every call that has not expired begins at or above the release position: it was taken there only
 * after a call had expired by the stamps of all lanes, with time to spare. */
static int restore(struct ingest *in, struct fault *f)
{
	struct restore re = { .in = in };
	uint64_t from = journal_released(in->journal);

	atomic_store(&in->clock_us, journal_latest_us(in->journal));
	TRY(journal_replay_from(in->journal, from, restore_record, &re, f));
	forget_expired(in);
	metric_add_label(METRIC_REAPPLIED, "calls", (int64_t)re.applied);
	log_info("replay", "%" PRIu64 " records read again from %" PRIu64 " on, %u calls in memory",
		 re.applied, from, HASH_COUNT(in->restored));
	return 0;
}

int ingest_new(struct ingest **out, const struct ingest_config *cfg, struct fault *f)
{
	struct ingest *in = calloc(1, sizeof(*in));
	struct journal_config jc = cfg->journal;
	uint64_t epoch;

	CHECK(in && cfg->lanes > 0 && cfg->lanes < POISON_SLOT_REPLAY);
	in->lanes_n = cfg->lanes;
	in->lanes = calloc(cfg->lanes, sizeof(struct lane *));
	CHECK(in->lanes);
	in->live.in = in;
	in->warnings = warnings_new();
	pthread_mutex_init(&in->ringing, NULL);
	pthread_mutex_init(&in->texts_lock, NULL);
	in->max_calls = cfg->max_calls;
	in->max_effects = cfg->max_effects;
	in->ca_file = cfg->ca_file;
	in->on_failed = cfg->on_failed;
	in->on_directory = cfg->on_directory;
	in->user = cfg->user;
	crypto_random(&epoch, sizeof(epoch));
	snprintf(in->epoch, sizeof(in->epoch), "%016llx", (unsigned long long)epoch);
	jc.commit_on_demand = true;
	jc.on_durable = lane_on_durable;
	jc.on_failed = on_journal_failed;
	jc.user = in;
	int rc = poison_open(&in->poison, cfg->state_dir, f);
	if (!rc)
		rc = hear_open(&in->hear, in, cfg->state_dir, f);
	if (!rc)
		rc = journal_open(&in->journal, &jc, f);
	if (!rc)
		rc = restore(in, f);
	if (!rc)
		rc = journal_start(in->journal, f);
	if (rc) {
		ingest_free(in);
		return rc;
	}
	*out = in;
	return 0;
}

void ingest_free(struct ingest *in)
{
	struct call_entry *c, *next;

	if (!in)
		return;
	HASH_ITER (hh, in->restored, c, next) {
		HASH_DEL(in->restored, c);
		session_free(c->session);
		free(c);
	}
	journal_free(in->journal);
	poison_free(in->poison);
	warnings_free(in->warnings);
	pthread_mutex_destroy(&in->ringing);
	pthread_mutex_destroy(&in->texts_lock);
	for (unsigned i = 0; i < in->lanes_n; i++) {
		if (in->lanes[i])
			free(in->lanes[i]->gap);
		free(in->lanes[i]);
	}
	free(in->lanes);
	free(in);
}

/* Serial: start hooks run one after another. */
static void adopt_restored(struct lane *l)
{
	struct call_entry *c, *next;

	HASH_ITER (hh, l->in->restored, c, next) {
		if (lane_owner(l->in, &c->id) != l)
			continue;
		HASH_DEL(l->in->restored, c);
		struct call_entry *mine = lane_call_new(l, &c->id);
		mine->session = c->session;
		mine->last_at_us = c->last_at_us;
		context_restored(mine);
		lane_count_live(l, mine);
		free(c);
	}
}

int ingest_lane_start(struct ingest *in, struct shard *s, struct fault *f)
{
	struct lane *l = calloc(1, sizeof(*l));

	CHECK(l);
	l->in = in;
	l->shard = s;
	l->index = shard_index(s);
	l->last = &l->first;
	l->retries_last = &l->retries;
	l->durable_mail.run = lane_durable_mail;
	atomic_store(&l->heard_us, clock_monotonic_us());
	l->gap = calloc(in->lanes_n, sizeof(*l->gap));
	CHECK(l->gap);
	if (http_client_new(&l->http, s, in->max_effects, in->max_effects * 4, f)) {
		free(l->gap);
		free(l);
		return f->code;
	}
	if (http_client_new(&l->lookups, s, LOOKUPS_IN_FLIGHT, LOOKUPS_WAITING, f)) {
		http_client_free(l->http);
		free(l->gap);
		free(l);
		return f->code;
	}
	http_client_trust(l->http, in->ca_file);
	http_client_trust(l->lookups, in->ca_file);
	uv_timer_init(shard_loop(s), &l->retry_timer);
	uv_timer_init(shard_loop(s), &l->sweep_timer);
	uv_timer_init(shard_loop(s), &l->heard_timer);
	l->retry_timer.data = l;
	l->sweep_timer.data = l;
	l->heard_timer.data = l;
	uv_timer_start(&l->sweep_timer, lane_on_sweep, SWEEP_MS, SWEEP_MS);
	uv_prepare_init(shard_loop(s), &l->turn_end);
	l->turn_end.data = l;
	uv_prepare_start(&l->turn_end, lane_turn_end);
	pthread_mutex_lock(&in->ringing);
	in->lanes[l->index] = l;
	pthread_mutex_unlock(&in->ringing);
	adopt_restored(l);
	return 0;
}

void ingest_set_store(struct ingest *in, struct store *store)
{
	in->store = store;
}

void ingest_leave_to(struct ingest *in, enum effect_kind kind, errand_fn *run, void *user)
{
	in->carriers[kind] = (struct carrier){ run, user };
}

void ingest_set_connect(struct ingest *in, struct connect *connect, connect_send_fn *send,
			connect_refused_fn *refused)
{
	in->connect = connect;
	in->connect_send = send;
	in->connect_refused = refused;
}

void ingest_lane_finish(struct ingest *in, struct shard *s)
{
	struct lane *l = lane_of(in, s);

	l->stopping = true;
	effects_stop(l);
	lane_finish_waiters(l);
}

void ingest_lane_stop(struct ingest *in, struct shard *s)
{
	struct lane *l = lane_of(in, s);
	struct call_entry *c, *next;

	contexts_stop(l);
	upstream_free_all(l);
	http_client_free(l->lookups); /* first: who goes on without its answer may still send */
	l->lookups = NULL;
	http_client_free(l->http);
	l->http = NULL;
	HASH_ITER (hh, l->calls, c, next)
		lane_call_close(l, c);
	lane_drop_retries(l);
	lane_finish_waiters(l); /* what the last outcomes have brought */
	hub_free(l);
	assistants_free(l);
	buf_free(&l->reduced);
	buf_free(&l->masked);
	repeats_news_fini(&l->news);
	directory_unref(l->dir);
	l->dir = NULL;
	pthread_mutex_lock(&in->ringing);
	l->stopped = true;
	pthread_mutex_unlock(&in->ringing);
	uv_close((uv_handle_t *)&l->retry_timer, NULL);
	uv_close((uv_handle_t *)&l->sweep_timer, NULL);
	uv_close((uv_handle_t *)&l->heard_timer, NULL);
	uv_close((uv_handle_t *)&l->turn_end, NULL);
}

/* --- after a crash: settle what is open --- */

struct open_effect {
	struct open_effect *next;
	struct uuid id;
	enum outcome_end end;
};

static void note_open(void *user, const struct uuid *effect, enum effect_kind kind,
		      bool intent_seen)
{
	struct open_effect **list = user, *e = calloc(1, sizeof(*e));

	(void)kind;
	CHECK(e);
	*e = (struct open_effect){ *list, *effect,
				   intent_seen ? OUTCOME_UNKNOWN : OUTCOME_NOT_SENT };
	*list = e;
}

static void settle(struct lane *l, struct call_entry *c)
{
	struct open_effect *open = NULL;

	session_open_effects(c->session, note_open, &open);
	while (open) {
		struct open_effect *e = open;
		struct buf body AUTO_BUF = { 0 };
		struct outcome o = { .effect = e->id,
				     .end = e->end,
				     .error = SPAN("the core was restarted meanwhile") };

		outcome_write(&o, &body);
		lane_input_sure(l, &c->id, RECORD_OUTCOME, buf_span(&body));
		open = e->next;
		free(e);
	}
}

struct lost_legs {
	int64_t at_us;	    /* the call was heard of last */
	struct span stream; /* of one of them, the session's */
	struct buf facts;   /* bodies of HEARD records, a line each */
};

static void note_lost(void *user, struct span stream, unsigned leg, enum speaker speaker,
		      int64_t attached_us)
{
	struct lost_legs *lost = user;
	struct heard h = { .kind = HEARD_DETACHED,
			   .leg = leg,
			   .speaker = speaker,
			   .at_us = lost->at_us,
			   .ms = (lost->at_us - attached_us) / MS_US,
			   .name = SPAN("lost") };

	if (h.ms < 0)
		h.ms = 0;
	lost->stream = stream;
	heard_write(stream, &h, 1, &lost->facts);
	buf_addc(&lost->facts, '\n');
}

/* Nobody writes it any more; what became of its files is for analysts to find. */
static void note_recording_lost(const struct session *s, struct lost_legs *lost)
{
	struct heard h = { .kind = HEARD_RECORDING,
			   .at_us = lost->at_us,
			   .name = SPAN("stopped"),
			   .text = SPAN("lost") };

	if (!session_records(s, &h.ms))
		return;
	heard_write(lost->stream, &h, 1, &lost->facts);
	buf_addc(&lost->facts, '\n');
}

/* The sockets of its audio went with the process that had them. */
static void settle_audio(struct lane *l, const struct call_entry *c)
{
	struct lost_legs lost = { .at_us = c->last_at_us };
	struct uuid id = c->id;

	session_attached_legs(c->session, note_lost, &lost);
	note_recording_lost(c->session, &lost);
	struct span left = buf_span(&lost.facts);
	while (left.n) {
		size_t n = (size_t)((const char *)memchr(left.p, '\n', left.n) - left.p);

		lane_input_sure(l, &id, RECORD_HEARD, (struct span){ left.p, n });
		left = span_from(left, n + 1);
	}
	buf_free(&lost.facts);
}

static void run_resume(struct mail *m, struct shard *here)
{
	struct lane *l = ((struct lane_mail *)m)->lane;
	struct call_entry *c, *next;

	(void)here;
	l->resumed = true;
	HASH_ITER (hh, l->calls, c, next) {
		struct uuid id = c->id;

		settle(l, c);
		if (lane_call(l, &id))
			settle_audio(l, c);
		if (!lane_call(l, &id))
			continue;
		lane_arm(l, c);
		hear_note(l, c);
		effects_note_recording(l, c);
	}
	free(m);
}

static void post_lane(struct lane *l, void (*run)(struct mail *, struct shard *), void *arg)
{
	struct lane_mail *m = calloc(1, sizeof(*m));

	CHECK(m);
	m->mail.run = run;
	m->lane = l;
	m->arg = arg;
	shard_post_sure(l->shard, &m->mail);
}

void ingest_resume(struct ingest *in)
{
	for (unsigned i = 0; i < in->lanes_n; i++)
		post_lane(in->lanes[i], run_resume, NULL);
}

static void run_directory(struct mail *m, struct shard *here)
{
	struct lane_mail *lm = (struct lane_mail *)m;
	struct lane *l = lm->lane;

	(void)here;
	if (l->stopped) {
		directory_unref(lm->arg);
		free(m);
		return;
	}
	directory_unref(l->dir);
	l->dir = lm->arg;
	if (l->in->on_directory)
		l->in->on_directory(l->in->user, l->shard, l->dir);
	free(m);
	assistants_refresh(l);
	upstream_forget(l);
}

void ingest_set_directory(struct ingest *in, const struct directory *dir)
{
	for (unsigned i = 0; i < in->lanes_n; i++)
		post_lane(in->lanes[i], run_directory, (void *)(uintptr_t)directory_ref(dir));
	directory_unref(dir);
}

void ingest_drain(struct ingest *in)
{
	atomic_store(&in->draining, true);
}

bool ingest_draining(const struct ingest *in)
{
	return atomic_load(&in->draining);
}

unsigned ingest_live_calls(const struct ingest *in)
{
	return atomic_load(&in->live_calls);
}

bool ingest_quiet(const struct ingest *in, int64_t quiet_ms)
{
	int64_t heard = 0;

	for (unsigned i = 0; i < in->lanes_n; i++) {
		int64_t t = in->lanes[i] ? atomic_load(&in->lanes[i]->heard_us) : 0;

		heard = t > heard ? t : heard;
	}
	return ingest_live_calls(in) == 0 || clock_monotonic_us() - heard > quiet_ms * MS_US;
}

struct journal *ingest_journal(struct ingest *in)
{
	return in->journal;
}

struct live *ingest_live(struct ingest *in)
{
	return &in->live;
}

struct hear *ingest_hear(struct ingest *in)
{
	return &in->hear;
}
