/* What comes in over a line.
 *
 * Happy path: the dialect reads a message; START opens the legs; AUDIO goes, per leg and out of
 * base64, into its leg, and what that hears into facts; STOP, or the close, finishes the legs.
 *
 * Failure modes: a message that cannot be read is counted and passed over; after UNREADABLE_MAX of
 * them in a row, and where we are dialled already before START, it ends the line (1008); a kind of
 * message that the protocol does not have (1003); a codec or rate that nobody here knows (4415); no
 * message for silence_ms (4408); audio of a leg that the stream did not announce is passed over and
 * counted. */
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "media/internal.h"

enum {
	UNREADABLE_MAX = 100,
	CLOSE_NORMAL = 1000,
	CLOSE_KIND = 1003,
	CLOSE_POLICY = 1008,
	CLOSE_SILENT = 4408,
	CLOSE_CODEC = 4415,
	PAUSE_PATIENCE = 60,  /* times silence_ms, where audio pauses on hold */
	PIECE_SAMPLES = 4000, /* of a leg's audio at a time: leg_last() holds that at any rate */
};

/* --- refusing --- */

static void close_socket(struct media_line *l, int code, const char *reason)
{
	l->closing = true;
	if (l->ws)
		ws_close(l->ws, code, reason);
	else if (l->client)
		ws_client_disconnect(l->client);
	else if (l->grpc)
		door_finish(l, code, reason);
}

void line_refuse(struct media_line *l, int code, const char *why, const char *reason)
{
	struct buf about AUTO_BUF = { 0 };

	if (l->closing)
		return;
	media_line_about(l, &about);
	log_often(LOG_WARN, "media", l->source->name, "%s: refused: %s", buf_z(&about), reason);
	metric_add_label(METRIC_MEDIA_REFUSED, why, 1);
	snprintf(l->refused, sizeof(l->refused), "%s", reason);
	close_socket(l, code, reason);
}

static void unreadable(struct media_line *l, const struct fault *f)
{
	struct buf about AUTO_BUF = { 0 };

	metric_add_label(METRIC_MEDIA_MESSAGES, "unreadable", 1);
	bool first = l->state == LINE_OPEN && !l->dialect->we_dial; /* else we know who it is */
	if (first || ++l->unreadable >= UNREADABLE_MAX)
		line_refuse(l, CLOSE_POLICY, "unreadable", f->text);
	if (l->closing)
		return;
	media_line_about(l, &about);
	log_often(LOG_WARN, "media", l->source->name, "%s: a message is passed over: %s",
		  buf_z(&about), f->text);
}

/* --- legs --- */

static void attached(struct media_line *l, unsigned i, const struct media_joined *joined,
		     int64_t at_us)
{
	struct heard h = {
		.kind = HEARD_ATTACHED,
		.leg = i,
		.speaker = l->legs[i].speaker,
		.at_us = at_us,
		.name = span_of(l->dialect->name),
		.text = span_of(l->legs[i].codec->name),
		.value = l->legs[i].rate_hz,
		.id = { l->stream, l->stream_n },
		.party = joined ? joined->leg.label : (struct span){ 0 },
		.who = joined ? joined->who : (struct span){ 0 },
		.rank = l->dialect->rank,
	};

	l->legs[i].attached = true;
	line_tell(l, &h, 1);
}

static enum leg_vad vad_of(const struct media_line *l)
{
	return l->project && span_is(l->project->audio.vad, "none") ? LEG_VAD_NONE
								    : LEG_VAD_STANDARD;
}

/* The legs of a call speak in one beat: 20 ms of all of them are read together. */
static void gather(const struct media_line *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->legs_n; i++)
		n += l->legs[i].leg && !l->legs[i].ours;
	if (l->ws)
		ws_gather(l->ws, l->channels == 1 ? n : 1);
}

