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
	QUEUE_BYTES = 512 * 1024,
	SPARE_BYTES = 2048, /* messages up to here are kept to be used again ... */
	SPARES_MAX = 8,	    /* ... so many of them */
	KEPT_BYTES = 32 * 1024,
	HEADER_BYTES = 1024,
	HOST_MAX = 256,
	PATH_BYTES_MAX = 4096, /* a query may carry tokens */
	TOKEN_MAX = 512,
	PING_SECONDS = 10,
	HANG_UP_SECONDS = 20,
	CLOSE_TOO_LARGE = 1009,
	TURNS_TO_CLOSE = 4,
};

struct outgoing {
	struct outgoing *next;
	uint64_t number;
	size_t n, cap;
	enum lws_write_protocol kind;
	unsigned char bytes[]; /* LWS_PRE, then the message; lws masks it in place */
};

enum ws_client_state {
	WS_CLIENT_IDLE,
	WS_CLIENT_RESOLVING,
	WS_CLIENT_CONNECTING,
	WS_CLIENT_OPEN,
	WS_CLIENT_ENDING
};

struct ws_dialer {
	uv_loop_t *loop;
	struct lws_context *context; /* lws sets it to NULL when the last of it is gone */
	struct lws_vhost *vhost;
	struct lws_protocols protocols[2];
	unsigned clients;    /* in memory */
	uv_prepare_t reaper; /* frees us when lws is done */
	uv_timer_t turner;
	unsigned turns; /* of the loop since the context is being destroyed */
	unsigned handles;
	unsigned refs; /* of who has asked for it */
	char ca_file[PATH_BYTES_MAX];
};

/* Of this thread. A second context on a loop costs as much again, and lws 4.1.6 does not give back
 * all of it (the client's TLS context) when both are destroyed. */
static _Thread_local struct ws_dialer *dialer_here;

struct ws_client {
	struct ws_dialer *dialer;
	bool own_dialer;
	struct ws_client_handlers handlers;
	void *user;
	size_t limit;
	enum ws_client_state state;
	struct lws *wsi;
	uv_getaddrinfo_t resolving;
	struct addrinfo *addresses, *next_address;
	uv_timer_t soon; /* deadline of connecting; then reports the end from the loop */
	bool resolving_now, freed, closing, tls;
	bool in_callback, dropping;
	int status, close_code;
	int64_t timeout_ms;
	char why[200];
	char host[HOST_MAX], path[PATH_BYTES_MAX], authority[HOST_MAX + 8], token[TOKEN_MAX];
	char headers[HEADER_BYTES]; /* name:, value, name:, value, each with its zero; then one */
	int port;
	struct outgoing *first, **last;
	unsigned queued;
	uint64_t numbered;
	size_t queued_bytes;
	struct outgoing *spare;
	unsigned spares;
	struct buf received;
};

/* --- the end of a connection --- */

static void spare(struct ws_client *c, struct outgoing *o)
{
	if (o->cap != SPARE_BYTES || c->spares == SPARES_MAX) {
		free(o);
		return;
	}
	o->next = c->spare;
	c->spare = o;
	c->spares++;
}

static struct outgoing *take_first(struct ws_client *c)
{
	struct outgoing *o = c->first;

	c->first = o->next;
	if (!c->first)
		c->last = &c->first;
	c->queued--;
	c->queued_bytes -= o->n;
	return o;
}

static void drop_queue(struct ws_client *c)
{
	while (c->first)
		spare(c, take_first(c));
}

/* Nothing of lws or libuv knows the client any more. */
static void reap_client(struct ws_client *c);

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
		.context = c->dialer->context,
		.vhost = c->dialer->vhost,
		.address = literal,
		.port = c->port,
		.ssl_connection = c->tls ? LCCSCF_USE_SSL : 0,
		.path = c->path,
		.host = c->authority,
		.opaque_user_data = c,
		.local_protocol_name = c->dialer->protocols[0].name,
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
	uv_timer_start(&c->soon, on_deadline, (uint64_t)c->timeout_ms, 0);
	if (getnameinfo(a->ai_addr, a->ai_addrlen, literal, sizeof(literal), NULL, 0,
			NI_NUMERICHOST))
		end(c, "an address that cannot be written down");
	else if (!lws_client_connect_via_info(&info) && c->state == WS_CLIENT_CONNECTING && !c->wsi)
		try_next(c);
}

