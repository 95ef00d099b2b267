/* Effects: what a session asks the world to do.
 *
 * Happy path: INTENT record -> durable -> request -> OUTCOME record -> applied (and durable before
 * anybody is told).
 *
 * Failure modes: the INTENT finds the journal full - nothing is sent and the outcome says so; the
 * request surely never left - not_sent; no whole answer - unknown, and nothing here ever sends it
 * again, but for a bad request (400) of which the dialect knows another form, once; the process
 * dies in between - the next start settles it the same way (ingest.c); the lane is stopping - what
 * has not begun is not_sent, so that the next start need not say unknown; what goes by a session
 * with the platform and its source has none (any more), or its turn does not come in time -
 * not_sent. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ingest/rewrite.h"
#include "ingest/tasks.h"

enum {
	CONTROL_TIMEOUT_MS = 10000,
	RECONCILE_TIMEOUT_MS = 10000,
	/* By a session, where it may have to wait for its turn; nobody waits for it. */
	SESSION_RECONCILE_TIMEOUT_MS = 90000,
	CONTROL_ANSWER_LIMIT = 64 * 1024,
	TOOL_ANSWER_LIMIT = 256 * 1024,
	MAX_HEADERS = 32,
};

static const char STOPPING[] = "the core is stopping";

static struct delivery *pending_delivery(struct call_entry *c, uint64_t webhook)
{
	for (struct pending_answer *p = c->pending; p; p = p->next) {
		if (p->number == webhook)
			return p->delivery;
	}
	return NULL;
}

static void copy_where(struct arena *a, const struct command_where *from, struct command_where *out)
{
	*out = *from;
	out->control_url = arena_copy(a, from->control_url);
	out->provider_call_id = arena_copy(a, from->provider_call_id);
	out->recording = arena_copy(a, from->recording);
	out->kind = arena_copy(a, from->kind);
	out->customer_number = arena_copy(a, from->customer_number);
	out->phone_number = arena_copy(a, from->phone_number);
	if (!from->party)
		return;
	/* What a request is made of; the rest of a party is the session's. */
	struct call_party *party = arena_alloc(a, sizeof(*party));
	party->id = arena_copy(a, from->party->id);
	party->side = from->party->side;
	party->state = from->party->state;
	party->extension = arena_copy(a, from->party->extension);
	party->number = arena_copy(a, from->party->number);
	out->party = party;
}

struct effect_task *effect_task_new(struct lane *l, const struct effect *e, uint64_t webhook)
{
	struct effect_task *t = calloc(1, sizeof(*t));
	const struct settings *s = session_settings(l->applying->session);

	CHECK(t);
	t->lane = l;
	t->call = l->applying->id;
	t->org = s->org;
	t->kind = e->kind;
	t->id = e->id;
	t->timeout_ms = e->timeout_ms;
	t->source = s->source;
	t->dialect = arena_copy(&t->arena, s->dialect);
	t->provider_call_id = arena_copy(&t->arena, session_provider_call_id(l->applying->session));
	if (e->command)
		command_write(e->command, &t->command);
	copy_where(&t->arena, &e->where, &t->where);
	if (e->tool)
		t->tool = e->tool->id;
	t->tool_name = arena_copy(&t->arena, e->name);
	t->arguments = arena_copy(&t->arena, e->arguments.raw);
	if (e->kind == EFFECT_UPSTREAM_TOOLS) {
		t->delivery = pending_delivery(l->applying, webhook);
		if (t->delivery)
			__atomic_add_fetch(&t->delivery->refs, 1, __ATOMIC_RELAXED);
	}
	return t;
}

static void task_free(struct effect_task *t)
{
	if (t->delivery)
		delivery_unref(t->delivery);
	buf_free(&t->command);
	arena_fini(&t->arena);
	free(t);
}

/* --- what came of it --- */

static void settle(struct effect_task *t, const struct outcome *o)
{
	struct buf body AUTO_BUF = { 0 };

	outcome_write(o, &body);
	lane_input_sure(t->lane, &t->call, RECORD_OUTCOME, buf_span(&body));
	task_free(t);
}

static void settle_not_sent(struct effect_task *t, const char *why)
{
	struct outcome o = { .effect = t->id,
			     .end = OUTCOME_NOT_SENT,
			     .error = span_of(why),
			     .rewritten = t->rewritten };

	settle(t, &o);
}

static enum outcome_end end_of(enum client_end end)
{
	static const enum outcome_end ends[] = { [CLIENT_ANSWERED] = OUTCOME_ANSWERED,
						 [CLIENT_NOT_SENT] = OUTCOME_NOT_SENT,
						 [CLIENT_UNKNOWN] = OUTCOME_UNKNOWN };
	return ends[end];
}

