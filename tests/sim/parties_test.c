/* Calls of several parties, whatever becomes of the messages about them.
 *
 * A generator makes valid histories of telephony sessions: transfers blind and attended, queues,
 * holds, mutes, parking, supervisors, conferences, voicemail, calls nobody answers, calls that go
 * on in another session. Each is fed in order; then with its messages out of order, repeated, and
 * some lost and asked for again. How the call stands in the end, and its history in event time,
 * must be the same.
 *
 * parties_test [SEED [SESSIONS]]: the same from the same seed, on every machine. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tests/sim/sim.h"
#include "tests/unit/random.h"

enum { PARTIES_MOST = 24, TOLD_MOST = 400, SNAPSHOTS_MOST = 12 };
#define SETTINGS                                                                      \
	"'dialect':'ringcentral','idle_close_ms':31536000000,'party_settle_ms':2000," \
	"'party_handover_ms':10000"

static uint64_t base_seed = 20261;
static unsigned sessions_n = 1000;
static uint64_t seed;

static unsigned pick(unsigned n)
{
	return random_below(&seed, n);
}

static bool chance(unsigned percent)
{
	return pick(100) < percent;
}

/* --- histories --- */

enum role { CALLER, CALLEE, AGENT, IVR, SUPERVISOR };

struct actor {
	enum role role;
	const char *code, *reason;
	char peer[32];
	bool muted, there; /* there: told of at least once */
	unsigned recorded; /* 0: not; odd: just now; even: paused */
	unsigned renamed;
};

/* What is true of one party from one moment on. */
struct told {
	int64_t at_ms;
	int64_t sequence;
	unsigned party;
	struct actor is;
};

struct story {
	struct actor actors[PARTIES_MOST];
	unsigned actors_n;
	struct told told[TOLD_MOST];
	unsigned n;
	int64_t now_ms, sequence;
	unsigned agent, customer; /* of the moment */
	bool outbound, ended;
};

static void tell(struct story *t, unsigned who, const char *code, const char *reason)
{
	struct actor *a = &t->actors[who];
	assert_true(t->n < TOLD_MOST);
	a->code = code;
	a->reason = reason;
	a->there = true;
	a->renamed += chance(20);
	t->sequence += 1 + pick(2);
	t->told[t->n++] = (struct told){ t->now_ms, t->sequence, who, *a };
}

/* Mostly seconds, sometimes the same moment. */
static void pass(struct story *t)
{
	static const unsigned most[] = { 1, 30, 900, 5000, 25000 };
	t->now_ms += pick(most[pick(5)]);
}

static unsigned join(struct story *t, enum role role)
{
	assert_true(t->actors_n < PARTIES_MOST);
	t->actors[t->actors_n] = (struct actor){ .role = role };
	return t->actors_n++;
}

static unsigned ring(struct story *t, enum role role)
{
	unsigned who = join(t, role);
	tell(t, who, "Setup", NULL);
	if (chance(70)) {
		t->now_ms += pick(60);
		tell(t, who, "Proceeding", NULL);
	}
	pass(t);
	return who;
}

static void gone(struct story *t, unsigned who, const char *reason)
{
	tell(t, who, "Disconnected", reason);
}

/* Both legs of a connection are told within milliseconds. */
static void connect_to(struct story *t, unsigned agent)
{
	tell(t, agent, "Answered", NULL);
	t->agent = agent;
	t->now_ms += pick(40);
	if (strcmp(t->actors[t->customer].code, "Answered") != 0)
		tell(t, t->customer, "Answered", NULL);
}

static void hang_up(struct story *t)
{
	bool theirs = chance(50);
	pass(t);
	gone(t, theirs ? t->customer : t->agent, NULL);
	t->now_ms += pick(120);
	gone(t, theirs ? t->agent : t->customer, NULL);
	t->ended = true;
}

static void voicemail(struct story *t, unsigned agent)
{
	tell(t, agent, chance(50) ? "VoiceMail" : "Voicemail", NULL);
	pass(t);
	gone(t, t->customer, NULL);
	t->now_ms += pick(80);
	gone(t, agent, NULL);
	t->ended = true;
}

