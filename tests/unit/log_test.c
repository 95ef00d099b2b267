/* stderr goes to a pipe while a line is logged, so that the bytes can be looked at. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "tests/unit/cmocka_all.h"

static int ends[2];
static int real_stderr;

static void capture(void)
{
	real_stderr = dup(STDERR_FILENO);
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
}

static void captured(struct buf *out)
{
	char bytes[8192];
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(ends[1]);
	for (ssize_t n; (n = read(ends[0], bytes, sizeof(bytes))) > 0;)
		buf_add(out, (struct span){ bytes, (size_t)n });
	close(ends[0]);
}

static void text_lines(void **state)
{
	(void)state;
	struct buf b AUTO_BUF = { 0 };
	int64_t us;
	log_init(LOG_INFO, LOG_TEXT);
	log_thread("shard 0");
	capture();
	log_debug("call 1", "not shown");
	log_warn("call 1", "value %d\nforged \x1b[31m", 7);
	log_info("", "plain");
	captured(&b);
	assert_true(b.n > 28 && clock_parse((struct span){ b.p, CLOCK_ISO }, &us));
	const char *first = strchr(buf_z(&b), '\n');
	assert_non_null(first);
	assert_int_equal(
		strncmp(b.p + 28, "warn  [shard 0] call 1: value 7\\x0aforged \\x1b[31m\n", 49), 0);
	assert_string_equal(first + 1 + 28, "info  [shard 0] plain\n");
}

static void json_lines(void **state)
{
	(void)state;
	struct buf b AUTO_BUF = { 0 };
	log_init(LOG_DEBUG, LOG_JSON);
	capture();
	log_debug("source \"main\"", "a\nb");
	captured(&b);
	assert_int_equal(json_check(buf_span(&b), NULL), 0);
	struct json o = json_of(buf_span(&b));
	struct arena a = { 0 };
	assert_true(json_is_text(json_get(o, "level"), "debug"));
	assert_true(json_is_text(json_get(o, "who"), "source \"main\""));
	assert_true(json_is_text(json_get(o, "text"), "a\nb"));
	assert_true(json_is_text(json_get(o, "thread"), "shard 0"));
	assert_int_equal(b.p[b.n - 1], '\n');
	arena_fini(&a);
}

static void long_lines_are_cut(void **state)
{
	(void)state;
	struct buf b AUTO_BUF = { 0 };
	log_init(LOG_INFO, LOG_TEXT);
	capture();
	log_info("x", "%05000d", 1);
	captured(&b);
	assert_true(b.n > 2000 && b.n < 2200 && b.p[b.n - 1] == '\n');
}

static void level_names(void **state)
{
	(void)state;
	enum log_level level = LOG_ERROR;
	assert_true(log_level_from(SPAN("debug"), &level));
	assert_int_equal(level, LOG_DEBUG);
	assert_true(log_level_from(SPAN("warn"), &level));
	assert_int_equal(level, LOG_WARN);
	assert_false(log_level_from(SPAN("Warn"), &level));
	assert_false(log_level_from(SPAN(""), &level));
	assert_int_equal(level, LOG_WARN);
}

static unsigned lines_with(const struct buf *b, const char *text)
{
	unsigned n = 0;
	for (const char *at = b->p; (at = strstr(at, text)); at++)
		n++;
	return n;
}

static void attack(const char *source, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		log_often(LOG_WARN, "door", span_of(source), "%s: refused", source);
}

static void what_comes_often_is_counted(void **state)
{
	(void)state;
	struct buf b AUTO_BUF = { 0 };
	log_init(LOG_INFO, LOG_TEXT);
	capture();
	attack("main", 20);
	attack("other", LOG_OFTEN);
	log_often(LOG_WARN, "door", SPAN("main"), "%s: another kind", "main");
	log_often(LOG_WARN, "window", SPAN("main"), "%s: refused", "main");
	log_often(LOG_DEBUG, "door", SPAN("main"), "%s: not shown", "main");
	log_left_out(clock_monotonic_us() + 50 * SECOND_US);
	log_left_out(clock_monotonic_us() + 61 * SECOND_US);
	log_left_out(clock_monotonic_us() + 61 * SECOND_US);
	captured(&b);
	buf_z(&b);
	assert_int_equal(lines_with(&b, "door: main: refused\n"), LOG_OFTEN);
	assert_int_equal(lines_with(&b, "door: other: refused\n"), LOG_OFTEN);
	assert_int_equal(lines_with(&b, "main: another kind\n"), 1);
	assert_int_equal(lines_with(&b, "window: main: refused\n"), 1);
	assert_int_equal(lines_with(&b, "not shown"), 0);
	assert_int_equal(lines_with(&b, "warn  [shard 0] door: 15 more within a minute, like this "
					"one: main: refused\n"),
			 1);
	assert_int_equal(lines_with(&b, " more within"), 1);
}

/* More kinds than are kept apart: who has to make room is told of at once. */
static void a_kind_that_makes_room_is_told(void **state)
{
	(void)state;
	struct buf b AUTO_BUF = { 0 };
	char name[16];
	log_init(LOG_INFO, LOG_TEXT);
	capture();
	attack("first", LOG_OFTEN + 3);
	for (unsigned i = 0; i < 64; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		attack(name, 1);
	}
	captured(&b);
	buf_z(&b);
	assert_int_equal(lines_with(&b, "door: 3 more within a minute, like this one: first:"), 1);
	assert_int_equal(lines_with(&b, "door: s"), 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_lines),
		cmocka_unit_test(json_lines),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(level_names),
		cmocka_unit_test(what_comes_often_is_counted),
		cmocka_unit_test(a_kind_that_makes_room_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
