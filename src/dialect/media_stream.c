/* Happy path: a plain frame of audio is scanned in place; anything else is proven and read by the
 * tables of the platform. */
#include "dialect/media_stream.h"

#include "dialect/media_json.h"

enum { INBOUND, OUTBOUND, TRACKS };
static const struct media_leg track_legs[TRACKS] = {
	[INBOUND] = { SPEAKER_USER, { "inbound", 7 } },
	[OUTBOUND] = { SPEAKER_AI, { "outbound", 8 } },
};

enum { ENCODING_MAX = 32 };

struct media_stream_state {
	const struct media_stream *of;
	bool started, stopped;
	int8_t legs[TRACKS]; /* of the tracks; -1: not announced */
	uint8_t id_n, encoding_n;
	uint32_t rate;
	int64_t first_ms; /* wall clock of the first frame; 0: none yet */
	char id[MEDIA_ID_MAX], encoding[ENCODING_MAX];
};
_Static_assert(sizeof(struct media_stream_state) <= MEDIA_STATE_BYTES, "fits the connection");

void media_stream_open(void *state, const struct media_stream *of)
{
	struct media_stream_state *s = state;
	s->of = of;
}

struct span media_stream_id(const void *state)
{
	const struct media_stream_state *s = state;
	return (struct span){ s->id, s->id_n };
}

struct span media_stream_encoding(const void *state)
{
	const struct media_stream_state *s = state;
	return (struct span){ s->encoding, s->encoding_n };
}

uint32_t media_stream_rate(const void *state)
{
	return ((const struct media_stream_state *)state)->rate;
}

/* --- who speaks --- */

/* "inbound"; some events say "inbound_track". TRACKS: neither. */
static unsigned track_of(struct span name)
{
	static const struct span suffix = { "_track", 6 };
	for (unsigned i = 0; i < TRACKS; i++) {
		struct span label = track_legs[i].label;
		if (span_eq(name, label) ||
		    (span_starts(name, label) && span_eq(span_from(name, label.n), suffix)))
			return i;
	}
	return TRACKS;
}

static void add_leg(struct media_stream_state *s, struct media_start *start, unsigned track)
{
	if (s->legs[track] >= 0)
		return;
	s->legs[track] = (int8_t)start->legs_n;
	start->legs[start->legs_n++] = track_legs[track];
}

/* What we send is heard where the outbound track is; unless the platform has announced to send that
 * itself. */
static void name_ours(const struct media_stream_state *s, struct media_start *start)
{
	bool possible = s->legs[OUTBOUND] >= 0;
	if (possible && start->legs_known)
		return;
	start->our_leg = possible ? (unsigned)s->legs[OUTBOUND] : start->legs_n;
	if (!possible)
		start->legs[start->legs_n++] = track_legs[OUTBOUND];
}

static int read_tracks(struct media_stream_state *s, struct json tracks, struct media_start *start,
		       struct arena *a, struct fault *f)
{
	struct json_iter it = json_iter(tracks);
	struct span key;
	struct json v;
	memset(s->legs, -1, sizeof(s->legs));
	if (json_has(tracks) && tracks.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "start: tracks must be an array");
	while (json_next(&it, &key, &v)) {
		unsigned track = track_of(json_text(v, a));
		if (track == TRACKS)
			return fault(f, E_INVALID,
				     "start: a track is neither inbound nor outbound");
		add_leg(s, start, track);
		start->one_way |= track == OUTBOUND && s->of->plays_to_inbound;
	}
	start->legs_known = start->legs_n > 0 || !s->of->both_tracks;
	if (start->legs_n == 0)
		add_leg(s, start, INBOUND);
	if (!start->legs_known)
		add_leg(s, start, OUTBOUND);
	name_ours(s, start);
	return 0;
}

/* A frame that names no track belongs to the first leg. */
static int find_leg(const struct media_stream_state *s, struct span track, unsigned *leg,
		    struct fault *f)
{
	*leg = 0;
	if (track.n == 0)
		return 0;
	unsigned i = track_of(track);
	if (i == TRACKS)
		return fault(f, E_INVALID, "track: neither inbound nor outbound");
	if (s->legs[i] < 0)
		return fault(f, E_INVALID, "track: start did not announce \"%s\"",
			     track_legs[i].label.p);
	*leg = (unsigned)s->legs[i];
	return 0;
}

/* --- start --- */

static struct span codec_name(const struct media_stream *of, struct span announced)
{
	for (size_t i = 0; i < of->encodings_n; i++)
		if (span_eq(of->encodings[i].announced, announced))
			return of->encodings[i].codec;
	return announced;
}

