-- write: makes a source (check the body with directory_check_source first).
-- $1 org  $2 actor  $3 body  $4 reason
-- source; the project must be one of the organisation's (P0001)
with new as (
	insert into sources as s (org_id, project_id, dialect, name, auth, private_key, control_key, api_base, upstream_url,
		upstream_timeout_ms, answers, assistant, assistant_id, assistant_mode, variable_values, failure, connect, settings)
	select $1::uuid, callmend_project_of($1::uuid, b->>'project_id'), coalesce(b->>'dialect', 'vapi'),
		coalesce(b->>'name', ''), coalesce(nullif(b->'auth', 'null'), '[]'), nullif(b->'private_key', 'null'),
		nullif(b->'control_key', 'null'), coalesce(b->>'api_base', callmend_api_base(coalesce(b->>'dialect', 'vapi'))),
		coalesce(b->>'upstream_url', ''), coalesce((b->>'upstream_timeout_ms')::int, 5000),
		coalesce(nullif(b->'answers', 'null'), '{}'), nullif(b->'assistant', 'null'),
		coalesce(b->>'assistant_id', ''), coalesce(b->>'assistant_mode', ''),
		coalesce(nullif(b->'variable_values', 'null'), '{}'), nullif(b->'failure', 'null'), nullif(b->'connect', 'null'),
		coalesce(nullif(b->'settings', 'null'), '{}')
	from (select $3::jsonb as b) given
	returning s.id, callmend_source(s) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
	select $1::uuid, $2::text, 'create', 'source', new.id, new.doc, $4::text from new
)
select doc from new
