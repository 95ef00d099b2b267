/* HTTP client: libcurl's multi interface on the shard's loop.
 *
 *   http_client_send ─► waiting (FIFO, bounded) ─► running (at most max_in_flight) ─► done
 *
 * Did the server see it? curl counts the bytes of the request it has written
 * (CURLINFO_REQUEST_SIZE): zero means surely not. Anything else without a whole answer is
 * CLIENT_UNKNOWN.
 *
 * curl sends a request again by itself when a connection it used before dies without a byte of
 * answer (Curl_retry_request, up to 5 times, POST too), although the server may have carried it
 * out. The pre-request callback comes before every such attempt: it stops all that follow one which
 * has written anything. A cached connection found dead before that is replaced, harmlessly.
 *
 * Failure modes: name or connection (NOT_SENT), certificate (NOT_SENT), timeout (either), reset or
 * a half answer (UNKNOWN), an answer above the limit (ANSWERED, truncated; the connection is
 * dropped), redirects (handed to the caller). */
#include "net/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <utlist.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/file.h"

enum { CA_FILE_LIMIT = 16 << 20 };
enum { CONNECTION_AGE_SECONDS = 45 }; /* younger than what servers close when idle */

struct transfer {
	struct transfer *next, *prev;
	struct http_client *client;
	client_done_fn *done;
	void *user;
	CURL *easy; /* NULL while waiting */
	enum http_method method;
	char *url;
	struct curl_slist *headers;
	struct buf body;
	int64_t started_us, deadline_us;
	size_t limit;
	bool truncated;
	bool head_read; /* curl takes a head without its end for an answer */
	struct buf head;
	bool sent_before; /* the pre-request callback stopped a repetition */
	struct buf response;
	char error[CURL_ERROR_SIZE];
};

struct watch {
	uv_poll_t poll;
	struct http_client *client;
	curl_socket_t fd;
	struct watch *next, *prev;
};

struct http_client {
	struct shard *shard;
	CURLM *multi;
	char *ca_file;		/* NULL: curl's own */
	uv_timer_t timer;	/* curl's */
	uv_timer_t queue_timer; /* the first deadline among the waiting */
	unsigned max_in_flight, max_waiting;
	unsigned running_n, waiting_n;
	struct transfer *running, *waiting;
	struct watch *watches;
	unsigned handles; /* of libuv, not closed yet */
	bool freed;
};

/* --- handles --- */

static void free_when_closed(struct http_client *c)
{
	if (!c->freed || c->handles)
		return;
	free(c->ca_file);
	free(c);
}

static void on_timer_closed(uv_handle_t *h)
{
	struct http_client *c = h->data;

	c->handles--;
	free_when_closed(c);
}

static void on_watch_closed(uv_handle_t *h)
{
	struct watch *w = h->data;
	struct http_client *c = w->client;

	free(w);
	c->handles--;
	free_when_closed(c);
}

static void watch_free(struct watch *w)
{
	DL_DELETE(w->client->watches, w);
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

/* --- one transfer --- */

static void transfer_free(struct transfer *t)
{
	if (!t)
		return;
	if (t->easy)
		curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	buf_free(&t->body);
	buf_free(&t->response);
	buf_free(&t->head);
	free(t->url);
	free(t);
}
DEFINE_SCOPED(transfer)

static bool was_sent(const struct transfer *t)
{
	long bytes = 0;

	return t->easy && curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &bytes) == CURLE_OK &&
	       bytes > 0;
}

static size_t on_response(char *p, size_t size, size_t n, void *user)
{
	struct transfer *t = user;
	size_t left = t->limit - t->response.n;

	n *= size;
	t->truncated = n > left;
	buf_add(&t->response, (struct span){ p, t->truncated ? left : n });
	return t->truncated ? 0 : n;
}

static size_t on_head_line(char *p, size_t size, size_t n, void *user)
{
	struct transfer *t = user;

	n *= size;
	if (n > 5 && memcmp(p, "HTTP/", 5) == 0) {
		t->head_read = false; /* of a 1xx that came before */
		buf_clear(&t->head);
	}
	if (n && n <= 2 && p[n - 1] == '\n')
		t->head_read = true;
	if (t->head.n + n <= CLIENT_HEAD_MAX)
		buf_add(&t->head, (struct span){ p, n });
	return n;
}

