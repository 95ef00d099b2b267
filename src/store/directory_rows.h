/* Shared by directory.c and directory_check.c: the words of a source's "auth", and what a setting
 * may be. */
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
/* One member of "settings": a name of SETTINGS_NUMBERS with a whole number within the limit.
 * E_INVALID; the fault begins with `at`, the member's path. */
MUST int directory_check_setting(struct span name, struct json value, const char *at,
				 struct fault *f);

#endif
