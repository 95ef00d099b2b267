/* The webhook server a user already has keeps getting every message, unchanged, after it is
 * durable.
 *
 * At most once, like the provider's own delivery: nothing is sent again by itself. For messages
 * whose answer the provider reads the caller gets the upstream's answer; for the rest only the
 * result is counted. */
#include <stdlib.h>

#include "base/metrics.h"
#include "ingest/lane.h"

enum { UPSTREAM_ANSWER_LIMIT = 4 * 1024 * 1024 };

struct forward {
	struct delivery *delivery;
	client_done_fn *on_answer;
	void *user;
};

static void on_done(void *user, const struct client_response *r)
{
	struct forward *fw = user;
	bool good = r->end == CLIENT_ANSWERED && r->status >= 200 && r->status < 300;

	metric_add_label(METRIC_UPSTREAM,
			 good		? "delivered"
			 : r->timed_out ? "timed_out"
					: "failed",
			 1);
	if (fw->on_answer)
		fw->on_answer(fw->user, r);
	delivery_unref(fw->delivery);
	free(fw);
}

int upstream_forward(struct lane *l, struct delivery *d, client_done_fn *on_answer, void *user)
{
	struct forward *fw;
	struct client_request rq = {
		.method = HTTP_POST,
		.url = d->source->upstream_url,
		.headers = d->kept,
		.headers_n = d->kept_n,
		.body = { d->body, d->body_n },
		.timeout_ms = d->source->upstream_timeout_ms,
		.response_limit = UPSTREAM_ANSWER_LIMIT,
	};
	struct fault f;
	int rc;

	if (!l->upstream)
		return E_CLOSED; /* stopping */
	fw = calloc(1, sizeof(*fw));
	CHECK(fw);
	*fw = (struct forward){ d, on_answer, user };
	__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	rc = http_client_send(l->upstream, &rq, on_done, fw, &f);
	if (rc) {
		metric_add_label(METRIC_UPSTREAM, "dropped", 1);
		free(fw);
		delivery_unref(d);
	}
	return rc;
}
