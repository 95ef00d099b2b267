/* RingCX audio streaming v1beta2 (ringcx.proto): messages of one gRPC stream.
 *
 *   DialogInit  (SegmentStart  (SegmentMedia | SegmentInfo)*  SegmentStop)*  end
 *
 * A segment is a participant for as long as they are in the dialog; segments come and go,
 * interleaved, and each has a leg while it lasts. `seq` may come again and is no number of a frame.
 * Media pauses on hold. Tolerated: unknown fields and values, media of a segment whose start was
 * lost, media and news behind a segment's stop, an audio_format that is not set (PCMU, 8000 Hz).
 *
 * Messages are unpacked into the arena. A message that cannot be is walked once more, to say where
 * it is wrong.
 *
 * Source: RingCentral's engage-voice-api-docs (docs/workforce/call-streaming), 2026-06; a public
 * guide to RingCX gRPC by a RingCentral engineer, 2025-06. The words of SegmentInfo are not
 * published. */
#include "base/crypto.h"
#include "dialect/media_dialects.h"
#include "dialect/media_json.h"
#include "dialect/ringcx_parts.h"
#include "ringcx.pb-c.h"

enum { PCMU_HZ = 8000, WORD_MAX = 64 };

enum place_state { PLACE_FREE, PLACE_UNANNOUNCED, PLACE_RUNS, PLACE_OVER };
struct place {
	uint64_t key; /* of the segment's id */
	enum place_state state;
};
struct dialog_state {
	bool begun;
	uint8_t next; /* place to be given, if it is free */
	struct place places[MEDIA_LEGS_MAX];
};
_Static_assert(sizeof(struct dialog_state) <= MEDIA_STATE_BYTES, "fits the connection");

/* --- unpacking --- */

static void *take_memory(void *arena, size_t n)
{
	return arena_alloc(arena, n);
}

static void give_memory(void *arena, void *p)
{
	(void)arena, (void)p; /* with the arena */
}

struct walk {
	const char *begin, *p, *end;
};

/* Tags and lengths may have five bytes, values ten. */
static bool take_varint(struct walk *w, unsigned most, uint64_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < most && w->p < w->end; i++) {
		unsigned char byte = (unsigned char)*w->p++;
		*out |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80)
			return true;
	}
	return false;
}

enum { WIRE_NUMBER, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };

static unsigned wire_of(const ProtobufCFieldDescriptor *field)
{
	bool bytes = field->type == PROTOBUF_C_TYPE_STRING ||
		     field->type == PROTOBUF_C_TYPE_BYTES || field->type == PROTOBUF_C_TYPE_MESSAGE;
	return bytes ? WIRE_BYTES : WIRE_NUMBER;
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *d, uint64_t id)
{
	for (unsigned i = 0; i < d->n_fields; i++)
		if (d->fields[i].id == id)
			return &d->fields[i];
	return NULL;
}

static int cut_off(const struct walk *w, const char *from, struct fault *f)
{
	return fault(f, E_INVALID, "cut off at byte %td", from - w->begin);
}

/* The bytes of a value, passed over. */
static int take_value(struct walk *w, unsigned wire, struct walk *inner, struct fault *f)
{
	const char *from = w->p;
	uint64_t n = wire == WIRE_64 ? 8 : 4;
	if (wire == WIRE_NUMBER)
		return take_varint(w, 10, &n) ? 0 : cut_off(w, from, f);
	if (wire == WIRE_BYTES && !take_varint(w, 5, &n))
		return cut_off(w, from, f);
	if (wire != WIRE_BYTES && wire != WIRE_64 && wire != WIRE_32)
		return fault(f, E_INVALID, "wire type %u at byte %td is not known", wire,
			     from - w->begin);
	if (n > (size_t)(w->end - w->p))
		return fault(f, E_INVALID, "%llu bytes at byte %td, %td are there",
			     (unsigned long long)n, w->p - w->begin, w->end - w->p);
	*inner = (struct walk){ w->begin, w->p, w->p + n };
	w->p += n;
	return 0;
}

