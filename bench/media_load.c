/* Sends live audio of many sockets to a server at the pace of life, and takes what the server's
 * process used meanwhile. ./dev bench media runs it on a core of its own.
 *
 *   media_load --port N --path P --format F --talk FILE --sockets N --seconds S --pid N
 *              [--header H] [--warmup S] [--settle S] [--beside PID,PID...] [--streams N]
 *   media_load --decode S --format F --talk FILE --sockets N
 *
 * Every 20 ms each socket sends one frame of each of its two legs, the second half a period after
 * the first and in a segment of its own: the worst case, a read for each. (l16: both legs in one
 * frame.) Sockets are spread over 80 slots of 250 us. Frames are made, and masked, beforehand; the
 * mask is four times the same byte, so that pieces of a message can be put together masked.
 *
 * grpc, grpc-tls: RingCX's streams, a call each; messages of 100 ms, so every 100 ms one of each
 * leg, and 400 slots. --streams: so many on a connection, written one by one. --header: what
 * `authorization` says. A message counts as five frames.
 *
 * The talk is PCM, s16le, stereo, of 8 kHz (mulaw, json) or 16; each socket begins elsewhere in it.
 * --decode sends nothing: for S seconds it decodes the frames itself, by the product's codecs, of
 * so many sockets in turn.
 *
 * Prints one JSON object. A slot that is late is not left out; how late they were is printed. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <opus.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/crypto.h"
#include "bench/grpc_load.h"
#include "bench/loadgen.h"
#include "callmend/codec.h"

enum {
	LEGS = 2,
	SLOT_NS = 250000,
	TICK_MS = 20,
	MASK = 0x37,
	SID_LEN = 34,
	FRAME_MAX = 2048,
	PIDS_MAX = 128,
	THREADS_MAX = 128,
	CLOSE_S = 20,
	OPUS_RATE = 48000,
	OPUS_BITRATE = 24400, /* 61 bytes a frame */
};

struct options {
	const char *path, *header, *format, *talk;
	int port, pid;
	int beside[PIDS_MAX];
	unsigned beside_n, sockets, streams;
	double seconds, warmup, settle, decode;
};

struct bytes {
	size_t n;
	unsigned char at[FRAME_MAX];
};

struct socket {
	int fd;
	unsigned offset;	    /* in the talk, frames */
	unsigned char sid[SID_LEN]; /* masked */
	struct grpc_call *call;
};

/* How it comes to the server. */
struct wire {
	void (*open)(unsigned socket);
	/* False: there was no room. */
	bool (*send)(const struct socket *, unsigned leg, int64_t k, const struct bytes *frame);
	void (*listen)(const struct socket *);
	void (*close_all)(void);
};

struct format {
	const char *name;
	const struct wire *wire;
	uint32_t rate_hz;
	unsigned tick_ms; /* of a frame */
	bool text;
	unsigned messages; /* of a socket in tick_ms */
	void (*make)(const int16_t *stereo, unsigned leg, struct bytes *out);
	const char *start; /* %u: the socket; NULL: none */
	const char *codec;
};

static struct {
	struct options o;
	const struct format *format;
	struct bytes *frames[LEGS]; /* masked; whole messages, or payloads for json */
	unsigned frames_n;
	struct bytes head[LEGS];
	int64_t head_of[LEGS];
	struct socket *sockets;
	long long sent, blocked;
	struct samples late;
	unsigned run;
} g;

/* --- WebSocket --- */

static size_t put_header(unsigned char *out, int opcode, size_t n)
{
	static const unsigned char mask[4] = { MASK, MASK, MASK, MASK };
	size_t at = 2;
	out[0] = (unsigned char)(0x80 | opcode);
	out[1] = (unsigned char)(0x80 | (n < 126 ? n : 126));
	if (n >= 126) {
		out[2] = (unsigned char)(n >> 8);
		out[3] = (unsigned char)n;
		at = 4;
	}
	memcpy(out + at, mask, sizeof(mask));
	return at + sizeof(mask);
}

