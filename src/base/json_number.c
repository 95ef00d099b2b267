/* Numbers come as JSON numbers or, from some providers, as strings of the same form. */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_scan.h"

/* -12.5e3: digits "125", places 1, exponent 3. */
struct number {
	bool negative;
	struct span whole, fraction;
	int64_t exponent;
};

static struct span take_digits(struct span *s)
{
	size_t n = 0;
	while (n < s->n && json_is_digit(s->p[n]))
		n++;
	struct span digits = { s->p, n };
	*s = span_from(*s, n);
	return digits;
}

static bool take_char(struct span *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = span_from(*s, 1);
	return true;
}

static bool take_exponent(struct span *s, int64_t *out)
{
	*out = 0;
	if (!take_char(s, 'e') && !take_char(s, 'E'))
		return true;
	bool negative = take_char(s, '-');
	if (!negative)
		take_char(s, '+');
	struct span digits = take_digits(s);
	/* Saturates far beyond every number that has a value: more digits change nothing. */
	for (size_t i = 0; i < digits.n && *out < 100000000; i++)
		*out = *out * 10 + (digits.p[i] - '0');
	*out = negative ? -*out : *out;
	return digits.n > 0;
}

/* The JSON grammar, also for strings: no blanks, "+1", "0x1", "inf" or "nan". */
static bool split(struct span s, struct number *out)
{
	out->negative = take_char(&s, '-');
	out->whole = take_digits(&s);
	out->fraction = (struct span){ 0 };
	if (out->whole.n == 0 || (out->whole.n > 1 && out->whole.p[0] == '0'))
		return false;
	if (take_char(&s, '.')) {
		out->fraction = take_digits(&s);
		if (out->fraction.n == 0)
			return false;
	}
	return take_exponent(&s, &out->exponent) && s.n == 0;
}

static struct span number_text(struct json v)
{
	if (v.kind == JSON_NUMBER)
		return v.raw;
	if (v.kind == JSON_STRING && v.raw.n >= 2)
		return (struct span){ v.raw.p + 1, v.raw.n - 2 };
	return (struct span){ 0 };
}

static int digit_at(const struct number *n, size_t i)
{
	return (i < n->whole.n ? n->whole.p[i] : n->fraction.p[i - n->whole.n]) - '0';
}

/* Counts downwards: the smallest integer has no positive twin. */
static bool append_digit(int64_t *negated, int digit)
{
	return !__builtin_mul_overflow(*negated, 10, negated) &&
	       !__builtin_sub_overflow(*negated, digit, negated);
}

static bool integral(const struct number *n, int64_t *negated)
{
	size_t digits = n->whole.n + n->fraction.n;
	/* How many of the digits stand before the decimal point once the exponent has moved it. */
	int64_t before = (int64_t)n->whole.n + n->exponent;
	*negated = 0;
	for (size_t i = 0; i < digits; i++) {
		int d = digit_at(n, i);
		bool fractional = (int64_t)i >= before;
		if (fractional ? d != 0 : !append_digit(negated, d))
			return false;
	}
	for (int64_t i = (int64_t)digits; i < before && *negated != 0; i++)
		if (!append_digit(negated, 0))
			return false;
	return true;
}

bool json_i64(struct json v, int64_t *out)
{
	struct number n;
	int64_t negated;
	if (!split(number_text(v), &n) || !integral(&n, &negated))
		return false;
	if (!n.negative && negated == INT64_MIN)
		return false;
	*out = n.negative ? negated : -negated;
	return true;
}

bool json_f64(struct json v, double *out)
{
	struct number n;
	struct span text = number_text(v);
	if (!split(text, &n))
		return false;
	/* strtod wants a zero behind the number; nearly all fit here. */
	char local[64];
	struct buf longer AUTO_BUF = { 0 };
	const char *z = local;
	if (text.n < sizeof(local)) {
		memcpy(local, text.p, text.n);
		local[text.n] = '\0';
	} else {
		buf_add(&longer, text);
		z = buf_z(&longer);
	}
	double d = strtod(z, NULL);
	if (!isfinite(d))
		return false;
	*out = d;
	return true;
}
