/* The SQL files, compiled in: src/store/sql/<name>.sql and migrations/<number>_<name>.sql. Sorted
 * by name. */
#ifndef CALLMEND_STORE_SQL_H
#define CALLMEND_STORE_SQL_H

#include <stdbool.h>
#include <stddef.h>

struct sql_file {
	const char *name; /* of the file, without .sql */
	const char *text;
};

extern const struct sql_file sql_queries[];
extern const size_t sql_queries_n;
extern const struct sql_file sql_migrations[];
extern const size_t sql_migrations_n;

/* NULL when there is none. */
const struct sql_file *sql_find(const char *name);
/* Its first line begins with "-- read:": it changes nothing and may be asked again. */
bool sql_is_read(const struct sql_file *);
/* The number a migration's name begins with. */
int sql_migration_number(const struct sql_file *);

#endif
