/* What is heard of the call's audio (callmend/heard.h): facts become events, and marks of who
 * speaks become the measures of the conversation (sound_mix.h).
 *
 *   fact ─┬─► event of its own at once (speech, level, digit, state of recorder ...)
 *         └─► mark ─► in the order of their times ─► after SETTLE: mix ─► barge_in, response,
 * dead_air
 *
 * Facts are told as they become certain: the stop of one leg may come after the start of another
 * that was later. So marks are counted SETTLE_US after their time. One that comes later still, as
 * when audio is linked to a call, finds its place among the last SOUND_MARKS: `live` is counted
 * anew from `base`, which holds what lies before them, and nothing is told twice. What is older
 * than that is dropped and counted (late_facts). */
#include "base/crypto.h"
#include "call/parts.h"

#include <stdlib.h>

#define SETTLE_US (1500 * MS_US)
/* A time further ahead than this is not believed. */
#define AHEAD_US SECOND_US
enum {
	NO_LEG = SOUND_LEGS,
	STREAM_BYTES = 64,
	WORD_BYTES = 32,
	REASON_BYTES = 256,
	MARKS_FIRST = 24
};

static struct sound_state_of_call *sound(struct session *s)
{
	if (!s->sound) {
		s->sound = calloc(1, sizeof(*s->sound));
		CHECK(s->sound);
	}
	return s->sound;
}

/* --- legs --- */

static uint64_t key_of(struct span stream, unsigned leg)
{
	return hash64_seeded(stream, leg + 1) | 1;
}

/* A place of a stream may be given again: who is attached there now goes first. */
static unsigned leg_find(const struct sound_state_of_call *a, uint64_t key)
{
	unsigned best = NO_LEG;
	for (unsigned i = 0; i < a->legs_n; i++) {
		if (a->legs[i].key != key)
			continue;
		if (a->legs[i].attached)
			return i;
		if (best == NO_LEG || a->legs[i].detached_us > a->legs[best].detached_us)
			best = i;
	}
	return best;
}

static unsigned leg_new(struct sound_state_of_call *a)
{
	a->legs = realloc(a->legs, (a->legs_n + 1) * sizeof(*a->legs));
	CHECK(a->legs);
	a->legs[a->legs_n] = (struct sound_leg){ 0 };
	return a->legs_n++;
}

/* A new place, or that of the leg which was detached first. */
static unsigned leg_place(struct sound_state_of_call *a)
{
	unsigned best = NO_LEG;
	if (a->legs_n < SOUND_LEGS)
		return leg_new(a);
	CHECK(a->legs);
	for (unsigned i = 0; i < a->legs_n; i++) {
		bool gone = !a->legs[i].attached;
		if (gone && (best == NO_LEG || a->legs[i].detached_us < a->legs[best].detached_us))
			best = i;
	}
	return best;
}

static void leg_free(struct sound_leg *l)
{
	kept_free(&l->stream);
	kept_free(&l->dialect);
	kept_free(&l->codec);
	kept_free(&l->party);
	kept_free(&l->who);
	*l = (struct sound_leg){ 0 };
}

/* Another leg that tells of this one's speaker instead, if need be words. */
static bool is_told_by_others(const struct sound_state_of_call *a, const struct sound_leg *l,
			      bool words)
{
	bool others = false;
	for (unsigned i = 0; i < a->legs_n; i++)
		others |= a->legs[i].attached && a->legs[i].rank < l->rank &&
			  a->legs[i].speaker == l->speaker && (!words || a->legs[i].worded);
	return others;
}

static bool speaker_on(const struct sound_state_of_call *a, enum speaker who)
{
	for (unsigned i = 0; i < a->legs_n; i++)
		if (a->legs[i].attached && a->legs[i].speaking && a->legs[i].speaker == who &&
		    !is_told_by_others(a, &a->legs[i], false))
			return true;
	return false;
}

bool sound_hears(const struct session *s, enum speaker who)
{
	for (unsigned i = 0; s->sound && i < s->sound->legs_n; i++) {
		const struct sound_leg *l = &s->sound->legs[i];
		if (l->attached && l->hears && l->speaker == who)
			return true;
	}
	return false;
}

static bool any_attached(const struct sound_state_of_call *a)
{
	for (unsigned i = 0; i < a->legs_n; i++)
		if (a->legs[i].attached)
			return true;
	return false;
}

/* --- measures --- */

