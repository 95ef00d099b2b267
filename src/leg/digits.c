/* A digit comes as a tone, as a message, or as both: it is told once, by whichever comes first. */
#include "base/clock.h"
#include "leg/parts.h"

/* Tone and message of one digit are this close. */
#define SAME_US (1500 * MS_US)

static struct leg_digit_told *other_way(struct leg_digits *d, char digit, bool inband,
					int64_t at_us)
{
	for (unsigned i = 0; i < d->n; i++) {
		struct leg_digit_told *t = &d->told[i];
		int64_t apart = t->at_us > at_us ? t->at_us - at_us : at_us - t->at_us;
		if (t->digit == digit && t->inband != inband && !t->met && apart <= SAME_US)
			return t;
	}
	return NULL;
}

bool digits_news(struct leg_digits *d, char digit, bool inband, int64_t at_us)
{
	struct leg_digit_told *t = other_way(d, digit, inband, at_us);
	if (t) {
		t->met = true;
		return false;
	}
	if (d->n == DIGITS_KEPT) {
		memmove(d->told, d->told + 1, (DIGITS_KEPT - 1) * sizeof(*d->told));
		d->n--;
	}
	d->told[d->n++] = (struct leg_digit_told){ digit, inband, false, at_us };
	return true;
}