int line_open_leg(struct media_line *l, unsigned i, const struct media_joined *joined,
		  int64_t now_us, struct fault *f)
{
	struct line_leg *g = &l->legs[i];
	bool ours = i && i == l->our_leg;
	struct leg_config c = {
		.index = i,
		.speaker = l->roles[i].speaker,
		.codec = g->codec,
		.params = { .rate_hz = g->announced_hz },
		.reorder = l->dialect->reorder,
		.scratch = &l->home->scratch,
		.batch = &l->home->batch,
		.vad = vad_of(l),
		.rule = vad_rule_default,
		.ring = l->project && l->project->audio.listen ? l->home->ring_memory : NULL,
		.dtmf = true,
		.pauses = l->dialect->pauses,
		.stamps_waver = l->dialect->stamps_waver,
		.rests = ours,
	};
	struct leg_view view;
	size_t bytes;

	TRY(leg_size(&c, &bytes, f));
	g->leg = pool_take(shard_leg_memory(l->home, bytes));
	int rc = leg_init(g->leg, &c, f);
	if (rc) {
		leg_fini(g->leg);
		pool_give(take(g->leg));
		return rc;
	}
	leg_view(g->leg, &view);
	g->speaker = c.speaker;
	g->rate_hz = view.rate_hz;
	g->ours = ours;
	attached(l, i, joined, now_us);
	gather(l);
	return 0;
}

static int choose_codec(struct media_line *l, struct span encoding, uint32_t rate_hz,
			struct fault *f)
{
	const struct codec *codec = codec_find(encoding);

	if (!codec)
		return fault(f, E_INVALID, "codec \"%.*s\" is not known here", SPAN_ARG(encoding));
	if (l->channels > 1 && !codec->bits_per_sample)
		return fault(f, E_INVALID, "%s cannot carry interleaved channels", codec->name);
	if (!rate_hz)
		rate_hz = codec_rate_named(encoding);
	for (unsigned i = 0; i < MEDIA_LEGS_MAX; i++) {
		l->legs[i].codec = codec;
		l->legs[i].announced_hz = rate_hz;
	}
	return 0;
}

static void begin_sinks(struct media_line *l)
{
	struct media *m = l->home->media;

	l->sinks_begun = true;
	for (unsigned i = 0; i < m->sinks_n; i++) {
		const struct media_sink *s = m->sinks[i].sink;

		l->sinks[i] = s->begin(m->sinks[i].owner, l);
		if (l->sinks[i] && l->has_call && s->bound)
			s->bound(l->sinks[i], l);
	}
}

/* What we send is a leg when there is something of it: at once where it may never pause. */
static bool begins_now(const struct media_line *l, unsigned i)
{
	return l->legs_known && (!i || i != l->our_leg || l->dialect->put_silence);
}

/* The format is known, or each leg's will be. Legs that may or may not come begin with their first
 * frame. */
static int open_legs(struct media_line *l, struct span encoding, uint32_t rate_hz, int64_t now_us,
		     struct fault *f)
{
	if (l->legs_n)
		TRY(choose_codec(l, encoding, rate_hz, f));
	for (unsigned i = 0; i < l->legs_n; i++)
		if (begins_now(l, i))
			TRY(line_open_leg(l, i, NULL, now_us, f));
	begin_sinks(l);
	return 0;
}

/* --- the start --- */

static void keep_stream(struct media_line *l, const struct media_start *s)
{
	l->stream_n = s->stream_id.n < sizeof(l->stream) ? s->stream_id.n : sizeof(l->stream);
	if (l->stream_n)
		memcpy(l->stream, s->stream_id.p, l->stream_n);
	if (!l->stream_n) {
		struct uuid id = uuid_v7();
		char text[UUID_TEXT + 1];

		uuid_format(&id, text);
		l->stream_n = UUID_TEXT;
		memcpy(l->stream, text, UUID_TEXT);
	}
}

