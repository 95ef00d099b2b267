/* Speech-to-text of a finished call's sound, by requests (provider.posts), for threads that may
 * wait.
 *
 * Each channel is cut into pieces of STT_PIECE_MS at most, where it is quietest, and asked for
 * piece by piece; pieces without sound are not. Speech of one channel has one speaker.
 *
 * Or all voices are in one channel, and the provider tells them apart: then it is one piece, since
 * voices have the same number within one request only; whose they are is inferred (voices.h).
 * Beyond what the provider takes at once it is cut into pieces, and nobody is named. */
#ifndef CALLMEND_STT_WHOLE_H
#define CALLMEND_STT_WHOLE_H

#include "callmend/heard.h"
#include "stt/provider.h"

enum {
	STT_PIECE_MS = 120 * 1000,
	STT_WHOLE_MAX_MS = 4 * 3600 * 1000,
	STT_CHANNELS_MAX = 2,
	STT_WHOLE_PAUSES = 3, /* that a server may ask for, for each piece ... */
	STT_WHOLE_PAUSE_MAX_MS = 20 * 1000,
};

struct stt_whole {
	const struct stt_provider *provider; /* one that posts */
	struct stt_setup setup;
	unsigned channels; /* 1 or 2, interleaved */
	enum speaker speakers[STT_CHANNELS_MAX];
	/* Whose the first voice of a single channel is; SPEAKER_NONE: voices are not told apart. */
	enum speaker first_voice;
	bool narrow; /* made of 8 kHz sound, whatever its rate is now: no more is sent */
	uint32_t rate_hz;
	int64_t start_us; /* wall clock of the first sample */
	/* The next frames; fewer than asked for: the end. */
	int (*read)(void *user, int16_t *samples, size_t frames, size_t *got, struct fault *f);
	/* Before each request, and about each second of it and of a pause; a failure ends the work.
	 */
	int (*alive)(void *user, struct fault *f);
	void *user;
};

/* Facts TRANSCRIPT, final, in the order in which they end. */
struct stt_whole_words {
	struct heard *facts;
	size_t n, cap;
	struct arena texts;
	unsigned requests;
	unsigned voices;  /* told apart, where speakers come from that; else 0 */
	char unnamed[96]; /* why they do not, though it was wanted; else empty */
};

/* E_INVALID: it can never succeed: key, address or model refused, audio beyond STT_WHOLE_MAX_MS.
 * E_FULL: too many requests. Others: the server, `read` or `alive`. Free `out` in every case. */
MUST int stt_whole(const struct stt_whole *, struct stt_whole_words *out, struct fault *f);
void stt_whole_words_free(struct stt_whole_words *);

#endif
