#include <inttypes.h>

#include "ingest/lane.h"

static void no_effect(void *self, const struct effect *e)
{
	(void)self;
	(void)e;
}

static void no_answer(void *self, uint64_t number, struct span body)
{
	(void)self;
	(void)number;
	(void)body;
}

static void no_command(void *self, const struct uuid *id, enum command_state state,
		       struct span json)
{
	(void)self;
	(void)id;
	(void)state;
	(void)json;
}

struct call_host host_for_events(void *self, void (*publish)(void *, const struct event *))
{
	return (struct call_host){ self, publish, no_effect, no_answer, no_command };
}

static int apply(struct session **session, const struct record *r, const struct call_host *host,
		 struct fault *f)
{
	if (*session && session_expired(*session, r->at_us)) {
		session_free(*session);
		*session = NULL;
	}
	if (!*session) {
		if (r->kind != RECORD_BIND)
			return fault(f, E_NOT_FOUND,
				     "record %" PRIu64 " belongs to no call in memory", r->number);
		*session = session_new(&r->call);
	}
	int rc = session_apply(*session, r, host, f);
	if (!session_settings(*session)) { /* a BIND that cannot be read must not leave a call that
					      never ends */
		session_free(*session);
		*session = NULL;
	}
	return rc;
}

int step(struct session **session, const struct record *r, const struct call_host *host,
	 struct poison *poison, unsigned slot, struct fault *f)
{
	int rc;

	if (poison_skip_record(poison, r)) {
		struct record stand_in = *r;

		stand_in.kind = RECORD_QUARANTINED;
		stand_in.body = SPAN("applying it stopped the core twice");
		return *session ? apply(session, &stand_in, host, f) : 0;
	}
	poison_enter(poison, slot, poison ? poison_key(r) : 0);
	rc = apply(session, r, host, f);
	poison_leave(poison, slot);
	return rc;
}
