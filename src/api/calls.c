/* Calls as PostgreSQL has them. A call that runs but was not projected yet, or while PostgreSQL is
 * away, is answered from memory. */
#include "api/endpoint.h"
#include "api/live_calls.h"
#include "api/request.h"

static void answered_call(struct request *r, const struct store_answer *a)
{
	struct problem otherwise;
	if (a->code == 0) {
		live_calls_answer_stored(r, a->json);
		return;
	}
	problem_from_code(&otherwise, a->code, a->detail);
	live_calls_answer_one(r, request_value(r, "id"), &otherwise);
}

static const struct param list_params[] = {
	CALLER_ORG(1),
	QUERY_UUID("project_id", 2, "only of this project"),
	QUERY_TEXT("status", 3, "the provider's status: in-progress, ended ..."),
	QUERY_BOOL("live", 4, "true: running calls only; false: ended ones"),
	QUERY_TEXT("outcome", 5, "the call's outcome"),
	QUERY_TEXT("ended_class", 6,
		   "customer, assistant, provider, telephony, limit, other or lost"),
	QUERY_TEXT("customer", 7, "part of the customer's number or name"),
	QUERY_TIME("from", 8, "started at or after"),
	QUERY_TIME("to", 9, "started before"),
	QUERY_TEXT("q", 10, "part of the summary or of what was said"),
	QUERY_CURSOR(11),
	QUERY_LIMIT(12),
	QUERY_TEXT("tag", 13, "with this tag, or category:tag"),
};
static const struct param get_params[] = { CALLER_ORG(1), PATH_CALL("id", 2) };
static const struct param event_params[] = {
	CALLER_ORG(1),
	PATH_CALL("id", 2),
	{ .name = "after",
	  .in = PARAM_IN_QUERY,
	  .type = PARAM_INT,
	  .max = INT64_MAX / 10,
	  .sql = 3,
	  .doc = "only events with a higher sequence (next_after of the page before)" },
	QUERY_LIMIT_TO(4, 500),
	QUERY_TEXT("types", 5, "only these types, separated by commas"),
};

#define CALL_ROW(path, name, about, sql, shape, table)                                             \
	{                                                                                          \
		HTTP_GET, path, ROLE_VIEWER, .id = name, .tag = "calls", .summary = about,         \
					     .query = sql, .answer = shape, ENDPOINT_PARAMS(table) \
	}

static const struct endpoint rows[] = {
	CALL_ROW("/api/v1/calls", "list_calls", "Calls, the latest first", "api_calls_list",
		 "CallPage", list_params),
	{ HTTP_GET, "/api/v1/calls/{id}", ROLE_VIEWER, .id = "get_call", .tag = "calls",
	  .summary = "One call", .query = "api_call_get", .answer = "Call",
	  ENDPOINT_PARAMS(get_params), .answered = answered_call },
	CALL_ROW("/api/v1/calls/{id}/insights", "get_call_insights",
		 "What the platform knows of a call after it: its analysis, its record",
		 "api_call_insights", "CallInsights", get_params),
	CALL_ROW("/api/v1/calls/{id}/events", "list_call_events",
		 "Everything that happened in a call, in order", "api_call_events", "EventPage",
		 event_params),
	CALL_ROW("/api/v1/calls/{id}/transcript", "get_call_transcript",
		 "What was said, turn by turn", "api_call_transcript", "Transcript", get_params),
	CALL_ROW("/api/v1/calls/{id}/tools", "list_call_tools", "The tool calls of a call",
		 "api_call_tools", "ToolCallList", get_params),
	CALL_ROW("/api/v1/calls/{id}/commands", "list_call_commands",
		 "What was done to a call, and the effect", "api_call_commands", "CommandList",
		 get_params),
};
ENDPOINTS(calls_endpoints, rows);
