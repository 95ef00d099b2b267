/* A web server in a thread that answers as it is told, byte for byte, also as no decent server
 * would. A connection at a time, a request on each. */
#ifndef CALLMEND_TESTS_CANNED_H
#define CALLMEND_TESTS_CANNED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

enum { CANNED_RULES = 32, CANNED_SEEN = 64 };

/* What begins so is answered so, so many times; rules given first go first. */
struct canned_rule {
	const char *request; /* "GET /path" */
	int times;
	int status;	      /* 0: no answer at all, until the client has closed */
	const char *headers;  /* "name: value\r\n..." or NULL */
	const char *body;     /* or NULL */
	size_t more_bytes;    /* of x, behind the body */
	size_t lacking_bytes; /* announced, and not sent */
};
struct canned_seen {
	int64_t at_us;	/* as now_us() said */
	struct buf all; /* head and body */
};

struct canned {
	int fd;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t lock;
	int64_t (*now_us)(void);
	struct canned_rule rules[CANNED_RULES];
	unsigned rules_n;
	struct canned_seen seen[CANNED_SEEN];
	atomic_uint seen_n;
};

void canned_start(struct canned *, int64_t (*now_us)(void));
void canned_stop(struct canned *);
void canned_rule(struct canned *, struct canned_rule);
void canned_forget(struct canned *); /* rules, and what was seen */
/* How many requests began so. */
unsigned canned_count(struct canned *, const char *request);
/* The n-th (from 0) that began so, head and body; fails the test when there is none. */
const char *canned_text(struct canned *, const char *request, unsigned n);
int64_t canned_at_us(struct canned *, const char *request, unsigned n);

#endif
