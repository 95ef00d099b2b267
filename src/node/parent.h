/* The parent role (`callmend up`): binds the port, runs the private PostgreSQL when no database is
 * configured, migrates, starts the core and the analysts and starts them again when they die. It
 * touches no traffic. Pids are in <state_dir>/run/{parent,core,postgres,analyst-<n>}.pid. */
#ifndef CALLMEND_NODE_PARENT_H
#define CALLMEND_NODE_PARENT_H

#include "base/config.h"

/* `config_file` is handed on to the core (NULL: none). Exit status of the process. */
int parent_main(const struct config *, const char *config_file);

#endif
