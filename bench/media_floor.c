/* The least that a server of live audio can do, in one thread over epoll: one recv for each ready
 * socket, WebSocket frames taken apart, unmasked, decoded, and how loud they are. What the product
 * costs is said in multiples of it (./dev bench media).
 *
 *   media_floor receive FORMAT   only receives and unmasks
 *   media_floor decode FORMAT    decodes, too, and measures the mean square
 *
 * grpc: HTTP/2 by nghttp2 in place of WebSocket, messages of RingCX's stream (grpc_floor.h).
 *
 * Formats: mulaw, opus, opus-wide (a binary message is a byte, the leg, and a frame), json
 * (Twilio's media messages), l16 (16 kHz, two channels interleaved). Prints its port; at SIGTERM
 * the frames it has taken and the mean of their levels, as JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <opus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "bench/grpc_floor.h"
#include "bench/loadgen.h"
#include "callmend/codec.h"

enum { EVENTS = 256, RECEIVE = 65536, LEGS = 2, SAMPLES = 5760, HEAD_MAX = 14 };

struct client {
	int fd;
	bool open; /* has been upgraded */
	struct grpc_floor *grpc;
	void *decoder[LEGS];
	size_t kept_n, kept_cap; /* of a message that is not whole yet */
	unsigned char *kept;
};

static struct {
	void (*work)(struct client *, unsigned char *, size_t);
	bool is_grpc;
	long long frames;
	double squares; /* mean ones, summed */
	unsigned char in[RECEIVE];
} g;

/* --- work: what is done with a message --- */

static double mean_square(const int16_t *pcm, size_t n)
{
	int64_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (int32_t)pcm[i] * pcm[i];
	return n ? (double)sum / (double)n : 0;
}

static void measured(const int16_t *pcm, size_t n)
{
	g.squares += mean_square(pcm, n);
	g.frames++;
}

static void nothing(struct client *c, unsigned char *at, size_t n)
{
	(void)c, (void)at, (void)n;
	g.frames++;
}

static void ulaw(const unsigned char *at, size_t n)
{
	int16_t pcm[SAMPLES];
	for (size_t i = 0; i < n && i < SAMPLES; i++)
		pcm[i] = g711_ulaw_table[at[i]];
	measured(pcm, n);
}

static void do_mulaw(struct client *c, unsigned char *at, size_t n)
{
	(void)c;
	ulaw(at + 1, n - 1);
}

/* The plainest reader there is: trusts the text. */
static void do_json(struct client *c, unsigned char *at, size_t n)
{
	static const char name[] = "\"payload\":\"";
	uint8_t bytes[SAMPLES];
	size_t bytes_n = 0;
	(void)c;
	const char *from = memmem(at, n, name, sizeof(name) - 1);
	if (!from)
		return;
	from += sizeof(name) - 1;
	const char *end = memchr(from, '"', (size_t)((char *)at + n - from));
	if (!end || end - from > SAMPLES ||
	    base64_decode((struct span){ from, (size_t)(end - from) }, bytes, &bytes_n))
		return;
	ulaw(bytes, bytes_n);
}

static void do_l16(struct client *c, unsigned char *at, size_t n)
{
	size_t samples = n / sizeof(int16_t) / LEGS;
	int64_t sum[LEGS] = { 0 };
	(void)c;
	for (size_t i = 0; i < samples; i++)
		for (unsigned leg = 0; leg < LEGS; leg++) {
			int16_t s;
			memcpy(&s, at + (LEGS * i + leg) * sizeof(s), sizeof(s));
			sum[leg] += s * s;
		}
	g.squares += samples ? (double)(sum[0] + sum[1]) / (double)(LEGS * samples) : 0;
	g.frames++;
}

static void do_opus(struct client *c, unsigned char *at, size_t n)
{
	int16_t pcm[SAMPLES];
	int error = 0;
	void **d = &c->decoder[at[0] % LEGS];
	if (!*d)
		*d = opus_decoder_create(16000, 1, &error);
	int made = opus_decode(*d, at + 1, (int)n - 1, pcm, SAMPLES, 0);
	if (made > 0)
		measured(pcm, (size_t)made);
}

static void do_grpc(struct client *c, unsigned char *at, size_t n)
{
	const unsigned char *payload;
	size_t payload_n;
	(void)c;
	if (grpc_floor_unpack(at, n, &payload, &payload_n))
		ulaw(payload, payload_n);
}

static const struct format {
	const char *name;
	void (*decode)(struct client *, unsigned char *, size_t);
} formats[] = { { "mulaw", do_mulaw }, { "json", do_json },	 { "l16", do_l16 },
		{ "opus", do_opus },   { "opus-wide", do_opus }, { "grpc", do_grpc } };
enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

