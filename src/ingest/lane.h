/* Private to src/ingest: the shard's side of ingest. Everything in a lane is touched by its shard's
 * thread only, except members marked atomic. */
#ifndef CALLMEND_INGEST_LANE_H
#define CALLMEND_INGEST_LANE_H

#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>

#include "base/arena.h"
#include "call/session.h"
#include "callmend/hear.h"
#include "ingest/ingest.h"
#include "ingest/poison.h"
#include "net/client.h"

struct lane;

enum { HEAR_KEY_BYTES = 32 };

/* Something to do when the journal is durable up to `number`; a lane's waiters stand in the order
 * of their numbers. */
struct waiter {
	struct waiter *next;
	uint64_t number;
	void (*durable)(struct waiter *, struct lane *);
};

/* A webhook between its arrival and its answer. Travels home -> owner -> home. */
struct delivery {
	struct mail mail;
	struct waiter waiter;
	struct ingest *ingest;
	struct shard *home; /* where the connection lives */
	struct lane *owner;
	struct exchange *exchange;    /* touched at home only; NULL: nobody waits for an answer */
	struct connect_message *told; /* came over a socket; NULL: it did not, or knows already */
	uv_work_t work;		      /* bodies above OFF_LOOP_BYTES are read on libuv's pool */
	atomic_bool handed_over;      /* to the pool and back: our own fence, libuv's is not seen by
					 ThreadSanitizer */
	char *body;
	size_t body_n;
	struct arena arena;
	struct buf masked; /* the whole body, checked; empty as long as nobody needs it
			      (delivery_whole) */
	const struct dialect *dialect;
	const struct directory *dir; /* reference, as of arrival */
	const struct dir_source *source;
	struct envelope envelope;
	struct fault fault; /* why it is malformed */
	bool malformed;
	struct uuid call;
	int64_t received_us; /* monotonic */
	/* the answer, made by the owner or at home */
	int status;
	struct buf answer;
	const char *content_type;
	bool retry_after;
	const char *result;	  /* label of METRIC_WEBHOOKS */
	struct http_header *kept; /* request headers to forward upstream */
	size_t kept_n;
	struct span context; /* assistant-request: what is known of the caller */
	int refs; /* the answer's way, and an upstream request that still reads the body */
};

/* A webhook whose answer the session gives later. */
struct pending_answer {
	struct pending_answer *next;
	uint64_t number;
	int64_t since_us; /* monotonic */
	struct delivery *delivery;
};

/* What a call is found by, besides its id. */
struct call_name {
	struct uuid name; /* lane_name(), lane_telephony(); nil: not known yet */
	UT_hash_handle hh;
	struct call_name *namesake; /* of another call, at another source */
	struct call_entry *call;
};
enum call_named { CALL_PROVIDER, CALL_TELEPHONY, CALL_NAMES };

struct call_entry {
	struct uuid id;
	UT_hash_handle hh;
	struct call_name names[CALL_NAMES];
	unsigned audio;	       /* sockets of live audio that are bound to it */
	bool running_told;     /* hear_calls.running */
	bool recording_paused; /* as the recorder was told last */
	struct session *session;
	struct repeats repeats; /* what its deliveries need not bring again */
	struct lane *lane;
	int64_t last_at_us;
	bool counted_live;
	uv_timer_t timer;
	struct pending_answer *pending;
	struct command_wait *waits;
	struct buf number;	  /* of whom the call is with, as soon as it is known */
	bool context_asked;	  /* what is known of them was asked for, or is now */
	bool lookup_asked;	  /* that part of it: not again when only the items were missing */
	int64_t context_again_us; /* monotonic; not asked again before */
};

enum { EVENT_RING = 4096, EVENT_RING_BYTES = 8 * 1024 * 1024, OFF_LOOP_BYTES = 256 * 1024 };

