/* The least of a gRPC server, for media_floor: an nghttp2 session on a socket, messages taken apart
 * as they come, and answered with OK when the client has said everything. Trusts the client; gives
 * up with a message when it does not do what it should (loadgen.h). */
#ifndef CALLMEND_BENCH_GRPC_FLOOR_H
#define CALLMEND_BENCH_GRPC_FLOOR_H

#include <stdbool.h>
#include <stddef.h>

struct grpc_floor;
/* A message with audio, valid during the call. */
typedef void grpc_floor_audio(void *user, unsigned char *at, size_t n);

struct grpc_floor *grpc_floor_new(int fd, grpc_floor_audio *audio, void *user);
void grpc_floor_free(struct grpc_floor *); /* NULL: nothing */
void grpc_floor_take(struct grpc_floor *, const unsigned char *at, size_t n);
/* StreamEvent.segment_media.audio_content.payload; false: there is none. */
bool grpc_floor_unpack(const unsigned char *at, size_t n, const unsigned char **payload,
		       size_t *payload_n);

#endif
