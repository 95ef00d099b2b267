/* Happy path: one POST with the schema as response_format, one answer, its content is JSON.
 *
 * Failure modes.
 *  - The server knows no json_schema (400, 422): asked again with json_object, then without any
 * response_format; the schema is then told in words.
 *  - 429: waits as Retry-After says, within bounds and CHAT_PAUSES times.
 *  - Key that cannot be resolved, 401, 403, 404: refused; the key is never in a fault.
 *  - Timeout, connection lost, rubbish, an answer that is cut or larger than the limit: given up;
 * what it may have cost is estimated.
 *  - Fences around the JSON (models like them): taken off. */
#include "llm/chat.h"

#include <stdlib.h>

#include "net/provider_status.h"
#include "net/simple_client.h"

/* The ways to ask for JSON, the strictest first. */
enum way { WAY_SCHEMA, WAY_OBJECT, WAY_PLAIN, WAYS };

enum { BYTES_PER_TOKEN = 2 }; /* at least; English has about four */

bool chat_configured(const struct config *c)
{
	return *c->model_url && *c->model_name;
}

/* --- cost --- */

static double dollars(const struct config *c, int64_t prompt, int64_t completion)
{
	double millidollars = (double)prompt * (double)c->model_prompt_price_millidollars +
			      (double)completion * (double)c->model_completion_price_millidollars;
	return millidollars / 1000 / 1e6;
}

static int64_t estimate(size_t bytes)
{
	return (int64_t)(bytes / BYTES_PER_TOKEN) + 1;
}

static size_t prompt_bytes(const struct chat_request *r)
{
	return r->system.n + r->user.n + r->schema.n;
}

double chat_dearest(const struct config *c, const struct chat_request *r)
{
	return dollars(c, estimate(prompt_bytes(r)), c->model_max_tokens);
}

static void book(const struct config *c, int64_t prompt, int64_t completion, struct chat_usage *u)
{
	*u = (struct chat_usage){ prompt, completion, dollars(c, prompt, completion) };
}

/* --- asking --- */

static void put_message(struct json_out *o, const char *role, struct span text)
{
	json_begin(o, NULL);
	json_put_z(o, "role", role);
	json_put_text(o, "content", text);
	json_end(o);
}

static void put_system(struct json_out *o, const struct chat_request *r, enum way way)
{
	struct buf text AUTO_BUF = { 0 };

	buf_add(&text, r->system);
	if (way != WAY_SCHEMA)
		buf_printf(&text,
			   "\n\nAnswer with one JSON object and nothing else. It must fit this "
			   "JSON schema:\n%.*s",
			   SPAN_ARG(r->schema));
	put_message(o, "system", buf_span(&text));
}

static void put_format(struct json_out *o, const struct chat_request *r, enum way way)
{
	if (way == WAY_PLAIN)
		return;
	json_begin(o, "response_format");
	json_put_z(o, "type", way == WAY_SCHEMA ? "json_schema" : "json_object");
	if (way == WAY_SCHEMA) {
		json_begin(o, "json_schema");
		json_put_z(o, "name", r->name);
		json_put_bool(o, "strict", true);
		json_put_raw(o, "schema", r->schema);
		json_end(o);
	}
	json_end(o);
}

/* Servers that know json_schema know the newer name of the limit, too. */
static void write_body(const struct config *c, const struct chat_request *r, enum way way,
		       struct buf *out)
{
	struct json_out o = { .b = out };

	json_begin(&o, NULL);
	json_put_z(&o, "model", c->model_name);
	json_begin_array(&o, "messages");
	put_system(&o, r, way);
	put_message(&o, "user", r->user);
	json_end_array(&o);
	json_put_i64(&o, way == WAY_SCHEMA ? "max_completion_tokens" : "max_tokens",
		     c->model_max_tokens);
	put_format(&o, r, way);
	json_end(&o);
}

static void write_url(const struct config *c, struct buf *out)
{
	struct span base = span_of(c->model_url);

	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	buf_printf(out, "%.*s/chat/completions", SPAN_ARG(base));
}

static int write_key(const struct config *c, struct buf *out, struct fault *f)
{
	struct buf key AUTO_BUF = { 0 };

	if (c->model_key.place == SECRET_ABSENT)
		return 0;
	if (config_secret_resolve(c->model_key, SECRET_BY_OPERATOR, c->secrets_dir, &key, f)) {
		fault_wrap(f, "model.key");
		if (f)
			f->code = E_DENIED;
		return E_DENIED;
	}
	buf_printf(out, "authorization: Bearer %s", buf_z(&key));
	return 0;
}

/* --- what the server says --- */

static int64_t asked_pause_ms(struct buf *retry_after)
{
	char *end;
	double seconds = strtod(buf_z(retry_after), &end);

	return retry_after->n && *end == '\0' && seconds >= 0 && seconds < 1e6
		       ? (int64_t)(seconds * 1000)
		       : 1000;
}

struct exchanged {
	int status;
	struct buf answer, retry_after;
};

static void exchanged_fini(struct exchanged *e)
{
	buf_free(&e->answer);
	buf_free(&e->retry_after);
}
#define AUTO_EXCHANGED __attribute__((cleanup(exchanged_fini)))

static int post(const struct config *c, const struct chat_request *r, enum way way,
		struct exchanged *e, struct fault *f)
{
	struct buf url AUTO_BUF = { 0 }, key AUTO_BUF = { 0 }, body AUTO_BUF = { 0 };

