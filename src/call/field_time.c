/* A time of day as HH:MM: "7 pm", "7:30", "half past seven", "quarter to eight", "seven thirty",
 * "noon", "a las ocho y media", "las siete de la tarde". Without morning or evening said, the hour
 * stays as it is. */
#include <stdio.h>

#include "call/field.h"

struct hour {
	int h, m;
	unsigned end; /* word behind it */
	bool sure;    /* could be nothing else */
};

static const char *const pm_words[] = {
	"in the evening", "in the afternoon", "at night",    "tonight",	    "this evening",
	"this afternoon", "for dinner",	      "de la tarde", "de la noche", "por la tarde",
	"por la noche",	  "esta tarde",	      "esta noche",  NULL
};
static const char *const am_words[] = { "in the morning",
					"this morning",
					"for breakfast",
					"de la manana",
					"por la manana",
					"esta manana",
					NULL };

static bool number(const struct utterance *u, unsigned i, unsigned languages, int most,
		   struct field_number *out)
{
	return field_number_at(u, i, languages, out) && out->hundredths % 100 == 0 &&
	       out->hundredths <= most * 100;
}

/* "pm", "p m" (from "p.m."), "oclock"; 0: none; *half: 1 am, 2 pm. */
static unsigned suffix(const struct utterance *u, unsigned i, int *half)
{
	static const char *const am[] = { "am", "a m", NULL }, *const pm[] = { "pm", "p m", NULL };
	static const char *const clock[] = {
		"oclock", "o clock", "horas", "hrs", "en punto", NULL
	};
	unsigned n = utterance_phrase(u, i, am);
	*half = n ? 1 : 0;
	if (n)
		return n;
	n = utterance_phrase(u, i, pm);
	*half = n ? 2 : 0;
	return n ? n : utterance_phrase(u, i, clock);
}

/* "7pm", "730pm" */
static bool glued(const struct utterance *u, unsigned i, struct hour *out)
{
	struct span w = utterance_word(u, i);
	size_t n = 0;
	int v = 0;
	while (n < w.n && n < 4 && w.p[n] >= '0' && w.p[n] <= '9')
		v = v * 10 + (w.p[n++] - '0');
	struct span end = span_from(w, n);
	bool pm = span_is(end, "pm"), am = span_is(end, "am");
	if (!n || (!pm && !am))
		return false;
	*out = (struct hour){ n > 2 ? v / 100 : v, n > 2 ? v % 100 : 0, i + 1, true };
	out->h += pm && out->h < 12 ? 12 : 0;
	out->h = am && out->h == 12 ? 0 : out->h;
	return out->h <= 23 && out->m <= 59;
}

/* "7:30", "19.30": digits that a colon joins (a point only where a time is expected). */
static bool colon(const struct utterance *u, unsigned i, bool asked, struct hour *out)
{
	struct span gap = utterance_gap(u, i + 1);
	struct field_number h, m;
	struct span minutes = utterance_word(u, i + 1);
	if (!utterance_digits(u, i) || !utterance_digits(u, i + 1) || gap.n != 1 ||
	    minutes.n != 2 || utterance_word(u, i).n > 2)
		return false;
	if (gap.p[0] != ':' && !(asked && (gap.p[0] == '.' || gap.p[0] == 'h')))
		return false;
	struct utterance const *const whole = u;
	h.hundredths = m.hundredths = 0;
	for (size_t k = 0; k < utterance_word(whole, i).n; k++)
		h.hundredths = h.hundredths * 10 + (utterance_word(whole, i).p[k] - '0');
	for (size_t k = 0; k < minutes.n; k++)
		m.hundredths = m.hundredths * 10 + (minutes.p[k] - '0');
	*out = (struct hour){ (int)h.hundredths, (int)m.hundredths, i + 2, true };
	return out->h <= 23 && out->m <= 59;
}

/* "half past seven", "quarter to eight", "ten past six", "twenty to nine" */
static bool past_to(const struct utterance *u, unsigned i, unsigned languages, struct hour *out)
{
	struct field_number n, h;
	int minutes = 0;
	unsigned at = i + utterance_is(u, i, "a"), join = at + 1;
	if (utterance_is(u, at, "half") || utterance_is(u, at, "quarter")) {
		minutes = utterance_is(u, at, "half") ? 30 : 15;
	} else if (at == i && number(u, i, languages, 30, &n)) {
		minutes = (int)(n.hundredths / 100);
		join = at + n.words;
	}
	bool past = utterance_is(u, join, "past") || utterance_is(u, join, "after");
	bool to = (utterance_is(u, join, "to") || utterance_is(u, join, "till")) && minutes != 30;
	if (!minutes || (!past && !to) || !number(u, join + 1, languages, 12, &h))
		return false;
	int hour = (int)(h.hundredths / 100);
	*out = (struct hour){ past	  ? hour
			      : hour == 1 ? 12
					  : hour - 1,
			      past ? minutes : 60 - minutes, join + 1 + h.words,
			      past || utterance_is(u, at, "quarter") };
	return hour >= 1;
}

/* "y media", "y cuarto", "y diez", "menos cuarto" behind a Spanish hour. */
static void spanish_minutes(const struct utterance *u, unsigned languages, struct hour *io)
{
	struct field_number n;
	bool less = utterance_is(u, io->end, "menos");
	if (!less && !utterance_is(u, io->end, "y"))
		return;
	int m = utterance_is(u, io->end + 1, "media")	 ? 30
		: utterance_is(u, io->end + 1, "cuarto") ? 15
							 : 0;
	unsigned taken = 1;
	if (!m && number(u, io->end + 1, languages, 59, &n)) {
		m = (int)(n.hundredths / 100);
		taken = n.words;
	}
	if (!m)
		return;
	io->h = less ? (io->h == 1 ? 12 : io->h - 1) : io->h;
	io->m = less ? 60 - m : m;
	io->end += 1 + taken;
}

