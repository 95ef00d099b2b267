-- write: makes a tool (check the body with directory_check_tool first).
-- $1 org  $2 actor  $3 body  $4 reason
-- tool; the project must be one of the organisation's (P0001) and have fewer than 256 tools in use (SETTINGS_TOOLS_MAX),
-- else the second column says so
with given as materialized (
	select b, callmend_project_of($1::uuid, b->>'project_id') as project from (select $3::jsonb as b) body
), room as (
	select count(t.id) < 256 as is_left
	from given left join tool_definitions t on t.project_id = given.project and t.archived_at is null
), new as (
	insert into tool_definitions as t (org_id, project_id, name, description, url, method, headers, timeout_ms, fallback,
		success, result_path)
	select $1::uuid, given.project, coalesce(b->>'name', ''),
		coalesce(b->>'description', ''), coalesce(b->>'url', ''), coalesce(b->>'method', 'POST'),
		coalesce(nullif(b->'headers', 'null'), '[]'), coalesce((b->>'timeout_ms')::int, 10000),
		coalesce(b->>'fallback', ''), coalesce(nullif(b->'success', 'null'), '{}'), coalesce(b->>'result_path', '')
	from given, room where room.is_left
	returning t.id, callmend_tool(t) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'create', 'tool', new.id, new.doc, $4::text from new
)
select (select doc from new),
	case when not room.is_left then 'project_id: the project has 256 tools already, it may have no more' end
from room
