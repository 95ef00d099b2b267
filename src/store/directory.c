/* Happy path: the document is copied into the directory's arena and read row by row into plain
 * arrays that point into it.
 *
 * Failure modes.
 *  - The document is no JSON object with a version: E_INVALID, no directory.
 *  - One row cannot be used: it is left out and logged by kind and id; the rest is served. So it is
 * with one setting, and with tools beyond what a project may have.
 *  - A secret cannot be resolved: the row stays, `missing` says why; whoever needs the secret
 * refuses. */
#include "callmend/directory.h"

#include <limits.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/crypto.h"
#include "base/log.h"
#include "store/directory_rows.h"

/* --- roles --- */

static const struct {
	const char *name;
	enum role role;
} roles[] = {
#define X(name, text, rank, doc) { text, ROLE_##name },
	ROLES(X)
#undef X
};

const char *role_name(enum role role)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "";
}

bool role_from(struct span name, enum role *out)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (span_is(name, roles[i].name)) {
			*out = roles[i].role;
			return true;
		}
	return false;
}

/* --- reading rows --- */

struct reading {
	struct directory *d;
	struct arena *a; /* the directory's */
	const char *secrets_dir;
};

static struct span text(struct reading *r, struct json object, const char *name)
{
	return json_text(json_get(object, name), r->a);
}

static int read_id(struct json row, const char *name, struct uuid *out, struct fault *f)
{
	struct span raw = json_get(row, name).raw;
	struct span inside = raw.n > 2 ? (struct span){ raw.p + 1, raw.n - 2 } : (struct span){ 0 };
	if (uuid_parse(out, inside))
		return fault(f, E_INVALID, "%s: not an id", name);
	return 0;
}

/* An object, or JSON_NONE. */
static struct json object_of(struct json row, const char *name)
{
	struct json v = json_get(row, name);
	return v.kind == JSON_OBJECT ? v : (struct json){ 0 };
}

/* "settings" without the members that would make every BIND record of the source or project
 * unreadable. */
static struct json settings_of(struct reading *r, struct json row, const char *kind)
{
	struct buf kept AUTO_BUF = { 0 };
	struct json_out o = { .b = &kept };
	struct json_iter it = json_iter(object_of(row, "settings"));
	struct span key;
	struct json value;
	json_begin(&o, NULL);
	while (json_next(&it, &key, &value)) {
		struct fault why = { 0 };
		const char *name = arena_printf(r->a, "%.*s", SPAN_ARG(key));
		struct span id = text(r, row, "id");
		if (directory_check_setting(key, value, name, &why) == 0)
			json_put_raw(&o, name, value.raw);
		else
			log_warn("directory", "setting of %s %.*s is left out: %s", kind,
				 SPAN_ARG(id), why.text);
	}
	json_end(&o);
	return json_of(arena_copy(r->a, buf_span(&kept)));
}

static int64_t number_of(struct json row, const char *name, int64_t dflt)
{
	int64_t v;
	return json_i64(json_get(row, name), &v) ? v : dflt;
}

static struct dir_secret secret_of(struct reading *r, struct json ref)
{
	struct dir_secret secret = { 0 };
	struct buf value AUTO_BUF = { 0 };
	struct fault why = { 0 };
	int rc = json_has(ref) ? config_secret_read(ref, r->secrets_dir, &value, &why)
			       : fault(&why, E_NOT_FOUND, "no secret is configured");
	if (rc)
		secret.missing = arena_copy(r->a, span_of(why.text));
	else
		secret.value = arena_copy(r->a, buf_span(&value));
	return secret;
}

/* A secret that may well be absent: empty then, with nothing missing. */
static struct dir_secret optional_secret(struct reading *r, struct json ref)
{
	return json_has(ref) ? secret_of(r, ref) : (struct dir_secret){ 0 };
}

/* --- tokens --- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_hash(struct span hex, uint8_t out[32], struct fault *f)
{
	if (hex.n != 64)
		return fault(f, E_INVALID, "hash: not 64 hex digits");
	for (size_t i = 0; i < 32; i++) {
		int high = hex_digit(hex.p[2 * i]), low = hex_digit(hex.p[2 * i + 1]);
		if (high < 0 || low < 0)
			return fault(f, E_INVALID, "hash: not 64 hex digits");
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int read_token(struct reading *r, struct json row, void *out, struct fault *f)
{
	struct dir_token *t = out;
	struct span expires = text(r, row, "expires_at");
	TRY(read_id(row, "id", &t->id, f));
	TRY(read_id(row, "org_id", &t->org, f));
	TRY(read_hash(text(r, row, "hash"), t->hash, f));
	t->name = text(r, row, "name");
	if (!role_from(text(r, row, "role"), &t->role))
		return fault(f, E_INVALID, "role: unknown");
	if (expires.n && !clock_parse(expires, &t->expires_us))
		return fault(f, E_INVALID, "expires_at: not a time");
	return 0;
}

/* --- sources --- */

