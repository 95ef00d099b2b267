/* Signals: something in this call deserves a look, with the passages that show it. Each is a score
 * of 0-100 by a formula over words, counters and time (SIGNALS in state.h, docs/signals.md), raised
 * at its threshold and cleared HYSTERESIS below it. */
#include "base/crypto.h"
#include "call/parts.h"

#include <stdlib.h>

enum {
	HYSTERESIS = 20,
	REPEATED_POINTS = 15,
	INTERRUPTION_POINTS = 10,
	INTERRUPTION_MOST = 20,
	LOOP_WORDS_MIN = 4,
	CLAIM_TURNS = 4,
	CLAIM_SCORE = 80,
	MOST = 100,
	ANSWER_WORDS_MIN = 2,
};

static const struct {
	const char *name, *formula;
} signals[SIGNAL_COUNT] = {
#define X(id, text, how) [SIGNAL_##id] = { text, how },
	SIGNALS(X)
#undef X
};

const char *signals_name(enum signal_id id)
{
	return signals[id].name;
}

const char *signals_formula(enum signal_id id)
{
	return signals[id].formula;
}

/* --- evidence --- */

struct passage {
	uint64_t seq;
	uint32_t turn; /* number + 1 */
	int64_t at_ms;
	struct span text;
};

static void evidence_set(struct evidence *e, const struct passage *p)
{
	e->seq = p->seq;
	e->turn = p->turn;
	e->at_ms = p->at_ms;
	kept_set_clipped(&e->text, p->text, EVIDENCE_BYTES);
}

/* A revised turn takes the place of what it was before. */
static void evidence_add(struct signal *sig, const struct passage *p)
{
	for (unsigned i = 0; i < sig->evidence_n; i++) {
		struct evidence *e = &sig->evidence[i];
		if (e->seq != p->seq && (!p->turn || e->turn != p->turn))
			continue;
		evidence_set(e, p);
		return;
	}
	if (sig->evidence_n == EVIDENCE_MAX) {
		kept_free(&sig->evidence[0].text);
		memmove(sig->evidence, sig->evidence + 1,
			(EVIDENCE_MAX - 1) * sizeof(*sig->evidence));
		sig->evidence_n--;
	}
	struct evidence *e = &sig->evidence[sig->evidence_n++];
	*e = (struct evidence){ 0 };
	evidence_set(e, p);
}

static void evidence_clear(struct signal *sig)
{
	for (unsigned i = 0; i < sig->evidence_n; i++)
		kept_free(&sig->evidence[i].text);
	sig->evidence_n = 0;
}

static void put_evidence(const struct signal *sig, struct json_out *o)
{
	json_begin_array(o, "evidence");
	for (unsigned i = 0; i < sig->evidence_n; i++) {
		const struct evidence *e = &sig->evidence[i];
		json_begin(o, NULL);
		json_put_i64(o, "seq", (int64_t)e->seq);
		json_put_i64(o, "at_ms", e->at_ms);
		json_put_text(o, "text", kept_span(&e->text));
		json_end(o);
	}
	json_end_array(o);
}

bool signals_raised(const struct session *s, enum signal_id id)
{
	return s->signals && s->signals->of[id].raised;
}

void signals_put(const struct session *s, enum signal_id id, struct json_out *o)
{
	const struct signal *sig = &s->signals->of[id];
	json_put_z(o, "signal", signals[id].name);
	json_put_i64(o, "score", sig->score);
	json_put_z(o, "state", sig->raised ? "raised" : "cleared");
	put_evidence(sig, o);
	json_put_z(o, "formula", signals[id].formula);
}

/* --- raising and clearing --- */

static void emit(struct session *s, enum signal_id id, enum speaker who)
{
	struct draft d;
	draft_begin(s, &d, EVENT_SIGNAL, 0);
	d.e.speaker = who;
	signals_put(s, id, &d.o);
	draft_emit(s, &d);
}

static void set_score(struct session *s, enum signal_id id, enum speaker who, int score,
		      int64_t threshold)
{
	struct signal *sig = &s->signals->of[id];
	sig->score = (int16_t)(score > MOST ? MOST : score < 0 ? 0 : score);
	bool raised = sig->raised ? sig->score > threshold - HYSTERESIS : sig->score >= threshold;
	if (raised == sig->raised)
		return;
	sig->raised = raised;
	emit(s, id, who);
	if (!raised)
		evidence_clear(sig);
}

/* --- repetition --- */

