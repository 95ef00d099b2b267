/* Success or failure, and by what it was decided: the posted outcome, else the project's success
 * rule, else the provider's evaluation, else the required fields, else nobody knows. */
#include "analysis/understand_parts.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "call/kept.h"
#include "callmend/understanding.h"

/* --- the provider's evaluation --- */

/* Words of the rubrics that providers have. */
static const struct {
	const char *word;
	int good;
} evaluations[] = {
	{ "true", 1 },	       { "pass", 1 },
	{ "passed", 1 },       { "success", 1 },
	{ "successful", 1 },   { "yes", 1 },
	{ "excellent", 1 },    { "good", 1 },
	{ "agree", 1 },	       { "strongly agree", 1 },
	{ "false", 0 },	       { "fail", 0 },
	{ "failed", 0 },       { "failure", 0 },
	{ "unsuccessful", 0 }, { "no", 0 },
	{ "poor", 0 },	       { "fair", 0 },
	{ "disagree", 0 },     { "strongly disagree", 0 },
};

/* Of 10, as rubrics count: a good one. */
static const double good_least = 7;

static int of_number(double v, double scale, double least)
{
	return v * 10 / scale >= (least > 0 ? least : good_least);
}

static int of_text(struct span text, double least)
{
	char z[40], *end;
	if (!text.n || text.n >= sizeof(z))
		return -1;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	for (size_t i = 0; i < sizeof(evaluations) / sizeof(*evaluations); i++)
		if (strcasecmp(z, evaluations[i].word) == 0)
			return evaluations[i].good;
	double v = strtod(z, &end);
	if (end == z || !isfinite(v))
		return -1;
	if (strcmp(end, "%") == 0)
		return of_number(v, 100, least);
	return *end ? -1 : of_number(v, v > 10 ? 100 : 10, least);
}

int understand_outcome_evaluation(struct json v, double least, struct arena *a)
{
	if (v.kind == JSON_TRUE || v.kind == JSON_FALSE)
		return v.kind == JSON_TRUE;
	if (v.kind == JSON_NUMBER)
		return of_text(v.raw, least);
	return v.kind == JSON_STRING ? of_text(json_text(v, a), least) : -1;
}

/* --- conditions --- */

struct rule_condition {
	const struct condition_kind *kind;
	struct json doc, value; /* the whole condition; the member that names its kind */
};

struct condition_kind {
	const char *name;
	const char *expected; /* of the value, for the fault */
	bool (*good)(struct finished *c, struct rule_condition *k, uint16_t what);
	bool (*holds)(struct finished *c, const struct rule_condition *k, uint16_t what,
		      struct passage *evidence);
};

static struct passage told(const struct finished *c, struct span text)
{
	(void)c;
	return (struct passage){ .known = true,
				 .offset_ms = -1,
				 .text = kept_clip(text, PASSAGE_MAX) };
}

static bool is_text(struct finished *c, struct rule_condition *k, uint16_t what)
{
	(void)what;
	return k->value.kind == JSON_STRING && json_text(k->value, c->arena).n > 0;
}

/* Letters of either case; numbers by value. */
static bool same_value(struct json a, struct json b, struct arena *arena)
{
	double x, y;
	if (a.kind == JSON_NUMBER && b.kind == JSON_NUMBER)
		return json_f64(a, &x) && json_f64(b, &y) && x == y;
	if (a.kind != b.kind)
		return false;
	if (a.kind != JSON_STRING)
		return a.kind < JSON_ARRAY || span_eq(a.raw, b.raw);
	struct span s = json_text(a, arena), t = json_text(b, arena);
	return s.n == t.n && (!s.n || strncasecmp(s.p, t.p, s.n) == 0);
}

static bool is_among(struct json v, struct json list, struct arena *arena)
{
	struct json_iter it = json_iter(list);
	struct span key;
	struct json item;
	while (json_next(&it, &key, &item))
		if (same_value(v, item, arena))
			return true;
	return false;
}