/* Agents one after the other, until one answers; false: nobody did. */
static bool queue(struct story *t)
{
	for (unsigned hops = 1 + pick(4); hops > 0; hops--) {
		unsigned agent = ring(t, AGENT);
		if (chance(55)) {
			connect_to(t, agent);
			return true;
		}
		if (hops == 1 && chance(40)) {
			voicemail(t, agent);
			return false;
		}
		gone(t, agent, chance(70) ? "NoAnswer" : chance(50) ? "Rejected" : "TargetBusy");
		pass(t);
	}
	gone(t, t->customer, chance(30) ? "Cancelled" : NULL);
	t->ended = true;
	return false;
}

static bool begin_inbound(struct story *t)
{
	t->customer = join(t, CALLER);
	tell(t, t->customer, "Setup", NULL);
	t->now_ms += pick(40);
	if (chance(50)) {
		unsigned ivr = join(t, IVR);
		tell(t, ivr, "Setup", NULL);
		t->now_ms += pick(200);
		tell(t, t->customer, "Answered", NULL);
		pass(t);
		if (chance(15)) {
			gone(t, t->customer, NULL);
			gone(t, ivr, NULL);
			t->ended = true;
			return false;
		}
		gone(t, ivr, chance(50) ? "CallerInputRedirect" : NULL);
	}
	return queue(t);
}

static bool begin_outbound(struct story *t)
{
	static const char *const why[] = { "NoAnswer",	    "TargetBusy",
					   "InvalidNumber", "InternationalDisabled",
					   "Cancelled",	    NULL };
	unsigned agent = join(t, AGENT);
	t->outbound = true;
	tell(t, agent, "Setup", NULL);
	t->now_ms += pick(50);
	t->customer = ring(t, CALLEE);
	tell(t, agent, "Proceeding", NULL);
	pass(t);
	if (chance(25)) {
		gone(t, t->customer, why[pick(6)]);
		t->now_ms += pick(50);
		gone(t, agent, NULL);
		t->ended = true;
		return false;
	}
	connect_to(t, agent);
	return true;
}

/* --- what happens in between; false: the call is over --- */

static bool hold(struct story *t)
{
	tell(t, t->agent, "Hold", NULL);
	pass(t);
	tell(t, t->agent, "Answered", NULL);
	return true;
}

static bool mute(struct story *t)
{
	t->actors[t->agent].muted ^= true;
	tell(t, t->agent, t->actors[t->agent].code, NULL);
	return true;
}

static bool record(struct story *t)
{
	t->actors[t->agent].recorded++;
	tell(t, t->agent, t->actors[t->agent].code, NULL);
	return true;
}

static bool blind_transfer(struct story *t)
{
	gone(t, t->agent, "BlindTransfer");
	t->now_ms += pick(40);
	return queue(t);
}

static bool attended_transfer(struct story *t)
{
	tell(t, t->agent, "Hold", NULL);
	pass(t);
	unsigned next = join(t, AGENT);
	if (chance(50))
		tell(t, next, "Setup", "AttendedTransfer");
	tell(t, next, "Answered", "AttendedTransfer");
	t->now_ms += pick(30);
	gone(t, t->agent, "AttendedTransfer");
	t->agent = next;
	return true;
}

static bool park(struct story *t)
{
	tell(t, t->customer, "Parked", NULL);
	t->now_ms += pick(30);
	gone(t, t->agent, "CallPark");
	pass(t);
	t->agent = join(t, AGENT);
	tell(t, t->agent, "Answered", "Pickup");
	t->now_ms += pick(30);
	tell(t, t->customer, "Answered", NULL);
	return true;
}

static bool supervise(struct story *t)
{
	unsigned who = join(t, SUPERVISOR);
	tell(t, who, "Answered", "Supervising");
	pass(t);
	if (chance(70))
		gone(t, who, "Supervising");
	return true;
}

static bool confer(struct story *t)
{
	unsigned who = ring(t, chance(50) ? CALLEE : AGENT);
	if (chance(30)) {
		gone(t, who, "NoAnswer");
		return true;
	}
	tell(t, who, "Answered", NULL);
	pass(t);
	gone(t, who, NULL);
	return true;
}

/* The call lives on in another session. */
static bool leave_for_another(struct story *t)
{
	snprintf(t->actors[t->customer].peer, sizeof(t->actors[0].peer), "s-other%u", pick(1000));
	tell(t, t->customer, "Gone", "AttendedTransfer");
	t->now_ms += pick(40);
	gone(t, t->agent, "AttendedTransfer");
	t->ended = true;
	return false;
}