bool client_head_line(struct span head, const char *name, struct span *value)
{
	size_t n = strlen(name);

	while (head.n) {
		struct span line = span_line(&head);

		if (line.n <= n || line.p[n] != ':' || strncasecmp(line.p, name, n) != 0)
			continue;
		*value = span_trim(span_from(line, n + 1));
		return true;
	}
	return false;
}

static int on_prerequest(void *user, char *peer, char *local, int peer_port, int local_port)
{
	struct transfer *t = user;

	(void)peer, (void)local, (void)peer_port, (void)local_port;
	t->sent_before = was_sent(t);
	return t->sent_before ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static void set_method(struct transfer *t)
{
	CURL *e = t->easy;
	bool body = t->body.n > 0 || t->method == HTTP_POST || t->method == HTTP_PUT ||
		    t->method == HTTP_PATCH;

	if (body) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->body.n ? t->body.p : "");
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.n);
	} else {
		curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	}
	if (t->method == HTTP_HEAD)
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, http_method_name(t->method));
}

static void set_options(struct transfer *t, int64_t left_ms)
{
	CURL *e = t->easy;

	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_URL, t->url);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "callmend/" CALLMEND_VERSION);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	if (t->client->ca_file) /* the system's folder of them (CAPATH) stays */
		curl_easy_setopt(e, CURLOPT_CAINFO, t->client->ca_file);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* not from the environment */
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)CONNECTION_AGE_SECONDS);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)left_ms);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_response);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head_line);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_prerequest);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	set_method(t);
}

static void report(struct transfer *t, struct client_response *r)
{
	char *type = NULL;

	r->duration_us = clock_monotonic_us() - t->started_us;
	if (r->end == CLIENT_ANSWERED) {
		curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
		r->content_type = span_of(type);
		r->head = buf_span(&t->head);
		r->body = buf_span(&t->response);
		r->error = NULL;
	}
	t->done(t->user, r);
	transfer_free(t);
}

static struct client_response outcome(struct transfer *t, CURLcode code)
{
	struct client_response r = { .truncated = t->truncated };
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	r.status = (int)status;
	if (t->head_read && (code == CURLE_OK || (t->truncated && code == CURLE_WRITE_ERROR)))
		return r;
	r.truncated = false;
	r.status = 0;
	r.end = was_sent(t) ? CLIENT_UNKNOWN : CLIENT_NOT_SENT;
	r.timed_out = code == CURLE_OPERATION_TIMEDOUT;
	r.error = t->sent_before ? "the connection was closed before the answer"
		  : t->error[0]	 ? t->error
		  : code	 ? curl_easy_strerror(code)
				 : "the answer ended in its head";
	return r;
}

/* --- running and waiting --- */

static void start_waiting(struct http_client *c);

static void leave_running(struct transfer *t)
{
	struct http_client *c = t->client;

	curl_multi_remove_handle(c->multi, t->easy);
	DL_DELETE(c->running, t);
	c->running_n--;
}

static void leave_waiting(struct transfer *t)
{
	DL_DELETE(t->client->waiting, t);
	t->client->waiting_n--;
}

static void collect(struct http_client *c)
{
	CURLMsg *m;
	int left;

	while (!c->freed && (m = curl_multi_info_read(c->multi, &left))) {
		struct transfer *t = NULL;
		CURLcode code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		leave_running(t);
		struct client_response r = outcome(t, code);
		report(t, &r);
	}
	if (!c->freed)
		start_waiting(c);
}

static void never_sent(struct transfer *t, const char *why, bool timed_out)
{
	struct client_response r = { .end = CLIENT_NOT_SENT, .timed_out = timed_out, .error = why };

	leave_waiting(t);
	report(t, &r);
}

static void start(struct transfer *t)
{
	struct http_client *c = t->client;
	int64_t left_ms = (t->deadline_us - clock_monotonic_us()) / MS_US;

	leave_waiting(t);
	t->easy = curl_easy_init();
	CHECK(t->easy);
	set_options(t, left_ms > 0 ? left_ms : 1);
	DL_APPEND(c->running, t);
	c->running_n++;
	CHECK(curl_multi_add_handle(c->multi, t->easy) == CURLM_OK);
}

