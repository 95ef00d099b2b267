/* Sessions against tools/stt-sim, over real sockets: what was said comes back once, at its time,
 * whatever happens to the connection; a provider that is dead, slow or mad harms nobody.
 *
 * Words are tones (tools/stt-sim/ear.mjs). A call is played up to eighty times as fast as it was.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stt/stt.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "stt/internal.h"
#include "tests/net/allocations.h"
#include "tests/stt/server.h"

#define BASE_US INT64_C(1700000000000000)
enum {
	FRAME_MS = 20,
	PACE_MS = 1,
	FRAMES_A_TURN = 4,
	WAIT_MS = 60000,
	FACTS = 400,
	WORD_MS = 160,
	GAP_MS = 60
};

/* --- a call --- */

static const char *const words[] = { "alpha", "bravo",	  "charlie", "delta",	"echo", "foxtrot",
				     "golf",  "hotel",	  "india",   "juliett", "kilo", "lima",
				     "mike",  "november", "oscar",   "papa" };

struct line {
	int64_t at_ms;
	const char *text;
};

struct call {
	/* What is played */
	const char *provider, *key, *codec;
	uint32_t rate_hz;
	const struct line *lines;
	int64_t until_ms;
	int64_t hole_from_ms, hole_to_ms; /* no frames there */
	int64_t settled_ms;		  /* there the first final is waited for */
	bool no_finish;
	bool count_allocations; /* in the second half, which is as fast as the socket takes it */
	struct stt_config config;
	/* What came of it */
	struct heard facts[FACTS];
	char texts[FACTS][200];
	atomic_int facts_n, over, played;
	long allocations;
	/* Monotonic: its first frame; when what was lost is tried again. */
	int64_t began_us, again_us;
	/* Private */
	int64_t at_ms;
	struct stt *stt;
	struct stt_leg *leg;
	uv_timer_t clock;
};

static struct shards *shards;
static struct call *call;

static bool is_spoken(const struct call *c, int64_t ms, double *hz)
{
	for (const struct line *l = c->lines; l && l->text; l++) {
		int64_t from = l->at_ms;

		for (const char *p = l->text; *p; p += strspn(p, " "), from += WORD_MS + GAP_MS) {
			size_t n = strcspn(p, " "), i = 0;

			while (strlen(words[i]) != n || memcmp(words[i], p, n) != 0)
				i++;
			p += n;
			*hz = 400 + 100 * (double)i;
			if (ms >= from && ms < from + WORD_MS)
				return true;
		}
	}
	return false;
}

static void fill(const struct call *c, int64_t from_ms, int16_t *out)
{
	unsigned per_ms = c->rate_hz / 1000;
	double hz = 0;
	bool on = false;

	for (unsigned i = 0; i < FRAME_MS * per_ms; i++) {
		double t = (double)from_ms / 1000 + (double)i / c->rate_hz;

		if (i % per_ms == 0)
			on = is_spoken(c, from_ms + i / per_ms, &hz);
		out[i] = on ? (int16_t)(8000 * sin(2 * M_PI * hz * t)) : 0;
	}
}

/* As a detector would say it: for a while after the last word, too. */
static bool speaking(const struct call *c, int64_t ms)
{
	double hz;

	for (int64_t back = 0; back <= 300; back += 20)
		if (is_spoken(c, ms - back, &hz))
			return true;
	return false;
}

static void play_frame(struct call *c)
{
	int16_t samples[FRAME_MS * 16];
	bool hole = c->at_ms >= c->hole_from_ms && c->at_ms < c->hole_to_ms;

	if (!c->began_us)
		c->began_us = clock_monotonic_us();
	fill(c, c->at_ms, samples);
	const struct stt_audio a = { samples, FRAME_MS * c->rate_hz / 1000,
				     BASE_US + c->at_ms * 1000, speaking(c, c->at_ms) };
	if (c->count_allocations && c->at_ms == c->until_ms / 2)
		allocations_seen();
	allocations_watch(c->count_allocations && c->at_ms >= c->until_ms / 2);
	if (!hole)
		stt_leg_audio(c->leg, &a);
	c->at_ms += FRAME_MS;
}

