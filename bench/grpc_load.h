/* The sending side of RingCX's gRPC stream, for media_load: connections of HTTP/2 (nghttp2) in the
 * clear or over TLS, whoever the server is, on each several calls, a stream each. One thread; gives
 * up with a message when the server does not do what it should (loadgen.h).
 *
 * Wire: docs/ringcx.md, "gRPC"; a message goes in a DATA frame of its own, written at once. */
#ifndef CALLMEND_BENCH_GRPC_LOAD_H
#define CALLMEND_BENCH_GRPC_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GRPC_LEGS = 2, GRPC_PTIME_MS = 100, GRPC_ID_LEN = 36 };

struct grpc_line; /* a connection */
struct grpc_call {
	struct grpc_line *line;
	int32_t stream;
	bool ended; /* we have said everything */
	uint32_t seq[GRPC_LEGS];
	char session[sizeof("STREAM-") + GRPC_ID_LEN];
	char segments[GRPC_LEGS][GRPC_ID_LEN + 1];
	size_t out_n, out_at; /* of a message that nghttp2 has not taken yet */
	unsigned char out[1200];
};

enum grpc_way { GRPC_IN_CLEAR, GRPC_IN_TLS };
/* Of a connected socket, which becomes the line's. */
struct grpc_line *grpc_line_new(int fd, enum grpc_way way);
/* Opens the stream, with the value of `authorization`, and says DialogInit and both SegmentStarts;
 * `run` and `number` make the ids. The call stays where it is until grpc_line_free(). */
void grpc_call_begin(struct grpc_call *, struct grpc_line *, const char *path,
		     const char *authorization, unsigned run, unsigned number);
/* 100 ms of PCMU. False: there was no room for it, and it is not sent. */
bool grpc_call_audio(struct grpc_call *, unsigned leg, const void *payload, size_t n);
void grpc_call_end(struct grpc_call *);
/* Takes what the server has said. */
void grpc_line_read(struct grpc_line *);
/* Waits until the server has answered every call, with OK, then closes. */
void grpc_line_free(struct grpc_line *, int64_t until_ns);

#endif
