/* The webhook server a user already has keeps getting every message, unchanged, after it is
 * durable.
 *
 * At most once, like the provider's own delivery: nothing is sent again by itself. For messages
 * whose answer the provider reads the caller gets the upstream's answer; for the rest only the
 * result is counted.
 *
 * Each source has a way of its own, with a bounded number of requests in flight, a bounded queue
 * and a bounded number of bytes in both: a slow server of one source holds up no other. Full: the
 * message is not forwarded (counted, logged), and who asked answers at once without it. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "ingest/lane.h"

enum {
	UPSTREAM_ANSWER_LIMIT = 4 * 1024 * 1024,
	IN_FLIGHT = 128,
	WAITING = 512,
	BYTES_HELD = 64 * 1024 * 1024,
	LOG_EVERY_US = 5 * 1000 * 1000,
	ASSISTANT_OWN_MS = 2000, /* of the budget is left to us when the upstream fails */
	ASSISTANT_LEAST_MS = 500,
};

struct upstream {
	UT_hash_handle hh;
	struct uuid source;
	struct http_client *client;
	unsigned open;
	size_t bytes;
	uint64_t dropped; /* not logged yet */
	int64_t logged_us;
};

struct forward {
	struct upstream *upstream;
	struct delivery *delivery;
	client_done_fn *on_answer;
	void *user;
};

static struct upstream *upstream_of(struct lane *l, const struct uuid *source, struct fault *f)
{
	struct upstream *u;

	HASH_FIND(hh, l->upstreams, source, sizeof(*source), u);
	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	CHECK(u);
	u->source = *source;
	if (http_client_new(&u->client, l->shard, IN_FLIGHT, WAITING, f)) {
		free(u);
		return NULL;
	}
	http_client_trust(u->client, l->in->ca_file);
	HASH_ADD(hh, l->upstreams, source, sizeof(u->source), u);
	return u;
}

static void upstream_free(struct lane *l, struct upstream *u)
{
	http_client_free(u->client); /* its callbacks still find the upstream */
	HASH_DEL(l->upstreams, u);
	free(u);
}

static void on_done(void *user, const struct client_response *r)
{
	struct forward *fw = user;
	bool good = r->end == CLIENT_ANSWERED && r->status >= 200 && r->status < 300;

	fw->upstream->open--;
	fw->upstream->bytes -= fw->delivery->body_n;
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

/* The assistant of our own must still be in time after the upstream has failed. */
static int64_t patience_ms(const struct delivery *d)
{
	int64_t ms = d->source->upstream_timeout_ms;
	int64_t left = delivery_left_ms(d) - ASSISTANT_OWN_MS;

	if (d->envelope.answer != ANSWER_ASSISTANT)
		return ms;
	left = left > ASSISTANT_LEAST_MS ? left : ASSISTANT_LEAST_MS;
	return ms < left ? ms : left;
}

static int send_on(struct upstream *u, struct delivery *d, struct forward *fw, struct fault *f)
{
	struct client_request rq = {
		.method = HTTP_POST,
		.url = d->source->upstream_url,
		.headers = d->kept,
		.headers_n = d->kept_n,
		.body = { d->body, d->body_n },
		.timeout_ms = patience_ms(d),
		.response_limit = UPSTREAM_ANSWER_LIMIT,
	};

	if (u->open && u->bytes + d->body_n > BYTES_HELD)
		return fault(f, E_FULL, "%u messages wait with %zu bytes", u->open, u->bytes);
	TRY(http_client_send(u->client, &rq, on_done, fw, f));
	u->open++;
	u->bytes += d->body_n;
	return 0;
}

static void dropped(struct upstream *u, const struct delivery *d, const struct fault *f)
{
	int64_t now = clock_monotonic_us();

	metric_add_label(METRIC_UPSTREAM, "dropped", 1);
	u->dropped++;
	if (u->logged_us && now - u->logged_us < LOG_EVERY_US)
		return;
	log_warn("upstream", "source %.*s: %" PRIu64 " not forwarded: %s",
		 SPAN_ARG(d->source->name), u->dropped, f->text);
	u->logged_us = now;
	u->dropped = 0;
}

int upstream_forward(struct lane *l, struct delivery *d, client_done_fn *on_answer, void *user)
{
	struct fault f = { .code = E_CLOSED };
	struct upstream *u = l->stopping ? NULL : upstream_of(l, &d->source->id, &f);
	struct forward *fw;
	int rc;

	if (!u)
		return f.code;
	fw = calloc(1, sizeof(*fw));
	CHECK(fw);
	*fw = (struct forward){ u, d, on_answer, user };
	__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	rc = send_on(u, d, fw, &f);
	if (rc) {
		dropped(u, d, &f);
		free(fw);
		delivery_unref(d);
	}
	return rc;
}

void upstream_forget(struct lane *l)
{
	struct upstream *u, *next;

	HASH_ITER (hh, l->upstreams, u, next) {
		const struct dir_source *s =
			l->dir ? directory_source_by_id(l->dir, &u->source) : NULL;

		if (!u->open && (!s || !s->upstream_url.n))
			upstream_free(l, u);
	}
}

void upstream_free_all(struct lane *l)
{
	struct upstream *u, *next;

	HASH_ITER (hh, l->upstreams, u, next)
		upstream_free(l, u);
}
