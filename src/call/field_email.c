/* An e-mail address, written ("anna@example.com") or said ("anna dot smith at gmail dot com", "ana
 * arroba gmail punto com", "a n n a at g mail dot com"). In lower case. */
#include "call/field.h"

enum { LOCAL_WORDS = 12, DOMAIN_WORDS = 8 };

static const char *const dots[] = { "dot", "punto", "point", NULL };
static const char *const ats[] = { "at", "arroba", NULL };

/* Signs that are said. */
static const struct {
	const char *said, *sign;
} signs[] = {
	{ "dot", "." },	       { "punto", "." },       { "point", "." },  { "underscore", "_" },
	{ "guion bajo", "_" }, { "dash", "-" },	       { "hyphen", "-" }, { "guion", "-" },
	{ "minus", "-" },      { "guion medio", "-" }, { "plus", "+" },
};

/* Words before the address that are no part of it. */
static const char *const before[] = {
	"is",	       "its",	  "it",	   "email", "mail",	"address", "my",     "to",
	"on",	       "at",	  "yes",   "yeah",  "sure",	"ok",	   "okay",   "and",
	"so",	       "that",	  "thats", "the",   "by",	"me",	   "send",   "reach",
	"um",	       "uh",	  "well",  "would", "be",	"use",	   "for",    "no",
	"i",	       "im",	  "was",   "said",  "es",	"correo",  "mi",     "si",
	"electronico", "al",	  "el",	   "la",    "en",	"un",	   "de",     "claro",
	"bueno",       "eh",	  "pues",  "sorry", "actually", "mean",	   "perdon", "puede",
	"escribirme",  "contact", "you",   "can",   NULL,
};

struct address {
	char text[FIELD_VALUE_MAX];
	size_t n;
};

static void put(struct address *a, struct span text)
{
	if (a->n + text.n >= sizeof(a->text))
		return;
	memcpy(a->text + a->n, text.p, text.n);
	a->n += text.n;
}

static void put_front(struct address *a, struct span text)
{
	if (a->n + text.n >= sizeof(a->text))
		return;
	memmove(a->text + text.n, a->text, a->n);
	memcpy(a->text, text.p, text.n);
	a->n += text.n;
}

/* --- written --- */

static bool local_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("._%+-", c));
}

static bool domain_char(char c)
{
	return local_char(c) && !strchr("_%+", c);
}

static bool well_formed(struct span domain)
{
	const char *dot = domain.n ? memrchr(domain.p, '.', domain.n) : NULL;
	size_t tld = dot ? (size_t)(domain.p + domain.n - dot - 1) : 0;
	return dot && dot > domain.p && tld >= 2 && domain.p[0] != '-' &&
	       !memmem(domain.p, domain.n, "..", 2);
}

static unsigned word_from(const struct utterance *u, size_t raw)
{
	unsigned i = 0;
	while (i < u->n && u->w[i].raw_to <= raw)
		i++;
	return i;
}

static void set_lower(struct field_found *out, struct span text, unsigned from, unsigned to)
{
	field_found_set(out, text, from, to);
	for (size_t i = 0; i < out->n; i++)
		if (out->value[i] >= 'A' && out->value[i] <= 'Z')
			out->value[i] = (char)(out->value[i] - 'A' + 'a');
}

static bool written(const struct field_search *s, struct field_found *out)
{
	struct span raw = s->u->raw;
	for (size_t at = 0; at < raw.n; at++) {
		size_t from = at, to = at + 1;
		if (raw.p[at] != '@')
			continue;
		while (from > 0 && local_char(raw.p[from - 1]))
			from--;
		while (to < raw.n && domain_char(raw.p[to]))
			to++;
		while (to > at + 1 && strchr(".-", raw.p[to - 1]))
			to--;
		while (from < at && raw.p[from] == '.')
			from++;
		struct span domain = { raw.p + at + 1, to - at - 1 };
		unsigned first = word_from(s->u, from), last = word_from(s->u, to - 1) + 1;
		if (from == at || !well_formed(domain) || to - from > FIELD_VALUE_MAX ||
		    first < s->from || last > s->to)
			continue;
		set_lower(out, (struct span){ raw.p + from, to - from }, first, last);
		return true;
	}
	return false;
}

/* --- said --- */

/* The sign said by the words that end before `end`; *n: how many words. */
static const char *sign_before(const struct utterance *u, unsigned from, unsigned end, unsigned *n)
{
	for (size_t k = 0; k < sizeof(signs) / sizeof(*signs); k++) {
		const char *const one[] = { signs[k].said, NULL };
		unsigned words = strchr(signs[k].said, ' ') ? 2 : 1;
		if (end < from + words || utterance_phrase(u, end - words, one) != words)
			continue;
		*n = words;
		return signs[k].sign;
	}
	return NULL;
}

