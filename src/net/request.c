/* Reads a request out of libwebsockets' header table, which is freed early: everything that is
 * needed later is copied here.
 *
 * What lws 4.1 does to the request line before we see it: percent-decoding, "+" to space, removal
 * of "//", "/./", "/../"; in the query each "&" or ";" starts a new fragment before decoding, so
 * decoded ones in values are safe. A path with a bare "&" or ";" in it comes in fragments as well
 * and is refused: their separator is lost. */
#include <strings.h>

#include "net/internal.h"

static const struct {
	enum lws_token_indexes token;
	enum http_method method;
} methods[] = {
	{ WSI_TOKEN_GET_URI, HTTP_GET },	 { WSI_TOKEN_POST_URI, HTTP_POST },
	{ WSI_TOKEN_PUT_URI, HTTP_PUT },	 { WSI_TOKEN_PATCH_URI, HTTP_PATCH },
	{ WSI_TOKEN_DELETE_URI, HTTP_DELETE },	 { WSI_TOKEN_HEAD_URI, HTTP_HEAD },
	{ WSI_TOKEN_OPTIONS_URI, HTTP_OPTIONS },
};

bool request_method(struct lws *wsi, enum http_method *method, int *token)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (lws_hdr_total_length(wsi, methods[i].token) == 0)
			continue;
		*method = methods[i].method;
		*token = (int)methods[i].token;
		return true;
	}
	return false;
}

static struct span trimmed(struct span s)
{
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = span_from(s, 1);
	return s;
}

static struct span known_header(struct lws *wsi, struct arena *a, enum lws_token_indexes token)
{
	int n = lws_hdr_total_length(wsi, token);

	if (n <= 0)
		return (struct span){ 0 };
	char *p = arena_alloc(a, (size_t)n + 2);
	n = lws_hdr_copy(wsi, p, n + 2, token);
	return n < 0 ? (struct span){ 0 } : trimmed((struct span){ p, (size_t)n });
}

static struct span custom_header(struct lws *wsi, struct arena *a, const char *key)
{
	int key_n = (int)strlen(key);
	int n = lws_hdr_custom_length(wsi, key, key_n);

	if (n < 0)
		return (struct span){ 0 };
	char *p = arena_alloc(a, (size_t)n + 2);
	n = lws_hdr_custom_copy(wsi, p, n + 2, key, key_n);
	return n < 0 ? (struct span){ 0 } : trimmed((struct span){ p, (size_t)n });
}

struct span request_header(struct lws *wsi, struct arena *a, const struct capture *capture)
{
	struct span v = { 0 };

	if (capture->token >= 0)
		v = known_header(wsi, a, (enum lws_token_indexes)capture->token);
	return v.p ? v : custom_header(wsi, a, capture->key);
}

struct capture request_header_named(const char *name, struct arena *a)
{
	char *key = arena_printf(a, "%s:", name);
	struct capture c = { .name = arena_printf(a, "%s", name), .key = key, .token = -1 };

	for (char *p = key; *p; p++) /* as lws keeps them */
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p | 0x20);
	for (int t = 0; t < WSI_TOKEN_COUNT; t++) {
		const unsigned char *known = lws_token_to_string((enum lws_token_indexes)t);
		if (known && strcmp((const char *)known, c.key) == 0)
			c.token = t;
	}
	return c;
}

bool request_path(struct lws *wsi, int token, struct arena *a, struct span *path)
{
	enum lws_token_indexes t = (enum lws_token_indexes)token;
	int n = lws_hdr_fragment_length(wsi, t, 0);

	if (n <= 0 || n != lws_hdr_total_length(wsi, t))
		return false;
	char *p = arena_alloc(a, (size_t)n + 1);
	if (lws_hdr_copy_fragment(wsi, p, n + 1, t, 0) != n)
		return false;
	*path = (struct span){ p, (size_t)n };
	return true;
}

static void capture_query(struct lws *wsi, struct exchange *x)
{
	int total = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS);
	size_t cap = 0;

	for (int i = 0; total > 0; i++) {
		char *p = arena_alloc(&x->arena, (size_t)total + 2);
		int n = lws_hdr_copy_fragment(wsi, p, total + 2, WSI_TOKEN_HTTP_URI_ARGS, i);
		if (n < 0)
			return;
		if (n == 0)
			continue;
		if (x->query_n == cap) {
			cap = cap ? cap * 2 : 8;
			struct span *bigger = arena_alloc(&x->arena, cap * sizeof(*bigger));
			if (x->query_n)
				memcpy(bigger, x->query, x->query_n * sizeof(*bigger));
			x->query = bigger;
		}
		x->query[x->query_n++] = (struct span){ p, (size_t)n };
		total -= n; /* the next copy needs no more room than what is left */
	}
}

