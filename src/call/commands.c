/* Commands to the running call: requested ─► accepted ─► effect seen | not observable | timed out,
 * or rejected, or unknown.
 *
 * Failure modes
 *   same key again            the command that is there, as it is now; nothing is sent
 *   call ended, no URL        rejected at once, with the reason
 *   nothing left to do (404)  accepted, where the dialect says that it is so already; how the call
 * stands is asked at once
 *   provider says no          rejected with its status and the beginning of its answer, or what the
 * dialect reads in it
 *   not sent                  rejected: not delivered
 *   sent, no answer           unknown; never sent again by itself. If its effect is seen within the
 * verb's time, it becomes effect_seen effect before the answer  kept as evidence; counts once the
 * answer is there table full                the oldest settled command is forgotten; when none is
 * settled, the new one is rejected */
#include "call/parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { CONTROL_TIMEOUT_MS = 10000, ERROR_BODY_BYTES = 200 };

static void command_fini(struct held_command *c)
{
	observe_end(c);
	free(c->mem);
	kept_free(&c->error);
	kept_free(&c->evidence);
	kept_free(&c->party);
	kept_free(&c->message);
}

static bool settled(const struct held_command *c)
{
	return command_state_final(c->state) && !c->deadline_us;
}

static bool forget_one(struct commands_state *cs)
{
	for (uint32_t i = 0; i < cs->n; i++) {
		if (!settled(&cs->items[i]))
			continue;
		command_fini(&cs->items[i]);
		memmove(cs->items + i, cs->items + i + 1, (cs->n - i - 1) * sizeof(*cs->items));
		cs->n--;
		return true;
	}
	return false;
}

static struct span put_at(char **p, struct span text)
{
	struct span copy = { *p, text.n };
	if (text.n)
		memcpy(*p, text.p, text.n);
	*p += text.n;
	return copy;
}

/* One block holds all texts of a command. */
static void copy_texts(struct held_command *h, const struct command *c)
{
	h->mem_bytes =
		c->text.n + c->role.n + c->destination.raw.n + c->actor.n + c->reason.n + c->key.n;
	h->mem = malloc(h->mem_bytes + 1);
	CHECK(h->mem);
	char *p = h->mem;
	h->c = *c;
	h->c.text = put_at(&p, c->text);
	h->c.role = put_at(&p, c->role);
	h->c.destination.raw = put_at(&p, c->destination.raw);
	h->c.actor = put_at(&p, c->actor);
	h->c.reason = put_at(&p, c->reason);
	h->c.key = put_at(&p, c->key);
}

static struct held_command *add_command(struct session *s, const struct command *c)
{
	struct commands_state *cs = &s->commands;
	if (cs->n == cs->cap) {
		cs->cap = cs->cap ? cs->cap * 2 : 4;
		cs->items = realloc(cs->items, cs->cap * sizeof(*cs->items));
		CHECK(cs->items);
	}
	struct held_command *h = &cs->items[cs->n++];
	*h = (struct held_command){ .requested_us = s->now.at_us };
	copy_texts(h, c);
	return h;
}

static const struct held_command *find(const struct session *s, const struct uuid *id,
				       struct span key)
{
	for (uint32_t i = 0; i < s->commands.n; i++) {
		const struct held_command *h = &s->commands.items[i];
		if ((id && uuid_eq(&h->c.id, id)) || (key.n && span_eq(h->c.key, key)))
			return h;
	}
	return NULL;
}

static struct held_command *by_id(struct session *s, const struct uuid *id)
{
	for (uint32_t i = 0; i < s->commands.n; i++)
		if (uuid_eq(&s->commands.items[i].c.id, id))
			return &s->commands.items[i];
	return NULL;
}

/* --- events --- */

static void put_latency(struct json_out *o, const char *key, int64_t from_us, int64_t to_us)
{
	if (to_us)
		json_put_i64(o, key, (to_us - from_us) / MS_US);
	else
		json_put_null(o, key);
}

