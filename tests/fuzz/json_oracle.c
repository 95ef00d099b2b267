#include "tests/fuzz/json_oracle.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/utf8.h"
#include "tests/fuzz/jansson.h"

#define REQUIRE(cond, text)                              \
	do {                                             \
		if (!(cond))                             \
			disagree(#cond, __LINE__, text); \
	} while (0)

static _Noreturn void disagree(const char *what, int line, struct span text)
{
	fprintf(stderr, "json_oracle:%d: %s\n%.*s\n", line, what, SPAN_ARG(text));
	abort();
}

/* Ours mends NUL in texts; theirs keeps it. */
static void mend(const json_t *theirs, struct buf *out)
{
	const char *p = json_string_value(theirs);
	for (size_t i = 0; i < json_string_length(theirs); i++)
		buf_add(out, p[i] ? (struct span){ p + i, 1 } : SPAN(UTF8_REPLACEMENT));
}

static void same_value(struct json ours, json_t *theirs, struct arena *a);

static void same_string(struct json ours, json_t *theirs, struct arena *a)
{
	struct buf mended AUTO_BUF = { 0 };
	mend(theirs, &mended);
	REQUIRE(ours.kind == JSON_STRING, ours.raw);
	REQUIRE(span_eq(json_text(ours, a), buf_span(&mended)), ours.raw);
}

static void same_number(struct json ours, json_t *theirs)
{
	double d;
	int64_t i;
	REQUIRE(ours.kind == JSON_NUMBER, ours.raw);
	REQUIRE(json_f64(ours, &d) && d == json_number_value(theirs), ours.raw);
	if (json_i64(ours, &i))
		REQUIRE((double)i == d, ours.raw);
	else
		REQUIRE(fabs(d) >= 9e18 || d != floor(d) || memchr(ours.raw.p, '.', ours.raw.n) ||
				memchr(ours.raw.p, 'e', ours.raw.n) ||
				memchr(ours.raw.p, 'E', ours.raw.n),
			ours.raw);
}

static void same_array(struct json ours, json_t *theirs, struct arena *a)
{
	struct json_iter it = json_iter(ours);
	struct span key;
	struct json v;
	size_t n = 0;
	REQUIRE(ours.kind == JSON_ARRAY, ours.raw);
	for (; json_next(&it, &key, &v); n++)
		same_value(v, json_array_get(theirs, n), a);
	REQUIRE(n == json_array_size(theirs), ours.raw);
}

/* Of equal names ours gives the first, theirs the last: compared only where names differ. */
static void same_object(struct json ours, json_t *theirs, struct arena *a)
{
	const char *name;
	json_t *value;
	REQUIRE(ours.kind == JSON_OBJECT, ours.raw);
	REQUIRE(json_count(ours) >= json_object_size(theirs), ours.raw);
	if (json_count(ours) > json_object_size(theirs))
		return;
	json_object_foreach(theirs, name, value)
	{
		REQUIRE(json_get(ours, name).kind != JSON_NONE, ours.raw);
		same_value(json_get(ours, name), value, a);
	}
}

static void same_value(struct json ours, json_t *theirs, struct arena *a)
{
	REQUIRE(theirs, ours.raw);
	switch ((int)json_typeof(theirs)) {
	case JANSSON_STRING:
		same_string(ours, theirs, a);
		break;
	case JANSSON_REAL:
		same_number(ours, theirs);
		break;
	case JANSSON_ARRAY:
		same_array(ours, theirs, a);
		break;
	case JANSSON_OBJECT:
		same_object(ours, theirs, a);
		break;
	case JANSSON_TRUE:
		REQUIRE(ours.kind == JSON_TRUE, ours.raw);
		break;
	case JANSSON_FALSE:
		REQUIRE(ours.kind == JSON_FALSE, ours.raw);
		break;
	default:
		REQUIRE(ours.kind == JSON_NULL, ours.raw);
		break;
	}
}

/* What json_put_clean() makes is taken by a reader that knows neither NUL nor lone surrogates. */
static void check_clean(struct span text)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	json_error_t e;
	json_put_clean(&o, NULL, text);
	json_t *theirs = json_loadb(b.p, b.n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &e);
	REQUIRE(theirs || json_error_code(&e) == json_error_numeric_overflow, text);
	json_decref(theirs);
}

static bool allowed_refusal(const json_error_t *e)
{
	return json_error_code(e) == json_error_numeric_overflow ||
	       json_error_code(e) == json_error_null_byte_in_key ||
	       strstr(e->text, "invalid Unicode");
}

bool json_oracle_agrees(struct span text)
{
	/* A copy of exactly this size: reading past its end is seen by ASan. */
	char *exact = malloc(text.n ? text.n : 1);
	if (text.n)
		memcpy(exact, text.p, text.n);
	struct span own = { exact, text.n };
	struct fault f = { 0 };
	json_error_t e;
	int rc = json_check(own, &f);
	json_t *theirs = json_loadb(exact, text.n,
				    JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &e);
	if (rc == 0) {
		struct arena a = { 0 };
		REQUIRE(theirs || allowed_refusal(&e), text);
		REQUIRE(!memchr(text.p, 0, text.n), text);
		if (theirs)
			same_value(json_of(own), theirs, &a);
		check_clean(own);
		arena_fini(&a);
	} else {
		REQUIRE(rc == E_INVALID && f.text[0], text);
		/* jansson loses a zero byte behind a number; nowhere is one legal. */
		REQUIRE(!theirs || strstr(f.text, "at most 128") || memchr(text.p, 0, text.n),
			text);
	}
	json_decref(theirs);
	free(exact);
	return rc == 0;
}
