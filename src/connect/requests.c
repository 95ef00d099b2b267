/* Requests of a session: each waits for a token and for its turn in the budget of its group, then
 * goes out.
 *
 * Failure modes: no token, a closed group, a full queue - answered CLIENT_NOT_SENT, at once when it
 * is sure that the turn cannot come in time; 401 - back into the queue once, with another token;
 * 429 - back into the queue when the penalty ends in time, else handed on. Neither has been carried
 * out. Everything else is the asker's. */
#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "connect/head.h"
#include "connect/internal.h"

enum { WAITING_MAX = 256 };

/* --- what went wrong, for people --- */

static const struct {
	const char *code, *advice;
	enum trouble_kind kind;
} known_codes[] = {
	{ "SUB-505", "too many subscriptions of this user and app: remove some", TROUBLE_LONG },
	{ "SUB-520", "our address did not return the Validation-Token: does it lead to this node?",
	  TROUBLE_LONG },
	{ "SUB-521", "our address could not be reached", TROUBLE_LONG },
	{ "SUB-522", "our address did not answer with 200", TROUBLE_LONG },
	{ "SUB-523", "our address did not answer in time", TROUBLE_LONG },
	{ "SUB-524", "the certificate of our address, or its chain, is not accepted",
	  TROUBLE_LONG },
	{ "SUB-525", "the answer of our address is invalid or too large", TROUBLE_LONG },
	{ "SUB-526", "our address must be https", TROUBLE_DENIED },
	{ "SUB-527", "our address is not accepted", TROUBLE_DENIED },
	{ "SUB-528", "the app lacks the permission WebSocket Subscriptions", TROUBLE_DENIED },
	{ "CMN-401", "the app lacks a permission", TROUBLE_DENIED },
	{ "CMN-408", "the user lacks a permission", TROUBLE_DENIED },
};

static enum trouble_kind kind_of_status(int status)
{
	bool refused =
		status >= 400 && status < 500; /* else: what came is cut, or no answer of its */
	bool passes = status == 401 || status == 408 || status == 409 || status == 429;

	return refused && !passes ? TROUBLE_DENIED : TROUBLE_AGAIN;
}

void trouble_of_status(int status, struct span body, const char *what, struct trouble *t)
{
	struct platform_error e;
	const char *advice = "";

	platform_error_read(body, &e);
	t->kind = kind_of_status(status);
	t->known = false;
	for (size_t i = 0; i < sizeof(known_codes) / sizeof(known_codes[0]); i++) {
		if (strcmp(e.code, known_codes[i].code) != 0)
			continue;
		advice = known_codes[i].advice;
		t->kind = known_codes[i].kind;
		t->known = true;
	}
	memcpy(t->code, e.code, sizeof(t->code));
	snprintf(t->text, sizeof(t->text), "%s: %d %s%s%s", what, status, e.text,
		 *advice ? " - " : "", advice);
}

void trouble_of(const struct client_response *r, const char *what, struct trouble *t)
{
	if (r->end == CLIENT_ANSWERED) {
		trouble_of_status(r->status, r->body, what, t);
		return;
	}
	*t = (struct trouble){ .kind = TROUBLE_AGAIN };
	snprintf(t->text, sizeof(t->text), "%s: %s", what, r->error ? r->error : "no answer");
}

bool response_good(const struct client_response *r)
{
	return r->end == CLIENT_ANSWERED && !r->truncated && r->status >= 200 && r->status <= 299;
}

/* --- life --- */

static void ask_free(struct ask *a)
{
	purse_unref(a->login->connect, a->purse);
	buf_free(&a->url);
	buf_free(&a->body);
	buf_free(&a->content_type);
	buf_free(&a->authorization);
	buf_free(&a->about);
	free(a);
}

static struct ask *ask_make(struct login *s)
{
	struct ask *a = calloc(1, sizeof(*a));

	CHECK(a);
	a->login = s;
	a->limit = ANSWER_MAX;
	return a;
}

struct ask *ask_new(struct login *s, enum http_method method, const char *path,
		    enum rate_group group, ask_done_fn *done)
{
	struct ask *a = ask_make(s);

	a->method = method;
	if (*path == '/')
		buf_add(&a->url, s->base);
	buf_addz(&a->url, path);
	a->group = group;
	a->done = done;
	a->until_us = login_now(s) + PATIENCE_MS * MS_US;
	return a;
}

void ask_post(struct ask *a)
{
	DL_APPEND(a->login->waiting, a);
	a->login->waiting_n++;
}

/* --- others' requests: their answer travels with memory of its own --- */

struct returning {
	struct mail mail;
	struct connect_request *request;
	struct buf type, head, body, error;
};

static void run_returned(struct mail *m, struct shard *here)
{
	struct returning *back = (struct returning *)m;
	struct connect_request *r = back->request;

	(void)here;
	r->response.content_type = buf_span(&back->type);
	r->response.head = buf_span(&back->head);
	r->response.body = buf_span(&back->body);
	if (back->error.n)
		r->response.error = buf_z(&back->error);
	r->done(r);
	buf_free(&back->type);
	buf_free(&back->head);
	buf_free(&back->body);
	buf_free(&back->error);
	free(back);
}

