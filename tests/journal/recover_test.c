/* What a start makes of a folder in which anything may have happened. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "journal_kit.h"

#define SEG "0000000000000001.seg"

/* Bodies of the small journal that is mistreated: empty, around the alignment, longer than a
 * header. */
static const size_t sizes[] = { 40, 0, 1, 7, 8, 9, 63, 64, 65, 130, 0, 32 };
enum { RECORDS = sizeof(sizes) / sizeof(sizes[0]) };

struct sample {
	struct buf id, segment;
	uint64_t ends[RECORDS + 1]; /* ends[i]: where record i ends without its padding, ends[0]:
				       the header's end */
};

static void sample_make(struct sample *s, const size_t *bodies, size_t n)
{
	char *dir = kit_folder();
	struct journal_config config = kit_config(dir);
	struct journal *j = kit_start(&config);
	uint64_t at = SEGMENT_HEADER;
	s->ends[0] = at;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(kit_append(j, bodies[i]), 0);
		if (i < RECORDS)
			s->ends[i + 1] = at + SEGMENT_RECORD_HEADER + bodies[i];
		at += segment_record_bytes(bodies[i]);
	}
	journal_free(j);
	s->id = kit_read_file(dir, "journal.id");
	s->segment = kit_read_file(dir, SEG);
	assert_int_equal(s->segment.n, at); /* cut to size by the orderly end */
	kit_remove(dir);
}

static void sample_free(struct sample *s)
{
	buf_free(&s->id);
	buf_free(&s->segment);
}

static char *folder_with(struct span id, struct span segment)
{
	char *dir = kit_folder();
	kit_write_file(dir, "journal.id", id);
	kit_write_file(dir, SEG, segment);
	return dir;
}

