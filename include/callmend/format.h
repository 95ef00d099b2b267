/* Finished calls as files hold them: one record of a file becomes one body that a dialect reads, so
 * that an import goes the same way as a webhook. Pure. One line per format in src/dialect/formats.c
 * (docs/import.md). */
#ifndef CALLMEND_FORMAT_H
#define CALLMEND_FORMAT_H

#include "callmend/dialect.h"

/* A record as it was cut out of its file. */
struct format_record {
	struct span text;    /* JSON formats: passed json_check */
	int64_t fallback_us; /* when the call was, if it does not say so itself */
	/* Comma separated; empty: the usual ones. Transcripts only. */
	struct span ai_labels, user_labels;
};

/* What it says. Spans live in the record and the arena. */
struct format_call {
	struct span id; /* the provider's; calls without one get one made of their content */
	struct span body;
	int64_t started_us, at_us; /* when the call began; when the body would have come */
	bool whole;		   /* the body tells the whole call; else it is one message of it */
};

enum format_kind { FORMAT_JSON, FORMAT_TEXT };

struct format {
	const char *name;    /* --format */
	const char *title;   /* in the help */
	const char *dialect; /* that reads the bodies */
	enum format_kind kind;
	bool (*claims)(struct json record); /* JSON formats: looks like one of ours */
	/* E_INVALID: no call can be made of it. E_CONFLICT: a call that has not ended yet. */
	MUST int (*read)(const struct format_record *, struct arena *, struct format_call *out,
			 struct fault *f);
};

extern const struct format *const formats[]; /* NULL at the end */
const struct format *format_find(struct span name);
/* The JSON format that claims this record; NULL: none does. */
const struct format *format_of(struct json record);

#endif
