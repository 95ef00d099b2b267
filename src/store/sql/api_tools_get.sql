-- read: a tool.
-- $1 org  $2 tool id
-- tool
select callmend_tool(t) from tool_definitions t where t.org_id = $1::uuid and t.id = callmend_uuid($2::text)
