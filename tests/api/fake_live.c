#include "fake_live.h"

#include <stdio.h>
#include <stdlib.h>

struct live_event *live_event_ref(struct live_event *e)
{
	__atomic_add_fetch(&e->refs, 1, __ATOMIC_RELAXED);
	return e;
}

void live_event_unref(struct live_event *e)
{
	if (__atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL))
		return;
	message_unref(e->message);
	free(e);
}

/* --- events ---------------------------------------------------------------------- */

struct event_mail {
	struct mail mail;
	struct live *live;
	struct live_event *event; /* NULL: a gap */
};

static void run_event(struct mail *m, struct shard *here)
{
	struct event_mail *e = (struct event_mail *)m;
	unsigned i = shard_index(here);
	void (*fn)(void *, struct live_event *) = atomic_load(&e->live->listeners[i].on_event);
	if (fn)
		fn(e->live->listeners[i].user, e->event);
	if (e->event)
		live_event_unref(e->event);
	free(e);
}

static void mail_event(struct live *live, unsigned shard, struct live_event *event)
{
	struct event_mail *m = calloc(1, sizeof(*m));
	CHECK(m);
	m->mail.run = run_event;
	m->live = live;
	m->event = event ? live_event_ref(event) : NULL;
	shard_post_sure(shards_at(live->shards, shard), &m->mail);
}

void fake_live_publish(struct live *live, unsigned owner, const struct fake_call *call,
		       enum event_type type, enum speaker speaker, const char *text)
{
	struct fake_owner *o = &live->owners[owner];
	struct buf b AUTO_BUF = { 0 };
	struct event ev = {
		.type = type,
		.speaker = speaker,
		.seq = ++o->last_seq,
		.call = call->id,
		.offset_ms = -1,
		.text = span_of(text),
		.data = SPAN("{}"),
	};
	struct live_event *e = calloc(1, sizeof(*e));
	CHECK(e);
	buf_printf(&b, "{\"type\":\"event\",\"owner\":%u,\"event\":", owner);
	size_t at = b.n;
	event_write(&ev, &b);
	size_t n = b.n - at;
	buf_addc(&b, '}');
	*e = (struct live_event){ .refs = 1,
				  .type = type,
				  .speaker = speaker,
				  .seq = ev.seq,
				  .owner = owner,
				  .call = call->id,
				  .org = call->org,
				  .project = call->project };
	e->message = message_new(buf_span(&b));
	e->event_json = (struct span){ message_text(e->message).p + at, n };
	CHECK(o->ring_n < FAKE_RING);
	o->ring[o->ring_n++] = e;
	for (unsigned i = 0; i < shards_count(live->shards); i++)
		if (atomic_load(&live->listeners[i].on_event))
			mail_event(live, i, e);
}

void fake_live_gap(struct live *live, struct shard *here)
{
	mail_event(live, shard_index(here), NULL);
}

void live_listen(struct live *live, struct shard *here,
		 void (*on_event)(void *, struct live_event *), void *user)
{
	unsigned i = shard_index(here);
	live->listeners[i].user = user;
	atomic_store(&live->listeners[i].on_event, on_event);
}

/* --- snapshots ------------------------------------------------------------------- */

struct gather {
	struct live *live;
	struct live_query query;
	struct uuid call;
	uint64_t after[FAKE_OWNERS];
	struct shard *home;
	unsigned missing;
};

struct part_mail {
	struct mail mail;
	struct gather *g;
	unsigned owner;
	struct live_part part;
	struct buf json;
	struct part_mail *next; /* while held */
};

static bool wanted(const struct gather *g, const struct uuid *call, const struct uuid *org,
		   const struct uuid *project)
{
	return uuid_eq(org, &g->query.org) && (!g->query.call || uuid_eq(call, &g->call)) &&
	       (uuid_is_nil(&g->query.project) || uuid_eq(project, &g->query.project));
}

