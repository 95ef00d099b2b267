#include "api/endpoint.h"
#include "api/request.h"

static const struct param list_params[] = { CALLER_ORG(1) };
static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/analytics", ROLE_VIEWER, .id = "list_analytics", .tag = "analytics", .summary = "analytics", .query = "api_analytics_list",
	  .answer = "Any", ENDPOINT_PARAMS(list_params) },
};
ENDPOINTS(analytics_endpoints, rows);
