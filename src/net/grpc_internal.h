/* What the files of the gRPC server share. Everything belongs to one shard's thread unless a
 * comment says otherwise.
 *
 *   acceptor ──fd──► grpc_server ─► connection: socket (uv_poll) ◄─► [TLS] ◄─► nghttp2 session
 *                                     └─ stream, one per request
 *
 * nghttp2 calls back while it is fed and while it is asked for bytes; nothing is freed in between
 * but streams, by grpc_stream_gone(). */
#ifndef CALLMEND_NET_GRPC_INTERNAL_H
#define CALLMEND_NET_GRPC_INTERNAL_H

#include <nghttp2/nghttp2.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "net/grpc.h"

/* --- grpc_pool.c: nghttp2 takes a little memory for each frame it sends (a WINDOW_UPDATE for every
 * half window, say); what was given back is kept here, by size, a bounded number --- */

enum { GRPC_POOL_SIZES = 16 };
struct grpc_pool {
	struct grpc_pool_block *kept[GRPC_POOL_SIZES];
	unsigned kept_n[GRPC_POOL_SIZES];
};
nghttp2_mem grpc_pool_mem(struct grpc_pool *);
void grpc_pool_fini(struct grpc_pool *);

/* --- grpc_tls.c: the only file here that knows OpenSSL --- */

struct grpc_tls; /* a certificate and its key, read */
MUST int grpc_tls_new(struct grpc_tls **out, const char *certificate, const char *key,
		      struct fault *f);
void grpc_tls_free(struct grpc_tls *); /* connections made with it live on */
/* The files are not those that were read. */
bool grpc_tls_changed(const struct grpc_tls *);

struct grpc_secure; /* TLS of one connection; what is to be sent is appended to `out` */
struct grpc_secure *grpc_secure_new(struct grpc_tls *, struct buf *out);
void grpc_secure_free(struct grpc_secure *);
/* Bytes from the socket, valid until the next grpc_secure_read() that gives 0. */
void grpc_secure_feed(struct grpc_secure *, struct span);
/* Bytes for the application, at most `cap`; 0: there are no more. E_CLOSED: the other side has
 * ended; E_CORRUPT: broken, `f` says why. */
MUST ssize_t grpc_secure_read(struct grpc_secure *, char *to, size_t cap, struct fault *f);
bool grpc_secure_ready(const struct grpc_secure *); /* the handshake is over */
bool grpc_secure_is_h2(const struct grpc_secure *); /* that is what it agreed upon */
MUST int grpc_secure_write(struct grpc_secure *, struct span);
void grpc_secure_end(struct grpc_secure *); /* our close_notify */

/* --- grpc.c --- */

enum { GRPC_READ_BYTES = 64 * 1024 };

struct grpc_server {
	struct shard *shard;
	struct grpc_config config;
	struct grpc_tls *tls; /* NULL: h2c */
	struct grpc_pool pool;
	nghttp2_mem mem;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	struct grpc_connection *connections;
	struct grpc_connection *dirty; /* have something to send since their last turn */
	atomic_uint count;	       /* open or dealt to us; any thread */
	bool draining;
	int64_t looked_ms; /* at the certificate's files */
	unsigned handles;  /* of libuv, not closed yet */
	uv_timer_t sweeper;
	uv_idle_t flusher; /* runs while `dirty` is not empty */
	char *wire;	   /* GRPC_READ_BYTES: from a socket */
	char *plain;	   /* as many: the same without TLS */
	struct buf gather; /* what goes through TLS next */
};
void grpc_server_handle_closed(struct grpc_server *); /* the last one of a freed server frees it */
void grpc_server_wake(struct grpc_server *);	      /* `dirty` is not empty */
int64_t grpc_server_now_ms(const struct grpc_server *);

/* --- grpc_connection.c --- */

enum grpc_connection_state {
	GRPC_SERVING,
	GRPC_LINGERING, /* all is said: what comes is dropped, so that the other side can read it */
	GRPC_CLOSED,
};

struct grpc_connection {
	struct grpc_server *server;
	struct grpc_connection *next, *prev;
	struct grpc_connection *dirty_next;
	uv_poll_t poll;
	int fd;
	int watched; /* UV_READABLE, UV_WRITABLE */
	enum grpc_connection_state state;
	nghttp2_session *session;   /* NULL: in the TLS handshake */
	struct grpc_secure *secure; /* NULL: h2c */
	struct buf out;
	size_t out_at;
	struct buf headers;   /* of the request whose headers are being read */
	size_t headers_bytes; /* of all of them, also what was left out */
	struct grpc_stream *streams;
	bool in_session; /* nghttp2 is on the stack */
	bool is_dirty;
	bool greeted; /* the client's SETTINGS are there */
	bool eof;     /* the client sends no more */
	bool deaf;    /* it is not heard any more */
	bool calm;    /* it wasted too much of our time */
	bool pinged;
	int64_t waste_left, waste_at_ms; /* frames it may still waste, at that time */
	int64_t since_ms;		 /* of the present state */
	int64_t heard_ms, moved_ms; /* last bytes from it; last bytes it took, or nothing waited */
	int64_t headers_since_ms;   /* 0: no request's headers are being read */
	char peer[64];
};
void grpc_connection_new(struct grpc_server *, int fd); /* of a reserved place */
void grpc_connection_flush(struct grpc_connection *);
void grpc_connection_dirty(struct grpc_connection *); /* something was submitted */
/* A frame that does no work for anybody; too many of them end the connection. */
void grpc_connection_wasted(struct grpc_connection *);
void grpc_connection_sweep(struct grpc_connection *, int64_t now_ms);
void grpc_connection_drain(struct grpc_connection *);
void grpc_connection_stop(
	struct grpc_connection *); /* says goodbye, as far as the socket takes it */
void grpc_connection_end(struct grpc_connection *, const char *why); /* at once */

/* --- grpc_stream.c --- */

struct grpc_stream {
	struct grpc_connection *connection;
	struct grpc_stream *next, *prev;
	int32_t id;
	const struct grpc_method *method; /* NULL: of none of ours */
	void *user;
	struct buf part; /* a message that has not come whole, its prefix included */
	bool headers_over;
	bool opened;   /* handlers know it */
	bool ended;    /* the client has sent everything */
	bool finished; /* we have answered, or are about to */
	bool reset;    /* by the client */
	enum grpc_status status;
	size_t answered; /* bytes of the empty message that are out */
	char why[120];
};
void grpc_stream_callbacks(nghttp2_session_callbacks *);
/* Tells its owner `why`, and frees it. Unless it was answered it counts as ended by `end`: "reset",
 * "lost". */
void grpc_stream_gone(struct grpc_stream *, const char *end, const char *why);
void grpc_stream_turn_away(struct grpc_stream *, const char *why); /* UNAVAILABLE */

#endif
