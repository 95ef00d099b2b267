#include "record/render.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/ogg.h"
#include "record/peaks.h"

enum { FRAMES = 4800 };

static int run(const struct render_source *s, struct ogg *ogg, struct peaks *peaks,
	       uint64_t *frames, struct fault *f)
{
	int16_t stereo[2 * FRAMES];
	size_t n = FRAMES;

	for (*frames = 0; n == FRAMES; *frames += n) {
		TRY(s->read(s->user, stereo, FRAMES, &n, f));
		peaks_add(peaks, stereo, n);
		if (ogg && n)
			TRY(ogg_write(ogg, stereo, n, f));
		if (s->step)
			TRY(s->step(s->user, f));
	}
	return 0;
}

static int pass(const struct render_source *s, struct ogg *ogg, struct render_result *out,
		struct fault *f)
{
	struct peaks *peaks = calloc(1, sizeof(*peaks));
	uint64_t frames;

	CHECK(peaks);
	peaks->rate_hz = s->rate_hz;
	int rc = run(s, ogg, peaks, &frames, f);
	if (!rc) {
		peaks_write(peaks, &out->peaks);
		out->duration_ms = (int64_t)(frames * 1000 / s->rate_hz);
	}
	free(peaks);
	return rc;
}

int render_peaks(const struct render_source *s, struct render_result *out, struct fault *f)
{
	return pass(s, NULL, out, f);
}

static int encode(const struct render_source *s, int fd, struct render_result *out, struct fault *f)
{
	scoped(ogg) *ogg = NULL;
	struct stat st;

	TRY(ogg_new(&ogg, fd, s->rate_hz, f));
	TRY(pass(s, ogg, out, f));
	TRY(ogg_finish(ogg, f));
	if (fsync(fd) || fstat(fd, &st))
		return fault(f, E_IO, "%s", strerror(errno));
	out->bytes = st.st_size;
	return 0;
}

static int sync_folder(const char *path, struct fault *f)
{
	struct buf folder AUTO_BUF = { 0 };
	const char *slash = strrchr(path, '/');

	buf_add(&folder, (struct span){ path, slash ? (size_t)(slash - path) : 0 });
	int fd = open(slash ? buf_z(&folder) : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fault(f, E_IO, "%s: %s", path, strerror(errno));
	int rc = fsync(fd) ? fault(f, E_IO, "%s: %s", path, strerror(errno)) : 0;
	close(fd);
	return rc;
}

int render_ogg(const struct render_source *s, const char *path, struct render_result *out,
	       struct fault *f)
{
	struct buf beside AUTO_BUF = { 0 };

	buf_printf(&beside, "%s.tmp", path);
	const char *temporary = buf_z(&beside);
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return fault(f, E_IO, "%s: %s", temporary, strerror(errno));
	int rc = encode(s, fd, out, f);
	close(fd);
	if (!rc && rename(temporary, path))
		rc = fault(f, E_IO, "%s: %s", path, strerror(errno));
	if (rc) {
		unlink(temporary);
		return rc;
	}
	return sync_folder(path, f);
}
