/* Happy path: body → command → live side → the command as it is after the provider's answer (200)
 * or after the wait (202). Failure modes: the body lacks what the verb needs (422), no such call
 * (404), the call has ended (409; also when only PostgreSQL remembers it) or the provider refused
 * (409, with the command and its error), stopping, journal failed or mailboxes full (503). A key
 * makes repeating safe after any of them. */
#include "api/commands.h"

#include "api/endpoint.h"
#include "api/query.h"
#include "api/request.h"

const char *const commands_verbs[] = {
#define X(name, text, doc) text,
	COMMANDS(X)
#undef X
		NULL
};
const char *const commands_roles[] = { "system", "user", "assistant", NULL };
const char *const commands_targets[] = { "assistant", "customer", NULL };

static void put_text(struct json_out *o, const char *key, const char *z)
{
	if (z)
		json_put_z(o, key, z);
}

static void put_raw(struct json_out *o, const char *key, const char *json)
{
	if (json)
		json_put_raw(o, key, span_of(json));
}

/* The record form of command.h, so that there is one reader that knows what a verb needs. */
static struct span write_ask(const struct command_ask *ask, const struct caller *caller,
			     struct arena *a)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	struct uuid id = uuid_v7();
	char z[UUID_TEXT + 1];
	uuid_format(&id, z);
	json_begin(&o, NULL);
	json_put_z(&o, "id", z);
	put_text(&o, "verb", ask->verb);
	put_text(&o, "target", ask->target);
	put_text(&o, "text", ask->text);
	put_text(&o, "role", ask->role);
	put_raw(&o, "trigger_response", ask->trigger_response);
	put_raw(&o, "interrupt", ask->interrupt);
	put_raw(&o, "end_after", ask->end_after);
	put_raw(&o, "destination", ask->destination);
	json_put_z(&o, "actor", caller->actor);
	put_text(&o, "reason", ask->reason);
	put_text(&o, "key", ask->key);
	json_end(&o);
	return arena_copy(a, buf_span(&b));
}

bool commands_build(const struct command_ask *ask, const struct caller *caller, struct arena *a,
		    struct command *out, struct problem *p)
{
	struct fault f = { 0 };
	if (command_read(json_of(write_ask(ask, caller, a)), a, out, &f) == 0)
		return true;
	const char *colon = strchr(f.text, ':');
	struct span member = { f.text, colon ? (size_t)(colon - f.text) : 0 };
	return problem_at(p, PROBLEM_INVALID_BODY, "body", member, "%s", f.text);
}

static int refuse_rejected(const struct live_command_answer *a, struct json command,
			   struct problem *p)
{
	struct arena scratch = { 0 };
	struct span why = json_text(json_get(command, "error"), &scratch);
	problem(p, PROBLEM_COMMAND_REJECTED, "%.*s",
		SPAN_ARG(why.n ? why : SPAN("the command was rejected")));
	arena_fini(&scratch);
	p->extra_name = "command";
	p->extra = a->json;
	return 0;
}

int commands_judge(const struct live_command_answer *a, struct problem *p)
{
	if (a->code) {
		problem_from_code(p, a->code, a->detail);
		return 0;
	}
	struct json command = json_of(a->json), state = json_get(command, "state");
	if (json_is_text(state, command_state_name(COMMAND_STATE_REJECTED)))
		return refuse_rejected(a, command, p);
	return json_is_text(state, command_state_name(COMMAND_STATE_REQUESTED)) ? 202 : 200;
}

/* --- REST --- */

static const char *call_of(const struct request *r)
{
	return request_value(r, r->endpoint->params[0].name);
}

static void on_stored(void *user, const struct store_answer *a)
{
	struct request *r = user;
	struct problem p;
	if (request_is_orphan(r))
		return;
	if (a->code == 0)
		problem(&p, PROBLEM_COMMAND_REJECTED, "the call has ended");
	else
		problem(&p, PROBLEM_NOT_FOUND, "no call of this id is live");
	request_problem(r, &p);
}

/* Not in memory: has it ended long ago, or was it never here? */
static void ask_stored(struct request *r)
{
	char org[UUID_TEXT + 1];
	const char *params[] = { org, call_of(r) };
	const struct store_answer away = { .code = E_UNAVAILABLE };
	uuid_format(&r->caller.org, org);
	if (query_run(r->api, "api_call_get", params, 2, on_stored, r))
		on_stored(r, &away);
}

static void on_done(void *user, const struct live_command_answer *a)
{
	struct request *r = user;
	struct problem p;
	if (request_is_orphan(r))
		return;
	if (a->code == E_NOT_FOUND) {
		ask_stored(r);
		return;
	}
	int status = commands_judge(a, &p);
	if (status)
		request_answer(r, status, a->json);
	else
		request_problem(r, &p);
}

bool commands_read_key(struct request *r, const char **key, struct problem *p)
{
	static const struct param row = { .name = "Idempotency-Key",
					  .in = PARAM_IN_QUERY,
					  .type = PARAM_TEXT,
					  .min = 1,
					  .max = COMMAND_KEY_LIMIT };
	struct span text;
	if (!exchange_header(r->x, "idempotency-key", &text))
		return true;
	if (params_text(&row, text, &r->arena, key, p))
		return true;
	p->where = "header";
	return false;
}

