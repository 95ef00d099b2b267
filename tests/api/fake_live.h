/* callmend/live.h without a journal or sessions: calls are texts that the test puts in, events are
 * what it publishes. Owner n is shard n; snapshots and events travel by mail as in the real one, so
 * the order between them is real. */
#ifndef TESTS_API_FAKE_LIVE_H
#define TESTS_API_FAKE_LIVE_H

#include <pthread.h>
#include <stdatomic.h>

#include "callmend/directory.h"
#include "callmend/live.h"

enum { FAKE_OWNERS = 4, FAKE_CALLS = 1200, FAKE_RING = 4096 };

struct fake_call {
	struct uuid id, org, project;
	char *json;
};

struct fake_owner {
	struct fake_call calls[FAKE_CALLS];
	size_t calls_n;
	uint64_t last_seq;
	struct live_event *ring[FAKE_RING];
	size_t ring_n;
	_Atomic uint64_t ring_lost_seq; /* what is at or below can not be resumed from */
};

struct live {
	struct shards *shards;
	const struct directory *directory;
	_Atomic(const struct directory *)
		next_directory; /* taken over at the next look; the old one stays until the end */
	struct {
		_Atomic(void (*)(void *, struct live_event *)) on_event;
		void *user;
	} listeners[FAKE_OWNERS];
	struct fake_owner owners[FAKE_OWNERS];
	atomic_int snapshot_code;		  /* what live_snapshot returns */
	atomic_int command_code;		  /* what live_command answers */
	atomic_bool hold_snapshots;		  /* parts wait until fake_live_release */
	struct part_mail *held_first, *held_last; /* on shard 0 */
	atomic_int snapshots;			  /* asked for */
	atomic_int commands;			  /* reached us */
	/* For last_command, and for calls: every shard looks them up. Zeroed is good. */
	pthread_mutex_t lock;
	char last_command[4096]; /* as JSON */
	char last_text[100];	 /* "<ours> <theirs>" */
	char last_context[4096]; /* number, conversation, items */
};

void fake_live_fini(struct live *);
/* On the owner's shard: a call, its events, a gap. */
void fake_live_add(struct live *, unsigned owner, const struct uuid *id, const struct uuid *org,
		   const struct uuid *project, const char *json);
void fake_live_publish(struct live *, unsigned owner, const struct fake_call *, enum event_type,
		       enum speaker, const char *text);
void fake_live_gap(struct live *, struct shard *here);
void fake_live_release(struct live *, struct shard *here);
/* Any thread: the last command that reached us, as JSON. */
void fake_live_last_command(struct live *, struct buf *out);
struct fake_call *fake_live_call(struct live *, unsigned owner, size_t i);

#endif
