/* Commands to the running call: requested ─► accepted ─► effect seen | not observable | timed out,
 * or rejected, or unknown.
 *
 * Failure modes
 *   same key again            the command that is there, as it is now; nothing is sent
 *   call ended, no URL        rejected at once, with the reason
 *   provider says no          rejected with its status and the beginning of its answer
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

static const char *refusal(const struct session *s, const struct command *c)
{
	if (s->status.ended)
		return "call has ended";
	if (!facts_get(s, FACT_control_url).n)
		return "the provider gave no control URL";
	if (!(s->dialect->can >> c->verb & 1))
		return "this provider has no such command";
	return NULL;
}

static void send(struct session *s, struct held_command *h)
{
	struct effect e = { .kind = EFFECT_CONTROL,
			    .command = &h->c,
			    .control_url = facts_get(s, FACT_control_url),
			    .timeout_ms = CONTROL_TIMEOUT_MS };
	observe_begin(s, h);
	effects_ask(s, &e, &h->c.id);
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
	const char *why = room ? refusal(s, c) : "too many commands of this call are not settled";
	change(s, h, COMMAND_STATE_REQUESTED);
	if (why)
		reject(s, h, span_of(why));
	else
		send(s, h);
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

static void accept(struct session *s, struct held_command *h)
{
	h->accepted_us = s->now.at_us;
	h->ai_spoke |= s->speech.reported && speech_of(s, SPEAKER_AI);
	s->counts.interventions++;
	change(s, h, COMMAND_STATE_ACCEPTED);
	if (h->evidence.n) {
		stop_watching(h);
		change(s, h, COMMAND_STATE_EFFECT_SEEN);
	} else if (!observe_possible(h)) {
		stop_watching(h);
		change(s, h, COMMAND_STATE_NOT_OBSERVABLE);
	} else {
		watch_until(s, h);
	}
}

static void unknown(struct session *s, struct held_command *h, const struct outcome *o)
{
	char why[256];
	int n = snprintf(why, sizeof(why), "%s%s%.*s", o->timed_out ? "timed out" : "no answer",
			 o->error.n ? ": " : "", SPAN_ARG(kept_clip(o->error, ERROR_BODY_BYTES)));
	kept_set(&h->error, (struct span){ why, (size_t)n });
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

static void refused(struct session *s, struct held_command *h, const struct outcome *o)
{
	char why[ERROR_BODY_BYTES + 64];
	int n = snprintf(why, sizeof(why), "the provider answered %d%s%.*s", o->status,
			 o->body.n ? ": " : "", SPAN_ARG(kept_clip(o->body, ERROR_BODY_BYTES)));
	reject(s, h, (struct span){ why, (size_t)n });
}

static void not_delivered(struct session *s, struct held_command *h, const struct outcome *o)
{
	char why[ERROR_BODY_BYTES + 64];
	int n = snprintf(why, sizeof(why), "not delivered%s%.*s", o->error.n ? ": " : "",
			 SPAN_ARG(kept_clip(o->error, ERROR_BODY_BYTES)));
	reject(s, h, (struct span){ why, (size_t)n });
}

void commands_outcome(struct session *s, const struct open_effect *e, const struct outcome *o)
{
	struct held_command *h = by_id(s, &e->of);
	if (!h || h->state != COMMAND_STATE_REQUESTED)
		return;
	if (o->end == OUTCOME_UNKNOWN)
		unknown(s, h, o);
	else if (o->end == OUTCOME_NOT_SENT)
		not_delivered(s, h, o);
	else if (o->status >= 200 && o->status <= 299)
		accept(s, h);
	else
		refused(s, h, o);
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
		n += h->mem_bytes + h->error.n + h->evidence.n;
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
		 STAGE_WANTS(CALL_STATUS) | STAGE_WANTS(CALL_ENDED) | STAGE_WANTS(TRANSFER),
	.event = event,
	.deadline = deadline,
	.timer = timer,
	.bytes = bytes,
	.fini = fini,
};
