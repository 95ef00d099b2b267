/* The board on which the parts that use PostgreSQL note what it refuses them (store_troubles). A
 * part that does not repeat its trouble within TROUBLE_KEPT_US is taken to be well again: every
 * part tries again far sooner while it has something to do. Any thread. */
#ifndef CALLMEND_STORE_TROUBLE_H
#define CALLMEND_STORE_TROUBLE_H

#include <pthread.h>

#include "base/clock.h"
#include "callmend/store.h"

#define TROUBLE_KEPT_US (60 * SECOND_US)
/* While it lasts, it is logged once in this time. */
#define TROUBLE_LOG_US (300 * SECOND_US)
/* So long from the first time on that database or schema are not there, or not ours, it is no error
 * for a part that has not worked yet. While migrations run it never is, and the time begins anew.
 */
#define TROUBLE_MADE_US (STORE_MADE_MS * MS_US)

struct trouble_board {
	pthread_mutex_t lock;
	struct trouble {
		char sqlstate[6], what[64];
		int64_t since_us, last_us, logged_us; /* last_us 0: no trouble */
		bool waits;			      /* logged as no error */
		bool worked;			      /* ever; stays when a trouble is over */
	} parts[STORE_PART_COUNT];
	int64_t made_by_us; /* end of that time; 0: not begun */
};

void trouble_init(struct trouble_board *);
void trouble_fini(struct trouble_board *);
/* `what` failed with this SQLSTATE. "" (nobody answered) is no trouble of this kind: not noted. */
void trouble_report(struct trouble_board *, enum store_part, const char *what, const char *sqlstate,
		    const char *text, int64_t now_us);
/* `what` works; trouble with something else of the same part stays. */
void trouble_clear(struct trouble_board *, enum store_part, const char *what);
size_t trouble_list(struct trouble_board *, int64_t now_us,
		    struct store_trouble out[STORE_PART_COUNT]);

#endif
