/* What is said around values: questions that ask for a field, refusals, corrections, fillers. The
 * phrases are normalised as words.h does it; English and Spanish together, because a caller may use
 * either at any time. */
#include "call/field.h"

/* A sentence with one of these asks for something, whether or not it ends in a question mark. */
static const char *const openers[] = {
	"what",
	"whats",
	"which",
	"who",
	"whom",
	"how",
	"when",
	"where",
	"may i",
	"can i",
	"could i",
	"could you",
	"can you",
	"would you",
	"will you",
	"do you",
	"are you",
	"is there",
	"is it",
	"have you",
	"did you",
	"please tell me",
	"tell me",
	"please give me",
	"give me",
	"please provide",
	"please confirm",
	"please say",
	"please spell",
	"please",
	"let me get",
	"let me have",
	"ill need",
	"i will need",
	"i need",
	"i just need",
	"well need",
	"we need",
	"id like to get",
	"and your",
	"que",
	"cual",
	"cuales",
	"quien",
	"como",
	"cuando",
	"donde",
	"cuanto",
	"cuanta",
	"cuantos",
	"cuantas",
	"puede",
	"podria",
	"puedes",
	"podrias",
	"me puede",
	"me podria",
	"me da",
	"digame",
	"deme",
	"dime",
	"dame",
	"indiqueme",
	"necesito",
	"necesitaria",
	"por favor",
	"tiene",
	"desea",
	"quiere",
	"a que",
	"con que",
	"para que",
	NULL,
};

/* A caller's sentence that begins with one of these asks something instead of answering. */
static const char *const counter_openers[] = {
	"what",	     "whats",	  "which",    "who",	 "how",	     "when",  "where",	 "why",
	"do you",    "are you",	  "is there", "is it",	 "is that",  "does",  "did you", "can you",
	"could you", "would you", "have you", "que",	 "cual",     "quien", "como",	 "cuando",
	"donde",     "cuanto",	  "cuantos",  "por que", "para que", "puede", "puedes",	 "podria",
	"tienen",    "tiene",	  "hay",      "es que",	 NULL,
};

static const char *const repeats[] = {
	"repeat",
	"again",
	"once more",
	"one more time",
	"didnt catch",
	"did not catch",
	"didnt get",
	"did not get",
	"didnt hear",
	"didnt quite",
	"spell",
	"still there",
	"are you there",
	"hear me",
	"take your time",
	"repetir",
	"repita",
	"repite",
	"otra vez",
	"de nuevo",
	"no le escuche",
	"no le entendi",
	"no he entendido",
	"deletrear",
	"deletree",
	"sigue ahi",
	"me escucha",
	"me oye",
	NULL,
};

static const char *const refusals[] = {
	"rather not",
	"prefer not",
	"rather keep",
	"dont want to say",
	"dont want to give",
	"dont want to share",
	"dont want to tell",
	"do not want to give",
	"do not want to share",
	"do not want to say",
	"dont wanna say",
	"dont wanna give",
	"dont feel comfortable",
	"not comfortable",
	"none of your business",
	"not your business",
	"why do you need",
	"why do you want",
	"why would you need",
	"why are you asking",
	"what do you need that for",
	"what do you need it for",
	"what do you need my",
	"do i have to",
	"do i need to give",
	"wont give",
	"will not give",
	"wont tell",
	"not going to give",
	"not going to tell",
	"not giving",
	"not telling you",
	"not gonna give",
	"not gonna tell",
	"thats private",
	"that is private",
	"its private",
	"thats personal",
	"that is personal",
	"keep that private",
	"keep that to myself",
	"cant share",
	"cannot share",
	"cant give you",
	"cannot give you",
	"dont give out",
	"dont give that",
	"dont share",
	"can we skip",
	"lets skip",
	"skip that",
	"skip this",
	"pass on that",
	"i refuse",
	"i decline",
	"no comment",
	"leave that out",
	"prefiero no",
	"preferiria no",
	"no quiero dar",
	"no quiero decir",
	"no quiero compartir",
	"no se lo quiero",
	"no te lo quiero",
	"no le quiero dar",
	"no voy a dar",
	"no le voy a dar",
	"no te voy a dar",
	"no se lo voy a",
	"no pienso dar",
	"para que lo necesita",
	"para que necesita",
	"para que lo quiere",
	"para que quiere",
	"por que lo necesita",
	"por que necesita",
	"por que lo quiere",
	"por que me pide",
	"es privado",
	"es personal",
	"es confidencial",
	"no me siento comodo",
	"no me siento comoda",
	"no le importa",
	"no te importa",
	"no doy",
	"tengo que darlo",
	"tengo que decirlo",
	"podemos omitir",
	"no puedo dar",
	"no puedo compartir",
	NULL,
};