static void keep_claim(struct media_line *l, const struct media_start *s)
{
	struct span token = l->token.n ? l->token : s->token;
	struct span call = l->call_id.n ? l->call_id : s->call_id;
	struct buf text = { 0 };

	buf_add(&text, token);
	buf_add(&text, call);
	buf_add(&text, s->own_id);
	buf_add(&text, s->message);
	buf_free(&l->claim_text);
	l->claim_text = text;
	l->token = (struct span){ text.p, token.n };
	l->call_id = (struct span){ text.p ? text.p + token.n : NULL, call.n };
	l->own_id = (struct span){ l->call_id.p ? l->call_id.p + call.n : NULL, s->own_id.n };
	l->message = (struct span){ l->own_id.p ? l->own_id.p + l->own_id.n : NULL, s->message.n };
}

static void keep_legs(struct media_line *l, const struct media_start *s)
{
	l->channels = s->channels ? s->channels : 1;
	l->legs_n = s->legs_n;
	if (l->legs_n > MEDIA_LEGS_MAX)
		l->legs_n = MEDIA_LEGS_MAX;
	l->legs_known = s->legs_known || l->channels > 1;
	l->our_leg = s->our_leg;
	l->one_way = s->one_way;
	for (unsigned i = 0; i < s->legs_n && i < MEDIA_LEGS_MAX; i++)
		l->roles[i] = (struct media_leg){ .speaker = s->legs[i].speaker };
	if (l->channels > 1)
		l->legs_n = l->channels < MEDIA_LEGS_MAX ? l->channels : MEDIA_LEGS_MAX;
}

static void begin_detecting(struct media_line *l, const struct media_start *s)
{
	const struct codec *codec = codec_find(s->encoding);

	l->detect = calloc(1, sizeof(*l->detect));
	CHECK(l->detect);
	l->detect->encoding = span_of(codec ? codec->name : "l16");
	l->detect->rate_hz = s->rate_hz;
	l->detect->channels = s->channels_known ? s->channels : 0;
}

static void audio_in(struct media_line *l, const struct media_event *e, int64_t now_us);

static void on_start(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	const struct media_start *s = e->start;
	struct fault f = { 0 };

	if (l->state != LINE_OPEN) {
		fault(&f, E_INVALID, "a second start");
		unreadable(l, &f);
		return;
	}
	keep_stream(l, s);
	keep_claim(l, s);
	keep_legs(l, s);
	l->state = LINE_RUNNING;
	bool detecting = !s->channels_known || (!s->rate_hz && span_is(s->encoding, "linear16"));
	if (detecting) {
		begin_detecting(l, s);
	} else if (open_legs(l, s->encoding, s->rate_hz, now_us, &f)) {
		line_refuse(l, CLOSE_CODEC, "codec", f.text);
		return;
	}
	if (l->has_call)
		listen_line_begun(l);
	line_claim(l, now_us);
	if (e->payload.n)
		audio_in(l, e, now_us);
}

/* --- audio --- */

static bool is_sunk(const struct media_line *l, bool for_speech)
{
	const struct media *m = l->home->media;
	bool wanted = false;

	for (unsigned k = 0; k < m->sinks_n; k++)
		wanted |= l->sinks[k] && (!for_speech || m->sinks[k].sink->wants_speech);
	return wanted;
}

static void to_sinks(struct media_line *l, unsigned i, struct span payload, struct leg_pcm pcm)
{
	const struct media *m = l->home->media;
	struct leg_view view;

	if (!is_sunk(l, false))
		return;
	leg_view(l->legs[i].leg, &view);
	struct media_frame frame = {
		.leg = i,
		.speaker = l->legs[i].speaker,
		.pcm = pcm,
		.rate_hz = view.rate_hz,
		.start_us = view.start_us,
		.speaking = view.speaking,
		.payload = l->dialect->reorder ? (struct span){ 0 } : payload,
		.codec = l->legs[i].codec,
	};
	for (unsigned k = 0; k < m->sinks_n; k++)
		if (l->sinks[k])
			m->sinks[k].sink->frame(l->sinks[k], &frame);
}

