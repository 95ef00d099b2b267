/* Sources: configured connections of providers. A source's page shows what its events say about the
 * provider's configuration: what PostgreSQL has, and what this node has seen since. */
#include "api/documents.h"
#include "api/endpoint.h"
#include "api/request.h"
#include "base/clock.h"
#include "callmend/dialect.h"
#include "callmend/directory.h"

static void run_checked(struct request *r)
{
	documents_query(r, directory_check_source);
}

static bool has_warning(struct json list, struct json warning)
{
	struct json_iter it = json_iter(list);
	struct span key;
	struct json item;
	while (json_next(&it, &key, &item))
		if (span_eq(json_get(item, "warning").raw, warning.raw))
			return true;
	return false;
}

static void put_items(struct json_out *o, struct json list, struct json except)
{
	struct json_iter it = json_iter(list);
	struct span key;
	struct json item;
	while (json_next(&it, &key, &item))
		if (!has_warning(except, json_get(item, "warning")))
			json_put_raw(o, NULL, item.raw);
}

static void put_session(struct json_out *o, const struct api_config *c, const struct uuid *id)
{
	char since[CLOCK_ISO + 1], why[CONNECT_WHY_MAX];
	enum connect_state state;
	int64_t since_us;
	if (!c->connect || !c->session(c->connect, id, &state, &since_us, why)) {
		json_put_null(o, "session");
		return;
	}
	clock_format(since_us, since);
	json_begin(o, "session");
	json_put_z(o, "state", connect_state_name(state));
	json_put_z(o, "since", since);
	json_put_z(o, "why", why);
	json_end(o);
}

/* In any call of this provider. Recordings of ours can be paused whatever it does. */
static const char *why_not(const struct dialect *dialect, bool connected, enum command_verb verb)
{
	bool ours = verb == COMMAND_RECORD_PAUSE || verb == COMMAND_RECORD_RESUME;
	const char *why = ours ? NULL : dialect->cannot(verb, NULL);
	bool missing = !ours && !why && dialect->by_session && !connected;
	return missing ? DIALECT_NO_SESSION : why;
}

static void put_can(struct json_out *o, struct json source)
{
	struct arena scratch = { 0 };
	struct span name = json_text(json_get(source, "dialect"), &scratch);
	const struct dialect *dialect = dialect_find(name);
	bool connected = json_has(json_get(source, "connect"));
	arena_fini(&scratch);
	json_begin(o, "can");
	for (unsigned i = 0; dialect && i < COMMAND_COUNT; i++) {
		enum command_verb verb = (enum command_verb)i;
		const char *why = why_not(dialect, connected, verb);
		if (why)
			json_put_z(o, command_verb_name(verb), why);
		else
			json_put_bool(o, command_verb_name(verb), true);
	}
	json_end(o);
}

/* The same object with its session, its warnings with the new ones added. */
static void write_page(const struct api_config *c, const struct uuid *id, struct json source,
		       struct json seen_here, struct buf *out)
{
	struct json_out o = { .b = out };
	struct json_iter it = json_iter(source);
	struct json stored = json_get(source, "warnings"), value;
	struct span key;
	json_begin(&o, NULL);
	while (json_next(&it, &key, &value)) {
		char name[64];
		snprintf(name, sizeof(name), "%.*s", SPAN_ARG(key));
		if (strcmp(name, "warnings") != 0)
			json_put_raw(&o, name, value.raw);
	}
	put_session(&o, c, id);
	put_can(&o, source);
	json_begin_array(&o, "warnings");
	put_items(&o, stored, (struct json){ 0 });
	put_items(&o, seen_here, stored);
	json_end_array(&o);
	json_end(&o);
}

static void answered_get(struct request *r, const struct store_answer *a)
{
	struct buf seen AUTO_BUF = { 0 }, page AUTO_BUF = { 0 };
	struct uuid id;
	if (a->code) {
		request_fail(r, a->code, a->detail);
		return;
	}
	CHECK(uuid_parse(&id, span_of(request_value(r, "id"))) == 0); /* was checked */
	live_source_warnings(api_live(r->api), r->api->shard, &id, &seen);
	write_page(&r->api->common->config, &id, json_of(a->json), json_of(buf_span(&seen)), &page);
	request_answer(r, 200, buf_span(&page));
}

static const char *const modes[] = { "", "inline", "fetch", "id", NULL };

