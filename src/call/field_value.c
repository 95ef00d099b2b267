/* From what a caller said, a report has, or a tool was called with, to a value in its normal form.
 */
#include "call/field.h"

/* strict: a report's or argument's value that cannot be read as this type says nothing. */
static const struct {
	field_find *find;
	bool unasked, strict;
} types[FIELD_TYPE_COUNT] = {
	[FIELD_TEXT] = { field_text_find, false, false },
	[FIELD_NAME] = { field_name_find, true, false },
	[FIELD_PHONE] = { field_phone_find, true, true },
	[FIELD_EMAIL] = { field_email_find, true, true },
	[FIELD_NUMBER] = { field_number_find, true, true },
	[FIELD_MONEY] = { field_money_find, true, true },
	[FIELD_DATE] = { field_date_find, true, false },
	[FIELD_TIME] = { field_time_find, true, false },
	[FIELD_YES_NO] = { field_yes_no_find, false, true },
	[FIELD_CHOICE] = { field_choice_find, true, true },
	[FIELD_ADDRESS] = { field_address_find, true, false },
};

bool field_value_find(const struct field_search *s, struct field_found *out)
{
	if (s->from >= s->to)
		return false;
	return s->f->pattern ? field_pattern_find(s, out) : types[s->f->type].find(s, out);
}

bool field_value_unasked(const struct field *f)
{
	return f->pattern || types[f->type].unasked;
}

/* How programs say that they do not know. */
static bool says_nothing(struct span text)
{
	static const char *const words[] = {
		"unknown",     "n a",		"na",	     "null",
		"undefined",   "not provided",	"not given", "not specified",
		"desconocido", "not available", NULL
	};
	struct utterance u;
	utterance_read(text, &u);
	return u.n == 0 || utterance_phrase(&u, 0, words) == u.n;
}

static struct span text_of(const struct field *f, struct json v, struct arena *a)
{
	bool truth = f->type == FIELD_YES_NO || (f->type == FIELD_TEXT && v.kind != JSON_STRING);
	if (truth && json_true(v))
		return SPAN("yes");
	if (truth && (v.kind == JSON_FALSE || json_is_text(v, "false")))
		return SPAN("no");
	if (v.kind == JSON_STRING)
		return json_text(v, a);
	return v.kind == JSON_NUMBER ? v.raw : (struct span){ 0 };
}

static bool normal_form(const struct field *f, unsigned languages, struct span text,
			struct field_found *out)
{
	struct utterance u;
	utterance_read(text, &u);
	struct field_search s = { &u, f, 0, u.n, languages, true };
	bool plain = f->type == FIELD_TEXT || f->type == FIELD_NAME || f->type == FIELD_DATE ||
		     f->type == FIELD_ADDRESS;
	return !plain && u.n && types[f->type].find(&s, out);
}

bool field_value_json(const struct field *f, unsigned languages, struct json v,
		      struct field_found *out)
{
	struct arena a = { 0 };
	struct span text = span_trim(text_of(f, v, &a));
	bool some = text.n && !says_nothing(text);
	bool found = some && normal_form(f, languages, text, out);
	if (some && !found && !types[f->type].strict) {
		field_found_set(out, text, 0, 0);
		found = true;
	}
	arena_fini(&a);
	return found;
}
