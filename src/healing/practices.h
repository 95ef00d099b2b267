/* What good instructions say (C1: missing best practices). Needs no calls. Pure. */
#ifndef CALLMEND_HEALING_PRACTICES_H
#define CALLMEND_HEALING_PRACTICES_H

#include "healing/sections.h"

struct practice {
	const char *key, *title;
	/* Any of these in the instructions, in either language: it is there. Normalised words, "+"
	 * between those that must occur in one line. NULL ends. */
	const char *const *signs;
	const char *section_en, *section_es; /* of the line, unless one fits already */
	const char *const *fitting;	     /* words of a section it belongs to */
	const char *text_en, *text_es;
	const char *reason_en, *reason_es;
	bool tools_only; /* only where the project has tools */
};
/* In order of what they usually bring. */
extern const struct practice practices[];
extern const size_t practices_n;

const struct practice *practices_find(struct span key);
bool practices_present(const struct practice *, const struct sections *);
/* The first that is missing; NULL: none. `skip` says which are not wanted now. */
typedef bool practice_skip_fn(void *user, const struct practice *);
const struct practice *practices_missing(const struct sections *, bool has_tools,
					 practice_skip_fn *skip, void *user);

#endif
