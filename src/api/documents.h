/* Bodies that are checked as a whole by the rules of the directory, so that what PostgreSQL keeps
 * can be served. */
#ifndef CALLMEND_API_DOCUMENTS_H
#define CALLMEND_API_DOCUMENTS_H

#include "callmend/fault.h"
#include "callmend/span.h"

struct request;

/* Runs the endpoint's statement when `check` accepts the row "document", else answers 422 with the
 * member it names. */
void documents_query(struct request *, int (*check)(struct span json, struct fault *f));

#endif
