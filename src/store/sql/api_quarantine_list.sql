-- read: what could not be used, newest first; every filter may be null. Long bodies are cut.
-- $1 org  $2 kind  $3 call id  $4 cursor  $5 limit (1 to 200, default 50)
-- {"entries": [{"id","journal","record","call_id","kind","reason","body": text (invalid bytes escaped),"bytes","arrived_at"}],
--  "next_cursor"}
with page as (
	select q.* from quarantine q, callmend_uncursor($4::text, 1) as k
	where q.org_id = $1::uuid and ($2::text is null or q.kind = $2::text) and ($3::uuid is null or q.call_id = $3::uuid)
		and (k is null or q.id < k[1]::bigint)
	order by q.id desc
	limit callmend_limit($5::text, 200) + 1
), shown as (
	select * from page order by id desc limit callmend_limit($5::text, 200)
)
select json_build_object(
	'entries', (select coalesce(json_agg(json_build_object('id', id, 'journal', journal, 'record', record,
		'call_id', call_id, 'kind', kind, 'reason', reason, 'body', callmend_readable(body, 4096),
		'bytes', octet_length(body), 'arrived_at', callmend_time(arrived_at)) order by id desc), '[]') from shown),
	'next_cursor', case when (select count(*) from page) > callmend_limit($5::text, 200)
		then (select callmend_cursor(min(id)::text) from shown) end)