static bool span_among(struct span s, struct json list, struct arena *arena)
{
	struct json_iter it = json_iter(list);
	struct span key;
	struct json item;
	while (json_next(&it, &key, &item))
		if (span_eq(s, json_text(item, arena)))
			return true;
	return false;
}

static bool is_text_list(struct finished *c, struct rule_condition *k, uint16_t what)
{
	(void)c;
	(void)what;
	struct json_iter it = json_iter(k->value);
	struct span key;
	struct json item;
	if (k->value.kind != JSON_ARRAY || !json_count(k->value))
		return false;
	while (json_next(&it, &key, &item))
		if (item.kind != JSON_STRING)
			return false;
	return true;
}

/* structured: the report's structured data, else its structured outputs by name. */

static bool structured_good(struct finished *c, struct rule_condition *k, uint16_t what)
{
	return is_text(c, k, what) && (json_get(k->doc, "equals").kind != JSON_NONE ||
				       json_get(k->doc, "in").kind == JSON_ARRAY ||
				       json_true(json_get(k->doc, "present")));
}

static struct json output_named(const struct finished *c, const char *path)
{
	size_t n = strcspn(path, ".");
	struct json_iter it = json_iter(c->structured_outputs);
	struct span key;
	struct json v;
	while (c->structured_outputs.kind == JSON_OBJECT && json_next(&it, &key, &v)) {
		struct span name = json_text(json_get(v, "name"), c->arena);
		struct json result = json_get(v, "result");
		if (span_eq(name, (struct span){ path, n }))
			return path[n] ? json_path(result, path + n + 1) : result;
	}
	return (struct json){ 0 };
}

static bool structured_holds(struct finished *c, const struct rule_condition *k, uint16_t what,
			     struct passage *evidence)
{
	(void)what;
	const char *path = arena_printf(c->arena, "%.*s", SPAN_ARG(json_text(k->value, c->arena)));
	struct json v = json_path(c->structured_data, path);
	struct json equals = json_get(k->doc, "equals"), in = json_get(k->doc, "in");
	if (v.kind == JSON_NONE)
		v = output_named(c, path);
	if (!json_has(v) && equals.kind != JSON_NULL)
		return false;
	if (equals.kind != JSON_NONE && !same_value(v, equals, c->arena))
		return false;
	if (in.kind == JSON_ARRAY && !is_among(v, in, c->arena))
		return false;
	*evidence = told(c, span_of(arena_printf(c->arena, "%s: %.*s", path, SPAN_ARG(v.raw))));
	return true;
}

static bool evaluation_good(struct finished *c, struct rule_condition *k, uint16_t what)
{
	(void)c;
	(void)what;
	return k->value.kind == JSON_TRUE || k->value.kind == JSON_FALSE;
}

static bool evaluation_holds(struct finished *c, const struct rule_condition *k, uint16_t what,
			     struct passage *evidence)
{
	struct json threshold = json_get(k->doc, "threshold");
	double least = 0;
	(void)what;
	if (json_has(threshold))
		(void)json_f64(threshold, &least);
	int good = understand_outcome_evaluation(c->evaluation, least, c->arena);
	if (good < 0 || (good == 1) != (k->value.kind == JSON_TRUE))
		return false;
	*evidence = told(c, span_of(arena_printf(c->arena, "evaluation: %.*s",
						 SPAN_ARG(c->evaluation.raw))));
	return true;
}

static bool tool_holds(struct finished *c, const struct rule_condition *k, uint16_t what,
		       struct passage *evidence)
{
	struct span name = json_text(k->value, c->arena);
	bool wanted = json_get(k->doc, "success").kind != JSON_FALSE;
	(void)what;
	for (size_t i = c->tools_n; i > 0; i--) {
		const struct used_tool *t = &c->tools[i - 1];
		bool fits = wanted ? t->succeeded : t->trouble != TOOL_TROUBLE_NONE;
		if (!fits || !span_eq(t->name, name))
			continue;
		*evidence = told(c, span_of(arena_printf(c->arena, "tool %.*s %s", SPAN_ARG(name),
							 wanted ? "succeeded" : "failed")));
		evidence->has_seq = true;
		evidence->seq = t->seq;
		evidence->offset_ms = t->offset_ms;
		return true;
	}
	return false;
}

