/* Who takes part in a call, where the platform tells of its parties one by one (callmend/input.h).
 *
 *   word ─► merged by party id ─► event `party` ─► facts, status, end of the call
 *
 * Words come in any order, repeatedly, and some never; asking brings snapshots. Each
 * party is merged so that their order does not matter (party.h), and what follows from all of them
 * is computed anew after every word.
 *
 * Failure modes
 *   an older word comes later      told with late: true, changes nothing but what only it knows
 *   a word is lost                 the next word of the party, or a snapshot, says how it stands
 *   an answer leaves somebody out  who was known well before it is gone
 *   the last word is lost          no news for idle_close_ms: the platform is asked (status.c)
 *   the last one was handed over   the next is waited for, then the platform is asked
 *   somebody comes after the end   the call lives again, its end is told anew later
 *   more parties than we hold      the one gone longest is dropped; when all are there, the new one
 * is told and not held (older_parties_dropped) */
#include "call/parts.h"

#include <stddef.h>
#include <stdlib.h>

#define NOT_FOUND "not-found"
/* An answer may lag behind the events: whom these have told of so shortly before it need not be in
 * it yet. */
#define LISTED_LATE_US (INT64_C(5) * SECOND_US)

/* --- all of them --- */

static struct party *find(const struct parties_state *ps, struct span id)
{
	struct span clipped = kept_clip(id, PARTY_BYTES);
	for (uint32_t i = 0; i < ps->n; i++)
		if (span_eq(kept_span(&ps->items[i].id), clipped))
			return &ps->items[i];
	return NULL;
}

static bool counts(const struct party *p)
{
	return p->side != PARTY_SUPERVISOR;
}

static bool drop_one(struct session *s)
{
	struct parties_state *ps = &s->parties;
	struct party *oldest = NULL;
	session_flag(s, FLAG_PARTIES_FULL);
	for (uint32_t i = 0; i < ps->n; i++)
		if (party_is_gone(&ps->items[i]) &&
		    (!oldest || party_gone_before(&ps->items[i], oldest)))
			oldest = &ps->items[i];
	if (!oldest)
		return false;
	ps->dropped++;
	if (oldest->event.known && oldest->event.sequence > ps->dropped_sequence)
		ps->dropped_sequence = oldest->event.sequence;
	if (party_talked_us(oldest) && counts(oldest))
		party_least(&ps->dropped_talked_us, party_talked_us(oldest));
	party_free(oldest);
	size_t behind = ps->n - (size_t)(oldest - ps->items) - 1;
	memmove(oldest, oldest + 1, behind * sizeof(*oldest));
	ps->n--;
	return true;
}

/* What is heard of a party that was dropped must not bring it back. */
static bool was_dropped(const struct parties_state *ps, const struct call_party *p)
{
	return ps->dropped &&
	       (party_over(p->state) || (p->sequence >= 0 && p->sequence <= ps->dropped_sequence));
}

static struct party *add(struct session *s, struct span id)
{
	struct parties_state *ps = &s->parties;
	if (ps->n == PARTIES_MAX && !drop_one(s))
		return NULL;
	if (ps->n == ps->cap) {
		ps->cap = ps->cap ? ps->cap * 2 : 4;
		ps->items = realloc(ps->items, ps->cap * sizeof(*ps->items));
		CHECK(ps->items);
	}
	struct party *p = &ps->items[ps->n++];
	*p = (struct party){ .first = INT64_MAX, .seen_us = s->now.at_us };
	kept_set_clipped(&p->id, id, PARTY_BYTES);
	return p;
}

/* Supervisors hold no call up, unless we are told of nobody else. */
static bool nobody_left(const struct parties_state *ps)
{
	bool talkers = false, supervised = false;
	for (uint32_t i = 0; i < ps->n; i++) {
		bool there = !party_is_gone(&ps->items[i]);
		if (counts(&ps->items[i]) && there)
			return false;
		talkers |= counts(&ps->items[i]);
		supervised |= there;
	}
	return talkers || (ps->n && !supervised);
}

