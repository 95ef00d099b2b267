/* A whole talk, from samples to measures: two voices go frame by frame through legs with the real
 * detector, what the legs tell goes into the call, and the call says who interrupted whom, how long
 * one waited, and when nobody said anything. (legs alone: tests/unit/leg; facts alone:
 * sound_test.c) */
#include <stdlib.h>

#include "call/parts.h"
#include "tests/sim/sim.h"
#include "tests/unit/leg/kit.h"

enum { CALLER, ASSISTANT, LEGS };
enum { FRAME_MS = 20, TALK_MS = 30000, SLACK_MS = 200 };

/* Who speaks from when until when. */
static const struct {
	int leg;
	int64_t from_ms, to_ms;
} script[] = {
	{ ASSISTANT, 2000, 4500 },
	{ CALLER, 5200, 7500 },
	{ ASSISTANT, 8600, 10600 }, /* 1.1 s later */
	{ CALLER, 11200, 13000 },
	{ ASSISTANT, 13500, 17500 }, /* half a second later; the caller ... */
	{ CALLER, 16000, 19000 },    /* ... begins over it, and it gives way after 1.5 s */
	{ ASSISTANT, 25000, 27000 }, /* nobody has said anything for 6 s */
};

static void begin(struct sim *sim)
{
	sim_init(sim, "");
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1','control':'https://x.example/c'}},"
			 "{'t':'status','name':'in-progress','at':0,'key':1}");
}

static void tell(struct sim *sim, const struct heard *facts, size_t n)
{
	struct buf b AUTO_BUF = { 0 };

	if (!n)
		return;
	heard_write(SPAN("s1"), facts, n, &b);
	if (sim_apply(sim, RECORD_HEARD, buf_span(&b)))
		fail_msg("%s", sim->fault.text);
}

static void attach(struct sim *sim, int leg, const char *codec, uint32_t rate_hz)
{
	const struct heard h = { .kind = HEARD_ATTACHED,
				 .leg = (unsigned)leg,
				 .speaker = leg == ASSISTANT ? SPEAKER_AI : SPEAKER_USER,
				 .at_us = SIM_START_US,
				 .name = SPAN("twilio"),
				 .text = span_of(codec),
				 .value = rate_hz };

	tell(sim, &h, 1);
}

struct side {
	struct kit kit;
	struct span bytes;
	size_t frame, told;
};

static void side_begin(struct side *s, int leg, const char *codec, uint32_t rate_hz)
{
	struct leg_config c = kit_config(codec, rate_hz);
	struct sound sound;

	c.index = (unsigned)leg;
	c.speaker = leg == ASSISTANT ? SPEAKER_AI : SPEAKER_USER;
	c.vad = LEG_VAD_STANDARD;
	sound = sound_new(c.codec->out_rate(&c.params), TALK_MS);
	for (size_t i = 0; i < sizeof(script) / sizeof(script[0]); i++)
		if (script[i].leg == leg)
			sound_voice(&sound, script[i].from_ms, script[i].to_ms);
	s->bytes = sound_bytes(&sound, codec);
	s->frame = s->bytes.n / (TALK_MS / FRAME_MS);
	s->told = 0;
	sound_free(&sound);
	kit_init(&s->kit, &c);
}

static void side_end(struct side *s)
{
	kit_fini(&s->kit);
	free((char *)(uintptr_t)s->bytes.p);
}

static void hand_on(struct sim *sim, struct side *s)
{
	tell(sim, s->kit.facts + s->told, s->kit.n - s->told);
	s->told = s->kit.n;
}

/* Frames come when they have been spoken. */
static void talk(struct sim *sim, struct side sides[LEGS])
{
	for (int64_t k = 0; k < TALK_MS / FRAME_MS; k++) {
		sim_pass(sim, FRAME_MS);
		for (int i = 0; i < LEGS; i++) {
			struct side *s = &sides[i];
			struct span frame = { s->bytes.p + (size_t)k * s->frame, s->frame };

			kit_frame(&s->kit, frame, -1, -1, sim->now_us);
			hand_on(sim, s);
		}
	}
	for (int i = 0; i < LEGS; i++) {
		kit_finish(&sides[i].kit, sim->now_us);
		hand_on(sim, &sides[i]);
	}
	sim_pass(sim, 3000);
}

/* --- what came of it --- */

static int64_t measured(const struct sim *sim, const char *path)
{
	struct buf b AUTO_BUF = { 0 };
	int64_t v = -1;

	session_snapshot(sim->s, &b);
	if (!json_i64(json_path(json_path(json_of(buf_span(&b)), "audio"), path), &v))
		fail_msg("%s is not in %s", path, buf_z(&b));
	return v;
}

/* So many pieces of speech or silence make it up. */
static void about(const struct sim *sim, const char *path, int64_t ms, int pieces)
{
	int64_t got = measured(sim, path);

	if (llabs(got - ms) > (int64_t)SLACK_MS * pieces)
		fail_msg("%s is %lld, not about %lld", path, (long long)got, (long long)ms);
}

static void a_talk_is_measured(const char *codec, uint32_t rate_hz)
{
	struct sim sim;
	static struct side sides[LEGS];

	begin(&sim);
	for (int i = 0; i < LEGS; i++) {
		side_begin(&sides[i], i, codec, rate_hz);
		attach(&sim, i, codec, rate_hz);
	}
	talk(&sim, sides);
	about(&sim, "talk_ms.ai", 2500 + 2000 + 4000 + 2000, 4);
	about(&sim, "talk_ms.user", 2300 + 1800 + 3000, 3);
	about(&sim, "overlap_ms", 1500, 1);
	assert_int_equal(measured(&sim, "barge_ins.count"), 1);
	assert_int_equal(measured(&sim, "barge_ins.yielded"), 1);
	assert_int_equal(measured(&sim, "backchannels"), 0);
	about(&sim, "yield.p50_ms", 1500, 1);
	assert_int_equal(measured(&sim, "dead_air.count"), 1);
	about(&sim, "dead_air.ms", 6000, 1);
	assert_int_equal(measured(&sim, "response.count"), 3);
	about(&sim, "response.p50_ms", 1100, 1);
	about(&sim, "response.max_ms", 6000, 1);
	assert_int_equal(sim_count(&sim, "'type':'speech.started'", "'by':'audio'", NULL), 7);
	assert_int_equal(sim_count(&sim, "'type':'barge_in'", "'yielded':true", NULL), 1);
	assert_int_equal(sim_count(&sim, "'type':'response'", "latency_ms", NULL), 3);
	assert_int_equal(
		sim_count(&sim, "'type':'dead_air'", "'after':'user'", "'before':'ai'", NULL), 1);
	sim_check_replay(&sim);
	for (int i = 0; i < LEGS; i++)
		side_end(&sides[i]);
	sim_fini(&sim);
}

static void in_mulaw(void **state)
{
	(void)state;
	a_talk_is_measured("pcmu", 8000);
}

static void in_l16(void **state)
{
	(void)state;
	a_talk_is_measured("l16", 16000);
}

static void in_alaw(void **state)
{
	(void)state;
	a_talk_is_measured("pcma", 8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_mulaw),
		cmocka_unit_test(in_l16),
		cmocka_unit_test(in_alaw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
