/* The libwebsockets context of a shard.
 *
 * Happy path: created in the shard's start hook on its own libuv loop (one after another over the
 * process, lws needs that), fed with accepted sockets, destroyed in the stop hook; its handles
 * close while the loop drains, then the reaper frees the rest.
 *
 * Failure modes: the plugin libwebsockets-evlib-uv is missing (start fails and says so); no
 * descriptor or memory for a connection (it is closed); all places taken (503 by the acceptor).
 * permessage-deflate is never offered: in 4.1.6 a crafted message aborts the process. */
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/internal.h"

enum {
	TX_PACKET_BYTES = 256 * 1024,
	WS_RX_BYTES = 8192, /* of a message, and of one read: a beat of live audio comes whole */
	READ_BYTES = 64 * 1024, /* a webhook of 30-40 KB arrives in one callback */
	HEADER_BYTES = 16 * 1024,
	HEADER_SECONDS = 15, /* for all headers of a request: lws does not extend it */
	CONTENT_SECONDS = 20,
	PING_SECONDS = 20,
	HANG_UP_SECONDS = 30,
	SWEEP_MS = 2000,
};

static const char *const standard_captures[] = {
	"authorization",
	"content-type",
	"idempotency-key",
	"user-agent",
	"accept",
	"accept-encoding",
	"last-event-id",
	"x-forwarded-for",
	"x-call-id",
	"x-vapi-secret",
	"x-vapi-signature",
	"x-signature",
	"x-timestamp",
	"webhook-id",
	"webhook-timestamp",
	"webhook-signature",
	"svix-id",
	"host",
	"origin",
	"cookie",
	"if-none-match",
	"if-match",
	"range",
	"if-range",
	"if-modified-since",
	"sec-websocket-protocol",
	"x-forwarded-proto",
	"x-forwarded-host",
	"validation-token",
	"verification-token",
};

/* Only reasons that belong to one real connection: protocol-level ones come with a fake wsi. */
static int (*const on_reason[])(struct connection *, struct lws *, void *, size_t) = {
	[LWS_CALLBACK_HTTP_CONFIRM_UPGRADE] = connection_on_upgrade,
	[LWS_CALLBACK_HTTP] = connection_on_request,
	[LWS_CALLBACK_HTTP_BODY] = connection_on_body,
	[LWS_CALLBACK_HTTP_BODY_COMPLETION] = connection_on_body_end,
	[LWS_CALLBACK_HTTP_WRITEABLE] = connection_on_writeable,
	[LWS_CALLBACK_CLOSED_HTTP] = connection_on_closed,
	[LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION] = ws_on_handshake,
	[LWS_CALLBACK_ESTABLISHED] = ws_on_established,
	[LWS_CALLBACK_RECEIVE] = ws_on_receive,
	[LWS_CALLBACK_SERVER_WRITEABLE] = ws_on_writeable,
	[LWS_CALLBACK_WS_PEER_INITIATED_CLOSE] = ws_on_peer_close,
	[LWS_CALLBACK_CLOSED] = ws_on_closed,
	[LWS_CALLBACK_WSI_DESTROY] = connection_on_destroy,
};
enum { REASONS = sizeof(on_reason) / sizeof(on_reason[0]) };

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t n)
{
	(void)user;
	if ((unsigned)reason >= REASONS || !on_reason[reason])
		return 0;
	struct connection *c = lws_get_opaque_user_data(wsi);
	return c ? on_reason[reason](c, wsi, in, n) : 0;
}

/* --- what lws says --- */

/* lws' log has no user pointer; a context is created on one thread at a time. */
static _Thread_local char last_complaint[160];

static void on_lws_log(int level, const char *line)
{
	size_t n = strcspn(line, "\n");

	if (level == LLL_ERR && last_complaint[0] == '\0' && n)
		snprintf(last_complaint, sizeof(last_complaint), "%.*s", (int)n, line);
	log_debug("libwebsockets", "%.*s", (int)n, line); /* clients' misdeeds, mostly */
}

static int complain(struct fault *f, const char *what)
{
	return fault(f, E_UNAVAILABLE, "%s: %s (is libwebsockets-evlib-uv installed?)", what,
		     last_complaint[0] ? last_complaint : "no reason given");
}

/* --- life --- */

static void server_free(struct http_server *s)
{
	if (!s)
		return;
	router_free(s->router);
	gather_fini(&s->gather);
	arena_fini(&s->names);
	free(s);
}

static void capture(struct http_server *s, const char *name)
{
	for (size_t i = 0; i < s->captures_n; i++)
		if (strcasecmp(s->captures[i].name, name) == 0)
			return;
	CHECK(s->captures_n < HTTP_MAX_HEADERS);
	s->captures[s->captures_n++] = request_header_named(name, &s->names);
}

void http_server_capture_span(struct http_server *s, struct span name)
{
	char z[128];

	if (name.n == 0 || name.n >= sizeof(z) || s->captures_n >= HTTP_MAX_HEADERS)
		return;
	memcpy(z, name.p, name.n);
	z[name.n] = 0;
	capture(s, z);
}

