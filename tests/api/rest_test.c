/* The REST API over real sockets, PostgreSQL away, the live side a fake: probes, who may what,
 * every refusal, commands (A6), calls from memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api_kit.h"

#include "api/endpoint.h"

static struct kit *start(void)
{
	struct kit *k = calloc(1, sizeof(*k));
	kit_start(k);
	return k;
}

static int begin(void **state)
{
	*state = start();
	return 0;
}

static int end(void **state)
{
	kit_stop(*state);
	free(*state);
	return 0;
}

/* --- probes ---------------------------------------------------------------------- */

static void test_probes(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	static const char *const open[] = { "/", "/healthz", "/readyz", "/openapi.json" };
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		assert_int_equal(200, kit_ask(k, "GET", open[i], NULL, NULL, &r));
		kit_expect_promised(k, &r, "GET", open[i]);
	}
	assert_int_equal(200, kit_ask(k, "GET", "/metrics", NULL, NULL, &r));
	assert_true(reply_has(&r, "callmend_http_requests_total"));
	assert_true(reply_has(&r, "content-type: text/plain"));
	reply_free(&r);
}

/* Draining and a failed journal turn it red, PostgreSQL away is only told. */
static void test_readyz(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	assert_int_equal(200, kit_ask(k, "GET", "/readyz", NULL, NULL, &r));
	assert_true(json_is_text(json_get(kit_json(&r), "database"), "away"));
	assert_int_equal(0, json_count(json_get(kit_json(&r), "reasons")));
	/* Nobody answered, so there is no error to tell. */
	assert_int_equal(0, json_count(json_get(kit_json(&r), "troubles")));
	/* A session that does not stand is told, and no reason to send nothing here; why is
	 * nobody's business without a token. */
	atomic_store(&k->denied, true);
	assert_int_equal(200, kit_ask(k, "GET", "/readyz", NULL, NULL, &r));
	kit_expect_promised(k, &r, "GET", "/readyz");
	struct json session = json_first(json_get(kit_json(&r), "sessions"));
	assert_true(json_is_text(json_get(session, "source"), KIT_SOURCE));
	assert_true(json_is_text(json_get(session, "state"), "denied"));
	assert_int_equal(1, json_count(json_get(kit_json(&r), "sessions")));
	assert_false(reply_has(&r, "invalid_grant"));
	atomic_store(&k->denied, false);
	atomic_store(&k->draining, true);
	assert_int_equal(503, kit_ask(k, "GET", "/readyz", NULL, NULL, &r));
	kit_expect_promised(k, &r, "GET", "/readyz");
	assert_true(reply_has(&r, "draining"));
	atomic_store(&k->journal_failed, true);
	assert_int_equal(503, kit_ask(k, "GET", "/readyz", NULL, NULL, &r));
	assert_int_equal(2, json_count(json_get(kit_json(&r), "reasons")));
	atomic_store(&k->draining, false);
	assert_int_equal(503, kit_ask(k, "GET", "/readyz", NULL, NULL, &r));
	assert_true(reply_has(&r, "journal"));
	reply_free(&r);
}

/* --- who may what (I1) ----------------------------------------------------------- */

/* "/a/{id}/b" → "/a/<uuid>/b" */
static const char *concrete(const char *pattern, char *out, size_t room)
{
	size_t n = 0;
	while (*pattern && n + 1 < room) {
		if (*pattern != '{') {
			out[n++] = *pattern++;
			continue;
		}
		n += (size_t)snprintf(out + n, room - n, "%s", KIT_PROJECT);
		pattern = strchr(pattern, '}') + 1;
	}
	out[n] = '\0';
	return out;
}

static const char *token_below(enum role role)
{
	static const char *const below[] = {
		[ROLE_SUPERVISOR] = KIT_VIEWER,
		[ROLE_MANAGER] = KIT_SUPERVISOR,
		[ROLE_ADMIN] = KIT_MANAGER,
	};
	return role > ROLE_VIEWER ? below[role] : NULL;
}

static const char *token_of(enum role role)
{
	static const char *const tokens[] = {
		[ROLE_VIEWER] = KIT_VIEWER,
		[ROLE_SUPERVISOR] = KIT_SUPERVISOR,
		[ROLE_MANAGER] = KIT_MANAGER,
		[ROLE_ADMIN] = KIT_ADMIN,
	};
	return tokens[role];
}

static void test_every_route_wants_its_role(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	size_t checked = 0;
	for (size_t i = 0; i < k->routes_n; i++) {
		const struct endpoint *e = k->routes[i].info;
		const char *method = http_method_name(e->method);
		char path[256];
		if (e->role == ROLE_NONE || e->ws)
			continue;
		concrete(e->path, path, sizeof(path));
		kit_ask(k, method, path, NULL, NULL, &r);
		kit_expect_problem(&r, 401, "unauthorized");
		assert_true(reply_has(&r, "www-authenticate: Bearer"));
		kit_expect_promised(k, &r, method, e->path);
		if (token_below(e->role)) {
			kit_ask(k, method, path, token_below(e->role), NULL, &r);
			kit_expect_problem(&r, 403, "forbidden");
			checked++;
		}
		int status = kit_ask(k, method, path, token_of(e->role), NULL, &r);
		if (status == 401 || status == 403 || status == 500)
			fail_msg("%s %s with its own role: %d", method, path, status);
	}
	assert_true(checked > 15);
	reply_free(&r);
}