/* Whoever waits to say something about speech comes before what is told now: so facts have the
 * order in which their audio came. */
static void leg_hears(struct media_line *l, unsigned i, struct span payload,
		      const struct line_audio *a)
{
	struct heard facts[LEG_FACTS_MAX];
	struct line_leg *g = &l->legs[i];

	if (g->waits)
		inbox_settle(l->home);
	size_t n = leg_frame(g->leg, payload, a->chunk, a->at_ms, a->arrived_us, facts);
	if (n) {
		inbox_settle(l->home);
		if (g->held)
			line_leg_speaks(l, i, facts, n, a->arrived_us);
		line_tell(l, facts, n);
	}
	if (leg_waits(g->leg))
		inbox_wait(l, i);
	if (is_sunk(l, true))
		inbox_settle(l->home);
	to_sinks(l, i, payload, leg_last(l->legs[i].leg));
}

/* Of a codec whose frames may be cut, so much that sinks get all of it (leg_last). 0: not to be
 * cut. */
static size_t piece_bytes(const struct media_line *l, unsigned i)
{
	return l->dialect->reorder ? 0 : l->legs[i].codec->bits_per_sample * PIECE_SAMPLES / 8;
}

static int64_t duration_us(const struct line_leg *g, size_t bytes)
{
	const struct codec_params p = { .rate_hz = g->announced_hz, .way = CODEC_DECODE };

	return (int64_t)(bytes * 8 / g->codec->bits_per_sample) * SECOND_US /
	       g->codec->out_rate(&p);
}

/* What came with the last piece: the others were there that much earlier. */
static void leg_in(struct media_line *l, unsigned i, struct span payload,
		   const struct line_audio *a)
{
	size_t most = piece_bytes(l, i);
	struct line_audio piece = *a;

	while (most && payload.n > most) {
		piece.arrived_us = a->arrived_us - duration_us(&l->legs[i], payload.n - most);
		leg_hears(l, i, (struct span){ payload.p, most }, &piece);
		payload = span_from(payload, most);
		piece.chunk = piece.at_ms = -1;
	}
	piece.arrived_us = a->arrived_us;
	leg_hears(l, i, payload, &piece);
}

/* What was left of a sample, then these bytes, without what is left of one now. */
static struct span whole_samples(struct media_line *l, struct line_leg *g, struct span bytes,
				 unsigned group)
{
	struct buf *joined = &l->home->joined;
	struct span all = bytes;

	if (g->carry_n) {
		buf_clear(joined);
		buf_add(joined, (struct span){ g->carry, g->carry_n });
		buf_add(joined, bytes);
		all = buf_span(joined);
	}
	unsigned left = (unsigned)(all.n % group);
	all.n -= left;
	memcpy(g->carry, all.p + all.n, left);
	g->carry_n = left;
	return all;
}

static void split(struct media_line *l, struct span bytes, const struct line_audio *a)
{
	unsigned width = l->legs[0].codec->bits_per_sample / 8;
	struct buf *one = &l->home->channel;

	buf_clear(one);
	buf_reserve(one, bytes.n);
	for (unsigned i = 0; i < l->legs_n; i++) {
		size_t n = codecs_deinterleave(bytes, l->channels, i, width, one->p);

		leg_in(l, i, (struct span){ one->p, n }, a);
	}
}

void line_hear(struct media_line *l, const struct line_audio *a, struct span bytes)
{
	unsigned i = l->channels > 1 ? 0 : a->leg;
	struct line_leg *g = &l->legs[i];
	unsigned group = g->codec->bits_per_sample / 8 * l->channels;

	if (bytes.n && group > 1) {
		bytes = whole_samples(l, g, bytes, group);
		if (!bytes.n) /* not whole yet; an empty frame would be one that is lost */
			return;
	}
	if (l->channels > 1)
		split(l, bytes, a);
	else
		leg_in(l, i, bytes, a);
	if (l->feeds)
		listen_feed_line(l);
}

