/* gRPC server of a shard: HTTP/2 by nghttp2 on the shard's own libuv loop, over TLS (ALPN h2) or in
 * the clear behind a proxy (h2c, prior knowledge). Client-streaming methods: messages in, one empty
 * answer at the end. Everything belongs to the shard's thread.
 *
 * Wire format: github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md; statuses: doc/statuscodes.md. Bounded:
 * connections, streams of each, bytes of a message, of headers, and what a stream may send before
 * we have read (flow control follows what was handed on). Answered here: wrong method or path
 * (UNIMPLEMENTED 12), wrong content-type (415), compressed messages (UNIMPLEMENTED, with
 * grpc-accept-encoding: identity), larger ones and headers of more than GRPC_HEADERS_BYTES
 * (RESOURCE_EXHAUSTED 8), a stream cut in a message (INTERNAL 13). A missing "te: trailers" is let
 * pass: gateways drop it. Frames that move nothing (PING, RST_STREAM, SETTINGS, PRIORITY, empty
 * DATA) are counted, and a connection with more than 1 000 and one for each stream at once, or 33 a
 * second, is closed (ENHANCE_YOUR_CALM), like one whose headers do not end or unfold to more than
 * 256 KiB.
 *
 * PING and SETTINGS are answered; a connection that has neither a stream nor sent anything for
 * idle_ms, or does not answer our PING (after 20 s of silence with streams, 20 s more), is closed,
 * and so is one that does not end its handshake in 10 s, its headers in 15 s, or takes nothing for
 * 30 s (idle_ms when that is shorter). A message that comes whole in what was read at once is
 * handed on where it stands, another one is put together in memory that its stream keeps:
 * receiving allocates nothing once the largest message has been here (OpenSSL itself takes and
 * gives back 40 bytes for each record of TLS 1.3). */
#ifndef CALLMEND_NET_GRPC_H
#define CALLMEND_NET_GRPC_H

#include "callmend/fault.h"
#include "callmend/span.h"
#include "rt/shard.h"

enum grpc_status {
	GRPC_OK = 0,
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_FAILED_PRECONDITION = 9,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_UNAUTHENTICATED = 16,
};

enum { GRPC_HEADERS_BYTES = 16 * 1024 };

struct grpc_server;
struct grpc_stream;

struct grpc_handlers {
	/* All request headers are there (grpc_stream_header). GRPC_OK, or the status to refuse with
	 * and in *why one line for the client; a stream that was refused gets no further call. */
	enum grpc_status (*open)(struct grpc_stream *, const char **why);
	/* A whole message, valid during the call. */
	void (*message)(struct grpc_stream *, struct span);
	/* The client has sent everything: finish it, now or later. */
	void (*end)(struct grpc_stream *);
	/* Last call for each stream that was opened: the stream is gone. `why` is one line for
	 * people: "finished", "reset by the client (CANCEL)", "connection lost" ... */
	void (*closed)(struct grpc_stream *, const char *why);
};
struct grpc_method {
	const char *path; /* "/package.Service/Method" */
	size_t message_max;
	const struct grpc_handlers *handlers;
};

struct grpc_config {
	const struct grpc_method *methods;
	size_t methods_n;
	void *user;		  /* grpc_server_user */
	unsigned max_connections; /* of this shard; more are closed at once */
	unsigned max_streams;	  /* of a connection, announced in SETTINGS */
	size_t window_bytes;	  /* a stream may send so much before it was handed on; a connection
				     eight times that */
	int64_t idle_ms;
	int64_t stuck_ms; /* so long a connection may take nothing while something waits; 0: 30 s */
	/* PEM files, the chain after the certificate, the key without passphrase; both NULL
	 * or empty: h2c.
	 * Read again by grpc_server_reload(), and when a look at them every certificate_look_ms
	 * (0: a minute) finds others; those that cannot be used are logged. */
	const char *certificate, *key;
	int64_t certificate_look_ms;
};

/* Whether a server could start with these; E_INVALID or E_IO, the fault names the file. */
MUST int grpc_check_certificate(const char *certificate, const char *key, struct fault *f);

/* In a shard's start and stop hook; methods, files' names and what they point at outlive the
 * server. E_INVALID, E_IO: certificate or key (the fault names the file). Freeing answers every
 * stream (UNAVAILABLE) and closes it, sends GOAWAY, and is done when the loop has drained. */
MUST int grpc_server_new(struct grpc_server **out, struct shard *, const struct grpc_config *,
			 struct fault *f);
void grpc_server_free(struct grpc_server *);
void *grpc_server_user(const struct grpc_server *);
/* New connections get what is in the files now; E_...: the old ones stay in use. */
MUST int grpc_server_reload(struct grpc_server *, struct fault *f);
unsigned grpc_server_connections(const struct grpc_server *); /* any thread */
/* No new connections and no new streams (GOAWAY); those there are go on. */
void grpc_server_drain(struct grpc_server *);
/* For acceptor_new() (net/http.h): its servers are grpc_servers. */
struct acceptor_kind;
extern const struct acceptor_kind acceptor_grpc;

void grpc_stream_set_user(struct grpc_stream *, void *);
void *grpc_stream_user(const struct grpc_stream *);
struct grpc_server *grpc_stream_server(const struct grpc_stream *);
struct shard *grpc_stream_shard(const struct grpc_stream *);
struct span grpc_stream_path(const struct grpc_stream *);
struct span grpc_stream_peer(const struct grpc_stream *); /* "127.0.0.1" */
/* Of the request, by its name in lower case; valid during `open`. false: absent. */
bool grpc_stream_header(const struct grpc_stream *, const char *name, struct span *out);
/* GRPC_OK: an empty message and trailers; else trailers alone, with `text` for the client's people
 * (NULL: none). At any time from `open` until `closed`; only the first counts, also when it was
 * ours (an oversize message, say). The rest of what the client sends is dropped. `closed` is called
 * later, not from here. */
void grpc_stream_finish(struct grpc_stream *, enum grpc_status, const char *text);

#endif
