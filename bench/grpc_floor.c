#include "bench/grpc_floor.h"

#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/loadgen.h"

enum { PREFIX = 5, MESSAGE_MAX = 64 * 1024, WINDOW = 1 << 20 };
/* Of StreamEvent, SegmentMedia and AudioContent (src/dialect/ringcx.proto). */
enum { SEGMENT_MEDIA = 4, AUDIO_CONTENT = 2, PAYLOAD = 1 };

struct grpc_floor {
	int fd;
	nghttp2_session *session;
	grpc_floor_audio *audio;
	void *user;
};
struct stream {
	size_t n;
	unsigned char part[PREFIX + MESSAGE_MAX]; /* touched when a message comes in pieces */
};

/* --- protobuf --- */

static bool take_varint(const unsigned char **at, const unsigned char *end, uint64_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < 10 && *at < end; i++) {
		unsigned char byte = *(*at)++;
		*out |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (byte < 0x80)
			return true;
	}
	return false;
}

/* The first field of bytes with this number; numbers before it are passed over. */
static bool find(const unsigned char *at, size_t n, unsigned field, const unsigned char **out,
		 size_t *out_n)
{
	const unsigned char *end = at + n;
	uint64_t tag, value;

	while (take_varint(&at, end, &tag) && take_varint(&at, end, &value)) {
		if ((tag & 7) != 2)
			continue;
		if (value > (size_t)(end - at))
			return false;
		*out = at;
		*out_n = value;
		if (tag >> 3 == field)
			return true;
		at += value;
	}
	return false;
}

bool grpc_floor_unpack(const unsigned char *at, size_t n, const unsigned char **payload,
		       size_t *payload_n)
{
	return find(at, n, SEGMENT_MEDIA, &at, &n) && find(at, n, AUDIO_CONTENT, &at, &n) &&
	       find(at, n, PAYLOAD, payload, payload_n);
}

/* --- messages --- */

static size_t whole_size(const unsigned char *prefix)
{
	size_t n = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 |
		   prefix[4];

	if (prefix[0] || n > MESSAGE_MAX)
		give_up("not a message that is read here");
	return PREFIX + n;
}

static void whole(const struct grpc_floor *f, unsigned char *at, size_t n)
{
	const unsigned char *media;
	size_t media_n;

	if (find(at + PREFIX, n - PREFIX, SEGMENT_MEDIA, &media, &media_n))
		f->audio(f->user, at + PREFIX, n - PREFIX);
}

static size_t put_together(const struct grpc_floor *f, struct stream *s, const unsigned char *at,
			   size_t n)
{
	size_t want = s->n < PREFIX ? PREFIX : whole_size(s->part);
	size_t take = want - s->n < n ? want - s->n : n;

	memcpy(s->part + s->n, at, take);
	s->n += take;
	if (s->n >= PREFIX && s->n == whole_size(s->part)) {
		whole(f, s->part, s->n);
		s->n = 0;
	}
	return take;
}

/* nghttp2 hands on its input, which is ours to write to. */
static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *at, size_t n,
		   void *user)
{
	const struct grpc_floor *f = user;
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);

	(void)flags;
	while (n) {
		size_t used;
		if (!s->n && n >= PREFIX && (used = whole_size(at)) <= n)
			whole(f, (unsigned char *)at, used);
		else
			used = put_together(f, s, at, n);
		at += used;
		n -= used;
	}
	return 0;
}

/* --- streams --- */

static int on_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct stream *s = malloc(sizeof(*s));

	(void)user;
	if (!s)
		give_up("out of memory");
	s->n = 0;
	return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	static const nghttp2_nv answer[] = {
		{ (uint8_t *)":status", (uint8_t *)"200", 7, 3, 0 },
		{ (uint8_t *)"content-type", (uint8_t *)"application/grpc", 12, 16, 0 },
		{ (uint8_t *)"grpc-status", (uint8_t *)"0", 11, 1, 0 },
	};

	(void)user;
	if (frame->hd.type != NGHTTP2_DATA || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	return nghttp2_submit_response(session, frame->hd.stream_id, answer, 3, NULL);
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	(void)code, (void)user;
	free(nghttp2_session_get_stream_user_data(session, id));
	return 0;
}

/* --- the socket --- */

static void flush(const struct grpc_floor *f)
{
	const uint8_t *p;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(f->session, &p)) > 0)
		if (send(f->fd, p, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n)
			give_up("a client takes nothing");
}

struct grpc_floor *grpc_floor_new(int fd, grpc_floor_audio *audio, void *user)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW },
	};
	struct grpc_floor *f = calloc(1, sizeof(*f));
	nghttp2_session_callbacks *k;

	if (!f || nghttp2_session_callbacks_new(&k))
		give_up("out of memory");
	*f = (struct grpc_floor){ .fd = fd, .audio = audio, .user = user };
	nghttp2_session_callbacks_set_on_begin_headers_callback(k, on_headers);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(k, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(k, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(k, on_close);
	if (nghttp2_session_server_new(&f->session, k, f) ||
	    nghttp2_submit_settings(f->session, NGHTTP2_FLAG_NONE, settings, 2) ||
	    nghttp2_session_set_local_window_size(f->session, NGHTTP2_FLAG_NONE, 0, 8 * WINDOW))
		give_up("no session of HTTP/2");
	nghttp2_session_callbacks_del(k);
	flush(f);
	return f;
}

void grpc_floor_free(struct grpc_floor *f)
{
	if (f)
		nghttp2_session_del(f->session);
	free(f);
}

void grpc_floor_take(struct grpc_floor *f, const unsigned char *at, size_t n)
{
	if (nghttp2_session_mem_recv(f->session, at, n) < 0)
		give_up("not HTTP/2");
	if (nghttp2_session_want_write(f->session))
		flush(f);
}
