/* Tool calls: who runs them, what came of them, who is told.
 *
 * Happy path: TOOL_CALL ─► TOOL effect ─► OUTCOME ─► judged ─► every tool of the webhook answered
 * ─► host->answer. Failure modes repeated call            same key: gets the first answer, at once
 * or when it is there; at most WAITERS_PER_TOOL wait not sent                 fallback text; a
 * repetition of such a call runs it anew, because it surely never ran unknown, timed out fallback
 * text, never sent again no rule, no upstream     answered at once with a text that says so
 *   upstream refused us      NOT_SENT: our own rule where there is one, else fallback; any other
 * trouble: fallback, never ours table full               the oldest finished call is forgotten;
 * when all are running the new one is refused run by others            known from the history
 * only, or from the socket of the call's audio: paired by id, name and arguments, success by the
 * look of the result */
#include "call/parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { TOOL_DEADLINE_MS = 15000, UPSTREAM_TIMEOUT_MS = 13000, TOOL_LEAST_MS = 1000 };

static const char *const by_names[] = {
	[TOOL_CALLMEND] = "callmend",
	[TOOL_UPSTREAM] = "upstream",
	[TOOL_ELSEWHERE] = "elsewhere",
};

/* --- the table --- */

static void tool_fini(struct tool *t)
{
	kept_free(&t->call_id);
	kept_free(&t->name);
	kept_free(&t->arguments);
	kept_free(&t->answer);
	kept_free(&t->error);
	kept_free(&t->rewritten);
}

static struct tool *by_id(struct session *s, const struct uuid *id)
{
	for (uint32_t i = 0; i < s->tools.n; i++)
		if (uuid_eq(&s->tools.items[i].id, id))
			return &s->tools.items[i];
	return NULL;
}

static struct tool *by_key(struct session *s, uint64_t key)
{
	for (uint32_t i = 0; key && i < s->tools.n; i++)
		if (s->tools.items[i].key == key)
			return &s->tools.items[i];
	return NULL;
}

static bool forget_one(struct session *s)
{
	struct tools_state *ts = &s->tools;
	for (uint32_t i = 0; i < ts->n; i++) {
		if (ts->items[i].state == TOOL_RUNNING || ts->items[i].waiters)
			continue;
		tool_fini(&ts->items[i]);
		memmove(ts->items + i, ts->items + i + 1, (ts->n - i - 1) * sizeof(*ts->items));
		ts->n--;
		return true;
	}
	return false;
}

static void trim(struct session *s, struct kept *k)
{
	if (k->n <= TOOL_TRIMMED_BYTES)
		return;
	struct kept shorter = { 0 };
	kept_set_clipped(&shorter, kept_span(k), TOOL_TRIMMED_BYTES);
	kept_free(k);
	*k = shorter;
	session_flag(s, FLAG_TOOL_TRIMMED);
}

/* Answers are kept whole for the newest calls only: repetitions come within seconds. */
static void trim_older(struct session *s)
{
	uint32_t n = s->tools.n;
	if (n < TOOLS_WHOLE)
		return;
	struct tool *t = &s->tools.items[n - TOOLS_WHOLE];
	if (t->state != TOOL_RUNNING && !t->waiters)
		trim(s, &t->answer);
}

/* NULL: full. */
static struct tool *add_tool(struct session *s)
{
	struct tools_state *ts = &s->tools;
	if (ts->n == TOOLS_MAX) {
		session_flag(s, FLAG_TOOLS_FULL);
		if (!forget_one(s))
			return NULL;
	}
	trim_older(s);
	if (ts->n == ts->cap) {
		ts->cap = ts->cap ? ts->cap + ts->cap / 2 : 4;
		ts->items = realloc(ts->items, ts->cap * sizeof(*ts->items));
		CHECK(ts->items);
	}
	struct tool *t = &ts->items[ts->n++];
	*t = (struct tool){ .record = s->now.record, .asked_us = s->now.at_us };
	return t;
}

static struct uuid tool_id(const struct session *s)
{
	char name[48];
	int n = snprintf(name, sizeof(name), "tool:%llu",
			 (unsigned long long)seq_of(s->now.record, s->now.index));
	return uuid_v5(&s->id, (struct span){ name, (size_t)n });
}

static const struct tool_rule *rule_of(const struct session *s, struct span name)
{
	for (size_t i = 0; i < s->settings.tools_n; i++)
		if (span_eq(s->settings.tools[i].name, name))
			return &s->settings.tools[i];
	return NULL;
}

