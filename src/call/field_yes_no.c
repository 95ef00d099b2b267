/* Yes or no: the first decisive words. "Not sure", "no problem" and "why not" are what they mean,
 * not what their words say. */
#include "call/field.h"

/* Weak: only as an answer of its own. */
enum meaning { UNSURE, YES, NO, WEAK_YES, WEAK_NO };
static const struct {
	const char *words;
	enum meaning meaning;
} phrases[] = {
	{ "i dont know", UNSURE },
	{ "i do not know", UNSURE },
	{ "not sure", UNSURE },
	{ "im not sure", UNSURE },
	{ "i am not sure", UNSURE },
	{ "no idea", UNSURE },
	{ "no se", UNSURE },
	{ "no lo se", UNSURE },
	{ "no estoy seguro", UNSURE },
	{ "no estoy segura", UNSURE },
	{ "maybe", UNSURE },
	{ "perhaps", UNSURE },
	{ "quizas", UNSURE },
	{ "tal vez", UNSURE },
	{ "make sure", UNSURE },
	{ "right now", UNSURE },
	{ "right away", UNSURE },
	{ "no one", UNSURE },
	{ "no entiendo", UNSURE },
	{ "i dont understand", UNSURE },
	{ "no te entiendo", UNSURE },
	{ "no le entiendo", UNSURE },
	{ "no problem", YES },
	{ "no problema", YES },
	{ "why not", YES },
	{ "no doubt", YES },
	{ "por que no", YES },
	{ "not a problem", YES },
	{ "sin problema", YES },
	{ "i dont mind", YES },
	{ "of course not", NO },
	{ "claro que no", NO },
	{ "por supuesto que no", NO },
	{ "absolutely not", NO },
	{ "definitely not", NO },
	{ "not really", NO },
	{ "no thanks", NO },
	{ "no thank you", NO },
	{ "not right", NO },
	{ "not correct", NO },
	{ "not exactly", NO },
	{ "i dont think so", NO },
	{ "creo que no", NO },
	{ "yes", YES },
	{ "yeah", YES },
	{ "yep", YES },
	{ "yup", YES },
	{ "yea", YES },
	{ "uh huh", YES },
	{ "mhm", YES },
	{ "sure", YES },
	{ "of course", YES },
	{ "absolutely", YES },
	{ "definitely", YES },
	{ "certainly", YES },
	{ "correct", YES },
	{ "exactly", YES },
	{ "indeed", YES },
	{ "please do", YES },
	{ "i do", YES },
	{ "i am", WEAK_YES },
	{ "i have", WEAK_YES },
	{ "it is", WEAK_YES },
	{ "thats right", YES },
	{ "that is right", YES },
	{ "i think so", YES },
	{ "go ahead", YES },
	{ "sounds good", YES },
	{ "i would", WEAK_YES },
	{ "affirmative", YES },
	{ "right", WEAK_YES },
	{ "ok", WEAK_YES },
	{ "okay", WEAK_YES },
	{ "si", YES },
	{ "claro", YES },
	{ "claro que si", YES },
	{ "por supuesto", YES },
	{ "correcto", YES },
	{ "exacto", YES },
	{ "desde luego", YES },
	{ "asi es", YES },
	{ "de acuerdo", YES },
	{ "creo que si", YES },
	{ "vale", WEAK_YES },
	{ "bueno", WEAK_YES },
	{ "no", NO },
	{ "nope", NO },
	{ "nah", NO },
	{ "never", NO },
	{ "i dont", WEAK_NO },
	{ "i do not", WEAK_NO },
	{ "i havent", WEAK_NO },
	{ "i have not", WEAK_NO },
	{ "im not", WEAK_NO },
	{ "i am not", WEAK_NO },
	{ "it isnt", NO },
	{ "its not", NO },
	{ "it is not", NO },
	{ "we dont", WEAK_NO },
	{ "negative", NO },
	{ "nunca", NO },
	{ "tampoco", NO },
	{ "para nada", NO },
	{ "en absoluto", NO },
	{ "jamas", NO },
};

struct said {
	enum meaning meaning;
	unsigned words;
};

static struct said said_at(const struct utterance *u, unsigned i)
{
	struct said best = { UNSURE, 0 };
	for (size_t k = 0; k < sizeof(phrases) / sizeof(*phrases); k++) {
		const char *const one[] = { phrases[k].words, NULL };
		unsigned n = utterance_phrase(u, i, one);
		if (n > best.words)
			best = (struct said){ phrases[k].meaning, n };
	}
	return best;
}

static bool weak(const struct utterance *u, const struct said *said, unsigned i, unsigned from)
{
	unsigned end = i + said->words;
	if (said->meaning == WEAK_NO)
		return end < u->n && !u->w[end].clause;
	return said->meaning == WEAK_YES && i > from;
}

static void set(struct field_found *out, enum meaning m, unsigned from, unsigned to)
{
	bool no = m == NO || m == WEAK_NO;
	field_found_set(out, no ? SPAN("no") : SPAN("yes"), from, to);
}

/* "Yes, that is my name, but I don't want any insurance": the clause with the field's own words
 * says it. */
static bool denied(const struct field_search *s, struct field_found *out)
{
	static const char *const against[] = { "dont",	  "do not",  "no",	"not",
					       "without", "never",   "neither", "isnt",
					       "sin",	  "tampoco", "nunca",	NULL };
	for (unsigned from = s->from; from < s->to; from = utterance_clause_end(s->u, from)) {
		unsigned to = utterance_clause_end(s->u, from);
		to = to < s->to ? to : s->to;
		unsigned at = utterance_find(s->u, from, to, against);
		if (at == to || !field_words_any(&s->f->about, s->u, from, to))
			continue;
		set(out, NO, at, to);
		return true;
	}
	return false;
}

bool field_yes_no_find(const struct field_search *s, struct field_found *out)
{
	bool asks = field_ask_counters(s->u, s->from);
	if (!s->asked)
		return false;
	if (!asks && denied(s, out))
		return true;
	for (unsigned i = s->from; i < s->to;) {
		struct said said = said_at(s->u, i);
		bool none = said.meaning == UNSURE || weak(s->u, &said, i, s->from) ||
			    (asks && said.meaning == WEAK_YES);
		if (said.words && !none) {
			set(out, said.meaning, i, i + said.words);
			return true;
		}
		i += said.words ? said.words : 1;
	}
	return false;
}
