#include "node/watch_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "callmend/command.h"
#include "callmend/event.h"
#include "node/text.h"

enum { LINES_DROPPED = 50, ARGUMENTS_SHOWN = 60, RESULT_SHOWN = 120, SAID_SHOWN = 120 };

/* --- small readers --- */

/* As much as fits, whole characters, harmless. */
static void copy_text(char *out, size_t size, struct span s)
{
	struct buf b AUTO_BUF = { 0 };

	text_clip(&b, s, size / 4);
	snprintf(out, size, "%s", buf_z(&b));
}

static void get_text(struct json object, const char *name, char *out, size_t size)
{
	struct arena a = { 0 };
	struct json v = json_get(object, name);

	if (v.kind == JSON_STRING)
		copy_text(out, size, json_text(v, &a));
	arena_fini(&a);
}
#define GET_TEXT(object, name, array) get_text(object, name, array, sizeof(array))

/* Ids and the like: as they are, or not at all. */
static void get_id(struct json object, const char *name, char out[UUID_TEXT + 1])
{
	struct arena a = { 0 };
	struct span s = json_text(json_get(object, name), &a);

	snprintf(out, UUID_TEXT + 1, "%.*s", s.n <= UUID_TEXT ? (int)s.n : 0, s.n ? s.p : "");
	arena_fini(&a);
}

static int64_t get_i64(struct json object, const char *name, int64_t missing)
{
	int64_t v;

	return json_i64(json_get(object, name), &v) ? v : missing;
}

static int64_t get_time(struct json object, const char *name)
{
	struct arena a = { 0 };
	int64_t us = 0;

	if (!clock_parse(json_text(json_get(object, name), &a), &us))
		us = 0;
	arena_fini(&a);
	return us;
}

static enum speaker get_speaker(struct json object, const char *name)
{
	struct json v = json_get(object, name);

	return json_is_text(v, speaker_name(SPEAKER_AI))     ? SPEAKER_AI
	       : json_is_text(v, speaker_name(SPEAKER_USER)) ? SPEAKER_USER
							     : SPEAKER_NONE;
}

static char *text_of(struct json object, const char *name)
{
	struct arena a = { 0 };
	struct buf b = { 0 };

	text_clean(&b, json_text(json_get(object, name), &a));
	arena_fini(&a);
	buf_z(&b);
	return b.p;
}

/* --- transcript lines --- */

static struct watch_line *add_line(struct watch_call *c, enum watch_line_kind kind,
				   int64_t offset_ms, char *text)
{
	if (c->lines_n == WATCH_LINES_MAX) {
		for (unsigned i = 0; i < LINES_DROPPED; i++)
			free(c->lines[i].text);
		c->lines_n -= LINES_DROPPED;
		memmove(c->lines, c->lines + LINES_DROPPED, c->lines_n * sizeof(*c->lines));
	}
	if (c->lines_n == c->lines_cap) {
		c->lines_cap = c->lines_cap ? c->lines_cap * 2 : 16;
		c->lines = realloc(c->lines, c->lines_cap * sizeof(*c->lines));
		CHECK(c->lines);
	}
	struct watch_line *l = &c->lines[c->lines_n++];
	*l = (struct watch_line){ .kind = kind,
				  .state = WATCH_LINE_DONE,
				  .offset_ms = offset_ms,
				  .turn = -1,
				  .text = text };
	return l;
}

static void set_text(struct watch_line *l, char *text)
{
	free(l->text);
	l->text = text;
}

static struct watch_line *keyed_line(struct watch_call *c, enum watch_line_kind kind,
				     const char *key, int64_t offset_ms)
{
	for (unsigned i = c->lines_n; i-- > 0 && *key;) {
		if (c->lines[i].kind == kind && strcmp(c->lines[i].key, key) == 0)
			return &c->lines[i];
	}
	struct watch_line *l = add_line(c, kind, offset_ms, NULL);
	snprintf(l->key, sizeof(l->key), "%s", key);
	return l;
}

static enum watch_line_kind speech_kind(enum speaker who)
{
	return who == SPEAKER_AI ? WATCH_LINE_AI : WATCH_LINE_USER;
}

/* The last thing this speaker said, unless the other one has spoken since. */
static struct watch_line *open_speech(struct watch_call *c, enum speaker who)
{
	for (unsigned i = c->lines_n; i-- > 0;) {
		struct watch_line *l = &c->lines[i];
		if (l->kind == speech_kind(who))
			return l->state == WATCH_LINE_OPEN ? l : NULL;
		if (l->kind <= WATCH_LINE_USER)
			return NULL;
	}
	return NULL;
}

static struct watch_line *turn_line(struct watch_call *c, enum speaker who, int64_t turn)
{
	for (unsigned i = c->lines_n; i-- > 0;) {
		if (c->lines[i].kind == speech_kind(who) && c->lines[i].turn == turn)
			return &c->lines[i];
	}
	return NULL;
}

