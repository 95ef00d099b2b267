/* What the other side plays of what we have sent, as a leg of its own.
 *
 * Where a stream may pause (all but Vapi's transport) the other side keeps what it has not played
 * yet, and plays it back to back, in real time from when it came. So do we, beside it: what was
 * sent waits in the line's queue, and a clock of 20 ms takes what is being played, or silence, to
 * our leg. There is neither leg nor clock before something was sent.
 *
 * A mark that comes back says where the other side is, on the clock of what comes in: what waits
 * here in front of it has been played, and is passed over; of what has been taken from behind it so
 * much is still to come, so silence goes first. Up to TOLERANCE_MS are let be: marks arrive as
 * uneven as all else.
 *
 * What nobody can know: how long the way there and back takes, until the first mark; between marks,
 * whether the other side has halted.
 *
 * Failure modes: a codec of packets (opus) - no leg, as pieces have no length that is known here;
 * the platform sends that side itself - our leg is its from then on; the queue is full - line_play
 * sends nothing. */
#include "base/clock.h"
#include "media/internal.h"

enum { TOLERANCE_MS = LEG_TOLERANCE_MS };

static bool is_heard(const struct media_line *l)
{
	return l->our_leg && l->legs[l->our_leg].ours && !l->dialect->put_silence;
}

static bool begin(struct media_line *l, int64_t now_us)
{
	struct fault f = { 0 };

	if (is_heard(l))
		return true;
	if (!l->our_leg || !line_bytes_of(l, PLAY_FRAME_MS))
		return false;
	inbox_hear(l->home);
	if (line_open_leg(l, l->our_leg, NULL, clock_now_us(), &f))
		return false; /* as the other one will be: that refuses the stream */
	l->clock_us = now_us + PLAY_FRAME_MS * MS_US;
	line_pace(l);
	return true;
}

/* Bytes of time since the last tick. */
static size_t since_tick(const struct media_line *l, int64_t now_us)
{
	int64_t ms = PLAY_FRAME_MS - (l->clock_us - now_us) / MS_US;

	return line_bytes_of(l, ms < 0 ? 0 : ms > PLAY_FRAME_MS ? PLAY_FRAME_MS : (unsigned)ms);
}

static void add_silence(struct media_line *l, size_t n)
{
	buf_reserve(&l->play, n);
	memset(l->play.p + l->play.n, l->legs[l->our_leg].codec->silence, n);
	l->play.n += n;
}

void ours_sent(struct media_line *l, struct span payload, size_t silence_bytes)
{
	int64_t now_us = clock_monotonic_us();

	if (!payload.n || !begin(l, now_us))
		return;
	line_clock(l, now_us);
	size_t begun = since_tick(l, now_us);
	if (!line_play_left(l) && l->ours_waits < begun)
		l->ours_waits = begun;
	if (l->legs[0].codec->bits_per_sample == 16)
		payload.n &= ~(size_t)1; /* what is behind it would begin within a sample */
	line_play_add(l, payload);
	if (silence_bytes)
		add_silence(l, silence_bytes);
}

int64_t ours_end(const struct media_line *l)
{
	return l->ours_heard + (int64_t)line_play_left(l);
}

static void pass_over(struct media_line *l, size_t n)
{
	size_t left = line_play_left(l), some = n < left ? n : left;

	l->play_at += some;
	l->ours_heard += (int64_t)some;
}

void ours_marked(struct media_line *l, int64_t at)
{
	int64_t now_us = clock_monotonic_us();
	int64_t tolerated = (int64_t)line_bytes_of(l, TOLERANCE_MS);

	if (!is_heard(l))
		return;
	line_clock(l, now_us);
	int64_t due = l->ours_heard - at + (int64_t)since_tick(l, now_us);
	int64_t off = due - (int64_t)l->ours_waits;
	if (off >= -tolerated && off <= tolerated)
		return;
	l->ours_waits = due > 0 ? (size_t)due : 0;
	if (due < 0)
		pass_over(l, (size_t)-due);
}

void ours_cleared(struct media_line *l)
{
	if (!is_heard(l))
		return;
	line_clock(l, clock_monotonic_us());
	line_play_drop(l);
	l->ours_waits = 0;
}

void ours_over(struct media_line *l)
{
	line_unpace(l);
	line_play_drop(l);
	l->our_leg = 0;
}

/* What is taken has its place behind what it waits for. */
void ours_tick(struct media_line *l, int64_t at_us)
{
	size_t n = line_bytes_of(l, PLAY_FRAME_MS), left = line_play_left(l);
	size_t quiet = l->ours_waits < n ? l->ours_waits : n;
	size_t some = left < n - quiet ? left : n - quiet;

	buf_clear(&l->out);
	buf_reserve(&l->out, n);
	memset(l->out.p, l->legs[l->our_leg].codec->silence, n);
	if (some)
		memcpy(l->out.p + quiet, l->play.p + l->play_at, some);
	l->out.n = n;
	l->ours_waits -= quiet;
	pass_over(l, some);
	if (some == left)
		line_play_drop(l);
	line_hear_ours(l, buf_span(&l->out), at_us);
}
