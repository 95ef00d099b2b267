/* Recordings that nobody knows: an import was killed between writing one and storing its call, and
 * never given again. */
#ifndef CALLMEND_NODE_ORPHANS_H
#define CALLMEND_NODE_ORPHANS_H

#include "callmend/job.h"

/* Deletes what looks like a recording of ours in recording.folder, is older than an hour, and is
 * named by no row. Looks at 100,000 files at most. Where there are more than a hundred of such it
 * deletes none and warns: that is another database, or one restored from a backup. For
 * worker_config.tidy. */
MUST int orphans_delete(struct job_context *, struct fault *f);

#endif
