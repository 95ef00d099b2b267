/* Listening to live calls, as the API sees it. Implemented by src/media, given to src/api by the
 * composition. Everything is called, and calls back, on the shard `here`. */
#ifndef CALLMEND_LISTEN_H
#define CALLMEND_LISTEN_H

#include "base/json.h"
#include "callmend/uuid.h"
#include "net/http.h"
#include "rt/shard.h"

struct listen;
struct listener;

enum listen_leg { LISTEN_CUSTOMER, LISTEN_ASSISTANT, LISTEN_MIX, LISTEN_LEGS };
bool listen_leg_from(struct span name, enum listen_leg *out); /* "customer" "assistant" "mix" */

/* A frame, ready to be sent as a binary message; little-endian:
 *   u8 version = 1, u8 leg (0 customer, 1 assistant, 2 mix), u16 rate / 100, u32 sequence (a gap is
 *   what was dropped), i64 time of the first sample in ms since 1970, then 16-bit samples, mono. */
enum { LISTEN_VERSION = 1, LISTEN_HEADER_BYTES = 16, LISTEN_RATE_HZ = 8000, LISTEN_FRAME_MS = 40 };
enum { LISTEN_BACK_MAX_MS = 30000 };

/* X(NAME, "reason", meaning) */
#define LISTEN_ENDS(X)                                                              \
	X(NO_AUDIO, "no-audio", "no live audio of such a call of the organisation") \
	X(OFF, "off", "the project has audio.listen off")                           \
	X(OVER, "over", "the audio is over, or belongs to another call now")
enum listen_end {
#define X(name, text, doc) LISTEN_##name,
	LISTEN_ENDS(X)
#undef X
};
const char *listen_end_name(enum listen_end);

struct listen_handlers {
	/* Takes no reference. False: the watcher is too slow for it; the frame is dropped. */
	bool (*frame)(void *user, struct message *);
	/* Last call, not after listen_stop. */
	void (*over)(void *user, enum listen_end);
	void *user;
};
/* `from_ms` <= 0: so long ago, at most LISTEN_BACK_MAX_MS; what is there is sent at once, then the
 * live audio follows. Either `over` is called or listen_stop() is to be. */
struct listener *listen_start(struct listen *, struct shard *here, const struct uuid *org,
			      const struct uuid *call, enum listen_leg, int64_t from_ms,
			      const struct listen_handlers *);
void listen_stop(struct listener *);

/* --- audio of ours --- */

/* What becomes of it: 0, E_NOT_FOUND (no live audio of such a call of the organisation), E_INVALID
 * (its protocol plays nothing, or not so), E_FULL, E_CLOSED. `detail` is one line. */
typedef void listen_played_fn(void *user, int code, struct span detail);
/* Plays bytes of the stream's own codec to the caller; `mark` (may be empty) comes back as a PLAYED
 * fact when all in front of it was heard. Copies. */
void listen_play(struct listen *, struct shard *here, const struct uuid *org,
		 const struct uuid *call, struct span payload, struct span mark,
		 listen_played_fn *done, void *user);
/* What was not played yet never is. */
void listen_clear(struct listen *, struct shard *here, const struct uuid *org,
		  const struct uuid *call, listen_played_fn *done, void *user);

/* --- calls placed over the provider's WebSocket, with audio both ways --- */

struct listen_place {
	struct uuid source; /* of the organisation: the caller has looked */
	struct span assistant_id, name;
	struct json assistant, overrides; /* objects, or JSON_NONE */
	struct span encoding;		  /* "pcm_s16le", "mulaw"; empty: the first */
	uint32_t rate_hz;
};
struct listen_call {
	int code; /* 0, E_NOT_FOUND (source), E_INVALID (cannot place calls), E_FULL, E_UNAVAILABLE
		     (the provider has not, or not well, answered) */
	struct span detail;
	struct uuid call;
	struct span provider_call_id;
};
typedef void listen_placed_fn(void *user, const struct listen_call *);
/* Copies. `done` is called once, when the provider has answered; then it is dialled. */
void listen_place(struct listen *, struct shard *here, const struct listen_place *,
		  listen_placed_fn *done, void *user);

/* Levels of all calls with live audio, about five times a second while they change: `message` is
 * {"type":"levels","call":ID,"at":TIME,"legs":[{"leg":0,"speaker":"user","level":-23.5,"peak":-12,
 * "speaking":true}]}. One listener a shard, NULL: none. Any number of calls; who may see which is
 * the listener's to know. */
typedef void listen_levels_fn(void *user, const struct uuid *org, const struct uuid *project,
			      const struct uuid *call, struct message *);
void listen_levels(struct listen *, struct shard *here, listen_levels_fn *levels, void *user);

#endif
