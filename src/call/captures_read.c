/* One turn of a call: an assistant's asks for fields, a caller's answers, mentions, corrects or
 * refuses. */
#include <stdlib.h>

#include "call/captures.h"

enum { ANSWER = 80, ANSWER_TEXT = 60, MENTION = 70 };

void captures_read_free(struct shown *t)
{
	for (unsigned i = 0; i < t->found_n; i++)
		kept_free(&t->found[i].value);
	free(t->found);
	t->found = NULL;
	t->found_n = 0;
}

struct reader {
	const struct captures *c;
	struct shown *turn;
	struct utterance u;
	struct finding found[FIELDS_MAX];
	uint8_t order[FIELDS_MAX]; /* of the fields asked for: typed ones first */
	unsigned n;
	unsigned taken_from[FIELDS_MAX], taken_to[FIELDS_MAX]; /* words of found values */
	unsigned languages;
	uint64_t valued;
};

static struct finding *add(struct reader *r, size_t field, enum finding_kind kind, unsigned from,
			   unsigned to)
{
	struct finding *f = &r->found[r->n];
	struct span all = r->u.raw, part = utterance_slice(&r->u, from, to);
	/* The whole turn where it is short: words around a value are its proof. */
	bool whole = all.n <= FIELD_PASSAGE_MAX && kind != FOUND_ASKED;
	struct span passage = kept_clip(whole || !part.n ? all : part, FIELD_PASSAGE_MAX);
	r->taken_from[r->n] = from;
	r->taken_to[r->n] = to;
	r->n++;
	*f = (struct finding){ .field = (uint8_t)field,
			       .kind = (uint8_t)kind,
			       .from = (uint16_t)(passage.p - all.p),
			       .length = (uint16_t)passage.n };
	return f;
}

static void add_value(struct reader *r, size_t i, const struct field_found *v, bool replaces)
{
	const struct field *d = &r->c->fields->items[i];
	unsigned from = v->from > 12 ? v->from - 12 : 0;
	struct finding *f = add(r, i, FOUND_VALUE, from, r->u.n);
	r->taken_from[r->n - 1] = v->from;
	r->taken_to[r->n - 1] = v->to;
	kept_set(&f->value, (struct span){ v->value, v->n });
	f->how = replaces ? FIELD_BY_ANSWER : FIELD_BY_MENTION;
	f->replaces = replaces;
	f->confidence = !replaces			       ? MENTION
			: d->type == FIELD_TEXT && !d->pattern ? ANSWER_TEXT
							       : ANSWER;
	r->valued |= UINT64_C(1) << i;
}

static bool taken(const struct reader *r, const struct field_found *v, unsigned *behind)
{
	for (unsigned k = 0; k < r->n; k++)
		if (v->from < r->taken_to[k] && r->taken_from[k] < v->to) {
			*behind = r->taken_to[k];
			return true;
		}
	return false;
}

/* A value in [from, to) of words that no other field has taken. */
static bool find_free(const struct reader *r, const struct field *f, unsigned from, unsigned to,
		      bool asked, struct field_found *out)
{
	struct field_search s = { &r->u, f, from, to, r->languages, asked };
	unsigned behind = from;
	while (field_value_find(&s, out)) {
		if (!taken(r, out, &behind))
			return true;
		if (behind <= s.from)
			return false;
		s.from = behind;
	}
	return false;
}

/* Behind a correction within the turn ("six, no, seven") first. */
static bool find_corrected(const struct reader *r, const struct field *f, bool asked,
			   struct field_found *out)
{
	unsigned behind = field_ask_corrected(&r->u);
	bool typed = f->type != FIELD_TEXT && f->type != FIELD_YES_NO && f->type != FIELD_ADDRESS;
	if (behind && typed && f->type != FIELD_NAME && find_free(r, f, behind, r->u.n, asked, out))
		return true;
	return find_free(r, f, 0, r->u.n, asked, out);
}

