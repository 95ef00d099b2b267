/* How the call stands: scheduled ... in-progress ... ended, or lost.
 *
 * Happy path: status messages, then "ended" with its reason, then the report.
 * Failure modes
 *   report without "ended"       the report ends the call
 *   report after "ended"         merged: reason, times and duration of call.ended are revised when
 * it knows better status after "ended"         late: shown with late: true, changes nothing status
 * older than the last   likewise no news for idle_close_ms    the provider is asked (RECONCILE),
 * several times with growing pauses; without a key, or when it does not know the call, or never
 * answers: lost status after "lost"          the call lives again; a report after it revises it
 *   parties are told of one by one   they say how the call stands and why it ended (parties.c),
 * status messages and reports do not; the platform not knowing the call says that all have gone */
#include "call/parts.h"

#include <stdlib.h>

static const char *const class_names[] = {
#define X(id, text) [END_##id] = text,
	END_CLASSES(X)
#undef X
};

const char *status_class_name(enum end_class c)
{
	return class_names[c];
}

/* First match wins. Reasons are an open set (595 known of Vapi): what is not here is "other". */
static const struct {
	struct span prefix;
	enum end_class end_class;
} classes[] = {
#define P(prefix, c)                                    \
	{                                               \
		{ prefix, sizeof(prefix) - 1 }, END_##c \
	}
	P("lost", LOST),
	P("not-found", LOST),
	P("agent-hung-up", ASSISTANT),
	P("moved", ASSISTANT),
	P("no-answer", TELEPHONY),
	P("busy", TELEPHONY),
	P("rejected", TELEPHONY),
	P("cancelled", TELEPHONY),
	P("invalid-number", TELEPHONY),
	P("blocked", TELEPHONY),
	P("dropped", TELEPHONY),
	P("customer-busy", TELEPHONY),
	P("customer-did-not-answer", TELEPHONY),
	P("customer-", CUSTOMER),
	P("call.in-progress.error-assistant-did-not-receive-customer-audio", CUSTOMER),
	P("call.ringing.sip-inbound-caller-hungup", CUSTOMER),
	P("assistant-ended-call", ASSISTANT),
	P("assistant-said-end-call-phrase", ASSISTANT),
	P("assistant-forwarded-call", ASSISTANT),
	P("call.ringing.hook-executed", ASSISTANT),
	P("call.ending.hook-executed", ASSISTANT),
	P("exceeded-max-duration", LIMIT),
	P("silence-timed-out", LIMIT),
	P("call.start.error-subscription-", LIMIT),
	P("call.start.error-vapi-number-", LIMIT),
	P("call.in-progress.error-warm-transfer-", TELEPHONY),
	P("call.in-progress.error-transfer-failed", TELEPHONY),
	P("call.in-progress.error-providerfault-outbound-sip-", TELEPHONY),
	P("call.in-progress.error-sip-", TELEPHONY),
	P("call.ringing.error-sip-", TELEPHONY),
	P("call.in-progress.twilio-", TELEPHONY),
	P("call.in-progress.sip-", TELEPHONY),
	P("call.forwarding.", TELEPHONY),
	P("phone-call-provider-", TELEPHONY),
	P("twilio-", TELEPHONY),
	P("vonage-", TELEPHONY),
	P("voicemail", TELEPHONY),
	P("pipeline-", PROVIDER),
	P("call.in-progress.error-", PROVIDER),
	P("call.start.", PROVIDER),
	P("call-start-error-", PROVIDER),
	P("assistant-", PROVIDER), /* not-found, not-valid, request-*, join-timed-out */
	P("worker-", PROVIDER),
#undef P
};

enum end_class status_class(struct span reason)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
		if (span_starts(reason, classes[i].prefix))
			return classes[i].end_class;
	return END_OTHER;
}

static void set_status(struct session *s, struct span name, int64_t at_us)
{
	kept_set(&s->status.status, name);
	s->status.at_us = at_us;
}

static void emit_status(struct session *s, struct span name, int64_t at_us, struct json destination,
			bool late)
{
	struct draft d;
	draft_begin(s, &d, EVENT_CALL_STATUS, at_us);
	json_put_text(&d.o, "status", name);
	pipeline_put_text(&d.o, "previous", kept_span(&s->status.status));
	if (json_has(destination))
		pipeline_put_json(&d.o, "destination", destination);
	if (late)
		json_put_bool(&d.o, "late", true);
	if (!late)
		set_status(s, name, at_us);
	draft_emit(s, &d);
}

