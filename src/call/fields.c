/* Happy path: the JSON form becomes compiled definitions: texts copied, phrases as hashes of
 * stemmed words, patterns compiled. Failure modes: every refusal is E_INVALID and names the member,
 * so that an API caller can act on it; nothing is held then. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#include "call/field.h"

enum {
	NAME_BYTES = 40,
	LABEL_BYTES = 80,
	PHRASE_BYTES = 120,
	PHRASES_MAX = 16,
	CHOICES_MAX = 40,
	PATTERN_BYTES = 200,
	PATTERNS_COMPILED_BYTES = 16 * 1024,
	PATH_BYTES = 120,
	ABOUT_MAX = 32,
};

#define FIELD_MEMBERS(F, T)                       \
	F(T, TEXT, name, "name", REQUIRED)        \
	F(T, TEXT, label, "label", OPTIONAL)      \
	F(T, TEXT, type, "type", OPTIONAL)        \
	F(T, RAW, required, "required", OPTIONAL) \
	F(T, RAW, ask, "ask", OPTIONAL)           \
	F(T, RAW, choices, "choices", OPTIONAL)   \
	F(T, TEXT, pattern, "pattern", OPTIONAL)  \
	F(T, TEXT, report, "report", OPTIONAL)    \
	F(T, TEXT, argument, "argument", OPTIONAL)
JSON_STRUCT(field_json, FIELD_MEMBERS)
JSON_FIELDS(field_json, FIELD_MEMBERS)

/* Words of a label or an ask phrase that say nothing about what is asked for. */
static const char *const stop_words[] = {
	"a",	   "an",	"the",	    "of",    "for",   "to",    "in",	  "on",
	"at",	   "your",	"you",	    "my",    "me",    "i",     "is",	  "are",
	"s",	   "and",	"or",	    "what",  "whats", "which", "how",	  "many",
	"much",	   "may",	"can",	    "could", "have",  "do",    "please",  "callers",
	"caller",  "customers", "customer", "would", "like",  "el",    "la",	  "los",
	"las",	   "un",	"una",	    "de",    "del",   "para",  "en",	  "su",
	"sus",	   "tu",	"mi",	    "es",    "y",     "o",     "que",	  "cual",
	"cuantos", "cuantas",	"cuanto",   "puede", "me",    "dar",   "cliente", NULL,
};

/* --- names, labels, types --- */

static int check_size(const char *member, struct span text, size_t most, struct fault *f)
{
	if (text.n == 0 || text.n > most)
		return fault(f, E_INVALID, "%s: must have 1 to %zu bytes, has %zu", member, most,
			     text.n);
	return 0;
}

