/* Numbers as they are written ("1,200.50", "2.5") and said ("twenty five", "a dozen", "ciento
 * veinte", "treinta y cinco"). A number that is part of a time, a date, or a long run of digits is
 * none of these. */
#include <stdio.h>
#include <stdlib.h>

#include "call/field.h"

enum kind { UNIT, TEEN, TEN, HUNDRED, HUNDREDS, THOUSAND, MILLION, DOZEN, FEW };
struct number_word {
	const char *word;
	int value;
	enum kind kind;
	unsigned languages;
};

/* In order of the alphabet: bsearch. */
static const struct number_word words[] = {
	{ "catorce", 14, TEEN, SPOKEN_ES },
	{ "cero", 0, UNIT, SPOKEN_ES },
	{ "cien", 100, HUNDREDS, SPOKEN_ES },
	{ "ciento", 100, HUNDREDS, SPOKEN_ES },
	{ "cinco", 5, UNIT, SPOKEN_ES },
	{ "cincuenta", 50, TEN, SPOKEN_ES },
	{ "couple", 2, FEW, SPOKEN_EN },
	{ "cuarenta", 40, TEN, SPOKEN_ES },
	{ "cuatro", 4, UNIT, SPOKEN_ES },
	{ "cuatrocientos", 400, HUNDREDS, SPOKEN_ES },
	{ "diecinueve", 19, TEEN, SPOKEN_ES },
	{ "dieciocho", 18, TEEN, SPOKEN_ES },
	{ "dieciseis", 16, TEEN, SPOKEN_ES },
	{ "diecisiete", 17, TEEN, SPOKEN_ES },
	{ "diez", 10, TEEN, SPOKEN_ES },
	{ "doce", 12, TEEN, SPOKEN_ES },
	{ "docena", 12, DOZEN, SPOKEN_ES },
	{ "dos", 2, UNIT, SPOKEN_ES },
	{ "doscientos", 200, HUNDREDS, SPOKEN_ES },
	{ "dozen", 12, DOZEN, SPOKEN_EN },
	{ "eight", 8, UNIT, SPOKEN_EN },
	{ "eighteen", 18, TEEN, SPOKEN_EN },
	{ "eighty", 80, TEN, SPOKEN_EN },
	{ "eleven", 11, TEEN, SPOKEN_EN },
	{ "fifteen", 15, TEEN, SPOKEN_EN },
	{ "fifty", 50, TEN, SPOKEN_EN },
	{ "five", 5, UNIT, SPOKEN_EN },
	{ "forty", 40, TEN, SPOKEN_EN },
	{ "four", 4, UNIT, SPOKEN_EN },
	{ "fourteen", 14, TEEN, SPOKEN_EN },
	{ "fourty", 40, TEN, SPOKEN_EN },
	{ "hundred", 100, HUNDRED, SPOKEN_EN },
	{ "mil", 1000, THOUSAND, SPOKEN_ES },
	{ "million", 1000000, MILLION, SPOKEN_ANY },
	{ "millon", 1000000, MILLION, SPOKEN_ES },
	{ "millones", 1000000, MILLION, SPOKEN_ES },
	{ "nine", 9, UNIT, SPOKEN_EN },
	{ "nineteen", 19, TEEN, SPOKEN_EN },
	{ "ninety", 90, TEN, SPOKEN_EN },
	{ "novecientos", 900, HUNDREDS, SPOKEN_ES },
	{ "noventa", 90, TEN, SPOKEN_ES },
	{ "nueve", 9, UNIT, SPOKEN_ES },
	{ "ochenta", 80, TEN, SPOKEN_ES },
	{ "ocho", 8, UNIT, SPOKEN_ES },
	{ "ochocientos", 800, HUNDREDS, SPOKEN_ES },
	{ "once", 11, TEEN, SPOKEN_ES },
	{ "one", 1, UNIT, SPOKEN_EN },
	{ "pair", 2, FEW, SPOKEN_EN },
	{ "par", 2, FEW, SPOKEN_ES },
	{ "quince", 15, TEEN, SPOKEN_ES },
	{ "quinientos", 500, HUNDREDS, SPOKEN_ES },
	{ "seis", 6, UNIT, SPOKEN_ES },
	{ "seiscientos", 600, HUNDREDS, SPOKEN_ES },
	{ "sesenta", 60, TEN, SPOKEN_ES },
	{ "setecientos", 700, HUNDREDS, SPOKEN_ES },
	{ "setenta", 70, TEN, SPOKEN_ES },
	{ "seven", 7, UNIT, SPOKEN_EN },
	{ "seventeen", 17, TEEN, SPOKEN_EN },
	{ "seventy", 70, TEN, SPOKEN_EN },
	{ "siete", 7, UNIT, SPOKEN_ES },
	{ "six", 6, UNIT, SPOKEN_EN },
	{ "sixteen", 16, TEEN, SPOKEN_EN },
	{ "sixty", 60, TEN, SPOKEN_EN },
	{ "ten", 10, TEEN, SPOKEN_EN },
	{ "thirteen", 13, TEEN, SPOKEN_EN },
	{ "thirty", 30, TEN, SPOKEN_EN },
	{ "thousand", 1000, THOUSAND, SPOKEN_EN },
	{ "three", 3, UNIT, SPOKEN_EN },
	{ "trece", 13, TEEN, SPOKEN_ES },
	{ "treinta", 30, TEN, SPOKEN_ES },
	{ "tres", 3, UNIT, SPOKEN_ES },
	{ "trescientos", 300, HUNDREDS, SPOKEN_ES },
	{ "twelve", 12, TEEN, SPOKEN_EN },
	{ "twenty", 20, TEN, SPOKEN_EN },
	{ "two", 2, UNIT, SPOKEN_EN },
	{ "un", 1, UNIT, SPOKEN_ES },
	{ "una", 1, UNIT, SPOKEN_ES },
	{ "uno", 1, UNIT, SPOKEN_ES },
	{ "veinte", 20, TEN, SPOKEN_ES },
	{ "veinticinco", 25, TEEN, SPOKEN_ES },
	{ "veinticuatro", 24, TEEN, SPOKEN_ES },
	{ "veintidos", 22, TEEN, SPOKEN_ES },
	{ "veintinueve", 29, TEEN, SPOKEN_ES },
	{ "veintiocho", 28, TEEN, SPOKEN_ES },
	{ "veintiseis", 26, TEEN, SPOKEN_ES },
	{ "veintisiete", 27, TEEN, SPOKEN_ES },
	{ "veintitres", 23, TEEN, SPOKEN_ES },
	{ "veintiun", 21, TEEN, SPOKEN_ES },
	{ "veintiuna", 21, TEEN, SPOKEN_ES },
	{ "veintiuno", 21, TEEN, SPOKEN_ES },
	{ "zero", 0, UNIT, SPOKEN_EN },
};