static void test_tokens_refused(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	static const char *const headers[] = {
		"Authorization: Bearer cm_unknown\r\n",
		"Authorization: Bearer " KIT_EXPIRED "\r\n",
		"Authorization: Basic " KIT_ADMIN "\r\n",
		"Authorization: " KIT_ADMIN "\r\n",
		"Authorization: Bearer\r\n",
	};
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		kit_ask_with(k, "GET", "/api/v1/live/calls", headers[i], NULL, &r);
		kit_expect_problem(&r, 401, "unauthorized");
	}
	assert_int_equal(200, kit_ask(k, "GET", "/api/v1/live/calls", KIT_VIEWER, NULL, &r));
	/* taken back: refused at once */
	atomic_store(&k->live.next_directory, kit_directory(KIT_VIEWER));
	kit_ask(k, "GET", "/api/v1/live/calls", KIT_VIEWER, NULL, &r);
	kit_expect_problem(&r, 401, "unauthorized");
	reply_free(&r);
}

static void test_rate(void **state)
{
	struct kit *k = calloc(1, sizeof(*k));
	struct reply r = { 0 };
	(void)state;
	k->rate_per_s = 1;
	k->rate_burst = 3;
	kit_start(k);
	for (int i = 0; i < 3; i++)
		assert_int_equal(200,
				 kit_ask(k, "GET", "/api/v1/live/calls", KIT_VIEWER, NULL, &r));
	kit_ask(k, "GET", "/api/v1/live/calls", KIT_VIEWER, NULL, &r);
	kit_expect_problem(&r, 429, "rate-limited");
	assert_true(reply_has(&r, "retry-after: 1"));
	assert_int_equal(200, kit_ask(k, "GET", "/api/v1/live/calls", KIT_ADMIN, NULL, &r));
	assert_int_equal(200, kit_ask(k, "GET", "/healthz", NULL, NULL, &r));
	reply_free(&r);
	kit_stop(k);
	free(k);
}

/* --- requests that are wrong ----------------------------------------------------- */

