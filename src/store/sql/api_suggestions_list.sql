-- read: the suggestions of a project, the newest first.
-- $1 org  $2 project id  $3 status or null  $4 cursor  $5 limit (1 to 200, default 50)
-- {"suggestions": [suggestion], "next_cursor"}
with project as (
	select p.id from projects p where p.org_id = $1::uuid and p.id = callmend_uuid($2::text)
), page as (
	select s.created_at, s.id, s as row
	from suggestions s, callmend_uncursor($4::text, 2) as k
	where s.project_id = (select id from project) and ($3::text is null or s.status = $3::text)
		and (k is null or (s.created_at, s.id) < (k[1]::timestamptz, k[2]::uuid))
	order by s.created_at desc, s.id desc
	limit callmend_limit($5::text, 200) + 1
), shown as (
	select * from page order by created_at desc, id desc limit callmend_limit($5::text, 200)
), last as (
	select created_at, id from shown order by created_at, id limit 1
)
select json_build_object(
	'suggestions', (select coalesce(json_agg(callmend_suggestion(row) order by created_at desc, id desc), '[]') from shown),
	'next_cursor', case when (select count(*) from page) > callmend_limit($5::text, 200)
		then (select callmend_cursor(created_at::text, id::text) from last) end)
from project