enum { VALUE_MOST = 1000000000, WRITTEN_DIGITS_MOST = 9 };

static int by_word(const void *key, const void *row)
{
	const struct span *k = key;
	const char *word = ((const struct number_word *)row)->word;
	int order = strncmp(k->p, word, k->n);
	return order ? order : -(word[k->n] != '\0');
}

static const struct number_word *word_at(const struct utterance *u, unsigned i, unsigned languages)
{
	struct span w = utterance_word(u, i);
	const struct number_word *row =
		w.n ? bsearch(&w, words, sizeof(words) / sizeof(*words), sizeof(*words), by_word)
		    : NULL;
	return row && (row->languages & languages) ? row : NULL;
}

/* --- said --- */

struct reading {
	int64_t total, part;
	int last; /* kind of the last word; -1: none yet */
	unsigned words;
};

/* What may stand before a word of each kind for it to go on with the same number. */
static const unsigned may_follow[] = {
	[UNIT] = 1u << TEN | 1u << HUNDRED | 1u << HUNDREDS | 1u << THOUSAND | 1u << MILLION,
	[TEEN] = 1u << HUNDRED | 1u << HUNDREDS | 1u << THOUSAND | 1u << MILLION,
	[TEN] = 1u << HUNDRED | 1u << HUNDREDS | 1u << THOUSAND | 1u << MILLION,
	[HUNDRED] = 1u << UNIT | 1u << TEEN | 1u << TEN,
	[HUNDREDS] = 1u << THOUSAND | 1u << MILLION,
	[THOUSAND] = 1u << UNIT | 1u << TEEN | 1u << TEN | 1u << HUNDRED | 1u << HUNDREDS,
	[MILLION] = 1u << UNIT | 1u << TEEN | 1u << TEN | 1u << HUNDRED | 1u << HUNDREDS |
		    1u << THOUSAND,
	[DOZEN] = 1u << UNIT | 1u << TEEN,
	[FEW] = 0,
};

