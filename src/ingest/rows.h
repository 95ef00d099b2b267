/* Private to src/ingest: events -> rows. What goes into which table is one const table of {event
 * type, row kind}; the columns are taken from the event's JSON by the SQL
 * (src/store/sql/row_*.sql). */
#ifndef CALLMEND_INGEST_ROWS_H
#define CALLMEND_INGEST_ROWS_H

#include "call/session.h"
#include "callmend/store.h"

/* Rows of one transaction; strings live in the arena. */
struct rows {
	struct arena arena;
	struct store_row *items;
	size_t n, cap;
	struct rows_report {
		struct rows_report *next;
		struct uuid call;
		const char *data; /* of call.report */
	} * reports;		  /* the newest first */
};

void rows_event(struct rows *, const struct event *, const struct session *, uint64_t record);
void rows_call(struct rows *, const struct session *, uint64_t record);
void rows_quarantine(struct rows *, const struct uuid *journal, const struct record *,
		     const char *reason);
/* A row of any kind; the texts must live as long as the rows. */
void rows_add(struct rows *, enum store_row_kind, uint64_t record, const char *const *params,
	      size_t n);
void rows_reset(struct rows *);
void rows_fini(struct rows *);

#endif