void commands_put(const struct held_command *h, struct json_out *o)
{
	const struct command *c = &h->c;
	pipeline_put_uuid(o, "command_id", &c->id);
	json_put_z(o, "verb", command_verb_name(c->verb));
	json_put_z(o, "target", c->target == TARGET_CUSTOMER ? "customer" : "assistant");
	json_put_z(o, "state", command_state_name(h->state));
	pipeline_put_text(o, "text", c->text);
	if (c->verb == COMMAND_ADD_MESSAGE)
		pipeline_put_text(o, "role", c->role);
	if (json_has(c->destination))
		pipeline_put_json(o, "destination", c->destination);
	pipeline_put_text(o, "actor", c->actor);
	pipeline_put_text(o, "reason", c->reason);
	pipeline_put_text(o, "key", c->key);
	pipeline_put_time(o, "requested_at", h->requested_us);
	pipeline_put_time(o, "accepted_at", h->accepted_us);
	pipeline_put_time(o, "effect_at", h->effect_us);
	put_latency(o, "latency_ms", h->requested_us, h->accepted_us);
	put_latency(o, "effect_latency_ms", h->requested_us, h->effect_us);
	pipeline_put_text(o, "error", kept_span(&h->error));
	pipeline_put_text(o, "evidence", kept_span(&h->evidence));
}

static void tell(struct session *s, const struct held_command *h)
{
	struct buf json AUTO_BUF = { 0 };
	struct json_out o = { .b = &json };
	json_begin(&o, NULL);
	commands_put(h, &o);
	json_end(&o);
	s->host->command_changed(s->host->self, &h->c.id, h->state, buf_span(&json));
}

/* Emitting shows the event to later stages only; none of them touches commands, so h stays where it
 * is. */
static void change(struct session *s, struct held_command *h, enum command_state state)
{
	struct draft d;
	h->state = state;
	draft_begin(s, &d, EVENT_COMMAND, 0);
	commands_put(h, &d.o);
	h->seq = seq_of(s->now.record, s->now.index);
	draft_emit(s, &d);
	tell(s, h);
}

static void stop_watching(struct held_command *h)
{
	h->deadline_us = 0;
	observe_end(h);
}

static void reject(struct session *s, struct held_command *h, struct span why)
{
	kept_set(&h->error, why);
	stop_watching(h);
	change(s, h, COMMAND_STATE_REJECTED);
}

/* --- asking --- */

/* What the recorder is asked for, too. */
static bool is_recorders(enum command_verb verb)
{
	return verb == COMMAND_RECORD_PAUSE || verb == COMMAND_RECORD_RESUME;
}

static struct command_where where_of(const struct session *s, enum command_verb verb,
				     enum command_target target, struct call_party *party)
{
	bool records = is_recorders(verb);
	struct span recording = records ? parties_recording(s, party) : (struct span){ 0 };
	bool somebody = records ? recording.n > 0 : parties_choose(s, target, party);
	return (struct command_where){
		.control_url = facts_get(s, FACT_control_url),
		.provider_call_id = session_provider_call_id(s),
		.party = somebody ? party : NULL,
		.recording = recording,
		.kind = facts_get(s, FACT_kind),
		.customer_number = facts_get(s, FACT_customer_number),
		.phone_number = facts_get(s, FACT_phone_number),
	};
}

static const char *refusal(const struct session *s, enum command_verb verb,
			   const struct command_where *where)
{
	if (s->status.ended)
		return "call has ended";
	if (is_recorders(verb))
		return NULL; /* whether it records, it knows itself */
	const char *why = s->dialect->cannot(verb, where);
	return !why && s->settings.no_session ? DIALECT_NO_SESSION : why;
}

/* Of recordings what is known without asking the recorder. */
static const char *refusal_now(const struct session *s, enum command_verb verb)
{
	struct call_party party;
	const struct command_where where = where_of(s, verb, TARGET_ASSISTANT, &party);
	const char *why = refusal(s, verb, &where);
	int64_t ms;
	if (why || !is_recorders(verb) || session_records(s, &ms))
		return why;
	return s->dialect->cannot(verb, &where);
}

void commands_put_can(const struct session *s, struct json_out *o)
{
	json_begin(o, "can");
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		enum command_verb verb = (enum command_verb)i;
		const char *why = refusal_now(s, verb);
		if (why)
			json_put_z(o, command_verb_name(verb), why);
		else
			json_put_bool(o, command_verb_name(verb), true);
	}
	json_end(o);
}

