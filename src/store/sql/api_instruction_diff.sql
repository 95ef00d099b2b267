-- read: two versions of a project's instructions side by side.
-- $1 org  $2 project id  $3 version: id or number  $4 the other
-- {"from": {...},"to": {...},"sections": [{section, before, after, changed}],"before","after"}
with project as (
	select p.id from projects p where p.org_id = $1::uuid and p.id = callmend_uuid($2::text)
), old as (
	select v.* from instruction_versions v where v.project_id = (select id from project)
		and (v.id = callmend_uuid($3::text) or v.number::text = $3::text)
), new as (
	select v.* from instruction_versions v where v.project_id = (select id from project)
		and (v.id = callmend_uuid($4::text) or v.number::text = $4::text)
)
select jsonb_build_object(
	'from', jsonb_build_object('id', old.id, 'number', old.number, 'author', old.author, 'created_at', callmend_time(old.created_at)),
	'to', jsonb_build_object('id', new.id, 'number', new.number, 'author', new.author, 'created_at', callmend_time(new.created_at)),
	'sections', callmend_sections_compare(old.sections, new.sections), 'before', old.text, 'after', new.text)
from old, new
