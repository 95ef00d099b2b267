/* The head of an answer, its lines as they came: what it says of time and budget. Pure. */
#ifndef CALLMEND_CONNECT_HEAD_H
#define CALLMEND_CONNECT_HEAD_H

#include "connect/budget.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, IMF-fixdate); 0: no such time. */
int64_t head_time_us(struct span date);
/* Of the Date line; 0: none. */
int64_t head_date_us(struct span head);
void head_rate(struct span head, int status, struct rate_answer *out);

#endif