/* The last to go, of all who count or of those of one side who have talked. NULL: nobody. */
static const struct party *last_gone(const struct parties_state *ps, bool talked,
				     enum party_side side)
{
	const struct party *last = NULL;
	for (uint32_t i = 0; i < ps->n; i++) {
		const struct party *p = &ps->items[i];
		bool fits = talked ? party_talked_us(p) && p->side == side : counts(p);
		if (fits && party_is_gone(p) && (!last || party_gone_before(last, p)))
			last = p;
	}
	return last;
}

static const struct party *last_of_all(const struct parties_state *ps)
{
	return last_gone(ps, false, PARTY_OUTSIDE);
}

/* --- why it is over --- */

static struct span moved_to(const struct party *p)
{
	return p ? kept_span(&party_standing(p)->moved_to) : (struct span){ 0 };
}

static bool was_moved(const struct party *p)
{
	return party_standing(p)->state == PARTY_MOVED;
}

static struct span who_hung_up(const struct party *out, const struct party *in)
{
	if (!out || was_moved(out) || was_moved(in)) {
		const struct party *stayed = out && !was_moved(out) ? out : in;
		if (was_moved(stayed))
			return SPAN("moved");
		return stayed == out ? SPAN("customer-hung-up") : SPAN("agent-hung-up");
	}
	return party_gone_before(out, in) ? SPAN("customer-hung-up") : SPAN("agent-hung-up");
}

/* Nobody of ours has talked with them. */
static struct span why_not_reached(const struct parties_state *ps, const struct party *out)
{
	const struct party *last = NULL;
	for (uint32_t i = 0; i < ps->n; i++) {
		const struct party *p = &ps->items[i];
		struct span why = party_text(p, PARTY_TEXT_ends_as);
		if (span_is(why, "voicemail"))
			return why;
		if (why.n && (!last || party_gone_before(last, p)))
			last = p;
	}
	if (last)
		return party_text(last, PARTY_TEXT_ends_as);
	return out ? SPAN("customer-hung-up") : SPAN("cancelled");
}

struct span parties_moved_to(const struct session *s)
{
	struct span elsewhere = moved_to(last_of_all(&s->parties));
	return elsewhere.n ? elsewhere : moved_to(last_gone(&s->parties, true, PARTY_OUTSIDE));
}

static bool has_outside(const struct parties_state *ps)
{
	for (uint32_t i = 0; i < ps->n; i++)
		if (ps->items[i].side == PARTY_OUTSIDE)
			return true;
	return false;
}

/* Somebody of ours, who calls among ourselves, is told to have answered as soon as it rings there.
 */
static bool rang_in_vain(const struct parties_state *ps, const struct party *in)
{
	bool others = false;
	for (uint32_t i = 0; i < ps->n; i++) {
		const struct party *p = &ps->items[i];
		if (p == in || p->side == PARTY_SUPERVISOR)
			continue;
		if (p->side == PARTY_INSIDE && party_talked_us(p))
			return false;
		others = true;
	}
	return others && !in->outbound;
}

static struct span why_over(const struct session *s)
{
	const struct parties_state *ps = &s->parties;
	const struct party *last = last_of_all(ps);
	const struct party *out = last_gone(ps, true, PARTY_OUTSIDE);
	const struct party *in = last_gone(ps, true, PARTY_INSIDE);
	if (parties_moved_to(s).n)
		return SPAN("moved");
	if (!last || span_is(kept_span(&party_standing(last)->reason), NOT_FOUND))
		return SPAN(NOT_FOUND);
	if (in && (out || (!has_outside(ps) && !rang_in_vain(ps, in))))
		return who_hung_up(out, in);
	return why_not_reached(ps, out);
}

/* The last to go; when nobody but supervisors was told of, the last of those. */
static int64_t over_us(const struct session *s)
{
	const struct party *last = last_of_all(&s->parties);
	int64_t us = last ? party_since(last) : 0;
	for (uint32_t i = 0; !last && i < s->parties.n; i++) {
		int64_t since = party_since(&s->parties.items[i]);
		us = since > us ? since : us;
	}
	return us;
}

