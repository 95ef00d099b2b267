/* Audio that waits for the turn's end (src/media/inbox.c): whatever fills the inbox, and whatever
 * happens to its line meanwhile, all of it is heard, in order, and before that. Each case is one
 * turn of the shard's loop, in which audio comes and then something else. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake_hear.h"
#include "media/internal.h"

enum { FRAME = 160, BOUNDS_MAX = 4 };

/* What a sink is given of the line. */
static struct taker {
	struct media_line *line;
	struct buf heard;
	size_t at_bound[BOUNDS_MAX], at_end; /* bytes heard by then */
	atomic_int bound, ended;
} taker;

static void *take_begin(void *owner, struct media_line *l)
{
	taker.line = l;
	return owner;
}

static void take_bound(void *user, struct media_line *l)
{
	int i = atomic_load(&taker.bound);

	(void)user, (void)l;
	if (i < BOUNDS_MAX)
		taker.at_bound[i] = taker.heard.n;
	atomic_store(&taker.bound, i + 1);
}

static void take_frame(void *user, const struct media_frame *f)
{
	(void)user;
	buf_add(&taker.heard, f->payload);
}

static void take_end(void *user, const char *why)
{
	(void)user, (void)why;
	taker.at_end = taker.heard.n;
	atomic_fetch_add(&taker.ended, 1);
}

static const struct media_sink sink = { take_begin, take_bound, take_frame, take_end, NULL, false };

static struct lines lines;
static struct buf sent;
static size_t early; /* heard while the turn was not over */
static int fd;

/* The next n bytes that nobody else sends, a message of them. */
static void put(size_t n)
{
	const struct line_audio about = { .chunk = -1, .at_ms = -1, .arrived_us = clock_now_us() };
	size_t from = sent.n;

	for (size_t i = 0; i < n; i++)
		buf_addc(&sent, (char)((sent.n * 2654435761U) >> 13));
	inbox_put(taker.line, &about, (struct span){ sent.p + from, n });
}

static void in_a_turn(void (*fn)(struct shard *, void *))
{
	rig_on_shard(&lines.rig, 0, fn, NULL);
}

static size_t heard_n;

static void look(struct shard *s, void *arg)
{
	(void)s, (void)arg;
	heard_n = taker.heard.n;
}

static void wait_heard(void)
{
	in_a_turn(look);
	for (int i = 0; heard_n < sent.n && i < RIG_WAIT_MS; i++) {
		usleep(1000);
		in_a_turn(look);
	}
	assert_int_equal(heard_n, sent.n);
	assert_memory_equal(taker.heard.p, sent.p, sent.n);
}

static int setup(void **state)
{
	int status;

	(void)state;
	lines = (struct lines){ .grace_ms = 1, .sink = &sink, .sink_owner = &taker };
	taker = (struct taker){ 0 };
	sent = (struct buf){ 0 };
	lines_start(&lines);
	fd = lines_open(&lines, "/in/twilio/phone", &status);
	assert_int_equal(status, 101);
	lines_twilio_start(fd, "CA1");
	rig_wait(&taker.bound, 1); /* to a call of its own */
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(fd);
	lines_stop(&lines);
	buf_free(&sent);
	buf_free(&taker.heard);
	return 0;
}

static void many(struct shard *s, void *arg)
{
	(void)s, (void)arg;
	for (int i = 0; i < 2 * INBOX_AUDIO + 10; i++)
		put(FRAME);
	early = taker.heard.n;
}

static void full_by_number(void **state)
{
	(void)state;
	in_a_turn(many);
	wait_heard();
	assert_int_equal(early, 2 * INBOX_AUDIO * FRAME); /* the rest had to wait */
}

/* Fits exactly; does not fit; is larger than all there is, with nothing and with something in front
 * of it; is empty. */
static void large(struct shard *s, void *arg)
{
	static const size_t sizes[] = {
		INBOX_BYTES,
		FRAME,
		INBOX_BYTES - FRAME,
		1,
		INBOX_BYTES / 2,
		INBOX_BYTES / 2,
		FRAME,
		INBOX_BYTES + 1,
		FRAME,
		INBOX_BYTES + 1,
		0,
		INBOX_BYTES,
		FRAME,
	};

	(void)s, (void)arg;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		put(sizes[i]);
}

static void full_by_bytes(void **state)
{
	(void)state;
	in_a_turn(large);
	wait_heard();
}

static void some(void)
{
	for (int i = 0; i < 5; i++)
		put(FRAME);
	early = taker.heard.n;
}

