/* One pass over a text, without recursion: a loop of steps ("what may come here") and one bit per
 * open container that says whether it is an object.
 *
 * Differences to jansson, on purpose: \u0000 and lone surrogate escapes pass (they are legal
 * syntax; who needs text gets them mended), duplicate names pass, numbers of any size pass. */
#include <stdio.h>

#include "base/json.h"
#include "base/json_scan.h"
#include "base/utf8.h"

struct check {
	const char *text, *p, *end;
	struct fault *f;
	unsigned depth;
	uint64_t objects[JSON_MAX_DEPTH / 64];
};

enum step { VALUE, ELEMENT_OR_END, NAME_OR_END, NAME, AFTER_VALUE, FINISHED };

static void describe(char *out, size_t size, const struct check *c, const char *at)
{
	unsigned char found = at < c->end ? (unsigned char)*at : 0;
	if (at >= c->end)
		snprintf(out, size, "the text ends");
	else if (found < 0x20 || found >= 0x7f)
		snprintf(out, size, "found byte 0x%02x", found);
	else
		snprintf(out, size, "found '%c'", found);
}

static __attribute__((cold, noinline)) int refuse(struct check *c, const char *at,
						  const char *expected)
{
	size_t line = 1;
	for (const char *p = c->text; p < at; p++)
		line += *p == '\n';
	char found[32];
	describe(found, sizeof(found), c, at);
	return fault(c->f, E_INVALID, "line %zu, byte %zu: expected %s, %s", line,
		     (size_t)(at - c->text), expected, found);
}

static bool is_hex(char c)
{
	return json_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* At a backslash. */
static int check_escape(struct check *c)
{
	const char *p = c->p + 1;
	if (p == c->end || !memchr("\"\\/bfnrtu", *p, 9))
		return refuse(c, p, "one of \"\\/bfnrtu behind a backslash");
	bool hex = *p++ == 'u';
	for (int i = 0; hex && i < 4; i++, p++)
		if (p == c->end || !is_hex(*p))
			return refuse(c, p, "four hexadecimal digits behind \\u");
	c->p = p;
	return 0;
}

/* At the first of some bytes that are not ASCII; they often come in runs. */
static int check_utf8(struct check *c)
{
	const char *p = c->p;
	while (p < c->end && (signed char)*p < 0) {
		int n = utf8_step(p, c->end);
		if (n < 0)
			return refuse(c, p, "valid UTF-8");
		p += n;
	}
	c->p = p;
	return 0;
}

/* At the opening quote. */
static int check_string(struct check *c)
{
	c->p++;
	for (;;) {
		c->p = json_scan_plain(c->p, c->end);
		if (c->p == c->end)
			return refuse(c, c->p, "the end of a string");
		if (*c->p == '"') {
			c->p++;
			return 0;
		}
		if (*c->p == '\\')
			TRY(check_escape(c));
		else if ((signed char)*c->p < 0)
			TRY(check_utf8(c));
		else
			return refuse(c, c->p, "an escape for a control character");
	}
}

static int check_digits(struct check *c)
{
	if (c->p == c->end || !json_is_digit(*c->p))
		return refuse(c, c->p, "a digit");
	while (c->p < c->end && json_is_digit(*c->p))
		c->p++;
	return 0;
}

static int check_number(struct check *c)
{
	if (*c->p == '-')
		c->p++;
	if (c->p < c->end && *c->p == '0')
		c->p++;
	else
		TRY(check_digits(c));
	if (c->p < c->end && *c->p == '.') {
		c->p++;
		TRY(check_digits(c));
	}
	if (c->p < c->end && (*c->p | 0x20) == 'e') {
		c->p++;
		if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
			c->p++;
		TRY(check_digits(c));
	}
	return 0;
}

static int check_literal(struct check *c, struct span literal)
{
	for (size_t i = 0; i < literal.n; i++, c->p++)
		if (c->p == c->end || *c->p != literal.p[i])
			return refuse(c, c->p, "true, false or null");
	return 0;
}

static int open_container(struct check *c, bool object)
{
	if (c->depth == JSON_MAX_DEPTH)
		return refuse(c, c->p, "at most 128 containers in each other");
	uint64_t bit = UINT64_C(1) << (c->depth % 64);
	uint64_t *word = &c->objects[c->depth / 64];
	*word = object ? *word | bit : *word & ~bit;
	c->depth++;
	c->p++;
	return object ? NAME_OR_END : ELEMENT_OR_END;
}

static int close_container(struct check *c)
{
	c->depth--;
	c->p++;
	return AFTER_VALUE;
}

static bool in_object(const struct check *c)
{
	return c->objects[(c->depth - 1) / 64] >> ((c->depth - 1) % 64) & 1;
}

/* Every step starts at a byte that is no white space and returns the next step or a negative code.
 */

static int step_value(struct check *c)
{
	int rc;
	switch (*c->p) {
	case '"':
		rc = check_string(c);
		break;
	case '{':
		return open_container(c, true);
	case '[':
		return open_container(c, false);
	case 't':
		rc = check_literal(c, SPAN("true"));
		break;
	case 'f':
		rc = check_literal(c, SPAN("false"));
		break;
	case 'n':
		rc = check_literal(c, SPAN("null"));
		break;
	default:
		if (*c->p != '-' && !json_is_digit(*c->p))
			return refuse(c, c->p, "a value");
		rc = check_number(c);
		break;
	}
	return rc ? rc : AFTER_VALUE;
}

static int step_name(struct check *c, const char *expected)
{
	if (*c->p != '"')
		return refuse(c, c->p, expected);
	TRY(check_string(c));
	c->p = json_skip_space(c->p, c->end);
	if (c->p == c->end || *c->p != ':')
		return refuse(c, c->p, "':'");
	c->p++;
	return VALUE;
}

static int step_after_value(struct check *c)
{
	bool object = in_object(c);
	if (*c->p == ',') {
		c->p++;
		return object ? NAME : VALUE;
	}
	if (*c->p != (object ? '}' : ']'))
		return refuse(c, c->p, object ? "',' or '}'" : "',' or ']'");
	return close_container(c);
}

static inline int take_step(struct check *c, int step)
{
	switch ((enum step)step) {
	case ELEMENT_OR_END:
		return *c->p == ']' ? close_container(c) : step_value(c);
	case NAME_OR_END:
		return *c->p == '}' ? close_container(c) : step_name(c, "a name or '}'");
	case NAME:
		return step_name(c, "a name");
	case AFTER_VALUE:
		return step_after_value(c);
	case VALUE:
	case FINISHED:
		break;
	}
	return step_value(c);
}

int json_check(struct span text, struct fault *f)
{
	struct check c = { .text = text.p, .p = text.p, .end = text.p + text.n, .f = f };
	int step = VALUE;
	for (;;) {
		c.p = json_skip_space(c.p, c.end);
		if (step == AFTER_VALUE && c.depth == 0)
			return c.p == c.end ? 0 : refuse(&c, c.p, "nothing behind the value");
		if (c.p == c.end)
			return refuse(&c, c.p, c.depth ? "the rest of a container" : "a value");
		step = take_step(&c, step);
		if (step < 0)
			return step;
	}
}
