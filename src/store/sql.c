#include "store/sql.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *key, const void *file)
{
	return strcmp(key, ((const struct sql_file *)file)->name);
}

const struct sql_file *sql_find(const char *name)
{
	return bsearch(name, sql_queries, sql_queries_n, sizeof(sql_queries[0]), by_name);
}

bool sql_is_read(const struct sql_file *file)
{
	return strncmp(file->text, "-- read:", 8) == 0;
}

int sql_migration_number(const struct sql_file *file)
{
	return (int)strtol(file->name, NULL, 10);
}