static struct detected detect_now(const struct detect *d, int64_t now_us)
{
	return detect_format((struct span){ d->bytes, d->n & ~(size_t)3 }, d->n - d->base_n,
			     now_us - d->base_us, d->rate_hz, d->channels);
}

/* `more`: of the last message, what was not kept. */
static void detected(struct media_line *l, struct span more, int64_t now_us)
{
	struct detect *d = take(l->detect);
	const struct line_audio a = { .chunk = -1, .at_ms = -1, .arrived_us = now_us };
	struct fault f = { 0 };
	struct detected as = detect_now(d, now_us);

	l->channels = l->legs_n = as.channels;
	l->legs_known = true;
	log_info("media", "%s of source %.*s: %u Hz, %u channel%s, measured", l->dialect->title,
		 SPAN_ARG(l->source->name), (unsigned)as.rate_hz, as.channels,
		 as.channels == 1 ? "" : "s");
	if (as.channels == 1)
		l->roles[0].speaker = SPEAKER_NONE;
	if (open_legs(l, d->encoding, as.rate_hz, now_us, &f)) {
		line_refuse(l, CLOSE_CODEC, "codec", f.text);
	} else {
		inbox_put(l, &a, (struct span){ d->bytes, d->n });
		if (more.n) /* an empty frame would be one that is lost */
			inbox_put(l, &a, more);
	}
	free(d);
}

/* A network or a sender that hiccups delivers late what then comes at once: that evens out. */
static bool is_measured(const struct detect *d, int64_t now_us)
{
	int64_t elapsed_us = now_us - d->first_us;

	if (d->n == sizeof(d->bytes) || elapsed_us >= DETECT_MOST_US)
		return true;
	return elapsed_us >= DETECT_US && detect_is_steady(d, now_us) && detect_now(d, now_us).sure;
}

static void detect_in(struct media_line *l, struct span bytes, int64_t now_us)
{
	struct detect *d = l->detect;
	size_t room = sizeof(d->bytes) - d->n, kept = bytes.n < room ? bytes.n : room;

	memcpy(d->bytes + d->n, bytes.p, kept);
	detect_count(d, kept, now_us);
	if (is_measured(d, now_us))
		detected(l, span_from(bytes, kept), now_us);
}

static bool payload_of(struct media_line *l, const struct media_event *e, struct span *out)
{
	struct buf *b = &l->home->bytes;
	size_t n;

	*out = e->payload;
	if (!e->base64 || !e->payload.n)
		return true;
	buf_clear(b);
	buf_reserve(b, base64_room(e->payload) + 1);
	if (base64_decode(e->payload, (uint8_t *)b->p, &n))
		return false;
	*out = (struct span){ b->p, n };
	return true;
}

/* Its first frame goes on where what we were thought to say ends. */
static void is_theirs(struct media_line *l, unsigned i)
{
	ours_over(l);
	l->legs[i].ours = false;
	gather(l);
}

/* A leg that was not sure to come. */
static bool leg_is_there(struct media_line *l, unsigned i, int64_t now_us)
{
	struct fault f = { 0 };

	if (i >= l->legs_n || l->closing)
		return false;
	if (l->legs[i].ours)
		is_theirs(l, i);
	if (l->legs[i].leg || l->detect)
		return true;
	if (!l->legs[i].codec)
		return false;
	if (i && i == l->our_leg)
		ours_over(l);
	inbox_hear(l->home);
	if (!line_open_leg(l, i, NULL, now_us, &f))
		return true;
	line_refuse(l, CLOSE_CODEC, "codec", f.text);
	return false;
}

