#include "tests/connect/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"

static struct platform *of(struct exchange *x)
{
	return ((struct rig *)http_server_user(exchange_server(x)))->user;
}

static char *quoted(const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	return copy;
}

/* --- what was asked --- */

static void note(struct platform *p, struct exchange *x)
{
	struct platform_seen *s = &p->seen[p->seen_n % PLATFORM_SEEN];
	struct span name, value, authorization = { 0 };
	size_t at = 0;
	int n = snprintf(s->line, sizeof(s->line), "%s %.*s", http_method_name(exchange_method(x)),
			 SPAN_ARG(exchange_path(x)));

	while (exchange_query_next(x, &at, &name, &value) && n < 150)
		n += snprintf(s->line + n, sizeof(s->line) - (size_t)n, "%c%.*s=%.*s",
			      strchr(s->line, '?') ? '&' : '?', SPAN_ARG(name),
			      (int)(value.n < 20 ? value.n : 20), value.p);
	exchange_header(x, "authorization", &authorization);
	snprintf(s->authorization, sizeof(s->authorization), "%.*s",
		 (int)(authorization.n < 70 ? authorization.n : 70), authorization.p);
	s->at_us = p->now_us();
	p->seen_n++;
}

unsigned platform_count(struct platform *p, const char *line, int64_t since_us)
{
	unsigned n = 0;

	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < p->seen_n; i++)
		n += p->seen[i].at_us >= since_us &&
		     strncmp(p->seen[i].line, line, strlen(line)) == 0;
	pthread_mutex_unlock(&p->lock);
	return n;
}

/* --- answers --- */

static void put_date(struct platform *p, struct exchange *x)
{
	time_t t = (time_t)((clock_now_us() + p->skew_us) / SECOND_US);
	char date[64];
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm));
	exchange_answer_header(x, "Date", span_of(date));
}

static void reply_with(struct platform *p, struct exchange *x, int status, const char *body)
{
	char *text = quoted(body);

	put_date(p, x);
	exchange_answer(x, status, "application/json", span_of(text));
	free(text);
}

static void put_headers(struct exchange *x, const char *lines)
{
	struct span rest = span_of(lines);

	while (rest.n) {
		struct span line = span_line(&rest);
		const char *colon = memchr(line.p, ':', line.n);
		char name[64];

		assert_non_null(colon);
		snprintf(name, sizeof(name), "%.*s", (int)(colon - line.p), line.p);
		exchange_answer_header(x, name,
				       span_trim(span_from(line, (size_t)(colon - line.p) + 1)));
	}
}

/* The rule for it, with one time less; NULL: none. */
static const struct platform_rule *take_rule(struct platform *p, struct exchange *x)
{
	char path[200];

	snprintf(path, sizeof(path), "%.*s", SPAN_ARG(exchange_path(x)));
	for (unsigned i = 0; i < PLATFORM_RULES; i++) {
		struct platform_rule *r = &p->rules[i];

		if (!r->times || strncmp(path, r->path, strlen(r->path)) != 0 ||
		    (r->method && strcmp(r->method, http_method_name(exchange_method(x))) != 0))
			continue;
		r->times--;
		return r;
	}
	return NULL;
}

static bool by_rule(struct platform *p, struct exchange *x)
{
	const struct platform_rule *r = take_rule(p, x);

	if (!r)
		return false;
	put_headers(x, r->headers);
	reply_with(p, x, r->status, r->body ? r->body : "{}");
	return true;
}

static bool is_authorized(struct platform *p, struct exchange *x)
{
	struct span bearer = { 0 };
	unsigned n = 0;

	exchange_header(x, "authorization", &bearer);
	char text[80];
	snprintf(text, sizeof(text), "%.*s", (int)(bearer.n < 70 ? bearer.n : 70), bearer.p);
	return sscanf(text, "Bearer A%u", &n) == 1 && n >= p->good_from && n <= p->tokens;
}

