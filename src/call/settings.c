#include "callmend/settings.h"

#include <stddef.h>
#include <string.h>

enum { TOOL_TIMEOUT_MAX_MS = 15000 };

#define SETTINGS_FIELDS(F, T)                                  \
	F(T, TEXT, org, "org", OPTIONAL)                       \
	F(T, TEXT, source, "source", OPTIONAL)                 \
	F(T, TEXT, project, "project", OPTIONAL)               \
	F(T, TEXT, dialect, "dialect", REQUIRED)               \
	F(T, TEXT, source_name, "source_name", OPTIONAL)       \
	F(T, TEXT, project_name, "project_name", OPTIONAL)     \
	F(T, TEXT, language, "language", OPTIONAL)             \
	F(T, TEXT, instruction, "instruction", OPTIONAL)       \
	F(T, BOOL, upstream, "upstream", OPTIONAL)             \
	F(T, BOOL, reconcile, "reconcile", OPTIONAL)           \
	F(T, BOOL, no_session, "no_session", OPTIONAL)         \
	F(T, RAW, fields, "fields", OPTIONAL)                  \
	F(T, RAW, rules, "rules", OPTIONAL)                    \
	F(T, BOOL, context_inject, "context_inject", OPTIONAL) \
	F(T, BOOL, imported, "imported", OPTIONAL)             \
	F(T, RAW, tools, "tools", OPTIONAL)
JSON_STRUCT(settings_json, SETTINGS_FIELDS)
JSON_FIELDS(settings_json, SETTINGS_FIELDS)

#define TOOL_FIELDS(F, T)                                    \
	F(T, TEXT, id, "id", OPTIONAL)                       \
	F(T, TEXT, name, "name", REQUIRED)                   \
	F(T, RAW, timeout_ms, "timeout_ms", OPTIONAL)        \
	F(T, TEXT, fallback, "fallback", OPTIONAL)           \
	F(T, RAW, status_min, "status_min", OPTIONAL)        \
	F(T, RAW, status_max, "status_max", OPTIONAL)        \
	F(T, TEXT, json_path, "json_path", OPTIONAL)         \
	F(T, TEXT, pattern, "pattern", OPTIONAL)             \
	F(T, TEXT, empty_path, "empty_path", OPTIONAL)       \
	F(T, TEXT, empty_pattern, "empty_pattern", OPTIONAL) \
	F(T, TEXT, result_path, "result_path", OPTIONAL)
JSON_STRUCT(tool_json, TOOL_FIELDS)
JSON_FIELDS(tool_json, TOOL_FIELDS)

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
#define X(name, dflt, doc) { #name, offsetof(struct settings, name) },
	SETTINGS_NUMBERS(X)
#undef X
};

static int64_t *number_at(struct settings *s, size_t i)
{
	return (int64_t *)(void *)((char *)s + numbers[i].offset);
}

void settings_defaults(struct settings *out)
{
	*out = (struct settings){ .language = SPAN("auto") };
#define X(name, dflt, doc) out->name = (dflt);
	SETTINGS_NUMBERS(X)
#undef X
}

static bool in_range(int64_t value)
{
	return value >= 0 && value <= SETTINGS_NUMBER_MAX;
}

bool settings_set_number(struct settings *s, const char *name, int64_t value)
{
	size_t i = 0;
	while (i < COUNT(numbers) && strcmp(numbers[i].name, name) != 0)
		i++;
	if (i == COUNT(numbers) || !in_range(value))
		return false;
	*number_at(s, i) = value;
	return true;
}

/* An absent number keeps what is there. */
static int read_number(struct json object, const char *name, int64_t *out, struct fault *f)
{
	struct json v = json_get(object, name);
	if (!json_has(v))
		return 0;
	if (!json_i64(v, out) || !in_range(*out))
		return fault(f, E_INVALID, "%s: must be a whole number from 0 to %lld", name,
			     (long long)SETTINGS_NUMBER_MAX);
	return 0;
}

static int read_uuid(const char *member, struct span text, struct uuid *out, struct fault *f)
{
	if (text.n && uuid_parse(out, text))
		return fault(f, E_INVALID, "%s: must be a UUID", member);
	return 0;
}

static int read_tool(struct json object, struct arena *a, struct tool_rule *out, struct fault *f)
{
	struct tool_json j = { 0 };
	TRY(JSON_READ(tool_json, object, a, &j, f));
	struct tool_rule r = { .name = j.name,
			       .timeout_ms = 10000,
			       .fallback = j.fallback,
			       .status_min = 200,
			       .status_max = 299,
			       .json_path = j.json_path,
			       .pattern = j.pattern,
			       .empty_path = j.empty_path,
			       .empty_pattern = j.empty_pattern,
			       .result_path = j.result_path };
	TRY(read_uuid("id", j.id, &r.id, f));
	TRY(read_number(object, "timeout_ms", &r.timeout_ms, f));
	TRY(read_number(object, "status_min", &r.status_min, f));
	TRY(read_number(object, "status_max", &r.status_max, f));
	if (r.timeout_ms > TOOL_TIMEOUT_MAX_MS)
		return fault(f, E_INVALID, "timeout_ms: at most %d", TOOL_TIMEOUT_MAX_MS);
	*out = r;
	return 0;
}

