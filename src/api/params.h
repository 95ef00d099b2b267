/* What an endpoint takes, as a table: checked, documented (OpenAPI) and bound to its SQL statement
 * from the same rows.
 *
 * A checked value is a zero terminated text in the form PostgreSQL reads: UUIDs in lower case,
 * times as clock_format gives them, numbers in decimal, objects and arrays as clean JSON. */
#ifndef CALLMEND_API_PARAMS_H
#define CALLMEND_API_PARAMS_H

#include "api/problem.h"
#include "base/arena.h"
#include "base/json.h"

enum param_type {
	PARAM_TEXT,
	PARAM_CALL, /* a call id: ours or the provider's */
	PARAM_UUID,
	PARAM_INT,
	PARAM_BOOL,
	PARAM_TIME,
	PARAM_ENUM,
	PARAM_NUMBER, /* any finite number up to 1e15 */
	PARAM_OBJECT,
	PARAM_ARRAY,
	PARAM_ANY,
};

/* PARAM_IN_CALLER rows are given by us: what the token says. PARAM_IN_WHOLE is the whole checked
 * body as one value; the members have rows of their own. */
enum param_in { PARAM_IN_PATH, PARAM_IN_QUERY, PARAM_IN_BODY, PARAM_IN_WHOLE, PARAM_IN_CALLER };
enum param_need { PARAM_OPTIONAL, PARAM_REQUIRED };

struct param {
	const char *name;
	enum param_in in;
	enum param_type type;
	enum param_need need;
	int64_t min, max; /* INT: range; TEXT: bytes (max 0: 256). OBJECT, ARRAY, ANY: max bytes (0:
			     no limit but the body's) */
	int64_t cap;	  /* INT: larger values count as this; 0: none */
	const char *const *values; /* ENUM: NULL last */
	const char *fallback;	   /* value when absent; NULL: none */
	int sql;		   /* $n of the endpoint's statement; 0: not bound */
	const char *doc;
};
enum { PARAMS_MAX = 32, PARAM_TEXT_MAX = 256, PARAM_CALL_MAX = 128 };

/* The members of a JSON schema that say the type: `"type":"string","format":"uuid"`. */
const char *param_type_schema(enum param_type);

/* Checks a text from path or query. *out lives in the arena. */
MUST bool params_text(const struct param *, struct span text, struct arena *, const char **out,
		      struct problem *);
/* Checks every member of a checked JSON body against the IN_BODY rows: unknown, missing and wrong
 * ones are refused by name. `body` of kind JSON_NONE is an empty object. values[i] belongs to
 * params[i]; null counts as absent. */
MUST bool params_body(const struct param *params, size_t n, struct json body, struct arena *,
		      const char **values, struct problem *);
/* Fills in fallbacks and refuses absent required rows of these places. */
MUST bool params_complete(const struct param *params, size_t n, enum param_in in,
			  const char **values, struct problem *);
/* The row of this name and place; -1: none. */
int params_find(const struct param *params, size_t n, enum param_in in, struct span name);

#endif