/* What may be journaled of it: with the platform's time, where the dialect wants that, and without
 * what nobody may know. */
static void clean_answer(const struct effect_task *t, struct span body, int64_t provider_us,
			 struct buf *out)
{
	struct envelope whole = { .keep_whole = true };
	const struct dialect *dialect = dialect_find(t->dialect);
	struct buf dated AUTO_BUF = { 0 };
	bool dates = t->kind == EFFECT_RECONCILE && dialect->put_asked;
	const struct asked_answer asked = { ASKED_CALL, t->provider_call_id, provider_us, body };

	if (dates)
		dialect->put_asked(&asked, &dated);
	dialect->mask(dates ? buf_span(&dated) : body, &whole, out);
}

static bool is_of_a_call(const struct effect_task *t, const struct client_response *r)
{
	bool asked = t->kind == EFFECT_RECONCILE || t->request.done;

	return asked && r->end == CLIENT_ANSWERED && r->status >= 200 && r->status <= 299 &&
	       json_check(r->body, NULL) == 0;
}

static void take_answer(struct effect_task *t, const struct client_response *r, int64_t provider_us)
{
	struct buf clean AUTO_BUF = { 0 };
	struct outcome o = {
		.effect = t->id,
		.end = end_of(r->end),
		.status = r->status,
		.body = r->body,
		.error = r->error ? span_of(r->error) : (struct span){ 0 },
		.timed_out = r->timed_out,
		.duration_us = r->duration_us,
		.rewritten = t->rewritten,
	};

	if (t->kind == EFFECT_TOOL)
		metric_observe_us(METRIC_TOOL_SECONDS, r->duration_us);
	if (t->kind == EFFECT_CONTROL)
		metric_observe_us(METRIC_COMMAND_SECONDS, clock_monotonic_us() - t->started_us);
	if (is_of_a_call(t, r)) {
		clean_answer(t, r->body, provider_us, &clean);
		o.body = buf_span(&clean);
	}
	settle(t, &o);
}

static void on_answer(void *user, const struct client_response *r)
{
	take_answer(user, r, 0);
}

/* Nothing was done. Within the time of the first. */
static bool goes_otherwise(struct effect_task *t)
{
	const struct ingest *in = t->lane->in;
	struct connect_request *r = &t->request;
	int64_t rest_ms = r->timeout_ms - (clock_monotonic_us() - t->started_us) / MS_US;
	bool bad = r->response.end == CLIENT_ANSWERED && r->response.status == 400;

	if (!bad || !t->other_body.n || rest_ms <= 0 || t->lane->stopping)
		return false;
	log_info("effects", "the platform of call %.*s refuses %.*s (400): once more with %.*s",
		 SPAN_ARG(t->provider_call_id), SPAN_ARG(r->body), SPAN_ARG(t->other_body));
	r->body = t->other_body;
	r->timeout_ms = rest_ms;
	t->other_body = (struct span){ 0 };
	in->connect_send(in->connect, t->lane->shard, r);
	return true;
}

/* At a stop its mail may come when there are no calls any more: the next start settles it. */
static void on_session_answer(struct connect_request *r)
{
	struct effect_task *t = CONTAINER_OF(r, struct effect_task, request);

	if (goes_otherwise(t))
		return;
	take_answer(t, &r->response, r->provider_us);
}

/* --- doing it --- */

struct headers {
	struct http_header items[MAX_HEADERS];
	size_t n;
};

static void header(struct headers *h, const char *name, struct span value)
{
	if (h->n < MAX_HEADERS)
		h->items[h->n++] = (struct http_header){ span_of(name), value };
}

static void send_request(struct effect_task *t, struct client_request *rq)
{
	struct fault f;

	t->started_us = clock_monotonic_us();
	if (http_client_send(t->lane->http, rq, on_answer, t, &f))
		settle_not_sent(t, f.text);
}

static enum http_method method_of(struct span name)
{
	for (enum http_method m = HTTP_GET; m <= HTTP_DELETE; m++) {
		if (span_is(name, http_method_name(m)))
			return m;
	}
	return HTTP_POST;
}

static const struct dir_source *source_of(const struct effect_task *t)
{
	return t->lane->dir ? directory_source_by_id(t->lane->dir, &t->source) : NULL;
}

/* A command is urgent: somebody waits for it. */
static void send_by_session(struct effect_task *t, const struct provider_request *pr,
			    int64_t timeout_ms, size_t limit)
{
	const struct ingest *in = t->lane->in;

	if (!in->connect_send) {
		settle_not_sent(t, "this node has no sessions with platforms");
		return;
	}
	t->started_us = clock_monotonic_us();
	t->other_body = pr->other_body;
	t->request = (struct connect_request){ .source = t->source,
					       .method = method_of(pr->method),
					       .url = pr->url,
					       .body = pr->body,
					       .group = pr->group,
					       .urgent = t->kind == EFFECT_CONTROL,
					       .timeout_ms = timeout_ms,
					       .response_limit = limit,
					       .done = on_session_answer };
	in->connect_send(in->connect, t->lane->shard, &t->request);
}

