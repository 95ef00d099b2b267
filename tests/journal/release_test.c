/* The release position on disk, and a start that reads from there on. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "journal/released.h"
#include "journal_kit.h"

#define FIRST_SEGMENT "0000000000000001.seg"
#define NEWEST_SEGMENT "0000000000000009.seg"

enum { SEGMENTS = 5, PER_SEGMENT = 2, LAST = SEGMENTS * PER_SEGMENT, BODY = 40, LINE = 34 };

/* Segments 1-2, 3-4 ... 9-10: every start begins one. */
static char *five_segments(void)
{
	char *dir = kit_folder();
	struct journal_config config = kit_config(dir);
	config.retention_ms = 3600 * 1000;
	for (int i = 0; i < SEGMENTS; i++) {
		struct journal *j = kit_start(&config);
		for (int k = 0; k < PER_SEGMENT; k++)
			assert_int_equal(kit_append(j, BODY), 0);
		journal_free(j);
	}
	return dir;
}

static struct journal_config config_of(const char *dir)
{
	struct journal_config config = kit_config(dir);
	config.retention_ms = 3600 * 1000;
	return config;
}

/* One run that releases and ends orderly. */
static void release_run(const char *dir, uint64_t number)
{
	struct journal_config config = config_of(dir);
	struct journal *j = kit_start(&config);
	journal_release(j, number);
	journal_free(j);
}

static uint64_t on_disk(const char *dir)
{
	struct buf line = kit_read_file(dir, "released");
	uint64_t number = strtoull(buf_z(&line), NULL, 16);
	assert_int_equal(line.n, LINE);
	buf_free(&line);
	return number;
}

static int count(void *user, const struct record *r)
{
	struct kit_found *found = user;
	assert_true(kit_intact(r));
	found->numbers = realloc(found->numbers, (found->n + 1) * sizeof(uint64_t));
	found->numbers[found->n++] = r->number;
	return 0;
}

static void check_range(struct kit_found *found, uint64_t from, uint64_t to)
{
	assert_int_equal(found->n, to + 1 - from);
	for (size_t i = 0; i < found->n; i++)
		assert_int_equal(found->numbers[i], from + i);
	kit_found_free(found);
}

static void check_replay_from(struct journal *j, uint64_t from, uint64_t to)
{
	struct kit_found found = { 0 };
	struct fault f = { 0 };
	assert_int_equal(journal_replay_from(j, from, count, &found, &f), 0);
	check_range(&found, from, to);
}

static void check_reader_from(struct journal *j, uint64_t from, uint64_t to)
{
	struct kit_found found = { 0 };
	struct fault f = { 0 };
	struct journal_reader *r;
	struct record out;
	assert_int_equal(journal_reader_new(&r, j, from, &f), 0);
	while (journal_read(r, 0, &out, &f) == 0)
		assert_int_equal(count(&found, &out), 0);
	journal_reader_free(r);
	check_range(&found, from, to);
}

/* Opens, expects the position, and that everything retained can be read. */
static void check_open(const char *dir, uint64_t released)
{
	struct journal_config config = config_of(dir);
	struct journal *j = kit_open(&config);
	assert_int_equal(journal_released(j), released);
	assert_int_equal(journal_last(j), LAST);
	assert_int_equal(journal_durable(j), LAST);
	assert_int_equal(journal_latest_us(j), LAST * 1000);
	check_replay_from(j, released, LAST);
	struct kit_found all = kit_replay(j);
	check_range(&all, 1, LAST);
	journal_free(j);
}

static void kept_over_a_restart(void **state)
{
	(void)state;
	char *dir = five_segments();
	assert_false(kit_exists(dir, "released"));
	check_open(dir, 1);
	release_run(dir, 6);
	assert_int_equal(on_disk(dir), 6);
	check_open(dir, 6);
	release_run(dir, 3); /* never backwards */
	check_open(dir, 6);
	release_run(dir, LAST + 1);
	check_open(dir, LAST + 1);
	char *path = kit_path(dir, "released");
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	free(path);
	kit_remove(dir);
}

/* A number that no durable record has may be given to another one after a crash. */
static void not_above_what_is_durable(void **state)
{
	(void)state;
	char *dir = five_segments();
	release_run(dir, 1000);
	assert_int_equal(on_disk(dir), LAST + 1);
	check_open(dir, LAST + 1);
	kit_remove(dir);
}

static bool says_five(void *dir)
{
	return kit_exists(dir, "released") && on_disk(dir) == 5;
}