static void serve(struct exchange *x, bool needs_token,
		  void (*usual)(struct platform *, struct exchange *))
{
	struct platform *p = of(x);

	pthread_mutex_lock(&p->lock);
	note(p, x);
	if (!by_rule(p, x)) {
		if (needs_token && !is_authorized(p, x))
			reply_with(p, x, 401, "{'errors':[{'errorCode':'OAU-128'}]}");
		else
			usual(p, x);
	}
	pthread_mutex_unlock(&p->lock);
}

/* --- tokens --- */

static void give_token(struct platform *p, struct exchange *x)
{
	struct buf b AUTO_BUF = { 0 };

	p->tokens++;
	buf_printf(&b, "{'access_token':'A%u','token_type':'bearer','expires_in':%d", p->tokens,
		   p->token_lives_s);
	if (p->refresh)
		buf_printf(&b, ",'refresh_token':'R%u','refresh_token_expires_in':604800",
			   p->tokens);
	buf_addc(&b, '}');
	reply_with(p, x, 200, buf_z(&b));
}

static void give_ws_token(struct platform *p, struct exchange *x)
{
	struct buf b AUTO_BUF = { 0 };

	buf_printf(&b, "{'ws_access_token':'W','uri':'ws://127.0.0.1:%u/ws','expires_in':30}",
		   p->rig.port);
	reply_with(p, x, 200, buf_z(&b));
}

static void give_cx_token(struct platform *p, struct exchange *x)
{
	struct buf b AUTO_BUF = { 0 };

	p->tokens++;
	buf_printf(&b, "{'accessToken':'A%u','refreshToken':'x','agentDetails':[]}", p->tokens);
	reply_with(p, x, 200, buf_z(&b));
}

static void on_token(struct exchange *x)
{
	serve(x, false, give_token);
}

static void on_ws_token(struct exchange *x)
{
	serve(x, true, give_ws_token);
}

static void on_cx_token(struct exchange *x)
{
	serve(x, true, give_cx_token);
}

/* --- calls --- */

static void give_presence(struct platform *p, struct exchange *x)
{
	struct buf b AUTO_BUF = { 0 };

	buf_printf(&b, "{'records':[%s],'paging':{'page':1,'totalPages':1}}", p->presence);
	reply_with(p, x, 200, buf_z(&b));
}

static void give_texts(struct platform *p, struct exchange *x)
{
	struct buf b AUTO_BUF = { 0 };

	buf_printf(&b, "{'records':[%s]}", p->texts);
	reply_with(p, x, 200, buf_z(&b));
}

static void give_text(struct platform *p, struct exchange *x)
{
	reply_with(p, x, p->text ? 200 : 404, p->text ? p->text : "{}");
}

static void give_call(struct platform *p, struct exchange *x)
{
	struct span id = exchange_param(x, "id");
	char around[100];
	struct buf b AUTO_BUF = { 0 };

	snprintf(around, sizeof(around), " %.*s ", SPAN_ARG(id));
	if (!strstr(p->calls, around)) {
		reply_with(p, x, 404, "{'errorCode':'CMN-102','message':'not found'}");
		return;
	}
	buf_printf(&b, "{'id':'%.*s','parties':[]}", SPAN_ARG(id));
	reply_with(p, x, 200, buf_z(&b));
}

static void give_anything(struct platform *p, struct exchange *x)
{
	reply_with(p, x, 200, "{'ok':true}");
}

static void on_presence(struct exchange *x)
{
	serve(x, true, give_presence);
}

static void on_texts(struct exchange *x)
{
	serve(x, true, give_texts);
}

static void on_text(struct exchange *x)
{
	serve(x, true, give_text);
}

static void on_call(struct exchange *x)
{
	serve(x, true, give_call);
}

static void on_anything(struct exchange *x)
{
	serve(x, true, give_anything);
}

/* --- the webhook subscription --- */

static void put_hook(struct platform *p, struct buf *b)
{
	buf_printf(b,
		   "{'id':'%s','status':'%s','eventFilters':%s,'expiresIn':%d,"
		   "'deliveryMode':{'transportType':'WebHook','address':'%s'}}",
		   p->hook, p->hook_status, p->hook_filters,
		   (int)((p->hook_until_us - p->now_us()) / SECOND_US), p->hook_address);
}

