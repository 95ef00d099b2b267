/* What a call session remembers. Only src/call/ looks in here; each part is changed by the file
 * that is named beside it. */
#ifndef CALLMEND_CALL_STATE_H
#define CALLMEND_CALL_STATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "call/kept.h"
#include "call/lexicon.h"
#include "call/party.h"
#include "call/session.h"
#include "call/sound_mix.h"
#include "callmend/call_host.h"
#include "callmend/fields.h"
#include "callmend/stage.h"

/* Bounds, each with its answer to "full" in docs/call-state.md. */
enum {
	SEEN_LIMIT = 4096,
	RECENT_LIMIT = 256,
	WAYS_LIMIT = 512,
	TURNS_HOT = 200,
	TURNS_COLD = 1000,
	TURNS_SHOWN = 50,
	TURN_PIECES = 24,
	HISTORY_WAITING = 32,
	TOOLS_MAX = 256,
	TOOLS_SHOWN = 20,
	TOOLS_WHOLE = 8,
	TOOL_TRIMMED_BYTES = 1024,
	TOOL_EVENT_BYTES = 64 * 1024,
	TOOLS_PER_MESSAGE = 32,
	WAITERS_PER_TOOL = 16,
	COMMANDS_HELD = 128,
	COMMANDS_SHOWN = 20,
	RECONCILE_TRIES = 4,
	MOOD_TURNS = 8,
	RECENT_TURNS = 8,
	EVIDENCE_MAX = 5,
	EVIDENCE_BYTES = 160,
	RECENT_BYTES = 640,
	PARTIAL_BYTES = 4096,
	CONTEXT_ITEMS = 16,
	CONTEXT_ITEM_BYTES = 1024,
	SOUND_MARKS = 192,
	PARTIES_MAX = 32,
	SPEAKERS = 3, /* index: enum speaker */
};

/* Keys are held by number, not by time: further behind than this a repeated history entry is known
 * even without its key. */
#define HISTORY_BEHIND_US (INT64_C(600) * SECOND_US)

/* X(id, "name"): what a supervisor should know about the data of this call; in the summary's flags.
 */
#define FLAGS(X)                                      \
	X(CLOCK_OFF, "provider_clock_off")            \
	X(LATE, "late_messages")                      \
	X(LOST, "lost")                               \
	X(REVIVED, "revived")                         \
	X(QUARANTINED, "input_in_quarantine")         \
	X(NO_TRANSCRIPT, "transcript_not_subscribed") \
	X(NO_RETRIES, "retries_off")                  \
	X(TURNS_COLD, "older_turns_dropped")          \
	X(HISTORY_FULL, "history_waiting_full")       \
	X(TOOLS_FULL, "tools_full")                   \
	X(TOOL_TRIMMED, "tool_result_trimmed")        \
	X(WAITERS_FULL, "tool_waiters_full")          \
	X(COMMANDS_FULL, "commands_full")             \
	X(EVENTS_FULL, "events_of_a_record_dropped")  \
	X(SETTINGS, "settings_in_part_unreadable")    \
	X(CONTEXT_FULL, "older_context_dropped")      \
	X(IMPORTED, "imported")                       \
	X(LEGS_FULL, "audio_legs_full")               \
	X(PARTIES_FULL, "older_parties_dropped")      \
	X(UNTOLD, "messages_left_out")

enum flag {
#define X(id, text) FLAG_##id,
	FLAGS(X)
#undef X
		FLAG_COUNT
};

/* X(name): a number of the summary's counts. */
#define COUNTS(X)   \
	X(events)   \
	X(turns)    \
	X(messages) \
	X(tool_calls) X(tool_errors) X(interruptions) X(hangs) X(interventions) X(duplicates)
struct counts {
#define X(name) int64_t name;
	COUNTS(X)
#undef X
};

/* --- ways.c --- */
/* What one way has told and the other not yet, oldest first. */
struct ways_state {
	struct told_way {
		uint64_t what;
		int64_t at_us; /* arrival */
		bool beside;
	} * items; /* heap */
	uint32_t n, cap;
	bool socket; /* it has told something */
};

