#include "net/body.h"

#include <strings.h>

static bool read_length(struct span s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 15)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*out = v;
	return true;
}

static struct body_frame refused(int status, const char *detail)
{
	return (struct body_frame){ .opaque = true, .refusal = status, .detail = detail };
}

/* libwebsockets waits for a body after these, even when no header announces one. */
static bool expects_body(enum http_method method)
{
	return method == HTTP_POST || method == HTTP_PUT || method == HTTP_PATCH;
}

static struct body_frame chunked_frame(enum http_method method, struct span length,
				       struct span encoding)
{
	if (length.p)
		return refused(400, "both Content-Length and Transfer-Encoding");
	if (encoding.n != 7 || strncasecmp(encoding.p, "chunked", 7) != 0)
		return refused(501, "the only Transfer-Encoding here is chunked");
	if (!expects_body(method))
		return refused(411, "this method needs a Content-Length for a body");
	return (struct body_frame){ .kind = BODY_CHUNKED, .opaque = true };
}

struct body_frame body_frame_of(enum http_method method, struct span content_length,
				struct span transfer_encoding)
{
	struct body_frame frame = { .kind = BODY_SIZED };

	if (transfer_encoding.p)
		return chunked_frame(method, content_length, transfer_encoding);
	if (!content_length.p)
		return (struct body_frame){ .opaque = expects_body(method) };
	if (!read_length(content_length, &frame.length))
		return refused(400, "Content-Length is not one decimal number");
	if (frame.length == 0)
		frame.kind = BODY_NONE;
	return frame;
}

/* --- chunks: size [;extension] CRLF data CRLF ... 0 CRLF trailers CRLF --- */

enum {
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_START,
	TRAILER,
	LAST_LF,
	DONE,
	BAD
};
enum { MAX_DIGITS = 12, MAX_LINES = 8192 };

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int after_size(const struct chunks *c)
{
	return c->left ? DATA : TRAILER_START;
}

static int on_size(struct chunks *c, char ch)
{
	int digit = hex_digit(ch);

	if (digit >= 0) {
		c->left = c->left << 4 | (uint64_t)digit;
		return ++c->digits > MAX_DIGITS ? BAD : SIZE;
	}
	if (c->digits == 0)
		return BAD;
	return ch == '\r' ? SIZE_LF : ch == ';' || ch == ' ' || ch == '\t' ? EXTENSION : BAD;
}

static int on_extension(struct chunks *c, char ch)
{
	if (++c->line > MAX_LINES || ch == '\n')
		return BAD;
	return ch == '\r' ? SIZE_LF : EXTENSION;
}

static int on_size_lf(struct chunks *c, char ch)
{
	return ch == '\n' ? after_size(c) : BAD;
}

static int on_data_cr(struct chunks *c, char ch)
{
	(void)c;
	return ch == '\r' ? DATA_LF : BAD;
}

static int on_data_lf(struct chunks *c, char ch)
{
	c->digits = 0;
	return ch == '\n' ? SIZE : BAD;
}

static int on_trailer_start(struct chunks *c, char ch)
{
	(void)c;
	return ch == '\r' ? LAST_LF : TRAILER;
}

static int on_trailer(struct chunks *c, char ch)
{
	if (++c->line > MAX_LINES)
		return BAD;
	return ch == '\n' ? TRAILER_START : TRAILER;
}

static int on_last_lf(struct chunks *c, char ch)
{
	(void)c;
	return ch == '\n' ? DONE : BAD;
}

static int (*const on_char[])(struct chunks *, char) = {
	[SIZE] = on_size,	[EXTENSION] = on_extension, [SIZE_LF] = on_size_lf,
	[DATA_CR] = on_data_cr, [DATA_LF] = on_data_lf,	    [TRAILER_START] = on_trailer_start,
	[TRAILER] = on_trailer, [LAST_LF] = on_last_lf,
};

static size_t take_data(struct chunks *c, struct span in, struct buf *out)
{
	size_t n = in.n < c->left ? in.n : (size_t)c->left;

	if (out)
		buf_add(out, (struct span){ in.p, n });
	c->left -= n;
	if (c->left == 0)
		c->state = DATA_CR;
	return n;
}

enum chunks_end chunks_feed(struct chunks *c, struct span in, struct buf *out)
{
	while (in.n && c->state != DONE && c->state != BAD) {
		size_t used = 1;
		if (c->state == DATA)
			used = take_data(c, in, out);
		else
			c->state = on_char[c->state](c, in.p[0]);
		in = span_from(in, used);
	}
	return c->state == DONE ? CHUNKS_END : c->state == BAD ? CHUNKS_BAD : CHUNKS_MORE;
}
