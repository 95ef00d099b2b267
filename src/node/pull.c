/* Happy path: the time since the last pull is walked as the provider wants it; what has ended goes
 * into a batch. Platforms with sessions: pull_ringcentral.c. Vapi: in windows of a day; an answer
 * as long as the limit may leave something out, so its window is halved and asked again.
 *
 * Vapi's API has no pages: it gives a plain array in no order. Windows overlap with those of the
 * last pull by OVERLAP_US, for calls that had not ended then; what came before is a duplicate.
 * Calls that ended within the last minute are left for the next pull: their analysis is not there
 * yet.
 *
 * Failure modes
 *   429, 5xx, no answer       again, after Retry-After or a growing pause, TRIES times
 *   401, 403                  the key is refused: given up at once
 *   an answer that is no array, or too large
 *                             halved when it is too large, else given up
 *   killed                    nothing is lost: calls that are there are duplicates */
#include "node/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/simple_client.h"
#include "node/pull_parts.h"

enum {
	PAGE = 100,
	RATE = 60,
	AGAIN_MS = 5000,
	TRIES = 8,
	TIMEOUT_MS = 60000,
	LEASE_MS = 2 * TIMEOUT_MS,
	ANSWER_LIMIT = 64 * 1024 * 1024,
	PAUSE_MIN_MS = 1000,
	PAUSE_MAX_MS = 60000,
	RETRY_AFTER_MAX_S = 300,
	WINDOWS_MAX = 64 /* a day halved down to a millisecond takes 27 */
};
#define OVERLAP_US PULL_DAY_US
#define FIRST_US (14 * PULL_DAY_US)
#define SETTLED_US (INT64_C(60) * SECOND_US)

struct window {
	int64_t from_us, to_us;
};

/* --- asking --- */

static int sleep_ms(struct pull *p, int64_t ms, struct fault *f)
{
	for (; ms > 0; ms -= 100) {
		if (p->stopping && p->stopping(p->user))
			return fault(f, E_UNAVAILABLE, "stopped");
		usleep((useconds_t)(ms < 100 ? ms : 100) * 1000);
	}
	return 0;
}

static void add_time(struct buf *url, const char *name, int64_t us)
{
	char iso[CLOCK_ISO + 1];

	clock_format(us, iso);
	buf_printf(url, "&%s=%.13s%%3A%.2s%%3A%.6sZ", name, iso, iso + 14, iso + 17);
}

static void write_url(const struct pull *p, const struct window *w, struct buf *url)
{
	struct span base = p->intake.source->api_base;

	while (base.n && base.p[base.n - 1] == '/')
		base.n--;
	buf_printf(url, "%.*s/call?limit=%d", SPAN_ARG(base), PAGE);
	add_time(url, "createdAtGe", w->from_us);
	add_time(url, "createdAtLt", w->to_us);
}

static int once(struct pull *p, const struct window *w, int *status, struct buf *answer,
		struct buf *retry_after, struct fault *f)
{
	struct buf url AUTO_BUF = { 0 }, header AUTO_BUF = { 0 };
	int64_t rest_us = p->asked_us + p->pace_us - clock_monotonic_us();

	if (p->requests)
		TRY(sleep_ms(p, rest_us / 1000, f));
	p->asked_us = clock_monotonic_us();
	p->requests++;
	write_url(p, w, &url);
	buf_printf(&header, "authorization: Bearer %.*s",
		   SPAN_ARG(p->intake.source->private_key.value));
	const struct simple_request request = { .method = HTTP_GET,
						.url = buf_z(&url),
						.headers = { buf_z(&header) },
						.timeout_ms = TIMEOUT_MS,
						.response_limit = ANSWER_LIMIT,
						.wanted_header = "retry-after",
						.wanted = retry_after };
	buf_clear(answer);
	buf_clear(retry_after);
	return simple_client_send(&request, status, answer, f);
}

/* Worth asking again? */
static bool passing(int rc, int status)
{
	return rc ? rc != E_INVALID && rc != E_TOO_LARGE : status == 429 || status >= 500;
}

static int64_t pause_of(struct buf *retry_after, int64_t pause_ms)
{
	char *end;
	const char *given = buf_z(retry_after);
	long seconds = strtol(given, &end, 10);

	if (end == given || seconds < 0)
		return pause_ms;
	return (seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : seconds) * 1000;
}

