/* What goes out over a line, and how much of it was heard.
 *
 * Audio is cut into messages of the size the protocol takes; where it must never pause (Vapi's
 * transport) it waits in a queue, and a clock of 20 ms sends what is there or silence; as what this
 * side of the call says it is heard like what comes in, on a leg of its own. Elsewhere it goes out
 * at once, and waits at the other side: ours.c. A mark
 * behind audio comes back when that has been played: everything in front of it was heard. After a
 * clear the marks that were pending come back, or are done with, as cleared: up to the last mark
 * that came by itself was surely heard.
 *
 * Failure modes: the socket takes no more, or the queue is full - E_FULL, nothing is sent: half of
 * it would be heard again when it is tried again; more than MARKS_MAX marks pending - likewise. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "media/internal.h"

enum { BEHIND_MAX = 10, G722_BYTES_PER_MS = 8 };

static struct message *message_of(const struct media_out *out)
{
	struct span bytes = buf_span(out->b);

	return out->binary ? message_new_binary(bytes) : message_new(bytes);
}

static int send_message(struct media_line *l, const struct media_out *out)
{
	struct span bytes = buf_span(out->b);

	if (!bytes.n)
		return 0;
	if (l->client)
		return out->binary ? ws_client_send_binary(l->client, bytes)
				   : ws_client_send(l->client, bytes);
	if (!l->ws)
		return E_CLOSED;
	struct message *m = message_of(out);
	int rc = ws_send(l->ws, m);
	message_unref(m);
	return rc;
}

int line_send(struct media_line *l, const struct media_out *out)
{
	return l->closing ? E_CLOSED : send_message(l, out);
}

/* --- sizes --- */

/* Also before its first leg is there. */
static uint32_t rate_of(const struct media_line *l)
{
	const struct line_leg *g = &l->legs[0];
	uint32_t rate = g->announced_hz ? g->announced_hz : g->codec->rate_hz;

	return rate ? rate : 8000;
}

/* Which may be cut between any two bytes, though they are no samples. */
static bool is_g722(const struct codec *codec)
{
	return span_is(span_of(codec->name), "g722");
}

/* Of bytes of the stream's codec; packets of opus count as what one message holds. */
static int64_t ms_of(const struct media_line *l, size_t bytes)
{
	const struct codec *codec = l->legs[0].codec;
	unsigned width = codec->bits_per_sample / 8;

	if (!bytes)
		return 0;
	if (width)
		return (int64_t)(bytes * 1000 / (width * rate_of(l)));
	return is_g722(codec) ? (int64_t)(bytes / G722_BYTES_PER_MS) : PLAY_FRAME_MS;
}

size_t line_bytes_of(const struct media_line *l, unsigned ms)
{
	const struct codec *codec = l->legs[0].codec;

	if (!codec) /* before its start */
		return 0;
	if (is_g722(codec))
		return (size_t)ms * G722_BYTES_PER_MS;
	return (size_t)ms * rate_of(l) / 1000 * (codec->bits_per_sample / 8);
}

static size_t piece_bytes(const struct media_line *l)
{
	const struct media_dialect *d = l->dialect;
	size_t most = d->send_bytes_max ? d->send_bytes_max : SIZE_MAX;
	size_t by_time = d->send_ms_max ? line_bytes_of(l, d->send_ms_max) : 0;

	return by_time && by_time < most ? by_time : most;
}

/* The last piece is filled up where the protocol wants whole ones. */
static size_t padding(const struct media_line *l, size_t n)
{
	const struct media_dialect *d = l->dialect;
	size_t least = d->send_ms_min ? line_bytes_of(l, d->send_ms_min) : d->send_bytes_min;
	size_t whole = n < least ? least : n;

	if (d->send_bytes_step)
		whole = (whole + d->send_bytes_step - 1) / d->send_bytes_step * d->send_bytes_step;
	return whole - n;
}

/* Of so many bytes, as much as goes last. */
static size_t last_piece(const struct media_line *l, size_t n)
{
	return n ? (n - 1) % piece_bytes(l) + 1 : 0;
}