static void test_wrong_requests(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	static const struct {
		const char *method, *path, *body;
		int status;
		const char *slug, *name; /* NULL: not ours / none */
	} cases[] = {
		{ "GET", "/api/v1/nothing", NULL, 404, NULL, NULL },
		{ "DELETE", "/api/v1/calls", NULL, 405, NULL, NULL },
		{ "GET", "/api/v1/vapi/call/x/mute", NULL, 405, NULL, NULL },
		{ "GET", "/api/v1/calls?limit=0", NULL, 400, "bad-parameter", "limit" },
		{ "GET", "/api/v1/calls?limit=501", NULL, 400, "bad-parameter", "limit" },
		{ "GET", "/api/v1/calls?limit=ten", NULL, 400, "bad-parameter", "limit" },
		{ "GET", "/api/v1/calls?colour=red", NULL, 400, "bad-parameter", "colour" },
		{ "GET", "/api/v1/calls?status=a&status=b", NULL, 400, "bad-parameter", "status" },
		{ "GET", "/api/v1/calls?from=yesterday", NULL, 400, "bad-parameter", "from" },
		{ "GET", "/api/v1/calls?project_id=1", NULL, 400, "bad-parameter", "project_id" },
		{ "GET", "/api/v1/calls?status=%ff", NULL, 400, "bad-parameter", "status" },
		{ "GET", "/api/v1/calls?live=maybe", NULL, 400, "bad-parameter", "live" },
		{ "GET", "/api/v1/calls/a%20b", NULL, 400, "bad-parameter", "id" },
		{ "GET", "/api/v1/calls/x/events?after=-1", NULL, 400, "bad-parameter", "after" },
		{ "GET", "/api/v1/projects/1", NULL, 400, "bad-parameter", "id" },
		{ "GET", "/api/v1/vapi/analytics/tools?tool=x", NULL, 400, "bad-parameter",
		  "tool" },
		{ "POST", "/api/v1/projects", "{\"name\":", 400, "bad-json", NULL },
		{ "POST", "/api/v1/projects", "{\"name\":\"\xff\"}", 400, "bad-json", NULL },
		{ "POST", "/api/v1/projects", NULL, 422, "invalid-body", "name" },
		{ "POST", "/api/v1/projects", "{}", 422, "invalid-body", "name" },
		{ "POST", "/api/v1/projects", "[]", 422, "invalid-body", NULL },
		{ "POST", "/api/v1/projects", "{\"name\":\"a\",\"colour\":1}", 422, "invalid-body",
		  "colour" },
		{ "POST", "/api/v1/projects", "{\"name\":\"a\",\"language\":\"fr\"}", 422,
		  "invalid-body", "language" },
		{ "PATCH", "/api/v1/projects/" KIT_PROJECT, "{}", 422, "invalid-body", NULL },
		{ "POST", "/api/v1/tokens", "{\"name\":\"x\",\"role\":\"god\"}", 422,
		  "invalid-body", "role" },
		{ "POST", "/api/v1/tokens", "{\"name\":\"x\",\"role\":\"viewer\",\"hash\":\"00\"}",
		  422, "invalid-body", "hash" },
		{ "PATCH", "/api/v1/tool-calls/" KIT_PROJECT, "{\"user_feedback\":\"great\"}", 422,
		  "invalid-body", "user_feedback" },
		{ "PATCH", "/api/v1/tool-calls/" KIT_PROJECT, "{\"correction\":\"text\"}", 422,
		  "invalid-body", "correction" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status =
			kit_ask(k, cases[i].method, cases[i].path, KIT_ADMIN, cases[i].body, &r);
		if (status != cases[i].status)
			fail_msg("%s %s %s: %d, expected %d: %.*s", cases[i].method, cases[i].path,
				 cases[i].body ? cases[i].body : "", status, cases[i].status,
				 SPAN_ARG(buf_span(&r.body)));
		if (cases[i].slug)
			kit_expect_problem(&r, cases[i].status, cases[i].slug);
		if (cases[i].name) {
			struct json_iter it = json_iter(json_get(kit_json(&r), "errors"));
			struct span key;
			struct json error = { 0 };
			assert_true(json_next(&it, &key, &error));
			assert_true(json_is_text(json_get(error, "name"), cases[i].name));
		}
	}
	reply_free(&r);
}

/* --- every endpoint's rows, wrong one at a time ---------------------------------- */

/* A text that is none of this type; NULL: any text will do. */
static const char *wrong_text(const struct param *p)
{
	static const char *const wrong[] = {
		[PARAM_CALL] = "a%20b",	    [PARAM_UUID] = "00000000-0000-7000-8000-00000000000g",
		[PARAM_INT] = "1.5",	    [PARAM_BOOL] = "1",
		[PARAM_TIME] = "yesterday", [PARAM_ENUM] = "none-of-these",
		[PARAM_ANY] = NULL,
	};
	return wrong[p->type];
}

/* The same as JSON of another kind. */
static const char *wrong_value(const struct param *p)
{
	static const char *const wrong[] = {
		[PARAM_TEXT] = "{}",	      [PARAM_CALL] = "{}",   [PARAM_UUID] = "\"1\"",
		[PARAM_INT] = "\"1\"",	      [PARAM_BOOL] = "1",    [PARAM_TIME] = "1732165200",
		[PARAM_ENUM] = "\"none-of\"", [PARAM_OBJECT] = "[]", [PARAM_ARRAY] = "{}",
		[PARAM_ANY] = NULL,
	};
	return wrong[p->type];
}

static size_t longest(const struct param *p)
{
	return p->max ? (size_t)p->max : PARAM_TEXT_MAX;
}

static void expect_named(struct reply *r, const struct endpoint *e, int status, const char *in,
			 const char *name, const char *what)
{
	struct span key;
	struct json error = { 0 };
	if (r->status != status)
		fail_msg("%s %s, %s: %d, expected %d: %.*s", http_method_name(e->method), e->path,
			 what, r->status, status, SPAN_ARG(buf_span(&r->body)));
	kit_expect_problem(r, status, status == 400 ? "bad-parameter" : "invalid-body");
	struct json_iter it = json_iter(json_get(kit_json(r), "errors"));
	if (!json_next(&it, &key, &error) || !json_is_text(json_get(error, "in"), in) ||
	    !json_is_text(json_get(error, "name"), name))
		fail_msg("%s %s, %s: %s is not named: %.*s", http_method_name(e->method), e->path,
			 what, name, SPAN_ARG(buf_span(&r->body)));
}

static void ask_wrong(struct kit *k, const struct endpoint *e, const char *path, const char *body,
		      int status, const char *in, const char *name, const char *what)
{
	struct reply r = { 0 };
	kit_ask(k, http_method_name(e->method), path, KIT_ADMIN, body, &r);
	expect_named(&r, e, status, in, name, what);
	kit_expect_promised(k, &r, http_method_name(e->method), e->path);
	reply_free(&r);
}

/* Endpoints of the API proper; those that are open or no REST have tests of their own. */
static const struct endpoint *rest_endpoint(const struct kit *k, size_t i)
{
	const struct endpoint *e = k->routes[i].info;
	return e->role == ROLE_NONE || e->ws ? NULL : e;
}

static void test_every_path_part_is_checked(void **state)
{
	struct kit *k = *state;
	size_t checked = 0;
	for (size_t i = 0; i < k->routes_n; i++) {
		const struct endpoint *e = rest_endpoint(k, i);
		for (size_t n = 0; e && n < e->params_n; n++) {
			const struct param *p = &e->params[n];
			char part[64], path[600], over[PARAM_CALL_MAX + 2];
			if (p->in != PARAM_IN_PATH)
				continue;
			snprintf(part, sizeof(part), "{%s}", p->name);
			const char *at = strstr(e->path, part);
			char after[128];
			concrete(at + strlen(part), after, sizeof(after));
			memset(over, 'a', sizeof(over) - 1);
			over[sizeof(over) - 1] = '\0';
			const char *const wrong[] = { wrong_text(p),
						      p->type == PARAM_TEXT ? NULL : over };
			for (size_t w = 0; w < 2; w++) {
				char before[128];
				snprintf(path, sizeof(path), "%.*s", (int)(at - e->path), e->path);
				concrete(path, before, sizeof(before));
				if (!wrong[w])
					continue;
				snprintf(path, sizeof(path), "%s%s%s", before, wrong[w], after);
				ask_wrong(k, e, path, NULL, 400, "path", p->name, wrong[w]);
				checked++;
			}
		}
	}
	assert_true(checked > 40);
}

static size_t check_query(struct kit *k, const struct endpoint *e, const struct param *p,
			  const char *path)
{
	char *over = malloc(longest(p) + 2), *asked = malloc(longest(p) + 400);
	const char *wrong[3] = { wrong_text(p) };
	size_t checked = 0;
	memset(over, 'a', longest(p) + 1);
	over[longest(p) + 1] = '\0';
	if (p->type == PARAM_TEXT) {
		wrong[0] = over;
		wrong[1] = "%ff";
		wrong[2] = p->min ? "" : NULL;
	}
	for (size_t w = 0; w < 3; w++) {
		if (!wrong[w])
			continue;
		snprintf(asked, longest(p) + 400, "%s?%s=%s", path, p->name, wrong[w]);
		ask_wrong(k, e, asked, NULL, 400, "query", p->name, wrong[w]);
		checked++;
	}
	if (p->type == PARAM_INT) {
		snprintf(asked, longest(p) + 400, "%s?%s=%lld", path, p->name,
			 (long long)p->max + 1);
		ask_wrong(k, e, asked, NULL, 400, "query", p->name, "too much");
	}
	free(over);
	free(asked);
	return checked;
}

static void test_every_query_parameter_is_checked(void **state)
{
	struct kit *k = *state;
	size_t checked = 0;
	for (size_t i = 0; i < k->routes_n; i++) {
		const struct endpoint *e = rest_endpoint(k, i);
		char path[256], asked[400];
		if (!e)
			continue;
		concrete(e->path, path, sizeof(path));
		snprintf(asked, sizeof(asked), "%s?no_such_thing=1", path);
		ask_wrong(k, e, asked, NULL, 400, "query", "no_such_thing", "unknown");
		for (size_t n = 0; n < e->params_n; n++)
			if (e->params[n].in == PARAM_IN_QUERY && e->params[n].type != PARAM_INT)
				checked += check_query(k, e, &e->params[n], path);
			else if (e->params[n].in == PARAM_IN_QUERY && e->params[n].max < 100000)
				checked += check_query(k, e, &e->params[n], path);
	}
	assert_true(checked > 60);
}

static bool takes_a_body(const struct endpoint *e)
{
	for (size_t i = 0; i < e->params_n; i++)
		if (e->params[i].in == PARAM_IN_BODY)
			return true;
	return false;
}

static size_t check_member(struct kit *k, const struct endpoint *e, const struct param *p,
			   const char *path)
{
	size_t room = longest(p) + 200;
	char *text = malloc(longest(p) + 2), *body = malloc(room);
	size_t checked = 0;
	if (wrong_value(p)) {
		snprintf(body, room, "{\"%s\":%s}", p->name, wrong_value(p));
		ask_wrong(k, e, path, body, 422, "body", p->name, body);
		checked++;
	}
	if (p->type == PARAM_TEXT && longest(p) < 60000) {
		memset(text, 'a', longest(p) + 1);
		text[longest(p) + 1] = '\0';
		snprintf(body, room, "{\"%s\":\"%s\"}", p->name, text);
		ask_wrong(k, e, path, body, 422, "body", p->name, "too long");
		checked++;
	}
	if (p->type == PARAM_INT) {
		snprintf(body, room, "{\"%s\":%lld}", p->name, (long long)p->max + 1);
		ask_wrong(k, e, path, body, 422, "body", p->name, body);
		checked++;
	}
	free(text);
	free(body);
	return checked;
}

static void test_every_member_is_checked(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	size_t checked = 0;
	for (size_t i = 0; i < k->routes_n; i++) {
		const struct endpoint *e = rest_endpoint(k, i);
		char path[256];
		if (!e || e->method == HTTP_GET || e->method == HTTP_DELETE)
			continue;
		concrete(e->path, path, sizeof(path));
		ask_wrong(k, e, path, "{\"no_such_thing\":1}", 422, "body", "no_such_thing",
			  "unknown");
		if (!takes_a_body(e))
			continue;
		const char *method = http_method_name(e->method);
		static const char *const broken[] = { "{", "{\"a\":1}x", "\xff",
						      "{\"a\":\"\\ud800\"" };
		for (size_t b = 0; b < sizeof(broken) / sizeof(broken[0]); b++) {
			kit_ask(k, method, path, KIT_ADMIN, broken[b], &r);
			kit_expect_problem(&r, 400, "bad-json");
		}
		kit_ask(k, method, path, KIT_ADMIN, "[]", &r);
		kit_expect_problem(&r, 422, "invalid-body");
		for (size_t n = 0; n < e->params_n; n++)
			if (e->params[n].in == PARAM_IN_BODY)
				checked += check_member(k, e, &e->params[n], path);
	}
	assert_true(checked > 60);
	reply_free(&r);
}

/* I1: who only watches changes nothing, wherever. */
static void test_a_viewer_changes_nothing(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	size_t checked = 0;
	for (size_t i = 0; i < k->routes_n; i++) {
		const struct endpoint *e = rest_endpoint(k, i);
		char path[256];
		if (!e || e->method == HTTP_GET)
			continue;
		concrete(e->path, path, sizeof(path));
		kit_ask(k, http_method_name(e->method), path, KIT_VIEWER, "{}", &r);
		kit_expect_problem(&r, 403, "forbidden");
		checked++;
	}
	assert_true(checked > 15);
	assert_int_equal(0, atomic_load(&k->live.commands));
	reply_free(&r);
}

static void test_content_type_and_size(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	static const char auth[] = "Authorization: Bearer " KIT_ADMIN "\r\n";
	static const char text[] =
		"Authorization: Bearer " KIT_ADMIN "\r\nContent-Type: text/plain\r\n";
	static const char utf8[] = "Authorization: Bearer " KIT_ADMIN
				   "\r\nContent-Type: Application/JSON; charset=utf-8\r\n";
	kit_ask_with(k, "POST", "/api/v1/projects", auth, "{\"name\":\"a\"}", &r);
	kit_expect_problem(&r, 415, "not-json");
	kit_ask_with(k, "POST", "/api/v1/projects", text, "{\"name\":\"a\"}", &r);
	kit_expect_problem(&r, 415, "not-json");
	assert_int_equal(503,
			 kit_ask_with(k, "POST", "/api/v1/projects", utf8, "{\"name\":\"a\"}", &r));
	char *large = malloc(70000);
	memset(large, ' ', 69999);
	large[69999] = '\0';
	assert_int_equal(413, kit_ask(k, "POST", "/api/v1/projects", KIT_ADMIN, large, &r));
	free(large);
	reply_free(&r);
}

/* PostgreSQL away: what needs it says so, at once and with Retry-After. */
static void test_database_away(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	static const char *const paths[] = {
		"/api/v1/calls",
		"/api/v1/calls/x/events",
		"/api/v1/projects",
		"/api/v1/audit",
		"/api/v1/sources",
		"/api/v1/vapi/analytics/calls",
		"/api/v1/tool-calls/" KIT_PROJECT,
		"/api/v1/calls/nobody",
	};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		kit_ask(k, "GET", paths[i], KIT_ADMIN, NULL, &r);
		kit_expect_problem(&r, 503, "unavailable");
		assert_true(reply_has(&r, "retry-after:"));
	}
	assert_int_equal(200, kit_ask(k, "GET", "/api/v1/whoami", KIT_MANAGER, NULL, &r));
	kit_expect_promised(k, &r, "GET", "/api/v1/whoami");
	assert_true(json_is_text(json_path(kit_json(&r), "token.role"), "manager"));
	reply_free(&r);
}

