#include "dialect/vapi.h"

#include "dialect/vapi_parts.h"

static const char *const transfers[] = { "number", "sip", NULL };

const struct dialect vapi_dialect = {
	.name = "vapi",
	.title = "Vapi",
	.cannot = vapi_cannot,
	.transfers = transfers,
	.socket_kind = VAPI_SOCKET_KIND,
	.classify = vapi_classify,
	.mask = vapi_mask,
	.reduce = vapi_reduce,
	.read = vapi_read,
	.command = vapi_command,
	.tool_answer = vapi_tool_answer,
	.read_tool_answer = vapi_read_tool_answer,
	.default_answer = vapi_default_answer,
	.reconcile = vapi_reconcile,
	.read_call = vapi_read_call,
	.fetch_assistant = vapi_fetch_assistant,
	.answer_assistant = vapi_answer_assistant,
};
