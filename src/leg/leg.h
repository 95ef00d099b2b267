/* A leg: one direction of one call's audio, as heard. A pure object on the shard of its socket: no
 * clock, socket, thread; memory is the caller's, given once (that of the ring, a second at a time,
 * from a pool of the caller's), samples on their way stand in memory that all legs of the thread
 * share; nothing else is allocated afterwards.
 *
 *   frame ─► reorder ─► codec ─► (resample) ─► clock: gap, late, duplicate ─► 20 ms frames ─┬─►
 * level, clipping, silence ├─► speech (vad.h) ├─► DTMF └─► 30 s ring (µ-law 8 kHz)
 *
 * What it hears comes out as facts (callmend/heard.h), with times on the call's clock; the owner of
 * the socket mails them. Formulas: docs/sound.md. */
#ifndef CALLMEND_LEG_H
#define CALLMEND_LEG_H

#include "base/pool.h"
#include "callmend/codec.h"
#include "callmend/heard.h"
#include "leg/vad.h"

/* Where samples stand while a leg hears them: one for all legs of a thread. */
enum { LEG_OUT_SAMPLES = 6000 };
struct leg_scratch {
	int16_t out[LEG_OUT_SAMPLES];	/* leg_last() */
	int16_t raw[CODEC_SAMPLES_MAX]; /* before they are resampled */
};

/* Legs that are heard one after the other may share this, too: then whether there is speech in a
 * frame is found out for up to LEG_BATCH of them together, which is cheaper. One for all legs of a
 * thread; all zero is its beginning. */
enum { LEG_BATCH = VAD_TOGETHER_MAX };
struct leg_batch {
	struct vad_seen seen[LEG_BATCH];
	struct vad *of[LEG_BATCH];
	float scores[LEG_BATCH];
	unsigned n, scored; /* taken; of these from the front with a score */
	unsigned waiting;   /* not settled */
};

enum leg_vad { LEG_VAD_STANDARD, LEG_VAD_NONE };

struct leg_config {
	unsigned index; /* < HEARD_LEGS_MAX */
	enum speaker speaker;
	const struct codec *codec;
	struct codec_params params;
	unsigned reorder; /* frames that may overtake each other: 0..LEG_REORDER_MAX. There is room
			     to hold back so many of 20 ms; what does not fit is not held back */
	struct leg_scratch *scratch; /* outlives the leg */
	struct leg_batch *batch;     /* likewise; NULL: speech is found out at once */
	enum leg_vad vad;
	struct vad_rule rule;
	struct pool *ring; /* of LEG_RING_PIECE_BYTES, outlives the leg: keep LEG_RING_MS to listen
			      back; NULL: keep nothing */
	bool dtmf;	   /* listen for tones in the sound */
	bool rests;	   /* whose it is may say nothing: digital silence is not told */
	bool pauses; /* nothing for a while means that nobody sends: neither silence nor loss */
	bool stamps_waver; /* as in media_dialect */
};

enum {
	LEG_REORDER_MAX = 16,
	LEG_RING_MS = 30000,
	LEG_RING_BYTES = LEG_RING_MS * 8,
	LEG_RING_PIECE_BYTES = 8000,
	LEG_RING_PIECES = LEG_RING_BYTES / LEG_RING_PIECE_BYTES,
};
#define LEG_FLOOR_DB (-96.0f)

/* How time is kept (docs/sound.md, "Clock"). */
enum {
	LEG_TOLERANCE_MS = 40,	 /* stamps and arrivals may be off by so much */
	LEG_PAUSE_MS = 1000,	 /* nothing for so long: a gap, not jitter */
	LEG_EARLY_MAX_MS = 2000, /* the start is moved back by no more than this, in all */
	LEG_HOLD_MS = 200,	 /* leg_tick() gives out what was held back for longer */
	LEG_CONCEAL_MS =
		60,	   /* of what is missing in a row, so much is filled by the codec's means */
	LEG_FILL_MS = 200, /* a longer gap is silence throughout */
	LEG_SILENT_MS = 5000, /* digital silence for so long is told; then at 10, 20, 40, 80 s
				 and every minute */
};