static void on_resolved(uv_getaddrinfo_t *r, int status, struct addrinfo *list)
{
	struct ws_client *c = r->data;

	c->resolving_now = false;
	if (c->freed || status < 0) {
		uv_freeaddrinfo(list);
		if (!c->freed)
			end(c, uv_strerror(status));
		reap_client(c);
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

/* What a header may not hold would end it, and begin another. */
static bool is_printable(const char *z)
{
	for (; *z; z++)
		if ((unsigned char)*z < ' ' || *z == 127)
			return false;
	return true;
}

static bool copy_headers(struct ws_client *c, const struct ws_connect *k)
{
	size_t used = 0;

	for (size_t i = 0; i < WS_CLIENT_HEADERS_MAX && k->headers[i].name; i++) {
		const struct ws_client_header *h = &k->headers[i];
		size_t n = strlen(h->name) + strlen(h->value) + 3;

		if (!is_printable(h->name) || !is_printable(h->value) ||
		    used + n + 1 > sizeof(c->headers))
			return false;
		snprintf(c->headers + used, sizeof(c->headers) - used, "%s:%c%s", h->name, 0,
			 h->value);
		used += n;
	}
	c->headers[used] = '\0';
	return true;
}

static int resolve(struct ws_client *c, struct fault *f)
{
	char port[8];
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };

	snprintf(port, sizeof(port), "%d", c->port);
	c->resolving.data = c;
	if (uv_getaddrinfo(c->dialer->loop, &c->resolving, on_resolved, c->host, port, &hints))
		return fault(f, E_UNAVAILABLE, "cannot resolve %s", c->host);
	c->resolving_now = true;
	c->state = WS_CLIENT_RESOLVING;
	return 0;
}

int ws_client_dial(struct ws_client *c, const struct ws_connect *k, struct fault *f)
{
	const char *token = k->token ? k->token : "";

	if (c->state != WS_CLIENT_IDLE)
		return fault(f, E_CONFLICT, "there is a connection");
	if (!split_url(c, k->url) || !is_printable(k->url))
		return fault(f, E_INVALID, "`%s` is no http or https URL", k->url);
	if (strlen(token) >= sizeof(c->token) || !is_printable(token))
		return fault(f, E_INVALID, "the token is too long, or no text");
	if (!copy_headers(c, k))
		return fault(f, E_INVALID, "the headers are too long, or no text");
	snprintf(c->token, sizeof(c->token), "%s", token);
	c->timeout_ms = k->timeout_ms ? k->timeout_ms : WS_CLIENT_CONNECT_MS;
	c->why[0] = '\0';
	c->status = c->close_code = 0;
	c->dropping = false;
	return resolve(c, f);
}

int ws_client_connect(struct ws_client *c, const char *url, const char *token, struct fault *f)
{
	const struct ws_connect k = { .url = url, .token = token };

	return ws_client_dial(c, &k, f);
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

static int add_bearer(struct ws_client *c, struct lws *wsi, unsigned char **p, unsigned char *end)
{
	char value[TOKEN_MAX + 8];
	int length = snprintf(value, sizeof(value), "Bearer %s", c->token);

	return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
					    (unsigned char *)value, length, p, end);
}

static int on_headers(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	unsigned char **p = in, *end = *p + n;
	const char *name = c->headers;

	if (c->token[0] && add_bearer(c, wsi, p, end))
		return -1;
	while (*name) {
		const char *value = name + strlen(name) + 1;

		if (lws_add_http_header_by_name(wsi, (const unsigned char *)name,
						(const unsigned char *)value, (int)strlen(value), p,
						end))
			return -1;
		name = value + strlen(value) + 1;
	}
	return 0;
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

static void hand_on(struct ws_client *c, struct lws *wsi, struct span message)
{
	void (*handler)(void *, struct span) =
		lws_frame_is_binary(wsi) ? c->handlers.binary : c->handlers.text;

	if (handler)
		handler(c->user, message);
}

static int on_receive(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	bool last = lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi);

	if (c->received.n + n > c->limit) {
		explain(c, "a message from the server is too large");
		lws_close_reason(wsi, (enum lws_close_status)CLOSE_TOO_LARGE, NULL, 0);
		return -1;
	}
	if (last && c->received.n == 0) {
		hand_on(c, wsi, (struct span){ in, n });
		return 0;
	}
	buf_add(&c->received, (struct span){ in, n });
	if (!last)
		return 0;
	hand_on(c, wsi, buf_span(&c->received));
	if (c->received.cap > KEPT_BYTES)
		buf_free(&c->received);
	buf_clear(&c->received);
	return 0;
}

static int on_writeable(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	(void)in;
	(void)n;
	if (!c->first)
		return 0;
	struct outgoing *o = take_first(c);
	uint64_t number = o->number;
	int sent = lws_write(wsi, o->bytes + LWS_PRE, o->n, o->kind);
	spare(c, o);
	if (c->handlers.sent)
		c->handlers.sent(c->user, number, sent >= 0);
	if (sent < 0)
		return -1;
	if (c->first)
		lws_callback_on_writable(wsi);
	return 0;
}

static int on_peer_close(struct ws_client *c, struct lws *wsi, void *in, size_t n)
{
	const unsigned char *code = in;
	int reason_n = n > 2 ? (int)n - 2 : 0;
	char number[8], why[200];

	(void)wsi;
	if (n < 2) {
		explain(c, "closed by the other side");
		return 0;
	}
	c->close_code = code[0] << 8 | code[1];
	snprintf(number, sizeof(number), "%d", c->close_code);
	snprintf(why, sizeof(why), "closed by the other side (%s)%s%.*s",
		 c->close_code == WS_CLIENT_CLOSE_ODD ? "1002, or one of 1012 to 1015" : number,
		 reason_n ? ": " : "", reason_n, (const char *)in + 2);
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
	reap_client(c);
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
	if (c->in_callback) { /* lws within a call of ours within lws */
		int inner = on_reason[reason](c, wsi, in, n);
		return c->dropping && inner == 0 ? -1 : inner;
	}
	c->in_callback = true;
	int rc = on_reason[reason](c, wsi, in, n);
	bool dropped = c->dropping && rc == 0; /* its memory goes in a later turn, if at all */
	c->in_callback = false;
	return dropped ? -1 : rc;
}

/* --- sending --- */

static struct outgoing *outgoing_new(struct ws_client *c, size_t n)
{
	struct outgoing *o = n <= SPARE_BYTES ? c->spare : NULL;
	size_t cap = n <= SPARE_BYTES ? SPARE_BYTES : n;

	if (o) {
		c->spare = o->next;
		c->spares--;
		return o;
	}
	o = malloc(sizeof(*o) + LWS_PRE + cap);
	CHECK(o);
	o->cap = cap;
	return o;
}

static int send_as(struct ws_client *c, enum lws_write_protocol kind, struct span message)
{
	if (c->state != WS_CLIENT_OPEN || c->dropping)
		return E_CLOSED;
	if (c->queued == QUEUE_MAX || message.n > TX_BYTES ||
	    c->queued_bytes + message.n > QUEUE_BYTES)
		return E_FULL;
	struct outgoing *o = outgoing_new(c, message.n);
	o->next = NULL;
	o->number = ++c->numbered;
	o->n = message.n;
	o->kind = kind;
	if (message.n)
		memcpy(o->bytes + LWS_PRE, message.p, message.n);
	*c->last = o;
	c->last = &o->next;
	c->queued++;
	c->queued_bytes += message.n;
	lws_callback_on_writable(c->wsi);
	return 0;
}

int ws_client_send(struct ws_client *c, struct span text)
{
	return send_as(c, LWS_WRITE_TEXT, text);
}

int ws_client_send_binary(struct ws_client *c, struct span bytes)
{
	return send_as(c, LWS_WRITE_BINARY, bytes);
}

uint64_t ws_client_last(const struct ws_client *c)
{
	return c->numbered;
}

size_t ws_client_queued_bytes(const struct ws_client *c)
{
	return c->queued_bytes;
}

int ws_client_close_code(const struct ws_client *c)
{
	return c->close_code;
}

/* --- the dialer --- */

static void on_lws_log(int level, const char *line)
{
	(void)level;
	(void)line; /* what matters reaches `closed`; this may be a terminal in use */
}

static const lws_retry_bo_t ping_policy = {
	.secs_since_valid_ping = PING_SECONDS,
	.secs_since_valid_hangup = HANG_UP_SECONDS,
};

/* lws 4.1.6 makes new OpenSSL indexes each time that it is told to set OpenSSL up, and then no
 * longer finds, nor frees, what earlier contexts have stored: told once in a process. Contexts are
 * created one after another. */
static bool tls_is_set_up;

static int create_context(struct ws_dialer *d)
{
	void *loops[1] = { d->loop };
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
			   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.foreign_loops = loops,
		.protocols = d->protocols,
		.uid = -1,
		.gid = -1,
		.pcontext = &d->context,
		.retry_and_idle_policy = &ping_policy,
		/* Besides the system's, which lws always loads. */
		.client_ssl_ca_filepath = d->ca_file[0] ? d->ca_file : NULL,
	};

	lws_set_log_level(LLL_ERR, on_lws_log);
	if (tls_is_set_up)
		info.options &= ~(uint64_t)LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	d->context = lws_create_context(&info);
	info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
	tls_is_set_up = true;
	d->vhost = d->context ? lws_create_vhost(d->context, &info) : NULL;
	return d->vhost ? 0 : E_UNAVAILABLE;
}

