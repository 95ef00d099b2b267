-- write: makes a tool (check the body with directory_check_tool first).
-- $1 org  $2 actor  $3 body  $4 reason
-- tool; the project must be one of the organisation's and have fewer than 256 tools in use (SETTINGS_TOOLS_MAX), else P0001
select callmend_tool_create($1::uuid, $2::text, $3::jsonb, $4::text)
