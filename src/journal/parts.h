/* What a reader needs of an open journal. For reader.c only. */
#ifndef CALLMEND_JOURNAL_PARTS_H
#define CALLMEND_JOURNAL_PARTS_H

#include "journal/journal.h"
#include "journal/shelf.h"
#include "journal/writer.h"

struct journal_parts {
	const char *dir; /* lives as long as the journal */
	struct shelf *shelf;
	struct writer *writer;
	uint64_t salt;
};
struct journal_parts journal_parts(struct journal *);

#endif
