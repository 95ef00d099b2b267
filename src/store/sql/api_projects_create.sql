-- write: makes a project.
-- $1 org  $2 actor  $3 body {"name", "language", "settings", "fields", "success_rule", "rules", "context", "tags", "thresholds", "audio", "minutes_per_success"}  $4 reason
-- project
with new as (
	insert into projects as p (org_id, name, language, settings, fields, success_rule, rules, context, tags, thresholds, audio,
		minutes_per_success)
	select $1::uuid, coalesce(b->>'name', ''), coalesce(b->>'language', 'en'), coalesce(nullif(b->'settings', 'null'), '{}'),
		coalesce(nullif(b->'fields', 'null'), '[]'), coalesce(nullif(b->'success_rule', 'null'), '{}'),
		coalesce(nullif(b->'rules', 'null'), '{}'), coalesce(nullif(b->'context', 'null'), '{}'),
		coalesce(nullif(b->'tags', 'null'), '[]'), coalesce(nullif(b->'thresholds', 'null'), '{}'),
		coalesce(nullif(b->'audio', 'null'), '{}'),
		coalesce((b->>'minutes_per_success')::numeric, 3)
	from (select $3::jsonb as b) given
	returning p.id, callmend_project(p) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'create', 'project', new.id, new.doc, $4::text from new
)
select doc from new
