#include "api/range.h"

/* false: no digits, or more than 18. */
static bool number(struct span *s, uint64_t *out)
{
	size_t n = 0;

	for (*out = 0; n < s->n && s->p[n] >= '0' && s->p[n] <= '9' && n < 19; n++)
		*out = *out * 10 + (uint64_t)(s->p[n] - '0');
	*s = span_from(*s, n);
	return n > 0 && n < 19;
}

static struct range outside(void)
{
	return (struct range){ .kind = RANGE_OUTSIDE };
}

static struct range part(uint64_t from, uint64_t n)
{
	return (struct range){ RANGE_PART, from, n };
}

/* "-500": the last ones. */
static struct range tail(uint64_t n, uint64_t size)
{
	if (n == 0 || size == 0)
		return outside();
	return n >= size ? part(0, size) : part(size - n, n);
}

struct range range_of(struct span s, uint64_t size)
{
	const struct range all = { RANGE_ALL, 0, size };
	uint64_t first = 0, last = 0;

	if (!span_starts(s, SPAN("bytes=")))
		return all;
	s = span_from(s, 6);
	bool has_first = number(&s, &first);
	if (!s.n || s.p[0] != '-')
		return all;
	s = span_from(s, 1);
	bool has_last = number(&s, &last);
	if (s.n || (!has_first && !has_last) || (has_first && has_last && last < first))
		return all;
	if (!has_first)
		return tail(last, size);
	if (first >= size)
		return outside();
	return part(first, (has_last && last < size ? last + 1 : size) - first);
}
