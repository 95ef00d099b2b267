#include "call/pipeline.h"

#include "call/state.h"

/* A provider's clock further off than this is not believed. */
#define CLOCK_TRUST_US (INT64_C(24) * 3600 * SECOND_US)

void draft_begin(struct session *s, struct draft *d, enum event_type type, int64_t at_us)
{
	int64_t at = at_us ? at_us : s->now.at_us;
	*d = (struct draft){
		.e = { .type = type, .at_us = at, .own_clock = pipeline_own_clock(s, at) }
	};
	d->o.b = &d->data;
	json_begin(&d->o, NULL);
}

static bool wanted_from(size_t from, enum event_type type)
{
	for (size_t i = from; stages[i]; i++)
		if (stages[i]->wants >> type & 1)
			return true;
	return false;
}

static void enqueue(struct session *s, const struct event *e)
{
	if (!wanted_from(s->stage, e->type))
		return;
	struct queued_event *q = arena_alloc(&s->scratch, sizeof(*q));
	q->e = *e;
	q->e.text = arena_copy(&s->scratch, e->text);
	q->e.data = arena_copy(&s->scratch, e->data);
	q->from = s->stage;
	if (s->queue_end)
		s->queue_end->next = q;
	else
		s->queue = q;
	s->queue_end = q;
}

static void show(struct session *s, const struct queued_event *q)
{
	for (size_t i = q->from; stages[i]; i++) {
		if (!(stages[i]->wants >> q->e.type & 1))
			continue;
		s->stage = i + 1;
		stages[i]->event(s, &q->e);
	}
}

static void drain(struct session *s)
{
	if (s->draining)
		return;
	size_t stage = s->stage;
	s->draining = true;
	while (s->queue) {
		struct queued_event *q = s->queue;
		s->queue = q->next;
		if (!s->queue)
			s->queue_end = NULL;
		show(s, q);
	}
	s->draining = false;
	s->stage = stage;
}

uint64_t draft_emit(struct session *s, struct draft *d)
{
	/* A record can bring no more events than a sequence has room for; a report of that size is
	 * cut and flagged. */
	if (s->now.index >= (1u << SEQ_INDEX_BITS) - 1) {
		session_flag(s, FLAG_EVENTS_FULL);
		buf_free(&d->data);
		return s->last_seq;
	}
	if (s->now.provider_us)
		pipeline_put_time(&d->o, "provider_at", s->now.provider_us);
	json_end(&d->o);
	struct event *e = &d->e;
	e->seq = seq_of(s->now.record, s->now.index++);
	e->call = s->id;
	e->arrived_us = s->now.arrived_us;
	e->offset_ms = pipeline_offset_ms(s, e->at_us, e->own_clock);
	e->data = buf_span(&d->data);
	s->last_seq = e->seq;
	s->counts.events++;
	uint64_t seq = e->seq;
	s->host->publish(s->host->self, e);
	enqueue(s, e);
	buf_free(&d->data);
	drain(s);
	return seq;
}

bool pipeline_believable(const struct session *s, int64_t provider_us)
{
	return provider_us > s->now.at_us - CLOCK_TRUST_US &&
	       provider_us < s->now.at_us + CLOCK_TRUST_US;
}

int64_t pipeline_time(struct session *s, int64_t provider_us)
{
	int64_t arrived = s->now.at_us;
	s->now.provider_us = s->now.input_us = 0;
	if (provider_us == 0)
		return arrived;
	if (!pipeline_believable(s, provider_us)) {
		s->now.provider_us = provider_us;
		session_flag(s, FLAG_CLOCK_OFF);
		return arrived;
	}
	/* What is imported is stamped with the provider's times. */
	bool tells = !s->now.own_clock && !s->settings.imported;
	if (tells && arrived - provider_us < s->skew_us)
		s->skew_us = arrived - provider_us;
	party_least(&s->first_us, provider_us);
	s->now.input_us = provider_us;
	return provider_us;
}

bool pipeline_own_clock(const struct session *s, int64_t at_us)
{
	return s->now.own_clock || (at_us == s->now.at_us && at_us != s->now.input_us);
}

int64_t pipeline_local(const struct session *s, int64_t at_us, bool own_clock)
{
	return at_us + (own_clock || s->skew_us == INT64_MAX ? 0 : s->skew_us);
}

/* On one clock both: the provider's may be hours off. */
int64_t pipeline_offset_ms(const struct session *s, int64_t at_us, bool own_clock)
{
	const struct status_state *st = &s->status;
	if (st->started_us == 0)
		return -1;
	int64_t us = pipeline_local(s, at_us, own_clock) -
		     pipeline_local(s, st->started_us, st->started_own_clock);
	return us > 0 ? us / MS_US : 0;
}

void pipeline_put_time(struct json_out *o, const char *key, int64_t us)
{
	char iso[CLOCK_ISO + 1];
	if (us == 0) {
		json_put_null(o, key);
		return;
	}
	clock_format(us, iso);
	json_put_z(o, key, iso);
}

void pipeline_put_uuid(struct json_out *o, const char *key, const struct uuid *u)
{
	char text[UUID_TEXT + 1];
	uuid_format(u, text);
	json_put_z(o, key, uuid_is_nil(u) ? NULL : text);
}

void pipeline_put_text(struct json_out *o, const char *key, struct span text)
{
	if (text.n)
		json_put_text(o, key, text);
	else
		json_put_null(o, key);
}

void pipeline_put_json(struct json_out *o, const char *key, struct json v)
{
	struct kept line = { 0 };
	kept_set_json(&line, v.raw);
	if (line.n)
		json_put_clean(o, key, kept_span(&line));
	else
		json_put_null(o, key);
	kept_free(&line);
}
