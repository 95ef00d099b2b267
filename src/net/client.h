/* HTTP client of a shard: libcurl multi on the shard's libuv loop, keep-alive, bounded. One per
 * shard, that shard's thread only. */
#ifndef CALLMEND_NET_CLIENT_H
#define CALLMEND_NET_CLIENT_H

#include <stdint.h>

#include "callmend/fault.h"
#include "callmend/span.h"
#include "net/http.h"
#include "rt/shard.h"

struct http_client;
MUST int http_client_new(struct http_client **out, struct shard *, unsigned max_in_flight,
			 unsigned max_waiting, struct fault *f);
/* Certificates of this file (PEM) are trusted besides the system's, which curl knows. Before the
 * first request; the path is copied. NULL and "": none. */
void http_client_trust(struct http_client *, const char *ca_file);
/* Is there a certificate in it? E_NOT_FOUND, E_IO, E_DENIED, E_INVALID. "": nothing to check. Any
 * thread. */
MUST int http_client_check_ca(const char *ca_file, struct fault *f);
void http_client_free(struct http_client *); /* calls every `done` still open with CLIENT_NOT_SENT
						or CLIENT_UNKNOWN */

struct http_header {
	struct span name, value;
};

struct client_request {
	enum http_method method;
	struct span url; /* http or https */
	const struct http_header *headers;
	size_t headers_n;
	struct span body;
	int64_t timeout_ms;    /* all in */
	size_t response_limit; /* bytes; more is CLIENT_ANSWERED with truncated = true */
};

/* How far a request surely came: decides whether an effect may have happened. */
enum client_end {
	CLIENT_ANSWERED, /* a whole status and body arrived */
	CLIENT_NOT_SENT, /* resolving or connecting failed, or it never left the queue: the server
			    cannot have seen it */
	CLIENT_UNKNOWN,	 /* sent, wholly or in part, and no whole answer came (timeout, reset) */
};

struct client_response {
	enum client_end end;
	bool timed_out;
	bool truncated;
	int status;		  /* with CLIENT_ANSWERED */
	struct span content_type; /* may be empty */
	struct span head; /* its header lines as they came, at most CLIENT_HEAD_MAX bytes of them */
	struct span body;
	int64_t duration_us;
	const char *error; /* one line for people, NULL when answered */
};
enum { CLIENT_HEAD_MAX = 16 * 1024 };
/* The first line of this name, any case; without the name and blanks around its value. */
bool client_head_line(struct span head, const char *name, struct span *value);

typedef void client_done_fn(void *user, const struct client_response *);

/* Copies everything it needs. E_FULL when max_waiting is reached, E_INVALID for a bad URL or header
 * (fault says what), E_CLOSED while the client is being freed; `done` is called later, exactly
 * once, unless this fails, and may send again. Redirects are not followed, proxies of the
 * environment not used, and no request is ever repeated once a byte of it was sent. */
MUST int http_client_send(struct http_client *, const struct client_request *, client_done_fn *done,
			  void *user, struct fault *f);

#endif
