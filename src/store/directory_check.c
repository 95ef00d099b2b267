/* What may be stored for a source or a tool. Every rule names the member it is about. */
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/config.h"
#include "base/crypto.h"
#include "store/directory_rows.h"

static const struct auth_way auth_ways[] = {
	{ "secret", AUTH_SECRET, "x-vapi-secret" },
	{ "bearer", AUTH_BEARER, "authorization" },
	{ "hmac", AUTH_HMAC, "x-signature" },
	{ "basic", AUTH_BASIC, "authorization" },
	{ "path", AUTH_PATH, "" },
	{ "twilio", AUTH_TWILIO, "x-twilio-signature" },
	{ "open", AUTH_OPEN, "" },
};

const struct auth_way *directory_auth_way(struct json type)
{
	for (size_t i = 0; i < sizeof(auth_ways) / sizeof(auth_ways[0]); i++)
		if (json_is_text(type, auth_ways[i].type))
			return &auth_ways[i];
	return NULL;
}

bool directory_digest(struct span algorithm, int *out)
{
	static const struct {
		const char *name;
		enum digest digest;
	} digests[] = { { "sha1", DIGEST_SHA1 },
			{ "sha256", DIGEST_SHA256 },
			{ "sha512", DIGEST_SHA512 } };
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (span_is(algorithm, digests[i].name)) {
			*out = (int)digests[i].digest;
			return true;
		}
	return false;
}

/* --- members by table --- */

enum { PATH_MAX_TEXT = 96 };

int directory_check_kind(struct json v, enum json_kind kind, const char *name, const char *at,
			 struct fault *f)
{
	return v.kind == kind ? 0 : fault(f, E_INVALID, "%s: must be %s", at, name);
}

int directory_check_text(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return directory_check_kind(v, JSON_STRING, "a text", at, f);
}

int directory_check_object(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return directory_check_kind(v, JSON_OBJECT, "an object", at, f);
}

int directory_check_bool(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return v.kind == JSON_TRUE || v.kind == JSON_FALSE
		       ? 0
		       : fault(f, E_INVALID, "%s: must be true or false", at);
}

int directory_check_between(struct json v, int64_t least, int64_t most, const char *at,
			    struct fault *f)
{
	int64_t n;
	if (v.kind != JSON_NUMBER || !json_i64(v, &n) || n < least || n > most)
		return fault(f, E_INVALID, "%s: must be a whole number from %lld to %lld", at,
			     (long long)least, (long long)most);
	return 0;
}

static int check_timeout(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return directory_check_between(v, 1, 15000, at, f); /* B1 */
}

static int check_status(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return directory_check_between(v, 100, 599, at, f);
}

static int check_tolerance(struct json v, const char *at, struct arena *a, struct fault *f)
{
	(void)a;
	return directory_check_between(v, 0, INT64_C(86400000), at, f);
}

int directory_check_one_of(struct json v, const char *const *words, const char *at, struct fault *f)
{
	char known[192] = "";
	size_t used = 0;
	for (; *words; words++) {
		if (json_is_text(v, *words))
			return 0;
		used += (size_t)snprintf(known + used, sizeof(known) - used, " %s",
					 **words ? *words : "\"\"");
	}
	return fault(f, E_INVALID, "%s: must be one of:%s", at, known);
}

static int check_method(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", NULL };
	(void)a;
	return directory_check_one_of(v, methods, at, f);
}

static int check_mode(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const modes[] = { "", "inline", "fetch", "id", NULL };
	(void)a;
	return directory_check_one_of(v, modes, at, f);
}

static int check_encoding(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const encodings[] = { "hex", "base64", NULL };
	(void)a;
	return directory_check_one_of(v, encodings, at, f);
}

static int check_algorithm(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const algorithms[] = { "sha1", "sha256", "sha512", NULL };
	(void)a;
	return directory_check_one_of(v, algorithms, at, f);
}

/* `one` or `other` is what it begins with. */
static int check_url_of(struct json v, const char *one, const char *other, const char *at,
			struct arena *a, struct fault *f)
{
	TRY(directory_check_text(v, at, a, f));
	struct span url = json_text(v, a);
	struct span host = span_starts(url, span_of(one))     ? span_from(url, strlen(one))
			   : span_starts(url, span_of(other)) ? span_from(url, strlen(other))
							      : (struct span){ 0 };
	if (!host.n || host.p[0] == '/' || host.p[0] == ':')
		return fault(f, E_INVALID, "%s: must be an %s or %s URL with a host", at, other,
			     one);
	for (size_t i = 0; i < url.n; i++)
		if ((unsigned char)url.p[i] <= ' ' || url.p[i] == 127)
			return fault(f, E_INVALID,
				     "%s: must not contain spaces or control characters", at);
	return 0;
}

