/* Sockets of live audio: accepted at /in/{dialect}/{source}, as streams of gRPC, and dialled, one
 * `line` each, on the shard of their socket.
 *
 *   message ─► dialect (callmend/media.h) ─► base64, channels ─► leg (src/leg)
 *                ├─► facts, a record each loop turn ─► whose call? (callmend/hear.h) ─► its owner
 *                ├─► sinks: recorders, speech-to-text
 *                └─► listeners (callmend/listen.h)
 *
 * Nothing is allocated for a message once a line has warmed up. Lines are bounded (max_lines of a
 * shard); docs/media.md tells what each refusal means. Everything of a line happens on its shard's
 * thread. */
#ifndef CALLMEND_MEDIA_MEDIA_H
#define CALLMEND_MEDIA_MEDIA_H

#include "callmend/errand.h"
#include "callmend/hear.h"
#include "callmend/heard.h"
#include "callmend/listen.h"
#include "callmend/media.h"
#include "leg/leg.h"

struct media;
struct media_line;
struct grpc_method;

struct media_config {
	unsigned shards;
	unsigned max_lines;    /* of each shard */
	struct hear *hear;     /* gets its hear_watch from media_new */
	const char *ca_file;   /* for what is dialled; outlives the media */
	int64_t bind_grace_ms; /* before audio gets a call of its own; 0: MEDIA_BIND_GRACE_MS */
	int64_t silence_ms;    /* without a message a line is closed; 0: MEDIA_SILENCE_MS */
};
enum { MEDIA_BIND_GRACE_MS = 3000, MEDIA_SILENCE_MS = 60000 };

MUST int media_new(struct media **out, const struct media_config *, struct fault *f);
/* After the shards have stopped. */
void media_free(struct media *);
/* In the hooks of each shard: after ingest has started there; before the server and ingest stop. */
MUST int media_shard_start(struct media *, struct shard *, struct fault *f);
void media_shard_stop(struct media *, struct shard *);
/* The routes of sockets; returns how many there are, writes at most cap. */
size_t media_routes(struct media *, struct http_route *out, size_t cap);
/* Likewise the methods of gRPC, for servers whose `user` is this media. */
size_t media_methods(struct media *, struct grpc_method *out, size_t cap);
struct listen *media_listen(struct media *);
/* An errand_fn of EFFECT_SOCKET; `user` is the media. */
void media_command(void *user, struct errand *);

/* --- who else wants the audio: recorders, speech-to-text --- */

struct media_frame {
	unsigned leg;
	enum speaker speaker;
	struct leg_pcm pcm; /* decoded, in order, gaps filled; `at` in samples of rate_hz */
	uint32_t rate_hz;
	int64_t start_us; /* wall clock of position 0 */
	bool speaking;	  /* somebody is, as the leg's detector says; without one never */
	/* As it came, of this leg alone: what a file in the leg's own format holds. Empty: lost, or
	 * frames may overtake each other on this line and pcm alone is in order. */
	struct span payload;
	const struct codec *codec;
};

/* One kind of listener to audio. `begin` is asked once for each line, when its format is known;
 * what it gives comes back as `user` to the others, NULL: not interested. All on the line's shard;
 * none may block or, after its begin, allocate per frame. */
struct media_sink {
	void *(*begin)(void *owner, struct media_line *);
	/* The line has a call, its first or another: its id is media_line_call(). NULL: no matter.
	 */
	void (*bound)(void *user, struct media_line *);
	void (*frame)(void *user, const struct media_frame *);
	/* Last call; the line is gone afterwards. */
	void (*end)(void *user, const char *why);
	/* The participant of this leg has left; another may come to its place, with a format of its
	 * own and frames whose positions begin anew. NULL: no matter. */
	void (*leg_over)(void *user, unsigned leg);
	bool wants_speech; /* else a frame's `speaking` may be that of the one before */
};
enum { MEDIA_SINKS_MAX = 4 };
/* Before the shards start; `sink` and `owner` outlive the media. */
void media_add_sink(struct media *, const struct media_sink *sink, void *owner);

/* What a sink may ask of its line, from `begin` until `end`. */
struct shard *media_line_shard(const struct media_line *);
bool media_line_call(const struct media_line *, struct uuid *call);	 /* false: not known yet */
const struct dir_project *media_line_project(const struct media_line *); /* NULL: unknown */
const struct media_dialect *media_line_dialect(const struct media_line *);
struct media_leg_about {
	enum speaker speaker;
	const struct codec *codec;
	uint32_t rate_hz; /* of pcm */
	uint32_t announced_hz;
};
/* false: no such leg (yet). */
bool media_line_leg(const struct media_line *, unsigned leg, struct media_leg_about *out);
/* Facts of its own: TRANSCRIPT, TRANSCRIBER, RECORDING ... Copies. */
void media_line_tell(struct media_line *, const struct heard *, size_t n);
/* Words for the platform, when its protocol takes any (Vapi's transcriber). */
void media_line_transcript(struct media_line *, unsigned leg, struct span text, bool final);
/* There will be none: where its protocol waits for them the socket is closed (1011), that it may
 * turn elsewhere. */
void media_line_wordless(struct media_line *);
/* For the log, behind what is there: its protocol, source and call; before that is known, the
 * platform's id of it, when the stream has one. */
void media_line_about(const struct media_line *, struct buf *out);
/* Who has more to tell after his end (last words) holds the line there: it may be told, and nothing
 * else, until it is released. */
void media_line_hold(struct media_line *);
void media_line_release(struct media_line *);

#endif