static void send_by_key(struct effect_task *t, const struct provider_request *pr,
			int64_t timeout_ms, size_t limit)
{
	const struct dir_source *s = source_of(t);
	struct headers h = { 0 };
	struct span key = { 0 };

	header(&h, "Content-Type", SPAN("application/json"));
	if (s && pr->needs_private_key)
		key = s->private_key.value;
	if (s && pr->needs_control_key)
		key = s->control_key.value;
	if (key.n)
		header(&h, "Authorization",
		       span_of(arena_printf(&t->arena, "Bearer %.*s", SPAN_ARG(key))));
	struct client_request rq = {
		.method = method_of(pr->method),
		.url = pr->url,
		.headers = h.items,
		.headers_n = h.n,
		.body = pr->body,
		.timeout_ms = timeout_ms,
		.response_limit = limit,
	};
	send_request(t, &rq);
}

static void send_provider(struct effect_task *t, const struct provider_request *pr,
			  int64_t timeout_ms, size_t limit)
{
	(pr->needs_session ? send_by_session : send_by_key)(t, pr, timeout_ms, limit);
}

static int parse_command(struct effect_task *t, struct fault *f)
{
	return command_read(json_of(buf_span(&t->command)), &t->arena, &t->parsed, f);
}

static void do_control(struct effect_task *t)
{
	const struct dialect *dialect = dialect_find(t->dialect);
	const struct dir_source *s = source_of(t);
	struct provider_request pr = { 0 };
	struct fault f;

	if (s)
		t->where.api_base = s->api_base;
	if (parse_command(t, &f) || dialect->command(&t->parsed, &t->where, &t->arena, &pr, &f))
		settle_not_sent(t, f.text);
	else
		send_provider(t, &pr, CONTROL_TIMEOUT_MS, CONTROL_ANSWER_LIMIT);
}

/* --- what is left to others --- */

/* At a stop its mail may come when there are no calls any more: the next start settles it. */
static void on_errand_done(struct errand *e)
{
	struct effect_task *t = CONTAINER_OF(e, struct effect_task, errand);
	int64_t duration_us = clock_monotonic_us() - t->started_us;
	struct outcome o = { .effect = t->id,
			     .end = e->end,
			     .error = e->end == OUTCOME_DONE ? (struct span){ 0 }
							     : span_of(e->why.text),
			     .duration_us = duration_us };

	metric_observe_us(METRIC_COMMAND_SECONDS, duration_us);
	settle(t, &o);
}

static void do_errand(struct effect_task *t)
{
	const struct carrier *carrier = &t->lane->in->carriers[t->kind];
	struct fault f = { .text = "nobody on this node can do that" };

	if (!carrier->run || parse_command(t, &f)) {
		settle_not_sent(t, f.text);
		return;
	}
	t->started_us = clock_monotonic_us();
	t->errand = (struct errand){ .home = t->lane->shard,
				     .org = t->org,
				     .call = t->call,
				     .command = &t->parsed,
				     .done = on_errand_done };
	carrier->run(carrier->user, &t->errand);
}

struct standing {
	struct errand errand;
	struct command command;
};

static void on_standing_done(struct errand *e)
{
	free(CONTAINER_OF(e, struct standing, errand));
}

static void tell_recorder(struct lane *l, const struct call_entry *c)
{
	const struct carrier *carrier = &l->in->carriers[EFFECT_RECORDER];
	struct standing *s = calloc(1, sizeof(*s));

	CHECK(s);
	s->command.verb = c->recording_paused ? COMMAND_RECORD_PAUSE : COMMAND_RECORD_RESUME;
	s->errand = (struct errand){ .home = l->shard,
				     .call = c->id,
				     .command = &s->command,
				     .standing = true,
				     .since_us = c->recording_paused
							 ? session_recording_paused_us(c->session)
							 : 0,
				     .done = on_standing_done };
	carrier->run(carrier->user, &s->errand);
}

void effects_note_recording(struct lane *l, struct call_entry *c)
{
	bool paused = c->session && session_recording_paused(c->session);

	if (paused == c->recording_paused || !l->resumed || l->stopping ||
	    !l->in->carriers[EFFECT_RECORDER].run)
		return;
	c->recording_paused = paused;
	tell_recorder(l, c);
}