static bool first_is_gone(void *dir)
{
	return !kit_exists(dir, FIRST_SEGMENT);
}

/* The first is written at once: a kill soon after it costs nothing. The next ones wait. */
static void bounded_in_rate(void **state)
{
	(void)state;
	char *dir = five_segments();
	struct journal_config config = kit_config(dir); /* nothing is retained */
	struct journal *j = kit_start(&config);
	int64_t start = clock_monotonic_us();
	assert_int_equal(journal_released(j), 1);
	journal_release(j, 5);
	kit_wait(says_five, dir, "the release position on disk");
	for (uint64_t n = 6; n <= LAST; n++)
		journal_release(j, n);
	kit_wait(first_is_gone, dir, "the helper to have seen it");
	uint64_t now = on_disk(dir);
	if (clock_monotonic_us() - start < 9 * SECOND_US)
		assert_int_equal(now, 5);
	assert_int_equal(journal_released(j), 1); /* what was found at open */
	journal_free(j);
	assert_int_equal(on_disk(dir), LAST);
	kit_remove(dir);
}

static void damaged_anywhere(void **state)
{
	(void)state;
	char *dir = five_segments();
	release_run(dir, 6);
	struct buf line = kit_read_file(dir, "released");
	for (size_t bit = 0; bit < line.n * 8; bit++) {
		line.p[bit / 8] = (char)(line.p[bit / 8] ^ (1 << bit % 8));
		kit_write_file(dir, "released", buf_span(&line));
		line.p[bit / 8] = (char)(line.p[bit / 8] ^ (1 << bit % 8));
		check_open(dir, 1);
	}
	for (size_t n = 0; n < line.n; n++) {
		kit_write_file(dir, "released", (struct span){ line.p, n });
		check_open(dir, 1);
	}
	buf_addz(&line, "\n");
	kit_write_file(dir, "released", buf_span(&line));
	check_open(dir, 1);
	release_run(dir, 7); /* mended by the next one */
	check_open(dir, 7);
	buf_free(&line);
	kit_remove(dir);
}

static void of_another_journal(void **state)
{
	(void)state;
	char *dir = five_segments(), *other = five_segments();
	release_run(other, 6);
	struct buf line = kit_read_file(other, "released");
	kit_write_file(dir, "released", buf_span(&line));
	check_open(dir, 1);
	buf_free(&line);
	kit_remove(dir);
	kit_remove(other);
}

/* Not readable at all, and not writable: no reason not to start, nor not to stop. */
static void a_folder_in_its_place(void **state)
{
	(void)state;
	char *dir = five_segments(), *path = kit_path(dir, "released");
	assert_int_equal(mkdir(path, 0700), 0);
	check_open(dir, 1);
	release_run(dir, 6);
	check_open(dir, 1);
	free(path);
	kit_remove(dir);
}

static void write_position(const char *dir, uint64_t number)
{
	struct segment_key key;
	struct fault f = { 0 };
	char *path = kit_path(dir, NEWEST_SEGMENT);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(segment_read_key(fileno(file), &key, &f), 0);
	fclose(file);
	free(path);
	assert_int_equal(released_write(dir, &key, number, &f), 0);
}

/* It is taken away: later, when the numbers have been given again, it would not look too high. */
static void too_high(void **state)
{
	(void)state;
	char *dir = five_segments();
	write_position(dir, LAST + 1);
	check_open(dir, LAST + 1);
	write_position(dir, LAST + 2);
	check_open(dir, 1);
	assert_false(kit_exists(dir, "released"));
	write_position(dir, UINT64_MAX);
	check_open(dir, 1);
	assert_false(kit_exists(dir, "released"));
	kit_remove(dir);
}

/* The newest segment ends at every place; the position names a record in it. */
static void newest_cut_at_every_byte(void **state)
{
	(void)state;
	enum { POSITION = LAST };
	char *dir = five_segments();
	release_run(dir, POSITION);
	struct buf newest = kit_read_file(dir, NEWEST_SEGMENT);
	struct buf line = kit_read_file(dir, "released");
	struct journal_config config = config_of(dir);
	uint64_t ninth = SEGMENT_HEADER + segment_record_bytes(BODY);
	for (size_t cut = 0; cut <= newest.n; cut++) {
		kit_write_file(dir, NEWEST_SEGMENT, (struct span){ newest.p, cut });
		kit_write_file(dir, "released", buf_span(&line));
		struct journal *j = kit_open(&config);
		uint64_t last = cut < ninth ? 8 : cut < newest.n ? 9 : 10;
		assert_int_equal(journal_last(j), last);
		assert_int_equal(journal_released(j), last + 1 < POSITION ? 1 : POSITION);
		assert_int_equal(kit_exists(dir, "released"), last + 1 >= POSITION);
		struct kit_found all = kit_replay(j);
		check_range(&all, 1, last);
		journal_free(j);
	}
	buf_free(&newest);
	buf_free(&line);
	kit_remove(dir);
}

