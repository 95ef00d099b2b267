/* Events over the platform's WebSocket gateway. Happy path: a token for the socket, the socket,
 * ConnectionDetails, one subscription over it, notifications; a probe when it is silent; a new
 * connection to the same session before the platform ends the old one.
 *
 * Failure modes.
 *  - The socket is lost, or silent after a probe: connected again with the place where it was. The
 *    platform replays what came meanwhile ("Successful"), or does not know any more ("Failed", or
 *    too late): subscribed anew, and a resync.
 *  - It was away for more messages than the platform keeps: that says "Successful" and replays the
 *    newest. As many as it keeps, and some may be missing: a resync, as if it had failed.
 *  - A frame cannot be read: logged, and what it may have told of is asked for, as after a loss; at
 *    most every GARBLED_MS. One of an unknown type: logged.
 *  - The calls take nothing, and our queue is full: we hang up, and go on from the last message
 *    that was taken when there is room: the platform keeps 100 for its recovery time.
 *  - A permission is missing, filters are refused whole: DENIED, not tried again soon. Some filters
 *    are refused: the rest is served, health says so.
 *  - The connection is dropped again and again: pauses grow; tokens for sockets count in the group
 *    Auth besides.
 * URLs of sockets hold tokens and are never logged. */
#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "connect/grant.h"
#include "connect/head.h"
#include "connect/internal.h"

enum {
	PAUSE_MS = 1000,
	PAUSE_MAX_MS = 60000,
	SETTLED_MS = 60000, /* after so long without a loss pauses begin small again */
	DIAL_MS = 10000,
	DETAILS_MS = 20000, /* from the dial to ConnectionDetails */
	REPLY_MS = 20000,
	SILENCE_MS = 30000,
	PROBE_MS = 10000,
	AHEAD_MAX_S = 300, /* before the absolute timeout */
	AHEAD_PART = 10,
	GARBLED_MS = 60000,
	REPLAY_MS = 10000,     /* from one replayed message to the next */
	STAMP_SLACK_MS = 1000, /* Date has whole seconds */
	MESSAGE_MAX = 4 * 1024 * 1024,
};

static const struct ws_client_handlers handlers;

void gateway_init(struct login *s)
{
	struct gateway *g = &s->gateway;

	login_seed(&g->pause, PAUSE_MS, PAUSE_MAX_MS);
	stand(&g->standing, CONNECT_CONNECTING, "");
	g->recovery_us = WSG_RECOVERY_S * SECOND_US;
	g->lost_us = login_now(s);
}

static void request_over(struct login *s)
{
	struct gateway *g = &s->gateway;

	if (*g->request)
		purse_answered(s->purse, RATE_MEDIUM, NULL, login_now(s));
	*g->request = 0;
}

/* What the place is good for runs out from the moment the session was last heard of. */
static void hang_up(struct login *s)
{
	struct gateway *g = &s->gateway;

	if (g->step >= GATE_SUBSCRIBING)
		g->lost_us = login_now(s);
	g->step = GATE_IDLE;
	request_over(s);
	if (g->open)
		ws_client_disconnect(g->ws);
}

void gateway_free(struct login *s)
{
	struct gateway *g = &s->gateway;

	g->open = false;
	hang_up(s);
	ws_client_free(g->ws);
	buf_free(&g->place.token);
	buf_free(&g->subscription);
	*g = (struct gateway){ 0 };
}

static void forget_place(struct login *s)
{
	struct gateway *g = &s->gateway;

	buf_clear(&g->place.token);
	buf_clear(&g->subscription);
	tell_forget_places(&s->tell);
	s->keep.dirty = true;
}

static void again_in(struct login *s, int64_t ms)
{
	s->gateway.again_us = login_now(s) + ms * MS_US;
}

static void fail_gate(struct login *s, const struct trouble *t)
{
	struct gateway *g = &s->gateway;

	hang_up(s);
	again_in(s, stand_troubled(&g->standing, t, &g->pause));
	log_warn("connect", "source %s: %s", s->id_text, t->text);
}

static void fail_text(struct login *s, const char *text)
{
	struct trouble t = { .kind = TROUBLE_AGAIN };

	snprintf(t.text, sizeof(t.text), "gateway: %.200s", text);
	fail_gate(s, &t);
}

/* --- connecting --- */

