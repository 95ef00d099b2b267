/* What the parts of understand() share: the input, read once, and what each part finds in it. One
 * file per question; each is asked once, in the order of the steps in understand.c, and may read
 * what earlier ones have found. Everything lives in the arena of one call. */
#ifndef CALLMEND_ANALYSIS_UNDERSTAND_PARTS_H
#define CALLMEND_ANALYSIS_UNDERSTAND_PARTS_H

#include "analysis/phrasebook.h"
#include "analysis/signs.h"
#include "analysis/understand.h"
#include "base/arena.h"
#include "call/lexicon.h"
#include "callmend/fields.h"

enum {
	PASSAGE_MAX = 400, /* bytes of a quoted passage */
	/* "Right before the end": among so many of the last turns. */
	NEAR_END_TURNS = 6,
};

static inline bool understand_contains(struct span text, const char *z)
{
	return text.n && memmem(text.p, text.n, z, strlen(z));
}

/* Words of the call that show something. */
struct passage {
	bool known;
	bool has_seq; /* of an event; else it is from the report or from a person */
	int64_t seq;
	int64_t offset_ms; /* -1: unknown */
	enum speaker speaker;
	struct span text;
};

struct turn {
	enum speaker speaker;
	uint32_t number;
	int64_t seq; /* of its first revision: its place in the call; output names the last */
	int64_t last_seq;
	int64_t offset_ms;
	struct span text;
	struct reading moods;
	const struct sign_hit *hits;
	size_t hits_n;
};

/* What went wrong with a tool call. */
#define TOOL_TROUBLES(X)                                                      \
	X(NONE, "none", "it worked, or nobody knows")                         \
	X(ERROR, "error", "it answered with an error, or could not be asked") \
	X(TIMEOUT, "timeout", "no answer in time")                            \
	X(EMPTY, "empty", "it answered and found nothing")                    \
	X(UNKNOWN, "unknown", "it may have run: a crash or a lost connection came between")
enum tool_trouble {
#define X(id, name, doc) TOOL_TROUBLE_##id,
	TOOL_TROUBLES(X)
#undef X
};

struct used_tool {
	struct span id, name, error, requested_at, search_argument;
	struct json arguments;
	bool succeeded; /* known to have */
	enum tool_trouble trouble;
	int64_t seq, offset_ms; /* of its request: its place in the call */
	int64_t ended_seq,
		ended_offset_ms; /* where its error is told; of the request when unknown */
};

struct raised_signal {
	struct span name, text;
	int64_t score, seq;
	int64_t said_seq, offset_ms; /* of the words that raised it; of itself when unknown */
};

struct command_done {
	struct span verb, state;
};

enum verdict_of { VERDICT_SUCCESS, VERDICT_FAILURE, VERDICT_UNKNOWN };

struct found_outcome {
	enum verdict_of verdict;
	const char *by; /* "posted" "rule" "evaluation" "fields" "none" */
	struct span label;
	struct passage evidence;
};

struct question {
	struct span text; /* the asking sentence */
	struct span key;  /* its content words: equal keys are one question */
	int64_t seq, offset_ms;
};

struct failure_point {
	const char *key, *title; /* key == NULL: none */
	struct passage passage;
};

/* Where a failed call failed: the first that fits. X(rule, "key", "title" unless the rule says it
 * better, when it fits). docs/understanding.md shows this table; a test compares. */
#define FAILURE_POINTS(X)                                                                         \
	X(provider, "provider", "the provider's side failed", "ended class `provider` or `lost`") \
	X(telephony, "telephony", "the telephone line failed, or nobody was reached",             \
	  "ended class `telephony`")                                                              \
	X(start, "start", "the caller never said anything", "no words of the caller")             \
	X(wrong_number, "wrong_number", "the caller did not want to call here",                   \
	  "the caller says so, anywhere")                                                         \
	X(tool, "tool:NAME", "NAME failed right before the end",                                  \
	  "near the end a tool call failed (`error`, `timeout`, `unknown`) and none of that "     \
	  "tool succeeded afterwards")                                                            \
	X(search, "search:NAME", "NAME found nothing right before the end", "likewise, `empty`")  \
	X(refused_price, "price", "the caller refused the price",                                 \
	  "near the end the caller objects to the price")                                         \
	X(left_at_price, "price", "the caller left when the price was told",                      \
	  "the caller ends the call on a turn of the assistant that names a price, with at most " \
	  "three words in between")                                                               \
	X(question, "question", "a question was left without an answer",                          \
	  "an unanswered question near the end")                                                  \
	X(frustration, "frustration", "the caller lost patience",                                 \
	  "the signal `frustration` near the end")                                                \
	X(asked_last, "field:NAME", "LABEL: asked, no usable answer, or declined",                \
	  "near the end a required field was asked for in vain; the last one of them")            \
	X(silence, "silence", "the caller fell silent", "ended reason `silence-timed-out`")       \
	X(limit, "limit", "the call reached its limit", "ended class `limit`")                    \
	X(declined, "declined", "the caller declined", "near the end the caller says no")         \
	X(postponed, "postponed", "the caller wanted to think about it",                          \
	  "near the end the caller puts it off")                                                  \
	X(hangup, "hangup", "the caller hung up on the assistant's words",                        \
	  "the caller ends the call, the last turn is the assistant's, nobody said goodbye")      \
	X(never_asked, "field:NAME", "LABEL: never asked for, or not captured",                   \
	  "a required field is missing; the first in the project's order")                        \
	X(end, "end", "the call ended without success", "always")