static bool serves(const struct ws_dialer *d, const uv_loop_t *loop, const char *ca_file)
{
	return d && d->loop == loop && strcmp(d->ca_file, ca_file ? ca_file : "") == 0;
}

int ws_dialer_new(struct ws_dialer **out, uv_loop_t *loop, const char *ca_file, struct fault *f)
{
	if (serves(dialer_here, loop, ca_file)) {
		dialer_here->refs++;
		*out = dialer_here;
		return 0;
	}
	struct ws_dialer *d = calloc(1, sizeof(*d));
	CHECK(d);
	d->refs = 1;
	d->loop = loop;
	snprintf(d->ca_file, sizeof(d->ca_file), "%s", ca_file ? ca_file : "");
	d->protocols[0] = (struct lws_protocols){
		.name = "callmend-client",
		.callback = on_lws,
		.rx_buffer_size = RX_BYTES,
		.tx_packet_size = TX_BYTES,
	};
	if (create_context(d)) {
		free(d);
		return fault(f, E_UNAVAILABLE,
			     "libwebsockets does not start (is libwebsockets-evlib-uv installed?)");
	}
	CHECK(uv_prepare_init(loop, &d->reaper) == 0 && uv_timer_init(loop, &d->turner) == 0);
	d->reaper.data = d->turner.data = d;
	d->handles = 2;
	dialer_here = d;
	*out = d;
	return 0;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct ws_dialer *d = h->data;

	if (--d->handles == 0)
		free(d);
}