static void take_word(struct reading *r, const struct number_word *w)
{
	if (w->kind == HUNDRED || w->kind == DOZEN) {
		r->part = (r->part ? r->part : 1) * w->value;
	} else if (w->kind == THOUSAND || w->kind == MILLION) {
		r->total += (r->part ? r->part : 1) * w->value;
		r->part = 0;
	} else {
		r->part += w->value;
	}
	r->last = (int)w->kind;
}

/* "and" between hundreds and the rest, "y" between tens and units. */
static unsigned joiner(const struct utterance *u, unsigned i, const struct reading *r)
{
	bool large = r->last == HUNDRED || r->last == THOUSAND || r->last == MILLION;
	if (large && utterance_is(u, i, "and"))
		return 1;
	return r->last == TEN && utterance_is(u, i, "y");
}

static bool goes_on(const struct reading *r, const struct number_word *w)
{
	if (r->last < 0)
		return w->kind != THOUSAND || strcmp(w->word, "mil") == 0;
	return may_follow[w->kind] >> r->last & 1;
}

static bool spoken(const struct utterance *u, unsigned from, unsigned languages, struct reading *r)
{
	*r = (struct reading){ .last = -1 };
	unsigned i = from;
	unsigned before = utterance_is(u, i, "half");
	before += utterance_is(u, i + before, "a");
	if (before) {
		const struct number_word *w = word_at(u, i + before, languages);
		if (!w || w->kind == UNIT || w->kind == TEEN || w->kind == TEN)
			return false;
		i += before;
	}
	for (;;) {
		unsigned gap = r->words ? joiner(u, i, r) : 0;
		const struct number_word *w = word_at(u, i + gap, languages);
		bool new_clause = r->words && i < u->n && u->w[i].clause;
		if (!w || new_clause || !goes_on(r, w) || r->total + r->part > VALUE_MOST)
			break;
		if (gap && w->kind != UNIT && r->last == TEN)
			break;
		take_word(r, w);
		i += gap + 1;
		r->words = i - from;
	}
	return r->words > 0;
}

/* --- written --- */

static bool separator(const struct utterance *u, unsigned i, char *out)
{
	struct span gap = utterance_gap(u, i);
	if (i >= u->n || gap.n != 1 || !strchr(".,", gap.p[0]) || !utterance_digits(u, i))
		return false;
	*out = gap.p[0];
	return true;
}

static int64_t number_of(struct span digits)
{
	int64_t v = 0;
	for (size_t i = 0; i < digits.n && v <= VALUE_MOST; i++)
		v = v * 10 + (digits.p[i] - '0');
	return v;
}

/* Groups of three are thousands, one or two digits at the end are hundredths. */
static bool written(const struct utterance *u, unsigned from, struct field_number *out)
{
	struct span first = utterance_word(u, from);
	char sign;
	if (!utterance_digits(u, from) || first.n > WRITTEN_DIGITS_MOST)
		return false;
	int64_t whole = number_of(first), hundredths = 0;
	unsigned i = from + 1;
	while (separator(u, i, &sign) && utterance_word(u, i).n == 3 && whole < VALUE_MOST) {
		whole = whole * 1000 + number_of(utterance_word(u, i));
		i++;
	}
	if (separator(u, i, &sign) && utterance_word(u, i).n <= 2) {
		struct span rest = utterance_word(u, i);
		hundredths = number_of(rest) * (rest.n == 1 ? 10 : 1);
		i++;
	}
	*out = (struct field_number){ .words = i - from,
				      .hundredths = whole * 100 + hundredths,
				      .written = true };
	return true;
}

static bool article(const struct utterance *u, unsigned i)
{
	static const char *const articles[] = { "un", "una", "one", NULL };
	return utterance_in(u, i, articles);
}

