/* A node's configuration: one YAML file by the table OPTIONS, overridden by the environment
 * (CALLMEND_LISTEN_PORT for listen.port; an empty variable counts as not set; variables that name
 * no option are left alone, because container platforms invent CALLMEND_* ones of their own).
 *
 * Every mistake is collected, each with its place. Immutable after config_load(); any thread may
 * read it then.
 *
 * Secrets stand in no file and in no struct: a `struct secret_ref` says where one is,
 * config_secret_resolve() fetches it when needed, and faults never quote it. */
#ifndef CALLMEND_BASE_CONFIG_H
#define CALLMEND_BASE_CONFIG_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/options.h"
#include "callmend/fault.h"

enum secret_place { SECRET_ABSENT, SECRET_IN_ENV, SECRET_IN_FILE };
struct secret_ref {
	enum secret_place place;
	const char *name; /* of the variable or file */
};

struct config_mistake {
	const struct config_mistake *next;
	const char *file; /* "environment" for a variable, which `text` names then */
	unsigned line;	  /* from 1; 0 in the environment */
	const char *path; /* of the option; "" when it is about the whole file */
	const char *text;
};

#define OPTION_C_TYPE_TEXT const char *
#define OPTION_C_TYPE_PATH const char *
#define OPTION_C_TYPE_INT int64_t
#define OPTION_C_TYPE_SIZE int64_t
#define OPTION_C_TYPE_DURATION int64_t
#define OPTION_C_TYPE_CHOICE int
#define OPTION_C_TYPE_SECRET struct secret_ref

struct config {
#define X(member, path, type, default_text, limits, doc) OPTION_C_TYPE_##type member;
	OPTIONS(X)
#undef X
	const struct config_mistake *mistakes; /* in order of place */
	size_t mistakes_n;
	struct arena arena; /* owns all text above */
};

/* Fills `c` from defaults, then `file` (NULL: none), then `env` (as environ; NULL: none). E_INVALID
 * with c->mistakes when something is wrong, the fault says the first one; E_NOT_FOUND, E_IO,
 * E_DENIED when the file cannot be read. config_fini() is needed in every case. */
MUST int config_load(struct config *c, const char *file, char *const *env, struct fault *f);
void config_fini(struct config *c);
/* One line per mistake: "callmend.yaml:12: listen.port: expected ...". */
void config_write_mistakes(const struct config *c, struct buf *out);

/* docs/configuration.md and config/callmend.example.yaml. */
void config_write_docs(struct buf *out);
void config_write_example(struct buf *out);

/* --- secrets --- */
/* Who wrote the reference. The operator may name any variable and file. What came by API may not
 * become a way to read the machine: variables must start with CALLMEND_SECRET_, files are plain
 * names inside secrets_dir. */
enum secret_policy { SECRET_BY_OPERATOR, SECRET_BY_API };

/* {"env": "NAME"} or {"file": "name"}, nothing else; the name is copied into `a`. E_INVALID. */
MUST int config_secret_from_json(struct json v, struct arena *a, struct secret_ref *out,
				 struct fault *f);
/* Would the policy let this reference be resolved? E_DENIED otherwise. Touches nothing: for
 * checking settings when they are stored. */
MUST int config_secret_allowed(struct secret_ref ref, enum secret_policy policy, struct fault *f);
/* Appends the secret to `out` (the end of a file's last line is no part of it). E_DENIED by policy,
 * E_NOT_FOUND when absent, E_INVALID when empty, E_IO, E_TOO_LARGE above 64 KiB. secrets_dir is
 * used with SECRET_BY_API only. */
MUST int config_secret_resolve(struct secret_ref ref, enum secret_policy policy,
			       const char *secrets_dir, struct buf *out, struct fault *f);
/* config_secret_from_json() and config_secret_resolve() in one, for a reference that came by API.
 */
MUST int config_secret_read(struct json ref, const char *secrets_dir, struct buf *out,
			    struct fault *f);

#endif
