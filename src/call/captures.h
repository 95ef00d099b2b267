/* What captures.c keeps of a call, and how a turn is read into it (captures_read.c). */
#ifndef CALLMEND_CALL_CAPTURES_H
#define CALLMEND_CALL_CAPTURES_H

#include "call/field.h"
#include "call/kept.h"

enum { REVISABLE = 8 };

enum finding_kind { FOUND_ASKED, FOUND_REFUSED, FOUND_VALUE };
struct finding {
	uint8_t field, kind, how, confidence;
	bool replaces;	       /* an answer or a correction, not a mere mention */
	uint16_t from, length; /* passage, in the turn's text */
	struct kept value;
};

/* What the turns before a turn say about how to read it. */
struct context {
	uint64_t pending;		  /* fields asked for, not answered yet */
	uint8_t latest[FIELD_TYPE_COUNT]; /* field + 1 of that type that was told last */
	uint8_t language;		  /* SPOKEN_* of the assistant */
};

struct shown {
	uint32_t number;
	enum speaker speaker;
	uint64_t seq;
	int64_t offset_ms;
	struct kept text;
	struct context before;
	struct finding *found; /* heap */
	unsigned found_n;
};

/* A captured of which we own the texts. */
struct held {
	struct captured c;
	struct kept value, passage;
};

struct captures {
	const struct fields *fields;
	struct shown shown[REVISABLE]; /* in order of number */
	unsigned shown_n;
	uint32_t newest_folded;		    /* number + 1; 0: none */
	struct context context;		    /* after the last turn */
	struct held *base, *tools, *report; /* per field; tools and report NULL: none yet */
	struct captured *now;
	uint64_t *digest;
};

/* Reads the turn's text with what the turns before it say (*context), and sets what it says to the
 * turns after it. */
void captures_read(const struct captures *, struct shown *, struct context *context);
/* Forgets what was found in a turn. */
void captures_read_free(struct shown *);

#endif