bool field_number_at(const struct utterance *u, unsigned i, unsigned languages,
		     struct field_number *out)
{
	struct reading r;
	if (i >= u->n)
		return false;
	if (written(u, i, out))
		return true;
	if (!spoken(u, i, languages, &r))
		return false;
	int64_t value = r.total + r.part;
	if (utterance_is(u, i, "half"))
		value /= 2;
	*out = (struct field_number){ .words = r.words,
				      .hundredths = value * 100,
				      .lone_article = r.words == 1 && article(u, i) };
	return true;
}

unsigned field_number_digits(const struct utterance *u, unsigned i, unsigned languages,
			     char digits[24])
{
	static const char *const zero[] = { "oh", "o", "zero", "cero", "nought", NULL };
	struct field_number number;
	struct span w = utterance_word(u, i);
	if (utterance_digits(u, i) && w.n < 20) {
		memcpy(digits, w.p, w.n);
		digits[w.n] = '\0';
		return 1;
	}
	const struct number_word *word = word_at(u, i, languages);
	const struct number_word *next = word_at(u, i + 1, languages);
	bool hundreds = next && (next->kind == HUNDRED || next->kind == THOUSAND);
	if (utterance_in(u, i, zero)) {
		snprintf(digits, 24, "0");
		return 1;
	}
	if (word && word->kind == UNIT && !hundreds) {
		snprintf(digits, 24, "%d", word->value);
		return 1;
	}
	bool group = word && word->kind != FEW && word->kind != DOZEN;
	if (!group || !field_number_at(u, i, languages, &number))
		return 0;
	snprintf(digits, 24, "%lld", (long long)(number.hundredths / 100));
	return number.words;
}

/* --- ordinals --- */

static const struct {
	const char *word;
	int day;
	unsigned languages;
} ordinals[] = {
	{ "first", 1, SPOKEN_EN },	  { "second", 2, SPOKEN_EN },
	{ "third", 3, SPOKEN_EN },	  { "fourth", 4, SPOKEN_EN },
	{ "fifth", 5, SPOKEN_EN },	  { "sixth", 6, SPOKEN_EN },
	{ "seventh", 7, SPOKEN_EN },	  { "eighth", 8, SPOKEN_EN },
	{ "ninth", 9, SPOKEN_EN },	  { "tenth", 10, SPOKEN_EN },
	{ "eleventh", 11, SPOKEN_EN },	  { "twelfth", 12, SPOKEN_EN },
	{ "thirteenth", 13, SPOKEN_EN },  { "fourteenth", 14, SPOKEN_EN },
	{ "fifteenth", 15, SPOKEN_EN },	  { "sixteenth", 16, SPOKEN_EN },
	{ "seventeenth", 17, SPOKEN_EN }, { "eighteenth", 18, SPOKEN_EN },
	{ "nineteenth", 19, SPOKEN_EN },  { "twentieth", 20, SPOKEN_EN },
	{ "thirtieth", 30, SPOKEN_EN },	  { "primero", 1, SPOKEN_ES },
};

static int ordinal_word(const struct utterance *u, unsigned i, unsigned languages)
{
	for (size_t k = 0; k < sizeof(ordinals) / sizeof(*ordinals); k++)
		if ((ordinals[k].languages & languages) && utterance_is(u, i, ordinals[k].word))
			return ordinals[k].day;
	return 0;
}

/* "14th", "1st" */
static int ordinal_written(const struct utterance *u, unsigned i)
{
	struct span w = utterance_word(u, i);
	size_t n = 0;
	int day = 0;
	while (n < w.n && n < 2 && w.p[n] >= '0' && w.p[n] <= '9')
		day = day * 10 + (w.p[n++] - '0');
	struct span end = span_from(w, n);
	bool suffix = span_is(end, "th") || span_is(end, "st") || span_is(end, "nd") ||
		      span_is(end, "rd");
	return n && suffix ? day : 0;
}

unsigned field_number_day(const struct utterance *u, unsigned i, unsigned languages, int *out,
			  bool *ordinal)
{
	struct field_number number;
	bool twenty = utterance_is(u, i, "twenty"), thirty = utterance_is(u, i, "thirty");
	int second = twenty || thirty ? ordinal_word(u, i + 1, languages) : 0;
	int day = ordinal_written(u, i);
	unsigned taken = 1;
	if (!day)
		day = ordinal_word(u, i, languages);
	if (second && second < 10) {
		day = (twenty ? 20 : 30) + second;
		taken = 2;
	}
	*ordinal = day > 0;
	if (!day && field_number_at(u, i, languages, &number) && number.hundredths % 100 == 0) {
		day = number.hundredths > 3100 ? 0 : (int)(number.hundredths / 100);
		taken = number.words;
	}
	*out = day;
	return day >= 1 && day <= 31 ? taken : 0;
}

