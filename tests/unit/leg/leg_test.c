/* A leg: order, place, gaps, frames of any size, and the facts that come of them. */
#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/unit/leg/kit.h"

enum { FRAME = 160, FRAME_US = 20000, FRAME_MS = 20 };

static int64_t us_at(int64_t ms)
{
	return KIT_START_US + ms * MS_US;
}

/* Frame i arrives when it is complete. */
static int64_t arrival(size_t i)
{
	return KIT_START_US + (int64_t)(i + 1) * FRAME_US;
}

static struct span frame_of(struct span bytes, size_t i)
{
	return (struct span){ bytes.p + i * FRAME, FRAME };
}

static void near(int64_t got, int64_t want, int64_t slack_ms)
{
	int64_t off = got > want ? got - want : want - got;
	if (off > slack_ms * MS_US)
		fail_msg("%lld ms off", (long long)((got - want) / MS_US));
}

/* Ten seconds of µ-law: voice from 2 s to 4 s and from 6 s to 7 s. */
static struct span conversation(void)
{
	struct sound s = sound_new(8000, 10000);
	sound_voice(&s, 2000, 4000);
	sound_voice(&s, 6000, 7000);
	struct span bytes = sound_bytes(&s, "pcmu");
	sound_free(&s);
	return bytes;
}

static void free_bytes(struct span bytes)
{
	free((char *)bytes.p);
}

/* --- in order --- */

static void speech_is_told_when_it_was(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	(void)state;
	kit_init(&k, &c);
	for (size_t i = 0; i < bytes.n / FRAME; i++)
		kit_frame(&k, frame_of(bytes, i), -1, -1, arrival(i));
	kit_finish(&k, us_at(10000));
	assert_int_equal(kit_count(&k, HEARD_SPEECH_STARTED), 2);
	assert_int_equal(kit_count(&k, HEARD_SPEECH_STOPPED), 2);
	near(kit_fact(&k, HEARD_SPEECH_STARTED, 0)->at_us, us_at(2000), 100);
	near(kit_fact(&k, HEARD_SPEECH_STARTED, 1)->at_us, us_at(6000), 100);
	near(kit_fact(&k, HEARD_SPEECH_STOPPED, 0)->at_us, us_at(4000), 150);
	const struct heard *stop = kit_fact(&k, HEARD_SPEECH_STOPPED, 1);
	near(stop->at_us, us_at(7000), 150);
	near(kit_fact(&k, HEARD_SPEECH_STARTED, 1)->at_us + stop->ms * MS_US, stop->at_us, 1);
	assert_int_equal(stop->leg, 1);
	assert_int_equal(stop->speaker, SPEAKER_USER);
	struct leg_view v;
	leg_view(k.leg, &v);
	assert_int_equal(v.position, bytes.n);
	assert_true(v.start_us == KIT_START_US);
	assert_false(v.speaking);
	assert_true(v.speech_ms > 2700 && v.speech_ms < 3500);
	assert_int_equal(kit_count(&k, HEARD_LEVEL), 2);
	assert_int_equal(kit_fact(&k, HEARD_LEVEL, 0)->ms, HEARD_LEVEL_MS);
	assert_int_equal(kit_count(&k, HEARD_QUALITY), 0);
	free_bytes(bytes);
	kit_fini(&k);
}

/* --- lost, twice, out of order --- */

struct feed {
	size_t order[1024];
	size_t n;
};

static bool lost(uint64_t seed, size_t i)
{
	return i > 20 && i < 490 && (i * 2654435761u + seed) % 41 == 0;
}

/* Every frame but the lost ones; each may be overtaken by up to `reorder` others, and come twice.
 */
static void shuffle(struct feed *f, size_t frames, unsigned reorder, uint64_t seed, uint64_t losses)
{
	size_t waiting[64], waiting_n = 0;
	f->n = 0;
	for (size_t i = 0; i < frames || waiting_n; i++) {
		if (i < frames && !lost(losses, i))
			waiting[waiting_n++] = i;
		/* The oldest must not wait longer than the window. */
		while (waiting_n && (i < 2 || i >= frames || waiting[0] + reorder <= i + 1 ||
				     kit_pick(&seed, 3))) {
			size_t pick = i < 2 || waiting[0] + reorder <= i + 1
					      ? 0
					      : kit_pick(&seed, (unsigned)waiting_n);
			f->order[f->n++] = waiting[pick];
			if (kit_pick(&seed, 10) == 0)
				f->order[f->n++] = waiting[pick];
			memmove(waiting + pick, waiting + pick + 1,
				(--waiting_n - pick) * sizeof(*waiting));
		}
	}
}

static void feed(struct kit *k, const struct feed *f, struct span bytes, bool stamped)
{
	size_t newest = 0;
	for (size_t i = 0; i < f->n; i++) {
		size_t n = f->order[i];
		newest = n > newest ? n : newest;
		kit_frame(k, frame_of(bytes, n), (int64_t)n + 1,
			  stamped ? 7 + (int64_t)n * FRAME_MS : -1, arrival(newest));
	}
	kit_finish(k, arrival(newest));
}

static bool bookkeeping(enum heard_kind kind)
{
	return kind == HEARD_QUALITY || kind == HEARD_LEVEL;
}

static void same_facts(const struct kit *a, const struct kit *b)
{
	size_t i = 0, j = 0;
	for (;; i++, j++) {
		while (i < a->n && bookkeeping(a->facts[i].kind))
			i++;
		while (j < b->n && bookkeeping(b->facts[j].kind))
			j++;
		if (i == a->n || j == b->n)
			break;
		assert_int_equal(a->facts[i].kind, b->facts[j].kind);
		near(a->facts[i].at_us, b->facts[j].at_us, 20);
	}
	assert_true(i == a->n && j == b->n);
}

static void order_does_not_matter(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	(void)state;
	c.reorder = 8;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct feed straight, mixed;
		struct kit a, b;
		kit_init(&a, &c);
		kit_init(&b, &c);
		shuffle(&straight, bytes.n / FRAME, 0, seed, seed);
		for (size_t i = 0, n = straight.n; i < n; i++) /* without what comes twice */
			if (i && straight.order[i] == straight.order[i - 1]) {
				memmove(straight.order + i, straight.order + i + 1,
					(n - i - 1) * sizeof(*straight.order));
				straight.n = --n;
				i--;
			}
		shuffle(&mixed, bytes.n / FRAME, c.reorder, seed * 977, seed);
		feed(&a, &straight, bytes, seed % 2);
		feed(&b, &mixed, bytes, seed % 2);
		assert_int_equal(a.pcm_n, bytes.n);
		assert_int_equal(b.pcm_n, bytes.n);
		assert_memory_equal(a.pcm, b.pcm, a.pcm_n * sizeof(*a.pcm));
		same_facts(&a, &b);
		const struct heard *qa =
			kit_fact(&a, HEARD_QUALITY, kit_count(&a, HEARD_QUALITY) - 1);
		const struct heard *qb =
			kit_fact(&b, HEARD_QUALITY, kit_count(&b, HEARD_QUALITY) - 1);
		assert_int_equal(qa->ms, qb->ms);
		assert_int_equal(qa->duplicates, 0);
		assert_int_equal(qb->duplicates, mixed.n - straight.n);
		assert_int_equal(qb->late, 0);
		assert_true(qb->reordered > 0);
		kit_fini(&a);
		kit_fini(&b);
	}
	free_bytes(bytes);
}

