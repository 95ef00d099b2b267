/* Where a failed call failed: the first rule of FAILURE_POINTS that fits. */
#include "analysis/understand_parts.h"

#include "call/kept.h"

static bool ended_by(const struct finished *c, const char *class)
{
	return span_is(c->ended_class, class);
}

static int64_t near_end_seq(const struct finished *c)
{
	size_t from = understand_turns_near_end(c);
	return from < c->turns_n ? c->turns[from].seq : INT64_MIN;
}

/* --- the rules; each fills what it knows beyond key and title --- */

static bool provider(struct finished *c, struct failure_point *p)
{
	p->passage = understand_turns_last_words(c, SPEAKER_NONE);
	return ended_by(c, "provider") || ended_by(c, "lost");
}

static bool telephony(struct finished *c, struct failure_point *p)
{
	p->passage = understand_turns_last_words(c, SPEAKER_NONE);
	return ended_by(c, "telephony");
}

static bool start(struct finished *c, struct failure_point *p)
{
	p->passage = understand_turns_last_words(c, SPEAKER_NONE);
	return !c->conversation;
}

static bool wrong_number(struct finished *c, struct failure_point *p)
{
	const struct turn *t = understand_turns_last(c, 0, SPEAKER_USER, SIGN_WRONG_NUMBER);
	if (t)
		p->passage = understand_turns_passage(t);
	return t != NULL;
}

static bool of_tool(struct finished *c, const struct used_tool *t, const char *kind,
		    const char *what, struct failure_point *p)
{
	if (!t)
		return false;
	p->key = arena_printf(c->arena, "%s:%.*s", kind, SPAN_ARG(t->name));
	p->title = arena_printf(c->arena, "%.*s %s right before the end", SPAN_ARG(t->name), what);
	p->passage = (struct passage){ .known = true,
				       .has_seq = true,
				       .seq = t->ended_seq,
				       .offset_ms = t->ended_offset_ms,
				       .speaker = SPEAKER_NONE,
				       .text = kept_clip(t->error, PASSAGE_MAX) };
	return true;
}

static bool tool(struct finished *c, struct failure_point *p)
{
	return of_tool(c, understand_tools_broken(c, near_end_seq(c)), "tool", "failed", p);
}

static bool search(struct finished *c, struct failure_point *p)
{
	return of_tool(c, understand_tools_found_nothing(c, near_end_seq(c)), "search",
		       "found nothing", p);
}

static bool said_near_end(struct finished *c, uint16_t sign, struct failure_point *p)
{
	const struct turn *t =
		understand_turns_last(c, understand_turns_near_end(c), SPEAKER_USER, sign);
	if (t)
		p->passage = understand_turns_passage(t);
	return t != NULL;
}

static bool refused_price(struct finished *c, struct failure_point *p)
{
	return said_near_end(c, SIGN_PRICE, p);
}

/* Told the price, the caller goes without another word but a short one. */
static bool left_at_price(struct finished *c, struct failure_point *p)
{
	size_t i = c->turns_n;
	if (!ended_by(c, "customer"))
		return false;
	if (i && c->turns[i - 1].speaker == SPEAKER_USER && c->turns[i - 1].moods.words <= 3)
		i--;
	if (!i || c->turns[i - 1].speaker != SPEAKER_AI ||
	    !understand_turns_sign(&c->turns[i - 1], SIGN_PRICE_TOLD))
		return false;
	p->passage = understand_turns_passage(&c->turns[i - 1]);
	return true;
}

static bool question(struct finished *c, struct failure_point *p)
{
	int64_t from = near_end_seq(c);
	for (size_t i = c->questions_n; i > 0; i--) {
		const struct question *q = &c->questions[i - 1];
		if (q->seq < from)
			continue;
		p->passage =
			(struct passage){ true, true, q->seq, q->offset_ms, SPEAKER_USER, q->text };
		return true;
	}
	return false;
}

