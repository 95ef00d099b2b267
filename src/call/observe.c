/* Did a command work? What each verb's effect looks like among the events that follow.
 *
 *   hold, unhold  the party is held, talks; without parties, holds in the call's audio
 *   monitor, coach, barge  a supervisor's party talks
 *   send-text    the delivery of its message
 *   say          at least SAID_PERCENT of its words, in order, in what the assistant says:
 * consecutive finals, or consecutive history entries, or the text being spoken add-message  an
 * entry of the same role with the same words in the history mute         the assistant, speaking
 * when it was asked for, stops unmute       the assistant speaks end          the call ends
 * transfer   status forwarding, or a transfer message record-*   the recorder's word, with its
 * outcome; of a platform's recording what its party shows
 *
 * Words spoken before the command was asked for cannot show its effect: provider times are shifted
 * by the least difference between arrival and provider time seen in this call, then compared with
 * the time of the command. */
#include "call/parts.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { SAID_PERCENT = 80, HEARD_FINALS = 0, HEARD_HISTORY = 1, PARTY_SLACK_US = 1000000 };

/* --- words in order --- */

static void watch_words(struct held_command *h)
{
	struct word_list words;
	struct word_watch *w = &h->watch;
	words_read(h->c.text, &words);
	if (words.n == 0)
		return;
	w->n = words.n;
	w->cap = words.n + words.n / 2 + 8;
	w->wanted = malloc(words.n * sizeof(*w->wanted));
	CHECK(w->wanted);
	memcpy(w->wanted, words.hash, words.n * sizeof(*w->wanted));
}

/* Appends, keeping the last cap words. */
static void hear(struct word_watch *w, struct heard_words *heard, const struct word_list *words)
{
	if (!heard->words) {
		heard->words = malloc(w->cap * sizeof(*heard->words));
		CHECK(heard->words);
	}
	for (unsigned i = 0; i < words->n; i++) {
		if (heard->n == w->cap) {
			memmove(heard->words, heard->words + 1,
				(w->cap - 1) * sizeof(*heard->words));
			heard->n--;
		}
		heard->words[heard->n++] = words->hash[i];
	}
}

static bool enough(const struct word_watch *w, const uint32_t *heard, unsigned n)
{
	return w->n && 100 * words_in_order(w->wanted, w->n, heard, n) >= SAID_PERCENT * w->n;
}

static bool heard_it(struct word_watch *w, int source, const struct word_list *words)
{
	struct heard_words *heard = &w->heard[source];
	hear(w, heard, words);
	return enough(w, heard->words, heard->n);
}

/* --- per verb --- */

static bool since_asked(const struct session *s, const struct held_command *h,
			const struct event *e)
{
	return pipeline_local(s, e->at_us, e->own_clock) >= h->requested_us;
}

/* A platform stamps its messages later than what they tell of has happened, and the least delay
 * counts as none: an effect that comes at once would seem to be older than its command. */
static bool told_since_asked(const struct session *s, const struct held_command *h,
			     const struct event *e)
{
	return pipeline_local(s, e->at_us, e->own_clock) >= h->requested_us - PARTY_SLACK_US;
}

static bool is_assistant_message(const struct event *e)
{
	return e->type == EVENT_MESSAGE && e->speaker == SPEAKER_AI &&
	       json_is_text(json_get(json_of(e->data), "role"), "assistant");
}

static void see_say(struct session *s, struct held_command *h, const struct event *e)
{
	struct word_list words;
	if (e->speaker != SPEAKER_AI || !since_asked(s, h, e))
		return;
	words_read(e->text, &words);
	if (e->type == EVENT_TRANSCRIPT_FINAL && heard_it(&h->watch, HEARD_FINALS, &words))
		commands_effect_seen(s, h, "heard in the assistant's transcript");
	else if (e->type == EVENT_SPEAKING_TEXT && enough(&h->watch, words.hash, words.n))
		commands_effect_seen(s, h, "seen in the text being spoken");
	else if (is_assistant_message(e) && heard_it(&h->watch, HEARD_HISTORY, &words))
		commands_effect_seen(s, h, "seen in the history as said by the assistant");
}

