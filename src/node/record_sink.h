/* Records the live audio of projects that want it: from lines of src/media to src/record. What it
 * makes of a leg: its own µ-law or A-law where frames come in order, else PCM of the leg's rate. */
#ifndef CALLMEND_NODE_RECORD_SINK_H
#define CALLMEND_NODE_RECORD_SINK_H

#include "media/media.h"
#include "record/recorder.h"

struct record_sink;
MUST int record_sink_new(struct record_sink **out, const struct recorder_config *, unsigned shards,
			 struct fault *f);
/* After the media, whose lines have ended. */
void record_sink_free(struct record_sink *);
/* Before the shards start. */
void record_sink_attach(struct record_sink *, struct media *);

/* An errand_fn of EFFECT_RECORDER; `sink` is the struct record_sink. From record-pause on the
 * recordings of the call leave out what comes (silence of the same length), until record-resume.
 * DONE also when they already did; NOT_SENT: nothing of this call is recorded here. */
void record_sink_command(void *sink, struct errand *);

#endif
