-- How rows look as JSON: one function per kind of object, used by the directory, the API and the audit log alike.

create function callmend_call(c calls) returns json language sql stable as $$
	select json_build_object('id', c.id, 'provider_call_id', c.provider_call_id,
		'conversation_id', c.conversation_id, 'source_id', c.source_id, 'project_id', c.project_id,
		'org_id', c.org_id, 'kind', c.kind, 'status', c.status, 'live', c.live,
		'started_at', callmend_time(c.started_at), 'ended_at', callmend_time(c.ended_at),
		'duration_ms', c.duration_ms, 'ended_reason', c.ended_reason, 'ended_class', c.ended_class,
		'customer', c.customer, 'assistant', c.assistant, 'phone_number', c.phone_number,
		'transcript_live', c.transcript_live,
		'sentiment', json_build_object('ai', c.ai_sentiment, 'user', c.user_sentiment, 'call', c.call_sentiment),
		'counts', json_build_object('events', c.event_count, 'turns', c.turn_count,
			'messages', c.message_count, 'tool_calls', c.tool_call_count,
			'tool_errors', c.tool_error_count, 'interruptions', c.interruption_count,
			'hangs', c.hang_count, 'interventions', c.intervention_count,
			'duplicates', c.duplicate_count),
		'outcome', c.outcome, 'cost', c.cost, 'summary', c.summary,
		'instruction_version', c.instruction_version, 'flags', c.flags, 'last_seq', c.last_seq)
$$;
comment on function callmend_call(calls) is 'A call as JSON: the members of the live summary';

create function callmend_event(e call_events) returns json language sql stable as $$
	select json_build_object('seq', e.seq, 'type', e.type, 'call_id', e.call_id, 'at', callmend_time(e.at),
		'offset_ms', e.offset_ms, 'speaker', coalesce(e.speaker, ''), 'text', coalesce(e.text, ''),
		'is_final', e.is_final, 'data', e.data)
$$;
comment on function callmend_event(call_events) is 'An event as JSON: the members that watchers get';

create function callmend_tool_call(t tool_calls) returns json language sql stable as $$
	select json_build_object('id', t.id, 'call_id', t.call_id, 'project_id', t.project_id,
		'tool_call_id', t.tool_call_id, 'tool', t.tool, 'arguments', t.arguments, 'run_by', t.run_by,
		'requested_at', callmend_time(t.requested_at), 'started_at', callmend_time(t.started_at),
		'duration_ms', t.duration_ms, 'success', t.success, 'result', t.result, 'error', t.error,
		'fallback', t.fallback, 'unknown', t.unknown, 'user_feedback', t.user_feedback,
		'correction', t.correction)
$$;
comment on function callmend_tool_call(tool_calls) is 'A tool call as JSON, all that B1 asks for';

create function callmend_intervention(i interventions) returns json language sql stable as $$
	select json_build_object('id', i.id, 'call_id', i.call_id, 'verb', i.verb, 'target', i.target,
		'state', i.state, 'text', i.text, 'actor', i.actor, 'reason', i.reason,
		'requested_at', callmend_time(i.requested_at), 'accepted_at', callmend_time(i.accepted_at),
		'effect_at', callmend_time(i.effect_at), 'latency_ms', i.latency_ms, 'error', i.error,
		'evidence', i.evidence)
$$;
comment on function callmend_intervention(interventions) is 'A command as JSON';

create function callmend_token(t api_tokens) returns json language sql stable as $$
	select json_build_object('id', t.id, 'org_id', t.org_id, 'name', t.name, 'role', t.role,
		'created_at', callmend_time(t.created_at), 'expires_at', callmend_time(t.expires_at),
		'revoked_at', callmend_time(t.revoked_at), 'last_used_at', callmend_time(t.last_used_at))
$$;
comment on function callmend_token(api_tokens) is 'A token as JSON, without its hash';