static void see_add_message(struct session *s, struct held_command *h, const struct event *e)
{
	struct word_list words;
	if (e->type != EVENT_MESSAGE || !since_asked(s, h, e))
		return;
	struct arena arena = { 0 };
	struct span role = json_text(json_get(json_of(e->data), "role"), &arena);
	bool same_role = span_eq(role, h->c.role);
	arena_fini(&arena);
	words_read(e->text, &words);
	if (same_role && words.n == h->watch.n &&
	    memcmp(words.hash, h->watch.wanted, words.n * sizeof(*words.hash)) == 0)
		commands_effect_seen(s, h, "seen in the history");
}

/* --- what parties show --- */

static struct json said(const struct event *e, const char *member)
{
	return json_get(json_of(e->data), member);
}

/* Of the party that was meant, and no older news. */
static bool is_of_party(const struct session *s, const struct held_command *h,
			const struct event *e)
{
	struct arena arena = { 0 };
	bool ours = e->type == EVENT_PARTY && h->party.n && !json_has(said(e, "late")) &&
		    span_eq(json_text(said(e, "party_id"), &arena), kept_span(&h->party)) &&
		    told_since_asked(s, h, e);
	arena_fini(&arena);
	return ours;
}

static bool is_state(const struct event *e, enum party_state state)
{
	return json_is_text(said(e, "state"), party_state_name(state));
}

/* Where nobody tells of parties the stream of the call's audio may. */
static void see_audio_held(struct session *s, struct held_command *h, const struct event *e,
			   bool held)
{
	if (e->type == EVENT_AUDIO_HELD && h->by_audio && json_true(said(e, "held")) == held &&
	    told_since_asked(s, h, e))
		commands_effect_seen(s, h, held ? "its audio is held" : "its audio goes on");
}

static void see_hold(struct session *s, struct held_command *h, const struct event *e)
{
	see_audio_held(s, h, e, true);
	if (is_of_party(s, h, e) && is_state(e, PARTY_HELD))
		commands_effect_seen(s, h, "the party is held");
}

static void see_unhold(struct session *s, struct held_command *h, const struct event *e)
{
	see_audio_held(s, h, e, false);
	if (is_of_party(s, h, e) && is_state(e, PARTY_TALKING))
		commands_effect_seen(s, h, "the party talks");
}

static void see_muted(struct session *s, struct held_command *h, const struct event *e, bool muted)
{
	struct json is = said(e, "muted");
	if (is_of_party(s, h, e) && json_has(is) && json_true(is) == muted)
		commands_effect_seen(s, h, muted ? "the party is muted" : "the party is not muted");
}

static void see_recording(struct session *s, struct held_command *h, const struct event *e, bool on)
{
	struct json is = json_path(json_of(e->data), "recording.on");
	if (is_of_party(s, h, e) && json_has(is) && json_true(is) == on)
		commands_effect_seen(s, h,
				     on ? "the platform's recording goes on"
					: "the platform's recording is paused");
}

static void see_record_pause(struct session *s, struct held_command *h, const struct event *e)
{
	see_recording(s, h, e, false);
}

static void see_record_resume(struct session *s, struct held_command *h, const struct event *e)
{
	see_recording(s, h, e, true);
}

/* It moved, or somebody came who was not there when it was asked for. */
static void see_moved(struct session *s, struct held_command *h, const struct event *e)
{
	struct arena arena = { 0 };
	struct span id = json_text(said(e, "party_id"), &arena);
	bool talker = json_is_text(said(e, "side"), party_side_name(PARTY_INSIDE)) ||
		      json_is_text(said(e, "side"), party_side_name(PARTY_OUTSIDE));
	bool comes = is_state(e, PARTY_RINGING) || is_state(e, PARTY_TALKING);
	if (is_of_party(s, h, e) && is_state(e, PARTY_MOVED))
		commands_effect_seen(s, h, "the party was handed over");
	else if (talker && comes && told_since_asked(s, h, e) &&
		 parties_new(s, id, h->requested_us))
		commands_effect_seen(s, h, "another party was called");
	arena_fini(&arena);
}