/* --- the extractor --- */

static const char *const pronoun_before[] = { "this",  "that",	 "the",	 "first",   "other",
					      "which", "any",	 "no",	 "last",    "next",
					      "every", "each",	 "some", "another", "only",
					      "ese",   "este",	 "otro", "otra",    "cada",
					      "algun", "ningun", NULL };
static const char *const pronoun_after[] = { "moment", "second",   "sec",	"minute",
					     "thing",  "more",	   "of",	"time",
					     "day",    "question", "momento",	"segundo",
					     "minuto", "rato",	   "cosa",	"pregunta",
					     "mesa",   "reserva",  "momentito", NULL };

/* "one", "un" and "una" are numbers only where nothing says that they are not. */
static bool only_article(const struct field_search *s, unsigned i, const struct field_number *n)
{
	const struct utterance *u = s->u;
	if (!n->lone_article || !s->asked)
		return n->lone_article;
	if ((i > 0 && utterance_in(u, i - 1, pronoun_before)) ||
	    utterance_in(u, i + 1, pronoun_after))
		return true;
	bool last = i + 1 >= u->n || u->w[i + 1].clause;
	return !utterance_is(u, i, "one") && !last &&
	       !field_words_any(&s->f->about, u, i + 1, i + 2) &&
	       !utterance_is(u, i + 1, "persona");
}

/* What begins here but means something else is passed over as a whole: a time, a date, a run of
 * digits. The words to skip; 0: nothing of that kind. */
static unsigned other_at(const struct field_search *s, unsigned i)
{
	char text[24];
	unsigned date = field_date_at(s->u, i, s->languages, false);
	unsigned time = field_time_at(s->u, i, s->languages, false, text);
	if (date || time)
		return date > time ? date : time;
	unsigned groups = 0, end = i, n;
	while (end < s->to && (end == i || !s->u->w[end].clause) &&
	       (n = field_number_digits(s->u, end, s->languages, text)) > 0) {
		end += n;
		groups++;
	}
	struct field_number number;
	bool one = field_number_at(s->u, i, s->languages, &number) && i + number.words >= end;
	return groups > 1 && !one ? end - i : 0;
}

static bool near_label(const struct field_search *s, unsigned i, unsigned words_taken)
{
	unsigned to = i + words_taken + 3;
	unsigned end = utterance_clause_end(s->u, i + words_taken - 1);
	return field_words_any(&s->f->about, s->u, i + words_taken, to < end ? to : end);
}

/* --- how many people, unasked --- */

static const char *const people[] = { "people",	    "persons",	 "person",     "guests",
				      "guest",	    "diners",	 "diner",      "visitors",
				      "attendees",  "heads",	 "personas",   "persona",
				      "invitados",  "invitado",	 "comensales", "gente",
				      "asistentes", "huespedes", NULL };
/* What may stand in a label that counts them, and says no more. */
static const char *const counting[] = { "number", "size",    "count",	"total",    "party",
					"group",  "the",     "of",	"in",	    "your",
					"how",	  "many",    "numero",	"cantidad", "total",
					"grupo",  "de",	     "la",	"el",	    "los",
					"las",	  "cuantos", "cuantas", "tamano",   NULL };
static const char *const groups[] = { "party", "group", "grupo", NULL };
static const char *const how_many[] = { "many", "cuantos", "cuantas", NULL };

bool field_number_people_label(struct span label)
{
	struct utterance u;
	bool any = false;
	utterance_read(label, &u);
	for (unsigned i = 0; i < u.n; i++) {
		bool group = utterance_in(&u, i, groups) && u.n > 1;
		bool one = utterance_in(&u, i, people);
		if (!one && !utterance_in(&u, i, counting))
			return false;
		any |= one || group;
	}
	return any;
}

bool field_number_people_question(struct span ask)
{
	struct utterance u;
	utterance_read(ask, &u);
	for (unsigned i = 0; i + 1 < u.n; i++)
		if (utterance_in(&u, i, how_many) && utterance_in(&u, i + 1, people))
			return true;
	return false;
}

