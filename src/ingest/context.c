/* What is known of a caller when a call begins: open items of the database and the answer of the
 * project's lookup, asked for side by side (A8).
 *
 * Happy path: an assistant-request waits for both, gets the text, and what was found is journaled
 * (CONTEXT) before what was served; a call that begins without one is asked about when its first
 * message shows it under way, and its session tells the assistant. An item that is posted goes to
 * every lane by mail and into the calls of its contact.
 *
 * Failure modes: PostgreSQL away, or its queue full - no items, at once; it does not answer within
 * ITEMS_LIMIT_MS - no items; the lookup fails, is late or gives no JSON - the record says why; no
 * time left of the provider's 7.5 s - the lookup is not asked; the lane stops - what waits goes on
 * with what is there. A call whose items could not be had is asked about again with its next
 * message, every AGAIN_US at most. After a restart the records say which parts of it were had: the
 * others are asked for again, what was told is not told again. */
#include <stdlib.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "callmend/store.h"
#include "ingest/rewrite.h"
#include "ingest/tasks.h"

enum {
	ITEMS_LIMIT_MS = 300,
	SERVE_MS = 500, /* of an assistant-request's budget are left to serve it */
	LOOKUP_ANSWER_LIMIT = 64 * 1024,
	LOOKUP_ITEMS_MAX = 20,
	LOOKUP_HEADERS_MAX = 32,
	TITLE_MAX = 800,
	TEXT_MAX = 8000,
	CONTEXT_TEXT_MAX = 16 * 1024,
};
#define AGAIN_US (INT64_C(3) * SECOND_US)

enum { PART_ITEMS = 1, PART_LOOKUP = 2 };

struct context_ask {
	struct context_ask *prev, *next; /* of the lane; while a part is missing */
	struct lane *lane;
	struct uuid call;
	struct delivery *delivery; /* NULL: a call that runs */
	uint64_t number;
	context_done_fn *go_on;
	unsigned missing;   /* PART_ bits */
	int refs;	    /* itself, the timer, each answer that will still come */
	bool items_failed;  /* nobody knows whether there are any */
	struct buf items;   /* elements, with commas */
	const char *lookup; /* NULL: not asked */
	struct buf error;
	uv_timer_t timer;
	bool timer_open;
};

static void ask_unref(struct context_ask *a)
{
	if (--a->refs)
		return;
	buf_free(&a->items);
	buf_free(&a->error);
	free(a);
}

/* --- what was found --- */

static void add_item(struct context_ask *a, struct span json)
{
	if (a->items.n)
		buf_addc(&a->items, ',');
	buf_add(&a->items, json);
}

/* At most `most` bytes, whole characters. */
static struct span clip(struct span s, size_t most)
{
	size_t n = s.n < most ? s.n : most;

	while (n < s.n && n > 0 && ((uint8_t)s.p[n] & 0xc0) == 0x80)
		n--;
	return (struct span){ s.p, n };
}

static void put_clipped(struct json_out *o, const char *name, struct json v, size_t most,
			struct arena *arena)
{
	struct span s = v.kind == JSON_STRING ? json_text(v, arena) : v.raw;

	if (json_has(v))
		json_put_text(o, name, clip(s, most));
}

static void add_found(struct context_ask *a, struct json item)
{
	struct arena arena = { 0 };
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };

	json_begin(&o, NULL);
	if (item.kind == JSON_OBJECT &&
	    (json_has(json_get(item, "title")) || json_has(json_get(item, "text")))) {
		put_clipped(&o, "kind", json_get(item, "kind"), TITLE_MAX, &arena);
		put_clipped(&o, "title", json_get(item, "title"), TITLE_MAX, &arena);
		put_clipped(&o, "text", json_get(item, "text"), TEXT_MAX, &arena);
	} else {
		put_clipped(&o, "text", item, TEXT_MAX, &arena);
	}
	json_end(&o);
	add_item(a, buf_span(&b));
	arena_fini(&arena);
}

static bool is_nothing(struct json v)
{
	return !json_has(v) || v.kind == JSON_FALSE || json_is_text(v, "") ||
	       ((v.kind == JSON_OBJECT || v.kind == JSON_ARRAY) && json_count(v) == 0);
}

/* {"items": [..]}, or any JSON as one item. */
static void take_found(struct context_ask *a, struct json answer)
{
	struct json items = json_get(answer, "items");
	struct json_iter it = json_iter(items);
	struct span key;
	struct json item;

	if (items.kind != JSON_ARRAY) {
		if (!is_nothing(answer))
			add_found(a, answer);
		return;
	}
	for (int i = 0; i < LOOKUP_ITEMS_MAX && json_next(&it, &key, &item); i++) {
		if (!is_nothing(item))
			add_found(a, item);
	}
}

