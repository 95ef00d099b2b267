/* What a check decides: issues to open, renew, close, and suggestions to ask for. Pure. */
#ifndef CALLMEND_HEALING_ISSUES_H
#define CALLMEND_HEALING_ISSUES_H

#include "healing/window.h"

/* X(id, name, documentation): what became of a cause, beyond the gate's verdict */
#define ISSUE_STATES(X)                                                                          \
	X(OPENED, "opened", "proven: its issue was opened by this check")                        \
	X(OPEN, "open", "its issue is open")                                                     \
	X(EXPLAINED, "explained", "proven, but shown by calls that another open cause explains") \
	X(RESTING, "resting",                                                                    \
	  "proven, but a suggestion about it is pending or was decided lately")                  \
	X(BETWEEN, "between_looks", "would be proven; decided at the next look")                 \
	X(CLOSED, "closed", "its issue was closed by this check")                                \
	X(JUDGED, "judged", "see the verdict")

/* Writes the members detection, open, renew, close, suggest into an object that is begun. */
void issues_decide(struct window *, struct json_out *o);

#endif
