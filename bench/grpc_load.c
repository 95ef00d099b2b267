#include "bench/grpc_load.h"

#include <errno.h>
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/loadgen.h"

enum {
	PREFIX = 5,
	WINDOW_LOW = 16 * 1024,
	OUT_MAX = 64 * 1024,
	PCMU = 3,
	PCMU_HZ = 8000,
	CONTACT = 1,
	AGENT = 2
};

/* Fields of StreamEvent. */
enum { SESSION_ID = 1, DIALOG_INIT, SEGMENT_START, SEGMENT_MEDIA };

struct grpc_line {
	int fd;
	SSL *ssl; /* NULL: in the clear */
	nghttp2_session *session;
	unsigned calls; /* not closed yet */
	size_t out_n, out_at;
	unsigned char out[OUT_MAX]; /* what the socket has not taken */
};

/* --- protobuf --- */

struct message {
	size_t n;
	unsigned char at[1100];
};

static void put(struct message *m, const void *from, size_t n)
{
	if (m->n + n > sizeof(m->at))
		give_up("a message is longer than %zu bytes", sizeof(m->at));
	memcpy(m->at + m->n, from, n);
	m->n += n;
}

static void put_varint(struct message *m, uint64_t v)
{
	unsigned char bytes[10];
	size_t n = 0;

	for (; v > 0x7f; v >>= 7)
		bytes[n++] = (unsigned char)(v | 0x80);
	bytes[n++] = (unsigned char)v;
	put(m, bytes, n);
}

static void put_number(struct message *m, unsigned field, uint64_t v)
{
	put_varint(m, field << 3);
	put_varint(m, v);
}

static void put_bytes(struct message *m, unsigned field, const void *from, size_t n)
{
	put_varint(m, field << 3 | 2);
	put_varint(m, n);
	put(m, from, n);
}

static void put_text(struct message *m, unsigned field, const char *text)
{
	put_bytes(m, field, text, strlen(text));
}

static void put_message(struct message *m, unsigned field, const struct message *inner)
{
	put_bytes(m, field, inner->at, inner->n);
}

/* --- HTTP/2 --- */

static ssize_t next_bytes(nghttp2_session *session, int32_t id, uint8_t *to, size_t cap,
			  uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct grpc_call *c = source->ptr;
	size_t left = c->out_n - c->out_at, n = left < cap ? left : cap;

	(void)session, (void)id, (void)user;
	if (!left && !c->ended)
		return NGHTTP2_ERR_DEFERRED;
	memcpy(to, c->out + c->out_at, n);
	c->out_at += n;
	if (c->ended && c->out_at == c->out_n)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
	static const char status[] = "grpc-status";
	bool is_status = name_n == sizeof(status) - 1 && memcmp(name, status, name_n) == 0;

	(void)session, (void)frame, (void)flags, (void)user;
	if (is_status && (value_n != 1 || *value != '0'))
		give_up("the server has ended a stream: grpc-status %.*s", (int)value_n,
			(const char *)value);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	struct grpc_line *l = user;
	const struct grpc_call *c = nghttp2_session_get_stream_user_data(session, id);

	if (!c->ended || code != NGHTTP2_NO_ERROR)
		give_up("a stream was closed: %s", nghttp2_http2_strerror(code));
	l->calls--;
	return 0;
}

/* --- the socket, and TLS over it --- */

static SSL *secure(int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;

	SSL_CTX_free(ctx); /* the connection keeps it */
	if (!ssl || SSL_set_alpn_protos(ssl, (const unsigned char *)"\2h2", 3) ||
	    !SSL_set_fd(ssl, fd))
		give_up("no TLS");
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (SSL_connect(ssl) != 1)
		give_up("the server does not take TLS");
	if (fcntl(fd, F_SETFL, O_NONBLOCK))
		give_up("fcntl: %s", strerror(errno));
	return ssl;
}

/* -1 and EAGAIN: not now. */
static ssize_t of_tls(struct grpc_line *l, int n)
{
	int error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(l->ssl, n);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return -1;
	}
	return n > 0 ? n : 0;
}

