/* A message holds the finished WebSocket frame, header included: frames of a server are not masked,
 * so the same bytes go to every socket on every thread and nobody ever writes to them (lws_write
 * would put the header in front of the payload, in place). */
#include <stdatomic.h>
#include <stdlib.h>

#include "net/internal.h"

enum { FRAME_TEXT_FINAL = 0x81, FRAME_BINARY_FINAL = 0x82, FRAME_HEADER_MAX = 10 };

struct message {
	atomic_uint refs;
	size_t header; /* bytes of frame header */
	size_t n;      /* bytes of payload */
	char frame[];
};

static size_t put_header(char *at, unsigned char first, size_t n)
{
	unsigned char *h = (unsigned char *)at;
	size_t bytes = n < 126 ? 0 : n < 65536 ? 2 : 8;

	h[0] = first;
	h[1] = bytes == 0 ? (unsigned char)n : bytes == 2 ? 126 : 127;
	for (size_t i = 0; i < bytes; i++)
		h[2 + i] = (unsigned char)((uint64_t)n >> (8 * (bytes - 1 - i)));
	return 2 + bytes;
}

static struct message *new_of(unsigned char first, struct span text)
{
	struct message *m = malloc(sizeof(*m) + FRAME_HEADER_MAX + text.n);

	CHECK(m);
	atomic_init(&m->refs, 1);
	m->header = put_header(m->frame, first, text.n);
	m->n = text.n;
	if (text.n)
		memcpy(m->frame + m->header, text.p, text.n);
	return m;
}

struct message *message_new(struct span text)
{
	return new_of(FRAME_TEXT_FINAL, text);
}

struct message *message_new_binary(struct span bytes)
{
	return new_of(FRAME_BINARY_FINAL, bytes);
}

struct message *message_ref(struct message *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void message_unref(struct message *m)
{
	if (m && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
		free(m);
}

struct span message_text(const struct message *m)
{
	return (struct span){ m->frame + m->header, m->n };
}

struct span message_frame(const struct message *m)
{
	return (struct span){ m->frame, m->header + m->n };
}
