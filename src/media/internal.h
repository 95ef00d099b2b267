/* What the files of src/media share. All of it is touched on the shard's own thread, except where a
 * comment says so. */
#ifndef CALLMEND_MEDIA_INTERNAL_H
#define CALLMEND_MEDIA_INTERNAL_H

#include <stdatomic.h>
#include <uv.h>

#include "media/detect.h"
#include "media/media.h"
#include "net/client.h"
#include "net/grpc.h"
#include "net/ws_client.h"

enum {
	LINE_FACTS = 8,			/* of one record; a turn of the loop may bring more */
	LINE_TEXT_BYTES = 2048,		/* of their texts */
	LINE_OUTBOX_BYTES = 256 * 1024, /* facts of a line that wait for its call */
	LINE_SAID_BYTES = 1024 * 1024,	/* messages of the platform that wait for a full node */
	LINE_RECORD_SIZES = 5,		/* bodies of records have memory of one of these */
	LINE_NAME_MAX = 40,
	GROUP_MAX = 2 * MEDIA_LEGS_MAX, /* bytes of one sample of all channels */
	MARKS_MAX = 64,
	QUERIES_TOLD = 16,
	INBOX_AUDIO = 128, /* messages of one turn that wait to be heard; their bytes */
	INBOX_BYTES = 128 * 1024,
	LEG_SIZES = 16, /* different ones, of which there is a pool each */
};

struct media_shard;

struct line_leg {
	struct leg *leg; /* NULL: not there (yet) */
	const struct codec *codec;
	enum speaker speaker;
	uint32_t announced_hz, rate_hz;
	bool attached, held, waits; /* waits: for inbox_settle() */
	bool ours;		    /* what we send, and nobody else */
	unsigned carry_n;	    /* bytes of a sample that is not whole yet */
	char carry[GROUP_MAX];
};

/* Of audio that we sent: bytes up to a mark. */
struct line_mark {
	size_t name_n;
	char name[LINE_NAME_MAX];
	int64_t sent_ms; /* of audio in front of it, in all, without what was taken back */
	int64_t at;	 /* as ours_heard, when what is in front of it has been heard */
	bool cleared;	 /* we have asked for that meanwhile */
};

/* The body of a HEARD record; memory of its shard's. */
struct line_record {
	struct line_record *prev, *next;
	size_t n;
	bool kept; /* in the outbox */
	char body[];
};
extern const size_t line_record_bytes[LINE_RECORD_SIZES];

/* A message of the platform about its call, on its way to it. */
struct line_said {
	struct line_said *prev, *next;
	size_t n;
	char json[];
};

enum line_state { LINE_OPEN, LINE_RUNNING, LINE_OVER };
enum line_bind { LINE_LOOKING, LINE_OWN, LINE_BOUND };

struct media_line {
	/* What every message touches stands in front (LINE_FRONT). */
	struct media_shard *home;
	const struct media_dialect *dialect;
	struct ws *ws;		  /* one of the three, until it is closed */
	struct ws_client *client; /* we dialled */
	struct grpc_stream *grpc;
	enum line_state state;
	unsigned unreadable;
	int64_t heard_us;  /* wall clock of the last message */
	uint64_t heard_ms; /* the same by the loop's clock, which nobody sets */
	bool closing, gives_up;
	bool ended;		 /* gRPC: the other side has sent everything */
	bool noted, passed_over; /* said in the log, once */
	bool legs_known;
	unsigned channels; /* interleaved */
	unsigned legs_n;
	struct detect *detect;	     /* while its format is being found out */
	struct listener_feed *feeds; /* listen.c */
	void *sinks[MEDIA_SINKS_MAX];
	_Alignas(64) unsigned char dialect_state[MEDIA_STATE_BYTES];
	struct line_leg legs[MEDIA_LEGS_MAX];

	struct media_line *prev, *next; /* of the shard: in use, or free */
	const struct directory *dir;	/* reference, as of its begin */
	const struct dir_source *source;
	const struct dir_project *project;
	unsigned tries;

	/* the stream */
	size_t stream_n;
	char stream[MEDIA_ID_MAX];
	struct media_leg roles[MEDIA_LEGS_MAX]; /* labels are not kept */
	bool sinks_begun, one_way;		/* one_way: as in media_start */

