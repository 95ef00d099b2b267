-- read: a source, and how it has done lately.
-- $1 org  $2 source id
-- source with "last_call_at", "calls_24h", and "warnings": [{"warning","advice","at"}] of the provider's configuration (7 days)
select (callmend_source(s)::jsonb || jsonb_build_object(
	'last_call_at', (select callmend_time(max(c.started_at)) from calls c where c.source_id = s.id),
	'calls_24h', (select count(*) from calls c where c.source_id = s.id and c.started_at > now() - interval '24 hours'),
	'warnings', (select coalesce(jsonb_agg(jsonb_build_object('warning', w.warning, 'advice', w.advice,
			'at', callmend_time(w.at)) order by w.warning), '[]')
		from (select e.data->>'warning' as warning, max(e.data->>'advice') as advice, max(e.at) as at
			from call_events e join calls c on c.id = e.call_id
			where e.org_id = s.org_id and e.type = 'provider.warning' and c.source_id = s.id
				and e.at > now() - interval '7 days'
				and e.day >= (now() at time zone 'UTC')::date - 8
			group by 1) w)))::json
from sources s where s.org_id = $1::uuid and s.id = callmend_uuid($2::text)