static void check_first(const struct kit_found *found, size_t n)
{
	assert_int_equal(found->n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(found->numbers[i], i + 1);
}

static size_t whole_before(const struct sample *s, uint64_t cut)
{
	size_t n = 0;
	while (n < RECORDS && s->ends[n + 1] <= cut)
		n++;
	return n;
}

static uint64_t padded(uint64_t end)
{
	return (end + SEGMENT_ALIGN - 1) & ~(uint64_t)(SEGMENT_ALIGN - 1);
}

/* Opens, expects records 1..n and nothing aside, appends one more and finds it in the next start.
 */
static void check_torn(const struct sample *s, char *dir, size_t n)
{
	struct journal_config config = kit_config(dir);
	struct fault f = { 0 };
	struct journal *j = kit_open(&config);
	struct kit_found found = kit_replay(j);
	check_first(&found, n);
	kit_found_free(&found);
	struct buf cut = kit_read_file(dir, SEG);
	assert_true(cut.n <= padded(s->ends[n]));
	buf_free(&cut);
	assert_int_equal(journal_last(j), n);
	assert_int_equal(kit_count(dir, "damaged", ".bin"), 0);
	assert_int_equal(journal_start(j, &f), 0);
	assert_int_equal(kit_append(j, 20), 0);
	journal_free(j);
	found = kit_scan(dir);
	check_first(&found, n + 1);
	kit_found_free(&found);
	kit_remove(dir);
}

static void cut_at_every_byte(void **state)
{
	(void)state;
	struct sample s = { 0 };
	sample_make(&s, sizes, RECORDS);
	for (size_t cut = 0; cut <= s.segment.n; cut++)
		check_torn(&s, folder_with(buf_span(&s.id), (struct span){ s.segment.p, cut }),
			   whole_before(&s, cut));
	sample_free(&s);
}

/* The same in a preallocated file: behind the cut there are zeros. */
static void torn_at_every_byte(void **state)
{
	(void)state;
	struct sample s = { 0 };
	struct buf torn AUTO_BUF = { 0 };
	sample_make(&s, sizes, RECORDS);
	buf_reserve(&torn, KIT_SEGMENT);
	torn.n = 8192;
	for (size_t cut = 0; cut <= s.segment.n; cut++) {
		memset(torn.p, 0, torn.n);
		memcpy(torn.p, s.segment.p, cut);
		size_t n = whole_before(&s, cut);
		/* A byte that is zero in the whole record too may be missing. */
		size_t more = n;
		while (more < RECORDS && s.ends[more + 1] <= s.segment.n &&
		       memcmp(torn.p, s.segment.p, s.ends[more + 1]) == 0)
			more++;
		check_torn(&s, folder_with(buf_span(&s.id), buf_span(&torn)), more);
	}
	sample_free(&s);
}

/* --- damage --- */

/* Which record a byte belongs to: 0 the segment header, RECORDS + 1 the padding of some record. */
static size_t owner(const struct sample *s, size_t byte)
{
	uint64_t at = SEGMENT_HEADER;
	if (byte < at)
		return 0;
	for (size_t i = 1; i <= RECORDS; i++) {
		if (byte < s->ends[i])
			return byte >= at ? i : RECORDS + 1;
		at = padded(s->ends[i]);
	}
	return RECORDS + 1;
}

static void check_flip(const struct sample *s, char *dir, size_t byte)
{
	struct journal_config config = kit_config(dir);
	struct fault f = { 0 };
	size_t hit = owner(s, byte);
	bool harmless = hit == RECORDS + 1, lost = hit > 0 && !harmless;
	int64_t counted = metric_value(METRIC_JOURNAL_DAMAGED);
	struct journal *j = kit_open(&config);
	struct kit_found found = kit_replay(j);
	assert_int_equal(found.n, RECORDS - (lost ? 1 : 0));
	for (size_t i = 1; i <= RECORDS; i++)
		assert_int_equal(kit_has(&found, i), !(lost && i == hit));
	assert_int_equal(kit_count(dir, "damaged", ".bin"), harmless ? 0 : 1);
	assert_int_equal(metric_value(METRIC_JOURNAL_DAMAGED) > counted, !harmless);
	kit_found_free(&found);
	/* The number of a damaged record is never given again. */
	assert_true(journal_last(j) >= RECORDS);
	assert_int_equal(journal_start(j, &f), 0);
	assert_int_equal(kit_append(j, 5), 0);
	uint64_t last = journal_last(j);
	journal_free(j);
	found = kit_scan(dir);
	assert_int_equal(found.n, RECORDS - (lost ? 1 : 0) + 1);
	assert_true(kit_has(&found, last));
	kit_found_free(&found);
	kit_remove(dir);
}

static void flip_every_bit(void **state)
{
	(void)state;
	struct sample s = { 0 };
	sample_make(&s, sizes, RECORDS);
	for (size_t bit = 0; bit < s.segment.n * 8; bit++) {
		s.segment.p[bit / 8] = (char)(s.segment.p[bit / 8] ^ (1 << bit % 8));
		check_flip(&s, folder_with(buf_span(&s.id), buf_span(&s.segment)), bit / 8);
		s.segment.p[bit / 8] = (char)(s.segment.p[bit / 8] ^ (1 << bit % 8));
	}
	sample_free(&s);
}

static void flip_in_the_id(void **state)
{
	(void)state;
	struct sample s = { 0 };
	sample_make(&s, sizes, RECORDS);
	for (size_t byte = 0; byte < s.id.n; byte++) {
		s.id.p[byte] ^= 1;
		char *dir = folder_with(buf_span(&s.id), buf_span(&s.segment));
		s.id.p[byte] ^= 1;
		struct kit_found found = kit_scan(dir);
		check_first(&found, RECORDS);
		kit_found_free(&found);
		struct journal_config config = kit_config(dir);
		journal_free(kit_open(&config));
		struct buf mended = kit_read_file(dir, "journal.id");
		assert_true(span_eq(buf_span(&mended), buf_span(&s.id)));
		buf_free(&mended);
		kit_remove(dir);
	}
	sample_free(&s);
}

static void zero_pages_in_the_middle(void **state)
{
	(void)state;
	struct sample s = { 0 };
	size_t bodies[60];
	enum { PAGE = 4096, BODY = 600 };
	for (size_t i = 0; i < 60; i++)
		bodies[i] = BODY;
	sample_make(&s, bodies, 60);
	for (size_t page = PAGE; page + PAGE < s.segment.n - PAGE; page += PAGE) {
		struct buf hurt AUTO_BUF = { 0 };
		buf_add(&hurt, buf_span(&s.segment));
		memset(hurt.p + page, 0, PAGE);
		char *dir = folder_with(buf_span(&s.id), buf_span(&hurt));
		struct journal_config config = kit_config(dir);
		struct journal *j = kit_open(&config);
		struct kit_found found = kit_replay(j);
		for (size_t i = 0; i < 60; i++) {
			uint64_t at = SEGMENT_HEADER + i * segment_record_bytes(BODY);
			bool touched = at < page + PAGE && at + SEGMENT_RECORD_HEADER + BODY > page;
			assert_int_equal(kit_has(&found, i + 1), !touched);
		}
		assert_int_equal(kit_count(dir, "damaged", ".bin"), 1);
		assert_int_equal(journal_last(j), 60);
		kit_found_free(&found);
		journal_free(j);
		kit_remove(dir);
	}
	sample_free(&s);
}

static void garbage_tail(void **state)
{
	(void)state;
	struct sample s = { 0 };
	sample_make(&s, sizes, RECORDS);
	for (unsigned i = 0; i < 3000; i++)
		buf_addc(&s.segment, (char)(i * 2654435761u >> 13 | 1));
	char *dir = folder_with(buf_span(&s.id), buf_span(&s.segment));
	struct journal_config config = kit_config(dir);
	struct fault f = { 0 };
	struct journal *j = kit_open(&config);
	struct kit_found found = kit_replay(j);
	check_first(&found, RECORDS);
	kit_found_free(&found);
	/* 3000 bytes could have been 46 records; none of their numbers is given again. */
	assert_true(journal_last(j) >= RECORDS + 46);
	assert_int_equal(journal_durable(j), RECORDS);
	assert_int_equal(kit_count(dir, "damaged", ".bin"), 1);
	assert_int_equal(journal_start(j, &f), 0);
	assert_int_equal(kit_append(j, 9), 0);
	kit_wait_durable(j, journal_last(j));
	/* A reader goes from the last record before the gap to the first behind it. */
	struct journal_reader *r;
	struct record out;
	assert_int_equal(journal_reader_new(&r, j, RECORDS, &f), 0);
	assert_int_equal(journal_read(r, 0, &out, &f), 0);
	assert_int_equal(out.number, RECORDS);
	assert_int_equal(journal_read(r, 0, &out, &f), 0);
	assert_int_equal(out.number, journal_last(j));
	assert_int_equal(journal_read(r, 0, &out, &f), E_NOT_FOUND);
	journal_reader_free(r);
	journal_free(j);
	/* What was put aside and cut once is not found a second time. */
	int64_t counted = metric_value(METRIC_JOURNAL_DAMAGED);
	journal_free(kit_open(&config));
	assert_int_equal(metric_value(METRIC_JOURNAL_DAMAGED), counted);
	kit_remove(dir);
	sample_free(&s);
}

/* A message whose text is a whole segment of another journal, with its own header damaged: nothing
 * in it is believed. */
static void records_inside_a_body(void **state)
{
	(void)state;
	struct sample bait = { 0 };
	struct buf body AUTO_BUF = { 0 };
	struct fault f = { 0 };
	sample_make(&bait, sizes, RECORDS);
	char *dir = kit_folder();
	struct journal_config config = kit_config(dir);
	struct journal *j = kit_start(&config);
	struct record r = { .kind = RECORD_REFUSED, .body = buf_span(&bait.segment) };
	assert_int_equal(journal_append(j, &r), 0);
	assert_int_equal(kit_append(j, 10), 0);
	journal_free(j);
	body = kit_read_file(dir, SEG);
	body.p[SEGMENT_HEADER + 20] ^= 4;
	kit_write_file(dir, SEG, buf_span(&body));
	j = kit_open(&config);
	struct kit_found found = kit_replay(j);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.numbers[0], 2);
	kit_found_free(&found);
	assert_int_equal(journal_start(j, &f), 0);
	journal_free(j);
	kit_remove(dir);
	sample_free(&bait);
}

