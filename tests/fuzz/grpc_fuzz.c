/* What a client sends to our gRPC port, through nghttp2 into requests, messages and protobuf; no
 * socket, TLS or loop. The first byte says how the rest is read.
 *
 * Bit 0 is 0: frames, each of type, flags, stream, length (a byte each) and payload; type 255: the
 * payload as it is. Given whole or in small pieces, they come to the same. (nghttp2 1.52 counts the
 * pieces of a CONTINUATION's head as so many CONTINUATIONs, of which it takes 8: where it gives up,
 * nothing is compared.)
 *
 * Bit 0 is 1: the body of a request (bit 1: it ends there), cut into DATA at places the second byte
 * says. Its messages are those of a second, simpler reader, and it ends as that one says. */
#include <stdlib.h>
#include <utlist.h>

#include "base/crypto.h"
#include "callmend/media.h"
#include "net/grpc_internal.h"
#include "tests/fuzz/fuzz.h"

enum {
	MESSAGE_MAX = 3000,
	WINDOW = 256 * 1024,
	WASTE_MAX = 1100,
	PIECE_MAX = 40,
	BODY_MAX = 65536,
	PIECE = 5
};

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* --- what the product's connection does for streams --- */

static unsigned wasted;

void grpc_connection_dirty(struct grpc_connection *c)
{
	(void)c;
}

void grpc_connection_wasted(struct grpc_connection *c)
{
	if (++wasted > WASTE_MAX)
		c->calm = true;
}

int64_t grpc_server_now_ms(const struct grpc_server *s)
{
	(void)s;
	return 1;
}

/* --- a method, and what it is told --- */

struct told {
	struct buf lines;
	_Alignas(16) char state[MEDIA_STATE_BYTES];
	unsigned open;
};
static struct told told;

static enum grpc_status on_open(struct grpc_stream *s, const char **why)
{
	struct span value;
	buf_printf(&told.lines, "open %.*s\n", SPAN_ARG(grpc_stream_path(s)));
	if (grpc_stream_header(s, "x-refused", &value)) {
		*why = "refused";
		return GRPC_UNAUTHENTICATED;
	}
	told.open++;
	return GRPC_OK;
}

static void put_message(struct span m)
{
	buf_printf(&told.lines, "message %zu %016llx\n", m.n, (unsigned long long)hash64(m));
}

static void on_message(struct grpc_stream *s, struct span m)
{
	struct arena a = { 0 };
	struct media_event e;
	struct fault f = { 0 };
	must(m.n <= MESSAGE_MAX);
	put_message(m);
	if (media_dialect_find(SPAN("ringcx-grpc"))->binary(told.state, m, &a, &e, &f)) {
		must(f.text[0]);
		if (m.n % 2) /* of those that are wrong some end their stream */
			grpc_stream_finish(s, GRPC_INVALID_ARGUMENT, f.text);
	}
	arena_fini(&a);
}

static void on_end(struct grpc_stream *s)
{
	buf_addz(&told.lines, "end\n");
	grpc_stream_finish(s, GRPC_OK, NULL);
}

static void on_closed(struct grpc_stream *s, const char *why)
{
	(void)s;
	must(told.open-- > 0 && *why);
	buf_addz(&told.lines, "closed\n");
}

static const struct grpc_handlers handlers = { on_open, on_message, on_end, on_closed };
static const struct grpc_method methods[] = {
	{ "/ringcentral.ringcx.streaming.v1beta2.Streaming/Stream", MESSAGE_MAX, &handlers },
};

/* --- a connection --- */

struct side {
	struct grpc_server server;
	struct grpc_connection c;
	bool broken;
};

static void side_open(struct side *e)
{
	*e = (struct side){ .server.config = { .methods = methods, .methods_n = 1 } };
	e->server.mem = grpc_pool_mem(&e->server.pool);
	e->c.server = &e->server;
	memset(told.state, 0, sizeof(told.state));
	wasted = 0;
	buf_clear(&told.lines);
	must(nghttp2_session_callbacks_new(&e->server.callbacks) == 0);
	grpc_stream_callbacks(e->server.callbacks);
	must(nghttp2_option_new(&e->server.option) == 0);
	nghttp2_option_set_no_auto_window_update(e->server.option, 1);
	nghttp2_option_set_no_closed_streams(e->server.option, 1);
	must(nghttp2_session_server_new3(&e->c.session, e->server.callbacks, &e->c,
					 e->server.option, &e->server.mem) == 0);
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 8 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW },
	};
	must(nghttp2_submit_settings(e->c.session, NGHTTP2_FLAG_NONE, settings, 2) == 0);
}

static void side_close(struct side *e)
{
	struct grpc_stream *s, *next;
	DL_FOREACH_SAFE(e->c.streams, s, next)
	{
		grpc_stream_gone(s, "lost", "over");
	}
	must(told.open == 0);
	nghttp2_session_del(e->c.session);
	nghttp2_session_callbacks_del(e->server.callbacks);
	nghttp2_option_del(e->server.option);
	grpc_pool_fini(&e->server.pool);
	buf_free(&e->c.headers);
}

static void side_speak(struct side *e)
{
	const uint8_t *p;
	ssize_t n;
	while (!e->broken && (n = nghttp2_session_mem_send(e->c.session, &p)) > 0)
		;
}

/* In memory of its exact size, `step` bytes at a time. */
static void side_hear(struct side *e, struct span bytes, size_t step)
{
	for (; bytes.n && !e->broken; bytes = span_from(bytes, step)) {
		step = step < bytes.n ? step : bytes.n;
		uint8_t *copy = malloc(step);
		memcpy(copy, bytes.p, step);
		e->broken = nghttp2_session_mem_recv(e->c.session, copy, step) < 0;
		free(copy);
	}
}

