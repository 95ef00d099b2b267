/* Readers over a checked text: they find ends, they never judge. A text that was not checked makes
 * them return nonsense within its bounds, nothing worse. */
#include "base/json.h"
#include "base/json_internal.h"
#include "base/json_scan.h"

/* Bit i is set when an odd number of the bits 0..i is: between quotes. */
static uint64_t fill_between(uint64_t x)
{
	for (unsigned shift = 1; shift < 64; shift *= 2)
		x ^= x << shift;
	return x;
}

/* Which bytes stand behind an active backslash; `*carry` goes from block to block. */
static uint64_t find_escaped(uint64_t slashes, uint64_t *carry)
{
	uint64_t escaped = *carry;
	*carry = 0;
	slashes &= ~escaped;
	while (slashes) {
		unsigned i = (unsigned)__builtin_ctzll(slashes);
		if (i == 63) {
			*carry = 1;
			break;
		}
		escaped |= UINT64_C(2) << i;
		slashes &= ~(UINT64_C(3) << i);
	}
	return escaped;
}

struct skip {
	uint64_t escape_carry; /* 1: the next block's first byte is escaped */
	uint64_t in_string;    /* all ones or zero */
	unsigned depth;
};

/* Follows the brackets of one block; the offset behind the one that closes the container, or 0. */
static unsigned skip_block(struct skip *s, const char *p)
{
	struct json_block b = json_block_of(p);
	uint64_t quotes = b.quote;
	if (b.slash | s->escape_carry)
		quotes &= ~find_escaped(b.slash, &s->escape_carry);
	uint64_t inside = fill_between(quotes) ^ s->in_string;
	s->in_string = (uint64_t)((int64_t)inside >> 63);
	for (uint64_t brackets = b.bracket & ~inside; brackets; brackets &= brackets - 1) {
		unsigned i = (unsigned)__builtin_ctzll(brackets);
		char folded =
			(char)(p[i] | 0x20); /* '[' and '{', ']' and '}' differ in this bit only */
		s->depth += folded == '{';
		if (folded == '}' && --s->depth == 0)
			return i + 1;
	}
	return 0;
}

/* At the opening bracket. */
static const char *skip_container(const char *p, const char *end)
{
	struct skip s = { 0 };
	for (; end - p >= 64; p += 64) {
		unsigned at = skip_block(&s, p);
		if (at)
			return p + at;
	}
	char last[64] = { 0 };
	size_t left = (size_t)(end - p);
	memcpy(last, p, left);
	unsigned at = skip_block(&s, last);
	return at ? p + at : end;
}

/* Numbers and literals end where punctuation or white space starts. */
static const char *skip_scalar(const char *p, const char *end)
{
	while (p < end && *p != ',' && *p != '}' && *p != ']' && !json_is_space(*p))
		p++;
	return p;
}

static enum json_kind kind_of(char first)
{
	switch (first) {
	case '"':
		return JSON_STRING;
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case 't':
		return JSON_TRUE;
	case 'f':
		return JSON_FALSE;
	case 'n':
		return JSON_NULL;
	default:
		return JSON_NUMBER;
	}
}

static struct json value_at(const char *p, const char *end)
{
	enum json_kind kind = kind_of(*p);
	const char *stop = kind == JSON_STRING	? json_skip_string(p + 1, end)
			   : kind >= JSON_ARRAY ? skip_container(p, end)
						: skip_scalar(p, end);
	return (struct json){ kind, { p, (size_t)(stop - p) } };
}

struct json json_of(struct span checked)
{
	const char *end = checked.p + checked.n, *p = json_skip_space(checked.p, end);
	while (end > p && json_is_space(end[-1]))
		end--;
	if (p == end)
		return (struct json){ 0 };
	/* A checked text holds one value: its end is known without a walk. */
	return (struct json){ kind_of(*p), { p, (size_t)(end - p) } };
}

struct json_iter json_iter(struct json container)
{
	struct json_iter it = { .of = container.kind };
	if (container.kind >= JSON_ARRAY) {
		it.p = container.raw.p + 1;
		it.end = container.raw.p + container.raw.n;
	}
	return it;
}

/* To the next name or element, over the comma; false at the closing bracket. */
static bool at_next(struct json_iter *it)
{
	while (it->p < it->end && (*it->p == ',' || json_is_space(*it->p)))
		it->p++;
	return it->p < it->end && *it->p != '}' && *it->p != ']';
}

static struct span take_key(struct json_iter *it)
{
	const char *start = it->p + 1;
	it->p = json_skip_string(start, it->end);
	struct span key = { start, (size_t)(it->p - start) };
	key.n -= key.n > 0;
	while (it->p < it->end && (*it->p == ':' || json_is_space(*it->p)))
		it->p++;
	return key;
}

bool json_next(struct json_iter *it, struct span *key, struct json *value)
{
	if (!at_next(it))
		return false;
	*key = it->of == JSON_OBJECT ? take_key(it) : (struct span){ 0 };
	if (it->p >= it->end)
		return false;
	*value = value_at(it->p, it->end);
	it->p = value->raw.p + value->raw.n;
	return true;
}

size_t json_count(struct json container)
{
	struct json_iter it = json_iter(container);
	struct span key;
	struct json value;
	size_t n = 0;
	while (json_next(&it, &key, &value))
		n++;
	return n;
}

struct json json_first(struct json array)
{
	struct json_iter it = json_iter(array);
	struct span key;
	struct json value = { 0 };

	if (array.kind == JSON_ARRAY && json_next(&it, &key, &value))
		return value;
	return (struct json){ 0 };
}

bool json_key_is(struct span raw, struct span name)
{
	if (span_eq(raw, name))
		return !raw.n || !memchr(raw.p, '\\', raw.n);
	/* Escaped characters are longer than what they mean. */
	if (raw.n <= name.n || !memchr(raw.p, '\\', raw.n))
		return false;
	struct buf plain AUTO_BUF = { 0 };
	json_unescape(raw, &plain);
	return span_eq(buf_span(&plain), name);
}

static struct json get(struct json object, struct span name)
{
	if (object.kind != JSON_OBJECT)
		return (struct json){ 0 };
	struct json_iter it = json_iter(object);
	struct span key;
	struct json value;
	while (json_next(&it, &key, &value))
		if (json_key_is(key, name))
			return value;
	return (struct json){ 0 };
}

struct json json_get(struct json object, const char *name)
{
	return get(object, span_of(name));
}

struct json json_path(struct json object, const char *path)
{
	for (;;) {
		size_t n = strcspn(path, ".");
		object = get(object, (struct span){ path, n });
		if (path[n] == '\0')
			return object;
		path += n + 1;
	}
}
