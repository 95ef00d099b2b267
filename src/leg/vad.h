/* Is this frame speech? A detector for noisy 8 kHz telephone speech, also run at 16 kHz (which it
 * halves itself). Pure, no allocation; state in the caller's memory; any thread, one at a time. It
 * looks VAD_BEHIND frames ahead: the score it gives for a frame is that of the frame so many
 * before.
 *
 * vad_frame() gives a score per 20 ms frame; what is made of it (hysteresis, hang-over: on and off)
 * is vad_gate's. docs/sound.md tells the features and formulas, `./dev bench speech` evaluates it
 * against labelled recordings and beside others.
 *
 * The score does not depend on how loud the line is. It is the same for the same frames on the same
 * processor; between processors its last digits differ. */
#ifndef CALLMEND_LEG_VAD_H
#define CALLMEND_LEG_VAD_H

#include <stdbool.h>
#include <stdint.h>

enum { VAD_FRAME_MS = 20, VAD_FRAME_8K = 160, VAD_FRAME_16K = 320, VAD_STATE_BYTES = 2048 };
enum { VAD_BEHIND = 2, VAD_BEHIND_MS = VAD_BEHIND * VAD_FRAME_MS };

/* What a detector has seen of a frame; only it knows what the numbers mean. */
enum { VAD_SEEN = 64 };
struct vad_seen {
	_Alignas(64) float numbers[VAD_SEEN];
};

/* May be moved between calls as long as its alignment stays. */
struct vad {
	_Alignas(32) unsigned char state[VAD_STATE_BYTES];
};

/* rate_hz: 8000 or 16000 (anything else is taken for 8000). */
void vad_init(struct vad *, uint32_t rate_hz);
/* One whole frame of VAD_FRAME_8K or _16K samples. 0..1: the probability that the frame VAD_BEHIND
 * frames before it is speech, as smooth as the network's memory makes it. */
float vad_frame(struct vad *, const int16_t *samples);
/* vad_frame() in two steps, so that many detectors may take the second one together, which is
 * cheaper (at most VAD_TOGETHER_MAX, each once). Nothing else may be done to a detector between its
 * two. Scores are the same as one by one. */
enum { VAD_TOGETHER_MAX = 16 };
void vad_look(struct vad *, const int16_t *samples, struct vad_seen *out);
void vad_scores(unsigned n, struct vad *const *, const struct vad_seen *, float *scores);
/* After a gap in the audio of so many ms: what was learned of the noise is kept, short memory is
 * dropped. */
void vad_gap(struct vad *, int64_t gap_ms);

/* Thresholds for speech on and off over the scores; defaults in vad_rule_default. */
struct vad_rule {
	float on, off;		/* score at which speech begins / may end; off <= on */
	uint16_t on_ms, off_ms; /* so long above `on` (below `off`) first; whole frames, up */
};
extern const struct vad_rule vad_rule_default;

enum vad_change { VAD_SAME, VAD_STARTED, VAD_STOPPED };
/* All zero is the beginning: silence. */
struct vad_gate {
	bool speaking;
	uint16_t above_ms, below_ms;
};
/* One frame's score. When it tells VAD_STARTED (STOPPED), *ago_ms says how long before the end of
 * this frame speech really began (ended), VAD_BEHIND_MS counted in: event times are right although
 * detection takes a while.
 * Time between the thresholds counts for the side that was reached last. */
enum vad_change vad_gate_frame(struct vad_gate *, const struct vad_rule *, float score,
			       unsigned *ago_ms);

#endif
