/* libopusenc tells of a failed write only by a general code: what the disk said is kept here. */
#include "record/ogg.h"

#include <errno.h>
#include <opusenc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COMPLEXITY = 5, CHANNELS = 2 };

struct ogg {
	int fd;
	int error; /* errno of the first write that failed */
	OggOpusComments *comments;
	OggOpusEnc *encoder;
};

static int on_bytes(void *user, const unsigned char *bytes, opus_int32 n)
{
	struct ogg *o = user;

	for (opus_int32 done = 0; done < n && !o->error;) {
		ssize_t w = write(o->fd, bytes + done, (size_t)(n - done));

		if (w < 0 && errno != EINTR)
			o->error = errno;
		done += w > 0 ? (opus_int32)w : 0;
	}
	return o->error != 0;
}

static int on_close(void *user)
{
	(void)user;
	return 0;
}

/* For speech on two sides that have little to do with each other. */
static opus_int32 bits_per_s(uint32_t rate_hz)
{
	return rate_hz <= 8000 ? 40000 : rate_hz <= 16000 ? 56000 : 80000;
}

static int refused(const struct ogg *o, int code, struct fault *f)
{
	return fault(f, E_IO, "Ogg Opus: %s", o->error ? strerror(o->error) : ope_strerror(code));
}

int ogg_new(struct ogg **out, int fd, uint32_t rate_hz, struct fault *f)
{
	static const OpusEncCallbacks callbacks = { on_bytes, on_close };
	scoped(ogg) *o = calloc(1, sizeof(*o));
	int code = 0;

	CHECK(o);
	o->fd = fd;
	o->comments = ope_comments_create();
	CHECK(o->comments);
	ope_comments_add(o->comments, "ENCODER", "callmend " CALLMEND_VERSION);
	o->encoder = ope_encoder_create_callbacks(&callbacks, o, o->comments, (opus_int32)rate_hz,
						  CHANNELS, 0, &code);
	if (!o->encoder)
		return refused(o, code, f);
	ope_encoder_ctl(o->encoder, OPUS_SET_BITRATE(bits_per_s(rate_hz)));
	ope_encoder_ctl(o->encoder, OPUS_SET_COMPLEXITY(COMPLEXITY));
	ope_encoder_ctl(o->encoder, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
	*out = take(o);
	return 0;
}

void ogg_free(struct ogg *o)
{
	if (!o)
		return;
	if (o->encoder)
		ope_encoder_destroy(o->encoder);
	ope_comments_destroy(o->comments);
	free(o);
}

int ogg_write(struct ogg *o, const int16_t *stereo, size_t frames, struct fault *f)
{
	int code = ope_encoder_write(o->encoder, stereo, (int)frames);

	return code || o->error ? refused(o, code, f) : 0;
}

int ogg_finish(struct ogg *o, struct fault *f)
{
	int code = ope_encoder_drain(o->encoder);

	return code || o->error ? refused(o, code, f) : 0;
}
