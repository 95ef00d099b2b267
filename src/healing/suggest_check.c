/* What must never be proposed, whoever proposes it. A transcript is data: what was said in a call
 * must not find its way into instructions, and a caller must not be able to order a change. */
#include "healing/suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "call/words.h"
#include "healing/sections.h"

enum { REMOVED_PERCENT_MAX = 50, DIGITS_MAX = 2 };

/* A line of instructions with one of these guards callers or the business; it is not removed. */
static const char *const guards[] = { "never",	   "must not",	  "do not",	"dont",
				      "emergency", "911",	  "112",	"consent",
				      "privacy",   "legal",	  "recorded",	"police",
				      "ambulance", "not allowed", "forbidden",	"only if",
				      "nunca",	   "no debes",	  "emergencia", "privacidad",
				      "prohibido", "policia",	  "ambulancia", "consentimiento",
				      "grabada",   NULL };

/* Words that make promises about money, or talk to the machine instead of about the call: a line
 * with one of them is for a person to write. */
static const char *const reserved[] = { "free of charge",
					"for free",
					"discount",
					"discounts",
					"refund",
					"refunds",
					"zero price",
					"price",
					"prices",
					"credit card",
					"password",
					"passwords",
					"previous instructions",
					"prior instructions",
					"system prompt",
					"ignore all",
					"ignore the",
					"ignore previous",
					"disregard",
					"jailbreak",
					"developer mode",
					"gratis",
					"descuento",
					"descuentos",
					"reembolso",
					"precio",
					"precios",
					"tarjeta de credito",
					"contrasena",
					"instrucciones anteriores",
					"ignora",
					NULL };

/* --- lines --- */

