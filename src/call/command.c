/* Happy path: the JSON of an API body or COMMAND record becomes a struct command whose spans live
 * in the arena. Failure modes: every refusal is E_INVALID and names the member, so that an API
 * caller can act on it. */
#include "callmend/command.h"

#include <stddef.h>

enum { DESTINATION_LIMIT = 4096 };

static const char *const verbs[COMMAND_COUNT] = {
#define X(id, text, doc) [COMMAND_##id] = text,
	COMMANDS(X)
#undef X
};

static const struct {
	const char *name;
	bool final;
} states[COMMAND_STATE_COUNT] = {
#define X(id, text, is_final, doc) [COMMAND_STATE_##id] = { text, is_final },
	COMMAND_STATES(X)
#undef X
};

const char *command_verb_name(enum command_verb verb)
{
	return (unsigned)verb < COMMAND_COUNT ? verbs[verb] : NULL;
}

bool command_verb_from(struct span name, enum command_verb *out)
{
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		if (!span_is(name, verbs[i]))
			continue;
		*out = (enum command_verb)i;
		return true;
	}
	return false;
}

const char *command_state_name(enum command_state state)
{
	return (unsigned)state < COMMAND_STATE_COUNT ? states[state].name : NULL;
}

bool command_state_final(enum command_state state)
{
	return (unsigned)state < COMMAND_STATE_COUNT && states[state].final;
}

/* The JSON form; booleans are raw because absent and false differ for some. */
#define COMMAND_FIELDS(F, T)                             \
	F(T, TEXT, id, "id", REQUIRED)                   \
	F(T, TEXT, verb, "verb", REQUIRED)               \
	F(T, TEXT, target, "target", OPTIONAL)           \
	F(T, TEXT, text, "text", OPTIONAL)               \
	F(T, TEXT, role, "role", OPTIONAL)               \
	F(T, RAW, trigger, "trigger_response", OPTIONAL) \
	F(T, BOOL, interrupt, "interrupt", OPTIONAL)     \
	F(T, BOOL, end_after, "end_after", OPTIONAL)     \
	F(T, RAW, destination, "destination", OPTIONAL)  \
	F(T, TEXT, actor, "actor", OPTIONAL)             \
	F(T, TEXT, reason, "reason", OPTIONAL)           \
	F(T, TEXT, key, "key", OPTIONAL)
JSON_STRUCT(command_json, COMMAND_FIELDS)
JSON_FIELDS(command_json, COMMAND_FIELDS)

static int check_limit(const char *member, struct span text, size_t limit, struct fault *f)
{
	if (text.n > limit)
		return fault(f, E_INVALID, "%s: at most %zu bytes, got %zu", member, limit, text.n);
	return 0;
}

static int read_target(struct span name, enum command_target *out, struct fault *f)
{
	*out = span_is(name, "customer") ? TARGET_CUSTOMER : TARGET_ASSISTANT;
	if (name.n && *out == TARGET_ASSISTANT && !span_is(name, "assistant"))
		return fault(f, E_INVALID, "target: must be assistant or customer");
	return 0;
}

static int read_role(struct span name, struct span *out, struct fault *f)
{
	*out = name.n ? name : SPAN("system");
	if (span_is(*out, "system") || span_is(*out, "user") || span_is(*out, "assistant"))
		return 0;
	return fault(f, E_INVALID, "role: must be system, user or assistant");
}

static int read_trigger(struct json v, bool *out, struct fault *f)
{
	*out = !json_has(v) || json_true(v);
	if (json_has(v) && v.kind != JSON_TRUE && v.kind != JSON_FALSE)
		return fault(f, E_INVALID, "trigger_response: must be true or false");
	return 0;
}

static int need_nothing(const struct command *c, struct fault *f)
{
	(void)c;
	(void)f;
	return 0;
}

static int need_text(const struct command *c, struct fault *f)
{
	if (!c->text.n)
		return fault(f, E_INVALID, "text: %s needs one", verbs[c->verb]);
	return 0;
}

