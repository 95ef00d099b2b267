/* Calls and records of one shard.
 *
 * Happy path: a record gets its place in the journal (number), is applied to its call at once, and whoever waits for its
 * durability stands in the lane's queue until the writer thread says so.
 *
 * Failure modes: journal full - input is refused before anything happened, except records that must not be lost (outcomes), which
 * wait in `retries`; journal failed - everything is refused and the core stops; a record that cannot be read stays in the
 * journal, changes nothing, and the projector puts it into quarantine. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ingest/lane.h"
#include "ingest/tasks.h"

enum { RETRY_MS = 20, SWEEP_MS = 1000, ANSWER_LIMIT_US = 19 * 1000 * 1000, STOP_WAIT_MS = 5000 };

struct retry {
	struct retry *next;
	struct uuid call;
	enum record_kind kind;
	size_t n;
	char body[];
};

struct lane *lane_of(struct ingest *in, struct shard *s)
{
	return in->lanes[shard_index(s)];
}

struct lane *lane_owner(struct ingest *in, const struct uuid *call)
{
	return in->lanes[uuid_hash(call) % in->lanes_n];
}

/* --- waiting for the disk --------------------------------------------------------------------------------- */

static void run_durable(struct lane *l)
{
	uint64_t durable = journal_durable(l->in->journal);

	while (l->first && l->first->number <= durable) {
		struct waiter *w = l->first;

		l->first = w->next;
		if (!l->first)
			l->last = &l->first;
		w->durable(w, l);
	}
	atomic_store(&l->waiting, l->first != NULL);
}

static void on_durable_mail(struct mail *m, struct shard *here)
{
	struct lane *l = (struct lane *)((char *)m - offsetof(struct lane, durable_mail));

	(void)here;
	atomic_store(&l->durable_sent, false);
	run_durable(l);
	/* The writer may have looked between the last test and `waiting`. */
	if (l->first && l->first->number <= journal_durable(l->in->journal))
		run_durable(l);
}

static void ring(struct lane *l)
{
	if (!atomic_exchange(&l->durable_sent, true))
		shard_post_sure(l->shard, &l->durable_mail);
}

void lane_wait(struct lane *l, struct waiter *w, uint64_t number)
{
	CHECK(!l->first || ((struct waiter *)((char *)l->last - offsetof(struct waiter, next)))->number <= number);
	w->next = NULL;
	w->number = number;
	*l->last = w;
	l->last = &w->next;
	atomic_store(&l->waiting, true);
	if (journal_durable(l->in->journal) >= l->first->number)
		ring(l);
}

static void on_durable(void *user, uint64_t number)
{
	struct ingest *in = user;

	(void)number;
	for (unsigned i = 0; i < in->lanes_n; i++) {
		if (in->lanes[i] && atomic_load(&in->lanes[i]->waiting))
			ring(in->lanes[i]);
	}
}

static void on_journal_failed(void *user, const struct fault *f)
{
	struct ingest *in = user;

	log_error("journal", "failed for good: %s", f->text);
	atomic_store(&in->failed, true);
	if (in->on_failed)
		in->on_failed(in->user);
}

/* --- what a session asks for ------------------------------------------------------------------------------- */

static void host_publish(void *self, const struct event *e)
{
	struct lane *l = self;

	metric_add(METRIC_EVENTS, 1);
	if (e->type == EVENT_CALL_ENDED) {
		struct json cls = json_get(json_of(e->data), "class");
		static const char *const classes[] = { "customer", "assistant", "provider", "telephony", "limit", "lost" };
		const char *name = "other";

		for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
			if (json_is_text(cls, classes[i]))
				name = classes[i];
		}
		metric_add_label(METRIC_CALLS_ENDED, name, 1);
	}
	hub_publish(l, e, session_settings(l->applying->session));
}

static void host_effect(void *self, const struct effect *e)
{
	struct lane *l = self;
	struct effect_task *t = effect_task_new(l, e, l->applying_number);

	*l->asked_last = t;
	l->asked_last = &t->next;
}

