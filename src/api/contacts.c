/* Contacts: who calls and is called, and what was learned of them; updated while a call runs (A8).
 */
#include "api/endpoint.h"

static const struct param list_params[] = {
	CALLER_ORG(1),
	QUERY_TEXT("q", 2, "part of the number or name"),
	QUERY_CURSOR(3),
	QUERY_LIMIT(4),
};
#define PATH_NUMBER(n)                                                                             \
	{                                                                                          \
		.name = "number", .in = PARAM_IN_PATH, .type = PARAM_TEXT, .need = PARAM_REQUIRED, \
		.min = 1, .max = 100, .sql = (n),                                                  \
		.doc = "the contact's number, percent-encoded: %2B15550100"                        \
	}
static const struct param get_params[] = { CALLER_ORG(1), PATH_NUMBER(2) };
static const struct param forget_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_NUMBER(3),
	QUERY_REASON(4),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/contacts", ROLE_VIEWER, .id = "list_contacts", .tag = "contacts",
	  .summary = "Contacts, the one with the latest call first", .query = "api_contacts_list",
	  .answer = "ContactPage", ENDPOINT_PARAMS(list_params) },
	{ HTTP_GET, "/api/v1/contacts/{number}", ROLE_VIEWER, .id = "get_contact",
	  .tag = "contacts",
	  .summary = "One contact: what was learned, the latest calls, what is known just now",
	  .query = "api_contact_get", .answer = "ContactDetail", ENDPOINT_PARAMS(get_params) },
	{ HTTP_DELETE, "/api/v1/contacts/{number}", ROLE_ADMIN, .id = "forget_contact",
	  .tag = "contacts",
	  .summary = "Forget a contact and what was posted about it; the audit log says that it "
		     "happened, not who it was",
	  .query = "api_contact_forget", .answer = "Forgotten", ENDPOINT_PARAMS(forget_params) },
};
ENDPOINTS(contacts_endpoints, rows);
