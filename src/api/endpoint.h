/* One endpoint of the API as a row: where it is, who may call it, what it takes, what answers. Most
 * are nothing but such a row: the checked parameters go to a statement of src/store/sql, whose JSON
 * is the answer. The same rows give /openapi.json. */
#ifndef CALLMEND_API_ENDPOINT_H
#define CALLMEND_API_ENDPOINT_H

#include "api/params.h"
#include "callmend/directory.h"
#include "callmend/store.h"
#include "net/http.h"

struct request;

struct endpoint {
	enum http_method method;
	const char *path;
	enum role role; /* ROLE_NONE: no token needed */
	const char *id; /* operationId, in words: "list_calls" */
	const char *tag, *summary;
	const char *query;	 /* statement; NULL: `run` answers without one */
	int status;		 /* of success; 0: 200 */
	const char *answer;	 /* schema of success (schemas.json); NULL: not JSON */
	const char *const *also; /* further answers, "202 Command", NULL last; or NULL */
	const struct param *params;
	size_t params_n;
	size_t body_limit; /* 0: 64 KiB */
	bool keyed;	   /* takes the header Idempotency-Key */
	const struct ws_handlers *ws;
	/* Instead of running `query` at once. Must answer the request, now or later. */
	void (*run)(struct request *);
	/* Instead of passing the statement's JSON on. Must answer the request. */
	void (*answered)(struct request *, const struct store_answer *);
};
enum { ENDPOINT_BODY_LIMIT = 64 * 1024 };

struct endpoints {
	const struct endpoint *rows;
	size_t n;
};
#define ENDPOINT_PARAMS(table) .params = (table), .params_n = sizeof(table) / sizeof((table)[0])
#define ENDPOINTS(name, table) \
	const struct endpoints name = { (table), sizeof(table) / sizeof((table)[0]) }

/* Rows that many tables share. */
#define CALLER_ORG(n)                                                          \
	{                                                                      \
		.name = "org", .in = PARAM_IN_CALLER, .sql = (n), .doc = "org" \
	}
#define CALLER_ACTOR(n)                                                            \
	{                                                                          \
		.name = "actor", .in = PARAM_IN_CALLER, .sql = (n), .doc = "actor" \
	}
#define CALLER_TOKEN(n)                                                            \
	{                                                                          \
		.name = "token", .in = PARAM_IN_CALLER, .sql = (n), .doc = "token" \
	}
#define PATH_UUID(text, n, about)                                                                \
	{                                                                                        \
		.name = (text), .in = PARAM_IN_PATH, .type = PARAM_UUID, .need = PARAM_REQUIRED, \
		.sql = (n), .doc = (about)                                                       \
	}
#define PATH_CALL(text, n)                                                                       \
	{                                                                                        \
		.name = (text), .in = PARAM_IN_PATH, .type = PARAM_CALL, .need = PARAM_REQUIRED, \
		.sql = (n), .doc = "the call: our UUID, or the provider's call id"               \
	}
/* Pages of the statements end at 200. */
#define QUERY_LIMIT(n) QUERY_LIMIT_TO(n, 200)
#define QUERY_LIMIT_TO(n, most)                                                                  \
	{                                                                                        \
		.name = "limit", .in = PARAM_IN_QUERY, .type = PARAM_INT, .min = 1, .max = 500,  \
		.cap = (most), .fallback = "50", .sql = (n), .doc = "how many at most on a page" \
	}
#define QUERY_ARCHIVED(n)                                                                 \
	{                                                                                 \
		.name = "archived", .in = PARAM_IN_QUERY, .type = PARAM_BOOL, .sql = (n), \
		.doc = "also those that were put away"                                    \
	}
/* Changes carry their reason in the query, so that DELETE can have one, too. */
#define QUERY_REASON(n)                                                                           \
	{                                                                                         \
		.name = "reason", .in = PARAM_IN_QUERY, .type = PARAM_TEXT, .min = 1, .max = 512, \
		.sql = (n), .doc = "why, for the audit log"                                       \
	}
#define WHOLE_BODY(n)                                                                       \
	{                                                                                   \
		.name = "document", .in = PARAM_IN_WHOLE, .type = PARAM_OBJECT, .sql = (n), \
		.doc = "body"                                                               \
	}
#define BODY(text, kind, about)                                                     \
	{                                                                           \
		.name = (text), .in = PARAM_IN_BODY, .type = (kind), .doc = (about) \
	}
#define BODY_TEXT(text, most, about)                                                    \
	{                                                                               \
		.name = (text), .in = PARAM_IN_BODY, .type = PARAM_TEXT, .max = (most), \
		.doc = (about)                                                          \
	}
/* Never empty. */
#define BODY_WORDS(text, needed, most, about)                                              \
	{                                                                                  \
		.name = (text), .in = PARAM_IN_BODY, .type = PARAM_TEXT, .need = (needed), \
		.min = 1, .max = (most), .doc = (about)                                    \
	}
#define BODY_ENUM(text, list, about)                                                       \
	{                                                                                  \
		.name = (text), .in = PARAM_IN_BODY, .type = PARAM_ENUM, .values = (list), \
		.doc = (about)                                                             \
	}
#define QUERY_CURSOR(n)                                                                           \
	{                                                                                         \
		.name = "cursor", .in = PARAM_IN_QUERY, .type = PARAM_TEXT, .min = 1, .max = 512, \
		.sql = (n), .doc = "next_cursor of the page before"                               \
	}
#define QUERY_TIME(text, n, about)                                                    \
	{                                                                             \
		.name = (text), .in = PARAM_IN_QUERY, .type = PARAM_TIME, .sql = (n), \
		.doc = (about)                                                        \
	}
#define QUERY_TEXT(text, n, about)                                                              \
	{                                                                                       \
		.name = (text), .in = PARAM_IN_QUERY, .type = PARAM_TEXT, .min = 1, .sql = (n), \
		.doc = (about)                                                                  \
	}
#define QUERY_BOOL(text, n, about)                                                    \
	{                                                                             \
		.name = (text), .in = PARAM_IN_QUERY, .type = PARAM_BOOL, .sql = (n), \
		.doc = (about)                                                        \
	}
#define QUERY_ENUM(text, n, list, about)                                                    \
	{                                                                                   \
		.name = (text), .in = PARAM_IN_QUERY, .type = PARAM_ENUM, .values = (list), \
		.sql = (n), .doc = (about)                                                  \
	}
#define QUERY_UUID(text, n, about)                                                    \
	{                                                                             \
		.name = (text), .in = PARAM_IN_QUERY, .type = PARAM_UUID, .sql = (n), \
		.doc = (about)                                                        \
	}

/* One resource = one file = one table, listed once more in api.c. */
extern const struct endpoints health_endpoints, openapi_endpoints, calls_endpoints,
	commands_endpoints, live_calls_endpoints, live_ws_endpoints, projects_endpoints,
	instructions_endpoints, sources_endpoints, tools_endpoints, tokens_endpoints,
	audit_endpoints, analytics_endpoints, jobs_endpoints, activities_endpoints,
	notifications_endpoints, webhook_endpoints_endpoints, suggestions_endpoints,
	issues_endpoints, contacts_endpoints, context_endpoints, mappings_endpoints,
	conversations_endpoints, analyses_endpoints, recordings_endpoints, audio_endpoints,
	texts_endpoints;

#endif