static bool reason_holds(struct finished *c, const struct rule_condition *k, uint16_t what,
			 struct passage *evidence)
{
	(void)what;
	if (!c->ended_reason.n || !span_among(c->ended_reason, k->value, c->arena))
		return false;
	*evidence = told(c, c->ended_reason);
	return true;
}

static bool class_holds(struct finished *c, const struct rule_condition *k, uint16_t what,
			struct passage *evidence)
{
	(void)what;
	if (!c->ended_class.n || !span_among(c->ended_class, k->value, c->arena))
		return false;
	*evidence = told(c, c->ended_reason.n ? c->ended_reason : c->ended_class);
	return true;
}

static enum speaker speaker_wanted(const struct rule_condition *k)
{
	struct json v = json_get(k->doc, "speaker");
	if (json_is_text(v, "user"))
		return SPEAKER_USER;
	return json_is_text(v, "ai") ? SPEAKER_AI : SPEAKER_NONE;
}

static bool phrase_good(struct finished *c, struct rule_condition *k, uint16_t what)
{
	struct json speaker = json_get(k->doc, "speaker");
	return is_text(c, k, what) && (!json_has(speaker) || speaker_wanted(k) != SPEAKER_NONE) &&
	       phrasebook_add_text(c->book, json_text(k->value, c->arena), what, 100);
}

static bool phrase_holds(struct finished *c, const struct rule_condition *k, uint16_t what,
			 struct passage *evidence)
{
	const struct turn *t = understand_turns_last(c, 0, speaker_wanted(k), (enum sign)what);
	if (!t)
		return false;
	*evidence = understand_turns_passage(t);
	return true;
}

static bool field_holds(struct finished *c, const struct rule_condition *k, uint16_t what,
			struct passage *evidence)
{
	struct span name = json_text(k->value, c->arena);
	(void)what;
	for (size_t i = 0; c->fields && i < fields_n(c->fields); i++) {
		if (!span_eq(fields_at(c->fields, i).name, name) ||
		    captures_at(c->captures, i)->state != FIELD_STATE_CAPTURED)
			continue;
		*evidence = understand_fields_passage(c, i);
		return true;
	}
	return false;
}

static bool all_good(struct finished *c, struct rule_condition *k, uint16_t what)
{
	(void)c;
	(void)what;
	return json_is_text(k->value, "all");
}

static bool all_holds(struct finished *c, const struct rule_condition *k, uint16_t what,
		      struct passage *evidence)
{
	(void)k;
	(void)what;
	(void)evidence;
	return c->fields_wanted > 0 && c->fields_captured == c->fields_wanted;
}

static const struct condition_kind kinds[] = {
	{ "structured", "a path, with equals, in or present", structured_good, structured_holds },
	{ "evaluation", "true or false", evaluation_good, evaluation_holds },
	{ "tool", "a tool's name", is_text, tool_holds },
	{ "ended_reason", "a list of reasons", is_text_list, reason_holds },
	{ "ended_class", "a list of classes", is_text_list, class_holds },
	{ "phrase", "words, with speaker ai or user or without", phrase_good, phrase_holds },
	{ "field", "a field's name", is_text, field_holds },
	{ "fields", "\"all\"", all_good, all_holds },
};

/* --- the rule --- */

static const struct condition_kind *kind_of(struct json doc, struct json *value)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		*value = json_get(doc, kinds[i].name);
		if (value->kind != JSON_NONE)
			return &kinds[i];
	}
	return NULL;
}