/* How many of the speaker's recent other turns say the same. */
static int similar_turns(struct session *s, enum speaker who, const struct passage *p, bool collect)
{
	struct word_list now, then;
	int n = 0;
	words_read(p->text, &now);
	if (now.n < LOOP_WORDS_MIN)
		return 0;
	for (unsigned i = 0; i < s->signals->recent_n[who]; i++) {
		const struct recent_turn *r = &s->signals->recent[who][i];
		words_read(kept_span(&r->text), &then);
		if (r->number + 1 == p->turn ||
		    words_similarity(&now, &then) < s->settings.loop_similarity)
			continue;
		n++;
		struct passage old = { r->seq, r->number + 1, r->at_ms, kept_span(&r->text) };
		if (collect)
			evidence_add(&s->signals->of[SIGNAL_REPETITION], &old);
	}
	return n;
}

static void remember(struct session *s, enum speaker who, const struct passage *p)
{
	struct recent_turn *list = s->signals->recent[who], *r = NULL;
	uint8_t *n = &s->signals->recent_n[who];
	for (unsigned i = 0; i < *n; i++)
		if (list[i].number + 1 == p->turn)
			r = &list[i];
	if (!r && *n == RECENT_TURNS) {
		kept_free(&list[0].text);
		memmove(list, list + 1, (RECENT_TURNS - 1) * sizeof(*list));
		(*n)--;
	}
	if (!r) {
		r = &list[(*n)++];
		*r = (struct recent_turn){ .number = p->turn - 1 };
	}
	r->seq = p->seq;
	r->at_ms = p->at_ms;
	kept_set_clipped(&r->text, p->text, RECENT_BYTES);
}

static void judge_repetition(struct session *s, enum speaker who, const struct passage *p,
			     int similar)
{
	struct signal *sig = &s->signals->of[SIGNAL_REPETITION];
	int64_t count = s->settings.loop_count > 1 ? s->settings.loop_count : 2;
	if (sig->raised && s->signals->repeats_by != who)
		return; /* one loop at a time */
	if (similar + 1 >= count) {
		similar_turns(s, who, p, true);
		evidence_add(sig, p);
		s->signals->repeats_by = (uint8_t)who;
	}
	set_score(s, SIGNAL_REPETITION, who, similar ? (int)(MOST * (similar + 1) / count) : 0,
		  MOST);
}

/* --- frustration and confusion --- */

static void judge_frustration(struct session *s)
{
	int interruptions = s->signals->interruptions * INTERRUPTION_POINTS;
	int score = mood_ring_sum(&s->signals->frustration, 0);
	score += interruptions > INTERRUPTION_MOST ? INTERRUPTION_MOST : interruptions;
	set_score(s, SIGNAL_FRUSTRATION, SPEAKER_USER, score, s->settings.frustration_score);
}

static void judge_words(struct session *s, struct mood_ring *ring, enum signal_id id,
			enum speaker who, const struct passage *p, int points)
{
	mood_ring_set(ring, p->turn - 1, points, 0);
	if (points > 0)
		evidence_add(&s->signals->of[id], p);
	if (id == SIGNAL_FRUSTRATION)
		judge_frustration(s);
	else
		set_score(s, id, who, mood_ring_sum(ring, 0), s->settings.confusion_score);
}

/* --- questions --- */

static void asked(struct session *s, const struct passage *p, int64_t at_us)
{
	if (s->signals->question_due_us || s->status.ended)
		return;
	s->signals->question_due_us = s->now.at_us + s->settings.unanswered_ms * MS_US;
	s->signals->question_us = at_us;
	evidence_set(&s->signals->question, p);
}

/* What was said before the question is no answer to it, however late it comes. */
static void answered(struct session *s, int64_t at_us)
{
	if (at_us < s->signals->question_us)
		return;
	s->signals->question_due_us = 0;
	set_score(s, SIGNAL_UNANSWERED_QUESTION, SPEAKER_USER, 0, MOST);
}

static int64_t deadline(const struct session *s)
{
	int64_t due = s->signals ? s->signals->question_due_us : 0;
	return due ? due : INT64_MAX;
}

/* While the assistant speaks, its answer may be under way. */
static void timer(struct session *s)
{
	if (speech_of(s, SPEAKER_AI)) {
		s->signals->question_due_us = s->now.at_us + s->settings.unanswered_ms * MS_US;
		return;
	}
	const struct evidence *q = &s->signals->question;
	struct passage p = { q->seq, q->turn, q->at_ms, kept_span(&q->text) };
	s->signals->question_due_us = 0;
	evidence_add(&s->signals->of[SIGNAL_UNANSWERED_QUESTION], &p);
	set_score(s, SIGNAL_UNANSWERED_QUESTION, SPEAKER_USER, MOST, MOST);
}