static struct delivery *take_pending(struct call_entry *c, uint64_t number)
{
	for (struct pending_answer **p = &c->pending; *p; p = &(*p)->next) {
		if ((*p)->number == number) {
			struct pending_answer *found = *p;
			struct delivery *d = found->delivery;

			*p = found->next;
			free(found);
			return d;
		}
	}
	return NULL;
}

static void answer_when_durable(struct waiter *w, struct lane *l)
{
	struct delivery *d = (struct delivery *)((char *)w - offsetof(struct delivery, waiter));

	delivery_answer(d, l);
}

static void host_answer(void *self, uint64_t number, struct span body)
{
	struct lane *l = self;
	struct delivery *d = take_pending(l->applying, number);

	if (!d)
		return; /* replayed, or answered already */
	d->status = 200;
	buf_clear(&d->answer);
	buf_add(&d->answer, body);
	d->waiter.durable = answer_when_durable;
	lane_wait(l, &d->waiter, l->applying_number);
}

static void host_command_changed(void *self, const struct uuid *id, enum command_state state, struct span json)
{
	command_state(self, id, state, json);
}

/* --- applying ---------------------------------------------------------------------------------------------- */

static void call_free(uv_handle_t *timer)
{
	free(timer->data);
}

static void call_close(struct lane *l, struct call_entry *c)
{
	while (c->pending) {
		struct pending_answer *p = c->pending;

		c->pending = p->next;
		answer_default(p->delivery);
		delivery_answer(p->delivery, l);
		free(p);
	}
	command_waits_free(l, c);
	if (c->counted_live) {
		atomic_fetch_sub(&l->in->live_calls, 1);
		metric_add(METRIC_CALLS_ACTIVE, -1);
	}
	HASH_DEL(l->calls, c);
	atomic_fetch_sub(&l->in->calls, 1);
	session_free(c->session);
	c->session = NULL;
	uv_close((uv_handle_t *)&c->timer, call_free);
}

static void count_live(struct lane *l, struct call_entry *c)
{
	bool live = c->session && !session_ended(c->session);

	if (live == c->counted_live)
		return;
	c->counted_live = live;
	atomic_fetch_add(&l->in->live_calls, live ? 1u : UINT32_MAX);
	metric_add(METRIC_CALLS_ACTIVE, live ? 1 : -1);
}

static void on_deadline(uv_timer_t *t);

static void arm(struct lane *l, struct call_entry *c)
{
	int64_t due = session_deadline(c->session);
	int64_t wait_us = due - clock_now_us();

	if (due == INT64_MAX)
		uv_timer_stop(&c->timer);
	else
		uv_timer_start(&c->timer, on_deadline, wait_us > 0 ? (uint64_t)(wait_us / 1000 + 1) : 0, 0);
	(void)l;
}

static void start_asked(struct lane *l, struct effect_task *t)
{
	while (t) {
		struct effect_task *next = t->next;

		effect_start(l, t);
		t = next;
	}
}

static int lane_apply(struct lane *l, struct call_entry *c, const struct record *r, struct fault *f)
{
	const struct call_host host = { l, host_publish, host_effect, host_answer, host_command_changed };
	struct effect_task *asked;
	int rc;

	l->applying = c;
	l->applying_number = r->number;
	l->asked = NULL;
	l->asked_last = &l->asked;
	rc = step(&c->session, r, &host, l->in->poison, l->index, f);
	l->applying = NULL;
	asked = l->asked;
	hub_flush(l);
	count_live(l, c);
	start_asked(l, asked);
	if (c->session)
		arm(l, c);
	return rc;
}

static struct call_entry *call_new(struct lane *l, const struct uuid *id)
{
	struct call_entry *c = calloc(1, sizeof(*c));

	CHECK(c);
	c->id = *id;
	c->lane = l;
	uv_timer_init(shard_loop(l->shard), &c->timer);
	c->timer.data = c;
	HASH_ADD(hh, l->calls, id, sizeof(c->id), c);
	atomic_fetch_add(&l->in->calls, 1);
	return c;
}

struct call_entry *lane_call(struct lane *l, const struct uuid *id)
{
	struct call_entry *c;

