/* Happy path: a token when first needed; each request waits for its turn, is noted in PostgreSQL,
 * and then sent; at the end the session with the platform is revoked.
 *
 * Failure modes: killed - what was noted counts for the next, and a penalty is noted at once; the
 * session with the platform ends by itself. PostgreSQL away - nothing is sent that could not be
 * noted. Refused credentials - E_CLOSED at once, never tried again here. A token that cannot be
 * read - E_UNAVAILABLE: our callers take E_INVALID for the platform's word on what they asked for.
 * Revoking fails, or falls into a penalty - a session more than needed, until it ends by itself. */
#include "node/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "connect/grant.h"
#include "connect/head.h"
#include "connect/oauth.h"
#include "net/simple_client.h"

enum {
	TRIES = 8,
	PAUSE_MIN_MS = 2000,
	PAUSE_MAX_MS = 60000,
	TIMEOUT_MS = 60000,
	END_TIMEOUT_MS = 10000,
	STEP_MS = 100,
	ALIVE_MS = 1000,
	ANSWER_MAX = 16 * 1024 * 1024,
	TOKEN_MAX = 65536,
	CX_METADATA_S = 100, /* RingCX allows 3 a minute and 9 a quarter of an hour */
};

struct bearer {
	struct buf access, refresh;
	int64_t renew_us; /* monotonic */
};

struct platform {
	struct platform_config cfg;
	char source[UUID_TEXT + 1];
	bool cx;
	struct grant_hosts hosts;
	struct budget budget;
	struct bearer own, exchanged;
	struct buf rc_account; /* whose RingCX it is, as the exchange has told */
	int64_t alive_us;      /* last */
};

/* --- time --- */

static int64_t machine_now_us(void *user)
{
	(void)user;
	return clock_monotonic_us();
}

static void machine_sleep_ms(void *user, int64_t ms)
{
	(void)user;
	usleep((useconds_t)ms * 1000);
}

static const struct platform_clock machine = { machine_now_us, machine_sleep_ms };

static int64_t now_us(const struct platform *p)
{
	return p->cfg.clock->now_us(p->cfg.user);
}

/* --- waiting --- */

static bool is_stopping(const struct platform *p)
{
	return p->cfg.stopping && p->cfg.stopping(p->cfg.user);
}

static int keep(struct platform *p, int64_t lease_ms, const char *requests, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	char lease[24];
	const char *params[] = { p->source, p->cfg.owner, lease, requests };

	snprintf(lease, sizeof(lease), "%lld", (long long)lease_ms);
	int rc = store_link_query(p->cfg.db, "platform_keep", params, 4, &out, f);
	return rc == E_NOT_FOUND ? fault(f, E_LOST, "somebody else asks this platform now") : rc;
}

static int stay_alive(struct platform *p, struct fault *f)
{
	int64_t here_us = now_us(p);

	if (is_stopping(p))
		return fault(f, E_UNAVAILABLE, "stopped");
	if (here_us - p->alive_us < ALIVE_MS * MS_US)
		return 0;
	p->alive_us = here_us;
	TRY(keep(p, p->cfg.lease_ms, NULL, f));
	return p->cfg.alive ? p->cfg.alive(p->cfg.user, f) : 0;
}

int platform_wait(struct platform *p, int64_t ms, struct fault *f)
{
	int64_t until_us = now_us(p) + ms * MS_US;

	do {
		TRY(stay_alive(p, f));
		int64_t left_ms = (until_us - now_us(p) + MS_US - 1) / MS_US;
		if (left_ms > 0)
			p->cfg.clock->sleep_ms(p->cfg.user, left_ms < STEP_MS ? left_ms : STEP_MS);
	} while (now_us(p) < until_us);
	return 0;
}

/* --- what was asked before, and by whom ---
 * {group: {limit, window_us, closed_us, at}}; wall clock, since monotonic ones are of one machine.
 */

static const char *const group_names[] = {
#define X(name, text, limit) text,
	RATE_GROUPS(X)
#undef X
};

static int64_t wall_ahead_us(const struct platform *p)
{
	return clock_now_us() - now_us(p);
}

static void put_group(const struct platform *p, struct json_out *o, const struct budget_group *g,
		      const char *name)
{
	int64_t ahead_us = wall_ahead_us(p);

	json_begin(o, name);
	json_put_i64(o, "limit", g->limit);
	json_put_i64(o, "window_us", g->window_us);
	json_put_i64(o, "closed_us", g->closed_until_us ? g->closed_until_us + ahead_us : 0);
	json_begin_array(o, "at");
	for (unsigned i = 0; i < g->n; i++)
		json_put_i64(o, NULL, g->counted_us[(g->first + i) % RATE_LIMIT_MAX] + ahead_us);
	for (unsigned i = 0; i < g->flying; i++)
		json_put_i64(o, NULL, clock_now_us());
	json_end_array(o);
	json_end(o);
}

