#include "healing/templates.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

#define COLLECT                                                                              \
	.section_en = "Information to collect", .section_es = "Datos que hay que obtener",   \
	.fitting =                                                                           \
		LIST("collect", "information", "ask", "details", "booking", "flow", "steps", \
		     "questions", "datos", "pregunta", "pide", "informacion", "reserva", "pasos")
#define TROUBLE                                                                                 \
	.section_en = "When something fails", .section_es = "Cuando algo falla",                \
	.fitting = LIST("tool", "tools", "system", "fails", "error", "problems", "herramienta", \
			"herramientas", "sistema", "falla", "problemas")
#define ANSWERS                                                                           \
	.section_en = "Questions", .section_es = "Preguntas",                             \
	.fitting = LIST("question", "questions", "faq", "answer", "answers", "knowledge", \
			"preguntas", "respuestas", "conocimiento")
#define MANNER                                                                                  \
	.section_en = "Difficult calls", .section_es = "Llamadas difíciles",                    \
	.fitting = LIST("style", "tone", "difficult", "upset", "angry", "complaints", "estilo", \
			"tono", "dificiles", "molesto", "quejas")
#define COURSE                                                                              \
	.section_en = "Course of the call", .section_es = "Desarrollo de la llamada",       \
	.fitting = LIST("flow", "steps", "course", "conversation", "goal", "task", "pasos", \
			"desarrollo", "conversacion", "objetivo", "tarea")

