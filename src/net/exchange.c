/* One request as its handler sees it, and the answer. */
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "net/internal.h"

void exchange_free(struct exchange *x)
{
	if (!x)
		return;
	if (x->connection && x->connection->exchange == x)
		x->connection->exchange = NULL;
	buf_free(&x->body);
	buf_free(&x->answer_headers);
	arena_fini(&x->arena);
	free(x);
}

enum http_method exchange_method(const struct exchange *x)
{
	return x->method;
}

struct span exchange_path(const struct exchange *x)
{
	return x->path;
}

struct span exchange_param(const struct exchange *x, const char *name)
{
	for (size_t i = 0; i < x->match.params_n; i++)
		if (span_is(x->match.params[i].name, name))
			return x->match.params[i].value;
	return (struct span){ 0 };
}

bool exchange_query_next(const struct exchange *x, size_t *at, struct span *name,
			 struct span *value)
{
	if (*at >= x->query_n)
		return false;
	struct span part = x->query[(*at)++];
	const char *equals = memchr(part.p, '=', part.n);
	*name = (struct span){ part.p, equals ? (size_t)(equals - part.p) : part.n };
	*value = equals ? span_from(part, name->n + 1) : (struct span){ part.p + part.n, 0 };
	return true;
}

bool exchange_query(const struct exchange *x, const char *name, struct span *out)
{
	struct span found, value;

	for (size_t at = 0; exchange_query_next(x, &at, &found, &value);) {
		if (!span_is(found, name))
			continue;
		*out = value;
		return true;
	}
	return false;
}

struct span exchange_body(const struct exchange *x)
{
	return buf_span(&x->body);
}

char *exchange_take_body(struct exchange *x, size_t *n)
{
	char *p = x->body.p;

	*n = x->body.n;
	x->body = (struct buf){ 0 };
	return p;
}

bool exchange_header(const struct exchange *x, const char *name, struct span *out)
{
	const struct http_server *s = x->server;
	for (size_t i = 0; i < s->captures_n; i++) {
		if (strcasecmp(s->captures[i].name, name) != 0 || !x->header[i].p)
			continue;
		*out = x->header[i];
		return true;
	}
	return false;
}

const struct http_route *exchange_route(const struct exchange *x)
{
	return x->match.route;
}

struct shard *exchange_shard(const struct exchange *x)
{
	return x->shard;
}

struct http_server *exchange_server(const struct exchange *x)
{
	return x->server;
}

int64_t exchange_received_us(const struct exchange *x)
{
	return x->received_us;
}

/* A line break in a value would end the header: values may come from requests. */
static void add_header_value(struct buf *b, struct span value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];
		buf_addc(b, c < ' ' || c == 0x7f ? ' ' : (char)c);
	}
}

void exchange_answer_header(struct exchange *x, const char *name, struct span value)
{
	buf_printf(&x->answer_headers, "%s: ", name);
	add_header_value(&x->answer_headers, value);
	buf_addz(&x->answer_headers, "\r\n");
}

char *exchange_render(struct exchange *x, int status, const char *content_type, struct span body,
		      size_t *n)
{
	struct buf out = { 0 };

	buf_reserve(&out, body.n + x->answer_headers.n + 256);
	http_put_head(&out, status, content_type, body.n, buf_span(&x->answer_headers), x->after);
	if (x->method != HTTP_HEAD && status >= 200 && status != 204 && status != 304)
		buf_add(&out, body);
	*n = out.n;
	return out.p;
}

void exchange_answer(struct exchange *x, int status, const char *content_type, struct span body)
{
	struct connection *c = x->connection;
	size_t n;

	metric_add_label(METRIC_HTTP_REQUESTS, http_class(status), 1);
	if (c) {
		if (c->server->draining)
			x->after = HTTP_CLOSES;
		char *answer = exchange_render(x, status, content_type, body, &n);
		connection_answer(c, answer, n, x->after);
	}
	exchange_free(x);
}

void exchange_answer_file(struct exchange *x, int status, const char *content_type, int fd,
			  uint64_t from, uint64_t n)
{
	struct connection *c = x->connection;
	struct buf head = { 0 };

	metric_add_label(METRIC_HTTP_REQUESTS, http_class(status), 1);
	if (c && c->server->draining)
		x->after = HTTP_CLOSES;
	if (c && x->method != HTTP_HEAD)
		connection_append_file(c, fd, from, n);
	else
		close(fd);
	if (c) {
		http_put_head(&head, status, content_type, n, buf_span(&x->answer_headers),
			      x->after);
		connection_answer(c, head.p, head.n, x->after);
	}
	exchange_free(x);
}

void exchange_refuse(struct exchange *x, int status, const char *detail)
{
	struct buf body AUTO_BUF = { 0 };

	http_put_problem(&body, status, detail);
	exchange_answer(x, status, "application/problem+json", buf_span(&body));
}