/* --- facts.c --- */
enum fact_place { FACT_TOP, FACT_CUSTOMER, FACT_ASSISTANT, FACT_PRIVATE };
/* X(member of struct call_facts, "name in events", place) */
#define FACTS(X)                                     \
	X(provider_call_id, "provider_call_id", TOP) \
	X(provider_org_id, "provider_org_id", TOP)   \
	X(kind, "kind", TOP)                         \
	X(customer_number, "number", CUSTOMER)       \
	X(customer_name, "name", CUSTOMER)           \
	X(phone_number, "phone_number", TOP)         \
	X(phone_number_id, "phone_number_id", TOP)   \
	X(assistant_id, "id", ASSISTANT)             \
	X(assistant_name, "name", ASSISTANT)         \
	X(assistant_version, "version", ASSISTANT)   \
	X(squad_id, "squad_id", TOP)                 \
	X(session_id, "session_id", TOP)             \
	X(telephony_id, "telephony_id", TOP)         \
	X(transport, "transport", TOP)               \
	X(control_url, "control_url", PRIVATE)       \
	X(listen_url, "listen_url", PRIVATE)
enum fact {
#define X(name, text, place) FACT_##name,
	FACTS(X)
#undef X
		FACT_COUNT
};
struct facts_state {
	struct kept value[FACT_COUNT];
	int64_t created_us;	    /* 0: unknown */
	bool known;		    /* call.started was given */
	bool transcript_subscribed; /* the provider's configuration says so */
	struct uuid conversation, instruction;
};

/* --- status.c --- */
/* X(ID, "name") */
#define END_CLASSES(X)            \
	X(CUSTOMER, "customer")   \
	X(ASSISTANT, "assistant") \
	X(PROVIDER, "provider")   \
	X(TELEPHONY, "telephony") X(LIMIT, "limit") X(OTHER, "other") X(LOST, "lost")
enum end_class {
#define X(id, text) END_##id,
	END_CLASSES(X)
#undef X
};
struct status_state {
	struct kept status, reason, summary, outcome;
	enum end_class end_class;
	int64_t at_us;		      /* of the status, event time */
	int64_t started_us, ended_us; /* event time; 0: unknown */
	bool started_own_clock, ended_own_clock;
	int64_t duration_ms; /* -1: unknown */
	double cost;
	bool has_cost, ended, lost, reported;
	bool start_guessed; /* from the first words; status, facts or report know better */
	bool told;	    /* an end was: the next one revises it */
	bool aftermath;	    /* nothing is known but what came after the call: no word on its end */
	/* reconciliation */
	int64_t news_us;  /* last sign of life, arrival time */
	int64_t retry_us; /* next try; 0: none planned */
	int tries;
	bool asking;
};

/* --- parties.c --- */
struct parties_state {
	struct party *items; /* heap, in order of their first word */
	uint32_t n, cap, dropped;
	int64_t dropped_sequence; /* the greatest of those dropped */
	int64_t dropped_talked_us;
	int64_t news_us;       /* arrival of the last word; 0: none */
	int64_t unknown_us[2]; /* the platform did not know the call: first and last time */
	bool confirmed;	       /* the last word was an answer: what it does not say is not so */
};

/* --- speech.c --- */
struct speech_state {
	struct {
		bool on;
		int turn;
		int64_t since_us; /* event time of `started` */
		bool since_own_clock;
		int64_t changed_us; /* arrival of the last started or stopped */
		int64_t heard_us;   /* arrival of the last sign of this voice; 0: none */
		int64_t told_us;    /* event time of the last started or stopped */
	} of[SPEAKERS];
	bool reported;	  /* the provider sends speech events */
	bool silent;	  /* reported, until somebody speaks again */
	int64_t voice_us; /* arrival of the last sign of any voice; 0: none yet */
};

/* --- transcript.c --- */
struct transcript_state {
	struct kept partial[SPEAKERS];
	int64_t final_us[SPEAKERS]; /* of the newest final: older partials are stale */
	bool live;		    /* transcripts arrive while the call runs */
	/* Whose words count, of each speaker: of whoever brought some first. */
	enum { WORDS_OF_NOBODY, WORDS_OF_PROVIDER, WORDS_OF_AUDIO } by[SPEAKERS];
};

