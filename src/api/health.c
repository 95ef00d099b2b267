/* The probes: is the process there, should it get traffic, what does it count. None needs a token.
 */
#include "api/endpoint.h"
#include "api/request.h"
#include "base/clock.h"
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

/* The message of PostgreSQL stays in the log: it names users and hosts, and this needs no token. */
static void put_trouble(struct json_out *o, const struct store_trouble *t)
{
	char since[CLOCK_ISO + 1];
	clock_format(t->since_us, since);
	json_begin(o, NULL);
	json_put_z(o, "part", t->part);
	json_put_z(o, "error", t->name);
	json_put_z(o, "sqlstate", t->sqlstate);
	json_put_bool(o, "degraded", t->degraded);
	json_put_z(o, "since", since);
	json_put_z(o, "advice", t->advice);
	json_end(o);
}

/* Calls go on without it: the journal holds, the live view moves. So it is told, not held against
 * us. */
static void put_database(struct json_out *o, struct store *store)
{
	struct store_trouble troubles[STORE_PART_COUNT];
	size_t n = store_troubles(store, troubles);
	const char *state = store_connected(store) ? "connected" : "away";
	for (size_t i = 0; i < n; i++)
		if (troubles[i].degraded)
			state = "degraded";
	json_put_z(o, "database", state);
	json_begin_array(o, "troubles");
	for (size_t i = 0; i < n; i++)
		put_trouble(o, &troubles[i]);
	json_end_array(o);
}

static void put_session(void *user, const struct uuid *source, enum connect_state state,
			int64_t since_us, const char *why)
{
	struct json_out *o = user;
	char id[UUID_TEXT + 1], since[CLOCK_ISO + 1];
	(void)why; /* may name addresses and users */
	if (state == CONNECT_LIVE)
		return;
	uuid_format(source, id);
	clock_format(since_us, since);
	json_begin(o, NULL);
	json_put_z(o, "source", id);
	json_put_z(o, "state", connect_state_name(state));
	json_put_z(o, "since", since);
	json_end(o);
}

/* Webhooks and other sources go on without them. */
static void put_sessions(struct json_out *o, const struct api_config *c)
{
	json_begin_array(o, "sessions");
	if (c->connect)
		c->sessions(c->connect, put_session, o);
	json_end_array(o);
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
	put_database(&o, c->store);
	put_sessions(&o, c);
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
		  "the journal failed. PostgreSQL being away or degraded is told but stays 200",
	  .answer = "Ready", .also = not_ready, .run = run_readyz },
	{ HTTP_GET, "/metrics", .id = "metrics", .tag = "node",
	  .summary = "Counters in the Prometheus text format", .run = run_metrics },
};
ENDPOINTS(health_endpoints, rows);