int directory_check_url(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return check_url_of(v, "https://", "http://", at, a, f);
}

/* HTTP or WebSocket. */
int directory_check_service_url(struct json v, const char *at, struct arena *a, struct fault *f)
{
	struct span url = json_text(v, a);
	return span_starts(url, SPAN("ws")) ? check_url_of(v, "wss://", "ws://", at, a, f)
					    : directory_check_url(v, at, a, f);
}

/* Without a path: that is the socket's own. */
static int check_public_url(struct json v, const char *at, struct arena *a, struct fault *f)
{
	TRY(check_url_of(v, "wss://", "ws://", at, a, f));
	struct span url = json_text(v, a);
	struct span host = span_from(url, url.p[2] == 's' ? 6 : 5);
	return memchr(host.p, '/', host.n) || memchr(host.p, '?', host.n)
		       ? fault(f, E_INVALID, "%s: must end with the host or its port", at)
		       : 0;
}

static int check_url_or_none(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return json_is_text(v, "") ? 0 : directory_check_url(v, at, a, f);
}

/* Header names: RFC 9110 token. */
static int check_header_name(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char allowed[] = "!#$%&'*+-.^_`|~0123456789"
				      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	TRY(directory_check_text(v, at, a, f));
	struct span name = json_text(v, a);
	bool ok = name.n > 0 && name.n <= 100;
	for (size_t i = 0; i < name.n && ok; i++)
		ok = name.p[i] && strchr(allowed, name.p[i]);
	return ok ? 0 : fault(f, E_INVALID, "%s: must be the name of a header", at);
}

static int check_header_or_none(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return json_is_text(v, "") ? 0 : check_header_name(v, at, a, f);
}

static int check_pattern(struct json v, const char *at, struct arena *a, struct fault *f)
{
	TRY(directory_check_text(v, at, a, f));
	struct span pattern = json_text(v, a);
	int error;
	size_t offset;
	if (pattern.n > 1000)
		return fault(f, E_INVALID, "%s: longer than 1000 bytes", at);
	/* Empty means none; and pcre2 must not be given a null pointer. */
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)(pattern.n ? pattern.p : ""), pattern.n,
					 PCRE2_UTF, &error, &offset, NULL);
	if (code) {
		pcre2_code_free(code);
		return 0;
	}
	PCRE2_UCHAR why[128];
	pcre2_get_error_message(error, why, sizeof(why));
	return fault(f, E_INVALID, "%s: not a regular expression: %s at %zu", at, (char *)why,
		     offset);
}

int directory_check_secret(struct json v, const char *at, struct arena *a, struct fault *f)
{
	struct secret_ref ref = { 0 };
	int rc = config_secret_from_json(v, a, &ref, f);
	if (rc == 0)
		rc = config_secret_allowed(ref, SECRET_BY_API, f);
	if (rc == 0)
		return 0;
	fault_wrap(f, "%s", at);
	if (f)
		f->code = E_INVALID;
	return E_INVALID;
}

int directory_check_setting(struct span name, struct json value, const char *at, struct fault *f)
{
	static const char *const names[] = {
#define X(name, dflt, doc) #name,
		SETTINGS_NUMBERS(X)
#undef X
			NULL,
	};
	if (!span_in(name, names))
		return fault(f, E_INVALID, "%s: no such setting", at);
	return directory_check_between(value, 0, SETTINGS_NUMBER_MAX, at, f);
}

int directory_check_settings(struct json v, const char *at, struct arena *a, struct fault *f)
{
	TRY(directory_check_object(v, at, a, f));
	struct json_iter it = json_iter(v);
	struct span key;
	struct json value;
	while (json_next(&it, &key, &value)) {
		char path[PATH_MAX_TEXT];
		snprintf(path, sizeof(path), "%s.%.*s", at, (int)(key.n < 40 ? key.n : 40), key.p);
		TRY(directory_check_setting(key, value, path, f));
	}
	return 0;
}

/* Every member is known and passes its rule; null counts as absent. */
int directory_check_members(struct json object, const struct directory_rule *rules, const char *at,
			    struct arena *a, struct fault *f)
{
	struct json_iter it = json_iter(object);
	struct span key;
	struct json value;
	while (json_next(&it, &key, &value)) {
		const struct directory_rule *rule = rules;
		char path[PATH_MAX_TEXT];
		while (rule->name && !span_is(key, rule->name))
			rule++;
		snprintf(path, sizeof(path), "%s%s%.*s", at, *at ? "." : "",
			 (int)(key.n < 40 ? key.n : 40), key.p);
		if (!rule->name)
			return fault(f, E_INVALID, "%s: no such member", path);
		if (rule->check && value.kind != JSON_NULL)
			TRY(rule->check(value, path, a, f));
	}
	return 0;
}

