/* What an SQLSTATE of PostgreSQL (its appendix A) means for us: every class, in one table. */
#ifndef CALLMEND_STORE_SQLSTATE_H
#define CALLMEND_STORE_SQLSTATE_H

#include <stdbool.h>
#include <stddef.h>

/* Not PostgreSQL's: the schema is not ready (store/schema.h), and somebody migrates; or nobody
 * does. */
#define SQLSTATE_MIGRATING "CM003"
#define SQLSTATE_UNMIGRATED "CM004"

enum sqlstate_kind {
	SQLSTATE_ROW,	   /* what was asked is refused and would be refused again */
	SQLSTATE_CONFLICT, /* somebody else was there first */
	SQLSTATE_PASSING,  /* passes by itself: come again */
	SQLSTATE_DEGRADED, /* comes back until somebody changes something at PostgreSQL */
};

struct sqlstate {
	const char *prefix; /* of the five characters */
	enum sqlstate_kind kind;
	int code;	    /* E_* for whoever asked */
	const char *name;   /* in two words; the label of the metric */
	const char *advice; /* what to do */
};

/* The row of a state; never NULL. States that are not PostgreSQL's have the last row. */
const struct sqlstate *sqlstate_find(const char *state);
/* All rows, for tests and documentation. The longest prefix that fits is the one that counts, so a
 * row for one state may stand beside the one for its class. */
const struct sqlstate *sqlstate_table(size_t *n);

#endif
