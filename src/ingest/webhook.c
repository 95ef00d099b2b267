/* POST /in/{dialect}/{source}: a provider's message.
 *
 * Happy path: home shard - source, signature, classify, and of bodies that are kept whole check and
 * mask (on libuv's pool when they are big); owner shard - reduce, check and mask what is left,
 * journal, apply; when durable back home - answer. Every step that can be full has its answer:
 * questions whose answer the provider reads get 200 with their default, everything else 503 with
 * Retry-After.
 *
 * A body that cannot be read is kept whole (REFUSED record, later quarantine) before it is answered
 * 400; a message that belongs to no call is kept the same way and answered 200. */
#include <ctype.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ingest/lane.h"

enum {
	ASSISTANT_BUDGET_MS = 7000, /* the provider waits 7.5 s for it */
	ECHO_MAX = 512,		    /* the whole answer must stay below 1024 bytes */
};

/* --- the delivery's life --- */

void delivery_unref(struct delivery *d)
{
	if (__atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL))
		return;
	free(d->body);
	for (size_t i = 0; i < d->kept_n; i++)
		free((void *)(uintptr_t)d->kept[i].name.p);
	free(d->kept);
	buf_free(&d->masked);
	buf_free(&d->answer);
	directory_unref(d->dir);
	arena_fini(&d->arena);
	free(d);
}

static void send_answer(struct delivery *d)
{
	if (d->retry_after && d->exchange)
		exchange_answer_header(d->exchange, "Retry-After", SPAN("1"));
	metric_add_label(METRIC_WEBHOOKS, d->result, 1);
	metric_observe_us(METRIC_WEBHOOK_SECONDS, clock_monotonic_us() - d->received_us);
	if (d->exchange)
		exchange_answer(d->exchange, d->status, d->content_type, buf_span(&d->answer));
	if (d->told)
		told_answer(d->told, d->status);
	delivery_unref(d);
}

static void run_answer(struct mail *m, struct shard *here)
{
	(void)here;
	send_answer((struct delivery *)m);
}

void delivery_answer(struct delivery *d)
{
	if (shard_here(d->home)) {
		send_answer(d);
		return;
	}
	d->mail.run = run_answer;
	shard_post_sure(d->home, &d->mail);
}

static void set_problem(struct delivery *d, int status, const char *detail)
{
	buf_clear(&d->answer);
	http_put_problem(&d->answer, status, detail);
	d->status = status;
	d->content_type = "application/problem+json";
}

/* What the platform does not bring again its session asks for. */
static void tell_session(const struct delivery *d)
{
	const struct ingest *in = d->ingest;

	if (d->exchange && d->source->connect.on && in->connect_refused)
		in->connect_refused(in->connect, &d->source->id);
}

/* Full, draining disk, failed journal: what was asked gets its default, the rest comes again. */
static void answer_overload(struct delivery *d, const struct fault *f)
{
	d->result = "overloaded";
	if (d->envelope.answer == ANSWER_NONE) {
		set_problem(d, 503, f->text);
		d->retry_after = true;
		tell_session(d);
	} else {
		answer_default(d);
	}
	delivery_answer(d);
}

/* --- owner --- */

static void on_durable_answer(struct waiter *w, struct lane *l)
{
	struct delivery *d = CONTAINER_OF(w, struct delivery, waiter);

	if (d->source->upstream_url.n && d->envelope.answer == ANSWER_NONE && !d->envelope.beside)
		upstream_forward(l, d, NULL, NULL);
	delivery_answer(d);
}

static void on_durable_plain(struct waiter *w, struct lane *l)
{
	(void)l;
	delivery_answer(CONTAINER_OF(w, struct delivery, waiter));
}

void delivery_answer_at(struct delivery *d, struct lane *l, uint64_t number)
{
	d->waiter.durable = on_durable_plain;
	lane_wait(l, &d->waiter, number);
}

int64_t delivery_left_ms(const struct delivery *d)
{
	return ASSISTANT_BUDGET_MS - (clock_monotonic_us() - d->received_us) / MS_US;
}