/* Without a control URL, over the socket of its audio, where calls of this kind take commands. */
static enum effect_kind way_of(const struct session *s, const struct command_where *where)
{
	const char *kind = s->dialect->socket_kind;
	bool socket = !where->control_url.n && kind && span_is(where->kind, kind);
	return socket ? EFFECT_SOCKET : EFFECT_CONTROL;
}

static void ask(struct session *s, struct held_command *h, const struct command_where *where,
		enum effect_kind kind)
{
	struct effect e = {
		.kind = kind, .command = &h->c, .where = *where, .timeout_ms = CONTROL_TIMEOUT_MS
	};
	h->open++;
	effects_ask(s, &e, &h->c.id);
}

static void send(struct session *s, struct held_command *h, const struct command_where *where)
{
	if (where->party)
		kept_set(&h->party, where->party->id);
	observe_begin(s, h);
	if (!s->dialect->cannot(h->c.verb, where))
		ask(s, h, where, way_of(s, where));
	if (is_recorders(h->c.verb))
		ask(s, h, where, EFFECT_RECORDER);
}

void commands_request(struct session *s, const struct command *c)
{
	const struct held_command *known = find(s, &c->id, c->key);
	if (known) {
		tell(s, known);
		return;
	}
	bool room = s->commands.n < COMMANDS_HELD || forget_one(&s->commands);
	if (!room)
		session_flag(s, FLAG_COMMANDS_FULL);
	struct held_command *h = add_command(s, c);
	struct call_party party;
	const struct command_where where = where_of(s, c->verb, c->target, &party);
	const char *why = room ? refusal(s, c->verb, &where)
			       : "too many commands of this call are not settled";
	change(s, h, COMMAND_STATE_REQUESTED);
	if (why)
		reject(s, h, span_of(why));
	else
		send(s, h, &where);
	if (!room) { /* told, not kept */
		command_fini(h);
		s->commands.n--;
	}
}

/* --- what came of it --- */

static void watch_until(struct session *s, struct held_command *h)
{
	h->deadline_us = s->now.at_us + observe_patience_ms(s, h->c.verb) * MS_US;
}

static const char *recorders_word(enum command_verb verb)
{
	return verb == COMMAND_RECORD_PAUSE ? "the recorder has paused" : "the recorder goes on";
}

static void accept(struct session *s, struct held_command *h)
{
	h->accepted_us = s->now.at_us;
	h->ai_spoke |= s->speech.reported && speech_of(s, SPEAKER_AI);
	s->counts.interventions++;
	change(s, h, COMMAND_STATE_ACCEPTED);
	if (h->recorder_done) {
		commands_effect_seen(s, h, recorders_word(h->c.verb));
	} else if (h->evidence.n) {
		stop_watching(h);
		change(s, h, COMMAND_STATE_EFFECT_SEEN);
	} else if (!observe_possible(h)) {
		stop_watching(h);
		change(s, h, COMMAND_STATE_NOT_OBSERVABLE);
	} else {
		watch_until(s, h);
	}
}

static void unknown(struct session *s, struct held_command *h)
{
	change(s, h, COMMAND_STATE_UNKNOWN);
	if (h->evidence.n) {
		stop_watching(h);
		change(s, h, COMMAND_STATE_EFFECT_SEEN);
	} else if (observe_possible(h)) {
		watch_until(s, h);
	} else {
		stop_watching(h);
	}
}

static void rejected(struct session *s, struct held_command *h)
{
	stop_watching(h);
	change(s, h, COMMAND_STATE_REJECTED);
}

static void (*const conclude[])(struct session *, struct held_command *) = {
	[PART_NOTHING] = rejected,
	[PART_DONE] = accept,
	[PART_REFUSED] = rejected,
	[PART_UNKNOWN] = unknown,
};

static bool is_good(const struct outcome *o)
{
	return o->end == OUTCOME_DONE ||
	       (o->end == OUTCOME_ANSWERED && o->status >= 200 && o->status <= 299);
}

static bool is_so(const struct session *s, const struct held_command *h, const struct outcome *o)
{
	bool (*says)(enum command_verb, int status) = s->dialect->is_so;
	return o->end == OUTCOME_ANSWERED && says && says(h->c.verb, o->status);
}

