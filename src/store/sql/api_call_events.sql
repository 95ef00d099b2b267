-- read: events of a call in order. Events are dropped when too old: then the list is empty, the call stays.
-- $1 org  $2 call id or the provider's  $3 after (sequence, null: from the start)  $4 limit (1 to 1000, default 50)
-- $5 types, separated by commas (null: all)
-- {"call_id", "events": [event], "next_after": sequence or null}
with call as (
	select callmend_call_id($1::uuid, $2::text) as id
), page as (
	select e.seq, callmend_event(e) as doc from call_events e
	where e.call_id = (select id from call) and e.seq > coalesce($3::bigint, -1)
		and ($5::text is null or e.type = any(string_to_array($5::text, ',')))
	order by e.seq
	limit callmend_limit($4::text, 1000) + 1
), shown as (
	select * from page order by seq limit callmend_limit($4::text, 1000)
)
select json_build_object('call_id', call.id,
	'events', (select coalesce(json_agg(doc order by seq), '[]') from shown),
	'next_after', case when (select count(*) from page) > callmend_limit($4::text, 1000)
		then (select max(seq) from shown) end)
from call where call.id is not null
