/* Happy path: a record tells a whole call, so it is read as facts and a report; as a file's record
 * it becomes the notification that would have brought it.
 *
 * A leg is told from the view of the account: `direction` Inbound is from the customer to us. */
#include "dialect/ringcentral_log.h"

#include "base/clock.h"
#include "dialect/formats.h"
#include "dialect/ringcentral_parts.h"

/* The first word that the result begins with. What is not here keeps the platform's own word. */
static const struct {
	const char *result, *reason;
} results[] = {
	{ "Accepted", "completed" },
	{ "Call connected", "completed" },
	{ "Connected", "completed" },
	{ "Received", "completed" },
	{ "Answered Elsewhere", "completed" },
	{ "Voicemail", "voicemail" },
	{ "Missed", "no-answer" },
	{ "No Answer", "no-answer" },
	{ "Answered Not Accepted", "no-answer" },
	{ "Busy", "busy" },
	{ "Rejected", "rejected" },
	{ "Declined", "rejected" },
	{ "Reply", "rejected" },
	{ "Hang Up", "cancelled" },
	{ "Hang up", "cancelled" },
	{ "Abandoned", "cancelled" },
	{ "Wrong Number", "invalid-number" },
	{ "International Disabled", "blocked" },
	{ "Internal Error", "dropped" },
	{ "Call Failed", "dropped" },
	{ "Call Failure", "dropped" },
	{ "Stopped", "dropped" },
	{ "Blocked", "blocked" },
	{ "Restricted Number", "blocked" },
	{ "No Calling Credit", "blocked" },
	{ "Suspended Account", "blocked" },
};

static struct span reason_of(struct span result, struct arena *a)
{
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++)
		if (rc_same(result, results[i].result))
			return span_of(results[i].reason);
	struct span own = rc_lower(result, a);
	char *p = (char *)(uintptr_t)own.p; /* made by rc_lower in the arena */
	for (size_t i = 0; i < own.n; i++)
		p[i] = own.p[i] == ' ' ? '-' : own.p[i];
	return own;
}

static struct span number_of(struct json who, struct arena *a)
{
	struct span number = rc_text_at(who, "phoneNumber", a);
	return number.n ? number : rc_text_at(who, "extensionNumber", a);
}

/* No call lasts a year: what says so is not believed. */
static int64_t times(struct json number, int64_t unit_us)
{
	int64_t n = 0, most = 365 * 24 * 3600 * SECOND_US / unit_us;
	return json_i64(number, &n) && n > 0 && n <= most ? n * unit_us : 0;
}

static int64_t duration_us(struct json of)
{
	int64_t us = times(json_get(of, "durationMs"), MS_US);
	return us ? us : times(json_get(of, "duration"), SECOND_US);
}

static void add_recording(struct rc_log *log, struct json of, struct arena *a)
{
	struct json recording = json_get(of, "recording");
	struct rc_recording r = { .id = rc_text_at(recording, "id", a),
				  .url = rc_text_at(recording, "contentUri", a),
				  .extension = rc_text_at(of, "extension.id", a),
				  .started_us = rc_time(json_get(of, "startTime"), a),
				  .on_demand =
					  rc_same(rc_text_at(recording, "type", a), "OnDemand") };
	for (size_t i = 0; i < log->recordings_n; i++)
		if (span_eq(log->recordings[i].id, r.id))
			return;
	if (r.id.n && log->recordings_n < RC_RECORDINGS_MAX)
		log->recordings[log->recordings_n++] = r;
}

static void read_leg(struct rc_log *log, struct json leg, struct arena *a)
{
	struct span extension = rc_text_at(leg, "extension.id", a);
	bool inbound = !rc_same(rc_text_at(leg, "direction", a), "Outbound");
	bool talked = span_is(reason_of(rc_text_at(leg, "result", a), a), "completed");
	add_recording(log, leg, a);
	if (extension.n && (talked || !log->extension.n)) {
		log->extension = extension;
		log->extension_name = rc_text_at(leg, inbound ? "to.name" : "from.name", a);
	}
}

