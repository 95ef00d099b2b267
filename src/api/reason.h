/* Decisions whose reason matters to others than the audit log take it in the body as well. */
#ifndef CALLMEND_API_REASON_H
#define CALLMEND_API_REASON_H

#include "api/endpoint.h"

struct request;

enum { REASON_MAX = 2000 };
/* Two rows, the bound one first. */
#define REASON_ROWS(n, about)                                                                 \
	QUERY_REASON(n),                                                                      \
	{                                                                                     \
		.name = "reason", .in = PARAM_IN_BODY, .type = PARAM_TEXT, .max = REASON_MAX, \
		.doc = (about)                                                                \
	}

/* An endpoint's `run`: its statement, with the body's reason where there is one. */
void reason_query(struct request *);

#endif
