#include "callmend/call_host.h"

#include <stddef.h>

static const char *const effects[] = {
#define X(id, text, doc) [EFFECT_##id] = text,
	EFFECTS(X)
#undef X
};

static const char *const ends[] = {
#define X(id, text, doc) [OUTCOME_##id] = text,
	OUTCOME_ENDS(X)
#undef X
};

const char *effect_name(enum effect_kind kind)
{
	return (unsigned)kind < sizeof(effects) / sizeof(*effects) ? effects[kind] : NULL;
}

#define OUTCOME_FIELDS(F, T)                            \
	F(T, TEXT, effect, "effect", REQUIRED)          \
	F(T, TEXT, end, "end", REQUIRED)                \
	F(T, I64, status, "status", OPTIONAL)           \
	F(T, TEXT, body, "body", OPTIONAL)              \
	F(T, TEXT, error, "error", OPTIONAL)            \
	F(T, BOOL, timed_out, "timed_out", OPTIONAL)    \
	F(T, I64, duration_us, "duration_us", OPTIONAL) \
	F(T, RAW, rewritten, "rewritten", OPTIONAL)
JSON_STRUCT(outcome_json, OUTCOME_FIELDS)
JSON_FIELDS(outcome_json, OUTCOME_FIELDS)

static bool end_from(struct span name, enum outcome_end *out)
{
	for (unsigned i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		if (!span_is(name, ends[i]))
			continue;
		*out = (enum outcome_end)i;
		return true;
	}
	return false;
}

int outcome_read(struct json object, struct arena *a, struct outcome *out, struct fault *f)
{
	struct outcome_json j = { 0 };
	struct outcome v = { 0 };
	if (object.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "an outcome must be a JSON object");
	TRY(JSON_READ(outcome_json, object, a, &j, f));
	if (uuid_parse(&v.effect, j.effect))
		return fault(f, E_INVALID, "effect: must be a UUID");
	if (!end_from(j.end, &v.end))
		return fault(f, E_INVALID, "end: unknown \"%.*s\"", SPAN_ARG(j.end));
	if (j.status < 0 || j.status > 999)
		return fault(f, E_INVALID, "status: must be 0 to 999");
	if (j.body.n > OUTCOME_BODY_LIMIT)
		return fault(f, E_INVALID, "body: at most %d bytes", OUTCOME_BODY_LIMIT);
	/* A note besides: an answer is not lost because of it. */
	bool noted =
		j.rewritten.kind == JSON_OBJECT && j.rewritten.raw.n <= OUTCOME_REWRITTEN_LIMIT;
	v.rewritten = noted ? j.rewritten : (struct json){ 0 };
	v.status = (int)j.status;
	v.body = j.body;
	v.error = j.error;
	v.timed_out = j.timed_out;
	v.duration_us = j.duration_us < 0 ? 0 : j.duration_us;
	*out = v;
	return 0;
}

void outcome_write(const struct outcome *v, struct buf *out)
{
	struct json_out o = { .b = out };
	char id[UUID_TEXT + 1];
	uuid_format(&v->effect, id);
	json_begin(&o, NULL);
	json_put_z(&o, "effect", id);
	json_put_z(&o, "end", ends[v->end]);
	json_put_i64(&o, "status", v->status);
	json_put_text(&o, "body", v->body);
	json_put_text(&o, "error", v->error);
	json_put_bool(&o, "timed_out", v->timed_out);
	json_put_i64(&o, "duration_us", v->duration_us);
	if (json_has(v->rewritten))
		json_put_raw(&o, "rewritten", v->rewritten.raw);
	json_end(&o);
}