static bool flip(struct story *t)
{
	gone(t, t->agent, chance(50) ? "CallSwitch" : "CallFlip");
	t->now_ms += pick(3) ? pick(100) : pick(15000);
	t->agent = join(t, AGENT);
	tell(t, t->agent, "Answered", NULL);
	return true;
}

static void make_story(struct story *t)
{
	static bool (*const acts[])(struct story *) = {
		hold,	   mute,   blind_transfer, attended_transfer, park,
		supervise, confer, record,	   leave_for_another, flip,
	};
	*t = (struct story){ .sequence = 1 };
	bool talking = chance(70) ? begin_inbound(t) : begin_outbound(t);
	for (unsigned n = pick(7); talking && n > 0 && t->actors_n < 16; n--) {
		pass(t);
		talking = acts[pick(10)](t);
	}
	if (talking && chance(80))
		hang_up(t);
	if (t->ended && chance(10)) { /* a supervisor stays to the end */
		unsigned who = join(t, SUPERVISOR);
		tell(t, who, "Answered", "Supervising");
	}
}

/* --- as RingCentral tells it --- */

static void put_iso(struct buf *b, const char *member, int64_t us)
{
	char iso[CLOCK_ISO + 1];
	clock_format(us, iso);
	buf_printf(b, ",'%s':'%.23sZ'", member, iso);
}

static void put_end(struct buf *b, const char *member, unsigned who, const struct actor *a)
{
	static const char *const names[] = { [CALLER] = "Carl",
					     [CALLEE] = "Carla",
					     [AGENT] = "Agent",
					     [IVR] = "IVR Menu 1",
					     [SUPERVISOR] = "Sue" };
	bool ours = a->role == AGENT || a->role == IVR || a->role == SUPERVISOR;
	buf_printf(b, ",'%s':{'phoneNumber':'+1555%04u'", member, who);
	if (a->renamed) /* names are looked up meanwhile */
		buf_printf(b, ",'name':'%s %u %u'", names[a->role], who, a->renamed);
	if (ours)
		buf_printf(b, ",'extensionId':'%u'", 100 + who);
	buf_addz(b, "}");
}

/* Colleagues are told who calls, by name when it was looked up. */
static void put_peer(struct buf *b, const struct story *t, const struct actor *a,
		     const char *member)
{
	if (a->role != AGENT || t->outbound) {
		buf_printf(b, ",'%s':{'phoneNumber':'+15559999'}", member);
		return;
	}
	buf_printf(b, ",'%s':{'phoneNumber':'+1555%04u'", member, t->customer);
	if (a->renamed)
		buf_printf(b, ",'name':'Caller %u'", a->renamed);
	buf_addz(b, "}");
}

static void put_party(struct buf *b, const struct story *t, unsigned who, const struct actor *a)
{
	bool calls = a->role == CALLER || a->role == SUPERVISOR ||
		     (t->outbound && a->role == AGENT && who == 0);
	bool ours = a->role == AGENT || a->role == IVR || a->role == SUPERVISOR;
	buf_printf(b, "{'accountId':'10','id':'p-x-%u','direction':'%s'", who + 1,
		   calls ? "Outbound" : "Inbound");
	if (ours)
		buf_printf(b, ",'extensionId':'%u'", 100 + who);
	put_end(b, calls ? "from" : "to", who, a);
	put_peer(b, t, a, calls ? "to" : "from");
	buf_printf(b, ",'status':{'code':'%s','rcc':false", a->code);
	if (a->reason)
		buf_printf(b, ",'reason':'%s'", a->reason);
	if (*a->peer)
		buf_printf(b, ",'peerId':{'telephonySessionId':'%s'}", a->peer);
	buf_addz(b, "}");
	if (a->recorded)
		buf_printf(b, ",'recordings':[{'id':'r-%u','active':%s}]", who,
			   a->recorded % 2 ? "true" : "false");
	buf_printf(b, ",'muted':%s}", a->muted ? "true" : "false");
}

