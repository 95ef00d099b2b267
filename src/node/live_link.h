/* The connection to WS /api/v1/live, for verbs: subscribes, hands messages on, measures the way
 * there and back, and comes back with growing pauses when the connection is lost. On the loop's
 * thread. */
#ifndef CALLMEND_NODE_LIVE_LINK_H
#define CALLMEND_NODE_LIVE_LINK_H

#include <uv.h>

#include "base/json.h"
#include "node/remote.h"

struct live_link;

enum live_link_change {
	LINK_OPEN,    /* subscribed; snapshots follow */
	LINK_LOST,    /* or never came about; another try follows by itself */
	LINK_REFUSED, /* the node does not let us in: no further try */
};

struct live_link_handlers {
	void (*message)(void *user, struct json message); /* checked; valid during the call */
	void (*changed)(void *user, enum live_link_change);
};

struct live_link_ask {
	const char *call; /* NULL: all calls */
	int coalesce_ms;
	bool levels; /* also levels of live audio */
};

MUST int live_link_new(struct live_link **out, uv_loop_t *, struct remote *,
		       const struct live_link_ask *, const struct live_link_handlers *, void *user,
		       struct fault *f);
void live_link_free(struct live_link *);

bool live_link_is_open(const struct live_link *);
bool live_link_was_open(const struct live_link *);   /* ever */
int live_link_status(const struct live_link *);	     /* HTTP status of the last refusal; 0: none */
int64_t live_link_lag_ms(const struct live_link *);  /* there and back; -1: not known */
const char *live_link_why(const struct live_link *); /* of the last loss */
/* One line: "live", "connecting ...", "lost (connection refused), again in 3 s". Valid until the
 * next call. */
const char *live_link_text(struct live_link *);
/* A message of ours, such as a command. E_CLOSED when there is no connection. */
MUST int live_link_send(struct live_link *, struct span json);

#endif
