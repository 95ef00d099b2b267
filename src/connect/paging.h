/* Lists of RingCentral's API come in pages, {"records", "paging": {"page", "totalPages" ...},
 * "navigation": {"nextPage" ...}}; not every list has both of the latter. Pure. */
#ifndef CALLMEND_CONNECT_PAGING_H
#define CALLMEND_CONNECT_PAGING_H

#include "base/json.h"

/* Is there another page behind this one, the `number`th, counted from 1? */
static inline bool paging_has_next(struct json page, unsigned number)
{
	int64_t pages = 0;

	return json_has(json_path(page, "navigation.nextPage")) ||
	       (json_i64(json_path(page, "paging.totalPages"), &pages) && number < pages);
}

#endif
