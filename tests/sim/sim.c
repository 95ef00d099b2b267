#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

char *sim_json(const char *text)
{
	char *copy = strdup(text);
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p == '`' ? '\'' : *p;
	return copy;
}

/* --- the host --- */

static void on_publish(void *self, const struct event *e)
{
	struct sim *sim = self;
	event_write(e, &sim->events);
	buf_addc(&sim->events, '\n');
}

static void on_effect(void *self, const struct effect *e)
{
	struct sim *sim = self;
	sim->effects = realloc(sim->effects, (sim->effects_n + 1) * sizeof(*sim->effects));
	struct sim_effect *x = &sim->effects[sim->effects_n++];
	*x = (struct sim_effect){ .kind = e->kind, .id = e->id, .timeout_ms = e->timeout_ms };
	if (e->command) {
		x->command = e->command->id;
		snprintf(x->what, sizeof(x->what), "%s", command_verb_name(e->command->verb));
		assert_true(e->where.control_url.n > 0 || e->where.provider_call_id.n > 0 ||
			    e->where.customer_number.n > 0 || e->kind != EFFECT_CONTROL);
	}
	if (e->kind == EFFECT_TOOL) {
		assert_non_null(e->tool);
		snprintf(x->what, sizeof(x->what), "%.*s", SPAN_ARG(e->name));
	}
}

static void on_answer(void *self, uint64_t number, struct span body)
{
	struct sim *sim = self;
	buf_printf(&sim->answers, "%llu %.*s\n", (unsigned long long)number, SPAN_ARG(body));
}

static void on_command(void *self, const struct uuid *command, enum command_state state,
		       struct span json)
{
	struct sim *sim = self;
	assert_int_equal(json_check(json, NULL), 0);
	assert_false(uuid_is_nil(command));
	buf_printf(&sim->commands, "%s\n", command_state_name(state));
}

static struct call_host host_of(struct sim *sim)
{
	return (struct call_host){ sim, on_publish, on_effect, on_answer, on_command };
}

/* --- records --- */

static void keep(struct sim *sim, const struct record *r)
{
	if (sim->n == sim->cap) {
		sim->cap = sim->cap ? sim->cap * 2 : 64;
		sim->records = realloc(sim->records, sim->cap * sizeof(*sim->records));
	}
	struct sim_record *k = &sim->records[sim->n++];
	k->r = *r;
	k->body = malloc(r->body.n + 1);
	if (r->body.n)
		memcpy(k->body, r->body.p, r->body.n);
	k->r.body.p = k->body;
}

int sim_apply(struct sim *sim, enum record_kind kind, struct span body)
{
	struct record r = { sim->next++, sim->now_us, sim->call, kind, body };
	struct call_host host = host_of(sim);
	int rc = session_apply(sim->s, &r, &host, &sim->fault);
	if (rc == 0)
		keep(sim, &r);
	return rc;
}

void sim_init(struct sim *sim, const char *settings)
{
	*sim = (struct sim){ .now_us = SIM_START_US, .next = 1, .key = 100 };
	struct uuid space = { { 1 } };
	sim->call = uuid_v5(&space, SPAN("sim"));
	sim->s = session_new(&sim->call);
	struct buf b AUTO_BUF = { 0 };
	buf_printf(&b,
		   "{%s'source':'11111111-1111-4111-8111-111111111111',"
		   "'project':'22222222-2222-4222-8222-222222222222','source_name':'main',"
		   "'project_name':'demo'%s%s}",
		   strstr(settings, "'dialect'") ? "" : "'dialect':'sim',", *settings ? "," : "",
		   settings);
	char *json = sim_json(buf_z(&b));
	if (sim_apply(sim, RECORD_BIND, span_of(json)))
		fail_msg("bind: %s", sim->fault.text);
	free(json);
}

void sim_begin(struct sim *sim, const char *settings)
{
	sim_init(sim, settings);
	sim_webhook(sim, "{'t':'call','facts':{'id':'c1','control':'https://x.example/c'}},"
			 "{'t':'status','name':'in-progress','at':0,'key':1}");
}

void sim_fini(struct sim *sim)
{
	for (size_t i = 0; i < sim->n; i++)
		free(sim->records[i].body);
	session_free(sim->s);
	free(sim->records);
	free(sim->effects);
	buf_free(&sim->events);
	buf_free(&sim->answers);
	buf_free(&sim->commands);
	*sim = (struct sim){ 0 };
}