struct leg;
/* Bytes for such a leg (aligned to 64), without the ring: 6 KiB of G.711, 24 of Opus, and the
 * frames held back. E_INVALID: no such rate. */
MUST int leg_size(const struct leg_config *, size_t *bytes, struct fault *f);
MUST int leg_init(struct leg *, const struct leg_config *, struct fault *f);
/* Audio that is neither 8 nor 16 kHz goes through a resampler, which is not in the leg's memory,
 * nor is the ring: this gives both back. Tolerates a leg whose leg_init() failed. */
void leg_fini(struct leg *);

/* One frame as it came. `arrived_us` is wall clock; it places the leg's first sample on the call's
 * clock; from then on the position is counted in samples, and corrected by arrivals only as
 * documented (docs/sound.md, "Clock"). chunk, at_ms: as in media_event, -1 when the platform has
 * none: then only arrival tells of gaps. Empty `bytes`: the platform says that a frame is missing.
 * Facts are appended to `facts` (room for LEG_FACTS_MAX more); the number made is returned. */
enum { LEG_FACTS_MAX = 16 };
size_t leg_frame(struct leg *, struct span bytes, int64_t chunk, int64_t at_ms, int64_t arrived_us,
		 struct heard *facts);
/* With a batch, what the last frame of a leg_frame() says about speech may be told by the next call
 * for the leg, whichever it is, or by this one: facts are the same, and in the same order. */
bool leg_waits(const struct leg *);
size_t leg_settle(struct leg *, struct heard *facts);
/* Time without a frame: silence facts, gap once it is certain. Call about once a second. */
size_t leg_tick(struct leg *, int64_t now_us, struct heard *facts);
/* The end: speech that goes on stops, sums are told. */
size_t leg_finish(struct leg *, int64_t now_us, struct heard *facts);
/* A digit that the platform signalled. */
size_t leg_digit(struct leg *, struct span digit, int64_t duration_ms, int64_t arrived_us,
		 struct heard *facts);
/* The platform holds this leg, or takes it back: meanwhile nothing that comes is digital silence,
 * and what comes next has its place by arrival. Nothing, when it stands so already. */
size_t leg_hold(struct leg *, bool on, int64_t at_us, struct heard *facts);

/* --- what others may look at --- */
struct leg_view {
	uint32_t rate_hz;		   /* it runs at */
	int64_t position;		   /* samples since its start, lost ones included */
	int64_t start_us;		   /* wall clock of position 0; 0: nothing came yet */
	bool speaking;			   /* of a leg that waits: one frame before */
	float level_db, peak_db, noise_db; /* of the last 100 ms; dBFS */
	int64_t speech_ms;
};
void leg_view(const struct leg *, struct leg_view *out);

/* Samples of the last leg_frame(), leg_tick() or leg_finish(), in order, without a hole between
 * them, valid until the next of these on any leg of the same scratch: what speech-to-text,
 * recorders and listeners get. `at` is the position of the first: where it lies behind the end of
 * the last ones, silence is meant between. Gaps up to LEG_FILL_MS are filled. When one call brings
 * more than fits (375 ms at 16 kHz, 750 at 8), it is heard all the same and the newest part stands
 * here: longer frames are cut by the caller, further pieces with chunk and at_ms -1. */
struct leg_pcm {
	const int16_t *samples;
	size_t n;
	int64_t at;
};
struct leg_pcm leg_last(const struct leg *);

/* Copies ring bytes (µ-law, 8 kHz) from position `from` (in 8 kHz samples) on, at most `cap`; gives
 * their number. Older than the ring: *from is moved up. */
size_t leg_ring_read(const struct leg *, int64_t *from, uint8_t *out, size_t cap);
int64_t leg_ring_end(const struct leg *); /* position after the last sample, 8 kHz */

#endif
