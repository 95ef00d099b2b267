/* Conversations: what belongs together across calls, with the committed messages that
 * conversation-update keeps in step (A2). */
#include "api/endpoint.h"

static const struct param list_params[] = {
	CALLER_ORG(1),
	QUERY_UUID("project_id", 2, "only of this project"),
	QUERY_TEXT("customer", 3, "part of the customer's number"),
	QUERY_TIME("from", 4, "latest news at or after"),
	QUERY_TIME("to", 5, "latest news before"),
	QUERY_CURSOR(6),
	QUERY_LIMIT(7),
};
static const struct param get_params[] = {
	CALLER_ORG(1),
	PATH_UUID("id", 2, "conversation"),
	QUERY_CURSOR(3),
	QUERY_LIMIT_TO(4, 500),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/conversations", ROLE_VIEWER, .id = "list_conversations",
	  .tag = "conversations", .summary = "Conversations, the one with the latest news first",
	  .query = "api_conversations_list", .answer = "ConversationPage",
	  ENDPOINT_PARAMS(list_params) },
	{ HTTP_GET, "/api/v1/conversations/{id}", ROLE_VIEWER, .id = "get_conversation",
	  .tag = "conversations",
	  .summary = "One conversation with its calls, and its messages in pages",
	  .query = "api_conversation_get", .answer = "ConversationDetail",
	  ENDPOINT_PARAMS(get_params) },
};
ENDPOINTS(conversations_endpoints, rows);