static struct span trimmed(struct span s)
{
	while (s.n && isspace((unsigned char)s.p[0]))
		s = span_from(s, 1);
	while (s.n && isspace((unsigned char)s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool has_line(struct span text, struct span wanted)
{
	while (text.n)
		if (span_eq(trimmed(span_line(&text)), wanted))
			return true;
	return false;
}

static bool has_any(struct span text, const char *const *words, const char **which)
{
	struct plain plain;
	char wanted[80];
	words_plain(text, &plain);
	for (; *words; words++) {
		int n = snprintf(wanted, sizeof(wanted), " %s ", *words);
		*which = *words;
		if (n > 0 && memmem(plain.text, plain.n, wanted, (size_t)n))
			return true;
	}
	return false;
}

struct change {
	struct span section, current, suggested, reason;
};

/* --- removing --- */

static int check_removed(const struct change *c, struct fault *f)
{
	struct span rest = c->current;
	size_t removed = 0, all = 0;
	const char *guard;
	while (rest.n) {
		struct span line = trimmed(span_line(&rest));
		if (!line.n)
			continue;
		all++;
		if (has_line(c->suggested, line))
			continue;
		removed++;
		if (has_any(line, guards, &guard))
			return fault(f, E_INVALID, "removes a line with \"%s\" from section %.*s",
				     guard, SPAN_ARG(c->section));
	}
	if (removed * 100 > all * REMOVED_PERCENT_MAX)
		return fault(f, E_INVALID, "removes %zu of %zu lines of section %.*s", removed, all,
			     SPAN_ARG(c->section));
	return 0;
}

/* --- what was said in calls --- */

/* Hashes of every five words in a row; sorted. */
struct grams {
	uint64_t *of;
	size_t n, most;
};

static uint64_t gram_at(const struct word_list *l, size_t i)
{
	uint64_t h = 1469598103934665603u;
	for (size_t k = 0; k < SUGGEST_GRAM; k++)
		h = (h ^ l->hash[i + k]) * 1099511628211u;
	return h;
}

static void add_grams(struct grams *g, struct span text)
{
	struct word_list words;
	words_read(text, &words);
	for (size_t i = 0; i + SUGGEST_GRAM <= words.n; i++) {
		if (g->n == g->most) {
			g->most = g->most ? g->most * 2 : 256;
			g->of = realloc(g->of, g->most * sizeof(*g->of));
			CHECK(g->of);
		}
		g->of[g->n++] = gram_at(&words, i);
	}
}

static int by_hash(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static bool has_gram(const struct grams *g, struct span text)
{
	struct word_list words;
	words_read(text, &words);
	for (size_t i = 0; i + SUGGEST_GRAM <= words.n; i++) {
		uint64_t h = gram_at(&words, i);
		if (g->n && bsearch(&h, g->of, g->n, sizeof(*g->of), by_hash))
			return true;
	}
	return false;
}

struct bundle {
	struct arena *arena;
	struct json doc;
	struct sections sections;
	struct span whole;	 /* the instructions in force */
	struct grams said, told; /* in calls; in the instructions and by our own draft */
};

/* Members that hold words of a call, wherever they are. */
static bool is_said(struct span key)
{
	return span_is(key, "text") || span_is(key, "passage") || span_is(key, "question") ||
	       span_is(key, "error");
}

static void gather(struct bundle *b, struct json v)
{
	struct json_iter it = json_iter(v);
	struct span key;
	struct json member;
	while (json_next(&it, &key, &member)) {
		if (member.kind == JSON_STRING && is_said(key))
			add_grams(&b->said, json_text(member, b->arena));
		else if (member.kind == JSON_OBJECT || member.kind == JSON_ARRAY)
			gather(b, member);
	}
}

static bool is_one_of_ours(const struct bundle *b, const struct word_list *w, size_t i)
{
	uint64_t h = gram_at(w, i);
	return b->told.n && bsearch(&h, b->told.of, b->told.n, sizeof(*b->told.of), by_hash);
}

/* Assistants say what their instructions say: that is no copying. */
static int check_copied(const struct bundle *b, struct span line, struct fault *f)
{
	struct word_list words;
	words_read(line, &words);
	for (size_t i = 0; i + SUGGEST_GRAM <= words.n; i++) {
		uint64_t h = gram_at(&words, i);
		if (!b->said.n || is_one_of_ours(b, &words, i) ||
		    !bsearch(&h, b->said.of, b->said.n, sizeof(*b->said.of), by_hash))
			continue;
		return fault(f, E_INVALID, "copies words of a call: %.*s",
			     (int)(line.n < 80 ? line.n : 80), line.p);
	}
	return 0;
}

/* --- names, numbers, addresses --- */

static bool in_force(const struct bundle *b, struct span piece)
{
	return memmem(b->whole.p, b->whole.n, piece.p, piece.n) != NULL;
}

static int check_numbers(const struct bundle *b, struct span line, struct fault *f)
{
	for (size_t i = 0, n; i < line.n; i += n ? n : 1) {
		n = 0;
		while (i + n < line.n && isdigit((unsigned char)line.p[i + n]))
			n++;
		struct span number = { line.p + i, n };
		if (n > DIGITS_MAX && !in_force(b, number))
			return fault(f, E_INVALID,
				     "has the number %.*s, which the instructions "
				     "in force have not",
				     SPAN_ARG(number));
	}
	return 0;
}

static int check_addresses(const struct bundle *b, struct span line, struct fault *f)
{
	static const char *const marks[] = { "@", "://", "www." };
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (memmem(line.p, line.n, marks[i], strlen(marks[i])) && !in_force(b, line))
			return fault(f, E_INVALID, "has an address (%s)", marks[i]);
	return 0;
}

/* A captured value, as a name is written: with a capital, as words of its own. */
static bool names(struct span line, struct span value)
{
	struct plain l, v;
	if (value.n < 3 || islower((unsigned char)value.p[0]))
		return false;
	words_plain(line, &l);
	words_plain(value, &v);
	return v.n > 2 && memmem(l.text, l.n, v.text, v.n);
}

static int check_names_of(const struct bundle *b, struct json fields, struct span line,
			  struct fault *f)
{
	struct json_iter it = json_iter(fields);
	struct span key;
	struct json v;
	while (json_next(&it, &key, &v)) {
		struct span value = json_text(json_get(v, "value"), b->arena);
		if (names(line, value) && !in_force(b, value))
			return fault(f, E_INVALID, "has a value of a call: field %.*s",
				     SPAN_ARG(json_text(json_get(v, "field"), b->arena)));
	}
	return 0;
}

static int check_names(const struct bundle *b, struct span line, struct fault *f)
{
	struct json_iter it = json_iter(json_path(b->doc, "window.calls"));
	struct span key;
	struct json call;
	while (json_next(&it, &key, &call))
		TRY(check_names_of(b, json_get(call, "fields"), line, f));
	return 0;
}

static int check_reserved(struct span line, struct fault *f)
{
	const char *word;
	if (has_any(line, reserved, &word))
		return fault(f, E_INVALID, "\"%s\" is for a person to write", word);
	return 0;
}

static int check_line(const struct bundle *b, struct span line, struct fault *f)
{
	TRY(check_reserved(line, f));
	TRY(check_numbers(b, line, f));
	TRY(check_addresses(b, line, f));
	TRY(check_names(b, line, f));
	return check_copied(b, line, f);
}

static int check_added(const struct bundle *b, const struct change *c, struct fault *f)
{
	struct span rest = c->suggested;
	size_t added = 0;
	while (rest.n) {
		struct span line = trimmed(span_line(&rest));
		if (!line.n || has_line(c->current, line))
			continue;
		added += line.n;
		TRY(check_line(b, line, f));
	}
	if (added > SUGGEST_ADDED_MAX)
		return fault(f, E_INVALID, "adds more than %d bytes to section %.*s",
			     SUGGEST_ADDED_MAX, SPAN_ARG(c->section));
	return 0;
}

/* --- the form --- */

static int check_current(const struct bundle *b, const struct change *c, struct fault *f)
{
	const struct section *s = sections_find(&b->sections, c->section);
	if (s && !span_eq(s->text, c->current))
		return fault(f, E_INVALID, "section %.*s is not as its \"current\" says",
			     SPAN_ARG(c->section));
	if (!s && c->current.n)
		return fault(f, E_INVALID, "there is no section %.*s", SPAN_ARG(c->section));
	if (!trimmed(c->suggested).n)
		return fault(f, E_INVALID, "empties section %.*s", SPAN_ARG(c->section));
	if (span_eq(c->current, c->suggested))
		return fault(f, E_INVALID, "changes nothing in section %.*s", SPAN_ARG(c->section));
	return 0;
}

static int check_sizes(const struct change *c, struct fault *f)
{
	if (c->section.n > SUGGEST_SECTION_MAX || memchr(c->section.p, '\n', c->section.n))
		return fault(f, E_INVALID, "section: at most %d bytes, one line",
			     SUGGEST_SECTION_MAX);
	if (!trimmed(c->reason).n || c->reason.n > SUGGEST_REASON_MAX)
		return fault(f, E_INVALID, "reason: 1 to %d bytes", SUGGEST_REASON_MAX);
	if (c->suggested.n > SUGGEST_SECTION_TEXT_MAX)
		return fault(f, E_INVALID, "suggested: at most %d bytes", SUGGEST_SECTION_TEXT_MAX);
	return 0;
}

#define CHANGE(F, T)                                 \
	F(T, TEXT, section, "section", REQUIRED)     \
	F(T, TEXT, current, "current", REQUIRED)     \
	F(T, TEXT, suggested, "suggested", REQUIRED) \
	F(T, TEXT, reason, "reason", REQUIRED)
JSON_STRUCT(change_json, CHANGE)
JSON_FIELDS(change_json, CHANGE)

static int check_change(const struct bundle *b, struct json v, struct fault *f)
{
	struct change_json j = { 0 };
	if (v.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "expected object");
	TRY(JSON_READ(change_json, v, b->arena, &j, f));
	struct change c = { j.section, j.current, j.suggested, j.reason };
	TRY(check_sizes(&c, f));
	TRY(check_current(b, &c, f));
	TRY(check_removed(&c, f));
	TRY(check_added(b, &c, f));
	/* Shown to people beside the change, and as easily a way in. */
	if (has_gram(&b->said, c.reason))
		return fault(f, E_INVALID, "reason: copies words of a call");
	return 0;
}

static bool is_repeated(const struct bundle *b, struct json changes, struct json v)
{
	struct json_iter it = json_iter(changes);
	struct span key, section = json_text(json_get(v, "section"), b->arena);
	struct json other;
	while (json_next(&it, &key, &other) && other.raw.p != v.raw.p)
		if (span_eq(json_text(json_get(other, "section"), b->arena), section))
			return true;
	return false;
}

static int check_all(const struct bundle *b, struct json changes, struct fault *f)
{
	struct json_iter it = json_iter(changes);
	struct span key;
	struct json v;
	if (changes.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "changes: expected array");
	size_t n = json_count(changes);
	if (n < 1 || n > SUGGEST_CHANGES_MAX)
		return fault(f, E_INVALID, "changes: 1 to %d", SUGGEST_CHANGES_MAX);
	for (size_t i = 0; json_next(&it, &key, &v); i++) {
		if (is_repeated(b, changes, v))
			return fault(f, E_INVALID, "changes[%zu]: the same section twice", i);
		if (check_change(b, v, f))
			return fault_wrap(f, "changes[%zu]", i);
	}
	return 0;
}

static void sort(struct grams *g)
{
	if (g->n)
		qsort(g->of, g->n, sizeof(*g->of), by_hash);
}

static void tell(struct bundle *b)
{
	struct json_iter it = json_iter(json_get(b->doc, "draft"));
	struct span key;
	struct json v;
	for (size_t i = 0; i < b->sections.n; i++)
		add_grams(&b->told, b->sections.of[i].text);
	while (json_next(&it, &key, &v))
		add_grams(&b->told, json_text(json_get(v, "suggested"), b->arena));
}

int suggest_check(struct json changes, struct json bundle, struct fault *f)
{
	struct arena a = { 0 };
	struct bundle b = { .arena = &a, .doc = bundle };
	b.sections = sections_read(json_path(bundle, "window.version.sections"), &a);
	b.whole = json_text(json_path(bundle, "window.version.text"), &a);
	gather(&b, json_path(bundle, "window.calls"));
	gather(&b, json_path(bundle, "issue.evidence"));
	tell(&b);
	sort(&b.said);
	sort(&b.told);
	int rc = check_all(&b, changes, f);
	free(b.said.of);
	free(b.told.of);
	arena_fini(&a);
	return rc;
}