	HASH_FIND(hh, l->calls, id, sizeof(*id), c);
	return c;
}

static int64_t stamp(struct call_entry *c)
{
	int64_t now = clock_now_us();

	if (now > c->last_at_us)
		c->last_at_us = now;
	return c->last_at_us;
}

int lane_input(struct lane *l, struct call_entry *c, enum record_kind kind, struct span body, uint64_t *number,
	       struct fault *f)
{
	struct record r = { .kind = kind, .call = c->id, .at_us = stamp(c), .body = body };
	int rc = journal_append(l->in->journal, &r);

	if (rc)
		return fault(f, rc, "the journal takes no records: %s", fault_name(rc));
	if (number)
		*number = r.number;
	return lane_apply(l, c, &r, f);
}

static void on_deadline(uv_timer_t *t)
{
	struct call_entry *c = t->data;
	struct lane *l = c->lane;
	struct fault f;
	int64_t now = clock_now_us();

	if (session_expired(c->session, now)) {
		call_close(l, c);
		return;
	}
	if (session_deadline(c->session) > now) {
		arm(l, c);
		return;
	}
	int rc = lane_input(l, c, RECORD_TICK, (struct span){ 0 }, NULL, &f);
	if (rc == E_FULL)
		uv_timer_start(&c->timer, on_deadline, RETRY_MS, 0);
}

/* --- records that must not be lost --------------------------------------------------------------------------- */

static int try_sure(struct lane *l, const struct uuid *call, enum record_kind kind, struct span body)
{
	struct call_entry *c = lane_call(l, call);
	struct fault f;
	int rc;

	if (!c || !c->session)
		return 0; /* the call is gone: nothing to tell */
	rc = lane_input(l, c, kind, body, NULL, &f);
	if (rc && rc != E_FULL)
		log_warn("lane", "%s record: %s", record_kind_name(kind), f.text);
	return rc == E_FULL ? E_FULL : 0;
}

static void on_retry(uv_timer_t *t)
{
	struct lane *l = t->data;

	while (l->retries) {
		struct retry *r = l->retries;

		if (try_sure(l, &r->call, r->kind, (struct span){ r->body, r->n }) == E_FULL) {
			uv_timer_start(t, on_retry, RETRY_MS, 0);
			return;
		}
		l->retries = r->next;
		if (!l->retries)
			l->retries_last = &l->retries;
		free(r);
	}
}

void lane_input_sure(struct lane *l, const struct uuid *call, enum record_kind kind, struct span body)
{
	struct retry *r;

	if (!l->retries && try_sure(l, call, kind, body) != E_FULL)
		return;
	r = malloc(sizeof(*r) + body.n);
	CHECK(r);
	*r = (struct retry){ .call = *call, .kind = kind, .n = body.n };
	if (body.n)
		memcpy(r->body, body.p, body.n);
	*l->retries_last = r;
	l->retries_last = &r->next;
	uv_timer_start(&l->retry_timer, on_retry, RETRY_MS, 0);
}

/* --- deliveries ------------------------------------------------------------------------------------------------ */

static void pend(struct call_entry *c, struct delivery *d, uint64_t number)
{
	struct pending_answer *p = calloc(1, sizeof(*p));

	CHECK(p);
	p->number = number;
	p->since_us = clock_monotonic_us();
	p->delivery = d;
	p->next = c->pending;
	c->pending = p;
}

static int append_bound(struct lane *l, struct call_entry *c, struct delivery *d, struct span body,
			struct record r[2], size_t *n, struct buf *bind)
{
	*n = 0;
	if (!c->session) {
		bind_settings(l->dir ? l->dir : d->dir, d->source, bind);
		r[(*n)++] = (struct record){
			.kind = RECORD_BIND, .call = c->id, .at_us = stamp(c), .body = buf_span(bind)
		};
	}
	r[(*n)++] = (struct record){ .kind = RECORD_WEBHOOK, .call = c->id, .at_us = stamp(c), .body = body };
	return journal_append_all(l->in->journal, r, *n);
}

