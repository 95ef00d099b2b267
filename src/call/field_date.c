/* A calendar day or a weekday, as it was said: "the fourteenth of march", "next friday", "14
 * March 2026", "3/14", "tomorrow", "el viernes que viene", "el catorce de marzo". */
#include "call/field.h"

static const char *const months[] = {
	"january",    "february",  "march",   "april",	   "may",	"june",	 "july",
	"august",     "september", "october", "november",  "december",	"jan",	 "feb",
	"apr",	      "aug",	   "sept",    "oct",	   "nov",	"dec",	 "enero",
	"febrero",    "marzo",	   "abril",   "mayo",	   "junio",	"julio", "agosto",
	"septiembre", "setiembre", "octubre", "noviembre", "diciembre", NULL,
};
static const char *const weekdays[] = {
	"monday",    "tuesday", "wednesday", "thursday",   "friday",	"saturday",
	"sunday",    "mondays", "tuesdays",  "wednesdays", "thursdays", "fridays",
	"saturdays", "sundays", "lunes",     "martes",	   "miercoles", "jueves",
	"viernes",   "sabado",	"domingo",   NULL,
};
static const char *const relative[] = {
	"the day after tomorrow",
	"day after tomorrow",
	"tomorrow",
	"today",
	"tonight",
	"next week",
	"next weekend",
	"this weekend",
	"pasado manana",
	"hoy",
	"manana",
	"esta noche",
	"el proximo fin de semana",
	"este fin de semana",
	"la proxima semana",
	"la semana que viene",
	"el fin de semana",
	NULL,
};
static const char *const past[] = { "yesterday", "the day before yesterday", "ayer", "anteayer",
				    "last week", "la semana pasada",	     NULL };
static const char *const before_weekday[] = {
	"this coming",	"the coming", "next", "this",	 "coming", "the next", "el proximo",
	"este proximo", "este",	      "el",   "proximo", "los",	   "the",      NULL
};
static const char *const after_weekday[] = { "que viene", "proximo",
					     "next week", "de la semana que viene",
					     "week",	  NULL };
static const char *const last_weekday[] = { "last", "el pasado", NULL };
static const char *const spans[] = { "days",  "day",  "weeks", "week",	  "months",
				     "month", "dias", "dia",   "semanas", "semana",
				     "meses", "mes",  NULL };

/* "la manana", "de la manana": the morning. */
static bool morning(const struct utterance *u, unsigned i, unsigned n)
{
	return n == 1 && utterance_is(u, i, "manana") && i > 0 &&
	       (utterance_is(u, i - 1, "la") || utterance_is(u, i - 1, "esta"));
}

static unsigned year_at(const struct utterance *u, unsigned i, unsigned languages)
{
	struct field_number a, b;
	unsigned joint = utterance_is(u, i, "de") || utterance_is(u, i, "del");
	struct span w = utterance_word(u, i + joint);
	if (utterance_digits(u, i + joint) && w.n == 4 && (w.p[0] == '2' || w.p[0] == '1'))
		return joint + 1;
	if (field_number_at(u, i + joint, languages, &a) && a.hundredths >= 200000 &&
	    a.hundredths <= 209900)
		return joint + a.words;
	if (field_number_at(u, i, languages, &a) && a.hundredths == 2000 && !a.written &&
	    field_number_at(u, i + a.words, languages, &b) && b.hundredths >= 1000 &&
	    b.hundredths <= 9900)
		return a.words + b.words;
	return 0;
}

/* "(the) fourteenth (of) march (2026)", "14 de marzo", "march (the) fourteenth" */
static unsigned day_and_month(const struct utterance *u, unsigned from, unsigned languages)
{
	bool ordinal;
	int day;
	unsigned i = from + (utterance_is(u, from, "the") || utterance_is(u, from, "el"));
	unsigned n = field_number_day(u, i, languages, &day, &ordinal);
	if (n) {
		unsigned joint = utterance_is(u, i + n, "of") || utterance_is(u, i + n, "de");
		if (!utterance_in(u, i + n + joint, months))
			return 0;
		i += n + joint + 1;
	} else {
		if (i != from || !utterance_in(u, i, months))
			return 0;
		i += 1 + (utterance_is(u, i + 1, "the"));
		n = field_number_day(u, i, languages, &day, &ordinal);
		if (!n)
			return 0;
		i += n;
	}
	return i + year_at(u, i, languages) - from;
}

static bool joined(const struct utterance *u, unsigned i, const char *signs)
{
	struct span gap = utterance_gap(u, i);
	return i < u->n && gap.n == 1 && strchr(signs, gap.p[0]) && utterance_digits(u, i);
}