/* --- the folder --- */

static void another_journals_segment(void **state)
{
	(void)state;
	struct sample a = { 0 }, b = { 0 };
	struct fault f = { 0 };
	struct journal *j = NULL;
	sample_make(&a, sizes, RECORDS);
	sample_make(&b, sizes, RECORDS);
	char *dir = folder_with(buf_span(&a.id), buf_span(&b.segment));
	struct journal_config config = kit_config(dir);
	assert_int_equal(journal_open(&j, &config, &f), E_CORRUPT);
	assert_non_null(strstr(f.text, "another journal"));
	assert_null(j);
	/* Refused means untouched. */
	struct buf after = kit_read_file(dir, SEG);
	assert_true(span_eq(buf_span(&after), buf_span(&b.segment)));
	buf_free(&after);
	kit_remove(dir);
	sample_free(&a);
	sample_free(&b);
}

static void empty_starts_keep_identity(void **state)
{
	(void)state;
	char *dir = kit_folder();
	struct journal_config config = kit_config(dir);
	struct journal *j = kit_start(&config);
	struct uuid id = journal_id(j);
	journal_free(j);
	for (int i = 0; i < 3; i++) {
		j = kit_start(&config);
		struct uuid again = journal_id(j);
		assert_true(uuid_eq(&id, &again));
		assert_int_equal(journal_last(j), 0);
		journal_free(j);
	}
	assert_int_equal(kit_count(dir, ".", ".tmp"), 0);
	kit_remove(dir);
}

