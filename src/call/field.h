/* The parts of the field engine (callmend/fields.h), for each other only.
 *
 *	fields.c         the definitions, compiled
 *	field_ask.c      does an assistant's turn ask for a field; refusals, corrections, fillers
 *	field_*.c        one extractor per type: caller's words -> a value in its normal form
 *	captures_read.c  one turn of a call, read
 *	captures.c       what is known in a call, over its last revisable turns
 *
 * Everything is pure and allocates nothing, fields_new and captures apart. */
#ifndef CALLMEND_CALL_FIELD_H
#define CALLMEND_CALL_FIELD_H

#include "call/utterance.h"
#include "callmend/fields.h"

enum {
	FIELD_TYPE_COUNT = 0
#define X(name, text, doc) +1
	FIELD_TYPES(X)
#undef X
};

/* Words, stemmed, that must be there: in this order and side by side, or anywhere. */
struct field_words {
	const uint32_t *stems;
	uint8_t n;
	bool side_by_side;
};
struct field_choice {
	struct span value;
	const struct field_words *said;
	uint8_t said_n;
};
struct field {
	struct span name, label, question, report, tool, path;
	enum field_type type;
	bool required, by_label;
	bool people; /* type number: how many people there will be */
	struct field_words *asks;
	uint8_t asks_n, choices_n;
	const struct field_choice *choices;
	struct field_words about; /* content words of label and asks: "seven *people*" */
	void *pattern;		  /* pcre2_code; NULL: none */
};
struct fields {
	struct arena mem;
	struct field *items;
	size_t n, pattern_bytes;
	unsigned languages; /* SPOKEN_* */
	uint8_t of_type[FIELD_TYPE_COUNT];
	uint8_t of_people;
};

/* --- where and how to look --- */
struct field_search {
	const struct utterance *u;
	const struct field *f;
	unsigned from, to; /* words */
	unsigned languages;
	bool asked; /* an answer is expected: a bare value will do */
};
struct field_found {
	unsigned from, to; /* words it was read from */
	size_t n;
	char value[FIELD_VALUE_MAX + 1];
};
/* False: nothing that can be read as a value of this type. */
typedef bool field_find(const struct field_search *, struct field_found *out);
field_find field_number_find, field_money_find, field_phone_find, field_email_find, field_name_find,
	field_date_find, field_time_find, field_yes_no_find, field_choice_find, field_text_find,
	field_address_find, field_pattern_find;
/* By pattern where there is one, else by type. */
bool field_value_find(const struct field_search *, struct field_found *out);
/* May a value be believed that nobody asked for? */
bool field_value_unasked(const struct field *);
/* The value of a report or of a tool's argument, in its normal form; false: it says nothing. */
bool field_value_json(const struct field *, unsigned languages, struct json,
		      struct field_found *out);

/* Sets value and words. */
void field_found_set(struct field_found *, struct span value, unsigned from, unsigned to);

/* A number, given times 100; cents: two decimals where there are any. */
void field_found_amount(struct field_found *, int64_t hundredths, bool cents, unsigned from,
			unsigned to);

/* --- words --- */
/* Where in [from, to) the words stand; `to`: nowhere. *end: behind them. */
unsigned field_words_find(const struct field_words *, const struct utterance *, unsigned from,
			  unsigned to, unsigned *end);
/* Is one of the words in [from, to)? */
bool field_words_any(const struct field_words *, const struct utterance *, unsigned from,
		     unsigned to);

/* --- numbers: field_number.c --- */
struct field_number {
	unsigned words;	    /* taken */
	int64_t hundredths; /* the value times 100 */
	bool written;	    /* in digits */
	bool lone_article;  /* "a", "un", "una", "one": may be no number at all */
};
bool field_number_at(const struct utterance *, unsigned i, unsigned languages,
		     struct field_number *out);
/* Is the thing counted people: "party size", "number of guests"; of a question, "how many guests"?
 */
bool field_number_people_label(struct span label);
bool field_number_people_question(struct span ask);
/* One spoken or written group of a longer run of digits: "oh", "five", "twenty five", "555". The
 * words it takes; 0: none. */
unsigned field_number_digits(const struct utterance *, unsigned i, unsigned languages,
			     char digits[24]);
/* A number from 1 to 31 as a day: "14", "14th", "fourteenth", "catorce". */
unsigned field_number_day(const struct utterance *, unsigned i, unsigned languages, int *out,
			  bool *ordinal);
/* How many words a time of day or a date takes that begins at word i; 0: none does. `asked`: also
 * forms that could mean something else ("at seven", "the third"). */
unsigned field_time_at(const struct utterance *, unsigned i, unsigned languages, bool asked,
		       char hhmm[8]);
unsigned field_date_at(const struct utterance *, unsigned i, unsigned languages, bool asked);

/* --- what is said around values: field_ask.c --- */
/* Bit per field that the assistant's turn asks for; where[i]: sentence, first word. */
uint64_t field_ask_asked(const struct fields *, const struct utterance *,
			 uint16_t where[FIELDS_MAX]);
bool field_ask_asks(const struct utterance *);	  /* any question that wants an answer */
bool field_ask_repeats(const struct utterance *); /* asks to say it once more */
bool field_ask_refused(const struct utterance *);
/* First word behind the last correction ("no, ", "I mean"); 0: no correction. */
unsigned field_ask_corrected(const struct utterance *);
/* Words at `from` that say nothing ("well, um, yes, it's"). */
unsigned field_ask_fillers(const struct utterance *, unsigned from, unsigned to);
/* Does the caller ask something in this sentence, rather than answer? */
bool field_ask_counters(const struct utterance *, unsigned sentence);
/* Nothing but no: "no", "no thanks". */
bool field_ask_bare_no(const struct utterance *);

#endif
