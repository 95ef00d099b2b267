/* Asking Vapi how a call stands: GET {base}/call/{id}, answered with a Call object. */
#include "dialect/vapi_parts.h"

int vapi_reconcile(struct span api_base, struct span call_id, struct arena *arena,
		   struct provider_request *out)
{
	struct buf url AUTO_BUF = { 0 };
	if (api_base.n == 0 || call_id.n == 0)
		return E_INVALID;
	while (api_base.n && api_base.p[api_base.n - 1] == '/')
		api_base.n--;
	buf_add(&url, api_base);
	buf_addz(&url, "/call/");
	buf_add_percent(&url, call_id, BUF_IN_PATH);
	*out = (struct provider_request){ .method = SPAN("GET"),
					  .url = arena_copy(arena, buf_span(&url)),
					  .needs_private_key = true };
	return 0;
}

static void add_status(const struct vapi_view *v, struct span status, struct inputs *out)
{
	struct input *in = inputs_add(out, v->arena, INPUT_STATUS);
	in->name = status;
	in->reason = vapi_text(v->m[M_endedReason], v->arena);
	in->at_us = v->at_us;
	in->data = vapi_either(v->m[M_destination], (struct json){ 0 });
	in->key =
		v->at_us ? key_end(key_number(key_text(key_start("status"), status), v->at_us)) : 0;
}

int vapi_read_call(struct span body, struct arena *arena, struct inputs *out, struct fault *f)
{
	TRY(json_check(body, f));
	struct json call = json_of(body);
	if (call.kind != JSON_OBJECT || vapi_text(json_get(call, "id"), arena).n == 0)
		return fault(f, E_INVALID, "the answer is no Call object (it has no id)");
	struct vapi_view v;
	vapi_view_call(&v, call, arena);
	struct span status = vapi_text(v.m[M_status], arena);
	bool ended = span_is(status, "ended");
	struct json at = ended ? vapi_either(v.m[M_endedAt], v.m[M_updatedAt]) : v.m[M_updatedAt];
	v.at_us = vapi_time(at, arena);
	vapi_facts(&v, out);
	vapi_history(&v, ended ? VAPI_FROM_REPORT : VAPI_FROM_MESSAGE, out);
	if (status.n)
		add_status(&v, status, out);
	if (ended)
		(void)vapi_report(&v, out);
	return 0;
}
