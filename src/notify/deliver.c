/* Happy path: load delivery and endpoint, sign, POST, note 2xx.
 *
 * Failure modes.
 *  - Any other answer, no answer, a secret that cannot be used: noted with the reason, tried again
 * by the schedule, or later when Retry-After says so; after the last attempt the delivery is dead.
 *  - No answer in time: its endpoint is put off as well, longer each time in a row, and those that
 * were are tried one at a time: whoever hangs holds up one lane at most, and that now and then.
 *  - 410: the receiver wants no more; the endpoint is switched off.
 *  - Killed after the POST, before the result is stored: sent again with the same webhook-id, by
 * which the receiver knows it.
 *  - Endpoint switched off or put away meanwhile: the delivery is dead, nothing is sent. */
#include "notify/deliver.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "net/simple_client.h"
#include "notify/schedule.h"
#include "notify/sign.h"

#define DELIVERY(F, T)                            \
	F(T, TEXT, url, "url", REQUIRED)          \
	F(T, RAW, secret, "secret", REQUIRED)     \
	F(T, TEXT, body, "body", REQUIRED)        \
	F(T, TEXT, state, "state", REQUIRED)      \
	F(T, I64, attempts, "attempts", REQUIRED) \
	F(T, I64, timeouts, "timeouts", REQUIRED) \
	F(T, BOOL, endpoint_off, "endpoint_off", REQUIRED)
JSON_STRUCT(delivery, DELIVERY)
JSON_FIELDS(delivery, DELIVERY)

/* What becomes of it; the words are those of callmend_delivery_done(). */
struct result {
	const char *verdict;
	int status;	  /* 0: no answer */
	struct fault why; /* empty: none */
	int64_t pause_ms; /* of "retry" */
	bool late, answered;
};

/* --- signing --- */

static int add_signature(const struct job_context *ctx, struct json secret, struct span id,
			 int64_t timestamp_s, struct span body, struct buf *out, struct fault *f)
{
	struct buf text AUTO_BUF = { 0 }, key AUTO_BUF = { 0 };

	TRY(config_secret_read(secret, ctx->config->secrets_dir, &text, f));
	TRY(sign_key(buf_span(&text), &key, f));
	sign_add(buf_span(&key), id, timestamp_s, body, out);
	return 0;
}

/* One secret, or two while they are rotated: a signature by each. */
static int sign(const struct job_context *ctx, const struct delivery *d, struct span id,
		int64_t timestamp_s, struct buf *out, struct fault *f)
{
	struct json_iter it = json_iter(d->secret);
	struct span key;
	struct json secret;

	if (d->secret.kind != JSON_ARRAY)
		return add_signature(ctx, d->secret, id, timestamp_s, d->body, out, f);
	while (json_next(&it, &key, &secret))
		TRY(add_signature(ctx, secret, id, timestamp_s, d->body, out, f));
	return 0;
}

/* --- sending --- */

static bool is_success(int status)
{
	return status >= 200 && status <= 299;
}

static int post(const struct delivery *d, struct span id, int64_t timestamp_s,
		struct span signature, int64_t timeout_ms, struct arena *a, struct result *out,
		struct buf *retry_after)
{
	struct buf answer AUTO_BUF = { 0 };
	struct simple_request request = {
		.method = HTTP_POST,
		.url = arena_printf(a, "%.*s", SPAN_ARG(d->url)),
		.headers = { arena_printf(a, "webhook-id: %.*s", SPAN_ARG(id)),
			     arena_printf(a, "webhook-timestamp: %lld", (long long)timestamp_s),
			     arena_printf(a, "webhook-signature: %.*s", SPAN_ARG(signature)),
			     "user-agent: callmend/" CALLMEND_VERSION },
		.body = d->body,
		.timeout_ms = timeout_ms,
		.response_limit = DELIVER_ANSWER_LIMIT,
		.wanted_header = "retry-after",
		.wanted = retry_after,
	};
	int rc = simple_client_send(&request, &out->status, &answer, &out->why);

