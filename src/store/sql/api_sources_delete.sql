-- write: puts a source away; calls that ran with it keep referring to it.
-- $1 org  $2 actor  $3 source id  $4 reason
-- source
with old as (
	select s.id, callmend_source(s) as doc from sources s
	where s.org_id = $1::uuid and s.id = callmend_uuid($3::text) and s.archived_at is null for update
), new as (
	update sources s set archived_at = now(), updated_at = now() from old where s.id = old.id
	returning s.id, callmend_source(s) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'archive', 'source', new.id, old.doc, new.doc, $4::text from old, new
)
select doc from new
