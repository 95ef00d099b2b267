/* After a loss: what does the platform know of the calls that are live, there or with us? Each is
 * asked for (GET session), and the answer told like an event: a snapshot of its parties with the
 * time of the platform's own clock, or that the call is gone.
 *
 * Happy path: presence of the account, page by page, for the platform's live calls; our live calls;
 * a lookup of each, a few at a time, not before what came earlier has found room.
 *
 * Failure modes: 429, 5xx, no answer - the page or the call is asked for again after a pause,
 * everything else is kept; presence is not permitted - only our own calls are looked up; one
 * call is refused - it is left, with a warning; lookups are not permitted, or the first
 * REFUSED_MAX and none was answered - given up, with a warning; another loss meanwhile - begun
 * again at the end, or when all that is left was asked for in vain: a call for which the platform
 * has no answer keeps no later loss waiting. */
#include <stdlib.h>

#include "base/container.h"
#include "base/log.h"
#include "base/metrics.h"
#include "connect/internal.h"
#include "connect/paging.h"

enum {
	PAUSE_MS = 2000,
	PAUSE_MAX_MS = 60000,
	FLYING_MAX = 4,
	REFUSED_MAX = 20,
	CALLS_MAX = 10000,
	ID_MAX = 256,
	PAGE_CALLS = 100,
	PAGES_MAX = 1000,
};

void resync_init(struct login *s)
{
	login_seed(&s->resync.pause, PAUSE_MS, PAUSE_MAX_MS);
}

bool resync_is_owed(const struct login *s)
{
	const struct resync *r = &s->resync;

	return r->due || r->step != RESYNC_IDLE || s->gateway.garbled ||
	       tell_waits(&s->tell, r->told_us);
}

static void forget_call(struct resync *r, struct resync_call *c)
{
	HASH_DEL(r->calls, c);
	free(c);
}

void resync_free(struct resync *r)
{
	struct resync_call *c, *next;

	HASH_ITER (hh, r->calls, c, next)
		forget_call(r, c);
	r->step = RESYNC_IDLE;
	r->busy = r->due = false;
	r->flying = 0;
	r->round++;
	if (!r->live_out)
		buf_free(&r->live.ids);
}

static void add_call(struct resync *r, struct span id)
{
	struct resync_call *c = NULL;

	HASH_FIND(hh, r->calls, id.p, id.n, c);
	if (c || !id.n || id.n > ID_MAX || HASH_COUNT(r->calls) >= CALLS_MAX)
		return;
	c = calloc(1, sizeof(*c) + id.n + 1);
	CHECK(c);
	memcpy(c->id, id.p, id.n);
	HASH_ADD(hh, r->calls, id[0], id.n, c);
}

static void pause_it(struct login *s)
{
	s->resync.again_us = login_now(s) + backoff_next_ms(&s->resync.pause) * MS_US;
}

/* --- what the platform lists --- */

static void add_active(struct resync *r, struct json record, struct arena *a)
{
	struct json_iter it = json_iter(json_get(record, "activeCalls"));
	struct span key;
	struct json call;

	while (json_next(&it, &key, &call))
		add_call(r, json_text(json_get(call, "telephonySessionId"), a));
}

static void take_page(struct resync *r, struct json page)
{
	struct json_iter it = json_iter(json_get(page, "records"));
	struct arena a = { 0 };
	struct span key;
	struct json record;

	while (json_next(&it, &key, &record))
		add_active(r, record, &a);
	arena_fini(&a);
	if (paging_has_next(page, r->page) && r->page < PAGES_MAX)
		r->page++;
	else
		r->step = RESYNC_ASKING;
}

static void on_page(struct ask *a, const struct client_response *answer, int64_t provider_us)
{
	struct login *s = a->login;
	struct resync *r = &s->resync;
	struct trouble t;

	(void)provider_us;
	if (a->round != r->round)
		return;
	r->busy = false;
	if (response_good(answer) && json_check(answer->body, NULL) == 0) {
		backoff_reset(&r->pause);
		take_page(r, json_of(answer->body));
		return;
	}
	trouble_of(answer, "presence of the account", &t);
	log_warn("connect", "source %s: resync: %s", s->id_text, t.text);
	if (t.kind == TROUBLE_DENIED)
		r->step = RESYNC_ASKING;
	else
		pause_it(s);
}

static void step_listing(struct login *s)
{
	struct resync *r = &s->resync;
	struct ask *a =
		ask_new(s, HTTP_GET, "/restapi/v1.0/account/~/presence?detailedTelephonyState=true",
			RATE_HEAVY, on_page);

	buf_printf(&a->url, "&page=%u&perPage=%d", r->page, PAGE_CALLS);
	a->round = r->round;
	r->busy = true;
	ask_post(a);
}

/* --- what we have --- */

static void on_live(struct connect_live *l)
{
	struct resync *r = CONTAINER_OF(l, struct resync, live);
	struct login *s = CONTAINER_OF(r, struct login, resync);
	struct span ids = buf_span(&l->ids);

	r->live_out = false;
	if (r->step == RESYNC_ASKING)
		r->busy = false;
	while (r->step == RESYNC_ASKING && ids.n)
		add_call(r, span_line(&ids));
	if (r->step == RESYNC_ASKING)
		r->step = RESYNC_LOOKING;
	buf_free(&l->ids);
	login_release(s);
}