/* --- calls from memory ----------------------------------------------------------- */

static void test_live_calls(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	struct uuid id;
	char name[32];
	int64_t total = 0;
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "call-%d", i);
		kit_add_call(k, KIT_ORG, i < 3 ? KIT_PROJECT : KIT_PROJECT_2, name, 0, &id);
	}
	kit_add_call(k, KIT_ORG_2, KIT_PROJECT, "foreign", 0, &id);
	assert_int_equal(200, kit_ask(k, "GET", "/api/v1/live/calls", KIT_VIEWER, NULL, &r));
	kit_expect_promised(k, &r, "GET", "/api/v1/live/calls");
	assert_int_equal(5, json_count(json_get(kit_json(&r), "calls")));
	assert_int_equal(2, json_count(json_get(kit_json(&r), "owners")));
	assert_false(reply_has(&r, "foreign"));
	assert_int_equal(200, kit_ask(k, "GET", "/api/v1/live/calls?project_id=" KIT_PROJECT_2,
				      KIT_VIEWER, NULL, &r));
	assert_int_equal(2, json_count(json_get(kit_json(&r), "calls")));
	assert_int_equal(200,
			 kit_ask(k, "GET", "/api/v1/live/calls?limit=1", KIT_VIEWER, NULL, &r));
	assert_int_equal(1, json_count(json_get(kit_json(&r), "calls")));
	assert_true(json_i64(json_get(kit_json(&r), "total"), &total));
	assert_int_equal(5, total);
	assert_int_equal(200, kit_ask(k, "GET", "/api/v1/live/calls", KIT_OTHER_ORG, NULL, &r));
	assert_int_equal(1, json_count(json_get(kit_json(&r), "calls")));
	atomic_store(&k->live.snapshot_code, E_FULL);
	kit_ask(k, "GET", "/api/v1/live/calls", KIT_VIEWER, NULL, &r);
	kit_expect_problem(&r, 503, "unavailable");
	assert_true(reply_has(&r, "retry-after:"));
	reply_free(&r);
}