static int judge(int rc, int status, struct span answer, struct fault *f)
{
	if (rc)
		return rc;
	if (status == 401 || status == 403)
		return fault(f, E_DENIED, "the provider refuses the private key (HTTP %d)", status);
	if (status != 200)
		return fault(f, E_UNAVAILABLE, "the provider answered %d: %.*s", status,
			     (int)(answer.n > 100 ? 100 : answer.n), answer.p);
	if (json_check(answer, f))
		return fault_wrap(f, "the provider's answer"), E_CORRUPT;
	if (json_of(answer).kind != JSON_ARRAY)
		return fault(f, E_CORRUPT, "the provider's answer is no array of calls");
	return 0;
}

static int ask(struct pull *p, const struct window *w, struct buf *answer, struct fault *f)
{
	struct buf retry_after AUTO_BUF = { 0 };
	struct backoff pause = { .least_ms = PAUSE_MIN_MS, .most_ms = PAUSE_MAX_MS };
	int status = 0, rc = 0;

	for (int i = 0; i < TRIES; i++) {
		if (p->alive)
			TRY(p->alive(p->user, f));
		rc = once(p, w, &status, answer, &retry_after, f);
		if (!passing(rc, status) || (p->stopping && p->stopping(p->user)))
			break;
		TRY(sleep_ms(p, pause_of(&retry_after, backoff_next_ms(&pause)), f));
	}
	return judge(rc, status, buf_span(answer), f);
}

/* --- calls --- */

/* Not long over: what the provider makes of it may still come. */
static bool unsettled(struct json call)
{
	struct arena a = { 0 };
	int64_t ended = 0;
	bool young = clock_parse(json_text(json_get(call, "endedAt"), &a), &ended) &&
		     ended > clock_now_us() - SETTLED_US;

	arena_fini(&a);
	return young;
}

static int take_calls(struct pull *p, struct json calls, struct fault *f)
{
	struct json_iter it = json_iter(calls);
	struct span key;
	struct json call;

	while (json_next(&it, &key, &call)) {
		const struct batch_record record = { .text = call.raw, .fallback_us = p->until_us };

		if (unsettled(call))
			p->unsettled++;
		else
			TRY(batch_add(p->batch, &record, f));
	}
	return batch_flush(p->batch, f);
}

/* --- windows --- */

static bool can_halve(const struct window *w)
{
	return w->to_us - w->from_us >= 2 * MS_US;
}

/* Both halves instead of it, the earlier on top. */
static size_t halve(struct window *stack, size_t n)
{
	struct window w = stack[n - 1];
	int64_t middle = w.from_us + (w.to_us - w.from_us) / 2 / MS_US * MS_US;

	CHECK(n < WINDOWS_MAX);
	stack[n - 1] = (struct window){ middle, w.to_us };
	stack[n] = (struct window){ w.from_us, middle };
	return n + 1;
}

static int walk_window(struct pull *p, struct window day, struct fault *f)
{
	struct window stack[WINDOWS_MAX] = { day };
	struct buf answer AUTO_BUF = { 0 };

	for (size_t n = 1; n;) {
		const struct window *w = &stack[n - 1];
		int rc = ask(p, w, &answer, f);
		struct json calls = rc ? (struct json){ 0 } : json_of(buf_span(&answer));
		bool full = rc == E_TOO_LARGE || json_count(calls) >= PAGE;

		if (full && can_halve(w)) {
			n = halve(stack, n);
			continue;
		}
		if (rc)
			return rc;
		if (full)
			log_warn("pull", "%d calls or more in one millisecond: some may be missing",
				 PAGE);
		TRY(take_calls(p, calls, f));
		n--;
	}
	return 0;
}

static int64_t whole_ms(int64_t us)
{
	return us / MS_US * MS_US;
}

static int find_since(struct pull *p, struct fault *f)
{
	struct buf answer AUTO_BUF = { 0 };
	struct arena a = { 0 };
	char id[UUID_TEXT + 1];
	const char *params[] = { id };
	int64_t until = 0;

	uuid_format(&p->intake.source->id, id);
	TRY(store_query_once(buf_z(&p->intake.url), "import_pulled", params, 1, &answer, f));
	bool before =
		clock_parse(json_text(json_get(json_of(buf_span(&answer)), "until"), &a), &until);
	p->since_us = before ? until - OVERLAP_US : p->until_us - FIRST_US;
	arena_fini(&a);
	return 0;
}

