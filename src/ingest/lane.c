/* Calls and records of one shard.
 *
 * Happy path: a record gets its place in the journal (number), is applied to its call at once, and
 * whoever waits for its durability stands in the lane's queue until the writer thread says so.
 *
 * Most of a delivery repeats earlier ones of its call. That is found out on the bytes as they came;
 * only what is left, a few KB, is checked, masked and journaled, and what the call may leave out
 * next time is learned when the journal has it.
 *
 * Failure modes: journal full - input is refused before anything happened, except records that must
 * not be lost (retry.c); journal failed - everything is refused and the core stops; a record that
 * cannot be read stays in the journal, changes nothing, and the projector puts it into quarantine.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/crypto.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ingest/lane.h"
#include "ingest/tasks.h"

enum {
	JOURNAL_FULL_PAUSE_MS = 20,
	ANSWER_LIMIT_US = 19 * 1000 * 1000,
	KEPT_BYTES = 2 * OFF_LOOP_BYTES
};

struct lane *lane_of(struct ingest *in, struct shard *s)
{
	return in->lanes[shard_index(s)];
}

struct lane *lane_owner(struct ingest *in, const struct uuid *call)
{
	return in->lanes[uuid_hash(call) % in->lanes_n];
}

/* --- what a session asks for --- */

static void count_ended(struct json data)
{
	static const char *const classes[] = { "customer",  "assistant", "provider",
					       "telephony", "limit",	 "lost" };
	struct json cls = json_get(data, "class");
	const char *name = "other";

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (json_is_text(cls, classes[i]))
			name = classes[i];
	}
	metric_add_label(METRIC_CALLS_ENDED, name, 1);
}

/* What says most about a tool call comes first. */
static void count_tool(struct json data)
{
	static const char *const results[] = { "unknown", "fallback", "success" };
	const char *name = "failed";

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		if (json_get(data, results[i]).kind == JSON_TRUE) {
			name = results[i];
			break;
		}
	}
	metric_add_label(METRIC_TOOL_CALLS, name, 1);
}