static bool is_unsettled(const struct call *c)
{
	bool settled = !c->settled_ms || c->at_ms != c->settled_ms;

	for (int i = 0; i < atomic_load(&c->facts_n) && !settled; i++)
		settled = c->facts[i].kind == HEARD_TRANSCRIPT && c->facts[i].final;
	return !settled;
}

/* A message that waits for the socket may need memory when eight of them do (net/ws_client.c), and
 * an opening connection does. */
static bool is_behind(const struct call *c)
{
	const struct stt_leg *l = c->leg;

	if (!c->count_allocations || c->at_ms < c->until_ms / 2)
		return false;
	return l->state != STT_OPEN || stt_queue_due(&l->queue) || ws_client_queued_bytes(l->ws);
}

static void on_clock(uv_timer_t *t)
{
	struct call *c = t->data;

	for (int i = 0; i < FRAMES_A_TURN && c->at_ms < c->until_ms; i++) {
		if (is_unsettled(c) || is_behind(c))
			return;
		play_frame(c);
	}
	if (c->at_ms < c->until_ms)
		return;
	if (c->count_allocations)
		c->allocations = allocations_seen();
	allocations_watch(false);
	uv_timer_stop(t);
	if (!c->no_finish)
		stt_leg_finish(c->leg);
	atomic_store(&c->played, 1);
}

static void on_heard(void *user, const struct heard *h)
{
	struct call *c = user;
	int i = atomic_load(&c->facts_n);

	assert_true(i < FACTS);
	c->facts[i] = *h;
	snprintf(c->texts[i], sizeof(c->texts[i]), "%.*s", SPAN_ARG(h->text));
	c->facts[i].name = h->kind == HEARD_TRANSCRIBER ? h->name : (struct span){ 0 };
	if (span_is(c->facts[i].name, "lost"))
		c->again_us = c->leg->again_us;
	atomic_store(&c->facts_n, i + 1);
}

static void on_over(void *user)
{
	struct call *c = user;

	c->leg = NULL;
	atomic_store(&c->over, 1);
}

static int on_start(struct shard *s, void *user, struct fault *f)
{
	struct call *c = user;
	int rc = stt_new(&c->stt, s, &c->config, f);

	if (rc)
		return rc;
	const struct stt_leg_config lc = {
		.provider = stt_provider_find(span_of(c->provider)),
		.setup = { .url = span_of(server_url), .key = span_of(c->key) },
		.leg = 1,
		.speaker = SPEAKER_USER,
		.codec = codec_find(span_of(c->codec)),
		.rate_hz = c->rate_hz,
		.heard = on_heard,
		.over = on_over,
		.user = c,
	};
	c->leg = stt_leg_new(c->stt, &lc);
	uv_timer_init(shard_loop(s), &c->clock);
	c->clock.data = c;
	uv_timer_start(&c->clock, on_clock, 0, PACE_MS);
	return 0;
}

static void on_stop(struct shard *s, void *user)
{
	struct call *c = user;

	(void)s;
	uv_close((uv_handle_t *)&c->clock, NULL);
	stt_free(c->stt);
}

static void wait_for(const atomic_int *what)
{
	int64_t until_us = clock_monotonic_us() + WAIT_MS * MS_US;

	while (!atomic_load(what) && clock_monotonic_us() < until_us)
		usleep(2000);
	assert_true(atomic_load(what));
}

