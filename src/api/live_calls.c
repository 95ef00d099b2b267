/* Happy path: every owner shard gives its part, the parts are put together, the answer goes out.
 * Failure modes: mailboxes are full (503); the client or the api goes while parts are gathered
 * (they are dropped). PostgreSQL is not needed here. */
#include "api/live_calls.h"

#include <stdlib.h>

#include "api/call_ids.h"
#include "api/endpoint.h"
#include "api/request.h"

/* --- all --- */

struct gathering {
	struct request *request;
	struct buf calls, owners;
	struct json_out calls_out, owners_out;
	size_t n, room;
};

static void gather_free(struct gathering *g)
{
	buf_free(&g->calls);
	buf_free(&g->owners);
	free(g);
}

static void on_part(void *user, const struct live_part *part)
{
	struct gathering *g = user;
	struct json_iter it = json_iter(json_of(part->json));
	struct span key;
	struct json call;
	json_begin(&g->owners_out, NULL);
	json_put_i64(&g->owners_out, "owner", part->owner);
	json_put_i64(&g->owners_out, "last_seq", (int64_t)part->last_seq);
	json_end(&g->owners_out);
	for (; json_next(&it, &key, &call); g->n++)
		if (g->n < g->room)
			json_put_raw(&g->calls_out, NULL, call.raw);
}

static void answer_all(struct gathering *g)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	json_end_array(&g->calls_out);
	json_end_array(&g->owners_out);
	json_begin(&o, NULL);
	json_put_z(&o, "epoch", live_epoch(api_live(g->request->api)));
	json_put_i64(&o, "total", (int64_t)g->n);
	json_put_raw(&o, "owners", buf_span(&g->owners));
	json_put_raw(&o, "calls", buf_span(&g->calls));
	json_end(&o);
	request_answer(g->request, 200, buf_span(&b));
}

static void on_all(void *user)
{
	struct gathering *g = user;
	if (!request_is_orphan(g->request))
		answer_all(g);
	gather_free(g);
}

static void run_all(struct request *r)
{
	struct gathering *g = calloc(1, sizeof(*g));
	CHECK(g);
	g->request = r;
	g->room = (size_t)strtoull(request_value(r, "limit"), NULL, 10);
	g->calls_out.b = &g->calls;
	g->owners_out.b = &g->owners;
	json_begin_array(&g->calls_out, NULL);
	json_begin_array(&g->owners_out, NULL);
	struct live_query query = {
		.org = r->caller.org,
		.part = on_part,
		.done = on_all,
		.user = g,
	};
	const char *project = request_value(r, "project_id");
	if (project)
		CHECK(uuid_parse(&query.project, span_of(project)) == 0); /* was checked */
	int rc = live_snapshot(api_live(r->api), r->api->shard, &query);
	if (rc == 0)
		return;
	gather_free(g);
	request_fail(r, rc, (struct span){ 0 });
}

/* --- one --- */

/* The candidates are asked one after the other. */
struct search {
	struct request *request;
	struct uuid *ids;
	size_t n, at;
	struct buf found;
	struct problem otherwise;
	void (*answer)(struct request *, struct span call);
};

static void search_next(struct search *s);

static void search_end(struct search *s)
{
	struct request *r = s->request;
	struct buf found = s->found;
	struct problem otherwise = s->otherwise;
	void (*answer)(struct request *, struct span call) = s->answer;
	free(s->ids);
	free(s);
	if (found.n)
		answer(r, buf_span(&found));
	else
		request_problem(r, &otherwise);
	buf_free(&found);
}

static void on_candidate(void *user, const struct live_part *part)
{
	struct search *s = user;
	struct json_iter it = json_iter(json_of(part->json));
	struct span key;
	struct json call;
	if (!s->found.n && json_next(&it, &key, &call))
		buf_add(&s->found, call.raw);
}

static void on_candidate_done(void *user)
{
	struct search *s = user;
	if (request_is_orphan(s->request)) {
		buf_free(&s->found);
		free(s->ids);
		free(s);
	} else if (s->found.n || s->at == s->n) {
		search_end(s);
	} else {
		search_next(s);
	}
}