/* --- turns.c --- */
struct turn {
	uint64_t seq; /* of its last TURN event; 0: open */
	uint32_t number;
	uint16_t revision;
	uint8_t speaker, pieces_n;
	bool from_history, own_clock;
	int64_t started_us, ended_us; /* event time */
	struct kept text;
	struct piece {
		int64_t at_us;
		uint32_t bytes; /* of text, the joining space not counted */
	} * pieces;		/* heap, in the order of the text */
};
struct cold_turn {
	int64_t started_us, ended_us;
	uint32_t number;
	uint8_t speaker;
};
struct turns_state {
	struct turn *hot; /* heap, in order of number */
	uint32_t hot_n, hot_cap, next_number;
	struct cold_turn *cold;
	uint32_t cold_n, cold_cap;
	uint32_t open;	 /* number of the open turn + 1; 0: none */
	int64_t open_us; /* arrival of its last sign */
	/* History entries whose words no transcript has brought yet. */
	struct waiting_entry {
		uint8_t speaker;
		bool own_clock;
		int64_t at_us, end_us, arrived_us;
		struct kept text;
	} * waiting;
	uint32_t waiting_n;
};

/* --- history.c --- */
struct history_state {
	uint32_t next_index;
	int64_t newest_us; /* event time of the newest entry */
};

/* --- effects.c --- */
struct open_effect {
	struct uuid id, of; /* of: command or tool */
	enum effect_kind kind;
	bool intent;
	uint64_t record; /* that asked for it */
	int64_t asked_us;
};
struct effects_state {
	struct open_effect *items;
	uint32_t n, cap;
	uint32_t of_record; /* effects asked for under this record so far */
};

/* --- tools.c --- */
enum tool_by { TOOL_CALLMEND, TOOL_UPSTREAM, TOOL_ELSEWHERE };
enum tool_state { TOOL_RUNNING, TOOL_FINISHED, TOOL_NOT_SENT };
struct tool {
	struct uuid id;
	uint64_t key, record; /* record: that asked for it first */
	uint64_t seq;	      /* of TOOL_REQUESTED */
	struct kept call_id, name, arguments, answer, error;
	struct kept rewritten; /* JSON object; empty: the arguments went as they were */
	enum tool_by by;
	enum tool_state state;
	bool success, fallback, unknown, failed, seen_call, seen_result;
	bool beside_call, beside_result; /* told over the socket of the call's audio */
	uint8_t waiters, attempt;
	int64_t at_us, asked_us; /* event time, arrival */
	int64_t duration_ms;
	int64_t finished_us; /* event time */
};
/* A webhook whose sender waits until all its tools have answered. */
struct tool_wait {
	uint64_t record;
	struct kept type;
	uint32_t n;
	struct uuid *tools;
};
struct tools_state {
	struct tool *items; /* heap, oldest first */
	uint32_t n, cap;
	struct tool_wait *waits;
	uint32_t waits_n, waits_cap;
	uint32_t repeated;	    /* calls that were here before */
	struct tool_wait *now;	    /* of the record being applied; NULL: none */
	uint32_t upstream_now;	    /* tools of this record that go upstream */
	struct tool_answer refused; /* of this record, the last one there was no room for */
};

/* --- commands.c, observe.c --- */
enum { HEARD_SOURCES = 2 };
/* Watches for words in order among what is heard from one source after another. */
struct word_watch {
	uint32_t n;
	uint32_t *wanted; /* heap, n hashes */
	struct heard_words {
		uint32_t n;
		uint32_t *words; /* heap, the last `cap` */
	} heard[HEARD_SOURCES];
	uint32_t cap;
};
/* What became of one effect of a command; the worst last. */
enum command_part { PART_NOTHING, PART_DONE, PART_REFUSED, PART_UNKNOWN };
struct held_command {
	struct command c; /* spans into mem */
	char *mem;
	size_t mem_bytes;
	enum command_state state;
	uint8_t open; /* effects without outcome */
	enum command_part worst;
	bool recorder_done; /* its part of it */
	uint64_t seq;
	int64_t requested_us, accepted_us, effect_us; /* arrival time; 0: not yet */
	int64_t deadline_us;			      /* to watch until; 0: not watching */
	bool ai_spoke;	     /* the assistant was speaking when it was asked for */
	bool by_audio;	     /* the call is told of by its audio only */
	struct kept party;   /* whom it is about; empty: the platform tells of none */
	struct kept message; /* send-text: the platform's id of what was sent */
	struct kept error, evidence;
	struct word_watch watch;
};
struct commands_state {
	struct held_command *items; /* heap, oldest first */
	uint32_t n, cap;
	bool recording_paused; /* by the last command of that kind that was not rejected */
	int64_t recording_paused_us;
};