struct lane {
	struct ingest *in;
	struct shard *shard;
	unsigned index;
	struct call_entry *calls; /* by id */
	struct call_name *names;  /* by organisation and others' ids: the first of its chain */
	_Atomic int64_t heard_us; /* monotonic; the last message of a call that is live */
	const struct directory *dir;
	struct http_client *http;
	struct http_client *lookups; /* their own: a slow one must not hold up tools or commands */
	struct upstream *upstreams;  /* by source, each of its own: a hung one must not hold up
					tools, commands or another */
	struct waiter *first, **last;
	struct mail durable_mail;
	atomic_bool waiting;	  /* there are waiters */
	atomic_bool durable_sent; /* durable_mail is under way */

	/* of the delivery at hand; kept for the next one */
	struct buf reduced, masked;
	struct repeats_news news;

	/* what the record being applied has asked for */
	struct call_entry *applying;
	uint64_t applying_number;
	struct effect_task *asked, **asked_last;
	struct command_wait *applying_wait;

	/* records that found the journal full and must not be lost */
	struct retry *retries, **retries_last;
	uv_timer_t retry_timer;
	uv_prepare_t turn_end; /* what this turn of the loop has appended is committed at once */
	bool appended;
	bool appended_heard; /* only such as nobody waits for: they are committed a little later */
	uv_timer_t heard_timer; /* by it, at the latest */
	uv_timer_t sweep_timer; /* every second: answers overdue, assistants to refresh */
	bool resumed;		/* all lanes have started: others may hear of its calls */
	bool stopping;		/* no effect begins any more */
	bool stopped; /* mail still comes, calls and loop are gone; freed with the ingest */

	/* hub.c */
	void (*on_event)(void *user, struct live_event *);
	void *on_event_user;
	atomic_bool listening;
	struct live_event *ring[EVENT_RING];
	size_t ring_bytes;
	uint64_t ring_first, ring_next,
		ring_lost_seq; /* events up to this sequence have left the ring */
	uint64_t last_seq;
	struct live_event **out; /* events of the record being applied */
	size_t out_n, out_cap;
	bool *gap; /* per lane: events for it were lost */

	/* assistant.c */
	struct assistant_cache *assistants;
	struct context_ask *contexts; /* context.c */
};

struct live {
	struct ingest *in;
};
struct hear {
	struct ingest *in;
	struct hear_calls calls;
	uint8_t key[HEAR_KEY_BYTES]; /* of tokens; the node's own, kept in state_dir */
};

/* Who carries out effects of a kind that is left to others. */
struct carrier {
	errand_fn *run; /* NULL: nobody */
	void *user;
};

struct ingest {
	unsigned lanes_n;
	struct lane **lanes;
	struct journal *journal;
	struct poison *poison;
	struct live live;
	struct hear hear;
	struct carrier carriers[EFFECT_KINDS];
	struct connect *connect;
	connect_send_fn *connect_send;	     /* NULL: there are no sessions with platforms */
	connect_refused_fn *connect_refused; /* likewise */
	char epoch[17];
	unsigned max_calls, max_effects;
	const char *ca_file;
	atomic_uint calls, live_calls;
	_Atomic int64_t clock_us; /* the latest stamp of any record */
	atomic_bool draining, failed;
	void (*on_failed)(void *user);
	void (*on_directory)(void *user, struct shard *, const struct directory *);
	void *user;
	struct store *store; /* NULL: none is there to be asked */
	struct warnings *warnings;
	struct command_wait *texts; /* commands.c: under way, with a key */
	pthread_mutex_t texts_lock;
	pthread_mutex_t ringing; /* the writer's thread tells lanes; a lane stops */
	/* between replay and the lanes' start */
	struct call_entry *restored;
};

struct lane *lane_of(struct ingest *, struct shard *);
struct lane *lane_owner(struct ingest *, const struct uuid *call);
/* The time that records are stamped with: the wall clock, but it does not go back (by less than an
 * hour), so that all lanes and the projector agree on which calls have expired. Any thread. */
int64_t ingest_now(struct ingest *);