/* --- events --- */

static void put_names(const struct tool *t, struct json_out *o)
{
	pipeline_put_uuid(o, "tool_id", &t->id);
	pipeline_put_text(o, "tool_call_id", kept_span(&t->call_id));
	json_put_text(o, "name", kept_span(&t->name));
}

static void put_arguments(const struct tool *t, struct json_out *o)
{
	json_put_raw(o, "arguments", t->arguments.n ? kept_span(&t->arguments) : SPAN("{}"));
}

static void put_result(const struct tool *t, struct json_out *o)
{
	json_put_bool(o, "success", t->success);
	pipeline_put_text(o, "result", kept_clip(kept_span(&t->answer), TOOL_EVENT_BYTES));
	pipeline_put_text(o, "error", kept_span(&t->error));
	pipeline_put_time(o, "started_at", t->at_us);
	json_put_i64(o, "duration_ms", t->duration_ms);
	json_put_bool(o, "fallback", t->fallback);
	json_put_bool(o, "unknown", t->unknown);
	if (t->rewritten.n)
		json_put_clean(o, "rewritten", kept_span(&t->rewritten));
}

void tools_put(const struct tool *t, struct json_out *o)
{
	put_names(t, o);
	put_arguments(t, o);
	json_put_z(o, "by", by_names[t->by]);
	json_put_bool(o, "running", t->state == TOOL_RUNNING);
	if (t->state == TOOL_RUNNING)
		pipeline_put_time(o, "started_at", t->at_us);
	else
		put_result(t, o);
}

static void emit_requested(struct session *s, struct tool *t)
{
	struct draft d;
	draft_begin(s, &d, EVENT_TOOL_REQUESTED, t->at_us);
	d.e.speaker = SPEAKER_AI;
	put_names(t, &d.o);
	put_arguments(t, &d.o);
	json_put_z(&d.o, "by", by_names[t->by]);
	if (t->attempt)
		json_put_i64(&d.o, "attempt", t->attempt + 1);
	t->seq = seq_of(s->now.record, s->now.index);
	draft_emit(s, &d);
}

static void emit_finished(struct session *s, struct tool *t)
{
	struct draft d;
	draft_begin(s, &d, EVENT_TOOL_FINISHED, t->finished_us);
	put_names(t, &d.o);
	put_arguments(t, &d.o);
	put_result(t, &d.o);
	json_put_z(&d.o, "by", by_names[t->by]);
	draft_emit(s, &d);
}

/* --- finishing --- */

struct finish {
	bool success, fallback, unknown, failed;
	struct span answer, error;
	int64_t duration_ms; /* -1: from the times of request and now */
	enum tool_state state;
};

static void finish(struct session *s, struct tool *t, const struct finish *f)
{
	t->state = f->state == TOOL_RUNNING ? TOOL_FINISHED : f->state;
	t->success = f->success;
	t->fallback = f->fallback;
	t->unknown = f->unknown;
	t->failed = f->failed;
	kept_set(&t->answer, f->answer);
	kept_set_clipped(&t->error, f->error, TOOL_TRIMMED_BYTES);
	t->duration_ms =
		f->duration_ms >= 0 ? f->duration_ms : (s->now.at_us - t->asked_us) / MS_US;
	t->finished_us = s->now.at_us;
	s->counts.tool_errors += !f->success;
	emit_finished(s, t);
}

static struct span default_fallback(const struct session *s)
{
	return span_of(sentiment_lexicon(s)->fallback);
}

static struct span fallback_of(const struct session *s, const struct tool *t)
{
	const struct tool_rule *r = rule_of(s, kept_span(&t->name));
	return r && r->fallback.n ? r->fallback : default_fallback(s);
}

static void finish_fallback(struct session *s, struct tool *t, const char *why,
			    const struct outcome *o)
{
	char text[256];
	struct span error = o ? o->error : (struct span){ 0 };
	int n = snprintf(text, sizeof(text), "%s%s%.*s", why, error.n ? ": " : "",
			 SPAN_ARG(kept_clip(error, 160)));
	bool never_sent = o && o->end == OUTCOME_NOT_SENT;
	finish(s, t,
	       &(struct finish){ .fallback = true,
				 .failed = true,
				 .unknown = o && o->end == OUTCOME_UNKNOWN,
				 .answer = fallback_of(s, t),
				 .error = { text, (size_t)n },
				 .duration_ms = o ? o->duration_us / MS_US : -1,
				 .state = never_sent ? TOOL_NOT_SENT : TOOL_FINISHED });
}

