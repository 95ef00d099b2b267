/* Replay: a journal folder through the same sessions, events to a function. */
#include <stdlib.h>

#include "ingest/lane.h"

struct replay {
	const struct uuid *only;
	void (*event)(void *user, struct span json);
	void *user;
	struct call_entry *calls;
	struct buf json;
	struct poison *poison;
};

static void on_event(void *self, const struct event *e)
{
	struct replay *rp = self;

	buf_clear(&rp->json);
	event_write(e, &rp->json);
	rp->event(rp->user, buf_span(&rp->json));
}

static int on_record(void *user, const struct record *r)
{
	struct replay *rp = user;
	const struct call_host host = host_for_events(rp, on_event);
	struct call_entry *c;

	if (uuid_is_nil(&r->call) || (rp->only && !uuid_eq(rp->only, &r->call)))
		return 0;
	HASH_FIND(hh, rp->calls, &r->call, sizeof(r->call), c);
	if (!c) {
		c = calloc(1, sizeof(*c));
		CHECK(c);
		c->id = r->call;
		HASH_ADD(hh, rp->calls, id, sizeof(c->id), c);
	}
	/* What cannot be applied gave no events when it was live either. */
	int unreadable = step(&c->session, r, &host, rp->poison, 0, NULL);
	(void)unreadable;
	return 0;
}

int replay_journal(const char *dir, const struct uuid *call, void (*event)(void *, struct span),
		   void *user, struct fault *f)
{
	struct replay rp = { .only = call, .event = event, .user = user };
	struct call_entry *c, *next;
	struct buf state AUTO_BUF = { 0 };
	int rc;

	buf_printf(&state, "%s/..", dir); /* where the list of poisoned inputs is */
	rc = poison_read(&rp.poison, buf_z(&state), f);
	if (!rc)
		rc = journal_scan(dir, on_record, &rp, f);

	HASH_ITER (hh, rp.calls, c, next) {
		HASH_DEL(rp.calls, c);
		session_free(c->session);
		free(c);
	}
	poison_free(rp.poison);
	buf_free(&rp.json);
	return rc;
}