/* What was lost is filled, what came stands where it was. */
static void losses_leave_everything_in_its_place(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	(void)state;
	kit_init(&k, &c);
	for (size_t i = 0; i < bytes.n / FRAME; i++)
		if (i % 50 != 20 && i % 50 != 21)
			kit_frame(&k, frame_of(bytes, i), (int64_t)i, -1, arrival(i));
	kit_finish(&k, arrival(499));
	assert_int_equal(k.pcm_n, bytes.n);
	for (size_t i = 0; i < bytes.n; i++) {
		size_t in = i / FRAME % 50;
		if (in < 20 || in > 22)
			assert_int_equal(k.pcm[i], g711_ulaw_table[(uint8_t)bytes.p[i]]);
	}
	near(kit_fact(&k, HEARD_SPEECH_STARTED, 1)->at_us, us_at(6000), 100);
	const struct heard *q = kit_fact(&k, HEARD_QUALITY, kit_count(&k, HEARD_QUALITY) - 1);
	assert_int_equal(q->gaps, 10);
	assert_int_equal(q->ms, 400);
	free_bytes(bytes);
	kit_fini(&k);
}

static void what_comes_late_or_twice_is_counted(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	struct leg_view v;
	static const int64_t chunks[] = { 1, 2, 2, 4, 3, 4, 5, 1 };
	(void)state;
	kit_init(&k, &c);
	for (size_t i = 0; i < sizeof(chunks) / sizeof(*chunks); i++)
		kit_frame(&k, frame_of(bytes, (size_t)chunks[i]), chunks[i], -1, arrival(i));
	leg_view(k.leg, &v);
	assert_int_equal(v.position, 5 * FRAME);
	kit_finish(&k, arrival(8));
	const struct heard *q = kit_fact(&k, HEARD_QUALITY, 0);
	assert_int_equal(q->duplicates, 3);
	assert_int_equal(q->late, 1);
	assert_int_equal(q->gaps, 1);
	kit_fini(&k);

	kit_init(&k, &c); /* by stamps alone */
	static const int64_t stamps[] = { 100, 120, 120, 160, 140, 180 };
	for (size_t i = 0; i < sizeof(stamps) / sizeof(*stamps); i++)
		kit_frame(&k, frame_of(bytes, i), -1, stamps[i], arrival(i));
	kit_finish(&k, arrival(8));
	q = kit_fact(&k, HEARD_QUALITY, 0);
	assert_int_equal(q->duplicates, 1);
	assert_int_equal(q->late, 1);
	free_bytes(bytes);
	kit_fini(&k);
}

static void held_frames_are_not_held_for_ever(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	struct leg_view v;
	(void)state;
	c.reorder = 4;
	kit_init(&k, &c);
	kit_frame(&k, frame_of(bytes, 0), 1, -1, arrival(0));
	kit_frame(&k, frame_of(bytes, 2), 3, -1, arrival(2));
	kit_tick(&k, arrival(2) + 100 * MS_US);
	leg_view(k.leg, &v);
	assert_int_equal(v.position, FRAME);
	kit_tick(&k, arrival(2) + 300 * MS_US);
	leg_view(k.leg, &v);
	assert_int_equal(v.position, 3 * FRAME);
	kit_frame(&k, frame_of(bytes, 1), 2, -1, arrival(20));
	leg_view(k.leg, &v);
	assert_int_equal(v.position, 3 * FRAME);
	kit_finish(&k, arrival(20));
	assert_int_equal(kit_fact(&k, HEARD_QUALITY, 0)->late, 1);
	kit_fini(&k);

	kit_init(&k, &c); /* nor lost when the numbers jump or begin anew, or too big to hold */
	kit_frame(&k, frame_of(bytes, 0), 700, -1, arrival(0));
	kit_frame(&k, frame_of(bytes, 1), 800, -1, arrival(100));
	kit_frame(&k, frame_of(bytes, 2), 1, -1, arrival(101));
	kit_frame(&k, (struct span){ bytes.p, 5 * FRAME }, 3, -1, arrival(104));
	leg_view(k.leg, &v);
	assert_int_equal(v.position, (1 + 99 + 1 + 1 + 1 + 5) * FRAME);
	kit_frame(&k, frame_of(bytes, 3), 6, -1, arrival(105)); /* held; then again, too big */
	kit_frame(&k, (struct span){ bytes.p, 5 * FRAME }, 6, -1, arrival(106));
	kit_finish(&k, arrival(107));
	leg_view(k.leg, &v);
	assert_int_equal(v.position, (1 + 99 + 1 + 1 + 1 + 5 + 2 * 5 + 1) * FRAME);
	free_bytes(bytes);
	kit_fini(&k);
}

/* --- sizes --- */

static void sizes_do_not_matter(void **state)
{
	struct sound s = sound_new(16000, 6000);
	struct leg_config c = kit_config("l16", 16000);
	struct kit a, b;
	uint64_t seed = 5;
	(void)state;
	sound_voice(&s, 2000, 4000);
	struct span bytes = sound_bytes(&s, "l16");
	kit_init(&a, &c);
	kit_init(&b, &c);
	for (size_t at = 0; at < bytes.n; at += 640)
		kit_frame(&a, (struct span){ bytes.p + at, 640 }, -1, -1,
			  KIT_START_US + (int64_t)(at / 640 + 1) * FRAME_US);
	size_t at = 0;
	while (at < bytes.n) {
		size_t n = at == 0 ? 640 : 1 + kit_pick(&seed, 1500);
		n = n < bytes.n - at ? n : bytes.n - at;
		kit_frame(&b, (struct span){ bytes.p + at, n }, -1, -1,
			  KIT_START_US + (int64_t)(at + n) * 125 / 4);
		at += n;
	}
	kit_finish(&a, us_at(6000));
	kit_finish(&b, us_at(6000));
	assert_int_equal(a.pcm_n, s.n);
	assert_int_equal(b.pcm_n, s.n);
	assert_memory_equal(a.pcm, s.samples, s.n * sizeof(*s.samples));
	assert_memory_equal(b.pcm, s.samples, s.n * sizeof(*s.samples));
	same_facts(&a, &b);
	assert_int_equal(kit_count(&b, HEARD_SPEECH_STOPPED), 1);
	assert_int_equal(kit_count(&b, HEARD_QUALITY), 0);
	assert_int_equal(kit_fact(&a, HEARD_LEVEL, 0)->value, kit_fact(&b, HEARD_LEVEL, 0)->value);
	sound_free(&s);
	free_bytes(bytes);
	kit_fini(&a);
	kit_fini(&b);
}

