#include "vapi_journaled.h"

#include "dialect/vapi.h"

int64_t vapi_journaled(struct span body, struct repeats *known, struct buf *out)
{
	struct arena arena = { 0 };
	struct envelope e;
	struct buf reduced AUTO_BUF = { 0 };
	struct repeats_news news = { 0 };
	CHECK(vapi_dialect.classify(body, &arena, &e, NULL) == 0);
	if (known)
		vapi_dialect.reduce(body, &e, known, &reduced, &news);
	else
		buf_add(&reduced, body);
	CHECK(json_check(buf_span(&reduced), NULL) == 0);
	vapi_dialect.mask(buf_span(&reduced), &e, out);
	if (known)
		repeats_learn(known, &news);
	repeats_news_fini(&news);
	arena_fini(&arena);
	return e.at_us;
}
