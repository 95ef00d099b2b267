/* Sessions with platforms that want one: their tokens, their budgets of requests, the stream of
 * events they offer, and what is asked again when some of it was lost (RingCentral). One per source
 * whose row has a "connect", on one shard (hash of its id); others reach it by mail.
 *
 *   source row ─► session ─┬─ token: asked for, renewed before it ends
 *                          ├─ budgets: sliding windows of each rate group; penalties are sat out
 *                          ├─ events: WebSocket gateway, or the webhook subscription kept alive
 *                          ├─ resync: what the platform knows of live calls, after a loss
 *                          └─ requests of others: commands, lookups ─► answer
 *
 * Implemented by src/connect; given to ingest by the composition, so that neither includes the
 * other. Everything is called, and calls back, on the shard `here`. */
#ifndef CALLMEND_CONNECT_H
#define CALLMEND_CONNECT_H

#include "callmend/dialect.h"
#include "callmend/uuid.h"
#include "net/client.h"
#include "rt/shard.h"

struct connect;

/* A request that needs a source's session. Memory of the caller, spans included, until `done` is
 * called, which always happens. */
struct connect_request {
	struct mail mail;
	struct uuid source;
	enum http_method method;
	/* A path of the platform ("/restapi/v1.0/..."), or whole: then of the source's api_base or
	 * of ringcentral.com, since the token goes with it. */
	struct span url;
	struct span body;
	struct span content_type; /* empty: application/json */
	enum api_group group;
	bool urgent; /* somebody waits for it: goes before what nobody waits for, and may use the
			last fifth of a budget */
	int64_t timeout_ms; /* waiting for its turn included */
	size_t response_limit;
	/* The answer; spans are valid during `done`. CLIENT_NOT_SENT also when the source has no
	 * session, its token cannot be had, or its turn did not come in time: `error` says which.
	 */
	struct client_response response;
	int64_t provider_us; /* Date of the answer: the platform's clock, to the second; 0: none */
	void (*done)(struct connect_request *);
	/* Private. */
	struct connect *connect;
	struct shard *home;
	struct connect_request *next;
	int64_t until_us;
};
void connect_send(struct connect *, struct shard *here, struct connect_request *);
typedef void connect_send_fn(struct connect *, struct shard *here, struct connect_request *);

/* Any thread: we have refused a delivery of this source (503), and its platform may not bring it
 * again. Of a source whose events come by webhook it counts as a loss, at the next look at its
 * subscription. */
void connect_refused(struct connect *, const struct uuid *source);
typedef void connect_refused_fn(struct connect *, const struct uuid *source);

/* --- what sessions tell the calls and ask of them; implemented by ingest --- */

/* A message of the platform about a call, as a webhook would bring it: its notification as it came,
 * or what was asked for, as the dialect writes it (dialect.put_asked).
 * Memory of the caller until `done`, which is called when it is durable (code 0) or will never be:
 * E_FULL (may be told again), E_INVALID (kept in quarantine), E_CLOSED (the node stops, or the
 * source is gone). */
struct connect_message {
	struct mail mail;
	struct uuid source;
	struct span json;
	bool when_taken; /* `done` already when the journal has taken it, not yet durably: who tells
			    one after the other goes on sooner */
	int code;
	void (*done)(struct connect_message *);
	/* Private. */
	struct shard *home;
};
/* Calls of a source that have not ended and that the platform's telephony knows, by its ids (not
 * conversations of texts). `done` on `here`; the buf is the caller's. */
struct connect_live {
	struct mail mail;
	struct uuid source;
	struct buf ids; /* out: each followed by a newline */
	void (*done)(struct connect_live *);
	/* Private. */
	struct shard *home;
	unsigned lane;
};
/* Events of this time, of the platform's clock, were lost: calls that began in it are to be brought
 * from the platform's call log, those that are not known. Memory of the caller until `done`, on
 * `here`, never from within: 0: asked for, durably, though it may take hours; E_NOT_FOUND: the
 * source is gone; anything else: ask again later. */
struct connect_missed {
	struct mail mail;
	struct uuid source;
	int64_t since_us, until_us;
	bool once; /* one look at the log will do, since they are asked for again; else two, the
		      second much later */
	int code;
	void (*done)(struct connect_missed *);
};
/* Texts that the platform was asked for, which may have been told long ago, in a conversation that
 * nobody here remembers: what is stored of them? Memory of the caller until `done`, on `here`. */
struct connect_texts {
	struct mail mail;
	struct uuid source;
	struct span messages; /* JSON array: each as dialect.put_asked writes it */
	int64_t since_us;     /* none of them is older, by the platform's clock */
	/* Of those that are stored {id: [states that were told of it]}; empty: nobody can say just
	 * now. Valid during `done`. */
	struct span stored;
	void (*done)(struct connect_texts *);
};
struct connect_calls {
	void (*message)(void *user, struct shard *here, struct connect_message *);
	void (*live)(void *user, struct shard *here, struct connect_live *);
	void (*missed)(void *user, struct shard *here, struct connect_missed *);
	void (*texts)(void *user, struct shard *here, struct connect_texts *);
	void *user;
};

/* --- how a session stands: health, API, metrics --- */

/* X(NAME, "name": label of callmend_connect_state, meaning) */
#define CONNECT_STATES(X)                                                                     \
	X(OFF, "off", "the source has no session")                                            \
	X(TOKEN, "token", "a token is being asked for")                                       \
	X(CONNECTING, "connecting", "the gateway is being connected, or a subscription made") \
	X(LIVE, "live", "events come, or nothing but requests is wanted")                     \
	X(WAITING, "waiting", "the platform is away or refuses for a while: tried again")     \
	X(DENIED, "denied",                                                                   \
	  "credentials or permissions are wrong: tried again when the "                       \
	  "source is changed, and every 10 minutes")
enum connect_state {
#define X(name, text, doc) CONNECT_##name,
	CONNECT_STATES(X)
#undef X
};
static inline const char *connect_state_name(enum connect_state state)
{
	static const char *const names[] = {
#define X(name, text, doc) [CONNECT_##name] = text,
		CONNECT_STATES(X)
#undef X
	};

	return names[state];
}
/* Any thread: state, since when (wall clock), and why as one line for people, of a source of this
 * node. false: unknown here, or it has no session. `why` holds CONNECT_WHY_MAX bytes. */
enum { CONNECT_WHY_MAX = 256 };
bool connect_look(struct connect *, const struct uuid *source, enum connect_state *state,
		  int64_t *since_us, char *why);
/* Any thread: the same of all, one after the other; `each` must not call back. */
void connect_look_all(struct connect *,
		      void (*each)(void *user, const struct uuid *source, enum connect_state,
				   int64_t since_us, const char *why),
		      void *user);

#endif
