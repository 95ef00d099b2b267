/* Happy path: a scope waits → its snapshot is asked for → one part per owner arrives, is sent, and
 * opens the owner's gate → events with a higher sequence pass → all parts are there, "ready".
 * Failure modes: mailboxes are full (the scope keeps waiting, the tick tries again); the scope or
 * the watcher goes while the snapshot is on its way (its callbacks find nobody); the watcher is
 * resynced (everything on its way is forgotten, all scopes wait again). */
#include <stdlib.h>

#include "api/trim.h"
#include "api/watcher.h"
#include "base/json.h"

struct asked {
	unsigned refs; /* scopes that have no snapshot yet, and the maker */
	bool named;
	char id[WATCHER_ID_MAX + 1]; /* JSON */
	size_t after_n;
	uint64_t after[];
};

struct scope_key {
	uint8_t kind;
	struct uuid id;
};

struct gate {
	bool open;
	uint64_t after;
};

struct scope {
	struct scope_key key;
	UT_hash_handle hh;
	struct scope *next; /* among those that wait */
	bool waiting;
	struct snapping *snap;
	struct asked *asked; /* NULL: has been answered */
	size_t gates_n;	     /* one per owner; one in all for a single call */
	struct gate gates[];
};

/* A snapshot on its way. Outlives scope and watcher when they go first. */
struct snapping {
	struct watcher *watcher; /* NULL: gone */
	struct scope *scope;	 /* NULL: gone, or begun again */
	struct snapping *prev, *next;
};

/* --- asked --- */

struct asked *scopes_asked_new(struct span id_json, size_t after_n, const uint64_t *after)
{
	struct asked *a = calloc(1, sizeof(*a) + after_n * sizeof(a->after[0]));
	CHECK(a && id_json.n <= WATCHER_ID_MAX);
	a->refs = 1;
	a->named = id_json.n > 0;
	if (a->named)
		memcpy(a->id, id_json.p, id_json.n);
	a->after_n = after_n;
	if (after_n)
		memcpy(a->after, after, after_n * sizeof(after[0]));
	return a;
}

static void put_id(struct json_out *o, const struct asked *a)
{
	if (a && a->named)
		json_put_raw(o, "id", span_of(a->id));
}

void scopes_asked_release(struct watcher *w, struct asked *a)
{
	if (!a || --a->refs)
		return;
	if (w) {
		struct buf b = { 0 };
		struct json_out o = { .b = &b };
		json_begin(&o, NULL);
		json_put_z(&o, "type", "ready");
		put_id(&o, a);
		json_end(&o);
		watcher_send_buf(w, &b);
	}
	free(a);
}

/* --- scopes --- */

static struct scope_key key_of(enum scope_kind kind, const struct uuid *id)
{
	struct scope_key key = { .kind = (uint8_t)kind };
	if (id)
		key.id = *id;
	return key;
}

static struct scope *find(const struct watcher *w, const struct scope_key *key)
{
	struct scope *s;
	HASH_FIND(hh, w->scopes, key, sizeof(*key), s);
	return s;
}

static void wait_last(struct watcher *w, struct scope *s)
{
	s->waiting = true;
	s->next = NULL;
	if (w->waiting_last)
		w->waiting_last->next = s;
	else
		w->waiting_first = s;
	w->waiting_last = s;
}

static void stop_waiting(struct watcher *w, struct scope *s)
{
	if (!s->waiting)
		return;
	struct scope **at = &w->waiting_first, *before = NULL;
	while (*at != s) {
		before = *at;
		at = &(*at)->next;
	}
	*at = s->next;
	if (w->waiting_last == s)
		w->waiting_last = before;
	s->waiting = false;
}

static void detach_snap(struct scope *s)
{
	if (s->snap)
		s->snap->scope = NULL;
	s->snap = NULL;
}

static void close_gates(struct scope *s)
{
	for (size_t i = 0; i < s->gates_n; i++)
		s->gates[i] = (struct gate){ 0 };
}

static size_t *count_of(struct watcher *w, enum scope_kind kind)
{
	return kind == SCOPE_CALL ? &w->calls_n : &w->projects_n;
}

static bool has_room(struct watcher *w, enum scope_kind kind)
{
	static const size_t most[] = {
		[SCOPE_PROJECT] = WATCHER_PROJECTS_MAX, [SCOPE_CALL] = WATCHER_CALLS_MAX
	};
	return kind == SCOPE_ALL || *count_of(w, kind) < most[kind];
}

