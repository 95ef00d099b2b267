/* How calls and tools did (B4). */
#include "api/endpoint.h"

static const struct param params[] = {
	CALLER_ORG(1),
	QUERY_TIME("from", 2, "at or after"),
	QUERY_TIME("to", 3, "before"),
	QUERY_TEXT("status", 4, "status of the call"),
	QUERY_TEXT("tool_name", 5, "calls: those that used it; tools: this one"),
	QUERY_UUID("project_id", 6, "only of this project"),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/vapi/analytics/calls", ROLE_VIEWER, .id = "analytics_calls",
	  .tag = "analytics", .summary = "How calls went, in all and by day",
	  .query = "api_analytics_calls", .answer = "CallAnalytics", ENDPOINT_PARAMS(params) },
	{ HTTP_GET, "/api/v1/vapi/analytics/tools", ROLE_VIEWER, .id = "analytics_tools",
	  .tag = "analytics",
	  .summary = "How tools did, in all and each: success rate, latency, errors, feedback",
	  .query = "api_analytics_tools", .answer = "ToolAnalytics", ENDPOINT_PARAMS(params) },
	{ HTTP_GET, "/api/v1/vapi/analytics/learnings", ROLE_VIEWER, .id = "analytics_learnings",
	  .tag = "analytics",
	  .summary = "What was learned: mappings a week, their accuracy, queries that still fail, "
		     "found nothing before and after; 28 days unless given",
	  .query = "api_analytics_learnings", .answer = "LearningAnalytics",
	  ENDPOINT_PARAMS(params) },
};
ENDPOINTS(analytics_endpoints, rows);
