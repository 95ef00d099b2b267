#include "api/openapi.h"

#include <stdio.h>

#include "api/internal.h"
#include "api/request.h"

/* schemas.json, put into the program by the build. */
extern const char openapi_schemas[];

static void put_limits(const struct param *p, struct json_out *o)
{
	if (p->type == PARAM_INT) {
		json_put_i64(o, "minimum", p->min);
		json_put_i64(o, "maximum", p->max);
	}
	if (p->type == PARAM_TEXT) {
		json_put_i64(o, "minLength", p->min);
		json_put_i64(o, "maxLength", p->max ? p->max : PARAM_TEXT_MAX);
	}
	if (p->type == PARAM_CALL)
		json_put_i64(o, "maxLength", PARAM_CALL_MAX);
}

static void put_fallback(const struct param *p, struct json_out *o)
{
	if (!p->fallback)
		return;
	if (p->type == PARAM_INT || p->type == PARAM_BOOL)
		json_put_raw(o, "default", span_of(p->fallback));
	else
		json_put_z(o, "default", p->fallback);
}

static void put_schema(const struct param *p, struct json_out *o, const char *key)
{
	const char *type = param_type_schema(p->type);
	json_begin(o, key);
	if (*type) {
		buf_addz(o->b, type);
		o->comma = true;
	}
	if (p->type == PARAM_ENUM) {
		json_begin_array(o, "enum");
		for (const char *const *v = p->values; *v; v++)
			json_put_z(o, NULL, *v);
		json_end_array(o);
	}
	put_limits(p, o);
	put_fallback(p, o);
	if (p->in == PARAM_IN_BODY && p->doc)
		json_put_z(o, "description", p->doc);
	json_end(o);
}

static void put_parameter(const struct param *p, struct json_out *o)
{
	json_begin(o, NULL);
	json_put_z(o, "name", p->name);
	json_put_z(o, "in", p->in == PARAM_IN_PATH ? "path" : "query");
	json_put_bool(o, "required", p->need == PARAM_REQUIRED);
	if (p->doc)
		json_put_z(o, "description", p->doc);
	put_schema(p, o, "schema");
	json_end(o);
}

static void put_parameters(const struct endpoint *e, struct json_out *o)
{
	json_begin_array(o, "parameters");
	for (size_t i = 0; i < e->params_n; i++)
		if (e->params[i].in == PARAM_IN_PATH || e->params[i].in == PARAM_IN_QUERY)
			put_parameter(&e->params[i], o);
	if (e->keyed)
		json_put_raw(o, NULL,
			     SPAN("{\"$ref\":\"#/components/parameters/IdempotencyKey\"}"));
	json_end_array(o);
}

static bool takes_body(const struct endpoint *e, bool *required)
{
	bool any = false;
	*required = false;
	for (size_t i = 0; i < e->params_n; i++) {
		if (e->params[i].in != PARAM_IN_BODY)
			continue;
		any = true;
		*required |= e->params[i].need == PARAM_REQUIRED;
	}
	return any;
}

static void put_members(const struct endpoint *e, struct json_out *o)
{
	json_begin(o, "properties");
	for (size_t i = 0; i < e->params_n; i++)
		if (e->params[i].in == PARAM_IN_BODY)
			put_schema(&e->params[i], o, e->params[i].name);
	json_end(o);
	json_begin_array(o, "required");
	for (size_t i = 0; i < e->params_n; i++)
		if (e->params[i].in == PARAM_IN_BODY && e->params[i].need == PARAM_REQUIRED)
			json_put_z(o, NULL, e->params[i].name);
	json_end_array(o);
}

static void put_body(const struct endpoint *e, struct json_out *o)
{
	bool required;
	if (!takes_body(e, &required))
		return;
	json_begin(o, "requestBody");
	json_put_bool(o, "required", required);
	json_begin(o, "content");
	json_begin(o, "application/json");
	json_begin(o, "schema");
	json_put_z(o, "type", "object");
	json_put_bool(o, "additionalProperties", false);
	put_members(e, o);
	json_end(o);
	json_end(o);
	json_end(o);
	json_end(o);
}

static void put_ref(struct json_out *o, const char *kind, const char *name)
{
	char ref[128];
	snprintf(ref, sizeof(ref), "#/components/%s/%s", kind, name);
	json_put_z(o, "$ref", ref);
}

