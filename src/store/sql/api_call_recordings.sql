-- read: the recordings of a call, in order.
-- $1 org  $2 call id or the provider's
-- {"call_id", "recordings": [recording]}
with call as (
	select callmend_call_id($1::uuid, $2::text) as id
)
select json_build_object('call_id', call.id,
	'recordings', (select coalesce(json_agg(callmend_recording(r) order by r.started_at, r.id), '[]')
		from recordings r where r.call_id = call.id and r.state <> 'expired'))
from call where call.id is not null
