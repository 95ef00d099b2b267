/* Answers that do not come from a session: configured or default ones, and assistant-request.
 *
 * assistant-request, happy path: the upstream's answer, where there is one; else the source's
 * assistant (inline, or fetched and cached per lane) with the project's current instructions, or an
 * id with variable values. What was served is journaled (SERVED) before it leaves.
 *
 * Failure modes: the upstream fails - ours is served, and the fetch for it began together with the
 * upstream's request; nothing fetched yet - the request waits for the fetch; fetch fails - the last
 * good copy is served; none at all - the configured failure answer (a destination or a spoken
 * error), always 200. What is known of the caller is asked for first, while the fetch runs
 * (context.c). All of it has one budget of time (delivery_left_ms). */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "ingest/lane.h"

enum {
	ASSISTANT_WAIT_MS = 4000,
	ASSISTANT_FRESH_US = 60 * 1000 * 1000,
	ASSISTANT_LIMIT = 4 * 1024 * 1024
};

struct waiting_request {
	struct waiting_request *next;
	struct assistant_cache *cache;
	struct delivery *delivery;
	uint64_t number;
	uv_timer_t timer;
};

struct assistant_cache {
	struct assistant_cache *next;
	struct lane *lane;
	struct uuid source;
	struct buf id, body; /* body empty: never fetched */
	int64_t tried_us;
	bool fetching;
	struct waiting_request *waiting;
};

void answer_default(struct delivery *d)
{
	struct arena a = { 0 };
	char *type = arena_printf(&a, "%.*s", SPAN_ARG(d->envelope.type));
	struct json configured = json_get(d->source->answers, type);

	buf_clear(&d->answer);
	d->status = 200;
	d->content_type = "application/json";
	if (json_has(configured))
		buf_add(&d->answer, configured.raw);
	else
		d->dialect->default_answer(d->envelope.type,
					   delivery_whole(d) ? SPAN("{}") : buf_span(&d->masked),
					   &d->answer, &d->content_type);
	arena_fini(&a);
}

/* --- assistant-request --- */

static void serve_failure(struct delivery *d, struct lane *l, uint64_t number)
{
	if (json_has(d->source->failure)) {
		buf_clear(&d->answer);
		buf_add(&d->answer, d->source->failure.raw);
	} else {
		answer_default(d);
	}
	delivery_answer_at(d, l, number);
}

static void put_version(struct json_out *o, const struct dir_project *p, bool by_id, bool written)
{
	char id[UUID_TEXT + 1];

	if (!p || !p->instruction_number || (!by_id && !written))
		return;
	uuid_format(&p->instruction_version, id);
	json_put_z(o, by_id ? "variable_version" : "instruction_version", id);
	json_put_i64(o, "number", p->instruction_number);
}

/* `p`: whose instructions were to be given; not `written`: the assistant has none of ours. By id
 * they are a variable, and whether the provider's text names it is not seen here. */
static uint64_t note_served(struct delivery *d, struct lane *l, const struct dir_project *p,
			    bool written, uint64_t number)
{
	bool by_id = span_is(d->source->assistant_mode, "id");
	struct call_entry *c = lane_call(l, &d->call);
	struct buf body AUTO_BUF = { 0 };
	struct json_out o = { .b = &body };
	struct fault f;
	uint64_t served = 0;

	if (!c)
		return number;
	json_begin(&o, NULL);
	put_version(&o, p, by_id, written);
	json_put_text(&o, "how", by_id ? SPAN("variable") : d->source->assistant_mode);
	json_end(&o);
	if (lane_input(l, c, RECORD_SERVED, buf_span(&body), &served, &f) && !served)
		return number;
	return served;
}

/* Where the transcriber of the assistant is our own socket of this source, its URL gets a token of
 * this call: the socket names no call by itself. */
