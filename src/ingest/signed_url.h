/* Private to src/ingest: the path and query of a request as its caller may have written them.
 *
 * libwebsockets decodes the request line while it reads it and keeps nothing of the original
 * (net/request.c), but a signature covers what was configured at the sender. So the decoded parts
 * are encoded again, in each of the manners in which URLs are written. What cannot be had again:
 * "//", "/./" and "/../" in the path, "%2F" in the path, ";" between parameters, and a manner that
 * changes within one URL. */
#ifndef CALLMEND_INGEST_SIGNED_URL_H
#define CALLMEND_INGEST_SIGNED_URL_H

#include "net/http.h"

unsigned signed_url_manners(void); /* few; the first is: nothing encoded */
void signed_url_add(const struct exchange *, unsigned manner, struct buf *out);

#endif