static int read_tools(struct json array, struct arena *a, struct settings *out, struct fault *f)
{
	size_t n = json_count(array), i = 0;
	if (n == 0)
		return 0;
	if (n > SETTINGS_TOOLS_MAX)
		return fault(f, E_INVALID, "tools: at most %d", SETTINGS_TOOLS_MAX);
	struct tool_rule *rules = arena_alloc(a, n * sizeof(*rules));
	struct json_iter it = json_iter(array);
	struct span key;
	struct json v;
	for (; i < n && json_next(&it, &key, &v); i++)
		if (read_tool(v, a, &rules[i], f))
			return fault_wrap(f, "tools[%zu]", i), E_INVALID;
	out->tools = rules;
	out->tools_n = i;
	return 0;
}

int settings_read(struct json object, struct arena *a, struct settings *out, struct fault *f)
{
	struct settings_json j = { 0 };
	struct settings s;
	settings_defaults(&s);
	if (object.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "settings must be a JSON object");
	TRY(JSON_READ(settings_json, object, a, &j, f));
	TRY(read_uuid("org", j.org, &s.org, f));
	TRY(read_uuid("source", j.source, &s.source, f));
	TRY(read_uuid("project", j.project, &s.project, f));
	TRY(read_uuid("instruction", j.instruction, &s.instruction, f));
	for (size_t i = 0; i < COUNT(numbers); i++)
		TRY(read_number(object, numbers[i].name, number_at(&s, i), f));
	TRY(read_tools(j.tools, a, &s, f));
	s.dialect = j.dialect;
	s.source_name = j.source_name;
	s.project_name = j.project_name;
	s.language = j.language.n ? j.language : s.language;
	s.upstream = j.upstream;
	s.reconcile = j.reconcile;
	s.no_session = j.no_session;
	s.fields = json_has(j.fields) ? j.fields : (struct json){ 0 };
	s.rules = json_has(j.rules) ? j.rules : (struct json){ 0 };
	s.context_inject = j.context_inject;
	s.imported = j.imported;
	*out = s;
	return 0;
}

static void put_uuid(struct json_out *o, const char *key, const struct uuid *u)
{
	char text[UUID_TEXT + 1];
	uuid_format(u, text);
	if (!uuid_is_nil(u))
		json_put_z(o, key, text);
}

static void put_if(struct json_out *o, const char *key, struct span text)
{
	if (text.n)
		json_put_text(o, key, text);
}

static void put_raw_if(struct json_out *o, const char *key, struct json v)
{
	if (json_has(v))
		json_put_raw(o, key, v.raw);
}

static void write_tool(struct json_out *o, const struct tool_rule *r)
{
	json_begin(o, NULL);
	put_uuid(o, "id", &r->id);
	json_put_text(o, "name", r->name);
	json_put_i64(o, "timeout_ms", r->timeout_ms);
	put_if(o, "fallback", r->fallback);
	json_put_i64(o, "status_min", r->status_min);
	json_put_i64(o, "status_max", r->status_max);
	put_if(o, "json_path", r->json_path);
	put_if(o, "pattern", r->pattern);
	put_if(o, "empty_path", r->empty_path);
	put_if(o, "empty_pattern", r->empty_pattern);
	put_if(o, "result_path", r->result_path);
	json_end(o);
}

void settings_write(const struct settings *s, struct buf *out)
{
	struct json_out o = { .b = out };
	json_begin(&o, NULL);
	put_uuid(&o, "org", &s->org);
	put_uuid(&o, "source", &s->source);
	put_uuid(&o, "project", &s->project);
	json_put_text(&o, "dialect", s->dialect);
	put_if(&o, "source_name", s->source_name);
	put_if(&o, "project_name", s->project_name);
	put_if(&o, "language", s->language);
	put_uuid(&o, "instruction", &s->instruction);
	json_put_bool(&o, "upstream", s->upstream);
	json_put_bool(&o, "reconcile", s->reconcile);
	if (s->no_session)
		json_put_bool(&o, "no_session", true);
	put_raw_if(&o, "fields", s->fields);
	put_raw_if(&o, "rules", s->rules);
	json_put_bool(&o, "context_inject", s->context_inject);
	json_put_bool(&o, "imported", s->imported);
#define X(name, dflt, doc) json_put_i64(&o, #name, s->name);
	SETTINGS_NUMBERS(X)
#undef X
	json_begin_array(&o, "tools");
	for (size_t i = 0; i < s->tools_n; i++)
		write_tool(&o, &s->tools[i]);
	json_end_array(&o);
	json_end(&o);
}
