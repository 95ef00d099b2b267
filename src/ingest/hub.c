/* The live hub: every event, once serialised, to the shards where somebody listens; snapshots by
 * asking every owner.
 *
 * Order: an owner's events travel through one mailbox per listening shard, and its snapshots take
 * the same way, so "in the snapshot" and "after it" can never overlap. When a listening shard's
 * mailbox is full its events are dropped, counted, and the next message tells it so (on_event
 * NULL): live_ws answers with fresh snapshots. */
#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "ingest/tasks.h"

enum { EVENT_TEXT = 1024 }; /* nearly all are shorter */

struct batch {
	struct mail mail;
	struct lane *to;
	bool gap;
	size_t n;
	struct live_event *events[];
};

/* --- events --- */

struct live_event *live_event_ref(struct live_event *e)
{
	__atomic_add_fetch(&e->refs, 1, __ATOMIC_RELAXED);
	return e;
}

void live_event_unref(struct live_event *e)
{
	if (!e || __atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL))
		return;
	message_unref(e->message);
	free(e);
}

static void into_ring(struct lane *l, struct live_event *e)
{
	l->ring[l->ring_next++ % EVENT_RING] = live_event_ref(e);
	l->ring_bytes += e->event_json.n;
	while (l->ring_next - l->ring_first >= EVENT_RING || l->ring_bytes > EVENT_RING_BYTES) {
		struct live_event **oldest = &l->ring[l->ring_first++ % EVENT_RING];

		l->ring_lost_seq = (*oldest)->seq;
		l->ring_bytes -= (*oldest)->event_json.n;
		live_event_unref(*oldest);
		*oldest = NULL;
	}
}

void hub_publish(struct lane *l, const struct event *ev, const struct settings *s)
{
	struct buf text AUTO_BUF = { 0 };
	struct live_event *e = calloc(1, sizeof(*e));
	size_t at;

	CHECK(e);
	buf_reserve(&text, EVENT_TEXT);
	buf_printf(&text, "{\"type\":\"event\",\"owner\":%u,\"event\":", l->index);
	at = text.n;
	event_write(ev, &text);
	buf_addc(&text, '}');
	e->refs = 1;
	e->type = ev->type;
	e->speaker = ev->speaker;
	e->seq = ev->seq;
	e->owner = l->index;
	e->call = ev->call;
	e->org = s->org;
	e->project = s->project;
	e->message = message_new(buf_span(&text));
	e->event_json = span_from(message_text(e->message), at);
	e->event_json.n--;
	l->last_seq = ev->seq;
	if (ev->type == EVENT_PROVIDER_WARNING)
		warnings_note(l->in->warnings, &s->source, ev);
	into_ring(l, e);
	if (l->out_n == l->out_cap) {
		l->out_cap = l->out_cap ? l->out_cap * 2 : 32;
		l->out = realloc(l->out, l->out_cap * sizeof(struct live_event *));
		CHECK(l->out);
	}
	l->out[l->out_n++] = e;
}

static void hand_over(struct lane *to, struct live_event *const *events, size_t n)
{
	for (size_t i = 0; i < n && to->on_event; i++)
		to->on_event(to->on_event_user, events[i]);
}

static void batch_free(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		live_event_unref(b->events[i]);
	free(b);
}

static void run_batch(struct mail *m, struct shard *here)
{
	struct batch *b = (struct batch *)m;

	(void)here;
	if (b->gap && b->to->on_event)
		b->to->on_event(b->to->on_event_user, NULL);
	hand_over(b->to, b->events, b->n);
	batch_free(b);
}

static void post_batch(struct lane *from, struct lane *to)
{
	struct batch *b = calloc(1, sizeof(*b) + from->out_n * sizeof(struct live_event *));

	CHECK(b);
	b->mail.run = run_batch;
	b->to = to;
	b->gap = from->gap[to->index];
	b->n = from->out_n;
	for (size_t i = 0; i < b->n; i++)
		b->events[i] = live_event_ref(from->out[i]);
	from->gap[to->index] = false;
	if (shard_post(to->shard, &b->mail)) {
		from->gap[to->index] = true;
		metric_add(METRIC_MAILBOX_FULL, 1);
		batch_free(b);
	}
}

void hub_flush(struct lane *l)
{
	if (!l->out_n)
		return;
	for (unsigned i = 0; i < l->in->lanes_n; i++) {
		struct lane *to = l->in->lanes[i];

		if (to && to != l && atomic_load(&to->listening))
			post_batch(l, to);
	}
	hand_over(l, l->out, l->out_n);
	for (size_t i = 0; i < l->out_n; i++)
		live_event_unref(l->out[i]);
	l->out_n = 0;
}

void hub_free(struct lane *l)
{
	for (size_t i = 0; i < EVENT_RING; i++)
		live_event_unref(l->ring[i]);
	free(l->out);
	memset(l->ring, 0, sizeof(l->ring));
	l->ring_first = l->ring_next = 0;
	l->out = NULL;
	l->out_n = l->out_cap = 0;
}