/* --- sending --- */

static void put_piece(struct media_line *l, struct span piece, struct media_out *out)
{
	size_t pad = padding(l, piece.n);
	struct buf *whole = &l->home->joined;

	if (pad) {
		buf_clear(whole);
		buf_add(whole, piece);
		buf_reserve(whole, pad);
		memset(whole->p + whole->n, l->legs[0].codec->silence, pad);
		whole->n += pad;
		piece = buf_span(whole);
	}
	buf_clear(out->b);
	l->dialect->put_audio(l->dialect_state, piece, out);
}

static size_t put_all(struct media_line *l, struct span payload, struct span mark,
		      struct message **messages)
{
	struct buf text AUTO_BUF = { 0 }; /* megabytes, maybe: the line's own stays small */
	struct media_out out = { .b = &text };
	size_t most = piece_bytes(l), n = 0;

	while (payload.n) {
		struct span piece = { payload.p, payload.n < most ? payload.n : most };

		put_piece(l, piece, &out);
		messages[n++] = message_of(&out);
		payload = span_from(payload, piece.n);
	}
	if (mark.n) {
		buf_clear(out.b);
		l->dialect->put_mark(l->dialect_state, mark, &out);
		messages[n++] = message_of(&out);
	}
	return n;
}

/* All of it and the mark behind it, or nothing. */
static int send_now(struct media_line *l, struct span payload, struct span mark)
{
	size_t most = payload.n / piece_bytes(l) + 2;
	struct message **messages = calloc(most, sizeof(struct message *));

	CHECK(messages);
	size_t n = put_all(l, payload, mark, messages);
	int rc = l->ws && !l->closing ? ws_send_all(l->ws, messages, n) : E_CLOSED;
	for (size_t i = 0; i < n; i++)
		message_unref(messages[i]);
	free(messages);
	return rc;
}

static void note_mark(struct media_line *l, struct span name)
{
	if (!l->marks)
		l->marks = calloc(MARKS_MAX, sizeof(*l->marks));
	CHECK(l->marks);
	struct line_mark *m = &l->marks[l->marks_n++];

	m->name_n = name.n;
	memcpy(m->name, name.p, name.n);
	m->sent_ms = l->sent_ms;
	m->at = ours_end(l);
	m->cleared = false;
}

/* What has been played goes when it is the larger part. */
void line_play_add(struct media_line *l, struct span payload)
{
	if (l->play_at > l->play.n / 2) {
		l->play.n -= l->play_at;
		memmove(l->play.p, l->play.p + l->play_at, l->play.n);
		l->play_at = 0;
	}
	buf_add(&l->play, payload);
}

void line_play_drop(struct media_line *l)
{
	buf_clear(&l->play);
	l->play_at = 0;
}

int line_play(struct media_line *l, struct span payload, struct span mark, struct fault *f)
{
	const struct media_dialect *d = l->dialect;

	if (!d->put_audio || l->state != LINE_RUNNING || l->detect || l->channels > 1)
		return fault(f, E_INVALID, "%s plays nothing", d->title);
	if (mark.n && (!d->put_mark || mark.n > LINE_NAME_MAX))
		return fault(f, E_INVALID, "%s has no marks, or this one is too long", d->title);
	if (l->marks_n == MARKS_MAX || line_play_left(l) + payload.n > PLAY_WAITS_BYTES)
		return fault(f, E_FULL, "too much is waiting to be played");
	if (d->put_silence) {
		line_play_add(l, payload);
		return 0;
	}
	int rc = send_now(l, payload, mark);
	if (rc)
		return fault(f, rc, "the socket takes no more");
	l->sent_ms += ms_of(l, payload.n);
	ours_sent(l, payload, padding(l, last_piece(l, payload.n)));
	if (mark.n)
		note_mark(l, mark);
	return 0;
}

