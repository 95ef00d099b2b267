/* Commands as requests of call control and of the message store. All of them need the source's
 * session with the platform, which adds the token and keeps the budgets.
 *
 * Paths and bodies: developers.ringcentral.com, call control and SMS; what of them is uncertain is
 * said in docs/ringcentral.md. */
#include "dialect/ringcentral_parts.h"

enum { TEXT_UNITS_MAX = 1000 };

static const char NO_VOICE[] =
	"RingCentral has no way to speak into a call until there is a voice leg";
static const char LISTEN_ONLY[] = "RingCentral lets a supervisor only listen: use monitor";
static const char IS_TEXT[] = "this is a conversation by text: only send-text can be done in it";
static const char NO_TEXT[] = "texts can be sent in a conversation by text only";
static const char NO_PARTY[] = "nobody of that side of the call is connected just now";
static const char NO_EXTENSION[] =
	"RingCentral lets a supervisor listen to one of our extensions only: target assistant";
static const char NO_RECORDING[] = "RingCentral does not record this call just now";

struct asking {
	const struct command *c;
	const struct command_where *where;
	struct arena *arena;
	struct buf path, body;
	struct provider_request *out;
};

/* --- paths --- */

static void add_base(struct buf *out, struct span base)
{
	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	buf_add(out, base);
}

static void add_session(struct asking *k)
{
	add_base(&k->path, k->where->api_base);
	buf_addz(&k->path, "/restapi/v1.0/account/~/telephony/sessions/");
	buf_add_percent(&k->path, k->where->provider_call_id, BUF_IN_PATH);
}

static void add_party(struct asking *k, const char *action)
{
	add_session(k);
	buf_addz(&k->path, "/parties/");
	buf_add_percent(&k->path, k->where->party->id, BUF_IN_PATH);
	buf_addz(&k->path, action);
}

static int finish(struct asking *k, const char *method, enum api_group group)
{
	*k->out = (struct provider_request){ .method = span_of(method),
					     .url = arena_copy(k->arena, buf_span(&k->path)),
					     .body = arena_copy(k->arena, buf_span(&k->body)),
					     .needs_session = true,
					     .group = group };
	return 0;
}

/* --- one function per verb --- */

/* The SDK sends the one form, the OpenAPI has the other. */
static int ask_muted(struct asking *k, bool muted)
{
	const char *value = muted ? "true" : "false";
	add_party(k, "");
	buf_printf(&k->body, "{\"muted\":%s}", value);
	(void)finish(k, "PATCH", API_GROUP_LIGHT);
	k->out->other_body = span_of(arena_printf(k->arena, "{\"party\":{\"muted\":%s}}", value));
	return 0;
}

static int ask_mute(struct asking *k, struct fault *f)
{
	(void)f;
	return ask_muted(k, true);
}

static int ask_unmute(struct asking *k, struct fault *f)
{
	(void)f;
	return ask_muted(k, false);
}

static int ask_hold(struct asking *k, struct fault *f)
{
	(void)f;
	add_party(k, "/hold");
	return finish(k, "POST", API_GROUP_LIGHT);
}

static int ask_unhold(struct asking *k, struct fault *f)
{
	(void)f;
	add_party(k, "/unhold");
	return finish(k, "POST", API_GROUP_LIGHT);
}

static int ask_end(struct asking *k, struct fault *f)
{
	(void)f;
	add_session(k);
	return finish(k, "DELETE", API_GROUP_LIGHT);
}

/* X of {"type": T, X: ...} -> member of the request */
static const struct {
	const char *type, *member, *as;
} destinations[] = {
	{ "number", "number", "phoneNumber" },
	{ "extension", "extension", "extensionNumber" },
	{ "extension", "id", "extensionId" },
	{ "voicemail", "id", "voicemail" },
};

