/* The gateway of a core: webhooks in, calls owned by shards, effects out, events to watchers and to
 * PostgreSQL.
 *
 * One `struct ingest` per core, one `struct lane` per shard (private, lane.h). A call is owned for
 * life by the lane uuid_hash(call id) % lanes. docs/architecture.md tells a webhook's way through
 * here. */
#ifndef CALLMEND_INGEST_H
#define CALLMEND_INGEST_H

#include "callmend/connect.h"
#include "callmend/directory.h"
#include "callmend/errand.h"
#include "callmend/hear.h"
#include "callmend/live.h"
#include "journal/journal.h"
#include "net/http.h"
#include "rt/shard.h"

struct ingest;

struct ingest_config {
	unsigned lanes;
	struct journal_config journal; /* on_durable, on_failed and user are set by ingest */
	const char *state_dir;	       /* applying.map, poison.list */
	unsigned max_calls;	       /* sessions in memory per core; more: 503 */
	unsigned max_effects;	       /* requests of tools and commands in flight per lane */
	const char *ca_file;	       /* see http_client_trust; outlives the ingest */
	/* On a shard's thread: a directory has come into force there. */
	void (*on_directory)(void *user, struct shard *, const struct directory *);
	/* Any thread: the journal failed for good; the core should stop with an error. */
	void (*on_failed)(void *user);
	void *user;
};

/* Opens the journal and replays what is not released into sessions. Before the shards start. */
MUST int ingest_new(struct ingest **out, const struct ingest_config *, struct fault *f);
/* After the shards have stopped. */
void ingest_free(struct ingest *);

/* Where lanes ask for what is known of a caller (A8); before the shards start. Closed, but not
 * freed, before they stop. Without it nothing is known. */
struct store;
void ingest_set_store(struct ingest *, struct store *);

/* Who carries out effects of this kind; before the shards start. Nobody: they are not sent. */
void ingest_leave_to(struct ingest *, enum effect_kind, errand_fn *, void *user);

/* Where requests go that need a source's session with its platform (connect_send), and who is told
 * of refused deliveries (connect_refused); before the shards start. Nowhere: they are not sent. */
void ingest_set_connect(struct ingest *, struct connect *, connect_send_fn *, connect_refused_fn *);

/* In the start and stop hooks of each shard. */
MUST int ingest_lane_start(struct ingest *, struct shard *, struct fault *f);
void ingest_lane_stop(struct ingest *, struct shard *);
/* Before the shard's server goes: answers that only wait for the disk still leave. */
void ingest_lane_finish(struct ingest *, struct shard *);
/* After all lanes have started: settles the effects a crash left open, lets time pass again. */
void ingest_resume(struct ingest *);

/* A new directory for every lane; any thread; takes one reference. */
void ingest_set_directory(struct ingest *, const struct directory *);

/* POST /in/{dialect}/{source}; the route's info is the struct ingest. */
void ingest_webhook(struct exchange *x);

/* Stop taking new calls; running ones go on. Any thread. */
void ingest_drain(struct ingest *);
bool ingest_draining(const struct ingest *);
unsigned ingest_live_calls(const struct ingest *); /* not ended; any thread */
/* Nothing to wait for: no call is live, or nothing was heard of a live one for so long (a call
 * whose end was never told must not hold up a stop). After the lanes have started; any thread. */
bool ingest_quiet(const struct ingest *, int64_t quiet_ms);

struct journal *ingest_journal(struct ingest *);
struct live *ingest_live(struct ingest *);
struct hear *ingest_hear(struct ingest *);
/* What sessions with platforms tell the calls and ask of them. */
struct connect_calls ingest_connect_calls(struct ingest *);

/* --- projector: durable records -> rows in PostgreSQL, on a thread of its own --- */
struct projector;
struct projector_config {
	struct ingest *ingest;
	const char *url;
	unsigned keep_days;
	struct store *store; /* tells the projector's troubles, outlives it; or NULL */
};
MUST int projector_start(struct projector **out, const struct projector_config *, struct fault *f);
/* Stores what is durable (waits at most wait_ms for PostgreSQL), stops the thread, frees. */
void projector_stop(struct projector *, int64_t wait_ms);
uint64_t projector_position(const struct projector *); /* any thread */
bool projector_connected(const struct projector *);    /* any thread */

/* --- replay: the same pipeline, events to a function --- */
/* Reads a journal folder and gives every event as event_write() JSON, in order. Read only. */
MUST int replay_journal(const char *dir, const struct uuid *call,
			void (*event)(void *user, struct span json), void *user, struct fault *f);

#endif
