/* Instructions as sections, and edits of them that keep every other byte. Pure. */
#ifndef CALLMEND_HEALING_SECTIONS_H
#define CALLMEND_HEALING_SECTIONS_H

#include "base/arena.h"
#include "base/json.h"

struct section {
	struct span name, text;
};
struct sections {
	struct section *of;
	size_t n;
};
/* [{name, text}]; absent: none. */
struct sections sections_read(struct json array, struct arena *a);
/* NULL: there is none of this name. */
const struct section *sections_find(const struct sections *, struct span name);
/* The section in which the most of these words (normalised, NULL ends) occur, in its name above
 * all; NULL: in none. */
const struct section *sections_fitting(const struct sections *, const char *const *words);
/* The text with one more line behind its last one, as an item when the section is a list: numbered
 * on, or with the same mark. */
struct span sections_append(struct span text, struct span line, struct arena *a);
/* Spanish instructions: by the project's language, or (auto) by their words. */
bool sections_spanish(const struct sections *, struct span language);

#endif
