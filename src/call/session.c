/* Happy path: a record is read whole (into the scratch arena), timers due by its time fire, then it
 * is applied; what it brings becomes events (pipeline.c) and effects (effects.c).
 *
 * Failure modes
 *   unreadable record   refused before anything changed, timers included: E_INVALID, the fault says
 * what wrong order         anything before BIND, or a second BIND: likewise time going back cannot
 * be (the shard stamps); would be taken as the time of the record before unknown effect      an
 * OUTCOME for an effect that is not open changes nothing */
#include "call/session.h"

#include <stdlib.h>

#include "call/parts.h"

/* Of tools; most projects have few, and they are kept as long as the call. */
enum { SETTINGS_BYTES = 512 };

/* A record, read. Which member counts is known from its kind. */
struct content {
	struct inputs inputs;
	struct command command;
	struct outcome outcome;
	struct settings settings;
	struct kept bind;
	struct arena settings_mem;
	struct uuid effect;
	struct json served, context;
	struct span stream;
	struct heard *heard;
	size_t heard_n;
};

struct session *session_new(const struct uuid *call)
{
	struct session *s = calloc(1, sizeof(*s));
	CHECK(s);
	s->id = *call;
	s->seen.limit = SEEN_LIMIT;
	s->recent.limit = RECENT_LIMIT;
	s->skew_us = INT64_MAX;
	s->status.duration_ms = -1;
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	for (size_t i = 0; stages[i]; i++)
		if (stages[i]->fini)
			stages[i]->fini(s);
	facts_fini(s);
	free(s->effects.items);
	seen_fini(&s->seen);
	seen_fini(&s->recent);
	free(s->ways.items);
	kept_free(&s->bind);
	arena_fini(&s->settings_mem);
	arena_fini(&s->scratch);
	free(s);
}

/* --- inputs --- */

static void assistant_input(struct session *s, const struct input *in)
{
	facts_assistant(s, in);
}

/* Events that carry an input's text as it is. */
static void text_input(struct session *s, enum event_type type, const struct input *in,
		       enum speaker speaker)
{
	struct draft d;
	draft_begin(s, &d, type, in->at_us);
	d.e.speaker = speaker;
	d.e.text = in->text;
	if (in->id.n)
		json_put_text(&d.o, "turn_id", in->id);
	if (!in->text.n && json_has(in->data))
		pipeline_put_json(&d.o, "output", in->data);
	draft_emit(s, &d);
}

static void model_output_input(struct session *s, const struct input *in)
{
	text_input(s, EVENT_MODEL_OUTPUT, in, SPEAKER_AI);
}

static void voice_input_input(struct session *s, const struct input *in)
{
	text_input(s, EVENT_VOICE_INPUT, in, SPEAKER_AI);
}

static void language_input(struct session *s, const struct input *in)
{
	struct draft d;
	draft_begin(s, &d, EVENT_LANGUAGE, in->at_us);
	json_put_text(&d.o, "language", in->name);
	draft_emit(s, &d);
}

static void transfer_input(struct session *s, const struct input *in)
{
	struct draft d;
	draft_begin(s, &d, EVENT_TRANSFER, in->at_us);
	static const char *const members[] = { "destination", "from", "to" };
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		struct json v = json_get(in->data, members[i]);
		if (json_has(v))
			pipeline_put_json(&d.o, members[i], v);
	}
	draft_emit(s, &d);
}

static void question_input(struct session *s, const struct input *in)
{
	struct draft d;
	draft_begin(s, &d, EVENT_QUESTION, in->at_us);
	json_put_text(&d.o, "type", in->name);
	draft_emit(s, &d);
}

static void insight_input(struct session *s, const struct input *in)
{
	struct draft d;
	status_aftermath(s);
	draft_begin(s, &d, EVENT_INSIGHT, in->at_us);
	json_put_text(&d.o, "kind", in->name);
	pipeline_put_json(&d.o, "insight", in->data);
	draft_emit(s, &d);
}

static void raw_input(struct session *s, const struct input *in)
{
	struct draft d;
	s->now.raw = true;
	draft_begin(s, &d, EVENT_PROVIDER_MESSAGE, in->at_us);
	json_put_text(&d.o, "type", in->name);
	pipeline_put_json(&d.o, "message", in->data);
	draft_emit(s, &d);
}