static int note(struct platform *p, struct fault *f)
{
	struct buf doc AUTO_BUF = { 0 };
	struct json_out o = { .b = &doc };

	json_begin(&o, NULL);
	for (unsigned i = 0; i < RATE_GROUP_COUNT; i++)
		put_group(p, &o, &p->budget.groups[i], group_names[i]);
	json_end(&o);
	return keep(p, p->cfg.lease_ms, buf_z(&doc), f);
}

static void read_times(struct platform *p, enum rate_group group, struct json at)
{
	struct json_iter it = json_iter(at);
	int64_t ahead_us = wall_ahead_us(p), us;
	struct span none;
	struct json v;

	while (at.kind == JSON_ARRAY && json_next(&it, &none, &v))
		if (json_i64(v, &us))
			budget_answered(&p->budget, group, NULL, us - ahead_us);
}

static void read_group(struct platform *p, enum rate_group group, struct json doc)
{
	struct rate_answer learnt = { .limit = -1, .remaining = -1, .window_s = -1 };
	int64_t window_us = 0, closed_us = 0, here_us = now_us(p);

	(void)json_i64(json_get(doc, "limit"), &learnt.limit);
	if (json_i64(json_get(doc, "window_us"), &window_us))
		learnt.window_s = window_us / SECOND_US;
	(void)json_i64(json_get(doc, "closed_us"), &closed_us);
	read_times(p, group, json_get(doc, "at"));
	struct budget_group *g = &p->budget.groups[group];
	if (learnt.limit > 0 && learnt.limit <= RATE_LIMIT_MAX)
		g->limit = (unsigned)learnt.limit;
	if (learnt.window_s > 0 && learnt.window_s <= RATE_PENALTY_MAX_S)
		g->window_us = learnt.window_s * SECOND_US;
	closed_us -= wall_ahead_us(p);
	if (closed_us > here_us && closed_us - here_us <= RATE_PENALTY_MAX_S * SECOND_US)
		g->closed_until_us = closed_us;
}

static int take_over(struct platform *p, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	char lease[24];
	const char *params[] = { p->source, p->cfg.owner, lease };

	snprintf(lease, sizeof(lease), "%lld", (long long)p->cfg.lease_ms);
	int rc = store_link_query(p->cfg.db, "platform_take", params, 3, &out, f);
	if (rc == E_NOT_FOUND)
		return fault(f, E_CONFLICT,
			     "somebody else asks the platform of this source just now");
	TRY(rc);
	struct json requests = json_get(json_of(buf_span(&out)), "requests");
	for (unsigned i = 0; i < RATE_GROUP_COUNT; i++)
		read_group(p, (enum rate_group)i, json_get(requests, group_names[i]));
	return 0;
}

/* --- one request --- */

struct sending {
	struct simple_request request;
	enum rate_group group;
	struct buf head;
	int status;
};

static int await_turn(struct platform *p, enum rate_group group, struct fault *f)
{
	for (;;) {
		int64_t here_us = now_us(p);
		int64_t due_us = budget_when(&p->budget, group, false, here_us);

		if (due_us <= here_us)
			return 0;
		TRY(platform_wait(p, (due_us - here_us) / MS_US + 1, f));
	}
}

/* What the head says counts, also when the rest cannot be had; a refusal is one by its status. */
static int send_counted(struct platform *p, struct sending *s, struct buf *body, struct fault *f)
{
	struct rate_answer rate;
	int rc = simple_client_send(&s->request, &s->status, body, f);

	head_rate(buf_span(&s->head), s->status, &rate);
	budget_answered(&p->budget, s->group, s->head.n ? &rate : NULL, now_us(p));
	return s->status > 299 ? 0 : rc;
}

static int send_once(struct platform *p, struct sending *s, struct buf *body, struct fault *f)
{
	TRY(await_turn(p, s->group, f));
	TRY(stay_alive(p, f));
	budget_sent(&p->budget, s->group);
	int rc = note(p, f);
	if (rc) {
		budget_unsent(&p->budget, s->group);
		return rc == E_LOST ? rc : fault(f, E_UNAVAILABLE, "PostgreSQL is away");
	}
	buf_clear(body);
	buf_clear(&s->head);
	s->request.head = &s->head;
	rc = send_counted(p, s, body, f);
	/* Who takes over should we be killed has to know. */
	return !rc && s->status == 429 ? note(p, f) : rc;
}