static void add_masked(struct bytes *b, const void *from, size_t n)
{
	if (b->n + n > FRAME_MAX)
		give_up("a message is longer than %d bytes", FRAME_MAX);
	for (size_t i = 0; i < n; i++)
		b->at[b->n + i] = (unsigned char)(((const unsigned char *)from)[i] ^ MASK);
	b->n += n;
}

static void message(struct bytes *b, int opcode, const void *payload, size_t n)
{
	b->n = put_header(b->at, opcode, n);
	add_masked(b, payload, n);
}

/* --- frames of the talk --- */

static unsigned frame_samples(void)
{
	return g.format->rate_hz * g.format->tick_ms / 1000;
}

static size_t ulaw(const int16_t *stereo, unsigned leg, unsigned char *out)
{
	for (unsigned i = 0; i < frame_samples(); i++)
		out[i] = g711_ulaw_of(stereo[LEGS * i + leg]);
	return frame_samples();
}

static void make_mulaw(const int16_t *stereo, unsigned leg, struct bytes *out)
{
	unsigned char frame[FRAME_MAX];
	frame[0] = (unsigned char)leg;
	message(out, 2, frame, 1 + ulaw(stereo, leg, frame + 1));
}

static void make_json(const int16_t *stereo, unsigned leg, struct bytes *out)
{
	unsigned char frame[FRAME_MAX];
	struct buf text = { 0 };
	crypto_base64((struct span){ (char *)frame, ulaw(stereo, leg, frame) }, &text);
	out->n = 0;
	add_masked(out, text.p, text.n);
	buf_free(&text);
}

static void make_grpc(const int16_t *stereo, unsigned leg, struct bytes *out)
{
	out->n = ulaw(stereo, leg, out->at);
}

static void make_l16(const int16_t *stereo, unsigned leg, struct bytes *out)
{
	(void)leg;
	message(out, 2, stereo, frame_samples() * LEGS * sizeof(*stereo));
}

static OpusEncoder *encoder(unsigned leg, int rate_hz, int bandwidth)
{
	static OpusEncoder *of[LEGS];
	int error = 0;
	if (of[leg])
		return of[leg];
	of[leg] = opus_encoder_create(rate_hz, 1, OPUS_APPLICATION_VOIP, &error);
	if (error)
		give_up("opus: %s", opus_strerror(error));
	opus_encoder_ctl(of[leg], OPUS_SET_BITRATE(OPUS_BITRATE));
	opus_encoder_ctl(of[leg], OPUS_SET_VBR(0));
	opus_encoder_ctl(of[leg], OPUS_SET_BANDWIDTH(bandwidth));
	return of[leg];
}

static void packet(OpusEncoder *e, const int16_t *pcm, unsigned n, unsigned leg, struct bytes *out)
{
	unsigned char frame[FRAME_MAX];
	frame[0] = (unsigned char)leg;
	int made = opus_encode(e, pcm, (int)n, frame + 1, FRAME_MAX - 1);
	if (made < 0)
		give_up("opus: %s", opus_strerror(made));
	message(out, 2, frame, 1 + (size_t)made);
}

/* Full band: a microphone has sound above 8 kHz, our talk has not. Interpolated by straight lines
 * its images are there, which is enough to make the decoder work. */
static void make_opus(const int16_t *stereo, unsigned leg, struct bytes *out)
{
	static int last[LEGS];
	int16_t pcm[OPUS_RATE * TICK_MS / 1000];
	for (unsigned i = 0; i < frame_samples(); i++) {
		int next = stereo[LEGS * i + leg];
		for (int k = 0; k < 3; k++)
			pcm[3 * i + (unsigned)k] =
				(int16_t)((last[leg] * (2 - k) + next * (k + 1)) / 3);
		last[leg] = next;
	}
	packet(encoder(leg, OPUS_RATE, OPUS_BANDWIDTH_FULLBAND), pcm, 3 * frame_samples(), leg,
	       out);
}

