/* Private to src/connect. Everything of a session is touched by its shard's thread only, except
 * what connect_look reads. Times are monotonic microseconds unless they say otherwise. */
#ifndef CALLMEND_CONNECT_INTERNAL_H
#define CALLMEND_CONNECT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <uthash.h>
#include <utlist.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "connect/budget.h"
#include "connect/connect.h"
#include "connect/oauth.h"
#include "connect/wsg.h"
#include "net/ws_client.h"

struct login;

enum {
	CONNECT_TICK_MS = 50,
	REQUEST_MS = 20000,   /* of one request once it is sent */
	PATIENCE_MS = 600000, /* of our own requests, waiting for their turn included */
	ANSWER_MAX = 4 * 1024 * 1024,
	ASKS_FLYING_MAX = 8, /* sent and not answered; the others wait for their turn here */
	DENIED_AGAIN_MS = 600000,
	MARK_TEXT = 32, /* hex digits */
};

/* --- purse.c: the budget of a user and app, shared by all sessions of theirs; any thread --- */

enum { PURSE_KEY_BYTES = 32 };
struct purse {
	struct purse *prev, *next; /* of the connect; with refs under its lock */
	unsigned refs;
	uint8_t key[PURSE_KEY_BYTES];
	pthread_mutex_t lock; /* of the budget */
	struct budget budget;
};
/* As the session is configured now. The caller's to release. */
struct purse *purse_of(const struct login *);
struct purse *purse_ref(struct connect *, struct purse *);
void purse_unref(struct connect *, struct purse *); /* may be NULL */
int64_t purse_when(struct purse *, enum rate_group, bool urgent, int64_t now_us);
/* budget_sent, when it may be sent now; false: it may not. */
MUST bool purse_spend(struct purse *, enum rate_group, bool urgent, int64_t now_us);
void purse_unsent(struct purse *, enum rate_group);
void purse_answered(struct purse *, enum rate_group, const struct rate_answer *, int64_t now_us);

/* --- requests.c: requests with the session's token, within its budgets --- */

struct ask;
/* `provider_us`: Date of the answer, 0: none. */
typedef void ask_done_fn(struct ask *, const struct client_response *, int64_t provider_us);
struct ask {
	struct ask *prev, *next;
	struct login *login;
	enum http_method method;
	struct buf url, body, content_type;
	struct buf authorization; /* empty: the session's token */
	enum rate_group group;
	struct purse *purse; /* while it is under way: who has paid */
	bool urgent;
	bool again;	     /* a 401 has sent it back */
	unsigned generation; /* of the token it went with */
	int64_t until_us;
	size_t limit;
	ask_done_fn *done; /* NULL: nobody wants to know any more */
	struct buf about;  /* the caller's */
	unsigned round;	   /* likewise */
	/* Of somebody else, on another shard perhaps. */
	struct connect_request *request;
};
/* One of our own: `path` of the platform or a whole URL. Sent when its turn comes, from asks_pump;
 * `done` is called once, and not when the session has ended before. */
struct ask *ask_new(struct login *, enum http_method, const char *path, enum rate_group,
		    ask_done_fn *done);
void ask_post(struct ask *);
void ask_of_others(struct login *, struct connect_request *);
void asks_pump(struct login *, int64_t now_us);
/* All waiting ones end; those of others are told why. */
void asks_drop(struct login *, const char *why);
/* Our own end unanswered, also those under way. */
void asks_forget_own(struct login *);
/* Of somebody without a session: on any shard. */
void request_refuse(struct connect_request *, const char *why);
bool response_good(const struct client_response *);

/* Why it failed, for people, and what to do about it. */
enum trouble_kind {
	TROUBLE_AGAIN,	/* it may pass: tried again */
	TROUBLE_LONG,	/* the same, but not soon */
	TROUBLE_DENIED, /* it will not pass by itself */
};
struct trouble {
	enum trouble_kind kind;
	bool known; /* by its code, not only by its status */
	char text[CONNECT_WHY_MAX];
	char code[PLATFORM_CODE_MAX];
};
void trouble_of(const struct client_response *, const char *what, struct trouble *out);
void trouble_of_status(int status, struct span body, const char *what, struct trouble *out);

