/* A platform's API for those who may wait: analysts and command line verbs. Their own token, and
 * requests one after the other within the platform's budgets of them (connect/budget.h), which are
 * kept with the source in PostgreSQL: whoever asks next, on any machine, knows what was asked
 * within the window. The source's live session (src/connect) has a token of its own; what it asks
 * is seen by the platform's headers, and a fifth of each budget is left to it.
 *
 * RingCX counts otherwise: its reports are in RATE_HEAVY (one in 100 s), all else in RATE_LIGHT.
 *
 * One thread. */
#ifndef CALLMEND_NODE_PLATFORM_H
#define CALLMEND_NODE_PLATFORM_H

#include "callmend/directory.h"
#include "callmend/store.h"
#include "connect/budget.h"
#include "net/http.h"

struct platform;

/* Monotonic; sleep_ms() may come back earlier. */
struct platform_clock {
	int64_t (*now_us)(void *user);
	void (*sleep_ms)(void *user, int64_t ms);
};

struct platform_config {
	const struct dir_source *source; /* with connect */
	struct store_link *db;
	const char *owner;
	int64_t lease_ms;	      /* for so long nobody else takes over when we are killed */
	bool (*stopping)(void *user); /* NULL: never */
	int (*alive)(void *user, struct fault *f); /* while waiting and between requests; or NULL */
	const struct platform_clock *clock;	   /* NULL: the machine's */
	void *user;
};

/* Asks nothing yet. E_CONFLICT: somebody else asks this platform just now. E_INVALID: the source
 * has no credentials. */
MUST int platform_open(struct platform **out, const struct platform_config *, struct fault *f);
/* Ends the session with the platform, when there is one. */
void platform_close(struct platform *);

struct platform_ask {
	enum http_method method;
	const char *url; /* a path of the source's api_base, or whole: of the same host or of
			    ringcentral.com, since the token goes with it */
	enum rate_group group;
	const char *accept; /* NULL: application/json */
	struct span body;
	int64_t timeout_ms; /* 0: a minute */
	size_t limit;	    /* of the answer; 0: 16 MiB */
};
struct platform_answer {
	int status; /* 200 to 299, or 404; of one that failed, what came last */
	struct buf body, type;
};
/* 401 - once more with another token; 429 - after its penalty, during which nothing is sent; 408,
 * 5xx, no answer - after growing pauses. Redirections are not followed: the token would go along.
 * E_CLOSED: the credentials are refused. E_DENIED: this request is (a permission). E_UNAVAILABLE:
 * it did not get better, its token cannot be read, or stopping. E_TOO_LARGE. E_INVALID: refused
 * otherwise, or no URL of the platform. E_CORRUPT: what came is not the JSON that was wanted
 * (`accept` NULL). E_LOST: somebody else took over. Free body and type in every case. */
MUST int platform_ask(struct platform *, const struct platform_ask *, struct platform_answer *,
		      struct fault *f);
void platform_answer_free(struct platform_answer *);
/* RingCX: the id of the RingCentral account it belongs to; valid as long as the session. */
MUST int platform_account(struct platform *, struct span *id, struct fault *f);
/* Sleeps, alive. E_UNAVAILABLE: stopping. */
MUST int platform_wait(struct platform *, int64_t ms, struct fault *f);

#endif
