#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int start_hook(struct shard *s, void *user, struct fault *f)
{
	struct rig *r = user;
	unsigned i = shard_index(s);

	TRY(http_server_new(&r->servers[i], s, &r->config, f));
	http_server_capture(r->servers[i], r->captures, r->captures_n);
	if (r->grpc.methods)
		TRY(grpc_server_new(&r->grpc_servers[i], s, &r->grpc, f));
	if (r->on_start)
		r->on_start(r, s);
	return 0;
}

static void stop_hook(struct shard *s, void *user)
{
	struct rig *r = user;

	if (r->on_stop)
		r->on_stop(r, s);
	http_server_free(r->servers[shard_index(s)]);
	grpc_server_free(r->grpc_servers[shard_index(s)]);
	r->grpc_servers[shard_index(s)] = NULL;
}

static void acceptor_thread(void *arg)
{
	struct rig *r = arg;

	assert_int_equal(0, uv_run(&r->loop, UV_RUN_DEFAULT));
}

static void on_stop(uv_async_t *a)
{
	struct rig *r = a->data;

	acceptor_stop(r->acceptor);
	acceptor_free(r->acceptor);
	acceptor_free(r->grpc_acceptor);
	uv_close((uv_handle_t *)a, NULL);
}

static void rig_start_grpc(struct rig *r)
{
	struct fault f = { 0 };

	r->grpc_port = 0;
	if (net_listen("127.0.0.1", &r->grpc_port, &r->grpc_fd, &f) ||
	    acceptor_new(&r->grpc_acceptor, &r->loop, &r->grpc_fd, 1, &acceptor_grpc,
			 (void *const *)r->grpc_servers, r->shards, &f))
		fail_msg("gRPC: %s", f.text);
}

void rig_start(struct rig *r, unsigned shards, const struct http_route *routes, size_t n)
{
	struct fault f = { 0 };
	struct shard_hooks hooks = { .start = start_hook, .stop = stop_hook, .user = r };

	r->config.routes = routes;
	r->config.routes_n = n;
	if (!r->config.user)
		r->config.user = r;
	if (!r->config.ws_queue_bytes)
		r->config.ws_queue_bytes = 256 * 1024;
	if (!r->config.max_connections)
		r->config.max_connections = 1000;
	if (shards_start(&r->shards, shards, 1000, &hooks, &f))
		fail_msg("shards_start: %s", f.text);
	r->port = 0;
	if (net_listen("127.0.0.1", &r->port, &r->listen_fd, &f))
		fail_msg("net_listen: %s", f.text);
	assert_int_equal(0, uv_loop_init(&r->loop));
	assert_int_equal(0, uv_async_init(&r->loop, &r->stop, on_stop));
	r->stop.data = r;
	if (acceptor_new(&r->acceptor, &r->loop, &r->listen_fd, 1, &acceptor_http,
			 (void *const *)r->servers, r->shards, &f))
		fail_msg("acceptor_new: %s", f.text);
	if (r->grpc.methods)
		rig_start_grpc(r);
	assert_int_equal(0, uv_thread_create(&r->thread, acceptor_thread, r));
}

void rig_stop(struct rig *r)
{
	uv_async_send(&r->stop);
	uv_thread_join(&r->thread);
	assert_int_equal(0, uv_loop_close(&r->loop));
	close(r->listen_fd);
	if (r->grpc.methods)
		close(r->grpc_fd);
	shards_stop(r->shards);
}

struct visit {
	struct mail mail;
	void (*fn)(struct shard *, void *);
	void *arg;
	sem_t done;
};

static void on_visit(struct mail *m, struct shard *here)
{
	struct visit *v = (struct visit *)((char *)m - offsetof(struct visit, mail));

	v->fn(here, v->arg);
	sem_post(&v->done);
}

void rig_on_shard(struct rig *r, unsigned shard, void (*fn)(struct shard *, void *), void *arg)
{
	struct visit v = { .mail = { .run = on_visit }, .fn = fn, .arg = arg };

	sem_init(&v.done, 0, 0);
	shard_post_sure(shards_at(r->shards, shard), &v.mail);
	sem_wait(&v.done);
	sem_destroy(&v.done);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

void rig_wait(const atomic_int *what, int least)
{
	int64_t until = now_ms() + RIG_WAIT_MS;

	while (atomic_load(what) < least) {
		if (now_ms() > until)
			fail_msg("waited for %d, have %d", least, atomic_load(what));
		nap();
	}
}

unsigned rig_connections(const struct rig *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < shards_count(r->shards); i++)
		n += http_server_connections(r->servers[i]);
	return n;
}

void rig_wait_connections(const struct rig *r, unsigned n)
{
	int64_t until = now_ms() + RIG_WAIT_MS;

	while (rig_connections(r) != n) {
		if (now_ms() > until)
			fail_msg("waited for %u connections, have %u", n, rig_connections(r));
		nap();
	}
}

