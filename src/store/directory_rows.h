/* Shared by directory.c, directory_check.c and directory_check_project.c: the words of a source's
 * "auth", what a setting may be, and how documents are checked by tables. */
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

/* --- documents by tables; every fault begins with `at`, the path of what is wrong --- */

struct directory_rule {
	const char *name;
	/* The value is there and not null. NULL: whatever it is. */
	int (*check)(struct json v, const char *at, struct arena *a, struct fault *f);
};
/* Members that the server writes: allowed, so that what was read can be written back; their values
 * count for nothing. */
#define DIRECTORY_WRITTEN_BY_US                                                             \
	{ "id", NULL }, { "org_id", NULL }, { "created_at", NULL }, { "updated_at", NULL }, \
	{                                                                                   \
		"archived_at", NULL                                                         \
	}
MUST int directory_check_document(struct span json, const struct directory_rule *rules,
				  struct arena *a, struct json *out, struct fault *f);
/* Every member is known and passes its rule; null counts as absent. */
MUST int directory_check_members(struct json object, const struct directory_rule *rules,
				 const char *at, struct arena *a, struct fault *f);
/* Every element is an object and passes. */
MUST int directory_check_each(struct json array, const char *at, struct arena *a,
			      int (*check)(struct json, const char *, struct arena *,
					   struct fault *),
			      struct fault *f);
MUST int directory_check_kind(struct json v, enum json_kind kind, const char *name, const char *at,
			      struct fault *f);
MUST int directory_check_between(struct json v, int64_t least, int64_t most, const char *at,
				 struct fault *f);
MUST int directory_check_one_of(struct json v, const char *const *words, const char *at,
				struct fault *f);
MUST int directory_check_text(struct json v, const char *at, struct arena *a, struct fault *f);
MUST int directory_check_object(struct json v, const char *at, struct arena *a, struct fault *f);
MUST int directory_check_bool(struct json v, const char *at, struct arena *a, struct fault *f);
MUST int directory_check_url(struct json v, const char *at, struct arena *a, struct fault *f);
MUST int directory_check_service_url(struct json v, const char *at, struct arena *a,
				     struct fault *f);
MUST int directory_check_secret(struct json v, const char *at, struct arena *a, struct fault *f);
MUST int directory_check_id(struct json v, const char *at, struct arena *a, struct fault *f);
MUST int directory_check_headers(struct json v, const char *at, struct arena *a, struct fault *f);
MUST int directory_check_connect(struct json v, const char *at, struct arena *a, struct fault *f);
MUST int directory_check_settings(struct json v, const char *at, struct arena *a, struct fault *f);

#endif
