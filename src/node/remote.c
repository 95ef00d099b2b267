#include "node/remote.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "callmend/uuid.h"
#include "net/simple_client.h"
#include "node/text.h"

enum { TIMEOUT_MS = 30000, ANSWER_LIMIT = 64 * 1024 * 1024, TOKEN_FILE_LIMIT = 512, ID_SHOWN = 8 };

/* --- where, and who we are --- */

static const char *from_env(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* A node that listens on every interface is reached over the loopback. */
static const char *reach(const char *host)
{
	static const struct {
		const char *any, *loopback;
	} hosts[] = { { "0.0.0.0", "127.0.0.1" }, { "::", "[::1]" }, { "*", "127.0.0.1" } };

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		if (strcmp(host, hosts[i].any) == 0)
			return hosts[i].loopback;
	}
	return host;
}

static int find_url(struct remote *r, const struct verb_call *v)
{
	const char *url = v->url ? v->url : from_env("CALLMEND_URL");

	if (url) {
		buf_addz(&r->url, url);
	} else if (v->config->listen_port) {
		const char *host = reach(v->config->listen_host);
		bool bare = strchr(host, ':') && *host != '[';
		buf_printf(&r->url, "http://%s%s%s:%lld", bare ? "[" : "", host, bare ? "]" : "",
			   (long long)v->config->listen_port);
	} else {
		return verb_misused(
			v, "listen.port is 0 (any free port): say where the node is with --url");
	}
	while (r->url.n && r->url.p[r->url.n - 1] == '/')
		r->url.n--;
	const char *slashes = strstr(buf_z(&r->url), "://");
	if (!slashes || (strncmp(buf_z(&r->url), "http://", 7) != 0 &&
			 strncmp(buf_z(&r->url), "https://", 8) != 0))
		return verb_misused(v, "`%s` is no http or https URL", buf_z(&r->url));
	buf_addz(&r->shown, slashes + 3);
	return EXIT_DONE;
}

/* A token that others can read is no secret any more. */
static int read_token_file(struct remote *r, const struct verb_call *v)
{
	struct buf path AUTO_BUF = { 0 };
	struct fault f = { 0 };
	struct stat st;

	buf_printf(&path, "%s/cli.token", v->config->state_dir);
	if (stat(buf_z(&path), &st))
		return verb_misused(
			v,
			"no token: give --token or CALLMEND_TOKEN, or keep one in %s (mode 0600);\n"
			"`callmend token create NAME --role supervisor` makes one",
			buf_z(&path));
	if (st.st_mode & 077)
		return verb_failed(v,
				   "%s can be read by others; `chmod 600` it, or make a new token",
				   buf_z(&path));
	if (file_read(buf_z(&path), TOKEN_FILE_LIMIT, &r->token, &f))
		return verb_failed(v, "%s: %s", buf_z(&path), f.text);
	while (r->token.n && isspace((unsigned char)r->token.p[r->token.n - 1]))
		r->token.n--;
	return EXIT_DONE;
}

static int find_token(struct remote *r, const struct verb_call *v)
{
	const char *token = v->token ? v->token : from_env("CALLMEND_TOKEN");

	if (!token)
		return read_token_file(r, v);
	for (const char *p = token; *p; p++) {
		if (!isgraph((unsigned char)*p))
			return verb_misused(v, "the token has characters that no token has");
	}
	buf_addz(&r->token, token);
	return EXIT_DONE;
}

int remote_init(struct remote *r, const struct verb_call *v)
{
	int status = find_url(r, v);

	return status ? status : find_token(r, v);
}

void remote_fini(struct remote *r)
{
	buf_free(&r->url);
	buf_free(&r->token);
	buf_free(&r->shown);
}

/* --- requests --- */

void remote_answer_fini(struct remote_answer *a)
{
	buf_free(&a->text);
}

int remote_send(struct remote *r, enum http_method method, const char *path, struct span body,
		const char *key, struct remote_answer *a, struct fault *f)
{
	struct buf url AUTO_BUF = { 0 }, token AUTO_BUF = { 0 }, idempotency AUTO_BUF = { 0 };
	struct simple_request request = {
		.method = method,
		.body = body,
		.timeout_ms = TIMEOUT_MS,
		.response_limit = ANSWER_LIMIT,
	};

	buf_printf(&url, "%s%s", buf_z(&r->url), path);
	buf_printf(&token, "Authorization: Bearer %s", buf_z(&r->token));
	buf_printf(&idempotency, "Idempotency-Key: %s", key ? key : "");
	request.url = buf_z(&url);
	request.headers[0] = buf_z(&token);
	request.headers[1] = key ? buf_z(&idempotency) : NULL;
	buf_clear(&a->text);
	TRY(simple_client_send(&request, &a->status, &a->text, f));
	if (a->text.n && json_check(buf_span(&a->text), f)) {
		buf_clear(&a->text);
		return a->status < 300
			       ? fault(f, E_IO, "the answer is no JSON; is this a Callmend node?")
			       : 0;
	}
	return 0;
}