struct exchange *request_capture(struct connection *c)
{
	struct exchange *x = calloc(1, sizeof(*x));
	int token = -1;

	CHECK(x);
	x->connection = c;
	x->server = c->server;
	x->shard = c->server->shard;
	x->after = request_after(c->wsi);
	if (!request_method(c->wsi, &x->method, &token) ||
	    !request_path(c->wsi, token, &x->arena, &x->path)) {
		x->refusal = 400;
		x->detail = "no method or path that can be read; & and ; in a path must be "
			    "percent-encoded";
		return x;
	}
	capture_query(c->wsi, x);
	for (size_t i = 0; i < c->server->captures_n; i++)
		x->header[i] = request_header(c->wsi, &x->arena, &c->server->captures[i]);
	return x;
}

/* The same rules as lws_http_action() has, whose verdict cannot be asked. */
enum http_after request_after(struct lws *wsi)
{
	char version[16] = "", connection[32] = "";
	bool keep;

	lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_HTTP);
	keep = strcmp(version, "HTTP/1.1") == 0;
	if (lws_hdr_copy(wsi, connection, sizeof(connection), WSI_TOKEN_CONNECTION) > 0) {
		keep |= strcasecmp(connection, "keep-alive") == 0;
		keep &= strcasecmp(connection, "close") != 0;
	}
	return keep ? HTTP_KEEPS : HTTP_CLOSES;
}

struct body_frame request_frame(struct lws *wsi, enum http_method method)
{
	struct arena a = { 0 };
	struct body_frame frame =
		body_frame_of(method, known_header(wsi, &a, WSI_TOKEN_HTTP_CONTENT_LENGTH),
			      known_header(wsi, &a, WSI_TOKEN_HTTP_TRANSFER_ENCODING));

	arena_fini(&a);
	return frame;
}

bool request_expects_continue(struct lws *wsi)
{
	char value[32] = "";

	return lws_hdr_copy(wsi, value, sizeof(value), WSI_TOKEN_HTTP_EXPECT) > 0 &&
	       strcasecmp(value, "100-continue") == 0;
}

static bool is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* lws looks the offered names up among its own: the first one becomes the name of protocols[1]
 * before it does. */
static const char *subprotocol_fault(struct lws *wsi)
{
	char offered[127] = "";
	size_t n = 0;

	if (lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) == 0)
		return NULL;
	if (lws_hdr_copy(wsi, offered, sizeof(offered), WSI_TOKEN_PROTOCOL) <= 0)
		return "Sec-WebSocket-Protocol is longer than 125 bytes";
	while (is_token_char(offered[n]))
		n++;
	if (n == 0 || n >= SUBPROTOCOL_MAX || !strchr(", ", offered[n]) ||
	    (offered[0] >= '0' && offered[0] <= '9'))
		return "Sec-WebSocket-Protocol: the first name cannot be used";
	return NULL;
}

const char *request_ws_fault(struct lws *wsi)
{
	char text[128] = "";
	int token = -1;
	enum http_method method = HTTP_GET;

	if (!request_method(wsi, &method, &token) || method != HTTP_GET)
		return "a WebSocket handshake is a GET";
	if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_CONNECTION) <= 0 ||
	    !strcasestr(text, "upgrade"))
		return "Connection: Upgrade is missing";
	if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_VERSION) <= 0 ||
	    strcmp(text, "13") != 0)
		return "Sec-WebSocket-Version must be 13";
	if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_KEY) != 24)
		return "Sec-WebSocket-Key must be 16 bytes in base64";
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HOST) == 0)
		return "Host is missing";
	return subprotocol_fault(wsi);
}

/* Nothing public says so, but this writes its terminator before it fails to find the name, and not
 * without a table. */
bool request_has_table(struct lws *wsi)
{
	char written = 'x';

	lws_hdr_custom_copy(wsi, &written, 1, "", 0);
	return written == '\0';
}
