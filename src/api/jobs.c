/* Work of the analysts, as operators see it: what waits, what was given up, and trying that again.
 */
#include "api/endpoint.h"

static const char *const states[] = { "queued", "running", "dead", NULL };
static const char *const kinds[] = { "analyse",	   "detect",   "suggest",   "apply",
				     "deliver",	   "pull",     "reanalyse", "recording",
				     "transcribe", "followup", "missed",    NULL };

static const struct param list_params[] = {
	CALLER_ORG(1),
	QUERY_ENUM("state", 2, states, "only in this state; dead: given up"),
	QUERY_ENUM("kind", 3, kinds, "only of this kind"),
	QUERY_CURSOR(4),
	QUERY_LIMIT(5),
};
static const struct param retry_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	{ .name = "kind",
	  .in = PARAM_IN_PATH,
	  .type = PARAM_TEXT,
	  .need = PARAM_REQUIRED,
	  .min = 1,
	  .sql = 3,
	  .doc = "kind of the job" },
	{ .name = "key",
	  .in = PARAM_IN_PATH,
	  .type = PARAM_TEXT,
	  .need = PARAM_REQUIRED,
	  .min = 1,
	  .sql = 4,
	  .doc = "what it is about: a call's id, a project's id ..." },
	QUERY_REASON(5),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/jobs", ROLE_ADMIN, .id = "list_jobs", .tag = "jobs",
	  .summary = "Work for analysts; state=dead: what was given up, with the reason",
	  .query = "api_jobs_list", .answer = "JobPage", ENDPOINT_PARAMS(list_params) },
	{ HTTP_POST, "/api/v1/jobs/{kind}/{key}/retry", ROLE_ADMIN, .id = "retry_job",
	  .tag = "jobs", .summary = "Have a job done now that was given up or waits",
	  .query = "api_jobs_retry", .answer = "Job", ENDPOINT_PARAMS(retry_params) },
};
ENDPOINTS(jobs_endpoints, rows);