/* --- the record and the text --- */

static void write_record(const struct context_ask *a, struct buf *out)
{
	struct json_out o = { .b = out };
	struct buf items AUTO_BUF = { 0 };

	buf_printf(&items, "[%.*s]", SPAN_ARG(buf_span(&a->items)));
	json_begin(&o, NULL);
	json_put_z(&o, "how", a->delivery ? "assistant-request" : "running");
	json_put_raw(&o, "items", buf_span(&items));
	if (!a->items_failed)
		json_put_bool(&o, "items_asked", true);
	if (a->lookup)
		json_put_z(&o, "lookup", a->lookup);
	if (a->error.n)
		json_put_text(&o, "error", buf_span(&a->error));
	json_end(&o);
}

static void journal(struct context_ask *a)
{
	struct call_entry *c = lane_call(a->lane, &a->call);
	struct buf body AUTO_BUF = { 0 };
	uint64_t number = 0;
	struct fault f;

	if (!c || !c->session || (!a->items.n && !a->lookup))
		return;
	write_record(a, &body);
	if (lane_input(a->lane, c, RECORD_CONTEXT, buf_span(&body), &number, &f))
		log_warn("context", "%s", f.text);
	if (number)
		a->number = number;
}

/* "- order, #17: the parcel is lost", a line each. */
static struct span tell(const struct context_ask *a, struct arena *arena)
{
	static const char *const names[] = { "kind", "title", "text" };
	static const char *const before[] = { "- ", ", ", ": " };
	struct buf array AUTO_BUF = { 0 };
	struct buf text AUTO_BUF = { 0 };
	struct json item;
	struct span key;

	buf_printf(&array, "[%.*s]", SPAN_ARG(buf_span(&a->items)));
	struct json_iter it = json_iter(json_of(buf_span(&array)));
	while (json_next(&it, &key, &item)) {
		bool any = false;

		buf_addz(&text, text.n ? "\n" : "");
		for (size_t i = 0; i < 3; i++) {
			struct span part = json_text(json_get(item, names[i]), arena);

			if (!part.n)
				continue;
			buf_addz(&text, any ? before[i] : before[0]);
			buf_add(&text, part);
			any = true;
		}
	}
	return arena_copy(arena, clip(buf_span(&text), CONTEXT_TEXT_MAX));
}

/* --- the end --- */

static void on_timer_closed(uv_handle_t *h)
{
	ask_unref(h->data);
}

static void let_ask_again(const struct context_ask *a)
{
	struct call_entry *c = lane_call(a->lane, &a->call);

	if (!c || !a->items_failed)
		return;
	c->context_asked = false;
	c->context_again_us = clock_monotonic_us() + AGAIN_US;
}

static void finish(struct context_ask *a)
{
	DL_DELETE(a->lane->contexts, a);
	if (a->timer_open) {
		a->timer_open = false;
		uv_close((uv_handle_t *)&a->timer, on_timer_closed);
	}
	if (!a->lane->stopped) {
		journal(a);
		let_ask_again(a);
	}
	if (a->delivery) {
		a->delivery->context = tell(a, &a->delivery->arena);
		a->go_on(a->lane, a->delivery, a->number);
	}
	ask_unref(a);
}

static void part_over(struct context_ask *a, unsigned part)
{
	if (!(a->missing & part))
		return;
	a->missing &= ~part;
	if (!a->missing)
		finish(a);
}

/* --- items of the database --- */

static void on_items(void *user, const struct store_answer *answer)
{
	struct context_ask *a = user;
	struct json_iter it = json_iter(json_get(json_of(answer->json), "items"));
	struct span key;
	struct json item;

	if (a->missing & PART_ITEMS) {
		a->items_failed = answer->code != 0;
		if (answer->code)
			log_debug("context", "items: %.*s", SPAN_ARG(answer->detail));
		while (!answer->code && json_next(&it, &key, &item))
			add_item(a, item.raw);
		part_over(a, PART_ITEMS);
	}
	ask_unref(a);
}

static void on_items_late(uv_timer_t *t)
{
	struct context_ask *a = t->data;

	a->items_failed = true;
	part_over(a, PART_ITEMS);
}