static const char *const corrections[] = {
	"no",		"nope",	      "sorry",	     "actually",     "wait",
	"i mean",	"i meant",    "i said",	     "rather",	     "make it",
	"make that",	"correction", "instead",     "change it to", "change that to",
	"scratch that", "but",	      "perdon",	     "perdona",	     "disculpe",
	"en realidad",	"mejor",      "mejor dicho", "quise decir",  "quiero decir",
	"he dicho",	"dije",	      "digo",	     "espere",	     "espera",
	"sino",		"corrijo",    "cambielo a",  NULL,
};

static const char *const fillers[] = {
	"uh",	     "um",	   "er",	  "ah",	       "oh",	     "eh",
	"hm",	     "hmm",	   "mm",	  "well",      "so",	     "yes",
	"yeah",	     "yep",	   "yup",	  "sure",      "ok",	     "okay",
	"of course", "certainly",  "absolutely",  "alright",   "all right",  "right",
	"please",    "let me see", "lets see",	  "you know",  "like",	     "hi",
	"hello",     "hey",	   "thanks",	  "thank you", "no problem", "sorry",
	"and",	     "oh yes",	   "oh yeah",	  "si",	       "claro",	     "por supuesto",
	"bueno",     "pues",	   "este",	  "vale",      "a ver",	     "mire",
	"mira",	     "hola",	   "gracias",	  "por favor", "perdon",     "y",
	"ya",	     "como no",	   "desde luego", "good",      "great",	     "perfect",
	"muy bien",  "de acuerdo", NULL,
};

static const char *const noes[] = { "no",      "nope",	 "nah",	   "thanks",	"thank you",
				    "gracias", "sorry",	 "please", "lo siento", "por favor",
				    "no way",  "i wont", "never",  NULL };

/* Usual questions for a type, for the only field of that type that has no `ask` of its own. */
static const char *const usual[FIELD_TYPE_COUNT][14] = {
	[FIELD_NAME] = { "your name", "your full name", "your first name", "who am i speaking",
			 "who im speaking", "the name", "su nombre", "tu nombre", "como se llama",
			 "con quien hablo", "nombre completo", "last name", "a nombre de quien" },
	[FIELD_PHONE] = { "phone", "telephone", "phone number", "callback number",
			  "number to reach you", "best number", "telefono", "numero de contacto",
			  "cell number", "mobile", "movil", "celular" },
	[FIELD_EMAIL] = { "email", "correo", "correo electronico" },
	[FIELD_ADDRESS] = { "your address", "street address", "delivery address",
			    "where do you live", "su direccion", "tu direccion", "donde vive" },
	[FIELD_DATE] = { "what day", "which day", "what date", "which date", "que dia", "que fecha",
			 "para que dia", "para cuando" },
	[FIELD_TIME] = { "what time", "which time", "que hora", "a que hora" },
};

static bool sentence_asks(const struct utterance *u, unsigned from, unsigned to)
{
	struct span end = utterance_gap(u, to);
	if (memchr(end.n ? end.p : "", '?', end.n))
		return true;
	return utterance_find(u, from, to, openers) < to;
}

static bool asks_for(const struct fields *all, const struct field *f, const struct utterance *u,
		     unsigned from, unsigned to)
{
	unsigned end;
	for (unsigned k = 0; k < f->asks_n; k++)
		if (field_words_find(&f->asks[k], u, from, to, &end) < to)
			return true;
	return f->by_label && all->of_type[f->type] == 1 &&
	       utterance_find(u, from, to, usual[f->type]) < to;
}