bool delivery_take_upstream(struct delivery *d, const struct client_response *r)
{
	if (r->end != CLIENT_ANSWERED || r->status < 200 || r->status > 299 || r->truncated)
		return false;
	d->status = 200;
	buf_clear(&d->answer);
	buf_add(&d->answer, r->body);
	d->content_type = r->content_type.n
				  ? arena_printf(&d->arena, "%.*s", SPAN_ARG(r->content_type))
				  : "application/json";
	return true;
}

static void answer_upstream(void *user, const struct client_response *r)
{
	struct delivery *d = user;

	(void)delivery_take_upstream(d, r);
	delivery_answer(d);
}

/* A question: the upstream's answer within its deadline, else the one that is already in `answer`.
 */
static void on_durable_question(struct waiter *w, struct lane *l)
{
	struct delivery *d = CONTAINER_OF(w, struct delivery, waiter);

	if (!d->source->upstream_url.n || upstream_forward(l, d, answer_upstream, d))
		delivery_answer(d);
}

/* --- kept without a call --- */

static void keep(struct delivery *d, struct lane *here, const char *why)
{
	struct buf body AUTO_BUF = { 0 };
	struct json_out o = { .b = &body };
	char source[UUID_TEXT + 1];
	struct fault f;

	uuid_format(&d->source->id, source);
	json_begin(&o, NULL);
	json_put_z(&o, "source", source);
	json_put_z(&o, "why", why);
	json_end(&o);
	buf_addc(&body, '\n');
	buf_add(&body, d->malformed ? (struct span){ d->body, d->body_n } : buf_span(&d->masked));
	struct record r = { .kind = RECORD_REFUSED,
			    .at_us = clock_now_us(),
			    .body = buf_span(&body) };
	int rc = lane_append(here, &r, 1);
	if (rc) {
		fault(&f, rc, "the journal takes no records: %s", fault_name(rc));
		answer_overload(d, &f);
		return;
	}
	d->waiter.durable =
		d->envelope.answer == ANSWER_NONE ? on_durable_answer : on_durable_question;
	d->owner = here;
	lane_wait(here, &d->waiter, r.number);
}

static void reject(struct delivery *d, struct lane *here)
{
	d->result = "rejected";
	set_problem(d, 400, d->fault.text);
	d->envelope.answer = ANSWER_NONE;
	keep(d, here, d->fault.text);
}

/* --- applied --- */

static void own(struct lane *l, struct delivery *d)
{
	struct call_entry *c = NULL;
	struct fault f = { 0 };
	uint64_t number = 0;
	int rc = lane_deliver(l, d, &c, &number, &f);

	if (d->malformed) {
		reject(d, l);
		return;
	}
	if (!number) {
		answer_overload(d, &f);
		return;
	}
	if (d->told && d->told->when_taken)
		told_answer(take(d->told), d->status);
	metric_observe_us(METRIC_EVENT_SECONDS, clock_monotonic_us() - d->received_us);
	d->result = rc ? "rejected" : "accepted";
	if (rc == 0 && (d->envelope.answer != ANSWER_ASSISTANT || d->source->upstream_url.n))
		context_ask_running(l, c);
	if (d->envelope.answer == ANSWER_TOOLS && !rc)
		return; /* the session answers */
	d->waiter.durable =
		d->envelope.answer == ANSWER_NONE ? on_durable_answer : on_durable_question;
	if (rc && d->envelope.answer == ANSWER_NONE) {
		set_problem(d, 400, f.text);
	} else if (d->envelope.answer == ANSWER_ASSISTANT && !rc) {
		answer_assistant(l, d, number); /* waits by itself */
		return;
	} else if (d->envelope.answer != ANSWER_NONE) {
		answer_default(d);
	}
	lane_wait(l, &d->waiter, number);
}

static void run_own(struct mail *m, struct shard *here)
{
	struct delivery *d = (struct delivery *)m;
	struct fault f;

	(void)here;
	if (d->owner->stopped) {
		fault(&f, E_UNAVAILABLE, "this node is stopping");
		answer_overload(d, &f);
		return;
	}
	own(d->owner, d);
}