static void issue_token(struct delivery *d, struct lane *l)
{
	static const char *const places[] = { "assistant.transcriber.server.url",
					      "assistantOverrides.transcriber.server.url" };
	struct arena a = { 0 };
	const char *own = arena_printf(&a, "/in/%s/%.*s/transcriber", d->dialect->name,
				       SPAN_ARG(d->source->name));
	struct buf token AUTO_BUF = { 0 }, whole AUTO_BUF = { 0 };

	hear_token(&l->in->hear, &d->source->org, &d->call, &token);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct span text = buf_span(&d->answer);
		struct span url = json_path(json_of(text), places[i]).raw;

		if (!url.n || !memmem(url.p, url.n, own, strlen(own)))
			continue;
		const char *query = memchr(url.p, '?', url.n);
		size_t at = (size_t)((query ? query : url.p + url.n - 1) - text.p);
		bool slash = at > 0 && text.p[at - 1] == '/';
		buf_clear(&whole);
		buf_printf(&whole, "%.*s%s%.*s", (int)at, text.p, slash ? "" : "/",
			   SPAN_ARG(buf_span(&token)));
		buf_add(&whole, span_from(text, at));
		buf_clear(&d->answer);
		buf_add(&d->answer, buf_span(&whole));
	}
	arena_fini(&a);
}

static void serve(struct delivery *d, struct lane *l, struct json assistant, uint64_t number)
{
	const struct dir_project *p = directory_project(d->dir, &d->source->project);
	bool written = false;
	struct assistant_choice choice = {
		.assistant = assistant,
		.id = d->source->assistant_id,
		.variable_values = d->source->variable_values,
		.instructions = p ? p->instruction_text : (struct span){ 0 },
		.inject = p && p->context_inject,
		.context = d->context,
		.written = &written,
	};
	struct fault f;

	buf_clear(&d->answer);
	if (!d->dialect->answer_assistant ||
	    d->dialect->answer_assistant(&choice, &d->answer, &f)) {
		log_warn("assistant", "source %.*s: %s", SPAN_ARG(d->source->name), f.text);
		serve_failure(d, l, number);
		return;
	}
	issue_token(d, l);
	delivery_answer_at(d, l, note_served(d, l, p, written, number));
}

static void serve_fetched(struct assistant_cache *c, struct delivery *d, struct lane *l,
			  uint64_t number)
{
	if (c->body.n)
		serve(d, l, json_of(buf_span(&c->body)), number);
	else
		serve_failure(d, l, number);
}

static void free_waiting(uv_handle_t *timer)
{
	free(timer->data);
}

/* With what has been fetched by now. */
static void end_waiting(struct waiting_request *w)
{
	serve_fetched(w->cache, w->delivery, w->cache->lane, w->number);
	uv_close((uv_handle_t *)&w->timer, free_waiting);
}

static void on_budget_spent(uv_timer_t *t)
{
	struct waiting_request *w = t->data;

	LL_DELETE(w->cache->waiting, w);
	end_waiting(w);
}

static void wait_for_fetch(struct assistant_cache *c, struct delivery *d, uint64_t number)
{
	struct waiting_request *w = calloc(1, sizeof(*w));
	int64_t left = delivery_left_ms(d);

	CHECK(w);
	w->cache = c;
	w->delivery = d;
	w->number = number;
	uv_timer_init(shard_loop(c->lane->shard), &w->timer);
	w->timer.data = w;
	uv_timer_start(&w->timer, on_budget_spent, left > 0 ? (uint64_t)left : 0, 0);
	LL_APPEND(c->waiting, w);
}

static void on_fetched(void *user, const struct client_response *r)
{
	struct assistant_cache *c = user;
	struct fault f = { .text = "the answer is no assistant" };

	c->fetching = false;
	if (r->end == CLIENT_ANSWERED && r->status == 200 && json_check(r->body, &f) == 0 &&
	    json_of(r->body).kind == JSON_OBJECT) {
		buf_clear(&c->body);
		buf_add(&c->body, r->body);
	} else {
		log_warn("assistant", "GET assistant %.*s: %s (status %d)",
			 SPAN_ARG(buf_span(&c->id)), r->error ? r->error : f.text, r->status);
	}
	while (c->waiting) {
		struct waiting_request *w = c->waiting;

		c->waiting = w->next;
		end_waiting(w);
	}
}

static void fetch(struct assistant_cache *c, const struct dir_source *s)
{
	const struct dialect *dialect = dialect_find(s->dialect);
	struct provider_request pr = { 0 };
	struct arena a = { 0 };
	struct fault f;

	c->tried_us = clock_monotonic_us();
	if (c->lane->stopping)
		return;
	if (dialect && dialect->fetch_assistant &&
	    !dialect->fetch_assistant(s->api_base, s->assistant_id, &a, &pr)) {
		struct http_header h = {
			SPAN("Authorization"),
			span_of(arena_printf(&a, "Bearer %.*s", SPAN_ARG(s->private_key.value))),
		};
		struct client_request rq = {
			.method = HTTP_GET,
			.url = pr.url,
			.headers = &h,
			.headers_n = 1,
			.timeout_ms = ASSISTANT_WAIT_MS,
			.response_limit = ASSISTANT_LIMIT,
		};
		c->fetching = http_client_send(c->lane->http, &rq, on_fetched, c, &f) == 0;
	}
	arena_fini(&a);
}