static bool frustration(struct finished *c, struct failure_point *p)
{
	int64_t from = near_end_seq(c);
	for (size_t i = c->signals_n; i > 0; i--) {
		const struct raised_signal *s = &c->signals[i - 1];
		if (s->seq < from || !span_is(s->name, "frustration"))
			continue;
		p->passage = (struct passage){ true,	     true,
					       s->said_seq,  s->offset_ms,
					       SPEAKER_USER, kept_clip(s->text, PASSAGE_MAX) };
		return true;
	}
	return false;
}

static bool of_field(struct finished *c, size_t i, const char *title, struct failure_point *p)
{
	struct field_view v = fields_at(c->fields, i);
	p->key = arena_printf(c->arena, "field:%.*s", SPAN_ARG(v.name));
	p->title = arena_printf(c->arena, "%.*s: %s", SPAN_ARG(v.label), title);
	p->passage = understand_fields_passage(c, i);
	return true;
}

/* The required field that was asked for last, near the end, in vain. */
static bool asked_last(struct finished *c, struct failure_point *p)
{
	int64_t latest = near_end_seq(c);
	size_t found = SIZE_MAX;
	for (size_t i = 0; c->fields && i < fields_n(c->fields); i++) {
		const struct captured *v = captures_at(c->captures, i);
		bool in_vain = v->state == FIELD_STATE_ASKED || v->state == FIELD_STATE_REFUSED;
		if (!fields_at(c->fields, i).required || !in_vain || (int64_t)v->seq < latest)
			continue;
		latest = (int64_t)v->seq;
		found = i;
	}
	if (found == SIZE_MAX)
		return false;
	bool refused = captures_at(c->captures, found)->state == FIELD_STATE_REFUSED;
	return of_field(c, found,
			refused ? "the caller declined to say" : "asked, no usable answer", p);
}

static bool silence(struct finished *c, struct failure_point *p)
{
	p->passage = understand_turns_last_words(c, SPEAKER_NONE);
	return span_starts(c->ended_reason, SPAN("silence-timed-out"));
}

static bool limit(struct finished *c, struct failure_point *p)
{
	p->passage = understand_turns_last_words(c, SPEAKER_NONE);
	return ended_by(c, "limit");
}

static bool declined(struct finished *c, struct failure_point *p)
{
	return said_near_end(c, SIGN_REFUSED, p);
}

static bool postponed(struct finished *c, struct failure_point *p)
{
	return said_near_end(c, SIGN_PENDING, p);
}

/* The caller went while the assistant still wanted something. */
static bool hangup(struct finished *c, struct failure_point *p)
{
	p->passage = understand_turns_last_words(c, SPEAKER_AI);
	return ended_by(c, "customer") && !c->said_goodbye && c->turns_n &&
	       c->turns[c->turns_n - 1].speaker == SPEAKER_AI;
}

static bool never_asked(struct finished *c, struct failure_point *p)
{
	for (size_t i = 0; c->fields && i < fields_n(c->fields); i++) {
		const struct captured *v = captures_at(c->captures, i);
		if (!fields_at(c->fields, i).required || v->state == FIELD_STATE_CAPTURED)
			continue;
		return of_field(c, i,
				v->state == FIELD_STATE_NEVER_ASKED ? "never asked for"
								    : "not captured",
				p);
	}
	return false;
}

static bool end(struct finished *c, struct failure_point *p)
{
	p->passage = understand_turns_last_words(c, SPEAKER_NONE);
	return true;
}

static const struct {
	const char *key, *title;
	bool (*fits)(struct finished *c, struct failure_point *p);
} rules[] = {
#define X(rule, key, title, doc) { key, title, rule },
	FAILURE_POINTS(X)
#undef X
};

void understand_point_find(struct finished *c)
{
	if (c->outcome.verdict != VERDICT_FAILURE)
		return;
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		struct failure_point p = { rules[i].key, rules[i].title, { 0 } };
		if (!rules[i].fits(c, &p))
			continue;
		c->point = p;
		return;
	}
}
