#include "api_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypto.h"
#include "schema.h"

static struct kit *kit_of(struct rig *r)
{
	return (struct kit *)((char *)r - offsetof(struct kit, rig));
}

struct api *api_of(struct http_server *server)
{
	struct kit *k = kit_of(http_server_user(server));
	for (unsigned i = 0; i < RIG_MAX_SHARDS; i++)
		if (k->rig.servers[i] == server)
			return k->apis[i];
	fail_msg("a server of no shard");
	return NULL;
}

struct uuid kit_uuid(const char *text)
{
	struct uuid u;
	assert_int_equal(0, uuid_parse(&u, span_of(text)));
	return u;
}

static void put_token(struct json_out *o, const char *without, const char *org, const char *token,
		      const char *role, const char *expires)
{
	static unsigned n;
	uint8_t hash[32];
	char id[UUID_TEXT + 1];
	struct buf hex AUTO_BUF = { 0 };
	if (without && strcmp(without, token) == 0)
		return;
	struct uuid u = uuid_v5(&(struct uuid){ .b = { (uint8_t)n } }, span_of(token));
	uuid_format(&u, id);
	crypto_sha256(span_of(token), hash);
	crypto_hex((struct span){ (const char *)hash, 32 }, &hex);
	json_begin(o, NULL);
	json_put_z(o, "id", id);
	json_put_z(o, "org_id", org);
	json_put_z(o, "name", token + 3);
	json_put_z(o, "role", role);
	json_put_text(o, "hash", buf_span(&hex));
	json_put_z(o, "expires_at", expires);
	json_end(o);
}

static void put_project(struct json_out *o, const char *id, const char *name)
{
	json_begin(o, NULL);
	json_put_z(o, "id", id);
	json_put_z(o, "org_id", KIT_ORG);
	json_put_z(o, "name", name);
	json_put_z(o, "language", "en");
	json_put_raw(o, "settings", SPAN("{}"));
	json_put_null(o, "instruction_version");
	json_put_i64(o, "instruction_number", 0);
	json_put_z(o, "instruction_text", "");
	json_put_raw(o, "tools", SPAN("[]"));
	json_end(o);
}

#define KIT_CONNECT                                                        \
	"\"client_id\":\"c\",\"client_secret\":{\"file\":\"s\"},\"jwt\":{" \
	"\"file\":\"j\"}"

static void put_source(struct json_out *o, const char *id, const char *dialect, const char *name,
		       const char *connect)
{
	json_begin(o, NULL);
	json_put_z(o, "id", id);
	json_put_z(o, "org_id", KIT_ORG);
	json_put_z(o, "project_id", KIT_PROJECT);
	json_put_z(o, "dialect", dialect);
	json_put_z(o, "name", name);
	if (connect)
		json_put_raw(o, "connect", span_of(connect));
	json_put_raw(o, "auth", SPAN("[]"));
	json_put_null(o, "private_key");
	json_put_null(o, "control_key");
	json_put_z(o, "api_base", "https://api.vapi.ai");
	json_put_z(o, "upstream_url", "");
	json_put_i64(o, "upstream_timeout_ms", 5000);
	json_put_raw(o, "answers", SPAN("{}"));
	json_put_null(o, "assistant");
	json_put_z(o, "assistant_id", "");
	json_put_z(o, "assistant_mode", "");
	json_put_raw(o, "variable_values", SPAN("{}"));
	json_put_null(o, "failure");
	json_put_raw(o, "settings", SPAN("{}"));
	json_end(o);
}

