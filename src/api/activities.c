/* What happened in the loop: every generation, acceptance, rejection, application, roll-back (C5).
 */
#include "api/endpoint.h"

static const struct param list_params[] = {
	CALLER_ORG(1),
	QUERY_UUID("project_id", 2, "only of this project"),
	QUERY_TEXT("kind", 3, "only of this kind: suggestion.created, issue.opened ..."),
	QUERY_TEXT("object_id", 4, "only about this object"),
	QUERY_CURSOR(5),
	QUERY_LIMIT(6),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/activities", ROLE_VIEWER, .id = "list_activities", .tag = "activities",
	  .summary = "Every step of the loop, the newest first", .query = "api_activities_list",
	  .answer = "ActivityPage", ENDPOINT_PARAMS(list_params) },
};
ENDPOINTS(activities_endpoints, rows);
