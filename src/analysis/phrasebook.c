#include "analysis/phrasebook.h"

#include "callmend/understanding.h"

enum { SLOTS = 256, HITS_MAX = 128 };

struct entry {
	struct span words;
	const struct entry *next;
	uint16_t what;
	uint8_t weight;
};

struct phrasebook {
	struct arena *arena;
	const struct entry *slots[SLOTS];
};

struct phrasebook *phrasebook_new(struct arena *a)
{
	struct phrasebook *book = arena_alloc(a, sizeof(*book));
	book->arena = a;
	return book;
}

/* Of the word that begins here; it ends at a space or at the end. */
static unsigned slot_of(const char *p, const char *end)
{
	uint32_t h = 2166136261u;
	for (; p < end && *p != ' '; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return (h ^ h >> 16) % SLOTS;
}

void phrasebook_add(struct phrasebook *book, struct span words, uint16_t what, uint8_t weight)
{
	if (!words.n)
		return;
	struct entry *e = arena_alloc(book->arena, sizeof(*e));
	unsigned slot = slot_of(words.p, words.p + words.n);
	*e = (struct entry){ words, book->slots[slot], what, weight };
	book->slots[slot] = e;
}

bool phrasebook_add_text(struct phrasebook *book, struct span utf8, uint16_t what, uint8_t weight)
{
	struct plain plain;
	if (!understanding_phrase(utf8))
		return false;
	words_plain(utf8, &plain);
	struct span words = arena_copy(book->arena, (struct span){ plain.text + 1, plain.n - 2 });
	phrasebook_add(book, words, what, weight);
	return true;
}

/* Where the walk is, and the last negation it has passed. */
struct walk {
	size_t at;
	unsigned word, clause;
	unsigned not_end, not_clause; /* word behind the negation, and its clause + 1 */
	struct sign_hit hits[HITS_MAX];
	size_t n;
};

static bool stands_at(const struct entry *e, const struct plain *text, size_t at)
{
	size_t end = at + e->words.n;
	return end < text->n && text->text[end] == ' ' &&
	       memcmp(text->text + at, e->words.p, e->words.n) == 0;
}

static unsigned count_words(struct span words)
{
	unsigned n = 1;
	for (size_t i = 0; i < words.n; i++)
		n += words.p[i] == ' ';
	return n;
}

static bool is_negated(const struct walk *w)
{
	return w->not_clause == w->clause + 1 && w->word >= w->not_end &&
	       w->word - w->not_end < NEGATION_WORDS;
}

static void add_hit(struct walk *w, const struct entry *e)
{
	if (w->n < HITS_MAX)
		w->hits[w->n++] = (struct sign_hit){ e->what, e->weight, is_negated(w),
						     (uint16_t)w->at, (uint16_t)e->words.n };
}

/* Hits first: a phrase that begins with a negation is not negated by itself. */
static void look_up(struct walk *w, const struct phrasebook *book, const struct plain *text)
{
	const struct entry *first = book->slots[slot_of(text->text + w->at, text->text + text->n)];
	const struct entry *negation = NULL;
	for (const struct entry *e = first; e; e = e->next) {
		if (!stands_at(e, text, w->at))
			continue;
		if (e->what == PHRASE_NEGATES)
			negation = e;
		else
			add_hit(w, e);
	}
	if (negation) {
		w->not_end = w->word + count_words(negation->words);
		w->not_clause = w->clause + 1;
	}
}

static void enter_clause(struct walk *w, const struct plain *text)
{
	while (w->clause < text->breaks_n && text->breaks[w->clause] <= w->at)
		w->clause++;
}

const struct sign_hit *phrasebook_find(const struct phrasebook *book, const struct plain *text,
				       struct arena *a, size_t *n)
{
	struct walk w;
	w.at = 1;
	w.word = w.clause = w.not_end = w.not_clause = 0;
	w.n = 0;
	while (w.at < text->n) {
		enter_clause(&w, text);
		look_up(&w, book, text);
		const char *space = memchr(text->text + w.at, ' ', text->n - w.at);
		w.at = space ? (size_t)(space - text->text) + 1 : text->n;
		w.word++;
	}
	*n = w.n;
	if (!w.n)
		return NULL;
	struct sign_hit *out = arena_alloc(a, w.n * sizeof(*out));
	memcpy(out, w.hits, w.n * sizeof(*out));
	return out;
}
