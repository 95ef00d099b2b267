-- read: the commands to a call, in order.
-- $1 org  $2 call id or the provider's
-- {"call_id", "commands": [command]}
with call as (
	select callmend_call_id($1::uuid, $2::text) as id
)
select json_build_object('call_id', call.id,
	'commands', (select coalesce(json_agg(callmend_intervention(i) order by i.requested_at, i.id), '[]')
		from interventions i where i.call_id = call.id))
from call where call.id is not null
