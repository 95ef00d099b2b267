/* WS /api/v1/live (docs/live.md).
 *
 * Happy path: the upgrade carries a token → hello → subscribe, command, ping ... each answered by
 * its id. Failure modes: no or wrong token, token in the URL, draining (refused with a status
 * before the upgrade); a message that is not understood, not allowed or comes too fast (an error
 * message, the connection stays); a message above 64 KiB (closed 1009 by net). */
#include <stdlib.h>

#include "api/call_ids.h"
#include "api/commands.h"
#include "api/endpoint.h"
#include "api/listening.h"
#include "api/usage.h"
#include "api/watcher.h"
#include "base/clock.h"

enum { PROTOCOL_VERSION = 1, COALESCE_MAX_MS = 5000, OWNERS_MAX = 256 };

/* A client message while it is handled. */
struct incoming {
	struct watcher *watcher;
	struct arena arena;
	const struct param *params;
	size_t params_n;
	const char *values[PARAMS_MAX];
	struct span id; /* JSON; empty: none */
};

static const char *value_of(const struct incoming *in, const char *name)
{
	for (size_t i = 0; i < in->params_n; i++)
		if (strcmp(in->params[i].name, name) == 0)
			return in->values[i];
	return NULL;
}

/* --- answers --- */

static void begin_answer(struct json_out *o, const char *type, struct span id)
{
	json_begin(o, NULL);
	json_put_z(o, "type", type);
	if (id.n)
		json_put_raw(o, "id", id);
}

static void send_error(struct watcher *w, struct span id, const struct problem *p)
{
	struct buf b = { 0 };
	struct json_out o = { .b = &b };
	begin_answer(&o, "error", id);
	json_put_z(&o, "code", problem_slug(p->kind));
	json_put_i64(&o, "status", problem_status(p->kind));
	json_put_z(&o, "detail", p->detail);
	if (p->name[0])
		json_put_z(&o, "name", p->name);
	if (p->retry_after_s)
		json_put_i64(&o, "retry_after_s", p->retry_after_s);
	if (p->extra_name)
		json_put_raw(&o, p->extra_name, p->extra);
	json_end(&o);
	watcher_send_buf(w, &b);
}

static void send_hello(struct watcher *w)
{
	struct api *api = w->home->api;
	struct buf b = { 0 };
	struct json_out o = { .b = &b };
	begin_answer(&o, "hello", (struct span){ 0 });
	json_put_i64(&o, "version", PROTOCOL_VERSION);
	json_put_z(&o, "server", "callmend " CALLMEND_VERSION);
	json_put_z(&o, "epoch", live_epoch(api_live(api)));
	json_put_i64(&o, "owners", shards_count(shard_group(api->shard)));
	json_put_z(&o, "role", role_name(w->caller.role));
	json_end(&o);
	watcher_send_buf(w, &b);
}

/* --- subscribe and unsubscribe --- */

static bool check_selection(const struct incoming *in, struct problem *p)
{
	const char *all = value_of(in, "all");
	int given = (value_of(in, "calls") != NULL) + (value_of(in, "project") != NULL) +
		    (all && strcmp(all, "true") == 0);
	if (given == 1)
		return true;
	return problem(p, PROBLEM_INVALID_BODY,
		       "name exactly one of calls: [ids], project: id, all: true");
}

/* {"epoch", "after": {"<owner>": seq}} → one number per owner; *n = 0 when it is of another epoch.
 */
static bool read_resume(const struct incoming *in, uint64_t after[OWNERS_MAX], size_t *n,
			struct problem *p)
{
	const char *text = value_of(in, "resume");
	*n = 0;
	if (!text)
		return true;
	struct api *api = in->watcher->home->api;
	struct json resume = json_of(span_of(text)), map = json_get(resume, "after");
	if (json_get(resume, "epoch").kind != JSON_STRING || map.kind != JSON_OBJECT)
		return problem_at(p, PROBLEM_INVALID_BODY, "body", SPAN("resume"),
				  "resume: needs epoch and after: {\"<owner>\": last sequence}");
	if (!json_is_text(json_get(resume, "epoch"), live_epoch(api_live(api))))
		return true;
	size_t owners = shards_count(shard_group(api->shard));
	owners = owners < OWNERS_MAX ? owners : OWNERS_MAX;
	for (size_t i = 0; i < owners; i++) {
		char name[8];
		int64_t seq = 0;
		snprintf(name, sizeof(name), "%zu", i);
		struct json v = json_get(map, name);
		if (json_has(v) && (!json_i64(v, &seq) || seq < 0))
			return problem_at(p, PROBLEM_INVALID_BODY, "body", SPAN("resume"),
					  "resume: after.%s is no sequence", name);
		after[i] = (uint64_t)seq;
	}
	*n = owners;
	return true;
}

