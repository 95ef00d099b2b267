/* Happy path: connect → uv_getaddrinfo → lws gets a literal address → handshake with the token →
 * messages until one side closes.
 *
 * Failure modes: the name is unknown; nobody listens at an address (the next one is tried); the
 * server refuses the upgrade (its status is handed on); a message above the limit (closed 1009);
 * the server stops answering pings (closed by lws). Each ends in `closed`, always from the loop and
 * never from within connect. permessage-deflate is never offered: in 4.1.6 a crafted message aborts
 * the process. */
#include "net/ws_client.h"

#include <libwebsockets.h>
#include <netdb.h>
#include <stdlib.h>

#include "base/buf.h"

enum {
	RX_BYTES = 16 * 1024,
	TX_BYTES = 64 * 1024,
	QUEUE_MAX = 64,
	HOST_MAX = 256,
	PATH_BYTES_MAX = 1024,
	TOKEN_MAX = 512,
	CONNECT_MS = 8000,
	PING_SECONDS = 10,
	HANG_UP_SECONDS = 20,
	CLOSE_TOO_LARGE = 1009,
	TURNS_TO_CLOSE = 4,
};

struct outgoing {
	struct outgoing *next;
	size_t n;
	unsigned char bytes[]; /* LWS_PRE, then the text; lws masks it in place */
};

enum ws_client_state {
	WS_CLIENT_IDLE,
	WS_CLIENT_RESOLVING,
	WS_CLIENT_CONNECTING,
	WS_CLIENT_OPEN,
	WS_CLIENT_ENDING
};

struct ws_client {
	uv_loop_t *loop;
	struct lws_context *context; /* lws sets it to NULL when the last of it is gone */
	struct lws_vhost *vhost;
	struct lws_protocols protocols[2];
	struct ws_client_handlers handlers;
	void *user;
	size_t limit;
	enum ws_client_state state;
	struct lws *wsi;
	uv_getaddrinfo_t resolving;
	struct addrinfo *addresses, *next_address;
	uv_prepare_t reaper; /* frees us when lws and the resolver are done */
	uv_timer_t soon;     /* deadline of connecting; then reports the end from the loop */
	unsigned handles;
	bool freed, tls;
	unsigned turns; /* of the loop since the context is being destroyed */
	bool in_callback, dropping;
	int status;
	char why[200];
	char host[HOST_MAX], path[PATH_BYTES_MAX], authority[HOST_MAX + 8], token[TOKEN_MAX];
	int port;
	struct outgoing *first, **last;
	unsigned queued;
	struct buf received;
};

/* --- the end of a connection --- */

static void drop_queue(struct ws_client *c)
{
	for (struct outgoing *o = c->first, *next; o; o = next) {
		next = o->next;
		free(o);
	}
	c->first = NULL;
	c->last = &c->first;
	c->queued = 0;
}

static void on_soon(uv_timer_t *t)
{
	struct ws_client *c = t->data;

	c->state = WS_CLIENT_IDLE;
	if (!c->freed)
		c->handlers.closed(c->user, c->status, c->why);
}

static void explain(struct ws_client *c, const char *why)
{
	if (!c->why[0])
		snprintf(c->why, sizeof(c->why), "%s",
			 why && *why ? why : "the connection was lost");
}

/* Once lws has forgotten the connection: then a new one may begin. */
static void report_soon(struct ws_client *c)
{
	if (!c->wsi && c->state == WS_CLIENT_ENDING && !c->freed)
		uv_timer_start(&c->soon, on_soon, 0, 0);
}

static void end(struct ws_client *c, const char *why)
{
	if (c->state == WS_CLIENT_ENDING || c->state == WS_CLIENT_IDLE)
		return;
	explain(c, why);
	c->state = WS_CLIENT_ENDING;
	uv_timer_stop(&c->soon);
	drop_queue(c);
	buf_clear(&c->received);
	if (c->addresses)
		uv_freeaddrinfo(c->addresses);
	c->addresses = c->next_address = NULL;
	report_soon(c);
}

/* --- connecting --- */

/* lws must not lose a connection inside one of its callbacks: there the callback's result closes
 * it. Outside, a timeout "later" would only be seen when something else wakes lws. */