static void take_hook(struct platform *p, struct exchange *x)
{
	struct arena a = { 0 };
	struct json body = json_of(exchange_body(x));
	struct span to = json_text(json_path(body, "deliveryMode.address"), &a);
	struct buf b AUTO_BUF = { 0 };

	snprintf(p->hook_address, sizeof(p->hook_address), "%.*s", SPAN_ARG(to));
	snprintf(p->hook_filters, sizeof(p->hook_filters), "%.*s",
		 SPAN_ARG(json_get(body, "eventFilters").raw));
	snprintf(p->hook_status, sizeof(p->hook_status), "Active");
	p->hook_until_us = p->now_us() + 604800 * SECOND_US;
	put_hook(p, &b);
	reply_with(p, x, 200, buf_z(&b));
	arena_fini(&a);
}

static void make_hook(struct platform *p, struct exchange *x)
{
	snprintf(p->hook, sizeof(p->hook), "hook-%u", ++p->hooks_made);
	take_hook(p, x);
}

static void change_hook(struct platform *p, struct exchange *x)
{
	p->hooks_changed++;
	take_hook(p, x);
}

static void list_hooks(struct platform *p, struct exchange *x)
{
	struct buf b AUTO_BUF = { 0 };

	buf_addz(&b, "{'records':[{'id':'other','status':'Active','deliveryMode':{'transportType':"
		     "'WebHook','address':'https://elsewhere/'}}");
	if (*p->hook) {
		buf_addc(&b, ',');
		put_hook(p, &b);
	}
	buf_addz(&b, "]}");
	reply_with(p, x, 200, buf_z(&b));
}

static void remove_hook(struct platform *p, struct exchange *x)
{
	p->hooks_removed++;
	*p->hook = 0;
	reply_with(p, x, 204, "");
}

static void renew_hook(struct platform *p, struct exchange *x)
{
	struct buf b AUTO_BUF = { 0 };

	p->hooks_renewed++;
	p->hook_until_us = p->now_us() + 604800 * SECOND_US;
	put_hook(p, &b);
	reply_with(p, x, 200, buf_z(&b));
}

static void on_make_hook(struct exchange *x)
{
	serve(x, true, make_hook);
}

static void on_list_hooks(struct exchange *x)
{
	serve(x, true, list_hooks);
}

static void on_change_hook(struct exchange *x)
{
	serve(x, true, change_hook);
}

static void on_remove_hook(struct exchange *x)
{
	serve(x, true, remove_hook);
}

static void on_renew_hook(struct exchange *x)
{
	serve(x, true, renew_hook);
}

/* --- the gateway --- */

static void send_text(struct ws *ws, struct buf *b)
{
	char *text = quoted(buf_z(b));
	struct message *m = message_new(span_of(text));

	if (ws_send(ws, m))
		ws_close(ws, 1011, "full");
	message_unref(m);
	free(text);
}

static void send_event(struct platform *p, unsigned n)
{
	struct buf b AUTO_BUF = { 0 };

	buf_printf(&b,
		   "[{'type':'ServerNotification','messageId':'n%u','status':200,'wsc':{'token':'"
		   "T%u','sequence':%u}},%s]",
		   n, n + 1, n + 1, p->events[n]);
	send_text(p->socket, &b);
}

static int ws_accept(struct exchange *x, struct ws *ws)
{
	struct platform *p = of(x);
	struct span place = { 0 };
	unsigned n = 0;

	pthread_mutex_lock(&p->lock);
	note(p, x);
	if (exchange_query(x, "wsc", &place) && place.n > 1 && place.n < 12)
		n = (unsigned)atoi(place.p + 1) + 1;
	ws_set_user(ws, (void *)(uintptr_t)n);
	const struct platform_rule *r = take_rule(p, x);
	pthread_mutex_unlock(&p->lock);
	return r ? r->status : 0;
}

static struct platform *ws_platform(struct ws *ws)
{
	return ((struct rig *)http_server_user(ws_server(ws)))->user;
}