/* What other fields have left of the turn, for a text: the longer of before and behind. */
static bool find_rest(const struct reader *r, const struct field *f, struct field_found *out)
{
	unsigned first = r->u.n, last = 0;
	for (unsigned k = 0; k < r->n; k++) {
		first = r->taken_from[k] < first ? r->taken_from[k] : first;
		last = r->taken_to[k] > last ? r->taken_to[k] : last;
	}
	if (last == 0)
		return find_free(r, f, 0, r->u.n, true, out);
	bool before = first > r->u.n - last;
	return find_free(r, f, before ? 0 : last, before ? first : r->u.n, true, out);
}

static bool loose(const struct field *f)
{
	return !f->pattern && (f->type == FIELD_TEXT || f->type == FIELD_NAME ||
			       f->type == FIELD_ADDRESS || f->type == FIELD_YES_NO);
}

static bool asked(const struct reader *r, size_t i)
{
	return r->turn->before.pending >> i & 1;
}

static void read_answers(struct reader *r, bool loose_ones)
{
	struct field_found v;
	for (size_t i = 0; i < r->c->fields->n; i++) {
		const struct field *f = &r->c->fields->items[i];
		if (!asked(r, i) || loose(f) != loose_ones)
			continue;
		bool text = f->type == FIELD_TEXT && !f->pattern;
		if (text ? find_rest(r, f, &v) : find_corrected(r, f, true, &v))
			add_value(r, i, &v, true);
	}
}

/* "No, it's seven people": of a field that was told before, the one whose words are said, else the
 * one of that type that was told last. */
static void read_corrections(struct reader *r)
{
	unsigned behind = field_ask_corrected(&r->u);
	struct field_found v;
	for (size_t i = 0; behind && i < r->c->fields->n; i++) {
		const struct field *f = &r->c->fields->items[i];
		bool bit = r->valued >> i & 1;
		bool last = r->turn->before.latest[f->type] == i + 1;
		bool named = field_words_any(&f->about, &r->u, 0, r->u.n);
		if (bit || asked(r, i) || (loose(f) && f->type != FIELD_NAME) || (!last && !named))
			continue;
		bool bare = f->type != FIELD_NAME;
		if (r->turn->before.latest[f->type] && find_free(r, f, behind, r->u.n, bare, &v))
			add_value(r, i, &v, true);
	}
}

/* Of several fields of a type only the one whose words are said is meant; how many people there
 * will be is said without any. */
static bool meant(const struct reader *r, const struct field *f)
{
	return f->pattern || r->c->fields->of_type[f->type] == 1 ||
	       (f->people && r->c->fields->of_people == 1) ||
	       field_words_any(&f->about, &r->u, 0, r->u.n);
}

static bool asks_only(const struct reader *r, unsigned word)
{
	static const char *const wishes[] = { "can i",	  "could i", "may i",	  "can we",
					      "could we", "can you", "could you", "puedo",
					      "podria",	  "podemos", "me puede",  "quiero",
					      "id like",  "i want",  "i need",	  "would like",
					      NULL };
	unsigned from = word;
	while (from > 0 && !r->u.w[from].sentence)
		from--;
	unsigned to = utterance_sentence_end(&r->u, from);
	return field_ask_counters(&r->u, word) && utterance_find(&r->u, from, to, wishes) == to;
}

static void read_mentions(struct reader *r)
{
	struct field_found v;
	for (size_t i = 0; i < r->c->fields->n; i++) {
		const struct field *f = &r->c->fields->items[i];
		bool here = !(r->valued >> i & 1) && !asked(r, i);
		if (!here || !field_value_unasked(f) || !meant(r, f))
			continue;
		if (find_free(r, f, 0, r->u.n, false, &v) && !asks_only(r, v.from))
			add_value(r, i, &v, false);
	}
}

/* Refused unasked: the whole of the field's label or of what is asked must be said. */
static bool named(const struct reader *r, const struct field *f)
{
	unsigned end;
	for (unsigned k = 0; k < f->asks_n; k++)
		if (field_words_find(&f->asks[k], &r->u, 0, r->u.n, &end) < r->u.n)
			return true;
	return false;
}