static struct span lower(struct reading *r, struct span s)
{
	char *copy = arena_alloc(r->a, s.n + 1);
	for (size_t i = 0; i < s.n; i++)
		copy[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + 32 : s.p[i]);
	return (struct span){ copy, s.n };
}

static struct span text_or(struct reading *r, struct json object, const char *name,
			   const char *dflt)
{
	struct json v = json_get(object, name);
	return v.kind == JSON_STRING ? json_text(v, r->a) : span_of(dflt);
}

static void read_hmac(struct reading *r, struct json row, struct dir_auth *a)
{
	struct json timestamp = json_get(row, "include_timestamp");
	a->header = lower(r, text_or(r, row, "signature_header", "x-signature"));
	a->timestamp_header = lower(r, text_or(r, row, "timestamp_header", "x-timestamp"));
	a->prefix = text(r, row, "prefix");
	a->payload_format = text_or(r, row, "payload_format", "{timestamp}.{body}");
	a->id_header = lower(r, text(r, row, "message_id_header"));
	a->include_timestamp = !json_has(timestamp) || json_true(timestamp);
	a->base64_signature = json_is_text(json_get(row, "encoding"), "base64");
	a->base64_secret = json_true(json_get(row, "secret_is_base64"));
	a->tolerance_ms = number_of(row, "tolerance_ms", DIRECTORY_TOLERANCE_MS);
}

static int read_auth(struct reading *r, struct json row, void *out, struct fault *f)
{
	struct dir_auth *a = out;
	const struct auth_way *way = directory_auth_way(json_get(row, "type"));
	if (!way)
		return fault(f, E_INVALID, "auth: unknown type");
	a->mode = way->mode;
	if (a->mode == AUTH_OPEN)
		return 0;
	a->secret = secret_of(r, json_get(row, "secret"));
	a->header = lower(r, text_or(r, row, "header", way->header));
	a->user = text(r, row, "user");
	a->public_url = text(r, row, "public_url");
	if (a->mode == AUTH_HMAC) {
		read_hmac(r, row, a);
		struct span algorithm = text_or(r, row, "algorithm", "sha256");
		if (!directory_digest(algorithm, &a->digest))
			return fault(f, E_INVALID, "auth: unknown algorithm");
	}
	return 0;
}

typedef int read_row_fn(struct reading *r, struct json row, void *out, struct fault *f);

/* Reads an array of rows into an array of structs; rows that cannot be used are left out. */
static const void *read_rows(struct reading *r, struct json rows, const char *kind, size_t size,
			     read_row_fn *read_row, size_t *n)
{
	size_t most = rows.kind == JSON_ARRAY ? json_count(rows) : 0;
	char *items = most ? arena_alloc(r->a, most * size) : NULL;
	struct json_iter it = json_iter(rows);
	struct span key;
	struct json row;
	*n = 0;
	while (most && json_next(&it, &key, &row)) {
		struct fault why = { 0 };
		void *item = items + *n * size;
		if (read_row(r, row, item, &why) == 0) {
			*n += 1;
			continue;
		}
		struct span id = text(r, row, "id");
		log_warn("directory", "%s %.*s is left out: %s", kind, SPAN_ARG(id), why.text);
		memset(item, 0, size);
	}
	return items;
}

static int read_filter(struct reading *r, struct json row, void *out, struct fault *f)
{
	struct span *filter = out;
	*filter = json_text(row, r->a);
	return filter->n ? 0 : fault(f, E_INVALID, "not a text");
}

static enum dir_channels channels_of(struct json v)
{
	return json_is_text(v, "customer,assistant")   ? CHANNELS_CUSTOMER_FIRST
	       : json_is_text(v, "assistant,customer") ? CHANNELS_ASSISTANT_FIRST
						       : CHANNELS_UNKNOWN;
}

static enum dir_first_voice first_voice_of(struct json v)
{
	return json_is_text(v, "ours")	     ? FIRST_VOICE_OURS
	       : json_is_text(v, "customer") ? FIRST_VOICE_CUSTOMER
	       : json_is_text(v, "answerer") ? FIRST_VOICE_ANSWERER
					     : FIRST_VOICE_UNKNOWN;
}