static void (*const on_input[INPUT_COUNT])(struct session *, const struct input *) = {
	[INPUT_CALL] = facts_input,
	[INPUT_STATUS] = status_input,
	[INPUT_TRANSCRIPT] = transcript_input,
	[INPUT_SPEECH] = speech_input,
	[INPUT_SPEAKING_TEXT] = transcript_speaking_text,
	[INPUT_TOOL_CALL] = tools_call,
	[INPUT_TOOL_RESULT] = tools_result,
	[INPUT_HISTORY] = history_input,
	[INPUT_INTERRUPTED] = speech_interrupted,
	[INPUT_HANG] = speech_hang,
	[INPUT_ASSISTANT] = assistant_input,
	[INPUT_TRANSFER] = transfer_input,
	[INPUT_MODEL_OUTPUT] = model_output_input,
	[INPUT_VOICE_INPUT] = voice_input_input,
	[INPUT_LANGUAGE] = language_input,
	[INPUT_QUESTION] = question_input,
	[INPUT_PARTY] = parties_input,
	[INPUT_PARTIES] = parties_listed,
	[INPUT_DELIVERY] = texts_delivery,
	[INPUT_INSIGHT] = insight_input,
	[INPUT_REPORT] = status_report,
	[INPUT_RAW] = raw_input,
};

/* Repetitions of these come within seconds or never. */
static const bool short_lived[INPUT_COUNT] = {
	[INPUT_SPEECH] = true,	     [INPUT_SPEAKING_TEXT] = true, [INPUT_INTERRUPTED] = true,
	[INPUT_MODEL_OUTPUT] = true, [INPUT_VOICE_INPUT] = true,
};

/* The provider repeats its history in every message; that is no duplicated message. */
static bool counted(const struct input *in)
{
	return in->type != INPUT_HISTORY && in->type != INPUT_TOOL_CALL &&
	       in->type != INPUT_TOOL_RESULT;
}

/* A call of so many keys that the oldest are forgotten: the provider still repeats its whole
 * history, and what is well behind the newest entry is such a repetition. */
static bool forgotten(const struct session *s, const struct input *in)
{
	bool history = in->type == INPUT_HISTORY || in->type == INPUT_TOOL_RESULT ||
		       (in->type == INPUT_TOOL_CALL && !in->answer_here);
	return history && s->seen.n >= SEEN_LIMIT && in->at_us &&
	       in->at_us < s->history.newest_us - HISTORY_BEHIND_US && !seen_has(&s->seen, in->key);
}

/* Tool calls to be answered decide for themselves: a repeated one is answered like the first. */
static bool duplicate(struct session *s, const struct input *in)
{
	bool partial = in->type == INPUT_TRANSCRIPT && !in->final;
	if (in->key && forgotten(s, in))
		return true;
	struct seen *seen = short_lived[in->type] || partial ? &s->recent : &s->seen;
	if (!in->key || seen_add(seen, in->key))
		return false;
	if (in->type == INPUT_TOOL_CALL && in->answer_here)
		return false;
	s->counts.duplicates += counted(in);
	return true;
}

static void apply_input(struct session *s, const struct input *in)
{
	if (duplicate(s, in) || ways_told(s, in))
		return;
	struct input timed = *in;
	timed.at_us = pipeline_time(s, in->at_us);
	if (timed.end_us < timed.at_us || !pipeline_believable(s, timed.end_us))
		timed.end_us = timed.at_us;
	on_input[in->type](s, &timed);
	s->now.provider_us = s->now.input_us = 0;
}

static void apply_inputs(struct session *s, const struct inputs *inputs)
{
	for (size_t i = 0; i < inputs->n; i++)
		if ((unsigned)inputs->items[i].type < INPUT_COUNT)
			apply_input(s, &inputs->items[i]);
}

/* --- records: reading, which may fail and changes nothing --- */

static int read_json(struct span body, struct json *out, struct fault *f)
{
	TRY(json_check(body, f));
	*out = json_of(body);
	return 0;
}