static void some_and_the_end(struct shard *s, void *arg)
{
	(void)s, (void)arg;
	some();
	line_finish(taker.line, clock_now_us(), "closed");
}

static void heard_before_the_end(void **state)
{
	(void)state;
	in_a_turn(some_and_the_end);
	assert_int_equal(atomic_load(&taker.ended), 1);
	assert_int_equal(early, 0);
	assert_int_equal(taker.at_end, 5 * FRAME);
}

static void some_and_a_link(struct shard *s, void *arg)
{
	struct uuid from = fake_call(HEAR_OWN), to = fake_call(HEAR_TOKEN);

	(void)arg;
	some();
	lines.hear.calls.linked(lines.hear.calls.user, s, &from, &to);
}

static void heard_before_a_link(void **state)
{
	(void)state;
	in_a_turn(some_and_a_link);
	assert_int_equal(atomic_load(&taker.bound), 2);
	assert_int_equal(early, 0);
	assert_int_equal(taker.at_bound[1], 5 * FRAME);
}

static int claims;

static void keep_the_next_claim(struct shard *s, void *arg)
{
	(void)s, (void)arg;
	claims = atomic_load(&lines.hear.claims);
	atomic_store(&lines.hear.way, HEAR_TOKEN);
	atomic_store(&lines.hear.keep_claims, true);
}

static void some_and_an_answer(struct shard *s, void *arg)
{
	struct hear_claim *c = take(lines.hear.kept_claim);

	(void)s, (void)arg;
	some();
	c->answer(c);
}

/* The audio that waits is of the call that its line has had until now. */
static void heard_before_its_call_is_found(void **state)
{
	(void)state;
	in_a_turn(keep_the_next_claim);
	rig_wait(&lines.hear.claims, claims + 1);
	in_a_turn(some_and_an_answer);
	assert_int_equal(atomic_load(&taker.bound), 2);
	assert_int_equal(early, 0);
	assert_int_equal(taker.at_bound[1], 5 * FRAME);
}

/* What a call's audio holds beside the call itself (tests/sim/bounds_test.c). */
static void a_line_and_two_legs_fit(void **state)
{
	enum { LINE_BYTES = 6 * 1024, ALL_BYTES = 18 * 1024 };
	static struct leg_scratch scratch;
	const struct leg_config c = { .codec = codec_find(SPAN("pcmu")),
				      .params = { .rate_hz = 8000 },
				      .scratch = &scratch,
				      .vad = LEG_VAD_STANDARD,
				      .rule = vad_rule_default,
				      .dtmf = true };
	struct fault f;
	size_t leg;

	(void)state;
	assert_int_equal(leg_size(&c, &leg, &f), 0);
	assert_in_range(sizeof(struct media_line), 1, LINE_BYTES);
	assert_in_range(sizeof(struct media_line) + 2 * leg, 1, ALL_BYTES);
}

/* Facts whose texts are as long as a line keeps, and as bad as can be. */
static void the_largest_record_fits(void **state)
{
	static char text[LINE_TEXT_BYTES], stream[MEDIA_ID_MAX];
	struct heard facts[LINE_FACTS];
	struct buf b AUTO_BUF = { 0 };

	(void)state;
	memset(text, 1, sizeof(text));
	memset(stream, 1, sizeof(stream));
	for (unsigned i = 0; i < LINE_FACTS; i++) {
		memset(&facts[i], 0x7f, sizeof(facts[i]));
		facts[i].kind = HEARD_SPEECH_STARTED;
		facts[i].leg = HEARD_LEGS_MAX - 1;
		facts[i].speaker = SPEAKER_USER;
		facts[i].final = true;
		facts[i].name = facts[i].id = facts[i].party = facts[i].who = (struct span){ 0 };
		facts[i].text = (struct span){ text, i ? 0 : sizeof(text) };
	}
	heard_write((struct span){ stream, sizeof(stream) }, facts, LINE_FACTS, &b);
	assert_true(b.n > LINE_TEXT_BYTES * 6);
	assert_true(sizeof(struct line_record) + b.n <= line_record_bytes[LINE_RECORD_SIZES - 1]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(full_by_number),
		CASE(full_by_bytes),
		CASE(heard_before_the_end),
		CASE(heard_before_a_link),
		CASE(heard_before_its_call_is_found),
		cmocka_unit_test(a_line_and_two_legs_fit),
		cmocka_unit_test(the_largest_record_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