static void do_reconcile(struct effect_task *t)
{
	const struct dialect *dialect = dialect_find(t->dialect);
	const struct dir_source *s = source_of(t);
	struct provider_request pr = { 0 };

	if (!s || !dialect->reconcile ||
	    dialect->reconcile(s->api_base, t->provider_call_id, &t->arena, &pr))
		settle_not_sent(t, "this source cannot be asked");
	else
		send_provider(t, &pr,
			      pr.needs_session ? SESSION_RECONCILE_TIMEOUT_MS
					       : RECONCILE_TIMEOUT_MS,
			      OUTCOME_BODY_LIMIT);
}

/* GET tools: every argument becomes a query parameter, objects as JSON. */
static struct span with_query(struct arena *a, struct span url, struct span arguments)
{
	struct buf out = { 0 };
	struct json_iter it = json_iter(json_of(arguments));
	struct span key;
	struct json value;
	char mark = memchr(url.p, '?', url.n) ? '&' : '?';

	buf_add(&out, url);
	while (json_next(&it, &key, &value)) {
		struct span text = value.kind == JSON_STRING ? json_text(value, a) : value.raw;

		buf_addc(&out, mark);
		mark = '&';
		buf_add_percent(&out, key, BUF_IN_VALUE);
		buf_addc(&out, '=');
		buf_add_percent(&out, text, BUF_IN_VALUE);
	}
	struct span copy = arena_copy(a, buf_span(&out));
	buf_free(&out);
	return copy;
}

static void do_tool(struct effect_task *t)
{
	const struct dir_tool *tool = t->lane->dir ? directory_tool(t->lane->dir, &t->tool) : NULL;
	struct headers h = { 0 };
	char id[UUID_TEXT + 1];

	if (!tool) {
		settle_not_sent(t, "the tool has been removed from the project");
		return;
	}
	struct rewrite rewrite = { .tool = tool,
				   .project = directory_project(t->lane->dir, &tool->project),
				   .arena = &t->arena };
	struct span arguments = rewrite_arguments(&rewrite, t->arguments);
	t->rewritten = rewrite.rewritten;
	bool query = span_is(tool->method, "GET");
	uuid_format(&t->id, id);
	if (!query)
		header(&h, "Content-Type", SPAN("application/json"));
	header(&h, "Idempotency-Key", span_of(id));
	header(&h, "X-Call-Id", t->provider_call_id);
	for (size_t i = 0; i < tool->headers_n; i++) {
		if (h.n < MAX_HEADERS)
			h.items[h.n++] = (struct http_header){ tool->headers[i].name,
							       tool->headers[i].value.value };
	}
	struct client_request rq = {
		.method = method_of(tool->method),
		.url = query ? with_query(&t->arena, tool->url, arguments) : tool->url,
		.headers = h.items,
		.headers_n = h.n,
		.body = query ? (struct span){ 0 } : arguments,
		.timeout_ms = t->timeout_ms,
		.response_limit = TOOL_ANSWER_LIMIT,
	};
	send_request(t, &rq);
}

static void do_upstream(struct effect_task *t)
{
	if (!t->delivery)
		settle_not_sent(t, "the webhook is gone");
	else if (upstream_forward(t->lane, t->delivery, on_answer, t))
		settle_not_sent(t, "too many requests are waiting for the upstream");
}

static void (*const doers[])(struct effect_task *) = {
	[EFFECT_CONTROL] = do_control,	       [EFFECT_SOCKET] = do_errand,
	[EFFECT_RECORDER] = do_errand,	       [EFFECT_TOOL] = do_tool,
	[EFFECT_UPSTREAM_TOOLS] = do_upstream, [EFFECT_RECONCILE] = do_reconcile,
};

static void on_intent_durable(struct waiter *w, struct lane *l)
{
	struct effect_task *t = CONTAINER_OF(w, struct effect_task, waiter);

	(void)l;
	doers[t->kind](t);
}

void effects_stop(struct lane *l)
{
	struct waiter *w = lane_take_waiters(l, on_intent_durable);

	while (w) {
		struct effect_task *t = CONTAINER_OF(w, struct effect_task, waiter);

		w = w->next;
		settle_not_sent(t, STOPPING);
	}
}

void effect_start(struct lane *l, struct effect_task *t)
{
	struct call_entry *c = lane_call(l, &t->call);
	uint64_t number = 0;
	struct fault f;

	t->next = NULL;
	if (l->stopping) {
		settle_not_sent(t, STOPPING);
		return;
	}
	int rc =
		c ? lane_input(l, c, RECORD_INTENT,
			       (struct span){ (const char *)t->id.b, sizeof(t->id.b) }, &number, &f)
		  : E_NOT_FOUND;
	if (rc && !number) {
		settle_not_sent(t, c ? f.text : "the call is gone");
		return;
	}
	t->waiter.durable = on_intent_durable;
	lane_wait(l, &t->waiter, number);
}
