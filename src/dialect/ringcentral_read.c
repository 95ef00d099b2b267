/* Happy path: CALL, then the inputs of the type. A known type in an unknown shape is kept raw, as
 * unknown types are. */
#include "base/clock.h"
#include "dialect/ringcentral_parts.h"

static struct input *add(const struct rc_view *v, struct inputs *out, enum input_type type)
{
	struct input *in = inputs_add(out, v->arena, type);
	in->at_us = v->at_us;
	return in;
}

static void add_call(const struct rc_view *v, struct inputs *out)
{
	struct call_facts *f = arena_alloc(v->arena, sizeof(*f));
	f->provider_call_id = v->call_id;
	v->type->facts(v, f);
	add(v, out, INPUT_CALL)->facts = f;
}

static void add_raw(const struct rc_view *v, struct inputs *out)
{
	struct input *in = add(v, out, INPUT_RAW);
	in->name = v->event;
	in->data = v->top;
	in->key = v->uuid.n ? key_end(key_text(key_start("raw"), v->uuid)) : 0;
}

int rc_read(struct span reduced, struct arena *a, struct inputs *out, struct fault *f)
{
	struct rc_view v;
	if (!rc_view(reduced, a, &v))
		return fault(f, E_INVALID, "no RingCentral notification");
	add_call(&v, out);
	if (!v.type->read(&v, out))
		add_raw(&v, out);
	return 0;
}

/* The session itself, or an answer with its time as our session with the platform tells it. */
int rc_read_call(struct span body, struct arena *a, struct inputs *out, struct fault *f)
{
	struct rc_view v;
	TRY(json_check(body, f));
	struct json top = json_of(body);
	if (json_has(json_get(top, "callmend")) && rc_view(body, a, &v)) {
		add_call(&v, out);
		return v.type->read(&v, out) ? 0 : fault(f, E_INVALID, "the answer is no session");
	}
	v = (struct rc_view){ .top = top,
			      .body = top,
			      .call_id = rc_text_at(top, "id", a),
			      .type = rc_type_at(0),
			      .asked = true,
			      .found = true,
			      .arena = a };
	if (!v.call_id.n || json_get(top, "parties").kind != JSON_ARRAY)
		return fault(f, E_INVALID, "the answer is no telephony session (id and parties)");
	add_call(&v, out);
	(void)rc_read_session(&v, out);
	return 0;
}

void rc_put_asked(const struct asked_answer *asked, struct buf *out)
{
	static const char *const events[] = { [ASKED_CALL] = "telephony/sessions",
					      [ASKED_TEXT] = "message-store",
					      [ASKED_KNOWN_TEXT] = "message-store" };
	struct json_out o = { .b = out };
	char date[CLOCK_ISO + 1];
	clock_format(asked->provider_us, date);
	json_begin(&o, NULL);
	json_put_z(&o, "callmend", "resync");
	json_put_z(&o, "source_event", events[asked->what]);
	if (asked->id.n)
		json_put_text(&o, "id", asked->id);
	json_put_z(&o, "date", asked->provider_us ? date : NULL);
	json_put_bool(&o, "found", asked->body.n > 0);
	if (asked->what == ASKED_KNOWN_TEXT)
		json_put_bool(&o, "known", true);
	if (asked->body.n) {
		json_put_raw(&o, "body", asked->body);
	} else {
		json_begin(&o, "body");
		json_put_text(&o, "id", asked->id);
		json_end(&o);
	}
	json_end(&o);
}

/* --- presence: how one extension stands. Only when it has one call is it clear whose news it is;
 * and as its states have no order among those of the session, they count only where no parties are
 * told of. --- */

static struct json only_call(const struct rc_view *v)
{
	struct json calls = json_get(v->body, "activeCalls");
	return json_count(calls) == 1 ? json_first(calls) : (struct json){ 0 };
}

struct span rc_presence_call(const struct rc_view *v)
{
	return rc_text_at(only_call(v), "telephonySessionId", v->arena);
}