static void ask_items(struct context_ask *a, const struct call_entry *c)
{
	struct store *store = a->lane->in->store;
	struct buf number AUTO_BUF = { 0 };
	char org[UUID_TEXT + 1], conversation[UUID_TEXT + 1];
	struct uuid id = session_conversation(c->session);
	const char *params[] = { org, NULL, conversation };

	if (!store)
		return;
	a->items_failed = true; /* until it is asked for */
	if (a->lane->stopping || !store_connected(store))
		return;
	uuid_format(&session_settings(c->session)->org, org);
	uuid_format(&id, conversation);
	buf_add(&number, buf_span(&c->number));
	params[1] = buf_z(&number);
	if (store_query(store, a->lane->shard, "context_open", params, 3, on_items, a))
		return;
	a->items_failed = false;
	a->missing |= PART_ITEMS;
	a->refs += 2;
	a->timer_open = true;
	uv_timer_init(shard_loop(a->lane->shard), &a->timer);
	a->timer.data = a;
	uv_timer_start(&a->timer, on_items_late, ITEMS_LIMIT_MS, 0);
}

/* --- the lookup --- */

static void on_lookup(void *user, const struct client_response *r)
{
	struct context_ask *a = user;
	bool answered = r->end == CLIENT_ANSWERED && r->status >= 200 && r->status < 300;
	bool json = answered && !r->truncated && json_check(r->body, NULL) == 0;

	if (r->end != CLIENT_ANSWERED && a->lane->stopping) { /* cut off: for the next start */
		a->lookup = NULL;
		part_over(a, PART_LOOKUP);
		ask_unref(a);
		return;
	}
	a->lookup = json ? "answered" : "failed";
	if (json)
		take_found(a, json_of(r->body));
	else if (answered)
		buf_addz(&a->error, r->truncated ? "lookup: the answer is too long"
						 : "lookup: the answer is no JSON");
	else if (r->end == CLIENT_ANSWERED)
		buf_printf(&a->error, "lookup: status %d", r->status);
	else
		buf_printf(&a->error, "lookup: %s", r->error ? r->error : "no answer");
	part_over(a, PART_LOOKUP);
	ask_unref(a);
}

/* "{number}" and "{call_id}", percent-encoded so that neither leads out of a path. */
static void lookup_url(struct span pattern, struct span number, struct span call, struct buf *out)
{
	const struct {
		struct span name, value;
	} known[] = { { SPAN("{number}"), number }, { SPAN("{call_id}"), call } };
	size_t i = 0;

	while (i < pattern.n) {
		size_t k = 0;

		while (k < 2 && !span_starts(span_from(pattern, i), known[k].name))
			k++;
		if (k == 2) {
			buf_addc(out, pattern.p[i++]);
			continue;
		}
		buf_add_percent(out, known[k].value, BUF_IN_PATH);
		i += known[k].name.n;
	}
}

static int64_t lookup_time(const struct context_ask *a, const struct dir_lookup *lookup)
{
	int64_t left = a->delivery ? delivery_left_ms(a->delivery) - SERVE_MS : INT64_MAX;

	return lookup->timeout_ms < left ? lookup->timeout_ms : left;
}

static void ask_lookup(struct context_ask *a, struct call_entry *c, const struct dir_lookup *lookup)
{
	struct buf url AUTO_BUF = { 0 };
	struct http_header headers[LOOKUP_HEADERS_MAX];
	int64_t most_ms = lookup_time(a, lookup);
	size_t n = 0;
	struct fault f;

	if (!a->delivery && c->lookup_asked)
		return;
	if (!lookup->url.n || (!c->number.n && memmem(lookup->url.p, lookup->url.n, "{number}", 8)))
		return;
	if (!a->lane->lookups) /* the lane stops */
		return;
	a->lookup = "failed";
	c->lookup_asked = true;
	if (most_ms <= 0) {
		buf_addz(&a->error, "lookup: no time was left");
		return;
	}
	lookup_url(lookup->url, buf_span(&c->number), session_provider_call_id(c->session), &url);
	for (; n < lookup->headers_n && n < LOOKUP_HEADERS_MAX; n++)
		headers[n] = (struct http_header){ lookup->headers[n].name,
						   lookup->headers[n].value.value };
	struct client_request rq = {
		.method = HTTP_GET,
		.url = buf_span(&url),
		.headers = headers,
		.headers_n = n,
		.timeout_ms = most_ms,
		.response_limit = LOOKUP_ANSWER_LIMIT,
	};
	if (http_client_send(a->lane->lookups, &rq, on_lookup, a, &f)) {
		buf_printf(&a->error, "lookup: %s", f.text);
		return;
	}
	a->missing |= PART_LOOKUP;
	a->refs++;
}

/* --- asking --- */

static void ask(struct context_ask *a, struct call_entry *c, const struct dir_project *p)
{
	c->context_asked = true;
	a->call = c->id;
	a->refs = 1;
	DL_APPEND(a->lane->contexts, a);
	ask_items(a, c);
	ask_lookup(a, c, &p->lookup);
	if (!a->missing)
		finish(a);
}

