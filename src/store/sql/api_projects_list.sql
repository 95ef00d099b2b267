-- read: the projects of an organisation, by name.
-- $1 org  $2 archived too (true or false, null: false)
-- {"projects": [project]}
select json_build_object('projects', (select coalesce(json_agg(callmend_project(p) order by lower(p.name), p.id), '[]')
	from projects p where p.org_id = $1::uuid and (p.archived_at is null or coalesce($2::boolean, false))))