static int read_bind(struct session *s, const struct record *r, struct content *c, struct fault *f)
{
	struct json object;
	if (s->bound)
		return fault(f, E_INVALID, "the call is bound already");
	TRY(read_json(r->body, &object, f));
	kept_set(&c->bind, r->body);
	TRY(settings_read(json_of(kept_span(&c->bind)), &c->settings_mem, &c->settings, f));
	if (!dialect_find(c->settings.dialect))
		return fault(f, E_INVALID, "unknown dialect \"%.*s\"",
			     SPAN_ARG(c->settings.dialect));
	return 0;
}

static int read_webhook(struct session *s, const struct record *r, struct content *c,
			struct fault *f)
{
	return s->dialect->read(r->body, &s->scratch, &c->inputs, f);
}

static int read_command(struct session *s, const struct record *r, struct content *c,
			struct fault *f)
{
	struct json object;
	TRY(read_json(r->body, &object, f));
	return command_read(object, &s->scratch, &c->command, f);
}

static int read_outcome(struct session *s, const struct record *r, struct content *c,
			struct fault *f)
{
	struct json object;
	TRY(read_json(r->body, &object, f));
	return outcome_read(object, &s->scratch, &c->outcome, f);
}

static int read_intent(struct session *s, const struct record *r, struct content *c,
		       struct fault *f)
{
	(void)s;
	if (r->body.n != sizeof(c->effect.b))
		return fault(f, E_INVALID, "an intent has %zu bytes, got %zu", sizeof(c->effect.b),
			     r->body.n);
	memcpy(c->effect.b, r->body.p, sizeof(c->effect.b));
	return 0;
}

static int read_served(struct session *s, const struct record *r, struct content *c,
		       struct fault *f)
{
	(void)s;
	TRY(read_json(r->body, &c->served, f));
	if (c->served.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "what was served must be a JSON object");
	return 0;
}

static int read_context(struct session *s, const struct record *r, struct content *c,
			struct fault *f)
{
	(void)s;
	TRY(read_json(r->body, &c->context, f));
	if (c->context.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "context must be a JSON object");
	struct json items = json_get(c->context, "items");
	if (json_has(items) && items.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "items: must be an array");
	return 0;
}

static int read_heard(struct session *s, const struct record *r, struct content *c, struct fault *f)
{
	struct json object;
	TRY(read_json(r->body, &object, f));
	return heard_read(object, &s->scratch, &c->stream, &c->heard, &c->heard_n, f);
}

static int read_nothing(struct session *s, const struct record *r, struct content *c,
			struct fault *f)
{
	(void)s;
	(void)r;
	(void)c;
	(void)f;
	return 0;
}

/* --- records: applying, which cannot fail --- */

static void apply_bind(struct session *s, const struct record *r, struct content *c)
{
	s->settings = c->settings;
	s->settings_mem = c->settings_mem;
	s->bind = c->bind;
	c->settings_mem = (struct arena){ 0 };
	c->bind = (struct kept){ 0 };
	s->dialect = dialect_find(s->settings.dialect);
	s->facts.instruction = s->settings.instruction;
	s->first_record = r->number;
	s->bound_us = s->now.at_us;
	s->bound = true;
	if (s->settings.imported)
		session_flag(s, FLAG_IMPORTED);
	checklist_begin(s);
	if (json_has(s->settings.rules) && settings_rules_check(s->settings.rules, NULL)) {
		s->settings.rules = (struct json){ 0 };
		session_flag(s, FLAG_SETTINGS);
	}
}

static void apply_webhook(struct session *s, const struct record *r, struct content *c)
{
	status_news(s);
	tools_record_begin(s);
	apply_inputs(s, &c->inputs);
	tools_record_end(s, r->body);
}

static void apply_command(struct session *s, const struct record *r, struct content *c)
{
	(void)r;
	commands_request(s, &c->command);
}

static void apply_intent(struct session *s, const struct record *r, struct content *c)
{
	(void)r;
	effects_intent(s, &c->effect);
}

/* The provider's answer about a call, as inputs; false when it cannot be read. */
static bool apply_reconciled(struct session *s, const struct outcome *o)
{
	struct inputs inputs = { 0 };
	bool answered = o->end == OUTCOME_ANSWERED && o->status >= 200 && o->status <= 299;
	if (!answered || !s->dialect->read_call || json_check(o->body, NULL))
		return false;
	if (s->dialect->read_call(o->body, &s->scratch, &inputs, NULL))
		return false;
	s->now.reconciling = true;
	apply_inputs(s, &inputs);
	s->now.reconciling = false;
	return true;
}