static void begin(struct call *c)
{
	const struct shard_hooks hooks = { on_start, on_stop, c };
	struct fault f;

	if (!c->provider)
		c->provider = "deepgram";
	if (!c->key)
		c->key = "the-key";
	if (!c->codec)
		c->codec = "pcmu";
	if (!c->rate_hz)
		c->rate_hz = 8000;
	if (!c->config.pause_ms)
		c->config.pause_ms = 20;
	if (!c->config.linger_ms)
		c->config.linger_ms = WAIT_MS;
	call = c;
	assert_int_equal(0, shards_start(&shards, 1, 100, &hooks, &f));
}

static void end(void)
{
	shards_stop(shards);
	assert_true(atomic_load(&call->over));
}

static void play(struct call *c)
{
	begin(c);
	wait_for(&c->over);
	end();
}

/* --- what came of it --- */

static int state_facts(const struct call *c, const char *state, const char **why)
{
	int n = 0;

	for (int i = 0; i < atomic_load(&c->facts_n); i++) {
		if (c->facts[i].kind != HEARD_TRANSCRIBER || !span_is(c->facts[i].name, state))
			continue;
		n++;
		if (why)
			*why = c->texts[i];
	}
	return n;
}

static const struct heard * final(const struct call *c, int nth, const char **text)
{
	for (int i = 0; i < atomic_load(&c->facts_n); i++) {
		if (c->facts[i].kind != HEARD_TRANSCRIPT || !c->facts[i].final || nth-- > 0)
			continue;
		*text = c->texts[i];
		return &c->facts[i];
	}
	return NULL;
}

static int64_t length_ms(const char *text)
{
	return (int64_t)(times_in(text, " ") + 1) * (WORD_MS + GAP_MS) - GAP_MS;
}

/* Each line once, in its words, at its time: within 100 ms. */
static void expect_lines(const struct call *c)
{
	const struct line *l = c->lines;
	const char *text = "";
	int n = 0;

	for (; l->text; l++, n++) {
		const struct heard *h = final(c, n, &text);

		assert_non_null(h);
		assert_string_equal(l->text, text);
		assert_int_equal(1, h->leg);
		assert_int_equal(SPEAKER_USER, h->speaker);
		assert_in_range(h->at_us - BASE_US - l->at_ms * 1000 + 100000, 0, 200000);
		assert_in_range(h->ms - length_ms(text) + 100, 0, 200);
	}
	assert_null(final(c, n, &text));
}

/* --- tests --- */

static const struct line talk[] = {
	{ 1000, "alpha bravo charlie" },
	{ 3000, "delta echo foxtrot golf hotel india" },
	{ 6000, "juliett" },
	{ 7500, "kilo lima" },
	{ 0, NULL },
};

static void test_heard(void **state)
{
	static const char *const providers[] = { "deepgram", "openai-realtime", "openai-http" };
	static const char *const kinds[] = { "pcmu", "pcma", "l16" };
	const char *why;

	(void)state;
	for (size_t i = 0; i < 9; i++) {
		struct call c = { .provider = providers[i / 3],
				  .codec = kinds[i % 3],
				  .rate_hz = i % 3 == 2 ? 16000 : 8000,
				  .lines = talk,
				  .until_ms = 9000 };

		server_start(i % 3 == 1 ? "--key the-key --beta" : "--key the-key");
		play(&c);
		expect_lines(&c);
		assert_int_equal(1, state_facts(&c, "connected", &why));
		assert_int_equal(0, state_facts(&c, "lost", &why));
	}
}

/* In the middle of the second line, once the first is settled: what was not is sent again. */
static void test_a_reconnect_in_mid_call(void **state)
{
	static const char *const providers[] = { "deepgram", "openai-realtime" };
	static const char *const drops[] = { "drop:3500", "drop:4100", "drop:5100" };
	const char *why;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct call c = { .provider = providers[i / 3],
				  .lines = talk,
				  .until_ms = 9000,
				  .settled_ms = 2800 };
		char arguments[60];

		snprintf(arguments, sizeof(arguments), "%s good", drops[i % 3]);
		server_start(arguments);
		play(&c);
		expect_lines(&c);
		assert_int_equal(2, state_facts(&c, "connected", &why));
		assert_int_equal(1, state_facts(&c, "lost", &why));
		assert_int_equal(2, times_in(server_state(), "\"path\""));
	}
}