static void set_partial(struct watch_call *c, enum speaker who, char *text)
{
	free(c->partial[who]);
	c->partial[who] = text && *text ? text : NULL;
	if (!c->partial[who])
		free(text);
}

/* A turn closes what its final transcripts have built up, wherever in between the other one began
 * to speak. */
static void put_turn(struct watch_call *c, enum speaker who, int64_t turn, int64_t offset_ms,
		     char *text)
{
	struct watch_line *l = turn_line(c, who, turn);

	for (unsigned i = c->lines_n; i-- > 0 && !l;) {
		if (c->lines[i].kind == speech_kind(who) && c->lines[i].state == WATCH_LINE_OPEN)
			l = &c->lines[i];
	}
	if (!l)
		l = add_line(c, speech_kind(who), offset_ms, NULL);
	set_text(l, text);
	l->turn = turn;
	l->state = WATCH_LINE_DONE;
}

/* --- tools and commands, from events and from snapshots --- */

static void put_clipped(struct buf *b, struct json v, size_t columns)
{
	struct arena a = { 0 };

	text_clip(b, v.kind == JSON_STRING ? json_text(v, &a) : v.raw, columns);
	arena_fini(&a);
}

/* "lookup_order {"id":7} ✓ 210 ms: shipped" */
static void put_tool(struct watch_call *c, struct json t, int64_t offset_ms, bool running)
{
	char id[UUID_TEXT + 1];
	struct buf b = { 0 };

	get_id(t, "tool_id", id);
	struct watch_line *l = keyed_line(c, WATCH_LINE_TOOL, id, offset_ms);
	bool ok = json_true(json_get(t, "success"));
	put_clipped(&b, json_get(t, "name"), ARGUMENTS_SHOWN);
	buf_addc(&b, ' ');
	put_clipped(&b, json_get(t, "arguments"), ARGUMENTS_SHOWN);
	if (running) {
		buf_addz(&b, " …");
	} else {
		buf_addz(&b, ok ? " ✓ " : " ✗ ");
		if (get_i64(t, "duration_ms", -1) >= 0) {
			text_latency(&b, get_i64(t, "duration_ms", 0));
			buf_addz(&b, ": ");
		}
		put_clipped(&b,
			    json_get(t, ok || !json_has(json_get(t, "error")) ? "result" : "error"),
			    RESULT_SHOWN);
	}
	buf_z(&b);
	set_text(l, b.p);
	l->state = running ? WATCH_LINE_OPEN : ok ? WATCH_LINE_DONE : WATCH_LINE_BAD;
}

static const struct {
	const char *state, *shown;
	enum watch_line_state line;
} command_states[] = {
	{ "requested", "requested", WATCH_LINE_OPEN },
	{ "accepted", "accepted", WATCH_LINE_OPEN },
	{ "effect_seen", "effect seen", WATCH_LINE_DONE },
	{ "not_observable", "accepted (effect not observable)", WATCH_LINE_DONE },
	{ "timed_out", "accepted, but no effect seen", WATCH_LINE_BAD },
	{ "rejected", "rejected", WATCH_LINE_BAD },
	{ "unknown", "unknown: no answer from the provider", WATCH_LINE_BAD },
};
enum { COMMAND_ROWS = sizeof(command_states) / sizeof(command_states[0]) };

static size_t command_row(struct json command)
{
	size_t i = 0;

	while (i < COMMAND_ROWS &&
	       !json_is_text(json_get(command, "state"), command_states[i].state))
		i++;
	return i;
}

static void put_command_text(struct buf *b, struct json command, size_t row)
{
	put_clipped(b, json_get(command, "verb"), SAID_SHOWN);
	if (json_is_text(json_get(command, "target"), "customer"))
		buf_addz(b, " customer");
	if (json_has(json_get(command, "text"))) {
		buf_addz(b, " “");
		put_clipped(b, json_get(command, "text"), SAID_SHOWN);
		buf_addz(b, "”");
	}
	buf_printf(b, " · %s", command_states[row].shown);
	int64_t ms = get_i64(command, "effect_latency_ms", get_i64(command, "latency_ms", -1));
	if (ms >= 0) {
		buf_addc(b, ' ');
		text_latency(b, ms);
	}
	if (json_has(json_get(command, "error"))) {
		buf_addz(b, ": ");
		put_clipped(b, json_get(command, "error"), RESULT_SHOWN);
	}
	buf_addz(b, " · ");
	put_clipped(b, json_get(command, "actor"), WATCH_TEXT_MAX);
}

