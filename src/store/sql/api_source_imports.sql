-- read: what was brought in for a source, the latest first.
-- $1 org  $2 source  $3 limit (1 to 200, default 50)
-- {"imports": [..]}; null: no such source
select json_build_object('imports', (
	select coalesce(json_agg(json_build_object('id', i.id, 'name', i.name, 'format', i.format, 'state', i.state,
		'records', i.records, 'imported', i.imported, 'duplicates', i.duplicates, 'bad', i.bad,
		'skipped', i.skipped, 'mistakes', i.mistakes, 'since', callmend_time(i.since),
		'until', callmend_time(i.until), 'started_at', callmend_time(i.started_at),
		'finished_at', callmend_time(i.finished_at)) order by i.started_at desc, i.id), '[]')
	from (select * from imports i where i.source_id = s.id
		order by i.started_at desc, i.id limit callmend_limit($3::text, 200)) i))
from sources s where s.org_id = $1::uuid and s.id = callmend_uuid($2::text)