static void deliver(struct part_mail *p)
{
	struct gather *g = p->g;
	p->part.json = buf_span(&p->json);
	g->query.part(g->query.user, &p->part);
	buf_free(&p->json);
	free(p);
	if (--g->missing)
		return;
	g->query.done(g->query.user);
	free(g);
}

static void run_home(struct mail *m, struct shard *here)
{
	struct part_mail *p = (struct part_mail *)m;
	struct live *live = p->g->live;
	if (!atomic_load(&live->hold_snapshots)) {
		deliver(p);
		return;
	}
	CHECK(shard_index(here) == 0);
	p->next = NULL;
	if (live->held_last)
		live->held_last->next = p;
	else
		live->held_first = p;
	live->held_last = p;
}

void fake_live_release(struct live *live, struct shard *here)
{
	CHECK(shard_index(here) == 0);
	atomic_store(&live->hold_snapshots, false);
	struct part_mail *p = live->held_first;
	live->held_first = live->held_last = NULL;
	while (p) {
		struct part_mail *next = p->next;
		deliver(p);
		p = next;
	}
}

static void put_missed(const struct fake_owner *o, struct part_mail *p, uint64_t after,
		       struct json_out *out)
{
	for (size_t i = 0; i < o->ring_n; i++) {
		const struct live_event *e = o->ring[i];
		if (e->seq > after && wanted(p->g, &e->call, &e->org, &e->project))
			json_put_raw(out, NULL, e->event_json);
	}
}

static void put_calls(const struct fake_owner *o, struct part_mail *p, struct json_out *out)
{
	for (size_t i = 0; i < o->calls_n; i++) {
		const struct fake_call *c = &o->calls[i];
		if (wanted(p->g, &c->id, &c->org, &c->project))
			json_put_raw(out, NULL, span_of(c->json));
	}
}

static void run_owner(struct mail *m, struct shard *here)
{
	struct part_mail *p = (struct part_mail *)m;
	struct fake_owner *o = &p->g->live->owners[p->owner];
	uint64_t after = p->g->after[p->owner];
	struct json_out out = { .b = &p->json };
	(void)here;
	p->part = (struct live_part){ .owner = p->owner, .last_seq = o->last_seq };
	p->part.resumed = after && after >= atomic_load(&o->ring_lost_seq);
	json_begin_array(&out, NULL);
	if (p->part.resumed)
		put_missed(o, p, after, &out);
	else
		put_calls(o, p, &out);
	json_end_array(&out);
	p->mail.run = run_home;
	shard_post_sure(p->g->home, &p->mail);
}

static void ask(struct gather *g, unsigned owner)
{
	struct part_mail *p = calloc(1, sizeof(*p));
	CHECK(p);
	p->mail.run = run_owner;
	p->g = g;
	p->owner = owner;
	shard_post_sure(shards_at(g->live->shards, owner), &p->mail);
}

int live_snapshot(struct live *live, struct shard *here, const struct live_query *q)
{
	unsigned owners = shards_count(live->shards);
	int code = atomic_load(&live->snapshot_code);
	atomic_fetch_add(&live->snapshots, 1);
	if (code)
		return code;
	struct gather *g = calloc(1, sizeof(*g));
	CHECK(g);
	g->live = live;
	g->query = *q;
	g->home = here;
	for (size_t i = 0; i < q->after_n && i < FAKE_OWNERS; i++)
		g->after[i] = q->after[i];
	g->missing = q->call ? 1 : owners;
	if (q->call) {
		g->call = *q->call;
		ask(g, (unsigned)(uuid_hash(q->call) % owners));
		return 0;
	}
	for (unsigned i = 0; i < owners; i++)
		ask(g, i);
	return 0;
}

const char *live_epoch(const struct live *live)
{
	(void)live;
	return "0123456789abcdef";
}

/* --- commands -------------------------------------------------------------------- */

struct command_mail {
	struct mail mail;
	struct live_command_answer answer;
	struct buf json;
	void (*done)(void *, const struct live_command_answer *);
	void *user;
};

