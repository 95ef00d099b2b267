#include "api/endpoint.h"
#include "api/request.h"

static const struct param list_params[] = { CALLER_ORG(1) };
static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/instructions", ROLE_VIEWER, .id = "list_instructions", .tag = "instructions", .summary = "instructions", .query = "api_instructions_list",
	  .answer = "Any", ENDPOINT_PARAMS(list_params) },
};
ENDPOINTS(instructions_endpoints, rows);
