/* What a project wants to learn in its calls (D1), and the engine that finds it in what is said.
 *
 * The same code runs while the call is live (a stage of the call core, A8) and when a finished call
 * is analysed: it is shown turns, tool calls and the report, in order, and knows per field whether
 * it was captured, from which words, or why not. Pure: no clock, no I/O, no randomness; the same
 * showings give the same states. English and Spanish.
 *
 * The JSON form (projects.fields; a call's BIND record carries it):
 *   [{"name": "guest_count",            1-40 of [a-z0-9_]; unique
 *     "label": "number of guests",      for people and for the sentence of a suggestion; 1-80
 *     "type": "number",                 FIELD_TYPES; default "text"
 *     "required": true,                 default true; only required fields count as missing
 *     "ask": ["how many guests"],       phrases of which an assistant's question contains one;
 *                                       default: the words of the label, and for the only field of
 *                                       type name, phone, email, address, date or time also the
 *                                       usual words for it (docs/fields.md)
 *     "choices": ["lunch", "dinner"],   type choice: the values; each may be "value|synonym|..."
 *     "pattern": "\\b[A-Z]{2}\\d{6}\\b", PCRE2, first group or whole: the caller's words, anywhere
 *     "report": "guestCount",           member of the report's structured data (dotted path);
 *                                       default: the name
 *     "argument": "book.guests"}]       tool name, dot, path into its arguments
 * At most FIELDS_MAX; at most FIELDS_JSON_MAX bytes. */
#ifndef CALLMEND_FIELDS_H
#define CALLMEND_FIELDS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "callmend/fault.h"
#include "callmend/input.h"

enum {
	FIELDS_MAX = 40,
	FIELDS_JSON_MAX = 16 * 1024,
	FIELD_VALUE_MAX = 200,
	FIELD_PASSAGE_MAX = 400
};

/* X(name, "name", documentation: what a caller's words are read for, and the normal form) */
#define FIELD_TYPES(X)                                                                         \
	X(TEXT, "text", "the answer as it was said")                                           \
	X(NAME, "name", "a person's name: \"my name is ...\", \"this is ...\", or the answer") \
	X(PHONE, "phone", "7-15 digits, spoken or written; normal form +digits or digits")     \
	X(EMAIL, "email", "written, or spoken (\"anna at example dot com\"); lower case")      \
	X(NUMBER, "number", "digits or number words; decimal")                                 \
	X(MONEY, "money", "an amount with or without currency; decimal")                       \
	X(DATE, "date", "a calendar day or a weekday, as it was said, trimmed to the date")    \
	X(TIME, "time", "a time of day; HH:MM where it can be told")                           \
	X(YES_NO, "yes_no", "yes or no")                                                       \
	X(CHOICE, "choice", "one of `choices`")                                                \
	X(ADDRESS, "address", "the answer, when it holds a number and words")

enum field_type {
#define X(name, text, doc) FIELD_##name,
	FIELD_TYPES(X)
#undef X
};

struct fields; /* compiled definitions; immutable, may be shared by threads */
/* From the JSON form. The fault names the member: "fields[2].ask[0]: ...". Copies. */
MUST int fields_new(struct fields **out, struct json array, struct span language, struct fault *f);
void fields_free(struct fields *);
size_t fields_n(const struct fields *);
size_t fields_bytes(const struct fields *); /* memory held; NULL: 0 */
struct field_view {
	struct span name, label;
	enum field_type type;
	bool required;
};
struct field_view fields_at(const struct fields *, size_t i);
/* A question that asks for field i, for a suggestion: its first `ask` phrase, else made of the
 * label. */
struct span fields_question(const struct fields *, size_t i);

/* X(name, "name", documentation) */
#define FIELD_STATES(X)                                                                     \
	X(NEVER_ASKED, "never_asked", "no question of the assistant asked for it (yet)")    \
	X(ASKED, "asked_not_captured", "asked for, and no answer that could be read (yet)") \
	X(REFUSED, "refused", "the caller declined to say")                                 \
	X(CAPTURED, "captured", "known")

enum field_state {
#define X(name, text, doc) FIELD_STATE_##name,
	FIELD_STATES(X)
#undef X
};
const char *field_state_name(enum field_state);
const char *field_type_name(enum field_type);

/* How sure, by where it comes from: report 0.95, tool argument 0.9, an answer to the question that
 * asked for it 0.8 (0.6 for type text), a mention unasked 0.7 (pattern and typed values only). */
enum field_how { FIELD_BY_NONE, FIELD_BY_REPORT, FIELD_BY_TOOL, FIELD_BY_ANSWER, FIELD_BY_MENTION };
const char *field_how_name(enum field_how); /* "report" "tool" "answer" "mention" */

struct captured {
	enum field_state state;
	enum field_how how;
	int confidence; /* percent */
	uint64_t seq;	/* event of the passage: the answer, the refusal, or the (last) question */
	int64_t offset_ms;
	struct span value;   /* CAPTURED: normal form, <= FIELD_VALUE_MAX */
	struct span passage; /* the words that show it, <= FIELD_PASSAGE_MAX */
};

struct captures; /* what is known in one call; belongs to one thread */
struct captures *captures_new(const struct fields *); /* fields must outlive it */
void captures_free(struct captures *);
/* A turn, in order. A turn shown again (same number, a revision) replaces what it gave before; only
 * the last 8 turns can be revised. */
struct field_turn {
	enum speaker speaker;
	uint32_t number;
	struct span text;
	uint64_t seq;
	int64_t offset_ms;
};
/* Each returns the set of fields whose state or value changed, bit i for field i. */
uint64_t captures_turn(struct captures *, const struct field_turn *);
uint64_t captures_tool(struct captures *, struct span name, struct json arguments, uint64_t seq,
		       int64_t offset_ms);
uint64_t captures_report(struct captures *, struct json structured_data, uint64_t seq);
/* Valid, with its texts, until something is shown again. */
const struct captured *captures_at(const struct captures *, size_t i);
size_t captures_bytes(const struct captures *);

#endif