static void start_waiting(struct http_client *c)
{
	while (c->waiting && c->running_n < c->max_in_flight)
		start(c->waiting);
}

static void arm_queue_timer(struct http_client *c);

static void on_queue_timer(uv_timer_t *timer)
{
	struct http_client *c = timer->data;
	struct transfer *t = c->waiting;

	while (!c->freed && t) {
		struct transfer *next = t->next;
		bool late = t->deadline_us <= clock_monotonic_us();
		if (late)
			never_sent(t, "timed out while waiting for its turn", true);
		t = late ? c->waiting : next; /* `done` may have changed the list */
	}
	if (!c->freed)
		arm_queue_timer(c);
}

static void arm_queue_timer(struct http_client *c)
{
	struct transfer *t;
	int64_t first = INT64_MAX;

	DL_FOREACH(c->waiting, t)
	{
		if (t->deadline_us < first)
			first = t->deadline_us;
	}
	if (first == INT64_MAX) {
		uv_timer_stop(&c->queue_timer);
		return;
	}
	int64_t left_us = first - clock_monotonic_us();
	uv_update_time(shard_loop(c->shard));
	uv_timer_start(&c->queue_timer, on_queue_timer,
		       left_us > 0 ? (uint64_t)(left_us / MS_US) + 1 : 0, 0);
}

/* --- curl and libuv --- */

static void act(struct http_client *c, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(c->multi, fd, what, &running);
	collect(c);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	int what = status < 0 ? CURL_CSELECT_ERR : 0;

	what |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
	what |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
	act(w->client, w->fd, what);
}

static void on_timer(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static struct watch *watch_new(struct http_client *c, curl_socket_t fd)
{
	struct watch *w = calloc(1, sizeof(*w));

	CHECK(w);
	w->client = c;
	w->fd = fd;
	w->poll.data = w;
	CHECK(uv_poll_init_socket(shard_loop(c->shard), &w->poll, fd) == 0);
	c->handles++;
	DL_APPEND(c->watches, w);
	curl_multi_assign(c->multi, fd, w);
	return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *of_socket)
{
	struct watch *w = of_socket;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w)
			watch_free(w);
		return 0;
	}
	if (!w)
		w = watch_new(user, fd);
	events |= what & CURL_POLL_IN ? UV_READABLE : 0;
	events |= what & CURL_POLL_OUT ? UV_WRITABLE : 0;
	uv_poll_start(&w->poll, events, on_poll);
	return 0;
}

/* Called inside curl: a timeout of 0 must not act at once. */
static int on_set_timer(CURLM *multi, long ms, void *user)
{
	struct http_client *c = user;

	(void)multi;
	if (c->freed || ms < 0) {
		uv_timer_stop(&c->timer);
		return 0;
	}
	uv_update_time(shard_loop(c->shard));
	uv_timer_start(&c->timer, on_timer, (uint64_t)ms, 0);
	return 0;
}

/* --- the contract --- */

static void init_curl(void)
{
	CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

int http_client_new(struct http_client **out, struct shard *shard, unsigned max_in_flight,
		    unsigned max_waiting, struct fault *f)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_curl);
	CURLM *multi = curl_multi_init();
	if (!multi)
		return fault(f, E_NOMEM, "http client");
	struct http_client *c = calloc(1, sizeof(*c));
	CHECK(c);
	*c = (struct http_client){ .shard = shard,
				   .multi = multi,
				   .max_in_flight = max_in_flight ? max_in_flight : 1,
				   .max_waiting = max_waiting,
				   .handles = 2 };
	c->timer.data = c->queue_timer.data = c;
	CHECK(uv_timer_init(shard_loop(shard), &c->timer) == 0);
	CHECK(uv_timer_init(shard_loop(shard), &c->queue_timer) == 0);
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_set_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)c->max_in_flight);
	*out = c;
	return 0;
}

void http_client_trust(struct http_client *c, const char *ca_file)
{
	free(c->ca_file);
	c->ca_file = ca_file && *ca_file ? strdup(ca_file) : NULL;
	CHECK(c->ca_file || !ca_file || !*ca_file);
}

