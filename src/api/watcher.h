/* One live WebSocket connection and what it subscribes to. Private to live_ws.c, watchers.c,
 *scopes.c; one shard's thread.
 *
 *	live ──events──► watchers ──► watcher ─ scopes: which calls, from which sequence on
 *	                                │     └ coalesce: partial transcripts that wait
 *	                                ├► backlog: what waits behind a large snapshot
 *	                                └► ws queue (bounded by net)
 *
 * A watcher is FLOWING, or RESYNCING after it was too slow: then nothing is sent until its queue
 *has drained, and every scope starts again with a snapshot. */
#ifndef CALLMEND_API_WATCHER_H
#define CALLMEND_API_WATCHER_H

#include <uthash.h>

#include "api/coalesce.h"
#include "api/internal.h"

enum {
	WATCHER_CALLS_MAX = 1000, /* calls subscribed one by one */
	WATCHER_PROJECTS_MAX = 32,
	WATCHER_SNAPSHOTS_MAX = 8,	 /* asked for and not yet there */
	WATCHER_COMMANDS_MAX = 32,	 /* without an answer yet */
	WATCHER_PIECE_BYTES = 64 * 1024, /* a snapshot is sent in messages of about this size */
	WATCHER_BACKLOG_BYTES = 4 * 1024 * 1024, /* of events behind a snapshot; more: too slow */
	WATCHER_ID_MAX = 64,			 /* bytes of a correlation id, as JSON */
};

enum watcher_state { WATCHER_FLOWING, WATCHER_RESYNCING };

struct backlog {
	struct message **ring;
	size_t head, n, cap;
	size_t event_bytes; /* without the snapshots themselves */
};

struct watcher {
	struct watchers *home; /* NULL: the api has stopped */
	struct ws *ws;
	struct watcher *prev, *next;
	struct caller caller;
	enum watcher_state state;
	int64_t resync_since_us;

	struct scope *all;			    /* or NULL */
	struct scope *scopes;			    /* hash of every scope, also `all` */
	struct scope *waiting_first, *waiting_last; /* for their snapshot */
	size_t calls_n, projects_n;
	struct snapping *snaps; /* asked for */
	unsigned snaps_n;
	bool pumping;

	struct coalesce partials;
	int64_t coalesce_ms; /* 0: off */
	int64_t flush_at_us; /* when there are partials */

	struct backlog backlog;
	struct waiting_command *commands;
	unsigned commands_n;

	struct listener *listener; /* live audio (listening.c), or NULL */
	unsigned listen_dropped;   /* frames it was too slow for */
	size_t listen_id_n;
	char listen_id[WATCHER_ID_MAX];
	bool levels;
};

/* --- watchers.c: the shard's watchers, and how messages leave --- */
struct watchers {
	struct api *api;
	struct watcher *list;
	uv_timer_t tick;
	unsigned ticks;
	unsigned levels_n; /* watchers that want levels */
};

void watchers_add(struct watchers *, struct watcher *);
void watchers_remove(struct watcher *);
/* Takes its own reference. What does not fit: E_FULL behind a snapshot waits in the backlog,
 * otherwise the watcher is resynced. */
void watcher_send(struct watcher *, struct message *);
/* A piece of a snapshot: waits in the backlog when it does not fit. Takes over the reference. */
void watcher_send_piece(struct watcher *, struct message *);
/* Takes over the text. */
void watcher_send_buf(struct watcher *, struct buf *);
void watcher_flush_partials(struct watcher *);
void watcher_drained(struct watcher *);
bool watcher_behind(const struct watcher *); /* has a backlog */
/* Gives back everything but the struct itself. */
void watcher_fini(struct watcher *);

/* --- scopes.c: subscriptions --- */
enum scope_kind { SCOPE_ALL, SCOPE_PROJECT, SCOPE_CALL };

/* One subscribe message: when all its scopes have their snapshot, "ready" is sent. */
struct asked;
struct asked *scopes_asked_new(struct span id_json, size_t after_n, const uint64_t *after);
void scopes_asked_release(struct watcher *, struct asked *);

/* Adds (or restarts) a scope; it waits for its snapshot until scopes_pump. E_FULL: the bound is
 * reached. */
MUST int scopes_add(struct watcher *, enum scope_kind, const struct uuid *id, struct asked *);
bool scopes_has(const struct watcher *, enum scope_kind, const struct uuid *id);
void scopes_remove(struct watcher *, enum scope_kind, const struct uuid *id);
void scopes_remove_all(struct watcher *);
/* Asks for snapshots as long as there is room. */
void scopes_pump(struct watcher *);
/* Every scope begins again. */
void scopes_restart(struct watcher *);
/* Is this event of an owner that has given its snapshot, and newer than it? */
bool scopes_match(const struct watcher *, const struct live_event *);
/* Forgets snapshots on their way: their callbacks will find nobody. */
void scopes_abandon(struct watcher *);

/* --- live_ws.c --- */
void live_ws_abandon_commands(struct watcher *);

#endif