	/* facts of this turn; their texts */
	struct heard facts[LINE_FACTS];
	size_t facts_n, text_n;
	char text[LINE_TEXT_BYTES];
	bool dirty;
	struct media_line *next_dirty;
	/* those before `untold` (NULL: all) are with the call */
	struct line_record *outbox, *untold;
	size_t outbox_bytes;
	struct line_record *posted; /* on its way; NULL: none is */
	bool telling;
	unsigned held; /* by sinks that have more to tell */
	struct hear_post post;
	bool detached_told;

	/* messages of the platform that the call has not taken yet, in order */
	struct line_said *said;
	size_t said_bytes;
	bool said_posted, said_full; /* the first is under way; the node was full */
	unsigned said_tries;	     /* since the socket is gone */
	int64_t said_lost;
	struct connect_message said_post;

	/* whose call it is */
	enum line_bind bind;
	struct uuid call;
	bool has_call, claiming, moving;
	struct uuid move_to; /* when the post that is under way is back */
	struct hear_claim claim;
	int64_t claim_again_us, grace_until_us; /* wall clock */
	struct buf claim_text;			/* token, ids, message: of the claim */
	struct span token, call_id, own_id, message;
	bool only_one;
	bool asked_other; /* by call_id, which is not its own: nothing was found */

	/* what we send */
	struct line_mark *marks; /* MARKS_MAX; NULL: none was sent so far */
	unsigned marks_n;
	int64_t sent_ms, played_ms; /* in all; a clear takes back what was sent and not played */
	unsigned our_leg;	    /* as in media_start */
	struct buf out;		    /* a message; a piece for our leg */
	struct buf play;	    /* what waits for the clock, from play_at on */
	size_t play_at;
	int64_t clock_us;   /* monotonic: the next frame is due */
	size_t ours_waits;  /* bytes of silence in front of what is played; ours.c */
	int64_t ours_heard; /* bytes that our leg has heard of what was sent, or missed */
	bool paced;	    /* has a clock: is in its shard's list */
	struct media_line *paced_prev, *paced_next;

	struct errand *orders; /* commands that are not written yet; order.c */

	char refused[128]; /* why we have closed it; empty: not for what it said */
};
enum { LINE_FRONT = 256 };

/* Of a message of audio, what its bytes do not say. */
struct line_audio {
	unsigned leg;
	int64_t chunk, at_ms; /* as in media_event */
	int64_t arrived_us;
};

struct inbox_audio {
	struct media_line *line;
	struct line_audio about;
	uint32_t from, n; /* of the inbox's bytes */
};

struct inbox_leg {
	struct media_line *line;
	unsigned leg;
};

struct inbox {
	unsigned n, waiting_n;
	size_t bytes_n;
	bool hearing;
	struct inbox_leg waiting[LEG_BATCH];
	struct inbox_audio audio[INBOX_AUDIO];
	char bytes[INBOX_BYTES];
};

struct media_shard {
	struct media *media;
	struct shard *shard;
	struct media_line *lines, *spare;
	unsigned lines_n;
	struct media_line *dirty;
	struct arena arena;	    /* of the message at hand */
	struct buf bytes;	    /* its payload, out of base64 */
	struct buf joined;	    /* with what was carried before */
	struct buf channel;	    /* one channel of it */
	struct leg_scratch scratch; /* of all its legs; likewise these */
	struct leg_batch batch;
	struct pool *leg_memory[LEG_SIZES], *ring_memory, *record_memory[LINE_RECORD_SIZES];
	struct buf record; /* being written */
	struct inbox inbox;
	/* Of the turn, for the metrics. */
	int64_t audio_n, bytes_n;
	uv_prepare_t turn_end;
	uv_timer_t tick; /* every second */
	unsigned ticks;
	uv_timer_t quick; /* 5 a second: claims, levels */
	uv_timer_t clock; /* 50 a second, while there are lines that need it */
	struct media_line *paced;
	struct ws_dialer *dialer;
	struct http_client *http; /* for placing calls */
	struct dial *dials;
	listen_levels_fn *levels;
	void *levels_user;
	atomic_bool wants_levels; /* any thread */
	struct listener_watch *watches;
	bool stopped;
	struct uuid query_told[QUERIES_TOLD]; /* sources; door.c */
	unsigned queries_told;
};

