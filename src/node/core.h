/* The core role: gateway, live view, journal and projector in one process.
 *
 * Started by the parent with the listening socket as descriptor CORE_LISTEN_FD, that of gRPC, if
 * any, as CORE_GRPC_FD, and a lifeline; by hand (`callmend core`) it binds itself. */
#ifndef CALLMEND_NODE_CORE_H
#define CALLMEND_NODE_CORE_H

#include "base/config.h"

enum { CORE_LISTEN_FD = 4, CORE_GRPC_FD };

/* Exit status of the process. SIGTERM drains, SIGINT stops at once; either a second time stops at
 * once. */
int core_main(const struct config *);

#endif