/* --- what follows from them --- */

static int64_t began_us(const struct parties_state *ps)
{
	int64_t first = ps->dropped_talked_us;
	for (uint32_t i = 0; i < ps->n; i++)
		if (counts(&ps->items[i]) && party_talked_us(&ps->items[i]))
			party_least(&first, party_talked_us(&ps->items[i]));
	return first;
}

static void judge(struct session *s, int64_t at_us)
{
	int64_t began = began_us(&s->parties);
	bool over = nobody_left(&s->parties);
	if (began)
		status_began(s, began);
	if (!over && s->status.ended)
		status_lives_again(s);
	if (began)
		status_stands(s, "in-progress", began);
	else if (!over)
		status_stands(s, "ringing", at_us);
	if (over && s->status.ended)
		status_over(s, why_over(s), over_us(s));
}

/* Also somebody of ours whose voicemail took over. */
static bool is_on(const struct party *p, enum party_side side)
{
	bool ours = side == PARTY_INSIDE && p->was_inside && p->side != PARTY_SUPERVISOR;
	return p->side == side || ours;
}

/* Whoever is known by snapshots only stands behind the others. NULL: nobody yet. */
static bool came_before(const struct party *p, const struct party *first)
{
	return !first || p->first < first->first ||
	       (p->first == first->first && party_id_order(p, first) < 0);
}

/* The first of a side. */
static const struct party *first_of(const struct parties_state *ps, enum party_side side)
{
	const struct party *first = NULL;
	for (uint32_t i = 0; i < ps->n; i++) {
		const struct party *p = &ps->items[i];
		if (is_on(p, side) && came_before(p, first))
			first = p;
	}
	return first;
}

/* A telephone outside is told of with its number; by whom it is connected with, with its name. */
static struct span name_of(const struct parties_state *ps, const struct party *customer)
{
	struct span own = party_text(customer, PARTY_TEXT_name);
	struct span number = party_text(customer, PARTY_TEXT_number);
	const struct party *by = NULL;
	for (uint32_t i = 0; !own.n && number.n && i < ps->n; i++) {
		const struct party *p = &ps->items[i];
		bool knows = p != customer && party_text(p, PARTY_TEXT_peer_name).n &&
			     span_eq(party_text(p, PARTY_TEXT_peer_number), number);
		if (knows && came_before(p, by))
			by = p;
	}
	return by ? party_text(by, PARTY_TEXT_peer_name) : own;
}

/* Of ours the one who took over last. */
static const struct party *agent_of(const struct parties_state *ps)
{
	const struct party *agent = NULL;
	for (uint32_t i = 0; i < ps->n; i++) {
		const struct party *p = &ps->items[i];
		if (p->side != PARTY_INSIDE || !party_talked_us(p))
			continue;
		bool after = !agent || party_talked_us(p) > party_talked_us(agent) ||
			     (party_talked_us(p) == party_talked_us(agent) &&
			      party_id_order(p, agent) > 0);
		agent = after ? p : agent;
	}
	return agent ? agent : first_of(ps, PARTY_INSIDE);
}

static void learn_customer(const struct parties_state *ps, struct call_facts *f)
{
	const struct party *customer = first_of(ps, PARTY_OUTSIDE);
	const struct party *ours = first_of(ps, PARTY_INSIDE);
	if (customer) {
		f->kind = customer->outbound ? SPAN("outbound") : SPAN("inbound");
		f->customer_number = party_text(customer, PARTY_TEXT_number);
		f->customer_name = name_of(ps, customer);
		f->phone_number = party_text(customer, PARTY_TEXT_peer_number);
	} else if (ours) {
		f->kind = ours->outbound ? SPAN("inbound") : SPAN("outbound");
		f->phone_number = party_text(ours, PARTY_TEXT_number);
	}
	if (!customer && ours && !ours->peer_inside) {
		f->customer_number = party_text(ours, PARTY_TEXT_peer_number);
		f->customer_name = party_text(ours, PARTY_TEXT_peer_name);
	}
}

