/* What the legs of a call mean together: who spoke how long, over whom, who gave way, who was
 * waited for. A pure fold over marks in the order of their times: the same marks give the same
 * measures, in whatever order they were told. Formulas: docs/sound.md, "Conversation". */
#ifndef CALLMEND_CALL_SOUND_MIX_H
#define CALLMEND_CALL_SOUND_MIX_H

#include "callmend/input.h"

enum { SOUND_LEGS = 8, SOUND_SPEAKERS = 3 };

/* Marks of one time count in this order. */
enum sound_what {
	SOUND_ATTACHED,
	SOUND_STARTED,
	SOUND_STOPPED,
	SOUND_SILENT,
	SOUND_SOUNDS,
	SOUND_DETACHED,
	SOUND_HELD, /* the platform holds this leg: its silence is meant, and everybody's */
	SOUND_RESUMED,
	SOUND_REST, /* muted, on hold, being transferred: silence is meant */
	SOUND_REST_OVER,
	SOUND_END, /* of the call */
};
struct sound_mark {
	int64_t at_us;
	uint8_t what, leg, speaker;
	uint8_t rank; /* ATTACHED: of two legs with one speaker the lower counts */
};

/* Milliseconds in steps of 20 up to 1 s, of 100 up to 5 s, of 500 up to 20 s, and beyond. */
enum { SOUND_STEPS = 121 };
struct sound_times {
	uint16_t steps[SOUND_STEPS];
	uint32_t n;
	int64_t most_ms;
};
void sound_times_add(struct sound_times *, int64_t ms);
/* The upper end of the step that holds this percentile (never more than the most); -1: none. */
int64_t sound_times_percentile(const struct sound_times *, unsigned percent);

/* X(ID, "name") */
#define SOUND_STATES(X)       \
	X(NONE, "none")       \
	X(SINGLE, "single")   \
	X(TWO_WAY, "two_way") \
	X(ONE_WAY, "one_way") X(SILENT, "silent")
enum sound_state {
#define X(id, name) SOUND_STATE_##id,
	SOUND_STATES(X)
#undef X
		SOUND_STATE_COUNT
};
const char *sound_state_name(enum sound_state);

struct sound_rules {
	int64_t barge_in_us, yield_us, dead_air_us;
};

struct sound_mix {
	int64_t at_us; /* everything before has been counted; 0: nothing yet */
	uint8_t on[SOUND_LEGS], speaker[SOUND_LEGS];
	bool attached[SOUND_LEGS], silent[SOUND_LEGS], sounded[SOUND_LEGS], held[SOUND_LEGS];
	uint8_t rank[SOUND_LEGS];
	bool resting, yielding; /* the caller has spoken over the assistant for long enough */
	enum sound_state state;
	int64_t barge_us; /* since when the caller speaks over the assistant; 0: not */
	int64_t asked_us; /* since when the assistant is waited for */
	int64_t quiet_us; /* since when nobody speaks */
	enum speaker quiet_after;

	int64_t talk_us[SOUND_SPEAKERS], overlap_us, silence_us, dead_us, dead_most_us;
	int64_t one_way_us, silent_us;
	uint32_t dead_n, barge_n, yielded_n, backchannels, cut_ins;
	struct sound_times yield, response;
};

enum sound_finding { SOUND_BARGE_IN, SOUND_RESPONSE, SOUND_DEAD_AIR, SOUND_STATE };
struct sound_found {
	enum sound_finding what;
	int64_t at_us, ms;
	bool yielded;		     /* BARGE_IN; else ms is how long it was tried */
	enum speaker after, before;  /* DEAD_AIR */
	enum sound_state state, was; /* STATE */
};
/* Counts one mark; marks come in order. `found` (NULL: nobody wants to know) is called for what it
 * brings to light. */
void sound_mix_add(struct sound_mix *, const struct sound_mark *, const struct sound_rules *,
		   void (*found)(void *user, const struct sound_found *), void *user);

#endif