static int open_batch(struct pull *p, struct fault *f)
{
	struct buf poison_dir AUTO_BUF = { 0 };
	const char *what = p->missed ? "missed" : "pull";
	char name[96];
	int n = snprintf(name, sizeof(name), "%s:%" PRId64 ":%" PRId64, what, p->since_us,
			 p->until_us);

	p->id = uuid_v5(&p->intake.source->id, (struct span){ name, (size_t)n });
	intake_poison_dir(&p->intake, NULL, &poison_dir);
	const struct batch_config bc = { .url = buf_z(&p->intake.url),
					 .id = p->id,
					 .name = what,
					 .format = format_find(span_of(p->way->format)),
					 .directory = p->intake.directory,
					 .source = p->intake.source,
					 .resume = BATCH_NEW_RECORDS,
					 .since_us = p->since_us,
					 .until_us = p->until_us,
					 .poison_dir = buf_z(&poison_dir),
					 .mistake = p->mistake,
					 .stopping = p->stopping,
					 .user = p->user };

	return batch_open(&p->batch, &bc, f);
}

static int check_vapi(const struct pull *p, struct fault *f)
{
	const struct dir_source *s = p->intake.source;

	if (!s->private_key.value.n)
		return fault(f, E_INVALID, "the source has no private key%s%.*s",
			     s->private_key.missing.n ? ": " : "",
			     SPAN_ARG(s->private_key.missing));
	return 0;
}

static int walk_vapi(struct pull *p, struct fault *f)
{
	for (int64_t from = p->since_us; from < p->until_us; from += PULL_DAY_US) {
		int64_t to = from + PULL_DAY_US < p->until_us ? from + PULL_DAY_US : p->until_us;

		TRY(walk_window(p, (struct window){ from, to }, f));
	}
	return 0;
}

/* --- whatever the provider --- */

static const struct pull_way vapi = { "vapi", "vapi", check_vapi, walk_vapi };
static const struct pull_way *const ways[] = { &vapi, &pull_ringcentral, &pull_ringcx };

static int find_way(struct pull *p, struct fault *f)
{
	const struct dir_source *s = p->intake.source;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (span_is(s->dialect, ways[i]->dialect))
			p->way = ways[i];
	if (!p->way)
		return fault(f, E_INVALID, "calls of %.*s cannot be pulled", SPAN_ARG(s->dialect));
	if (!s->api_base.n)
		return fault(f, E_INVALID, "the source has no api_base");
	return p->way->check(p, f);
}

static int walk(struct pull *p, struct fault *f)
{
	TRY(p->way->walk(p, f));
	return batch_finish(p->batch, f);
}

static int pull(struct pull *p, struct fault *f)
{
	int64_t now = clock_now_us();

	TRY(find_way(p, f));
	if (!p->until_us ||
	    (p->until_us > now && !p->missed)) /* else the next pull would begin too late */
		p->until_us = now;
	p->until_us = whole_ms(p->until_us);
	if (!p->since_us)
		TRY(find_since(p, f));
	p->since_us = whole_ms(p->since_us);
	if (p->since_us >= p->until_us)
		return fault(f, E_INVALID, "since must be before until");
	TRY(open_batch(p, f));
	int rc = walk(p, f);
	if (rc && rc != E_CONFLICT && rc != E_LOST) /* another's now */
		batch_give_up(p->batch);
	batch_counts(p->batch, &p->counts);
	return rc;
}

static void pull_fini(struct pull *p)
{
	platform_close(p->platform);
	batch_free(p->batch);
	intake_fini(&p->intake);
}

/* "14d", "12h" before now, or a time. */
static bool read_time(const char *text, int64_t *us)
{
	char *end;
	long n = strtol(text, &end, 10);
	int64_t unit = *end == 'd' ? PULL_DAY_US : *end == 'h' ? PULL_DAY_US / 24 : 0;

	if (unit && end != text && !end[1] && n > 0 && n < 100000) {
		*us = clock_now_us() - n * unit;
		return true;
	}
	return clock_parse(span_of(text), us);
}

static int64_t pace_of(int64_t rate)
{
	return INT64_C(60) * SECOND_US / (rate > 0 && rate <= 100000 ? rate : RATE);
}

/* --- the verb --- */

static int run_verb(const struct verb_call *v, struct pull *p)
{
	int64_t began = clock_monotonic_us();
	struct fault f = { 0 };
	int rc = intake_open(&p->intake, v->config, verb_option(v, "--source"), &f);

	if (!rc)
		rc = pull(p, &f);
	if (rc)
		return verb_failed(v, "%s", f.text);
	int status = intake_report(v, &p->id, &p->counts,
				   (double)(clock_monotonic_us() - began) / (double)SECOND_US);
	if (p->unsettled && !v->json)
		printf("%" PRIu64 " ended a moment ago: they come with the next pull\n",
		       p->unsettled);
	return status;
}

