/* Happy path: what is needed is read into one buffer; brackets are counted to find where a value
 * ends.
 *
 * Failure modes
 *   broken JSON in an element    the bytes up to the next element (one that begins like the first)
 *                                are the bad record; in JSON lines it is the line alone
 *   an element that never ends   likewise, as soon as it is suspiciously long or the file ends
 *   a record beyond the limit    passed over
 *   the file ends in a record    what is there is the last record */
#include "ingest/cutter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/json_scan.h"

enum {
	READ_BYTES = 256 * 1024,
	SUSPECT_BYTES = 8 * 1024 * 1024, /* an element this much longer than where the next one
					    may begin */
	SIGNATURE_MAX = 128
};

struct cutter;
typedef int cut_fn(struct cutter *, struct cut *, struct fault *);

struct cutter {
	struct cutter_config cfg;
	struct buf b;
	size_t at; /* what comes before is done with */
	size_t line;
	bool end, begun;
	cut_fn *cut;
	char signature[SIGNATURE_MAX]; /* how elements begin */
	size_t signature_n;
};

struct cutter *cutter_new(const struct cutter_config *cfg)
{
	struct cutter *c = calloc(1, sizeof(*c));
	CHECK(c);
	c->cfg = *cfg;
	c->cfg.limit = cfg->limit ? cfg->limit : CUTTER_RECORD_LIMIT;
	c->line = 1;
	return c;
}

void cutter_free(struct cutter *c)
{
	if (!c)
		return;
	buf_free(&c->b);
	free(c);
}

/* --- bytes --- */

static const char *here(const struct cutter *c)
{
	return c->b.p + c->at;
}

static size_t have(const struct cutter *c)
{
	return c->b.n - c->at;
}

/* At least one byte more, unless the file is at its end. What was cut before is let go. */
static int more(struct cutter *c, struct fault *f)
{
	if (c->at) {
		memmove(c->b.p, c->b.p + c->at, have(c));
		c->b.n -= c->at;
		c->at = 0;
	}
	/* Long records are read in growing steps, or they would be moved again and again. */
	size_t step = c->b.n > READ_BYTES ? c->b.n : READ_BYTES;
	buf_reserve(&c->b, step);
	ssize_t n = c->cfg.read(c->cfg.user, c->b.p + c->b.n, step);
	if (n < 0)
		return fault(f, E_IO, "reading: %s", strerror(errno));
	c->b.n += (size_t)n;
	c->end = n == 0;
	return 0;
}

static void pass(struct cutter *c, size_t n)
{
	const char *p = here(c), *end = p + n;
	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		c->line++;
		p++;
	}
	c->at += n;
}

/* Passes over white space and the bytes in `also`; E_NOT_FOUND at the end of the file. */
static int skip(struct cutter *c, const char *also, struct fault *f)
{
	for (;;) {
		size_t n = 0;
		while (n < have(c) &&
		       (json_is_space(here(c)[n]) || (here(c)[n] && strchr(also, here(c)[n]))))
			n++;
		pass(c, n);
		if (have(c))
			return 0;
		if (c->end)
			return E_NOT_FOUND;
		TRY(more(c, f));
	}
}

/* --- finding ends --- */

/* Where a value ends that begins at `here`, found piece by piece. */
struct walk {
	size_t n; /* bytes looked at */
	unsigned depth;
	bool in_string, escaped;
	size_t candidate; /* the next element may begin here; 0: none seen */
};

static bool preceded_by_comma(const struct cutter *c, size_t at)
{
	while (at && json_is_space(here(c)[at - 1]))
		at--;
	return at && here(c)[at - 1] == ',';
}

static bool begins_like_the_first(const struct cutter *c, size_t at)
{
	return c->signature_n && have(c) - at >= c->signature_n &&
	       memcmp(here(c) + at, c->signature, c->signature_n) == 0 && preceded_by_comma(c, at);
}

/* True: the value ends behind byte w->n. */
static bool walk_on(struct cutter *c, struct walk *w)
{
	const char *p = here(c);
	for (size_t n = have(c); w->n < n; w->n++) {
		char ch = p[w->n];
		if (w->in_string) {
			if (ch == '\n') /* no string goes over a line: it was not closed */
				w->in_string = w->escaped = false;
			else if (w->escaped)
				w->escaped = false;
			else if (ch == '\\')
				w->escaped = true;
			else
				w->in_string = ch != '"';
			continue;
		}
		if (ch == '"') {
			w->in_string = true;
		} else if (ch == '{' || ch == '[') {
			if (w->n && !w->candidate && begins_like_the_first(c, w->n))
				w->candidate = w->n;
			w->depth++;
		} else if (ch == '}' || ch == ']') {
			if (w->depth <= 1) {
				w->n++;
				return true;
			}
			w->depth--;
		}
	}
	return false;
}

/* In a damaged element strings may be out of step: every byte counts here. */
static size_t find_next(const struct cutter *c, size_t n)
{
	for (size_t at = 1; c->signature_n && at + c->signature_n <= n; at++)
		if (here(c)[at] == '{' && begins_like_the_first(c, at))
			return at;
	return 0;
}

