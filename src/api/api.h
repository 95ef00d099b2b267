/* The REST API, the live WebSocket and the probes of a node: everything under /api/v1, /healthz,
 * /readyz, /metrics, /openapi.json and /. What it answers is documented in docs/api.md,
 *docs/live.md and /openapi.json.
 *
 * The composition's order:
 *
 *	api_common_new()                  once per process
 *	api_routes() into its own table   once; together with the routes of ingest
 *	api_start()                       per shard, in its start hook, before the http_server takes
 *sockets api_stop()                        per shard, in its stop hook, BEFORE http_server_free()
 *and while live and store still exist api_common_free()                 after all shards have ended
 *
 * and it defines api_of(), by which a request finds the api of its shard. */
#ifndef CALLMEND_API_API_H
#define CALLMEND_API_API_H

#include "callmend/connect.h"
#include "callmend/fault.h"
#include "callmend/listen.h"
#include "callmend/live.h"
#include "callmend/store.h"
#include "net/http.h"
#include "rt/shard.h"

/* What /readyz tells; the first two make it 503. Whether PostgreSQL is there it asks the store
 * itself. */
struct api_readiness {
	bool draining;
	bool journal_failed;
	const char *detail; /* one more reason for 503 in words ("mailboxes are full"), or NULL;
			       static text */
};

struct api_config {
	struct live *live;
	struct listen *listen; /* NULL: there is no live audio here */
	struct store *store;
	/* Any shard's thread. */
	void (*readiness)(void *user, struct api_readiness *out);
	void *user;
	unsigned rate_per_s; /* requests and live messages per token; 0: no limit */
	unsigned rate_burst;
	size_t watcher_queue_bytes; /* the servers\' ws_queue_bytes; 0: 1 MiB */
	int64_t command_wait_ms; /* how long a command's answer waits for the provider; 0: 5000 */
	int64_t slow_watcher_ms; /* a watcher that reads nothing for so long after a resync is
				    closed; 0: 60000 */
	/* Outlives the api; NULL: none here. */
	const char *recordings_folder;
	/* How sessions with platforms stand: connect_look, connect_look_all. NULL: there are none
	 * here. */
	struct connect *connect;
	bool (*session)(struct connect *, const struct uuid *source, enum connect_state *,
			int64_t *since_us, char *why);
	void (*sessions)(struct connect *,
			 void (*each)(void *user, const struct uuid *source, enum connect_state,
				      int64_t since_us, const char *why),
			 void *user);
};

/* Shared by all shards; immutable but for the token buckets. */
struct api_common;
MUST int api_common_new(struct api_common **out, const struct api_config *, struct fault *f);
void api_common_free(struct api_common *);

/* Writes all routes of the API to `out` when `room` suffices (else nothing) and returns how many
 * there are. They name static tables; the array is the caller's and lives as long as the servers.
 */
size_t api_routes(struct http_route *out, size_t room);

/* One shard's part; that shard's thread only. */
struct api;
MUST int api_start(struct api **out, struct api_common *, struct shard *, struct fault *f);
/* Answers what still waits with 503, closes watchers with 1012. Answers of live and store that come
 * later find nobody; the shard's loop goes on until the store has answered, so free the store only
 * after shards_stop(). */
void api_stop(struct api *);

/* On its shard: sends it to every watcher of the organisation, whatever they have subscribed to. */
void api_tell(struct api *, const struct uuid *org, struct message *);

/* DEFINED BY THE COMPOSITION (src/node, tests): the api of the shard that this server belongs to,
 * from http_server_user(). */
struct api *api_of(struct http_server *);

#endif
