/* A private PostgreSQL in a temporary folder for one test program, and small helpers to look into
 * it. */
#ifndef CALLMEND_TESTS_STORE_FIXTURE_H
#define CALLMEND_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "callmend/store.h"

#define DEFAULT_ORG "00000000-0000-7000-8000-000000000001"

struct fixture {
	char dir[64];
	struct cluster *cluster;
};
extern struct fixture fixture;

/* Group set-up: folder and cluster, from nothing; and migrated, which is a copy of the cluster that
 * CALLMEND_TEST_CLUSTER names when it names one. Group tear-down: stops it and removes the folder.
 */
int fixture_start(void **state);
int fixture_start_migrated(void **state);
int fixture_stop(void **state);
const char *fixture_url(void);

/* Runs SQL on a connection of its own; the first value as text, "" when there is none. Valid until
 * the thread's next call but seven. */
const char *sql(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* A fresh database in the cluster; its conninfo, valid until the next call. */
const char *fresh_database(const char *name);
/* True as soon as the SQL gives "t"; false when it did not within 10 s. */
bool sql_becomes_true(const char *query);

/* Keeps everybody else out of a table. */
struct held_lock;
struct held_lock *sql_lock(const char *table);
/* Keeps what the statement locks (select ... for update). */
struct held_lock *sql_hold(const char *statement);
void sql_unlock(struct held_lock *); /* undoes the statement */
void sql_commit(struct held_lock *);

/* For whatever is called last. */
extern struct fault oops;
#define assert_ok(expr)                                               \
	do {                                                          \
		int rc_ = (expr);                                     \
		if (rc_)                                              \
			fail_msg("%s: %d %s", #expr, rc_, oops.text); \
	} while (0)

#endif