/* `from` is the sequence it knows and one more; 0: none. */
static void ws_open(struct ws *ws)
{
	struct platform *p = ws_platform(ws);
	unsigned from = (unsigned)(uintptr_t)ws_user(ws);
	struct buf b AUTO_BUF = { 0 };

	pthread_mutex_lock(&p->lock);
	p->socket = ws;
	bool recovers = from && !p->no_recovery && p->has_subscription;
	buf_printf(&b,
		   "[{'type':'ConnectionDetails','messageId':'d','status':200,'wsc':{'token':'T%u',"
		   "'sequence':%u}},{'recoveryTimeout':%d,'idleTimeout':1800,'absoluteTimeout':%d,"
		   "'maxActiveRequests':10,'recoveryBufferSize':%u%s}]",
		   recovers ? from - 1 : p->events_n, recovers ? from - 1 : p->events_n,
		   p->recovery_s, p->absolute_s, p->kept,
		   recovers ? ",'recoveryState':'Successful'"
		   : from   ? ",'recoveryState':'Failed'"
			    : "");
	send_text(ws, &b);
	p->has_subscription = recovers;
	unsigned first = from ? from - 1 : 0, missed = p->events_n - first;
	first += p->kept && missed > p->kept ? missed - p->kept : 0;
	for (unsigned i = first; recovers && i < p->events_n; i++)
		send_event(p, i);
	atomic_fetch_add(&p->sockets, 1);
	pthread_mutex_unlock(&p->lock);
}

static void reply_subscription(struct platform *p, struct ws *ws, struct json meta)
{
	struct buf b AUTO_BUF = { 0 };
	struct arena a = { 0 };
	struct span id = json_text(json_get(meta, "messageId"), &a);
	int status = p->reply ? atoi(p->reply) : 200;

	buf_printf(&b, "[{'type':'ClientRequest','messageId':'%.*s','status':%d},%s]", SPAN_ARG(id),
		   status,
		   p->reply ? p->reply + 4
			    : "{'id':'sub-1','status':'Active','eventFilters':['x']}");
	p->has_subscription = status == 200;
	send_text(ws, &b);
	atomic_fetch_add(&p->subscribed, 1);
	arena_fini(&a);
}

static void ws_text(struct ws *ws, struct span text)
{
	struct platform *p = ws_platform(ws);
	struct json meta = json_first(json_of(text));
	struct buf b AUTO_BUF = { 0 };

	pthread_mutex_lock(&p->lock);
	if (json_is_text(json_get(meta, "type"), "ClientRequest")) {
		reply_subscription(p, ws, meta);
	} else {
		atomic_fetch_add(&p->heartbeats, 1);
		buf_add(&b, text);
		if (!p->no_echo)
			send_text(ws, &b);
	}
	pthread_mutex_unlock(&p->lock);
}

static void ws_closed(struct ws *ws, int code)
{
	struct platform *p = ws_platform(ws);

	(void)code;
	pthread_mutex_lock(&p->lock);
	if (p->socket == ws)
		p->socket = NULL;
	pthread_mutex_unlock(&p->lock);
}

static void send_last(struct shard *here, void *arg)
{
	struct platform *p = arg;

	(void)here;
	pthread_mutex_lock(&p->lock);
	if (p->socket && p->has_subscription)
		send_event(p, p->events_n - 1);
	pthread_mutex_unlock(&p->lock);
}

void platform_event(struct platform *p, const char *uuid, const char *call)
{
	struct buf b AUTO_BUF = { 0 };
	char at[CLOCK_ISO + 1];

	clock_format(clock_now_us() + p->skew_us, at);
	buf_printf(&b,
		   "{'uuid':'%s','event':'/restapi/v1.0/account/1/telephony/sessions',"
		   "'timestamp':'%s',"
		   "'subscriptionId':'sub-1','body':{'sequence':%u,'telephonySessionId':'%s'}}",
		   uuid, at, p->events_n + 2, call);
	pthread_mutex_lock(&p->lock);
	assert_true(p->events_n < PLATFORM_EVENTS);
	p->events[p->events_n++] = strdup(buf_z(&b));
	pthread_mutex_unlock(&p->lock);
	rig_on_shard(&p->rig, 0, send_last, p);
}

