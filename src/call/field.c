#include "call/field.h"

#include <stdio.h>

static const char *const types[] = {
#define X(name, text, doc) [FIELD_##name] = text,
	FIELD_TYPES(X)
#undef X
};
static const char *const states[] = {
#define X(name, text, doc) [FIELD_STATE_##name] = text,
	FIELD_STATES(X)
#undef X
};
static const char *const hows[] = {
	[FIELD_BY_NONE] = NULL,	      [FIELD_BY_REPORT] = "report",   [FIELD_BY_TOOL] = "tool",
	[FIELD_BY_ANSWER] = "answer", [FIELD_BY_MENTION] = "mention",
};

const char *field_type_name(enum field_type type)
{
	return types[type];
}

const char *field_state_name(enum field_state state)
{
	return states[state];
}

const char *field_how_name(enum field_how how)
{
	return hows[how];
}

void field_found_set(struct field_found *out, struct span value, unsigned from, unsigned to)
{
	size_t n = value.n;
	while (n > FIELD_VALUE_MAX)
		n--;
	while (n < value.n && n > 0 && ((unsigned char)value.p[n] & 0xC0) == 0x80)
		n--;
	if (n)
		memcpy(out->value, value.p, n);
	out->value[n] = '\0';
	out->n = n;
	out->from = from;
	out->to = to;
}

void field_found_amount(struct field_found *out, int64_t hundredths, bool cents, unsigned from,
			unsigned to)
{
	char text[32];
	long long whole = hundredths / 100, rest = hundredths % 100;
	int n = snprintf(text, sizeof(text), "%lld", whole);
	if (rest && (cents || rest % 10))
		n = snprintf(text, sizeof(text), "%lld.%02lld", whole, rest);
	else if (rest)
		n = snprintf(text, sizeof(text), "%lld.%lld", whole, rest / 10);
	field_found_set(out, (struct span){ text, (size_t)n }, from, to);
}

static unsigned side_by_side(const struct field_words *w, const struct utterance *u, unsigned from,
			     unsigned to)
{
	for (unsigned i = from; i + w->n <= to; i++) {
		unsigned k = 0;
		while (k < w->n && u->w[i + k].stem == w->stems[k])
			k++;
		if (k == w->n)
			return i;
	}
	return to;
}

static unsigned position(const struct utterance *u, unsigned from, unsigned to, uint32_t stem)
{
	while (from < to && u->w[from].stem != stem)
		from++;
	return from;
}

/* Anywhere: the place of the first of them. */
static unsigned scattered(const struct field_words *w, const struct utterance *u, unsigned from,
			  unsigned to, unsigned *end)
{
	unsigned first = to, last = from;
	for (unsigned k = 0; k < w->n; k++) {
		unsigned at = position(u, from, to, w->stems[k]);
		if (at == to)
			return to;
		first = at < first ? at : first;
		last = at > last ? at : last;
	}
	*end = last + 1;
	return first;
}

unsigned field_words_find(const struct field_words *w, const struct utterance *u, unsigned from,
			  unsigned to, unsigned *end)
{
	if (w->n == 0)
		return to;
	if (!w->side_by_side)
		return scattered(w, u, from, to, end);
	unsigned at = side_by_side(w, u, from, to);
	*end = at + w->n;
	return at;
}

bool field_words_any(const struct field_words *w, const struct utterance *u, unsigned from,
		     unsigned to)
{
	for (unsigned k = 0; k < w->n; k++)
		if (position(u, from, to, w->stems[k]) < to)
			return true;
	return false;
}