/* The recorder has nothing to do where only the provider records: no failure of the whole. */
static enum command_part part_of(const struct open_effect *e, const struct outcome *o, bool is_so)
{
	if (is_good(o) || is_so)
		return PART_DONE;
	if (o->end == OUTCOME_UNKNOWN)
		return PART_UNKNOWN;
	return e->kind == EFFECT_RECORDER ? PART_NOTHING : PART_REFUSED;
}

/* In the provider's words, one line of them where it is known which. */
static struct span told(struct session *s, const struct outcome *o)
{
	if (o->end != OUTCOME_ANSWERED)
		return o->error;
	struct span line = s->dialect->explain ? s->dialect->explain(o->body, &s->scratch)
					       : (struct span){ 0 };
	return line.n ? line : o->body;
}

/* Neither the provider's recording nor ours: both say why. */
static void explain_nothing(struct session *s, struct held_command *h, struct span recorders)
{
	struct call_party party;
	char why[2 * ERROR_BODY_BYTES];
	const struct command_where where = where_of(s, h->c.verb, h->c.target, &party);
	bool could = !s->dialect->cannot(h->c.verb, NULL);
	const char *providers = could ? s->dialect->cannot(h->c.verb, &where) : NULL;
	int n = snprintf(why, sizeof(why), "%s%s%.*s", providers ? providers : "",
			 providers ? "; " : "", SPAN_ARG(kept_clip(recorders, ERROR_BODY_BYTES)));
	kept_set(&h->error, (struct span){ why, (size_t)n });
}

static void explain(struct session *s, struct held_command *h, enum command_part part,
		    const struct outcome *o)
{
	char what[64], why[ERROR_BODY_BYTES + 64];
	struct span more = told(s, o);
	if (part == PART_NOTHING) {
		explain_nothing(s, h, more);
		return;
	}
	snprintf(what, sizeof(what), "the provider answered %d", o->status);
	const char *begin = o->end == OUTCOME_ANSWERED	 ? what
			    : o->end == OUTCOME_NOT_SENT ? "not delivered"
			    : o->timed_out		 ? "timed out"
							 : "no answer";
	int n = snprintf(why, sizeof(why), "%s%s%.*s", begin, more.n ? ": " : "",
			 SPAN_ARG(kept_clip(more, ERROR_BODY_BYTES)));
	kept_set(&h->error, (struct span){ why, (size_t)n });
}

/* Its word is the effect. What it was not told (a crash in between) it is told when it runs again.
 */
static void recorder_outcome(struct session *s, struct held_command *h, enum command_part part)
{
	if (part != PART_DONE && part != PART_UNKNOWN)
		return;
	bool pause = h->c.verb == COMMAND_RECORD_PAUSE;
	if (pause && !s->commands.recording_paused)
		s->commands.recording_paused_us = h->requested_us;
	s->commands.recording_paused = pause;
	h->recorder_done = part == PART_DONE;
}

/* What the answer tells of the call. The message is known before its delivery is told. */
static void read_answer(struct session *s, struct held_command *h, const struct outcome *o,
			struct inputs *out)
{
	if (!s->dialect->read_answer || json_check(o->body, NULL) ||
	    s->dialect->read_answer(&h->c, o->body, &s->scratch, out, NULL))
		return;
	for (size_t i = 0; i < out->n; i++)
		if (out->items[i].type == INPUT_DELIVERY)
			kept_set(&h->message, out->items[i].id);
}

/* A command is what became of the worst part of it, when all of them have ended. */
void commands_outcome(struct session *s, const struct open_effect *e, const struct outcome *o,
		      struct inputs *told)
{
	struct held_command *h = by_id(s, &e->of);
	if (!h || h->state != COMMAND_STATE_REQUESTED)
		return;
	bool so = is_so(s, h, o);
	enum command_part part = part_of(e, o, so);
	if (o->end == OUTCOME_ANSWERED && is_good(o))
		read_answer(s, h, o, told);
	if (e->kind == EFFECT_RECORDER)
		recorder_outcome(s, h, part);
	if (part > h->worst || (part == h->worst && part == PART_NOTHING)) {
		h->worst = part;
		kept_free(&h->error);
		if (part != PART_DONE)
			explain(s, h, part, o);
	}
	if (--h->open == 0)
		conclude[h->worst](s, h);
	if (so && !s->status.ended && !s->status.asking)
		(void)status_ask(s);
}

