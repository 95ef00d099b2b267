-- write: makes a tool (check the body with directory_check_tool first).
-- $1 org  $2 actor  $3 body  $4 reason
-- tool; the project must be one of the organisation's (P0001)
with new as (
	insert into tool_definitions as t (org_id, project_id, name, description, url, method, headers, timeout_ms, fallback,
		success, result_path)
	select $1::uuid, callmend_project_of($1::uuid, b->>'project_id'), coalesce(b->>'name', ''),
		coalesce(b->>'description', ''), coalesce(b->>'url', ''), coalesce(b->>'method', 'POST'),
		coalesce(nullif(b->'headers', 'null'), '[]'), coalesce((b->>'timeout_ms')::int, 10000),
		coalesce(b->>'fallback', ''), coalesce(nullif(b->'success', 'null'), '{}'), coalesce(b->>'result_path', '')
	from (select $3::jsonb as b) given
	returning t.id, callmend_tool(t) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'create', 'tool', new.id, new.doc, $4::text from new
)
select doc from new