static int read_name(const struct fields *all, struct span name, struct field *out, struct fault *f)
{
	TRY(check_size("name", name, NAME_BYTES, f));
	for (size_t i = 0; i < name.n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_", name.p[i]))
			return fault(f, E_INVALID, "name: only a-z, 0-9 and _ are allowed");
	for (size_t i = 0; i < all->n; i++)
		if (span_eq(all->items[i].name, name))
			return fault(f, E_INVALID, "name: \"%.*s\" is there twice", SPAN_ARG(name));
	out->name = name;
	return 0;
}

static int read_label(struct arena *a, struct span label, struct field *out, struct fault *f)
{
	if (label.n) {
		out->label = label;
		return check_size("label", label, LABEL_BYTES, f);
	}
	out->label = arena_copy(a, out->name);
	for (size_t i = 0; i < out->label.n; i++)
		if (out->label.p[i] == '_')
			((char *)out->label.p)[i] = ' ';
	return 0;
}

static int read_type(struct span type, struct field *out, struct fault *f)
{
	unsigned i = 0;
	while (type.n && i < FIELD_TYPE_COUNT &&
	       !span_is(type, field_type_name((enum field_type)i)))
		i++;
	if (i == FIELD_TYPE_COUNT)
		return fault(f, E_INVALID, "type: unknown \"%.*s\"", SPAN_ARG(type));
	out->type = (enum field_type)i;
	return 0;
}

static int read_required(struct json v, struct field *out, struct fault *f)
{
	out->required = !json_has(v) || v.kind == JSON_TRUE;
	if (json_has(v) && v.kind != JSON_TRUE && v.kind != JSON_FALSE)
		return fault(f, E_INVALID, "required: must be true or false");
	return 0;
}

/* --- phrases --- */

static struct field_words words_of(struct arena *a, struct span text, bool contents_only)
{
	struct utterance u;
	struct field_words out = { .side_by_side = !contents_only };
	utterance_read(text, &u);
	uint32_t *stems = arena_alloc(a, (u.n ? u.n : 1) * sizeof(*stems));
	for (unsigned i = 0; i < u.n && out.n < UINT8_MAX; i++)
		if (!contents_only || !span_in(utterance_word(&u, i), stop_words))
			stems[out.n++] = u.w[i].stem;
	out.stems = stems;
	return out;
}

static int text_at(struct json v, size_t i, const char *member, size_t most, struct arena *a,
		   struct span *out, struct fault *f)
{
	char name[32];
	snprintf(name, sizeof(name), "%s[%zu]", member, i);
	if (v.kind != JSON_STRING)
		return fault(f, E_INVALID, "%s: must be a text", name);
	*out = json_text(v, a);
	return check_size(name, *out, most, f);
}

static int check_list(struct json v, const char *member, size_t most, struct fault *f)
{
	if (json_has(v) && v.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "%s: must be an array", member);
	if (json_count(v) > most)
		return fault(f, E_INVALID, "%s: at most %zu", member, most);
	return 0;
}

static int read_asks(struct arena *a, struct json list, struct field *out, struct fault *f)
{
	TRY(check_list(list, "ask", PHRASES_MAX, f));
	size_t n = json_has(list) ? json_count(list) : 0;
	struct json_iter it = json_iter(list);
	struct span key, text = { 0 };
	struct json v;
	struct field_words *asks = arena_alloc(a, (n ? n : 1) * sizeof(*asks));
	for (size_t i = 0; i < n && json_next(&it, &key, &v); i++) {
		TRY(text_at(v, i, "ask", PHRASE_BYTES, a, &text, f));
		asks[i] = words_of(a, text, false);
		if (asks[i].n == 0)
			return fault(f, E_INVALID, "ask[%zu]: has no words", i);
		out->question = i ? out->question : arena_copy(a, text);
	}
	out->by_label = n == 0;
	out->asks_n = (uint8_t)(n ? n : 1);
	if (n == 0)
		asks[0] = words_of(a, out->label, true);
	if (asks[0].n == 0) /* a label of nothing but stop words */
		asks[0] = words_of(a, out->label, false);
	out->asks = asks;
	return 0;
}

/* What the field is about: the content words of its label and of what is asked. */
static void set_about(struct arena *a, struct json list, struct field *out)
{
	struct buf text AUTO_BUF = { 0 };
	struct arena scratch = { 0 };
	struct json_iter it = json_iter(list);
	struct span key;
	struct json v;
	buf_add(&text, out->label);
	while (json_has(list) && json_next(&it, &key, &v)) {
		buf_addc(&text, ' ');
		buf_add(&text, json_text(v, &scratch));
	}
	out->about = words_of(a, buf_span(&text), true);
	if (out->about.n > ABOUT_MAX)
		out->about.n = ABOUT_MAX;
	arena_fini(&scratch);
}

static bool counts_people(struct json list, const struct field *f)
{
	struct arena scratch = { 0 };
	struct json_iter it = json_iter(list);
	struct span key;
	struct json v;
	bool people = field_number_people_label(f->label);
	while (json_has(list) && json_next(&it, &key, &v))
		people |= field_number_people_question(json_text(v, &scratch));
	arena_fini(&scratch);
	return people && f->type == FIELD_NUMBER;
}

/* "value|synonym|synonym" */
static int read_choice(struct arena *a, struct span text, size_t i, struct field_choice *out,
		       struct fault *f)
{
	size_t n = 1;
	for (size_t k = 0; k < text.n; k++)
		n += text.p[k] == '|';
	struct field_words *said = arena_alloc(a, n * sizeof(*said));
	for (size_t k = 0; k < n; k++) {
		const char *end = memchr(text.p, '|', text.n);
		struct span one = { text.p, end ? (size_t)(end - text.p) : text.n };
		said[k] = words_of(a, one, false);
		if (said[k].n == 0)
			return fault(f, E_INVALID, "choices[%zu]: an empty value or synonym", i);
		out->value = k ? out->value : arena_copy(a, one);
		text = span_from(text, one.n + 1);
	}
	out->said = said;
	out->said_n = (uint8_t)n;
	return 0;
}

static int read_choices(struct arena *a, struct json list, struct field *out, struct fault *f)
{
	TRY(check_list(list, "choices", CHOICES_MAX, f));
	size_t n = json_has(list) ? json_count(list) : 0;
	if ((n > 0) != (out->type == FIELD_CHOICE))
		return fault(f, E_INVALID, "choices: belong to type choice, which needs them");
	struct field_choice *choices = arena_alloc(a, (n ? n : 1) * sizeof(*choices));
	struct json_iter it = json_iter(list);
	struct span key, text;
	struct json v;
	for (size_t i = 0; i < n && json_next(&it, &key, &v); i++) {
		TRY(text_at(v, i, "choices", PHRASE_BYTES, a, &text, f));
		TRY(read_choice(a, text, i, &choices[i], f));
	}
	out->choices = choices;
	out->choices_n = (uint8_t)n;
	return 0;
}

/* --- patterns and paths --- */

static int read_pattern(struct fields *all, struct span pattern, struct field *out, struct fault *f)
{
	int code = 0;
	PCRE2_SIZE at = 0, size = 0;
	if (!pattern.n)
		return 0;
	TRY(check_size("pattern", pattern, PATTERN_BYTES, f));
	out->pattern = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n,
				     PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &code, &at, NULL);
	if (!out->pattern) {
		PCRE2_UCHAR why[128];
		pcre2_get_error_message(code, why, sizeof(why));
		return fault(f, E_INVALID, "pattern: %s at byte %zu", (const char *)why, at);
	}
	pcre2_pattern_info(out->pattern, PCRE2_INFO_SIZE, &size);
	all->pattern_bytes += size;
	if (all->pattern_bytes > PATTERNS_COMPILED_BYTES)
		return fault(f, E_INVALID, "pattern: all patterns together are too large");
	return 0;
}

