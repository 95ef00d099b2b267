/* Layout and keys of the screen, without a terminal. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "node/destination.h"
#include "node/text.h"
#include "node/watch_page.h"

#define NOW INT64_C(1800000000000000)

static struct watch_model model;
static struct watch_ui ui;
static struct watch_page page;

static void add_call(unsigned i, const char *more)
{
	char message[800];

	snprintf(message, sizeof(message),
		 "{\"type\":\"snapshot\",\"owner\":0,\"more\":true,\"calls\":[{\"id\":\"%08x-0000-"
		 "5000-8000-000000000000\","
		 "\"live\":true,\"status\":\"in-progress\",\"customer\":{\"number\":\"+1%u\"}%s}]}",
		 i, i, more);
	watch_model_apply(&model, json_of(span_of(message)), NOW, NULL, NULL);
}

static int set_up(void **state)
{
	(void)state;
	model = (struct watch_model){ .owners = 1 };
	ui = (struct watch_ui){ 0 };
	for (unsigned i = 1; i <= 5; i++)
		add_call(i, "");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	watch_model_fini(&model);
	watch_page_fini(&page);
	page = (struct watch_page){ 0 };
	return 0;
}

static void build(int rows, int columns)
{
	struct watch_state s = {
		.node = "n:1", .connection = "live", .connected = true, .lag_ms = 3, .now_us = NOW
	};

	watch_page_build(&page, &model, &ui, &s, rows, columns);
	for (const struct watch_piece *p = page.first; p; p = p->next) {
		assert_in_range(p->row, 0, rows - 1);
		assert_true(p->column >= 0 &&
			    p->column + (int)text_width(span_of(p->text)) <= columns);
	}
}

/* The text of all pieces of a row, put over each other. */
static bool row_has(int row, const char *text)
{
	for (const struct watch_piece *p = page.first; p; p = p->next) {
		if (p->row == row && strstr(p->text, text))
			return true;
	}
	return false;
}

static struct watch_wish key(uint32_t k)
{
	struct watch_wish w = { 0 };

	watch_page_key(&ui, &model, k, &w);
	return w;
}

/* Nothing ever stands outside the window, whatever its size. */
static void test_sizes(void **state)
{
	(void)state;
	add_call(6, ",\"assistant\":{\"name\":\"客服客服客服客服客服\"},\"turns\":[{\"speaker\":"
		    "\"ai\",\"text\":\"客服 x客服客服客服客服客服客服客服客服客服客服客服\","
		    "\"turn\":0}]");
	ui.transcript_open = true;
	snprintf(ui.chosen, sizeof(ui.chosen), "%08x-0000-5000-8000-000000000000", 6);
	for (int rows = 1; rows < 60; rows += 3) {
		for (int columns = 1; columns < 250; columns += 7)
			build(rows, columns);
	}
	build(24, 80);
	assert_true(row_has(0, "6 live"));
}

/* A8: the checklist stands between title and transcript, and leaves room for it. */
static void test_checklist(void **state)
{
	struct buf facts AUTO_BUF = { 0 };

	(void)state;
	add_call(6,
		 ",\"facts\":[{\"field\":\"guests\",\"label\":\"number of people\",\"state\":"
		 "\"captured\",\"value\":\"7\"},{\"field\":\"phone\",\"label\":\"phone\",\"state\":"
		 "\"refused\"}],\"context\":[{\"id\":\"1\",\"text\":\"The parcel is lost.\"}],"
		 "\"turns\":[{\"speaker\":\"ai\",\"text\":\"Hello there\",\"turn\":0}]");
	ui.transcript_open = true;
	snprintf(ui.chosen, sizeof(ui.chosen), "%08x-0000-5000-8000-000000000000", 6);
	build(24, 80);
	int title = 0;
	while (title < 24 && !row_has(title, "── 00000006"))
		title++;
	assert_true(row_has(title + 1, "known: The parcel is lost."));
	assert_true(row_has(title + 2, "✓ number of people: 7"));
	assert_true(row_has(title + 2, "✗ phone: refused"));
	assert_true(row_has(title + 3, "Hello there"));
	for (unsigned i = 0; i < 40; i++) {
		buf_clear(&facts);
		buf_printf(&facts,
			   "{\"type\":\"event\",\"event\":{\"type\":\"fact\",\"call_id\":\"%s\","
			   "\"data\":{"
			   "\"field\":\"f%u\",\"label\":\"a long label of a field %u\"}}}",
			   ui.chosen, i, i);
		watch_model_apply(&model, json_of(buf_span(&facts)), NOW, NULL, NULL);
	}
	for (int rows = 8; rows < 60; rows++)
		for (int columns = 40; columns < 200; columns += 17)
			build(rows, columns);
	build(24, 80);
	bool shown = false;
	for (int row = title; row < 24; row++)
		shown |= row_has(row, "Hello there");
	assert_true(shown);
}

