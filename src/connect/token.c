/* Tokens of a session. RingCentral's is had for the JWT, or for the refresh token while there is
 * one; RingCX's in exchange for that. At most one such request is under way, and each counts in the
 * group Auth.
 *
 * Failure modes: 4xx - a refresh token that does not hold gives way to the JWT; otherwise the
 * credentials are wrong: DENIED, tried again after DENIED_AGAIN_MS or when the source is changed;
 * 408 and 5xx - three times after 10 s, then with growing pauses; 429 - as the budget says. The
 * token that we have is used as long as it lives. */
#include <stdlib.h>

#include "base/log.h"
#include "connect/grant.h"
#include "connect/internal.h"

enum {
	SLOW_TRIES = 3,
	SLOW_MS = 10000,
	PAUSE_MS = 2000,
	PAUSE_MAX_MS = 60000,
	TOKEN_MAX = 65536,
	REFUSED_FRESH_MS = 60000,
};

void tokens_init(struct login *s)
{
	login_seed(&s->tokens.pause, PAUSE_MS, PAUSE_MAX_MS);
	stand(&s->tokens.standing, CONNECT_TOKEN, "");
}

static void forget(struct token *t)
{
	buf_free(&t->access);
	buf_free(&t->refresh);
	*t = (struct token){ 0 };
}

void tokens_free(struct tokens *t)
{
	forget(&t->own);
	forget(&t->cx);
}

static struct token *bearer_of(struct login *s)
{
	return s->cx ? &s->tokens.cx : &s->tokens.own;
}

static bool lives(const struct token *t, int64_t now_us)
{
	return t->access.n && now_us < t->ends_us;
}

struct span tokens_bearer(const struct login *s, int64_t now_us)
{
	const struct token *t = s->cx ? &s->tokens.cx : &s->tokens.own;

	return lives(t, now_us) ? buf_span(&t->access) : (struct span){ 0 };
}

void tokens_worked(struct login *s, unsigned generation)
{
	s->tokens.worked |= generation == s->tokens.generation;
}

/* One that is new and has never been taken would only be followed by another like it. */
void tokens_refused(struct login *s, unsigned generation)
{
	struct token *t = bearer_of(s);
	bool fresh = login_now(s) - t->taken_us < REFUSED_FRESH_MS * MS_US;

	if (generation != s->tokens.generation || (fresh && !s->tokens.worked))
		return;
	t->ends_us = t->renew_us = 0;
}

/* --- answers --- */

static void pause_ms(struct login *s, int64_t ms)
{
	s->tokens.again_us = login_now(s) + ms * MS_US;
}

static void failed(struct login *s, const struct client_response *r, const char *what)
{
	struct tokens *t = &s->tokens;
	struct trouble why;
	bool slow = r->end == CLIENT_ANSWERED && (r->status == 408 || r->status >= 500);

	trouble_of(r, what, &why);
	if (r->end == CLIENT_ANSWERED && r->status == 401) /* the app's secret, or the user's */
		why.kind = TROUBLE_DENIED;
	log_warn("connect", "source %s: %s", s->id_text, why.text);
	int64_t ms = stand_troubled(&t->standing, &why, &t->pause);
	pause_ms(s, slow && t->slow_tries++ < SLOW_TRIES ? SLOW_MS : ms);
}

static void take_token(struct login *s, struct token *t, const struct oauth_token *got)
{
	int64_t now_us = login_now(s);
	struct buf refresh = { 0 };

	buf_add(&refresh, got->refresh);
	buf_free(&t->refresh);
	t->refresh = refresh;
	buf_clear(&t->access);
	buf_add(&t->access, got->access);
	t->ends_us = now_us + got->lives_s * SECOND_US;
	t->renew_us = t->ends_us - oauth_ahead_s(got->lives_s) * SECOND_US;
	t->refresh_ends_us = now_us + got->refresh_lives_s * SECOND_US;
	t->taken_us = now_us;
	s->tokens.slow_tries = 0;
	backoff_reset(&s->tokens.pause);
	stand(&s->tokens.standing, CONNECT_TOKEN, "");
	if (t == bearer_of(s)) {
		s->tokens.generation++;
		s->tokens.worked = false;
	}
}