static void set_start(struct session *s, int64_t at_us)
{
	s->status.started_us = at_us;
	s->status.started_own_clock = pipeline_own_clock(s, at_us);
}

static void measure(const struct session *s, struct status_state *st)
{
	int64_t began_us = pipeline_local(s, st->started_us, st->started_own_clock);
	int64_t us = pipeline_local(s, st->ended_us, st->ended_own_clock) - began_us;
	if (st->started_us && us >= 0)
		st->duration_ms = us / MS_US;
}

static void emit_ended(struct session *s, bool revision)
{
	struct status_state *st = &s->status;
	struct draft d;
	draft_begin(s, &d, EVENT_CALL_ENDED, st->ended_us);
	d.e.own_clock = st->ended_own_clock;
	pipeline_put_text(&d.o, "reason", kept_span(&st->reason));
	json_put_z(&d.o, "class", class_names[st->end_class]);
	if (st->duration_ms >= 0)
		json_put_i64(&d.o, "duration_ms", st->duration_ms);
	else
		json_put_null(&d.o, "duration_ms");
	if (span_is(kept_span(&st->reason), "moved") && parties_moved_to(s).n)
		json_put_text(&d.o, "moved_to", parties_moved_to(s));
	if (revision)
		json_put_bool(&d.o, "revision", true);
	st->told = true;
	draft_emit(s, &d);
}

/* The first knowledge of the end. */
static void end(struct session *s, struct span reason, int64_t at_us, bool own_clock)
{
	struct status_state *st = &s->status;
	bool revision = st->told;
	kept_set(&st->reason, reason);
	st->end_class = status_class(reason);
	st->ended = true;
	st->lost = false;
	st->ended_us = at_us;
	st->ended_own_clock = own_clock;
	measure(s, st);
	emit_ended(s, revision);
}

/* Later knowledge: only what differs makes a revision. */
static void revise_end(struct session *s, struct span reason, int64_t ended_us)
{
	struct status_state *st = &s->status;
	bool news = reason.n && !span_eq(reason, kept_span(&st->reason));
	if (news) {
		kept_set(&st->reason, reason);
		st->end_class = status_class(reason);
	}
	int64_t duration_ms = st->duration_ms;
	news |= ended_us && ended_us != st->ended_us;
	if (ended_us) {
		st->ended_us = ended_us;
		st->ended_own_clock = pipeline_own_clock(s, ended_us);
	}
	measure(s, st);
	news |= st->duration_ms != duration_ms;
	if (news)
		emit_ended(s, true);
}

static bool is_late(const struct session *s, const struct input *in)
{
	const struct status_state *st = &s->status;
	return (st->ended && !st->lost) || in->at_us < st->at_us;
}

static void revive(struct session *s)
{
	s->status.ended = false;
	s->status.lost = false;
	s->status.ended_us = 0;
	s->status.duration_ms = -1;
	kept_free(&s->status.reason);
	session_flag(s, FLAG_REVIVED);
}

static void ended_input(struct session *s, const struct input *in)
{
	struct status_state *st = &s->status;
	if (st->ended && !st->lost) {
		revise_end(s, st->reported ? (struct span){ 0 } : in->reason, 0);
		return;
	}
	emit_status(s, in->name, in->at_us, in->data, false);
	end(s, in->reason, in->at_us, pipeline_own_clock(s, in->at_us));
}

/* Beside parties a status says nothing, but that the platform does not know the call. */
static bool parties_say(struct session *s, const struct input *in)
{
	if (span_is(in->name, "ended") && span_is(in->reason, "not-found"))
		parties_unknown(s, in->at_us);
	return s->parties.n;
}