/* What one leg gave stands until another one of the same thread hears something. */
static void legs_share_their_scratch(void **state)
{
	static const char *const codecs_of[] = { "pcmu", "l16", "l16" };
	static const uint32_t rates[] = { 8000, 16000, 48000 };
	struct span bytes = conversation();
	struct kit together[3], alone;
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct leg_config c = kit_config(codecs_of[i], rates[i]);
		kit_init(&together[i], &c);
	}
	for (size_t n = 0; n < 100; n++)
		for (size_t i = 0; i < 3; i++)
			kit_frame(&together[i], frame_of(bytes, n), -1, -1, arrival(n));
	for (size_t i = 0; i < 3; i++) {
		struct leg_config c = kit_config(codecs_of[i], rates[i]);
		kit_init(&alone, &c);
		for (size_t n = 0; n < 100; n++)
			kit_frame(&alone, frame_of(bytes, n), -1, -1, arrival(n));
		assert_int_equal(alone.pcm_n, together[i].pcm_n);
		assert_memory_equal(alone.pcm, together[i].pcm, alone.pcm_n * sizeof(int16_t));
		kit_fini(&alone);
		kit_fini(&together[i]);
	}
	free_bytes(bytes);
}

/* There is room for so many bytes, in whatever frames they come. */
static void held_frames_have_any_size(void **state)
{
	static const unsigned sizes[] = { 20, 100, 20, 40, 300, 1, 20, 160, 39 };
	static const unsigned order[] = { 0, 4, 3, 1, 2, 8, 7, 5, 6 };
	struct span bytes = conversation(), sound = span_from(bytes, 12000);
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	size_t from[9], end = 0;
	(void)state;
	c.reorder = 4;
	for (size_t i = 0; i < 9; end += sizes[i++])
		from[i] = end;
	kit_init(&k, &c);
	for (size_t i = 0; i < 9; i++)
		kit_frame(&k, (struct span){ sound.p + from[order[i]], sizes[order[i]] }, order[i],
			  -1, KIT_START_US);
	for (size_t i = 0; i < end; i++)
		assert_int_equal(k.pcm[i], g711_ulaw_table[(uint8_t)sound.p[i]]);
	assert_int_equal(k.pcm_n, end);
	free_bytes(bytes);
	kit_fini(&k);
}

static void a_frame_that_does_not_fit_is_heard_all_the_same(void **state)
{
	struct sound s = sound_new(8000, 4000);
	struct leg_config c = kit_config("l16", 8000);
	struct kit k;
	struct leg_view v;
	(void)state;
	sound_voice(&s, 1000, 2000);
	struct span bytes = sound_bytes(&s, "l16");
	kit_init(&k, &c);
	kit_frame(&k, bytes, -1, -1, us_at(4000));
	leg_view(k.leg, &v);
	assert_int_equal(v.position, s.n);
	assert_int_equal(kit_count(&k, HEARD_SPEECH_STOPPED), 1);
	struct leg_pcm p = leg_last(k.leg);
	assert_int_equal(p.at + (int64_t)p.n, s.n);
	assert_memory_equal(p.samples, s.samples + p.at, p.n * sizeof(*p.samples));
	sound_free(&s);
	free_bytes(bytes);
	kit_fini(&k);
}

static void other_rates_are_resampled(void **state)
{
	struct sound s = sound_new(48000, 4000);
	struct leg_config c = kit_config("l16", 48000);
	struct kit k;
	struct leg_view v;
	(void)state;
	sound_sine(&s, 1000, 8000, 0, 4000);
	struct span bytes = sound_bytes(&s, "l16");
	kit_init(&k, &c);
	for (size_t at = 0; at + 1921 < bytes.n; at += 1921)
		kit_frame(&k, (struct span){ bytes.p + at, 1921 }, -1, -1,
			  KIT_START_US + (int64_t)(at + 1921) * 125 / 12);
	leg_view(k.leg, &v);
	assert_int_equal(v.rate_hz, 16000);
	assert_true(v.position > 63000 && v.position < 64100);
	assert_true(fabsf(v.level_db - (float)(20 * log10(8000 / M_SQRT2 / 32768))) < 0.5f);
	sound_free(&s);
	free_bytes(bytes);
	kit_fini(&k);
}

/* --- time --- */

/* Feeds frames whose arrival `late` says. */
static void feed_late(struct kit *k, struct span bytes, int64_t (*late_ms)(size_t i),
		      int64_t (*stamp)(size_t i))
{
	for (size_t i = 0; i < bytes.n / FRAME; i++)
		kit_frame(k, frame_of(bytes, i), -1, stamp ? stamp(i) : -1,
			  arrival(i) + late_ms(i) * MS_US);
}

static int64_t jitter(size_t i)
{
	/* up to 90 ms late, and a stall of 800 ms that ends in a burst */
	return i >= 200 && i < 240 ? (int64_t)(240 - i) * FRAME_MS : (int64_t)(i * 37 % 10) * 10;
}

static void jitter_is_no_gap(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	struct leg_view v;
	(void)state;
	kit_init(&k, &c);
	feed_late(&k, bytes, jitter, NULL);
	leg_view(k.leg, &v);
	assert_int_equal(v.position, bytes.n);
	assert_true(v.start_us == KIT_START_US);
	near(kit_fact(&k, HEARD_SPEECH_STARTED, 1)->at_us, us_at(6000), 100);
	kit_finish(&k, arrival(500));
	assert_int_equal(kit_count(&k, HEARD_QUALITY), 0);
	free_bytes(bytes);
	kit_fini(&k);
}

static int64_t stamp_when_sent(size_t i)
{
	return (int64_t)i * FRAME_MS + jitter(i);
}

/* Frames that are stamped with when they were sent, and numbered: 1.5 s are missing at the end, of
 * which no number is. */