static int read_paths(struct arena *a, const struct field_json *j, struct field *out,
		      struct fault *f)
{
	if (j->report.n > PATH_BYTES)
		return fault(f, E_INVALID, "report: at most %d bytes", PATH_BYTES);
	if (j->argument.n > PATH_BYTES)
		return fault(f, E_INVALID, "argument: at most %d bytes", PATH_BYTES);
	out->report = j->report.n ? arena_copy(a, j->report) : (struct span){ 0 };
	const char *dot = j->argument.n ? memchr(j->argument.p, '.', j->argument.n) : NULL;
	size_t n = dot ? (size_t)(dot - j->argument.p) : 0;
	if (j->argument.n && (n == 0 || n + 1 == j->argument.n))
		return fault(f, E_INVALID, "argument: must be the tool's name, a dot and a path");
	if (n) {
		out->tool = arena_copy(a, (struct span){ j->argument.p, n });
		out->path = arena_copy(a, span_from(j->argument, n + 1));
	}
	return 0;
}

static void make_question(struct fields *all, struct field *out)
{
	const char *form = all->languages == SPOKEN_ES ? "\xc2\xbfMe puede dar su %.*s?"
						       : "May I have your %.*s?";
	if (!out->question.n)
		out->question = span_of(arena_printf(&all->mem, form, SPAN_ARG(out->label)));
}

static int read_field(struct fields *all, struct json object, struct field *out, struct fault *f)
{
	struct field_json j = { 0 };
	struct arena *a = &all->mem;
	if (object.kind != JSON_OBJECT)
		return fault(f, E_INVALID, "must be an object");
	TRY(JSON_READ(field_json, object, a, &j, f));
	TRY(read_name(all, j.name, out, f));
	out->name = arena_copy(a, j.name);
	TRY(read_label(a, j.label.n ? arena_copy(a, j.label) : j.label, out, f));
	TRY(read_type(j.type, out, f));
	TRY(read_required(j.required, out, f));
	TRY(read_asks(a, j.ask, out, f));
	TRY(read_choices(a, j.choices, out, f));
	TRY(read_pattern(all, j.pattern, out, f));
	TRY(read_paths(a, &j, out, f));
	set_about(a, j.ask, out);
	out->people = counts_people(j.ask, out);
	make_question(all, out);
	return 0;
}

static int read_all(struct fields *all, struct json array, struct fault *f)
{
	struct json_iter it = json_iter(array);
	struct span key;
	struct json v;
	for (size_t i = 0; json_next(&it, &key, &v); i++) {
		/* Counted at once: what it holds is given back also when it is refused. */
		struct field *one = &all->items[i];
		if (read_field(all, v, one, f)) {
			all->n = i + 1;
			return fault_wrap(f, "fields[%zu]", i);
		}
		all->n = i + 1;
		all->of_type[one->type]++;
		all->of_people += one->people;
	}
	return 0;
}

static unsigned languages_of(struct span language)
{
	if (span_is(language, "en"))
		return SPOKEN_EN;
	return span_is(language, "es") ? SPOKEN_ES : SPOKEN_ANY;
}

int fields_new(struct fields **out, struct json array, struct span language, struct fault *f)
{
	size_t n = json_count(array);
	if (array.kind != JSON_ARRAY)
		return fault(f, E_INVALID, "fields: must be an array");
	if (n > FIELDS_MAX)
		return fault(f, E_INVALID, "fields: at most %d, got %zu", FIELDS_MAX, n);
	if (array.raw.n > FIELDS_JSON_MAX)
		return fault(f, E_INVALID, "fields: at most %d bytes, got %zu", FIELDS_JSON_MAX,
			     array.raw.n);
	struct fields *all = calloc(1, sizeof(*all));
	CHECK(all);
	all->languages = languages_of(language);
	all->items = arena_alloc(&all->mem, (n ? n : 1) * sizeof(*all->items));
	int rc = read_all(all, array, f);
	if (rc)
		fields_free(all);
	else
		*out = all;
	return rc;
}

void fields_free(struct fields *all)
{
	if (!all)
		return;
	for (size_t i = 0; i < all->n; i++)
		pcre2_code_free(all->items[i].pattern);
	arena_fini(&all->mem);
	free(all);
}

size_t fields_n(const struct fields *all)
{
	return all->n;
}

struct field_view fields_at(const struct fields *all, size_t i)
{
	const struct field *d = &all->items[i];
	return (struct field_view){ d->name, d->label, d->type, d->required };
}

struct span fields_question(const struct fields *all, size_t i)
{
	return all->items[i].question;
}

size_t fields_bytes(const struct fields *all)
{
	return all ? sizeof(*all) + all->mem.total + all->pattern_bytes : 0;
}
