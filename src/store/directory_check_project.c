/* What may be stored for a project, a context item and a mapping. */
#include <stdio.h>

#include "callmend/fields.h"
#include "callmend/thresholds.h"
#include "callmend/understanding.h"
#include "store/directory_rows.h"

enum {
	REASONS_MAX = 50,
	WORDS_MAX = 200,
	MAPPED_TERMS_MAX = 20,
	AT_MAX = 128,
};
#define MINUTES_MAX 100000.0

static int check_short(struct json v, size_t most, const char *at, struct arena *a, struct fault *f)
{
	TRY(directory_check_text(v, at, a, f));
	size_t n = json_text(v, a).n;
	return n > 0 && n <= most
		       ? 0
		       : fault(f, E_INVALID, "%s: must be a text of 1 to %zu bytes", at, most);
}

static int check_words(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return check_short(v, WORDS_MAX, at, a, f);
}

static int check_speaker(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const speakers[] = { "ai", "user", NULL };
	(void)a;
	return directory_check_one_of(v, speakers, at, f);
}

/* A list of `least` to `most` texts. */
static int check_texts(struct json v, size_t least, size_t most, const char *at, struct arena *a,
		       struct fault *f)
{
	struct json_iter it = json_iter(v);
	struct span key;
	struct json item;
	char path[AT_MAX];
	if (v.kind != JSON_ARRAY || json_count(v) < least || json_count(v) > most)
		return fault(f, E_INVALID, "%s: must be an array of %zu to %zu texts", at, least,
			     most);
	for (unsigned i = 0; json_next(&it, &key, &item); i++) {
		snprintf(path, sizeof(path), "%.90s[%u]", at, i);
		TRY(check_words(item, path, a, f));
	}
	return 0;
}

static int check_reasons(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return check_texts(v, 1, REASONS_MAX, at, a, f);
}

static int check_phrase(struct json v, const char *at, struct arena *a, struct fault *f)
{
	TRY(check_words(v, at, a, f));
	return understanding_phrase(json_text(v, a))
		       ? 0
		       : fault(f, E_INVALID,
			       "%s: must have a letter or a digit, and at most %d bytes as plain "
			       "words",
			       at, UNDERSTANDING_PHRASE_MAX - 2);
}

static int check_phrases(struct json v, const char *at, struct arena *a, struct fault *f)
{
	struct json_iter it = json_iter(v);
	struct span key;
	struct json item;
	char path[AT_MAX];
	TRY(check_texts(v, 1, UNDERSTANDING_PHRASES_MAX, at, a, f));
	for (unsigned i = 0; json_next(&it, &key, &item); i++) {
		snprintf(path, sizeof(path), "%.90s[%u]", at, i);
		TRY(check_phrase(item, path, a, f));
	}
	return 0;
}

/* --- fields (D1) --- */

/* What is not known here is asked for in the language the project is in, or will be. */
static int check_fields(struct json v, const char *at, struct arena *a, struct fault *f)
{
	struct fields *fields = NULL;
	(void)a;
	TRY(directory_check_kind(v, JSON_ARRAY, "an array", at, f));
	TRY(fields_new(&fields, v, SPAN("auto"), f));
	fields_free(fields);
	return 0;
}

/* --- the success rule (C1) --- */

static int check_yes(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return v.kind == JSON_TRUE ? 0 : fault(f, E_INVALID, "%s: must be true", at);
}

static int check_any_list(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return v.kind == JSON_ARRAY && json_count(v) > 0
		       ? 0
		       : fault(f, E_INVALID, "%s: must be an array that is not empty", at);
}

static int check_number(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return directory_check_kind(v, JSON_NUMBER, "a number", at, f);
}

static int check_all(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const words[] = { "all", NULL };
	(void)a;
	return directory_check_one_of(v, words, at, f);
}

