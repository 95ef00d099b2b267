-- read: a project.
-- $1 org  $2 project id
-- project
select callmend_project(p) from projects p where p.org_id = $1::uuid and p.id = callmend_uuid($2::text)