/* --- claimed done, but the tool failed --- */

static void forget_failed(struct session *s, unsigned i)
{
	struct signals_state *st = s->signals;
	kept_free(&st->failed[i].evidence.text);
	memmove(st->failed + i, st->failed + i + 1, (st->failed_n - i - 1u) * sizeof(*st->failed));
	st->failed_n--;
}

static void settle_claims(struct session *s)
{
	if (s->signals->failed_n == 0)
		set_score(s, SIGNAL_CLAIMED_DONE, SPEAKER_AI, 0, CLAIM_SCORE);
}

static struct failed_tool *failed_entry(struct session *s, uint64_t name)
{
	struct signals_state *st = s->signals;
	for (unsigned i = 0; i < st->failed_n; i++)
		if (st->failed[i].name == name)
			return &st->failed[i];
	if (st->failed_n == FAILED_TOOLS)
		forget_failed(s, 0);
	st->failed[st->failed_n] = (struct failed_tool){ .name = name };
	return &st->failed[st->failed_n++];
}

static void tool_failed(struct session *s, uint64_t name, struct span shown, const struct event *e)
{
	struct failed_tool *f = failed_entry(s, name);
	struct passage p = { e->seq, 0, e->offset_ms, shown };
	if (f->failures < UINT8_MAX)
		f->failures++;
	f->turns_left = CLAIM_TURNS;
	evidence_set(&f->evidence, &p);
}

static void tool_succeeded(struct session *s, uint64_t name)
{
	for (unsigned i = 0; i < s->signals->failed_n; i++) {
		if (s->signals->failed[i].name != name)
			continue;
		forget_failed(s, i);
		settle_claims(s);
		return;
	}
}

static void tool_finished(struct session *s, const struct event *e)
{
	struct json data = json_of(e->data);
	struct arena a = { 0 };
	struct span name = json_text(json_get(data, "name"), &a);
	struct span error = json_text(json_get(data, "error"), &a);
	const char *shown = arena_printf(&a, "%.*s: %.*s", SPAN_ARG(name), SPAN_ARG(error));
	if (json_true(json_get(data, "success")))
		tool_succeeded(s, hash64(name));
	else
		tool_failed(s, hash64(name), span_of(shown), e);
	arena_fini(&a);
}

static void claimed(struct session *s, const struct passage *p)
{
	struct signal *sig = &s->signals->of[SIGNAL_CLAIMED_DONE];
	int score = 0;
	for (unsigned i = 0; i < s->signals->failed_n; i++) {
		const struct failed_tool *f = &s->signals->failed[i];
		struct passage tool = { f->evidence.seq, 0, f->evidence.at_ms,
					kept_span(&f->evidence.text) };
		int own = f->failures > 1 ? MOST : CLAIM_SCORE;
		score = own > score ? own : score;
		evidence_add(sig, &tool);
	}
	if (!score)
		return;
	evidence_add(sig, p);
	set_score(s, SIGNAL_CLAIMED_DONE, SPEAKER_AI, score, CLAIM_SCORE);
}

static void count_down(struct session *s)
{
	for (unsigned i = s->signals->failed_n; i > 0; i--)
		if (s->signals->failed[i - 1].turns_left-- == 0)
			forget_failed(s, i - 1);
	settle_claims(s);
}

/* --- turns --- */

struct heard_turn {
	struct passage p;
	struct reading r;
	int64_t at_us; /* of its end */
	bool first;    /* no revision */
};

static void user_turn(struct session *s, const struct heard_turn *t)
{
	int similar = similar_turns(s, SPEAKER_USER, &t->p, false);
	const int *w = t->r.weight;
	judge_repetition(s, SPEAKER_USER, &t->p, similar);
	judge_words(s, &s->signals->frustration, SIGNAL_FRUSTRATION, SPEAKER_USER, &t->p,
		    w[MOOD_FRUSTRATED] + w[MOOD_BAD] / 2 + (similar ? REPEATED_POINTS : 0));
	judge_words(s, &s->signals->lost, SIGNAL_CONFUSION_USER, SPEAKER_USER, &t->p, w[MOOD_LOST]);
	if (t->r.asks)
		asked(s, &t->p, t->at_us);
}

