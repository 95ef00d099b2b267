/* Projects: what calls are about. Put away, never deleted: calls refer to them. */
#include "api/documents.h"
#include "api/endpoint.h"
#include "api/request.h"
#include "callmend/directory.h"

static void run_checked(struct request *r)
{
	documents_query(r, directory_check_project);
}

static const char *const languages[] = { "en", "es", "auto", NULL };

#define PROJECT_BODY(need_name)                                                                    \
	BODY_WORDS("name", need_name, 200, "unique in the organisation"),                          \
		BODY_ENUM("language", languages, "of its calls"),                                  \
		BODY("settings", PARAM_OBJECT,                                                     \
		     "thresholds that differ from the defaults, by name"),                         \
		BODY("fields", PARAM_ARRAY,                                                        \
		     "what its calls should capture: [{name, label, type, required, ask, ...}]"),  \
		BODY("success_rule", PARAM_OBJECT,                                                 \
		     "when a finished call is a success: {success: [..], failure: [..]}"),         \
		BODY("rules", PARAM_OBJECT,                                                        \
		     "interventions by rule, all off by default: {name: {enabled, ...}}"),         \
		BODY("context", PARAM_OBJECT,                                                      \
		     "what is known of the caller enters the call: {inject, lookup: {url, "        \
		     "headers, "                                                                   \
		     "timeout_ms}}"),                                                              \
		BODY("tags", PARAM_ARRAY, "tags of its own: [{tag, category, phrases, speaker}]"), \
		BODY("thresholds", PARAM_OBJECT,                                                   \
		     "thresholds of detection that differ from the defaults, by name"),            \
		BODY("audio", PARAM_OBJECT,                                                        \
		     "live audio: {vad, listen, listen_socket, recording: {on, keep_days}, stt}"), \
		BODY("minutes_per_success", PARAM_NUMBER, "what a success saves; 3 unless given")

static const struct param list_params[] = { CALLER_ORG(1), QUERY_ARCHIVED(2) };
static const struct param get_params[] = { CALLER_ORG(1), PATH_UUID("id", 2, "project") };
static const struct param create_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	WHOLE_BODY(3),
	QUERY_REASON(4),
	PROJECT_BODY(PARAM_REQUIRED),
};
static const struct param update_params[] = {
	CALLER_ORG(1), CALLER_ACTOR(2), PATH_UUID("id", 3, "project"),
	WHOLE_BODY(4), QUERY_REASON(5), PROJECT_BODY(PARAM_OPTIONAL),
};
static const struct param delete_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "project"),
	QUERY_REASON(4),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/projects", ROLE_VIEWER, .id = "list_projects", .tag = "projects",
	  .summary = "All projects", .query = "api_projects_list", .answer = "ProjectList",
	  ENDPOINT_PARAMS(list_params) },
	{ HTTP_POST, "/api/v1/projects", ROLE_MANAGER, .id = "create_project", .tag = "projects",
	  .summary = "Make a project", .query = "api_projects_create", .status = 201,
	  .answer = "Project", ENDPOINT_PARAMS(create_params), .run = run_checked },
	{ HTTP_GET, "/api/v1/projects/{id}", ROLE_VIEWER, .id = "get_project", .tag = "projects",
	  .summary = "One project", .query = "api_projects_get", .answer = "Project",
	  ENDPOINT_PARAMS(get_params) },
	{ HTTP_PATCH, "/api/v1/projects/{id}", ROLE_MANAGER, .id = "update_project",
	  .tag = "projects", .summary = "Change a project; what is absent stays",
	  .query = "api_projects_update", .answer = "Project", ENDPOINT_PARAMS(update_params),
	  .run = run_checked },
	{ HTTP_DELETE, "/api/v1/projects/{id}", ROLE_MANAGER, .id = "archive_project",
	  .tag = "projects", .summary = "Put a project away; refused while sources use it",
	  .query = "api_projects_delete", .answer = "Project", ENDPOINT_PARAMS(delete_params) },
};
ENDPOINTS(projects_endpoints, rows);
