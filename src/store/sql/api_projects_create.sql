-- write: makes a project.
-- $1 org  $2 actor  $3 body {"name", "language", "settings"}  $4 reason
-- project
with new as (
	insert into projects as p (org_id, name, language, settings)
	values ($1::uuid, coalesce($3::jsonb->>'name', ''), coalesce($3::jsonb->>'language', 'en'),
		coalesce(nullif($3::jsonb->'settings', 'null'), '{}'))
	returning p.id, callmend_project(p) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'create', 'project', new.id, new.doc, $4::text from new
)
select doc from new
