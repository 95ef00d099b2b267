/* One of the choices, by its value or a synonym. "Not lunch, dinner" is dinner; "lunch or dinner"
 * is neither. */
#include "call/field.h"

static const char *const nots[] = { "not",	   "no",	"dont",	 "without", "instead of",
				    "rather than", "except",	"never", "ni",	    "sin",
				    "menos",	   "en vez de", NULL };
static const char *const ors[] = { "or", "o", "ni", NULL };

struct hit {
	const struct field_choice *choice;
	unsigned from, to;
};

static bool negated(const struct utterance *u, unsigned from, unsigned at)
{
	unsigned first = at > from + 3 ? at - 3 : from;
	if (u->w[at].clause)
		return false;
	for (unsigned i = at; i > first; i--) {
		unsigned n = utterance_phrase(u, i - 1, nots);
		/* "no, dinner" negates something else */
		if (n && i - 1 + n <= at && !u->w[i - 1 + n].clause)
			return true;
		if (u->w[i - 1].clause)
			return false;
	}
	return false;
}

static bool choice_at(const struct field_search *s, unsigned i, struct hit *out)
{
	unsigned best = 0, end;
	for (unsigned c = 0; c < s->f->choices_n; c++)
		for (unsigned k = 0; k < s->f->choices[c].said_n; k++) {
			const struct field_words *w = &s->f->choices[c].said[k];
			unsigned to = i + w->n;
			bool here = to <= s->to && field_words_find(w, s->u, i, to, &end) == i;
			if (!here || w->n <= best)
				continue;
			best = w->n;
			*out = (struct hit){ &s->f->choices[c], i, to };
		}
	return best > 0;
}

static bool next_hit(const struct field_search *s, unsigned i, struct hit *out)
{
	for (; i < s->to; i++)
		if (choice_at(s, i, out)) {
			if (!negated(s->u, s->from, i))
				return true;
			i = out->to - 1;
		}
	return false;
}

bool field_choice_find(const struct field_search *s, struct field_found *out)
{
	struct hit hit, other;
	if (!next_hit(s, s->from, &hit))
		return false;
	bool more = next_hit(s, hit.to, &other) && other.choice != hit.choice;
	if (more && utterance_find(s->u, hit.to, other.from, ors) < other.from)
		return false;
	if (!s->asked && (field_ask_counters(s->u, hit.from) || more))
		return false;
	field_found_set(out, hit.choice->value, hit.from, hit.to);
	return true;
}
