#include "api/endpoint.h"
#include "api/request.h"

static const struct param list_params[] = { CALLER_ORG(1) };
static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/audit", ROLE_VIEWER, .id = "list_audit", .tag = "audit", .summary = "audit", .query = "api_audit_list",
	  .answer = "Any", ENDPOINT_PARAMS(list_params) },
};
ENDPOINTS(audit_endpoints, rows);
