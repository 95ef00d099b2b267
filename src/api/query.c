#include "api/query.h"

#include <stdlib.h>

enum { LINGER_MS = 20 };

struct query {
	struct api *api;
	store_done_fn *done;
	void *user;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void end_if_last(struct api *api)
{
	if (api->stopped && api->queries == 0)
		uv_close((uv_handle_t *)&api->linger, on_closed);
}

static void on_answer(void *user, const struct store_answer *a)
{
	struct query q = *(struct query *)user;
	free(user);
	q.done(q.user, a);
	q.api->queries--;
	end_if_last(q.api);
}

int query_run(struct api *api, const char *name, const char *const *params, size_t n,
	      store_done_fn *done, void *user)
{
	struct query *q = calloc(1, sizeof(*q));
	CHECK(q);
	*q = (struct query){ api, done, user };
	int rc = store_query(api->common->config.store, api->shard, name, params, n, on_answer, q);
	if (rc)
		free(q);
	else
		api->queries++;
	return rc;
}

static void on_linger(uv_timer_t *timer)
{
	(void)timer; /* an active handle is what keeps the loop, nothing else */
}

void query_start(struct api *api)
{
	CHECK(uv_timer_init(shard_loop(api->shard), &api->linger) == 0);
	api->linger.data = api;
}

void query_linger(struct api *api)
{
	CHECK(uv_timer_start(&api->linger, on_linger, LINGER_MS, LINGER_MS) == 0);
	api->stopped = true;
	end_if_last(api);
}
