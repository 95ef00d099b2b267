/* A project's own pattern on the caller's words: as they were written down, and as they would be
 * written when letters and digits were said one by one ("a b one two three" is AB123). */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "call/field.h"

/* Bounds the work of a pattern, so that no words can stop a shard. */
enum { MATCH_LIMIT = 20000, GROUPS = 2 };

struct match {
	size_t from, to;
};

static bool matches(const struct field *f, struct span text, struct match *out)
{
	pcre2_match_data *data = pcre2_match_data_create(GROUPS, NULL);
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	CHECK(data && context);
	pcre2_set_match_limit(context, MATCH_LIMIT);
	int rc = pcre2_match(f->pattern, (PCRE2_SPTR)(text.p ? text.p : ""), text.n, 0, 0, data,
			     context);
	if (rc >= 0) {
		const PCRE2_SIZE *at = pcre2_get_ovector_pointer(data);
		bool group = (rc == 0 || rc > 1) && at[2] != PCRE2_UNSET && at[3] > at[2];
		*out = (struct match){ at[group ? 2 : 0], at[group ? 3 : 1] };
	}
	pcre2_match_context_free(context);
	pcre2_match_data_free(data);
	return rc >= 0 && out->to > out->from && out->to <= text.n;
}

static bool as_written(const struct field_search *s, struct field_found *out)
{
	struct match m;
	unsigned from = s->from, to;
	if (!matches(s->f, s->u->raw, &m))
		return false;
	while (from + 1 < s->to && s->u->w[from].raw_to <= m.from)
		from++;
	to = from;
	while (to < s->to && s->u->w[to].raw_from < m.to)
		to++;
	field_found_set(out, (struct span){ s->u->raw.p + m.from, m.to - m.from }, from,
			to > from ? to : from + 1);
	return true;
}

/* Spelled letters and digits, together and in capitals; other words as they are. */
static size_t spell(const struct field_search *s, char text[UTTERANCE_BYTES])
{
	size_t n = 0;
	bool joined = false;
	for (unsigned i = s->from; i < s->to;) {
		char digits[24];
		struct span w = utterance_word(s->u, i);
		unsigned words = field_number_digits(s->u, i, s->languages, digits);
		bool letter = !words && w.n == 1;
		struct span piece = words ? span_of(digits) : w;
		if (n + piece.n + 2 > UTTERANCE_BYTES)
			return n;
		if (n && !(joined && (words || letter)))
			text[n++] = ' ';
		memcpy(text + n, piece.p, piece.n);
		if (letter && text[n] >= 'a' && text[n] <= 'z')
			text[n] = (char)(text[n] - 'a' + 'A');
		n += piece.n;
		joined = words || letter;
		i += words ? words : 1;
	}
	return n;
}

bool field_pattern_find(const struct field_search *s, struct field_found *out)
{
	char text[UTTERANCE_BYTES];
	struct match m;
	if (s->from >= s->to)
		return false;
	if (as_written(s, out))
		return true;
	size_t n = spell(s, text);
	if (!matches(s->f, (struct span){ text, n }, &m))
		return false;
	field_found_set(out, (struct span){ text + m.from, m.to - m.from }, s->from, s->to);
	return true;
}