#define SOURCE_BODY(needed)                                                                       \
	BODY_WORDS("name", needed, 100, "the last part of /in/{dialect}/{name}"),                 \
		{ .name = "project_id",                                                           \
		  .in = PARAM_IN_BODY,                                                            \
		  .type = PARAM_UUID,                                                             \
		  .need = (needed),                                                               \
		  .doc = "of its calls" },                                                        \
		BODY("auth", PARAM_ARRAY,                                                         \
		     "how senders prove themselves; any one suffices, none lets nobody in"),      \
		BODY("private_key", PARAM_OBJECT, "secret reference: key of the provider's API"), \
		BODY("control_key", PARAM_OBJECT,                                                 \
		     "secret reference: bearer for control URLs that ask for one"),               \
		BODY_TEXT("api_base", 2000, "the provider's API"),                                \
		BODY_TEXT("upstream_url", 2000, "webhooks are passed on to it"),                  \
		{ .name = "upstream_timeout_ms",                                                  \
		  .in = PARAM_IN_BODY,                                                            \
		  .type = PARAM_INT,                                                              \
		  .min = 1,                                                                       \
		  .max = 15000,                                                                   \
		  .doc = "how long its answer is waited for" },                                   \
		BODY("answers", PARAM_OBJECT, "answers by message type"),                         \
		BODY("assistant", PARAM_OBJECT, "mode inline: the whole assistant"),              \
		BODY_TEXT("assistant_id", 256,                                                    \
			  "modes fetch and id: the provider's id of the assistant"),              \
		BODY_ENUM("assistant_mode", modes, "how assistant-request is answered"),          \
		BODY("variable_values", PARAM_OBJECT, "mode id: variables passed along"),         \
		BODY("failure", PARAM_OBJECT, "the answer when there is no assistant"),           \
		BODY("connect", PARAM_OBJECT,                                                     \
		     "session with the platform: client_id, client_secret and jwt (secret "       \
		     "references), events (websocket, webhook, none), address, verification "     \
		     "(secret reference), filters, from_number, account, platform"),              \
		BODY("settings", PARAM_OBJECT, "thresholds that differ from the project's")

static const struct param list_params[] = { CALLER_ORG(1), QUERY_ARCHIVED(2) };
static const struct param get_params[] = { CALLER_ORG(1), PATH_UUID("id", 2, "source") };
static const struct param create_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	WHOLE_BODY(3),
	QUERY_REASON(4),
	{ .name = "dialect",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_TEXT,
	  .min = 1,
	  .max = 40,
	  .doc = "protocol of webhooks or of live audio, vapi unless given" },
	SOURCE_BODY(PARAM_REQUIRED),
};
static const struct param update_params[] = {
	CALLER_ORG(1), CALLER_ACTOR(2), PATH_UUID("id", 3, "source"),
	WHOLE_BODY(4), QUERY_REASON(5), SOURCE_BODY(PARAM_OPTIONAL),
};
static const struct param delete_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "source"),
	QUERY_REASON(4),
};

static const struct param pull_params[] = {
	CALLER_ORG(1),
	CALLER_ACTOR(2),
	PATH_UUID("id", 3, "source"),
	QUERY_TIME("since", 4, "calls made from then on; unless given: since the last pull"),
	QUERY_TIME("until", 5, "calls made before; unless given: until now"),
	{ .name = "rate",
	  .in = PARAM_IN_QUERY,
	  .type = PARAM_INT,
	  .min = 1,
	  .max = 6000,
	  .sql = 6,
	  .doc = "requests a minute at most; 60 unless given" },
	QUERY_REASON(7),
};
static const struct param imports_params[] = {
	CALLER_ORG(1),
	PATH_UUID("id", 2, "source"),
	QUERY_LIMIT(3),
};

enum { SOURCE_LIMIT = 1024 * 1024 }; /* an inline assistant is large */

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/sources", ROLE_VIEWER, .id = "list_sources", .tag = "sources",
	  .summary = "All sources", .query = "api_sources_list", .answer = "SourceList",
	  ENDPOINT_PARAMS(list_params) },
	{ HTTP_POST, "/api/v1/sources", ROLE_ADMIN, .id = "create_source", .tag = "sources",
	  .summary = "Make a source", .query = "api_sources_create", .status = 201,
	  .answer = "Source", ENDPOINT_PARAMS(create_params), .body_limit = SOURCE_LIMIT,
	  .run = run_checked },
	{ HTTP_GET, "/api/v1/sources/{id}", ROLE_VIEWER, .id = "get_source", .tag = "sources",
	  .summary = "One source, with warnings about the provider's configuration and what to set",
	  .query = "api_sources_get", .answer = "SourcePage", ENDPOINT_PARAMS(get_params),
	  .answered = answered_get },
	{ HTTP_PATCH, "/api/v1/sources/{id}", ROLE_ADMIN, .id = "update_source", .tag = "sources",
	  .summary = "Change a source; what is absent stays, null clears",
	  .query = "api_sources_update", .answer = "Source", ENDPOINT_PARAMS(update_params),
	  .body_limit = SOURCE_LIMIT, .run = run_checked },
	{ HTTP_DELETE, "/api/v1/sources/{id}", ROLE_ADMIN, .id = "archive_source", .tag = "sources",
	  .summary = "Put a source away: its webhooks are no longer taken",
	  .query = "api_sources_delete", .answer = "Source", ENDPOINT_PARAMS(delete_params) },
	{ HTTP_POST, "/api/v1/sources/{id}/pull", ROLE_MANAGER, .id = "pull_source",
	  .tag = "sources",
	  .summary =
		  "Bring in the finished calls that the provider's API has, with the source's key",
	  .query = "api_source_pull", .status = 202, .answer = "Pull",
	  ENDPOINT_PARAMS(pull_params) },
	{ HTTP_GET, "/api/v1/sources/{id}/imports", ROLE_VIEWER, .id = "list_source_imports",
	  .tag = "sources",
	  .summary = "What was brought in from files and the provider's API, the latest first",
	  .query = "api_source_imports", .answer = "ImportList", ENDPOINT_PARAMS(imports_params) },
};
ENDPOINTS(sources_endpoints, rows);