void live_listen(struct live *live, struct shard *here,
		 void (*on_event)(void *, struct live_event *), void *user)
{
	struct lane *l = lane_of(live->in, here);

	l->on_event = on_event;
	l->on_event_user = user;
	atomic_store(&l->listening, on_event != NULL);
}

/* --- snapshots: scatter and gather --- */

struct gather {
	struct live_query query;
	struct uuid call;
	struct shard *home;
	unsigned missing;
};

struct part_mail {
	struct mail mail;
	struct gather *g;
	struct lane *owner;
	uint64_t after;
	struct live_part part;
	struct buf json;
};

static bool wanted(const struct gather *g, const struct call_entry *c)
{
	const struct settings *s = c->session ? session_settings(c->session) : NULL;

	return s && uuid_eq(&s->org, &g->query.org) &&
	       (uuid_is_nil(&g->query.project) || uuid_eq(&s->project, &g->query.project)) &&
	       (g->query.call || !session_ended(c->session));
}

static void put_snapshot(struct json_out *o, const struct gather *g, const struct call_entry *c)
{
	struct buf one AUTO_BUF = { 0 };

	if (!wanted(g, c))
		return;
	session_snapshot(c->session, &one);
	json_put_raw(o, NULL, buf_span(&one));
}

static void put_snapshots(struct lane *l, struct part_mail *p)
{
	struct json_out o = { .b = &p->json };

	json_begin_array(&o, NULL);
	if (p->g->query.call) {
		struct call_entry *c = lane_call(l, &p->g->call);

		if (c)
			put_snapshot(&o, p->g, c);
	} else {
		for (struct call_entry *c = l->calls; c; c = c->hh.next)
			put_snapshot(&o, p->g, c);
	}
	json_end_array(&o);
}

static bool put_missed(struct lane *l, struct part_mail *p)
{
	struct json_out o = { .b = &p->json };
	const struct live_query *q = &p->g->query;

	if (!p->after || p->after < l->ring_lost_seq)
		return false;
	json_begin_array(&o, NULL);
	for (uint64_t i = l->ring_first; i < l->ring_next; i++) {
		const struct live_event *e = l->ring[i % EVENT_RING];

		if (e->seq > p->after && uuid_eq(&e->org, &q->org) &&
		    (uuid_is_nil(&q->project) || uuid_eq(&e->project, &q->project)) &&
		    (!q->call || uuid_eq(&e->call, &p->g->call)))
			json_put_raw(&o, NULL, e->event_json);
	}
	json_end_array(&o);
	return true;
}

static void run_part_home(struct mail *m, struct shard *here)
{
	struct part_mail *p = (struct part_mail *)m;
	struct gather *g = p->g;

	(void)here;
	p->part.json = buf_span(&p->json);
	g->query.part(g->query.user, &p->part);
	buf_free(&p->json);
	free(p);
	if (--g->missing == 0) {
		g->query.done(g->query.user);
		free(g);
	}
}

static void run_part_owner(struct mail *m, struct shard *here)
{
	struct part_mail *p = (struct part_mail *)m;
	struct lane *l = p->owner;

	(void)here;
	p->part = (struct live_part){ .owner = l->index, .last_seq = l->last_seq };
	p->part.resumed = put_missed(l, p);
	if (!p->part.resumed) {
		buf_clear(&p->json);
		put_snapshots(l, p);
	}
	p->mail.run = run_part_home;
	shard_post_sure(p->g->home, &p->mail);
}

static struct part_mail *part_new(struct gather *g, struct lane *owner)
{
	struct part_mail *p = calloc(1, sizeof(*p));

	CHECK(p);
	p->mail.run = run_part_owner;
	p->g = g;
	p->owner = owner;
	if (owner->index < g->query.after_n)
		p->after = g->query.after[owner->index];
	return p;
}

int live_snapshot(struct live *live, struct shard *here, const struct live_query *q)
{
	struct gather *g = calloc(1, sizeof(*g));
	unsigned n = live->in->lanes_n;

	CHECK(g);
	g->query = *q;
	g->home = here;
	g->missing = q->call ? 1 : n;
	if (q->call)
		g->call = *q->call;
	for (unsigned i = 0; i < n; i++) {
		struct lane *owner = q->call ? lane_owner(live->in, &g->call) : live->in->lanes[i];
		struct part_mail *p = part_new(g, owner);

		/* One question per request admitted by the API: bounded there. */
		shard_post_sure(owner->shard, &p->mail);
		if (q->call)
			break;
	}
	return 0;
}

const char *live_epoch(const struct live *live)
{
	return live->in->epoch;
}

const struct directory *live_directory(struct live *live, struct shard *here)
{
	return lane_of(live->in, here)->dir;
}
