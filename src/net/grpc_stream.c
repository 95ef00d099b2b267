/* A request: its headers, its messages, its answer. What nghttp2 tells about requests ends up here.
 *
 * Happy path: headers are collected in the connection's memory, checked, and the method's owner is
 * asked; messages go to it out of DATA frames; when the client has sent everything, or before, the
 * owner answers: an empty message and trailers, or trailers alone.
 *
 * Failure modes: whatever is wrong with a request or a message is answered here, with a status and
 * a line of text; the rest of what the client sends on that stream is dropped, and the stream reset
 * (NO_ERROR) when the answer is out. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/log.h"
#include "base/metrics.h"
#include "net/grpc_internal.h"

enum {
	PREFIX_BYTES = 5, /* of a message: is it compressed, how long is it */
	HEADERS_FLOOD_BYTES = 16 * GRPC_HEADERS_BYTES,
	REFUSED_TEXT_BYTES = 300,
};

/* --- answers --- */

static const struct {
	enum grpc_status status;
	const char *name;
} names[] = {
	{ GRPC_OK, "ok" },
	{ GRPC_INVALID_ARGUMENT, "invalid_argument" },
	{ GRPC_RESOURCE_EXHAUSTED, "resource_exhausted" },
	{ GRPC_FAILED_PRECONDITION, "failed_precondition" },
	{ GRPC_UNIMPLEMENTED, "unimplemented" },
	{ GRPC_INTERNAL, "internal" },
	{ GRPC_UNAVAILABLE, "unavailable" },
	{ GRPC_UNAUTHENTICATED, "unauthenticated" },
};

static const char *status_name(enum grpc_status status)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].status == status)
			return names[i].name;
	return "other";
}

static nghttp2_nv field(const char *name, const char *value)
{
	return (nghttp2_nv){ .name = (uint8_t *)name,
			     .namelen = strlen(name),
			     .value = (uint8_t *)value,
			     .valuelen = strlen(value),
			     .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME };
}

/* Percent-encoded: what is not printable ASCII, and the percent sign itself. */
static void put_message(struct buf *out, const char *text)
{
	for (const char *at = text; *at && out->n < REFUSED_TEXT_BYTES; at++) {
		if (*at >= ' ' && *at <= '~' && *at != '%')
			buf_addc(out, *at);
		else
			buf_printf(out, "%%%02X", (unsigned char)*at);
	}
}

