/* Happy path: an event comes → for each watcher of its organisation with a scope that lets it
 * through → the event's own message, by reference. Failure modes: a watcher's queue is full →
 * everything queued is dropped, counted, the watcher told ("resync"), and a fresh snapshot follows
 * when it has read what is left; it reads nothing for slow_watcher_ms → closed 1008; its token is
 * revoked → closed 4401. Nobody else notices. */
#include "api/watchers.h"

#include <stdlib.h>

#include "api/listening.h"
#include "api/watcher.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/metrics.h"

enum {
	TICK_MS = 20,
	TICKS_PER_CHECK = 50,
	CLOSE_SLOW = 1008,
	CLOSE_RESTART = 1012,
	CLOSE_REVOKED = 4401
};

/* --- backlog --- */

static void backlog_put(struct backlog *b, struct message *m)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 16;
		struct message **ring = calloc(cap, sizeof(struct message *));
		CHECK(ring);
		for (size_t i = 0; i < b->n; i++)
			ring[i] = b->ring[(b->head + i) % b->cap];
		free(b->ring);
		*b = (struct backlog){
			.ring = ring, .n = b->n, .cap = cap, .event_bytes = b->event_bytes
		};
	}
	b->ring[(b->head + b->n++) % b->cap] = m;
}

static struct message *backlog_first(const struct backlog *b)
{
	return b->ring[b->head];
}

static void backlog_drop_first(struct backlog *b)
{
	message_unref(backlog_first(b));
	b->head = (b->head + 1) % b->cap;
	if (--b->n == 0)
		b->event_bytes = 0;
}

static void backlog_fini(struct backlog *b)
{
	while (b->n)
		backlog_drop_first(b);
	free(b->ring);
	*b = (struct backlog){ 0 };
}

bool watcher_behind(const struct watcher *w)
{
	return w->backlog.n > 0;
}

/* --- sending --- */

static void send_resync(struct watcher *w, const char *reason)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	json_begin(&o, NULL);
	json_put_z(&o, "type", "resync");
	json_put_z(&o, "reason", reason);
	json_end(&o);
	struct message *m = message_new(buf_span(&b));
	/* The queue was emptied before. When it is refused even so, the connection is closing. */
	int rc = ws_send(w->ws, m);
	message_unref(m);
	if (rc)
		ws_close(w->ws, CLOSE_SLOW, "too slow");
}

static void resync(struct watcher *w, const char *reason)
{
	ws_drop_queue(w->ws);
	backlog_fini(&w->backlog);
	coalesce_clear(&w->partials);
	scopes_abandon(w);
	w->state = WATCHER_RESYNCING;
	w->resync_since_us = clock_monotonic_us();
	send_resync(w, reason);
}

static void too_slow(struct watcher *w)
{
	metric_add(METRIC_WATCHER_DROPS, 1);
	resync(w, "slow");
}

void watcher_send(struct watcher *w, struct message *m)
{
	if (w->state != WATCHER_FLOWING)
		return;
	if (!watcher_behind(w)) {
		if (ws_send(w->ws, m) == E_FULL)
			too_slow(w);
		return;
	}
	w->backlog.event_bytes += message_text(m).n;
	if (w->backlog.event_bytes > WATCHER_BACKLOG_BYTES)
		too_slow(w);
	else
		backlog_put(&w->backlog, message_ref(m));
}

void watcher_send_piece(struct watcher *w, struct message *m)
{
	if (w->state == WATCHER_FLOWING && (watcher_behind(w) || ws_send(w->ws, m) == E_FULL))
		backlog_put(&w->backlog, message_ref(m));
	message_unref(m);
}

void watcher_send_buf(struct watcher *w, struct buf *text)
{
	struct message *m = message_new(buf_span(text));
	watcher_send(w, m);
	message_unref(m);
	buf_free(text);
}

static void resume_after_resync(struct watcher *w)
{
	w->state = WATCHER_FLOWING;
	scopes_restart(w);
	scopes_pump(w);
}

void watcher_drained(struct watcher *w)
{
	if (!w->home)
		return;
	if (w->state == WATCHER_RESYNCING) {
		resume_after_resync(w);
		return;
	}
	while (watcher_behind(w)) {
		int rc = ws_send(w->ws, backlog_first(&w->backlog));
		if (rc == E_FULL && ws_queued_bytes(w->ws) > 0)
			return; /* the rest when this has gone */
		if (rc == E_FULL) {
			ws_close(w->ws, 1009,
				 "a single call's snapshot is larger than the send queue");
			return;
		}
		backlog_drop_first(&w->backlog);
	}
	scopes_pump(w);
}

/* --- events --- */

static void put_event(struct json_out *o, const struct live_event *e)
{
	json_begin(o, NULL);
	json_put_i64(o, "owner", e->owner);
	json_put_raw(o, "event", e->event_json);
	json_end(o);
}

static void collect(void *user, struct live_event *e)
{
	put_event(user, e);
}