const struct directory *kit_directory(const char *without)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	struct directory *d = NULL;
	struct fault f = { 0 };
	json_begin(&o, NULL);
	json_put_i64(&o, "version", without ? 2 : 1);
	json_begin_array(&o, "tokens");
	put_token(&o, without, KIT_ORG, KIT_VIEWER, "viewer", NULL);
	put_token(&o, without, KIT_ORG, KIT_SUPERVISOR, "supervisor", NULL);
	put_token(&o, without, KIT_ORG, KIT_MANAGER, "manager", NULL);
	put_token(&o, without, KIT_ORG, KIT_ADMIN, "admin", NULL);
	put_token(&o, without, KIT_ORG_2, KIT_OTHER_ORG, "admin", NULL);
	put_token(&o, without, KIT_ORG, KIT_EXPIRED, "admin", "2020-01-01T00:00:00.000000Z");
	json_end_array(&o);
	json_begin_array(&o, "projects");
	put_project(&o, KIT_PROJECT, "one");
	put_project(&o, KIT_PROJECT_2, "two");
	json_end_array(&o);
	json_begin_array(&o, "sources");
	put_source(&o, KIT_SOURCE, "vapi", "main", NULL);
	put_source(&o, KIT_TEXTS, "ringcentral", "texts",
		   "{" KIT_CONNECT ",\"from_number\":\"+15550107101\"}");
	put_source(&o, KIT_NUMBERLESS, "ringcentral", "numberless", "{" KIT_CONNECT "}");
	put_source(&o, KIT_MUTE, "ringcentral", "mute", NULL);
	json_end_array(&o);
	json_end(&o);
	if (directory_new(&d, buf_span(&b), "/nonexistent", &f))
		fail_msg("directory: %s", f.text);
	return d;
}

static void on_directory(void *user, const struct directory *d)
{
	struct kit *k = user;
	if (!k->store_url) { /* what a node would have from its file: the kit has its own */
		directory_unref(d);
		return;
	}
	unsigned n = atomic_fetch_add(&k->directories_n, 1);
	assert_true(n < KIT_DIRECTORIES);
	k->directories[n] = d; /* until the end: shards may be looking at it */
	atomic_store(&k->live.next_directory, d);
}

static void readiness(void *user, struct api_readiness *out)
{
	struct kit *k = user;
	out->draining = atomic_load(&k->draining);
	out->journal_failed = atomic_load(&k->journal_failed);
}

#define WHY "token: 400 invalid_grant"

static bool session(struct connect *c, const struct uuid *source, enum connect_state *state,
		    int64_t *since_us, char *why)
{
	(void)source;
	*state = CONNECT_DENIED;
	*since_us = 0;
	strcpy(why, WHY);
	return atomic_load(&((struct kit *)c)->denied);
}

static void sessions(struct connect *c,
		     void (*each)(void *user, const struct uuid *source, enum connect_state,
				  int64_t since_us, const char *why),
		     void *user)
{
	struct uuid id = kit_uuid(KIT_SOURCE), other = kit_uuid(KIT_PROJECT);
	if (!atomic_load(&((struct kit *)c)->denied))
		return;
	each(user, &id, CONNECT_DENIED, 0, WHY);
	each(user, &other, CONNECT_LIVE, 0, "");
}

static void on_start(struct rig *r, struct shard *s)
{
	struct kit *k = kit_of(r);
	struct fault f = { 0 };
	k->live.shards = shard_group(s);
	if (api_start(&k->apis[shard_index(s)], k->common, s, &f))
		fail_msg("api_start: %s", f.text);
}

static void on_stop(struct rig *r, struct shard *s)
{
	api_stop(take(kit_of(r)->apis[shard_index(s)]));
}

static void start_store(struct kit *k)
{
	struct fault f = { 0 };
	struct store_config c = {
		.url = k->store_url ? k->store_url : "host=/nonexistent dbname=none",
		.state_dir = k->state_dir,
		.secrets_dir = k->state_dir,
		.max_waiting = 100,
		.on_directory = on_directory,
		.user = k,
	};
	snprintf(k->state_dir, sizeof(k->state_dir), "/tmp/callmend-api-XXXXXX");
	assert_non_null(mkdtemp(k->state_dir));
	if (store_new(&k->store, &c, &f))
		fail_msg("store_new: %s", f.text);
}

void kit_start(struct kit *k)
{
	struct fault f = { 0 };
	k->live.directory = kit_directory(NULL);
	start_store(k);
	struct api_config config = {
		.live = &k->live,
		.listen = &k->listen,
		.store = k->store,
		.readiness = readiness,
		.user = k,
		.connect = (struct connect *)k,
		.session = session,
		.sessions = sessions,
		.rate_per_s = k->rate_per_s,
		.rate_burst = k->rate_burst,
		.watcher_queue_bytes = k->ws_queue_bytes ? k->ws_queue_bytes : 256 * 1024,
		.slow_watcher_ms = k->slow_watcher_ms,
	};
	if (api_common_new(&k->common, &config, &f))
		fail_msg("api_common_new: %s", f.text);
	k->routes_n = api_routes(NULL, 0);
	k->routes = calloc(k->routes_n, sizeof(*k->routes));
	assert_int_equal(k->routes_n, api_routes(k->routes, k->routes_n));
	k->rig.on_start = on_start;
	k->rig.on_stop = on_stop;
	k->rig.config.ws_queue_bytes = k->ws_queue_bytes;
	rig_start(&k->rig, k->shards ? k->shards : 2, k->routes, k->routes_n);
}