/* As deep as the messages are declared. */
static int find_fault(const ProtobufCMessageDescriptor *d, struct walk *w, struct fault *f)
{
	while (w->p < w->end) {
		const char *from = w->p;
		struct walk inner = { 0 };
		uint64_t tag;
		if (!take_varint(w, 5, &tag) || tag >> 3 == 0 || tag >> 32)
			return cut_off(w, from, f);
		const ProtobufCFieldDescriptor *field = field_of(d, tag >> 3);
		unsigned wire = tag & 7;
		if (field && wire != wire_of(field))
			return fault(f, E_INVALID, "%s: wire type %u at byte %td", field->name,
				     wire, from - w->begin);
		int rc = take_value(w, wire, &inner, f);
		if (!rc && field && field->type == PROTOBUF_C_TYPE_MESSAGE)
			rc = find_fault(field->descriptor, &inner, f);
		if (rc)
			return fault_wrap(f, "%s", field ? field->name : "unknown field"), rc;
	}
	return 0;
}

static int unpack(struct span bytes, struct arena *a, Ringcx__StreamEvent **out, struct fault *f)
{
	ProtobufCAllocator in_arena = { take_memory, give_memory, a };
	struct walk w = { bytes.p, bytes.p, bytes.p + bytes.n };
	*out = ringcx__stream_event__unpack(&in_arena, bytes.n, (const uint8_t *)bytes.p);
	if (*out)
		return 0;
	TRY(find_fault(&ringcx__stream_event__descriptor, &w, f));
	return fault(f, E_INVALID, "not a StreamEvent");
}

/* --- segments and their places --- */

static uint64_t key_of(const char *segment_id)
{
	return hash64(span_of(segment_id));
}

/* NULL: unknown, or forgotten. */
static struct place *place_of(struct dialog_state *s, uint64_t key)
{
	for (unsigned i = 0; i < MEDIA_LEGS_MAX; i++)
		if (s->places[i].state != PLACE_FREE && s->places[i].key == key)
			return &s->places[i];
	return NULL;
}

static unsigned leg_of(const struct dialog_state *s, const struct place *p)
{
	return (unsigned)(p - s->places);
}

/* In turn, so that the place of one who left stays known for as long as possible. NULL: all run. */
static struct place *new_place(struct dialog_state *s, uint64_t key, enum place_state state)
{
	for (unsigned i = 0; i < MEDIA_LEGS_MAX; i++) {
		struct place *p = &s->places[(s->next + i) % MEDIA_LEGS_MAX];
		if (p->state == PLACE_UNANNOUNCED || p->state == PLACE_RUNS)
			continue;
		*p = (struct place){ key, state };
		s->next = (uint8_t)((leg_of(s, p) + 1) % MEDIA_LEGS_MAX);
		return p;
	}
	return NULL;
}

static int pass_over(struct media_event *out)
{
	out->kind = MEDIA_PASSED;
	out->text = SPAN("more than 8 participants at once");
	return 0;
}

static int check_id(const char *id, const char *what, struct fault *f)
{
	return media_json_bounded(span_of(id), what, f);
}

/* --- the dialog --- */

static struct json attributes_of(const Ringcx__Dialog *d, struct arena *a)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	json_begin(&o, NULL);
	for (size_t i = 0; i < d->n_attributes; i++)
		json_put_text(&o, d->attributes[i]->key, span_of(d->attributes[i]->value));
	json_end(&o);
	return (struct json){ JSON_OBJECT, arena_copy(a, buf_span(&b)) };
}

static void names_of(const Ringcx__Dialog *d, struct ringcx_names *out)
{
	for (size_t i = 0; i < d->n_attributes; i++)
		ringcx_take_name(out, span_of(d->attributes[i]->key),
				 span_of(d->attributes[i]->value));
}

static struct span direction_of(int32_t type)
{
	return type == 1 ? SPAN("inbound") : type == 2 ? SPAN("outbound") : (struct span){ 0 };
}

/* A phone number or an id of somebody is told for reading: one that is too long is not. */
static struct span short_text(const char *z)
{
	struct span s = span_of(z);
	return s.n <= MEDIA_ID_MAX ? s : (struct span){ 0 };
}

static void fill_call(const Ringcx__DialogInit *m, struct ringcx_call *out)
{
	const Ringcx__Account *account = m->account;
	const Ringcx__Dialog *d = m->dialog;
	*out = (struct ringcx_call){ .id = span_of(d->id),
				     .from = short_text(d->ani),
				     .to = short_text(d->dnis),
				     .direction = direction_of(d->type),
				     .language = short_text(d->language) };
	if (!account)
		return;
	out->account = short_text(account->id);
	out->sub_account = short_text(account->sub_account_id);
	out->rc_account = short_text(account->rc_account_id);
}

