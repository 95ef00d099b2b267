-- read: the instructions of a project that are in force.
-- $1 org  $2 project id
-- {"project_id", "current": version or null}
select json_build_object('project_id', p.id, 'current', (select callmend_instruction_version(v)
	from instructions i join instruction_versions v on v.id = i.current_version where i.project_id = p.id))
from projects p where p.org_id = $1::uuid and p.id = callmend_uuid($2::text)