/* What stays so until another command takes it back. */
static void note_switch(struct watch_call *c, struct json command)
{
	bool customer = json_is_text(json_get(command, "target"), "customer");
	struct {
		const char *on, *off;
		bool *state;
	} switches[] = {
		{ "mute", "unmute", customer ? &c->customer_muted : &c->assistant_muted },
		{ "record-pause", "record-resume", &c->recording_paused },
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		bool on = json_is_text(json_get(command, "verb"), switches[i].on);
		if (on || json_is_text(json_get(command, "verb"), switches[i].off))
			*switches[i].state = on;
	}
}

static enum watch_line_kind command_kind(struct json command)
{
	struct arena a = { 0 };
	bool rule = span_starts(json_text(json_get(command, "actor"), &a), SPAN("rule:"));

	arena_fini(&a);
	return rule ? WATCH_LINE_RULE : WATCH_LINE_COMMAND;
}

static void put_command(struct watch_call *c, struct json command, int64_t offset_ms)
{
	char id[UUID_TEXT + 1];
	struct buf b = { 0 };
	size_t row = command_row(command);

	if (row == COMMAND_ROWS)
		return;
	get_id(command, "command_id", id);
	struct watch_line *l = keyed_line(c, command_kind(command), id, offset_ms);
	put_command_text(&b, command, row);
	buf_z(&b);
	set_text(l, b.p);
	l->state = command_states[row].line;
	if (json_has(json_get(command, "accepted_at")))
		note_switch(c, command);
}

static void set_signal(struct watch_call *c, const char *name, bool raised)
{
	unsigned i = 0;

	while (i < c->signals_n && strcmp(c->signals[i], name) != 0)
		i++;
	if (raised && i == c->signals_n && i < WATCH_SIGNALS_MAX) {
		snprintf(c->signals[c->signals_n++], WATCH_TEXT_MAX, "%s", name);
	} else if (!raised && i < c->signals_n) {
		c->signals_n--;
		memmove(c->signals[i], c->signals[i + 1],
			(c->signals_n - i) * sizeof(c->signals[0]));
	}
}

static void put_signal(struct watch_call *c, struct json signal)
{
	char name[WATCH_TEXT_MAX] = "";

	GET_TEXT(signal, "signal", name);
	set_signal(c, name, json_is_text(json_get(signal, "state"), "raised"));
}

/* --- calls --- */

static void clear_lines(struct watch_call *c)
{
	for (unsigned i = 0; i < c->lines_n; i++)
		free(c->lines[i].text);
	c->lines_n = 0;
	set_partial(c, SPEAKER_AI, NULL);
	set_partial(c, SPEAKER_USER, NULL);
}

static void doubt(struct watch_call *c, enum command_verb verb)
{
	free(c->cannot[verb]);
	c->cannot[verb] = NULL;
}

/* As of the snapshot; what has to do with how the call stands is not known any more when that
 * changes. Whether words can be spoken or sent is the platform's nature. */
static void doubt_all(struct watch_call *c)
{
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		if (i != COMMAND_SAY && i != COMMAND_SEND_TEXT)
			doubt(c, (enum command_verb)i);
	}
}

static void snapshot_can(struct watch_call *c, struct json can)
{
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		enum command_verb verb = (enum command_verb)i;
		doubt(c, verb);
		if (json_get(can, command_verb_name(verb)).kind == JSON_STRING)
			c->cannot[verb] = text_of(can, command_verb_name(verb));
	}
}

static void forget(struct watch_model *m, struct watch_call *c)
{
	HASH_DEL(m->calls, c);
	clear_lines(c);
	watch_checklist_fini(&c->checklist);
	watch_parties_fini(&c->parties);
	snapshot_can(c, (struct json){ 0 });
	free(c->lines);
	free(c);
}

void watch_model_fini(struct watch_model *m)
{
	struct watch_call *c, *next;

	HASH_ITER (hh, m->calls, c, next)
		forget(m, c);
}

struct watch_call *watch_model_find(const struct watch_model *m, const char *id)
{
	struct watch_call *c;

	HASH_FIND_STR(m->calls, id, c);
	return c;
}

/* What is told of a call after we forgot it (a late report) must not bring it back. */
static struct watch_call *call_of(struct watch_model *m, struct json object, const char *name,
				  bool may_be_new)
{
	char id[UUID_TEXT + 1];

	get_id(object, name, id);
	struct watch_call *c = watch_model_find(m, id);
	if (!c && may_be_new) {
		c = calloc(1, sizeof(*c));
		CHECK(c);
		memcpy(c->id, id, sizeof(id));
		c->duration_ms = -1;
		HASH_ADD_STR(m->calls, id, c);
	}
	if (c)
		c->generation = m->generation;
	return c;
}

static void put_people(struct watch_call *c, struct json object)
{
	struct json customer = json_get(object, "customer"),
		    assistant = json_get(object, "assistant");

	GET_TEXT(customer, "number", c->customer);
	GET_TEXT(customer, "name", c->customer_name);
	GET_TEXT(assistant, "name", c->assistant);
	if (!c->assistant[0])
		GET_TEXT(assistant, "id", c->assistant);
	GET_TEXT(object, "source", c->source);
	GET_TEXT(object, "dialect", c->dialect);
	if (json_has(json_get(object, "kind")))
		c->is_text = json_is_text(json_get(object, "kind"), "sms");
}

