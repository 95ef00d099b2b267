/* Sends webhooks of many live calls to a server and watches its live socket, in one process, so
 * that both ends of webhook → watcher are on one clock.
 *
 *   loadgen paced ...     every call sends its next message every 1/rate seconds
 *   loadgen saturate ...  every call sends its next message as soon as the last one is answered
 *   loadgen disk DIR      p50 and p99 of write + fdatasync in DIR
 *
 * A call plays the bodies of a script folder in order, beginning somewhere in the middle so that
 * all stages of calls are there at once; at the end it begins again under a new id. Prints one JSON
 * object.
 *
 * Latencies count from the moment of sending, so that what the generator itself is late is not laid
 * to the server; and once more from the moment the message was due, where nothing is left out. */
#include "loadgen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 65536,
	WS_BUFFER = 4 << 20,
	CONNECTIONS_MAX = 4096,
	TOKENS = 1 << 20, /* in flight at a time, by number modulo this */
	EVENTS_MAX = 256,
};

struct options {
	const char *mode, *path, *header, *ws_path, *ws_header, *ws_send, *script;
	int port, pid;
	unsigned calls, connections;
	double rate, seconds, warmup;
};

struct connection {
	int fd;
	struct call *call; /* whose message is on its way; NULL: idle */
	int64_t sent_ns, due_ns;
	char *rest; /* what the socket did not take yet */
	size_t rest_n, rest_at;
	char answer[ANSWER_MAX];
	size_t answer_n;
};

struct call {
	char id[CALL_MARK_LEN + 1];
	size_t at; /* next body */
	int64_t due_ns;
	bool busy;
};

static struct {
	struct options o;
	struct script script;
	struct call *calls;
	struct connection **idle; /* a stack */
	size_t idle_n, connections_n;
	int epoll, ws;
	char *ws_buffer;
	size_t ws_n;
	uint64_t next_id, next_token;
	struct sent {
		int64_t at_ns, due_ns; /* at_ns 0: none */
	} * sent;		       /* by token */
	bool measuring;
	struct samples answered, answered_due, watched, watched_due, late;
	uint64_t answers, refused, events, bytes, script_bytes;
} load;

/* --- sockets --- */

