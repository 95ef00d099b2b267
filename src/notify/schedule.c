#include "notify/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Multiples of the first pause: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. */
static const int64_t multiples[SCHEDULE_RETRIES] = { 1,	   60,	  360,	 1440, 3600,
						     7200, 10080, 14400, 17280 };

bool schedule_pause(unsigned failed, int64_t first_ms, double chance, int64_t *pause_ms)
{
	if (failed < 1 || failed > SCHEDULE_RETRIES)
		return false;
	*pause_ms = (int64_t)((double)(first_ms * multiples[failed - 1]) * (0.8 + 0.4 * chance));
	return true;
}

int64_t schedule_rest_ms(unsigned timeouts, int64_t first_ms)
{
	int64_t multiple = timeouts <= 7 ? INT64_C(1) << (timeouts - 1) : SCHEDULE_REST_MULTIPLE;

	return first_ms * multiple;
}

static int64_t within(int64_t ms)
{
	return ms < 0 ? 0 : ms > SCHEDULE_AFTER_MOST_MS ? SCHEDULE_AFTER_MOST_MS : ms;
}

int64_t schedule_retry_after_ms(struct span header, int64_t now_us)
{
	char text[64], *end;
	struct tm at = { 0 };

	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(header));
	long long seconds = strtoll(text, &end, 10);
	if (end != text && !*end)
		return seconds > SCHEDULE_AFTER_MOST_MS / 1000 ? SCHEDULE_AFTER_MOST_MS
							       : within(seconds * 1000);
	end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &at);
	return end && !*end ? within((int64_t)timegm(&at) * 1000 - now_us / 1000) : 0;
}
