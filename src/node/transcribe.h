/* The words of imported sound, found afterwards (docs/transcription.md). */
#ifndef CALLMEND_NODE_TRANSCRIBE_H
#define CALLMEND_NODE_TRANSCRIBE_H

#include "callmend/job.h"

/* Job `transcribe`, key: the recording. */
job_fn transcribe_job;

#endif