static int need_destination(const struct command *c, struct fault *f)
{
	struct json d = c->destination;
	if (d.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "destination: %s needs an object", verbs[c->verb]);
	static const struct {
		const char *type, *member;
	} forms[] = { { "number", "number" }, { "sip", "sipUri" },   { "extension", "extension" },
		      { "extension", "id" },  { "voicemail", "id" }, { "queue", "id" },
		      { "device", "id" } };
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (json_is_text(json_get(d, "type"), forms[i].type) &&
		    json_get(d, forms[i].member).kind == JSON_STRING)
			return 0;
	return fault(f, E_INVALID,
		     "destination: needs type number with number, sip with sipUri, extension with "
		     "extension or id, voicemail, queue or device with id");
}

static int (*const needs[COMMAND_COUNT])(const struct command *, struct fault *) = {
	[COMMAND_SAY] = need_text,
	[COMMAND_ADD_MESSAGE] = need_text,
	[COMMAND_MUTE] = need_nothing,
	[COMMAND_UNMUTE] = need_nothing,
	[COMMAND_END] = need_nothing,
	[COMMAND_TRANSFER] = need_destination,
	[COMMAND_HOLD] = need_nothing,
	[COMMAND_UNHOLD] = need_nothing,
	[COMMAND_MONITOR] = need_destination,
	[COMMAND_COACH] = need_destination,
	[COMMAND_BARGE] = need_destination,
	[COMMAND_SEND_TEXT] = need_text,
	[COMMAND_RECORD_PAUSE] = need_nothing,
	[COMMAND_RECORD_RESUME] = need_nothing,
};

int command_read(struct json object, struct arena *a, struct command *out, struct fault *f)
{
	struct command_json j = { 0 };
	struct command c = { 0 };
	if (object.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "a command must be a JSON object");
	TRY(JSON_READ(command_json, object, a, &j, f));
	if (uuid_parse(&c.id, j.id))
		return fault(f, E_INVALID, "id: must be a UUID");
	if (!command_verb_from(j.verb, &c.verb))
		return fault(f, E_INVALID, "verb: unknown \"%.*s\"", SPAN_ARG(j.verb));
	TRY(read_target(j.target, &c.target, f));
	TRY(read_role(j.role, &c.role, f));
	TRY(read_trigger(j.trigger, &c.trigger_response, f));
	TRY(check_limit("text", j.text, COMMAND_TEXT_LIMIT, f));
	TRY(check_limit("key", j.key, COMMAND_KEY_LIMIT, f));
	TRY(check_limit("actor", j.actor, COMMAND_KEY_LIMIT, f));
	TRY(check_limit("reason", j.reason, COMMAND_REASON_LIMIT, f));
	TRY(check_limit("destination", j.destination.raw, DESTINATION_LIMIT, f));
	c.text = j.text;
	c.interrupt = j.interrupt;
	c.end_after = j.end_after;
	c.destination = json_has(j.destination) ? j.destination : (struct json){ 0 };
	c.actor = j.actor;
	c.reason = j.reason;
	c.key = j.key;
	TRY(needs[c.verb](&c, f));
	*out = c;
	return 0;
}

static void put_if(struct json_out *o, const char *key, struct span text)
{
	if (text.n)
		json_put_text(o, key, text);
}

void command_write(const struct command *c, struct buf *out)
{
	struct json_out o = { .b = out };
	char id[UUID_TEXT + 1];
	uuid_format(&c->id, id);
	json_begin(&o, NULL);
	json_put_z(&o, "id", id);
	json_put_z(&o, "verb", command_verb_name(c->verb));
	json_put_z(&o, "target", c->target == TARGET_CUSTOMER ? "customer" : "assistant");
	put_if(&o, "text", c->text);
	put_if(&o, "role", c->role);
	json_put_bool(&o, "trigger_response", c->trigger_response);
	json_put_bool(&o, "interrupt", c->interrupt);
	json_put_bool(&o, "end_after", c->end_after);
	if (json_has(c->destination))
		json_put_raw(&o, "destination", c->destination.raw);
	put_if(&o, "actor", c->actor);
	put_if(&o, "reason", c->reason);
	put_if(&o, "key", c->key);
	json_end(&o);
}