static bool passes(int rc, int status)
{
	if (rc)
		return rc != E_INVALID && rc != E_TOO_LARGE && rc != E_LOST;
	return status == 408 || status == 429 || status >= 500;
}

/* Until it is neither away nor in penalty. A penalty is the budget's to wait for. */
static int send_patiently(struct platform *p, struct sending *s, struct buf *body, struct fault *f)
{
	struct backoff pause = { PAUSE_MIN_MS, PAUSE_MAX_MS, 0, 1 };
	int rc = 0;

	crypto_random(&pause.random, sizeof(pause.random));
	pause.random |= 1;
	for (int i = 0; i < TRIES; i++) {
		rc = send_once(p, s, body, f);
		if (!passes(rc, s->status) || is_stopping(p))
			break;
		if (rc || s->status != 429)
			TRY(platform_wait(p, backoff_next_ms(&pause), f));
	}
	if (rc)
		return rc;
	return passes(0, s->status) ? fault(f, E_UNAVAILABLE, "HTTP %d again and again", s->status)
				    : 0;
}

/* --- tokens --- */

static int refused(const char *what, int status, struct span body, int code, struct fault *f)
{
	struct platform_error e;

	platform_error_read(body, &e);
	return fault(f, code, "%s: the platform answered %d %s", what, status, e.text);
}

/* RingCX tells it with the token. */
static void take_account(struct platform *p, struct span answer)
{
	struct json id = json_path(json_of(answer), "rcUser.rcAccountId");
	struct arena a = { 0 };

	if (json_has(id) && !p->rc_account.n)
		buf_add(&p->rc_account, id.kind == JSON_NUMBER ? id.raw : json_text(id, &a));
	arena_fini(&a);
}

static void take_token(struct platform *p, struct bearer *b, const struct oauth_token *t)
{
	buf_clear(&b->access);
	buf_add(&b->access, t->access);
	buf_clear(&b->refresh);
	buf_add(&b->refresh, t->refresh);
	b->renew_us = now_us(p) + (t->lives_s - oauth_ahead_s(t->lives_s)) * SECOND_US;
}

/* The platform's trouble, and not the last word on what was asked for with it. */
static int no_token(struct fault *f)
{
	struct fault why = *f;

	return fault(f, E_UNAVAILABLE, "token: %.200s", why.text);
}

static int take_answer(struct platform *p, enum grant what, struct span answer, struct fault *f)
{
	struct arena a = { 0 };
	struct oauth_token token;
	int rc = oauth_read(answer, &a, &token, f);

	if (!rc) {
		take_token(p, what == GRANT_EXCHANGE ? &p->exchanged : &p->own, &token);
		take_account(p, answer);
	}
	arena_fini(&a);
	return rc ? no_token(f) : 0;
}

static int judge_grant(struct platform *p, enum grant what, int status, struct span answer,
		       struct fault *f)
{
	if (status >= 200 && status <= 299)
		return take_answer(p, what, answer, f);
	if (!grant_gives_way(what, status))
		return refused("token", status, answer, E_CLOSED, f);
	buf_clear(&p->own.refresh);
	return 0;
}

static int ask_grant(struct platform *p, enum grant what, struct fault *f)
{
	struct buf url AUTO_BUF = { 0 }, header AUTO_BUF = { 0 }, form AUTO_BUF = { 0 },
		       answer AUTO_BUF = { 0 };
	const struct buf *with = what == GRANT_REFRESH ? &p->own.refresh : &p->own.access;

	buf_addz(&header, "authorization: ");
	grant_write(what, p->cfg.source, buf_span(with), &url, &header, &form);
	struct sending s = { .request = { .method = HTTP_POST,
					  .url = buf_z(&url),
					  .headers = { "content-type: "
						       "application/x-www-form-urlencoded",
						       "accept: application/json", buf_z(&header) },
					  .body = buf_span(&form),
					  .timeout_ms = TIMEOUT_MS,
					  .response_limit = TOKEN_MAX },
			     .group = RATE_AUTH };
	int rc = send_patiently(p, &s, &answer, f);
	if (!rc)
		rc = judge_grant(p, what, s.status, buf_span(&answer), f);
	else if (rc == E_TOO_LARGE)
		rc = no_token(f);
	buf_free(&s.head);
	return rc;
}

