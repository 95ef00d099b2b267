/* Answers that do not come from a session: configured or default ones, and assistant-request.
 *
 * assistant-request, happy path: the source's assistant (inline, or fetched and cached per lane)
 * with the project's current instructions, or an id with variable values. What was served is
 * journaled (SERVED) before it leaves.
 *
 * Failure modes: nothing fetched yet - the request waits for the fetch, at most ASSISTANT_WAIT_MS;
 * fetch fails - the last good copy is served; none at all - the configured failure answer (a
 * destination or a spoken error), always 200. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ingest/lane.h"

enum {
	ASSISTANT_WAIT_MS = 4000,
	ASSISTANT_FRESH_US = 60 * 1000 * 1000,
	ASSISTANT_LIMIT = 4 * 1024 * 1024
};

struct waiting_request {
	struct waiting_request *next;
	struct delivery *delivery;
	uint64_t number;
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
	delivery_question(d, l, number);
}

static uint64_t note_served(struct delivery *d, struct lane *l, const struct dir_project *p,
			    uint64_t number)
{
	struct call_entry *c = lane_call(l, &d->call);
	struct buf body AUTO_BUF = { 0 };
	struct json_out o = { .b = &body };
	char id[UUID_TEXT + 1];
	struct fault f;
	uint64_t served = 0;

	if (!c)
		return number;
	json_begin(&o, NULL);
	if (p && p->instruction_number) {
		uuid_format(&p->instruction_version, id);
		json_put_z(&o, "instruction_version", id);
		json_put_i64(&o, "number", p->instruction_number);
	}
	json_put_text(&o, "how", d->source->assistant_mode);
	json_end(&o);
	if (lane_input(l, c, RECORD_SERVED, buf_span(&body), &served, &f) && !served)
		return number;
	return served;
}

static void serve(struct delivery *d, struct lane *l, struct json assistant, uint64_t number)
{
	const struct dir_project *p = directory_project(d->dir, &d->source->project);
	struct assistant_choice choice = {
		.assistant = assistant,
		.id = d->source->assistant_id,
		.variable_values = d->source->variable_values,
		.instructions = p ? p->instruction_text : (struct span){ 0 },
	};
	struct fault f;

	buf_clear(&d->answer);
	if (!d->dialect->answer_assistant ||
	    d->dialect->answer_assistant(&choice, &d->answer, &f)) {
		log_warn("assistant", "source %.*s: %s", SPAN_ARG(d->source->name), f.text);
		serve_failure(d, l, number);
		return;
	}
	if (!d->source->upstream_url.n)
		number = note_served(d, l, p, number);
	delivery_question(d, l, number);
}

static void serve_fetched(struct assistant_cache *c, struct delivery *d, struct lane *l,
			  uint64_t number)
{
	if (c->body.n)
		serve(d, l, json_of(buf_span(&c->body)), number);
	else
		serve_failure(d, l, number);
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
		serve_fetched(c, w->delivery, c->lane, w->number);
		free(w);
	}
}

static void fetch(struct assistant_cache *c, const struct dir_source *s)
{
	const struct dialect *dialect = dialect_find(s->dialect);
	struct provider_request pr = { 0 };
	struct arena a = { 0 };
	struct fault f;

	c->tried_us = clock_monotonic_us();
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

static void answer_fetch(struct lane *l, struct delivery *d, uint64_t number)
{
	struct assistant_cache *c = cache_of(l, d->source);

	if (!c->body.n && !c->fetching)
		fetch(c, d->source);
	if (c->body.n || !c->fetching) {
		serve_fetched(c, d, l, number);
		return;
	}
	struct waiting_request *w = calloc(1, sizeof(*w));
	CHECK(w);
	*w = (struct waiting_request){ NULL, d, number };
	struct waiting_request **last = &c->waiting;
	while (*last)
		last = &(*last)->next;
	*last = w;
}

static void answer_inline(struct lane *l, struct delivery *d, uint64_t number)
{
	serve(d, l, d->source->assistant, number);
}

static void answer_id(struct lane *l, struct delivery *d, uint64_t number)
{
	serve(d, l, (struct json){ 0 }, number);
}

void answer_assistant(struct lane *l, struct delivery *d, uint64_t number)
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