/* Where nobody tells of parties: whoever of ours talked leaves, the next one comes. */
static void see_audio_moved(struct session *s, struct held_command *h, const struct event *e)
{
	if (!h->by_audio || e->speaker != SPEAKER_AI || !told_since_asked(s, h, e))
		return;
	if (e->type == EVENT_AUDIO_DETACHED && json_is_text(said(e, "why"), "left"))
		commands_effect_seen(s, h, "our party left the call");
	else if (e->type == EVENT_AUDIO_ATTACHED)
		commands_effect_seen(s, h, "another party of ours came");
}

static void see_supervisor(struct session *s, struct held_command *h, const struct event *e)
{
	if (e->type == EVENT_PARTY && is_state(e, PARTY_TALKING) && told_since_asked(s, h, e) &&
	    json_is_text(said(e, "side"), party_side_name(PARTY_SUPERVISOR)))
		commands_effect_seen(s, h, "the supervisor is connected");
}

/* --- what became of a text --- */

static void see_delivery(struct session *s, struct held_command *h, const struct event *e)
{
	struct arena arena = { 0 };
	char why[160];
	if (e->type != EVENT_DELIVERY || !h->message.n)
		return;
	if (!span_eq(json_text(said(e, "message_id"), &arena), kept_span(&h->message))) {
		arena_fini(&arena);
		return;
	}
	struct span error = json_text(said(e, "error"), &arena);
	int n = snprintf(why, sizeof(why), "not delivered%s%.*s", error.n ? ": " : "",
			 SPAN_ARG(kept_clip(error, 128)));
	if (json_is_text(said(e, "state"), "delivered"))
		commands_effect_seen(s, h, "delivered");
	else if (json_is_text(said(e, "state"), "failed"))
		commands_failed(s, h, (struct span){ why, (size_t)n });
	arena_fini(&arena);
}

/* --- what is said and heard --- */

static void see_mute(struct session *s, struct held_command *h, const struct event *e)
{
	see_muted(s, h, e, true);
	bool stopped = e->type == EVENT_SPEECH_STOPPED && e->speaker == SPEAKER_AI;
	if (stopped && h->ai_spoke && h->c.target == TARGET_ASSISTANT)
		commands_effect_seen(s, h, "the assistant stopped speaking");
}

static void see_unmute(struct session *s, struct held_command *h, const struct event *e)
{
	see_muted(s, h, e, false);
	bool speaks = e->type == EVENT_SPEECH_STARTED || e->type == EVENT_SPEAKING_TEXT ||
		      (e->type == EVENT_TRANSCRIPT_FINAL && !s->speech.reported);
	if (speaks && e->speaker == SPEAKER_AI && h->c.target == TARGET_ASSISTANT &&
	    since_asked(s, h, e))
		commands_effect_seen(s, h, "the assistant speaks");
}

static void see_end(struct session *s, struct held_command *h, const struct event *e)
{
	if (e->type != EVENT_CALL_ENDED)
		return;
	if (s->status.end_class != END_LOST)
		commands_effect_seen(s, h, "the call ended");
	else if (span_is(kept_span(&s->status.reason), "not-found"))
		commands_effect_seen(s, h, "the provider does not know the call any more");
}

static void see_transfer(struct session *s, struct held_command *h, const struct event *e)
{
	see_audio_moved(s, h, e);
	if (e->type == EVENT_PARTY)
		see_moved(s, h, e);
	if (e->type == EVENT_TRANSFER)
		commands_effect_seen(s, h, "the provider reported the transfer");
	else if (e->type == EVENT_CALL_STATUS &&
		 span_is(kept_span(&s->status.status), "forwarding"))
		commands_effect_seen(s, h, "status forwarding");
	else if (e->type == EVENT_CALL_ENDED &&
		 span_is(kept_span(&s->status.reason), "assistant-forwarded-call"))
		commands_effect_seen(s, h, "the call ended as forwarded");
}

