/* Telephony sessions: an event brings the parties that changed (mostly one), an answer all of them.
 *
 * A leg is told from its own end: `direction` Outbound is who calls (from), Inbound who is called
 * (to). Every hop is a party of its own: -1 the caller, -2 an IVR, -3 a user. Codes and reasons are
 * open sets whose spelling varies: unknown ones are kept, and a party with an unknown code is
 * connected to something. */
#include "dialect/ringcentral_parts.h"

static const struct {
	const char *code;
	enum party_state state;
	bool system; /* nobody: a machine takes it */
} codes[] = {
	{ "Setup", PARTY_RINGING, false },
	{ "Proceeding", PARTY_RINGING, false },
	{ "Answered", PARTY_TALKING, false },
	{ "Hold", PARTY_HELD, false },
	{ "Parked", PARTY_PARKED, false },
	{ "Disconnected", PARTY_LEFT, false },
	{ "Gone", PARTY_LEFT, false },
	{ "VoiceMail", PARTY_TALKING, true },
	{ "VoiceMailScreening", PARTY_TALKING, true },
	{ "VMScreening", PARTY_TALKING, true },
	{ "FaxReceive", PARTY_TALKING, true },
	{ "Tds", PARTY_TALKING, true },
};

/* What a reason says of one who is gone: that somebody else takes over, and what a call is called
 * that ends by it. */
static const struct {
	const char *reason;
	bool moved;
	const char *ends_as;
} reasons[] = {
	{ "Pickup", true, "" },
	{ "TakeOver", true, "" },
	{ "BlindTransfer", true, "" },
	{ "RccTransfer", true, "" },
	{ "AttendedTransfer", true, "" },
	{ "CallerInputRedirect", true, "" },
	{ "CallFlip", true, "" },
	{ "ParkLocation", true, "" },
	{ "DtmfTransfer", true, "" },
	{ "AgentAnswered", true, "" },
	{ "CallPark", true, "" },
	{ "CallRedirected", true, "" },
	{ "CallSwitch", true, "" },
	{ "Voicemail", true, "voicemail" },
	{ "NoAnswer", false, "no-answer" },
	{ "Timeout", false, "no-answer" },
	{ "TargetBusy", false, "busy" },
	{ "Rejected", false, "rejected" },
	{ "CallReplied", false, "rejected" },
	{ "Cancelled", false, "cancelled" },
	{ "InvalidNumber", false, "invalid-number" },
	{ "NoSuchUser", false, "invalid-number" },
	{ "InternationalDisabled", false, "blocked" },
	{ "DestinationBlocked", false, "blocked" },
	{ "NotEnoughFunds", false, "blocked" },
	{ "InternalError", false, "dropped" },
	{ "CallDropped", false, "dropped" },
};

struct reading {
	const struct rc_view *v;
	int64_t sequence, at_us;
};

/* --- who --- */

struct end {
	struct span number, name, extension;
};

static struct end read_end(struct json of, struct arena *a)
{
	struct end e = { .number = rc_text_at(of, "phoneNumber", a),
			 .name = rc_text_at(of, "name", a),
			 .extension = rc_text_at(of, "extensionId", a) };
	if (!e.number.n)
		e.number = rc_text_at(of, "extensionNumber", a);
	return e;
}

/* Ids tell better than the direction which end the party itself is. */
static bool is_called(struct json party, struct span extension, const struct end *from,
		      const struct end *to, struct arena *a)
{
	bool called = !rc_same(rc_text_at(party, "direction", a), "Outbound");
	if (extension.n) {
		bool is_from = span_eq(extension, from->extension);
		bool is_to = span_eq(extension, to->extension);
		return is_from == is_to ? called : is_to;
	}
	bool from_ours = from->extension.n, to_ours = to->extension.n;
	return from_ours == to_ours ? called : from_ours;
}

/* An extension of another account is a stranger with a RingCentral telephone. */
static bool is_ours(const struct rc_view *v, struct json party, struct span extension)
{
	struct span account = rc_text_at(party, "accountId", v->arena);
	bool foreign = v->account.n && account.n && !span_eq(account, v->account);
	return extension.n && !foreign;
}

static void read_people(const struct rc_view *v, struct json party, struct call_party *p)
{
	struct end from = read_end(json_get(party, "from"), v->arena);
	struct end to = read_end(json_get(party, "to"), v->arena);
	struct span extension = rc_text_at(party, "extensionId", v->arena);
	p->outbound = is_called(party, extension, &from, &to, v->arena);
	const struct end *own = p->outbound ? &to : &from, *peer = p->outbound ? &from : &to;
	p->number = own->number;
	p->name = own->name;
	p->extension = extension.n ? extension : own->extension;
	p->peer_number = peer->number;
	p->peer_name = peer->name;
	p->peer_inside = peer->extension.n;
	p->side = is_ours(v, party, extension) ? PARTY_INSIDE : PARTY_OUTSIDE;
	if (p->side == PARTY_INSIDE && span_starts(p->name, SPAN("IVR Menu")))
		p->side = PARTY_SYSTEM;
}

/* --- how --- */

static void read_code(struct call_party *p)
{
	p->state = PARTY_TALKING;
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		if (!rc_same(p->code, codes[i].code))
			continue;
		p->state = codes[i].state;
		if (codes[i].system)
			p->side = PARTY_SYSTEM;
	}
	if (rc_same(p->code, "VoiceMail") || rc_same(p->code, "FaxReceive"))
		p->ends_as = SPAN("voicemail");
	if (!p->code.n)
		p->state = PARTY_RINGING;
}