static void put_url(struct buf *url, const struct oauth_ws *t, struct span place)
{
	bool has_query = memchr(t->uri.p, '?', t->uri.n) != NULL;

	buf_add(url, t->uri);
	buf_addz(url, has_query ? "&access_token=" : "?access_token=");
	buf_add_percent(url, t->access, BUF_IN_VALUE);
	if (!place.n)
		return;
	buf_addz(url, "&wsc=");
	buf_add_percent(url, place, BUF_IN_VALUE);
}

static void dial(struct login *s, const struct oauth_ws *t)
{
	struct gateway *g = &s->gateway;
	struct buf url AUTO_BUF = { 0 };
	struct fault f = { 0 };

	put_url(&url, t, buf_span(&g->place.token));
	const struct ws_connect k = { .url = buf_z(&url), .timeout_ms = DIAL_MS };
	if (!g->ws)
		ws_client_of(&g->ws, s->part->dialer, MESSAGE_MAX, &handlers, s);
	if (ws_client_dial(g->ws, &k, &f)) {
		fail_text(s, "its address cannot be dialled");
		return;
	}
	g->open = true;
	g->resuming = g->place.token.n > 0;
	g->step = GATE_DIALLING;
	g->step_until_us = login_now(s) + DETAILS_MS * MS_US;
}

static void fail_unknown(struct login *s)
{
	struct trouble t = { .kind = TROUBLE_DENIED };

	snprintf(t.text, sizeof(t.text),
		 "gateway: the platform gives a token without its address (uri), and only that of "
		 "platform.ringcentral.com is known: events webhook needs none");
	fail_gate(s, &t);
}

static void take_ws_token(struct login *s, struct oauth_ws *t)
{
	const struct grant_hosts hosts = { .base = s->base, .platform = s->platform };

	if (!t->uri.n)
		t->uri = grant_gateway(&hosts);
	if (t->uri.n)
		dial(s, t);
	else
		fail_unknown(s);
}

static void on_ws_token(struct ask *a, const struct client_response *r, int64_t provider_us)
{
	struct login *s = a->login;
	struct arena arena = { 0 };
	struct oauth_ws token;
	struct trouble t;
	struct fault f = { 0 };

	(void)provider_us;
	if (s->gateway.step != GATE_TOKEN)
		return;
	if (!response_good(r)) {
		trouble_of(r, "token for the gateway", &t);
		fail_gate(s, &t);
	} else if (oauth_read_ws(r->body, &arena, &token, &f)) {
		fail_text(s, f.text);
	} else {
		take_ws_token(s, &token);
	}
	arena_fini(&arena);
}

static void step_idle(struct login *s, int64_t now_us)
{
	struct gateway *g = &s->gateway;

	if (g->open || now_us < g->again_us || !tokens_bearer(s, now_us).n)
		return;
	if (g->full && !tell_has_room(&s->tell))
		return;
	g->full = false;
	if (g->place.token.n && now_us - g->lost_us > g->recovery_us)
		forget_place(s);
	stand(&g->standing, CONNECT_CONNECTING, "");
	struct ask *a = ask_new(s, HTTP_POST, "/restapi/oauth/wstoken", RATE_AUTH, on_ws_token);
	a->urgent = true;
	g->step = GATE_TOKEN;
	ask_post(a);
}

static void step_token(struct login *s, int64_t now_us)
{
	(void)s, (void)now_us; /* the request ends it */
}

static void step_dialling(struct login *s, int64_t now_us)
{
	if (now_us >= s->gateway.step_until_us)
		fail_text(s, "no ConnectionDetails in time");
}

/* --- subscribing --- */

static void live(struct login *s)
{
	struct gateway *g = &s->gateway;

	g->step = GATE_LIVE;
	g->live_us = g->heard_us;
	g->probed_us = 0;
	stand(&g->standing, CONNECT_LIVE, g->refused);
	s->keep.dirty = true;
}

static void put_subscription(const struct login *s, struct buf *out)
{
	struct json_out o = { .b = out };

	json_begin(&o, NULL);
	login_put_filters(s, &o);
	json_begin(&o, "deliveryMode");
	json_put_z(&o, "transportType", "WebSocket");
	json_end(&o);
	json_end(&o);
}

static void next_id(struct gateway *g, char out[24])
{
	snprintf(out, 24, "callmend-%u", ++g->messages);
}