static void learn_facts(struct session *s, int64_t at_us)
{
	const struct parties_state *ps = &s->parties;
	const struct party *agent = agent_of(ps);
	struct call_facts f = { 0 };
	learn_customer(ps, &f);
	if (agent) {
		f.assistant_id = party_text(agent, PARTY_TEXT_extension);
		f.assistant_name = party_text(agent, PARTY_TEXT_name);
	}
	facts_of_parties(s, &f, at_us);
}

/* --- telling --- */

static enum speaker speaker_of(enum party_side side)
{
	static const enum speaker speakers[] = { [PARTY_OUTSIDE] = SPEAKER_USER,
						 [PARTY_INSIDE] = SPEAKER_AI,
						 [PARTY_SYSTEM] = SPEAKER_NONE,
						 [PARTY_SUPERVISOR] = SPEAKER_NONE };
	return speakers[side];
}

static void put_texts(const struct party *p, struct json_out *o)
{
	pipeline_put_text(o, "number", party_text(p, PARTY_TEXT_number));
	pipeline_put_text(o, "name", party_text(p, PARTY_TEXT_name));
	pipeline_put_text(o, "extension", party_text(p, PARTY_TEXT_extension));
}

static void put_recording(struct json_out *o, struct span id, bool on)
{
	if (!id.n)
		return;
	json_begin(o, "recording");
	json_put_text(o, "id", id);
	json_put_bool(o, "on", on);
	json_end(o);
}

/* One word, and of the party what does not change. */
static void tell(struct session *s, const struct party *mine, const struct call_party *p,
		 int64_t at_us, bool late)
{
	struct draft d;
	if (late)
		session_flag(s, FLAG_LATE);
	draft_begin(s, &d, EVENT_PARTY, at_us);
	d.e.speaker = speaker_of(mine->side);
	json_put_text(&d.o, "party_id", p->id);
	json_put_z(&d.o, "side", party_side_name(mine->side));
	json_put_z(&d.o, "state", party_state_name(p->state));
	pipeline_put_text(&d.o, "code", p->code);
	pipeline_put_text(&d.o, "reason", p->reason);
	put_texts(mine, &d.o);
	if (p->muted_known)
		json_put_bool(&d.o, "muted", p->muted);
	put_recording(&d.o, p->recording, p->recording_on);
	if (p->moved_to.n)
		json_put_text(&d.o, "moved_to", p->moved_to);
	if (late)
		json_put_bool(&d.o, "late", true);
	if (p->sequence < 0)
		json_put_bool(&d.o, "snapshot", true);
	draft_emit(s, &d);
}

/* --- words --- */

/* An answer without a time of its own: ours, on the platform's clock. */
static int64_t answer_time(const struct session *s, int64_t at_us)
{
	bool ours = at_us == s->now.at_us;
	return at_us - (ours && s->skew_us != INT64_MAX ? s->skew_us : 0);
}

static int64_t time_of(const struct session *s, const struct input *in)
{
	return in->party->sequence < 0 ? answer_time(s, in->at_us) : in->at_us;
}

static struct call_party not_found(const struct party *p)
{
	return (struct call_party){ .id = kept_span(&p->id),
				    .sequence = -1,
				    .state = PARTY_LEFT,
				    .reason = SPAN(NOT_FOUND) };
}

/* What snapshots told before it was known. */
static void catch_up(struct session *s, struct party *mine)
{
	const struct call_party gone = not_found(mine);
	for (unsigned i = 0; i < 2 && s->parties.unknown_us[0]; i++)
		(void)party_merge(mine, &gone, s->parties.unknown_us[i]);
}

/* What makes an answer news. */
struct shown {
	enum party_state state;
	bool muted, recording_on;
};

static struct shown shown_of(const struct party *p)
{
	return (struct shown){ party_standing(p)->state, party_is_muted(p),
			       party_described(p)->recording_on };
}

