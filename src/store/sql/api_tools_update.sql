-- write: changes a tool; absent members stay. The project stays as it is.
-- $1 org  $2 actor  $3 tool id  $4 body  $5 reason
-- tool
with old as (
	select t.id, callmend_tool(t) as doc from tool_definitions t
	where t.org_id = $1::uuid and t.id = callmend_uuid($3::text) and t.archived_at is null for update
), new as (
	update tool_definitions t set
		name = coalesce(b->>'name', t.name),
		description = case when b ? 'description' then coalesce(b->>'description', '') else t.description end,
		url = coalesce(b->>'url', t.url),
		method = coalesce(b->>'method', t.method),
		headers = case when b ? 'headers' then coalesce(nullif(b->'headers', 'null'), '[]') else t.headers end,
		timeout_ms = coalesce((b->>'timeout_ms')::int, t.timeout_ms),
		fallback = case when b ? 'fallback' then coalesce(b->>'fallback', '') else t.fallback end,
		success = case when b ? 'success' then coalesce(nullif(b->'success', 'null'), '{}') else t.success end,
		result_path = case when b ? 'result_path' then coalesce(b->>'result_path', '') else t.result_path end,
		search_argument = case when b ? 'search_argument' then coalesce(b->>'search_argument', '') else t.search_argument end,
		updated_at = now()
	from old, (select $4::jsonb as b) given where t.id = old.id
	returning t.id, callmend_tool(t) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'update', 'tool', new.id, old.doc, new.doc, $5::text from old, new
)
select doc from new
