/* Calls placed over the provider's WebSocket transport.
 *
 * Happy path: POST to the source's API with its key; the answer's call becomes known as if a
 * webhook had told of it, and its socket is dialled from this shard. Failure modes: no such source,
 * no key, a protocol that places no calls, a rate that the format does not have (E_INVALID); no
 * answer, no 2xx, or one without a call (E_UNAVAILABLE, with what was answered). A request that
 * timed out may have placed a call: that one is known when its webhooks come. A full node, or
 * journal - what the answer says of the call waits for its line. */
#include <stdlib.h>

#include "base/container.h"
#include "base/log.h"
#include "callmend/codec.h"
#include "media/internal.h"

enum { PLACE_MS = 20000, ANSWER_MAX = 1024 * 1024, DETAIL_MAX = 200 };

struct placing {
	struct media_shard *home;
	const struct media_dialect *dialect;
	struct uuid source;
	struct buf encoding;
	uint32_t rate_hz;
	listen_placed_fn *done;
	void *user;
	struct uuid call;
	struct buf message; /* what the answer says of it */
	struct connect_message first;
};

static void placing_free(struct placing *p)
{
	buf_free(&p->encoding);
	buf_free(&p->message);
	free(p);
}

static void fail(struct placing *p, int code, const char *detail)
{
	const struct listen_call c = { .code = code, .detail = span_of(detail) };

	p->done(p->user, &c);
	placing_free(p);
}

static void on_first(struct connect_message *m)
{
	struct placing *p = CONTAINER_OF(m, struct placing, first);

	if (m->code == E_FULL)
		dial_say(p->home, &p->call, buf_span(&p->message));
	placing_free(p);
}

static void tell_first(struct placing *p, struct span message)
{
	buf_add(&p->message, message);
	p->first = (struct connect_message){ .source = p->source,
					     .json = buf_span(&p->message),
					     .when_taken = true,
					     .done = on_first };
	hear_message(p->home->media->config.hear, p->home->shard, &p->first);
}

static void placed(struct placing *p, struct json json, struct arena *a)
{
	struct media_placed at = { 0 };
	struct fault f = { 0 };

	if (p->dialect->placed(json, a, &at, &f)) {
		fail(p, E_UNAVAILABLE, f.text);
		return;
	}
	struct listen_call c = { .call = uuid_v5(&p->source, at.call_id),
				 .provider_call_id = at.call_id };
	p->call = c.call;
	tell_first(p, at.message);
	dial_placed(p->home, p->dialect, &c.call, &p->source, &at, buf_span(&p->encoding),
		    p->rate_hz);
	p->done(p->user, &c);
}

static void on_answer(void *user, const struct client_response *r)
{
	struct placing *p = user;
	struct arena a = { 0 };
	size_t n = r->body.n < DETAIL_MAX ? r->body.n : DETAIL_MAX;

	if (r->end != CLIENT_ANSWERED)
		fail(p, E_UNAVAILABLE, r->error ? r->error : "no answer");
	else if (r->status < 200 || r->status > 299 || json_check(r->body, NULL))
		fail(p, E_UNAVAILABLE,
		     arena_printf(&a, "the provider answered %d: %.*s", r->status, (int)n,
				  r->body.p));
	else
		placed(p, json_of(r->body), &a);
	arena_fini(&a);
}

static int send_request(struct placing *p, const struct dir_source *s,
			const struct listen_place *what, struct fault *f)
{
	struct media_place place = { .api_base = s->api_base,
				     .assistant_id = what->assistant_id,
				     .name = what->name,
				     .assistant = what->assistant,
				     .overrides = what->overrides,
				     .encoding = what->encoding,
				     .rate_hz = what->rate_hz };
	struct arena a = { 0 };
	struct client_request rq = { .method = HTTP_POST,
				     .timeout_ms = PLACE_MS,
				     .response_limit = ANSWER_MAX };
	struct http_header headers[] = {
		{ SPAN("Content-Type"), SPAN("application/json") },
		{ SPAN("Authorization"),
		  span_of(arena_printf(&a, "Bearer %.*s", SPAN_ARG(s->private_key.value))) },
	};

	p->dialect->place(&place, &a, &rq.url, &rq.body);
	rq.headers = headers;
	rq.headers_n = 2;
	int rc = http_client_send(p->home->http, &rq, on_answer, p, f);
	arena_fini(&a);
	return rc;
}

/* Whether the audio could be heard: the call would be there, and deaf. */
static int check_format(const struct listen_place *what, struct fault *f)
{
	const struct codec *codec = codec_find(what->encoding);
	const struct codec_params p = { .rate_hz = what->rate_hz, .way = CODEC_DECODE };

	return codec && what->rate_hz ? codec->init(NULL, &p, f) : 0;
}

static const struct media_dialect *transport_of(const struct dir_source *s)
{
	return span_is(s->dialect, "vapi") ? media_dialect_find(SPAN("vapi-websocket")) : NULL;
}

void listen_place(struct listen *listen, struct shard *here, const struct listen_place *what,
		  listen_placed_fn *done, void *user)
{
	struct media_shard *home = media_at(listen->media, here);
	const struct directory *dir = hear_directory(listen->media->config.hear, here);
	const struct dir_source *s = dir ? directory_source_by_id(dir, &what->source) : NULL;
	struct placing *p = calloc(1, sizeof(*p));
	struct fault f = { 0 };

	CHECK(p);
	p->home = home;
	p->source = what->source;
	p->rate_hz = what->rate_hz;
	p->done = done;
	p->user = user;
	buf_add(&p->encoding, what->encoding);
	p->dialect = s ? transport_of(s) : NULL;
	if (hear_draining(listen->media->config.hear))
		fail(p, E_UNAVAILABLE, "the node stops, and nobody would dial the call again");
	else if (!s)
		fail(p, E_NOT_FOUND, "no such source");
	else if (!p->dialect || !p->dialect->place)
		fail(p, E_INVALID, "sources of this protocol place no calls");
	else if (!s->private_key.value.n)
		fail(p, E_INVALID, "the source has no private_key, or it cannot be read here");
	else if (check_format(what, &f))
		fail(p, E_INVALID, f.text);
	else if (send_request(p, s, what, &f))
		fail(p, f.code == E_FULL ? E_FULL : E_INVALID, f.text);
}
