/* Shared by store.c, store_directory.c and store_writer.c only. */
#ifndef CALLMEND_STORE_INTERNAL_H
#define CALLMEND_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/backoff.h"
#include "callmend/store.h"
#include "store/pg.h"
#include "store/trouble.h"

enum { STORE_CONNECTIONS_MAX = 16, STORE_CONNECTIONS = 2, STORE_WAITING = 256 };
/* After a failure PostgreSQL is left alone for so long, doubling up to the second. */
#define STORE_PAUSES ((struct backoff){ .least_ms = 100, .most_ms = 2000 })

struct store {
	char *url, *state_dir, *secrets_dir;
	void (*on_directory)(void *user, const struct directory *);
	void (*on_notification)(void *user, const struct uuid *org, struct span json);
	void *user;

	/* queries, under `lock` */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct store_job *first, **last;
	unsigned waiting, max_waiting;
	bool away;	     /* the last attempt to connect failed */
	bool trying;	     /* some thread is connecting while away */
	int64_t retry_at_us; /* monotonic */
	struct backoff pause;

	atomic_bool stopping;
	bool closed;
	atomic_bool connected;
	unsigned threads_n;
	pthread_t threads[STORE_CONNECTIONS_MAX];
	bool directory_started;
	pthread_t directory;

	struct trouble_board troubles;
};

/* Thread: follows the directory until `stopping`. */
void *store_directory_run(void *store);

#endif