/* "3/14", "14.03.2026", "2026-03-14" */
static unsigned with_signs(const struct utterance *u, unsigned i, bool asked)
{
	if (!utterance_digits(u, i) || !joined(u, i + 1, "/.-"))
		return 0;
	size_t a = utterance_word(u, i).n, b = utterance_word(u, i + 1).n;
	size_t c = joined(u, i + 2, "/.-") ? utterance_word(u, i + 2).n : 0;
	bool three = c && b <= 2 && ((a <= 2 && (c == 2 || c == 4)) || (a == 4 && c <= 2));
	if (three)
		return 3;
	bool slash = utterance_gap(u, i + 1).p[0] == '/';
	return asked && slash && a <= 2 && b <= 2 ? 2 : 0;
}

static unsigned weekday(const struct utterance *u, unsigned from, bool asked)
{
	unsigned before = utterance_phrase(u, from, before_weekday);
	if (asked && !before)
		before = utterance_phrase(u, from, last_weekday);
	unsigned i = from + before;
	if (!utterance_in(u, i, weekdays))
		return 0;
	i++;
	unsigned after = utterance_phrase(u, i, after_weekday);
	bool gone = utterance_is(u, i, "pasado");
	if (gone && !asked)
		return 0;
	return i + (gone ? 1 : after) - from;
}

/* "in two weeks", "dentro de tres dias" */
static unsigned distance(const struct utterance *u, unsigned from, unsigned languages)
{
	static const char *const before[] = { "in", "dentro de", "en", NULL };
	struct field_number n;
	unsigned i = from + utterance_phrase(u, from, before);
	if (i == from)
		return 0;
	bool a = utterance_is(u, i, "a");
	if (!a && !field_number_at(u, i, languages, &n))
		return 0;
	i += a ? 1 : n.words;
	return utterance_in(u, i, spans) ? i + 1 - from : 0;
}

/* "the third": a day only where one is expected. */
static unsigned bare_day(const struct utterance *u, unsigned from, unsigned languages)
{
	static const char *const no_day[] = { "one", "time", "option", "thing", "vez", NULL };
	bool ordinal, the = utterance_is(u, from, "the") || utterance_is(u, from, "el");
	int day;
	unsigned n = field_number_day(u, from + the, languages, &day, &ordinal);
	if (!n || (!ordinal && !utterance_is(u, from, "el")) ||
	    utterance_in(u, from + the + n, no_day))
		return 0;
	return the + n;
}

static unsigned longest(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

/* One part: "friday", "the 14th of march", "tomorrow". */
static unsigned part_at(const struct utterance *u, unsigned i, unsigned languages, bool asked)
{
	unsigned n = utterance_phrase(u, i, relative);
	if (morning(u, i, n))
		n = 0;
	if (asked)
		n = longest(n, utterance_phrase(u, i, past));
	n = longest(n, weekday(u, i, asked));
	n = longest(n, day_and_month(u, i, languages));
	n = longest(n, with_signs(u, i, asked));
	n = longest(n, distance(u, i, languages));
	if (!n && asked)
		n = bare_day(u, i, languages);
	return n;
}

unsigned field_date_at(const struct utterance *u, unsigned i, unsigned languages, bool asked)
{
	unsigned n = i < u->n ? part_at(u, i, languages, asked) : 0;
	if (!n)
		return 0;
	/* "friday, the 14th of march"; "friday the fourteenth" */
	unsigned more = part_at(u, i + n, languages, false);
	bool day = utterance_is(u, i + n, "the") || utterance_is(u, i + n, "el");
	if (!more && day && i + n < u->n)
		more = bare_day(u, i + n, languages);
	return n + more;
}

/* "last friday" and "two days ago" tell of something else, unless they were asked for. */
static bool gone(const struct field_search *s, unsigned i, unsigned n)
{
	const struct utterance *u = s->u;
	bool last = i > 0 && utterance_is(u, i - 1, "last");
	/* "that is all for today" */
	if (n == 1 && (utterance_is(u, i, "today") || utterance_is(u, i, "hoy")))
		return true;
	return last || utterance_is(u, i + n, "ago") || utterance_is(u, i + n, "pasado");
}

static bool find(const struct field_search *s, bool asked, struct field_found *out)
{
	for (unsigned i = s->from; i < s->to; i++) {
		unsigned n = field_date_at(s->u, i, s->languages, asked);
		if (!n)
			continue;
		unsigned end = i + n < s->to ? i + n : s->to;
		if (!asked && gone(s, i, n)) {
			i = end - 1;
			continue;
		}
		field_found_set(out, utterance_slice(s->u, i, end), i, end);
		return true;
	}
	return false;
}

bool field_date_find(const struct field_search *s, struct field_found *out)
{
	return (s->asked && find(s, true, out)) || find(s, false, out);
}