/* The cable is pulled four times, and the server refuses in between. */
static void test_many_reconnects(void **state)
{
	struct call c = { .lines = talk, .until_ms = 9000 };

	(void)state;
	server_start("drop:1500 refuse:503 drop:700 refuse:500 drop:1200 drop:2000 good");
	play(&c);
	expect_lines(&c);
}

/* After the end of the leg was sent, with the last words under way: they are asked for again. */
static void test_a_reconnect_at_the_end(void **state)
{
	static const char *const providers[] = { "deepgram", "openai-realtime" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct call c = { .provider = providers[i], .lines = talk, .until_ms = 7980 };

		server_start("drop:7950 good"); /* the last block, which goes with the end */
		play(&c);
		expect_lines(&c);
		assert_int_equal(2, times_in(server_state(), "\"path\""));
	}
}

/* Nothing comes for five seconds of the call: they are not sent, and what follows is in its place.
 */
static void test_times_after_a_hole(void **state)
{
	static const struct line lines[] = {
		{ 1000, "alpha bravo" }, { 9000, "charlie delta" }, { 12000, "echo" }, { 0, NULL }
	};
	static const char *const providers[] = { "deepgram", "openai-realtime", "openai-http" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct call c = { .provider = providers[i],
				  .lines = lines,
				  .until_ms = 13500,
				  .hole_from_ms = 2600,
				  .hole_to_ms = 8600 };

		server_start(i == 1 ? "drop:5000 good" : "good");
		play(&c);
		expect_lines(&c);
		assert_null(strstr(server_state(), "\"audioMs\":12"));
	}
}

static void test_requests_fail_and_are_tried_again(void **state)
{
	static const char *const behaviours[] = { "drop good", "refuse:500 refuse:503 good",
						  "rubbish good" };
	const char *why = "";

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct call c = { .provider = "openai-http", .lines = talk, .until_ms = 9000 };

		server_start(behaviours[i]);
		play(&c);
		expect_lines(&c);
		assert_int_equal(1, state_facts(&c, "lost", &why));
	}
}

static void test_refused_for_good(void **state)
{
	static const char *const providers[] = { "deepgram", "openai-realtime", "openai-http" };
	const char *why = "";

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct call c = { .provider = providers[i],
				  .key = "sk-another",
				  .lines = talk,
				  .until_ms = 9000 };

		server_start("--key the-key");
		play(&c);
		assert_int_equal(1, state_facts(&c, "failed", &why));
		assert_string_equal("the key was refused (401)", why);
		assert_int_equal(1, atomic_load(&c.facts_n)); /* and nothing else */
		const char *said = server_state();
		assert_int_equal(1, times_in(said, "\"status\":401")); /* asked once */
	}
}

static void test_too_many_requests(void **state)
{
	struct call c = { .lines = talk, .until_ms = 9000, .no_finish = true };
	const char *why = "";

	(void)state;
	server_start("refuse:429 good");
	begin(&c);
	int64_t until_us = clock_monotonic_us() + WAIT_MS * MS_US;
	while (!state_facts(&c, "connected", &why) && clock_monotonic_us() < until_us)
		usleep(5000);
	assert_int_equal(1, state_facts(&c, "connected", &why));
	assert_int_equal(1, state_facts(&c, "lost", &why));
	assert_string_equal("too many requests (429)", why);
	end();
}

/* It restarts, or has too much to do: whatever a first pause is otherwise, that is waited for. */
static void test_closed_as_overloaded(void **state)
{
	static const char *const codes[] = { "close:1012 good", "close:1013 good" };
	const char *why = "";

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct call c = { .lines = talk, .until_ms = 9000 };

		server_start(codes[i]);
		play(&c);
		expect_lines(&c);
		assert_int_equal(1, state_facts(&c, "lost", &why));
		assert_true(c.again_us >= c.began_us + 2000 * MS_US);
	}
}