void status_input(struct session *s, const struct input *in)
{
	struct status_state *st = &s->status;
	bool same = span_eq(in->name, kept_span(&st->status));
	if (parties_say(s, in))
		return;
	st->aftermath = false;
	if (span_is(in->name, "ended")) {
		ended_input(s, in);
		return;
	}
	if (texts_only(s)) {
		texts_news(s, in->at_us);
		return;
	}
	if (s->now.reconciling && same && !st->lost)
		return; /* asking has told nothing new */
	if (is_late(s, in)) {
		session_flag(s, FLAG_LATE);
		emit_status(s, in->name, in->at_us, in->data, true);
		return;
	}
	if (st->lost)
		revive(s);
	if (span_is(in->name, "in-progress")) {
		if (!st->started_us || st->start_guessed)
			set_start(s, in->at_us);
		st->start_guessed = false;
	}
	emit_status(s, in->name, in->at_us, in->data, false);
}

/* --- for those who find out by themselves --- */

void status_stands(struct session *s, const char *name, int64_t at_us)
{
	struct span now = kept_span(&s->status.status);
	bool back = span_is(now, "in-progress") && strcmp(name, "ringing") == 0;
	if (!s->status.ended && !back && !span_is(now, name))
		emit_status(s, span_of(name), at_us, (struct json){ 0 }, false);
}

void status_over(struct session *s, struct span reason, int64_t ended_us)
{
	struct status_state *st = &s->status;
	if (st->ended && !st->lost) {
		revise_end(s, reason, ended_us);
		return;
	}
	if (!span_is(kept_span(&st->status), "ended"))
		emit_status(s, SPAN("ended"), ended_us, (struct json){ 0 }, false);
	end(s, reason, ended_us, pipeline_own_clock(s, ended_us));
}

void status_lives_again(struct session *s)
{
	revive(s);
}

void status_began(struct session *s, int64_t started_us)
{
	set_start(s, started_us);
	s->status.start_guessed = false;
}

void status_aftermath(struct session *s)
{
	struct status_state *st = &s->status;
	st->aftermath = !st->ended && !st->status.n && !s->parties.n;
}

void status_guess_start(struct session *s, int64_t at_us)
{
	struct status_state *st = &s->status;
	bool before = pipeline_local(s, at_us, pipeline_own_clock(s, at_us)) <
		      pipeline_local(s, st->started_us, st->started_own_clock);
	if (st->started_us && (!st->start_guessed || !before))
		return;
	set_start(s, at_us);
	st->start_guessed = true;
}

void status_conversing(struct session *s, int64_t at_us)
{
	struct status_state *st = &s->status;
	if (st->ended && !st->lost)
		return;
	st->aftermath = false;
	if (st->lost) {
		revive(s);
		emit_status(s, SPAN("in-progress"), at_us, (struct json){ 0 }, false);
	}
	status_guess_start(s, at_us);
}

/* --- the report --- */

static void put_json(struct json_out *o, const char *key, struct json v)
{
	if (json_has(v))
		pipeline_put_json(o, key, v);
}

static void put_if(struct json_out *o, const char *key, struct span text)
{
	if (text.n)
		json_put_text(o, key, text);
}

static void emit_report(struct session *s, const struct call_report *r, int64_t at_us)
{
	struct draft d;
	draft_begin(s, &d, EVENT_CALL_REPORT, at_us);
	pipeline_put_text(&d.o, "reason", r->ended_reason);
	pipeline_put_time(&d.o, "started_at", r->started_us);
	pipeline_put_time(&d.o, "ended_at", r->ended_us);
	if (r->has_cost)
		json_put_f64(&d.o, "cost", r->cost_usd);
	put_if(&d.o, "summary", r->summary);
	put_if(&d.o, "transcript", r->transcript);
	put_if(&d.o, "success_evaluation", r->success_evaluation);
	put_if(&d.o, "recording_url", r->recording_url);
	put_json(&d.o, "structured_data", r->structured_data);
	put_json(&d.o, "structured_outputs", r->structured_outputs);
	put_json(&d.o, "cost_breakdown", r->cost_breakdown);
	put_json(&d.o, "performance", r->performance);
	put_json(&d.o, "analysis", r->analysis);
	draft_emit(s, &d);
}

enum { SUMMARY_BYTES = 4096 };

static void keep_report(struct status_state *st, const struct call_report *r)
{
	st->reported = true;
	if (r->summary.n)
		kept_set_clipped(&st->summary, r->summary, SUMMARY_BYTES);
	if (r->success_evaluation.n)
		kept_set_clipped(&st->outcome, r->success_evaluation, EVIDENCE_BYTES);
	if (r->has_cost) {
		st->cost = r->cost_usd;
		st->has_cost = true;
	}
}