static ssize_t take_out(struct grpc_line *l, const void *from, size_t n)
{
	return l->ssl ? of_tls(l, SSL_write(l->ssl, from, (int)n))
		      : send(l->fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static ssize_t take_in(struct grpc_line *l, void *to, size_t n)
{
	return l->ssl ? of_tls(l, SSL_read(l->ssl, to, (int)n)) : recv(l->fd, to, n, MSG_DONTWAIT);
}

/* What was kept, as far as the socket takes it. */
static bool send_kept(struct grpc_line *l)
{
	ssize_t n =
		l->out_n > l->out_at ? take_out(l, l->out + l->out_at, l->out_n - l->out_at) : 0;
	if (n < 0 && errno != EAGAIN)
		give_up("send: %s", strerror(errno));
	l->out_at += n > 0 ? (size_t)n : 0;
	if (l->out_at == l->out_n)
		l->out_at = l->out_n = 0;
	return l->out_n == 0;
}

static void flush(struct grpc_line *l)
{
	const uint8_t *p;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(l->session, &p)) > 0) {
		if (l->out_n + (size_t)n > OUT_MAX)
			give_up("more than %d bytes wait for the server", OUT_MAX);
		memcpy(l->out + l->out_n, p, (size_t)n);
		l->out_n += (size_t)n;
	}
	if (n < 0)
		give_up("nghttp2: %s", nghttp2_strerror((int)n));
	send_kept(l);
}

struct grpc_line *grpc_line_new(int fd, enum grpc_way way)
{
	struct grpc_line *l = calloc(1, sizeof(*l));
	nghttp2_session_callbacks *k;

	if (!l || nghttp2_session_callbacks_new(&k))
		give_up("out of memory");
	nghttp2_session_callbacks_set_on_header_callback(k, on_header);
	nghttp2_session_callbacks_set_on_stream_close_callback(k, on_close);
	l->fd = fd;
	l->ssl = way == GRPC_IN_TLS ? secure(fd) : NULL;
	if (nghttp2_session_client_new(&l->session, k, l) ||
	    nghttp2_submit_settings(l->session, NGHTTP2_FLAG_NONE, NULL, 0))
		give_up("no session of HTTP/2");
	nghttp2_session_callbacks_del(k);
	return l;
}

void grpc_line_read(struct grpc_line *l)
{
	static unsigned char in[OUT_MAX];
	ssize_t n = take_in(l, in, sizeof(in));

	if (n == 0 || (n < 0 && errno != EAGAIN))
		give_up("the server has closed a connection with %u calls", l->calls);
	if (n > 0 && nghttp2_session_mem_recv(l->session, in, (size_t)n) < 0)
		give_up("the server does not speak HTTP/2");
	if (n > 0)
		flush(l);
}

void grpc_line_free(struct grpc_line *l, int64_t until_ns)
{
	while (l->calls) {
		struct pollfd p = { l->fd, (short)(POLLIN | (l->out_n ? POLLOUT : 0)), 0 };
		int64_t left_ns = until_ns - now_ns();

		if (left_ns <= 0 || poll(&p, 1, (int)(left_ns / 1000000)) <= 0)
			give_up("%u calls were not answered", l->calls);
		send_kept(l);
		if (p.revents & ~POLLOUT)
			grpc_line_read(l);
	}
	nghttp2_session_del(l->session);
	SSL_free(l->ssl);
	close(l->fd);
	free(l);
}

/* --- calls --- */

/* The server has probably given more meanwhile. */
static bool wants_window(const struct grpc_call *c)
{
	nghttp2_session *s = c->line->session;

	return nghttp2_session_get_remote_window_size(s) < WINDOW_LOW ||
	       nghttp2_session_get_stream_remote_window_size(s, c->stream) < WINDOW_LOW;
}

static bool say(struct grpc_call *c, const struct message *m)
{
	struct grpc_line *l = c->line;

	if (wants_window(c))
		grpc_line_read(l);
	if (c->out_at < c->out_n || !send_kept(l))
		return false;
	memcpy(c->out,
	       (unsigned char[PREFIX]){ 0, 0, 0, (unsigned char)(m->n >> 8), (unsigned char)m->n },
	       PREFIX);
	memcpy(c->out + PREFIX, m->at, m->n);
	c->out_at = 0;
	c->out_n = PREFIX + m->n;
	nghttp2_session_resume_data(l->session, c->stream);
	flush(l);
	return true;
}