static void put_event(struct buf *b, const struct story *t, const struct told *e, unsigned copy)
{
	bool ours = e->is.role == AGENT || e->is.role == IVR || e->is.role == SUPERVISOR;
	buf_printf(b, "{'uuid':'%lld-%u','event':'/restapi/v1.0/account/10", (long long)e->sequence,
		   copy);
	if (ours && copy % 2 == 0) /* by one filter, or by the other */
		buf_printf(b, "/extension/%u", 100 + e->party);
	buf_addz(b, "/telephony/sessions'");
	put_iso(b, "timestamp", SIM_START_US + (e->at_ms + 20) * MS_US);
	buf_printf(b, ",'body':{'sequence':%lld,'telephonySessionId':'s-x'",
		   (long long)e->sequence);
	put_iso(b, "eventTime", SIM_START_US + e->at_ms * MS_US);
	buf_addz(b, ",'parties':[");
	put_party(b, t, e->party, &e->is);
	buf_addz(b, "]}}");
}

/* Everybody as they stood at a moment, in an answer of another one; its Date has whole seconds. */
static void put_snapshot(struct buf *b, const struct story *t, int64_t at_ms, int64_t date_ms,
			 bool found)
{
	struct actor now[PARTIES_MOST] = { 0 };
	int64_t date_us = SIM_START_US + date_ms * MS_US;
	const char *comma = "";
	for (unsigned i = 0; i < t->n && t->told[i].at_ms <= at_ms; i++)
		now[t->told[i].party] = t->told[i].is;
	buf_addz(b, "{'callmend':'resync','source_event':'telephony/sessions','id':'s-x'");
	put_iso(b, "date", date_us / SECOND_US * SECOND_US);
	buf_printf(b, ",'found':%s,'body':{'id':'s-x','parties':[", found ? "true" : "false");
	for (unsigned i = 0; found && i < t->actors_n; i++) {
		if (!now[i].there)
			continue;
		buf_addz(b, comma);
		put_party(b, t, i, &now[i]);
		comma = ",";
	}
	buf_addz(b, "]}}");
}

/* --- feeding --- */

struct delivery {
	int64_t at_ms;
	unsigned order;		     /* among those of the same moment */
	unsigned told;		     /* or, from TOLD_MOST on, a snapshot */
	int64_t snapshot_ms, lag_ms; /* it is so much older than the answer */
	bool found;
};

struct feed {
	struct delivery items[TOLD_MOST * 3 + SNAPSHOTS_MOST];
	unsigned n;
	bool lost[TOLD_MOST];
};

static void deliver(struct feed *f, struct delivery d)
{
	d.order = (unsigned)random_next(&seed);
	f->items[f->n++] = d;
}