int directory_check_each(struct json array, const char *at, struct arena *a,
			 int (*check)(struct json, const char *, struct arena *, struct fault *),
			 struct fault *f)
{
	TRY(directory_check_kind(array, JSON_ARRAY, "an array", at, f));
	struct json_iter it = json_iter(array);
	struct span key;
	struct json value;
	for (unsigned i = 0; json_next(&it, &key, &value); i++) {
		char path[PATH_MAX_TEXT];
		snprintf(path, sizeof(path), "%.60s[%u]", at, i);
		TRY(directory_check_kind(value, JSON_OBJECT, "an object", path, f));
		TRY(check(value, path, a, f));
	}
	return 0;
}

int directory_check_document(struct span json, const struct directory_rule *rules, struct arena *a,
			     struct json *out, struct fault *f)
{
	TRY(json_check(json, f));
	*out = json_of(json);
	if (out->kind != JSON_OBJECT)
		return fault(f, E_INVALID, "must be an object");
	return directory_check_members(*out, rules, "", a, f);
}

/* --- sources --- */

static const struct directory_rule auth_rules[] = {
	{ "type", directory_check_text },
	{ "secret", directory_check_secret },
	{ "header", check_header_name },
	{ "algorithm", check_algorithm },
	{ "signature_header", check_header_name },
	{ "timestamp_header", check_header_name },
	{ "prefix", directory_check_text },
	{ "include_timestamp", directory_check_bool },
	{ "payload_format", directory_check_text },
	{ "message_id_header", check_header_or_none },
	{ "encoding", check_encoding },
	{ "secret_is_base64", directory_check_bool },
	{ "tolerance_ms", check_tolerance },
	{ "user", directory_check_text },
	{ "public_url", check_public_url },
	{ NULL, NULL },
};

static int check_auth(struct json v, const char *at, struct arena *a, struct fault *f)
{
	const struct auth_way *way = directory_auth_way(json_get(v, "type"));
	if (!way)
		return fault(f, E_INVALID,
			     "%s.type: must be one of: secret bearer hmac basic path twilio open",
			     at);
	if (way->mode != AUTH_OPEN && !json_has(json_get(v, "secret")))
		return fault(f, E_INVALID, "%s.secret: is needed", at);
	if (way->mode == AUTH_TWILIO && !json_has(json_get(v, "public_url")))
		return fault(f, E_INVALID, "%s.public_url: is needed: the signature covers it", at);
	return directory_check_members(v, auth_rules, at, a, f);
}

static int check_auths(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return directory_check_each(v, at, a, check_auth, f);
}

static int check_failure(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const struct directory_rule rules[] = { { "destination", directory_check_object },
						       { "error", directory_check_text },
						       { NULL, NULL } };
	TRY(directory_check_object(v, at, a, f));
	if (json_count(v) != 1)
		return fault(f, E_INVALID, "%s: either destination or error is needed", at);
	return directory_check_members(v, rules, at, a, f);
}

/* The path /in/{dialect}/{name} is made of these. */
static int check_word(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	TRY(directory_check_text(v, at, a, f));
	struct span word = json_text(v, a);
	bool ok = word.n > 0 && word.n <= 100;
	for (size_t i = 0; i < word.n && ok; i++)
		ok = word.p[i] && strchr(allowed, word.p[i]);
	return ok ? 0
		  : fault(f, E_INVALID, "%s: must be 1 to 100 of letters, digits and . _ -", at);
}

int directory_check_id(struct json v, const char *at, struct arena *a, struct fault *f)
{
	struct uuid id;
	TRY(directory_check_text(v, at, a, f));
	return uuid_parse(&id, json_text(v, a)) ? fault(f, E_INVALID, "%s: not an id", at) : 0;
}

static const struct directory_rule source_rules[] = {
	{ "name", check_word },
	{ "dialect", check_word },
	{ "project_id", directory_check_id },
	{ "auth", check_auths },
	{ "private_key", directory_check_secret },
	{ "control_key", directory_check_secret },
	{ "api_base", directory_check_url },
	{ "upstream_url", check_url_or_none },
	{ "upstream_timeout_ms", check_timeout },
	{ "answers", directory_check_object },
	{ "assistant", directory_check_object },
	{ "assistant_id", directory_check_text },
	{ "assistant_mode", check_mode },
	{ "variable_values", directory_check_object },
	{ "failure", check_failure },
	{ "connect", directory_check_connect },
	{ "settings", directory_check_settings },
	DIRECTORY_WRITTEN_BY_US,
	{ NULL, NULL },
};

int directory_check_source(struct span json, struct fault *f)
{
	struct arena a = { 0 };
	struct json source;
	int rc = directory_check_document(json, source_rules, &a, &source, f);
	arena_fini(&a);
	return rc;
}

/* --- tools --- */