static bool say_event(struct grpc_call *c, unsigned kind, const struct message *inner)
{
	struct message m = { 0 };

	put_text(&m, SESSION_ID, c->session);
	put_message(&m, kind, inner);
	return say(c, &m);
}

static void must_say(struct grpc_call *c, unsigned kind, const struct message *inner)
{
	if (!say_event(c, kind, inner))
		give_up("a call could not begin: the server takes nothing");
}

static void say_init(struct grpc_call *c)
{
	struct message account = { 0 }, dialog = { 0 }, init = { 0 };

	put_text(&account, 1, "1");
	put_text(&account, 2, "2");
	put_text(&account, 3, "3");
	put_text(&dialog, 1, c->session + sizeof("STREAM-") - 1);
	put_number(&dialog, 2, 1);
	put_text(&dialog, 3, "+15550100001");
	put_text(&dialog, 4, "+15550107000");
	put_message(&init, 1, &account);
	put_message(&init, 2, &dialog);
	must_say(c, DIALOG_INIT, &init);
}

static void say_segment(struct grpc_call *c, unsigned leg)
{
	static const struct {
		int type;
		const char *id, *name;
	} people[GRPC_LEGS] = { { CONTACT, "+15550100001", "Customer" }, { AGENT, "9", "Ann" } };
	struct message person = { 0 }, format = { 0 }, start = { 0 };

	put_text(&person, 1, people[leg].id);
	put_number(&person, 2, (uint64_t)people[leg].type);
	put_text(&person, 3, people[leg].name);
	put_number(&format, 1, PCMU);
	put_number(&format, 2, PCMU_HZ);
	put_number(&format, 3, GRPC_PTIME_MS);
	put_text(&start, 1, c->segments[leg]);
	put_message(&start, 3, &person);
	put_message(&start, 4, &format);
	must_say(c, SEGMENT_START, &start);
}

static nghttp2_nv field(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
			     NGHTTP2_NV_FLAG_NONE };
}

void grpc_call_begin(struct grpc_call *c, struct grpc_line *l, const char *path,
		     const char *authorization, unsigned run, unsigned number)
{
	nghttp2_nv head[] = { field(":method", "POST"),
			      field(":scheme", "http"),
			      field(":path", path),
			      field(":authority", "127.0.0.1"),
			      field("content-type", "application/grpc"),
			      field("te", "trailers"),
			      field("authorization", authorization) };
	nghttp2_data_provider body = { .source.ptr = c, .read_callback = next_bytes };

	*c = (struct grpc_call){ .line = l };
	snprintf(c->session, sizeof(c->session), "STREAM-%08x-0000-4000-8000-%012u", run, number);
	for (unsigned leg = 0; leg < GRPC_LEGS; leg++)
		snprintf(c->segments[leg], sizeof(c->segments[leg]), "%08x-0000-4000-800%u-%012u",
			 run, 1 + leg, number);
	c->stream = nghttp2_submit_request(l->session, NULL, head, sizeof(head) / sizeof(head[0]),
					   &body, c);
	if (c->stream < 0)
		give_up("no stream: %s", nghttp2_strerror(c->stream));
	l->calls++;
	flush(l);
	say_init(c);
	for (unsigned leg = 0; leg < GRPC_LEGS; leg++)
		say_segment(c, leg);
}

bool grpc_call_audio(struct grpc_call *c, unsigned leg, const void *payload, size_t n)
{
	struct message content = { 0 }, media = { 0 };

	put_bytes(&content, 1, payload, n);
	put_number(&content, 2, ++c->seq[leg]);
	put_number(&content, 3, GRPC_PTIME_MS);
	put_text(&media, 1, c->segments[leg]);
	put_message(&media, 2, &content);
	return say_event(c, SEGMENT_MEDIA, &media);
}

void grpc_call_end(struct grpc_call *c)
{
	c->ended = true;
	nghttp2_session_resume_data(c->line->session, c->stream);
	flush(c->line);
}