static void seek_to_the_middle(void **state)
{
	(void)state;
	char *dir = five_segments();
	release_run(dir, 6); /* the second of 5-6 */
	struct journal_config config = config_of(dir);
	struct journal *j = kit_start(&config);
	for (uint64_t from = 1; from <= LAST; from++) {
		check_replay_from(j, from, LAST);
		check_reader_from(j, from, LAST);
	}
	/* Behind the last one: nothing yet, then the first of this run. */
	struct journal_reader *r;
	struct record out;
	struct fault f = { 0 };
	assert_int_equal(journal_reader_new(&r, j, LAST + 1, &f), 0);
	assert_int_equal(journal_read(r, 0, &out, &f), E_NOT_FOUND);
	assert_int_equal(kit_append(j, BODY), 0);
	assert_int_equal(journal_read(r, KIT_PATIENCE_MS, &out, &f), 0);
	assert_int_equal(out.number, LAST + 1);
	journal_reader_free(r);
	journal_free(j);
	struct kit_found all = kit_scan(dir);
	check_range(&all, 1, LAST + 1);
	kit_remove(dir);
}

/* --- what is released is not read at open, and still not believed --- */

static void flip(const char *dir, const char *name, size_t at)
{
	struct buf b = kit_read_file(dir, name);
	b.p[at] ^= 1;
	kit_write_file(dir, name, buf_span(&b));
	buf_free(&b);
}

/* Reads all, twice; gives how many records came the first time. */
static size_t read_twice(struct journal *j, int64_t *damaged)
{
	size_t n[2] = { 0 };
	for (int i = 0; i < 2; i++) {
		struct journal_reader *r;
		struct record out;
		struct fault f = { 0 };
		assert_int_equal(journal_reader_new(&r, j, 1, &f), 0);
		while (journal_read(r, 0, &out, &f) == 0) {
			assert_true(kit_intact(&out));
			n[i]++;
		}
		journal_reader_free(r);
		if (i == 0)
			*damaged = metric_value(METRIC_JOURNAL_DAMAGED);
	}
	assert_int_equal(n[0], n[1]);
	assert_int_equal(metric_value(METRIC_JOURNAL_DAMAGED), *damaged); /* counted once */
	return n[0];
}

static void check_old_damage(size_t at, const char *copy)
{
	char *dir = five_segments();
	release_run(dir, 6);
	flip(dir, FIRST_SEGMENT, at);
	int64_t before = metric_value(METRIC_JOURNAL_DAMAGED), after;
	struct journal_config config = config_of(dir);
	struct journal *j = kit_open(&config);
	assert_int_equal(journal_last(j), LAST);
	assert_int_equal(metric_value(METRIC_JOURNAL_DAMAGED), before);
	check_replay_from(j, 6, LAST);
	assert_int_equal(kit_count(dir, "damaged", ".bin"), 0);
	assert_int_equal(read_twice(j, &after), LAST - 1);
	assert_true(after > before);
	assert_int_equal(kit_count(dir, "damaged", ".bin"), 1);
	assert_true(kit_exists(dir, copy));
	journal_free(j);
	/* A start that walks everything finds it told already. */
	write_position(dir, LAST + 2);
	j = kit_open(&config);
	assert_int_equal(journal_released(j), 1);
	assert_int_equal(metric_value(METRIC_JOURNAL_DAMAGED), after);
	journal_free(j);
	kit_remove(dir);
}

static void damage_in_the_middle_of_an_old_one(void **state)
{
	(void)state;
	check_old_damage(SEGMENT_HEADER + 20, "damaged/0000000000000001-64.bin");
}

static void damage_at_the_end_of_an_old_one(void **state)
{
	(void)state;
	size_t second = SEGMENT_HEADER + segment_record_bytes(BODY);
	check_old_damage(second + SEGMENT_RECORD_HEADER + BODY - 1,
			 "damaged/0000000000000001-168.bin");
}