static void drop(struct shard *here, void *arg)
{
	struct platform *p = arg;

	(void)here;
	if (p->socket)
		ws_close(p->socket, 1011, "dropped");
}

void platform_drop(struct platform *p)
{
	rig_on_shard(&p->rig, 0, drop, p);
}

struct frame {
	struct platform *p;
	const char *text;
};

static void send_frame(struct shard *here, void *arg)
{
	struct frame *f = arg;
	struct buf b AUTO_BUF = { 0 };

	(void)here;
	buf_addz(&b, f->text);
	if (f->p->socket)
		send_text(f->p->socket, &b);
}

void platform_frame(struct platform *p, const char *text)
{
	struct frame f = { p, text };

	rig_on_shard(&p->rig, 0, send_frame, &f);
}

void platform_rule(struct platform *p, struct platform_rule r)
{
	unsigned i = 0;

	pthread_mutex_lock(&p->lock);
	while (i < PLATFORM_RULES && p->rules[i].times)
		i++;
	assert_true(i < PLATFORM_RULES);
	p->rules[i] = r;
	pthread_mutex_unlock(&p->lock);
}

void platform_url(const struct platform *p, char out[64])
{
	snprintf(out, 64, "http://127.0.0.1:%u", p->rig.port);
}

void platform_start(struct platform *p)
{
	static const struct ws_handlers socket = {
		.accept = ws_accept, .open = ws_open, .text = ws_text, .closed = ws_closed
	};
#define AT "/restapi/v1.0/"
	static const struct http_route routes[] = {
		{ HTTP_POST, "/restapi/oauth/token", 65536, on_token, NULL, NULL },
		{ HTTP_POST, "/restapi/oauth/wstoken", 65536, on_ws_token, NULL, NULL },
		{ HTTP_POST, "/api/auth/login/rc/accesstoken", 65536, on_cx_token, NULL, NULL },
		{ HTTP_GET, AT "account/~/presence", 0, on_presence, NULL, NULL },
		{ HTTP_GET, AT "account/~/extension/~/message-store", 0, on_texts, NULL, NULL },
		{ HTTP_GET, AT "account/~/extension/~/message-store/{id}", 0, on_text, NULL, NULL },
		{ HTTP_POST, AT "account/~/extension/~/sms", 65536, on_text, NULL, NULL },
		{ HTTP_GET, AT "account/~/telephony/sessions/{id}", 0, on_call, NULL, NULL },
		{ HTTP_DELETE, AT "account/~/telephony/sessions/{id}", 0, on_anything, NULL, NULL },
		{ HTTP_GET, "/test/{rest*}", 0, on_anything, NULL, NULL },
		{ HTTP_GET, AT "subscription", 0, on_list_hooks, NULL, NULL },
		{ HTTP_POST, AT "subscription", 65536, on_make_hook, NULL, NULL },
		{ HTTP_PUT, AT "subscription/{id}", 65536, on_change_hook, NULL, NULL },
		{ HTTP_DELETE, AT "subscription/{id}", 65536, on_remove_hook, NULL, NULL },
		{ HTTP_POST, AT "subscription/{id}/renew", 65536, on_renew_hook, NULL, NULL },
		{ HTTP_GET, "/ws", 1 << 20, NULL, &socket, NULL },
	};

	pthread_mutex_init(&p->lock, NULL);
	p->token_lives_s = 3600;
	p->absolute_s = 86400;
	p->recovery_s = 180;
	p->presence = "";
	p->texts = "";
	p->calls = " ";
	p->rig.user = p;
	rig_start(&p->rig, 1, routes, sizeof(routes) / sizeof(routes[0]));
}

void platform_stop(struct platform *p)
{
	rig_stop(&p->rig);
	for (unsigned i = 0; i < p->events_n; i++)
		free(p->events[i]);
	pthread_mutex_destroy(&p->lock);
}