enum cause {
	CAUSE_NONE,
	CAUSE_INSTRUCTIONS,
	CAUSE_TOOL,
	CAUSE_PROVIDER,
	CAUSE_TELEPHONY,
	CAUSE_CALLER
};

struct found_tag {
	struct span category, tag;
	int confidence; /* percent */
	struct passage passage;
};

struct rule_condition; /* understand_outcome.c */
struct own_tag;	       /* understand_tags.c */

struct finished {
	struct arena *arena;

	/* the call */
	struct span id, org, started_at, ended_reason, ended_class, number, sentiment;
	struct json duration_ms, evaluation, structured_data, structured_outputs;
	int64_t last_seq, interruptions;
	struct span system_text, instruction_version;
	struct json versions;

	struct turn *turns;
	size_t turns_n;
	struct used_tool *tools;
	size_t tools_n;
	struct raised_signal *signals;
	size_t signals_n;
	struct command_done *commands;
	size_t commands_n;
	struct {
		bool given;
		enum verdict_of verdict;
		struct span label, reason;
	} posted;

	/* the project */
	struct span project, language;
	struct json field_list, success_rule, own_tag_list, searches;
	const struct lexicon *lexicon;

	/* rules, compiled */
	struct phrasebook *book;
	struct rule_condition *conditions; /* of success, then of failure */
	size_t success_n, conditions_n;
	struct own_tag *own_tags;
	size_t own_tags_n;
	struct fields *fields;
	struct captures *captures;

	/* found */
	unsigned turns_user, turns_ai, words_user, words_ai;
	bool conversation; /* the caller said something */
	bool frustrated;
	bool said_goodbye; /* one of the last turns is a farewell */
	unsigned tool_failures;
	unsigned fields_wanted, fields_captured;
	struct found_outcome outcome;
	struct question *questions;
	size_t questions_n;
	struct failure_point point;
	enum cause cause;
	const char *ineligible_because; /* NULL: eligible */
	struct span ran_with;		/* instruction version */
	struct found_tag *tags;
	size_t tags_n;
};

/* --- understand_input.c --- */
/* Fills the call and the project. E_INVALID names the member. */
MUST int understand_input_read(struct json given, struct finished *c, struct fault *f);
const char *understand_input_verdict_name(enum verdict_of);
bool understand_input_verdict_from(struct span name, enum verdict_of *out);

/* --- understand_turns.c: words into moods and signs; counts --- */
void understand_turns_read(struct finished *c);
/* The turns that count as right before the end begin here. */
size_t understand_turns_near_end(const struct finished *c);
struct passage understand_turns_passage(const struct turn *t);
/* The last words of that speaker (NONE: anybody's); not known when there are none. */
struct passage understand_turns_last_words(const struct finished *c, enum speaker who);
/* First hit of the sign in the turn that no negation turns; NULL: none. */
const struct sign_hit *understand_turns_sign(const struct turn *t, enum sign s);
/* The last turn that has the sign, from `from` on, of that speaker (NONE: anybody's); NULL: none.
 */
const struct turn *understand_turns_last(const struct finished *c, size_t from, enum speaker who,
					 enum sign s);

/* --- understand_outcome.c --- */
/* Checks the success rule and puts its phrases into the book. */
MUST int understand_outcome_compile(struct finished *c, struct fault *f);
void understand_outcome_decide(struct finished *c);
/* 1 good, 0 bad, -1: cannot be told. `least`: what a number must reach, of 10; 0: the default. */
int understand_outcome_evaluation(struct json v, double least, struct arena *a);

/* --- understand_fields.c --- */
MUST int understand_fields_find(struct finished *c, struct fault *f);
/* Where the field was learned, asked for or refused; of one never asked for, the last words of the
 * assistant (of a silent one: of the caller): the call ended on them without the question. */
struct passage understand_fields_passage(const struct finished *c, size_t i);

/* --- understand_tools.c --- */
enum tool_trouble understand_tools_trouble(struct json success, bool unknown, struct span error);
/* The last failed call of a tool that did not succeed afterwards, of those at or behind `seq`;
 * NULL: none. A search that found nothing is no broken tool: it counts only with `empty_too`. */
const struct used_tool *understand_tools_broken(const struct finished *c, int64_t seq);
const struct used_tool *understand_tools_found_nothing(const struct finished *c, int64_t seq);
void understand_tools_put(const struct finished *c, struct json_out *o);

/* --- understand_questions.c --- */
void understand_questions_find(struct finished *c);

/* --- understand_point.c, understand_cause.c --- */
void understand_point_find(struct finished *c);
void understand_cause_find(struct finished *c);
const char *understand_cause_name(enum cause);

/* --- understand_version.c --- */
void understand_version_find(struct finished *c);
/* "1-0123456789abcdef" */
void understand_version_rules(const struct finished *c, struct buf *out);

/* --- understand_tags.c --- */
MUST int understand_tags_compile(struct finished *c, struct fault *f);
void understand_tags_find(struct finished *c);

#endif