static void test_one_call_from_memory(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	struct uuid id;
	char path[128], text[UUID_TEXT + 1];
	kit_add_call(k, KIT_ORG, KIT_PROJECT, "vapi-77", 0, &id);
	uuid_format(&id, text);
	snprintf(path, sizeof(path), "/api/v1/calls/%s", text);
	assert_int_equal(200, kit_ask(k, "GET", path, KIT_VIEWER, NULL, &r));
	assert_true(json_is_text(json_get(kit_json(&r), "provider_call_id"), "vapi-77"));
	assert_int_equal(200, kit_ask(k, "GET", "/api/v1/calls/vapi-77", KIT_VIEWER, NULL, &r));
	assert_true(json_is_text(json_get(kit_json(&r), "id"), text));
	/* another organisation learns nothing */
	assert_int_equal(503, kit_ask(k, "GET", path, KIT_OTHER_ORG, NULL, &r));
	reply_free(&r);
}

static void test_token_of_audio(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	struct uuid id;
	char path[128], text[UUID_TEXT + 1], token[64];
	kit_add_call(k, KIT_ORG, KIT_PROJECT, "vapi-78", 0, &id);
	uuid_format(&id, text);
	snprintf(path, sizeof(path), "/api/v1/calls/%s/audio/token", text);
	snprintf(token, sizeof(token), "token-of-%s", text);
	const char *const paths[] = { path, "/api/v1/calls/vapi-78/audio/token" };
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(200, kit_ask(k, "GET", paths[i], KIT_SUPERVISOR, NULL, &r));
		kit_expect_promised(k, &r, "GET", "/api/v1/calls/{id}/audio/token");
		assert_true(json_is_text(json_get(kit_json(&r), "call"), text));
		assert_true(json_is_text(json_get(kit_json(&r), "token"), token));
	}
	kit_ask(k, "GET", path, KIT_OTHER_ORG, NULL, &r);
	kit_expect_problem(&r, 404, "not-found");
	reply_free(&r);
}

