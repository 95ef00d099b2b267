/* Tools that Callmend runs for a project, and the log of their calls with people's feedback (B1).
 */
#include "api/documents.h"
#include "api/endpoint.h"
#include "api/request.h"
#include "callmend/directory.h"

static void run_update(struct request *r)
{
	documents_query(r, directory_check_tool);
}

/* The project stands in the path; the document wants it as a member. */
static void run_create(struct request *r)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	struct span members = span_of(request_value(r, "document"));
	json_begin(&o, NULL);
	json_put_z(&o, "project_id", request_value(r, "id"));
	json_end(&o);
	b.n--; /* the brace; `name` is required, so members follow */
	buf_addc(&b, ',');
	buf_add(&b, span_from(members, 1));
	request_set(r, "document", arena_printf(&r->arena, "%s", buf_z(&b)));
	documents_query(r, directory_check_tool);
}

static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", NULL };
static const char *const feedbacks[] = { "helpful", "not_helpful", NULL };

#define TOOL_BODY(needed)                                                                     \
	BODY_WORDS("name", needed, 200, "as the model calls it"),                             \
		BODY_WORDS("url", needed, 2000, "where the request goes"),                    \
		BODY_TEXT("description", 4000, "for people"),                                 \
		BODY_ENUM("method", methods, "GET: arguments as query; else as JSON body"),   \
		BODY("headers", PARAM_ARRAY, "[{name, value} or {name, secret: reference}]"), \
		{ .name = "timeout_ms",                                                       \
		  .in = PARAM_IN_BODY,                                                        \
		  .type = PARAM_INT,                                                          \
		  .min = 1,                                                                   \
		  .max = 15000,                                                               \
		  .doc = "at most 15 s" },                                                    \
		BODY_TEXT("fallback", 2000, "what the caller is told when the tool fails"),   \
		BODY("success", PARAM_OBJECT,                                                 \
		     "when an answer counts as success: {status_min, status_max, json_path, " \
		     "pattern, empty_path, empty_pattern}"),                                  \
		BODY_TEXT("result_path", 500, "dotted path to what goes to the provider"),    \
		BODY_TEXT("search_argument", 200,                                             \
			  "dotted path of the argument that is a search term: failing "       \
			  "searches are kept, mappings rewrite it; empty: no search tool")

static const struct param list_params[] = {
	CALLER_ORG(1),
	QUERY_UUID("project_id", 2, "only of this project"),
	QUERY_ARCHIVED(3),
};
static const struct param of_project_params[] = {
	CALLER_ORG(1),
	PATH_UUID("id", 2, "project"),
	QUERY_ARCHIVED(3),
};
static const struct param get_params[] = { CALLER_ORG(1), PATH_UUID("id", 2, "tool") };
static const struct param create_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	WHOLE_BODY(3),
	QUERY_REASON(4),
	PATH_UUID("id", 0, "project"),
	TOOL_BODY(PARAM_REQUIRED),
};
static const struct param update_params[] = {
	CALLER_ORG(1), CALLER_ACTOR(2), PATH_UUID("id", 3, "tool"),
	WHOLE_BODY(4), QUERY_REASON(5), TOOL_BODY(PARAM_OPTIONAL),
};
static const struct param delete_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "tool"),
	QUERY_REASON(4),
};
static const struct param get_call_params[] = { CALLER_ORG(1),
						PATH_UUID("id", 2, "tool call (ours)") };
static const struct param patch_call_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "tool call (ours)"),
	WHOLE_BODY(4),
	QUERY_REASON(5),
	BODY_ENUM("user_feedback", feedbacks, "was it of use; null takes it back"),
	BODY("correction", PARAM_OBJECT,
	     "what would have been right; {arguments: {..}} of a search proposes a mapping; null "
	     "takes "
	     "it back"),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/tools", ROLE_VIEWER, .id = "list_tools", .tag = "tools",
	  .summary = "All tools", .query = "api_tools_list", .answer = "ToolList",
	  ENDPOINT_PARAMS(list_params) },
	{ HTTP_GET, "/api/v1/projects/{id}/tools", ROLE_VIEWER, .id = "list_project_tools",
	  .tag = "tools", .summary = "The tools of a project", .query = "api_tools_list",
	  .answer = "ToolList", ENDPOINT_PARAMS(of_project_params) },
	{ HTTP_POST, "/api/v1/projects/{id}/tools", ROLE_MANAGER, .id = "create_tool",
	  .tag = "tools", .summary = "Make a tool", .query = "api_tools_create", .status = 201,
	  .answer = "Tool", ENDPOINT_PARAMS(create_params), .run = run_create },
	{ HTTP_GET, "/api/v1/tools/{id}", ROLE_VIEWER, .id = "get_tool", .tag = "tools",
	  .summary = "One tool", .query = "api_tools_get", .answer = "Tool",
	  ENDPOINT_PARAMS(get_params) },
	{ HTTP_PATCH, "/api/v1/tools/{id}", ROLE_MANAGER, .id = "update_tool", .tag = "tools",
	  .summary = "Change a tool; what is absent stays", .query = "api_tools_update",
	  .answer = "Tool", ENDPOINT_PARAMS(update_params), .run = run_update },
	{ HTTP_DELETE, "/api/v1/tools/{id}", ROLE_MANAGER, .id = "archive_tool", .tag = "tools",
	  .summary = "Put a tool away", .query = "api_tools_delete", .answer = "Tool",
	  ENDPOINT_PARAMS(delete_params) },
	{ HTTP_GET, "/api/v1/tool-calls/{id}", ROLE_VIEWER, .id = "get_tool_call",
	  .tag = "tool calls", .summary = "One tool call", .query = "api_tool_call_get",
	  .answer = "ToolCall", ENDPOINT_PARAMS(get_call_params) },
	{ HTTP_PATCH, "/api/v1/tool-calls/{id}", ROLE_SUPERVISOR, .id = "judge_tool_call",
	  .tag = "tool calls", .summary = "Feedback on a tool call, and what would have been right",
	  .query = "api_tool_call_patch", .answer = "ToolCall",
	  ENDPOINT_PARAMS(patch_call_params) },
};
ENDPOINTS(tools_endpoints, rows);
