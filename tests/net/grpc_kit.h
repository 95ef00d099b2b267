/* The methods that the gRPC tests serve, and what they have seen. */
#ifndef TESTS_NET_GRPC_KIT_H
#define TESTS_NET_GRPC_KIT_H

#include "grpc_client.h"

#define STREAM_PATH "/test.v1.Test/Stream"

enum { KIT_MESSAGE_MAX = 3 * 1024 * 1024 };
/* Of the header x-do: "refuse" (unauthenticated), "early" (finished at the first message), "later"
 * (not finished at the end), else finished with OK at the end. */
extern const struct grpc_method kit_methods[];
enum { KIT_METHODS = 1 };

/* "open 127.0.0.1|message hello|end|closed finished|" - of all streams, in their order. Long
 * messages stand as their length and a sum: "message 100000 bytes 1234". */
const char *kit_seen(void); /* a copy; valid until the next call */
void kit_forget(void);
/* Waits until it is so. */
void kit_wait_seen(const char *what);
extern atomic_int kit_messages, kit_opened, kit_closed;
/* Finishes the stream that was opened last. */
void kit_finish(struct rig *r, enum grpc_status status, const char *text);

void kit_start(struct rig *r, unsigned shards); /* with what is unset in r->grpc as usual */
void kit_wait_connections(const struct rig *r, unsigned n);

#endif
