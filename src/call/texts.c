/* Conversations by text: calls of kind "sms" whose entries come as history.
 *
 * Happy path: the first message begins it, or that we are about to send one; messages come and go,
 * deliveries tell what became of ours; text_close_ms after the last one it is over, reason idle.
 * Failure modes
 *   a message after the end, while the call lingers   the call lives again, its end is told anew
 *   a message after that                              the call is bound anew: the same id, a
 * session that knows nothing of the one before
 *   nobody can be asked                               nothing is lost by silence either: idle */
#include "call/parts.h"

bool texts_only(const struct session *s)
{
	return span_is(facts_get(s, FACT_kind), "sms");
}

void texts_news(struct session *s, int64_t at_us)
{
	status_news(s);
	s->status.aftermath = false;
	if (s->status.ended)
		status_lives_again(s);
	status_guess_start(s, at_us);
	status_stands(s, "in-progress", at_us);
}

void texts_over(struct session *s)
{
	int64_t last_us = s->history.newest_us;
	status_over(s, SPAN("idle"), last_us ? last_us : s->status.news_us);
}

void texts_delivery(struct session *s, const struct input *in)
{
	struct draft d;
	status_aftermath(s);
	draft_begin(s, &d, EVENT_DELIVERY, in->at_us);
	d.e.speaker = SPEAKER_AI;
	json_put_text(&d.o, "message_id", in->id);
	json_put_text(&d.o, "state", in->name);
	pipeline_put_text(&d.o, "error", in->reason);
	draft_emit(s, &d);
}
