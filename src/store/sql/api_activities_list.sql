-- read: what happened in the loop, newest first; every filter may be null.
-- $1 org  $2 project  $3 kind  $4 object id  $5 cursor  $6 limit (1 to 200, default 50)
-- {"activities": [{"id","project_id","at","kind","actor","object_kind","object_id","title","data"}], "next_cursor"}
with page as (
	select a.* from activities a, callmend_uncursor($5::text, 1) as k
	where a.org_id = $1::uuid and ($2::uuid is null or a.project_id = $2::uuid) and ($3::text is null or a.kind = $3::text)
		and ($4::text is null or a.object_id = $4::text) and (k is null or a.id < k[1]::bigint)
	order by a.id desc
	limit callmend_limit($6::text, 200) + 1
), shown as (
	select * from page order by id desc limit callmend_limit($6::text, 200)
)
select json_build_object(
	'activities', (select coalesce(json_agg(json_build_object('id', id, 'project_id', project_id, 'at', callmend_time(at),
		'kind', kind, 'actor', actor, 'object_kind', object_kind, 'object_id', object_id, 'title', title,
		'data', data) order by id desc), '[]') from shown),
	'next_cursor', case when (select count(*) from page) > callmend_limit($6::text, 200)
		then (select callmend_cursor(min(id)::text) from shown) end)