/* "Our phone number is closed on Sundays, is that OK?" asks for no phone number: what the sentence
 * itself tells is not asked. Told: the assistant's own ("our", "my") value. */
static bool own(const struct utterance *u, unsigned from, unsigned to)
{
	static const char *const ours[] = {
		"our address is",   "our phone",	 "our number",	 "our email", "my name is",
		"nuestro telefono", "nuestra direccion", "mi nombre es", "me llamo",  NULL
	};
	struct span end = utterance_gap(u, to);
	bool question = end.n && memchr(end.p, '?', end.n);
	return utterance_find(u, from, to, ours) < to && !question;
}

uint64_t field_ask_asked(const struct fields *all, const struct utterance *u,
			 uint16_t where[FIELDS_MAX])
{
	uint64_t asked = 0;
	for (unsigned from = 0; from < u->n; from = utterance_sentence_end(u, from)) {
		unsigned to = utterance_sentence_end(u, from);
		if (!sentence_asks(u, from, to) || own(u, from, to))
			continue;
		for (size_t i = 0; i < all->n; i++)
			if (asks_for(all, &all->items[i], u, from, to)) {
				asked |= UINT64_C(1) << i;
				where[i] = (uint16_t)from;
			}
	}
	return asked;
}

/* A question that wants an answer of its own; "please go ahead" asks for nothing new. */
bool field_ask_asks(const struct utterance *u)
{
	for (unsigned from = 0; from < u->n; from = utterance_sentence_end(u, from)) {
		unsigned to = utterance_sentence_end(u, from);
		unsigned first = field_ask_fillers(u, from, to);
		struct span end = utterance_gap(u, to);
		if (memchr(end.n ? end.p : "", '?', end.n) ||
		    utterance_phrase(u, first, counter_openers))
			return true;
	}
	return false;
}

bool field_ask_repeats(const struct utterance *u)
{
	return utterance_find(u, 0, u->n, repeats) < u->n;
}

bool field_ask_refused(const struct utterance *u)
{
	return utterance_find(u, 0, u->n, refusals) < u->n;
}

unsigned field_ask_corrected(const struct utterance *u)
{
	unsigned behind = 0;
	for (unsigned i = 0; i < u->n; i++) {
		unsigned n = utterance_phrase(u, i, corrections);
		bool starts = u->w[i].clause || (i > 0 && behind == i);
		bool inner = n && !utterance_is(u, i, "no");
		if (n && (starts || inner) && i + n < u->n)
			behind = i + n;
	}
	return behind;
}

unsigned field_ask_fillers(const struct utterance *u, unsigned from, unsigned to)
{
	unsigned n = 1;
	while (from < to && n > 0) {
		n = utterance_phrase(u, from, fillers);
		from += n;
	}
	return from < to ? from : to;
}

bool field_ask_counters(const struct utterance *u, unsigned i)
{
	unsigned from = i;
	while (from > 0 && !u->w[from].sentence)
		from--;
	unsigned to = utterance_sentence_end(u, from);
	unsigned first = field_ask_fillers(u, from, to);
	struct span end = utterance_gap(u, to);
	bool mark = end.n && memchr(end.p, '?', end.n);
	/* "Seven, is that OK?" answers before it asks. */
	unsigned last = to - 1;
	while (last > from && !u->w[last].clause)
		last--;
	bool tag = mark && last > i && utterance_phrase(u, last, counter_openers);
	return (mark && !tag) || utterance_phrase(u, first, counter_openers) > 0;
}

bool field_ask_bare_no(const struct utterance *u)
{
	unsigned i = 0, n = 1;
	bool no =
		utterance_is(u, 0, "no") || utterance_is(u, 0, "nope") || utterance_is(u, 0, "nah");
	while (i < u->n && n > 0) {
		n = utterance_phrase(u, i, noes);
		i += n;
	}
	return no && i == u->n;
}
