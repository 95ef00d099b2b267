-- read: what `callmend check` has to say about sources. No parameters.
-- {"sources": n, "warnings": [{"source","warning","advice","seen"}]}: sources that let nobody in, and what calls of the last 7 days
-- showed about the provider's configuration.
select json_build_object(
	'sources', (select count(*) from sources where archived_at is null),
	'warnings', (select coalesce(json_agg(w), '[]') from (
		select s.name as source, 'nobody is let in: no authentication is configured' as warning,
			'set auth, or declare the source open with [{"type":"open"}]' as advice, null as seen
		from sources s where s.archived_at is null and s.auth = '[]'
		union all
		select s.name, e.data->>'warning', e.data->>'advice', callmend_time(max(e.at))
		from call_events e join calls c on c.id = e.call_id join sources s on s.id = c.source_id
		where e.type = 'provider.warning' and e.day >= (now() at time zone 'UTC')::date - 7 and s.archived_at is null
		group by 1, 2, 3) w))
