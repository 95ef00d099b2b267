-- Live audio: what a project wants of it.
alter table projects add column audio jsonb not null default '{}' check (jsonb_typeof(audio) = 'object');
comment on column projects.audio is 'Live audio of its calls: {vad, listen, listen_socket, recording: {on, keep_days}, stt: {provider, url, model, language, key}}';

create or replace function callmend_project(p projects) returns json language sql stable as $$
	select json_build_object('id', p.id, 'org_id', p.org_id, 'name', p.name, 'language', p.language,
		'settings', p.settings, 'fields', p.fields, 'success_rule', p.success_rule, 'rules', p.rules,
		'context', p.context, 'tags', p.tags, 'thresholds', p.thresholds, 'audio', p.audio,
		'minutes_per_success', p.minutes_per_success, 'created_at', callmend_time(p.created_at),
		'updated_at', callmend_time(p.updated_at), 'archived_at', callmend_time(p.archived_at))
$$;
