/* Questions of the caller that got no satisfying answer (C1).
 *
 * A turn of the caller asks when call/lexicon.h reads it as a question, it is no small talk and it
 * is about something. It is left without an answer when
 *  - the assistant says that it does not know, before the caller speaks again;
 *  - the assistant says nothing but holding phrases, or nothing at all, before the caller speaks
 *    again or the call ends;
 *  - the caller asks the same once more in one of the next two turns;
 *  - the live call raised unanswered_question over it.
 * Each question counts once per call. */
#include "analysis/understand_parts.h"

#include <stdlib.h>

#include "call/kept.h"

enum { QUESTIONS_MAX = 50, KEY_WORDS = 8, SAME_PERCENT = 70, TOPIC_LETTERS = 2 };

/* --- the asking sentence and its key --- */

static bool ends_sentence(char c)
{
	return c == '?' || c == '.' || c == '!';
}

/* The last sentence that ends with a question mark; without one, all of it. */
static struct span asking_sentence(struct span text)
{
	const char *mark = text.n ? memrchr(text.p, '?', text.n) : NULL;
	if (!mark)
		return kept_clip(text, PASSAGE_MAX);
	size_t end = (size_t)(mark - text.p) + 1, from = end - 1;
	while (from > 0 && !ends_sentence(text.p[from - 1]))
		from--;
	while (from < end && text.p[from] == ' ')
		from++;
	return kept_clip((struct span){ text.p + from, end - from }, PASSAGE_MAX);
}

static const char *const *small_words(const struct finished *c)
{
	return c->lexicon == &lexicon_es ? signs_es.small_words : signs_en.small_words;
}

static bool is_small(const struct finished *c, struct span word)
{
	return word.n < TOPIC_LETTERS || span_in(word, small_words(c));
}

/* One form for singular and plural, well enough for grouping. */
static struct span stem(struct span word)
{
	bool plural = word.n > 3 && word.p[word.n - 1] == 's' && word.p[word.n - 2] != 's';
	return plural ? (struct span){ word.p, word.n - 1 } : word;
}

static int by_bytes(const void *a, const void *b)
{
	const struct span *x = a, *y = b;
	int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
	return order ? order : (x->n > y->n) - (x->n < y->n);
}

struct key_words {
	struct span of[KEY_WORDS];
	size_t n;
};

static void add_word(struct key_words *k, struct span word)
{
	for (size_t i = 0; i < k->n; i++)
		if (span_eq(k->of[i], word))
			return;
	if (k->n < KEY_WORDS)
		k->of[k->n++] = word;
}

static struct span join(struct arena *a, struct key_words *k)
{
	char *out = arena_alloc(a, 1);
	qsort(k->of, k->n, sizeof(*k->of), by_bytes);
	for (size_t i = 0; i < k->n; i++)
		out = arena_printf(a, "%s%s%.*s", out, i ? " " : "", SPAN_ARG(k->of[i]));
	return span_of(out);
}

/* The content words in the order of the alphabet. Empty: the question is about nothing. */
static struct span key_of(const struct finished *c, struct span sentence)
{
	struct plain plain;
	struct key_words k = { .n = 0 };
	words_plain(sentence, &plain);
	for (size_t i = 1, from = 1; i < plain.n; i++) {
		struct span word = { plain.text + from, i - from };
		if (plain.text[i] != ' ')
			continue;
		if (!is_small(c, word))
			add_word(&k, stem(word));
		from = i + 1;
	}
	return kept_clip(join(c->arena, &k), PASSAGE_MAX);
}

/* --- left without an answer --- */

static bool doubted_live(const struct finished *c, const struct turn *t)
{
	for (size_t i = 0; i < c->signals_n; i++) {
		const struct raised_signal *s = &c->signals[i];
		if (span_is(s->name, "unanswered_question") && s->text.n &&
		    span_starts(t->text, s->text))
			return true;
	}
	return false;
}

/* What the caller adds at once belongs to the question; the answer is what the assistant says then,
 * until the caller speaks again. */
static bool nobody_answers(const struct finished *c, size_t asked)
{
	bool answered = false;
	size_t i = asked + 1;
	while (i < c->turns_n && c->turns[i].speaker == SPEAKER_USER)
		i++;
	for (; i < c->turns_n && c->turns[i].speaker != SPEAKER_USER; i++) {
		const struct turn *t = &c->turns[i];
		if (understand_turns_sign(t, SIGN_NO_ANSWER))
			return true;
		answered |= !t->moods.waits && t->moods.words > 1;
	}
	return !answered;
}

static bool asked_again(const struct finished *c, size_t asked)
{
	struct word_list first, later;
	unsigned seen = 0;
	words_read(asking_sentence(c->turns[asked].text), &first);
	for (size_t i = asked + 1; i < c->turns_n && seen < 2; i++) {
		if (c->turns[i].speaker != SPEAKER_USER)
			continue;
		seen++;
		if (!c->turns[i].moods.asks)
			continue;
		words_read(asking_sentence(c->turns[i].text), &later);
		if (words_similarity(&first, &later) >= SAME_PERCENT)
			return true;
	}
	return false;
}

static bool is_known(const struct finished *c, struct span key)
{
	for (size_t i = 0; i < c->questions_n; i++)
		if (span_eq(c->questions[i].key, key))
			return true;
	return false;
}

static void look_at(struct finished *c, size_t i)
{
	const struct turn *t = &c->turns[i];
	if (!nobody_answers(c, i) && !asked_again(c, i) && !doubted_live(c, t))
		return;
	struct span sentence = asking_sentence(t->text), key = key_of(c, sentence);
	if (key.n && !is_known(c, key))
		c->questions[c->questions_n++] =
			(struct question){ sentence, key, t->seq, t->offset_ms };
}

/* What the caller asks while saying goodbye needs no answer. */
static bool asks(const struct turn *t)
{
	return t->speaker == SPEAKER_USER && t->moods.asks && t->moods.words > 1 &&
	       !understand_turns_sign(t, SIGN_SMALL_TALK) &&
	       !understand_turns_sign(t, SIGN_GOODBYE);
}

void understand_questions_find(struct finished *c)
{
	c->questions = arena_alloc(c->arena, QUESTIONS_MAX * sizeof(*c->questions));
	for (size_t i = 0; i < c->turns_n && c->questions_n < QUESTIONS_MAX; i++)
		if (asks(&c->turns[i]))
			look_at(c, i);
}
