#include "dialect/ringcentral.h"

#include "dialect/ringcentral_parts.h"

static const char *const transfers[] = { "number", "extension", "voicemail", NULL };

const struct dialect ringcentral_dialect = {
	.name = "ringcentral",
	.title = "RingCentral",
	.cannot = rc_cannot,
	.by_session = true,
	.transfers = transfers,
	.echo_header = "Validation-Token",
	.classify = rc_classify,
	.mask = rc_mask,
	.reduce = rc_reduce,
	.read = rc_read,
	.command = rc_command,
	.read_answer = rc_read_answer,
	.is_so = rc_is_so,
	.explain = rc_explain,
	.reconcile = rc_reconcile,
	.read_call = rc_read_call,
	.put_asked = rc_put_asked,
	.begin_text = rc_begin_text,
};
