/* docs/events.md is generated from EVENTS (call_docs_test --write); docs/signals.md and
 * docs/call-state.md name everything they should. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "call/parts.h"
#include "tests/sim/sim.h"

enum { DOC_MAX = 1 << 20 };

static void events_page(struct buf *out)
{
	buf_addz(out,
		 "# Events of a call\n\n"
		 "Generated from `EVENTS` in `include/callmend/event.h` by `call_docs_test "
		 "--write`; a test compares.\n\n"
		 "Every event is `{\"seq\", \"type\", \"call_id\", \"at\", \"offset_ms\", "
		 "\"speaker\", \"text\", \"is_final\", "
		 "\"data\"}`. `seq` grows within a call, gaps are normal. `at` is when it "
		 "happened: the provider's time when it gave "
		 "one that can be believed, else the time of arrival (then `data.provider_at` "
		 "says what the provider claimed). "
		 "`offset_ms` counts from the start of the call, null while that is unknown; of "
		 "what is timed by our own clock (sound, timers, commands) "
		 "from the start as our clock had it: the provider's start, moved by the least "
		 "difference of arrival and provider's time seen in this call. "
		 "`speaker` is `ai`, `user` or null.\n\n"
		 "| type | data |\n|---|---|\n");
	for (unsigned i = 0; i < EVENT_COUNT; i++)
		buf_printf(out, "| `%s` | %s |\n", event_name((enum event_type)i),
			   event_doc((enum event_type)i));
}

static void read_doc(const char *name, struct buf *out)
{
	char path[512];
	struct fault f = { 0 };
	snprintf(path, sizeof(path), "%s/%s", DOCS, name);
	if (file_read(path, DOC_MAX, out, &f))
		fail_msg("%s", f.text);
}

static bool says(const struct buf *doc, const char *text)
{
	return memmem(doc->p, doc->n, text, strlen(text)) != NULL;
}

static void events_md_is_what_the_table_says(void **state)
{
	struct buf page AUTO_BUF = { 0 }, doc AUTO_BUF = { 0 };
	(void)state;
	events_page(&page);
	read_doc("events.md", &doc);
	if (!span_eq(buf_span(&page), buf_span(&doc)))
		fail_msg("docs/events.md is not up to date: run call_docs_test --write");
}

static void need(const struct buf *doc, const char *where, const char *text)
{
	if (!says(doc, text))
		fail_msg("docs/%s does not say \"%s\"", where, text);
}

static void signals_md_is_complete(void **state)
{
	struct buf doc AUTO_BUF = { 0 };
	char line[128];
	(void)state;
	read_doc("signals.md", &doc);
	for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
		need(&doc, "signals.md", signals_name((enum signal_id)i));
		need(&doc, "signals.md", signals_formula((enum signal_id)i));
	}
	for (unsigned i = SENTIMENT_NEUTRAL; i <= SENTIMENT_FRUSTRATED; i++)
		need(&doc, "signals.md", sentiment_name((enum sentiment)i));
	static const struct {
		const char *name;
		int value;
	} numbers[] = {
#define X(name, dflt, doc) { #name, dflt },
		SETTINGS_NUMBERS(X)
#undef X
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		snprintf(line, sizeof(line), "| `%s` | %d |", numbers[i].name, numbers[i].value);
		need(&doc, "signals.md", line);
	}
}

/* The rows of the examples: | en | user | words | lost 60 |: what the lexicon must read in them. */
static int weight_named(const struct reading *r, struct span name)
{
	static const struct {
		const char *name;
		enum mood mood;
	} moods[] = {
		{ "good", MOOD_GOOD },
		{ "bad", MOOD_BAD },
		{ "frustrated", MOOD_FRUSTRATED },
		{ "lost", MOOD_LOST },
		{ "puzzled", MOOD_PUZZLED },
		{ "done", MOOD_DONE },
	};
	for (size_t i = 0; i < sizeof(moods) / sizeof(*moods); i++)
		if (span_is(name, moods[i].name))
			return r->weight[moods[i].mood];
	return -1;
}

static bool check_example(const char *line)
{
	char language[3], words[256], mood[16];
	int weight;
	if (sscanf(line, "| %2[a-z] | \"%255[^\"]\" | %15[a-z] %d |", language, words, mood,
		   &weight) != 4)
		return false;
	const struct lexicon *l = lexicon_find(span_of(language));
	struct plain text;
	struct reading r;
	assert_non_null(l);
	words_plain(span_of(words), &text);
	lexicon_read(l, &text, &r);
	if (weight_named(&r, span_of(mood)) != weight)
		fail_msg("docs/signals.md: \"%s\" is %s %d", words, mood,
			 weight_named(&r, span_of(mood)));
	return true;
}

static void examples_are_true(void **state)
{
	struct buf doc AUTO_BUF = { 0 };
	int n = 0;
	(void)state;
	read_doc("signals.md", &doc);
	for (char *line = (char *)buf_z(&doc); line; line = strchr(line, '\n')) {
		line += *line == '\n';
		n += check_example(line);
	}
	assert_true(n >= 12);
}

static void call_state_md_is_complete(void **state)
{
	struct buf doc AUTO_BUF = { 0 };
	(void)state;
	read_doc("call-state.md", &doc);
	for (unsigned i = 0; i < FLAG_COUNT; i++)
		need(&doc, "call-state.md", snapshot_flag_name((enum flag)i));
	for (unsigned i = END_CUSTOMER; i <= END_LOST; i++)
		need(&doc, "call-state.md", status_class_name((enum end_class)i));
	for (unsigned i = 0; i < COMMAND_STATE_COUNT; i++)
		need(&doc, "call-state.md", command_state_name((enum command_state)i));
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		need(&doc, "call-state.md", command_verb_name((enum command_verb)i));
}

static void rules_are_documented(void **state)
{
	struct buf doc AUTO_BUF = { 0 };
	char row[128];
	(void)state;
	read_doc("signals.md", &doc);
#define X(id, name, cause)                                                 \
	snprintf(row, sizeof(row), "| `%s` | `%s` raised |", name, cause); \
	need(&doc, "signals.md", row);
	SETTINGS_RULES(X)
#undef X
}

static void fields_md_is_complete(void **state)
{
	struct buf doc AUTO_BUF = { 0 };
	char row[256];
	(void)state;
	read_doc("fields.md", &doc);
#define X(name, text, meaning)                                      \
	snprintf(row, sizeof(row), "| `%s` | %s |", text, meaning); \
	need(&doc, "fields.md", row);
	FIELD_TYPES(X)
	FIELD_STATES(X)
#undef X
	for (unsigned i = FIELD_BY_REPORT; i <= FIELD_BY_MENTION; i++) {
		snprintf(row, sizeof(row), "| `%s`: ", field_how_name((enum field_how)i));
		need(&doc, "fields.md", row);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_md_is_what_the_table_says),
		cmocka_unit_test(signals_md_is_complete),
		cmocka_unit_test(examples_are_true),
		cmocka_unit_test(call_state_md_is_complete),
		cmocka_unit_test(rules_are_documented),
		cmocka_unit_test(fields_md_is_complete),
	};
	if (argc == 2 && strcmp(argv[1], "--write") == 0) {
		struct buf page AUTO_BUF = { 0 };
		struct fault f = { 0 };
		events_page(&page);
		if (file_replace(DOCS "/events.md", 0644, buf_span(&page), &f))
			fprintf(stderr, "%s\n", f.text);
		return f.code != 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
