/* `callmend import`: finished calls from files, or (--pull) from the provider's API. */
#ifndef CALLMEND_NODE_IMPORT_H
#define CALLMEND_NODE_IMPORT_H

#include "node/verbs.h"

int verb_import(const struct verb_call *);
extern const struct verb_option import_options[];

#endif
