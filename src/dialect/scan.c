#include "dialect/scan.h"

/* As json_next() skips white space and takes any value, an "array" that begins here serves to find
 * one value's end. */
struct json scan_at(const char *p, const char *end)
{
	struct json_iter it = { .p = p, .end = end, .of = JSON_ARRAY };
	struct span none;
	struct json v = { 0 };
	return json_next(&it, &none, &v) ? v : (struct json){ JSON_NONE, { end, 0 } };
}

const char *scan_value(const char *p, const char *end)
{
	struct json v = scan_at(p, end);
	return v.raw.p + v.raw.n;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
		p++;
	return p;
}

/* Names are short: byte by byte is faster than a vector. */
static const char *name_end(const char *p, const char *end)
{
	while (p < end && *p != '"')
		p += *p == '\\' ? 2 : 1;
	return p < end ? p : end;
}

struct scan scan_open(const char *p, const char *end)
{
	return (struct scan){ p + 1, end, *p == '{' };
}

static const char *enter_member(const char *p, const char *end, struct span *key)
{
	const char *close = name_end(p + 1, end);
	*key = (struct span){ p + 1, (size_t)(close - p) - 1 };
	if (end - close < 2)
		return end;
	p = skip_space(close + 1, end);
	return p < end ? skip_space(p + 1, end) : end;
}

bool scan_next(struct scan *s, struct span *key)
{
	const char *p = skip_space(s->p, s->end);
	if (p < s->end && *p == ',')
		p = skip_space(p + 1, s->end);
	*key = (struct span){ p, 0 };
	bool over = p >= s->end || *p == '}' || *p == ']';
	if (over)
		p = p < s->end ? p + 1 : s->end;
	else if (s->object)
		p = enter_member(p, s->end, key);
	s->p = p < s->end ? p : s->end;
	return !over && p < s->end;
}

/* Most names differ in their first byte. */
static bool is_name(struct span key, const char *name)
{
	return key.n && *key.p == *name && span_is(key, name);
}

size_t scan_index(struct span key, const char *const *names, size_t n)
{
	size_t i = 0;
	while (i < n && !is_name(key, names[i]))
		i++;
	return i;
}

const char *scan_pick(const char *p, const char *end, const char *const *names, size_t n,
		      struct json *out)
{
	struct scan s = scan_open(p, end);
	struct span key;
	while (scan_next(&s, &key)) {
		struct json v = scan_at(s.p, end);
		size_t i = scan_index(key, names, n);
		s.p = v.raw.p + v.raw.n;
		if (i < n && out[i].kind == JSON_NONE)
			out[i] = v;
	}
	return s.p;
}