static void make_opus_wide(const int16_t *stereo, unsigned leg, struct bytes *out)
{
	int16_t pcm[OPUS_RATE * TICK_MS / 1000];
	for (unsigned i = 0; i < frame_samples(); i++)
		pcm[i] = stereo[LEGS * i + leg];
	packet(encoder(leg, 16000, OPUS_BANDWIDTH_WIDEBAND), pcm, frame_samples(), leg, out);
}

static const struct wire ws_wire, grpc_wire, grpc_tls_wire;

static const struct format formats[] = {
	{ "mulaw", &ws_wire, 8000, TICK_MS, false, 2, make_mulaw, NULL, "pcmu" },
	{ "json", &ws_wire, 8000, TICK_MS, true, 2, make_json,
	  "{\"event\":\"start\",\"sequenceNumber\":\"1\",\"start\":{\"accountSid\":\"AC%032u\","
	  "\"streamSid\":"
	  "\"MZ%08x%024u\",\"callSid\":\"CA%08x%024u\",\"tracks\":[\"inbound\",\"outbound\"],"
	  "\"mediaFormat\":"
	  "{\"encoding\":\"audio/"
	  "x-mulaw\",\"sampleRate\":8000,\"channels\":1},\"customParameters\":{}},"
	  "\"streamSid\":\"MZ%08x%024u\"}",
	  "pcmu" },
	{ "l16", &ws_wire, 16000, TICK_MS, false, 1, make_l16,
	  "{\"type\":\"start\",\"encoding\":\"linear16\",\"container\":\"raw\",\"sampleRate\":"
	  "16000,"
	  "\"channels\":2}",
	  "l16" },
	{ "opus", &ws_wire, 16000, TICK_MS, false, 2, make_opus, NULL, "opus" },
	{ "opus-wide", &ws_wire, 16000, TICK_MS, false, 2, make_opus_wide, NULL, "opus" },
	{ "grpc", &grpc_wire, 8000, GRPC_PTIME_MS, false, 2, make_grpc, NULL, "pcmu" },
	{ "grpc-tls", &grpc_tls_wire, 8000, GRPC_PTIME_MS, false, 2, make_grpc, NULL, "pcmu" },
};

static const struct format *format_named(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (strcmp(formats[i].name, name) == 0)
			return &formats[i];
	give_up("no format \"%s\"", name);
}