/* The one request that goes over the socket: never more than one is under way. It is paid for. */
static void subscribe(struct login *s, int64_t now_us)
{
	struct gateway *g = &s->gateway;
	struct buf body AUTO_BUF = { 0 }, frame AUTO_BUF = { 0 };
	char id[24];

	next_id(g, id);
	put_subscription(s, &body);
	wsg_put_request(&frame, span_of(id), "POST", "/restapi/v1.0/subscription", buf_span(&body));
	if (ws_client_send(g->ws, buf_span(&frame))) {
		purse_unsent(s->purse, RATE_MEDIUM);
		fail_text(s, "the subscription cannot be sent");
		return;
	}
	memcpy(g->request, id, sizeof(id));
	g->step_until_us = now_us + REPLY_MS * MS_US;
}

static void step_subscribing(struct login *s, int64_t now_us)
{
	struct gateway *g = &s->gateway;

	if (*g->request && now_us >= g->step_until_us)
		fail_text(s, "no reply to the subscription in time");
	else if (!*g->request && purse_spend(s->purse, RATE_MEDIUM, true, now_us))
		subscribe(s, now_us);
}

static void put_head(struct json headers, struct buf *out)
{
	struct json_iter it = json_iter(headers);
	struct arena a = { 0 };
	struct span key;
	struct json value;

	while (json_next(&it, &key, &value)) {
		struct span text = json_text(value, &a);
		buf_printf(out, "%.*s: %.*s\n", SPAN_ARG(key), SPAN_ARG(text));
	}
	arena_fini(&a);
}

static void count_reply(struct login *s, const struct wsg_frame *w, int64_t now_us)
{
	struct buf head AUTO_BUF = { 0 };
	struct rate_answer rate;

	put_head(w->headers, &head);
	head_rate(buf_span(&head), (int)w->status, &rate);
	purse_answered(s->purse, RATE_MEDIUM, &rate, now_us);
	*s->gateway.request = 0;
}

static void lost(struct login *s)
{
	s->gateway.garbled = false;
	login_lost(s);
}

static void subscribed(struct login *s, const struct wsg_frame *w)
{
	struct gateway *g = &s->gateway;
	struct arena a = { 0 };

	*g->refused = 0;
	buf_clear(&g->subscription);
	buf_add(&g->subscription, json_text(json_get(w->body, "id"), &a));
	login_refused_filters(s, w->body, g->refused, sizeof(g->refused));
	lost(s);
	log_info("connect", "source %s: subscribed over the gateway", s->id_text);
	live(s);
	arena_fini(&a);
}

static void on_reply(struct login *s, const struct wsg_frame *w)
{
	struct gateway *g = &s->gateway;
	struct trouble t;

	if (g->step != GATE_SUBSCRIBING || !*g->request || !span_is(w->id, g->request))
		return;
	count_reply(s, w, g->heard_us);
	if (w->status >= 200 && w->status <= 299) {
		subscribed(s, w);
		return;
	}
	if (w->status == 401)
		tokens_refused(s, s->tokens.generation);
	trouble_of_status((int)w->status, w->body.raw, "subscription", &t);
	fail_gate(s, &t);
}

/* --- after a recovery --- */

/* What one connection has not got to the end of goes on in the next. */
static void replay_begins(struct login *s, int64_t kept)
{
	struct gateway *g = &s->gateway;
	int64_t ahead_us = s->provider_us - s->provider_at_us;

	g->replay.kept = kept;
	g->replay.back_us =
		s->provider_us ? g->heard_us + ahead_us + STAMP_SLACK_MS * MS_US : INT64_MAX;
	g->replay.until_us = g->heard_us + REPLAY_MS * MS_US;
}

static bool is_replayed(const struct gateway *g, struct json notification)
{
	struct arena a = { 0 };
	int64_t at_us = 0;
	bool stamped = clock_parse(json_text(json_get(notification, "timestamp"), &a), &at_us);

	arena_fini(&a);
	return g->heard_us < g->replay.until_us && (!stamped || at_us <= g->replay.back_us);
}

/* Of more than it keeps the platform replays the newest, and does not say that there were more. */
static void count_replayed(struct login *s, struct json notification)
{
	struct gateway *g = &s->gateway;

	if (!is_replayed(g, notification))
		return;
	g->replay.until_us = g->heard_us + REPLAY_MS * MS_US;
	if (++g->replay.n < g->replay.kept)
		return;
	log_warn("connect",
		 "source %s: %lld messages were missed, and no more are kept: live calls are asked "
		 "for",
		 s->id_text, (long long)g->replay.n);
	metric_add_label(METRIC_CONNECT_GATEWAYS, "overrun", 1);
	g->replay = (struct replay){ 0 };
	lost(s);
}

