/* Happy path: book the most it can cost, ask, settle what it did cost, read the answer.
 *
 * Failure modes: every one of them ends in a fault, and the caller's rules make the suggestion.
 *  - Cap of the day reached: the model is not asked.
 *  - Killed while it was asked: the most stays booked; the cap is reached too early, never too
 * late.
 *  - The answer breaks the form: refused, and what it cost is kept. */
#include "healing/model_suggest.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/log.h"
#include "healing/model_answer.h"
#include "healing/model_prompt.h"
#include "llm/chat.h"

/* All in numbers as texts: parameters of statements. */
struct money {
	char dearest[40], cap[40], requests[24], prompt[24], completion[24], cost[40];
};

struct question {
	struct job_context *ctx;
	struct config config; /* with a timeout that fits the lease; shares its texts */
	struct buf org, system, user, day;
	struct chat_request request;
	struct chat_usage usage;
	struct money money;
	int64_t until_us; /* no pauses after that */
};

static void question_fini(struct question *q)
{
	buf_free(&q->org);
	buf_free(&q->system);
	buf_free(&q->user);
	buf_free(&q->day);
}

/* --- waiting --- */

static bool wait_for_turn(void *user, int64_t ms)
{
	struct question *q = user;
	int64_t end_us = clock_monotonic_us() + ms * MS_US;

	if (end_us > q->until_us)
		return false;
	while (clock_monotonic_us() < end_us) {
		if (q->ctx->stopping && q->ctx->stopping(q->ctx->user))
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000000L }, NULL);
	}
	return true;
}

/* --- the question --- */

static void draw_mark(char out[40])
{
	uint64_t once[2];

	crypto_random(once, sizeof(once));
	snprintf(out, 40, "data-%016llx%016llx", (unsigned long long)once[0],
		 (unsigned long long)once[1]);
}

static int pose(struct question *q, struct json bundle, struct fault *f)
{
	struct arena a = { 0 };
	char mark[40];

	draw_mark(mark);
	buf_add(&q->org, json_text(json_path(bundle, "window.project.org_id"), &a));
	arena_fini(&a);
	model_prompt_system(span_of(mark), &q->system);
	TRY(model_prompt_user(bundle, span_of(mark), &q->user, f));
	q->request = (struct chat_request){
		.system = buf_span(&q->system),
		.user = buf_span(&q->user),
		.name = "changes",
		.schema = span_of(model_prompt_schema),
		.wait = wait_for_turn,
		.wait_user = q,
	};
	return 0;
}

/* --- money --- */

static int reserve(struct question *q, struct fault *f)
{
	const struct config *c = &q->config;
	struct money *m = &q->money;
	struct buf out AUTO_BUF = { 0 };
	struct arena a = { 0 };
	const char *params[] = { buf_z(&q->org), c->model_name, m->dearest, m->cap, m->requests };

	snprintf(m->dearest, sizeof(m->dearest), "%.8f", chat_dearest(c, &q->request));
	snprintf(m->cap, sizeof(m->cap), "%.2f", (double)c->model_daily_cap_cents / 100);
	snprintf(m->requests, sizeof(m->requests), "%lld", (long long)c->model_daily_requests);
	int rc = store_link_query(q->ctx->db, "model_reserve", params, 5, &out, f);
	if (rc == E_NOT_FOUND)
		return fault(f, E_FULL,
			     "language model: the cap of the day is reached "
			     "(model.daily_cap_cents, model.daily_requests)");
	buf_add(&q->day, json_text(json_get(json_of(buf_span(&out)), "day"), &a));
	arena_fini(&a);
	return rc;
}

/* Not being able to book leaves too much booked; that is no reason to lose the answer. */
static void settle(struct question *q)
{
	struct money *m = &q->money;
	struct fault f = { 0 };
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { buf_z(&q->org), q->config.model_name, buf_z(&q->day), m->dearest,
				 m->prompt,	 m->completion,	       m->cost };

	snprintf(m->prompt, sizeof(m->prompt), "%lld", (long long)q->usage.prompt_tokens);
	snprintf(m->completion, sizeof(m->completion), "%lld",
		 (long long)q->usage.completion_tokens);
	snprintf(m->cost, sizeof(m->cost), "%.8f", q->usage.cost);
	if (store_link_query(q->ctx->db, "model_settle", params, 7, &out, &f))
		log_warn("model", "usage not booked: %s", f.text);
}

static void put_usage(const struct question *q, struct buf *out)
{
	struct json_out o = { .b = out };

	json_begin(&o, NULL);
	json_put_z(&o, "model", q->config.model_name);
	json_put_i64(&o, "prompt_tokens", q->usage.prompt_tokens);
	json_put_i64(&o, "completion_tokens", q->usage.completion_tokens);
	json_put_f64(&o, "cost", q->usage.cost);
	json_end(&o);
}

/* --- all of it --- */

static int ask(struct question *q, struct json bundle, struct buf *changes, struct buf *usage,
	       struct fault *f)
{
	struct buf answer AUTO_BUF = { 0 };

	TRY(pose(q, bundle, f));
	TRY(reserve(q, f));
	int rc = chat_ask(&q->config, &q->request, &answer, &q->usage, f);
	settle(q);
	put_usage(q, usage);
	TRY(rc);
	if (model_answer_changes(json_of(buf_span(&answer)),
				 json_path(bundle, "window.version.sections"), changes, f))
		return fault_wrap(f, "language model");
	return 0;
}

int model_suggest(struct job_context *ctx, struct json bundle, struct buf *changes,
		  struct buf *usage, struct fault *f)
{
	struct question q = { .ctx = ctx, .config = *ctx->config };

	buf_clear(changes);
	buf_clear(usage);
	if (!chat_configured(ctx->config))
		return fault(f, E_NOT_FOUND, "no language model is configured");
	q.until_us = clock_monotonic_us() + ctx->lease_ms / 3 * MS_US;
	if (q.config.model_timeout_ms > ctx->lease_ms / 4)
		q.config.model_timeout_ms = ctx->lease_ms / 4;
	int rc = ask(&q, bundle, changes, usage, f);
	if (rc)
		log_warn("model", "the rules make the suggestion: %s", f ? f->text : "");
	question_fini(&q);
	return rc;
}
