/* Events by webhook: the subscription that makes the platform call us, kept alive. What it delivers
 * comes to POST /in/{dialect}/{source} like any webhook; here is only the subscription.
 *
 * Happy path: the platform's subscriptions are listed; ours is found and as it should be; again
 * every look_ms, and renewed in the second half of its life.
 *
 * Failure modes: it is gone - made; it is blacklisted, or stands for other filters - removed, or
 * changed, and made; each with a resync, since events were lost; we have refused deliveries - the
 * same, at the next look; nobody takes them, for less than it takes to be blacklisted - swept up
 * later; the platform cannot reach our
 * address (SUB-52x) - said in health, tried again with growing pauses; a second one with our
 * address (from before a crash) - removed. */
#include <stdlib.h>

#include "base/crypto.h"
#include "base/log.h"
#include "connect/head.h"
#include "connect/internal.h"

enum {
	PAUSE_MS = 10000,
	PAUSE_MAX_MS = 300000,
	LIVES_S = 7 * 24 * 3600,
	SWEEP_LOOKS = 12, /* after so many looks, but not after more than */
	SWEEP_MS = 3600000,
	FAILING_S = 900, /* so long deliveries may have failed before it is blacklisted */
};

void hook_init(struct login *s)
{
	login_seed(&s->hook.pause, PAUSE_MS, PAUSE_MAX_MS);
	stand(&s->hook.standing, CONNECT_CONNECTING, "");
	s->hook.lives_s = LIVES_S;
	s->hook.lost = true; /* what came while we were away */
}

void hook_free(struct hook *h)
{
	buf_free(&h->id);
	buf_free(&h->spare);
	*h = (struct hook){ 0 };
}

static void again_in(struct login *s, int64_t ms)
{
	s->hook.again_us = login_now(s) + ms * MS_US;
}

static void failed(struct login *s, const struct client_response *r, const char *what)
{
	struct trouble t;

	trouble_of(r, what, &t);
	if (r->end == CLIENT_ANSWERED && r->status == 404)
		t.kind = TROUBLE_AGAIN; /* it has gone since it was listed */
	log_warn("connect", "source %s: %s", s->id_text, t.text);
	again_in(s, stand_troubled(&s->hook.standing, &t, &s->hook.pause));
}

static struct ask *ask(struct login *s, enum http_method method, struct span id, const char *action,
		       enum rate_group group, ask_done_fn *done)
{
	struct ask *a = ask_new(s, method, "/restapi/v1.0/subscription", group, done);

	if (id.n) {
		buf_addc(&a->url, '/');
		buf_add_percent(&a->url, id, BUF_IN_PATH);
	}
	buf_addz(&a->url, action);
	s->hook.busy = true;
	return a;
}

/* --- our address --- */

static void put_address(const struct login *s, struct buf *out)
{
	struct span own = span_of(s->connect->config.public_url);

	if (s->source->connect.address.n) {
		buf_add(out, s->source->connect.address);
		return;
	}
	while (own.n && own.p[own.n - 1] == '/')
		own.n--;
	if (!own.n)
		return;
	buf_add(out, own);
	buf_printf(out, "/in/%.*s/", SPAN_ARG(s->source->dialect));
	buf_add_percent(out, s->source->name, BUF_IN_VALUE);
}

static bool has_address(struct login *s)
{
	struct buf address AUTO_BUF = { 0 };
	const struct dir_secret *v = &s->source->connect.verification;
	char why[CONNECT_WHY_MAX];

	put_address(s, &address);
	if (address.n && !v->missing.n)
		return true;
	if (address.n)
		snprintf(why, sizeof(why), "verification: %.*s", SPAN_ARG(v->missing));
	else
		snprintf(why, sizeof(why),
			 "the platform needs an address: set connect.address, or "
			 "public_url of the node");
	stand(&s->hook.standing, CONNECT_DENIED, why);
	again_in(s, DENIED_AGAIN_MS);
	return false;
}

/* --- one as the platform tells it --- */

