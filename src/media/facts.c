/* What is told, and to whom.
 *
 * Happy path: the facts of a turn of the loop become one body of a HEARD record in the outbox; the
 * claim finds the call; bodies are told one after the other, each when the one before has come
 * back.
 *
 * Failure modes: no call yet - bodies wait, and after the grace the audio gets a call of its own;
 * the outbox is full - bodies are left out and counted; a call of its own turns out to be, or is
 * said to be, another's - all that is still known is told again to that one, with its own times,
 * and LINKED to the first, which ends; the call is over while audio goes on - facts are left out.
 *
 * What is told to a call of its own is kept for that as long as the outbox has room. */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "media/internal.h"

enum { CLAIM_AGAIN_MS = 250, CLAIM_OWN_AGAIN_MS = 1000 };

/* --- facts of a turn --- */

static bool keep_text(struct media_line *l, struct span *text)
{
	if (text->n > sizeof(l->text) - l->text_n)
		return false;
	if (text->n)
		memcpy(l->text + l->text_n, text->p, text->n);
	text->p = l->text + l->text_n;
	l->text_n += text->n;
	return true;
}

/* --- bodies of records --- */

/* As large as they come: eight facts, and texts of which each byte is escaped. */
const size_t line_record_bytes[LINE_RECORD_SIZES] = { 192, 256, 512, 2048, 32 * 1024 };

static struct line_record *record_new(struct media_shard *s, struct span stream,
				      const struct heard *facts, size_t n)
{
	unsigned i = 0;

	buf_clear(&s->record);
	heard_write(stream, facts, n, &s->record);
	while (i < LINE_RECORD_SIZES &&
	       line_record_bytes[i] < sizeof(struct line_record) + s->record.n)
		i++;
	CHECK(i < LINE_RECORD_SIZES);
	struct line_record *r = pool_take(s->record_memory[i]);
	*r = (struct line_record){ .n = s->record.n };
	memcpy(r->body, s->record.p, r->n);
	return r;
}

static void keep(struct media_line *l, struct line_record *r)
{
	r->kept = true;
	DL_APPEND(l->outbox, r);
	l->outbox_bytes += r->n;
	if (!l->untold)
		l->untold = r;
}

static void drop(struct media_line *l, struct line_record *r)
{
	if (l->untold == r)
		l->untold = r->next;
	DL_DELETE(l->outbox, r);
	l->outbox_bytes -= r->n;
	pool_give(r);
}

/* What is under way is the last that was told. */
static void drop_told(struct media_line *l)
{
	while (l->outbox && l->outbox != l->untold && l->outbox != l->posted)
		drop(l, l->outbox);
}

void line_forget(struct media_line *l)
{
	while (l->outbox)
		drop(l, l->outbox);
}

static void end_turn(struct media_line *l)
{
	struct span stream = { l->stream, l->stream_n };

	if (l->outbox_bytes >= LINE_OUTBOX_BYTES)
		drop_told(l);

	if (l->facts_n && l->outbox_bytes < LINE_OUTBOX_BYTES) {
		keep(l, record_new(l->home, stream, l->facts, l->facts_n));
		metric_add(METRIC_MEDIA_FACTS, (int64_t)l->facts_n);
	} else {
		metric_add(METRIC_MEDIA_THINNED, (int64_t)l->facts_n);
	}
	l->facts_n = l->text_n = 0;
}

static void mark_dirty(struct media_line *l)
{
	if (l->dirty)
		return;
	l->dirty = true;
	l->next_dirty = l->home->dirty;
	l->home->dirty = l;
}

void line_tell(struct media_line *l, const struct heard *facts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (l->facts_n == LINE_FACTS)
			end_turn(l);
		struct heard h = facts[i];
		size_t text_n = l->text_n;
		if (keep_text(l, &h.name) && keep_text(l, &h.text) && keep_text(l, &h.id) &&
		    keep_text(l, &h.party) && keep_text(l, &h.who)) {
			l->facts[l->facts_n++] = h;
			continue;
		}
		l->text_n = text_n;
		if (l->facts_n == 0) { /* larger than all there is */
			metric_add(METRIC_MEDIA_THINNED, 1);
			continue;
		}
		end_turn(l);
		i--;
	}
	if (n)
		mark_dirty(l);
}

