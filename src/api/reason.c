#include "api/reason.h"

#include "api/request.h"

void reason_query(struct request *r)
{
	const struct endpoint *e = r->endpoint;
	int body = params_find(e->params, e->params_n, PARAM_IN_BODY, SPAN("reason"));
	if (body >= 0 && r->values[body])
		request_set(r, "reason", r->values[body]);
	request_query(r);
}