/* --- snapshots --- */

static void snapshot_turns(struct watch_call *c, struct json turns)
{
	struct json_iter it = json_iter(turns);
	struct span key;
	struct json t;

	while (json_next(&it, &key, &t)) {
		enum speaker who = get_speaker(t, "speaker");
		if (who == SPEAKER_NONE)
			continue;
		struct watch_line *l = add_line(c, speech_kind(who), get_i64(t, "offset_ms", -1),
						text_of(t, "text"));
		l->turn = get_i64(t, "turn", -1);
		l->state = json_true(json_get(t, "open")) ? WATCH_LINE_OPEN : WATCH_LINE_DONE;
	}
}

static int64_t offset_of(const struct watch_call *c, int64_t at_us)
{
	return at_us && c->started_us ? (at_us - c->started_us) / MS_US : -1;
}

static void snapshot_tools(struct watch_call *c, struct json tools)
{
	struct json_iter it = json_iter(tools);
	struct span key;
	struct json t;

	while (json_next(&it, &key, &t))
		put_tool(c, t, offset_of(c, get_time(t, "started_at")),
			 json_true(json_get(t, "running")));
}

static void snapshot_commands(struct watch_call *c, struct json commands)
{
	struct json_iter it = json_iter(commands);
	struct span key;
	struct json command;

	while (json_next(&it, &key, &command))
		put_command(c, command, offset_of(c, get_time(command, "requested_at")));
}

static void snapshot_signals(struct watch_call *c, struct json signals)
{
	struct json_iter it = json_iter(signals);
	struct span key;
	struct json s;

	c->signals_n = 0;
	while (json_next(&it, &key, &s))
		put_signal(c, s);
}

static int by_offset(const void *a, const void *b)
{
	const struct watch_line *x = a, *y = b;

	return x->offset_ms < y->offset_ms ? -1 : x->offset_ms > y->offset_ms;
}

static void snapshot_lines(struct watch_call *c, struct json s)
{
	struct json partial = json_get(s, "partial");

	clear_lines(c);
	snapshot_turns(c, json_get(s, "turns"));
	snapshot_tools(c, json_get(s, "tools"));
	snapshot_commands(c, json_get(s, "commands"));
	if (c->lines_n)
		qsort(c->lines, c->lines_n, sizeof(*c->lines), by_offset);
	set_partial(c, SPEAKER_AI, text_of(partial, "ai"));
	set_partial(c, SPEAKER_USER, text_of(partial, "user"));
}

static void put_level(struct watch_call *c, struct json leg, const char *member)
{
	struct watch_level *l = &c->levels[get_speaker(leg, "speaker")];

	l->known = json_f64(json_get(leg, member), &l->level_db) || l->known;
	l->speaking = json_true(json_get(leg, "speaking"));
}

static void put_levels(struct watch_call *c, struct json legs, const char *member)
{
	struct json_iter it = json_iter(legs);
	struct span key;
	struct json leg;

	while (json_next(&it, &key, &leg))
		put_level(c, leg, member);
}

static void put_start(struct watch_call *c, struct json s)
{
	int64_t began_us = get_time(s, "began_at");

	c->started_us = get_time(s, "started_at");
	c->skew_known = c->started_us != 0;
	c->skew_us = c->started_us && began_us ? began_us - c->started_us : 0;
}

static void put_snapshot(struct watch_model *m, struct json s)
{
	struct json counts = json_get(s, "counts");

	if (!json_true(json_get(s, "live")) || json_get(s, "id").kind != JSON_STRING)
		return;
	struct watch_call *c = call_of(m, s, "id", true);
	put_people(c, s);
	GET_TEXT(s, "status", c->status);
	GET_TEXT(json_get(s, "sentiment"), "user", c->mood);
	put_start(c, s);
	c->speaking = get_speaker(s, "speaking");
	c->tools = get_i64(counts, "tool_calls", 0);
	c->tool_errors = get_i64(counts, "tool_errors", 0);
	c->interventions = get_i64(counts, "interventions", 0);
	snapshot_signals(c, json_get(s, "signals"));
	watch_checklist_snapshot(&c->checklist, s);
	watch_parties_snapshot(&c->parties, s);
	snapshot_can(c, json_get(s, "can"));
	c->recording_paused = json_is_text(json_path(s, "audio.recording.state"), "paused");
	c->escalated = json_true(json_get(s, "escalated"));
	put_levels(c, json_path(s, "audio.legs"), "level_db");
	snapshot_lines(c, s);
}