/* How one part of a session stands; login_tick makes one of them. */
struct standing {
	enum connect_state state;
	char why[CONNECT_WHY_MAX];
};
void stand(struct standing *, enum connect_state, const char *why);
/* DENIED or WAITING, and how long; `pause` for what may pass. */
int64_t stand_troubled(struct standing *, const struct trouble *, struct backoff *pause);

/* --- token.c --- */

struct token {
	struct buf access, refresh;
	int64_t renew_us, ends_us, refresh_ends_us, taken_us;
};
struct tokens {
	struct token own, cx; /* cx: RingCX's, had for `own` */
	unsigned generation;  /* of the one that requests bear */
	bool worked;	      /* some request has been taken with it */
	bool asking;
	int64_t again_us;
	unsigned slow_tries;
	struct backoff pause;
	struct standing standing; /* as long as there is none */
};
void tokens_init(struct login *);
void tokens_free(struct tokens *);
void tokens_step(struct login *, int64_t now_us);
/* The one that requests bear; empty: there is none (any more). */
struct span tokens_bearer(const struct login *, int64_t now_us);
/* What a request with it has shown: taken, or 401. */
void tokens_worked(struct login *, unsigned generation);
void tokens_refused(struct login *, unsigned generation);

/* --- tell.c: messages for the calls, until they are durable --- */

enum { TELL_MAX = 1024, TELL_BYTES_MAX = 16 * 1024 * 1024, TELL_AHEAD = 32, SEEN_MAX = 2048 };

/* A place in the gateway's stream: everything before it is known to us. */
struct place {
	struct buf token;
	int64_t sequence;
};
struct told {
	struct told *prev, *next;
	struct connect_message message;
	struct login *login;
	struct buf json;
	uint64_t call; /* messages of one call are told one after the other */
	bool under_way, durable;
	int64_t came_us;
	struct place place; /* reached when this and all before are durable; may be empty */
};
struct tell {
	struct told *queue;
	unsigned n, under_way;
	size_t bytes;
	int64_t again_us;
	struct backoff pause;
	struct place safe;	 /* what a restart may go on from */
	uint64_t seen[SEEN_MAX]; /* ring of what was taken: hashes of uuids */
	unsigned seen_next;
	bool halted;	    /* the node stops */
	bool pumping, more; /* `done` may come from within: there is more to do */
};
void tell_init(struct login *);
void tell_free(struct tell *);
/* Places belong to a stream that is no more. */
void tell_forget_places(struct tell *);
/* Copies. E_FULL: beyond the bound, nothing is kept; E_CONFLICT: this uuid was here before. `uuid`
 * empty: none; `call` what the order hangs on. */
MUST int tell_add(struct login *, struct span json, struct span uuid, struct span call);
/* What was added until now reaches this place. Copies. */
void tell_place(struct login *, struct span token, int64_t sequence);
void tell_pump(struct login *, int64_t now_us);
bool tell_has_room(const struct tell *); /* less than half is taken */
/* Up to when everything that had come is durable; `latest_us` when nothing waits. */
int64_t tell_durable_us(const struct tell *, int64_t latest_us);
/* Is something not durable that had come by then? 0: no. */
bool tell_waits(const struct tell *, int64_t us);

/* --- gateway.c --- */

enum gate_step {
	GATE_IDLE,
	GATE_TOKEN,	  /* for the socket */
	GATE_DIALLING,	  /* and until ConnectionDetails */
	GATE_SUBSCRIBING, /* and until its reply */
	GATE_LIVE,
};
struct gateway {
	enum gate_step step;
	struct ws_client *ws;
	struct backoff pause;
	int64_t again_us;
	int64_t step_until_us, heard_us, probed_us, renew_us, live_us;
	struct place place; /* the latest */
	int64_t recovery_us, lost_us;
	struct buf subscription;
	struct replay {
		int64_t n, kept;  /* so many came; the newest so many are kept */
		int64_t back_us;  /* by the platform's clock: what it stamps later is no replay */
		int64_t until_us; /* what comes later is none, either */
	} replay;		  /* of what came while we were away */
	char refused[CONNECT_WHY_MAX]; /* filters of the subscription, for people */
	bool garbled;		       /* a frame was: what it told of is to be asked for */
	int64_t garbled_us;	       /* not before then */
	bool resuming;		       /* this connection was dialled with a place */
	bool open;		       /* dialled, and `closed` has not come */
	bool full;		       /* hung up because the calls take nothing */
	unsigned messages;	       /* sent */
	char request[24];	       /* id of the one that is under way; "": none */
	struct standing standing;
};
void gateway_init(struct login *);
void gateway_free(struct login *);
void gateway_step(struct login *, int64_t now_us);
/* Live, and nothing is missing that it has told of until now. */
bool gateway_is_whole(const struct login *, int64_t now_us);