static void test_choice(void **state)
{
	(void)state;
	build(24, 80);
	assert_true(row_has(2, "▸"));
	key('j');
	key(WATCH_KEY_DOWN);
	build(24, 80);
	assert_true(row_has(4, "▸"));
	key(WATCH_KEY_END);
	key('j');
	build(24, 80);
	assert_true(row_has(6, "▸"));
	key(WATCH_KEY_HOME);
	key('k');
	build(24, 80);
	assert_true(row_has(2, "▸"));
	/* The list scrolls with the choice. */
	key(WATCH_KEY_END);
	build(8, 80);
	assert_true(row_has(6, "▸"));
	assert_true(row_has(0, "(1-5)") || row_has(0, "5 live"));
}

static void test_say_is_about_the_call_it_was_begun_for(void **state)
{
	(void)state;
	build(24, 80);
	key('i');
	for (const char *c = "hjq?"; *c; c++)
		key((uint32_t)*c);
	key(0xfc); /* ü */
	key(WATCH_KEY_BACKSPACE);
	key(0x1f600);
	snprintf(ui.chosen, sizeof(ui.chosen), "%08x-0000-5000-8000-000000000000", 3);
	struct watch_wish w = key(WATCH_KEY_ENTER);
	assert_true(w.wished);
	assert_int_equal(w.verb, COMMAND_SAY);
	assert_string_equal(w.text, "hjq?\xf0\x9f\x98\x80");
	assert_string_equal(w.call, "00000001-0000-5000-8000-000000000000");
	assert_false(ui.quit);
}

static void test_nothing_is_sent_by_mistake(void **state)
{
	(void)state;
	build(24, 80);
	key('i');
	assert_false(key(WATCH_KEY_ENTER).wished); /* empty */
	key('i');
	key('x');
	assert_false(key(WATCH_KEY_ESCAPE).wished);
	key('e');
	assert_false(key('n').wished);
	key('e');
	assert_false(key(WATCH_KEY_ENTER).wished);
	key('e');
	assert_true(key('y').wished);
	watch_model_find(&model, ui.chosen)->ended = true;
	assert_false(key('m').wished);
	key('e');
	assert_false(key('y').wished);
	key('i');
	assert_int_equal(ui.prompt, WATCH_NO_PROMPT);
}

static void test_input_is_bounded(void **state)
{
	(void)state;
	build(24, 80);
	key('i');
	for (int i = 0; i < WATCH_INPUT_MAX * 2; i++)
		key(0x5ba2);
	assert_true(strlen(ui.input) <= WATCH_INPUT_MAX);
	build(24, 80);
	key(WATCH_KEY_ESCAPE);
	key('/');
	for (int i = 0; i < WATCH_INPUT_MAX; i++)
		key('x');
	key(WATCH_KEY_ENTER);
	assert_true(strlen(ui.filter) <= WATCH_FILTER_MAX);
	build(24, 80);
	assert_true(row_has(2, "no call matches"));
	key(WATCH_KEY_ESCAPE);
	assert_string_equal(ui.filter, "");
}