/* A request that waits when the node stops is answered 503; the part that comes later finds nobody
 * (the sanitizers watch). */
static void test_stop_while_waiting(void **state)
{
	struct kit *k = start();
	struct reply r = { 0 };
	(void)state;
	atomic_store(&k->live.hold_snapshots, true);
	/* on shard 0, where the fake holds parts: a fresh kit deals the first connection there */
	int fd = client_connect(k->rig.port);
	client_sendz(
		fd,
		"GET /api/v1/live/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " KIT_VIEWER
		"\r\n\r\n");
	rig_wait(&k->live.snapshots, 1);
	kit_stop(k);
	free(k);
	client_reply(fd, REPLY_FULL, &r);
	assert_int_equal(503, r.status);
	assert_true(client_closed(fd));
	reply_free(&r);
	close(fd);
}

/* --- commands (A6) --------------------------------------------------------------- */

static void expect_sent(struct kit *k, const char *path, const char *body, const char *expected)
{
	struct reply r = { 0 };
	int status = kit_ask(k, "POST", path, KIT_SUPERVISOR, body, &r);
	if (status != 200)
		fail_msg("%s %s: %d: %.*s", path, body, status, SPAN_ARG(buf_span(&r.body)));
	struct buf sent AUTO_BUF = { 0 };
	fake_live_last_command(&k->live, &sent);
	if (!strstr(buf_z(&sent), expected))
		fail_msg("%s %s: sent %s, expected %s", path, body, buf_z(&sent), expected);
	kit_expect_command(k, "\"actor\":\"token:supervisor\"");
	reply_free(&r);
}

static void test_commands_as_asked_for(void **state)
{
	struct kit *k = *state;
	struct uuid id;
	kit_add_call(k, KIT_ORG, KIT_PROJECT, "c1", 0, &id);
	expect_sent(k, "/api/v1/vapi/call/c1/inject", "{\"message\":\"hello\",\"type\":\"say\"}",
		    "\"verb\":\"say\",\"target\":\"assistant\",\"text\":\"hello\"");
	expect_sent(k, "/api/v1/vapi/call/c1/inject",
		    "{\"message\":\"hi\",\"type\":\"say\",\"interrupt\":true,\"end_after\":true,"
		    "\"reason\":\"why\"}",
		    "\"interrupt\":true,\"end_after\":true");
	expect_sent(k, "/api/v1/vapi/call/c1/inject",
		    "{\"message\":\"note\",\"type\":\"add-message\",\"role\":\"user\",\"trigger_"
		    "response\":false}",
		    "\"verb\":\"add-message\",\"target\":\"assistant\",\"text\":\"note\",\"role\":"
		    "\"user\",\"trigger_response\":false");
	expect_sent(k, "/api/v1/vapi/call/c1/mute", NULL,
		    "\"verb\":\"mute\",\"target\":\"assistant\"");
	expect_sent(k, "/api/v1/vapi/call/c1/mute",
		    "{\"target\":\"customer\",\"reason\":\"noise\"}",
		    "\"verb\":\"mute\",\"target\":\"customer\"");
	expect_sent(k, "/api/v1/vapi/call/c1/unmute", "{}", "\"verb\":\"unmute\"");
	expect_sent(k, "/api/v1/vapi/call/c1/end", "{\"reason\":\"done\"}", "\"verb\":\"end\"");
	expect_sent(k, "/api/v1/calls/c1/commands", "{\"verb\":\"say\",\"text\":\"x\"}",
		    "\"verb\":\"say\"");
	expect_sent(k, "/api/v1/calls/c1/commands",
		    "{\"verb\":\"transfer\",\"destination\":{\"type\":\"number\",\"number\":\"+"
		    "15550100\"}}",
		    "\"destination\":{\"type\":\"number\",\"number\":\"+15550100\"}");
	expect_sent(k, "/api/v1/calls/c1/commands",
		    "{\"verb\":\"record-pause\",\"reason\":\"card\"}", "\"verb\":\"record-pause\"");
	expect_sent(k, "/api/v1/calls/c1/commands", "{\"verb\":\"record-resume\"}",
		    "\"verb\":\"record-resume\"");
}

