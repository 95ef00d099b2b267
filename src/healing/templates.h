/* What is proposed without a model: a line of instructions for each cause and reason, in the
 * project's language. Nothing of it is taken from what callers said. Pure. */
#ifndef CALLMEND_HEALING_TEMPLATES_H
#define CALLMEND_HEALING_TEMPLATES_H

#include "healing/causes.h"

struct template
{
	enum cause_kind kind;
	const char *reason; /* its beginning; NULL: any */
	const char *type;   /* suggestions.type */
	const char *section_en, *section_es;
	const char *const *fitting; /* words of a section it belongs to */
	const char *title_en, *title_es;
	const char *text_en, *text_es;
	const char *why_en, *why_es;
};

/* What {label}, {ask}, {tool}, {topic} and {point} stand for. */
struct template_words {
	struct span label, ask, tool, topic, point;
};

/* The one with this number (0, 1, ...) of those for the cause, the more special ones first; NULL:
 * no more. */
const struct template *templates_at(enum cause_kind, struct span reason, size_t number);
struct span templates_fill(const char *text, const struct template_words *, struct arena *a);

#endif