/* A bar per leg: small ones in the table, long ones over the transcript. */
static void test_levels(void **state)
{
	(void)state;
	add_call(6,
		 ",\"speaking\":\"user\",\"audio\":{\"legs\":[{\"speaker\":\"user\",\"level_db\":"
		 "-6,\"speaking\":true},{\"speaker\":\"ai\",\"level_db\":-96}]}");
	ui.transcript_open = true;
	snprintf(ui.chosen, sizeof(ui.chosen), "%08x-0000-5000-8000-000000000000", 6);
	build(24, 80);
	int title = 0;
	while (title < 24 && !row_has(title, "── 00000006"))
		title++;
	assert_true(row_has(title, "●caller ▮▮▮▮▮▮▮▮▮▮  AI ▯▯▯▯▯▯▯▯▯▯"));
	bool small = false;
	for (int row = 0; row < title; row++)
		small = small || row_has(row, "█·user");
	assert_true(small);
	for (int columns = 1; columns < 200; columns += 7)
		build(24, columns);
}

static int title_row(void)
{
	int row = 0;

	while (row < 24 && !row_has(row, "── 00000006"))
		row++;
	return row;
}

static void open_call(unsigned i)
{
	ui.transcript_open = true;
	snprintf(ui.chosen, sizeof(ui.chosen), "%08x-0000-5000-8000-000000000000", i);
}

/* Who is in the call stands under its title, those who are gone last; a call on hold is marked. */
static void test_parties(void **state)
{
	(void)state;
	add_call(6,
		 ",\"source\":\"desk\",\"dialect\":\"ringcx\",\"turns\":[{\"speaker\":\"ai\","
		 "\"text\":\"Hello\","
		 "\"turn\":0}],\"parties\":[{\"party_id\":\"1\",\"name\":\"Menu\",\"side\":"
		 "\"system\","
		 "\"state\":\"left\"},{\"party_id\":\"2\",\"name\":\"Ann Lee\",\"side\":\"inside\","
		 "\"state\":\"held\"}]");
	open_call(6);
	build(24, 80);
	int title = title_row();
	assert_true(row_has(title, "by desk"));
	assert_true(row_has(title + 1, "Ann Lee (inside) is on hold"));
	assert_true(row_has(title + 1, "Menu (system) has left"));
	assert_true(row_has(title + 2, "us   Hello"));
	bool marked = false, named = false;
	for (int row = 2; row < title; row++)
		marked |= row_has(row, "CX") && row_has(row, "HOLD");
	assert_true(marked);
	build(24, 120);
	for (int row = 2; row < title; row++)
		named |= row_has(row, "CX desk");
	assert_true(named);
	for (int rows = 8; rows < 60; rows++)
		for (int columns = 40; columns < 200; columns += 17)
			build(rows, columns);
}

/* What cannot be done is told before anybody types; the key still asks the node. */
static void test_what_cannot_be_done(void **state)
{
	(void)state;
	add_call(6, ",\"can\":{\"say\":\"nobody can speak into it\",\"mute\":true,\"end\":\"not "
		    "now\"}");
	open_call(6);
	build(24, 80);
	assert_true(row_has(23, "(i say)  m mute  o hold (e end)  t transfer  r record"));
	assert_true(row_has(23, "q quit"));
	key('i');
	build(24, 80);
	assert_true(row_has(23, "nobody can speak into it"));
	key('x');
	build(24, 80);
	assert_false(row_has(23, "nobody can speak into it"));
	assert_int_equal(key(WATCH_KEY_ENTER).verb, COMMAND_SAY);
	key('e');
	build(24, 80);
	assert_true(row_has(23, "not now"));
	assert_int_equal(key('y').verb, COMMAND_END);
}

static void type(const char *text)
{
	while (*text)
		key((uint32_t)*text++);
}