static void read_legs(struct rc_log *log, struct json record, struct arena *a)
{
	struct json legs = json_get(record, "legs"), leg;
	struct json_iter it = json_iter(legs);
	struct span none;
	while (legs.kind == JSON_ARRAY && json_next(&it, &none, &leg))
		read_leg(log, leg, a);
	add_recording(log, record, a); /* mostly one of its legs' */
}

static void read_ends(struct rc_log *log, struct json record, struct arena *a)
{
	struct json customer = json_get(record, log->inbound ? "from" : "to");
	struct json ours = json_get(record, log->inbound ? "to" : "from");
	log->customer_number = number_of(customer, a);
	log->customer_name = rc_text_at(customer, "name", a);
	log->phone_number = number_of(ours, a);
	log->extension = rc_text_at(record, "extension.id", a);
	log->extension_name = rc_text_at(ours, "name", a);
}

int rc_log_read(struct json record, struct arena *a, struct rc_log *log, struct fault *f)
{
	struct span type = rc_text_at(record, "type", a);
	*log = (struct rc_log){
		.id = rc_text_at(record, "id", a),
		.call_id = rc_text_at(record, "telephonySessionId", a),
		.result = rc_text_at(record, "result", a),
		.voice = !type.n || rc_same(type, "Voice"),
		.inbound = !rc_same(rc_text_at(record, "direction", a), "Outbound"),
		.started_us = rc_time(json_get(record, "startTime"), a),
	};
	if (!log->call_id.n)
		log->call_id = rc_text_at(record, "sessionId", a);
	if (!log->call_id.n || !log->started_us)
		return fault(f, E_INVALID,
			     "no record of a call log: it has no telephonySessionId or startTime");
	log->reason = reason_of(log->result, a);
	log->under_way = rc_same(log->result, "In Progress");
	log->ended_us = log->under_way ? 0 : log->started_us + duration_us(record);
	read_ends(log, record, a);
	read_legs(log, record, a);
	return 0;
}

/* --- what is kept --- */

static void put_time(struct json_out *o, const char *key, int64_t us)
{
	char iso[CLOCK_ISO + 1];
	if (us)
		clock_format(us, iso);
	json_put_z(o, key, us ? iso : NULL);
}

static void put_members(struct json_out *o, struct json from, const char *const (*members)[2])
{
	for (; (*members)[0]; members++) {
		struct json v = json_path(from, (*members)[1]);
		if (json_has(v))
			json_put_clean(o, (*members)[0], v.raw);
	}
}

static void put_leg(struct json_out *o, struct json leg, struct arena *a)
{
	static const char *const members[][2] = {
		{ "type", "legType" },		 { "direction", "direction" },
		{ "action", "action" },		 { "result", "result" },
		{ "reason", "reason" },		 { "from", "from.phoneNumber" },
		{ "from_name", "from.name" },	 { "to", "to.phoneNumber" },
		{ "to_name", "to.name" },	 { "extension", "extension.id" },
		{ "recording", "recording.id" }, { NULL, NULL }
	};
	json_begin(o, NULL);
	put_time(o, "started_at", rc_time(json_get(leg, "startTime"), a));
	json_put_i64(o, "duration_ms", duration_us(leg) / MS_US);
	put_members(o, leg, members);
	json_end(o);
}

static void put_legs(struct json_out *o, struct json record, struct arena *a)
{
	struct json legs = json_get(record, "legs"), leg;
	struct json_iter it = json_iter(legs);
	struct span none;
	json_begin_array(o, "legs");
	while (legs.kind == JSON_ARRAY && json_next(&it, &none, &leg))
		put_leg(o, leg, a);
	json_end_array(o);
}

static void put_recordings(struct json_out *o, const struct rc_log *log)
{
	json_begin_array(o, "recordings");
	for (size_t i = 0; i < log->recordings_n; i++) {
		const struct rc_recording *r = &log->recordings[i];
		json_begin(o, NULL);
		json_put_text(o, "id", r->id);
		json_put_text(o, "url", r->url);
		put_time(o, "started_at", r->started_us);
		if (r->on_demand)
			json_put_bool(o, "on_demand", true);
		json_end(o);
	}
	json_end_array(o);
}

