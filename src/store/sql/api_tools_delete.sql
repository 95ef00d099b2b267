-- write: puts a tool away; calls that ran with it keep referring to it.
-- $1 org  $2 actor  $3 tool id  $4 reason
-- tool
with old as (
	select t.id, callmend_tool(t) as doc from tool_definitions t
	where t.org_id = $1::uuid and t.id = callmend_uuid($3::text) and t.archived_at is null for update
), new as (
	update tool_definitions t set archived_at = now(), updated_at = now() from old where t.id = old.id
	returning t.id, callmend_tool(t) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'archive', 'tool', new.id, old.doc, new.doc, $4::text from old, new
)
select doc from new
