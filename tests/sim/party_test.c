/* One party, merged from what was said of it: whatever is said, its order does not matter; and
 * which word holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "call/party.h"
#include "tests/unit/random.h"

enum { WORDS = 5 };

struct said {
	struct call_party word;
	int64_t at_us;
};

static struct said said(int64_t sequence, int64_t at_ms, enum party_state state)
{
	return (struct said){ { .id = SPAN("p"),
				.sequence = sequence,
				.side = PARTY_INSIDE,
				.state = state,
				.code = span_of(party_state_name(state)) },
			      at_ms * MS_US };
}

static void hear(struct party *p, const struct said *words, const unsigned *order, unsigned n)
{
	*p = (struct party){ .first = INT64_MAX };
	for (unsigned i = 0; i < n; i++) {
		const struct said *s = &words[order ? order[i] : i];
		(void)party_merge(p, &s->word, s->at_us);
	}
}

static void describe(const struct party *p, struct buf *out)
{
	const struct party_word *w = party_standing(p), *d = party_described(p);
	buf_printf(
		out, "%d %.*s since %lld talked %lld gone %d muted %d rec %d side %d %d%d%d %lld",
		w->state, SPAN_ARG(kept_span(&w->code)), (long long)party_since(p),
		(long long)party_talked_us(p), party_is_gone(p), party_is_muted(p), d->recording_on,
		p->side, p->outbound, p->peer_inside, p->was_inside, (long long)p->first);
	for (unsigned i = 0; i < PARTY_TEXT_COUNT; i++)
		buf_printf(out, " %.*s", SPAN_ARG(party_text(p, (enum party_text)i)));
}

/* The next order, by the lexicographic rule; false: that was the last. */
static bool next_order(unsigned *order, unsigned n)
{
	unsigned i = n - 1, j = n - 1;
	while (i > 0 && order[i - 1] >= order[i])
		i--;
	if (i == 0)
		return false;
	while (order[j] <= order[i - 1])
		j--;
	unsigned kept = order[i - 1];
	order[i - 1] = order[j];
	order[j] = kept;
	for (j = n - 1; i < j; i++, j--) {
		kept = order[i];
		order[i] = order[j];
		order[j] = kept;
	}
	return true;
}

/* Also what no platform would say: equal numbers and times, answers that contradict everybody. */
static struct said any_word(uint64_t *seed)
{
	static const char *const names[] = { "", "Ann", "Bob", "Cy" };
	int64_t sequence = (int64_t)random_below(seed, 5) - 1; /* -1: an answer */
	struct said s = said(sequence, 1000 + 400 * random_below(seed, 9),
			     (enum party_state)random_below(seed, PARTY_LEFT + 1));
	s.word.name = span_of(names[random_below(seed, 4)]);
	s.word.number = span_of(names[random_below(seed, 4)]);
	s.word.outbound = random_below(seed, 2);
	s.word.peer_inside = random_below(seed, 4) == 0;
	s.word.side = (enum party_side)random_below(seed, PARTY_SUPERVISOR + 1);
	/* Of one moment it is said once. */
	s.word.muted_known = s.at_us / MS_US % 3;
	s.word.muted = (s.at_us / MS_US + sequence + (int64_t)s.word.state) % 3 == 0;
	s.word.recording_on = s.word.muted;
	return s;
}

static void any_order_gives_the_same(void **state)
{
	uint64_t seed = 7;
	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct said words[WORDS];
		unsigned order[WORDS] = { 0, 1, 2, 3, 4 };
		struct buf want AUTO_BUF = { 0 };
		for (unsigned i = 0; i < WORDS; i++)
			words[i] = any_word(&seed);
		do {
			struct buf got AUTO_BUF = { 0 };
			struct party p;
			hear(&p, words, order, WORDS);
			describe(&p, want.n ? &got : &want);
			party_free(&p);
			if (got.n)
				assert_string_equal(buf_z(&want), buf_z(&got));
		} while (next_order(order, WORDS));
	}
}