static int check_classes(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const classes[] = { "customer", "assistant", "provider", "telephony",
					       "limit",	   "other",	"lost",	    NULL };
	struct json_iter it = json_iter(v);
	struct span key;
	struct json item;
	char path[AT_MAX];
	TRY(check_reasons(v, at, a, f));
	for (unsigned i = 0; json_next(&it, &key, &item); i++) {
		snprintf(path, sizeof(path), "%.90s[%u]", at, i);
		TRY(directory_check_one_of(item, classes, path, f));
	}
	return 0;
}

/* The first member of each names the kind. */
static const struct directory_rule structured_rules[] = {
	{ "structured", check_words }, { "equals", NULL },	 { "in", check_any_list },
	{ "present", check_yes },      { "label", check_words }, { NULL, NULL },
};
static const struct directory_rule evaluation_rules[] = {
	{ "evaluation", directory_check_bool },
	{ "threshold", check_number },
	{ "label", check_words },
	{ NULL, NULL },
};
static const struct directory_rule tool_rules[] = {
	{ "tool", check_words },
	{ "success", directory_check_bool },
	{ "label", check_words },
	{ NULL, NULL },
};
static const struct directory_rule reason_rules[] = { { "ended_reason", check_reasons },
						      { "label", check_words },
						      { NULL, NULL } };
static const struct directory_rule class_rules[] = { { "ended_class", check_classes },
						     { "label", check_words },
						     { NULL, NULL } };
static const struct directory_rule phrase_rules[] = { { "phrase", check_phrase },
						      { "speaker", check_speaker },
						      { "label", check_words },
						      { NULL, NULL } };
static const struct directory_rule field_rules[] = { { "field", check_words },
						     { "label", check_words },
						     { NULL, NULL } };
static const struct directory_rule all_rules[] = { { "fields", check_all },
						   { "label", check_words },
						   { NULL, NULL } };
static const struct directory_rule *const conditions[] = {
	structured_rules, evaluation_rules, tool_rules,	 reason_rules,
	class_rules,	  phrase_rules,	    field_rules, all_rules,
};

/* A null of `equals` is a value; one of the others is none. */
static bool compares(struct json v)
{
	return json_get(v, "equals").kind != JSON_NONE || json_has(json_get(v, "in")) ||
	       json_has(json_get(v, "present"));
}

static int check_condition(struct json v, const char *at, struct arena *a, struct fault *f)
{
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		const struct directory_rule *rules = conditions[i];
		if (!json_has(json_get(v, rules->name)))
			continue;
		TRY(directory_check_members(v, rules, at, a, f));
		if (rules == structured_rules && !compares(v))
			return fault(f, E_INVALID, "%s: equals, in or present is needed", at);
		return 0;
	}
	return fault(f, E_INVALID,
		     "%s: must have one of: structured evaluation tool ended_reason ended_class "
		     "phrase field fields",
		     at);
}

static int check_conditions(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return directory_check_each(v, at, a, check_condition, f);
}

static int check_success_rule(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const struct directory_rule rules[] = { { "success", check_conditions },
						       { "failure", check_conditions },
						       { NULL, NULL } };
	TRY(directory_check_object(v, at, a, f));
	TRY(directory_check_members(v, rules, at, a, f));
	return json_count(json_get(v, "success")) + json_count(json_get(v, "failure")) <=
			       UNDERSTANDING_CONDITIONS_MAX
		       ? 0
		       : fault(f, E_INVALID, "%s: at most %d conditions", at,
			       UNDERSTANDING_CONDITIONS_MAX);
}

/* --- rules of intervention (A9) --- */

static int check_rules(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)at;
	(void)a;
	return settings_rules_check(v, f);
}

/* --- context of a call (A8) --- */

static int check_lookup_timeout(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return directory_check_between(v, 1, DIRECTORY_LOOKUP_MAX_MS, at, f);
}

