/* What the sockets of live audio ask of the calls and tell them: who may send, whose audio it is,
 * what was heard. Implemented by ingest, given to src/media by the composition, so that neither
 * includes the other. Everything is called, and calls back, on the shard `here`. */
#ifndef CALLMEND_HEAR_H
#define CALLMEND_HEAR_H

#include "callmend/connect.h"
#include "callmend/directory.h"
#include "net/http.h"
#include "rt/shard.h"

struct hear;

/* The directory in force on this shard, NULL: not loaded yet; valid until the current callback
 * returns (directory_ref). */
const struct directory *hear_directory(struct hear *, struct shard *here);
/* No new audio: the node drains. */
bool hear_draining(const struct hear *);
/* May the sender of this upgrade send audio of this source? Its ways over headers, path and URL;
 * E_DENIED with what is wrong, never the secret. Constant time. */
MUST int hear_admit(const struct dir_source *, const struct exchange *, struct fault *f);

/* --- whose audio is it? --- */

/* X(NAME, "name": label of callmend_media_bound_total, meaning) */
#define HEAR_WAYS(X)                                                                            \
	X(NONE, "none", "no such call (yet), and none was to be made")                          \
	X(TOKEN, "token", "a token of the call, in the URL or the start of the stream")         \
	X(CALL_ID, "call_id", "the platform's id of the call")                                  \
	X(TELEPHONY, "telephony_id", "the carrier's id, at another source of the organisation") \
	X(ONLY, "only_call", "the only call in progress of this source without audio")          \
	X(OWN, "own", "a call of its own, marked unbound")                                      \
	X(REFUSED, "refused", "the node is full, stops, or its journal has failed")
enum hear_way {
#define X(name, text, doc) HEAR_##name,
	HEAR_WAYS(X)
#undef X
};
const char *hear_way_name(enum hear_way);

/* A question; memory of the caller until `answer` is called, which always happens. The ways are
 * tried in their order. */
struct hear_claim {
	struct mail mail;
	struct uuid org, source;
	struct span token;    /* empty: none */
	struct span call_id;  /* of this source, as its webhooks name it, and as a carrier's id */
	bool only_one;	      /* way ONLY may be tried */
	bool make;	      /* way OWN, when no other led anywhere */
	struct span own_name; /* what a call of its own is named after when there is no call_id */
	/* The answer. `call` before: the one it has now, or nil; that is no answer. */
	enum hear_way way;
	struct uuid call;
	void (*answer)(struct hear_claim *);
	/* Private. */
	struct hear *hear;
	struct shard *home;
	struct uuid asked, found;
	unsigned lane, candidates;
};
void hear_bind(struct hear *, struct shard *here, struct hear_claim *);
/* Audio of a call that no claim has named: as if one had. */
void hear_hold(struct hear *, const struct uuid *call);
/* For each answer that named a call, and each hear_hold, once: its audio is over, or belongs to
 * another call now. */
void hear_release(struct hear *, const struct uuid *call);
/* Is this text a token that this node has issued? Then it is one of a call of this organisation. */
bool hear_is_token(const struct hear *, const struct uuid *org, struct span text);

/* --- what was heard --- */

/* Memory of the caller until `told` is called, which always happens. */
struct hear_post {
	struct mail mail;
	struct uuid call;
	struct span body; /* of a HEARD record (callmend/heard.h) */
	bool sure;	  /* not to be lost: begin and end of audio. Others are thinned when the
			     journal is full */
	int code;	  /* 0; E_NOT_FOUND: the call is over for long; E_FULL: thinned */
	void (*told)(struct hear_post *);
	/* Private. */
	struct hear *hear;
	struct shard *home;
};
void hear_tell(struct hear *, struct shard *here, struct hear_post *);

/* A message of the platform about a call of this source that came over a socket of its audio: as if
 * it had come as a webhook. What the platform would read as the answer goes nowhere. */
void hear_message(struct hear *, struct shard *here, struct connect_message *);

/* --- what happens to calls; on the shard of the call's owner --- */
struct hear_calls {
	/* A call is in progress and has said where it can be listened to. Once a call and start. */
	void (*running)(void *user, struct shard *here, const struct uuid *call,
			const struct uuid *source, struct span provider_call_id,
			struct span listen_url);
	void (*ended)(void *user, struct shard *here, const struct uuid *call);
	/* Somebody has said that the audio of call `from`, which has no other news, belongs to
	 * `to`. On every shard; true: some of it is here, and goes there. */
	bool (*linked)(void *user, struct shard *here, const struct uuid *from,
		       const struct uuid *to);
	void *user;
};
/* Before the shards start. */
void hear_watch(struct hear *, const struct hear_calls *);

#endif
