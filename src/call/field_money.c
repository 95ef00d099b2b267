/* An amount of money: "$1,200.50", "fifty dollars and twenty cents", "twelve fifty", "veinte
 * euros". Unasked it needs its currency, and the field's words in the same sentence. */
#include "call/field.h"

static const char *const units[] = { "dollar", "dollars", "buck",    "bucks",  "euro", "euros",
				     "pound",  "pounds",  "usd",     "eur",    "gbp",  "peso",
				     "pesos",  "dolar",	  "dolares", "libras", "mxn",  NULL };
static const char *const cents[] = { "cent", "cents", "pence", "centavos", "centimos", NULL };

static bool sign_before(const struct utterance *u, unsigned i)
{
	struct span gap = utterance_gap(u, i);
	static const struct span signs[] = { { "$", 1 }, { "\xe2\x82\xac", 3 }, { "\xc2\xa3", 2 } };
	for (size_t k = 0; k < sizeof(signs) / sizeof(*signs); k++)
		if (gap.n && memmem(gap.p, gap.n, signs[k].p, signs[k].n))
			return true;
	return false;
}

/* "... and twenty cents", "twelve fifty": what follows the whole units at word i. */
static unsigned fraction(const struct field_search *s, unsigned i, bool with_unit, int64_t *out)
{
	struct field_number n;
	unsigned joint = utterance_is(s->u, i, "and") || utterance_is(s->u, i, "con") ||
			 utterance_is(s->u, i, "y");
	*out = 0;
	if (!field_number_at(s->u, i + joint, s->languages, &n) || n.hundredths >= 10000 ||
	    s->u->w[i + joint].clause)
		return 0;
	bool said = utterance_in(s->u, i + joint + n.words, cents);
	bool bare = !with_unit && !joint && n.hundredths >= 1000 && !n.written;
	if (!said && !bare)
		return 0;
	*out = n.hundredths / 100;
	return joint + n.words + said;
}

static bool amount_at(const struct field_search *s, unsigned i, struct field_found *out)
{
	struct field_number n;
	char hhmm[8];
	int64_t more;
	if (!field_number_at(s->u, i, s->languages, &n) || n.lone_article)
		return false;
	unsigned end = i + n.words;
	bool unit = utterance_in(s->u, end, units);
	bool currency = unit || sign_before(s->u, i) || sign_before(s->u, end);
	if (!currency && (!s->asked || field_time_at(s->u, i, s->languages, false, hhmm) ||
			  field_date_at(s->u, i, s->languages, false)))
		return false;
	end += unit;
	if (!n.written || unit) {
		end += fraction(s, end, unit, &more);
		n.hundredths += more;
	}
	field_found_amount(out, n.hundredths, true, i, end < s->to ? end : s->to);
	return true;
}

/* People speak of many amounts: unasked, the field's own words must be said beside it. */
static bool about(const struct field_search *s, unsigned i)
{
	unsigned from = i;
	while (from > 0 && !s->u->w[from].sentence)
		from--;
	return s->asked ||
	       field_words_any(&s->f->about, s->u, from, utterance_sentence_end(s->u, i));
}

bool field_money_find(const struct field_search *s, struct field_found *out)
{
	for (unsigned i = s->from; i < s->to; i++)
		if (amount_at(s, i, out) && about(s, i))
			return true;
	return false;
}