/* Of the fields asked for, those whose words are said; else all of them. */
static uint64_t refused_of(const struct reader *r, uint64_t open)
{
	const struct fields *all = r->c->fields;
	uint64_t said = 0;
	for (size_t i = 0; i < all->n; i++) {
		const struct field *f = &all->items[i];
		bool hit = open ? field_words_any(&f->about, &r->u, 0, r->u.n) : named(r, f);
		said |= hit ? UINT64_C(1) << i : 0;
	}
	said &= ~r->valued;
	if (!open)
		return said;
	return said & open ? said & open : open;
}

static void read_refusals(struct reader *r)
{
	uint64_t open = r->turn->before.pending & ~r->valued;
	bool said = field_ask_refused(&r->u);
	bool no = open && open == r->turn->before.pending && field_ask_bare_no(&r->u);
	if (!said && !no)
		return;
	uint64_t refused = refused_of(r, open);
	for (size_t i = 0; i < r->c->fields->n; i++)
		if (refused >> i & 1)
			add(r, i, FOUND_REFUSED, 0, r->u.n);
}

/* Answered with a question, or "no": no text for a field whose question begs for a value. */
static void drop_texts_if_refused(struct reader *r)
{
	if (!field_ask_refused(&r->u))
		return;
	unsigned kept = 0;
	for (unsigned k = 0; k < r->n; k++) {
		const struct field *f = &r->c->fields->items[r->found[k].field];
		bool drop =
			f->type == FIELD_TEXT && !f->pattern && r->found[k].how == FIELD_BY_ANSWER;
		if (drop) {
			r->valued &= ~(UINT64_C(1) << r->found[k].field);
			kept_free(&r->found[k].value);
			continue;
		}
		r->taken_from[kept] = r->taken_from[k];
		r->taken_to[kept] = r->taken_to[k];
		r->found[kept++] = r->found[k];
	}
	r->n = kept;
}

static void read_user(struct reader *r, struct context *after)
{
	read_answers(r, false);
	read_answers(r, true);
	drop_texts_if_refused(r);
	read_corrections(r);
	read_mentions(r);
	read_refusals(r);
	after->pending &= ~r->valued;
	for (unsigned k = 0; k < r->n; k++)
		if (r->found[k].kind == FOUND_VALUE)
			after->latest[r->c->fields->items[r->found[k].field].type] =
				(uint8_t)(r->found[k].field + 1);
}

/* An assistant's own words capture nothing: also when it reads a value back. */
static void read_assistant(struct reader *r, struct context *after)
{
	uint16_t where[FIELDS_MAX];
	unsigned language = utterance_language(&r->u);
	uint64_t now = field_ask_asked(r->c->fields, &r->u, where);
	for (size_t i = 0; i < r->c->fields->n; i++)
		if (now >> i & 1)
			add(r, i, FOUND_ASKED, where[i], utterance_sentence_end(&r->u, where[i]));
	if (now)
		after->pending = now;
	else if (field_ask_asks(&r->u) && !field_ask_repeats(&r->u))
		after->pending = 0;
	if (r->c->fields->languages == SPOKEN_ANY && language != SPOKEN_ANY)
		after->language = (uint8_t)language;
}

void captures_read(const struct captures *c, struct shown *t, struct context *context)
{
	struct reader r = { .c = c, .turn = t };
	captures_read_free(t);
	t->before = *context;
	utterance_read(kept_span(&t->text), &r.u);
	r.languages = context->language;
	if (t->speaker == SPEAKER_USER)
		read_user(&r, context);
	else
		read_assistant(&r, context);
	if (r.n == 0)
		return;
	t->found = malloc(r.n * sizeof(*t->found));
	CHECK(t->found);
	memcpy(t->found, r.found, r.n * sizeof(*t->found));
	t->found_n = r.n;
}
