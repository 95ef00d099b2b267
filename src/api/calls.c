/* Calls as PostgreSQL has them. A call that runs but was not projected yet, or while PostgreSQL is away, is answered from memory. */
#include "api/endpoint.h"
#include "api/live_calls.h"
#include "api/request.h"

static void answered_call(struct request *r, const struct store_answer *a)
{
	if (a->code == 0) {
		request_answer(r, 200, a->json);
		return;
	}
	struct problem otherwise;
	problem_from_code(&otherwise, a->code, a->detail);
	live_calls_answer_one(r, request_value(r, "id"), &otherwise);
}

static const char *const sentiments[] = { "positive", "neutral", "negative", "frustrated", NULL };

static const struct param list_params[] = {
	CALLER_ORG(1),
	QUERY_TIME("from", 2, "started at or after"),
	QUERY_TIME("to", 3, "started before"),
	QUERY_TEXT("status", 4, "status of the provider: in-progress, ended ..."),
	QUERY_UUID("project_id", 5, "only of this project"),
	QUERY_UUID("source_id", 6, "only of this source"),
	{ .name = "live", .in = PARAM_IN_QUERY, .type = PARAM_BOOL, .sql = 7, .doc = "only running, or only ended ones" },
	{ .name = "sentiment", .in = PARAM_IN_QUERY, .type = PARAM_ENUM, .values = sentiments, .sql = 8,
	  .doc = "the caller's running sentiment" },
	QUERY_TEXT("customer", 9, "the customer's number"),
	QUERY_CURSOR(10),
	QUERY_LIMIT(11),
};
static const struct param get_params[] = { CALLER_ORG(1), PATH_CALL("id", 2) };
static const struct param page_params[] = {
	CALLER_ORG(1),
	PATH_CALL("id", 2),
	QUERY_CURSOR(3),
	QUERY_LIMIT(4),
};

#define CALL_ROW(path, name, about, sql, shape, table)                                          \
	{ HTTP_GET, path, ROLE_VIEWER, .id = name, .tag = "calls", .summary = about, .query = sql, \
	  .answer = shape, ENDPOINT_PARAMS(table) }

static const struct endpoint rows[] = {
	CALL_ROW("/api/v1/calls", "list_calls", "Calls, the latest first", "api_calls_list", "CallPage",
		 list_params),
	{ HTTP_GET, "/api/v1/calls/{id}", ROLE_VIEWER, .id = "get_call", .tag = "calls",
	  .summary = "One call", .query = "api_call_get", .answer = "Call", ENDPOINT_PARAMS(get_params),
	  .answered = answered_call },
	CALL_ROW("/api/v1/calls/{id}/events", "list_call_events", "Everything that happened in a call, in order",
		 "api_call_events", "EventPage", page_params),
	CALL_ROW("/api/v1/calls/{id}/transcript", "get_call_transcript", "What was said, turn by turn",
		 "api_call_transcript", "Transcript", get_params),
	CALL_ROW("/api/v1/calls/{id}/tools", "list_call_tools", "The tool calls of a call",
		 "api_call_tools", "ToolCallPage", page_params),
	CALL_ROW("/api/v1/calls/{id}/commands", "list_call_commands", "What was done to a call, and the effect",
		 "api_call_commands", "CommandPage", page_params),
};
ENDPOINTS(calls_endpoints, rows);