	out->late = rc == E_TIMEOUT;
	out->answered = !out->late && out->status != 0;
	/* Who answers 2xx has taken it, however much he has to say. */
	if (rc == E_TOO_LARGE && is_success(out->status))
		return 0;
	if (rc == 0 && !is_success(out->status))
		rc = fault(&out->why, E_UNAVAILABLE, "the receiver answered %d", out->status);
	return rc;
}

static double chance(void)
{
	uint32_t n;

	crypto_random(&n, sizeof(n));
	return (double)n / 4294967296.0;
}

static void judge_failure(const struct job_context *ctx, const struct delivery *d,
			  struct span retry_after, struct result *out)
{
	int64_t asked_ms = schedule_retry_after_ms(retry_after, clock_now_us());

	if (out->status == 410)
		out->verdict = "gone";
	else if (!schedule_pause((unsigned)d->attempts + 1, ctx->config->webhooks_first_retry_ms,
				 chance(), &out->pause_ms))
		out->verdict = "dead";
	else
		out->verdict = "retry";
	if (out->pause_ms < asked_ms)
		out->pause_ms = asked_ms;
}

static void send_it(const struct job_context *ctx, const struct delivery *d, struct span id,
		    struct arena *a, struct result *out)
{
	struct buf signature AUTO_BUF = { 0 }, retry_after AUTO_BUF = { 0 };
	int64_t timestamp_s = clock_now_us() / SECOND_US;
	int rc = sign(ctx, d, id, timestamp_s, &signature, &out->why);

	if (!rc)
		rc = post(d, id, timestamp_s, buf_span(&signature),
			  ctx->config->webhooks_timeout_ms, a, out, &retry_after);
	if (rc) {
		judge_failure(ctx, d, buf_span(&retry_after), out);
		return;
	}
	out->verdict = "delivered";
	out->why = (struct fault){ 0 };
}

/* --- the job --- */

static int store_result(struct job_context *ctx, const struct job *job, int64_t timeouts,
			const struct result *r, struct fault *f)
{
	char wanted[24], status[16], pause[24], rest[24];
	int64_t rest_ms = r->late ? schedule_rest_ms((unsigned)timeouts + 1,
						     ctx->config->webhooks_first_retry_ms)
				  : 0;
	struct buf out AUTO_BUF = { 0 }, why AUTO_BUF = { 0 };

	buf_add_utf8(&why, span_of(r->why.text));
	const char *params[] = { job->key.p,
				 ctx->owner,
				 wanted,
				 r->verdict,
				 r->status ? status : NULL,
				 r->why.text[0] ? buf_z(&why) : NULL,
				 pause,
				 r->late || r->answered ? rest : NULL };

	snprintf(wanted, sizeof(wanted), "%lld", (long long)job->wanted);
	snprintf(status, sizeof(status), "%d", r->status);
	snprintf(pause, sizeof(pause), "%lld", (long long)r->pause_ms);
	snprintf(rest, sizeof(rest), "%lld", (long long)rest_ms);
	return store_link_query(ctx->db, "deliver_store", params, 8, &out, f);
}

static int deliver(struct job_context *ctx, const struct job *job, struct json loaded,
		   struct arena *a, struct fault *f)
{
	struct delivery d = { 0 };
	struct result r = { 0 };

	TRY(JSON_READ(delivery, loaded, a, &d, f));
	if (!span_is(d.state, "pending")) {
		r.verdict = "settled";
	} else if (d.endpoint_off) {
		r.verdict = "dropped";
		fault(&r.why, E_INVALID, "the endpoint is switched off");
	} else {
		send_it(ctx, &d, job->key, a, &r);
	}
	if (r.why.text[0])
		log_info("deliveries", "webhook %s: %s (%s)", job->key.p, r.why.text, r.verdict);
	return store_result(ctx, job, d.timeouts, &r, f);
}

int deliver_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct buf loaded AUTO_BUF = { 0 };
	struct arena a = { 0 };
	const char *params[] = { job->key.p };
	int rc = store_link_query(ctx->db, "deliver_load", params, 1, &loaded, f);

	if (rc == E_NOT_FOUND)
		return fault(f, E_INVALID, "there is no such delivery");
	if (!rc)
		rc = deliver(ctx, job, json_of(buf_span(&loaded)), &a, f);
	arena_fini(&a);
	return rc;
}
