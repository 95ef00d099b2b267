/* What the network tests share: a process with shards, HTTP servers and an acceptor in it (and the
 * same for gRPC, where it is asked for), and a plain blocking client. */
#ifndef TESTS_NET_RIG_H
#define TESTS_NET_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* wants the ones above */

#include "base/buf.h"
#include "net/grpc.h"
#include "net/http.h"
#include "rt/shard.h"

enum { RIG_MAX_SHARDS = 4, RIG_WAIT_MS = 20000 };

struct rig {
	struct shards *shards;
	struct http_server *servers[RIG_MAX_SHARDS];
	struct http_server_config config;
	struct grpc_server *grpc_servers[RIG_MAX_SHARDS];
	struct grpc_config grpc; /* without methods: no gRPC */
	unsigned grpc_port;
	int grpc_fd;
	struct acceptor *grpc_acceptor;
	const char *const *captures;
	size_t captures_n;
	void (*on_start)(struct rig *, struct shard *); /* on the shard, after its server */
	void (*on_stop)(struct rig *, struct shard *);
	unsigned port;
	int listen_fd;
	uv_loop_t loop;
	uv_thread_t thread;
	uv_async_t stop;
	struct acceptor *acceptor;
	void *user;
};

void rig_start(struct rig *r, unsigned shards, const struct http_route *routes, size_t n);
void rig_stop(struct rig *r);
/* Runs `fn` on a shard's thread and waits for it. */
void rig_on_shard(struct rig *r, unsigned shard, void (*fn)(struct shard *, void *), void *arg);
/* Waits until `*what` is at least `least`. */
void rig_wait(const atomic_int *what, int least);
unsigned rig_connections(const struct rig *r);
void rig_wait_connections(const struct rig *r, unsigned n);

/* A blocking client socket; every operation fails the test after RIG_WAIT_MS. */
int client_connect(unsigned port);
void client_send(int fd, const void *p, size_t n);
void client_sendz(int fd, const char *z);
/* True when the other side closed (or reset) without sending another byte. */
bool client_closed(int fd);

struct reply {
	int status;
	struct buf head; /* status line and headers */
	struct buf body;
	struct buf rest; /* bytes after it; used first by the next client_reply */
};
/* Reads one answer (Content-Length). `head_only`: of a HEAD request. */
enum reply_kind { REPLY_FULL, REPLY_HEAD };
void client_reply(int fd, enum reply_kind kind, struct reply *out);
bool reply_has(struct reply *r, const char *text);
void reply_free(struct reply *r);
/* Connects, sends, reads the answer, leaves the socket open when `fd` is not NULL. */
int client_ask(unsigned port, const char *request, struct reply *out);

/* Runs a shell command, gives its output; returns its exit status. */
int shell(struct buf *out, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* WebSocket client frames (masked). */
void wsc_open(int fd, const char *path, const char *more_headers, struct reply *out);
void wsc_send(int fd, unsigned first_byte, const void *p, size_t n);
/* Reads a frame, answers nothing; returns its first byte (FIN and opcode), -1 when closed. */
int wsc_read(int fd, struct reply *state, struct buf *payload);

#endif
