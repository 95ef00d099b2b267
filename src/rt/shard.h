/* A shard: one thread, one libuv loop, one mailbox. Everything that lives on a shard is touched by
 * its thread only; the only door between threads is shard_post().
 *
 * Mail is intrusive: embed a `struct mail`, set `run`, post it; `run` is called on the receiving
 * shard's thread in the order of posting per sender. The loop is woken only when its mailbox was
 * empty (style.md: wake on empty). */
#ifndef CALLMEND_RT_SHARD_H
#define CALLMEND_RT_SHARD_H

#include <stdbool.h>
#include <uv.h>

#include "callmend/fault.h"

struct shard;

struct mail {
	struct mail *next;
	void (*run)(struct mail *, struct shard *here);
};

struct shard_hooks {
	/* On the shard's thread, inside the loop, before anything else. Hooks of different shards
	 * run one after another (lws contexts must be created serially). A failure stops
	 * shards_start. */
	int (*start)(struct shard *, void *user, struct fault *);
	/* On the shard's thread: close every handle of yours; the loop drains afterwards. Not
	 * called after a failed `start`, which closes again what it opened. */
	void (*stop)(struct shard *, void *user);
	void *user;
};

struct shards; /* the group */

/* Starts n threads; returns when all have run `start` (or stops them again and fails).
 * `mailbox_limit` bounds messages waiting per shard. */
MUST int shards_start(struct shards **out, unsigned n, unsigned mailbox_limit,
		      const struct shard_hooks *, struct fault *f);
/* Asks every shard to stop, waits for the threads. Every mail is run exactly once, also what waits
 * now and what stop hooks send to each other (after the stop hook of the receiver, perhaps).
 * Threads that are no shards must have stopped posting. */
void shards_stop(struct shards *); /* frees */
unsigned shards_count(const struct shards *);
struct shard *shards_at(struct shards *, unsigned index);

uv_loop_t *shard_loop(struct shard *);
unsigned shard_index(const struct shard *);
struct shards *shard_group(struct shard *);

/* Any thread. E_FULL when the mailbox holds its limit: the caller answers 503 (or its own written
 * answer). */
MUST int shard_post(struct shard *to, struct mail *);
/* Any thread; never refused. For answers to a question that was admitted, and for facts whose
 * number is bounded elsewhere. */
void shard_post_sure(struct shard *to, struct mail *);
/* True on the shard's own thread. */
bool shard_here(const struct shard *);
/* Messages waiting (for readyz and metrics). */
unsigned shard_waiting(const struct shard *);

#endif
