/* A whole gateway in the test's own process - shards, server, journal, calls, effects - with a disk
 * and clocks that obey the test, and peers (tool servers, upstreams) beside it.
 *
 * What a program can not do to itself is done to the C library: this file defines fdatasync and
 * clock_gettime for the test and for every library in it. Texts are written with ' for ". */
#ifndef CALLMEND_TESTS_GATEWAY_H
#define CALLMEND_TESTS_GATEWAY_H

#include "tests/net/rig.h"

#include "callmend/directory.h"
#include "callmend/live.h"
#include "ingest/ingest.h"

enum { GATEWAY_PEERS = 8 };

/* A server that somebody else runs: http://127.0.0.1:<port>/peer/<index>. */
struct gateway_peer {
	int status;	     /* what it answers; 0: nothing, until gateway_stop */
	const char *body;    /* its JSON, with ' for " */
	atomic_int requests; /* that came whole */
};

struct gateway {
	struct rig rig;
	struct ingest *in;
	char dir[64];
	char peers_url[64];
	struct gateway_peer peers[GATEWAY_PEERS];
	errand_fn *carrier; /* of effects that are left to others; before gateway_start */
	void *carrier_user;
	connect_send_fn *connect_send; /* likewise, of requests to platforms; its connect is NULL */
	connect_refused_fn *connect_refused;
	unsigned max_calls;	  /* 0: many */
	void (*on_stopped)(void); /* on each shard, when its lane has stopped */
	struct exchange **held;
	size_t held_n;
	pthread_mutex_t lock;
};

/* A new folder; clocks and disk as they are. */
void gateway_init(struct gateway *);
void gateway_fini(struct gateway *);
void gateway_write(struct gateway *, const char *name, const char *text); /* a file of its folder */
/* Starts with this directory; every %P in the document, and in bodies, becomes
 * "http://127.0.0.1:<port>/peer/". After gateway_stop it may be started again, on the same journal.
 */
void gateway_start(struct gateway *, unsigned lanes, const char *document);
void gateway_stop(struct gateway *);

/* One webhook: gateway_send leaves the answer to be read from the socket, gateway_answer reads it
 * and closes the socket: the status; the answer's body into `answer` when it is not NULL. */
int gateway_send(struct gateway *, const char *source, const char *body);
int gateway_answer(int fd, struct buf *answer);
int gateway_post(struct gateway *, const char *source, const char *body, struct buf *answer);
bool gateway_readable(int fd);
/* Every timer that is due and every mail that waits now has run when this returns, and answers they
 * gave are written: it takes many turns of a loop until a socket is written to. */
void gateway_turns(struct gateway *);
/* Fails the test when it takes too long. */
void gateway_wait_records(struct gateway *, uint64_t last);

/* After gateway_stop: all events, one JSON line each. */
void gateway_events(struct gateway *, struct buf *out);
/* How many lines hold all of the parts, up to a NULL. */
size_t gateway_count(const struct buf *lines, const char *part, ...);
/* The counter's value for one label value; 0 when it was never counted. */
long gateway_metric(const char *name_and_label);

/* Sends a command and waits for its answer; the JSON into `out`. Returns the code. */
int gateway_command(struct gateway *, const struct uuid *org, const char *call, const char *verb,
		    struct buf *out);

/* --- the obedient machine --- */
void gateway_hold_disk(bool hold);
void gateway_shift_wall(int64_t us);	  /* by so much, from now on */
void gateway_shift_monotonic(int64_t us); /* forward only */
/* The monotonic clock stands still but for shifts; gateway_turns() lets shards notice one. */
void gateway_freeze(bool freeze);

#endif