/* Absent or unreadable: no session. */
static void read_connect(struct reading *r, struct json row, struct dir_source *s)
{
	struct json c = json_get(row, "connect");
	struct fault why = { 0 };
	if (!json_has(c))
		return;
	if (directory_check_connect(c, "connect", r->a, &why)) {
		log_warn("directory", "source %.*s has no session with its platform: %s",
			 SPAN_ARG(s->name), why.text);
		return;
	}
	s->connect = (struct dir_connect){
		.on = true,
		.client_id = text(r, c, "client_id"),
		.client_secret = secret_of(r, json_get(c, "client_secret")),
		.jwt = secret_of(r, json_get(c, "jwt")),
		.events = text_or(r, c, "events", "websocket"),
		.address = text(r, c, "address"),
		.verification = optional_secret(r, json_get(c, "verification")),
		.from_number = text(r, c, "from_number"),
		.account = text(r, c, "account"),
		.platform = text(r, c, "platform"),
		.recordings = !json_has(json_get(c, "recordings")) ||
			      json_true(json_get(c, "recordings")),
		.channels = channels_of(json_get(c, "recording_channels")),
		.first_voice = first_voice_of(json_get(c, "recording_first_voice")),
		.insights = json_true(json_get(c, "insights")),
		.after_s = number_of(c, "after_s", DIRECTORY_AFTER_S),
	};
	s->connect.filters = read_rows(r, json_get(c, "filters"), "filter of a source",
				       sizeof(struct span), read_filter, &s->connect.filters_n);
}

/* A way in that cannot be read must not become another, wider one: the others stay, this one is
 * gone. */
static int read_source(struct reading *r, struct json row, void *out, struct fault *f)
{
	struct dir_source *s = out;
	TRY(read_id(row, "id", &s->id, f));
	TRY(read_id(row, "org_id", &s->org, f));
	TRY(read_id(row, "project_id", &s->project, f));
	s->name = text(r, row, "name");
	s->dialect = text(r, row, "dialect");
	if (!s->name.n || !s->dialect.n)
		return fault(f, E_INVALID, "name and dialect are needed");
	s->auth = read_rows(r, json_get(row, "auth"), "auth of a source", sizeof(*s->auth),
			    read_auth, &s->auth_n);
	s->private_key = optional_secret(r, json_get(row, "private_key"));
	s->control_key = optional_secret(r, json_get(row, "control_key"));
	s->api_base = text(r, row, "api_base");
	s->upstream_url = text(r, row, "upstream_url");
	s->upstream_timeout_ms = number_of(row, "upstream_timeout_ms", 5000);
	s->answers = object_of(row, "answers");
	s->assistant = object_of(row, "assistant");
	s->assistant_id = text(r, row, "assistant_id");
	s->assistant_mode = text(r, row, "assistant_mode");
	s->variable_values = object_of(row, "variable_values");
	s->failure = object_of(row, "failure");
	s->settings = settings_of(r, row, "source");
	read_connect(r, row, s);
	return 0;
}

/* --- projects --- */

static int read_header(struct reading *r, struct json row, void *out, struct fault *f)
{
	struct dir_header *h = out;
	h->name = text(r, row, "name");
	if (!h->name.n)
		return fault(f, E_INVALID, "header without a name");
	if (json_has(json_get(row, "secret")))
		h->value = secret_of(r, json_get(row, "secret"));
	else
		h->value.value = text(r, row, "value");
	return 0;
}

static void read_rule(struct reading *r, struct json row, struct tool_rule *rule)
{
	struct json success = json_get(row, "success");
	rule->name = text(r, row, "name");
	rule->timeout_ms = number_of(row, "timeout_ms", 10000);
	rule->fallback = text(r, row, "fallback");
	rule->status_min = number_of(success, "status_min", 200);
	rule->status_max = number_of(success, "status_max", 299);
	rule->json_path = text(r, success, "json_path");
	rule->pattern = text(r, success, "pattern");
	rule->empty_path = text(r, success, "empty_path");
	rule->empty_pattern = text(r, success, "empty_pattern");
	rule->result_path = text(r, row, "result_path");
}

static int read_tool(struct reading *r, struct json row, void *out, struct fault *f)
{
	struct dir_tool *t = out;
	TRY(read_id(row, "id", &t->id, f));
	TRY(directory_check_tool(row.raw, f));
	read_rule(r, row, &t->rule);
	t->rule.id = t->id;
	t->url = text(r, row, "url");
	t->method = text_or(r, row, "method", "POST");
	t->search_argument = text(r, row, "search_argument");
	t->headers = read_rows(r, json_get(row, "headers"), "header of a tool", sizeof(*t->headers),
			       read_header, &t->headers_n);
	return 0;
}