static void stamps_of_a_wall_clock_waver(void **state)
{
	struct span bytes = conversation();
	size_t n = bytes.n / FRAME;
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	struct leg_view v;
	(void)state;
	c.stamps_waver = true;
	kit_init(&k, &c);
	for (size_t i = 0; i < n; i++)
		kit_frame(&k, frame_of(bytes, i), (int64_t)i, stamp_when_sent(i),
			  arrival(i) + jitter(i) * MS_US);
	leg_view(k.leg, &v);
	assert_int_equal(v.position, bytes.n);
	kit_frame(&k, frame_of(bytes, 0), (int64_t)n, (int64_t)n * FRAME_MS + 1500,
		  arrival(n) + 1500 * MS_US);
	leg_view(k.leg, &v);
	assert_int_equal(v.position, (int64_t)bytes.n + 1500 * 8 + FRAME);
	kit_fini(&k);
	free_bytes(bytes);
}

static int64_t first_late(size_t i)
{
	return i == 0 ? 300 : i < 15 ? 300 - (int64_t)i * 20 : 0;
}

static void the_start_is_not_late_for_ever(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	struct leg_view v;
	(void)state;
	kit_init(&k, &c);
	feed_late(&k, bytes, first_late, NULL);
	leg_view(k.leg, &v);
	assert_true(v.start_us == KIT_START_US);
	near(kit_fact(&k, HEARD_SPEECH_STARTED, 0)->at_us, us_at(2000), 100);
	free_bytes(bytes);
	kit_fini(&k);
}

static int64_t pause_of_3_s(size_t i)
{
	return i < 250 ? 0 : 3000;
}

static int64_t stamp_pause(size_t i)
{
	return 1000 + (int64_t)i * FRAME_MS + pause_of_3_s(i);
}

static int64_t stamp_half(size_t i)
{
	return 1000 + (int64_t)i * FRAME_MS + (i < 250 ? 0 : 500);
}

static int64_t pause_half(size_t i)
{
	return i < 250 ? 0 : 500;
}

static void a_pause_is_a_gap(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	static const struct {
		int64_t (*late)(size_t), (*stamp)(size_t);
		int64_t gap_ms;
	} cases[] = {
		{ pause_of_3_s, NULL, 3000 },
		{ pause_of_3_s, stamp_pause, 3000 },
		{ pause_half, stamp_half, 500 },
		{ pause_half, NULL, 500 }, /* not known at once, but by the time of the voice */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct kit k;
		struct leg_view v;
		kit_init(&k, &c);
		feed_late(&k, bytes, cases[i].late, cases[i].stamp);
		leg_view(k.leg, &v);
		assert_int_equal(v.position, (int64_t)bytes.n + cases[i].gap_ms * 8);
		assert_true(v.start_us == KIT_START_US);
		near(kit_fact(&k, HEARD_SPEECH_STARTED, 1)->at_us, us_at(6000 + cases[i].gap_ms),
		     i < 3 ? 100 : 600);
		kit_finish(&k, arrival(900));
		assert_int_equal(kit_fact(&k, HEARD_QUALITY, 0)->ms, cases[i].gap_ms);
		kit_fini(&k);
	}
	free_bytes(bytes);
}

static int64_t slow_sender(size_t i)
{
	return (int64_t)i / 2; /* 2.5 % slow: 250 ms in 10 s */
}

static int64_t steady_stamp(size_t i)
{
	return (int64_t)i * FRAME_MS;
}

static int64_t stamp_begins_anew(size_t i)
{
	return i < 300 ? 50000 + (int64_t)i * FRAME_MS : (int64_t)(i - 300) * FRAME_MS;
}

static int64_t on_time(size_t i)
{
	(void)i;
	return 0;
}

static void clocks_that_differ_are_followed(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	struct leg_view v;
	(void)state;
	for (int stamped = 0; stamped < 2; stamped++) {
		kit_init(&k, &c);
		feed_late(&k, bytes, slow_sender, stamped ? steady_stamp : NULL);
		leg_view(k.leg, &v);
		near(v.start_us + v.position * 125, arrival(499) + 249 * MS_US, 80);
		assert_int_equal(v.position > (int64_t)bytes.n, !stamped);
		kit_fini(&k);
	}
	kit_init(&k, &c);
	feed_late(&k, bytes, on_time, stamp_begins_anew);
	leg_view(k.leg, &v);
	assert_int_equal(v.position, bytes.n);
	kit_fini(&k);
	free_bytes(bytes);
}

static void a_frame_the_platform_misses_has_its_place(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	struct leg_view v;
	(void)state;
	kit_init(&k, &c);
	for (size_t i = 0; i < 100; i++)
		kit_frame(&k, i == 50 ? (struct span){ 0 } : frame_of(bytes, i), (int64_t)i, -1,
			  arrival(i));
	leg_view(k.leg, &v);
	assert_int_equal(v.position, 100 * FRAME);
	kit_finish(&k, arrival(99));
	assert_int_equal(kit_fact(&k, HEARD_QUALITY, 0)->gaps, 1);
	assert_int_equal(kit_fact(&k, HEARD_QUALITY, 0)->ms, 20);
	free_bytes(bytes);
	kit_fini(&k);
}

static void nothing_more_comes(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	struct leg_view v;
	(void)state;
	kit_init(&k, &c);
	for (size_t i = 0; i < 150; i++) /* stops in the middle of speech */
		kit_frame(&k, frame_of(bytes, i), -1, -1, arrival(i));
	assert_int_equal(kit_count(&k, HEARD_SPEECH_STOPPED), 0);
	for (int64_t ms = 3500; ms <= 20000; ms += 500)
		kit_tick(&k, us_at(ms));
	assert_int_equal(kit_count(&k, HEARD_SPEECH_STOPPED), 1);
	near(kit_fact(&k, HEARD_SPEECH_STOPPED, 0)->at_us, us_at(3000), 20);
	assert_int_equal(kit_count(&k, HEARD_SILENT), 2);
	assert_int_equal(kit_fact(&k, HEARD_SILENT, 0)->ms, 5000);
	near(kit_fact(&k, HEARD_SILENT, 1)->at_us, us_at(13000), 1);
	leg_view(k.leg, &v);
	assert_true(v.level_db == LEG_FLOOR_DB && !v.speaking);
	kit_frame(&k, frame_of(bytes, 150), -1, -1, us_at(20020));
	assert_int_equal(kit_count(&k, HEARD_SOUND), 1);
	near(us_at(3000) + kit_fact(&k, HEARD_SOUND, 0)->ms * MS_US, us_at(20000), 20);
	free_bytes(bytes);
	kit_fini(&k);

	kit_init(&k, &c); /* nothing ever came */
	for (int64_t ms = 0; ms <= 61000; ms += 1000)
		kit_tick(&k, us_at(ms));
	assert_int_equal(kit_count(&k, HEARD_SILENT), 4); /* 5 10 20 40 s */
	kit_finish(&k, us_at(61000));
	kit_fini(&k);
}