static void host_publish(void *self, const struct event *e)
{
	struct lane *l = self;

	metric_add(METRIC_EVENTS, 1);
	if (e->type == EVENT_CALL_STARTED || e->type == EVENT_CALL_UPDATED)
		context_note_customer(l->applying, json_get(json_of(e->data), "customer"));
	if (e->type == EVENT_CALL_ENDED)
		count_ended(json_of(e->data));
	if (e->type == EVENT_TOOL_FINISHED)
		count_tool(json_of(e->data));
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

static void host_answer(void *self, uint64_t number, struct span body)
{
	struct lane *l = self;
	struct delivery *d = take_pending(l->applying, number);

	if (!d)
		return; /* replayed, or answered already */
	d->status = 200;
	buf_clear(&d->answer);
	buf_add(&d->answer, body);
	delivery_answer_at(d, l, l->applying_number);
}

static void host_command_changed(void *self, const struct uuid *id, enum command_state state,
				 struct span json)
{
	command_state(self, id, state, json);
}

/* --- applying --- */

/* --- calls by the provider's id --- */

struct uuid lane_name(const struct uuid *org, struct span provider_call_id)
{
	return uuid_v5(org, provider_call_id);
}

struct uuid lane_telephony(const struct uuid *org, struct span telephony_id)
{
	struct uuid carriers = uuid_v5(org, SPAN("telephony"));

	return uuid_v5(&carriers, telephony_id);
}

struct call_name *lane_named(struct lane *l, const struct uuid *name)
{
	struct call_name *n;

	HASH_FIND(hh, l->names, name, sizeof(*name), n);
	return n;
}

static void name_as(struct lane *l, struct call_name *n, struct uuid name)
{
	struct call_name *first = lane_named(l, &name);

	n->name = name;
	if (first) {
		n->namesake = first->namesake;
		first->namesake = n;
	} else {
		HASH_ADD(hh, l->names, name, sizeof(n->name), n);
	}
}

/* As soon as its session knows the ids. */
static void name_call(struct lane *l, struct call_entry *c)
{
	const struct uuid *org;
	struct span provider, telephony;

	if (!c->session || !session_settings(c->session))
		return;
	org = &session_settings(c->session)->org;
	provider = session_provider_call_id(c->session);
	telephony = session_telephony_id(c->session);
	if (uuid_is_nil(&c->names[CALL_PROVIDER].name) && provider.n)
		name_as(l, &c->names[CALL_PROVIDER], lane_name(org, provider));
	if (uuid_is_nil(&c->names[CALL_TELEPHONY].name) && telephony.n)
		name_as(l, &c->names[CALL_TELEPHONY], lane_telephony(org, telephony));
}

static void unname(struct lane *l, struct call_name *n)
{
	struct call_name *first = uuid_is_nil(&n->name) ? NULL : lane_named(l, &n->name);

	if (!first)
		return;
	if (first == n) {
		HASH_DEL(l->names, n);
		if (n->namesake)
			HASH_ADD(hh, l->names, name, sizeof(n->name), n->namesake);
		return;
	}
	while (first->namesake != n)
		first = first->namesake;
	first->namesake = n->namesake;
}

static void call_free(uv_handle_t *timer)
{
	free(timer->data);
}

void lane_call_close(struct lane *l, struct call_entry *c)
{
	while (c->pending) {
		struct pending_answer *p = c->pending;

		c->pending = p->next;
		answer_default(p->delivery);
		delivery_answer_at(p->delivery, l, p->number);
		free(p);
	}
	command_waits_free(l, c);
	if (c->counted_live) {
		atomic_fetch_sub(&l->in->live_calls, 1);
		metric_add(METRIC_CALLS_ACTIVE, -1);
	}
	for (unsigned i = 0; i < CALL_NAMES; i++)
		unname(l, &c->names[i]);
	HASH_DEL(l->calls, c);
	atomic_fetch_sub(&l->in->calls, 1);
	session_free(c->session);
	c->session = NULL;
	effects_note_recording(l, c);
	repeats_fini(&c->repeats);
	buf_free(&c->number);
	uv_close((uv_handle_t *)&c->timer, call_free);
}

void lane_count_live(struct lane *l, struct call_entry *c)
{
	bool live = c->session && !session_ended(c->session);

	name_call(l, c);
	hear_note(l, c);
	effects_note_recording(l, c);
	if (live == c->counted_live)
		return;
	c->counted_live = live;
	atomic_fetch_add(&l->in->live_calls, live ? 1u : UINT32_MAX);
	metric_add(METRIC_CALLS_ACTIVE, live ? 1 : -1);
}

static void on_deadline(uv_timer_t *t);

void lane_arm(struct lane *l, struct call_entry *c)
{
	int64_t due = session_deadline(c->session);
	int64_t wait_us = due - ingest_now(l->in);

	if (due == INT64_MAX)
		uv_timer_stop(&c->timer);
	else
		uv_timer_start(&c->timer, on_deadline,
			       wait_us > 0 ? (uint64_t)(wait_us / 1000 + 1) : 0, 0);
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
	const struct call_host host = { l, host_publish, host_effect, host_answer,
					host_command_changed };
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
	lane_count_live(l, c);
	start_asked(l, asked);
	if (c->session)
		lane_arm(l, c);
	return rc;
}

struct call_entry *lane_call_new(struct lane *l, const struct uuid *id)
{
	struct call_entry *c = calloc(1, sizeof(*c));
	uint64_t seed;

	CHECK(c);
	c->id = *id;
	c->lane = l;
	for (unsigned i = 0; i < CALL_NAMES; i++)
		c->names[i].call = c;
	crypto_random(&seed, sizeof(seed));
	repeats_init(&c->repeats, seed);
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

static int64_t stamp(struct ingest *in, struct call_entry *c)
{
	int64_t now = ingest_now(in);

	if (now > c->last_at_us)
		c->last_at_us = now;
	return c->last_at_us;
}

int lane_input(struct lane *l, struct call_entry *c, enum record_kind kind, struct span body,
	       uint64_t *number, struct fault *f)
{
	struct record r = { .kind = kind, .call = c->id, .at_us = stamp(l->in, c), .body = body };
	int rc;

	if (session_expired(c->session, r.at_us)) {
		lane_call_close(l, c);
		return fault(f, E_NOT_FOUND, "the call has been over for long");
	}
	rc = lane_append(l, &r, 1);
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
	int64_t now = ingest_now(l->in);

	if (session_deadline(c->session) > now) {
		lane_arm(l, c);
		return;
	}
	int rc = lane_input(l, c, RECORD_TICK, (struct span){ 0 }, NULL, &f);
	if (rc == E_FULL)
		uv_timer_start(&c->timer, on_deadline, JOURNAL_FULL_PAUSE_MS, 0);
}

/* --- deliveries --- */

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
			int64_t at_us, struct record r[2], size_t *n, struct buf *bind)
{
	*n = 0;
	if (!c->session) {
		bind_settings(l->dir ? l->dir : d->dir, d->source, bind);
		r[(*n)++] = (struct record){
			.kind = RECORD_BIND, .call = c->id, .at_us = at_us, .body = buf_span(bind)
		};
	}
	r[(*n)++] = (struct record){
		.kind = RECORD_WEBHOOK, .call = c->id, .at_us = at_us, .body = body
	};
	return lane_append(l, r, *n);
}

static void keep_small(struct buf *b)
{
	if (b->cap > KEPT_BYTES)
		buf_free(b);
	buf_clear(b);
}

static void forget_last(struct lane *l)
{
	keep_small(&l->reduced);
	keep_small(&l->masked);
	l->news.n = 0;
}

/* A delivery's body as it is to be journaled. */
static int take_body(struct lane *l, struct call_entry *c, struct delivery *d, struct span *out)
{
	bool checked = d->masked.n > 0;
	struct span body = checked ? buf_span(&d->masked) : (struct span){ d->body, d->body_n };

	forget_last(l);
	*out = body;
	if (d->envelope.keep_whole)
		return 0;
	d->dialect->reduce(body, &d->envelope, &c->repeats, &l->reduced, &l->news);
	*out = buf_span(&l->reduced);
	if (checked)
		return 0;
	if (json_check(*out, NULL) == 0) {
		d->dialect->mask(*out, &d->envelope, &l->masked);
		*out = buf_span(&l->masked);
		return 0;
	}
	/* Places are told of the body that was sent. */
	l->news.n = 0;
	d->malformed = delivery_whole(d) != 0;
	*out = buf_span(&d->masked);
	return d->malformed ? E_INVALID : 0;
}

/* An input in quarantine is taken; only who waits for the session's answer gets the default. */
static int unanswerable(const struct delivery *d, struct fault *f)
{
	return d->envelope.answer == ANSWER_TOOLS
		       ? fault(f, E_INVALID, "the input is in quarantine")
		       : 0;
}

static int apply_delivered(struct lane *l, struct call_entry *c, const struct record *r, size_t n,
			   struct fault *f)
{
	uint32_t before = c->session ? session_repeated_tools(c->session) : 0, after;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		rc = lane_apply(l, c, &r[i], f);
	after = c->session ? session_repeated_tools(c->session) : before;
	if (after != before)
		metric_add_label(METRIC_TOOL_CALLS, "duplicate", after - before);
	return rc;
}

int lane_deliver(struct lane *l, struct delivery *d, struct call_entry **out, uint64_t *number,
		 struct fault *f)
{
	struct call_entry *c = lane_call(l, &d->call);
	struct buf bind AUTO_BUF = { 0 };
	struct span body;
	struct record r[2];
	int64_t at_us;
	size_t n;
	int rc;

	if (!c && atomic_load(&l->in->calls) >= l->in->max_calls)
		return fault(f, E_FULL, "this node already holds %u calls", l->in->max_calls);
	if (!c)
		c = lane_call_new(l, &d->call);
	at_us = stamp(l->in, c);
	if (c->session && session_expired(c->session, at_us)) {
		session_free(c->session);
		c->session = NULL;
	}
	if (!c->session)
		repeats_forget(&c->repeats); /* another session's journal may be gone */
	rc = take_body(l, c, d, &body);
	if (rc == 0)
		rc = append_bound(l, c, d, body, at_us, r, &n, &bind);
	if (rc) {
		if (!c->session)
			lane_call_close(l, c);
		return d->malformed
			       ? rc
			       : fault(f, rc, "the journal takes no records: %s", fault_name(rc));
	}
	*number = r[n - 1].number;
	*out = c;
	if (d->envelope.answer == ANSWER_TOOLS)
		pend(c, d, *number);
	rc = apply_delivered(l, c, r, n, f);
	if (poison_skip_record(l->in->poison, &r[n - 1]))
		rc = unanswerable(d, f); /* the session has not seen it */
	else if (rc == 0)
		repeats_learn(&c->repeats, &l->news);
	if (rc && d->envelope.answer == ANSWER_TOOLS)
		take_pending(c, *number);
	if (c->counted_live)
		atomic_store(&l->heard_us, d->received_us);
	if (!c->session)
		lane_call_close(l, c); /* its BIND could not be read */
	return rc;
}

/* --- calls that no delivery has told of --- */

static int append_first(struct lane *l, struct call_entry *c, const struct dir_source *source,
			struct span first, struct fault *f)
{
	struct buf bind AUTO_BUF = { 0 };
	int64_t at_us = stamp(l->in, c);
	size_t n = first.n ? 2 : 1;

	bind_settings(l->dir, source, &bind);
	struct record r[2] = {
		{ .kind = RECORD_BIND, .call = c->id, .at_us = at_us, .body = buf_span(&bind) },
		{ .kind = RECORD_WEBHOOK, .call = c->id, .at_us = at_us, .body = first },
	};
	int rc = lane_append(l, r, n);
	if (rc)
		return fault(f, rc, "the journal takes no records: %s", fault_name(rc));
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = lane_apply(l, c, &r[i], f);
	return rc;
}

struct call_entry *lane_begin_call(struct lane *l, const struct uuid *id,
				   const struct dir_source *source, struct span first,
				   struct fault *f)
{
	struct call_entry *c = lane_call(l, id);

	if (!c && atomic_load(&l->in->calls) >= l->in->max_calls) {
		fault(f, E_FULL, "this node already holds %u calls", l->in->max_calls);
		return NULL;
	}
	if (!c)
		c = lane_call_new(l, id);
	session_free(take(c->session));
	if (append_first(l, c, source, first, f) || !c->session) {
		lane_call_close(l, c);
		return NULL;
	}
	return c;
}

struct call_entry *lane_audio_call(struct lane *l, const struct uuid *id,
				   const struct dir_source *source, struct fault *f)
{
	struct call_entry *c = lane_call(l, id);

	if (c && c->session && !session_expired(c->session, ingest_now(l->in)))
		return c;
	return lane_begin_call(l, id, source, (struct span){ 0 }, f);
}

/* A provider stops waiting after 20 s: whatever is still open then gets the default. Calls that
 * have been over long enough go. */
static void sweep_call(struct lane *l, struct call_entry *c, int64_t now_us)
{
	struct pending_answer **p = &c->pending;

	while (*p) {
		struct pending_answer *old = *p;

		if (now_us - old->since_us < ANSWER_LIMIT_US ||
		    old->number > journal_durable(l->in->journal)) {
			p = &old->next;
			continue;
		}
		*p = old->next;
		answer_default(old->delivery);
		delivery_answer(old->delivery);
		free(old);
	}
}

void lane_on_sweep(uv_timer_t *t)
{
	struct lane *l = t->data;
	struct call_entry *c, *next;
	int64_t now = clock_monotonic_us(), today = ingest_now(l->in);

	HASH_ITER (hh, l->calls, c, next) {
		if (c->pending)
			sweep_call(l, c, now);
		if (session_expired(c->session, today))
			lane_call_close(l, c);
	}
	assistants_refresh(l);
}
