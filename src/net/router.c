#include "net/router.h"

#include <stdlib.h>

enum part_kind { PART_LITERAL, PART_PARAM, PART_REST }; /* in order of preference */

enum { MAX_PARTS = 12 };

struct part {
	enum part_kind kind;
	struct span text; /* the literal, or the parameter's name */
};

struct pattern {
	const struct http_route *route;
	size_t index; /* in the table */
	size_t n;
	struct part parts[MAX_PARTS];
};

struct router {
	size_t n;
	struct pattern patterns[];
};

/* Takes the text up to the next slash; `s` starts with a slash. */
static struct span next_part(struct span *s)
{
	struct span all = span_from(*s, 1);
	const char *slash = all.n ? memchr(all.p, '/', all.n) : NULL;
	struct span part = { all.p, slash ? (size_t)(slash - all.p) : all.n };

	*s = span_from(all, part.n);
	return part;
}

static struct part part_of(struct span text)
{
	if (text.n < 3 || text.p[0] != '{' || text.p[text.n - 1] != '}')
		return (struct part){ PART_LITERAL, text };
	if (text.p[text.n - 2] == '*')
		return (struct part){ PART_REST, { text.p + 1, text.n - 3 } };
	return (struct part){ PART_PARAM, { text.p + 1, text.n - 2 } };
}

static int pattern_read(struct pattern *p, const struct http_route *route, struct fault *f)
{
	struct span left = span_of(route->pattern);
	size_t params = 0;

	p->route = route;
	if (left.n == 0 || left.p[0] != '/')
		return fault(f, E_INVALID, "route %s: must start with /", route->pattern);
	if (!route->handle == !route->ws)
		return fault(f, E_INVALID, "route %s: needs either handle or ws", route->pattern);
	while (left.n) {
		if (p->n == MAX_PARTS)
			return fault(f, E_INVALID, "route %s: too many parts", route->pattern);
		struct part part = part_of(next_part(&left));
		p->parts[p->n++] = part;
		params += part.kind != PART_LITERAL;
		if (part.kind == PART_REST && left.n)
			return fault(f, E_INVALID, "route %s: {%.*s*} must be the last part",
				     route->pattern, SPAN_ARG(part.text));
	}
	if (params > HTTP_MAX_PARAMS)
		return fault(f, E_INVALID, "route %s: too many parameters", route->pattern);
	return 0;
}

static int pattern_order(const void *a, const void *b)
{
	const struct pattern *x = a, *y = b;

	for (size_t i = 0; i < x->n && i < y->n; i++)
		if (x->parts[i].kind != y->parts[i].kind)
			return x->parts[i].kind < y->parts[i].kind ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

int router_new(struct router **out, const struct http_route *routes, size_t n, struct fault *f)
{
	struct router *r = calloc(1, sizeof(*r) + n * sizeof(r->patterns[0]));

	CHECK(r);
	r->n = n;
	for (size_t i = 0; i < n; i++) {
		r->patterns[i].index = i;
		int rc = pattern_read(&r->patterns[i], &routes[i], f);
		if (rc) {
			free(r);
			return rc;
		}
	}
	qsort(r->patterns, n, sizeof(r->patterns[0]), pattern_order);
	*out = r;
	return 0;
}

void router_free(struct router *r)
{
	free(r);
}

static void add_param(struct route_match *m, struct span name, struct span value)
{
	CHECK(m->params_n < HTTP_MAX_PARAMS);
	m->params[m->params_n++] = (struct route_param){ name, value };
}

static bool pattern_matches(const struct pattern *p, struct span path, struct route_match *m)
{
	m->params_n = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct part *part = &p->parts[i];
		if (path.n == 0)
			return false;
		if (part->kind == PART_REST) {
			add_param(m, part->text, span_from(path, 1));
			return true;
		}
		struct span text = next_part(&path);
		if (part->kind == PART_LITERAL && !span_eq(text, part->text))
			return false;
		if (part->kind == PART_PARAM && text.n == 0)
			return false;
		if (part->kind == PART_PARAM)
			add_param(m, part->text, text);
	}
	return path.n == 0;
}

static bool serves(const struct http_route *route, enum http_method method)
{
	return route->method == method || (method == HTTP_HEAD && route->method == HTTP_GET);
}

void router_find(const struct router *r, enum http_method method, struct span path,
		 struct route_match *out)
{
	*out = (struct route_match){ 0 };
	for (size_t i = 0; i < r->n; i++) {
		const struct http_route *route = r->patterns[i].route;
		struct route_match m = { 0 };
		if (!pattern_matches(&r->patterns[i], path, &m))
			continue;
		out->allow |= 1u << route->method;
		if (!serves(route, method))
			continue;
		if (out->route && !(route->method == method && out->route->method != method))
			continue;
		m.route = route;
		m.allow = out->allow;
		*out = m;
	}
}