/* --- to the call --- */

static void move_to(struct media_line *l, const struct uuid *to);

static void on_told(struct hear_post *p)
{
	struct media_line *l = (struct media_line *)((char *)p - offsetof(struct media_line, post));
	struct line_record *told = take(l->posted);

	if (!told->kept)
		pool_give(told);
	if (l->telling)
		return;
	if (l->moving) {
		l->moving = false;
		move_to(l, &l->move_to);
	} else {
		line_flush(l);
	}
}

static bool is_begin_or_end(struct span body)
{
	return memmem(body.p, body.n, "tached\"", 7) || memmem(body.p, body.n, "linked\"", 7) ||
	       memmem(body.p, body.n, "\"untold\"", 8);
}

static void post(struct media_line *l, const struct uuid *call, struct line_record *r)
{
	struct span body = { r->body, r->n };

	l->post = (struct hear_post){
		.call = *call, .body = body, .sure = is_begin_or_end(body), .told = on_told
	};
	l->posted = r;
	hear_tell(l->home->media->config.hear, l->home->shard, &l->post);
}

void line_flush(struct media_line *l)
{
	l->telling = true;
	if (l->facts_n)
		end_turn(l);
	while (l->has_call && !l->posted && l->untold) {
		struct line_record *r = l->untold;

		l->untold = r->next;
		post(l, &l->call, r);
	}
	if (l->bind == LINE_BOUND)
		drop_told(l);
	l->telling = false;
	line_release_soon(l);
}

/* --- whose call --- */

static void tell_sinks(struct media_line *l)
{
	const struct media *m = l->home->media;

	for (unsigned i = 0; i < m->sinks_n; i++)
		if (l->sinks[i] && m->sinks[i].sink->bound)
			m->sinks[i].sink->bound(l->sinks[i], l);
}

static void unbound(struct media_line *l)
{
	struct heard h = { .kind = HEARD_UNBOUND, .at_us = clock_now_us() };

	line_tell(l, &h, 1);
}

static void found(struct media_line *l, const struct uuid *call, enum line_bind how)
{
	inbox_hear(l->home);
	if (l->has_call)
		listen_line_over(l); /* who listened to that call does not hear this one */
	l->call = *call;
	l->has_call = true;
	l->bind = how;
	tell_sinks(l);
	listen_line_begun(l);
}

/* LINKED is told past the outbox: it is the old call's last word of us. */
static void leave_own(struct media_line *l, const struct uuid *to)
{
	struct span stream = { l->stream, l->stream_n };
	char id[UUID_TEXT + 1];
	struct heard h = { .kind = HEARD_LINKED, .at_us = clock_now_us() };

	uuid_format(to, id);
	h.id = span_of(id);
	post(l, &l->call, record_new(l->home, stream, &h, 1));
	hear_release(l->home->media->config.hear, &l->call);
	l->untold = l->outbox;
}

/* Its own call is told that it was unbound; the other one need not hear that. */
static void forget_unbound(struct media_line *l)
{
	struct line_record *r;

	DL_FOREACH(l->outbox, r)
	{
		if (!memmem(r->body, r->n, "\"unbound\"", 9))
			continue;
		drop(l, r);
		return;
	}
}

static void move_to(struct media_line *l, const struct uuid *to)
{
	if (l->facts_n)
		end_turn(l);
	if (l->bind == LINE_OWN)
		leave_own(l, to);
	forget_unbound(l);
	found(l, to, LINE_BOUND);
	line_flush(l);
}

/* One post at a time is under way: the rest comes when it is back. */
static void move_when_free(struct media_line *l, const struct uuid *to)
{
	if (l->posted) {
		l->move_to = *to;
		l->moving = true;
	} else {
		move_to(l, to);
	}
}

bool line_link(struct media_line *l, const struct uuid *to)
{
	if (l->bind != LINE_OWN || l->moving || uuid_eq(&l->call, to))
		return false;
	metric_add_label(METRIC_MEDIA_BOUND, "link", 1);
	hear_hold(l->home->media->config.hear, to);
	move_when_free(l, to);
	return true;
}

void line_dialled(struct media_line *l, const struct uuid *call)
{
	metric_add_label(METRIC_MEDIA_BOUND, "dialled", 1);
	hear_hold(l->home->media->config.hear, call);
	found(l, call, LINE_BOUND);
}

