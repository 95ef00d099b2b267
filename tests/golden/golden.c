#include "tests/golden/golden.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"

static void put_text(struct json_out *o, const char *key, struct span text)
{
	if (text.n)
		json_put_text(o, key, text);
}

static void put_time(struct json_out *o, const char *key, int64_t us)
{
	char iso[CLOCK_ISO + 1];
	if (us == 0)
		return;
	clock_format(us, iso);
	json_put_z(o, key, iso);
}

static void put_flag(struct json_out *o, const char *key, bool v)
{
	if (v)
		json_put_bool(o, key, v);
}

static void put_party(struct json_out *o, const struct call_party *p)
{
	json_begin(o, "party");
	put_text(o, "id", p->id);
	json_put_i64(o, "sequence", p->sequence);
	json_put_z(o, "side", party_side_name(p->side));
	json_put_z(o, "state", party_state_name(p->state));
#define TEXT(name) put_text(o, #name, p->name);
	TEXT(code)
	TEXT(reason)
	TEXT(ends_as)
	TEXT(number)
	TEXT(name)
	TEXT(extension)
	TEXT(peer_number)
	TEXT(peer_name)
	TEXT(moved_to)
	TEXT(recording)
#undef TEXT
	put_flag(o, "outbound", p->outbound);
	put_flag(o, "peer_inside", p->peer_inside);
	put_flag(o, "recording_on", p->recording_on);
	if (p->muted_known)
		json_put_bool(o, "muted", p->muted);
	json_end(o);
}

/* On one line, whatever the body looked like. */
static void put_json(struct json_out *o, const char *key, struct json v)
{
	struct buf line AUTO_BUF = { 0 };
	bool in_string = false;
	if (v.kind == JSON_NONE)
		return;
	for (size_t i = 0; i < v.raw.n; i++) {
		char c = v.raw.p[i];
		if (c == '"')
			in_string = !in_string;
		if (in_string || !strchr(" \n\t\r", c))
			buf_addc(&line, c);
		if (c == '\\')
			buf_addc(&line, v.raw.p[++i]);
	}
	json_put_raw(o, key, buf_span(&line));
}

static void put_facts(struct json_out *o, const struct call_facts *f)
{
	json_begin(o, "facts");
#define TEXT(name) put_text(o, #name, f->name);
	TEXT(provider_call_id)
	TEXT(provider_org_id)
	TEXT(kind)
	TEXT(customer_number)
	TEXT(customer_name)
	TEXT(phone_number)
	TEXT(phone_number_id)
	TEXT(assistant_id)
	TEXT(assistant_name)
	TEXT(assistant_version)
	TEXT(squad_id)
	TEXT(session_id)
	TEXT(telephony_id)
	TEXT(control_url)
	TEXT(listen_url)
	TEXT(transport)
#undef TEXT
	put_time(o, "created", f->created_us);
	put_time(o, "started", f->started_us);
	if (f->transcript_subscribed_known)
		json_put_bool(o, "transcript_subscribed", f->transcript_subscribed);
	if (f->retries_known)
		json_put_bool(o, "retries_on", f->retries_on);
	json_end(o);
}

static void put_report(struct json_out *o, const struct call_report *r)
{
	json_begin(o, "report");
	put_text(o, "ended_reason", r->ended_reason);
	put_time(o, "started", r->started_us);
	put_time(o, "ended", r->ended_us);
	if (r->has_cost)
		json_put_f64(o, "cost_usd", r->cost_usd);
	put_text(o, "summary", r->summary);
	put_text(o, "transcript", r->transcript);
	put_text(o, "success_evaluation", r->success_evaluation);
	put_text(o, "recording_url", r->recording_url);
	put_json(o, "structured_data", r->structured_data);
	put_json(o, "structured_outputs", r->structured_outputs);
	put_json(o, "cost_breakdown", r->cost_breakdown);
	put_json(o, "performance", r->performance);
	put_json(o, "analysis", r->analysis);
	json_end(o);
}

static void write_input(const struct input *in, struct buf *out)
{
	struct json_out o = { .b = out };
	char key[17];
	json_begin(&o, NULL);
	json_put_z(&o, "input", input_name(in->type));
	put_text(&o, "speaker", span_of(speaker_name(in->speaker)));
	put_text(&o, "name", in->name);
	put_text(&o, "id", in->id);
	put_text(&o, "text", in->text);
	put_text(&o, "reason", in->reason);
	put_flag(&o, "final", in->final);
	put_flag(&o, "answer_here", in->answer_here);
	put_flag(&o, "beside", in->beside);
	put_flag(&o, "from_report", in->from_report);
	if (in->turn >= 0)
		json_put_i64(&o, "turn", in->turn);
	put_time(&o, "at", in->at_us);
	put_time(&o, "end", in->end_us);
	put_json(&o, "data", in->data);
	if (in->facts)
		put_facts(&o, in->facts);
	if (in->report)
		put_report(&o, in->report);
	if (in->party)
		put_party(&o, in->party);
	snprintf(key, sizeof(key), "%016" PRIx64, in->key);
	if (in->key)
		json_put_z(&o, "key", key);
	json_end(&o);
	buf_addc(out, '\n');
}

void golden_write_inputs(const struct inputs *inputs, struct buf *out)
{
	for (size_t i = 0; i < inputs->n; i++)
		write_input(&inputs->items[i], out);
}

void golden_write_envelope(const struct envelope *e, struct buf *out)
{
	static const char *const answers[] = { [ANSWER_NONE] = "none",
					       [ANSWER_TOOLS] = "tools",
					       [ANSWER_ASSISTANT] = "assistant",
					       [ANSWER_DEFAULT] = "default" };
	struct json_out o = { .b = out };
	json_begin(&o, NULL);
	json_put_text(&o, "type", e->type);
	put_text(&o, "call", e->call_id);
	json_put_z(&o, "answer", answers[e->answer]);
	put_flag(&o, "whole", e->keep_whole);
	put_flag(&o, "beside", e->beside);
	put_time(&o, "at", e->at_us);
	json_end(&o);
	buf_addc(out, '\n');
}