/* --- durable.c --- */
void lane_wait(struct lane *, struct waiter *,
	       uint64_t number);		     /* calls back by mail when durable already */
void lane_on_durable(void *ingest, uint64_t number); /* the writer's thread */
void lane_durable_mail(struct mail *, struct shard *here);
void lane_finish_waiters(struct lane *);
/* Takes those who wait to be called by this out of the queue: a list by `next`. */
struct waiter *lane_take_waiters(struct lane *, void (*durable)(struct waiter *, struct lane *));

/* Appends n records, all or none, and sees to it that they are committed at the end of this turn of
 * the loop; when all they tell is what was heard, or that time has passed, within HEARD_COMMIT_MS:
 * nobody waits for those, and a thousand calls bring some in every turn. */
enum { HEARD_COMMIT_MS = 10 };
MUST int lane_append(struct lane *, struct record *, size_t n);
void lane_turn_end(uv_prepare_t *);
void lane_on_heard(uv_timer_t *);

/* --- lane.c: calls and records --- */
struct call_entry *lane_call_new(struct lane *, const struct uuid *id);
void lane_call_close(struct lane *, struct call_entry *);
void lane_count_live(struct lane *, struct call_entry *); /* after its session has changed */
void lane_arm(struct lane *, struct call_entry *);	  /* its next deadline */
void lane_on_sweep(uv_timer_t *);
struct call_entry *lane_call(struct lane *, const struct uuid *id);
/* What a provider's call id, a carrier's, is within an organisation. */
struct uuid lane_name(const struct uuid *org, struct span provider_call_id);
struct uuid lane_telephony(const struct uuid *org, struct span telephony_id);
/* The first call of this name; more by `namesake`. NULL: none. */
struct call_name *lane_named(struct lane *, const struct uuid *name);
/* Appends one record for a call and applies it. E_FULL, E_IO (nothing happened), or session_apply's
 * E_INVALID (it is journaled). */
MUST int lane_input(struct lane *, struct call_entry *, enum record_kind, struct span body,
		    uint64_t *number, struct fault *f);
/* As lane_input, but kept and tried again while the journal is full: for records that must not be
 * lost (outcomes). */
void lane_input_sure(struct lane *, const struct uuid *call, enum record_kind,
		     struct span body); /* retry.c */
void lane_drop_retries(struct lane *);
/* The call of a delivery, made and bound when new; with the WEBHOOK record, all or none. *number
 * stays 0 when nothing was journaled: d->malformed then says that the body is to blame. */
MUST int lane_deliver(struct lane *, struct delivery *, struct call_entry **, uint64_t *number,
		      struct fault *f);
/* A call that we tell of first: made and bound, then given this message (empty: none), all or
 * nothing. One of this id has expired, or is not there. NULL: fault says why. */
struct call_entry *lane_begin_call(struct lane *, const struct uuid *id,
				   const struct dir_source *source, struct span first,
				   struct fault *f);
/* A call that nobody but its audio has told of: likewise, or found. */
struct call_entry *lane_audio_call(struct lane *, const struct uuid *id,
				   const struct dir_source *source, struct fault *f);
/* --- step.c: how live lanes, projector and replay alike apply a record: expiry, poison --- */
MUST int step(struct session **, const struct record *, const struct call_host *, struct poison *,
	      unsigned slot, struct fault *f);

/* --- webhook.c --- */
/* A message that came otherwise than by POST, over a socket: nobody reads its answer, but `told`
 * (or NULL) wants to know what became of it. Copies. */
void webhook_take(struct lane *home, const struct dir_source *, struct span json,
		  struct connect_message *told);
/* Sends status and answer; from the owner's shard or from home. */
void delivery_answer(struct delivery *);
void delivery_unref(struct delivery *);
/* Fills `masked` when it is empty; E_INVALID (d->fault): no JSON. */
MUST int delivery_whole(struct delivery *);
/* Answers what is in `answer` when `number` is durable. */
void delivery_answer_at(struct delivery *, struct lane *, uint64_t number);
/* Takes the upstream's answer; false: it is none. */
bool delivery_take_upstream(struct delivery *, const struct client_response *);
/* Until an assistant-request must be answered; may be negative. */
int64_t delivery_left_ms(const struct delivery *);

