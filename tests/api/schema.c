#include "schema.h"

#include <stdio.h>

#include "base/clock.h"
#include "callmend/uuid.h"

struct context {
	struct json document;
	struct buf *why;
	char path[256];
};

static bool fits(struct context *c, struct json schema, struct json value);

static bool wrong(struct context *c, const char *rule, struct json value)
{
	size_t n = value.raw.n < 200 ? value.raw.n : 200;
	buf_printf(c->why, "%s: %s: %.*s\n", c->path[0] ? c->path : "(root)", rule, (int)n,
		   value.raw.p);
	return false;
}

struct json schema_ref(struct json document, struct span ref)
{
	char name[64];
	struct span rest = span_from(ref, 2); /* "#/" */
	struct json at = document;
	while (rest.n) {
		const char *slash = memchr(rest.p, '/', rest.n);
		size_t n = slash ? (size_t)(slash - rest.p) : rest.n;
		snprintf(name, sizeof(name), "%.*s", (int)n, rest.p);
		at = json_get(at, name);
		rest = span_from(rest, n + 1);
	}
	return at;
}

static bool is_integer(struct json v)
{
	return v.kind == JSON_NUMBER && !memchr(v.raw.p, '.', v.raw.n) &&
	       !memchr(v.raw.p, 'e', v.raw.n);
}

static bool is_type(struct json type, struct json v)
{
	static const struct {
		const char *name;
		enum json_kind kind;
	} plain[] = {
		{ "string", JSON_STRING }, { "number", JSON_NUMBER }, { "object", JSON_OBJECT },
		{ "array", JSON_ARRAY },   { "null", JSON_NULL },     { "boolean", JSON_TRUE },
		{ "boolean", JSON_FALSE },
	};
	if (json_is_text(type, "integer"))
		return is_integer(v);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (v.kind == plain[i].kind && json_is_text(type, plain[i].name))
			return true;
	return false;
}

static bool check_type(struct context *c, struct json rule, struct json v)
{
	struct json_iter it = json_iter(rule);
	struct span key;
	struct json one;
	if (rule.kind == JSON_STRING)
		return is_type(rule, v) || wrong(c, "type", v);
	while (json_next(&it, &key, &one))
		if (is_type(one, v))
			return true;
	return wrong(c, "type", v);
}

static bool check_enum(struct context *c, struct json rule, struct json v)
{
	struct json_iter it = json_iter(rule);
	struct span key;
	struct json one;
	while (json_next(&it, &key, &one))
		if (span_eq(one.raw, v.raw))
			return true;
	return wrong(c, "enum", v);
}

static bool at_member(struct context *c, struct span key, struct json schema, struct json value)
{
	size_t n = strlen(c->path);
	snprintf(c->path + n, sizeof(c->path) - n, ".%.*s", SPAN_ARG(key));
	bool ok = fits(c, schema, value);
	c->path[n] = '\0';
	return ok;
}

static bool check_properties(struct context *c, struct json rule, struct json v)
{
	struct json_iter it = json_iter(rule);
	struct span key;
	struct json schema;
	bool ok = true;
	while (v.kind == JSON_OBJECT && json_next(&it, &key, &schema)) {
		char name[64];
		snprintf(name, sizeof(name), "%.*s", SPAN_ARG(key));
		struct json member = json_get(v, name);
		if (member.kind != JSON_NONE)
			ok &= at_member(c, key, schema, member);
	}
	return ok;
}

static bool check_required(struct context *c, struct json rule, struct json v)
{
	struct json_iter it = json_iter(rule);
	struct span key;
	struct json name;
	while (v.kind == JSON_OBJECT && json_next(&it, &key, &name)) {
		char z[64];
		snprintf(z, sizeof(z), "%.*s", (int)name.raw.n - 2, name.raw.p + 1);
		if (json_get(v, z).kind == JSON_NONE)
			return wrong(c, "required member is missing", name);
	}
	return true;
}

static bool check_items(struct context *c, struct json rule, struct json v)
{
	struct json_iter it = json_iter(v);
	struct span key;
	struct json item;
	bool ok = true;
	while (v.kind == JSON_ARRAY && json_next(&it, &key, &item))
		ok &= at_member(c, SPAN("[]"), rule, item);
	return ok;
}