static bool take_answer(struct login *s, struct token *t, const struct client_response *r,
			const char *what)
{
	struct arena a = { 0 };
	struct oauth_token got;
	struct fault f = { 0 };
	bool good = response_good(r) && oauth_read(r->body, &a, &got, &f) == 0;

	s->tokens.asking = false;
	if (good)
		take_token(s, t, &got);
	else if (response_good(r)) {
		const struct client_response odd = { .end = CLIENT_UNKNOWN, .error = f.text };
		failed(s, &odd, what);
	}
	arena_fini(&a);
	return good;
}

static void on_jwt(struct ask *a, const struct client_response *r, int64_t provider_us)
{
	(void)provider_us;
	if (!take_answer(a->login, &a->login->tokens.own, r, "token") && !response_good(r))
		failed(a->login, r, "token");
}

static void on_refresh(struct ask *a, const struct client_response *r, int64_t provider_us)
{
	struct login *s = a->login;

	(void)provider_us;
	if (take_answer(s, &s->tokens.own, r, "refreshing the token") || response_good(r))
		return;
	if (r->end == CLIENT_ANSWERED && grant_gives_way(GRANT_REFRESH, r->status))
		buf_clear(&s->tokens.own.refresh); /* the JWT is asked next */
	else
		failed(s, r, "refreshing the token");
}

static void on_exchange(struct ask *a, const struct client_response *r, int64_t provider_us)
{
	struct login *s = a->login;
	struct tokens *t = &s->tokens;

	(void)provider_us;
	if (take_answer(s, &t->cx, r, "token of RingCX") || response_good(r))
		return;
	bool refused = r->end == CLIENT_ANSWERED && r->status == 401;
	bool taken_before = t->cx.taken_us > t->own.taken_us;
	if (refused)
		t->own.renew_us = 0; /* it does not take ours: another */
	if (refused && taken_before)
		return;
	failed(s, r, "token of RingCX");
}

/* --- requests --- */

static void ask_for(struct login *s, enum grant what)
{
	static ask_done_fn *const done[] = {
		[GRANT_JWT] = on_jwt, [GRANT_REFRESH] = on_refresh, [GRANT_EXCHANGE] = on_exchange
	};
	const struct token *own = &s->tokens.own;
	struct ask *a = ask_new(s, HTTP_POST, "", RATE_AUTH, done[what]);

	grant_write(what, s->source, buf_span(what == GRANT_REFRESH ? &own->refresh : &own->access),
		    &a->url, &a->authorization, &a->body);
	buf_addz(&a->content_type, "application/x-www-form-urlencoded");
	a->urgent = true;
	a->limit = TOKEN_MAX;
	s->tokens.asking = true;
	ask_post(a);
}

static bool has_secrets(struct login *s)
{
	const struct dir_connect *c = &s->source->connect;
	const struct dir_secret *missing = !c->client_secret.value.n ? &c->client_secret
					   : !c->jwt.value.n	     ? &c->jwt
								     : NULL;
	char why[CONNECT_WHY_MAX];

	if (!missing)
		return true;
	snprintf(why, sizeof(why), "%s: %.*s", missing == &c->jwt ? "jwt" : "client_secret",
		 SPAN_ARG(missing->missing));
	stand(&s->tokens.standing, CONNECT_DENIED, why);
	pause_ms(s, DENIED_AGAIN_MS);
	return false;
}

static bool is_fresh(const struct token *t, int64_t now_us)
{
	return t->access.n && now_us < t->renew_us;
}

void tokens_step(struct login *s, int64_t now_us)
{
	struct tokens *t = &s->tokens;
	const struct grant_have have = { .cx = s->cx,
					 .own = is_fresh(&t->own, now_us),
					 .exchanged = is_fresh(&t->cx, now_us),
					 .refresh = t->own.refresh.n &&
						    now_us < t->own.refresh_ends_us };
	enum grant what = grant_next(&have);

	if (t->asking || now_us < t->again_us || what == GRANT_NONE)
		return;
	if (what == GRANT_EXCHANGE || has_secrets(s))
		ask_for(s, what);
}