static int by_time(const void *a, const void *b)
{
	const struct delivery *x = a, *y = b;
	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void play(struct sim *sim, const struct story *t, const struct feed *f)
{
	sim_init(sim, SETTINGS);
	for (unsigned i = 0; i < f->n; i++) {
		const struct delivery *d = &f->items[i];
		struct buf b AUTO_BUF = { 0 };
		int64_t now_ms = (sim->now_us - SIM_START_US) / MS_US;
		sim_pass(sim, d->at_ms > now_ms ? d->at_ms - now_ms : 0);
		if (d->told < TOLD_MOST)
			put_event(&b, t, &t->told[d->told], i);
		else
			put_snapshot(&b, t, d->snapshot_ms, d->snapshot_ms + d->lag_ms, d->found);
		char *json = sim_json(buf_z(&b));
		if (sim_apply(sim, RECORD_WEBHOOK, span_of(json)))
			fail_msg("%s: %s", sim->fault.text, json);
		free(json);
	}
	sim_pass(sim, 60000);
}

static void in_order(const struct story *t, struct feed *f)
{
	int64_t at_ms = 0;
	*f = (struct feed){ 0 };
	for (unsigned i = 0; i < t->n; i++) {
		int64_t arrives = t->told[i].at_ms + 50 + pick(50);
		at_ms = arrives > at_ms ? arrives : at_ms + 1;
		deliver(f, (struct delivery){ .at_ms = at_ms, .told = i });
	}
	/* no sorting: as they are */
}

/* Each up to `late_ms` after its time, up to three times. */
static void shuffled(const struct story *t, struct feed *f, int64_t late_ms, bool all_after)
{
	int64_t begin = all_after ? t->now_ms : 0;
	*f = (struct feed){ 0 };
	for (unsigned i = 0; i < t->n; i++)
		for (unsigned copies = chance(30) ? 1 + pick(3) : 1; copies > 0; copies--)
			deliver(f,
				(struct delivery){ .at_ms = (all_after ? begin : t->told[i].at_ms) +
							    pick((unsigned)late_ms),
						   .told = i });
	qsort(f->items, f->n, sizeof(*f->items), by_time);
}

/* Some never come. Snapshots on the way, in any order; one at the end, a moment after all of it. */
static void lossy(const struct story *t, struct feed *f, bool known_in_the_end)
{
	unsigned percent = pick(60);
	int64_t end_ms = t->now_ms + 2000 + pick(3000);
	*f = (struct feed){ 0 };
	for (unsigned i = 0; i < t->n; i++) {
		bool lost = t->told[i].is.role != SUPERVISOR && chance(percent);
		f->lost[i] = lost;
		for (unsigned copies = chance(20) ? 2 : 1; !lost && copies > 0; copies--)
			deliver(f, (struct delivery){ .at_ms = t->told[i].at_ms + pick(8000),
						      .told = i });
	}
	for (unsigned n = pick(SNAPSHOTS_MOST - 1); n > 0; n--) {
		int64_t at_ms = pick((unsigned)t->now_ms + 1);
		deliver(f, (struct delivery){ .at_ms = at_ms + pick(4000),
					      .told = TOLD_MOST,
					      .snapshot_ms = at_ms,
					      .found = true });
	}
	deliver(f, (struct delivery){ .at_ms = end_ms + pick(9000),
				      .told = TOLD_MOST,
				      .snapshot_ms = end_ms,
				      .found = known_in_the_end });
	qsort(f->items, f->n, sizeof(*f->items), by_time);
}

/* The answer is of the very moment of the last words: what it shows is up to a second older than it
 * says, or its Date is rounded down. Words it cannot show are not lost. */
static int64_t close(const struct story *t, struct feed *f)
{
	int64_t shown_ms = t->now_ms - pick(1500), lag_ms = pick(1000);
	shown_ms = shown_ms > 0 ? shown_ms : 0;
	*f = (struct feed){ 0 };
	for (unsigned i = 0; i < t->n; i++) {
		f->lost[i] = t->told[i].at_ms <= shown_ms && chance(30);
		if (!f->lost[i])
			deliver(f, (struct delivery){ .at_ms = t->told[i].at_ms + pick(3000),
						      .told = i });
	}
	deliver(f, (struct delivery){ .at_ms = shown_ms + lag_ms + pick(3000),
				      .told = TOLD_MOST,
				      .snapshot_ms = shown_ms,
				      .lag_ms = lag_ms,
				      .found = true });
	qsort(f->items, f->n, sizeof(*f->items), by_time);
	return (shown_ms + lag_ms) / 1000 * 1000;
}

/* --- comparing --- */

static int lines_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void join_sorted(char **lines, size_t n, struct buf *out)
{
	if (n)
		qsort(lines, n, sizeof(*lines), lines_order);
	for (size_t i = 0; i < n; i++) {
		buf_addz(out, lines[i]);
		buf_addc(out, '\n');
		free(lines[i]);
	}
}

static char *line_of(struct json object, const char *const *members)
{
	struct buf b AUTO_BUF = { 0 };
	for (; *members; members++) {
		struct json v = json_path(object, *members);
		buf_printf(&b, "%.*s ", SPAN_ARG(v.raw));
	}
	return strdup(buf_z(&b));
}

/* What is looked at: of the call, of each party, and whether of ours who it was. */
struct view {
	const char *const *call, *const *party;
};
#define OF_PARTIES                                                                                 \
	"party_id", "state", "code", "reason", "number", "name", "muted", "extension", "moved_to", \
		"recording"
static const char *const times[] = {
	"status",      "live",	       "started_at",	  "ended_at",
	"duration_ms", "ended_reason", "ended_class",	  "kind",
	"customer",    "phone_number", "counts.messages", "counts.interventions",
	NULL
};
static const char *const parties_since[] = { OF_PARTIES, "side", "since", NULL };
static const struct view whole = { times, parties_since };
/* An answer tells of everybody who they are and how they stand. */
static const char *const always[] = { "status", "live", "counts.messages", "counts.interventions",
				      NULL };
static const char *const parties_always[] = { OF_PARTIES, NULL };
static const struct view answered = { always, parties_always };
/* What nobody but the lost messages may have told, each by itself. */
static const char *const nothing[] = { NULL };
static const char *const sides[] = { "party_id", "side", NULL };
static const char *const customer[] = { "kind", "customer", "phone_number", NULL };
static const char *const reason[] = { "ended_reason", "ended_class", NULL };
static const char *const agent[] = { "assistant", NULL };
static const struct view of_sides = { nothing, sides }, of_customer = { customer, NULL },
			 of_reason = { reason, NULL }, of_agent = { agent, NULL };

/* Who stands how. */
static void parties_of(const struct sim *sim, const char *const *members, struct buf *out)
{
	struct buf b AUTO_BUF = { 0 };
	char *lines[64];
	size_t n = 0;
	session_snapshot(sim->s, &b);
	struct json_iter it = json_iter(json_get(json_of(buf_span(&b)), "parties"));
	struct span none;
	struct json p;
	while (json_next(&it, &none, &p))
		lines[n++] = line_of(p, members);
	join_sorted(lines, n, out);
}

static void state_of(const struct sim *sim, const struct view *v, struct buf *out)
{
	struct buf b AUTO_BUF = { 0 };
	session_summary(sim->s, &b);
	char *line = line_of(json_of(buf_span(&b)), v->call);
	buf_addz(out, line);
	buf_addc(out, '\n');
	free(line);
	if (v->party)
		parties_of(sim, v->party, out);
}

/* The history in event time: told by events, not by answers. With `f`: of a feed in order, without
 * what was lost. Sides, names and numbers are told as far as they are known at the time, so they
 * may differ; parties_of compares them. */
static void history_of(const struct sim *sim, const struct feed *f, struct buf *out)
{
	static const char *const members[] = {
		"at",	      "data.party_id", "data.state",	 "data.code", "data.reason",
		"data.muted", "data.moved_to", "data.recording", NULL
	};
	struct span rest = buf_span(&sim->events);
	char *lines[TOLD_MOST];
	size_t n = 0, told = 0;
	while (rest.n) {
		struct json e = json_of(span_line(&rest));
		if (!json_is_text(json_get(e, "type"), "party") ||
		    json_has(json_path(e, "data.snapshot")))
			continue;
		if (!f || !f->lost[told++])
			lines[n++] = line_of(e, members);
	}
	join_sorted(lines, n, out);
}

/* Who watches and applies what is told in time, answers too, sees everybody as they stand. */
static void check_watcher(const char *what, unsigned number, const struct sim *sim)
{
	struct json seen[PARTIES_MOST] = { 0 };
	struct buf b AUTO_BUF = { 0 };
	struct span rest = buf_span(&sim->events), none;
	while (rest.n) {
		struct json e = json_of(span_line(&rest)), data = json_get(e, "data");
		unsigned who;
		if (json_is_text(json_get(e, "type"), "party") &&
		    !json_has(json_get(data, "late")) &&
		    sscanf(json_get(data, "party_id").raw.p, "\"p-x-%u", &who) == 1)
			seen[who - 1] = data;
	}
	session_snapshot(sim->s, &b);
	struct json_iter it = json_iter(json_get(json_of(buf_span(&b)), "parties"));
	struct json p;
	while (json_next(&it, &none, &p)) {
		unsigned who = 0;
		assert_int_equal(sscanf(json_get(p, "party_id").raw.p, "\"p-x-%u", &who), 1);
		struct json told = seen[who - 1];
		if (span_eq(json_get(told, "state").raw, json_get(p, "state").raw) &&
		    span_eq(json_get(told, "muted").raw, json_get(p, "muted").raw))
			continue;
		fail_msg("session %u of seed %llu, %s: stands %.*s, told %.*s", number,
			 (unsigned long long)base_seed, what, SPAN_ARG(p.raw), SPAN_ARG(told.raw));
	}
}

static void same(const char *what, unsigned number, struct span want, struct span got)
{
	if (span_eq(want, got))
		return;
	fail_msg("session %u of seed %llu, %s:\n--- in order\n%.*s--- this time\n%.*s", number,
		 (unsigned long long)base_seed, what, SPAN_ARG(want), SPAN_ARG(got));
}

struct expected {
	struct sim sim;
	struct buf history;
};

static void expect(const struct story *t, struct expected *x)
{
	struct feed f;
	*x = (struct expected){ 0 };
	in_order(t, &f);
	play(&x->sim, t, &f);
	history_of(&x->sim, NULL, &x->history);
}

static void forget(struct expected *x)
{
	sim_fini(&x->sim);
	buf_free(&x->history);
}

static void same_view(const char *what, unsigned number, const struct view *v,
		      const struct expected *x, const struct sim *sim)
{
	struct buf want AUTO_BUF = { 0 }, got AUTO_BUF = { 0 };
	state_of(&x->sim, v, &want);
	state_of(sim, v, &got);
	same(what, number, buf_span(&want), buf_span(&got));
}

static void check(const char *what, unsigned number, const struct story *t, const struct feed *f,
		  const struct expected *x)
{
	struct sim sim;
	struct buf history AUTO_BUF = { 0 };
	play(&sim, t, f);
	history_of(&sim, NULL, &history);
	same_view(what, number, &whole, x, &sim);
	same_view(what, number, &of_agent, x, &sim);
	same(what, number, buf_span(&x->history), buf_span(&history));
	check_watcher(what, number, &sim);
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* --- what is known without the lost messages --- */

static bool talks(const struct told *m)
{
	return strcmp(m->is.code, "Answered") == 0 || strcmp(m->is.code, "Hold") == 0 ||
	       strcmp(m->is.code, "Parked") == 0;
}

static bool goes(const struct told *m)
{
	return strcmp(m->is.code, "Disconnected") == 0 || strcmp(m->is.code, "Gone") == 0;
}

static bool takes_message(const struct told *m)
{
	return strcasecmp(m->is.code, "VoiceMail") == 0;
}

static bool any_lost(const struct story *t, const struct feed *f, bool (*is)(const struct told *))
{
	for (unsigned i = 0; i < t->n; i++)
		if (f->lost[i] && is(&t->told[i]))
			return true;
	return false;
}

/* Each party's first word, or its first such word. */
static bool firsts_are_known(const struct story *t, const struct feed *f,
			     bool (*is)(const struct told *))
{
	bool had[PARTIES_MOST] = { 0 };
	for (unsigned i = 0; i < t->n; i++) {
		bool first = !had[t->told[i].party] && (!is || is(&t->told[i]));
		if (first && f->lost[i])
			return false;
		had[t->told[i].party] |= first;
	}
	return true;
}

/* Otherwise the agent is who rang first. */
static bool ours_talked(const struct story *t)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->told[i].is.role == AGENT && talks(&t->told[i]))
			return true;
	return false;
}

