/* When a delivery that failed is tried again: the schedule that Standard Webhooks proposes, about
 * three days. Pure. */
#ifndef CALLMEND_NOTIFY_SCHEDULE_H
#define CALLMEND_NOTIFY_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "callmend/span.h"

enum { SCHEDULE_RETRIES = 9, SCHEDULE_AFTER_MOST_MS = 24 * 3600 * 1000 };

/* The pause after `failed` failed attempts (from 1), with jitter: `chance` in [0, 1) makes it 80 to
 * 120 %. False: that was the last one. */
bool schedule_pause(unsigned failed, int64_t first_ms, double chance, int64_t *pause_ms);
/* For how long nothing is sent to an endpoint that did not answer in time, `timeouts` times in a
 * row (from 1): longer and longer, at most SCHEDULE_REST_MULTIPLE times the first pause. */
enum { SCHEDULE_REST_MULTIPLE = 120 };
int64_t schedule_rest_ms(unsigned timeouts, int64_t first_ms);
/* What a Retry-After header asks for: seconds or a date, at most SCHEDULE_AFTER_MOST_MS. 0: nothing
 * that can be understood. */
int64_t schedule_retry_after_ms(struct span header, int64_t now_us);

#endif
