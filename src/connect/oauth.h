/* Tokens of RingCentral and RingCX: what is asked, and what the answers say. Pure.
 *
 * Sources: RingCentral developer guide, "JWT auth flow", "Refreshing tokens", "Error codes"; RingCX
 * (Engage Voice) guide, "Authentication - RingCentral Office". */
#ifndef CALLMEND_CONNECT_OAUTH_H
#define CALLMEND_CONNECT_OAUTH_H

#include "base/buf.h"
#include "base/json.h"

enum {
	OAUTH_CX_LIVES_S = 300,	       /* a RingCX token does not say how long it lives */
	OAUTH_LIVES_S = 600,	       /* one of RingCentral that does not */
	OAUTH_LIVES_MAX_S = 315360000, /* ten years: more is not believed */
	OAUTH_AHEAD_MAX_S = 120,       /* renewed so long before its end, or a fifth of its life */
};

/* Form bodies of POST /restapi/oauth/token, and the value of its Authorization header. */
void oauth_put_jwt(struct buf *body, struct span jwt);
void oauth_put_refresh(struct buf *body, struct span refresh_token);
void oauth_put_basic(struct buf *header, struct span client_id, struct span client_secret);
/* Form body of POST /api/auth/login/rc/accesstoken: a RingCentral token for one of RingCX. */
void oauth_put_exchange(struct buf *body, struct span access_token);

struct oauth_token {
	struct span access, refresh; /* refresh may be empty; spans of the body or the arena */
	int64_t lives_s, refresh_lives_s;
};
/* Either kind of answer. E_INVALID: no token in it. */
MUST int oauth_read(struct span body, struct arena *, struct oauth_token *out, struct fault *f);
/* How long before its end a token that lives so long is renewed. */
int64_t oauth_ahead_s(int64_t lives_s);

/* Answer of POST /restapi/oauth/wstoken. `uri` may be empty. */
struct oauth_ws {
	struct span access, uri;
};
MUST int oauth_read_ws(struct span body, struct arena *, struct oauth_ws *out, struct fault *f);

/* --- whom a token may be given to --- */

/* scheme://host[:port] of a URL; empty: it has none. */
struct span oauth_origin(struct span url);
/* One that says what it means: there, and with nothing before the host. */
bool oauth_is_plain(struct span origin);
/* Of the same origin as the platform's `base`, or of its domain by https. */
bool oauth_may_carry(struct span base, struct span url);

/* --- what went wrong --- */

enum { PLATFORM_CODE_MAX = 40 };
struct platform_error {
	char code[PLATFORM_CODE_MAX]; /* "SUB-528", "invalid_grant": the most specific; may be "" */
	char text[160];		      /* for people: code and message, printable */
};
/* Of any error body: {errorCode, message, errors[]}, {error, error_description}, RingCX's
 * {errorCode, generalMessage, details}; whatever else: its beginning. */
void platform_error_read(struct span body, struct platform_error *out);

#endif
