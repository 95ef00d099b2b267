#include "call/parts.h"

#include <stddef.h>

static const struct {
	const char *name;
	enum fact_place place;
	size_t offset; /* into struct call_facts */
} facts[FACT_COUNT] = {
#define X(member, text, where) \
	[FACT_##member] = { text, FACT_##where, offsetof(struct call_facts, member) },
	FACTS(X)
#undef X
};

/* Nested objects of the public form, in this order after the top level members. */
static const struct {
	const char *name;
	enum fact_place place;
} groups[] = {
	{ NULL, FACT_TOP },
	{ "customer", FACT_CUSTOMER },
	{ "assistant", FACT_ASSISTANT },
};

struct span facts_get(const struct session *s, enum fact f)
{
	return kept_span(&s->facts.value[f]);
}

static struct span given(const struct call_facts *cf, enum fact f)
{
	return *(const struct span *)(const void *)((const char *)cf + facts[f].offset);
}

static bool any(const struct session *s, uint32_t which, enum fact_place place)
{
	for (unsigned i = 0; i < FACT_COUNT; i++)
		if (facts[i].place == place && (which >> i & 1) && s->facts.value[i].n)
			return true;
	return false;
}

static void put_place(const struct session *s, struct json_out *o, uint32_t which,
		      enum fact_place place)
{
	for (unsigned i = 0; i < FACT_COUNT; i++)
		if (facts[i].place == place && (which >> i & 1) && s->facts.value[i].n)
			json_put_text(o, facts[i].name, kept_span(&s->facts.value[i]));
}

/* FACT_PRIVATE is in no group: control and listen URLs are capabilities and are never published. */
static void put_some(const struct session *s, struct json_out *o, uint32_t which)
{
	for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++) {
		if (groups[g].name && !any(s, which, groups[g].place))
			continue;
		if (groups[g].name)
			json_begin(o, groups[g].name);
		put_place(s, o, which, groups[g].place);
		if (groups[g].name)
			json_end(o);
	}
}

/* One message sees one party only: together they know these better. */
#define OF_PARTIES                                                              \
	(UINT32_C(1) << FACT_kind | UINT32_C(1) << FACT_customer_number |       \
	 UINT32_C(1) << FACT_customer_name | UINT32_C(1) << FACT_phone_number | \
	 UINT32_C(1) << FACT_assistant_id | UINT32_C(1) << FACT_assistant_name)

/* Takes what is new or different over, but for `not`; a fact that is not given stays. Returns a bit
 * per change. */
static uint32_t learn(struct session *s, const struct call_facts *cf, uint32_t not )
{
	uint32_t changed = 0;
	for (unsigned i = 0; i < FACT_COUNT; i++) {
		struct span v = given(cf, (enum fact)i);
		if (not >> i & 1 || !v.n || span_eq(v, kept_span(&s->facts.value[i])))
			continue;
		kept_set(&s->facts.value[i], v);
		if (facts[i].place != FACT_PRIVATE)
			changed |= UINT32_C(1) << i;
	}
	return changed;
}

/* A conversation is what the provider's session holds together, else the call itself. */
static struct uuid conversation_of(const struct session *s)
{
	struct span name = facts_get(s, FACT_session_id);
	if (!name.n)
		name = facts_get(s, FACT_provider_call_id);
	return uuid_v5(&s->settings.source, name);
}

static void started(struct session *s, int64_t at_us)
{
	struct draft d;
	s->facts.conversation = conversation_of(s);
	draft_begin(s, &d, EVENT_CALL_STARTED, at_us);
	pipeline_put_text(&d.o, "source", s->settings.source_name);
	pipeline_put_text(&d.o, "dialect", s->settings.dialect);
	pipeline_put_text(&d.o, "project", s->settings.project_name);
	pipeline_put_uuid(&d.o, "source_id", &s->settings.source);
	pipeline_put_uuid(&d.o, "project_id", &s->settings.project);
	pipeline_put_uuid(&d.o, "org_id", &s->settings.org);
	pipeline_put_uuid(&d.o, "conversation_id", &s->facts.conversation);
	pipeline_put_uuid(&d.o, "instruction_version", &s->facts.instruction);
	put_some(s, &d.o, UINT32_MAX);
	pipeline_put_time(&d.o, "created_at", s->facts.created_us);
	draft_emit(s, &d);
}