static void audio_in(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	const struct line_audio a = { e->leg, e->chunk, e->at_ms, now_us };
	struct fault f = { .text = "the payload is no base64" };
	struct span bytes;

	if (l->state != LINE_RUNNING) {
		fault(&f, E_INVALID, "audio %s",
		      l->state == LINE_OPEN ? "before start" : "after stop");
		unreadable(l, &f);
		return;
	}
	if (!payload_of(l, e, &bytes)) {
		unreadable(l, &f);
		return;
	}
	if (e->joined)
		line_leg_starts(l, e, now_us);
	if (!leg_is_there(l, l->channels > 1 ? 0 : e->leg, now_us)) {
		metric_add_label(METRIC_MEDIA_MESSAGES, "unreadable", 1);
		return;
	}
	if (l->detect)
		detect_in(l, bytes, now_us);
	else
		inbox_put(l, &a, bytes);
}

static void on_audio(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	l->home->audio_n++;
	audio_in(l, e, now_us);
}

/* --- the rest --- */

static void note(const struct media_line *l, bool *done, struct span text)
{
	if (text.n && !*done)
		log_info("media", "%s of source %.*s: %.*s (told once)", l->dialect->title,
			 SPAN_ARG(l->source->name), SPAN_ARG(text));
	*done |= text.n > 0;
}

static void on_other(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	(void)l, (void)e, (void)now_us;
	metric_add_label(METRIC_MEDIA_MESSAGES, "other", 1);
}

static void on_nothing(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	on_other(l, e, now_us);
	note(l, &l->noted, e->text);
}

static void on_passed(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	(void)now_us;
	metric_add_label(METRIC_MEDIA_MESSAGES, "passed", 1);
	note(l, &l->passed_over, e->text);
}

static void on_leg_start(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	on_other(l, e, now_us);
	line_leg_starts(l, e, now_us);
}

static void on_leg_held(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	on_other(l, e, now_us);
	line_leg_held(l, e, now_us);
}

static void on_leg_stop(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	on_other(l, e, now_us);
	line_leg_stops(l, e, now_us);
}

static void on_dtmf(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	struct heard facts[LEG_FACTS_MAX];

	on_other(l, e, now_us);
	if (l->state != LINE_RUNNING || l->detect || !leg_is_there(l, e->leg, now_us))
		return;
	size_t n = leg_digit(l->legs[e->leg].leg, e->text, e->duration_ms, now_us, facts);
	line_tell(l, facts, n);
}

static void on_mark(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	on_other(l, e, now_us);
	line_marked(l, e->text, now_us);
}

static void on_cleared(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	on_other(l, e, now_us);
	line_cleared(l, now_us);
}

static void on_message(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	on_other(l, e, now_us);
	line_say_on(l, e->payload);
}

static void on_error(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	struct buf about AUTO_BUF = { 0 };

	on_other(l, e, now_us);
	media_line_about(l, &about);
	log_often(LOG_WARN, "media", l->source->name, "%s: it says: %.*s", buf_z(&about),
		  SPAN_ARG(e->text));
}

static void on_stop(struct media_line *l, const struct media_event *e, int64_t now_us)
{
	on_other(l, e, now_us);
	line_finish(l, now_us, "stop");
	close_socket(l, CLOSE_NORMAL, "");
}

static void (*const on_kind[])(struct media_line *, const struct media_event *, int64_t) = {
	[MEDIA_NOTHING] = on_nothing,	[MEDIA_START] = on_start,
	[MEDIA_AUDIO] = on_audio,	[MEDIA_DTMF] = on_dtmf,
	[MEDIA_MARK] = on_mark,		[MEDIA_CLEARED] = on_cleared,
	[MEDIA_MESSAGE] = on_message,	[MEDIA_ERROR] = on_error,
	[MEDIA_STOP] = on_stop,		[MEDIA_LEG_START] = on_leg_start,
	[MEDIA_LEG_HELD] = on_leg_held, [MEDIA_LEG_STOP] = on_leg_stop,
	[MEDIA_PASSED] = on_passed,
};

void line_open(struct media_line *l, const struct media_about *about)
{
	if (l->dialect->open)
		l->dialect->open(l->dialect_state, about);
	l->heard_us = clock_now_us();
	l->heard_ms = uv_now(shard_loop(l->home->shard));
}