/* Lost is only what passes: how a call began, and holds. */
static bool times_are_known(const struct story *t, const struct feed *f)
{
	for (unsigned i = 0; i < t->n; i++) {
		const char *code = t->told[i].is.code;
		bool passing = strcmp(code, "Setup") == 0 || strcmp(code, "Proceeding") == 0 ||
			       strcmp(code, "Hold") == 0;
		if (f->lost[i] && !passing)
			return false;
	}
	return true;
}

enum { SEEN_WHOLE, SEEN_SIDES, SEEN_CUSTOMER, SEEN_REASON, SEEN_AGENT, SEEN_COUNT };
struct tally {
	unsigned of[SEEN_COUNT];
};

static void check_lossy(unsigned number, const struct story *t, const struct feed *f,
			const struct expected *x, struct tally *tally)
{
	struct sim sim;
	struct buf history AUTO_BUF = { 0 }, want AUTO_BUF = { 0 };
	bool machines = !any_lost(t, f, takes_message);
	bool talkers = firsts_are_known(t, f, talks), firsts = firsts_are_known(t, f, NULL);
	const struct {
		bool known;
		const char *what;
		const struct view *view;
	} rows[SEEN_COUNT] = {
		[SEEN_WHOLE] = { t->ended && times_are_known(t, f), "some lost, times known",
				 &whole },
		[SEEN_SIDES] = { machines, "some lost, sides", &of_sides },
		[SEEN_CUSTOMER] = { firsts, "some lost, customer", &of_customer },
		[SEEN_REASON] = { machines && talkers && !any_lost(t, f, goes),
				  "some lost, why it ended", &of_reason },
		[SEEN_AGENT] = { machines && talkers && (firsts || ours_talked(t)),
				 "some lost, agent", &of_agent },
	};
	play(&sim, t, f);
	history_of(&sim, NULL, &history);
	history_of(&x->sim, f, &want);
	same_view("some lost", number, &answered, x, &sim);
	same("some lost", number, buf_span(&want), buf_span(&history));
	check_watcher("some lost", number, &sim);
	for (size_t i = 0; i < SEEN_COUNT; i++) {
		if (!rows[i].known)
			continue;
		same_view(rows[i].what, number, rows[i].view, x, &sim);
		tally->of[i]++;
	}
	sim_check_replay(&sim);
	sim_fini(&sim);
}

