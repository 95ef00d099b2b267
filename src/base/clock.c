#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

/* 0000-01-01T00:00:00Z and the last microsecond of 9999: what four digits of year can say. */
#define YEAR_0_US (INT64_C(-62167219200) * SECOND_US)
#define YEAR_9999_US (INT64_C(253402300800) * SECOND_US - 1)
#define DAY_S INT64_C(86400)

static int64_t read_clock(clockid_t id)
{
	struct timespec t;
	CHECK(clock_gettime(id, &t) == 0);
	return (int64_t)t.tv_sec * SECOND_US + t.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* The calendar starts its year in March here, so that the leap day is a year's last day; 400 years
 * (an era) have 146097 days and 1970-01-01 is day 719468 of the count from 0000-03-01. */
enum { ERA_DAYS = 146097, EPOCH_DAY = 719468 };

static int64_t days_from_date(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAY;
}

static void date_from_days(int64_t days, int *year, int *month, int *day)
{
	int64_t d = days + EPOCH_DAY;
	int64_t era = (d >= 0 ? d : d - ERA_DAYS + 1) / ERA_DAYS;
	int64_t doe = d - era * ERA_DAYS;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t m = (5 * doy + 2) / 153;
	*day = (int)(doy - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = (int)(yoe + era * 400 + (*month <= 2));
}

static void put_digits(char *at, int width, int64_t v)
{
	for (int i = width - 1; i >= 0; i--, v /= 10)
		at[i] = (char)('0' + v % 10);
}

void clock_format(int64_t us, char out[CLOCK_ISO + 1])
{
	us = us < YEAR_0_US ? YEAR_0_US : us > YEAR_9999_US ? YEAR_9999_US : us;
	int64_t fraction = us % SECOND_US, s = us / SECOND_US;
	if (fraction < 0) {
		fraction += SECOND_US;
		s--;
	}
	int64_t of_day = s % DAY_S, days = s / DAY_S;
	if (of_day < 0) {
		of_day += DAY_S;
		days--;
	}
	int year, month, day;
	date_from_days(days, &year, &month, &day);
	memcpy(out, "0000-00-00T00:00:00.000000Z", CLOCK_ISO + 1);
	put_digits(out, 4, year);
	put_digits(out + 5, 2, month);
	put_digits(out + 8, 2, day);
	put_digits(out + 11, 2, of_day / 3600);
	put_digits(out + 14, 2, of_day / 60 % 60);
	put_digits(out + 17, 2, of_day % 60);
	put_digits(out + 20, 6, fraction);
}

/* Reads what it is asked for from the front of `s`; false leaves the cursor anywhere. */
static bool take_digits(struct span *s, size_t width, int *out)
{
	if (s->n < width)
		return false;
	int v = 0;
	for (size_t i = 0; i < width; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		v = v * 10 + (s->p[i] - '0');
	}
	*s = span_from(*s, width);
	*out = v;
	return true;
}

static bool take_char(struct span *s, char lower, char upper)
{
	if (s->n == 0 || (s->p[0] != lower && s->p[0] != upper))
		return false;
	*s = span_from(*s, 1);
	return true;
}

static bool date_exists(int year, int month, int day)
{
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	if (month < 1 || month > 12 || day < 1)
		return false;
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return day <= lengths[month - 1] + (month == 2 && leap);
}

static bool take_date(struct span *s, int64_t *days)
{
	int year, month, day;
	bool ok = take_digits(s, 4, &year) && take_char(s, '-', '-') && take_digits(s, 2, &month) &&
		  take_char(s, '-', '-') && take_digits(s, 2, &day);
	if (!ok || !date_exists(year, month, day))
		return false;
	*days = days_from_date(year, month, day);
	return true;
}

/* A leap second (60) counts as the first second of the next minute. */
static bool take_time(struct span *s, int64_t *seconds)
{
	int hour, minute, second;
	bool ok = take_digits(s, 2, &hour) && take_char(s, ':', ':') &&
		  take_digits(s, 2, &minute) && take_char(s, ':', ':') &&
		  take_digits(s, 2, &second);
	if (!ok || hour > 23 || minute > 59 || second > 60)
		return false;
	*seconds = hour * 3600 + minute * 60 + second;
	return true;
}

/* Digits after the sixth are dropped. */
static bool take_fraction(struct span *s, int64_t *us)
{
	*us = 0;
	if (!take_char(s, '.', ','))
		return true;
	int64_t unit = SECOND_US;
	size_t digits = 0;
	for (int d; take_digits(s, 1, &d); digits++) {
		unit /= 10;
		*us += d * unit;
	}
	return digits > 0;
}

static bool take_zone(struct span *s, int64_t *seconds)
{
	*seconds = 0;
	if (take_char(s, 'z', 'Z'))
		return true;
	int sign = s->n && s->p[0] == '-' ? -1 : 1;
	int hour, minute;
	bool ok = take_char(s, '-', '+') && take_digits(s, 2, &hour) && take_char(s, ':', ':') &&
		  take_digits(s, 2, &minute);
	if (!ok || hour > 23 || minute > 59)
		return false;
	*seconds = sign * (hour * 3600 + minute * 60);
	return true;
}

bool clock_parse(struct span iso, int64_t *us)
{
	int64_t days, seconds, fraction, zone;
	bool ok = take_date(&iso, &days) && take_char(&iso, 't', 'T') &&
		  take_time(&iso, &seconds) && take_fraction(&iso, &fraction) &&
		  take_zone(&iso, &zone) && iso.n == 0;
	if (!ok)
		return false;
	*us = (days * DAY_S + seconds - zone) * SECOND_US + fraction;
	return true;
}

/* 1e11 is the year 5138 in seconds but 1973 in milliseconds, 1e14 likewise one unit further: no
 * call is that old, so magnitude alone tells the unit. */
bool clock_from_number(double v, int64_t *us)
{
	double scaled = v < 1e11 ? v * 1e6 : v < 1e14 ? v * 1e3 : v;
	if (!(v > 0) || scaled > (double)YEAR_9999_US)
		return false;
	*us = (int64_t)llround(scaled);
	return true;
}