int lane_deliver(struct lane *l, struct delivery *d, struct call_entry **out, uint64_t *number, struct fault *f)
{
	struct call_entry *c = lane_call(l, &d->call);
	struct buf reduced AUTO_BUF = { 0 }, bind AUTO_BUF = { 0 };
	struct span body = buf_span(&d->masked);
	struct record r[2];
	size_t n;
	int rc;

	if (!c && atomic_load(&l->in->calls) >= l->in->max_calls)
		return fault(f, E_FULL, "this node already holds %u calls", l->in->max_calls);
	if (!c)
		c = call_new(l, &d->call);
	if (c->session && session_expired(c->session, stamp(c))) {
		session_free(c->session);
		c->session = NULL;
	}
	if (c->session && !d->envelope.keep_whole) {
		d->dialect->reduce(body, &d->envelope, session_seen(c->session), &reduced);
		body = buf_span(&reduced);
	}
	rc = append_bound(l, c, d, body, r, &n, &bind);
	if (rc) {
		if (!c->session)
			call_close(l, c);
		return fault(f, rc, "the journal takes no records: %s", fault_name(rc));
	}
	*number = r[n - 1].number;
	*out = c;
	if (d->envelope.answer == ANSWER_TOOLS)
		pend(c, d, *number);
	for (size_t i = 0; i < n; i++)
		rc = lane_apply(l, c, &r[i], f);
	if (rc && d->envelope.answer == ANSWER_TOOLS)
		take_pending(c, *number);
	return rc;
}

/* A provider stops waiting after 20 s: whatever is still open then gets the default. */
static void sweep_call(struct lane *l, struct call_entry *c, int64_t now_us)
{
	struct pending_answer **p = &c->pending;

	while (*p) {
		struct pending_answer *old = *p;

		if (now_us - old->since_us < ANSWER_LIMIT_US) {
			p = &old->next;
			continue;
		}
		*p = old->next;
		answer_default(old->delivery);
		delivery_answer(old->delivery, l);
		free(old);
	}
}

static void on_sweep(uv_timer_t *t)
{
	struct lane *l = t->data;
	int64_t now = clock_monotonic_us();

	for (struct call_entry *c = l->calls; c; c = c->hh.next) {
		if (c->pending)
			sweep_call(l, c, now);
	}
	assistants_refresh(l);
}

/* --- start and stop --------------------------------------------------------------------------------------------- */

struct restore {
	struct ingest *in;
	uint64_t applied;
};

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
	int64_t now = clock_now_us();

	HASH_ITER(hh, in->restored, c, next) {
		if (c->session && !session_expired(c->session, now))
			continue;
		HASH_DEL(in->restored, c);
		session_free(c->session);
		free(c);
	}
}

int ingest_new(struct ingest **out, const struct ingest_config *cfg, struct fault *f)
{
	struct ingest *in = calloc(1, sizeof(*in));
	struct journal_config jc = cfg->journal;
	struct restore re = { .in = in };
	uint64_t epoch;

	CHECK(in && cfg->lanes > 0 && cfg->lanes < POISON_SLOT_REPLAY);
	in->lanes_n = cfg->lanes;
	in->lanes = calloc(cfg->lanes, sizeof(struct lane *));
	CHECK(in->lanes);
	in->live.in = in;
	in->warnings = warnings_new();
	in->max_calls = cfg->max_calls;
	in->max_effects = cfg->max_effects;
	in->on_failed = cfg->on_failed;
	in->on_directory = cfg->on_directory;
	in->user = cfg->user;
	crypto_random(&epoch, sizeof(epoch));
	snprintf(in->epoch, sizeof(in->epoch), "%016llx", (unsigned long long)epoch);
	jc.on_durable = on_durable;
	jc.on_failed = on_journal_failed;
	jc.user = in;
	int rc = poison_open(&in->poison, cfg->state_dir, f);
	if (!rc)
		rc = journal_open(&in->journal, &jc, f);
	if (!rc)
		rc = journal_replay(in->journal, restore_record, &re, f);
	if (!rc)
		rc = journal_start(in->journal, f);
	if (rc) {
		ingest_free(in);
		return rc;
	}
	forget_expired(in);
	log_info("replay", "%llu records read again, %u calls in memory", (unsigned long long)re.applied,
		 HASH_COUNT(in->restored));
	*out = in;
	return 0;
}