static void step_asking(struct login *s)
{
	const struct connect_calls *calls = &s->connect->config.calls;
	struct resync *r = &s->resync;

	if (r->live_out)
		return; /* of one that was given up */
	r->live = (struct connect_live){ .source = s->id, .done = on_live };
	r->busy = r->live_out = true;
	login_hold(s);
	calls->live(calls->user, s->part->shard, &r->live);
}

/* --- one by one --- */

/* `body` empty: it is gone. */
static int tell_found(struct login *s, const char *id, struct span body, int64_t provider_us)
{
	struct buf message AUTO_BUF = { 0 };
	const struct asked_answer asked = { ASKED_CALL, span_of(id), provider_us, body };

	s->dialect->put_asked(&asked, &message);
	return tell_add(s, buf_span(&message), (struct span){ 0 }, span_of(id));
}

static void give_up(struct login *s, const struct trouble *t)
{
	bool due = s->resync.due; /* by a loss since it was begun */

	log_warn("connect", "source %s: resync given up: %s", s->id_text, t->text);
	metric_add_label(METRIC_CONNECT_RESYNCS, "given_up", 1);
	resync_free(&s->resync);
	s->resync.due = due;
	s->keep.dirty = true;
}

/* Is it this call that is refused, or whatever is looked up? */
static void leave(struct login *s, struct resync_call *c, const struct trouble *t)
{
	struct resync *r = &s->resync;

	log_often(LOG_WARN, "connect", span_of(s->id_text),
		  "source %s: resync: call %.64s is left: %s", s->id_text, c->id, t->text);
	forget_call(r, c);
	r->refused++;
	if (t->known || (!r->answered && (!r->calls || r->refused >= REFUSED_MAX)))
		give_up(s, t);
}

static void look_again(struct login *s, struct resync_call *c, const struct client_response *answer)
{
	struct trouble t;

	trouble_of(answer, "a live call", &t);
	if (t.kind == TROUBLE_DENIED) {
		leave(s, c, &t);
		return;
	}
	c->under_way = false;
	c->in_vain = true;
	log_info("connect", "source %s: resync: %s", s->id_text, t.text);
	pause_it(s);
}

static void on_call(struct ask *a, const struct client_response *answer, int64_t provider_us)
{
	struct login *s = a->login;
	struct resync *r = &s->resync;
	struct resync_call *c = NULL;
	bool found = response_good(answer) && json_check(answer->body, NULL) == 0;
	bool gone = answer->end == CLIENT_ANSWERED && answer->status == 404;

	if (a->round != r->round)
		return; /* given up meanwhile */
	HASH_FIND(hh, r->calls, a->about.p, a->about.n, c);
	CHECK(c); /* of this round */
	r->flying--;
	if (!found && !gone) {
		look_again(s, c, answer);
		return;
	}
	r->answered = true;
	backoff_reset(&r->pause);
	if (tell_found(s, c->id, found ? answer->body : (struct span){ 0 }, provider_us) == E_FULL)
		c->under_way = false; /* once more, when there is room */
	else
		forget_call(r, c);
}

static void look(struct login *s, struct resync_call *c)
{
	struct ask *a = ask_new(s, HTTP_GET, "/restapi/v1.0/account/~/telephony/sessions/",
				RATE_LIGHT, on_call);

	buf_add_percent(&a->url, span_of(c->id), BUF_IN_PATH);
	buf_addz(&a->about, c->id);
	a->round = s->resync.round;
	c->under_way = true;
	c->in_vain = false;
	s->resync.flying++;
	ask_post(a);
}

static void done(struct login *s)
{
	s->resync.step = RESYNC_IDLE;
	s->resync.told_us = login_now(s);
	s->keep.dirty = true;
	metric_add_label(METRIC_CONNECT_RESYNCS, "done", 1);
	log_info("connect", "source %s: resync done", s->id_text);
}

static void begin(struct login *s)
{
	struct resync *r = &s->resync;

	if (!r->due || s->standing.state != CONNECT_LIVE)
		return;
	r->due = false;
	r->page = 1;
	r->refused = 0;
	r->answered = false;
	r->step = RESYNC_LISTING;
	metric_add_label(METRIC_CONNECT_RESYNCS, "begun", 1);
}

static bool all_were_in_vain(const struct resync *r)
{
	for (const struct resync_call *c = r->calls; c; c = c->hh.next)
		if (!c->in_vain)
			return false;
	return true;
}

static void step_looking(struct login *s)
{
	struct resync *r = &s->resync;
	struct resync_call *c, *next;

	if (!r->calls) {
		done(s);
		return;
	}
	if (r->due && all_were_in_vain(r)) {
		begin(s); /* with these, too */
		return;
	}
	HASH_ITER (hh, r->calls, c, next) {
		if (r->flying == FLYING_MAX || !tell_has_room(&s->tell))
			return;
		if (!c->under_way)
			look(s, c);
	}
}

void resync_step(struct login *s, int64_t now_us)
{
	static void (*const steps[])(struct login *) = {
		[RESYNC_IDLE] = begin,
		[RESYNC_LISTING] = step_listing,
		[RESYNC_ASKING] = step_asking,
		[RESYNC_LOOKING] = step_looking,
	};

	if (!s->resync.busy && now_us >= s->resync.again_us)
		steps[s->resync.step](s);
}
