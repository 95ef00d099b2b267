/* When something counts as wrong (C1), read from a project: the table is callmend/thresholds.h. */
#ifndef CALLMEND_HEALING_THRESHOLDS_H
#define CALLMEND_HEALING_THRESHOLDS_H

#include "base/json.h"
#include "callmend/fault.h"
#include "callmend/thresholds.h"

struct thresholds {
#define X(name, standard, least, most, doc) double name;
	THRESHOLDS(X)
#undef X
};

/* The defaults, as an initialiser. */
#define THRESHOLDS_STANDARD                        \
	{                                          \
		THRESHOLDS(THRESHOLDS_STANDARD_OF) \
	}
#define THRESHOLDS_STANDARD_OF(name, standard, least, most, doc) .name = (standard),

/* `object`: projects.thresholds, or absent. E_INVALID names what is unknown, no number, or out of
 * its limits: for whoever takes them from people, and for the job. */
MUST int thresholds_read(struct json object, struct thresholds *out, struct fault *f);
/* All of them, as an object. */
void thresholds_put(const struct thresholds *, struct json_out *o, const char *key);

#endif