int client_connect(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct timeval t = { .tv_sec = RIG_WAIT_MS / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	assert_int_equal(0, connect(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

void client_send(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n) {
		ssize_t w = send(fd, at, n, MSG_NOSIGNAL);
		if (w < 0)
			fail_msg("send: %s", strerror(errno));
		at += w;
		n -= (size_t)w;
	}
}

void client_sendz(int fd, const char *z)
{
	client_send(fd, z, strlen(z));
}

bool client_closed(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, 0);

	if (n < 0 && errno != ECONNRESET)
		fail_msg("waiting for the end: %s", strerror(errno));
	return n <= 0;
}

static bool more(int fd, struct buf *b)
{
	buf_reserve(b, 65536);
	ssize_t n = recv(fd, b->p + b->n, 65536, 0);
	if (n < 0 && errno != ECONNRESET)
		fail_msg("recv: %s", strerror(errno));
	if (n <= 0)
		return false;
	b->n += (size_t)n;
	return true;
}

static void move_front(struct buf *from, size_t n, struct buf *to)
{
	buf_clear(to);
	buf_add(to, (struct span){ from->p, n });
	memmove(from->p, from->p + n, from->n - n);
	from->n -= n;
}

static size_t head_length(struct buf *b)
{
	char *end = b->n ? memmem(b->p, b->n, "\r\n\r\n", 4) : NULL;

	return end ? (size_t)(end - b->p) + 4 : 0;
}

void client_reply(int fd, enum reply_kind kind, struct reply *out)
{
	size_t head;
	size_t length = 0;

	while (!(head = head_length(&out->rest)))
		if (!more(fd, &out->rest))
			fail_msg("closed before an answer; got %zu bytes: %.*s", out->rest.n,
				 SPAN_ARG(buf_span(&out->rest)));
	move_front(&out->rest, head, &out->head);
	assert_int_equal(1, sscanf(buf_z(&out->head), "HTTP/1.%*c %d", &out->status));
	const char *at = strcasestr(buf_z(&out->head), "\r\ncontent-length:");
	if (at && kind == REPLY_FULL)
		length = strtoul(at + 17, NULL, 10);
	while (out->rest.n < length)
		if (!more(fd, &out->rest))
			fail_msg("closed in the middle of an answer");
	move_front(&out->rest, length, &out->body);
}

bool reply_has(struct reply *r, const char *text)
{
	return strcasestr(buf_z(&r->head), text) || strcasestr(buf_z(&r->body), text);
}

void reply_free(struct reply *r)
{
	buf_free(&r->head);
	buf_free(&r->body);
	buf_free(&r->rest);
	*r = (struct reply){ 0 };
}

int client_ask(unsigned port, const char *request, struct reply *out)
{
	int fd = client_connect(port);

	client_sendz(fd, request);
	client_reply(fd, strncmp(request, "HEAD", 4) == 0 ? REPLY_HEAD : REPLY_FULL, out);
	return fd;
}

int shell(struct buf *out, const char *fmt, ...)
{
	char command[4096];
	char piece[4096];
	size_t n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	buf_clear(out);
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(out, (struct span){ piece, n });
	int rc = pclose(f);
	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

void wsc_open(int fd, const char *path, const char *more_headers, struct reply *out)
{
	struct buf b = { 0 };

	buf_printf(&b,
		   "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\n"
		   "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
		   path, more_headers);
	client_send(fd, b.p, b.n);
	buf_free(&b);
	client_reply(fd, REPLY_FULL, out);
}

void wsc_send(int fd, unsigned first_byte, const void *p, size_t n)
{
	static const unsigned char mask[4] = { 0x12, 0x34, 0x56, 0x78 };
	struct buf b = { 0 };
	const unsigned char *in = p;

	buf_addc(&b, (char)first_byte);
	if (n < 126) {
		buf_addc(&b, (char)(0x80 | n));
	} else if (n < 65536) {
		buf_addc(&b, (char)(0x80 | 126));
		buf_addc(&b, (char)(n >> 8));
		buf_addc(&b, (char)n);
	} else {
		buf_addc(&b, (char)(0x80 | 127));
		for (int shift = 56; shift >= 0; shift -= 8)
			buf_addc(&b, (char)(n >> shift));
	}
	buf_add(&b, (struct span){ (const char *)mask, 4 });
	for (size_t i = 0; i < n; i++)
		buf_addc(&b, (char)(in[i] ^ mask[i & 3]));
	client_send(fd, b.p, b.n);
	buf_free(&b);
}

static bool need(int fd, struct buf *b, size_t n)
{
	while (b->n < n)
		if (!more(fd, b))
			return false;
	return true;
}

int wsc_read(int fd, struct reply *state, struct buf *payload)
{
	struct buf *b = &state->rest;
	size_t head = 2, n;

	if (!need(fd, b, 2))
		return -1;
	int first = (unsigned char)b->p[0];
	n = (unsigned char)b->p[1];
	assert_true(n < 128); /* a server must not mask */
	size_t bytes = n == 126 ? 2 : n == 127 ? 8 : 0;
	if (!need(fd, b, head + bytes))
		return -1;
	if (bytes)
		n = 0;
	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | (unsigned char)b->p[head + i];
	head += bytes;
	if (!need(fd, b, head + n))
		return -1;
	struct buf frame = { 0 };
	move_front(b, head + n, &frame);
	buf_clear(payload);
	buf_add(payload, (struct span){ frame.p + head, n });
	buf_free(&frame);
	return first;
}