static void to_owner(struct delivery *d)
{
	struct fault f;
	struct lane *here = lane_of(d->ingest, d->home);

	d->call = uuid_v5(&d->source->id, d->envelope.call_id);
	d->owner = lane_owner(d->ingest, &d->call);
	if (d->owner == here) {
		own(here, d);
		return;
	}
	d->mail.run = run_own;
	int rc = shard_post(d->owner->shard, &d->mail);
	if (rc) {
		metric_add(METRIC_MAILBOX_FULL, 1);
		fault(&f, rc, "this node is overloaded");
		answer_overload(d, &f);
	}
}

/* --- sorted out --- */

static void sorted_out(struct delivery *d)
{
	struct lane *here = lane_of(d->ingest, d->home);
	struct fault f;

	if (here->stopped) {
		fault(&f, E_UNAVAILABLE, "this node is stopping");
		answer_overload(d, &f);
		return;
	}
	if (d->malformed) {
		reject(d, here);
	} else if (d->envelope.call_id.n == 0) {
		if (d->envelope.answer != ANSWER_NONE)
			answer_default(d);
		keep(d, here, "the message belongs to no call");
	} else {
		to_owner(d);
	}
}

/* --- reading --- */

int delivery_whole(struct delivery *d)
{
	struct span body = { d->body, d->body_n };

	if (d->masked.n)
		return 0;
	TRY(json_check(body, &d->fault));
	d->dialect->mask(body, &d->envelope, &d->masked);
	return 0;
}

static bool is_reduced_first(const struct delivery *d)
{
	return !d->envelope.keep_whole && d->envelope.call_id.n && d->body_n <= OFF_LOOP_BYTES;
}

static void sort_out(struct delivery *d)
{
	struct span body = { d->body, d->body_n };

	d->malformed = d->dialect->classify(body, &d->arena, &d->envelope, &d->fault) != 0;
	if (!d->malformed && !is_reduced_first(d))
		d->malformed = delivery_whole(d) != 0;
}

static void on_pool(uv_work_t *w)
{
	struct delivery *d = CONTAINER_OF(w, struct delivery, work);

	CHECK(atomic_load(&d->handed_over));
	sort_out(d);
	atomic_store(&d->handed_over, false);
}

static void on_pool_done(uv_work_t *w, int status)
{
	struct delivery *d = CONTAINER_OF(w, struct delivery, work);

	(void)status;
	CHECK(!atomic_load(&d->handed_over));
	sorted_out(d);
}

static void keep_header(struct delivery *d, struct span name)
{
	struct span value;
	char *copy, z[128];

	if (name.n == 0 || name.n >= sizeof(z))
		return;
	memcpy(z, name.p, name.n);
	z[name.n] = 0;
	if (!exchange_header(d->exchange, z, &value))
		return;
	for (size_t i = 0; i < d->kept_n; i++) {
		if (span_eq(d->kept[i].name, name))
			return;
	}
	d->kept = realloc(d->kept, (d->kept_n + 1) * sizeof(*d->kept));
	copy = malloc(name.n + value.n + 1);
	CHECK(d->kept && copy);
	memcpy(copy, name.p, name.n);
	memcpy(copy + name.n, value.p, value.n);
	d->kept[d->kept_n++] = (struct http_header){ { copy, name.n }, { copy + name.n, value.n } };
}

/* What an upstream needs to check the message itself. */
static void keep_headers(struct delivery *d)
{
	static const char *const always[] = {
		"content-type",	    "authorization",	 "user-agent",	      "x-vapi-secret",
		"x-vapi-signature", "x-signature",	 "x-timestamp",	      "x-call-id",
		"webhook-id",	    "webhook-timestamp", "webhook-signature", "svix-id"
	};

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		keep_header(d, span_of(always[i]));
	for (size_t i = 0; i < d->source->auth_n; i++) {
		keep_header(d, d->source->auth[i].header);
		keep_header(d, d->source->auth[i].timestamp_header);
		keep_header(d, d->source->auth[i].id_header);
	}
}

static struct delivery *delivery_new(struct lane *home, const struct dialect *dialect,
				     const struct dir_source *source, int64_t received_us)
{
	struct delivery *d = calloc(1, sizeof(*d));

	CHECK(d);
	d->refs = 1;
	d->ingest = home->in;
	d->home = home->shard;
	d->dialect = dialect;
	d->dir = directory_ref(home->dir);
	d->source = source;
	d->received_us = received_us;
	d->status = 200;
	d->content_type = "application/json";
	d->result = "accepted";
	buf_addz(&d->answer, "{}");
	return d;
}

