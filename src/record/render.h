/* A recording as it is kept: stereo Ogg Opus and peaks, made of any source of stereo sound. */
#ifndef CALLMEND_RECORD_RENDER_H
#define CALLMEND_RECORD_RENDER_H

#include "base/buf.h"
#include "callmend/fault.h"

struct render_source {
	uint32_t rate_hz;
	/* The next frames, left and right interleaved; fewer than asked for: the end. */
	int (*read)(void *user, int16_t *stereo, size_t frames, size_t *got, struct fault *f);
	/* Called after each piece; a failure ends the work. NULL: not. */
	int (*step)(void *user, struct fault *f);
	void *user;
};

struct render_result {
	int64_t duration_ms, bytes;
	struct buf peaks; /* JSON (record/peaks.h); the caller's to free */
};

/* Writes beside `path` (".tmp", replacing what somebody who was killed has left), and there only
 * when all of it is on the disk (fsync): whoever finds the file finds it whole. Mode 0600. One at a
 * time for each path. */
MUST int render_ogg(const struct render_source *, const char *path, struct render_result *out,
		    struct fault *f);
/* Peaks and duration alone. */
MUST int render_peaks(const struct render_source *, struct render_result *out, struct fault *f);

#endif
