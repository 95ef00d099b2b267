/* Happy path: exchange → token → role → rate → path, query, body against the endpoint's rows →
 * statement or run → answer. Failure modes: a refusal at any of these steps is a problem document;
 * the store is away or full (503 with Retry-After); the client leaves (net drops the answer); the
 * api stops while an answer is awaited (503 now, the late answer is ignored). */
#include "api/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "api/query.h"
#include "api/usage.h"
#include "base/clock.h"

static struct request *request_new(struct exchange *x)
{
	struct request *r = calloc(1, sizeof(*r));
	CHECK(r);
	r->api = api_of(exchange_server(x));
	r->x = x;
	r->endpoint = exchange_route(x)->info;
	r->next = r->api->requests;
	if (r->next)
		r->next->prev = r;
	r->api->requests = r;
	return r;
}

static void unlink_request(struct request *r)
{
	if (!r->api)
		return;
	if (r->prev)
		r->prev->next = r->next;
	else
		r->api->requests = r->next;
	if (r->next)
		r->next->prev = r->prev;
	r->prev = r->next = NULL;
	r->api = NULL;
}

static void request_free(struct request *r)
{
	unlink_request(r);
	arena_fini(&r->arena);
	free(r);
}

bool request_is_orphan(struct request *r)
{
	if (r->api)
		return false;
	request_free(r);
	return true;
}

void request_answer_as(struct request *r, int status, const char *content_type, struct span body)
{
	exchange_answer_header(r->x, "cache-control", SPAN("no-store"));
	exchange_answer(take(r->x), status, content_type, body);
	request_free(r);
}

void request_answer(struct request *r, int status, struct span json)
{
	request_answer_as(r, status, "application/json", json);
}

void request_answer_file(struct request *r, int status, const char *content_type, int fd,
			 uint64_t from, uint64_t n)
{
	exchange_answer_header(r->x, "cache-control", SPAN("private, no-cache"));
	exchange_answer_file(take(r->x), status, content_type, fd, from, n);
	request_free(r);
}

static void answer_problem(struct exchange *x, const struct problem *p)
{
	struct buf body AUTO_BUF = { 0 };
	problem_write(p, exchange_path(x), &body);
	if (p->kind == PROBLEM_UNAUTHORIZED)
		exchange_answer_header(x, "www-authenticate", SPAN("Bearer realm=\"callmend\""));
	if (p->retry_after_s) {
		char after[16];
		snprintf(after, sizeof(after), "%d", p->retry_after_s);
		exchange_answer_header(x, "retry-after", span_of(after));
	}
	exchange_answer(x, problem_status(p->kind), "application/problem+json", buf_span(&body));
}

void request_problem(struct request *r, const struct problem *p)
{
	answer_problem(take(r->x), p);
	request_free(r);
}

void request_fail(struct request *r, int code, struct span detail)
{
	struct problem p;
	problem_from_code(&p, code, detail);
	if (p.kind == PROBLEM_INVALID_BODY && r->body.kind == JSON_NONE)
		p.kind = PROBLEM_BAD_PARAMETER; /* then a parameter was what PostgreSQL refused */
	request_problem(r, &p);
}

void request_stop_all(struct api *api)
{
	struct problem p;
	problem(&p, PROBLEM_UNAVAILABLE, "the node is stopping");
	p.retry_after_s = 1;
	while (api->requests) {
		struct request *r = api->requests;
		answer_problem(take(r->x), &p);
		unlink_request(r);
	}
}

/* --- values --- */

static int row_of(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->endpoint->params_n; i++)
		if (strcmp(r->endpoint->params[i].name, name) == 0)
			return (int)i;
	return -1;
}

const char *request_value(const struct request *r, const char *name)
{
	int i = row_of(r, name);
	return i < 0 ? NULL : r->values[i];
}

void request_set(struct request *r, const char *name, const char *value)
{
	int i = row_of(r, name);
	CHECK(i >= 0);
	r->values[i] = value;
}

static const char *caller_value(struct request *r, const char *name)
{
	const struct {
		const char *name;
		const struct uuid *uuid;
		const char *text;
	} known[] = {
		{ "org", &r->caller.org, NULL },
		{ "token", &r->caller.token, NULL },
		{ "actor", NULL, r->caller.actor },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) != 0)
			continue;
		if (known[i].text)
			return known[i].text;
		char *z = arena_alloc(&r->arena, UUID_TEXT + 1);
		uuid_format(known[i].uuid, z);
		return z;
	}
	return NULL; /* given later by the resource (request_set) */
}

/* --- checks --- */

static bool admit(struct request *r, struct problem *p)
{
	if (r->endpoint->role == ROLE_NONE)
		return true;
	struct span header = { 0 };
	int64_t now_us = clock_monotonic_us();
	if (!exchange_header(r->x, "authorization", &header))
		header = (struct span){ 0 };
	if (!auth_identify(live_directory(api_live(r->api), r->api->shard), auth_bearer(header),
			   clock_now_us(), &r->caller, p) ||
	    !auth_rate_take(&r->api->common->rate, &r->caller, now_us, p))
		return false;
	usage_note(r->api, &r->caller, now_us);
	return auth_role(&r->caller, r->endpoint->role, p);
}

