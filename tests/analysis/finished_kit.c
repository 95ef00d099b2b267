#include "tests/analysis/finished_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

struct fault finished_why;
static struct arena arena;
static struct buf output;

struct lists {
	struct buf turns, tools, signals;
};

static void separate(struct buf *b)
{
	if (b->n)
		buf_addc(b, ',');
}

static void put_turn(struct buf *b, int line, const char *speaker, const char *text)
{
	struct json_out o = { .b = b };
	separate(b);
	json_begin(&o, NULL);
	json_put_i64(&o, "seq", line * 10);
	json_put_i64(&o, "turn", line);
	json_put_z(&o, "speaker", speaker);
	json_put_text(&o, "text", span_of(text));
	json_put_i64(&o, "offset_ms", line * 1000);
	json_end(&o);
}

static void put_tool(struct buf *b, int line, const char *text)
{
	char name[64] = "", state[16] = "";
	int used = 0;
	struct json_out o = { .b = b };
	assert_int_equal(sscanf(text, "%63s %15s%n", name, state, &used), 2);
	const char *rest = text + used + strspn(text + used, " ");
	bool ok = strcmp(state, "ok") == 0;
	separate(b);
	json_begin(&o, NULL);
	buf_printf(b, "\"id\":\"40000000-0000-5000-8000-%012d\"", line);
	o.comma = true;
	json_put_z(&o, "tool", name);
	json_put_i64(&o, "requested_seq", line * 10);
	json_put_i64(&o, "offset_ms", line * 1000);
	json_put_z(&o, "requested_at", "2026-11-20T10:00:00.000000Z");
	if (*rest == '{')
		json_put_raw(&o, "arguments", span_of(rest));
	if (strcmp(state, "unknown") == 0)
		json_put_bool(&o, "unknown", true);
	else
		json_put_bool(&o, "success", ok);
	if (strcmp(state, "empty") == 0)
		json_put_z(&o, "error", "nothing found");
	else if (!ok)
		json_put_z(&o, "error", *rest == '{' ? "HTTP 500" : rest);
	json_end(&o);
}

static void put_signal(struct buf *b, int line, const char *text, int said, const char *last)
{
	char name[64] = "";
	int score = 0;
	struct json_out o = { .b = b };
	assert_int_equal(sscanf(text, "%63s %d", name, &score), 2);
	separate(b);
	json_begin(&o, NULL);
	json_put_i64(&o, "seq", line * 10);
	json_put_z(&o, "signal", name);
	json_put_i64(&o, "score", score);
	json_put_i64(&o, "offset_ms", line * 1000);
	json_begin_array(&o, "evidence");
	json_begin(&o, NULL);
	json_put_i64(&o, "seq", said * 10);
	json_put_i64(&o, "at_ms", said * 1000);
	json_put_text(&o, "text", span_of(last));
	json_end(&o);
	json_end_array(&o);
	json_end(&o);
}

static void read_lines(const char *script, struct lists *l)
{
	const char *last = "";
	int said = 0;
	for (int line = 1; *script; line++) {
		size_t n = strcspn(script, "\n");
		const char *text = arena_printf(&arena, "%.*s", (int)n, script);
		assert_true(n > 2 && text[1] == ' ');
		if (*text == 'a' || *text == 'u') {
			put_turn(&l->turns, line, *text == 'a' ? "ai" : "user", last = text + 2);
			said = line;
		} else if (*text == 't') {
			put_tool(&l->tools, line, text + 2);
		} else {
			put_signal(&l->signals, line, text + 2, said, last);
		}
		script += n + (script[n] == '\n');
	}
}

static const char *or_empty(const char *z)
{
	return z ? z : "";
}

const char *finished_text(const struct script *s)
{
	struct lists l = { 0 };
	const char *ended = s->ended ? s->ended : "customer customer-ended-call";
	size_t cut = strcspn(ended, " ");
	read_lines(s->lines, &l);
	const char *text = arena_printf(
		&arena,
		"{\"call\":{\"id\":\"10000000-0000-5000-8000-000000000001\",\"started_at\":"
		"\"2026-11-20T10:00:00.000000Z\",\"last_seq\":9000,\"duration_ms\":60000,"
		"\"ended_class\":\"%.*s\",\"ended_reason\":\"%s\",\"customer\":{\"number\":"
		"\"+15550001\"}%s},\"turns\":[%s],\"tools\":[%s],\"signals\":[%s],"
		"\"project\":{\"id\":\"20000000-0000-7000-8000-000000000001\",\"org_id\":"
		"\"00000000-0000-7000-8000-000000000001\"%s}%s}",
		(int)cut, ended, ended + cut + (ended[cut] == ' '), or_empty(s->call),
		buf_z(&l.turns), buf_z(&l.tools), buf_z(&l.signals),
		s->project ? s->project : ",\"language\":\"en\"", or_empty(s->more));
	buf_free(&l.turns);
	buf_free(&l.tools);
	buf_free(&l.signals);
	return text;
}

int finished_try(const char *json)
{
	finished_why = (struct fault){ 0 };
	if (json_check(span_of(json), &finished_why))
		fail_msg("%s in %s", finished_why.text, json);
	buf_clear(&output);
	return understand(json_of(span_of(json)), &output, &finished_why);
}

void finished_run(const struct script *s)
{
	const char *json = finished_text(s);
	if (finished_try(json))
		fail_msg("%s in %s", finished_why.text, json);
	assert_int_equal(json_check(buf_span(&output), &finished_why), 0);
}

static struct json item_at(struct json array, int n)
{
	struct json_iter it = json_iter(array);
	struct span key;
	struct json v;
	while (json_next(&it, &key, &v))
		if (n-- == 0)
			return v;
	return (struct json){ 0 };
}

static const char *shown(struct json v)
{
	if (v.kind == JSON_NONE)
		return "-";
	return arena_printf(&arena, "%.*s",
			    SPAN_ARG(v.kind == JSON_STRING ? json_text(v, &arena) : v.raw));
}

const char *finished_at(const char *path)
{
	struct json v = json_of(buf_span(&output));
	while (*path) {
		size_t n = strcspn(path, ".");
		const char *part = arena_printf(&arena, "%.*s", (int)n, path);
		v = v.kind == JSON_ARRAY ? item_at(v, atoi(part)) : json_get(v, part);
		path += n + (path[n] == '.');
	}
	return shown(v);
}

static struct json tag_of(const char *category, const char *tag)
{
	struct json_iter it = json_iter(json_get(json_of(buf_span(&output)), "tags"));
	struct span key;
	struct json v;
	while (json_next(&it, &key, &v))
		if (json_is_text(json_get(v, "category"), category) &&
		    json_is_text(json_get(v, "tag"), tag))
			return v;
	return (struct json){ 0 };
}

const char *finished_tag(const char *category, const char *tag)
{
	return shown(json_get(tag_of(category, tag), "confidence"));
}

const char *finished_tag_passage(const char *category, const char *tag)
{
	return shown(json_get(tag_of(category, tag), "passage"));
}

const char *finished_output(void)
{
	return buf_z(&output);
}

int finished_forget(void **state)
{
	(void)state;
	arena_fini(&arena);
	buf_free(&output);
	return 0;
}