static bool lives(const struct platform *p, const struct bearer *b)
{
	return b->access.n && now_us(p) < b->renew_us;
}

static int get_tokens(struct platform *p, struct fault *f)
{
	for (;;) {
		const struct grant_have have = { .cx = p->cx,
						 .own = lives(p, &p->own),
						 .exchanged = lives(p, &p->exchanged),
						 .refresh = p->own.refresh.n > 0 };
		enum grant what = grant_next(&have);

		if (what == GRANT_NONE)
			return 0;
		TRY(ask_grant(p, what, f));
	}
}

static int bearer(struct platform *p, struct buf *header, struct fault *f)
{
	TRY(get_tokens(p, f));
	const struct bearer *b = p->cx ? &p->exchanged : &p->own;
	buf_clear(header);
	buf_printf(header, "authorization: Bearer %.*s", SPAN_ARG(buf_span(&b->access)));
	return 0;
}

/* It does not hold, whatever it said of its life. */
static void drop_token(struct platform *p)
{
	p->own.renew_us = p->exchanged.renew_us = 0;
}

static void put_basic(const struct platform *p, struct buf *header)
{
	const struct dir_connect *c = &p->cfg.source->connect;

	buf_addz(header, "authorization: ");
	oauth_put_basic(header, c->client_id, c->client_secret.value);
}

static void end_session(struct platform *p)
{
	struct buf url AUTO_BUF = { 0 }, basic AUTO_BUF = { 0 }, form AUTO_BUF = { 0 },
		       answer AUTO_BUF = { 0 };
	struct fault why = { 0 };

	buf_printf(&url, "%.*s/restapi/oauth/revoke", SPAN_ARG(p->hosts.platform));
	put_basic(p, &basic);
	buf_addz(&form, "token=");
	buf_add_percent(&form, buf_span(&p->own.access), BUF_IN_VALUE);
	struct sending s = { .request = { .method = HTTP_POST,
					  .url = buf_z(&url),
					  .headers = { "content-type: "
						       "application/x-www-form-urlencoded",
						       buf_z(&basic) },
					  .body = buf_span(&form),
					  .timeout_ms = END_TIMEOUT_MS,
					  .response_limit = TOKEN_MAX },
			     .group = RATE_AUTH };
	/* Not during a penalty, which it would begin anew; nor waited for. */
	if (budget_closed(&p->budget, RATE_AUTH, now_us(p)))
		return;
	s.request.head = &s.head;
	budget_sent(&p->budget, RATE_AUTH);
	int rc = send_counted(p, &s, &answer, &why);
	if (rc || s.status > 299)
		log_info("platform", "the session of source %s could not be ended: %s", p->source,
			 rc ? why.text : "refused");
	buf_free(&s.head);
}

int platform_account(struct platform *p, struct span *id, struct fault *f)
{
	struct buf token AUTO_BUF = { 0 };

	TRY(bearer(p, &token, f));
	*id = buf_span(&p->rc_account);
	return id->n ? 0
		     : fault(f, E_INVALID,
			     "RingCX did not say with its token which account it is of "
			     "(rcUser.rcAccountId)");
}

/* --- asking --- */

static struct span host_of(struct span origin)
{
	const char *host = memmem(origin.p, origin.n, "://", 3);
	struct span rest = span_from(origin, (size_t)(host - origin.p) + 3);
	const char *port = rest.n ? memchr(rest.p, ':', rest.n) : NULL;

	rest.n = port ? (size_t)(port - rest.p) : rest.n;
	return rest;
}

/* Media have a host of their own: of the platform's domain, or, where the platform is somewhere
 * else, another port there. */
static bool is_platforms(const struct platform *p, struct span url)
{
	struct span origin = oauth_origin(url), base = oauth_origin(p->hosts.base);

	if (oauth_may_carry(p->hosts.base, url))
		return true;
	return oauth_is_plain(origin) && base.n && span_eq(host_of(origin), host_of(base)) &&
	       origin.p[4] == base.p[4];
}

static int write_url(const struct platform *p, const char *given, struct buf *url, struct fault *f)
{
	if (*given == '/')
		buf_add(url, p->hosts.base);
	else if (!is_platforms(p, span_of(given)))
		return fault(f, E_INVALID, "%.120s: no address of the source's platform", given);
	buf_addz(url, given);
	return 0;
}

