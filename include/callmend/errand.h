/* Effects that ingest leaves to others on the node: commands over the socket of a call's audio
 * (src/media), pausing and resuming its recording (src/node/record_sink). Ingest asks, the
 * composition says whom (ingest_leave_to), so that neither includes the other. */
#ifndef CALLMEND_ERRAND_H
#define CALLMEND_ERRAND_H

#include "callmend/call_host.h"
#include "rt/shard.h"

/* One of them; memory of who asks until `done`, which is called once, by mail to `home`. */
struct errand {
	struct mail mail; /* of who carries it out */
	struct shard *home;
	struct uuid org, call;	       /* org: nil when standing */
	const struct command *command; /* EFFECT_SOCKET, EFFECT_RECORDER */
	/* No effect, but how things stand, told after a start and with every change: recordings of
	 * this call that begin from now on are paused (record-pause), or no longer are
	 * (record-resume; what is paused stays so). Nobody asks what came of it. since_us: paused
	 * since then (wall clock); of streams that find their call later what came after it is not
	 * to be kept. */
	bool standing;
	int64_t since_us;
	/* What came of it: DONE, NOT_SENT or UNKNOWN, the last two with why. */
	enum outcome_end end;
	struct fault why;
	void (*done)(struct errand *);
	/* Private to who carries it out. */
	void *carrier;
	unsigned shard;
	struct errand *next;
	uint64_t number;
};

/* Called on e->home. */
typedef void errand_fn(void *user, struct errand *e);

#endif