void ingest_free(struct ingest *in)
{
	struct call_entry *c, *next;

	if (!in)
		return;
	HASH_ITER(hh, in->restored, c, next) {
		HASH_DEL(in->restored, c);
		session_free(c->session);
		free(c);
	}
	journal_free(in->journal);
	poison_free(in->poison);
	warnings_free(in->warnings);
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

	HASH_ITER(hh, l->in->restored, c, next) {
		if (lane_owner(l->in, &c->id) != l)
			continue;
		HASH_DEL(l->in->restored, c);
		struct call_entry *mine = call_new(l, &c->id);
		mine->session = c->session;
		mine->last_at_us = c->last_at_us;
		count_live(l, mine);
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
	l->durable_mail.run = on_durable_mail;
	l->gap = calloc(in->lanes_n, sizeof(*l->gap));
	CHECK(l->gap);
	if (http_client_new(&l->http, s, in->max_effects, in->max_effects * 4, f)) {
		free(l->gap);
		free(l);
		return f->code;
	}
	uv_timer_init(shard_loop(s), &l->retry_timer);
	uv_timer_init(shard_loop(s), &l->sweep_timer);
	l->retry_timer.data = l;
	l->sweep_timer.data = l;
	uv_timer_start(&l->sweep_timer, on_sweep, SWEEP_MS, SWEEP_MS);
	in->lanes[l->index] = l;
	adopt_restored(l);
	return 0;
}


void ingest_lane_finish(struct ingest *in, struct shard *s)
{
	struct lane *l = lane_of(in, s);

	for (int i = 0; l->first && i < STOP_WAIT_MS && !journal_failed(l->in->journal); i++) {
		run_durable(l);
		if (l->first)
			usleep(1000);
	}
}

void ingest_lane_stop(struct ingest *in, struct shard *s)
{
	struct lane *l = lane_of(in, s);
	struct call_entry *c, *next;

	http_client_free(l->http);
	l->http = NULL;
	HASH_ITER(hh, l->calls, c, next)
		call_close(l, c);
	while (l->retries) {
		struct retry *r = l->retries;

		l->retries = r->next;
		free(r);
	}
	hub_free(l);
	assistants_free(l);
	directory_unref(l->dir);
	l->dir = NULL;
	l->stopped = true;
	uv_close((uv_handle_t *)&l->retry_timer, NULL);
	uv_close((uv_handle_t *)&l->sweep_timer, NULL);
}

/* --- after a crash: settle what is open ------------------------------------------------------------------------- */

struct open_effect {
	struct open_effect *next;
	struct uuid id;
	enum outcome_end end;
};

static void note_open(void *user, const struct uuid *effect, enum effect_kind kind, bool intent_seen)
{
	struct open_effect **list = user, *e = calloc(1, sizeof(*e));

	(void)kind;
	CHECK(e);
	*e = (struct open_effect){ *list, *effect, intent_seen ? OUTCOME_UNKNOWN : OUTCOME_NOT_SENT };
	*list = e;
}

static void settle(struct lane *l, struct call_entry *c)
{
	struct open_effect *open = NULL;

	session_open_effects(c->session, note_open, &open);
	while (open) {
		struct open_effect *e = open;
		struct buf body AUTO_BUF = { 0 };
		struct outcome o = { .effect = e->id, .end = e->end, .error = SPAN("the core was restarted meanwhile") };

		outcome_write(&o, &body);
		lane_input_sure(l, &c->id, RECORD_OUTCOME, buf_span(&body));
		open = e->next;
		free(e);
	}
}

static void run_resume(struct mail *m, struct shard *here)
{
	struct lane *l = ((struct lane_mail *)m)->lane;
	struct call_entry *c, *next;

	(void)here;
	HASH_ITER(hh, l->calls, c, next) {
		settle(l, c);
		arm(l, c);
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

struct journal *ingest_journal(struct ingest *in)
{
	return in->journal;
}

struct live *ingest_live(struct ingest *in)
{
	return &in->live;
}
