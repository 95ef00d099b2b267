/* Speech-to-text of running calls: a session per leg, on the shard of its audio.
 *
 *   samples ─► queue (bounded, with times) ─► socket or requests ─► provider
 *   facts   ◄─ words (one final an utterance) ◄─ clock (audio sent ─► the call's clock) ◄─┘
 *
 * Happy path: the first audio connects; blocks go out as they fill; results come back as facts
 * TRANSCRIPT, states as facts TRANSCRIBER (callmend/heard.h).
 *
 * Failure modes
 *   not reached, lost, 429, 5xx    told once as "lost"; again after a pause that doubles (2 s at
 * least after 429 and when it closes as overloaded or restarting), as long as the leg lasts; audio
 * that was not settled, STT_KEEP_MS at most, is sent again; what was told is not told twice key or
 * address refused, a session that the provider does not take "failed": no more for this leg rubbish
 * counted; RUBBISH_MAX in a row are a lost connection too slow                       the oldest
 * audio is dropped and counted The call is never affected: audio is taken without waiting, memory
 * is bounded, and once a leg has warmed up nothing is allocated for its audio. */
#ifndef CALLMEND_STT_STT_H
#define CALLMEND_STT_STT_H

#include "callmend/codec.h"
#include "callmend/heard.h"
#include "rt/shard.h"
#include "stt/provider.h"

enum {
	STT_KEEP_MS = 10000,	   /* of audio, for a socket */
	STT_KEEP_POSTS_MS = 40000, /* for requests: an utterance and what is said meanwhile */
	STT_LINGER_MS = 5000,	   /* last words after the end of a leg */
	STT_LINGER_POSTS_MS = 20000,
};

struct stt;	/* of a shard */
struct stt_leg; /* of one leg */

struct stt_config {
	const char *ca_file;   /* certificates trusted besides the system's; NULL, "": none */
	int64_t pause_ms;      /* before the first reconnect; 0: 250 */
	int64_t keep_alive_ms; /* 0: the provider's */
	int64_t linger_ms;     /* 0: STT_LINGER_MS, for requests STT_LINGER_POSTS_MS */
};
/* In the start hook of a shard. */
MUST int stt_new(struct stt **out, struct shard *, const struct stt_config *, struct fault *f);
/* In the stop hook: every leg that is left gets `over` at once. */
void stt_free(struct stt *);

struct stt_leg_config {
	const struct stt_provider *provider;
	struct stt_setup setup; /* copied */
	unsigned leg;
	enum speaker speaker;
	const struct codec *codec; /* of the leg: G.711 goes out as G.711 */
	uint32_t rate_hz;	   /* of the samples: 8000 or 16000 */
	/* Both on the shard. `heard`: TRANSCRIPT and TRANSCRIBER, complete, valid during the call.
	 * `over`: last call; the leg is gone. */
	void (*heard)(void *user, const struct heard *);
	void (*over)(void *user);
	/* For the log: whose leg this is, written behind what is there. NULL: nobody's. */
	void (*about)(void *user, struct buf *out);
	void *user;
};
struct stt_leg *stt_leg_new(struct stt *, const struct stt_leg_config *);

/* Samples in order, the first of them of at_us on the call's clock. `speaking`: somebody is, as the
 * leg hears it; requests are cut by it. */
struct stt_audio {
	const int16_t *samples;
	size_t n;
	int64_t at_us;
	bool speaking;
};
void stt_leg_audio(struct stt_leg *, const struct stt_audio *);
/* No more audio: last words are waited for, then `over`. */
void stt_leg_finish(struct stt_leg *);
/* At once, without `over`. */
void stt_leg_drop(struct stt_leg *);

#endif