/* Calls that no owner mentioned any more have ended while we were not looking. */
static void sweep(struct watch_model *m)
{
	struct watch_call *c, *next;

	HASH_ITER (hh, m->calls, c, next) {
		if (c->generation != m->generation && !c->ended)
			forget(m, c);
	}
}

static void on_snapshot(struct watch_model *m, struct json message, int64_t now_us,
			watch_event_fn *each, void *user)
{
	struct json_iter it = json_iter(json_get(message, "calls"));
	int64_t owner = get_i64(message, "owner", -1);
	struct span key;
	struct json s;

	(void)now_us;
	(void)each;
	(void)user;
	while (json_next(&it, &key, &s))
		put_snapshot(m, s);
	if (owner < 0 || owner >= WATCH_OWNERS_MAX || json_true(json_get(message, "more")) ||
	    m->owner_done[owner])
		return;
	m->owner_done[owner] = true;
	if (++m->owners_done == m->owners)
		sweep(m);
}

/* --- events --- */

struct news {
	struct json event, data;
	enum speaker who;
	int64_t at_us, offset_ms, now_us;
};

static void on_started(struct watch_call *c, const struct news *n)
{
	put_people(c, n->data);
	c->started_us = c->started_us ? c->started_us : n->at_us;
}

static void on_updated(struct watch_call *c, const struct news *n)
{
	put_people(c, n->data);
}

static void on_status(struct watch_call *c, const struct news *n)
{
	GET_TEXT(n->data, "status", c->status);
	doubt_all(c);
}

static void on_ended(struct watch_call *c, const struct news *n)
{
	struct buf b = { 0 };

	GET_TEXT(n->data, "reason", c->ended_reason);
	c->duration_ms = get_i64(n->data, "duration_ms", c->duration_ms);
	c->speaking = SPEAKER_NONE;
	set_partial(c, SPEAKER_AI, NULL);
	set_partial(c, SPEAKER_USER, NULL);
	if (c->ended)
		return;
	c->ended = true;
	c->ended_us = n->now_us;
	buf_printf(&b, "the call has ended: %s", c->ended_reason);
	buf_z(&b);
	add_line(c, WATCH_LINE_NOTE, n->offset_ms, b.p);
}

static void on_partial(struct watch_call *c, const struct news *n)
{
	set_partial(c, n->who, text_of(n->event, "text"));
}

static void on_final(struct watch_call *c, const struct news *n)
{
	struct watch_line *l = open_speech(c, n->who);
	char *text = text_of(n->event, "text");

	set_partial(c, n->who, NULL);
	if (!l) {
		add_line(c, speech_kind(n->who), n->offset_ms, text)->state = WATCH_LINE_OPEN;
		return;
	}
	struct buf b = { 0 };
	buf_printf(&b, "%s %s", l->text, text);
	buf_z(&b);
	set_text(l, b.p);
	free(text);
}

static void on_turn(struct watch_call *c, const struct news *n)
{
	if (n->who == SPEAKER_NONE)
		return;
	set_partial(c, n->who, NULL);
	put_turn(c, n->who, get_i64(n->data, "turn", -1), n->offset_ms, text_of(n->event, "text"));
}

static void on_speech(struct watch_call *c, const struct news *n)
{
	c->speaking = n->who;
}

static void on_silence(struct watch_call *c, const struct news *n)
{
	if (c->speaking == n->who)
		c->speaking = SPEAKER_NONE;
}

static void note(struct watch_call *c, const struct news *n, const char *text)
{
	char *copy = strdup(text);

	CHECK(copy);
	add_line(c, WATCH_LINE_NOTE, n->offset_ms, copy);
}

static void on_interruption(struct watch_call *c, const struct news *n)
{
	note(c, n, "the caller interrupts the assistant");
}

static void on_hang(struct watch_call *c, const struct news *n)
{
	note(c, n, "the assistant is delayed (hang)");
	c->lines[c->lines_n - 1].state = WATCH_LINE_BAD;
}

static void on_transfer(struct watch_call *c, const struct news *n)
{
	note(c, n, "transfer");
}

static void on_tool_requested(struct watch_call *c, const struct news *n)
{
	c->tools++;
	put_tool(c, n->data, n->offset_ms, true);
}

static void on_tool_finished(struct watch_call *c, const struct news *n)
{
	c->tool_errors += !json_true(json_get(n->data, "success"));
	put_tool(c, n->data, n->offset_ms, false);
}

static void on_command(struct watch_call *c, const struct news *n)
{
	c->interventions += json_is_text(json_get(n->data, "state"), "accepted");
	put_command(c, n->data, n->offset_ms);
}

static void on_sentiment(struct watch_call *c, const struct news *n)
{
	if (n->who == SPEAKER_USER)
		GET_TEXT(n->data, "sentiment", c->mood);
}