static int connect_to(int port)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		give_up("port %d: %s", port, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void watch(int fd, uint32_t events, void *what, int op)
{
	struct epoll_event e = { .events = events, .data.ptr = what };
	if (epoll_ctl(load.epoll, op, fd, &e))
		give_up("epoll: %s", strerror(errno));
}

static struct connection *connection_open(void)
{
	struct connection *c = calloc(1, sizeof(*c));
	if (!c)
		give_up("out of memory");
	c->fd = connect_to(load.o.port);
	load.connections_n++;
	watch(c->fd, EPOLLIN, c, EPOLL_CTL_ADD);
	return c;
}

static struct connection *connection_take(void)
{
	if (load.idle_n)
		return load.idle[--load.idle_n];
	return load.connections_n < load.o.connections ? connection_open() : NULL;
}

static void keep_rest(struct connection *c, const struct iovec v[2], size_t sent)
{
	size_t total = v[0].iov_len + v[1].iov_len;
	c->rest_n = total - sent;
	c->rest_at = 0;
	c->rest = malloc(c->rest_n);
	if (!c->rest)
		give_up("out of memory");
	size_t head = sent < v[0].iov_len ? v[0].iov_len - sent : 0;
	memcpy(c->rest, (char *)v[0].iov_base + v[0].iov_len - head, head);
	size_t skip = sent > v[0].iov_len ? sent - v[0].iov_len : 0;
	memcpy(c->rest + head, (char *)v[1].iov_base + skip, v[1].iov_len - skip);
	watch(c->fd, EPOLLIN | EPOLLOUT, c, EPOLL_CTL_MOD);
}

static void send_rest(struct connection *c)
{
	ssize_t n = send(c->fd, c->rest + c->rest_at, c->rest_n - c->rest_at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		give_up("send: %s", strerror(errno));
	c->rest_at += n > 0 ? (size_t)n : 0;
	if (c->rest_at < c->rest_n)
		return;
	free(c->rest);
	c->rest = NULL;
	watch(c->fd, EPOLLIN, c, EPOLL_CTL_MOD);
}

/* --- calls --- */

static void call_name(struct call *call)
{
	snprintf(call->id, sizeof(call->id), "%08x-0000-7000-8000-%012llx", (unsigned)getpid(),
		 (unsigned long long)++load.next_id);
}

static void call_send(struct call *call, struct connection *c, int64_t due_ns)
{
	struct body *b = &load.script.bodies[call->at];
	uint64_t token = load.next_token++;
	char head[1024];
	body_patch(b, call->id, token);
	int n = snprintf(
		head, sizeof(head),
		"POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n%s\r\n"
		"Content-Length: %zu\r\n\r\n",
		load.o.path, load.o.port, load.o.header, b->n);
	struct iovec v[2] = { { head, (size_t)n }, { b->text, b->n } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	c->call = call;
	call->busy = true;
	c->answer_n = 0;
	c->sent_ns = now_ns();
	c->due_ns = due_ns;
	load.sent[token % TOKENS] = (struct sent){ b->token == SIZE_MAX ? 0 : c->sent_ns, due_ns };
	ssize_t sent = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN)
		give_up("send: %s", strerror(errno));
	sent = sent < 0 ? 0 : sent;
	if ((size_t)sent < (size_t)n + b->n)
		keep_rest(c, v, (size_t)sent);
	load.bytes += load.measuring ? b->n : 0;
	call->at++;
	if (call->at == load.script.n) {
		call->at = 0;
		call_name(call);
	}
}

static void on_answer(struct connection *c, int status)
{
	int64_t now = now_ns();
	struct call *call = c->call;
	c->call = NULL;
	call->busy = false;
	if (load.measuring) {
		load.answers++;
		load.refused += status != 200;
		samples_add(&load.answered, now - c->sent_ns);
		samples_add(&load.answered_due, now - c->due_ns);
	}
	if (strcmp(load.o.mode, "saturate") == 0)
		call_send(call, c, now);
	else
		load.idle[load.idle_n++] = c;
}

/* A server may close a connection that was idle for long; any other end is a failure. */
static void connection_lost(struct connection *c)
{
	size_t i = 0;
	if (c->call)
		give_up("the server closed a connection while a message was on its way");
	while (i < load.idle_n && load.idle[i] != c)
		i++;
	if (i < load.idle_n)
		load.idle[i] = load.idle[--load.idle_n];
	load.connections_n--;
	close(c->fd);
	free(c);
}

static void connection_read(struct connection *c)
{
	int status = 0;
	ssize_t n = recv(c->fd, c->answer + c->answer_n, ANSWER_MAX - c->answer_n, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		connection_lost(c);
		return;
	}
	c->answer_n += (size_t)n;
	if (http_answer(c->answer, c->answer_n, &status) && c->call)
		on_answer(c, status);
}

/* --- the watcher --- */

static void on_watched(const char *text, size_t n)
{
	int64_t now = now_ns();
	const char *at = memmem(text, n, TOKEN_PREFIX, sizeof(TOKEN_PREFIX) - 1);
	char digits[TOKEN_DIGITS + 1] = "";
	load.events += load.measuring;
	if (!at || (size_t)(text + n - at) < TOKEN_LEN)
		return;
	memcpy(digits, at + sizeof(TOKEN_PREFIX) - 1, TOKEN_DIGITS);
	struct sent *sent = &load.sent[strtoull(digits, NULL, 10) % TOKENS];
	/* Turns and the like show a text again: the first time counts. */
	if (sent->at_ns && load.measuring) {
		samples_add(&load.watched, now - sent->at_ns);
		samples_add(&load.watched_due, now - sent->due_ns);
	}
	sent->at_ns = 0;
}

static void ws_read(void)
{
	const char *payload;
	size_t payload_n, used = 0, n;
	int opcode;
	ssize_t got =
		recv(load.ws, load.ws_buffer + load.ws_n, WS_BUFFER - load.ws_n, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
		give_up("the live socket was closed");
	load.ws_n += (size_t)got;
	for (;;) {
		n = ws_frame(load.ws_buffer + used, load.ws_n - used, &payload, &payload_n,
			     &opcode);
		if (!n)
			break;
		used += n;
		if (opcode == 8)
			give_up("the live socket was closed by the server");
		if (opcode <= 1)
			on_watched(payload, payload_n);
	}
	memmove(load.ws_buffer, load.ws_buffer + used, load.ws_n - used);
	load.ws_n -= used;
	if (load.ws_n == WS_BUFFER)
		give_up("a live message larger than %d bytes", WS_BUFFER);
}

static void ws_open(void)
{
	char text[4096];
	int status = 0;
	size_t n = 0, head;
	load.ws = connect_to(load.o.port);
	load.ws_buffer = malloc(WS_BUFFER);
	int m = snprintf(text, sizeof(text),
			 "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: "
			 "websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Key: bG9hZGdlbmxvYWRnZW4xMg==\r\nSec-WebSocket-Version: "
			 "13\r\n%s%s\r\n",
			 load.o.ws_path, load.o.port, load.o.ws_header,
			 *load.o.ws_header ? "\r\n" : "");
	if (!load.ws_buffer || write(load.ws, text, (size_t)m) != m)
		give_up("live socket: %s", strerror(errno));
	do {
		ssize_t got = read(load.ws, load.ws_buffer + n, WS_BUFFER - n);
		if (got <= 0)
			give_up("live socket: no answer");
		n += (size_t)got;
		head = http_answer(load.ws_buffer, n, &status);
	} while (!head);
	if (status != 101)
		give_up("live socket: refused with %d", status);
	memmove(load.ws_buffer, load.ws_buffer + head, n - head);
	load.ws_n = n - head;
	size_t frame = ws_text(load.o.ws_send, text, sizeof(text));
	if (write(load.ws, text, frame) != (ssize_t)frame)
		give_up("live socket: %s", strerror(errno));
	watch(load.ws, EPOLLIN, &load.ws, EPOLL_CTL_ADD);
}

/* --- the run --- */

/* Sleeps, instead of spinning, until something is due: a sleeper that wakes is let in at once
 * beside the database on this core. */
static void poll_once(int64_t timeout_ns)
{
	struct epoll_event events[EVENTS_MAX];
	struct timespec timeout = { .tv_sec = timeout_ns / 1000000000,
				    .tv_nsec = timeout_ns % 1000000000 };
	int n = epoll_pwait2(load.epoll, events, EVENTS_MAX, &timeout, NULL);
	for (int i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;
		if (events[i].data.ptr == &load.ws) {
			ws_read();
			continue;
		}
		if ((events[i].events & EPOLLOUT) && c->rest)
			send_rest(c);
		if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			connection_read(c);
	}
}

static void calls_start(void)
{
	int64_t now = now_ns(), gap = (int64_t)(1e9 / load.o.rate);
	load.calls = calloc(load.o.calls, sizeof(*load.calls));
	if (!load.calls)
		give_up("out of memory");
	for (unsigned i = 0; i < load.o.calls; i++) {
		struct call *call = &load.calls[i];
		call_name(call);
		call->at = load.script.n * i / load.o.calls;
		call->due_ns = now + gap * i / load.o.calls;
	}
}

/* Sends what is due; calls are in order of their due times, round and round. Gives the ns until the
 * next is due. */
static int64_t send_due(unsigned *turn)
{
	int64_t gap = (int64_t)(1e9 / load.o.rate);
	for (;;) {
		struct call *call = &load.calls[*turn];
		int64_t now = now_ns();
		if (call->due_ns > now)
			return call->due_ns - now;
		if (!call->busy) {
			struct connection *c = connection_take();
			if (!c)
				return 1000000;
			if (load.measuring)
				samples_add(&load.late, now - call->due_ns);
			call_send(call, c, call->due_ns);
		}
		/* Busy: its answer took longer than the gap; the message is left for the next
		 * round. */
		call->due_ns += gap;
		*turn = (*turn + 1) % load.o.calls;
	}
}

static void run_until(int64_t end_ns, unsigned *turn)
{
	bool paced = strcmp(load.o.mode, "paced") == 0;
	while (now_ns() < end_ns)
		poll_once(paced ? send_due(turn) : 10000000);
}

static void saturate_start(void)
{
	for (unsigned i = 0; i < load.o.connections; i++)
		call_send(&load.calls[i % load.o.calls], connection_open(), now_ns());
}

static void report(double seconds, int64_t cpu_ns, int64_t own_ns)
{
	double answers = load.answers ? (double)load.answers : 1;
	printf("{\"messages\":%llu,\"refused\":%llu,\"seconds\":%.3f,\"per_second\":%.1f,"
	       "\"watcher_events\":%llu,\"watched\":%zu,",
	       (unsigned long long)load.answers, (unsigned long long)load.refused, seconds,
	       answers / seconds, (unsigned long long)load.events, load.watched.n);
	printf("\"answer_p50_ms\":%.4f,\"answer_p99_ms\":%.4f,\"watch_p50_ms\":%.4f,\"watch_p99_"
	       "ms\":%.4f,"
	       "\"answer_due_p99_ms\":%.4f,\"watch_due_p99_ms\":%.4f,\"late_p99_ms\":%.4f,",
	       samples_ms(&load.answered, 0.5), samples_ms(&load.answered, 0.99),
	       samples_ms(&load.watched, 0.5), samples_ms(&load.watched, 0.99),
	       samples_ms(&load.answered_due, 0.99), samples_ms(&load.watched_due, 0.99),
	       samples_ms(&load.late, 0.99));
	printf("\"cpu_us_per_message\":%.2f,\"server_cpu_share\":%.4f,\"own_cpu_share\":%.4f,\"rss_"
	       "bytes\":%lld,"
	       "\"median_body\":%zu,\"largest_body\":%zu,\"mean_body\":%.0f}\n",
	       (double)cpu_ns / 1000 / answers, (double)cpu_ns / 1e9 / seconds,
	       (double)own_ns / 1e9 / seconds, (long long)proc_rss_bytes(load.o.pid),
	       load.script.median, load.script.largest, (double)load.bytes / answers);
}

static void run(void)
{
	unsigned turn = 0;
	script_load(&load.script, load.o.script);
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.idle = calloc(CONNECTIONS_MAX, sizeof(struct connection *));
	load.sent = calloc(TOKENS, sizeof(*load.sent));
	if (load.epoll < 0 || !load.idle || !load.sent)
		give_up("cannot begin");
	ws_open();
	calls_start();
	if (strcmp(load.o.mode, "saturate") == 0)
		saturate_start();
	run_until(now_ns() + (int64_t)(load.o.warmup * 1e9), &turn);
	int64_t cpu = proc_cpu_ns(load.o.pid), own = proc_cpu_ns(getpid()), start = now_ns();
	load.measuring = true;
	run_until(start + (int64_t)(load.o.seconds * 1e9), &turn);
	double seconds = (double)(now_ns() - start) / 1e9;
	report(seconds, proc_cpu_ns(load.o.pid) - cpu, proc_cpu_ns(getpid()) - own);
}

/* --- options --- */

static const struct option_row {
	const char *name;
	enum { OPTION_TEXT, OPTION_INT, OPTION_UNSIGNED, OPTION_DOUBLE } kind;
	void *to;
} option_rows[] = {
	{ "--port", OPTION_INT, &load.o.port },
	{ "--pid", OPTION_INT, &load.o.pid },
	{ "--path", OPTION_TEXT, &load.o.path },
	{ "--header", OPTION_TEXT, &load.o.header },
	{ "--ws-path", OPTION_TEXT, &load.o.ws_path },
	{ "--ws-header", OPTION_TEXT, &load.o.ws_header },
	{ "--ws-send", OPTION_TEXT, &load.o.ws_send },
	{ "--script", OPTION_TEXT, &load.o.script },
	{ "--calls", OPTION_UNSIGNED, &load.o.calls },
	{ "--connections", OPTION_UNSIGNED, &load.o.connections },
	{ "--rate", OPTION_DOUBLE, &load.o.rate },
	{ "--seconds", OPTION_DOUBLE, &load.o.seconds },
	{ "--warmup", OPTION_DOUBLE, &load.o.warmup },
};

static void set_option(const char *name, char *value)
{
	for (size_t i = 0; i < sizeof(option_rows) / sizeof(option_rows[0]); i++) {
		const struct option_row *row = &option_rows[i];
		if (strcmp(row->name, name) != 0)
			continue;
		if (row->kind == OPTION_TEXT)
			*(const char **)row->to = value;
		else if (row->kind == OPTION_INT)
			*(int *)row->to = atoi(value);
		else if (row->kind == OPTION_UNSIGNED)
			*(unsigned *)row->to = (unsigned)strtoul(value, NULL, 10);
		else
			*(double *)row->to = strtod(value, NULL);
		return;
	}
	give_up("unknown option %s", name);
}

static int probe(const char *dir)
{
	struct samples s = { 0 };
	disk_probe(dir, 16384, 1000, &s);
	printf("{\"fdatasync_p50_ms\":%.4f,\"fdatasync_p99_ms\":%.4f}\n", samples_ms(&s, 0.5),
	       samples_ms(&s, 0.99));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "disk") == 0)
		return probe(argv[2]);
	if (argc < 2 || (strcmp(argv[1], "paced") != 0 && strcmp(argv[1], "saturate") != 0))
		give_up("usage: loadgen paced|saturate --option value ... | loadgen disk DIR");
	load.o = (struct options){ .mode = argv[1],
				   .header = "X-Bench: 1",
				   .ws_header = "",
				   .ws_send = "{}",
				   .calls = 100,
				   .connections = 64,
				   .rate = 2,
				   .seconds = 10,
				   .warmup = 3 };
	for (int i = 2; i + 1 < argc; i += 2)
		set_option(argv[i], argv[i + 1]);
	if (!load.o.port || !load.o.pid || !load.o.path || !load.o.ws_path || !load.o.script ||
	    !load.o.calls || load.o.connections > CONNECTIONS_MAX)
		give_up("--port, --pid, --path, --ws-path and --script are needed");
	run();
	return 0;
}