static void drop(struct ws_client *c)
{
	c->dropping = true;
	if (c->wsi && !c->in_callback)
		lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

static void on_deadline(uv_timer_t *t)
{
	struct ws_client *c = t->data;

	explain(c, "no answer in time");
	drop(c);
}

static void try_next(struct ws_client *c)
{
	char literal[NI_MAXHOST];
	struct lws_client_connect_info info = {
		.context = c->context,
		.vhost = c->vhost,
		.address = literal,
		.port = c->port,
		.ssl_connection = c->tls ? LCCSCF_USE_SSL : 0,
		.path = c->path,
		.host = c->authority,
		.opaque_user_data = c,
		.local_protocol_name = c->protocols[0].name,
		.alpn = "http/1.1",
		.ietf_version_or_minus_one = -1,
		.pwsi = &c->wsi,
	};
	struct addrinfo *a = c->next_address;

	if (!a) {
		end(c, "connection refused");
		return;
	}
	c->next_address = a->ai_next;
	c->state = WS_CLIENT_CONNECTING;
	uv_timer_start(&c->soon, on_deadline, CONNECT_MS, 0);
	if (getnameinfo(a->ai_addr, a->ai_addrlen, literal, sizeof(literal), NULL, 0,
			NI_NUMERICHOST))
		end(c, "an address that cannot be written down");
	else if (!lws_client_connect_via_info(&info) && c->state == WS_CLIENT_CONNECTING && !c->wsi)
		try_next(c);
}

static void on_resolved(uv_getaddrinfo_t *r, int status, struct addrinfo *list)
{
	struct ws_client *c = r->data;

	c->handles--;
	if (c->freed || status < 0) {
		uv_freeaddrinfo(list);
		if (!c->freed)
			end(c, uv_strerror(status));
		return;
	}
	c->addresses = c->next_address = list;
	try_next(c);
}

/* "https://host:port/path" → tls, host, port, path. */
static bool split_url(struct ws_client *c, const char *url)
{
	char scheme[8] = "", rest[HOST_MAX + 16] = "";
	const char *slashes = strstr(url, "://");

	if (!slashes || (size_t)(slashes - url) >= sizeof(scheme))
		return false;
	memcpy(scheme, url, (size_t)(slashes - url));
	c->tls = strcmp(scheme, "https") == 0 || strcmp(scheme, "wss") == 0;
	if (!c->tls && strcmp(scheme, "http") != 0 && strcmp(scheme, "ws") != 0)
		return false;
	size_t n = strcspn(slashes + 3, "/?#");
	if (!n || n >= sizeof(rest) || strlen(slashes + 3 + n) >= sizeof(c->path))
		return false;
	memcpy(rest, slashes + 3, n);
	snprintf(c->path, sizeof(c->path), "%s", slashes[3 + n] ? slashes + 3 + n : "/");
	snprintf(c->authority, sizeof(c->authority), "%.*s", (int)sizeof(c->authority) - 1, rest);
	char *host = rest, *after = rest;
	if (*rest == '[') {
		host++;
		after = strchr(rest, ']');
		if (!after)
			return false;
		*after++ = '\0';
	}
	char *colon = strchr(after, ':'), *tail = NULL;
	c->port = colon ? (int)strtol(colon + 1, &tail, 10) : c->tls ? 443 : 80;
	if (colon)
		*colon = '\0';
	snprintf(c->host, sizeof(c->host), "%.*s", HOST_MAX - 1, host);
	return *host && c->port > 0 && c->port < 65536 && (!tail || !*tail);
}

int ws_client_connect(struct ws_client *c, const char *url, const char *token, struct fault *f)
{
	char port[8];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };

	if (c->state != WS_CLIENT_IDLE)
		return fault(f, E_CONFLICT, "there is a connection");
	if (!split_url(c, url))
		return fault(f, E_INVALID, "`%s` is no http or https URL", url);
	if (token && strlen(token) >= sizeof(c->token))
		return fault(f, E_INVALID, "the token is too long");
	snprintf(c->token, sizeof(c->token), "%s", token ? token : "");
	snprintf(port, sizeof(port), "%d", c->port);
	c->why[0] = '\0';
	c->status = 0;
	c->dropping = false;
	c->resolving.data = c;
	if (uv_getaddrinfo(c->loop, &c->resolving, on_resolved, c->host, port, &hints))
		return fault(f, E_UNAVAILABLE, "cannot resolve %s", c->host);
	c->handles++;
	c->state = WS_CLIENT_RESOLVING;
	return 0;
}

