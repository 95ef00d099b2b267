/* What the API tests share: shards with real sockets, the API on them, a live side that is a fake,
 * and a PostgreSQL that is away unless the test gives one. */
#ifndef TESTS_API_KIT_H
#define TESTS_API_KIT_H

#include "tests/net/rig.h"

#include "api/api.h"
#include "base/json.h"
#include "fake_listen.h"
#include "fake_live.h"

/* Tokens of the kit's directory: the role says what it may. */
#define KIT_VIEWER "cm_viewer"
#define KIT_SUPERVISOR "cm_supervisor"
#define KIT_MANAGER "cm_manager"
#define KIT_ADMIN "cm_admin"
#define KIT_OTHER_ORG "cm_other"
#define KIT_EXPIRED "cm_expired"

#define KIT_ORG "00000000-0000-7000-8000-000000000001"
#define KIT_ORG_2 "00000000-0000-7000-8000-000000000002"
#define KIT_PROJECT "00000000-0000-7000-8000-0000000000a1"
#define KIT_PROJECT_2 "00000000-0000-7000-8000-0000000000a2"
#define KIT_SOURCE "00000000-0000-7000-8000-0000000000b1"
/* RingCentral: texts from +15550107101; with no number; without a session. */
#define KIT_TEXTS "00000000-0000-7000-8000-0000000000b2"
#define KIT_NUMBERLESS "00000000-0000-7000-8000-0000000000b3"
#define KIT_MUTE "00000000-0000-7000-8000-0000000000b4"

enum { KIT_DIRECTORIES = 1000, KIT_SOURCES = 4 };

struct kit {
	struct rig rig;
	struct live live;
	struct listen listen;
	struct store *store;
	struct api_common *common;
	struct api *apis[RIG_MAX_SHARDS];
	struct http_route *routes;
	size_t routes_n;
	_Atomic bool draining, journal_failed;
	_Atomic bool denied; /* every source has a session, which stands so */
	char state_dir[64];
	struct reply openapi;				      /* fetched once */
	const struct directory *directories[KIT_DIRECTORIES]; /* from the store */
	atomic_uint directories_n;
	/* before kit_start; zero: a default */
	unsigned shards;     /* 2 */
	unsigned rate_per_s; /* no limit */
	unsigned rate_burst;
	size_t ws_queue_bytes;
	int64_t slow_watcher_ms;
	const char *store_url; /* a PostgreSQL that is away. When given, tokens are those of its
				  tables */
};

void kit_start(struct kit *k);
void kit_stop(struct kit *k);
struct uuid kit_uuid(const char *text);
/* A directory of the kit's tokens, sources and projects; `without`: name of a token to leave out,
 * or NULL. */
const struct directory *kit_directory(const char *without);

/* One request on a connection of its own; `body` NULL: none. Returns the status. `reply` is zeroed
 * or used before. */
int kit_ask(struct kit *k, const char *method, const char *path, const char *token,
	    const char *body, struct reply *reply);
int kit_ask_with(struct kit *k, const char *method, const char *path, const char *headers,
		 const char *body, struct reply *reply);
/* The body, proven to be JSON. */
struct json kit_json(struct reply *reply);
/* Asserts status, content type and the members of a problem document. */
void kit_expect_problem(struct reply *reply, int status, const char *slug);
/* Proves that the answer is one that /openapi.json promises for this operation: the status is
 * listed and the body fits. */
void kit_expect_promised(struct kit *k, struct reply *reply, const char *method,
			 const char *pattern);
/* Text at a dotted path; fails the test when it is no text. */
const char *kit_text(struct json v, const char *path, char *out, size_t room);

/* Puts a call on the owner its id belongs to and returns that owner. Snapshot:
 * {"id","provider_call_id","filler"}. */
unsigned kit_add_call(struct kit *k, const char *org, const char *project, const char *provider_id,
		      size_t filler, struct uuid *id);
/* Publishes on the owner's shard and waits until that is done. */
void kit_publish(struct kit *k, unsigned owner, const struct uuid *call, enum event_type,
		 enum speaker, const char *text);
/* Asserts that the last command that reached the fake has this text in its JSON. */
void kit_expect_command(struct kit *k, const char *part);

#endif