static int give(struct cutter *c, size_t n, struct cut *out)
{
	out->line = c->line;
	out->text = (struct span){ here(c), n };
	while (out->text.n &&
	       (json_is_space(out->text.p[out->text.n - 1]) || out->text.p[out->text.n - 1] == ','))
		out->text.n--;
	pass(c, n);
	return 0;
}

static int too_large(struct cutter *c, struct cut *out, struct fault *f)
{
	out->line = c->line;
	return fault(f, E_TOO_LARGE, "a record of more than %zu bytes", c->cfg.limit);
}

/* --- elements and values --- */

/* How an element begins: up to the end of its first member's name, with the white space between. */
static void learn_signature(struct cutter *c, size_t n)
{
	size_t at = 1, quotes = 0;
	if (c->signature_n || here(c)[0] != '{')
		return;
	while (at < n && at < SIGNATURE_MAX && quotes < 2)
		quotes += here(c)[at++] == '"';
	if (quotes < 2)
		return;
	memcpy(c->signature, here(c), at);
	c->signature_n = at;
}

static bool suspicious(const struct cutter *c, const struct walk *w)
{
	return w->candidate && have(c) - w->candidate > SUSPECT_BYTES;
}

/* The bytes of the damaged record at `here`. */
static int cut_damaged(struct cutter *c, size_t n, struct cut *out, struct fault *f)
{
	size_t next = find_next(c, n);
	if (!next && n > c->cfg.limit) {
		int rc = too_large(c, out, f);
		pass(c, n);
		return rc;
	}
	return give(c, next ? next : n, out);
}

static int cut_value(struct cutter *c, struct cut *out, struct fault *f)
{
	struct walk w = { 0 };
	while (!c->signature_n && have(c) < SIGNATURE_MAX && !c->end)
		TRY(more(c, f));
	learn_signature(c, have(c));
	while (!walk_on(c, &w)) {
		if (c->end || suspicious(c, &w) || have(c) > c->cfg.limit)
			return cut_damaged(c, have(c), out, f);
		TRY(more(c, f));
	}
	if (w.n > c->cfg.limit)
		return cut_damaged(c, w.n, out, f);
	if (w.candidate && json_check((struct span){ here(c), w.n }, NULL))
		return cut_damaged(c, w.n, out, f);
	return give(c, w.n, out);
}

/* What stands where an element should and is none: up to the next element. */
static int cut_rubbish(struct cutter *c, struct cut *out, struct fault *f)
{
	for (;;) {
		size_t next = c->signature_n ? find_next(c, have(c)) : 0;
		if (next || c->end)
			return give(c, next ? next : have(c), out);
		if (have(c) > SUSPECT_BYTES)
			return give(c, have(c) - SIGNATURE_MAX, out);
		TRY(more(c, f));
	}
}

static int cut_element(struct cutter *c, struct cut *out, struct fault *f)
{
	TRY(skip(c, ",", f));
	if (*here(c) == ']') { /* whatever else follows is none of ours */
		pass(c, 1);
		int rc = skip(c, "", f);
		return rc ? rc : cut_rubbish(c, out, f);
	}
	if (*here(c) != '{' && *here(c) != '[')
		return cut_rubbish(c, out, f);
	return cut_value(c, out, f);
}

static int cut_sequence(struct cutter *c, struct cut *out, struct fault *f)
{
	TRY(skip(c, ",", f));
	if (*here(c) != '{' && *here(c) != '[')
		return cut_rubbish(c, out, f);
	return cut_value(c, out, f);
}

/* --- lines --- */

/* Bytes up to the line's end, with it; -1 in *n when the line is beyond the limit. */
static int line_length(struct cutter *c, size_t from, size_t *n, struct fault *f)
{
	for (size_t seen = from;;) {
		const char *end = memchr(here(c) + seen, '\n', have(c) - seen);
		if (end) {
			*n = (size_t)(end - here(c)) + 1;
			return 0;
		}
		seen = have(c);
		*n = have(c);
		if (c->end || have(c) > c->cfg.limit)
			return 0;
		TRY(more(c, f));
	}
}

/* The rest of a line that is too long to keep. */
static int pass_line(struct cutter *c, struct cut *out, struct fault *f)
{
	size_t line = c->line;
	for (;;) {
		const char *end = memchr(here(c), '\n', have(c));
		pass(c, end ? (size_t)(end - here(c)) + 1 : have(c));
		if (end || c->end)
			break;
		TRY(more(c, f));
	}
	too_large(c, out, f);
	out->line = line;
	return E_TOO_LARGE;
}

static int cut_line(struct cutter *c, struct cut *out, struct fault *f)
{
	size_t n = 0;
	TRY(skip(c, "", f));
	TRY(line_length(c, 0, &n, f));
	if (n > c->cfg.limit)
		return pass_line(c, out, f);
	return give(c, n, out);
}

/* --- transcripts --- */

