/* Which route a path belongs to. Pure: no sockets, no allocation while matching.
 *
 * libwebsockets has already percent-decoded the path and resolved "//", "/./" and "/../" in it, so
 * nothing is decoded here. A consequence: an encoded slash cannot be told from a real one, and only
 * a "{rest*}" parameter can hold it. */
#ifndef CALLMEND_NET_ROUTER_H
#define CALLMEND_NET_ROUTER_H

#include "net/http.h"

struct route_param {
	struct span name;  /* in the pattern */
	struct span value; /* in the path */
};

struct route_match {
	const struct http_route *route; /* NULL: no route for this method */
	unsigned allow; /* bit per enum http_method that the path has routes for; 0: unknown path */
	size_t params_n;
	struct route_param params[HTTP_MAX_PARAMS];
};

struct router;
/* `routes` must live as long as the router. E_INVALID for a pattern that cannot work (fault names
 * it). */
MUST int router_new(struct router **out, const struct http_route *routes, size_t n,
		    struct fault *f);
void router_free(struct router *);
/* At each place a literal part wins over "{name}", and that over "{rest*}"; the table's order
 * decides the rest. HEAD is served by GET routes that have no HEAD route beside them. */
void router_find(const struct router *, enum http_method, struct span path,
		 struct route_match *out);

#endif
