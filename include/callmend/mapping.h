/* Search-term mappings (B3): what a tool's search argument is rewritten to.
 *
 * A term is compared in one form, here and in the database: `mapping_term` and callmend_term() of
 * migrations/0016 give the same bytes for every valid UTF-8 text, whatever the locale of the
 * database (tests/store/store_mapping_test.c compares them). */
#ifndef CALLMEND_MAPPING_H
#define CALLMEND_MAPPING_H

#include "base/buf.h"
#include "callmend/directory.h"

enum { MAPPING_TERM_MAX = 200 }; /* characters */

/* Lower case (ASCII, Latin, Greek and Cyrillic letters), every run of white space and punctuation
 * one space, none at the ends, at most MAPPING_TERM_MAX characters. `term` must be UTF-8. Appends.
 */
void mapping_term(struct span term, struct buf *out);
/* The mapping of the project for this term, as it was said; NULL: none. */
const struct dir_mapping *mapping_find(const struct dir_project *, struct span term);

#endif