/* `granted`: just now. Renewed when less than half of that is left. */
static void take_times(struct login *s, struct json subscription, int64_t provider_us, bool granted)
{
	struct hook *h = &s->hook;
	struct arena a = { 0 };
	int64_t left_s = LIVES_S, ends_us = 0;

	/* Of its two forms the one that needs no clock is better; else its own clock. */
	if (!json_i64(json_get(subscription, "expiresIn"), &left_s) &&
	    clock_parse(json_text(json_get(subscription, "expirationTime"), &a), &ends_us) &&
	    provider_us)
		left_s = (ends_us - provider_us) / SECOND_US;
	if (granted && left_s > 0)
		h->lives_s = left_s;
	h->renew_us = login_now(s) + (left_s - h->lives_s / 2) * SECOND_US;
	arena_fini(&a);
}

/* What is lost before it is blacklisted, or without that, nobody tells: the live calls, and those
 * of the call log, are asked for. Not the texts: of a conversation that is over and forgotten each
 * would begin it again. */
static void sweep(struct login *s)
{
	int64_t every_ms = SWEEP_LOOKS * s->connect->config.look_ms;

	s->hook.sweep_us = login_now(s) + (every_ms < SWEEP_MS ? every_ms : SWEEP_MS) * MS_US;
	s->resync.due = true;
	gap_sweep(s);
}

static void live(struct login *s, struct json subscription)
{
	struct hook *h = &s->hook;
	char why[CONNECT_WHY_MAX] = "";

	login_refused_filters(s, subscription, why, sizeof(why));
	h->look_us = login_now(s) + s->connect->config.look_ms * MS_US;
	h->sure = true;
	if (status_take_refused(s->connect, &s->id)) {
		log_warn("connect", "source %s: deliveries were refused: calls are asked for",
			 s->id_text);
		h->lost = true;
	}
	if (login_now(s) >= h->sweep_us)
		sweep(s);
	if (h->lost)
		login_lost(s);
	h->lost = false;
	backoff_reset(&h->pause);
	gap_good(s, login_now(s) - FAILING_S * SECOND_US);
	s->keep.dirty = true;
	stand(&h->standing, CONNECT_LIVE, why);
}

/* --- made, changed, renewed, removed --- */

static void put_body(const struct login *s, struct buf *out)
{
	struct buf address AUTO_BUF = { 0 };
	struct json_out o = { .b = out };
	struct span token = s->source->connect.verification.value;

	put_address(s, &address);
	json_begin(&o, NULL);
	login_put_filters(s, &o);
	json_put_i64(&o, "expiresIn", LIVES_S);
	json_begin(&o, "deliveryMode");
	json_put_z(&o, "transportType", "WebHook");
	json_put_text(&o, "address", buf_span(&address));
	if (token.n)
		json_put_text(&o, "verificationToken", token);
	json_end(&o);
	json_end(&o);
}

static struct json checked(const struct client_response *r)
{
	return response_good(r) && json_check(r->body, NULL) == 0 ? json_of(r->body)
								  : (struct json){ 0 };
}

static void on_made(struct ask *q, const struct client_response *r, int64_t provider_us)
{
	struct login *s = q->login;
	struct hook *h = &s->hook;
	struct json made = checked(r);
	struct arena a = { 0 };
	struct span id = json_text(json_get(made, "id"), &a);

	h->busy = false;
	if (id.n) {
		buf_clear(&h->id);
		buf_add(&h->id, id);
		h->filters = login_filters_hash(json_get(made, "eventFilters"));
		s->keep.dirty = true;
		log_info("connect", "source %s: the webhook subscription stands", s->id_text);
		take_times(s, made, provider_us, true);
		live(s, made);
	} else {
		failed(s, r, "webhook subscription");
	}
	arena_fini(&a);
}

static void make(struct login *s)
{
	struct ask *a = ask(s, HTTP_POST, (struct span){ 0 }, "", RATE_MEDIUM, on_made);

	s->hook.lost = true;
	buf_clear(&s->hook.id);
	s->hook.sure = false;
	put_body(s, &a->body);
	ask_post(a);
}

static void change(struct login *s, struct span id)
{
	struct ask *a = ask(s, HTTP_PUT, id, "", RATE_MEDIUM, on_made);

	s->hook.lost = true;
	s->hook.sure = false;
	put_body(s, &a->body);
	ask_post(a);
}

static void on_renewed(struct ask *q, const struct client_response *r, int64_t provider_us)
{
	struct login *s = q->login;
	struct json renewed = checked(r);

	s->hook.busy = false;
	if (renewed.kind == JSON_OBJECT) {
		take_times(s, renewed, provider_us, true);
		return;
	}
	log_warn("connect", "source %s: the webhook subscription was not renewed", s->id_text);
	s->hook.look_us = 0;
	again_in(s, backoff_next_ms(&s->hook.pause));
}

