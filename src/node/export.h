/* `callmend export`: calls, analyses or events, as JSON lines or CSV. */
#ifndef CALLMEND_NODE_EXPORT_H
#define CALLMEND_NODE_EXPORT_H

#include "node/verbs.h"

int verb_export(const struct verb_call *);
extern const struct verb_option export_options[];

#endif
