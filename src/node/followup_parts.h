/* Private to followup*.c: a run over the calls of one source, and what platforms do for it. */
#ifndef CALLMEND_NODE_FOLLOWUP_PARTS_H
#define CALLMEND_NODE_FOLLOWUP_PARTS_H

#include "base/arena.h"
#include "callmend/job.h"
#include "node/intake.h"
#include "node/platform.h"
#include "node/platform_sound.h"

enum {
	FOLLOWUP_CALLS_MAX = 50, /* at a time */
	FOLLOWUP_PAUSE_MAX_S = 3600,
	FOLLOWUP_PATIENCE_S = 24 * 3600,
	FOLLOWUP_LOOKS = 3, /* after the first, for what may be late or never come */
	FOLLOWUP_UNANSWERED_MAX = 3,
	FOLLOWUP_SOUND_MAX = 256 * 1024 * 1024,
	FOLLOWUP_SOUND_MS = 300 * 1000, /* half of what the job is held for without a word */
};

/* A call that is due; texts live in the run's arena. */
struct followed {
	struct uuid id;
	struct span call_id, platform_call_id; /* ours as text, with a zero byte behind; theirs */
	int64_t started_us, ended_us, tries, waited_s;
	struct json log; /* as it is stored; JSON_NONE: not yet */
	/* The platform's ids of recordings that are there, and of those with insights. */
	struct json known, insights;
	int64_t told; /* how many recordings of the platform's its parties had, live */
	bool heard, recorded, spoken;
	struct json record; /* of the call log, found just now */
	const char
		*unanswered; /* why nobody can say what there is of it just now; NULL: no reason */
};

struct followup {
	struct job_context *ctx;
	const struct job *job;
	struct intake intake;
	struct platform *platform;
	int64_t prolonged_us; /* the lease, last */
	struct arena arena;   /* of one round */
	struct followed calls[FOLLOWUP_CALLS_MAX];
	size_t calls_n;
	unsigned unanswered; /* requests in a row */
};

/* What came of one call: members of the document that callmend_follow_up_store takes, and the rest
 * of them at followup_store. */
struct followed_doc {
	struct buf text;
	struct json_out out;
	bool waits; /* asked again later */
	char why[256];
};

struct followup_way {
	const char *dialect;
	/* Before the calls of a round are taken one by one. NULL: nothing. */
	int (*prepare)(struct followup *, struct fault *f);
	int (*follow)(struct followup *, struct followed *, struct followed_doc *, struct fault *f);
};
extern const struct followup_way followup_cx;

/* What platform_ask returned and left, judged: E_TIMEOUT is a platform that fails at this request
 * (5xx again and again, silence, no JSON). */
MUST int followup_judge(struct followup *, int rc, const struct platform_answer *, struct fault *f);
/* rc, but 0 for E_TIMEOUT: the call it was for waits, whatever else there is of it, and we go on.
 * Unless there were FOLLOWUP_UNANSWERED_MAX in a row: that is a platform that is away. */
MUST int followup_go_on(struct followup *, struct followed *, int rc, const struct fault *why);
/* It is not all there: asked again with growing pauses for a day, then given up with `why`. */
void followup_wait(struct followed_doc *, const char *why);
bool followup_knows(struct json known, struct span recording);
/* Fetches, keeps and stores a recording; what cannot be had is stored as failed, what we may not
 * have is waited for, and what is not there for FOLLOWUP_LOOKS. */
struct followup_recording {
	struct span id;
	const char *url;   /* of its content; empty: as the platform says at `about` (contentUri) */
	const char *about; /* may be NULL when there is a url */
	enum rate_group group;
	int64_t started_us;
	bool on_demand; /* as platform_sound's */
};
MUST int followup_recording(struct followup *, struct followed *, const struct followup_recording *,
			    struct followed_doc *, struct fault *f);

#endif
