/* Happy path: listen → frames of live audio go out as binary messages until unlisten, or until the
 * audio is over ("listen-end"). Failure modes: no audio, or not kept (listen-end with the reason);
 * the watcher reads too slowly - frames are left out as long as the queue is half full, and it is
 * told how many when there is room again; levels are left out without a word. Events never wait
 * behind audio. Who listened to what is in the audit log. */
#include "api/listening.h"

#include "api/query.h"
#include "base/log.h"

static size_t room_of(const struct watcher *w)
{
	size_t all = w->home->api->common->config.watcher_queue_bytes;

	return (all ? all : 1024 * 1024) / 4 * 3;
}

static void begin(struct json_out *o, const char *type, struct span id)
{
	json_begin(o, NULL);
	json_put_z(o, "type", type);
	if (id.n)
		json_put_raw(o, "id", id);
}

static struct span id_of(const struct watcher *w)
{
	return (struct span){ w->listen_id, w->listen_id_n };
}

/* --- frames --- */

static void tell_dropped(struct watcher *w)
{
	struct buf b = { 0 };
	struct json_out o = { .b = &b };

	begin(&o, "listen-dropped", id_of(w));
	json_put_i64(&o, "frames", w->listen_dropped);
	json_end(&o);
	w->listen_dropped = 0;
	watcher_send_buf(w, &b);
}

static bool on_frame(void *user, struct message *frame)
{
	struct watcher *w = user;

	if (w->state != WATCHER_FLOWING || watcher_behind(w) ||
	    ws_queued_bytes(w->ws) + message_text(frame).n > room_of(w)) {
		w->listen_dropped++;
		return false;
	}
	if (w->listen_dropped)
		tell_dropped(w);
	return ws_send(w->ws, frame) == 0;
}

static void on_over(void *user, enum listen_end why)
{
	struct watcher *w = user;
	struct buf b = { 0 };
	struct json_out o = { .b = &b };

	listen_stop(take(w->listener));
	begin(&o, "listen-end", id_of(w));
	json_put_z(&o, "reason", listen_end_name(why));
	json_end(&o);
	watcher_send_buf(w, &b);
}

static void on_noted(void *user, const struct store_answer *a)
{
	(void)user;
	if (a->code)
		log_warn("audit", "a listener is not in the audit log: %.*s", SPAN_ARG(a->detail));
}

static void audit(struct watcher *w, const char *call, const char *leg)
{
	char org[UUID_TEXT + 1], what[64];
	const char *params[] = { org, w->caller.actor, "listen", call, what, NULL };

	uuid_format(&w->caller.org, org);
	snprintf(what, sizeof(what), "{\"leg\":\"%s\"}", leg);
	log_info("audit", "%s listens to call %s (%s)", w->caller.actor, call, leg);
	if (query_run(w->home->api, "api_calls_audio", params, 6, on_noted, NULL))
		log_warn("audit", "a listener is not in the audit log: too many queries wait");
}

void listening_start(struct watcher *w, const struct uuid *call, enum listen_leg leg,
		     int64_t from_ms, struct span id)
{
	static const char *const names[] = { "customer", "assistant", "mix" };
	const struct listen_handlers handlers = { on_frame, on_over, w };
	struct api *api = w->home->api;
	char text[UUID_TEXT + 1];
	struct buf b = { 0 };
	struct json_out o = { .b = &b };

	listening_stop(w);
	uuid_format(call, text);
	w->listen_id_n = id.n;
	if (id.n)
		memcpy(w->listen_id, id.p, id.n);
	begin(&o, "listening", id);
	json_put_z(&o, "call", text);
	json_put_z(&o, "leg", names[leg]);
	json_put_i64(&o, "rate", LISTEN_RATE_HZ);
	json_put_i64(&o, "frame_ms", LISTEN_FRAME_MS);
	json_end(&o);
	watcher_send_buf(w, &b);
	audit(w, text, names[leg]);
	w->listener = listen_start(api->common->config.listen, api->shard, &w->caller.org, call,
				   leg, from_ms, &handlers);
}

void listening_stop(struct watcher *w)
{
	listen_stop(take(w->listener));
	w->listen_dropped = 0;
}

/* --- levels --- */

static bool sees(const struct watcher *w, const struct uuid *project, const struct uuid *call)
{
	return w->all || scopes_has(w, SCOPE_PROJECT, project) || scopes_has(w, SCOPE_CALL, call);
}

static void on_levels(void *user, const struct uuid *org, const struct uuid *project,
		      const struct uuid *call, struct message *m)
{
	const struct watchers *all = user;

	for (struct watcher *w = all->list; w; w = w->next) {
		bool wanted = w->levels && w->state == WATCHER_FLOWING && !watcher_behind(w) &&
			      uuid_eq(&w->caller.org, org) && sees(w, project, call);
		if (wanted && ws_queued_bytes(w->ws) < room_of(w) && ws_send(w->ws, m))
			continue; /* the next one comes in a moment */
	}
}

void listening_levels(struct watcher *w, bool on)
{
	struct watchers *all = w->home;
	struct listen *listen = all->api->common->config.listen;

	if (!listen || w->levels == on)
		return;
	w->levels = on;
	all->levels_n += on ? 1u : -1u;
	if (on && all->levels_n == 1)
		listen_levels(listen, all->api->shard, on_levels, all);
	else if (!on && all->levels_n == 0)
		listen_levels(listen, all->api->shard, NULL, NULL);
}
