/* Happy path: the stream of a call's audio tells of it once, by a message that src/media brings
 * (ringcx_names.c writes it): {"callmend":"dialog","dialog":{...}}. RingCX itself sends no
 * messages. Commands are POSTs to the call's own path among the active calls, with the token of the
 * source's session.
 *
 * Source of the commands: RingCentral's engage-voice-api-docs, docs/analytics/active-calls. */
#include "dialect/ringcx.h"

#include "dialect/ringcentral_parts.h"

static int classify(struct span body, struct arena *a, struct envelope *out, struct fault *f)
{
	TRY(json_check(body, f));
	struct json message = json_of(body);
	*out = (struct envelope){ .type = SPAN("dialog"), .keep_whole = true };
	if (!json_is_text(json_get(message, "callmend"), "dialog"))
		return fault(f, E_INVALID,
			     "RingCX sends no webhooks: its calls come as live audio");
	out->call_id = json_text(json_path(message, "dialog.id"), a);
	return out->call_id.n ? 0 : fault(f, E_INVALID, "dialog.id: is missing");
}

static void keep(struct span body, const struct envelope *e, struct buf *out)
{
	(void)e;
	buf_add(out, body);
}

static void reduce(struct span body, const struct envelope *e, const struct repeats *known,
		   struct buf *out, struct repeats_news *news)
{
	(void)known, (void)news;
	keep(body, e, out);
}

/* --- what the stream says --- */

#define DIALOG(F, T)                                 \
	F(T, TEXT, id, "id", REQUIRED)               \
	F(T, TEXT, direction, "direction", OPTIONAL) \
	F(T, TEXT, from, "from", OPTIONAL)           \
	F(T, TEXT, to, "to", OPTIONAL)               \
	F(T, TEXT, account, "account", OPTIONAL)     \
	F(T, TEXT, sub, "sub_account", OPTIONAL)     \
	F(T, TEXT, rc, "rc_account", OPTIONAL)       \
	F(T, TEXT, agent, "agent", OPTIONAL)
JSON_STRUCT(dialog_json, DIALOG)
JSON_FIELDS(dialog_json, DIALOG)

/* Of an account that the stream does not name nothing can be asked. */
static struct span path_of(const struct dialog_json *d, struct arena *a)
{
	struct buf b AUTO_BUF = { 0 };
	struct span account = d->sub.n ? d->sub : d->account;
	if (!account.n)
		return (struct span){ 0 };
	buf_addz(&b, "/voice/api/v1/admin/accounts/");
	buf_add_percent(&b, account, BUF_IN_PATH);
	buf_addz(&b, "/activeCalls/");
	buf_add_percent(&b, d->id, BUF_IN_PATH);
	return arena_copy(a, buf_span(&b));
}

/* Nobody knows which end is the customer's when nobody says who called whom. */
static void take_direction(const struct dialog_json *d, struct call_facts *facts)
{
	bool inbound = span_is(d->direction, "inbound");
	bool outbound = span_is(d->direction, "outbound");
	if (!inbound && !outbound)
		return;
	facts->kind = outbound ? SPAN("outboundPhoneCall") : SPAN("inboundPhoneCall");
	facts->customer_number = outbound ? d->to : d->from;
	facts->phone_number = outbound ? d->from : d->to;
}

static int read_dialog(struct span body, struct arena *a, struct inputs *out, struct fault *f)
{
	struct dialog_json d = { 0 };
	TRY(JSON_READ(dialog_json, json_get(json_of(body), "dialog"), a, &d, f));
	struct call_facts *facts = arena_alloc(a, sizeof(*facts));
	*facts = (struct call_facts){
		.provider_call_id = d.id,
		.provider_org_id = d.rc.n ? d.rc : d.account,
		.assistant_id = d.agent,
		.control_url = path_of(&d, a),
		.transport = SPAN("ringcx"),
	};
	take_direction(&d, facts);
	inputs_add(out, a, INPUT_CALL)->facts = facts;
	return 0;
}

/* --- commands --- */

static void put_destination(struct buf *out, const struct command *c, const char *member)
{
	struct arena a = { 0 };
	buf_add_percent(out, json_text(json_get(c->destination, member), &a), BUF_IN_VALUE);
	arena_fini(&a);
}

static void put_join(struct buf *out, const struct command *c, const char *type)
{
	buf_addz(out, "/addSessionToCall?destination=");
	put_destination(out, c, "number");
	buf_printf(out, "&sessionType=%s", type);
}

static void put_monitor(struct buf *out, const struct command *c)
{
	put_join(out, c, "MONITOR");
}

