/* Tool calls: what failed and how, and searches that brought nothing (B2). */
#include "analysis/understand_parts.h"

#include "call/kept.h"

static const char *const trouble_names[] = {
#define X(id, name, doc) [TOOL_TROUBLE_##id] = name,
	TOOL_TROUBLES(X)
#undef X
};

/* In the words of the call core (call/tools.c, call/tool_rule.c); what is not here is an error. */
static const struct {
	const char *in_error;
	enum tool_trouble trouble;
} by_error[] = {
	{ "timed out", TOOL_TROUBLE_TIMEOUT },	 { "timeout", TOOL_TROUBLE_TIMEOUT },
	{ "nothing found", TOOL_TROUBLE_EMPTY }, { "found nothing", TOOL_TROUBLE_EMPTY },
	{ "no results", TOOL_TROUBLE_EMPTY },	 { "no matches", TOOL_TROUBLE_EMPTY },
};

enum tool_trouble understand_tools_trouble(struct json success, bool unknown, struct span error)
{
	if (unknown)
		return TOOL_TROUBLE_UNKNOWN;
	if (success.kind != JSON_FALSE)
		return TOOL_TROUBLE_NONE;
	for (size_t i = 0; i < sizeof(by_error) / sizeof(*by_error); i++)
		if (understand_contains(error, by_error[i].in_error))
			return by_error[i].trouble;
	return TOOL_TROUBLE_ERROR;
}

static bool succeeded_later(const struct finished *c, size_t i)
{
	for (size_t k = i + 1; k < c->tools_n; k++)
		if (c->tools[k].succeeded && span_eq(c->tools[k].name, c->tools[i].name))
			return true;
	return false;
}

static const struct used_tool *last_in_trouble(const struct finished *c, int64_t seq, bool empty)
{
	for (size_t i = c->tools_n; i > 0; i--) {
		const struct used_tool *t = &c->tools[i - 1];
		if (t->seq >= seq && t->trouble != TOOL_TROUBLE_NONE &&
		    (t->trouble == TOOL_TROUBLE_EMPTY) == empty && !succeeded_later(c, i - 1))
			return t;
	}
	return NULL;
}

const struct used_tool *understand_tools_broken(const struct finished *c, int64_t seq)
{
	return last_in_trouble(c, seq, false);
}

const struct used_tool *understand_tools_found_nothing(const struct finished *c, int64_t seq)
{
	return last_in_trouble(c, seq, true);
}

/* --- searches --- */

/* Where no tool definition names the argument: a tool that is called a search, by these. */
static const char *const search_arguments[] = { "query", "search_term", "searchTerm", "search",
						"term",	 "keywords",	"q" };

static struct json guess_query(const struct used_tool *t)
{
	struct json v = { 0 };
	if (!understand_contains(t->name, "search"))
		return v;
	for (size_t i = 0;
	     v.kind == JSON_NONE && i < sizeof(search_arguments) / sizeof(*search_arguments); i++)
		v = json_get(t->arguments, search_arguments[i]);
	return v;
}

static struct span query_of(const struct used_tool *t, struct arena *a)
{
	struct json v = t->search_argument.n
				? json_path(t->arguments,
					    arena_printf(a, "%.*s", SPAN_ARG(t->search_argument)))
				: guess_query(t);
	return v.kind == JSON_NUMBER ? v.raw : json_text(v, a);
}

static struct span said_before(const struct finished *c, int64_t seq)
{
	struct span text = { 0 };
	for (size_t i = 0; i < c->turns_n && c->turns[i].seq < seq; i++)
		if (c->turns[i].speaker == SPEAKER_USER)
			text = c->turns[i].text;
	return kept_clip(text, PASSAGE_MAX);
}

static void put_place(struct json_out *o, int64_t seq, int64_t offset_ms)
{
	json_put_i64(o, "seq", seq);
	if (offset_ms < 0)
		json_put_null(o, "offset_ms");
	else
		json_put_i64(o, "offset_ms", offset_ms);
}

static void put_failure(const struct used_tool *t, struct json_out *o)
{
	json_begin(o, NULL);
	json_put_text(o, "tool_call_id", t->id);
	json_put_text(o, "tool", t->name);
	json_put_z(o, "kind", trouble_names[t->trouble]);
	json_put_text(o, "error", kept_clip(t->error, PASSAGE_MAX));
	put_place(o, t->ended_seq, t->ended_offset_ms);
	json_end(o);
}

static void put_search(const struct finished *c, const struct used_tool *t, struct json_out *o)
{
	struct span query = query_of(t, c->arena), context = said_before(c, t->seq);
	struct plain plain;
	words_plain(query, &plain);
	if (plain.n < 3)
		return; /* nothing was searched for */
	json_begin(o, NULL);
	json_put_text(o, "tool_call_id", t->id);
	json_put_text(o, "tool", t->name);
	json_put_text(o, "query", kept_clip(query, PASSAGE_MAX));
	json_put_bool(o, "empty", t->trouble == TOOL_TROUBLE_EMPTY);
	json_put_text(o, "context", context);
	json_put_text(o, "at", t->requested_at);
	json_end(o);
}

void understand_tools_put(const struct finished *c, struct json_out *o)
{
	json_begin_array(o, "tool_failures");
	for (size_t i = 0; i < c->tools_n; i++)
		if (c->tools[i].trouble != TOOL_TROUBLE_NONE)
			put_failure(&c->tools[i], o);
	json_end_array(o);
	json_begin_array(o, "searches");
	for (size_t i = 0; i < c->tools_n; i++)
		if (c->tools[i].trouble != TOOL_TROUBLE_NONE)
			put_search(c, &c->tools[i], o);
	json_end_array(o);
}