int http_client_check_ca(const char *ca_file, struct fault *f)
{
	struct buf text AUTO_BUF = { 0 };

	if (!*ca_file)
		return 0;
	TRY(file_read(ca_file, CA_FILE_LIMIT, &text, f));
	return crypto_has_certificate(buf_span(&text))
		       ? 0
		       : fault(f, E_INVALID, "%s: no certificate in PEM form", ca_file);
}

static void give_up(struct transfer *t)
{
	struct client_response r = { .end = was_sent(t) ? CLIENT_UNKNOWN : CLIENT_NOT_SENT,
				     .error = "the client is shutting down" };

	leave_running(t);
	report(t, &r);
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	c->freed = true; /* nothing new from the `done`s below */
	while (c->waiting)
		never_sent(c->waiting, "the client is shutting down", false);
	while (c->running)
		give_up(c->running);
	curl_multi_cleanup(c->multi);
	while (c->watches)
		watch_free(c->watches);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
	uv_close((uv_handle_t *)&c->queue_timer, on_timer_closed);
}

static int check_url(struct span url, struct fault *f)
{
	char *scheme = NULL;
	struct buf z AUTO_BUF = { 0 };
	CURLU *u = curl_url();

	CHECK(u);
	buf_add(&z, url);
	CURLUcode rc = memchr(z.p, 0, z.n) ? CURLUE_MALFORMED_INPUT
					   : curl_url_set(u, CURLUPART_URL, buf_z(&z), 0);
	if (rc == CURLUE_OK)
		rc = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
	bool web = scheme && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	curl_free(scheme);
	curl_url_cleanup(u);
	if (rc != CURLUE_OK)
		return fault(f, E_INVALID, "URL: %s", curl_url_strerror(rc));
	return web ? 0 : fault(f, E_INVALID, "URL: neither http nor https");
}

static bool one_line(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
			return false;
	return true;
}

static void add_header(struct transfer *t, const char *line)
{
	struct curl_slist *longer = curl_slist_append(t->headers, line);

	CHECK(longer);
	t->headers = longer;
}

static int add_headers(struct transfer *t, const struct client_request *q, struct fault *f)
{
	bool type_given = false;

	for (size_t i = 0; i < q->headers_n; i++) {
		struct buf line AUTO_BUF = { 0 };
		const struct http_header *h = &q->headers[i];
		if (h->name.n == 0 || !one_line(h->name) || !one_line(h->value))
			return fault(f, E_INVALID, "header %zu: line breaks or no name", i);
		type_given |= h->name.n == 12 && strncasecmp(h->name.p, "content-type", 12) == 0;
		/* "Name;" is curl's way to say an empty value */
		buf_printf(&line, h->value.n ? "%.*s: %.*s" : "%.*s;%.*s", SPAN_ARG(h->name),
			   SPAN_ARG(h->value));
		add_header(t, buf_z(&line));
	}
	if (!type_given)
		add_header(t, "Content-Type:"); /* not curl's own idea of one */
	add_header(t, "Expect:");
	return 0;
}

int http_client_send(struct http_client *c, const struct client_request *q, client_done_fn *done,
		     void *user, struct fault *f)
{
	if (c->freed)
		return fault(f, E_CLOSED, "the client is shutting down");
	bool full = c->running_n >= c->max_in_flight && c->waiting_n >= c->max_waiting;
	if (full)
		return fault(f, E_FULL, "%u requests are running and %u waiting", c->running_n,
			     c->waiting_n);
	if (q->url.n == 0)
		return fault(f, E_INVALID, "URL: empty");
	TRY(check_url(q->url, f));
	scoped(transfer) *t = calloc(1, sizeof(*t));
	CHECK(t);
	TRY(add_headers(t, q, f));
	t->client = c;
	t->done = done;
	t->user = user;
	t->method = q->method;
	t->url = strndup(q->url.p, q->url.n);
	CHECK(t->url);
	buf_add(&t->body, q->body);
	t->limit = q->response_limit;
	t->started_us = clock_monotonic_us();
	t->deadline_us = t->started_us + q->timeout_ms * MS_US;
	struct transfer *waiting = take(t);
	DL_APPEND(c->waiting, waiting);
	c->waiting_n++;
	start_waiting(c);
	if (c->waiting_n)
		arm_queue_timer(c);
	return 0;
}
