/* A recording that a platform has made becomes one of ours: Ogg Opus with its waveform in the
 * folder of recordings, and a document for its row (callmend_recording_put). Blocks; one thread. */
#ifndef CALLMEND_NODE_PLATFORM_SOUND_H
#define CALLMEND_NODE_PLATFORM_SOUND_H

#include "base/buf.h"
#include "callmend/directory.h"
#include "callmend/fault.h"
#include "callmend/uuid.h"

struct platform_sound {
	const char *folder; /* of recordings */
	struct uuid call;
	struct span id; /* the platform's, of the recording */
	int64_t started_us;
	struct span bytes, type;    /* what was fetched; its content type */
	enum dir_channels channels; /* whose they are, when there are two that differ; else, or
				       unknown: all voices are in both */
	bool on_demand;		    /* begun in the middle of a call, when somebody wanted it */
	bool measure;		    /* also tell when somebody speaks */
	int (*alive)(void *user, struct fault *f); /* between steps; NULL: nothing to do */
	void *user;
};

/* The same id of a recording of the same call gives the same. E_INVALID: it is no sound that can be
 * read. E_IO: the disk; others: `alive`. Free doc and peaks in every case. */
MUST int platform_sound_keep(const struct platform_sound *, struct buf *doc, struct buf *peaks,
			     struct fault *f);
/* The row of one that cannot be had, with the reason. */
void platform_sound_missing(const struct platform_sound *, const char *why, struct buf *doc);

#endif
