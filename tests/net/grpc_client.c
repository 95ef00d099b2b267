#include "grpc_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { USUAL = 6, FIELDS_MAX = 24 };

/* --- the socket --- */

static void put(struct grpc_client *c, const void *p, size_t n)
{
	const char *at = p;

	while (n && !c->deaf) {
		ssize_t w =
			c->ssl ? SSL_write(c->ssl, at, (int)n) : send(c->fd, at, n, MSG_NOSIGNAL);
		if (w <= 0) {
			c->deaf = true; /* a server may close on those who misbehave */
			return;
		}
		at += w;
		n -= (size_t)w;
	}
}

static ssize_t get(struct grpc_client *c, void *p, size_t n)
{
	ssize_t r = c->ssl ? SSL_read(c->ssl, p, (int)n) : recv(c->fd, p, n, 0);

	if (r < 0 && !c->ssl && errno == EAGAIN)
		fail_msg("nothing comes");
	if (r < 0 && c->ssl && SSL_get_error(c->ssl, (int)r) == SSL_ERROR_WANT_READ)
		fail_msg("nothing comes");
	c->cut = r < 0 && errno == ECONNRESET;
	return r;
}

void client_bytes(struct grpc_client *c, const void *p, size_t n)
{
	put(c, p, n);
}

void put_frame(struct buf *b, unsigned type, unsigned flags, int32_t id, const void *p, size_t n)
{
	uint8_t head[9] = { (uint8_t)(n >> 16),	 (uint8_t)(n >> 8),  (uint8_t)n,
			    (uint8_t)type,	 (uint8_t)flags,     (uint8_t)(id >> 24),
			    (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id };

	buf_add(b, (struct span){ (const char *)head, sizeof(head) });
	buf_add(b, (struct span){ p, n });
}

void client_frame(struct grpc_client *c, unsigned type, unsigned flags, int32_t id, const void *p,
		  size_t n)
{
	struct buf b = { 0 };

	put_frame(&b, type, flags, id, p, n);
	put(c, b.p, b.n);
	buf_free(&b);
}

void client_flush(struct grpc_client *c)
{
	const uint8_t *p;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(c->session, &p)) > 0)
		put(c, p, (size_t)n);
	assert_true(n >= 0);
}

static void look_for_goaway(struct grpc_client *c, const uint8_t *p, size_t n)
{
	enum { HEAD = 9 };

	buf_add(&c->frames, (struct span){ (const char *)p, n });
	for (;;) {
		const uint8_t *b = (const uint8_t *)c->frames.p;
		size_t size = HEAD;
		if (c->frames.n < HEAD)
			return;
		size += (size_t)b[0] << 16 | (size_t)b[1] << 8 | b[2];
		if (c->frames.n < size)
			return;
		if (b[3] == NGHTTP2_GOAWAY) {
			c->goaway = true;
			c->goaway_code = b[HEAD + 7];
		}
		c->frames.n -= size;
		memmove(c->frames.p, c->frames.p + size, c->frames.n);
	}
}

bool client_turn(struct grpc_client *c)
{
	uint8_t bytes[65536];

	if (!c->by_hand)
		client_flush(c);
	ssize_t n = c->ended ? 0 : get(c, bytes, sizeof(bytes));
	if (n <= 0) {
		c->ended = true;
		return false;
	}
	look_for_goaway(c, bytes, (size_t)n);
	if (c->by_hand)
		return true;
	assert_int_equal(n, nghttp2_session_mem_recv(c->session, bytes, (size_t)n));
	client_flush(c);
	return true;
}

void call_wait(struct grpc_client *c, struct call *k)
{
	while (!k->closed)
		if (!client_turn(c))
			fail_msg("closed before an answer");
}

void client_wait_end(struct grpc_client *c)
{
	while (client_turn(c))
		;
}

void client_wait_settings(struct grpc_client *c)
{
	while (!c->max_streams)
		if (!client_turn(c))
			fail_msg("closed before its SETTINGS");
}

/* --- what comes --- */

