/* Telephone digits in sound at 8 kHz (ITU-T Q.23, Q.24). Pure; no allocation. Formulas:
 * docs/sound.md, "Digits". */
#ifndef CALLMEND_LEG_DTMF_H
#define CALLMEND_LEG_DTMF_H

#include <stdbool.h>
#include <stdint.h>

enum { DTMF_FRAME = 160, DTMF_PAST = 2 /* frames */ };

struct dtmf {
	char digit;			     /* that sounds, or may; 0: none */
	bool sure;			     /* it has been looked at closely */
	unsigned missed;		     /* frames in a row without it */
	unsigned frames;		     /* of the digit, missed ones included */
	unsigned lead_ms;		     /* of it before its first whole frame */
	unsigned oldest;		     /* of `past` */
	int16_t past[DTMF_PAST][DTMF_FRAME]; /* the frames before */
};

/* A digit that is over. */
struct dtmf_end {
	char digit;
	unsigned ms;	 /* so long it sounded */
	unsigned ago_ms; /* its end lies so long before the end of this frame */
};
/* One frame; `squares` and `peak` are its sum of squares and greatest magnitude. True: out. */
bool dtmf_frame(struct dtmf *, const int16_t samples[DTMF_FRAME], uint64_t squares, int32_t peak,
		struct dtmf_end *out);
/* Sound is over: a digit that is sure ends now. */
bool dtmf_stop(struct dtmf *, struct dtmf_end *out);

#endif
