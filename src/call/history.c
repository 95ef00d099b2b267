/* What the provider has committed: every new entry is a MESSAGE; words also go to the turns, where
 * they fill what transcripts did not bring. Tool calls and results in the history come as inputs of
 * their own besides. */
#include "call/parts.h"

void history_input(struct session *s, const struct input *in)
{
	struct draft d;
	s->counts.messages++;
	if (in->at_us > s->history.newest_us)
		s->history.newest_us = in->at_us;
	if (texts_only(s))
		texts_news(s, in->at_us);
	if (in->speaker != SPEAKER_NONE)
		status_guess_start(s, in->at_us);
	draft_begin(s, &d, EVENT_MESSAGE, in->at_us);
	d.e.speaker = in->speaker;
	d.e.is_final = true;
	d.e.text = in->text;
	json_put_text(&d.o, "role", in->name);
	json_put_i64(&d.o, "index", s->history.next_index++);
	if (span_is(in->name, "tool-calls"))
		pipeline_put_json(&d.o, "tool_calls", in->data);
	bool said = span_is(in->name, "user") || span_is(in->name, "assistant");
	if (in->id.n)
		json_put_text(&d.o, said ? "message_id" : "tool_call_id", in->id);
	if (in->from_report)
		json_put_bool(&d.o, "from_report", true);
	draft_emit(s, &d);
	if (said && in->speaker != SPEAKER_NONE && in->text.n)
		turns_history(s, in);
}
