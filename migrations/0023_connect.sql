-- Sessions with platforms: what a source's session is made of.
alter table sources add column connect jsonb check (connect is null or jsonb_typeof(connect) = 'object');
comment on column sources.connect is 'Session with the platform: {client_id, client_secret, jwt, events, address, verification, filters, from_number, account, platform}; secrets are references; null: none';
comment on column sources.dialect is 'Protocol: vapi, ringcentral, ringcx, or one of live audio';

-- Where a platform's API is when the source does not say.
create function callmend_api_base(dialect text) returns text language sql immutable as $$
	select case dialect
		when 'ringcentral' then 'https://platform.ringcentral.com'
		when 'ringcx' then 'https://ringcx.ringcentral.com'
		else 'https://api.vapi.ai' end
$$;
comment on function callmend_api_base(text) is 'The usual api_base of a dialect';

create or replace function callmend_source(s sources) returns json language sql stable as $$
	select json_build_object('id', s.id, 'org_id', s.org_id, 'project_id', s.project_id,
		'dialect', s.dialect, 'name', s.name, 'auth', s.auth, 'private_key', s.private_key,
		'control_key', s.control_key, 'api_base', s.api_base, 'upstream_url', s.upstream_url,
		'upstream_timeout_ms', s.upstream_timeout_ms, 'answers', s.answers, 'assistant', s.assistant,
		'assistant_id', s.assistant_id, 'assistant_mode', s.assistant_mode,
		'variable_values', s.variable_values, 'failure', s.failure, 'connect', s.connect,
		'settings', s.settings,
		'created_at', callmend_time(s.created_at), 'updated_at', callmend_time(s.updated_at),
		'archived_at', callmend_time(s.archived_at))
$$;
