/* Turns into moods and signs, once; every question reads these. */
#include "analysis/understand_parts.h"

#include "call/kept.h"

/* With "auto", the language of whose frequent words the call has more; a tie is English. */
static const struct lexicon *language_of(const struct finished *c)
{
	const struct lexicon *l = lexicon_find(c->language);
	unsigned en = 0, es = 0;
	struct plain plain;
	for (size_t i = 0; !l && i < c->turns_n; i++) {
		words_plain(c->turns[i].text, &plain);
		en += lexicon_hits(&lexicon_en, &plain);
		es += lexicon_hits(&lexicon_es, &plain);
	}
	return l ? l : es > en ? &lexicon_es : &lexicon_en;
}

static void fill_book(struct finished *c)
{
	const struct sign_list *list = c->lexicon == &lexicon_es ? &signs_es : &signs_en;
	for (const struct sign_phrase *p = list->phrases; p->words; p++)
		phrasebook_add(c->book, span_of(p->words), (uint16_t)p->sign, p->weight);
	for (const struct phrase *p = c->lexicon->phrases; p->words; p++)
		if (p->mood == MOOD_NOT)
			phrasebook_add(c->book, span_of(p->words), PHRASE_NEGATES, 0);
}

static void count_turn(struct finished *c, const struct turn *t)
{
	if (t->speaker == SPEAKER_USER) {
		c->turns_user++;
		c->words_user += t->moods.words;
	} else if (t->speaker == SPEAKER_AI) {
		c->turns_ai++;
		c->words_ai += t->moods.words;
	}
}

static void read_turn(struct finished *c, struct turn *t)
{
	struct plain plain;
	words_plain(t->text, &plain);
	lexicon_read(c->lexicon, &plain, &t->moods);
	t->hits = phrasebook_find(c->book, &plain, c->arena, &t->hits_n);
	count_turn(c, t);
}

void understand_turns_read(struct finished *c)
{
	c->lexicon = language_of(c);
	fill_book(c);
	for (size_t i = 0; i < c->turns_n; i++)
		read_turn(c, &c->turns[i]);
	c->conversation = c->words_user > 0;
	c->said_goodbye = understand_turns_last(c, understand_turns_near_end(c), SPEAKER_NONE,
						SIGN_GOODBYE) != NULL;
	c->frustrated = span_is(c->sentiment, "frustrated");
	for (size_t i = 0; i < c->signals_n; i++)
		c->frustrated |= span_is(c->signals[i].name, "frustration");
}

size_t understand_turns_near_end(const struct finished *c)
{
	return c->turns_n > NEAR_END_TURNS ? c->turns_n - NEAR_END_TURNS : 0;
}

struct passage understand_turns_passage(const struct turn *t)
{
	return (struct passage){ .known = true,
				 .has_seq = true,
				 .seq = t->seq,
				 .offset_ms = t->offset_ms,
				 .speaker = t->speaker,
				 .text = kept_clip(t->text, PASSAGE_MAX) };
}

struct passage understand_turns_last_words(const struct finished *c, enum speaker who)
{
	for (size_t i = c->turns_n; i > 0; i--)
		if (who == SPEAKER_NONE || c->turns[i - 1].speaker == who)
			return understand_turns_passage(&c->turns[i - 1]);
	return (struct passage){ 0 };
}

const struct sign_hit *understand_turns_sign(const struct turn *t, enum sign s)
{
	for (size_t i = 0; i < t->hits_n; i++)
		if (t->hits[i].what == s && !t->hits[i].negated)
			return &t->hits[i];
	return NULL;
}

const struct turn *understand_turns_last(const struct finished *c, size_t from, enum speaker who,
					 enum sign s)
{
	for (size_t i = c->turns_n; i > from; i--) {
		const struct turn *t = &c->turns[i - 1];
		if ((who == SPEAKER_NONE || t->speaker == who) && understand_turns_sign(t, s))
			return t;
	}
	return NULL;
}