int line_clear(struct media_line *l, struct fault *f)
{
	struct media_out out = { .b = &l->out };

	if (l->dialect->put_silence) {
		line_play_drop(l);
		return 0;
	}
	if (!l->dialect->put_clear || l->state != LINE_RUNNING)
		return fault(f, E_INVALID, "%s clears nothing", l->dialect->title);
	buf_clear(&l->out);
	l->dialect->put_clear(l->dialect_state, &out);
	int rc = line_send(l, &out);
	if (rc)
		return fault(f, rc, "the socket takes no more");
	for (unsigned i = 0; i < l->marks_n; i++)
		l->marks[i].cleared = true;
	l->sent_ms = l->played_ms;
	ours_cleared(l);
	return 0;
}

/* --- the clock --- */

void line_hear_ours(struct media_line *l, struct span sent, int64_t at_us)
{
	const struct line_audio a = { l->our_leg, -1, -1, at_us };

	if (l->our_leg && l->state == LINE_RUNNING)
		inbox_put(l, &a, sent);
}

/* What could not be sent was not said. */
static void send_frame(struct media_line *l, int64_t at_us)
{
	struct media_out out = { .b = &l->out };
	size_t n = line_bytes_of(l, PLAY_FRAME_MS), left = line_play_left(l);

	if (left && n) {
		struct span piece = { l->play.p + l->play_at, left < n ? left : n };

		put_piece(l, piece, &out);
		l->play_at += piece.n;
	} else {
		line_play_drop(l);
		buf_clear(&l->out);
		l->dialect->put_silence(l->dialect_state, PLAY_FRAME_MS, &out);
	}
	if (line_send(l, &out))
		metric_add_label(METRIC_MEDIA_MESSAGES, "unsent", 1);
	else
		line_hear_ours(l, buf_span(out.b), at_us);
}

/* What we are late with is not sent all at once; the other side has not waited for our clock. */
void line_clock(struct media_line *l, int64_t now_us)
{
	bool sends = l->dialect->put_silence != NULL;
	bool late = sends && now_us - l->clock_us > BEHIND_MAX * PLAY_FRAME_MS * MS_US;

	if (l->closing || !line_is_open(l))
		return;
	if (late)
		l->clock_us = now_us;
	while (l->clock_us <= now_us) {
		(sends ? send_frame : ours_tick)(l, clock_now_us() - (now_us - l->clock_us));
		l->clock_us += PLAY_FRAME_MS * MS_US;
	}
}

/* --- what was heard --- */

static void tell_played(struct media_line *l, const struct line_mark *m, bool cleared,
			int64_t now_us)
{
	struct heard h = {
		.kind = HEARD_PLAYED,
		.at_us = now_us,
		.text = { m->name, m->name_n },
		.ms = cleared ? l->played_ms : m->sent_ms,
		.name = cleared ? SPAN("cleared") : SPAN("played"),
	};

	if (!cleared)
		l->played_ms = m->sent_ms;
	line_tell(l, &h, 1);
}

static void drop_marks(struct media_line *l, unsigned n)
{
	l->marks_n -= n;
	if (l->marks_n)
		memmove(l->marks, l->marks + n, l->marks_n * sizeof(l->marks[0]));
}

/* Marks come back in their order; those in front of one that did were lost on the way. */
void line_marked(struct media_line *l, struct span name, int64_t now_us)
{
	for (unsigned i = 0; i < l->marks_n; i++) {
		if (!span_eq((struct span){ l->marks[i].name, l->marks[i].name_n }, name))
			continue;
		if (!l->marks[i].cleared)
			ours_marked(l, l->marks[i].at);
		for (unsigned k = 0; k <= i; k++)
			tell_played(l, &l->marks[k], l->marks[k].cleared, now_us);
		drop_marks(l, i + 1);
		return;
	}
}

/* Marks behind the clear are of what was said since: they come back by themselves. */
void line_cleared(struct media_line *l, int64_t now_us)
{
	unsigned n = 0;

	while (n < l->marks_n && l->marks[n].cleared)
		tell_played(l, &l->marks[n++], true, now_us);
	drop_marks(l, n);
}
