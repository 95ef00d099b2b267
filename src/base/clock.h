/* Time is one number everywhere: microseconds since 1970 UTC (int64_t, names end in _us). */
#ifndef CALLMEND_BASE_CLOCK_H
#define CALLMEND_BASE_CLOCK_H

#include <stdint.h>

#include "base/buf.h"
#include "callmend/span.h"

#define SECOND_US INT64_C(1000000)
#define MS_US INT64_C(1000)

int64_t clock_now_us(void);	  /* wall clock; never in pure code */
int64_t clock_monotonic_us(void); /* for durations */

/* Pure. "2026-11-21T04:53:00.123456Z", always this width (27 characters). */
enum { CLOCK_ISO = 27 };
void clock_format(int64_t us, char out[CLOCK_ISO + 1]);
/* ISO 8601 with zone (Z or ±hh:mm), optional fraction. */
bool clock_parse(struct span iso, int64_t *us);
/* A provider's time of unknown unit: seconds, milliseconds (may be fractional) or microseconds by
 * magnitude. */
bool clock_from_number(double v, int64_t *us);

#endif
