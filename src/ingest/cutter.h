/* Cuts a file into its records as it is read: a file of any size takes the memory of its largest
 * record.
 *
 * A JSON array is cut into its elements, JSON lines into lines, other JSON into values, a
 * transcript file at its lines of dashes. What a file is shows at its beginning. A damaged record
 * costs no more than itself: the next one is found by how the first began. One thread. */
#ifndef CALLMEND_INGEST_CUTTER_H
#define CALLMEND_INGEST_CUTTER_H

#include <sys/types.h>

#include "callmend/fault.h"
#include "callmend/span.h"

enum { CUTTER_RECORD_LIMIT = 64 * 1024 * 1024 };

enum cutter_kind { CUTTER_AUTO, CUTTER_JSON, CUTTER_TEXT };

struct cutter_config {
	enum cutter_kind kind;
	size_t limit; /* of one record; 0: CUTTER_RECORD_LIMIT */
	/* As read(2): more bytes, 0 at the end, -1 with errno. */
	ssize_t (*read)(void *user, char *out, size_t n);
	void *user;
};

struct cutter;
struct cutter *cutter_new(const struct cutter_config *);
void cutter_free(struct cutter *);

struct cut {
	struct span text; /* valid until the next call; nobody has checked it yet */
	size_t line;	  /* of its first byte, from 1 */
	bool is_text;	  /* of a transcript file */
};
/* 0: a record. E_NOT_FOUND: the end. E_TOO_LARGE: a record (cut->line) beyond the limit was passed
 * over, go on. E_IO: reading failed. E_INVALID: CUTTER_JSON and no JSON at the beginning. */
MUST int cutter_next(struct cutter *, struct cut *out, struct fault *f);

#endif
