#include "api/usage.h"

#include "api/query.h"
#include "base/clock.h"

static void on_noted(void *user, const struct store_answer *a)
{
	(void)user;
	(void)a; /* PostgreSQL away: the next minute tells it */
}

void usage_note(struct api *api, const struct caller *c, int64_t now_us)
{
	_Atomic int64_t *next = &api->common->usage[uuid_hash(&c->token) % API_USAGE_SLOTS];
	int64_t due = atomic_load_explicit(next, memory_order_relaxed);
	char id[UUID_TEXT + 1];
	const char *params[] = { id };
	if (now_us < due || !atomic_compare_exchange_strong(next, &due, now_us + 60 * SECOND_US))
		return;
	uuid_format(&c->token, id);
	if (query_run(api, "api_tokens_used", params, 1, on_noted, NULL))
		atomic_store(next, due); /* the queue is full */
}