/* On a foreign loop libwebsockets 4.1.6 ends a context whose last connection is long gone only when
 * told twice: the first time it closes its pipe (one turn of the loop) and then its timers (another
 * turn), the second time it frees what is left. */
static void destroy_context(struct ws_dialer *d)
{
	if (d->turns == 0 || d->turns == TURNS_TO_CLOSE)
		lws_context_destroy(d->context);
	d->turns++;
}

static void on_turn(uv_timer_t *t)
{
	(void)t; /* the loop turns: that is all */
}

static void reap(uv_prepare_t *h)
{
	struct ws_dialer *d = h->data;

	if (d->clients)
		return;
	if (d->context) {
		uv_timer_start(&d->turner, on_turn, 1, 0);
		destroy_context(d);
		return;
	}
	uv_prepare_stop(h);
	uv_close((uv_handle_t *)&d->turner, on_handle_closed);
	uv_close((uv_handle_t *)h, on_handle_closed);
}

void ws_dialer_free(struct ws_dialer *d)
{
	if (!d || --d->refs)
		return;
	if (dialer_here == d)
		dialer_here = NULL;
	uv_prepare_start(&d->reaper, reap);
}

/* --- life --- */

void ws_client_of(struct ws_client **out, struct ws_dialer *d, size_t message_limit,
		  const struct ws_client_handlers *handlers, void *user)
{
	struct ws_client *c = calloc(1, sizeof(*c));

	CHECK(c);
	c->dialer = d;
	d->clients++;
	c->limit = message_limit;
	c->handlers = *handlers;
	c->user = user;
	c->last = &c->first;
	CHECK(uv_timer_init(d->loop, &c->soon) == 0);
	c->soon.data = c;
	*out = c;
}

int ws_client_new(struct ws_client **out, uv_loop_t *loop, size_t message_limit,
		  const struct ws_client_handlers *handlers, void *user, struct fault *f)
{
	struct ws_dialer *d = NULL;

	TRY(ws_dialer_new(&d, loop, NULL, f));
	CHECK(d);
	ws_client_of(out, d, message_limit, handlers, user);
	(*out)->own_dialer = true;
	return 0;
}

static void on_timer_closed(uv_handle_t *h)
{
	struct ws_client *c = h->data;
	struct ws_dialer *d = c->dialer;

	drop_queue(c);
	while (c->spare) {
		struct outgoing *o = c->spare;

		c->spare = o->next;
		free(o);
	}
	buf_free(&c->received);
	d->clients--;
	if (c->own_dialer)
		ws_dialer_free(d);
	free(c);
}

static void reap_client(struct ws_client *c)
{
	if (!c->freed || c->closing || c->wsi || c->resolving_now)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->soon, on_timer_closed);
}

void ws_client_free(struct ws_client *c)
{
	if (!c)
		return;
	c->freed = true;
	ws_client_disconnect(c);
	end(c, "freed");
	uv_timer_stop(&c->soon);
	reap_client(c);
}
