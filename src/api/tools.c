#include "api/endpoint.h"
#include "api/request.h"

static const struct param list_params[] = { CALLER_ORG(1) };
static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/tools", ROLE_VIEWER, .id = "list_tools", .tag = "tools", .summary = "tools", .query = "api_tools_list",
	  .answer = "Any", ENDPOINT_PARAMS(list_params) },
};
ENDPOINTS(tools_endpoints, rows);
