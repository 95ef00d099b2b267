#include "connect/head.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "net/client.h"

enum { DATE_MAX = 40, NUMBER_MAX = 1000000000 };

static bool month_of(const char *name, int *out)
{
	static const char *const names[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

	for (int i = 0; i < 12; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = i;
			return true;
		}
	}
	return false;
}

int64_t head_time_us(struct span date)
{
	char text[DATE_MAX + 1], month[4], zone[4];
	struct tm t = { 0 };
	int year = 0;

	if (!date.n || date.n > DATE_MAX)
		return 0;
	memcpy(text, date.p, date.n);
	text[date.n] = 0;
	if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d %3s", &t.tm_mday, month, &year, &t.tm_hour,
		   &t.tm_min, &t.tm_sec, zone) != 7)
		return 0;
	if (!month_of(month, &t.tm_mon) || year < 1970)
		return 0;
	t.tm_year = year - 1900;
	return (int64_t)timegm(&t) * SECOND_US;
}

int64_t head_date_us(struct span head)
{
	struct span date;

	return client_head_line(head, "date", &date) ? head_time_us(date) : 0;
}

static int64_t number(struct span head, const char *name)
{
	struct span text;
	int64_t n = 0;

	if (!client_head_line(head, name, &text) || !text.n)
		return -1;
	for (size_t i = 0; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
		n = n < NUMBER_MAX ? n * 10 + text.p[i] - '0' : n;
	return text.p[0] >= '0' && text.p[0] <= '9' ? n : -1;
}

static enum rate_group group_of(struct span name)
{
	static const char *const names[] = {
#define X(id, text, limit) text,
		RATE_GROUPS(X)
#undef X
	};
	unsigned i = 0;

	while (i < RATE_GROUP_COUNT &&
	       (name.n != strlen(names[i]) || strncasecmp(name.p, names[i], name.n) != 0))
		i++;
	return (enum rate_group)i;
}

void head_rate(struct span head, int status, struct rate_answer *out)
{
	struct span group = { 0 };
	bool named = client_head_line(head, "x-rate-limit-group", &group);

	*out = (struct rate_answer){
		.status = status,
		.group = group_of(group),
		.limit = number(head, "x-rate-limit-limit"),
		.remaining = number(head, "x-rate-limit-remaining"),
		.window_s = number(head, "x-rate-limit-window"),
		.retry_after_s = number(head, "retry-after"),
	};
	out->limited = named || out->limit >= 0 || out->remaining >= 0 || out->window_s >= 0;
}