static void warn(struct session *s, enum flag flag, const char *warning, const char *advice)
{
	struct draft d;
	if (s->flags >> flag & 1)
		return;
	session_flag(s, flag);
	draft_begin(s, &d, EVENT_PROVIDER_WARNING, 0);
	json_put_z(&d.o, "warning", warning);
	json_put_z(&d.o, "advice", advice);
	draft_emit(s, &d);
}

static void check_configuration(struct session *s, const struct call_facts *cf)
{
	if (cf->transcript_subscribed_known && !cf->transcript_subscribed)
		warn(s, FLAG_NO_TRANSCRIPT, "transcript_not_subscribed",
		     "Live transcripts are not sent for this call. Add \"transcript\" to the "
		     "assistant's serverMessages; until then turns come from the history.");
	if (cf->retries_known && !cf->retries_on)
		warn(s, FLAG_NO_RETRIES, "retries_off",
		     "The provider does not repeat a message that was not answered. Set "
		     "server.backoffPlan.maxRetries to 3 or more.");
}

static void trust_start(struct session *s, int64_t started_us)
{
	struct status_state *st = &s->status;
	bool better = !st->started_us || st->start_guessed;
	if (!better || !pipeline_believable(s, started_us))
		return;
	status_began(s, started_us);
}

static void tell(struct session *s, uint32_t changed, int64_t at_us)
{
	if (!s->facts.known) {
		s->facts.known = true;
		started(s, at_us);
	} else if (changed) {
		struct draft d;
		draft_begin(s, &d, EVENT_CALL_UPDATED, at_us);
		put_some(s, &d.o, changed);
		draft_emit(s, &d);
	}
}

void facts_input(struct session *s, const struct input *in)
{
	const struct call_facts *cf = in->facts;
	if (!cf)
		return;
	uint32_t changed = learn(s, cf, s->parties.n ? OF_PARTIES : 0);
	s->facts.created_us = cf->created_us ? cf->created_us : s->facts.created_us;
	if (pipeline_believable(s, cf->created_us))
		party_least(&s->first_us, cf->created_us);
	s->facts.transcript_subscribed |=
		cf->transcript_subscribed_known && cf->transcript_subscribed;
	trust_start(s, cf->started_us);
	tell(s, changed, in->at_us);
	check_configuration(s, cf);
}

/* Exactly these: what another was called is not what the present one is called. */
void facts_of_parties(struct session *s, const struct call_facts *cf, int64_t at_us)
{
	uint32_t changed = learn(s, cf, ~OF_PARTIES);
	for (unsigned i = 0; i < FACT_COUNT; i++)
		if ((OF_PARTIES >> i & 1) && !given(cf, (enum fact)i).n)
			kept_free(&s->facts.value[i]);
	tell(s, changed, at_us);
}

void facts_assistant(struct session *s, const struct input *in)
{
	struct draft d;
	if (in->id.n)
		kept_set(&s->facts.value[FACT_assistant_id], in->id);
	if (in->name.n)
		kept_set(&s->facts.value[FACT_assistant_name], in->name);
	draft_begin(s, &d, EVENT_ASSISTANT_STARTED, in->at_us);
	d.e.speaker = SPEAKER_AI;
	pipeline_put_text(&d.o, "id", in->id);
	pipeline_put_text(&d.o, "name", in->name);
	draft_emit(s, &d);
}

size_t facts_bytes(const struct session *s)
{
	size_t n = 0;
	for (unsigned i = 0; i < FACT_COUNT; i++)
		n += s->facts.value[i].n;
	return n;
}

void facts_fini(struct session *s)
{
	for (unsigned i = 0; i < FACT_COUNT; i++)
		kept_free(&s->facts.value[i]);
}