void watcher_flush_partials(struct watcher *w)
{
	if (coalesce_count(&w->partials) == 0)
		return;
	struct buf b = { 0 };
	struct json_out o = { .b = &b };
	json_begin(&o, NULL);
	json_put_z(&o, "type", "events");
	json_begin_array(&o, "events");
	coalesce_take_all(&w->partials, collect, &o);
	json_end_array(&o);
	json_end(&o);
	watcher_send_buf(w, &b);
}

static void send_event(void *user, struct live_event *e)
{
	watcher_send(user, e->message);
}

static void deliver(struct watcher *w, struct live_event *e)
{
	if (w->coalesce_ms && e->type == EVENT_TRANSCRIPT_PARTIAL) {
		if (coalesce_count(&w->partials) == 0)
			w->flush_at_us = clock_monotonic_us() + w->coalesce_ms * MS_US;
		coalesce_put(&w->partials, e);
		return;
	}
	/* A partial must not overtake, nor be overtaken by, another event of its call. */
	coalesce_take_call(&w->partials, &e->call, send_event, w);
	watcher_send(w, e->message);
}

/* Events on their way to this shard were lost. Who is resyncing anyway gets its snapshot later. */
static void on_gap(struct watchers *all)
{
	for (struct watcher *w = all->list; w; w = w->next)
		if (w->state == WATCHER_FLOWING)
			resync(w, "overload");
}

static void on_event(void *user, struct live_event *e)
{
	struct watchers *all = user;
	if (!e) {
		on_gap(all);
		return;
	}
	for (struct watcher *w = all->list; w; w = w->next)
		if (w->state == WATCHER_FLOWING && uuid_eq(&w->caller.org, &e->org) &&
		    scopes_match(w, e))
			deliver(w, e);
}

void watchers_tell(struct watchers *all, const struct uuid *org, struct message *m)
{
	for (struct watcher *w = all->list; w; w = w->next)
		if (uuid_eq(&w->caller.org, org))
			watcher_send(w, m);
}

/* --- time --- */

static void check_watcher(struct watcher *w, const struct directory *d, int64_t now_us)
{
	int64_t patience_us = w->home->api->common->config.slow_watcher_ms * MS_US;
	if (!auth_still_valid(d, &w->caller, clock_now_us()))
		ws_close(w->ws, CLOSE_REVOKED, "the token was revoked, changed or has expired");
	else if (w->state == WATCHER_RESYNCING && now_us - w->resync_since_us > patience_us)
		ws_close(w->ws, CLOSE_SLOW, "reads nothing");
}

static void on_tick(uv_timer_t *timer)
{
	struct watchers *all = timer->data;
	int64_t now_us = clock_monotonic_us();
	bool check = ++all->ticks % TICKS_PER_CHECK == 0;
	for (struct watcher *w = all->list, *next; w; w = next) {
		next = w->next;
		if (w->flush_at_us <= now_us)
			watcher_flush_partials(w);
		if (watcher_behind(w) && ws_queued_bytes(w->ws) == 0)
			watcher_drained(w); /* nothing was sent, so nobody calls */
		scopes_pump(w);		    /* those a full mailbox refused before */
		if (check)
			check_watcher(w, live_directory(api_live(all->api), all->api->shard),
				      now_us);
	}
}

/* --- coming and going --- */

struct watchers *watchers_new(struct api *api)
{
	struct watchers *all = calloc(1, sizeof(*all));
	CHECK(all);
	all->api = api;
	CHECK(uv_timer_init(shard_loop(api->shard), &all->tick) == 0);
	all->tick.data = all;
	return all;
}

/* Events are mailed to this shard, and the timer runs, only while somebody watches here. */
static void wake(struct watchers *all)
{
	live_listen(api_live(all->api), all->api->shard, on_event, all);
	CHECK(uv_timer_start(&all->tick, on_tick, TICK_MS, TICK_MS) == 0);
}

static void sleep_again(struct watchers *all)
{
	live_listen(api_live(all->api), all->api->shard, NULL, NULL);
	uv_timer_stop(&all->tick);
}

void watchers_add(struct watchers *all, struct watcher *w)
{
	if (!all->list)
		wake(all);
	w->next = all->list;
	if (w->next)
		w->next->prev = w;
	all->list = w;
	metric_add(METRIC_WATCHERS, 1);
}

void watchers_remove(struct watcher *w)
{
	struct watchers *all = w->home;
	if (!all || (!w->prev && all->list != w))
		return; /* never opened */
	listening_stop(w);
	listening_levels(w, false);
	if (w->prev)
		w->prev->next = w->next;
	else
		all->list = w->next;
	if (w->next)
		w->next->prev = w->prev;
	metric_add(METRIC_WATCHERS, -1);
	if (!all->list)
		sleep_again(all);
}

void watcher_fini(struct watcher *w)
{
	w->home = NULL;
	live_ws_abandon_commands(w);
	scopes_abandon(w);
	scopes_remove_all(w);
	coalesce_clear(&w->partials);
	backlog_fini(&w->backlog);
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void watchers_stop(struct watchers *all)
{
	while (all->list) {
		struct watcher *w = all->list;
		watchers_remove(w);
		watcher_fini(w);
		ws_close(w->ws, CLOSE_RESTART, "the node is stopping");
	}
	uv_close((uv_handle_t *)&all->tick, on_timer_closed);
}