static ssize_t empty_message(nghttp2_session *session, int32_t id, uint8_t *to, size_t cap,
			     uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct grpc_stream *s = source->ptr;
	size_t left = PREFIX_BYTES - s->answered, n = left < cap ? left : cap;

	(void)user;
	memset(to, 0, n);
	s->answered += n;
	if (s->answered == PREFIX_BYTES) {
		nghttp2_nv trailer = field("grpc-status", "0");
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		if (nghttp2_submit_trailer(session, id, &trailer, 1))
			return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	return (ssize_t)n;
}

/* What we can read; grpc.io says it belongs to each answer that refuses an encoding. */
#define ACCEPTS field("grpc-accept-encoding", "identity")

static int submit_ok(struct grpc_stream *s)
{
	nghttp2_nv head[] = { field(":status", "200"), field("content-type", "application/grpc"),
			      ACCEPTS };
	nghttp2_data_provider body = { .source.ptr = s, .read_callback = empty_message };

	return nghttp2_submit_response(s->connection->session, s->id, head, 3, &body);
}

static int submit_refusal(struct grpc_stream *s, const char *http_status, const char *text)
{
	char number[12];
	struct buf message AUTO_BUF = { 0 };

	snprintf(number, sizeof(number), "%d", (int)s->status);
	put_message(&message, text);
	nghttp2_nv head[] = { field(":status", http_status),
			      field("content-type", "application/grpc"),
			      field("grpc-status", number), ACCEPTS,
			      field("grpc-message", buf_z(&message)) };
	return nghttp2_submit_response(s->connection->session, s->id, head, message.n ? 5 : 4,
				       NULL);
}

static void answer(struct grpc_stream *s, enum grpc_status status, const char *http_status,
		   const char *text)
{
	if (s->finished)
		return;
	s->finished = true;
	s->status = status;
	int rc =
		status == GRPC_OK ? submit_ok(s) : submit_refusal(s, http_status, text ? text : "");
	if (rc)
		log_debug("grpc", "%s: no answer: %s", s->connection->peer, nghttp2_strerror(rc));
	grpc_connection_dirty(s->connection);
}

void grpc_stream_finish(struct grpc_stream *s, enum grpc_status status, const char *text)
{
	answer(s, status, "200", text);
}

/* By us, not by the method's owner, who learns it when the stream closes. */
static void refuse(struct grpc_stream *s, enum grpc_status status, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
static void refuse(struct grpc_stream *s, enum grpc_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	answer(s, status, "200", s->why);
}

void grpc_stream_turn_away(struct grpc_stream *s, const char *why)
{
	refuse(s, GRPC_UNAVAILABLE, "%s", why);
}

/* --- messages --- */

/* With its prefix; 0: refused. */
static size_t message_size(struct grpc_stream *s, const char *prefix)
{
	const uint8_t *b = (const uint8_t *)prefix;
	size_t n = (size_t)b[1] << 24 | (size_t)b[2] << 16 | (size_t)b[3] << 8 | b[4];

	if (b[0] == 1)
		refuse(s, GRPC_UNIMPLEMENTED,
		       "compressed messages are not read here: send them as identity");
	else if (b[0])
		refuse(s, GRPC_INTERNAL, "a message begins with 0x%02x: neither 0 nor 1", b[0]);
	else if (n > s->method->message_max)
		refuse(s, GRPC_RESOURCE_EXHAUSTED, "a message of %zu bytes: at most %zu are taken",
		       n, s->method->message_max);
	return s->finished ? 0 : PREFIX_BYTES + n;
}

static void hand_on(struct grpc_stream *s, const char *message, size_t size)
{
	s->method->handlers->message(s,
				     (struct span){ message + PREFIX_BYTES, size - PREFIX_BYTES });
}

/* As much as the message lacks. Its memory grows as it comes, not as its prefix announces. */
static struct span put_together(struct grpc_stream *s, struct span in)
{
	size_t size = s->part.n < PREFIX_BYTES ? PREFIX_BYTES : message_size(s, s->part.p);
	size_t n = size - s->part.n < in.n ? size - s->part.n : in.n;

	buf_add(&s->part, (struct span){ in.p, n });
	if (s->part.n < PREFIX_BYTES)
		return span_from(in, n);
	size = message_size(s, s->part.p);
	if (size && size == s->part.n) {
		hand_on(s, s->part.p, size);
		buf_clear(&s->part);
	}
	return span_from(in, n);
}

static void take_bytes(struct grpc_stream *s, struct span in)
{
	while (in.n && !s->finished) {
		if (s->part.n == 0 && in.n >= PREFIX_BYTES) {
			size_t size = message_size(s, in.p);
			if (size == 0)
				return;
			if (size <= in.n) {
				hand_on(s, in.p, size);
				in = span_from(in, size);
				continue;
			}
		}
		in = put_together(s, in);
	}
}

/* Everything that has come is consumed: handed on, or in the stream's memory, of which there is one
 * message's at most. */
static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
		   void *user)
{
	struct grpc_stream *s = nghttp2_session_get_stream_user_data(session, id);

	(void)flags;
	(void)user;
	if (s)
		take_bytes(s, (struct span){ (const char *)p, n });
	if (s && s->finished)
		buf_free(&s->part);
	return nghttp2_session_consume(session, id, n);
}

static void on_end(struct grpc_stream *s)
{
	s->ended = true;
	if (s->finished)
		return;
	if (s->part.n)
		refuse(s, GRPC_INTERNAL, "the stream ended in the middle of a message");
	else
		s->method->handlers->end(s);
}

/* --- headers --- */

/* In the connection's memory: length of the name, of the value, both. */
struct kept {
	uint32_t name_n, value_n;
};

static bool next_header(const struct buf *b, size_t *at, struct span *name, struct span *value)
{
	struct kept k;

	if (*at >= b->n)
		return false;
	memcpy(&k, b->p + *at, sizeof(k));
	*name = (struct span){ b->p + *at + sizeof(k), k.name_n };
	*value = (struct span){ name->p + k.name_n, k.value_n };
	*at += sizeof(k) + k.name_n + k.value_n;
	return true;
}

bool grpc_stream_header(const struct grpc_stream *s, const char *name, struct span *out)
{
	struct span n, v;

	for (size_t at = 0; next_header(&s->connection->headers, &at, &n, &v);) {
		if (span_is(n, name)) {
			*out = v;
			return true;
		}
	}
	return false;
}

static struct span header_of(const struct grpc_stream *s, const char *name)
{
	struct span v = { 0 };

	grpc_stream_header(s, name, &v);
	return v;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct grpc_connection *c = user;

	c->headers_bytes = 0;
	if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	struct grpc_stream *s = calloc(1, sizeof(*s));
	CHECK(s);
	s->connection = c;
	s->id = frame->hd.stream_id;
	DL_APPEND(c->streams, s);
	buf_clear(&c->headers);
	c->headers_since_ms = grpc_server_now_ms(c->server);
	return nghttp2_session_set_stream_user_data(session, s->id, s);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
	struct grpc_connection *c = user;
	struct grpc_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct kept k = { (uint32_t)name_n, (uint32_t)value_n };

	(void)flags;
	c->headers_bytes += sizeof(k) + name_n + value_n;
	if (c->headers_bytes > HEADERS_FLOOD_BYTES)
		c->calm = true;
	if (!s || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	s->headers_over |= c->headers_bytes > GRPC_HEADERS_BYTES;
	if (s->headers_over)
		return 0;
	buf_add(&c->headers, (struct span){ (const char *)&k, sizeof(k) });
	buf_add(&c->headers, (struct span){ (const char *)name, name_n });
	buf_add(&c->headers, (struct span){ (const char *)value, value_n });
	return 0;
}

/* application/grpc or application/grpc+proto, parameters aside. Not application/grpc-web. */
static bool is_grpc(struct span type)
{
	static const char *const types[] = { "application/grpc", "application/grpc+proto", NULL };
	const char *end = type.n ? memchr(type.p, ';', type.n) : NULL;

	if (end)
		type.n = (size_t)(end - type.p);
	return span_in(span_trim(type), types);
}

static const struct grpc_method *find(const struct grpc_config *config, struct span path)
{
	for (size_t i = 0; i < config->methods_n; i++)
		if (span_is(path, config->methods[i].path))
			return &config->methods[i];
	return NULL;
}

static void ask_owner(struct grpc_stream *s)
{
	const char *why = NULL;

	enum grpc_status status = s->method->handlers->open(s, &why);
	if (status == GRPC_OK)
		s->opened = true;
	else
		refuse(s, status, "%s", why ? why : "refused");
}

/* A missing "te: trailers" is let pass: the gateway in front may have eaten it, trailers get
 * through all the same. */
static void on_request(struct grpc_stream *s)
{
	struct span path = header_of(s, ":path");

	if (s->headers_over) {
		refuse(s, GRPC_RESOURCE_EXHAUSTED, "headers of more than %d bytes",
		       GRPC_HEADERS_BYTES);
		return;
	}
	if (!is_grpc(header_of(s, "content-type"))) {
		snprintf(s->why, sizeof(s->why), "content-type is not application/grpc");
		answer(s, GRPC_INVALID_ARGUMENT, "415", s->why);
		return;
	}
	s->method = find(&s->connection->server->config, path);
	if (!s->method || !span_is(header_of(s, ":method"), "POST"))
		refuse(s, GRPC_UNIMPLEMENTED, "no such method: %.*s %.*s",
		       SPAN_ARG(header_of(s, ":method")), SPAN_ARG(path));
	else
		ask_owner(s);
}

/* --- what nghttp2 tells --- */

static void on_frame_of_stream(struct grpc_stream *s, const nghttp2_frame *frame)
{
	uint8_t type = frame->hd.type;

	if (type == NGHTTP2_RST_STREAM) {
		s->reset = true;
		return;
	}
	if (type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		on_request(s);
		s->connection->headers_since_ms = 0;
	}
	if ((type == NGHTTP2_HEADERS || type == NGHTTP2_DATA) &&
	    frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		on_end(s);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct grpc_connection *c = user;
	struct grpc_stream *s =
		frame->hd.stream_id
			? nghttp2_session_get_stream_user_data(session, frame->hd.stream_id)
			: NULL;

	if (frame->hd.type == NGHTTP2_SETTINGS)
		c->greeted = true;
	if (s)
		on_frame_of_stream(s, frame);
	return 0;
}

/* Frames that move nothing, however cheap, are counted: PRIORITY, RST_STREAM, SETTINGS, PING,
 * GOAWAY, and DATA without data. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
	static const bool works[] = { [NGHTTP2_DATA] = true,
				      [NGHTTP2_HEADERS] = true,
				      [NGHTTP2_WINDOW_UPDATE] = true,
				      [NGHTTP2_CONTINUATION] = true };

	(void)session;
	if (hd->type >= sizeof(works) || !works[hd->type] ||
	    (hd->type == NGHTTP2_DATA && hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM)))
		grpc_connection_wasted(user);
	return 0;
}

/* An answer is out before the client has said everything: it may stop now. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	(void)user;
	if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	struct grpc_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (!s || s->ended)
		return 0;
	return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	struct grpc_connection *c = user;
	struct grpc_stream *s = nghttp2_session_get_stream_user_data(session, id);
	char why[80];

	if (!s)
		return 0;
	if (code != NGHTTP2_NO_ERROR && !s->reset)
		grpc_connection_wasted(c); /* a client can make us reset, too */
	snprintf(why, sizeof(why), "reset by %s (%s)", s->reset ? "the client" : "us",
		 nghttp2_http2_strerror(code));
	if (c->eof)
		grpc_stream_gone(s, "lost", "connection lost");
	else
		grpc_stream_gone(s, "reset", why);
	return 0;
}

void grpc_stream_gone(struct grpc_stream *s, const char *end, const char *why)
{
	struct grpc_connection *c = s->connection;
	bool answered = s->finished && !s->reset;
	const char *text = s->why[0] ? s->why : answered ? "finished" : why;

	metric_add_label(METRIC_GRPC_STREAMS, answered ? status_name(s->status) : end, 1);
	if (s->opened)
		s->method->handlers->closed(s, text);
	if (c->session)
		nghttp2_session_set_stream_user_data(c->session, s->id, NULL);
	DL_DELETE(c->streams, s);
	buf_free(&s->part);
	free(s);
}

void grpc_stream_callbacks(nghttp2_session_callbacks *k)
{
	nghttp2_session_callbacks_set_on_begin_frame_callback(k, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(k, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(k, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(k, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(k, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(k, on_frame_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(k, on_close);
}

/* --- for the methods' owners --- */

void grpc_stream_set_user(struct grpc_stream *s, void *user)
{
	s->user = user;
}

void *grpc_stream_user(const struct grpc_stream *s)
{
	return s->user;
}

struct grpc_server *grpc_stream_server(const struct grpc_stream *s)
{
	return s->connection->server;
}

struct shard *grpc_stream_shard(const struct grpc_stream *s)
{
	return s->connection->server->shard;
}

struct span grpc_stream_path(const struct grpc_stream *s)
{
	return span_of(s->method->path);
}

struct span grpc_stream_peer(const struct grpc_stream *s)
{
	return span_of(s->connection->peer);
}
