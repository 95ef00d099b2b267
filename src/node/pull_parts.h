/* Private to pull*.c: one pull, and how each provider's calls are asked for. */
#ifndef CALLMEND_NODE_PULL_PARTS_H
#define CALLMEND_NODE_PULL_PARTS_H

#include "node/intake.h"
#include "node/platform.h"
#include "node/pull.h"

#define PULL_DAY_US (INT64_C(24) * 3600 * SECOND_US)

struct pull_way;
struct pull {
	const struct pull_way *way;
	bool missed; /* what a session has missed: its window is of the platform's clock */
	struct intake intake;
	int64_t since_us, until_us, pace_us, asked_us, lease_ms;
	bool (*stopping)(void *user);
	int (*alive)(void *user, struct fault *f); /* between requests; NULL: nothing to do */
	void (*mistake)(void *, uint64_t, size_t, struct span, const char *);
	void *user;
	struct uuid id;
	struct batch *batch;
	struct platform *platform; /* those that have sessions */
	struct store_link *db;	   /* likewise */
	bool busy;		   /* somebody else asks this platform */
	struct batch_counts counts;
	uint64_t requests, unsettled;
};

struct pull_way {
	const char *dialect;
	const char *format; /* of what it gives */
	int (*check)(const struct pull *, struct fault *f);
	/* All of since_us to until_us into the batch. */
	int (*walk)(struct pull *, struct fault *f);
};
extern const struct pull_way pull_ringcentral, pull_ringcx;

#endif
