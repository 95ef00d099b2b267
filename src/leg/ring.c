/* The last 30 s as µ-law at 8 kHz, in pieces of a second, which are taken as they are reached: a
 * short call has few. */
#include "base/pool.h"
#include "leg/parts.h"

enum { SILENCE = 0xff };

static size_t index_of(int64_t position)
{
	return (size_t)(position / LEG_RING_PIECE_BYTES % LEG_RING_PIECES);
}

/* From the position to the end of its piece, `n` at most. */
static size_t straight(int64_t position, size_t n)
{
	size_t left = LEG_RING_PIECE_BYTES - (size_t)(position % LEG_RING_PIECE_BYTES);
	return n < left ? n : left;
}

static uint8_t *at(struct leg_ring *r, int64_t position)
{
	uint8_t **piece = &r->pieces[index_of(position)];
	if (!*piece)
		*piece = pool_take(r->pool);
	return *piece + position % LEG_RING_PIECE_BYTES;
}

void ring_prefetch(const struct leg_ring *r)
{
	const uint8_t *piece = r->pieces[index_of(r->end)];
	const uint8_t *next = piece + r->end % LEG_RING_PIECE_BYTES;
	if (!piece)
		return;
	for (size_t i = 0; i < VAD_FRAME_8K; i += 64)
		__builtin_prefetch(next + i, 1);
}

void ring_free(struct leg_ring *r)
{
	for (size_t i = 0; i < LEG_RING_PIECES; i++)
		if (r->pieces[i])
			pool_give(take(r->pieces[i]));
}

void ring_add(struct leg_ring *r, const uint8_t *ulaw, size_t n)
{
	while (r->pool && n) {
		size_t some = straight(r->end, n);
		memcpy(at(r, r->end), ulaw, some);
		r->end += (int64_t)some;
		ulaw += some;
		n -= some;
	}
}

void ring_add_samples(struct leg_ring *r, const int16_t *samples, size_t n)
{
	uint8_t ulaw[VAD_FRAME_16K];
	size_t made = 0;
	if (!r->pool)
		return;
	CHECK(n <= sizeof(ulaw));
	CHECK(r->codec->encode(NULL, samples, n, ulaw, sizeof(ulaw), &made, NULL) == 0);
	ring_add(r, ulaw, made);
}

void ring_add_silence(struct leg_ring *r, int64_t n)
{
	if (!r->pool)
		return;
	if (n > LEG_RING_BYTES) {
		r->end += n - LEG_RING_BYTES;
		n = LEG_RING_BYTES;
	}
	while (n) {
		size_t some = straight(r->end, (size_t)n);
		memset(at(r, r->end), SILENCE, some);
		r->end += (int64_t)some;
		n -= (int64_t)some;
	}
}

size_t leg_ring_read(const struct leg *l, int64_t *from, uint8_t *out, size_t cap)
{
	const struct leg_ring *r = &l->ring;
	int64_t oldest = r->end > LEG_RING_BYTES ? r->end - LEG_RING_BYTES : 0;
	*from = *from < oldest ? oldest : *from;
	if (!r->pool || *from >= r->end)
		return 0;
	size_t n = (size_t)(r->end - *from) < cap ? (size_t)(r->end - *from) : cap;
	for (size_t done = 0; done < n;) {
		int64_t position = *from + (int64_t)done;
		size_t some = straight(position, n - done);
		memcpy(out + done, r->pieces[index_of(position)] + position % LEG_RING_PIECE_BYTES,
		       some);
		done += some;
	}
	return n;
}

int64_t leg_ring_end(const struct leg *l)
{
	return l->ring.end;
}