/* Runs `each` for every call that the ids can mean. */
typedef bool call_fn(struct incoming *, const struct uuid *call, void *user, struct problem *);

static bool each_call(struct incoming *in, call_fn *each, void *user, struct problem *p)
{
	static const struct param row = { .name = "calls",
					  .in = PARAM_IN_BODY,
					  .type = PARAM_CALL };
	struct api *api = in->watcher->home->api;
	struct json_iter it = json_iter(json_of(span_of(value_of(in, "calls"))));
	struct span key;
	struct json item;
	while (json_next(&it, &key, &item)) {
		const char *id;
		if (!params_text(&row, json_text(item, &in->arena), &in->arena, &id, p))
			return false;
		size_t n;
		struct uuid *ids =
			call_ids_candidates(live_directory(api_live(api), api->shard),
					    &in->watcher->caller.org, span_of(id), &in->arena, &n);
		for (size_t i = 0; i < n; i++)
			if (!each(in, &ids[i], user, p))
				return false;
	}
	return true;
}

static bool add_scope(struct incoming *in, enum scope_kind kind, const struct uuid *id,
		      struct asked *asked, struct problem *p)
{
	if (scopes_add(in->watcher, kind, id, asked) == 0)
		return true;
	return problem(p, PROBLEM_CONFLICT, "at most %d calls and %d projects per connection",
		       WATCHER_CALLS_MAX, WATCHER_PROJECTS_MAX);
}

/* All or nothing: counted, and every id checked, before the first is added. */
static bool count_new(struct incoming *in, const struct uuid *call, void *user, struct problem *p)
{
	size_t *n = user;
	*n += !scopes_has(in->watcher, SCOPE_CALL, call);
	if (in->watcher->calls_n + *n <= WATCHER_CALLS_MAX)
		return true;
	return problem(p, PROBLEM_CONFLICT, "at most %d calls per connection", WATCHER_CALLS_MAX);
}

static bool add_call(struct incoming *in, const struct uuid *call, void *user, struct problem *p)
{
	return add_scope(in, SCOPE_CALL, call, user, p);
}

static bool add_selection(struct incoming *in, struct asked *asked, struct problem *p)
{
	struct uuid project;
	size_t n = 0;
	if (value_of(in, "calls"))
		return each_call(in, count_new, &n, p) && each_call(in, add_call, asked, p);
	if (!value_of(in, "project"))
		return add_scope(in, SCOPE_ALL, NULL, asked, p);
	CHECK(uuid_parse(&project, span_of(value_of(in, "project"))) == 0); /* was checked */
	return add_scope(in, SCOPE_PROJECT, &project, asked, p);
}

static void send_done(struct incoming *in, const char *type)
{
	struct buf b = { 0 };
	struct json_out o = { .b = &b };
	begin_answer(&o, type, in->id);
	json_put_i64(&o, "calls", (int64_t)in->watcher->calls_n);
	json_put_i64(&o, "projects", (int64_t)in->watcher->projects_n);
	json_put_bool(&o, "all", in->watcher->all != NULL);
	json_end(&o);
	watcher_send_buf(in->watcher, &b);
}

static bool on_subscribe(struct incoming *in, struct problem *p)
{
	struct watcher *w = in->watcher;
	uint64_t after[OWNERS_MAX];
	size_t after_n;
	if (!check_selection(in, p) || !read_resume(in, after, &after_n, p))
		return false;
	const char *coalesce = value_of(in, "coalesce_ms");
	if (coalesce)
		w->coalesce_ms = strtoll(coalesce, NULL, 10);
	const char *levels = value_of(in, "levels");
	if (levels)
		listening_levels(w, strcmp(levels, "true") == 0);
	struct asked *asked = scopes_asked_new(in->id, after_n, after);
	bool ok = add_selection(in, asked, p);
	if (ok)
		send_done(in, "subscribed");
	scopes_asked_release(ok ? w : NULL, asked);
	scopes_pump(w);
	return ok;
}

static bool remove_call(struct incoming *in, const struct uuid *call, void *user, struct problem *p)
{
	(void)user;
	(void)p;
	scopes_remove(in->watcher, SCOPE_CALL, call);
	return true;
}

