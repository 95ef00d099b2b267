/* What the files of src/api share. */
#ifndef CALLMEND_API_INTERNAL_H
#define CALLMEND_API_INTERNAL_H

#include "api/api.h"
#include "api/auth.h"
#include "base/buf.h"

struct watchers;
struct request;

enum { API_USAGE_SLOTS = 1024 };

struct api_common {
	struct api_config config;
	struct auth_rate rate;
	struct buf openapi; /* the document, made once */
	_Atomic int64_t
		usage[API_USAGE_SLOTS]; /* by token: not to be noted again before (usage.h) */
};

struct api {
	struct api_common *common;
	struct shard *shard;
	struct request *requests; /* those without an answer */
	struct watchers *watchers;
	unsigned queries; /* asked of the store, not yet answered */
	bool stopped;
	uv_timer_t linger; /* query.c */
};

static inline struct live *api_live(const struct api *api)
{
	return api->common->config.live;
}

#endif