void line_message(struct media_line *l, struct span message, bool binary)
{
	const struct media_dialect *d = l->dialect;
	struct arena *a = &l->home->arena;
	struct media_event e = { .chunk = -1, .sequence = -1, .at_ms = -1 };
	struct fault f = { 0 };
	int64_t now_us = clock_now_us();

	if (l->closing)
		return;
	__builtin_prefetch(&l->legs[0]);
	__builtin_prefetch(&l->legs[1]);
	l->heard_us = now_us;
	l->heard_ms = uv_now(shard_loop(l->home->shard));
	l->home->bytes_n += (int64_t)message.n;
	if (!(binary ? d->binary : d->text)) {
		line_refuse(l, CLOSE_KIND, "wrong_kind",
			    binary ? "binary where text is due" : "text where binary is due");
		return;
	}
	arena_reset(a);
	if ((binary ? d->binary : d->text)(l->dialect_state, message, a, &e, &f)) {
		unreadable(l, &f);
		return;
	}
	l->unreadable = 0;
	if (e.kind != MEDIA_AUDIO)
		inbox_hear(l->home);
	on_kind[e.kind](l, &e, now_us);
}

/* --- time and end --- */

/* What had been held back for frames that did not come. */
static void held_to_sinks(struct media_line *l, unsigned i)
{
	struct leg_pcm pcm = leg_last(l->legs[i].leg);

	if (!pcm.n)
		return;
	to_sinks(l, i, (struct span){ 0 }, pcm);
	if (l->feeds)
		listen_feed_line(l);
}

bool line_is_silent(const struct media_line *l)
{
	bool pauses = l->dialect->pauses && l->state == LINE_RUNNING;
	uint64_t patience_ms = (uint64_t)l->home->media->config.silence_ms;

	return uv_now(shard_loop(l->home->shard)) - l->heard_ms >
	       patience_ms * (pauses ? PAUSE_PATIENCE : 1);
}

void line_tick(struct media_line *l, int64_t now_us)
{
	struct heard facts[LEG_FACTS_MAX];

	for (unsigned i = 0; l->state == LINE_RUNNING && i < l->legs_n; i++) {
		if (!l->legs[i].leg)
			continue;
		size_t n = leg_tick(l->legs[i].leg, now_us, facts);
		if (n)
			line_tell(l, facts, n);
		held_to_sinks(l, i);
	}
	if (line_is_silent(l))
		line_refuse(l, CLOSE_SILENT, "silent", "no message for too long");
}

void line_detach(struct media_line *l, unsigned i, int64_t now_us, const char *why)
{
	struct heard facts[LEG_FACTS_MAX];
	struct leg_view view;
	size_t n = leg_finish(l->legs[i].leg, now_us, facts);

	held_to_sinks(l, i);
	leg_view(l->legs[i].leg, &view);
	line_tell(l, facts, n);
	struct heard h = {
		.kind = HEARD_DETACHED,
		.leg = i,
		.speaker = l->legs[i].speaker,
		.at_us = now_us,
		.name = span_of(why),
		.ms = view.rate_hz ? view.position * 1000 / view.rate_hz : 0,
	};
	line_tell(l, &h, 1);
}

void line_finish(struct media_line *l, int64_t now_us, const char *why)
{
	const struct media *m = l->home->media;

	if (l->state == LINE_OVER)
		return;
	if (l->detect)
		detected(l, (struct span){ 0 }, now_us);
	inbox_hear(l->home);
	line_unpace(l);
	bool ran = l->state == LINE_RUNNING;
	l->state = LINE_OVER;
	for (unsigned i = 0; ran && i < l->legs_n; i++)
		if (l->legs[i].leg)
			line_detach(l, i, now_us, why);
	if (ran)
		line_end_empty(l, now_us, why);
	l->detached_told = ran;
	for (unsigned k = 0; k < m->sinks_n; k++)
		if (l->sinks[k])
			m->sinks[k].sink->end(take(l->sinks[k]), why);
	listen_line_over(l);
}
