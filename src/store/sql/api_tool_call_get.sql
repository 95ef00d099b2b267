-- read: a tool call.
-- $1 org  $2 tool call id (ours)
-- tool call
select callmend_tool_call(t) from tool_calls t where t.org_id = $1::uuid and t.id = callmend_uuid($2::text)
