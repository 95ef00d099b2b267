#include "call/sound_mix.h"

#include "base/clock.h"

/* The end of a turn that is spoken into for less is no interruption. */
#define YIELD_LEAST_US (200 * MS_US)

static const char *const state_names[SOUND_STATE_COUNT] = {
#define X(id, name) [SOUND_STATE_##id] = name,
	SOUND_STATES(X)
#undef X
};

const char *sound_state_name(enum sound_state state)
{
	return state_names[state];
}

/* --- distributions --- */

static const struct {
	int64_t from_ms, step_ms;
	unsigned first;
} parts[] = { { 0, 20, 0 }, { 1000, 100, 50 }, { 5000, 500, 90 }, { 20000, INT64_MAX, 120 } };
enum { PARTS = sizeof(parts) / sizeof(*parts) };

static unsigned step_of(int64_t ms)
{
	unsigned part = PARTS - 1;
	while (part > 0 && ms < parts[part].from_ms)
		part--;
	return parts[part].first + (unsigned)((ms - parts[part].from_ms) / parts[part].step_ms);
}

static int64_t end_of(unsigned step)
{
	unsigned part = PARTS - 1;
	while (step < parts[part].first)
		part--;
	if (part == PARTS - 1)
		return INT64_MAX;
	return parts[part].from_ms + (int64_t)(step - parts[part].first + 1) * parts[part].step_ms;
}

void sound_times_add(struct sound_times *t, int64_t ms)
{
	uint16_t *step = &t->steps[step_of(ms > 0 ? ms : 0)];
	if (*step == UINT16_MAX)
		return;
	++*step;
	t->n++;
	t->most_ms = ms > t->most_ms ? ms : t->most_ms;
}

int64_t sound_times_percentile(const struct sound_times *t, unsigned percent)
{
	uint64_t wanted = ((uint64_t)t->n * percent + 99) / 100, seen = 0;
	for (unsigned i = 0; t->n && i < SOUND_STEPS; i++) {
		seen += t->steps[i];
		if (seen >= wanted)
			return end_of(i) < t->most_ms ? end_of(i) : t->most_ms;
	}
	return -1;
}

/* --- who speaks, and how the legs stand --- */

struct step {
	struct sound_mix *m;
	const struct sound_rules *rules;
	void (*found)(void *user, const struct sound_found *);
	void *user;
	int64_t at_us;
};

static void tell(const struct step *s, struct sound_found f)
{
	f.at_us = f.at_us ? f.at_us : s->at_us;
	if (s->found)
		s->found(s->user, &f);
}

enum { BOTH = 1u << SPEAKER_AI | 1u << SPEAKER_USER, MIXED = 1u << SPEAKER_NONE };

/* Is its speaker to be measured here, or do others bring the same? */
static bool counts(const struct sound_mix *m, unsigned leg)
{
	unsigned others = 0;
	if (!m->rank[leg])
		return true;
	for (unsigned i = 0; i < SOUND_LEGS; i++)
		others |= m->attached[i] && m->rank[i] < m->rank[leg] ? 1u << m->speaker[i] : 0;
	bool all = m->speaker[leg] == SPEAKER_NONE && (others & BOTH) == BOTH;
	return !all && !(others & 1u << m->speaker[leg]);
}

static bool speaks(const struct sound_mix *m, enum speaker who)
{
	for (unsigned i = 0; i < SOUND_LEGS; i++)
		if (m->on[i] && m->speaker[i] == who && counts(m, i))
			return true;
	return false;
}

/* Silence is meant. */
static bool rests(const struct sound_mix *m)
{
	bool held = false;
	for (unsigned i = 0; i < SOUND_LEGS; i++)
		held |= m->held[i];
	return m->resting || held;
}

/* The caller's leg is silent when nothing sounds on it; the assistant's, which may be digitally
 * silent while it listens, when nothing ever has; one that is held never. */
static bool silent_leg(const struct sound_mix *m, unsigned leg)
{
	return m->silent[leg] && !m->held[leg] &&
	       (m->speaker[leg] != SPEAKER_AI || !m->sounded[leg]);
}

static enum sound_state state_of(const struct sound_mix *m)
{
	unsigned sounding = 0, silent = 0, known = 0;
	for (unsigned i = 0; i < SOUND_LEGS; i++) {
		if (!m->attached[i] || !counts(m, i))
			continue;
		known |= 1u << m->speaker[i];
		sounding += !silent_leg(m, i);
		silent += silent_leg(m, i);
	}
	if (!known)
		return SOUND_STATE_NONE;
	if (!sounding || silent)
		return sounding ? SOUND_STATE_ONE_WAY : SOUND_STATE_SILENT;
	return (known & BOTH) == BOTH || known & MIXED ? SOUND_STATE_TWO_WAY : SOUND_STATE_SINGLE;
}

