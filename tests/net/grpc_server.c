/* A gRPC server for clients of others: counts what comes to /test.v1.Test/Stream, wants
 * "authorization: Bearer good".
 *
 *   net_grpc_server [CERTIFICATE KEY]
 *
 * Prints its port; for each line on stdin one of JSON with what it has seen; ends with stdin. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "rig.h"

enum { SHARDS = 2, MESSAGE_MAX = 1024 * 1024, LINE = 64, ENDS = 16 };

static atomic_llong opened, messages, bytes, ended;

static struct {
	pthread_mutex_t lock;
	struct {
		char why[120];
		int64_t n;
	} ends[ENDS];
} closed = { .lock = PTHREAD_MUTEX_INITIALIZER };

static enum grpc_status on_open(struct grpc_stream *s, const char **why)
{
	struct span given;

	*why = "a credential is missing, or wrong";
	if (!grpc_stream_header(s, "authorization", &given) || !span_is(given, "Bearer good"))
		return GRPC_UNAUTHENTICATED;
	atomic_fetch_add(&opened, 1);
	return GRPC_OK;
}

static void on_message(struct grpc_stream *s, struct span m)
{
	(void)s;
	atomic_fetch_add(&messages, 1);
	atomic_fetch_add(&bytes, (long long)m.n);
}

static void on_end(struct grpc_stream *s)
{
	atomic_fetch_add(&ended, 1);
	grpc_stream_finish(s, GRPC_OK, NULL);
}

static void on_closed(struct grpc_stream *s, const char *why)
{
	size_t i = 0;

	(void)s;
	pthread_mutex_lock(&closed.lock);
	while (i < ENDS - 1 && closed.ends[i].n && strcmp(closed.ends[i].why, why) != 0)
		i++;
	snprintf(closed.ends[i].why, sizeof(closed.ends[i].why), "%s", why);
	closed.ends[i].n++;
	pthread_mutex_unlock(&closed.lock);
}

static const struct grpc_handlers handlers = { on_open, on_message, on_end, on_closed };
static const struct grpc_method methods[] = { { "/test.v1.Test/Stream", MESSAGE_MAX, &handlers } };

static void tell(void)
{
	struct buf b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };

	json_begin(&o, NULL);
	json_put_i64(&o, "opened", atomic_load(&opened));
	json_put_i64(&o, "messages", atomic_load(&messages));
	json_put_i64(&o, "bytes", atomic_load(&bytes));
	json_put_i64(&o, "ended", atomic_load(&ended));
	json_begin(&o, "closed");
	pthread_mutex_lock(&closed.lock);
	for (size_t i = 0; i < ENDS && closed.ends[i].n; i++)
		json_put_i64(&o, closed.ends[i].why, closed.ends[i].n);
	pthread_mutex_unlock(&closed.lock);
	json_end(&o);
	json_end(&o);
	puts(buf_z(&b));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[LINE];
	struct rig rig = { .grpc = { .methods = methods,
				     .methods_n = 1,
				     .max_connections = 1000,
				     .max_streams = 1000,
				     .window_bytes = 65536,
				     .idle_ms = 60000,
				     .certificate = argc > 2 ? argv[1] : NULL,
				     .key = argc > 2 ? argv[2] : NULL } };

	rig_start(&rig, SHARDS, NULL, 0);
	printf("%u\n", rig.grpc_port);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		tell();
	rig_stop(&rig);
	return 0;
}
