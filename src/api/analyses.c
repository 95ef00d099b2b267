/* What finished calls were understood to be (D1, D2), outcomes that are known later, and asking for
 * it again. */
#include "api/endpoint.h"

static const char *const outcomes[] = { "success", "failure", "unknown", NULL };

/* The statement serves calls and projects: what the other one has is null. */
#define NOT_ASKED(text, n)                                                                      \
	{                                                                                       \
		.name = (text), .in = PARAM_IN_CALLER, .sql = (n), .doc = "not of this request" \
	}

static const struct param get_params[] = { CALLER_ORG(1), PATH_CALL("id", 2) };
static const struct param outcome_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_CALL("id", 3),
	WHOLE_BODY(4),
	QUERY_REASON(5),
	{ .name = "outcome",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_ENUM,
	  .values = outcomes,
	  .need = PARAM_REQUIRED,
	  .doc = "what came of the call" },
	BODY_TEXT("label", 200, "in the words of the business: booked, lost ..."),
	BODY("value", PARAM_NUMBER, "what it was worth"),
	BODY_TEXT("reason", 2000, "why"),
};
static const struct param again_params[] = {
	CALLER_ORG(1),		 CALLER_ACTOR(2),	PATH_CALL("id", 3),
	NOT_ASKED("project", 4), NOT_ASKED("since", 5), QUERY_REASON(6),
};
static const struct param project_again_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	NOT_ASKED("call", 3),
	PATH_UUID("id", 4, "project"),
	QUERY_TIME("since", 5, "only calls that started at or after this"),
	QUERY_REASON(6),
};
static const struct param captured_params[] = {
	CALLER_ORG(1),
	PATH_UUID("id", 2, "project"),
	QUERY_TIME("from", 3, "calls that started at or after"),
	QUERY_TIME("to", 4, "calls that started before"),
	QUERY_UUID("instruction_version", 5, "only calls that had these instructions"),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/calls/{id}/analysis", ROLE_VIEWER, .id = "get_call_analysis",
	  .tag = "analyses",
	  .summary = "What a finished call was understood to be, with the passages that show it",
	  .query = "api_call_analysis", .answer = "CallAnalysis", ENDPOINT_PARAMS(get_params) },
	{ HTTP_POST, "/api/v1/calls/{id}/outcome", ROLE_SUPERVISOR, .id = "post_call_outcome",
	  .tag = "analyses",
	  .summary = "An outcome that is known later: it beats the success rule, and the call is "
		     "analysed again",
	  .query = "api_outcome_post", .answer = "CallOutcome", ENDPOINT_PARAMS(outcome_params) },
	{ HTTP_POST, "/api/v1/calls/{id}/reanalyse", ROLE_SUPERVISOR, .id = "reanalyse_call",
	  .tag = "analyses", .summary = "Analyse a finished call again", .query = "api_reanalyse",
	  .status = 202, .answer = "Reanalysis", ENDPOINT_PARAMS(again_params) },
	{ HTTP_POST, "/api/v1/projects/{id}/reanalyse", ROLE_MANAGER, .id = "reanalyse_project",
	  .tag = "analyses", .summary = "Analyse the finished calls of a project again",
	  .query = "api_reanalyse", .status = 202, .answer = "Reanalysis",
	  ENDPOINT_PARAMS(project_again_params) },
	{ HTTP_GET, "/api/v1/projects/{id}/captured", ROLE_VIEWER, .id = "get_project_captured",
	  .tag = "analyses",
	  .summary = "How often each field is captured, and why not: never asked, asked and not "
		     "captured, refused",
	  .query = "api_analyses_captured", .answer = "Captured",
	  ENDPOINT_PARAMS(captured_params) },
};
ENDPOINTS(analyses_endpoints, rows);
