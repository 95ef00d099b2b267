/* Parrot Telecom: a made-up provider, used by tests. It shows all that a new one needs; the walk is
 * in docs/adding-a-provider.md.
 *
 * One message per webhook, flat, `what` says which:
 *	{"line":"L-7","what":"begins","ms":1760000000000,"perch":"http://..."}
 *	{"line":"L-7","what":"says","who":"caller"|"bird","words":"...","ms":...}
 *	{"line":"L-7","what":"ends","why":"flew-off","ms":...}
 * Commands are POSTed to the perch: {"squawk":"words"} and {"fly":true}. Parrot reads none of our
 * answers and repeats nothing.
 *
 * {"crash":true} in any message makes read() abort(): the input that kills a process, for tests. */
#include <stdlib.h>

#include "dialect/key.h"
#include "tests/golden/parrot/parrot.h"

#define MESSAGE(F, T)                        \
	F(T, TEXT, line, "line", REQUIRED)   \
	F(T, TEXT, what, "what", REQUIRED)   \
	F(T, TEXT, who, "who", OPTIONAL)     \
	F(T, TEXT, words, "words", OPTIONAL) \
	F(T, TEXT, why, "why", OPTIONAL)     \
	F(T, TEXT, perch, "perch", OPTIONAL) \
	F(T, I64, ms, "ms", OPTIONAL)        \
	F(T, BOOL, crash, "crash", OPTIONAL)
JSON_STRUCT(message, MESSAGE)
JSON_FIELDS(message, MESSAGE)

static int classify(struct span body, struct arena *arena, struct envelope *out, struct fault *f)
{
	struct message m = { 0 };
	TRY(json_check(body, f));
	TRY(JSON_READ(message, json_of(body), arena, &m, f));
	*out = (struct envelope){ .call_id = m.line, .type = m.what, .at_us = m.ms * 1000 };
	return 0;
}

static void mask(struct span body, const struct envelope *e, struct buf *out)
{
	(void)e;
	buf_add(out, body); /* Parrots keep no secrets. */
}

static void reduce(struct span body, const struct envelope *e, const struct repeats *known,
		   struct buf *out, struct repeats_news *news)
{
	(void)e;
	(void)known;
	(void)news;
	buf_add(out, body);
}

static void read_begins(const struct message *m, struct input *in)
{
	(void)m;
	in->type = INPUT_STATUS;
	in->name = SPAN("in-progress");
}

static void read_says(const struct message *m, struct input *in)
{
	in->type = INPUT_TRANSCRIPT;
	in->speaker = span_is(m->who, "bird") ? SPEAKER_AI : SPEAKER_USER;
	in->final = true;
	in->text = m->words;
}

static void read_ends(const struct message *m, struct input *in)
{
	in->type = INPUT_STATUS;
	in->name = SPAN("ended");
	in->reason = m->why;
}

static const struct {
	const char *what;
	void (*read)(const struct message *, struct input *);
} whats[] = { { "begins", read_begins }, { "says", read_says }, { "ends", read_ends } };

static void read_what(const struct message *m, struct span body, struct input *in)
{
	for (size_t i = 0; i < sizeof(whats) / sizeof(*whats); i++) {
		if (span_is(m->what, whats[i].what)) {
			whats[i].read(m, in);
			return;
		}
	}
	in->name = m->what; /* INPUT_RAW: what we do not know is kept */
	in->data = json_of(body);
}

static int read(struct span body, struct arena *arena, struct inputs *out, struct fault *f)
{
	struct message m = { 0 };
	TRY(JSON_READ(message, json_of(body), arena, &m, f));
	if (m.crash)
		abort();
	struct call_facts *facts = arena_alloc(arena, sizeof(*facts));
	facts->provider_call_id = m.line;
	facts->control_url = m.perch;
	inputs_add(out, arena, INPUT_CALL)->facts = facts;
	struct input *in = inputs_add(out, arena, INPUT_RAW);
	in->at_us = m.ms * 1000;
	read_what(&m, body, in);
	in->key = m.ms ? key_end(key_number(key_text(key_text(0, m.what), m.words), m.ms)) : 0;
	return 0;
}

static const char *cannot(enum command_verb verb, const struct command_where *where)
{
	if (verb != COMMAND_SAY && verb != COMMAND_END)
		return "parrots only speak and fly off";
	return where && !where->control_url.n ? "the parrot has no perch" : NULL;
}

static int command(const struct command *c, const struct command_where *where, struct arena *arena,
		   struct provider_request *out, struct fault *f)
{
	struct buf body AUTO_BUF = { 0 };
	struct json_out o = { .b = &body };
	const char *why = cannot(c->verb, where);
	if (why)
		return fault(f, E_INVALID, "%s", why);
	json_begin(&o, NULL);
	if (c->verb == COMMAND_SAY)
		json_put_text(&o, "squawk", c->text);
	else
		json_put_bool(&o, "fly", true);
	json_end(&o);
	*out = (struct provider_request){ .method = SPAN("POST"),
					  .url = arena_copy(arena, where->control_url),
					  .body = arena_copy(arena, buf_span(&body)) };
	return 0;
}

static void tool_answer(struct span type, const struct tool_answer *answers, size_t n,
			struct buf *out)
{
	(void)type;
	(void)answers;
	(void)n;
	buf_addz(out, "{}");
}

static bool read_tool_answer(struct span body, struct arena *arena, struct tool_answer **out,
			     size_t *n)
{
	(void)body;
	(void)arena;
	*out = NULL;
	*n = 0;
	return false;
}

static void default_answer(struct span type, struct span body, struct buf *out,
			   const char **content_type)
{
	(void)type;
	(void)body;
	*content_type = "application/json";
	buf_addz(out, "{}");
}

const struct dialect parrot_dialect = {
	.name = "parrot",
	.title = "Parrot Telecom",
	.cannot = cannot,
	.classify = classify,
	.mask = mask,
	.reduce = reduce,
	.read = read,
	.command = command,
	.tool_answer = tool_answer,
	.read_tool_answer = read_tool_answer,
	.default_answer = default_answer,
};