/* An event at 10 s, and an answer that carries a time. */
static void which_word_holds(void **state)
{
	static const struct {
		enum party_state event, answer, stands;
		int64_t answer_ms;
	} rows[] = {
		{ PARTY_TALKING, PARTY_HELD, PARTY_TALKING, 8000 },
		{ PARTY_TALKING, PARTY_HELD, PARTY_TALKING, 9500 }, /* nobody knows */
		{ PARTY_TALKING, PARTY_HELD, PARTY_TALKING, 11000 },
		{ PARTY_TALKING, PARTY_HELD, PARTY_HELD, 11001 },
		{ PARTY_TALKING, PARTY_LEFT, PARTY_TALKING, 9000 }, /* it spoke later */
		{ PARTY_TALKING, PARTY_LEFT, PARTY_LEFT, 9001 },
		{ PARTY_TALKING, PARTY_LEFT, PARTY_LEFT, 10500 },
		{ PARTY_LEFT, PARTY_TALKING, PARTY_LEFT, 9500 },
		{ PARTY_MOVED, PARTY_TALKING, PARTY_MOVED, 60000 },
		{ PARTY_MOVED, PARTY_LEFT, PARTY_MOVED, 60000 }, /* it knows why */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct said words[] = { said(5, 10000, rows[i].event),
					      said(-1, rows[i].answer_ms, rows[i].answer) };
		struct party p;
		hear(&p, words, NULL, 2);
		if (party_standing(&p)->state != rows[i].stands)
			fail_msg("row %zu stands %s", i,
				 party_state_name(party_standing(&p)->state));
		party_free(&p);
	}
}

/* Of an event at 10 s, an older event, and an answer. */
static void who_it_is_by_the_latest(void **state)
{
	static const struct {
		const char *event, *answer, *is;
		int64_t answer_ms;
	} rows[] = {
		{ "Ann", "Bob", "Ann", 9000 },	{ "Ann", "Bob", "Ann", 11000 },
		{ "Ann", "Bob", "Bob", 11001 }, { "Ann", "", "Ann", 60000 },
		{ "", "Bob", "Bob", 11001 },	{ "", "Bob", "Cy", 2000 },
		{ "", "", "Cy", 60000 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct said words[] = { said(5, 10000, PARTY_TALKING), said(4, 5000, PARTY_RINGING),
					said(-1, rows[i].answer_ms, PARTY_TALKING) };
		struct party p;
		words[0].word.name = span_of(rows[i].event);
		words[1].word.name = SPAN("Cy");
		words[2].word.name = span_of(rows[i].answer);
		hear(&p, words, NULL, 3);
		if (!span_is(party_text(&p, PARTY_TEXT_name), rows[i].is))
			fail_msg("row %zu is %.*s", i, SPAN_ARG(party_text(&p, PARTY_TEXT_name)));
		party_free(&p);
	}
}

static void since_when(void **state)
{
	struct party p;
	struct said words[] = { said(-1, 30000, PARTY_TALKING), said(5, 40000, PARTY_TALKING),
				said(-1, 70000, PARTY_LEFT), said(-1, 60000, PARTY_LEFT) };
	(void)state;
	hear(&p, words, NULL, 2);
	assert_int_equal(party_talked_us(&p), 30000 * MS_US); /* the event before was lost */
	party_free(&p);
	hear(&p, words, NULL, 4);
	assert_int_equal(party_since(&p), 60000 * MS_US); /* the first that saw it gone */
	party_free(&p);
	words[0].at_us = 39001 * MS_US;
	hear(&p, words, NULL, 2);
	assert_int_equal(party_talked_us(&p), 40000 * MS_US); /* within the answer's second */
	party_free(&p);
}

/* Muted: by whoever spoke last, an event of the answer's own moment before the answer. */
static void what_else_is_said(void **state)
{
	static const struct {
		int64_t answer_ms;
		bool muted;
	} rows[] = { { 9000, true }, { 10500, true }, { 11000, true }, { 11001, false } };
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct said words[] = { said(5, 10000, PARTY_TALKING),
					said(-1, rows[i].answer_ms, PARTY_TALKING) };
		struct party p;
		words[0].word.muted_known = words[1].word.muted_known = true;
		words[0].word.muted = true;
		hear(&p, words, NULL, 2);
		assert_int_equal(party_is_muted(&p), rows[i].muted);
		party_free(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_gives_the_same), cmocka_unit_test(which_word_holds),
		cmocka_unit_test(who_it_is_by_the_latest),  cmocka_unit_test(since_when),
		cmocka_unit_test(what_else_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
