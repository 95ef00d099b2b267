/* A person's name: behind "my name is", "this is", "me llamo" ...; or the answer itself, when it is
 * nothing but a few words that could be one. As it was said, capitals put in where there were none.
 */
#include "call/field.h"

enum { NAME_WORDS = 5, NAME_ANSWER_WORDS = 4 };

/* What follows can only be a name. */
static const char *const sure_intros[] = {
	"my name is",
	"my names",
	"the name is",
	"the names",
	"my full name is",
	"my first name is",
	"name is",
	"call me",
	"under the name of",
	"under the name",
	"you are speaking with",
	"youre speaking with",
	"you are speaking to",
	"me llamo",
	"mi nombre es",
	"mi nombre completo es",
	"el nombre es",
	"a nombre de",
	"le habla",
	"habla con",
	NULL,
};
/* What follows may be anything: "this is Bob", "this is ridiculous". */
static const char *const loose_intros[] = { "this is", "i am", "im", "its",
					    "it is",   "soy",  "es", NULL };

static const char *const particles[] = { "de",	"la",  "del", "los", "las", "van",
					 "von", "der", "den", "da",  "dos", "di",
					 "le",	"bin", "al",  "st",  "san", NULL };
static const char *const titles[] = { "dr",  "mr",    "mrs",	"ms",	  "miss",    "sr",
				      "sra", "senor", "senora", "doctor", "doctora", NULL };

/* Words that are in no name; those that name somebody too ("will", "may") are left out. */
static const char *const no_name[] = {
	"a",	      "about",	    "actually",	   "again",	"ahead",	"ahorita",
	"ahora",      "all",	    "already",	   "also",	"an",		"and",
	"any",	      "anything",   "appointment", "are",	"at",		"bad",
	"be",	      "because",    "been",	   "before",	"being",	"big",
	"booking",    "both",	    "but",	   "bye",	"call",		"called",
	"calling",    "can",	    "cannot",	   "cant",	"claro",	"coming",
	"como",	      "con",	    "confirm",	   "correct",	"correcto",	"could",
	"crazy",      "cual",	    "cuando",	   "day",	"decir",	"did",
	"didnt",      "dinner",	    "do",	   "does",	"doing",	"done",
	"dont",	      "el",	    "ella",	   "email",	"en",		"enough",
	"eso",	      "espere",	    "espera",	   "esta",	"este",		"estoy",
	"excuse",     "fine",	    "first",	   "for",	"from",		"fue",
	"funny",      "get",	    "give",	   "go",	"going",	"good",
	"got",	      "gracias",    "great",	   "had",	"happy",	"has",
	"have",	      "he",	    "hello",	   "help",	"her",		"here",
	"hi",	      "him",	    "his",	   "hola",	"hold",		"how",
	"i",	      "id",	    "if",	   "ill",	"im",		"important",
	"in",	      "interested", "is",	   "isnt",	"it",		"its",
	"ive",	      "just",	    "kidding",	   "know",	"last",		"late",
	"let",	      "like",	    "llamando",	   "llamo",	"long",		"look",
	"looking",    "lunch",	    "make",	   "mal",	"many",		"maybe",
	"me",	      "mean",	    "mejor",	   "mi",	"mine",		"minute",
	"moment",     "momento",    "more",	   "much",	"muy",		"my",
	"name",	      "necesito",   "need",	   "never",	"new",		"nice",
	"ninguno",    "no",	    "nombre",	   "nope",	"not",		"nothing",
	"now",	      "number",	    "of",	   "off",	"ok",		"okay",
	"old",	      "on",	    "one",	   "only",	"or",		"order",
	"other",      "our",	    "out",	   "over",	"para",		"pardon",
	"people",     "perdon",	    "pero",	   "person",	"phone",	"please",
	"por",	      "porque",	    "possible",	   "prefer",	"prefiero",	"private",
	"problem",    "que",	    "question",	   "quiero",	"quien",	"quite",
	"rather",     "ready",	    "really",	   "regarding", "repeat",	"reservation",
	"ridiculous", "right",	    "said",	   "same",	"say",		"se",
	"sec",	      "second",	    "see",	   "she",	"should",	"si",
	"sick",	      "so",	    "some",	   "something", "sorry",	"speak",
	"speaking",   "still",	    "stop",	   "stupid",	"sure",		"tampoco",
	"tarde",      "talking",    "tell",	   "terrible",	"than",		"thank",
	"thanks",     "that",	    "thats",	   "the",	"their",	"them",
	"then",	      "there",	    "they",	   "thing",	"this",		"those",
	"time",	      "tired",	    "to",	   "today",	"todo",		"tomorrow",
	"too",	      "trying",	    "un",	   "una",	"unacceptable", "uno",
	"unable",     "up",	    "urgent",	   "us",	"usted",	"very",
	"wait",	      "waiting",    "want",	   "was",	"wasnt",	"we",
	"were",	      "what",	    "whats",	   "when",	"where",	"which",
	"who",	      "why",	    "with",	   "work",	"working",	"would",
	"wrong",      "y",	    "yeah",	   "yep",	"yes",		"yo",
	"you",	      "your",	    "yours",	   "absurdo",	"inaceptable",	"importante",
	"urgente",    "aqui",	    "alli",	   "bien",	"bueno",	"vale",
	"verdad",     "cierto",	    "imposible",   "demasiado", "cliente",	"customer",
	NULL,
};

static bool has_digit(struct span w)
{
	for (size_t i = 0; i < w.n; i++)
		if (w.p[i] >= '0' && w.p[i] <= '9')
			return true;
	return false;
}

