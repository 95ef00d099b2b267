/* One source's session: its parts, each a small state machine that is stepped with the time
 *
 *	token ─► gateway or webhook subscription ─► live ─► resync when something was lost
 *	   └─► requests, ours and others'
 *
 * and what all of them share. A source that changes is begun anew in place: messages that are on
 * their way to the calls, and others' requests, stay. */
#include <stdlib.h>

#include "base/crypto.h"
#include "base/log.h"
#include "base/metrics.h"
#include "connect/grant.h"
#include "connect/internal.h"

enum { LONG_MS = 300000 };

#define TELEPHONY "/restapi/v1.0/account/~/telephony/sessions"
#define TEXTS "/restapi/v1.0/account/~/extension/~/message-store/instant?type=SMS"
#define TEXTS_CHANGED \
	"/restapi/v1.0/account/~/extension/~/message-store?type=SMS&direction=Outbound"
#define INSIGHTS "/ai/ringsense/v1/public/accounts/~/domains/pbx/insights"

int64_t login_now(const struct login *s)
{
	int64_t (*now_us)(void) = s->connect->config.now_us;

	return now_us ? now_us() : clock_monotonic_us();
}

void login_seed(struct backoff *b, int64_t least_ms, int64_t most_ms)
{
	*b = (struct backoff){ .least_ms = least_ms, .most_ms = most_ms };
	crypto_random(&b->random, sizeof(b->random));
	b->random |= 1;
}

void login_hold(struct login *s)
{
	s->held++;
}

void login_release(struct login *s)
{
	if (--s->held == 0 && s->ended)
		login_free(s);
}

/* --- standings --- */

void stand(struct standing *st, enum connect_state state, const char *why)
{
	st->state = state;
	snprintf(st->why, sizeof(st->why), "%s", why);
}

int64_t stand_troubled(struct standing *st, const struct trouble *t, struct backoff *pause)
{
	bool denied = t->kind == TROUBLE_DENIED;

	stand(st, denied ? CONNECT_DENIED : CONNECT_WAITING, t->text);
	if (denied)
		return DENIED_AGAIN_MS;
	int64_t ms = backoff_next_ms(pause);
	return t->kind == TROUBLE_LONG && ms < LONG_MS / 10 ? LONG_MS / 10 : ms;
}

static const struct standing just_live = { .state = CONNECT_LIVE };

static bool has_gateway(const struct login *s)
{
	return !s->cx && span_is(s->source->connect.events, "websocket");
}

static bool has_hook(const struct login *s)
{
	return !s->cx && span_is(s->source->connect.events, "webhook");
}

static const struct standing *standing_of(const struct login *s, int64_t now_us)
{
	if (!tokens_bearer(s, now_us).n)
		return &s->tokens.standing;
	return has_gateway(s) ? &s->gateway.standing : has_hook(s) ? &s->hook.standing : &just_live;
}

static void publish(struct login *s, int64_t now_us)
{
	const struct standing *st = standing_of(s, now_us);
	enum connect_state before = s->standing.state;

	if (st->state == before && strcmp(st->why, s->standing.why) == 0)
		return;
	s->standing = *st;
	status_set(s->connect, &s->id, st->state, st->why);
	if (st->state == before)
		return; /* what has gone wrong is logged where it did */
	metric_add_label(METRIC_CONNECT_SESSIONS, connect_state_name(before), -1);
	metric_add_label(METRIC_CONNECT_SESSIONS, connect_state_name(st->state), 1);
	log_info("connect", "source %s: %s%s%s", s->id_text, connect_state_name(st->state),
		 *st->why ? ": " : "", st->why);
}

/* --- filters --- */

bool login_wants_texts(const struct login *s)
{
	const struct dir_connect *c = &s->source->connect;
	bool wants = !c->filters_n && c->from_number.n;

	for (size_t i = 0; i < c->filters_n; i++)
		wants |= memmem(c->filters[i].p, c->filters[i].n, "/message-store", 14) != NULL;
	return wants;
}

static bool is_of_all_calls(struct span filter)
{
	static const char sessions[] = "/telephony/sessions";
	size_t n = sizeof(sessions) - 1;

	return filter.n > n && memcmp(filter.p + filter.n - n, sessions, n) == 0 &&
	       !memmem(filter.p, filter.n, "/extension/", 11);
}

