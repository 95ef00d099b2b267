/* What people should look at (C5). The live socket tells watchers at once; this is the list. */
#include "api/endpoint.h"

static const struct param list_params[] = {
	CALLER_ORG(1),
	QUERY_BOOL("unread", 2, "only those that nobody has marked as read"),
	QUERY_UUID("project_id", 3, "only of this project"),
	QUERY_TEXT("type", 4, "only of this type: instruction_suggestion, analysis_dead ..."),
	QUERY_CURSOR(5),
	QUERY_LIMIT(6),
};
static const struct param read_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "notification"),
	QUERY_REASON(4),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/notifications", ROLE_VIEWER, .id = "list_notifications",
	  .tag = "notifications", .summary = "Notifications, the newest first",
	  .query = "api_notifications_list", .answer = "NotificationPage",
	  ENDPOINT_PARAMS(list_params) },
	{ HTTP_POST, "/api/v1/notifications/{id}/read", ROLE_SUPERVISOR, .id = "read_notification",
	  .tag = "notifications", .summary = "Mark a notification as read, for all",
	  .query = "api_notifications_read", .answer = "Notification",
	  ENDPOINT_PARAMS(read_params) },
};
ENDPOINTS(notifications_endpoints, rows);