/* --- told.c --- */
/* As callmend/connect.h has it. */
void told_take(struct ingest *, struct shard *here, struct connect_message *);
/* Any shard: as a webhook this message would have got this status. */
void told_answer(struct connect_message *, int status);

/* --- auth.c --- */
/* E_DENIED with what is wrong (never the secret); any one of the source's ways suffices. Constant
 * time. */
MUST int auth_check(const struct dir_source *, const struct exchange *, struct span body,
		    int64_t now_us, struct fault *f);

/* --- effects.c --- */
struct effect_task *effect_task_new(struct lane *, const struct effect *, uint64_t webhook);
void effect_start(struct lane *, struct effect_task *); /* writes the intent; runs when durable */
/* The lane is stopping: what has an intent and has not begun never will, and its outcome says so.
 */
void effects_stop(struct lane *);
/* After a call's session has changed, or gone: the recorder is told whether what begins is paused.
 */
void effects_note_recording(struct lane *, struct call_entry *);

/* --- upstream.c --- */
/* Forwards the original body; on_answer may be NULL (then only counted). E_FULL: the source's way
 * is full; any failure: not forwarded, and nobody calls. */
int upstream_forward(struct lane *, struct delivery *, client_done_fn *on_answer, void *user);
void upstream_forget(struct lane *); /* idle ways of sources that are gone: the directory changed */
void upstream_free_all(struct lane *);

/* --- answers.c --- */
/* The configured or default answer of a delivery that is no tool call. */
void answer_default(struct delivery *);
/* Waits for what it needs, then answers. `number`: the webhook's record. */
void answer_assistant(struct lane *, struct delivery *, uint64_t number);
void assistants_refresh(struct lane *); /* the directory changed, or a second has passed */
void assistants_free(struct lane *);

/* --- context.c: what is known of a caller (A8) --- */
/* Before an assistant-request is answered: `go_on` is called with d->context set, at once or within
 * the time it has (delivery_left_ms); false: this project wants none, nothing was begun. */
typedef void context_done_fn(struct lane *, struct delivery *, uint64_t number);
bool context_ask(struct lane *, struct delivery *, uint64_t number, context_done_fn *go_on);
/* A message of a call came: the first that shows it under way asks, when its project wants it. */
void context_ask_running(struct lane *, struct call_entry *);
/* Whom the call is with; from its events. */
void context_note_customer(struct call_entry *, struct json customer);
void context_restored(struct call_entry *); /* after replay */
void contexts_stop(struct lane *); /* ends what waits; before the lane's clients and loop go */

/* --- hub.c --- */
void hub_publish(struct lane *, const struct event *, const struct settings *);
void hub_flush(struct lane *); /* after each applied record */
void hub_free(struct lane *);

/* --- warnings.c: what events tell about a source's configuration; any thread --- */
struct warnings *warnings_new(void);
void warnings_free(struct warnings *);
void warnings_note(struct warnings *, const struct uuid *source, const struct event *);

/* --- commands.c --- */
void command_state(struct lane *, const struct uuid *command, enum command_state, struct span json);
void command_waits_free(struct lane *, struct call_entry *);

/* --- hear.c --- */
/* Makes or reads the key of tokens. */
MUST int hear_open(struct hear *, struct ingest *, const char *state_dir, struct fault *f);
/* After a call's session has changed. */
void hear_note(struct lane *, struct call_entry *);
/* The token of a call (live_audio_token). */
void hear_token(const struct hear *, const struct uuid *org, const struct uuid *call,
		struct buf *out);

/* --- bind.c --- */
void bind_settings(const struct directory *, const struct dir_source *, struct buf *out);

#endif