bool login_wants_calls(const struct login *s)
{
	const struct dir_connect *c = &s->source->connect;
	bool wants = !c->filters_n;

	for (size_t i = 0; i < c->filters_n; i++)
		wants |= is_of_all_calls(c->filters[i]);
	return wants;
}

static bool tells_of_changes(struct span filter)
{
	static const char store[] = "/message-store";
	const char *at = memmem(filter.p, filter.n, store, sizeof(store) - 1);
	struct span rest = at ? span_from(filter, (size_t)(at - filter.p) + sizeof(store) - 1)
			      : (struct span){ 0 };

	return at && !span_starts(rest, SPAN("/instant"));
}

bool login_hears_of_texts(const struct login *s)
{
	const struct dir_connect *c = &s->source->connect;
	bool hears = !c->filters_n && c->from_number.n;

	for (size_t i = 0; i < c->filters_n; i++)
		hears |= tells_of_changes(c->filters[i]);
	return hears && has_gateway(s);
}

void login_lost(struct login *s)
{
	s->resync.due = true;
	gap_lost(s);
}

void login_put_filters(const struct login *s, struct json_out *o)
{
	const struct dir_connect *c = &s->source->connect;

	json_begin_array(o, "eventFilters");
	for (size_t i = 0; i < c->filters_n; i++)
		json_put_text(o, NULL, c->filters[i]);
	if (!c->filters_n)
		json_put_z(o, NULL, TELEPHONY);
	if (!c->filters_n && login_wants_texts(s)) {
		json_put_z(o, NULL, TEXTS);
		json_put_z(o, NULL, TEXTS_CHANGED);
	}
	if (!c->filters_n && c->insights)
		json_put_z(o, NULL, INSIGHTS);
	json_end_array(o);
}

uint64_t login_filters_hash(struct json filters)
{
	struct json_iter it = json_iter(filters);
	struct span key;
	struct json filter;
	uint64_t sum = 1;

	while (json_next(&it, &key, &filter))
		sum += hash64(filter.raw);
	return sum;
}

bool login_refused_filters(const struct login *s, struct json subscription, char *why, size_t size)
{
	struct json list = json_get(subscription, "disabledFilters"), item;
	struct json_iter it = json_iter(list);
	struct arena a = { 0 };
	struct span key;

	while (json_next(&it, &key, &item)) {
		struct span filter = json_text(json_get(item, "filter"), &a);
		struct span message = json_text(json_get(item, "message"), &a);

		log_warn("connect", "source %s: the platform refuses events of %.*s: %.*s",
			 s->id_text, (int)(filter.n < 200 ? filter.n : 200), filter.p,
			 (int)(message.n < 200 ? message.n : 200), message.p);
		snprintf(why, size, "events of %.*s are refused: %.*s",
			 (int)(filter.n < 100 ? filter.n : 100), filter.p,
			 (int)(message.n < 100 ? message.n : 100), message.p);
	}
	arena_fini(&a);
	return json_count(list) > 0;
}

/* --- configuration --- */

static void put_part(struct buf *b, struct span part)
{
	buf_printf(b, "%zu:", part.n);
	buf_add(b, part);
}

static void make_mark(const struct login *s, char out[MARK_TEXT + 1])
{
	const struct dir_connect *c = &s->source->connect;
	const struct span parts[] = {
		s->base,
		s->platform,
		c->client_id,
		c->client_secret.value,
		c->jwt.value,
		c->events,
		c->address,
		c->verification.value,
		c->from_number,
		c->account,
		s->source->dialect,
		s->source->name,
		span_of(s->connect->config.public_url),
		span_of(c->insights ? "insights" : ""),
	};
	struct buf all AUTO_BUF = { 0 }, hex AUTO_BUF = { 0 };
	uint8_t hash[32];

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		put_part(&all, parts[i]);
	for (size_t i = 0; i < c->filters_n; i++)
		put_part(&all, c->filters[i]);
	crypto_sha256(buf_span(&all), hash);
	crypto_hex((struct span){ (const char *)hash, MARK_TEXT / 2 }, &hex);
	memcpy(out, hex.p, MARK_TEXT);
	out[MARK_TEXT] = 0;
}

