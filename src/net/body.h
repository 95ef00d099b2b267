/* How the body of a request is framed, and the chunked coding, which libwebsockets 4.1 hands on
 * undecoded. Pure. */
#ifndef CALLMEND_NET_BODY_H
#define CALLMEND_NET_BODY_H

#include <stdint.h>

#include "base/buf.h"
#include "callmend/fault.h"
#include "net/http.h"

enum body_kind {
	BODY_NONE,    /* nothing follows */
	BODY_SIZED,   /* Content-Length */
	BODY_CHUNKED, /* until the last chunk */
};

struct body_frame {
	enum body_kind kind;
	uint64_t length; /* BODY_SIZED */
	bool opaque; /* libwebsockets waits for a body that we know does not come, or cannot see its
		      * end: the connection cannot carry another request */
	int refusal; /* 0, or the status to answer */
	const char *detail;
};

/* From the raw header values; `p` NULL means absent. */
struct body_frame body_frame_of(enum http_method method, struct span content_length,
				struct span transfer_encoding);

/* Zeroed is the start. */
struct chunks {
	int state;
	int digits;
	uint64_t left; /* of this chunk */
	unsigned line; /* bytes of extensions or trailers seen */
};
enum chunks_end { CHUNKS_MORE, CHUNKS_END, CHUNKS_BAD };
/* Appends the decoded part of `in` to `out` (NULL: drops it). */
enum chunks_end chunks_feed(struct chunks *c, struct span in, struct buf *out);

#endif
