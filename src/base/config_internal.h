/* Shared by the config_*.c files only. */
#ifndef CALLMEND_BASE_CONFIG_INTERNAL_H
#define CALLMEND_BASE_CONFIG_INTERNAL_H

#include "base/config.h"

enum option_type {
	OPTION_TEXT,
	OPTION_PATH,
	OPTION_INT,
	OPTION_SIZE,
	OPTION_DURATION,
	OPTION_CHOICE,
	OPTION_SECRET
};

struct option_limits {
	int64_t least, most;
	const char *choices;
};

struct option {
	const char *member, *path;
	enum option_type type;
	const char *default_text;
	struct option_limits limits;
	const char *doc;
	size_t offset; /* into struct config */
};

enum {
#define X(member, path, type, default_text, limits, doc) OPTION_INDEX_##member,
	OPTIONS(X)
#undef X
		OPTION_COUNT
};
extern const struct option config_options[OPTION_COUNT];

struct option_kind {
	const char *name;   /* for the documentation */
	const char *expect; /* "expected ..., found" */
	/* Text into the member; false when it is no such thing. Strings are copied into the arena.
	 */
	bool (*parse)(const struct option *o, const char *text, struct arena *a, void *to);
	/* The number that the limits are about; NULL when there are none. */
	int64_t (*measure)(const void *from);
	/* A number as one would write it in the file, and what it counts. */
	void (*format)(int64_t v, struct buf *out);
	const char *counts;
};
/* Indexed by enum option_type; SECRET has a name only. */
extern const struct option_kind config_kinds[];

/* "CALLMEND_LISTEN_PORT" */
void config_env_name(const struct option *o, struct buf *out);
/* Is this a name that an environment variable can have? */
bool config_is_env_name(const char *z);
/* "1MiB to 4GiB", "1 to 255 characters", "one of debug, info"; nothing for secrets. */
void config_write_limits(const struct option *o, struct buf *out);

#endif