static void reconcile_outcome(struct session *s, const struct open_effect *e,
			      const struct outcome *o)
{
	s->status.asking = false;
	if (apply_reconciled(s, o))
		s->status.tries = 0;
	else
		s->status.tries++;
	status_reconciled(s, e, o);
}

static void control_outcome(struct session *s, const struct open_effect *e, const struct outcome *o)
{
	struct inputs told = { 0 };
	commands_outcome(s, e, o, &told);
	apply_inputs(s, &told);
}

static void (*const on_outcome[])(struct session *, const struct open_effect *,
				  const struct outcome *) = {
	[EFFECT_CONTROL] = control_outcome,
	[EFFECT_SOCKET] = control_outcome,
	[EFFECT_RECORDER] = control_outcome,
	[EFFECT_TOOL] = tools_outcome,
	[EFFECT_UPSTREAM_TOOLS] = tools_upstream_outcome,
	[EFFECT_RECONCILE] = reconcile_outcome,
};

static void apply_outcome(struct session *s, const struct record *r, struct content *c)
{
	struct open_effect e;
	(void)r;
	if (effects_take(s, &c->outcome.effect, &e))
		on_outcome[e.kind](s, &e, &c->outcome);
}

static void apply_tick(struct session *s, const struct record *r, struct content *c)
{
	(void)s; /* timers have fired already */
	(void)r;
	(void)c;
}

static void emit_flagged(struct session *s, uint64_t record, struct span why)
{
	struct draft d;
	session_flag(s, FLAG_QUARANTINED);
	draft_begin(s, &d, EVENT_CALL_FLAGGED, 0);
	json_put_i64(&d.o, "record", (int64_t)record);
	json_put_text(&d.o, "why", why);
	draft_emit(s, &d);
}

static void apply_refused(struct session *s, const struct record *r, struct content *c)
{
	(void)c;
	emit_flagged(s, r->number, SPAN("an input of this call could not be read"));
}

static void apply_quarantined(struct session *s, const struct record *r, struct content *c)
{
	(void)c;
	emit_flagged(s, r->number, r->body);
}

static void apply_served(struct session *s, const struct record *r, struct content *c)
{
	struct draft d;
	struct span version = json_text(json_get(c->served, "instruction_version"), &s->scratch);
	struct span variable = json_text(json_get(c->served, "variable_version"), &s->scratch);
	struct json how = json_get(c->served, "how");
	(void)r;
	if (uuid_parse(&s->facts.instruction, version))
		version = (struct span){ 0 };
	draft_begin(s, &d, EVENT_SERVED, 0);
	pipeline_put_text(&d.o, "instruction_version", version);
	pipeline_put_text(&d.o, "variable_version", variable);
	pipeline_put_json(&d.o, "how", how);
	draft_emit(s, &d);
}

static void apply_context(struct session *s, const struct record *r, struct content *c)
{
	(void)r;
	context_record(s, c->context);
}

static void apply_heard(struct session *s, const struct record *r, struct content *c)
{
	(void)r;
	sound_heard(s, c->stream, c->heard, c->heard_n);
}

static const struct {
	int (*read)(struct session *, const struct record *, struct content *, struct fault *);
	void (*apply)(struct session *, const struct record *, struct content *);
} on_record[] = {
	[RECORD_BIND] = { read_bind, apply_bind },
	[RECORD_WEBHOOK] = { read_webhook, apply_webhook },
	[RECORD_COMMAND] = { read_command, apply_command },
	[RECORD_INTENT] = { read_intent, apply_intent },
	[RECORD_OUTCOME] = { read_outcome, apply_outcome },
	[RECORD_TICK] = { read_nothing, apply_tick },
	[RECORD_REFUSED] = { read_nothing, apply_refused },
	[RECORD_SERVED] = { read_served, apply_served },
	[RECORD_QUARANTINED] = { read_nothing, apply_quarantined },
	[RECORD_CONTEXT] = { read_context, apply_context },
	[RECORD_HEARD] = { read_heard, apply_heard },
};