static int on_init(struct dialog_state *s, const Ringcx__StreamEvent *e, struct arena *a,
		   struct media_event *out, struct fault *f)
{
	const Ringcx__DialogInit *m = e->dialog_init;
	struct media_start *start = arena_alloc(a, sizeof(*start));
	struct ringcx_names names = { 0 };
	struct ringcx_call call;
	if (s->begun)
		return fault(f, E_INVALID, "dialog_init: a second one");
	if (!m->dialog || !*m->dialog->id)
		return fault(f, E_INVALID, "dialog_init.dialog.id: is missing");
	TRY(check_id(e->session_id, "session_id", f));
	fill_call(m, &call);
	names_of(m->dialog, &names);
	call.session_id = span_of(e->session_id);
	TRY(ringcx_describe(&call, &names, a, start, f));
	start->stream_id = call.session_id;
	start->channels = 1;
	start->channels_known = true;
	start->custom = attributes_of(m->dialog, a);
	s->begun = true;
	out->kind = MEDIA_START;
	out->start = start;
	return 0;
}

/* --- participants --- */

static enum speaker speaker_of(const Ringcx__Participant *p)
{
	static const enum speaker speakers[] = {
		[1] = SPEAKER_USER, /* contact */
		[2] = SPEAKER_AI,   /* agent */
		[5] = SPEAKER_AI,   /* bot */
	};
	bool known = p && p->type > 0 && p->type < (int)(sizeof(speakers) / sizeof(speakers[0]));
	return known ? speakers[p->type] : SPEAKER_NONE;
}

/* Today it is always PCMU, whatever a workflow asks for. */
static void fill_format(const Ringcx__AudioFormat *f, struct media_joined *out)
{
	static const struct {
		const char *name;
		uint32_t usual_hz;
	} codecs[] = {
		{ "pcmu", PCMU_HZ }, /* not set */
		{ "opus", 0 },	     { "pcma", PCMU_HZ }, { "pcmu", PCMU_HZ },
		{ "l16", PCMU_HZ },  { "flac", 0 }, /* nobody here knows it */
	};
	bool known = !f || (f->codec >= 0 && f->codec < (int)(sizeof(codecs) / sizeof(codecs[0])));
	int i = f && known ? f->codec : 0;
	out->encoding = span_of(known ? codecs[i].name : "unknown to RingCX's documents");
	out->rate_hz = f && f->rate ? f->rate : codecs[i].usual_hz;
}

static int on_segment(struct dialog_state *s, const Ringcx__StreamEvent *e, struct arena *a,
		      struct media_event *out, struct fault *f)
{
	const Ringcx__SegmentStart *m = e->segment_start;
	struct media_joined *joined = arena_alloc(a, sizeof(*joined));
	uint64_t key = key_of(m->segment_id);
	struct place *p = place_of(s, key);
	if (p && p->state == PLACE_RUNS)
		return 0; /* told twice */
	if (m->audio_format && m->audio_format->rate > 192000)
		return fault(f, E_INVALID, "segment_start.audio_format.rate: %u Hz",
			     m->audio_format->rate);
	p = p && p->state == PLACE_UNANNOUNCED ? p : new_place(s, key, PLACE_RUNS);
	if (!p)
		return pass_over(out);
	p->state = PLACE_RUNS;
	joined->leg.speaker = speaker_of(m->participant);
	if (m->participant) {
		joined->leg.label = short_text(m->participant->id);
		joined->who = short_text(m->participant->name);
	}
	fill_format(m->audio_format, joined);
	out->kind = MEDIA_LEG_START;
	out->leg = leg_of(s, p);
	out->joined = joined;
	return 0;
}

/* Somebody whose start was lost. */
static const struct media_joined nobody = { .encoding = { "pcmu", 4 }, .rate_hz = PCMU_HZ };

static int on_media(struct dialog_state *s, const Ringcx__StreamEvent *e, struct arena *a,
		    struct media_event *out, struct fault *f)
{
	const Ringcx__SegmentMedia *m = e->segment_media;
	uint64_t key = key_of(m->segment_id);
	struct place *p = place_of(s, key);
	(void)a, (void)f;
	if (!m->audio_content || !m->audio_content->payload.len || (p && p->state == PLACE_OVER))
		return 0;
	if (!p) {
		p = new_place(s, key, PLACE_UNANNOUNCED);
		out->joined = &nobody;
	}
	if (!p) {
		out->joined = NULL;
		return pass_over(out);
	}
	out->kind = MEDIA_AUDIO;
	out->leg = leg_of(s, p);
	out->payload = (struct span){ (const char *)m->audio_content->payload.data,
				      m->audio_content->payload.len };
	out->sequence = m->audio_content->seq;
	out->duration_ms = m->audio_content->duration;
	return 0;
}

