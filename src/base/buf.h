/* A growing byte buffer. Zeroed is empty and valid. Failure to grow aborts: callers bound sizes. */
#ifndef CALLMEND_BASE_BUF_H
#define CALLMEND_BASE_BUF_H

#include <stdint.h>

#include "callmend/fault.h"
#include "callmend/span.h"

struct buf {
	char *p;
	size_t n, cap;
};

void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, struct span s);
void buf_addz(struct buf *b, const char *z);
void buf_addc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline struct span buf_span(const struct buf *b)
{
	return (struct span){ b->p, b->n };
}
static inline void buf_clear(struct buf *b)
{
	b->n = 0;
}
/* What is not well formed becomes U+FFFD: for text of others, and text that was cut. */
void buf_add_utf8(struct buf *b, struct span s);
/* For a URL: letters, digits and the characters of `stay` as they are, all else as %XX. */
void buf_add_percent(struct buf *b, struct span s, const char *stay);
#define BUF_IN_VALUE "-._~" /* of a query or a form: all that RFC 3986 leaves unreserved */
#define BUF_IN_PATH "-_~"   /* a part of a path: "." and ".." would lead out of it */
/* A zero terminated view; valid until the next change. */
const char *buf_z(struct buf *b);
void buf_free(struct buf *b); /* back to zeroed */
/* A local that frees itself: `struct buf b AUTO_BUF = { 0 };` */
#define AUTO_BUF __attribute__((cleanup(buf_free)))

#endif