static void search_next(struct search *s)
{
	struct request *r = s->request;
	struct live_query query = {
		.org = r->caller.org,
		.call = &s->ids[s->at++],
		.part = on_candidate,
		.done = on_candidate_done,
		.user = s,
	};
	if (live_snapshot(api_live(r->api), r->api->shard, &query))
		search_end(s);
}

void live_calls_find(struct request *r, const char *id, const struct problem *otherwise,
		     void (*found)(struct request *, struct span call))
{
	struct search *s = calloc(1, sizeof(*s));
	CHECK(s);
	s->request = r;
	s->otherwise = *otherwise;
	s->answer = found;
	const struct directory *d = live_directory(api_live(r->api), r->api->shard);
	struct uuid *ids = call_ids_candidates(d, &r->caller.org, span_of(id), &r->arena, &s->n);
	s->ids = calloc(s->n + 1, sizeof(*ids));
	CHECK(s->ids);
	memcpy(s->ids, ids, s->n * sizeof(*ids));
	if (s->n)
		search_next(s);
	else
		search_end(s);
}

static void answer_snapshot(struct request *r, struct span call)
{
	request_answer(r, 200, call);
}

void live_calls_answer_one(struct request *r, const char *id, const struct problem *otherwise)
{
	live_calls_find(r, id, otherwise, answer_snapshot);
}

/* --- one that is stored, with what only memory knows: who is in it, what can be done --- */

struct completing {
	struct request *request;
	struct uuid id;
	struct buf stored, more;
};

static void on_running(void *user, const struct live_part *part)
{
	struct completing *c = user;
	struct json call = json_first(json_of(part->json));
	static const char *const members[] = { "can", "parties" };
	for (size_t i = 0; call.kind == JSON_OBJECT && i < sizeof(members) / sizeof(*members); i++)
		buf_printf(&c->more, ",\"%s\":%.*s", members[i],
			   SPAN_ARG(json_get(call, members[i]).raw));
}

static void answer_complete(struct completing *c)
{
	struct buf b AUTO_BUF = { 0 };
	struct span stored = buf_span(&c->stored);
	buf_add(&b, (struct span){ stored.p, stored.n - 1 });
	buf_add(&b, buf_span(&c->more));
	buf_addc(&b, '}');
	request_answer(c->request, 200, buf_span(&b));
}

static void on_complete(void *user)
{
	struct completing *c = user;
	if (!request_is_orphan(c->request))
		answer_complete(c);
	buf_free(&c->stored);
	buf_free(&c->more);
	free(c);
}

void live_calls_answer_stored(struct request *r, struct span call)
{
	struct json row = json_of(call);
	struct completing *c = calloc(1, sizeof(*c));
	CHECK(c);
	c->request = r;
	buf_add(&c->stored, row.raw);
	bool live = json_true(json_get(row, "live")) &&
		    uuid_parse(&c->id, json_text(json_get(row, "id"), &r->arena)) == 0;
	const struct live_query query = { .org = r->caller.org,
					  .call = &c->id,
					  .part = on_running,
					  .done = on_complete,
					  .user = c };
	if (!live || live_snapshot(api_live(r->api), r->api->shard, &query))
		on_complete(c);
}

static const struct param all_params[] = {
	QUERY_UUID("project_id", 0, "only calls of this project"),
	{ .name = "limit",
	  .in = PARAM_IN_QUERY,
	  .type = PARAM_INT,
	  .min = 1,
	  .max = 500,
	  .fallback = "500",
	  .doc = "how many at most; total says how many there are" },
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/live/calls", ROLE_VIEWER, .id = "live_calls", .tag = "live",
	  .summary = "The calls that run now, from memory: also while PostgreSQL is away",
	  .answer = "LiveCalls", ENDPOINT_PARAMS(all_params), .run = run_all },
};
ENDPOINTS(live_calls_endpoints, rows);
