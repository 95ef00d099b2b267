#include "callmend/job.h"

#include <stdio.h>

#define CLAIMED(F, T)                           \
	F(T, TEXT, kind, "kind", REQUIRED)      \
	F(T, TEXT, key, "key", REQUIRED)        \
	F(T, TEXT, org_id, "org_id", REQUIRED)  \
	F(T, RAW, payload, "payload", REQUIRED) \
	F(T, I64, wanted, "wanted", REQUIRED)   \
	F(T, I64, attempts, "attempts", REQUIRED)
JSON_STRUCT(claimed, CLAIMED)
JSON_FIELDS(claimed, CLAIMED)

static struct span copy(struct arena *a, struct span text)
{
	return span_of(arena_printf(a, "%.*s", SPAN_ARG(text)));
}

int job_read(struct json v, struct arena *a, struct job *out, struct fault *f)
{
	struct claimed c = { 0 };

	TRY(JSON_READ(claimed, v, a, &c, f));
	*out = (struct job){
		.kind = copy(a, c.kind),
		.key = copy(a, c.key),
		.payload = c.payload,
		.wanted = c.wanted,
		.attempts = c.attempts,
	};
	return uuid_parse(&out->org, c.org_id) ? fault(f, E_INVALID, "org_id: not an id") : 0;
}

static int tell(struct job_context *ctx, const struct job *job, const char *name, int64_t last,
		struct fault *f)
{
	char number[24];
	struct buf out AUTO_BUF = { 0 };
	const char *params[] = { job->kind.p, job->key.p, ctx->owner, number };

	snprintf(number, sizeof(number), "%lld", (long long)last);
	return store_link_query(ctx->db, name, params, 4, &out, f);
}

int job_prolong(struct job_context *ctx, const struct job *job, struct fault *f)
{
	return tell(ctx, job, "job_prolong", ctx->lease_ms, f);
}

int job_done(struct job_context *ctx, const struct job *job, struct fault *f)
{
	return tell(ctx, job, "job_done", job->wanted, f);
}
