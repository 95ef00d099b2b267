-- read: the versions of a project's instructions, newest first.
-- $1 org  $2 project id  $3 cursor  $4 limit (1 to 200, default 50)
-- {"project_id", "current": version id or null, "versions": [version], "next_cursor"}
with project as (
	select p.id from projects p where p.org_id = $1::uuid and p.id = callmend_uuid($2::text)
), page as (
	select v.number, callmend_instruction_version(v) as doc
	from instruction_versions v, callmend_uncursor($3::text, 1) as k
	where v.project_id = (select id from project) and (k is null or v.number < k[1]::int)
	order by v.number desc
	limit callmend_limit($4::text, 200) + 1
), shown as (
	select * from page order by number desc limit callmend_limit($4::text, 200)
)
select json_build_object('project_id', project.id,
	'current', (select i.current_version from instructions i where i.project_id = project.id),
	'versions', (select coalesce(json_agg(doc order by number desc), '[]') from shown),
	'next_cursor', case when (select count(*) from page) > callmend_limit($4::text, 200)
		then (select callmend_cursor(min(number)::text) from shown) end)
from project
