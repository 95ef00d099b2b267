#include "healing/window.h"

#include <stdlib.h>

#define CALL(F, T)                                          \
	F(T, TEXT, id, "id", REQUIRED)                      \
	F(T, TEXT, at, "at", REQUIRED)                      \
	F(T, TEXT, caller, "caller", OPTIONAL)              \
	F(T, I64, ms, "ms", OPTIONAL)                       \
	F(T, BOOL, eligible, "eligible", REQUIRED)          \
	F(T, BOOL, frustrated, "frustrated", OPTIONAL)      \
	F(T, TEXT, outcome, "outcome", REQUIRED)            \
	F(T, TEXT, cause, "cause", REQUIRED)                \
	F(T, RAW, point, "point", OPTIONAL)                 \
	F(T, RAW, fields, "fields", OPTIONAL)               \
	F(T, RAW, unanswered, "unanswered", OPTIONAL)       \
	F(T, RAW, signals, "signals", OPTIONAL)             \
	F(T, RAW, tool_failures, "tool_failures", OPTIONAL) \
	F(T, RAW, tools, "tools", OPTIONAL)                 \
	F(T, RAW, last, "last", OPTIONAL)
JSON_STRUCT(call_json, CALL)
JSON_FIELDS(call_json, CALL)

/* --- callers, numbered --- */

struct named {
	struct span name;
	size_t call;
};

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
	int order = n ? memcmp(x->name.p, y->name.p, n) : 0;
	return order ? order : (x->name.n > y->name.n) - (x->name.n < y->name.n);
}

static void number_callers(struct window *w, struct named *names)
{
	qsort(names, w->calls_n, sizeof(*names), by_name);
	for (size_t i = 0; i < w->calls_n; i++) {
		w->callers += i == 0 || !span_eq(names[i].name, names[i - 1].name);
		w->calls[names[i].call].caller = w->callers - 1;
	}
}

/* --- calls --- */

static int read_call(struct window *w, struct json v, struct named *name, struct fault *f)
{
	struct call_json j = { 0 };
	TRY(JSON_READ(call_json, v, w->arena, &j, f));
	name->name = j.caller.n ? j.caller : j.id;
	name->call = w->calls_n;
	w->eligible_n += j.eligible;
	w->calls[w->calls_n++] = (struct window_call){
		.id = j.id,
		.at = j.at,
		.ms = j.ms,
		.eligible = j.eligible,
		.succeeded = span_is(j.outcome, "success"),
		.failed = span_is(j.outcome, "failure"),
		.frustrated = j.frustrated,
		.cause = j.cause,
		.point = j.point,
		.fields = j.fields,
		.unanswered = j.unanswered,
		.signals = j.signals,
		.tool_failures = j.tool_failures,
		.tools = j.tools,
		.last = j.last,
	};
	return 0;
}

static int read_calls(struct window *w, struct json array, struct fault *f)
{
	struct json_iter it = json_iter(array);
	struct span key;
	struct json v;
	size_t most = json_count(array);
	struct named *names = arena_alloc(w->arena, most * sizeof(*names) + 1);
	w->calls = arena_alloc(w->arena, most * sizeof(*w->calls) + 1);
	while (json_next(&it, &key, &v))
		if (read_call(w, v, &names[w->calls_n], f))
			return fault_wrap(f, "calls[%zu]", w->calls_n);
	number_callers(w, names);
	return 0;
}

/* --- the project --- */

static void read_fields(struct window *w, struct json array)
{
	struct json_iter it = json_iter(array);
	struct span key;
	struct json v;
	w->fields = arena_alloc(w->arena, json_count(array) * sizeof(*w->fields) + 1);
	while (json_next(&it, &key, &v)) {
		struct span name = json_text(json_get(v, "name"), w->arena);
		struct span label = json_text(json_get(v, "label"), w->arena);
		struct json required = json_get(v, "required");
		if (!name.n || (json_has(required) && !json_true(required)))
			continue;
		w->fields[w->fields_n++] = (struct window_field){ name, label.n ? label : name };
	}
}

#define TOP(F, T)                                             \
	F(T, TEXT, project, "project.id", REQUIRED)           \
	F(T, TEXT, org, "project.org_id", REQUIRED)           \
	F(T, TEXT, language, "project.language", OPTIONAL)    \
	F(T, RAW, fields, "project.fields", OPTIONAL)         \
	F(T, RAW, thresholds, "project.thresholds", OPTIONAL) \
	F(T, RAW, sections, "version.sections", OPTIONAL)     \
	F(T, TEXT, version, "version.id", OPTIONAL)           \
	F(T, I64, number, "version.number", OPTIONAL)         \
	F(T, I64, seen, "seen", REQUIRED)                     \
	F(T, I64, outcomes, "seen_outcomes", REQUIRED)        \
	F(T, RAW, calls, "calls", REQUIRED)
JSON_STRUCT(top_json, TOP)
JSON_FIELDS(top_json, TOP)

int window_read(struct json loaded, struct arena *a, struct window *out, struct fault *f)
{
	struct top_json j = { 0 };
	TRY(JSON_READ(top_json, loaded, a, &j, f));
	*out = (struct window){
		.arena = a,
		.doc = loaded,
		.project = j.project,
		.org = j.org,
		.language = j.language,
		.sections = j.sections,
		.version = j.version,
		.version_number = j.number,
		.seen = j.seen,
		.seen_outcomes = j.outcomes,
	};
	TRY(thresholds_read(j.thresholds, &out->limits, f));
	read_fields(out, j.fields);
	return read_calls(out, j.calls, f);
}
