/* How live lanes, the projector and replay apply a record.
 *
 * Failure modes: a record that stopped the core twice - a stand-in is applied that only flags the
 * call; when it was a TICK, one of the call's timers did it, and none of them fires any more. */
#include <inttypes.h>

#include "ingest/lane.h"

static int apply(struct session **session, const struct record *r, const struct call_host *host,
		 struct fault *f)
{
	/* A BIND is written only where there is no session: it begins one, whatever this reader,
	 * who may have begun to read earlier or later, still remembers. */
	if (*session && (r->kind == RECORD_BIND || session_expired(*session, r->at_us))) {
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
		rc = *session ? apply(session, &stand_in, host, f) : 0;
		if (*session && r->kind == RECORD_TICK)
			session_stop_timers(*session);
		return rc;
	}
	poison_enter(poison, slot, poison ? poison_key(r) : 0);
	rc = apply(session, r, host, f);
	poison_leave(poison, slot);
	return rc;
}