static void test_command_answers(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	struct uuid id, foreign;
	static const char path[] = "/api/v1/calls/c1/commands",
			  pattern[] = "/api/v1/calls/{id}/commands";
	kit_add_call(k, KIT_ORG, KIT_PROJECT, "c1", 0, &id);
	kit_add_call(k, KIT_ORG_2, KIT_PROJECT, "theirs", 0, &foreign);
	assert_int_equal(200, kit_ask(k, "POST", path, KIT_SUPERVISOR,
				      "{\"verb\":\"say\",\"text\":\"x\"}", &r));
	kit_expect_promised(k, &r, "POST", pattern);
	assert_int_equal(202, kit_ask(k, "POST", path, KIT_ADMIN,
				      "{\"verb\":\"say\",\"text\":\"wait\"}", &r));
	kit_expect_promised(k, &r, "POST", pattern);
	kit_ask(k, "POST", path, KIT_SUPERVISOR, "{\"verb\":\"say\",\"text\":\"reject\"}", &r);
	kit_expect_problem(&r, 409, "command-rejected");
	kit_expect_promised(k, &r, "POST", pattern);
	assert_true(json_is_text(json_get(kit_json(&r), "detail"), "the call has ended"));
	assert_true(json_is_text(json_path(kit_json(&r), "command.state"), "rejected"));
	kit_ask(k, "POST", "/api/v1/calls/unknown/commands", KIT_SUPERVISOR, "{\"verb\":\"end\"}",
		&r);
	kit_expect_problem(&r, 404, "not-found");
	kit_ask(k, "POST", "/api/v1/calls/theirs/commands", KIT_SUPERVISOR, "{\"verb\":\"end\"}",
		&r);
	kit_expect_problem(&r, 404, "not-found");
	static const int codes[] = { E_FULL, E_UNAVAILABLE };
	for (size_t i = 0; i < 2; i++) {
		atomic_store(&k->live.command_code, codes[i]);
		kit_ask(k, "POST", path, KIT_SUPERVISOR, "{\"verb\":\"end\"}", &r);
		kit_expect_problem(&r, 503, "unavailable");
		assert_true(reply_has(&r, "retry-after:"));
	}
	reply_free(&r);
}

static void test_command_bodies_refused(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	struct uuid id;
	char *text = malloc(COMMAND_TEXT_LIMIT + 2), *body = malloc(COMMAND_TEXT_LIMIT + 64);
	memset(text, 'x', COMMAND_TEXT_LIMIT + 1);
	text[COMMAND_TEXT_LIMIT + 1] = '\0';
	snprintf(body, COMMAND_TEXT_LIMIT + 64, "{\"message\":\"%s\",\"type\":\"say\"}", text);
	const struct {
		const char *path, *body, *name;
	} cases[] = {
		{ "/api/v1/vapi/call/c1/inject", "{\"type\":\"say\"}", "message" },
		{ "/api/v1/vapi/call/c1/inject", "{\"message\":\"\",\"type\":\"say\"}", "message" },
		{ "/api/v1/vapi/call/c1/inject", body, "message" },
		{ "/api/v1/vapi/call/c1/inject", "{\"message\":\"x\"}", "type" },
		{ "/api/v1/vapi/call/c1/inject", "{\"message\":\"x\",\"type\":\"shout\"}", "type" },
		{ "/api/v1/vapi/call/c1/inject",
		  "{\"message\":\"x\",\"type\":\"say\",\"volume\":3}", "volume" },
		{ "/api/v1/vapi/call/c1/mute", "{\"target\":\"everybody\"}", "target" },
		{ "/api/v1/vapi/call/c1/end", "{\"target\":\"customer\"}", "target" },
		{ "/api/v1/calls/c1/commands", "{}", "verb" },
		{ "/api/v1/calls/c1/commands", "{\"verb\":\"dance\"}", "verb" },
		{ "/api/v1/calls/c1/commands", "{\"verb\":\"say\"}", "text" },
		{ "/api/v1/calls/c1/commands", "{\"verb\":\"transfer\"}", "destination" },
		{ "/api/v1/calls/c1/commands",
		  "{\"verb\":\"transfer\",\"destination\":{\"type\":\"moon\"}}", "destination" },
		{ "/api/v1/calls/c1/commands", "{\"verb\":\"say\",\"text\":\"x\",\"interrupt\":1}",
		  "interrupt" },
	};
	kit_add_call(k, KIT_ORG, KIT_PROJECT, "c1", 0, &id);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		kit_ask(k, "POST", cases[i].path, KIT_SUPERVISOR, cases[i].body, &r);
		kit_expect_problem(&r, 422, "invalid-body");
		struct json_iter it = json_iter(json_get(kit_json(&r), "errors"));
		struct span key;
		struct json error = { 0 };
		assert_true(json_next(&it, &key, &error));
		if (!json_is_text(json_get(error, "name"), cases[i].name))
			fail_msg("%.80s: %.*s", cases[i].body, SPAN_ARG(error.raw));
	}
	assert_int_equal(0, atomic_load(&k->live.commands));
	free(text);
	free(body);
	reply_free(&r);
}

static void test_idempotency_key(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	struct uuid id;
	char headers[512], key[200];
	static const char path[] = "/api/v1/vapi/call/c1/end";
	kit_add_call(k, KIT_ORG, KIT_PROJECT, "c1", 0, &id);
	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\nIdempotency-Key: k-1\r\n",
		 KIT_SUPERVISOR);
	assert_int_equal(200, kit_ask_with(k, "POST", path, headers, NULL, &r));
	kit_expect_command(k, "\"key\":\"k-1\"");
	memset(key, 'k', 129);
	key[129] = '\0';
	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\nIdempotency-Key: %s\r\n",
		 KIT_SUPERVISOR, key);
	kit_ask_with(k, "POST", path, headers, NULL, &r);
	kit_expect_problem(&r, 400, "bad-parameter");
	assert_true(reply_has(&r, "\"in\":\"header\""));
	assert_int_equal(1, atomic_load(&k->live.commands));
	reply_free(&r);
}

