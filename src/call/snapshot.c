#include "call/parts.h"

static const char *const flag_names[FLAG_COUNT] = {
#define X(id, text) [FLAG_##id] = text,
	FLAGS(X)
#undef X
};

const char *snapshot_flag_name(enum flag f)
{
	return flag_names[f];
}

static void put_fact(const struct session *s, struct json_out *o, const char *key, enum fact f)
{
	pipeline_put_text(o, key, facts_get(s, f));
}

static void put_identity(const struct session *s, struct json_out *o)
{
	pipeline_put_uuid(o, "id", &s->id);
	put_fact(s, o, "provider_call_id", FACT_provider_call_id);
	pipeline_put_uuid(o, "conversation_id", &s->facts.conversation);
	pipeline_put_uuid(o, "source_id", &s->settings.source);
	pipeline_put_text(o, "source", s->settings.source_name);
	pipeline_put_text(o, "dialect", s->settings.dialect);
	pipeline_put_uuid(o, "project_id", &s->settings.project);
	pipeline_put_uuid(o, "org_id", &s->settings.org);
	put_fact(s, o, "kind", FACT_kind);
}

static void put_status(const struct session *s, struct json_out *o)
{
	const struct status_state *st = &s->status;
	pipeline_put_text(o, "status", kept_span(&st->status));
	json_put_bool(o, "live", s->facts.known && !session_ended(s));
	pipeline_put_time(o, "started_at", st->started_us);
	pipeline_put_time(o, "ended_at", st->ended_us);
	if (st->duration_ms >= 0)
		json_put_i64(o, "duration_ms", st->duration_ms);
	else
		json_put_null(o, "duration_ms");
	pipeline_put_text(o, "ended_reason", kept_span(&st->reason));
	json_put_z(o, "ended_class", st->ended ? status_class_name(st->end_class) : NULL);
}

static void put_people(const struct session *s, struct json_out *o)
{
	json_begin(o, "customer");
	put_fact(s, o, "number", FACT_customer_number);
	put_fact(s, o, "name", FACT_customer_name);
	json_end(o);
	json_begin(o, "assistant");
	put_fact(s, o, "id", FACT_assistant_id);
	put_fact(s, o, "name", FACT_assistant_name);
	put_fact(s, o, "version", FACT_assistant_version);
	json_end(o);
	put_fact(s, o, "phone_number", FACT_phone_number);
}

static void put_speech(const struct session *s, struct json_out *o)
{
	enum speaker now = speech_now(s);
	json_put_bool(o, "transcript_live", s->transcript.live);
	json_put_z(o, "speaking", now == SPEAKER_NONE ? NULL : speaker_name(now));
	json_begin(o, "sentiment");
	json_put_z(o, "ai", sentiment_name(s->sentiment.now[SPEAKER_AI]));
	json_put_z(o, "user", sentiment_name(s->sentiment.now[SPEAKER_USER]));
	json_put_z(o, "call", sentiment_name(s->sentiment.now[SPEAKER_USER]));
	json_end(o);
}

static void put_counts(const struct session *s, struct json_out *o)
{
	json_begin(o, "counts");
#define X(name) json_put_i64(o, #name, s->counts.name);
	COUNTS(X)
#undef X
	json_end(o);
}

static void put_result(const struct session *s, struct json_out *o)
{
	const struct status_state *st = &s->status;
	pipeline_put_text(o, "outcome", kept_span(&st->outcome));
	if (st->has_cost)
		json_put_f64(o, "cost", st->cost);
	else
		json_put_null(o, "cost");
	pipeline_put_text(o, "summary", kept_span(&st->summary));
	pipeline_put_uuid(o, "instruction_version", &s->facts.instruction);
}

static void put_flags(const struct session *s, struct json_out *o)
{
	json_begin_array(o, "flags");
	for (unsigned i = 0; i < FLAG_COUNT; i++)
		if (s->flags >> i & 1)
			json_put_z(o, NULL, flag_names[i]);
	json_end_array(o);
}