void sim_webhook(struct sim *sim, const char *inputs)
{
	struct buf b AUTO_BUF = { 0 };
	buf_printf(&b, "{'inputs':[%s]}", inputs);
	char *json = sim_json(buf_z(&b));
	if (sim_apply(sim, RECORD_WEBHOOK, span_of(json)))
		fail_msg("webhook: %s: %s", sim->fault.text, json);
	free(json);
}

void sim_webhookf(struct sim *sim, const char *inputs, ...)
{
	char text[8192];
	va_list ap;
	va_start(ap, inputs);
	int n = vsnprintf(text, sizeof(text), inputs, ap);
	va_end(ap);
	assert_true(n > 0 && (size_t)n < sizeof(text));
	sim_webhook(sim, text);
}

void sim_said(struct sim *sim, const char *who, const char *text)
{
	sim_webhookf(sim, "{'t':'transcript','s':'%s','final':true,'text':'%s','key':%d}", who,
		     text, sim->key++);
	sim_pass(sim, 2000);
}

void sim_jump(struct sim *sim, int64_t ms)
{
	sim->now_us += ms * MS_US;
}

void sim_pass(struct sim *sim, int64_t ms)
{
	int64_t until = sim->now_us + ms * MS_US;
	for (int64_t due = session_deadline(sim->s); due <= until; due = session_deadline(sim->s)) {
		if (due > sim->now_us)
			sim->now_us = due;
		assert_int_equal(sim_apply(sim, RECORD_TICK, (struct span){ 0 }), 0);
	}
	sim->now_us = until;
}

static struct uuid command_id(unsigned n)
{
	struct uuid u = { { 0x01, 0x90, [6] = 0x70, [8] = 0x80 } };
	u.b[14] = (uint8_t)(n >> 8);
	u.b[15] = (uint8_t)n;
	return u;
}

int sim_command(struct sim *sim, unsigned n, const char *json)
{
	struct uuid id = command_id(n);
	char text[UUID_TEXT + 1];
	struct buf b AUTO_BUF = { 0 };
	uuid_format(&id, text);
	buf_printf(&b, "{'id':'%s','actor':'token:test',%s}", text, json);
	char *whole = sim_json(buf_z(&b));
	int rc = sim_apply(sim, RECORD_COMMAND, span_of(whole));
	free(whole);
	return rc;
}

static void outcome(struct sim *sim, const struct outcome *o)
{
	struct buf b AUTO_BUF = { 0 };
	outcome_write(o, &b);
	if (sim_apply(sim, RECORD_OUTCOME, buf_span(&b)))
		fail_msg("outcome: %s", sim->fault.text);
}

void sim_intent(struct sim *sim, size_t effect)
{
	assert_true(effect < sim->effects_n);
	struct uuid copy = sim->effects[effect].id; /* timers may ask for more effects meanwhile */
	struct span id = { (const char *)copy.b, sizeof(copy.b) };
	assert_int_equal(sim_apply(sim, RECORD_INTENT, id), 0);
}

void sim_answered(struct sim *sim, size_t effect, int status, const char *body)
{
	assert_true(effect < sim->effects_n);
	char *json = sim_json(body);
	outcome(sim, &(struct outcome){ .effect = sim->effects[effect].id,
					.end = OUTCOME_ANSWERED,
					.status = status,
					.body = span_of(json),
					.duration_us = 42000 });
	free(json);
}

void sim_ended(struct sim *sim, size_t effect, enum outcome_end end)
{
	assert_true(effect < sim->effects_n);
	outcome(sim, &(struct outcome){ .effect = sim->effects[effect].id,
					.end = end,
					.error = SPAN("connection reset"),
					.duration_us = 1000 });
}

/* --- looking --- */

size_t sim_effects(const struct sim *sim, enum effect_kind kind)
{
	size_t n = 0;
	for (size_t i = 0; i < sim->effects_n; i++)
		n += sim->effects[i].kind == kind;
	return n;
}

size_t sim_effect(const struct sim *sim, enum effect_kind kind, size_t n)
{
	for (size_t i = 0; i < sim->effects_n; i++)
		if (sim->effects[i].kind == kind && n-- == 0)
			return i;
	fail_msg("no such effect: %s", effect_name(kind));
	return 0;
}