static void damaged_header_of_an_old_one(void **state)
{
	(void)state;
	char *dir = five_segments();
	release_run(dir, 6);
	flip(dir, FIRST_SEGMENT, 20);
	int64_t before = metric_value(METRIC_JOURNAL_DAMAGED);
	check_open(dir, 6); /* costs no record */
	assert_int_equal(metric_value(METRIC_JOURNAL_DAMAGED), before + SEGMENT_HEADER);
	assert_true(kit_exists(dir, "damaged/0000000000000001-0.bin"));
	kit_remove(dir);
}

static void another_journals_old_segment(void **state)
{
	(void)state;
	char *dir = five_segments(), *other = five_segments();
	struct journal_config config = config_of(dir);
	struct journal *j = NULL;
	struct fault f = { 0 };
	release_run(dir, LAST + 1);
	struct buf theirs = kit_read_file(other, FIRST_SEGMENT);
	kit_write_file(dir, FIRST_SEGMENT, buf_span(&theirs));
	assert_int_equal(journal_open(&j, &config, &f), E_CORRUPT);
	assert_non_null(strstr(f.text, "another journal"));
	buf_free(&theirs);
	kit_remove(dir);
	kit_remove(other);
}

/* Begun and never written to, perhaps several times: the last number stands further back. */
static void empty_segments_at_the_end(void **state)
{
	(void)state;
	char *dir = five_segments();
	struct buf zeros AUTO_BUF = { 0 };
	while (zeros.n < KIT_SEGMENT)
		buf_addc(&zeros, 0);
	release_run(dir, LAST + 1);
	kit_write_file(dir, "000000000000000b.seg", buf_span(&zeros));
	kit_write_file(dir, "000000000000000c.seg", buf_span(&zeros));
	struct journal_config config = config_of(dir);
	struct journal *j = kit_start(&config);
	assert_int_equal(journal_released(j), LAST + 1);
	assert_int_equal(journal_durable(j), LAST);
	assert_true(journal_last(j) >= LAST + 1); /* 0xb may have been given */
	assert_int_equal(kit_append(j, BODY), 0);
	journal_free(j);
	kit_remove(dir);
}

/* A crash between file and name. */
static void unfinished_files_go(void **state)
{
	(void)state;
	char *dir = five_segments();
	kit_write_file(dir, "released.tmp-Ab3dEf", SPAN("0000"));
	kit_write_file(dir, "begun.tmp", SPAN("x"));
	check_open(dir, 1);
	assert_false(kit_exists(dir, "released.tmp-Ab3dEf"));
	assert_false(kit_exists(dir, "begun.tmp"));
	kit_remove(dir);
}

/* What is on disk from an earlier run lets no segment go: that is for this run to say, which may
 * have another database. */
static void nothing_goes_before_it_is_said_again(void **state)
{
	(void)state;
	char *dir = five_segments();
	release_run(dir, LAST + 1);
	struct journal_config config = kit_config(dir); /* nothing is retained */
	struct journal *j = kit_start(&config);
	assert_int_equal(kit_append(j, BODY), 0); /* work for the helper */
	kit_wait_durable(j, LAST + 1);
	journal_free(j);
	assert_int_equal(kit_count(dir, ".", ".seg"), SEGMENTS + 1);
	kit_remove(dir);
}

int main(void)
{
	log_init(LOG_ERROR + 1, LOG_TEXT); /* damage on purpose */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_over_a_restart),
		cmocka_unit_test(not_above_what_is_durable),
		cmocka_unit_test(bounded_in_rate),
		cmocka_unit_test(damaged_anywhere),
		cmocka_unit_test(of_another_journal),
		cmocka_unit_test(a_folder_in_its_place),
		cmocka_unit_test(too_high),
		cmocka_unit_test(newest_cut_at_every_byte),
		cmocka_unit_test(seek_to_the_middle),
		cmocka_unit_test(damage_in_the_middle_of_an_old_one),
		cmocka_unit_test(damage_at_the_end_of_an_old_one),
		cmocka_unit_test(damaged_header_of_an_old_one),
		cmocka_unit_test(another_journals_old_segment),
		cmocka_unit_test(empty_segments_at_the_end),
		cmocka_unit_test(unfinished_files_go),
		cmocka_unit_test(nothing_goes_before_it_is_said_again),
	};
	return cmocka_run_group_tests_name("journal release position", tests, NULL, NULL);
}
