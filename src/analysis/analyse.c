/* Happy path: one statement claims a batch, one loads it, understand() works through it, one stores
 * it.
 *
 * Failure modes
 *   the batch cannot be loaded (in     each of its calls is loaded alone: the bad one is found and
 *   time)                              fails alone
 *   a call cannot be understood        its job fails alone: later and later again, dead in the end
 *   PostgreSQL refuses the batch       each of its calls is stored alone: the bad one is found
 *   a lease was lost meanwhile         that call is skipped: whoever has it now stores it
 *   its job row is locked just now     (a late report comes in) it is stored alone, waiting
 *   the call is gone, or live again    its job ends without a result
 *   a call that ends the analyst       callmend_job_claim() gives such ones out alone
 *   told to stop                       the calls not looked at are given back
 *   the database is lost               E_UNAVAILABLE; leases run out and the calls are claimed anew
 */
#include "analysis/analyse.h"

#include <stdio.h>
#include <stdlib.h>

#include "analysis/understand.h"
#include "base/log.h"

struct claimed {
	struct span key;
	int64_t wanted;
	struct json finished; /* null: nothing to analyse */
	struct json project, versions;
	bool understood;
	size_t doc_at, doc_n; /* in batch.docs */
};

struct batch {
	struct job_context *job;
	struct arena arena;
	struct buf claims, loaded, docs, answer;
	struct claimed *calls;
	size_t n;
};

static void batch_fini(struct batch *b)
{
	buf_free(&b->claims);
	buf_free(&b->loaded);
	buf_free(&b->docs);
	buf_free(&b->answer);
	arena_fini(&b->arena);
}

static const char *text_of(struct batch *b, struct span s)
{
	return arena_printf(&b->arena, "%.*s", SPAN_ARG(s));
}

static int query(struct batch *b, const char *name, const char *const *params, size_t n,
		 struct fault *f)
{
	return store_link_query(b->job->db, name, params, n, &b->answer, f);
}
#define QUERY(b, f, name, ...)                               \
	query(b, name, (const char *const[]){ __VA_ARGS__ }, \
	      sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *), f)

/* --- claiming --- */

#define CLAIMED(F, T)                    \
	F(T, TEXT, key, "key", REQUIRED) \
	F(T, I64, wanted, "wanted", REQUIRED)
JSON_STRUCT(claimed_json, CLAIMED)
JSON_FIELDS(claimed_json, CLAIMED)

static int read_claimed(struct batch *b, struct json v, struct fault *f)
{
	struct claimed_json j = { 0 };
	TRY(JSON_READ(claimed_json, v, &b->arena, &j, f));
	b->calls[b->n++] = (struct claimed){ .key = j.key, .wanted = j.wanted };
	return 0;
}

static int claim(struct batch *b, unsigned most, struct fault *f)
{
	char count[16], lease[24];
	const char *params[] = { "{analyse}", b->job->owner, count, lease };
	snprintf(count, sizeof(count), "%u", most);
	snprintf(lease, sizeof(lease), "%lld", (long long)b->job->lease_ms);
	TRY(store_link_query(b->job->db, "job_claim", params, 4, &b->claims, f));
	struct json jobs = json_of(buf_span(&b->claims));
	struct json_iter it = json_iter(jobs);
	struct span key;
	struct json v;
	b->calls = arena_alloc(&b->arena, json_count(jobs) * sizeof(*b->calls) + 1);
	while (json_next(&it, &key, &v))
		TRY(read_claimed(b, v, f));
	return 0;
}

/* --- loading --- */

#define LOADED(F, T)                                   \
	F(T, TEXT, project_id, "project_id", OPTIONAL) \
	F(T, RAW, finished, "finished", OPTIONAL)
JSON_STRUCT(loaded_json, LOADED)
JSON_FIELDS(loaded_json, LOADED)

static int read_loaded(struct batch *b, struct json v, struct json projects, struct claimed *c,
		       struct fault *f)
{
	struct loaded_json j = { 0 };
	TRY(JSON_READ(loaded_json, v, &b->arena, &j, f));
	struct json project = json_get(projects, text_of(b, j.project_id));
	c->finished = j.finished;
	c->project = json_get(project, "project");
	c->versions = json_get(project, "versions");
	return 0;
}