static struct sound_rules rules_of(const struct session *s)
{
	return (struct sound_rules){ s->settings.barge_in_ms * MS_US, s->settings.yield_ms * MS_US,
				     s->settings.dead_air_ms * MS_US };
}

static void found_barge_in(struct draft *d, const struct sound_found *f)
{
	d->e.speaker = SPEAKER_USER;
	json_put_bool(&d->o, "yielded", f->yielded);
	json_put_i64(&d->o, f->yielded ? "yield_ms" : "tried_ms", f->ms);
}

static void found_response(struct draft *d, const struct sound_found *f)
{
	d->e.speaker = SPEAKER_AI;
	json_put_i64(&d->o, "latency_ms", f->ms);
}

static const char *who(enum speaker speaker)
{
	return speaker == SPEAKER_NONE ? NULL : speaker_name(speaker);
}

static void found_dead_air(struct draft *d, const struct sound_found *f)
{
	json_put_i64(&d->o, "ms", f->ms);
	json_put_z(&d->o, "after", who(f->after));
	json_put_z(&d->o, "before", who(f->before));
}

static void found_state(struct draft *d, const struct sound_found *f)
{
	json_put_z(&d->o, "state", sound_state_name(f->state));
	json_put_z(&d->o, "previous", sound_state_name(f->was));
}

static const struct {
	enum event_type type;
	void (*put)(struct draft *, const struct sound_found *);
} on_found[] = {
	[SOUND_BARGE_IN] = { EVENT_BARGE_IN, found_barge_in },
	[SOUND_RESPONSE] = { EVENT_RESPONSE, found_response },
	[SOUND_DEAD_AIR] = { EVENT_DEAD_AIR, found_dead_air },
	[SOUND_STATE] = { EVENT_AUDIO_STATE, found_state },
};

static void found(void *user, const struct sound_found *f)
{
	struct session *s = user;
	struct draft d;
	draft_begin(s, &d, on_found[f->what].type, f->at_us);
	d.e.own_clock = true;
	on_found[f->what].put(&d, f);
	draft_emit(s, &d);
}

static int order(const struct sound_mark *a, const struct sound_mark *b)
{
	if (a->at_us != b->at_us)
		return a->at_us < b->at_us ? -1 : 1;
	return a->what != b->what ? a->what - b->what : a->leg - b->leg;
}

/* Counts what has settled, and tells what it means. */
static void settle(struct session *s, int64_t until_us)
{
	struct sound_state_of_call *a = s->sound;
	struct sound_rules rules = rules_of(s);
	while (a->counted < a->marks_n && a->marks[a->counted].at_us <= until_us) {
		struct sound_mark mark = a->marks[a->counted++];
		sound_mix_add(&a->live, &mark, &rules, found, s);
	}
}

static void count_anew(struct session *s)
{
	struct sound_state_of_call *a = s->sound;
	struct sound_rules rules = rules_of(s);
	a->live = a->base;
	for (uint32_t i = 0; i < a->counted; i++)
		sound_mix_add(&a->live, &a->marks[i], &rules, NULL, NULL);
}

static void forget_oldest(struct session *s)
{
	struct sound_state_of_call *a = s->sound;
	struct sound_rules rules = rules_of(s);
	settle(s, a->marks[0].at_us);
	sound_mix_add(&a->base, &a->marks[0], &rules, NULL, NULL);
	a->marks_n--;
	a->counted--;
	memmove(a->marks, a->marks + 1, a->marks_n * sizeof(*a->marks));
}

/* For one more. A short call has few. */
static void marks_room(struct sound_state_of_call *a)
{
	if (a->marks_n < a->marks_cap)
		return;
	uint32_t twice = a->marks_cap ? a->marks_cap * 2 : MARKS_FIRST;
	a->marks_cap = twice <= SOUND_MARKS ? twice : SOUND_MARKS + 1;
	a->marks = realloc(a->marks, a->marks_cap * sizeof(*a->marks));
	CHECK(a->marks);
}

static void mark(struct session *s, enum sound_what what, unsigned leg, int64_t at_us)
{
	struct sound_state_of_call *a = sound(s);
	enum speaker who = leg < a->legs_n ? a->legs[leg].speaker : SPEAKER_NONE;
	struct sound_mark m = { at_us, (uint8_t)what, (uint8_t)leg, (uint8_t)who,
				leg < a->legs_n ? a->legs[leg].rank : 0 };
	uint32_t i = a->marks_n;
	if (at_us < a->base.at_us) {
		a->late_facts++;
		return;
	}
	while (i > 0 && order(&m, &a->marks[i - 1]) < 0)
		i--;
	marks_room(a);
	memmove(a->marks + i + 1, a->marks + i, (a->marks_n - i) * sizeof(*a->marks));
	a->marks[i] = m;
	a->marks_n++;
	if (i < a->counted) {
		a->counted++;
		count_anew(s);
	}
	if (a->marks_n > SOUND_MARKS)
		forget_oldest(s);
}

