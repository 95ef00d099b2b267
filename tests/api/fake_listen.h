/* A live audio side for API tests: remembers who listens and who wants levels, and says what the
 * test tells it to, on the shard that asked. */
#ifndef TESTS_API_FAKE_LISTEN_H
#define TESTS_API_FAKE_LISTEN_H

#include <stdatomic.h>

#include "callmend/listen.h"

struct listen {
	atomic_uint listening; /* listeners that were not stopped */
	atomic_uint levels;    /* shards that want levels */
	_Atomic(struct listener *) last;
	struct shard *shard; /* of the last one who asked for levels */
	listen_levels_fn *levels_fn;
	void *levels_user;
};

struct listener {
	struct listen *listen;
	struct shard *here;
	struct uuid call;
	enum listen_leg leg;
	int64_t from_ms;
	struct listen_handlers handlers;
};

#endif
