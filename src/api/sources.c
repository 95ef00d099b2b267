#include "api/endpoint.h"
#include "api/request.h"

static const struct param list_params[] = { CALLER_ORG(1) };
static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/sources", ROLE_VIEWER, .id = "list_sources", .tag = "sources", .summary = "sources", .query = "api_sources_list",
	  .answer = "Any", ENDPOINT_PARAMS(list_params) },
};
ENDPOINTS(sources_endpoints, rows);
