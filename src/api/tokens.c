#include "api/endpoint.h"
#include "api/request.h"

static const struct param list_params[] = { CALLER_ORG(1) };
static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/tokens", ROLE_VIEWER, .id = "list_tokens", .tag = "tokens", .summary = "tokens", .query = "api_tokens_list",
	  .answer = "Any", ENDPOINT_PARAMS(list_params) },
};
ENDPOINTS(tokens_endpoints, rows);