static int read_record(struct session *s, const struct record *r, struct content *c,
		       struct fault *f)
{
	bool known = (unsigned)r->kind < sizeof(on_record) / sizeof(*on_record);
	if (!known || !on_record[r->kind].read)
		return fault(f, E_INVALID, "record %llu: unknown kind %d",
			     (unsigned long long)r->number, (int)r->kind);
	if (!s->bound && r->kind != RECORD_BIND)
		return fault(f, E_INVALID, "record %llu: %s before bind",
			     (unsigned long long)r->number, record_kind_name(r->kind));
	if (on_record[r->kind].read(s, r, c, f)) {
		fault_wrap(f, "record %llu: %s", (unsigned long long)r->number,
			   record_kind_name(r->kind));
		return E_INVALID;
	}
	return 0;
}

static void apply_record(struct session *s, const struct record *r, struct content *c)
{
	int64_t at = r->at_us > s->last_us ? r->at_us : s->last_us;
	s->now = (struct moment){ .record = r->number, .at_us = at, .arrived_us = at };
	s->effects.of_record = 0;
	s->stage = 0;
	/* A timer may be what stopped the process: a stand-in only flags. */
	if (r->kind != RECORD_QUARANTINED)
		timers_run(s, at);
	on_record[r->kind].apply(s, r, c);
	s->last_us = at;
}

int session_apply(struct session *s, const struct record *r, const struct call_host *host,
		  struct fault *f)
{
	struct content c = { .settings_mem = { .first = SETTINGS_BYTES } };
	s->host = host;
	int rc = read_record(s, r, &c, f);
	if (rc == 0)
		apply_record(s, r, &c);
	kept_free(&c.bind);
	arena_fini(&c.settings_mem);
	arena_fini(&s->scratch);
	s->host = NULL;
	return rc;
}

/* --- views --- */

int64_t session_deadline(const struct session *s)
{
	return timers_next(s);
}

bool session_expired(const struct session *s, int64_t now_us)
{
	bool over = session_ended(s);
	int64_t idle_ms = over ? 0 : s->settings.idle_close_ms;
	return (over || s->timers_stopped) &&
	       now_us >= s->last_us + (idle_ms + s->settings.linger_ms) * MS_US;
}

void session_stop_timers(struct session *s)
{
	s->timers_stopped = true;
}

uint32_t session_repeated_tools(const struct session *s)
{
	return s->tools.repeated;
}

const struct settings *session_settings(const struct session *s)
{
	return s->bound ? &s->settings : NULL;
}

bool session_ended(const struct session *s)
{
	return s->status.ended || s->status.aftermath;
}

uint64_t session_first_record(const struct session *s)
{
	return s->first_record;
}

uint64_t session_last_seq(const struct session *s)
{
	return s->last_seq;
}

struct span session_provider_call_id(const struct session *s)
{
	return facts_get(s, FACT_provider_call_id);
}

struct span session_telephony_id(const struct session *s)
{
	return facts_get(s, FACT_telephony_id);
}

struct span session_listen_url(const struct session *s)
{
	return facts_get(s, FACT_listen_url);
}

bool session_in_progress(const struct session *s)
{
	return !s->status.ended && span_is(kept_span(&s->status.status), "in-progress");
}

struct uuid session_conversation(const struct session *s)
{
	return s->facts.conversation;
}

size_t session_bytes(const struct session *s)
{
	size_t n = sizeof(*s) + s->bind.n + s->settings_mem.total + facts_bytes(s);
	n += seen_bytes(&s->seen) + seen_bytes(&s->recent);
	n += s->effects.cap * sizeof(*s->effects.items) + s->ways.cap * sizeof(*s->ways.items);
	for (size_t i = 0; stages[i]; i++)
		n += stages[i]->bytes ? stages[i]->bytes(s) : 0;
	return n;
}

void session_open_effects(const struct session *s,
			  void (*each)(void *user, const struct uuid *effect, enum effect_kind,
				       bool intent_seen),
			  void *user)
{
	for (uint32_t i = 0; i < s->effects.n; i++)
		each(user, &s->effects.items[i].id, s->effects.items[i].kind,
		     s->effects.items[i].intent);
}
