-- write: changes a source; absent members stay, null clears what may be empty. The dialect stays as it is: call ids hang on it.
-- $1 org  $2 actor  $3 source id  $4 body  $5 reason
-- source
with old as (
	select s.id, callmend_source(s) as doc from sources s
	where s.org_id = $1::uuid and s.id = callmend_uuid($3::text) and s.archived_at is null for update
), new as (
	update sources s set
		project_id = case when b ? 'project_id' then callmend_project_of($1::uuid, b->>'project_id') else s.project_id end,
		name = coalesce(b->>'name', s.name),
		auth = case when b ? 'auth' then coalesce(nullif(b->'auth', 'null'), '[]') else s.auth end,
		private_key = case when b ? 'private_key' then nullif(b->'private_key', 'null') else s.private_key end,
		control_key = case when b ? 'control_key' then nullif(b->'control_key', 'null') else s.control_key end,
		api_base = coalesce(b->>'api_base', s.api_base),
		upstream_url = case when b ? 'upstream_url' then coalesce(b->>'upstream_url', '') else s.upstream_url end,
		upstream_timeout_ms = coalesce((b->>'upstream_timeout_ms')::int, s.upstream_timeout_ms),
		answers = case when b ? 'answers' then coalesce(nullif(b->'answers', 'null'), '{}') else s.answers end,
		assistant = case when b ? 'assistant' then nullif(b->'assistant', 'null') else s.assistant end,
		assistant_id = case when b ? 'assistant_id' then coalesce(b->>'assistant_id', '') else s.assistant_id end,
		assistant_mode = case when b ? 'assistant_mode' then coalesce(b->>'assistant_mode', '') else s.assistant_mode end,
		variable_values = case when b ? 'variable_values'
			then coalesce(nullif(b->'variable_values', 'null'), '{}') else s.variable_values end,
		failure = case when b ? 'failure' then nullif(b->'failure', 'null') else s.failure end,
		connect = case when b ? 'connect' then nullif(b->'connect', 'null') else s.connect end,
		settings = case when b ? 'settings' then coalesce(nullif(b->'settings', 'null'), '{}') else s.settings end,
		updated_at = now()
	from old, (select $4::jsonb as b) given where s.id = old.id
	returning s.id, callmend_source(s) as doc
), audit as (
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
	select $1::uuid, $2::text, 'update', 'source', new.id, old.doc, new.doc, $5::text from old, new
)
select doc from new
