/* Is the schema ready? Here and nowhere else. Whoever uses tables connects by schema_open, which
 * lets him in only when all migrations that this program knows have run: nobody meets half a
 * schema, prepares statements for it, or holds locks that a migration waits for. Only
 * store_migrate, which makes the schema, connects by pg_open.
 *
 * Any thread; a connection belongs to one. */
#ifndef CALLMEND_STORE_SCHEMA_H
#define CALLMEND_STORE_SCHEMA_H

#include "store/pg.h"

/* Of the advisory lock that whoever migrates holds. Any constant will do; shared by all versions of
 * Callmend. */
#define SCHEMA_LOCK "7106430801"

/* As pg_open. E_UNAVAILABLE also, and not connected, while the schema is not ready; pg->state then
 * says SQLSTATE_MIGRATING when somebody sees to that just now, else SQLSTATE_UNMIGRATED. More
 * migrations than we know: somebody newer has been here, and we go on. */
MUST int schema_open(struct pg *, const char *url, struct fault *f);

#endif
