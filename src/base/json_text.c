/* Strings of a checked text: what they mean, and the same JSON with what jsonb refuses mended. */
#include "base/json.h"
#include "base/json_internal.h"
#include "base/utf8.h"

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++)
		v = v << 4 | (uint32_t)((p[i] & 15) + (p[i] > '9' ? 9 : 0));
	return v;
}

struct unicode {
	uint32_t code; /* 0: nothing that UTF-8 text may hold */
	size_t length; /* of the escape: 6, or 12 for a pair */
};

/* At the backslash of \uXXXX. */
static struct unicode unicode_at(const char *p, const char *end)
{
	if (end - p < 6)
		return (struct unicode){ 0, (size_t)(end - p) };
	uint32_t high = hex4(p + 2);
	if (high < 0xd800 || high > 0xdfff)
		return (struct unicode){ high, 6 };
	if (high > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u')
		return (struct unicode){ 0, 6 };
	uint32_t low = hex4(p + 8);
	if (low < 0xdc00 || low > 0xdfff)
		return (struct unicode){ 0, 6 };
	return (struct unicode){ 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12 };
}

static char short_escape(char c)
{
	static const char table[128] = {
		['b'] = '\b', ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r',
		['t'] = '\t', ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',
	};
	return table[c & 127];
}

/* Appends the meaning of the escape at `p`; returns what is behind it. */
static const char *add_escape(struct buf *out, const char *p, const char *end)
{
	if (end - p < 2)
		return end;
	if (p[1] != 'u') {
		buf_addc(out, short_escape(p[1]));
		return p + 2;
	}
	struct unicode u = unicode_at(p, end);
	char utf8[4];
	size_t n = utf8_put(utf8, u.code ? u.code : 0xfffd);
	buf_add(out, (struct span){ utf8, n });
	return p + u.length;
}

void json_unescape(struct span raw, struct buf *out)
{
	const char *p = raw.p, *end = raw.p + raw.n;
	buf_reserve(out, raw.n);
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		const char *stop = slash ? slash : end;
		buf_add(out, (struct span){ p, (size_t)(stop - p) });
		p = slash ? add_escape(out, slash, end) : end;
	}
}

static struct span inside(struct json v)
{
	if (v.kind != JSON_STRING || v.raw.n < 2)
		return (struct span){ 0 };
	return (struct span){ v.raw.p + 1, v.raw.n - 2 };
}

struct span json_text(struct json v, struct arena *a)
{
	struct span raw = inside(v);
	if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
		return raw;
	struct buf plain AUTO_BUF = { 0 };
	json_unescape(raw, &plain);
	return arena_copy(a, buf_span(&plain));
}

const char *json_key(struct span key, struct arena *a)
{
	struct json quoted = { JSON_STRING, { key.p - 1, key.n + 2 } };
	return arena_printf(a, "%.*s", SPAN_ARG(json_text(quoted, a)));
}

bool json_is_text(struct json v, const char *z)
{
	return v.kind == JSON_STRING && v.raw.n >= 2 && json_key_is(inside(v), span_of(z));
}

bool json_true(struct json v)
{
	return v.kind == JSON_TRUE || json_is_text(v, "true");
}

static const char *add_clean_escape(struct buf *b, const char *p, const char *end)
{
	size_t n = end - p < 2 ? (size_t)(end - p) : 2;
	bool keep = true;
	if (n == 2 && p[1] == 'u') {
		struct unicode u = unicode_at(p, end);
		n = u.length;
		keep = u.code != 0;
	}
	buf_add(b, keep ? (struct span){ p, n } : SPAN("\\ufffd"));
	return p + n;
}

/* Backslashes stand inside strings only, so the structure needs no look. */
void json_put_clean(struct json_out *o, const char *key, struct span json)
{
	if (json.n == 0) {
		json_put_null(o, key);
		return;
	}
	json_place(o, key);
	const char *p = json.p, *end = json.p + json.n;
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		const char *stop = slash ? slash : end;
		buf_add(o->b, (struct span){ p, (size_t)(stop - p) });
		p = slash ? add_clean_escape(o->b, slash, end) : end;
	}
}