int remote_explain(struct remote *r, const struct verb_call *v, int rc,
		   const struct remote_answer *a, const struct fault *f)
{
	struct arena arena = { 0 };
	struct buf text AUTO_BUF = { 0 };

	if (rc == E_UNAVAILABLE) {
		verb_failed(v, "no node answers at %s (%s); is it up? --url says where else",
			    buf_z(&r->url), f->text);
		return EXIT_UNREACHABLE;
	}
	if (rc)
		return verb_failed(v, "%s: %s", buf_z(&r->shown), f->text);
	text_clean(&text, json_text(json_get(json_of(buf_span(&a->text)), "detail"), &arena));
	arena_fini(&arena);
	return verb_failed(v, "%s%s(%d from %s)", text.n ? buf_z(&text) : "",
			   text.n ? " " : "refused ", a->status, buf_z(&r->shown));
}

/* --- which call --- */

static struct span text_at(struct json object, const char *path, struct arena *a)
{
	return json_text(json_path(object, path), a);
}

/* "+1 (415) 555-0123" and "14155550123" are the same number. */
static void digits_of(struct span s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (isdigit((unsigned char)s.p[i]))
			buf_addc(out, s.p[i]);
	}
}

static bool is_number(const char *word, struct span customer)
{
	struct buf a AUTO_BUF = { 0 }, b AUTO_BUF = { 0 };
	size_t allowed = strspn(word, "+0123456789 ()-./");

	if (word[allowed])
		return false;
	digits_of(span_of(word), &a);
	digits_of(customer, &b);
	return a.n >= REMOTE_PREFIX_LEAST && span_eq(buf_span(&a), buf_span(&b));
}

static bool begins(struct span id, const char *word)
{
	size_t n = strlen(word);

	return n >= REMOTE_PREFIX_LEAST && id.n >= n && strncasecmp(id.p, word, n) == 0;
}

static void put_candidate(struct buf *list, struct json call, struct arena *a)
{
	buf_addz(list, "  ");
	text_clean(list, text_at(call, "id", a));
	buf_addz(list, "  ");
	text_pad(list, text_at(call, "customer.number", a), 16);
	buf_addc(list, ' ');
	text_pad(list, text_at(call, "assistant.name", a), 20);
	buf_addc(list, ' ');
	text_clean(list, text_at(call, "status", a));
	buf_addc(list, '\n');
}

size_t remote_match(struct json calls, const char *word, struct buf *id, struct buf *list)
{
	struct arena a = { 0 };
	struct json_iter it = json_iter(calls);
	struct span key;
	struct json call;
	size_t n = 0;

	while (json_next(&it, &key, &call)) {
		struct span ours = text_at(call, "id", &a);
		if (!json_true(json_get(call, "live")))
			continue;
		if (!begins(ours, word) && !begins(text_at(call, "provider_call_id", &a), word) &&
		    !is_number(word, text_at(call, "customer.number", &a)))
			continue;
		n++;
		buf_clear(id);
		buf_add(id, ours);
		put_candidate(list, call, &a);
	}
	arena_fini(&a);
	return n;
}

static int judge_matches(const struct verb_call *v, const char *word, size_t n, struct buf *list,
			 struct json answer)
{
	int64_t total = 0;

	if (n == 1)
		return EXIT_DONE;
	if (n > 1) {
		verb_failed(v, "`%s` means %zu live calls; say more of the id:", word, n);
		fputs(buf_z(list), stderr);
		return EXIT_FAILED;
	}
	if (strlen(word) < REMOTE_PREFIX_LEAST)
		return verb_misused(v, "`%s` is too short to name a call: at least %d characters",
				    word, REMOTE_PREFIX_LEAST);
	if (!json_i64(json_get(answer, "total"), &total))
		total = 0;
	return verb_failed(v,
			   "no live call is called `%s` (%lld live); `callmend watch` shows them",
			   word, (long long)total);
}

int remote_find_call(struct remote *r, const struct verb_call *v, const char *word, struct buf *id)
{
	struct remote_answer a = { 0 };
	struct buf list AUTO_BUF = { 0 };
	struct fault f = { 0 };
	struct uuid whole;

	if (uuid_parse(&whole, span_of(word)) == 0) {
		buf_addz(id, word); /* also of a call that has ended: the node says so itself */
		return EXIT_DONE;
	}
	int status, rc = remote_send(r, HTTP_GET, "/api/v1/live/calls", (struct span){ 0 }, NULL,
				     &a, &f);
	if (rc || a.status != 200) {
		status = remote_explain(r, v, rc, &a, &f);
	} else {
		struct json answer = json_of(buf_span(&a.text));
		size_t n = remote_match(json_get(answer, "calls"), word, id, &list);
		status = judge_matches(v, word, n, &list, answer);
	}
	remote_answer_fini(&a);
	return status;
}
