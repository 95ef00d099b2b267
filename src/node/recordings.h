/* Recordings of finished calls, made by an analyst of what the core has left in the folder: WAV
 * files of legs (record/recorder.h) become one stereo Ogg Opus file and a row of `recordings`.
 *
 *   recordings/<yyyy-mm-dd>/<call>/<n>-<leg>.wav  ─►  recordings/<yyyy-mm-dd>/<recording>.ogg
 *
 * A recording's id is made of its call and n of its first file, so that making it again gives the
 * same. A file that is still written is locked, and waited for. */
#ifndef CALLMEND_NODE_RECORDINGS_H
#define CALLMEND_NODE_RECORDINGS_H

#include "callmend/job.h"

/* Job `recording`, key: the call. */
job_fn recordings_job;
/* Looks what lies in the folder, whoever left it, and asks for it; deletes what has expired. For
 * worker_config.stale. */
int recordings_look(struct job_context *, unsigned most, unsigned *asked, struct fault *f);

#endif