struct media_sink_entry {
	const struct media_sink *sink;
	void *owner;
};

struct listen {
	struct media *media;
};

struct media {
	struct media_config config;
	struct media_shard **shards;
	struct listen listen;
	atomic_int levels_wanted; /* shards */
	struct media_sink_entry sinks[MEDIA_SINKS_MAX];
	unsigned sinks_n;
};

struct media_shard *media_at(struct media *, struct shard *);

/* --- media.c: lines --- */
/* NULL: all are taken. */
struct media_line *line_new(struct media_shard *);
/* Its socket is gone, or it never had one: tells the end and goes when everything is told. */
void line_end(struct media_line *, const char *why);
/* Of legs of so many bytes. */
struct pool *shard_leg_memory(struct media_shard *, size_t bytes);
/* From now on line_clock() is called, until the line is over; or not any more. Either may be said
 * again. */
void line_pace(struct media_line *);
void line_unpace(struct media_line *);
/* Its socket is there. */
static inline bool line_is_open(const struct media_line *l)
{
	return l->ws || l->client || l->grpc;
}
/* When nothing is under way any more. */
void line_release_soon(struct media_line *);

/* --- line.c: what comes in --- */
void line_open(struct media_line *, const struct media_about *);
void line_message(struct media_line *, struct span message, bool binary);
/* Nothing came for silence_ms; where audio pauses on hold, for much longer once it has begun. */
bool line_is_silent(const struct media_line *);
/* Once a second. */
void line_tick(struct media_line *, int64_t now_us);
void line_finish(struct media_line *, int64_t now_us, const char *why);
/* Closes its socket; `why` is the label of callmend_media_refused_total. */
void line_refuse(struct media_line *, int code, const char *why, const char *reason);

/* Opens the leg at its place; `joined` may be NULL. */
MUST int line_open_leg(struct media_line *, unsigned leg, const struct media_joined *joined,
		       int64_t now_us, struct fault *f);
/* Tells what is left of it and its end; the leg stays. */
void line_detach(struct media_line *, unsigned leg, int64_t now_us, const char *why);

/* --- legs.c: participants who come and go --- */
void line_leg_starts(struct media_line *, const struct media_event *, int64_t now_us);
void line_leg_held(struct media_line *, const struct media_event *, int64_t now_us);
void line_leg_stops(struct media_line *, const struct media_event *, int64_t now_us);
/* Who speaks is not held, whatever the platform has forgotten to say. */
void line_leg_speaks(struct media_line *, unsigned leg, const struct heard *facts, size_t n,
		     int64_t now_us);
/* The stream of a call that lasts as long as its audio ends while nobody takes part. */
void line_end_empty(struct media_line *, int64_t now_us, const char *why);

/* --- door.c, door_grpc.c: who comes in --- */
/* Does this text prove that it is the source? By the value of an `authorization`, all ways. */
bool door_knows(const struct dir_source *, struct span given);
void door_finish(struct media_line *, int close_code, const char *reason);
/* Audio whose turn it is. */
void line_hear(struct media_line *, const struct line_audio *, struct span bytes);

/* --- inbox.c: what waits for the turn's end --- */
void inbox_put(struct media_line *, const struct line_audio *, struct span bytes);
/* All that waits is heard, and everything it says is told. */
void inbox_hear(struct media_shard *);
/* The leg's last frame has not said all (leg_waits): it will, at the latest by inbox_settle(). */
void inbox_wait(struct media_line *, unsigned leg);
void inbox_settle(struct media_shard *);

/* --- facts.c: what is told, and to whom --- */
void line_tell(struct media_line *, const struct heard *, size_t n);
void line_flush(struct media_line *);
/* What nobody will take any more. */
void line_forget(struct media_line *);
/* Looks for the call of audio that has just begun, or again. */
void line_claim(struct media_line *, int64_t now_us);
void line_dialled(struct media_line *, const struct uuid *call);
/* False: its call is not one of its own, or it is on its way to another. */
bool line_link(struct media_line *, const struct uuid *to);

