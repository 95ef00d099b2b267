/* Where notifications are sent, and what became of each (docs/notifications.md). */
#include "api/documents.h"
#include "api/endpoint.h"
#include "api/request.h"
#include "callmend/directory.h"

static void run_checked(struct request *r)
{
	documents_query(r, directory_check_webhook);
}

static const char *const states[] = { "pending", "delivered", "dead", NULL };

#define WEBHOOK_BODY(needed)                                                             \
	BODY_WORDS("url", needed, 2000, "where notifications are posted"),               \
		{ .name = "secret",                                                      \
		  .in = PARAM_IN_BODY,                                                   \
		  .type = PARAM_ANY,                                                     \
		  .need = (needed),                                                      \
		  .max = 1000,                                                           \
		  .doc = "secret reference to whsec_<base64>, or an array of two while " \
			 "it is rotated" },                                              \
		BODY("types", PARAM_ARRAY, "types of notifications wanted; empty: all"), \
		BODY_TEXT("description", 500, "for people")

static const struct param list_params[] = { CALLER_ORG(1), QUERY_ARCHIVED(2) };
static const struct param get_params[] = { CALLER_ORG(1), PATH_UUID("id", 2, "endpoint") };
static const struct param create_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	WHOLE_BODY(3),
	QUERY_REASON(4),
	WEBHOOK_BODY(PARAM_REQUIRED),
};
static const struct param update_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "endpoint"),
	WHOLE_BODY(4),
	QUERY_REASON(5),
	WEBHOOK_BODY(PARAM_OPTIONAL),
	BODY("disabled", PARAM_BOOL, "true: nothing is sent; false: switch it on again"),
};
static const struct param delete_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "endpoint"),
	QUERY_REASON(4),
};
static const struct param deliveries_params[] = {
	CALLER_ORG(1),
	PATH_UUID("id", 2, "endpoint"),
	QUERY_ENUM("state", 3, states, "only in this state; dead: given up"),
	QUERY_CURSOR(4),
	QUERY_LIMIT(5),
};
static const struct param resend_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "endpoint"),
	PATH_UUID("delivery", 4, "delivery"),
	QUERY_REASON(5),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/webhook-endpoints", ROLE_ADMIN, .id = "list_webhook_endpoints",
	  .tag = "webhooks", .summary = "Where notifications are sent",
	  .query = "api_webhooks_list", .answer = "WebhookEndpointList",
	  ENDPOINT_PARAMS(list_params) },
	{ HTTP_POST, "/api/v1/webhook-endpoints", ROLE_ADMIN, .id = "create_webhook_endpoint",
	  .tag = "webhooks", .summary = "Have notifications sent to a URL, signed",
	  .query = "api_webhooks_create", .status = 201, .answer = "WebhookEndpoint",
	  ENDPOINT_PARAMS(create_params), .run = run_checked },
	{ HTTP_GET, "/api/v1/webhook-endpoints/{id}", ROLE_ADMIN, .id = "get_webhook_endpoint",
	  .tag = "webhooks", .summary = "One endpoint, and how its deliveries do",
	  .query = "api_webhooks_get", .answer = "WebhookEndpointPage",
	  ENDPOINT_PARAMS(get_params) },
	{ HTTP_PATCH, "/api/v1/webhook-endpoints/{id}", ROLE_ADMIN, .id = "update_webhook_endpoint",
	  .tag = "webhooks",
	  .summary = "Change an endpoint, switch it off or on; what is absent stays",
	  .query = "api_webhooks_update", .answer = "WebhookEndpoint",
	  ENDPOINT_PARAMS(update_params), .run = run_checked },
	{ HTTP_DELETE, "/api/v1/webhook-endpoints/{id}", ROLE_ADMIN,
	  .id = "archive_webhook_endpoint", .tag = "webhooks", .summary = "Put an endpoint away",
	  .query = "api_webhooks_delete", .answer = "WebhookEndpoint",
	  ENDPOINT_PARAMS(delete_params) },
	{ HTTP_GET, "/api/v1/webhook-endpoints/{id}/deliveries", ROLE_ADMIN,
	  .id = "list_webhook_deliveries", .tag = "webhooks",
	  .summary = "What was sent to an endpoint, the newest first; state=dead: given up",
	  .query = "api_webhooks_deliveries", .answer = "WebhookDeliveryPage",
	  ENDPOINT_PARAMS(deliveries_params) },
	{ HTTP_POST, "/api/v1/webhook-endpoints/{id}/deliveries/{delivery}/resend", ROLE_ADMIN,
	  .id = "resend_webhook_delivery", .tag = "webhooks",
	  .summary = "Send a delivery again, now", .query = "api_webhooks_resend",
	  .answer = "WebhookDelivery", ENDPOINT_PARAMS(resend_params) },
};
ENDPOINTS(webhook_endpoints_endpoints, rows);