/* Behind these a number alone is one of people ... */
static const char *const tells[] = { "we are",	 "were",     "we will be",  "well be",
				     "party of", "group of", "table for",   "somos",
				     "seremos",	 "seriamos", "vamos a ser", "mesa para",
				     "grupo de", NULL };
/* ... and behind these when "people", "of us" stands behind it. */
static const char *const hints[] = { "there will be", "therell be", "there are", "theres",
				     "it is",	      "its",	    "for",	 "para",
				     "just",	      "only",	    "with",	 NULL };
static const char *const abouts[] = { "about", "around", "the",	     "just", "only",
				      "like",  "maybe",	 "probably", "unos", "unas",
				      "como",  "solo",	 "todos",    NULL };
/* The sentence goes on with something else. */
static const char *const closing[] = { "on",  "at", "please", "total", "altogether", "in", "coming",
				       "for", "el", "por",    "en",    "para",	     NULL };

/* Does one of the phrases end before word i? "We're" begins a clause, "we were" does not. */
static bool ends_before(const struct utterance *u, unsigned i, const char *const *phrases)
{
	for (unsigned k = i > 3 ? i - 3 : 0; k < i; k++) {
		bool past = utterance_is(u, k, "were") && !u->w[k].clause;
		if (!past && k + utterance_phrase(u, k, phrases) == i)
			return true;
	}
	return false;
}

static bool said_before(const struct utterance *u, unsigned i, const char *const *phrases)
{
	while (!ends_before(u, i, phrases) && i > 0 && utterance_in(u, i - 1, abouts))
		i--;
	return ends_before(u, i, phrases);
}

static bool closes(const struct utterance *u, unsigned i)
{
	return i >= u->n || u->w[i].clause || utterance_in(u, i, closing);
}

/* "There will be eight of us", "for eight guests", "a party of eight"; not "two of us are late". */
static bool people_said(const struct field_search *s, unsigned i, unsigned words_taken)
{
	const struct utterance *u = s->u;
	unsigned next = i + words_taken;
	bool told = said_before(u, i, tells);
	bool hinted = told || said_before(u, i, hints);
	bool noun = next < u->n && !u->w[next].clause && utterance_in(u, next, people);
	bool us = utterance_is(u, next, "of") && utterance_is(u, next + 1, "us");

	return s->f->people &&
	       ((noun && hinted) || (us && closes(u, next + 2) && (hinted || u->w[i].clause)) ||
		(told && closes(u, next)));
}

/* near: only a number that words of the label follow ("seven people"). */
static bool find(const struct field_search *s, bool near, struct field_found *out)
{
	for (unsigned i = s->from; i < s->to;) {
		struct field_number n;
		unsigned other = other_at(s, i);
		if (other) {
			i += other;
		} else if (!field_number_at(s->u, i, s->languages, &n) || i + n.words > s->to) {
			i++;
		} else if (only_article(s, i, &n) ||
			   (near && !near_label(s, i, n.words) && !people_said(s, i, n.words))) {
			i += n.words;
		} else {
			field_found_amount(out, n.hundredths, false, i, i + n.words);
			return true;
		}
	}
	return false;
}

static const char *const alone[] = { "just me",	    "only me", "just myself", "solo yo",
				     "nada mas yo", "yo solo", "yo sola",     NULL };
static const char *const none[] = { "none",    "nobody", "no one", "ninguno",
				    "ninguna", "nadie",	 "ningun", NULL };

/* Most turns have none: they are done with at once. */
static bool any_number(const struct field_search *s)
{
	struct field_number n;
	for (unsigned i = s->from; i < s->to; i++)
		if (field_number_at(s->u, i, s->languages, &n))
			return true;
	return false;
}

bool field_number_find(const struct field_search *s, struct field_found *out)
{
	bool any = any_number(s);
	if (any && find(s, true, out))
		return true;
	if (!s->asked)
		return false;
	if (any && find(s, false, out))
		return true;
	unsigned at = utterance_find(s->u, s->from, s->to, alone);
	if (at < s->to) {
		field_found_set(out, SPAN("1"), at, at + 2);
		return true;
	}
	at = utterance_find(s->u, s->from, s->to, none);
	if (at < s->to)
		field_found_set(out, SPAN("0"), at, at + 1);
	return at < s->to;
}
