/* After leg_init() a leg allocates nothing: counted, not believed. */
#include <stdlib.h>

#include "tests/unit/leg/kit.h"

/* The compiler knows that malloc() looks at nothing of ours. */
static volatile unsigned long allocations;
static volatile bool counting;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
int __real_posix_memalign(void **p, size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n);

void *__wrap_malloc(size_t n)
{
	allocations += counting;
	return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	allocations += counting;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	allocations += counting;
	return __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
	allocations += counting;
	return __real_aligned_alloc(align, n);
}

int __wrap_posix_memalign(void **p, size_t align, size_t n)
{
	allocations += counting;
	return __real_posix_memalign(p, align, n);
}

static void the_counter_counts(void **state)
{
	(void)state;
	counting = true;
	void *volatile one = malloc(1);
	free(one);
	counting = false;
	assert_true(allocations == 1);
	allocations = 0;
}

static void drive(struct leg *leg, struct span bytes, size_t frame)
{
	struct heard facts[LEG_FACTS_MAX];
	static uint8_t ring[8000];
	int64_t now = KIT_START_US, from = 0;
	for (size_t i = 0; (i + 1) * frame <= bytes.n; i++) {
		struct span one = { bytes.p + i * frame, frame };
		now += i % 400 == 399 ? 3000000 : 20000;
		if (i % 97 == 0)
			one.n = 0;
		if (i % 50 != 7)
			leg_frame(leg, one, (int64_t)(i ^ (i % 16 == 3)), -1, now, facts);
		if (i % 50 == 0)
			leg_tick(leg, now + 2000000, facts);
		leg_digit(leg, SPAN("1"), 0, now, facts);
	}
	leg_ring_read(leg, &from, ring, sizeof(ring));
	leg_finish(leg, now, facts);
}

static void nothing_is_allocated(void **state)
{
	static const struct {
		const char *codec;
		uint32_t rate_hz, frame;
	} legs[] = { { "pcmu", 8000, 160 }, { "pcma", 8000, 163 },   { "g722", 16000, 160 },
		     { "l16", 16000, 641 }, { "l16be", 44100, 882 }, { "opus", 48000, 60 } };
	struct sound s = sound_new(8000, 40000);
	(void)state;
	sound_voice(&s, 1000, 9000);
	sound_digit(&s, '7', 4000, 12000, 12100);
	sound_zero(&s, 20000, 35000);
	struct span bytes = sound_bytes(&s, "l16");
	for (size_t i = 0; i < sizeof(legs) / sizeof(*legs); i++) {
		struct leg_config c = kit_config(legs[i].codec, legs[i].rate_hz);
		struct kit k;
		c.reorder = 4;
		kit_init(&k, &c);
		counting = true;
		drive(k.leg, bytes, legs[i].frame);
		counting = false;
		if (allocations)
			fail_msg("%s: %lu", legs[i].codec, allocations);
		kit_fini(&k);
	}
	free((char *)bytes.p);
	sound_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_counter_counts),
		cmocka_unit_test(nothing_is_allocated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
