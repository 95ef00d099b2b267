/* Proposed changes of instructions: seen, accepted, rejected, asked for (C3, C6). The paths are
 * those that C6 asks for; the same stand under /api/v1 like all others. */
#include "api/compared.h"
#include "api/endpoint.h"
#include "api/reason.h"

static const char *const statuses[] = { "pending", "accepted", "rejected", "applied", NULL };

#define PROJECT(n) PATH_UUID("id", n, "project")
#define SUGGESTION(n) PATH_UUID("sid", n, "suggestion")

static const struct param list_params[] = {
	CALLER_ORG(1),	 PROJECT(2),	 QUERY_ENUM("status", 3, statuses, "only in this state"),
	QUERY_CURSOR(4), QUERY_LIMIT(5),
};
static const struct param get_params[] = { CALLER_ORG(1), PROJECT(2), SUGGESTION(3) };
static const struct param accept_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PROJECT(3),
	SUGGESTION(4),
	REASON_ROWS(5, "why, for the audit log"),
};
static const struct param reject_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PROJECT(3),
	SUGGESTION(4),
	REASON_ROWS(5, "why: kept, and learned from"),
};
static const struct param apply_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PROJECT(3),
	SUGGESTION(4),
	QUERY_BOOL("force", 5, "also over a text that somebody has written at the provider"),
	REASON_ROWS(6, "why, for the audit log"),
};
static const struct param generate_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PROJECT(3),
	{ .name = "issueId",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_UUID,
	  .sql = 4,
	  .doc = "for this open issue only" },
	REASON_ROWS(5, "why, for the audit log"),
};

/* `which` makes the operation ids of the two roots differ. */
#define ROWS(root, which)                                                                      \
	{ HTTP_GET,                                                                            \
	  root "/{id}/suggestions",                                                            \
	  ROLE_VIEWER,                                                                         \
	  .id = "list_" which "suggestions",                                                   \
	  .tag = "suggestions",                                                                \
	  .summary = "The suggestions of a project, the newest first",                         \
	  .query = "api_suggestions_list",                                                     \
	  .answer = "SuggestionPage",                                                          \
	  ENDPOINT_PARAMS(list_params) },                                                      \
		{ HTTP_POST,                                                                   \
		  root "/{id}/suggestions/generate",                                           \
		  ROLE_MANAGER,                                                                \
		  .id = "generate_" which "suggestions",                                       \
		  .tag = "suggestions",                                                        \
		  .summary = "Ask for suggestions now; they come as a notification",           \
		  .query = "api_suggestion_generate",                                          \
		  .status = 202,                                                               \
		  .answer = "SuggestionsWanted",                                               \
		  ENDPOINT_PARAMS(generate_params),                                            \
		  .run = reason_query },                                                       \
		{ HTTP_GET,                                                                    \
		  root "/{id}/suggestions/{sid}",                                              \
		  ROLE_VIEWER,                                                                 \
		  .id = "get_" which "suggestion",                                             \
		  .tag = "suggestions",                                                        \
		  .summary = "One suggestion",                                                 \
		  .query = "api_suggestion_get",                                               \
		  .answer = "Suggestion",                                                      \
		  ENDPOINT_PARAMS(get_params) },                                               \
		{ HTTP_GET,                                                                    \
		  root "/{id}/suggestions/{sid}/preview",                                      \
		  ROLE_VIEWER,                                                                 \
		  .id = "preview_" which "suggestion",                                         \
		  .tag = "suggestions",                                                        \
		  .summary = "The instructions before and after, by section and as a diff",    \
		  .query = "api_suggestion_preview",                                           \
		  .answer = "SuggestionPreview",                                               \
		  ENDPOINT_PARAMS(get_params),                                                 \
		  .answered = compared_answer },                                               \
		{ HTTP_POST,                                                                   \
		  root "/{id}/suggestions/{sid}/accept",                                       \
		  ROLE_MANAGER,                                                                \
		  .id = "accept_" which "suggestion",                                          \
		  .tag = "suggestions",                                                        \
		  .summary = "Put a suggestion in force as a new version of the instructions", \
		  .query = "api_suggestion_accept",                                            \
		  .answer = "SuggestionAccepted",                                              \
		  ENDPOINT_PARAMS(accept_params),                                              \
		  .run = reason_query },                                                       \
		{ HTTP_POST,                                                                   \
		  root "/{id}/suggestions/{sid}/reject",                                       \
		  ROLE_MANAGER,                                                                \
		  .id = "reject_" which "suggestion",                                          \
		  .tag = "suggestions",                                                        \
		  .summary = "Reject a suggestion; the reason is learned from",                \
		  .query = "api_suggestion_reject",                                            \
		  .answer = "SuggestionRejected",                                              \
		  ENDPOINT_PARAMS(reject_params),                                              \
		  .run = reason_query },                                                       \
	{                                                                                      \
		HTTP_POST, root "/{id}/suggestions/{sid}/apply", ROLE_MANAGER,                 \
			.id = "apply_" which "suggestion", .tag = "suggestions",               \
			.summary = "Try once more to bring an accepted suggestion to where "   \
				   "calls are served",                                         \
			.query = "api_suggestion_apply", .status = 202,                        \
			.answer = "SuggestionApplied", ENDPOINT_PARAMS(apply_params),          \
			.run = reason_query                                                    \
	}

static const struct endpoint rows[] = {
	ROWS("/api/projects", "project_"),
	ROWS("/api/v1/projects", ""),
};
ENDPOINTS(suggestions_endpoints, rows);