/* The prompt says what the call's platform takes; what it does not take stays as it was typed. */
static void test_transfers_are_what_the_platform_takes(void **state)
{
	(void)state;
	add_call(6, ",\"dialect\":\"ringcentral\"");
	add_call(7, ",\"dialect\":\"vapi\"");
	open_call(6);
	key('t');
	build(24, 120);
	assert_true(row_has(23, "transfer to +1... or 101 (extension): "));
	type("sip:a@b");
	assert_false(key(WATCH_KEY_ENTER).wished);
	build(24, 120);
	assert_true(row_has(23, "not such a destination"));
	for (int i = 0; i < 7; i++)
		key(WATCH_KEY_BACKSPACE);
	build(24, 120);
	assert_false(row_has(23, "not such"));
	type("+101");
	key(WATCH_KEY_BACKSPACE);
	assert_false(key(WATCH_KEY_ENTER).wished); /* too short a number */
	key(WATCH_KEY_ESCAPE);
	key('t');
	type("101");
	struct watch_wish w = key(WATCH_KEY_ENTER);
	assert_int_equal(w.verb, COMMAND_TRANSFER);
	assert_string_equal(w.text, "101");
	open_call(7);
	key('t');
	build(24, 120);
	assert_true(row_has(23, "transfer to +1... or sip:...: "));
	type("101");
	assert_false(key(WATCH_KEY_ENTER).wished);
	key(WATCH_KEY_ESCAPE);
	add_call(8, "");
	open_call(8);
	key('t');
	build(24, 120);
	assert_true(row_has(23, "+1... or sip:... or 101 (extension) or queue:7: "));
}

