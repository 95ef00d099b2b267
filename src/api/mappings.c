/* Search-term mappings (B3, B4) and the searches they are for (B2). Nothing made here is in use
 * before somebody has reviewed it. */
#include "api/documents.h"
#include "api/endpoint.h"
#include "api/request.h"
#include "callmend/directory.h"

static void run_create(struct request *r)
{
	documents_query(r, directory_check_mapping);
}

static const char *const sources[] = { "manual", "auto_learned", "ai_suggested", NULL };

static const struct param list_params[] = {
	CALLER_ORG(1),
	QUERY_UUID("project_id", 2, "only of this project"),
	QUERY_TEXT("search_term", 3, "for this term, in whatever spelling"),
	QUERY_BOOL("active", 4, "true: those in use; false: the others"),
	QUERY_BOOL("reviewed", 5, "false: those that wait for a review"),
	QUERY_ENUM("source", 6, sources, "where it comes from"),
	QUERY_CURSOR(7),
	QUERY_LIMIT(8),
};
static const struct param get_params[] = { CALLER_ORG(1), PATH_UUID("id", 2, "mapping") };
static const struct param create_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	WHOLE_BODY(3),
	QUERY_REASON(4),
	BODY_WORDS("search_term", PARAM_REQUIRED, 200, "what is searched for and not found"),
	{ .name = "mapped_terms",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_ARRAY,
	  .need = PARAM_REQUIRED,
	  .doc = "1 to 20 terms to search instead; the first is used in the tool call" },
	BODY_ENUM("source", sources, "manual unless given"),
	BODY("project_id", PARAM_UUID, "needed when there is more than one project"),
};
static const struct param review_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "mapping"),
	{ .name = "approved",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_BOOL,
	  .need = PARAM_REQUIRED,
	  .sql = 4,
	  .doc = "true: in use from now on; false: not (any more)" },
	QUERY_REASON(5),
};
static const struct param deactivate_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "mapping"),
	QUERY_REASON(4),
};
static const struct param failed_params[] = {
	CALLER_ORG(1),
	QUERY_TIME("from", 2, "at or after"),
	QUERY_TIME("to", 3, "before"),
	QUERY_UUID("project_id", 4, "only of this project"),
	QUERY_TEXT("tool_name", 5, "only of this tool"),
	QUERY_BOOL("unmapped", 6, "true: only those for which no mapping is in use"),
	{ .name = "at_least",
	  .in = PARAM_IN_QUERY,
	  .type = PARAM_INT,
	  .min = 1,
	  .max = 1000000,
	  .sql = 7,
	  .doc = "only those that failed so often" },
	QUERY_LIMIT(8),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/vapi/mappings", ROLE_VIEWER, .id = "list_mappings", .tag = "mappings",
	  .summary = "Search-term mappings, the latest first", .query = "api_mappings_list",
	  .answer = "MappingPage", ENDPOINT_PARAMS(list_params) },
	{ HTTP_POST, "/api/v1/vapi/mappings", ROLE_SUPERVISOR, .id = "create_mapping",
	  .tag = "mappings", .summary = "Propose a mapping; it is not in use before its review",
	  .query = "api_mapping_create", .status = 201, .answer = "Mapping",
	  ENDPOINT_PARAMS(create_params), .run = run_create },
	{ HTTP_GET, "/api/v1/vapi/mappings/{id}", ROLE_VIEWER, .id = "get_mapping",
	  .tag = "mappings", .summary = "One mapping", .query = "api_mapping_get",
	  .answer = "Mapping", ENDPOINT_PARAMS(get_params) },
	{ HTTP_PUT, "/api/v1/vapi/mappings/{id}/review", ROLE_MANAGER, .id = "review_mapping",
	  .tag = "mappings",
	  .summary = "Approve or refuse a mapping; 409 when another is in use for its term",
	  .query = "api_mapping_review", .answer = "Mapping", ENDPOINT_PARAMS(review_params) },
	{ HTTP_POST, "/api/v1/vapi/mappings/{id}/deactivate", ROLE_MANAGER,
	  .id = "deactivate_mapping", .tag = "mappings", .summary = "Take a mapping out of use",
	  .query = "api_mapping_deactivate", .answer = "Mapping",
	  ENDPOINT_PARAMS(deactivate_params) },
	{ HTTP_GET, "/api/v1/vapi/failed-searches", ROLE_VIEWER, .id = "list_failed_searches",
	  .tag = "mappings",
	  .summary = "Searches that failed or found nothing, by term, the most frequent first",
	  .query = "api_failed_searches", .answer = "FailedSearches",
	  ENDPOINT_PARAMS(failed_params) },
};
ENDPOINTS(mappings_endpoints, rows);
