/* Reading a plain JSON object of a frame in place, in one walk that proves every byte of it. Plain:
 * no escapes, no letters beyond ASCII, no containers or literals but where they are due, no
 * fractions, no name twice. Shared by the protocols' scanners; what they do not take is read again,
 * carefully. */
#ifndef CALLMEND_DIALECT_MEDIA_WALK_H
#define CALLMEND_DIALECT_MEDIA_WALK_H

#include "base/json.h"
#include "base/json_scan.h"

/* A member's value as it stands: the inside of a string, or the digits of a number. */
struct value {
	struct span text;
	bool found, string;
};

struct walk {
	const char *p, *end;
};

static inline bool take_char(struct walk *w, char c)
{
	w->p = json_skip_space(w->p, w->end);
	if (w->p == w->end || *w->p != c)
		return false;
	w->p++;
	return true;
}

/* Behind the opening quote. */
static inline bool take_plain(struct walk *w, struct span *out)
{
	const char *stop = json_scan_plain(w->p, w->end);
	if (stop == w->end || *stop != '"')
		return false;
	*out = (struct span){ w->p, (size_t)(stop - w->p) };
	w->p = stop + 1;
	return true;
}

static inline bool take_name(struct walk *w, struct span *out)
{
	return take_char(w, '"') && take_plain(w, out) && take_char(w, ':');
}

/* Names are short: most differ in length, the rest in a few bytes. */
static inline bool same_name(struct span a, struct span b)
{
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* A sender keeps its order: the name behind the last one is looked at first. */
static inline unsigned find_name(struct span name, const struct span *names, unsigned n,
				 unsigned guess)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned at = guess + i < n ? guess + i : guess + i - n;
		if (same_name(name, names[at]))
			return at;
	}
	return n;
}

/* Digits as JSON writes a whole number that is not negative. */
static inline bool take_number(struct walk *w, struct span *out)
{
	const char *from = w->p;
	while (w->p < w->end && json_is_digit(*w->p))
		w->p++;
	*out = (struct span){ from, (size_t)(w->p - from) };
	return out->n == 1 || (out->n > 1 && *from != '0');
}

static inline bool take_value(struct walk *w, struct value *out)
{
	w->p = json_skip_space(w->p, w->end);
	if (w->p == w->end)
		return false;
	out->found = true;
	out->string = *w->p == '"';
	if (!out->string)
		return take_number(w, &out->text);
	w->p++;
	return take_plain(w, &out->text);
}

/* One member whose name was read; a name that was there already is none of the plain form. */
static inline bool take_member(struct walk *w, unsigned at, unsigned n, struct value *values)
{
	struct value unknown;
	if (at == n)
		return take_value(w, &unknown);
	return !values[at].found && take_value(w, &values[at]);
}

/* At most 18 digits: more are left to the careful reader. */
static inline bool count_of(const struct value *v, int64_t *out)
{
	int64_t n = 0;
	if (v->found && (v->text.n == 0 || v->text.n > 18 || (v->text.n > 1 && *v->text.p == '0')))
		return false;
	for (size_t i = 0; i < v->text.n; i++) {
		if (!json_is_digit(v->text.p[i]))
			return false;
		n = n * 10 + (v->text.p[i] - '0');
	}
	*out = v->found ? n : -1;
	return true;
}

static inline bool text_of(const struct value *v, struct span *out)
{
	*out = v->text;
	return v->string || !v->found;
}

/* --- the same members, of checked JSON --- */

/* Null is as absent. */
static inline MUST int walk_text(struct json v, const char *where, struct arena *a,
				 struct span *out, struct fault *f)
{
	if (json_has(v) && v.kind != JSON_STRING)
		return fault(f, E_INVALID, "%s: must be a text", where);
	*out = json_text(v, a);
	return 0;
}

static inline MUST int walk_count(struct json v, const char *where, int64_t *out, struct fault *f)
{
	*out = -1;
	if (json_has(v) && (!json_i64(v, out) || *out < 0))
		return fault(f, E_INVALID, "%s: must be a whole number from 0 on", where);
	return 0;
}

#endif