static struct call *call_at(nghttp2_session *s, int32_t id)
{
	return id ? nghttp2_session_get_stream_user_data(s, id) : NULL;
}

static void copy(char *to, size_t cap, const uint8_t *p, size_t n)
{
	assert_true(n < cap);
	memcpy(to, p, n);
	to[n] = 0;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
	struct call *k = call_at(s, frame->hd.stream_id);
	struct span n = { (const char *)name, name_n };

	(void)flags;
	(void)user;
	if (span_is(n, ":status"))
		k->http_status = atoi((const char *)value);
	if (span_is(n, "grpc-status"))
		k->status = atoi((const char *)value);
	if (span_is(n, "grpc-message"))
		copy(k->message, sizeof(k->message), value, value_n);
	if (span_is(n, "grpc-accept-encoding"))
		copy(k->accepts, sizeof(k->accepts), value, value_n);
	return 0;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
		   void *user)
{
	struct call *k = call_at(s, id);

	(void)flags;
	(void)user;
	if (k)
		buf_add(&k->body, (struct span){ (const char *)p, n });
	return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	struct grpc_client *c = user;
	bool ack = frame->hd.flags & NGHTTP2_FLAG_ACK;

	if (frame->hd.type == NGHTTP2_SETTINGS && !ack)
		c->max_streams = nghttp2_session_get_remote_settings(
			s, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
	c->window_updates += frame->hd.type == NGHTTP2_WINDOW_UPDATE && frame->hd.stream_id;
	c->pongs += frame->hd.type == NGHTTP2_PING && ack;
	return 0;
}

static int before_frame(nghttp2_session *s, const nghttp2_frame *frame, void *user)
{
	struct grpc_client *c = user;

	(void)s;
	return frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK &&
			       !c->answers_pings
		       ? NGHTTP2_ERR_CANCEL
		       : 0;
}

static int on_close(nghttp2_session *s, int32_t id, uint32_t code, void *user)
{
	struct call *k = call_at(s, id);

	(void)user;
	if (k) {
		k->closed = true;
		k->code = code;
	}
	return 0;
}

/* --- life --- */

static void *secure(int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);

	SSL_CTX_free(ctx); /* the connection keeps it */
	SSL_set_fd(ssl, fd);
	assert_int_equal(0, SSL_set_alpn_protos(ssl, (const uint8_t *)"\2h2", 3));
	assert_int_equal(1, SSL_connect(ssl));
	return ssl;
}

