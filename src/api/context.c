/* What the assistant should know of a contact or a conversation: open issues, problem orders (A8).
 * An item that is posted also enters the calls of it that run just now. */
#include "api/documents.h"
#include "api/endpoint.h"
#include "api/request.h"
#include "callmend/directory.h"

static void run_create(struct request *r)
{
	struct problem p;
	if (request_value(r, "contact_number") || request_value(r, "conversation_id")) {
		documents_query(r, directory_check_context);
		return;
	}
	problem_at(&p, PROBLEM_INVALID_BODY, "body", SPAN("contact_number"),
		   "contact_number: this or conversation_id is needed");
	request_problem(r, &p);
}

static void run_update(struct request *r)
{
	documents_query(r, directory_check_context);
}

/* The same members as in context_open.sql, byte by byte: a call that knows an item is not told it
 * again. */
static void write_items(struct json item, struct buf *out)
{
	static const char *const members[] = { "id", "kind", "title", "text" };
	struct json_out o = { .b = out };
	json_begin_array(&o, NULL);
	json_begin(&o, NULL);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		json_put_raw(&o, members[i], json_get(item, members[i]).raw);
	json_end(&o);
	json_end_array(&o);
}

static void tell_calls(struct request *r, struct json item)
{
	struct buf items AUTO_BUF = { 0 };
	struct live_context what = { .org = r->caller.org };
	write_items(item, &items);
	what.items = buf_span(&items);
	what.number = json_text(json_get(item, "contact_number"), &r->arena);
	if (uuid_parse(&what.conversation, json_text(json_get(item, "conversation_id"), &r->arena)))
		what.conversation = (struct uuid){ { 0 } };
	live_context(api_live(r->api), r->api->shard, &what);
}

static void answered_create(struct request *r, const struct store_answer *a)
{
	if (a->code) {
		request_fail(r, a->code, a->detail);
		return;
	}
	tell_calls(r, json_of(a->json));
	request_answer(r, 201, a->json);
}

static const char *const kinds[] = { "issue", "order", "note", NULL };

#define ITEM_BODY(needed)                                                                       \
	BODY_WORDS("title", needed, 800, "one line, at most 200 characters"),                   \
		BODY_TEXT("text", 8000, "what the assistant is told, at most 2000 characters"), \
		BODY("expires_at", PARAM_TIME, "until when it holds; null: until closed")

static const struct param list_params[] = {
	CALLER_ORG(1),
	QUERY_TEXT("contact_number", 2, "of this contact"),
	QUERY_UUID("conversation_id", 3, "of this conversation"),
	QUERY_BOOL("closed", 4, "also those that are closed or have expired"),
	QUERY_CURSOR(5),
	QUERY_LIMIT(6),
};
static const struct param get_params[] = { CALLER_ORG(1), PATH_UUID("id", 2, "item") };
static const struct param create_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	WHOLE_BODY(3),
	QUERY_REASON(4),
	BODY_TEXT("contact_number", 100, "whom it is about, by number as the provider gives it"),
	BODY("conversation_id", PARAM_UUID, "or which conversation"),
	BODY_ENUM("kind", kinds, "note unless given"),
	ITEM_BODY(PARAM_REQUIRED),
	{ .name = "data",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_OBJECT,
	  .max = 16384,
	  .doc = "anything else, for the poster" },
};
static const struct param update_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "item"),
	WHOLE_BODY(4),
	QUERY_REASON(5),
	BODY("closed", PARAM_BOOL, "true: it no longer holds; false: it does again"),
	ITEM_BODY(PARAM_OPTIONAL),
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/context", ROLE_VIEWER, .id = "list_context", .tag = "context",
	  .summary = "What is known of contacts and conversations, the latest first",
	  .query = "api_context_list", .answer = "ContextPage", ENDPOINT_PARAMS(list_params) },
	{ HTTP_POST, "/api/v1/context", ROLE_SUPERVISOR, .id = "post_context", .tag = "context",
	  .summary = "Something the assistant should know; enters the contact's running calls",
	  .query = "api_context_create", .status = 201, .answer = "ContextItem",
	  ENDPOINT_PARAMS(create_params), .run = run_create, .answered = answered_create },
	{ HTTP_GET, "/api/v1/context/{id}", ROLE_VIEWER, .id = "get_context", .tag = "context",
	  .summary = "One item", .query = "api_context_get", .answer = "ContextItem",
	  ENDPOINT_PARAMS(get_params) },
	{ HTTP_PATCH, "/api/v1/context/{id}", ROLE_SUPERVISOR, .id = "update_context",
	  .tag = "context", .summary = "Change, close or open an item; what is absent stays",
	  .query = "api_context_update", .answer = "ContextItem", ENDPOINT_PARAMS(update_params),
	  .run = run_update },
};
ENDPOINTS(context_endpoints, rows);
