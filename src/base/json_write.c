#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/json_internal.h"
#include "base/json_scan.h"
#include "base/utf8.h"

static void add_short(struct buf *b, unsigned char c)
{
	static const char letters[0x20] = {
		['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
	};
	if (c >= 0x20) { /* quote, backslash */
		buf_addc(b, '\\');
		buf_addc(b, (char)c);
	} else if (letters[c]) {
		buf_addc(b, '\\');
		buf_addc(b, letters[c]);
	} else {
		buf_printf(b, "\\u%04x", c);
	}
}

/* Appends the character at `p` that is not plain; returns what is behind it. */
static const char *add_special(struct buf *b, const char *p, const char *end)
{
	if (*p == '\0') {
		buf_addz(b, UTF8_REPLACEMENT);
		return p + 1;
	}
	if ((signed char)*p >= 0) {
		add_short(b, (unsigned char)*p);
		return p + 1;
	}
	int n = utf8_step(p, end);
	buf_add(b, n > 0 ? (struct span){ p, (size_t)n } : SPAN(UTF8_REPLACEMENT));
	return p + abs(n);
}

static void add_string(struct buf *b, struct span s)
{
	const char *p = s.p, *end = s.n ? s.p + s.n : s.p;
	buf_reserve(b, s.n + 2);
	buf_addc(b, '"');
	while (p < end) {
		const char *stop = json_scan_plain(p, end);
		buf_add(b, (struct span){ p, (size_t)(stop - p) });
		p = stop < end ? add_special(b, stop, end) : end;
	}
	buf_addc(b, '"');
}

void json_place(struct json_out *o, const char *key)
{
	if (o->comma)
		buf_addc(o->b, ',');
	o->comma = true;
	if (!key)
		return;
	add_string(o->b, span_of(key));
	buf_addc(o->b, ':');
}

static void open_with(struct json_out *o, const char *key, char bracket)
{
	json_place(o, key);
	buf_addc(o->b, bracket);
	o->comma = false;
}

static void close_with(struct json_out *o, char bracket)
{
	buf_addc(o->b, bracket);
	o->comma = true;
}

void json_begin(struct json_out *o, const char *key)
{
	open_with(o, key, '{');
}

void json_end(struct json_out *o)
{
	close_with(o, '}');
}

void json_begin_array(struct json_out *o, const char *key)
{
	open_with(o, key, '[');
}

void json_end_array(struct json_out *o)
{
	close_with(o, ']');
}

void json_put_text(struct json_out *o, const char *key, struct span utf8)
{
	json_place(o, key);
	add_string(o->b, utf8);
}

void json_put_raw(struct json_out *o, const char *key, struct span json)
{
	json_place(o, key);
	buf_add(o->b, json.n ? json : SPAN("null"));
}

void json_put_member(struct json_out *o, struct span key, struct span json)
{
	struct arena a = { 0 };
	json_put_raw(o, json_key(key, &a), json);
	arena_fini(&a);
}

void json_put_null(struct json_out *o, const char *key)
{
	json_put_raw(o, key, SPAN("null"));
}

void json_put_z(struct json_out *o, const char *key, const char *z)
{
	if (z)
		json_put_text(o, key, span_of(z));
	else
		json_put_null(o, key);
}

void json_put_bool(struct json_out *o, const char *key, bool v)
{
	json_put_raw(o, key, v ? SPAN("true") : SPAN("false"));
}

void json_put_i64(struct json_out *o, const char *key, int64_t v)
{
	json_place(o, key);
	buf_printf(o->b, "%lld", (long long)v);
}

/* The first precision that reads back equal, else the last one. */
static void print_shortest(char *out, size_t size, double v, const char *fmt, int most)
{
	for (int precision = 0; precision <= most; precision++) {
		snprintf(out, size, fmt, precision, v);
		if (strtod(out, NULL) == v)
			return;
	}
}

/* Rounding to the last precision may leave zeros at the end, and a sign before nothing. */
static void add_decimals(struct buf *b, double v)
{
	char text[64];
	print_shortest(text, sizeof(text), v, "%.*f", 6);
	size_t n = strlen(text);
	while (strchr(text, '.') && (text[n - 1] == '0' || text[n - 1] == '.'))
		text[--n] = '\0';
	buf_addz(b, strcmp(text, "-0") == 0 ? "0" : text);
}

static void add_exponent(struct buf *b, double v)
{
	char text[64];
	print_shortest(text, sizeof(text), v, "%.*e", 16);
	buf_addz(b, text);
}

void json_put_f64(struct json_out *o, const char *key, double v)
{
	json_place(o, key);
	if (!isfinite(v))
		buf_addz(o->b, "null");
	else if (fabs(v) < 1e17)
		add_decimals(o->b, v);
	else
		add_exponent(o->b, v);
}
