/* Happy path: a frame's turn comes (order.c), its place is found (place.c), it is decoded into
 * `out`, and heard (frames.c).
 *
 * Failure modes
 *   damaged frame      counted, concealed: it has its place
 *   late, twice        counted, dropped
 *   missing            up to FILL_MS filled (CONCEAL_MS of it by the codec's own means), else
 * silence more in one call than `out` holds    heard all the same; leg_last() has the newest part
 *   more facts in one call than asked for    the rest is not told; only a rule without hysteresis
 *                      makes so many */
#include "leg/leg.h"

#include "base/clock.h"
#include "leg/parts.h"

enum {
	ALIGN = 64,
	PACKET_MS = 120,
	/* Of codecs whose frames may be taken in pieces; twice as many fit `out`. */
	PIECE_SAMPLES = 960,
	FRAMES_PER_S = 50,
	PACKET_BYTES = 200, /* of 20 ms, of a codec without a fixed size */
};

/* --- memory --- */

struct layout {
	uint32_t codec_hz, rate_hz;
	size_t codec, order, bytes; /* offsets; all of it */
	size_t order_cap;
};

static size_t up(size_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static struct codec_params params_of(const struct leg_config *c)
{
	struct codec_params p = c->params;
	p.way = CODEC_DECODE;
	return p;
}

static size_t frame_bytes(const struct codec *c, uint32_t codec_hz)
{
	return c->bits_per_sample ? (size_t)codec_hz / FRAMES_PER_S * c->bits_per_sample / 8
				  : PACKET_BYTES;
}

static void lay_out(const struct leg_config *c, const struct codec_params *p, struct layout *y)
{
	y->order_cap = c->reorder * frame_bytes(c->codec, y->codec_hz);
	y->codec = up(sizeof(struct leg));
	y->order = y->codec + up(c->codec->state_size(p));
	y->bytes = y->order + up(y->order_cap);
}

static int plan(const struct leg_config *c, struct layout *y, struct fault *f)
{
	struct codec_params p = params_of(c);
	*y = (struct layout){ 0 };
	TRY(c->codec->init(NULL, &p, f));
	y->codec_hz = c->codec->out_rate(&p);
	if (y->codec_hz < RESAMPLE_MIN_HZ || y->codec_hz > RESAMPLE_MAX_HZ)
		return fault(f, E_INVALID, "audio must have a rate of %d to %d Hz, not %u",
			     RESAMPLE_MIN_HZ, RESAMPLE_MAX_HZ, y->codec_hz);
	if (c->reorder > LEG_REORDER_MAX)
		return fault(f, E_INVALID, "at most %d frames are held back", LEG_REORDER_MAX);
	bool own = y->codec_hz == 8000 || y->codec_hz == 16000;
	y->rate_hz = own ? y->codec_hz : resample_target_hz(y->codec_hz);
	lay_out(c, &p, y);
	return 0;
}

int leg_size(const struct leg_config *c, size_t *bytes, struct fault *f)
{
	struct layout y;
	TRY(plan(c, &y, f));
	*bytes = y.bytes;
	return 0;
}

static void place_parts(struct leg *l, const struct layout *y)
{
	char *base = (char *)l;
	l->codec_state = y->order > y->codec ? base + y->codec : NULL;
	l->ring.pool = l->c.ring;
	l->ring.codec = codec_find(SPAN("pcmu"));
	order_init(l, base + y->order, y->order_cap);
}

int leg_init(struct leg *l, const struct leg_config *c, struct fault *f)
{
	struct codec_params p = params_of(c);
	struct layout y;
	TRY(plan(c, &y, f));
	*l = (struct leg){ .c = *c, .rate_hz = y.rate_hz, .codec_hz = y.codec_hz };
	l->frame_n = l->usual = y.rate_hz / FRAMES_PER_S;
	l->whole_packets = c->codec->bits_per_sample == 0;
	l->as_it_is = c->codec->wav_format == 7;
	l->place.rate_hz = y.rate_hz;
	l->place.stamps_waver = c->stamps_waver;
	l->level.level_db = l->level.peak_db = l->level.noise_db = LEG_FLOOR_DB;
	place_parts(l, &y);
	vad_init(&l->vad, 8000);
	TRY(c->codec->init(l->codec_state, &p, f));
	return y.rate_hz == y.codec_hz ? 0 : resample_new(&l->resample, y.codec_hz, y.rate_hz, f);
}

void leg_fini(struct leg *l)
{
	struct heard facts[LEG_FACTS_MAX];
	leg_settle(l, facts); /* nobody else may find it in the batch */
	ring_free(&l->ring);
	resample_free(take(l->resample));
}

/* --- facts --- */

struct heard *leg_tell(struct leg *l, enum heard_kind kind, int64_t at_us)
{
	struct heard *h = l->facts_n < LEG_FACTS_MAX ? &l->facts[l->facts_n++] : &l->spare;
	*h = (struct heard){
		.kind = kind, .leg = l->c.index, .speaker = l->c.speaker, .at_us = at_us
	};
	return h;
}

static void begin(struct leg *l, struct heard *facts)
{
	l->facts = facts;
	l->facts_n = 0;
	l->out_n = 0;
	l->out_at = l->position;
	frames_settle(l);
}

/* --- samples --- */

/* Room for so many in `out`; what is there goes when there is not enough behind it. */
static int16_t *room(struct leg *l, size_t n)
{
	if (LEG_OUT_SAMPLES - l->out_n < n) {
		l->out_n = 0;
		l->out_at = l->position;
	}
	return l->c.scratch->out + l->out_n;
}

static void gained(struct leg *l, const int16_t *samples, size_t n, const uint8_t *ulaw)
{
	if (l->resample) {
		int16_t *to = room(l, resample_max(l->resample, n));
		n = resample_run(l->resample, samples, n, to);
		samples = to;
	}
	l->out_n += n;
	l->position += (int64_t)n;
	frames_hear(l, samples, n, ulaw);
}

static void conceal(struct leg *l, int64_t n)
{
	int64_t left = n * l->codec_hz / l->rate_hz;
	while (left > 0) {
		int64_t most = l->codec_hz / FRAMES_PER_S, some = left < most ? left : most;
		int16_t *to = l->resample ? l->c.scratch->raw : room(l, (size_t)some);
		l->c.codec->conceal(l->codec_state, to, (size_t)some);
		gained(l, to, (size_t)some, NULL);
		left -= some;
	}
}

static void silence(struct leg *l, int64_t n)
{
	int64_t most = LEG_OUT_SAMPLES - (int64_t)l->out_n;
	if (l->out_n && n <= most) {
		memset(l->c.scratch->out + l->out_n, 0, (size_t)n * sizeof(int16_t));
		l->out_n += (size_t)n;
	} else {
		l->out_n = 0;
		l->out_at = l->position + n;
	}
	l->position += n;
	frames_gap(l, n);
}

/* Codecs go on making sound for a second, in which nobody has said anything. */
static void fill(struct leg *l, int64_t n)
{
	int64_t left = (int64_t)l->rate_hz * LEG_CONCEAL_MS / 1000 - l->concealed;
	int64_t some = n < left ? n : left;
	if (some > 0) {
		conceal(l, some);
		l->concealed += some;
		n -= some;
	}
	if (n)
		silence(l, n);
}

/* What was there when it began has been heard. Whole frames: those that come stay in step. */
static void pass_pause(struct leg *l, int64_t n)
{
	n -= n % l->frame_n;
	if (n == 0)
		return;
	l->out_n = 0;
	l->position += n;
	l->out_at = l->position;
	l->carries = false;
	frames_pause(l, n);
}

static void fill_gap(struct leg *l, int64_t n)
{
	bool short_one = n <= (int64_t)l->rate_hz * LEG_FILL_MS / 1000;
	l->sums.gaps++;
	l->sums.gap_us += n * SECOND_US / l->rate_hz;
	l->carries = false;
	if (short_one)
		fill(l, n);
	else
		silence(l, n);
}

/* --- decoding --- */

static void damaged(struct leg *l)
{
	l->sums.damaged++;
	fill(l, l->usual);
}

static size_t raw_cap(const struct leg *l)
{
	return l->whole_packets ? CODEC_SAMPLES_MAX : PIECE_SAMPLES;
}

/* A piece from the front; gives the bytes it took. */
static size_t decode_some(struct leg *l, struct span in)
{
	size_t used = 0, n = 0, need = l->whole_packets ? l->rate_hz * PACKET_MS / 1000 : 1;
	int16_t *to = l->resample ? l->c.scratch->raw : room(l, need);
	size_t cap = l->resample ? raw_cap(l) : LEG_OUT_SAMPLES - l->out_n;
	if (l->c.codec->decode(l->codec_state, in, to, cap, &used, &n, NULL)) {
		damaged(l);
		return in.n;
	}
	l->concealed = n ? 0 : l->concealed;
	gained(l, to, n, l->as_it_is && !l->resample ? (const uint8_t *)in.p : NULL);
	return used;
}

/* Frames of odd sizes may cut a sample in two. */
static struct span join_carry(struct leg *l, struct span in)
{
	char both[2] = { l->carry, in.n ? in.p[0] : 0 };
	if (!l->carries || !in.n)
		return in;
	l->carries = false;
	decode_some(l, (struct span){ both, sizeof(both) });
	return span_from(in, 1);
}

static void decode(struct leg *l, struct span in)
{
	bool halves = l->c.codec->bits_per_sample == 16;
	int64_t before = l->position;
	in = join_carry(l, in);
	while (in.n) {
		size_t used = halves && in.n == 1 ? 0 : decode_some(l, in);
		if (used == 0) {
			l->carries = halves;
			l->carry = in.p[0];
			break;
		}
		in = span_from(in, used);
	}
	if (l->position > before)
		l->usual = (uint32_t)(l->position - before);
}

/* How many samples these bytes are, as far as it can be known before. */
static size_t samples_in(const struct leg *l, struct span bytes)
{
	unsigned bits = l->c.codec->bits_per_sample;
	if (!bits || !bytes.n)
		return l->usual;
	return (size_t)((uint64_t)bytes.n * 8 / bits * l->rate_hz / l->codec_hz);
}

static void lose_frame(struct leg *l)
{
	l->sums.gaps++;
	l->sums.gap_us += (int64_t)l->usual * SECOND_US / l->rate_hz;
	l->carries = false;
	fill(l, l->usual);
}

void leg_take(struct leg *l, const struct arrival *a, int64_t missing)
{
	int64_t gap =
		place_gap(&l->place, a, l->position, missing * l->usual, samples_in(l, a->bytes));
	l->sums.late += gap == PLACE_OLD;
	l->sums.duplicates += gap == PLACE_TWICE;
	if (gap < 0)
		return;
	if (gap > 0 && l->c.pauses)
		pass_pause(l, gap);
	else if (gap > 0)
		fill_gap(l, gap);
	if (a->bytes.n)
		decode(l, a->bytes);
	else
		lose_frame(l);
	place_heard(&l->place, l->position, a->arrived_us);
}

/* --- from outside --- */

#define NUMBER_MAX (INT64_C(1) << 53)

static int64_t number(int64_t n)
{
	return n >= 0 && n < NUMBER_MAX ? n : -1;
}

size_t leg_frame(struct leg *l, struct span bytes, int64_t chunk, int64_t at_ms, int64_t arrived_us,
		 struct heard *facts)
{
	struct arrival a = { bytes, number(chunk), number(at_ms), arrived_us };
	ring_prefetch(&l->ring);
	__builtin_prefetch(&l->halve, 1);
	begin(l, facts);
	if (a.chunk >= 0)
		order_frame(l, &a);
	else
		leg_take(l, &a, 0);
	if (!l->c.batch)
		frames_settle(l);
	return l->facts_n;
}

bool leg_waits(const struct leg *l)
{
	return l->waits;
}

size_t leg_settle(struct leg *l, struct heard *facts)
{
	l->facts = facts;
	l->facts_n = 0;
	frames_settle(l);
	return l->facts_n;
}

size_t leg_tick(struct leg *l, int64_t now_us, struct heard *facts)
{
	begin(l, facts);
	order_flush(l, now_us - LEG_HOLD_MS * MS_US);
	frames_settle(l);
	if (l->place.begun && now_us - l->place.arrived_us < LEG_PAUSE_MS * MS_US)
		return l->facts_n;
	frames_stop_digit(l);
	frames_stop_speech(l, l->framed);
	frames_floor(l);
	if (!l->c.pauses)
		frames_quiet(l, now_us);
	return l->facts_n;
}

size_t leg_finish(struct leg *l, int64_t now_us, struct heard *facts)
{
	begin(l, facts);
	order_flush(l, INT64_MAX);
	frames_settle(l);
	frames_stop_digit(l);
	frames_stop_speech(l, l->framed);
	frames_tell_level(l);
	frames_tell_quality(l, l->place.begun ? place_us(&l->place, l->framed) : now_us);
	return l->facts_n;
}

struct span leg_digit_text(char digit)
{
	static const char known[] = "0123456789ABCD*#";
	const char *at = digit ? strchr(known, digit) : NULL;
	return (struct span){ at, at != NULL };
}

size_t leg_digit(struct leg *l, struct span digit, int64_t duration_ms, int64_t arrived_us,
		 struct heard *facts)
{
	char c = digit.n == 1 ? digit.p[0] : 0;
	struct span text = leg_digit_text(c >= 'a' && c <= 'd' ? (char)(c - 'a' + 'A') : c);
	l->facts = facts;
	l->facts_n = 0;
	frames_settle(l);
	if (!text.n || !digits_news(&l->digits, text.p[0], false, arrived_us))
		return l->facts_n;
	struct heard *h = leg_tell(l, HEARD_DTMF, arrived_us);
	h->text = text;
	h->ms = duration_ms > 0 ? duration_ms : 0;
	h->name = SPAN("signalled");
	return l->facts_n;
}

size_t leg_hold(struct leg *l, bool on, int64_t at_us, struct heard *facts)
{
	l->facts = facts;
	l->facts_n = 0;
	frames_settle(l);
	if (on == l->held)
		return l->facts_n;
	if (on) {
		frames_stop_digit(l);
		frames_stop_speech(l, l->framed);
		frames_floor(l);
	}
	leg_tell(l, HEARD_HELD, at_us)->name = on ? SPAN("held") : SPAN("resumed");
	l->held = on;
	l->silent = false;
	l->silent_from_us = 0;
	l->place.resumed = !on;
	return l->facts_n;
}

void leg_view(const struct leg *l, struct leg_view *out)
{
	int64_t running = l->speaking ? l->framed - l->speech_from : 0;
	*out = (struct leg_view){ .rate_hz = l->rate_hz,
				  .position = l->position,
				  .start_us = l->place.begun ? l->place.start_us : 0,
				  .speaking = l->speaking,
				  .level_db = l->level.level_db,
				  .peak_db = l->level.peak_db,
				  .noise_db = l->level.noise_db,
				  .speech_ms = (l->speech_samples + running) * 1000 / l->rate_hz };
}

struct leg_pcm leg_last(const struct leg *l)
{
	return (struct leg_pcm){ l->c.scratch->out, l->out_n, l->out_at };
}
