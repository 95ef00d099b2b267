#include "api/compared.h"

#include "api/diff.h"
#include "api/request.h"

void compared_answer(struct request *r, const struct store_answer *a)
{
	if (a->code) {
		request_fail(r, a->code, a->detail);
		return;
	}
	struct buf diff AUTO_BUF = { 0 }, b AUTO_BUF = { 0 };
	struct json_out o = { .b = &b };
	struct json doc = json_of(a->json);
	diff_unified(json_text(json_get(doc, "before"), &r->arena),
		     json_text(json_get(doc, "after"), &r->arena), &diff);
	json_begin(&o, NULL);
	json_put_text(&o, "diff", buf_span(&diff));
	json_end(&o);
	b.n--;
	buf_addc(&b, ',');
	buf_add(&b, span_from(doc.raw, 1));
	request_answer(r, 200, buf_span(&b));
}
