/* The last 30 s as µ-law at 8 kHz. */
#include "leg/parts.h"

enum { SILENCE = 0xff };

/* The longest piece from the write position that does not wrap. */
static size_t straight(const struct leg_ring *r, int64_t position, size_t n)
{
	size_t left = LEG_RING_BYTES - (size_t)(position % LEG_RING_BYTES);
	(void)r;
	return n < left ? n : left;
}

static uint8_t *at(const struct leg_ring *r, int64_t position)
{
	return r->bytes + position % LEG_RING_BYTES;
}

void ring_add(struct leg_ring *r, const uint8_t *ulaw, size_t n)
{
	size_t first = straight(r, r->end, n);
	if (!r->bytes)
		return;
	memcpy(at(r, r->end), ulaw, first);
	memcpy(r->bytes, ulaw + first, n - first);
	r->end += (int64_t)n;
}

void ring_add_samples(struct leg_ring *r, const int16_t *samples, size_t n)
{
	uint8_t ulaw[VAD_FRAME_16K];
	size_t made = 0;
	if (!r->bytes)
		return;
	CHECK(n <= sizeof(ulaw));
	CHECK(codec_find(SPAN("pcmu"))->encode(NULL, samples, n, ulaw, sizeof(ulaw), &made, NULL) ==
	      0);
	ring_add(r, ulaw, made);
}

void ring_add_silence(struct leg_ring *r, int64_t n)
{
	if (!r->bytes)
		return;
	if (n > LEG_RING_BYTES) {
		r->end += n - LEG_RING_BYTES;
		n = LEG_RING_BYTES;
	}
	size_t first = straight(r, r->end, (size_t)n);
	memset(at(r, r->end), SILENCE, first);
	memset(r->bytes, SILENCE, (size_t)n - first);
	r->end += n;
}

size_t leg_ring_read(const struct leg *l, int64_t *from, uint8_t *out, size_t cap)
{
	const struct leg_ring *r = &l->ring;
	int64_t oldest = r->end > LEG_RING_BYTES ? r->end - LEG_RING_BYTES : 0;
	*from = *from < oldest ? oldest : *from;
	if (!r->bytes || *from >= r->end)
		return 0;
	size_t n = (size_t)(r->end - *from) < cap ? (size_t)(r->end - *from) : cap;
	size_t first = straight(r, *from, n);
	memcpy(out, at(r, *from), first);
	memcpy(out + first, r->bytes, n - first);
	return n;
}

int64_t leg_ring_end(const struct leg *l)
{
	return l->ring.end;
}