bool gateway_is_whole(const struct login *s, int64_t now_us)
{
	const struct gateway *g = &s->gateway;

	return g->step == GATE_LIVE && now_us >= g->replay.until_us && !g->garbled;
}

/* --- what comes --- */

static void on_details(struct login *s, const struct wsg_frame *w)
{
	struct gateway *g = &s->gateway;
	struct wsg_details d;
	struct trouble t;

	if (g->step != GATE_DIALLING)
		return;
	if (w->status >= 400) {
		trouble_of_status((int)w->status, w->body.raw, "gateway", &t);
		fail_gate(s, &t);
		return;
	}
	wsg_details_read(w->body, &d);
	int64_t ahead_s = d.absolute_s / AHEAD_PART;
	g->recovery_us = d.recovery_s * SECOND_US;
	g->renew_us = g->heard_us +
		      (d.absolute_s - (ahead_s < AHEAD_MAX_S ? ahead_s : AHEAD_MAX_S)) * SECOND_US;
	bool resumed = d.recovery == WSG_RECOVERED && g->resuming && g->subscription.n;
	metric_add_label(METRIC_CONNECT_GATEWAYS, resumed ? "recovered" : "new", 1);
	if (resumed) {
		log_info("connect", "source %s: back at the gateway, which knows where we were",
			 s->id_text);
		replay_begins(s, d.kept);
		live(s);
		return;
	}
	if (g->resuming)
		log_warn("connect", "source %s: events were lost: live calls are asked for",
			 s->id_text);
	g->replay = (struct replay){ 0 };
	buf_clear(&g->subscription);
	g->step = GATE_SUBSCRIBING;
	step_subscribing(s, g->heard_us);
}

/* Place after the message: it is not passed before that is taken. */
static void note_place(struct login *s, const struct wsg_frame *w)
{
	struct place *p = &s->gateway.place;

	if (!w->wsc.n || (w->type != WSG_DETAILS && p->token.n && w->sequence < p->sequence))
		return;
	buf_clear(&p->token);
	buf_add(&p->token, w->wsc);
	p->sequence = w->sequence;
	tell_place(s, w->wsc, w->sequence);
}

static void log_frame(const struct login *s, struct span frame, const char *what)
{
	struct buf shown AUTO_BUF = { 0 };

	wsg_show(frame, &shown);
	log_often(LOG_WARN, "connect", span_of(s->id_text),
		  "source %s: a frame of the gateway is left out: %.200s: %s", s->id_text, what,
		  buf_z(&shown));
}

/* Our place moves past it: it will not be replayed. */
static void cannot_read(struct login *s, struct span frame, const char *why)
{
	struct gateway *g = &s->gateway;

	log_frame(s, frame, why);
	g->garbled |= g->step == GATE_LIVE; /* before, a loss is due anyway */
	s->keep.dirty = true;
}

static void on_notification(struct login *s, const struct wsg_frame *w)
{
	struct gateway *g = &s->gateway;
	struct arena a = { 0 };

	if (w->body.kind != JSON_OBJECT) {
		cannot_read(s, w->raw, "a notification without an object");
		return;
	}
	count_replayed(s, w->body);
	if (texts_counted(s, w->body))
		return;
	struct span uuid = json_text(json_get(w->body, "uuid"), &a);
	struct span call = json_text(json_path(w->body, "body.telephonySessionId"), &a);

	if (tell_add(s, w->body.raw, uuid, call) == E_FULL) {
		fail_text(s, "hung up: the calls take nothing (is the journal full?)");
		g->full = true;
		metric_add_label(METRIC_CONNECT_EVENTS, "full", 1);
	}
	arena_fini(&a);
}

static void on_error(struct login *s, const struct wsg_frame *w)
{
	struct gateway *g = &s->gateway;
	struct trouble t;

	if (g->step == GATE_DIALLING && g->resuming)
		forget_place(s);
	trouble_of_status((int)w->status, w->body.raw, "gateway", &t);
	if (!t.known)
		t.kind = TROUBLE_AGAIN; /* idle, too old: what it announces before it hangs up */
	fail_gate(s, &t);
}

static void on_nothing(struct login *s, const struct wsg_frame *w)
{
	(void)s, (void)w;
}