static const int16_t *load_talk(size_t *samples)
{
	struct stat st;
	int fd = open(g.o.talk, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		give_up("%s: %s", g.o.talk, strerror(errno));
	void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		give_up("%s: %s", g.o.talk, strerror(errno));
	close(fd);
	*samples = (size_t)st.st_size / sizeof(int16_t) / LEGS;
	return at;
}

static void make_frames(void)
{
	size_t samples;
	const int16_t *talk = load_talk(&samples);
	g.frames_n = (unsigned)(samples / frame_samples());
	if (!g.frames_n)
		give_up("%s: not one frame", g.o.talk);
	for (unsigned leg = 0; leg < LEGS; leg++) {
		g.frames[leg] = calloc(g.frames_n, sizeof(struct bytes));
		if (!g.frames[leg])
			give_up("out of memory");
		for (unsigned i = 0; i < g.frames_n; i++)
			g.format->make(talk + (size_t)i * frame_samples() * LEGS, leg,
				       &g.frames[leg][i]);
	}
}

/* --- sockets --- */

static void must_send(int fd, const void *from, size_t n)
{
	if (send(fd, from, n, MSG_NOSIGNAL) != (ssize_t)n)
		give_up("send: %s", strerror(errno));
}

static void shake_hands(int fd)
{
	char text[4096];
	int status = 0;
	size_t n = (size_t)snprintf(
		text, sizeof(text),
		"GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
		"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		"Sec-WebSocket-Version: 13\r\n%s%s\r\n",
		g.o.path, g.o.port, g.o.header ? g.o.header : "", g.o.header ? "\r\n" : "");
	must_send(fd, text, n);
	for (n = 0; n < sizeof(text) - 1 && !http_answer(text, n, &status);) {
		ssize_t got = recv(fd, text + n, sizeof(text) - 1 - n, 0);
		if (got <= 0)
			give_up("%s: the server closed before its answer", g.o.path);
		text[n += (size_t)got] = 0;
	}
	if (status != 101)
		give_up("%s: %d instead of 101", g.o.path, status);
}

static void say_start(struct socket *s, unsigned i)
{
	char text[FRAME_MAX], sid[64];
	struct bytes b;
	snprintf(sid, sizeof(sid), "MZ%08x%024u", g.run, i);
	for (unsigned k = 0; k < SID_LEN; k++)
		s->sid[k] = (unsigned char)(sid[k] ^ MASK);
	if (!g.format->start)
		return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	int n = snprintf(text, sizeof(text), g.format->start, i, g.run, i, g.run, i, g.run, i);
#pragma GCC diagnostic pop
	message(&b, 1, text, (size_t)n);
	must_send(s->fd, b.at, b.n);
}

static int connect_tcp(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)g.o.port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		give_up("connect: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void open_ws(unsigned i)
{
	struct socket *s = &g.sockets[i];
	s->fd = connect_tcp();
	shake_hands(s->fd);
	say_start(s, i);
}

static void connect_all(void)
{
	g.sockets = calloc(g.o.sockets, sizeof(*g.sockets));
	if (!g.sockets)
		give_up("out of memory");
	for (unsigned i = 0; i < g.o.sockets; i++) {
		g.sockets[i].offset = (unsigned)((uint64_t)i * 7919 % g.frames_n);
		g.format->wire->open(i);
	}
}

/* Says good-bye and waits for the server's: then it has had all frames. */
static void close_ws(void)
{
	char ignored[4096];
	struct bytes b;
	message(&b, 8, "\x03\xe8", 2);
	for (unsigned i = 0; i < g.o.sockets; i++) {
		send(g.sockets[i].fd, b.at, b.n, MSG_NOSIGNAL | MSG_DONTWAIT);
		shutdown(g.sockets[i].fd, SHUT_WR);
	}
	int64_t until_ns = now_ns() + CLOSE_S * 1000000000LL;
	for (unsigned i = 0; i < g.o.sockets; i++) {
		struct pollfd p = { g.sockets[i].fd, POLLIN, 0 };
		while (now_ns() < until_ns && poll(&p, 1, CLOSE_S * 1000) > 0 &&
		       recv(p.fd, ignored, sizeof(ignored), MSG_DONTWAIT) > 0)
			continue;
		close(p.fd);
	}
}

/* --- a message --- */

static const struct bytes *head(unsigned leg, int64_t k)
{
	char text[FRAME_MAX];
	if (g.head_of[leg] == k)
		return &g.head[leg];
	int n = snprintf(
		text, sizeof(text),
		"{\"event\":\"media\",\"sequenceNumber\":\"%lld\",\"media\":{\"track\":\"%s\","
		"\"chunk\":\"%lld\",\"timestamp\":\"%lld\",\"payload\":\"",
		(long long)(2 + LEGS * k + leg), leg ? "outbound" : "inbound", (long long)(k + 1),
		(long long)(k * TICK_MS));
	g.head[leg].n = 0;
	add_masked(&g.head[leg], text, (size_t)n);
	g.head_of[leg] = k;
	return &g.head[leg];
}

static size_t put(unsigned char *out, size_t at, const void *from, size_t n)
{
	memcpy(out + at, from, n);
	return at + n;
}

static size_t json_message(const struct socket *s, unsigned leg, int64_t k,
			   const struct bytes *payload, unsigned char *out)
{
	static const char between[] = "\"},\"streamSid\":\"";
	static struct bytes middle, end;
	if (!end.n) {
		add_masked(&middle, between, sizeof(between) - 1);
		add_masked(&end, "\"}", 2);
	}
	const struct bytes *h = head(leg, k);
	size_t n = h->n + payload->n + middle.n + SID_LEN + end.n;
	size_t at = put_header(out, 1, n);
	at = put(out, at, h->at, h->n);
	at = put(out, at, payload->at, payload->n);
	at = put(out, at, middle.at, middle.n);
	at = put(out, at, s->sid, SID_LEN);
	return put(out, at, end.at, end.n);
}

/* Servers ask whether one is still there. */
static void answer_pings(const struct socket *s)
{
	char in[1024];
	const char *payload;
	size_t payload_n, used = 0;
	int opcode = 0;
	ssize_t got = recv(s->fd, in, sizeof(in), MSG_DONTWAIT);
	for (size_t at = 0; got > 0 && at < (size_t)got; at += used) {
		struct bytes pong;
		used = ws_frame(in + at, (size_t)got - at, &payload, &payload_n, &opcode);
		if (!used)
			return;
		message(&pong, 10, payload, payload_n);
		if (opcode == 9)
			must_send(s->fd, pong.at, pong.n);
	}
}

static bool send_ws(const struct socket *s, unsigned leg, int64_t k, const struct bytes *b)
{
	unsigned char text[FRAME_MAX];
	const void *from = b->at;
	size_t n = b->n;
	if (g.format->text) {
		n = json_message(s, leg, k, b, text);
		from = text;
	}
	ssize_t took = send(s->fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (took != (ssize_t)n && (took >= 0 || errno != EAGAIN))
		give_up("a socket took %zd of %zu bytes: %s", took, n, strerror(errno));
	return took == (ssize_t)n;
}

static const struct wire ws_wire = { open_ws, send_ws, answer_pings, close_ws };

/* --- gRPC --- */

static void open_call(unsigned i, enum grpc_way way)
{
	struct socket *s = &g.sockets[i];
	s->call = malloc(sizeof(*s->call));
	if (!s->call)
		give_up("out of memory");
	struct grpc_line *line =
		i % g.o.streams ? s[-1].call->line : grpc_line_new(connect_tcp(), way);
	grpc_call_begin(s->call, line, g.o.path, g.o.header ? g.o.header : "", g.run, i);
}

static void open_grpc(unsigned i)
{
	open_call(i, GRPC_IN_CLEAR);
}

static void open_grpc_tls(unsigned i)
{
	open_call(i, GRPC_IN_TLS);
}

static bool send_grpc(const struct socket *s, unsigned leg, int64_t k, const struct bytes *b)
{
	(void)k;
	return grpc_call_audio(s->call, leg, b->at, b->n);
}

static void listen_grpc(const struct socket *s)
{
	grpc_line_read(s->call->line);
}

static void close_grpc(void)
{
	int64_t until_ns = now_ns() + CLOSE_S * 1000000000LL;
	for (unsigned i = 0; i < g.o.sockets; i++)
		grpc_call_end(g.sockets[i].call);
	for (unsigned i = 0; i < g.o.sockets; i += g.o.streams)
		grpc_line_free(g.sockets[i].call->line, until_ns);
}

static const struct wire grpc_wire = { open_grpc, send_grpc, listen_grpc, close_grpc };
static const struct wire grpc_tls_wire = { open_grpc_tls, send_grpc, listen_grpc, close_grpc };

/* --- the pace --- */

static void send_frame(const struct socket *s, unsigned leg, int64_t k)
{
	const struct bytes *b = &g.frames[leg][((uint64_t)k + s->offset) % g.frames_n];
	if (g.format->wire->send(s, leg, k, b))
		g.sent++;
	else
		g.blocked++;
}

/* Slot `at` since the beginning. The second leg's frame of a tick comes half a tick after the
 * first. */
static void send_slot(int64_t at)
{
	unsigned slots = g.format->tick_ms * 1000000 / SLOT_NS,
		 ticks_per_s = 1000 / g.format->tick_ms;
	unsigned phase = (unsigned)(at % slots), other = (phase + slots / 2) % slots;
	for (unsigned i = phase; i < g.o.sockets; i += slots) {
		send_frame(&g.sockets[i], 0, at / slots);
		if ((at / slots + g.sockets[i].offset) % ticks_per_s == 0)
			g.format->wire->listen(&g.sockets[i]);
	}
	if (g.format->messages < LEGS || at < slots / 2 + other)
		return;
	for (unsigned i = other; i < g.o.sockets; i += slots)
		send_frame(&g.sockets[i], 1, (at - slots / 2 - other) / slots);
}

static void wait_until(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		continue;
}

static int64_t run_slots(int64_t begin_ns, int64_t from, int64_t to)
{
	for (int64_t at = from; at < to; at++) {
		wait_until(begin_ns + at * SLOT_NS);
		samples_add(&g.late, now_ns() - begin_ns - at * SLOT_NS);
		send_slot(at);
	}
	return to;
}

/* --- what processes use --- */

struct thread {
	int tid;
	char name[32];
	int64_t ns;
};
struct used {
	struct thread threads[THREADS_MAX];
	size_t n;
	int64_t beside_ns, own_ns, at_ns, anon_bytes;
};

/* First line of a file of /proc, without its end. */
static bool first_line(const char *path, char *out, int room)
{
	FILE *f = fopen(path, "re");
	bool read = f && fgets(out, room, f);
	if (f)
		fclose(f);
	if (read)
		out[strcspn(out, "\n")] = 0;
	return read;
}

static void read_threads(struct used *u)
{
	char path[300], text[128];
	snprintf(path, sizeof(path), "/proc/%d/task", g.o.pid);
	DIR *dir = opendir(path);
	if (!dir)
		give_up("process %d: %s", g.o.pid, strerror(errno));
	u->n = 0;
	for (const struct dirent *e = readdir(dir); e && u->n < THREADS_MAX; e = readdir(dir)) {
		struct thread *t = &u->threads[u->n];
		t->tid = atoi(e->d_name);
		snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", g.o.pid, t->tid);
		if (!t->tid || !first_line(path, t->name, sizeof(t->name)))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", g.o.pid, t->tid);
		t->ns = first_line(path, text, sizeof(text)) ? atoll(text) : 0;
		u->n++;
	}
	closedir(dir);
}

/* Memory that is the process's own: pages of files come and go as others please. */
static int64_t anon_bytes(void)
{
	char path[64], line[256];
	long long kb = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", g.o.pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "RssAnon: %lld", &kb) != 1)
		continue;
	if (f)
		fclose(f);
	return kb * 1024;
}

static void look(struct used *u)
{
	struct timespec own;
	read_threads(u);
	u->beside_ns = 0;
	for (unsigned i = 0; i < g.o.beside_n; i++)
		u->beside_ns += kill(g.o.beside[i], 0) == 0 ? proc_cpu_ns(g.o.beside[i]) : 0;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
	u->own_ns = own.tv_sec * 1000000000LL + own.tv_nsec;
	u->anon_bytes = anon_bytes();
	u->at_ns = now_ns();
}

static int64_t before(const struct used *u, int tid)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->threads[i].tid == tid)
			return u->threads[i].ns;
	return 0;
}

/* A thread that has ended meanwhile is not in it: servers keep theirs. */
static int64_t print_threads(const struct used *a, const struct used *b)
{
	int64_t sum = 0;
	const char *comma = "";
	printf("\"threads\":[");
	for (size_t i = 0; i < b->n; i++) {
		int64_t ns = b->threads[i].ns - before(a, b->threads[i].tid);
		sum += ns;
		if (ns > 1000000)
			printf("%s{\"name\":\"%s\",\"ns\":%lld}", comma, b->threads[i].name,
			       (long long)ns);
		comma = ns > 1000000 ? "," : comma;
	}
	printf("]");
	return sum;
}

static void print_result(const struct used *a, const struct used *b, long long messages,
			 int64_t idle_bytes)
{
	double window_s = (double)(b->at_ns - a->at_ns) / 1e9;
	printf("{");
	int64_t ns = print_threads(a, b);
	printf(",\"frames\":%lld,\"sent\":%lld,\"blocked\":%lld,\"cpu_ns\":%lld,\"beside_ns\":%"
	       "lld,",
	       messages * g.format->tick_ms / TICK_MS, g.sent, g.blocked, (long long)ns,
	       (long long)(b->beside_ns - a->beside_ns));
	printf("\"window_s\":%.4f,\"own_share\":%.3f,\"late_p50_ms\":%.3f,\"late_p99_ms\":%.3f,"
	       "\"late_max_ms\":%.3f,\"idle_bytes\":%lld,\"bytes\":%lld}\n",
	       window_s, (double)(b->own_ns - a->own_ns) / 1e9 / window_s, samples_ms(&g.late, 0.5),
	       samples_ms(&g.late, 0.99), samples_ms(&g.late, 1), (long long)idle_bytes,
	       (long long)b->anon_bytes);
}

/* --- decoding alone --- */

static int64_t thread_cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void *decoder_state(const struct codec *c, const struct codec_params *p)
{
	size_t n = c->state_size(p);
	void *state = n ? aligned_alloc(64, (n + 63) / 64 * 64) : NULL;
	if ((n && !state) || c->init(state, p, NULL))
		give_up("%s: no decoder", c->name);
	return state;
}

static void decode_one(const struct codec *c, void *state, struct span bytes)
{
	static int16_t pcm[CODEC_SAMPLES_MAX];
	size_t used, n;
	if (c->decode(state, bytes, pcm, CODEC_SAMPLES_MAX, &used, &n, NULL) || !n)
		give_up("%s: a frame was not decoded", c->name);
}

/* One message, as media_floor and the product get it. */
static void decode_message(const struct codec *c, void **states, const struct bytes *message,
			   unsigned leg)
{
	static char one[FRAME_MAX], bytes[FRAME_MAX];
	struct span all = { (const char *)message->at, message->n };
	size_t n = 0;
	if (g.format->text && base64_decode(all, (uint8_t *)bytes, &n))
		give_up("no base64");
	if (g.format->text)
		all = (struct span){ bytes, n };
	for (unsigned i = 0; g.format->messages == 1 && i < LEGS; i++) {
		n = codecs_deinterleave(all, LEGS, i, sizeof(int16_t), one);
		decode_one(c, states[i], (struct span){ one, n });
	}
	if (g.format->messages == LEGS)
		decode_one(c, states[leg], all);
}

/* Without headers and masks. */
static void unwrap_frames(void)
{
	if (g.format->wire != &ws_wire)
		return;
	for (unsigned leg = 0; leg < LEGS; leg++)
		for (unsigned i = 0; i < g.frames_n; i++) {
			struct bytes *b = &g.frames[leg][i];
			size_t skip = g.format->text ? 0 : b->n < 126 + 6 ? 6 : 8;
			skip += !g.format->text && g.format->messages == LEGS;
			b->n -= skip;
			for (size_t k = 0; k < b->n; k++)
				b->at[k] = b->at[k + skip] ^ MASK;
		}
}

static void decode_only(void)
{
	const struct codec *c = codec_find(span_of(g.format->codec));
	struct codec_params p = { .rate_hz = g.format->rate_hz, .way = CODEC_DECODE };
	void **states = calloc((size_t)g.o.sockets * LEGS, sizeof(void *));
	long long n = 0;
	if (!states)
		give_up("out of memory");
	for (unsigned i = 0; i < g.o.sockets * LEGS; i++)
		states[i] = decoder_state(c, &p);
	unwrap_frames();
	int64_t begin_ns = thread_cpu_ns();
	for (unsigned k = 0; thread_cpu_ns() - begin_ns < (int64_t)(g.o.decode * 1e9); k++)
		for (unsigned i = 0; i < g.o.sockets * g.format->messages; i++, n++) {
			unsigned leg = i % g.format->messages;
			unsigned at = (k + i * 7919U) % g.frames_n;
			decode_message(c, states + i / g.format->messages * LEGS,
				       &g.frames[leg][at], leg);
		}
	printf("{\"frames\":%lld,\"cpu_ns\":%lld}\n", n * g.format->tick_ms / TICK_MS,
	       (long long)(thread_cpu_ns() - begin_ns));
}

/* --- the run --- */

static int64_t slots_of(double seconds)
{
	return (int64_t)(seconds * 1e9 / SLOT_NS);
}

static void run(void)
{
	static struct used idle, begin, end;
	look(&idle);
	connect_all();
	wait_until(now_ns() + (int64_t)(g.o.settle * 1e9));
	int64_t begin_ns = now_ns() + SLOT_NS;
	int64_t at = run_slots(begin_ns, 0, slots_of(g.o.warmup));
	long long warm = g.sent;
	look(&begin);
	g.late.n = 0;
	run_slots(begin_ns, at, at + slots_of(g.o.seconds));
	look(&end);
	g.format->wire->close_all();
	print_result(&begin, &end, g.sent - warm, idle.anon_bytes);
}

static void add_pids(const char *list)
{
	for (char *end; *list && g.o.beside_n < PIDS_MAX; list = *end ? end + 1 : end) {
		g.o.beside[g.o.beside_n++] = (int)strtol(list, &end, 10);
		if (*end && *end != ',')
			give_up("--beside takes numbers");
	}
}

static bool text_option(const char *name, const char *value)
{
	const struct {
		const char *name, **to;
	} texts[] = { { "--path", &g.o.path },
		      { "--header", &g.o.header },
		      { "--format", &g.o.format },
		      { "--talk", &g.o.talk } };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(name, texts[i].name) == 0) {
			*texts[i].to = value;
			return true;
		}
	return false;
}

