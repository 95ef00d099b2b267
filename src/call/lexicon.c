#include "call/lexicon.h"

static const struct lexicon *const lexicons[] = { &lexicon_en, &lexicon_es };

enum { NEGATION_REACH = 3, WAIT_WORDS_MAX = 12 };

/* Which bytes of the text belong to a phrase already, and where negations stand. */
struct marks {
	uint8_t taken[PLAIN_MAX];
	uint8_t negation[PLAIN_MAX];
};

const struct lexicon *lexicon_find(struct span language)
{
	for (size_t i = 0; i < sizeof(lexicons) / sizeof(*lexicons); i++)
		if (span_is(language, lexicons[i]->language))
			return lexicons[i];
	return NULL;
}

/* With which two characters words of a text begin. Most phrases of a lexicon begin otherwise, and
 * need not be searched: that is most of the cost of reading a text. */
struct starts {
	uint64_t bits[16];
};

static unsigned start_of(const char *word)
{
	unsigned second = word[1] ? (unsigned char)word[1] : ' ';
	return ((unsigned char)word[0] * 31u + second) % 1024;
}

static void find_starts(const struct plain *text, struct starts *out)
{
	*out = (struct starts){ 0 };
	for (size_t i = 0; i + 1 < text->n; i++)
		if (text->text[i] == ' ') {
			unsigned k = start_of(text->text + i + 1);
			out->bits[k / 64] |= UINT64_C(1) << k % 64;
		}
}

static bool may_have(const struct starts *s, const char *words)
{
	unsigned k = start_of(words);
	return s->bits[k / 64] >> k % 64 & 1;
}

/* First occurrence of the words, between spaces, from byte `from` on; SIZE_MAX: none. */
static size_t find(const struct plain *text, size_t from, const char *words, size_t n)
{
	while (from + n + 2 <= text->n) {
		const char *p = memmem(text->text + from, text->n - from, words, n);
		if (!p)
			return SIZE_MAX;
		size_t at = (size_t)(p - text->text);
		if (at > 0 && p[-1] == ' ' && p[n] == ' ')
			return at;
		from = at + 1;
	}
	return SIZE_MAX;
}

unsigned lexicon_hits(const struct lexicon *l, const struct plain *text)
{
	unsigned hits = 0;
	struct starts starts;
	find_starts(text, &starts);
	for (const char *const *w = l->functions; *w; w++) {
		if (!may_have(&starts, *w))
			continue;
		size_t n = strlen(*w);
		for (size_t at = find(text, 0, *w, n); at != SIZE_MAX;
		     at = find(text, at + n, *w, n))
			hits++;
	}
	return hits;
}

static bool clause_starts(const struct plain *text, size_t at)
{
	for (unsigned i = 0; i < text->breaks_n; i++)
		if (text->breaks[i] == at)
			return true;
	return at == 1;
}

static bool negated(const struct plain *text, const struct marks *m, size_t at)
{
	unsigned words = 0;
	for (size_t i = at; i > 1 && words < NEGATION_REACH; i--) {
		if (m->negation[i - 1])
			return true;
		if (clause_starts(text, i))
			return false;
		words += text->text[i - 1] == ' ' && i < at;
	}
	return false;
}

static const bool turned_by_negation[MOOD_COUNT] = {
	[MOOD_GOOD] = true,
	[MOOD_BAD] = true,
	[MOOD_FRUSTRATED] = true,
	[MOOD_DONE] = true,
};

static void count(const struct plain *text, const struct marks *m, size_t at,
		  const struct phrase *p, struct reading *out)
{
	bool not = negated(text, m, at);
	if (p->mood == MOOD_GOOD && not )
		out->weight[MOOD_BAD] += p->weight / 2;
	else if (!not || !turned_by_negation[p->mood])
		out->weight[p->mood] += p->weight;
}

static void take_one(const struct plain *text, struct marks *m, size_t at, const struct phrase *p,
		     struct reading *out)
{
	if (p->mood == MOOD_ASKS)
		out->asks |= clause_starts(text, at);
	else
		count(text, m, at, p, out);
	memset(m->negation + at, 0, strlen(p->words)); /* "no problem" negates nothing after it */
}

static void take_all(const struct plain *text, struct marks *m, const struct phrase *p,
		     struct reading *out)
{
	size_t n = strlen(p->words);
	for (size_t at = find(text, 0, p->words, n); at != SIZE_MAX;
	     at = find(text, at + n, p->words, n)) {
		if (memchr(m->taken + at, 1, n))
			continue;
		memset(m->taken + at, 1, n);
		if (p->mood == MOOD_NOT)
			memset(m->negation + at, 1, n);
		else
			take_one(text, m, at, p, out);
	}
}

static unsigned count_words(const struct plain *text)
{
	unsigned n = 0;
	for (size_t i = 1; i < text->n; i++)
		n += text->text[i] == ' ';
	return n;
}

/* Negations are found first, because what they turn is counted after them; then phrases, those of
 * more words before those of fewer (the tables are in that order, a test checks it), so that "no
 * problem" is a phrase of its own. */
void lexicon_read(const struct lexicon *l, const struct plain *text, struct reading *out)
{
	struct marks m;
	struct starts starts;
	find_starts(text, &starts);
	memset(m.taken, 0, text->n);
	memset(m.negation, 0, text->n);
	*out = (struct reading){ .words = count_words(text), .asks = text->asks };
	for (const struct phrase *p = l->phrases; p->words; p++)
		if (p->mood == MOOD_NOT && may_have(&starts, p->words))
			take_all(text, &m, p, out);
	memset(m.taken, 0, text->n);
	for (const struct phrase *p = l->phrases; p->words; p++)
		if (p->mood != MOOD_NOT && may_have(&starts, p->words))
			take_all(text, &m, p, out);
	out->waits = out->weight[MOOD_WAIT] > 0 && out->words <= WAIT_WORDS_MAX && !out->asks;
}