/* --- hook.c: the webhook subscription --- */

struct hook {
	struct buf id;
	uint64_t filters; /* as the platform has written them down, in any order */
	bool sure;	  /* made or changed by us as it is configured now */
	bool busy, lost;  /* lost: events may have been */
	struct buf spare; /* another subscription with our address, to be removed */
	int64_t lives_s;  /* as it was granted */
	int64_t look_us, renew_us, again_us, sweep_us;
	struct backoff pause;
	struct standing standing;
};
void hook_init(struct login *);
void hook_free(struct hook *);
void hook_step(struct login *, int64_t now_us);

/* --- resync.c --- */

struct resync_call {
	UT_hash_handle hh;
	bool under_way, in_vain; /* in_vain: the last answer was none */
	char id[];
};
struct resync {
	bool due;
	enum { RESYNC_IDLE, RESYNC_LISTING, RESYNC_ASKING, RESYNC_LOOKING } step;
	bool busy;
	unsigned page, flying, round; /* answers of another round count for nothing */
	struct resync_call *calls;
	unsigned refused; /* lookups that were */
	bool answered;	  /* some were not */
	struct connect_live live;
	bool live_out;
	int64_t again_us, told_us; /* told_us: 0, or when the last one was over */
	struct backoff pause;
};
void resync_init(struct login *);
void resync_free(struct resync *);
void resync_step(struct login *, int64_t now_us);
/* It is to be begun, or not over, or what it has told is not durable yet. */
bool resync_is_owed(const struct login *);

/* --- texts.c: states of texts --- */

struct texts {
	/* What is asked for next: texts of after since_us. It waits for the walk at hand. */
	struct {
		int64_t due_us; /* 0: nothing is to be asked */
		int64_t since_us;
		int64_t lost_us; /* since when some may be missing; GAP_NONE: none are */
	} next;
	/* Page by page. */
	struct {
		unsigned page; /* 0: there is none */
		int64_t since_us, lost_us, again_us;
		unsigned unsaid; /* so often nobody could say what is stored */
		bool busy;
	} walk;
	unsigned round; /* pages of another count for nothing */
	/* The walk before: it may be told, and not durable yet. */
	struct {
		int64_t since_us, at_us; /* at_us 0: there was none */
	} read;
	struct backoff pause;
	struct watched_text *watched; /* ours, of no final state */
	unsigned watched_n;
	bool looking; /* at one of them */
};
void texts_init(struct login *);
void texts_free(struct texts *);
/* A text of ours was sent: the platform's answer. */
void texts_sent(struct login *, struct span message);
/* Events may have been lost since then. */
void texts_lost(struct login *, int64_t since_us);
int64_t texts_owed_us(const struct login *); /* as gap_owed_us, of texts */
/* Since when texts are to be asked for, whatever for, or were, and are not durable yet; GAP_NONE:
 * neither. What a restart goes on with: texts_want. */
int64_t texts_wanted_us(const struct login *);
void texts_want(struct login *, int64_t since_us);
/* Ids of those whose state is not final, as an array `watched`: likewise. */
void texts_put_watched(const struct login *, struct json_out *);
void texts_watch(struct login *, struct json ids);
/* This notification only counts what has changed in the message store: it is asked for, and not
 * told. */
bool texts_counted(struct login *, struct json notification);
void texts_step(struct login *, int64_t now_us);

/* --- gap.c: since when events may be missing, and the call log of that time --- */

#define GAP_NONE INT64_MAX
struct gap {
	int64_t good_us; /* up to here nothing is missing; GAP_NONE: nobody knows */
	/* Calls that may be missing and are not asked for yet; since_us GAP_NONE: none. */
	int64_t since_us, until_us;
	int64_t swept_us; /* likewise since then, though nobody knows that any are missing */
	struct connect_missed asked;
	bool out; /* asked is */
	int64_t out_until_us, again_us;
	struct backoff pause;
};
void gap_init(struct login *);
/* Nothing of before then is missing. */
void gap_good(struct login *, int64_t us);
/* Events may have been lost from what is good until now. */
void gap_lost(struct login *);
/* Some calls may be missing without anybody's knowledge: those of the last hours are asked for. */
void gap_sweep(struct login *);
/* Since when something is still to be asked for; GAP_NONE: nothing is. */
int64_t gap_owed_us(const struct login *);
/* Since then, but not longer ago than anything is asked for; logged when it is. */
int64_t gap_bounded(const struct login *, int64_t since_us);
/* All parts begin anew, and forget what they were to ask for: the next loss begins there. */
void gap_anew(struct login *);
void gap_step(struct login *, int64_t now_us);