static const struct {
	void (*begin)(struct held_command *);
	void (*see)(struct session *, struct held_command *, const struct event *);
	size_t patience; /* offset into struct settings */
} verbs[COMMAND_COUNT] = {
	[COMMAND_SAY] = { watch_words, see_say, offsetof(struct settings, say_effect_ms) },
	[COMMAND_ADD_MESSAGE] = { watch_words, see_add_message,
				  offsetof(struct settings, add_message_effect_ms) },
	[COMMAND_MUTE] = { NULL, see_mute, offsetof(struct settings, mute_effect_ms) },
	[COMMAND_UNMUTE] = { NULL, see_unmute, offsetof(struct settings, unmute_effect_ms) },
	[COMMAND_END] = { NULL, see_end, offsetof(struct settings, end_effect_ms) },
	[COMMAND_TRANSFER] = { NULL, see_transfer, offsetof(struct settings, transfer_effect_ms) },
	[COMMAND_HOLD] = { NULL, see_hold, offsetof(struct settings, hold_effect_ms) },
	[COMMAND_UNHOLD] = { NULL, see_unhold, offsetof(struct settings, hold_effect_ms) },
	[COMMAND_MONITOR] = { NULL, see_supervisor, offsetof(struct settings, monitor_effect_ms) },
	[COMMAND_COACH] = { NULL, see_supervisor, offsetof(struct settings, monitor_effect_ms) },
	[COMMAND_BARGE] = { NULL, see_supervisor, offsetof(struct settings, monitor_effect_ms) },
	[COMMAND_SEND_TEXT] = { NULL, see_delivery, offsetof(struct settings, text_effect_ms) },
	[COMMAND_RECORD_PAUSE] = { NULL, see_record_pause,
				   offsetof(struct settings, hold_effect_ms) },
	[COMMAND_RECORD_RESUME] = { NULL, see_record_resume,
				    offsetof(struct settings, hold_effect_ms) },
};

void observe_begin(struct session *s, struct held_command *h)
{
	h->ai_spoke = s->speech.reported && speech_of(s, SPEAKER_AI);
	h->by_audio = s->dialect->lasts_by_audio;
	if (verbs[h->c.verb].begin)
		verbs[h->c.verb].begin(h);
}

void observe_end(struct held_command *h)
{
	free(h->watch.wanted);
	for (unsigned i = 0; i < HEARD_SOURCES; i++)
		free(h->watch.heard[i].words);
	h->watch = (struct word_watch){ 0 };
}

void observe_event(struct session *s, struct held_command *h, const struct event *e)
{
	verbs[h->c.verb].see(s, h, e);
}

static bool possible_words(const struct held_command *h)
{
	return h->watch.n > 0;
}

static bool possible_mute(const struct held_command *h)
{
	return h->party.n || (h->c.target == TARGET_ASSISTANT && h->ai_spoke);
}

static bool possible_unmute(const struct held_command *h)
{
	return h->party.n || h->c.target == TARGET_ASSISTANT;
}

static bool possible_party(const struct held_command *h)
{
	return h->party.n;
}

static bool possible_hold(const struct held_command *h)
{
	return h->party.n || h->by_audio;
}

static bool possible_delivery(const struct held_command *h)
{
	return h->message.n;
}

bool observe_possible(const struct held_command *h)
{
	/* Of the others something shows in every call. */
	static bool (*const possible[COMMAND_COUNT])(const struct held_command *) = {
		[COMMAND_SAY] = possible_words,		 [COMMAND_ADD_MESSAGE] = possible_words,
		[COMMAND_MUTE] = possible_mute,		 [COMMAND_UNMUTE] = possible_unmute,
		[COMMAND_HOLD] = possible_hold,		 [COMMAND_UNHOLD] = possible_hold,
		[COMMAND_MONITOR] = possible_party,	 [COMMAND_COACH] = possible_party,
		[COMMAND_BARGE] = possible_party,	 [COMMAND_SEND_TEXT] = possible_delivery,
		[COMMAND_RECORD_PAUSE] = possible_party, [COMMAND_RECORD_RESUME] = possible_party,
	};
	return !possible[h->c.verb] || possible[h->c.verb](h);
}

int64_t observe_patience_ms(const struct session *s, enum command_verb verb)
{
	return *(const int64_t *)(const void *)((const char *)&s->settings + verbs[verb].patience);
}