static void test_destinations(void **state)
{
	static const struct {
		const char *text, *json;
	} rows[] = {
		{ "+14155550100",
		  "{\"destination\":{\"type\":\"number\",\"number\":\"+14155550100\"}}" },
		{ "sips:a@b", "{\"destination\":{\"type\":\"sip\",\"sipUri\":\"sips:a@b\"}}" },
		{ "101", "{\"destination\":{\"type\":\"extension\",\"extension\":\"101\"}}" },
		{ "queue:12", "{\"destination\":{\"type\":\"queue\",\"id\":\"12\"}}" },
		{ "queue:", "{}" },
		{ "queue:1 2", "{}" },
		{ "sip:", "{}" },
		{ "sip:a b", "{}" },
		{ "sipper", "{}" },
		{ "+", "{}" },
		{ "+1 415", "{}" },
		{ "+12345678901234567", "{}" },
		{ "12345678901", "{}" },
		{ "anna", "{}" },
		{ "", "{}" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b AUTO_BUF = { 0 };
		struct json_out o = { .b = &b };
		json_begin(&o, NULL);
		destination_write(rows[i].text, &o);
		json_end(&o);
		assert_string_equal(buf_z(&b), rows[i].json);
		assert_int_equal(destination_fits("", rows[i].text),
				 strcmp(rows[i].json, "{}") != 0);
	}
	assert_false(destination_fits("ringcentral", "sip:a@b"));
	assert_false(destination_fits("vapi", "101"));
	assert_true(destination_fits("ringcx", "queue:12"));
	assert_false(destination_fits("ringcx", "12"));
	assert_false(destination_fits("ringcentral", "queue:12"));
}

static void test_texts_are_answered_by_text(void **state)
{
	(void)state;
	add_call(6, ",\"kind\":\"sms\"");
	open_call(6);
	build(24, 80);
	assert_true(row_has(23, "i text"));
	bool shown = false;
	for (int row = 2; row < title_row(); row++)
		shown |= row_has(row, "text");
	assert_true(shown);
	key('i');
	key('x');
	struct watch_wish w = key(WATCH_KEY_ENTER);
	assert_int_equal(w.verb, COMMAND_SEND_TEXT);
	assert_string_equal(w.text, "x");
}

static void test_pause_turns_to_resume(void **state)
{
	(void)state;
	build(24, 80);
	assert_int_equal(key('r').verb, COMMAND_RECORD_PAUSE);
	watch_model_find(&model, ui.chosen)->recording_paused = true;
	assert_int_equal(key('r').verb, COMMAND_RECORD_RESUME);
}

/* What is taken back is our side's hold, not the customer's; of parties known by their audio,
 * anybody's. */
static void test_hold_turns_to_unhold(void **state)
{
	static const struct {
		const char *more;
		enum command_verb verb;
	} rows[] = {
		{ "", COMMAND_HOLD },
		{ ",\"parties\":[{\"party_id\":\"1\",\"side\":\"inside\",\"state\":\"held\"}]",
		  COMMAND_UNHOLD },
		{ ",\"parties\":[{\"party_id\":\"1\",\"side\":\"inside\",\"state\":\"talking\"},{"
		  "\"party_id\":\"2\",\"side\":\"outside\",\"state\":\"held\"}]",
		  COMMAND_HOLD },
		{ ",\"parties\":[{\"party_id\":\"1\",\"side\":\"inside\",\"state\":\"parked\"}]",
		  COMMAND_HOLD },
		{ ",\"audio\":{\"legs\":[{\"stream\":\"s\",\"leg\":0,\"speaker\":\"user\",\"who\":"
		  "\"Dora\",\"attached\":true,\"held\":true}]}",
		  COMMAND_UNHOLD },
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		add_call(10 + i, rows[i].more);
		open_call(10 + i);
		assert_true(key('o').wished);
		assert_int_equal(key('o').verb, rows[i].verb);
	}
}

static void test_hold_is_refused_with_its_reason(void **state)
{
	(void)state;
	add_call(6, ",\"can\":{\"hold\":\"Vapi has no hold\",\"unhold\":true}");
	open_call(6);
	build(24, 80);
	assert_true(row_has(23, "m mute (o hold)  e end "));
	assert_true(row_has(23, "q quit"));
}

/* Everything stands on the smallest usual screen, nothing is cut. */
static void test_help(void **state)
{
	static const char *const words[] = { "m           mute", "o           put our side on hold",
					     "STATUS HOLD: ",	 "SPEAKS ·▅us: ",
					     "MOOD   ",		 "signal ...)",
					     "any key closes",	 "but the tool failed" };
	(void)state;
	key('?');
	build(24, 80);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		bool there = false;
		for (int row = 0; row < 24; row++)
			there |= row_has(row, words[i]);
		if (!there)
			fail_msg("the help lacks `%s`", words[i]);
	}
}

static void test_mute_turns_to_unmute(void **state)
{
	(void)state;
	build(24, 80);
	assert_int_equal(key('m').verb, COMMAND_MUTE);
	watch_model_find(&model, ui.chosen)->assistant_muted = true;
	assert_int_equal(key('m').verb, COMMAND_UNMUTE);
}

static void test_no_connection(void **state)
{
	struct watch_state s = { .node = "n:1",
				 .connection = "NO CONNECTION, again in 4 s (connection refused)",
				 .lag_ms = -1,
				 .now_us = NOW };

	(void)state;
	watch_page_build(&page, &model, &ui, &s, 24, 80);
	assert_true(row_has(0, "again in 4 s (connection refused)"));
	assert_true(row_has(2, "00000001"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_checklist, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_choice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_say_is_about_the_call_it_was_begun_for, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_is_sent_by_mistake, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_input_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_levels, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_mute_turns_to_unmute, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hold_turns_to_unhold, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hold_is_refused_with_its_reason, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_help, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_parties, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_done, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_transfers_are_what_the_platform_takes, set_up,
						tear_down),
		cmocka_unit_test(test_destinations),
		cmocka_unit_test_setup_teardown(test_texts_are_answered_by_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pause_turns_to_resume, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_connection, set_up, tear_down),
	};

	setlocale(LC_ALL, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
