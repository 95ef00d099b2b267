#include "record/mix.h"

#include <stdlib.h>

#include "base/clock.h"
#include "codecs/resample.h"

enum {
	PIECES_PER_S = 10,
	PIECE_MAX = WAV_RATE_MAX / PIECES_PER_S,
	READY_MAX = PIECE_MAX * 4,
	MIX_PIECE_MAX = MIX_RATE_MAX / PIECES_PER_S,
	SIDES = 2
};

struct part {
	struct wav wav;
	uint8_t rank;
	bool on[SIDES];		   /* left, right */
	uint64_t from, until;	   /* in the mix */
	uint64_t at;		   /* frames read of the file */
	struct resample *resample; /* NULL: it has the rate of the mix */
	int16_t ready[READY_MAX];  /* at that rate, not yet mixed */
	size_t ready_n;
};

struct mix {
	uint32_t rate_hz;
	uint8_t least[MIX_PIECE_MAX][SIDES]; /* of the piece at hand: the lowest rank */
	int64_t start_us;
	uint64_t at;
	size_t parts_n;
	struct part parts[];
};

uint32_t mix_rate_hz(const struct mix *m)
{
	return m->rate_hz;
}

int64_t mix_start_us(const struct mix *m)
{
	return m->start_us;
}

/* --- life --- */

static void find_bounds(struct mix *m, const struct wav *wavs)
{
	m->start_us = wavs[0].note.start_us;
	for (size_t i = 0; i < m->parts_n; i++) {
		const struct wav *w = &wavs[i];

		m->rate_hz = w->shape.rate_hz > m->rate_hz ? w->shape.rate_hz : m->rate_hz;
		m->start_us = w->note.start_us < m->start_us ? w->note.start_us : m->start_us;
	}
	m->rate_hz = m->rate_hz > MIX_RATE_MAX ? MIX_RATE_MAX : m->rate_hz;
}

static int place(struct mix *m, struct part *p, const struct wav *w, struct fault *f)
{
	int64_t late_us = w->note.start_us - m->start_us;

	p->wav = *w;
	p->rank = (uint8_t)w->note.rank;
	p->on[0] = w->note.speaker != SPEAKER_AI;
	p->on[1] = w->note.speaker != SPEAKER_USER;
	p->from = (uint64_t)late_us * m->rate_hz / SECOND_US;
	p->until = p->from + w->frames * m->rate_hz / w->shape.rate_hz;
	return w->shape.rate_hz == m->rate_hz
		       ? 0
		       : resample_new(&p->resample, w->shape.rate_hz, m->rate_hz, f);
}

int mix_new(struct mix **out, const struct wav *parts, size_t n, struct fault *f)
{
	scoped(mix) *m = calloc(1, sizeof(*m) + n * sizeof(m->parts[0]));

	CHECK(m && n);
	m->parts_n = n;
	find_bounds(m, parts);
	for (size_t i = 0; i < n; i++)
		TRY(place(m, &m->parts[i], &parts[i], f));
	*out = take(m);
	return 0;
}

void mix_free(struct mix *m)
{
	for (size_t i = 0; m && i < m->parts_n; i++)
		resample_free(m->parts[i].resample);
	free(m);
}

/* --- reading --- */

static int read_piece(struct part *p, struct fault *f)
{
	int16_t piece[PIECE_MAX];
	size_t want = p->wav.shape.rate_hz / PIECES_PER_S, n;
	int16_t *to = p->ready + p->ready_n;

	TRY(wav_read(&p->wav, p->at, piece, want, &n, f));
	/* A file that is shorter by now than it was has ended. */
	p->at = n ? p->at + n : p->wav.frames;
	if (p->resample)
		n = resample_run(p->resample, piece, n, to);
	else
		memcpy(to, piece, n * sizeof(*piece));
	p->ready_n += n;
	return 0;
}

static int make_ready(struct part *p, size_t frames, struct fault *f)
{
	while (p->ready_n < frames && p->at < p->wav.frames)
		TRY(read_piece(p, f));
	return 0;
}

static int16_t sum(int16_t a, int16_t b)
{
	int v = a + b;

	return (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
}

static void add(int16_t *stereo, const struct part *p, const uint8_t (*least)[SIDES], size_t frames)
{
	for (size_t i = 0; i < frames; i++)
		for (unsigned side = 0; side < SIDES; side++)
			if (p->on[side] && p->rank <= least[i][side])
				stereo[2 * i + side] = sum(stereo[2 * i + side], p->ready[i]);
}

static size_t within(uint64_t at, uint64_t begin, size_t frames)
{
	return at < begin ? 0 : at - begin > frames ? frames : (size_t)(at - begin);
}

static void rank_part(struct mix *m, const struct part *p, size_t frames)
{
	size_t until = within(p->until, m->at, frames);

	for (size_t n = within(p->from, m->at, frames); n < until; n++)
		for (unsigned side = 0; side < SIDES; side++)
			if (p->on[side] && p->rank < m->least[n][side])
				m->least[n][side] = p->rank;
}

static void rank_parts(struct mix *m, size_t frames)
{
	memset(m->least, UINT8_MAX, frames * sizeof(m->least[0]));
	for (size_t i = 0; i < m->parts_n; i++)
		rank_part(m, &m->parts[i], frames);
}

/* Mixes what this part has for the next frames; *upto: where its sound ends there, if it does. */
static int mix_part(const struct mix *m, struct part *p, int16_t *stereo, size_t frames,
		    size_t *upto, struct fault *f)
{
	uint64_t skip = p->from > m->at ? p->from - m->at : 0;

	if (skip >= frames) {
		*upto = frames;
		return 0;
	}
	size_t want = frames - (size_t)skip;
	TRY(make_ready(p, want, f));
	size_t n = want < p->ready_n ? want : p->ready_n;
	add(stereo + 2 * skip, p, m->least + skip, n);
	memmove(p->ready, p->ready + n, (p->ready_n - n) * sizeof(p->ready[0]));
	p->ready_n -= n;
	*upto = n ? (size_t)skip + n : 0;
	return 0;
}

static int mix_piece(struct mix *m, int16_t *stereo, size_t frames, size_t *got, struct fault *f)
{
	*got = 0;
	memset(stereo, 0, frames * 2 * sizeof(*stereo));
	rank_parts(m, frames);
	for (size_t i = 0; i < m->parts_n; i++) {
		size_t upto;

		TRY(mix_part(m, &m->parts[i], stereo, frames, &upto, f));
		*got = upto > *got ? upto : *got;
	}
	m->at += *got;
	return 0;
}

int mix_read(struct mix *m, int16_t *stereo, size_t frames, size_t *got, struct fault *f)
{
	size_t most = m->rate_hz / PIECES_PER_S;

	for (*got = 0; *got < frames;) {
		size_t left = frames - *got, n, want = left < most ? left : most;

		TRY(mix_piece(m, stereo + 2 * *got, want, &n, f));
		*got += n;
		if (n < want)
			return 0;
	}
	return 0;
}
