/* From a member back to the struct it is embedded in: intrusive mail, waiters, libuv handles. */
#ifndef CALLMEND_BASE_CONTAINER_H
#define CALLMEND_BASE_CONTAINER_H

#include <stddef.h>

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