static void finish_unconfigured(struct session *s, struct tool *t)
{
	struct span project = s->settings.project_name;
	struct span name = kept_clip(kept_span(&t->name), 80);
	char *text =
		arena_printf(&s->scratch, "no tool named %.*s is configured%s%.*s", SPAN_ARG(name),
			     project.n ? " in project " : "", SPAN_ARG(project));
	finish(s, t,
	       &(struct finish){ .failed = true,
				 .answer = span_of(text),
				 .error = span_of(text),
				 .duration_ms = 0 });
}

/* --- who waits --- */

static void wait_fini(struct tool_wait *w)
{
	kept_free(&w->type);
	free(w->tools);
}

static bool all_answered(struct session *s, const struct tool_wait *w)
{
	for (uint32_t i = 0; i < w->n; i++) {
		const struct tool *t = by_id(s, &w->tools[i]);
		if (t && t->state == TOOL_RUNNING)
			return false;
	}
	return true;
}

static void answer(struct session *s, const struct tool_wait *w)
{
	struct tool_answer *all = arena_alloc(&s->scratch, w->n * sizeof(*all));
	struct buf body AUTO_BUF = { 0 };
	for (uint32_t i = 0; i < w->n; i++) {
		struct tool *t = by_id(s, &w->tools[i]);
		CHECK(t); /* awaited tools are never forgotten */
		all[i] = (struct tool_answer){ kept_span(&t->call_id), kept_span(&t->name),
					       kept_span(&t->answer), t->failed && !t->fallback };
		t->waiters--;
	}
	s->dialect->tool_answer(kept_span(&w->type), all, w->n, &body);
	s->host->answer(s->host->self, w->record, buf_span(&body));
}

static void answer_ready(struct session *s)
{
	struct tools_state *ts = &s->tools;
	for (uint32_t i = 0; i < ts->waits_n;) {
		if (!all_answered(s, &ts->waits[i])) {
			i++;
			continue;
		}
		struct tool_wait w = ts->waits[i];
		memmove(ts->waits + i, ts->waits + i + 1,
			(ts->waits_n - i - 1) * sizeof(*ts->waits));
		ts->waits_n--;
		answer(s, &w);
		wait_fini(&w);
	}
}

void tools_record_begin(struct session *s)
{
	s->tools.now = arena_alloc(&s->scratch, sizeof(*s->tools.now));
	s->tools.now->record = s->now.record;
	s->tools.now->tools = arena_alloc(&s->scratch, TOOLS_PER_MESSAGE * sizeof(struct uuid));
	s->tools.upstream_now = 0;
}

static void keep_wait(struct session *s, struct span type)
{
	struct tools_state *ts = &s->tools;
	if (ts->waits_n == ts->waits_cap) {
		ts->waits_cap = ts->waits_cap ? ts->waits_cap * 2 : 2;
		ts->waits = realloc(ts->waits, ts->waits_cap * sizeof(*ts->waits));
		CHECK(ts->waits);
	}
	struct tool_wait *w = &ts->waits[ts->waits_n++];
	size_t bytes = ts->now->n * sizeof(struct uuid);
	*w = (struct tool_wait){ .record = s->now.record, .n = ts->now->n, .tools = malloc(bytes) };
	CHECK(w->tools);
	memcpy(w->tools, ts->now->tools, bytes);
	kept_set_clipped(&w->type, type, 64);
}

/* The webhook being applied waits for this tool. */
static void join_wait(struct session *s, struct tool *t)
{
	struct tool_wait *w = s->tools.now;
	if (!w)
		return;
	CHECK(w->n < TOOLS_PER_MESSAGE);
	w->tools[w->n++] = t->id;
	t->waiters++;
}

/* --- calls that are answered here --- */

static void run(struct session *s, struct tool *t, const struct tool_rule *r, int64_t spent_ms)
{
	int64_t left = TOOL_DEADLINE_MS - spent_ms;
	int64_t timeout = r->timeout_ms < left ? r->timeout_ms : left;
	struct effect e = { .kind = EFFECT_TOOL,
			    .tool = r,
			    .tool_call_id = kept_span(&t->call_id),
			    .name = kept_span(&t->name),
			    .arguments = json_of(kept_span(&t->arguments)),
			    .timeout_ms = timeout > TOOL_LEAST_MS ? timeout : TOOL_LEAST_MS };
	t->state = TOOL_RUNNING;
	effects_ask(s, &e, &t->id);
}