static bool on_unsubscribe(struct incoming *in, struct problem *p)
{
	const char *project = value_of(in, "project");
	struct uuid id;
	if (!check_selection(in, p))
		return false;
	if (value_of(in, "calls") && !each_call(in, remove_call, NULL, p))
		return false;
	if (project && uuid_parse(&id, span_of(project)) == 0)
		scopes_remove(in->watcher, SCOPE_PROJECT, &id);
	if (value_of(in, "all"))
		scopes_remove(in->watcher, SCOPE_ALL, NULL);
	send_done(in, "unsubscribed");
	return true;
}

static bool on_ping(struct incoming *in, struct problem *p)
{
	char now[CLOCK_ISO + 1];
	struct buf b = { 0 };
	struct json_out o = { .b = &b };
	(void)p;
	clock_format(clock_now_us(), now);
	begin_answer(&o, "pong", in->id);
	json_put_z(&o, "at", now);
	json_end(&o);
	watcher_send_buf(in->watcher, &b);
	return true;
}

/* --- commands --- */

/* Outlives the watcher when that goes first. */
struct waiting_command {
	struct watcher *watcher; /* NULL: gone */
	struct waiting_command *prev, *next;
	size_t id_n;
	char id[WATCHER_ID_MAX];
};

static struct waiting_command *command_new(struct incoming *in)
{
	struct waiting_command *c = calloc(1, sizeof(*c));
	struct watcher *w = in->watcher;
	CHECK(c);
	c->watcher = w;
	c->id_n = in->id.n;
	if (c->id_n)
		memcpy(c->id, in->id.p, in->id.n);
	c->next = w->commands;
	if (c->next)
		c->next->prev = c;
	w->commands = c;
	w->commands_n++;
	return c;
}

static void command_unlink(struct waiting_command *c)
{
	struct watcher *w = c->watcher;
	if (!w)
		return;
	if (c->prev)
		c->prev->next = c->next;
	else
		w->commands = c->next;
	if (c->next)
		c->next->prev = c->prev;
	w->commands_n--;
	c->watcher = NULL;
}

void live_ws_abandon_commands(struct watcher *w)
{
	while (w->commands)
		command_unlink(w->commands);
}

static void send_command_answer(struct watcher *w, struct span id, int status, struct span json)
{
	struct buf b = { 0 };
	struct json_out o = { .b = &b };
	begin_answer(&o, "command", id);
	json_put_i64(&o, "status", status);
	json_put_raw(&o, "command", json);
	json_end(&o);
	watcher_send_buf(w, &b);
}

static void on_command_done(void *user, const struct live_command_answer *a)
{
	struct waiting_command *c = user;
	struct watcher *w = c->watcher;
	struct span id = { c->id, c->id_n };
	struct problem p;
	command_unlink(c);
	if (w) {
		int status = commands_judge(a, &p);
		if (status)
			send_command_answer(w, id, status, a->json);
		else
			send_error(w, id, &p);
	}
	free(c);
}

static bool build_command(struct incoming *in, struct command *out, struct problem *p)
{
	struct command_ask ask = {
		.verb = value_of(in, "verb"),
		.text = value_of(in, "text"),
		.role = value_of(in, "role"),
		.target = value_of(in, "target"),
		.trigger_response = value_of(in, "trigger_response"),
		.interrupt = value_of(in, "interrupt"),
		.end_after = value_of(in, "end_after"),
		.destination = value_of(in, "destination"),
		.reason = value_of(in, "reason"),
		.key = value_of(in, "key"),
	};
	return commands_build(&ask, &in->watcher->caller, &in->arena, out, p);
}

static bool on_command(struct incoming *in, struct problem *p)
{
	struct watcher *w = in->watcher;
	struct api *api = w->home->api;
	struct command command;
	if (!auth_role(&w->caller, ROLE_SUPERVISOR, p) || !build_command(in, &command, p))
		return false;
	if (w->commands_n >= WATCHER_COMMANDS_MAX) {
		problem(p, PROBLEM_RATE_LIMITED, "at most %d commands without an answer",
			WATCHER_COMMANDS_MAX);
		p->retry_after_s = 1;
		return false;
	}
	struct waiting_command *c = command_new(in);
	int rc = live_command(api_live(api), api->shard, &w->caller.org,
			      span_of(value_of(in, "call")), &command,
			      api->common->config.command_wait_ms, on_command_done, c);
	if (rc == 0)
		return true;
	command_unlink(c);
	free(c);
	problem_from_code(p, rc, (struct span){ 0 });
	return false;
}

