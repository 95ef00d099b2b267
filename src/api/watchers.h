/* The live WebSocket's watchers on one shard: who is connected, who gets which event, what happens
 * to slow ones. */
#ifndef CALLMEND_API_WATCHERS_H
#define CALLMEND_API_WATCHERS_H

#include "callmend/uuid.h"

struct api;
struct message;
struct watchers;

struct watchers *watchers_new(struct api *);
/* Closes every connection with 1012. Frees itself when its timer has closed. */
void watchers_stop(struct watchers *);
void watchers_tell(struct watchers *, const struct uuid *org, struct message *);

#endif
