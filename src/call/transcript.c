/* What is said, as it is said: finals pass on, the last partial of each speaker is kept for
 * watchers who come later. */
#include "call/parts.h"

static void said(struct session *s, const struct input *in)
{
	struct draft d;
	s->transcript.live = true;
	status_conversing(s, in->at_us);
	draft_begin(s, &d, in->final ? EVENT_TRANSCRIPT_FINAL : EVENT_TRANSCRIPT_PARTIAL,
		    in->at_us);
	d.e.speaker = in->speaker;
	d.e.is_final = in->final;
	d.e.text = in->text;
	draft_emit(s, &d);
}

void transcript_input(struct session *s, const struct input *in)
{
	if (s->transcript.by[in->speaker] == WORDS_OF_AUDIO)
		return;
	s->transcript.by[in->speaker] = WORDS_OF_PROVIDER;
	said(s, in);
}

void transcript_heard(struct session *s, const struct input *in)
{
	if (s->transcript.by[in->speaker] == WORDS_OF_PROVIDER)
		return;
	s->transcript.by[in->speaker] = WORDS_OF_AUDIO;
	said(s, in);
}

void transcript_unheard(struct session *s)
{
	for (int i = 0; i < SPEAKERS; i++)
		if (s->transcript.by[i] == WORDS_OF_AUDIO)
			s->transcript.by[i] = WORDS_OF_NOBODY;
}

void transcript_speaking_text(struct session *s, const struct input *in)
{
	struct draft d;
	status_conversing(s, in->at_us);
	draft_begin(s, &d, EVENT_SPEAKING_TEXT, in->at_us);
	d.e.speaker = SPEAKER_AI;
	d.e.text = in->text;
	if (in->turn >= 0)
		json_put_i64(&d.o, "turn", in->turn);
	draft_emit(s, &d);
}

bool transcript_expected(const struct session *s)
{
	return s->transcript.live || s->facts.transcript_subscribed;
}

static void forget_partials(struct session *s)
{
	for (int i = 0; i < SPEAKERS; i++)
		kept_free(&s->transcript.partial[i]);
}

static void final_event(struct session *s, const struct event *e)
{
	struct transcript_state *t = &s->transcript;
	kept_free(&t->partial[e->speaker]);
	if (e->at_us > t->final_us[e->speaker])
		t->final_us[e->speaker] = e->at_us;
}

static void event(struct session *s, const struct event *e)
{
	struct transcript_state *t = &s->transcript;
	if (e->type == EVENT_CALL_ENDED)
		forget_partials(s);
	else if (e->type == EVENT_TRANSCRIPT_FINAL)
		final_event(s, e);
	else if (e->at_us >= t->final_us[e->speaker] && !s->status.ended)
		kept_set_clipped(&t->partial[e->speaker], e->text, PARTIAL_BYTES);
}

static size_t bytes(const struct session *s)
{
	return s->transcript.partial[SPEAKER_AI].n + s->transcript.partial[SPEAKER_USER].n;
}

const struct stage transcript_stage = {
	.name = "transcript",
	.wants = STAGE_WANTS(TRANSCRIPT_PARTIAL) | STAGE_WANTS(TRANSCRIPT_FINAL) |
		 STAGE_WANTS(CALL_ENDED),
	.event = event,
	.bytes = bytes,
	.fini = forget_partials,
};
