/* Does a JSON value fit a schema? The part of JSON Schema that openapi.json uses: type, properties,
 * required, additionalProperties, items, enum, minimum, maximum, minLength, maxLength, format
 * (uuid, date-time), $ref, allOf, oneOf. */
#ifndef TESTS_API_SCHEMA_H
#define TESTS_API_SCHEMA_H

#include "base/json.h"

/* `document` is the whole OpenAPI document, for $ref. False: `why` names the path and the rule. */
bool schema_fits(struct json document, struct json schema, struct json value, struct buf *why);
/* "#/components/schemas/Call" */
struct json schema_ref(struct json document, struct span ref);

#endif
