/* Who is speaking. The provider's speech events decide; where it sends none, transcripts and spoken
 * text stand for a voice for a short while. A "started" whose "stopped" got lost counts as over
 * when nothing was heard of that voice for STALE_US. */
#include "call/parts.h"

#include <stdlib.h>

#define FALLBACK_US (INT64_C(2) * SECOND_US)
#define STALE_US (INT64_C(60) * SECOND_US)

static void heard(struct session *s, enum speaker who)
{
	s->speech.of[who].heard_us = s->now.at_us;
	s->speech.voice_us = s->now.at_us;
	s->speech.silent = false;
}

static void tell(struct session *s, enum speaker who, bool starts, int64_t at_us, int turn,
		 const char *by)
{
	struct draft d;
	status_conversing(s, at_us);
	s->speech.of[who].told_us = at_us;
	draft_begin(s, &d, starts ? EVENT_SPEECH_STARTED : EVENT_SPEECH_STOPPED, at_us);
	d.e.speaker = who;
	if (turn >= 0)
		json_put_i64(&d.o, "turn", turn);
	else
		json_put_null(&d.o, "turn");
	if (!starts && s->speech.of[who].on && at_us >= s->speech.of[who].since_us)
		json_put_i64(&d.o, "speech_ms", (at_us - s->speech.of[who].since_us) / MS_US);
	if (by)
		json_put_z(&d.o, "by", by);
	draft_emit(s, &d);
}

/* What is heard in the sound itself is the better truth: then the provider's word is no news. */
void speech_input(struct session *s, const struct input *in)
{
	if (!sound_hears(s, in->speaker))
		tell(s, in->speaker, span_is(in->name, "started"), in->at_us, in->turn, NULL);
}

/* What the provider has told already, or what lies before it, is not told again. */
void speech_heard(struct session *s, enum speaker who, bool starts, int64_t at_us)
{
	if (s->speech.of[who].on != starts && at_us >= s->speech.of[who].told_us)
		tell(s, who, starts, at_us, -1, "audio");
}

void speech_goes_on(struct session *s, enum speaker who)
{
	if (s->speech.of[who].on)
		heard(s, who);
}

void speech_interrupted(struct session *s, const struct input *in)
{
	struct draft d;
	s->counts.interruptions++;
	draft_begin(s, &d, EVENT_INTERRUPTION, in->at_us);
	d.e.speaker = SPEAKER_USER;
	json_put_i64(&d.o, "count", s->counts.interruptions);
	draft_emit(s, &d);
}

void speech_hang(struct session *s, const struct input *in)
{
	struct draft d;
	s->counts.hangs++;
	draft_begin(s, &d, EVENT_HANG, in->at_us);
	json_put_i64(&d.o, "count", s->counts.hangs);
	draft_emit(s, &d);
}

bool speech_of(const struct session *s, enum speaker who)
{
	int64_t quiet = s->now.at_us - s->speech.of[who].heard_us;
	if (!s->speech.of[who].heard_us || s->status.ended)
		return false;
	if (!s->speech.reported)
		return quiet <= FALLBACK_US;
	return s->speech.of[who].on && quiet <= STALE_US;
}

enum speaker speech_now(const struct session *s)
{
	bool ai = speech_of(s, SPEAKER_AI), user = speech_of(s, SPEAKER_USER);
	if (ai && user) /* the one who began last */
		return s->speech.of[SPEAKER_AI].changed_us > s->speech.of[SPEAKER_USER].changed_us
			       ? SPEAKER_AI
			       : SPEAKER_USER;
	return ai ? SPEAKER_AI : user ? SPEAKER_USER : SPEAKER_NONE;
}

static void event(struct session *s, const struct event *e)
{
	enum speaker who = e->speaker;
	if (e->type == EVENT_SPEECH_STARTED || e->type == EVENT_SPEECH_STOPPED) {
		s->speech.reported = true;
		s->speech.of[who].on = e->type == EVENT_SPEECH_STARTED;
		s->speech.of[who].changed_us = s->now.at_us;
		if (s->speech.of[who].on) {
			s->speech.of[who].since_us = e->at_us;
			s->speech.of[who].since_own_clock = e->own_clock;
		}
	}
	heard(s, who);
}

static int64_t deadline(const struct session *s)
{
	const struct speech_state *sp = &s->speech;
	if (!sp->voice_us || sp->silent || s->status.ended)
		return INT64_MAX;
	bool on = sp->of[SPEAKER_AI].on || sp->of[SPEAKER_USER].on;
	return sp->voice_us + (on ? STALE_US : s->settings.silence_ms * MS_US);
}

static void timer(struct session *s)
{
	struct draft d;
	s->speech.silent = true;
	s->speech.of[SPEAKER_AI].on = false;
	s->speech.of[SPEAKER_USER].on = false;
	draft_begin(s, &d, EVENT_SILENCE, 0);
	json_put_i64(&d.o, "silence_ms", (s->now.at_us - s->speech.voice_us) / MS_US);
	draft_emit(s, &d);
}

const struct stage speech_stage = {
	.name = "speech",
	.wants = STAGE_WANTS(SPEECH_STARTED) | STAGE_WANTS(SPEECH_STOPPED) |
		 STAGE_WANTS(TRANSCRIPT_PARTIAL) | STAGE_WANTS(TRANSCRIPT_FINAL) |
		 STAGE_WANTS(SPEAKING_TEXT),
	.event = event,
	.deadline = deadline,
	.timer = timer,
};