int pull_verb(const struct verb_call *v)
{
	struct pull p = { .lease_ms = LEASE_MS,
			  .stopping = intake_stopping,
			  .mistake = intake_mistake };
	const char *since = verb_option(v, "--since"), *until = verb_option(v, "--until"),
		   *rate = verb_option(v, "--rate");
	int64_t per_minute = RATE;

	if (v->words_n)
		return verb_misused(v, "--pull takes no files");
	if (!verb_option(v, "--source"))
		return verb_misused(v, "--source NAME says whose calls");
	if (since && !read_time(since, &p.since_us))
		return verb_misused(v, "--since: a time (2026-01-31T00:00:00Z), 14d or 12h");
	if (until && !read_time(until, &p.until_us))
		return verb_misused(v, "--until: a time (2026-01-31T00:00:00Z), 14d or 12h");
	if (rate && (per_minute = strtol(rate, NULL, 10)) <= 0)
		return verb_misused(v, "--rate: requests a minute, at least 1");
	p.pace_us = pace_of(per_minute);
	intake_watch_signals();
	int status = run_verb(v, &p);
	pull_fini(&p);
	return status;
}

/* --- the job --- */

struct running_job {
	struct job_context *ctx;
	const struct job *job;
};

static bool job_stopping(void *user)
{
	struct running_job *r = user;

	return r->ctx->stopping && r->ctx->stopping(r->ctx->user);
}

static int job_alive(void *user, struct fault *f)
{
	struct running_job *r = user;

	return job_prolong(r->ctx, r->job, f);
}

static void job_mistake(void *user, uint64_t record, size_t line, struct span id, const char *error)
{
	(void)user;
	(void)line;
	log_warn("pull", "call %.*s (record %" PRIu64 ") cannot be read: %s", SPAN_ARG(id), record,
		 error);
}

static int read_payload(struct pull *p, struct json payload, struct fault *f)
{
	struct arena a = { 0 };
	int64_t rate = RATE;
	struct span since = json_text(json_get(payload, "since"), &a),
		    until = json_text(json_get(payload, "until"), &a);
	bool good = (!since.n || clock_parse(since, &p->since_us)) &&
		    (!until.n || clock_parse(until, &p->until_us));

	(void)json_i64(json_get(payload, "rate"), &rate);
	p->pace_us = pace_of(rate);
	arena_fini(&a);
	return good ? 0 : fault(f, E_INVALID, "since, until: expected times");
}

/* Somebody else asks the platform just now. */
static int later(struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	char delay[24];
	const char *params[] = { job->kind.p, job->key.p, ctx->owner, delay };

	snprintf(delay, sizeof(delay), "%d", AGAIN_MS);
	return store_link_query(ctx->db, "job_later", params, 4, &out, f);
}

static int missed_done(struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct buf out AUTO_BUF = { 0 };
	char wanted[24];
	const char *params[] = { job->key.p, ctx->owner, wanted };

	snprintf(wanted, sizeof(wanted), "%" PRId64, job->wanted);
	return store_link_query(ctx->db, "missed_done", params, 3, &out, f);
}

static int run_job(struct job_context *ctx, const struct job *job, bool missed, struct fault *f)
{
	struct running_job running = { ctx, job };
	struct pull p = { .missed = missed,
			  .lease_ms = ctx->lease_ms,
			  .stopping = job_stopping,
			  .alive = job_alive,
			  .mistake = job_mistake,
			  .user = &running };
	int rc = intake_open(&p.intake, ctx->config, job->key.p, f);

	if (rc == E_NOT_FOUND)
		rc = fault(f, E_INVALID, "there is no source %s", job->key.p);
	if (!rc)
		rc = read_payload(&p, job->payload, f);
	if (!rc)
		rc = pull(&p, f);
	if (rc == E_DENIED || rc == E_CLOSED) /* again would be the same */
		rc = f->code = E_INVALID;
	bool busy = rc == E_CONFLICT && p.busy;
	if (!rc)
		log_info("pull", "%" PRIu64 " calls, %" PRIu64 " duplicates, %" PRIu64 " bad",
			 p.counts.imported, p.counts.duplicates, p.counts.bad);
	pull_fini(&p);
	if (busy)
		return later(ctx, job, f);
	return rc ? rc : missed ? missed_done(ctx, job, f) : job_done(ctx, job, f);
}

int pull_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	return run_job(ctx, job, false, f);
}

int missed_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	return run_job(ctx, job, true, f);
}
