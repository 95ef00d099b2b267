#include "net/simple_client.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_MAX = 64 * 1024 };

static char *trusted; /* NULL: curl's own */

void simple_client_trust(const char *ca_file)
{
	free(trusted);
	trusted = ca_file && *ca_file ? strdup(ca_file) : NULL;
	CHECK(trusted || !ca_file || !*ca_file);
}

struct sink {
	struct buf *out;
	size_t limit;
	bool full;
};

static size_t on_bytes(char *p, size_t size, size_t n, void *user)
{
	struct sink *s = user;

	if (s->out->n + size * n > s->limit) {
		s->full = true;
		return 0;
	}
	buf_add(s->out, (struct span){ p, size * n });
	return size * n;
}

/* A redirection, or a "100 Continue", has a head of its own before it. */
static size_t on_header(char *p, size_t size, size_t n, void *user)
{
	struct buf *head = user;

	if (size * n > 5 && memcmp(p, "HTTP/", 5) == 0)
		buf_clear(head);
	if (head->n + size * n <= HEAD_MAX)
		buf_add(head, (struct span){ p, size * n });
	return size * n;
}

struct watch {
	const struct simple_request *request;
	struct fault *f;
	int rc;
};

static int on_progress(void *user, curl_off_t total, curl_off_t now, curl_off_t up_total,
		       curl_off_t up_now)
{
	struct watch *w = user;

	(void)total, (void)now, (void)up_total, (void)up_now;
	w->rc = w->request->alive(w->request->user, w->f);
	return w->rc != 0;
}

static bool has_type(const struct simple_request *r)
{
	for (size_t i = 0; i < SIMPLE_HEADERS_MAX && r->headers[i]; i++)
		if (strncasecmp(r->headers[i], "content-type:", 13) == 0)
			return true;
	return false;
}

static struct curl_slist *header_list(const struct simple_request *r)
{
	struct curl_slist *list = NULL;

	for (size_t i = 0; i < SIMPLE_HEADERS_MAX && r->headers[i]; i++)
		list = curl_slist_append(list, r->headers[i]);
	if (r->body.p && !has_type(r))
		list = curl_slist_append(list, "Content-Type: application/json");
	return list;
}

static void set_up(CURL *h, const struct simple_request *r, struct sink *sink, char *error)
{
	curl_easy_setopt(h, CURLOPT_URL, r->url);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, http_method_name(r->method));
	curl_easy_setopt(h, CURLOPT_PROXY, ""); /* like the live connection: straight to the node */
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, sink);
	if (r->head) {
		curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
		curl_easy_setopt(h, CURLOPT_HEADERDATA, r->head);
	}
	if (trusted) /* the system's folder of them (CAPATH) stays */
		curl_easy_setopt(h, CURLOPT_CAINFO, trusted);
	if (r->body.p) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n);
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, r->body.p);
	}
}

static const struct {
	CURLcode curl;
	int code;
} meanings[] = {
	{ CURLE_UNSUPPORTED_PROTOCOL, E_INVALID },
	{ CURLE_URL_MALFORMAT, E_INVALID },
	{ CURLE_COULDNT_RESOLVE_HOST, E_UNAVAILABLE },
	{ CURLE_COULDNT_CONNECT, E_UNAVAILABLE },
	{ CURLE_COULDNT_RESOLVE_PROXY, E_UNAVAILABLE },
	{ CURLE_SSL_CONNECT_ERROR, E_UNAVAILABLE },
	{ CURLE_PEER_FAILED_VERIFICATION, E_UNAVAILABLE },
	{ CURLE_OPERATION_TIMEDOUT, E_TIMEOUT },
};

static int judge(CURLcode rc, const struct sink *sink, const char *error, struct fault *f)
{
	int code = sink->full ? E_TOO_LARGE : E_IO;

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		code = meanings[i].curl == rc ? meanings[i].code : code;
	return fault(f, code, "%s",
		     sink->full ? "the answer is too large"
		     : *error	? error
				: curl_easy_strerror(rc));
}

static void take_header(CURL *h, const struct simple_request *r)
{
	struct curl_header *header;

	if (r->wanted_header &&
	    curl_easy_header(h, r->wanted_header, 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
		buf_addz(r->wanted, header->value);
}

int simple_client_send(const struct simple_request *r, int *status, struct buf *body,
		       struct fault *f)
{
	char error[CURL_ERROR_SIZE] = "";
	struct sink sink = { .out = body, .limit = r->response_limit };
	struct watch watch = { .request = r, .f = f };
	CURL *h = curl_easy_init();
	long code = 0;

	CHECK(h);
	struct curl_slist *headers = header_list(r);
	set_up(h, r, &sink, error);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers);
	if (r->alive) {
		curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
		curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(h, CURLOPT_XFERINFODATA, &watch);
	}
	CURLcode rc = curl_easy_perform(h);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &code);
	take_header(h, r);
	curl_slist_free_all(headers);
	curl_easy_cleanup(h);
	*status = (int)code;
	if (watch.rc)
		return watch.rc;
	return rc == CURLE_OK ? 0 : judge(rc, &sink, error, f);
}
