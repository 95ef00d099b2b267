/* How a session comes to its tokens, RingCentral's and RingCX's: of which hosts, in which order,
 * with what. Pure; for the live session (token.c), and for those who may wait (node/platform.c).
 *
 * Sources: as connect/oauth.h, which reads the answers. */
#ifndef CALLMEND_CONNECT_GRANT_H
#define CALLMEND_CONNECT_GRANT_H

#include "base/buf.h"
#include "callmend/directory.h"

struct grant_hosts {
	struct span base;     /* where requests go */
	struct span platform; /* where RingCentral's tokens are had: the same, but for RingCX */
};
/* The usual ones, where the source names none (Vapi's is the default of its column, not its
 * choice). Spans of the source. */
void grant_hosts_of(const struct dir_source *, struct grant_hosts *out);

/* The event gateway of a platform that does not say it with the token for it, which it need not:
 * RingCentral's own, as its SDKs have it; empty for any other. */
struct span grant_gateway(const struct grant_hosts *);

enum grant {
	GRANT_NONE, /* nothing is lacking */
	GRANT_JWT,
	GRANT_REFRESH,
	GRANT_EXCHANGE, /* a token of RingCX for RingCentral's */
};
struct grant_have {
	bool cx;	     /* RingCX's is what requests bear */
	bool own, exchanged; /* a token that need not be renewed yet */
	bool refresh;
};
/* What to ask for next. */
enum grant grant_next(const struct grant_have *);
/* The POST for it (application/x-www-form-urlencoded), appended: address, value of its
 * Authorization header, body. `token`: the refresh token, or the one to be exchanged. */
void grant_write(enum grant, const struct dir_source *, struct span token, struct buf *url,
		 struct buf *authorization, struct buf *body);
/* Refused with this status: the refresh token is over, and the JWT is next. */
bool grant_gives_way(enum grant, int status);

#endif
