/* RingCX call streaming over WebSocket ("AgentSession" 1.0.0), which older accounts may still have:
 * text frames of JSON, a socket for each session of an agent, two perspectives of it.
 *
 *   Connected?  Start  Media*  Stop (one a perspective)  close
 *
 * "Participant" is the agent, "Conference" the caller and whoever else is in the call, mixed. What
 * was seen differs from page to page: names in either case, numbers as texts, contentType or
 * audioContentType; a call may Stop without a Start, and a Stop need not say of whom. Nobody says
 * that no Media overtakes its Start: some may come before, and are passed over. sequenceId
 * counts something, which nobody documents: it is no number of a frame. Audio is held to pause like
 * that of the newer protocol.
 *
 * Source: RingCentral's engage-voice-api-docs, history of docs/workforce/call-streaming (2022-02,
 * 2026-04; profiles: "Queue(inbound calls)/Campaign(outbound calls)"); npm
 * ev-audio-streaming-transcription. */
#include "dialect/media_dialects.h"
#include "dialect/media_frame.h"
#include "dialect/media_json.h"
#include "dialect/ringcx_parts.h"

enum { CONFERENCE, PARTICIPANT, PERSPECTIVES };
enum { EARLY_MAX = 500 }; /* five seconds of two perspectives */
static const struct media_leg legs[PERSPECTIVES] = {
	[CONFERENCE] = { SPEAKER_USER, { "conference", 10 } },
	[PARTICIPANT] = { SPEAKER_AI, { "participant", 11 } },
};

struct session_state {
	bool started, stopped;
	bool left[PERSPECTIVES];
	uint8_t stops;
	uint16_t early; /* frames before Start */
};
_Static_assert(sizeof(struct session_state) <= MEDIA_STATE_BYTES, "fits the connection");

static struct media_event nothing(void)
{
	return (struct media_event){ .chunk = -1, .sequence = -1, .at_ms = -1 };
}

/* PERSPECTIVES: neither. */
static unsigned perspective_of(struct span name)
{
	unsigned i = 0;
	while (i < PERSPECTIVES && !ringcx_is_name(name, legs[i].label.p))
		i++;
	return i;
}

/* --- start --- */

#define START(F, T)                                                      \
	F(T, RAW, call, "metadata.callId", OPTIONAL)                     \
	F(T, RAW, session, "metadata.sessionId", OPTIONAL)               \
	F(T, RAW, ani, "metadata.ani", OPTIONAL)                         \
	F(T, RAW, dnis, "metadata.dnis", OPTIONAL)                       \
	F(T, RAW, account, "metadata.accountId", OPTIONAL)               \
	F(T, RAW, sub, "metadata.subaccountId", OPTIONAL)                \
	F(T, RAW, sub_else, "metadata.subAccountId", OPTIONAL)           \
	F(T, RAW, rc, "metadata.rcAccountId", OPTIONAL)                  \
	F(T, RAW, agent, "metadata.agentId", OPTIONAL)                   \
	F(T, RAW, product, "metadata.productId", OPTIONAL)               \
	F(T, RAW, product_type, "metadata.productType", OPTIONAL)        \
	F(T, TEXT, encoding, "metadata.contentType", OPTIONAL)           \
	F(T, TEXT, encoding_else, "metadata.audioContentType", OPTIONAL) \
	F(T, I64, rate, "metadata.sampleRateHertz", OPTIONAL)
JSON_STRUCT(start_json, START)
JSON_FIELDS(start_json, START)

/* Text or number. What is neither, or too long, is not told. */
static struct span name_of(struct json v, struct arena *a)
{
	struct span text = v.kind == JSON_NUMBER ? v.raw : json_text(v, a);
	return text.n <= MEDIA_ID_MAX ? text : (struct span){ 0 };
}

/* No member says who called whom. But the documents call queues inbound calls, campaigns outbound
 * calls, and what agents dial themselves "manual outbound". */
