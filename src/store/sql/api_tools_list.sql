-- read: tools, by name.
-- $1 org  $2 project id (null: all)  $3 archived too (true or false, null: false)
-- {"tools": [tool]}
select json_build_object('tools', (select coalesce(json_agg(callmend_tool(t) order by lower(t.name), t.id), '[]')
	from tool_definitions t where t.org_id = $1::uuid and ($2::uuid is null or t.project_id = $2::uuid)
		and (t.archived_at is null or coalesce($3::boolean, false))))