static void on_signal(struct watch_call *c, const struct news *n)
{
	char line[WATCH_TEXT_MAX + 16], name[WATCH_TEXT_MAX] = "";

	put_signal(c, n->data);
	if (!json_is_text(json_get(n->data, "state"), "raised"))
		return;
	GET_TEXT(n->data, "signal", name);
	snprintf(line, sizeof(line), "signal: %s", name);
	note(c, n, line);
	c->lines[c->lines_n - 1].state = WATCH_LINE_BAD;
}

static void on_fact(struct watch_call *c, const struct news *n)
{
	watch_checklist_fact(&c->checklist, n->data);
}

static void on_context(struct watch_call *c, const struct news *n)
{
	watch_checklist_known(&c->checklist, n->data);
	if (json_has(json_get(n->data, "error")))
		note(c, n, "what is known of the caller could not be looked up");
}

static void on_escalation(struct watch_call *c, const struct news *n)
{
	struct buf b AUTO_BUF = { 0 };

	c->escalated = true;
	buf_addz(&b, json_is_text(json_get(n->data, "action"), "transfer")
			     ? "escalation: the call is transferred: "
			     : "escalation proposed: ");
	put_clipped(&b, json_get(n->data, "signal"), WATCH_TEXT_MAX / 4);
	buf_addc(&b, ' ');
	put_clipped(&b, json_get(n->data, "score"), WATCH_TEXT_MAX / 4);
	note(c, n, buf_z(&b));
	c->lines[c->lines_n - 1].state = WATCH_LINE_BAD;
}

static void on_party(struct watch_call *c, const struct news *n)
{
	struct buf b AUTO_BUF = { 0 };

	doubt_all(c);
	if (!watch_parties_party(&c->parties, n->data))
		return;
	watch_party_news(n->data, &b);
	note(c, n, buf_z(&b));
}

static void on_attached(struct watch_call *c, const struct news *n)
{
	watch_parties_attached(&c->parties, n->event);
}

static void on_held(struct watch_call *c, const struct news *n)
{
	bool held = json_true(json_get(n->data, "held"));

	watch_parties_held(&c->parties, n->event);
	if (n->who == SPEAKER_USER)
		note(c, n, held ? "the caller is put on hold" : "the caller is taken back");
}

static void on_detached(struct watch_call *c, const struct news *n)
{
	watch_parties_detached(&c->parties, n->event);
	c->levels[n->who] = (struct watch_level){ 0 };
}

static void on_recording(struct watch_call *c, const struct news *n)
{
	c->recording_paused = json_is_text(json_get(n->data, "state"), "paused");
	doubt(c, COMMAND_RECORD_PAUSE);
	doubt(c, COMMAND_RECORD_RESUME);
}

/* One line for a text, whatever becomes of it. */
static void on_delivery(struct watch_call *c, const struct news *n)
{
	char id[UUID_TEXT + 1];
	struct buf b = { 0 };
	bool failed = json_has(json_get(n->data, "error"));

	get_id(n->data, "message_id", id);
	struct watch_line *l = keyed_line(c, WATCH_LINE_NOTE, id, n->offset_ms);
	buf_addz(&b, "the text is ");
	put_clipped(&b, json_get(n->data, "state"), RESULT_SHOWN);
	if (failed) {
		buf_addz(&b, ": ");
		put_clipped(&b, json_get(n->data, "error"), RESULT_SHOWN);
	}
	buf_z(&b);
	set_text(l, b.p);
	l->state = failed ? WATCH_LINE_BAD : WATCH_LINE_DONE;
}

static void on_insight(struct watch_call *c, const struct news *n)
{
	struct buf b AUTO_BUF = { 0 };
	struct json insight = json_get(n->data, "insight"), value = json_get(insight, "value");

	buf_addz(&b, "insight ");
	put_clipped(&b, json_get(n->data, "kind"), WATCH_TEXT_MAX / 4);
	buf_addz(&b, ": ");
	put_clipped(&b, json_has(value) ? value : insight, RESULT_SHOWN);
	note(c, n, buf_z(&b));
}

static void on_level(struct watch_call *c, const struct news *n)
{
	struct watch_level *l = &c->levels[n->who];

	l->known = json_f64(json_get(n->data, "level_db"), &l->level_db) || l->known;
}