static bool is_dashes(struct span line)
{
	size_t n = 0;
	while (line.n && json_is_space(line.p[line.n - 1]))
		line.n--;
	while (n < line.n && line.p[n] == '-')
		n++;
	return n >= 3 && n == line.n;
}

static int cut_transcript(struct cutter *c, struct cut *out, struct fault *f)
{
	size_t n = 0, next = 0;
	out->is_text = true;
	do {
		TRY(skip(c, "", f));
		TRY(line_length(c, 0, &next, f));
		if (!is_dashes((struct span){ here(c), next }))
			break;
		pass(c, next);
	} while (true);
	for (;;) {
		if (n == have(c) && !c->end)
			TRY(more(c, f));
		if (n == have(c) && c->end)
			return give(c, n, out);
		TRY(line_length(c, n, &next, f));
		if (next > c->cfg.limit)
			return pass_line(c, out, f);
		if (is_dashes((struct span){ here(c) + n, next - n })) {
			int rc = give(c, n, out);
			pass(c, next - n);
			return rc;
		}
		n = next;
	}
}

/* --- what it is --- */

static bool all_space(const char *p, size_t n)
{
	while (n && json_is_space(*p)) {
		p++;
		n--;
	}
	return n == 0;
}

static bool another_follows(const char *p, size_t n)
{
	while (n && (json_is_space(*p) || *p == ',')) {
		p++;
		n--;
	}
	return n && (*p == '{' || *p == '[');
}

/* A value on a line of its own, or damaged but followed by a line that begins like it. */
static int are_lines(struct cutter *c, bool *lines, struct fault *f)
{
	size_t first = 0, second = 0;
	struct walk w = { 0 };
	TRY(line_length(c, 0, &first, f));
	bool ends = walk_on(c, &w);
	bool inside = ends && w.n <= first;
	*lines = inside && all_space(here(c) + w.n, first - w.n);
	if (*lines || (inside && another_follows(here(c) + w.n, first - w.n)))
		return 0;
	if (first == have(c) && !c->end)
		TRY(more(c, f));
	TRY(line_length(c, first, &second, f));
	*lines = second > first && here(c)[first] == here(c)[0];
	return 0;
}

/* A list of messages is one call, not many. */
static bool is_message(struct span element)
{
	if (json_check(element, NULL))
		return false;
	struct json v = json_of(element);
	return json_get(v, "role").kind == JSON_STRING &&
	       json_get(v, "messages").kind == JSON_NONE && json_get(v, "traj").kind == JSON_NONE;
}

static int begins_with_message(struct cutter *c, bool *so, struct fault *f)
{
	size_t at = c->at + 1;
	while (at < c->b.n && json_is_space(c->b.p[at]))
		at++;
	struct walk w = { 0 };
	size_t back = at - c->at;
	c->at = at;
	while (have(c) && *here(c) == '{' && !walk_on(c, &w) && !c->end && have(c) < c->cfg.limit) {
		/* The buffer must keep what stands before. */
		c->at -= back;
		TRY(more(c, f));
		c->at += back;
	}
	*so = w.n && is_message((struct span){ here(c), w.n });
	c->at -= back;
	return 0;
}

static int begin_array(struct cutter *c, struct fault *f)
{
	bool one = false, lines = false;
	TRY(begins_with_message(c, &one, f));
	if (!one) {
		pass(c, 1);
		c->cut = cut_element;
		return 0;
	}
	TRY(are_lines(c, &lines, f));
	c->cut = lines ? cut_line : cut_sequence;
	return 0;
}

static int begin_object(struct cutter *c, struct fault *f)
{
	bool lines = false;
	TRY(are_lines(c, &lines, f));
	c->cut = lines ? cut_line : cut_sequence;
	return 0;
}

/* "[" may begin an array or the time of a first turn. */
static bool looks_like_json(const struct cutter *c)
{
	size_t at = 1;
	if (*here(c) == '{')
		return true;
	if (*here(c) != '[')
		return false;
	while (at < have(c) && json_is_space(here(c)[at]))
		at++;
	return at < have(c) && strchr("{[]", here(c)[at]);
}

static int begin(struct cutter *c, struct fault *f)
{
	static const char bom[] = "\xef\xbb\xbf";
	while (have(c) < READ_BYTES && !c->end)
		TRY(more(c, f));
	if (have(c) >= 3 && memcmp(here(c), bom, 3) == 0)
		c->at += 3;
	TRY(skip(c, "", f));
	c->begun = true;
	bool json = looks_like_json(c);
	if (c->cfg.kind == CUTTER_JSON && !json)
		return fault(f, E_INVALID, "no JSON: expected an array, an object or JSON lines");
	if (c->cfg.kind == CUTTER_TEXT || !json) {
		c->cut = cut_transcript;
		return 0;
	}
	return *here(c) == '[' ? begin_array(c, f) : begin_object(c, f);
}

int cutter_next(struct cutter *c, struct cut *out, struct fault *f)
{
	*out = (struct cut){ .line = c->line };
	if (!c->begun)
		TRY(begin(c, f));
	return c->cut(c, out, f);
}
