/* The probes: is the process there, should it get traffic, what does it count. None needs a token.
 */
#include "api/endpoint.h"
#include "api/request.h"
#include "base/metrics.h"
#include "callmend/store.h"

static void run_healthz(struct request *r)
{
	request_answer(r, 200, SPAN("{\"status\":\"ok\"}"));
}

static void put_reason(struct json_out *o, bool holds, const char *text)
{
	if (holds)
		json_put_z(o, NULL, text);
}

static void run_readyz(struct request *r)
{
	const struct api_config *c = &r->api->common->config;
	struct api_readiness now = { 0 };
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	c->readiness(c->user, &now);
	bool ready = !now.draining && !now.journal_failed && !now.detail;
	json_begin(&o, NULL);
	json_put_bool(&o, "ready", ready);
	json_begin_array(&o, "reasons");
	put_reason(&o, now.draining, "draining: the node is shutting down");
	put_reason(&o, now.journal_failed, "the journal failed: nothing can be made durable");
	put_reason(&o, now.detail != NULL, now.detail);
	json_end_array(&o);
	/* Calls go on without it: the journal holds, the live view moves. So it is told, not held
	 * against us. */
	json_put_z(&o, "database", store_connected(c->store) ? "connected" : "away");
	json_end(&o);
	request_answer(r, ready ? 200 : 503, buf_span(&b));
}

static void run_metrics(struct request *r)
{
	struct buf b AUTO_BUF = { 0 };
	metrics_write(&b);
	request_answer_as(r, 200, "text/plain; version=0.0.4; charset=utf-8", buf_span(&b));
}

static void run_index(struct request *r)
{
	request_answer(
		r, 200,
		SPAN("{\"name\":\"callmend\",\"version\":\"" CALLMEND_VERSION "\","
		     "\"openapi\":\"/openapi.json\",\"live\":\"/api/v1/live\",\"calls\":\"/api/v1/"
		     "calls\","
		     "\"health\":\"/healthz\",\"ready\":\"/readyz\",\"metrics\":\"/metrics\"}"));
}

static const char *const not_ready[] = { "503 Ready", NULL };

static const struct endpoint rows[] = {
	{ HTTP_GET, "/", .id = "index", .tag = "node", .summary = "What is where",
	  .answer = "Index", .run = run_index },
	{ HTTP_GET, "/healthz", .id = "healthz", .tag = "node",
	  .summary = "200 while the process answers", .answer = "Health", .run = run_healthz },
	{ HTTP_GET, "/readyz", .id = "readyz", .tag = "node",
	  .summary =
		  "200 when webhooks should be sent here; 503 with reasons while draining or after "
		  "the journal failed. PostgreSQL being away is told but stays 200",
	  .answer = "Ready", .also = not_ready, .run = run_readyz },
	{ HTTP_GET, "/metrics", .id = "metrics", .tag = "node",
	  .summary = "Counters in the Prometheus text format", .run = run_metrics },
};
ENDPOINTS(health_endpoints, rows);