/* Who says nothing on purpose is not "connected but silent". */
static void silence_that_is_meant_is_not_told(void **state)
{
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	char bytes[FRAME];
	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	c.rests = true;
	kit_init(&k, &c);
	for (size_t i = 0; i < 600; i++)
		kit_frame(&k, (struct span){ bytes, sizeof(bytes) }, -1, -1, arrival(i));
	kit_finish(&k, us_at(12000));
	assert_int_equal(kit_count(&k, HEARD_SILENT), 0);
	assert_true(kit_count(&k, HEARD_LEVEL) > 0); /* it is heard all the same */
	kit_fini(&k);
}

/* --- levels --- */

static void levels_are_those_of_the_sound(void **state)
{
	struct sound s = sound_new(8000, 5000);
	struct leg_config c = kit_config("l16", 8000);
	struct kit k;
	struct leg_view v;
	(void)state;
	sound_sine(&s, 500, 3276.8, 2000, 4000);
	struct span bytes = sound_bytes(&s, "l16");
	kit_init(&k, &c);
	for (size_t i = 0; i < 250; i++) {
		kit_frame(&k, (struct span){ bytes.p + i * 320, 320 }, -1, -1, arrival(i));
		leg_view(k.leg, &v);
		if (i == 60)
			assert_true(fabsf(v.level_db + 65.4f) < 0.5f); /* rms 17.6 */
		if (i == 150) {
			assert_true(fabsf(v.level_db + 23.01f) < 0.2f);
			assert_true(fabsf(v.peak_db + 20) < 0.2f);
			assert_true(v.noise_db < -63);
		}
	}
	const struct heard *h = kit_fact(&k, HEARD_LEVEL, 0);
	assert_in_range(h->value + 1000, 1000 - 240, 1000 - 226);
	assert_in_range(h->peak + 1000, 1000 - 203, 1000 - 197);
	assert_in_range(h->noise + 1000, 1000 - 660, 1000 - 640);
	assert_in_range(h->speech_ms, 1800, 2300);
	assert_int_equal(h->clipped, 0);
	sound_free(&s);
	free_bytes(bytes);
	kit_fini(&k);
}

static void clipping_is_counted(void **state)
{
	static const char *const laws[] = { "pcmu", "pcma", "l16" };
	(void)state;
	for (size_t law = 0; law < 3; law++) {
		struct sound s = sound_new(8000, 5000);
		struct leg_config c = kit_config(laws[law], 8000);
		struct kit k;
		unsigned size = law == 2 ? 320 : 160;
		s.samples[1000] = s.samples[1001] = 32767; /* two may be chance */
		for (size_t i = 2398; i < 2404; i++)	   /* across two frames */
			s.samples[i] = -32768;
		struct span bytes = sound_bytes(&s, laws[law]);
		kit_init(&k, &c);
		for (size_t i = 0; i < 250; i++)
			kit_frame(&k, (struct span){ bytes.p + i * size, size }, -1, -1,
				  arrival(i));
		assert_int_equal(kit_fact(&k, HEARD_LEVEL, 0)->clipped, 6);
		sound_free(&s);
		free_bytes(bytes);
		kit_fini(&k);
	}
}

static void digital_silence_is_told(void **state)
{
	static const char *const laws[] = { "pcmu", "pcma" };
	(void)state;
	for (size_t law = 0; law < 2; law++) {
		struct sound s = sound_new(8000, 16000);
		struct leg_config c = kit_config(laws[law], 8000);
		struct kit k;
		sound_zero(&s, 1000, 14000);
		struct span bytes = sound_bytes(&s, laws[law]);
		kit_init(&k, &c);
		for (size_t i = 0; i < 800; i++)
			kit_frame(&k, frame_of(bytes, i), -1, -1, arrival(i));
		assert_int_equal(kit_count(&k, HEARD_SILENT), 2);
		near(kit_fact(&k, HEARD_SILENT, 0)->at_us, us_at(6000), 20);
		assert_in_range(kit_fact(&k, HEARD_SILENT, 1)->ms, 10000, 10020);
		assert_int_equal(kit_count(&k, HEARD_SOUND), 1);
		near(kit_fact(&k, HEARD_SOUND, 0)->at_us, us_at(14000), 20);
		assert_in_range(kit_fact(&k, HEARD_SOUND, 0)->ms, 12980, 13020);
		sound_free(&s);
		free_bytes(bytes);
		kit_fini(&k);
	}
}

/* --- the ring --- */

static void the_ring_holds_the_last_30_s(void **state)
{
	struct sound s = sound_new(8000, 70000);
	struct leg_config c = kit_config("pcmu", 8000);
	static uint8_t got[LEG_RING_BYTES + 1];
	struct kit k;
	(void)state;
	sound_voice(&s, 0, 70000);
	struct span bytes = sound_bytes(&s, "pcmu");
	kit_init(&k, &c);
	for (size_t i = 0; i < 3500; i++)
		if (i != 3000) /* filled by the codec's means */
			kit_frame(&k, frame_of(bytes, i), (int64_t)i, -1, arrival(i));
	assert_int_equal(leg_ring_end(k.leg), bytes.n);
	int64_t from = 0;
	assert_int_equal(leg_ring_read(k.leg, &from, got, sizeof(got)), LEG_RING_BYTES);
	assert_int_equal(from, bytes.n - LEG_RING_BYTES);
	size_t hole = (size_t)(3000 * FRAME - from);
	assert_memory_equal(got, bytes.p + from, hole);
	assert_memory_equal(got + hole + FRAME, bytes.p + from + hole + FRAME,
			    LEG_RING_BYTES - hole - FRAME);
	from = (int64_t)bytes.n - 5;
	assert_int_equal(leg_ring_read(k.leg, &from, got, 3), 3);
	assert_memory_equal(got, bytes.p + from, 3);
	from = (int64_t)bytes.n;
	assert_int_equal(leg_ring_read(k.leg, &from, got, 3), 0);
	kit_frame(&k, frame_of(bytes, 0), 3500 + 200, -1, arrival(3700)); /* 4 s are missing */
	assert_int_equal(leg_ring_end(k.leg), (int64_t)bytes.n + 201 * FRAME);
	from = (int64_t)bytes.n + 100;
	assert_int_equal(leg_ring_read(k.leg, &from, got, 8000), 8000);
	for (size_t i = 0; i < 8000; i++)
		assert_int_equal(got[i], 0xff);
	sound_free(&s);
	free_bytes(bytes);
	kit_fini(&k);
}