static int ask_transfer(struct asking *k, struct fault *f)
{
	struct json to = k->c->destination;
	struct json_out o = { .b = &k->body };
	for (size_t i = 0; i < sizeof(destinations) / sizeof(*destinations); i++) {
		struct span id = rc_text_at(to, destinations[i].member, k->arena);
		if (!json_is_text(json_get(to, "type"), destinations[i].type) || !id.n)
			continue;
		json_begin(&o, NULL);
		json_put_text(&o, destinations[i].as, id);
		json_end(&o);
		add_party(k, "/transfer");
		return finish(k, "POST", API_GROUP_LIGHT);
	}
	return fault(f, E_INVALID,
		     "destination: RingCentral transfers to type number (number), extension "
		     "(extension or id) or voicemail (id)");
}

/* Both voices mixed. Whose extension is watched must be said. */
static int ask_monitor(struct asking *k, struct fault *f)
{
	struct json_out o = { .b = &k->body };
	struct span device = rc_text_at(k->c->destination, "id", k->arena);
	if (!json_is_text(json_get(k->c->destination, "type"), "device") || !device.n)
		return fault(f, E_INVALID,
			     "destination: RingCentral needs type device with the id of the "
			     "supervisor's telephone");
	json_begin(&o, NULL);
	json_put_z(&o, "mode", "Listen");
	json_put_text(&o, "supervisorDeviceId", device);
	json_put_text(&o, "agentExtensionId", k->where->party->extension);
	json_end(&o);
	add_session(k);
	buf_addz(&k->path, "/supervise");
	return finish(k, "POST", API_GROUP_LIGHT);
}

/* Of the platform's own recording; it begins and ends with the party's. */
static int ask_recording(struct asking *k, bool active)
{
	add_party(k, "/recordings/");
	buf_add_percent(&k->path, k->where->recording, BUF_IN_PATH);
	buf_printf(&k->body, "{\"active\":%s}", active ? "true" : "false");
	return finish(k, "PATCH", API_GROUP_LIGHT);
}

static int ask_record_pause(struct asking *k, struct fault *f)
{
	(void)f;
	return ask_recording(k, false);
}

static int ask_record_resume(struct asking *k, struct fault *f)
{
	(void)f;
	return ask_recording(k, true);
}

/* Characters beyond the basic plane count twice. */
static size_t utf16_units(struct span utf8)
{
	size_t n = 0;
	for (size_t i = 0; i < utf8.n; i++) {
		unsigned char c = (unsigned char)utf8.p[i];
		n += (c & 0xC0) != 0x80;
		n += c >= 0xF0;
	}
	return n;
}

static void put_number(struct json_out *o, const char *key, struct span number)
{
	json_begin(o, key);
	json_put_text(o, "phoneNumber", number);
	json_end(o);
}

static int ask_send_text(struct asking *k, struct fault *f)
{
	struct json_out o = { .b = &k->body };
	size_t units = utf16_units(k->c->text);
	if (units > TEXT_UNITS_MAX)
		return fault(f, E_INVALID, "text: at most %d UTF-16 units, got %zu", TEXT_UNITS_MAX,
			     units);
	json_begin(&o, NULL);
	put_number(&o, "from", k->where->phone_number);
	json_begin_array(&o, "to");
	put_number(&o, NULL, k->where->customer_number);
	json_end_array(&o);
	json_put_text(&o, "text", k->c->text);
	json_end(&o);
	add_base(&k->path, k->where->api_base);
	buf_addz(&k->path, "/restapi/v1.0/account/~/extension/~/sms");
	return finish(k, "POST", API_GROUP_MEDIUM);
}

static const struct {
	int (*ask)(struct asking *, struct fault *);
	bool needs_party, needs_recording;
	const char *never; /* why there is none */
} verbs[COMMAND_COUNT] = {
	[COMMAND_SAY] = { .never = NO_VOICE },
	[COMMAND_ADD_MESSAGE] = { .never = NO_VOICE },
	[COMMAND_COACH] = { .never = LISTEN_ONLY },
	[COMMAND_BARGE] = { .never = LISTEN_ONLY },
	[COMMAND_MUTE] = { ask_mute, .needs_party = true },
	[COMMAND_UNMUTE] = { ask_unmute, .needs_party = true },
	[COMMAND_HOLD] = { ask_hold, .needs_party = true },
	[COMMAND_UNHOLD] = { ask_unhold, .needs_party = true },
	[COMMAND_TRANSFER] = { ask_transfer, .needs_party = true },
	[COMMAND_MONITOR] = { ask_monitor, .needs_party = true },
	[COMMAND_END] = { .ask = ask_end },
	[COMMAND_SEND_TEXT] = { .ask = ask_send_text },
	[COMMAND_RECORD_PAUSE] = { ask_record_pause, .needs_recording = true },
	[COMMAND_RECORD_RESUME] = { ask_record_resume, .needs_recording = true },
};

