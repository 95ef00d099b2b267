/* The live side of a node as the API sees it: snapshots, the stream of events, commands.
 * Implemented by ingest (src/ingest), given to src/api by the composition, so that neither includes
 * the other. Everything is called, and calls back, on the shard `here`. */
#ifndef CALLMEND_LIVE_H
#define CALLMEND_LIVE_H

#include "callmend/command.h"
#include "callmend/event.h"
#include "net/http.h"
#include "rt/shard.h"

struct live;

/* One event on its way to watchers; immutable, shared between shards by reference. */
struct live_event {
	int refs; /* atomic, private */
	enum event_type type;
	enum speaker speaker;
	uint64_t seq;
	unsigned owner; /* shard index of the call's owner */
	struct uuid call, org, project;
	struct message
		*message; /* {"type":"event","owner":n,"event":{...}} ready to send as it is */
	struct span event_json; /* the inner object, within the message */
};
struct live_event *live_event_ref(struct live_event *);
void live_event_unref(struct live_event *);

/* From now on every event of every call is handed to `on_event` on `here`, in the order of each
 * owner, until NULL is set. One listener per shard (the API's live module). The listener does not
 * own the event; it may ref it. `on_event` with NULL says that this shard's mailbox was full and
 * events were lost: every subscription here needs a fresh snapshot. */
void live_listen(struct live *, struct shard *here,
		 void (*on_event)(void *user, struct live_event *), void *user);

/* Asks every shard (or the owner of `call`) for snapshots of live calls of `org` (and of `project`
 * unless nil). `part` is called once per owner shard: `json` is an array of session_snapshot
 * objects; every event of that owner with a sequence above `last_seq` comes after this call, every
 * other one was before it. With `after` (array by owner, 0 = none) an owner whose ring still holds
 * everything after that number gives the missed events instead: `json` is then an array of event
 * objects and `resumed` is true. `done` comes last. E_FULL: a mailbox is full, nothing will be
 * called. */
struct live_part {
	unsigned owner;
	bool resumed;
	uint64_t last_seq;
	struct span json;
};
struct live_query {
	struct uuid org;
	struct uuid project;	 /* nil: all */
	const struct uuid *call; /* NULL: all */
	const uint64_t *after;	 /* NULL, or one number per owner */
	size_t after_n;
	void (*part)(void *user, const struct live_part *);
	void (*done)(void *user);
	void *user;
};
MUST int live_snapshot(struct live *, struct shard *here, const struct live_query *);
/* Names this run of the core: sequences are only comparable within one epoch. 16 hex digits. */
const char *live_epoch(const struct live *);

/* A command for a call. `call` may be ours or the provider's id (both are tried; of two calls of
 * one provider's id the live one, then the first). `done` is called once: when the provider has
 * answered (or the command is otherwise final), or after wait_ms with the state so far. json: the
 * command as in the COMMAND event, durable. code: 0, E_NOT_FOUND (no live call; ended calls that
 * are still in memory answer 0 with state rejected), E_DENIED (other org), E_FULL, E_UNAVAILABLE
 * (the node stops, or its journal has failed). Draining is no reason to refuse: a drain waits for
 * calls to end, and somebody may want to end one. */
struct live_command_answer {
	int code;
	struct span json;
	struct span detail;
	struct uuid call; /* code 0: whose it is */
};
MUST int live_command(struct live *, struct shard *here, const struct uuid *org, struct span call,
		      const struct command *, int64_t wait_ms,
		      void (*done)(void *user, const struct live_command_answer *), void *user);

/* A text to somebody, who may never have written to us: send-text in the conversation between these
 * two numbers, which begins with it when it does not run already. `key` of the command counts for
 * the whole source: E_CONFLICT when it was used for another text or another number by a call that
 * is in memory. E_INVALID: texts cannot be begun at this source's provider. Else as live_command;
 * `done` hears of the call, too. */
struct live_text {
	struct uuid source;
	struct span ours, theirs; /* numbers, E.164 */
};
MUST int live_text(struct live *, struct shard *here, const struct uuid *org,
		   const struct live_text *, const struct command *, int64_t wait_ms,
		   void (*done)(void *user, const struct live_command_answer *), void *user);

/* The live audio of call `from`, which is one of its own (callmend/hear.h), is call `to`'s from now
 * on, and what was heard of it before, too; both ids are ours. `done` is called once: 0,
 * E_NOT_FOUND (no such call of this organisation is live here), E_CONFLICT (`from` has no live
 * audio now, or none of its own).
 */
void live_link_audio(struct live *, struct shard *here, const struct uuid *org,
		     const struct uuid *from, const struct uuid *to,
		     void (*done)(void *user, int code), void *user);

/* Text that names this call of this organisation to a stream of live audio (callmend/hear.h), added
 * to `out`. It cannot be guessed, and leads to the call only while that is live; whether there is
 * such a call is not looked at. */
void live_audio_token(struct live *, const struct uuid *org, const struct uuid *call,
		      struct buf *out);

/* Something is known from now on of a contact (by number) or of a conversation (A8): every call of
 * it that runs, on whatever shard, gets it as a CONTEXT record. Copies; returns at once; calls that
 * begin later find it in the database. */
struct live_context {
	struct uuid org;
	struct span number;	  /* empty: by conversation only */
	struct uuid conversation; /* nil: by number only */
	struct span items;	  /* array of {id, kind, title, text} */
};
void live_context(struct live *, struct shard *here, const struct live_context *);

/* The directory in force on this shard; valid until the current callback returns. */
const struct directory *live_directory(struct live *, struct shard *here);

/* Warnings gathered about a source from its events (transcript not subscribed, retries off): JSON
 * array text into out. */
void live_source_warnings(struct live *, struct shard *here, const struct uuid *source,
			  struct buf *out);

#endif
