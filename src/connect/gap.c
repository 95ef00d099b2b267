/* Since when may events be missing? What came until `good_us` is known: over the gateway, what it
 * had sent when it was last heard and is durable, once all that it replays is here; by webhook,
 * what was delivered before the subscription was last found alive (hook.c). After a loss texts
 * (texts.c) and the call log are asked for from there on: calls that began and ended meanwhile are
 * in no resync. Where nobody can know that something is missing, the call log of the last hours is
 * asked for from time to time (hook.c). A restart goes on from what keep.c has written down, also
 * with another configuration.
 *
 * Failure modes: nothing is known, as of a new source - no calls are asked for, texts of the last
 * hour; a longer loss than MAX_DAYS - the rest of it is left, and logged; the calls' side cannot
 * take it now - again after a pause, and after a restart; another loss meanwhile - one time for
 * both. */
#include "base/container.h"
#include "base/log.h"
#include "connect/internal.h"

enum {
	MAX_DAYS = 7,
	SWEEP_S = 7200,
	SLACK_S = 60, /* times of the platform's log are of another clock than its Date */
	PAUSE_MS = 2000,
	PAUSE_MAX_MS = 60000,
};
#define MAX_US (MAX_DAYS * 24 * 3600 * SECOND_US)

void gap_init(struct login *s)
{
	s->gap.good_us = s->gap.since_us = s->gap.swept_us = GAP_NONE;
	login_seed(&s->gap.pause, PAUSE_MS, PAUSE_MAX_MS);
}

void gap_good(struct login *s, int64_t us)
{
	struct gap *g = &s->gap;

	if (g->good_us == GAP_NONE || us > g->good_us)
		g->good_us = us;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t gap_owed_us(const struct login *s)
{
	int64_t garbled_us = s->gateway.garbled ? s->gap.good_us : GAP_NONE;

	return least(garbled_us, least(s->gap.since_us, texts_owed_us(s)));
}

void gap_anew(struct login *s)
{
	s->gap.good_us = least(s->gap.good_us, gap_owed_us(s));
}

int64_t gap_bounded(const struct login *s, int64_t since_us)
{
	int64_t now_us = login_now(s);

	if (now_us - since_us <= MAX_US)
		return since_us;
	log_warn("connect",
		 "source %s: events were lost for %lld hours: what is older than %d days is not "
		 "asked for",
		 s->id_text, (long long)((now_us - since_us) / (3600 * SECOND_US)), MAX_DAYS);
	return now_us - MAX_US;
}

static void ask_since(struct login *s, int64_t *since_us, int64_t us)
{
	if (!login_wants_calls(s))
		return;
	*since_us = least(*since_us, us);
	s->gap.until_us = login_now(s);
}

void gap_lost(struct login *s)
{
	struct gap *g = &s->gap;
	int64_t now_us = login_now(s);
	bool known = g->good_us != GAP_NONE;
	int64_t since_us = known ? gap_bounded(s, g->good_us) : now_us;

	texts_lost(s, since_us);
	if (known)
		ask_since(s, &g->since_us, since_us);
	gap_good(s, now_us);
	s->keep.dirty = true;
}

void gap_sweep(struct login *s)
{
	int64_t good_us = s->gap.good_us, oldest_us = login_now(s) - MAX_US;

	if (good_us == GAP_NONE)
		return;
	good_us -= SWEEP_S * SECOND_US;
	ask_since(s, &s->gap.swept_us, good_us > oldest_us ? good_us : oldest_us);
}

/* --- the call log --- */

static void on_asked(struct connect_missed *m)
{
	struct gap *g = CONTAINER_OF(m, struct gap, asked);
	struct login *s = CONTAINER_OF(g, struct login, gap);
	bool over = m->code == 0 || m->code == E_NOT_FOUND;

	g->out = false;
	if (!over) {
		g->again_us = login_now(s) + backoff_next_ms(&g->pause) * MS_US;
	} else if (g->until_us == g->out_until_us) { /* no other loss meanwhile */
		g->since_us = g->swept_us = GAP_NONE;
		s->keep.dirty = true;
		backoff_reset(&g->pause);
	}
	login_release(s);
}

static void ask_for_calls(struct login *s)
{
	const struct connect_calls *calls = &s->connect->config.calls;
	struct gap *g = &s->gap;
	/* By the platform's clock: ours may be another. */
	int64_t ahead_us = s->provider_us - s->provider_at_us;

	g->asked = (struct connect_missed){
		.source = s->id,
		.since_us = least(g->since_us, g->swept_us) + ahead_us - SLACK_S * SECOND_US,
		.until_us = g->until_us + ahead_us + SLACK_S * SECOND_US,
		.once = g->since_us == GAP_NONE,
		.done = on_asked,
	};
	g->out_until_us = g->until_us;
	g->out = true;
	login_hold(s);
	calls->missed(calls->user, s->part->shard, &g->asked);
}

void gap_step(struct login *s, int64_t now_us)
{
	struct gap *g = &s->gap;

	if (gateway_is_whole(s, now_us))
		gap_good(s, tell_durable_us(&s->tell, s->gateway.heard_us));
	bool owes = least(g->since_us, g->swept_us) != GAP_NONE;
	if (owes && !g->out && s->provider_us && now_us >= g->again_us)
		ask_for_calls(s);
}