/* --- facts --- */

struct told_fact {
	const struct heard *h;
	struct sound_leg *leg;
	unsigned place;
	struct span stream;
	int64_t at_us;
};

static void begin(struct session *s, struct draft *d, enum event_type type,
		  const struct told_fact *f)
{
	draft_begin(s, d, type, f->at_us);
	d->e.speaker = f->h->speaker;
	json_put_text(&d->o, "stream", kept_clip(f->stream, STREAM_BYTES));
	json_put_i64(&d->o, "leg", f->h->leg);
}

static void put_db(struct json_out *o, const char *key, int64_t tenths)
{
	json_put_f64(o, key, (double)tenths / 10);
}

/* Nobody else says how calls of this platform stand. */
static bool lasts_by_audio(const struct session *s)
{
	return s->dialect && s->dialect->lasts_by_audio;
}

/* A call of which nothing but audio is known has begun, or goes on after all. */
static void begin_call(struct session *s, const struct told_fact *f)
{
	struct call_facts facts = { .provider_call_id = f->stream,
				    .kind = SPAN("audio"),
				    .transport = f->h->name };
	struct input call = { .type = INPUT_CALL, .at_us = f->at_us, .facts = &facts };
	struct input status = { .type = INPUT_STATUS,
				.at_us = f->at_us,
				.name = SPAN("in-progress") };
	bool lasts = lasts_by_audio(s);
	if (s->facts.known && !lasts)
		return;
	if (lasts && s->sound->only_audio && !s->status.ended)
		return;
	sound(s)->only_audio = true;
	s->sound->ended = false;
	if (!s->facts.known)
		facts_input(s, &call);
	status_input(s, &status);
}

static void end_call(struct session *s, int64_t at_us, struct span reason)
{
	struct input status = {
		.type = INPUT_STATUS, .at_us = at_us, .name = SPAN("ended"), .reason = reason
	};
	if (!s->status.ended)
		status_input(s, &status);
}

/* With the last participant, if the stream is over, too: another stream of the same call may begin,
 * so it is waited for a little, and the end is believed as long as no more is heard. */
static void nobody_left(struct session *s, const struct told_fact *f, struct span why)
{
	struct sound_state_of_call *a = s->sound;
	if (!a->only_audio || span_is(why, "left"))
		return;
	if (!lasts_by_audio(s)) {
		end_call(s, f->at_us, why.n ? why : SPAN("closed"));
		return;
	}
	kept_set(&a->over_why, why.n ? why : SPAN("closed"));
	a->over_at_us = f->at_us;
	a->over_us = s->now.at_us + s->settings.party_settle_ms * MS_US;
}

static void call_over(struct session *s)
{
	struct sound_state_of_call *a = s->sound;
	if (!a || !a->over_us || s->now.at_us < a->over_us)
		return;
	a->over_us = 0;
	s->stage = 0; /* an end is the business of all of them */
	s->now.own_clock = true;
	end_call(s, a->over_at_us, kept_span(&a->over_why));
	s->now.own_clock = false;
	s->status.lost = true; /* it lives again when more is heard */
}

static void put_name(struct draft *d, const struct sound_leg *l)
{
	pipeline_put_text(&d->o, "party", kept_span(&l->party));
	pipeline_put_text(&d->o, "who", kept_span(&l->who));
}