static void run_command(struct mail *m, struct shard *here)
{
	struct command_mail *c = (struct command_mail *)m;
	(void)here;
	c->answer.json = buf_span(&c->json);
	c->done(c->user, &c->answer);
	buf_free(&c->json);
	free(c);
}

static struct fake_call *find_call(struct live *live, const struct uuid *org, struct span text,
				   int *code)
{
	struct uuid ids[9];
	size_t n = 0;
	if (uuid_parse(&ids[0], text) == 0)
		n = 1;
	for (size_t i = 0; i < live->directory->sources_n && n < 9; i++)
		ids[n++] = uuid_v5(&live->directory->sources[i].id, text);
	*code = E_NOT_FOUND;
	for (unsigned o = 0; o < shards_count(live->shards); o++)
		for (size_t i = 0; i < live->owners[o].calls_n; i++)
			for (size_t k = 0; k < n; k++) {
				struct fake_call *c = &live->owners[o].calls[i];
				if (!uuid_eq(&c->id, &ids[k]))
					continue;
				*code = uuid_eq(&c->org, org) ? 0 : E_DENIED;
				return c;
			}
	return NULL;
}

/* The text says what shall become of the command: "reject", "wait", else it is accepted. */
static void write_command(const struct command *command, const struct fake_call *call,
			  struct buf *out)
{
	bool reject = span_is(command->text, "reject"), wait = span_is(command->text, "wait");
	struct json_out o = { .b = out };
	char id[UUID_TEXT + 1], call_id[UUID_TEXT + 1];
	uuid_format(&command->id, id);
	uuid_format(&call->id, call_id);
	json_begin(&o, NULL);
	json_put_z(&o, "command_id", id);
	json_put_z(&o, "verb", command_verb_name(command->verb));
	json_put_z(&o, "target", command->target == TARGET_CUSTOMER ? "customer" : "assistant");
	json_put_z(&o, "state", reject ? "rejected" : wait ? "requested" : "accepted");
	json_put_text(&o, "text", command->text);
	json_put_text(&o, "actor", command->actor);
	json_put_text(&o, "reason", command->reason);
	json_put_z(&o, "requested_at", "2026-11-21T04:53:00.000000Z");
	json_put_z(&o, "error", reject ? "the call has ended" : NULL);
	json_end(&o);
}

static void note_command(struct live *live, const struct command *command)
{
	struct buf text AUTO_BUF = { 0 };
	command_write(command, &text);
	pthread_mutex_lock(&live->lock);
	snprintf(live->last_command, sizeof(live->last_command), "%s", buf_z(&text));
	pthread_mutex_unlock(&live->lock);
	atomic_fetch_add(&live->commands, 1);
}

/* The call is the source's. */
int live_text(struct live *live, struct shard *here, const struct uuid *org,
	      const struct live_text *text, const struct command *command, int64_t wait_ms,
	      void (*done)(void *, const struct live_command_answer *), void *user)
{
	const struct fake_call call = { .id = text->source, .org = *org };
	struct command_mail *m = calloc(1, sizeof(*m));
	CHECK(m);
	(void)wait_ms;
	note_command(live, command);
	pthread_mutex_lock(&live->lock);
	snprintf(live->last_text, sizeof(live->last_text), "%.*s %.*s", SPAN_ARG(text->ours),
		 SPAN_ARG(text->theirs));
	pthread_mutex_unlock(&live->lock);
	*m = (struct command_mail){ .mail.run = run_command, .done = done, .user = user };
	m->answer.call = call.id;
	m->answer.code = atomic_load(&live->command_code);
	if (m->answer.code)
		m->answer.detail = SPAN("the fake says no");
	else
		write_command(command, &call, &m->json);
	shard_post_sure(here, &m->mail);
	return 0;
}