/* In the order of the document: the oldest stay. */
static void limit_tools(struct dir_project *p)
{
	char id[UUID_TEXT + 1];
	if (p->tools_n <= SETTINGS_TOOLS_MAX)
		return;
	uuid_format(&p->id, id);
	log_warn("directory", "project %s has %zu tools: all after the first %d are left out", id,
		 p->tools_n, SETTINGS_TOOLS_MAX);
	p->tools_n = SETTINGS_TOOLS_MAX;
}

static int read_mapping(struct reading *r, struct json row, void *out, struct fault *f)
{
	struct dir_mapping *m = out;
	TRY(read_id(row, "id", &m->id, f));
	m->term = text(r, row, "term");
	m->mapped = text(r, row, "mapped");
	return m->term.n && m->mapped.n ? 0 : fault(f, E_INVALID, "term and mapped are needed");
}

static int by_term(const void *a, const void *b)
{
	struct span x = ((const struct dir_mapping *)a)->term;
	struct span y = ((const struct dir_mapping *)b)->term;
	int order = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
	return order ? order : (x.n > y.n) - (x.n < y.n);
}

static void read_mappings(struct reading *r, struct json row, struct dir_project *p)
{
	struct dir_mapping *mappings = (struct dir_mapping *)(uintptr_t)read_rows(
		r, json_get(row, "mappings"), "mapping", sizeof(*p->mappings), read_mapping,
		&p->mappings_n);
	if (p->mappings_n > 1)
		qsort(mappings, p->mappings_n, sizeof(*mappings), by_term);
	p->mappings = mappings;
}

static void read_context(struct reading *r, struct json row, struct dir_project *p)
{
	struct json context = json_get(row, "context"), lookup = json_get(context, "lookup");
	p->context_inject = json_true(json_get(context, "inject"));
	p->lookup.url = text(r, lookup, "url");
	p->lookup.timeout_ms = number_of(lookup, "timeout_ms", DIRECTORY_LOOKUP_MS);
	p->lookup.headers =
		read_rows(r, json_get(lookup, "headers"), "header of a lookup",
			  sizeof(*p->lookup.headers), read_header, &p->lookup.headers_n);
}

static void read_audio(struct reading *r, struct json row, struct dir_project *p)
{
	struct json audio = json_get(row, "audio"), recording = json_get(audio, "recording");
	struct json stt = json_get(audio, "stt");
	p->audio = (struct dir_audio){
		.vad = text_or(r, audio, "vad", "standard"),
		.listen = json_true(json_get(audio, "listen")),
		.listen_socket = json_true(json_get(audio, "listen_socket")),
		.recording = json_true(json_get(recording, "on")),
		.keep_days = number_of(recording, "keep_days", DIRECTORY_KEEP_DAYS),
	};
	if (!json_has(stt))
		return;
	p->audio.stt = (struct dir_stt){
		.provider = text(r, stt, "provider"),
		.url = text(r, stt, "url"),
		.model = text(r, stt, "model"),
		.language = text(r, stt, "language"),
		.key = optional_secret(r, json_get(stt, "key")),
	};
}

/* A member that could make every BIND record of the project unreadable. JSON_NONE: left out. */
static struct json sound(struct reading *r, struct json row, const char *name)
{
	struct json v = json_get(row, name);
	struct buf alone AUTO_BUF = { 0 };
	struct json_out o = { .b = &alone };
	struct fault why = { 0 };
	if (!json_has(v) || json_count(v) == 0)
		return (struct json){ 0 };
	json_begin(&o, NULL);
	json_put_raw(&o, name, v.raw);
	json_end(&o);
	if (directory_check_project(buf_span(&alone), &why) == 0)
		return v;
	struct span id = text(r, row, "id");
	log_warn("directory", "%s of project %.*s are left out: %s", name, SPAN_ARG(id), why.text);
	return (struct json){ 0 };
}