static const struct template table[] = {
	{ .kind = CAUSE_MISSING_DATA_KIND,
	  .reason = "never_asked",
	  .type = "missing_data",
	  COLLECT,
	  .title_en = "Ask for the {label}",
	  .title_es = "Preguntar por: {label}",
	  .text_en = "Always ask for the {label} before you complete the request: \"{ask}\"",
	  .text_es = "Pregunta siempre por {label} antes de completar la petición: «{ask}»",
	  .why_en = "The {label} is required and was mostly never asked for",
	  .why_es = "{label} es un dato necesario y casi nunca se preguntó" },
	{ .kind = CAUSE_MISSING_DATA_KIND,
	  .reason = "never_asked",
	  .type = "missing_data",
	  COLLECT,
	  .title_en = "Do not end the call without the {label}",
	  .title_es = "No terminar la llamada sin: {label}",
	  .text_en = "Do not end the call without having asked for the {label}. If it is still "
		     "missing when everything else is settled, ask: \"{ask}\"",
	  .text_es = "No termines la llamada sin haber preguntado por {label}. Si falta cuando "
		     "todo lo demás está resuelto, pregunta: «{ask}»",
	  .why_en = "The {label} is required and was mostly never asked for",
	  .why_es = "{label} es un dato necesario y casi nunca se preguntó" },
	{ .kind = CAUSE_MISSING_DATA_KIND,
	  .reason = "asked_not_captured",
	  .type = "missing_data",
	  COLLECT,
	  .title_en = "Make sure the {label} is understood",
	  .title_es = "Asegurarse de entender: {label}",
	  .text_en = "When you ask for the {label}, repeat the answer back. If it was not clear, "
		     "ask once more in other words and have it given slowly, part by part.",
	  .text_es = "Cuando preguntes por {label}, repite la respuesta. Si no quedó clara, "
		     "pregunta otra vez con otras palabras y pide que lo digan despacio, parte por "
		     "parte.",
	  .why_en = "The {label} was asked for, but the answers could not be used",
	  .why_es = "Se preguntó por {label}, pero las respuestas no se pudieron usar" },
	{ .kind = CAUSE_MISSING_DATA_KIND,
	  .reason = "asked_not_captured",
	  .type = "missing_data",
	  COLLECT,
	  .title_en = "Ask for the {label} on its own",
	  .title_es = "Preguntar por separado: {label}",
	  .text_en = "Ask for the {label} in one short question of its own, wait for the answer, "
		     "and go on only when you have it or the caller does not know it.",
	  .text_es = "Pregunta por {label} en una sola frase corta, espera la respuesta y sigue "
		     "solo cuando la tengas o quien llama no la sepa.",
	  .why_en = "The {label} was asked for, but the answers could not be used",
	  .why_es = "Se preguntó por {label}, pero las respuestas no se pudieron usar" },
	{ .kind = CAUSE_MISSING_DATA_KIND,
	  .reason = "refused",
	  .type = "missing_data",
	  COLLECT,
	  .title_en = "Say what the {label} is needed for",
	  .title_es = "Explicar para qué se necesita: {label}",
	  .text_en = "Before you ask for the {label}, say in one sentence what it is needed for. "
		     "If the caller declines, accept that and go on.",
	  .text_es = "Antes de preguntar por {label}, explica en una frase para qué se necesita. "
		     "Si no quieren darlo, acéptalo y sigue.",
	  .why_en = "Callers mostly declined to give the {label}",
	  .why_es = "La mayoría no quiso dar {label}" },
	{ .kind = CAUSE_MISSING_DATA_KIND,
	  .reason = "refused",
	  .type = "missing_data",
	  COLLECT,
	  .title_en = "Ask for the {label} at the end",
	  .title_es = "Preguntar al final por: {label}",
	  .text_en = "Ask for the {label} only when the caller's request is settled, and say that "
		     "it will be used for nothing else.",
	  .text_es = "Pregunta por {label} solo cuando la petición esté resuelta, y aclara que no "
		     "se usará para nada más.",
	  .why_en = "Callers mostly declined to give the {label}",
	  .why_es = "La mayoría no quiso dar {label}" },

	{ .kind = CAUSE_TOOL_FAILURE_KIND,
	  .type = "success_rate",
	  TROUBLE,
	  .title_en = "What to do when {tool} fails",
	  .title_es = "Qué hacer cuando falla {tool}",
	  .text_en = "If {tool} fails or gives no answer, say that there is a technical problem, "
		     "try it once more, and otherwise take the caller's details and offer that "
		     "somebody will call back. Never make up a result.",
	  .text_es = "Si {tool} falla o no responde, di que hay un problema técnico, inténtalo una "
		     "vez más y si no, toma los datos y ofrece que alguien devuelva la llamada. "
		     "Nunca inventes un resultado.",
	  .why_en = "{tool} fails often; the tool itself has to be put right, until then the "
		    "assistant should know what to do",
	  .why_es = "{tool} falla a menudo; hay que arreglar la herramienta y, mientras tanto, el "
		    "asistente debe saber qué hacer" },
	{ .kind = CAUSE_TOOL_FAILURE_KIND,
	  .type = "success_rate",
	  TROUBLE,
	  .title_en = "Go on without {tool}",
	  .title_es = "Seguir sin {tool}",
	  .text_en = "Do not let the call wait for {tool}: after one failed try go on with what "
		     "can be done without it, and say what will be done later.",
	  .text_es = "No dejes la llamada esperando a {tool}: tras un intento fallido sigue con lo "
		     "que se pueda hacer sin ella y di qué se hará después.",
	  .why_en = "{tool} fails often; the tool itself has to be put right",
	  .why_es = "{tool} falla a menudo; hay que arreglar la herramienta" },

	{ .kind = CAUSE_UNANSWERED_KIND,
	  .type = "success_rate",
	  ANSWERS,
	  .title_en = "Answer questions about: {topic}",
	  .title_es = "Responder preguntas sobre: {topic}",
	  .text_en = "Callers often ask about: {topic}. Answer this before you go on; if you do "
		     "not know the answer, say so and offer that somebody will call back with it.",
	  .text_es = "A menudo preguntan por: {topic}. Respóndelo antes de seguir; si no sabes la "
		     "respuesta, dilo y ofrece que alguien devuelva la llamada con ella.",
	  .why_en = "The same question is left without an answer; best is to add the answer itself "
		    "to these instructions",
	  .why_es = "La misma pregunta queda sin responder; lo mejor es añadir la propia respuesta "
		    "a estas instrucciones" },
	{ .kind = CAUSE_UNANSWERED_KIND,
	  .type = "success_rate",
	  ANSWERS,
	  .title_en = "Do not leave questions open: {topic}",
	  .title_es = "No dejar preguntas abiertas: {topic}",
	  .text_en = "When a question about {topic} comes up, never pass over it: say what you "
		     "know, say what you do not know, and make sure the caller is content.",
	  .text_es = "Cuando surja una pregunta sobre {topic}, nunca la pases por alto: di lo que "
		     "sabes, di lo que no sabes y comprueba que la respuesta basta.",
	  .why_en = "The same question is left without an answer",
	  .why_es = "La misma pregunta queda sin responder" },

	{ .kind = CAUSE_FRUSTRATION_KIND,
	  .type = "tone",
	  MANNER,
	  .title_en = "Calm callers who get impatient",
	  .title_es = "Calmar a quien se impacienta",
	  .text_en = "When the caller gets impatient, apologise once, say in one sentence what "
		     "happens next, ask only for what is still missing, and offer to hand over to "
		     "a colleague.",
	  .text_es = "Cuando quien llama se impaciente, discúlpate una vez, di en una frase qué "
		     "sigue, pregunta solo lo que falte y ofrece pasar la llamada a un compañero.",
	  .why_en = "Many callers get frustrated",
	  .why_es = "Muchas personas se frustran" },
	{ .kind = CAUSE_FRUSTRATION_KIND,
	  .type = "tone",
	  MANNER,
	  .title_en = "Never ask the same thing three times",
	  .title_es = "No preguntar lo mismo tres veces",
	  .text_en = "Never ask for the same thing more than twice; if it cannot be understood, "
		     "go on without it or offer to hand over to a colleague.",
	  .text_es = "Nunca preguntes lo mismo más de dos veces; si no se entiende, sigue sin ello "
		     "u ofrece pasar la llamada a un compañero.",
	  .why_en = "Many callers get frustrated",
	  .why_es = "Muchas personas se frustran" },

	{ .kind = CAUSE_FAILURE_POINT_KIND,
	  .reason = "field:",
	  .type = "success_rate",
	  COLLECT,
	  .title_en = "Get past: {point}",
	  .title_es = "Superar: {point}",
	  .text_en = "If the {label} cannot be had at the second try, go on with the request and "
		     "say that it can be given later.",
	  .text_es = "Si no se consigue {label} al segundo intento, sigue con la petición y di que "
		     "se puede dar más tarde.",
	  .why_en = "Many calls end while the {label} is asked for",
	  .why_es = "Muchas llamadas terminan al preguntar por {label}" },
	{ .kind = CAUSE_FAILURE_POINT_KIND,
	  .reason = "search:",
	  .type = "success_rate",
	  TROUBLE,
	  .title_en = "When a search finds nothing",
	  .title_es = "Cuando una búsqueda no encuentra nada",
	  .text_en = "If a search finds nothing, say so, ask for other words or something similar, "
		     "search once more, and offer the nearest alternative.",
	  .text_es =
		  "Si una búsqueda no encuentra nada, dilo, pide otras palabras o algo parecido, "
		  "busca otra vez y ofrece la alternativa más cercana.",
	  .why_en = "Many calls end after a search that found nothing",
	  .why_es = "Muchas llamadas terminan tras una búsqueda sin resultados" },
	{ .kind = CAUSE_FAILURE_POINT_KIND,
	  .reason = "silence",
	  .type = "timing",
	  COURSE,
	  .title_en = "Break the silence",
	  .title_es = "Romper el silencio",
	  .text_en = "If the caller says nothing for some seconds, ask again in other and fewer "
		     "words, and say what the caller may answer.",
	  .text_es = "Si quien llama calla unos segundos, pregunta de nuevo con otras y menos "
		     "palabras, y di qué se puede responder.",
	  .why_en = "Many calls end in silence",
	  .why_es = "Muchas llamadas terminan en silencio" },
	{ .kind = CAUSE_FAILURE_POINT_KIND,
	  .reason = "hangup",
	  .type = "timing",
	  COURSE,
	  .title_en = "Come to the point sooner",
	  .title_es = "Ir antes al grano",
	  .text_en = "Come to the point within two sentences, ask one short question at a time, "
		     "and say how little is still needed.",
	  .text_es = "Ve al grano en dos frases, haz una sola pregunta corta a la vez y di lo poco "
		     "que falta.",
	  .why_en = "Many callers hang up on the assistant's words",
	  .why_es = "Muchas personas cuelgan mientras habla el asistente" },
	{ .kind = CAUSE_FAILURE_POINT_KIND,
	  .reason = "limit",
	  .type = "timing",
	  COURSE,
	  .title_en = "Bring calls to an end in time",
	  .title_es = "Terminar las llamadas a tiempo",
	  .text_en = "Settle the most important point first, and when a call gets long, sum up and "
		     "complete the request with what you have.",
	  .text_es = "Resuelve primero lo más importante y, si la llamada se alarga, resume y "
		     "completa la petición con lo que tengas.",
	  .why_en = "Many calls reach their limit",
	  .why_es = "Muchas llamadas llegan a su límite" },
	{ .kind = CAUSE_FAILURE_POINT_KIND,
	  .type = "success_rate",
	  COURSE,
	  .title_en = "Get past: {point}",
	  .title_es = "Superar: {point}",
	  .text_en = "When the conversation gets stuck, say in one sentence where things stand, "
		     "offer two ways to go on, and let the caller choose.",
	  .text_es = "Cuando la conversación se atasque, di en una frase en qué punto está, ofrece "
		     "dos maneras de seguir y deja elegir.",
	  .why_en = "Many calls fail at the same point: {point}",
	  .why_es = "Muchas llamadas fallan en el mismo punto: {point}" },

	{ .kind = CAUSE_SUCCESS_RATE_KIND,
	  .type = "success_rate",
	  COURSE,
	  .title_en = "Check that the caller's goal is reached",
	  .title_es = "Comprobar que se cumple el objetivo",
	  .text_en = "Find out early what the caller wants, and before you end the call check that "
		     "it is done; if it is not, offer the next step.",
	  .text_es = "Averigua pronto qué quiere quien llama y, antes de terminar, comprueba que "
		     "esté hecho; si no, ofrece el siguiente paso.",
	  .why_en = "Too few calls succeed, for many different reasons",
	  .why_es = "Pocas llamadas tienen éxito, por motivos muy distintos" },
	{ .kind = CAUSE_SUCCESS_RATE_KIND,
	  .type = "success_rate",
	  COURSE,
	  .title_en = "Offer a way out before the call fails",
	  .title_es = "Ofrecer una salida antes de que falle",
	  .text_en = "If you cannot do what is wanted, offer the nearest thing you can do, or that "
		     "somebody will call back, before the call ends.",
	  .text_es = "Si no puedes hacer lo que piden, ofrece lo más parecido que puedas o que "
		     "alguien devuelva la llamada, antes de terminar.",
	  .why_en = "Too few calls succeed, for many different reasons",
	  .why_es = "Pocas llamadas tienen éxito, por motivos muy distintos" },
};
enum { TABLE_N = sizeof(table) / sizeof(table[0]) };

