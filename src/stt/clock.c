#include "stt/clock.h"

#include <string.h>

void stt_clock_init(struct stt_clock *c, uint32_t rate_hz)
{
	c->rate_hz = rate_hz;
	c->sent = 0;
	c->n = 0;
}

static int64_t us_of(const struct stt_clock *c, int64_t samples)
{
	return samples * 1000000 / c->rate_hz;
}

static int64_t place(const struct stt_clock *c, const struct stt_span *s, int64_t sent_us)
{
	return s->at_us + sent_us - us_of(c, s->sent);
}

static void add_span(struct stt_clock *c, int64_t at_us)
{
	if (c->n == STT_SPANS) {
		memmove(c->spans, c->spans + 1, (STT_SPANS - 1) * sizeof(c->spans[0]));
		c->n--;
	}
	c->spans[c->n++] = (struct stt_span){ c->sent, at_us };
}

void stt_clock_sent(struct stt_clock *c, int64_t samples, int64_t at_us)
{
	const struct stt_span *last = c->n ? &c->spans[c->n - 1] : NULL;
	int64_t off_us = last ? at_us - place(c, last, us_of(c, c->sent)) : 0;

	if (!last || off_us > STT_SPAN_SLACK_US || off_us < -STT_SPAN_SLACK_US)
		add_span(c, at_us);
	c->sent += samples;
}

int64_t stt_clock_at(const struct stt_clock *c, int64_t sent_us)
{
	size_t i = c->n;

	while (i > 1 && us_of(c, c->spans[i - 1].sent) > sent_us)
		i--;
	return i ? place(c, &c->spans[i - 1], sent_us) : 0;
}

int64_t stt_clock_end(const struct stt_clock *c, int64_t sent_us)
{
	size_t i = c->n;

	while (i > 1 && us_of(c, c->spans[i - 1].sent) >= sent_us)
		i--;
	return i ? place(c, &c->spans[i - 1], sent_us) : 0;
}

int64_t stt_clock_sent_us(const struct stt_clock *c)
{
	return us_of(c, c->sent);
}
