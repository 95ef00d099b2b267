#include "call/utterance.h"

#include "base/crypto.h"
#include "call/kept.h"
#include "call/lexicon.h"

enum { STEM_LEAST = 4 };

uint32_t utterance_stem(struct span word)
{
	bool plural =
		word.n >= STEM_LEAST && word.p[word.n - 1] == 's' && word.p[word.n - 2] != 's';
	return (uint32_t)hash64((struct span){ word.p, word.n - plural });
}

static size_t raw_end(struct span raw, size_t at)
{
	at++;
	while (at < raw.n && ((unsigned char)raw.p[at] & 0xC0) == 0x80)
		at++;
	return at;
}

static bool holds(struct span text, const char *any)
{
	for (size_t i = 0; i < text.n; i++)
		if (strchr(any, text.p[i]))
			return true;
	return false;
}

struct span utterance_gap(const struct utterance *u, unsigned i)
{
	size_t from = i > 0 && i <= u->n ? u->w[i - 1].raw_to : 0;
	size_t to = i < u->n ? u->w[i].raw_from : u->raw.n;
	return (struct span){ u->raw.p + from, to > from ? to - from : 0 };
}

/* "7:30", "1,200" and "anna.smith" hold together; ", " and "?" end something. */
static bool gap_ends(struct span gap, const char *signs)
{
	return holds(gap, signs) && (gap.n > 1 || holds(gap, "!?;"));
}

static void mark_ends(struct utterance *u)
{
	for (unsigned i = 0; i < u->n; i++) {
		struct span gap = utterance_gap(u, i);
		u->w[i].sentence = i == 0 || gap_ends(gap, ".!?");
		u->w[i].clause =
			u->w[i].sentence || gap_ends(gap, ",;:") || (gap.n > 2 && holds(gap, "-"));
	}
}

/* "e-mail" and "e mail" are "email". */
static bool joins_email(struct utterance *u, size_t from, size_t to)
{
	static const struct span mail = { "mail", 4 };
	if (!span_eq((struct span){ u->plain.text + from, to - from }, mail) || u->n == 0)
		return false;
	struct uttered *e = &u->w[u->n - 1];
	if (e->to - e->from != 1 || u->plain.text[e->from] != 'e')
		return false;
	e->stem = (uint32_t)hash64(SPAN("email"));
	return true;
}

static void add_word(struct utterance *u, const uint16_t *at, size_t from, size_t to)
{
	uint16_t end = (uint16_t)raw_end(u->raw, at[to - 1]);
	if (joins_email(u, from, to)) {
		u->w[u->n - 1].raw_to = end;
		return;
	}
	if (u->n == UTTERANCE_WORDS)
		return;
	u->w[u->n++] = (struct uttered){
		.from = (uint16_t)from,
		.to = (uint16_t)to,
		.raw_from = at[from],
		.raw_to = end,
		.stem = utterance_stem((struct span){ u->plain.text + from, to - from }),
	};
}

void utterance_read(struct span text, struct utterance *out)
{
	uint16_t at[PLAIN_MAX];
	size_t from = 1;
	out->raw = kept_clip(text, UTTERANCE_BYTES);
	out->n = 0;
	words_plain_at(out->raw, &out->plain, at);
	for (size_t i = 1; i < out->plain.n; i++) {
		if (out->plain.text[i] != ' ')
			continue;
		add_word(out, at, from, i);
		from = i + 1;
	}
	mark_ends(out);
}

struct span utterance_word(const struct utterance *u, unsigned i)
{
	static const struct span email = { "email", 5 };
	if (i >= u->n)
		return (struct span){ u->plain.text, 0 };
	struct span word = { u->plain.text + u->w[i].from, u->w[i].to - u->w[i].from };
	bool joined = word.n == 1 && u->w[i].raw_to - u->w[i].raw_from > 4;
	return joined ? email : word;
}

static bool same(struct span w, const char *word)
{
	return w.p[0] == word[0] && strncmp(w.p, word, w.n) == 0 && word[w.n] == '\0';
}

bool utterance_is(const struct utterance *u, unsigned i, const char *word)
{
	return i < u->n && same(utterance_word(u, i), word);
}

bool utterance_in(const struct utterance *u, unsigned i, const char *const *words)
{
	if (i >= u->n)
		return false;
	for (struct span w = utterance_word(u, i); *words; words++)
		if (same(w, *words))
			return true;
	return false;
}

bool utterance_digits(const struct utterance *u, unsigned i)
{
	struct span w = utterance_word(u, i);
	for (size_t k = 0; k < w.n; k++)
		if (w.p[k] < '0' || w.p[k] > '9')
			return false;
	return w.n > 0;
}

/* How many words of the text the phrase takes at word i; 0: it is not there. */
static unsigned phrase_at(const struct utterance *u, unsigned i, const char *phrase)
{
	unsigned n = 0;
	while (*phrase) {
		size_t len = strcspn(phrase, " ");
		if (i + n >= u->n ||
		    !span_eq(utterance_word(u, i + n), (struct span){ phrase, len }))
			return 0;
		phrase += len + (phrase[len] == ' ');
		n++;
	}
	return n;
}

unsigned utterance_phrase(const struct utterance *u, unsigned i, const char *const *phrases)
{
	unsigned best = 0;
	if (i >= u->n)
		return 0;
	char first = utterance_word(u, i).p[0];
	for (; *phrases; phrases++) {
		unsigned n = **phrases == first ? phrase_at(u, i, *phrases) : 0;
		best = n > best ? n : best;
	}
	return best;
}

unsigned utterance_find(const struct utterance *u, unsigned from, unsigned to,
			const char *const *phrases)
{
	while (from < to && !utterance_phrase(u, from, phrases))
		from++;
	return from;
}

struct span utterance_slice(const struct utterance *u, unsigned from, unsigned to)
{
	if (from >= to || to > u->n)
		return (struct span){ u->raw.p, 0 };
	return (struct span){ u->raw.p + u->w[from].raw_from,
			      (size_t)(u->w[to - 1].raw_to - u->w[from].raw_from) };
}

unsigned utterance_clause_end(const struct utterance *u, unsigned i)
{
	do
		i++;
	while (i < u->n && !u->w[i].clause);
	return i < u->n ? i : u->n;
}

unsigned utterance_sentence_end(const struct utterance *u, unsigned i)
{
	do
		i++;
	while (i < u->n && !u->w[i].sentence);
	return i < u->n ? i : u->n;
}

unsigned utterance_language(const struct utterance *u)
{
	unsigned en = lexicon_hits(&lexicon_en, &u->plain),
		 es = lexicon_hits(&lexicon_es, &u->plain);
	if (en == es)
		return SPOKEN_ANY;
	return en > es ? SPOKEN_EN : SPOKEN_ES;
}