/* calls[from .. upto); what was loaded before is gone. */
static int load(struct batch *b, size_t from, size_t upto, struct fault *f)
{
	struct buf keys AUTO_BUF = { 0 };
	struct json_out o = { .b = &keys };
	json_begin_array(&o, NULL);
	for (size_t i = from; i < upto; i++)
		json_put_text(&o, NULL, b->calls[i].key);
	json_end_array(&o);
	const char *params[] = { buf_z(&keys) };
	TRY(store_link_query(b->job->db, "analyst_load", params, 1, &b->loaded, f));
	TRY(json_check(buf_span(&b->loaded), f));
	struct json all = json_of(buf_span(&b->loaded)), projects = json_get(all, "projects");
	struct json_iter it = json_iter(json_get(all, "calls"));
	struct span key;
	struct json v;
	for (size_t i = from; i < upto && json_next(&it, &key, &v); i++)
		TRY(read_loaded(b, v, projects, &b->calls[i], f));
	return 0;
}

/* --- failing --- */

static int give_up(struct batch *b, const struct claimed *c, const char *why, struct fault *f)
{
	char attempts[16];
	struct buf text AUTO_BUF = { 0 };
	snprintf(attempts, sizeof(attempts), "%d", ANALYSE_ATTEMPTS);
	buf_add_utf8(&text, span_of(why));
	int rc = QUERY(b, f, "job_fail", "analyse", text_of(b, c->key), b->job->owner, buf_z(&text),
		       attempts);
	return rc == E_NOT_FOUND ? 0 : rc; /* the lease was lost: nothing to give back */
}

static int give_back(struct batch *b, size_t from, struct fault *f)
{
	for (size_t i = from; i < b->n; i++)
		TRY(QUERY(b, f, "job_return", "analyse", text_of(b, b->calls[i].key),
			  b->job->owner));
	return 0;
}

/* --- understanding --- */

/* The members that calls of a project share are loaded once for all of them. */
static void compose(const struct claimed *c, struct buf *out)
{
	struct span doc = c->finished.raw;
	buf_add(out, (struct span){ doc.p, doc.n - 1 });
	buf_addz(out, ",\"project\":");
	buf_add(out, c->project.raw);
	buf_addz(out, ",\"versions\":");
	buf_add(out, c->versions.raw);
	buf_addc(out, '}');
}

/* Not understood is no failure of the batch. */
static int understand_one(struct batch *b, struct claimed *c, struct fault *f)
{
	struct buf input AUTO_BUF = { 0 };
	struct fault why = { 0 };
	if (c->finished.kind != JSON_OBJECT) {
		c->understood = true;
		return 0;
	}
	compose(c, &input);
	c->doc_at = b->docs.n;
	int rc = understand(json_of(buf_span(&input)), &b->docs, &why);
	c->doc_n = b->docs.n - c->doc_at;
	c->understood = rc == 0;
	return rc ? give_up(b, c, why.text, f) : 0;
}

static bool stopping(const struct batch *b)
{
	return b->job->stopping && b->job->stopping(b->job->user);
}

/* --- storing --- */

static void put_result(const struct batch *b, const struct claimed *c, struct json_out *o)
{
	struct span doc = { b->docs.p + c->doc_at, c->doc_n };
	json_begin(o, NULL);
	json_put_text(o, "key", c->key);
	json_put_i64(o, "wanted", c->wanted);
	json_put_raw(o, "doc", doc); /* empty: null */
	json_end(o);
}

/* Those of calls[from .. upto) that were understood. `answer` then names those that were not
 * stored. */
static int store(struct batch *b, size_t from, size_t upto, struct fault *f)
{
	struct buf results AUTO_BUF = { 0 };
	struct json_out o = { .b = &results };
	json_begin_array(&o, NULL);
	for (size_t i = from; i < upto; i++)
		if (b->calls[i].understood)
			put_result(b, &b->calls[i], &o);
	json_end_array(&o);
	if (results.n == 2) {
		buf_clear(&b->answer);
		buf_addz(&b->answer, "{}");
		return 0;
	}
	return QUERY(b, f, "analyst_store", b->job->owner, buf_z(&results));
}

static bool was_missed(const struct batch *b, const struct claimed *c)
{
	struct json_iter it = json_iter(json_get(json_of(buf_span(&b->answer)), "missed"));
	struct span key;
	struct json v;
	while (json_next(&it, &key, &v))
		if (span_eq(json_text(v, NULL), c->key))
			return true;
	return false;
}