/* --- sentiment.c --- */
enum sentiment { SENTIMENT_NEUTRAL, SENTIMENT_POSITIVE, SENTIMENT_NEGATIVE, SENTIMENT_FRUSTRATED };
struct mood_turn {
	uint32_t number;
	int16_t points[2]; /* mood; frustration or confusion: see sentiment.c and signals.c */
};
struct mood_ring {
	struct mood_turn turns[MOOD_TURNS]; /* newest last */
	uint32_t n;
};
struct sentiment_state {
	struct mood_ring ring[SPEAKERS];
	enum sentiment now[SPEAKERS];
	int16_t score[SPEAKERS];
	uint32_t hits_en, hits_es; /* function words so far */
};

/* --- signals.c --- */
/* X(ID, "name", "formula") : docs/signals.md explains each. */
#define SIGNALS(X)                                                                                \
	X(FRUSTRATION, "frustration",                                                             \
	  "min(100, sum over the caller's last 8 turns of (words + half of negative + 15 if "     \
	  "repeated) * 3/4^age + "                                                                \
	  "10 per interruption since the assistant's last turn, at most 20)")                     \
	X(CONFUSION_USER, "confusion_user",                                                       \
	  "min(100, sum over the caller's last 8 turns of words * 3/4^age)")                      \
	X(CONFUSION_ASSISTANT, "confusion_assistant",                                             \
	  "min(100, sum over the assistant's last 8 turns of words * 3/4^age)")                   \
	X(REPETITION, "repetition",                                                               \
	  "min(100, 100 * similar turns among a speaker's last 8 / loop_count); similar: shared " \
	  "words >= "                                                                             \
	  "loop_similarity %, turns of at least 4 words")                                         \
	X(UNANSWERED_QUESTION, "unanswered_question",                                             \
	  "100 when no answering turn came within unanswered_ms after a question of the caller, " \
	  "else 0")                                                                               \
	X(CLAIMED_DONE, "claimed_done_tool_failed",                                               \
	  "80 when the assistant says it is done within 4 of its turns after a tool failed that " \
	  "has not succeeded "                                                                    \
	  "since, 100 when that tool failed more than once, else 0")
enum signal_id {
#define X(id, text, formula) SIGNAL_##id,
	SIGNALS(X)
#undef X
		SIGNAL_COUNT
};
struct evidence {
	uint64_t seq;
	uint32_t turn; /* number + 1; 0: no turn */
	int64_t at_ms;
	struct kept text;
};
struct signal {
	bool raised;
	int16_t score;
	uint8_t evidence_n;
	struct evidence evidence[EVIDENCE_MAX]; /* newest last */
};
struct recent_turn {
	uint32_t number;
	uint64_t seq;
	int64_t at_ms;
	struct kept text; /* at most RECENT_BYTES */
};
struct failed_tool {
	uint64_t name; /* hash */
	uint8_t failures, turns_left;
	struct evidence evidence;
};
enum { FAILED_TOOLS = 8 };
struct signals_state {
	struct signal of[SIGNAL_COUNT];
	struct mood_ring frustration, lost, puzzled;
	struct recent_turn recent[SPEAKERS][RECENT_TURNS];
	uint8_t recent_n[SPEAKERS];
	uint8_t repeats_by;	 /* speaker of the repetition that is raised */
	uint8_t interruptions;	 /* since the assistant's last turn */
	int64_t question_due_us; /* 0: no open question */
	struct evidence question;
	int64_t question_us; /* event time */
	struct failed_tool failed[FAILED_TOOLS];
	uint8_t failed_n;
};

