#include "api/params.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "callmend/uuid.h"

/* Each checks one text and gives it in PostgreSQL's form; false: it is not of this type. */
typedef bool check_fn(const struct param *, struct span text, struct arena *, const char **out);

static bool is_clean_text(struct span text)
{
	for (const char *p = text.p, *end = text.p + text.n; p < end;) {
		int step = utf8_step(p, end);
		if (step < 0 || *p == 0)
			return false;
		p += step;
	}
	return true;
}

static const char *copy_z(struct arena *a, struct span text)
{
	return arena_printf(a, "%.*s", SPAN_ARG(text));
}

static size_t text_limit(const struct param *p)
{
	return p->max ? (size_t)p->max : PARAM_TEXT_MAX;
}

static bool check_text(const struct param *p, struct span text, struct arena *a, const char **out)
{
	if (text.n < (size_t)p->min || text.n > text_limit(p) || !is_clean_text(text))
		return false;
	*out = copy_z(a, text);
	return true;
}

static bool check_call(const struct param *p, struct span text, struct arena *a, const char **out)
{
	(void)p;
	if (text.n == 0 || text.n > PARAM_CALL_MAX)
		return false;
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~')
			return false;
	*out = copy_z(a, text);
	return true;
}

static bool check_uuid(const struct param *p, struct span text, struct arena *a, const char **out)
{
	(void)p;
	struct uuid u;
	if (uuid_parse(&u, text))
		return false;
	char *z = arena_alloc(a, UUID_TEXT + 1);
	uuid_format(&u, z);
	*out = z;
	return true;
}

