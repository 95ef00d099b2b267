/* What the files of a session share. All of it lives on one shard. */
#ifndef CALLMEND_STT_INTERNAL_H
#define CALLMEND_STT_INTERNAL_H

#include <uv.h>

#include "codecs/resample.h"
#include "net/client.h"
#include "net/ws_client.h"
#include "stt/clock.h"
#include "stt/queue.h"
#include "stt/stt.h"
#include "stt/words.h"

enum { STT_TICK_MS = 100, STT_PAUSE_MS = 250, STT_PAUSE_MAX_MS = 30000, STT_RESULTS_MAX = 64 };

enum stt_state {
	STT_IDLE, /* no audio yet */
	STT_CONNECTING,
	STT_OPEN,
	STT_WAITING, /* for another try, until again_us */
	STT_FAILED,  /* for good */
};

struct stt_post;

struct stt_leg {
	struct stt_leg *prev, *next;
	struct stt *home;
	struct stt_leg_config c;
	struct buf setup_text, url, key;
	struct stt_form wire;
	enum stt_state state;
	struct stt_queue queue;
	struct stt_words words;
	struct stt_clock clock; /* of the connection, or of the request under way */
	bool connected_told, lost_told;
	bool paused; /* silence was sent after the last audio */
	bool finishing, finish_sent;
	int64_t heard_us;	   /* monotonic: when audio came last */
	int64_t again_us, over_us; /* monotonic; over_us: until then last words are waited for */
	unsigned tries;
	unsigned rubbish; /* in a row */
	bool complained;  /* the provider has, over this connection */

	/* a socket */
	struct ws_client *ws;
	void *provider_state;
	struct resample *resample; /* NULL: the leg's rate is the wire's */
	int64_t sent_at_us;	   /* monotonic: of the last message */

	/* requests */
	struct stt_post *post; /* under way */
	bool speaking;	       /* an utterance is being collected */
	unsigned cuts;	       /* utterances that are complete, in the queue */
	unsigned collected;    /* blocks behind the last complete one */
	unsigned post_tries;
};

struct stt {
	struct shard *shard;
	struct stt_config config;
	struct ws_dialer *dialer;
	struct http_client *http;
	uv_timer_t tick;
	struct stt_leg *legs;
	struct arena arena; /* of the message at hand */
	struct buf message; /* to be sent */
	struct buf bytes;   /* of a block, in the form of the wire */
	struct buf samples; /* the same before */
	struct stt_result results[STT_RESULTS_MAX];
};

/* --- stt.c --- */
/* TRANSCRIBER. */
void stt_tell_connected(struct stt_leg *);
/* And plans another try; `least_ms`: before that there is no sense in one. */
void stt_lost(struct stt_leg *, const char *why, int64_t least_ms);
void stt_failed(struct stt_leg *, const char *why);
/* The leg is over, and gone after this. */
void stt_over(struct stt_leg *);
/* What a message, or an answer, says; E_INVALID: rubbish. *done: nothing more comes. */
MUST int stt_read(struct stt_leg *, struct span message, bool *done, struct fault *f);

/* --- socket.c --- */
void stt_socket_audio(struct stt_leg *);
void stt_socket_tick(struct stt_leg *, int64_t now_us);
void stt_socket_close(struct stt_leg *);

/* --- posts.c --- */
void stt_posts_audio(struct stt_leg *);
void stt_posts_tick(struct stt_leg *, int64_t now_us);
/* The request under way, if there is one, is nobody's any more. */
void stt_posts_close(struct stt_leg *);

#endif