static int read_project(struct reading *r, struct json row, void *out, struct fault *f)
{
	struct dir_project *p = out;
	TRY(read_id(row, "id", &p->id, f));
	TRY(read_id(row, "org_id", &p->org, f));
	p->name = text(r, row, "name");
	p->language = text_or(r, row, "language", "en");
	p->settings = settings_of(r, row, "project");
	p->instruction_number = number_of(row, "instruction_number", 0);
	if (p->instruction_number)
		TRY(read_id(row, "instruction_version", &p->instruction_version, f));
	p->instruction_text = text(r, row, "instruction_text");
	p->fields = sound(r, row, "fields");
	p->rules = sound(r, row, "rules");
	if (json_has(sound(r, row, "context")))
		read_context(r, row, p);
	read_audio(r, row, p);
	read_mappings(r, row, p);
	struct dir_tool *tools = (struct dir_tool *)(uintptr_t)read_rows(
		r, json_get(row, "tools"), "tool", sizeof(*p->tools), read_tool, &p->tools_n);
	for (size_t i = 0; i < p->tools_n; i++)
		tools[i].project = p->id;
	p->tools = tools;
	limit_tools(p);
	return 0;
}

/* --- the whole --- */

static int read_document(struct reading *r, struct json document, struct fault *f)
{
	struct directory *d = r->d;
	int64_t version;
	if (!json_i64(json_get(document, "version"), &version) || version < 1)
		return fault(f, E_INVALID, "directory: no version");
	d->version = (uint64_t)version;
	d->tokens = read_rows(r, json_get(document, "tokens"), "token", sizeof(*d->tokens),
			      read_token, &d->tokens_n);
	d->sources = read_rows(r, json_get(document, "sources"), "source", sizeof(*d->sources),
			       read_source, &d->sources_n);
	d->projects = read_rows(r, json_get(document, "projects"), "project", sizeof(*d->projects),
				read_project, &d->projects_n);
	return 0;
}

int directory_new(struct directory **out, struct span document, const char *secrets_dir,
		  struct fault *f)
{
	TRY(json_check(document, f));
	struct directory *d = calloc(1, sizeof(*d));
	if (!d)
		return fault(f, E_NOMEM, "directory");
	d->refs = 1;
	struct reading r = { .d = d,
			     .a = &d->arena,
			     .secrets_dir = secrets_dir ? secrets_dir : "" };
	int rc = read_document(&r, json_of(arena_copy(&d->arena, document)), f);
	if (rc) {
		directory_unref(d);
		return rc;
	}
	*out = d;
	return 0;
}

/* Immutable but for the count. */
static int *refs_of(const struct directory *d)
{
	return (int *)(uintptr_t)&d->refs;
}

const struct directory *directory_ref(const struct directory *d)
{
	__atomic_add_fetch(refs_of(d), 1, __ATOMIC_RELAXED);
	return d;
}

void directory_unref(const struct directory *d)
{
	if (!d || __atomic_sub_fetch(refs_of(d), 1, __ATOMIC_ACQ_REL))
		return;
	struct directory *mine = (struct directory *)(uintptr_t)d;
	struct arena arena = mine->arena;
	free(mine);
	arena_fini(&arena);
}

/* --- looking up --- */

const struct dir_source *directory_source(const struct directory *d, struct span dialect,
					  struct span name)
{
	for (size_t i = 0; i < d->sources_n; i++)
		if (span_eq(d->sources[i].name, name) && span_eq(d->sources[i].dialect, dialect))
			return &d->sources[i];
	return NULL;
}

const struct dir_source *directory_source_by_id(const struct directory *d, const struct uuid *id)
{
	for (size_t i = 0; i < d->sources_n; i++)
		if (uuid_eq(&d->sources[i].id, id))
			return &d->sources[i];
	return NULL;
}

const struct dir_project *directory_project(const struct directory *d, const struct uuid *id)
{
	for (size_t i = 0; i < d->projects_n; i++)
		if (uuid_eq(&d->projects[i].id, id))
			return &d->projects[i];
	return NULL;
}

static const struct dir_tool *tool_in(const struct dir_project *p, const struct uuid *id)
{
	for (size_t i = 0; i < p->tools_n; i++)
		if (uuid_eq(&p->tools[i].id, id))
			return &p->tools[i];
	return NULL;
}

const struct dir_tool *directory_tool(const struct directory *d, const struct uuid *id)
{
	const struct dir_tool *found = NULL;
	for (size_t i = 0; i < d->projects_n && !found; i++)
		found = tool_in(&d->projects[i], id);
	return found;
}

const struct dir_token *directory_token(const struct directory *d, struct span token,
					int64_t now_us)
{
	uint8_t hash[32];
	struct span given = { (const char *)hash, sizeof(hash) };
	const struct dir_token *found = NULL;
	crypto_sha256(token, hash);
	/* All of them, whichever matches. */
	for (size_t i = 0; i < d->tokens_n; i++)
		if (crypto_equal(given, (struct span){ (const char *)d->tokens[i].hash, 32 }))
			found = &d->tokens[i];
	return found && (!found->expires_us || found->expires_us > now_us) ? found : NULL;
}
