/* The answer as it was said: fillers before it dropped, and nothing when it is a question, a
 * holding phrase, a mere acknowledgement or "I don't know". */
#include "call/field.h"

static const char *const intros[] = {
	"its",	       "it is",	 "thats",	"that is",     "that would be",
	"it would be", "id say", "i would say", "i think its", "i think",
	"well",	       "es",	 "seria",	"creo que es", "creo que",
	"pues",	       NULL
};
static const char *const unsure[] = { "i dont know",
				      "i do not know",
				      "im not sure",
				      "i am not sure",
				      "not sure",
				      "no idea",
				      "i have no idea",
				      "i forgot",
				      "i cant remember",
				      "i dont remember",
				      "i dont understand",
				      "no se",
				      "no lo se",
				      "no estoy seguro",
				      "no estoy segura",
				      "no me acuerdo",
				      "no recuerdo",
				      "ni idea",
				      "no entiendo",
				      "no le entiendo",
				      "no te entiendo",
				      "say that again",
				      "say again",
				      "pardon",
				      "sorry what",
				      "come again",
				      "como dice",
				      "perdon que",
				      "can you hear me",
				      "are you there",
				      "hello",
				      "hola",
				      "good morning",
				      "buenos dias",
				      "hold on",
				      "hang on",
				      "one moment",
				      "one second",
				      "one sec",
				      "just a moment",
				      "just a second",
				      "just a sec",
				      "just a minute",
				      "give me a moment",
				      "give me a second",
				      "give me a sec",
				      "let me check",
				      "let me look",
				      "let me think",
				      "wait",
				      "un momento",
				      "un segundo",
				      "un momentito",
				      "espere",
				      "espera",
				      "dejeme ver",
				      "dejame ver",
				      "dejeme pensar",
				      NULL };

/* "The reason for it is ...": what stands behind the field's own words and "is", to the end of the
 * sentence; `to`: it is not said like that. */
static unsigned named(const struct field_search *s, unsigned from, unsigned *end)
{
	static const char *const is[] = { "is", "was", "es", "era", NULL };
	for (unsigned i = from; i < s->to; i++) {
		unsigned k = i + 1, most = i + 5 < s->to ? i + 5 : s->to;
		if (!field_words_any(&s->f->about, s->u, i, i + 1))
			continue;
		while (k < most && !s->u->w[k].clause && !utterance_in(s->u, k, is))
			k++;
		if (k + 1 >= s->to || !utterance_in(s->u, k, is) || s->u->w[k + 1].clause)
			continue;
		k += 1 + utterance_is(s->u, k + 1, "that");
		*end = utterance_sentence_end(s->u, k);
		*end = *end < s->to ? *end : s->to;
		return k < *end ? k : s->to;
	}
	return s->to;
}

/* "I don't have it with me": something is missing, nothing is told. */
static bool missing(const struct field_search *s, unsigned from)
{
	static const char *const have[] = { "dont have",   "do not have", "no tengo",
					    "no la tengo", "no lo tengo", NULL };
	static const char *const here[] = {
		"with me", "handy", "at hand", "a mano", "conmigo", NULL
	};
	return utterance_find(s->u, from, s->to, have) < s->to &&
	       utterance_find(s->u, from, s->to, here) < s->to;
}

bool field_text_find(const struct field_search *s, struct field_found *out)
{
	unsigned from = field_ask_fillers(s->u, s->from, s->to);
	if (!s->asked || from >= s->to || field_ask_counters(s->u, from))
		return false;
	if (utterance_phrase(s->u, from, unsure) || missing(s, from))
		return false;
	unsigned end = s->to, behind = named(s, from, &end);
	if (behind < s->to) {
		field_found_set(out, utterance_slice(s->u, behind, end), behind, end);
		return out->n > 0;
	}
	unsigned n = utterance_phrase(s->u, from, intros);
	from += from + n < s->to ? n : 0;
	if (utterance_phrase(s->u, from, unsure))
		return false;
	field_found_set(out, utterance_slice(s->u, from, s->to), from, s->to);
	return out->n > 0;
}
