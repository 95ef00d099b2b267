/* An address: the answer, when it holds a number and at least two other words; unasked only behind
 * "my address is", "I live at", "vivo en". */
#include "call/field.h"

static const char *const intros[] = { "my address is",
				      "the address is",
				      "address is",
				      "i live at",
				      "we live at",
				      "i live on",
				      "were at",
				      "we are at",
				      "im at",
				      "mi direccion es",
				      "la direccion es",
				      "direccion es",
				      "vivo en",
				      "vivimos en",
				      "estamos en",
				      "estoy en",
				      "its",
				      "it is",
				      "that is",
				      "thats",
				      "es",
				      NULL };
static const char *const sure[] = { "my address is", "i live at",  "we live at", "mi direccion es",
				    "vivo en",	     "vivimos en", NULL };

static bool holds_number(const struct field_search *s, unsigned from, unsigned to)
{
	struct field_number n;
	for (unsigned i = from; i < to; i++)
		if (field_number_at(s->u, i, s->languages, &n) && !n.lone_article)
			return true;
	return false;
}

static unsigned other_words(const struct field_search *s, unsigned from, unsigned to)
{
	struct field_number n;
	unsigned words = 0;
	for (unsigned i = from; i < to; i++)
		words += !field_number_at(s->u, i, s->languages, &n) &&
			 utterance_word(s->u, i).n > 1;
	return words;
}

static bool only_time(const struct field_search *s, unsigned from)
{
	char hhmm[8];
	for (unsigned i = from; i < s->to; i++)
		if (field_time_at(s->u, i, s->languages, false, hhmm) ||
		    field_date_at(s->u, i, s->languages, false))
			return true;
	return false;
}

bool field_address_find(const struct field_search *s, struct field_found *out)
{
	unsigned intro = utterance_find(s->u, s->from, s->to, sure), from = intro;
	if (intro == s->to) {
		if (!s->asked)
			return false;
		from = field_ask_fillers(s->u, s->from, s->to);
	}
	from += utterance_phrase(s->u, from, intros);
	if (from >= s->to || field_ask_counters(s->u, from) || only_time(s, from) ||
	    !holds_number(s, from, s->to) || other_words(s, from, s->to) < 2)
		return false;
	field_found_set(out, utterance_slice(s->u, from, s->to), from, s->to);
	return true;
}
