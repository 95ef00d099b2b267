-- read: the ended calls of a source whose platform is to be asked now, those that wait longest first.
-- $1 source  $2 how many
-- {"calls": [{"call_id","provider_call_id","started_at","ended_at","tries","waited_s","log","known": [platform's ids of recordings],
--  "told": how many of them its parties had, live,
--  "heard": by us, live,"recorded": likewise,"spoken",
--  "insights": [those of which there are some]}]}
select json_build_object('calls', coalesce(json_agg(json_build_object('call_id', c.id, 'provider_call_id', c.provider_call_id,
	'started_at', callmend_time(c.started_at), 'ended_at', callmend_time(coalesce(c.ended_at, c.updated_at)), 'tries', f.tries,
	'waited_s', extract(epoch from now() - f.created_at)::bigint, 'log', f.log,
	'known', (select coalesce(json_agg(r.platform_id), '[]') from recordings r where r.call_id = c.id and r.platform_id is not null
		and r.state <> 'failed'),
	'told', (select count(distinct e.data->'recording'->>'id') from call_events e where e.call_id = c.id and e.type = 'party'),
	'heard', exists (select from call_events e where e.call_id = c.id and e.type = 'audio.attached'),
	'recorded', exists (select from recordings r where r.call_id = c.id and r.platform_id is null and r.state in ('ready', 'processing')),
	'spoken', callmend_call_spoken(c.id),
	'insights', (select coalesce(json_agg(distinct i.record_id), '[]') from call_insights i where i.call_id = c.id)) order by f.due_at, c.id), '[]'))
from (select * from call_follow_ups x where x.source_id = callmend_uuid($1) and x.state = 'waiting' and x.due_at <= now()
	order by x.due_at, x.call_id limit $2::int) f
join calls c on c.id = f.call_id where not c.live
