-- read: notifications, newest first; every filter may be null.
-- $1 org  $2 unread only (boolean)  $3 project  $4 type  $5 cursor  $6 limit (1 to 200, default 50)
-- {"notifications": [notification], "unread", "next_cursor"}; unread counts all of the organisation
with page as (
	select n.* from notifications n, callmend_uncursor($5::text, 2) as k
	where n.org_id = $1::uuid and (not coalesce($2::boolean, false) or n.read_at is null)
		and ($3::uuid is null or n.project_id = $3::uuid) and ($4::text is null or n.type = $4::text)
		and (k is null or (n.created_at, n.id) < (k[1]::timestamptz, k[2]::uuid))
	order by n.created_at desc, n.id desc
	limit callmend_limit($6::text, 200) + 1
), shown as (
	select * from page order by created_at desc, id desc limit callmend_limit($6::text, 200)
)
select json_build_object(
	'notifications', (select coalesce(json_agg(callmend_notification(n) order by n.created_at desc, n.id desc), '[]')
		from notifications n where n.id in (select id from shown)),
	'unread', (select count(*) from notifications n where n.org_id = $1::uuid and n.read_at is null),
	'next_cursor', case when (select count(*) from page) > callmend_limit($6::text, 200)
		then (select callmend_cursor(created_at::text, id::text) from shown order by created_at, id limit 1) end)