static bool check_additional(struct context *c, struct json schema, struct json rule, struct json v)
{
	struct json_iter it = json_iter(v);
	struct json known = json_get(schema, "properties"), member;
	struct span key;
	while (v.kind == JSON_OBJECT && json_next(&it, &key, &member)) {
		char name[64];
		snprintf(name, sizeof(name), "%.*s", SPAN_ARG(key));
		if (json_get(known, name).kind != JSON_NONE)
			continue;
		if (rule.kind == JSON_FALSE)
			return wrong(c, "additional member", member);
		if (rule.kind == JSON_OBJECT && !at_member(c, key, rule, member))
			return false;
	}
	return true;
}

static bool check_format(struct context *c, struct json rule, struct json v)
{
	struct span text = { v.raw.p + 1, v.raw.n - 2 };
	struct uuid u;
	int64_t us;
	if (v.kind != JSON_STRING)
		return true;
	if (json_is_text(rule, "uuid") && uuid_parse(&u, text))
		return wrong(c, "format uuid", v);
	if (json_is_text(rule, "date-time") && !clock_parse(text, &us))
		return wrong(c, "format date-time", v);
	return true;
}

static bool check_bounds(struct context *c, struct json schema, struct json v)
{
	int64_t n, bound;
	if (v.kind == JSON_NUMBER && json_i64(v, &n)) {
		if (json_i64(json_get(schema, "minimum"), &bound) && n < bound)
			return wrong(c, "minimum", v);
		if (json_i64(json_get(schema, "maximum"), &bound) && n > bound)
			return wrong(c, "maximum", v);
	}
	if (v.kind == JSON_STRING) {
		if (json_i64(json_get(schema, "minLength"), &bound) && (int64_t)v.raw.n - 2 < bound)
			return wrong(c, "minLength", v);
		if (json_i64(json_get(schema, "maxLength"), &bound) && (int64_t)v.raw.n - 2 > bound)
			return wrong(c, "maxLength", v);
	}
	return true;
}

static bool check_all_of(struct context *c, struct json rule, struct json v)
{
	struct json_iter it = json_iter(rule);
	struct span key;
	struct json one;
	bool ok = true;
	while (json_next(&it, &key, &one))
		ok &= fits(c, one, v);
	return ok;
}

static bool check_one_of(struct context *c, struct json rule, struct json v)
{
	struct json_iter it = json_iter(rule);
	struct span key;
	struct json one;
	size_t fitting = 0;
	while (json_next(&it, &key, &one)) {
		struct buf scratch AUTO_BUF = { 0 };
		struct context inner = { .document = c->document, .why = &scratch };
		fitting += fits(&inner, one, v);
	}
	return fitting == 1 || wrong(c, "oneOf", v);
}

static bool fits(struct context *c, struct json schema, struct json v)
{
	static const struct {
		const char *name;
		bool (*check)(struct context *, struct json rule, struct json v);
	} rules[] = {
		{ "type", check_type },
		{ "enum", check_enum },
		{ "properties", check_properties },
		{ "required", check_required },
		{ "items", check_items },
		{ "format", check_format },
		{ "allOf", check_all_of },
		{ "oneOf", check_one_of },
	};
	struct json ref = json_get(schema, "$ref"), more = json_get(schema, "additionalProperties");
	bool ok = true;
	if (ref.kind == JSON_STRING) {
		struct json target =
			schema_ref(c->document, (struct span){ ref.raw.p + 1, ref.raw.n - 2 });
		return target.kind == JSON_OBJECT ? fits(c, target, v)
						  : wrong(c, "$ref leads nowhere", ref);
	}
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		struct json rule = json_get(schema, rules[i].name);
		if (rule.kind != JSON_NONE)
			ok &= rules[i].check(c, rule, v);
	}
	if (more.kind != JSON_NONE)
		ok &= check_additional(c, schema, more, v);
	return ok & check_bounds(c, schema, v);
}

bool schema_fits(struct json document, struct json schema, struct json value, struct buf *why)
{
	struct context c = { .document = document, .why = why };
	return fits(&c, schema, value);
}