/* Alone it waits for the row's lock; missed once more, the lease is lost. */
static int store_alone(struct batch *b, size_t i, struct fault *f)
{
	struct fault why = { 0 };
	int rc = store(b, i, i + 1, &why);
	if (rc == E_INVALID || rc == E_CONFLICT)
		return give_up(b, &b->calls[i], why.text, f);
	if (rc)
		return fault(f, rc, "%s", why.text);
	if (was_missed(b, &b->calls[i]))
		log_debug(text_of(b, b->calls[i].key), "analysed, but the lease was lost");
	return 0;
}

static int store_each(struct batch *b, size_t from, size_t upto, const bool *which, struct fault *f)
{
	for (size_t i = from; i < upto; i++)
		if (which[i])
			TRY(store_alone(b, i, f));
	return 0;
}

static int store_together(struct batch *b, size_t from, size_t upto, struct fault *f)
{
	bool *alone = arena_alloc(&b->arena, upto + 1);
	struct fault why = { 0 };
	int rc = store(b, from, upto, &why);
	bool refused = rc == E_INVALID || rc == E_CONFLICT;
	if (rc && !refused)
		return fault(f, rc, "%s", why.text);
	for (size_t i = from; i < upto; i++)
		alone[i] = b->calls[i].understood && (refused || was_missed(b, &b->calls[i]));
	return store_each(b, from, upto, alone, f);
}

/* --- the batch --- */

/* `next`: the first that was not looked at, because we have to stop. */
static int run_loaded(struct batch *b, size_t from, size_t upto, size_t *next, struct fault *f)
{
	for (*next = from; *next < upto && !stopping(b); ++*next)
		TRY(understand_one(b, &b->calls[*next], f));
	return store_together(b, from, *next, f);
}

static int run_alone(struct batch *b, size_t i, size_t *next, struct fault *f)
{
	struct fault why = { 0 };
	buf_clear(&b->docs);
	if (load(b, i, i + 1, &why) == 0)
		return run_loaded(b, i, i + 1, next, f);
	*next = i + 1;
	return give_up(b, &b->calls[i], why.text, f); /* which fails when the database is lost */
}

static int run_each(struct batch *b, size_t *next, struct fault *f)
{
	for (*next = 0; *next < b->n && !stopping(b);)
		TRY(run_alone(b, *next, next, f));
	return 0;
}

static int run(struct batch *b, struct fault *f)
{
	struct fault why = { 0 };
	size_t next = 0;
	if (!b->n)
		return 0;
	if (load(b, 0, b->n, &why) == 0) {
		TRY(run_loaded(b, 0, b->n, &next, f));
	} else {
		log_warn("analyse", "%zu calls are loaded one by one: %s", b->n, why.text);
		TRY(run_each(b, &next, f));
	}
	return give_back(b, next, f);
}

int analyse_batch(struct job_context *job, unsigned most, unsigned *done, struct fault *f)
{
	struct batch b = { .job = job };
	*done = 0;
	int rc = claim(&b, most, f);
	if (!rc)
		rc = run(&b, f);
	*done = (unsigned)b.n;
	batch_fini(&b);
	return rc;
}

int reanalyse_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct buf asked AUTO_BUF = { 0 };
	char wanted[24], most[16];
	const char *params[] = { job->key.p, ctx->owner, wanted, most };

	snprintf(wanted, sizeof(wanted), "%lld", (long long)job->wanted);
	snprintf(most, sizeof(most), "%d", REANALYSE_PAGE);
	return store_link_query(ctx->db, "reanalyse_page", params, 4, &asked, f);
}

int analyse_stale(struct job_context *job, unsigned most, unsigned *asked, struct fault *f)
{
	struct buf answer AUTO_BUF = { 0 };
	char version[16], count[16], days[16];
	int64_t n = 0;
	snprintf(version, sizeof(version), "%d", UNDERSTAND_VERSION);
	snprintf(count, sizeof(count), "%u", most);
	snprintf(days, sizeof(days), "%d", ANALYSE_STALE_DAYS);
	*asked = 0;
	TRY(store_link_query(job->db, "analyst_stale",
			     (const char *const[]){ version, count, days }, 3, &answer, f));
	(void)json_i64(json_get(json_of(buf_span(&answer)), "jobs"), &n);
	*asked = (unsigned)n;
	return 0;
}