static void wide_legs_are_halved_for_the_ring(void **state)
{
	struct sound s = sound_new(16000, 2000);
	struct leg_config c = kit_config("l16", 16000);
	static uint8_t got[16000];
	struct kit k;
	double sum = 0;
	(void)state;
	sound_sine(&s, 1000, 10000, 0, 2000);
	struct span bytes = sound_bytes(&s, "l16");
	kit_init(&k, &c);
	for (size_t i = 0; i < 100; i++)
		kit_frame(&k, (struct span){ bytes.p + i * 640, 640 }, -1, -1, arrival(i));
	int64_t from = 0;
	assert_int_equal(leg_ring_read(k.leg, &from, got, sizeof(got)), 16000);
	for (size_t i = 0; i < 16000; i++)
		sum += (double)g711_ulaw_table[got[i]] * g711_ulaw_table[got[i]];
	assert_true(fabs(sqrt(sum / 16000) - 10000 / M_SQRT2) < 250);
	sound_free(&s);
	free_bytes(bytes);
	kit_fini(&k);
}

/* --- bounds --- */

static void a_leg_is_small(void **state)
{
	static const struct {
		const char *codec;
		uint32_t rate_hz;
		size_t most, frame;
	} legs[] = { { "pcmu", 8000, 6 * 1024, 160 },	{ "pcma", 8000, 6 * 1024, 160 },
		     { "g722", 16000, 8 * 1024, 200 },	{ "l16", 16000, 8 * 1024, 640 },
		     { "l16", 48000, 12 * 1024, 1920 }, { "opus", 48000, 24 * 1024, 200 } };
	(void)state;
	for (size_t i = 0; i < sizeof(legs) / sizeof(*legs); i++) {
		struct leg_config c = kit_config(legs[i].codec, legs[i].rate_hz);
		size_t bytes, with_ring, holding;
		assert_int_equal(leg_size(&c, &with_ring, NULL), 0);
		c.ring = NULL;
		assert_int_equal(leg_size(&c, &bytes, NULL), 0);
		print_message("%s %u: %zu bytes\n", legs[i].codec, legs[i].rate_hz, bytes);
		assert_true(bytes <= legs[i].most);
		c.reorder = 10;
		assert_int_equal(leg_size(&c, &holding, NULL), 0);
		assert_true(holding - bytes <= 10 * legs[i].frame + 64);
		assert_int_equal(with_ring, bytes); /* its pieces are the pool's */
	}
}

static void impossible_legs_are_refused(void **state)
{
	struct leg_config c = kit_config("l16", 300);
	struct fault f = { 0 };
	size_t bytes;
	(void)state;
	assert_int_equal(leg_size(&c, &bytes, &f), E_INVALID);
	c = kit_config("pcmu", 8000);
	c.reorder = LEG_REORDER_MAX + 1;
	assert_int_equal(leg_size(&c, &bytes, &f), E_INVALID);
	assert_non_null(strstr(f.text, "16"));
}

static void damaged_packets_have_their_place(void **state)
{
	struct leg_config c = kit_config("opus", 48000);
	struct kit k;
	struct leg_view v;
	(void)state;
	kit_init(&k, &c);
	kit_frame(&k, (struct span){ "\xff\xff\xff\xff", 4 }, 1, -1, arrival(0));
	leg_view(k.leg, &v);
	assert_int_equal(v.position, 320);
	kit_finish(&k, arrival(1));
	assert_int_equal(kit_fact(&k, HEARD_QUALITY, 0)->damaged, 1);
	kit_fini(&k);
}

/* Opus would go on for a second. */
static void nothing_is_made_up_for_long(void **state)
{
	struct leg_config c = kit_config("opus", 48000);
	struct codec_params p = { .rate_hz = 48000, .out_rate_hz = 16000, .way = CODEC_ENCODE };
	struct sound s = sound_new(16000, 400);
	uint8_t packet[CODEC_PACKET_MAX];
	struct kit k;
	(void)state;
	sound_sine(&s, 300, 8000, 0, 400);
	void *encoder = aligned_alloc(16, (c.codec->state_size(&p) + 15) / 16 * 16);
	assert_int_equal(c.codec->init(encoder, &p, NULL), 0);
	kit_init(&k, &c);
	for (size_t i = 0; i < 80; i++) {
		size_t n = 0;
		if (i < 20)
			assert_int_equal(c.codec->encode(encoder, s.samples + i * 320, 320, packet,
							 sizeof(packet), &n, NULL),
					 0);
		/* first the platform says that frames are missing, then they are damaged */
		struct span bad = { "\xff\xff\xff\xff", i < 50 ? 0 : 4 };
		struct span one = { (char *)packet, n };
		kit_frame(&k, i < 20 ? one : bad, (int64_t)i, -1, arrival(i));
	}
	assert_int_not_equal(k.pcm[20 * 320 + 100], 0);
	for (size_t i = 23 * 320; i < k.pcm_n; i++)
		assert_int_equal(k.pcm[i], 0);
	struct leg_view v;
	leg_view(k.leg, &v);
	assert_int_equal(v.position, 80 * 320);
	free(encoder);
	sound_free(&s);
	kit_fini(&k);
}

/* 600 ms are lost of a stream that has neither numbers nor stamps: for 2 s nobody can know. */
static void a_silent_loss_is_known_after_two_seconds(void **state)
{
	struct sound s = sound_new(8000, 12000);
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	(void)state;
	sound_voice(&s, 4200, 4800);
	sound_voice(&s, 6700, 7700);
	sound_voice(&s, 9000, 10000);
	struct span bytes = sound_bytes(&s, "pcmu");
	kit_init(&k, &c);
	for (size_t i = 0; i < 600; i++)
		if (i < 170 || i >= 200)
			kit_frame(&k, frame_of(bytes, i), -1, -1, arrival(i));
	kit_finish(&k, arrival(600));
	near(kit_fact(&k, HEARD_SPEECH_STARTED, 0)->at_us, us_at(4200 - 600), 100);
	near(kit_fact(&k, HEARD_SPEECH_STARTED, 1)->at_us, us_at(6700), 100);
	near(kit_fact(&k, HEARD_SPEECH_STOPPED, 1)->at_us, us_at(7700), 100);
	near(kit_fact(&k, HEARD_SPEECH_STARTED, 2)->at_us, us_at(9000), 100);
	assert_int_equal(kit_count(&k, HEARD_SPEECH_STOPPED), 3);
	sound_free(&s);
	free_bytes(bytes);
	kit_fini(&k);
}

