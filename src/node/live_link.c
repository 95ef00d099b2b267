#include "node/live_link.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "net/ws_client.h"

enum {
	MESSAGE_LIMIT = 16 * 1024 * 1024,
	PAUSE_FIRST_MS = 250,
	PAUSE_MOST_MS = 8000,
	PING_MS = 2000,
	HANDLES = 2,
};

struct live_link {
	uv_loop_t *loop;
	struct remote *remote;
	struct live_link_handlers handlers;
	void *user;
	struct ws_client *ws;
	struct buf url, subscribe;
	uv_timer_t again, ping;
	unsigned handles;
	bool open, was_open, refused;
	int status;
	struct backoff pause;
	int64_t again_at_us, pinged_us, lag_ms;
	char why[200], text[300];
};

/* --- connecting --- */

static void on_again(uv_timer_t *t);

static void wait_and_try(struct live_link *l)
{
	int64_t pause_ms = backoff_next_ms(&l->pause);

	l->again_at_us = clock_monotonic_us() + pause_ms * MS_US;
	uv_timer_start(&l->again, on_again, (uint64_t)pause_ms, 0);
}

static void lost(struct live_link *l, int status, const char *why)
{
	l->open = false;
	l->lag_ms = -1;
	l->status = status;
	snprintf(l->why, sizeof(l->why), "%.*s", (int)sizeof(l->why) - 1, why);
	uv_timer_stop(&l->ping);
	/* 4xx will be the same next time, except "too many requests". */
	l->refused = status >= 400 && status < 500 && status != 429;
	if (!l->refused)
		wait_and_try(l);
	l->handlers.changed(l->user, l->refused ? LINK_REFUSED : LINK_LOST);
}

static void try_now(struct live_link *l)
{
	struct fault f = { 0 };

	l->again_at_us = 0;
	if (ws_client_connect(l->ws, buf_z(&l->url), buf_z(&l->remote->token), &f))
		lost(l, 0, f.text);
}

static void on_again(uv_timer_t *t)
{
	try_now(t->data);
}

static void on_ping(uv_timer_t *t)
{
	struct live_link *l = t->data;

	if (ws_client_send(l->ws, SPAN("{\"type\":\"ping\",\"id\":\"lag\"}")) == 0)
		l->pinged_us = clock_monotonic_us();
}

static void on_open(void *user)
{
	struct live_link *l = user;

	if (ws_client_send(l->ws, buf_span(&l->subscribe)))
		return; /* closing again: `closed` follows */
	l->open = l->was_open = true;
	backoff_reset(&l->pause);
	uv_timer_start(&l->ping, on_ping, 0, PING_MS);
	l->handlers.changed(l->user, LINK_OPEN);
}

static void on_text(void *user, struct span text)
{
	struct live_link *l = user;
	struct fault f = { 0 };

	if (json_check(text, &f))
		return; /* not of a Callmend node; nothing to be done about a single message */
	struct json message = json_of(text);
	if (json_is_text(json_get(message, "type"), "pong") && l->pinged_us) {
		l->lag_ms = (clock_monotonic_us() - l->pinged_us) / MS_US;
		l->pinged_us = 0;
	}
	l->handlers.message(l->user, message);
}

static void on_closed(void *user, int status, const char *why)
{
	lost(user, status, why);
}

/* --- life --- */

static void write_subscribe(struct live_link *l, const struct live_link_ask *ask)
{
	struct json_out o = { .b = &l->subscribe };

	json_begin(&o, NULL);
	json_put_z(&o, "id", "all");
	json_put_z(&o, "type", "subscribe");
	if (ask->call) {
		json_begin_array(&o, "calls");
		json_put_z(&o, NULL, ask->call);
		json_end_array(&o);
	} else {
		json_put_bool(&o, "all", true);
	}
	if (ask->coalesce_ms)
		json_put_i64(&o, "coalesce_ms", ask->coalesce_ms);
	if (ask->levels)
		json_put_bool(&o, "levels", true);
	json_end(&o);
}

int live_link_new(struct live_link **out, uv_loop_t *loop, struct remote *remote,
		  const struct live_link_ask *ask, const struct live_link_handlers *handlers,
		  void *user, struct fault *f)
{
	static const struct ws_client_handlers ws_handlers = { .open = on_open,
							       .text = on_text,
							       .closed = on_closed };
	struct live_link *l = calloc(1, sizeof(*l));

	CHECK(l);
	*l = (struct live_link){ .loop = loop,
				 .remote = remote,
				 .handlers = *handlers,
				 .user = user,
				 .lag_ms = -1,
				 .pause = { .least_ms = PAUSE_FIRST_MS,
					    .most_ms = PAUSE_MOST_MS } };
	int rc = ws_client_new(&l->ws, loop, MESSAGE_LIMIT, &ws_handlers, l, f);
	if (rc) {
		free(l);
		return rc;
	}
	buf_printf(&l->url, "%s/api/v1/live", buf_z(&remote->url));
	write_subscribe(l, ask);
	CHECK(uv_timer_init(loop, &l->again) == 0 && uv_timer_init(loop, &l->ping) == 0);
	l->again.data = l->ping.data = l;
	l->handles = HANDLES;
	uv_timer_start(&l->again, on_again, 0, 0);
	*out = l;
	return 0;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct live_link *l = h->data;

	if (--l->handles)
		return;
	buf_free(&l->url);
	buf_free(&l->subscribe);
	free(l);
}

void live_link_free(struct live_link *l)
{
	if (!l)
		return;
	ws_client_free(l->ws);
	uv_close((uv_handle_t *)&l->again, on_handle_closed);
	uv_close((uv_handle_t *)&l->ping, on_handle_closed);
}

/* --- questions --- */

bool live_link_is_open(const struct live_link *l)
{
	return l->open;
}

bool live_link_was_open(const struct live_link *l)
{
	return l->was_open;
}

int live_link_status(const struct live_link *l)
{
	return l->status;
}

int64_t live_link_lag_ms(const struct live_link *l)
{
	return l->lag_ms;
}

const char *live_link_why(const struct live_link *l)
{
	return l->why;
}

const char *live_link_text(struct live_link *l)
{
	int64_t left_ms = l->again_at_us ? (l->again_at_us - clock_monotonic_us()) / MS_US : 0;

	if (l->open)
		return "live";
	if (l->refused)
		snprintf(l->text, sizeof(l->text), "refused (%d)", l->status);
	else if (l->again_at_us)
		snprintf(l->text, sizeof(l->text), "NO CONNECTION, again in %lld s (%s)",
			 (long long)(left_ms > 0 ? left_ms / 1000 + 1 : 0), l->why);
	else
		snprintf(l->text, sizeof(l->text), "connecting ...");
	return l->text;
}

int live_link_send(struct live_link *l, struct span json)
{
	return l->open ? ws_client_send(l->ws, json) : E_CLOSED;
}