static void read_reason(struct call_party *p)
{
	if (rc_same(p->reason, "Supervising"))
		p->side = PARTY_SUPERVISOR;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (!party_over(p->state) || !rc_same(p->reason, reasons[i].reason))
			continue;
		p->state = reasons[i].moved ? PARTY_MOVED : PARTY_LEFT;
		p->ends_as = span_of(reasons[i].ends_as);
	}
}

/* Gone names the session with which it is linked now: it lives on there, or here as another party.
 */
static void read_peer(const struct rc_view *v, struct json status, struct call_party *p)
{
	struct span peer = rc_text_at(status, "peerId.telephonySessionId", v->arena);
	if (!party_over(p->state) || !peer.n)
		return;
	p->state = PARTY_MOVED;
	if (!span_eq(peer, v->call_id))
		p->moved_to = peer;
}

static void read_recordings(struct json list, struct arena *a, struct call_party *p)
{
	struct json_iter it = json_iter(list);
	struct span none;
	struct json recording;
	while (list.kind == JSON_ARRAY && !p->recording_on && json_next(&it, &none, &recording)) {
		p->recording = rc_text_at(recording, "id", a);
		p->recording_on = json_true(json_get(recording, "active"));
	}
}

static bool read_party(const struct rc_view *v, struct json party, struct call_party *p)
{
	struct json status = json_get(party, "status"), muted = json_get(party, "muted");
	p->id = rc_text_at(party, "id", v->arena);
	p->code = rc_text_at(status, "code", v->arena);
	p->reason = rc_text_at(status, "reason", v->arena);
	p->muted_known = json_has(muted);
	p->muted = json_true(muted);
	read_people(v, party, p);
	read_code(p);
	read_reason(p);
	read_peer(v, status, p);
	read_recordings(json_get(party, "recordings"), v->arena, p);
	return p->id.n;
}

/* An event is the same whichever filters brought it, and however often. */
static uint64_t key_of(const struct reading *r, const struct call_party *p)
{
	uint64_t key = key_number(key_text(key_start("party"), p->id), p->state);
	if (r->sequence > 0)
		return key_end(key_number(key, r->sequence));
	return r->sequence == 0 && r->v->uuid.n ? key_end(key_text(key, r->v->uuid)) : 0;
}

static bool add_party(const struct reading *r, struct json value, struct inputs *out)
{
	struct call_party *p = arena_alloc(r->v->arena, sizeof(*p));
	if (!read_party(r->v, value, p))
		return false;
	p->sequence = r->sequence;
	struct input *in = inputs_add(out, r->v->arena, INPUT_PARTY);
	in->party = p;
	in->at_us = r->at_us;
	in->key = key_of(r, p);
	return true;
}

static void add_all_named(const struct rc_view *v, struct inputs *out)
{
	struct input *in = inputs_add(out, v->arena, INPUT_PARTIES);
	in->at_us = v->at_us;
}

/* --- all of it --- */

struct span rc_session_id(const struct rc_view *v)
{
	struct span id = rc_text_at(v->body, "telephonySessionId", v->arena);
	return id.n || !v->asked ? id : rc_text_at(v->body, "id", v->arena);
}

static struct reading begin(const struct rc_view *v)
{
	struct reading r = { v, -1, v->at_us };
	if (v->asked)
		return r;
	int64_t at_us = rc_time(json_get(v->body, "eventTime"), v->arena);
	r.at_us = at_us ? at_us : v->at_us;
	if (!json_i64(json_get(v->body, "sequence"), &r.sequence) || r.sequence < 0)
		r.sequence = 0;
	return r;
}

static void add_not_found(const struct rc_view *v, struct inputs *out)
{
	struct input *in = inputs_add(out, v->arena, INPUT_STATUS);
	in->name = SPAN("ended");
	in->reason = SPAN("not-found");
	in->at_us = v->at_us;
}

bool rc_read_session(const struct rc_view *v, struct inputs *out)
{
	struct json parties = json_get(v->body, "parties"), party;
	struct json_iter it = json_iter(parties);
	struct reading r = begin(v);
	struct span none;
	size_t before = out->n;
	bool all = v->asked && parties.kind == JSON_ARRAY;
	if (v->asked && !v->found) {
		add_not_found(v, out);
		return true;
	}
	while (parties.kind == JSON_ARRAY && json_next(&it, &none, &party))
		all &= add_party(&r, party, out);
	if (all)
		add_all_named(v, out);
	return out->n > before || v->asked;
}

/* As far as its first party tells; the session knows better when it has heard of more. */
void rc_session_facts(const struct rc_view *v, struct call_facts *f)
{
	struct call_party p = { 0 };
	struct json first = json_first(json_get(v->body, "parties"));
	f->telephony_id = v->call_id;
	f->created_us = rc_time(json_get(v->body, "creationTime"), v->arena);
	if (!read_party(v, first, &p) || p.side == PARTY_SUPERVISOR)
		return;
	bool theirs = p.side == PARTY_OUTSIDE;
	f->kind = theirs == p.outbound ? SPAN("outbound") : SPAN("inbound");
	f->phone_number = theirs ? p.peer_number : p.number;
	if (theirs || !p.peer_inside) {
		f->customer_number = theirs ? p.number : p.peer_number;
		f->customer_name = theirs ? p.name : p.peer_name;
	}
	if (p.side == PARTY_INSIDE) {
		f->assistant_id = p.extension;
		f->assistant_name = p.name;
	}
}
