#include "grpc_kit.h"

#include <pthread.h>
#include <time.h>

enum { SHOWN = 60 };

atomic_int kit_messages, kit_opened, kit_closed;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct buf seen, copied;
static struct grpc_stream *last;

static void note(const char *what, struct span text)
{
	pthread_mutex_lock(&lock);
	buf_printf(&seen, "%s%s", what, text.n ? " " : "");
	buf_add(&seen, text);
	buf_addc(&seen, '|');
	pthread_mutex_unlock(&lock);
}

const char *kit_seen(void)
{
	pthread_mutex_lock(&lock);
	buf_clear(&copied);
	buf_add(&copied, buf_span(&seen));
	pthread_mutex_unlock(&lock);
	return buf_z(&copied);
}

void kit_forget(void)
{
	pthread_mutex_lock(&lock);
	buf_clear(&seen);
	pthread_mutex_unlock(&lock);
	atomic_store(&kit_messages, 0);
	atomic_store(&kit_opened, 0);
	atomic_store(&kit_closed, 0);
}

static bool patience(time_t until)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return time(NULL) < until;
}

void kit_wait_seen(const char *what)
{
	time_t until = time(NULL) + RIG_WAIT_MS / 1000;

	while (strcmp(kit_seen(), what) != 0)
		if (!patience(until))
			fail_msg("seen: %s\nwanted: %s", kit_seen(), what);
}

/* --- the method --- */

enum doing { FINISHES, EARLY, LATER };

static enum grpc_status on_open(struct grpc_stream *s, const char **why)
{
	struct span what = { 0 };
	static enum doing doings[] = { FINISHES, EARLY, LATER };

	grpc_stream_header(s, "x-do", &what);
	assert_true(shard_here(grpc_stream_shard(s)));
	assert_true(span_is(grpc_stream_path(s), STREAM_PATH));
	if (span_is(what, "refuse")) {
		*why = "who are you: 100% \xc3\xa9?";
		return GRPC_UNAUTHENTICATED;
	}
	grpc_stream_set_user(s, &doings[span_is(what, "early")	 ? EARLY
					: span_is(what, "later") ? LATER
								 : FINISHES]);
	note("open", grpc_stream_peer(s));
	last = s;
	atomic_fetch_add(&kit_opened, 1);
	return GRPC_OK;
}

static void on_message(struct grpc_stream *s, struct span m)
{
	char text[64];
	unsigned sum = 0;

	if (m.n > SHOWN) {
		for (size_t i = 0; i < m.n; i++)
			sum = sum * 31 + (unsigned char)m.p[i];
		snprintf(text, sizeof(text), "%zu bytes %u", m.n, sum);
		m = span_of(text);
	}
	note("message", m);
	if (*(enum doing *)grpc_stream_user(s) == EARLY)
		grpc_stream_finish(s, GRPC_FAILED_PRECONDITION, "enough");
	atomic_fetch_add(&kit_messages, 1);
}

static void on_end(struct grpc_stream *s)
{
	note("end", (struct span){ 0 });
	if (*(enum doing *)grpc_stream_user(s) != LATER)
		grpc_stream_finish(s, GRPC_OK, NULL);
}

static void on_closed(struct grpc_stream *s, const char *why)
{
	(void)s;
	note("closed", span_of(why));
	atomic_fetch_add(&kit_closed, 1);
}

static const struct grpc_handlers handlers = { on_open, on_message, on_end, on_closed };
const struct grpc_method kit_methods[] = { { STREAM_PATH, KIT_MESSAGE_MAX, &handlers } };

struct finishing {
	enum grpc_status status;
	const char *text;
};

static void finish_here(struct shard *s, void *user)
{
	struct finishing *f = user;

	(void)s;
	grpc_stream_finish(last, f->status, f->text);
}

void kit_finish(struct rig *r, enum grpc_status status, const char *text)
{
	struct finishing f = { status, text };

	rig_on_shard(r, 0, finish_here, &f);
}

/* --- life --- */

static void or_else(unsigned *n, unsigned usual)
{
	*n = *n ? *n : usual;
}

void kit_start(struct rig *r, unsigned shards)
{
	kit_forget();
	r->grpc.methods = kit_methods;
	r->grpc.methods_n = KIT_METHODS;
	or_else(&r->grpc.max_connections, 100);
	or_else(&r->grpc.max_streams, 300);
	r->grpc.window_bytes = r->grpc.window_bytes ? r->grpc.window_bytes : 65536;
	r->grpc.idle_ms = r->grpc.idle_ms ? r->grpc.idle_ms : 60000;
	rig_start(r, shards, NULL, 0);
}

static unsigned connections(const struct rig *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < shards_count(r->shards); i++)
		n += grpc_server_connections(r->grpc_servers[i]);
	return n;
}

void kit_wait_connections(const struct rig *r, unsigned n)
{
	time_t until = time(NULL) + RIG_WAIT_MS / 1000;

	while (connections(r) != n)
		if (!patience(until))
			fail_msg("waited for %u connections, have %u", n, connections(r));
}