int live_command(struct live *live, struct shard *here, const struct uuid *org, struct span call,
		 const struct command *command, int64_t wait_ms,
		 void (*done)(void *, const struct live_command_answer *), void *user)
{
	(void)wait_ms;
	note_command(live, command);
	int forced = atomic_load(&live->command_code);
	if (forced == E_FULL)
		return forced;
	struct command_mail *m = calloc(1, sizeof(*m));
	CHECK(m);
	m->mail.run = run_command;
	m->done = done;
	m->user = user;
	pthread_mutex_lock(&live->lock);
	const struct fake_call *c = find_call(live, org, call, &m->answer.code);
	pthread_mutex_unlock(&live->lock);
	if (forced)
		m->answer.code = forced;
	if (m->answer.code)
		m->answer.detail = SPAN("the fake says no");
	else
		write_command(command, c, &m->json);
	shard_post_sure(here, &m->mail);
	return 0;
}

void fake_live_last_command(struct live *live, struct buf *out)
{
	buf_clear(out);
	pthread_mutex_lock(&live->lock);
	buf_addz(out, live->last_command);
	pthread_mutex_unlock(&live->lock);
}

/* --- the rest -------------------------------------------------------------------- */

const struct directory *live_directory(struct live *live, struct shard *here)
{
	(void)here;
	const struct directory *next = atomic_load(&live->next_directory);
	return next ? next : live->directory;
}

void live_context(struct live *live, struct shard *here, const struct live_context *what)
{
	char conversation[UUID_TEXT + 1];
	(void)here;
	uuid_format(&what->conversation, conversation);
	pthread_mutex_lock(&live->lock);
	snprintf(live->last_context, sizeof(live->last_context), "%.*s %s %.*s",
		 SPAN_ARG(what->number), conversation, SPAN_ARG(what->items));
	pthread_mutex_unlock(&live->lock);
}

void live_link_audio(struct live *live, struct shard *here, const struct uuid *org,
		     const struct uuid *from, const struct uuid *to,
		     void (*done)(void *user, int code), void *user)
{
	(void)live, (void)here, (void)org;
	done(user, uuid_eq(from, to) ? E_CONFLICT : E_NOT_FOUND);
}

void live_audio_token(struct live *live, const struct uuid *org, const struct uuid *call,
		      struct buf *out)
{
	char text[UUID_TEXT + 1];
	(void)live, (void)org;
	uuid_format(call, text);
	buf_printf(out, "token-of-%s", text);
}

void live_source_warnings(struct live *live, struct shard *here, const struct uuid *source,
			  struct buf *out)
{
	(void)live;
	(void)here;
	(void)source;
	buf_addz(out, "[{\"warning\":\"transcript is not subscribed\",\"advice\":\"add it to "
		      "serverMessages\"}]");
}

void fake_live_add(struct live *live, unsigned owner, const struct uuid *id, const struct uuid *org,
		   const struct uuid *project, const char *json)
{
	struct fake_owner *o = &live->owners[owner];
	pthread_mutex_lock(&live->lock);
	CHECK(o->calls_n < FAKE_CALLS);
	o->calls[o->calls_n++] = (struct fake_call){ *id, *org, *project, strdup(json) };
	pthread_mutex_unlock(&live->lock);
}

struct fake_call *fake_live_call(struct live *live, unsigned owner, size_t i)
{
	CHECK(i < live->owners[owner].calls_n);
	return &live->owners[owner].calls[i];
}

void fake_live_fini(struct live *live)
{
	while (live->held_first) { /* late parts must find nobody, and do no harm */
		struct part_mail *p = live->held_first;
		live->held_first = p->next;
		deliver(p);
	}
	for (unsigned o = 0; o < FAKE_OWNERS; o++) {
		for (size_t i = 0; i < live->owners[o].calls_n; i++)
			free(live->owners[o].calls[i].json);
		for (size_t i = 0; i < live->owners[o].ring_n; i++)
			live_event_unref(live->owners[o].ring[i]);
	}
}