static bool capital(const struct utterance *u, unsigned i)
{
	unsigned char c = (unsigned char)u->raw.p[u->w[i].raw_from];
	unsigned char next = u->w[i].raw_from + 1u < u->raw.n
				     ? (unsigned char)u->raw.p[u->w[i].raw_from + 1]
				     : 0;
	return (c >= 'A' && c <= 'Z') || (c == 0xC3 && next < 0xA0);
}

static bool lower_gerund(const struct utterance *u, unsigned i)
{
	struct span w = utterance_word(u, i);
	bool gerund = w.n > 5 && (memcmp(w.p + w.n - 3, "ing", 3) == 0 ||
				  memcmp(w.p + w.n - 4, "ando", 4) == 0 ||
				  memcmp(w.p + w.n - 4, "endo", 4) == 0);
	return gerund && !capital(u, i);
}

static bool name_word(const struct field_search *s, unsigned i)
{
	struct field_number n;
	return i < s->to && !has_digit(utterance_word(s->u, i)) &&
	       !utterance_in(s->u, i, no_name) && !lower_gerund(s->u, i) &&
	       (capital(s->u, i) || !field_number_at(s->u, i, s->languages, &n));
}

/* Words from i on that could be a name; `i`: none. */
static unsigned name_end(const struct field_search *s, unsigned i)
{
	unsigned end = i, words = 0, next = i;
	while (next < s->to && words < NAME_WORDS) {
		bool new_clause =
			next > i && s->u->w[next].clause && !utterance_in(s->u, next - 1, titles);
		bool particle = next > i && utterance_in(s->u, next, particles);
		if (new_clause || (!particle && !name_word(s, next)))
			break;
		next++;
		words++;
		end = particle ? end : next;
	}
	return end;
}

static bool spelled(const struct utterance *u, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		if (utterance_word(u, i).n != 1)
			return false;
	return to - from >= 3;
}

static void capitalise(struct field_found *out)
{
	for (size_t i = 0; i < out->n; i++) {
		bool first = i == 0 || out->value[i - 1] == ' ' || out->value[i - 1] == '-';
		if (first && out->value[i] >= 'a' && out->value[i] <= 'z')
			out->value[i] = (char)(out->value[i] - 'a' + 'A');
	}
}

static bool any_capital(const struct utterance *u, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		if (capital(u, i))
			return true;
	return false;
}

static void set_spelled(const struct utterance *u, unsigned from, unsigned to,
			struct field_found *out)
{
	char text[FIELD_VALUE_MAX];
	size_t n = 0;
	for (unsigned i = from; i < to && n < sizeof(text); i++)
		text[n++] = utterance_word(u, i).p[0];
	field_found_set(out, (struct span){ text, n }, from, to);
	capitalise(out);
}

static bool set_name(const struct field_search *s, unsigned from, unsigned to,
		     struct field_found *out)
{
	if (from >= to)
		return false;
	if (spelled(s->u, from, to)) {
		set_spelled(s->u, from, to, out);
		return true;
	}
	if (to - from == 1 && utterance_word(s->u, from).n < 2)
		return false;
	field_found_set(out, utterance_slice(s->u, from, to), from, to);
	if (!any_capital(s->u, from, to))
		capitalise(out);
	return true;
}

static bool behind_sure(const struct field_search *s, struct field_found *out)
{
	for (unsigned i = s->from; i < s->to; i++) {
		unsigned n = utterance_phrase(s->u, i, sure_intros);
		if (n && set_name(s, i + n, name_end(s, i + n), out))
			return true;
	}
	return false;
}

/* Unasked, a loose introduction needs a capital, which no other word behind it has in speech. */
static bool behind_loose(const struct field_search *s, struct field_found *out)
{
	for (unsigned i = s->from; i < s->to; i++) {
		unsigned n = utterance_phrase(s->u, i, loose_intros);
		unsigned end = n ? name_end(s, i + n) : i;
		bool spanish = utterance_is(s->u, i, "es"), its = utterance_is(s->u, i, "its");
		bool vague = spanish || its || utterance_is(s->u, i, "it");
		bool good = n && end > i + n && capital(s->u, i + n) && (s->asked || !vague);
		bool answer = n && s->asked && !s->u->w[i + n < s->u->n ? i + n : i].clause &&
			      end == utterance_clause_end(s->u, i);
		if ((good || answer) && set_name(s, i + n, end, out))
			return true;
	}
	return false;
}

/* The answer is the name: a clause that is nothing but a name. */
static bool bare(const struct field_search *s, struct field_found *out)
{
	unsigned from = field_ask_fillers(s->u, s->from, s->to);
	while (from < s->to) {
		unsigned clause = utterance_clause_end(s->u, from), end = name_end(s, from);
		clause = clause < s->to ? clause : s->to;
		bool said_by =
			utterance_is(s->u, end, "speaking") || utterance_is(s->u, end, "here");
		bool whole = end == clause || said_by;
		if (spelled(s->u, from, clause))
			return set_name(s, from, clause, out);
		if (end > from && whole && end - from <= NAME_ANSWER_WORDS)
			return set_name(s, from, end, out);
		from = field_ask_fillers(s->u, clause, s->to);
	}
	return false;
}

bool field_name_find(const struct field_search *s, struct field_found *out)
{
	if (behind_sure(s, out) || behind_loose(s, out))
		return true;
	return s->asked && !field_ask_counters(s->u, s->from) && bare(s, out);
}