static int check_lookup(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const struct directory_rule rules[] = { { "url", directory_check_url },
						       { "headers", directory_check_headers },
						       { "timeout_ms", check_lookup_timeout },
						       { NULL, NULL } };
	TRY(directory_check_object(v, at, a, f));
	if (!json_has(json_get(v, "url")))
		return fault(f, E_INVALID, "%s.url: is needed", at);
	return directory_check_members(v, rules, at, a, f);
}

static int check_context(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const struct directory_rule rules[] = { { "inject", directory_check_bool },
						       { "lookup", check_lookup },
						       { NULL, NULL } };
	TRY(directory_check_object(v, at, a, f));
	return directory_check_members(v, rules, at, a, f);
}

/* --- tags, thresholds, minutes --- */

static int check_tag_name(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return check_short(v, UNDERSTANDING_TAG_BYTES_MAX, at, a, f);
}

static int check_tag(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const struct directory_rule rules[] = { { "tag", check_tag_name },
						       { "category", check_tag_name },
						       { "speaker", check_speaker },
						       { "phrases", check_phrases },
						       { NULL, NULL } };
	if (!json_has(json_get(v, "tag")))
		return fault(f, E_INVALID, "%s.tag: is needed", at);
	if (!json_has(json_get(v, "phrases")))
		return fault(f, E_INVALID, "%s.phrases: is needed", at);
	return directory_check_members(v, rules, at, a, f);
}

static int check_tags(struct json v, const char *at, struct arena *a, struct fault *f)
{
	TRY(directory_check_each(v, at, a, check_tag, f));
	return json_count(v) <= UNDERSTANDING_TAGS_MAX
		       ? 0
		       : fault(f, E_INVALID, "%s: at most %d tags", at, UNDERSTANDING_TAGS_MAX);
}

static int check_threshold(struct span name, struct json v, const char *at, struct fault *f)
{
	static const struct {
		const char *name;
		double least, most;
	} known[] = {
#define X(name, dflt, least, most, doc) { #name, least, most },
		THRESHOLDS(X)
#undef X
	};
	double n;
	size_t i = 0;
	while (i < sizeof(known) / sizeof(known[0]) && !span_is(name, known[i].name))
		i++;
	if (i == sizeof(known) / sizeof(known[0]))
		return fault(f, E_INVALID, "%s: no such threshold", at);
	if (v.kind != JSON_NUMBER || !json_f64(v, &n) || n < known[i].least || n > known[i].most)
		return fault(f, E_INVALID, "%s: must be a number from %g to %g", at, known[i].least,
			     known[i].most);
	return 0;
}

static int check_thresholds(struct json v, const char *at, struct arena *a, struct fault *f)
{
	struct json_iter it = json_iter(v);
	struct span key;
	struct json value;
	TRY(directory_check_object(v, at, a, f));
	while (json_next(&it, &key, &value)) {
		char path[AT_MAX];
		snprintf(path, sizeof(path), "%s.%.*s", at, (int)(key.n < 40 ? key.n : 40), key.p);
		TRY(check_threshold(key, value, path, f));
	}
	return 0;
}

static int check_minutes(struct json v, const char *at, struct arena *a, struct fault *f)
{
	double n;
	(void)a;
	return v.kind == JSON_NUMBER && json_f64(v, &n) && n >= 0 && n <= MINUTES_MAX
		       ? 0
		       : fault(f, E_INVALID, "%s: must be a number from 0 to 100000", at);
}

/* --- live audio --- */

static int check_vad(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const words[] = { "standard", "none", NULL };
	(void)a;
	return directory_check_one_of(v, words, at, f);
}

static int check_keep_days(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return directory_check_between(v, 1, DIRECTORY_KEEP_DAYS_MAX, at, f);
}

static int check_recording(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const struct directory_rule rules[] = { { "on", directory_check_bool },
						       { "keep_days", check_keep_days },
						       { NULL, NULL } };
	TRY(directory_check_object(v, at, a, f));
	return directory_check_members(v, rules, at, a, f);
}

static int check_stt_provider(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const words[] = { "deepgram", "openai-realtime", "openai-http", NULL };
	(void)a;
	return directory_check_one_of(v, words, at, f);
}

