#include "fake_listen.h"

#include <stdlib.h>

#include "callmend/fault.h"

bool listen_leg_from(struct span name, enum listen_leg *out)
{
	static const char *const names[] = { "customer", "assistant", "mix" };

	for (unsigned i = 0; i < LISTEN_LEGS; i++) {
		if (span_is(name, names[i])) {
			*out = (enum listen_leg)i;
			return true;
		}
	}
	return false;
}

const char *listen_end_name(enum listen_end e)
{
	static const char *const names[] = { "no-audio", "off", "over" };

	return names[e];
}

struct listener *listen_start(struct listen *listen, struct shard *here, const struct uuid *org,
			      const struct uuid *call, enum listen_leg leg, int64_t from_ms,
			      const struct listen_handlers *handlers)
{
	struct listener *r = calloc(1, sizeof(*r));

	(void)org;
	CHECK(r);
	*r = (struct listener){ listen, here, *call, leg, from_ms, *handlers };
	atomic_store(&listen->last, r);
	atomic_fetch_add(&listen->listening, 1);
	return r;
}

void listen_stop(struct listener *r)
{
	if (!r)
		return;
	atomic_fetch_sub(&r->listen->listening, 1);
	free(r);
}

void listen_levels(struct listen *listen, struct shard *here, listen_levels_fn *levels, void *user)
{
	listen->shard = here;
	listen->levels_fn = levels;
	listen->levels_user = user;
	atomic_fetch_add(&listen->levels, levels ? 1 : UINT32_MAX);
}

void listen_play(struct listen *listen, struct shard *here, const struct uuid *org,
		 const struct uuid *call, struct span payload, struct span mark,
		 listen_played_fn *done, void *user)
{
	(void)listen, (void)here, (void)org, (void)call, (void)mark;
	done(user, payload.n > 4 ? 0 : E_INVALID, SPAN("the fake plays no less than five bytes"));
}

void listen_clear(struct listen *listen, struct shard *here, const struct uuid *org,
		  const struct uuid *call, listen_played_fn *done, void *user)
{
	(void)listen, (void)here, (void)org, (void)call;
	done(user, E_NOT_FOUND, (struct span){ 0 });
}

void listen_place(struct listen *listen, struct shard *here, const struct listen_place *what,
		  listen_placed_fn *done, void *user)
{
	const struct listen_call c = { .code = E_UNAVAILABLE, .detail = SPAN("the fake is away") };

	(void)listen, (void)here, (void)what;
	done(user, &c);
}
