/* Audio sent <-> the call's clock. A provider counts the audio it was sent over one connection;
 * pauses that were not sent, and what was dropped, shift that against the clock. Pure. */
#ifndef CALLMEND_STT_CLOCK_H
#define CALLMEND_STT_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Of a connection; the oldest is forgotten for a new one: what lies before the first that is known
 * is placed as if it had followed without a pause. */
enum { STT_SPANS = 64, STT_SPAN_SLACK_US = 2000 };

struct stt_clock {
	uint32_t rate_hz;
	int64_t sent; /* samples, in all */
	size_t n;
	struct stt_span {
		int64_t sent; /* samples before it */
		int64_t at_us;
	} spans[STT_SPANS];
};

void stt_clock_init(struct stt_clock *, uint32_t rate_hz);
/* `samples` are sent now, the first of which is of at_us. */
void stt_clock_sent(struct stt_clock *, int64_t samples, int64_t at_us);
/* When was that? A time on the border between two spans is the beginning of the later one, as
 * `end` the end of the earlier. 0: nothing was sent. */
int64_t stt_clock_at(const struct stt_clock *, int64_t sent_us);
int64_t stt_clock_end(const struct stt_clock *, int64_t sent_us);
int64_t stt_clock_sent_us(const struct stt_clock *);

#endif