static void on_removed(struct ask *q, const struct client_response *r, int64_t provider_us)
{
	struct login *s = q->login;
	bool gone = response_good(r) || (r->end == CLIENT_ANSWERED && r->status == 404);

	(void)provider_us;
	s->hook.busy = false;
	if (gone)
		make(s);
	else
		failed(s, r, "removing a blacklisted subscription");
}

static void on_spare_removed(struct ask *q, const struct client_response *r, int64_t provider_us)
{
	(void)r, (void)provider_us;
	q->login->hook.busy = false;
}

static void remove_it(struct login *s, struct span id, ask_done_fn *done)
{
	ask_post(ask(s, HTTP_DELETE, id, "", RATE_MEDIUM, done));
}

/* --- looked at --- */

struct look {
	struct json ours, spare;
};

/* The one whose id we know, else the first with our address. */
static void pick(const struct login *s, struct json list, struct look *out, struct arena *a)
{
	struct buf address AUTO_BUF = { 0 };
	struct json_iter it = json_iter(json_get(list, "records"));
	struct span key;
	struct json row;

	put_address(s, &address);
	while (json_next(&it, &key, &row)) {
		struct span id = json_text(json_get(row, "id"), a);
		struct span to = json_text(json_path(row, "deliveryMode.address"), a);
		bool known = s->hook.id.n && span_eq(id, buf_span(&s->hook.id));

		if (!known && !span_eq(to, buf_span(&address)))
			continue;
		if (!out->ours.raw.n)
			out->ours = row;
		else if (known) {
			out->spare = out->ours;
			out->ours = row;
		} else {
			out->spare = row;
		}
	}
}

static bool is_as_wanted(const struct login *s, struct json row, struct span id)
{
	return s->hook.sure && span_eq(id, buf_span(&s->hook.id)) &&
	       login_filters_hash(json_get(row, "eventFilters")) == s->hook.filters;
}

static void judge(struct login *s, const struct look *l, struct arena *a, int64_t provider_us)
{
	struct span id = json_text(json_get(l->ours, "id"), a);
	bool active = json_is_text(json_get(l->ours, "status"), "Active");

	if (!id.n) {
		if (s->hook.id.n)
			log_warn("connect", "source %s: the webhook subscription is gone",
				 s->id_text);
		make(s);
	} else if (!active) {
		struct span reason = json_text(json_path(l->ours, "blacklistedData.reason"), a);
		log_warn("connect", "source %s: the webhook subscription was blacklisted: %.*s",
			 s->id_text, (int)(reason.n < 160 ? reason.n : 160), reason.p);
		remove_it(s, id, on_removed);
	} else if (!is_as_wanted(s, l->ours, id)) {
		change(s, id);
	} else {
		take_times(s, l->ours, provider_us, false);
		live(s, l->ours);
	}
}

static void on_list(struct ask *q, const struct client_response *r, int64_t provider_us)
{
	struct login *s = q->login;
	struct json list = checked(r);
	struct look l = { 0 };
	struct arena a = { 0 };

	s->hook.busy = false;
	if (list.kind != JSON_OBJECT) {
		failed(s, r, "listing subscriptions");
		return;
	}
	pick(s, list, &l, &a);
	buf_clear(&s->hook.spare);
	buf_add(&s->hook.spare, json_text(json_get(l.spare, "id"), &a));
	judge(s, &l, &a, provider_us);
	arena_fini(&a);
}

void hook_step(struct login *s, int64_t now_us)
{
	struct hook *h = &s->hook;

	if (h->busy || now_us < h->again_us || !tokens_bearer(s, now_us).n || !has_address(s))
		return;
	if (h->spare.n) {
		remove_it(s, buf_span(&h->spare), on_spare_removed);
		buf_clear(&h->spare);
	} else if (h->standing.state != CONNECT_LIVE || now_us >= h->look_us) {
		ask_post(ask(s, HTTP_GET, (struct span){ 0 }, "", RATE_LIGHT, on_list));
	} else if (now_us >= h->renew_us) {
		ask_post(ask(s, HTTP_POST, buf_span(&h->id), "/renew", RATE_LIGHT, on_renewed));
	}
}
