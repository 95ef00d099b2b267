/* What Vapi's users have of their calls: Call objects as GET /call gives them, and webhook bodies.
 *
 * Happy path: a Call object becomes the end-of-call-report it would have been told by; a webhook
 * body stays as it is.
 * Failure modes: no id - refused; a call that has not ended - E_CONFLICT, it comes with a later
 * export; no time anywhere - the fallback. */
#include "base/clock.h"
#include "dialect/formats.h"
#include "dialect/vapi_parts.h"

/* Of a Call object, what stands in the message itself; the rest is the message's call. */
static const char *const of_message[] = {
	"artifact",	      "messages",   "messagesOpenAIFormatted",
	"transcript",	      "summary",    "recordingUrl",
	"stereoRecordingUrl", "durationMs", "durationSeconds",
	"durationMinutes",    "session",    NULL,
};

static bool is_message_type(struct span name)
{
	return name.n && vapi_type_of(name)->name[0];
}

static bool is_webhook(struct json record, struct arena *arena)
{
	struct json message = json_get(record, "message");
	return message.kind == JSON_OBJECT ||
	       is_message_type(json_text(json_get(record, "type"), arena));
}

static bool claims(struct json record)
{
	static const char *const of_calls[] = { "orgId",	 "artifact",	  "endedReason",
						"assistantId",	 "phoneNumberId", "monitor",
						"costBreakdown", "squadId" };
	struct arena arena = { 0 };
	bool ours = record.kind == JSON_OBJECT && is_webhook(record, &arena);
	arena_fini(&arena);
	for (size_t i = 0; !ours && i < sizeof(of_calls) / sizeof(*of_calls); i++)
		ours = json_get(record, of_calls[i]).kind != JSON_NONE;
	return ours;
}

static int64_t first_time(const struct json *values, size_t n, struct arena *arena)
{
	int64_t us = 0;
	for (size_t i = 0; i < n && us == 0; i++)
		us = vapi_time(values[i], arena);
	return us;
}
#define FIRST_TIME(arena, ...)                           \
	first_time((const struct json[]){ __VA_ARGS__ }, \
		   sizeof((const struct json[]){ __VA_ARGS__ }) / sizeof(struct json), arena)

/* --- webhook bodies --- */

static int read_webhook(const struct format_record *r, struct arena *arena, struct format_call *out,
			struct fault *f)
{
	struct envelope e;
	TRY(vapi_classify(r->text, arena, &e, f));
	if (!e.call_id.n)
		return fault(f, E_INVALID, "a message (%.*s) that belongs to no call",
			     SPAN_ARG(e.type));
	struct json message = vapi_message(r->text), call = json_get(message, "call");
	int64_t ended = FIRST_TIME(arena, json_get(message, "endedAt"), json_get(call, "endedAt"));
	int64_t at = e.at_us ? e.at_us : ended;
	if (!at)
		at = FIRST_TIME(arena, json_get(call, "updatedAt"), json_get(call, "createdAt"));
	out->id = e.call_id;
	out->body = r->text;
	out->at_us = at ? at : r->fallback_us;
	out->started_us = FIRST_TIME(arena, json_get(message, "startedAt"),
				     json_get(call, "startedAt"), json_get(call, "createdAt"));
	out->whole = span_is(e.type, "end-of-call-report");
	return 0;
}

/* --- Call objects --- */

static void put_members(struct buf *out, struct json call, bool in_message)
{
	struct json_iter it = json_iter(call);
	struct span key;
	struct json value;
	while (json_next(&it, &key, &value)) {
		if (span_in(key, of_message) != in_message)
			continue;
		if (out->p[out->n - 1] != '{')
			buf_addc(out, ',');
		buf_addc(out, '"');
		buf_add(out, key);
		buf_addz(out, "\":");
		buf_add(out, value.raw);
	}
}

static struct span as_report(struct json call, int64_t at_us, struct arena *arena)
{
	struct buf b AUTO_BUF = { 0 };
	char iso[CLOCK_ISO + 1];
	clock_format(at_us, iso);
	buf_printf(&b, "{\"message\":{\"type\":\"end-of-call-report\",\"timestamp\":\"%s\",", iso);
	buf_addz(&b, "\"call\":{");
	put_members(&b, call, false);
	buf_addc(&b, '}');
	put_members(&b, call, true);
	buf_addz(&b, "}}");
	return arena_copy(arena, buf_span(&b));
}

static int check_ended(struct json call, struct arena *arena, struct fault *f)
{
	struct span status = vapi_text(json_get(call, "status"), arena);
	bool known_end =
		json_has(json_get(call, "endedAt")) || json_has(json_get(call, "endedReason"));
	if (span_is(status, "ended") || (!status.n && known_end))
		return 0;
	return fault(f, E_CONFLICT, "the call has not ended (status %.*s)",
		     SPAN_ARG(status.n ? status : SPAN("unknown")));
}

static int read_call(const struct format_record *r, struct json call, struct arena *arena,
		     struct format_call *out, struct fault *f)
{
	out->id = vapi_text(json_get(call, "id"), arena);
	if (!out->id.n)
		return fault(f, E_INVALID, "no Call object: it has no id");
	TRY(check_ended(call, arena, f));
	int64_t at = FIRST_TIME(arena, json_get(call, "endedAt"), json_get(call, "updatedAt"),
				json_get(call, "startedAt"), json_get(call, "createdAt"));
	out->at_us = at ? at : r->fallback_us;
	out->started_us =
		FIRST_TIME(arena, json_get(call, "startedAt"), json_get(call, "createdAt"));
	out->body = as_report(call, out->at_us, arena);
	out->whole = true;
	return 0;
}

static int read_record(const struct format_record *r, struct arena *arena, struct format_call *out,
		       struct fault *f)
{
	struct json record = json_of(r->text);
	*out = (struct format_call){ 0 };
	if (record.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "expected a JSON object: a Call or a webhook's body");
	TRY(is_webhook(record, arena) ? read_webhook(r, arena, out, f)
				      : read_call(r, record, arena, out, f));
	if (!out->started_us || out->started_us > out->at_us)
		out->started_us = out->at_us;
	return 0;
}

const struct format vapi_export_format = {
	.name = "vapi",
	.title = "Call objects of GET /call, end-of-call reports and other webhook bodies",
	.dialect = "vapi",
	.kind = FORMAT_JSON,
	.claims = claims,
	.read = read_record,
};