static int judge(const struct platform_ask *ask, int status, struct span body, struct fault *f)
{
	char what[160];
	bool denied = status == 401 || status == 403;

	if ((status >= 200 && status <= 299) || status == 404)
		return 0;
	snprintf(what, sizeof(what), "%s %.120s", http_method_name(ask->method), ask->url);
	return refused(what, status, body, denied ? E_DENIED : E_INVALID, f);
}

/* A page of somebody in between, or half an answer: no refusal, and another time it is whole. */
static int check_json(const struct platform_ask *ask, struct span body, struct fault *f)
{
	char what[160];

	if (ask->accept || !body.n || json_check(body, f) == 0)
		return 0;
	snprintf(what, sizeof(what), "%s %.120s: what came is no JSON",
		 http_method_name(ask->method), ask->url);
	fault_wrap(f, "%s", what);
	return E_CORRUPT;
}

static int send_ask(struct platform *p, const struct platform_ask *ask, const char *url,
		    struct sending *s, struct platform_answer *out, struct fault *f)
{
	struct buf token AUTO_BUF = { 0 }, accept AUTO_BUF = { 0 };

	TRY(bearer(p, &token, f));
	buf_printf(&accept, "accept: %s", ask->accept ? ask->accept : "application/json");
	buf_clear(&out->type);
	s->group = ask->group;
	s->request =
		(struct simple_request){ .method = ask->method,
					 .url = url,
					 .headers = { buf_z(&token), buf_z(&accept) },
					 .body = ask->body,
					 .timeout_ms =
						 ask->timeout_ms ? ask->timeout_ms : TIMEOUT_MS,
					 .response_limit = ask->limit ? ask->limit : ANSWER_MAX,
					 .wanted_header = "content-type",
					 .wanted = &out->type };
	return send_patiently(p, s, &out->body, f);
}

int platform_ask(struct platform *p, const struct platform_ask *ask, struct platform_answer *out,
		 struct fault *f)
{
	struct buf url AUTO_BUF = { 0 };
	struct sending s = { 0 };

	TRY(write_url(p, ask->url, &url, f));
	int rc = send_ask(p, ask, buf_z(&url), &s, out, f);
	if (!rc && s.status == 401) {
		drop_token(p);
		rc = send_ask(p, ask, buf_z(&url), &s, out, f);
	}
	out->status = s.status;
	buf_free(&s.head);
	if (!rc)
		rc = judge(ask, s.status, buf_span(&out->body), f);
	return rc || s.status == 404 ? rc : check_json(ask, buf_span(&out->body), f);
}

void platform_answer_free(struct platform_answer *a)
{
	buf_free(&a->body);
	buf_free(&a->type);
}

/* --- life --- */

static int check_source(const struct dir_source *s, struct fault *f)
{
	const struct dir_connect *c = &s->connect;

	if (!c->on)
		return fault(f, E_INVALID, "the source has no session with its platform (connect)");
	if (c->client_secret.missing.n || c->jwt.missing.n)
		return fault(
			f, E_INVALID, "connect.%s: %.*s",
			c->jwt.missing.n ? "jwt" : "client_secret",
			SPAN_ARG(c->jwt.missing.n ? c->jwt.missing : c->client_secret.missing));
	return 0;
}

int platform_open(struct platform **out, const struct platform_config *cfg, struct fault *f)
{
	struct platform *p = calloc(1, sizeof(*p));

	CHECK(p);
	p->cfg = *cfg;
	if (!cfg->clock)
		p->cfg.clock = &machine;
	p->cx = span_is(cfg->source->dialect, "ringcx");
	grant_hosts_of(cfg->source, &p->hosts);
	uuid_format(&cfg->source->id, p->source);
	budget_init(&p->budget);
	int rc = check_source(cfg->source, f);
	if (!rc)
		rc = take_over(p, f);
	if (rc) {
		free(p);
		return rc;
	}
	if (p->cx) {
		p->budget.groups[RATE_HEAVY].limit = 1;
		p->budget.groups[RATE_HEAVY].window_us = CX_METADATA_S * SECOND_US;
	}
	*out = p;
	return 0;
}

static void bearer_fini(struct bearer *b)
{
	buf_free(&b->access);
	buf_free(&b->refresh);
}

void platform_close(struct platform *p)
{
	struct fault why = { 0 };

	if (!p)
		return;
	if (p->own.access.n)
		end_session(p);
	if (note(p, &why) || keep(p, 0, NULL, &why))
		log_info("platform", "source %s: %s", p->source, why.text);
	bearer_fini(&p->own);
	bearer_fini(&p->exchanged);
	buf_free(&p->rc_account);
	free(p);
}
