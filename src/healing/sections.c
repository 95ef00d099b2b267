#include "healing/sections.h"

#include <ctype.h>
#include <stdio.h>

#include "call/lexicon.h"

struct sections sections_read(struct json array, struct arena *a)
{
	struct json_iter it = json_iter(array);
	struct span key;
	struct json v;
	struct sections s = { 0 };
	s.of = arena_alloc(a, json_count(array) * sizeof(*s.of) + 1);
	while (json_next(&it, &key, &v))
		s.of[s.n++] = (struct section){ json_text(json_get(v, "name"), a),
						json_text(json_get(v, "text"), a) };
	return s;
}

const struct section *sections_find(const struct sections *s, struct span name)
{
	for (size_t i = 0; i < s->n; i++)
		if (span_eq(s->of[i].name, name))
			return &s->of[i];
	return NULL;
}

/* --- which one fits --- */

enum { NAME_COUNTS = 5 };

static bool has_word(const struct plain *p, const char *word)
{
	char wanted[80];
	int n = snprintf(wanted, sizeof(wanted), " %s ", word);
	return n > 0 && memmem(p->text, p->n, wanted, (size_t)n);
}

static unsigned hits(struct span text, const char *const *words)
{
	struct plain plain;
	unsigned n = 0;
	words_plain(text, &plain);
	for (; *words; words++)
		n += has_word(&plain, *words);
	return n;
}

const struct section *sections_fitting(const struct sections *s, const char *const *words)
{
	const struct section *best = NULL;
	unsigned most = 0;
	for (size_t i = 0; i < s->n; i++) {
		unsigned n = NAME_COUNTS * hits(s->of[i].name, words) + hits(s->of[i].text, words);
		if (n <= most)
			continue;
		most = n;
		best = &s->of[i];
	}
	return best;
}

/* --- one more line --- */

static struct span without_end(struct span text)
{
	while (text.n && isspace((unsigned char)text.p[text.n - 1]))
		text.n--;
	return text;
}

/* Up to the end of the last line that says something, without what breaks it. */
static struct span said(struct span text)
{
	size_t n = without_end(text).n;
	while (n && n < text.n && !strchr("\r\n", text.p[n]))
		n++;
	return (struct span){ text.p, n };
}

static const char *line_break(struct span text)
{
	return text.n && memmem(text.p, text.n, "\r\n", 2) ? "\r\n" : "\n";
}

static struct span last_line(struct span text)
{
	const char *nl = text.n ? memrchr(text.p, '\n', text.n) : NULL;
	size_t from = nl ? (size_t)(nl - text.p) + 1 : 0;
	return span_from(text, from);
}

static size_t blanks(struct span line)
{
	size_t n = 0;
	while (n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
		n++;
	return n;
}

/* What a line that goes on with the list begins with; empty: no list. */
static struct span next_mark(struct span line, struct arena *a)
{
	size_t indent = blanks(line), at = indent;
	unsigned number = 0;
	if (line.n > at + 1 && strchr("-*+", line.p[at]) && line.p[at + 1] == ' ')
		return (struct span){ line.p, at + 2 };
	while (at < line.n && at < indent + 4 && isdigit((unsigned char)line.p[at]))
		number = number * 10 + (unsigned)(line.p[at++] - '0');
	if (at == indent || at + 1 >= line.n || !strchr(".)", line.p[at]) || line.p[at + 1] != ' ')
		return SPAN("");
	return span_of(arena_printf(a, "%.*s%u%c ", (int)indent, line.p, number + 1, line.p[at]));
}

struct span sections_append(struct span text, struct span line, struct arena *a)
{
	struct span head = said(text), tail = span_from(text, head.n);
	struct span mark = next_mark(last_line(head), a);
	return span_of(arena_printf(a, "%.*s%s%.*s%.*s%.*s", SPAN_ARG(head),
				    head.n ? line_break(text) : "", SPAN_ARG(mark), SPAN_ARG(line),
				    SPAN_ARG(tail)));
}

bool sections_spanish(const struct sections *s, struct span language)
{
	unsigned en = 0, es = 0;
	struct plain plain;
	if (!span_is(language, "auto"))
		return span_is(language, "es");
	for (size_t i = 0; i < s->n; i++) {
		words_plain(s->of[i].text, &plain);
		en += lexicon_hits(&lexicon_en, &plain);
		es += lexicon_hits(&lexicon_es, &plain);
	}
	return es > en;
}