static void start(struct session *s, struct tool *t)
{
	const struct tool_rule *r = rule_of(s, kept_span(&t->name));
	t->state = TOOL_RUNNING;
	t->by = s->settings.upstream ? TOOL_UPSTREAM : TOOL_CALLMEND;
	if (!t->seq || t->attempt)
		emit_requested(s, t);
	if (s->settings.upstream)
		s->tools.upstream_now++;
	else if (r)
		run(s, t, r, 0);
	else
		finish_unconfigured(s, t);
}

static void describe(struct tool *t, const struct input *in)
{
	t->key = in->key;
	t->at_us = in->at_us;
	kept_set(&t->call_id, in->id);
	kept_set(&t->name, in->name);
	kept_set_json(&t->arguments, in->data.kind == JSON_OBJECT ? in->data.raw : SPAN("{}"));
}

/* By the record at hand: an upstream's answer to that one will be its answer. */
static void asked_now(struct session *s, struct tool *t)
{
	t->asked_us = s->now.at_us;
	t->record = s->now.record;
}

/* The same call again: the first answer, or anew when the first surely never ran. */
static void repeat(struct session *s, struct tool *t, const struct input *in)
{
	s->counts.duplicates++;
	s->tools.repeated++;
	if (t->state == TOOL_NOT_SENT) {
		t->attempt++;
		t->at_us = in->at_us;
		asked_now(s, t);
		start(s, t);
	}
	join_wait(s, t);
}

static bool has_args(const struct tool *t, const struct input *in)
{
	struct json mine = json_of(t->arguments.n ? kept_span(&t->arguments) : SPAN("{}"));
	struct json theirs = in->data.kind == JSON_OBJECT ? in->data : json_of(SPAN("{}"));
	return tool_rule_same(mine, theirs);
}

static bool is_elsewhere(const struct tool *t)
{
	return t->by == TOOL_ELSEWHERE;
}

static bool is_new_to_history(const struct tool *t)
{
	return !t->seen_call;
}

static bool is_new_to_socket(const struct tool *t)
{
	return !t->beside_call;
}

/* The same call as it is known from another side: from webhook, history or socket. */
static struct tool *counterpart(struct session *s, const struct input *in,
				bool (*side)(const struct tool *))
{
	for (uint32_t i = 0; i < s->tools.n; i++) {
		struct tool *t = &s->tools.items[i];
		if (side(t) && span_eq(kept_span(&t->call_id), in->id) &&
		    span_eq(kept_span(&t->name), in->name) && has_args(t, in))
			return t;
	}
	return NULL;
}

static struct tool *new_tool(struct session *s, const struct input *in)
{
	struct tool *t = add_tool(s);
	if (!t)
		return NULL;
	t->id = tool_id(s);
	s->counts.tool_calls++;
	describe(t, in);
	return t;
}

/* No room for it: the table, the list of a message, or those who wait for one call. */
static void refuse(struct session *s, const struct input *in, enum flag why)
{
	session_flag(s, why);
	s->counts.tool_errors++;
	s->tools.refused = (struct tool_answer){ in->id, in->name, default_fallback(s), true };
}

/* Nothing else of this webhook will bring an answer: it gets one all the same. */
static void answer_refused(struct session *s, struct span type)
{
	struct buf body AUTO_BUF = { 0 };
	s->dialect->tool_answer(type, &s->tools.refused, 1, &body);
	s->host->answer(s->host->self, s->now.record, buf_span(&body));
}

static void answered_here(struct session *s, const struct input *in)
{
	struct tool *t = by_key(s, in->key);
	status_conversing(s, in->at_us);
	if (s->tools.now && s->tools.now->n == TOOLS_PER_MESSAGE) {
		refuse(s, in, FLAG_TOOLS_FULL);
		return;
	}
	if (t && t->waiters >= WAITERS_PER_TOOL) {
		s->counts.duplicates++;
		s->tools.repeated++;
		refuse(s, in, FLAG_WAITERS_FULL);
		return;
	}
	if (t) {
		repeat(s, t, in);
		return;
	}
	t = counterpart(s, in, is_elsewhere);
	if (t && t->state == TOOL_RUNNING) {
		describe(t, in); /* history or socket were faster than the webhook */
		asked_now(s, t);
	} else {
		t = new_tool(s, in);
	}
	if (!t) {
		refuse(s, in, FLAG_TOOLS_FULL);
		return;
	}
	start(s, t);
	join_wait(s, t);
}

