/* Who calls: a bearer token of the directory, its role, and how often it may.
 *
 * Roles are checked against the directory in force at each request, so a token that was taken back
 * is refused at once. The rate is one bucket per token, shared by all shards. */
#ifndef CALLMEND_API_AUTH_H
#define CALLMEND_API_AUTH_H

#include <stdatomic.h>

#include "api/problem.h"
#include "callmend/directory.h"
#include "callmend/uuid.h"

/* A copy: the directory is only valid for one callback. */
struct caller {
	struct uuid org, token;
	enum role role;
	char name[101];	 /* tokens are made with at most 100 bytes: an actor fits a command */
	char actor[108]; /* "token:<name>" */
};

/* "Bearer abc" → "abc"; empty when it is not of that form. */
struct span auth_bearer(struct span authorization);
/* From a Sec-WebSocket-Protocol list: the item "bearer.<token>"; empty: none. */
struct span auth_subprotocol(struct span list);
/* Fills in `out` or refuses with 401. */
MUST bool auth_identify(const struct directory *, struct span token, int64_t now_us,
			struct caller *out, struct problem *);
/* Refuses with 403 when the caller's role ranks below `least`. */
MUST bool auth_role(const struct caller *, enum role least, struct problem *);
/* Is the caller's token still in the directory, and not expired? */
bool auth_still_valid(const struct directory *, const struct caller *, int64_t now_us);

/* Token buckets in the form of GCRA: one number per slot ("when the bucket is full again"), changed
 * by compare and swap from any thread. Tokens whose ids fall into the same slot share it. */
enum { AUTH_RATE_SLOTS = 4096 };
struct auth_rate {
	int64_t interval_us; /* one request per so long, on average; 0: no limit */
	int64_t burst_us;    /* interval times the burst */
	_Atomic int64_t slots[AUTH_RATE_SLOTS];
};
void auth_rate_init(struct auth_rate *, unsigned per_second, unsigned burst);
/* Refuses with 429 and Retry-After. now_us: monotonic. */
MUST bool auth_rate_take(struct auth_rate *, const struct caller *, int64_t now_us,
			 struct problem *);

#endif
