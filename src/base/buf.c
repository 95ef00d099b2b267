#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"

enum { FIRST_SIZE = 64 };

void buf_reserve(struct buf *b, size_t more)
{
	if (more <= b->cap - b->n)
		return;
	CHECK(more <= SIZE_MAX / 4 && b->cap <= SIZE_MAX / 4);
	size_t cap = b->cap ? b->cap * 2 : FIRST_SIZE;
	if (cap < b->n + more)
		cap = b->n + more;
	char *p = realloc(b->p, cap);
	CHECK(p);
	b->p = p;
	b->cap = cap;
}

void buf_add(struct buf *b, struct span s)
{
	if (s.n == 0)
		return;
	buf_reserve(b, s.n);
	memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
}

void buf_addz(struct buf *b, const char *z)
{
	buf_add(b, span_of(z));
}

void buf_addc(struct buf *b, char c)
{
	buf_reserve(b, 1);
	b->p[b->n++] = c;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	buf_reserve(b, FIRST_SIZE);
	size_t room = b->cap - b->n;
	int n = vsnprintf(b->p + b->n, room, fmt, ap);
	va_end(ap);
	CHECK(n >= 0);
	if ((size_t)n >= room) {
		buf_reserve(b, (size_t)n + 1);
		vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
	}
	va_end(again);
	b->n += (size_t)n;
}

void buf_add_utf8(struct buf *b, struct span s)
{
	const char *end = s.p + s.n;
	for (const char *p = s.p; p < end;) {
		int n = utf8_step(p, end);
		buf_add(b, n > 0 ? (struct span){ p, (size_t)n } : SPAN(UTF8_REPLACEMENT));
		p += n > 0 ? n : -n;
	}
}

void buf_add_percent(struct buf *b, struct span s, const char *stay)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			     (c >= 'A' && c <= 'Z') || (c && strchr(stay, c));
		if (plain)
			buf_addc(b, c);
		else
			buf_printf(b, "%%%02X", (unsigned char)c);
	}
}

const char *buf_z(struct buf *b)
{
	buf_reserve(b, 1);
	b->p[b->n] = '\0';
	return b->p;
}

void buf_free(struct buf *b)
{
	if (!b)
		return;
	free(b->p);
	*b = (struct buf){ 0 };
}