/* A party's last word came, or has it gone, or the one before it is older than the moment: then how
 * it stands is known. */
static bool is_known(const struct story *t, const struct feed *f, unsigned who, int64_t date_ms)
{
	const struct told *last = NULL, *came = NULL;
	for (unsigned i = 0; i < t->n; i++) {
		if (t->told[i].party != who)
			continue;
		last = &t->told[i];
		came = f->lost[i] ? came : last;
	}
	return last == came || strcmp(last->is.code, "Disconnected") == 0 ||
	       strcmp(last->is.code, "Gone") == 0 || !came || came->at_ms < date_ms - 1000;
}

static struct json party_of(struct json parties, unsigned who)
{
	struct json_iter it = json_iter(parties);
	struct span none;
	struct json p;
	char id[32];
	snprintf(id, sizeof(id), "p-x-%u", who + 1);
	while (json_next(&it, &none, &p))
		if (json_is_text(json_get(p, "party_id"), id))
			return p;
	return (struct json){ 0 };
}

static unsigned check_close(unsigned number, const struct story *t, const struct feed *f,
			    int64_t date_ms, const struct expected *x)
{
	struct sim sim;
	struct buf got AUTO_BUF = { 0 }, want AUTO_BUF = { 0 };
	unsigned compared = 0;
	play(&sim, t, f);
	session_snapshot(sim.s, &got);
	session_snapshot(x->sim.s, &want);
	for (unsigned who = 0; who < t->actors_n; who++) {
		struct json g = party_of(json_get(json_of(buf_span(&got)), "parties"), who);
		struct json w = party_of(json_get(json_of(buf_span(&want)), "parties"), who);
		if (!is_known(t, f, who, date_ms))
			continue;
		same("of the same moment", number, json_get(w, "state").raw,
		     json_get(g, "state").raw);
		compared++;
	}
	check_watcher("of the same moment", number, &sim);
	sim_check_replay(&sim);
	sim_fini(&sim);
	return compared;
}