/* --- hold --- */

static const struct {
	const char *word;
	bool held;
} words[] = {
	{ "hold", true },	 { "onhold", true },  { "held", true },	    { "holdstart", true },
	{ "holdstarted", true }, { "pause", true },   { "paused", true },   { "unhold", false },
	{ "offhold", false },	 { "unheld", false }, { "holdend", false }, { "holdended", false },
	{ "holdstop", false },	 { "resume", false }, { "resumed", false }, { "retrieve", false },
	{ "retrieved", false },
};

static bool find_word(struct span said, bool *held)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!ringcx_is_name(said, words[i].word))
			continue;
		*held = words[i].held;
		return true;
	}
	return false;
}

static int on_info(struct dialog_state *s, const Ringcx__StreamEvent *e, struct arena *a,
		   struct media_event *out, struct fault *f)
{
	const Ringcx__SegmentInfo *m = e->segment_info;
	const struct place *p = place_of(s, key_of(m->segment_id));
	struct span said = span_of(m->event), data = span_of(m->data);
	(void)f;
	if (!find_word(said, &out->on) && !find_word(data, &out->on)) {
		out->text =
			span_of(arena_printf(a, "segment_info \"%.*s\" \"%.*s\"",
					     said.n < WORD_MAX ? (int)said.n : WORD_MAX, said.p,
					     data.n < WORD_MAX ? (int)data.n : WORD_MAX, data.p));
		return 0;
	}
	if (!p || p->state == PLACE_OVER)
		return 0;
	out->kind = MEDIA_LEG_HELD;
	out->leg = leg_of(s, p);
	return 0;
}

static int on_stop(struct dialog_state *s, const Ringcx__StreamEvent *e, struct arena *a,
		   struct media_event *out, struct fault *f)
{
	struct place *p = place_of(s, key_of(e->segment_stop->segment_id));
	(void)a, (void)f;
	if (!p || p->state == PLACE_OVER)
		return 0;
	p->state = PLACE_OVER;
	out->kind = MEDIA_LEG_STOP;
	out->leg = leg_of(s, p);
	return 0;
}

/* --- messages --- */

static int (*const on_event[])(struct dialog_state *, const Ringcx__StreamEvent *, struct arena *,
			       struct media_event *, struct fault *) = {
	[RINGCX__STREAM_EVENT__EVENT_DIALOG_INIT] = on_init,
	[RINGCX__STREAM_EVENT__EVENT_SEGMENT_START] = on_segment,
	[RINGCX__STREAM_EVENT__EVENT_SEGMENT_MEDIA] = on_media,
	[RINGCX__STREAM_EVENT__EVENT_SEGMENT_INFO] = on_info,
	[RINGCX__STREAM_EVENT__EVENT_SEGMENT_STOP] = on_stop,
};

static int read_binary(void *state, struct span bytes, struct arena *a, struct media_event *out,
		       struct fault *f)
{
	struct dialog_state *s = state;
	Ringcx__StreamEvent *e;
	*out = (struct media_event){ .chunk = -1, .sequence = -1, .at_ms = -1 };
	TRY(unpack(bytes, a, &e, f));
	if (e->event_case == RINGCX__STREAM_EVENT__EVENT__NOT_SET)
		return 0; /* one that is newer than we are */
	if (!s->begun && e->event_case != RINGCX__STREAM_EVENT__EVENT_DIALOG_INIT)
		return fault(f, E_INVALID, "the message comes before dialog_init");
	return on_event[e->event_case](s, e, a, out, f);
}

const struct media_dialect ringcx_grpc_media = {
	.name = "ringcx-grpc",
	.title = "RingCX audio streaming (gRPC)",
	.auth = MEDIA_AUTH_SOURCE,
	.message_max = 64 * 1024,
	.ends_by_close = true,
	.pauses = true,
	.tells_calls = true,
	.grpc_path = "/ringcentral.ringcx.streaming.v1beta2.Streaming/Stream",
	.sources = "ringcx",
	.binary = read_binary,
};