/* What kind of message it is that waits; empty when even that cannot be told. */
static struct envelope envelope_of(struct session *s, struct span webhook)
{
	struct envelope e = { 0 };
	if (s->dialect->classify(webhook, &s->scratch, &e, NULL))
		e = (struct envelope){ 0 };
	return e;
}

/* A message that wants tools run but names none that can be understood still gets its answer. */
static void answer_nothing(struct session *s, struct span webhook)
{
	struct envelope e = envelope_of(s, webhook);
	struct buf body AUTO_BUF = { 0 };
	if (e.answer != ANSWER_TOOLS)
		return;
	s->dialect->tool_answer(e.type, NULL, 0, &body);
	s->host->answer(s->host->self, s->now.record, buf_span(&body));
}

void tools_record_end(struct session *s, struct span webhook)
{
	struct tools_state *ts = &s->tools;
	if (ts->upstream_now) {
		struct effect e = { .kind = EFFECT_UPSTREAM_TOOLS,
				    .timeout_ms = UPSTREAM_TIMEOUT_MS };
		effects_ask(s, &e, NULL);
	}
	if (ts->now->n) {
		keep_wait(s, envelope_of(s, webhook).type);
		answer_ready(s);
	} else if (ts->refused.result.n) {
		answer_refused(s, envelope_of(s, webhook).type);
	} else if (s->now.raw) {
		answer_nothing(s, webhook);
	}
	ts->now = NULL;
	ts->refused = (struct tool_answer){ 0 };
}

/* --- calls known from the history, or from the socket, over which nothing is answered --- */

static void seen_elsewhere(struct session *s, const struct input *in)
{
	struct tool *t = counterpart(s, in, in->beside ? is_new_to_socket : is_new_to_history);
	bool known = t != NULL;
	t = known ? t : new_tool(s, in);
	if (!t)
		return;
	*(in->beside ? &t->beside_call : &t->seen_call) = true;
	if (known)
		return;
	t->by = TOOL_ELSEWHERE;
	emit_requested(s, t);
}

/* A call of the past: somebody else has answered the provider, and the history may tell of it
 * before or after. */
static void answered_then(struct session *s, const struct input *in)
{
	struct tool *t = by_key(s, in->key);
	status_conversing(s, in->at_us);
	t = t ? t : counterpart(s, in, is_elsewhere);
	if (t && (t->key == in->key || t->state == TOOL_RUNNING))
		return;
	t = new_tool(s, in);
	if (!t)
		return;
	t->by = TOOL_ELSEWHERE;
	emit_requested(s, t);
}

void tools_call(struct session *s, const struct input *in)
{
	if (in->answer_here && s->settings.imported)
		answered_then(s, in);
	else if (in->answer_here && s->tools.now)
		answered_here(s, in);
	else
		seen_elsewhere(s, in);
}

static struct tool *without_result(struct session *s, const struct input *in)
{
	for (uint32_t i = 0; i < s->tools.n; i++) {
		struct tool *t = &s->tools.items[i];
		bool named = !in->name.n || span_eq(kept_span(&t->name), in->name);
		bool told = in->beside ? t->beside_result : t->seen_result;
		if (!told && named && span_eq(kept_span(&t->call_id), in->id))
			return t;
	}
	return NULL;
}

void tools_result(struct session *s, const struct input *in)
{
	struct tool *t = without_result(s, in);
	struct verdict v;
	if (!t) {
		seen_elsewhere(s, in);
		t = without_result(s, in);
	}
	if (!t)
		return;
	bool again = t->seen_result || t->beside_result;
	*(in->beside ? &t->beside_result : &t->seen_result) = true;
	if (again || t->by != TOOL_ELSEWHERE)
		return; /* ours or upstream's: we know better */
	tool_rule_guess(in->text, &v);
	int64_t took_us = in->at_us - t->at_us;
	finish(s, t,
	       &(struct finish){ .success = v.success,
				 .answer = in->text,
				 .error = v.why ? span_of(v.why) : (struct span){ 0 },
				 .duration_ms = took_us > 0 ? took_us / MS_US : 0 });
	if (!t->waiters)
		trim(s, &t->answer);
}

/* --- outcomes --- */