/* Headers that carry credentials by nature: their value may only be a reference. */
static bool is_credential(struct span name)
{
	static const char *const words[] = { "authorization", "cookie", "token",   "secret",
					     "api-key",	      "apikey", "password" };
	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
		size_t n = strlen(words[w]);
		for (size_t i = 0; i + n <= name.n; i++)
			if (strncasecmp(name.p + i, words[w], n) == 0)
				return true;
	}
	return false;
}

static int check_header_value(struct json v, const char *at, struct arena *a, struct fault *f)
{
	TRY(directory_check_text(v, at, a, f));
	struct span value = json_text(v, a);
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < ' ' || value.p[i] == 127)
			return fault(f, E_INVALID, "%s: must not contain control characters", at);
	return 0;
}

static int check_header(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const struct directory_rule rules[] = { { "name", check_header_name },
						       { "value", check_header_value },
						       { "secret", directory_check_secret },
						       { NULL, NULL } };
	TRY(directory_check_members(v, rules, at, a, f));
	bool value = json_has(json_get(v, "value")), secret = json_has(json_get(v, "secret"));
	if (!json_has(json_get(v, "name")))
		return fault(f, E_INVALID, "%s.name: is needed", at);
	if (value == secret)
		return fault(f, E_INVALID, "%s: either value or secret is needed", at);
	if (value && is_credential(json_text(json_get(v, "name"), a)))
		return fault(
			f, E_INVALID,
			"%s.value: a credential must be given by reference: \"secret\": {\"env\": "
			"\"CALLMEND_SECRET_...\"}",
			at);
	return 0;
}

int directory_check_headers(struct json v, const char *at, struct arena *a, struct fault *f)
{
	return directory_check_each(v, at, a, check_header, f);
}

static int check_success(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const struct directory_rule rules[] = {
		{ "status_min", check_status },
		{ "status_max", check_status },
		{ "json_path", directory_check_text },
		{ "pattern", check_pattern },
		{ "empty_path", directory_check_text },
		{ "empty_pattern", check_pattern },
		{ NULL, NULL },
	};
	int64_t least, most;
	TRY(directory_check_object(v, at, a, f));
	TRY(directory_check_members(v, rules, at, a, f));
	if (json_i64(json_get(v, "status_min"), &least) &&
	    json_i64(json_get(v, "status_max"), &most) && least > most)
		return fault(f, E_INVALID, "%s.status_min: is above status_max", at);
	return 0;
}

static const struct directory_rule tool_rules[] = {
	{ "name", directory_check_text },
	{ "description", directory_check_text },
	{ "project_id", directory_check_id },
	{ "url", directory_check_url },
	{ "method", check_method },
	{ "headers", directory_check_headers },
	{ "timeout_ms", check_timeout },
	{ "fallback", directory_check_text },
	{ "success", check_success },
	{ "result_path", directory_check_text },
	{ "search_argument", directory_check_text },
	DIRECTORY_WRITTEN_BY_US,
	{ NULL, NULL },
};

int directory_check_tool(struct span json, struct fault *f)
{
	struct arena a = { 0 };
	struct json tool;
	int rc = directory_check_document(json, tool_rules, &a, &tool, f);
	arena_fini(&a);
	return rc;
}

/* --- outbound webhook endpoints --- */

static int check_notification_types(struct json v, const char *at, struct arena *a, struct fault *f)
{
	static const char *const types[] = { "instruction_suggestion", "suggestion_applied",
					     "suggestion_failed",      "tool_failure",
					     "mapping_proposed",       "analysis_dead",
					     "webhook_disabled",       NULL };
	struct json_iter it = json_iter(v);
	struct span key;
	struct json type;
	(void)a;
	TRY(directory_check_kind(v, JSON_ARRAY, "an array", at, f));
	while (json_next(&it, &key, &type))
		TRY(directory_check_one_of(type, types, at, f));
	return 0;
}

/* One, or the new and the old one while it is rotated. */
static int check_secret_or_two(struct json v, const char *at, struct arena *a, struct fault *f)
{
	if (v.kind != JSON_ARRAY)
		return directory_check_secret(v, at, a, f);
	if (json_count(v) != 2)
		return fault(f, E_INVALID, "%s: must be a secret or an array of two", at);
	return directory_check_each(v, at, a, directory_check_secret, f);
}

int directory_check_webhook(struct span json, struct fault *f)
{
	static const struct directory_rule rules[] = { { "url", directory_check_url },
						       { "secret", check_secret_or_two },
						       { "types", check_notification_types },
						       { "description", directory_check_text },
						       { "disabled", directory_check_bool },
						       DIRECTORY_WRITTEN_BY_US,
						       { NULL, NULL } };
	struct arena a = { 0 };
	struct json endpoint;
	int rc = directory_check_document(json, rules, &a, &endpoint, f);
	arena_fini(&a);
	return rc;
}
