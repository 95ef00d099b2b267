#include "api/documents.h"

#include "api/request.h"

void documents_query(struct request *r, int (*check)(struct span json, struct fault *f))
{
	struct fault f = { 0 };
	struct problem p;
	if (check(span_of(request_value(r, "document")), &f) == 0) {
		request_query(r);
		return;
	}
	/* "settings.turn_gap_ms: must be a number" */
	struct span member = { f.text, strcspn(f.text, ":") };
	problem_at(&p, PROBLEM_INVALID_BODY, "body", member, "%s", f.text);
	request_problem(r, &p);
}