static int check_bounds(const struct media_stream_start *m, struct fault *f)
{
	TRY(media_json_bounded(m->stream_id, "start: stream id", f));
	TRY(media_json_bounded(m->call, "start: call id", f));
	if (m->encoding.n > ENCODING_MAX)
		return fault(f, E_INVALID, "start: encoding is longer than %d bytes", ENCODING_MAX);
	if (m->rate < 0 || m->rate > 192000)
		return fault(f, E_INVALID, "start: a sample rate of %lld Hz", (long long)m->rate);
	if (m->channels < 0 || m->channels > 1)
		return fault(f, E_INVALID, "start: %lld channels; this protocol has one a track",
			     (long long)m->channels);
	return 0;
}

static void keep(struct media_stream_state *s, const struct media_stream_start *m)
{
	s->started = true;
	s->id_n = (uint8_t)m->stream_id.n;
	s->encoding_n = (uint8_t)m->encoding.n;
	s->rate = (uint32_t)m->rate;
	if (s->id_n)
		memcpy(s->id, m->stream_id.p, s->id_n);
	if (s->encoding_n)
		memcpy(s->encoding, m->encoding.p, s->encoding_n);
}

/* Text or number. Accounts and phone numbers are told for reading: what is neither, or too long, is
 * not told. */
static struct span name_of(struct json v, struct arena *a)
{
	struct span text = v.kind == JSON_NUMBER ? v.raw : json_text(v, a);
	return text.n <= MEDIA_ID_MAX ? text : (struct span){ 0 };
}

static void describe(const struct media_stream *of, const struct media_stream_start *m,
		     struct media_start *start, struct arena *a)
{
	start->stream_id = m->stream_id;
	start->call_id = m->call;
	start->account_id = name_of(m->account, a);
	start->from = name_of(m->from, a);
	start->to = name_of(m->to, a);
	start->encoding = codec_name(of, m->encoding);
	start->rate_hz = (uint32_t)m->rate;
	start->channels = 1;
	start->channels_known = true;
	start->custom = of->custom ? of->custom(m->custom, a) : m->custom;
	if (start->custom.kind != JSON_OBJECT)
		start->custom = (struct json){ 0 };
	start->token = json_text(json_get(start->custom, "callmend_token"), a);
}

static int read_start(struct media_stream_state *s, struct json message, struct arena *a,
		      struct media_event *out, struct fault *f)
{
	const struct media_stream *of = s->of;
	struct media_stream_start m = { .sequence = -1 };
	struct media_start *start = arena_alloc(a, sizeof(*start));
	struct media_stream_state next = *s;
	if (s->started)
		return fault(f, E_INVALID, "a second start");
	TRY(json_read(of->start, of->start_n, message, a, &m, f));
	m.stream_id = m.stream_id.n ? m.stream_id : m.stream_id_above;
	m.call = m.call.n ? m.call : m.call_else;
	TRY(check_bounds(&m, f));
	TRY(read_tracks(&next, m.tracks, start, a, f));
	describe(of, &m, start, a);
	TRY(media_json_bounded(start->token, "callmend_token", f));
	keep(&next, &m);
	*s = next;
	out->start = start;
	out->sequence = m.sequence;
	return 0;
}

/* --- everything behind it --- */

static int check_stream(const struct media_stream_state *s, struct span id, struct fault *f)
{
	if (id.n == 0 || s->id_n == 0 || span_eq(id, media_stream_id(s)))
		return 0;
	return fault(f, E_INVALID, "the message is of another stream than start named");
}

static int64_t position_of(struct media_stream_state *s, int64_t timestamp)
{
	if (!s->of->wall_clock || timestamp < 0)
		return timestamp;
	s->first_ms = s->first_ms ? s->first_ms : timestamp;
	return timestamp < s->first_ms ? -1 : timestamp - s->first_ms;
}

static int take_frame(struct media_stream_state *s, const struct media_frame *m,
		      struct media_event *out, struct fault *f)
{
	if (s->stopped)
		return 0;
	if (!s->started)
		return fault(f, E_INVALID, "audio before start");
	TRY(check_stream(s, m->stream_id, f));
	TRY(find_leg(s, m->track, &out->leg, f));
	out->kind = MEDIA_AUDIO;
	out->base64 = true;
	out->payload = m->payload;
	out->chunk = m->chunk;
	out->sequence = m->sequence;
	out->at_ms = position_of(s, m->timestamp);
	return 0;
}

/* "100002: unsupported: detail" as far as it goes. */
static struct span complaint(const struct media_stream_event *m, struct arena *a)
{
	const struct span parts[] = { name_of(m->code, a), m->title, m->detail };
	struct buf b AUTO_BUF = { 0 };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (b.n && parts[i].n)
			buf_addz(&b, ": ");
		buf_add(&b, parts[i]);
	}
	return arena_copy(a, buf_span(&b));
}