static void (*const on_event[EVENT_COUNT])(struct watch_call *, const struct news *) = {
	[EVENT_CALL_STARTED] = on_started,
	[EVENT_CALL_UPDATED] = on_updated,
	[EVENT_CALL_STATUS] = on_status,
	[EVENT_CALL_ENDED] = on_ended,
	[EVENT_TRANSCRIPT_PARTIAL] = on_partial,
	[EVENT_SPEAKING_TEXT] = on_partial,
	[EVENT_TRANSCRIPT_FINAL] = on_final,
	[EVENT_TURN] = on_turn,
	[EVENT_SPEECH_STARTED] = on_speech,
	[EVENT_SPEECH_STOPPED] = on_silence,
	[EVENT_INTERRUPTION] = on_interruption,
	[EVENT_HANG] = on_hang,
	[EVENT_TRANSFER] = on_transfer,
	[EVENT_TOOL_REQUESTED] = on_tool_requested,
	[EVENT_TOOL_FINISHED] = on_tool_finished,
	[EVENT_COMMAND] = on_command,
	[EVENT_SENTIMENT] = on_sentiment,
	[EVENT_SIGNAL] = on_signal,
	[EVENT_FACT] = on_fact,
	[EVENT_CONTEXT] = on_context,
	[EVENT_ESCALATION] = on_escalation,
	[EVENT_AUDIO_LEVEL] = on_level,
	[EVENT_AUDIO_ATTACHED] = on_attached,
	[EVENT_AUDIO_DETACHED] = on_detached,
	[EVENT_AUDIO_HELD] = on_held,
	[EVENT_PARTY] = on_party,
	[EVENT_RECORDING] = on_recording,
	[EVENT_DELIVERY] = on_delivery,
	[EVENT_INSIGHT] = on_insight,
};

static bool event_type_of(struct json event, enum event_type *type)
{
	struct arena a = { 0 };
	bool known = event_from(json_text(json_get(event, "type"), &a), type);

	arena_fini(&a);
	return known;
}

/* `at` and `offset_ms` give the start on the clock of the event, which may be ours: of those that
 * have the clock of the start, only. */
static void learn_start(struct watch_call *c, enum event_type type, const struct news *n)
{
	bool tells = type == EVENT_CALL_STARTED || type == EVENT_CALL_STATUS || type == EVENT_PARTY;

	if (!n->at_us)
		return;
	if (!c->skew_known)
		c->skew_us = n->now_us - n->at_us;
	c->skew_known = true;
	if (!tells && c->started_us)
		return;
	if (n->offset_ms > 0 || (n->offset_ms == 0 && n->at_us > c->started_us))
		c->started_us = n->at_us - n->offset_ms * MS_US;
}

static void apply_news(struct watch_call *c, enum event_type type, const struct news *n)
{
	learn_start(c, type, n);
	if (on_event[type])
		on_event[type](c, n);
}

static void apply_event(struct watch_model *m, struct json event, int64_t now_us,
			watch_event_fn *each, void *user)
{
	struct news n = { .event = event,
			  .data = json_get(event, "data"),
			  .who = get_speaker(event, "speaker"),
			  .at_us = get_time(event, "at"),
			  .offset_ms = get_i64(event, "offset_ms", -1),
			  .now_us = now_us };
	enum event_type type;

	if (json_get(event, "call_id").kind != JSON_STRING)
		return;
	m->events++;
	bool known = event_type_of(event, &type);
	struct watch_call *c = call_of(m, event, "call_id", known && type == EVENT_CALL_STARTED);
	bool ended = c && c->ended;
	if (c && known)
		apply_news(c, type, &n);
	m->ended += c && c->ended && !ended;
	if (each)
		each(user, c, event);
}

static void on_one(struct watch_model *m, struct json message, int64_t now_us, watch_event_fn *each,
		   void *user)
{
	apply_event(m, json_get(message, "event"), now_us, each, user);
}

static void on_many(struct watch_model *m, struct json message, int64_t now_us,
		    watch_event_fn *each, void *user)
{
	struct json_iter it = json_iter(json_get(message, "events"));
	struct span key;
	struct json item;

	while (json_next(&it, &key, &item))
		on_one(m, item, now_us, each, user);
}

/* --- messages --- */

void watch_model_restart(struct watch_model *m)
{
	m->generation++;
	m->owners_done = 0;
	memset(m->owner_done, 0, sizeof(m->owner_done));
}

static void on_hello(struct watch_model *m, struct json message, int64_t now_us,
		     watch_event_fn *each, void *user)
{
	int64_t owners = get_i64(message, "owners", 1);

	(void)now_us;
	(void)each;
	(void)user;
	m->owners = owners > 0 && owners <= WATCH_OWNERS_MAX ? (unsigned)owners : 1;
	GET_TEXT(message, "role", m->role);
}

static void on_resync(struct watch_model *m, struct json message, int64_t now_us,
		      watch_event_fn *each, void *user)
{
	(void)message;
	(void)now_us;
	(void)each;
	(void)user;
	watch_model_restart(m);
}

static void on_levels(struct watch_model *m, struct json message, int64_t now_us,
		      watch_event_fn *each, void *user)
{
	struct watch_call *c = call_of(m, message, "call", false);

	(void)now_us;
	(void)each;
	(void)user;
	if (c)
		put_levels(c, json_get(message, "legs"), "level");
}

