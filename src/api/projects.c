#include "api/endpoint.h"
#include "api/request.h"

static const struct param list_params[] = { CALLER_ORG(1) };
static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/projects", ROLE_VIEWER, .id = "list_projects", .tag = "projects", .summary = "projects", .query = "api_projects_list",
	  .answer = "Any", ENDPOINT_PARAMS(list_params) },
};
ENDPOINTS(projects_endpoints, rows);
