/* A small RingCentral for tests: tokens, subscriptions, presence, telephony sessions and the
 * WebSocket gateway with its recovery buffer; it misbehaves as the test says. Runs on a shard of
 * its own (tests/net/rig.h). Texts are written with ' for ". */
#ifndef CALLMEND_TESTS_PLATFORM_H
#define CALLMEND_TESTS_PLATFORM_H

#include "tests/net/rig.h"

#include <pthread.h>

enum { PLATFORM_RULES = 8, PLATFORM_EVENTS = 2000, PLATFORM_SEEN = 4000 };

/* Answers instead of the usual, so many times. */
struct platform_rule {
	const char *method, *path; /* the path's beginning; method NULL: any */
	int times, status;
	const char *headers; /* "Name: value\n..." or NULL */
	const char *body;
};
struct platform_seen {
	int64_t at_us;	/* of the test's clock */
	char line[200]; /* "POST /path?query" */
	char authorization[80];
};

struct platform {
	struct rig rig;
	pthread_mutex_t lock;
	int64_t (*now_us)(void);
	int64_t skew_us; /* of its Date, and of the times of events */
	struct platform_rule rules[PLATFORM_RULES];
	struct platform_seen seen[PLATFORM_SEEN];
	unsigned seen_n;
	unsigned tokens; /* given out; the nth is "A<n>" */
	int token_lives_s;
	bool refresh;	    /* gives refresh tokens */
	unsigned good_from; /* older tokens than this get 401 */
	/* gateway */
	struct ws *socket;
	atomic_int sockets, subscribed; /* opened, subscriptions made over them */
	bool no_recovery;		/* answers Failed */
	bool no_echo;			/* heartbeats get no answer */
	int absolute_s, recovery_s;
	unsigned kept;		       /* for a recovery, the newest; 0: all, and it does not say */
	const char *reply;	       /* to the subscription instead of the usual: "403 {...}" */
	char *events[PLATFORM_EVENTS]; /* of the stream; the nth has sequence n + 1 */
	unsigned events_n;
	bool has_subscription; /* the stream's */
	atomic_int heartbeats;
	/* webhooks */
	char hook[64], hook_address[200], hook_status[32], hook_filters[400];
	int64_t hook_until_us;
	unsigned hooks_made, hooks_changed, hooks_removed, hooks_renewed;
	/* calls */
	const char *presence; /* records */
	const char *texts;    /* records of the message store */
	const char *text;     /* any single one; NULL: there is none */
	const char *calls;    /* ids the platform knows, each with a space before and behind */
};

void platform_start(struct platform *);
void platform_stop(struct platform *);
void platform_url(const struct platform *, char out[64]);
void platform_rule(struct platform *, struct platform_rule);
/* An event: kept in the stream, and sent when a socket with a subscription is there. */
void platform_event(struct platform *, const char *uuid, const char *call);
void platform_drop(struct platform *);
void platform_frame(struct platform *, const char *text); /* whatever, to the socket */
/* How many requests began so; since when may be 0. */
unsigned platform_count(struct platform *, const char *line, int64_t since_us);

#endif
