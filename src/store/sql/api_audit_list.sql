-- read: the audit log, newest first; every filter may be null.
-- $1 org  $2 object kind  $3 object id  $4 actor  $5 from (time)  $6 to (time)  $7 cursor  $8 limit (1 to 200, default 50)
-- {"entries": [{"id","at","actor","action","object_kind","object_id","old","new","reason"}], "next_cursor"}
with page as (
	select a.* from audit_log a, callmend_uncursor($7::text, 1) as k
	where a.org_id = $1::uuid
		and ($2::text is null or a.object_kind = $2::text)
		and ($3::text is null or a.object_id = $3::text)
		and ($4::text is null or a.actor = $4::text)
		and ($5::timestamptz is null or a.at >= $5::timestamptz)
		and ($6::timestamptz is null or a.at < $6::timestamptz)
		and (k is null or a.id < k[1]::bigint)
	order by a.id desc
	limit callmend_limit($8::text, 200) + 1
), shown as (
	select * from page order by id desc limit callmend_limit($8::text, 200)
)
select json_build_object(
	'entries', (select coalesce(json_agg(json_build_object('id', id, 'at', callmend_time(at), 'actor', actor,
		'action', action, 'object_kind', object_kind, 'object_id', object_id, 'old', old, 'new', new,
		'reason', reason) order by id desc), '[]') from shown),
	'next_cursor', case when (select count(*) from page) > callmend_limit($8::text, 200)
		then (select callmend_cursor(min(id)::text) from shown) end)
