/* What to play in place of a lost frame, for codecs that have no answer of their own: the last
 * pitch period of what was heard, repeated, at full strength for 10 ms and then fading to silence
 * at 60 ms; the return of real sound is blended in over 5 ms. After the idea of ITU-T G.711
 * Appendix I, without its delay. Formulas: docs/codecs.md, "Lost frames".
 *
 * State in the caller's memory: conceal_size() bytes, aligned to 4. Any rate from 8000 Hz on. */
#ifndef CODECS_CONCEAL_H
#define CODECS_CONCEAL_H

#include <stddef.h>
#include <stdint.h>

struct conceal;
size_t conceal_size(uint32_t rate_hz);
void conceal_init(struct conceal *, uint32_t rate_hz);
/* Samples that came, in order; changes the first ones after a loss. */
void conceal_heard(struct conceal *, int16_t *samples, size_t n);
/* Makes `want` samples in place of lost ones. */
void conceal_fill(struct conceal *, int16_t *out, size_t want);

#endif