static void put_commands(const struct session *s, struct json_out *o, uint32_t most, bool open_only)
{
	uint32_t n = s->commands.n, from = n > most ? n - most : 0;
	json_begin_array(o, "commands");
	for (uint32_t i = from; i < n; i++) {
		const struct held_command *h = &s->commands.items[i];
		if (open_only && command_state_final(h->state))
			continue;
		json_begin(o, NULL);
		commands_put(h, o);
		json_end(o);
	}
	json_end_array(o);
}

/* When it began, on our clock: the platform's may be hours off. */
static int64_t began_us(const struct session *s)
{
	const struct status_state *st = &s->status;
	return st->started_us ? pipeline_local(s, st->started_us, st->started_own_clock) : 0;
}

static void put_summary(const struct session *s, struct json_out *o)
{
	put_identity(s, o);
	put_status(s, o);
	pipeline_put_time(o, "began_at", began_us(s));
	pipeline_put_time(o, "first_at", s->first_us ? s->first_us : s->bound_us);
	put_people(s, o);
	put_speech(s, o);
	put_counts(s, o);
	put_result(s, o);
	parties_put(s, o);
	sound_put(s, o);
	put_flags(s, o);
}

void session_summary(const struct session *s, struct buf *out)
{
	struct json_out o = { .b = out };
	json_begin(&o, NULL);
	put_summary(s, &o);
	checklist_put_counts(s, &o);
	put_commands(s, &o, COMMANDS_HELD, true);
	json_put_i64(&o, "last_seq", (int64_t)s->last_seq);
	json_end(&o);
}

static void put_turn(const struct session *s, struct json_out *o, const struct turn *t)
{
	json_begin(o, NULL);
	json_put_z(o, "speaker", speaker_name((enum speaker)t->speaker));
	json_put_text(o, "text", kept_span(&t->text));
	pipeline_put_time(o, "at", t->started_us);
	json_put_i64(o, "offset_ms", pipeline_offset_ms(s, t->started_us, t->own_clock));
	json_put_i64(o, "turn", t->number);
	json_put_i64(o, "revision", t->revision);
	json_put_bool(o, "open", t->seq == 0);
	json_end(o);
}

static void put_turns(const struct session *s, struct json_out *o)
{
	uint32_t n = s->turns.hot_n, from = n > TURNS_SHOWN ? n - TURNS_SHOWN : 0;
	json_begin_array(o, "turns");
	for (uint32_t i = from; i < n; i++)
		put_turn(s, o, &s->turns.hot[i]);
	json_end_array(o);
	json_begin(o, "partial");
	pipeline_put_text(o, "ai", kept_span(&s->transcript.partial[SPEAKER_AI]));
	pipeline_put_text(o, "user", kept_span(&s->transcript.partial[SPEAKER_USER]));
	json_end(o);
}

static void put_tools(const struct session *s, struct json_out *o)
{
	uint32_t n = s->tools.n, from = n > TOOLS_SHOWN ? n - TOOLS_SHOWN : 0;
	json_begin_array(o, "tools");
	for (uint32_t i = from; i < n; i++) {
		json_begin(o, NULL);
		tools_put(&s->tools.items[i], o);
		json_end(o);
	}
	json_end_array(o);
}

static void put_signals(const struct session *s, struct json_out *o)
{
	json_begin_array(o, "signals");
	for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
		if (!signals_raised(s, (enum signal_id)i))
			continue;
		json_begin(o, NULL);
		signals_put(s, (enum signal_id)i, o);
		json_end(o);
	}
	json_end_array(o);
}

void session_snapshot(const struct session *s, struct buf *out)
{
	struct json_out o = { .b = out };
	json_begin(&o, NULL);
	put_summary(s, &o);
	put_commands(s, &o, COMMANDS_SHOWN, false);
	commands_put_can(s, &o);
	put_turns(s, &o);
	put_tools(s, &o);
	put_signals(s, &o);
	checklist_put(s, &o);
	context_put(s, &o);
	json_put_bool(&o, "escalated", s->rules_done >> SETTINGS_RULE_ESCALATE_ON_FRUSTRATION & 1);
	json_put_i64(&o, "last_seq", (int64_t)s->last_seq);
	json_end(&o);
}
