/* A telephone number: groups of digits, written or said ("five five five, oh one two", "double
 * seven", "seis uno dos, treinta y cuatro"). 7 to 15 digits. */
#include "call/field.h"

enum { DIGITS_LEAST = 7, DIGITS_MOST = 15 };

static const char *const between[] = { "and",  "then",	  "uh",	       "um",	"dash",
				       "y",    "eh",	  "luego",     "guion", "area",
				       "code", "prefijo", "extension", NULL };
static const char *const twice[] = { "double", "doble", NULL };
static const char *const thrice[] = { "triple", NULL };
/* Long numbers that are no telephone's. */
static const char *const other_numbers[] = {
	"order",      "reference",   "booking", "confirmation", "account",  "card",
	"ticket",     "tracking",    "invoice", "policy",	"serial",   "pedido",
	"referencia", "reserva",     "cuenta",	"tarjeta",	"factura",  "poliza",
	"id",	      "certificate", "voucher", "coupon",	"passport", "license",
	"member",     "membership",  "flight",	"pasaporte",	"cupon",    NULL
};

struct run {
	char digits[DIGITS_MOST + 32];
	unsigned n, end; /* end: behind its last group */
};

static bool add(struct run *r, const char *digits, unsigned times)
{
	size_t n = strlen(digits);
	if (r->n + n * times > DIGITS_MOST)
		return false;
	for (unsigned k = 0; k < times; k++) {
		memcpy(r->digits + r->n, digits, n);
		r->n += (unsigned)n;
	}
	return true;
}

/* One group at word i; the words it takes, 0: none. */
static unsigned group(const struct field_search *s, unsigned i, struct run *r)
{
	char digits[24];
	unsigned times = utterance_in(s->u, i, twice) ? 2 : utterance_in(s->u, i, thrice) ? 3 : 1;
	unsigned before = times > 1;
	unsigned n = field_number_digits(s->u, i + before, SPOKEN_ANY & s->languages, digits);
	if (n == 0 || (times > 1 && digits[1]) || !add(r, digits, times))
		return 0;
	return before + n;
}

static void read_run(const struct field_search *s, unsigned i, struct run *r)
{
	unsigned skipped = 0, n;
	*r = (struct run){ .end = i };
	while (i < s->to) {
		n = group(s, i, r);
		if (n == 0 && r->n && skipped < 2 && utterance_in(s->u, i, between)) {
			skipped++;
			i++;
		} else if (n == 0) {
			return;
		} else {
			i += n;
			r->end = i;
			skipped = 0;
		}
	}
}

static bool other_number(const struct utterance *u, unsigned i)
{
	for (unsigned k = i > 4 ? i - 4 : 0; k < i; k++)
		if (utterance_in(u, k, other_numbers))
			return true;
	return false;
}

/* "certificate_9984806": the end of something else. */
static bool glued(const struct utterance *u, unsigned i)
{
	struct span gap = utterance_gap(u, i);
	return gap.n && i > 0 && strchr("_/#", gap.p[gap.n - 1]);
}

static bool plus(const struct utterance *u, unsigned i)
{
	struct span gap = utterance_gap(u, i);
	bool said = i > 0 && (utterance_is(u, i - 1, "plus") || utterance_is(u, i - 1, "mas"));
	return said || (gap.n && memchr(gap.p, '+', gap.n));
}

bool field_phone_find(const struct field_search *s, struct field_found *out)
{
	struct run r;
	for (unsigned i = s->from; i<s->to; i = r.end> i ? r.end : i + 1) {
		read_run(s, i, &r);
		if (r.n < DIGITS_LEAST || (!s->asked && (other_number(s->u, i) || glued(s->u, i))))
			continue;
		char value[DIGITS_MOST + 2] = "+";
		memcpy(value + 1, r.digits, r.n);
		bool with = plus(s->u, i);
		field_found_set(out, (struct span){ value + !with, r.n + with }, i, r.end);
		return true;
	}
	return false;
}