void rc_log_write(struct json record, const struct rc_log *log, struct arena *a, struct json_out *o,
		  const char *key)
{
	static const char *const members[][2] = { { "action", "action" },
						  { "internal_type", "internalType" },
						  { "transport", "transport" },
						  { "cause", "reason" },
						  { "cause_text", "reasonDescription" },
						  { NULL, NULL } };
	json_begin(o, key);
	json_put_text(o, "id", log->id);
	json_put_text(o, "result", log->result);
	json_put_text(o, "reason", log->reason);
	json_put_z(o, "direction", log->inbound ? "inbound" : "outbound");
	put_members(o, record, members);
	put_time(o, "started_at", log->started_us);
	put_time(o, "ended_at", log->ended_us);
	json_put_i64(o, "duration_ms", duration_us(record) / MS_US);
	json_begin(o, "customer");
	json_put_text(o, "number", log->customer_number);
	if (log->customer_name.n)
		json_put_text(o, "name", log->customer_name);
	json_end(o);
	put_legs(o, record, a);
	put_recordings(o, log);
	json_end(o);
}

/* --- as a notification --- */

struct span rc_log_call(const struct rc_view *v)
{
	struct rc_log log;
	return rc_log_read(v->body, v->arena, &log, NULL) ? (struct span){ 0 } : log.call_id;
}

void rc_log_facts(const struct rc_view *v, struct call_facts *f)
{
	struct rc_log log;
	if (rc_log_read(v->body, v->arena, &log, NULL))
		return;
	f->kind = log.inbound ? SPAN("inbound") : SPAN("outbound");
	f->telephony_id = log.call_id;
	f->customer_number = log.customer_number;
	f->customer_name = log.customer_name;
	f->phone_number = log.phone_number;
	f->assistant_id = log.extension;
	f->assistant_name = log.extension_name;
	f->created_us = f->started_us = log.started_us;
}

bool rc_log_inputs(const struct rc_view *v, struct inputs *out)
{
	struct call_report *report = arena_alloc(v->arena, sizeof(*report));
	struct rc_log log;
	if (rc_log_read(v->body, v->arena, &log, NULL) || log.under_way)
		return false;
	report->ended_reason = log.reason;
	report->started_us = log.started_us;
	report->ended_us = log.ended_us;
	struct input *in = inputs_add(out, v->arena, INPUT_REPORT);
	in->at_us = log.ended_us;
	in->report = report;
	return true;
}

/* --- as a file's record --- */

static bool claims(struct json record)
{
	return record.kind == JSON_OBJECT && json_has(json_get(record, "startTime")) &&
	       (json_has(json_get(record, "telephonySessionId")) ||
		json_has(json_get(record, "sessionId"))) &&
	       json_has(json_get(record, "result"));
}

static struct span as_notification(struct json record, const struct rc_log *log, struct arena *a)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	json_begin(&o, NULL);
	json_put_z(&o, "event", "/restapi/v1.0/account/~/call-log");
	put_time(&o, "timestamp", log->ended_us);
	json_put_raw(&o, "body", record.raw);
	json_end(&o);
	return arena_copy(a, buf_span(&b));
}

static int read_record(const struct format_record *r, struct arena *a, struct format_call *out,
		       struct fault *f)
{
	struct json record = json_of(r->text);
	struct rc_log log;
	*out = (struct format_call){ 0 };
	TRY(rc_log_read(record, a, &log, f));
	out->id = log.call_id;
	if (!log.voice)
		return fault(f, E_INVALID, "no call but a fax");
	if (log.under_way)
		return fault(f, E_CONFLICT, "the call has not ended");
	out->body = as_notification(record, &log, a);
	out->started_us = log.started_us;
	out->at_us = log.ended_us;
	out->whole = true;
	return 0;
}

const struct format ringcentral_log_format = {
	.name = "ringcentral",
	.title = "records of RingCentral's call log, view=Detailed",
	.dialect = "ringcentral",
	.kind = FORMAT_JSON,
	.claims = claims,
	.read = read_record,
};