static void ai_turn(struct session *s, const struct heard_turn *t)
{
	int similar = similar_turns(s, SPEAKER_AI, &t->p, false);
	const int *w = t->r.weight;
	s->signals->interruptions = 0;
	judge_frustration(s);
	judge_repetition(s, SPEAKER_AI, &t->p, similar);
	judge_words(s, &s->signals->puzzled, SIGNAL_CONFUSION_ASSISTANT, SPEAKER_AI, &t->p,
		    w[MOOD_PUZZLED] + w[MOOD_LOST]);
	if (!t->r.waits && t->r.words >= ANSWER_WORDS_MIN)
		answered(s, t->at_us);
	if (t->first)
		count_down(s);
	if (w[MOOD_DONE] > 0)
		claimed(s, &t->p);
}

static void turn(struct session *s, const struct event *e)
{
	struct json data = json_of(e->data);
	struct heard_turn t = { 0 };
	struct plain text;
	int64_t number = 0, revision = 0;
	if (!json_i64(json_get(data, "turn"), &number) ||
	    !json_i64(json_get(data, "revision"), &revision))
		return;
	words_plain(e->text, &text);
	lexicon_read(sentiment_lexicon(s), &text, &t.r);
	t.p = (struct passage){ e->seq, (uint32_t)number + 1, e->offset_ms, e->text };
	t.at_us = e->at_us;
	t.first = revision == 0;
	if (e->speaker == SPEAKER_USER)
		user_turn(s, &t);
	else
		ai_turn(s, &t);
	remember(s, e->speaker, &t.p);
}

/* Where live transcripts are missing, the answer is known from the history first. */
static void message(struct session *s, const struct event *e)
{
	struct plain text;
	struct reading r;
	if (e->speaker != SPEAKER_AI || !s->signals->question_due_us)
		return;
	words_plain(e->text, &text);
	lexicon_read(sentiment_lexicon(s), &text, &r);
	if (!r.waits && r.words >= ANSWER_WORDS_MIN)
		answered(s, e->at_us);
}

static void interrupted(struct session *s, const struct event *e)
{
	(void)e;
	if (s->signals->interruptions < UINT8_MAX)
		s->signals->interruptions++;
	judge_frustration(s);
}

static void ended(struct session *s, const struct event *e)
{
	(void)e;
	s->signals->question_due_us = 0;
}

static const struct {
	enum event_type type;
	void (*see)(struct session *, const struct event *);
} seen[] = {
	{ EVENT_TURN, turn },
	{ EVENT_MESSAGE, message },
	{ EVENT_TOOL_FINISHED, tool_finished },
	{ EVENT_INTERRUPTION, interrupted },
	{ EVENT_CALL_ENDED, ended },
};

/* A call without words has none. */
static void begin(struct session *s)
{
	s->signals = calloc(1, sizeof(*s->signals));
	CHECK(s->signals);
}

static void event(struct session *s, const struct event *e)
{
	if (!s->signals && e->type == EVENT_CALL_ENDED)
		return;
	if (!s->signals)
		begin(s);
	for (size_t i = 0; i < sizeof(seen) / sizeof(*seen); i++)
		if (seen[i].type == e->type)
			seen[i].see(s, e);
}

static size_t bytes(const struct session *s)
{
	const struct signals_state *st = s->signals;
	if (!st)
		return 0;
	size_t n = sizeof(*st) + st->question.text.n;
	for (unsigned i = 0; i < SIGNAL_COUNT; i++)
		for (unsigned k = 0; k < st->of[i].evidence_n; k++)
			n += st->of[i].evidence[k].text.n;
	for (unsigned w = 0; w < SPEAKERS; w++)
		for (unsigned i = 0; i < st->recent_n[w]; i++)
			n += st->recent[w][i].text.n;
	for (unsigned i = 0; i < st->failed_n; i++)
		n += st->failed[i].evidence.text.n;
	return n;
}

static void fini(struct session *s)
{
	struct signals_state *st = s->signals;
	if (!st)
		return;
	kept_free(&st->question.text);
	for (unsigned i = 0; i < SIGNAL_COUNT; i++)
		evidence_clear(&st->of[i]);
	for (unsigned w = 0; w < SPEAKERS; w++)
		for (unsigned i = 0; i < st->recent_n[w]; i++)
			kept_free(&st->recent[w][i].text);
	while (st->failed_n)
		forget_failed(s, 0);
	free(st);
}

const struct stage signals_stage = {
	.name = "signals",
	.wants = STAGE_WANTS(TURN) | STAGE_WANTS(MESSAGE) | STAGE_WANTS(TOOL_FINISHED) |
		 STAGE_WANTS(INTERRUPTION) | STAGE_WANTS(CALL_ENDED),
	.event = event,
	.deadline = deadline,
	.timer = timer,
	.bytes = bytes,
	.fini = fini,
};