static void attached(struct session *s, const struct told_fact *f)
{
	struct sound_leg *l = f->leg;
	bool spoke = speaker_on(s->sound, f->h->speaker);
	struct draft d;
	begin_call(s, f);
	s->sound->over_us = 0;
	kept_set_clipped(&l->stream, f->stream, STREAM_BYTES);
	kept_set_clipped(&l->dialect, f->h->name, WORD_BYTES);
	kept_set_clipped(&l->codec, f->h->text, WORD_BYTES);
	kept_set_clipped(&l->party, f->h->party, STREAM_BYTES);
	kept_set_clipped(&l->who, f->h->who, STREAM_BYTES);
	l->rate_hz = f->h->value;
	l->attached = true;
	l->rank = (uint8_t)f->h->rank;
	l->held = false;
	l->attached_us = f->at_us;
	mark(s, SOUND_ATTACHED, f->place, f->at_us);
	begin(s, &d, EVENT_AUDIO_ATTACHED, f);
	json_put_text(&d.o, "dialect", kept_span(&l->dialect));
	json_put_text(&d.o, "codec", kept_span(&l->codec));
	json_put_i64(&d.o, "rate_hz", l->rate_hz);
	put_name(&d, l);
	draft_emit(s, &d);
	if (spoke && !speaker_on(s->sound, f->h->speaker))
		speech_heard(s, f->h->speaker, false, f->at_us);
}

static void held(struct session *s, const struct told_fact *f)
{
	bool on = span_is(f->h->name, "held");
	struct draft d;
	if (!f->leg->attached || f->leg->held == on)
		return;
	f->leg->held = on;
	mark(s, on ? SOUND_HELD : SOUND_RESUMED, f->place, f->at_us);
	begin(s, &d, EVENT_AUDIO_HELD, f);
	json_put_bool(&d.o, "held", on);
	draft_emit(s, &d);
}

static void detached(struct session *s, const struct told_fact *f)
{
	struct span why = kept_clip(f->h->name, WORD_BYTES);
	enum speaker speaker = f->h->speaker;
	struct draft d;
	if (!f->leg->attached) { /* the stream of those who had left before */
		if (!any_attached(s->sound))
			nobody_left(s, f, why);
		return;
	}
	mark(s, SOUND_DETACHED, f->place, f->at_us);
	f->leg->attached = f->leg->speaking = f->leg->hears = f->leg->held = false;
	f->leg->detached_us = f->at_us;
	bool goes_on = speaker != SPEAKER_NONE && speaker_on(s->sound, speaker);
	speech_heard(s, speaker, goes_on, f->at_us);
	begin(s, &d, EVENT_AUDIO_DETACHED, f);
	pipeline_put_text(&d.o, "why", why);
	json_put_i64(&d.o, "heard_ms", f->h->ms);
	draft_emit(s, &d);
	if (any_attached(s->sound))
		return;
	transcript_unheard(s);
	nobody_left(s, f, why);
}

static void speech(struct session *s, const struct told_fact *f, bool starts)
{
	enum speaker speaker = f->h->speaker;
	mark(s, starts ? SOUND_STARTED : SOUND_STOPPED, f->place, f->at_us);
	f->leg->hears = true;
	f->leg->speaking = starts;
	if (speaker != SPEAKER_NONE && speaker_on(s->sound, speaker) == starts)
		speech_heard(s, speaker, starts, f->at_us);
}

static void speech_started(struct session *s, const struct told_fact *f)
{
	speech(s, f, true);
}

static void speech_stopped(struct session *s, const struct told_fact *f)
{
	speech(s, f, false);
}

static void level(struct session *s, const struct told_fact *f)
{
	struct sound_leg *l = f->leg;
	struct draft d;
	l->level = (int16_t)f->h->value;
	l->peak = (int16_t)f->h->peak;
	l->noise = (int16_t)f->h->noise;
	l->clipped += f->h->clipped;
	l->measured = true;
	if (f->h->speech_ms && f->h->speaker != SPEAKER_NONE)
		speech_goes_on(s, f->h->speaker);
	begin(s, &d, EVENT_AUDIO_LEVEL, f);
	put_db(&d.o, "level_db", l->level);
	put_db(&d.o, "peak_db", l->peak);
	put_db(&d.o, "noise_db", l->noise);
	json_put_i64(&d.o, "ms", f->h->ms);
	json_put_i64(&d.o, "speech_ms", f->h->speech_ms);
	json_put_i64(&d.o, "clipped", f->h->clipped);
	draft_emit(s, &d);
}

/* Digital silence counts as such from the project's threshold on. */
static void silent(struct session *s, const struct told_fact *f)
{
	if (f->h->ms >= s->settings.one_way_ms)
		mark(s, SOUND_SILENT, f->place, f->at_us);
}

static void sounds(struct session *s, const struct told_fact *f)
{
	mark(s, SOUND_SOUNDS, f->place, f->at_us);
}

/* Its leg, when it has one. */
static struct sound_leg *leg_of(struct session *s, const struct told_fact *f)
{
	struct sound_state_of_call *a = sound(s);
	unsigned place = leg_find(a, key_of(f->stream, f->h->leg));
	return place == NO_LEG ? NULL : &a->legs[place];
}