static bool has(struct span line, const char *part)
{
	char *json = sim_json(part);
	bool found = memmem(line.p, line.n, json, strlen(json)) != NULL;
	free(json);
	return found;
}

size_t sim_count(const struct sim *sim, const char *part, ...)
{
	struct span rest = buf_span(&sim->events);
	size_t n = 0;
	while (rest.n) {
		struct span line = span_line(&rest);
		va_list ap;
		bool all = has(line, part);
		va_start(ap, part);
		for (const char *p = va_arg(ap, const char *); p; p = va_arg(ap, const char *))
			all = all && has(line, p);
		va_end(ap);
		n += all;
	}
	return n;
}

size_t sim_answer_count(const struct sim *sim, const char *part)
{
	struct span rest = buf_span(&sim->answers);
	size_t n = 0;
	while (rest.n)
		n += has(span_line(&rest), part);
	return n;
}

bool sim_shows(const struct sim *sim, const char *part)
{
	struct buf b AUTO_BUF = { 0 };
	session_snapshot(sim->s, &b);
	assert_int_equal(json_check(buf_span(&b), NULL), 0);
	return has(buf_span(&b), part);
}

bool sim_command_is(const struct sim *sim, unsigned n, const char *state)
{
	struct buf b AUTO_BUF = { 0 };
	struct uuid id = command_id(n);
	if (!session_command(sim->s, &id, (struct span){ 0 }, &b))
		return false;
	return json_is_text(json_get(json_of(buf_span(&b)), "state"), state);
}

/* --- replay --- */

static void same(const char *what, struct span a, struct span b)
{
	size_t i = 0;
	while (i < a.n && i < b.n && a.p[i] == b.p[i])
		i++;
	if (i < a.n || i < b.n)
		fail_msg("replay differs in %s at byte %zu:\n%.300s\n%.300s", what, i,
			 a.p ? a.p + (i > 100 ? i - 100 : 0) : "",
			 b.p ? b.p + (i > 100 ? i - 100 : 0) : "");
}

static void replay(const struct sim *sim, struct sim *out)
{
	*out = (struct sim){ .call = sim->call, .s = session_new(&sim->call) };
	struct call_host host = host_of(out);
	for (size_t i = 0; i < sim->n; i++) {
		out->now_us = sim->records[i].r.at_us;
		if (session_apply(out->s, &sim->records[i].r, &host, &out->fault))
			fail_msg("replay: %s", out->fault.text);
	}
	out->next = sim->next;
}

void sim_check_replay(const struct sim *sim)
{
	struct sim again;
	struct buf a AUTO_BUF = { 0 }, b AUTO_BUF = { 0 };
	replay(sim, &again);
	same("events", buf_span(&sim->events), buf_span(&again.events));
	same("answers", buf_span(&sim->answers), buf_span(&again.answers));
	same("command states", buf_span(&sim->commands), buf_span(&again.commands));
	session_snapshot(sim->s, &a);
	session_snapshot(again.s, &b);
	same("snapshot", buf_span(&a), buf_span(&b));
	assert_int_equal(sim->effects_n, again.effects_n);
	for (size_t i = 0; i < sim->effects_n; i++)
		assert_true(uuid_eq(&sim->effects[i].id, &again.effects[i].id));
	assert_true(session_deadline(sim->s) == session_deadline(again.s));
	sim_fini(&again);
}

struct open_list {
	struct outcome items[64];
	size_t n;
};

static void note_open(void *user, const struct uuid *effect, enum effect_kind kind, bool intent)
{
	struct open_list *list = user;
	(void)kind;
	assert_true(list->n < 64);
	list->items[list->n++] =
		(struct outcome){ .effect = *effect,
				  .end = intent ? OUTCOME_UNKNOWN : OUTCOME_NOT_SENT,
				  .error = SPAN("restarted in between") };
}

void sim_restart(struct sim *sim)
{
	struct sim again;
	struct open_list open = { 0 };
	replay(sim, &again);
	session_free(sim->s);
	sim->s = take(again.s);
	sim_fini(&again);
	session_open_effects(sim->s, note_open, &open);
	for (size_t i = 0; i < open.n; i++)
		outcome(sim, &open.items[i]);
}
