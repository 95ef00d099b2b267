/* What the files of the call core offer to each other: one block per file. Every function takes the
 * session whose record is being applied; none fails. */
#ifndef CALLMEND_CALL_PARTS_H
#define CALLMEND_CALL_PARTS_H

#include "call/pipeline.h"
#include "call/state.h"
#include "callmend/heard.h"

/* --- ways.c: what comes by webhook and over the socket of the call's audio --- */
/* The other way has told this already, and this one not. */
bool ways_told(struct session *, const struct input *);

/* --- facts.c: who and what the call is --- */
void facts_input(struct session *, const struct input *);
void facts_assistant(struct session *, const struct input *);
/* What the parties say together, all of it: from then on only their word counts for this. */
void facts_of_parties(struct session *, const struct call_facts *, int64_t at_us);
struct span facts_get(const struct session *, enum fact);
size_t facts_bytes(const struct session *);
void facts_fini(struct session *);

/* --- status.c: how the call stands --- */
extern const struct stage status_stage;
void status_input(struct session *, const struct input *);
void status_report(struct session *, const struct input *);
/* A webhook came: the call is alive. */
void status_news(struct session *);
/* Somebody speaks: a lost call is found again, and the start is known when nothing better is. */
void status_conversing(struct session *, int64_t at_us);
/* The call had begun by then at the latest. */
void status_guess_start(struct session *, int64_t at_us);
void status_reconciled(struct session *, const struct open_effect *, const struct outcome *);
/* What others find out about a call of parties, or of texts. Each is told only when it is news. */
void status_stands(struct session *, const char *name, int64_t at_us);
void status_over(struct session *, struct span reason, int64_t ended_us);
void status_lives_again(struct session *);
void status_began(struct session *, int64_t started_us);
/* Something that comes when calls are over. */
void status_aftermath(struct session *);
/* Asks the platform how the call stands; false: that cannot be done here. */
bool status_ask(struct session *);
const char *status_class_name(enum end_class);
enum end_class status_class(struct span reason);

/* --- parties.c: who takes part, where the platform tells of them one by one --- */
extern const struct stage parties_stage;
void parties_input(struct session *, const struct input *);
/* All who are there have been named: who was not is gone. */
void parties_listed(struct session *, const struct input *);
/* The platform does not know the call (any more): so it has answered then. */
void parties_unknown(struct session *, int64_t answered_us);
/* Ends a call in which nobody is left; false: somebody is, or parties are not told of. */
bool parties_give_up(struct session *);
/* It lives on there: of a call that ended as "moved"; else empty. */
struct span parties_moved_to(const struct session *);
/* Whom a command is about; spans of *out are the session's. false: nobody. */
bool parties_choose(const struct session *, enum command_target, struct call_party *out);
/* A party of this id that was not there yet at `since_us` (arrival). */
bool parties_new(const struct session *, struct span id, int64_t since_us);
/* A recording of the platform's that runs, or is paused, and whose it is; may be empty. */
struct span parties_recording(const struct session *, struct call_party *out);
void parties_put(const struct session *, struct json_out *); /* "parties" */

/* --- texts.c: conversations by text --- */
bool texts_only(const struct session *);	  /* the call is one */
void texts_news(struct session *, int64_t at_us); /* somebody writes, or is about to */
void texts_over(struct session *);		  /* nobody has written for text_close_ms */
void texts_delivery(struct session *, const struct input *);

/* --- speech.c: who is speaking --- */
extern const struct stage speech_stage;
void speech_input(struct session *, const struct input *);
void speech_interrupted(struct session *, const struct input *);
void speech_hang(struct session *, const struct input *);
enum speaker speech_now(const struct session *);
/* Heard in the sound itself: told when it is news. */
void speech_heard(struct session *, enum speaker, bool starts, int64_t at_us);
void speech_goes_on(struct session *, enum speaker);
bool speech_of(const struct session *, enum speaker); /* speaking, as far as known */

/* --- transcript.c: what is said --- */
extern const struct stage transcript_stage;
void transcript_input(struct session *, const struct input *);
void transcript_speaking_text(struct session *, const struct input *);
/* Words that speech-to-text found in the sound; dropped when the provider brings this speaker's. */
void transcript_heard(struct session *, const struct input *);
/* No more of them: the provider's count again. */
void transcript_unheard(struct session *);
bool transcript_expected(const struct session *); /* live transcripts come, or are configured to */

/* --- turns.c: merged finals --- */
extern const struct stage turns_stage;
const struct turn *turns_find(const struct session *, uint32_t number); /* NULL: not hot */
/* A committed entry of user or assistant: fills what transcripts did not bring. */
void turns_history(struct session *, const struct input *);

/* --- history.c: what the provider has committed --- */
void history_input(struct session *, const struct input *);

/* --- effects.c: what was asked for and not answered --- */
struct uuid effects_ask(struct session *, struct effect *,
			const struct uuid *of); /* sets effect->id */