static void return_to(struct connect_request *r, const struct client_response *answer,
		      int64_t provider_us)
{
	struct returning *back = calloc(1, sizeof(*back));

	CHECK(back);
	back->request = r;
	buf_add(&back->type, answer->content_type);
	buf_add(&back->head, answer->head);
	buf_add(&back->body, answer->body);
	if (answer->error)
		buf_addz(&back->error, answer->error);
	r->response = *answer;
	r->response.error = NULL;
	r->provider_us = provider_us;
	back->mail.run = run_returned;
	shard_post_sure(r->home, &back->mail);
}

void request_refuse(struct connect_request *r, const char *why)
{
	const struct client_response answer = { .end = CLIENT_NOT_SENT, .error = why };

	metric_add_label(METRIC_CONNECT_REQUESTS, "not_sent", 1);
	return_to(r, &answer, 0);
}

static bool sends_text(const struct ask *a)
{
	static const char path[] = "/extension/~/sms";
	size_t n = sizeof(path) - 1;

	return a->method == HTTP_POST && a->url.n > n &&
	       memcmp(a->url.p + a->url.n - n, path, n) == 0;
}

static void others_done(struct ask *a, const struct client_response *r, int64_t provider_us)
{
	if (sends_text(a) && response_good(r))
		texts_sent(a->login, r->body);
	return_to(a->request, r, provider_us);
}

static enum rate_group rate_of(enum api_group group)
{
	static const enum rate_group rates[] = {
		[API_GROUP_NONE] = RATE_NONE,
		[API_GROUP_LIGHT] = RATE_LIGHT,
		[API_GROUP_MEDIUM] = RATE_MEDIUM,
		[API_GROUP_HEAVY] = RATE_HEAVY,
	};

	return rates[group];
}

void ask_of_others(struct login *s, struct connect_request *r)
{
	bool is_path = r->url.n && r->url.p[0] == '/';

	if (s->waiting_n >= WAITING_MAX) {
		request_refuse(r, "too many requests wait for this source's session");
		return;
	}
	if (!is_path && !oauth_may_carry(s->base, r->url)) {
		request_refuse(r, "the URL is not one of the source's platform");
		return;
	}
	struct ask *a = ask_make(s);
	if (is_path)
		buf_add(&a->url, s->base);
	buf_add(&a->url, r->url);
	buf_add(&a->body, r->body);
	buf_add(&a->content_type, r->content_type);
	a->method = r->method;
	a->group = rate_of(r->group);
	a->urgent = r->urgent;
	a->until_us = r->until_us;
	a->limit = r->response_limit;
	a->request = r;
	a->done = others_done;
	ask_post(a);
}

/* --- its turn --- */

static void finish(struct ask *a, const struct client_response *r, int64_t provider_us)
{
	if (a->done)
		a->done(a, r, provider_us);
	ask_free(a);
}

static void leave_waiting(struct ask *a)
{
	DL_DELETE(a->login->waiting, a);
	a->login->waiting_n--;
}

static void never_sent(struct ask *a, const char *why, bool timed_out)
{
	const struct client_response r = { .end = CLIENT_NOT_SENT,
					   .timed_out = timed_out,
					   .error = why };

	leave_waiting(a);
	metric_add_label(METRIC_CONNECT_REQUESTS, "not_sent", 1);
	finish(a, &r, 0);
}

static const char *result_of(const struct client_response *r)
{
	if (r->end != CLIENT_ANSWERED)
		return "no_answer";
	return r->status == 429	  ? "limited"
	       : r->status == 401 ? "unauthorized"
	       : r->status >= 500 ? "failed"
	       : r->status >= 400 ? "refused"
				  : "ok";
}

static void count_answer(struct ask *a, const struct client_response *r, int64_t now_us)
{
	struct purse *purse = take(a->purse);
	struct rate_answer rate;

	metric_add_label(METRIC_CONNECT_REQUESTS, result_of(r), 1);
	head_rate(r->head, r->status, &rate);
	if (r->end == CLIENT_NOT_SENT)
		purse_unsent(purse, a->group);
	else
		purse_answered(purse, a->group, r->end == CLIENT_ANSWERED ? &rate : NULL, now_us);
	purse_unref(a->login->connect, purse);
}

/* Refused before anything was done: does it go again? */
static bool goes_again(struct ask *a, const struct client_response *r, int64_t now_us)
{
	struct login *s = a->login;

	if (r->end != CLIENT_ANSWERED)
		return false;
	if (r->status < 400 && !a->authorization.n)
		tokens_worked(s, a->generation);
	if (r->status == 401 && !a->authorization.n) {
		tokens_refused(s, a->generation);
		bool first = !a->again;
		a->again = true;
		return first;
	}
	return r->status == 429 && purse_when(s->purse, a->group, a->urgent, now_us) < a->until_us;
}