/* --- texts to somebody ------------------------------------------------------------ */

#define TEXTS_OF(source) "/api/v1/sources/" source "/texts"

static int send_text(struct kit *k, const char *path, const char *body, struct reply *r)
{
	int status = kit_ask(k, "POST", path, KIT_SUPERVISOR, body, r);
	kit_expect_promised(k, r, "POST", "/api/v1/sources/{id}/texts");
	return status;
}

static void test_texts_as_asked_for(void **state)
{
	struct kit *k = *state;
	struct reply r = { 0 };
	char text[100];
	assert_int_equal(200, send_text(k, TEXTS_OF(KIT_TEXTS),
					"{\"to\":\"+15550100042\",\"text\":\"Hello\"}", &r));
	kit_expect_command(k, "\"verb\":\"send-text\",\"target\":\"assistant\",\"text\":\"Hello\"");
	assert_string_equal(k->live.last_text, "+15550107101 +15550100042");
	assert_string_equal(kit_text(kit_json(&r), "call_id", text, sizeof(text)), KIT_TEXTS);
	assert_string_equal(kit_text(kit_json(&r), "command.state", text, sizeof(text)),
			    "accepted");
	assert_int_equal(202, send_text(k, TEXTS_OF(KIT_TEXTS),
					"{\"to\":\"+15550100042\",\"text\":\"wait\",\"from\":"
					"\"+15550107101\",\"reason\":\"why\"}",
					&r));
	kit_expect_command(k, "\"reason\":\"why\"");
	assert_int_equal(409, send_text(k, TEXTS_OF(KIT_TEXTS),
					"{\"to\":\"+15550100042\",\"text\":\"reject\"}", &r));
	kit_expect_problem(&r, 409, "command-rejected");
	atomic_store(&k->live.command_code, E_CONFLICT);
	assert_int_equal(409, send_text(k, TEXTS_OF(KIT_TEXTS),
					"{\"to\":\"+15550100042\",\"text\":\"x\"}", &r));
	kit_expect_problem(&r, 409, "conflict");
	reply_free(&r);
}

static void expect_no_text(struct kit *k, const char *path, const char *body, int status,
			   const char *part)
{
	struct reply r = { 0 };
	assert_int_equal(status, send_text(k, path, body, &r));
	if (!reply_has(&r, part))
		fail_msg("%s: %.*s", body, SPAN_ARG(buf_span(&r.body)));
	reply_free(&r);
}

static void test_texts_refused(void **state)
{
	static const char fine[] = "{\"to\":\"+15550100042\",\"text\":\"x\"}";
	struct kit *k = *state;
	struct reply r = { 0 };
	char *words = calloc(1, 1002), *body = calloc(1, 1200);
	static const char *const numbers[] = { "5550100042", "+0555010004", "+1555",
					       "+15550100042000000", "+1555010004x" };
	expect_no_text(k, TEXTS_OF(KIT_SOURCE), fine, 409, "command-rejected");
	expect_no_text(k, TEXTS_OF(KIT_MUTE), fine, 409, "no session");
	expect_no_text(k, TEXTS_OF("00000000-0000-7000-8000-0000000000ff"), fine, 404, "source");
	expect_no_text(k, TEXTS_OF(KIT_NUMBERLESS), fine, 422, "connect.from_number");
	expect_no_text(k, TEXTS_OF(KIT_TEXTS),
		       "{\"to\":\"+15550100042\",\"text\":\"x\",\"from\":\"+15550107102\"}", 422,
		       "not a number of this source");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(body, 1200, "{\"to\":\"%s\",\"text\":\"x\"}", numbers[i]);
		expect_no_text(k, TEXTS_OF(KIT_TEXTS), body, 422, "E.164");
	}
	memset(words, 'x', 1001);
	snprintf(body, 1200, "{\"to\":\"+15550100042\",\"text\":\"%s\"}", words);
	expect_no_text(k, TEXTS_OF(KIT_TEXTS), body, 422, "at most 1000 UTF-16 units");
	assert_int_equal(403, kit_ask(k, "POST", TEXTS_OF(KIT_TEXTS), KIT_VIEWER, fine, &r));
	assert_int_equal(404, kit_ask(k, "POST", TEXTS_OF(KIT_TEXTS), KIT_OTHER_ORG, fine, &r));
	assert_int_equal(0, atomic_load(&k->live.commands));
	reply_free(&r);
	free(words);
	free(body);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_probes),
		TEST(test_readyz),
		TEST(test_every_route_wants_its_role),
		TEST(test_tokens_refused),
		cmocka_unit_test(test_rate),
		TEST(test_wrong_requests),
		TEST(test_every_path_part_is_checked),
		TEST(test_every_query_parameter_is_checked),
		TEST(test_every_member_is_checked),
		TEST(test_a_viewer_changes_nothing),
		TEST(test_content_type_and_size),
		TEST(test_database_away),
		TEST(test_live_calls),
		TEST(test_one_call_from_memory),
		TEST(test_token_of_audio),
		cmocka_unit_test(test_stop_while_waiting),
		TEST(test_commands_as_asked_for),
		TEST(test_command_answers),
		TEST(test_command_bodies_refused),
		TEST(test_idempotency_key),
		TEST(test_texts_as_asked_for),
		TEST(test_texts_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