static void settle(struct kit *k)
{
	if (leg_waits(k->leg))
		k->n += leg_settle(k->leg, k->facts + k->n);
	assert_false(leg_waits(k->leg));
}

/* One and the same thing happens to two legs. */
static void happens(struct kit *both[2], uint64_t *seed, struct span bytes, unsigned i)
{
	int64_t now = KIT_START_US + (int64_t)i * 20000;
	unsigned what = kit_pick(seed, 40), part = kit_pick(seed, 3) ? 160 : kit_pick(seed, 900);
	size_t from = i * 160 % (bytes.n - 1000);
	for (int k = 0; k < 2; k++) {
		if (what == 0)
			kit_tick(both[k], now + (i % 3 ? 0 : 3000000));
		else if (what == 1)
			kit_digit(both[k], "5", now);
		else if (what != 2) /* lost */
			kit_frame(both[k], (struct span){ bytes.p + from, part },
				  what < 5 ? (int64_t)i + 2 : (int64_t)i, -1,
				  now + kit_pick(&(uint64_t){ *seed }, 50000));
	}
}

static void same_words(const struct kit *a, const struct kit *b)
{
	struct buf one AUTO_BUF = { 0 }, other AUTO_BUF = { 0 };
	heard_write(SPAN("x"), a->facts, a->n, &one);
	heard_write(SPAN("x"), b->facts, b->n, &other);
	assert_string_equal(buf_z(&one), buf_z(&other));
	assert_int_equal(a->pcm_n, b->pcm_n);
	assert_memory_equal(a->pcm, b->pcm, a->pcm_n * sizeof(*a->pcm));
}

/* Legs whose speech is found out together tell what each would tell alone, in the same order,
 * however many they are and whenever they are settled. */
static void together_as_alone(void **state)
{
	enum { LEGS = 24, STEPS = 500 };
	static struct kit alone[LEGS], many[LEGS];
	struct span bytes = conversation();
	uint64_t seed = 11;
	size_t facts = 0;
	(void)state;
	for (unsigned round = 0; round < 12; round++) {
		static struct leg_batch batch;
		unsigned legs = round % 2 ? LEGS : round + 1, often = 1 + kit_pick(&seed, 60);
		for (unsigned i = 0; i < legs; i++) {
			struct leg_config c = kit_config("pcmu", 8000);
			c.reorder = round % 3 * 4;
			c.rule = (struct vad_rule){ 0.5f, 0.5f, 20, 40 };
			kit_init(&alone[i], &c);
			c.batch = &batch;
			kit_init(&many[i], &c);
		}
		for (unsigned step = 0; step < STEPS * legs; step++) {
			unsigned i = kit_pick(&seed, legs);
			struct kit *both[2] = { &alone[i], &many[i] };
			happens(both, &seed, bytes, step / legs);
			if (kit_pick(&seed, often) == 0)
				for (unsigned k = 0; k < legs; k++)
					settle(&many[k]);
		}
		for (unsigned i = 0; i < legs; i++) {
			kit_finish(&alone[i], KIT_START_US + STEPS * 20000);
			if (i % 4) { /* the others go while they wait */
				kit_finish(&many[i], KIT_START_US + STEPS * 20000);
				same_words(&alone[i], &many[i]);
			}
			facts += alone[i].n;
			kit_fini(&alone[i]);
			kit_fini(&many[i]);
		}
		assert_int_equal(batch.waiting, 0);
	}
	assert_true(facts > 1000);
	free_bytes(bytes);
}

/* Whatever comes: no fault (sanitizers look), position never goes back. */
static void anything_may_come(void **state)
{
	static const char *const codecs_of[] = { "pcmu", "l16", "l16", "g722", "opus" };
	static const uint32_t rates[] = { 8000, 16000, 44100, 16000, 48000 };
	struct span bytes = conversation();
	static const int64_t odd[] = { -1, 0, 1, INT64_MAX, INT64_MIN, 1 << 20 };
	uint64_t seed = 3;
	(void)state;
	for (unsigned round = 0; round < 60; round++) {
		struct leg_config c = kit_config(codecs_of[round % 5], rates[round % 5]);
		struct kit k;
		int64_t now = KIT_START_US, chunk = 0, before = 0;
		c.reorder = kit_pick(&seed, 17);
		c.rule = (struct vad_rule){ 0.5f, 0.5f, 20, 20 };
		kit_init(&k, &c);
		for (unsigned i = 0; i < 400; i++) {
			struct heard facts[LEG_FACTS_MAX];
			struct leg_view v;
			size_t n = kit_pick(&seed, kit_pick(&seed, 8) ? 400 : 20000);
			now += kit_pick(&seed, 20) ? kit_pick(&seed, 40000)
						   : kit_pick(&seed, 400000000);
			chunk += (int)kit_pick(&seed, 7) - 2;
			int64_t at = kit_pick(&seed, 3) ? -1 : chunk * 20;
			at = kit_pick(&seed, 30) ? at : odd[kit_pick(&seed, 6)];
			size_t made = leg_frame(
				k.leg, (struct span){ bytes.p + kit_pick(&seed, 60000), n },
				kit_pick(&seed, 30) ? chunk : odd[kit_pick(&seed, 6)], at, now,
				facts);
			assert_true(made <= LEG_FACTS_MAX);
			if (kit_pick(&seed, 9) == 0)
				assert_true(leg_tick(k.leg, now, facts) <= LEG_FACTS_MAX);
			leg_view(k.leg, &v);
			assert_true(v.position >= before);
			before = v.position;
		}
		kit_finish(&k, now);
		kit_fini(&k);
	}
	free_bytes(bytes);
}

/* --- platforms whose audio pauses --- */

enum { LONG = 800, LONG_MS = 100 };

/* From the n-th 100 ms of the sound on, sent at so many ms after its time. */
static void send_long(struct kit *k, struct span bytes, size_t from, size_t to, int64_t later_ms)
{
	for (size_t i = from; i < to; i++)
		kit_frame(k, (struct span){ bytes.p + i * LONG, LONG }, -1, -1,
			  us_at((int64_t)(i + 1) * LONG_MS + later_ms));
}

static void tick_through(struct kit *k, int64_t from_ms, int64_t to_ms)
{
	for (int64_t ms = from_ms; ms < to_ms; ms += 1000)
		kit_tick(k, us_at(ms));
}