static struct scope *make(struct watcher *w, const struct scope_key *key)
{
	size_t owners = shards_count(shard_group(w->home->api->shard));
	size_t gates = key->kind == SCOPE_CALL ? 1 : owners;
	struct scope *s = calloc(1, sizeof(*s) + gates * sizeof(s->gates[0]));
	CHECK(s);
	s->key = *key;
	s->gates_n = gates;
	HASH_ADD(hh, w->scopes, key, sizeof(s->key), s);
	if (key->kind == SCOPE_ALL)
		w->all = s;
	else
		++*count_of(w, key->kind);
	return s;
}

int scopes_add(struct watcher *w, enum scope_kind kind, const struct uuid *id, struct asked *asked)
{
	struct scope_key key = key_of(kind, id);
	struct scope *s = find(w, &key);
	if (!s && !has_room(w, kind))
		return E_FULL;
	if (!s)
		s = make(w, &key);
	detach_snap(s);
	close_gates(s);
	asked->refs++;
	scopes_asked_release(w, s->asked);
	s->asked = asked;
	if (!s->waiting)
		wait_last(w, s);
	return 0;
}

static void remove_scope(struct watcher *w, struct scope *s)
{
	stop_waiting(w, s);
	detach_snap(s);
	HASH_DELETE(hh, w->scopes, s);
	if (s == w->all)
		w->all = NULL;
	else
		--*count_of(w, (enum scope_kind)s->key.kind);
	scopes_asked_release(w->home ? w : NULL, s->asked);
	free(s);
}

bool scopes_has(const struct watcher *w, enum scope_kind kind, const struct uuid *id)
{
	struct scope_key key = key_of(kind, id);
	return find(w, &key) != NULL;
}

void scopes_remove(struct watcher *w, enum scope_kind kind, const struct uuid *id)
{
	struct scope_key key = key_of(kind, id);
	struct scope *s = find(w, &key);
	if (s)
		remove_scope(w, s);
}

void scopes_remove_all(struct watcher *w)
{
	struct scope *s, *next;
	HASH_ITER (hh, w->scopes, s, next)
		remove_scope(w, s);
}

static bool passes(const struct scope *s, const struct live_event *e)
{
	size_t i = s->key.kind == SCOPE_CALL ? 0 : e->owner;
	return i < s->gates_n && s->gates[i].open && e->seq > s->gates[i].after;
}

static bool key_passes(const struct watcher *w, enum scope_kind kind, const struct uuid *id,
		       const struct live_event *e)
{
	struct scope_key key = key_of(kind, id);
	const struct scope *s = find(w, &key);
	return s && passes(s, e);
}

bool scopes_match(const struct watcher *w, const struct live_event *e)
{
	if (w->all && passes(w->all, e))
		return true;
	return (w->calls_n && key_passes(w, SCOPE_CALL, &e->call, e)) ||
	       (w->projects_n && key_passes(w, SCOPE_PROJECT, &e->project, e));
}

/* --- snapshots --- */

/* A part is sent in pieces, so that none is larger than a send queue. */
struct piece {
	struct buf b;
	struct json_out o;
	const struct scope *scope;
	const struct live_part *part;
	size_t room; /* for one call */
};

static void begin_piece(struct piece *p, const struct watcher *w)
{
	p->b = (struct buf){ 0 };
	p->o = (struct json_out){ .b = &p->b };
	json_begin(&p->o, NULL);
	json_put_z(&p->o, "type", p->part->resumed ? "events" : "snapshot");
	put_id(&p->o, p->scope->asked);
	if (p->part->resumed)
		json_put_bool(&p->o, "resumed", true);
	json_put_i64(&p->o, "owner", p->part->owner);
	json_put_z(&p->o, "epoch", live_epoch(api_live(w->home->api)));
	json_put_i64(&p->o, "last_seq", (int64_t)p->part->last_seq);
	json_begin_array(&p->o, p->part->resumed ? "events" : "calls");
}

static void put_call(struct piece *p, struct json call)
{
	struct buf smaller AUTO_BUF = { 0 };
	if (call.raw.n <= p->room) {
		json_put_raw(&p->o, NULL, call.raw);
		return;
	}
	trim_call(call, p->room, &smaller);
	json_put_raw(&p->o, NULL, buf_span(&smaller));
}

static void put_item(struct piece *p, struct json item)
{
	if (!p->part->resumed) {
		put_call(p, item);
		return;
	}
	json_begin(&p->o, NULL);
	json_put_i64(&p->o, "owner", p->part->owner);
	json_put_raw(&p->o, "event", item.raw);
	json_end(&p->o);
}

static void send_piece(struct piece *p, struct watcher *w, bool more)
{
	json_end_array(&p->o);
	json_put_bool(&p->o, "more", more);
	json_end(&p->o);
	watcher_send_piece(w, message_new(buf_span(&p->b)));
	buf_free(&p->b);
}

