/* One HTTP request, waited for: for command line verbs, where there is nothing else to do
 * meanwhile. Never on a shard. */
#ifndef CALLMEND_NET_SIMPLE_CLIENT_H
#define CALLMEND_NET_SIMPLE_CLIENT_H

#include <stdint.h>

#include "base/buf.h"
#include "callmend/fault.h"
#include "net/http.h"

/* As http_client_trust, for every request of this process. Before the first one, no other thread
 * yet; the path is copied. */
void simple_client_trust(const char *ca_file);

enum { SIMPLE_HEADERS_MAX = 8 };
struct simple_request {
	enum http_method method;
	const char *url;
	const char *headers[SIMPLE_HEADERS_MAX]; /* "name: value"; as many as there are */
	struct span body;	   /* JSON, unless a header says otherwise; p NULL: none */
	int64_t timeout_ms;	   /* all in */
	size_t response_limit;	   /* bytes */
	const char *wanted_header; /* of the answer; NULL: none */
	struct buf *wanted;	   /* gets its value; stays empty without it */
	struct buf *head;	   /* gets the answer's lines, for client_head_line(); NULL: none */
	/* About each second of it, and oftener; a failure ends the request and is its own. NULL:
	 * not. */
	int (*alive)(void *user, struct fault *f);
	void *user;
};

/* 0: *status and `body` are the whole answer, whatever it says. E_UNAVAILABLE: nobody there, the
 * server cannot have seen the request. E_TIMEOUT, E_IO, E_TOO_LARGE: it may have. E_INVALID: no
 * http or https URL. */
MUST int simple_client_send(const struct simple_request *, int *status, struct buf *body,
			    struct fault *f);

#endif
