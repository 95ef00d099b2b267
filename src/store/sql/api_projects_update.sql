-- write: changes a project; absent members stay.
-- $1 org  $2 actor  $3 project id  $4 body of api_projects_create  $5 reason
-- project
with old as (
	select p.id, callmend_project(p) as doc from projects p
	where p.org_id = $1::uuid and p.id = callmend_uuid($3::text) and p.archived_at is null for update
), new as (
	update projects p set
		name = coalesce($4::jsonb->>'name', p.name),
		language = coalesce($4::jsonb->>'language', p.language),
		settings = coalesce(nullif($4::jsonb->'settings', 'null'), p.settings),
		fields = coalesce(nullif($4::jsonb->'fields', 'null'), p.fields),
		success_rule = coalesce(nullif($4::jsonb->'success_rule', 'null'), p.success_rule),
		rules = coalesce(nullif($4::jsonb->'rules', 'null'), p.rules),
		context = coalesce(nullif($4::jsonb->'context', 'null'), p.context),
		tags = coalesce(nullif($4::jsonb->'tags', 'null'), p.tags),
		thresholds = coalesce(nullif($4::jsonb->'thresholds', 'null'), p.thresholds),
		audio = coalesce(nullif($4::jsonb->'audio', 'null'), p.audio),
		minutes_per_success = coalesce(($4::jsonb->>'minutes_per_success')::numeric, p.minutes_per_success),
		updated_at = now()
	from old where p.id = old.id
	returning p.id, callmend_project(p) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'update', 'project', new.id, old.doc, new.doc, $5::text from old, new
)
select doc from new