static void note_clock(struct login *s, const struct client_response *r, int64_t now_us)
{
	int64_t provider_us = head_date_us(r->head);

	if (!provider_us)
		return;
	s->provider_us = provider_us;
	s->provider_at_us = now_us;
}

static void on_answer(void *user, const struct client_response *r)
{
	struct ask *a = user;
	struct login *s = a->login;
	int64_t now_us = login_now(s);

	DL_DELETE(s->flying, a);
	s->flying_n--;
	count_answer(a, r, now_us);
	if (s->ended) {
		if (a->request)
			return_to(a->request, r, head_date_us(r->head));
		ask_free(a);
		return;
	}
	note_clock(s, r, now_us);
	if (r->end == CLIENT_ANSWERED && r->status == 429)
		log_warn("connect", "source %s: too many requests, the platform wants a pause",
			 s->id_text);
	if (a->done && goes_again(a, r, now_us)) {
		DL_PREPEND(s->waiting, a);
		s->waiting_n++;
	} else {
		finish(a, r, head_date_us(r->head));
	}
	login_tick(s, now_us);
}

static void put_bearer(struct ask *a, struct buf *out, int64_t now_us)
{
	struct span bearer = tokens_bearer(a->login, now_us);

	if (a->authorization.n) {
		buf_add(out, buf_span(&a->authorization));
		return;
	}
	buf_addz(out, "Bearer ");
	buf_add(out, bearer);
}

/* It is paid for. */
static void send_now(struct ask *a, int64_t now_us)
{
	struct login *s = a->login;
	struct buf bearer AUTO_BUF = { 0 };
	struct fault f = { 0 };
	int64_t left_ms = (a->until_us - now_us) / MS_US + 1;

	put_bearer(a, &bearer, now_us);
	const struct http_header headers[] = {
		{ SPAN("Authorization"), buf_span(&bearer) },
		{ SPAN("Accept"), SPAN("application/json") },
		{ SPAN("Content-Type"),
		  a->content_type.n ? buf_span(&a->content_type) : SPAN("application/json") },
	};
	const struct client_request q = {
		.method = a->method,
		.url = buf_span(&a->url),
		.headers = headers,
		.headers_n = a->authorization.n && !a->body.n ? 2 : 3,
		.body = buf_span(&a->body),
		.timeout_ms = left_ms < REQUEST_MS ? left_ms : REQUEST_MS,
		.response_limit = a->limit,
	};
	a->generation = s->tokens.generation;
	a->purse = purse_ref(s->connect, s->purse);
	if (http_client_send(s->http, &q, on_answer, a, &f)) {
		purse_unsent(a->purse, a->group);
		never_sent(a, f.text, false);
		return;
	}
	leave_waiting(a);
	DL_APPEND(s->flying, a);
	s->flying_n++;
}

/* May it go? false: perhaps later, or `*why` says why never. */
static bool may_go(const struct ask *a, int64_t now_us, const char **why)
{
	struct login *s = a->login;
	int64_t when_us = purse_when(s->purse, a->group, a->urgent, now_us);

	*why = NULL;
	if (a->until_us <= now_us)
		*why = "its turn did not come in time";
	else if (when_us != INT64_MAX && when_us > a->until_us)
		*why = "the platform's limit of requests is reached";
	else if (!a->authorization.n && !tokens_bearer(s, now_us).n) {
		if (a->request && s->standing.state == CONNECT_DENIED)
			*why = "the platform refuses this source's credentials";
	} else
		return when_us <= now_us;
	return false;
}

static bool pump_one(struct login *s, bool urgent, int64_t now_us)
{
	struct ask *a;
	const char *why;

	DL_FOREACH(s->waiting, a)
	{
		if (a->urgent != urgent)
			continue;
		bool go = may_go(a, now_us, &why) && s->flying_n < ASKS_FLYING_MAX &&
			  purse_spend(s->purse, a->group, a->urgent, now_us);
		if (go)
			send_now(a, now_us);
		else if (why)
			never_sent(a, why, a->until_us <= now_us);
		if (go || why)
			return true; /* the list may be another now */
	}
	return false;
}

void asks_pump(struct login *s, int64_t now_us)
{
	while (!s->ended && (pump_one(s, true, now_us) || pump_one(s, false, now_us)))
		;
}

void asks_drop(struct login *s, const char *why)
{
	while (s->waiting) {
		struct ask *a = s->waiting;

		leave_waiting(a);
		if (a->request)
			request_refuse(a->request, why);
		ask_free(a);
	}
}

void asks_forget_own(struct login *s)
{
	struct ask *a, *next;

	DL_FOREACH(s->flying, a)
	{
		if (!a->request)
			a->done = NULL;
	}
	DL_FOREACH_SAFE(s->waiting, a, next)
	{
		if (a->request)
			continue;
		leave_waiting(a);
		ask_free(a);
	}
}