static void begin(struct delivery *d)
{
	metric_add(METRIC_WEBHOOK_BYTES, (int64_t)d->body_n);
	if (d->body_n <= OFF_LOOP_BYTES) {
		sort_out(d);
		sorted_out(d);
		return;
	}
	atomic_store(&d->handed_over, true);
	if (uv_queue_work(shard_loop(d->home), &d->work, on_pool, on_pool_done)) {
		sort_out(d);
		sorted_out(d);
	}
}

static void accept_delivery(struct exchange *x, struct lane *l, const struct dialect *dialect,
			    const struct dir_source *source)
{
	struct delivery *d = delivery_new(l, dialect, source, exchange_received_us(x));

	d->exchange = x;
	if (source->upstream_url.n)
		keep_headers(d);
	d->body = exchange_take_body(x, &d->body_n);
	begin(d);
}

void webhook_take(struct lane *home, const struct dir_source *source, struct span json,
		  struct connect_message *told)
{
	const struct dialect *dialect = dialect_find(source->dialect);

	if (!dialect)
		return;
	struct delivery *d = delivery_new(home, dialect, source, clock_monotonic_us());
	d->told = told;
	d->body = malloc(json.n + 1);
	CHECK(d->body);
	memcpy(d->body, json.p, json.n);
	d->body_n = json.n;
	begin(d);
}

static void refuse(struct exchange *x, const char *result, int status, const char *detail)
{
	struct buf body AUTO_BUF = { 0 };

	metric_add_label(METRIC_WEBHOOKS, result, 1);
	http_put_problem(&body, status, detail);
	exchange_answer(x, status, "application/problem+json", buf_span(&body));
}

static bool lower_header(const struct exchange *x, const char *name, struct span *value)
{
	char lower[64];
	size_t n = 0;

	while (name[n] && n < sizeof(lower) - 1) {
		lower[n] = (char)tolower((unsigned char)name[n]);
		n++;
	}
	lower[n] = 0;
	return exchange_header(x, lower, value);
}

/* The provider wants to see that it is us: whoever sends this learns only what he has sent. With a
 * message it is echoed in its answer, whatever that is; false: there is one. */
static bool shake_hands(struct exchange *x, const struct dialect *dialect)
{
	struct span token, body = span_trim(exchange_body(x));
	bool empty = !body.n || span_is(body, "{}");

	if (!dialect->echo_header || !lower_header(x, dialect->echo_header, &token))
		return false;
	if (token.n > ECHO_MAX) {
		if (empty)
			refuse(x, "rejected", 400, "the token to be echoed is too long");
		return empty;
	}
	exchange_answer_header(x, dialect->echo_header, token);
	if (!empty)
		return false;
	metric_add_label(METRIC_WEBHOOKS, "handshake", 1);
	exchange_answer(x, 200, "application/json", (struct span){ 0 });
	return true;
}

void ingest_webhook(struct exchange *x)
{
	struct ingest *in = (struct ingest *)(uintptr_t)exchange_route(x)->info;
	struct lane *l = lane_of(in, exchange_shard(x));
	struct span name = exchange_param(x, "source");
	const struct dialect *dialect = dialect_find(exchange_param(x, "dialect"));
	const struct dir_source *source;
	struct fault f;

	if (!dialect) {
		refuse(x, "unknown_source", 404, "no such provider dialect");
		return;
	}
	if (!l->dir) {
		exchange_answer_header(x, "Retry-After", SPAN("1"));
		refuse(x, "overloaded", 503, "the configuration is not loaded yet");
		return;
	}
	source = directory_source(l->dir, span_of(dialect->name), name);
	if (!source) {
		refuse(x, "unknown_source", 404, "no source of this name is configured");
		return;
	}
	if (shake_hands(x, dialect))
		return;
	if (auth_check(source, x, exchange_body(x), clock_now_us(), &f)) {
		log_often(LOG_WARN, "webhook", source->name, "source %.*s: %s",
			  SPAN_ARG(source->name), f.text);
		refuse(x, "unauthorized", 401, f.text);
		return;
	}
	accept_delivery(x, l, dialect, source);
}
