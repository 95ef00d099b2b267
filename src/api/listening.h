/* Live audio over WS /api/v1/live: listen, unlisten, levels (docs/media.md). Private to live_ws.c
 * and watchers.c; one shard's thread. */
#ifndef CALLMEND_API_LISTENING_H
#define CALLMEND_API_LISTENING_H

#include "api/watcher.h"
#include "callmend/listen.h"

/* Begins to listen for a watcher, instead of what it listened to before. `id`: JSON of the
 * message's correlation id, empty: none; at most WATCHER_ID_MAX. */
void listening_start(struct watcher *, const struct uuid *call, enum listen_leg, int64_t from_ms,
		     struct span id);
void listening_stop(struct watcher *);
/* The watcher wants levels of the calls in its scopes, or no longer. */
void listening_levels(struct watcher *, bool on);

#endif