/* --- time passes --- */

static void pass(struct sound_mix *m, int64_t until_us)
{
	int64_t us = m->at_us ? until_us - m->at_us : 0;
	bool ai = speaks(m, SPEAKER_AI), user = speaks(m, SPEAKER_USER);
	m->at_us = until_us;
	m->talk_us[SPEAKER_AI] += ai ? us : 0;
	m->talk_us[SPEAKER_USER] += user ? us : 0;
	m->overlap_us += ai && user ? us : 0;
	m->silence_us += m->quiet_us && !rests(m) ? us : 0;
	m->one_way_us += m->state == SOUND_STATE_ONE_WAY ? us : 0;
	m->silent_us += m->state == SOUND_STATE_SILENT ? us : 0;
}

/* --- interruptions --- */

static void barge_ends(const struct step *s, int64_t at_us, bool yielded)
{
	int64_t ms = (at_us - s->m->barge_us) / MS_US;
	s->m->barge_n++;
	s->m->yielded_n += yielded;
	if (yielded)
		sound_times_add(&s->m->yield, ms);
	tell(s, (struct sound_found){
			.what = SOUND_BARGE_IN, .at_us = at_us, .ms = ms, .yielded = yielded });
	s->m->barge_us = 0;
}

/* The assistant has not given way in time. */
static void barge_times_out(const struct step *s)
{
	struct sound_mix *m = s->m;
	if (!m->barge_us || s->at_us <= m->barge_us + s->rules->yield_us)
		return;
	if (m->yielding || speaks(m, SPEAKER_USER))
		barge_ends(s, m->barge_us + s->rules->yield_us, false);
	m->barge_us = 0;
}

/* --- silence --- */

static void quiet_begins(const struct step *s, enum speaker after)
{
	s->m->quiet_us = s->at_us;
	s->m->quiet_after = after;
}

static void quiet_ends(const struct step *s, enum speaker before)
{
	struct sound_mix *m = s->m;
	int64_t us = s->at_us - m->quiet_us;
	bool dead = m->quiet_us && !rests(m) && us >= s->rules->dead_air_us;
	m->quiet_us = 0;
	if (!dead)
		return;
	m->dead_n++;
	m->dead_us += us;
	m->dead_most_us = us > m->dead_most_us ? us : m->dead_most_us;
	tell(s, (struct sound_found){ .what = SOUND_DEAD_AIR,
				      .ms = us / MS_US,
				      .after = m->quiet_after,
				      .before = before });
}

/* --- turns --- */

static void user_starts(const struct step *s, bool over)
{
	s->m->asked_us = 0;
	if (over && !s->m->barge_us) {
		s->m->barge_us = s->at_us;
		s->m->yielding = false;
	}
}

static void user_stops(const struct step *s, bool over)
{
	struct sound_mix *m = s->m;
	if (m->barge_us && s->at_us - m->barge_us >= s->rules->barge_in_us) {
		m->yielding = true;
	} else if (m->barge_us) {
		m->backchannels++;
		m->barge_us = 0;
	}
	m->asked_us = over || rests(m) ? 0 : s->at_us;
}

static void ai_starts(const struct step *s, bool over)
{
	struct sound_mix *m = s->m;
	m->cut_ins += over;
	if (!over && m->asked_us) {
		int64_t ms = (s->at_us - m->asked_us) / MS_US;
		sound_times_add(&m->response, ms);
		tell(s, (struct sound_found){ .what = SOUND_RESPONSE, .ms = ms });
	}
	m->asked_us = 0;
}

static void ai_stops(const struct step *s, bool over)
{
	struct sound_mix *m = s->m;
	bool meant = m->barge_us && s->at_us - m->barge_us >= YIELD_LEAST_US;
	if (meant && (over || m->yielding))
		barge_ends(s, s->at_us, true);
	m->barge_us = 0;
}

static void voices(const struct step *s, bool ai, bool user)
{
	bool ai_now = speaks(s->m, SPEAKER_AI), user_now = speaks(s->m, SPEAKER_USER);
	if (!ai && !user && (ai_now || user_now))
		quiet_ends(s, ai_now ? SPEAKER_AI : SPEAKER_USER);
	if (!user && user_now)
		user_starts(s, ai_now);
	if (user && !user_now)
		user_stops(s, ai_now);
	if (!ai && ai_now)
		ai_starts(s, user_now);
	if (ai && !ai_now)
		ai_stops(s, user_now);
	if ((ai || user) && !ai_now && !user_now)
		quiet_begins(s, ai ? SPEAKER_AI : SPEAKER_USER);
}