static const struct format *format_named(const char *name)
{
	for (size_t i = 0; i < FORMATS; i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	give_up("no format \"%s\"", name);
}

/* --- WebSocket --- */

static void unmask(unsigned char *at, size_t n, const unsigned char *mask)
{
	uint64_t eight, m;
	memcpy(&m, mask, 4);
	m = (m & 0xffffffff) | m << 32;
	size_t i = 0;
	for (; i + 8 <= n; i += 8) {
		memcpy(&eight, at + i, 8);
		eight ^= m;
		memcpy(at + i, &eight, 8);
	}
	for (; i < n; i++)
		at[i] ^= mask[i % 4];
}

/* One message from the front; its bytes, or 0: not whole. */
static size_t one_message(struct client *c, unsigned char *at, size_t n)
{
	if (n < 2)
		return 0;
	size_t length = at[1] & 127, head = 2;
	if (length == 126)
		head = 4;
	if (n < head + 4)
		return 0;
	if (length == 126)
		length = (size_t)at[2] << 8 | at[3];
	if (n < head + 4 + length)
		return 0;
	unsigned char *payload = at + head + 4;
	unmask(payload, length, at + head);
	bool audio = (at[0] & 15) == 2 || ((at[0] & 15) == 1 && length > 16 &&
					   memcmp(payload, "{\"event\":\"media\"", 16) == 0);
	if (audio && length > 1)
		g.work(c, payload, length);
	return head + 4 + length;
}

static void keep(struct client *c, const unsigned char *at, size_t n)
{
	if (n > c->kept_cap) {
		c->kept_cap = n + 4096;
		c->kept = realloc(c->kept, c->kept_cap);
		if (!c->kept)
			give_up("out of memory");
	}
	if (n)
		memcpy(c->kept, at, n);
	c->kept_n = n;
}

static void take_all(struct client *c, unsigned char *at, size_t n)
{
	for (size_t used = 1; n && used;) {
		used = one_message(c, at, n);
		at += used;
		n -= used;
	}
	keep(c, at, n);
}

static void on_grpc(void *client, unsigned char *at, size_t n)
{
	g.work(client, at, n);
}

static void upgrade(struct client *c, const char *text, size_t n)
{
	static const char name[] = "Sec-WebSocket-Key: ",
			  guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char key[128], answer[512];
	uint8_t digest[SHA_DIGEST_LENGTH];
	struct buf accept = { 0 };
	const char *at = memmem(text, n, name, sizeof(name) - 1);
	if (!at || !memmem(text, n, "\r\n\r\n", 4))
		give_up("not one WebSocket handshake in one piece");
	int key_n = snprintf(key, sizeof(key), "%.24s%s", at + sizeof(name) - 1, guid);
	SHA1((unsigned char *)key, (size_t)key_n, digest);
	crypto_base64((struct span){ (char *)digest, sizeof(digest) }, &accept);
	int answer_n = snprintf(answer, sizeof(answer),
				"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				"Connection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
				(int)accept.n, accept.p);
	buf_free(&accept);
	if (send(c->fd, answer, (size_t)answer_n, MSG_NOSIGNAL) != answer_n)
		give_up("send: %s", strerror(errno));
	c->open = true;
}

/* --- sockets --- */

static void gone(struct client *c)
{
	for (unsigned i = 0; i < LEGS; i++)
		if (c->decoder[i])
			opus_decoder_destroy(c->decoder[i]);
	grpc_floor_free(c->grpc);
	close(c->fd);
	free(c->kept);
	free(c);
}

static void ready(struct client *c)
{
	size_t kept = c->kept_n;
	if (kept)
		memcpy(g.in, c->kept, kept);
	ssize_t n = recv(c->fd, g.in + kept, sizeof(g.in) - kept, MSG_DONTWAIT);
	if (n > 0 && c->grpc)
		grpc_floor_take(c->grpc, g.in, (size_t)n);
	else if (n > 0 && c->open)
		take_all(c, g.in, kept + (size_t)n);
	else if (n > 0)
		upgrade(c, (char *)g.in, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		gone(c);
}

static int listen_anywhere(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)&at, &n))
		give_up("listen: %s", strerror(errno));
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

static void watch(int epoll, int fd, void *what)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = what };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e))
		give_up("epoll_ctl: %s", strerror(errno));
}

static void accept_all(int epoll, int listener)
{
	int on = 1;
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		struct client *c = calloc(1, sizeof(*c));
		if (!c)
			give_up("out of memory");
		c->fd = fd;
		c->grpc = g.is_grpc ? grpc_floor_new(fd, on_grpc, c) : NULL;
		watch(epoll, fd, c);
	}
}

static int signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void serve(void)
{
	static int listener, stop;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS];
	stop = signals();
	listener = listen_anywhere();
	watch(epoll, listener, &listener);
	watch(epoll, stop, &stop);
	for (bool over = false; !over;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			void *what = events[i].data.ptr;
			if (what == &stop)
				over = true;
			else if (what == &listener)
				accept_all(epoll, listener);
			else
				ready(what);
		}
	}
	printf("{\"frames\":%lld,\"rms\":%.2f}\n", g.frames,
	       g.frames ? sqrt(g.squares / (double)g.frames) : 0);
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "receive") == 0)
		g.work = format_named(argv[2]) ? nothing : NULL;
	else if (argc == 3 && strcmp(argv[1], "decode") == 0)
		g.work = format_named(argv[2])->decode;
	g.is_grpc = argc == 3 && strcmp(argv[2], "grpc") == 0;
	if (!g.work)
		give_up("see the head of bench/media_floor.c");
	serve();
	return 0;
}