static void take_snapshot(struct session *s, struct party *mine, const struct call_party *p,
			  int64_t at_us, bool first)
{
	const struct shown before = shown_of(mine);
	(void)party_merge(mine, p, at_us); /* an older one is no news */
	const struct shown now = shown_of(mine);
	bool news = first || now.state != before.state || now.muted != before.muted ||
		    now.recording_on != before.recording_on;
	if (news)
		tell(s, mine, p, at_us, false);
}

static void take_event(struct session *s, struct party *mine, const struct call_party *p,
		       int64_t at_us)
{
	bool newest = party_merge(mine, p, at_us);
	tell(s, mine, p, at_us, !newest || party_described(mine) != &mine->event);
}

static void tell_only(struct session *s, const struct call_party *p, int64_t at_us)
{
	const struct party nobody = { .side = p->side };
	if (p->sequence >= 0)
		tell(s, &nobody, p, at_us, true);
}

static void take_word(struct session *s, const struct call_party *p, int64_t at_us)
{
	struct party *mine = find(&s->parties, p->id);
	bool first = !mine;
	if (first && !was_dropped(&s->parties, p))
		mine = add(s, p->id);
	if (!mine) {
		tell_only(s, p, at_us);
		return;
	}
	if (first)
		catch_up(s, mine);
	if (p->sequence < 0)
		take_snapshot(s, mine, p, at_us, first && !mine->snapshot.known);
	else
		take_event(s, mine, p, at_us);
}

void parties_input(struct session *s, const struct input *in)
{
	const struct call_party *p = in->party;
	if (!p || !p->id.n)
		return;
	int64_t at_us = time_of(s, in);
	s->parties.news_us = s->now.at_us;
	s->parties.confirmed = p->sequence < 0;
	s->status.aftermath = false;
	take_word(s, p, at_us);
	learn_facts(s, at_us);
	judge(s, at_us);
}

static bool is_left_out(const struct party *p, int64_t at_us)
{
	return !party_is_gone(p) && !(p->snapshot.known && p->snapshot.at_us >= at_us) &&
	       party_standing(p)->at_us < at_us - LISTED_LATE_US;
}

void parties_listed(struct session *s, const struct input *in)
{
	struct parties_state *ps = &s->parties;
	int64_t at_us = answer_time(s, in->at_us);
	bool any = false;
	ps->news_us = s->now.at_us;
	ps->confirmed = true;
	for (uint32_t i = 0; i < ps->n; i++) {
		const struct call_party gone = not_found(&ps->items[i]);
		if (!is_left_out(&ps->items[i], at_us))
			continue;
		take_snapshot(s, &ps->items[i], &gone, at_us, false);
		any = true;
	}
	if (!any)
		return;
	learn_facts(s, at_us);
	judge(s, at_us);
}

void parties_unknown(struct session *s, int64_t answered_us)
{
	struct parties_state *ps = &s->parties;
	int64_t at_us = answer_time(s, answered_us);
	party_least(&ps->unknown_us[0], at_us);
	ps->unknown_us[1] = at_us > ps->unknown_us[1] ? at_us : ps->unknown_us[1];
	ps->news_us = s->now.at_us;
	ps->confirmed = true;
	for (uint32_t i = 0; i < ps->n; i++) {
		const struct call_party gone = not_found(&ps->items[i]);
		take_snapshot(s, &ps->items[i], &gone, at_us, false);
	}
	if (ps->n)
		judge(s, at_us);
}

/* --- looking --- */

static void view(const struct party *p, struct call_party *out)
{
	const struct party_word *w = party_described(p);
	*out = (struct call_party){ .id = kept_span(&p->id),
				    .sequence = w->sequence,
				    .side = p->side,
				    .state = w->state,
				    .code = kept_span(&w->code),
				    .reason = kept_span(&w->reason),
				    .outbound = p->outbound,
				    .muted = party_is_muted(p),
				    .muted_known = true,
				    .peer_inside = p->peer_inside,
				    .moved_to = kept_span(&w->moved_to),
				    .recording_on = w->recording_on };
#define X(member) out->member = party_text(p, PARTY_TEXT_##member);
	PARTY_TEXTS(X)
#undef X
}