	TRY(write_key(c, &key, f));
	write_url(c, &url);
	write_body(c, r, way, &body);
	buf_clear(&e->answer);
	buf_clear(&e->retry_after);
	struct simple_request request = {
		.method = HTTP_POST,
		.url = buf_z(&url),
		.headers = { "user-agent: callmend/" CALLMEND_VERSION, key.n ? buf_z(&key) : NULL },
		.body = buf_span(&body),
		.timeout_ms = c->model_timeout_ms,
		.response_limit = CHAT_ANSWER_MAX,
		.wanted_header = "retry-after",
		.wanted = &e->retry_after,
	};
	if (simple_client_send(&request, &e->status, &e->answer, f))
		return fault_wrap(f, "language model");
	return provider_status(e->status, f) ? fault_wrap(f, "language model") : 0;
}

/* One way of asking, with the pauses the server asks for. */
static int ask_patiently(const struct config *c, const struct chat_request *r, enum way way,
			 struct exchanged *e, struct fault *f)
{
	int rc = post(c, r, way, e, f);

	for (unsigned i = 0; rc == E_FULL && i < CHAT_PAUSES; i++) {
		int64_t pause_ms = asked_pause_ms(&e->retry_after);

		if (pause_ms > CHAT_PAUSE_MOST_MS || !r->wait || !r->wait(r->wait_user, pause_ms))
			return rc;
		rc = post(c, r, way, e, f);
	}
	return rc;
}

static int ask_any_way(const struct config *c, const struct chat_request *r, struct exchanged *e,
		       struct fault *f)
{
	int rc = E_INVALID;

	for (enum way way = WAY_SCHEMA; rc == E_INVALID && way < WAYS; way++)
		rc = ask_patiently(c, r, way, e, f);
	return rc;
}

/* --- the answer --- */

/* ```json ... ``` */
static struct span without_fences(struct span text)
{
	struct span s = span_trim(text);
	const char *nl = s.n ? memchr(s.p, '\n', s.n) : NULL;

	if (!span_starts(s, SPAN("```")) || !nl || s.n < 6 || memcmp(s.p + s.n - 3, "```", 3) != 0)
		return s;
	s = span_from(s, (size_t)(nl - s.p) + 1);
	s.n = s.n >= 3 ? s.n - 3 : 0;
	return span_trim(s);
}

static int take_content(struct json choice, struct arena *a, struct buf *content, struct fault *f)
{
	struct json said = json_path(choice, "message.content");

	if (json_has(json_path(choice, "message.refusal")) ||
	    json_is_text(json_get(choice, "finish_reason"), "content_filter"))
		return fault(f, E_DENIED, "language model: it refuses to answer");
	if (json_is_text(json_get(choice, "finish_reason"), "length"))
		return fault(f, E_TOO_LARGE,
			     "language model: the answer was cut (model.max_tokens)");
	if (said.kind != JSON_STRING)
		return fault(f, E_CORRUPT, "language model: not in the form of a chat answer");
	struct span text = without_fences(json_text(said, a));
	if (json_check(text, f))
		return fault(f, E_CORRUPT, "language model: the answer is not JSON");
	if (json_of(text).kind != JSON_OBJECT)
		return fault(f, E_CORRUPT, "language model: the answer is no JSON object");
	buf_add(content, text);
	return 0;
}

static void read_usage(const struct config *c, const struct chat_request *r, struct json answer,
		       size_t bytes, struct chat_usage *u)
{
	int64_t prompt = 0, completion = 0;

	if (!json_i64(json_path(answer, "usage.prompt_tokens"), &prompt) || prompt < 0)
		prompt = estimate(prompt_bytes(r));
	if (!json_i64(json_path(answer, "usage.completion_tokens"), &completion) || completion < 0)
		completion = estimate(bytes);
	book(c, prompt, completion, u);
}

static int read_answer(const struct config *c, const struct chat_request *r, struct span body,
		       struct buf *content, struct chat_usage *usage, struct fault *f)
{
	struct arena a = { 0 };

	if (json_check(body, f))
		return fault(f, E_CORRUPT, "language model: the answer of the server is not JSON");
	struct json answer = json_of(body);
	read_usage(c, r, answer, body.n, usage);
	int rc = take_content(json_first(json_get(answer, "choices")), &a, content, f);
	arena_fini(&a);
	return rc;
}

/* Did the server surely not work for it? */
static bool is_free(int rc)
{
	return rc == E_FULL || rc == E_DENIED || rc == E_INVALID || rc == E_UNAVAILABLE;
}

int chat_ask(const struct config *c, const struct chat_request *r, struct buf *content,
	     struct chat_usage *usage, struct fault *f)
{
	struct exchanged e AUTO_EXCHANGED = { 0 };

	buf_clear(content);
	*usage = (struct chat_usage){ 0 };
	if (r->system.n + r->user.n > CHAT_PROMPT_MAX)
		return fault(f, E_TOO_LARGE, "language model: the question is too long");
	int rc = ask_any_way(c, r, &e, f);
	if (!is_free(rc))
		book(c, estimate(prompt_bytes(r)), c->model_max_tokens, usage);
	return rc ? rc : read_answer(c, r, buf_span(&e.answer), content, usage, f);
}
