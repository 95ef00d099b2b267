/* Legs under test: a leg, what it told and gave, and sounds to feed it with. */
#ifndef CALLMEND_TESTS_LEG_KIT_H
#define CALLMEND_TESTS_LEG_KIT_H

#include "leg/leg.h"
#include "tests/unit/cmocka_all.h"

#define KIT_START_US INT64_C(1790000000000000)

enum { KIT_FACTS = 512 };
struct kit {
	struct leg *leg;
	struct heard facts[KIT_FACTS]; /* texts live in the leg */
	size_t n;
	int16_t *pcm; /* all that leg_last() gave, in its place */
	size_t pcm_n, pcm_cap;
	int64_t last_at; /* end of the last piece */
};

struct leg_config kit_config(const char *codec, uint32_t rate_hz);
void kit_init(struct kit *, const struct leg_config *);
void kit_fini(struct kit *);
void kit_frame(struct kit *, struct span bytes, int64_t chunk, int64_t at_ms, int64_t arrived_us);
void kit_tick(struct kit *, int64_t now_us);
void kit_finish(struct kit *, int64_t now_us);
void kit_digit(struct kit *, const char *digit, int64_t arrived_us);
/* The n-th fact of that kind from 0; NULL. */
const struct heard *kit_fact(const struct kit *, enum heard_kind, size_t n);
size_t kit_count(const struct kit *, enum heard_kind);

/* Whole sounds of `n` samples as frames of 20 ms, from position `from` of their codec on. */
struct sound {
	int16_t *samples;
	size_t n;
	uint32_t rate_hz;
};
struct sound sound_new(uint32_t rate_hz, int64_t ms); /* faint noise */
void sound_free(struct sound *);
void sound_voice(struct sound *, int64_t from_ms, int64_t to_ms);
void sound_zero(struct sound *, int64_t from_ms, int64_t to_ms);
void sound_sine(struct sound *, double hz, double amplitude, double from_ms, double to_ms);
void sound_digit(struct sound *, char digit, double amplitude, double from_ms, double to_ms);
/* As bytes of a codec; free them. */
struct span sound_bytes(const struct sound *, const char *codec);

unsigned kit_pick(uint64_t *seed, unsigned n);

#endif
