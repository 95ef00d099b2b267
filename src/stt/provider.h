/* A speech-to-text provider's protocol: what is sent, how what comes back is read. Pure: no clock,
 * socket, thread. One file per provider, one line in providers.c (docs/transcription.md). Formats
 * and their sources are named in each file.
 *
 * A leg has a connection (or requests) of its own: legs begin, pause and end apart, their rates may
 * differ, and where somebody speaks must never depend on which channel of two a provider means. */
#ifndef CALLMEND_STT_PROVIDER_H
#define CALLMEND_STT_PROVIDER_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "callmend/fault.h"
#include "callmend/span.h"

enum { STT_TEXT_MAX = 1500 }; /* bytes of an utterance; a longer one is told in parts */

enum stt_coding { STT_ULAW, STT_ALAW, STT_PCM }; /* PCM: 16 bits, little-endian; all mono */
struct stt_form {
	enum stt_coding coding;
	uint32_t rate_hz;
};
static inline unsigned stt_sample_bytes(struct stt_form f)
{
	return f.coding == STT_PCM ? 2 : 1;
}

/* Of the project (audio.stt). Empty: the provider's default. */
struct stt_setup {
	struct span url, model, language, key;
	bool voices; /* tell voices apart; only a provider with once_max_ms can */
};

enum { STT_VOICES_MAX = 32 }; /* told apart in one request */

/* Times count the audio sent over this connection (or in this request); -1: not told. */
struct stt_result {
	bool ready;	/* the provider listens */
	bool words;	/* the members below mean something */
	bool final;	/* `text` will not change any more; nothing before to_us comes again */
	bool ends;	/* the utterance is over */
	bool done;	/* after finish(): nothing more comes */
	bool fatal;	/* `complaint`: another try would end the same way */
	int confidence; /* per mille, -1: not told */
	int voice; /* 0 to STT_VOICES_MAX - 1, the same voice in all of an answer; -1: not told */
	int64_t from_us, to_us;
	struct span text; /* in the message, the arena or the state */
	struct span complaint;
};

/* `base`: the setup's URL without slashes at its end, or the provider's. */
struct stt_provider {
	const char *name;	 /* "deepgram" */
	const char *title;	 /* "Deepgram" */
	const char *url, *model; /* defaults */
	const char *key_as;	 /* before the key in the header Authorization: "Bearer " */
	bool posts;		 /* utterances are POSTed; otherwise a WebSocket per leg */
	bool only_pcm;		 /* takes no G.711 */
	uint32_t pcm_hz;	 /* PCM must have this rate; 0: any */
	void (*path)(const struct stt_setup *, struct stt_form, struct buf *out); /* appended */
	/* Zeroed, 16-byte aligned memory of each connection. */
	size_t state_bytes;

	/* Sockets. What is appended to `out` becomes one text message; nothing: none is sent. */
	void (*open)(void *state, const struct stt_setup *, struct stt_form, struct buf *out);
	/* NULL: audio goes out as it is, as binary messages. */
	void (*audio)(struct span bytes, struct buf *out);
	/* NULL: a quiet connection stays. Else to be sent every keep_alive_ms without audio. */
	void (*keep_alive)(struct buf *out);
	int64_t keep_alive_ms;
	void (*finish)(void *state, struct buf *out); /* no more audio comes */

	/* Requests: a body with `audio` (PCM) as a WAV file, and its content type. */
	void (*post)(const struct stt_setup *, struct stt_form, struct span audio, struct buf *body,
		     struct buf *content_type);
	/* Voices have the same number within one request only. So much sound may lie in one that
	 * tells them apart; 0: no way to tell them apart. */
	int64_t once_max_ms, once_max_bytes;

	/* A message, or the answer to a request. *n results, at most `cap`; what nobody knows gives
	 * none. E_INVALID: rubbish. E_TOO_LARGE: more than `cap`. */
	MUST int (*read)(void *state, struct span message, struct arena *, struct stt_result *out,
			 size_t cap, size_t *n, struct fault *f);
};

/* providers.c; NULL at the end. */
extern const struct stt_provider *const stt_providers[];
const struct stt_provider *stt_provider_find(struct span name);

/* The form in which a leg's audio goes to this provider. */
struct stt_form stt_wire_form(const struct stt_provider *, struct stt_form leg);
/* The URL of a connection or request. */
void stt_write_url(const struct stt_provider *, const struct stt_setup *, struct stt_form wire,
		   struct buf *out);
/* "model", or the provider's. */
struct span stt_model(const struct stt_provider *, const struct stt_setup *);
/* PCM as a WAV file with the canonical head of 44 bytes: 16 bits, mono. */
void stt_put_wav(struct buf *out, struct stt_form, struct span audio);
/* Seconds of a number member as microseconds; -1 when there is none. */
int64_t stt_seconds_us(struct json v);
/* 0..1 as per mille, -1 when there is none. */
int stt_per_mille(struct json v);
/* The number of a voice, -1 when it is none of STT_VOICES_MAX. */
int stt_voice(struct json v);

#endif