static void parts_init(struct login *s)
{
	tokens_init(s);
	gateway_init(s);
	hook_init(s);
	resync_init(s);
	texts_init(s);
}

/* Other credentials have another one, where nothing is counted yet. */
static void take_purse(struct login *s)
{
	struct purse *before = s->purse;

	s->purse = purse_of(s);
	purse_unref(s->connect, before);
}

static void begin_anew(struct login *s)
{
	log_info("connect", "source %s: its configuration has changed", s->id_text);
	gap_anew(s);
	asks_forget_own(s);
	gateway_free(s);
	hook_free(&s->hook);
	tokens_free(&s->tokens);
	s->tokens = (struct tokens){ .generation = s->tokens.generation + 1 };
	resync_free(&s->resync);
	take_purse(s);
	tell_forget_places(&s->tell);
	parts_init(s);
	s->keep.dirty = true;
}

void login_configure(struct login *s, const struct directory *dir, const struct dir_source *source)
{
	bool first = s->dir == NULL;
	char before[MARK_TEXT + 1];
	struct grant_hosts hosts;

	memcpy(before, s->mark, sizeof(before));
	directory_unref(s->dir);
	s->dir = directory_ref(dir);
	s->source = source;
	s->dialect = dialect_find(source->dialect);
	s->cx = span_is(source->dialect, "ringcx");
	grant_hosts_of(source, &hosts);
	s->base = hosts.base;
	s->platform = hosts.platform;
	make_mark(s, s->mark);
	if (first) {
		take_purse(s);
		parts_init(s);
		tell_init(s);
		gap_init(s);
		keep_read(s);
	} else if (strcmp(before, s->mark) != 0) {
		begin_anew(s);
	}
	login_tick(s, login_now(s));
}

/* --- life --- */

struct login *login_new(struct connect_part *p, const struct uuid *id)
{
	struct login *s = calloc(1, sizeof(*s));
	struct buf path AUTO_BUF = { 0 };
	struct fault f = { 0 };

	CHECK(s);
	s->connect = p->connect;
	s->part = p;
	s->id = *id;
	uuid_format(id, s->id_text);
	if (http_client_new(&s->http, p->shard, ASKS_FLYING_MAX, ASKS_FLYING_MAX, &f)) {
		log_error("connect", "source %s has no session: %s", s->id_text, f.text);
		free(s);
		return NULL;
	}
	http_client_trust(s->http, p->connect->config.ca_file);
	buf_printf(&path, "%s/%s.json", buf_z(&p->connect->folder), s->id_text);
	s->keep.path = strdup(buf_z(&path));
	CHECK(s->keep.path);
	metric_add_label(METRIC_CONNECT_SESSIONS, connect_state_name(s->standing.state), 1);
	return s;
}

void login_tick(struct login *s, int64_t now_us)
{
	if (s->ended)
		return;
	tokens_step(s, now_us);
	if (has_gateway(s))
		gateway_step(s, now_us);
	if (has_hook(s))
		hook_step(s, now_us);
	publish(s, now_us);
	if (s->dialect && s->dialect->put_asked) {
		if (has_gateway(s) || has_hook(s))
			resync_step(s, now_us);
		texts_step(s, now_us);
		gap_step(s, now_us);
	}
	tell_pump(s, now_us);
	asks_pump(s, now_us);
	keep_step(s, now_us);
}

void login_end(struct login *s, bool stopping)
{
	gateway_free(s);
	asks_drop(s, stopping ? "the node stops" : "the source is gone");
	s->ended = true;
	http_client_free(s->http);
	metric_add_label(METRIC_CONNECT_SESSIONS, connect_state_name(s->standing.state), -1);
	status_remove(s->connect, &s->id);
	if (!s->held)
		login_free(s);
}

void login_free(struct login *s)
{
	hook_free(&s->hook);
	tokens_free(&s->tokens);
	resync_free(&s->resync);
	texts_free(&s->texts);
	tell_free(&s->tell);
	directory_unref(s->dir);
	purse_unref(s->connect, s->purse);
	buf_free(&s->keep.text);
	buf_free(&s->keep.last);
	free(s->keep.path);
	free(s);
}