static void dtmf(struct session *s, const struct told_fact *f)
{
	const struct sound_leg *l = leg_of(s, f);
	struct draft d;
	if (l && is_told_by_others(s->sound, l, false))
		return;
	sound(s)->digits++;
	begin(s, &d, EVENT_DTMF, f);
	d.e.text = kept_clip(f->h->text, WORD_BYTES);
	json_put_text(&d.o, "digit", d.e.text);
	json_put_text(&d.o, "how", kept_clip(f->h->name, WORD_BYTES));
	json_put_i64(&d.o, "ms", f->h->ms);
	draft_emit(s, &d);
}

static void put_quality(const struct sound_leg *l, struct json_out *o)
{
	json_put_i64(o, "gaps", l->gaps);
	json_put_i64(o, "gap_ms", l->gap_ms);
	json_put_i64(o, "late", l->late);
	json_put_i64(o, "duplicates", l->duplicates);
	json_put_i64(o, "reordered", l->reordered);
	json_put_i64(o, "damaged", l->damaged);
}

static void quality(struct session *s, const struct told_fact *f)
{
	struct sound_leg *l = f->leg;
	struct draft d;
	l->gaps = f->h->gaps;
	l->gap_ms = f->h->ms;
	l->late = f->h->late;
	l->duplicates = f->h->duplicates;
	l->reordered = f->h->reordered;
	l->damaged = f->h->damaged;
	begin(s, &d, EVENT_AUDIO_QUALITY, f);
	put_quality(l, &d.o);
	draft_emit(s, &d);
}

static void played(struct session *s, const struct told_fact *f)
{
	struct draft d;
	begin(s, &d, EVENT_AUDIO_PLAYED, f);
	pipeline_put_text(&d.o, "mark", kept_clip(f->h->text, REASON_BYTES));
	json_put_text(&d.o, "how", kept_clip(f->h->name, WORD_BYTES));
	json_put_i64(&d.o, "ms", f->h->ms);
	draft_emit(s, &d);
}

static void transcript(struct session *s, const struct told_fact *f)
{
	struct input in = { .type = INPUT_TRANSCRIPT,
			    .speaker = f->h->speaker,
			    .final = f->h->final,
			    .turn = -1,
			    .at_us = f->at_us,
			    .end_us = f->at_us + f->h->ms * MS_US,
			    .text = f->h->text };
	struct sound_leg *l = leg_of(s, f);
	if (!in.text.n || in.speaker == SPEAKER_NONE || (l && is_told_by_others(s->sound, l, true)))
		return;
	if (l)
		l->worded = true;
	transcript_heard(s, &in);
}

static void transcriber(struct session *s, const struct told_fact *f)
{
	struct sound_leg *l = leg_of(s, f);
	struct draft d;
	kept_set_clipped(&s->sound->transcriber, f->h->name, WORD_BYTES);
	if (!span_is(f->h->name, "connected"))
		transcript_unheard(s);
	if (l)
		l->worded &= span_is(f->h->name, "connected");
	begin(s, &d, EVENT_TRANSCRIBER, f);
	json_put_text(&d.o, "state", kept_span(&s->sound->transcriber));
	pipeline_put_text(&d.o, "why", kept_clip(f->h->text, REASON_BYTES));
	draft_emit(s, &d);
}

static void recording(struct session *s, const struct told_fact *f)
{
	struct sound_state_of_call *a = sound(s);
	struct draft d;
	kept_set_clipped(&a->recording, f->h->name, WORD_BYTES);
	kept_set_clipped(&a->recording_id, f->h->id, STREAM_BYTES);
	a->recorded_ms = f->h->ms;
	begin(s, &d, EVENT_RECORDING, f);
	json_put_text(&d.o, "state", kept_span(&a->recording));
	pipeline_put_text(&d.o, "why", kept_clip(f->h->text, REASON_BYTES));
	pipeline_put_text(&d.o, "id", kept_span(&a->recording_id));
	json_put_i64(&d.o, "ms", a->recorded_ms);
	draft_emit(s, &d);
}

static void unbound(struct session *s, const struct told_fact *f)
{
	struct draft d;
	sound(s)->unbound = true;
	begin(s, &d, EVENT_AUDIO_UNBOUND, f);
	draft_emit(s, &d);
}