static struct assistant_cache *cache_of(struct lane *l, const struct dir_source *s)
{
	struct assistant_cache *c;

	for (c = l->assistants; c; c = c->next) {
		if (uuid_eq(&c->source, &s->id) && span_eq(buf_span(&c->id), s->assistant_id))
			return c;
	}
	c = calloc(1, sizeof(*c));
	CHECK(c);
	c->lane = l;
	c->source = s->id;
	buf_add(&c->id, s->assistant_id);
	c->next = l->assistants;
	l->assistants = c;
	return c;
}

/* Nothing has been fetched yet: now it is, unless it is already under way. */
static struct assistant_cache *want(struct lane *l, const struct dir_source *s)
{
	struct assistant_cache *c = cache_of(l, s);

	if (!c->body.n && !c->fetching)
		fetch(c, s);
	return c;
}

static void answer_fetch(struct lane *l, struct delivery *d, uint64_t number)
{
	struct assistant_cache *c = want(l, d->source);

	if (c->body.n || !c->fetching)
		serve_fetched(c, d, l, number);
	else
		wait_for_fetch(c, d, number);
}

static void answer_inline(struct lane *l, struct delivery *d, uint64_t number)
{
	serve(d, l, d->source->assistant, number);
}

static void answer_id(struct lane *l, struct delivery *d, uint64_t number)
{
	serve(d, l, (struct json){ 0 }, number);
}

static void answer_known(struct lane *l, struct delivery *d, uint64_t number)
{
	static const struct {
		const char *mode;
		void (*answer)(struct lane *, struct delivery *, uint64_t);
	} modes[] = { { "inline", answer_inline }, { "fetch", answer_fetch }, { "id", answer_id } };

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (span_is(d->source->assistant_mode, modes[i].mode)) {
			modes[i].answer(l, d, number);
			return;
		}
	}
	serve_failure(d, l, number);
}

static void answer_ours(struct lane *l, struct delivery *d, uint64_t number)
{
	if (span_is(d->source->assistant_mode, "fetch"))
		(void)want(l, d->source);
	if (!context_ask(l, d, number, answer_known))
		answer_known(l, d, number);
}

static void on_upstream_answer(void *user, const struct client_response *r)
{
	struct delivery *d = user;

	if (delivery_take_upstream(d, r))
		delivery_answer(d);
	else
		answer_ours(d->owner, d, d->waiter.number);
}

static void ask_upstream(struct waiter *w, struct lane *l)
{
	struct delivery *d = CONTAINER_OF(w, struct delivery, waiter);

	if (upstream_forward(l, d, on_upstream_answer, d))
		answer_ours(l, d, d->waiter.number);
}

void answer_assistant(struct lane *l, struct delivery *d, uint64_t number)
{
	if (!d->source->upstream_url.n) {
		answer_ours(l, d, number);
		return;
	}
	if (span_is(d->source->assistant_mode, "fetch"))
		(void)want(l, d->source);
	d->waiter.durable = ask_upstream;
	lane_wait(l, &d->waiter, number);
}

/* --- keeping what was fetched fresh --- */

void assistants_refresh(struct lane *l)
{
	int64_t now = clock_monotonic_us();

	for (size_t i = 0; l->dir && i < l->dir->sources_n; i++) {
		const struct dir_source *s = &l->dir->sources[i];

		if (!span_is(s->assistant_mode, "fetch") || !s->private_key.value.n)
			continue;
		struct assistant_cache *c = cache_of(l, s);
		if (!c->fetching && (!c->tried_us || now - c->tried_us > ASSISTANT_FRESH_US))
			fetch(c, s);
	}
}

void assistants_free(struct lane *l)
{
	while (l->assistants) {
		struct assistant_cache *c = l->assistants;

		l->assistants = c->next;
		CHECK(!c->waiting); /* the client has called back by now */
		buf_free(&c->id);
		buf_free(&c->body);
		free(c);
	}
}