void ws_client_disconnect(struct ws_client *c)
{
	if (c->state == WS_CLIENT_RESOLVING)
		uv_cancel((uv_req_t *)&c->resolving); /* on_resolved ends it */
	if (!c->wsi)
		return;
	explain(c, "closed here");
	drop(c);
}

/* --- what lws says --- */

static int on_headers(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	char value[TOKEN_MAX + 8];
	unsigned char **p = in;
	int length = snprintf(value, sizeof(value), "Bearer %s", c->token);

	if (!c->token[0])
		return 0;
	return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
					    (unsigned char *)value, length, p, *p + n);
}

static int on_open(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	(void)in;
	(void)n;
	c->wsi = wsi;
	c->state = WS_CLIENT_OPEN;
	uv_timer_stop(&c->soon);
	c->handlers.open(c->user);
	return 0;
}

/* lws tells the reason in words only; an answer other than 101 is a refusal by somebody who is
 * there. */
static int on_refused(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	char why[160];
	unsigned status = lws_http_client_http_response(wsi);

	if (status >= 300 && status < 600)
		c->status = (int)status;
	if (!c->status && c->next_address && c->state == WS_CLIENT_CONNECTING) {
		try_next(c);
		return 0;
	}
	snprintf(why, sizeof(why), "%.*s", in ? (int)n : 18,
		 in ? (const char *)in : "connection refused");
	end(c, why);
	return 0;
}

static int on_receive(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	if (c->received.n + n > c->limit) {
		explain(c, "a message from the server is too large");
		lws_close_reason(wsi, (enum lws_close_status)CLOSE_TOO_LARGE, NULL, 0);
		return -1;
	}
	buf_add(&c->received, (struct span){ in, n });
	if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi))
		return 0;
	if (!lws_frame_is_binary(wsi))
		c->handlers.text(c->user, buf_span(&c->received));
	buf_clear(&c->received);
	return 0;
}

static int on_writeable(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	struct outgoing *o = c->first;

	(void)in;
	(void)n;
	if (!o)
		return 0;
	c->first = o->next;
	if (!c->first)
		c->last = &c->first;
	c->queued--;
	int sent = lws_write(wsi, o->bytes + LWS_PRE, o->n, LWS_WRITE_TEXT);
	free(o);
	if (sent < 0)
		return -1;
	if (c->first)
		lws_callback_on_writable(wsi);
	return 0;
}

static int on_peer_close(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	char why[160];

	(void)wsi;
	if (n > 2) /* behind the code, which lws 4.1.6 changes for 1012 and above */
		snprintf(why, sizeof(why), "closed by the node: %.*s", (int)n - 2,
			 (const char *)in + 2);
	else
		snprintf(why, sizeof(why), "closed by the node");
	explain(c, why);
	return 0;
}

static int on_closed(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	(void)wsi;
	(void)in;
	(void)n;
	end(c, NULL);
	return 0;
}

/* The last time lws mentions a connection. */
static int on_destroyed(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	(void)wsi;
	(void)in;
	(void)n;
	c->wsi = NULL;
	end(c, NULL);
	report_soon(c);
	return 0;
}

static int (*const on_reason[])(struct ws_client *, struct lws *, void *, size_t) = {
	[LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER] = on_headers,
	[LWS_CALLBACK_CLIENT_ESTABLISHED] = on_open,
	[LWS_CALLBACK_CLIENT_CONNECTION_ERROR] = on_refused,
	[LWS_CALLBACK_CLIENT_RECEIVE] = on_receive,
	[LWS_CALLBACK_CLIENT_WRITEABLE] = on_writeable,
	[LWS_CALLBACK_WS_PEER_INITIATED_CLOSE] = on_peer_close,
	[LWS_CALLBACK_CLIENT_CLOSED] = on_closed,
	[LWS_CALLBACK_WSI_DESTROY] = on_destroyed,
};

/* Protocol-level reasons come with a fake wsi, which has no opaque data; a connection given up has
 * none any more. */
