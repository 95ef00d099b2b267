/* Tokens: made here, shown once, kept as a hash. And who one is. */
#include "api/endpoint.h"
#include "api/request.h"
#include "base/token.h"

static void run_create(struct request *r)
{
	struct buf token AUTO_BUF = { 0 }, hash AUTO_BUF = { 0 };
	token_make(&token, &hash);
	request_set(r, "hash", arena_printf(&r->arena, "%s", buf_z(&hash)));
	r->more = arena_printf(&r->arena, "%s", buf_z(&token));
	request_query(r);
}

static void answered_create(struct request *r, const struct store_answer *a)
{
	if (a->code) {
		request_fail(r, a->code, a->detail);
		return;
	}
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	json_begin(&o, NULL);
	json_put_z(&o, "token", r->more);
	json_end(&o);
	b.n--;
	buf_addc(&b, ',');
	buf_add(&b, span_from(json_of(a->json).raw, 1));
	request_answer(r, 201, buf_span(&b));
}

/* While PostgreSQL is away, what the directory in memory says; the organisation's name is not in
 * it. */
static void answered_whoami(struct request *r, const struct store_answer *a)
{
	if (a->code != E_UNAVAILABLE && a->code != E_FULL) {
		if (a->code)
			request_fail(r, a->code, a->detail);
		else
			request_answer(r, 200, a->json);
		return;
	}
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	char id[UUID_TEXT + 1], org[UUID_TEXT + 1];
	uuid_format(&r->caller.token, id);
	uuid_format(&r->caller.org, org);
	json_begin(&o, NULL);
	json_begin(&o, "token");
	json_put_z(&o, "id", id);
	json_put_z(&o, "org_id", org);
	json_put_z(&o, "name", r->caller.name);
	json_put_z(&o, "role", role_name(r->caller.role));
	json_end(&o);
	json_begin(&o, "org");
	json_put_z(&o, "id", org);
	json_put_null(&o, "name");
	json_end(&o);
	json_end(&o);
	request_answer(r, 200, buf_span(&b));
}

static const char *const roles[] = {
#define X(name, text, rank, doc) text,
	ROLES(X)
#undef X
		NULL
};

static const struct param whoami_params[] = { CALLER_TOKEN(1) };
static const struct param list_params[] = {
	CALLER_ORG(1),
	QUERY_BOOL("revoked", 2, "also those taken back"),
};
static const struct param create_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	{ .name = "name",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_TEXT,
	  .need = PARAM_REQUIRED,
	  .min = 1,
	  .max = 100,
	  .sql = 3,
	  .doc = "unique among those in use; appears as actor token:<name>" },
	{ .name = "role",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_ENUM,
	  .need = PARAM_REQUIRED,
	  .values = roles,
	  .sql = 4,
	  .doc = "what it may do" },
	{ .name = "hash", .in = PARAM_IN_CALLER, .sql = 5, .doc = "hash" },
	{ .name = "expires_at",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_TIME,
	  .sql = 6,
	  .doc = "for ever unless given" },
	QUERY_REASON(7),
};
static const struct param revoke_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "token"),
	QUERY_REASON(4),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/whoami", ROLE_VIEWER, .id = "whoami", .tag = "tokens",
	  .summary = "Who this token is", .query = "api_whoami", .answer = "Whoami",
	  ENDPOINT_PARAMS(whoami_params), .answered = answered_whoami },
	{ HTTP_GET, "/api/v1/tokens", ROLE_ADMIN, .id = "list_tokens", .tag = "tokens",
	  .summary = "All tokens, without their text", .query = "api_tokens_list",
	  .answer = "TokenList", ENDPOINT_PARAMS(list_params) },
	{ HTTP_POST, "/api/v1/tokens", ROLE_ADMIN, .id = "create_token", .tag = "tokens",
	  .summary = "Make a token; its text is shown this once", .query = "api_tokens_create",
	  .status = 201, .answer = "NewToken", ENDPOINT_PARAMS(create_params), .run = run_create,
	  .answered = answered_create },
	{ HTTP_DELETE, "/api/v1/tokens/{id}", ROLE_ADMIN, .id = "revoke_token", .tag = "tokens",
	  .summary = "Take a token back, for good", .query = "api_tokens_revoke", .answer = "Token",
	  ENDPOINT_PARAMS(revoke_params) },
};
ENDPOINTS(tokens_endpoints, rows);