static bool number_option(const char *name, const char *value)
{
	const struct {
		const char *name;
		double *to;
	} numbers[] = { { "--seconds", &g.o.seconds },
			{ "--warmup", &g.o.warmup },
			{ "--decode", &g.o.decode },
			{ "--settle", &g.o.settle } };
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strcmp(name, numbers[i].name) == 0) {
			*numbers[i].to = strtod(value, NULL);
			return true;
		}
	return false;
}

static void option(const char *name, const char *value)
{
	if (text_option(name, value) || number_option(name, value))
		return;
	if (strcmp(name, "--port") == 0)
		g.o.port = atoi(value);
	else if (strcmp(name, "--pid") == 0)
		g.o.pid = atoi(value);
	else if (strcmp(name, "--sockets") == 0)
		g.o.sockets = (unsigned)atoi(value);
	else if (strcmp(name, "--streams") == 0)
		g.o.streams = (unsigned)atoi(value);
	else if (strcmp(name, "--beside") == 0)
		add_pids(value);
	else
		give_up("unknown option %s", name);
}

int main(int argc, char **argv)
{
	g.o = (struct options){ .warmup = 1.5, .seconds = 3, .settle = 0.5, .streams = 1 };
	for (int i = 1; i + 1 < argc; i += 2)
		option(argv[i], argv[i + 1]);
	bool sends = g.o.path && g.o.port && g.o.pid;
	if (argc % 2 == 0 || !g.o.format || !g.o.talk || !g.o.sockets || !g.o.streams ||
	    (!sends && !g.o.decode))
		give_up("see the head of bench/media_load.c");
	g.format = format_named(g.o.format);
	g.head_of[0] = g.head_of[1] = -1;
	g.run = (unsigned)(now_ns() / 1000);
	make_frames();
	if (g.o.decode > 0)
		decode_only();
	else
		run();
	return 0;
}
