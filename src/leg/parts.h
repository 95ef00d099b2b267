/* What the files of a leg share. Nobody outside src/leg includes it. */
#ifndef CALLMEND_LEG_PARTS_H
#define CALLMEND_LEG_PARTS_H

#include "codecs/halve.h"
#include "codecs/resample.h"
#include "leg/dtmf.h"
#include "leg/leg.h"

/* One frame as it came. */
struct arrival {
	struct span bytes;
	int64_t chunk, at_ms, arrived_us;
};

/* --- order.c: frames that overtake each other. One slot per frame that may be held. --- */
struct leg_slot {
	int64_t chunk; /* -1: empty */
	int64_t at_ms, arrived_us;
	uint32_t from, n; /* of `bytes` */
};
struct leg_order {
	int64_t next;	   /* chunk that is due; -1: none came yet */
	int64_t newest;	   /* greatest chunk that came */
	int64_t missing;   /* frames lost before the next one */
	uint64_t received; /* bit i: chunk next - 1 - i came */
	unsigned held;	   /* slots in use */
	char *bytes;	   /* of held frames, without a hole between them */
	uint32_t bytes_n, bytes_cap;
};

/* --- place.c: where a frame stands. Positions are samples at the leg's rate. --- */
struct leg_place {
	uint32_t rate_hz;
	bool begun, stamped; /* stamped: the platform gives at_ms */
	bool stamps_waver;   /* as in media_dialect */
	int64_t start_us;    /* wall clock of position 0 */
	int64_t early_us;    /* by so much the start has been moved back in all */
	int64_t stamp_ms;    /* at_ms of position 0 */
	int64_t stamp_last_ms;
	int64_t arrived_us;	     /* of the newest frame */
	int64_t window_us, least_us; /* lateness: since when is the least one looked for */
	unsigned window_n;
	int64_t owed; /* samples of a gap that has become certain */
	bool resumed; /* the next frame ends a pause, however short */
};
int64_t place_us(const struct leg_place *, int64_t position);
int64_t place_samples(const struct leg_place *, int64_t us);
enum { PLACE_OLD = -1, PLACE_TWICE = -2 };
/* Samples of the gap before a frame of `n` samples that would stand at `position`, `lost` samples
 * being known to be missing before it; or PLACE_OLD, PLACE_TWICE: it has had its time. */
int64_t place_gap(struct leg_place *, const struct arrival *, int64_t position, int64_t lost,
		  size_t n);
/* The frame has been heard and ends at `position`. */
void place_heard(struct leg_place *, int64_t position, int64_t arrived_us);

/* --- level.c --- */
struct leg_sum {
	uint64_t squares;
	uint32_t samples;
	int32_t peak;
};
struct leg_level {
	struct leg_sum window;	       /* the running 100 ms */
	struct leg_sum period, spoken; /* since the last LEVEL fact: of all, while speech is on */
	uint32_t clipped, clip_run;    /* since the last LEVEL fact; full scale in a row */
	bool heard;		       /* a window of sound has been measured */
	float level_db, peak_db, noise_db;
};
/* Adds a frame, measured into `frame`; true: nothing but digital silence. */
bool level_frame(struct leg_level *, const int16_t *samples, size_t n, bool speaking,
		 struct leg_sum *frame);
/* The 100 ms are over. */
void level_window(struct leg_level *, bool speaking);
float level_db(const struct leg_sum *);
float level_peak_db(const struct leg_sum *);
int64_t level_tenths(float db);

/* --- ring.c --- */
struct leg_ring {
	struct pool *pool;		  /* of its pieces; NULL: none is kept */
	const struct codec *codec;	  /* of its bytes */
	int64_t end;			  /* position after the last one */
	uint8_t *pieces[LEG_RING_PIECES]; /* NULL: has not been reached yet */
};
/* The next bytes will be written soon. */
void ring_prefetch(const struct leg_ring *);
void ring_free(struct leg_ring *);
void ring_add(struct leg_ring *, const uint8_t *ulaw, size_t n);
void ring_add_samples(struct leg_ring *, const int16_t *samples, size_t n);
void ring_add_silence(struct leg_ring *, int64_t n);

