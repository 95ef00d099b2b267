/* A side of calls for tests of src/media: gives audio the calls the test wants, and keeps what it
 * is told. And a server with lines on it. */
#ifndef TESTS_MEDIA_FAKE_HEAR_H
#define TESTS_MEDIA_FAKE_HEAR_H

#include "tests/net/rig.h"

#include <pthread.h>

#include "media/media.h"

struct hear {
	const struct directory *_Atomic directory; /* NULL: not loaded */
	atomic_bool draining;
	_Atomic enum hear_way way; /* the answer to claims; OWN only when one is to be made */
	atomic_bool same; /* every answer names the call of HEAR_OWN: it is known by its id */
	atomic_bool keep_claims; /* the next claim is under way until it is false again */
	struct hear_claim *kept_claim;
	atomic_int claims, bodies, held;
	atomic_bool keep_posts; /* posts are under way until it is false again */
	struct hear_post *kept;
	atomic_bool full; /* no message is taken */
	atomic_int taken, refused;
	void (*on_tell)(void); /* around what is not the media's own work */
	void (*after_tell)(void);
	struct hear_calls calls;
	pthread_mutex_t lock;
	struct buf told;  /* lines: call id, space, body; or "message", space, JSON */
	struct buf asked; /* claims, a line each: token|call id|make */
};

/* The calls of every answer: by way. */
struct uuid fake_call(enum hear_way);
/* Copies what was told until now, or asked. */
void fake_told(struct hear *, struct buf *out);
void fake_asked(struct hear *, struct buf *out);
size_t fake_count(struct hear *, const char *part);
void fake_wait(struct hear *, const char *part, size_t n); /* until it was told so often */

struct lines {
	struct rig rig;
	struct hear hear;
	struct media *media;
	struct http_route routes[4];
	struct grpc_method methods[2];
	unsigned max_lines; /* before lines_start; 0: 8 */
	unsigned shards;    /* likewise; 0: 1 */
	int64_t grace_ms, silence_ms;
	const struct media_sink *sink;
	void *sink_owner;
	void (*attach)(struct media *); /* more sinks; NULL: none */
	struct http_route more;		/* besides those of the media; no pattern: none */
};
void lines_start(struct lines *);
void lines_stop(struct lines *);
/* A socket at this path, 101 or the refusal's status. */
int lines_open(struct lines *, const char *path, int *status);
/* On the shard: a call that was placed over Vapi's WebSocket, whose other side is at /transport. */
void lines_place(struct lines *, struct shard *, const struct uuid *call, struct span encoding,
		 uint32_t rate_hz);
void lines_text(int fd, const char *text); /* with ' for " */
/* µ-law of a Twilio stream, n frames of 20 ms. */
void lines_twilio_start(int fd, const char *call);
void lines_twilio_audio(int fd, unsigned first, unsigned n);
/* The same at Telnyx, whose frames may overtake each other: the nth frame, numbered from 1. */
void lines_telnyx_start(int fd);
void lines_telnyx_audio(int fd, unsigned nth);

/* --- RingCX over gRPC, at rig.grpc_port; the source's credential is LINES_KEY --- */
#include "tests/net/grpc_client.h"
#define LINES_KEY "Basic cmM6czNjcmV0" /* rc:s3cret */
/* NULL: none. */
struct call *lines_stream(struct grpc_client *, const char *authorization);
/* attributes: "k=v;k2=v2" */
void lines_init(struct grpc_client *, struct call *, const char *session, const char *dialog,
		const char *attributes);
/* type: 1 contact, 2 agent; codec: 3 PCMU. */
void lines_join(struct grpc_client *, struct call *, const char *segment, int type,
		const char *participant, int codec);
/* n frames of 100 ms, from the first on, of the sound of lines_twilio_audio. */
void lines_media(struct grpc_client *, struct call *, const char *segment, unsigned first,
		 unsigned n);
void lines_info(struct grpc_client *, struct call *, const char *segment, const char *event);
void lines_leave(struct grpc_client *, struct call *, const char *segment);

#endif