bool session_recording_paused(const struct session *s)
{
	return s->commands.recording_paused && !s->status.ended;
}

int64_t session_recording_paused_us(const struct session *s)
{
	return s->commands.recording_paused_us;
}

void commands_effect_seen(struct session *s, struct held_command *h, const char *evidence)
{
	if (h->evidence.n)
		return;
	kept_set(&h->evidence, span_of(evidence));
	h->effect_us = s->now.at_us;
	if (h->state == COMMAND_STATE_REQUESTED)
		return; /* counts when the provider's answer is there */
	stop_watching(h);
	change(s, h, COMMAND_STATE_EFFECT_SEEN);
}

void commands_failed(struct session *s, struct held_command *h, struct span why)
{
	if (h->state == COMMAND_STATE_ACCEPTED)
		reject(s, h, why);
}

/* --- the stage --- */

static bool watching(const struct held_command *h)
{
	return h->state == COMMAND_STATE_REQUESTED || h->deadline_us;
}

static void event(struct session *s, const struct event *e)
{
	for (uint32_t i = 0; i < s->commands.n; i++)
		if (watching(&s->commands.items[i]))
			observe_event(s, &s->commands.items[i], e);
}

static int64_t deadline(const struct session *s)
{
	int64_t next = INT64_MAX;
	for (uint32_t i = 0; i < s->commands.n; i++) {
		int64_t due = s->commands.items[i].deadline_us;
		next = due && due < next ? due : next;
	}
	return next;
}

static void timer(struct session *s)
{
	for (uint32_t i = 0; i < s->commands.n; i++) {
		struct held_command *h = &s->commands.items[i];
		if (!h->deadline_us || h->deadline_us > s->now.at_us)
			continue;
		stop_watching(h);
		if (h->state == COMMAND_STATE_ACCEPTED)
			change(s, h, COMMAND_STATE_TIMED_OUT);
	}
}

static size_t bytes(const struct session *s)
{
	size_t n = s->commands.cap * sizeof(*s->commands.items);
	for (uint32_t i = 0; i < s->commands.n; i++) {
		const struct held_command *h = &s->commands.items[i];
		n += h->mem_bytes + h->error.n + h->evidence.n + h->party.n + h->message.n;
		n += h->watch.n * sizeof(uint32_t);
		for (unsigned k = 0; k < HEARD_SOURCES; k++)
			n += h->watch.heard[k].words ? h->watch.cap * sizeof(uint32_t) : 0;
	}
	return n;
}

static void fini(struct session *s)
{
	for (uint32_t i = 0; i < s->commands.n; i++)
		command_fini(&s->commands.items[i]);
	free(s->commands.items);
}

bool session_command(const struct session *s, const struct uuid *id, struct span key,
		     struct buf *out)
{
	const struct held_command *h = find(s, id, key);
	struct json_out o = { .b = out };
	if (!h)
		return false;
	json_begin(&o, NULL);
	commands_put(h, &o);
	json_end(&o);
	return true;
}

const struct stage commands_stage = {
	.name = "commands",
	.wants = STAGE_WANTS(TRANSCRIPT_FINAL) | STAGE_WANTS(SPEAKING_TEXT) | STAGE_WANTS(MESSAGE) |
		 STAGE_WANTS(SPEECH_STARTED) | STAGE_WANTS(SPEECH_STOPPED) |
		 STAGE_WANTS(CALL_STATUS) | STAGE_WANTS(CALL_ENDED) | STAGE_WANTS(TRANSFER) |
		 STAGE_WANTS(PARTY) | STAGE_WANTS(DELIVERY) | STAGE_WANTS(AUDIO_ATTACHED) |
		 STAGE_WANTS(AUDIO_DETACHED) | STAGE_WANTS(AUDIO_HELD),
	.event = event,
	.deadline = deadline,
	.timer = timer,
	.bytes = bytes,
	.fini = fini,
};