void rc_presence_facts(const struct rc_view *v, struct call_facts *f)
{
	struct json call = only_call(v);
	bool out = rc_same(rc_text_at(call, "direction", v->arena), "Outbound");
	f->kind = out ? SPAN("outbound") : SPAN("inbound");
	f->telephony_id = v->call_id;
	f->customer_number = rc_text_at(call, out ? "to" : "from", v->arena);
	f->customer_name = rc_text_at(call, out ? "toName" : "fromName", v->arena);
	f->phone_number = rc_text_at(call, out ? "from" : "to", v->arena);
	f->assistant_id = rc_text_at(v->body, "extensionId", v->arena);
	f->assistant_name = rc_text_at(call, out ? "fromName" : "toName", v->arena);
}

bool rc_read_presence(const struct rc_view *v, struct inputs *out)
{
	static const struct {
		const char *is, *status;
	} states[] = { { "Ringing", "ringing" },
		       { "CallConnected", "in-progress" },
		       { "OnHold", "in-progress" },
		       { "ParkedCall", "in-progress" },
		       { "NoCall", "ended" } };
	struct span is = rc_text_at(only_call(v), "telephonyStatus", v->arena);
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		if (!rc_same(is, states[i].is))
			continue;
		struct input *in = add(v, out, INPUT_STATUS);
		in->name = span_of(states[i].status);
		in->key = key_end(key_number(key_text(key_start("presence"), in->name), v->at_us));
		return true;
	}
	return false;
}

/* --- RingSense --- */

struct span rc_insights_call(const struct rc_view *v)
{
	return rc_text_at(v->body, "sourceSessionId", v->arena);
}

void rc_insights_facts(const struct rc_view *v, struct call_facts *f)
{
	struct span way = rc_text_at(v->body, "callDirection", v->arena);
	f->kind = rc_lower(way, v->arena);
	f->assistant_id = rc_text_at(v->body, "ownerExtensionId", v->arena);
	if (rc_same(rc_text_at(v->body, "domain", v->arena), "pbx"))
		f->telephony_id = v->call_id;
}

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* "NextSteps" -> "next-steps", "AIScore" -> "ai-score"; HighLights is written in two ways. */
static struct span kind_of(struct span name, struct arena *a)
{
	struct buf out AUTO_BUF = { 0 };
	if (rc_same(name, "highlights"))
		return SPAN("highlights");
	for (size_t i = 0; i < name.n; i++) {
		bool begins =
			i && is_upper(name.p[i]) &&
			(!is_upper(name.p[i - 1]) || (i + 1 < name.n && !is_upper(name.p[i + 1])));
		if (begins)
			buf_addc(&out, '-');
		buf_addc(&out, name.p[i]);
	}
	return rc_lower(buf_span(&out), a);
}

static void put_about(const struct rc_view *v, struct json_out *o)
{
	static const char *const members[][2] = { { "domain", "domain" },
						  { "record_id", "sourceRecordId" },
						  { "title", "title" },
						  { "recorded_at", "recordingStartTime" },
						  { "recording_ms", "recordingDurationMs" } };
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		struct json member = json_get(v->body, members[i][1]);
		if (json_has(member))
			json_put_raw(o, members[i][0], member.raw);
	}
}

static struct json insight_of(const struct rc_view *v, struct span kind, struct json value)
{
	struct buf data AUTO_BUF = { 0 };
	struct json_out o = { .b = &data };
	struct json speakers = json_get(v->body, "speakerInfo");
	json_begin(&o, NULL);
	put_about(v, &o);
	if (span_is(kind, "transcript") && json_has(speakers))
		json_put_raw(&o, "speakers", speakers.raw);
	json_put_raw(&o, "value", value.raw);
	json_end(&o);
	return (struct json){ JSON_OBJECT, arena_copy(v->arena, buf_span(&data)) };
}

bool rc_read_insights(const struct rc_view *v, struct inputs *out)
{
	struct json insights = json_get(v->body, "insights"), value;
	struct json_iter it = json_iter(insights);
	struct span name, record = rc_text_at(v->body, "sourceRecordId", v->arena);
	if (insights.kind != JSON_OBJECT)
		return false;
	while (json_next(&it, &name, &value)) {
		if (!json_has(value))
			continue;
		struct input *in = add(v, out, INPUT_INSIGHT);
		in->name = kind_of(name, v->arena);
		in->data = insight_of(v, in->name, value);
		uint64_t key = key_text(key_text(key_start("insight"), record), in->name);
		in->key = key_end(key_text(key, value.raw));
	}
	return true;
}