static void long_frames_are_heard_like_short_ones(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit a, b;
	(void)state;
	c.pauses = true;
	kit_init(&a, &c);
	kit_init(&b, &c);
	for (size_t i = 0; i < bytes.n / FRAME; i++)
		kit_frame(&a, frame_of(bytes, i), -1, -1, arrival(i));
	send_long(&b, bytes, 0, bytes.n / LONG, 0);
	kit_finish(&a, us_at(10000));
	kit_finish(&b, us_at(10000));
	assert_int_equal(a.n, b.n);
	for (size_t i = 0; i < a.n; i++) {
		assert_int_equal(a.facts[i].kind, b.facts[i].kind);
		assert_true(a.facts[i].at_us == b.facts[i].at_us);
		assert_true(a.facts[i].ms == b.facts[i].ms);
		assert_true(a.facts[i].value == b.facts[i].value);
	}
	kit_fini(&a);
	kit_fini(&b);
	free_bytes(bytes);
}

static void nothing_is_no_silence_and_no_loss(void **state)
{
	enum { PAUSE_MS = 70000 };
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	struct leg_view v;
	(void)state;
	c.pauses = true;
	kit_init(&k, &c);
	send_long(&k, bytes, 0, 30, 0); /* into the middle of a word */
	tick_through(&k, 3100, 5000);
	leg_view(k.leg, &v);
	assert_false(v.speaking);
	assert_true(v.level_db <= LEG_FLOOR_DB && v.peak_db <= LEG_FLOOR_DB);
	tick_through(&k, 5000, 3000 + PAUSE_MS);
	send_long(&k, bytes, 30, 100, PAUSE_MS);
	kit_finish(&k, us_at(10000 + PAUSE_MS));
	assert_int_equal(kit_count(&k, HEARD_SILENT), 0);
	assert_int_equal(kit_count(&k, HEARD_SOUND), 0);
	assert_int_equal(kit_count(&k, HEARD_QUALITY), 0);
	assert_int_equal(kit_count(&k, HEARD_LEVEL), 2); /* of the ten seconds that were sent */
	near(kit_fact(&k, HEARD_SPEECH_STOPPED, 0)->at_us, us_at(3000), 60);
	/* what was said afterwards has its true time, and its place in ring and recording */
	near(kit_fact(&k, HEARD_SPEECH_STARTED, 2)->at_us, us_at(6000 + PAUSE_MS), 150);
	leg_view(k.leg, &v);
	near(v.start_us + v.position * 125, us_at(10000 + PAUSE_MS), 20);
	assert_true(leg_ring_end(k.leg) == v.position);
	kit_fini(&k);
	free_bytes(bytes);
}

static void a_held_leg_is_not_silent(void **state)
{
	struct sound s = sound_new(8000, 40000);
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	struct heard facts[LEG_FACTS_MAX];
	struct leg_view v;
	(void)state;
	sound_zero(&s, 1000, 40000);
	struct span bytes = sound_bytes(&s, "pcmu");
	c.pauses = true;
	kit_init(&k, &c);
	send_long(&k, bytes, 0, 30, 0);
	assert_int_equal(1, leg_hold(k.leg, true, us_at(3000), facts));
	assert_int_equal(HEARD_HELD, facts[0].kind);
	assert_true(span_is(facts[0].name, "held") && facts[0].at_us == us_at(3000));
	assert_int_equal(0, leg_hold(k.leg, true, us_at(3000), facts)); /* told once */
	leg_view(k.leg, &v);
	assert_true(v.level_db <= LEG_FLOOR_DB);
	send_long(&k, bytes, 30, 200, 0); /* music that nobody plays */
	assert_int_equal(kit_count(&k, HEARD_SILENT), 0);
	assert_int_equal(1, leg_hold(k.leg, false, us_at(20000), facts));
	assert_true(span_is(facts[0].name, "resumed"));
	send_long(&k, bytes, 200, 270, 0);
	assert_int_equal(kit_count(&k, HEARD_SILENT), 1); /* now it counts */
	kit_fini(&k);
	free_bytes(bytes);
	sound_free(&s);
}

/* Shorter than what would be taken for a pause: the platform has said that it was one. */
static void a_short_hold_has_its_length(void **state)
{
	struct span bytes = conversation();
	struct leg_config c = kit_config("pcmu", 8000);
	struct kit k;
	struct heard facts[LEG_FACTS_MAX];
	(void)state;
	c.pauses = true;
	kit_init(&k, &c);
	send_long(&k, bytes, 0, 15, 0);
	(void)leg_hold(k.leg, true, us_at(1500), facts);
	(void)leg_hold(k.leg, false, us_at(1900), facts);
	send_long(&k, bytes, 15, 30, 400);
	near(kit_fact(&k, HEARD_SPEECH_STARTED, 0)->at_us, us_at(2400), 150);
	assert_int_equal(kit_count(&k, HEARD_QUALITY), 0);
	kit_fini(&k);
	free_bytes(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_frames_are_heard_like_short_ones),
		cmocka_unit_test(nothing_is_no_silence_and_no_loss),
		cmocka_unit_test(a_held_leg_is_not_silent),
		cmocka_unit_test(a_short_hold_has_its_length),
		cmocka_unit_test(speech_is_told_when_it_was),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(losses_leave_everything_in_its_place),
		cmocka_unit_test(what_comes_late_or_twice_is_counted),
		cmocka_unit_test(held_frames_are_not_held_for_ever),
		cmocka_unit_test(sizes_do_not_matter),
		cmocka_unit_test(legs_share_their_scratch),
		cmocka_unit_test(held_frames_have_any_size),
		cmocka_unit_test(a_frame_that_does_not_fit_is_heard_all_the_same),
		cmocka_unit_test(other_rates_are_resampled),
		cmocka_unit_test(jitter_is_no_gap),
		cmocka_unit_test(stamps_of_a_wall_clock_waver),
		cmocka_unit_test(the_start_is_not_late_for_ever),
		cmocka_unit_test(a_pause_is_a_gap),
		cmocka_unit_test(clocks_that_differ_are_followed),
		cmocka_unit_test(a_frame_the_platform_misses_has_its_place),
		cmocka_unit_test(nothing_more_comes),
		cmocka_unit_test(silence_that_is_meant_is_not_told),
		cmocka_unit_test(levels_are_those_of_the_sound),
		cmocka_unit_test(clipping_is_counted),
		cmocka_unit_test(digital_silence_is_told),
		cmocka_unit_test(together_as_alone),
		cmocka_unit_test(the_ring_holds_the_last_30_s),
		cmocka_unit_test(wide_legs_are_halved_for_the_ring),
		cmocka_unit_test(a_leg_is_small),
		cmocka_unit_test(impossible_legs_are_refused),
		cmocka_unit_test(damaged_packets_have_their_place),
		cmocka_unit_test(nothing_is_made_up_for_long),
		cmocka_unit_test(a_silent_loss_is_known_after_two_seconds),
		cmocka_unit_test(anything_may_come),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
