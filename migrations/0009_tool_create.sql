-- In a function, since the limit has to be looked at after the lock was got: a statement sees what was there when it began.
create function callmend_tool_create(org uuid, who text, b jsonb, why text) returns json language plpgsql as $$
declare
	project uuid := callmend_project_of(org, b->>'project_id');
	made tool_definitions;
begin
	-- The project's row serialises those who make tools in it.
	perform from projects p where p.id = project for no key update;
	if (select count(*) from tool_definitions t where t.project_id = project and t.archived_at is null) >= 256 then
		raise exception 'project_id: the project has 256 tools already, it may have no more';
	end if;
	insert into tool_definitions (org_id, project_id, name, description, url, method, headers, timeout_ms, fallback,
			success, result_path)
		values (org, project, coalesce(b->>'name', ''), coalesce(b->>'description', ''), coalesce(b->>'url', ''),
			coalesce(b->>'method', 'POST'), coalesce(nullif(b->'headers', 'null'), '[]'),
			coalesce((b->>'timeout_ms')::int, 10000), coalesce(b->>'fallback', ''),
			coalesce(nullif(b->'success', 'null'), '{}'), coalesce(b->>'result_path', ''))
		returning * into made;
	insert into audit_log (org_id, actor, action, object_kind, object_id, new, reason)
		values (org, who, 'create', 'tool', made.id, callmend_tool(made), why);
	return callmend_tool(made);
end
$$;
comment on function callmend_tool_create(uuid, text, jsonb, text) is 'Makes a tool, unless its project has 256 in use already (SETTINGS_TOOLS_MAX)';
