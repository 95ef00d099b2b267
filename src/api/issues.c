/* What goes wrong in a project, one open issue per cause, and what every check saw: also why there
 * is no suggestion (C1). */
#include "api/endpoint.h"
#include "api/reason.h"

static const char *const statuses[] = { "open", "resolved", "dismissed", NULL };
static const char *const causes[] = { "success_rate",  "missing_data",
				      "tool_failure",  "failure_point",
				      "frustration",   "unanswered_question",
				      "best_practice", NULL };

static const struct param list_params[] = {
	CALLER_ORG(1),
	PATH_UUID("id", 2, "project"),
	QUERY_ENUM("status", 3, statuses, "only in this state"),
	QUERY_ENUM("cause", 4, causes, "only of this cause"),
	QUERY_CURSOR(5),
	QUERY_LIMIT(6),
};
static const struct param get_params[] = { CALLER_ORG(1), PATH_UUID("id", 2, "issue") };
static const struct param dismiss_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "issue"),
	REASON_ROWS(4, "why it is none"),
};
static const struct param detections_params[] = { CALLER_ORG(1), PATH_UUID("id", 2, "project") };

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/projects/{id}/issues", ROLE_VIEWER, .id = "list_issues",
	  .tag = "issues", .summary = "What goes wrong in a project, the newest first",
	  .query = "api_issues_list", .answer = "IssuePage", ENDPOINT_PARAMS(list_params) },
	{ HTTP_GET, "/api/v1/issues/{id}", ROLE_VIEWER, .id = "get_issue", .tag = "issues",
	  .summary = "One issue with its evidence", .query = "api_issue_get", .answer = "Issue",
	  ENDPOINT_PARAMS(get_params) },
	{ HTTP_POST, "/api/v1/issues/{id}/dismiss", ROLE_MANAGER, .id = "dismiss_issue",
	  .tag = "issues", .summary = "Close an issue that is none, and its pending suggestion",
	  .query = "api_issue_dismiss", .answer = "Issue", ENDPOINT_PARAMS(dismiss_params),
	  .run = reason_query },
	{ HTTP_GET, "/api/v1/projects/{id}/detections", ROLE_VIEWER, .id = "get_detections",
	  .tag = "issues",
	  .summary = "The last check: every cause with its figures and how far it is from its "
		     "threshold",
	  .query = "api_issues_detections", .answer = "Detections",
	  ENDPOINT_PARAMS(detections_params) },
};
ENDPOINTS(issues_endpoints, rows);
