/* What the project wants to know in a call, and what is known of its caller: the part of
 * watch_model that stands above a call's transcript. Pure. */
#ifndef CALLMEND_NODE_WATCH_CHECKLIST_H
#define CALLMEND_NODE_WATCH_CHECKLIST_H

#include "base/buf.h"
#include "base/json.h"

enum {
	CHECKLIST_FIELDS_MAX = 40,
	CHECKLIST_CONTEXT_MAX = 16,
	CHECKLIST_TEXT_MAX = 96, /* bytes */
};

enum checklist_mark { CHECKLIST_MISSING, CHECKLIST_ASKED, CHECKLIST_REFUSED, CHECKLIST_CAPTURED };

/* Zeroed is empty. */
struct watch_checklist {
	struct checklist_field {
		char field[CHECKLIST_TEXT_MAX], label[CHECKLIST_TEXT_MAX],
			value[CHECKLIST_TEXT_MAX];
		enum checklist_mark mark;
		bool required;
	} * fields; /* heap */
	unsigned fields_n;
	struct checklist_context {
		char id[CHECKLIST_TEXT_MAX], text[4 * CHECKLIST_TEXT_MAX];
	} * context; /* heap, oldest first */
	unsigned context_n;
};

void watch_checklist_fini(struct watch_checklist *);
/* "facts" and "context" of a snapshot: all there is. */
void watch_checklist_snapshot(struct watch_checklist *, struct json snapshot);
/* Data of one event "fact"; of one event "context". */
void watch_checklist_fact(struct watch_checklist *, struct json fact);
void watch_checklist_known(struct watch_checklist *, struct json context);
/* "✓ number of people: 7", "✗ phone number: refused", "· name" */
void watch_checklist_text(const struct checklist_field *, struct buf *out);

#endif
