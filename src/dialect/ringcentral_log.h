/* Records of RingCentral's call log, view=Detailed ("Call Log" of its developer guide; OpenAPI,
 * CallLogRecord): what it knows of a call minutes after the end. Pure. */
#ifndef CALLMEND_DIALECT_RINGCENTRAL_LOG_H
#define CALLMEND_DIALECT_RINGCENTRAL_LOG_H

#include "callmend/dialect.h"

enum { RC_RECORDINGS_MAX = 32 };
/* One leg's recording; `url` is where its content is, with a token. */
struct rc_recording {
	struct span id, url, extension;
	int64_t started_us; /* of its leg */
	bool on_demand;	    /* begun when somebody wanted it, not with the leg */
};
struct rc_log {
	struct span id, call_id; /* of the record; telephonySessionId, else sessionId */
	struct span result;	 /* the platform's word: "Call connected" */
	struct span reason;	 /* what we call such an end: completed no-answer voicemail ... */
	bool voice, under_way;	 /* not a fax; not ended yet */
	bool inbound;
	int64_t started_us, ended_us; /* 0: not told */
	struct span customer_number, customer_name, phone_number;
	struct span extension, extension_name; /* ours who talked last, or was called last */
	struct rc_recording recordings[RC_RECORDINGS_MAX];
	size_t recordings_n;
};
/* E_INVALID: no record of a call. Spans live in the record and the arena. */
MUST int rc_log_read(struct json record, struct arena *, struct rc_log *out, struct fault *f);
/* What is kept of it (callmend_log_put): no billing, no addresses with capabilities. */
void rc_log_write(struct json record, const struct rc_log *, struct arena *, struct json_out *,
		  const char *key);

#endif