/* --- said.c: what the platform says in words, to its call --- */
void line_say_on(struct media_line *, struct span json);
/* Five times a second: what a full node has not taken. */
void line_say_again(struct media_line *);
void line_forget_said(struct media_line *);

/* --- play.c: what goes out --- */
enum {
	PLAY_FRAME_MS = 20,
	PLAY_WAITS_BYTES = 2 * 1024 * 1024, /* of sound, for the clock or in one play */
	LINE_QUEUE_BYTES = 3 * 1024 * 1024, /* of messages at a socket: as much in base64 */
};
MUST int line_send(struct media_line *, const struct media_out *);
/* Bytes of the stream's codec; `mark` may be empty. E_INVALID: this protocol or stream cannot. */
/* All of it, or nothing: E_FULL, E_CLOSED. */
MUST int line_play(struct media_line *, struct span payload, struct span mark, struct fault *f);
MUST int line_clear(struct media_line *, struct fault *f);
void line_marked(struct media_line *, struct span name, int64_t now_us);
void line_cleared(struct media_line *, int64_t now_us);
/* Every 20 ms, for lines that are paced. `now_us`: monotonic. */
void line_clock(struct media_line *, int64_t now_us);
/* Whole samples of so many ms of the stream's codec, in bytes; 0: it has packets. */
size_t line_bytes_of(const struct media_line *, unsigned ms);
/* Bytes that wait for the clock. */
static inline size_t line_play_left(const struct media_line *l)
{
	return l->play.n - l->play_at;
}
void line_play_add(struct media_line *, struct span payload);
void line_play_drop(struct media_line *);
/* Bytes of the codec that our leg hears; the last of them at this time of the wall clock. */
void line_hear_ours(struct media_line *, struct span, int64_t at_us);

/* --- ours.c: what the other side plays of what we have sent, where that is its own affair --- */
/* All of it, and of silence so much behind it. */
void ours_sent(struct media_line *, struct span payload, size_t silence_bytes);
/* A mark behind what has been sent until now stands here. */
int64_t ours_end(const struct media_line *);
/* Everything in front of it has been played, and nothing behind it. */
void ours_marked(struct media_line *, int64_t at);
/* What has not been played will not be. */
void ours_cleared(struct media_line *);
/* The platform sends that side itself, after all. */
void ours_over(struct media_line *);
/* 20 ms have been played. */
void ours_tick(struct media_line *, int64_t at_us);

/* --- dial.c --- */
void dials_stop(struct media_shard *);
void dials_tick(struct media_shard *, int64_t now_us);
void dial_running(void *media, struct shard *, const struct uuid *call, const struct uuid *source,
		  struct span provider_call_id, struct span listen_url);
/* `encoding`: copied when it is one this build knows by name. */
void dial_placed(struct media_shard *, const struct media_dialect *, const struct uuid *call,
		 const struct uuid *source, const struct media_placed *, struct span encoding,
		 uint32_t rate_hz);
/* What the line of this call is to hand on first, when its socket is open. */
void dial_say(struct media_shard *, const struct uuid *call, struct span json);
void dial_ended(void *media, struct shard *, const struct uuid *call);
/* Before the next try, when so many before the last have failed in a row, and the last ended with
 * this code of the other side's (0: without). */
int64_t dial_pause_ms(unsigned failed, int close_code);

/* --- order.c: commands over the socket of a call's audio --- */
/* A message was written to the line's client, or in part. */
void order_sent(struct media_line *, uint64_t number, bool whole);
/* Its connection is gone. */
void orders_lost(struct media_line *);

/* --- listen.c --- */
void listen_feed_line(struct media_line *);
/* It runs, and is of a call: those who listen to that hear it, too. */
void listen_line_begun(struct media_line *);
void listen_line_over(struct media_line *);
/* Five times a second: time passes for listeners, too, while nobody sends. */
void listen_pauses_tick(struct media_shard *);
/* Forgets listeners that are gone; `all`: all of them. */
void listen_watches_tick(struct media_shard *, bool all);
void listen_levels_tick(struct media_shard *, int64_t now_us);

#endif