/* The stream names its call and no other: there is nothing to look for. */
static bool names_itself(const struct media_line *l)
{
	return l->dialect->tells_calls && l->call_id.n && !l->own_id.n;
}

/* What the stream says of its call, before its audio does. */
static void tell_beginning(struct media_line *l)
{
	if (l->message.n)
		line_say_on(l, l->message);
}

static void own_call(struct media_line *l, const struct hear_claim *c)
{
	found(l, &c->call, LINE_OWN);
	if (c->way == HEAR_OWN)
		tell_beginning(l);
	if (names_itself(l) || c->way != HEAR_OWN) {
		line_flush(l);
		return;
	}
	if (l->facts_n)
		end_turn(l); /* what it is told of begins with its audio */
	unbound(l);
	end_turn(l);
	line_flush(l);
}

/* Named after the platform's id, its own call is that call: unless it is about to leave it, there
 * is nothing more to look for. */
static void found_itself(struct media_line *l)
{
	if (!l->moving)
		l->bind = LINE_BOUND;
	hear_release(l->home->media->config.hear, &l->call);
	line_flush(l);
}

static void take_answer(struct media_line *l, const struct hear_claim *c)
{
	/* By its own name: made now, or when another stream of the same call came. */
	bool named = c->way == HEAR_CALL_ID && l->dialect->tells_calls && c->make;
	bool own = c->way == HEAR_OWN || named;

	if (l->has_call && uuid_eq(&c->call, &l->call)) {
		found_itself(l);
		return;
	}
	metric_add_label(METRIC_MEDIA_BOUND, hear_way_name(c->way), 1);
	if (l->bind == LINE_BOUND || l->moving || (own && l->bind == LINE_OWN))
		hear_release(l->home->media->config.hear, &c->call); /* linked meanwhile */
	else if (own)
		own_call(l, c);
	else
		move_when_free(l, &c->call);
}

/* A line that is over goes when the answer has been taken, and once. */
static void on_answer(struct hear_claim *c)
{
	struct media_line *l =
		(struct media_line *)((char *)c - offsetof(struct media_line, claim));

	l->claiming = false;
	l->asked_other |= c->way == HEAR_NONE;
	l->held++;
	if (c->way != HEAR_NONE && c->way != HEAR_REFUSED)
		take_answer(l, c);
	l->held--;
	line_release_soon(l);
}

/* Who says whose audio it is, and is not understood yet, is not somebody else's. */
static bool may_be_only_one(const struct media_line *l)
{
	return l->only_one && l->bind == LINE_LOOKING && !l->call_id.n && !l->token.n;
}

static void claim(struct media_line *l, bool make)
{
	struct span name = make && l->own_id.n ? l->own_id : l->call_id;

	l->claiming = true;
	l->claim = (struct hear_claim){
		.org = l->source->org,
		.source = l->source->id,
		.token = l->token,
		.call_id = name,
		.only_one = may_be_only_one(l),
		.make = make,
		.own_name = { l->stream, l->stream_n },
		.call = l->has_call ? l->call : (struct uuid){ { 0 } },
		.answer = on_answer,
	};
	hear_bind(l->home->media->config.hear, l->home->shard, &l->claim);
}

/* An own call is looked beyond only by what can still name another. */
static bool may_find(const struct media_line *l)
{
	return l->bind == LINE_LOOKING || (l->bind == LINE_OWN && l->call_id.n && !names_itself(l));
}

void line_claim(struct media_line *l, int64_t now_us)
{
	if (!l->stream_n || !l->legs_n || l->claiming || l->moving || !may_find(l))
		return;
	if (!l->grace_until_us)
		l->grace_until_us = now_us + l->home->media->config.bind_grace_ms * MS_US;
	if (now_us < l->claim_again_us && l->state == LINE_RUNNING)
		return;
	l->claim_again_us =
		now_us + (l->bind == LINE_OWN ? CLAIM_OWN_AGAIN_MS : CLAIM_AGAIN_MS) * MS_US;
	bool waited = now_us >= l->grace_until_us || l->state == LINE_OVER || names_itself(l);
	bool may_make = !l->own_id.n || l->asked_other; /* a claim is by one name */
	claim(l, l->bind == LINE_LOOKING && waited && may_make);
}
