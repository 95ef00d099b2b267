/* Happy path: GET the assistant; when its system message is an earlier version of ours, PATCH the
 * whole model with the new one, GET again, see it there.
 *
 * Failure modes.
 *  - Nothing to do (source put away, no PATCH source any more, no instructions): the job ends.
 *  - It is there already: seen, nothing is sent.
 *  - The text takes the instructions as the variable our answers to assistant-request give it:
 * nothing is sent, the next answer proves it. Where no answer gives it: given up with the way out.
 *  - The text is no version of ours otherwise: somebody has edited it at the provider. Never
 * overwritten, given up at once with the way out, unless the job was forced. Between GET and PATCH
 * somebody may still edit it: the provider has no condition to PATCH under.
 *  - 4xx, 5xx, no key, no connection: noted, tried again later and later, then given up.
 *  - Timeout or a broken connection after the PATCH was sent: it may have worked, the GET decides.
 *  - 200, and GET shows the old text (late, or a draft that waits for somebody): noted and tried
 * again; the next attempt begins with a GET and sends nothing when it has arrived meanwhile.
 *  - Killed in between: the next attempt finds one text or the other. */
#include "healing/apply.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "healing/apply_assistant.h"
#include "net/simple_client.h"

#define LOADED(F, T)                                       \
	F(T, TEXT, name, "name", REQUIRED)                 \
	F(T, TEXT, api_base, "api_base", REQUIRED)         \
	F(T, TEXT, mode, "mode", REQUIRED)                 \
	F(T, TEXT, assistant_id, "assistant_id", REQUIRED) \
	F(T, RAW, private_key, "private_key", REQUIRED)    \
	F(T, TEXT, version, "version", REQUIRED)           \
	F(T, TEXT, text, "text", REQUIRED)                 \
	F(T, RAW, known, "known", REQUIRED)
JSON_STRUCT(loaded, LOADED)
JSON_FIELDS(loaded, LOADED)

struct errand {
	struct job_context *ctx;
	const struct job *job;
	struct arena arena;
	struct loaded to;
	struct buf answer; /* the assistant as it was last fetched */
	struct buf key;	   /* header */
	const char *url;
};

static void errand_fini(struct errand *e)
{
	arena_fini(&e->arena);
	buf_free(&e->answer);
	buf_free(&e->key);
}

/* --- the provider's API --- */

static int write_key(struct errand *e, struct fault *f)
{
	struct buf key AUTO_BUF = { 0 };

	if (config_secret_read(e->to.private_key, e->ctx->config->secrets_dir, &key, f))
		return fault_wrap(f, "private_key");
	buf_printf(&e->key, "authorization: Bearer %s", buf_z(&key));
	return 0;
}

/* {"message": "..."} or {"message": ["..."]} */
static struct json said(struct span answer)
{
	struct fault ignored;
	struct json message, first;
	struct span key;

	if (json_check(answer, &ignored))
		return (struct json){ 0 };
	message = json_get(json_of(answer), "message");
	struct json_iter it = json_iter(message);
	return message.kind == JSON_ARRAY && json_next(&it, &key, &first) ? first : message;
}

/* What the provider says is wrong, for people: plain characters, so that it can be cut anywhere. */
static struct span complaint(struct errand *e)
{
	enum { MOST = 100 };
	struct span text = json_text(said(buf_span(&e->answer)), &e->arena);
	struct span cut = { text.p, text.n < MOST ? text.n : MOST };
	char *plain = arena_printf(&e->arena, "%.*s", SPAN_ARG(cut));

