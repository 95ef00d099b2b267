-- read: the commands to a call, in order.
-- $1 org  $2 call id or the provider's
-- {"call_id", "commands": [command]}
with call as (
	select c.id from calls c
	where c.org_id = $1::uuid and (c.id = callmend_uuid($2::text) or c.provider_call_id = $2::text)
	order by c.id = callmend_uuid($2::text) desc nulls last, c.started_at desc
	limit 1
)
select json_build_object('call_id', call.id,
	'commands', (select coalesce(json_agg(callmend_intervention(i) order by i.requested_at, i.id), '[]')
		from interventions i where i.call_id = call.id))
from call
