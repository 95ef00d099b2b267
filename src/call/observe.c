/* Did a command work? What each verb's effect looks like among the events that follow.
 *
 *   say          at least SAID_PERCENT of its words, in order, in what the assistant says:
 * consecutive finals, or consecutive history entries, or the text being spoken add-message  an
 * entry of the same role with the same words in the history mute         the assistant, speaking
 * when it was asked for, stops unmute       the assistant speaks end          the call ends
 * transfer   status forwarding, or a transfer message record-*   the recorder's word, with its
 * outcome; a provider's recording shows nothing
 *
 * Words spoken before the command was asked for cannot show its effect: provider times are shifted
 * by the least difference between arrival and provider time seen in this call, then compared with
 * the time of the command. */
#include "call/parts.h"

#include <stddef.h>
#include <stdlib.h>

enum { SAID_PERCENT = 80, HEARD_FINALS = 0, HEARD_HISTORY = 1 };

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
	bool provider_time =
		e->at_us != s->now.at_us && !s->now.own_clock && s->skew_us != INT64_MAX;
	int64_t local_us = e->at_us + (provider_time ? s->skew_us : 0);
	return local_us >= h->requested_us;
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

static void see_mute(struct session *s, struct held_command *h, const struct event *e)
{
	bool stopped = e->type == EVENT_SPEECH_STOPPED && e->speaker == SPEAKER_AI;
	if (stopped && h->ai_spoke && h->c.target == TARGET_ASSISTANT)
		commands_effect_seen(s, h, "the assistant stopped speaking");
}

static void see_unmute(struct session *s, struct held_command *h, const struct event *e)
{
	bool speaks = e->type == EVENT_SPEECH_STARTED || e->type == EVENT_SPEAKING_TEXT ||
		      (e->type == EVENT_TRANSCRIPT_FINAL && !s->speech.reported);
	if (speaks && e->speaker == SPEAKER_AI && h->c.target == TARGET_ASSISTANT &&
	    since_asked(s, h, e))
		commands_effect_seen(s, h, "the assistant speaks");
}

static void see_end(struct session *s, struct held_command *h, const struct event *e)
{
	if (e->type == EVENT_CALL_ENDED && s->status.end_class != END_LOST)
		commands_effect_seen(s, h, "the call ended");
}

static void see_transfer(struct session *s, struct held_command *h, const struct event *e)
{
	if (e->type == EVENT_TRANSFER)
		commands_effect_seen(s, h, "the provider reported the transfer");
	else if (e->type == EVENT_CALL_STATUS &&
		 span_is(kept_span(&s->status.status), "forwarding"))
		commands_effect_seen(s, h, "status forwarding");
	else if (e->type == EVENT_CALL_ENDED &&
		 span_is(kept_span(&s->status.reason), "assistant-forwarded-call"))
		commands_effect_seen(s, h, "the call ended as forwarded");
}

static void see_nothing(struct session *s, struct held_command *h, const struct event *e)
{
	(void)s;
	(void)h;
	(void)e;
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
	[COMMAND_RECORD_PAUSE] = { NULL, see_nothing, 0 },
	[COMMAND_RECORD_RESUME] = { NULL, see_nothing, 0 },
};

void observe_begin(struct session *s, struct held_command *h)
{
	h->ai_spoke = s->speech.reported && speech_of(s, SPEAKER_AI);
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

bool observe_possible(const struct held_command *h)
{
	bool words = h->c.verb == COMMAND_SAY || h->c.verb == COMMAND_ADD_MESSAGE;
	if (words)
		return h->watch.n > 0;
	if (verbs[h->c.verb].see == see_nothing)
		return false;
	if (h->c.target == TARGET_CUSTOMER &&
	    (h->c.verb == COMMAND_MUTE || h->c.verb == COMMAND_UNMUTE))
		return false;
	return h->c.verb != COMMAND_MUTE || h->ai_spoke;
}

int64_t observe_patience_ms(const struct session *s, enum command_verb verb)
{
	return *(const int64_t *)(const void *)((const char *)&s->settings + verbs[verb].patience);
}
