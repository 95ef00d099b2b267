#include "healing/stored.h"

#include <stdio.h>

#include "healing/thresholds.h"

int stored_load(struct job_context *ctx, const struct job *job, const char *name, struct buf *out,
		struct fault *f)
{
	const struct thresholds standard = THRESHOLDS_STANDARD;
	char days[24], calls[24];
	const char *params[] = { job->key.p, days, calls };
	snprintf(days, sizeof(days), "%.0f", standard.window_days);
	snprintf(calls, sizeof(calls), "%.0f", standard.window_calls);
	return store_link_query(ctx->db, name, params, 3, out, f);
}

int stored_put(struct job_context *ctx, const struct job *job, const char *name, struct buf *result,
	       struct fault *f)
{
	char wanted[24];
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { ctx->owner, job->key.p, wanted, buf_z(result) };
	snprintf(wanted, sizeof(wanted), "%lld", (long long)job->wanted);
	return store_link_query(ctx->db, name, params, 4, &out, f);
}