/* --- digits.c: signalled and heard ones, each once --- */
enum { DIGITS_KEPT = 8 };
struct leg_digits {
	struct leg_digit_told {
		char digit;
		bool inband, met; /* met: the other way has told it, too */
		int64_t at_us;
	} told[DIGITS_KEPT]; /* newest last */
	unsigned n;
};
/* False: the other way has told this one. */
bool digits_news(struct leg_digits *, char digit, bool inband, int64_t at_us);

/* --- leg.c --- */
struct leg_sums {
	int64_t gaps, gap_us, late, duplicates, reordered, damaged;
};
/* What every frame touches stands together, in front; how the codec's state goes on behind it is
 * leg.c's. */
struct leg {
	struct leg_config c;
	uint32_t rate_hz, codec_hz;
	uint32_t frame_n; /* samples of 20 ms */

	void *codec_state;	   /* NULL: stateless */
	struct resample *resample; /* NULL: the leg runs at the codec's rate */
	bool as_it_is;		   /* frames are what the ring holds: µ-law, 8 kHz */
	bool whole_packets;	   /* a frame is taken whole or not at all */
	char carry;		   /* odd byte of a 16-bit sample */
	bool carries;
	uint32_t usual;	   /* samples of the last frame */
	int64_t concealed; /* samples made up since then */
	struct leg_order order;
	struct leg_place place;
	struct leg_level level;

	/* What the last leg_frame() gave, in the scratch. */
	size_t out_n;
	int64_t out_at;

	int64_t position; /* of the next sample */
	int64_t framed;	  /* of the next 20 ms frame */
	uint32_t part_n;
	unsigned frames; /* of the running LEVEL period */

	bool speaking;
	uint8_t waits; /* the last frame's speech has not been told: 1 + its place in the batch */
	struct vad_gate gate;
	float score; /* of that frame, when it has no place */

	/* Digital silence, and no audio at all. */
	bool silent; /* SILENT has been told */
	bool held;
	int64_t silent_from_us; /* 0: there is sound */

	struct heard *facts; /* of the running call */
	size_t facts_n;

	struct dtmf dtmf;
	struct vad vad;
	struct leg_ring ring;

	/* Now and then. */
	int64_t silent_due_ms;		   /* the next SILENT */
	int64_t speech_from, speech_until; /* of the last, or running; end of the one before */
	int64_t speech_samples;		   /* of those that are over */
	struct leg_sums sums, told_sums;
	struct leg_digits digits;
	struct heard spare;
	struct leg_slot slots[LEG_REORDER_MAX]; /* of the order */
	struct halve halve;
	int16_t part[VAD_FRAME_16K];
};

/* A fact in the making, now told. */
struct heard *leg_tell(struct leg *, enum heard_kind, int64_t at_us);
/* In memory that stays; empty: no such digit. */
struct span leg_digit_text(char digit);
/* order.c calls it for each frame whose turn has come, `missing` frames having been lost before. */
void leg_take(struct leg *, const struct arrival *, int64_t missing);

void order_init(struct leg *, char *bytes, size_t cap);
void order_frame(struct leg *, const struct arrival *);
/* Gives out what is held, whatever is missing, that came before `before_us`. */
void order_flush(struct leg *, int64_t before_us);

/* frames.c: what the last frame's score says is told. */
enum { WAITS_ALONE = LEG_BATCH + 1 };
void frames_settle(struct leg *);
/* What is made of samples in their place. `ulaw`: the same, as they came; or NULL. */
void frames_hear(struct leg *, const int16_t *samples, size_t n, const uint8_t *ulaw);
void frames_gap(struct leg *, int64_t n);
/* Nobody sent anything: n samples that are neither lost nor silent. */
void frames_pause(struct leg *, int64_t n);
void frames_stop_speech(struct leg *, int64_t end);
void frames_stop_digit(struct leg *);
void frames_tell_level(struct leg *);
void frames_tell_quality(struct leg *, int64_t at_us);
/* Levels are those of nothing. */
void frames_floor(struct leg *);
/* Nothing comes. */
void frames_quiet(struct leg *, int64_t at_us);

#endif
