/* end-of-call-report, and a Call object asked for: the same facts under the artifact, the message
 * or the call, in this order of trust. */
#include "base/clock.h"
#include "dialect/vapi_parts.h"

static double duration_s(const struct vapi_view *v)
{
	static const struct {
		int member;
		double seconds;
	} units[] = { { M_durationMs, 1e-3 }, { M_durationSeconds, 1 }, { M_durationMinutes, 60 } };
	double value;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (json_f64(v->m[units[i].member], &value) && value >= 0 && value < 1e9)
			return value * units[i].seconds;
	return 0;
}

/* A missing end is made of the start and the stated duration, and the other way round. */
static void read_times(const struct vapi_view *v, struct call_report *r)
{
	int64_t lasted_us = (int64_t)(duration_s(v) * (double)SECOND_US);
	r->started_us = vapi_time(vapi_either(v->m[M_startedAt], v->call[C_startedAt]), v->arena);
	r->ended_us = vapi_time(vapi_either(v->m[M_endedAt], v->call[C_endedAt]), v->arena);
	if (r->ended_us == 0 && r->started_us && lasted_us)
		r->ended_us = r->started_us + lasted_us;
	if (r->started_us == 0 && r->ended_us && lasted_us)
		r->started_us = r->ended_us - lasted_us;
}

static void read_texts(const struct vapi_view *v, struct call_report *r)
{
	struct json recording = v->artifact[A_recording];
	r->ended_reason = VAPI_FIRST_TEXT(v->arena, v->m[M_endedReason], v->call[C_endedReason]);
	r->summary = VAPI_FIRST_TEXT(v->arena, json_get(r->analysis, "summary"), v->m[M_summary]);
	r->transcript = VAPI_FIRST_TEXT(v->arena, v->artifact[A_transcript], v->m[M_transcript]);
	r->recording_url = VAPI_FIRST_TEXT(
		v->arena, v->artifact[A_recordingUrl], json_path(recording, "mono.combinedUrl"),
		v->m[M_recordingUrl], json_get(recording, "stereoUrl"),
		v->artifact[A_stereoRecordingUrl], v->m[M_stereoRecordingUrl]);
	/* Nominally text ("true", "8", "pass"), but booleans and numbers are seen. */
	struct json success = json_get(r->analysis, "successEvaluation");
	bool plain = success.kind == JSON_TRUE || success.kind == JSON_FALSE;
	r->success_evaluation = plain ? success.raw : vapi_text(success, v->arena);
}

static void read_parts(const struct vapi_view *v, struct call_report *r)
{
	r->analysis = vapi_either(v->m[M_analysis], v->call[C_analysis]);
	r->structured_data = vapi_either(json_get(r->analysis, "structuredData"),
					 json_get(r->analysis, "structuredDataMulti"));
	r->structured_outputs = v->artifact[A_structuredOutputs];
	r->performance = v->artifact[A_performanceMetrics];
	r->cost_breakdown = vapi_either(v->m[M_costBreakdown], v->call[C_costBreakdown]);
	r->has_cost = json_f64(v->m[M_cost], &r->cost_usd) ||
		      json_f64(v->call[C_cost], &r->cost_usd) ||
		      json_f64(json_get(r->cost_breakdown, "total"), &r->cost_usd);
}

/* Of what the report says, not of its bytes: presigned URLs differ at every attempt. A report that
 * knows more is another one. */
static uint64_t report_key(const struct call_report *r, struct arena *arena)
{
	uint64_t key = key_text(key_start("report"), r->ended_reason);
	key = key_number(key_number(key, r->started_us), r->ended_us);
	key = key_text(key_text(key, r->summary), r->success_evaluation);
	key = key_number(key, (int64_t)vapi_value_key(r->structured_data, arena));
	key = key_number(key, (int64_t)vapi_value_key(r->structured_outputs, arena));
	return key_end(key_number(key, (int64_t)(r->cost_usd * 1e6)));
}

bool vapi_report(const struct vapi_view *v, struct inputs *out)
{
	struct call_report *report = arena_alloc(v->arena, sizeof(*report));
	read_parts(v, report);
	read_texts(v, report);
	read_times(v, report);
	struct input *in = inputs_add(out, v->arena, INPUT_REPORT);
	in->report = report;
	in->at_us = v->at_us ? v->at_us : report->ended_us;
	in->reason = report->ended_reason;
	in->key = report_key(report, v->arena);
	return true;
}