bool context_ask(struct lane *l, struct delivery *d, uint64_t number, context_done_fn *go_on)
{
	const struct dir_project *p = directory_project(d->dir, &d->source->project);
	struct call_entry *c = lane_call(l, &d->call);
	struct context_ask *a;

	if (!p || !p->context_inject || !c || !c->session)
		return false;
	a = calloc(1, sizeof(*a));
	CHECK(a);
	a->lane = l;
	a->delivery = d;
	a->number = number;
	a->go_on = go_on;
	ask(a, c, p);
	return true;
}

/* Commands reach a call only when it is under way. */
static bool is_under_way(const struct call_entry *c)
{
	static const char *const before[] = { "", "scheduled", "queued", "ringing" };
	struct buf summary AUTO_BUF = { 0 };

	if (session_ended(c->session))
		return false;
	session_summary(c->session, &summary);
	struct json status = json_get(json_of(buf_span(&summary)), "status");
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		if (!json_has(status) || json_is_text(status, before[i]))
			return false;
	}
	return true;
}

void context_ask_running(struct lane *l, struct call_entry *c)
{
	const struct settings *s = c->session ? session_settings(c->session) : NULL;
	const struct dir_project *p;
	struct context_ask *a;

	if (c->context_asked || clock_monotonic_us() < c->context_again_us || !s ||
	    !s->context_inject || s->imported || !is_under_way(c))
		return;
	p = l->dir ? directory_project(l->dir, &s->project) : NULL;
	if (!p)
		return;
	a = calloc(1, sizeof(*a));
	CHECK(a);
	a->lane = l;
	ask(a, c, p);
}

void context_note_customer(struct call_entry *c, struct json customer)
{
	struct arena arena = { 0 };
	struct span number = json_text(json_get(customer, "number"), &arena);

	if (number.n) {
		buf_clear(&c->number);
		buf_add(&c->number, number);
	}
	arena_fini(&arena);
}

/* What was asked for before the restart and never answered is asked for again. */
void context_restored(struct call_entry *c)
{
	struct buf summary AUTO_BUF = { 0 };

	if (!c->session || session_ended(c->session))
		return;
	session_context_asked(c->session, &c->context_asked, &c->lookup_asked);
	session_summary(c->session, &summary);
	context_note_customer(c, json_get(json_of(buf_span(&summary)), "customer"));
}

void contexts_stop(struct lane *l)
{
	struct context_ask *a, *next;

	DL_FOREACH_SAFE(l->contexts, a, next)
	{
		a->items_failed |= (a->missing & PART_ITEMS) != 0;
		part_over(a, PART_ITEMS);
	}
}

/* --- posted --- */

struct context_mail {
	struct mail mail;
	struct lane *lane;
	struct uuid org, conversation;
	struct buf number, body;
};

static bool is_about(const struct context_mail *m, const struct call_entry *c)
{
	if (!c->session || session_ended(c->session) ||
	    !uuid_eq(&session_settings(c->session)->org, &m->org))
		return false;
	if (m->number.n && span_eq(buf_span(&m->number), buf_span(&c->number)))
		return true;
	struct uuid conversation = session_conversation(c->session);
	return !uuid_is_nil(&m->conversation) && uuid_eq(&m->conversation, &conversation);
}

static void run_posted(struct mail *mail, struct shard *here)
{
	struct context_mail *m = (struct context_mail *)mail;
	struct lane *l = m->lane;
	struct call_entry *c, *next;
	struct fault f;

	(void)here;
	HASH_ITER (hh, l->calls, c, next) {
		if (!l->stopped && is_about(m, c) &&
		    lane_input(l, c, RECORD_CONTEXT, buf_span(&m->body), NULL, &f))
			log_warn("context", "%s", f.text);
	}
	buf_free(&m->number);
	buf_free(&m->body);
	free(m);
}

void live_context(struct live *live, struct shard *here, const struct live_context *what)
{
	struct ingest *in = live->in;

	(void)here;
	for (unsigned i = 0; i < in->lanes_n; i++) {
		struct context_mail *m = calloc(1, sizeof(*m));
		struct json_out o = { .b = &m->body };

		CHECK(m);
		m->mail.run = run_posted;
		m->lane = in->lanes[i];
		m->org = what->org;
		m->conversation = what->conversation;
		buf_add(&m->number, what->number);
		json_begin(&o, NULL);
		json_put_z(&o, "how", "running");
		json_put_raw(&o, "items", what->items);
		json_end(&o);
		shard_post_sure(m->lane->shard, &m->mail);
	}
}
