-- read: the tool calls of a call, in order.
-- $1 org  $2 call id or the provider's
-- {"call_id", "tool_calls": [tool call]}
with call as (
	select callmend_call_id($1::uuid, $2::text) as id
)
select json_build_object('call_id', call.id,
	'tool_calls', (select coalesce(json_agg(callmend_tool_call(t) order by t.requested_seq, t.id), '[]')
		from tool_calls t where t.call_id = call.id))
from call where call.id is not null