void http_server_capture(struct http_server *s, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		capture(s, names[i]);
}

static void set_protocols(struct http_server *s)
{
	struct lws_protocols p = {
		.name = "http",
		.callback = on_lws,
		.rx_buffer_size = WS_RX_BYTES,
		.tx_packet_size = TX_PACKET_BYTES,
	};

	s->protocols[0] = p; /* plain HTTP, and WebSockets that offer no subprotocol */
	p.name = s->subprotocol;
	s->protocols[1] = p;
}

static const lws_retry_bo_t ping_policy = {
	.secs_since_valid_ping = PING_SECONDS,
	.secs_since_valid_hangup = HANG_UP_SECONDS,
};

static int create_context(struct http_server *s, struct fault *f)
{
	void *loops[1] = { shard_loop(s->shard) };
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
		.foreign_loops = loops,
		.protocols = s->protocols,
		.uid = -1,
		.gid = -1,
		.pcontext = &s->context,
		.pt_serv_buf_size = READ_BYTES,
		.max_http_header_data2 = HEADER_BYTES,
		.max_http_header_pool2 = s->config.max_connections + 16,
		.timeout_secs = CONTENT_SECONDS,
		.timeout_secs_ah_idle = HEADER_SECONDS,
		.keepalive_timeout = IDLE_SECONDS,
		.retry_and_idle_policy = &ping_policy,
		.vhost_name = "callmend",
	};

	last_complaint[0] = '\0';
	lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
	s->context = lws_create_context(&info);
	if (!s->context)
		return complain(f, "cannot create a libwebsockets context");
	s->vhost = lws_create_vhost(s->context, &info);
	return s->vhost ? 0 : complain(f, "cannot create a libwebsockets vhost");
}

static void hang_up(struct connection *c)
{
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

static void sweep(uv_timer_t *timer)
{
	struct http_server *s = timer->data;
	struct connection *c, *next;
	int64_t now_us = clock_monotonic_us();

	DL_FOREACH_SAFE(s->connections, c, next)
	{
		if (connection_is_stuck(c, now_us))
			hang_up(c);
	}
}

int http_server_new(struct http_server **out, struct shard *shard,
		    const struct http_server_config *config, struct fault *f)
{
	struct http_server *s = calloc(1, sizeof(*s));

	CHECK(s);
	s->shard = shard;
	s->config = *config;
	http_server_capture(s, standard_captures,
			    sizeof(standard_captures) / sizeof(standard_captures[0]));
	set_protocols(s);
	int rc = router_new(&s->router, config->routes, config->routes_n, f);
	if (rc) {
		server_free(s);
		return rc;
	}
	CHECK(uv_prepare_init(shard_loop(shard), &s->reaper) == 0);
	CHECK(uv_timer_init(shard_loop(shard), &s->sweeper) == 0);
	gather_init(&s->gather, shard_loop(shard));
	s->reaper.data = s->sweeper.data = s;
	uv_timer_start(&s->sweeper, sweep, SWEEP_MS, SWEEP_MS);
	rc = create_context(s, f);
	if (rc)
		http_server_free(s);
	else
		*out = s;
	return rc;
}

static void on_reaper_closed(uv_handle_t *h)
{
	server_free(h->data);
}

/* On a foreign loop lws takes two calls to go: the first closes its handles, the second, when they
 * are closed, frees the memory. They are closed when the loop would wait again: it does not as long
 * as a handle is closing. */
static void reap(uv_prepare_t *h)
{
	struct http_server *s = h->data;

	if (s->context && uv_backend_timeout(h->loop) == 0)
		return;
	if (s->context)
		lws_context_destroy(s->context);
	CHECK(!s->context);
	uv_prepare_stop(h);
	uv_close((uv_handle_t *)h, on_reaper_closed);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	uv_close((uv_handle_t *)&s->sweeper, NULL); /* gone before the reaper, which waits for it */
	gather_close(&s->gather);
	uv_prepare_start(&s->reaper, reap);
	if (s->context)
		lws_context_destroy(s->context);
}

void *http_server_user(const struct http_server *s)
{
	return s->config.user;
}

/* --- connections --- */

unsigned http_server_connections(const struct http_server *s)
{
	return atomic_load_explicit(&s->count, memory_order_relaxed);
}

bool http_server_reserve(struct http_server *s)
{
	if (atomic_fetch_add(&s->count, 1) < s->config.max_connections)
		return true;
	http_server_release(s);
	return false;
}

void http_server_release(struct http_server *s)
{
	atomic_fetch_sub(&s->count, 1);
}

void http_server_adopt_reserved(struct http_server *s, int fd)
{
	struct lws *wsi = s->vhost ? lws_adopt_socket_vhost(s->vhost, fd) : NULL;

	if (wsi)
		lws_set_opaque_user_data(wsi, connection_new(s, wsi));
	else
		http_server_release(s);
}

void http_server_drain(struct http_server *s)
{
	struct connection *c, *next;

	s->draining = true;
	DL_FOREACH_SAFE(s->connections, c, next)
	{
		if (c->wsi && c->state == CONNECTION_IDLE && c->served)
			hang_up(c);
	}
}