static bool check_int(const struct param *p, struct span text, struct arena *a, const char **out)
{
	if (text.n == 0 || text.n > 18)
		return false;
	size_t digits = text.p[0] == '-' ? 1 : 0;
	for (size_t i = digits; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
	if (digits == text.n)
		return false;
	int64_t v = strtoll(copy_z(a, text), NULL, 10);
	if (v < p->min || v > p->max)
		return false;
	if (p->cap && v > p->cap)
		v = p->cap;
	*out = arena_printf(a, "%lld", (long long)v);
	return true;
}

static bool check_bool(const struct param *p, struct span text, struct arena *a, const char **out)
{
	(void)p;
	(void)a;
	if (!span_is(text, "true") && !span_is(text, "false"))
		return false;
	*out = span_is(text, "true") ? "true" : "false";
	return true;
}

static bool check_time(const struct param *p, struct span text, struct arena *a, const char **out)
{
	(void)p;
	int64_t us;
	if (!clock_parse(text, &us))
		return false;
	char *z = arena_alloc(a, CLOCK_ISO + 1);
	clock_format(us, z);
	*out = z;
	return true;
}

static bool check_enum(const struct param *p, struct span text, struct arena *a, const char **out)
{
	(void)a;
	for (const char *const *v = p->values; *v; v++) {
		if (!span_is(text, *v))
			continue;
		*out = *v;
		return true;
	}
	return false;
}

static bool check_number(const struct param *p, struct span text, struct arena *a, const char **out)
{
	double v;
	(void)p;
	if (text.n > 40 || json_check(text, NULL) || json_of(text).kind != JSON_NUMBER ||
	    !json_f64(json_of(text), &v) || v > 1e15 || v < -1e15)
		return false;
	*out = copy_z(a, text);
	return true;
}

static bool check_json(const struct param *p, struct span text, struct arena *a, const char **out)
{
	if (p->max && text.n > (size_t)p->max)
		return false;
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	json_put_clean(&o, NULL, text);
	*out = copy_z(a, buf_span(&b));
	return true;
}

#define KIND(k) (1U << JSON_##k)
enum {
	KINDS_BOOL = KIND(FALSE) | KIND(TRUE),
	KINDS_ANY = KINDS_BOOL | KIND(NUMBER) | KIND(STRING) | KIND(ARRAY) | KIND(OBJECT),
};

static const struct {
	const char *expects, *schema;
	check_fn *check;
	unsigned kinds; /* what a member of a body may be */
} types[] = {
	[PARAM_TEXT] = { "text", "\"type\":\"string\"", check_text, KIND(STRING) },
	[PARAM_CALL] = { "a call id", "\"type\":\"string\"", check_call, KIND(STRING) },
	[PARAM_UUID] = { "a UUID", "\"type\":\"string\",\"format\":\"uuid\"", check_uuid,
			 KIND(STRING) },
	[PARAM_INT] = { "a whole number", "\"type\":\"integer\"", check_int, KIND(NUMBER) },
	[PARAM_BOOL] = { "true or false", "\"type\":\"boolean\"", check_bool, KINDS_BOOL },
	[PARAM_TIME] = { "an ISO 8601 time with zone",
			 "\"type\":\"string\",\"format\":\"date-time\"", check_time, KIND(STRING) },
	[PARAM_ENUM] = { "one of", "\"type\":\"string\"", check_enum, KIND(STRING) },
	[PARAM_NUMBER] = { "a number", "\"type\":\"number\"", check_number, KIND(NUMBER) },
	[PARAM_OBJECT] = { "a JSON object", "\"type\":\"object\"", check_json, KIND(OBJECT) },
	[PARAM_ARRAY] = { "a JSON array", "\"type\":\"array\"", check_json, KIND(ARRAY) },
	[PARAM_ANY] = { "a JSON value", "", check_json, KINDS_ANY },
};

static const char *const places[] = {
	[PARAM_IN_PATH] = "path",  [PARAM_IN_QUERY] = "query",	 [PARAM_IN_BODY] = "body",
	[PARAM_IN_WHOLE] = "body", [PARAM_IN_CALLER] = "caller",
};

const char *param_type_schema(enum param_type type)
{
	return types[type].schema;
}

static enum problem_kind kind_for(enum param_in in)
{
	return in == PARAM_IN_BODY ? PROBLEM_INVALID_BODY : PROBLEM_BAD_PARAMETER;
}

/* "expected a whole number from 1 to 500" */
static void describe(const struct param *p, struct buf *out)
{
	buf_printf(out, "expected %s", types[p->type].expects);
	if (p->type == PARAM_INT)
		buf_printf(out, " from %lld to %lld", (long long)p->min, (long long)p->max);
	if (p->type == PARAM_TEXT)
		buf_printf(out, " of %lld to %zu bytes of UTF-8", (long long)p->min, text_limit(p));
	if (p->type == PARAM_ENUM)
		for (const char *const *v = p->values; *v; v++)
			buf_printf(out, "%s%s", v == p->values ? ": " : ", ", *v);
	if (p->type >= PARAM_OBJECT && p->max)
		buf_printf(out, " of at most %lld bytes", (long long)p->max);
}

static bool refuse(const struct param *p, struct problem *out)
{
	struct buf b AUTO_BUF = { 0 };
	describe(p, &b);
	return problem_at(out, kind_for(p->in), places[p->in], span_of(p->name), "%s: %s", p->name,
			  buf_z(&b));
}

bool params_text(const struct param *p, struct span text, struct arena *a, const char **out,
		 struct problem *problem)
{
	return types[p->type].check(p, text, a, out) || refuse(p, problem);
}

int params_find(const struct param *params, size_t n, enum param_in in, struct span name)
{
	for (size_t i = 0; i < n; i++)
		if (params[i].in == in && span_is(name, params[i].name))
			return (int)i;
	return -1;
}

static bool read_member(const struct param *p, struct json value, struct arena *a, const char **out,
			struct problem *problem)
{
	if (!(types[p->type].kinds & 1U << value.kind))
		return refuse(p, problem);
	bool string = value.kind == JSON_STRING && p->type != PARAM_ANY;
	return params_text(p, string ? json_text(value, a) : value.raw, a, out, problem);
}

bool params_body(const struct param *params, size_t n, struct json body, struct arena *a,
		 const char **values, struct problem *out)
{
	if (body.kind != JSON_NONE && body.kind != JSON_OBJECT)
		return problem(out, PROBLEM_INVALID_BODY, "the body must be a JSON object");
	struct json_iter it = json_iter(body);
	struct span key;
	struct json value;
	while (body.kind == JSON_OBJECT && json_next(&it, &key, &value)) {
		int i = params_find(params, n, PARAM_IN_BODY, key);
		if (i < 0)
			return problem_at(out, PROBLEM_INVALID_BODY, "body", key,
					  "unknown member \"%.*s\"", SPAN_ARG(key));
		if (values[i])
			return problem_at(out, PROBLEM_INVALID_BODY, "body", key,
					  "member \"%.*s\" is there twice", SPAN_ARG(key));
		if (json_has(value) && !read_member(&params[i], value, a, &values[i], out))
			return false;
	}
	return params_complete(params, n, PARAM_IN_BODY, values, out);
}

bool params_complete(const struct param *params, size_t n, enum param_in in, const char **values,
		     struct problem *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct param *p = &params[i];
		if (p->in != in || values[i])
			continue;
		if (p->need == PARAM_REQUIRED)
			return problem_at(out, kind_for(in), places[in], span_of(p->name),
					  "%s is required", p->name);
		values[i] = p->fallback;
	}
	return true;
}