void effects_intent(struct session *, const struct uuid *id);
/* Takes it off the list; false: not there (any more). */
bool effects_take(struct session *, const struct uuid *id, struct open_effect *out);

/* --- tools.c --- */
extern const struct stage tools_stage;
void tools_call(struct session *, const struct input *);
void tools_result(struct session *, const struct input *);
/* Around the inputs of a WEBHOOK record. */
void tools_record_begin(struct session *);
void tools_record_end(struct session *, struct span webhook);
void tools_outcome(struct session *, const struct open_effect *, const struct outcome *);
void tools_upstream_outcome(struct session *, const struct open_effect *, const struct outcome *);
void tools_put(const struct tool *, struct json_out *); /* members of one tool */

/* --- tool_rule.c: was it a success --- */
struct verdict {
	bool success;	  /* as B1 counts it: also false when nothing was found */
	bool usable;	  /* the answer is one the model should hear */
	struct span text; /* for the model; in the arena or the body */
	const char *why;  /* when no success */
};
/* By the project's rule. */
void tool_rule_judge(const struct tool_rule *, int status, struct span body, struct arena *,
		     struct verdict *out);
/* Of a result that somebody else produced: does it read like an error or like nothing found? */
void tool_rule_guess(struct span result, struct verdict *out);
/* The same JSON value, whatever the order of members. */
bool tool_rule_same(struct json a, struct json b);

/* --- commands.c --- */
extern const struct stage commands_stage;
void commands_request(struct session *, const struct command *);
/* told: what the answer to it says of the call, to be applied afterwards. */
void commands_outcome(struct session *, const struct open_effect *, const struct outcome *,
		      struct inputs *told);
/* What was sent has failed after all. */
void commands_failed(struct session *, struct held_command *, struct span why);
void commands_put(const struct held_command *, struct json_out *); /* members of one command */
/* can: {verb: true, or why it would be refused now}. */
void commands_put_can(const struct session *, struct json_out *);
/* The effect shows: evidence says how. Called by observe.c. */
void commands_effect_seen(struct session *, struct held_command *, const char *evidence);

/* --- observe.c: effects of commands --- */
/* Starts watching for the effect of a command that was asked for. */
void observe_begin(struct session *, struct held_command *);
void observe_end(struct held_command *);
/* Shows an event to the watch of one command. */
void observe_event(struct session *, struct held_command *, const struct event *);
/* At acceptance: can anything in this call show the effect? */
bool observe_possible(const struct held_command *);
/* How long from acceptance, in ms. */
int64_t observe_patience_ms(const struct session *, enum command_verb);

/* --- sentiment.c --- */
extern const struct stage sentiment_stage;
const char *sentiment_name(enum sentiment);
/* The lexicon that fits the call so far. */
const struct lexicon *sentiment_lexicon(const struct session *);
/* Replaces or adds the points of a turn. */
void mood_ring_set(struct mood_ring *, uint32_t turn, int points0, int points1);
/* Sum with decay 3/4 per turn, newest first. which: 0 or 1. */
int mood_ring_sum(const struct mood_ring *, int which);

/* --- signals.c --- */
extern const struct stage signals_stage;
const char *signals_name(enum signal_id);
const char *signals_formula(enum signal_id);
bool signals_raised(const struct session *, enum signal_id);
void signals_put(const struct session *, enum signal_id,
		 struct json_out *); /* members of one signal, which is raised or was */

/* --- checklist.c: the project's fields, while the call runs (A8) --- */
extern const struct stage checklist_stage;
/* After BIND. */
void checklist_begin(struct session *);
/* "facts": of the snapshot, the list; of the summary, how many of the required are captured. */
void checklist_put(const struct session *, struct json_out *);
void checklist_put_counts(const struct session *, struct json_out *);

/* --- context.c: what is known about the caller (A8) --- */
extern const struct stage context_stage;
void context_record(struct session *, struct json context);
void context_put(const struct session *, struct json_out *); /* "context": of the snapshot */

/* --- sound.c: what was heard --- */
extern const struct stage sound_stage;
void sound_heard(struct session *, struct span stream, const struct heard *, size_t n);
/* An attached leg tells when this speaker speaks. */
bool sound_hears(const struct session *, enum speaker);
void sound_put(const struct session *, struct json_out *); /* "audio": of snapshot and summary */

/* --- intervene.c: what the core does by itself (A9) --- */
extern const struct stage intervene_stage;
/* A command of our own: through the same door as those of people. `name` makes its id, the same at
 * every replay and for every repetition of the cause. */
void intervene_command(struct session *, struct command *, const char *name, struct span actor);

/* --- snapshot.c, timers.c --- */
const char *snapshot_flag_name(enum flag);
int64_t timers_next(const struct session *);
/* Fires everything due at or before t, in order of deadline, then of stage. */
void timers_run(struct session *, int64_t t_us);

#endif
