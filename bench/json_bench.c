/* How fast bodies are checked and walked, with jansson's json_loadb() beside it as the measure.
 *
 * The body has the proportions of a provider's conversation webhook: a long prompt, a history of
 * turns that repeats with every message, many small members around them. "compact" is how providers
 * send it, "indented" the same with the white space of a pretty printer, "foreign" with every third
 * letter of the texts not ASCII. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/json.h"
#include "tests/fuzz/jansson.h"

enum { TURNS = 95, RUNS = 5 };
static const int64_t run_us = 200000;

static const char *const words_ascii =
	"The caller asks about a booking for Saturday; offer the two free slots. ";
static const char *const words_foreign =
	"Клиент спрашивает о брони; предложите zwei Termine für Samstag – 予約. ";

static void put_prose(struct json_out *o, const char *key, const char *words, int times)
{
	struct buf b AUTO_BUF = { 0 };
	for (int i = 0; i < times; i++)
		buf_printf(&b, "%s%s", words, i % 3 == 2 ? "\n- \"always\" confirm\n" : "");
	json_put_text(o, key, buf_span(&b));
}

static void put_turn(struct json_out *o, const char *words, int i)
{
	json_begin(o, NULL);
	json_put_z(o, "role", i % 2 ? "user" : "bot");
	put_prose(o, "message", words, 1 + i % 4);
	json_put_i64(o, "time", INT64_C(1721933627736) + i * 4000);
	json_put_i64(o, "endTime", INT64_C(1721933629736) + i * 4000);
	json_put_f64(o, "secondsFromStart", i * 4.25);
	json_put_f64(o, "duration", 1893.5);
	json_put_z(o, "source", "");
	json_end(o);
}

static void put_turns(struct json_out *o, const char *key, const char *words)
{
	json_begin_array(o, key);
	for (int i = 0; i < TURNS; i++)
		put_turn(o, words, i);
	json_end_array(o);
}

static void put_body(struct buf *b, const char *words)
{
	struct json_out o = { .b = b };
	json_begin(&o, NULL);
	json_begin(&o, "message");
	json_put_i64(&o, "timestamp", INT64_C(1721933627736));
	json_put_z(&o, "type", "conversation-update");
	json_begin(&o, "call");
	json_put_z(&o, "id", "0190e1d2-abcd-7f00-8a00-0123456789ab");
	json_begin(&o, "assistant");
	json_begin(&o, "model");
	put_prose(&o, "systemPrompt", words, 120);
	json_end(&o);
	json_end(&o);
	json_end(&o);
	put_turns(&o, "messages", words);
	json_end(&o);
	json_end(&o);
}

/* Recursion is fine here: the body is our own. */
static size_t walk(struct json v)
{
	struct json_iter it = json_iter(v);
	struct span key;
	struct json member;
	size_t n = 1;
	while (json_next(&it, &key, &member))
		n += member.kind >= JSON_ARRAY ? walk(member) : 1;
	return n;
}

static size_t run_check(struct span body)
{
	return json_check(body, NULL) == 0;
}

static size_t run_walk(struct span body)
{
	return walk(json_of(body));
}

/* One value, everything in it skipped. */
static size_t run_skip(struct span body)
{
	return json_count(json_of(body));
}

static size_t run_jansson(struct span body)
{
	json_t *t = json_loadb(body.p, body.n, 0, NULL);
	size_t ok = t != NULL;
	json_decref(t);
	return ok;
}

struct contender {
	const char *name;
	size_t (*run)(struct span body);
};

static const struct contender contenders[] = {
	{ "json_loadb (jansson)", run_jansson },
	{ "json_check", run_check },
	{ "json_next, every value", run_walk },
	{ "json_next, skipping", run_skip },
};

static double once(const struct contender *c, struct span body)
{
	int64_t from = clock_monotonic_us(), now;
	size_t rounds = 0;
	do {
		for (int i = 0; i < 16; i++, rounds++)
			CHECK(c->run(body) > 0);
		now = clock_monotonic_us();
	} while (now - from < run_us);
	return (double)body.n * (double)rounds / (double)(now - from);
}

/* MB/s, the best of some runs: the others were disturbed. */
static double measure(const struct contender *c, struct span body)
{
	double best = 0;
	for (int i = 0; i < RUNS; i++) {
		double mb_s = once(c, body);
		best = mb_s > best ? mb_s : best;
	}
	return best;
}

static void report(const char *title, struct span body)
{
	double base = 0;
	printf("%s, %zu bytes\n", title, body.n);
	for (size_t i = 0; i < sizeof(contenders) / sizeof(contenders[0]); i++) {
		double mb_s = measure(&contenders[i], body);
		base = i == 0 ? mb_s : base;
		printf("  %-24s %8.0f MB/s  %6.2f us  x%.1f\n", contenders[i].name, mb_s,
		       (double)body.n / mb_s, mb_s / base);
	}
}

static void report_indented(struct span body)
{
	json_t *t = json_loadb(body.p, body.n, 0, NULL);
	char *text = json_dumps(t, JSON_INDENT(4));
	report("indented", span_of(text));
	free(text);
	json_decref(t);
}

int main(void)
{
	struct buf compact AUTO_BUF = { 0 }, foreign AUTO_BUF = { 0 };
	put_body(&compact, words_ascii);
	put_body(&foreign, words_foreign);
	report("compact", buf_span(&compact));
	report_indented(buf_span(&compact));
	report("foreign", buf_span(&foreign));
	return 0;
}