create function callmend_project(p projects) returns json language sql stable as $$
	select json_build_object('id', p.id, 'org_id', p.org_id, 'name', p.name, 'language', p.language,
		'settings', p.settings, 'created_at', callmend_time(p.created_at),
		'updated_at', callmend_time(p.updated_at), 'archived_at', callmend_time(p.archived_at))
$$;
comment on function callmend_project(projects) is 'A project as JSON';

create function callmend_instruction_version(v instruction_versions) returns json language sql stable as $$
	select json_build_object('id', v.id, 'project_id', v.project_id, 'number', v.number,
		'sections', v.sections, 'text', v.text, 'author', v.author, 'parent', v.parent, 'note', v.note,
		'created_at', callmend_time(v.created_at))
$$;
comment on function callmend_instruction_version(instruction_versions) is 'A version of instructions as JSON';

create function callmend_tool(t tool_definitions) returns json language sql stable as $$
	select json_build_object('id', t.id, 'org_id', t.org_id, 'project_id', t.project_id, 'name', t.name,
		'description', t.description, 'url', t.url, 'method', t.method, 'headers', t.headers,
		'timeout_ms', t.timeout_ms, 'fallback', t.fallback, 'success', t.success,
		'result_path', t.result_path, 'created_at', callmend_time(t.created_at),
		'updated_at', callmend_time(t.updated_at), 'archived_at', callmend_time(t.archived_at))
$$;
comment on function callmend_tool(tool_definitions) is 'A tool definition as JSON';

create function callmend_source(s sources) returns json language sql stable as $$
	select json_build_object('id', s.id, 'org_id', s.org_id, 'project_id', s.project_id,
		'dialect', s.dialect, 'name', s.name, 'auth', s.auth, 'private_key', s.private_key,
		'control_key', s.control_key, 'api_base', s.api_base, 'upstream_url', s.upstream_url,
		'upstream_timeout_ms', s.upstream_timeout_ms, 'answers', s.answers, 'assistant', s.assistant,
		'assistant_id', s.assistant_id, 'assistant_mode', s.assistant_mode,
		'variable_values', s.variable_values, 'failure', s.failure, 'settings', s.settings,
		'created_at', callmend_time(s.created_at), 'updated_at', callmend_time(s.updated_at),
		'archived_at', callmend_time(s.archived_at))
$$;
comment on function callmend_source(sources) is 'A source as JSON: secrets are references';

create function callmend_instruction_text(sections jsonb) returns text language sql immutable as $$
	select coalesce(string_agg(case when coalesce(s->>'name', '') = '' then s->>'text'
		else '# ' || (s->>'name') || E'\n\n' || (s->>'text') end, E'\n\n' order by n), '')
	from jsonb_array_elements(sections) with ordinality as x(s, n)
$$;
comment on function callmend_instruction_text(jsonb) is 'The whole text of sections';

create function callmend_instruction_sections(body jsonb) returns jsonb language plpgsql immutable as $$
begin
	if jsonb_typeof(body->'sections') = 'array' then
		if exists (select from jsonb_array_elements(body->'sections') s
				where jsonb_typeof(s) <> 'object' or jsonb_typeof(s->'text') is distinct from 'string'
				or coalesce(jsonb_typeof(s->'name'), 'string') <> 'string') then
			raise exception 'sections: each must be {"name": text, "text": text}';
		end if;
		return (select coalesce(jsonb_agg(jsonb_build_object('name', coalesce(s->>'name', ''), 'text', s->>'text')
			order by n), '[]') from jsonb_array_elements(body->'sections') with ordinality as x(s, n));
	end if;
	if jsonb_typeof(body->'text') = 'string' then
		return jsonb_build_array(jsonb_build_object('name', '', 'text', body->>'text'));
	end if;
	raise exception 'sections: an array, or text: a string, is needed';
end
$$;
comment on function callmend_instruction_sections(jsonb) is 'The sections of a request, checked: as given, or its text as the only one';