/* --- checklist.c --- */
struct checklist_state {
	struct fields *fields; /* NULL: the project has none */
	struct captures *captures;
};

/* --- context.c --- */
struct context_item {
	uint64_t key;	  /* hash of id and text: the same is told once */
	struct kept json; /* {id, kind, title, text}, clipped */
};
struct context_state {
	struct context_item *items; /* heap, oldest first */
	uint32_t n;
	bool had_items, had_lookup; /* that part was asked for, and what came of it is known */
};

/* --- sound.c --- */
struct sound_leg {
	uint64_t key; /* of stream and index; 0: no leg */
	struct kept stream, dialect, codec, party, who;
	unsigned index;
	enum speaker speaker;
	bool attached, speaking, measured, held;
	bool worded;  /* its words have come */
	bool hears;   /* it has told of speech: the provider's word no longer counts */
	uint8_t rank; /* of two that bring the same speaker the lower tells of him */
	int64_t rate_hz, attached_us, detached_us;
	int16_t level, peak, noise; /* dBFS, tenths */
	int64_t clipped, gaps, gap_ms, late, duplicates, reordered, damaged;
};
struct sound_state_of_call {
	struct sound_leg *legs; /* heap, SOUND_LEGS at most */
	unsigned legs_n;
	struct sound_mix base, live; /* before marks[0]; before marks[counted] */
	struct sound_mark *marks;    /* heap; room for one more than SOUND_MARKS at most */
	uint32_t marks_n, marks_cap, counted;
	int64_t digits, late_facts, recorded_ms;
	bool unbound, ended;
	bool only_audio;	     /* nobody else has told of this call */
	int64_t over_us, over_at_us; /* dialect.lasts_by_audio: nobody is attached any more, since
					when; to be over at that time. 0: not so */
	struct kept transcriber, over_why, recording, recording_id, linked;
};

/* --- the session --- */
struct moment {
	uint64_t record;
	unsigned index;	     /* of the next event */
	int64_t at_us;	     /* the record's time, or the deadline of the timer that fires */
	int64_t arrived_us;  /* the record's time */
	int64_t provider_us; /* a provider time that is not believed, to be noted; 0: none */
	int64_t input_us;    /* the provider's time of the input that is applied; 0: none */
	bool reconciling;    /* inputs come from asking the provider */
	bool raw;	     /* an input of this record was not understood */
	bool own_clock;	     /* its times are of our own clock, not the provider's */
};

struct queued_event {
	struct event e;
	size_t from; /* first stage that may see it */
	struct queued_event *next;
};

struct session {
	struct uuid id;
	bool bound;
	bool timers_stopped; /* one of them stops the process */
	struct settings settings;
	struct kept bind; /* settings.h spans live here and in settings_mem */
	struct arena settings_mem;
	const struct dialect *dialect;
	struct seen seen;
	struct seen recent; /* keys of frequent, short-lived inputs: kept apart, so that they push
			       nothing out */
	struct ways_state ways;
	uint64_t first_record, last_seq;
	int64_t last_us;
	int64_t bound_us; /* arrival */
	int64_t first_us; /* the earliest time that the provider has told; 0: none */
	int64_t skew_us;  /* least of arrival minus provider time; INT64_MAX: none seen */
	struct counts counts;
	uint32_t flags;

	struct facts_state facts;
	struct status_state status;
	struct parties_state parties;
	struct speech_state speech;
	struct transcript_state transcript;
	struct turns_state turns;
	struct history_state history;
	struct effects_state effects;
	struct tools_state tools;
	struct commands_state commands;
	struct sentiment_state sentiment;
	struct signals_state *signals; /* NULL: nothing was said so far */
	struct checklist_state checklist;
	struct context_state context;
	struct sound_state_of_call *sound; /* NULL: no audio so far */
	uint32_t rules_done; /* bit per enum settings_rule that has worked in this call */

	/* While a record is applied only. */
	const struct call_host *host;
	struct arena scratch;
	struct moment now;
	size_t stage; /* first stage that may see what is emitted now */
	bool draining;
	struct queued_event *queue, *queue_end;
};

static inline void session_flag(struct session *s, enum flag f)
{
	s->flags |= UINT32_C(1) << f;
}

#endif
