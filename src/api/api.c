#include "api/api.h"

#include <stdlib.h>

#include "api/endpoint.h"
#include "api/internal.h"
#include "api/openapi.h"
#include "api/query.h"
#include "api/request.h"
#include "api/watchers.h"

/* The whole API, one line per resource. */
static const struct endpoints *const resources[] = {
	&health_endpoints,	  &openapi_endpoints,	    &calls_endpoints,
	&conversations_endpoints, &commands_endpoints,	    &live_calls_endpoints,
	&live_ws_endpoints,	  &tools_endpoints,	    &projects_endpoints,
	&instructions_endpoints,  &suggestions_endpoints,   &issues_endpoints,
	&sources_endpoints,	  &tokens_endpoints,	    &audit_endpoints,
	&analytics_endpoints,	  &analyses_endpoints,	    &mappings_endpoints,
	&contacts_endpoints,	  &context_endpoints,	    &jobs_endpoints,
	&activities_endpoints,	  &notifications_endpoints, &webhook_endpoints_endpoints,
	&recordings_endpoints,	  &audio_endpoints,	    &texts_endpoints,
};
enum { RESOURCES_N = sizeof(resources) / sizeof(resources[0]) };

static struct http_route route_of(const struct endpoint *e)
{
	return (struct http_route){
		.method = e->method,
		.pattern = e->path,
		.body_limit = e->body_limit ? e->body_limit : ENDPOINT_BODY_LIMIT,
		.handle = e->ws ? NULL : request_handle,
		.ws = e->ws,
		.info = e,
	};
}

size_t api_routes(struct http_route *out, size_t room)
{
	size_t n = 0;
	for (size_t i = 0; i < RESOURCES_N; i++)
		n += resources[i]->n;
	if (room < n)
		return n;
	for (size_t i = 0; i < RESOURCES_N; i++)
		for (size_t j = 0; j < resources[i]->n; j++)
			*out++ = route_of(&resources[i]->rows[j]);
	return n;
}

int api_common_new(struct api_common **out, const struct api_config *config, struct fault *f)
{
	struct api_common *c = calloc(1, sizeof(*c));
	if (!c)
		return fault(f, E_NOMEM, "api");
	c->config = *config;
	if (!c->config.command_wait_ms)
		c->config.command_wait_ms = 5000;
	if (!c->config.slow_watcher_ms)
		c->config.slow_watcher_ms = 60000;
	if (!c->config.watcher_queue_bytes)
		c->config.watcher_queue_bytes = 1024 * 1024;
	auth_rate_init(&c->rate, config->rate_per_s, config->rate_burst);
	openapi_write(&c->openapi, resources, RESOURCES_N);
	*out = c;
	return 0;
}

void api_common_free(struct api_common *c)
{
	if (!c)
		return;
	buf_free(&c->openapi);
	free(c);
}

int api_start(struct api **out, struct api_common *common, struct shard *shard, struct fault *f)
{
	struct api *api = calloc(1, sizeof(*api));
	if (!api)
		return fault(f, E_NOMEM, "api of a shard");
	api->common = common;
	api->shard = shard;
	query_start(api);
	api->watchers = watchers_new(api);
	*out = api;
	return 0;
}

void api_stop(struct api *api)
{
	if (!api)
		return;
	request_stop_all(api);
	watchers_stop(api->watchers);
	query_linger(api);
}

void api_tell(struct api *api, const struct uuid *org, struct message *m)
{
	if (api && !api->stopped)
		watchers_tell(api->watchers, org, m);
}