static const struct {
	const char *type;
	void (*handle)(struct watch_model *, struct json, int64_t now_us, watch_event_fn *,
		       void *user);
} messages[] = {
	{ "event", on_one },   { "events", on_many },	{ "snapshot", on_snapshot },
	{ "hello", on_hello }, { "resync", on_resync }, { "levels", on_levels },
};

void watch_model_apply(struct watch_model *m, struct json message, int64_t now_us,
		       watch_event_fn *each, void *user)
{
	struct json type = json_get(message, "type");

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (json_is_text(type, messages[i].type)) {
			messages[i].handle(m, message, now_us, each, user);
			return;
		}
	}
}

void watch_model_tick(struct watch_model *m, int64_t now_us)
{
	struct watch_call *c, *next;

	HASH_ITER (hh, m->calls, c, next) {
		if (c->ended && now_us - c->ended_us > WATCH_ENDED_MS * MS_US)
			forget(m, c);
	}
}

/* --- questions --- */

bool watch_model_complete(const struct watch_model *m)
{
	return m->owners && m->owners_done >= m->owners;
}

unsigned watch_model_live(const struct watch_model *m)
{
	const struct watch_call *c;
	unsigned n = 0;

	for (c = m->calls; c; c = c->hh.next)
		n += !c->ended;
	return n;
}

/* On our clock; 0: unknown. */
static int64_t began_us(const struct watch_call *c)
{
	return c->started_us ? c->started_us + c->skew_us : 0;
}

int64_t watch_call_duration_ms(const struct watch_call *c, int64_t now_us)
{
	if (c->ended && c->duration_ms >= 0)
		return c->duration_ms;
	int64_t since = began_us(c), until = c->ended ? c->ended_us : now_us;
	return since && until > since ? (until - since) / MS_US : 0;
}

unsigned watch_call_attention(const struct watch_call *c)
{
	static const struct {
		const char *mood;
		unsigned weight;
	} moods[] = { { "frustrated", 3 }, { "negative", 1 } };
	unsigned sum = 4 * c->signals_n + (c->tool_errors > 0) + 8 * c->escalated;

	for (size_t i = 0; i < sizeof(moods) / sizeof(moods[0]); i++)
		sum += strcmp(c->mood, moods[i].mood) == 0 ? moods[i].weight : 0;
	return sum;
}

static int by_age(const struct watch_call *a, const struct watch_call *b)
{
	int64_t x = began_us(a), y = began_us(b);

	if (x != y)
		return x < y ? -1 : 1;
	return strcmp(a->id, b->id);
}

static int by_attention(const struct watch_call *a, const struct watch_call *b)
{
	unsigned x = watch_call_attention(a), y = watch_call_attention(b);

	return x != y ? (x > y ? -1 : 1) : by_age(a, b);
}

static int by_newest(const struct watch_call *a, const struct watch_call *b)
{
	return by_age(b, a);
}

static int by_customer(const struct watch_call *a, const struct watch_call *b)
{
	int order = strcasecmp(a->customer, b->customer);

	return order ? order : by_age(a, b);
}

static const struct {
	const char *name;
	int (*compare)(const struct watch_call *, const struct watch_call *);
} sorts[WATCH_SORTS] = {
	[WATCH_BY_ATTENTION] = { "attention", by_attention },
	[WATCH_BY_AGE] = { "longest", by_age },
	[WATCH_BY_NEWEST] = { "newest", by_newest },
	[WATCH_BY_CUSTOMER] = { "customer", by_customer },
};

const char *watch_sort_name(enum watch_sort s)
{
	return sorts[s].name;
}

static int compare(const void *a, const void *b, void *sort)
{
	const struct watch_call *const *x = a, *const *y = b;

	if ((*x)->ended != (*y)->ended)
		return (*x)->ended ? 1 : -1;
	return sorts[*(enum watch_sort *)sort].compare(*x, *y);
}

const char *watch_call_our_side(const struct watch_call *c)
{
	return c->is_text || c->parties.n ? "us" : "AI";
}

static bool matches(const struct watch_call *c, const char *filter)
{
	const char *texts[] = { c->id,	   c->customer, c->customer_name, c->assistant,
				c->status, c->mood,	c->source,	  c->dialect };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcasestr(texts[i], filter))
			return true;
	}
	for (unsigned i = 0; i < c->signals_n; i++) {
		if (strcasestr(c->signals[i], filter))
			return true;
	}
	return false;
}

const struct watch_call **watch_model_list(const struct watch_model *m, enum watch_sort sort,
					   const char *filter, size_t *n)
{
	const struct watch_call **list = calloc(HASH_COUNT(m->calls) + 1, sizeof(*list));
	size_t count = 0;

	CHECK(list);
	for (const struct watch_call *c = m->calls; c; c = c->hh.next) {
		if (!*filter || matches(c, filter))
			list[count++] = c;
	}
	qsort_r(list, count, sizeof(*list), compare, &sort);
	*n = count;
	return list;
}
