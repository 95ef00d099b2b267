#include "api/diff.h"

#include "base/arena.h"

struct side {
	struct span *lines;
	size_t n;
};

/* ' ' in both, '-' removed, '+' added. */
struct edit {
	char kind;
	struct span line;
};
struct script {
	struct edit *edits;
	size_t n;
};

static struct side split(struct span text, struct arena *a)
{
	struct side s = { 0 };
	size_t most = 1;
	for (size_t i = 0; i < text.n; i++)
		most += text.p[i] == '\n';
	s.lines = arena_alloc(a, most * sizeof(*s.lines));
	for (bool more = text.n > 0; more;) {
		const char *nl = text.n ? memchr(text.p, '\n', text.n) : NULL;
		size_t n = nl ? (size_t)(nl - text.p) : text.n;
		s.lines[s.n++] = (struct span){ text.p, n };
		more = nl;
		text = span_from(text, n + 1);
	}
	return s;
}

static void put(struct script *s, char kind, struct span line)
{
	s->edits[s->n++] = (struct edit){ kind, line };
}

static void put_all(struct script *s, char kind, struct side lines)
{
	for (size_t i = 0; i < lines.n; i++)
		put(s, kind, lines.lines[i]);
}

/* common[i * (m + 1) + j]: how many lines a[i..] and b[j..] have in common, in order. */
static uint16_t *count_common(struct side a, struct side b, struct arena *arena)
{
	size_t width = b.n + 1;
	uint16_t *common = arena_alloc(arena, (a.n + 1) * width * sizeof(*common));
	for (size_t i = a.n; i-- > 0;)
		for (size_t j = b.n; j-- > 0;) {
			uint16_t below = common[(i + 1) * width + j];
			uint16_t beside = common[i * width + j + 1];
			common[i * width + j] =
				span_eq(a.lines[i], b.lines[j])
					? (uint16_t)(common[(i + 1) * width + j + 1] + 1)
				: below > beside ? below
						 : beside;
		}
	return common;
}

static void walk(struct script *s, struct side a, struct side b, const uint16_t *common)
{
	size_t i = 0, j = 0, width = b.n + 1;
	while (i < a.n && j < b.n) {
		if (span_eq(a.lines[i], b.lines[j])) {
			put(s, ' ', a.lines[i++]);
			j++;
		} else if (common[(i + 1) * width + j] >= common[i * width + j + 1]) {
			put(s, '-', a.lines[i++]);
		} else {
			put(s, '+', b.lines[j++]);
		}
	}
	put_all(s, '-', (struct side){ a.lines + i, a.n - i });
	put_all(s, '+', (struct side){ b.lines + j, b.n - j });
}

static void compare(struct script *s, struct side a, struct side b, struct arena *arena)
{
	if (a.n && b.n && a.n <= DIFF_CELLS / b.n && a.n < UINT16_MAX) {
		walk(s, a, b, count_common(a, b, arena));
		return;
	}
	put_all(s, '-', a);
	put_all(s, '+', b);
}

static struct script make(struct side a, struct side b, struct arena *arena)
{
	struct script s = { .edits = arena_alloc(arena, (a.n + b.n + 1) * sizeof(*s.edits)) };
	size_t head = 0, tail = 0;
	while (head < a.n && head < b.n && span_eq(a.lines[head], b.lines[head]))
		head++;
	while (tail < a.n - head && tail < b.n - head &&
	       span_eq(a.lines[a.n - 1 - tail], b.lines[b.n - 1 - tail]))
		tail++;
	put_all(&s, ' ', (struct side){ a.lines, head });
	compare(&s, (struct side){ a.lines + head, a.n - head - tail },
		(struct side){ b.lines + head, b.n - head - tail }, arena);
	put_all(&s, ' ', (struct side){ a.lines + a.n - tail, tail });
	return s;
}

/* --- hunks --- */

struct hunk {
	size_t from, to; /* edits */
};

static size_t next_change(const struct script *s, size_t from)
{
	while (from < s->n && s->edits[from].kind == ' ')
		from++;
	return from;
}

/* From the change at `change` on, with what is so near that its context would touch. */
static struct hunk gather(const struct script *s, size_t change)
{
	struct hunk h = { .from = change > DIFF_CONTEXT ? change - DIFF_CONTEXT : 0 };
	size_t last = change;
	while (change < s->n && change <= last + 2 * DIFF_CONTEXT + 1) {
		last = change;
		change = next_change(s, change + 1);
	}
	h.to = last + 1 + DIFF_CONTEXT < s->n ? last + 1 + DIFF_CONTEXT : s->n;
	return h;
}

struct count {
	size_t old, new;
};

static struct count count(const struct script *s, size_t from, size_t to)
{
	struct count c = { 0 };
	for (size_t i = from; i < to; i++) {
		c.old += s->edits[i].kind != '+';
		c.new += s->edits[i].kind != '-';
	}
	return c;
}

/* A side without lines is given as the line before. */
static size_t first_line(size_t lines_before, size_t lines)
{
	return lines_before + (lines > 0);
}

static void write_hunk(const struct script *s, struct hunk h, struct buf *out)
{
	struct count before = count(s, 0, h.from), here = count(s, h.from, h.to);
	buf_printf(out, "@@ -%zu,%zu +%zu,%zu @@\n", first_line(before.old, here.old), here.old,
		   first_line(before.new, here.new), here.new);
	for (size_t i = h.from; i < h.to; i++) {
		buf_addc(out, s->edits[i].kind);
		buf_add(out, s->edits[i].line);
		buf_addc(out, '\n');
	}
}

void diff_unified(struct span before, struct span after, struct buf *out)
{
	struct arena arena = { 0 };
	struct script s = make(split(before, &arena), split(after, &arena), &arena);
	for (size_t at = next_change(&s, 0); at < s.n;) {
		struct hunk h = gather(&s, at);
		write_hunk(&s, h, out);
		at = next_change(&s, h.to);
	}
	arena_fini(&arena);
}
