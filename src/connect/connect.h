/* What the composition makes of sessions with platforms (the contract is callmend/connect.h): one
 * `struct connect` per core, a part on each shard, a session on the shard uuid_hash(source) %
 * shards. */
#ifndef CALLMEND_CONNECT_CONNECT_H
#define CALLMEND_CONNECT_CONNECT_H

#include "callmend/connect.h"
#include "callmend/directory.h"

struct connect_config {
	unsigned shards;
	const char *state_dir; /* its folder "connect": where to go on after a restart */
	const char *ca_file;
	const char *public_url; /* of this node, for webhooks; may be "" */
	int64_t look_ms; /* how often the platform's list of webhook subscriptions is looked at */
	struct connect_calls calls;
	/* All time that passes; NULL: clock_monotonic_us. */
	int64_t (*now_us)(void);
	unsigned tick_ms; /* how often it is looked at; 0: CONNECT_TICK_MS */
};

MUST int connect_new(struct connect **out, const struct connect_config *, struct fault *f);
/* After the shards have stopped. */
void connect_free(struct connect *);
/* In the hooks of each shard: after ingest has started there; before ingest stops. Stopping closes
 * all sockets; requests that wait are answered CLIENT_NOT_SENT. */
MUST int connect_shard_start(struct connect *, struct shard *, struct fault *f);
void connect_shard_stop(struct connect *, struct shard *);
/* On a shard's thread: this directory is in force. Sessions begin, change and end by it. */
void connect_directory(struct connect *, struct shard *, const struct directory *);

#endif