/* Messages that nobody understands: the connection is given up and made anew, forever. */
static void test_rubbish(void **state)
{
	static const char *const providers[] = { "deepgram", "openai-realtime" };
	const char *text;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct call c = { .provider = providers[i], .lines = talk, .until_ms = 9000 };

		c.config.linger_ms = 200;
		server_start("rubbish");
		play(&c);
		assert_null(final(&c, 0, &text));
		if (i == 0) /* OpenAI's first messages are no rubbish yet as there are too few */
			assert_true(times_in(server_state(), "\"path\"") > 1);
	}
}

/* Takes everything, says nothing: memory is bounded, the end comes in time, and once warm nothing
 * is allocated for audio. */
static void test_mute(void **state)
{
	static const char *const providers[] = { "deepgram", "openai-realtime" };
	const char *text;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct call c = { .provider = providers[i / 2],
				  .codec = i % 2 ? "l16" : "pcmu",
				  .rate_hz = i % 2 ? 16000 : 8000,
				  .lines = talk,
				  .until_ms = 26000,
				  .count_allocations = true };

		c.config.linger_ms = 200;
		server_start("mute");
		play(&c);
		assert_null(final(&c, 0, &text));
		assert_int_equal(0, c.allocations);
	}
}

static void test_slow(void **state)
{
	struct call c = { .lines = talk, .until_ms = 9000 };

	(void)state;
	server_start("slow:700");
	play(&c);
	expect_lines(&c);
}

static void test_nobody_there(void **state)
{
	struct call c = { .lines = talk, .until_ms = 9000 };
	const char *why = "", *text;

	(void)state;
	server_start("good");
	server_stop();
	c.config.linger_ms = 200;
	play(&c);
	assert_int_equal(1, state_facts(&c, "lost", &why)); /* however often it was tried */
	assert_null(final(&c, 0, &text));
}

/* No audio: the server would hang up, were it not for the keep-alive. */
static void test_keep_alive(void **state)
{
	struct call c = { .lines = talk, .until_ms = 5000, .no_finish = true };
	const char *said = "", *why;

	(void)state;
	c.config.keep_alive_ms = 100;
	server_start("--idle 800 good");
	begin(&c);
	wait_for(&c.played);
	int64_t until_us = clock_monotonic_us() + WAIT_MS * MS_US;
	while (times_in(said, "KeepAlive") < 20 && clock_monotonic_us() < until_us) {
		usleep(50000);
		said = server_state();
	}
	assert_true(times_in(said, "KeepAlive") >= 20);
	assert_int_equal(1, times_in(said, "\"path\""));
	assert_int_equal(0, state_facts(&c, "lost", &why));
	end();
}

/* In mid-call, with words under way. */
static void test_the_shard_stops(void **state)
{
	static const char *const providers[] = { "deepgram", "openai-realtime", "openai-http" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct call c = {
			.provider = providers[i], .lines = talk, .until_ms = 9000, .no_finish = true
		};

		server_start("slow:300");
		begin(&c);
		wait_for(&c.played);
		end();
	}
}

static int teardown(void **state)
{
	(void)state;
	server_stop();
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_heard),
		TEST(test_a_reconnect_in_mid_call),
		TEST(test_many_reconnects),
		TEST(test_a_reconnect_at_the_end),
		TEST(test_times_after_a_hole),
		TEST(test_requests_fail_and_are_tried_again),
		TEST(test_refused_for_good),
		TEST(test_too_many_requests),
		TEST(test_closed_as_overloaded),
		TEST(test_rubbish),
		TEST(test_mute),
		TEST(test_slow),
		TEST(test_nobody_there),
		TEST(test_keep_alive),
		TEST(test_the_shard_stops),
	};
	return cmocka_run_group_tests(tests, NULL, server_end);
}