static int read_dtmf(const struct media_stream_event *m, struct arena *a, struct media_event *out,
		     struct fault *f)
{
	static const struct span digits = { "0123456789*#ABCDabcd", 20 };
	out->text = name_of(m->digit, a);
	out->duration_ms = m->duration > 0 ? m->duration : 0;
	bool is_digit = out->text.n == 1 && memchr(digits.p, *out->text.p, digits.n);
	return is_digit ? 0 : fault(f, E_INVALID, "dtmf: not one digit");
}

static int read_mark(const struct media_stream_event *m, struct media_event *out, struct fault *f)
{
	out->text = m->mark;
	if (m->mark.n == 0)
		return fault(f, E_INVALID, "a mark without a name");
	return media_json_bounded(m->mark, "mark", f);
}

static int read_event(struct media_stream_state *s, enum media_kind kind, struct json message,
		      struct arena *a, struct media_event *out, struct fault *f)
{
	struct media_stream_event m = { .sequence = -1 };
	TRY(json_read(s->of->event, s->of->event_n, message, a, &m, f));
	TRY(check_stream(s, m.stream_id, f));
	if (!s->started && kind != MEDIA_ERROR)
		return fault(f, E_INVALID, "the message comes before start");
	out->sequence = m.sequence;
	if (kind == MEDIA_ERROR)
		out->text = complaint(&m, a);
	if (kind == MEDIA_DTMF)
		TRY(read_dtmf(&m, a, out, f));
	if (kind == MEDIA_DTMF)
		TRY(find_leg(s, m.track, &out->leg, f));
	if (kind == MEDIA_MARK)
		TRY(read_mark(&m, out, f));
	s->stopped = kind == MEDIA_STOP;
	return 0;
}

static const struct media_stream_verb twilio_verbs[] = {
	{ { "start", 5 }, MEDIA_START }, { { "stop", 4 }, MEDIA_STOP },
	{ { "dtmf", 4 }, MEDIA_DTMF },	 { { "mark", 4 }, MEDIA_MARK },
	{ { "error", 5 }, MEDIA_ERROR },
};

static enum media_kind kind_of(const struct media_stream *of, struct span event)
{
	const struct media_stream_verb *verbs = of->verbs ? of->verbs : twilio_verbs;
	size_t n = of->verbs ? of->verbs_n : sizeof(twilio_verbs) / sizeof(twilio_verbs[0]);
	for (size_t i = 0; i < n; i++)
		if (span_eq(event, verbs[i].event))
			return verbs[i].kind;
	return MEDIA_NOTHING;
}

static int read_verb(struct media_stream_state *s, struct span event, struct json message,
		     struct arena *a, struct media_event *out, struct fault *f)
{
	enum media_kind kind = kind_of(s->of, event);
	if (kind == MEDIA_NOTHING || (s->stopped && kind != MEDIA_START))
		return 0;
	TRY(kind == MEDIA_START ? read_start(s, message, a, out, f)
				: read_event(s, kind, message, a, out, f));
	out->kind = kind;
	return 0;
}

int media_stream_text(void *state, struct span text, struct arena *a, struct media_event *out,
		      struct fault *f)
{
	struct media_stream_state *s = state;
	struct media_frame frame;
	struct json message;
	struct span event;
	*out = (struct media_event){ .chunk = -1, .sequence = -1, .at_ms = -1 };
	if (media_frame_scan(&s->of->names, text, &frame))
		return take_frame(s, &frame, out, f);
	TRY(media_json(text, "event", a, &message, &event, f));
	if (!span_is(event, "media"))
		return read_verb(s, event, message, a, out, f);
	TRY(media_frame_read(&s->of->names, message, a, &frame, f));
	return take_frame(s, &frame, out, f);
}

/* --- what we send --- */

static struct json_out begin(void *state, const char *event, struct media_out *out)
{
	const struct media_stream_state *s = state;
	struct json_out o = media_json_begin(out);
	json_put_z(&o, "event", event);
	if (s->of->id_outwards)
		json_put_text(&o, s->of->names.stream_id.p, media_stream_id(state));
	return o;
}

void media_stream_put_audio(void *state, struct span payload, struct media_out *out)
{
	struct json_out o = begin(state, "media", out);
	json_begin(&o, "media");
	media_json_put_base64(&o, "payload", payload);
	json_end(&o);
	json_end(&o);
}

void media_stream_put_mark(void *state, struct span name, struct media_out *out)
{
	struct json_out o = begin(state, "mark", out);
	json_begin(&o, "mark");
	json_put_text(&o, "name", name);
	json_end(&o);
	json_end(&o);
}

void media_stream_put_clear(void *state, struct media_out *out)
{
	struct json_out o = begin(state, "clear", out);
	json_end(&o);
}
