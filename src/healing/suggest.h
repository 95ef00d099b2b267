/* The work `suggest` of an analyst: what would put an issue right? (docs/healing.md)
 *
 * A bundle is what a suggestion is made of, a JSON object with
 *
 *  window    what callmend_heal_load() gives: project {id, name, language, fields, tools ...},
 *            version {id, number, sections [{name, text}], text} or null, calls [{id, outcome,
 *            point, fields, unanswered, signals, tool_failures ...}] ...
 *
 *  issue     {id, cause, subject, title, evidence {..., reasons, timing, quotes}}; null when a
 *            best practice was asked for
 *
 *  rejected  [{section, current, suggested}]: rejected or pending, not to be proposed again
 *
 *  patterns  feedback_patterns of the project
 *
 *  draft     [{section, current, suggested, reason}]: what rules and templates propose */
#ifndef CALLMEND_HEALING_SUGGEST_H
#define CALLMEND_HEALING_SUGGEST_H

#include "base/buf.h"
#include "callmend/job.h"

/* Key: issue:<id> or project:<id> (on demand). A job_fn. */
MUST int suggest_job(struct job_context *, const struct job *, struct fault *f);

/* Whether these changes may be proposed: [{section, current, suggested, reason}], each of a section
 * that is as `current` says (or new, with an empty one); nothing that guards callers or the
 * business removed; nothing in it that was said in a call: no five words in a row, no name, number,
 * address; no promise about money; within the limits below. E_INVALID says which rule is broken.
 * Pure. */
MUST int suggest_check(struct json changes, struct json bundle, struct fault *f);

enum {
	SUGGEST_CHANGES_MAX = 5,
	SUGGEST_SECTION_MAX = 100, /* bytes of a section's name */
	SUGGEST_REASON_MAX = 1000,
	SUGGEST_SECTION_TEXT_MAX = 32768, /* bytes of a section as suggested */
	SUGGEST_ADDED_MAX = 2000,	  /* bytes of added lines of a change */
	SUGGEST_GRAM = 5,		  /* words in a row that no call may have said */
};

#endif
