#include "callmend/heard.h"

#include <stddef.h>

static const char *const names[HEARD_COUNT] = {
#define X(id, text, doc) [HEARD_##id] = text,
	HEARD(X)
#undef X
};

const char *heard_name(enum heard_kind kind)
{
	return (unsigned)kind < HEARD_COUNT ? names[kind] : NULL;
}

bool heard_from(struct span name, enum heard_kind *out)
{
	for (unsigned i = 0; i < HEARD_COUNT; i++) {
		if (!span_is(name, names[i]))
			continue;
		*out = (enum heard_kind)i;
		return true;
	}
	return false;
}

/* As speaker_name() says it, which stands above this folder. */
static const char *const speakers[] = {
	[SPEAKER_NONE] = "",
	[SPEAKER_AI] = "ai",
	[SPEAKER_USER] = "user",
};

/* Members that are a number or a text, in the order in which they are written. */
#define NUMBERS(X) \
	X(at_us)   \
	X(ms)      \
	X(value)   \
	X(peak)    \
	X(noise)   \
	X(speech_ms) X(clipped) X(gaps) X(late) X(duplicates) X(reordered) X(damaged) X(rank)
#define TEXTS(X) X(name) X(text) X(id) X(party) X(who)

static void write_fact(const struct heard *h, struct json_out *o)
{
	json_begin(o, NULL);
	json_put_z(o, "heard", names[h->kind]);
	json_put_i64(o, "leg", h->leg);
	if (h->speaker != SPEAKER_NONE)
		json_put_z(o, "speaker", speakers[h->speaker]);
#define X(member)      \
	if (h->member) \
		json_put_i64(o, #member, h->member);
	NUMBERS(X)
#undef X
#define X(member)        \
	if (h->member.n) \
		json_put_text(o, #member, h->member);
	TEXTS(X)
#undef X
	if (h->final)
		json_put_bool(o, "final", true);
	json_end(o);
}

void heard_write(struct span stream, const struct heard *facts, size_t n, struct buf *out)
{
	struct json_out o = { .b = out };
	json_begin(&o, NULL);
	json_put_text(&o, "stream", stream);
	json_begin_array(&o, "facts");
	for (size_t i = 0; i < n; i++)
		write_fact(&facts[i], &o);
	json_end_array(&o);
	json_end(&o);
}

/* --- reading --- */

#define FACT_FIELDS(F, T)                             \
	F(T, TEXT, heard, "heard", REQUIRED)          \
	F(T, I64, leg, "leg", REQUIRED)               \
	F(T, TEXT, speaker, "speaker", OPTIONAL)      \
	F(T, BOOL, final, "final", OPTIONAL)          \
	F(T, I64, at_us, "at_us", REQUIRED)           \
	F(T, I64, ms, "ms", OPTIONAL)                 \
	F(T, I64, value, "value", OPTIONAL)           \
	F(T, I64, peak, "peak", OPTIONAL)             \
	F(T, I64, noise, "noise", OPTIONAL)           \
	F(T, I64, speech_ms, "speech_ms", OPTIONAL)   \
	F(T, I64, clipped, "clipped", OPTIONAL)       \
	F(T, I64, gaps, "gaps", OPTIONAL)             \
	F(T, I64, late, "late", OPTIONAL)             \
	F(T, I64, duplicates, "duplicates", OPTIONAL) \
	F(T, I64, reordered, "reordered", OPTIONAL)   \
	F(T, I64, damaged, "damaged", OPTIONAL)       \
	F(T, I64, rank, "rank", OPTIONAL)             \
	F(T, TEXT, name, "name", OPTIONAL)            \
	F(T, TEXT, text, "text", OPTIONAL)            \
	F(T, TEXT, id, "id", OPTIONAL)                \
	F(T, TEXT, party, "party", OPTIONAL)          \
	F(T, TEXT, who, "who", OPTIONAL)
JSON_STRUCT(fact_json, FACT_FIELDS)
JSON_FIELDS(fact_json, FACT_FIELDS)

/* Whoever counts with them need not fear an overflow. */
#define NUMBER_MAX (INT64_C(1) << 53)

static int check_number(const char *name, int64_t v, struct fault *f)
{
	if (v < -NUMBER_MAX || v > NUMBER_MAX)
		return fault(f, E_INVALID, "%s: is beyond 2^53", name);
	return 0;
}

static int read_speaker(struct span name, enum speaker *out, struct fault *f)
{
	for (unsigned i = SPEAKER_NONE; i <= SPEAKER_USER; i++) {
		if (!span_is(name, speakers[i]))
			continue;
		*out = (enum speaker)i;
		return 0;
	}
	return fault(f, E_INVALID, "speaker: unknown \"%.*s\"", SPAN_ARG(name));
}

static int read_fact(struct json object, struct arena *a, struct heard *out, struct fault *f)
{
	struct fact_json j = { 0 };
	TRY(JSON_READ(fact_json, object, a, &j, f));
	if (!heard_from(j.heard, &out->kind))
		return fault(f, E_INVALID, "heard: unknown \"%.*s\"", SPAN_ARG(j.heard));
	if (j.leg < 0 || j.leg >= HEARD_LEGS_MAX)
		return fault(f, E_INVALID, "leg: must be from 0 to %d", HEARD_LEGS_MAX - 1);
	TRY(read_speaker(j.speaker, &out->speaker, f));
#define X(member)                                \
	TRY(check_number(#member, j.member, f)); \
	out->member = j.member;
	NUMBERS(X)
#undef X
#define X(member) out->member = j.member;
	TEXTS(X)
#undef X
	out->leg = (unsigned)j.leg;
	out->final = j.final;
	return 0;
}

int heard_read(struct json object, struct arena *a, struct span *stream, struct heard **out,
	       size_t *n, struct fault *f)
{
	struct json list = json_get(object, "facts"), v;
	size_t count = json_count(list), i = 0;
	if (object.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "what was heard must be a JSON object");
	if (list.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "facts: must be an array");
	if (count > HEARD_FACTS_MAX)
		return fault(f, E_INVALID, "facts: at most %d", HEARD_FACTS_MAX);
	struct heard *facts = arena_alloc(a, (count + 1) * sizeof(*facts));
	struct json_iter it = json_iter(list);
	struct span key;
	for (; i < count && json_next(&it, &key, &v); i++)
		if (read_fact(v, a, &facts[i], f))
			return fault_wrap(f, "facts[%zu]", i), E_INVALID;
	*stream = json_text(json_get(object, "stream"), a);
	*out = facts;
	*n = i;
	return 0;
}