static int compile_one(struct finished *c, struct json doc, struct fault *f)
{
	struct rule_condition k = { .doc = doc };
	uint16_t what = (uint16_t)(SIGN_COUNT + c->conditions_n);
	if (doc.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "expected object");
	k.kind = kind_of(doc, &k.value);
	if (!k.kind)
		return fault(f, E_INVALID,
			     "expected one of structured, evaluation, tool, ended_reason, "
			     "ended_class, phrase, field, fields");
	if (!k.kind->good(c, &k, what))
		return fault(f, E_INVALID, "%s: expected %s", k.kind->name, k.kind->expected);
	c->conditions[c->conditions_n++] = k;
	return 0;
}

static int compile_list(struct finished *c, const char *name, struct fault *f)
{
	struct json list = json_get(c->success_rule, name);
	struct json_iter it = json_iter(list);
	struct span key;
	struct json doc;
	if (!json_has(list))
		return 0;
	if (list.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "success_rule: %s: expected array", name);
	for (size_t i = 0; json_next(&it, &key, &doc); i++)
		if (compile_one(c, doc, f))
			return fault_wrap(f, "success_rule: %s[%zu]", name, i);
	return 0;
}

int understand_outcome_compile(struct finished *c, struct fault *f)
{
	if (!json_has(c->success_rule))
		return 0;
	if (c->success_rule.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "success_rule: expected object");
	size_t most = json_count(json_get(c->success_rule, "success")) +
		      json_count(json_get(c->success_rule, "failure"));
	if (most > UNDERSTANDING_CONDITIONS_MAX)
		return fault(f, E_INVALID, "success_rule: at most %d conditions",
			     UNDERSTANDING_CONDITIONS_MAX);
	c->conditions = arena_alloc(c->arena, most * sizeof(*c->conditions) + 1);
	TRY(compile_list(c, "success", f));
	c->success_n = c->conditions_n;
	return compile_list(c, "failure", f);
}

/* --- deciding --- */

static bool by_posted(struct finished *c, struct found_outcome *o)
{
	if (!c->posted.given)
		return false;
	*o = (struct found_outcome){ c->posted.verdict, "posted", c->posted.label, { 0 } };
	if (c->posted.reason.n)
		o->evidence = told(c, c->posted.reason);
	return true;
}

static bool by_rule(struct finished *c, struct found_outcome *o)
{
	*o = (struct found_outcome){ .by = "rule" };
	for (size_t i = 0; i < c->conditions_n; i++) {
		const struct rule_condition *k = &c->conditions[i];
		if (!k->kind->holds(c, k, (uint16_t)(SIGN_COUNT + i), &o->evidence))
			continue;
		o->verdict = i < c->success_n ? VERDICT_SUCCESS : VERDICT_FAILURE;
		o->label = json_text(json_get(k->doc, "label"), c->arena);
		return true;
	}
	o->verdict = c->conversation ? VERDICT_FAILURE : VERDICT_UNKNOWN;
	return c->conditions_n > 0;
}

static bool by_evaluation(struct finished *c, struct found_outcome *o)
{
	int good = understand_outcome_evaluation(c->evaluation, 0, c->arena);
	if (good < 0)
		return false;
	*o = (struct found_outcome){ .verdict = good ? VERDICT_SUCCESS : VERDICT_FAILURE,
				     .by = "evaluation",
				     .evidence = told(c, c->evaluation.raw) };
	return true;
}

static bool by_fields(struct finished *c, struct found_outcome *o)
{
	if (!c->fields_wanted || !c->conversation)
		return false;
	*o = (struct found_outcome){ .verdict = c->fields_captured == c->fields_wanted
							? VERDICT_SUCCESS
							: VERDICT_FAILURE,
				     .by = "fields" };
	return true;
}

static bool by_nothing(struct finished *c, struct found_outcome *o)
{
	(void)c;
	*o = (struct found_outcome){ .verdict = VERDICT_UNKNOWN, .by = "none" };
	return true;
}

void understand_outcome_decide(struct finished *c)
{
	static bool (*const order[])(struct finished *,
				     struct found_outcome *) = { by_posted, by_rule, by_evaluation,
								 by_fields, by_nothing };
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
		if (order[i](c, &c->outcome))
			return;
}
