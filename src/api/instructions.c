/* What a project's assistant is told. A change is always a new version; an old one can be put in
 * force again. */
#include "api/compared.h"
#include "api/endpoint.h"
#include "api/reason.h"

enum { INSTRUCTIONS_MAX = 262144, BODY_MAX = 1024 * 1024 };

static const struct param get_params[] = { CALLER_ORG(1), PATH_UUID("id", 2, "project") };
static const struct param put_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "project"),
	WHOLE_BODY(4),
	QUERY_REASON(5),
	BODY("sections", PARAM_ARRAY, "[{name, text}] in order"),
	BODY_TEXT("text", INSTRUCTIONS_MAX, "instead of sections: the whole text"),
	BODY_TEXT("note", 2000, "why, kept with the version"),
};
static const struct param versions_params[] = {
	CALLER_ORG(1),
	PATH_UUID("id", 2, "project"),
	QUERY_CURSOR(3),
	QUERY_LIMIT(4),
};
static const struct param activate_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "project"),
	{ .name = "version",
	  .in = PARAM_IN_PATH,
	  .type = PARAM_TEXT,
	  .need = PARAM_REQUIRED,
	  .min = 1,
	  .max = 36,
	  .sql = 4,
	  .doc = "number or id of the version" },
	QUERY_REASON(5),
};

#define VERSION(text, n)                                                                         \
	{                                                                                        \
		.name = (text), .in = PARAM_IN_PATH, .type = PARAM_TEXT, .need = PARAM_REQUIRED, \
		.min = 1, .max = 36, .sql = (n), .doc = "number or id of a version"              \
	}
static const struct param diff_params[] = {
	CALLER_ORG(1),
	PATH_UUID("id", 2, "project"),
	VERSION("a", 3),
	VERSION("b", 4),
};
static const struct param rollback_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "project"),
	{ .name = "version",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_TEXT,
	  .min = 1,
	  .max = 36,
	  .sql = 4,
	  .doc = "number or id of the version to go back to; absent: the one that the present one "
		 "was made from" },
	REASON_ROWS(5, "why"),
};
static const struct param apply_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "project"),
	QUERY_BOOL("force", 4, "also over a text that somebody has written at the provider"),
	REASON_ROWS(5, "why, for the audit log"),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/projects/{id}/instructions", ROLE_VIEWER, .id = "get_instructions",
	  .tag = "instructions", .summary = "The instructions in force",
	  .query = "api_instructions_get", .answer = "Instructions", ENDPOINT_PARAMS(get_params) },
	{ HTTP_PUT, "/api/v1/projects/{id}/instructions", ROLE_MANAGER, .id = "put_instructions",
	  .tag = "instructions", .summary = "Make a new version and put it in force",
	  .query = "api_instruction_create_version", .status = 201, .answer = "InstructionVersion",
	  ENDPOINT_PARAMS(put_params), .body_limit = BODY_MAX },
	{ HTTP_GET, "/api/v1/projects/{id}/instructions/versions", ROLE_VIEWER,
	  .id = "list_instruction_versions", .tag = "instructions",
	  .summary = "All versions, the newest first", .query = "api_instruction_versions",
	  .answer = "InstructionVersionPage", ENDPOINT_PARAMS(versions_params) },
	{ HTTP_POST, "/api/v1/projects/{id}/instructions/versions/{version}/activate", ROLE_MANAGER,
	  .id = "activate_instruction_version", .tag = "instructions",
	  .summary = "Put an earlier version in force again", .query = "api_instruction_activate",
	  .answer = "InstructionVersion", ENDPOINT_PARAMS(activate_params) },
	{ HTTP_GET, "/api/v1/projects/{id}/instructions/versions/{a}/diff/{b}", ROLE_VIEWER,
	  .id = "diff_instruction_versions", .tag = "instructions",
	  .summary = "What has changed from one version to another, by section and as a diff",
	  .query = "api_instruction_diff", .answer = "InstructionDiff",
	  ENDPOINT_PARAMS(diff_params), .answered = compared_answer },
	{ HTTP_POST, "/api/v1/projects/{id}/instructions/rollback", ROLE_MANAGER,
	  .id = "rollback_instructions", .tag = "instructions",
	  .summary = "Go back to the version that the present one was made from",
	  .query = "api_instruction_rollback", .answer = "Rollback",
	  ENDPOINT_PARAMS(rollback_params), .run = reason_query },
	{ HTTP_POST, "/api/v1/projects/{id}/instructions/apply", ROLE_MANAGER,
	  .id = "apply_instructions", .tag = "instructions",
	  .summary = "Bring the provider's assistants to the instructions in force once more",
	  .query = "api_instruction_apply", .status = 202, .answer = "InstructionsWanted",
	  ENDPOINT_PARAMS(apply_params), .run = reason_query },
};
ENDPOINTS(instructions_endpoints, rows);
