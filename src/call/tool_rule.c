/* Was a tool call a success? By the project's rule for tools that we run, by the look of the text
 * for those of others.
 *
 * A rule's parts are checked in this order, the first that fails says why: status, JSON path
 * present and truthy, pattern found, then "found nothing" (empty path, empty pattern), which is no
 * success (B1) although the answer itself is good enough for the model. A pattern that PCRE2
 * refuses never matches: configuration is checked where it is entered. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#include "call/parts.h"

/* Bounds the work of a pattern, so that no body can stop a shard. */
enum { MATCH_LIMIT = 20000 };

static bool matches(struct span pattern, struct span body)
{
	int code = 0;
	PCRE2_SIZE at = 0;
	uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
	pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, options, &code, &at, NULL);
	if (!re)
		return false;
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	CHECK(data && context);
	pcre2_set_match_limit(context, MATCH_LIMIT);
	int rc = pcre2_match(re, (PCRE2_SPTR)(body.p ? body.p : ""), body.n, 0, 0, data, context);
	pcre2_match_context_free(context);
	pcre2_match_data_free(data);
	pcre2_code_free(re);
	return rc >= 0;
}

static const char *z(struct span s, struct arena *a)
{
	return arena_copy(a, s).p;
}

static bool empty(struct json v)
{
	if (v.kind == JSON_ARRAY || v.kind == JSON_OBJECT)
		return json_count(v) == 0;
	return v.kind == JSON_NULL || (v.kind == JSON_STRING && v.raw.n == 2);
}

static bool truthy(struct json v)
{
	double number = 0;
	if (v.kind == JSON_NUMBER)
		return json_f64(v, &number) && (number > 0 || number < 0);
	return v.kind != JSON_NONE && v.kind != JSON_FALSE && !empty(v);
}

static const char *failure(const struct tool_rule *r, int status, struct span body,
			   struct json value, struct arena *a)
{
	if (status < r->status_min || status > r->status_max)
		return "status outside the success range";
	if (r->json_path.n && !truthy(json_path(value, z(r->json_path, a))))
		return "json_path is absent or not true";
	if (r->pattern.n && !matches(r->pattern, body))
		return "pattern not found in the answer";
	return NULL;
}

static bool found_nothing(const struct tool_rule *r, struct span body, struct json value,
			  struct arena *a)
{
	if (r->empty_path.n && empty(json_path(value, z(r->empty_path, a))))
		return true;
	return r->empty_pattern.n && matches(r->empty_pattern, body);
}

/* What the model hears: the whole body, or the part that result_path names when it is there. */
static struct span result_of(const struct tool_rule *r, struct span body, struct json value,
			     struct arena *a)
{
	if (!r->result_path.n)
		return body;
	struct json part = json_path(value, z(r->result_path, a));
	if (part.kind == JSON_NONE)
		return body;
	return part.kind == JSON_STRING ? json_text(part, a) : part.raw;
}

void tool_rule_judge(const struct tool_rule *r, int status, struct span body, struct arena *a,
		     struct verdict *out)
{
	struct json value = { 0 };
	if (body.n && !json_check(body, NULL))
		value = json_of(body);
	*out = (struct verdict){ .why = failure(r, status, body, value, a) };
	if (out->why)
		return;
	out->usable = true;
	out->text = result_of(r, body, value, a);
	if (found_nothing(r, body, value, a))
		out->why = "nothing found";
	out->success = !out->why;
}

/* --- results of others --- */

static const struct {
	const char *words;
	bool anywhere; /* else: at the beginning only */
	const char *why;
} looks[] = {
	{ "error", false, "reads like an error" },
	{ "failed", false, "reads like an error" },
	{ "failure", false, "reads like an error" },
	{ "exception", false, "reads like an error" },
	{ "traceback", false, "reads like an error" },
	{ "no result returned", true, "the provider got no result" },
	{ "timed out", true, "reads like a timeout" },
	{ "request failed", true, "reads like an error" },
	{ "internal server error", true, "reads like an error" },
	{ "an error occurred", true, "reads like an error" },
	{ "no results", true, "nothing found" },
	{ "nothing found", true, "nothing found" },
	{ "no products found", true, "nothing found" },
	{ "no matches", true, "nothing found" },
	{ "not found", true, "nothing found" },
	{ "sin resultados", true, "nothing found" },
	{ "no se encontro", true, "nothing found" },
};

static bool looks_like(const struct plain *text, const char *words, bool anywhere)
{
	size_t n = strlen(words);
	const char *p = memmem(text->text, text->n, words, n);
	bool whole = p && p[-1] == ' ' && p[n] == ' ';
	return whole && (anywhere || p == text->text + 1);
}

static const char *guess_json(struct json v)
{
	if (empty(v))
		return "nothing found";
	if (truthy(json_get(v, "error")) || truthy(json_get(v, "errors")))
		return "has a member error";
	if (json_get(v, "success").kind == JSON_FALSE || json_get(v, "ok").kind == JSON_FALSE)
		return "says success: false";
	return NULL;
}

static const char *guess_text(struct span result, bool prose)
{
	struct plain text;
	words_plain(kept_clip(result, PLAIN_MAX / 2), &text);
	for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++)
		if ((prose || looks[i].anywhere) &&
		    looks_like(&text, looks[i].words, looks[i].anywhere))
			return looks[i].why;
	return NULL;
}

void tool_rule_guess(struct span result, struct verdict *out)
{
	struct json v = { 0 };
	if (result.n && !json_check(result, NULL))
		v = json_of(result);
	bool structured = v.kind == JSON_OBJECT || v.kind == JSON_ARRAY;
	const char *why = v.kind == JSON_NONE ? NULL : guess_json(v);
	if (!why)
		why = guess_text(result, !structured);
	*out = (struct verdict){ .success = !why, .usable = true, .text = result, .why = why };
}

/* --- comparing arguments --- */

static bool same_members(struct json a, struct json b)
{
	struct json_iter it = json_iter(a), jt = json_iter(b);
	struct span key, other;
	struct json v, w;
	bool all = json_count(a) == json_count(b);
	while (all && json_next(&it, &key, &v)) {
		bool found = false;
		jt = json_iter(b);
		while (!found && json_next(&jt, &other, &w))
			found = span_eq(key, other) && tool_rule_same(v, w);
		all = found;
	}
	return all;
}

static bool same_elements(struct json a, struct json b)
{
	struct json_iter it = json_iter(a), jt = json_iter(b);
	struct span key;
	struct json v, w;
	while (json_next(&it, &key, &v))
		if (!json_next(&jt, &key, &w) || !tool_rule_same(v, w))
			return false;
	return !json_next(&jt, &key, &w);
}

static bool same_text(struct json a, struct json b)
{
	struct arena arena = { 0 };
	bool same = span_eq(a.raw, b.raw) || span_eq(json_text(a, &arena), json_text(b, &arena));
	arena_fini(&arena);
	return same;
}

bool tool_rule_same(struct json a, struct json b)
{
	if (a.kind != b.kind)
		return false;
	if (a.kind == JSON_OBJECT)
		return same_members(a, b);
	if (a.kind == JSON_ARRAY)
		return same_elements(a, b);
	if (a.kind == JSON_STRING)
		return same_text(a, b);
	double x = 0, y = 0;
	if (a.kind == JSON_NUMBER && json_f64(a, &x) && json_f64(b, &y))
		return !(x < y) && !(x > y);
	return span_eq(a.raw, b.raw);
}