void kit_stop(struct kit *k)
{
	struct buf out AUTO_BUF = { 0 };
	reply_free(&k->openapi);
	rig_stop(&k->rig);
	store_free(k->store);
	api_common_free(k->common);
	free(k->routes);
	fake_live_fini(&k->live);
	directory_unref(k->live.directory);
	for (unsigned i = 0; i < k->directories_n; i++)
		directory_unref(k->directories[i]);
	if (!k->store_url && atomic_load(&k->live.next_directory))
		directory_unref(atomic_load(&k->live.next_directory));
	assert_int_equal(0, shell(&out, "rm -rf '%s'", k->state_dir));
}

/* --- asking ---------------------------------------------------------------------- */

int kit_ask_with(struct kit *k, const char *method, const char *path, const char *headers,
		 const char *body, struct reply *reply)
{
	struct buf b AUTO_BUF = { 0 };
	buf_printf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, path, headers);
	if (body)
		buf_printf(&b, "Content-Length: %zu\r\n", strlen(body));
	buf_printf(&b, "\r\n%s", body ? body : "");
	reply_free(reply);
	close(client_ask(k->rig.port, buf_z(&b), reply));
	return reply->status;
}

int kit_ask(struct kit *k, const char *method, const char *path, const char *token,
	    const char *body, struct reply *reply)
{
	struct buf b AUTO_BUF = { 0 };
	if (token)
		buf_printf(&b, "Authorization: Bearer %s\r\n", token);
	if (body)
		buf_addz(&b, "Content-Type: application/json\r\n");
	return kit_ask_with(k, method, path, b.n ? buf_z(&b) : "", body, reply);
}

struct json kit_json(struct reply *reply)
{
	struct fault f = { 0 };
	if (json_check(buf_span(&reply->body), &f))
		fail_msg("no JSON: %s: %.*s", f.text, SPAN_ARG(buf_span(&reply->body)));
	return json_of(buf_span(&reply->body));
}

void kit_expect_problem(struct reply *reply, int status, const char *slug)
{
	char type[80];
	int64_t in_body = 0;
	if (reply->status != status)
		fail_msg("expected %d %s, got %d: %.*s", status, slug, reply->status,
			 SPAN_ARG(buf_span(&reply->body)));
	struct json v = kit_json(reply);
	assert_true(reply_has(reply, "content-type: application/problem+json"));
	snprintf(type, sizeof(type), "urn:callmend:problem:%s", slug);
	if (!json_is_text(json_get(v, "type"), type))
		fail_msg("expected %s, got %.*s", type, SPAN_ARG(v.raw));
	assert_true(json_i64(json_get(v, "status"), &in_body));
	assert_int_equal(status, in_body);
	assert_true(json_get(v, "detail").raw.n > 2);
	assert_int_equal(JSON_STRING, json_get(v, "title").kind);
	assert_int_equal(JSON_STRING, json_get(v, "instance").kind);
}

const char *kit_text(struct json v, const char *path, char *out, size_t room)
{
	struct arena a = { 0 };
	struct json at = json_path(v, path);
	if (at.kind != JSON_STRING)
		fail_msg("no text at %s in %.*s", path, SPAN_ARG(v.raw));
	snprintf(out, room, "%.*s", SPAN_ARG(json_text(at, &a)));
	arena_fini(&a);
	return out;
}

static struct json operation_of(struct kit *k, const char *method, const char *pattern)
{
	char lower[16] = "";
	if (!k->openapi.body.n)
		assert_int_equal(200, kit_ask(k, "GET", "/openapi.json", NULL, NULL, &k->openapi));
	for (size_t i = 0; method[i]; i++)
		lower[i] = (char)(method[i] | 0x20);
	struct json paths = json_get(kit_json(&k->openapi), "paths");
	struct json operation = json_get(json_get(paths, pattern), lower);
	if (operation.kind != JSON_OBJECT)
		fail_msg("openapi.json has no %s %s", method, pattern);
	return operation;
}