static nghttp2_session *session_new(struct grpc_client *c)
{
	nghttp2_session_callbacks *k;
	nghttp2_session *s;

	assert_int_equal(0, nghttp2_session_callbacks_new(&k));
	nghttp2_session_callbacks_set_on_header_callback(k, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(k, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(k, on_frame);
	nghttp2_session_callbacks_set_before_frame_send_callback(k, before_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(k, on_close);
	assert_int_equal(0, nghttp2_session_client_new(&s, k, c));
	nghttp2_session_callbacks_del(k);
	assert_int_equal(0, nghttp2_submit_settings(s, 0, NULL, 0));
	return s;
}

struct grpc_client *grpc_client_new(unsigned port, enum client_way way)
{
	struct grpc_client *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->answers_pings = true;
	c->fd = client_connect(port);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (way == IN_TLS)
		c->ssl = secure(c->fd);
	c->session = session_new(c);
	return c;
}

void grpc_client_free(struct grpc_client *c)
{
	for (size_t i = 0; i < c->calls_n; i++) {
		for (size_t k = 0; k < PIECES_MAX; k++)
			buf_free(&c->calls[i]->pieces[k]);
		buf_free(&c->calls[i]->body);
		free(c->calls[i]);
	}
	buf_free(&c->frames);
	nghttp2_session_del(c->session);
	SSL_free(c->ssl);
	close(c->fd);
	free(c);
}

/* --- calls --- */

static ssize_t next_piece(nghttp2_session *s, int32_t id, uint8_t *to, size_t cap, uint32_t *flags,
			  nghttp2_data_source *source, void *user)
{
	struct call *k = source->ptr;

	(void)s;
	(void)id;
	(void)user;
	if (k->piece_at == k->pieces_n) {
		if (!k->end)
			return NGHTTP2_ERR_DEFERRED;
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		return 0;
	}
	struct buf *b = &k->pieces[k->piece_at % PIECES_MAX];
	size_t left = b->n - k->byte_at, n = left < cap ? left : cap;
	memcpy(to, b->p + k->byte_at, n);
	k->byte_at += n;
	if (k->byte_at == b->n) {
		k->piece_at++;
		k->byte_at = 0;
	}
	return (ssize_t)n;
}

static nghttp2_nv field(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0 };
}

static void set_field(nghttp2_nv *fields, size_t *n, const char *name, const char *value)
{
	size_t at = 0;

	while (at < *n && strcmp((const char *)fields[at].name, name) != 0)
		at++;
	if (!value) {
		assert_true(at < *n);
		memmove(&fields[at], &fields[at + 1], (*n - at - 1) * sizeof(*fields));
		--*n;
		return;
	}
	assert_true(at < FIELDS_MAX);
	fields[at] = field(name, value);
	*n += at == *n;
}

struct call *call_new(struct grpc_client *c, const char *path, ...)
{
	nghttp2_nv fields[FIELDS_MAX] = { field(":method", "POST"),
					  field(":scheme", "http"),
					  field(":path", path),
					  field(":authority", "localhost"),
					  field("content-type", "application/grpc"),
					  field("te", "trailers") };
	size_t n = USUAL;
	struct call *k = calloc(1, sizeof(*k));
	nghttp2_data_provider body = { .source.ptr = k, .read_callback = next_piece };
	const char *name;
	va_list ap;

	assert_true(k && c->calls_n < CALLS_MAX);
	va_start(ap, path);
	while ((name = va_arg(ap, const char *)))
		set_field(fields, &n, name, va_arg(ap, const char *));
	va_end(ap);
	k->status = -1;
	k->id = nghttp2_submit_request(c->session, NULL, fields, n, &body, k);
	assert_true(k->id > 0);
	c->calls[c->calls_n++] = k;
	client_flush(c);
	return k;
}

void call_piece(struct grpc_client *c, struct call *k, const void *p, size_t n)
{
	while (k->pieces_n - k->piece_at == PIECES_MAX)
		assert_true(client_turn(c));
	struct buf *b = &k->pieces[k->pieces_n % PIECES_MAX];
	buf_clear(b);
	buf_add(b, (struct span){ p, n });
	k->pieces_n++;
	nghttp2_session_resume_data(c->session, k->id);
	client_flush(c);
}

void put_grpc_message(struct buf *b, int compressed, const void *p, size_t n)
{
	uint8_t head[5] = { (uint8_t)compressed, (uint8_t)(n >> 24), (uint8_t)(n >> 16),
			    (uint8_t)(n >> 8), (uint8_t)n };

	buf_add(b, (struct span){ (const char *)head, sizeof(head) });
	buf_add(b, (struct span){ p, n });
}

void call_message(struct grpc_client *c, struct call *k, const char *text)
{
	struct buf b = { 0 };

	put_grpc_message(&b, 0, text, strlen(text));
	call_piece(c, k, b.p, b.n);
	buf_free(&b);
}

void call_end(struct grpc_client *c, struct call *k)
{
	k->end = true;
	nghttp2_session_resume_data(c->session, k->id);
	client_flush(c);
}

void call_reset(struct grpc_client *c, struct call *k, uint32_t code)
{
	assert_int_equal(0, nghttp2_submit_rst_stream(c->session, 0, k->id, code));
	client_flush(c);
}

void make_certificate(const char *dir, const char *name)
{
	struct buf b = { 0 };

	assert_int_equal(
		0,
		shell(&b,
		      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
		      "-days 2 -subj /CN=%s -addext subjectAltName=DNS:localhost "
		      "-keyout %s/%s.key -out %s/%s.pem 2>&1",
		      name, dir, name, dir, name));
	buf_free(&b);
}
