#include "healing/practices.h"

#include <stdio.h>

#include "call/words.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* The signs are wide on purpose: a practice that is there in other words and is proposed all the
 * same costs trust, one that is overlooked costs little. */
const struct practice practices[] = {
	{ .key = "confirm_details",
	  .title = "Repeat the details before acting on them",
	  .signs = LIST("confirm", "confirms", "confirming", "repeat back", "read back",
			"repeat the", "summarize", "summarise", "recap", "double check", "verify",
			"confirma", "confirme", "confirmar", "repite", "repita", "repetir",
			"resume", "resuma", "verifica", "verifique"),
	  .section_en = "Confirmation",
	  .section_es = "Confirmación",
	  .fitting = LIST("confirmation", "booking", "flow", "steps", "procedure", "details",
			  "confirmacion", "reserva", "pasos", "procedimiento", "datos"),
	  .text_en = "Before you complete a request, repeat the details you were given and ask "
		     "whether they are right.",
	  .text_es = "Antes de completar una petición, repite los datos recibidos y pregunta si "
		     "son correctos.",
	  .reason_en = "Details that are misheard and not repeated are found out too late.",
	  .reason_es = "Los datos mal entendidos y no repetidos se descubren demasiado tarde." },
	{ .key = "unknown_answers",
	  .title = "Say what to do when the answer is not known",
	  .signs = LIST("dont know", "do not know", "not sure", "dont have", "do not have the",
			"make up", "never invent", "do not invent", "dont invent", "do not guess",
			"dont guess", "never guess", "unknown", "cannot answer", "cant answer",
			"no sabes", "no sepa", "no lo sabes", "no inventes", "nunca inventes",
			"no adivines", "no conoces", "no puedes responder"),
	  .section_en = "Questions",
	  .section_es = "Preguntas",
	  .fitting = LIST("questions", "question", "faq", "answers", "knowledge", "preguntas",
			  "respuestas", "conocimiento"),
	  .text_en = "If you do not know an answer, say so, do not make one up, and offer that "
		     "somebody will call back.",
	  .text_es = "Si no sabes una respuesta, dilo, no la inventes y ofrece que alguien "
		     "devuelva la llamada.",
	  .reason_en = "Without this line assistants invent answers, or leave questions open.",
	  .reason_es = "Sin esta línea los asistentes inventan respuestas o dejan preguntas sin "
		       "responder." },
	{ .key = "hand_over",
	  .title = "Say when to hand over to a person",
	  .signs = LIST("transfer", "hand over", "handover", "human", "escalate", "a person",
			"real person", "colleague", "staff member", "call back", "callback",
			"transfiere", "transferir", "transfiera", "un humano", "una persona",
			"un companero", "un agente", "escala", "devuelva la llamada"),
	  .section_en = "Difficult calls",
	  .section_es = "Llamadas difíciles",
	  .fitting = LIST("difficult", "escalation", "problems", "complaints", "dificiles",
			  "problemas", "quejas"),
	  .text_en = "If the caller is upset or asks for a person, apologise once and offer to "
		     "hand over to a colleague.",
	  .text_es = "Si quien llama está molesto o pide hablar con una persona, discúlpate una "
		     "vez y ofrece pasar la llamada a un compañero.",
	  .reason_en = "Callers who are kept from a person lose patience.",
	  .reason_es = "Quien no consigue hablar con una persona pierde la paciencia." },
	{ .key = "one_question",
	  .title = "Ask one question at a time",
	  .signs = LIST("one question", "question at a time", "one at a time", "one by one",
			"one thing at a time", "single question", "una pregunta", "sola pregunta",
			"pregunta a la vez", "una a una", "una por una", "de una en una",
			"una cosa a la vez"),
	  .section_en = "Style",
	  .section_es = "Estilo",
	  .fitting = LIST("style", "tone", "manner", "voice", "estilo", "tono"),
	  .text_en = "Ask one question at a time and wait for the answer.",
	  .text_es = "Haz una sola pregunta a la vez y espera la respuesta.",
	  .reason_en = "Of several questions at once callers answer the last.",
	  .reason_es = "De varias preguntas seguidas se responde solo la última." },
	{ .key = "tool_trouble",
	  .title = "Say what to do when a tool fails",
	  .signs = LIST("tool+fail", "tool+fails", "tool+error", "system+fails", "system+down",
			"lookup+fails", "booking+fails", "search+fails", "if+does not work",
			"try again", "if+fails", "herramienta+falla", "sistema+falla", "si+falla",
			"intentalo de nuevo", "no funciona"),
	  .section_en = "Tools",
	  .section_es = "Herramientas",
	  .fitting = LIST("tools", "tool", "functions", "system", "herramientas", "herramienta"),
	  .text_en = "If a tool fails, say that there is a technical problem, try again once, and "
		     "otherwise offer that somebody will call back.",
	  .text_es = "Si una herramienta falla, di que hay un problema técnico, inténtalo de nuevo "
		     "una vez y si no ofrece que alguien devuelva la llamada.",
	  .reason_en = "When a tool fails without a plan, the call ends in silence or in an "
		       "invented result.",
	  .reason_es = "Cuando una herramienta falla sin un plan, la llamada acaba en silencio o "
		       "con un resultado inventado.",
	  .tools_only = true },
	{ .key = "closing",
	  .title = "Close the call clearly",
	  .signs = LIST("goodbye", "good bye", "say bye", "anything else", "end the call",
			"close the call", "closing", "thank", "hang up", "farewell", "despidete",
			"despida", "despedida", "algo mas", "termina la llamada",
			"cierra la llamada", "agradece", "gracias"),
	  .section_en = "Closing",
	  .section_es = "Cierre",
	  .fitting = LIST("closing", "ending", "goodbye", "end", "cierre", "despedida"),
	  .text_en = "At the end, ask whether there is anything else, say what happens next, thank "
		     "the caller and say goodbye.",
	  .text_es = "Al final, pregunta si hay algo más, di qué ocurrirá después, da las gracias "
		     "y despídete.",
	  .reason_en = "A call without a close leaves the caller unsure of what was agreed.",
	  .reason_es = "Una llamada sin cierre deja dudas sobre lo acordado." },
	{ .key = "brevity",
	  .title = "Keep answers short",
	  .signs = LIST("short", "brief", "briefly", "concise", "succinct", "one or two sentences",
			"to the point", "breve", "breves", "corto", "cortas", "cortos", "conciso",
			"concisa", "una o dos frases"),
	  .section_en = "Style",
	  .section_es = "Estilo",
	  .fitting = LIST("style", "tone", "manner", "voice", "estilo", "tono"),
	  .text_en = "Keep every answer to one or two short sentences.",
	  .text_es = "Responde siempre con una o dos frases cortas.",
	  .reason_en = "Spoken answers cannot be skimmed: long ones are interrupted.",
	  .reason_es = "Lo hablado no se puede leer por encima: lo largo se interrumpe." },
};
const size_t practices_n = sizeof(practices) / sizeof(practices[0]);