bool parties_choose(const struct session *s, enum command_target target, struct call_party *out)
{
	enum party_side side = target == TARGET_CUSTOMER ? PARTY_OUTSIDE : PARTY_INSIDE;
	const struct party *chosen = NULL;
	for (uint32_t i = 0; i < s->parties.n; i++) {
		const struct party *p = &s->parties.items[i];
		if (p->side == side && party_talks(party_standing(p)->state) &&
		    (!chosen || party_talked_us(p) > party_talked_us(chosen)))
			chosen = p;
	}
	if (chosen)
		view(chosen, out);
	return chosen;
}

bool parties_new(const struct session *s, struct span id, int64_t since_us)
{
	const struct party *p = find(&s->parties, id);
	return p && p->seen_us >= since_us;
}

struct span parties_recording(const struct session *s, struct call_party *out)
{
	for (uint32_t i = 0; i < s->parties.n; i++) {
		const struct party *p = &s->parties.items[i];
		struct span recording = party_text(p, PARTY_TEXT_recording);
		if (!recording.n || !party_talks(party_standing(p)->state))
			continue;
		view(p, out);
		return recording;
	}
	return (struct span){ 0 };
}

static void put_party(const struct party *p, struct json_out *o)
{
	const struct party_word *w = party_described(p);
	json_begin(o, NULL);
	json_put_text(o, "party_id", kept_span(&p->id));
	json_put_z(o, "side", party_side_name(p->side));
	json_put_z(o, "state", party_state_name(w->state));
	pipeline_put_time(o, "since", party_since(p));
	pipeline_put_text(o, "code", kept_span(&w->code));
	pipeline_put_text(o, "reason", kept_span(&w->reason));
	put_texts(p, o);
	json_put_bool(o, "muted", party_is_muted(p));
	put_recording(o, party_text(p, PARTY_TEXT_recording), w->recording_on);
	if (w->moved_to.n)
		json_put_text(o, "moved_to", kept_span(&w->moved_to));
	json_end(o);
}

void parties_put(const struct session *s, struct json_out *o)
{
	json_begin_array(o, "parties");
	for (uint32_t i = 0; i < s->parties.n; i++)
		put_party(&s->parties.items[i], o);
	json_end_array(o);
	if (s->parties.dropped)
		json_put_i64(o, "parties_dropped", s->parties.dropped);
}

/* --- the stage --- */

/* The last of them was handed over, nobody has come, and nobody was asked. */
static bool awaits_next(const struct session *s)
{
	const struct party *last = last_of_all(&s->parties);
	return last && was_moved(last) && !parties_moved_to(s).n && !s->parties.confirmed;
}

static int64_t deadline(const struct session *s)
{
	const struct status_state *st = &s->status;
	if (st->ended || st->asking || st->retry_us || !nobody_left(&s->parties))
		return INT64_MAX;
	return s->parties.news_us + MS_US * (awaits_next(s) ? s->settings.party_handover_ms
							    : s->settings.party_settle_ms);
}

static void timer(struct session *s)
{
	if (!awaits_next(s) || !status_ask(s))
		(void)parties_give_up(s);
}

bool parties_give_up(struct session *s)
{
	if (!nobody_left(&s->parties))
		return false;
	status_over(s, why_over(s), over_us(s));
	return true;
}

static size_t bytes(const struct session *s)
{
	size_t n = s->parties.cap * sizeof(*s->parties.items);
	for (uint32_t i = 0; i < s->parties.n; i++) {
		const struct party *p = &s->parties.items[i];
		n += party_bytes(p);
	}
	return n;
}

static void fini(struct session *s)
{
	for (uint32_t i = 0; i < s->parties.n; i++)
		party_free(&s->parties.items[i]);
	free(s->parties.items);
}

const struct stage parties_stage = {
	.name = "parties",
	.deadline = deadline,
	.timer = timer,
	.bytes = bytes,
	.fini = fini,
};
