/* Words of HTTP: methods, status phrases, problem bodies (RFC 9457), the head of an answer. */
#include "base/json.h"
#include "net/internal.h"

static const char *const method_names[] = {
	[HTTP_GET] = "GET",	    [HTTP_POST] = "POST",     [HTTP_PUT] = "PUT",
	[HTTP_PATCH] = "PATCH",	    [HTTP_DELETE] = "DELETE", [HTTP_HEAD] = "HEAD",
	[HTTP_OPTIONS] = "OPTIONS",
};
enum { METHODS = sizeof(method_names) / sizeof(method_names[0]) };

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{ 100, "Continue" },
	{ 101, "Switching Protocols" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 422, "Unprocessable Content" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 507, "Insufficient Storage" },
};

static const char *const class_names[] = { "1xx", "2xx", "3xx", "4xx", "5xx" };

const char *http_method_name(enum http_method method)
{
	CHECK((unsigned)method < METHODS);
	return method_names[method];
}

const char *http_phrase(int status)
{
	for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
		if (phrases[i].status == status)
			return phrases[i].phrase;
	return "Status";
}

const char *http_class(int status)
{
	CHECK(status >= 100 && status < 600);
	return class_names[status / 100 - 1];
}

void http_put_methods(struct buf *out, unsigned methods)
{
	bool first = true;

	if (methods & 1u << HTTP_GET)
		methods |= 1u << HTTP_HEAD;
	methods |= 1u << HTTP_OPTIONS;
	for (unsigned m = 0; m < METHODS; m++) {
		if (!(methods & 1u << m))
			continue;
		buf_printf(out, "%s%s", first ? "" : ", ", method_names[m]);
		first = false;
	}
}

void http_put_problem(struct buf *out, int status, const char *detail)
{
	struct json_out o = { .b = out };

	json_begin(&o, NULL);
	json_put_z(&o, "type", "about:blank");
	json_put_z(&o, "title", http_phrase(status));
	json_put_i64(&o, "status", status);
	if (detail)
		json_put_z(&o, "detail", detail);
	json_end(&o);
}

/* 1xx, 204 and 304 have no body by definition and must not announce one. */
static bool has_length(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

void http_put_head(struct buf *out, int status, const char *content_type, size_t length,
		   struct span more, enum http_after after)
{
	buf_printf(out, "HTTP/1.1 %d %s\r\n", status, http_phrase(status));
	if (content_type && has_length(status))
		buf_printf(out, "Content-Type: %s\r\n", content_type);
	if (has_length(status))
		buf_printf(out, "Content-Length: %zu\r\n", length);
	buf_add(out, more);
	buf_addz(out, after == HTTP_CLOSES ? "Connection: close\r\n\r\n"
					   : "Connection: keep-alive\r\n\r\n");
}