/* --- live audio --- */

static const char *const listen_legs[] = { "customer", "assistant", "mix", NULL };

static bool on_listen(struct incoming *in, struct problem *p)
{
	struct watcher *w = in->watcher;
	const char *leg = value_of(in, "leg"), *from = value_of(in, "from_ms");
	enum listen_leg which = LISTEN_MIX;
	struct uuid call;
	if (!auth_role(&w->caller, ROLE_SUPERVISOR, p))
		return false;
	if (!w->home->api->common->config.listen)
		return problem(p, PROBLEM_UNAVAILABLE, "there is no live audio here");
	CHECK(uuid_parse(&call, span_of(value_of(in, "call"))) == 0); /* was checked */
	CHECK(!leg || listen_leg_from(span_of(leg), &which));
	listening_start(w, &call, which, from ? strtoll(from, NULL, 10) : 0, in->id);
	return true;
}

static bool on_unlisten(struct incoming *in, struct problem *p)
{
	struct buf b = { 0 };
	struct json_out o = { .b = &b };
	(void)p;
	listening_stop(in->watcher);
	begin_answer(&o, "unlistened", in->id);
	json_end(&o);
	watcher_send_buf(in->watcher, &b);
	return true;
}

/* --- the messages a client may send --- */

#define MESSAGE_PARAMS                                                                      \
	{ .name = "type", .in = PARAM_IN_BODY, .type = PARAM_TEXT },                        \
	{                                                                                   \
		.name = "id", .in = PARAM_IN_BODY, .type = PARAM_ANY, .max = WATCHER_ID_MAX \
	}
#define SELECTION_PARAMS                                                        \
	{ .name = "calls", .in = PARAM_IN_BODY, .type = PARAM_ARRAY },          \
		{ .name = "project", .in = PARAM_IN_BODY, .type = PARAM_UUID }, \
	{                                                                       \
		.name = "all", .in = PARAM_IN_BODY, .type = PARAM_BOOL          \
	}

static const struct param subscribe_params[] = {
	MESSAGE_PARAMS,
	SELECTION_PARAMS,
	{ .name = "resume", .in = PARAM_IN_BODY, .type = PARAM_OBJECT, .max = 8192 },
	{ .name = "coalesce_ms", .in = PARAM_IN_BODY, .type = PARAM_INT, .max = COALESCE_MAX_MS },
	{ .name = "levels", .in = PARAM_IN_BODY, .type = PARAM_BOOL },
};
static const struct param unsubscribe_params[] = { MESSAGE_PARAMS, SELECTION_PARAMS };
static const struct param command_params[] = {
	MESSAGE_PARAMS,
	{ .name = "call", .in = PARAM_IN_BODY, .type = PARAM_CALL, .need = PARAM_REQUIRED },
	{ .name = "key",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_TEXT,
	  .min = 1,
	  .max = COMMAND_KEY_LIMIT },
	COMMAND_VERB_PARAM,
	COMMAND_BODY_PARAMS,
};
static const struct param ping_params[] = { MESSAGE_PARAMS };
static const struct param listen_params[] = {
	MESSAGE_PARAMS,
	{ .name = "call", .in = PARAM_IN_BODY, .type = PARAM_UUID, .need = PARAM_REQUIRED },
	{ .name = "leg", .in = PARAM_IN_BODY, .type = PARAM_ENUM, .values = listen_legs },
	{ .name = "from_ms", .in = PARAM_IN_BODY, .type = PARAM_INT, .min = -LISTEN_BACK_MAX_MS },
};

static const struct message_kind {
	const char *type;
	bool (*handle)(struct incoming *, struct problem *);
	const struct param *params;
	size_t params_n;
} kinds[] = {
	{ "subscribe", on_subscribe, ENDPOINT_PARAMS(subscribe_params) },
	{ "unsubscribe", on_unsubscribe, ENDPOINT_PARAMS(unsubscribe_params) },
	{ "command", on_command, ENDPOINT_PARAMS(command_params) },
	{ "ping", on_ping, ENDPOINT_PARAMS(ping_params) },
	{ "listen", on_listen, ENDPOINT_PARAMS(listen_params) },
	{ "unlisten", on_unlisten, ENDPOINT_PARAMS(ping_params) },
};

static const struct message_kind *kind_of(struct json message)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (json_is_text(json_get(message, "type"), kinds[i].type))
			return &kinds[i];
	return NULL;
}