static void every_start_begins_a_segment(void **state)
{
	(void)state;
	char *dir = kit_folder();
	struct journal_config config = kit_config(dir);
	for (uint64_t i = 1; i <= 5; i++) {
		struct journal *j = kit_start(&config);
		assert_int_equal(kit_append(j, 50), 0);
		journal_free(j);
		assert_int_equal(kit_count(dir, ".", ".seg"), i);
	}
	struct kit_found found = kit_scan(dir);
	check_first(&found, 5);
	kit_found_free(&found);
	char *seg = kit_path(dir, SEG);
	struct stat st;
	assert_int_equal(stat(seg, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	free(seg);
	kit_remove(dir);
}

static void scan_of_nothing(void **state)
{
	(void)state;
	struct fault f = { 0 };
	char *dir = kit_folder();
	assert_int_equal(journal_scan(dir, NULL, NULL, &f), E_NOT_FOUND);
	assert_int_equal(journal_scan("/nonexistent/journal", NULL, NULL, &f), E_NOT_FOUND);
	kit_remove(dir);
}

static int stop_at_three(void *user, const struct record *r)
{
	++*(int *)user;
	return r->number == 3 ? 42 : 0;
}

static void scan_stops_when_told(void **state)
{
	(void)state;
	struct sample s = { 0 };
	struct fault f = { 0 };
	int seen = 0;
	sample_make(&s, sizes, RECORDS);
	char *dir = folder_with(buf_span(&s.id), buf_span(&s.segment));
	assert_int_equal(journal_scan(dir, stop_at_three, &seen, &f), 42);
	assert_int_equal(seen, 3);
	kit_remove(dir);
	sample_free(&s);
}

int main(void)
{
	log_init(LOG_ERROR + 1, LOG_TEXT); /* thousands of damaged files on purpose */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm",
		       0); /* and thousands of syncs: no disk is needed here */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(torn_at_every_byte),
		cmocka_unit_test(flip_every_bit),
		cmocka_unit_test(flip_in_the_id),
		cmocka_unit_test(zero_pages_in_the_middle),
		cmocka_unit_test(garbage_tail),
		cmocka_unit_test(records_inside_a_body),
		cmocka_unit_test(another_journals_segment),
		cmocka_unit_test(empty_starts_keep_identity),
		cmocka_unit_test(every_start_begins_a_segment),
		cmocka_unit_test(scan_of_nothing),
		cmocka_unit_test(scan_stops_when_told),
	};
	return cmocka_run_group_tests_name("journal recovery", tests, NULL, NULL);
}