static void put_answer(struct json_out *o, const char *status, const char *schema)
{
	json_begin(o, status);
	json_put_z(o, "description", schema ? schema : "see the summary");
	if (schema) {
		json_begin(o, "content");
		json_begin(o, "application/json");
		json_begin(o, "schema");
		put_ref(o, "schemas", schema);
		json_end(o);
		json_end(o);
		json_end(o);
	}
	json_end(o);
}

static void put_answers(const struct endpoint *e, struct json_out *o)
{
	char status[8];
	snprintf(status, sizeof(status), "%d", e->ws ? 101 : e->status ? e->status : 200);
	json_begin(o, "responses");
	put_answer(o, status, e->answer);
	for (const char *const *also = e->also; also && *also; also++) {
		snprintf(status, sizeof(status), "%.3s", *also);
		put_answer(o, status, *also + 4);
	}
	json_begin(o, "default");
	put_ref(o, "responses", "Problem");
	json_end(o);
	json_end(o);
}

static void put_operation(const struct endpoint *e, struct json_out *o)
{
	char method[16] = { 0 };
	const char *upper = http_method_name(e->method);
	for (size_t i = 0; upper[i] && i + 1 < sizeof(method); i++)
		method[i] = (char)(upper[i] | 0x20);
	json_begin(o, method);
	json_put_z(o, "operationId", e->id);
	json_begin_array(o, "tags");
	json_put_z(o, NULL, e->tag);
	json_end_array(o);
	json_put_z(o, "summary", e->summary);
	if (e->role == ROLE_NONE)
		json_put_raw(o, "security", SPAN("[]"));
	else
		json_put_z(o, "x-role", role_name(e->role));
	put_parameters(e, o);
	put_body(e, o);
	put_answers(e, o);
	json_end(o);
}

typedef void each_fn(const struct endpoint *, void *user);

static void each_endpoint(const struct endpoints *const *resources, size_t n, each_fn *fn,
			  void *user)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < resources[i]->n; j++)
			fn(&resources[i]->rows[j], user);
}

/* A path is written where its first operation is, with all its operations. */
struct paths {
	const struct endpoints *const *resources;
	size_t n;
	struct json_out *o;
	const struct endpoint *first; /* while looking for it */
	const char *path;
};

static void find_first(const struct endpoint *e, void *user)
{
	struct paths *p = user;
	if (!p->first && strcmp(e->path, p->path) == 0)
		p->first = e;
}

static void put_if_same_path(const struct endpoint *e, void *user)
{
	struct paths *p = user;
	if (strcmp(e->path, p->path) == 0)
		put_operation(e, p->o);
}

static void put_path(const struct endpoint *e, void *user)
{
	struct paths p = *(struct paths *)user;
	p.path = e->path;
	p.first = NULL;
	each_endpoint(p.resources, p.n, find_first, &p);
	if (p.first != e)
		return;
	json_begin(p.o, e->path);
	each_endpoint(p.resources, p.n, put_if_same_path, &p);
	json_end(p.o);
}

static void put_info(struct json_out *o)
{
	json_put_z(o, "openapi", "3.1.0");
	json_begin(o, "info");
	json_put_z(o, "title", "Callmend");
	json_put_z(o, "version", CALLMEND_VERSION);
	json_put_z(o, "summary", "Live voice calls: watch them, steer them, find them again");
	json_begin(o, "license");
	json_put_z(o, "name", "Apache-2.0");
	json_put_z(o, "identifier", "Apache-2.0");
	json_end(o);
	json_end(o);
	json_put_raw(o, "servers", SPAN("[{\"url\":\"/\"}]"));
	json_put_raw(o, "security", SPAN("[{\"token\":[]}]"));
}

void openapi_write(struct buf *out, const struct endpoints *const *resources, size_t n)
{
	struct json_out o = { .b = out };
	struct paths paths = { .resources = resources, .n = n, .o = &o };
	json_begin(&o, NULL);
	put_info(&o);
	json_begin(&o, "paths");
	each_endpoint(resources, n, put_path, &paths);
	json_end(&o);
	json_put_raw(&o, "components", span_of(openapi_schemas));
	json_end(&o);
	CHECK(json_check(buf_span(out), NULL) == 0);
}

static void run_openapi(struct request *r)
{
	request_answer(r, 200, buf_span(&r->api->common->openapi));
}

static const struct endpoint rows[] = {
	{ HTTP_GET, "/openapi.json", .id = "openapi", .tag = "node", .summary = "This document",
	  .answer = "Any", .run = run_openapi },
};
ENDPOINTS(openapi_endpoints, rows);