static bool read_path(struct request *r, struct problem *p)
{
	for (size_t i = 0; i < r->endpoint->params_n; i++) {
		const struct param *row = &r->endpoint->params[i];
		if (row->in == PARAM_IN_PATH &&
		    !params_text(row, exchange_param(r->x, row->name), &r->arena, &r->values[i], p))
			return false;
	}
	return true;
}

static bool read_query(struct request *r, struct problem *p)
{
	const struct endpoint *e = r->endpoint;
	struct span name, value;
	for (size_t at = 0; exchange_query_next(r->x, &at, &name, &value);) {
		int i = params_find(e->params, e->params_n, PARAM_IN_QUERY, name);
		if (i < 0)
			return problem_at(p, PROBLEM_BAD_PARAMETER, "query", name,
					  "unknown parameter \"%.*s\"", SPAN_ARG(name));
		if (r->values[i])
			return problem_at(p, PROBLEM_BAD_PARAMETER, "query", name,
					  "parameter \"%.*s\" is there twice", SPAN_ARG(name));
		if (!params_text(&e->params[i], value, &r->arena, &r->values[i], p))
			return false;
	}
	return params_complete(e->params, e->params_n, PARAM_IN_QUERY, r->values, p);
}

static bool is_json_type(struct span type)
{
	static const char json[] = "application/json";
	size_t n = sizeof(json) - 1;
	return type.n >= n && strncasecmp(type.p, json, n) == 0 &&
	       (type.n == n || type.p[n] == ';' || type.p[n] == ' ');
}

static void keep_whole_body(struct request *r)
{
	struct buf clean AUTO_BUF = { 0 };
	struct json_out o = { .b = &clean };
	for (size_t i = 0; i < r->endpoint->params_n; i++) {
		if (r->endpoint->params[i].in != PARAM_IN_WHOLE)
			continue;
		json_put_clean(&o, NULL, r->body.kind == JSON_NONE ? SPAN("{}") : r->body.raw);
		r->values[i] = arena_printf(&r->arena, "%s", buf_z(&clean));
		return;
	}
}

static bool read_body(struct request *r, struct problem *p)
{
	const struct endpoint *e = r->endpoint;
	struct span text = exchange_body(r->x), type;
	struct fault f = { 0 };
	if (text.n && (!exchange_header(r->x, "content-type", &type) || !is_json_type(type)))
		return problem(p, PROBLEM_NOT_JSON, "send Content-Type: application/json");
	if (text.n && json_check(text, &f))
		return problem(p, PROBLEM_BAD_JSON, "%s", f.text);
	r->body = json_of(text);
	if (!params_body(e->params, e->params_n, r->body, &r->arena, r->values, p))
		return false;
	if (e->method == HTTP_PATCH && json_count(r->body) == 0)
		return problem(p, PROBLEM_INVALID_BODY, "name at least one member to change");
	keep_whole_body(r);
	return true;
}

static void fill_caller(struct request *r)
{
	for (size_t i = 0; i < r->endpoint->params_n; i++)
		if (r->endpoint->params[i].in == PARAM_IN_CALLER)
			r->values[i] = caller_value(r, r->endpoint->params[i].name);
}

void request_handle(struct exchange *x)
{
	struct request *r = request_new(x);
	struct problem p;
	if (!admit(r, &p) || !read_path(r, &p) || !read_query(r, &p) || !read_body(r, &p)) {
		request_problem(r, &p);
		return;
	}
	fill_caller(r);
	if (r->endpoint->run)
		r->endpoint->run(r);
	else
		request_query(r);
}

/* --- statements --- */

static void on_answer(void *user, const struct store_answer *a)
{
	struct request *r = user;
	if (request_is_orphan(r))
		return;
	if (r->endpoint->answered)
		r->endpoint->answered(r, a);
	else if (a->code)
		request_fail(r, a->code, a->detail);
	else
		request_answer(r, r->endpoint->status ? r->endpoint->status : 200, a->json);
}

void request_query(struct request *r)
{
	const struct endpoint *e = r->endpoint;
	const char *sql[PARAMS_MAX] = { 0 };
	size_t n = 0;
	for (size_t i = 0; i < e->params_n; i++) {
		size_t at = (size_t)e->params[i].sql;
		if (at == 0)
			continue;
		CHECK(at <= PARAMS_MAX);
		sql[at - 1] = r->values[i];
		n = at > n ? at : n;
	}
	int rc = query_run(r->api, e->query, sql, n, on_answer, r);
	if (rc == 0)
		return;
	struct store_answer refused = { .code = rc };
	on_answer(r, &refused);
}