/* This call was made for its audio alone, which has found the call it is of. */
static void linked(struct session *s, const struct told_fact *f)
{
	struct draft d;
	sound(s)->unbound = false;
	kept_set_clipped(&s->sound->linked, f->h->id, STREAM_BYTES);
	begin(s, &d, EVENT_AUDIO_LINKED, f);
	pipeline_put_text(&d.o, "to", kept_span(&s->sound->linked));
	draft_emit(s, &d);
	end_call(s, f->at_us, SPAN("audio-linked"));
}

static void untold(struct session *s, const struct told_fact *f)
{
	(void)f;
	session_flag(s, FLAG_UNTOLD);
}

/* What was heard before the socket was lost, if anything was, has been told to its end. */
static void unreached(struct session *s, const struct told_fact *f)
{
	struct draft d;
	draft_begin(s, &d, EVENT_AUDIO_UNREACHED, f->at_us);
	json_put_text(&d.o, "dialect", kept_clip(f->h->name, WORD_BYTES));
	pipeline_put_text(&d.o, "why", kept_clip(f->h->text, REASON_BYTES));
	draft_emit(s, &d);
}

/* `leg`: is about a leg that must be known. */
static const struct {
	void (*fact)(struct session *, const struct told_fact *);
	bool leg;
} on_fact[HEARD_COUNT] = {
	[HEARD_ATTACHED] = { attached, true },
	[HEARD_HELD] = { held, true },
	[HEARD_DETACHED] = { detached, true },
	[HEARD_SPEECH_STARTED] = { speech_started, true },
	[HEARD_SPEECH_STOPPED] = { speech_stopped, true },
	[HEARD_LEVEL] = { level, true },
	[HEARD_SILENT] = { silent, true },
	[HEARD_SOUND] = { sounds, true },
	[HEARD_DTMF] = { dtmf, false },
	[HEARD_QUALITY] = { quality, true },
	[HEARD_PLAYED] = { played, false },
	[HEARD_TRANSCRIPT] = { transcript, false },
	[HEARD_TRANSCRIBER] = { transcriber, false },
	[HEARD_RECORDING] = { recording, false },
	[HEARD_UNBOUND] = { unbound, false },
	[HEARD_LINKED] = { linked, false },
	[HEARD_UNTOLD] = { untold, false },
	[HEARD_UNREACHED] = { unreached, false },
};

/* Its leg, made when it begins. False: there is none, and no room for one. */
static bool find_leg(struct session *s, struct told_fact *f)
{
	struct sound_state_of_call *a = sound(s);
	uint64_t key = key_of(f->stream, f->h->leg);
	f->place = leg_find(a, key);
	CHECK(a->legs || f->place == NO_LEG);
	bool anew =
		f->h->kind == HEARD_ATTACHED && (f->place == NO_LEG || !a->legs[f->place].attached);
	if (anew) {
		f->place = leg_place(a);
		if (f->place == NO_LEG)
			session_flag(s, FLAG_LEGS_FULL);
		else
			leg_free(&a->legs[f->place]);
	}
	if (f->place == NO_LEG)
		return false;
	f->leg = &a->legs[f->place];
	f->leg->key = key;
	f->leg->index = f->h->leg;
	if (f->leg->attached || f->h->kind == HEARD_ATTACHED)
		f->leg->speaker = f->h->speaker;
	return true;
}

static int64_t time_of(struct session *s, int64_t at_us)
{
	int64_t at = pipeline_time(s, at_us);
	return at > s->now.at_us + AHEAD_US ? s->now.at_us : at;
}

void sound_heard(struct session *s, struct span stream, const struct heard *facts, size_t n)
{
	status_news(s);
	s->now.own_clock = true;
	for (size_t i = 0; i < n; i++) {
		struct told_fact f = { .h = &facts[i], .stream = stream };
		f.at_us = time_of(s, facts[i].at_us);
		if (!on_fact[facts[i].kind].leg || find_leg(s, &f))
			on_fact[facts[i].kind].fact(s, &f);
		s->now.provider_us = 0;
	}
	if (s->sound)
		settle(s, s->now.at_us - SETTLE_US);
}

/* --- the stage: what the rest of the call means for its sound --- */

/* Marks are of our clock. */
static int64_t local_us(const struct session *s, const struct event *e)
{
	return pipeline_local(s, e->at_us, e->own_clock);
}