static void on_other(struct login *s, const struct wsg_frame *w)
{
	log_frame(s, w->raw, "its type is unknown");
}

static void take_frame(struct login *s, const struct wsg_frame *w)
{
	static void (*const takes[])(struct login *, const struct wsg_frame *) = {
		[WSG_OTHER] = on_other,	      [WSG_DETAILS] = on_details,
		[WSG_REPLY] = on_reply,	      [WSG_NOTIFICATION] = on_notification,
		[WSG_HEARTBEAT] = on_nothing, [WSG_ERROR] = on_error,
	};
	struct gateway *g = &s->gateway;

	if (w->type == WSG_DETAILS && g->step == GATE_DIALLING)
		note_place(s, w);
	takes[w->type](s, w);
	if (w->type != WSG_DETAILS && g->step >= GATE_SUBSCRIBING)
		note_place(s, w);
}

static void on_text(void *user, struct span text)
{
	struct login *s = user;
	struct arena a = { 0 };
	struct wsg_frame w;
	struct fault f = { 0 };

	if (s->gateway.step < GATE_DIALLING)
		return; /* we have hung up */
	s->gateway.heard_us = login_now(s);
	if (wsg_read(text, &a, &w, &f))
		cannot_read(s, text, f.text);
	else
		take_frame(s, &w);
	arena_fini(&a);
	login_tick(s, login_now(s));
}

static void on_open(void *user)
{
	(void)user; /* ConnectionDetails comes first: until then nothing may be sent */
}

static bool refuses_place(const struct gateway *g, int status)
{
	return g->step == GATE_DIALLING && g->resuming && status >= 400 && status < 500 &&
	       status != 401 && status != 403 && status != 408 && status != 429;
}

static void on_closed(void *user, int status, const char *why)
{
	struct login *s = user;
	struct gateway *g = &s->gateway;
	char text[160], refused[24] = "";

	g->open = false;
	if (g->step == GATE_IDLE)
		return; /* by us */
	if (refuses_place(g, status))
		forget_place(s);
	if (status)
		snprintf(refused, sizeof(refused), " (status %d)", status);
	snprintf(text, sizeof(text), "%s: %s%s",
		 g->step == GATE_DIALLING ? "no connection" : "lost", why, refused);
	metric_add_label(METRIC_CONNECT_GATEWAYS, g->step == GATE_DIALLING ? "failed" : "lost", 1);
	fail_text(s, text);
}

static const struct ws_client_handlers handlers = {
	.open = on_open,
	.text = on_text,
	.closed = on_closed,
};

/* --- live --- */

static void probe(struct login *s, int64_t now_us)
{
	struct gateway *g = &s->gateway;
	struct buf frame AUTO_BUF = { 0 };
	char id[24];

	next_id(g, id);
	wsg_put_heartbeat(&frame, span_of(id));
	g->probed_us = now_us;
	if (ws_client_send(g->ws, buf_span(&frame)))
		fail_text(s, "a probe cannot be sent");
}

static void ask_for_garbled(struct login *s, int64_t now_us)
{
	struct gateway *g = &s->gateway;

	if (!g->garbled || now_us < g->garbled_us)
		return;
	g->garbled_us = now_us + GARBLED_MS * MS_US;
	lost(s);
}

static void step_live(struct login *s, int64_t now_us)
{
	struct gateway *g = &s->gateway;
	bool probed = g->probed_us > g->heard_us;

	if (now_us - g->live_us > SETTLED_MS * MS_US)
		backoff_reset(&g->pause);
	ask_for_garbled(s, now_us);
	if (gateway_is_whole(s, now_us))
		g->replay.n = 0;
	if (now_us >= g->renew_us) {
		log_info("connect", "source %s: connecting anew before the platform ends it",
			 s->id_text);
		hang_up(s);
	} else if (probed && now_us - g->probed_us > PROBE_MS * MS_US) {
		fail_text(s, "silent, also after a probe");
	} else if (!probed && now_us - g->heard_us > SILENCE_MS * MS_US) {
		probe(s, now_us);
	}
}

void gateway_step(struct login *s, int64_t now_us)
{
	static void (*const steps[])(struct login *, int64_t) = {
		[GATE_IDLE] = step_idle,	 [GATE_TOKEN] = step_token,
		[GATE_DIALLING] = step_dialling, [GATE_SUBSCRIBING] = step_subscribing,
		[GATE_LIVE] = step_live,
	};

	steps[s->gateway.step](s, now_us);
}
