/* The running mood of each speaker: a sum over its last MOOD_TURNS turns of what their words weigh,
 * each turn back counting 3/4 of the one after it (docs/signals.md). A revised turn replaces its
 * own points. */
#include "call/parts.h"

enum { POSITIVE_FROM = 20, NEGATIVE_FROM = -20, MOST = 100, MOOD = 0, FRUSTRATION = 1 };

static const char *const names[] = {
	[SENTIMENT_NEUTRAL] = "neutral",
	[SENTIMENT_POSITIVE] = "positive",
	[SENTIMENT_NEGATIVE] = "negative",
	[SENTIMENT_FRUSTRATED] = "frustrated",
};

const char *sentiment_name(enum sentiment v)
{
	return names[v];
}

static int clamp(int v)
{
	return v > MOST ? MOST : v < -MOST ? -MOST : v;
}

void mood_ring_set(struct mood_ring *r, uint32_t turn, int points0, int points1)
{
	struct mood_turn t = { turn, { (int16_t)clamp(points0), (int16_t)clamp(points1) } };
	for (uint32_t i = 0; i < r->n; i++) {
		if (r->turns[i].number != turn)
			continue;
		r->turns[i] = t;
		return;
	}
	if (r->n == MOOD_TURNS) {
		memmove(r->turns, r->turns + 1, (MOOD_TURNS - 1) * sizeof(t));
		r->n--;
	}
	r->turns[r->n++] = t;
}

int mood_ring_sum(const struct mood_ring *r, int which)
{
	/* In 1/1024, so that decay stays integer: the same on every machine. */
	int sum = 0, weight = 1024;
	for (uint32_t i = r->n; i > 0; i--) {
		sum += r->turns[i - 1].points[which] * weight;
		weight = weight * 3 / 4;
	}
	return clamp(sum / 1024);
}

const struct lexicon *sentiment_lexicon(const struct session *s)
{
	const struct lexicon *configured = lexicon_find(s->settings.language);
	if (configured)
		return configured;
	return s->sentiment.hits_es > s->sentiment.hits_en ? &lexicon_es : &lexicon_en;
}

static enum sentiment label(const struct session *s, enum speaker who, int score)
{
	int frustration = mood_ring_sum(&s->sentiment.ring[who], FRUSTRATION);
	if (who == SPEAKER_USER && frustration >= s->settings.frustration_score)
		return SENTIMENT_FRUSTRATED;
	if (score >= POSITIVE_FROM)
		return SENTIMENT_POSITIVE;
	return score <= NEGATIVE_FROM ? SENTIMENT_NEGATIVE : SENTIMENT_NEUTRAL;
}

static void emit(struct session *s, enum speaker who, enum sentiment now, const struct event *turn)
{
	struct draft d;
	draft_begin(s, &d, EVENT_SENTIMENT, turn->at_us);
	d.e.own_clock = turn->own_clock;
	d.e.speaker = who;
	json_put_z(&d.o, "sentiment", names[now]);
	json_put_i64(&d.o, "score", s->sentiment.score[who]);
	json_put_z(&d.o, "previous", names[s->sentiment.now[who]]);
	s->sentiment.now[who] = now;
	draft_emit(s, &d);
}

static void event(struct session *s, const struct event *e)
{
	struct sentiment_state *st = &s->sentiment;
	struct plain text;
	struct reading r;
	int64_t turn = 0;
	if (!json_i64(json_get(json_of(e->data), "turn"), &turn))
		return;
	words_plain(e->text, &text);
	st->hits_en += lexicon_hits(&lexicon_en, &text);
	st->hits_es += lexicon_hits(&lexicon_es, &text);
	lexicon_read(sentiment_lexicon(s), &text, &r);
	int mood = r.weight[MOOD_GOOD] - r.weight[MOOD_BAD] - r.weight[MOOD_FRUSTRATED];
	mood_ring_set(&st->ring[e->speaker], (uint32_t)turn, mood, r.weight[MOOD_FRUSTRATED]);
	st->score[e->speaker] = (int16_t)mood_ring_sum(&st->ring[e->speaker], MOOD);
	enum sentiment now = label(s, e->speaker, st->score[e->speaker]);
	if (now != st->now[e->speaker])
		emit(s, e->speaker, now, e);
}

const struct stage sentiment_stage = {
	.name = "sentiment",
	.wants = STAGE_WANTS(TURN),
	.event = event,
};