static void check_unknown_in_the_end(const struct story *t, const struct feed *f)
{
	struct sim sim;
	play(&sim, t, f);
	assert_true(session_ended(sim.s));
	sim_check_replay(&sim);
	sim_fini(&sim);
}

static void sessions_in_any_order(void **state)
{
	unsigned ended = 0, parties = 0, words = 0, moments = 0;
	struct tally tally = { 0 };
	(void)state;
	print_message("seed %llu, %u sessions\n", (unsigned long long)base_seed, sessions_n);
	for (unsigned i = 0; i < sessions_n; i++) {
		static struct story t;
		static struct feed f;
		struct expected x;
		seed = (base_seed + i) * UINT64_C(0x9E3779B97F4A7C15) | 1;
		for (int warm = 0; warm < 8; warm++)
			(void)random_next(&seed);
		make_story(&t);
		expect(&t, &x);
		assert_int_equal(session_ended(x.sim.s), t.ended);
		shuffled(&t, &f, 3000, false);
		check("a little late", i, &t, &f, &x);
		shuffled(&t, &f, 60000, true);
		check("in any order", i, &t, &f, &x);
		lossy(&t, &f, true);
		check_lossy(i, &t, &f, &x, &tally);
		int64_t date_ms = close(&t, &f);
		moments += check_close(i, &t, &f, date_ms, &x);
		lossy(&t, &f, false);
		check_unknown_in_the_end(&t, &f);
		ended += t.ended;
		parties += t.actors_n;
		words += t.n;
		forget(&x);
	}
	print_message(
		"%u ended, %u parties, %u words, %u parties in the moment of the answer; with "
		"losses %u compared whole, %u sides, %u customer, %u why ended, %u agent\n",
		ended, parties, words, moments, tally.of[SEEN_WHOLE], tally.of[SEEN_SIDES],
		tally.of[SEEN_CUSTOMER], tally.of[SEEN_REASON], tally.of[SEEN_AGENT]);
	for (size_t i = 0; i < SEEN_COUNT; i++)
		assert_true(sessions_n < 100 || tally.of[i] >= sessions_n / 5);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(sessions_in_any_order) };
	base_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : base_seed;
	sessions_n = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : sessions_n;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