static void on_command(struct session *s, const struct event *e)
{
	struct json data = json_of(e->data), verb = json_get(data, "verb");
	bool mute = json_is_text(verb, "mute"), unmute = json_is_text(verb, "unmute");
	if ((mute || unmute) && json_is_text(json_get(data, "state"), "accepted"))
		mark(s, mute ? SOUND_REST : SOUND_REST_OVER, 0, local_us(s, e));
}

static void on_status(struct session *s, const struct event *e)
{
	struct json status = json_get(json_of(e->data), "status");
	if (json_is_text(status, "forwarding"))
		mark(s, SOUND_REST, 0, local_us(s, e));
}

static void event(struct session *s, const struct event *e)
{
	if (!s->sound)
		return;
	if (e->type == EVENT_COMMAND)
		on_command(s, e);
	else if (e->type == EVENT_CALL_STATUS)
		on_status(s, e);
	else if (!s->sound->ended) {
		s->sound->ended = true;
		mark(s, SOUND_END, 0, local_us(s, e));
		settle(s, INT64_MAX);
	}
}

static int64_t deadline(const struct session *s)
{
	const struct sound_state_of_call *a = s->sound;
	int64_t due = a && a->over_us ? a->over_us : INT64_MAX;
	if (a && a->counted < a->marks_n && a->marks[a->counted].at_us + SETTLE_US < due)
		due = a->marks[a->counted].at_us + SETTLE_US;
	return due;
}

static void timer(struct session *s)
{
	settle(s, s->now.at_us - SETTLE_US);
	call_over(s);
}

static size_t bytes(const struct session *s)
{
	const struct sound_state_of_call *a = s->sound;
	if (!a)
		return 0;
	size_t n = sizeof(*a) + a->marks_cap * sizeof(*a->marks) + a->legs_n * sizeof(*a->legs);
	for (unsigned i = 0; i < a->legs_n; i++)
		n += a->legs[i].stream.n + a->legs[i].dialect.n + a->legs[i].codec.n +
		     a->legs[i].party.n + a->legs[i].who.n;
	return n;
}

static void fini(struct session *s)
{
	if (!s->sound)
		return;
	for (unsigned i = 0; i < s->sound->legs_n; i++)
		leg_free(&s->sound->legs[i]);
	free(s->sound->legs);
	kept_free(&s->sound->transcriber);
	kept_free(&s->sound->recording);
	kept_free(&s->sound->recording_id);
	kept_free(&s->sound->linked);
	kept_free(&s->sound->over_why);
	free(s->sound->marks);
	free(s->sound);
}

const struct stage sound_stage = {
	.name = "sound",
	.wants = STAGE_WANTS(COMMAND) | STAGE_WANTS(CALL_STATUS) | STAGE_WANTS(CALL_ENDED),
	.event = event,
	.deadline = deadline,
	.timer = timer,
	.bytes = bytes,
	.fini = fini,
};

void session_attached_legs(const struct session *s,
			   void (*each)(void *user, struct span stream, unsigned leg,
					enum speaker speaker, int64_t attached_us),
			   void *user)
{
	for (unsigned i = 0; s->sound && i < s->sound->legs_n; i++) {
		const struct sound_leg *l = &s->sound->legs[i];
		if (l->attached)
			each(user, kept_span(&l->stream), l->index, l->speaker, l->attached_us);
	}
}

bool session_records(const struct session *s, int64_t *ms)
{
	static const char *const running[] = { "started", "paused", "resumed" };
	bool records = false;

	for (size_t i = 0; s->sound && i < sizeof(running) / sizeof(running[0]); i++)
		records |= span_is(kept_span(&s->sound->recording), running[i]);
	*ms = records ? s->sound->recorded_ms : 0;
	return records;
}

/* --- "audio" of snapshot and summary --- */

static void put_leg(const struct sound_leg *l, struct json_out *o)
{
	json_begin(o, NULL);
	json_put_text(o, "stream", kept_span(&l->stream));
	json_put_i64(o, "leg", l->index);
	json_put_z(o, "speaker", who(l->speaker));
	json_put_text(o, "dialect", kept_span(&l->dialect));
	json_put_text(o, "codec", kept_span(&l->codec));
	json_put_i64(o, "rate_hz", l->rate_hz);
	pipeline_put_text(o, "party", kept_span(&l->party));
	pipeline_put_text(o, "who", kept_span(&l->who));
	json_put_bool(o, "attached", l->attached);
	pipeline_put_time(o, "attached_at", l->attached_us);
	pipeline_put_time(o, "detached_at", l->detached_us);
	json_put_bool(o, "speaking", l->speaking);
	json_put_bool(o, "held", l->held);
	if (l->measured) {
		put_db(o, "level_db", l->level);
		put_db(o, "peak_db", l->peak);
		put_db(o, "noise_db", l->noise);
	}
	json_put_i64(o, "clipped", l->clipped);
	put_quality(l, o);
	json_end(o);
}