static void side_hear_all(struct side *e, struct span bytes, size_t step)
{
	if (e->c.calm)
		return;
	side_hear(e, bytes, step);
	side_speak(e);
}

/* --- frames --- */

static void put_head(struct buf *out, size_t n, uint8_t type, uint8_t flags, uint8_t stream)
{
	const uint8_t head[] = {
		(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, type, flags, 0, 0, 0, stream
	};
	buf_add(out, (struct span){ (const char *)head, sizeof(head) });
}

/* With what every client says first. */
static void greet(struct buf *out)
{
	buf_addz(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	put_head(out, 0, NGHTTP2_SETTINGS, 0, 0);
}

static struct span take_frame(struct span in, struct buf *out)
{
	enum { HEAD = 4, RAW = 255 };
	const uint8_t *b = (const uint8_t *)in.p;
	if (in.n < HEAD)
		return (struct span){ 0 };
	size_t n = b[3] < in.n - HEAD ? b[3] : in.n - HEAD;
	if (b[0] != RAW)
		put_head(out, n, b[0], b[1], b[2]);
	buf_add(out, (struct span){ in.p + HEAD, n });
	return span_from(in, HEAD + n);
}

/* Whether the session went on to the end. */
static bool run_frames(struct span in, size_t step)
{
	struct side e;
	struct buf frame AUTO_BUF = { 0 };
	side_open(&e);
	greet(&frame);
	while (frame.n && !e.broken) {
		side_hear_all(&e, buf_span(&frame), step);
		buf_clear(&frame);
		in = take_frame(in, &frame);
	}
	side_close(&e);
	return !e.broken;
}

static void try_frames(struct span in)
{
	struct buf whole AUTO_BUF = { 0 };
	bool good = run_frames(in, SIZE_MAX);
	buf_add(&whole, buf_span(&told.lines));
	good &= run_frames(in, PIECE);
	must(!good || span_eq(buf_span(&whole), buf_span(&told.lines)));
}

/* --- one body --- */

static void put_text(struct buf *out, const char *name, const char *value)
{
	buf_addc(out,
		 0); /* a literal, not indexed, of a new name; nothing here is longer than 126 */
	buf_addc(out, (char)strlen(name));
	buf_addz(out, name);
	buf_addc(out, (char)strlen(value));
	buf_addz(out, value);
}

static void put_request(struct buf *out)
{
	struct buf h AUTO_BUF = { 0 };
	put_text(&h, ":method", "POST");
	put_text(&h, ":scheme", "http");
	put_text(&h, ":path", methods[0].path);
	put_text(&h, ":authority", "x");
	put_text(&h, "content-type", "application/grpc");
	put_head(out, h.n, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1);
	buf_add(out, buf_span(&h));
}

/* What the method has to be told of the body, up to the first message that it ends the stream for.
 */
static void read_again(struct span body, bool ends)
{
	const uint8_t *b;
	buf_clear(&told.lines);
	buf_printf(&told.lines, "open %s\n", methods[0].path);
	while (body.n >= 5) {
		b = (const uint8_t *)body.p;
		size_t n = (size_t)b[1] << 24 | (size_t)b[2] << 16 | (size_t)b[3] << 8 | b[4];
		if (b[0] || n > MESSAGE_MAX)
			return;
		if (body.n - 5 < n)
			break;
		put_message((struct span){ body.p + 5, n });
		body = span_from(body, 5 + n);
	}
	if (ends && !body.n)
		buf_addz(&told.lines, "end\n");
}

static void run_body(struct side *e, struct span body, bool ends, uint32_t seed)
{
	struct buf out AUTO_BUF = { 0 };
	greet(&out);
	put_request(&out);
	while (body.n) {
		seed = seed * 1103515245 + 12345;
		size_t n = 1 + (seed >> 16) % PIECE_MAX;
		n = n < body.n ? n : body.n;
		put_head(&out, n, NGHTTP2_DATA, 0, 1);
		buf_add(&out, (struct span){ body.p, n });
		body = span_from(body, n);
	}
	if (ends)
		put_head(&out, 0, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1);
	side_hear(e, buf_span(&out), 1 + seed % 999);
	must(!e->broken && !e->c.calm);
}

static bool refused_by_us;

static void try_body(struct span in, bool ends)
{
	struct buf heard AUTO_BUF = { 0 };
	struct side e;
	if (in.n < 1)
		return;
	uint8_t seed = (uint8_t)in.p[0];
	in = span_from(in, 1);
	in.n = in.n < BODY_MAX ? in.n : BODY_MAX;
	side_open(&e);
	run_body(&e, in, ends, seed);
	struct grpc_stream *s = e.c.streams;
	must(s && s->id == 1);
	refused_by_us = s->finished && s->status == GRPC_INVALID_ARGUMENT;
	must(ends ? s->finished : true);
	buf_add(&heard, buf_span(&told.lines));
	side_speak(&e);
	side_close(&e);
	read_again(in, ends);
	must(refused_by_us ? span_starts(buf_span(&told.lines), buf_span(&heard))
			   : span_eq(buf_span(&told.lines), buf_span(&heard)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span in = { (const char *)data, n };
	if (!n)
		return 0;
	if (data[0] & 1)
		try_body(span_from(in, 1), data[0] & 2);
	else
		try_frames(span_from(in, 1));
	return 0;
}