/* Small enough that one more call fits behind it. */
static size_t piece_limit(const struct watcher *w)
{
	size_t quarter = w->home->api->common->config.watcher_queue_bytes / 4;
	return quarter < WATCHER_PIECE_BYTES ? quarter : WATCHER_PIECE_BYTES;
}

static void send_part(struct watcher *w, const struct scope *s, const struct live_part *part)
{
	struct piece p = { .scope = s, .part = part };
	p.room = w->home->api->common->config.watcher_queue_bytes / 2;
	struct json_iter it = json_iter(json_of(part->json));
	struct span key;
	struct json item;
	begin_piece(&p, w);
	while (json_next(&it, &key, &item)) {
		if (p.b.n > piece_limit(w)) {
			send_piece(&p, w, true);
			begin_piece(&p, w);
		}
		put_item(&p, item);
	}
	send_piece(&p, w, false);
}

static void on_part(void *user, const struct live_part *part)
{
	struct snapping *snap = user;
	if (!snap->watcher || !snap->scope)
		return;
	struct scope *s = snap->scope;
	size_t gate = s->key.kind == SCOPE_CALL ? 0 : part->owner;
	CHECK(gate < s->gates_n);
	/* An older partial must not arrive behind the snapshot that covers it. */
	watcher_flush_partials(snap->watcher);
	if (!snap->scope)
		return; /* that was too much for the watcher: it has been resynced */
	send_part(snap->watcher, s, part);
	s->gates[gate] = (struct gate){ .open = true, .after = part->last_seq };
}

static void unlink_snap(struct snapping *snap)
{
	struct watcher *w = snap->watcher;
	if (!w)
		return;
	if (snap->prev)
		snap->prev->next = snap->next;
	else
		w->snaps = snap->next;
	if (snap->next)
		snap->next->prev = snap->prev;
	w->snaps_n--;
	snap->watcher = NULL;
}

static void on_done(void *user)
{
	struct snapping *snap = user;
	struct watcher *w = snap->watcher;
	struct scope *s = snap->scope;
	unlink_snap(snap);
	free(snap);
	if (w && s) {
		s->snap = NULL;
		scopes_asked_release(w, take(s->asked));
	}
	if (w)
		scopes_pump(w);
}

static struct snapping *snap_new(struct watcher *w, struct scope *s)
{
	struct snapping *snap = calloc(1, sizeof(*snap));
	CHECK(snap);
	snap->watcher = w;
	snap->scope = s;
	snap->next = w->snaps;
	if (snap->next)
		snap->next->prev = snap;
	w->snaps = snap;
	w->snaps_n++;
	s->snap = snap;
	return snap;
}

static bool ask(struct watcher *w, struct scope *s)
{
	struct api *api = w->home->api;
	struct snapping *snap = snap_new(w, s);
	struct uuid call = s->key.id; /* the scope may go while live calls us back */
	struct live_query query = {
		.org = w->caller.org,
		.call = s->key.kind == SCOPE_CALL ? &call : NULL,
		.after = s->asked && s->asked->after_n ? s->asked->after : NULL,
		.after_n = s->asked ? s->asked->after_n : 0,
		.part = on_part,
		.done = on_done,
		.user = snap,
	};
	if (s->key.kind == SCOPE_PROJECT)
		query.project = s->key.id;
	if (live_snapshot(api_live(api), api->shard, &query) == 0)
		return true;
	s->snap = NULL;
	unlink_snap(snap);
	free(snap);
	return false;
}

void scopes_pump(struct watcher *w)
{
	if (w->pumping || !w->home)
		return;
	w->pumping = true; /* live may call back from within */
	while (w->waiting_first && w->state == WATCHER_FLOWING && !watcher_behind(w) &&
	       w->snaps_n < WATCHER_SNAPSHOTS_MAX) {
		struct scope *s = w->waiting_first;
		stop_waiting(w, s);
		if (ask(w, s))
			continue;
		wait_last(w, s);
		break;
	}
	w->pumping = false;
}

void scopes_abandon(struct watcher *w)
{
	while (w->snaps) {
		struct snapping *snap = w->snaps;
		if (snap->scope)
			snap->scope->snap = NULL;
		snap->scope = NULL;
		unlink_snap(snap);
	}
}

void scopes_restart(struct watcher *w)
{
	struct asked *again = scopes_asked_new((struct span){ 0 }, 0, NULL);
	struct scope *s, *next;
	HASH_ITER (hh, w->scopes, s, next) {
		close_gates(s);
		detach_snap(s);
		if (!s->asked) {
			s->asked = again;
			again->refs++;
		} else {
			s->asked->after_n = 0; /* what it had to resume from was dropped */
		}
		if (!s->waiting)
			wait_last(w, s);
	}
	scopes_asked_release(w, again);
}