const struct practice *practices_find(struct span key)
{
	for (size_t i = 0; i < practices_n; i++)
		if (span_is(key, practices[i].key))
			return &practices[i];
	return NULL;
}

/* --- recognising --- */

static bool line_has(const struct plain *line, const char *words, size_t n)
{
	char wanted[80];
	int len = snprintf(wanted, sizeof(wanted), " %.*s ", (int)n, words);
	return len > 0 && memmem(line->text, line->n, wanted, (size_t)len);
}

static bool sign_in(const struct plain *line, const char *sign)
{
	for (;;) {
		const char *plus = strchr(sign, '+');
		size_t n = plus ? (size_t)(plus - sign) : strlen(sign);
		if (!line_has(line, sign, n))
			return false;
		if (!plus)
			return true;
		sign = plus + 1;
	}
}

static bool line_shows(const struct practice *p, struct span line)
{
	struct plain plain;
	words_plain(line, &plain);
	for (const char *const *s = p->signs; *s; s++)
		if (sign_in(&plain, *s))
			return true;
	return false;
}

static bool text_shows(const struct practice *p, struct span text)
{
	while (text.n) {
		const char *nl = memchr(text.p, '\n', text.n);
		size_t n = nl ? (size_t)(nl - text.p) + 1 : text.n;
		if (line_shows(p, (struct span){ text.p, n }))
			return true;
		text = span_from(text, n);
	}
	return false;
}

bool practices_present(const struct practice *p, const struct sections *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (text_shows(p, s->of[i].text))
			return true;
	return false;
}

const struct practice *practices_missing(const struct sections *s, bool has_tools,
					 practice_skip_fn *skip, void *user)
{
	for (size_t i = 0; i < practices_n; i++) {
		const struct practice *p = &practices[i];
		if ((p->tools_only && !has_tools) || practices_present(p, s) ||
		    (skip && skip(user, p)))
			continue;
		return p;
	}
	return NULL;
}