static bool fits(const struct template *t, enum cause_kind kind, struct span reason)
{
	return t->kind == kind && (!t->reason || span_starts(reason, span_of(t->reason)));
}

const struct template *templates_at(enum cause_kind kind, struct span reason, size_t number)
{
	for (size_t i = 0; i < TABLE_N; i++)
		if (fits(&table[i], kind, reason) && number-- == 0)
			return &table[i];
	return NULL;
}

/* --- filling in --- */

static bool word_of(struct span name, const struct template_words *w, struct span *out)
{
	const struct {
		const char *name;
		struct span text;
	} words[] = { { "label", w->label },
		      { "ask", w->ask },
		      { "tool", w->tool },
		      { "topic", w->topic },
		      { "point", w->point } };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!span_is(name, words[i].name))
			continue;
		*out = words[i].text;
		return true;
	}
	return false;
}

struct span templates_fill(const char *text, const struct template_words *w, struct arena *a)
{
	struct buf out AUTO_BUF = { 0 };
	for (const char *open; (open = strchr(text, '{'));) {
		const char *close = strchr(open, '}');
		struct span word;
		CHECK(close &&
		      word_of((struct span){ open + 1, (size_t)(close - open) - 1 }, w, &word));
		buf_add(&out, (struct span){ text, (size_t)(open - text) });
		buf_add(&out, word);
		text = close + 1;
	}
	buf_addz(&out, text);
	return arena_copy(a, buf_span(&out));
}
