/* libFuzzer entry: the first line of the input as definitions (or, when they are refused, ours),
 * the other lines as turns of a call: '<' assistant, '>' caller, '?' a turn revised, '!' a tool's
 * arguments, anything else the report. Whatever it is told, the engine keeps its bounds, and what
 * it says is UTF-8 where it was told UTF-8. */
#include "callmend/fields.h"

#include "base/utf8.h"
#include "tests/fuzz/fuzz.h"

static const char definitions[] =
	"[{\"name\":\"n\",\"type\":\"number\",\"ask\":[\"how many people\"],\"argument\":\"t.n\"},"
	"{\"name\":\"m\",\"type\":\"money\",\"ask\":[\"budget\"]},"
	"{\"name\":\"p\",\"type\":\"phone\"},{\"name\":\"e\",\"type\":\"email\"},"
	"{\"name\":\"c\",\"type\":\"name\"},{\"name\":\"d\",\"type\":\"date\"},"
	"{\"name\":\"h\",\"type\":\"time\"},{\"name\":\"y\",\"type\":\"yes_no\",\"ask\":[\"do "
	"you\"]},"
	"{\"name\":\"a\",\"type\":\"address\"},{\"name\":\"t\",\"ask\":[\"reason\"]},"
	"{\"name\":\"k\",\"type\":\"choice\",\"choices\":[\"lunch|noon\",\"dinner\"],\"ask\":["
	"\"meal\"]},"
	"{\"name\":\"b\",\"ask\":[\"code\"],\"pattern\":\"\\\\b[A-Z]{2}(\\\\d{4})\\\\b\"}]";

static bool utf8_valid(struct span s)
{
	const char *end = s.p + s.n;
	for (const char *p = s.p; p < end; p += utf8_step(p, end))
		if (utf8_step(p, end) < 0)
			return false;
	return true;
}

struct talk {
	struct captures *c;
	uint32_t next;
	int64_t at;
};

static struct json checked(struct span text)
{
	return json_check(text, NULL) ? (struct json){ 0 } : json_of(text);
}

static void turn(struct talk *t, enum speaker who, uint32_t number, struct span text)
{
	/* Turns are UTF-8: the dialects see to that. */
	if (utf8_valid(text))
		captures_turn(t->c,
			      &(struct field_turn){ who, number, text, (uint64_t)t->at, t->at });
}

static void show(struct talk *t, struct span line)
{
	struct span rest = span_from(line, 1);
	t->at++;
	if (line.n == 0)
		return;
	if (line.p[0] == '<' || line.p[0] == '>')
		turn(t, line.p[0] == '<' ? SPEAKER_AI : SPEAKER_USER, t->next++, rest);
	else if (line.p[0] == '?' && t->next)
		turn(t, t->next % 2 ? SPEAKER_USER : SPEAKER_AI, t->next / 2, rest);
	else if (line.p[0] == '!')
		captures_tool(t->c, SPAN("t"), checked(rest), (uint64_t)t->at, t->at);
	else
		captures_report(t->c, checked(line), (uint64_t)t->at);
}

static void check(const struct fields *f, const struct captures *c)
{
	CHECK(captures_bytes(c) < 64 * 1024);
	for (size_t i = 0; i < fields_n(f); i++) {
		const struct captured *k = captures_at(c, i);
		CHECK(k->value.n <= FIELD_VALUE_MAX && k->passage.n <= FIELD_PASSAGE_MAX);
		CHECK((k->state == FIELD_STATE_CAPTURED) == (k->value.n > 0));
		CHECK(utf8_valid(k->value) && utf8_valid(k->passage));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span rest = { (const char *)data, n };
	struct fields *f = NULL;
	struct span first = span_line(&rest);
	if (fields_new(&f, checked(first), SPAN("auto"), NULL))
		CHECK(!fields_new(&f, json_of(SPAN(definitions)), SPAN("auto"), NULL));
	struct talk t = { .c = captures_new(f) };
	while (rest.n)
		show(&t, span_line(&rest));
	check(f, t.c);
	captures_free(t.c);
	fields_free(f);
	return 0;
}