/* --- marks --- */

static void on_started(const struct step *s, unsigned leg)
{
	if (s->m->on[leg] < UINT8_MAX)
		s->m->on[leg]++;
	s->m->silent[leg] = false;
	s->m->sounded[leg] = true;
}

static void on_stopped(const struct step *s, unsigned leg)
{
	if (s->m->on[leg] > 0)
		s->m->on[leg]--;
}

static void on_silent(const struct step *s, unsigned leg)
{
	s->m->silent[leg] = true;
}

static void on_sounds(const struct step *s, unsigned leg)
{
	s->m->silent[leg] = false;
	s->m->sounded[leg] = true;
}

/* From now on silence is meant: what was quiet before it counts. */
static void rest_begins(const struct step *s)
{
	if (s->m->quiet_us)
		quiet_ends(s, SPEAKER_NONE);
	s->m->asked_us = 0;
}

/* Nobody rests any more. */
static void rest_ends(const struct step *s)
{
	bool talks = speaks(s->m, SPEAKER_AI) || speaks(s->m, SPEAKER_USER);
	if (!rests(s->m) && !talks)
		quiet_begins(s, SPEAKER_NONE);
}

static void on_held(const struct step *s, unsigned leg)
{
	if (!s->m->attached[leg])
		return;
	rest_begins(s);
	s->m->held[leg] = true;
	s->m->silent[leg] = false;
}

static void on_resumed(const struct step *s, unsigned leg)
{
	if (!s->m->held[leg])
		return;
	s->m->held[leg] = s->m->silent[leg] = false;
	rest_ends(s);
}

static void on_detached(const struct step *s, unsigned leg)
{
	s->m->attached[leg] = false;
	s->m->on[leg] = 0;
	on_resumed(s, leg);
}

static void on_attached(const struct step *s, unsigned leg)
{
	s->m->attached[leg] = true;
	s->m->on[leg] = 0;
	s->m->silent[leg] = s->m->sounded[leg] = false;
	on_resumed(s, leg);
}

static void on_rest(const struct step *s, unsigned leg)
{
	(void)leg;
	rest_begins(s);
	s->m->resting = true;
}

static void on_rest_over(const struct step *s, unsigned leg)
{
	bool rested = s->m->resting;
	(void)leg;
	s->m->resting = false;
	if (rested)
		rest_ends(s);
}

static void on_end(const struct step *s, unsigned leg)
{
	(void)leg;
	for (unsigned i = 0; i < SOUND_LEGS; i++)
		on_detached(s, i);
}

static void (*const on_mark[])(const struct step *, unsigned leg) = {
	[SOUND_ATTACHED] = on_attached, [SOUND_STARTED] = on_started,
	[SOUND_STOPPED] = on_stopped,	[SOUND_SILENT] = on_silent,
	[SOUND_SOUNDS] = on_sounds,	[SOUND_DETACHED] = on_detached,
	[SOUND_HELD] = on_held,		[SOUND_RESUMED] = on_resumed,
	[SOUND_REST] = on_rest,		[SOUND_REST_OVER] = on_rest_over,
	[SOUND_END] = on_end,
};

static void change_state(const struct step *s)
{
	enum sound_state was = s->m->state;
	s->m->state = state_of(s->m);
	if (s->m->state != was)
		tell(s,
		     (struct sound_found){ .what = SOUND_STATE, .state = s->m->state, .was = was });
	if (s->m->state != SOUND_STATE_NONE)
		return;
	quiet_ends(s, SPEAKER_NONE);
	s->m->asked_us = s->m->barge_us = 0;
}

void sound_mix_add(struct sound_mix *m, const struct sound_mark *mark,
		   const struct sound_rules *rules,
		   void (*found)(void *user, const struct sound_found *), void *user)
{
	struct step s = { m, rules, found, user, mark->at_us };
	bool ai = speaks(m, SPEAKER_AI), voice = speaks(m, SPEAKER_USER);
	pass(m, mark->at_us);
	barge_times_out(&s);
	m->speaker[mark->leg] = mark->what < SOUND_REST ? mark->speaker : m->speaker[mark->leg];
	if (mark->what == SOUND_ATTACHED)
		m->rank[mark->leg] = mark->rank;
	on_mark[mark->what](&s, mark->leg);
	voices(&s, ai, voice);
	change_state(&s);
}
