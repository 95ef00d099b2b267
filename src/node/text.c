#include "node/text.h"

#include <wchar.h>

#include "base/utf8.h"

struct glyph {
	size_t bytes; /* of the source */
	int columns;
	bool harmful; /* to be replaced */
	bool blank;
};

static uint32_t code_point(const char *p, int n)
{
	const uint8_t *u = (const uint8_t *)p;
	uint32_t c = u[0] & (n == 1 ? 0x7fu : 0x7fu >> n);

	for (int i = 1; i < n; i++)
		c = c << 6 | (u[i] & 0x3f);
	return c;
}

/* They turn the direction of what follows on the line, also of ours. */
static bool turns_direction(uint32_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
	       c == 0x200f;
}

static struct glyph next_glyph(struct span s)
{
	int n = utf8_step(s.p, s.p + s.n);
	uint32_t c = n > 0 ? code_point(s.p, n) : 0xfffd;
	bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
	int columns = blank ? 1 : wcwidth((wchar_t)c);
	bool harmful = n < 0 || c == 0 || columns < 0 || turns_direction(c);

	return (struct glyph){ (size_t)(n < 0 ? -n : n), harmful ? 1 : columns, harmful, blank };
}

static void put_glyph(struct buf *out, struct span s, const struct glyph *g)
{
	if (g->blank)
		buf_addc(out, ' ');
	else if (g->harmful)
		buf_addc(out, '?');
	else
		buf_add(out, (struct span){ s.p, g->bytes });
}

size_t text_width(struct span s)
{
	size_t columns = 0;

	while (s.n) {
		struct glyph g = next_glyph(s);
		columns += (size_t)g.columns;
		s = span_from(s, g.bytes);
	}
	return columns;
}

static size_t put_columns(struct buf *out, struct span s, size_t columns)
{
	size_t used = 0;

	while (s.n) {
		struct glyph g = next_glyph(s);
		if (used + (size_t)g.columns > columns)
			break;
		put_glyph(out, s, &g);
		used += (size_t)g.columns;
		s = span_from(s, g.bytes);
	}
	return used;
}

size_t text_clip(struct buf *out, struct span s, size_t columns)
{
	static const struct span dots = { "…", sizeof("…") - 1 };
	bool cut = text_width(s) > columns;

	if (!cut || !columns)
		return put_columns(out, s, columns);
	size_t used = put_columns(out, s, columns - 1);
	return used + put_columns(out, dots, columns - used);
}

void text_pad(struct buf *out, struct span s, size_t columns)
{
	for (size_t used = text_clip(out, s, columns); used < columns; used++)
		buf_addc(out, ' ');
}

void text_clean(struct buf *out, struct span s)
{
	put_columns(out, s, SIZE_MAX);
}

bool text_wrap(struct span *rest, size_t columns, struct span *line)
{
	struct span s = *rest;
	size_t used = 0, bytes = 0, last_blank = 0;

	if (!s.n)
		return false;
	while (bytes < s.n) {
		struct glyph g = next_glyph(span_from(s, bytes));
		if (bytes && used + (size_t)g.columns > columns)
			break;
		used += (size_t)g.columns;
		last_blank = g.blank ? bytes : last_blank;
		bytes += g.bytes;
	}
	if (bytes < s.n && last_blank && s.p[bytes] != ' ')
		bytes = last_blank;
	*line = (struct span){ s.p, bytes };
	*rest = span_from(s, bytes);
	while (rest->n && *rest->p == ' ')
		*rest = span_from(*rest, 1);
	return true;
}

void text_duration(struct buf *out, int64_t ms)
{
	long long s = ms < 0 ? 0 : ms / 1000;

	if (s < 3600)
		buf_printf(out, "%lld:%02lld", s / 60, s % 60);
	else
		buf_printf(out, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

void text_latency(struct buf *out, int64_t ms)
{
	if (ms < 1000)
		buf_printf(out, "%lld ms", (long long)ms);
	else
		buf_printf(out, "%.2f s", (double)ms / 1000);
}
