/* What a provider says of a leg's audio -> what the call is told: one final text an utterance,
 * partial ones at a bounded rate that replace each other, and nothing twice after a reconnect.
 * Pure. */
#ifndef CALLMEND_STT_WORDS_H
#define CALLMEND_STT_WORDS_H

#include "callmend/heard.h"
#include "stt/provider.h"

enum {
	STT_PARTIAL_MS = 300,	   /* between two partial texts */
	STT_REPEAT_SLACK_MS = 150, /* times of the same word in two connections differ so much */
	STT_TAIL_MAX = 400,
};

/* With times on the call's clock. */
struct stt_said {
	struct span text;
	bool final, ends;
	int confidence;
	int64_t from_us, to_us;
};

struct stt_text {
	size_t n;
	char p[STT_TEXT_MAX];
};

struct stt_words {
	void (*tell)(void *user, const struct heard *); /* TRANSCRIPT; leg, speaker, name are the
							   caller's */
	void *user;
	int64_t settled_us; /* words until then are final */
	int64_t repeat_us;  /* words until then were told over another connection; 0: none */
	/* The utterance that goes on: its final parts. */
	struct stt_text text;
	int64_t from_us, to_us;
	int confidence;
	/* The partial text told last, and one that waits for its time. */
	struct stt_text told, waiting;
	bool waits;
	int64_t waiting_from_us, waiting_to_us, told_at_us;
	size_t tail_n; /* of what was settled last */
	char tail[STT_TAIL_MAX];
	int64_t finals, partials, repeats; /* counted; the owner sets them to 0 */
};

void stt_words_init(struct stt_words *, void (*tell)(void *user, const struct heard *), void *user);
/* now_us: monotonic. */
void stt_words_hear(struct stt_words *, const struct stt_said *, int64_t now_us);
/* A partial text that waited long enough. */
void stt_words_tick(struct stt_words *, int64_t now_us);
/* Another connection begins: it hears again what was not settled. */
void stt_words_again(struct stt_words *);
/* Nothing more comes: the utterance ends. */
void stt_words_end(struct stt_words *);

#endif
