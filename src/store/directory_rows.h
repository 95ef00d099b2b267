/* Shared by directory.c and directory_check.c: the words of a source's "auth". */
#ifndef CALLMEND_STORE_DIRECTORY_ROWS_H
#define CALLMEND_STORE_DIRECTORY_ROWS_H

#include "callmend/directory.h"

enum { DIRECTORY_TOLERANCE_MS = 300000 };

struct auth_way {
	const char *type; /* {"type": ...} */
	enum auth_mode mode;
	const char *header; /* by default */
};
/* NULL: unknown. */
const struct auth_way *directory_auth_way(struct json type);
bool directory_digest(struct span algorithm, int *out);

#endif
