/* The header Range of a request for bytes (RFC 9110 §14): one range; several, other units and what
 * cannot be read are as if there was none. */
#ifndef CALLMEND_API_RANGE_H
#define CALLMEND_API_RANGE_H

#include <stdint.h>

#include "callmend/span.h"

enum range_kind { RANGE_ALL, RANGE_PART, RANGE_OUTSIDE }; /* 200, 206, 416 */
struct range {
	enum range_kind kind;
	uint64_t from, n; /* ALL, PART */
};
struct range range_of(struct span header, uint64_t size);

#endif