static bool handle(struct incoming *in, struct span text, struct problem *p)
{
	struct watcher *w = in->watcher;
	struct fault f = { 0 };
	if (json_check(text, &f))
		return problem(p, PROBLEM_BAD_JSON, "%s", f.text);
	struct json message = json_of(text), id = json_get(message, "id");
	bool usable =
		(id.kind == JSON_STRING || id.kind == JSON_NUMBER) && id.raw.n <= WATCHER_ID_MAX;
	if (usable)
		in->id = id.raw;
	if (!auth_rate_take(&w->home->api->common->rate, &w->caller, clock_monotonic_us(), p))
		return false;
	if (json_has(id) && !usable)
		return problem_at(p, PROBLEM_INVALID_BODY, "body", SPAN("id"),
				  "id: expected a text or number of at most %d bytes",
				  WATCHER_ID_MAX);
	const struct message_kind *kind = kind_of(message);
	if (!kind)
		return problem_at(p, PROBLEM_INVALID_BODY, "body", SPAN("type"),
				  "type: expected subscribe, unsubscribe, command, ping, "
				  "listen or unlisten");
	in->params = kind->params;
	in->params_n = kind->params_n;
	return params_body(kind->params, kind->params_n, message, &in->arena, in->values, p) &&
	       kind->handle(in, p);
}

static void on_text(struct ws *ws, struct span text)
{
	struct incoming in = { .watcher = ws_user(ws) };
	struct problem p;
	if (!in.watcher->home)
		return;
	if (!handle(&in, text, &p))
		send_error(in.watcher, in.id, &p);
	arena_fini(&in.arena);
}

/* --- coming and going --- */

static struct span token_of(struct exchange *x)
{
	struct span header;
	if (exchange_header(x, "authorization", &header))
		return auth_bearer(header);
	if (exchange_header(x, "sec-websocket-protocol", &header))
		return auth_subprotocol(header);
	return (struct span){ 0 };
}

/* A URL ends up in logs and histories: what stands there is no secret. */
static bool check_url(struct exchange *x, struct problem *p)
{
	struct span name, value;
	size_t at = 0;
	if (!exchange_query_next(x, &at, &name, &value))
		return true;
	return problem(p, PROBLEM_TOKEN_IN_URL,
		       "no query parameters here; send the token as header");
}

static bool check_draining(const struct api *api, struct problem *p)
{
	const struct api_config *c = &api->common->config;
	struct api_readiness now = { 0 };
	c->readiness(c->user, &now);
	return !now.draining || problem(p, PROBLEM_UNAVAILABLE, "draining");
}

static bool admit(struct api *api, struct exchange *x, struct caller *caller, struct problem *p)
{
	const struct directory *d = live_directory(api_live(api), api->shard);
	int64_t now_us = clock_monotonic_us();
	if (!check_url(x, p) || !auth_identify(d, token_of(x), clock_now_us(), caller, p) ||
	    !auth_rate_take(&api->common->rate, caller, now_us, p))
		return false;
	usage_note(api, caller, now_us);
	return auth_role(caller, ROLE_VIEWER, p) && check_draining(api, p);
}

static int on_accept(struct exchange *x, struct ws *ws)
{
	struct api *api = api_of(exchange_server(x));
	struct caller caller;
	struct problem p;
	if (!admit(api, x, &caller, &p))
		return problem_status(p.kind);
	struct watcher *w = calloc(1, sizeof(*w));
	CHECK(w);
	w->home = api->watchers;
	w->ws = ws;
	w->caller = caller;
	ws_set_user(ws, w);
	return 0;
}

static void on_open(struct ws *ws)
{
	struct watcher *w = ws_user(ws);
	watchers_add(w->home, w);
	send_hello(w);
}

static void on_drained(struct ws *ws)
{
	watcher_drained(ws_user(ws));
}

static void on_closed(struct ws *ws, int code)
{
	struct watcher *w = ws_user(ws);
	(void)code;
	watchers_remove(w);
	watcher_fini(w);
	free(w);
}

static const struct ws_handlers handlers = {
	.accept = on_accept,
	.open = on_open,
	.text = on_text,
	.drained = on_drained,
	.closed = on_closed,
};

static const struct endpoint rows[] = {
	{ HTTP_GET, "/api/v1/live", ROLE_VIEWER, .id = "live", .tag = "live",
	  .summary = "WebSocket: snapshots, ordered events, commands (docs/live.md)",
	  .ws = &handlers },
};
ENDPOINTS(live_ws_endpoints, rows);