static void put_coach(struct buf *out, const struct command *c)
{
	put_join(out, c, "COACHING");
}

static void put_barge(struct buf *out, const struct command *c)
{
	put_join(out, c, "BARGEIN");
}

static void put_transfer(struct buf *out, const struct command *c)
{
	buf_addz(out, "/requeueCall?gateId=");
	put_destination(out, c, "id");
}

static void put_end(struct buf *out, const struct command *c)
{
	(void)c;
	buf_addz(out, "/hangupCall");
}

static void put_hold(struct buf *out, const struct command *c)
{
	(void)c;
	buf_addz(out, "/toggleCallHold?state=ON");
}

static void put_unhold(struct buf *out, const struct command *c)
{
	(void)c;
	buf_addz(out, "/toggleCallHold?state=OFF");
}

/* Whether RingCX records the call it does not say. */
static void put_record_pause(struct buf *out, const struct command *c)
{
	(void)c;
	buf_addz(out, "/toggleCallRecording?record=false");
}

static void put_record_resume(struct buf *out, const struct command *c)
{
	(void)c;
	buf_addz(out, "/toggleCallRecording?record=true");
}

static const char receive_only[] = "RingCX streams are receive-only: nothing can be spoken into "
				   "the call until there is a voice leg";

static const struct {
	void (*put)(struct buf *, const struct command *);
	const char *why; /* it cannot be */
} verbs[COMMAND_COUNT] = {
	[COMMAND_SAY] = { .why = receive_only },
	[COMMAND_ADD_MESSAGE] = { .why = receive_only },
	[COMMAND_MUTE] = { .why = "RingCX mutes nobody from outside" },
	[COMMAND_UNMUTE] = { .why = "RingCX mutes nobody from outside" },
	[COMMAND_SEND_TEXT] = { .why = "this is a voice call: no text can be sent in it" },
	[COMMAND_TRANSFER] = { .put = put_transfer },
	[COMMAND_END] = { .put = put_end },
	[COMMAND_HOLD] = { .put = put_hold },
	[COMMAND_UNHOLD] = { .put = put_unhold },
	[COMMAND_MONITOR] = { .put = put_monitor },
	[COMMAND_COACH] = { .put = put_coach },
	[COMMAND_BARGE] = { .put = put_barge },
	[COMMAND_RECORD_PAUSE] = { .put = put_record_pause },
	[COMMAND_RECORD_RESUME] = { .put = put_record_resume },
};

static const char *cannot(enum command_verb verb, const struct command_where *where)
{
	if (!verbs[verb].put)
		return verbs[verb].why ? verbs[verb].why : "RingCX has no such command";
	if (where && !where->control_url.n)
		return "the stream has not told which account this call belongs to";
	return NULL;
}

static int check_destination(const struct command *c, struct fault *f)
{
	bool joins =
		c->verb == COMMAND_MONITOR || c->verb == COMMAND_COACH || c->verb == COMMAND_BARGE;
	struct json queue = json_get(c->destination, "id");
	if (joins && json_get(c->destination, "number").kind != JSON_STRING)
		return fault(f, E_INVALID, "destination: RingCX calls a telephone number");
	bool is_queue = json_is_text(json_get(c->destination, "type"), "queue") &&
			queue.kind == JSON_STRING && !json_is_text(queue, "");
	if (c->verb == COMMAND_TRANSFER && !is_queue)
		return fault(f, E_INVALID,
			     "destination: RingCX moves active calls to its own queues only: type "
			     "queue with the queue's id");
	return 0;
}

static int command(const struct command *c, const struct command_where *where, struct arena *a,
		   struct provider_request *out, struct fault *f)
{
	struct buf url AUTO_BUF = { 0 };
	const char *why = cannot(c->verb, where);
	if (why)
		return fault(f, E_INVALID, "%s", why);
	TRY(check_destination(c, f));
	buf_add(&url, where->control_url);
	verbs[c->verb].put(&url, c);
	*out = (struct provider_request){ .method = SPAN("POST"),
					  .url = arena_copy(a, buf_span(&url)),
					  .needs_session = true,
					  .group = API_GROUP_LIGHT };
	return 0;
}

static const char *const transfers[] = { "queue", NULL };

const struct dialect ringcx_dialect = {
	.name = "ringcx",
	.title = "RingCX",
	.transfers = transfers,
	.cannot = cannot,
	.by_session = true,
	.lasts_by_audio = true,
	.classify = classify,
	.mask = keep,
	.reduce = reduce,
	.read = read_dialog,
	.command = command,
	.explain = rc_explain,
};