static struct json response_of(struct kit *k, struct json operation, int status)
{
	char name[8];
	snprintf(name, sizeof(name), "%d", status);
	struct json responses = json_get(operation, "responses"), r = json_get(responses, name);
	if (r.kind == JSON_NONE && status >= 400)
		r = json_get(responses, "default");
	if (r.kind == JSON_NONE)
		fail_msg("status %d is not promised: %.*s", status, SPAN_ARG(responses.raw));
	struct json ref = json_get(r, "$ref");
	return ref.kind == JSON_STRING ? schema_ref(kit_json(&k->openapi),
						    (struct span){ ref.raw.p + 1, ref.raw.n - 2 })
				       : r;
}

void kit_expect_promised(struct kit *k, struct reply *reply, const char *method,
			 const char *pattern)
{
	struct buf why AUTO_BUF = { 0 };
	struct json r = response_of(k, operation_of(k, method, pattern), reply->status);
	struct json_iter types = json_iter(json_get(r, "content"));
	struct span type;
	struct json media;
	if (!json_next(&types, &type, &media))
		return; /* not JSON */
	if (!schema_fits(kit_json(&k->openapi), json_get(media, "schema"), kit_json(reply), &why))
		fail_msg("%s %s: %d does not fit openapi.json:\n%s", method, pattern, reply->status,
			 buf_z(&why));
}

/* --- calls and events ------------------------------------------------------------ */

struct adding {
	struct live *live;
	unsigned owner;
	struct uuid id, org, project;
	const char *json;
};

static void add_here(struct shard *s, void *arg)
{
	struct adding *a = arg;
	(void)s;
	fake_live_add(a->live, a->owner, &a->id, &a->org, &a->project, a->json);
}

unsigned kit_add_call(struct kit *k, const char *org, const char *project, const char *provider_id,
		      size_t filler, struct uuid *id)
{
	struct uuid source = kit_uuid(KIT_SOURCE);
	struct buf json AUTO_BUF = { 0 };
	struct json_out o = { .b = &json };
	char z[UUID_TEXT + 1];
	*id = uuid_v5(&source, span_of(provider_id));
	uuid_format(id, z);
	json_begin(&o, NULL);
	json_put_z(&o, "id", z);
	json_put_z(&o, "provider_call_id", provider_id);
	json_put_z(&o, "source", "main");
	json_put_z(&o, "dialect", "vapi");
	json_put_bool(&o, "live", true);
	char *fill = calloc(1, filler + 1);
	memset(fill, 'x', filler);
	json_put_z(&o, "filler", fill);
	free(fill);
	json_end(&o);
	unsigned shards = shards_count(k->rig.shards);
	struct adding a = { &k->live,
			    (unsigned)(uuid_hash(id) % shards),
			    *id,
			    kit_uuid(org),
			    kit_uuid(project),
			    buf_z(&json) };
	rig_on_shard(&k->rig, a.owner, add_here, &a);
	return a.owner;
}

struct publishing {
	struct live *live;
	unsigned owner;
	struct uuid call;
	enum event_type type;
	enum speaker speaker;
	const char *text;
};

static void publish_here(struct shard *s, void *arg)
{
	struct publishing *p = arg;
	(void)s;
	for (size_t i = 0; i < p->live->owners[p->owner].calls_n; i++) {
		const struct fake_call *c = fake_live_call(p->live, p->owner, i);
		if (!uuid_eq(&c->id, &p->call))
			continue;
		fake_live_publish(p->live, p->owner, c, p->type, p->speaker, p->text);
		return;
	}
	fail_msg("no such call");
}

void kit_publish(struct kit *k, unsigned owner, const struct uuid *call, enum event_type type,
		 enum speaker speaker, const char *text)
{
	struct publishing p = { &k->live, owner, *call, type, speaker, text };
	rig_on_shard(&k->rig, owner, publish_here, &p);
}

void kit_expect_command(struct kit *k, const char *part)
{
	struct buf sent AUTO_BUF = { 0 };
	fake_live_last_command(&k->live, &sent);
	if (!strstr(buf_z(&sent), part))
		fail_msg("sent %s, expected %s", buf_z(&sent), part);
}