	for (char *p = plain; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return span_of(plain);
}

static int send_to(struct errand *e, enum http_method method, struct span body, struct fault *f)
{
	int status = 0;
	struct simple_request request = {
		.method = method,
		.url = e->url,
		.headers = { buf_z(&e->key), "user-agent: callmend/" CALLMEND_VERSION },
		.body = body,
		.timeout_ms = APPLY_TIMEOUT_MS,
		.response_limit = APPLY_ANSWER_LIMIT,
	};

	buf_clear(&e->answer);
	if (simple_client_send(&request, &status, &e->answer, f))
		return fault_wrap(f, "%s of the provider's assistant", http_method_name(method));
	if (status >= 200 && status <= 299)
		return 0;
	struct span why = complaint(e);
	return fault(f, E_UNAVAILABLE, "%s of the provider's assistant: answered %d%s%.*s",
		     http_method_name(method), status, why.n ? ": " : "", SPAN_ARG(why));
}

static int look(struct errand *e, struct apply_assistant *out, struct fault *f)
{
	TRY(send_to(e, HTTP_GET, (struct span){ 0 }, f));
	if (json_check(buf_span(&e->answer), f))
		return fault_wrap(f, "GET of the provider's assistant");
	return apply_assistant_read(json_of(buf_span(&e->answer)), &e->arena, out, f);
}

/* --- bringing it there --- */

static bool has_arrived(const struct errand *e, const struct apply_assistant *as)
{
	return apply_assistant_same(as->text, e->to.text);
}

/* False: we have to stop. */
static bool sleep_a_little(struct job_context *ctx)
{
	nanosleep(&(struct timespec){ .tv_nsec = APPLY_LOOK_MS * 1000000L }, NULL);
	return !ctx->stopping || !ctx->stopping(ctx->user);
}

static int look_until_there(struct errand *e, struct fault *f)
{
	for (unsigned i = 0; i < APPLY_LOOKS; i++) {
		struct apply_assistant as = { 0 };

		TRY(look(e, &as, f));
		if (has_arrived(e, &as))
			return 0;
		if (i + 1 < APPLY_LOOKS && !sleep_a_little(e->ctx))
			break;
	}
	return fault(f, E_UNAVAILABLE,
		     "the provider answered the PATCH with success, but GET still shows the old "
		     "text (a draft that has to be published there?)");
}

/* It may have been done, whatever came back. */
static bool is_doubtful(int rc)
{
	return rc == E_TIMEOUT || rc == E_IO || rc == E_TOO_LARGE;
}

static int overwrite(struct errand *e, const struct apply_assistant *as, struct fault *f)
{
	struct buf body AUTO_BUF = { 0 };
	struct apply_assistant now = { 0 };
	struct fault ignored;

	apply_assistant_write(as, e->to.text, &body);
	int rc = send_to(e, HTTP_PATCH, buf_span(&body), f);
	if (rc == 0)
		return look_until_there(e, f);
	if (is_doubtful(rc) && look(e, &now, &ignored) == 0 && has_arrived(e, &now))
		return 0;
	return rc;
}

/* Not to be overwritten: by a variable the text arrives, or somebody has to decide. */
static int leave(struct errand *e, struct span text, const char **verdict, struct fault *f)
{
	if (!apply_assistant_by_variable(text))
		return fault(f, E_CONFLICT,
			     "the system message was edited at the provider: it is no version of "
			     "these instructions. Take it over by PUT .../instructions, or "
			     "overwrite it by POST .../apply?force=true");
	if (!e->to.mode.n)
		return fault(f, E_CONFLICT,
			     "the system message takes the variable instructions, which no answer "
			     "of this source gives: set assistant_mode id, or overwrite it by "
			     "POST .../apply?force=true");
	*verdict = "variable";
	return 0;
}

static int bring(struct errand *e, const char **verdict, struct fault *f)
{
	struct apply_assistant as = { 0 };
	bool force = json_true(json_get(e->job->payload, "force"));

	e->url = arena_printf(&e->arena, "%.*s/assistant/%.*s", SPAN_ARG(e->to.api_base),
			      SPAN_ARG(e->to.assistant_id));
	TRY(write_key(e, f));
	TRY(look(e, &as, f));
	if (has_arrived(e, &as))
		return 0;
	if (!force && !apply_assistant_known(as.text, e->to.known))
		return leave(e, as.text, verdict, f);
	return overwrite(e, &as, f);
}

/* --- the job --- */

static int store(struct errand *e, const char *verdict, const struct fault *why, int most,
		 struct fault *f)
{
	char wanted[24], attempts[24];
	struct buf out AUTO_BUF = { 0 };
	const char *version =
		e->to.version.n ? arena_printf(&e->arena, "%.*s", SPAN_ARG(e->to.version)) : NULL;
	const char *params[] = { e->job->key.p, e->ctx->owner,		wanted,	 verdict,
				 version,	why ? why->text : NULL, attempts };

	snprintf(wanted, sizeof(wanted), "%lld", (long long)e->job->wanted);
	snprintf(attempts, sizeof(attempts), "%d", most);
	TRY(store_link_query(e->ctx->db, "apply_store", params, 7, &out, f));
	if (why)
		log_warn("apply", "source %.*s: %s (%.*s)", SPAN_ARG(e->to.name), why->text,
			 SPAN_ARG(buf_span(&out)));
	else if (e->to.version.n)
		log_info("apply", "source %.*s %s", SPAN_ARG(e->to.name),
			 strcmp(verdict, "seen") ? "takes the instructions as a variable"
						 : "has the instructions in force");
	return 0;
}

static int run(struct errand *e, struct json loaded, struct fault *f)
{
	struct fault why = { 0 };
	const char *verdict = "seen";

	TRY(JSON_READ(loaded, loaded, &e->arena, &e->to, f));
	int rc = bring(e, &verdict, &why);
	if (rc == 0)
		return store(e, verdict, NULL, APPLY_ATTEMPTS, f);
	return store(e, "failed", &why, rc == E_CONFLICT ? 1 : APPLY_ATTEMPTS, f);
}

int apply_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct errand e = { .ctx = ctx, .job = job };
	struct buf loaded AUTO_BUF = { 0 };
	const char *params[] = { job->key.p };
	int rc = store_link_query(ctx->db, "apply_load", params, 1, &loaded, f);

	if (rc == E_NOT_FOUND)
		rc = store(&e, "nothing", NULL, APPLY_ATTEMPTS, f);
	else if (!rc)
		rc = run(&e, json_of(buf_span(&loaded)), f);
	errand_fini(&e);
	return rc;
}