static void send_command(struct request *r, struct command_ask *ask)
{
	struct problem p;
	struct command command;
	if (!commands_read_key(r, &ask->key, &p) ||
	    !commands_build(ask, &r->caller, &r->arena, &command, &p)) {
		request_problem(r, &p);
		return;
	}
	int rc = live_command(api_live(r->api), r->api->shard, &r->caller.org, span_of(call_of(r)),
			      &command, r->api->common->config.command_wait_ms, on_done, r);
	if (rc == E_NOT_FOUND)
		ask_stored(r);
	else if (rc)
		request_fail(r, rc, (struct span){ 0 });
}

static void run_command(struct request *r)
{
	struct command_ask ask = {
		.verb = request_value(r, "verb"),
		.text = request_value(r, "text"),
		.role = request_value(r, "role"),
		.target = request_value(r, "target"),
		.trigger_response = request_value(r, "trigger_response"),
		.interrupt = request_value(r, "interrupt"),
		.end_after = request_value(r, "end_after"),
		.destination = request_value(r, "destination"),
		.reason = request_value(r, "reason"),
	};
	send_command(r, &ask);
}

static void run_inject(struct request *r)
{
	struct command_ask ask = {
		.verb = request_value(r, "type"),
		.text = request_value(r, "message"),
		.role = request_value(r, "role"),
		.trigger_response = request_value(r, "trigger_response"),
		.interrupt = request_value(r, "interrupt"),
		.end_after = request_value(r, "end_after"),
		.reason = request_value(r, "reason"),
	};
	send_command(r, &ask);
}

static void send_plain(struct request *r, enum command_verb verb)
{
	struct command_ask ask = {
		.verb = command_verb_name(verb),
		.target = request_value(r, "target"),
		.reason = request_value(r, "reason"),
	};
	send_command(r, &ask);
}

static void run_mute(struct request *r)
{
	send_plain(r, COMMAND_MUTE);
}

static void run_unmute(struct request *r)
{
	send_plain(r, COMMAND_UNMUTE);
}

static void run_end(struct request *r)
{
	send_plain(r, COMMAND_END);
}

/* --- the tables; the call is always the first row --- */

static const char *const inject_types[] = { "say", "add-message", NULL };

static const struct param inject_params[] = {
	PATH_CALL("callId", 0),
	BODY_WORDS("message", PARAM_REQUIRED, COMMAND_TEXT_LIMIT, "the words"),
	{ .name = "type",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_ENUM,
	  .need = PARAM_REQUIRED,
	  .values = inject_types,
	  .doc = "spoken to the caller, or added to the model's history" },
	{ .name = "role",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_ENUM,
	  .values = commands_roles,
	  .doc = "add-message: the entry's role, system unless given" },
	{ .name = "trigger_response",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_BOOL,
	  .doc = "add-message: let the assistant answer at once; true unless given" },
	{ .name = "interrupt",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_BOOL,
	  .doc = "say: cut the assistant short" },
	{ .name = "end_after",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_BOOL,
	  .doc = "say: end the call when spoken" },
	COMMAND_REASON_PARAM,
};
static const struct param mute_params[] = {
	PATH_CALL("callId", 0),
	{ .name = "target",
	  .in = PARAM_IN_BODY,
	  .type = PARAM_ENUM,
	  .values = commands_targets,
	  .doc = "who; the assistant unless given" },
	COMMAND_REASON_PARAM,
};
static const struct param end_params[] = {
	PATH_CALL("callId", 0),
	COMMAND_REASON_PARAM,
};
static const struct param command_params[] = {
	PATH_CALL("id", 0),
	COMMAND_VERB_PARAM,
	COMMAND_BODY_PARAMS,
};
static const char *const still_requested[] = { "202 Command", "409 RejectedCommand", NULL };

#define COMMAND_ROW(path, name, about, table, fn)                                                  \
	{                                                                                          \
		HTTP_POST, path, ROLE_SUPERVISOR, .id = name, .tag = "commands", .summary = about, \
						  .answer = "Command", .also = still_requested,    \
						  .keyed = true, ENDPOINT_PARAMS(table), .run = fn \
	}

static const struct endpoint rows[] = {
	COMMAND_ROW("/api/v1/calls/{id}/commands", "command_call",
		    "Steer a running call, or answer in a text conversation; `can` of the call "
		    "says which verbs it takes",
		    command_params, run_command),
	COMMAND_ROW("/api/v1/vapi/call/{callId}/inject", "inject",
		    "Speak a message to the caller, or add one to the model's history",
		    inject_params, run_inject),
	COMMAND_ROW("/api/v1/vapi/call/{callId}/mute", "mute",
		    "Mute the assistant, or the customer", mute_params, run_mute),
	COMMAND_ROW("/api/v1/vapi/call/{callId}/unmute", "unmute",
		    "Unmute the assistant, or the customer", mute_params, run_unmute),
	COMMAND_ROW("/api/v1/vapi/call/{callId}/end", "end", "End the call", end_params, run_end),
};
ENDPOINTS(commands_endpoints, rows);