static const char *cannot_here(enum command_verb verb, const struct command_where *where)
{
	bool texts = span_is(where->kind, "sms");
	if (texts != (verb == COMMAND_SEND_TEXT))
		return texts ? IS_TEXT : NO_TEXT;
	if (texts && (!where->customer_number.n || !where->phone_number.n))
		return "the numbers of this conversation are not known yet";
	if (!texts && !where->provider_call_id.n)
		return "the call's id at RingCentral is not known";
	if (verbs[verb].needs_recording && !(where->party && where->recording.n))
		return NO_RECORDING;
	if (verbs[verb].needs_party && !where->party)
		return NO_PARTY;
	bool listens = verb == COMMAND_MONITOR;
	return listens && !where->party->extension.n ? NO_EXTENSION : NULL;
}

const char *rc_cannot(enum command_verb verb, const struct command_where *where)
{
	if (!verbs[verb].ask)
		return verbs[verb].never ? verbs[verb].never : "RingCentral has no such command";
	return where ? cannot_here(verb, where) : NULL;
}

int rc_command(const struct command *c, const struct command_where *where, struct arena *a,
	       struct provider_request *out, struct fault *f)
{
	struct asking k = { .c = c, .where = where, .arena = a, .out = out };
	CHECK((unsigned)c->verb < COMMAND_COUNT);
	const char *why = rc_cannot(c->verb, where);
	int rc = why ? fault(f, E_INVALID, "%s", why) : verbs[c->verb].ask(&k, f);
	buf_free(&k.path);
	buf_free(&k.body);
	return rc;
}

/* --- what is answered --- */

int rc_read_answer(const struct command *c, struct span body, struct arena *a, struct inputs *out,
		   struct fault *f)
{
	struct rc_view v = { .body = json_of(body), .arena = a };
	struct call_facts *facts = arena_alloc(a, sizeof(*facts));
	if (c->verb != COMMAND_SEND_TEXT)
		return 0;
	if (!rc_read_message(v.body, false, a, out))
		return fault(f, E_INVALID, "the answer is no message");
	v.call_id = rc_text_call(&v);
	rc_text_facts(&v, facts);
	inputs_add(out, a, INPUT_CALL)->facts = facts;
	return 0;
}

/* The session to be ended has gone, and nobody has told us. */
bool rc_is_so(enum command_verb verb, int status)
{
	return verb == COMMAND_END && status == 404;
}

/* Top-level codes are generic ("InsufficientPermissions"); the first of `errors` says which. */
struct span rc_explain(struct span body, struct arena *a)
{
	if (json_check(body, NULL))
		return (struct span){ 0 };
	struct json top = json_of(body), first = json_first(json_get(top, "errors"));
	struct json from = json_has(json_get(first, "message")) ? first : top;
	struct span message = rc_text_at(from, "message", a);
	struct span code = rc_text_at(from, "errorCode", a);
	if (!message.n)
		message = rc_text_at(top, "error_description", a);
	if (!message.n)
		message = rc_text_at(top, "generalMessage", a);
	if (!message.n || !code.n)
		return message.n ? message : code;
	return span_of(arena_printf(a, "%.*s (%.*s)", SPAN_ARG(message), SPAN_ARG(code)));
}

int rc_reconcile(struct span api_base, struct span call_id, struct arena *a,
		 struct provider_request *out)
{
	const struct command_where where = { .api_base = api_base, .provider_call_id = call_id };
	struct asking k = { .where = &where, .arena = a, .out = out };
	if (!call_id.n)
		return E_INVALID;
	add_session(&k);
	(void)finish(&k, "GET", API_GROUP_LIGHT);
	buf_free(&k.path);
	return 0;
}
