-- read: the issues of a project, those opened last first.
-- $1 org  $2 project id  $3 status or null  $4 cause or null  $5 cursor  $6 limit (1 to 200, default 50)
-- {"issues": [issue], "next_cursor"}
with project as (
	select p.id from projects p where p.org_id = $1::uuid and p.id = callmend_uuid($2::text)
), page as (
	select i.opened_at, i.id, callmend_issue(i) as doc
	from issues i, callmend_uncursor($5::text, 2) as k
	where i.project_id = (select id from project) and ($3::text is null or i.status = $3::text)
		and ($4::text is null or i.cause = $4::text)
		and (k is null or (i.opened_at, i.id) < (k[1]::timestamptz, k[2]::uuid))
	order by i.opened_at desc, i.id desc
	limit callmend_limit($6::text, 200) + 1
), shown as (
	select * from page order by opened_at desc, id desc limit callmend_limit($6::text, 200)
), last as (
	select opened_at, id from shown order by opened_at, id limit 1
)
select json_build_object(
	'issues', (select coalesce(json_agg(doc order by opened_at desc, id desc), '[]') from shown),
	'next_cursor', case when (select count(*) from page) > callmend_limit($6::text, 200)
		then (select callmend_cursor(opened_at::text, id::text) from last) end)
from project