static int check_stt(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const struct directory_rule rules[] = {
		{ "provider", check_stt_provider }, { "url", directory_check_service_url },
		{ "model", directory_check_text },  { "language", directory_check_text },
		{ "key", directory_check_secret },  { NULL, NULL }
	};
	TRY(directory_check_object(v, at, a, f));
	if (!json_has(json_get(v, "provider")))
		return fault(f, E_INVALID, "%s.provider: is needed", at);
	return directory_check_members(v, rules, at, a, f);
}

static int check_audio(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const struct directory_rule rules[] = { { "vad", check_vad },
						       { "listen", directory_check_bool },
						       { "listen_socket", directory_check_bool },
						       { "recording", check_recording },
						       { "stt", check_stt },
						       { NULL, NULL } };
	TRY(directory_check_object(v, at, a, f));
	return directory_check_members(v, rules, at, a, f);
}

int directory_check_project(struct span json, struct fault *f)
{
	static const struct directory_rule rules[] = {
		{ "name", directory_check_text },
		{ "language", directory_check_text },
		{ "settings", directory_check_settings },
		{ "fields", check_fields },
		{ "success_rule", check_success_rule },
		{ "rules", check_rules },
		{ "context", check_context },
		{ "tags", check_tags },
		{ "thresholds", check_thresholds },
		{ "audio", check_audio },
		{ "minutes_per_success", check_minutes },
		DIRECTORY_WRITTEN_BY_US,
		{ NULL, NULL },
	};
	struct arena a = { 0 };
	struct json project;
	int rc = directory_check_document(json, rules, &a, &project, f);
	arena_fini(&a);
	return rc;
}

/* --- context items --- */

static int count_characters(struct json v, size_t least, size_t most, const char *at,
			    struct arena *a, struct fault *f)
{
	TRY(directory_check_text(v, at, a, f));
	struct span s = json_text(v, a);
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++)
		n += ((uint8_t)s.p[i] & 0xc0) != 0x80;
	return n >= least && n <= most
		       ? 0
		       : fault(f, E_INVALID, "%s: must be a text of %zu to %zu characters", at,
			       least, most);
}

static int check_title(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return count_characters(v, 1, 200, at, a, f);
}

static int check_item_text(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return count_characters(v, 0, 2000, at, a, f);
}

static int check_item_kind(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const kinds[] = { "issue", "order", "note", NULL };
	(void)a;
	return directory_check_one_of(v, kinds, at, f);
}

int directory_check_context(struct span json, struct fault *f)
{
	static const struct directory_rule rules[] = { { "contact_number", check_words },
						       { "conversation_id", directory_check_id },
						       { "kind", check_item_kind },
						       { "title", check_title },
						       { "text", check_item_text },
						       { "data", directory_check_object },
						       { "expires_at", directory_check_text },
						       { "closed", directory_check_bool },
						       { NULL, NULL } };
	struct arena a = { 0 };
	struct json item;
	int rc = directory_check_document(json, rules, &a, &item, f);
	arena_fini(&a);
	return rc;
}

/* --- mappings --- */

static int check_mapped_terms(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return check_texts(v, 1, MAPPED_TERMS_MAX, at, a, f);
}

int directory_check_mapping(struct span json, struct fault *f)
{
	static const char *const sources[] = { "manual", "auto_learned", "ai_suggested", NULL };
	static const struct directory_rule rules[] = { { "project_id", directory_check_id },
						       { "search_term", check_words },
						       { "mapped_terms", check_mapped_terms },
						       { "source", NULL },
						       { NULL, NULL } };
	struct arena a = { 0 };
	struct json mapping;
	int rc = directory_check_document(json, rules, &a, &mapping, f);
	if (rc == 0 && json_has(json_get(mapping, "source")))
		rc = directory_check_one_of(json_get(mapping, "source"), sources, "source", f);
	arena_fini(&a);
	return rc;
}
