/* Who changed what, and what could not be used. */
#include "api/endpoint.h"

static const struct param audit_params[] = {
	CALLER_ORG(1),
	QUERY_TEXT("object_kind", 2,
		   "source, project, tool, token, instruction_version, tool_call, mapping, contact "
		   "..."),
	QUERY_TEXT("object_id", 3, "the object"),
	QUERY_TEXT("actor", 4, "token:<name>, cli, rule:<name>"),
	QUERY_TIME("from", 5, "at or after"),
	QUERY_TIME("to", 6, "before"),
	QUERY_CURSOR(7),
	QUERY_LIMIT(8),
};
static const struct param quarantine_params[] = {
	CALLER_ORG(1),
	QUERY_TEXT("kind", 2, "kind of input, or row_<table>"),
	QUERY_UUID("call_id", 3, "only of this call"),
	QUERY_CURSOR(4),
	QUERY_LIMIT(5),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/audit", ROLE_ADMIN, .id = "list_audit", .tag = "audit",
	  .summary = "Every change: who, what, before and after; the newest first",
	  .query = "api_audit_list", .answer = "AuditPage", ENDPOINT_PARAMS(audit_params) },
	{ HTTP_GET, "/api/v1/quarantine", ROLE_ADMIN, .id = "list_quarantine", .tag = "audit",
	  .summary = "Input that could not be used, whole, with the reason",
	  .query = "api_quarantine_list", .answer = "QuarantinePage",
	  ENDPOINT_PARAMS(quarantine_params) },
};
ENDPOINTS(audit_endpoints, rows);
