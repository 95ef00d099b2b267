/* The OpenAPI 3.1 document: paths and parameters from the endpoint tables, shapes of bodies and
 * answers from schemas.json. */
#ifndef CALLMEND_API_OPENAPI_H
#define CALLMEND_API_OPENAPI_H

#include "api/endpoint.h"
#include "base/buf.h"

void openapi_write(struct buf *out, const struct endpoints *const *resources, size_t n);

#endif