static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t n)
{
	(void)user;
	if ((unsigned)reason >= sizeof(on_reason) / sizeof(on_reason[0]) || !on_reason[reason])
		return 0;
	struct ws_client *c = lws_get_opaque_user_data(wsi);
	bool ours = c && (!c->wsi || c->wsi == wsi) &&
		    (!c->freed || reason == LWS_CALLBACK_WSI_DESTROY);
	if (!ours)
		return 0;
	bool outer = !c->in_callback;
	c->in_callback = true;
	int rc = on_reason[reason](c, wsi, in, n);
	if (outer)
		c->in_callback = false;
	return c->dropping && rc == 0 ? -1 : rc;
}

/* --- sending --- */

int ws_client_send(struct ws_client *c, struct span text)
{
	if (c->state != WS_CLIENT_OPEN)
		return E_CLOSED;
	if (c->queued == QUEUE_MAX || text.n > TX_BYTES)
		return E_FULL;
	struct outgoing *o = malloc(sizeof(*o) + LWS_PRE + text.n);
	CHECK(o);
	o->next = NULL;
	o->n = text.n;
	memcpy(o->bytes + LWS_PRE, text.p, text.n);
	*c->last = o;
	c->last = &o->next;
	c->queued++;
	lws_callback_on_writable(c->wsi);
	return 0;
}

/* --- life --- */

static void on_lws_log(int level, const char *line)
{
	(void)level;
	(void)line; /* what matters reaches `closed`; this may be a terminal in use */
}

static const lws_retry_bo_t ping_policy = {
	.secs_since_valid_ping = PING_SECONDS,
	.secs_since_valid_hangup = HANG_UP_SECONDS,
};

static int create_context(struct ws_client *c)
{
	void *loops[1] = { c->loop };
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.foreign_loops = loops,
		.protocols = c->protocols,
		.uid = -1,
		.gid = -1,
		.pcontext = &c->context,
		.retry_and_idle_policy = &ping_policy,
	};

	lws_set_log_level(LLL_ERR, on_lws_log);
	c->context = lws_create_context(&info);
	c->vhost = c->context ? lws_create_vhost(c->context, &info) : NULL;
	return c->vhost ? 0 : E_UNAVAILABLE;
}

int ws_client_new(struct ws_client **out, uv_loop_t *loop, size_t message_limit,
		  const struct ws_client_handlers *handlers, void *user, struct fault *f)
{
	struct ws_client *c = calloc(1, sizeof(*c));

	CHECK(c);
	c->loop = loop;
	c->limit = message_limit;
	c->handlers = *handlers;
	c->user = user;
	c->last = &c->first;
	c->protocols[0] = (struct lws_protocols){
		.name = "callmend-client",
		.callback = on_lws,
		.rx_buffer_size = RX_BYTES,
		.tx_packet_size = TX_BYTES,
	};
	if (create_context(c)) {
		free(c);
		return fault(f, E_UNAVAILABLE,
			     "libwebsockets does not start (is libwebsockets-evlib-uv installed?)");
	}
	CHECK(uv_prepare_init(loop, &c->reaper) == 0 && uv_timer_init(loop, &c->soon) == 0);
	c->reaper.data = c->soon.data = c;
	*out = c;
	return 0;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct ws_client *c = h->data;

	if (--c->handles)
		return;
	buf_free(&c->received);
	free(c);
}

/* On a foreign loop libwebsockets 4.1.6 ends a context whose last connection is long gone only when
 * told twice: the first time it closes its pipe (one turn of the loop) and then its timers (another
 * turn), the second time it frees what is left. */
static void destroy_context(struct ws_client *c)
{
	if (c->turns == 0 || c->turns == TURNS_TO_CLOSE)
		lws_context_destroy(c->context);
	c->turns++;
}

static void on_turn(uv_timer_t *t)
{
	(void)t; /* the loop turns: that is all */
}

static void reap(uv_prepare_t *h)
{
	struct ws_client *c = h->data;

	if (c->wsi || c->handles)
		return;
	if (c->context) {
		uv_timer_start(&c->soon, on_turn, 1, 0);
		destroy_context(c);
		return;
	}
	uv_prepare_stop(h);
	c->handles = 2;
	uv_close((uv_handle_t *)&c->soon, on_handle_closed);
	uv_close((uv_handle_t *)h, on_handle_closed);
}

void ws_client_free(struct ws_client *c)
{
	if (!c)
		return;
	c->freed = true;
	ws_client_disconnect(c);
	end(c, "freed");
	uv_timer_stop(&c->soon);
	uv_prepare_start(&c->reaper, reap);
}