/* "a las siete", "las ocho y media": the words before the hour. */
static unsigned spanish_before(const struct utterance *u, unsigned i)
{
	static const char *const before[] = { "a las", "a la", "las", "sobre las", NULL };
	return utterance_phrase(u, i, before);
}

/* "seven thirty", "seven oh five" */
static void english_minutes(const struct utterance *u, unsigned languages, struct hour *io)
{
	struct field_number n;
	unsigned oh = utterance_is(u, io->end, "oh") || utterance_is(u, io->end, "o");
	if (io->end >= u->n || u->w[io->end].clause ||
	    !number(u, io->end + oh, languages, 59, &n) || n.written ||
	    (n.hundredths < 1000) != (oh == 1))
		return;
	char digits[24];
	if (field_number_digits(u, io->end + oh + n.words, languages, digits))
		return; /* a longer run: no time */
	io->m = (int)(n.hundredths / 100);
	io->end += oh + n.words;
}

/* An hour in words or digits, with what makes it a time. */
static bool plain_hour(const struct utterance *u, unsigned i, unsigned languages, bool asked,
		       struct hour *out)
{
	struct field_number n;
	unsigned before = (languages & SPOKEN_ES) ? spanish_before(u, i) : 0;
	int half;
	if (!number(u, i + before, languages, 24, &n) || (n.lone_article && !before))
		return false;
	*out = (struct hour){ (int)(n.hundredths / 100), 0, i + before + n.words, before > 0 };
	if (before)
		spanish_minutes(u, languages, out);
	else
		english_minutes(u, languages, out);
	unsigned clock = suffix(u, out->end, &half);
	out->end += clock;
	out->sure |= clock > 0;
	out->sure |=
		utterance_phrase(u, out->end, pm_words) || utterance_phrase(u, out->end, am_words);
	if (half && out->h <= 12)
		out->h = half == 2 ? (out->h < 12 ? out->h + 12 : 12) : out->h % 12;
	return out->sure || asked;
}

static bool word_time(const struct utterance *u, unsigned i, struct hour *out)
{
	static const struct {
		const char *word;
		int h;
	} times[] = { { "noon", 12 },
		      { "midday", 12 },
		      { "midnight", 0 },
		      { "mediodia", 12 },
		      { "medianoche", 0 } };
	for (size_t k = 0; k < sizeof(times) / sizeof(*times); k++)
		if (utterance_is(u, i, times[k].word)) {
			*out = (struct hour){ times[k].h, 0, i + 1, true };
			return true;
		}
	return false;
}

/* "in the evening", "de la tarde", close behind, or "tonight" anywhere in the clause. */
static void day_half(const struct utterance *u, struct hour *io)
{
	unsigned n = utterance_phrase(u, io->end, pm_words);
	if (n) {
		io->h += io->h < 12 ? 12 : 0;
		io->end += n;
		return;
	}
	n = utterance_phrase(u, io->end, am_words);
	if (n) {
		io->h %= io->h == 12 ? 12 : 24;
		io->end += n;
		return;
	}
	if (io->h >= 1 && io->h <= 11 && utterance_find(u, 0, u->n, pm_words) < u->n)
		io->h += 12;
}

unsigned field_time_at(const struct utterance *u, unsigned i, unsigned languages, bool asked,
		       char hhmm[8])
{
	struct hour h;
	if (i >= u->n)
		return 0;
	bool exact = glued(u, i, &h);
	if (!exact && !word_time(u, i, &h) && !past_to(u, i, languages, &h)) {
		int half;
		if (colon(u, i, asked, &h)) {
			unsigned clock = suffix(u, h.end, &half);
			h.end += clock;
			h.h = half == 2 && h.h < 12 ? h.h + 12 : half == 1 && h.h == 12 ? 0 : h.h;
		} else if (!plain_hour(u, i, languages, asked, &h)) {
			return 0;
		}
	}
	if (!h.sure && !asked)
		return 0;
	if (!exact && h.h != 0)
		day_half(u, &h);
	snprintf(hhmm, 8, "%02d:%02d", h.h % 24, h.m % 60);
	return h.end - i;
}

/* "after 8 am": no time of its own, unless one was asked for. */
static bool bound(const struct utterance *u, unsigned i)
{
	static const char *const words[] = { "before", "after", "between", "until",   "till",
					     "by",     "than",	"antes",   "despues", "entre",
					     "hasta",  "and",	NULL };
	bool de = i > 1 && utterance_is(u, i - 1, "de");
	return i > 0 && utterance_in(u, i - 1 - de, words);
}

static bool find(const struct field_search *s, bool asked, struct field_found *out)
{
	char hhmm[8];
	for (unsigned i = s->from; i < s->to; i++) {
		unsigned n = field_time_at(s->u, i, s->languages, asked, hhmm);
		unsigned date = field_date_at(s->u, i, s->languages, false);
		if (n && !s->asked && bound(s->u, i)) {
			i += n - 1;
			continue;
		}
		if (n && i + n <= s->to && n >= date) {
			field_found_set(out, span_of(hhmm), i, i + n);
			return true;
		}
		i += date ? date - 1 : 0;
	}
	return false;
}

bool field_time_find(const struct field_search *s, struct field_found *out)
{
	return find(s, false, out) || (s->asked && find(s, true, out));
}