/* --- keep.c: what a restart goes on from --- */

struct keep {
	bool dirty, gone, under_way;
	atomic_bool writing; /* handed over to libuv's pool: our own fence, libuv's is not seen by
				ThreadSanitizer */
	int64_t next_us, refresh_us;
	uv_work_t work;
	char *path;
	struct buf text, last; /* last: when the session ends */
};
/* Into gateway and hook, when it belongs to this configuration. */
void keep_read(struct login *);
void keep_step(struct login *, int64_t now_us);
void keep_finish(struct login *); /* writes now, blocking, or behind what is being written */
void keep_remove(struct login *);

/* --- login.c: a session of one source --- */

struct login {
	struct login *prev, *next; /* of the shard */
	struct connect *connect;
	struct connect_part *part;
	struct uuid id;
	char id_text[UUID_TEXT + 1];
	/* As configured; valid with `dir`. */
	const struct directory *dir;
	const struct dir_source *source;
	const struct dialect *dialect;
	bool cx; /* RingCX */
	struct span base, platform;
	char mark[MARK_TEXT + 1]; /* of everything that a session depends on */

	struct http_client *http;
	struct purse *purse;
	struct ask *waiting, *flying;
	unsigned waiting_n, flying_n;
	struct tokens tokens;
	struct tell tell;
	struct gateway gateway;
	struct hook hook;
	struct resync resync;
	struct texts texts;
	struct gap gap;
	struct keep keep;
	int64_t provider_us, provider_at_us; /* the platform's clock, and ours when it said so */
	struct standing standing;	     /* as it was last told */
	bool ended;			     /* only waits for what is under way elsewhere */
	unsigned held;			     /* by what is */
};

int64_t login_now(const struct login *);
void login_seed(struct backoff *, int64_t least_ms, int64_t most_ms);
/* Events were, or may have been, lost. */
void login_lost(struct login *);
bool login_wants_texts(const struct login *);
bool login_wants_calls(const struct login *); /* all of the account */
/* Notifications tell us when a text of ours has changed. */
bool login_hears_of_texts(const struct login *);
/* Filters of events, as configured or our choice. */
void login_put_filters(const struct login *, struct json_out *);
uint64_t login_filters_hash(struct json filters);
/* The subscription stands although some filters were refused: log and reason. `why` may be NULL. */
bool login_refused_filters(const struct login *, struct json subscription, char *why, size_t size);
/* For what is under way elsewhere and comes back. */
void login_hold(struct login *);
void login_release(struct login *);

/* --- connect.c --- */

struct connect_part {
	struct connect *connect;
	struct shard *shard;
	struct login *logins;
	struct ws_dialer *dialer;
	uv_timer_t timer;
	bool started, stopped;
};
struct status {
	UT_hash_handle hh;
	struct uuid source;
	enum connect_state state;
	int64_t since_us;
	char why[CONNECT_WHY_MAX];
	bool refused; /* a delivery, by us */
};
struct connect {
	struct connect_config config;
	struct buf folder;
	struct connect_part *parts;
	pthread_mutex_t lock; /* of statuses, and of the list of purses */
	struct status *statuses;
	struct purse *purses;
};
void status_set(struct connect *, const struct uuid *, enum connect_state, const char *why);
void status_remove(struct connect *, const struct uuid *);
/* Were deliveries refused since this was last asked? */
bool status_take_refused(struct connect *, const struct uuid *);
struct login *login_new(struct connect_part *, const struct uuid *);
/* Begins, or begins anew when anything it depends on has changed. */
void login_configure(struct login *, const struct directory *, const struct dir_source *);
void login_tick(struct login *, int64_t now_us);
/* Ends it; freed when nothing of it is under way any more. `stopping`: the node does, and will come
 * back. */
void login_end(struct login *, bool stopping);
void login_free(struct login *);

#endif
