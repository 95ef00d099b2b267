-- read: what the platform knows of a call after it ended: its own analysis, its record, and how asking for them stands.
-- $1 org  $2 call id or the provider's
-- {"call_id", "insights": [{"kind","record_id","at","insight"}], "log": object or null,
--  "follow_up": {"state","tries","due_at","error","updated_at"} or null}
with call as (
	select callmend_call_id($1::uuid, $2::text) as id
)
select json_build_object('call_id', call.id,
	'insights', (select coalesce(json_agg(json_build_object('kind', i.kind, 'record_id', nullif(i.record_id, ''),
			'at', callmend_time(i.at), 'insight', i.data) order by i.record_id, i.kind), '[]')
		from call_insights i where i.call_id = call.id),
	'log', f.log, 'follow_up', case when f.call_id is not null then json_build_object('state', f.state, 'tries', f.tries,
		'due_at', case when f.state = 'waiting' then callmend_time(f.due_at) end, 'error', f.error,
		'updated_at', callmend_time(f.updated_at)) end)
from call left join call_follow_ups f on f.call_id = call.id where call.id is not null