static void put_legs(const struct sound_state_of_call *a, struct json_out *o)
{
	json_begin_array(o, "legs");
	for (unsigned i = 0; i < a->legs_n; i++)
		if (a->legs[i].key)
			put_leg(&a->legs[i], o);
	json_end_array(o);
}

static void put_percentile(struct json_out *o, const char *key, const struct sound_times *t,
			   unsigned percent)
{
	int64_t ms = sound_times_percentile(t, percent);
	if (ms < 0)
		json_put_null(o, key);
	else
		json_put_i64(o, key, ms);
}

static void put_times(struct json_out *o, const char *key, const struct sound_times *t)
{
	json_begin(o, key);
	json_put_i64(o, "count", t->n);
	put_percentile(o, "p50_ms", t, 50);
	put_percentile(o, "p90_ms", t, 90);
	json_put_i64(o, "max_ms", t->most_ms);
	json_end(o);
}

static void put_talk(const struct sound_mix *m, struct json_out *o)
{
	int64_t ai = m->talk_us[SPEAKER_AI], user = m->talk_us[SPEAKER_USER];
	json_begin(o, "talk_ms");
	json_put_i64(o, "ai", ai / MS_US);
	json_put_i64(o, "user", user / MS_US);
	json_end(o);
	if (ai + user)
		json_put_i64(o, "ai_share_percent", (ai * 100 + (ai + user) / 2) / (ai + user));
	else
		json_put_null(o, "ai_share_percent");
	json_put_i64(o, "overlap_ms", m->overlap_us / MS_US);
	json_put_i64(o, "silence_ms", m->silence_us / MS_US);
}

static void put_turns(const struct sound_mix *m, struct json_out *o)
{
	json_begin(o, "barge_ins");
	json_put_i64(o, "count", m->barge_n);
	json_put_i64(o, "yielded", m->yielded_n);
	json_end(o);
	put_times(o, "yield", &m->yield);
	put_times(o, "response", &m->response);
	json_put_i64(o, "backchannels", m->backchannels);
	json_put_i64(o, "cut_ins", m->cut_ins);
	json_begin(o, "dead_air");
	json_put_i64(o, "count", m->dead_n);
	json_put_i64(o, "ms", m->dead_us / MS_US);
	json_put_i64(o, "longest_ms", m->dead_most_us / MS_US);
	json_end(o);
	json_put_i64(o, "one_way_ms", m->one_way_us / MS_US);
	json_put_i64(o, "silent_ms", m->silent_us / MS_US);
}

static void put_recording(const struct sound_state_of_call *a, struct json_out *o)
{
	if (!a->recording.n) {
		json_put_null(o, "recording");
		return;
	}
	json_begin(o, "recording");
	json_put_text(o, "state", kept_span(&a->recording));
	pipeline_put_text(o, "id", kept_span(&a->recording_id));
	json_put_i64(o, "ms", a->recorded_ms);
	json_end(o);
}

/* Also what has not settled yet. */
static void measure(const struct session *s, struct sound_mix *out)
{
	const struct sound_state_of_call *a = s->sound;
	struct sound_rules rules = rules_of(s);
	*out = a->live;
	for (uint32_t i = a->counted; i < a->marks_n; i++)
		sound_mix_add(out, &a->marks[i], &rules, NULL, NULL);
}

void sound_put(const struct session *s, struct json_out *o)
{
	const struct sound_state_of_call *a = s->sound;
	struct sound_mix m;
	if (!a) {
		json_put_null(o, "audio");
		return;
	}
	measure(s, &m);
	json_begin(o, "audio");
	json_put_z(o, "state", sound_state_name(m.state));
	json_put_bool(o, "unbound", a->unbound);
	pipeline_put_text(o, "linked_to", kept_span(&a->linked));
	put_legs(a, o);
	put_talk(&m, o);
	put_turns(&m, o);
	json_put_i64(o, "digits", a->digits);
	put_recording(a, o);
	pipeline_put_text(o, "transcriber", kept_span(&a->transcriber));
	json_put_i64(o, "late_facts", a->late_facts);
	json_end(o);
}