void status_report(struct session *s, const struct input *in)
{
	const struct call_report *r = in->report;
	struct status_state *st = &s->status;
	if (!r)
		return;
	st->aftermath = false;
	int64_t ended_us = pipeline_believable(s, r->ended_us) ? r->ended_us : 0;
	bool known = s->parties.n && st->ended && st->end_class != END_LOST;
	if (!known && pipeline_believable(s, r->started_us)) {
		set_start(s, r->started_us);
		st->start_guessed = false;
	}
	keep_report(st, r);
	emit_report(s, r, in->at_us);
	if (st->ended && !st->lost) {
		if (!known)
			revise_end(s, r->ended_reason, ended_us);
		return;
	}
	if (!span_is(kept_span(&st->status), "ended"))
		emit_status(s, SPAN("ended"), ended_us ? ended_us : in->at_us, (struct json){ 0 },
			    false);
	ended_us = ended_us ? ended_us : in->at_us;
	end(s, r->ended_reason, ended_us, pipeline_own_clock(s, ended_us));
}

/* --- calls that never end --- */

static const int64_t pauses_ms[RECONCILE_TRIES] = { 0, 30000, 120000, 600000 };

void status_news(struct session *s)
{
	struct status_state *st = &s->status;
	st->news_us = s->now.at_us;
	st->retry_us = 0;
	st->tries = 0;
}

static int64_t deadline(const struct session *s)
{
	const struct status_state *st = &s->status;
	if (st->ended || st->asking || st->aftermath || !st->news_us)
		return INT64_MAX;
	if (texts_only(s))
		return st->news_us + s->settings.text_close_ms * MS_US;
	return st->retry_us ? st->retry_us : st->news_us + s->settings.idle_close_ms * MS_US;
}

static void lose(struct session *s, bool reconciled)
{
	struct status_state *st = &s->status;
	struct draft d;
	int64_t at = s->now.at_us;
	session_flag(s, FLAG_LOST);
	draft_begin(s, &d, EVENT_CALL_LOST, at);
	json_put_i64(&d.o, "idle_ms", (at - st->news_us) / MS_US);
	json_put_bool(&d.o, "reconciled", reconciled);
	draft_emit(s, &d);
	emit_status(s, SPAN("ended"), at, (struct json){ 0 }, false);
	end(s, SPAN("lost"), st->news_us, true);
	st->lost = true;
}

bool status_ask(struct session *s)
{
	if (!s->settings.reconcile || !s->dialect->reconcile || !s->dialect->read_call)
		return false;
	struct effect e = { .kind = EFFECT_RECONCILE, .timeout_ms = 10000 };
	s->status.asking = true;
	effects_ask(s, &e, NULL);
	return true;
}

static void timer(struct session *s)
{
	if (texts_only(s))
		texts_over(s);
	else if (!status_ask(s))
		lose(s, false);
}

/* Parties know better than that the call is lost. */
static void give_up(struct session *s, bool not_found)
{
	if (not_found && s->parties.n)
		parties_unknown(s, s->now.at_us);
	if (!parties_give_up(s))
		lose(s, not_found);
}

void status_reconciled(struct session *s, const struct open_effect *effect, const struct outcome *o)
{
	struct status_state *st = &s->status;
	bool heard_since = st->news_us > effect->asked_us;
	if (st->ended || heard_since)
		return;
	if (st->tries == 0) { /* read and still live */
		st->news_us = s->now.at_us;
		st->retry_us = 0;
	} else if (o->end == OUTCOME_ANSWERED && o->status == 404) {
		give_up(s, true);
	} else if (st->tries >= RECONCILE_TRIES) {
		give_up(s, false);
	} else {
		st->retry_us = s->now.at_us + pauses_ms[st->tries] * MS_US;
	}
}

static size_t bytes(const struct session *s)
{
	const struct status_state *st = &s->status;
	return st->status.n + st->reason.n + st->summary.n + st->outcome.n;
}

static void fini(struct session *s)
{
	struct status_state *st = &s->status;
	kept_free(&st->status);
	kept_free(&st->reason);
	kept_free(&st->summary);
	kept_free(&st->outcome);
}

const struct stage status_stage = {
	.name = "status",
	.deadline = deadline,
	.timer = timer,
	.bytes = bytes,
	.fini = fini,
};