static void judge(struct session *s, struct tool *t, const struct outcome *o)
{
	const struct tool_rule *r = rule_of(s, kept_span(&t->name));
	struct verdict v;
	tool_rule_judge(r, o->status, o->body, &s->scratch, &v);
	if (!v.usable || !v.text.n) {
		char why[96];
		snprintf(why, sizeof(why), "%s (HTTP %d)", v.why ? v.why : "empty answer",
			 o->status);
		finish_fallback(s, t, why, o);
		return;
	}
	finish(s, t,
	       &(struct finish){ .success = v.success,
				 .answer = v.text,
				 .error = v.why ? span_of(v.why) : (struct span){ 0 },
				 .duration_ms = o->duration_us / MS_US });
}

static const char *trouble(const struct outcome *o)
{
	if (o->end == OUTCOME_NOT_SENT)
		return "not delivered";
	return o->timed_out ? "timed out" : "no answer";
}

void tools_outcome(struct session *s, const struct open_effect *e, const struct outcome *o)
{
	struct tool *t = by_id(s, &e->of);
	if (!t || t->state != TOOL_RUNNING)
		return;
	kept_set_json(&t->rewritten, o->rewritten.raw);
	if (o->end == OUTCOME_ANSWERED)
		judge(s, t, o);
	else
		finish_fallback(s, t, trouble(o), o);
	answer_ready(s);
}

static void upstream_not_sent(struct session *s, struct tool *t, const struct outcome *o)
{
	const struct tool_rule *r = rule_of(s, kept_span(&t->name));
	if (!r) {
		finish_fallback(s, t, "upstream not reached", o);
		return;
	}
	t->by = TOOL_CALLMEND;
	emit_requested(s, t);
	run(s, t, r, (s->now.at_us - t->asked_us) / MS_US);
}

static void upstream_answered(struct session *s, struct tool *t, const struct tool_answer *a,
			      const struct outcome *o)
{
	struct verdict v;
	if (!a) {
		finish_fallback(s, t, "upstream gave no result for this call", o);
		return;
	}
	tool_rule_guess(a->result, &v);
	finish(s, t,
	       &(struct finish){ .success = v.success && !a->failed,
				 .failed = a->failed,
				 .answer = a->result,
				 .error = a->failed ? a->result
					  : v.why   ? span_of(v.why)
						    : (struct span){ 0 },
				 .duration_ms = o->duration_us / MS_US });
}

static const struct tool_answer *answer_for(const struct tool_answer *all, size_t n,
					    const struct tool *t)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(all[i].id, kept_span(&t->call_id)))
			return &all[i];
	return NULL;
}

void tools_upstream_outcome(struct session *s, const struct open_effect *e, const struct outcome *o)
{
	struct tool_answer *all = NULL;
	size_t n = 0;
	bool ok = o->end == OUTCOME_ANSWERED && o->status >= 200 && o->status <= 299 &&
		  s->dialect->read_tool_answer(o->body, &s->scratch, &all, &n);
	for (uint32_t i = 0; i < s->tools.n; i++) {
		struct tool *t = &s->tools.items[i];
		if (t->record != e->record || t->by != TOOL_UPSTREAM || t->state != TOOL_RUNNING)
			continue;
		if (o->end == OUTCOME_NOT_SENT)
			upstream_not_sent(s, t, o);
		else if (ok)
			upstream_answered(s, t, answer_for(all, n, t), o);
		else
			finish_fallback(s, t,
					o->end == OUTCOME_ANSWERED ? "upstream's answer is none"
								   : trouble(o),
					o);
	}
	answer_ready(s);
}

/* --- the stage --- */

static size_t bytes(const struct session *s)
{
	const struct tools_state *ts = &s->tools;
	size_t n = ts->cap * sizeof(*ts->items) + ts->waits_cap * sizeof(*ts->waits);
	for (uint32_t i = 0; i < ts->n; i++) {
		const struct tool *t = &ts->items[i];
		n += t->call_id.n + t->name.n + t->arguments.n + t->answer.n + t->error.n +
		     t->rewritten.n;
	}
	for (uint32_t i = 0; i < ts->waits_n; i++)
		n += ts->waits[i].type.n + ts->waits[i].n * sizeof(struct uuid);
	return n;
}

static void fini(struct session *s)
{
	for (uint32_t i = 0; i < s->tools.n; i++)
		tool_fini(&s->tools.items[i]);
	for (uint32_t i = 0; i < s->tools.waits_n; i++)
		wait_fini(&s->tools.waits[i]);
	free(s->tools.items);
	free(s->tools.waits);
}

const struct stage tools_stage = {
	.name = "tools",
	.bytes = bytes,
	.fini = fini,
};
