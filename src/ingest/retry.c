/* Records that must not be lost: outcomes. What finds the journal full is kept, in order, and tried
 * again; the number of them is bounded by the effects that can be under way. */
#include <stdlib.h>

#include "base/log.h"
#include "ingest/lane.h"

enum { RETRY_MS = 20 };

struct retry {
	struct retry *next;
	struct uuid call;
	enum record_kind kind;
	size_t n;
	char body[];
};

static int try_sure(struct lane *l, const struct uuid *call, enum record_kind kind,
		    struct span body)
{
	struct call_entry *c = lane_call(l, call);
	struct fault f;
	int rc;

	if (!c || !c->session)
		return 0; /* the call is gone: nothing to tell */
	rc = lane_input(l, c, kind, body, NULL, &f);
	if (rc && rc != E_FULL)
		log_warn("lane", "%s record: %s", record_kind_name(kind), f.text);
	return rc == E_FULL ? E_FULL : 0;
}

static void on_retry(uv_timer_t *t)
{
	struct lane *l = t->data;

	while (l->retries) {
		struct retry *r = l->retries;

		if (try_sure(l, &r->call, r->kind, (struct span){ r->body, r->n }) == E_FULL) {
			uv_timer_start(t, on_retry, RETRY_MS, 0);
			return;
		}
		l->retries = r->next;
		if (!l->retries)
			l->retries_last = &l->retries;
		free(r);
	}
}

void lane_input_sure(struct lane *l, const struct uuid *call, enum record_kind kind,
		     struct span body)
{
	struct retry *r;

	if (!l->retries && try_sure(l, call, kind, body) != E_FULL)
		return;
	r = malloc(sizeof(*r) + body.n);
	CHECK(r);
	*r = (struct retry){ .call = *call, .kind = kind, .n = body.n };
	if (body.n)
		memcpy(r->body, body.p, body.n);
	*l->retries_last = r;
	l->retries_last = &r->next;
	uv_timer_start(&l->retry_timer, on_retry, RETRY_MS, 0);
}

void lane_drop_retries(struct lane *l)
{
	while (l->retries) {
		struct retry *r = l->retries;

		l->retries = r->next;
		free(r);
	}
	l->retries_last = &l->retries;
}