static struct span direction_of(struct span product_type)
{
	static const struct {
		const char *product, *direction;
	} known[] = {
		{ "queue", "inbound" },
		{ "campaign", "outbound" },
		{ "manual", "outbound" },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (ringcx_is_name(product_type, known[i].product))
			return span_of(known[i].direction);
	return (struct span){ 0 };
}

/* One call may have several sessions, each a stream of its own. */
static struct span stream_of(struct span call, struct span session, struct arena *a)
{
	if (!call.n || !session.n)
		return call;
	struct span id = span_of(arena_printf(a, "%.*s-%.*s", SPAN_ARG(call), SPAN_ARG(session)));
	return id.n <= MEDIA_ID_MAX ? id : (struct span){ id.p, MEDIA_ID_MAX };
}

static int check_format(const struct start_json *j, struct fault *f)
{
	if (j->rate < 0 || j->rate > 192000)
		return fault(f, E_INVALID, "metadata.sampleRateHertz: %lld Hz", (long long)j->rate);
	TRY(media_json_bounded(j->encoding, "metadata.contentType", f));
	return media_json_bounded(j->encoding_else, "metadata.audioContentType", f);
}

/* The customer's own names may stand beside the platform's. */
static void take_names(struct json metadata, struct arena *a, struct ringcx_names *out)
{
	struct json_iter it = json_iter(metadata);
	struct span key;
	struct json v;
	while (json_next(&it, &key, &v))
		ringcx_take_name(out, key, name_of(v, a));
}

static void describe(const struct start_json *j, struct json message, struct media_start *start)
{
	struct span encoding = j->encoding.n ? j->encoding : j->encoding_else;
	start->encoding = encoding.n ? encoding : SPAN("pcmu");
	start->rate_hz = j->rate ? (uint32_t)j->rate : encoding.n ? 0 : 8000;
	start->channels = 1;
	start->channels_known = true;
	start->legs_n = PERSPECTIVES;
	memcpy(start->legs, legs, sizeof(legs));
	start->custom = json_get(message, "metadata");
	if (start->custom.kind != JSON_OBJECT)
		start->custom = (struct json){ 0 };
}

static int read_start(struct session_state *s, struct json message, struct arena *a,
		      struct media_event *out, struct fault *f)
{
	struct start_json j = { 0 };
	struct ringcx_names names = { 0 };
	struct media_start *start = arena_alloc(a, sizeof(*start));
	if (s->started)
		return 0; /* perhaps one a perspective, as it is with Stop */
	TRY(JSON_READ(start_json, message, a, &j, f));
	TRY(check_format(&j, f));
	const struct ringcx_call call = {
		.id = j.call.kind == JSON_NUMBER ? j.call.raw : json_text(j.call, a),
		.session_id = name_of(j.session, a),
		.from = name_of(j.ani, a),
		.to = name_of(j.dnis, a),
		.direction = direction_of(name_of(j.product_type, a)),
		.account = name_of(j.account, a),
		.sub_account = name_of(json_has(j.sub) ? j.sub : j.sub_else, a),
		.rc_account = name_of(j.rc, a),
		.agent = name_of(j.agent, a),
		.product = name_of(j.product, a),
	};
	take_names(json_get(message, "metadata"), a, &names);
	TRY(ringcx_describe(&call, &names, a, start, f));
	describe(&j, message, start);
	start->stream_id = stream_of(call.id, call.session_id, a);
	s->started = true;
	out->kind = MEDIA_START;
	out->start = start;
	return 0;
}

/* --- everything behind it --- */

static int pass_over(struct session_state *s, struct media_event *out, struct fault *f)
{
	if (s->early == EARLY_MAX)
		return fault(f, E_INVALID, "more than %d frames before Start", EARLY_MAX);
	s->early++;
	out->kind = MEDIA_PASSED;
	out->text = SPAN("audio before Start");
	return 0;
}

static int take_frame(struct session_state *s, const struct media_frame *m, struct media_event *out,
		      struct fault *f)
{
	unsigned leg = m->track.n ? perspective_of(m->track) : CONFERENCE;
	if (s->stopped)
		return 0;
	if (!s->started)
		return pass_over(s, out, f);
	if (leg == PERSPECTIVES)
		return fault(f, E_INVALID, "perspective: neither Participant nor Conference");
	if (s->left[leg])
		return 0;
	out->kind = MEDIA_AUDIO;
	out->leg = leg;
	out->base64 = true;
	out->payload = m->payload;
	out->sequence = m->sequence;
	return 0;
}

/* The second one ends the stream; so does the close, when there is but one. */
static int read_stop(struct session_state *s, struct json message, struct arena *a,
		     struct media_event *out)
{
	struct json said = json_get(message, "perspective");
	if (said.kind != JSON_STRING)
		said = json_path(message, "metadata.perspective");
	unsigned leg = perspective_of(json_text(said, a));
	if (!s->started || s->stopped)
		return 0;
	if (++s->stops == PERSPECTIVES) {
		s->stopped = true;
		out->kind = MEDIA_STOP;
	} else if (leg < PERSPECTIVES) {
		s->left[leg] = true;
		out->kind = MEDIA_LEG_STOP;
		out->leg = leg;
	}
	return 0;
}

static int read_text(void *state, struct span text, struct arena *a, struct media_event *out,
		     struct fault *f)
{
	struct session_state *s = state;
	struct media_frame frame;
	struct json message;
	struct span event;
	*out = nothing();
	if (ringcx_frame_scan(text, &frame))
		return take_frame(s, &frame, out, f);
	TRY(media_json(text, "event", a, &message, &event, f));
	if (ringcx_is_name(event, "start"))
		return read_start(s, message, a, out, f);
	if (ringcx_is_name(event, "stop"))
		return read_stop(s, message, a, out);
	if (!ringcx_is_name(event, "media"))
		return 0;
	TRY(ringcx_frame_read(message, a, &frame, f));
	return take_frame(s, &frame, out, f);
}

const struct media_dialect ringcx_media = {
	.name = "ringcx",
	.title = "RingCX call streaming (WebSocket)",
	.auth = MEDIA_AUTH_SOURCE,
	.message_max = 64 * 1024,
	.ends_by_close = true,
	.pauses = true,
	.tells_calls = true,
	.text = read_text,
};