create function callmend_instruction_create(org uuid, who text, project uuid, body jsonb, why text)
returns json language plpgsql as $$
declare
	made instruction_versions;
	held instructions;
	old json;
	parts jsonb := callmend_instruction_sections(body);
begin
	-- The project's row serialises writers of its instructions.
	perform from projects p where p.id = project and p.org_id = org and p.archived_at is null for update;
	if not found then
		return null;
	end if;
	insert into instructions (org_id, project_id) values (org, project) on conflict do nothing;
	select * into held from instructions i where i.project_id = project;
	select callmend_instruction_version(v) into old from instruction_versions v where v.id = held.current_version;
	insert into instruction_versions (org_id, project_id, instruction_id, number, sections, text, author, parent, note)
		values (org, project, held.id,
			(select coalesce(max(v.number), 0) + 1 from instruction_versions v where v.project_id = project),
			parts, callmend_instruction_text(parts), who, held.current_version, body->>'note')
		returning * into made;
	update instructions set current_version = made.id, updated_at = now() where id = held.id;
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
		values (org, who, 'create', 'instruction_version', made.id, old, callmend_instruction_version(made), why);
	return callmend_instruction_version(made);
end
$$;
comment on function callmend_instruction_create(uuid, text, uuid, jsonb, text) is 'Makes a version of a project''s instructions and puts it in force; null: no such project';

create function callmend_instruction_activate(org uuid, who text, project uuid, version text, why text)
returns json language plpgsql as $$
declare
	wanted instruction_versions;
	old json;
begin
	perform from projects p where p.id = project and p.org_id = org and p.archived_at is null for update;
	if not found then
		return null;
	end if;
	select v.* into wanted from instruction_versions v
		where v.project_id = project and (v.id = callmend_uuid(version) or v.number::text = version);
	if not found then
		return null;
	end if;
	select callmend_instruction_version(v) into old from instructions i
		join instruction_versions v on v.id = i.current_version where i.project_id = project;
	update instructions set current_version = wanted.id, updated_at = now() where project_id = project;
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
		values (org, who, 'activate', 'instruction_version', wanted.id, old,
			callmend_instruction_version(wanted), why);
	return callmend_instruction_version(wanted);
end
$$;
comment on function callmend_instruction_activate(uuid, text, uuid, text, text) is 'Puts an earlier version (id or number) in force again; null: no such project or version';

create function callmend_project_of(org uuid, project text) returns uuid language plpgsql stable as $$
declare
	found_id uuid;
begin
	select p.id into found_id from projects p
		where p.id = callmend_uuid(project) and p.org_id = org and p.archived_at is null;
	if found_id is null then
		raise exception 'project_id: no such project';
	end if;
	return found_id;
end
$$;
comment on function callmend_project_of(uuid, text) is 'The id of a project of this organisation that is in use, or an error';

create function callmend_project_archive(org uuid, who text, project uuid, why text) returns json language plpgsql as $$
declare
	old json;
	new json;
begin
	select callmend_project(p) into old from projects p
		where p.id = project and p.org_id = org and p.archived_at is null for update;
	if not found then
		return null;
	end if;
	if exists (select from sources s where s.project_id = project and s.archived_at is null) then
		raise exception 'project: sources still use it';
	end if;
	update projects p set archived_at = now(), updated_at = now() where p.id = project
		returning callmend_project(p) into new;
	insert into audit_log (org_id, actor, action, object_kind, object_id, old, new, reason)
		values (org, who, 'archive', 'project', project, old, new, why);
	return new;
end
$$;
comment on function callmend_project_archive(uuid, text, uuid, text) is 'Puts a project away, unless sources use it; null: no such project';

create function callmend_readable(bytes bytea, most int) returns text language plpgsql immutable as $$
begin
	return left(convert_from(bytes, 'UTF8'), most);
exception when others then
	return encode(substring(bytes for most), 'escape');
end
$$;
comment on function callmend_readable(bytea, int) is 'Bytes for people: as text when they are UTF-8, else with escapes; at most so many characters';