/* Written close together: "anna.smith at gmail.com". */
static const char *sign_written(const struct utterance *u, unsigned i)
{
	struct span gap = utterance_gap(u, i);
	static const char *const known[] = { ".", "_", "-", "+" };
	for (size_t k = 0; gap.n == 1 && k < sizeof(known) / sizeof(*known); k++)
		if (gap.p[0] == known[k][0])
			return known[k];
	return NULL;
}

static bool ascii(struct span w)
{
	for (size_t i = 0; i < w.n; i++)
		if ((unsigned char)w.p[i] >= 0x80)
			return false;
	return w.n > 0;
}

/* What the words that end before `end` add: one word itself, or the digits of a number. */
static struct span piece_before(const struct field_search *s, unsigned end, char digits[24],
				unsigned *n)
{
	bool letter_o = utterance_is(s->u, end - 1, "o") || utterance_is(s->u, end - 1, "oh");
	for (*n = 2; *n > 0; --*n)
		if (end >= s->from + *n && !letter_o &&
		    field_number_digits(s->u, end - *n, s->languages, digits) == *n)
			return span_of(digits);
	*n = 1;
	return utterance_word(s->u, end - 1);
}

/* Leftwards from the "at": words joined by signs, single letters, and at most two plain words. */
static unsigned local_part(const struct field_search *s, unsigned at, struct address *out)
{
	unsigned i = at, plain = 0, n = 0;
	char digits[24];
	bool joint = true;
	while (i > s->from && at - i < LOCAL_WORDS) {
		const char *sign = sign_before(s->u, s->from, i, &n);
		if (sign && i < at) {
			put_front(out, span_of(sign));
			i -= n;
			joint = true;
			continue;
		}
		struct span word = piece_before(s, i, digits, &n);
		bool letter = word.n == 1;
		bool stop = utterance_in(s->u, i - 1, before) && !letter && !joint;
		if (i == at && utterance_in(s->u, i - 1, before))
			return at;
		plain += !joint && !letter && word.p != digits;
		if (!ascii(word) || stop || plain > 1 || (!joint && utterance_is(s->u, i - 1, "i")))
			break;
		put_front(out, word);
		i -= n;
		const char *close = i > s->from ? sign_written(s->u, i) : NULL;
		if (close)
			put_front(out, span_of(close));
		else if (s->u->w[i].clause && i > s->from && word.n > 1)
			break;
		joint = close != NULL;
	}
	return i;
}

/* Rightwards: name, dot, name ... The words taken; 0: no domain. */
static unsigned domain_part(const struct field_search *s, unsigned from, struct address *out)
{
	unsigned i = from, labels = 0, in_label = 0;
	while (i < s->to && i - from < DOMAIN_WORDS) {
		bool dot = utterance_in(s->u, i, dots);
		if (dot && !in_label)
			return 0;
		if (dot) {
			put(out, SPAN("."));
			labels++;
			in_label = 0;
			i++;
			continue;
		}
		bool close = in_label && i > from && sign_written(s->u, i) &&
			     sign_written(s->u, i)[0] == '.';
		if (close) {
			put(out, SPAN("."));
			labels++;
			in_label = 0;
		}
		bool enough = labels && in_label;
		if (enough || (!labels && in_label >= 3) || (i > from && s->u->w[i].clause) ||
		    !ascii(utterance_word(s->u, i)))
			break;
		put(out, utterance_word(s->u, i));
		in_label++;
		i++;
	}
	return labels && in_label ? i - from : 0;
}

static bool said_at(const struct field_search *s, unsigned at, struct field_found *out)
{
	struct address local = { .n = 0 }, domain = { .n = 0 };
	unsigned from = local_part(s, at, &local);
	unsigned n = domain_part(s, at + 1, &domain);
	if (from == at || n == 0 || !well_formed((struct span){ domain.text, domain.n }))
		return false;
	put(&local, SPAN("@"));
	put(&local, (struct span){ domain.text, domain.n });
	set_lower(out, (struct span){ local.text, local.n }, from, at + 1 + n);
	return true;
}

bool field_email_find(const struct field_search *s, struct field_found *out)
{
	if (written(s, out))
		return true;
	for (unsigned i = s->from; i < s->to; i++)
		if (utterance_in(s->u, i, ats) && said_at(s, i, out))
			return true;
	return false;
}
