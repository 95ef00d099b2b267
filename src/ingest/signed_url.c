/* Sources of what is kept as it is: RFC 3986 sections 3.3 and 3.4, encodeURIComponent (ECMA-262),
 * application/x-www-form-urlencoded (WHATWG URL, 5.2). "+" is a space in a query, and itself in a
 * path, except to libwebsockets, which has made a space of it. */
#include "ingest/signed_url.h"

#define UNRESERVED "-._~"
#define URI UNRESERVED "!$'()*,:@"
#define COMPONENT UNRESERVED "!'()*"
#define FORM "*-._"
#define UPPER "0123456789ABCDEF"
#define LOWER "0123456789abcdef"
#define PERCENT_20 "%20"

/* `path`, `query`: what of ASCII stays besides letters and digits; NULL: everything. */
static const struct manner {
	const char *path, *query, *path_space, *query_space, *digits;
} manners[] = {
	{ NULL, NULL, " ", " ", UPPER },
	{ URI "/=", URI "/?=", PERCENT_20, PERCENT_20, UPPER },
	{ URI "/=", URI "/?=", PERCENT_20, PERCENT_20, LOWER },
	{ URI "/=", URI "/?=", PERCENT_20, "+", UPPER },
	{ URI "/=", URI "/?=", "+", "+", UPPER },
	{ URI "/=", COMPONENT, PERCENT_20, PERCENT_20, UPPER },
	{ COMPONENT "/", COMPONENT, PERCENT_20, PERCENT_20, UPPER },
	{ UNRESERVED "/", UNRESERVED, PERCENT_20, PERCENT_20, UPPER },
	{ UNRESERVED "/", UNRESERVED, PERCENT_20, PERCENT_20, LOWER },
	{ UNRESERVED "/", FORM, PERCENT_20, "+", UPPER },
	{ UNRESERVED "/", FORM, PERCENT_20, "+", LOWER },
};

unsigned signed_url_manners(void)
{
	return sizeof(manners) / sizeof(manners[0]);
}

static bool stays(char c, const char *others)
{
	bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

	return plain || !others || (c && strchr(others, c));
}

static void add_part(struct buf *out, struct span part, const char *others, const char *space,
		     const char *digits)
{
	for (size_t i = 0; i < part.n; i++) {
		unsigned char c = (unsigned char)part.p[i];

		if (c == ' ')
			buf_addz(out, space);
		else if (stays((char)c, others))
			buf_addc(out, (char)c);
		else
			buf_printf(out, "%%%c%c", digits[c >> 4], digits[c & 15]);
	}
}

void signed_url_add(const struct exchange *x, unsigned manner, struct buf *out)
{
	const struct manner *m = &manners[manner];
	struct span name, value;
	size_t at = 0;
	char before = '?';

	add_part(out, exchange_path(x), m->path, m->path_space, m->digits);
	while (exchange_query_next(x, &at, &name, &value)) {
		buf_addc(out, before);
		add_part(out, name, m->query, m->query_space, m->digits);
		if (value.p != name.p + name.n) /* "?flag" has none */
			buf_addc(out, '=');
		add_part(out, value, m->query, m->query_space, m->digits);
		before = '&';
	}
}
