/* Happy path: load, decide, store; the storing statement ends the job.
 *
 * Failure modes: the project is gone - the job ends without a result; thresholds that are none -
 * the job is dead and says why; PostgreSQL away, or the lease lost - nothing is stored. */
#include "healing/detect.h"

#include "healing/impact.h"
#include "healing/issues.h"
#include "healing/stored.h"

int detect_decide(struct json loaded, struct buf *out, struct fault *f)
{
	struct arena a = { 0 };
	struct window w;
	int rc = window_read(loaded, &a, &w, f);
	if (!rc) {
		struct json_out o = { .b = out };
		json_begin(&o, NULL);
		json_put_text(&o, "org", w.org);
		json_put_i64(&o, "calls", (int64_t)w.eligible_n);
		issues_decide(&w, &o);
		impact_put_all(&w, &o, "impacts");
		json_end(&o);
	}
	arena_fini(&a);
	return rc;
}

int detect_job(struct job_context *ctx, const struct job *job, struct fault *f)
{
	struct buf loaded AUTO_BUF = { 0 }, result AUTO_BUF = { 0 };
	int rc = stored_load(ctx, job, "heal_detect_load", &loaded, f);
	if (rc == E_NOT_FOUND)
		return job_done(ctx, job, f);
	TRY(rc);
	TRY(detect_decide(json_of(buf_span(&loaded)), &result, f));
	return stored_put(ctx, job, "heal_detect_store", &result, f);
}
